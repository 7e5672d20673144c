//! The looks that an answer counts: those that are written and those that wait, in its memory or
//! in the store; and of whom so many a unit are let through.

use crate::common::browser::{Browser, owner};
use crate::common::{World, sns, start};
use crate::on_both;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use domain::region::RegionCode;
use domain::verdict::{CodeReading, Verdict};
use dossier::api::{ServeOptions, router};
use dossier::files::Kind;
use dossier::flows::find::unit_number;
use dossier::flows::scans::{self, Audience, Spot, WAITING_MAX};
use dossier::flows::verify::{self, Depth, Verified};
use dossier::flows::{Scope, keys};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

on_both! {
    looks_that_are_written_and_looks_that_wait_are_one_count,
    looks_that_are_written_and_looks_that_wait_are_odd_together,
    only_consumers_who_look_are_counted_as_consumers,
    looks_by_devices_are_limited_as_those_of_the_public,
    whoever_looks_with_a_key_is_counted_by_what_their_party_is,
    whoever_has_a_key_takes_no_room_from_consumers,
    many_are_verified_at_once_and_no_more,
}

const MINUTE: i64 = 60_000_000;

/// What the public is told of a unit.
async fn told(world: &World, number: i64) -> Verified {
    let house = &world.house;
    let reference = house.reference().await.expect("it reads");
    let asked = (CodeReading::Issued, Some(number));
    let verified = house.one_snapshot(verify::verify(house, &reference, asked, Depth::Public));
    verified.await.expect("it reads")
}

/// How many looks, the first and the last; asked twice, as the second answer may be remembered.
async fn counted(world: &World, number: i64) -> Option<(i64, i64, i64)> {
    let mut answers = Vec::new();
    for _ in 0..2 {
        let known = told(world, number).await.unit.expect("it is known");
        answers.push(known.scans.map(|looks| (looks.count, looks.first_at, looks.last_at)));
    }
    assert_eq!(answers[0], answers[1]);
    answers[0]
}

async fn flush(world: &World) {
    scans::flush(&world.house).await.expect("they are written");
}

async fn looks_that_are_written_and_looks_that_wait_are_one_count(world: &World) {
    world.make(&sns(0..2)).await;
    let (number, other) = (world.unit("CY000000").await, world.unit("CY000001").await);
    let begun = world.clock.now().as_microsecond();
    let look = |audience, minute| {
        world.house.scans.note(number, audience, begun + minute * MINUTE, None);
    };
    assert_eq!(counted(world, number).await, None);
    look(Audience::Staff, 1);
    assert_eq!(counted(world, number).await, None, "a warehouse is no consumer");
    let mut expected = (0, begun + 2 * MINUTE, 0);
    for minute in 2..8 {
        look(Audience::Consumer, minute);
        expected = (expected.0 + 1, expected.1, begun + minute * MINUTE);
        assert_eq!(counted(world, number).await, Some(expected), "minute {minute}, waiting");
        if minute % 2 == 0 {
            flush(world).await;
            assert_eq!(counted(world, number).await, Some(expected), "minute {minute}, written");
        }
    }
    assert_eq!(counted(world, other).await, None);
    world.agrees().await;
}

async fn looks_that_are_written_and_looks_that_wait_are_odd_together(world: &World) {
    world.make(&sns(0..1)).await;
    assert!(start(&world.house, "sn", "CY000000", "device-a").await);
    let number = world.unit("CY000000").await;
    let begun = world.clock.now().as_microsecond();
    // Of these addresses nobody says that their users are where they are: five cities are odd.
    for (minute, city) in (1..).zip(["31", "4401", "5101", "4201", "2101"]) {
        assert_eq!(told(world, number).await.decision.verdict, Verdict::Genuine, "before {city}");
        let city = RegionCode::parse(city).expect("a city");
        let spot = Spot { city, is_steady: false };
        let at = begun + minute * MINUTE;
        world.house.scans.note(number, Audience::Consumer, at, Some(spot));
        if minute == 4 {
            flush(world).await;
        }
    }
    assert_eq!(told(world, number).await.decision.verdict, Verdict::Check);
    flush(world).await;
    assert_eq!(told(world, number).await.decision.verdict, Verdict::Check);
}

