//! A unit's lives: a report that comes late belongs to the life it happened in, and so does one
//! that was there before the life was told of.

use crate::common::{Desk, World, report, sns};
use crate::on_both;
use domain::life::Cause;
use domain::when::When;
use dossier::files::Kind;
use dossier::flows::activate::{Activated, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::lifecycle::{Change, change, change_once};
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::finding::AlertsAsked;

on_both! {
    an_old_start_opens_no_new_life,
    a_life_told_of_late_begins_with_the_start_since,
    other_devices_are_held_against_the_first_of_their_life,
    the_old_device_starts_the_new_life_too,
    what_came_before_a_life_opened_is_none_of_it,
    a_life_told_by_the_day_begins_with_the_start_of_that_day,
    a_life_opens_for_a_cause,
    nothing_befalls_a_unit_before_it_is_made,
    a_change_sent_again_is_one_change,
}

/// Life, whether first of it, and since when it counts.
async fn started(world: &World, at: &str, fingerprint: &str) -> (i64, bool, String) {
    start(world, "CY000000", at, fingerprint).await
}

async fn start(world: &World, sn: &str, at: &str, fingerprint: &str) -> (i64, bool, String) {
    let mut report = report("sn", sn, fingerprint);
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

/// Units that were shipped on 2026-05-21, and first started on 2026-05-25 by a device `a`.
async fn sold(world: &World, sns: &[String]) {
    world.make(sns).await;
    let mut rows = "shipment_no,from_code,to_code,subject,happened_at\n".to_owned();
    for sn in sns {
        rows.push_str(&format!("S1,FAC-SZ,T1-53,{sn},2026-05-21T08:00:00+08:00\n"));
    }
    world.take(Kind::Shipments, &rows).await;
    for sn in sns {
        assert_eq!(start(world, sn, SOLD, "a").await, (0, true, SOLD.to_owned()));
    }
}

const SOLD: &str = "2026-05-25T00:00:00Z";
const OPENED: &str = "2026-06-01T00:00:00Z";

async fn opens(desk: &Desk, sn: &str, at: &str) -> u16 {
    let body = json!({"change": "open_life", "units": [sn], "reason": "seal intact",
        "cause": "return", "happened_at": at});
    desk.post("/api/v1/units/changes", &body).await.0
}

/// What the brand is told of a unit.
async fn told(desk: &Desk, sn: &str) -> Value {
    let (_, told) = desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
    let state = &told["state"];
    json!({"verdict": told["verdict"], "life": state["life"], "on": state["activated_on"],
        "basis": told["warranty"]["basis"], "ends_on": told["warranty"]["ends_on"]})
}

/// Its starts in the order in which they happened: of which life, and whether first of it.
async fn starts(desk: &Desk, sn: &str) -> Vec<(i64, bool)> {
    let (_, unit) = desk.get(&format!("/api/v1/units/{sn}")).await;
    let timeline = unit["timeline"].as_array().expect("events");
    let starts = timeline.iter().filter(|event| event["kind"] == "activated");
    let place = |detail: &Value| Some((detail["life"].as_i64()?, detail["first"].as_bool()?));
    starts.map(|event| place(&event["detail"]).expect("a life")).collect()
}

/// When the starts were that stand as those of another device.
async fn doubted(world: &World, sn: &str) -> Vec<String> {
    let unit = world.unit(sn).await;
    let findings = world.house.store.findings_fetch(unit).await.expect("it reads");
    let stand = findings.iter().filter(|f| f.kind == "activated_again" && !f.withdrawn);
    let at = |micros| jiff::Timestamp::from_microsecond(micros).expect("an instant").to_string();
    stand.map(|f| at(f.activated_at)).collect()
}

async fn alerted(world: &World) -> Vec<String> {
    let asked = AlertsAsked {
        brand: world.caller().await.brand.0,
        since: 0,
        until: i64::MAX,
        kind: None,
        after: None,
        most: 100,
    };
    let alerts = world.house.store.alerts_fetch(&asked).await.expect("it reads");
    let mut keys: Vec<_> = alerts.into_iter().map(|alert| alert.dedup_key).collect();
    keys.sort();
    keys
}

async fn a_life_told_of_late_begins_with_the_start_since(world: &World) {
    sold(world, &sns(0..2)).await;
    let desk = world.desk("BRAND", "all").await;
    let (timely, late, resold) = ("CY000000", "CY000001", "2026-06-03T00:00:00Z");
    assert_eq!(opens(&desk, timely, OPENED).await, 200);
    assert_eq!(start(world, timely, resold, "b").await, (1, true, resold.to_owned()));
    assert_eq!(start(world, late, resold, "b").await, (0, false, SOLD.to_owned()));
    assert_eq!((doubted(world, late).await.len(), alerted(world).await.len()), (1, 1));
    assert_eq!(opens(&desk, late, OPENED).await, 200);
    let in_order = told(&desk, timely).await;
    assert_eq!((&in_order["verdict"], &in_order["life"]), (&json!("genuine"), &json!(1)));
    assert_eq!(in_order["on"], "2026-06-03");
    assert_eq!(told(&desk, late).await, in_order, "in whichever order it is told");
    assert_eq!(starts(&desk, late).await, starts(&desk, timely).await);
    assert_eq!(starts(&desk, late).await, [(0, true), (1, true)]);
    let unit = async |sn: &str| {
        let unit = world.house.store.unit_fetch(world.unit(sn).await).await;
        let unit = unit.expect("it reads").expect("a unit");
        (unit.life, unit.activated_at, unit.region, unit.fingerprint, unit.suspect)
    };
    assert_eq!(unit(late).await, unit(timely).await);
    assert_eq!((doubted(world, late).await.len(), alerted(world).await.len()), (0, 0));
    // What fell names the fact that it fell for.
    let (_, dossier) = desk.get(&format!("/api/v1/units/{late}")).await;
    let timeline = dossier["timeline"].as_array().expect("events");
    let of = |kind: &str| timeline.iter().find(|event| event["kind"] == kind).expect("an event");
    assert_eq!(of("finding_withdrawn")["detail"]["because"], of("life_opened")["id"]);
    // Told again, and told of the life that is over, by its own device.
    assert_eq!(start(world, late, resold, "b").await, (1, false, resold.to_owned()));
    let before = "2026-05-28T00:00:00Z";
    assert_eq!(start(world, late, before, "a").await, (0, false, SOLD.to_owned()));
    assert_eq!(doubted(world, late).await.len(), 0);
    assert_eq!(start(world, late, "2026-06-05T00:00:00Z", "c").await.0, 1);
    assert_eq!(alerted(world).await, ["activated_again life 1"]);
    world.agrees().await;
}

async fn other_devices_are_held_against_the_first_of_their_life(world: &World) {
    sold(world, &sns(0..1)).await;
    let (desk, sn) = (world.desk("BRAND", "all").await, "CY000000");
    let day = |day: u32| format!("2026-06-{day:02}T00:00:00Z");
    let old = "2026-05-28T00:00:00Z";
    for (at, device) in
        [(day(5), "c"), (day(3), "b"), (old.to_owned(), "d"), (day(4), "b"), (day(6), "a")]
    {
        assert_eq!(started(world, &at, device).await, (0, false, SOLD.to_owned()));
    }
    assert_eq!(doubted(world, sn).await, [old.to_owned(), day(3), day(4), day(5)]);
    assert_eq!(alerted(world).await, ["activated_again life 0"]);
    assert_eq!(opens(&desk, sn, OPENED).await, 200);
    // The earliest is the first; of the others those by its device fall, and the old one's stands.
    assert_eq!(doubted(world, sn).await, [old.to_owned(), day(5), day(6)]);
    let keys = ["activated_again life 0", "activated_again life 1"];
    assert_eq!(alerted(world).await, keys);
    let lives = [(0, true), (0, false), (1, true), (1, false), (1, false), (1, false)];
    assert_eq!(starts(&desk, sn).await, lives);
    let unit = async || {
        let unit = world.house.store.unit_fetch(world.unit(sn).await).await;
        let unit = unit.expect("it reads").expect("a unit");
        let at = jiff::Timestamp::from_microsecond(unit.activated_at?).expect("an instant");
        Some((unit.life, at.to_string(), unit.suspect))
    };
    assert_eq!(unit().await, Some((1, day(3), true)));
    world.agrees().await;
    // A further life, told late too, takes over what the first one had taken.
    assert_eq!(opens(&desk, sn, "2026-06-04T12:00:00Z").await, 200);
    assert_eq!(unit().await, Some((2, day(5), true)));
    assert_eq!(doubted(world, sn).await, [old.to_owned(), day(6)]);
    assert_eq!(alerted(world).await, ["activated_again life 0", "activated_again life 2"]);
    let lives = [(0, true), (0, false), (1, true), (1, false), (2, true), (2, false)];
    assert_eq!(starts(&desk, sn).await, lives);
    // What is reported of a life that is over is held against the first of that life.
    assert_eq!(started(world, "2026-06-04T06:00:00Z", "b").await, (1, false, day(3)));
    assert_eq!(doubted(world, sn).await.len(), 2);
    assert_eq!(started(world, "2026-06-04T06:00:00Z", "c").await, (1, false, day(3)));
    assert_eq!(doubted(world, sn).await.len(), 3);
    assert_eq!(opens(&desk, sn, &day(4)).await, 409, "it ends a life that began later");
    world.agrees().await;
}

async fn the_old_device_starts_the_new_life_too(world: &World) {
    sold(world, &sns(0..1)).await;
    let (desk, again) = (world.desk("BRAND", "all").await, "2026-06-03T00:00:00Z");
    assert_eq!(started(world, again, "a").await, (0, false, SOLD.to_owned()));
    assert_eq!(opens(&desk, "CY000000", OPENED).await, 200);
    let told = told(&desk, "CY000000").await;
    assert_eq!((&told["verdict"], &told["on"]), (&json!("genuine"), &json!("2026-06-03")));
    assert_eq!(started(world, again, "b").await, (1, false, again.to_owned()));
    assert_eq!(alerted(world).await, ["activated_again life 1"]);
    world.agrees().await;
}

/// A device whose clock runs ahead, started at the desk where it is taken back.
async fn what_came_before_a_life_opened_is_none_of_it(world: &World) {
    sold(world, &sns(0..1)).await;
    let now = world.house.clock.now();
    let minutes = |count| now + SignedDuration::from_mins(count);
    let ahead = minutes(5).to_string();
    assert_eq!(started(world, &ahead, "a").await, (0, false, SOLD.to_owned()));
    world.clock.set(minutes(1));
    let desk = world.desk("BRAND", "all").await;
    assert_eq!(opens(&desk, "CY000000", &minutes(1).to_string()).await, 200);
    assert_eq!(told(&desk, "CY000000").await["verdict"], "not_activated");
    assert_eq!(starts(&desk, "CY000000").await, [(0, true), (0, false)]);
    world.agrees().await;
}

/// Returned in the morning, sold again and started in the afternoon, told of in the evening.
async fn a_life_told_by_the_day_begins_with_the_start_of_that_day(world: &World) {
    sold(world, &sns(0..1)).await;
    let desk = world.desk("BRAND", "all").await;
    let afternoon = ["2026-06-03T07:00:00Z", "2026-06-03T07:20:00Z"];
    for at in afternoon {
        assert_eq!(start(world, "CY000000", at, "b").await, (0, false, SOLD.to_owned()));
    }
    assert_eq!(opens(&desk, "CY000000", "2026-06-03").await, 200);
    assert_eq!(starts(&desk, "CY000000").await, [(0, true), (1, true), (1, false)]);
    assert_eq!(told(&desk, "CY000000").await["verdict"], "genuine");
    assert_eq!(doubted(world, "CY000000").await, [] as [String; 0]);
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
