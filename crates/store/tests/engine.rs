//! What the engine promises, told once and checked on both databases.
//!
//! A story is an async function over a [`World`]; [`on_both`] runs it on SQLite and on PostgreSQL.
//! What only one of them can suffer (a full file, a killed server) stands at the end.

use std::path::PathBuf;
use std::sync::Arc;

use store::engine::{
    Engine, EngineError, Expect, Migration, Plan, RowStream, SqliteOptions, Step, Target, Value,
    WriteError,
};
use tempfile::TempDir;
use testkit::Postgres;

const SCHEMA: &[Migration] = &[
    Migration {
        name: "V1__kinds",
        sqlite: "CREATE TABLE kinds (id BIGINT NOT NULL PRIMARY KEY, whole BIGINT, \
                 real DOUBLE PRECISION, words TEXT, raw BLOB);",
        postgres: "CREATE TABLE kinds (id BIGINT NOT NULL PRIMARY KEY, whole BIGINT, \
                   real DOUBLE PRECISION, words TEXT, raw BYTEA);",
    },
    Migration {
        name: "V2__identifier",
        sqlite: "CREATE TABLE identifier (kind TEXT NOT NULL, value TEXT NOT NULL, \
                 unit BIGINT NOT NULL, PRIMARY KEY (kind, value)) WITHOUT ROWID; \
                 CREATE UNIQUE INDEX identifier_once ON identifier (unit, lower(kind));",
        postgres: "CREATE TABLE identifier (kind TEXT COLLATE \"C\" NOT NULL, \
                   value TEXT COLLATE \"C\" NOT NULL, unit BIGINT NOT NULL, \
                   PRIMARY KEY (kind, value)) PARTITION BY HASH (kind); \
                   CREATE TABLE identifier_p0 PARTITION OF identifier \
                   FOR VALUES WITH (MODULUS 1, REMAINDER 0); \
                   CREATE UNIQUE INDEX identifier_p0_once ON identifier_p0 (unit, lower(kind));",
    },
];

const KINDS: &[&str] = &["id", "whole", "real", "words", "raw"];
const INSERT_WHOLE: &str = "INSERT INTO kinds (id, whole) VALUES ($1, $2)";
const INSERT_IDENTIFIER: &str = "INSERT INTO identifier (kind, value, unit) VALUES ($1, $2, $3)";
/// The parameters appear in the opposite order of their numbers.
const RAISE: &str = "UPDATE kinds SET whole = whole + 1 WHERE whole = $2 AND id = $1";
const HAS: &str = "SELECT id FROM kinds WHERE id = $1";
const COUNT: &str = "SELECT count(*) FROM kinds";
const ALL: &str = "SELECT id, whole FROM kinds ORDER BY id";

/// A fresh database and what keeps it alive.
struct World {
    engine: Engine,
    target: Target,
    _dir: Option<TempDir>,
}

impl World {
    async fn sqlite(options: SqliteOptions) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let target = Target::Sqlite { dir: dir.path().join("data"), options };
        let engine = Engine::open(&target, SCHEMA).await.expect("a fresh database opens");
        Self { engine, target, _dir: Some(dir) }
    }

    async fn postgres(server: &Postgres) -> Self {
        let target = Target::Postgres { url: server.fresh_database().await };
        let engine = Engine::open(&target, SCHEMA).await.expect("a fresh database opens");
        Self { engine, target, _dir: None }
    }

    /// Another process's view of the same database.
    async fn another(&self) -> Engine {
        Engine::open(&self.target, SCHEMA).await.expect("it opens a second time")
    }
}

macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(&super::World::sqlite(Default::default()).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(&super::World::postgres(super::Postgres::shared()).await).await;
            })*
        }
    };
}

on_both! {
    every_kind_makes_the_round_trip,
    parameters_are_numbered_not_named,
    a_column_of_another_kind_is_an_error,
    expectations_hold_or_conflict,
    a_conflict_leaves_nothing_behind,
    a_duplicate_names_its_table,
    a_program_fault_harms_nobody_else,
    a_bulk_arrives_whole_or_not_at_all,
    streams_give_every_row_once,
    acknowledged_plans_are_there,
    of_two_racing_updates_one_wins,
    what_was_found_stays_found,
    two_processes_share_one_database,
    many_processes_may_start_at_once,
    a_newer_or_edited_schema_is_refused,
    a_failed_migration_leaves_the_schema_alone,
}

