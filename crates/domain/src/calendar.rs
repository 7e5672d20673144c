//! Which days count as days off in mainland China, and where a period ends.
//!
//! **Words.** A *schedule* is the State Council's yearly notice of holidays and make-up working
//! days. A *make-up working day* (调休上班) is a Saturday or Sunday people work in exchange for a
//! longer holiday. To *roll* is to move the last day of a period off a day off. *Verified* means
//! that every day asked about lies in a schedule that was published and checked.
//!
//! **Rules** (Civil Code, in force 2021-01-01): the first day of a period is not counted
//! (Art. 201); a period in years or months ends on the corresponding day, or on the month's last
//! day when there is none (Art. 202); when the last day is a day off, the period ends on the day
//! after it (Art. 203). The rules on repair, replacement and return repeat the last for the
//! guarantee period.
//!
//! **Not here.** No reading of files and no clock: the rows come in typed, "today" is a parameter.
//! Holidays of Hong Kong, Macao and Taiwan are not in the table, nor are those only some people
//! have (Art. 3 of the Regulation on Public Holidays).

use std::collections::BTreeMap;

use jiff::Span;
use jiff::civil::{Date, Weekday};
use thiserror::Error;

/// Labour Day has had a second statutory day since this year (Regulation on Public Holidays for
/// National Festivals and Memorial Days as revised on 2024-11-10, in force 2025-01-01).
const LABOUR_DAY_TWO_DAYS_FROM: i16 = 2025;

/// From this day of December on, the next year's schedule decides as well: the schedule of 2019
/// made 2018-12-31 a holiday and 2018-12-29 a working day. No schedule so far reached further back
/// than 29 December; the week before the new year covers that with room to spare.
const NEXT_SCHEDULE_REACHES_BACK_TO: i8 = 25;

/// What a schedule says of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HolidayKind {
    /// A day off, whether statutory or moved there.
    Holiday,
    /// A Saturday or Sunday that is worked.
    MakeUpWorkingDay,
}

impl HolidayKind {
    /// The stable name used in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holiday => "holiday",
            Self::MakeUpWorkingDay => "make_up_working_day",
        }
    }
}

impl std::str::FromStr for HolidayKind {
    type Err = UnknownHolidayKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Holiday, Self::MakeUpWorkingDay]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownHolidayKind)
    }
}

/// The text names no [`HolidayKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not one of holiday, make_up_working_day")]
pub struct UnknownHolidayKind;

/// One row of the holiday table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolidayRow {
    /// The year whose schedule holds the row. A day of late December may belong to the next year's.
    pub year: i16,
    /// The day.
    pub date: Date,
    /// Off or worked.
    pub kind: HolidayKind,
    /// Whether the State Council has published that year's schedule. A row that is not published
    /// is a forecast: it counts, and everything that rests on its year is unverified.
    pub published: bool,
    /// Whether somebody compared the row with a published copy of the notice.
    pub verified: bool,
}

/// Why a row cannot stand in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HolidayFault {
    /// The date is neither in the schedule's year nor in the last days of the December before.
    #[error("the date does not belong to the schedule of that year")]
    ForeignYear,
    /// Only a Saturday or Sunday can be made a working day.
    #[error("a make-up working day must be a Saturday or a Sunday")]
    MakeUpOnWeekday,
    /// The date stands in the table already.
    #[error("the date is there twice")]
    DateTwice,
}

/// A refused row: its place in the given order, counted from 0, and the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("holiday row {row}: {fault}")]
pub struct HolidayProblem {
    /// Index of the row, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub fault: HolidayFault,
}

/// Whether a day is off, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOff {
    /// The day is off.
    pub off: bool,
    /// The answer rests on published, checked schedules.
    pub verified: bool,
}

/// The last day of a period after rolling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rolled {
    /// The day the period ends on.
    pub date: Date,
    /// The day it would have ended on, when that was a day off.
    pub rolled_from: Option<Date>,
    /// Every day looked at rests on published, checked schedules.
    pub verified: bool,
}

