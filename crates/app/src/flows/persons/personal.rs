//! What may be done with what is held about a person: shown, given out, corrected, agreed to and
//! withdrawn, erased, kept for a legal hold. By the brand's staff for the whole person; by the
//! person themself, through one unit, in `my_data`.
//!
//! Each look needs a reason and leaves a record of a sensitive read; the reason is sealed under the
//! person's own key. Each change leaves an event that names the person by an identity the rest of
//! the ledger does not know, and no value. Erasing deletes the key that opens everything; what the
//! ledger says of the units stays, and leads to nobody.

use crate::flows::audit::{self, Why};
use crate::flows::caller::{Caller, Scope};
use crate::flows::changes::{self, Author};
use crate::flows::find::unit_number;
use crate::flows::house::House;
use crate::flows::mandate::brand_only;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::persons::registration::{Ended, ended};
use crate::flows::persons::retention::kept_until;
use crate::flows::persons::{self, Person, opened};
use crate::flows::reference::Reference;
use domain::audit::{Difference, SensitiveRead, differences};
use domain::id::{BrandId, ProductId};
use domain::person::{CONSENT_TEXT, Purpose, e164, masked, reason};
use domain::refusal::{Refusal, Refused};
use jiff::civil::Date;
use serde::Serialize;
use store::commit::Commit;
use store::person::{PersonChange, PersonId, RegistrationRow};

/// Under which label the reason of a legal hold is sealed.
const HOLD_LABEL: &str = "person hold v1";

/// Everything held about a person, or about them and one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The identity, in digits.
    pub id: String,
    /// The telephone: whole only where it was given out.
    pub phone: String,
    /// Since when.
    pub created_at: String,
    /// Since when a legal hold keeps the data from use.
    pub held_at: Option<String>,
    /// Why.
    pub hold_reason: Option<String>,
    /// Units they registered.
    pub registrations: Vec<HeldRegistration>,
    /// What they agreed to, withdrawn or not.
    pub consents: Vec<HeldConsent>,
}

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldRegistration {
    /// Trace code of the unit.
    pub code: String,
    /// Its product.
    pub product: String,
    /// When.
    pub registered_at: String,
    /// The day of purchase as stated.
    pub purchased_on: String,
    /// Invoice number.
    pub invoice: String,
    /// When somebody proved more, to whom the unit is bound since; none where nobody did.
    pub displaced_at: Option<String>,
    /// Until when it is kept as things stand; none while the guarantee has no start.
    pub kept_until: Option<String>,
}

/// A consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldConsent {
    /// To what.
    pub purpose: String,
    /// Which sentences were read.
    pub text_version: String,
    /// When it was given.
    pub given_at: String,
    /// When it was withdrawn.
    pub withdrawn_at: Option<String>,
}

/// What a correction changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// The telephone as typed.
    pub phone: Option<String>,
    /// Trace code of a registered unit, and the day it was bought.
    pub purchased_on: Option<(String, Date)>,
}

/// Lets only the brand's own staff for persons pass.
///
/// # Errors
/// The key lacks the scope, or acts for another party than the brand.
pub async fn admit(house: &House, caller: &Caller) -> Result<(), FlowError> {
    caller.need(Scope::Persons)?;
    Ok(brand_only(&*house.reference().await?, caller)?)
}

/// Lets those of the brand pass who may look at persons and change nothing.
async fn admit_reader(house: &House, caller: &Caller) -> Result<(), FlowError> {
    caller.need(Scope::PersonsRead)?;
    Ok(brand_only(&*house.reference().await?, caller)?)
}

/// What is held, as the caller may see it: an invoice leads to whoever paid it, so it is for those
/// alone who act for the person.
fn as_seen(caller: &Caller, mut held: Held) -> Held {
    if !caller.may(Scope::Persons) {
        held.registrations.iter_mut().for_each(|row| row.invoice.clear());
    }
    held
}

fn sound_reason(raw: &str) -> Result<String, Refused> {
    reason(raw).map_err(|why| Refused::invalid("reason", why))
}

fn unknown(field: &'static str) -> FlowError {
    Refused::new(Refusal::UnknownPerson, field).into()
}

/// The caller's person of this identity.
async fn staff_person(house: &House, caller: &Caller, id: &str) -> Result<Person, FlowError> {
    let id: Option<PersonId> = store::canonical::unhex(id).and_then(|b| b.try_into().ok());
    let found = match id {
        Some(id) => persons::by_id(house, &id).await?,
        None => None,
    };
    found.filter(|p| p.row.brand == caller.brand.0).ok_or_else(|| unknown("id"))
}

