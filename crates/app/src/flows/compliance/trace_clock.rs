//! The retention clock of a unit, and the one place that whoever drops trace data of a unit must
//! ask.
//!
//! **What is ever dropped.** The ledger is for ever: its proofs need every entry. Of what lies
//! beside it, the looks at a unit (how often, first and last) are trace data too, and `purge` drops
//! those of units whose clock has run out. Personal side rows have terms of their own, shorter by
//! law, and are no trace data: [`crate::flows::expiry`].

use crate::flows::caller::{Caller, Scope};
use crate::flows::changes;
use crate::flows::compliance::trace::{self, PAGE, Walk};
use crate::flows::custody::{instant, is_origin};
use crate::flows::find::unit_number;
use crate::flows::house::House;
use crate::flows::mandate::brand_only;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::recalls;
use crate::flows::reference::Reference;
use crate::flows::verify;
use domain::audit::{Fields, differences};
use domain::custody::CustodyFacts;
use domain::id::{BrandId, ProductId};
use domain::refusal::{Refusal, Refused};
use domain::trace_clock::{self, Clock, ClockFacts};
use domain::warranty::WarrantyReading;
use jiff::Timestamp;
use jiff::civil::Date;
use store::commit::{Commit, Relied};
use store::rebuild::{Told, UNWATCHED};
use store::unit::UnitRecord;

/// Reads the clock of a unit from what moved it and whether it stands under a recall.
pub fn clock(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
    custody: &CustodyFacts,
    recalled: bool,
) -> Clock {
    let brand = BrandId(unit.brand);
    let Some(product) = reference.product_by_id(ProductId(unit.product)) else {
        return trace_clock::clock(None, &ClockFacts::default());
    };
    let day = |at: Timestamp| reference.day(brand, at);
    let today = day(house.clock.now());
    let warranty = match verify::warranty(house, reference, unit, custody) {
        WarrantyReading::Known(coverage) => Some(coverage.ends_on),
        WarrantyReading::Unknown(_) => None,
    };
    let number = unit_number(unit.number);
    let left = custody.left_origin(number, Timestamp::MAX, is_origin(reference));
    // What somebody uses or bought was delivered, whatever the papers say. A unit that came back
    // and started over keeps the day it first left.
    let used = unit.activated_at.map(|at| day(instant(at)));
    let days = [&unit.sold_on, &unit.invoiced_on, &unit.delivered_on];
    let sold = days.into_iter().flatten().filter_map(|text| text.parse::<Date>().ok());
    let facts = ClockFacts {
        produced_on: unit.produced_at.map(|at| day(instant(at))),
        delivered_on: left.map(day).or(used.into_iter().chain(sold).min()),
        warranty_ends_on: warranty,
        service_months: product.certification.service_months,
        recalled: recalled || unit.recalled_at.is_some(),
    };
    trace_clock::clock(house.rules.trace_terms.row_for(product.category, today), &facts)
}

/// Whether trace data of a unit may be dropped on a day. Whatever drops any asks here first.
///
/// # Errors
/// [`Refusal::RetentionRuns`]: not yet; the store cannot be read.
pub async fn may_drop(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
    custody: &CustodyFacts,
    today: Date,
) -> Result<(), FlowError> {
    let recalled = recalls::standing(house, reference, unit).await?.is_some();
    let clock = clock(house, reference, unit, custody, recalled);
    if clock.may_drop(today) {
        return Ok(());
    }
    let until = match (clock.held, clock.keep_until) {
        (true, _) => "it is under a recall".to_owned(),
        (false, Some(day)) => format!("until {day}"),
        (false, None) => "nobody can tell yet until when".to_owned(),
    };
    Err(Refused::because(Refusal::RetentionRuns, "unit", until).into())
}

/// What a purge did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Units looked at.
    pub unit_count: u64,
    /// Units whose clock has run out.
    pub over_count: u64,
    /// Rows of looks dropped, or that would be.
    pub row_count: u64,
}

/// Drops the looks at all units whose clock has run out, or only counts them. It may be stopped at
/// any moment and begun again: what was dropped until then stands in the audit trail.
///
/// # Errors
/// The caller is not the brand; the store does not answer.
pub async fn purge(house: &House, caller: &Caller, dry_run: bool) -> Result<Purged, FlowError> {
    purge_told(house, caller, dry_run, UNWATCHED).await
}

/// As [`purge`], and tells how many units it has looked at.
///
/// # Errors
/// As [`purge`].
pub(crate) async fn purge_told(
    house: &House,
    caller: &Caller,
    dry_run: bool,
    told: Told<'_>,
) -> Result<Purged, FlowError> {
    caller.need(Scope::All)?;
    brand_only(&*house.reference_now().await?, caller)?;
    let mut walk = Walk::brand(caller.brand.0, 0);
    let mut purged = Purged::default();
    loop {
        let page = walk.next_page(house, PAGE).await?;
        if page.is_empty() {
            return Ok(purged);
        }
        purged.unit_count += page.len() as u64;
        let (over_count, row_count) = purge_page(house, caller, &page, dry_run).await?;
        purged.over_count += over_count;
        purged.row_count += row_count;
        told("units", purged.unit_count, None);
    }
}

/// Drops the looks at the units of a page whose clock has run out, by the recalls that stand when
/// it is done. How many units, how many rows.
async fn purge_page(
    house: &House,
    caller: &Caller,
    page: &[UnitRecord],
    dry_run: bool,
) -> Result<(u64, u64), FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let today = reference.day(caller.brand, house.clock.now());
        let custody = trace::custody(house, &reference, page).await?;
        let (mut over_count, mut row_count, mut seen) = (0, 0, Vec::new());
        for unit in page {
            match may_drop(house, &reference, unit, &custody, today).await {
                Ok(()) => over_count += 1,
                Err(FlowError::Refused(why)) if why.refusal == Refusal::RetentionRuns => continue,
                Err(other) => return Err(other),
            }
            let rows = house.store.scans_count(unit.number).await?;
            row_count += u64::try_from(rows).unwrap_or(0);
            seen.extend((rows > 0).then_some(unit.number));
        }
        if dry_run || seen.is_empty() {
            return Ok((over_count, row_count));
        }
        let counts = [("unit_count", seen.len() as u64), ("row_count", row_count)];
        let fields = counts.map(|(field, count)| (field, count.to_string())).to_vec();
        let fields = differences(&Fields::new(), &fields);
        let relies_on = vec![Relied::Reference(reference.version)];
        let mut commit = Commit { relies_on, looks_dropped: seen, ..Commit::default() };
        let day = today.to_string();
        changes::tell(house, &caller.into(), ("looks", &day, "purged"), fields, &mut commit)?;
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            done => return done.map(|()| (over_count, row_count)).map_err(FlowError::from),
        }
    }
    Err(FlowError::Busy)
}
