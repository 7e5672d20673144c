//! A person and what is held about them through one unit: proven by the telephone and the scratch
//! code together, then shown, given out, corrected, agreed to, erased.
//!
//! **Why one unit.** Nobody proves that a telephone is theirs: whoever has a unit can register it
//! under any. So its scratch code opens what was registered of that unit in its present life under
//! that telephone and nothing else of it, and what it says of the number is what the visitor typed.
//! That may be a registration that gave way to somebody who proved more: it binds nothing any more,
//! and is its author's all the same.
//!
//! **Guessing.** A wrong telephone and a wrong code are one answer and one wrong try. Here a right
//! try does not lift the ceilings, since whoever holds the unit could then go through telephones.

use crate::flows::audit;
use crate::flows::house::House;
use crate::flows::idempotency::Keyed;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::persons::personal::{Held, agreed, look, not_held, record, unbound};
use crate::flows::persons::registration::{Particulars, Registrations};
use crate::flows::persons::{self, Person, themselves};
use crate::flows::proof::{Attempt, ProofKind, ProofOutcome, prove_owner};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::audit::{SensitiveRead, differences};
use domain::person::{CONSENT_TEXT, Purpose};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use store::person::{PersonChange, PersonId, RegistrationRow};

/// How long what was proven lets a visitor act.
const SESSION: SignedDuration = SignedDuration::from_mins(20);
/// Under which label a session is sealed.
const SESSION_LABEL: &str = "my data session v1";
/// Bytes of a session before it is sealed: unit, registration, person, end.
const SESSION_BYTES: usize = 8 + 16 + 16 + 8;

/// What was proven: this registration of this unit is this person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    unit: i64,
    registration: [u8; 16],
    person: PersonId,
    until: Timestamp,
}

/// How a claim came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Proven; the session as the visitor's forms carry it.
    Yours(String, Session),
    /// Telephone or code are not those of a registration of this unit.
    No,
    /// Too many tries: wait until then.
    Wait(Timestamp),
    /// This unit has no scratch code.
    NotOffered,
}

/// How an act came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Done.
    Done,
    /// There is nothing of it any more.
    Gone,
    /// A legal hold forbids it.
    Held,
}

/// What somebody does with what is held about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// They read it on a page.
    Opened,
    /// They take it with them as a file.
    Exported,
}

impl Look {
    /// The word in the trail.
    fn verb(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Exported => "exported",
        }
    }
}

/// Proves who somebody is: `phone` is E.164, the attempt holds the scratch code. A try that was
/// recorded under the same key counts once.
///
/// # Errors
/// The code is malformed; the store does not answer.
pub async fn claim(
    house: &House,
    attempt: &Attempt<'_>,
    phone: &str,
    key: Option<&Keyed>,
) -> Result<Claimed, FlowError> {
    let Some(unit) = house.store.unit_fetch(attempt.number).await? else {
        return Ok(Claimed::NotOffered);
    };
    let person = persons::by_phone(house, unit.brand, phone).await?;
    let registrations = Registrations::fetch(house, unit.number).await?;
    let both = person.and_then(|p| Some((p.row.id, registrations.of(&p.row.id)?)));
    let attempt = Attempt { kind: ProofKind::Scratch, ..*attempt };
    match prove_owner(house, &attempt, both.is_some(), key).await? {
        ProofOutcome::Wait(until) => return Ok(Claimed::Wait(until)),
        ProofOutcome::NotOffered => return Ok(Claimed::NotOffered),
        ProofOutcome::Wrong { .. } | ProofOutcome::Compare => return Ok(Claimed::No),
        ProofOutcome::First | ProofOutcome::Again(_) => {}
    }
    let Some((person, row)) = both else { return Ok(Claimed::No) };
    let until = house.clock.now() + SESSION;
    session(house, row, person, until)
}

fn session(
    house: &House,
    row: &RegistrationRow,
    person: PersonId,
    until: Timestamp,
) -> Result<Claimed, FlowError> {
    let session = Session { unit: row.unit, registration: row.id, person, until };
    let mut bytes = Vec::with_capacity(SESSION_BYTES);
    bytes.extend(session.unit.to_be_bytes());
    bytes.extend(session.registration);
    bytes.extend(session.person);
    bytes.extend(until.as_microsecond().to_be_bytes());
    let sealed = house.secrets.seal(SESSION_LABEL, &bytes)?;
    Ok(Claimed::Yours(BASE64.encode(sealed), session))
}

/// The session a form carries, while it lasts and where it is about this unit.
pub fn session_of(house: &House, unit: i64, text: &str) -> Option<Session> {
    let sealed = BASE64.decode(text.trim()).ok()?;
    let bytes = house.secrets.open(SESSION_LABEL, &sealed).ok()?;
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (registration, rest) = rest.split_first_chunk::<16>()?;
    let (person, rest) = rest.split_first_chunk::<16>()?;
    let until = i64::from_be_bytes(rest.try_into().ok()?);
    let session = Session {
        unit: i64::from_be_bytes(*number),
        registration: *registration,
        person: *person,
        until: crate::flows::custody::instant(until),
    };
    (session.unit == unit && house.clock.now() < session.until).then_some(session)
}

/// The person with the registration that was proven, and behind it what else they registered of
/// this unit in the same life.
async fn theirs(
    house: &House,
    session: &Session,
) -> Result<Option<(Person, Vec<RegistrationRow>)>, FlowError> {
    let Some(person) = persons::by_id(house, &session.person).await? else { return Ok(None) };
    let registrations = Registrations::fetch(house, session.unit).await?;
    let rows = registrations.with(&session.registration, &session.person);
    Ok((!rows.is_empty()).then_some((person, rows)))
}

