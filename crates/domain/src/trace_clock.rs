//! How long the trace data of a unit must be kept: its retention clock.
//!
//! The clock ends at the latest of: the end of the guarantee or of the recommended service life,
//! whichever is later, and some years; and, where the row says so, some years from the first
//! delivery out of the maker's hands (product liability). Until all that is known of a unit, its
//! clock has not begun to run out, and nothing of it may be dropped.

use crate::calendar::{Term, add_term};
use crate::policy::{Category, MAINLAND};
use jiff::civil::Date;

/// One row: how long trace data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceTerm {
    /// Names the row for ever.
    pub version: String,
    /// Which category; nothing for all that have no row of their own.
    pub category: Option<Category>,
    /// Years after the end of guarantee or service life.
    pub after_end_years: u8,
    /// Years from the first delivery that it is kept at least; nothing for no such floor.
    pub delivery_years: Option<u8>,
    /// First day in force.
    pub from_on: Date,
    /// Last day in force; open when nothing.
    pub to_on: Option<Date>,
    /// Where: [`MAINLAND`], or a GB/T 2260 prefix.
    pub jurisdiction: String,
    /// Where it is known from.
    pub source_note: String,
    /// Whether somebody compared it with a published copy of that source.
    pub verified: bool,
}

/// The table of retention terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceTerms(Vec<TraceTerm>);

impl TraceTerms {
    /// Builds the table, or says which rows cannot stand in it.
    ///
    /// # Errors
    /// A version that is empty or there twice; a row that ends before it begins.
    pub fn from_rows(rows: Vec<TraceTerm>) -> Result<Self, String> {
        for (place, row) in rows.iter().enumerate() {
            let twice = rows[..place].iter().any(|other| other.version == row.version);
            let reversed = row.to_on.is_some_and(|last| last < row.from_on);
            if row.version.is_empty() || twice || reversed {
                return Err(format!("retention policy row {place}: {:?}", row.version));
            }
        }
        Ok(Self(rows))
    }

    /// The nationwide row for a category on a day: its own before the one for all.
    pub fn row_for(&self, category: Category, on: Date) -> Option<&TraceTerm> {
        let in_force = |row: &&TraceTerm| {
            let lasts = row.to_on.is_none_or(|last| on <= last);
            row.jurisdiction == MAINLAND && row.from_on <= on && lasts
        };
        let of = |wanted: Option<Category>| {
            self.0.iter().filter(in_force).find(move |row| row.category == wanted)
        };
        of(Some(category)).or_else(|| of(None))
    }
}

/// What a unit's clock is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockFacts {
    /// Day of production.
    pub produced_on: Option<Date>,
    /// Day it first left the maker's hands.
    pub delivered_on: Option<Date>,
    /// Last day of the guarantee.
    pub warranty_ends_on: Option<Date>,
    /// Months from production that it is meant to serve.
    pub service_months: Option<u16>,
    /// It is under a recall: while that stands its records are needed.
    pub recalled: bool,
}

/// Why a clock ends when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockBasis {
    /// Years after the guarantee.
    Warranty,
    /// Years after the recommended service life.
    ServiceLife,
    /// Years from the first delivery.
    Delivery,
}

impl ClockBasis {
    /// The word in replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warranty => "warranty",
            Self::ServiceLife => "service_life",
            Self::Delivery => "delivery",
        }
    }
}

/// The retention clock of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Last day on which its trace data must be kept; nothing while that cannot be told yet.
    pub keep_until: Option<Date>,
    /// What that day rests on.
    pub basis: Option<ClockBasis>,
    /// The row used; nothing without one.
    pub policy: Option<String>,
    /// Whether that row was compared with its source.
    pub verified: bool,
    /// It is under a recall, which keeps everything whatever the day.
    pub held: bool,
}

impl Clock {
    /// Whether trace data of the unit may be dropped on a day. What cannot be told keeps it.
    pub fn may_drop(&self, on: Date) -> bool {
        !self.held && self.keep_until.is_some_and(|last| last < on)
    }
}

/// Reads a unit's clock by the row in force today.
pub fn clock(row: Option<&TraceTerm>, facts: &ClockFacts) -> Clock {
    let keep = row.and_then(|row| keep_until(row, facts));
    Clock {
        keep_until: keep.map(|(day, _)| day),
        basis: keep.map(|(_, basis)| basis),
        policy: row.map(|row| row.version.clone()),
        verified: row.is_some_and(|row| row.verified),
        held: facts.recalled,
    }
}