async fn count(engine: &Engine) -> i64 {
    let rows = engine.query(COUNT, &[], |row| row.int(0)).await;
    rows.expect("counting works")[0]
}

fn insert(id: i64) -> Plan {
    Plan::new(vec![Step::run(INSERT_WHOLE, vec![id.into(), 0.into()])])
}

async fn every_kind_makes_the_round_trip(world: &World) {
    let full: Vec<Value> =
        vec![1.into(), i64::MIN.into(), (-0.1).into(), "追溯码 ½".into(), vec![0, 255, 39].into()];
    let empty: Vec<Value> =
        vec![2.into(), 0.into(), 0.0.into(), "".into(), Vec::<u8>::new().into()];
    let absent = vec![Value::Int(3), Value::Null, Value::Null, Value::Null, Value::Null];
    const ONE: &str = "INSERT INTO kinds (id, whole, real, words, raw) VALUES ($1, $2, $3, $4, $5)";
    const BACK: &str = "SELECT id, whole, real, words, raw FROM kinds WHERE id = $1";
    // Few rows and many rows take different ways.
    let few = Step::Bulk { table: "kinds", columns: KINDS, values: renumbered(&absent, 10, 2) };
    let many = Step::Bulk { table: "kinds", columns: KINDS, values: renumbered(&full, 100, 90) };
    let mut steps: Vec<Step> =
        [&full, &empty, &absent].map(|row| Step::run(ONE, row.clone())).into();
    steps.extend([few, many]);
    world.engine.write(Plan::new(steps)).await.expect("it is written");

    for row in [full.clone(), empty, absent.clone()]
        .into_iter()
        .chain([renumbered(&absent, 11, 1), renumbered(&full, 189, 1)])
    {
        let back = world.engine.query_first(BACK, &row[..1], |got| {
            Ok(vec![
                got.int(0)?.into(),
                got.opt_int(1)?.into(),
                got.opt_real(2)?.into(),
                got.opt_text(3)?.into(),
                got.opt_bytes(4)?.into(),
            ])
        });
        assert_eq!(back.await, Ok(Some(row)));
    }
    let none = world.engine.query_first(BACK, &[99.into()], |row| row.int(0)).await;
    assert_eq!(none, Ok(None));
}

/// The row `count` times, with consecutive ids.
fn renumbered(row: &[Value], first: i64, count: i64) -> Vec<Value> {
    (first..first + count)
        .flat_map(|id| std::iter::once(Value::Int(id)).chain(row[1..].iter().cloned()))
        .collect()
}

async fn parameters_are_numbered_not_named(world: &World) {
    world.engine.write(insert(7)).await.expect("it is written");
    let raise = Step::change_one(RAISE, vec![7.into(), 0.into()], "row 7");
    world.engine.write(Plan::new(vec![raise])).await.expect("one row is changed");
    let rows = world.engine.query(ALL, &[], |row| Ok((row.int(0)?, row.int(1)?))).await;
    assert_eq!(rows, Ok(vec![(7, 1)]));
    assert_eq!(world.engine.check(RAISE).await, Ok(2));
    assert!(matches!(
        world.engine.check("SELECT nothing FROM nowhere").await,
        Err(EngineError::Internal(_))
    ));
}

async fn a_column_of_another_kind_is_an_error(world: &World) {
    world.engine.write(insert(1)).await.expect("it is written");
    let engine = &world.engine;
    let text = engine.query(ALL, &[], |row| row.text(1)).await;
    assert!(matches!(text, Err(EngineError::Decode(error)) if error.column == 1));
    let beyond = engine.query(ALL, &[], |row| row.int(2)).await;
    assert!(matches!(beyond, Err(EngineError::Decode(_))));
    let null = engine.query("SELECT words FROM kinds", &[], |row| row.text(0)).await;
    assert!(matches!(null, Err(EngineError::Decode(_))));
    let arity = engine.query(HAS, &[], |row| row.int(0)).await;
    assert!(matches!(arity, Err(EngineError::Internal(_))));
}

