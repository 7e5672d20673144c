//! Rebuilding: the ledger is replayed into a fresh database, and what comes out is compared with
//! the live projections row by row. A difference means that one of them lied.
//!
//! Compared is every column that follows from the events. Left out are `revision`, a unit's or
//! pack's `recorded_at` and a pack's `stirred_at`: they tell of commits, not of facts, and only
//! guard against lost races or save a walk. Left out
//! are also rows that are no projection: reference rows, scans, alerts, erasable side rows.

use crate::engine::{Engine, Plan, SqliteOptions, Step, Target, Value, WriteError};
use crate::event::{Body, Event};
use crate::ledger::Ahead;
use crate::project::project;
use crate::{MIGRATIONS, Store, StoreError};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Row operations written to the scratch database in one transaction.
const STEPS_MAX: usize = 20_000;
/// Differences told per table; the rest is only counted.
pub const TOLD_MAX: usize = 20;

/// A projection: its key comes first among the columns.
struct Projection {
    table: &'static str,
    columns: &'static [&'static str],
    key: usize,
    sql: &'static str,
}

macro_rules! projections {
    ($($table:literal, [$($key:literal),+], [$($rest:literal),*];)*) => {
        const PROJECTIONS: &[Projection] = &[$(Projection {
            table: $table,
            columns: &[$($key,)+ $($rest),*],
            key: [$($key),+].len(),
            sql: concat!(
                "SELECT ", projections!(@list $($key,)+ $($rest),*), " FROM ", $table,
                " ORDER BY ", projections!(@list $($key),+)
            ),
        }),*];
        /// The statements of this file, for the test that prepares every one on both engines.
        pub(crate) const STATEMENTS: &[&str] = &[$(concat!(
            "SELECT ", projections!(@list $($key,)+ $($rest),*), " FROM ", $table,
            " ORDER BY ", projections!(@list $($key),+)
        )),*];
    };
    (@list $first:literal $(, $rest:literal)*) => { concat!($first $(, ", ", $rest)*) };
}

projections! {
    "unit", ["number"], ["brand_id", "product_id", "batch_id", "sn", "identifiers", "born_hash",
        "produced_at", "site_id", "line", "lot", "inspection", "disposition", "kit", "life",
        "activated_at", "region", "fingerprint", "suspect", "recalled_at", "stolen_at",
        "retired_at", "proof_at", "sold_on", "invoiced_on",
        "delivered_on"];
    "activation", ["unit", "life"], ["event_id", "activated_at"];
    "finding", ["unit", "event_id", "kind"], ["grade", "nature", "reasons", "activated_at",
        "withdrawn_by"];
    "pack", ["number"], ["brand_id", "sscc", "products"];
    "containment", ["child", "from_at", "parent"], ["from_recorded_at", "to_at",
        "to_recorded_at", "event_id"];
    "hold", ["subject", "at", "event_id"], ["party_id", "from_party", "kind", "presumed",
        "shipment_no", "recorded_at"];
    "shipment", ["subject", "brand_id", "shipment_no", "from_party"], ["to_party", "happened_at",
        "voided_at"];
    "identifier", ["value", "scheme", "scope"], ["unit", "from_at"];
    "audit_change", ["home", "at", "event_id"], ["actor", "object_kind", "object", "observation"];
    "recall_remedy", ["unit", "recall_id"], ["at", "event_id"];
    "identifier_past", ["value", "scheme", "scope", "from_at"], ["unit", "to_at"];
}

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Events replayed.
    pub events: u64,
    /// Table by table.
    pub tables: Vec<TableReport>,
    /// The first events that cannot be read or contradict earlier ones, by name and reason.
    pub unreplayed: Vec<String>,
    /// How many there are of them.
    pub unreplayed_count: u64,
    /// Events were recorded meanwhile, so differences may be theirs: look again in a quiet hour.
    pub moved: bool,
}

impl RebuildReport {
    /// Whether the live tables are what the ledger says.
    pub fn agrees(&self) -> bool {
        self.unreplayed_count == 0 && self.tables.iter().all(|t| t.difference_count == 0)
    }
}

/// One table's comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub table: &'static str,
    /// Rows in the live table.
    pub live_count: u64,
    /// Rows that the ledger gives.
    pub rebuilt_count: u64,
    /// Rows that differ, or are on one side only.
    pub difference_count: u64,
    /// The first of them.
    pub first: Vec<Difference>,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The row's key, `column=value`.
    pub key: String,
    /// What differs: `column: live, but the ledger says rebuilt`, or which side lacks the row.
    pub what: String,
}

/// Replays the ledger into a fresh database under `scratch` and compares. Takes as much room there
/// as the projections; whatever it made is removed again.
///
/// # Errors
/// The store cannot be read, or the scratch folder cannot be written.
pub async fn check(store: &Store, scratch: &Path) -> Result<RebuildReport, StoreError> {
    let room = Room::new(scratch)?;
    let target = Target::Sqlite { dir: room.0.clone(), options: SqliteOptions::default() };
    let rebuilt = Engine::open(&target, MIGRATIONS).await?;
    let before = store.events_count().await?;
    let mut report = replay(store, &rebuilt).await?;
    for projection in PROJECTIONS {
        report.tables.push(compare(store.engine(), &rebuilt, projection).await?);
    }
    report.moved = store.events_count().await? != before;
    rebuilt.close().await;
    Ok(report)
}

/// A folder of our own, gone when dropped.
struct Room(PathBuf);

