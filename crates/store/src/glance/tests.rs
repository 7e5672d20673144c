//! What is remembered, when it is forgotten, and that nobody is told less than was answered before.

use super::kept::{Kept, KeptMoves, KeptUnit};
use super::memory::{each_written, written_by};
use super::*;
use crate::engine::{Plan, SqliteOptions, Step, Target};
use domain::code::UnitNumber;
use domain::custody::{Containment, Hold, HoldKind, Moment};
use domain::id::{EventId, PartyId};
use jiff::Timestamp;
use proptest::prelude::*;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const BORN: &str = "INSERT INTO unit (number, brand_id, product_id, batch_id, life, suspect, \
    recorded_at, revision) VALUES ($1, 1, 1, 1, 0, 0, 0, 0)";
const LIFE: &str = "UPDATE unit SET life = $2 WHERE number = $1";
async fn open(dir: &TempDir) -> Store {
    let target = Target::Sqlite { dir: dir.path().to_owned(), options: SqliteOptions::default() };
    Store::open(&target).await.expect("it opens")
}

async fn write(store: &Store, sql: &'static str, params: &[i64]) {
    let params = params.iter().map(|value| (*value).into()).collect();
    store.engine.write(Plan::new(vec![Step::run(sql, params)])).await.expect("it is written");
}

/// A store that remembers what it is asked, with so many units in it, numbered from 1.
async fn remembering(dir: &TempDir, units: i64) -> Store {
    let store = open(dir).await;
    for number in 1..=units {
        write(&store, BORN, &[number]).await;
    }
    store
}

/// All units are learnt, and their glances as if nobody had learnt them yet.
async fn passed(store: &Store) {
    while store.glances_learn().await.expect("it reads") != Learned::All {}
    for number in store.units_in_range(1, i64::MAX).await.expect("it reads") {
        write(store, "UPDATE unit SET life = life WHERE number = $1", &[number]).await;
    }
}

/// Looks at a unit as an answer does. Whether the database was asked shows in the looks.
async fn glance(store: &Store, number: i64) -> Glance {
    let glance = store.one_snapshot(store.glance(number)).await.expect("it reads");
    glance.expect("the unit is there")
}

async fn is_remembered(store: &Store, number: i64) -> bool {
    let asked = async {
        let (memory, moment) = store.remembering()?;
        memory.unit(number, moment)
    };
    store.one_snapshot(asked).await.is_some()
}

#[test]
fn every_statement_that_changes_what_a_glance_shows_is_known_to() {
    let shown = [("unit", "number"), ("containment", "child"), ("hold", "subject")];
    let shown = shown.into_iter().chain([("consumer_scan", "unit")]);
    let mut found = 0;
    for (table, key) in shown {
        for sql in Store::statements() {
            let changes = ["INSERT INTO ", "UPDATE ", "DELETE FROM "].iter().any(|verb| {
                sql.strip_prefix(verb)
                    .and_then(|rest| rest.strip_prefix(table))
                    .is_some_and(|rest| rest.starts_with(' '))
            });
            // Of a unit that is not there yet nothing is remembered.
            if !changes || sql.starts_with("INSERT INTO unit ") {
                continue;
            }
            found += 1;
            let at = written_by(sql).unwrap_or_else(|| panic!("nobody is told of: {sql}"));
            let parameter = format!("${}", at + 1);
            let names = |text: &str| text.contains(&format!("{key} = {parameter}"));
            if let Some(inserted) = sql.strip_prefix("INSERT INTO ") {
                let (columns, values) = inserted.split_once(" VALUES ").expect("plain values");
                let list = |text: &str| -> Vec<String> {
                    let (_, inside) = text.split_once('(').expect("a list");
                    let inside = inside.split_once(')').expect("its end").0;
                    inside.split(',').map(|item| item.trim().to_owned()).collect()
                };
                let place = list(columns).iter().position(|it| it == key).expect("its column");
                assert_eq!(list(values)[place], parameter, "{sql}");
            } else {
                assert!(names(sql), "{parameter} is not the {key} of: {sql}");
            }
        }
    }
    assert!(found > 15, "only {found} statements were looked at");
}

