//! Reports that came before their unit: kept encrypted, and replayed when it comes off the line
//! within their term, as whoever sent them and for the brand they were meant for.

use super::activate::{Activated, Received, Report, receive};
use super::caller::{Caller, Scope};
use super::custody::instant;
use super::house::House;
use super::idempotency::Answer;
use super::outcome::FlowError;
use crate::files::ProductionDraft;
use crate::rules::kept as term_of;
use domain::id::{BrandId, PartyId};
use domain::identifier::Identifier;
use domain::retention::Kept as Term;
use serde::{Deserialize, Serialize};
use store::commit::{Commit, Side};

/// Label under which waiting commands are sealed.
const WAITING_LABEL: &str = "waiting activation v1";

/// A report as it is kept. Those kept before it named anybody are read as a device's own.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    report: Report,
    /// The tenant it was meant for, where that was known.
    #[serde(default)]
    brand: Option<i64>,
    /// Who sent it, when somebody with a key did.
    #[serde(default)]
    sender: Option<Sender>,
}

#[derive(Serialize, Deserialize)]
struct Sender {
    party: i64,
    scopes: Vec<String>,
    actor: String,
}

impl Kept {
    fn caller(&self) -> Option<Caller> {
        let sender = self.sender.as_ref()?;
        Some(Caller {
            brand: BrandId(self.brand?),
            party: PartyId(sender.party),
            scopes: sender.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
            regions: Vec::new(),
            role: None,
            actor: sender.actor.clone(),
            address: None,
        })
    }
}

/// Keeps a report whose unit is not known yet; whoever records it forgets it by what is returned.
///
/// # Errors
/// The store does not answer.
pub(super) async fn keep(
    house: &House,
    received: &Received<'_>,
    brand: Option<BrandId>,
) -> Result<Side, FlowError> {
    let report = received.report;
    let sender = |caller: &Caller| Sender {
        party: caller.party.0,
        scopes: caller.scopes.iter().map(|s| s.as_str().to_owned()).collect(),
        actor: caller.actor.clone(),
    };
    let kept = Kept {
        report: report.clone(),
        brand: brand.map(|b| b.0),
        sender: received.caller.map(sender),
    };
    let text =
        serde_json::to_string(&kept).map_err(|e| store::StoreError::Record(e.to_string()))?;
    let received_at = received.received_at.as_microsecond();
    // A report that is sent again while it waits is the one that waits: its name is what it says.
    let mut id = [0; 16];
    let name = house.secrets.hash("waiting", &text);
    id.copy_from_slice(name.get(..16).unwrap_or(&[0; 16]));
    let value = waiting_value(&report.scheme, &report.value);
    let side = Side::Waiting {
        value: value.clone(),
        id,
        sealed: house.secrets.seal(WAITING_LABEL, text.as_bytes())?,
        received_at,
        expires_at: received_at + term_of(Term::Waiting).as_micros() as i64,
    };
    house.store.commit(&Commit { sides: vec![side], ..Commit::default() }).await?;
    Ok(Side::WaitingDone { value, id })
}

fn waiting_value(scheme: &str, value: &str) -> String {
    let canonical = scheme.parse().ok().and_then(|s| Identifier::parse(s, value).ok());
    format!("{scheme} {}", canonical.as_ref().map_or(value, |i| i.value()))
}

/// Replays reports that waited for units which just came off the line. What fails stays and waits
/// on; nothing here may fail the commissioning.
pub async fn replay(house: &House, brand: BrandId, drafts: &[ProductionDraft]) {
    for draft in drafts {
        let placed = draft.identifiers.iter().chain(&draft.parts).map(|(_, named)| named);
        replay_named(house, brand, std::iter::once(&draft.sn).chain(placed)).await;
    }
}

/// Replays reports that waited for what a unit answers to now.
pub(super) async fn replay_named<'a>(
    house: &House,
    brand: BrandId,
    names: impl Iterator<Item = &'a Identifier>,
) {
    let value = |named: &Identifier| format!("{} {}", named.scheme().as_str(), named.value());
    if let Err(error) = replay_all(house, brand, names.map(value).collect()).await {
        tracing::warn!(%error, "a waiting activation could not be replayed");
    }
}

/// In the order in which they came, by whichever name: the first of them is the unit's first start.
async fn replay_all(house: &House, brand: BrandId, names: Vec<String>) -> Result<(), FlowError> {
    let now = house.clock.now().as_microsecond();
    let mut waiting = Vec::new();
    for value in names {
        let found = house.store.waiting_fetch(&value, now).await?;
        waiting.extend(found.into_iter().map(|one| (value.clone(), one)));
    }
    waiting.sort_by(|(_, a), (_, b)| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
    for (value, waiting) in waiting {
        let text = house.secrets.open(WAITING_LABEL, &waiting.sealed);
        let kept = text.ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let Some(kept) = kept else {
            // The others are none the worse for it.
            tracing::warn!("a waiting report cannot be read");
            continue;
        };
        if kept.brand.is_some_and(|meant| meant != brand.0) {
            // Another brand's unit of the same number came: this one still waits for its own.
            continue;
        }
        let render = |_: &Activated| Answer::new(201, String::new());
        let received_at = instant(waiting.received_at);
        let caller = kept.caller();
        let mut id = [0; 16];
        id.copy_from_slice(waiting.id.get(..16).unwrap_or(&[0; 16]));
        let received = Received {
            caller: caller.as_ref(),
            brand: kept.brand.map(BrandId),
            report: &kept.report,
            received_at,
            waited: Some(Side::WaitingDone { value, id }),
        };
        match receive(house, received, None, &render).await {
            // The unit that came is none that this report can name: it waits on. Or somebody else
            // replayed it at the same time.
            Err(FlowError::Refused(_) | FlowError::Busy) => {}
            other => drop(other?),
        }
    }
    Ok(())
}
