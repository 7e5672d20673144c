//! Bringing events to webhooks, one after another in the order of the log. Whoever is at a webhook
//! holds a lease, so any number of processes may look for work, and one that dies leaves it to the
//! others. What was taken is noted before the next is sent: a process that dies between the two
//! sends it again, under the same `webhook-id`.

use super::super::house::House;
use super::super::outcome::FlowError;
use super::super::reference::Reference;
use super::send::{Attempt, send};
use super::{feed, index, size, switch_off};
use crate::secrets;
use domain::webhook::{DELIVERIES_KEPT, DELIVERIES_MAX, Failing, Then, after, failing_since};
use futures_util::stream::{self, StreamExt};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use store::canonical::hex;
use store::webhook::{CursorRow, Lease, LogEvent, WebhookRow};

/// Webhooks brought to at a time by one process, and of these those of one brand: a brand whose
/// receivers are slow holds up no other.
pub const AT_ONCE_MAX: usize = 16;
/// See [`AT_ONCE_MAX`].
pub const AT_ONCE_OF_BRAND_MAX: usize = 4;
/// Events brought in a row, before others have their turn.
const IN_A_ROW_MAX: usize = 100;
/// Entries of the log looked at by one question.
const WINDOW: i64 = 500;
/// Entries looked at in one turn, where none of them concerns the webhook: one that was sent far
/// back reads on a bit at each look, and others have theirs between.
const LOOK_MAX: i64 = 4 * WINDOW;
/// A webhook that was told nothing of so many entries is noted to be so far.
const SKIP_MIN: i64 = 8 * WINDOW;
/// A lease outlasts the longest exchange by far: half a minute.
const LEASE_MICROS: i64 = 30 * 1_000_000;

/// What this process did, and how far it looked.
#[derive(Default)]
pub struct Couriers {
    looked: Mutex<HashMap<String, (i64, i64)>>,
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    switched_off: AtomicU64,
}

/// What this process did since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Messages that were taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Events that were given up.
    pub given_up: u64,
    /// Webhooks that were switched off.
    pub switched_off: u64,
}

impl Couriers {
    /// What was done.
    pub fn done(&self) -> Done {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Done {
            delivered: of(&self.delivered),
            failed: of(&self.failed),
            given_up: of(&self.given_up),
            switched_off: of(&self.switched_off),
        }
    }

    /// Up to where this process has seen that nothing concerns the webhook.
    pub(in super::super) fn looked(&self, cursor: &CursorRow) -> i64 {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = looked.get(&cursor.webhook).filter(|(starts, _)| *starts == cursor.starts);
        seen.map_or(cursor.next, |(_, upto)| cursor.next.max(*upto))
    }

    fn note(&self, cursor: &CursorRow, upto: i64) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.insert(cursor.webhook.clone(), (cursor.starts, upto));
    }

    fn forget_others(&self, reference: &Reference) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|id, _| reference.webhook(id).is_some());
    }
}

/// A webhook whose turn it is.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The webhook.
    pub row: Arc<WebhookRow>,
    cursor: CursorRow,
    end: i64,
}

/// The webhooks whose turn it is: active ones that nobody is at, whose wait is over, and behind
/// whose place the log goes on.
///
/// # Errors
/// The store cannot be read.
pub async fn turns(house: &House) -> Result<Vec<Turn>, FlowError> {
    let reference = house.reference().await?;
    if !reference.webhooks().any(|row| row.is_active) {
        return Ok(Vec::new());
    }
    house.couriers.forget_others(&reference);
    let end = index(size(house).await?);
    let now = house.clock.now().as_microsecond();
    let turn = |cursor: CursorRow| {
        let row = reference.webhook(&cursor.webhook).filter(|row| row.is_active)?;
        let is_due = cursor.due_at <= now && cursor.leased_until <= now;
        let is_behind = house.couriers.looked(&cursor) < end;
        (is_due && is_behind).then(|| Turn { row: Arc::clone(row), cursor, end })
    };
    Ok(house.store.webhook_cursors().await?.into_iter().filter_map(turn).collect())
}