#[test]
fn what_goes_into_a_pack_is_told() {
    let values = vec![7.into(), 100.into(), 9.into(), vec![1_u8].into()];
    let columns = &["child", "from_at", "parent", "event_id"];
    let mut told = Vec::new();
    each_written(&Step::Bulk { table: "containment", columns, values }, |unit| told.push(unit));
    assert_eq!(told, [7]);
}

fn text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[A-Z0-9-]{1,12}")
}

fn instant() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(1_500_000_000_000_000_i64..2_500_000_000_000_000)
}

prop_compose! {
    fn record()(
        (brand, product, batch, life, suspect) in (1..9_i64, 1..99_i64, 1..99_i64, 0..4_i64,
            any::<bool>()),
        (lot, region, inspection, disposition) in (text(), text(), text(), text()),
        (sold_on, invoiced_on, delivered_on) in (text(), text(), text()),
        (produced_at, activated_at, recalled_at) in (instant(), instant(), instant()),
        (stolen_at, retired_at, proof_at) in (instant(), instant(), instant()),
        site in proptest::option::of(1..99_i64),
    ) -> UnitRecord {
        UnitRecord {
            number: 77, brand, product, batch, produced_at, site, lot, inspection, disposition,
            life, activated_at, region, suspect, recalled_at, stolen_at, retired_at, proof_at,
            sold_on, invoiced_on, delivered_on, ..UnitRecord::default()
        }
    }
}

fn unit_numbered(number: u64) -> UnitNumber {
    UnitNumber::new(number).expect("a number in range")
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).expect("an instant")
}

prop_compose! {
    fn hold()(
        kind in 0..HoldKind::ALL.len(),
        (moved, recorded_at, party) in (0..99_i64, 0..99_i64, 1..999_i64),
        (presumed, event) in (any::<bool>(), any::<[u8; 16]>()),
        (from, shipment_no) in (proptest::option::of(1..999_i64), text()),
    ) -> Hold {
        Hold {
            subject: unit_numbered(77), at: at(moved), party: PartyId(party),
            from: from.map(PartyId), kind: HoldKind::ALL[kind], presumed, shipment_no,
            event: EventId(event), recorded_at: at(recorded_at),
        }
    }
}

prop_compose! {
    fn inside()(
        (parent, from, told) in (1..999_u64, 0..99_i64, 0..199_i64),
        to in proptest::option::of((100..199_i64, 0..199_i64)),
    ) -> Containment {
        Containment {
            child: unit_numbered(77),
            parent: unit_numbered(parent),
            from: Moment { at: at(from), recorded_at: at(told) },
            to: to.map(|(to, told)| Moment { at: at(to), recorded_at: at(told) }),
        }
    }
}

proptest! {
    #[test]
    fn a_unit_is_read_back_as_it_was(
        record in record(),
        looks in proptest::option::of((1..9_i64, 0..9_i64, 0..9_i64)),
        (hold, inside) in (proptest::option::of(hold()), proptest::option::of(inside())),
    ) {
        let scans = looks.map(|(count, first_at, last_at)| ScanRecord {
            count, first_at, last_at, recent: "9 440300\n".to_owned(), ..ScanRecord::default()
        });
        let moves = Moves::new(hold, inside);
        let kept = Kept::Unit(KeptUnit::of(&record, scans.as_ref(), Some(&moves)));
        let mut content = [0; 1_000];
        let text = postcard::to_slice(&kept, &mut content).expect("there is room");
        let Ok(Kept::Unit(back)) = postcard::from_bytes(text) else { panic!("it is a unit") };
        let looks = looks.map_or(Looks::None, |(count, first_at, last_at)| {
            Looks::Counted(LooksCounted { count, first_at, last_at, city_count: 1 })
        });
        let has_parts = false;
        let glance = Glance { record, has_parts, looks, moves: Some(moves) };
        prop_assert_eq!(back.glance(77), glance);
    }

    #[test]
    fn moves_are_read_back_as_they_were_or_not_kept(
        holds in proptest::collection::vec(hold(), 0..3),
        inside in proptest::collection::vec(inside(), 0..3),
    ) {
        let short = holds.len() < 2 && inside.len() < 2;
        let moves = Moves::new(holds, inside);
        let mut content = [0; 1_000];
        let back = KeptMoves::of(&moves).and_then(|kept| {
            let text = postcard::to_slice(&kept, &mut content).expect("there is room");
            postcard::from_bytes::<KeptMoves<'_>>(text).expect("it reads").moves(77)
        });
        prop_assert_eq!(back, short.then_some(moves));
    }
}

