//! PostgreSQL: connections and reads.
//!
//! tokio-postgres pipelines: many callers may have queries under way on one connection. So a few
//! *shared* connections carry all reads, and *own* connections are lent to one transaction or one
//! stream at a time. A connection that turns out to be closed is replaced at its next use, so a
//! server that was restarted works again as soon as it is back.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::error::{EngineError, Fault, WriteError};
use super::migrate::Migration;
use super::plan::Plan;
use super::sql::{SqlKey, key_of};
use super::stream::{CHUNK_ROWS, ChunkSender, RowStream, row_stream};
use super::value::{DecodeError, Row, Value};

/// Connections that all reads share.
const SHARED_LINKS: usize = 4;
/// Connections lent to transactions: as many as run at the same time.
const WRITE_LINKS_MAX: usize = 8;
/// Streams that read at the same time, each on its own connection.
const STREAMS_MAX: usize = 8;
/// A server that does not answer a connection attempt is out of reach.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// A server that has not acknowledged bytes for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// After a failed attempt, callers are refused for so long without another attempt.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// A read that met a closed connection or an outdated statement is tried once more.
const READ_TRIES: usize = 2;

/// A PostgreSQL database.
#[derive(Clone)]
pub struct Pg {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    config: Config,
    slots: Vec<Slot>,
    turn: AtomicUsize,
    /// Idle connections of their own, the most recently used last.
    idle: Mutex<Vec<Link>>,
    pub(super) writes: Semaphore,
    streams: Semaphore,
}

impl std::fmt::Debug for Pg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.shared.config.get_hosts();
        f.debug_struct("Pg").field("hosts", &hosts).finish_non_exhaustive()
    }
}

/// The place of one shared connection.
#[derive(Default)]
struct Slot {
    link: Mutex<Option<Arc<Link>>>,
    /// Held while connecting, so that a hundred callers make one attempt. When the last failed.
    failed_at: tokio::sync::Mutex<Option<Instant>>,
}

/// One connection and its prepared statements.
pub(super) struct Link {
    pub client: Client,
    statements: Mutex<HashMap<StatementKey, Statement>>,
}

/// What a prepared statement was made from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum StatementKey {
    Plain(SqlKey),
    /// With `FOR SHARE` appended.
    Locking(SqlKey),
    /// The addresses of the table's name and of the list of columns.
    Insert(SqlKey, usize),
    Copy(SqlKey, usize),
}

impl Link {
    pub async fn open(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "connection to PostgreSQL lost");
            }
        });
        Ok(Self { client, statements: Mutex::default() })
    }

    /// The prepared statement, made at its first use on this connection.
    pub async fn statement(
        &self,
        key: StatementKey,
        text: impl FnOnce() -> String,
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.known().get(&key) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&text()).await?;
        self.known().insert(key, statement.clone());
        Ok(statement)
    }

    pub async fn plain(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        self.statement(StatementKey::Plain(key_of(sql)), || sql.to_owned()).await
    }

    /// Forgets every statement: the schema has changed under them.
    pub fn forget_statements(&self) {
        self.known().clear();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<StatementKey, Statement>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a statement failed on one connection.
pub(super) enum Failure {
    Server(tokio_postgres::Error),
    Decode(DecodeError),
    /// A fault of the program that was seen before anything was sent.
    Program(String),
    /// No connection could be made; what was logged.
    NoLink(Fault),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Decode(error) => Self::Decode(error),
            Failure::NoLink(fault) => Self::Unavailable(fault),
            Failure::Program(cause) => Self::Internal(Fault::log("reading", cause)),
            Failure::Server(error) if is_outage(&error) => {
                Self::Unavailable(Fault::log("reading", in_full(&error)))
            }
            Failure::Server(error) => Self::Internal(Fault::log("reading", in_full(&error))),
        }
    }
}

