//! Late facts: a shipment, a packing or a production record that arrives after an activation may
//! explain what did not fit, or show what could not be known. Every activation it concerns is
//! weighed again on what is known now; what no longer stands is withdrawn, what is seen only now is
//! added, both by events that name the fact; the last of them says what the activation reads as
//! since then. Where it reads otherwise and every finding stands, an event that adds none says so.
//! What stands unchanged writes nothing, so a job may run any number of times, anywhere.
//!
//! Deliberately not looked at again: what rests on the device or on the state of the unit
//! (`activated_again`, which a life told of late decides anew by itself, `stolen` …), and places
//! once the raw signals are forgotten. The alerts of what is looked at stand under the life that an
//! activation was recorded in, whichever it turned out to be of.

use super::activate::{self, Loaded, Report, SIGNALS_LABEL, Signals, Weighed};
use super::caller::Caller;
use super::custody::instant;
use super::house::{EventDraft, House};
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use domain::activation::{ActivatedAt, Assurance};
use domain::custody::Moment;
use domain::finding::{Finding, FindingGrade, FindingKind};
use domain::id::{BrandId, EventId, PartyId};
use std::collections::{BTreeSet, HashMap};
use store::canonical::{hex, unhex};
use store::commit::{Alert, Commit, Outbox, Relied};
use store::event::{ActivatedBody, Body, Event, ReadingRow};
use store::finding::FindingRecord;

/// What custody alone decides.
const OF_CUSTODY: &[FindingKind] = &[FindingKind::NotProduced, FindingKind::NeverShipped];
/// What the signals decide together with it.
const OF_PLACE: &[FindingKind] = &[
    FindingKind::NotProduced,
    FindingKind::NeverShipped,
    FindingKind::OutsideTerritory,
    FindingKind::OtherChannel,
];
/// What is held against whoever the goods were bound to: where they were another's, it is another
/// finding, whatever else is the same.
const OF_A_PARTY: &[FindingKind] = &[FindingKind::OutsideTerritory, FindingKind::OtherChannel];

/// Looks again at the activations a late fact concerns. Returns how many findings were withdrawn or
/// added.
///
/// # Errors
/// The store does not answer, or others were faster too often; the job is tried again.
pub async fn redecide(house: &House, job: &Outbox) -> Result<usize, FlowError> {
    let since: i64 = job.content.parse().unwrap_or(0);
    let mut changed = 0;
    let mut open = vec![(job.home, 0)];
    while let Some((number, depth)) = open.pop() {
        if let Some(unit) = house.store.unit_fetch(number).await? {
            // An activation of an earlier life may be the one concerned, or one from before it
            // was made, which is nobody's first.
            if unit.activated_at.is_some() || unit.life > 0 || since == 0 {
                changed += look(house, number, since, job.id).await?;
            }
        } else if depth < domain::custody::PACK_DEPTH_MAX {
            let inside = house.store.children_fetch(number).await?;
            // A child taken out at that very instant is concerned as well: the fact may say so.
            let still = |to: Option<Moment>| to.is_none_or(|to| to.at.as_microsecond() >= since);
            let children = inside.iter().filter(|c| still(c.to));
            open.extend(children.map(|c| (c.child.get() as i64, depth + 1)));
        }
    }
    Ok(changed)
}