/// Brings to every webhook whose turn it is. Returns how many messages were sent.
///
/// # Errors
/// The store does not answer.
pub async fn run_due(house: &House) -> Result<usize, FlowError> {
    let turns = turns(house).await?;
    let bring = |turn: Turn| async move { bring(house, turn).await };
    let mut running = stream::iter(turns).map(bring).buffer_unordered(AT_ONCE_MAX);
    let mut sent = 0;
    while let Some(one) = running.next().await {
        sent += one?;
    }
    Ok(sent)
}

/// Brings what is due to one webhook. Returns how many messages were sent.
///
/// # Errors
/// The store does not answer.
pub async fn bring(house: &House, turn: Turn) -> Result<usize, FlowError> {
    let Turn { row, cursor, end } = turn;
    // Read after the log's end was: batches of every event up to there are known, and what the
    // webhook is to be told of them.
    let reference = house.reference_now().await?;
    let row = reference.webhook(&row.id).filter(|row| row.is_active);
    let Some(row) = row.cloned() else { return Ok(0) };
    let from = house.couriers.looked(&cursor);
    let (is_near, now) = (end - from <= WINDOW, house.clock.now().as_microsecond());
    // Who is far behind is looked after by one process alone, so the lease comes first.
    let found = match is_near {
        true => feed::between(house, &reference, &row, (from, end)).await?,
        false => Vec::new(),
    };
    if is_near && found.is_empty() && cursor.failures == 0 {
        house.couriers.note(&cursor, end);
        if end - cursor.next >= SKIP_MIN {
            house.store.webhook_skip(&cursor, end, now).await?;
        }
        return Ok(0);
    }
    let lease = Lease { name: hex(&secrets::random::<12>()?), until: now + LEASE_MICROS };
    if !house.store.webhook_lease(&cursor, &lease, now).await? {
        return Ok(0);
    }
    let mut errand = Errand { house, lease, cursor, sent: 0 };
    let upto = if is_near { end } else { from };
    errand.all(found, (upto, end)).await?;
    Ok(errand.sent)
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Over,
}

/// The way to one webhook, under a lease.
struct Errand<'a> {
    house: &'a House,
    lease: Lease,
    cursor: CursorRow,
    sent: usize,
}

