//! Persons in the store: who is found by which hash of a telephone, what they agreed to, and which
//! units they registered. Nothing of it is in the ledger. A person's row holds the sealed key that
//! everything else about them is sealed under: without the row nobody reads it.

use crate::engine::{DecodeError, Row, Step, Value};
use crate::{Store, StoreError};

/// Where the number of the present telephone key stands.
const PHONE_KEY: &str = "SELECT value FROM version WHERE name = 'phone_key'";
const PHONE_KEY_SAME: &str = "SELECT value FROM version WHERE name = 'phone_key' AND value = $1";
const PHONE_KEY_NEXT: &str =
    "UPDATE version SET value = value + 1 WHERE name = 'phone_key' AND value = $1";
const BY_ID: &str = "SELECT id, brand_id, phone_last4, sealed_key, sealed, created_at, held_at, \
    hold_reason, revision FROM person WHERE id = $1";
const BY_PHONE: &str = "SELECT person FROM person_phone WHERE phone_hash IN ($1, $2) \
    AND brand_id = $3";
const PHONES: &str =
    "SELECT phone_hash, phone_key_id, brand_id, person FROM person_phone WHERE person = $1";
const PHONES_OLD: &str = "SELECT phone_hash, phone_key_id, brand_id, person FROM person_phone \
    WHERE phone_key_id < $1 LIMIT $2";
const CONSENTS: &str = "SELECT person, purpose, text_version, given_at, withdrawn_at FROM consent \
    WHERE person = $1 ORDER BY given_at, purpose";
const REGISTRATIONS: &str = "SELECT unit, id, person, form, sealed, created_at, review_at \
    FROM registration WHERE unit = $1 ORDER BY created_at, id";
const REGISTRATIONS_OF: &str = "SELECT unit, id, person, form, sealed, created_at, review_at \
    FROM registration WHERE person = $1 ORDER BY created_at, id";
const REGISTRATIONS_OLD: &str = "SELECT unit, id, person, form, sealed, created_at, review_at \
    FROM registration WHERE form = 1 AND unit > $1 ORDER BY unit LIMIT $2";
const REGISTRATIONS_DUE: &str = "SELECT unit, id, person, form, sealed, created_at, review_at \
    FROM registration WHERE review_at <= $1 ORDER BY review_at LIMIT $2";

const ADD: &str = "INSERT INTO person (id, brand_id, phone_last4, sealed_key, sealed, created_at, \
    held_at, hold_reason, revision) VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL, 0)";
const RELIED: &str = "UPDATE person SET revision = revision + 1 WHERE id = $1 AND revision = $2";
const PHONE_ADD: &str = "INSERT INTO person_phone (phone_hash, phone_key_id, brand_id, person) \
    VALUES ($1, $2, $3, $4)";
const PHONE_GONE: &str = "DELETE FROM person_phone WHERE phone_hash = $1 AND phone_key_id = $2 \
    AND brand_id = $3 AND person = $4";
const REPHONE: &str = "UPDATE person SET phone_last4 = $2, sealed = $3 WHERE id = $1";
const REGISTRATION_ADD: &str = "INSERT INTO registration (unit, id, person, form, sealed, \
    created_at, review_at) VALUES ($1, $2, $3, 2, $4, $5, $6)";
const REGISTRATION_MOVE: &str = "UPDATE registration SET person = $4, form = 2, sealed = $5 \
    WHERE unit = $1 AND id = $2 AND person = $3";
const REGISTRATION_REVIEW: &str =
    "UPDATE registration SET review_at = $4 WHERE unit = $1 AND id = $2 AND review_at = $3";
const REGISTRATION_GONE: &str = "DELETE FROM registration WHERE unit = $1 AND id = $2";
const CONSENT_ADD: &str = "INSERT INTO consent (person, purpose, given_at, text_version, \
    withdrawn_at) VALUES ($1, $2, $3, $4, $5)";
const CONSENT_WITHDRAW: &str = "UPDATE consent SET withdrawn_at = $3 WHERE person = $1 \
    AND purpose = $2 AND withdrawn_at IS NULL";
