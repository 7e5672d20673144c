//! What befalls units besides travel: inspection, recall, theft, decommissioning, new lives,
//! further codes, identifiers that move, reports of suspicion.

mod names;
mod taken_over;

use super::caller::{Caller, Scope};
use super::custody::instant;
use super::find::{self, CodeFound, scope_of};
use super::house::{EventDraft, House};
use super::idempotency::{Answer, Keyed};
use super::lives;
use super::mandate;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use super::standing;
use super::verify;
use super::waiting;
use crate::rules::kept;
use domain::id::{BrandId, PartyId};
use domain::identifier::{Identifier, Scheme};
use domain::life::Cause;
use domain::mandate::Deed;
use domain::party::PartyKind;
use domain::refusal::{Refusal, Refused};
use domain::retention::Kept;
use domain::sale::{self, Filed, Paper};
use domain::text::{NOTE_CHARS_MAX, REPORT_CHARS_MAX, lasting, required};
use domain::when::When;
use jiff::Timestamp;
use jiff::civil::Date;
use store::commit::{Alert, Commit, Observation, Relied};
use store::event::{Body, IdentifierRow, Row, Subject};
use store::unit::UnitRecord;

/// Units one command may name.
pub const UNITS_MAX: usize = 100_000;

/// A change in the life of one or many units.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Quality inspection: `pass`, `fail`, `hold`, and what was seen.
    Inspect(&'static str, String),
    /// A recall opens, for a reason.
    Recall(String),
    /// A recall ends.
    LiftRecall(String),
    /// Taken out of use for ever.
    Decommission(String),
    /// Reported stolen.
    ReportStolen(String),
    /// Found again.
    ClearStolen(String),
    /// The unit starts over, for a cause, with what else is said of it.
    OpenLife(Cause, String),
    /// Sold to a consumer, as a paper of that day says.
    Sell(Paper, Date),
}

impl Change {
    /// The event of it, given whether it counts: a day on a paper starts the guarantee, and of how
    /// a unit stands nothing that happened later says otherwise.
    fn body(&self, unit: &UnitRecord, counts: bool) -> Body {
        let (outdated, reason) = (!counts, String::clone);
        match self {
            Self::Sell(paper, on) => {
                Body::Sold { counts, on: on.to_string(), paper: paper.as_str().to_owned() }
            }
            Self::Inspect(inspection, note) => Body::Inspected {
                inspection: (*inspection).to_owned(),
                outdated,
                note: note.clone(),
            },
            Self::Recall(r) => Body::Recalled { outdated, reason: reason(r) },
            Self::LiftRecall(r) => Body::RecallLifted { outdated, reason: reason(r) },
            Self::Decommission(r) => Body::Decommissioned { reason: reason(r) },
            Self::ReportStolen(r) => Body::StolenReported { outdated, reason: reason(r) },
            Self::ClearStolen(r) => Body::StolenCleared { outdated, reason: reason(r) },
            Self::OpenLife(cause, r) => {
                let (cause, life) = (Some(*cause), unit.life + 1);
                Body::LifeOpened { cause, life, reason: reason(r), starts: Vec::new() }
            }
        }
    }

    /// What a caller needs to make it.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Inspect(..) => Scope::Produce,
            _ => Scope::Lifecycle,
        }
    }

    /// What the caller says of the units by it.
    fn deed(&self) -> Deed {
        match self {
            Self::Inspect(..) => Deed::Inspect,
            Self::Recall(_) | Self::LiftRecall(_) => Deed::Recall,
            Self::Decommission(_) => Deed::Retire,
            Self::ReportStolen(_) | Self::ClearStolen(_) => Deed::Theft,
            Self::OpenLife(..) => Deed::Renew,
            Self::Sell(..) => Deed::Sell,
        }
    }

    /// Changes that are one event over all their units rather than one each.
    fn is_bulk(&self) -> bool {
        !matches!(self, Self::Inspect(..) | Self::OpenLife(..) | Self::Sell(..))
    }

    /// Why a unit cannot be changed so, the refusal that goes before all others.
    fn refuse(&self, unit: &UnitRecord, at: Timestamp) -> Option<Refusal> {
        let lives = matches!(self, Self::Decommission(_) | Self::OpenLife(..) | Self::Sell(..));
        if lives && unit.retired_at.is_some() {
            return Some(Refusal::Decommissioned);
        }
        let before = unit.produced_at.is_some_and(|made| at.as_microsecond() < made);
        match self {
            // A line looks at a unit before the instant it calls its production; only the record
            // comes first. What is of longer before, that outdates.
            Self::Inspect(..) if unit.produced_at.is_none() => Some(Refusal::BeforeProduction),
            Self::Inspect(..) => None,
            // The day of the paper counts, see `paper_counts`.
            Self::Sell(..) => None,
            // What was not there yet could not be recalled, stolen or taken out of use. A unit that
            // is known by its first start alone has no date to compare with.
            _ if before => Some(Refusal::BeforeProduction),
            Self::OpenLife(..) if unit.activated_at > Some(at.as_microsecond()) => {
                Some(Refusal::ContradictsLater)
            }
            Self::OpenLife(..) if unit.activated_at.is_none() => Some(Refusal::LifeOpen),
            _ => None,
        }
    }
}

