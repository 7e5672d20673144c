//! What is read of a unit before a report of its start is weighed.

use crate::flows::custody::{self, Subject, instant};
use crate::flows::house::House;
use crate::flows::lives::Past;
use crate::flows::outcome::FlowError;
use crate::flows::recalls;
use crate::flows::reference::Reference;
use domain::activation;
use domain::custody::CustodyFacts;
use domain::id::{BrandId, ProductId};
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use store::unit::UnitRecord;

/// Everything known of the unit that a decision needs.
pub(in crate::flows) struct Loaded {
    pub(in crate::flows) number: i64,
    pub(in crate::flows) brand: BrandId,
    pub(in crate::flows) product: ProductId,
    pub(in crate::flows) unit: Option<UnitRecord>,
    pub(in crate::flows) batch: i64,
    /// The recalls that select the unit, beside one of the unit alone: when each was opened, and
    /// when the unit was remedied.
    pub(super) recalls: Vec<(i64, Option<i64>)>,
    pub(in crate::flows) custody: CustodyFacts,
    /// The lives before the present one.
    pub(super) past: Past,
}

impl Loaded {
    /// Before when it cannot have been started.
    pub(super) fn not_before(&self, reference: &Reference) -> Option<Timestamp> {
        let produced_at = self.unit.as_ref().and_then(|unit| unit.produced_at);
        let minted_at = || reference.batch(self.batch).map(|batch| batch.created_at);
        produced_at.or_else(minted_at).map(instant)
    }

    /// Whether there was a unit by then, by its production record.
    pub(super) fn could_start_at(&self, at: Timestamp) -> bool {
        let produced_at = self.unit.as_ref().and_then(|unit| unit.produced_at);
        activation::is_of_the_unit(at, produced_at.map(instant))
    }

    /// The life an activation belongs to.
    pub(super) fn life_at(&self, at: Timestamp) -> i64 {
        i64::try_from(activation::life_at(&self.past.openings, at)).unwrap_or(0)
    }

    /// Since when a recall that selects the unit stood over it at an instant: what was remedied
    /// later stood then.
    pub(super) fn recalled_by(&self, at: Timestamp) -> Option<i64> {
        let stood = self.recalls.iter().filter(|recall| recalls::stood(**recall, at));
        stood.map(|(opened_at, _)| *opened_at).min()
    }

    /// When a life was first activated, and by which device.
    pub(super) fn first_of(&self, life: i64) -> Option<(Timestamp, Option<Vec<u8>>)> {
        let unit = self.unit.as_ref()?;
        if life == unit.life {
            return unit.activated_at.map(|at| (instant(at), unit.fingerprint.clone()));
        }
        let first = self.past.firsts.iter().find(|(number, ..)| *number == life);
        first.map(|(_, at, fingerprint)| (instant(*at), fingerprint.clone()))
    }
}

pub(in crate::flows) async fn load(
    house: &House,
    reference: &Reference,
    number: i64,
) -> Result<Loaded, FlowError> {
    let Some(unit) = house.store.unit_fetch(number).await? else {
        let unknown = Refused::new(Refusal::UnknownSubject, "identifier.value");
        let batch = reference.batch_of(number).ok_or(unknown.clone())?;
        let product = batch.product.ok_or(unknown)?;
        return Ok(Loaded {
            number,
            brand: BrandId(batch.brand),
            product: ProductId(product),
            unit: None,
            recalls: Vec::new(),
            batch: batch.id,
            custody: CustodyFacts::default(),
            past: Past::default(),
        });
    };
    let subject = Subject::Unit(Box::new(unit.clone()));
    Ok(Loaded {
        number,
        brand: BrandId(unit.brand),
        product: ProductId(unit.product),
        batch: unit.batch,
        recalls: recalls::over(house, reference, &unit).await?,
        custody: custody::facts(house, reference, &[&subject]).await?,
        past: Past::load(house, &unit).await?,
        unit: Some(unit),
    })
}
