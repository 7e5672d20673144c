//! How the products of a brand stand with mandatory coding: which regimes cover them, what the
//! consumer is shown, how the certificate stands, and how many of the units that left the maker
//! bear a code.
//!
//! **Cost.** Everything but the coverage is in memory. The coverage walks over the units of a
//! product with what moved them, a page at a time: the same rule decides as everywhere,
//! off every hot path; `docs/compliance.md` says what it costs. Over the network a walk stops after
//! [`WALKED_MAX`] units and says where it goes on.

pub mod export;
pub mod export_parts;
pub mod oversight;
pub mod trace;
pub mod trace_clock;

use super::audit;
use super::caller::{Caller, Scope};
use super::custody::is_origin;
use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::audit::SensitiveRead;
use domain::certification::Standing;
use domain::coding::{
    self, Ask, CodingPolicy, Compliance, ComplianceFacts, ComplianceReason, judge, missing_fields,
};
use domain::gs1::Gtin;
use domain::id::ProductId;
use domain::product::Product;
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use oversight::Remit;
use std::sync::Arc;
use store::reference::{Batch, BatchState, Purpose};
use store::unit::UnitRecord;
use trace::{PAGE, Walk};

/// Units walked over for one answer over the network.
pub const WALKED_MAX: u64 = 200_000;

/// Of the units that left the maker, how many bear a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Units that left the maker's hands, or are in use.
    pub left_count: u64,
    /// Of these, those with a code on them.
    pub coded_count: u64,
    /// Behind which number the walk goes on; nothing when it is done.
    pub next: Option<i64>,
}

impl Coverage {
    /// Those without one.
    pub fn uncoded_count(&self) -> u64 {
        self.left_count - self.coded_count
    }

    /// Share in hundredths of a percent, rounded down.
    pub fn rate(&self) -> u64 {
        domain::recall::rate(self.coded_count, self.left_count)
    }
}

/// How one product stands.
pub struct ProductReport {
    /// The product.
    pub product: Arc<Product>,
    /// The rows that cover it today.
    pub rows: Vec<CodingPolicy>,
    /// How its certificate stands.
    pub standing: Standing,
    /// What a scan should show and cannot.
    pub missing: Vec<&'static str>,
    /// As a whole.
    pub compliance: Compliance,
    /// Why.
    pub reasons: Vec<ComplianceReason>,
    /// Where it was counted.
    pub coverage: Option<Coverage>,
}

/// The products a caller may look at, each without its coverage.
///
/// # Errors
/// The caller is neither the brand nor a regulator.
pub async fn reports(house: &House, caller: &Caller) -> Result<Vec<ProductReport>, FlowError> {
    caller.need(Scope::Read)?;
    let reference = house.reference().await?;
    let remit = Remit::of(&reference, caller)?;
    let seen = reference.products(caller.brand).into_iter().filter(|p| remit.has_product(p));
    Ok(seen.map(|product| report_of(house, &reference, product, None)).collect())
}

/// One product with its coverage behind a number, walking over at most so many units.
///
/// # Errors
/// The product is unknown, or not the caller's to look at.
pub async fn report(
    house: &House,
    caller: &Caller,
    gtin: &str,
    beyond: i64,
    most: u64,
) -> Result<ProductReport, FlowError> {
    let (reference, remit, product) = seen(house, caller, gtin).await?;
    let _turn = house.walks.take(caller).await;
    let coverage = coverage(house, &reference, (&remit, &product), beyond, most).await?;
    Ok(report_of(house, &reference, &product, Some(coverage)))
}

/// A product within a caller's sight.
type Seen = (Arc<Reference>, Remit, Arc<Product>);
/// Units without a code, each with when it left, and behind which number to go on.
type Uncoded = (Vec<(UnitRecord, Timestamp)>, Option<i64>);

async fn seen(house: &House, caller: &Caller, gtin: &str) -> Result<Seen, FlowError> {
    caller.need(Scope::Read)?;
    let reference = house.reference().await?;
    let remit = Remit::of(&reference, caller)?;
    let gtin = Gtin::parse(gtin).map_err(|why| Refused::invalid("gtin", why))?;
    let product = reference.product(caller.brand, gtin.as14()).filter(|p| remit.has_product(p));
    let product = product.ok_or(Refused::new(Refusal::UnknownProduct, "gtin"))?;
    let product = Arc::clone(product);
    Ok((reference, remit, product))
}

