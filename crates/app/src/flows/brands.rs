//! Brands of the deployment: which there are, and which the operator vouches for. Only the operator
//! asks, at the command line.
//!
//! A brand that the operator made is vouched for. One that signed up by itself is a stranger: it
//! may do everything inside its own place, but takes nothing from others. Until the operator
//! vouches for it, it enters no number that is unique over all brands (`mandate::may_bind`), holds
//! a share of what everybody shares, and is never meant where nobody says which brand
//! ([`Reference::sole_brand`]).

use super::changes::{self, Author};
use super::house::House;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use domain::id::BrandId;
use domain::refusal::Refused;
use store::commit::{Commit, Relied};
use store::reference::{BrandRow, ReferenceChange};

/// Every brand, by code.
pub fn all(reference: &Reference) -> Vec<&BrandRow> {
    let mut brands: Vec<_> = reference.brands.values().collect();
    brands.sort_by(|a, b| a.code.cmp(&b.code));
    brands
}

/// Vouches for a brand or no longer does; what it entered meanwhile stays. The brand's audit trail
/// tells of it. Whether that changed anything.
///
/// # Errors
/// [`domain::refusal::Refusal::InvalidField`] at `brand` when there is none of this code.
pub async fn vouch(house: &House, code: &str, vouched: bool) -> Result<bool, FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let Some(known) = reference.brand_by_code(code).and_then(|id| reference.brands.get(&id))
        else {
            let known: Vec<_> = all(&reference).iter().map(|row| row.code.as_str()).collect();
            let why = format!("no such brand; there is {}", known.join(", "));
            return Err(Refused::invalid("brand", why).into());
        };
        if known.vouched == vouched {
            return Ok(false);
        }
        let row = BrandRow { vouched, ..known.clone() };
        let mut commit =
            Commit { relies_on: vec![Relied::Reference(reference.version)], ..Commit::default() };
        let author = Author::operator(BrandId(row.id));
        changes::add(house, &author, &reference, vec![ReferenceChange::Brand(row)], &mut commit)?;
        match house.store.commit(&commit).await {
            Err(error) if error.is_race() => continue,
            Err(error) => return Err(error.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(true);
            }
        }
    }
    Err(FlowError::Busy)
}
