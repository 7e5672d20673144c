//! What is weighed of a report, and what is kept of it: each signal reaches the evidence, who
//! watches the channel reads why, and a change of what weighs shows in the ledger.

use crate::common::server::Place;
use crate::common::{FACTORY, World, master, report, sns};
use crate::on_both;
use axum::http::Request;
use dossier::api::{ServeOptions, router};
use dossier::files::Kind;
use dossier::flows::activate::{Activated, Report, activate};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::house::Settings;
use dossier::flows::idempotency::Answer;
use dossier::flows::{Caller, House, Scope};
use dossier::geo::{Geo, GeoPaths};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::canonical::{canonical_text, hex, unhex};
use store::event::{ActivatedBody, Body, Event, FamilyRow};
use store::reference::Purpose;
use tower::ServiceExt;

on_both! {
    a_position_is_attested_by_who_may_say_so,
    home_network_and_time_zone_break_ties,
    what_is_sold_online_is_known_by_its_grants,
    the_digest_is_that_of_the_signals_and_their_blind,
    the_brand_reads_why_and_nobody_else,
    a_clock_that_was_never_set_is_no_reason_to_refuse,
}

const SHIPMENTS: &str = "shipment_no,from_code,to_code,happened_at,subject\n";
/// Kunming, in the territory of the tier 1 of Yunnan.
const KUNMING: (f64, f64) = (25.04, 102.70);
/// Wuhan, where no grant of Yunnan reaches.
const WUHAN: (f64, f64) = (30.55, 114.31);

async fn shipped(world: &World, sn: &str, to: &str) {
    let row = format!("S-{sn},{FACTORY},{to},2026-05-21T08:00:00+08:00,{sn}\n");
    world.take(Kind::Shipments, &format!("{SHIPMENTS}{row}")).await;
}

/// The event of a start that is reported with these scopes of the brand, or without a key.
async fn started(world: &World, house: &House, scopes: &[Scope], report: &Report) -> Event {
    let caller = Caller { scopes: scopes.to_vec(), ..world.caller().await };
    let caller = Some(&caller).filter(|_| !scopes.is_empty());
    let render = |_: &Activated| Answer::new(201, String::new());
    let done = activate(house, caller, report, None, &render).await;
    done.expect("an activation is never refused");
    let unit = world.unit(&report.value).await;
    let events = house.store.events_fetch(unit).await.expect("it reads");
    let starts = |event: &Event| matches!(event.body, Body::Activated(_));
    events.into_iter().rfind(starts).expect("a start")
}

fn body(event: &Event) -> &ActivatedBody {
    match &event.body {
        Body::Activated(body) => body,
        other => panic!("{other:?}"),
    }
}

/// What a family said.
fn family<'a>(event: &'a Event, name: &str) -> Option<&'a FamilyRow> {
    body(event).families.iter().find(|row| row.family == name)
}

async fn a_position_is_attested_by_who_may_say_so(world: &World) {
    world.make(&sns(0..1)).await;
    shipped(world, "CY000000", "T1-53").await;
    let attests = [Scope::ActivateAttested];
    for (scopes, attested, score) in [
        (&attests[..], true, -4_000),
        (&attests[..], false, -1_500),
        (&[Scope::Activate], true, -1_500),
        (&[Scope::ActivateApp], true, -1_500),
        (&[], true, -1_500),
    ] {
        let mut report = report("sn", "CY000000", "a device");
        report.signals.gps = Some((KUNMING.0, KUNMING.1, 30.0, attested));
        let event = started(world, &world.house, scopes, &report).await;
        let device = family(&event, "device").expect("the position is weighed");
        assert_eq!((device.inside, device.score_milli), (Some(true), score), "{scopes:?}");
        let vouched = !device.reasons.contains(&"unattested".to_owned());
        assert_eq!(vouched, score == -4_000, "{scopes:?} {attested}");
    }
    world.agrees().await;
}

async fn home_network_and_time_zone_break_ties(world: &World) {
    world.make(&sns(0..1)).await;
    shipped(world, "CY000000", "T1-53").await;
    for (sim, zone, score) in [
        (None, None, None),
        (Some("310"), None, Some(500)),
        (None, Some("America/New_York"), Some(500)),
        (Some("310410"), Some("America/New_York"), Some(1_000)),
        (Some("999"), Some("Mars/Olympus"), None),
    ] {
        let mut report = report("sn", "CY000000", "a device");
        report.signals.sim_mcc = sim.map(str::to_owned);
        report.signals.time_zone = zone.map(str::to_owned);
        let event = started(world, &world.house, &[Scope::Activate], &report).await;
        let said = family(&event, "device").map(|row| row.score_milli);
        assert_eq!(said, score, "{sim:?} {zone:?}");
    }
}

