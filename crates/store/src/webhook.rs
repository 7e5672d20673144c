//! Webhooks in the store: the row that says where and what, how far each one got in the log, and
//! what became of each delivery. A webhook follows the sealed log by position, so there is nothing
//! to write when something happens, and nothing to lose.
//!
//! Whoever delivers holds a lease on the webhook. Every word on how far it got names the lease, so
//! one that was held too long by a slow process is worth nothing any more.

use crate::engine::{DecodeError, Plan, Row, Step, Value, WriteError};
use crate::event::Event;
use crate::{Store, StoreError, canonical};
use serde::{Deserialize, Serialize};

/// A secret that a webhook signed with before its present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSealed {
    /// Ciphertext, in hexadecimal digits.
    pub sealed: String,
    /// Until when messages are signed with it as well, microseconds.
    pub until: i64,
}

/// A webhook as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookRow {
    /// Its name, twelve hexadecimal digits.
    pub id: String,
    /// The tenant.
    pub brand: i64,
    /// The party it belongs to.
    pub party: i64,
    /// What it is for, in words.
    pub name: String,
    /// Where messages go.
    pub url: String,
    /// Kinds of events it wants; none for all its party may be told.
    pub kinds: Vec<String>,
    /// Whether anything is sent.
    pub is_active: bool,
    /// Why it was switched off, where nobody did it by hand: `gone`, `failing`, `restored`.
    pub off_because: Option<String>,
    /// When it was made, microseconds.
    pub created_at: i64,
    /// When it got its present secret; none while that is its first.
    pub rotated_at: Option<i64>,
    /// When it was told to go back last, microseconds.
    #[serde(default)]
    pub rewound_at: Option<i64>,
    /// The secret before, while messages are signed with it as well.
    pub previous: Option<PreviousSealed>,
    /// How often it was told where to go on.
    pub starts: i64,
    /// The index in the log it went on from last.
    pub from_index: i64,
    /// The secret it signs with: ciphertext.
    #[serde(skip)]
    pub sealed: Vec<u8>,
}

/// How far a webhook got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorRow {
    /// The webhook.
    pub webhook: String,
    /// Which of its starts this goes on from.
    pub starts: i64,
    /// The entry of the log that is next.
    pub next: i64,
    /// Failures in a row of that entry.
    pub failures: i64,
    /// When it first failed, microseconds.
    pub event_since: Option<i64>,
    /// When the first delivery failed since the last one that did not.
    pub webhook_since: Option<i64>,
    /// Nothing is sent before.
    pub due_at: i64,
    /// Until when somebody is at it.
    pub leased_until: i64,
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The webhook.
    pub webhook: String,
    /// When it was begun, microseconds.
    pub at: i64,
    /// Row identity.
    pub id: [u8; 16],
    /// The event, in hexadecimal digits.
    pub event: String,
    /// Its kind.
    pub kind: String,
    /// Its place in the log.
    pub position: i64,
    /// Which attempt in a row; 0 for one by hand.
    pub attempt: i64,
    /// `delivered`, `failed`, `given_up`.
    pub outcome: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<i64>,
    /// What kind of failure it was.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: i64,
}

/// An entry of the log with the event it is.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEvent {
    /// Its place.
    pub position: i64,
    /// What happened, without its rows.
    pub event: Event,
}

pub(crate) const WEBHOOKS: &str = "SELECT record, sealed FROM webhook ORDER BY id";
pub(crate) const WEBHOOK_PUT: &str = "INSERT INTO webhook (id, brand_id, sealed, record) \
    VALUES ($1, $2, $3, $4) \
    ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, record = excluded.record";
/// A start that is known moves nothing.
const CURSOR_START: &str = "INSERT INTO webhook_cursor (webhook_id, starts, next_position, \
    failures, due_at, lease, leased_until) VALUES ($1, $2, $3, 0, 0, '', 0) \
    ON CONFLICT (webhook_id) DO UPDATE SET starts = excluded.starts, \
    next_position = excluded.next_position, failures = 0, event_since = NULL, \
    webhook_since = NULL, due_at = 0, lease = '', leased_until = 0 \
    WHERE webhook_cursor.starts < excluded.starts";