const HOLD: &str = "UPDATE person SET held_at = $2, hold_reason = $3 WHERE id = $1";
const RELEASE: &str = "UPDATE person SET held_at = NULL, hold_reason = NULL WHERE id = $1";
const ERASE: &str = "DELETE FROM person WHERE id = $1 AND revision = $2 AND held_at IS NULL";
const ERASE_CONSENTS: &str = "DELETE FROM consent WHERE person = $1";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    PHONE_KEY,
    PHONE_KEY_SAME,
    PHONE_KEY_NEXT,
    BY_ID,
    BY_PHONE,
    PHONES,
    PHONES_OLD,
    CONSENTS,
    REGISTRATIONS,
    REGISTRATIONS_OF,
    REGISTRATIONS_OLD,
    REGISTRATIONS_DUE,
    ADD,
    RELIED,
    PHONE_ADD,
    PHONE_GONE,
    REPHONE,
    REGISTRATION_ADD,
    REGISTRATION_MOVE,
    REGISTRATION_REVIEW,
    REGISTRATION_GONE,
    CONSENT_ADD,
    CONSENT_WITHDRAW,
    HOLD,
    RELEASE,
    ERASE,
    ERASE_CONSENTS,
];

/// The identity of a person: 16 random bytes.
pub type PersonId = [u8; 16];

/// A person. Instants are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Random.
    pub id: PersonId,
    /// The tenant.
    pub brand: i64,
    /// The last four digits of the telephone.
    pub last4: String,
    /// Their own key, sealed.
    pub sealed_key: Vec<u8>,
    /// The telephone (E.164), sealed under their own key.
    pub sealed: Vec<u8>,
    /// When they were first met.
    pub created_at: i64,
    /// Since when a legal hold keeps their data from being erased, and from being used.
    pub held_at: Option<i64>,
    /// Why, sealed under their own key.
    pub hold_reason: Option<Vec<u8>>,
    /// Moves with every change.
    pub revision: i64,
}

/// By which hash a person is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneRow {
    /// Keyed hash of brand and telephone.
    pub hash: Vec<u8>,
    /// With which key.
    pub key: i64,
    /// The tenant.
    pub brand: i64,
    /// Who.
    pub person: PersonId,
}

/// What somebody agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRow {
    /// Who.
    pub person: PersonId,
    /// To what.
    pub purpose: String,
    /// Which sentences they read.
    pub text_version: String,
    /// When, microseconds.
    pub given_at: i64,
    /// When they withdrew it.
    pub withdrawn_at: Option<i64>,
}

/// A unit bound to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationRow {
    /// The unit.
    pub unit: i64,
    /// Row identity.
    pub id: [u8; 16],
    /// Who: see [`RegistrationRow::is_old`].
    pub person: PersonId,
    /// Whether `person` is a hash of the telephone and `sealed` is under the key of observations.
    pub is_old: bool,
    /// Particulars, sealed under the person's key.
    pub sealed: Vec<u8>,
    /// When, microseconds.
    pub created_at: i64,
    /// When to look whether the row is still needed.
    pub review_at: i64,
}

/// What a commit does to persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonChange {
    /// Relies on the telephone key being this one.
    PhoneKey(i64),
    /// The next telephone key after this one.
    NextPhoneKey(i64),
    /// A new person.
    Add(PersonRow),
    /// Relies on the person being at this revision, and moves it on.
    Relied(PersonId, i64),
    /// They are found by this from now on.
    Phone(PhoneRow),
    /// They are found by this no longer.
    PhoneGone(PhoneRow),
    /// Another telephone: person, last four digits, sealed.
    Rephone(PersonId, String, Vec<u8>),
    /// A unit is bound.
    Register(RegistrationRow),
    /// The row as read belongs to this person, its particulars are these.
    Move(RegistrationRow, PersonId, Vec<u8>),
    /// The row as read is looked at again then.
    Review(RegistrationRow, i64),
    /// A unit is bound no longer.
    Unbind(RegistrationRow),
    /// A consent.
    Consent(ConsentRow),
    /// A purpose is agreed to no longer: person, purpose, when.
    Withdraw(PersonId, String, i64),
    /// A legal hold: person, since when, why (sealed).
    Hold(PersonId, i64, Vec<u8>),
    /// No legal hold.
    Release(PersonId),
    /// Key, telephone and consents are gone; relies on the revision and on no hold.
    Erase(PersonId, i64),
}