/// Applies a change to every unit named; all or nothing.
///
/// # Errors
/// Any unit is unknown or refuses the change.
pub async fn change(
    house: &House,
    caller: &Caller,
    numbers: &[i64],
    change: &Change,
    when: impl Into<When>,
) -> Result<usize, FlowError> {
    let when = when.into();
    let render = |count| Answer::new(200, format!("{count}"));
    let answer = change_once(house, caller, (numbers, change, when), None, &render).await?;
    Ok(answer.reply.parse().unwrap_or(numbers.len()))
}

/// How a change of so many units is answered, so that the answer can be stored with the very
/// commit.
pub type Render<'a> = &'a (dyn Fn(usize) -> Answer + Send + Sync);

/// As [`change`], once for each key: a repeated command gets the answer of the first.
///
/// # Errors
/// As [`change`]; [`Refusal::IdempotencyMismatch`].
pub async fn change_once(
    house: &House,
    caller: &Caller,
    (numbers, change, when): (&[i64], &Change, When),
    key: Option<&Keyed>,
    render: Render<'_>,
) -> Result<Answer, FlowError> {
    caller.need(change.scope())?;
    house.not_ahead(when.first(), "happened_at")?;
    if let Change::Sell(_, sold_on) = change
        && *sold_on > house.reference().await?.day(caller.brand, house.clock.now())
    {
        return Err(Refused::invalid("sold_on", "it lies ahead").into());
    }
    if numbers.is_empty() || numbers.len() > UNITS_MAX {
        return Err(Refused::invalid("units", format!("name 1 to {UNITS_MAX} units")).into());
    }
    // A unit named twice is meant once.
    let numbers: std::collections::BTreeSet<_> = numbers.iter().collect();
    for _ in 0..RACES_MAX {
        // Two with one key that come at once are one row of the answers kept: the second loses.
        if let Some(key) = key
            && let Some(answer) = key.replay(house).await?
        {
            return Ok(answer);
        }
        let reference = house.reference().await?;
        let (mut records, mut known) = (Vec::with_capacity(numbers.len()), Vec::new());
        for number in &numbers {
            let unit = house.store.unit_fetch(**number).await?;
            let unit = unit
                .filter(|u| u.brand == caller.brand.0)
                .ok_or(Refused::new(Refusal::UnknownSubject, "units"))?;
            let deed = (change.deed(), "units");
            mandate::may(house, &reference, caller, deed, &unit).await?;
            let told = (when, matches!(change, Change::OpenLife(..)));
            known.extend(standing::happened_instants(house, &unit, told).await?);
            records.push(unit);
        }
        // One change over all of them is one event.
        let at = when.behind(known);
        let mut units = Vec::with_capacity(records.len());
        for unit in records {
            if let Some(refusal) = change.refuse(&unit, at) {
                return Err(Refused::new(refusal, "units").into());
            }
            let counts = match change {
                Change::Sell(_, on) => {
                    paper_counts(house, &reference, caller, (&unit, *on)).await?
                }
                _ => !standing::is_outdated(house, &unit, &change.body(&unit, true), at).await?,
            };
            let mut body = change.body(&unit, counts);
            if let Body::LifeOpened { starts, .. } = &mut body {
                *starts = taken_over::starts_since(house, &unit, at).await?;
            }
            units.push((unit, body));
        }
        let answer = render(units.len());
        let mut commit = commit(house, caller, units, change.is_bulk(), (at, when));
        taken_over::decide_anew(house, &mut commit).await?;
        let now = house.clock.now().as_microsecond();
        commit.idempotency = key.map(|key| key.keep(key.home(), &answer, now));
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(answer),
        }
    }
    Err(FlowError::Busy)
}

