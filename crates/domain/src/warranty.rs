//! From when to when a unit is under guarantee, and why.
//!
//! **Words.** The *start basis* is the evidence the start rests on. A *reading* is what the facts
//! give today; better evidence gives another reading. The *windows* are the days within which a
//! listed fault entitles to a refund (day 7) or a replacement (day 15).
//!
//! **Rules.** Start: the invoice's date or the day of sale or delivery, the later where both are
//! proven (period from the invoice: phone rule; from delivery: Regulation implementing the
//! Consumer Law, Art. 18); else the first activation; else the 90th day after the unit left the
//! factory (phone rule, for lost papers). End: the policy's term by the civil calendar, rolled off
//! a day off. All dates are those of the zone given, Asia/Shanghai for the mainland.
//!
//! **Not here.** Suspension by repairs, restart by replacement, parts, exclusions. Findings are no
//! input: goods sold outside their territory are covered like any others.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::{Holidays, Rolled, Term, add_term};
use crate::policy::{Category, Policies, Promise, WarrantyPolicy};

/// With neither invoice nor certificate, a phone's period starts on the 90th day after the day it
/// left the factory (phone rule); makers do the same for other products.
pub const DAYS_AFTER_EX_FACTORY: u16 = 90;

/// What is known of one unit, and the tables to judge it by.
#[derive(Clone, Copy, Debug)]
pub struct WarrantyFacts<'a> {
    /// Category of the product.
    pub category: Category,
    /// Date of the invoice.
    pub invoice_on: Option<Date>,
    /// Day of the sale, or of delivery where that is proven.
    pub sale_on: Option<Date>,
    /// First activation of the unit's present life.
    pub activated_at: Option<Timestamp>,
    /// When a shipment first took it from its maker, if only to the brand; else when it was made.
    pub ex_factory_at: Option<Timestamp>,
    /// The policy table.
    pub policies: &'a Policies,
    /// The holiday table.
    pub holidays: &'a Holidays,
    /// The zone whose calendar counts: Asia/Shanghai for the mainland.
    pub time_zone: &'a TimeZone,
}

/// The evidence a start rests on, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StartBasis {
    /// Date of the invoice.
    Invoice,
    /// Day of sale or delivery.
    Sale,
    /// First activation.
    Activation,
    /// The 90th day after the unit left the factory.
    ExFactoryPlus90,
}

impl StartBasis {
    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Sale => "sale",
            Self::Activation => "activation",
            Self::ExFactoryPlus90 => "ex_factory_plus_90",
        }
    }
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// No invoice, sale, activation or departure from the factory is known.
    NoStart,
    /// No policy for the category was in force on the day of the start.
    NoPolicy,
}

impl Gap {
    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoStart => "no_start",
            Self::NoPolicy => "no_policy",
        }
    }
}

/// The answer of [`read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarrantyReading {
    /// The guarantee has known dates.
    Known(Coverage),
    /// It has not; nobody is told that a guarantee ended or never was.
    Unknown(Gap),
}

impl WarrantyReading {
    /// The coverage, when the dates are known.
    pub const fn known(&self) -> Option<&Coverage> {
        match self {
            Self::Known(coverage) => Some(coverage),
            Self::Unknown(_) => None,
        }
    }

    /// Where `on` stands in the coverage, when the dates are known.
    pub fn state_on(&self, on: Date) -> Option<CoverageState> {
        self.known().map(|coverage| coverage.state_on(on))
    }
}

/// A guarantee with its dates and where each comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The day the period starts; covered, but not counted.
    pub starts_on: Date,
    /// The last covered day.
    pub ends_on: Date,
    /// The last day before rolling, when that was a day off.
    pub rolled_from: Option<Date>,
    /// Whether `ends_on` rests on published, checked holiday schedules only. If not, it can still
    /// move by some days once the schedule of its year is out.
    pub holidays_verified: bool,
    /// The evidence of the start.
    pub basis: StartBasis,
    /// Whose word the length is.
    pub promise: Promise,
    /// The policy row used.
    pub policy_version: String,
    /// Whether that row was compared with its source.
    pub policy_verified: bool,
    /// Last day for a refund on a listed fault. Nothing without a policy for it, and nothing when
    /// the start is only the factory's date: then only repair is owed (phone rule).
    pub refund_until: Option<Rolled>,
    /// Last day for a replacement on a listed fault; nothing as above.
    pub replace_until: Option<Rolled>,
}

