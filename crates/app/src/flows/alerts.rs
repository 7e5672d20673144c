//! Alerts: findings someone must see.

use super::caller::{Caller, Scope};
use super::house::House;
use super::outcome::FlowError;
use domain::refusal::{Refusal, Refused};
use store::unit::AlertRecord;

/// Alerts listed at a time.
pub const ALERTS_MAX: i64 = 1_000;

/// The newest alerts that are due and were not withdrawn. They concern the channel, so only the
/// brand itself reads them.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
    most: i64,
) -> Result<Vec<AlertRecord>, FlowError> {
    caller.need(Scope::Read)?;
    let reference = house.reference().await?;
    let party = reference.tree.get(caller.party);
    if party.is_none_or(|p| p.kind != domain::party::PartyKind::Brand) {
        let why = "only the brand reads alerts";
        return Err(Refused::because(Refusal::NotAllowed, "", why).into());
    }
    let now = house.clock.now().as_microsecond();
    Ok(house.store.alerts_fetch(caller.brand.0, now, most.clamp(1, ALERTS_MAX)).await?)
}