/// Whether a day on a paper starts the guarantee of a unit.
async fn paper_counts(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (unit, sold_on): (&UnitRecord, Date),
) -> Result<bool, FlowError> {
    let day = |at: Option<i64>| at.map(|at| reference.day(caller.brand, instant(at)));
    let by = reference.tree.get(caller.party).map_or(PartyKind::Shop, |party| party.kind);
    let opened = lives::Past::load(house, unit).await?.openings.pop();
    let counts = sale::counts(&Filed {
        sold_on,
        produced_on: day(unit.produced_at),
        opened_on: opened.map(|at| reference.day(caller.brand, at)),
        activated_on: day(unit.activated_at),
        starts_on: verify::started_on(house, reference, unit),
        by,
    });
    Ok(counts.map_err(|refusal| match refusal {
        Refusal::NotAllowed => {
            let why = "it was started before that day: the brand or a service centre looks at the \
                       paper";
            Refused::because(refusal, "sold_on", why)
        }
        _ => Refused::new(refusal, "sold_on"),
    })?)
}

/// The event of one change over all its units, or one for each.
fn commit(
    house: &House,
    caller: &Caller,
    units: Vec<(UnitRecord, Body)>,
    is_bulk: bool,
    (at, when): (Timestamp, When),
) -> Commit {
    let relied = |(u, _): &(UnitRecord, _)| Relied::Unit { number: u.number, revision: u.revision };
    let mut commit = Commit { relies_on: units.iter().map(relied).collect(), ..Commit::default() };
    let after = units.iter().map(|(u, _)| u.recorded_at).max().unwrap_or(0);
    if is_bulk && units.len() > 1 {
        // One for those it counts for, one for those it is outdated for.
        let mut alike: Vec<(Body, Vec<i64>)> = Vec::new();
        for (unit, body) in units {
            match alike.iter_mut().find(|(same, _)| *same == body) {
                Some((_, numbers)) => numbers.push(unit.number),
                None => alike.push((body, vec![unit.number])),
            }
        }
        for (body, numbers) in alike {
            let home = numbers.first().copied().unwrap_or_default();
            let mut draft = EventDraft::about(caller, home, at, after, body).told(when);
            let row = |number| Subject { number, row: Row::Member {} };
            draft.subjects = numbers.into_iter().map(row).collect();
            commit.events.push(house.event(draft));
        }
    } else {
        commit.events.extend(units.into_iter().map(|(unit, body)| {
            let draft = EventDraft::about(caller, unit.number, at, unit.recorded_at, body);
            house.event(draft.told(when))
        }));
    }
    commit
}

/// Makes another code a further name of a unit: a label was replaced. One that is its name already
/// stays so.
///
/// # Errors
/// The code is not ours, void, bound, or of another product.
pub async fn bind_alias(
    house: &House,
    caller: &Caller,
    unit: i64,
    code: &str,
) -> Result<(), FlowError> {
    caller.need(Scope::Lifecycle)?;
    let not = |why| Err(Refused::new(why, "code").into());
    let alias = match find::code(house, code).await? {
        CodeFound::NotACode | CodeFound::Forged => return not(Refusal::ForgedCode),
        CodeFound::Unissued => return not(Refusal::CodeNotIssued),
        CodeFound::Void(number) | CodeFound::Issued(number) => number,
    };
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let record = owned(house, caller, unit).await?;
        mandate::may(house, &reference, caller, (Deed::Rename, "unit"), &record).await?;
        let worn_by = house.store.identifier_fetch("code", 0, &alias.to_string()).await?;
        if alias == unit || worn_by == Some(unit) {
            return Ok(());
        }
        // What is another brand's is as good as never issued.
        let batch = reference.batch_of(alias).filter(|b| b.brand == caller.brand.0);
        let Some(batch) = batch else { return not(Refusal::CodeNotIssued) };
        // By the rows that the commit relies on.
        if reference.void_reason(alias).is_some() {
            return not(Refusal::CodeVoid);
        }
        if worn_by.is_some() || house.store.unit_fetch(alias).await?.is_some() {
            return not(Refusal::CodeBound);
        }
        if batch.product != Some(record.product) {
            return not(Refusal::CodeOtherProduct);
        }
        // Production, or a first start, may be making a unit of it at the same time.
        let relies_on = [
            Relied::ReferenceMoves(reference.version),
            Relied::CodeFree { number: alias, batch: batch.id },
        ];
        let body = Body::AliasBound { alias };
        if commit_on(house, caller, (&record, relies_on), body).await? {
            return Ok(());
        }
    }
    Err(FlowError::Busy)
}

