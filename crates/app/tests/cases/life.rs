//! What becomes of cases, and who sees which of it.

use crate::common::World;
use crate::common::browser::owner;
use crate::on_both;
use crate::scene::{
    WORKS, code, goods, member, opened, party, problem, says, shown, stranger, told,
};
use domain::case::Outcome;
use domain::refusal::Refusal;
use domain::role::Role;
use dossier::flows::cases::{self, Doing, Order, Saying, Wanted};
use dossier::flows::{FlowError, audit};
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::canonical::hex;

on_both! {
    a_case_is_opened_answered_closed_and_opened_again,
    others_are_not_told_that_it_is_there,
    a_party_is_shown_the_units_of_its_own_hands,
    regions_bind_and_an_auditor_changes_nothing,
    a_unit_stands_in_one_open_case,
    of_two_at_once_one_wins,
    lists_come_in_pages_and_are_told_apart,
    bad_input_is_named,
    people_answer_for_their_party,
}

#[allow(clippy::too_many_lines, reason = "one case from its opening to its end")]
async fn a_case_is_opened_answered_closed_and_opened_again(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let tier2 = world.desk("T2-53", WORKS).await;
    let id = opened(&brand, "T2-53", &["CY000000"]).await;
    let at = |tail: &str| format!("/api/v1/cases/{id}{tail}");

    assert_eq!(says(&brand, &id, "he did it before", true).await.1["state"], "open");
    let stated = says(&tier2, &id, "sold at the counter\nto a traveller", false).await;
    assert_eq!((stated.0, &stated.1["state"]), (200, &json!("answered")));
    // Asked once more, it has to answer once more, by a day.
    let asked = json!({"text": "which traveller?", "answer_by": "2026-06-12"});
    let (status, reply) = brand.post(&at("/entries"), &asked).await;
    assert_eq!((status, &reply["state"], &reply["overdue"]), (200, &json!("open"), &json!(false)));
    world.clock.set(world.clock.now() + SignedDuration::from_hours(72));
    assert_eq!(shown(&tier2, &id).await["overdue"], true);
    // One above speaks for it.
    let tier1 = world.desk("T1-53", WORKS).await;
    assert_eq!(says(&tier1, &id, "we asked them", false).await.1["state"], "answered");

    let end = json!({"outcome": "settled", "text": "a warning was given"});
    let (status, reply) = brand.post(&at("/close"), &end).await;
    assert_eq!(
        (status, &reply["state"], &reply["outcome"]),
        (200, &json!("closed"), &json!("settled"))
    );
    assert!(reply["closed_at"].is_string() && reply["overdue"] == false, "{reply}");
    for (desk, tail, body) in [
        (&brand, "/close", &end),
        (&brand, "/entries", &json!({"text": "late", "internal": true})),
        (&brand, "/units", &json!({"units": ["CY000001"]})),
        (&tier2, "/entries", &json!({"text": "late"})),
    ] {
        let refused = desk.post(&at(tail), body).await;
        assert_eq!(problem(&refused), (409, "case_state", "id"), "{tail}");
    }
    let (status, reply) = brand.post(&at("/reopen"), &json!({"text": "once more"})).await;
    assert_eq!((status, &reply["state"]), (200, &json!("open")));
    assert!(reply["outcome"].is_null() && reply["closed_at"].is_null(), "{reply}");
    let refused = brand.post(&at("/reopen"), &json!({"text": "once more"})).await;
    assert_eq!(problem(&refused), (409, "case_state", "id"));
    let (status, _) = brand.post(&at("/units"), &json!({"units": ["CY000001", "CY000000"]})).await;
    assert_eq!(status, 200);

    let whole = shown(&brand, &id).await;
    let kinds: Vec<_> = told(&whole).into_iter().map(|(kind, _)| kind).collect();
    let all = ["opening", "note", "statement", "message", "statement", "closing", "reopening"];
    assert_eq!(kinds, all);
    assert_eq!(told(&whole)[2].1, "sold at the counter\nto a traveller");
    assert_eq!(whole["units"].as_array().map(Vec::len), Some(2));
    let actors = whole["entries"].as_array().expect("entries").iter().map(|e| &e["actor"]);
    assert!(actors.clone().all(Value::is_string), "{whole}");
    let theirs = shown(&tier2, &id).await;
    assert_eq!(told(&theirs).len(), all.len() - 1);
    assert!(!theirs.to_string().contains("he did it before"), "{theirs}");
    assert!(
        !theirs.to_string().contains("key:"),
        "who recorded it is the brand's to know: {theirs}"
    );

    // The ledger tells who took which step; each look left a record.
    audit::flush(&world.house).await.expect("written");
    let caller = world.caller().await;
    let of = |kind: &str| audit::Wanted {
        kind: Some(kind.to_owned()),
        object: Some(id.clone()),
        most: 100,
        ..audit::Wanted::default()
    };
    let (steps, _) = audit::list(&world.house, &caller, &of("case")).await.expect("listed");
    let verbs: Vec<_> = steps.iter().rev().map(|step| step.verb.as_str()).collect();
    let taken =
        ["opened", "noted", "answered", "messaged", "answered", "closed", "reopened", "extended"];
    assert_eq!(verbs, taken);
    let closed = &steps[2].fields;
    let state = closed.iter().find(|field| field.field == "state").expect("a state");
    assert_eq!(
        (state.before.as_deref(), state.after.as_deref()),
        (Some("answered"), Some("closed"))
    );
    let (looks, _) = audit::list(&world.house, &caller, &of("cases")).await.expect("listed");
    assert_eq!(looks.len(), 3, "{looks:?}");
    world.agrees().await;
}

