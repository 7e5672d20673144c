//! SQLite inside the process.
//!
//! Reads run inline on pooled connections: a point read takes a few microseconds, a hop to another
//! thread ten times that. Writes go through one thread, see [`super::writer`].
//!
//! A snapshot is kept for the next reader while nothing was committed since ([`LogHead`]): to begin
//! and end one costs as much as the reads of a short answer. What this process commits it counts
//! itself; whether another did is looked at anew when the last look is some time past. Every few
//! milliseconds all that are kept end, so that the log can start again; which they were kept in is
//! called their turn.
//!
//! Memory: the pages of the file belong to the kernel, and a small file is read through a map of
//! them. What a connection allocates for itself is its own cache of pages, bounded by
//! [`SqliteOptions`]. Between two commits it keeps the branches of the large trees there, so that a
//! point read asks the kernel for leaves alone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::error::{EngineError, Fault, WriteError};
use super::lineage::{Lineage, Moment, Witness};
use super::log_head::{Claim, LogHead};
use super::migrate::{self, Migration};
use super::plan::Plan;
use super::private::{private_file, private_folder};
use super::session::{Failure, Role, Session, Snapshot, is_storage};
use super::stream::{CHUNK_ROWS, ChunkSender, RowStream, row_stream};
use super::value::{DecodeError, Row, Value};
use super::writer::Writer;

/// The database's file in its folder.
pub const FILE_NAME: &str = "dossier.db";
/// Streams that read at the same time; each keeps a blocking thread and a snapshot.
const STREAMS_MAX: usize = 8;

/// How long a snapshot is kept for the next reader at most.
const KEPT_FOR: Duration = Duration::from_millis(5);

/// What another process committed shows at most so much later; what this one did, at once.
const HEARD_WITHIN: Duration = Duration::from_micros(200);

/// Limits and cache sizes.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Bytes of the file that are read through a memory map. A reader that notices a commit makes
    /// its map anew, and letting go of a large one takes milliseconds.
    pub map_bytes: i64,
    /// Page cache of all reading connections together, in KiB of anonymous memory: as many read at
    /// once as the machine has processors.
    pub readers_cache_kib: u32,
    /// Page cache of each connection that reads much once, in KiB.
    pub stream_cache_kib: u32,
    /// Page cache of the writing connection, in KiB: the pages one group of plans touches.
    pub writer_cache_kib: u32,
    /// Whether a commit waits for the disk. Without, what was committed last may go with the power
    /// of the machine, and is never torn: for a store that is begun anew where it is cut off.
    pub durable: bool,
    /// The file may not grow beyond so many pages of 4 KiB: then writes are answered `Full`.
    pub page_count_max: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            map_bytes: 256 << 20,
            readers_cache_kib: 96 << 10,
            stream_cache_kib: 2 << 10,
            writer_cache_kib: 16 << 10,
            durable: true,
            page_count_max: None,
        }
    }
}

impl SqliteOptions {
    /// The share of one reading connection, in KiB.
    pub(super) fn reader_cache_kib(&self) -> u32 {
        let readers = u32::try_from(readers()).unwrap_or(u32::MAX);
        (self.readers_cache_kib / readers).max(self.stream_cache_kib)
    }
}

/// How many read inline at once.
fn readers() -> usize {
    available_parallelism().map_or(4, usize::from)
}

tokio::task_local! {
    /// The connection that every read of this task uses, while it reads in one snapshot.
    static PINNED: Arc<Pin>;
}

/// A connection in the middle of a read transaction, and the database it belongs to.
struct Pin {
    shared: Arc<Shared>,
    /// None while it is lent, and once the snapshot was lost. Only one task ever asks for it: the
    /// lock is there because a task may go on in another thread.
    session: Mutex<Option<Session>>,
    /// The snapshot of another database that this one was begun in.
    outer: Option<Arc<Self>>,
}

impl Pin {
    /// The snapshot of the database at `path` that this task reads in, if it does.
    fn of(path: &Path) -> Option<Arc<Self>> {
        let innermost = PINNED.try_with(Arc::clone).ok();
        std::iter::successors(innermost, |pin| pin.outer.clone())
            .find(|pin| pin.shared.path == path)
    }

    fn take(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put_back(&self, session: Session) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }
}

impl Drop for Pin {
    /// Gives the connection back, also when its reader was dropped half way.
    fn drop(&mut self) {
        if let Some(session) = self.take() {
            self.shared.give_back(session);
        }
    }
}

