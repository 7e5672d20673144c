//! What a step of the schema does to rows that were there before it.

use domain::custody::Moment;
use store::engine::{Engine, Migration, Plan, SqliteOptions, Step, Target, Value};
use store::unit::{Named, ScanRecord, ShipmentRecord};
use store::{Store, migrations};
use tempfile::TempDir;
use testkit::Postgres;

/// The schema while a shipment was known by its subject and number alone.
const BEFORE_SENDERS: &[Migration] = migrations!["V1__spine", "V2__kit", "V3__code_like_sn"];
const ADD: &str = "INSERT INTO shipment (subject, brand_id, shipment_no, from_party, to_party, \
    happened_at, voided_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// The schema while the looks of all audiences stood in one table.
const BEFORE_CONSUMERS: &[Migration] = migrations![
    "V1__spine",
    "V2__kit",
    "V3__code_like_sn",
    "V4__shipment_sender",
    "V5__log",
    "V6__audit",
    "V7__api_key_use",
    "V8__people",
    "V9__person",
    "V10__recall",
    "V11__sale",
    "V12__case",
    "V13__webhook"
];
/// The schema while nobody knew when the end of a time inside a pack was told.
const BEFORE_TOLD_FIRST: &[Migration] = migrations![
    "V1__spine",
    "V2__kit",
    "V3__code_like_sn",
    "V4__shipment_sender",
    "V5__log",
    "V6__audit",
    "V7__api_key_use",
    "V8__people",
    "V9__person",
    "V10__recall",
    "V11__sale",
    "V12__case",
    "V13__webhook",
    "V14__consumer_scan"
];
/// The schema while an identifier could be on one unit only from an instant on.
const BEFORE_BOUND_AGAIN: &[Migration] = migrations![
    "V1__spine",
    "V2__kit",
    "V3__code_like_sn",
    "V4__shipment_sender",
    "V5__log",
    "V6__audit",
    "V7__api_key_use",
    "V8__people",
    "V9__person",
    "V10__recall",
    "V11__sale",
    "V12__case",
    "V13__webhook",
    "V14__consumer_scan",
    "V15__told_first"
];
const BOUND: &str = "INSERT INTO identifier_past (value, scheme, scope, unit, from_at, to_at) \
    VALUES ('8608', 'imei', 0, $1, 10, 20)";
const INSIDE: &str = "INSERT INTO containment (child, from_at, parent, to_at, event_id) \
    VALUES ($1, $2, $3, $4, $5)";
const EVENT: &str = "INSERT INTO event (home, id, brand_id, kind, happened_at, recorded_at, \
    canonical) VALUES ($1, $2, 1, $3, $4, $5, '')";
const NAMED: &str = "INSERT INTO event_subject (subject, event_id, home, content) \
    VALUES ($1, $2, $3, '')";
const LOOK: &str = "INSERT INTO scan (unit, audience, count, first_at, last_at, first_place, \
    last_place, recent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

async fn shipments_are_kept(target: Target) {
    let engine = Engine::open(&target, BEFORE_SENDERS).await.expect("the schema of then");
    let row = |subject: i64, no: &str, voided: Option<i64>| {
        let key = [subject.into(), 1.into(), no.into(), 2.into()];
        Step::run(ADD, key.into_iter().chain([3.into(), 10.into(), voided.into()]).collect())
    };
    let steps = vec![row(5, "P-1", None), row(5, "P-2", Some(11)), row(6, "P-1", None)];
    engine.write(Plan::new(steps)).await.expect("rows of then");
    engine.close().await;

    let store = Store::open(&target).await.expect("the schema of now");
    for (subject, no, voided) in [(5, "P-1", false), (5, "P-2", true), (6, "P-1", false)] {
        let found = store.shipment_fetch(1, (no, 2), subject).await.expect("it reads");
        let kept = ShipmentRecord { to: 3, happened_at: 10, voided };
        assert_eq!(found, Some(kept), "{subject} {no}");
    }
    assert_eq!(store.shipment_subjects(1, "P-1", 2).await.expect("it reads"), [5, 6]);
    store.close().await;
    // And once more: nothing is left to do.
    let store = Store::open(&target).await.expect("the schema of now");
    assert!(store.shipment_voided(1, "P-2", 2).await.expect("it reads"));
}