/// What is held about the person and this unit, with the telephone they came with. It leaves a
/// record as every look does: whoever came by both secrets would be seen by nobody otherwise.
///
/// # Errors
/// The store does not answer.
pub async fn held(house: &House, session: &Session, how: Look) -> Result<Option<Held>, FlowError> {
    let Some((person, rows)) = theirs(house, session).await? else { return Ok(None) };
    let held = look(house, &person, Some(rows), true).await?;
    let (author, name) = (themselves(person.row.brand), person.name());
    audit::note_own(house, &author, (SensitiveRead::Person, &name), how.verb());
    // That there is a legal hold is told; why, by whoever asked for it.
    Ok(Some(Held { hold_reason: None, ..held }))
}

/// Erases what they registered of this unit; the last registration of a telephone takes the
/// telephone, the consents and the person's key with it.
///
/// # Errors
/// The store does not answer.
pub async fn erase(house: &House, session: &Session) -> Result<Acted, FlowError> {
    for _ in 0..RACES_MAX {
        let Some((person, rows)) = theirs(house, session).await? else { return Ok(Acted::Gone) };
        if not_held(&person).is_err() {
            return Ok(Acted::Held);
        }
        let changes = unbound(house, &person, &rows).await?;
        let whole = changes.iter().any(|c| matches!(c, PersonChange::Erase(..)));
        let verb = if whole { "erased" } else { "unbound" };
        let author = themselves(person.row.brand);
        if record(house, &author, (&person.name(), verb), Vec::new(), changes).await? {
            return Ok(Acted::Done);
        }
    }
    Err(FlowError::Busy)
}

/// Corrects the day of purchase of this unit, and under which telephone (E.164) it is registered:
/// in the registration that was proven, not in one of theirs that gave way to it. Another telephone
/// takes that registration and no other: it leads to that telephone's person from then on, with
/// copies of the consents where that person is new.
///
/// # Errors
/// The store does not answer.
pub async fn correct(
    house: &House,
    session: &Session,
    (phone, purchased_on): (&str, Date),
) -> Result<Acted, FlowError> {
    for _ in 0..RACES_MAX {
        let Some((person, mut rows)) = theirs(house, session).await? else {
            return Ok(Acted::Gone);
        };
        if not_held(&person).is_err() {
            return Ok(Acted::Held);
        }
        let row = rows.swap_remove(0);
        let mut particulars = person.particulars(&row)?;
        let before =
            vec![("phone", person.phone()?), ("purchased_on", particulars.purchased_on.clone())];
        let day = purchased_on.to_string();
        let after = vec![("phone", phone.to_owned()), ("purchased_on", day.clone())];
        let fields = differences(&before, &after);
        if fields.is_empty() {
            return Ok(Acted::Done);
        }
        particulars.purchased_on = day;
        let changes = if person.phone()? == phone {
            let sealed = person.seal(&particulars)?;
            vec![person.relied(), PersonChange::Move(row, person.row.id, sealed)]
        } else {
            let now = house.record_time(0);
            // Rows of that telephone from before there were persons are met here.
            persons::by_phone(house, person.row.brand, phone).await?;
            let made = persons::known_or_fresh(house, person.row.brand, phone, now).await?;
            let (other, mut changes) = made;
            // Whoever has that telephone already agreed for themselves.
            let is_new = matches!(changes.first(), Some(PersonChange::Add(_)));
            let standing = house.store.consents_fetch(&person.row.id).await?;
            let standing = standing.iter().filter(|c| is_new && c.withdrawn_at.is_none());
            let purposes: Vec<_> = standing.filter_map(|c| Purpose::parse(&c.purpose)).collect();
            let given = (now, CONSENT_TEXT);
            changes.extend(persons::consents(house, &other.row.id, &purposes, given).await?);
            changes.extend(moved(house, &person, (&row, &other), &particulars).await?);
            changes
        };
        let author = themselves(person.row.brand);
        if record(house, &author, (&person.name(), "corrected"), fields, changes).await? {
            return Ok(Acted::Done);
        }
    }
    Err(FlowError::Busy)
}

/// Moves a registration to another person. Whoever has none left is gone.
async fn moved(
    house: &House,
    from: &Person,
    (row, to): (&RegistrationRow, &Person),
    particulars: &Particulars,
) -> Result<Vec<PersonChange>, FlowError> {
    let sealed = to.seal(particulars)?;
    let ends = unbound(house, from, std::slice::from_ref(row)).await?;
    let is_row = |change: &PersonChange| matches!(change, PersonChange::Unbind(_));
    let mut changes = vec![PersonChange::Move(row.clone(), to.row.id, sealed)];
    // The row goes on under the other person, and nothing else of the first one is left bound.
    changes.extend(ends.into_iter().filter(|change| !is_row(change)));
    Ok(changes)
}

/// Brings the free consents to what was ticked.
///
/// # Errors
/// The store does not answer.
pub async fn agree(
    house: &House,
    session: &Session,
    ticked: &[Purpose],
) -> Result<Acted, FlowError> {
    let free = Purpose::ALL.into_iter().filter(|p| p.is_free());
    let chosen: Vec<_> = free.map(|p| (p, ticked.contains(&p))).collect();
    for _ in 0..RACES_MAX {
        let Some((person, _)) = theirs(house, session).await? else { return Ok(Acted::Gone) };
        let author = themselves(person.row.brand);
        match agreed(house, &author, &person, &chosen).await {
            Ok(true) => return Ok(Acted::Done),
            Ok(false) => {}
            Err(FlowError::Refused(_)) => return Ok(Acted::Held),
            Err(error) => return Err(error),
        }
    }
    Err(FlowError::Busy)
}
