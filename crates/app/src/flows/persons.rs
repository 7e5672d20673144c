//! Who a person is: found by a keyed hash of their telephone, named by a random identity that the
//! ledger does not know, and read only with a key of their own.
//!
//! **Rows from before there were persons** hold 16 bytes of a keyed hash of the telephone instead
//! of an identity, and particulars sealed under the key of observations. Whoever comes with the
//! telephone finds them by that hash, and they are rewritten then ([`adopt`]); a job rewrites the
//! others, whose telephone stands among the particulars ([`tend`]).
//!
//! **A new telephone key** ([`rotate`]) is a number that only grows. Whoever looks for a person
//! looks under the present key and the one before, until the job has rewritten every hash; a key is
//! not changed again before that. A person is only made under the key that is present then.

pub mod my_data;
pub mod personal;
pub mod registration;
pub mod retention;

use super::changes::{self, Author};
use super::house::House;
use super::outcome::{FlowError, RACES_MAX};
use crate::secrets::{self, PersonKey};
use domain::id::BrandId;
use domain::person::{CONSENT_TEXT_FIRST, Purpose, last4};
use registration::{PARTICULARS_LABEL, Particulars};
use serde::Deserialize;
use std::collections::HashSet;
use store::StoreError;
use store::commit::Commit;
use store::person::{ConsentRow, PersonChange, PersonId, PersonRow, PhoneRow, RegistrationRow};

/// Under which label a telephone is sealed.
const PHONE_LABEL: &str = "person phone v1";
/// Under which label particulars were sealed before there were persons.
const OLD_LABEL: &str = "registration v1";
/// Rows looked at in one step of the job.
const STEP_ROWS: i64 = 200;

/// A person with the key that opens what is held about them.
pub struct Person {
    /// What is stored.
    pub row: PersonRow,
    pub(super) key: PersonKey,
}

impl Person {
    /// The telephone, E.164.
    ///
    /// # Errors
    /// It does not open.
    pub fn phone(&self) -> Result<String, FlowError> {
        opened(&self.key, PHONE_LABEL, &self.row.sealed)
    }

    /// The identity in digits.
    pub fn name(&self) -> String {
        store::canonical::hex(&self.row.id)
    }

    /// Relies on the person standing as they were read.
    pub(super) fn relied(&self) -> PersonChange {
        PersonChange::Relied(self.row.id, self.row.revision)
    }

    /// The particulars of a registration of theirs.
    pub(super) fn particulars(&self, row: &RegistrationRow) -> Result<Particulars, FlowError> {
        let text = opened(&self.key, PARTICULARS_LABEL, &row.sealed)?;
        serde_json::from_str(&text).map_err(|e| StoreError::Record(e.to_string()).into())
    }

    /// The same sealed for them.
    pub(super) fn seal(&self, particulars: &Particulars) -> Result<Vec<u8>, FlowError> {
        let text = serde_json::to_vec(particulars);
        let text = text.map_err(|e| StoreError::Record(e.to_string()))?;
        Ok(self.key.seal(PARTICULARS_LABEL, &text)?)
    }

    /// What makes another telephone theirs.
    pub(super) fn rephoned(&self, phone: &str) -> Result<PersonChange, FlowError> {
        let sealed = self.key.seal(PHONE_LABEL, phone.as_bytes())?;
        Ok(PersonChange::Rephone(self.row.id, last4(phone).to_owned(), sealed))
    }
}

