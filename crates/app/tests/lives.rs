//! A unit's lives: a report that comes late belongs to the life it happened in.

mod common;

use common::{World, report, sns};
use domain::life::Cause;
use domain::when::When;
use dossier::flows::activate::{Activated, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::lifecycle::{Change, change, change_once};
use serde_json::json;

on_both! {
    an_old_start_opens_no_new_life,
    a_life_opens_for_a_cause,
    nothing_befalls_a_unit_before_it_is_made,
    a_change_sent_again_is_one_change,
}

/// Life, whether first of it, and since when it counts.
async fn started(world: &World, at: &str, fingerprint: &str) -> (i64, bool, String) {
    let mut report = report("sn", "CY000000", fingerprint);
    let at: jiff::Timestamp = at.parse().expect("an instant");
    report.happened_at = at.as_microsecond();
    let render = |a: &Activated| {
        let reply = format!("{} {} {}", a.life, a.first, a.activated_at);
        Answer::new(200, reply)
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
        let reason = Change::OpenLife(Cause::Return, "sent back unused".to_owned());
        async move { change(house, caller, &[number], &reason, When::at(at)).await }
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

async fn a_life_opens_for_a_cause(world: &World) {
    world.make(&sns(0..1)).await;
    assert!(started(world, "2026-05-25T00:00:00Z", "a").await.1);
    let desk = world.desk("BRAND", "all").await;
    let change = |change: &str, cause: Option<&str>| {
        let units = ["CY000000"];
        json!({"change": change, "units": units, "reason": "seal intact", "cause": cause})
    };
    for (body, field) in [
        (change("open_life", None), "cause"),
        (change("open_life", Some("returned")), "cause"),
        (change("open_life", Some("")), "cause"),
        (change("recall", Some("return")), "cause"),
    ] {
        let (status, refused) = desk.post("/api/v1/units/changes", &body).await;
        assert_eq!((status, &refused["field"]), (400, &json!(field)), "{body}: {refused}");
    }
    for (life, cause) in (1..).zip(Cause::ALL) {
        let body = change("open_life", Some(cause.as_str()));
        let (status, done) = desk.post("/api/v1/units/changes", &body).await;
        assert_eq!((status, &done["count"]), (200, &json!(1)), "{done}");
        let (_, unit) = desk.get("/api/v1/units/CY000000").await;
        let timeline = unit["timeline"].as_array().expect("events");
        let told = timeline.iter().rfind(|event| event["kind"] == "life_opened");
        let wanted = json!({"cause": cause.as_str(), "life": life, "reason": "seal intact"});
        assert_eq!(told.expect("it is told")["detail"], wanted);
        let now = world.house.clock.now().to_string();
        assert_eq!(started(world, &now, cause.as_str()).await.0, life);
    }
    world.agrees().await;
}

async fn nothing_befalls_a_unit_before_it_is_made(world: &World) {
    world.make(&sns(0..2)).await;
    let desk = world.desk("BRAND", "all").await;
    let change = |change: &str, at: &str| {
        let cause = (change == "open_life").then_some("return");
        json!({"change": change, "units": ["CY000000", "CY000001"], "reason": "found at the line",
            "cause": cause, "happened_at": at})
    };
    let kinds = ["recall", "lift_recall", "report_stolen", "clear_stolen", "decommission"];
    // Made on 2026-05-20 at 08:00.
    for kind in kinds.iter().chain(&["open_life"]) {
        let body = change(kind, "2026-05-20T07:59:59+08:00");
        let (status, refused) = desk.post("/api/v1/units/changes", &body).await;
        assert_eq!((status, &refused["code"]), (409, &json!("before_production")), "{refused}");
        assert_eq!(refused["field"], "units");
    }
    for kind in kinds {
        let body = change(kind, "2026-05-20T08:00:00+08:00");
        let (status, done) = desk.post("/api/v1/units/changes", &body).await;
        assert_eq!((status, &done["count"]), (200, &json!(2)), "{kind}: {done}");
    }
    // Of two refusals the earlier one of the list is told.
    let again = change("decommission", "2026-05-20T07:00:00+08:00");
    let (_, refused) = desk.post("/api/v1/units/changes", &again).await;
    assert_eq!(refused["code"], "decommissioned");
    world.agrees().await;
}

/// One was carried out, the other is told that it was.
fn told_alike(answers: [Answer; 2]) {
    assert_eq!(answers.iter().filter(|answer| answer.replayed).count(), 1);
    let [one, other] = answers.map(|answer| (answer.status, answer.reply));
    assert_eq!(one, other);
}

async fn a_change_sent_again_is_one_change(world: &World) {
    world.make(&sns(0..2)).await;
    let desk = world.desk("BRAND", "all").await;
    let changes = "/api/v1/units/changes";
    let theft = |units: &[&str]| {
        let change = "report_stolen";
        json!({"change": change, "units": units, "reason": "the lorry was emptied"})
    };
    let both = theft(&["CY000000", "CY000001"]);
    let told = async |sn: &str| {
        let (_, unit) = desk.get(&format!("/api/v1/units/{sn}")).await;
        let timeline = unit["timeline"].as_array().expect("events").clone();
        timeline.iter().filter(|event| event["kind"] == "stolen_reported").count()
    };
    let first = desk.post_once(changes, &both, "theft-1").await;
    assert_eq!(first, (200, false, json!({"count": 2})));
    assert_eq!(desk.post_once(changes, &both, "theft-1").await, (200, true, json!({"count": 2})));
    assert_eq!((told("CY000000").await, told("CY000001").await), (1, 1));
    let (status, _, other) = desk.post_once(changes, &theft(&["CY000000"]), "theft-1").await;
    assert_eq!((status, &other["code"]), (409, &json!("idempotency_mismatch")));
    // Another's key is another command, and what was refused is decided afresh.
    let unknown = desk.post_once(changes, &theft(&["CY999999"]), "theft-2").await;
    assert_eq!(unknown.0, 404, "{}", unknown.2);
    assert!(!desk.post_once(changes, &both, "theft-2").await.1);
    let another = world.desk("BRAND", "all").await;
    assert!(!another.post_once(changes, &both, "theft-1").await.1);
    assert_eq!(told("CY000000").await, 3);
    // At once, from two processes.
    let twin = world.another().await;
    let sold = Change::ReportStolen("again".to_owned());
    let (caller, number) = (world.caller().await, world.unit("CY000000").await);
    let key = dossier::flows::idempotency::Keyed::new("k", "r", "same", "{}").expect("a key");
    let render = |count| Answer::new(200, format!("{count}"));
    let at = world.house.clock.now();
    let send = |house| {
        let (caller, sold, key, render) = (&caller, &sold, &key, &render);
        async move {
            change_once(house, caller, (&[number], sold, When::at(at)), Some(key), render).await
        }
    };
    let (one, other) = tokio::join!(send(&world.house), send(&twin));
    told_alike([one.expect("it is taken"), other.expect("it is taken")]);
    assert_eq!(told("CY000000").await, 4);
    // Even where they name different units.
    let key = dossier::flows::idempotency::Keyed::new("k", "r", "other", "{}").expect("a key");
    let before = told("CY000000").await + told("CY000001").await;
    let numbers = [[number], [world.unit("CY000001").await]];
    let send = |house, units: [i64; 1]| {
        let (caller, sold, key, render) = (&caller, &sold, &key, &render);
        let asked = When::at(at);
        async move { change_once(house, caller, (&units, sold, asked), Some(key), render).await }
    };
    let (one, other) = tokio::join!(send(&world.house, numbers[0]), send(&twin, numbers[1]));
    told_alike([one.expect("it is taken"), other.expect("it is answered alike")]);
    assert_eq!(told("CY000000").await + told("CY000001").await, before + 1);
    world.agrees().await;
}