/// Where a day stands in a coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoverageState {
    /// The day lies before the start.
    NotStarted,
    /// The day is covered.
    InForce {
        /// Covered days after this one: 0 on the last.
        days_left: u32,
    },
    /// The day lies after the last covered one.
    Ended,
}

impl CoverageState {
    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::InForce { .. } => "in_force",
            Self::Ended => "ended",
        }
    }
}

impl Coverage {
    /// Whether it rests on the factory's day alone. It has begun with no buyer then, and a paper or
    /// a first start of whatever day takes its place, also after it has ended.
    pub const fn is_from_factory(&self) -> bool {
        matches!(self.basis, StartBasis::ExFactoryPlus90)
    }

    /// Where `on` stands.
    pub fn state_on(&self, on: Date) -> CoverageState {
        if on < self.starts_on {
            CoverageState::NotStarted
        } else if on > self.ends_on {
            CoverageState::Ended
        } else {
            let left = self.ends_on.duration_since(on).as_hours() / 24;
            CoverageState::InForce { days_left: u32::try_from(left).unwrap_or(0) }
        }
    }
}

/// Reads the guarantee of one unit from its facts.
pub fn read(facts: &WarrantyFacts<'_>) -> WarrantyReading {
    let Some((starts_on, basis)) = start(facts) else {
        return WarrantyReading::Unknown(Gap::NoStart);
    };
    match facts.policies.warranty_for(facts.category, starts_on) {
        Some(policy) => WarrantyReading::Known(coverage(starts_on, basis, policy, facts.holidays)),
        None => WarrantyReading::Unknown(Gap::NoPolicy),
    }
}

/// The start by the best evidence there is.
pub fn start(facts: &WarrantyFacts<'_>) -> Option<(Date, StartBasis)> {
    let day = |at: Timestamp| facts.time_zone.to_datetime(at).date();
    let papers = match (facts.invoice_on, facts.sale_on) {
        (Some(invoice), Some(sale)) if sale > invoice => Some((sale, StartBasis::Sale)),
        (Some(invoice), _) => Some((invoice, StartBasis::Invoice)),
        (None, Some(sale)) => Some((sale, StartBasis::Sale)),
        (None, None) => None,
    };
    papers.or_else(|| facts.activated_at.map(|at| (day(at), StartBasis::Activation))).or_else(
        || {
            facts
                .ex_factory_at
                .map(|at| (days_after(day(at), DAYS_AFTER_EX_FACTORY), StartBasis::ExFactoryPlus90))
        },
    )
}

fn coverage(
    starts_on: Date,
    basis: StartBasis,
    policy: &WarrantyPolicy,
    holidays: &Holidays,
) -> Coverage {
    let end = holidays.roll(add_term(starts_on, policy.term));
    let window = |days: Option<u16>| {
        let days = days.filter(|_| basis != StartBasis::ExFactoryPlus90)?;
        Some(holidays.roll(days_after(starts_on, days)))
    };
    Coverage {
        starts_on,
        ends_on: end.date,
        rolled_from: end.rolled_from,
        holidays_verified: end.verified,
        basis,
        promise: policy.basis,
        policy_version: policy.version.clone(),
        policy_verified: policy.verified,
        refund_until: window(policy.refund_days),
        replace_until: window(policy.replace_days),
    }
}