async fn expectations_hold_or_conflict(world: &World) {
    let engine = &world.engine;
    engine.write(insert(1)).await.expect("it is written");
    let raise = |from: i64, expect| {
        let params = vec![1.into(), from.into()];
        engine.write(Plan::new(vec![Step::Run { sql: RAISE, params, expect }]))
    };
    let conflict = Err(WriteError::Conflict { relied_on: "revision" });
    assert_eq!(raise(0, Expect::Changes(1, "revision")).await, Ok(()));
    assert_eq!(raise(0, Expect::Changes(1, "revision")).await, conflict);
    assert_eq!(raise(0, Expect::Changes(0, "revision")).await, Ok(()));
    assert_eq!(raise(1, Expect::Changes(0, "revision")).await, conflict);
    assert_eq!(raise(9, Expect::Any).await, Ok(()));
    let found = |id: i64| engine.write(Plan::new(vec![Step::found(HAS, vec![id.into()], "it")]));
    assert_eq!(found(1).await, Ok(()));
    assert_eq!(found(2).await, Err(WriteError::Conflict { relied_on: "it" }));
    assert_eq!(engine.write(Plan::default()).await, Ok(()));
}

async fn a_conflict_leaves_nothing_behind(world: &World) {
    let bulk = Step::Bulk { table: "kinds", columns: &["id"], values: ids(100, 200) };
    let mut steps = insert(1).steps;
    steps.push(bulk);
    steps.extend((1000..1200).flat_map(|id| insert(id).steps));
    steps.push(Step::found(HAS, vec![5.into()], "row 5"));
    steps.extend(insert(2).steps);
    let answer = world.engine.write(Plan::new(steps)).await;
    assert_eq!(answer, Err(WriteError::Conflict { relied_on: "row 5" }));
    assert_eq!(count(&world.engine).await, 0);
    world.engine.write(insert(1)).await.expect("the next plan is not disturbed");
}

fn ids(first: i64, count: i64) -> Vec<Value> {
    (first..first + count).map(Value::Int).collect()
}

async fn a_duplicate_names_its_table(world: &World) {
    let engine = &world.engine;
    let identifier = |kind: &str, value: &str, unit: i64| {
        let params = vec![kind.into(), value.into(), unit.into()];
        engine.write(Plan::new(vec![Step::run(INSERT_IDENTIFIER, params)]))
    };
    let duplicate = |columns: &str| {
        let (constraint, columns) = ("identifier".to_owned(), columns.to_owned());
        Err(WriteError::Duplicate { constraint, columns })
    };
    assert_eq!(identifier("imei", "35", 1).await, Ok(()));
    assert_eq!(identifier("imei", "35", 2).await, duplicate("kind, value"));
    assert_eq!(identifier("imei", "36", 1).await, duplicate(""), "an index on an expression");
    let rows = |count: i64| -> Vec<Value> {
        (0..count)
            .rev()
            .flat_map(|n| ["imei".into(), (35 + n).to_string().into(), (100 + n).into()])
            .collect()
    };
    let (few, many) = (rows(2), rows(100));
    for values in [few, many] {
        let columns = &["kind", "value", "unit"];
        let bulk = Step::Bulk { table: "identifier", columns, values };
        assert_eq!(engine.write(Plan::new(vec![bulk])).await, duplicate("kind, value"));
    }
    const ON_CONFLICT: &str =
        "INSERT INTO kinds (id, whole) VALUES ($1, 1) ON CONFLICT (id) DO NOTHING";
    let once = || Plan::new(vec![Step::change_one(ON_CONFLICT, vec![1.into()], "absence")]);
    assert_eq!(engine.write(once()).await, Ok(()));
    assert_eq!(engine.write(once()).await, Err(WriteError::Conflict { relied_on: "absence" }));
}

async fn a_program_fault_harms_nobody_else(world: &World) {
    let faults = [
        Step::run("INSERT INTO nowhere (id) VALUES ($1)", vec![1.into()]),
        Step::run(INSERT_WHOLE, vec![1.into()]),
        Step::run(INSERT_IDENTIFIER, vec!["imei".into(), Value::Null, 1.into()]),
        Step::Bulk { table: "kinds", columns: &["id", "whole"], values: ids(1, 3) },
    ];
    for (id, fault) in (1..).zip(faults) {
        let mut steps = insert(100 + id).steps;
        steps.push(fault);
        let (wrong, right) = (Plan::new(steps), insert(id));
        let (wrong, right) = tokio::join!(world.engine.write(wrong), world.engine.write(right));
        assert!(matches!(wrong, Err(WriteError::Internal(_))), "{wrong:?}");
        assert_eq!(right, Ok(()));
    }
    assert_eq!(count(&world.engine).await, 4);
}

