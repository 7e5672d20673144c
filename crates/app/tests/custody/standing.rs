//! How a unit stands when facts come in any order: the last by the time it happened counts, and a
//! paper that comes late is judged by its own day.

use crate::common::server::Place;
use crate::common::{FACTORY, PHONE, World, sns};
use crate::on_both;
use dossier::files::Kind;
use serde_json::{Value, json};

on_both! {
    the_last_fact_counts_and_not_the_last_told,
    what_is_outdated_is_called_so,
    a_look_from_before_production_does_not_outrank_its_record,
    one_command_counts_for_some_and_is_outdated_for_others,
    a_late_paper_is_judged_by_its_own_day,
    a_paper_taken_back_leaves_room_for_the_true_one,
}

fn day(day: u32) -> String {
    format!("2026-06-{day:02}T00:00:00+08:00")
}

async fn changes(world: &World, change: &str, units: &[&str], on: u32) {
    let (change, inspection) = match change {
        "pass" | "hold" => ("inspect", Some(change)),
        other => (other, None),
    };
    let body = json!({"change": change, "inspection": inspection, "units": units, "reason": "seen",
        "happened_at": day(on)});
    let desk = world.desk("BRAND", "all").await;
    let (status, reply) = desk.post("/api/v1/units/changes", &body).await;
    assert_eq!(status, 200, "{reply}");
}

async fn dossier(world: &World, sn: &str) -> Value {
    let (status, dossier) =
        world.desk("BRAND", "all").await.get(&format!("/api/v1/units/{sn}")).await;
    assert_eq!(status, 200, "{dossier}");
    dossier
}

/// Who has it, by the last of its hands.
async fn holder(world: &World, sn: &str) -> String {
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
    let hops = reply["custody"]["hops"].as_array().cloned().unwrap_or_default();
    hops.last().and_then(|hop| hop["party"].as_str()).unwrap_or_default().to_owned()
}

async fn verdict(world: &World, sn: &str) -> String {
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
    reply["verdict"].as_str().unwrap_or_default().to_owned()
}

/// Hands goods over; the code of the refusal, if it is one.
async fn ships(world: &World, paper: &str, to: &str, (on, sn): (u32, &str)) -> Option<String> {
    let row = json!({"shipment_no": paper, "from_code": "FAC-SZ", "to_code": to, "subject": sn,
        "happened_at": day(on)});
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.post("/api/v1/shipments", &json!({"rows": [row]})).await;
    let result = &reply["results"][0];
    let code = result["problems"][0]["code"].as_str().map(str::to_owned);
    assert!(code.is_some() || result["outcome"] == "taken", "{reply}");
    code
}

async fn the_last_fact_counts_and_not_the_last_told(world: &World) {
    world.make(&sns(0..6)).await;
    let names = sns(0..6);
    let [held, passed, stolen, recalled, found, since] = [0, 1, 2, 3, 4, 5].map(|n| &*names[n]);
    let told = [
        (held, "hold", 6, "check"),
        (held, "pass", 3, "check"),
        (held, "pass", 7, "not_activated"),
        (passed, "pass", 6, "not_activated"),
        (passed, "hold", 3, "not_activated"),
        (stolen, "report_stolen", 6, "stolen"),
        (stolen, "clear_stolen", 3, "stolen"),
        (stolen, "clear_stolen", 7, "not_activated"),
        (recalled, "recall", 6, "recalled"),
        (recalled, "lift_recall", 3, "recalled"),
        (recalled, "lift_recall", 6, "not_activated"),
        // Found again before anybody had told that it was stolen.
        (found, "clear_stolen", 6, "not_activated"),
        (found, "report_stolen", 3, "not_activated"),
        // Told twice: it is stolen since the first time.
        (since, "report_stolen", 3, "stolen"),
        (since, "report_stolen", 6, "stolen"),
    ];
    for (unit, change, on, expected) in told {
        changes(world, change, &[unit], on).await;
        assert_eq!(verdict(world, unit).await, expected, "{unit}: {change} of day {on}");
    }
    let number = world.unit(since).await;
    let unit = world.house.store.unit_fetch(number).await.expect("it reads").expect("a unit");
    let third: jiff::Timestamp = day(3).parse().expect("an instant");
    assert_eq!(unit.stolen_at, Some(third.as_microsecond()));
    // What was outdated stays in the story, and is told apart.
    let story = dossier(world, stolen).await["timeline"].clone();
    let of_kind = |kind: &str| -> Vec<Value> {
        let events = story.as_array().into_iter().flatten();
        events.filter(|e| e["kind"] == kind).map(|e| e["detail"]["outdated"].clone()).collect()
    };
    assert_eq!(of_kind("stolen_reported"), [json!(false)]);
    let mut cleared = of_kind("stolen_cleared");
    cleared.sort_by_key(Value::to_string);
    assert_eq!(cleared, [json!(false), json!(true)]);
    world.agrees().await;
}