/// A SQLite database.
#[derive(Clone)]
pub struct Lite {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    options: SqliteOptions,
    idle: Mutex<Idle>,
    idle_max: usize,
    /// How often kept snapshots were ended.
    turn: AtomicU64,
    /// A commit of this process is known at once.
    lineage: Arc<Lineage>,
    streams: Arc<Semaphore>,
    writer: Writer,
    /// None where the index of the log cannot be read: then no snapshot is kept.
    log: Option<Arc<LogHead>>,
    /// The last of these to go.
    _claim: Claim,
}

#[derive(Default)]
struct Idle {
    /// Reading connections, the most recently used last.
    sessions: Vec<Session>,
    /// Whether what they keep is going to be ended.
    ends: bool,
}

/// Ends what is kept once its time is over, or at once where the runtime ends before.
struct Ending(Weak<Shared>);

impl Ending {
    async fn in_time(self) {
        tokio::time::sleep(KEPT_FOR).await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.end_kept();
        }
    }
}

impl std::fmt::Debug for Lite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lite").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Lite {
    /// Pages in the write-ahead log after the last commit.
    pub(super) fn log_pages(&self) -> u32 {
        self.shared.writer.log_pages()
    }

    pub(super) async fn open(
        dir: PathBuf,
        options: SqliteOptions,
        migrations: Vec<Migration>,
    ) -> Result<Self, EngineError> {
        off_thread(move || Self::open_blocking(&dir, options, &migrations)).await
    }

    fn open_blocking(
        dir: &Path,
        options: SqliteOptions,
        migrations: &[Migration],
    ) -> Result<Self, EngineError> {
        let cannot = |cause: &dyn std::fmt::Display| {
            EngineError::Open(format!("cannot open the database in {}: {cause}", dir.display()))
        };
        private_folder(dir).map_err(|error| cannot(&error))?;
        let path = dir.join(FILE_NAME);
        let claim = Claim::new(&path);
        // What keeps the file from being made, SQLite says in better words.
        let _ = private_file(&path);
        let mut founder =
            Session::open(&path, &options, Role::Founder).map_err(|error| cannot(&error))?;
        migrate::run_lite(&mut founder.conn, migrations)?;
        drop(founder);
        let log = LogHead::open(&path, &options, &claim)
            .inspect_err(|error| tracing::warn!(%error, "each answer begins a snapshot of its own"))
            .map(Arc::new)
            .ok();
        let head = log.as_ref().and_then(|log| log.read());
        let lineage = Arc::new(Lineage::new(head));
        let told = (log.clone(), Arc::clone(&lineage));
        let writer = Writer::start(path.clone(), options.clone(), claim.clone(), told)
            .map_err(|error| cannot(&error))?;
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let shared = Shared {
            path,
            options,
            idle: Mutex::default(),
            idle_max: readers(),
            turn: AtomicU64::new(0),
            lineage,
            streams,
            writer,
            log,
            _claim: claim,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs a SELECT on this thread.
    ///
    /// # Errors
    /// As [`super::Engine::query`].
    pub fn query<T>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, EngineError> {
        let mut found = Vec::new();
        self.shared.with_reader(|session| {
            session.select(sql, params, |row| {
                found.push(map(row).map_err(Failure::Decode)?);
                Ok(true)
            })
        })?;
        Ok(found)
    }

    /// The first row of a SELECT, on this thread, without reading further.
    ///
    /// # Errors
    /// As [`super::Engine::query`].
    pub fn query_first<T>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, EngineError> {
        let mut found = None;
        self.shared.with_reader(|session| {
            session.select(sql, params, |row| {
                found = Some(map(row).map_err(Failure::Decode)?);
                Ok(false)
            })
        })?;
        Ok(found)
    }

    /// Runs `reading` with all its reads in one snapshot, on one connection: a lock is taken and
    /// given back once instead of at every statement, which is half the cost of a point read.
    ///
    /// The snapshot keeps SQLite's log from being folded back: nothing in it may wait for a client
    /// or for a write.
    pub(super) async fn one_snapshot<T>(&self, reading: impl Future<Output = T>) -> T {
        let inside = Pin::of(&self.shared.path).is_some();
        let begun = if inside { None } else { self.shared.begin_snapshot() };
        match begun {
            Some(session) => {
                let outer = PINNED.try_with(Arc::clone).ok();
                let session = Mutex::new(Some(session));
                let pin = Pin { shared: Arc::clone(&self.shared), session, outer };
                PINNED.scope(Arc::new(pin), reading).await
            }
            // The statements themselves will say what is wrong with the database.
            None => reading.await,
        }
    }

    pub(super) fn stream<T: Send + 'static>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send + 'static,
    ) -> RowStream<T> {
        let (sender, stream) = row_stream();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let permit = Arc::clone(&shared.streams).acquire_owned().await;
            let reading = move || {
                let _permit = permit;
                let last = match shared.send_chunks(sql, &params, map, &sender) {
                    Ok(rest) => rest,
                    Err(failure) => {
                        let _ = sender.blocking_send(Err(failure.into()));
                        return;
                    }
                };
                // The rest, and then the empty chunk that says: that was all.
                if last.is_empty() || sender.blocking_send(Ok(last)).is_ok() {
                    let _ = sender.blocking_send(Ok(Vec::new()));
                }
            };
            // A panic in it is told by the stream itself: its end mark never comes.
            let _ = tokio::task::spawn_blocking(reading).await;
        });
        stream
    }

    /// As [`super::Engine::moment`].
    pub(super) fn moment(&self) -> Option<Moment> {
        let pin = Pin::of(&self.shared.path)?;
        let session = pin.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.as_ref()?.snapshot()?.moment
    }

    /// As [`super::Engine::watch`].
    pub(super) fn watch(&self, witness: Arc<dyn Witness>) {
        self.shared.lineage.watch(witness);
    }

    /// As [`super::Engine::is_current`].
    pub(super) fn is_current(&self, moment: Moment) -> bool {
        self.shared.lineage.commits() == moment.commits
    }

    /// The folder of the file.
    pub(super) fn folder(&self) -> &Path {
        self.shared.path.parent().unwrap_or_else(|| Path::new("."))
    }

    pub(super) async fn write(&self, plan: Plan) -> Result<(), WriteError> {
        self.shared.writer.write(plan).await
    }

    pub(super) fn check(&self, sql: &'static str) -> Result<usize, EngineError> {
        let text = super::sql::numbered(sql);
        let count = self.shared.with_reader(|session| {
            Ok(session.conn.prepare(&text).map(|statement| statement.parameter_count())?)
        })?;
        Ok(count)
    }

    /// Refuses (or accepts again) every write with `ReadOnly`, as is done with a file system that
    /// the kernel has turned read-only. That itself can be brought about only by root on a machine
    /// with loop devices, and not be undone under open files.
    #[doc(hidden)]
    pub fn set_read_only(&self, read_only: bool) {
        self.shared.writer.set_read_only(read_only);
    }

    pub(super) async fn close(&self) {
        self.shared.writer.close().await;
    }

    /// A copy as of one instant: all pages in one step under one read snapshot, which in WAL mode
    /// makes no writer wait. Written beside `path` and renamed, so that `path` is always complete.
    pub(super) async fn backup_to(&self, path: &Path) -> Result<(), EngineError> {
        let (shared, path) = (Arc::clone(&self.shared), path.to_owned());
        off_thread(move || shared.backup(&path)).await
    }

    pub(super) async fn integrity_check(&self) -> Result<Vec<String>, EngineError> {
        let lite = self.clone();
        off_thread(move || {
            let mut problems = lite.query("PRAGMA integrity_check", &[], |row| row.text(0))?;
            problems.retain(|line| line != "ok");
            Ok(problems)
        })
        .await
    }
}

