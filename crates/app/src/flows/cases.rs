//! Cases: the brand and one party about units that something was found of.
//!
//! **Who sees one** is asked of [`access::concerns`] about its party, so a party, those above it in
//! the tree and the brand do; to everybody else there is none, and the answer is that of an id
//! nobody ever gave. **Who does what** is asked of `domain::case`. Units are shown as far as the
//! reader may see them: of one that went through no hand of theirs a party learns nothing here.
//!
//! What was said may name persons: it lies sealed in the case and is forgotten after its term. The
//! ledger tells who did which step, and no word.

mod units;
mod words;

use super::access;
use super::audit;
use super::caller::{Caller, Scope};
use super::changes::{self, Author};
use super::house::House;
use super::mandate;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use crate::rules::kept;
use crate::secrets;
use domain::audit::{Fields, SensitiveRead, differences};
use domain::case::{self, Acting, CaseState, ENTRIES_MAX, EntryKind, Outcome, Step, UNITS_MAX};
use domain::id::PartyId;
use domain::refusal::{Refusal, Refused};
use domain::retention::Kept;
use domain::text;
use jiff::Timestamp;
use jiff::civil::Date;
use store::canonical::{hex, unhex};
use store::case::{CaseChange, CaseId, CaseRow, CasesAsked};
use store::commit::Commit;
use units::{code_text, count, named, refuse_taken, seen};
use words::{entry, opened, words_of};

/// Cases listed at a time.
pub const CASES_MAX: usize = 1_000;
/// Parties whose cases are asked for one by one; of more all of the brand's are looked through.
const PARTIES_MAX: usize = 64;
/// Cases looked at by one question for those that concern a caller.
const LOOK_AT_ONCE: i64 = 500;
/// Cases looked at for one page.
const LOOK_MAX: i64 = 10_000;

/// Where a page ends: when a case was opened, and its identity.
pub type Place = (i64, CaseId);

/// A case to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Code of the party it is about.
    pub party: String,
    /// Trace codes or serial numbers.
    pub units: Vec<String>,
    /// What it is about, told to the party too; may be empty.
    pub summary: String,
    /// The last day for an answer.
    pub answer_by: Option<Date>,
}

/// What is done to a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doing {
    step: Step,
    words: String,
    units: Vec<String>,
    outcome: Option<Outcome>,
    answer_by: Option<Date>,
}

impl Doing {
    fn of(step: Step, words: &str) -> Self {
        let (words, units) = (words.to_owned(), Vec::new());
        Self { step, words, units, outcome: None, answer_by: None }
    }

    /// Further units: trace codes or serial numbers.
    pub fn extend(units: Vec<String>) -> Self {
        Self { units, ..Self::of(Step::Extend, "") }
    }

    /// How it ended, and in which words.
    pub fn close(outcome: Outcome, words: &str) -> Self {
        Self { outcome: Some(outcome), ..Self::of(Step::Close, words) }
    }

    /// It is taken up again, and until when an answer is awaited.
    pub fn reopen(words: &str, answer_by: Option<Date>) -> Self {
        Self { answer_by, ..Self::of(Step::Reopen, words) }
    }
}

/// What somebody says in a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saying {
    /// The words.
    pub text: String,
    /// The brand notes it for itself alone.
    pub internal: bool,
    /// The last day for an answer to it.
    pub answer_by: Option<Date>,
}

/// Which cases are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// In this state alone.
    pub state: Option<CaseState>,
    /// About the party of this code alone.
    pub party: Option<String>,
    /// Opened from this instant on.
    pub since: Option<Timestamp>,
    /// Those after this one: when it was opened, and its identity.
    pub after: Option<Place>,
    /// How many at most, up to [`CASES_MAX`].
    pub most: usize,
}

/// An entry as somebody is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// For which party it was said.
    pub party: PartyId,
    /// Who said it, where the reader may know.
    pub actor: Option<String>,
    /// When, microseconds.
    pub said_at: i64,
    /// The words; none once they were forgotten.
    pub words: Option<String>,
}

