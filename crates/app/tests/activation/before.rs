//! Starts that lie before what they name: before their code was made, before their unit was, and
//! before an identifier was another unit's.

use crate::common::{FACTORY, PHONE, World, settle};
use crate::on_both;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

on_both! {
    nothing_was_started_before_its_code_was_made,
    a_start_before_production_dates_no_guarantee,
    what_waited_from_before_production_is_none_of_the_unit,
    a_late_report_is_of_the_unit_that_bore_the_number_then,
}

const IMEI: &str = "860837783533742";

async fn start(world: &World, (scheme, value): (&str, &str), at: &str, device: &str) -> Value {
    let body = json!({"identifier": {"scheme": scheme, "value": value}, "happened_at": at,
        "device_fingerprint": device});
    let desk = world.desk("BRAND", "all").await;
    let (status, reply) = desk.post("/api/v1/activations", &body).await;
    assert!([200, 201, 404].contains(&status), "{reply}");
    reply
}

async fn a_code(world: &World) -> String {
    let desk = world.desk("BRAND", "all").await;
    let order = json!({"gtin": PHONE, "count": 1, "purpose": "printed"});
    let (status, batch) = desk.post("/api/v1/batches", &order).await;
    assert_eq!(status, 201, "{batch}");
    let listed = desk.text(&format!("/api/v1/batches/{}/codes?format=csv", batch["id"])).await;
    let line = listed.lines().nth(1).expect("a code");
    line.split(',').next().expect("it comes first").to_owned()
}

/// A unit comes off the line now.
async fn make(world: &World, sn: &str, more: Value) {
    let mut row = json!({"sn": sn, "gtin": PHONE, "site_code": FACTORY, "inspection": "pass",
        "produced_at": world.clock.now().to_string()});
    row.as_object_mut().expect("a row").extend(more.as_object().cloned().unwrap_or_default());
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.post("/api/v1/units/commission", &json!({"rows": [row]})).await;
    assert_eq!(reply["results"][0]["outcome"], "taken", "{reply}");
}

fn later(world: &World, days: i64) {
    world.clock.set(world.clock.now() + SignedDuration::from_hours(24 * days));
}

async fn seen(world: &World, sn: &str) -> Value {
    let desk = world.desk("BRAND", "all").await;
    desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await.1
}

fn instant(reply: &Value) -> Timestamp {
    reply["activated_at"].as_str().expect("an instant").parse().expect("an instant")
}

async fn nothing_was_started_before_its_code_was_made(world: &World) {
    let minted = world.clock.now();
    later(world, 2);
    for (at, believed) in [
        ("2024-01-01T00:00:00+08:00".to_owned(), false),
        ((minted - SignedDuration::from_secs(1)).to_string(), false),
        (minted.to_string(), true),
    ] {
        let code = a_code_minted(world, minted).await;
        let reply = start(world, ("code", &code), &at, "one").await;
        let told = reply["reasons"].as_array().is_some_and(|r| r.contains(&json!("clock")));
        assert_eq!(told, !believed, "{at}: {reply}");
        let wanted = if believed { minted } else { world.clock.now() };
        assert_eq!(instant(&reply), wanted, "{at}: {reply}");
    }
}

/// One that was minted at an instant.
async fn a_code_minted(world: &World, minted: Timestamp) -> String {
    let now = world.clock.now();
    world.clock.set(minted);
    let code = a_code(world).await;
    world.clock.set(now);
    code
}