#[tokio::test]
async fn what_was_asked_once_is_remembered_until_it_is_written_again() {
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, 3).await;
    glance(&store, 2).await;
    assert!(!is_remembered(&store, 2).await, "those that are still to be learnt are not kept");
    passed(&store).await;
    let asked_before = store.glances_counted();
    assert!(!is_remembered(&store, 2).await);
    let read = glance(&store, 2).await;
    assert_eq!((read.record.life, read.moves.clone()), (0, Some(Moves::default())));
    assert!(is_remembered(&store, 2).await);
    assert_eq!(glance(&store, 2).await.record, read.record);
    let asked = store.glances_counted();
    assert_eq!((asked.0 - asked_before.0, asked.1 - asked_before.1), (2, 2));
    // A commit about another unit changes nothing; one about this unit does.
    write(&store, LIFE, &[3, 1]).await;
    assert!(is_remembered(&store, 2).await);
    write(&store, LIFE, &[2, 5]).await;
    assert!(!is_remembered(&store, 2).await);
    assert_eq!(glance(&store, 2).await.record.life, 5);
    // So does a look that is written down.
    assert!(is_remembered(&store, 2).await);
    let delta = crate::scan::ScanDelta {
        unit: 2,
        audience: "consumer",
        count: 1,
        first_at: 10,
        last_at: 10,
        first_place: None,
        last_place: None,
        recent: "10 -\n".to_owned(),
    };
    store.scans_add(vec![delta]).await.expect("it is written");
    assert!(!is_remembered(&store, 2).await);
    let counted = LooksCounted { count: 1, first_at: 10, last_at: 10, city_count: 0 };
    assert!(matches!(glance(&store, 2).await.looks, Looks::Whole(_)));
    assert_eq!(glance(&store, 2).await.looks, Looks::Counted(counted));
}

#[tokio::test]
async fn a_command_that_only_reads_makes_nobody_forget() {
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, 2).await;
    passed(&store).await;
    glance(&store, 1).await;
    let other = open(&dir).await;
    assert_eq!(other.unit_fetch(2).await.expect("it reads").map(|it| it.number), Some(2));
    // It folds the log and cuts it, and the head of the log is another.
    other.close().await;
    drop(other);
    assert!(is_remembered(&store, 1).await);
    write(&store, LIFE, &[2, 1]).await;
    assert!(is_remembered(&store, 1).await);
}

/// Moves too long for a slot are remembered as long as those that fit.
#[tokio::test]
async fn what_moved_a_pack_is_remembered_until_it_moves_again() {
    const HELD: &str = "INSERT INTO hold (subject, at, event_id, party_id, from_party, kind, \
        presumed, shipment_no, recorded_at) VALUES ($1, $2, $3, $2, NULL, 'shipped', 0, NULL, $2)";
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, 1).await;
    glance(&store, 1).await;
    let moved = |at: i64| {
        let params = vec![9.into(), at.into(), vec![at as u8; 16].into()];
        store.engine.write(Plan::new(vec![Step::run(HELD, params)]))
    };
    let known = || {
        let asked = async {
            let (memory, moment) = store.remembering()?;
            memory.pack(9, moment)
        };
        store.one_snapshot(asked)
    };
    for count in 1..=3 {
        moved(count).await.expect("it is written");
        assert_eq!(known().await, None, "after move {count}");
        let read = store.one_snapshot(store.pack_moves(9)).await.expect("it reads");
        assert_eq!(read.holds().len() as i64, count);
        write(&store, LIFE, &[1, count]).await;
        assert_eq!(known().await, Some(read), "a commit about something else");
    }
}

