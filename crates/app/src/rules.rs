//! The law as data: policies, holidays and the location model that ship with the product.

use detect::location::Model;
use domain::calendar::{HolidayKind, HolidayRow, Holidays, Term};
use domain::coding::{CodingPolicy, Codings};
use domain::policy::{Policies, WarrantyPolicy};
use domain::retention::{Kept, Retention, RetentionPolicy};
use domain::trace_clock::{TraceTerm, TraceTerms};
use domain::verdict::scan::ScanPolicy;
use jiff::SignedDuration;
use std::sync::{Arc, OnceLock};

const HOLIDAYS: &str = include_str!("../../../data/policies/holidays.csv");
const CODING: &str = include_str!("../../../data/policies/coding.csv");
const RETENTION: &str = include_str!("../../../data/policies/retention.csv");
const TRACE_RETENTION: &str = include_str!("../../../data/policies/trace_retention.csv");
const WARRANTY: &str = include_str!("../../../data/policies/warranty.csv");

/// How long a unit may be activated without a recorded shipment before anybody is alarmed: papers
/// are often a few days behind the goods.
pub const NEVER_SHIPPED_GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what is beside the ledger is kept, by `data/policies/retention.csv`.
pub fn kept(kept: Kept) -> SignedDuration {
    let days = Rules::shared().retention.as_ref().map_or(kept.days_min(), |r| r.days(kept));
    SignedDuration::from_hours(24 * i64::from(days))
}

/// Every rule row the flows decide by.
#[derive(Debug)]
pub struct Rules {
    /// Warranty terms by category.
    pub policies: Policies,
    /// Days off.
    pub holidays: Holidays,
    /// Which regimes of mandatory coding cover which category.
    pub codings: Codings,
    /// How long trace data is kept.
    pub trace_terms: TraceTerms,
    /// How long what is beside the ledger is kept.
    pub retention: Option<Retention>,
    /// When looks at a code are too many.
    pub scans: ScanPolicy,
    /// How location evidence is weighed.
    pub location: Model,
}

impl Rules {
    /// The rules that ship with the product, read once.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Rules>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| Arc::new(Self::shipped())))
    }

    fn shipped() -> Self {
        // A test reads all files and fails on any problem, so the defaults are never reached.
        Self {
            policies: policies().unwrap_or_default(),
            holidays: holidays().unwrap_or_default(),
            codings: codings().unwrap_or_default(),
            // Without a row nothing may ever be dropped.
            trace_terms: trace_terms().unwrap_or_default(),
            retention: retention().ok(),
            scans: ScanPolicy::default(),
            location: Model::default(),
        }
    }
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).filter(|l| !l.is_empty()).map(|line| line.split(',').collect())
}

fn holidays() -> Result<Holidays, String> {
    let rows = rows(HOLIDAYS).map(|cells| match cells.as_slice() {
        [year, date, kind, _name, published, verified, ..] => Ok(HolidayRow {
            year: parse(year)?,
            date: parse(date)?,
            kind: kind.parse::<HolidayKind>().map_err(|e| e.to_string())?,
            published: parse(published)?,
            verified: parse(verified)?,
        }),
        _ => Err(format!("short row {cells:?}")),
    });
    let rows = rows.collect::<Result<Vec<_>, String>>()?;
    Holidays::from_rows(rows).map_err(|problems| format!("{problems:?}"))
}

