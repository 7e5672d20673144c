//! Folding SQLite's write-ahead log back into the database file.
//!
//! The log grows with every commit and starts again from its beginning only when all of it has
//! been folded and nobody reads from it. Left to itself, SQLite folds inside a commit, and somebody
//! waits tens of milliseconds for an answer. Here a second thread folds while the writer goes on
//! (`PASSIVE` waits for nobody), so that little is left to do at the moment when the writer,
//! between two groups, makes the log start again (`RESTART`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::lite::SqliteOptions;
use super::log_head::Claim;
use super::session::{Role, Session, WRITER_LOCK_POLLS, wait_for_locks};

/// Log pages (of 4 KiB) after which the second thread starts folding: 4 MiB, SQLite's own default.
const FOLD_PAGES: u32 = 1000;
/// Log pages after which the writer makes the log start again: 32 MiB.
const RESTART_PAGES: u32 = 8192;
/// Log pages after which the writer waits for the second thread: 64 MiB. A disk too slow for what
/// is written must slow the writers down, or the log would grow without end.
const WAIT_PAGES: u32 = 2 * RESTART_PAGES;
/// Log pages after which the file of the log is also cut: 128 MiB, grown under a long stream.
const TRUNCATE_PAGES: u32 = 4 * RESTART_PAGES;
/// How long (in milliseconds) the writer waits for readers of the old log. Inline reads last
/// microseconds; a stream lasts longer, and then the log grows on until the next attempt.
const RESTART_LOCK_POLLS: i32 = 20;

pub(super) struct Checkpointer {
    /// Pages in the log after the last commit, told by SQLite's hook on the writing connection.
    pages: Arc<AtomicU32>,
    /// Commits of the writing connection that changed the log, told by the same.
    commits: Arc<AtomicU64>,
    /// Pages at which the next folding is asked for, and the next restart tried.
    fold_at: u32,
    restart_at: u32,
    requests: Option<SyncSender<()>>,
    /// Held by whoever folds.
    folding: Arc<Mutex<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(path: PathBuf, options: SqliteOptions, claim: Claim) -> std::io::Result<Self> {
        // One request waits at most: folding always takes everything there is.
        let (requests, waiting) = sync_channel(1);
        let folding = Arc::new(Mutex::new(()));
        let turn = Arc::clone(&folding);
        let thread =
            std::thread::Builder::new().name("sqlite-fold".to_owned()).spawn(move || {
                fold(&path, &options, &waiting, &turn);
                drop(claim);
            })?;
        Ok(Self {
            pages: Arc::default(),
            commits: Arc::default(),
            fold_at: FOLD_PAGES,
            restart_at: RESTART_PAGES,
            requests: Some(requests),
            folding,
            thread: Some(thread),
        })
    }

    /// Counts what is written into the log through this connection.
    pub fn watch(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let (pages, commits) = (Arc::clone(&self.pages), Arc::clone(&self.commits));
        conn.wal_hook(Some(move |_: &mut _, now: i32| {
            pages.store(now.unsigned_abs(), Ordering::Relaxed);
            commits.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }))
    }

    /// The count, for whoever watches from outside.
    pub fn pages(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.pages)
    }

    /// How many commits of this connection changed the log.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Called by the writer after it has answered a group.
    pub fn after_commit(&mut self, conn: &mut Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages + FOLD_PAGES < self.fold_at {
            // The log has started again.
            (self.fold_at, self.restart_at) = (FOLD_PAGES, RESTART_PAGES);
        }
        if pages >= self.restart_at {
            // Short of the limit, the folding under way is not waited for: the next group asks.
            let turn = match self.folding.try_lock() {
                Err(TryLockError::WouldBlock) if pages < WAIT_PAGES => return,
                Err(TryLockError::WouldBlock) => self.folding.lock().ok(),
                uncontended => uncontended.ok(),
            };
            let done = restart(conn, if pages < TRUNCATE_PAGES { "RESTART" } else { "TRUNCATE" });
            drop(turn);
            // Somebody still reads the old log: less and less often is it worth the waiting.
            self.restart_at = if done { RESTART_PAGES } else { pages + pages / 8 };
        } else if pages >= self.fold_at {
            self.fold_at = pages + FOLD_PAGES;
            if let Some(requests) = &self.requests {
                let _ = requests.try_send(());
            }
        }
    }

    /// Ends the thread and folds everything, leaving an empty log.
    pub fn finish(&mut self, session: Option<Session>) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(mut session) = session {
            restart(&mut session.conn, "TRUNCATE");
        }
    }
}

/// The second thread: one passive fold for each request.
fn fold(path: &Path, options: &SqliteOptions, waiting: &Receiver<()>, turn: &Mutex<()>) {
    let mut session = None;
    while waiting.recv().is_ok() {
        if session.is_none() {
            session = Session::open(path, options, Role::Writer)
                .inspect_err(|error| tracing::warn!(%error, "cannot fold the log"))
                .ok();
        }
        if let Some(session) = &session {
            let turn = turn.lock();
            checkpoint(&session.conn, "PASSIVE");
            drop(turn);
        }
    }
}

/// Folds the rest on the writer's own connection, with less patience than a plan has. Returns
/// whether the log will start again.
fn restart(conn: &mut Connection, mode: &str) -> bool {
    let patient = wait_for_locks(conn, RESTART_LOCK_POLLS);
    let done = checkpoint(conn, mode);
    if let Err(error) = patient.and_then(|()| wait_for_locks(conn, WRITER_LOCK_POLLS)) {
        tracing::warn!(%error, "cannot set the lock patience");
    }
    done
}

/// Failing to fold loses nothing: the log only stays longer.
fn checkpoint(conn: &Connection, mode: &str) -> bool {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    match conn.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
        Ok(busy) => busy == 0,
        Err(error) => {
            tracing::warn!(%error, mode, "folding the log failed");
            false
        }
    }
}
