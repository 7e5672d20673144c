//! The one thread that writes to SQLite.
//!
//! An fsync costs a hundred times what a small plan costs, so plans that wait together share one:
//! the thread takes everything that is waiting, runs it in one transaction, commits, and only then
//! answers. While it commits, the next group gathers by itself: there is no timer, a lone plan is
//! committed at once.
//!
//! - A plan that conflicts takes nothing with it. Nearly none does, and a savepoint for each would
//!   copy every page it touches, to a file soon: so a group is run without, and where a plan is
//!   refused, it is rolled back and run again with one savepoint each. So are the groups after it:
//!   where one loses a race others may.
//! - A failure of the storage (full, read-only, I/O) takes the whole group with it, including plans
//!   that had been judged: a conflict may have been with a row that is now gone.
//! - Other processes may write to the same file: `BEGIN IMMEDIATE` waits for its turn.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpointer;
use super::error::{Fault, WriteError};
use super::lineage::Lineage;
use super::lite::SqliteOptions;
use super::log_head::{Claim, Head, LogHead};
use super::plan::{Expect, Plan, Step};
use super::session::{Failure, Role, Session, is_storage};
use super::sql::insert_into;
use super::storage::storage_error;

/// Plans in one transaction: bounds how long the first of them waits for the last.
const GROUP_PLANS_MAX: usize = 1024;
/// Row operations after which a group takes no further plan.
const GROUP_ROWS_MAX: usize = 8192;
/// Groups that are run with savepoints after one in which a plan was refused, so that whoever has
/// plans refused on purpose does not make each group run twice.
const WARY_GROUPS: u32 = 64;
/// Plans that wait for the thread; beyond it, callers wait for a place.
const QUEUE_PLANS_MAX: usize = 8192;

type Answer = Result<(), WriteError>;

enum Message {
    Write(Job),
    Close(oneshot::Sender<()>),
}

struct Job {
    plan: Plan,
    answer: oneshot::Sender<Answer>,
}

/// The handle by which plans reach the thread. The thread ends when the last handle is dropped.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    read_only: Arc<AtomicBool>,
    log_pages: Arc<AtomicU32>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub fn start(
        path: PathBuf,
        options: SqliteOptions,
        claim: Claim,
        (log, lineage): (Option<Arc<LogHead>>, Arc<Lineage>),
    ) -> Result<Self, String> {
        let (queue, waiting) = mpsc::channel(QUEUE_PLANS_MAX);
        let read_only = Arc::new(AtomicBool::new(false));
        let session =
            Session::open(&path, &options, Role::Writer).map_err(|error| error.to_string())?;
        let checkpointer = Checkpointer::start(path.clone(), options.clone(), claim.clone())
            .map_err(|error| error.to_string())?;
        let log_pages = checkpointer.pages();
        let mut scribe = Scribe {
            path,
            options,
            session: None,
            read_only: Arc::clone(&read_only),
            refusing: false,
            wary: 0,
            checkpointer,
            log,
            lineage,
            _claim: claim,
        };
        scribe.adopt(session).map_err(|error| error.to_string())?;
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || scribe.run(waiting))
            .map_err(|error| error.to_string())?;
        Ok(Self { queue, read_only, log_pages, thread: Mutex::new(Some(thread)) })
    }

    /// Pages in the write-ahead log after the last commit.
    pub fn log_pages(&self) -> u32 {
        self.log_pages.load(Ordering::Relaxed)
    }

    pub async fn write(&self, plan: Plan) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = |outcome_unknown| WriteError::Unavailable {
            outcome_unknown,
            fault: Fault::log("writing", "the writer thread has ended"),
        };
        match self.queue.send(Message::Write(Job { plan, answer })).await {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(gone(true))),
            Err(_) => Err(gone(false)),
        }
    }

    pub fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Waits until everything queued has been answered and the thread has closed its connection.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// What the thread owns.
struct Scribe {
    path: PathBuf,
    options: SqliteOptions,
    /// None after a failure that made the connection doubtful; opened again for the next group.
    session: Option<Session>,
    read_only: Arc<AtomicBool>,
    /// What the connection has been told about `read_only`.
    refusing: bool,
    /// How many groups more are run with savepoints.
    wary: u32,
    checkpointer: Checkpointer,
    log: Option<Arc<LogHead>>,
    lineage: Arc<Lineage>,
    /// The last to go: the thread may outlive every handle.
    _claim: Claim,
}

/// One transaction over a group.
struct Run {
    /// Each plan has a savepoint.
    apart: bool,
    /// What became of each plan so far.
    answers: Vec<Answer>,
    /// The log as it stood when the transaction began.
    before: Option<Head>,
    /// It may be on the disk, whatever is answered.
    committing: bool,
}