impl PersonChange {
    pub(crate) fn steps(&self, steps: &mut Vec<Step>) {
        let step = match self {
            Self::PhoneKey(key) => Step::found(PHONE_KEY_SAME, vec![(*key).into()], "phone key"),
            Self::NextPhoneKey(key) => {
                Step::change_one(PHONE_KEY_NEXT, vec![(*key).into()], "phone key")
            }
            Self::Add(row) => add(row),
            Self::Relied(id, revision) => {
                Step::change_one(RELIED, vec![(*id).into(), (*revision).into()], "person")
            }
            Self::Phone(row) => Step::run(PHONE_ADD, phone(row)),
            Self::PhoneGone(row) => Step::change_one(PHONE_GONE, phone(row), "phone"),
            Self::Rephone(id, last4, sealed) => {
                Step::run(REPHONE, vec![(*id).into(), last4.into(), sealed.clone().into()])
            }
            Self::Register(row) => register(row),
            Self::Move(row, to, sealed) => {
                let mut params = place(row);
                params.extend([row.person.into(), (*to).into(), sealed.clone().into()]);
                Step::change_one(REGISTRATION_MOVE, params, "registration")
            }
            Self::Review(row, at) => {
                let mut params = place(row);
                params.extend([row.review_at.into(), (*at).into()]);
                Step::run(REGISTRATION_REVIEW, params)
            }
            Self::Unbind(row) => Step::change_one(REGISTRATION_GONE, place(row), "registration"),
            Self::Consent(row) => consent(row),
            Self::Withdraw(person, purpose, at) => {
                Step::run(CONSENT_WITHDRAW, vec![(*person).into(), purpose.into(), (*at).into()])
            }
            Self::Hold(id, at, reason) => {
                Step::run(HOLD, vec![(*id).into(), (*at).into(), reason.clone().into()])
            }
            Self::Release(id) => Step::run(RELEASE, vec![(*id).into()]),
            Self::Erase(id, revision) => {
                steps.push(Step::run(ERASE_CONSENTS, vec![(*id).into()]));
                Step::change_one(ERASE, vec![(*id).into(), (*revision).into()], "person")
            }
        };
        steps.push(step);
    }
}

fn add(row: &PersonRow) -> Step {
    let params: [Value; 6] = [
        row.id.into(),
        row.brand.into(),
        (&row.last4).into(),
        row.sealed_key.clone().into(),
        row.sealed.clone().into(),
        row.created_at.into(),
    ];
    Step::run(ADD, params.to_vec())
}

fn phone(row: &PhoneRow) -> Vec<Value> {
    vec![row.hash.clone().into(), row.key.into(), row.brand.into(), row.person.into()]
}

fn place(row: &RegistrationRow) -> Vec<Value> {
    vec![row.unit.into(), row.id.into()]
}

fn register(row: &RegistrationRow) -> Step {
    let mut params = place(row);
    params.extend([
        row.person.into(),
        row.sealed.clone().into(),
        row.created_at.into(),
        row.review_at.into(),
    ]);
    Step::run(REGISTRATION_ADD, params)
}

fn consent(row: &ConsentRow) -> Step {
    let params: [Value; 5] = [
        row.person.into(),
        (&row.purpose).into(),
        row.given_at.into(),
        (&row.text_version).into(),
        row.withdrawn_at.into(),
    ];
    Step::run(CONSENT_ADD, params.to_vec())
}

fn id16(bytes: Vec<u8>, column: usize) -> Result<[u8; 16], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::new(column, "an identity", "other bytes"))
}

fn person_row(r: &Row<'_>) -> Result<PersonRow, DecodeError> {
    Ok(PersonRow {
        id: id16(r.bytes(0)?, 0)?,
        brand: r.int(1)?,
        last4: r.text(2)?,
        sealed_key: r.bytes(3)?,
        sealed: r.bytes(4)?,
        created_at: r.int(5)?,
        held_at: r.opt_int(6)?,
        hold_reason: r.opt_bytes(7)?,
        revision: r.int(8)?,
    })
}

