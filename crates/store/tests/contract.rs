//! What the store promises to flows, told once and checked on both engines.

use domain::id::{BatchId, BrandId, EventId, PartyId};
use domain::party::{Party, PartyKind};
use std::collections::{BTreeMap, HashSet};
use store::commit::{Commit, Idempotency, Observation, Outbox, Relied, Side};
use store::engine::{Plan, SqliteOptions, Step, Target, WriteError};
use store::event::{ActivatedBody, Body, CommissionedRow, Event, Row, Subject};
use store::expiry::{Due, PORTION_ROWS_MAX};
use store::key_use::KeyUse;
use store::reference::{ApiKeyRow, BrandRow, PreviousSecret, ReferenceChange};
use store::scan::{RECENT_CHARS_MAX, ScanDelta};
use store::unit::ShipmentRecord;
use store::{Store, StoreError};
use tempfile::TempDir;
use testkit::Postgres;

macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let dir = super::TempDir::new().expect("a temporary folder");
                let options = super::SqliteOptions::default();
                let target = super::Target::Sqlite { dir: dir.path().to_owned(), options };
                super::$story(&super::open(&target).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let url = super::Postgres::shared().fresh_database().await;
                super::$story(&super::open(&super::Target::Postgres { url }).await).await;
            })*
        }
    };
}

on_both! {
    every_statement_prepares,
    stale_reference_rows_conflict,
    stale_units_conflict,
    a_life_is_activated_once,
    reference_rows_are_put_and_put_again,
    looks_are_gathered_and_trimmed,
    a_key_keeps_its_newest_secret_and_its_latest_use,
    a_key_from_before_keys_were_bound_reads,
    a_job_is_leased_once,
    an_answer_is_kept_once,
    what_is_over_is_forgotten,
    a_paper_is_its_senders,
}

async fn open(target: &Target) -> Store {
    Store::open(target).await.expect("a fresh store opens").with_blind(&[7; 32])
}

async fn every_statement_prepares(store: &Store) {
    let statements = Store::statements();
    let unique: HashSet<_> = statements.iter().collect();
    assert_eq!(unique.len(), statements.len(), "a statement is listed twice");
    for sql in statements {
        if let Err(error) = store.engine().check(sql).await {
            panic!("{error:?} of: {sql}");
        }
    }
}

fn event(home: i64, id: u8, body: Body, subjects: Vec<Subject>) -> Event {
    Event {
        home,
        id: EventId([id; 16]),
        brand: BrandId(1),
        party: None,
        site: None,
        actor: "test".into(),
        happened_at: 10,
        offset_minutes: 0,
        recorded_at: i64::from(id),
        body,
        subjects,
    }
}

/// Unit 5 comes off the line.
async fn make(store: &Store) {
    let row = CommissionedRow { batch: 1, product: 1, site: 1, ..CommissionedRow::default() };
    let subject = Subject { number: 5, row: Row::Commissioned(Box::new(row)) };
    let made = event(5, 1, Body::Commissioned { count: 1 }, vec![subject]);
    let commit = Commit { events: vec![made], ..Commit::default() };
    store.commit(&commit).await.expect("the unit is new");
}

/// The audit record of a change.
fn changed(id: u8, object: &str, code: &str) -> Event {
    let body = Body::Changed {
        code: code.into(),
        fields: Vec::new(),
        object: object.into(),
        observation: None,
        verb: "changed".into(),
    };
    event(-2, id, body, Vec::new())
}