/// A case as somebody is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The case.
    pub row: CaseRow,
    /// The units the reader may see, by number.
    pub units: Vec<i64>,
    /// What was said, as far as it is for the reader.
    pub entries: Vec<Entry>,
}

/// Opens a case.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownParty`],
/// [`Refusal::UnknownSubject`], [`Refusal::InOpenCase`].
pub async fn open(house: &House, caller: &Caller, order: &Order) -> Result<CaseRow, FlowError> {
    caller.need(Scope::Cases)?;
    let words = words_of("summary", &order.summary)?;
    let reference = house.reference().await?;
    due(house, &reference, caller, order.answer_by)?;
    may(&reference, caller, Step::Open)?;
    let party = concerned(&reference, caller, &order.party)?;
    let units = named(house, &reference, caller, &order.units).await?;
    for _ in 0..RACES_MAX {
        refuse_taken(house, &reference, caller, (&units, None)).await?;
        let row = CaseRow {
            id: secrets::random::<8>()?,
            brand: caller.brand.0,
            party: party.0,
            state: CaseState::Open.as_str().to_owned(),
            outcome: None,
            opened_at: house.clock.now().as_microsecond(),
            closed_at: None,
            answer_by: order.answer_by.map(|day| day.to_string()),
            unit_count: count(&units),
            entry_count: i64::from(!words.is_empty()),
            revision: 1,
        };
        let mut commit = Commit::default();
        let fields = differences(&Fields::new(), &fields(house, &reference, &row, &units));
        let object = ("case", &*hex(&row.id), Step::Open.verb());
        changes::tell(house, &Author::from(caller), object, fields, &mut commit)?;
        commit.cases.push(CaseChange::Opened(row.clone()));
        commit.cases.push(CaseChange::Units(row.id, row.brand, units.clone(), row.opened_at));
        commit.cases.push(CaseChange::Claimed(row.clone(), units.clone()));
        if !words.is_empty() {
            let entry = entry(house, caller, &row, (EntryKind::Opening, &words))?;
            commit.cases.push(CaseChange::Said(entry));
        }
        match house.store.commit(&commit).await {
            Err(error) if error.is_race() => continue,
            done => return Ok(done.map(|()| row)?),
        }
    }
    Err(FlowError::Busy)
}

/// Says something in a case: the brand to the party, or to itself; the party, or one above it, to
/// the brand.
///
/// # Errors
/// As [`act`]; [`Refusal::NotAllowed`] where a party would say what is the brand's to say.
pub async fn say(
    house: &House,
    caller: &Caller,
    id: &str,
    saying: &Saying,
) -> Result<CaseRow, FlowError> {
    caller.need(Scope::Cases)?;
    let reference = house.reference().await?;
    let step = match (acting(&reference, caller), saying.internal) {
        (Acting::Brand, true) => Step::Note,
        (Acting::Brand, false) => Step::Message,
        (Acting::Party, false) => Step::State,
        (Acting::Party, true) => {
            let why = "only the brand notes what the other side does not see";
            return Err(Refused::because(Refusal::NotAllowed, "internal", why).into());
        }
    };
    if step != Step::Message && saying.answer_by.is_some() {
        let why = "belongs to what the brand says to the party";
        return Err(Refused::invalid("answer_by", why).into());
    }
    let doing = Doing { answer_by: saying.answer_by, ..Doing::of(step, &saying.text) };
    act(house, caller, id, &doing).await
}