/// Moves an identifier onto or away from a unit: a mainboard swap. History stays, and what is on it
/// already stays so.
///
/// # Errors
/// The identifier is on another live unit, or not on this one.
pub async fn move_identifier(
    house: &House,
    caller: &Caller,
    unit: i64,
    identifier: &Identifier,
    onto: bool,
    reason: &str,
) -> Result<(), FlowError> {
    caller.need(Scope::Lifecycle)?;
    let reason = reason_text(reason)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let record = owned(house, caller, unit).await?;
        mandate::may(house, &reference, caller, (Deed::Rename, "unit"), &record).await?;
        if record.produced_at.is_none() {
            // Its production record will say what it answers to.
            return Err(Refused::new(Refusal::BeforeProduction, "unit").into());
        }
        if onto {
            mandate::may_bind(&reference, caller, identifier.scheme(), "value")?;
        }
        let is_sn = identifier.scheme() == Scheme::Sn;
        let found = find::identifier(house, caller.brand, identifier).await?;
        match (onto, found) {
            (true, Some(other)) if other == unit => return Ok(()),
            (true, Some(_)) if is_sn => return Err(Refused::new(Refusal::SnTaken, "value").into()),
            (true, Some(_)) => {
                return Err(Refused::new(Refusal::IdentifierTaken, "value").into());
            }
            (false, other) if other != Some(unit) => {
                return Err(Refused::new(Refusal::UnknownSubject, "value").into());
            }
            (true, None) => {
                let same = |row: &&IdentifierRow| row.scheme == identifier.scheme().as_str();
                let sn = usize::from(is_sn && record.sn.is_some());
                let held = record.identifiers.iter().filter(same).count() + sn;
                identifier.scheme().has_room(held).map_err(|why| Refused::new(why, "value"))?;
                if is_sn && names::was_anothers(house, caller, unit, identifier).await? {
                    return Err(Refused::new(Refusal::SnTaken, "value").into());
                }
            }
            _ => {}
        }
        if onto && is_sn && !names::noted_code_like(house, &reference, identifier).await? {
            continue;
        }
        // Whether the brand is vouched for was read there.
        let relies_on = onto.then_some(Relied::Reference(reference.version));
        let body = Body::IdentifierMoved {
            answers_to: Some(names::answers_to(&record, identifier, onto)),
            onto,
            reason: reason.clone(),
            scheme: identifier.scheme().as_str().to_owned(),
            scope: scope_of(identifier.scheme(), caller.brand),
            value: identifier.value().to_owned(),
        };
        if commit_on(house, caller, (&record, relies_on), body).await? {
            if onto {
                waiting::replay_named(house, caller.brand, std::iter::once(identifier)).await;
            }
            return Ok(());
        }
    }
    Err(FlowError::Busy)
}

/// Records that someone found a unit suspicious. Their words are encrypted beside the ledger.
///
/// # Errors
/// The words are too long; the store does not answer.
pub async fn report_suspicion(
    house: &House,
    unit: i64,
    brand: BrandId,
    words: &str,
) -> Result<(), FlowError> {
    report_once(house, &Suspect::Unit(unit, brand), words, None).await.map(|_| ())
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// A unit, and whose it is.
    Unit(i64, BrandId),
    /// A code that belongs to no unit, as it was typed, and whose people read what is said of it.
    Code(BrandId, String),
}

