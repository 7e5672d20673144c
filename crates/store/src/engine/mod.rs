//! One door to two databases: SQLite inside the process, or a PostgreSQL server.
//!
//! The engine decides *how* a statement is executed, never *what* it means: SQL arrives as a
//! constant with `$1..$n` parameters, in the subset both databases speak, and the rest of the
//! crate does not know which of the two runs it.
//!
//! - A **read** is one statement with its own snapshot. On SQLite it runs inline on a pooled
//!   connection (microseconds, no thread hop); on PostgreSQL it is pipelined over a few shared
//!   connections. Reads of unbounded size go through [`Engine::stream_query`].
//! - A **write** is a [`Plan`]: steps that happen all or not at all, with what each step relied
//!   on. `Ok` means durable. A plan is data, so it can be retried by the engine and by its caller.
//! - The **schema** is a list of twin migrations, see [`migrate`].
//!
//! Deliberately absent: interactive transactions (a plan holds no code between its steps), a query
//! builder, and any knowledge of tables.
//!
//! What both databases agree on: whole numbers are 64 bits, `REAL`/`DOUBLE PRECISION` is `f64`,
//! text is UTF-8 without the character U+0000 (PostgreSQL refuses it), and bytes are bytes.

mod checkpoint;
mod elsewhere;
mod error;
mod lineage;
mod lite;
mod log_head;
pub mod migrate;
mod pg;
mod pg_migrate;
mod pg_write;
mod plan;
mod private;
mod session;
mod sql;
mod storage;
mod stream;
mod value;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use elsewhere::is_open_elsewhere;
pub use error::{EngineError, Fault, WriteError};
pub use lineage::{Moment, Witness};
pub use lite::{FILE_NAME, Lite, SqliteOptions};
pub use migrate::Migration;
pub use pg::Pg;
pub use plan::{Expect, Plan, Step};
pub use private::private_folder;
pub use stream::RowStream;
pub use value::{DecodeError, Row, Value};

/// Where the records are kept.
#[derive(Clone)]
pub enum Target {
    /// A folder of this machine; the database file in it is `dossier.db`.
    Sqlite {
        /// The folder, created if it does not exist.
        dir: PathBuf,
        /// Limits and cache sizes.
        options: SqliteOptions,
    },
    /// A PostgreSQL server, without TLS: use a private network or a local proxy.
    Postgres {
        /// `postgres://user:password@host:port/database`.
        url: String,
    },
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { dir, .. } => f.debug_struct("Sqlite").field("dir", dir).finish(),
            // The URL holds a password.
            Self::Postgres { .. } => f.write_str("Postgres"),
        }
    }
}

/// What an open database is busy with just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// SQLite.
    Lite {
        /// Pages of 4 KiB in the write-ahead log after the last commit.
        log_pages: u32,
    },
    /// PostgreSQL.
    Pg {
        /// Connections in a transaction.
        writing: usize,
        /// Connections that read a stream.
        streaming: usize,
    },
}

/// An open database. Cloning is cheap and shares everything.
#[derive(Clone, Debug)]
pub enum Engine {
    /// SQLite inside this process.
    Lite(Lite),
    /// A PostgreSQL server.
    Pg(Pg),
}

impl Engine {
    /// Opens the database, creating it if need be, and brings its schema up to `migrations`.
    ///
    /// # Errors
    /// The database cannot be reached, is newer than this program, or a migration failed or was
    /// edited after it had been applied.
    pub async fn open(target: &Target, migrations: &[Migration]) -> Result<Self, EngineError> {
        match target {
            Target::Sqlite { dir, options } => {
                Lite::open(dir.clone(), options.clone(), migrations.to_vec()).await.map(Self::Lite)
            }
            Target::Postgres { url } => Pg::open(url, migrations).await.map(Self::Pg),
        }
    }