async fn others_are_not_told_that_it_is_there(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let mut desks = Vec::new();
    for party in ["T1-42", "SHOP-53", "FAC-SZ"] {
        desks.push((party, world.desk(party, "all").await));
    }
    let id = opened(&brand, "T2-53", &["CY000000"]).await;
    desks.push(("another brand", stranger(world).await.1));
    let nobody = "00000000000000ff";
    for (who, desk) in &desks {
        for tail in ["", "/entries", "/close", "/reopen", "/units"] {
            let body = match tail {
                "/close" => json!({"outcome": "settled", "text": "over"}),
                "/units" => json!({"units": ["CY000000"]}),
                _ => json!({"text": "hello"}),
            };
            let ask = async |id: &str| match tail {
                "" => desk.get(&format!("/api/v1/cases/{id}")).await,
                _ => desk.post(&format!("/api/v1/cases/{id}{tail}"), &body).await,
            };
            let (found, none) = (ask(&id).await, ask(nobody).await);
            assert!(matches!(found.0, 403 | 404), "{who} {tail}: {found:?}");
            assert_eq!(found, none, "{who} {tail} is told apart");
        }
        let (status, list) = desk.get("/api/v1/cases").await;
        assert_eq!((status, &list["items"]), (200, &json!([])), "{who}");
        let about = desk.get("/api/v1/cases?party=T2-53").await;
        let none = (404, "unknown_party", "party");
        // What stands below oneself may be named; a shop has nothing below it.
        assert_eq!(problem(&about), none, "{who}");
        let (_, found) = desk.get(&format!("/api/v1/search?q={id}")).await;
        assert_eq!(found["items"], json!([]), "{who}");
    }
    let untouched = shown(&brand, &id).await;
    assert_eq!((told(&untouched).len(), &untouched["state"]), (1, &json!("open")));
}