/// An error with the server's words, which its own display leaves to its source. Without their
/// detail, which shows the row that failed, and with it what the log must never hold.
pub(super) fn in_full(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let code = said.code().code();
        return format!("{error}: {} {code}: {}", said.severity(), said.message());
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Whether the connection is lost, or the server is unable to work at all just now.
pub(super) fn is_outage(error: &tokio_postgres::Error) -> bool {
    match error.code().map(SqlState::code) {
        // 08 connection, 53 resources, 57 operator intervention, 58 system errors outside.
        Some(code) => ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)),
        None => error.is_closed() || has_io_source(error),
    }
}

fn has_io_source(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// `ALTER TABLE` by another process: "cached plan must not change result type".
pub(super) fn is_stale_statement(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
}

pub(super) fn check_arity(
    sql: &str,
    statement: &Statement,
    params: &[Value],
) -> Result<(), Failure> {
    let wanted = statement.params().len();
    if wanted == params.len() {
        return Ok(());
    }
    Err(Failure::Program(format!("{} values for {wanted} parameters of: {sql}", params.len())))
}

fn config_of(url: &str) -> Result<Config, EngineError> {
    let mut config: Config = url
        .parse()
        .map_err(|error| EngineError::Open(format!("the PostgreSQL URL is wrong: {error}")))?;
    config.connect_timeout(CONNECT_PATIENCE).tcp_user_timeout(SILENCE_MAX);
    if config.get_application_name().is_none() {
        config.application_name("dossier");
    }
    Ok(config)
}

async fn first_link(config: &Config) -> Result<Link, EngineError> {
    Link::open(config).await.map_err(|error| {
        EngineError::Open(format!("cannot connect to PostgreSQL: {}", in_full(&error)))
    })
}

impl Pg {
    /// Connections that write and that stream just now.
    pub(super) fn busy(&self) -> (usize, usize) {
        let taken = |most: usize, room: &Semaphore| most.saturating_sub(room.available_permits());
        let shared = &self.shared;
        (taken(WRITE_LINKS_MAX, &shared.writes), taken(STREAMS_MAX, &shared.streams))
    }

    /// Whether a store was opened in a database before. Changes nothing there.
    pub(super) async fn holds_store(url: &str) -> Result<bool, EngineError> {
        let link = first_link(&config_of(url)?).await?;
        let found = link.client.query_one("SELECT to_regclass('schema_history') IS NOT NULL", &[]);
        Ok(found.await.map_err(Failure::from)?.get(0))
    }

    pub(super) async fn open(url: &str, migrations: &[Migration]) -> Result<Self, EngineError> {
        let shared = Shared {
            config: config_of(url)?,
            slots: (0..SHARED_LINKS).map(|_| Slot::default()).collect(),
            turn: AtomicUsize::new(0),
            idle: Mutex::default(),
            writes: Semaphore::new(WRITE_LINKS_MAX),
            streams: Semaphore::new(STREAMS_MAX),
        };
        let link = first_link(&shared.config).await?;
        super::pg_migrate::run(&link.client, migrations).await?;
        shared.give_back(link);
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) async fn query<T>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send,
    ) -> Result<Vec<T>, EngineError>
    where
        T: Send,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let link = self.shared.shared_link().await?;
            let failure = match link.select(sql, params, &map).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            let again = match &failure {
                Failure::Server(error) if is_stale_statement(error) => {
                    link.forget_statements();
                    true
                }
                Failure::Server(error) => is_outage(error),
                _ => false,
            };
            if !again || tries >= READ_TRIES {
                return Err(failure.into());
            }
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
            let _permit = shared.streams.acquire().await;
            let result = match shared.own_link().await {
                Ok(link) => match link.send_chunks(sql, &params, map, &sender).await {
                    Ok(last) => {
                        shared.give_back(link);
                        Ok(last)
                    }
                    // The connection may still be full of unread rows: it is closed.
                    Err(failure) => Err(failure.into()),
                },
                Err(fault) => Err(EngineError::Unavailable(fault)),
            };
            let _ = match result {
                Ok(Some(last)) if last.is_empty() => sender.send(Ok(last)).await,
                Ok(Some(last)) => match sender.send(Ok(last)).await {
                    Ok(()) => sender.send(Ok(Vec::new())).await,
                    unheard => unheard,
                },
                Ok(None) => Ok(()),
                Err(error) => sender.send(Err(error)).await,
            };
        });
        stream
    }

    pub(super) async fn write(&self, plan: Plan) -> Result<(), WriteError> {
        // Its own task: a caller that goes away must not leave a transaction half sent.
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move { shared.transact(&plan).await });
        task.await.unwrap_or_else(|error| {
            let fault = Fault::log("writing", error);
            Err(WriteError::Unavailable { outcome_unknown: true, fault })
        })
    }

    pub(super) async fn check(&self, sql: &'static str) -> Result<usize, EngineError> {
        let link = self.shared.shared_link().await?;
        let statement = link.client.prepare(sql).await.map_err(Failure::from)?;
        Ok(statement.params().len())
    }
}