impl Shared {
    fn begin_snapshot(&self) -> Option<Session> {
        let mut session = self.lend().ok()?;
        if session.snapshot().is_none() {
            // A commit between the two makes the snapshot newer than it says, and it is not kept.
            let looked = (Instant::now(), self.lineage.commits());
            let head = self.log.as_ref().and_then(|log| log.read());
            let turn = self.turn.load(Ordering::Relaxed);
            let moment = head.and_then(|head| self.lineage.moment(&head, looked.1));
            session.begin_snapshot(Snapshot { head, turn, looked, moment }).ok()?;
        }
        Some(session)
    }

    /// Whether the snapshot that a connection reads in shows all that was committed until now, and
    /// may be read on.
    fn is_fresh(&self, session: &mut Session, snapshot: Snapshot) -> bool {
        if snapshot.turn != self.turn.load(Ordering::Relaxed) || snapshot.head.is_none() {
            return false;
        }
        let looked = (Instant::now(), self.lineage.commits());
        let (at, commits) = snapshot.looked;
        if commits == looked.1 && looked.0.duration_since(at) < HEARD_WITHIN {
            return true;
        }
        let is_fresh = snapshot.head == self.log.as_ref().and_then(|log| log.read());
        if is_fresh {
            let moment = snapshot.head.and_then(|head| self.lineage.moment(&head, looked.1));
            session.still_fresh(looked, moment);
        }
        is_fresh
    }

