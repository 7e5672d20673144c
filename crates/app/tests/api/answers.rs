//! One key, one answer: whatever is sent under a key of a sender is one command.

use crate::common::{World, report, sns};
use crate::on_both;
use axum::http::StatusCode;
use domain::refusal::Refusal;
use dossier::flows::activate::{Activated, Report, activate};
use dossier::flows::idempotency::{Answer, Keyed};
use dossier::flows::{FlowError, House};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::event::Body;
use tokio::runtime::Handle;

on_both! { of_two_starts_under_one_key_at_once_one_is_recorded }

fn key(report: &Report) -> Keyed {
    let content = json!({"of": report.value}).to_string();
    Keyed::new("key:1", "POST /api/v1/activations", "the-same", &content).expect("a key")
}

async fn starts(house: &House, report: &Report, render: Render<'_>) -> Result<Answer, FlowError> {
    let caller = dossier::flows::import::operator(house, None).await.expect("there is one brand");
    activate(house, Some(&caller), report, Some(&key(report)), render).await
}

/// How a start is answered, and what else happens just then.
type Render<'a> = &'a (dyn Fn(&Activated) -> Answer + Send + Sync);

/// Starts recorded of a unit.
async fn recorded(world: &World, sn: &str) -> usize {
    let events = world.house.store.events_fetch(world.unit(sn).await).await.expect("it reads");
    events.iter().filter(|event| matches!(event.body, Body::Activated(_))).count()
}

/// Neither knows of the other when it looks whether the key was used before, and they name
/// different units.
async fn of_two_starts_under_one_key_at_once_one_is_recorded(world: &World) {
    world.make(&sns(0..2)).await;
    let (first, second) = (report("sn", "CY000000", "a"), report("sn", "CY000001", "b"));
    let (other, raced) = (world.another().await, AtomicBool::new(false));
    let plain = |done: &Activated| Answer::new(201, done.first.to_string());
    // Between the decision of one and its commit the other is decided and recorded.
    let racing = |done: &Activated| {
        if !raced.swap(true, Ordering::Relaxed) {
            let faster = starts(&other, &second, &plain);
            let faster = tokio::task::block_in_place(|| Handle::current().block_on(faster));
            assert_eq!(faster.expect("it is the first under its key").reply, "true");
        }
        plain(done)
    };
    match starts(&world.house, &first, &racing).await {
        Err(FlowError::Refused(refused)) => {
            assert_eq!(refused.refusal, Refusal::IdempotencyMismatch);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((recorded(world, "CY000000").await, recorded(world, "CY000001").await), (0, 1));
    // The same command is answered as it was, at once too, and nothing is recorded twice.
    let houses = [Arc::clone(&world.house), other];
    let mut racers = Vec::new();
    for n in 0..6 {
        let (house, second) = (Arc::clone(&houses[n % 2]), second.clone());
        racers.push(tokio::spawn(async move {
            let plain = |done: &Activated| Answer::new(201, done.first.to_string());
            match key(&second).replay(&house).await {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => starts(&house, &second, &plain).await,
                Err(error) => Err(error),
            }
        }));
    }
    for racer in racers {
        let answer = racer.await.expect("no racer stumbles").expect("it is answered");
        assert_eq!((answer.reply.as_str(), answer.replayed), ("true", true));
    }
    assert_eq!(recorded(world, "CY000001").await, 1);
    world.agrees().await;
}

/// Who has no key of ours has its own scope: what it names, and what tells it from others.
#[tokio::test]
async fn without_a_key_of_ours_the_scope_is_identifier_and_fingerprint() {
    let world = crate::support::house().await;
    let device = world.anyone();
    let start = async |value: &str, fingerprint: &str, day: u32| {
        let body = json!({"identifier": {"scheme": "sn", "value": value},
            "happened_at": format!("2026-06-0{day}T00:30:00+08:00"),
            "device_fingerprint": fingerprint});
        let reply = device.post_keyed("/api/v1/activations", &body, "boot-1").await;
        let replayed = reply.header("idempotency-replayed").is_some();
        (reply.status, replayed, reply)
    };
    let (status, replayed, first) = start("SN0001", "fp-1", 1).await;
    assert_eq!((status, replayed), (StatusCode::CREATED, false), "{}", first.text);
    let (status, replayed, again) = start("SN0001", "fp-1", 1).await;
    assert_eq!((status, replayed), (StatusCode::CREATED, true), "{}", again.text);
    assert_eq!(again.json, first.json);
    let (.., other) = start("SN0001", "fp-1", 2).await;
    other.refused(StatusCode::CONFLICT, "idempotency_mismatch");
    // Every device of a model may call its key alike.
    let (status, replayed, copy) = start("SN0001", "fp-2", 2).await;
    assert_eq!((status, replayed), (StatusCode::OK, false), "{}", copy.text);
    let (status, replayed, beside) = start("SN0002", "fp-1", 2).await;
    assert_eq!((status, replayed), (StatusCode::CREATED, false), "{}", beside.text);
    // Nor is the key of whoever has one of ours theirs.
    let body = json!({"identifier": {"scheme": "sn", "value": "SN0003"},
        "happened_at": "2026-06-01T00:30:00+08:00", "device_fingerprint": "fp-1"});
    let app = world.client("activation:app").await;
    let done = app.post_keyed("/api/v1/activations", &body, "boot-1").await;
    done.expect(StatusCode::CREATED);
    assert_eq!(done.header("idempotency-replayed"), None);
}