async fn looks_are_kept(target: Target) {
    let engine = Engine::open(&target, BEFORE_CONSUMERS).await.expect("the schema of then");
    let row = |audience: &str, count: i64| {
        let row = [5.into(), audience.into(), count.into(), 10.into(), 20.into(), "31".into()];
        Step::run(LOOK, row.into_iter().chain([Value::Null, "10 31\n".into()]).collect())
    };
    engine.write(Plan::new(vec![row("consumer", 3), row("staff", 7)])).await.expect("rows of then");
    engine.close().await;

    let store = Store::open(&target).await.expect("the schema of now");
    let kept = ScanRecord {
        count: 3,
        first_at: 10,
        last_at: 20,
        first_place: Some("31".to_owned()),
        last_place: None,
        recent: "10 31\n".to_owned(),
    };
    assert_eq!(store.scan_fetch(5).await.expect("it reads"), Some(kept));
    assert_eq!(store.scans_count(5).await.expect("it reads"), 2, "none is there twice");
    store.close().await;
}

/// Units 1 to 3 were packed into 10 together, at 100. Of unit 1, the end was told by unpacking, of
/// unit 2 by its own shipment; unit 3 is still inside.
async fn ends_know_when_they_were_told(target: Target) {
    let engine = Engine::open(&target, BEFORE_TOLD_FIRST).await.expect("the schema of then");
    let id = |n: u8| Value::from([n; 16]);
    let inside = |child: i64, to: Option<i64>| {
        Step::run(INSIDE, vec![child.into(), 100.into(), 10.into(), to.into(), id(1)])
    };
    let event = |n: u8, home: i64, kind: &str, (at, told): (i64, i64)| {
        Step::run(EVENT, vec![home.into(), id(n), kind.into(), at.into(), told.into()])
    };
    let named = |child: i64, n: u8| Step::run(NAMED, vec![child.into(), id(n), 10.into()]);
    let steps = vec![
        inside(1, Some(200)),
        inside(2, Some(200)),
        inside(3, None),
        event(1, 10, "packed", (100, 500)),
        // Told before the packing, of another time, about another child, or no end.
        event(2, 2, "shipped", (200, 400)),
        event(3, 1, "shipped", (300, 510)),
        event(4, 10, "shipped", (200, 520)),
        event(5, 2, "activated", (200, 530)),
        event(6, 10, "unpacked", (200, 540)),
        named(1, 6),
        event(7, 2, "shipped", (200, 550)),
        event(8, 1, "received", (200, 560)),
    ];
    engine.write(Plan::new(steps)).await.expect("rows of then");
    engine.close().await;

    let store = Store::open(&target).await.expect("the schema of now");
    let found = store.children_fetch(10).await.expect("it reads");
    let told = |moment: Moment| moment.recorded_at.as_microsecond();
    let told = found.iter().map(|c| (told(c.from), c.to.map(told)));
    assert_eq!(told.collect::<Vec<_>>(), [(500, Some(540)), (500, Some(550)), (500, None)]);
    store.close().await;
}

async fn past_bindings_are_kept(target: Target) {
    let engine = Engine::open(&target, BEFORE_BOUND_AGAIN).await.expect("the schema of then");
    let bound = |unit: i64| Plan::new(vec![Step::run(BOUND, vec![unit.into()])]);
    engine.write(bound(5)).await.expect("a row of then");
    assert!(engine.write(bound(6)).await.is_err(), "the key of then");
    engine.close().await;

    let store = Store::open(&target).await.expect("the schema of now");
    let found = store.named_fetch("imei", 0, "8608").await.expect("it reads");
    assert_eq!(found, Some(Named::Once(5)));
    store.engine().write(bound(6)).await.expect("since the same instant");
    assert!(store.engine().write(bound(6)).await.is_err(), "the very same is there once");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_what_was_there() {
    let target = |dir: &TempDir| {
        let options = SqliteOptions::default();
        Target::Sqlite { dir: dir.path().to_owned(), options }
    };
    let dirs = [(); 4].map(|()| TempDir::new().expect("a temporary folder"));
    shipments_are_kept(target(&dirs[0])).await;
    looks_are_kept(target(&dirs[1])).await;
    ends_know_when_they_were_told(target(&dirs[2])).await;
    past_bindings_are_kept(target(&dirs[3])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_what_was_there() {
    let url = Postgres::shared().fresh_database().await;
    shipments_are_kept(Target::Postgres { url }).await;
    let url = Postgres::shared().fresh_database().await;
    looks_are_kept(Target::Postgres { url }).await;
    let url = Postgres::shared().fresh_database().await;
    ends_know_when_they_were_told(Target::Postgres { url }).await;
    let url = Postgres::shared().fresh_database().await;
    past_bindings_are_kept(Target::Postgres { url }).await;
}
