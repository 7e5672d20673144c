//! What a process remembers of units, held against what stands in its store. A story has its first
//! units looked at after each file it takes and each request it makes, so that there is something
//! to forget for the next.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use domain::custody::CustodyFacts;
use dossier::api::{ServeOptions, router};
use dossier::flows::find::unit_number;
use dossier::flows::{House, scans};
use std::sync::Arc;
use store::glance::{Glance, Learned, Looks};
use store::unit::UnitRecord;
use tower::ServiceExt;

/// Units that are looked at after each step.
const LOOKED_AT: usize = 64;

/// Learns all units, and looks at some as the public does.
pub async fn look(house: &House) {
    for _ in 0..2 {
        // The first try may find that a line has just begun.
        while matches!(learn(house).await, Learned::Some | Learned::Outrun) {}
    }
    for number in numbers(house).await.into_iter().take(LOOKED_AT) {
        let _ = seen(house, number).await;
    }
}

async fn learn(house: &House) -> Learned {
    house.store.glances_learn().await.expect("it reads")
}

/// Everything remembered is what a reader of the store finds.
pub async fn agrees(house: &House) {
    for number in numbers(house).await {
        let (first, _) = seen(house, number).await;
        let (again, around) = seen(house, number).await;
        let read = house.store.unit_seen_fetch(number).await.expect("it reads");
        let (record, scans) = read.expect("the unit is there");
        let shown = shown(record);
        assert_eq!(self::shown(first.record), shown, "unit {number}");
        assert_eq!(self::shown(again.record), shown, "unit {number}, asked again");
        let counts = |looks: &Looks| match looks {
            Looks::None => None,
            Looks::Counted(it) => Some((it.count, it.first_at, it.last_at)),
            Looks::Whole(it) => Some((it.count, it.first_at, it.last_at)),
        };
        let scans = scans.map(|it| (it.count, it.first_at, it.last_at));
        assert_eq!((counts(&first.looks), counts(&again.looks)), (scans, scans), "unit {number}");
        let mut facts = CustodyFacts::default();
        house.store.custody_fetch(&[number], &mut facts).await.expect("it reads");
        if let Some(around) = around {
            let unit = unit_number(number);
            assert_eq!(around.chain(unit), facts.chain(unit), "unit {number}");
        }
    }
}

/// Strangers are told the same by a process that remembers as by one that never looked before.
pub async fn answers_agree(remembering: &Arc<House>, fresh: &Arc<House>) {
    let [ours, theirs] =
        [remembering, fresh].map(|house| router(Arc::clone(house), ServeOptions::default()));
    // What waits to be written is known to one of them only.
    scans::flush(remembering).await.expect("they are written");
    look(remembering).await;
    for number in numbers(remembering).await.into_iter().take(LOOKED_AT) {
        let code = remembering.ring().encode(unit_number(number));
        let path = format!("/api/v1/verify/{code}");
        assert_eq!(answer(&ours, &path).await, answer(&theirs, &path).await, "unit {number}");
    }
}

async fn answer(app: &Router, path: &str) -> String {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("an answer");
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    String::from_utf8(body.to_vec()).expect("text")
}

/// A unit as the public sees it, and where its moves come with it, what moved the packs around it.
async fn seen(house: &House, number: i64) -> (Glance, Option<CustodyFacts>) {
    let reading = async {
        let glance = house.store.glance(number).await.expect("it reads");
        let glance = glance.expect("the unit is there");
        let Some(moves) = glance.moves.clone() else { return (glance, None) };
        let mut facts = CustodyFacts::default();
        house.store.custody_around(number, moves, &mut facts).await.expect("it reads");
        (glance, Some(facts))
    };
    house.one_snapshot(reading).await
}

async fn numbers(house: &House) -> Vec<i64> {
    if house.store.engine().folder().is_none() {
        // On PostgreSQL nothing is remembered.
        return Vec::new();
    }
    house.store.units_in_range(1, i64::MAX).await.expect("it reads")
}

/// Without what a glance may leave out.
fn shown(record: UnitRecord) -> UnitRecord {
    UnitRecord {
        sn: None,
        identifiers: Vec::new(),
        born_hash: None,
        line: None,
        kit: None,
        fingerprint: None,
        recorded_at: 0,
        revision: 0,
        ..record
    }
}
