//! The dossier: everything recorded of one unit, oldest first, its packs' journeys included.

use super::access::Sight;
use super::audit;
use super::caller::{Caller, Scope};
use super::contents::{self, Parent};
use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use super::verify::{Depth, Known, Verified, verify};
use domain::audit::SensitiveRead;
use domain::custody::{CustodyFacts, Moment};
use domain::refusal::{Refusal, Refused};
use domain::verdict::CodeReading;
use std::collections::HashSet;
use store::event::{Body, Event, Row};
use store::finding::FindingRecord;
use store::unit::UnitRecord;

/// Events about a pack that are also about what is inside.
fn travels(body: &Body) -> bool {
    matches!(
        body,
        Body::Shipped { .. }
            | Body::Received { .. }
            | Body::ReceiptDiffered { .. }
            | Body::Returned { .. }
            | Body::ShipmentVoided { .. }
            | Body::Packed { .. }
            | Body::Unpacked {}
    )
}

/// Whether an event of a pack tells what went into it or came out. It is each child's own, and no
/// other's beside it.
fn of_its_contents(event: &Event) -> bool {
    let packs = matches!(event.body, Body::Packed { .. } | Body::Unpacked {});
    packs && event.subjects.is_empty()
}

/// A whole dossier.
pub struct Dossier {
    /// Current state.
    pub unit: UnitRecord,
    /// Everything that happened, oldest first.
    pub events: Vec<Event>,
    /// What does not fit.
    pub findings: Vec<FindingRecord>,
}

/// A dossier, and how much of it its reader may see.
pub struct Shown<'a> {
    /// What may be shown.
    pub sight: Sight<'a>,
    /// The verdict and what it rests on: the unit is there.
    pub verified: Verified,
    /// Everything recorded.
    pub dossier: Dossier,
    /// The packs around it now, from the innermost outwards, as far as they may be shown.
    pub around: Vec<Parent>,
}

/// Opens the dossier of a unit for a caller, and notes that it was read.
///
/// # Errors
/// The caller may not read dossiers; there is no such unit, or none that went through a hand the
/// caller may see, which is answered alike; the store does not answer.
pub async fn show<'a>(
    house: &House,
    reference: &'a Reference,
    caller: &'a Caller,
    number: i64,
) -> Result<Shown<'a>, FlowError> {
    caller.need(Scope::Read)?;
    let unknown = || Refused::new(Refusal::UnknownSubject, "id");
    let asked = (CodeReading::Issued, Some(number));
    let verified = verify(house, reference, asked, Depth::Whole).await?;
    let known: &Known = verified.unit.as_ref().ok_or_else(unknown)?;
    let sight = Sight::of_unit(house, reference, Some(caller), &known.record, &known.custody);
    if !sight.reaches(known.record.number, &known.custody) {
        return Err(unknown().into());
    }
    let dossier = dossier(house, &known.record, &known.custody).await?;
    let now = house.clock.now();
    let mut around = contents::around(house, &known.custody, known.record.number, now).await?;
    around.retain(|pack| contents::travelled(&sight, &known.custody, pack.number));
    audit::note(house, &caller.into(), SensitiveRead::Dossier, known.code().as_str(), 1);
    Ok(Shown { sight, verified, dossier, around })
}

/// Reads the dossier of a unit, for whoever shows of it only what anyone may see, and for the
/// operator.
///
/// # Errors
/// The store does not answer.
pub async fn dossier(
    house: &House,
    unit: &UnitRecord,
    custody: &CustodyFacts,
) -> Result<Dossier, FlowError> {
    let events = journey(house, unit.number, custody).await?;
    Ok(Dossier {
        unit: unit.clone(),
        events,
        findings: house.store.findings_fetch(unit.number).await?,
    })
}

/// Everything recorded of a unit or pack, oldest first, with what moved the packs around it while
/// it was in them.
///
/// # Errors
/// The store does not answer.
pub(super) async fn journey(
    house: &House,
    subject: i64,
    custody: &CustodyFacts,
) -> Result<Vec<Event>, FlowError> {
    let mut events = house.store.events_fetch(subject).await?;
    let mut seen: HashSet<_> = events.iter().map(|e| e.id).collect();
    let moment = |to: Moment| (to.at.as_microsecond(), to.recorded_at.as_microsecond());
    let mut open = vec![(subject, (i64::MIN, i64::MIN), (i64::MAX, i64::MAX))];
    while let Some((number, from, to)) = open.pop() {
        for inside in custody.containments(unit_number(number)) {
            let start = moment(inside.from).max(from);
            let end = inside.to.map_or(to, |left| moment(left).min(to));
            if start >= end {
                continue;
            }
            let parent = inside.parent.get() as i64;
            open.push((parent, start, end));
            for event in house.store.events_fetch(parent).await? {
                let told = (event.happened_at, event.recorded_at);
                let during = start <= told && told < end;
                let concerns = travels(&event.body) && !of_its_contents(&event);
                if during && concerns && seen.insert(event.id) {
                    events.push(event);
                }
            }
        }
    }
    // Bulk events are filed under their first subject, those of a batch under its first code: only
    // those that name the unit belong here.
    let named = |e: &Event| match e.body {
        Body::Minted { .. }
        | Body::CodesVoided { .. }
        | Body::BatchDelivered { .. }
        | Body::BatchExported {} => false,
        Body::Commissioned { .. } => e.subjects.iter().any(|s| s.number == subject),
        _ => true,
    };
    events.retain(named);
    events.sort_by_key(|e| (happened_at(e, subject), e.recorded_at, e.id));
    Ok(events)
}

/// When an event happened to a unit or pack, microseconds: one production event tells of many
/// units, and its rows hold the time of each.
pub fn happened_at(event: &Event, subject: i64) -> i64 {
    let own = event.subjects.iter().find(|s| s.number == subject);
    match own.map(|subject| &subject.row) {
        Some(Row::Commissioned(row)) => row.produced_at,
        _ => event.happened_at,
    }
}

/// The SSCC of the pack that a subject left by an event, as far as its story tells of that pack.
pub fn left_pack<'a>(event: &Event, story: &'a [Event]) -> Option<&'a str> {
    let left = match &event.body {
        Body::Unpacked {} => Some(event.home),
        Body::Shipped { unpacked_from, .. }
        | Body::Returned { unpacked_from, .. }
        | Body::Received { unpacked_from, .. } => *unpacked_from,
        _ => None,
    };
    story.iter().find_map(|told| match &told.body {
        Body::Packed { sscc, .. } if Some(told.home) == left => Some(sscc.as_str()),
        _ => None,
    })
}

/// The numbers of the further codes that a unit was given, in order.
pub fn aliases(events: &[Event]) -> Vec<i64> {
    let bound = |event: &Event| match event.body {
        Body::AliasBound { alias } => Some(alias),
        _ => None,
    };
    events.iter().filter_map(bound).collect()
}
