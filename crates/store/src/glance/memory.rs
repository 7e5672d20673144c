//! What a process remembers, and when it forgets.

use super::Glance;
use super::kept::{Kept, KeptMoves, KeptUnit};
use super::slots::{ROOM, Slots};
use crate::engine::{Moment, Plan, Step, Value, Witness};
use crate::unit::{ScanRecord, UnitRecord};
use domain::custody::Moves;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Packs whose moves are too long for a slot and are held here: some 700 bytes each.
const LONG_MAX: usize = 32_768;

/// The glances of a process, and the moves of the packs around the units.
pub(crate) struct GlanceMemory {
    slots: Slots,
    /// Moves that did not fit. One is believed while the slot of its pack says so: it is put here
    /// before that, under the lock of the slot.
    long: Mutex<HashMap<i64, Arc<Moves>>>,
    learnt: Mutex<Option<Learnt>>,
    /// Units asked for that were remembered, and that were not.
    known: AtomicU64,
    unknown: AtomicU64,
}

/// How far units and packs were learnt in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    pub line: u32,
    /// The last unit.
    pub unit: i64,
    /// The last pack.
    pub pack: i64,
}

/// In which line something was read, and whether nothing was committed since.
pub(crate) struct Current<F> {
    pub line: u32,
    pub is_current: F,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GlanceMemory {
    /// Nothing is remembered yet.
    pub fn new(folder: &Path) -> std::io::Result<Self> {
        let slots = Slots::new(folder)?;
        let counts = (AtomicU64::new(0), AtomicU64::new(0));
        let (long, learnt) = (Mutex::default(), Mutex::default());
        Ok(Self { slots, long, learnt, known: counts.0, unknown: counts.1 })
    }

    /// Whether what is remembered is believed.
    pub fn is_sound(&self) -> bool {
        self.slots.is_sound()
    }

    /// Looks whether there is room on the disk for more.
    pub fn look_for_room(&self) -> bool {
        self.slots.look_for_room()
    }

    /// How far was learnt in a line; none where the line is new, which is noted: another process
    /// that writes once may write again at once, and what was learnt meanwhile was for nothing.
    pub fn learnt_in(&self, line: u32) -> Option<Learnt> {
        let mut learnt = locked(&self.learnt);
        let known = learnt.filter(|known| known.line == line);
        *learnt = known.or(Some(Learnt { line, ..Learnt::default() }));
        known
    }

    /// Whether the units that were learnt in a line go beyond a number.
    pub fn has_passed(&self, line: u32, number: i64) -> bool {
        locked(&self.learnt).is_some_and(|learnt| learnt.line == line && number <= learnt.unit)
    }

    pub fn has_learnt(&self, learnt: Learnt) {
        *locked(&self.learnt) = Some(learnt);
    }

    /// Units asked for that were remembered, and that were not.
    pub fn counts(&self) -> (u64, u64) {
        (self.known.load(Ordering::Relaxed), self.unknown.load(Ordering::Relaxed))
    }

    pub fn unit(&self, number: i64, moment: Moment) -> Option<Glance> {
        let mut content = [0; ROOM];
        let found = match self.kept(number, moment, &mut content) {
            Some(Kept::Unit(unit)) => Some(unit.glance(number)),
            Some(Kept::Pack(_) | Kept::PackElsewhere) | None => None,
        };
        let count = if found.is_some() { &self.known } else { &self.unknown };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// What moved a pack.
    pub fn pack(&self, number: i64, moment: Moment) -> Option<Arc<Moves>> {
        let mut content = [0; ROOM];
        match self.kept(number, moment, &mut content)? {
            Kept::Pack(moves) => moves.moves(number).map(Arc::new),
            Kept::PackElsewhere => locked(&self.long).get(&number).cloned(),
            Kept::Unit(_) => None,
        }
    }

    fn kept<'a>(
        &self,
        number: i64,
        moment: Moment,
        content: &'a mut [u8; ROOM],
    ) -> Option<Kept<'a>> {
        let length = self.slots.get(u64::try_from(number).ok()?, moment.line, content)?;
        postcard::from_bytes(&content[..length]).ok()
    }

