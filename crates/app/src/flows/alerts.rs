//! Alerts: findings someone must see.

use super::access;
use super::audit;
use super::caller::{Caller, Scope};
use super::custody::{self, Subject};
use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::audit::SensitiveRead;
use domain::finding::FindingKind;
use domain::id::PartyId;
use domain::party::PartyKind;
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use store::case::OpenCase;
use store::finding::{AlertRecord, AlertsAsked};

/// Alerts listed at a time.
pub const ALERTS_MAX: i64 = 1_000;

/// Which alerts are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this kind alone.
    pub kind: Option<FindingKind>,
    /// Shown from this instant on.
    pub since: Option<Timestamp>,
    /// Those after this one: when it is shown in microseconds, its unit, its key.
    pub after: Option<(i64, i64, String)>,
    /// How many at most.
    pub most: usize,
}

/// The alerts that are due and were not withdrawn, newest first, and whether there are more. They
/// concern the channel, so only the brand itself reads them.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(Vec<AlertRecord>, bool), FlowError> {
    let kind = wanted.kind.map(|k| k.as_str().to_owned());
    let object = kind.clone().unwrap_or_default();
    let found = listed(house, caller, wanted, kind).await?;
    audit::note(house, &caller.into(), SensitiveRead::Alerts, &object, found.0.len());
    Ok(found)
}

/// As [`list`], of a kind by its stored word.
pub(super) async fn listed(
    house: &House,
    caller: &Caller,
    wanted: Wanted,
    kind: Option<String>,
) -> Result<(Vec<AlertRecord>, bool), FlowError> {
    caller.need(Scope::Read)?;
    let reference = house.reference().await?;
    let party = reference.tree.get(caller.party);
    if party.is_none_or(|p| p.kind != PartyKind::Brand) {
        let why = "only the brand reads this";
        return Err(Refused::because(Refusal::NotAllowed, "", why).into());
    }
    let most = i64::try_from(wanted.most).unwrap_or(ALERTS_MAX).clamp(1, ALERTS_MAX);
    let mut asked = AlertsAsked {
        brand: caller.brand.0,
        since: wanted.since.map_or(i64::MIN, Timestamp::as_microsecond),
        until: house.clock.now().as_microsecond(),
        kind,
        after: wanted.after,
        // One more tells whether a further page follows.
        most: most + 1,
    };
    let shown = usize::try_from(most).unwrap_or(1);
    let mut found = Vec::new();
    loop {
        let page = house.store.alerts_fetch(&asked).await?;
        let last_page = page.len() <= shown;
        asked.after = page.last().map(|a| (a.due_at, a.unit, a.dedup_key.clone()));
        found.extend(within_regions(house, &reference, caller, page).await?);
        if last_page || found.len() > shown {
            break;
        }
    }
    let more = found.len() > shown;
    found.truncate(shown);
    // Of a case that does not concern the reader nothing is told, not even that it is there.
    let told = |open: &OpenCase| access::concerns(&reference, caller, PartyId(open.party));
    for alert in &mut found {
        alert.case = alert.case.filter(told);
    }
    Ok((found, more))
}

/// Leaves out alerts about units in hands whose seat the caller's regions do not hold. Whoever is
/// bound to none sees all, without a look at custody.
async fn within_regions(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    alerts: Vec<AlertRecord>,
) -> Result<Vec<AlertRecord>, FlowError> {
    if caller.regions.is_empty() {
        return Ok(alerts);
    }
    let now = house.clock.now();
    let mut seen = Vec::new();
    for alert in alerts {
        let Some(unit) = house.store.unit_fetch(alert.unit).await? else { continue };
        let subject = Subject::Unit(Box::new(unit));
        let facts = custody::facts(house, reference, &[&subject]).await?;
        let holder = facts.at(unit_number(alert.unit), now).map(|hold| hold.party);
        if holder.is_some_and(|party| access::concerns(reference, caller, party)) {
            seen.push(alert);
        }
    }
    Ok(seen)
}