/// Takes a step in a case.
///
/// # Errors
/// [`Refusal::InvalidField`]; [`Refusal::NotAllowed`] for a step of the other side;
/// [`Refusal::UnknownCase`] when there is none that concerns the caller;
/// [`Refusal::UnknownSubject`], [`Refusal::CaseState`], [`Refusal::InOpenCase`],
/// [`Refusal::CaseFull`].
pub async fn act(
    house: &House,
    caller: &Caller,
    id: &str,
    doing: &Doing,
) -> Result<CaseRow, FlowError> {
    caller.need(Scope::Cases)?;
    let words = words_of("text", &doing.words)?;
    if doing.step.entry().is_some() && words.is_empty() {
        return Err(Refused::invalid("text", text::TextProblem::Empty).into());
    }
    let reference = house.reference().await?;
    due(house, &reference, caller, doing.answer_by)?;
    may(&reference, caller, doing.step)?;
    for _ in 0..RACES_MAX {
        let row = own(house, &reference, caller, id).await?;
        let fresh = match doing.step {
            Step::Extend => {
                let named = named(house, &reference, caller, &doing.units).await?;
                let known = house.store.case_units(&row.id).await?;
                named.into_iter().filter(|unit| !known.contains(unit)).collect()
            }
            _ => Vec::new(),
        };
        let next = moved(house, &row, doing, &fresh)?;
        if doing.step == Step::Extend && fresh.is_empty() {
            return Ok(row);
        }
        let claimed = match doing.step {
            Step::Reopen => house.store.case_units(&row.id).await?,
            _ => fresh.clone(),
        };
        refuse_taken(house, &reference, caller, (&claimed, Some(row.id))).await?;
        let mut commit = Commit::default();
        let before = fields(house, &reference, &row, &[]);
        let told = differences(&before, &fields(house, &reference, &next, &fresh));
        let object = ("case", &*hex(&row.id), doing.step.verb());
        changes::tell(house, &Author::from(caller), object, told, &mut commit)?;
        commit.cases = steps(house, caller, (&row, &next), (doing.step, &words))?;
        if !fresh.is_empty() {
            let at = house.clock.now().as_microsecond();
            commit.cases.push(CaseChange::Units(row.id, row.brand, fresh, at));
        }
        if !claimed.is_empty() {
            commit.cases.push(CaseChange::Claimed(next.clone(), claimed));
        }
        match house.store.commit(&commit).await {
            Err(error) if error.is_race() => continue,
            done => return Ok(done.map(|()| next)?),
        }
    }
    Err(FlowError::Busy)
}

/// The row as it stands after a step.
fn moved(house: &House, row: &CaseRow, doing: &Doing, fresh: &[i64]) -> Result<CaseRow, Refused> {
    // A word nobody knows lets nothing follow but taking the case up again.
    let state = CaseState::parse(&row.state).unwrap_or(CaseState::Closed);
    let state = case::after(state, doing.step).map_err(|why| Refused::new(why, "id"))?;
    let closed = state == CaseState::Closed;
    let answer_by = doing.answer_by.map(|day| day.to_string());
    let next = CaseRow {
        state: state.as_str().to_owned(),
        outcome: doing.outcome.filter(|_| closed).map(|outcome| outcome.as_str().to_owned()),
        closed_at: closed.then(|| house.clock.now().as_microsecond()),
        answer_by: match doing.step {
            Step::Reopen => answer_by,
            _ => answer_by.or_else(|| row.answer_by.clone()),
        },
        unit_count: row.unit_count + count(fresh),
        entry_count: row.entry_count + i64::from(doing.step.entry().is_some()),
        revision: row.revision + 1,
        ..row.clone()
    };
    // The last entry is kept for how it ends.
    let room = ENTRIES_MAX - i64::from(!closed);
    if next.unit_count > UNITS_MAX as i64 || next.entry_count > room {
        return Err(Refused::new(Refusal::CaseFull, "id"));
    }
    Ok(next)
}

/// What a step changes besides units.
fn steps(
    house: &House,
    caller: &Caller,
    (row, next): (&CaseRow, &CaseRow),
    (step, words): (Step, &str),
) -> Result<Vec<CaseChange>, FlowError> {
    let now = house.clock.now();
    let mut changes = vec![CaseChange::Moved(next.clone(), row.revision)];
    if let Some(kind) = step.entry() {
        changes.push(CaseChange::Said(entry(house, caller, next, (kind, words))?));
    }
    match step {
        Step::Close => {
            let until = (now + kept(Kept::CaseWords)).as_microsecond();
            changes.push(CaseChange::Freed(row.id));
            changes.push(CaseChange::Kept(row.id, Some(until), now.as_microsecond()));
        }
        Step::Reopen => changes.push(CaseChange::Kept(row.id, None, now.as_microsecond())),
        _ => {}
    }
    Ok(changes)
}

