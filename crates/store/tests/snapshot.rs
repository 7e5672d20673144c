//! Reading in one snapshot: what it promises on SQLite, and that it reads at all on PostgreSQL.
//!
//! A snapshot that is not ended keeps the log from starting again: that is how its end is seen
//! from outside, by a connection that waits for nobody.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use store::engine::{Engine, EngineError, FILE_NAME, Migration, Plan, SqliteOptions, Step, Target};
use tempfile::TempDir;
use testkit::Postgres;

const SCHEMA: &[Migration] = &[Migration {
    name: "V1__rows",
    sqlite: "CREATE TABLE entry (id BIGINT NOT NULL PRIMARY KEY);",
    postgres: "CREATE TABLE entry (id BIGINT NOT NULL PRIMARY KEY);",
}];
const COUNT: &str = "SELECT count(*) FROM entry";
const INSERT: &str = "INSERT INTO entry (id) VALUES ($1)";
/// A setting of a connection that nothing else here touches: it tells connections apart.
const MARK: &str = "PRAGMA analysis_limit = 77";
const MARKED: &str = "PRAGMA analysis_limit";

struct World {
    engine: Engine,
    /// On SQLite, where the file is.
    dir: Option<TempDir>,
}

impl World {
    async fn sqlite() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let options = SqliteOptions::default();
        let target = Target::Sqlite { dir: dir.path().to_owned(), options };
        let engine = Engine::open(&target, SCHEMA).await.expect("a fresh database opens");
        Self { engine, dir: Some(dir) }
    }

    async fn postgres() -> Self {
        let target = Target::Postgres { url: Postgres::shared().fresh_database().await };
        let engine = Engine::open(&target, SCHEMA).await.expect("a fresh database opens");
        Self { engine, dir: None }
    }

    async fn count(&self) -> i64 {
        let rows = self.engine.query(COUNT, &[], |row| row.int(0)).await;
        rows.expect("counting works")[0]
    }

    /// Another task writes a row; it is committed when this returns.
    async fn write_beside(&self, id: i64) {
        let engine = self.engine.clone();
        let step = Step::run(INSERT, vec![id.into()]);
        let writing = tokio::spawn(async move { engine.write(Plan::new(vec![step])).await });
        writing.await.expect("it does not panic").expect("it is written");
    }

    /// How many rows are seen after one more was written, by whoever sees `before` in a snapshot.
    fn still(&self, before: i64) -> i64 {
        if self.dir.is_some() { before } else { before + 1 }
    }

    /// Comes back once nobody reads from the log any more: a snapshot is kept for a moment, in case
    /// somebody wants to read on in it.
    async fn log_gets_free(&self) {
        while !self.log_is_free() {
            tokio::task::yield_now().await;
        }
    }

    /// Whether nobody reads from the log: it may start again from its beginning.
    fn log_is_free(&self) -> bool {
        let Some(dir) = &self.dir else { return true };
        let conn = rusqlite::Connection::open(dir.path().join(FILE_NAME)).expect("it opens");
        conn.busy_timeout(std::time::Duration::ZERO).expect("a setting");
        let busy = conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
        busy.expect("it answers") == 0
    }
}

macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(&super::World::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(&super::World::postgres().await).await;
            })*
        }
    };
}

on_both! {
    reads_inside_see_one_instant,
    a_nested_snapshot_is_the_outer_one,
    one_that_is_dropped_half_way_ends,
    a_failing_read_does_not_move_the_instant,
    whoever_begins_to_read_sees_every_commit,
}

async fn reads_inside_see_one_instant(world: &World) {
    world.write_beside(1).await;
    let reading = async {
        let before = world.count().await;
        world.write_beside(2).await;
        // Outside, in another task, the row is there.
        let engine = world.engine.clone();
        let beside = tokio::spawn(async move { engine.query(COUNT, &[], |row| row.int(0)).await });
        assert_eq!(beside.await.expect("it does not panic"), Ok(vec![2]));
        assert_eq!(world.count().await, world.still(before));
        assert_eq!(world.log_is_free(), world.dir.is_none());
        before
    };
    assert_eq!(world.engine.one_snapshot(reading).await, 1);
    assert_eq!(world.count().await, 2, "the next reading sees what is there");
    world.log_gets_free().await;
}

async fn a_nested_snapshot_is_the_outer_one(world: &World) {
    let reading = async {
        assert_eq!(world.count().await, 0);
        world.write_beside(1).await;
        let inner = world.engine.one_snapshot(async { world.count().await }).await;
        assert_eq!(inner, world.still(0));
        // The inner one did not end the outer one.
        assert_eq!(world.count().await, world.still(0));
        assert_eq!(world.log_is_free(), world.dir.is_none());
    };
    world.engine.one_snapshot(reading).await;
    assert_eq!(world.count().await, 1);
    world.log_gets_free().await;
}

