//! Proof, registration and report: first, again, wrong, too often, sent twice.

use super::world::{World, imei, world};
use axum::http::StatusCode;
use domain::verdict::Verdict;

/// A unit that two devices claim.
async fn doubted() -> World {
    let world = world().await;
    world.activate(3, "device-a").await;
    world.activate(3, "device-b").await;
    assert_eq!(world.verdict(3).await, Verdict::Check);
    world
}

fn other_than(digits: &str) -> String {
    let first = if digits.starts_with('9') { '0' } else { '9' };
    format!("{first}{}", &digits[1..])
}

#[tokio::test]
async fn a_scratch_code_lifts_the_doubt_once_and_says_so_later() {
    let world = doubted().await;
    let path = format!("/d/{}", world.phone(3));
    let key = world.get(&path).await.key();
    let form = format!("idempotency_key={key}&kind=scratch&value={}", world.scratch(3));
    let first = world.post(&format!("{path}/proof"), &form).await;
    assert_eq!(first.h1(), "验证成功", "{}", first.text);
    // The same form again is the same act.
    assert_eq!(world.post(&format!("{path}/proof"), &form).await.h1(), first.h1());
    assert_eq!(world.get(&path).await.h1(), "正品");
    let fresh = format!("idempotency_key=other&kind=scratch&value={}", world.scratch(3));
    let again = world.post(&format!("{path}/proof"), &fresh).await;
    assert_ne!(again.h1(), first.h1());
    assert_eq!(again.status, StatusCode::OK);
}

#[tokio::test]
async fn wrong_codes_run_into_a_wait() {
    let world = doubted().await;
    let path = format!("/d/{}/proof", world.phone(3));
    let wrong = other_than(&world.scratch(3));
    let double = format!("idempotency_key=same&kind=scratch&value={wrong}");
    for _ in 0..9 {
        // Pressed nine times, counted once.
        assert_eq!(world.post(&path, &double).await.status, StatusCode::OK);
    }
    for press in 0..4 {
        let form = format!("idempotency_key=k{press}&kind=scratch&value={wrong}");
        assert_eq!(world.post(&path, &form).await.status, StatusCode::OK, "{press}");
    }
    let form = format!("idempotency_key=last&kind=scratch&value={}", world.scratch(3));
    let waits = world.post(&path, &form).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waits.text.contains("60"), "the minutes are named");
    assert_eq!(world.verdict(3).await, Verdict::Check);
}

#[tokio::test]
async fn imei_digits_compare_and_lift_nothing() {
    let world = doubted().await;
    let path = format!("/d/{}/proof", world.phone(3));
    let right = imei(3)[11..].to_owned();
    let same = world.post(&path, &format!("idempotency_key=a&kind=imei4&value={right}")).await;
    assert_eq!(same.status, StatusCode::OK);
    let form = format!("idempotency_key=b&kind=imei4&value={}", other_than(&right));
    let differs = world.post(&path, &form).await;
    assert_ne!(same.h1(), differs.h1());
    let form = "idempotency_key=c&kind=imei4&value=%3Cb%3E";
    let odd = world.post(&path, form).await;
    assert!(!odd.text.contains("<b>\"") && odd.text.contains("&#60;b&#62;"), "shown as text");
    assert_eq!(world.verdict(3).await, Verdict::Check);
}

fn registration(key: &str, rest: &str) -> String {
    format!("idempotency_key={key}&phone=13800138000&purchased_on=2026-11-20&consent=yes&{rest}")
}

async fn events_of(world: &World, number: i64, kind: &str) -> usize {
    let events = world.house.store.events_fetch(number).await.expect("events");
    events.iter().filter(|event| event.body.kind() == kind).count()
}

#[tokio::test]
async fn registering_a_power_bank_activates_it_once() {
    let world = world().await;
    let number = world.banks.first;
    let path = format!("/d/{}/register", world.code(number));
    let form = registration(&world.get(&path).await.key(), "proof=invoice&invoice=26312000001234");
    let done = world.post(&path, &form).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert!(done.text.contains("2027年"), "until when");
    assert_eq!(world.post(&path, &form).await.status, StatusCode::OK);
    assert_eq!(events_of(&world, number, "registered").await, 1);
    assert_eq!(events_of(&world, number, "activated").await, 1);
    assert_eq!(world.get(&format!("/d/{}", world.code(number))).await.h1(), "正品");
}

#[tokio::test]
async fn registering_a_phone_binds_and_does_not_activate() {
    let world = world().await;
    let path = format!("/d/{}/register", world.phone(1));
    let form = registration("k", &format!("proof=scratch&scratch={}", world.scratch(1)));
    assert_eq!(world.post(&path, &form).await.status, StatusCode::OK);
    assert_eq!(events_of(&world, world.number(1), "registered").await, 1);
    assert_eq!(events_of(&world, world.number(1), "activated").await, 0);
    assert_eq!(world.verdict(1).await, Verdict::NotActivated);
}

#[tokio::test]
async fn a_refused_registration_comes_back_with_what_was_typed() {
    let world = world().await;
    let path = format!("/d/{}/register", world.phone(1));
    let form = "idempotency_key=k&phone=%22%3E%3Cx&purchased_on=2026-12-24&proof=scratch&scratch=";
    let page = world.post(&path, form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("&#34;&#62;&#60;x") && page.text.contains("2026-12-24"));
    assert_eq!(events_of(&world, world.number(1), "registered").await, 0);
    let wrong = other_than(&world.scratch(1));
    let form = registration("k", &format!("proof=scratch&scratch={wrong}"));
    assert_eq!(world.post(&path, &form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(events_of(&world, world.number(1), "registered").await, 0);
}

#[tokio::test]
async fn only_units_in_order_can_be_registered() {
    let world = doubted().await;
    for code in [world.phone(3), world.phone(2), world.phone(20), "NOCODE".to_owned()] {
        let page = world.get(&format!("/d/{code}/register")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{code}");
    }
}

#[tokio::test]
async fn reports_are_taken_once_for_units_and_for_codes_of_nobody() {
    let world = world().await;
    for code in [world.phone(0), world.phone(20), "NOCODE".to_owned()] {
        let path = format!("/d/{code}/report");
        let key = world.get(&path).await.key();
        let form = format!("idempotency_key={key}&shop=%E5%BA%97&text=%E4%BB%B7%E6%A0%BC");
        let first = world.post(&path, &form).await;
        assert_eq!(first.status, StatusCode::OK, "{code}: {}", first.text);
        assert!(first.text.contains("R-"), "a reference to quote");
        assert_eq!(world.post(&path, &form).await.text, first.text, "{code}");
        let empty = world.post(&path, &format!("idempotency_key={key}&text=")).await;
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(events_of(&world, world.number(0), "suspicion_reported").await, 1);
}