async fn a_party_is_shown_the_units_of_its_own_hands(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let id = opened(&brand, "T2-53", &["CY000000", "CY000003", "CY000011"]).await;
    let all = shown(&brand, &id).await["units"].as_array().map(Vec::len);
    assert_eq!(all, Some(3));
    let own = json!([code(world, "CY000000").await]);
    for party in ["T2-53", "T1-53"] {
        let desk = world.desk(party, WORKS).await;
        let case = shown(&desk, &id).await;
        assert_eq!(case["units"], own, "{party}");
        assert!(!case.to_string().contains(&code(world, "CY000003").await), "{party}");
    }
    // The scope to read alone answers nothing, and to answer alone reads nothing.
    let reader = world.desk("T2-53", "read").await;
    assert_eq!(problem(&says(&reader, &id, "no", false).await), (403, "not_allowed", ""));
    let answerer = world.desk("T2-53", "cases").await;
    assert_eq!(problem(&answerer.get(&format!("/api/v1/cases/{id}")).await).1, "not_allowed");
    let internal = says(&answerer, &id, "among us", true).await;
    assert_eq!(problem(&internal), (403, "not_allowed", "internal"));
    assert_eq!(says(&answerer, &id, "we have them", false).await.0, 200);
}

async fn regions_bind_and_an_auditor_changes_nothing(world: &World) {
    goods(world).await;
    let (house, brand) = (&world.house, world.caller().await);
    let order = |party: &str, unit: &str| Order {
        party: party.to_owned(),
        units: vec![unit.to_owned()],
        ..Order::default()
    };
    let west = cases::open(house, &brand, &order("T2-53", "CY000000")).await.expect("opened");
    let middle = cases::open(house, &brand, &order("T1-42", "CY000003")).await.expect("opened");
    let bound = member(world, Role::ChannelManager, &["53"]).await;
    let every = || Wanted { most: 10, ..Wanted::default() };
    let (list, _) = cases::list(house, &bound, every()).await.expect("listed");
    assert_eq!(list.iter().map(|row| row.id).collect::<Vec<_>>(), [west.id]);
    let note = |text: &str| Saying { text: text.to_owned(), internal: true, answer_by: None };
    cases::say(house, &bound, &hex(&west.id), &note("a note")).await.expect("inside");
    let refusal = |done: Result<_, FlowError>| match done {
        Err(FlowError::Refused(refused)) => refused.refusal,
        other => panic!("{other:?}"),
    };
    let out = cases::say(house, &bound, &hex(&middle.id), &note("a note")).await.map(|_| ());
    assert_eq!(refusal(out), Refusal::UnknownCase);
    let out = cases::show(house, &bound, &hex(&middle.id)).await.map(|_| ());
    assert_eq!(refusal(out), Refusal::UnknownCase);
    for (party, unit, expected) in [
        ("T1-42", "CY000001", Refusal::NotAllowed),
        ("T2-53", "CY000004", Refusal::UnknownSubject),
        ("T2-53", "CY000000", Refusal::InOpenCase),
    ] {
        let out = cases::open(house, &bound, &order(party, unit)).await.map(|_| ());
        assert_eq!(refusal(out), expected, "{party} {unit}");
    }
    cases::open(house, &bound, &order("T2-53", "CY000001")).await.expect("inside");
    // Where a case of others stands in the way, the unit is told and not the case.
    let hidden = cases::open(house, &brand, &order("T1-42", "CY000002")).await.expect("opened");
    let out = cases::open(house, &bound, &order("T2-53", "CY000002")).await.map(|_| ());
    let Err(FlowError::Refused(refused)) = out else { panic!("{out:?}") };
    assert_eq!(refused.refusal, Refusal::InOpenCase);
    assert!(refused.reason.contains(&code(world, "CY000002").await), "{refused}");
    assert!(!refused.reason.contains(&hex(&hidden.id)), "{refused}");

    let auditor = member(world, Role::Auditor, &[]).await;
    assert_eq!(cases::list(house, &auditor, every()).await.expect("listed").0.len(), 4);
    let seen = cases::show(house, &auditor, &hex(&west.id)).await.expect("shown");
    assert!(seen.entries.iter().any(|entry| entry.words.as_deref() == Some("a note")));
    let before = house.store.events_count().await.expect("counted");
    let id = hex(&west.id);
    let close = Doing::close(Outcome::Confirmed, "so it is");
    let done = [
        cases::say(house, &auditor, &id, &note("no")).await.map(|_| ()),
        cases::act(house, &auditor, &id, &close).await.map(|_| ()),
        cases::open(house, &auditor, &order("T2-53", "CY000005")).await.map(|_| ()),
    ];
    for out in done {
        assert_eq!(refusal(out), Refusal::NotAllowed);
    }
    assert_eq!(house.store.events_count().await.expect("counted"), before);
}