async fn what_is_sold_online_is_known_by_its_grants(world: &World) {
    let parties = "code,kind,name,parent_code,region\nT1-NET,tier1,网店,BRAND,440305\n";
    world.take(Kind::Parties, parties).await;
    let granted = "party_code,gtin,regions,from_on,channel\n";
    let online = format!("{granted}T1-NET,*,CN,2026-01-01,online\n");
    world.take(Kind::Territories, &online).await;
    world.make(&sns(0..2)).await;
    shipped(world, "CY000000", "T1-NET").await;
    shipped(world, "CY000001", "T1-53").await;
    let why = async |sn: &str| {
        let mut report = report("sn", sn, "a device");
        report.signals.ip = "113.64.0.1".parse().ok();
        let event = started(world, &world.house, &[Scope::Activate], &report).await;
        family(&event, "ip").expect("the address is weighed").reasons.clone()
    };
    assert_eq!(why("CY000000").await, ["sold_online"]);
    assert_eq!(why("CY000001").await, ["address_unknown"]);
    // Once a shop may sell them too, the address says where that may have been.
    let both = format!("{granted}T1-NET,*,4403,2026-01-02,both\n");
    world.take(Kind::Territories, &both).await;
    assert_eq!(why("CY000000").await, ["address_unknown"]);
}

async fn the_digest_is_that_of_the_signals_and_their_blind(world: &World) {
    world.make(&sns(0..1)).await;
    let mut told = report("sn", "CY000000", "a device");
    told.signals.ip = "113.64.0.1".parse().ok();
    told.signals.gps = Some((WUHAN.0, WUHAN.1, 30.0, false));
    told.signals.store_code = Some("T1-42".to_owned());
    let unit = world.unit("CY000000").await;
    let now = world.clock.now().as_microsecond();
    let mut digests = Vec::new();
    for _ in 0..2 {
        let event = started(world, &world.house, &[Scope::Activate], &told).await;
        let store = &world.house.store;
        let sealed = store.observation_fetch(unit, &event.id.0, now).await.expect("it reads");
        let text = world.house.secrets.open("signals v1", &sealed.expect("it is kept"));
        let text = text.expect("it opens");
        let kept: (String, String, Report) = serde_json::from_slice(&text).expect("JSON");
        let (blind, assurance, report) = kept;
        assert_eq!((blind.len(), assurance.as_str()), (32, "brand_server"));
        assert_eq!(report.signals, told.signals);
        let signals = serde_json::to_value(&report.signals).expect("JSON");
        let signals = canonical_text(&signals).expect("JSON");
        let digest = Sha256::new()
            .chain_update(&signals)
            .chain_update(unhex(&blind).expect("hexadecimal digits"))
            .finalize();
        assert_eq!(body(&event).signals_digest, hex(&digest));
        let written = serde_json::to_string(&event.body).expect("JSON");
        for raw in ["113.64.0.1", "114.31", "T1-42", "a device"] {
            assert!(!written.contains(raw), "{written}");
        }
        digests.push(body(&event).signals_digest.clone());
    }
    assert_ne!(digests[0], digests[1], "two alike are not known to be");
}

/// The house of somebody who knows which addresses are a data centre's.
async fn with_ranges(world: &World) -> Arc<House> {
    let path = world.scratch.path().join("ranges.csv");
    let ranges = "cidr,region,network,note\n45.10.0.0/16,,hosting,a VPN\n";
    std::fs::write(&path, ranges).expect("a file");
    let paths = GeoPaths { ranges: Some(path), ..GeoPaths::default() };
    let geo = Arc::new(Geo::load(&paths).expect("it loads"));
    let clock = world.clock.clone();
    let house = House::open(&world.target, master(), clock, geo, Settings::default()).await;
    Arc::new(house.expect("the house opens"))
}