impl Run {
    fn new(apart: bool) -> Self {
        Self { apart, answers: Vec::new(), before: None, committing: false }
    }

    fn refused(&self) -> bool {
        self.answers.iter().any(Result::is_err)
    }
}

/// How a plan ended that did not run to its end.
enum Verdict {
    /// Refused, without harm to the others.
    Refused(WriteError),
    /// The storage failed: the whole group is void.
    Storage(rusqlite::Error),
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) if is_storage(&error) => Self::Storage(error),
            other => Self::Refused(WriteError::Internal(Fault::log("writing", other))),
        }
    }
}

impl From<rusqlite::Error> for Verdict {
    fn from(error: rusqlite::Error) -> Self {
        Failure::from(error).into()
    }
}

impl Scribe {
    fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut group: Vec<Job> = Vec::new();
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = waiting.blocking_recv() else { break };
            let mut next = Some(first);
            let mut rows = 0;
            while let Some(message) = next {
                match message {
                    Message::Write(job) => {
                        rows += job.plan.weight();
                        group.push(job);
                    }
                    Message::Close(done) => {
                        waiting.close();
                        closing = Some(done);
                    }
                }
                let room = group.len() < GROUP_PLANS_MAX && rows < GROUP_ROWS_MAX;
                next = if room { waiting.try_recv().ok() } else { None };
            }
            self.commit(&mut group);
            if let Some(session) = &mut self.session {
                self.checkpointer.after_commit(&mut session.conn);
            }
        }
        self.checkpointer.finish(self.session.take());
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Commits the group and answers it.
    fn commit(&mut self, group: &mut Vec<Job>) {
        if group.is_empty() {
            return;
        }
        match self.commit_all(group) {
            Ok(answers) => {
                for (job, answer) in group.drain(..).zip(answers) {
                    let _ = job.answer.send(answer);
                }
            }
            Err(error) => {
                for job in group.drain(..) {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
    }

    fn commit_all(&mut self, group: &[Job]) -> Result<Vec<Answer>, WriteError> {
        let commits = self.checkpointer.commits();
        let mut run = Run::new(self.wary > 0 && group.len() > 1);
        self.wary = self.wary.saturating_sub(1);
        let mut result = self.transact(group, &mut run);
        if result.is_ok() && run.refused() && !run.apart && group.len() > 1 {
            run = Run::new(true);
            result = self.transact(group, &mut run);
        }
        if run.apart && run.refused() {
            self.wary = WARY_GROUPS;
        }
        let plans = group.iter().map(|job| &job.plan);
        let Err(error) = result else {
            let wrote = self.checkpointer.commits() != commits;
            let after = self.log.as_ref().and_then(|log| log.read());
            self.lineage.committed((run.before, after), wrote, plans);
            return Ok(run.answers);
        };
        self.lineage.failed(plans);
        self.recover(error.sqlite_error_code());
        Err(storage_error(&error, &self.path, run.committing))
    }

    /// Runs the group in one transaction: whole, but for plans that were refused and kept apart;
    /// one that was not kept apart ends it, and nothing is written.
    fn transact(&mut self, group: &[Job], run: &mut Run) -> rusqlite::Result<()> {
        let log = self.log.clone();
        let session = self.session()?;
        control(session, "BEGIN IMMEDIATE")?;
        run.before = log.as_ref().and_then(|log| log.read());
        for job in group {
            if run.apart {
                run.answers.push(try_plan(session, &job.plan)?);
                continue;
            }
            let answer = run_plan(session, &job.plan)?;
            let refused = answer.is_err();
            run.answers.push(answer);
            if refused {
                return control(session, "ROLLBACK");
            }
        }
        run.committing = true;
        control(session, "COMMIT")
    }

    /// The connection, opened again if it had to be given up.
    fn session(&mut self) -> rusqlite::Result<&mut Session> {
        if self.session.is_none() {
            self.adopt(Session::open(&self.path, &self.options, Role::Writer)?)?;
        }
        let wanted = self.read_only.load(Ordering::Relaxed);
        let session = self.session.as_mut().ok_or(rusqlite::Error::InvalidQuery)?;
        if wanted != self.refusing {
            session.conn.pragma_update(None, "query_only", wanted)?;
            self.refusing = wanted;
        }
        Ok(session)
    }

    fn adopt(&mut self, mut session: Session) -> rusqlite::Result<()> {
        self.checkpointer.watch(&mut session.conn)?;
        self.refusing = false;
        self.session = Some(session);
        Ok(())
    }

    /// Leaves no transaction open. A connection whose file failed it is given up.
    fn recover(&mut self, code: Option<ErrorCode>) {
        let Some(session) = &mut self.session else { return };
        let ended = session.conn.is_autocommit() || control(session, "ROLLBACK").is_ok();
        let harmless = match code {
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => true,
            // Opened while the file system was read-only, it would stay so when that is mended.
            Some(ErrorCode::ReadOnly) => self.refusing,
            _ => false,
        };
        if !ended || !harmless {
            self.session = None;
        }
    }
}

/// BEGIN, SAVEPOINT and their like.
fn control(session: &Session, sql: &'static str) -> rusqlite::Result<()> {
    session.conn.prepare_cached(sql)?.raw_execute().map(drop)
}

/// Runs one plan in its savepoint. The outer error is the storage's.
fn try_plan(session: &mut Session, plan: &Plan) -> rusqlite::Result<Answer> {
    control(session, "SAVEPOINT plan")?;
    let answer = run_plan(session, plan)?;
    if answer.is_err() {
        control(session, "ROLLBACK TO plan")?;
    }
    control(session, "RELEASE plan")?;
    Ok(answer)
}

/// Runs the steps of a plan up to the first that is refused; what they did is not undone. The
/// outer error is the storage's.
fn run_plan(session: &mut Session, plan: &Plan) -> rusqlite::Result<Answer> {
    match plan.steps.iter().try_for_each(|step| do_step(session, step)) {
        Ok(()) => Ok(Ok(())),
        Err(Verdict::Storage(error)) => Err(error),
        Err(Verdict::Refused(refusal)) => Ok(Err(refusal)),
    }
}

fn do_step(session: &mut Session, step: &Step) -> Result<(), Verdict> {
    match step {
        Step::Run { sql, params, expect } => match *expect {
            Expect::Found(relied_on) | Expect::Seen(relied_on) => {
                let mut found = false;
                session.select(sql, params, |_| {
                    found = true;
                    Ok::<_, Failure>(false)
                })?;
                meet(found, relied_on)
            }
            Expect::Any => change(session, sql, params).map(drop),
            Expect::Changes(wanted, relied_on) => {
                meet(change(session, sql, params)? == wanted, relied_on)
            }
        },
        Step::Bulk { table, columns, values } => {
            if columns.is_empty() || !values.len().is_multiple_of(columns.len()) {
                return Err(bulk_shape(table));
            }
            let insert = insert_into(table, columns);
            let mut statement = session.conn.prepare_cached(&insert)?;
            for row in values.chunks_exact(columns.len()) {
                for (i, value) in row.iter().enumerate() {
                    statement.raw_bind_parameter(i + 1, value)?;
                }
                if let Err(error) = statement.raw_execute() {
                    drop(statement);
                    return Err(refused(session, error));
                }
            }
            Ok(())
        }
    }
}

fn bulk_shape(table: &str) -> Verdict {
    let cause = format!("values for {table} do not fill whole rows");
    Verdict::Refused(WriteError::Internal(Fault::log("writing", cause)))
}

fn meet(met: bool, relied_on: &'static str) -> Result<(), Verdict> {
    if met { Ok(()) } else { Err(Verdict::Refused(WriteError::Conflict { relied_on })) }
}

fn change(
    session: &mut Session,
    sql: &'static str,
    params: &[super::Value],
) -> Result<u64, Verdict> {
    let result = {
        let mut statement = session.bound(sql, params)?;
        statement.raw_execute()
    };
    match result {
        Ok(count) => Ok(count as u64),
        Err(error) => Err(refused(session, error)),
    }
}

/// Tells a duplicate from a fault.
fn refused(session: &Session, error: rusqlite::Error) -> Verdict {
    let rusqlite::Error::SqliteFailure(code, Some(message)) = &error else {
        return error.into();
    };
    let unique = [
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
        ffi::SQLITE_CONSTRAINT_ROWID,
    ];
    if !unique.contains(&code.extended_code) {
        return error.into();
    }
    let (constraint, columns) = violated(session, message);
    Verdict::Refused(WriteError::Duplicate { constraint, columns })
}

/// Table and columns from `UNIQUE constraint failed: t.a, t.b`, or from the name of an index on
/// expressions: `UNIQUE constraint failed: index 'name'`.
fn violated(session: &Session, message: &str) -> (String, String) {
    let list = message.split_once(": ").map_or(message, |(_, list)| list);
    if let Some(index) = list.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        let sql = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?1";
        let table = session.conn.query_row(sql, [index], |row| row.get(0));
        return (table.unwrap_or_else(|_| index.to_owned()), String::new());
    }
    let mut table = "";
    let mut columns = Vec::new();
    for item in list.split(", ") {
        let (owner, column) = item.split_once('.').unwrap_or((item, ""));
        table = owner;
        columns.push(column);
    }
    (table.to_owned(), columns.join(", "))
}
