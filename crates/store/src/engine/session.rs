//! One SQLite connection with its settings and its prepared statements.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Rows};

use super::error::{EngineError, Fault};
use super::lineage::Moment;
use super::lite::SqliteOptions;
use super::log_head::Head;
use super::sql::{SqlKey, key_of, numbered};
use super::value::{DecodeError, Row, Value};

/// Prepared statements kept by one connection: more than the crate has constants.
const STATEMENTS_MAX: usize = 512;
/// Between two attempts to get a lock that another process holds. Short and constant, so that a
/// command line tool gets its turn beside a server that commits without pause.
const LOCK_POLL: Duration = Duration::from_millis(1);
/// A writer waits about ten seconds: longer than any plan of another process should take.
pub(super) const WRITER_LOCK_POLLS: i32 = 10_000;
/// A reader meets a lock only while a log is created or recovered; it runs on an async thread.
const READER_LOCK_POLLS: i32 = 500;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Reads a little for each of many questions.
    Reader,
    /// Reads much once.
    Stream,
    Writer,
    /// Opens the database first: sets the journal mode, runs migrations.
    Founder,
}

pub(super) struct Session {
    pub conn: Connection,
    /// The snapshot it reads in, where it does.
    snapshot: Option<Snapshot>,
    /// Statements that were rewritten from `$n` to `?n`.
    numbered: BTreeMap<SqlKey, Box<str>>,
}

/// A snapshot that a connection reads in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// The head of the log before it began; none when that could not be read.
    pub head: Option<Head>,
    /// In which turn it began, see [`super::lite`].
    pub turn: u64,
    /// When the head was last looked at, and how many commits this process had tried then.
    pub looked: (Instant, u64),
    /// What it showed then, where that was known.
    pub moment: Option<Moment>,
}

/// Why a statement failed, before it is known whether a reader or a writer asked.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Decode(DecodeError),
    /// An earlier failure ended the snapshot that this read belongs to.
    SnapshotLost,
    /// The number of parameters differs from the number of values.
    Arity {
        sql: &'static str,
        wanted: usize,
        given: usize,
    },
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Session {
    pub fn open(path: &Path, options: &SqliteOptions, role: Role) -> rusqlite::Result<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if role == Role::Founder {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let mut conn = Connection::open_with_flags(path, flags)?;
        let reads = matches!(role, Role::Reader | Role::Stream);
        let polls = if reads { READER_LOCK_POLLS } else { WRITER_LOCK_POLLS };
        wait_for_locks(&mut conn, polls)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // Built with STAT4, the planner looks into bound values and prepares a statement with a
        // LEFT JOIN anew at each binding; every plan here is the same for all values.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        if role == Role::Founder {
            found(&conn)?;
        }
        let cache_kib = match role {
            Role::Reader => options.reader_cache_kib(),
            Role::Stream => options.stream_cache_kib,
            Role::Writer | Role::Founder => options.writer_cache_kib,
        };
        conn.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
        conn.pragma_update(None, "mmap_size", options.map_bytes)?;
        // The bundled library switches them on; the constraints here are unique keys.
        conn.pragma_update(None, "foreign_keys", false)?;
        let synchronous = if options.durable { "FULL" } else { "NORMAL" };
        conn.pragma_update(None, "synchronous", synchronous)?;
        // What is deleted is overwritten where it stood: an erased person's key must not outlive
        // its row in the file. Pages that become free are not written for it.
        conn.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
        // Folding the log back is the checkpoint thread's work, off the way to an answer.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        if reads {
            conn.pragma_update(None, "query_only", true)?;
        } else if let Some(pages) = options.page_count_max {
            conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(Self { conn, snapshot: None, numbered: BTreeMap::new() })
    }

    /// The prepared statement with its parameters bound.
    pub fn bound(
        &mut self,
        sql: &'static str,
        params: &[Value],
    ) -> Result<CachedStatement<'_>, Failure> {
        let Self { conn, numbered: texts, .. } = self;
        let text = texts.entry(key_of(sql)).or_insert_with(|| numbered(sql).into());
        let mut statement = conn.prepare_cached(text)?;
        let wanted = statement.parameter_count();
        if wanted != params.len() {
            return Err(Failure::Arity { sql, wanted, given: params.len() });
        }
        for (i, value) in params.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, value)?;
        }
        Ok(statement)
    }

    /// The snapshot it reads in; a failure may have ended it.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.filter(|_| !self.conn.is_autocommit())
    }

    /// Notes that the snapshot it reads in still showed all there was.
    pub fn still_fresh(&mut self, looked: (Instant, u64), moment: Option<Moment>) {
        if let Some(snapshot) = &mut self.snapshot {
            (snapshot.looked, snapshot.moment) = (looked, moment);
        }
    }

    /// From the next read on, every read sees the database as of one instant.
    pub fn begin_snapshot(&mut self, snapshot: Snapshot) -> rusqlite::Result<()> {
        self.conn.prepare_cached("BEGIN DEFERRED")?.raw_execute()?;
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// Ends what [`Session::begin_snapshot`] began.
    pub fn end_snapshot(&mut self) -> rusqlite::Result<()> {
        self.snapshot = None;
        self.conn.prepare_cached("COMMIT")?.raw_execute().map(|_| ())
    }

    /// Runs a SELECT and gives each row to `each`, until that returns false.
    pub fn select<E: From<Failure>>(
        &mut self,
        sql: &'static str,
        params: &[Value],
        mut each: impl FnMut(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut statement = self.bound(sql, params)?;
        let mut rows: Rows<'_> = statement.raw_query();
        while let Some(row) = rows.next().map_err(Failure::from)? {
            if !each(&Row::Lite(row))? {
                break;
            }
        }
        Ok(())
    }
}

/// How often the connection asks again for a lock before it gives up with `SQLITE_BUSY`.
pub(super) fn wait_for_locks(conn: &mut Connection, polls: i32) -> rusqlite::Result<()> {
    conn.busy_handler(Some(move |tries: i32| {
        std::thread::sleep(LOCK_POLL);
        tries < polls
    }))
}

/// The journal mode is a property of the file. Another process may be creating it at this moment,
/// and SQLite does not call the busy handler for this statement, so the waiting is done here.
fn found(conn: &Connection) -> rusqlite::Result<()> {
    let mut polls = 0;
    loop {
        match conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if is_busy(&error) && polls < WRITER_LOCK_POLLS => {
                polls += 1;
                std::thread::sleep(LOCK_POLL);
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the fault lies with the file or the machine rather than with one statement: the
/// transaction around it cannot be trusted any more.
pub(super) fn is_storage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::PermissionDenied
        )
    )
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Decode(error) => Self::Decode(error),
            Failure::Sqlite(error) if is_storage(&error) => {
                Self::Unavailable(Fault::log("reading", error))
            }
            Failure::SnapshotLost => Self::Unavailable(Fault::log("reading", failure)),
            other => Self::Internal(Fault::log("reading", other)),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
            Self::SnapshotLost => f.write_str("the snapshot was lost to an earlier failure"),
            Self::Arity { sql, wanted, given } => {
                write!(f, "{given} values for {wanted} parameters of: {sql}")
            }
        }
    }
}