/// What anyone is answered.
async fn anyone(house: &Arc<House>, request: Request<axum::body::Body>) -> String {
    let app = router(Arc::clone(house), ServeOptions::default());
    let response = app.oneshot(request).await.expect("an answer");
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn the_brand_reads_why_and_nobody_else(world: &World) {
    const WHY: [&str; 4] = ["address_hosting", "hosting", "unattested", "location-model"];
    world.make(&sns(0..1)).await;
    let sn = "CY000000";
    // A depot in another province, beside what the regions say.
    let ring = "[114.2,30.4],[114.5,30.4],[114.5,30.7],[114.2,30.7],[114.2,30.4]";
    let fence = format!(r#""{{""type"":""Polygon"",""coordinates"":[[{ring}]]}}""#);
    let granted =
        format!("party_code,gtin,regions,from_on,polygons\nT1-53,*,,2026-02-01,{fence}\n");
    world.take(Kind::Territories, &granted).await;
    shipped(world, sn, "T1-53").await;
    let house = with_ranges(world).await;
    let mut told = report("sn", sn, "a device");
    told.signals.ip = "45.10.0.7".parse().ok();
    told.signals.gps = Some((WUHAN.0, WUHAN.1, 30.0, false));
    let event = started(world, &house, &[Scope::Activate], &told).await;
    let recorded = body(&event);
    let address = family(&event, "ip").expect("an address");
    assert_eq!((address.inside, &address.reasons[..]), (None, &["address_hosting".to_owned()][..]));
    assert_eq!(recorded.network.as_deref(), Some("hosting"));
    let device = family(&event, "device").expect("a position");
    assert_eq!((device.inside, &device.reasons[..]), (Some(true), &["unattested".to_owned()][..]));
    let reference = world.house.reference_now().await.expect("it reads");
    let depot = reference.territories.iter().find(|grant| !grant.regions.fences().is_empty());
    let [row] = &recorded.fences[..] else { panic!("{recorded:?}") };
    assert_eq!((row.place, row.territory), (0, depot.expect("it is granted").id.0));
    let databases = house.geo.versions();
    assert!(databases.contains("ranges"), "{databases}");
    assert_eq!(recorded.versions, format!("{databases}; {}", house.rules.versions));
    assert!(house.rules.versions.starts_with("location-model "), "{}", house.rules.versions);

    let of = async |party: &str| {
        let desk = world.desk(party, "read").await;
        let (status, dossier) = desk.get(&format!("/api/v1/units/{sn}")).await;
        assert_eq!(status, 200, "{dossier}");
        let events = dossier["timeline"].as_array().cloned().unwrap_or_default();
        events.into_iter().find(|event| event["kind"] == "activated").expect("a start")
    };
    let shown = of("BRAND").await["detail"].clone();
    assert_eq!(shown["network"], "hosting");
    assert_eq!(shown["families"][0]["reasons"], json!(["address_hosting"]));
    assert_eq!(shown["fences"], json!([{"name": "1", "party": "T1-53"}]));
    assert_eq!(shown["versions"], recorded.versions.as_str());
    let channel = of("T1-53").await.to_string();
    let code = house.ring().encode(unit_number(world.unit(sn).await));
    let look = Request::get(format!("/api/v1/verify/{}", code.as_str()));
    let look = look.body(axum::body::Body::empty()).expect("a request");
    let again = json!({"identifier": {"scheme": "sn", "value": sn},
        "happened_at": "2026-06-09T08:00:00+08:00", "signals": {"ip": "45.10.0.7"}});
    let again = Request::post("/api/v1/activations")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(again.to_string()))
        .expect("a request");
    for said in [channel, anyone(&house, look).await, anyone(&house, again).await] {
        assert!(said.contains("2026-0"), "it is told when: {said}");
        assert!(!WHY.iter().any(|why| said.contains(why)), "{said}");
    }
    let place = Place::new(&world.target, world.scratch.path());
    let sheet = place.run(&["show", sn, "--lang", "en"]);
    assert!(sheet.contains("address: of a data centre or VPN; device: position"), "{sheet}");
    world.agrees().await;
}

async fn a_clock_that_was_never_set_is_no_reason_to_refuse(world: &World) {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    world.make(&sns(0..2)).await;
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 1, scratch: false };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    let code = world.house.ring().encode(unit_number(batch.first)).as_str().to_owned();
    let now = world.clock.now();
    let desk = world.desk("BRAND", "all").await;
    let start = async |scheme: &str, value: &str, at: &str| {
        let body = json!({"identifier": {"scheme": scheme, "value": value}, "happened_at": at});
        desk.post("/api/v1/activations", &body).await
    };
    let unit = world.unit("CY000000").await;
    for (scheme, value, at, number) in [
        ("sn", "CY000000", NEVER, unit),
        // Of what nobody has told to be made, any day could be that of its start.
        ("code", code.as_str(), "9999-12-31T23:59:59+08:00", batch.first),
    ] {
        let (status, reply) = start(scheme, value, at).await;
        assert_eq!(status, 201, "{reply}");
        let told = (&reply["clock_believed"], &reply["reasons"]);
        assert_eq!(told, (&json!(false), &json!(["clock"])), "{value}");
        let events = world.house.store.events_fetch(number).await.expect("it reads");
        let event = events.iter().rfind(|e| matches!(e.body, Body::Activated(_)));
        let event = event.expect("a start");
        assert_eq!(event.happened_at, now.as_microsecond(), "{value}");
        assert_eq!(body(event).activated_at, now.as_microsecond(), "{value}");
        assert!(!body(event).clock_believed);
    }
    for bad in ["0001-02-30T00:00:00Z", "yesterday", "0001-01-01T25:00:00Z"] {
        let (status, reply) = start("sn", "CY000000", bad).await;
        assert_eq!((status, &reply["field"]), (400, &Value::from("happened_at")), "{bad}");
    }
    // What waited for its unit is held to have happened when it came, too.
    assert_eq!(start("sn", "LATE0001", NEVER).await.0, 404);
    world.clock.set(now + jiff::SignedDuration::from_hours(240));
    world.make(&["LATE0001".to_owned()]).await;
    let late = world.house.store.unit_fetch(world.unit("LATE0001").await).await;
    let late = late.expect("it reads").expect("it is made");
    assert_eq!(late.activated_at, Some(now.as_microsecond()));
    world.agrees().await;
    let place = Place::new(&world.target, world.scratch.path());
    let args = ["activate", "--scheme", "sn", "--value", "CY000001", "--at", NEVER, "--json"];
    let decided: Value = serde_json::from_str(&place.run(&args)).expect("JSON");
    assert_eq!((&decided["first"], &decided["reasons"]), (&json!(true), &json!(["clock"])));
}
