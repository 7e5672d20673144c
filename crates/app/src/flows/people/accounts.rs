//! Accounts as the flows of people see them: opened from their seals, changed under their revision,
//! each change with its record. An account is a person who works here; consumers are none.
//!
//! Names, password and second factor lie sealed under labels that name the account, so that no row
//! can be passed off as another's. A name is found by its keyed hash.

use crate::flows::changes::{self, Author, instant_text};
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::reference::Reference;
use crate::secrets::{self, SecretsError};
use domain::audit::{Fields, differences};
use domain::id::PartyId;
use domain::refusal::{Refusal, Refused};
use domain::text::NAME_CHARS_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::canonical::{hex, unhex};
use store::commit::Commit;
use store::people::{AccountRow, InvitationRow, MembershipRow, PeopleChange, PersonalId};

/// Under which a sign-in name is hashed.
const NAME_DOMAIN: &str = "dossier sign-in name v1";
const RECOVERY_DOMAIN: &str = "dossier recovery code v1";

/// What somebody is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The name to sign in with, as it is compared.
    pub sign_in: String,
    /// The name as shown.
    pub name: String,
}

/// What opens an account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(in crate::flows) struct Locks {
    /// argon2id in the PHC form.
    pub password: String,
    /// The secret of the second factor, hex; none while there is none.
    pub totp: Option<String>,
    /// One that was begun and not confirmed.
    pub begun: Option<String>,
    /// Keyed hashes of the recovery codes that are left.
    pub recovery: Vec<String>,
}

/// An account, opened.
#[derive(Clone)]
pub(in crate::flows) struct Account {
    pub row: AccountRow,
    pub names: Names,
    pub locks: Locks,
}

/// Names and a password that somebody chose.
#[derive(Clone, Default)]
pub struct Chosen {
    /// The name to sign in with.
    pub sign_in: String,
    /// The name as shown; empty for the same.
    pub name: String,
    /// The password.
    pub password: String,
}

impl Chosen {
    /// The names as they are kept.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`] at `sign_in_name`, `name` or `password`.
    pub fn sound(&self) -> Result<Names, Refused> {
        let sign_in = domain::sign_in::name(&self.sign_in)
            .map_err(|why| Refused::invalid("sign_in_name", why))?;
        let name = domain::text::optional(&self.name, NAME_CHARS_MAX)
            .map_err(|why| Refused::invalid("name", why))?;
        domain::password::check(&self.password, &sign_in)
            .map_err(|why| Refused::invalid("password", why))?;
        let name = if name.is_empty() { self.sign_in.trim().to_owned() } else { name };
        Ok(Names { sign_in, name })
    }
}

impl Account {
    /// A new one.
    pub fn new(house: &House, names: Names, password: String) -> Result<Self, FlowError> {
        let row = AccountRow {
            id: secrets::random::<16>()?,
            name_hash: name_hash(house, &names.sign_in),
            sealed: Vec::new(),
            secrets: Vec::new(),
            totp_step: None,
            created_at: house.clock.now().as_microsecond(),
            disabled_at: None,
            revision: 1,
        };
        Ok(Self { row, names, locks: Locks { password, ..Locks::default() } })
    }

    /// Opens a row.
    pub fn open(house: &House, row: AccountRow) -> Result<Self, FlowError> {
        let names = unsealed(house, &names_label(&row.id), &row.sealed)?;
        let locks = unsealed(house, &locks_label(&row.id), &row.secrets)?;
        Ok(Self { row, names, locks })
    }

    /// What the ledger shows when it acts.
    pub fn actor(&self) -> String {
        actor(&self.row.id)
    }

    /// The secret of its second factor.
    pub fn totp(&self) -> Option<Vec<u8>> {
        self.locks.totp.as_deref().and_then(unhex)
    }

    fn fields(&self) -> Fields {
        let Names { sign_in, name } = &self.names;
        let Locks { password, totp, recovery, .. } = &self.locks;
        let disabled = self.row.disabled_at.map(instant_text);
        vec![
            ("sign_in_name", sign_in.clone()),
            ("person_name", name.clone()),
            ("password", password.clone()),
            ("second_factor", totp.clone().unwrap_or_default()),
            ("recovery_codes", recovery.join(" ")),
            ("recovery_code_count", recovery.len().to_string()),
            ("disabled_at", disabled.unwrap_or_default()),
        ]
    }

    /// Seals it into a commit with its record: made, or changed from `before`.
    pub fn put(
        mut self,
        house: &House,
        author: &Author,
        before: Option<&Self>,
        commit: &mut Commit,
    ) -> Result<(), FlowError> {
        let was = before.map(|account| account.row.revision);
        self.row.revision = was.map_or(1, |revision| revision + 1);
        self.row.sealed = sealed(house, &names_label(&self.row.id), &self.names)?;
        self.row.secrets = sealed(house, &locks_label(&self.row.id), &self.locks)?;
        let verb = match (before, self.row.disabled_at) {
            (None, _) => "created",
            (Some(before), Some(_)) if before.row.disabled_at.is_none() => "disabled",
            (Some(before), None) if before.row.disabled_at.is_some() => "enabled",
            _ => "changed",
        };
        let fields = (before.map(Self::fields).unwrap_or_default(), self.fields());
        let named = ("account", &*hex(&self.row.id), verb);
        changes::tell(house, author, named, differences(&fields.0, &fields.1), commit)?;
        commit.people.push(PeopleChange::Account(self.row, was));
        Ok(())
    }
}