fn note(house: &House, caller: &Caller, person: Option<&Person>, why: &str) {
    let name = person.map(Person::name).unwrap_or_default();
    let why = Why { key: person.map(|p| &p.key), text: why };
    audit::note_why(house, &caller.into(), (SensitiveRead::Person, &name), &why);
}

/// Finds a person by telephone. The look leaves a record, also where nobody was found.
///
/// # Errors
/// The caller may not; no telephone, no reason; [`Refusal::UnknownPerson`].
pub async fn find(
    house: &House,
    caller: &Caller,
    phone: &str,
    why: &str,
) -> Result<Held, FlowError> {
    admit_reader(house, caller).await?;
    let phone = e164(phone).ok_or_else(|| Refused::invalid("phone", PHONE_FORM))?;
    let why = sound_reason(why)?;
    let person = persons::by_phone(house, caller.brand.0, &phone).await?;
    note(house, caller, person.as_ref(), &why);
    let person = person.ok_or_else(|| unknown("phone"))?;
    Ok(as_seen(caller, look(house, &person, None, false).await?))
}

const PHONE_FORM: &str = "must be 11 digits of a mainland mobile, or + and the country code";

/// What is held about a person: with the whole telephone when it is given out to them, which takes
/// more than the right to look.
///
/// # Errors
/// The caller may not; no reason; [`Refusal::UnknownPerson`].
pub async fn show(
    house: &House,
    caller: &Caller,
    id: &str,
    (why, whole): (&str, bool),
) -> Result<Held, FlowError> {
    match whole {
        true => admit(house, caller).await?,
        false => admit_reader(house, caller).await?,
    }
    let why = sound_reason(why)?;
    let person = staff_person(house, caller, id).await?;
    note(house, caller, Some(&person), &why);
    Ok(as_seen(caller, look(house, &person, None, whole).await?))
}

/// Everything held, or what is held about these registrations of theirs.
pub(in crate::flows) async fn look(
    house: &House,
    person: &Person,
    only: Option<Vec<RegistrationRow>>,
    whole: bool,
) -> Result<Held, FlowError> {
    let reference = house.reference().await?;
    let brand = person.row.brand;
    let text = |at: i64| instant_text(&reference, brand, at);
    let rows = match only {
        Some(rows) => rows,
        None => house.store.registrations_of(&person.row.id).await?,
    };
    let mut registrations = Vec::with_capacity(rows.len());
    for row in &rows {
        registrations.push(registration(house, &reference, person, row).await?);
    }
    let consent = |row: store::person::ConsentRow| HeldConsent {
        purpose: row.purpose,
        text_version: row.text_version,
        given_at: text(row.given_at),
        withdrawn_at: row.withdrawn_at.map(text),
    };
    let consents = house.store.consents_fetch(&person.row.id).await?;
    let hold = person.row.hold_reason.as_deref();
    Ok(Held {
        id: person.name(),
        phone: if whole { person.phone()? } else { masked(&person.row.last4) },
        created_at: text(person.row.created_at),
        held_at: person.row.held_at.map(text),
        hold_reason: hold.map(|sealed| opened(&person.key, HOLD_LABEL, sealed)).transpose()?,
        registrations,
        consents: consents.into_iter().map(consent).collect(),
    })
}

async fn registration(
    house: &House,
    reference: &Reference,
    person: &Person,
    row: &RegistrationRow,
) -> Result<HeldRegistration, FlowError> {
    let particulars = person.particulars(row)?;
    let unit = house.store.unit_fetch(row.unit).await?;
    let product = unit.as_ref().and_then(|u| reference.product_by_id(ProductId(u.product)));
    let (mut over, mut until) = (None, None);
    if let Some(unit) = &unit {
        over = ended(house, unit, row).await?;
        until = kept_until(house, reference, unit, (row, over)).await?;
    }
    let displaced_at = match over {
        Some(Ended::Displaced { at, .. }) => Some(at),
        Some(Ended::LifeOver(_)) | None => None,
    };
    let text = |at: i64| instant_text(reference, person.row.brand, at);
    Ok(HeldRegistration {
        code: house.ring().encode(unit_number(row.unit)).as_str().to_owned(),
        product: product.map(|p| p.name_zh.clone()).unwrap_or_default(),
        registered_at: text(row.created_at),
        purchased_on: particulars.purchased_on,
        invoice: particulars.invoice,
        displaced_at: displaced_at.map(text),
        kept_until: until.map(|at| text(at.as_microsecond())),
    })
}

fn instant_text(reference: &Reference, brand: i64, at: i64) -> String {
    let at = crate::flows::custody::instant(at);
    let zone = reference.zone(BrandId(brand));
    at.display_with_offset(zone.to_offset(at)).to_string()
}

