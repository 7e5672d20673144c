//! How a unit stands, read from its events: what is told of it now may have happened before what is
//! known already.

use super::custody::{Subject, instant};
use super::dossier::happened_at;
use super::house::House;
use super::outcome::FlowError;
use domain::activation::CLOCK_LEEWAY;
use domain::standing::{self, Matter, Said};
use jiff::Timestamp;
use store::event::{Body, Event, Row};
use store::unit::UnitRecord;

/// Whether an event about how a unit stands comes too late to count.
pub(super) async fn is_late(
    house: &House,
    unit: &UnitRecord,
    body: &Body,
    at: Timestamp,
) -> Result<bool, FlowError> {
    let Some(new) = said(body, at) else { return Ok(false) };
    // What is known happened before it was recorded, so most changes read no events.
    if at > instant(unit.recorded_at) + CLOCK_LEEWAY {
        return Ok(false);
    }
    let events = house.store.events_fetch(unit.number).await?;
    let known = events.iter().filter_map(|event| said(&event.body, instant(event.happened_at)));
    Ok(standing::is_late(new, known))
}

/// Whether the inspection of a unit was hold or fail at a time: a paper that comes late is judged
/// by its own day. What was said of no earlier time is asked of the unit as it stands.
pub(super) async fn inspection_was_open(
    house: &House,
    subject: &Subject,
    at: Timestamp,
) -> Result<bool, FlowError> {
    let Some(unit) = subject.unit().filter(|_| subject.inspection_open()) else { return Ok(false) };
    if at > instant(unit.recorded_at) + CLOCK_LEEWAY {
        return Ok(true);
    }
    let events = house.store.events_fetch(unit.number).await?;
    let then = events.iter().filter_map(|event| {
        let since = instant(happened_at(event, unit.number));
        let found = match &event.body {
            Body::Inspected { inspection, .. } => Some(inspection.as_str()),
            Body::Commissioned { .. } => made_as(event, unit.number),
            _ => return None,
        };
        (since <= at).then_some((since, found))
    });
    let last = then.max_by_key(|(since, _)| *since).and_then(|(_, found)| found);
    Ok(matches!(last, Some("hold" | "fail")))
}

/// What the production record says of the inspection of a unit.
fn made_as(event: &Event, unit: i64) -> Option<&str> {
    let row = event.subjects.iter().find(|s| s.number == unit).map(|s| &s.row);
    match row {
        Some(Row::Commissioned(row)) => row.inspection.as_deref(),
        _ => None,
    }
}

/// What an event says of how its units stand.
fn said(body: &Body, at: Timestamp) -> Option<Said> {
    let (matter, ends) = match body {
        Body::Inspected { .. } => (Matter::Inspection, false),
        Body::Recalled { .. } => (Matter::Recall, false),
        Body::RecallLifted { .. } => (Matter::Recall, true),
        Body::StolenReported { .. } => (Matter::Theft, false),
        Body::StolenCleared { .. } => (Matter::Theft, true),
        _ => return None,
    };
    Some(Said { matter, at, ends })
}