async fn stale_reference_rows_conflict(store: &Store) {
    let version = store.reference_version().await.expect("it reads");
    let brand = |id: i64, code: &str| BrandRow {
        id,
        code: code.to_owned(),
        name: "澄野".into(),
        time_zone: "Asia/Shanghai".into(),
        vouched: true,
    };
    let put = |id, code, version| Commit {
        relies_on: vec![Relied::Reference(version)],
        reference: vec![ReferenceChange::Brand(brand(id, code))],
        events: vec![changed((id * 16 + version) as u8, "brand", code)],
        ..Commit::default()
    };
    store.commit(&put(1, "B1", version)).await.expect("the version is right");
    assert_eq!(store.reference_version().await.expect("it reads"), version + 1);
    let stale = store.commit(&put(2, "B2", version)).await;
    assert!(matches!(stale, Err(StoreError::Conflict("reference"))), "{stale:?}");
    let reading = Commit { relies_on: vec![Relied::Reference(version)], ..Commit::default() };
    let stale = store.commit(&reading).await;
    assert!(matches!(stale, Err(StoreError::Conflict("reference"))), "{stale:?}");
    let twice = store.commit(&put(2, "B1", version + 1)).await;
    assert!(matches!(&twice, Err(StoreError::Duplicate(t)) if t == "brand"), "{twice:?}");
    let rows = store.reference_load().await.expect("it reads");
    assert_eq!((rows.brands.len(), rows.version), (1, version + 1));
}

async fn stale_units_conflict(store: &Store) {
    make(store).await;
    let inspect = |id, revision| Commit {
        relies_on: vec![Relied::Unit { number: 5, revision }],
        events: vec![event(
            5,
            id,
            Body::Inspected { inspection: "hold".into(), outdated: false, note: String::new() },
            vec![],
        )],
        ..Commit::default()
    };
    store.commit(&inspect(2, 0)).await.expect("the revision is right");
    let stale = store.commit(&inspect(3, 0)).await;
    assert!(matches!(stale, Err(StoreError::Conflict("unit"))), "{stale:?}");
    let unit = store.unit_fetch(5).await.expect("it reads").expect("it is there");
    assert_eq!((unit.revision, unit.recorded_at), (1, 2));
    assert_eq!(unit.inspection.as_deref(), Some("hold"));
    assert_eq!(store.events_fetch(5).await.expect("it reads").len(), 2);
}

async fn a_life_is_activated_once(store: &Store) {
    make(store).await;
    let start = |id, life| {
        let body = ActivatedBody { first: true, life, ..ActivatedBody::default() };
        let events = vec![event(5, id, Body::Activated(Box::new(body)), vec![])];
        Commit { events, ..Commit::default() }
    };
    store.commit(&start(2, 0)).await.expect("it is the first");
    let again = store.commit(&start(3, 0)).await;
    assert!(matches!(&again, Err(StoreError::Duplicate(t)) if t == "activation"), "{again:?}");
    store.commit(&start(4, 1)).await.expect("another life");
    assert_eq!(store.events_count().await.expect("it reads"), 3, "a refused commit left nothing");
}

async fn reference_rows_are_put_and_put_again(store: &Store) {
    let party = |name: &str| Party {
        id: PartyId(1),
        brand: BrandId(1),
        code: "P".into(),
        kind: PartyKind::Shop,
        name: name.into(),
        parent: None,
        region: None,
        address: String::new(),
        phone: String::new(),
        point: Some((1.5, 2.5)),
        public: true,
        organisation: domain::organisation::Uscc::parse("91440300708461136T").ok(),
        categories: Vec::new(),
    };
    for name in ["before", "after"] {
        let version = store.reference_version().await.expect("it reads");
        let commit = Commit {
            relies_on: vec![Relied::Reference(version)],
            reference: vec![ReferenceChange::Party(party(name))],
            events: vec![changed(version as u8, "party", "P")],
            ..Commit::default()
        };
        store.commit(&commit).await.expect("it is put");
    }
    let start = vec![ReferenceChange::DrawStart(BatchId(3), 70)];
    store.commit(&Commit { reference: start, ..Commit::default() }).await.expect("it is put");
    assert_eq!(store.draw_fetch(3).await.expect("it reads"), Some(70));
    let rows = store.reference_load().await.expect("it reads");
    assert_eq!(rows.parties, [party("after")]);
}