async fn only_consumers_who_look_are_counted_as_consumers(world: &World) {
    world.make(&sns(0..1)).await;
    let number = world.unit("CY000000").await;
    let code = world.house.ring().encode(unit_number(number));
    let paths = [format!("/d/{}", code.as_str()), format!("/api/v1/verify/{}", code.as_str())];
    // Somebody who works here, and what shows a link before anybody opens it.
    let (staff, visitor) = (owner(world).await, Browser::new(world));
    for path in &paths {
        assert_eq!(staff.get(path).await.status, 200);
        let head = visitor.ask(("HEAD", path), &[], ("application/json", String::new())).await;
        assert_eq!(head.status, 200);
        assert_eq!(counted(world, number).await, None, "{path}");
    }
    for (looks, path) in (1..).zip(&paths) {
        assert_eq!(visitor.get(path).await.status, 200);
        assert_eq!(counted(world, number).await.map(|it| it.0), Some(looks), "{path}");
    }
}

/// The answer to somebody with a key: its status, and the limit that it tells.
async fn asked(app: &Router, path: &str, token: &str) -> (u16, String) {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("an answer");
    let limit = response.headers().get("ratelimit").and_then(|value| value.to_str().ok());
    (response.status().as_u16(), limit.unwrap_or_default().to_owned())
}

/// The key lies in every device: whoever holds one can take it out.
async fn looks_by_devices_are_limited_as_those_of_the_public(world: &World) {
    world.make(&sns(0..2)).await;
    let extra = Some(dossier::pages::routes());
    let options = ServeOptions { limits: true, extra, ..ServeOptions::default() };
    let app = router(Arc::clone(&world.house), options);
    let brand = world.caller().await.brand;
    let key = async |scope: Scope| {
        let token = keys::new_key(&world.house, brand, "BRAND", &[scope], "test").await;
        token.expect("the party is known")
    };
    let (device, server) = (key(Scope::ActivateApp).await, key(Scope::Activate).await);
    for (sn, path) in sns(0..2).iter().zip(["/api/v1/verify", "/d"]) {
        let code = world.house.ring().encode(unit_number(world.unit(sn).await));
        let path = format!("{path}/{}", code.as_str());
        let mut stopped = None;
        for _ in 0..2_000 {
            let (status, limit) = asked(&app, &path, &device).await;
            if status == 429 {
                stopped = Some(limit);
                break;
            }
            assert_eq!(status, 200, "{path}");
        }
        let limit = stopped.expect("no device needs it so often");
        assert!(limit.starts_with("\"unit\";r=0;"), "{path}: {limit}");
        // The brand's server asks for whom it likes.
        for _ in 0..100 {
            assert_eq!(asked(&app, &path, &server).await.0, 200, "{path}");
        }
    }
}

