//! Reading the whole ledger, oldest first, or the first entries of the log, in constant memory: for
//! rebuilding and auditing.
//!
//! Two streams run side by side in the same order, one of the events, one of their rows; merging
//! them costs no look-up for each event. The streams are two snapshots: rows that are recorded
//! between them are found by [`Store::events_count`] before and after.

use crate::canonical::{Columns, unseal};
use crate::engine::{DecodeError, Row, RowStream};
use crate::event::Event;
use crate::{Store, StoreError};
use std::collections::VecDeque;

macro_rules! events {
    ($rest:literal) => {
        concat!(
            "SELECT e.recorded_at, e.id, e.canonical, u.leaf, s.position, e.home, e.brand_id, \
             e.kind, e.happened_at FROM ",
            $rest
        )
    };
}
const EVENTS: &str = events!(
    "event e LEFT JOIN unsealed u ON u.event_id = e.id AND u.home = e.home \
     LEFT JOIN sealed s ON s.event_id = e.id AND s.home = e.home ORDER BY e.recorded_at, e.id"
);
/// Walks all rows and looks each row's event up.
const ROWS: &str = "SELECT e.recorded_at, s.event_id, s.subject, s.content \
    FROM event_subject s CROSS JOIN event e WHERE e.home = s.home AND e.id = s.event_id \
    ORDER BY e.recorded_at, s.event_id, s.subject";
const SEALED_EVENTS: &str = events!(
    "sealed s CROSS JOIN event e LEFT JOIN unsealed u ON u.event_id = e.id AND u.home = e.home \
     WHERE s.position < $1 AND e.home = s.home AND e.id = s.event_id ORDER BY s.position, e.id"
);
const SEALED_ROWS: &str = "SELECT s.position, r.event_id, r.subject, r.content \
    FROM sealed s CROSS JOIN event_subject r WHERE s.position < $1 AND r.event_id = s.event_id \
    AND r.home = s.home ORDER BY s.position, r.event_id, r.subject";
const COUNT: &str = "SELECT COUNT(*) FROM event";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[EVENTS, ROWS, SEALED_EVENTS, SEALED_ROWS, COUNT];

/// An event as it stands in the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: Vec<u8>,
    /// Its text.
    pub canonical: String,
    /// Its rows, by unit number.
    pub rows: Vec<(i64, String)>,
    /// The hash recorded with it, until the sealer takes it.
    pub leaf: Option<Vec<u8>>,
    /// Which entry of the log it is, from then on.
    pub position: Option<u64>,
    recorded_at: i64,
    home: i64,
    brand: i64,
    kind: String,
    happened_at: i64,
}

impl Entry {
    /// Reads it as an event.
    ///
    /// # Errors
    /// The text or a row cannot be read, or a column says something else than the text.
    pub fn event(&self) -> Result<Event, String> {
        let event = unseal(&self.canonical, &self.rows).map_err(|e| e.to_string())?;
        match self.columns().unlike(&Columns::of(&event)) {
            Some(what) => Err(what.to_owned()),
            None => Ok(event),
        }
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            home: self.home,
            id: &self.id,
            brand: self.brand,
            kind: &self.kind,
            happened_at: self.happened_at,
            recorded_at: self.recorded_at,
        }
    }

    /// Its name in hexadecimal.
    pub fn name(&self) -> String {
        crate::canonical::hex(&self.id)
    }
}

struct EntryRow {
    /// What its event is ordered by.
    place: i64,
    event: Vec<u8>,
    subject: i64,
    content: String,
}

/// The ledger from its first event to its last.
pub struct Ledger {
    events: Ahead<Entry>,
    rows: Ahead<EntryRow>,
    /// What events are ordered by, before their names.
    place: fn(&Entry) -> i64,
}

/// A stream with its next item in view.
pub(crate) struct Ahead<T> {
    stream: RowStream<T>,
    ready: VecDeque<T>,
}

impl<T> Ahead<T> {
    pub(crate) fn new(stream: RowStream<T>) -> Self {
        Self { stream, ready: VecDeque::new() }
    }

    /// The next item, left in place.
    pub(crate) async fn peek(&mut self) -> Result<Option<&T>, StoreError> {
        if self.ready.is_empty()
            && let Some(chunk) = self.stream.next().await
        {
            self.ready = chunk?.into();
        }
        Ok(self.ready.front())
    }

    /// Takes the item last seen by [`Ahead::peek`].
    pub(crate) fn take(&mut self) -> Option<T> {
        self.ready.pop_front()
    }
}

impl Ledger {
    /// The next event with all its rows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        if self.events.peek().await?.is_none() {
            return Ok(None);
        }
        let Some(mut entry) = self.events.take() else { return Ok(None) };
        while let Some(row) = self.rows.peek().await? {
            let place = ((self.place)(&entry), entry.id.as_slice());
            let order = (row.place, row.event.as_slice()).cmp(&place);
            if order.is_gt() {
                break;
            }
            let row = self.rows.take();
            entry.rows.extend(row.filter(|_| order.is_eq()).map(|r| (r.subject, r.content)));
        }
        Ok(Some(entry))
    }
}

impl Store {
    /// Reads the ledger from its first event on.
    ///
    /// Must be called within a tokio runtime.
    pub fn ledger(&self) -> Ledger {
        Ledger {
            events: Ahead::new(self.engine.stream_query(EVENTS, Vec::new(), entry)),
            rows: Ahead::new(self.engine.stream_query(ROWS, Vec::new(), entry_row)),
            place: |entry| entry.recorded_at,
        }
    }

    /// Reads the events that are the first entries of the log, so many of them. In that order there
    /// is an index: nothing else is read or sorted.
    ///
    /// Must be called within a tokio runtime.
    pub fn ledger_sealed(&self, count: u64) -> Ledger {
        let end = || vec![i64::try_from(count).unwrap_or(i64::MAX).into()];
        Ledger {
            events: Ahead::new(self.engine.stream_query(SEALED_EVENTS, end(), entry)),
            rows: Ahead::new(self.engine.stream_query(SEALED_ROWS, end(), entry_row)),
            place: |entry| entry.position.and_then(|p| i64::try_from(p).ok()).unwrap_or(i64::MAX),
        }
    }

    /// How many events are recorded. A full count.
    pub async fn events_count(&self) -> Result<i64, StoreError> {
        let count = self.engine.query_first(COUNT, &[], |r| r.int(0)).await?;
        Ok(count.unwrap_or(0))
    }

    /// What is wrong with a stored event, if anything: see [`crate::canonical::audit`].
    pub fn audit(&self, entry: &Entry) -> Option<&'static str> {
        let leaf = entry.leaf.as_deref();
        let (text, columns) = (&entry.canonical, entry.columns());
        crate::canonical::audit(text, &columns, &entry.rows, leaf, &self.blind)
    }
}

fn entry(r: &Row<'_>) -> Result<Entry, DecodeError> {
    Ok(Entry {
        recorded_at: r.int(0)?,
        id: r.bytes(1)?,
        canonical: r.text(2)?,
        leaf: r.opt_bytes(3)?,
        position: r.opt_int(4)?.and_then(|p| u64::try_from(p).ok()),
        home: r.int(5)?,
        brand: r.int(6)?,
        kind: r.text(7)?,
        happened_at: r.int(8)?,
        rows: Vec::new(),
    })
}

fn entry_row(r: &Row<'_>) -> Result<EntryRow, DecodeError> {
    Ok(EntryRow { place: r.int(0)?, event: r.bytes(1)?, subject: r.int(2)?, content: r.text(3)? })
}