pub(super) fn opened(key: &PersonKey, label: &str, sealed: &[u8]) -> Result<String, FlowError> {
    let text = key.open(label, sealed)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A person by identity.
///
/// # Errors
/// The store does not answer.
pub(super) async fn by_id(house: &House, id: &PersonId) -> Result<Option<Person>, FlowError> {
    let Some(row) = house.store.person_fetch(id).await? else { return Ok(None) };
    let key = house.secrets.person_key(&row.id, &row.sealed_key)?;
    Ok(Some(Person { row, key }))
}

/// A brand's person by telephone (E.164), with all that was registered under it.
///
/// # Errors
/// The store does not answer.
pub(super) async fn by_phone(
    house: &House,
    brand: i64,
    phone: &str,
) -> Result<Option<Person>, FlowError> {
    for row in house.store.registrations_of(&old_reference(house, phone)).await? {
        adopt(house, &row, Some(brand)).await?;
    }
    known(house, brand, phone).await
}

/// As [`by_phone`], among those that have an identity already.
async fn known(house: &House, brand: i64, phone: &str) -> Result<Option<Person>, FlowError> {
    let key = house.store.phone_key().await?;
    let hash = |key| house.secrets.phone_hash(key, brand, phone);
    let found = house.store.person_by_phone([hash(key), hash(key - 1)], brand).await?;
    match found {
        Some(id) => by_id(house, &id).await,
        None => Ok(None),
    }
}

/// By what a telephone is found from now on, and what that relies on.
pub(super) async fn findable(
    house: &House,
    brand: i64,
    person: PersonId,
    phone: &str,
) -> Result<[PersonChange; 2], FlowError> {
    let key = house.store.phone_key().await?;
    let hash = house.secrets.phone_hash(key, brand, phone);
    let row = PhoneRow { hash, key, brand, person };
    Ok([PersonChange::PhoneKey(key), PersonChange::Phone(row)])
}

/// A new person, not yet recorded, and what records them.
///
/// # Errors
/// The system gave no randomness; the store does not answer.
pub(super) async fn fresh(
    house: &House,
    brand: i64,
    phone: &str,
    created_at: i64,
) -> Result<(Person, Vec<PersonChange>), FlowError> {
    let id = secrets::random::<16>()?;
    let (key, sealed_key) = house.secrets.new_person_key(&id)?;
    let row = PersonRow {
        id,
        brand,
        last4: last4(phone).to_owned(),
        sealed: key.seal(PHONE_LABEL, phone.as_bytes())?,
        sealed_key,
        created_at,
        held_at: None,
        hold_reason: None,
        revision: 0,
    };
    let mut changes = vec![PersonChange::Add(row.clone())];
    changes.extend(findable(house, brand, id, phone).await?);
    Ok((Person { row, key }, changes))
}

/// The person of a telephone, as known or new, and what a commit about them begins with.
pub(super) async fn known_or_fresh(
    house: &House,
    brand: i64,
    phone: &str,
    created_at: i64,
) -> Result<(Person, Vec<PersonChange>), FlowError> {
    match known(house, brand, phone).await? {
        Some(person) => {
            let relied = person.relied();
            Ok((person, vec![relied]))
        }
        None => fresh(house, brand, phone, created_at).await,
    }
}

/// Consents of a person that are not standing already.
pub(super) async fn consents(
    house: &House,
    person: &PersonId,
    purposes: &[Purpose],
    given: (i64, &str),
) -> Result<Vec<PersonChange>, FlowError> {
    let (given_at, text_version) = given;
    let standing = house.store.consents_fetch(person).await?;
    let standing: HashSet<_> = standing
        .into_iter()
        .filter(|c| c.withdrawn_at.is_none() || c.given_at == given_at)
        .map(|c| c.purpose)
        .collect();
    let wanted = purposes.iter().filter(|p| !standing.contains(p.as_str()));
    let row = |purpose: &Purpose| {
        PersonChange::Consent(ConsentRow {
            person: *person,
            purpose: purpose.as_str().to_owned(),
            text_version: text_version.to_owned(),
            given_at,
            withdrawn_at: None,
        })
    };
    Ok(wanted.map(row).collect())
}

/// What stood for a person in a registration before there were persons.
pub(super) fn old_reference(house: &House, phone: &str) -> PersonId {
    let mut reference = [0; 16];
    reference.copy_from_slice(&house.secrets.hash("person", phone)[..16]);
    reference
}

/// Particulars as they were before there were persons.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct OldParticulars {
    phone: String,
    purchased_on: String,
    invoice: String,
    news: bool,
}