/// Found again three days before it was stolen, as it seems, and once more on the day after.
async fn what_is_outdated_is_called_so(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = sns(0..1).remove(0);
    let sn = sn.as_str();
    let told = [
        ("stolen_cleared", "clear_stolen", 3, true),
        ("stolen_reported", "report_stolen", 6, false),
        ("stolen_cleared", "clear_stolen", 7, false),
    ];
    for (_, change, on, _) in [told[1], told[0], told[2]] {
        changes(world, change, &[sn], on).await;
    }
    let story = dossier(world, sn).await["timeline"].clone();
    let place = Place::new(&world.target, world.scratch.path());
    let shown = |lang: &str| place.run(&["show", sn, "--lang", lang]);
    let sheets = [(shown("zh"), "（已过时）"), (shown("en"), "(outdated)")];
    for (kind, _, on, outdated) in told {
        let events = story.as_array().expect("events");
        let is_it = |event: &&Value| event["kind"] == kind && event["happened_at"] == day(on);
        let event = events.iter().find(is_it).unwrap_or_else(|| panic!("{kind} in {story}"));
        assert_eq!(event["detail"]["outdated"], outdated, "{event}");
        for (sheet, word) in &sheets {
            let begins = format!("  2026-06-{on:02} 00:00  ");
            let line = sheet.lines().find(|line| line.starts_with(&begins));
            let line = line.unwrap_or_else(|| panic!("{begins} in {sheet}"));
            assert_eq!(line.contains(word), outdated, "{line}");
        }
    }
}

async fn inspects(world: &World, sn: &str, (found, at): (&str, &str)) {
    let body = json!({"change": "inspect", "inspection": found, "units": [sn], "reason": "seen",
        "happened_at": at});
    let desk = world.desk("BRAND", "all").await;
    let (status, reply) = desk.post("/api/v1/units/changes", &body).await;
    assert_eq!(status, 200, "{reply}");
}

async fn a_look_from_before_production_does_not_outrank_its_record(world: &World) {
    let eight = "2026-06-01T08:00:00+08:00";
    // When it was produced and as what, what was told of it afterwards, as what it stands then.
    let told = [
        ((eight, "fail"), ("pass", "2026-06-01T07:30:00+08:00"), "fail"),
        ((eight, "fail"), ("pass", "2025-01-01T00:00:00+08:00"), "fail"),
        ((eight, "pass"), ("hold", "1970-01-01T00:00:00Z"), "pass"),
        ((eight, "pass"), ("hold", "2026-06-01T07:49:59+08:00"), "pass"),
        // The line looks at a unit a moment before the instant it calls its production.
        ((eight, "pass"), ("hold", "2026-06-01T07:50:00+08:00"), "hold"),
        ((eight, "fail"), ("pass", "2026-06-01T08:00:00+08:00"), "pass"),
        // The record says nothing of it.
        ((eight, ""), ("hold", "2026-05-31T08:00:00+08:00"), "hold"),
        // By the day.
        ((eight, "fail"), ("pass", "2026-06-01"), "pass"),
        (("2026-06-01", "fail"), ("pass", "2026-05-31"), "fail"),
        (("2026-06-01", "fail"), ("pass", "2026-06-01"), "pass"),
    ];
    let names = sns(0..10);
    let mut file = "sn,gtin,produced_at,site_code,inspection\n".to_owned();
    for (sn, ((produced_at, made), ..)) in names.iter().zip(told) {
        file += &format!("{sn},{PHONE},{produced_at},{FACTORY},{made}\n");
    }
    world.take(Kind::Production, &file).await;
    for (sn, ((produced_at, made), look, expected)) in names.iter().zip(told) {
        let case = format!("made {made} at {produced_at}, then {look:?}");
        inspects(world, sn, look).await;
        let dossier = dossier(world, sn).await;
        let events = dossier["timeline"].as_array().cloned().unwrap_or_default();
        let looks: Vec<_> = events.iter().filter(|e| e["kind"] == "inspected").collect();
        let outdated = expected != look.0;
        assert_eq!((looks.len(), &looks[0]["detail"]["outdated"]), (1, &json!(outdated)), "{case}");
        let unit = world.house.store.unit_fetch(world.unit(sn).await).await.expect("it reads");
        assert_eq!(unit.expect("it is made").inspection.as_deref(), Some(expected), "{case}");
        let paper = format!("P-{sn}");
        let open = (expected != "pass").then_some("inspection_open");
        assert_eq!(ships(world, &paper, "T1-53", (2, sn)).await.as_deref(), open, "{case}");
    }
    // A paper of a day before a later hold is judged by the record, too.
    changes(world, "hold", &[&names[0]], 6).await;
    let refused = ships(world, "THEN", "T1-53", (3, &names[0])).await;
    assert_eq!(refused.as_deref(), Some("inspection_open"));
    world.agrees().await;
}