fn phone_row(r: &Row<'_>) -> Result<PhoneRow, DecodeError> {
    let person = id16(r.bytes(3)?, 3)?;
    Ok(PhoneRow { hash: r.bytes(0)?, key: r.int(1)?, brand: r.int(2)?, person })
}

fn registration_row(r: &Row<'_>) -> Result<RegistrationRow, DecodeError> {
    Ok(RegistrationRow {
        unit: r.int(0)?,
        id: id16(r.bytes(1)?, 1)?,
        person: id16(r.bytes(2)?, 2)?,
        is_old: r.int(3)? == 1,
        sealed: r.bytes(4)?,
        created_at: r.int(5)?,
        review_at: r.int(6)?,
    })
}

impl Store {
    /// The number of the present telephone key.
    pub async fn phone_key(&self) -> Result<i64, StoreError> {
        let key = self.engine.query_first(PHONE_KEY, &[], |r| r.int(0)).await?;
        key.ok_or_else(|| StoreError::Record("no telephone key is named".to_owned()))
    }

    /// A person by identity.
    pub async fn person_fetch(&self, id: &PersonId) -> Result<Option<PersonRow>, StoreError> {
        Ok(self.engine.query_first(BY_ID, &[(*id).into()], person_row).await?)
    }

    /// Who is found by one of two hashes: those of the present telephone key and the one before.
    pub async fn person_by_phone(
        &self,
        hashes: [Vec<u8>; 2],
        brand: i64,
    ) -> Result<Option<PersonId>, StoreError> {
        let [now, before] = hashes;
        let params = [now.into(), before.into(), brand.into()];
        let map = |r: &Row<'_>| id16(r.bytes(0)?, 0);
        Ok(self.engine.query_first(BY_PHONE, &params, map).await?)
    }

    /// By what a person is found.
    pub async fn phones_fetch(&self, person: &PersonId) -> Result<Vec<PhoneRow>, StoreError> {
        Ok(self.engine.query(PHONES, &[(*person).into()], phone_row).await?)
    }

    /// Hashes under keys before this one.
    pub async fn phones_before(&self, key: i64, most: i64) -> Result<Vec<PhoneRow>, StoreError> {
        Ok(self.engine.query(PHONES_OLD, &[key.into(), most.into()], phone_row).await?)
    }

    /// What a person agreed to, the earliest first.
    pub async fn consents_fetch(&self, person: &PersonId) -> Result<Vec<ConsentRow>, StoreError> {
        let map = |r: &Row<'_>| {
            Ok(ConsentRow {
                person: id16(r.bytes(0)?, 0)?,
                purpose: r.text(1)?,
                text_version: r.text(2)?,
                given_at: r.int(3)?,
                withdrawn_at: r.opt_int(4)?,
            })
        };
        Ok(self.engine.query(CONSENTS, &[(*person).into()], map).await?)
    }

    /// Who registered a unit, the earliest first.
    pub async fn registrations_fetch(&self, unit: i64) -> Result<Vec<RegistrationRow>, StoreError> {
        Ok(self.engine.query(REGISTRATIONS, &[unit.into()], registration_row).await?)
    }

    /// What a person registered, the earliest first.
    pub async fn registrations_of(
        &self,
        person: &PersonId,
    ) -> Result<Vec<RegistrationRow>, StoreError> {
        Ok(self.engine.query(REGISTRATIONS_OF, &[(*person).into()], registration_row).await?)
    }

    /// Rows of the old form, by unit, behind this one.
    pub async fn registrations_old(
        &self,
        after: i64,
        most: i64,
    ) -> Result<Vec<RegistrationRow>, StoreError> {
        let params = [after.into(), most.into()];
        Ok(self.engine.query(REGISTRATIONS_OLD, &params, registration_row).await?)
    }

    /// Rows to be looked at, whether they are still needed.
    pub async fn registrations_due(
        &self,
        now: i64,
        most: i64,
    ) -> Result<Vec<RegistrationRow>, StoreError> {
        let params = [now.into(), most.into()];
        Ok(self.engine.query(REGISTRATIONS_DUE, &params, registration_row).await?)
    }
}
