//! For whom a caller may speak: loading what the rule in `domain::mandate` asks for.

use super::caller::Caller;
use super::custody::{self, Subject};
use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::id::{PartyId, SiteId};
use domain::mandate::{self, Deed, Hands};
use domain::refusal::{Refusal, Refused};
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
    if mandate::speaks_for(&reference.tree, caller.party, party) {
        return Ok(());
    }
    let why = "it speaks for its own party and those below it";
    Err(Refused::because(Refusal::NotAllowed, field, why))
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
    // The brand needs no look at custody, and neither does what only the brand may say.
    let said = match mandate::may(tree, caller.party, deed, Hands::default()) {
        Err(_) if deed != Deed::Recall => {
            let subject = Subject::Unit(Box::new(unit.clone()));
            let facts = custody::facts(house, reference, &[&subject]).await?;
            let maker = unit.site.and_then(|s| reference.site_by_id(SiteId(s))).map(|s| s.party);
            let hold = facts.at(unit_number(unit.number), house.clock.now());
            mandate::may(tree, caller.party, deed, Hands { maker, hold })
        }
        said => said,
    };
    Ok(said.map_err(|why| Refused::because(Refusal::NotAllowed, field, why))?)
}