async fn a_unit_stands_in_one_open_case(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let first = opened(&brand, "T2-53", &["CY000000", "CY000001"]).await;
    let again = json!({"party": "T1-42", "units": ["CY000005", "CY000001"]});
    let refused = brand.post("/api/v1/cases", &again).await;
    assert_eq!(problem(&refused), (409, "in_open_case", "units"));
    let detail = refused.1["detail"].as_str().expect("a sentence").to_owned();
    assert!(detail.contains(&first), "it names the case: {detail}");
    assert!(detail.contains(&code(world, "CY000001").await), "and the unit: {detail}");
    let second = opened(&brand, "T1-42", &["CY000005"]).await;
    let (path, more) = (format!("/api/v1/cases/{second}/units"), json!({"units": ["CY000000"]}));
    let refused = brand.post(&path, &more).await;
    assert_eq!(problem(&refused), (409, "in_open_case", "units"));
    // Nothing of what was refused is left: the unit named beside was free.
    let units = shown(&brand, &second).await["units"].clone();
    assert_eq!(units, json!([code(world, "CY000005").await]));

    // An alert says where its unit stands.
    world.clock.set(world.clock.now() + SignedDuration::from_hours(24 * 30));
    let alert = async || {
        let (_, list) = brand.get("/api/v1/alerts").await;
        let own = code(world, "CY000011").await;
        let items = list["items"].as_array().expect("alerts").clone();
        items.into_iter().find(|alert| alert["code"] == own).expect("an alert")["case"].clone()
    };
    assert!(alert().await.is_null());
    let third = opened(&brand, "FAC-SZ", &["CY000011"]).await;
    assert_eq!(alert().await, json!(third));
    let end = json!({"outcome": "unfounded", "text": "a sample"});
    let (status, _) = brand.post(&format!("/api/v1/cases/{third}/close"), &end).await;
    assert_eq!(status, 200);
    assert!(alert().await.is_null());
    // Closed, its units are free; and it is not opened again over units that stand elsewhere.
    opened(&brand, "T1-42", &["CY000011"]).await;
    let path = format!("/api/v1/cases/{third}/reopen");
    let refused = brand.post(&path, &json!({"text": "once more"})).await;
    assert_eq!(problem(&refused), (409, "in_open_case", "units"));
    assert_eq!(shown(&brand, &third).await["state"], "closed");
}

async fn of_two_at_once_one_wins(world: &World) {
    goods(world).await;
    let (caller, another) = (world.caller().await, world.another().await);
    let order = |party: &str| Order {
        party: party.to_owned(),
        units: vec!["CY000001".to_owned(), "CY000000".to_owned()],
        ..Order::default()
    };
    let (one, other) = (order("T2-53"), order("T1-42"));
    let both = tokio::join!(
        cases::open(&world.house, &caller, &one),
        cases::open(&another, &caller, &other)
    );
    let (won, lost) = match both {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        other => panic!("one of two: {other:?}"),
    };
    assert!(
        matches!(&lost, FlowError::Refused(why) if why.refusal == Refusal::InOpenCase),
        "{lost:?}"
    );
    let every = Wanted { most: 10, ..Wanted::default() };
    let (list, _) = cases::list(&world.house, &caller, every).await.expect("listed");
    assert_eq!(list, std::slice::from_ref(&won), "nothing of the other is left");

    // Both sides at once: every word is kept, each in its place.
    let id = hex(&won.id);
    let tier = party(world, if won.party == one_party(world).await { "T2-53" } else { "T1-42" });
    let tier = tier.await;
    let said = |text: String| Saying { text, ..Saying::default() };
    for round in 0..6 {
        let (mine, theirs) = (said(format!("asks {round}")), said(format!("says {round}")));
        let (asked, answered) = tokio::join!(
            cases::say(&world.house, &caller, &id, &mine),
            cases::say(&another, &tier, &id, &theirs)
        );
        asked.expect("said");
        answered.expect("said");
    }
    let shown = cases::show(&world.house, &caller, &id).await.expect("shown");
    assert_eq!((shown.entries.len(), shown.row.entry_count), (12, 12));
    let close = Doing::close(Outcome::Settled, "over");
    let both = tokio::join!(
        cases::act(&world.house, &caller, &id, &close),
        cases::act(&another, &caller, &id, &close)
    );
    let lost = match both {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        other => panic!("one of two: {other:?}"),
    };
    assert!(
        matches!(&lost, FlowError::Refused(why) if why.refusal == Refusal::CaseState),
        "{lost:?}"
    );
    world.agrees().await;
}

