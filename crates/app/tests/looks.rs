//! The looks that an answer counts: those that are written and those that wait, in its memory or
//! in the store; and of whom so many a unit are let through.

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use common::browser::{Browser, owner};
use common::{World, sns, start};
use domain::region::RegionCode;
use domain::verdict::{CodeReading, Verdict};
use dossier::api::{ServeOptions, router};
use dossier::flows::find::unit_number;
use dossier::flows::scans::{self, Audience, Spot};
use dossier::flows::verify::{self, Depth, Verified};
use dossier::flows::{Scope, keys};
use std::sync::Arc;
use tower::ServiceExt;

on_both! {
    looks_that_are_written_and_looks_that_wait_are_one_count,
    looks_that_are_written_and_looks_that_wait_are_odd_together,
    only_consumers_who_look_are_counted_as_consumers,
    looks_by_devices_are_limited_as_those_of_the_public,
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
