//! Who may look at compliance and trace data, and at which part of it: the brand at all, a
//! regulator at its categories and its region, nobody else.

use crate::flows::caller::{Caller, Scope};
use crate::flows::reference::Reference;
use domain::id::SiteId;
use domain::mandate::is_brand;
use domain::oversight;
use domain::party::{Party, PartyKind};
use domain::product::Product;
use domain::refusal::{Refusal, Refused};
use store::unit::UnitRecord;

/// What somebody may look at.
#[derive(Clone, Debug, PartialEq)]
pub enum Remit {
    /// Everything of the brand.
    All,
    /// What is this regulator's business.
    Of(Box<Party>),
}

impl Remit {
    /// What a caller may look at.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`]: it is neither the brand nor a regulator.
    pub fn of(reference: &Reference, caller: &Caller) -> Result<Self, Refused> {
        if is_brand(&reference.tree, caller.party) {
            return Ok(Self::All);
        }
        let party = reference.tree.get(caller.party);
        match party.filter(|party| party.kind == PartyKind::Regulator) {
            Some(party) => Ok(Self::Of(Box::new(party.clone()))),
            None => {
                let why = "for the brand and for regulators";
                Err(Refused::because(Refusal::NotAllowed, "", why))
            }
        }
    }

    /// Whether a product is within sight.
    pub fn has_product(&self, product: &Product) -> bool {
        match self {
            Self::All => true,
            Self::Of(party) => party.categories.contains(&product.category),
        }
    }

    /// Whether a unit is: by its product and where it was made.
    pub fn has_unit(&self, reference: &Reference, product: &Product, unit: &UnitRecord) -> bool {
        let Self::Of(party) = self else { return true };
        let site = unit.site.and_then(|id| reference.site_by_id(SiteId(id)));
        let maker = site.and_then(|site| reference.tree.get(site.party));
        let made_in = site.and_then(|site| site.region.as_deref());
        let made_in = made_in.or(maker.and_then(|party| party.region.as_deref()));
        oversight::sees(party, product.category, made_in)
    }
}

/// Lets pass who may write out trace data: with the scope `export`, or the brand's own auditors,
/// who hold `audit` and `read`.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn admit_export(reference: &Reference, caller: &Caller) -> Result<Remit, Refused> {
    let auditor = caller.may(Scope::Audit)
        && caller.may(Scope::Read)
        && is_brand(&reference.tree, caller.party);
    if !auditor {
        caller.need(Scope::Export)?;
    }
    Remit::of(reference, caller)
}
