//! The units a recall selects, where each of them is, and how far the recall has come.

use crate::flows::compliance::trace::{self, PAGE, Walk};
use crate::flows::custody::instant;
use crate::flows::find::unit_number;
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::recalls::selects;
use crate::flows::reference::{Recall, Reference};
use domain::identifier::Scheme;
use domain::recall::{Selector, WhereFacts, Whereabouts, came_back, rate};
use std::collections::HashSet;
use std::sync::Arc;
use store::unit::UnitRecord;

/// Units counted for figures over the network; the command line counts all.
pub const FIGURES_MAX: u64 = 200_000;

/// The units a recall selects, in the order of their numbers, whatever was made of them since.
pub struct SelectedUnits {
    recall: Arc<Recall>,
    source: Source,
}

enum Source {
    Walk(Walk),
    /// Numbers still to come, the last first.
    Numbers(Vec<i64>),
}

impl SelectedUnits {
    /// Those behind a number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn beyond(
        house: &House,
        reference: &Reference,
        recall: &Arc<Recall>,
        beyond: i64,
    ) -> Result<Self, FlowError> {
        let brand = recall.row.brand;
        let stretch = |b: &store::reference::Batch| (b.first, b.end());
        let batches = || reference.batches().iter().filter(move |b| b.brand == brand);
        let source = match &recall.selector {
            Selector::Batch(id) => {
                let own = batches().filter(|b| b.id == id.0).map(stretch);
                Source::Walk(Walk::batches(brand, own, None, beyond))
            }
            Selector::Lot { product, lot, .. } => {
                let own = batches().filter(|b| b.product == Some(product.0)).map(stretch);
                let lot = Some((product.0, lot.clone()));
                Source::Walk(Walk::batches(brand, own, lot, beyond))
            }
            Selector::Units(numbers) => Source::Numbers(numbers.clone()),
            Selector::Parts(serials) => {
                let mut numbers = Vec::new();
                for serial in serials {
                    let scheme = Scheme::Part.as_str();
                    numbers.extend(house.store.identifier_fetch(scheme, brand, serial).await?);
                }
                Source::Numbers(numbers)
            }
            Selector::PartLot(prefix) => Source::Numbers(of_part_lot(house, brand, prefix).await?),
        };
        let source = match source {
            Source::Numbers(mut numbers) => {
                numbers.retain(|number| *number > beyond);
                numbers.sort_unstable_by(|a, b| b.cmp(a));
                numbers.dedup();
                Source::Numbers(numbers)
            }
            walk => walk,
        };
        Ok(Self { recall: Arc::clone(recall), source })
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
        loop {
            let page = match &mut self.source {
                Source::Walk(walk) => walk.next_page(house, most).await?,
                Source::Numbers(numbers) => {
                    let mut page = Vec::new();
                    for number in numbers.split_off(numbers.len().saturating_sub(most)).iter().rev()
                    {
                        page.extend(house.store.unit_fetch(*number).await?);
                    }
                    if page.is_empty() && !numbers.is_empty() {
                        continue;
                    }
                    page
                }
            };
            if page.is_empty() {
                return Ok(page);
            }
            let selected = |unit: &UnitRecord| selects(&self.recall, unit);
            let page: Vec<_> = page.into_iter().filter(selected).collect();
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }
}

/// Numbers of the units that have a part built in whose serial number begins so.
async fn of_part_lot(house: &House, brand: i64, prefix: &str) -> Result<Vec<i64>, FlowError> {
    const MOST: i64 = 10_000;
    // Above every character of a serial number.
    let end = format!("{prefix}~");
    let (mut from, mut numbers) = (prefix.to_owned(), Vec::new());
    loop {
        let found = house.store.parts_between(brand, (&from, &end), MOST).await?;
        let full = found.len() as i64 == MOST;
        let last = found.last().map(|(value, _)| value.clone());
        numbers.extend(found.into_iter().map(|(_, unit)| unit));
        match last {
            // The least text behind it.
            Some(last) if full => from = last + "\u{1}",
            _ => return Ok(numbers),
        }
    }
}

/// How far a recall has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Units it selects.
    pub selected_count: u64,
    /// Where they are, in the order of [`Whereabouts::ALL`].
    pub counts: [u64; Whereabouts::ALL.len()],
    /// Whether all were counted.
    pub complete: bool,
}

impl Figures {
    /// How many are there.
    pub fn of(&self, place: Whereabouts) -> u64 {
        let at = Whereabouts::ALL.iter().position(|one| *one == place);
        at.map_or(0, |at| self.counts[at])
    }

    /// Share remedied or retired, in hundredths of a percent.
    pub fn rate(&self) -> u64 {
        rate(self.of(Whereabouts::Remedied) + self.of(Whereabouts::Retired), self.selected_count)
    }
}

/// Counts where the selected units are, at most so many. Costs a few statements for each thousand
/// units that lie side by side.
///
/// # Errors
/// The store cannot be read.
pub async fn figures(house: &House, recall: &Arc<Recall>, most: u64) -> Result<Figures, FlowError> {
    let reference = house.reference().await?;
    let mut units = SelectedUnits::beyond(house, &reference, recall, 0).await?;
    let mut figures = Figures { complete: true, ..Figures::default() };
    loop {
        if figures.selected_count >= most {
            figures.complete = units.next_page(house, 1).await?.is_empty();
            return Ok(figures);
        }
        let page = units.next_page(house, PAGE).await?;
        if page.is_empty() {
            return Ok(figures);
        }
        for (_, place) in placed(house, &reference, recall, page).await? {
            figures.selected_count += 1;
            let at = Whereabouts::ALL.iter().position(|one| *one == place);
            if let Some(count) = at.and_then(|at| figures.counts.get_mut(at)) {
                *count += 1;
            }
        }
    }
}

/// A page of selected units with where each is.
///
/// # Errors
/// The store cannot be read.
pub async fn placed(
    house: &House,
    reference: &Reference,
    recall: &Recall,
    page: Vec<UnitRecord>,
) -> Result<Vec<(UnitRecord, Whereabouts)>, FlowError> {
    let numbers = || page.iter().map(|unit| unit.number);
    let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
    let remedied = house.store.remedied_between(recall.row.id, first, last).await?;
    let remedied: HashSet<i64> = remedied.into_iter().collect();
    let custody = trace::custody(house, reference, &page).await?;
    let now = house.clock.now();
    let opened_at = instant(recall.row.opened_at);
    let place = |unit: UnitRecord| {
        let mut chain = custody.standing(unit_number(unit.number), jiff::Timestamp::MAX);
        chain.retain(|hold| hold.at <= now);
        let holder = chain.last().and_then(|hold| reference.tree.get(hold.party));
        let facts = WhereFacts {
            remedied: remedied.contains(&unit.number),
            retired: unit.retired_at.is_some(),
            returned: came_back(&chain, opened_at),
            activated: unit.activated_at.is_some(),
            holder: holder.map(|party| party.kind),
        };
        (unit, Whereabouts::of(&facts))
    };
    Ok(page.into_iter().map(place).collect())
}