/// Weighs the activations of one unit again, in one commit.
async fn look(
    house: &House,
    number: i64,
    since: i64,
    because: [u8; 16],
) -> Result<usize, FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        // The unit comes first: whatever is read after it is at least as fresh as its revision.
        let loaded = activate::load(house, &reference, number).await?;
        let Some(unit) = &loaded.unit else { return Ok(0) };
        let events = house.store.events_fetch(number).await?;
        let findings = house.store.findings_fetch(number).await?;
        let mut looking = Looking {
            house,
            because,
            story: &events,
            after: unit.recorded_at,
            standing: findings.into_iter().filter(|f| !f.withdrawn).collect(),
            lives: HashMap::new(),
            bound: events.iter().filter_map(bound_by).collect(),
            touched: BTreeSet::new(),
            changed: 0,
            events: Vec::new(),
        };
        for (id, body) in activations(&events) {
            let written = written_for(&events, id);
            looking.lives.extend(written.iter().map(|w| (*w, body.life)));
            if body.activated_at >= since {
                let again = weigh(house, &reference, &loaded, (id, body)).await?;
                looking.compare(&loaded, (id, body), &written, again);
            }
        }
        if looking.events.is_empty() {
            return Ok(0);
        }
        let changed = looking.changed;
        let commit = Commit {
            relies_on: vec![
                Relied::Reference(reference.version),
                Relied::Unit { number, revision: unit.revision },
            ],
            alerts: looking.alerts(),
            events: looking.events,
            ..Commit::default()
        };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                // The job of what moved a pack meanwhile may have found all as it was.
                activate::look_again_where_moved(house, number, &loaded.custody).await?;
                return Ok(changed);
            }
        }
    }
    Err(FlowError::Busy)
}

/// To whom the goods were bound, by an event that writes findings.
fn bound_by(event: &Event) -> Option<(EventId, Option<i64>)> {
    match &event.body {
        Body::Activated(body) => Some((event.id, body.bound_to)),
        Body::FindingAdded { bound_to, .. } => Some((event.id, *bound_to)),
        _ => None,
    }
}

/// What an activation reads as since a late fact.
#[derive(Clone, Copy, Debug)]
pub struct WeighedAgain<'a> {
    /// The event that says so.
    pub event: &'a Event,
    /// The fact, hex.
    pub because: &'a str,
    /// What it reads as.
    pub reading: &'a ReadingRow,
}

/// What an activation reads as by the last of its late facts, out of the story of its unit; none
/// where it reads as it was recorded, or where nobody can say: the signals were forgotten when that
/// fact came, and what an earlier one made of them is not what stands.
pub fn weighed_again(story: &[Event], activation: EventId) -> Option<WeighedAgain<'_>> {
    let written = written_for(story, activation);
    // What is said of its device is no word on where it was.
    let of_device = |kind: &str| kind == FindingKind::ActivatedAgain.as_str();
    let concerns = |event: &&Event| match &event.body {
        Body::FindingAdded { findings, .. } => {
            written.contains(&event.id) && !findings.iter().any(|f| of_device(&f.kind))
        }
        Body::FindingWithdrawn { finding, finding_kind, .. } => {
            let ours = |id: Vec<u8>| written.iter().any(|by| id == by.0);
            !of_device(finding_kind) && unhex(finding).is_some_and(ours)
        }
        _ => false,
    };
    // The last event of a look at an activation is the one that says what it reads as.
    let event = story.iter().filter(concerns).max_by_key(|event| event.recorded_at)?;
    match &event.body {
        Body::FindingAdded { because, reading: Some(reading), .. }
        | Body::FindingWithdrawn { because, reading: Some(reading), .. } => {
            Some(WeighedAgain { event, because, reading })
        }
        _ => None,
    }
}

/// What an activation reads as by its own record.
fn as_recorded(id: EventId, body: &ActivatedBody) -> ReadingRow {
    ReadingRow {
        activation: hex(&id.0),
        bound_to: body.bound_to,
        families: body.families.clone(),
        fences: body.fences.clone(),
        grade: body.grade.clone(),
        level: body.level.clone(),
        network: body.network.clone(),
        region: body.region.clone(),
        versions: body.versions.clone(),
    }
}

fn activations(events: &[Event]) -> impl Iterator<Item = (EventId, &ActivatedBody)> {
    events.iter().filter_map(|event| match &event.body {
        Body::Activated(body) => Some((event.id, body.as_ref())),
        _ => None,
    })
}

/// The events that wrote findings of an activation: itself, and those that added some late.
pub(super) fn written_for(events: &[Event], activation: EventId) -> Vec<EventId> {
    let late = |event: &&Event| match &event.body {
        Body::FindingAdded { activation: concerned, .. } => {
            unhex(concerned).is_some_and(|id| id == activation.0)
        }
        _ => false,
    };
    std::iter::once(activation).chain(events.iter().filter(late).map(|e| e.id)).collect()
}