/// Gives the person of an old row an identity, if the row is of this brand. False where it is not
/// of the old form (any more), of another brand, or names no telephone.
async fn adopt(
    house: &House,
    row: &RegistrationRow,
    brand: Option<i64>,
) -> Result<bool, FlowError> {
    let unit = house.store.unit_fetch(row.unit).await?;
    let Some(unit) = unit.filter(|u| row.is_old && brand.is_none_or(|b| b == u.brand)) else {
        return Ok(false);
    };
    let Ok(text) = house.secrets.open(OLD_LABEL, &row.sealed) else { return Ok(false) };
    let old: OldParticulars = serde_json::from_slice(&text).unwrap_or_default();
    if old.phone.is_empty() {
        return Ok(false);
    }
    let particulars = Particulars { purchased_on: old.purchased_on, invoice: old.invoice };
    let mut purposes = vec![Purpose::Registration];
    purposes.extend(old.news.then_some(Purpose::Marketing));
    let given = (row.created_at, CONSENT_TEXT_FIRST);
    for _ in 0..RACES_MAX {
        let made = known_or_fresh(house, unit.brand, &old.phone, row.created_at).await?;
        let (person, mut persons) = made;
        let sealed = person.seal(&particulars)?;
        persons.push(PersonChange::Move(row.clone(), person.row.id, sealed));
        persons.extend(consents(house, &person.row.id, &purposes, given).await?);
        match house.store.commit(&Commit { persons, ..Commit::default() }).await {
            Err(e) if e.is_race() => {}
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(true),
        }
        // Somebody else may have done it.
        let rows = house.store.registrations_fetch(row.unit).await?;
        if !rows.iter().any(|r| r.id == row.id && r.is_old) {
            return Ok(false);
        }
    }
    Err(FlowError::Busy)
}

/// Starts the next telephone key and rewrites every hash under it. While hashes of a change before
/// are left, that change is ended instead. Returns the key that is present, whether it is new, and
/// how many hashes were rewritten.
///
/// # Errors
/// The store does not answer; whatever was done stands, and the next call goes on.
pub async fn rotate(house: &House, author: &Author) -> Result<(i64, bool, usize), FlowError> {
    for _ in 0..RACES_MAX {
        let key = house.store.phone_key().await?;
        if !house.store.phones_before(key, 1).await?.is_empty() {
            return Ok((key, false, rewrite_all(house).await?));
        }
        let next = (key + 1).to_string();
        let mut commit =
            Commit { persons: vec![PersonChange::NextPhoneKey(key)], ..Commit::default() };
        changes::tell(house, author, ("phone_key", &next, "created"), Vec::new(), &mut commit)?;
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok((key + 1, true, rewrite_all(house).await?)),
        }
    }
    Err(FlowError::Busy)
}

async fn rewrite_all(house: &House) -> Result<usize, FlowError> {
    let mut count = 0;
    loop {
        match rewrite_some(house).await? {
            (0, 0) => return Ok(count),
            (_, done) => count += done,
        }
    }
}

/// Rewrites hashes under keys before the present one: how many were found, how many rewritten here.
async fn rewrite_some(house: &House) -> Result<(usize, usize), FlowError> {
    let key = house.store.phone_key().await?;
    let found = house.store.phones_before(key, STEP_ROWS).await?;
    let mut done = 0;
    for old in &found {
        let mut persons = vec![PersonChange::PhoneGone(old.clone())];
        if let Some(person) = by_id(house, &old.person).await? {
            persons.push(person.relied());
            let phone = person.phone()?;
            persons.extend(findable(house, old.brand, old.person, &phone).await?);
        }
        match house.store.commit(&Commit { persons, ..Commit::default() }).await {
            // Another process did it, or the person has changed: the next look tells.
            Err(e) if e.is_race() => {}
            Err(e) => return Err(e.into()),
            Ok(()) => done += 1,
        }
    }
    Ok((found.len(), done))
}

/// The job: rewrites some hashes under old telephone keys and some rows of the old form. Returns
/// how many were rewritten.
///
/// # Errors
/// The store does not answer.
pub async fn tend(house: &House) -> Result<usize, FlowError> {
    let (_, mut count) = rewrite_some(house).await?;
    // Rows that name no telephone stay as they are, and must not stand in the way of others. Not
    // all at once: whoever ends the process does not wait for a backlog.
    let mut after = 0;
    loop {
        if count >= STEP_ROWS as usize {
            return Ok(count);
        }
        let rows = house.store.registrations_old(after, STEP_ROWS).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = last.unit;
        for row in &rows {
            count += usize::from(adopt(house, row, None).await?);
        }
    }
}

/// A brand's author for what persons do themselves. Where they were is not kept.
pub(super) fn themselves(brand: i64) -> Author {
    Author { brand: BrandId(brand), party: None, actor: "person".to_owned(), address: None }
}
