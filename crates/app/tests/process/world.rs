//! A small world, made and looked at through the flows.

use domain::id::PartyId;
use domain::party::{PartyKind, SiteKind};
use domain::refusal::Refusal;
use dossier::clock::Clock;
use dossier::flows::{Caller, FlowError, House, cases, verify};
use dossier::geo::{Geo, GeoPaths};
use dossier::secrets::MasterKey;
use dossier::world::{Stage, State, World, WorldOptions, build, demo_links_text};
use std::path::Path;
use std::sync::Arc;
use store::engine::Target;

const NOW: &str = "2026-11-20T04:00:00Z";

async fn open(dir: &Path, clock: Clock) -> Arc<House> {
    let target = Target::Sqlite { dir: dir.to_owned(), options: Default::default() };
    let geo = Arc::new(Geo::load(&GeoPaths::default()).unwrap());
    let master = MasterKey::from_hex(&"5a".repeat(32)).unwrap();
    let opened = House::open(&target, master, clock, geo, Default::default()).await;
    Arc::new(opened.unwrap())
}

async fn make(house: &Arc<House>, clock: &Clock, seed: u64) -> Result<World, FlowError> {
    let now = NOW.parse().unwrap();
    let options = WorldOptions { seed, unit_count: 1_000, now };
    let mut last = 0;
    let mut progress = |stage: Stage, done: u64, total: u64| {
        assert!(last <= done && done <= total);
        // How long the rest takes is told by what was done: what takes no time would mislead.
        assert!(done == 0 || !matches!(stage, Stage::Plan | Stage::Master), "{stage:?}");
        last = done;
    };
    build(house, clock, options, &mut progress).await
}

fn share(world: &World, party: &str) -> f64 {
    let count =
        |of: &std::collections::BTreeMap<String, usize>| of.get(party).copied().unwrap_or(0) as f64;
    count(&world.outside) / count(&world.started).max(1.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_world_shows_every_state() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(NOW.parse().unwrap());
    let house = open(dir.path(), clock.clone()).await;
    let world = make(&house, &clock, 7).await.unwrap();

    assert_eq!(world.unit_count, 1_000);
    let share_started = world.activated_count as f64 / 1_000.0;
    assert!((0.5..0.8).contains(&share_started), "{share_started}");
    warehouses_stand_beside_the_seats(&house).await;
    every_link_gives_its_verdict(&house, &world).await;
    diverters_stand_out(&house, &world).await;
    diverters_are_asked_and_repairs_announced(&house, &world).await;
    assert_eq!(demo_links_text(&world, "http://localhost").lines().count(), State::ALL.len());

    // The same folder again is refused, and nothing changed.
    let again = make(&house, &clock, 7).await;
    match again {
        Err(FlowError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::InvalidField),
        other => panic!("{other:?}"),
    }
    house.store.close().await;
    drop(house);
    let reopened = open(dir.path(), Clock::System).await;
    every_link_gives_its_verdict(&reopened, &world).await;
}

async fn diverters_are_asked_and_repairs_announced(house: &House, world: &World) {
    let reference = house.reference().await.unwrap();
    let brand = reference.sole_brand().unwrap();
    let caller = Caller::operator(brand, reference.root(brand).unwrap().id);
    let wanted = cases::Wanted { most: 10, ..cases::Wanted::default() };
    let (found, _) = cases::list(house, &caller, wanted).await.unwrap();
    let mut states: Vec<_> = found.iter().map(|row| row.state.as_str()).collect();
    states.sort_unstable();
    assert_eq!(states, ["answered", "answered", "open"]);
    let of = |row: &store::case::CaseRow| reference.tree.get(PartyId(row.party)).unwrap().clone();
    let (repairs, leaks): (Vec<_>, Vec<_>) =
        found.iter().partition(|row| of(row).kind == PartyKind::ServiceCentre);
    assert_eq!((repairs.len(), repairs[0].unit_count), (1, 5));
    for row in leaks {
        let code = of(row).code;
        assert!(world.diverters.iter().any(|diverter| diverter.code == code), "{code}");
        assert!(row.unit_count > 0);
    }
}

async fn warehouses_stand_beside_the_seats(house: &House) {
    let reference = house.reference().await.unwrap();
    let brand = reference.sole_brand().unwrap();
    let further: Vec<_> = reference.sites(brand).filter(|s| !s.is_main(&reference.tree)).collect();
    let count = |kind| further.iter().filter(|s| s.kind == kind).count();
    assert_eq!((count(SiteKind::Warehouse), count(SiteKind::Shop)), (9, 6));
    assert!(further.iter().all(|s| s.region.is_some() && s.point.is_some()));
}

async fn every_link_gives_its_verdict(house: &House, world: &World) {
    for state in State::ALL {
        let link = world.link(state).unwrap();
        assert_eq!(link.path(), format!("/d/{}", link.code));
        let mut reference = house.reference().await.unwrap();
        let reading = verify::read(house, &mut reference, None, &link.code, None).await.unwrap();
        let (number, reading) = match reading {
            verify::Reading::Number(number, reading) => (Some(number), reading),
            verify::Reading::Nothing(reading) => (None, reading),
            other => panic!("{state:?}: {other:?}"),
        };
        let verified = verify::verify(house, &reference, (reading, number), verify::Depth::Whole)
            .await
            .unwrap();
        assert_eq!(verified.decision.verdict, state.verdict(), "{state:?}");
        if state == State::OutsideTerritory {
            let found = house.store.findings_fetch(number.unwrap()).await.unwrap();
            let outside = found.iter().find(|f| f.kind == "outside_territory").unwrap();
            assert!(matches!(outside.grade.as_str(), "suspect" | "likely"), "{outside:?}");
        }
        // What befell it comes after what it presupposes.
        let Some(unit) = verified.unit.as_ref().map(|known| &known.record) else { continue };
        match state {
            State::Retired => assert!(unit.activated_at < unit.retired_at, "{unit:?}"),
            State::Stolen => assert_eq!(unit.activated_at, None, "{unit:?}"),
            _ => {}
        }
    }
}

async fn diverters_stand_out(house: &House, world: &World) {
    assert!((2..=3).contains(&world.diverters.len()));
    let reference = house.reference().await.unwrap();
    let brand = reference.brand_by_code(&world.brand_code).unwrap();
    let planted: Vec<_> = world.diverters.iter().map(|d| d.code.as_str()).collect();
    let others = world.outside.iter().filter(|(code, _)| !planted.contains(&code.as_str()));
    let most = others.map(|(_, count)| *count).max().unwrap_or(0);
    for code in planted {
        assert!(reference.party(brand, code).is_some());
        assert!(world.outside[code] > most, "{code}: {:?} against {most}", world.outside);
        assert!(share(world, code) > 0.25, "{code}: {}", share(world, code));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_repeats() {
    let mut worlds = Vec::new();
    for seed in [3, 3, 4] {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(NOW.parse().unwrap());
        let house = open(dir.path(), clock.clone()).await;
        let world = make(&house, &clock, seed).await.unwrap();
        worlds.push((world.diverters, world.outside, world.started));
        house.store.close().await;
    }
    assert_eq!(worlds[0], worlds[1]);
    assert_ne!(worlds[0], worlds[2]);
}