/// The holiday table. Empty, it knows weekends and the fixed statutory holidays, all unverified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    days: BTreeMap<Date, HolidayKind>,
    /// Year of a schedule, and whether all its rows are published and verified.
    schedules: BTreeMap<i16, bool>,
}

impl Holidays {
    /// Builds the table, or names every row that cannot stand in it.
    pub fn from_rows(
        rows: impl IntoIterator<Item = HolidayRow>,
    ) -> Result<Self, Vec<HolidayProblem>> {
        let mut table = Self::default();
        let mut problems = Vec::new();
        for (row, holiday) in rows.into_iter().enumerate() {
            if let Err(fault) = table.insert(holiday) {
                problems.push(HolidayProblem { row, fault });
            }
        }
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    fn insert(&mut self, row: HolidayRow) -> Result<(), HolidayFault> {
        if schedule_years(row.date).all(|year| year != row.year) {
            return Err(HolidayFault::ForeignYear);
        }
        if row.kind == HolidayKind::MakeUpWorkingDay && !is_weekend(row.date) {
            return Err(HolidayFault::MakeUpOnWeekday);
        }
        if self.days.contains_key(&row.date) {
            return Err(HolidayFault::DateTwice);
        }
        self.days.insert(row.date, row.kind);
        *self.schedules.entry(row.year).or_insert(true) &= row.published && row.verified;
        Ok(())
    }

    /// Whether people are off on `date`: the schedule's word if it has one, else a weekend, else,
    /// while the year's schedule is unknown, a fixed statutory holiday.
    pub fn is_day_off(&self, date: Date) -> DayOff {
        let off = match self.days.get(&date) {
            Some(kind) => *kind == HolidayKind::Holiday,
            None if self.schedules.contains_key(&date.year()) => is_weekend(date),
            None => is_weekend(date) || is_fixed_holiday(date),
        };
        let verified =
            schedule_years(date).all(|year| self.schedules.get(&year).copied().unwrap_or(false));
        DayOff { off, verified }
    }

    /// The day a period ends on whose last day by the calendar is `date`: `date` itself, or the
    /// next day that is not off (Civil Code Art. 203).
    pub fn roll(&self, date: Date) -> Rolled {
        let mut last = date;
        let mut verified = true;
        // Ends: the table is finite, and outside it at most two weekend days and three fixed
        // holidays follow each other. At the end of jiff's calendar (9999-12-31) it stays there.
        loop {
            let day = self.is_day_off(last);
            verified &= day.verified;
            match last.tomorrow() {
                Ok(next) if day.off => last = next,
                _ => break,
            }
        }
        Rolled { date: last, rolled_from: (last != date).then_some(date), verified }
    }
}

/// The day `years` later by Civil Code Arts. 201 and 202: the first day is not counted, so the
/// period ends on the same calendar day, or on the month's last day when there is none
/// (29 February, one year: 28 February).
pub fn add_years(first: Date, years: u8) -> Date {
    add_term(first, Term { years, ..Term::default() })
}

/// The last day of `term` counted from `first`, by the same rules; the days are added last.
pub fn add_term(first: Date, term: Term) -> Date {
    let span = Span::new().years(term.years).months(term.months).days(term.days);
    first.saturating_add(span)
}

/// A length of time by the calendar. All zero is no time at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Term {
    /// Calendar years.
    pub years: u8,
    /// Calendar months.
    pub months: u8,
    /// Days.
    pub days: u16,
}

impl Term {
    /// Whether the term has no length.
    pub const fn is_zero(self) -> bool {
        self.years == 0 && self.months == 0 && self.days == 0
    }
}

