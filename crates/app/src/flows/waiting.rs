//! Reports that came before their unit: kept encrypted, and replayed when it comes off the line
//! within their term.

use super::activate::{Activated, Received, Report, receive};
use super::custody::instant;
use super::house::House;
use super::idempotency::Answer;
use super::outcome::FlowError;
use crate::files::ProductionDraft;
use crate::rules::WAITING_KEPT;
use domain::identifier::Identifier;
use jiff::Timestamp;
use store::commit::{Commit, Side};

/// Label under which waiting commands are sealed.
const WAITING_LABEL: &str = "waiting activation v1";

/// Keeps a report whose unit is not known yet.
///
/// # Errors
/// The store does not answer.
pub(super) async fn keep(
    house: &House,
    report: &Report,
    received_at: Timestamp,
) -> Result<(), FlowError> {
    let text = serde_json::to_vec(report).map_err(|e| store::StoreError::Record(e.to_string()))?;
    let received_at = received_at.as_microsecond();
    let side = Side::Waiting {
        value: waiting_value(&report.scheme, &report.value),
        id: house.event_id().0,
        sealed: house.secrets.seal(WAITING_LABEL, &text)?,
        received_at,
        expires_at: received_at + WAITING_KEPT.as_micros() as i64,
    };
    house.store.commit(&Commit { sides: vec![side], ..Commit::default() }).await?;
    Ok(())
}

fn waiting_value(scheme: &str, value: &str) -> String {
    let canonical = scheme.parse().ok().and_then(|s| Identifier::parse(s, value).ok());
    format!("{scheme} {}", canonical.as_ref().map_or(value, |i| i.value()))
}

/// Replays reports that waited for units which just came off the line. What fails stays and waits
/// on; nothing here may fail the commissioning.
pub async fn replay(house: &House, drafts: &[ProductionDraft]) {
    for draft in drafts {
        let identifiers = std::iter::once(&draft.sn).chain(&draft.identifiers);
        for identifier in identifiers {
            let value = format!("{} {}", identifier.scheme().as_str(), identifier.value());
            if let Err(error) = replay_one(house, &value).await {
                tracing::warn!(%error, "a waiting activation could not be replayed");
            }
        }
    }
}

async fn replay_one(house: &House, value: &str) -> Result<(), FlowError> {
    let now = house.clock.now().as_microsecond();
    for waiting in house.store.waiting_fetch(value, now).await? {
        let text = house.secrets.open(WAITING_LABEL, &waiting.sealed)?;
        let report: Report =
            serde_json::from_slice(&text).map_err(|e| store::StoreError::Record(e.to_string()))?;
        let render = |_: &Activated| Answer { status: 201, reply: String::new() };
        let received_at = instant(waiting.received_at);
        let received = Received { caller: None, report: &report, received_at };
        receive(house, received, None, &render).await?;
        let mut id = [0; 16];
        id.copy_from_slice(waiting.id.get(..16).unwrap_or(&[0; 16]));
        let done = Side::WaitingDone { value: value.to_owned(), id };
        house.store.commit(&Commit { sides: vec![done], ..Commit::default() }).await?;
    }
    Ok(())
}