/// What the system says of a unit by itself, now that it is known.
pub(super) fn found_out(
    house: &House,
    (brand, number): (BrandId, i64),
    after: i64,
    body: Body,
) -> Event {
    let system = Caller {
        brand,
        party: PartyId(0),
        scopes: Vec::new(),
        regions: Vec::new(),
        role: None,
        actor: "system".to_owned(),
        address: None,
    };
    let draft = EventDraft::about(&system, number, house.clock.now(), after, body);
    Event { party: None, ..house.event(draft) }
}

/// What would be found now, and which kinds can still be decided.
struct Again {
    kinds: &'static [FindingKind],
    findings: Vec<Finding>,
    bound_to: Option<i64>,
    /// What the activation reads as; none without its signals.
    reading: Option<Box<ReadingRow>>,
}

async fn weigh(
    house: &House,
    reference: &Reference,
    loaded: &Loaded,
    (id, body): (EventId, &ActivatedBody),
) -> Result<Again, FlowError> {
    let now = house.clock.now().as_microsecond();
    let sealed = house.store.observation_fetch(loaded.number, &id.0, now).await?;
    let kinds = if sealed.is_some() { OF_PLACE } else { OF_CUSTODY };
    let report = match sealed {
        Some(sealed) => {
            let text = house.secrets.open(SIGNALS_LABEL, &sealed)?;
            let (_, _, report): (String, String, Report) = serde_json::from_slice(&text)
                .map_err(|e| store::StoreError::Record(e.to_string()))?;
            report
        }
        // The signals were forgotten: what needs none is decided all the same.
        None => Report {
            scheme: String::new(),
            value: String::new(),
            happened_at: body.activated_at,
            offset_minutes: 0,
            fingerprint: None,
            signals: Signals::default(),
        },
    };
    // What the report was worth then, and when it was held to have happened, holds for ever.
    let assurance = Assurance::parse(&body.assurance).unwrap_or(Assurance::Public);
    let at = ActivatedAt { at: instant(body.activated_at), clock_believed: body.clock_believed };
    let weighed = Weighed { report: &report, assurance, at };
    let decided = activate::decide(house, reference, loaded, weighed);
    let reading = (kinds == OF_PLACE).then(|| activate::reading_row(house, id, &decided));
    let late = |f: &Finding| kinds.contains(&f.kind);
    let findings = decided.activation.findings.into_iter().filter(late).collect();
    let bound_to = decided.bound_to.map(|party| party.0);
    Ok(Again { kinds, findings, bound_to, reading: reading.map(Box::new) })
}

/// What a look at one unit comes to.
struct Looking<'a> {
    house: &'a House,
    because: [u8; 16],
    /// The events of the unit, as they were read.
    story: &'a [Event],
    after: i64,
    /// Findings that stand, the new ones included.
    standing: Vec<FindingRecord>,
    /// The life that each event's findings belong to.
    lives: HashMap<EventId, i64>,
    /// To whom the goods were bound, by each event's word.
    bound: HashMap<EventId, Option<i64>>,
    /// Kinds and lives in which something changed.
    touched: BTreeSet<(String, i64)>,
    changed: usize,
    events: Vec<Event>,
}