async fn one_that_is_dropped_half_way_ends(world: &World) {
    let mark = async |sql| match world.dir {
        Some(_) => world.engine.query(sql, &[], |row| row.int(0)).await,
        None => Ok(vec![77]),
    };
    for round in 0..100 {
        let waits = Cell::new(false);
        let reading = async {
            assert_eq!(world.count().await, round);
            assert_eq!(mark(MARK).await, Ok(vec![77]));
            world.write_beside(round).await;
            assert_eq!(world.count().await, world.still(round));
            assert_eq!(world.log_is_free(), world.dir.is_none());
            waits.set(true);
            pending::<()>().await;
        };
        {
            let mut reading = pin!(world.engine.one_snapshot(reading));
            poll_fn(|context| {
                assert!(reading.as_mut().poll(context).is_pending(), "it waits for ever");
                if waits.get() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        // The same connection is lent again, and sees what is there.
        assert_eq!(mark(MARKED).await, Ok(vec![77]));
        assert_eq!(world.count().await, round + 1);
        world.log_gets_free().await;
    }
}

async fn a_failing_read_does_not_move_the_instant(world: &World) {
    let reading = async {
        assert_eq!(world.count().await, 0);
        world.write_beside(1).await;
        let wrong = world.engine.query("SELECT id FROM nowhere", &[], |row| row.int(0)).await;
        assert!(matches!(wrong, Err(EngineError::Internal(_))), "{wrong:?}");
        assert_eq!(world.count().await, world.still(0));
        let other = world.engine.query(COUNT, &[], |row| row.text(0)).await;
        assert!(matches!(other, Err(EngineError::Decode(_))), "{other:?}");
        assert_eq!(world.count().await, world.still(0));
    };
    world.engine.one_snapshot(reading).await;
    assert_eq!(world.count().await, 1);
    world.log_gets_free().await;
}

/// A snapshot that is kept for the next reader never hides what was committed before.
async fn whoever_begins_to_read_sees_every_commit(world: &World) {
    let foreign = world.dir.as_ref().map(|dir| {
        let conn = rusqlite::Connection::open(dir.path().join(FILE_NAME)).expect("it opens");
        conn.busy_timeout(std::time::Duration::from_secs(10)).expect("a setting");
        conn
    });
    let both = async || {
        let inside = world.engine.one_snapshot(async { world.count().await }).await;
        (inside, world.count().await)
    };
    for round in 0..200 {
        match &foreign {
            // Another process, of which this one hears by the log alone, and a little later.
            Some(conn) if round % 2 == 1 => {
                let row = [round];
                conn.execute("INSERT INTO entry (id) VALUES (?1)", row).expect("it is written");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            _ => world.write_beside(round).await,
        }
        let seen = round + 1;
        assert_eq!(both().await, (seen, seen));
        assert_eq!(both().await, (seen, seen));
    }
    world.log_gets_free().await;
}

#[tokio::test]
async fn where_no_runtime_ends_it_nothing_is_kept() {
    let world = World::sqlite().await;
    let engine = world.engine.clone();
    let reading = std::thread::spawn(move || {
        let mut reading = pin!(engine.one_snapshot(engine.query(COUNT, &[], |row| row.int(0))));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match reading.as_mut().poll(&mut context) {
            Poll::Ready(rows) => rows,
            Poll::Pending => panic!("reading waits for nobody"),
        }
    });
    assert_eq!(reading.join().expect("it does not panic"), Ok(vec![0]));
    assert!(world.log_is_free());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_database_has_its_own_instant() {
    let (one, two) = (World::sqlite().await, World::sqlite().await);
    let both = async {
        assert_eq!((one.count().await, two.count().await), (0, 0));
        one.write_beside(1).await;
        two.write_beside(1).await;
        assert_eq!(one.count().await, 0, "the outer snapshot holds inside the inner one");
        assert_eq!(two.count().await, 0);
        assert!(!one.log_is_free() && !two.log_is_free());
    };
    let inner = async {
        two.engine.one_snapshot(both).await;
        assert!(!one.log_is_free());
        two.log_gets_free().await;
        assert_eq!((one.count().await, two.count().await), (0, 1));
    };
    one.engine.one_snapshot(inner).await;
    assert_eq!((one.count().await, two.count().await), (1, 1));
    one.log_gets_free().await;
    two.log_gets_free().await;

    // Side by side in one task.
    let reading = async |world: &World| {
        assert_eq!(world.count().await, 1);
        world.write_beside(2).await;
        world.count().await
    };
    let seen = tokio::join!(
        one.engine.one_snapshot(reading(&one)),
        two.engine.one_snapshot(reading(&two))
    );
    assert_eq!(seen, (1, 1));
    one.log_gets_free().await;
    two.log_gets_free().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_was_lost_gives_no_other_instant() {
    let world = World::sqlite().await;
    let reading = async {
        assert_eq!(world.count().await, 0);
        world.write_beside(1).await;
        // A failure of the file may end the transaction as well; what is read after it must not
        // pass for the same instant.
        let ended = world.engine.query("ROLLBACK", &[], |row| row.int(0)).await;
        assert_eq!(ended, Ok(vec![]));
        let wrong = world.engine.query("SELECT id FROM nowhere", &[], |row| row.int(0)).await;
        assert!(matches!(wrong, Err(EngineError::Internal(_))), "{wrong:?}");
        let after = world.engine.query(COUNT, &[], |row| row.int(0)).await;
        assert!(matches!(after, Err(EngineError::Unavailable(_))), "{after:?}");
    };
    world.engine.one_snapshot(reading).await;
    assert_eq!(world.count().await, 1);
    world.log_gets_free().await;
}
