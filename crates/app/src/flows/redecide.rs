//! Late facts: a shipment or production record that arrives after an activation may explain what
//! did not fit. A finding that no longer stands is withdrawn by an event that names the new fact.

use super::activate::{Loaded, Report, SIGNALS_LABEL, decide, load};
use super::caller::Caller;
use super::custody::{self, instant};
use super::find::unit_number;
use super::house::{EventDraft, House};
use super::outcome::FlowError;
use super::reference::Reference;
use domain::activation::Assurance;
use domain::finding::FindingKind;
use domain::id::PartyId;
use jiff::Timestamp;
use store::canonical::hex;
use store::commit::{Commit, Outbox, Relied};
use store::event::Body;
use store::unit::UnitRecord;

/// Looks again at the activations a late fact concerns. A finding that no longer stands is
/// withdrawn by an event that names the fact; nothing new is found late. Returns how many went.
///
/// # Errors
/// The store does not answer; the job is tried again.
pub async fn redecide(house: &House, job: &Outbox) -> Result<usize, FlowError> {
    let since: i64 = job.content.parse().unwrap_or(0);
    let mut withdrawn = 0;
    let mut open = vec![(job.home, 0)];
    while let Some((number, depth)) = open.pop() {
        if let Some(unit) = house.store.unit_fetch(number).await? {
            if unit.activated_at.is_some_and(|at| at >= since) {
                withdrawn += withdraw(house, unit, job.id).await?;
            }
        } else if depth < domain::custody::PACK_DEPTH_MAX {
            let inside = house.store.children_fetch(number).await?;
            let still = |to: Option<Timestamp>| to.is_none_or(|t| t.as_microsecond() > since);
            let children = inside.iter().filter(|c| still(c.to));
            open.extend(children.map(|c| (c.child.get() as i64, depth + 1)));
        }
    }
    Ok(withdrawn)
}

async fn withdraw(house: &House, unit: UnitRecord, because: [u8; 16]) -> Result<usize, FlowError> {
    let late = ["never_shipped", "not_produced", "outside_territory", "other_channel"];
    let findings = house.store.findings_fetch(unit.number).await?;
    let standing: Vec<_> =
        findings.into_iter().filter(|f| !f.withdrawn && late.contains(&f.kind.as_str())).collect();
    let mut gone = 0;
    for finding in standing {
        let reference = house.reference().await?;
        let loaded = load(house, &reference, unit.number).await?;
        if stands(house, &reference, &loaded, &finding).await? {
            continue;
        }
        let Some(unit) = &loaded.unit else { continue };
        let system = Caller {
            brand: loaded.brand,
            party: PartyId(0),
            scopes: Vec::new(),
            actor: "system".to_owned(),
        };
        let body = Body::FindingWithdrawn {
            finding: hex(&finding.event.0),
            finding_kind: finding.kind.clone(),
            because: hex(&because),
        };
        let now = house.clock.now();
        let mut event =
            house.event(EventDraft::about(&system, unit.number, now, unit.recorded_at, body));
        event.party = None;
        let commit = Commit {
            relies_on: vec![Relied::Unit { number: unit.number, revision: unit.revision }],
            events: vec![event],
            ..Commit::default()
        };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => return Err(FlowError::Busy),
            Err(e) => return Err(e.into()),
            Ok(()) => gone += 1,
        }
    }
    Ok(gone)
}

/// Whether a finding would be written again on what is known now.
async fn stands(
    house: &House,
    reference: &Reference,
    loaded: &Loaded,
    finding: &store::unit::FindingRecord,
) -> Result<bool, FlowError> {
    let at = instant(finding.activated_at);
    let unit = unit_number(loaded.number);
    match FindingKind::parse(&finding.kind) {
        Some(FindingKind::NotProduced) => {
            Ok(loaded.unit.as_ref().is_none_or(|u| u.produced_at.is_none()))
        }
        Some(FindingKind::NeverShipped) => {
            let origin = custody::is_origin(reference);
            Ok(loaded.custody.left_origin(unit, at, origin).is_none())
        }
        Some(kind) => {
            let now = house.clock.now().as_microsecond();
            let event = &finding.event.0;
            let sealed = house.store.observation_fetch(loaded.number, event, now).await?;
            // The evidence is forgotten: what was found on it stands.
            let Some(sealed) = sealed else { return Ok(true) };
            let text = house.secrets.open(SIGNALS_LABEL, &sealed)?;
            let (_, assurance, report): (String, String, Report) = serde_json::from_slice(&text)
                .map_err(|e| store::StoreError::Record(e.to_string()))?;
            // What the report was worth then, it is worth now.
            let assurance = Assurance::parse(&assurance).unwrap_or(Assurance::Public);
            let again = decide(house, reference, loaded, &report, assurance, at);
            Ok(again.activation.findings.iter().any(|f| f.kind == kind))
        }
        None => Ok(true),
    }
}
