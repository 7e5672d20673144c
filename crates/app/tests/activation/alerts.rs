//! Alerts, page by page: nothing is told twice and nothing is missed, whatever is added meanwhile.

use crate::common::{World, sns, start};
use crate::on_both;
use axum::http::StatusCode;
use domain::finding::FindingKind;
use dossier::flows::FlowError;
use dossier::flows::alerts::{Wanted, list};
use dossier::flows::find::unit_number;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use store::commit::{Alert, Commit};
use store::finding::AlertRecord;

on_both! {
    pages_follow_each_other_whatever_is_added,
    a_surer_finding_takes_the_place_of_a_lesser,
    a_cursor_with_a_control_character_is_none_of_ours,
}

async fn page(world: &World, wanted: Wanted) -> (Vec<AlertRecord>, bool) {
    let caller = world.caller().await;
    list(&world.house, &caller, wanted).await.expect("the brand may")
}

async fn pages_follow_each_other_whatever_is_added(world: &World) {
    let brand = world.caller().await.brand.0;
    let now = world.house.clock.now().as_microsecond();
    let alert = |unit: i64, kind: &str, due_at: i64| Alert {
        home: unit,
        dedup_key: format!("{kind} life 0"),
        brand,
        kind: kind.to_owned(),
        grade: "suspect".to_owned(),
        event: [7; 16],
        due_at,
    };
    let write = async |alerts: Vec<Alert>| {
        let commit = Commit { alerts, ..Commit::default() };
        world.house.store.commit(&commit).await.expect("they are new");
    };
    // Many at one instant, some of one unit, some not due yet.
    let mut planted = Vec::new();
    for unit in 1..=10 {
        planted.push(alert(unit, "outside_territory", now - 1_000 * (unit % 3)));
        planted.push(alert(unit, "recalled", now - 1_000 * (unit % 3)));
        planted.push(alert(unit, "never_shipped", now + 1_000));
    }
    write(planted).await;
    let (all, more) = page(world, Wanted { most: 100, ..Wanted::default() }).await;
    assert_eq!((all.len(), more), (20, false));
    let order: Vec<_> = all.iter().map(|a| (-a.due_at, a.unit, a.dedup_key.clone())).collect();
    assert!(order.is_sorted());

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (found, more) = page(world, Wanted { after, most: 3, ..Wanted::default() }).await;
        after = found.last().map(|a| (a.due_at, a.unit, a.dedup_key.clone()));
        seen.extend(found);
        // Newer ones come meanwhile, and others become due.
        world.clock.set(world.clock.now() + SignedDuration::from_millis(1));
        let at = world.clock.now().as_microsecond();
        write(vec![alert(100 + seen.len() as i64, "recalled", at)]).await;
        if !more {
            break;
        }
    }
    assert_eq!(seen, all);

    let since = Some(jiff::Timestamp::from_microsecond(now).expect("an instant"));
    let kind = Some(FindingKind::OutsideTerritory);
    let (found, _) = page(world, Wanted { since, kind, most: 100, ..Wanted::default() }).await;
    let units: BTreeSet<_> = found.iter().map(|a| a.unit).collect();
    assert_eq!(units, BTreeSet::from([3, 6, 9]));

    // Somebody else's are not shown, and only the brand reads them.
    world.make(&sns(0..1)).await;
    assert!(start(&world.house, "sn", "CY000000", "a").await);
    let reference = world.house.reference().await.expect("it reads");
    let mut other = world.caller().await;
    other.party = reference.party(other.brand, "T1-53").expect("it is there").id;
    let refused = list(&world.house, &other, Wanted::default()).await;
    assert!(matches!(refused, Err(FlowError::Refused(_))));
}

#[tokio::test]
async fn the_api_pages_with_a_cursor() {
    let world = crate::support::house().await;
    let codes = world.codes(5).await;
    let ring = world.house.ring();
    let now = world.house.clock.now().as_microsecond();
    let alert = |code: &String| {
        let code = domain::code::TraceCode::parse(code).expect("one of ours");
        let home = ring.decode(&code).expect("one of ours").get() as i64;
        let (dedup_key, kind) = ("recalled life 0".to_owned(), "recalled".to_owned());
        let grade = "suspect".to_owned();
        Alert { home, dedup_key, brand: 1, kind, grade, event: [7; 16], due_at: now }
    };
    let alerts = codes.iter().map(alert).collect();
    let planted = Commit { alerts, ..Commit::default() };
    world.house.store.commit(&planted).await.expect("they are new");
    let brand = world.client("read").await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = brand.get(&format!("/api/v1/alerts?limit=2&kind=recalled{cursor}")).await;
        page.expect(StatusCode::OK);
        let items = page.json["items"].as_array().expect("items");
        seen.extend(items.iter().map(|a| a["code"].as_str().expect("a code").to_owned()));
        let next = page.json["next_cursor"].as_str();
        assert_eq!(next.is_none(), seen.len() == 5, "{}", page.text);
        cursor = next.map(|c| format!("&cursor={c}")).unwrap_or_default();
    }
    assert_eq!(seen, codes);
    let none = brand.get("/api/v1/alerts?kind=stolen").await;
    assert_eq!(none.json["items"], serde_json::json!([]));
    let later = brand.get("/api/v1/alerts?since=2026-07-01T00:00:00%2B08:00").await;
    assert_eq!(later.json["items"], serde_json::json!([]), "{}", later.text);
    for bad in ["kind=odd", "cursor=zz", "cursor=1.2222222222222.00", "since=never", "limit=0"] {
        let refused = brand.get(&format!("/api/v1/alerts?{bad}")).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
    }
    let other = world.key("T1", "read").await.get("/api/v1/alerts").await;
    other.refused(StatusCode::FORBIDDEN, "not_allowed");
}

async fn a_surer_finding_takes_the_place_of_a_lesser(world: &World) {
    let brand = world.caller().await.brand.0;
    let now = world.house.clock.now().as_microsecond();
    for (grade, event, told) in
        [("suspect", 1, "suspect"), ("likely", 2, "likely"), ("suspect", 3, "likely")]
    {
        let alert = Alert {
            home: 1,
            dedup_key: "outside_territory life 0".to_owned(),
            brand,
            kind: "outside_territory".to_owned(),
            grade: grade.to_owned(),
            event: [event; 16],
            due_at: now,
        };
        let commit = Commit { alerts: vec![alert], ..Commit::default() };
        world.house.store.commit(&commit).await.expect("it is written");
        let (all, _) = page(world, Wanted { most: 10, ..Wanted::default() }).await;
        let grades: Vec<_> = all.iter().map(|a| a.grade.as_str()).collect();
        assert_eq!(grades, [told], "after {grade}");
    }
}

async fn a_cursor_with_a_control_character_is_none_of_ours(world: &World) {
    let brand = world.desk("BRAND", "read").await;
    let code = world.house.ring().encode(unit_number(1));
    for list in ["alerts", "reports"] {
        for (key, wanted) in [("00", 400), ("6100", 400), ("0a", 400), ("c285", 400), ("61", 200)] {
            let path = format!("/api/v1/{list}?cursor=0.{code}.{key}");
            let (status, told) = brand.get(&path).await;
            assert_eq!(status, wanted, "{path}: {told}");
            assert_eq!(status == 400, told["code"] == "invalid_field", "{path}: {told}");
        }
    }
}
