//! Reports that came before their unit, in a deployment of two brands, and those that nobody came
//! to when it was there.

use crate::common::{FACTORY, PHONE, World, report};
use crate::on_both;
use crate::support::{Client, House, house};
use axum::http::StatusCode;
use dossier::files::{Format, Kind, Table};
use dossier::flows::activate::{Activated, Report, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::keys::new_key;
use dossier::flows::masterdata::Taking;
use dossier::flows::{Scope, waiting};
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::commit::{Commit, Side};
use store::event::Body;

on_both! {
    what_nobody_replayed_is_replayed_later_in_the_order_in_which_it_came,
    a_report_that_waits_for_another_brands_unit_is_left_alone,
    what_waits_for_others_hides_nothing,
}

const IMEI: &str = "860837783533742";

/// A device reports its start, and nothing answers to its name yet.
async fn reported(world: &World, said: &Report) {
    let caller = world.caller().await;
    let render = |_: &Activated| Answer::new(201, String::new());
    let early = activate(&world.house, Some(&caller), said, None, &render).await;
    assert!(early.is_err(), "{}", said.value);
    world.clock.set(world.clock.now() + SignedDuration::from_secs(1));
}

/// A unit with an IMEI comes off the line, and nobody looks who waits for it: by the clock of that
/// moment nothing waits so long.
async fn made_and_not_replayed(world: &World, sn: &str) {
    let now = world.clock.now();
    world.clock.set(now + SignedDuration::from_hours(31 * 24));
    let row = format!("{sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{IMEI}\n");
    let file = format!("sn,gtin,produced_at,site_code,imei1\n{row}");
    world.take(Kind::Production, &file).await;
    world.clock.set(now);
}

/// When each start of a unit is said to have happened, in the order in which they were recorded.
async fn starts(world: &World, sn: &str) -> Vec<i64> {
    let unit = world.unit(sn).await;
    let events = world.house.store.events_fetch(unit).await.expect("it reads");
    let starts = events.iter().filter(|event| matches!(event.body, Body::Activated(_)));
    starts.map(|event| event.happened_at).collect()
}

async fn what_nobody_replayed_is_replayed_later_in_the_order_in_which_it_came(world: &World) {
    // By the names, the other would be first.
    let first = report("sn", "LATE1", "one device");
    let second = Report { scheme: "imei".to_owned(), value: IMEI.to_owned(), ..first.clone() };
    let second = Report { happened_at: first.happened_at + 60_000_000, ..second };
    // Nothing of this name ever comes.
    let never = Report { value: "NEVER".to_owned(), ..first.clone() };
    for said in [&never, &first, &second] {
        reported(world, said).await;
    }
    made_and_not_replayed(world, "LATE1").await;
    assert_eq!(starts(world, "LATE1").await, [] as [i64; 0]);
    // A turn that looks behind their names passes them by.
    let next = waiting::catch_up(&world.house, "zz").await.expect("the store answers");
    assert_eq!((next, starts(world, "LATE1").await.len()), (None, 0));
    for turn in 0..2 {
        let next = waiting::catch_up(&world.house, "").await.expect("the store answers");
        assert_eq!(next, None, "{turn}");
        let wanted = [first.happened_at, second.happened_at];
        assert_eq!(starts(world, "LATE1").await, wanted, "{turn}");
    }
    let now = world.clock.now().as_microsecond();
    for (name, left) in [("sn LATE1", 0), ("sn NEVER", 1)] {
        let found =
            world.house.store.waiting_fetch(name, now, (i64::MIN, &[])).await.expect("it reads");
        assert_eq!(found.len(), left, "{name}");
    }
    world.agrees().await;
}

async fn a_report_that_waits_for_another_brands_unit_is_left_alone(world: &World) {
    let parties = "code,kind,name,parent_code\nOTHER,brand,Other,\nPLANT,factory,P,OTHER\n";
    let products = format!("gtin,name_zh,category\n{PHONE},手机,phone\n");
    let line =
        format!("sn,gtin,produced_at,site_code\nLATE2,{PHONE},2026-05-20T08:00:00+08:00,PLANT\n");
    reported(world, &report("sn", "LATE2", "a device")).await;
    let files =
        [(Kind::Parties, parties), (Kind::Products, &*products), (Kind::Production, &*line)];
    for (kind, text) in files {
        let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let mut table = Table::from_reader(kind, Format::Csv, reader).expect("a table");
        let (who, taking) = (Importer::Operator(Some("OTHER")), Taking::default());
        let report = import(&world.house, who, &mut table, taking, &mut |_, _| {}).await;
        assert_eq!(report.expect("it is read").refused, 0, "{kind}");
    }
    assert_eq!(waiting::catch_up(&world.house, "").await.expect("the store answers"), None);
    let now = world.clock.now().as_microsecond();
    let found =
        world.house.store.waiting_fetch("sn LATE2", now, (i64::MIN, &[])).await.expect("it reads");
    assert_eq!(found.len(), 1, "it still waits for its own brand's");
}

/// However many wait under a name for another brand's unit, before and behind.
async fn what_waits_for_others_hides_nothing(world: &World) {
    let ours = report("sn", "LATE3", "a device");
    let other = |n: u16, received_at: i64| {
        let mut kept = serde_json::to_value(report("sn", "LATE3", &n.to_string())).expect("JSON");
        kept["brand"] = 999.into();
        let sealed = world.house.secrets.seal("waiting activation v1", kept.to_string().as_bytes());
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        Side::Waiting {
            value: "sn LATE3".to_owned(),
            id,
            sealed: sealed.expect("it is sealed"),
            received_at,
            expires_at: i64::MAX,
        }
    };
    let now = world.clock.now().as_microsecond();
    let before = (0..1_500).map(|n| other(n, now - 1));
    let sides = before.chain((1_500..2_600).map(|n| other(n, now + 1))).collect();
    world.house.store.commit(&Commit { sides, ..Commit::default() }).await.expect("they wait");
    reported(world, &ours).await;
    made_and_not_replayed(world, "LATE3").await;
    let next = waiting::catch_up(&world.house, "").await.expect("the store answers");
    assert_eq!((next, starts(world, "LATE3").await), (None, vec![ours.happened_at]));
}

/// Another brand in the same deployment, with a product and a plant of its own.
async fn second_brand(world: &House) {
    for (kind, text) in [
        (
            Kind::Parties,
            "code,kind,name,parent_code,region\nOTHER,brand,Other,,\nPLANT,factory,P,OTHER,4403\n",
        ),
        (Kind::Products, "gtin,name_zh,category\n6901234567892,手机,phone\n"),
    ] {
        let reader = Box::new(std::io::Cursor::new(text.as_bytes()));
        let mut table = Table::from_reader(kind, Format::Csv, reader).expect("a table");
        let mut on_row = |_: &dossier::files::RawRow, outcome: &_| {
            assert_eq!(*outcome, dossier::flows::RowOutcome::Taken);
        };
        let (who, taking) = (Importer::Operator(Some("OTHER")), Taking::default());
        import(&world.house, who, &mut table, taking, &mut on_row).await.expect("it is taken");
    }
}

async fn key(world: &House, brand: &str, scopes: &[Scope]) -> Client {
    let tenant = operator(&world.house, Some(brand)).await.expect("the brand").brand;
    let token = new_key(&world.house, tenant, brand, scopes, "test").await.expect("a key");
    world.bearer(&token)
}

fn activation(fingerprint: &str) -> Value {
    json!({"identifier": {"scheme": "sn", "value": "SAME1"},
        "happened_at": "2026-06-01T09:00:00+08:00", "device_fingerprint": fingerprint})
}

async fn make(client: &Client, site: &str) {
    let row = json!({"sn": "SAME1", "gtin": crate::support::GTIN, "site_code": site,
        "produced_at": "2026-05-01T08:00:00+08:00"});
    let made = client.post("/api/v1/units/commission", &json!({"rows": [row]})).await;
    assert_eq!(made.json["results"][0]["outcome"], "taken", "{}", made.text);
}

async fn activations(client: &Client) -> Vec<Value> {
    let dossier = client.get("/api/v1/units/SAME1?scheme=sn").await;
    dossier.expect(StatusCode::OK);
    let timeline = dossier.json["timeline"].as_array().expect("events").clone();
    timeline.into_iter().filter(|e| e["kind"] == "activated").collect()
}

#[tokio::test]
async fn a_report_waits_for_its_own_brands_unit_and_is_its_senders() {
    let world = house().await;
    second_brand(&world).await;
    let (ours, other) =
        (key(&world, "BRAND", &[Scope::All]).await, key(&world, "OTHER", &[Scope::All]).await);
    let server = key(&world, "BRAND", &[Scope::Activate]).await;
    let early = server.post("/api/v1/activations", &activation("fp-1")).await;
    early.refused(StatusCode::NOT_FOUND, "unknown_subject");
    // The other brand's unit of the same serial number is none of it, however often it comes.
    make(&other, "PLANT").await;
    assert_eq!(activations(&other).await, [] as [Value; 0]);
    make(&ours, "FAC").await;
    let started = activations(&ours).await;
    assert_eq!(started.len(), 1, "{started:?}");
    assert_eq!(started[0]["detail"]["assurance"], "brand_server", "{started:?}");
    assert_eq!(started[0]["party"], "BRAND");
    assert!(started[0]["actor"].as_str().is_some_and(|actor| actor.starts_with("key:")));
    assert_eq!(activations(&other).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_report_that_is_sent_again_while_it_waits_is_one() {
    let world = house().await;
    let (ours, server) =
        (key(&world, "BRAND", &[Scope::All]).await, key(&world, "BRAND", &[Scope::Activate]).await);
    for fingerprint in ["fp-1", "fp-1", "fp-1", "fp-2"] {
        let early = server.post("/api/v1/activations", &activation(fingerprint)).await;
        early.refused(StatusCode::NOT_FOUND, "unknown_subject");
    }
    make(&ours, "FAC").await;
    let started = activations(&ours).await;
    assert_eq!(started.len(), 2, "two devices reported: {started:?}");
}

#[tokio::test]
async fn a_report_waits_for_a_number_that_goes_onto_a_unit_later() {
    let world = house().await;
    let all = key(&world, "BRAND", &[Scope::All]).await;
    let imei = "860837783533742";
    let start = json!({"identifier": {"scheme": "imei", "value": imei},
        "happened_at": "2026-06-01T09:00:00+08:00", "device_fingerprint": "fp"});
    let early = all.post("/api/v1/activations", &start).await;
    early.refused(StatusCode::NOT_FOUND, "unknown_subject");
    make(&all, "FAC").await;
    assert_eq!(activations(&all).await, [] as [Value; 0]);
    let moved = json!({"scheme": "imei", "value": imei, "onto": true, "reason": "mainboard"});
    all.post("/api/v1/units/SAME1/identifiers", &moved).await.expect(StatusCode::OK);
    assert_eq!(activations(&all).await.len(), 1);
}

#[tokio::test]
async fn of_reports_that_waited_the_first_that_came_is_the_first_start() {
    let world = house().await;
    let all = key(&world, "BRAND", &[Scope::All]).await;
    let imei = "860837783533742";
    let names = [("part", "BAT-1"), ("imei", imei), ("sn", "SAME1"), ("imei", imei)];
    for (i, (scheme, value)) in names.iter().enumerate() {
        let start = json!({"identifier": {"scheme": scheme, "value": value},
            "happened_at": format!("2026-06-0{}T06:00:00+08:00", 1 + i % 2),
            "device_fingerprint": format!("device {i}")});
        let early = all.post("/api/v1/activations", &start).await;
        early.refused(StatusCode::NOT_FOUND, "unknown_subject");
        let clock = &world.house.clock;
        clock.set(clock.now() + SignedDuration::from_secs(1));
    }
    let row = json!({"sn": "SAME1", "gtin": crate::support::GTIN, "site_code": "FAC", "imei1": imei,
        "parts": "BAT-1", "produced_at": "2026-05-01T08:00:00+08:00"});
    let made = all.post("/api/v1/units/commission", &json!({"rows": [row]})).await;
    assert_eq!(made.json["results"][0]["outcome"], "taken", "{}", made.text);
    let started = activations(&all).await;
    let first: Vec<_> = started.iter().filter(|e| e["detail"]["first"] == true).collect();
    assert_eq!((started.len(), first.len()), (4, 1), "{started:?}");
    let at = first[0]["happened_at"].as_str().expect("an instant");
    assert!(at.starts_with("2026-06-01"), "{started:?}");
}
