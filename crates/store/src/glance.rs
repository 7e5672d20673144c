//! What an answer to the public about a unit rests on, remembered while it holds.
//!
//! Several trees of the database have a part in it: of units, of the looks at them, of what moved
//! them and the packs around them. Where there are millions of units, each costs the kernel a page
//! that nobody asked for lately. Here the parts lie side by side in a slot whose place follows from
//! the unit's number.
//!
//! A slot is no second record. It is believed only under the snapshot of a [`Moment`]: all that was
//! committed since the slot was read was committed by this process, which forgets what it writes
//! about before it says that it has written. Everything else is read from the database: on
//! PostgreSQL, just after another process wrote, and what was not learnt yet.

mod kept;
mod memory;
mod slots;
#[cfg(test)]
mod tests;

use crate::engine::{Moment, Witness};
use crate::unit::{ScanRecord, UnitRecord, unit_seen};
use crate::{Store, StoreError};
use domain::custody::Moves;
use domain::identifier::Scheme;
use memory::{Current, GlanceMemory, Learnt};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Units or packs read at once by [`Store::glances_learn`]: well below a millisecond.
const PAGE: i64 = 128;

const SEEN_PAGE: &str = "SELECT u.number, u.brand_id, u.product_id, u.batch_id, \
    CAST(NULL AS TEXT) AS sn, u.identifiers, u.born_hash, u.produced_at, \
    u.site_id, CAST(NULL AS TEXT) AS line, u.lot, u.inspection, u.disposition, u.life, \
    u.activated_at, u.region, u.fingerprint, u.suspect, u.recalled_at, u.stolen_at, u.retired_at, \
    u.proof_at, u.sold_on, u.recorded_at, u.revision, u.kit, u.invoiced_on, u.delivered_on, \
    s.count, s.first_at, s.last_at, s.first_place, s.last_place, s.recent \
    FROM unit u LEFT JOIN consumer_scan s ON s.unit = u.number \
    WHERE u.number > $1 ORDER BY u.number LIMIT $2";
const PACKS_PAGE: &str = "SELECT number FROM pack WHERE number > $1 ORDER BY number LIMIT $2";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[SEEN_PAGE, PACKS_PAGE];

/// Where a process keeps its glances, once it has any.
pub(crate) type Glances = Arc<OnceLock<Option<Arc<GlanceMemory>>>>;

/// What an answer to the public about a unit begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// Its state. What no stranger is told may be left out: its names, line, kit and fingerprint,
    /// and what guards its commits.
    pub record: UnitRecord,
    /// Whether serial numbers of parts are among its names.
    pub has_parts: bool,
    /// The looks at it by consumers.
    pub looks: Looks,
    /// What it was ever inside, and how it moved by itself, where that is known.
    pub moves: Option<Moves>,
}

/// Looks by consumers.
#[derive(Clone, Debug, PartialEq)]
pub enum Looks {
    /// Nobody looked.
    None,
    /// How many there were, without where.
    Counted(LooksCounted),
    /// All that is known of them.
    Whole(ScanRecord),
}

/// How often consumers looked at a unit, and when; never, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LooksCounted {
    /// How often.
    pub count: i64,
    /// First time, microseconds.
    pub first_at: i64,
    /// Last time, microseconds.
    pub last_at: i64,
    /// From how many cities, as far back as places are kept.
    pub city_count: usize,
}

/// How far [`Store::glances_learn`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// Some more; there are others.
    Some,
    /// There are no others.
    All,
    /// None: this process committed something while they were read. Next time it may not.
    Outrun,
    /// None: a line has just begun, another process has just written, the disk is nearly full, or
    /// nothing is remembered here. Trying again soon is no use.
    Nothing,
}

fn has_parts(record: &UnitRecord) -> bool {
    record.identifiers.iter().any(|one| one.scheme == Scheme::Part.as_str())
}

impl Store {
    /// The memory, made when it is first asked for; none on PostgreSQL, nor where there can be no
    /// file for it.
    fn memory(&self) -> Option<&GlanceMemory> {
        let made = self.glances.get_or_init(|| {
            let memory = GlanceMemory::new(self.engine.folder()?)
                .inspect_err(|error| tracing::warn!(%error, "each look reads the store"))
                .ok()?;
            let memory = Arc::new(memory);
            self.engine.watch(Arc::clone(&memory) as Arc<dyn Witness>);
            Some(memory)
        });
        made.as_deref()
    }

    /// The memory, and the moment that this task's snapshot shows, where both are known.
    fn remembering(&self) -> Option<(&GlanceMemory, Moment)> {
        let moment = self.engine.moment()?;
        self.memory().filter(|memory| memory.is_sound()).map(|memory| (memory, moment))
    }

    /// What was read at a moment, as long as nothing was committed since.
    fn current(&self, moment: Moment) -> Current<impl Fn() -> bool> {
        Current { line: moment.line, is_current: move || self.engine.is_current(moment) }
    }