    /// Lends a connection. After a failure of the database it is closed rather than lent again.
    /// Within [`Lite::one_snapshot`] of this database, the connection lent is always the same.
    fn with_reader<R>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Session) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if let Some(pin) = Pin::of(&self.path) {
            return pinned(&pin, work);
        }
        let mut session = self.lend()?;
        let result = work(&mut session);
        if !matches!(result, Err(Failure::Sqlite(_))) {
            self.give_back(session);
        }
        result
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that shows all that was committed until now, in a snapshot or outside of any.
    fn lend(&self) -> Result<Session, Failure> {
        let idle = self.idle().sessions.pop();
        if let Some(mut session) = idle
            && session
                .snapshot()
                .is_none_or(|it| self.is_fresh(&mut session, it) || session.end_snapshot().is_ok())
        {
            return Ok(session);
        }
        Ok(Session::open(&self.path, &self.options, Role::Reader)?)
    }

    /// Takes a connection back. Its snapshot goes on while it is of this turn and somebody will end
    /// it; a connection that cannot end it is closed.
    fn give_back(self: &Arc<Self>, mut session: Session) {
        let runtime = Handle::try_current().ok();
        let turn = self.turn.load(Ordering::Relaxed);
        let kept = |it: Snapshot| runtime.is_some() && it.head.is_some() && it.turn == turn;
        let ends = session.snapshot().is_some_and(|it| !kept(it));
        if ends && session.end_snapshot().is_err() {
            return;
        }
        let keeps = session.snapshot().is_some();
        let mut idle = self.idle();
        if idle.sessions.len() >= self.idle_max {
            return;
        }
        idle.sessions.push(session);
        let first = keeps && !idle.ends;
        idle.ends |= keeps;
        drop(idle);
        if let Some(runtime) = runtime.filter(|_| first) {
            runtime.spawn(Ending(Arc::downgrade(self)).in_time());
        }
    }

    /// Ends the snapshots of idle connections; those that are read in end when they come back.
    fn end_kept(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        let mut idle = self.idle();
        idle.ends = false;
        idle.sessions.retain_mut(|it| it.snapshot().is_none() || it.end_snapshot().is_ok());
    }

    /// Sends full chunks and returns the rows of the last one; stops when nobody listens.
    fn send_chunks<T>(
        self: &Arc<Self>,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError>,
        sender: &ChunkSender<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        let mut session = Session::open(&self.path, &self.options, Role::Stream)?;
        session.select(sql, params, |row| {
            chunk.push(map(row).map_err(Failure::Decode)?);
            if chunk.len() < CHUNK_ROWS {
                return Ok::<_, Failure>(true);
            }
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
            Ok(sender.blocking_send(Ok(full)).is_ok())
        })?;
        Ok(chunk)
    }

    fn backup(self: &Arc<Self>, path: &Path) -> Result<(), EngineError> {
        let cannot = |cause: &dyn std::fmt::Display| {
            EngineError::Open(format!("cannot back up to {}: {cause}", path.display()))
        };
        if path.exists() {
            return Err(cannot(&"the file exists"));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let copied = self.copy_pages(&partial).and_then(|()| {
            std::fs::File::open(&partial)?.sync_all()?;
            std::fs::rename(&partial, path)?;
            match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => std::fs::File::open(parent)?.sync_all(),
                None => Ok(()),
            }
        });
        copied.map_err(|error| {
            let _ = std::fs::remove_file(&partial);
            cannot(&error)
        })
    }

    fn copy_pages(self: &Arc<Self>, to: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private_file(to)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut copy = Connection::open_with_flags(to, flags).map_err(std::io::Error::other)?;
        let mut step = || {
            let session = Session::open(&self.path, &self.options, Role::Stream)?;
            Ok::<_, Failure>(Backup::new(&session.conn, &mut copy)?.step(-1)?)
        };
        match step() {
            Ok(StepResult::Done) => Ok(()),
            Ok(_) => Err(std::io::Error::other("the database is locked")),
            Err(failure) => Err(std::io::Error::other(failure.to_string())),
        }
    }
}

/// Lends the connection of a snapshot. It stays the snapshot's after a statement that failed by
/// itself; when the failure ended the transaction, nothing more is read: another connection would
/// show another instant.
fn pinned<R>(
    pin: &Pin,
    work: impl FnOnce(&mut Session) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let mut session = pin.take().ok_or(Failure::SnapshotLost)?;
    let result = work(&mut session);
    let lost = match &result {
        Err(Failure::Sqlite(error)) => is_storage(error) || session.conn.is_autocommit(),
        _ => false,
    };
    if !lost {
        pin.put_back(session);
    }
    result
}

/// Runs blocking work on tokio's blocking threads.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(EngineError::Unavailable(Fault::log("blocking work", error))),
    }
}
