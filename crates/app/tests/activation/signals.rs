//! What a report of a first start may say, how much it counts from whom, and what its sender is
//! told in return.

use crate::common::server::Place;
use crate::common::{FACTORY, World, report, sns};
use crate::on_both;
use axum::http::Request;
use dossier::api::{ServeOptions, router};
use dossier::files::Kind;
use dossier::flows::activate::{Activated, Report, activate};
use dossier::flows::find::unit_number;
use dossier::flows::idempotency::Answer;
use dossier::flows::{FlowError, House, Scope, keys, redecide, ship};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

on_both! {
    a_report_out_of_its_bounds_is_recorded_by_nobody,
    the_command_line_keeps_the_bounds_and_tells_the_reasons,
    whoever_reports_is_told_what_the_table_allows,
    a_shop_that_anyone_can_name_is_not_told_to_the_public,
    a_shop_that_a_device_names_clears_little_also_when_it_is_weighed_again,
    a_unit_starts_only_so_often_by_the_word_of_devices,
}

const PATH: &str = "/api/v1/activations";
const SHIPMENTS: &str = "shipment_no,from_code,to_code,happened_at,subject\n";
/// Wuhan, where no grant of Yunnan reaches.
const WUHAN: (f64, f64) = (30.55, 114.31);

/// Units in the hands of the tier 1 of Yunnan.
async fn shipped(world: &World, count: u32) {
    world.make(&sns(0..count)).await;
    let row = |sn: String| format!("S1,{FACTORY},T1-53,2026-05-21T08:00:00+08:00,{sn}\n");
    let rows: String = sns(0..count).into_iter().map(row).collect();
    world.take(Kind::Shipments, &format!("{SHIPMENTS}{rows}")).await;
}

async fn key(world: &World, party: &str, scope: Scope) -> String {
    let brand = world.caller().await.brand;
    let token = keys::new_key(&world.house, brand, party, &[scope], "test").await;
    token.expect("the party is known")
}

/// Reports a start, with this key or none and these further headers.
async fn told(
    house: &Arc<House>,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: &Value,
) -> (u16, Value) {
    let options = ServeOptions {
        trusted_proxies: vec!["127.0.0.1".parse().expect("an address")],
        ..ServeOptions::default()
    };
    let mut request = Request::post(PATH).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::from(body.to_string())).expect("a request");
    let response = router(Arc::clone(house), options).oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

fn body(scheme: &str, value: &str, signals: Value) -> Value {
    json!({"identifier": {"scheme": scheme, "value": value},
        "happened_at": "2026-06-09T08:00:00+08:00", "device_fingerprint": "fp",
        "signals": signals})
}