    /// Whether a PostgreSQL database holds a store already. Changes nothing there.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn postgres_holds_store(url: &str) -> Result<bool, EngineError> {
        Pg::holds_store(url).await
    }

    /// What it is busy with. Asks nobody: costs nothing.
    pub fn load(&self) -> Load {
        match self {
            Self::Lite(lite) => Load::Lite { log_pages: lite.log_pages() },
            Self::Pg(pg) => {
                let (writing, streaming) = pg.busy();
                Load::Pg { writing, streaming }
            }
        }
    }

    /// Runs one SELECT and maps every row. For answers of bounded size: everything is held at once.
    ///
    /// # Errors
    /// The database is out of reach, the statement is wrong, or a row could not be decoded.
    pub async fn query<T: Send>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send,
    ) -> Result<Vec<T>, EngineError> {
        match self {
            Self::Lite(lite) => lite.query(sql, params, map),
            Self::Pg(pg) => pg.query(sql, params, map).await,
        }
    }

    /// The first row of a SELECT, if there is one.
    ///
    /// # Errors
    /// As [`Engine::query`].
    pub async fn query_first<T: Send>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send,
    ) -> Result<Option<T>, EngineError> {
        match self {
            Self::Lite(lite) => lite.query_first(sql, params, map),
            Self::Pg(pg) => Ok(pg.query(sql, params, map).await?.into_iter().next()),
        }
    }

    /// The same as [`Engine::query`] without a future, where the engine can: `None` on PostgreSQL.
    pub fn try_query_inline<T>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError>,
    ) -> Option<Result<Vec<T>, EngineError>> {
        match self {
            Self::Lite(lite) => Some(lite.query(sql, params, map)),
            Self::Pg(_) => None,
        }
    }

    /// Runs `reading` so that its reads see one instant, where that makes them cheaper: on SQLite.
    /// On PostgreSQL each read stands by itself, and what a commit relied on is checked by the
    /// commit. Nothing in `reading` may wait for a client or for a write.
    pub async fn one_snapshot<T>(&self, reading: impl Future<Output = T>) -> T {
        match self {
            Self::Lite(lite) => lite.one_snapshot(reading).await,
            Self::Pg(_) => reading.await,
        }
    }

    /// What the snapshot shows that [`Engine::one_snapshot`] reads in, where that is known: never
    /// on PostgreSQL, where others write too.
    pub fn moment(&self) -> Option<Moment> {
        match self {
            Self::Lite(lite) => lite.moment(),
            Self::Pg(_) => None,
        }
    }

    /// Whether this process has tried no commit since a moment.
    pub fn is_current(&self, moment: Moment) -> bool {
        match self {
            Self::Lite(lite) => lite.is_current(moment),
            Self::Pg(_) => false,
        }
    }

    /// Has a witness told of every commit of this process from now on, before it is answered; none
    /// on PostgreSQL. There is one witness: a second is not told anything.
    pub fn watch(&self, witness: Arc<dyn Witness>) {
        if let Self::Lite(lite) = self {
            lite.watch(witness);
        }
    }

    /// The folder of SQLite's file.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Lite(lite) => Some(lite.folder()),
            Self::Pg(_) => None,
        }
    }

    /// Reads any number of rows in constant memory, in one snapshot, off the async threads.
    ///
    /// The snapshot lasts until the stream ends or is dropped, and SQLite's log grows meanwhile:
    /// do not feed a slow client directly for hours; page by key instead.
    ///
    /// Must be called within a tokio runtime.
    pub fn stream_query<T: Send + 'static>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send + 'static,
    ) -> RowStream<T> {
        match self {
            Self::Lite(lite) => lite.stream(sql, params, map),
            Self::Pg(pg) => pg.stream(sql, params, map),
        }
    }

    /// Does every step of the plan or none; `Ok` means it is on stable storage.
    ///
    /// Dropping the future does not take back a plan that has been handed over: it may still be
    /// committed.
    ///
    /// # Errors
    /// See [`WriteError`]: in every case but `Unavailable { outcome_unknown: true }` nothing of the
    /// plan has been written.
    pub async fn write(&self, plan: Plan) -> Result<(), WriteError> {
        match self {
            Self::Lite(lite) => lite.write(plan).await,
            Self::Pg(pg) => pg.write(plan).await,
        }
    }

    /// Prepares a statement without running it: for the test that checks every SQL constant.
    /// Returns the number of its parameters.
    ///
    /// # Errors
    /// The statement is wrong; the fault's cause holds the database's words.
    pub async fn check(&self, sql: &'static str) -> Result<usize, EngineError> {
        match self {
            Self::Lite(lite) => lite.check(sql),
            Self::Pg(pg) => pg.check(sql).await,
        }
    }

    /// Copies the whole database, as of one instant, into a new SQLite file while work goes on.
    ///
    /// # Errors
    /// The file exists or cannot be written; on PostgreSQL, [`EngineError::Unsupported`].
    pub async fn backup_to(&self, path: &Path) -> Result<(), EngineError> {
        match self {
            Self::Lite(lite) => lite.backup_to(path).await,
            Self::Pg(_) => Err(EngineError::Unsupported(
                "PostgreSQL is backed up with its own tools: pg_dump or pg_basebackup",
            )),
        }
    }

    /// Checks every page and index of the database; returns what is wrong with it, if anything.
    ///
    /// # Errors
    /// The check could not be run; on PostgreSQL, [`EngineError::Unsupported`].
    pub async fn integrity_check(&self) -> Result<Vec<String>, EngineError> {
        match self {
            Self::Lite(lite) => lite.integrity_check().await,
            Self::Pg(_) => Err(EngineError::Unsupported(
                "PostgreSQL is checked with its own tools: pg_amcheck",
            )),
        }
    }

    /// Finishes the plans already handed over and folds SQLite's log into its file. Later writes
    /// are answered `Unavailable`.
    pub async fn close(&self) {
        if let Self::Lite(lite) = self {
            lite.close().await;
        }
    }
}
