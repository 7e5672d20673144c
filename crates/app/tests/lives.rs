//! A unit's lives: a report that comes late belongs to the life it happened in.

mod common;

use common::{World, report, sns};
use dossier::flows::activate::{Activated, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::lifecycle::{Change, change};

on_both! { an_old_start_opens_no_new_life }

/// Life, whether first of it, and since when it counts.
async fn started(world: &World, at: &str, fingerprint: &str) -> (i64, bool, String) {
    let mut report = report("sn", "CY000000", fingerprint);
    let at: jiff::Timestamp = at.parse().expect("an instant");
    report.happened_at = at.as_microsecond();
    let render = |a: &Activated| {
        let reply = format!("{} {} {}", a.life, a.first, a.activated_at);
        Answer { status: 200, reply }
    };
    let caller = world.caller().await;
    let answer = activate(&world.house, Some(&caller), &report, None, &render).await;
    let answer = answer.expect("never refused").reply;
    let mut words = answer.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    (word().parse().expect("a life"), word() == "true", word())
}

async fn an_old_start_opens_no_new_life(world: &World) {
    world.make(&sns(0..1)).await;
    let number = world.unit("CY000000").await;
    let unit = async || world.house.store.unit_fetch(number).await.expect("it reads").expect("is");
    let first = "2026-05-25T00:00:00Z";
    assert_eq!(started(world, first, "a").await, (0, true, first.to_owned()));
    let caller = world.caller().await;
    let renew = |at: &str| {
        let at: jiff::Timestamp = at.parse().expect("an instant");
        let (house, caller) = (&world.house, &caller);
        let reason = Change::OpenLife("returned".to_owned());
        async move { change(house, caller, &[number], &reason, at).await }
    };
    assert!(renew("2026-05-24T00:00:00Z").await.is_err(), "it ends a life that began later");
    renew("2026-06-01T00:00:00Z").await.expect("a new life");
    // The same device and another one report late: they were started in the life that is over.
    let late = "2026-05-28T00:00:00Z";
    assert_eq!(started(world, late, "a").await, (0, false, first.to_owned()));
    assert_eq!(started(world, late, "b").await, (0, false, first.to_owned()));
    let between = unit().await;
    assert_eq!((between.life, between.activated_at, between.suspect), (1, None, false));
    let findings = world.house.store.findings_fetch(number).await.expect("it reads");
    assert_eq!(findings.iter().filter(|f| f.kind == "activated_again").count(), 1);
    let second = "2026-06-03T00:00:00Z";
    assert_eq!(started(world, second, "a").await, (1, true, second.to_owned()));
    assert_eq!(started(world, late, "c").await, (0, false, first.to_owned()));
    assert!(!unit().await.suspect, "the second life is not doubted for the first");
    assert_eq!(started(world, second, "b").await, (1, false, second.to_owned()));
    assert!(unit().await.suspect);
    world.agrees().await;
}