async fn a_bulk_arrives_whole_or_not_at_all(world: &World) {
    let bulk = |first: i64| {
        let values =
            renumbered(&[0.into(), 5.into(), 0.5.into(), "x".into(), Value::Null], first, 50_000);
        Plan::new(vec![Step::Bulk { table: "kinds", columns: KINDS, values }])
    };
    assert_eq!(world.engine.write(bulk(0)).await, Ok(()));
    // The last row of the second bulk is the first of the first.
    let answer = world.engine.write(bulk(-49_999)).await;
    assert!(matches!(answer, Err(WriteError::Duplicate { .. })), "{answer:?}");
    assert_eq!(count(&world.engine).await, 50_000);
}

async fn streams_give_every_row_once(world: &World) {
    for (rows, already) in [(0, 0), (1, 0), (1023, 1), (1024, 1024), (3000, 2048)] {
        let values = (already..already + rows).flat_map(|id| ids(id, 1)).collect();
        let bulk = Step::Bulk { table: "kinds", columns: &["id"], values };
        world.engine.write(Plan::new(vec![bulk])).await.expect("it is written");
        let ids = drain(world.engine.stream_query(ALL, vec![], |row| row.int(0))).await;
        assert_eq!(ids, Ok((0..already + rows).collect()));
    }
    let mut unfinished = world.engine.stream_query(ALL, vec![], |row| row.int(0));
    assert!(unfinished.next().await.is_some());
    drop(unfinished);
    let failing = world.engine.stream_query(ALL, vec![], |row| row.text(0));
    assert!(matches!(drain(failing).await, Err(EngineError::Decode(_))));
    let panicking = world.engine.stream_query(ALL, vec![], |row| match row.int(0) {
        Ok(4000) => panic!("the mapping panics"),
        other => other,
    });
    assert!(drain(panicking).await.is_err(), "a cut stream must not pass for a complete one");
}

async fn drain<T>(mut stream: RowStream<T>) -> Result<Vec<T>, EngineError> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend(chunk?);
    }
    Ok(all)
}

async fn acknowledged_plans_are_there(world: &World) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let engine = world.engine.clone();
        writers.spawn(async move {
            let mut mine = Vec::new();
            for n in 0..20 {
                // Every third plan conflicts, every fifth collides with another writer's row.
                let id = if n % 5 == 4 { n } else { 1000 * (writer + 1) + n };
                let mut plan = insert(id);
                if n % 3 == 2 {
                    plan.steps.push(Step::found(HAS, vec![(-1).into()], "row -1"));
                }
                match engine.write(plan).await {
                    Ok(()) => {
                        assert_eq!(has(&engine, id).await, 1, "read your own write");
                        mine.push(id);
                    }
                    Err(WriteError::Conflict { .. }) => assert_eq!(n % 3, 2),
                    Err(WriteError::Duplicate { .. }) => assert_eq!(n % 5, 4),
                    Err(other) => panic!("{other:?}"),
                }
            }
            mine
        });
    }
    let mut acknowledged = writers.join_all().await.concat();
    acknowledged.sort_unstable();
    let there = world.another().await.query(ALL, &[], |row| row.int(0)).await;
    assert_eq!(there, Ok(acknowledged));
}

async fn has(engine: &Engine, id: i64) -> usize {
    engine.query(HAS, &[id.into()], |row| row.int(0)).await.expect("reading works").len()
}

async fn of_two_racing_updates_one_wins(world: &World) {
    world.engine.write(insert(1)).await.expect("it is written");
    let engines = [world.engine.clone(), world.another().await];
    for revision in 0..50_i64 {
        let race = engines.iter().map(|engine| {
            let params = vec![1.into(), revision.into()];
            engine.write(Plan::new(vec![Step::change_one(RAISE, params, "row 1")]))
        });
        let answers = futures_util::future::join_all(race).await;
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(won, 1, "{answers:?}");
        assert!(answers.contains(&Err(WriteError::Conflict { relied_on: "row 1" })));
    }
}