/// What the ledger shows as actor for an account.
pub fn actor(id: &PersonalId) -> String {
    format!("account:{}", hex(id))
}

/// Reads an identity as it is shown.
pub(in crate::flows) fn id_of(text: &str) -> Option<PersonalId> {
    unhex(text).and_then(|bytes| PersonalId::try_from(bytes).ok())
}

/// The keyed hash of a sign-in name.
pub(in crate::flows) fn name_hash(house: &House, name: &str) -> Vec<u8> {
    house.secrets.hash(NAME_DOMAIN, name)
}

/// The keyed hash of a recovery code of an account.
pub(in crate::flows) fn recovery_hash(house: &House, id: &PersonalId, code: &str) -> String {
    hex(&house.secrets.hash(RECOVERY_DOMAIN, &format!("{} {code}", hex(id))))
}

/// An account by its identity.
pub(in crate::flows) async fn fetch(house: &House, id: &PersonalId) -> Result<Account, FlowError> {
    let row = house.store.account_fetch(id).await?;
    let row = row.ok_or_else(|| Refused::new(Refusal::UnknownAccount, "id"))?;
    Account::open(house, row)
}

fn names_label(id: &PersonalId) -> String {
    format!("dossier account names v1 {}", hex(id))
}

fn locks_label(id: &PersonalId) -> String {
    format!("dossier account locks v1 {}", hex(id))
}

/// A value under a label.
pub(in crate::flows) fn sealed<T: Serialize>(
    house: &House,
    label: &str,
    value: &T,
) -> Result<Vec<u8>, FlowError> {
    let text = serde_json::to_vec(value).map_err(|_| SecretsError::Wrong)?;
    Ok(house.secrets.seal(label, &zeroize::Zeroizing::new(text))?)
}

/// What [`sealed`] sealed.
pub(in crate::flows) fn unsealed<T: DeserializeOwned>(
    house: &House,
    label: &str,
    sealed: &[u8],
) -> Result<T, FlowError> {
    let text = house.secrets.open(label, sealed)?;
    Ok(serde_json::from_slice(&text).map_err(|_| SecretsError::Wrong)?)
}

/// Adds a membership, given or changed from `before`, with its record.
pub(in crate::flows) fn put_membership(
    house: &House,
    author: &Author,
    (reference, before): (&Reference, Option<&MembershipRow>),
    mut row: MembershipRow,
    commit: &mut Commit,
) -> Result<(), FlowError> {
    let was = before.map(|row| row.revision);
    row.revision = was.map_or(1, |revision| revision + 1);
    let fields = |row: &MembershipRow| membership_fields(reference, row);
    let pair = (before.map(fields).unwrap_or_default(), fields(&row));
    let verb = if before.is_some() { "changed" } else { "created" };
    let named = ("membership", &*hex(&row.id), verb);
    changes::tell(house, author, named, differences(&pair.0, &pair.1), commit)?;
    commit.people.push(PeopleChange::Membership(row, was));
    Ok(())
}

/// Ends a membership, with its record.
pub(in crate::flows) fn end_membership(
    house: &House,
    author: &Author,
    reference: &Reference,
    row: &MembershipRow,
    commit: &mut Commit,
) -> Result<(), FlowError> {
    let fields = membership_fields(reference, row);
    let named = ("membership", &*hex(&row.id), "ended");
    changes::tell(house, author, named, differences(&fields, &Fields::new()), commit)?;
    commit.people.push(PeopleChange::MembershipEnded(row.id, row.revision));
    Ok(())
}

fn membership_fields(reference: &Reference, row: &MembershipRow) -> Fields {
    vec![
        ("account", hex(&row.account)),
        ("party", code_of(reference, row.party)),
        ("role", row.role.clone()),
        ("regions", row.regions.join(" ")),
    ]
}

/// The fields of an invitation's record; whom it names is told as there, without the name.
pub(in crate::flows) fn invitation_fields(
    reference: &Reference,
    row: &InvitationRow,
    name: &str,
) -> Fields {
    vec![
        ("party", code_of(reference, row.party)),
        ("role", row.role.clone()),
        ("regions", row.regions.join(" ")),
        ("person_name", name.to_owned()),
        ("expires_at", instant_text(row.expires_at)),
    ]
}

/// The code of a party.
pub(in crate::flows) fn code_of(reference: &Reference, party: i64) -> String {
    reference.tree.get(PartyId(party)).map(|p| p.code.clone()).unwrap_or_default()
}
