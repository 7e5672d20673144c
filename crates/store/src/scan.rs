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
    /// A line for each of these looks ([`Look`]), newest last.
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

/// Which parameter of [`CONSUMER_SCAN_ADD`] is the unit, counted from 0.
pub(crate) const UNIT_PARAMETER: usize = 7;

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

/// One look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look<'a> {
    /// When, microseconds.
    pub at: i64,
    /// The city it is counted under.
    pub city: Option<&'a str>,
    /// Whether the network is known to end where its users are.
    pub is_steady: bool,
}

/// Behind the city of a look whose network is known to end where its users are.
const STEADY: &str = "=";

/// A line of a text of looks, without its end.
impl std::fmt::Display for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steady = if self.is_steady { STEADY } else { "" };
        write!(f, "{} {}{steady}", self.at, self.city.unwrap_or("-"))
    }
}

/// The looks in a text of them, newest last.
pub fn looks(recent: &str) -> impl Iterator<Item = Look<'_>> {
    let mut rest = recent;
    std::iter::from_fn(move || next_look(&mut rest))
}

/// How many cities a text of looks names.
pub fn city_count(recent: &str) -> usize {
    let mut cities: Vec<_> = looks(recent).filter_map(|look| look.city).collect();
    cities.sort_unstable();
    cities.dedup();
    cities.len()
}

/// Takes a line off a text of looks. Each answer about a unit that was looked at often reads
/// them all, byte by byte: the lines are too short for searching to be worth it.
fn next_look<'a>(rest: &mut &'a str) -> Option<Look<'a>> {
    let bytes = rest.as_bytes();
    let (mut at, mut place) = (0_i64, 0);
    while let Some(digit @ b'0'..=b'9') = bytes.get(place) {
        at = at.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        place += 1;
    }
    let end = place + bytes.get(place..)?.iter().position(|byte| *byte == b'\n')?;
    // Of the oldest line there may be only the end; whatever is cut off, it is older than a day.
    let city = rest.get(place..end).unwrap_or_default().trim_start_matches(' ');
    let steady = city.strip_suffix(STEADY);
    let city = steady.unwrap_or(city);
    *rest = rest.get(end + 1..).unwrap_or_default();
    Some(Look {
        at,
        city: (!city.is_empty() && city != "-").then_some(city),
        is_steady: steady.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_read_as_they_were_written() {
        let written = [
            Look { at: 5, city: Some("4403"), is_steady: true },
            Look { at: 6, city: Some("US"), is_steady: false },
            Look { at: 7, city: None, is_steady: false },
            Look { at: 8, city: Some("4403"), is_steady: false },
        ];
        let text: String = written.iter().map(|look| format!("{look}\n")).collect();
        assert!(looks(&text).eq(written));
        assert_eq!((city_count(&text), city_count("")), (2, 0));
    }
}