impl Errand<'_> {
    /// Brings what was found, then what follows, until there is no more, it is enough for one turn,
    /// or it fails.
    async fn all(
        &mut self,
        mut found: Vec<LogEvent>,
        (mut from, stop): (i64, i64),
    ) -> Result<(), FlowError> {
        let stop = stop.min(from + LOOK_MAX);
        loop {
            for one in &found {
                if self.sent >= IN_A_ROW_MAX {
                    return self.release().await;
                }
                if self.one(one).await? == Going::Over {
                    return self.tidy().await;
                }
            }
            self.pass(from);
            if from >= stop || self.sent >= IN_A_ROW_MAX {
                break;
            }
            let Some((reference, row)) = self.row().await? else { break };
            if !self.renew().await? {
                return Ok(());
            }
            let upto = stop.min(from + WINDOW);
            found = feed::between(self.house, &reference, &row, (from, upto)).await?;
            from = upto;
        }
        self.release().await
    }

    /// Notes how far it got, and lets others at it.
    async fn release(&mut self) -> Result<(), FlowError> {
        self.cursor.leased_until = 0;
        self.house.store.webhook_move(&self.cursor, &self.lease, None).await?;
        self.tidy().await
    }

    /// The webhook as it is now; none when it is switched off or removed.
    async fn row(&self) -> Result<Option<(Arc<Reference>, Arc<WebhookRow>)>, FlowError> {
        let reference = self.house.reference_now().await?;
        let row = reference.webhook(&self.cursor.webhook).filter(|row| row.is_active).cloned();
        Ok(row.map(|row| (reference, row)))
    }

    async fn one(&mut self, found: &LogEvent) -> Result<Going, FlowError> {
        let (house, store) = (self.house, &self.house.store);
        let Some((reference, row)) = self.row().await? else {
            self.release().await?;
            return Ok(Going::Over);
        };
        // What was found for it may be none of its business any more.
        if !feed::tells(house, &reference, &row, &found.event).await? {
            self.pass(found.position + 1);
            return Ok(Going::On);
        }
        let message = feed::message(house, &reference, found).await?;
        let attempt = send(house, &row, &message).await?;
        self.sent += 1;
        let mut delivery = attempt.row(&row.id, &message, self.cursor.failures + 1);
        let then = self.settle(&attempt, found.position)?;
        let given_up = matches!(then, Some(Then::GiveUp));
        if given_up {
            delivery.outcome = "given_up".to_owned();
        }
        let goes_on = attempt.is_delivered() || (given_up && self.sent < IN_A_ROW_MAX);
        let until = house.clock.now().as_microsecond() + LEASE_MICROS;
        self.cursor.leased_until = if goes_on { until } else { 0 };
        if !store.webhook_move(&self.cursor, &self.lease, Some(&delivery)).await? {
            // Another is at it by now, or it was told to go on from elsewhere.
            return Ok(Going::Over);
        }
        self.count(&attempt, then);
        if attempt.is_gone() {
            self.switch_off("gone").await?;
        } else if then == Some(Then::SwitchOff) {
            self.switch_off("failing").await?;
        }
        Ok(if goes_on { Going::On } else { Going::Over })
    }

    /// Goes on at an entry, behind what it is not told: what failed before that is no matter.
    fn pass(&mut self, next: i64) {
        if next > self.cursor.next {
            self.cursor.next = next;
            (self.cursor.failures, self.cursor.event_since) = (0, None);
        }
    }

    /// Notes how far it got, and goes on. False when another is at it by now.
    async fn renew(&mut self) -> Result<bool, FlowError> {
        self.cursor.leased_until = self.house.clock.now().as_microsecond() + LEASE_MICROS;
        Ok(self.house.store.webhook_move(&self.cursor, &self.lease, None).await?)
    }

    /// Where the webhook stands after an attempt, and what follows a failure.
    fn settle(&mut self, attempt: &Attempt, position: i64) -> Result<Option<Then>, FlowError> {
        let cursor = &mut self.cursor;
        if attempt.is_delivered() {
            cursor.next = position + 1;
            (cursor.failures, cursor.due_at) = (0, 0);
            (cursor.event_since, cursor.webhook_since) = (None, None);
            return Ok(None);
        }
        let instant = super::super::custody::instant;
        let due = instant(cursor.due_at);
        let since = |first: Option<i64>| failing_since(first.map(instant), due, attempt.at);
        cursor.next = position;
        cursor.failures += 1;
        let failing = Failing {
            failures: u32::try_from(cursor.failures).unwrap_or(u32::MAX),
            event_since: since(cursor.event_since),
            webhook_since: since(cursor.webhook_since),
        };
        cursor.event_since = Some(failing.event_since.as_microsecond());
        cursor.webhook_since = Some(failing.webhook_since.as_microsecond());
        // What comes next is due at once, and known to be due since now.
        cursor.due_at = attempt.at.as_microsecond();
        let spread = u16::from_be_bytes(secrets::random::<2>()?);
        let then = after(&failing, self.house.clock.now(), spread);
        match then {
            Then::Again(due) => cursor.due_at = due.as_microsecond(),
            Then::GiveUp => {
                cursor.next = position + 1;
                (cursor.failures, cursor.event_since) = (0, None);
            }
            Then::SwitchOff => {}
        }
        Ok(Some(then))
    }

    fn count(&self, attempt: &Attempt, then: Option<Then>) {
        let couriers = &self.house.couriers;
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        add(if attempt.is_delivered() { &couriers.delivered } else { &couriers.failed });
        if then == Some(Then::GiveUp) {
            add(&couriers.given_up);
        }
    }

    async fn switch_off(&self, because: &'static str) -> Result<(), FlowError> {
        self.house.couriers.switched_off.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(webhook = self.cursor.webhook, because, "a webhook was switched off");
        switch_off(self.house, &self.cursor.webhook, because).await
    }

    /// Forgets old deliveries.
    async fn tidy(&self) -> Result<(), FlowError> {
        let upto = (self.house.clock.now() - DELIVERIES_KEPT).as_microsecond();
        let store = &self.house.store;
        Ok(store.deliveries_prune(&self.cursor.webhook, upto, DELIVERIES_MAX).await?)
    }
}