/// The years whose schedules may speak of `date`.
fn schedule_years(date: Date) -> impl Iterator<Item = i16> {
    let reaches_back = date.month() == 12 && date.day() >= NEXT_SCHEDULE_REACHES_BACK_TO;
    let next = reaches_back.then(|| date.year().saturating_add(1));
    std::iter::once(date.year()).chain(next)
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The holidays of everybody with a fixed day in the civil calendar (Regulation on Public Holidays
/// Art. 2): 1 January, 1 and 2 May, 1 to 3 October. The others follow the moon or the sun.
fn is_fixed_holiday(date: Date) -> bool {
    match (date.month(), date.day()) {
        (1, 1) | (5, 1) | (10, 1..=3) => true,
        (5, 2) => date.year() >= LABOUR_DAY_TWO_DAYS_FROM,
        _ => false,
    }
}

/// The holiday rows this project ships, for tests.
#[cfg(test)]
pub(crate) fn shipped() -> Holidays {
    let file = include_str!("../../../data/policies/holidays.csv");
    let rows = file.lines().skip(1).map(|line| {
        let cell: Vec<&str> = line.split(',').collect();
        HolidayRow {
            year: cell[0].parse().unwrap(),
            date: cell[1].parse().unwrap(),
            kind: cell[2].parse().unwrap(),
            published: cell[4].parse().unwrap(),
            verified: cell[5].parse().unwrap(),
        }
    });
    Holidays::from_rows(rows).unwrap()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn row(year: i16, date: Date, kind: HolidayKind) -> HolidayRow {
        HolidayRow { year, date, kind, published: true, verified: true }
    }

    #[test]
    fn days_off_in_the_shipped_table() {
        let table = shipped();
        let (work, off, sure, unsure) = (false, true, true, false);
        let cases = [
            (date(2026, 11, 23), work, sure),   // a Monday
            (date(2026, 11, 22), off, sure),    // a Sunday
            (date(2026, 10, 1), off, sure),     // National Day
            (date(2026, 10, 7), off, sure),     // its last moved day, a Wednesday
            (date(2026, 10, 8), work, sure),    // the day after
            (date(2026, 10, 10), work, sure),   // a worked Saturday
            (date(2026, 2, 14), work, sure),    // a worked Saturday before Spring Festival
            (date(2026, 2, 23), off, sure),     // Spring Festival, a Monday
            (date(2025, 5, 3), off, sure),      // Labour Day, a Saturday
            (date(2024, 2, 9), work, sure),     // New Year's Eve was no holiday in 2024
            (date(2026, 12, 24), work, sure),   // the next schedule does not reach this day
            (date(2026, 12, 31), work, unsure), // it may reach this one
            (date(2025, 12, 31), work, sure),   // the schedule of 2026 is known
            (date(2027, 1, 1), off, unsure),    // fixed
            (date(2027, 5, 2), off, unsure),    // fixed, a Sunday anyway
            (date(2028, 5, 2), off, unsure),    // fixed, a Tuesday
            (date(2023, 5, 2), work, unsure),   // before Labour Day had two days
            (date(2027, 10, 4), work, unsure),  // only moved days could make it off
        ];
        for (day, off, verified) in cases {
            assert_eq!(table.is_day_off(day), DayOff { off, verified }, "{day}");
        }
    }

    #[test]
    fn rolling() {
        let table = shipped();
        let cases = [
            (date(2026, 11, 23), date(2026, 11, 23), true),
            (date(2026, 11, 21), date(2026, 11, 23), true), // Saturday to Monday
            (date(2026, 10, 1), date(2026, 10, 8), true),   // over National Day
            (date(2026, 9, 19), date(2026, 9, 20), true),   // Saturday to a worked Sunday
            (date(2025, 10, 11), date(2025, 10, 11), true), // a worked Saturday stays
            (date(2025, 12, 31), date(2025, 12, 31), true),
            (date(2026, 12, 26), date(2026, 12, 28), false),
            (date(2027, 1, 1), date(2027, 1, 4), false), // Friday, then a weekend
            (date(2027, 5, 14), date(2027, 5, 14), false), // a Friday
            (date(9999, 12, 31), date(9999, 12, 31), false),
        ];
        for (from, to, verified) in cases {
            let rolled_from = (from != to).then_some(from);
            assert_eq!(table.roll(from), Rolled { date: to, rolled_from, verified }, "{from}");
        }
    }

    #[test]
    fn a_forecast_counts_but_is_unverified() {
        let monday = date(2027, 2, 8);
        let forecast = HolidayRow { published: false, ..row(2027, monday, HolidayKind::Holiday) };
        let table = Holidays::from_rows([forecast]).unwrap();
        assert_eq!(table.is_day_off(monday), DayOff { off: true, verified: false });
    }

    #[test]
    fn a_december_day_may_stand_in_the_next_schedule() {
        let monday = date(2018, 12, 31);
        let rows = [
            row(2018, date(2018, 1, 1), HolidayKind::Holiday),
            row(2019, monday, HolidayKind::Holiday),
            row(2019, date(2018, 12, 29), HolidayKind::MakeUpWorkingDay),
        ];
        let table = Holidays::from_rows(rows).unwrap();
        assert_eq!(table.is_day_off(monday), DayOff { off: true, verified: true });
        assert_eq!(table.roll(date(2018, 12, 29)).date, date(2018, 12, 29));
    }

    #[test]
    fn bad_rows_are_all_named() {
        let rows = [
            row(2026, date(2026, 1, 1), HolidayKind::Holiday),
            row(2026, date(2025, 12, 24), HolidayKind::Holiday),
            row(2026, date(2025, 11, 23), HolidayKind::Holiday),
            row(2026, date(2026, 1, 5), HolidayKind::MakeUpWorkingDay),
            row(2026, date(2026, 1, 1), HolidayKind::Holiday),
        ];
        let expected = [
            (1, HolidayFault::ForeignYear),
            (2, HolidayFault::ForeignYear),
            (3, HolidayFault::MakeUpOnWeekday),
            (4, HolidayFault::DateTwice),
        ];
        let problems = Holidays::from_rows(rows).unwrap_err();
        let found: Vec<_> = problems.iter().map(|it| (it.row, it.fault)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn adding_time() {
        let term = |years, months, days| Term { years, months, days };
        let cases = [
            (date(2026, 5, 14), term(1, 0, 0), date(2027, 5, 14)),
            (date(2024, 2, 29), term(1, 0, 0), date(2025, 2, 28)),
            (date(2024, 2, 29), term(4, 0, 0), date(2028, 2, 29)),
            (date(2025, 2, 28), term(3, 0, 0), date(2028, 2, 28)),
            (date(2026, 8, 31), term(0, 6, 0), date(2027, 2, 28)),
            (date(2026, 1, 1), term(0, 0, 90), date(2026, 4, 1)),
            (date(2026, 1, 31), term(0, 1, 1), date(2026, 3, 1)),
            (date(9999, 6, 1), term(255, 255, 65535), Date::MAX),
        ];
        for (first, term, last) in cases {
            assert_eq!(add_term(first, term), last, "{first} {term:?}");
        }
        assert_eq!(add_years(date(2024, 2, 29), 1), date(2025, 2, 28));
    }

    /// Any day from 2020 to 2032: years before, in and after the shipped table.
    fn any_day() -> impl Strategy<Value = Date> {
        (0u16..4700).prop_map(|days| add_term(date(2020, 1, 1), Term { days, ..Term::default() }))
    }

    proptest! {
        #[test]
        fn rolling_never_goes_back_and_stops_on_a_working_day(day in any_day()) {
            let table = shipped();
            let rolled = table.roll(day);
            prop_assert!(rolled.date >= day);
            prop_assert!(!table.is_day_off(rolled.date).off);
            prop_assert_eq!(rolled.rolled_from.is_some(), rolled.date != day);
            // Idempotent, and monotonic by the day.
            prop_assert_eq!(table.roll(rolled.date).date, rolled.date);
            let next = add_term(day, Term { days: 1, ..Term::default() });
            prop_assert!(table.roll(next).date >= rolled.date);
        }

        #[test]
        fn years_without_a_schedule_are_unverified(day in any_day()) {
            if !(2024..=2026).contains(&day.year()) {
                prop_assert!(!shipped().roll(day).verified);
            }
        }

        #[test]
        fn a_year_later_is_the_same_month(day in any_day(), years in 0u8..30) {
            let later = add_years(day, years);
            prop_assert_eq!(later.year(), day.year() + i16::from(years));
            prop_assert_eq!(later.month(), day.month());
            prop_assert!(later.day() == day.day() || later == later.last_of_month());
        }
    }
}