/// Records a suspicion once per key and gives the reference to quote. About a code that is none of
/// ours there is no event: the ledger holds facts about units and packs. The row by which the brand
/// finds the report stands then where no unit is, and the code lies sealed with the words, since
/// anything may have been typed.
///
/// # Errors
/// The words or the code are too long, or hold control characters; the store does not answer.
pub async fn report_once(
    house: &House,
    about: &Suspect,
    words: &str,
    key: Option<&Keyed>,
) -> Result<String, FlowError> {
    let words = required(words, REPORT_CHARS_MAX).map_err(|e| Refused::invalid("reason", e))?;
    let (home, brand, kept_text) = match about {
        Suspect::Unit(unit, brand) => (*unit, *brand, words),
        Suspect::Code(brand, code) => {
            let code = required(code, verify::QUERY_CHARS_MAX);
            let code = code.map_err(|e| Refused::invalid("code", e))?;
            // Neither holds the end of a line, so it parts them.
            (NO_HOME, *brand, format!("{code}\n{words}"))
        }
    };
    for _ in 0..RACES_MAX {
        if let Some(key) = key
            && let Some(answer) = key.replay(house).await?
        {
            return Ok(answer.reply);
        }
        let now = house.clock.now();
        let id = house.event_id();
        let hex = store::canonical::hex(&id.0);
        let reply = report_reference(&hex);
        let answer = Answer::new(200, reply.clone());
        let mut place = Alert {
            home,
            dedup_key: format!("{REPORTED} {hex}"),
            brand: brand.0,
            kind: REPORTED.to_owned(),
            grade: "observe".to_owned(),
            // Without an event, the words are what says so.
            event: id.0,
            due_at: now.as_microsecond(),
        };
        let mut commit = Commit {
            observations: vec![Observation {
                home,
                id: id.0,
                sealed: house.secrets.seal(SUSPICION_LABEL, kept_text.as_bytes())?,
                expires_at: (now + kept(Kept::Observation)).as_microsecond(),
            }],
            idempotency: key.map(|k| k.keep(home, &answer, now.as_microsecond())),
            ..Commit::default()
        };
        if let Suspect::Unit(unit, _) = about {
            let after = house.store.unit_fetch(*unit).await?.map_or(0, |u| u.recorded_at);
            let body = Body::SuspicionReported { observation: hex };
            let visitor = visitor(brand.0);
            let mut event = house.event(EventDraft::about(&visitor, *unit, now, after, body));
            event.party = None;
            place.event = event.id.0;
            commit.events.push(event);
        }
        commit.alerts.push(place);
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(reply),
        }
    }
    Err(FlowError::Busy)
}

/// Where words about no unit are filed, and looks counted: unit numbers begin at 1.
pub const NO_HOME: i64 = 0;

/// Label under which the words of a report are sealed.
pub(super) const SUSPICION_LABEL: &str = "suspicion v1";
/// The kind under which a report stands among the alerts, apart from findings.
pub(super) const REPORTED: &str = "suspicion_reported";

/// What a visitor quotes: the random end of the observation's identity.
pub(super) fn report_reference(hex: &str) -> String {
    let tail = hex.get(hex.len().saturating_sub(8)..).unwrap_or(hex).to_uppercase();
    let (a, b) = tail.split_at(tail.len() / 2);
    format!("R-{a}-{b}")
}

/// Somebody without a key, in a tenant.
pub(super) fn visitor(brand: i64) -> Caller {
    Caller {
        brand: BrandId(brand),
        party: PartyId(0),
        scopes: Vec::new(),
        regions: Vec::new(),
        role: None,
        actor: "visitor".to_owned(),
        address: None,
    }
}

async fn owned(house: &House, caller: &Caller, unit: i64) -> Result<UnitRecord, FlowError> {
    let record = house.store.unit_fetch(unit).await?.filter(|u| u.brand == caller.brand.0);
    Ok(record.ok_or(Refused::new(Refusal::UnknownSubject, "unit"))?)
}

/// Commits one event about one unit; false when it lost a race.
async fn commit_on(
    house: &House,
    caller: &Caller,
    (unit, relied): (&UnitRecord, impl IntoIterator<Item = Relied>),
    body: Body,
) -> Result<bool, FlowError> {
    let now = house.clock.now();
    let mut event =
        house.event(EventDraft::about(caller, unit.number, now, unit.recorded_at, body));
    event.party = event.party.filter(|p| p.0 != 0);
    let own = Relied::Unit { number: unit.number, revision: unit.revision };
    let commit = Commit {
        relies_on: relied.into_iter().chain([own]).collect(),
        events: vec![event],
        ..Commit::default()
    };
    match house.store.commit(&commit).await {
        Err(e) if e.is_race() => Ok(false),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(true),
    }
}

fn reason_text(raw: &str) -> Result<String, Refused> {
    lasting(raw, NOTE_CHARS_MAX).map_err(|e| Refused::invalid("reason", e))
}