#[tokio::test]
async fn after_another_process_wrote_nothing_is_believed_until_it_is_read_again() {
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, 2).await;
    passed(&store).await;
    for number in [1, 2] {
        glance(&store, number).await;
        assert!(is_remembered(&store, number).await);
    }
    let other = open(&dir).await;
    write(&other, LIFE, &[1, 9]).await;
    // What another process commits shows a moment later.
    let shows = async {
        while glance(&store, 1).await.record.life != 9 {
            tokio::task::yield_now().await;
        }
    };
    let guard = std::time::Duration::from_secs(60);
    tokio::time::timeout(guard, shows).await.expect("it shows in the end");
    assert!(!is_remembered(&store, 1).await && !is_remembered(&store, 2).await);
    assert_eq!(glance(&store, 2).await.moves, None, "the database was asked");
    // With the next commit of its own it knows where it stands, and begins anew.
    write(&store, LIFE, &[2, 1]).await;
    assert!(!is_remembered(&store, 1).await && !is_remembered(&store, 2).await);
    passed(&store).await;
    assert_eq!(glance(&store, 1).await.record.life, 9);
    assert!(is_remembered(&store, 1).await);
}

#[tokio::test]
async fn units_are_learnt_before_anybody_asks() {
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, PAGE + 2).await;
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::Nothing, "a new line");
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::Some);
    assert!(is_remembered(&store, PAGE).await && !is_remembered(&store, PAGE + 1).await);
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::Some);
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::All);
    assert!(is_remembered(&store, PAGE + 2).await);
    // Those made later are learnt with the next round.
    write(&store, BORN, &[PAGE + 3]).await;
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::Some);
    assert!(is_remembered(&store, PAGE + 3).await);
}

#[tokio::test]
async fn what_is_committed_while_units_are_read_outruns_learning_once() {
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, 2).await;
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::Nothing, "a new line");
    let outrun = async {
        assert!(store.remembering().is_some(), "the snapshot began");
        write(&store, LIFE, &[1, 5]).await;
        store.learn().await
    };
    let outrun = store.one_snapshot(outrun).await;
    assert_eq!(outrun.expect("it reads"), Learned::Outrun);
    assert!(!is_remembered(&store, 1).await && !is_remembered(&store, 2).await);
    assert_eq!(store.glances_learn().await.expect("it reads"), Learned::Some);
    assert!(is_remembered(&store, 1).await && is_remembered(&store, 2).await);
    assert_eq!(glance(&store, 1).await.record.life, 5);
}

/// Readers and writers at the same time, two processes writing: whoever begins to look after a
/// commit of this process was answered sees that commit or a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_told_less_than_was_answered_before() {
    const UNITS: i64 = 4;
    const ROUNDS: i64 = 400;
    let dir = TempDir::new().expect("a temporary folder");
    let store = remembering(&dir, UNITS + 1).await;
    passed(&store).await;
    let other = open(&dir).await;
    let answered: Arc<[AtomicI64; UNITS as usize]> = Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=UNITS {
        let (store, answered) = (store.clone(), Arc::clone(&answered));
        tasks.spawn(async move {
            for life in 1..=ROUNDS {
                write(&store, LIFE, &[number, life]).await;
                answered[number as usize - 1].store(life, Ordering::SeqCst);
            }
        });
    }
    tasks.spawn(async move {
        for life in 1..=ROUNDS / 8 {
            write(&other, LIFE, &[UNITS + 1, life]).await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, answered, done) = (store.clone(), Arc::clone(&answered), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut looks, mut remembered) = (0_u64, 0_u64);
                while !done.load(Ordering::SeqCst) {
                    for number in 1..=UNITS {
                        let at_least = answered[number as usize - 1].load(Ordering::SeqCst);
                        let seen = glance(&store, number).await.record.life;
                        assert!(seen >= at_least, "unit {number}: {seen} after {at_least}");
                        looks += 1;
                        remembered += u64::from(is_remembered(&store, number).await);
                    }
                    tokio::task::yield_now().await;
                }
                (looks, remembered)
            })
        })
        .collect();
    let learner = {
        let (store, done) = (store.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                store.glances_learn().await.expect("it reads");
                tokio::task::yield_now().await;
            }
        })
    };
    while let Some(written) = tasks.join_next().await {
        written.expect("it does not panic");
    }
    done.store(true, Ordering::SeqCst);
    learner.await.expect("it does not panic");
    let (mut looks, mut remembered) = (0, 0);
    for reader in readers {
        let counted = reader.await.expect("it does not panic");
        (looks, remembered) = (looks + counted.0, remembered + counted.1);
    }
    assert!(looks > 0 && remembered > 0, "{remembered} of {looks} were remembered");
    println!("{remembered} of {looks} were remembered");
    for number in 1..=UNITS {
        assert_eq!(glance(&store, number).await.record.life, ROUNDS);
    }
}
