//! How a unit stands, read from its events: what is told of it now may have happened before what is
//! known already.

use super::custody::{Subject, instant};
use super::dossier::happened_at;
use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use domain::activation::CLOCK_LEEWAY;
use domain::custody::CustodyFacts;
use domain::standing::{self, Matter, Said};
use domain::when::When;
use jiff::Timestamp;
use store::event::{Body, Event, Row};
use store::unit::UnitRecord;

/// Whether an event about how a unit stands is outdated.
pub(super) async fn is_outdated(
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
    let made = events.iter().find_map(|event| made_as(event, unit.number));
    let record = made.map(|(produced_at, _)| Said::made(produced_at));
    let known = events.iter().filter_map(|event| said(&event.body, instant(event.happened_at)));
    Ok(standing::is_outdated(new, known.chain(record)))
}

/// Whether the inspection of a unit, which is hold or fail now, was so at a time: a paper that
/// comes late is judged by its own day.
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
    let inspections = events.iter().filter_map(|event| match &event.body {
        Body::Inspected { inspection, .. } => {
            Some((instant(event.happened_at), inspection.as_str()))
        }
        _ => None,
    });
    let made = events.iter().find_map(|event| made_as(event, unit.number));
    let last = standing::found_at(at, made, inspections);
    Ok(matches!(last, Some("hold" | "fail")))
}

/// When a unit came to stand as it does, for what is told of a day alone; of a pack nothing is.
pub(super) async fn instants(
    house: &House,
    subject: &Subject,
    when: When,
) -> Result<Vec<Timestamp>, FlowError> {
    let Some(unit) = subject.unit().filter(|_| when.is_day()) else { return Ok(Vec::new()) };
    let stands = [unit.produced_at, unit.recalled_at, unit.stolen_at, unit.retired_at];
    let mut known: Vec<_> = stands.into_iter().flatten().map(instant).collect();
    if subject.inspection_open() {
        let events = house.store.events_fetch(unit.number).await?;
        let looks = events.iter().filter(|e| matches!(e.body, Body::Inspected { .. }));
        known.extend(looks.map(|e| instant(e.happened_at)));
    }
    Ok(known)
}

/// When anything happened to a unit, for what is told of a day alone. A further life begins behind
/// what moved the unit and its first start alone: what else happened that day may be of that life.
pub(super) async fn happened_instants(
    house: &House,
    unit: &UnitRecord,
    (when, begins_life): (When, bool),
) -> Result<Vec<Timestamp>, FlowError> {
    if !when.is_day() {
        return Ok(Vec::new());
    }
    let mut custody = CustodyFacts::default();
    house.store.custody_fetch(&[unit.number], &mut custody).await?;
    let mut known: Vec<_> = custody.instants(unit_number(unit.number)).collect();
    known.extend([unit.produced_at, unit.activated_at].into_iter().flatten().map(instant));
    if !begins_life && when.first() <= instant(unit.recorded_at) + CLOCK_LEEWAY {
        let events = house.store.events_fetch(unit.number).await?;
        known.extend(events.iter().map(|event| instant(happened_at(event, unit.number))));
    }
    Ok(known)
}

/// Puts a unit's recall and theft back to how they stood at an instant: what is reported late is
/// judged by what was so then, though it is over. What began later stays as it is.
pub(super) async fn put_back(
    house: &House,
    unit: &mut UnitRecord,
    at: Timestamp,
) -> Result<(), FlowError> {
    if at.as_microsecond() > unit.recorded_at {
        return Ok(());
    }
    let events = house.store.events_fetch(unit.number).await?;
    let known = || events.iter().filter_map(|e| said(&e.body, instant(e.happened_at)));
    let then = |matter, now: Option<i64>| {
        let since = standing::since(matter, at, known()).map(Timestamp::as_microsecond);
        since.or(now.filter(|begun| *begun > at.as_microsecond()))
    };
    unit.recalled_at = then(Matter::Recall, unit.recalled_at);
    unit.stolen_at = then(Matter::Theft, unit.stolen_at);
    Ok(())
}

/// When a unit was produced and what its production record says of the inspection, if it does.
fn made_as(event: &Event, unit: i64) -> Option<(Timestamp, &str)> {
    let row = event.subjects.iter().find(|s| s.number == unit).map(|s| &s.row);
    match row {
        Some(Row::Commissioned(row)) => {
            Some((instant(row.produced_at), row.inspection.as_deref()?))
        }
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