async fn one_party(world: &World) -> i64 {
    party(world, "T2-53").await.party.0
}

async fn lists_come_in_pages_and_are_told_apart(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let tier1 = world.desk("T1-53", WORKS).await;
    let mut ids = Vec::new();
    for (n, party) in ["T2-53", "T1-42", "T1-53", "T2-53", "SHOP-53"].iter().enumerate() {
        // Two of one instant, the others later.
        if n != 1 {
            world.clock.set(world.clock.now() + SignedDuration::from_secs(60));
        }
        ids.push(opened(&brand, party, &[&format!("CY00000{n}")]).await);
    }
    says(&tier1, &ids[2], "ours", false).await;
    let list = async |desk: &crate::common::Desk, query: &str| {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/cases?limit=2{query}{cursor}");
            let (status, page) = desk.get(&path).await;
            assert_eq!(status, 200, "{path}: {page}");
            let items = page["items"].as_array().expect("items");
            assert!(items.len() <= 2);
            seen.extend(items.iter().map(|case| case["id"].as_str().expect("an id").to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return seen,
            }
        }
    };
    let all = list(&brand, "").await;
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((all.len(), sorted.len()), (5, 5), "each once: {all:?}");
    assert_eq!([&all[0], &all[1], &all[2]], [&ids[4], &ids[3], &ids[2]], "the latest first");
    assert_eq!(list(&tier1, "").await, [&ids[4], &ids[3], &ids[2], &ids[0]].map(String::clone));
    let tier2 = world.desk("T2-53", WORKS).await;
    assert_eq!(list(&tier2, "").await, [&ids[4], &ids[3], &ids[0]].map(String::clone));
    assert_eq!(list(&brand, "&state=answered").await, [ids[2].clone()]);
    assert_eq!(list(&brand, "&party=T1-42").await, [ids[1].clone()]);
    assert_eq!(list(&tier1, "&party=T2-53").await, [&ids[3], &ids[0]].map(String::clone));
    // Bound to a region: of the brand's cases those of parties inside, one by one.
    let bound = member(world, Role::ChannelManager, &["53"]).await;
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let wanted = Wanted { state: None, party: None, since: None, after, most: 1 };
        let (page, next) = cases::list(&world.house, &bound, wanted).await.expect("a page");
        paged.extend(page.iter().map(|row| hex(&row.id)));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, list(&tier1, "").await, "{ids:?}");
    let since = world.clock.now().to_string();
    assert_eq!(list(&brand, &format!("&since={since}")).await, [ids[4].clone()]);

    let (_, page) = brand.get("/api/v1/cases?limit=1").await;
    let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
    let (_, theirs) = stranger(world).await;
    for text in [cursor.as_str(), "zz", ""] {
        let refused = theirs.get(&format!("/api/v1/cases?cursor={text}")).await;
        assert_eq!(problem(&refused), (400, "invalid_field", "cursor"), "{text}");
    }
}