/// Write skew: each plan relies on the row that the other deletes. At most one may go through.
async fn what_was_found_stays_found(world: &World) {
    const DELETE: &str = "DELETE FROM kinds WHERE id = $1";
    let engine = &world.engine;
    for round in 0..30 {
        let (a, b) = (2 * round, 2 * round + 1);
        engine.write(insert(a)).await.expect("it is written");
        engine.write(insert(b)).await.expect("it is written");
        let remove = |gone: i64, kept: i64| {
            engine.write(Plan::new(vec![
                Step::found(HAS, vec![kept.into()], "the other"),
                Step::change_one(DELETE, vec![gone.into()], "itself"),
            ]))
        };
        let answers = tokio::join!(remove(a, b), remove(b, a));
        let left = has(engine, a).await + has(engine, b).await;
        assert_eq!(left, 1, "{answers:?}");
    }
}

async fn two_processes_share_one_database(world: &World) {
    let engines = [world.engine.clone(), world.another().await];
    let mut writers = tokio::task::JoinSet::new();
    for (i, engine) in (0..).zip(engines) {
        for n in 0..8 {
            let engine = engine.clone();
            writers.spawn(async move {
                for m in 0..25 {
                    engine.write(insert(1000 * i + 100 * n + m)).await.expect("each gets its turn");
                }
            });
        }
    }
    writers.join_all().await;
    assert_eq!(count(&world.engine).await, 400);
}

async fn many_processes_may_start_at_once(world: &World) {
    let fresh = match &world.target {
        Target::Sqlite { dir, options } => {
            Target::Sqlite { dir: dir.join("fresh"), options: options.clone() }
        }
        Target::Postgres { .. } => {
            Target::Postgres { url: Postgres::shared().fresh_database().await }
        }
    };
    let fresh = Arc::new(fresh);
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let fresh = Arc::clone(&fresh);
        starts.spawn(async move { Engine::open(&fresh, SCHEMA).await.map(drop) });
    }
    for opened in starts.join_all().await {
        assert_eq!(opened, Ok(()));
    }
}

async fn a_newer_or_edited_schema_is_refused(world: &World) {
    let older = Engine::open(&world.target, &SCHEMA[..1]).await;
    assert!(matches!(&older, Err(EngineError::Newer { found: 2, known: 1 })), "{older:?}");
    let mut edited = SCHEMA.to_vec();
    edited[0].sqlite = "CREATE TABLE kinds (id BIGINT)";
    edited[0].postgres = "CREATE TABLE kinds (id BIGINT)";
    let edited = Engine::open(&world.target, &edited).await;
    assert!(matches!(&edited, Err(EngineError::Diverged(name)) if name == "V1__kinds"));
    let mut misnamed = SCHEMA.to_vec();
    misnamed[1].name = "V3__identifier";
    let misnamed = Engine::open(&world.target, &misnamed).await;
    assert!(matches!(misnamed, Err(EngineError::Migration { .. })));
}

async fn a_failed_migration_leaves_the_schema_alone(world: &World) {
    let third = |sql| Migration { name: "V3__more", sqlite: sql, postgres: sql };
    let with = |sql| [SCHEMA, &[third(sql)]].concat();
    let wrong = with("CREATE TABLE more (id BIGINT); CREATE TABLE kinds (id BIGINT);");
    let failed = Engine::open(&world.target, &wrong).await;
    assert!(matches!(&failed, Err(EngineError::Migration { name, .. }) if name == "V3__more"));
    let right = with("CREATE TABLE more (id BIGINT); CREATE INDEX more_by_id ON more (id);");
    let engine = Engine::open(&world.target, &right).await.expect("the mended one is applied");
    assert_eq!(engine.check("SELECT id FROM more").await, Ok(0));
}

// SQLite alone.

