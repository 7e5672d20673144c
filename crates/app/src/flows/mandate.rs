//! For whom a caller may speak: loading what the rule in `domain::mandate` asks for.

use super::access::{concerns, lies_within};
use super::caller::Caller;
use super::custody::{self, Subject};
use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::id::{PartyId, SiteId};
use domain::identifier::Scheme;
use domain::mandate::{self, Deed, Entry, Hands};
use domain::party::PartyTree;
use domain::refusal::{Refusal, Refused};
use domain::region::RegionSet;
use store::unit::UnitRecord;

/// Refuses what a caller says for a party it does not speak for.
///
/// # Errors
/// [`Refusal::NotAllowed`], naming the field that names the party.
pub fn speaks_for(
    reference: &Reference,
    caller: &Caller,
    party: PartyId,
    field: &'static str,
) -> Result<(), Refused> {
    if concerns(reference, caller, party) {
        return Ok(());
    }
    let why = "it speaks for its own party and those below it, in its regions if it has any";
    Err(Refused::because(Refusal::NotAllowed, field, why))
}

/// Refuses a number that the brand may not bind. Its answer goes before whether the number is
/// taken, so that it tells nothing of others.
///
/// # Errors
/// [`Refusal::BrandNotVouched`].
pub(super) fn may_bind(
    reference: &Reference,
    caller: &Caller,
    scheme: Scheme,
    field: &'static str,
) -> Result<(), Refused> {
    match mandate::may_bind(scheme, reference.is_vouched(caller.brand)) {
        true => Ok(()),
        false => Err(Refused::new(Refusal::BrandNotVouched, field)),
    }
}

/// Refuses what only the brand may do. It is about the whole of it, so whoever is bound to regions
/// does none of it.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn brand_only(reference: &Reference, caller: &Caller) -> Result<(), Refused> {
    let why = match mandate::is_brand(&reference.tree, caller.party) {
        true if caller.regions.is_empty() => return Ok(()),
        true => "it is bound to regions, and this is about the whole brand",
        false => "only the brand does that",
    };
    Err(Refused::because(Refusal::NotAllowed, "", why))
}

/// Refuses a row of master data that the caller may not add or change. While the brand's own party
/// does not stand, nobody has a key: it is the operator who imports it.
///
/// # Errors
/// [`Refusal::NotAllowed`], naming the field it is for.
pub fn may_enter(
    reference: &Reference,
    tree: &PartyTree,
    caller: &Caller,
    entry: Entry,
) -> Result<(), Refused> {
    if reference.root(caller.brand).is_none() {
        return Ok(());
    }
    in_regions(reference, caller, entry)?;
    mandate::may_enter(tree, caller.party, entry)
        .map_err(|(field, why)| Refused::because(Refusal::NotAllowed, field, why))
}

/// Refuses rows about parties outside the regions a caller is bound to.
fn in_regions(reference: &Reference, caller: &Caller, entry: Entry) -> Result<(), Refused> {
    let (field, named) = match entry {
        Entry::Product => ("gtin", [None, None]),
        Entry::Party { before, under, .. } => ("parent_code", [before, under]),
        Entry::Territory(party) => ("party_code", [Some(party), None]),
        Entry::Site { party, before } => ("party_code", [Some(party), before]),
    };
    let mut outside = named.into_iter().flatten().filter(|p| !concerns(reference, caller, *p));
    if caller.regions.is_empty() || (entry != Entry::Product && outside.next().is_none()) {
        return Ok(());
    }
    Err(Refused::because(Refusal::NotAllowed, field, "it is bound to regions"))
}

/// Refuses a seat of a party or site outside the regions a caller is bound to.
pub(super) fn may_seat(caller: &Caller, seat: Option<&str>) -> Result<(), Refused> {
    mandate::may_seat(&caller.regions, seat)
        .map_err(|(field, why)| Refused::because(Refusal::NotAllowed, field, why))
}

/// Refuses a grant that reaches beyond the regions a caller is bound to.
pub(super) fn may_grant(caller: &Caller, granted: &RegionSet) -> Result<(), Refused> {
    mandate::may_grant(&caller.regions, granted)
        .map_err(|(field, why)| Refused::because(Refusal::NotAllowed, field, why))
}

/// Refuses what a caller may not say of a unit as it stands now.
///
/// # Errors
/// [`Refusal::NotAllowed`]; the store cannot be read.
pub async fn may(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (deed, field): (Deed, &'static str),
    unit: &UnitRecord,
) -> Result<(), FlowError> {
    let tree = &reference.tree;
    let refused = |why| Refused::because(Refusal::NotAllowed, field, why);
    // The brand needs no look at custody, and neither does what only the brand may say.
    let said = mandate::may(tree, caller.party, deed, Hands::default());
    let settled = said.is_ok() || deed == Deed::Recall;
    if settled && caller.regions.is_empty() {
        return Ok(said.map_err(refused)?);
    }
    let subject = Subject::Unit(Box::new(unit.clone()));
    let facts = custody::facts(house, reference, &[&subject]).await?;
    let maker = unit.site.and_then(|s| reference.site_by_id(SiteId(s))).map(|s| s.party);
    let hold = facts.at(unit_number(unit.number), house.clock.now());
    if !lies_within(reference, caller, unit, hold) {
        return Err(refused("it lies outside the regions it is bound to").into());
    }
    let said = mandate::may(tree, caller.party, deed, Hands { maker, hold });
    Ok(said.map_err(refused)?)
}
