//! The provable history of a unit: the texts of its events as they were recorded, each with its
//! path to the signed head of the log. Whoever has the log's public key need believe nobody.

use super::access::Sight;
use super::audit;
use super::caller::{Caller, Scope};
use super::dossier::dossier;
use super::find::unit_number;
use super::house::House;
use super::log::{Paths, SignedHead, signed_head};
use super::outcome::FlowError;
use domain::audit::SensitiveRead;
use domain::custody::CustodyFacts;
use domain::log::tree::Hash;
use domain::refusal::{Refusal, Refused};
use store::StoreError;
use store::canonical::RowProof;
use store::unit::UnitRecord;

/// A unit's events with their proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What they are proven against.
    pub head: SignedHead,
    /// What the log holds, oldest first.
    pub events: Vec<Proven>,
    /// How many of its events are younger than the signed head.
    pub waiting_count: usize,
}

/// One proven event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The text as it was recorded.
    pub text: String,
    /// Which entry of the log it is.
    pub index: u64,
    /// Its path to the root.
    pub path: Vec<Hash>,
    /// What a bulk event says of the unit, or of the pack it was in.
    pub row: Option<RowProof>,
}

/// Proves everything the log holds of a unit, for a caller from whom nothing of it is withheld: the
/// texts are the ledger's own and cannot be shortened. Notes that they were read. None while
/// nothing was sealed.
///
/// # Errors
/// The caller may not read dossiers; there is no such unit, or not all of it may be shown, which is
/// answered alike; the store cannot be read, or the log is not whole.
pub async fn prove(
    house: &House,
    caller: &Caller,
    number: i64,
) -> Result<Option<History>, FlowError> {
    caller.need(Scope::Read)?;
    let unknown = || Refused::new(Refusal::UnknownSubject, "id");
    let unit = house.store.unit_fetch(number).await?.ok_or_else(unknown)?;
    let reference = house.reference().await?;
    let custody = CustodyFacts::default();
    let sight = Sight::of_unit(house, &reference, Some(caller), &unit, &custody);
    if !sight.shows_all() {
        return Err(unknown().into());
    }
    let history = history(house, &unit).await?.filter(|h| !h.events.is_empty());
    if history.is_some() {
        let code = house.ring().encode(unit_number(number));
        audit::note(house, &caller.into(), SensitiveRead::Proof, code.as_str(), 1);
    }
    Ok(history)
}

async fn history(house: &House, unit: &UnitRecord) -> Result<Option<History>, FlowError> {
    let Some(head) = signed_head(house).await? else { return Ok(None) };
    let size = head.checkpoint.size;
    let mut custody = CustodyFacts::default();
    house.store.custody_fetch(&[unit.number], &mut custody).await?;
    let dossier = dossier(house, unit, &custody).await?;
    let mut paths = Paths::new(house, size);
    let mut events = Vec::with_capacity(dossier.events.len());
    let mut waiting_count = 0;
    for event in dossier.events {
        let position = house.store.log_position(&event.id.0, event.home).await?;
        let Some(index) = position.filter(|p| *p < size) else {
            waiting_count += 1;
            continue;
        };
        let text = house.store.event_text(&event.id.0, event.home).await?;
        let text = text.ok_or_else(|| StoreError::Record("an event is missing".to_owned()))?;
        let row = match event.subjects.first() {
            Some(subject) => house.store.row_prove(event.id, subject.number).await?,
            None => None,
        };
        events.push(Proven { text, index, path: paths.inclusion(index).await?, row });
    }
    Ok(Some(History { head, events, waiting_count }))
}