impl Looking<'_> {
    /// Withdraws what would not be found again, and adds what is found only now. A finding of
    /// another grade or nature, or against another party, is another finding; so is one that a
    /// production record, which was said to be missing, shows to be before it. Where the findings
    /// stand and the rest reads otherwise, an event that adds none says so.
    fn compare(
        &mut self,
        loaded: &Loaded,
        (id, body): (EventId, &ActivatedBody),
        written: &[EventId],
        mut again: Again,
    ) {
        let same = |old: &FindingRecord, new: &Finding| {
            let of_one = || self.bound.get(&old.event) == Some(&again.bound_to);
            old.kind == new.kind.as_str()
                && old.grade == new.grade.as_str()
                && old.nature.as_deref() == new.nature.map(|n| n.as_str())
                && (!OF_A_PARTY.contains(&new.kind) || of_one())
                && (new.kind != FindingKind::NotProduced || old.reasons == new.reasons.join(" "))
        };
        let ours = |f: &FindingRecord| {
            let kind = FindingKind::parse(&f.kind);
            written.contains(&f.event) && kind.is_some_and(|k| again.kinds.contains(&k))
        };
        let found = |f: &FindingRecord| again.findings.iter().any(|new| same(f, new));
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.standing).into_iter().partition(|f| ours(f) && !found(f));
        let fresh = |new: &&Finding| !kept.iter().any(|old| ours(old) && same(old, new));
        let fresh: Vec<_> = again.findings.iter().filter(fresh).cloned().collect();
        self.standing = kept;
        let count = gone.len();
        self.changed += count;
        for (place, finding) in (1..).zip(gone) {
            let because = hex(&self.because);
            let finding_kind = finding.kind;
            self.touched.insert((finding_kind.clone(), body.life));
            let finding = hex(&finding.event.0);
            // Said once, by the last event of this look at the activation.
            let is_last = place == count && fresh.is_empty();
            let reading = again.reading.take_if(|_| is_last);
            self.write(loaded, Body::FindingWithdrawn { finding, finding_kind, because, reading });
        }
        let anew = again.reading.as_deref().is_some_and(|r| self.reads_anew((id, body), r));
        if anew || !fresh.is_empty() {
            self.add(loaded, (id, body), &fresh, again);
        }
    }

    /// Whether a reading says anything that was not told before. What it was decided with says
    /// nothing of the activation.
    fn reads_anew(&self, (id, body): (EventId, &ActivatedBody), reading: &ReadingRow) -> bool {
        let told = weighed_again(self.story, id).map(|told| told.reading.clone());
        let told = told.unwrap_or_else(|| as_recorded(id, body));
        ReadingRow { versions: reading.versions.clone(), ..told } != *reading
    }

    /// Writes what is found only now, if anything, and what the activation reads as.
    fn add(
        &mut self,
        loaded: &Loaded,
        (id, body): (EventId, &ActivatedBody),
        fresh: &[Finding],
        again: Again,
    ) {
        let added = self.write(
            loaded,
            Body::FindingAdded {
                activated_at: body.activated_at,
                activation: hex(&id.0),
                because: hex(&self.because),
                bound_to: again.bound_to,
                findings: fresh.iter().map(activate::finding_row).collect(),
                life: None,
                reading: again.reading,
                versions: activate::versions(self.house),
            },
        );
        self.lives.insert(added, body.life);
        self.bound.insert(added, again.bound_to);
        self.changed += fresh.len();
        for finding in fresh {
            self.touched.insert((finding.kind.as_str().to_owned(), body.life));
            self.standing.push(FindingRecord {
                unit: loaded.number,
                event: added,
                kind: finding.kind.as_str().to_owned(),
                grade: finding.grade.as_str().to_owned(),
                nature: finding.nature.map(|n| n.as_str().to_owned()),
                reasons: finding.reasons.join(" "),
                activated_at: body.activated_at,
                withdrawn: false,
            });
        }
    }

    fn write(&mut self, loaded: &Loaded, body: Body) -> EventId {
        let event = found_out(self.house, (loaded.brand, loaded.number), self.after, body);
        let id = event.id;
        self.events.push(event);
        id
    }

    /// The alerts of what stands, where something changed. An alert tells of a kind in a life: when
    /// the finding it was written for is gone, another that stands takes its place.
    fn alerts(&self) -> Vec<Alert> {
        let told = |f: &FindingRecord| {
            let life = *self.lives.get(&f.event)?;
            let kind = FindingKind::parse(&f.kind)?;
            let grade = FindingGrade::parse(&f.grade).filter(|g| g.alerts())?;
            let event = self.story.iter().chain(&self.events).find(|e| e.id == f.event)?;
            let touched = self.touched.contains(&(f.kind.clone(), life));
            touched.then(|| (grade, activate::alert(event, kind, grade, life)))
        };
        let mut told: Vec<_> = self.standing.iter().filter_map(told).collect();
        // One key, one alert: that of the surest finding.
        told.sort_by_key(|(grade, _)| std::cmp::Reverse(*grade));
        told.into_iter().map(|(_, alert)| alert).collect()
    }
}