fn key(digest: u8) -> ApiKeyRow {
    ApiKeyRow {
        id: "0123456789ab".into(),
        brand: 1,
        digest: vec![digest; 32],
        party: 1,
        scopes: vec!["read".into()],
        name: "till".into(),
        created_at: 5,
        revoked_at: None,
        from: vec!["10.0.0.0/8".into()],
        expires_at: Some(90),
        rotated_at: None,
        previous: None,
    }
}

async fn a_key_keeps_its_newest_secret_and_its_latest_use(store: &Store) {
    let previous = PreviousSecret { digest: "01".repeat(32), until: 50 };
    let rotated = ApiKeyRow { rotated_at: Some(9), previous: Some(previous), ..key(2) };
    for (id, row) in [(1, key(1)), (2, rotated)] {
        let reference = vec![ReferenceChange::ApiKey(row.clone())];
        let events = vec![changed(id, "api_key", &row.id)];
        let commit = Commit { events, reference, ..Commit::default() };
        store.commit(&commit).await.expect("it is put");
        assert_eq!(store.reference_load().await.expect("it reads").api_keys, [row]);
    }
    let version = store.reference_version().await.expect("it reads");
    let used = |brand: i64, id: &str, used_at: i64| KeyUse { brand, id: id.into(), used_at };
    let uses = vec![used(1, "b", 20), used(1, "a", 10), used(2, "a", 99)];
    store.key_uses_put(uses).await.expect("they are written");
    store.key_uses_put(vec![used(1, "b", 19), used(1, "a", 11)]).await.expect("they are written");
    let found = store.key_uses(1).await.expect("it reads");
    assert_eq!(found, [used(1, "a", 11), used(1, "b", 20)], "an earlier use moves nothing");
    assert_eq!(store.reference_version().await.expect("it reads"), version);
}

async fn a_key_from_before_keys_were_bound_reads(store: &Store) {
    const PUT: &str = "INSERT INTO api_key (id, brand_id, digest, record) VALUES ($1, $2, $3, $4)";
    let record = "{\"id\":\"0123456789ab\",\"brand\":1,\"party\":1,\"scopes\":[\"read\"],\
        \"name\":\"till\",\"created_at\":5,\"revoked_at\":null}";
    let row = vec!["0123456789ab".into(), 1.into(), vec![1_u8; 32].into(), record.into()];
    store.engine().write(Plan::new(vec![Step::run(PUT, row)])).await.expect("it is written");
    let rows = store.reference_load().await.expect("it reads");
    assert_eq!(rows.api_keys, [ApiKeyRow { from: Vec::new(), expires_at: None, ..key(1) }]);
}

async fn looks_are_gathered_and_trimmed(store: &Store) {
    let delta = |at: i64, place: Option<&str>, recent: String| ScanDelta {
        unit: 5,
        audience: "consumer",
        count: 2,
        first_at: at,
        last_at: at + 1,
        first_place: place.map(str::to_owned),
        last_place: place.map(str::to_owned),
        recent,
    };
    let first = delta(100, Some("31"), "100 31\n".into());
    let earlier = delta(50, Some("44"), "50 44\n".into());
    store.scans_add(vec![first, earlier]).await.expect("they are written");
    let seen = store.scan_fetch(5).await.expect("it reads").expect("seen");
    assert_eq!((seen.count, seen.first_at, seen.last_at), (4, 100, 101));
    assert_eq!(seen.last_place.as_deref(), Some("31"), "an earlier look moves nothing");
    assert_eq!(seen.recent, "100 31\n50 44\n");
    let long = "地".repeat(RECENT_CHARS_MAX as usize - 3);
    store.scans_add(vec![delta(200, None, long.clone())]).await.expect("it is written");
    let seen = store.scan_fetch(5).await.expect("it reads").expect("seen");
    assert_eq!(seen.recent.chars().count(), RECENT_CHARS_MAX as usize);
    assert_eq!(seen.recent, format!("44\n{long}"), "characters, not bytes; the oldest go first");
    assert_eq!(seen.last_place, None);
    // Those of the others stand apart, are gathered alike, and are dropped together with these.
    let trade = |at| ScanDelta { audience: "trade", ..delta(at, None, String::new()) };
    store.scans_add(vec![trade(300), trade(310)]).await.expect("they are written");
    assert_eq!(store.scan_fetch(5).await.expect("it reads"), Some(seen));
    assert_eq!(store.scans_between(1, 9).await.expect("it reads"), [(5, 6, 100)]);
    assert_eq!(store.scans_count(5).await.expect("it reads"), 2);
    let dropped = Commit { looks_dropped: vec![5], ..Commit::default() };
    store.commit(&dropped).await.expect("it is written");
    assert_eq!(store.scans_count(5).await.expect("it reads"), 0);
    assert_eq!(store.scan_fetch(5).await.expect("it reads"), None);
}

