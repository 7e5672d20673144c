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
use domain::role::in_regions;
use store::unit::UnitRecord;

/// What somebody may look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Remit {
    /// Whose business it is, where that is a regulator's; the brand's is everything.
    regulator: Option<Box<Party>>,
    /// Regions that whoever looks is bound to, if any.
    regions: Vec<String>,
}

impl Remit {
    /// What a caller may look at.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`]: it is neither the brand nor a regulator.
    pub fn of(reference: &Reference, caller: &Caller) -> Result<Self, Refused> {
        let regions = caller.regions.clone();
        if is_brand(&reference.tree, caller.party) {
            return Ok(Self { regulator: None, regions });
        }
        let party = reference.tree.get(caller.party);
        match party.filter(|party| party.kind == PartyKind::Regulator) {
            Some(party) => Ok(Self { regulator: Some(Box::new(party.clone())), regions }),
            None => {
                let why = "for the brand and for regulators";
                Err(Refused::because(Refusal::NotAllowed, "", why))
            }
        }
    }

    /// Whether a product is within sight.
    pub fn has_product(&self, product: &Product) -> bool {
        let regulator = self.regulator.as_deref();
        regulator.is_none_or(|party| party.categories.contains(&product.category))
    }

    /// Whether a unit is: by its product and where it was made.
    pub fn has_unit(&self, reference: &Reference, product: &Product, unit: &UnitRecord) -> bool {
        let site = unit.site.and_then(|id| reference.site_by_id(SiteId(id)));
        let maker = site.and_then(|site| reference.tree.get(site.party));
        let made_in = site.and_then(|site| site.region.as_deref());
        let made_in = made_in.or(maker.and_then(|party| party.region.as_deref()));
        let sees = |party: &Party| oversight::sees(party, product.category, made_in);
        in_regions(&self.regions, made_in) && self.regulator.as_deref().is_none_or(sees)
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