const WORDS: &str = "INSERT INTO kinds (id, words) VALUES ($1, $2)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_wait_for_the_disk_unless_told_otherwise() {
    for (options, level) in [
        (SqliteOptions::default(), 2),
        (SqliteOptions { durable: false, ..SqliteOptions::default() }, 1),
    ] {
        let world = World::sqlite(options).await;
        let levels = world.engine.query("PRAGMA synchronous", &[], |row| row.int(0)).await;
        assert_eq!(levels, Ok(vec![level]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_refuses_and_recovers() {
    let options = SqliteOptions { page_count_max: Some(64), ..SqliteOptions::default() };
    let world = World::sqlite(options).await;
    let page = "x".repeat(3000);
    let mut written = 0;
    let refused = loop {
        let step = Step::run(WORDS, vec![written.into(), page.as_str().into()]);
        match world.engine.write(Plan::new(vec![step])).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 64);
    };
    assert_eq!(refused, WriteError::Full);
    assert_eq!(count(&world.engine).await, written, "reading goes on, nothing half written");
    let empty = Plan::new(vec![Step::run("DELETE FROM kinds", vec![])]);
    world.engine.write(empty).await.expect("making room is possible");
    world.engine.write(insert(1)).await.expect("and then there is room");
    assert_eq!(world.engine.integrity_check().await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_turned_read_only_refuses_and_recovers() {
    let world = World::sqlite(SqliteOptions::default()).await;
    let Engine::Lite(lite) = &world.engine else { panic!("this is SQLite") };
    world.engine.write(insert(1)).await.expect("it is written");
    lite.set_read_only(true);
    assert_eq!(world.engine.write(insert(2)).await, Err(WriteError::ReadOnly));
    assert_eq!(count(&world.engine).await, 1, "reading goes on");
    lite.set_read_only(false);
    world.engine.write(insert(2)).await.expect("it is written again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_complete_and_of_one_instant() {
    let world = World::sqlite(SqliteOptions::default()).await;
    let Target::Sqlite { dir, .. } = &world.target else { panic!("this is SQLite") };
    let copy_dir: PathBuf = dir.join("copy");
    std::fs::create_dir(&copy_dir).expect("a folder");
    let engine = world.engine.clone();
    let writing = tokio::spawn(async move {
        for pair in 0..500 {
            let steps = [insert(2 * pair).steps, insert(2 * pair + 1).steps].concat();
            engine.write(Plan::new(steps)).await.expect("writing goes on");
        }
    });
    let path = copy_dir.join(store::engine::FILE_NAME);
    world.engine.backup_to(&path).await.expect("the copy is made");
    assert!(world.engine.backup_to(&path).await.is_err(), "nothing is overwritten");
    writing.await.expect("the writer did not panic");
    let target = Target::Sqlite { dir: copy_dir, options: SqliteOptions::default() };
    let copy = Engine::open(&target, SCHEMA).await.expect("the copy opens");
    assert_eq!(copy.integrity_check().await, Ok(vec![]));
    assert_eq!(count(&copy).await % 2, 0, "no plan is half in it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_and_closing_empties_it() {
    let world = World::sqlite(SqliteOptions::default()).await;
    let Target::Sqlite { dir, .. } = &world.target else { panic!("this is SQLite") };
    let wal = dir.join(format!("{}-wal", store::engine::FILE_NAME));
    let page = "x".repeat(3000);
    for round in 0..200 {
        let rows = (0..200).flat_map(|n| [(200 * round + n).into(), page.as_str().into()]);
        let values = rows.collect();
        let bulk = Step::Bulk { table: "kinds", columns: &["id", "words"], values };
        world.engine.write(Plan::new(vec![bulk])).await.expect("it is written");
    }
    let size = std::fs::metadata(&wal).expect("there is a log").len();
    assert!(size < 80 << 20, "the log has {size} bytes after 120 MB of writes");
    world.engine.close().await;
    assert_eq!(std::fs::metadata(&wal).map_or(0, |file| file.len()), 0);
    let refused = world.engine.write(insert(1)).await;
    let gone = matches!(&refused, Err(WriteError::Unavailable { outcome_unknown: false, .. }));
    assert!(gone, "{refused:?}");
}

// PostgreSQL alone.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_unavailable_until_it_is_back() {
    let server = Postgres::start_own();
    let world = World::postgres(&server).await;
    world.engine.write(insert(1)).await.expect("it is written");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let engine = world.engine.clone();
        writers.spawn(async move {
            let mut mine = Vec::new();
            for id in 1000 * (writer + 1).. {
                match engine.write(insert(id)).await {
                    Ok(()) => mine.push(id),
                    Err(WriteError::Unavailable { .. }) => break,
                    Err(other) => panic!("{other:?}"),
                }
            }
            mine
        });
    }
    let first_hundred = async { while count(&world.engine).await < 100 {} };
    first_hundred.await;
    server.kill();
    let acknowledged = writers.join_all().await.concat();
    let read = world.engine.query(COUNT, &[], |row| row.int(0)).await;
    assert!(matches!(read, Err(EngineError::Unavailable(_))), "{read:?}");
    server.start();
    let back = async { while world.engine.query(COUNT, &[], |row| row.int(0)).await.is_err() {} };
    back.await;
    world.engine.write(insert(2)).await.expect("writing works again");
    for id in acknowledged {
        assert_eq!(has(&world.engine, id).await, 1, "row {id} was acknowledged");
    }
}