/// Refuses what a legal hold forbids.
pub(in crate::flows) fn not_held(person: &Person) -> Result<(), Refused> {
    match person.row.held_at {
        Some(_) => Err(Refused::new(Refusal::PersonHeld, "id")),
        None => Ok(()),
    }
}

/// Records changes of a person with the event that tells of them; false when it lost a race.
pub(in crate::flows) async fn record(
    house: &House,
    author: &Author,
    (name, verb): (&str, &str),
    fields: Vec<Difference>,
    persons: Vec<PersonChange>,
) -> Result<bool, FlowError> {
    let mut commit = Commit { persons, ..Commit::default() };
    changes::tell(house, author, ("person", name, verb), fields, &mut commit)?;
    match house.store.commit(&commit).await {
        Err(e) if e.is_race() => Ok(false),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(true),
    }
}

/// Corrects a person's telephone, or the day a unit of theirs was bought. The start of the
/// guarantee stays as it was recorded.
///
/// # Errors
/// The caller may not; [`Refusal::UnknownPerson`], [`Refusal::PersonHeld`],
/// [`Refusal::PhoneTaken`], [`Refusal::UnknownSubject`]; a field cannot be read.
pub async fn correct(
    house: &House,
    caller: &Caller,
    id: &str,
    correction: &Correction,
) -> Result<Held, FlowError> {
    admit(house, caller).await?;
    let phone = match &correction.phone {
        Some(typed) => Some(e164(typed).ok_or_else(|| Refused::invalid("phone", PHONE_FORM))?),
        None => None,
    };
    if phone.is_none() && correction.purchased_on.is_none() {
        return Err(Refused::invalid("body", "names nothing to correct").into());
    }
    for _ in 0..RACES_MAX {
        let person = staff_person(house, caller, id).await?;
        not_held(&person)?;
        let (mut changes, mut before, mut after) = (vec![person.relied()], vec![], vec![]);
        if let Some(phone) = &phone {
            changes.extend(rephone(house, &person, phone).await?);
            before.push(("phone", person.phone()?));
            after.push(("phone", phone.clone()));
        }
        if let Some((code, day)) = &correction.purchased_on {
            let row = registered(house, &person, code).await?;
            let mut particulars = person.particulars(&row)?;
            before.push(("purchased_on", particulars.purchased_on));
            particulars.purchased_on = day.to_string();
            after.push(("purchased_on", day.to_string()));
            let sealed = person.seal(&particulars)?;
            changes.push(PersonChange::Move(row, person.row.id, sealed));
        }
        let fields = differences(&before, &after);
        let told = (person.name(), "corrected");
        if fields.is_empty()
            || record(house, &caller.into(), (&told.0, told.1), fields, changes).await?
        {
            let person = staff_person(house, caller, id).await?;
            return look(house, &person, None, false).await;
        }
    }
    Err(FlowError::Busy)
}

async fn rephone(
    house: &House,
    person: &Person,
    phone: &str,
) -> Result<Vec<PersonChange>, FlowError> {
    match persons::by_phone(house, person.row.brand, phone).await? {
        Some(other) if other.row.id == person.row.id => return Ok(Vec::new()),
        Some(_) => return Err(Refused::new(Refusal::PhoneTaken, "phone").into()),
        None => {}
    }
    let phones = house.store.phones_fetch(&person.row.id).await?;
    let mut changes: Vec<_> = phones.into_iter().map(PersonChange::PhoneGone).collect();
    changes.extend(persons::findable(house, person.row.brand, person.row.id, phone).await?);
    changes.push(person.rephoned(phone)?);
    Ok(changes)
}

/// The registration of a unit of theirs.
async fn registered(
    house: &House,
    person: &Person,
    code: &str,
) -> Result<RegistrationRow, FlowError> {
    let rows = house.store.registrations_of(&person.row.id).await?;
    let is = |row: &RegistrationRow| {
        house.ring().encode(unit_number(row.unit)).as_str().eq_ignore_ascii_case(code.trim())
    };
    let found = rows.into_iter().rev().find(is);
    Ok(found.ok_or_else(|| Refused::new(Refusal::UnknownSubject, "code"))?)
}

/// Gives or withdraws a consent for a person, as they asked.
///
/// # Errors
/// The caller may not; [`Refusal::UnknownPerson`]; [`Refusal::PersonHeld`] for giving; the purpose
/// is none that stands alone.
pub async fn agree(
    house: &House,
    caller: &Caller,
    id: &str,
    (purpose, given): (Purpose, bool),
) -> Result<Held, FlowError> {
    admit(house, caller).await?;
    for _ in 0..RACES_MAX {
        let person = staff_person(house, caller, id).await?;
        if agreed(house, &caller.into(), &person, &[(purpose, given)]).await? {
            return look(house, &person, None, false).await;
        }
    }
    Err(FlowError::Busy)
}