    /// Remembers a unit; what does not fit is read each time. False where something was committed
    /// since it was read, and it is not remembered.
    pub fn put_unit(
        &self,
        moment: Current<impl Fn() -> bool>,
        record: &UnitRecord,
        scans: Option<&ScanRecord>,
        moves: Option<&Moves>,
    ) -> bool {
        let mut content = [0; ROOM];
        let mut text = |moves| {
            let kept = Kept::Unit(KeptUnit::of(record, scans, moves));
            postcard::to_slice(&kept, &mut content).map(|text| text.len()).ok()
        };
        match text(moves).or_else(|| text(None)) {
            Some(length) => self.put(record.number, moment, &content[..length], || ()),
            None => true,
        }
    }

    /// As [`GlanceMemory::put_unit`], of what moved a pack.
    pub fn put_pack(
        &self,
        moment: Current<impl Fn() -> bool>,
        number: i64,
        moves: &Arc<Moves>,
    ) -> bool {
        let mut content = [0; ROOM];
        let mut text = |kept| postcard::to_slice(&kept, &mut content).map(|text| text.len()).ok();
        if let Some(length) = KeptMoves::of(moves).map(Kept::Pack).and_then(&mut text) {
            return self.put(number, moment, &content[..length], || ());
        }
        let Some(length) = text(Kept::PackElsewhere) else { return true };
        self.put(number, moment, &content[..length], || {
            let mut long = locked(&self.long);
            if long.len() >= LONG_MAX {
                long.clear();
            }
            long.insert(number, Arc::clone(moves));
        })
    }

    fn put(
        &self,
        number: i64,
        moment: Current<impl Fn() -> bool>,
        content: &[u8],
        with: impl FnOnce(),
    ) -> bool {
        let Ok(number) = u64::try_from(number) else { return true };
        self.slots.put((number, moment.line), content, moment.is_current, with)
    }
}

impl Witness for GlanceMemory {
    fn committed(&self, plans: &mut dyn Iterator<Item = &Plan>) {
        let mut written: Vec<u64> = Vec::new();
        for step in plans.flat_map(|plan| &plan.steps) {
            each_written(step, |unit| written.extend(u64::try_from(unit)));
        }
        written.sort_unstable();
        written.dedup();
        written.into_iter().for_each(|unit| self.slots.forget(unit));
    }
}

/// Tells about which units and packs a step writes something that is remembered. That one is born
/// need not be told: of what is not there nothing is remembered.
pub(super) fn each_written(step: &Step, mut tell: impl FnMut(i64)) {
    match step {
        Step::Run { sql, params, .. } => {
            if let Some(Value::Int(unit)) = written_by(sql).and_then(|at| params.get(at)) {
                tell(*unit);
            }
        }
        Step::Bulk { table, columns, values } => {
            let key = match *table {
                "containment" => "child",
                "hold" => "subject",
                "consumer_scan" => "unit",
                _ => return,
            };
            let Some(key) = columns.iter().position(|name| *name == key) else { return };
            for row in values.chunks_exact(columns.len()) {
                if let Value::Int(unit) = row[key] {
                    tell(unit);
                }
            }
        }
    }
}

/// Which parameter of a statement is the unit or pack that it writes something about. A test holds
/// this against every statement there is.
pub(super) fn written_by(sql: &str) -> Option<usize> {
    const FIRST: [&str; 4] = [
        "UPDATE unit SET ",
        "UPDATE containment SET ",
        "INSERT INTO hold (subject,",
        "DELETE FROM consumer_scan WHERE unit = $1",
    ];
    if FIRST.iter().any(|beginning| sql.starts_with(beginning)) {
        return Some(0);
    }
    sql.starts_with("INSERT INTO consumer_scan ").then_some(crate::scan::UNIT_PARAMETER)
}
