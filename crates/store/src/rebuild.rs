//! Rebuilding: the ledger is replayed into a fresh database, and what comes out is compared with
//! the live projections row by row. A difference means that one of them lied.
//!
//! Events are replayed in the order of their record times. Several nodes have several clocks, so of
//! two units an identifier may be taken by the one before the other has let go of it: an event that
//! contradicts an earlier one is held back and tried again once a later one has freed something.
//! Only what contradicts still at the end was not replayed.
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
/// Units and packs of events that are held back; of more, each is tried for the last time.
const HELD_MAX: usize = 100_000;
/// Events, or rows, between two times that whoever watches is told.
const TOLD_EVERY: u64 = 1_000;
/// Differences told per table; the rest is only counted.
pub const TOLD_MAX: usize = 20;

/// Who watches long work: told what is counted, how many of it are done, and how many there are in
/// all, where that is known.
pub type Told<'a> = &'a (dyn Fn(&'static str, u64, Option<u64>) + Send + Sync);
/// Nobody watches.
pub const UNWATCHED: Told<'static> = &|_, _, _| {};

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
    // A table may have nothing but its key, and then the list ends in a comma.
    (@list $first:literal $(, $rest:literal)* $(,)?) => { concat!($first $(, ", ", $rest)*) };
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
    "identifier_past", ["value", "scheme", "scope", "from_at", "unit", "to_at"], [];
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
    check_told(store, scratch, UNWATCHED).await
}

/// As [`check`], and tells how far it is.
///
/// # Errors
/// As [`check`].
pub async fn check_told(
    store: &Store,
    scratch: &Path,
    told: Told<'_>,
) -> Result<RebuildReport, StoreError> {
    let room = Room::new(scratch)?;
    let target = Target::Sqlite { dir: room.0.clone(), options: SqliteOptions::default() };
    let rebuilt = Engine::open(&target, MIGRATIONS).await?;
    let before = store.events_count().await?;
    let mut report = replay(store, &rebuilt, told, before).await?;
    let mut rows = 0;
    for projection in PROJECTIONS {
        let tell = |more: u64| told("rows compared", rows + more, None);
        let table = compare(store.engine(), &rebuilt, projection, &tell).await?;
        rows += table.live_count.max(table.rebuilt_count);
        report.tables.push(table);
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

/// An event and what it does to the tables.
struct Deed {
    name: String,
    /// The units and packs it is about.
    about: Vec<i64>,
    /// Whether it lets go of an identifier.
    frees: bool,
    steps: Vec<Step>,
}

impl Deed {
    fn of(event: &Event, steps: Vec<Step>) -> Self {
        let others = event.subjects.iter().map(|subject| subject.number);
        Self {
            name: crate::canonical::hex(&event.id.0),
            about: std::iter::once(event.home).chain(others).collect(),
            frees: matches!(event.body, Body::IdentifierMoved { onto: false, .. }),
            steps,
        }
    }
}

/// Events that contradict an earlier one, and behind them those about the same units and packs, in
/// the order of the ledger.
#[derive(Default)]
struct Held {
    deeds: Vec<Deed>,
    about: HashSet<i64>,
    weight: usize,
}

impl Held {
    fn is_ahead_of(&self, deed: &Deed) -> bool {
        deed.about.iter().any(|number| self.about.contains(number))
    }

    fn push(&mut self, deed: Deed) {
        self.about.extend(&deed.about);
        self.weight += deed.about.len();
        self.deeds.push(deed);
    }
}

/// Events whose statements wait to be written together.
struct Replay<'a> {
    engine: &'a Engine,
    waiting: Vec<Deed>,
    weight: usize,
    held: Held,
    /// Units activated before they were made, until they are.
    unborn: HashSet<i64>,
    report: RebuildReport,
}

async fn replay(
    store: &Store,
    engine: &Engine,
    told: Told<'_>,
    count: i64,
) -> Result<RebuildReport, StoreError> {
    let mut ledger = store.ledger();
    let mut replay = Replay {
        engine,
        waiting: Vec::new(),
        weight: 0,
        held: Held::default(),
        unborn: HashSet::new(),
        report: RebuildReport::default(),
    };
    let total = u64::try_from(count).ok();
    told("events", 0, total);
    while let Some(entry) = ledger.next().await? {
        replay.report.events += 1;
        match entry.event() {
            Ok(event) => replay.take(&event),
            Err(why) => replay.skip(&entry.name(), &why),
        }
        if replay.weight >= STEPS_MAX {
            replay.flush().await?;
        }
        if replay.report.events.is_multiple_of(TOLD_EVERY) {
            told("events", replay.report.events, total);
        }
    }
    replay.flush().await?;
    replay.give_up().await?;
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
        self.waiting.push(Deed::of(event, steps));
    }

    fn skip(&mut self, event: &str, why: &str) {
        self.report.unreplayed_count += 1;
        if self.report.unreplayed.len() < TOLD_MAX {
            self.report.unreplayed.push(format!("event {event}: {why}"));
        }
    }

    /// Writes what waits, but for what comes behind an event that is held back.
    async fn flush(&mut self) -> Result<(), StoreError> {
        self.weight = 0;
        let mut run = Vec::new();
        for deed in std::mem::take(&mut self.waiting) {
            if self.held.is_ahead_of(&deed) {
                self.held.push(deed);
                continue;
            }
            let settles = deed.frees && !self.held.deeds.is_empty();
            run.push(deed);
            if settles {
                self.write(std::mem::take(&mut run)).await?;
                self.settle().await?;
            }
        }
        self.write(run).await?;
        if self.held.weight > HELD_MAX {
            self.give_up().await?;
        }
        Ok(())
    }

    /// Writes events in one transaction. If one of them contradicts an earlier one, they are
    /// written one by one, so that it is held back alone.
    async fn write(&mut self, run: Vec<Deed>) -> Result<(), StoreError> {
        let all: Vec<Step> = run.iter().flat_map(|deed| deed.steps.iter().cloned()).collect();
        if all.is_empty() || self.put(all).await?.is_none() {
            return Ok(());
        }
        for deed in run {
            if self.held.is_ahead_of(&deed) || self.put(deed.steps.clone()).await?.is_some() {
                self.held.push(deed);
            } else if deed.frees {
                self.settle().await?;
            }
        }
        Ok(())
    }

    /// Tries again what is held back, for as long as something was freed by it.
    async fn settle(&mut self) -> Result<(), StoreError> {
        loop {
            let mut freed = false;
            for deed in std::mem::take(&mut self.held).deeds {
                if self.held.is_ahead_of(&deed) || self.put(deed.steps.clone()).await?.is_some() {
                    self.held.push(deed);
                } else {
                    freed |= deed.frees;
                }
            }
            if !freed {
                return Ok(());
            }
        }
    }

    /// Tries for the last time what is held back: what contradicts still is not replayed.
    async fn give_up(&mut self) -> Result<(), StoreError> {
        for deed in std::mem::take(&mut self.held).deeds {
            if let Some(error) = self.put(deed.steps).await? {
                self.skip(&deed.name, &error.to_string());
            }
        }
        Ok(())
    }

    /// What forbids these steps; nothing when they are done.
    async fn put(&self, steps: Vec<Step>) -> Result<Option<WriteError>, StoreError> {
        match self.engine.write(Plan::new(steps)).await {
            Ok(()) => Ok(None),
            Err(error @ WriteError::Duplicate { .. }) => Ok(Some(error)),
            Err(other) => Err(StoreError::Write(other)),
        }
    }
}

async fn compare(
    live: &Engine,
    rebuilt: &Engine,
    projection: &'static Projection,
    tell: &(dyn Fn(u64) + Send + Sync),
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
        let rows = report.live_count.max(report.rebuilt_count);
        if rows.is_multiple_of(TOLD_EVERY) {
            tell(rows);
        }
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