const WEBHOOK_DROP: &str = "DELETE FROM webhook WHERE id = $1";
const CURSOR_DROP: &str = "DELETE FROM webhook_cursor WHERE webhook_id = $1";
const DELIVERIES_DROP: &str = "DELETE FROM webhook_delivery WHERE webhook_id = $1";
const CURSORS: &str = "SELECT webhook_id, starts, next_position, failures, event_since, \
    webhook_since, due_at, leased_until FROM webhook_cursor";
const CURSOR: &str = "SELECT webhook_id, starts, next_position, failures, event_since, \
    webhook_since, due_at, leased_until FROM webhook_cursor WHERE webhook_id = $1";
const LEASE: &str = "UPDATE webhook_cursor SET lease = $4, leased_until = $5 \
    WHERE webhook_id = $1 AND starts = $2 AND next_position = $3 AND leased_until <= $6";
/// Over what concerns others nobody need be at it: who looked further than another says so.
const SKIP: &str = "UPDATE webhook_cursor SET next_position = $4 \
    WHERE webhook_id = $1 AND starts = $2 AND next_position = $3 AND leased_until <= $5 \
    AND failures = 0";
const CURSOR_PUT: &str = "UPDATE webhook_cursor SET next_position = $4, failures = $5, \
    event_since = $6, webhook_since = $7, due_at = $8, leased_until = $9 \
    WHERE webhook_id = $1 AND starts = $2 AND lease = $3";
const EVENTS: &str = "SELECT s.position, e.kind, e.canonical FROM sealed s \
    JOIN event e ON e.home = s.home AND e.id = s.event_id \
    WHERE s.position >= $1 AND s.position < $2 AND e.brand_id = $3 ORDER BY s.position";
const ROWS_COUNT: &str = "SELECT COUNT(*) FROM event_subject WHERE event_id = $1";
const ROWS_FIRST: &str =
    "SELECT subject FROM event_subject WHERE event_id = $1 ORDER BY subject LIMIT $2";
/// Locks the webhook's place, so whoever removes it comes before or after.
const CURSOR_IS: &str = "UPDATE webhook_cursor SET webhook_id = webhook_id WHERE webhook_id = $1";
const DELIVERY_ADD: &str = "INSERT INTO webhook_delivery (webhook_id, at, id, event_id, kind, \
    position, attempt, outcome, status, error, duration_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const DELIVERIES: &str = "SELECT webhook_id, at, id, event_id, kind, position, attempt, outcome, \
    status, error, duration_ms FROM webhook_delivery \
    WHERE webhook_id = $1 AND at >= $2 AND at <= $3 AND (at < $3 OR id < $4) \
    ORDER BY at DESC, id DESC LIMIT $5";
const DELIVERY_OF: &str = "SELECT webhook_id, at, id, event_id, kind, position, attempt, outcome, \
    status, error, duration_ms FROM webhook_delivery \
    WHERE webhook_id = $1 AND event_id = $2 ORDER BY at DESC LIMIT 1";
const DELIVERY_NTH: &str =
    "SELECT at FROM webhook_delivery WHERE webhook_id = $1 ORDER BY at DESC LIMIT 1 OFFSET $2";
const DELIVERIES_PRUNE: &str = "DELETE FROM webhook_delivery WHERE webhook_id = $1 AND at <= $2";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    WEBHOOKS,
    WEBHOOK_PUT,
    CURSOR_START,
    WEBHOOK_DROP,
    CURSOR_DROP,
    DELIVERIES_DROP,
    CURSORS,
    CURSOR,
    LEASE,
    SKIP,
    CURSOR_PUT,
    EVENTS,
    ROWS_COUNT,
    ROWS_FIRST,
    CURSOR_IS,
    DELIVERY_ADD,
    DELIVERIES,
    DELIVERY_OF,
    DELIVERY_NTH,
    DELIVERIES_PRUNE,
];

/// Who is at a webhook, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Drawn at random.
    pub name: String,
    /// Microseconds.
    pub until: i64,
}