/// Brings consents to what was chosen; false when it lost a race.
pub(in crate::flows) async fn agreed(
    house: &House,
    author: &Author,
    person: &Person,
    chosen: &[(Purpose, bool)],
) -> Result<bool, FlowError> {
    let standing = house.store.consents_fetch(&person.row.id).await?;
    let stands =
        |p: Purpose| standing.iter().any(|c| c.purpose == p.as_str() && c.withdrawn_at.is_none());
    let now = house.record_time(0);
    let (mut persons, mut fields) = (vec![person.relied()], Vec::new());
    for (purpose, given) in chosen.iter().filter(|(p, given)| stands(*p) != *given) {
        if !purpose.is_free() {
            let why = "needed while a unit is registered; erase the registration instead";
            return Err(Refused::invalid("purpose", why).into());
        }
        if *given {
            not_held(person)?;
            let given = (now, CONSENT_TEXT);
            persons.extend(persons::consents(house, &person.row.id, &[*purpose], given).await?);
        } else {
            let purpose = purpose.as_str().to_owned();
            persons.push(PersonChange::Withdraw(person.row.id, purpose, now));
        }
        let word = |is: bool| Some(if is { "given" } else { "none" }.to_owned());
        fields.push(Difference {
            field: purpose.as_str(),
            before: word(!given),
            after: word(*given),
            hidden: false,
        });
    }
    if fields.is_empty() {
        return Ok(true);
    }
    record(house, author, (&person.name(), "agreed"), fields, persons).await
}

/// What erases a whole person.
async fn erasure(house: &House, person: &Person) -> Result<Vec<PersonChange>, FlowError> {
    let rows = house.store.registrations_of(&person.row.id).await?;
    let phones = house.store.phones_fetch(&person.row.id).await?;
    let mut changes: Vec<_> = rows.into_iter().map(PersonChange::Unbind).collect();
    changes.extend(phones.into_iter().map(PersonChange::PhoneGone));
    changes.push(PersonChange::Erase(person.row.id, person.row.revision));
    Ok(changes)
}

/// What ends registrations of a person; the last one takes the person with it.
pub(in crate::flows) async fn unbound(
    house: &House,
    person: &Person,
    gone: &[RegistrationRow],
) -> Result<Vec<PersonChange>, FlowError> {
    let rows = house.store.registrations_of(&person.row.id).await?;
    if rows.iter().all(|row| gone.iter().any(|one| one.id == row.id)) {
        return erasure(house, person).await;
    }
    let mut changes = vec![person.relied()];
    changes.extend(gone.iter().cloned().map(PersonChange::Unbind));
    Ok(changes)
}

/// Erases a person: their key, telephone, consents and what bound their units to them. What the
/// ledger says of the units stays.
///
/// # Errors
/// The caller may not; [`Refusal::UnknownPerson`]; [`Refusal::PersonHeld`].
pub async fn erase(house: &House, caller: &Caller, id: &str) -> Result<(), FlowError> {
    admit(house, caller).await?;
    for _ in 0..RACES_MAX {
        let person = staff_person(house, caller, id).await?;
        not_held(&person)?;
        let changes = erasure(house, &person).await?;
        let told = (person.name(), "erased");
        if record(house, &caller.into(), (&told.0, told.1), Vec::new(), changes).await? {
            return Ok(());
        }
    }
    Err(FlowError::Busy)
}

/// Puts a legal hold on a person's data, or lifts it. A hold on a hold changes nothing but the
/// reason.
///
/// # Errors
/// The caller may not; no reason; [`Refusal::UnknownPerson`].
pub async fn hold(
    house: &House,
    caller: &Caller,
    id: &str,
    why: Option<&str>,
) -> Result<Held, FlowError> {
    admit(house, caller).await?;
    let why = why.map(sound_reason).transpose()?;
    for _ in 0..RACES_MAX {
        let person = staff_person(house, caller, id).await?;
        let (change, verb) = match &why {
            Some(why) => {
                let since = person.row.held_at.unwrap_or_else(|| house.record_time(0));
                let sealed = person.key.seal(HOLD_LABEL, why.as_bytes())?;
                (PersonChange::Hold(person.row.id, since, sealed), "held")
            }
            None => (PersonChange::Release(person.row.id), "released"),
        };
        let idle = why.is_none() && person.row.held_at.is_none();
        let changes = vec![person.relied(), change];
        let told = (person.name(), verb);
        if idle || record(house, &caller.into(), (&told.0, told.1), Vec::new(), changes).await? {
            let person = staff_person(house, caller, id).await?;
            return look(house, &person, None, false).await;
        }
    }
    Err(FlowError::Busy)
}
