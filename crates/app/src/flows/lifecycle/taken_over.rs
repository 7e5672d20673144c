//! What a life takes over that is told of late. What started since it opened was held to be of the
//! life before, as long as nobody knew of this one: the earliest of it is the first start of this
//! life, and whether another device shows in it is decided anew against that one.
//!
//! Deliberately left in the life before: registrations, proofs and papers of the sale from before
//! the life was told of. Whose they are nobody can tell; they are filed again.

use crate::flows::activate;
use crate::flows::house::House;
use crate::flows::lives::of_start;
use crate::flows::outcome::FlowError;
use crate::flows::redecide::{found_out, weighed_again, written_for};
use domain::activation::{Earlier, again};
use domain::finding::{Finding, FindingGrade, FindingKind};
use jiff::Timestamp;
use store::canonical::{hex, unhex};
use store::commit::{Alert, Commit};
use store::event::{ActivatedBody, Body, Event, StartRow};
use store::finding::FindingRecord;
use store::unit::UnitRecord;

/// Starts that a life takes over at most. Anyone can report a device again and again; who was first
/// is told all the same, and what was found of the others stands as it was.
const STARTS_MAX: usize = 100;

/// The starts of a unit's present life that are of the one which opened at an instant, the earliest
/// first. The first start of a life stays in it, and what is of that very instant; so does what was
/// received before then, by whatever clock it was told.
pub(super) async fn starts_since(
    house: &House,
    unit: &UnitRecord,
    at: Timestamp,
) -> Result<Vec<StartRow>, FlowError> {
    let at = at.as_microsecond();
    // Most lives are told of as they open, and read no events.
    let Some(first_at) = unit.activated_at.filter(|_| unit.recorded_at >= at) else {
        return Ok(Vec::new());
    };
    let story = house.store.events_fetch(unit.number).await?;
    let since = |event: &Event| {
        let Body::Activated(body) = &event.body else { return None };
        let later = body.activated_at >= at && body.activated_at > first_at;
        let is_of_this =
            later && event.recorded_at >= at && of_start(&story, event.id, body).0 == unit.life;
        is_of_this.then(|| start_row(event, body))
    };
    let mut starts: Vec<_> = story.iter().filter_map(since).collect();
    // Of one instant, the one that was told first.
    starts.sort_by_key(|start| start.activated_at);
    starts.truncate(STARTS_MAX);
    Ok(starts)
}

fn start_row(event: &Event, body: &ActivatedBody) -> StartRow {
    StartRow {
        activated_at: body.activated_at,
        activation: hex(&event.id.0),
        fingerprint: body.fingerprint.clone(),
        region: body.region_told().map(str::to_owned),
    }
}

/// Adds to a commit what follows from the lives in it that take starts over.
pub(super) async fn decide_anew(house: &House, commit: &mut Commit) -> Result<(), FlowError> {
    let mut decided = Vec::new();
    for opening in &commit.events {
        let Body::LifeOpened { starts, .. } = &opening.body else { continue };
        if !starts.is_empty() {
            let story = house.store.events_fetch(opening.home).await?;
            let findings = house.store.findings_fetch(opening.home).await?;
            decided.push(decide(house, opening, &story, findings));
        }
    }
    for (events, alerts) in decided {
        commit.events.extend(events);
        commit.alerts.extend(alerts);
    }
    Ok(())
}

/// Takes back what was found of the devices of the starts that a life takes over, and finds it
/// anew. An alert tells of a kind in a life, so what stands is told again, in both lives.
fn decide(
    house: &House,
    opening: &Event,
    story: &[Event],
    findings: Vec<FindingRecord>,
) -> (Vec<Event>, Vec<Alert>) {
    let (mut events, mut alerts) = (Vec::new(), Vec::new());
    let Body::LifeOpened { life, starts, .. } = &opening.body else { return (events, alerts) };
    let write = |events: &mut Vec<Event>, body| {
        let after = events.last().map_or(opening.recorded_at, |last: &Event| last.recorded_at);
        events.push(found_out(house, (opening.brand, opening.home), after, body));
    };
    let kind = FindingKind::ActivatedAgain;
    let of_device = |f: &FindingRecord| !f.withdrawn && f.kind == kind.as_str();
    let mut standing: Vec<_> = findings.into_iter().filter(of_device).collect();
    let mut first: Option<Earlier> = None;
    for start in starts {
        let id = unhex(&start.activation);
        let is_it = |event: &&Event| id.as_deref() == Some(&event.id.0[..]);
        let Some(told) = story.iter().find(is_it) else { continue };
        let Body::Activated(body) = &told.body else { continue };
        let written = written_for(story, told.id);
        let (gone, kept): (Vec<_>, Vec<_>) =
            standing.into_iter().partition(|f| written.contains(&f.event));
        standing = kept;
        for finding in gone {
            let (because, finding_kind) = (hex(&opening.id.0), finding.kind);
            let finding = hex(&finding.event.0);
            let reading = None;
            write(&mut events, Body::FindingWithdrawn { finding, finding_kind, because, reading });
        }
        let fingerprint = start.fingerprint.as_deref().and_then(unhex);
        let Some(earlier) = &first else {
            first = Some(Earlier { fingerprint });
            continue;
        };
        let Some((grade, reason)) = again(earlier, fingerprint.as_deref()) else { continue };
        let finding = Finding::new(kind, grade, reason);
        let bound_to = weighed_again(story, told.id).map(|told| told.reading.bound_to);
        write(
            &mut events,
            Body::FindingAdded {
                activated_at: body.activated_at,
                activation: start.activation.clone(),
                because: hex(&opening.id.0),
                bound_to: bound_to.unwrap_or(body.bound_to),
                findings: vec![activate::finding_row(&finding)],
                life: Some(*life),
                reading: None,
                versions: activate::versions(house),
            },
        );
        let added = events.last().filter(|_| grade.alerts());
        alerts.extend(added.map(|event| activate::alert(event, kind, grade, *life)));
    }
    alerts.extend(standing.iter().filter_map(|f| still_told(story, f, life - 1)));
    (events, alerts)
}

/// The alert of a finding that stands in the life before: it takes the place of one that is gone.
fn still_told(story: &[Event], finding: &FindingRecord, life: i64) -> Option<Alert> {
    let event = story.iter().find(|event| event.id == finding.event)?;
    let of = match &event.body {
        Body::Activated(body) => of_start(story, event.id, body).0,
        Body::FindingAdded { life, .. } => (*life)?,
        _ => return None,
    };
    let grade = FindingGrade::parse(&finding.grade).filter(|grade| grade.alerts())?;
    let kind = FindingKind::parse(&finding.kind)?;
    (of == life).then(|| activate::alert(event, kind, grade, life))
}
