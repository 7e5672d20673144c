//! The doctor: looks at everything that can be wrong without anybody having noticed, and says of
//! each in one line whether it is well. It changes nothing.

use super::house::House;
use super::log::{Paths, signed_head};
use super::outcome::FlowError;
use super::reference::code_key_label;
use domain::log::tile::{Tile, WIDTH};
use domain::log::tree::{Frontier, Hash};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use std::path::Path;
use store::StoreError;
use store::engine::{Engine, EngineError, FILE_NAME, Fault, WriteError};
use store::rebuild::{Told, UNWATCHED};

/// Events audited unless all are asked for: the first entries of the log, where it has more.
pub const AUDIT_EVENTS: u64 = 100_000;
/// Events between two times that whoever watches is told.
const TOLD_EVERY: u64 = 1_000;
/// Damaged events named; the rest is only counted.
const NAMED_MAX: usize = 5;
/// Less free room than this is too little for a day's work: 1 GiB.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// What to do about what cannot be mended in place.
const WAY_OUT: &str = "restore the last backup into another folder or database, or mend the row \
    from there (docs/operating.md, Restoring)";
/// What to do about a file that is damaged all over.
const WAY_BACK: &str = "keep the damaged folder, and bring the last backup back into another one: \
    dossier restore BACKUP --data DIR (docs/operating.md, Restoring)";
/// No clock that is right shows an earlier year than this program was written in.
const YEAR_MIN: i16 = 2026;

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// Whether something is to be noted although it is well.
    pub is_note: bool,
    /// What was seen.
    pub detail: String,
}

/// How far to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent<'a> {
    /// The folder of the store, where it is one, to see how much room it has.
    pub data_dir: Option<&'a Path>,
    /// Audit every event instead of the first [`AUDIT_EVENTS`].
    pub all_events: bool,
}

/// What is said of a store that is too damaged to be opened; none where it is something else that
/// keeps it shut.
pub fn unopened(error: &FlowError) -> Option<Check> {
    let FlowError::Store(error) = error else { return None };
    damage(error).map(|why| file(format!("{why}; {WAY_BACK}")))
}

/// What a store said of itself that failed because its file is damaged.
pub fn damage(error: &StoreError) -> Option<&str> {
    let why = match error {
        StoreError::Read(EngineError::Open(why)) => Some(why.as_str()),
        StoreError::Read(EngineError::Migration { cause, .. }) => Some(cause.as_str()),
        other => fault_of(other).map(Fault::cause),
    };
    why.filter(|why| is_damage(why))
}

/// The same of a file in which nothing is left. It must not be opened: SQLite would begin anew in
/// it, and all would be well.
pub fn emptied(dir: &Path) -> Option<Check> {
    let path = dir.join(FILE_NAME);
    let found = std::fs::metadata(&path).ok()?;
    let is_empty = found.is_file() && found.len() == 0;
    is_empty.then(|| file(format!("{} is empty; {WAY_BACK}", path.display())))
}

fn file(detail: String) -> Check {
    Check { name: "file", ok: false, is_note: false, detail }
}

/// Whether SQLite says of a file that it is not what was written.
fn is_damage(cause: &str) -> bool {
    cause.contains("malformed") || cause.contains("not a database")
}

/// What was logged of a store that failed.
pub fn fault_of(error: &StoreError) -> Option<&Fault> {
    use WriteError as Write;
    match error {
        StoreError::Read(EngineError::Unavailable(fault) | EngineError::Internal(fault)) => {
            Some(fault)
        }
        StoreError::Write(Write::Unavailable { fault, .. } | Write::Internal(fault)) => Some(fault),
        _ => None,
    }
}

/// Looks at everything. Each check stands by itself: what one cannot read is its fault, and the
/// others are made all the same.
///
/// # Errors
/// The store does not answer at all; later it may.
pub async fn examine(house: &House, extent: Extent<'_>) -> Result<Vec<Check>, FlowError> {
    examine_told(house, extent, UNWATCHED).await
}