async fn a_job_is_leased_once(store: &Store) {
    let job = Outbox { home: 5, id: [1; 16], topic: "work", content: "{}".into(), due_at: 10 };
    let commit = Commit { outbox: vec![job.clone()], ..Commit::default() };
    store.commit(&commit).await.expect("it is written");
    assert!(store.outbox_due("work", 9, 10).await.expect("it reads").is_empty());
    assert_eq!(
        store.outbox_due("work", 10, 10).await.expect("it reads"),
        std::slice::from_ref(&job)
    );
    let leases = tokio::join!(
        store.outbox_lease(&job, 100),
        store.outbox_lease(&job, 100),
        store.outbox_lease(&job, 100)
    );
    let won = [leases.0, leases.1, leases.2].map(|l| usize::from(l.expect("it answers")));
    assert_eq!(won.iter().sum::<usize>(), 1);
    store.outbox_done(&job).await.expect("it is struck off");
    assert!(store.outbox_due("work", 1_000, 10).await.expect("it reads").is_empty());
}

async fn an_answer_is_kept_once(store: &Store) {
    let answer = Idempotency {
        home: 5,
        scope: [1; 32],
        content: [2; 32],
        status: 201,
        reply: "{\"first\":true}".into(),
        decided_at: 9,
        expires_at: 99,
    };
    let commit = Commit { idempotency: Some(answer.clone()), ..Commit::default() };
    store.commit(&commit).await.expect("it is new");
    let again = store.commit(&commit).await;
    assert!(matches!(&again, Err(StoreError::Conflict("idempotency"))), "{again:?}");
    let kept = store.replay_fetch(&[1; 32], 98).await.expect("it reads").expect("it is kept");
    assert_eq!((kept.status, kept.content), (201, vec![2; 32]));
    assert_eq!(store.replay_fetch(&[3; 32], 98).await.expect("it reads"), None);

    // From its term on it is as if it had never been, and of many only one takes its place.
    assert_eq!(store.replay_fetch(&[1; 32], 99).await.expect("it reads"), None);
    let anew = |content| {
        let answer = Idempotency {
            content: [content; 32],
            decided_at: 99,
            expires_at: 199,
            ..answer.clone()
        };
        Commit { idempotency: Some(answer), ..Commit::default() }
    };
    let (four, five, six) = (anew(4), anew(5), anew(6));
    let racers = tokio::join!(store.commit(&four), store.commit(&five), store.commit(&six));
    let racers = [racers.0, racers.1, racers.2];
    let kept = store.replay_fetch(&[1; 32], 100).await.expect("it reads").expect("it is kept");
    for (content, done) in (4..).zip(&racers) {
        match done {
            Ok(()) => assert_eq!(kept.content, vec![content; 32]),
            Err(lost) => assert!(matches!(lost, StoreError::Conflict("idempotency")), "{lost:?}"),
        }
    }
    assert_eq!(racers.iter().filter(|done| done.is_ok()).count(), 1);
}

/// The nth time-ordered identity.
fn ordered(n: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    id
}