fn policies() -> Result<Policies, String> {
    let rows = rows(WARRANTY).map(|cells| match cells.as_slice() {
        [
            version,
            category,
            item,
            basis,
            years,
            months,
            days,
            refund,
            replace,
            from,
            to,
            jurisdiction,
            source,
            verified,
        ] => Ok(WarrantyPolicy {
            version: (*version).to_owned(),
            category: parse(category)?,
            item: parse(item)?,
            basis: parse(basis)?,
            term: Term {
                years: optional(years)?.unwrap_or(0),
                months: optional(months)?.unwrap_or(0),
                days: optional(days)?.unwrap_or(0),
            },
            refund_days: optional(refund)?,
            replace_days: optional(replace)?,
            effective_from: parse(from)?,
            effective_to: optional(to)?,
            jurisdiction: (*jurisdiction).to_owned(),
            source_note: (*source).to_owned(),
            verified: parse(verified)?,
        }),
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    let rows = rows.collect::<Result<Vec<_>, String>>()?;
    Policies::from_rows(rows).map_err(|problems| format!("{problems:?}"))
}

fn codings() -> Result<Codings, String> {
    let rows = rows(CODING).map(|cells| match cells.as_slice() {
        [
            version,
            regime,
            category,
            asks,
            requirement,
            from_on,
            to_on,
            jurisdiction,
            source,
            verified,
        ] => Ok(CodingPolicy {
            version: (*version).to_owned(),
            regime: (*regime).to_owned(),
            category: parse(category)?,
            asks: asks
                .split('|')
                .filter(|word| !word.is_empty())
                .map(parse)
                .collect::<Result<Vec<_>, _>>()?,
            requirement: (*requirement).to_owned(),
            from_on: parse(from_on)?,
            to_on: optional(to_on)?,
            jurisdiction: (*jurisdiction).to_owned(),
            source_note: (*source).to_owned(),
            verified: parse(verified)?,
        }),
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    Codings::from_rows(rows.collect::<Result<Vec<_>, String>>()?)
}

fn retention() -> Result<Retention, String> {
    let rows = rows(RETENTION).map(|cells| match cells.as_slice() {
        [kept, days, basis, source, verified] => Ok(RetentionPolicy {
            kept: Kept::parse(kept).ok_or_else(|| format!("cannot read {kept:?}"))?,
            days: parse(days)?,
            basis: (*basis).to_owned(),
            source_note: (*source).to_owned(),
            verified: parse(verified)?,
        }),
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    let rows = rows.collect::<Result<Vec<_>, String>>()?;
    Retention::from_rows(rows).map_err(|problems| format!("{problems:?}"))
}

fn trace_terms() -> Result<TraceTerms, String> {
    let rows = rows(TRACE_RETENTION).map(|cells| match cells.as_slice() {
        [version, category, after, delivery, from_on, to_on, jurisdiction, source, verified] => {
            Ok(TraceTerm {
                version: (*version).to_owned(),
                category: if *category == "*" { None } else { Some(parse(category)?) },
                after_end_years: parse(after)?,
                delivery_years: optional(delivery)?,
                from_on: parse(from_on)?,
                to_on: optional(to_on)?,
                jurisdiction: (*jurisdiction).to_owned(),
                source_note: (*source).to_owned(),
                verified: parse(verified)?,
            })
        }
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    TraceTerms::from_rows(rows.collect::<Result<Vec<_>, String>>()?)
}

fn parse<T: std::str::FromStr>(cell: &str) -> Result<T, String> {
    cell.parse().map_err(|_| format!("cannot read {cell:?}"))
}

fn optional<T: std::str::FromStr>(cell: &str) -> Result<Option<T>, String> {
    if cell.is_empty() { Ok(None) } else { parse(cell).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_read_without_a_problem() {
        assert!(holidays().is_ok(), "{:?}", holidays().err());
        assert!(policies().is_ok(), "{:?}", policies().err());
        assert!(retention().is_ok(), "{:?}", retention().err());
        assert_eq!(kept(Kept::Observation), SignedDuration::from_hours(180 * 24));
        let of = codings().unwrap_or_else(|why| panic!("{why}"));
        let on = |day| {
            let rows = of.covering(domain::policy::Category::PowerBank, day);
            rows.map(|row| row.version.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(on(jiff::civil::date(2024, 7, 31)), "");
        assert_eq!(on(jiff::civil::date(2025, 6, 1)), "cn-a1-power-bank-1 cn-d-power-bank-1");
        let all = "cn-a-power-bank-1 cn-a1-power-bank-1 cn-b-power-bank-1 cn-c-power-bank-2 \
            cn-d-power-bank-1 cn-d1-power-bank-1";
        assert_eq!(on(jiff::civil::date(2027, 3, 1)), all);
        assert!(of.rows().iter().filter(|row| row.verified).all(|row| "CD".contains(&row.regime)));
        assert!(trace_terms().is_ok(), "{:?}", trace_terms().err());
        let today = jiff::civil::date(2026, 6, 1);
        for category in domain::policy::Category::ALL {
            assert!(policies().unwrap().warranty_for(category, today).is_some(), "{category:?}");
            let kept = trace_terms().unwrap().row_for(category, today).map(|r| r.after_end_years);
            assert_eq!(kept, Some(2), "{category:?}");
        }
    }
}