/// The cases that concern the caller, those opened last first, and after which one there may be
/// more: a page may be short, or empty, and go on. The look leaves a record.
///
/// # Errors
/// The caller may not; [`Refusal::UnknownParty`]; the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(Vec<CaseRow>, Option<Place>), FlowError> {
    caller.need(Scope::Read)?;
    let reference = house.reference().await?;
    let parties = match &wanted.party {
        Some(code) => {
            let party = reference.party(caller.brand, code).map(|party| party.id);
            let own = party.filter(|party| access::concerns(&reference, caller, *party));
            let unknown = || Refused::because(Refusal::UnknownParty, "party", code);
            Some(vec![own.ok_or_else(unknown)?])
        }
        None => few_parties(&reference, caller),
    };
    let most = wanted.most.clamp(1, CASES_MAX);
    let asked = CasesAsked {
        brand: caller.brand.0,
        party: None,
        state: wanted.state.map(|state| state.as_str().to_owned()),
        since: wanted.since.map_or(i64::MIN, Timestamp::as_microsecond),
        after: wanted.after,
        // One more tells whether a further page follows.
        most: i64::try_from(most + 1).unwrap_or(i64::MAX),
    };
    let (found, next) = match parties {
        Some(parties) => {
            let mut found = Vec::new();
            for party in parties {
                let asked = CasesAsked { party: Some(party.0), ..asked.clone() };
                found.extend(house.store.cases_fetch(&asked).await?);
            }
            found.sort_by_key(|row| std::cmp::Reverse((row.opened_at, row.id)));
            page(found, most)
        }
        None => looked_through(house, &reference, caller, (asked, most)).await?,
    };
    let filters = [
        wanted.party.map(|code| format!("party={code}")),
        wanted.state.map(|state| format!("state={}", state.as_str())),
    ];
    let object = filters.into_iter().flatten().collect::<Vec<_>>().join(" ");
    audit::note(house, &caller.into(), SensitiveRead::Cases, &object, found.len());
    Ok((found, next))
}

/// The parties whose cases concern the caller, where they are few enough to be asked one by one;
/// none for the brand.
fn few_parties(reference: &Reference, caller: &Caller) -> Option<Vec<PartyId>> {
    if access::is_brand(reference, caller) {
        return None;
    }
    let own = reference.tree.iter().map(|party| party.id);
    let own = own.filter(|party| reference.tree.is_within(*party, caller.party));
    let own: Vec<_> = own.filter(|party| access::concerns(reference, caller, *party)).collect();
    Some(own).filter(|own| own.len() <= PARTIES_MAX)
}

/// So many of these, and after which one there are more.
fn page(mut found: Vec<CaseRow>, most: usize) -> (Vec<CaseRow>, Option<Place>) {
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| more).map(|row| (row.opened_at, row.id));
    (found, next)
}

/// The cases of the brand, of which some concern the caller: many are looked at by one question,
/// and not all of them for one page.
async fn looked_through(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (mut asked, most): (CasesAsked, usize),
) -> Result<(Vec<CaseRow>, Option<Place>), FlowError> {
    if !(access::is_brand(reference, caller) && caller.regions.is_empty()) {
        asked.most = asked.most.max(LOOK_AT_ONCE);
    }
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let rows = house.store.cases_fetch(&asked).await?;
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        looked += count;
        asked.after = rows.last().map(|row| (row.opened_at, row.id)).or(asked.after);
        let own = |row: &CaseRow| access::concerns(reference, caller, PartyId(row.party));
        found.extend(rows.into_iter().filter(own));
        if count < asked.most || found.len() > most {
            return Ok(page(found, most));
        }
        if looked >= LOOK_MAX {
            return Ok((found, asked.after));
        }
    }
}

