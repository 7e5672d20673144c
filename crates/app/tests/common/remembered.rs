//! What a process remembers of units, held against what stands in its store. Every story has its
//! units looked at after each of its steps, so that there is something for the next to change.

use domain::custody::CustodyFacts;
use dossier::flows::House;
use dossier::flows::find::unit_number;
use store::glance::{Glance, Looks};
use store::unit::UnitRecord;

/// Units that are looked at after each step.
const LOOKED_AT: usize = 64;

/// Looks at units as the public does.
pub async fn look(house: &House) {
    for number in numbers(house).await.into_iter().take(LOOKED_AT) {
        let _ = seen(house, number).await;
    }
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