/// As [`examine`], and tells how far it is with the ledger, which is the longest of it.
///
/// # Errors
/// As [`examine`].
pub async fn examine_told(
    house: &House,
    extent: Extent<'_>,
    told: Told<'_>,
) -> Result<Vec<Check>, FlowError> {
    let most = (!extent.all_events).then_some(AUDIT_EVENTS);
    let version = match schema(house).await {
        Err(FlowError::Store(StoreError::Read(EngineError::Unavailable(fault))))
            if !is_damage(fault.cause()) =>
        {
            return Err(StoreError::Read(EngineError::Unavailable(fault)).into());
        }
        version => version,
    };
    let mut checks = vec![made("schema", version)];
    checks.extend(pages(house).await);
    checks.push(made("reference", reference(house).await));
    checks.push(made("keys", keys(house).await));
    checks.push(made("rows", leaning(house).await));
    checks.push(made("ledger", ledger(house, most, told).await));
    checks.push(made("log", log(house).await));
    checks.push(made("clock", clock(house).await));
    checks.push(made("territories", grants(house).await));
    checks.push(geodata(house));
    checks.push(scans(house));
    checks.push(made("audit", reads(house).await));
    checks.extend(extent.data_dir.map(room));
    Ok(checks)
}

/// A check, or the fault that it could not be made.
fn made(name: &'static str, check: Result<Check, FlowError>) -> Check {
    check.unwrap_or_else(|error| {
        let cause = match &error {
            FlowError::Store(error) => fault_of(error).map(|fault| format!(": {}", fault.cause())),
            _ => None,
        };
        let cause = cause.unwrap_or_default();
        let detail = format!("it cannot be looked at: {error}{cause}; {WAY_OUT}");
        Check { name, ok: false, is_note: false, detail }
    })
}

/// A damaged row here keeps every process from starting, but not the doctor.
async fn reference(house: &House) -> Result<Check, FlowError> {
    let (_, unread) = house.store.reference_salvage().await?;
    let detail = if unread.is_empty() {
        "every reference row can be read".to_owned()
    } else {
        format!("{}; no server starts with it; {WAY_OUT}", unread.join("; "))
    };
    Ok(Check { name: "reference", ok: unread.is_empty(), is_note: false, detail })
}

async fn schema(house: &House) -> Result<Check, FlowError> {
    let version = house.store.schema_version().await?;
    let detail = format!("the schema stands at version {version}");
    Ok(Check { name: "schema", ok: version > 0, is_note: false, detail })
}

/// PostgreSQL looks after its own pages.
async fn pages(house: &House) -> Option<Check> {
    if matches!(house.store.engine(), Engine::Pg(_)) {
        return None;
    }
    let (ok, detail) = match house.store.engine().integrity_check().await {
        Ok(problems) if problems.is_empty() => (true, "every page and index is sound".to_owned()),
        Ok(problems) => (false, format!("{}; {WAY_BACK}", problems.join("; "))),
        Err(error) => (false, format!("{error}; {WAY_BACK}")),
    };
    Some(Check { name: "pages", ok, is_note: false, detail })
}

async fn keys(house: &House) -> Result<Check, FlowError> {
    let (rows, _) = house.store.reference_salvage().await?;
    let shut = rows
        .code_keys
        .iter()
        .filter(|row| house.master().open(&code_key_label(row.epoch), &row.sealed).is_err());
    let shut: Vec<_> = shut.map(|row| row.epoch.to_string()).collect();
    let count = rows.code_keys.len();
    let detail = if shut.is_empty() {
        format!("the master key opens all {count} keys")
    } else {
        format!("the master key does not open the keys {}", shut.join(", "))
    };
    Ok(Check { name: "keys", ok: shut.is_empty() && count > 0, is_note: false, detail })
}

async fn leaning(house: &House) -> Result<Check, FlowError> {
    let strays = house.store.strays().await?;
    let found: Vec<_> = strays.iter().filter(|(_, count)| *count > 0).collect();
    let detail = if found.is_empty() {
        "no row leans on one that is missing".to_owned()
    } else {
        let told: Vec<_> = found.iter().map(|(name, count)| format!("{count} {name}")).collect();
        told.join("; ")
    };
    Ok(Check { name: "rows", ok: found.is_empty(), is_note: false, detail })
}