async fn bad_input_is_named(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"party": "T2-53", "units": ["CY000000"]});
        body[field] = value;
        body
    };
    let many: Vec<_> = (0..201).map(|n| format!("CY{n:06}")).collect();
    for (body, expected) in [
        (with("party", json!("T9")), (404, "unknown_party", "party")),
        (with("party", json!("BRAND")), (400, "invalid_field", "party")),
        (with("units", json!([])), (400, "invalid_field", "units")),
        (with("units", json!(many)), (400, "invalid_field", "units")),
        (with("units", json!(["CY999999"])), (404, "unknown_subject", "units")),
        (with("units", json!(["CY\u{7}"])), (400, "invalid_field", "units")),
        (with("summary", json!("a\u{0}b")), (400, "invalid_field", "summary")),
        (with("summary", json!("x".repeat(4_001))), (400, "invalid_field", "summary")),
        (with("answer_by", json!("2026-06-09")), (400, "invalid_field", "answer_by")),
        (with("answer_by", json!("soon")), (400, "invalid_field", "answer_by")),
        (with("alerts", json!([])), (400, "invalid_field", "alerts")),
    ] {
        let refused = brand.post("/api/v1/cases", &body).await;
        assert_eq!(problem(&refused), expected, "{body}");
    }
    let (_, list) = brand.get("/api/v1/cases").await;
    assert_eq!(list["items"], json!([]), "nothing was half done");
    let id = opened(&brand, "T2-53", &["CY000000"]).await;
    let at = |tail: &str| format!("/api/v1/cases/{id}{tail}");
    for (tail, body, field) in [
        ("/entries", json!({"text": " \n "}), "text"),
        (
            "/entries",
            json!({"text": "a", "internal": true, "answer_by": "2026-07-01"}),
            "answer_by",
        ),
        ("/close", json!({"outcome": "won", "text": "a"}), "outcome"),
        ("/close", json!({"outcome": "settled", "text": ""}), "text"),
        ("/units", json!({"units": []}), "units"),
    ] {
        let refused = brand.post(&at(tail), &body).await;
        assert_eq!(problem(&refused), (400, "invalid_field", field), "{tail} {body}");
    }
    for id in ["0", "zz", "%00", &"f".repeat(400), &id[1..]] {
        let refused = brand.get(&format!("/api/v1/cases/{id}")).await;
        assert_eq!(problem(&refused), (404, "unknown_case", "id"), "{id}");
    }
    for query in ["state=gone", "since=never", "limit=0", "kind=odd"] {
        let refused = brand.get(&format!("/api/v1/cases?{query}")).await;
        assert_eq!(problem(&refused).1, "invalid_field", "{query}");
    }
}

async fn people_answer_for_their_party(world: &World) {
    goods(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let id = opened(&brand, "T2-53", &["CY000000"]).await;
    let owner = owner(world).await;
    let invited = |party: &str, role: &str| json!({"party": party, "role": role});
    let manager = owner.invites(world, "li", invited("T1-53", "channel_manager")).await;
    let desk = owner.invites(world, "wang", invited("T2-53", "desk")).await;
    let sibling = owner.invites(world, "zhao", invited("T1-42", "owner")).await;
    let (at, words) = (format!("/api/v1/cases/{id}"), json!({"text": "we have asked them"}));
    let entries = format!("{at}/entries");
    assert_eq!(manager.post(&entries, words.clone()).await.member("state"), "answered");
    assert_eq!(desk.get(&at).await.member("state"), "answered");
    assert_eq!(desk.post(&entries, words.clone()).await.code(), (403, "not_allowed"));
    assert_eq!(sibling.get(&at).await.code(), (404, "unknown_case"));
    assert_eq!(sibling.post(&entries, words).await.code(), (404, "unknown_case"));
    let end = json!({"outcome": "settled", "text": "we are good"});
    let closed = manager.post(&format!("{at}/close"), end).await;
    assert_eq!(closed.code(), (403, "not_allowed"));
    let own = manager.get("/api/v1/search?q=CY000000").await;
    assert_eq!(own.json["items"].as_array().map(Vec::len), Some(1), "{}", own.text);
    let none = sibling.get("/api/v1/search?q=CY000000").await;
    assert_eq!(none.json["items"], json!([]));
    // Who wrote is told to the brand, by an account's opaque id and no name.
    let case = shown(&brand, &id).await;
    let actor = case["entries"][1]["actor"].as_str().expect("somebody");
    assert!(actor.starts_with("account:"), "{actor}");
}