fn report_of(
    house: &House,
    reference: &Reference,
    product: &Arc<Product>,
    coverage: Option<Coverage>,
) -> ProductReport {
    let today = reference.day(product.brand, house.clock.now());
    let rows: Vec<_> = house.rules.codings.covering(product.category, today).cloned().collect();
    let standing = product.certification.standing(&product.ccc_certificate, today);
    let certified = rows.iter().any(|row| row.asks.contains(&Ask::Certificate));
    let uncoded_count = coverage.map(|coverage| coverage.uncoded_count());
    let facts = ComplianceFacts { product, standing, uncoded_count };
    let (compliance, reasons) = judge(rows.iter(), &facts);
    let missing = missing_fields(product, certified);
    let product = Arc::clone(product);
    ProductReport { product, rows, standing, missing, compliance, reasons, coverage }
}

/// Whether units of a batch bear its codes, by [`domain::coding::is_coded`].
pub fn is_coded(batch: &Batch) -> bool {
    let written_out = matches!(batch.state, BatchState::Exported | BatchState::Delivered);
    coding::is_coded(batch.purpose == Purpose::Printed, written_out)
}

/// When a unit left the maker's hands, or, where no paper says so, was first in use.
fn left_at(
    reference: &Reference,
    unit: &UnitRecord,
    custody: &domain::custody::CustodyFacts,
    now: Timestamp,
) -> Option<Timestamp> {
    let left = custody.left_origin(unit_number(unit.number), now, is_origin(reference));
    left.or(unit.activated_at.map(super::custody::instant))
}

fn walk_of<'a>(
    reference: &'a Reference,
    product: ProductId,
    beyond: i64,
    wanted: impl Fn(&Batch) -> bool + 'a,
) -> Walk {
    let own = reference.batches().iter().filter(move |b| b.product == Some(product.0) && wanted(b));
    let brand = reference.product_by_id(product).map_or(0, |p| p.brand.0);
    Walk::batches(brand, own.map(|b| (b.first, b.end())), None, beyond)
}

async fn coverage(
    house: &House,
    reference: &Reference,
    (remit, product): (&Remit, &Product),
    beyond: i64,
    most: u64,
) -> Result<Coverage, FlowError> {
    let mut walk = walk_of(reference, product.id, beyond, |_| true);
    let now = house.clock.now();
    let (mut coverage, mut walked) = (Coverage::default(), 0);
    loop {
        let page = walk.next_page(house, PAGE).await?;
        let Some(last) = page.last().map(|unit| unit.number) else { return Ok(coverage) };
        let custody = trace::custody(house, reference, &page).await?;
        walked += page.len() as u64;
        for unit in page.iter().filter(|unit| remit.has_unit(reference, product, unit)) {
            if left_at(reference, unit, &custody, now).is_some() {
                coverage.left_count += 1;
                let coded = reference.batch_of(unit.number).is_some_and(is_coded);
                coverage.coded_count += u64::from(coded);
            }
        }
        if walked >= most {
            let more = !walk.next_page(house, 1).await?.is_empty();
            coverage.next = more.then_some(last);
            return Ok(coverage);
        }
    }
}

/// Units that left the maker without a code on them, behind a number: at most so many, each with
/// when it left; and behind which number to go on. Their codes are told, so it leaves a record.
///
/// # Errors
/// The product is unknown, or not the caller's to look at.
pub async fn uncoded(
    house: &House,
    caller: &Caller,
    gtin: &str,
    beyond: i64,
    most: usize,
) -> Result<Uncoded, FlowError> {
    let seen = seen(house, caller, gtin).await?;
    let found = walk_uncoded(house, caller, &seen, (beyond, most)).await?;
    audit::note(house, &caller.into(), SensitiveRead::Codes, &seen.2.gtin, found.0.len());
    Ok(found)
}

async fn walk_uncoded(
    house: &House,
    caller: &Caller,
    (reference, remit, product): &Seen,
    (beyond, most): (i64, usize),
) -> Result<Uncoded, FlowError> {
    let _turn = house.walks.take(caller).await;
    let mut walk = walk_of(reference, product.id, beyond, |batch| !is_coded(batch));
    let now = house.clock.now();
    let (mut found, mut walked) = (Vec::new(), 0);
    loop {
        let page = walk.next_page(house, PAGE).await?;
        let Some(end) = page.last().map(|unit| unit.number) else { return Ok((found, None)) };
        let custody = trace::custody(house, reference, &page).await?;
        walked += page.len() as u64;
        for unit in page {
            let at = left_at(reference, &unit, &custody, now);
            let Some(at) = at.filter(|_| remit.has_unit(reference, product, &unit)) else {
                continue;
            };
            let last = unit.number;
            found.push((unit, at));
            if found.len() == most {
                return Ok((found, Some(last)));
            }
        }
        if walked >= WALKED_MAX {
            return Ok((found, Some(end)));
        }
    }
}