/// Whether every event still is what was recorded, to the letter, and where the log has it; or the
/// first of them, so many at most: once the log has more entries it is read in its own order.
///
/// # Errors
/// The store does not answer.
pub async fn ledger(house: &House, most: Option<u64>, told: Told<'_>) -> Result<Check, FlowError> {
    let mut entries = Entries::new(house).await?;
    let part = most.filter(|most| entries.size > *most);
    let (mut ledger, total) = match part {
        Some(count) => (house.store.ledger_sealed(count), Some(count)),
        None => (house.store.ledger(), u64::try_from(house.store.events_count().await?).ok()),
    };
    let (mut audited, mut damaged) = (0_u64, 0_u64);
    let mut named = Vec::new();
    // All entries up to here are met, if their events are there.
    let mut read = part.or(Some(entries.size));
    let mut tell = |what: String| {
        damaged += 1;
        if named.len() < NAMED_MAX {
            named.push(what);
        }
    };
    told("events", 0, total);
    while let Some(mut entry) = ledger.next().await? {
        if most == Some(audited) {
            read = None;
            break;
        }
        audited += 1;
        if audited.is_multiple_of(TOLD_EVERY) {
            told("events", audited, total);
        }
        let misplaced = match entry.position {
            Some(position) => entries.meet(position, &mut entry.leaf).await?,
            // Recorded after the head was read, it waits to be sealed.
            None if entry.leaf.is_none() => Some("it was never recorded"),
            None => None,
        };
        if let Some(why) = misplaced.or_else(|| house.store.audit(&entry)) {
            tell(format!("event {}: {why}", entry.name()));
        }
    }
    let missing = entries.missing(read.unwrap_or(0));
    missing.for_each(|n| tell(format!("entry {n} of the log: its event is gone")));
    let whole = part.is_none() && read.is_some();
    let detail = match (damaged, whole) {
        (0, true) => format!("all {audited} events are as they were recorded"),
        (0, false) => format!("the first {audited} events are as they were recorded"),
        _ => format!("{damaged} of {audited} events were changed: {}", named.join("; ")),
    };
    Ok(Check { name: "ledger", ok: damaged == 0, is_note: false, detail })
}

/// The entries of the log, ticked off as their events are met.
struct Entries<'a> {
    house: &'a House,
    size: u64,
    met: Vec<bool>,
    tile: Option<(u64, Vec<Hash>)>,
}

impl<'a> Entries<'a> {
    async fn new(house: &'a House) -> Result<Self, FlowError> {
        let size = house.store.log_head().await?.tree.size();
        let met = vec![false; usize::try_from(size).unwrap_or(0)];
        Ok(Self { house, size, met, tile: None })
    }

    /// Gives the hash that the log has at a position; says what is wrong with the position itself.
    async fn meet(
        &mut self,
        position: u64,
        leaf: &mut Option<Vec<u8>>,
    ) -> Result<Option<&'static str>, FlowError> {
        if position >= self.size {
            // Sealed while we look.
            return Ok(None);
        }
        let place = usize::try_from(position).unwrap_or(usize::MAX);
        match self.met.get_mut(place) {
            Some(met) if !*met => *met = true,
            _ => return Ok(Some("its place in the log is another event's")),
        }
        let index = position / WIDTH;
        if self.tile.as_ref().is_none_or(|(at, _)| *at != index) {
            let tile = Tile::holding(0, position, self.size);
            let hashes = match tile {
                Some(tile) => self.house.store.tile_fetch(tile).await?,
                None => None,
            };
            self.tile = hashes.map(|hashes| (index, hashes));
        }
        let hashes = self.tile.as_ref().map(|(_, hashes)| hashes);
        let hash = hashes.and_then(|hashes| hashes.get((position % WIDTH) as usize));
        let Some(hash) = hash else { return Ok(Some("the log has lost its hash")) };
        *leaf = Some(hash.to_vec());
        Ok(None)
    }

    /// Those below `end` that were not met.
    fn missing(&self, end: u64) -> impl Iterator<Item = usize> {
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let met = self.met.iter().take(end).enumerate();
        met.filter(|(_, met)| !**met).map(|(n, _)| n)
    }
}