    /// One unit as the public sees it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn glance(&self, number: i64) -> Result<Option<Glance>, StoreError> {
        let remembering = self.remembering();
        let known = remembering.and_then(|(memory, moment)| memory.unit(number, moment));
        if known.is_some() {
            return Ok(known);
        }
        let Some((record, scans)) = self.unit_seen_fetch(number).await? else { return Ok(None) };
        let mut moves = None;
        // What is still to be learnt is learnt for less, many at once.
        if let Some((memory, moment)) = remembering
            && memory.has_passed(moment.line, number)
        {
            let read = moves.insert(self.moves_fetch(number).await?);
            memory.put_unit(self.current(moment), &record, scans.as_ref(), Some(read));
        }
        let looks = scans.map_or(Looks::None, Looks::Whole);
        Ok(Some(Glance { has_parts: has_parts(&record), record, looks, moves }))
    }

    /// How many glances at units were remembered since the start, and how many were not; what was
    /// asked at no [`Moment`] counts as neither.
    pub fn glances_counted(&self) -> (u64, u64) {
        self.glances.get().and_then(Option::as_deref).map_or((0, 0), GlanceMemory::counts)
    }

    /// What moved a pack. Thousands of units share a pallet. Only a process that has glances has
    /// packs remembered: one that answers one question asks for few of them twice.
    pub(crate) async fn pack_moves(&self, number: i64) -> Result<Arc<Moves>, StoreError> {
        let has_glances = self.glances.get().is_some();
        let remembering = if has_glances { self.remembering() } else { None };
        if let Some((memory, moment)) = remembering
            && let Some(moves) = memory.pack(number, moment)
        {
            return Ok(moves);
        }
        let moves = Arc::new(self.moves_fetch(number).await?);
        if let Some((memory, moment)) = remembering {
            memory.put_pack(self.current(moment), number, &moves);
        }
        Ok(moves)
    }

    /// Remembers some units and packs more that nobody asked for yet, in the order of their
    /// numbers; from the first again after another process wrote.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn glances_learn(&self) -> Result<Learned, StoreError> {
        self.one_snapshot(self.learn()).await
    }

    async fn learn(&self) -> Result<Learned, StoreError> {
        let Some((memory, moment)) = self.remembering() else { return Ok(Learned::Nothing) };
        let Some(learnt) = memory.learnt_in(moment.line).filter(|_| memory.look_for_room()) else {
            return Ok(Learned::Nothing);
        };
        let (found, unit) = self.learn_units(memory, moment, learnt.unit).await?;
        let (found, pack) = match found {
            true => (true, learnt.pack),
            false => self.learn_packs(memory, moment, learnt.pack).await?,
        };
        let now = Learnt { unit, pack, ..learnt };
        memory.has_learnt(now);
        Ok(match (found, now == learnt) {
            (false, _) => Learned::All,
            (true, false) => Learned::Some,
            (true, true) => Learned::Outrun,
        })
    }

    /// Learns units beyond a number: whether there were any, and the last that was learnt before
    /// something was committed.
    async fn learn_units(
        &self,
        memory: &GlanceMemory,
        moment: Moment,
        beyond: i64,
    ) -> Result<(bool, i64), StoreError> {
        let params = [beyond.into(), PAGE.into()];
        let page = self.engine.query(SEEN_PAGE, &params, unit_seen).await?;
        let mut moved = self.moves_of_page(page.iter().map(|(record, _)| record.number)).await?;
        let mut last = beyond;
        for (record, scans) in &page {
            let moves = moved.remove(&record.number).unwrap_or_default();
            let current = self.current(moment);
            if !memory.put_unit(current, record, scans.as_ref(), Some(&moves)) {
                break;
            }
            last = record.number;
        }
        Ok((!page.is_empty(), last))
    }

    /// As [`Store::learn_units`], of packs.
    async fn learn_packs(
        &self,
        memory: &GlanceMemory,
        moment: Moment,
        beyond: i64,
    ) -> Result<(bool, i64), StoreError> {
        let params = [beyond.into(), PAGE.into()];
        let page = self.engine.query(PACKS_PAGE, &params, |r| r.int(0)).await?;
        let mut moved = self.moves_of_page(page.iter().copied()).await?;
        let mut last = beyond;
        for number in &page {
            let moves = Arc::new(moved.remove(number).unwrap_or_default());
            if !memory.put_pack(self.current(moment), *number, &moves) {
                break;
            }
            last = *number;
        }
        Ok((!page.is_empty(), last))
    }

    /// What moved each of some units or packs, in the order of their numbers.
    async fn moves_of_page(
        &self,
        numbers: impl DoubleEndedIterator<Item = i64> + Clone,
    ) -> Result<HashMap<i64, Moves>, StoreError> {
        let ends = numbers.clone().next().zip(numbers.clone().next_back());
        let Some((first, last)) = ends else { return Ok(HashMap::new()) };
        if last - first < 2 * PAGE {
            return self.moves_between(first, last).await;
        }
        // Far apart: between them lie many others.
        let mut moved = HashMap::new();
        for number in numbers {
            moved.insert(number, self.moves_fetch(number).await?);
        }
        Ok(moved)
    }
}