impl WebhookRow {
    /// The statements that write the row, and its cursor where it starts.
    pub(crate) fn put(&self) -> [Step; 2] {
        let record = crate::reference::text(self);
        let id = || Value::from(&self.id);
        let start = vec![id(), self.starts.into(), self.from_index.into()];
        [
            Step::run(
                WEBHOOK_PUT,
                vec![id(), self.brand.into(), self.sealed.clone().into(), record],
            ),
            Step::run(CURSOR_START, start),
        ]
    }

    /// The statements that remove it with all that is beside it.
    pub(crate) fn removal(&self) -> [Step; 3] {
        [WEBHOOK_DROP, CURSOR_DROP, DELIVERIES_DROP]
            .map(|sql| Step::run(sql, vec![(&self.id).into()]))
    }
}

pub(crate) fn read(row: &Row<'_>) -> Result<WebhookRow, DecodeError> {
    let mut webhook: WebhookRow = crate::reference::json(row, 0)?;
    webhook.sealed = row.bytes(1)?;
    Ok(webhook)
}

impl Store {
    /// How far every webhook got.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn webhook_cursors(&self) -> Result<Vec<CursorRow>, StoreError> {
        Ok(self.engine.query(CURSORS, &[], cursor).await?)
    }

    /// How far a webhook got.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn webhook_cursor(&self, id: &str) -> Result<Option<CursorRow>, StoreError> {
        Ok(self.engine.query_first(CURSOR, &[id.into()], cursor).await?)
    }

    /// Takes a webhook, as it was read, under a lease. False when somebody else is at it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn webhook_lease(
        &self,
        from: &CursorRow,
        lease: &Lease,
        now: i64,
    ) -> Result<bool, StoreError> {
        let mut params = place(from);
        params.extend([(&lease.name).into(), lease.until.into(), now.into()]);
        self.moved(vec![Step::change_one(LEASE, params, "webhook")]).await
    }

    /// Notes that nothing up to `next` concerns a webhook that nobody is at. False when somebody
    /// is, or was.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn webhook_skip(
        &self,
        from: &CursorRow,
        next: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        let mut params = place(from);
        params.extend([next.into(), now.into()]);
        self.moved(vec![Step::change_one(SKIP, params, "webhook")]).await
    }

    /// Writes how far a webhook got, and what became of a delivery. False when the lease is
    /// another's by now, or the webhook was told to go on from elsewhere: nothing was written.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn webhook_move(
        &self,
        to: &CursorRow,
        lease: &Lease,
        delivery: Option<&DeliveryRow>,
    ) -> Result<bool, StoreError> {
        let params: Vec<Value> = vec![
            (&to.webhook).into(),
            to.starts.into(),
            (&lease.name).into(),
            to.next.into(),
            to.failures.into(),
            to.event_since.into(),
            to.webhook_since.into(),
            to.due_at.into(),
            to.leased_until.into(),
        ];
        let mut steps = vec![Step::change_one(CURSOR_PUT, params, "webhook")];
        steps.extend(delivery.map(added));
        self.moved(steps).await
    }

    async fn moved(&self, steps: Vec<Step>) -> Result<bool, StoreError> {
        match self.engine.write(Plan::new(steps)).await {
            Ok(()) => Ok(true),
            Err(WriteError::Conflict { .. }) => Ok(false),
            Err(other) => Err(StoreError::Write(other)),
        }
    }

    /// Adds a delivery that was made by hand. False when the webhook was removed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn delivery_add(&self, delivery: &DeliveryRow) -> Result<bool, StoreError> {
        let is_there = Step::change_one(CURSOR_IS, vec![(&delivery.webhook).into()], "webhook");
        self.moved(vec![is_there, added(delivery)]).await
    }

    /// Deliveries of a webhook since an instant, the newest first, of these only those before one:
    /// its instant and identity.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn deliveries(
        &self,
        (webhook, since): (&str, i64),
        (at, id): (i64, [u8; 16]),
        most: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let params: [Value; 5] = [webhook.into(), since.into(), at.into(), id.into(), most.into()];
        Ok(self.engine.query(DELIVERIES, &params, delivery).await?)
    }

    /// The latest delivery of an event to a webhook.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn delivery_of(
        &self,
        webhook: &str,
        event: &str,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let params = [webhook.into(), event.into()];
        Ok(self.engine.query_first(DELIVERY_OF, &params, delivery).await?)
    }

    /// Forgets deliveries of a webhook up to an instant, and all but the newest so many.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn deliveries_prune(
        &self,
        webhook: &str,
        upto: i64,
        most: usize,
    ) -> Result<(), StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let params = [webhook.into(), most.into()];
        let nth = self.engine.query_first(DELIVERY_NTH, &params, |r| r.int(0)).await?;
        let upto = nth.map_or(upto, |at| at.max(upto));
        let step = Step::run(DELIVERIES_PRUNE, vec![webhook.into(), upto.into()]);
        self.engine.write(Plan::new(vec![step])).await.map_err(StoreError::Write)
    }

    /// Events of a brand whose kind is wanted, from one place of the log up to another, in order.
    ///
    /// # Errors
    /// The store cannot be read, or an event makes no sense.
    pub async fn log_events(
        &self,
        (from, end): (i64, i64),
        brand: i64,
        wanted: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<Vec<LogEvent>, StoreError> {
        let map = |r: &Row<'_>| {
            if !wanted(&r.text(1)?) {
                return Ok(None);
            }
            let event = canonical::unseal(&r.text(2)?, &[]);
            let event = event.map_err(|e| DecodeError::new(2, "an event", e))?;
            Ok(Some(LogEvent { position: r.int(0)?, event }))
        };
        let params = [from.into(), end.into(), brand.into()];
        Ok(self.engine.query(EVENTS, &params, map).await?.into_iter().flatten().collect())
    }

    /// How many subjects a bulk event has, and the first of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn event_subjects(
        &self,
        event: &[u8; 16],
        most: usize,
    ) -> Result<(i64, Vec<i64>), StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let id = || Value::from(event.as_slice());
        let count = self.engine.query_first(ROWS_COUNT, &[id()], |r| r.int(0)).await?;
        let first = self.engine.query(ROWS_FIRST, &[id(), most.into()], |r| r.int(0)).await?;
        Ok((count.unwrap_or(0), first))
    }
}