/// Opens a case for a reader. The look leaves a record.
///
/// # Errors
/// The caller may not; [`Refusal::UnknownCase`]; the store does not answer.
pub async fn show(house: &House, caller: &Caller, id: &str) -> Result<Shown, FlowError> {
    caller.need(Scope::Read)?;
    let reference = house.reference().await?;
    let row = own(house, &reference, caller, id).await?;
    let units = house.store.case_units(&row.id).await?;
    let units = seen(house, &reference, caller, units).await?;
    let brand = acting(&reference, caller) == Acting::Brand;
    let mut entries = Vec::new();
    let now = house.clock.now().as_microsecond();
    for entry in house.store.case_entries(&row.id, now).await? {
        let Some(kind) = EntryKind::parse(&entry.kind) else { continue };
        if !(brand || kind.is_shared()) {
            continue;
        }
        entries.push(Entry {
            kind,
            party: PartyId(entry.party),
            words: opened(house, &entry)?,
            actor: Some(entry.actor).filter(|_| brand),
            said_at: entry.said_at,
        });
    }
    audit::note(house, &caller.into(), SensitiveRead::Cases, &hex(&row.id), 1);
    Ok(Shown { row, units, entries })
}

/// The case an id names, if it concerns the caller: one look, without units and words.
pub(super) async fn find(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    id: &str,
) -> Result<Option<CaseRow>, FlowError> {
    let id = unhex(&id.trim().to_ascii_lowercase()).and_then(|id| CaseId::try_from(id).ok());
    let Some(id) = id else { return Ok(None) };
    let row = house.store.case_fetch(&id).await?.filter(|row| row.brand == caller.brand.0);
    Ok(row.filter(|row| access::concerns(reference, caller, PartyId(row.party))))
}

async fn own(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    id: &str,
) -> Result<CaseRow, FlowError> {
    let found = find(house, reference, caller, id).await?;
    Ok(found.ok_or(Refused::new(Refusal::UnknownCase, "id"))?)
}

/// Whether an answer is overdue on a day.
pub fn is_overdue(row: &CaseRow, today: Date) -> bool {
    let by = row.answer_by.as_deref().and_then(|day| day.parse::<Date>().ok());
    row.state == CaseState::Open.as_str() && by.is_some_and(|by| by < today)
}

fn acting(reference: &Reference, caller: &Caller) -> Acting {
    if access::is_brand(reference, caller) { Acting::Brand } else { Acting::Party }
}

/// Refuses a step of the other side.
fn may(reference: &Reference, caller: &Caller, step: Step) -> Result<(), Refused> {
    let acting = acting(reference, caller);
    let why = match acting {
        Acting::Brand => "only the party it is about, or one above that, does that",
        Acting::Party => "only the brand does that",
    };
    case::may(acting, step).map_err(|refusal| Refused::because(refusal, "", why))
}

/// The party a case is to be about.
fn concerned(reference: &Reference, caller: &Caller, code: &str) -> Result<PartyId, Refused> {
    let unknown = || Refused::because(Refusal::UnknownParty, "party", code);
    let party = reference.party(caller.brand, code).ok_or_else(unknown)?;
    mandate::speaks_for(reference, caller, party.id, "party")?;
    match case::may_concern(party.kind) {
        true => Ok(party.id),
        false => {
            Err(Refused::invalid("party", "a case is about neither the brand nor a regulator"))
        }
    }
}

fn due(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    answer_by: Option<Date>,
) -> Result<(), Refused> {
    let today = reference.day(caller.brand, house.clock.now());
    match answer_by {
        Some(day) if day < today => Err(Refused::invalid("answer_by", "lies in the past")),
        _ => Ok(()),
    }
}

/// What the ledger tells of a case: no word that was said in it.
fn fields(house: &House, reference: &Reference, row: &CaseRow, units: &[i64]) -> Fields {
    let party = reference.tree.get(PartyId(row.party)).map(|party| party.code.clone());
    let codes: Vec<_> = units.iter().map(|unit| code_text(house, *unit)).collect();
    vec![
        ("party", party.unwrap_or_default()),
        ("state", row.state.clone()),
        ("outcome", row.outcome.clone().unwrap_or_default()),
        ("answer_by", row.answer_by.clone().unwrap_or_default()),
        ("unit_count", row.unit_count.to_string()),
        ("units", codes.join(" ")),
    ]
}