/// One unit after another, and many at once.
async fn whoever_looks_with_a_key_is_counted_by_what_their_party_is(world: &World) {
    let parties = "code,kind,name,parent_code,region,categories\n\
        SHOP-MALL,platform,平台,BRAND,,\nREG,regulator,总局,BRAND,,phone\n\
        SVC,service_centre,维修,T1-53,530102,\nREC,recycler,回收,BRAND,,\n";
    world.take(Kind::Parties, parties).await;
    world.make(&sns(0..2)).await;
    let numbers = [world.unit("CY000000").await, world.unit("CY000001").await];
    let [consumer, trade, staff, official] =
        [Audience::Consumer, Audience::Trade, Audience::Staff, Audience::Official];
    let all = [consumer, trade, staff, official];
    let waiting = |number, audience| {
        let count = world.house.scans.of_pending(number, audience, |looks| looks.count);
        count.unwrap_or(0)
    };
    let mut expected = all.map(|audience| (audience, [0_i64, 0]));
    for (party, audience) in [
        ("T1-53", trade),
        ("T2-53", trade),
        ("SHOP-53", trade),
        ("SHOP-MALL", trade),
        ("REG", official),
        ("BRAND", staff),
        ("FAC-SZ", staff),
        ("SVC", staff),
        ("REC", staff),
    ] {
        let desk = world.desk(party, "verify").await;
        let (status, told) = desk.get("/api/v1/verify/CY000000").await;
        assert_eq!(status, 200, "{party}: {told}");
        let items = json!({"items": [{"value": "CY000000"}, {"value": "CY000001"}]});
        let (status, told) = desk.post("/api/v1/verify", &items).await;
        assert_eq!((status, told["results"].as_array().map(Vec::len)), (200, Some(2)), "{told}");
        for (known, [one, other]) in &mut expected {
            if *known == audience {
                (*one, *other) = (*one + 2, *other + 1);
            }
        }
        let seen = all.map(|audience| (audience, numbers.map(|number| waiting(number, audience))));
        assert_eq!(seen, expected, "{party}");
    }
    assert_eq!(counted(world, numbers[0]).await, None, "none of them is a consumer");
    // Beside them stands whoever bought one.
    let visitor = Browser::new(world);
    assert_eq!(visitor.get("/api/v1/verify/CY000000").await.status, 200);
    assert_eq!(counted(world, numbers[0]).await.map(|it| it.0), Some(1));
    flush(world).await;
    assert_eq!(counted(world, numbers[0]).await.map(|it| it.0), Some(1));
}

/// As when a distributor asks about its whole stock.
async fn whoever_has_a_key_takes_no_room_from_consumers(world: &World) {
    world.make(&sns(0..1)).await;
    let number = world.unit("CY000000").await;
    let at = world.clock.now().as_microsecond();
    let far = number + 1_000_000;
    for audience in [Audience::Trade, Audience::Staff, Audience::Official] {
        for unit in far..far + WAITING_MAX as i64 + 3 {
            world.house.scans.note(unit, audience, at, None);
        }
        assert_eq!(world.house.scans.dropped_of(audience), 3);
    }
    let code = world.house.ring().encode(unit_number(number));
    let visitor = Browser::new(world);
    for (looks, path) in (1..).zip([format!("/d/{code}"), format!("/api/v1/verify/{code}")]) {
        assert_eq!(visitor.get(&path).await.status, 200);
        assert_eq!(counted(world, number).await.map(|it| it.0), Some(looks), "{path}");
    }
    assert_eq!(world.house.scans.dropped_of(Audience::Consumer), 0);
    // It is in the very first commit, however many others were there before.
    scans::flush_in_turn(&world.house).await.expect("they are written");
    assert_eq!(world.house.scans.pending(number, Audience::Consumer), None);
    let written = world.house.store.scan_fetch(number).await.expect("it reads");
    assert_eq!(written.map(|looks| looks.count), Some(2));
    assert!(world.house.scans.waiting_count() > 2 * WAITING_MAX);
}

async fn many_are_verified_at_once_and_no_more(world: &World) {
    world.make(&sns(0..1)).await;
    let desk = world.desk("T1-53", "verify").await;
    let many = |count: usize| {
        let named = |n: usize| if n == 0 { "CY000000" } else { "NOSUCH1" };
        let items: Vec<Value> = (0..count).map(|n| json!({"value": named(n)})).collect();
        json!({"items": items})
    };
    for count in [0, 1_001] {
        let (status, told) = desk.post("/api/v1/verify", &many(count)).await;
        assert_eq!((status, &told["code"]), (400, &json!("invalid_field")), "{told}");
        assert_eq!(told["field"], "items", "{told}");
    }
    assert_eq!(world.house.scans.waiting_count(), 0, "nobody looked at anything");
    for count in [1, 1_000] {
        let (status, told) = desk.post("/api/v1/verify", &many(count)).await;
        assert_eq!(status, 200, "{told}");
        let results = told["results"].as_array().expect("results");
        assert_eq!(results.len(), count);
        assert_eq!(results[0]["verdict"], "not_activated");
        assert!(results[1..].iter().all(|told| told["verdict"] == "unknown"));
    }
}
