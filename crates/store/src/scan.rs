//! Scans: observations by anyone. They prove nothing, are aggregated per unit and audience, written
//! in batches, and never delay anybody.

use crate::engine::{Plan, Step};
use crate::{Store, StoreError};

/// Looks at one unit by one audience, gathered since the last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanDelta {
    /// The unit.
    pub unit: i64,
    /// `consumer`, `trade`, `staff`, `official`.
    pub audience: &'static str,
    /// How many looks.
    pub count: i64,
    /// The earliest of them, microseconds.
    pub first_at: i64,
    /// The latest of them.
    pub last_at: i64,
    /// Where the earliest was.
    pub first_place: Option<String>,
    /// Where the latest was.
    pub last_place: Option<String>,
    /// `microseconds place` lines of these looks, newest last.
    pub recent: String,
}

/// Characters of recent looks kept per unit and audience; the oldest go first. A line has 24 at
/// most, so 32 looks fit, one more than the scan rule counts to; and a row stays within one page of
/// SQLite's tree, while longer ones would spill over at every look.
pub const RECENT_CHARS_MAX: i64 = 768;

/// The audience with a table of its own.
const CONSUMER: &str = "consumer";

macro_rules! add_to {
    ($table:literal, $key:literal, $more:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " AS known (count, first_at, last_at, first_place, last_place, recent, ",
            $key,
            ") VALUES ($1, $2, $3, $4, $5, $6, $8",
            $more,
            ") ON CONFLICT (",
            $key,
            ") DO UPDATE SET count = known.count + excluded.count, \
             last_at = CASE WHEN excluded.last_at > known.last_at THEN excluded.last_at \
             ELSE known.last_at END, \
             last_place = CASE WHEN excluded.last_at > known.last_at THEN excluded.last_place \
             ELSE known.last_place END, \
             recent = substr(known.recent || excluded.recent, \
             CASE WHEN length(known.recent || excluded.recent) > $7 \
             THEN length(known.recent || excluded.recent) - $7 + 1 ELSE 1 END)"
        )
    };
}
const SCAN_ADD: &str = add_to!("scan", "unit, audience", ", $9");
const CONSUMER_SCAN_ADD: &str = add_to!("consumer_scan", "unit", "");

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[SCAN_ADD, CONSUMER_SCAN_ADD];

impl Store {
    /// Adds gathered looks, all or none.
    ///
    /// # Errors
    /// The store cannot be written; the looks are lost, which harms nobody.
    pub async fn scans_add(&self, deltas: Vec<ScanDelta>) -> Result<(), StoreError> {
        let step = |d: ScanDelta| {
            let mut row = vec![
                d.count.into(),
                d.first_at.into(),
                d.last_at.into(),
                d.first_place.into(),
                d.last_place.into(),
                d.recent.into(),
                RECENT_CHARS_MAX.into(),
                d.unit.into(),
            ];
            if d.audience == CONSUMER {
                return Step::run(CONSUMER_SCAN_ADD, row);
            }
            row.push(d.audience.into());
            Step::run(SCAN_ADD, row)
        };
        let plan = Plan::new(deltas.into_iter().map(step).collect());
        self.engine.write(plan).await.map_err(StoreError::Write)
    }
}