/// Day number `days` counted from `first`, which is day 0 (Civil Code Art. 201).
fn days_after(first: Date, days: u16) -> Date {
    add_term(first, Term { days, ..Term::default() })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::Offset;
    use proptest::prelude::*;

    use super::*;
    use crate::{calendar, policy};

    /// Facts of a phone, with the tables shipped. Mainland time has had no summer time since 1991.
    fn reading(change: impl FnOnce(&mut WarrantyFacts<'_>)) -> WarrantyReading {
        let (policies, holidays) = (policy::shipped(), calendar::shipped());
        let zone = TimeZone::fixed(Offset::constant(8));
        let mut facts = WarrantyFacts {
            category: Category::Phone,
            invoice_on: None,
            sale_on: None,
            activated_at: None,
            ex_factory_at: None,
            policies: &policies,
            holidays: &holidays,
            time_zone: &zone,
        };
        change(&mut facts);
        read(&facts)
    }

    fn known(change: impl FnOnce(&mut WarrantyFacts<'_>)) -> Coverage {
        reading(change).known().cloned().unwrap()
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn activated_2026_05_14_one_year_ends_2027_05_14() {
        let found = known(|facts| facts.activated_at = at("2026-05-14T10:00:00+08:00"));
        let sure = |date| Some(Rolled { date, rolled_from: None, verified: true });
        let expected = Coverage {
            starts_on: date(2026, 5, 14),
            ends_on: date(2027, 5, 14),
            rolled_from: None,
            holidays_verified: false,
            basis: StartBasis::Activation,
            promise: Promise::Statutory,
            policy_version: "cn-phone-1".to_owned(),
            policy_verified: true,
            refund_until: sure(date(2026, 5, 21)),
            replace_until: sure(date(2026, 5, 29)),
        };
        assert_eq!(found, expected);
        let left = found.state_on(date(2026, 11, 23));
        assert_eq!(left, CoverageState::InForce { days_left: 172 });
    }

    #[test]
    fn the_best_evidence_starts_the_period() {
        let (early, late) = (Some(date(2026, 3, 2)), Some(date(2026, 3, 9)));
        let activated = at("2026-03-04T08:00:00+08:00");
        let shipped = at("2026-01-05T08:00:00+08:00");
        let none = None;
        let cases = [
            (early, late, activated, shipped, date(2026, 3, 9), StartBasis::Sale),
            (late, early, activated, shipped, date(2026, 3, 9), StartBasis::Invoice),
            (early, early, activated, shipped, date(2026, 3, 2), StartBasis::Invoice),
            (early, none, activated, shipped, date(2026, 3, 2), StartBasis::Invoice),
            (none, late, activated, shipped, date(2026, 3, 9), StartBasis::Sale),
            (none, none, activated, shipped, date(2026, 3, 4), StartBasis::Activation),
            (none, none, None, shipped, date(2026, 4, 5), StartBasis::ExFactoryPlus90),
        ];
        for (invoice_on, sale_on, activated_at, ex_factory_at, starts_on, basis) in cases {
            let found = known(|facts| {
                facts.invoice_on = invoice_on;
                facts.sale_on = sale_on;
                facts.activated_at = activated_at;
                facts.ex_factory_at = ex_factory_at;
            });
            assert_eq!((found.starts_on, found.basis), (starts_on, basis));
        }
    }

    #[test]
    fn without_a_start_or_a_policy_nothing_is_said() {
        assert_eq!(reading(|_| {}), WarrantyReading::Unknown(Gap::NoStart));
        let before_the_rule = reading(|facts| facts.sale_on = Some(date(2001, 11, 14)));
        assert_eq!(before_the_rule, WarrantyReading::Unknown(Gap::NoPolicy));
        assert_eq!(before_the_rule.state_on(date(2026, 11, 23)), None);
    }

    #[test]
    fn the_day_is_the_one_in_beijing() {
        let late = known(|facts| facts.activated_at = at("2026-03-31T15:59:59Z"));
        assert_eq!(late.starts_on, date(2026, 3, 31), "23:59:59 in Beijing");
        let next = known(|facts| facts.activated_at = at("2026-03-31T16:00:00Z"));
        assert_eq!(next.starts_on, date(2026, 4, 1), "midnight in Beijing");
    }

    #[test]
    fn a_leap_day_ends_on_the_last_of_february() {
        let found = known(|facts| facts.sale_on = Some(date(2024, 2, 29)));
        assert_eq!((found.ends_on, found.holidays_verified), (date(2025, 2, 28), true));
    }

    #[test]
    fn the_end_rolls_over_national_day() {
        let found = known(|facts| facts.sale_on = Some(date(2025, 10, 3)));
        assert_eq!(found.ends_on, date(2026, 10, 8));
        assert_eq!(found.rolled_from, Some(date(2026, 10, 3)));
        assert!(found.holidays_verified);
        assert_eq!(found.state_on(date(2026, 10, 8)), CoverageState::InForce { days_left: 0 });
        assert_eq!(found.state_on(date(2026, 10, 9)), CoverageState::Ended);
        assert_eq!(found.state_on(date(2025, 10, 2)), CoverageState::NotStarted);
        assert_eq!(found.state_on(date(2025, 10, 3)), CoverageState::InForce { days_left: 370 });
    }

    #[test]
    fn the_end_stays_on_a_worked_saturday() {
        let found = known(|facts| facts.sale_on = Some(date(2025, 10, 10)));
        assert_eq!((found.ends_on, found.rolled_from), (date(2026, 10, 10), None));
    }

    #[test]
    fn the_windows_roll_too() {
        let found = known(|facts| facts.sale_on = Some(date(2026, 9, 24)));
        let refund = found.refund_until.unwrap();
        assert_eq!((refund.date, refund.rolled_from), (date(2026, 10, 8), Some(date(2026, 10, 1))));
        assert_eq!(found.replace_until.unwrap().date, date(2026, 10, 9));
    }

    #[test]
    fn the_factory_date_gives_repair_only() {
        let found = known(|facts| facts.ex_factory_at = at("2026-01-05T08:00:00+08:00"));
        assert_eq!((found.refund_until, found.replace_until), (None, None));
        assert!(found.is_from_factory());
        let sold = known(|facts| facts.sale_on = Some(date(2031, 1, 5)));
        assert!(!sold.is_from_factory(), "a buyer's day counts, however late");
    }

    #[test]
    fn a_category_in_no_catalogue_has_the_makers_word() {
        let found = known(|facts| {
            facts.category = Category::PowerBank;
            facts.sale_on = Some(date(2026, 5, 14));
        });
        assert_eq!((found.ends_on, found.promise), (date(2027, 5, 14), Promise::MakerDefault));
        assert_eq!(found.replace_until, None);
    }

    proptest! {
        #[test]
        fn the_dates_keep_their_order(
            days in 0u16..4700, category in 0usize..Category::ALL.len(), papers: bool,
        ) {
            let day = days_after(date(2020, 1, 1), days);
            let found = known(|facts| {
                facts.category = Category::ALL[category];
                facts.invoice_on = papers.then_some(day);
                facts.activated_at = TimeZone::UTC.to_timestamp(day.at(3, 0, 0, 0)).ok();
            });
            prop_assert_eq!(found.starts_on, day);
            prop_assert!(found.ends_on > found.starts_on);
            prop_assert!(found.rolled_from.is_none_or(|from| from < found.ends_on));
            let refund = found.refund_until.map_or(day, |it| it.date);
            let replace = found.replace_until.map_or(found.ends_on, |it| it.date);
            prop_assert!(day <= refund && refund <= replace && replace <= found.ends_on);
            if !(2024..=2026).contains(&found.ends_on.year()) {
                prop_assert!(!found.holidays_verified);
            }
        }

        #[test]
        fn every_day_has_one_state(days in 0u16..4700, ask in 0u16..5500) {
            let found = known(|facts| facts.sale_on = Some(days_after(date(2020, 1, 1), days)));
            let on = days_after(date(2019, 6, 1), ask);
            let expected = match found.state_on(on) {
                CoverageState::NotStarted => on < found.starts_on,
                CoverageState::Ended => on > found.ends_on,
                CoverageState::InForce { days_left } => {
                    on >= found.starts_on
                        && days_after(on, days_left as u16) == found.ends_on
                }
            };
            prop_assert!(expected);
        }
    }
}