impl Room {
    fn new(scratch: &Path) -> Result<Self, StoreError> {
        let name = format!("rebuild-{}", uuid::Uuid::now_v7().simple());
        let dir = scratch.join(name);
        crate::engine::private_folder(&dir).map_err(|error| {
            let text = format!("cannot make {}: {error}", dir.display());
            StoreError::Read(crate::engine::EngineError::Open(text))
        })?;
        Ok(Self(dir))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Events whose statements wait to be written together.
struct Replay<'a> {
    engine: &'a Engine,
    waiting: Vec<(String, Vec<Step>)>,
    weight: usize,
    /// Units activated before they were made, until they are.
    unborn: HashSet<i64>,
    report: RebuildReport,
}

async fn replay(store: &Store, engine: &Engine) -> Result<RebuildReport, StoreError> {
    let mut ledger = store.ledger();
    let mut replay = Replay {
        engine,
        waiting: Vec::new(),
        weight: 0,
        unborn: HashSet::new(),
        report: RebuildReport::default(),
    };
    while let Some(entry) = ledger.next().await? {
        replay.report.events += 1;
        match entry.event() {
            Ok(event) => replay.take(&event),
            Err(why) => replay.skip(&entry.name(), &why),
        }
        if replay.weight >= STEPS_MAX {
            replay.flush().await?;
        }
    }
    replay.flush().await?;
    Ok(replay.report)
}

impl Replay<'_> {
    fn take(&mut self, event: &Event) {
        let mut steps = Vec::new();
        project(event, &|number| self.unborn.contains(&number), &mut steps);
        match &event.body {
            Body::Activated(body) if body.batch.is_some() => {
                self.unborn.insert(event.home);
            }
            Body::Commissioned { .. } if !self.unborn.is_empty() => {
                for subject in &event.subjects {
                    self.unborn.remove(&subject.number);
                }
            }
            _ => {}
        }
        self.weight += 1 + event.subjects.len();
        self.waiting.push((crate::canonical::hex(&event.id.0), steps));
    }

    fn skip(&mut self, event: &str, why: &str) {
        self.report.unreplayed_count += 1;
        if self.report.unreplayed.len() < TOLD_MAX {
            self.report.unreplayed.push(format!("event {event}: {why}"));
        }
    }

    /// Writes what waits in one transaction. If one of the events contradicts an earlier one, they
    /// are written one by one, so that the culprit is named.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.weight = 0;
        let all = waiting.iter().flat_map(|(_, steps)| steps.iter().cloned()).collect();
        match self.engine.write(Plan::new(all)).await {
            Ok(()) => return Ok(()),
            Err(WriteError::Duplicate { .. }) => {}
            Err(other) => return Err(StoreError::Write(other)),
        }
        for (event, steps) in waiting {
            match self.engine.write(Plan::new(steps)).await {
                Err(error @ WriteError::Duplicate { .. }) => self.skip(&event, &error.to_string()),
                Err(other) => return Err(StoreError::Write(other)),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

async fn compare(
    live: &Engine,
    rebuilt: &Engine,
    projection: &'static Projection,
) -> Result<TableReport, StoreError> {
    let width = projection.columns.len();
    let row = move |r: &crate::engine::Row<'_>| {
        (0..width).map(|i| r.value(i)).collect::<Result<Vec<Value>, _>>()
    };
    let mut live = Ahead::new(live.stream_query(projection.sql, Vec::new(), row));
    let mut rebuilt = Ahead::new(rebuilt.stream_query(projection.sql, Vec::new(), row));
    let mut report = TableReport { table: projection.table, ..TableReport::default() };
    loop {
        let order = match (live.peek().await?, rebuilt.peek().await?) {
            (None, None) => return Ok(report),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => by_key(a, b, projection.key),
        };
        let live_row: Option<Vec<Value>> = if order.is_le() { live.take() } else { None };
        let rebuilt_row: Option<Vec<Value>> = if order.is_ge() { rebuilt.take() } else { None };
        report.live_count += u64::from(live_row.is_some());
        report.rebuilt_count += u64::from(rebuilt_row.is_some());
        if live_row != rebuilt_row {
            report.difference_count += 1;
            if report.first.len() < TOLD_MAX {
                report.first.push(difference(projection, live_row, rebuilt_row));
            }
        }
    }
}

fn by_key(a: &[Value], b: &[Value], key: usize) -> Ordering {
    let column = |(a, b): (&Value, &Value)| match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        // Keys are never null and of one kind.
        _ => Ordering::Equal,
    };
    let mut columns = a.iter().zip(b).take(key).map(column);
    columns.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn difference(
    projection: &Projection,
    live: Option<Vec<Value>>,
    rebuilt: Option<Vec<Value>>,
) -> Difference {
    let named = projection.columns;
    let key_of = |row: &[Value]| {
        let pairs = named.iter().zip(row).take(projection.key);
        let shown: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", shown(value))).collect();
        shown.join(" ")
    };
    match (live, rebuilt) {
        (Some(live), Some(rebuilt)) => {
            let columns = named.iter().zip(live.iter().zip(&rebuilt));
            let told: Vec<_> = columns
                .filter(|(_, (a, b))| a != b)
                .map(|(name, (a, b))| {
                    format!("{name}: {}, but the ledger says {}", shown(a), shown(b))
                })
                .collect();
            Difference { key: key_of(&live), what: told.join("; ") }
        }
        (Some(live), None) => {
            Difference { key: key_of(&live), what: "not in the ledger".to_owned() }
        }
        (None, Some(rebuilt)) => {
            Difference { key: key_of(&rebuilt), what: "missing, but in the ledger".to_owned() }
        }
        (None, None) => Difference { key: String::new(), what: String::new() },
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Real(x) => x.to_string(),
        Value::Text(s) => s.clone(),
        Value::Bytes(b) => crate::canonical::hex(b),
    }
}