fn place(from: &CursorRow) -> Vec<Value> {
    vec![(&from.webhook).into(), from.starts.into(), from.next.into()]
}

fn added(d: &DeliveryRow) -> Step {
    let params: [Value; 11] = [
        (&d.webhook).into(),
        d.at.into(),
        d.id.into(),
        (&d.event).into(),
        (&d.kind).into(),
        d.position.into(),
        d.attempt.into(),
        (&d.outcome).into(),
        d.status.into(),
        d.error.clone().into(),
        d.duration_ms.into(),
    ];
    Step::run(DELIVERY_ADD, params.to_vec())
}

fn cursor(r: &Row<'_>) -> Result<CursorRow, DecodeError> {
    Ok(CursorRow {
        webhook: r.text(0)?,
        starts: r.int(1)?,
        next: r.int(2)?,
        failures: r.int(3)?,
        event_since: r.opt_int(4)?,
        webhook_since: r.opt_int(5)?,
        due_at: r.int(6)?,
        leased_until: r.int(7)?,
    })
}

fn delivery(r: &Row<'_>) -> Result<DeliveryRow, DecodeError> {
    let id = <[u8; 16]>::try_from(r.bytes(2)?);
    Ok(DeliveryRow {
        webhook: r.text(0)?,
        at: r.int(1)?,
        id: id.map_err(|_| DecodeError::new(2, "an identity", "other bytes"))?,
        event: r.text(3)?,
        kind: r.text(4)?,
        position: r.int(5)?,
        attempt: r.int(6)?,
        outcome: r.text(7)?,
        status: r.opt_int(8)?,
        error: r.opt_text(9)?,
        duration_ms: r.int(10)?,
    })
}