async fn one_command_counts_for_some_and_is_outdated_for_others(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    changes(world, "report_stolen", &[&names[1]], 6).await;
    changes(world, "report_stolen", &[&names[0], &names[2]], 2).await;
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    changes(world, "clear_stolen", &all, 4).await;
    for (sn, expected) in names.iter().zip(["not_activated", "stolen", "not_activated"]) {
        assert_eq!(verdict(world, sn).await, expected, "{sn}");
    }
    world.agrees().await;
}

async fn a_late_paper_is_judged_by_its_own_day(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    for (sn, change, refusal) in [
        (&names[0], "recall", "under_recall"),
        (&names[1], "decommission", "decommissioned"),
        (&names[2], "hold", "inspection_open"),
    ] {
        changes(world, change, &[sn], 5).await;
        let refused = ships(world, "LATER", "T1-53", (6, sn)).await;
        assert_eq!(refused.as_deref(), Some(refusal), "{change}");
        assert_eq!(ships(world, "THEN", "T1-53", (3, sn)).await, None, "{change}");
        assert_eq!(holder(world, sn).await, "T1-53", "{change}");
    }
    world.agrees().await;
}

async fn a_paper_taken_back_leaves_room_for_the_true_one(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    // It left on another paper: after the wrong one was written, or before.
    for (n, true_day) in [(0, 4), (1, 1)] {
        let (sn, wrong) = (&sns(n..n + 1)[0], format!("WRONG{n}"));
        world.make(std::slice::from_ref(sn)).await;
        assert_eq!(ships(world, &wrong, "T1-53", (2, sn)).await, None);
        let path = format!("/api/v1/shipments/{wrong}/void");
        let (status, reply) = desk.post(&path, &json!({})).await;
        assert_eq!((status, &reply["count"]), (200, &json!(1)), "{reply}");
        assert_eq!(holder(world, sn).await, "FAC-SZ");
        let never = json!({"party_code": "T1-53", "subjects": [sn], "happened_at": day(3)});
        assert_eq!(desk.post("/api/v1/receipts", &never).await.0, 409, "it never came there");
        assert_eq!(ships(world, &format!("TRUE{n}"), "T1-42", (true_day, sn)).await, None);
        assert_eq!(holder(world, sn).await, "T1-42");
        let received = json!({"party_code": "T1-42", "subjects": [sn], "happened_at": day(5)});
        let (status, reply) = desk.post("/api/v1/receipts", &received).await;
        assert_eq!(status, 200, "{reply}");
        // The true one can be taken back, too, while it has not arrived: now it has.
        let path = format!("/api/v1/shipments/TRUE{n}/void");
        assert_eq!(desk.post(&path, &json!({})).await.0, 409);
    }
    world.agrees().await;
}
