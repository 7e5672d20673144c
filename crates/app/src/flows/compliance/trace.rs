//! Walking over many units with what moved them, a page at a time: what reports, recalls and
//! exports have in common. Nothing here holds more than a page.

use crate::flows::custody::origin;
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::reference::Reference;
use domain::custody::CustodyFacts;
use domain::id::BrandId;
use store::trace::PageAsked;
use store::unit::UnitRecord;

/// Units of a page: enough that a page of neighbours is a few statements, few enough that it is
/// small.
pub const PAGE: usize = 1_000;

/// How many units a brand has, to tell how long a walk over all of them is. A full count.
///
/// # Errors
/// The store cannot be read.
pub async fn count(house: &House, brand: BrandId) -> Result<u64, FlowError> {
    let count = house.store.unit_count(brand.0).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// What moved the units of a page.
///
/// # Errors
/// The store cannot be read.
pub async fn custody(
    house: &House,
    reference: &Reference,
    units: &[UnitRecord],
) -> Result<CustodyFacts, FlowError> {
    let mut facts = CustodyFacts::default();
    let numbers: Vec<i64> = units.iter().map(|unit| unit.number).collect();
    house.store.custody_of_page(&numbers, &mut facts).await?;
    facts.extend(units.iter().filter_map(|unit| origin(reference, unit)), []);
    Ok(facts)
}

/// A walk over stretches of numbers.
#[derive(Clone, Debug)]
pub struct Walk {
    brand: i64,
    /// First and end of each stretch, ascending.
    stretches: Vec<(i64, i64)>,
    lot: Option<(i64, String)>,
    beyond: i64,
}

impl Walk {
    /// Over all units of a brand behind a number.
    pub fn brand(brand: i64, beyond: i64) -> Self {
        Self { brand, stretches: vec![(0, i64::MAX)], lot: None, beyond }
    }

    /// Over the units of some batches, of one production lot alone where one is named.
    pub fn batches(
        brand: i64,
        batches: impl Iterator<Item = (i64, i64)>,
        lot: Option<(i64, String)>,
        beyond: i64,
    ) -> Self {
        let mut stretches: Vec<_> = batches.collect();
        stretches.sort_unstable();
        Self { brand, stretches, lot, beyond }
    }

    /// The next units, at most so many; none at the end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn next_page(
        &mut self,
        house: &House,
        most: usize,
    ) -> Result<Vec<UnitRecord>, FlowError> {
        while let Some((first, end)) = self.stretches.first().copied() {
            let asked = PageAsked {
                brand: self.brand,
                beyond: self.beyond.max(first - 1),
                end,
                lot: self.lot.as_ref().map(|(product, lot)| (*product, lot.as_str())),
                most: i64::try_from(most).unwrap_or(i64::MAX),
            };
            let page = house.store.units_page(&asked).await?;
            let Some(last) = page.last() else {
                self.stretches.remove(0);
                continue;
            };
            self.beyond = last.number;
            return Ok(page);
        }
        Ok(Vec::new())
    }
}
