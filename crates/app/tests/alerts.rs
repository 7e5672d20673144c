//! Alerts, page by page: nothing is told twice and nothing is missed, whatever is added meanwhile.

mod common;

use common::{World, sns, start};
use domain::finding::FindingKind;
use dossier::flows::FlowError;
use dossier::flows::alerts::{Wanted, list};
use jiff::SignedDuration;
use std::collections::BTreeSet;
use store::commit::{Alert, Commit};
use store::finding::AlertRecord;

on_both! { pages_follow_each_other_whatever_is_added }

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