/// One row of each kind; every third is kept on after 10.
fn passing(n: u64) -> Commit {
    let expires_at = if n.is_multiple_of(3) { 1_000 } else { 10 };
    let (home, id, sealed) = (n as i64 + 1, ordered(n), vec![7]);
    let mut scope = [0; 32];
    scope[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let answer = Idempotency {
        home,
        scope,
        content: [2; 32],
        status: 201,
        reply: String::new(),
        decided_at: 1,
        expires_at,
    };
    let waiting = Side::Waiting {
        value: "sn LATE".into(),
        id,
        sealed: sealed.clone(),
        received_at: 1,
        expires_at,
    };
    let tried = Side::ProofTry {
        unit: 5,
        id,
        batch: 1,
        visitor: vec![1],
        tried_at: expires_at,
        succeeded: false,
    };
    Commit {
        idempotency: Some(answer),
        observations: vec![Observation { home, id, sealed, expires_at }],
        sides: vec![waiting, tried],
        ..Commit::default()
    }
}

async fn what_is_over_is_forgotten(store: &Store) {
    // More than one portion.
    let total = 3 * PORTION_ROWS_MAX as u64;
    for n in 0..total {
        store.commit(&passing(n)).await.expect("it is written");
    }
    let half = [vec![0x80], vec![0xff; 33]];
    let slice =
        |from: &[u8], to: &[u8]| Due::Answers { from: from.to_vec(), to: to.to_vec(), now: 10 };
    let over = total as usize / 3 * 2;
    let low = store.forget(&slice(&[], &half[0]), 1).await.expect("it deletes");
    let high = store.forget(&slice(&half[0], &half[1]), 1).await.expect("it deletes");
    assert_eq!(low + high, over);
    assert!(low > 0 && high > 0, "{low} {high}");
    let young = Due::Observations { below: ordered(total / 2), now: 10 };
    assert_eq!(store.forget(&young, 1).await.expect("it deletes"), over / 2);
    let dues = [
        Due::Observations { below: [0xff; 16], now: 10 },
        Due::Waiting { now: 10 },
        Due::ProofTries { tried_at: 10 },
    ];
    for (due, wanted) in dues.iter().zip([over / 2, over, over]) {
        assert_eq!(store.forget(due, 1).await.expect("it deletes"), wanted, "{due:?}");
        assert_eq!(store.forget(due, 1).await.expect("it deletes"), 0, "{due:?}");
    }
    for n in 0..total {
        let there = store.observation_fetch(n as i64 + 1, &ordered(n), 0).await.expect("it reads");
        assert_eq!(there.is_some(), n.is_multiple_of(3), "{n}");
    }
    let waiting = store.waiting_fetch("sn LATE", 0, (i64::MIN, &[])).await.expect("it reads");
    assert_eq!(waiting.len(), total as usize - over);
    let tries = store.proof_tries(5, 0, i64::MAX).await.expect("it reads");
    assert_eq!(tries.len(), total as usize - over);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_error_keeps_its_kind() {
    let dir = TempDir::new().expect("a temporary folder");
    let options = SqliteOptions::default();
    let store = open(&Target::Sqlite { dir: dir.path().to_owned(), options }).await;
    let store::engine::Engine::Lite(lite) = store.engine() else { panic!("it is SQLite") };
    lite.set_read_only(true);
    let job = Outbox { home: 5, id: [1; 16], topic: "work", content: "{}".into(), due_at: 10 };
    let refused = store.commit(&Commit { outbox: vec![job], ..Commit::default() }).await;
    assert!(matches!(refused, Err(StoreError::Write(WriteError::ReadOnly))), "{refused:?}");
}

type Tables = BTreeMap<String, Vec<String>>;

/// Adds the tables that a text makes, with their columns in order. One made anew to take the place
/// of another, because the engine cannot change that one in place, is that one.
fn add_tables(tables: &mut Tables, sql: &str) {
    let plain: Vec<_> = sql.lines().filter(|l| !l.trim_start().starts_with("--")).collect();
    let plain = plain.join("\n");
    for text in plain.split("CREATE TABLE ").skip(1) {
        let (name, rest) = text.split_once(" (").expect("a table has columns");
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let body = &rest[..end.expect("the columns end")];
        let mut depth = 0;
        let parts = body.split(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        let columns = parts.filter_map(|p| p.split_whitespace().next());
        let columns = columns.filter(|c| !["PRIMARY", "UNIQUE"].contains(c));
        tables.insert(name.to_owned(), columns.map(str::to_owned).collect());
    }
    for line in plain.lines() {
        let words: Vec<_> = line.trim_end_matches(';').split_whitespace().collect();
        if let ["ALTER", "TABLE", new, "RENAME", "TO", old] = words[..] {
            let columns = tables.remove(new).expect("it was made before");
            tables.insert(old.to_owned(), columns);
        }
    }
}

#[test]
fn every_migration_has_its_twin() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let names = |engine: &str| {
        let entries = std::fs::read_dir(root.join(engine)).expect("the folder is there");
        let names = entries.map(|e| e.expect("an entry").file_name().into_string());
        let mut names: Vec<_> = names.map(|n| n.expect("a plain name")).collect();
        // In the order in which they are applied.
        let number = |name: &String| name[1..].split("__").next().map(str::parse::<u32>);
        names.sort_by_key(|name| number(name).expect("a number").expect("a number"));
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    let (mut sqlite, mut postgres) = (Tables::new(), Tables::new());
    for name in names("sqlite") {
        for (engine, tables) in [("sqlite", &mut sqlite), ("postgres", &mut postgres)] {
            let path = root.join(engine).join(&name);
            add_tables(tables, &std::fs::read_to_string(path).expect("it reads"));
        }
        assert_eq!(sqlite, postgres, "{name}");
        assert!(sqlite.values().all(|columns| !columns.is_empty()), "{name}");
    }
}

fn moved(id: u8, party: i64, body: Body) -> Event {
    Event { party: Some(PartyId(party)), ..event(5, id, body, Vec::new()) }
}

fn handed_to(to: i64) -> Body {
    Body::Shipped {
        declared_group_purchase: None,
        known_out: None,
        to,
        presumed: false,
        reason: None,
        shipment_no: "P-1".into(),
        unpacked_from: None,
    }
}

async fn a_paper_is_its_senders(store: &Store) {
    make(store).await;
    let commit = |event: Event| Commit { events: vec![event], ..Commit::default() };
    for (id, from, to) in [(2, 2, 3), (3, 3, 4)] {
        store.commit(&commit(moved(id, from, handed_to(to)))).await.expect("a paper of its own");
    }
    let twice = store.commit(&commit(moved(4, 3, handed_to(4)))).await;
    assert!(matches!(&twice, Err(StoreError::Duplicate(t)) if t == "shipment"), "{twice:?}");
    let voided = Body::ShipmentVoided {
        back_into: None,
        holder: 3,
        out: None,
        packed_at: None,
        shipment_no: "P-1".into(),
    };
    store.commit(&commit(moved(5, 3, voided))).await.expect("it is taken back");
    for (from, to, voided) in [(2, 3, false), (3, 4, true)] {
        let found = store.shipment_fetch(1, ("P-1", from), 5).await.expect("it reads");
        let row = ShipmentRecord { to, happened_at: 10, voided };
        assert_eq!(found, Some(row), "from {from}");
        let open = store.shipment_subjects(1, "P-1", from).await.expect("it reads");
        assert_eq!(open.is_empty(), voided);
        assert_eq!(store.shipment_voided(1, "P-1", from).await.expect("it reads"), voided);
        let event = store.moved_by(("P-1", from), 5).await.expect("it reads");
        assert_eq!(event.map(|event| event.body), Some(handed_to(to)));
    }
    assert_eq!(store.shipment_fetch(1, ("P-1", 4), 5).await.expect("it reads"), None);
    assert_eq!(store.moved_by(("P-1", 4), 5).await.expect("it reads"), None);
    assert_eq!(store.shipment_senders(1, "P-1").await.expect("it reads"), [2, 3]);
}