impl Shared {
    /// One of the shared connections, each in turn.
    async fn shared_link(&self) -> Result<Arc<Link>, Failure> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let slot = &self.slots[turn % SHARED_LINKS];
        if let Some(link) = slot.open_link() {
            return Ok(link);
        }
        let mut failed_at = slot.failed_at.lock().await;
        if let Some(link) = slot.open_link() {
            return Ok(link);
        }
        if failed_at.is_some_and(|at| at.elapsed() < RECONNECT_PAUSE) {
            return Err(Failure::NoLink(Fault::log("connecting", "the last attempt just failed")));
        }
        match Link::open(&self.config).await {
            Ok(link) => {
                let link = Arc::new(link);
                *failed_at = None;
                *slot.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&link));
                Ok(link)
            }
            Err(error) => {
                *failed_at = Some(Instant::now());
                Err(Failure::NoLink(Fault::log("connecting", in_full(&error))))
            }
        }
    }

    /// A connection for one transaction or stream.
    pub(super) async fn own_link(&self) -> Result<Link, Fault> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(link) if link.client.is_closed() => {}
                Some(link) => return Ok(link),
                None => {
                    return Link::open(&self.config)
                        .await
                        .map_err(|error| Fault::log("connecting", in_full(&error)));
                }
            }
        }
    }

    /// Takes back a connection on which nothing is under way.
    pub(super) fn give_back(&self, link: Link) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < WRITE_LINKS_MAX && !link.client.is_closed() {
            idle.push(link);
        }
    }
}

impl Slot {
    fn open_link(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| !link.client.is_closed()).cloned()
    }
}

impl Link {
    async fn select<T>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: &(impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send),
    ) -> Result<Vec<T>, Failure> {
        let statement = self.plain(sql).await?;
        check_arity(sql, &statement, params)?;
        let mut rows = pin!(self.client.query_raw(&statement, params).await?);
        let mut found = Vec::new();
        while let Some(row) = rows.try_next().await? {
            found.push(map(&Row::Pg(&row)).map_err(Failure::Decode)?);
        }
        Ok(found)
    }

    /// Sends full chunks and returns the rows of the last; `None` when nobody listens any more.
    /// The connection reads from its socket only as fast as rows are taken from it.
    async fn send_chunks<T>(
        &self,
        sql: &'static str,
        params: &[Value],
        map: impl Fn(&Row<'_>) -> Result<T, DecodeError> + Send,
        sender: &ChunkSender<T>,
    ) -> Result<Option<Vec<T>>, Failure> {
        let statement = self.plain(sql).await?;
        check_arity(sql, &statement, params)?;
        let mut rows = pin!(self.client.query_raw(&statement, params).await?);
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        while let Some(row) = rows.try_next().await? {
            chunk.push(map(&Row::Pg(&row)).map_err(Failure::Decode)?);
            if chunk.len() == CHUNK_ROWS {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
                if sender.send(Ok(full)).await.is_err() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(chunk))
    }
}