async fn a_start_before_production_dates_no_guarantee(world: &World) {
    let code = a_code(world).await;
    let early = start(world, ("code", &code), &world.clock.now().to_string(), "a thief").await;
    assert_eq!(early["findings"][0]["reasons"], json!(["no_production_record"]), "{early}");
    later(world, 3);
    make(world, "CY1", json!({"code": code})).await;
    settle(&world.house).await;
    let reply = seen(world, "CY1").await;
    assert_eq!(reply["warranty"]["basis"], "ex_factory_plus_90", "{reply}");
    let unit = world.unit("CY1").await;
    let findings = world.house.store.findings_fetch(unit).await.expect("it reads");
    let standing = findings.iter().filter(|f| !f.withdrawn);
    let standing: Vec<_> = standing.map(|f| (f.kind.as_str(), f.reasons.as_str())).collect();
    assert_eq!(standing, [("not_produced", "before_production")]);
    // It holds nobody's place: the owner's is the first.
    later(world, 20);
    let now = world.clock.now().to_string();
    let owner = start(world, ("sn", "CY1"), &now, "the phone").await;
    assert_eq!(owner["first"], json!(true), "{owner}");
    let kinds: Vec<_> = owner["findings"].as_array().expect("findings").iter().collect();
    assert!(kinds.iter().all(|f| f["kind"] != "activated_again"), "{owner}");
    let reply = seen(world, "CY1").await;
    let told = (&reply["verdict"], &reply["warranty"]["basis"]);
    assert_eq!(told, (&json!("genuine"), &json!("activation")), "{reply}");
    let desk = world.desk("BRAND", "all").await;
    let (_, dossier) = desk.get("/api/v1/units/CY1?scheme=sn").await;
    let timeline = dossier["timeline"].as_array().expect("a story");
    let starts = timeline.iter().filter(|e| e["kind"] == "activated");
    let firsts: Vec<_> = starts.map(|e| e["detail"]["first"].clone()).collect();
    assert_eq!(firsts, [json!(false), json!(true)], "{dossier}");
    world.agrees().await;
}

async fn what_waited_from_before_production_is_none_of_the_unit(world: &World) {
    let at = world.clock.now().to_string();
    assert_eq!(start(world, ("sn", "CY1"), &at, "a thief").await["code"], "unknown_subject");
    later(world, 2);
    make(world, "CY1", json!({})).await;
    let reply = seen(world, "CY1").await;
    assert_eq!(reply["verdict"], "not_activated", "{reply}");
    let now = world.clock.now().as_microsecond();
    let waits = world.house.store.waiting_fetch("sn CY1", now, (i64::MIN, &[])).await;
    assert_eq!(waits.expect("it reads").len(), 0);
    later(world, 1);
    let owner = start(world, ("sn", "CY1"), &world.clock.now().to_string(), "the phone").await;
    assert_eq!(
        (&owner["first"], &owner["findings"][0]["kind"]),
        (&json!(true), &json!("never_shipped"))
    );
    assert_eq!(seen(world, "CY1").await["verdict"], "genuine");
}

async fn a_late_report_is_of_the_unit_that_bore_the_number_then(world: &World) {
    make(world, "OLD1", json!({"imei1": IMEI})).await;
    make(world, "NEW1", json!({})).await;
    let used = (world.clock.now() + SignedDuration::from_hours(12)).to_string();
    later(world, 5);
    let desk = world.desk("BRAND", "all").await;
    let moved = async |unit: &str, onto: bool| {
        let body = json!({"scheme": "imei", "value": IMEI, "onto": onto, "reason": "mainboard"});
        let path = format!("/api/v1/units/{unit}/identifiers");
        let (status, reply) = desk.post(&path, &body).await;
        assert_eq!(status, 200, "{reply}");
    };
    moved("OLD1", false).await;
    let late = start(world, ("imei", IMEI), &used, "the phone").await;
    assert_eq!((&late["first"], &late["unit"]["sn"]), (&json!(true), &json!("OLD1")), "{late}");
    // By now nobody bears it.
    let now = start(world, ("imei", IMEI), &world.clock.now().to_string(), "the phone").await;
    assert_eq!(now["code"], "unknown_subject", "{now}");
    later(world, 1);
    moved("NEW1", true).await;
    let again = start(world, ("imei", IMEI), &used, "the phone").await;
    assert_eq!((&again["first"], &again["unit"]["sn"]), (&json!(false), &json!("OLD1")), "{again}");
    later(world, 1);
    let now = start(world, ("imei", IMEI), &world.clock.now().to_string(), "the phone").await;
    assert_eq!(now["unit"]["sn"], "NEW1", "{now}");
    // A clock that was never set tells of no bearer of then.
    let unset = start(world, ("imei", IMEI), "1970-01-01T00:00:00Z", "the phone").await;
    assert_eq!(unset["unit"]["sn"], "NEW1", "{unset}");
}