fn keep_until(row: &TraceTerm, facts: &ClockFacts) -> Option<(Date, ClockBasis)> {
    let years = |from: Date, years: u8| add_term(from, Term { years, ..Term::default() });
    let service_ends_on = facts.service_months.and_then(|months| {
        let made = facts.produced_on?;
        let (years, months) = (u8::try_from(months / 12).ok()?, (months % 12) as u8);
        Some(add_term(made, Term { years, months, ..Term::default() }))
    });
    // Without a guarantee that began there is no end to count from.
    let warranty = years(facts.warranty_ends_on?, row.after_end_years);
    let mut ends = vec![(warranty, ClockBasis::Warranty)];
    ends.extend(
        service_ends_on.map(|end| (years(end, row.after_end_years), ClockBasis::ServiceLife)),
    );
    if let Some(floor) = row.delivery_years {
        // Goods that never left may still do so.
        ends.push((years(facts.delivered_on?, floor), ClockBasis::Delivery));
    }
    ends.into_iter().max_by_key(|(day, _)| *day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn row(delivery_years: Option<u8>) -> TraceTerm {
        TraceTerm {
            version: "r".into(),
            category: None,
            after_end_years: 2,
            delivery_years,
            from_on: date(2024, 1, 1),
            to_on: None,
            jurisdiction: MAINLAND.into(),
            source_note: String::new(),
            verified: false,
        }
    }

    fn facts() -> ClockFacts {
        ClockFacts {
            produced_on: Some(date(2026, 1, 10)),
            delivered_on: Some(date(2026, 2, 1)),
            warranty_ends_on: Some(date(2027, 6, 1)),
            service_months: None,
            recalled: false,
        }
    }

    #[test]
    fn the_latest_end_counts() {
        let until = |row: &TraceTerm, facts: &ClockFacts| {
            let clock = clock(Some(row), facts);
            (clock.keep_until, clock.basis.map(ClockBasis::as_str))
        };
        assert_eq!(until(&row(None), &facts()), (Some(date(2029, 6, 1)), Some("warranty")));
        let served = ClockFacts { service_months: Some(60), ..facts() };
        assert_eq!(until(&row(None), &served), (Some(date(2033, 1, 10)), Some("service_life")));
        assert_eq!(until(&row(Some(10)), &served), (Some(date(2036, 2, 1)), Some("delivery")));
        let stays = ClockFacts { delivered_on: None, ..facts() };
        assert_eq!(until(&row(Some(10)), &stays), (None, None));
        let unsold = ClockFacts { warranty_ends_on: None, ..facts() };
        assert_eq!(until(&row(None), &unsold), (None, None));
    }

    #[test]
    fn nothing_is_dropped_on_the_last_day_nor_without_a_row_nor_under_recall() {
        let kept = clock(Some(&row(None)), &facts());
        assert!(!kept.may_drop(date(2029, 6, 1)));
        assert!(kept.may_drop(date(2029, 6, 2)));
        assert!(!clock(None, &facts()).may_drop(date(2100, 1, 1)));
        let recalled = ClockFacts { recalled: true, ..facts() };
        assert!(!clock(Some(&row(None)), &recalled).may_drop(date(2100, 1, 1)));
    }

    #[test]
    fn a_category_of_its_own_goes_before_the_row_for_all() {
        let own =
            TraceTerm { version: "p".into(), category: Some(Category::PowerBank), ..row(None) };
        let table = TraceTerms::from_rows(vec![row(None), own]).unwrap();
        let of = |category| table.row_for(category, date(2026, 1, 1)).map(|r| r.version.as_str());
        assert_eq!(of(Category::PowerBank), Some("p"));
        assert_eq!(of(Category::Phone), Some("r"));
        assert_eq!(table.row_for(Category::Phone, date(2023, 1, 1)), None);
    }

    proptest! {
        /// Never shorter than the row says, whatever else is known.
        #[test]
        fn a_clock_is_never_shorter_than_its_row(
            delivered in 0_i32..4000, ends in 0_i32..4000,
            months in proptest::option::of(0_u16..400),
            floor in proptest::option::of(0_u8..20),
        ) {
            let day = |n: i32| date(2026, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap();
            let facts = ClockFacts {
                produced_on: Some(date(2026, 1, 1)),
                delivered_on: Some(day(delivered)),
                warranty_ends_on: Some(day(ends)),
                service_months: months,
                recalled: false,
            };
            let until = clock(Some(&row(floor)), &facts).keep_until.unwrap();
            let years = |from, years| add_term(from, Term { years, ..Term::default() });
            prop_assert!(until >= years(day(ends), 2));
            prop_assert!(floor.is_none_or(|floor| until >= years(day(delivered), floor)));
        }
    }
}
