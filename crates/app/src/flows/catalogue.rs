//! Lists of master data. The brand sees all of its own; other parties what concerns them and those
//! below them. Products are no secret: they are printed on boxes.

use super::access::concerns;
use super::caller::{Caller, Scope};
use super::reference::Reference;
use domain::party::{Party, Site};
use domain::product::Product;
use domain::refusal::Refused;
use domain::territory::Territory;
use std::sync::Arc;

/// The products of the caller's brand.
///
/// # Errors
/// The caller may not.
pub fn products<'a>(
    reference: &'a Reference,
    caller: &Caller,
) -> Result<Vec<&'a Arc<Product>>, Refused> {
    caller.need(Scope::Read)?;
    Ok(reference.products(caller.brand))
}

/// The parties that concern the caller, in the order they were entered.
///
/// # Errors
/// The caller may not.
pub fn parties<'a>(reference: &'a Reference, caller: &Caller) -> Result<Vec<&'a Party>, Refused> {
    caller.need(Scope::Read)?;
    let own = |p: &&Party| p.brand == caller.brand && concerns(reference, caller, p.id);
    let mut parties: Vec<&Party> = reference.tree.iter().filter(own).collect();
    parties.sort_by_key(|party| party.id);
    Ok(parties)
}

/// The sites that concern the caller, in the order they were entered.
///
/// # Errors
/// The caller may not.
pub fn sites<'a>(reference: &'a Reference, caller: &Caller) -> Result<Vec<&'a Site>, Refused> {
    caller.need(Scope::Read)?;
    let own = |s: &&Site| concerns(reference, caller, s.party);
    let mut sites: Vec<&Site> = reference.sites(caller.brand).filter(own).collect();
    sites.sort_by_key(|site| site.id);
    Ok(sites)
}

/// The grants that concern the caller, in the order they were entered.
///
/// # Errors
/// The caller may not.
pub fn territories<'a>(
    reference: &'a Reference,
    caller: &Caller,
) -> Result<Vec<&'a Territory>, Refused> {
    caller.need(Scope::Read)?;
    let own = |t: &&Territory| t.brand == caller.brand && concerns(reference, caller, t.party);
    let mut grants: Vec<&Territory> = reference.territories.iter().filter(own).collect();
    grants.sort_by_key(|grant| grant.id);
    Ok(grants)
}