async fn a_report_out_of_its_bounds_is_recorded_by_nobody(world: &World) {
    shipped(world, 1).await;
    let caller = world.caller().await;
    let with = |change: &dyn Fn(&mut Report)| {
        let mut report = report("sn", "CY000000", "fp");
        change(&mut report);
        report
    };
    for (report, field) in [
        (with(&|r| r.fingerprint = Some("x".repeat(5_000))), "device_fingerprint"),
        (with(&|r| r.fingerprint = Some("a\u{1b}b".to_owned())), "device_fingerprint"),
        (with(&|r| r.signals.gps = Some((f64::NAN, f64::NAN, 5.0, false))), "signals.gps.lat"),
        (with(&|r| r.signals.gps = Some((45.0, 90.0, -1.0, false))), "signals.gps.radius_m"),
        (with(&|r| r.signals.serving_mcc = Some("abc".to_owned())), "signals.serving_mcc"),
        (with(&|r| r.signals.store_code = Some("S".repeat(65))), "signals.store_code"),
    ] {
        for sender in [Some(&caller), None] {
            let render = |_: &Activated| Answer::new(201, String::new());
            match activate(&world.house, sender, &report, None, &render).await {
                Err(FlowError::Refused(refused)) => assert_eq!(refused.field, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }
    let unit = world.house.store.unit_fetch(world.unit("CY000000").await).await;
    assert_eq!(unit.expect("it reads").expect("it is there").activated_at, None);
}

async fn the_command_line_keeps_the_bounds_and_tells_the_reasons(world: &World) {
    shipped(world, 1).await;
    let place = Place::new(&world.target, world.scratch.path());
    let about = ["activate", "--scheme", "sn", "--value", "CY000000"];
    for (option, field) in [
        ("--gps=nan,nan,5", "signals.gps.lat"),
        ("--gps=91,0,5", "signals.gps.lat"),
        ("--gps=45,90,-1", "signals.gps.radius_m"),
        ("--serving-mcc=abc", "signals.serving_mcc"),
        ("--fingerprint=a\nb", "device_fingerprint"),
    ] {
        let args = [&about[..], &[option]].concat();
        let done = place.command(&args).output().expect("it runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && said.contains(field), "{option}: {said}");
    }
    let odd = ["--store-code", "NOSHOP", "--at", "2026-01-01T00:00:00Z"];
    let decided = place.run(&[&about[..], &odd, &["--json"]].concat());
    let decided: Value = serde_json::from_str(&decided).expect("JSON");
    assert_eq!(decided["first"], true, "nothing was recorded before: {decided}");
    assert_eq!(decided["reasons"], json!(["clock", "store_code_unknown"]));
    let words = place.run(&[&about[..], &odd, &["--lang", "en"]].concat());
    for said in ["clock not believed", "nobody has this store code"] {
        assert!(words.contains(said), "{words}");
    }
    let shown = place.run(&["show", "CY000000", "--lang", "en"]);
    assert!(shown.contains("place unknown"), "{shown}");
}

async fn whoever_reports_is_told_what_the_table_allows(world: &World) {
    shipped(world, 1).await;
    let (sn, number) = ("CY000000", world.unit("CY000000").await);
    let code = world.house.ring().encode(unit_number(number)).as_str().to_owned();
    let house = &world.house;
    // In another province, sold by the shop of another tree, at a time nobody believes.
    let signals = json!({"store_code": "T1-42", "shipping_region": "9999",
        "gps": {"lat": WUHAN.0, "lon": WUHAN.1, "radius_m": 30}});
    let of = |scheme: &str, value: &str| {
        let mut body = body(scheme, value, signals.clone());
        body["happened_at"] = "2026-01-01T00:00:00Z".into();
        body
    };
    let other_tree = key(world, "T1-42", Scope::Activate).await;
    let own_tree = key(world, "T1-53", Scope::Activate).await;
    // It lies in every device.
    let app = key(world, "BRAND", Scope::ActivateApp).await;
    for token in [None, Some(&other_tree), Some(&own_tree), Some(&app)] {
        let token = token.map(String::as_str);
        for (named, seen) in [
            (of("code", &code), json!({"code": code, "sn": null})),
            (of("sn", sn), json!({"code": null, "sn": sn})),
        ] {
            let (status, reply) = told(house, token, &[], &named).await;
            assert!(status == 201 || status == 200, "{reply}");
            assert_eq!(reply["unit"]["code"], seen["code"], "{reply}");
            assert_eq!(reply["unit"]["sn"], seen["sn"], "{reply}");
            let location = reply["location"].as_object().expect("an object");
            assert_eq!(location["grade"], Value::Null);
            assert_eq!(location["reasons"], json!([]));
            assert!(location["region"].as_str().is_some_and(|r| r.starts_with("42")), "{reply}");
            let findings = reply.as_object().expect("an object").get("findings");
            assert_eq!(findings, Some(&Value::Null), "always there: {reply}");
            assert_eq!(reply["reasons"], json!(["clock"]));
        }
    }
    // Nor does the place tell whether there is such a shop.
    for shop in ["T1-42", "SHOP-53", "NOSHOP"] {
        let asked = body("sn", sn, json!({"store_code": shop}));
        let (_, reply) = told(house, Some(&app), &[], &asked).await;
        let location = (&reply["location"]["region"], &reply["location"]["level"]);
        assert_eq!(location, (&Value::Null, &json!("none")), "{shop}: {reply}");
    }
    for scope in [Scope::Activate, Scope::All] {
        let brand = key(world, "BRAND", scope).await;
        let (status, reply) = told(house, Some(&brand), &[], &of("sn", sn)).await;
        assert_eq!(status, 200, "{reply}");
        assert_eq!(reply["unit"]["code"], code.as_str());
        assert_eq!(reply["unit"]["sn"], sn);
        assert!(reply["location"]["grade"].is_string(), "{reply}");
        let kinds = reply["findings"].as_array().expect("they are told").iter();
        let kinds: Vec<_> = kinds.filter_map(|f| f["kind"].as_str()).collect();
        assert!(kinds.contains(&"outside_territory"), "{kinds:?}");
        assert_eq!(reply["reasons"], json!(["clock", "shipping_region_unknown"]));
    }
}

/// Who names a shop would else find out where it is, by asking for the unit afterwards.
async fn a_shop_that_anyone_can_name_is_not_told_to_the_public(world: &World) {
    shipped(world, 2).await;
    let server = key(world, "BRAND", Scope::Activate).await;
    let brand = world.desk("BRAND", "all").await;
    let named = |sn| body("sn", sn, json!({"store_code": "SHOP-53"}));
    for (sn, token, told_to_all) in
        [("CY000000", None, false), ("CY000001", Some(server.as_str()), true)]
    {
        assert_eq!(told(&world.house, token, &[], &named(sn)).await.0, 201);
        let code = world.house.ring().encode(unit_number(world.unit(sn).await));
        let (_, reply) = brand.get(&format!("/api/v1/verify/{}", code.as_str())).await;
        assert_eq!(reply["state"]["activated_in"].is_string(), told_to_all, "{sn}: {reply}");
        // The brand reads in the record what the shop's code said.
        let (_, dossier) = brand.get(&format!("/api/v1/units/{sn}")).await;
        let events = dossier["timeline"].as_array().cloned().unwrap_or_default();
        let started = events.iter().find(|event| event["kind"] == "activated").expect("a start");
        assert!(started["detail"]["location"]["region"].is_string(), "{sn}: {started}");
    }
    world.agrees().await;
}

/// The kinds and grades that stand of a unit.
async fn standing(world: &World, sn: &str) -> Vec<String> {
    let found = world.house.store.findings_fetch(world.unit(sn).await).await.expect("it reads");
    let stands = found.iter().filter(|f| !f.withdrawn);
    stands.map(|f| format!("{} {}", f.kind, f.grade)).collect()
}

async fn a_shop_that_a_device_names_clears_little_also_when_it_is_weighed_again(world: &World) {
    shipped(world, 2).await;
    let signals = json!({"store_code": "SHOP-53",
        "gps": {"lat": WUHAN.0, "lon": WUHAN.1, "radius_m": 30}});
    for (sn, scope, grade) in
        [("CY000000", Scope::ActivateApp, "observe"), ("CY000001", Scope::Activate, "unknown")]
    {
        let sender = key(world, "BRAND", scope).await;
        let start = body("sn", sn, signals.clone());
        assert_eq!(told(&world.house, Some(&sender), &[], &start).await.0, 201);
        // A key that lies in every device is not told: the brand reads it in the record.
        let brand = key(world, "BRAND", Scope::Read).await;
        let desk = crate::common::Desk::with_token(world, brand);
        let dossier = desk.get(&format!("/api/v1/units/{sn}")).await.1;
        let events = dossier["timeline"].as_array().cloned().unwrap_or_default();
        let started = events.iter().find(|event| event["kind"] == "activated").expect("a start");
        assert_eq!(started["detail"]["location"]["grade"], grade, "{sn}: {started}");
    }
    let expected = ["outside_territory observe"];
    assert_eq!(standing(world, "CY000000").await, expected);
    assert_eq!(standing(world, "CY000001").await, [] as [&str; 0]);
    // A late paper has both weighed again, each by what its sender was worth.
    let row = |sn: &str| format!("S2,T1-53,T2-53,2026-05-25T08:00:00+08:00,{sn}\n");
    let rows = format!("{SHIPMENTS}{}{}", row("CY000000"), row("CY000001"));
    world.take(Kind::Shipments, &rows).await;
    let due = world.house.clock.now().as_microsecond() + 1_000_000_000;
    let jobs = world.house.store.outbox_due(ship::REDECIDE, due, 1_000).await.expect("it reads");
    assert!(!jobs.is_empty(), "there is something to weigh");
    let mut changed = 0;
    for job in jobs {
        changed += redecide::redecide(&world.house, &job).await.expect("it is looked at");
    }
    // The same of the place; but they were the tier 2's, not the tier 1's.
    assert_eq!(changed, 2);
    assert_eq!(standing(world, "CY000000").await, expected);
    assert_eq!(standing(world, "CY000001").await, [] as [&str; 0]);
}

/// A report's status, the limit it was told, and whether it was answered so before.
async fn counted(
    app: &axum::Router,
    (token, key): (&str, Option<&str>),
    (scheme, value): (&str, &str),
) -> (u16, String, bool) {
    let mut request = Request::post(PATH).header("content-type", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let body = body(scheme, value, json!({})).to_string();
    let request = request.body(axum::body::Body::from(body)).expect("a request");
    let response = app.clone().oneshot(request).await.expect("an answer");
    let word = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let limit = word("ratelimit").unwrap_or_default().to_owned();
    let waits = word("retry-after").is_some();
    assert_eq!(response.status() == 429, waits, "it says when to come again");
    (response.status().as_u16(), limit, word("idempotency-replayed").is_some())
}

/// Each start is in the ledger for ever, and who has no key comes from as many addresses as they
/// like; yet what a first start needs is there.
async fn a_unit_starts_only_so_often_by_the_word_of_devices(world: &World) {
    shipped(world, 2).await;
    let number = world.unit("CY000000").await;
    let code = world.house.ring().encode(unit_number(number)).as_str().to_owned();
    let options = ServeOptions { limits: true, ..ServeOptions::default() };
    let app = router(Arc::clone(&world.house), options);
    let device = key(world, "BRAND", Scope::ActivateApp).await;
    let shop = key(world, "T1-53", Scope::Activate).await;
    let server = key(world, "BRAND", Scope::Activate).await;
    let kept = Some("once");
    let first = counted(&app, (&device, kept), ("sn", "CY000000")).await;
    assert_eq!((first.0, first.2), (201, false));
    // How many are let through before one is not, however the identifier is spelled.
    let until_stopped = async |token: &str, most: usize| {
        for count in 0..most {
            let value = ["CY000000", "cy000000", " CY000000 "][count % 3];
            let (status, limit, _) = counted(&app, (token, None), ("sn", value)).await;
            if status == 429 {
                assert!(limit.starts_with("\"unit\";r=0;"), "{limit}");
                return count;
            }
            assert_eq!(status, 200);
        }
        most
    };
    assert!((50..2_000).contains(&until_stopped(&device, 2_000).await));
    // Every key of a brand that is believed no more has one purse: there is what trickled in
    // meanwhile. Strangers use up nothing of it, nor it of theirs.
    for token in [device.as_str(), shop.as_str()] {
        assert!(until_stopped(token, 40).await < 40);
    }
    assert!(until_stopped("", 2_000).await >= 50);
    assert!(until_stopped("", 40).await < 40);
    // What was answered before is, a unit beside it starts, and looks are counted apart.
    let again = counted(&app, (&device, kept), ("sn", "CY000000")).await;
    assert_eq!((again.0, again.2), (201, true));
    assert_eq!(counted(&app, ("", None), ("sn", "CY000001")).await.0, 201);
    let look = Request::get(format!("/api/v1/verify/{code}"));
    let look = look.body(axum::body::Body::empty()).expect("a request");
    assert_eq!(app.clone().oneshot(look).await.expect("an answer").status(), 200);
    // Nor does the purse of a serial number empty that of the code, or of what nobody knows yet.
    assert_eq!(counted(&app, ("", None), ("code", &code)).await.0, 200);
    assert_eq!(counted(&app, ("", None), ("sn", "LATE0001")).await.0, 404);
    for _ in 0..70 {
        assert_eq!(counted(&app, (&server, None), ("sn", "CY000000")).await.0, 200);
    }
    world.agrees().await;
}

/// An address of Beijing, as a device says it of itself behind a proxy of its own network.
#[tokio::test]
async fn a_proxy_that_does_not_tell_lets_no_device_speak_for_itself() {
    let world = crate::support::house().await;
    let start = body("sn", "SN0001", json!({"ip": "123.123.123.123"}));
    for (forwarded, region) in [
        (None, json!("11")),
        (Some("192.168.1.5"), json!("11")),
        (Some("192.168.1.5:4711"), json!("11")),
        (Some("unknown"), Value::Null),
        (Some("\"_hidden\""), Value::Null),
        // The proxy saw it, with a port: in Yunnan.
        (Some("222.172.200.68:1234"), json!("53")),
        (Some("\"222.172.200.68:1234\""), json!("53")),
    ] {
        let header = forwarded.map(|value| ("x-forwarded-for", value));
        let headers: Vec<_> = header.into_iter().collect();
        let (status, reply) = told(&world.house, None, &headers, &start).await;
        assert!(status == 201 || status == 200, "{reply}");
        assert_eq!(reply["location"]["region"], region, "{forwarded:?}: {reply}");
    }
}
