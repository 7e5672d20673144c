//! What a step of the schema does to rows that were there before it.

use store::engine::{Engine, Migration, Plan, SqliteOptions, Step, Target};
use store::unit::ShipmentRecord;
use store::{Store, migrations};
use tempfile::TempDir;
use testkit::Postgres;

/// The schema while a shipment was known by its subject and number alone.
const BEFORE_SENDERS: &[Migration] = migrations!["V1__spine", "V2__kit", "V3__code_like_sn"];
const ADD: &str = "INSERT INTO shipment (subject, brand_id, shipment_no, from_party, to_party, \
    happened_at, voided_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_shipments() {
    let dir = TempDir::new().expect("a temporary folder");
    let options = SqliteOptions::default();
    shipments_are_kept(Target::Sqlite { dir: dir.path().to_owned(), options }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_shipments() {
    let url = Postgres::shared().fresh_database().await;
    shipments_are_kept(Target::Postgres { url }).await;
}