/// Whether the log's hashes lead to its head, and the head to what was signed.
async fn log(house: &House) -> Result<Check, FlowError> {
    let head = house.store.log_head().await?;
    let size = head.tree.size();
    let well = |detail| Check { name: "log", ok: true, is_note: false, detail };
    let ill = |detail| Check { ok: false, ..well(detail) };
    if size == 0 {
        return Ok(well("nothing is sealed yet".to_owned()));
    }
    let mut grown = Frontier::default();
    while grown.size() < size {
        let Some(tile) = Tile::holding(0, grown.size(), size) else { break };
        let Some(hashes) = house.store.tile_fetch(tile).await? else {
            return Ok(ill(format!("tile {tile} is missing; {WAY_OUT}")));
        };
        hashes.into_iter().for_each(|hash| grown.append(hash, |_, _, _| {}));
    }
    if grown != head.tree {
        return Ok(ill("the hashes do not lead to the head".to_owned()));
    }
    let signed = match signed_head(house).await {
        Ok(Some(signed)) => signed.checkpoint,
        Ok(None) => return Ok(well(format!("{size} entries; the head waits to be signed"))),
        Err(FlowError::Store(StoreError::Record(why))) => return Ok(ill(why)),
        Err(other) => return Err(other),
    };
    if signed.size > size {
        return Ok(ill(format!("{} entries were signed, {size} are there", signed.size)));
    }
    if Paths::new(house, signed.size).root().await? != signed.root {
        return Ok(ill("what was signed is not what the hashes lead to".to_owned()));
    }
    Ok(well(format!("{size} entries lead to the head; {} of them are signed", signed.size)))
}

async fn clock(house: &House) -> Result<Check, FlowError> {
    let now = house.clock.now();
    let last = house.store.last_recorded().await?.unwrap_or(i64::MIN);
    let leeway = SignedDuration::from_mins(10).as_micros() as i64;
    let (ok, detail) = if TimeZone::UTC.to_datetime(now).year() < YEAR_MIN {
        (false, format!("it is set to {now}"))
    } else if last > now.as_microsecond() + leeway {
        (false, format!("it shows {now}, but events were recorded later than that"))
    } else {
        (true, format!("it shows {now}"))
    };
    Ok(Check { name: "clock", ok, is_note: false, detail })
}

async fn grants(house: &House) -> Result<Check, FlowError> {
    let reference = house.reference_now().await?;
    let ok = reference.unread.is_empty();
    let detail =
        if ok { "every territory can be read".to_owned() } else { reference.unread.join("; ") };
    Ok(Check { name: "territories", ok, is_note: false, detail })
}

/// Age is a note, no fault: evidence weighs what its source is worth, and the shipped database ages
/// too.
fn geodata(house: &House) -> Check {
    let today = TimeZone::UTC.to_datetime(house.clock.now()).date();
    let databases = house.geo.databases();
    let stale: Vec<_> = databases.iter().filter(|d| d.is_stale(today)).collect();
    let detail = if databases.is_empty() {
        "there are no address databases: every address is unknown".to_owned()
    } else if stale.is_empty() {
        house.geo.versions().to_string()
    } else {
        let named: Vec<_> = stale.iter().map(|d| format!("{} ({})", d.role, d.source)).collect();
        format!("old, so an address says less: {}", named.join(", "))
    };
    Check { name: "geodata", ok: !databases.is_empty(), is_note: !stale.is_empty(), detail }
}

fn scans(house: &House) -> Check {
    let dropped = house.scans.dropped();
    let detail = format!("{dropped} looks were dropped since the start");
    Check { name: "scans", ok: dropped == 0, is_note: false, detail }
}

/// A sensitive read that left no record is gone for good, so it is told for ever.
async fn reads(house: &House) -> Result<Check, FlowError> {
    let recorded = house.store.reads_dropped().await?;
    let dropped = recorded.saturating_add_unsigned(house.reads.dropped());
    let detail = match dropped {
        0 => "every sensitive read left its record".to_owned(),
        _ => format!("{dropped} sensitive reads left no record"),
    };
    Ok(Check { name: "audit", ok: dropped == 0, is_note: false, detail })
}

fn room(dir: &Path) -> Check {
    let (ok, detail) = match rustix::fs::statvfs(dir) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            (free >= FREE_BYTES_MIN, format!("{} MiB are free", free >> 20))
        }
        Err(error) => (false, format!("{}: {error}", dir.display())),
    };
    Check { name: "room", ok, is_note: false, detail }
}
