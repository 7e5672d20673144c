//! People who work here: accounts, what they may do in which brand, invitations, sessions, and the
//! waits after wrong tries. Changes go through [`Store::commit`], and those of accounts,
//! memberships and invitations only together with their record in the ledger, as changes of
//! reference rows do. They are no reference rows: a sign-in moves no version.
//!
//! Nothing here is opened: names, passwords and second factors are ciphertext, sessions and links
//! are known by a digest. Instants are microseconds.

use crate::engine::{DecodeError, Plan, Row, Step};
use crate::{Store, StoreError};

mod change;

pub use change::PeopleChange;
pub(crate) use change::{COMMIT_STATEMENTS, steps};

/// An identity of an account, membership or invitation.
pub type PersonalId = [u8; 16];

/// Somebody who works here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Opaque.
    pub id: PersonalId,
    /// Keyed hash of the name it signs in with.
    pub name_hash: Vec<u8>,
    /// Its names, sealed.
    pub sealed: Vec<u8>,
    /// Password and second factor, sealed.
    pub secrets: Vec<u8>,
    /// The step of the last one-time password taken.
    pub totp_step: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// Since when it may not sign in.
    pub disabled_at: Option<i64>,
    /// Moves with every change but the step.
    pub revision: i64,
}

/// What an account may do in a brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow {
    /// Opaque.
    pub id: PersonalId,
    /// Whose.
    pub account: PersonalId,
    /// The tenant.
    pub brand: i64,
    /// The party acted for.
    pub party: i64,
    /// The role's word.
    pub role: String,
    /// Prefixes of GB/T 2260 codes; none for everywhere.
    pub regions: Vec<String>,
    /// Since when.
    pub created_at: i64,
    /// Moves with every change.
    pub revision: i64,
}

/// An open hand: who has the link becomes a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationRow {
    /// SHA-256 of the link's secret.
    pub digest: Vec<u8>,
    /// Opaque.
    pub id: PersonalId,
    /// The tenant.
    pub brand: i64,
    /// The party to act for.
    pub party: i64,
    /// The role's word.
    pub role: String,
    /// Prefixes of GB/T 2260 codes; none for everywhere.
    pub regions: Vec<String>,
    /// Who is meant, sealed.
    pub sealed: Vec<u8>,
    /// Who invited.
    pub actor: String,
    /// When.
    pub created_at: i64,
    /// Until when it is open.
    pub expires_at: i64,
    /// When it was accepted.
    pub used_at: Option<i64>,
}

/// A link that is good once: for setting up, or for signing in as an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// SHA-256 of the link's secret.
    pub digest: Vec<u8>,
    /// As whom it signs in; none: it sets up.
    pub account: Option<PersonalId>,
    /// When it was made.
    pub created_at: i64,
    /// Until when it is good.
    pub expires_at: i64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of what the browser holds.
    pub digest: Vec<u8>,
    /// Whose.
    pub account: PersonalId,
    /// What it acts as, once that is chosen.
    pub membership: Option<PersonalId>,
    /// Address and browser, sealed.
    pub sealed: Vec<u8>,
    /// When it was opened.
    pub created_at: i64,
    /// When it was last used, to the minute.
    pub used_at: i64,
    /// When it ends at the latest.
    pub expires_at: i64,
}

/// A session with what it may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFound {
    /// The session.
    pub session: SessionRow,
    /// Since when its account may not sign in.
    pub disabled_at: Option<i64>,
    /// Its membership, while that stands.
    pub membership: Option<MembershipRow>,
}

/// What wrong tries make wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// Wrong tries in a row.
    pub failures: i64,
    /// Until when nobody may try.
    pub until: i64,
    /// When the last was.
    pub failed_at: i64,
}

macro_rules! session_columns {
    () => {
        "s.digest, s.account, s.membership, s.sealed, s.created_at, s.used_at, s.expires_at"
    };
}
macro_rules! membership_columns {
    () => {
        "m.id, m.account, m.brand_id, m.party_id, m.role, m.regions, m.created_at, m.revision"
    };
}
macro_rules! account_columns {
    () => {
        "a.id, a.name_hash, a.sealed, a.secrets, a.totp_step, a.created_at, a.disabled_at, \
         a.revision"
    };
}
macro_rules! invitation_columns {
    () => {
        "digest, id, brand_id, party_id, role, regions, sealed, actor, created_at, expires_at, \
         used_at"
    };
}

const SET_UP_DONE: &str = "SELECT done_at FROM set_up LIMIT 1";
const MEMBER: &str = "SELECT id FROM membership WHERE brand_id = $1 LIMIT 1";
const ACCOUNT: &str = concat!("SELECT ", account_columns!(), " FROM account a WHERE a.id = $1");
const ACCOUNT_NAMED: &str =
    concat!("SELECT ", account_columns!(), " FROM account a WHERE a.name_hash = $1");
const MEMBERSHIPS: &str = concat!(
    "SELECT ",
    membership_columns!(),
    " FROM membership m WHERE m.account = $1 ORDER BY m.brand_id, m.party_id, m.id"
);
const MEMBERS: &str = concat!(
    "SELECT ",
    membership_columns!(),
    ", ",
    account_columns!(),
    " FROM membership m JOIN account a ON a.id = m.account WHERE m.brand_id = $1 \
     ORDER BY m.created_at, m.id"
);
const INVITATION: &str =
    concat!("SELECT ", invitation_columns!(), " FROM invitation WHERE digest = $1");
const INVITATIONS: &str = concat!(
    "SELECT ",
    invitation_columns!(),
    " FROM invitation WHERE brand_id = $1 AND used_at IS NULL AND expires_at > $2 \
     ORDER BY created_at, id"
);
const LINK: &str = "SELECT digest, account, created_at, expires_at FROM one_time_link \
    WHERE digest = $1 AND expires_at > $2";
const SESSION: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", a.disabled_at, ",
    membership_columns!(),
    " FROM account_session s JOIN account a ON a.id = s.account \
     LEFT JOIN membership m ON m.id = s.membership AND m.account = s.account \
     WHERE s.digest = $1"
);
const SESSIONS: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM account_session s WHERE s.account = $1 ORDER BY s.created_at, s.digest"
);
const WAIT: &str = "SELECT failures, until_at, failed_at FROM sign_in_wait WHERE key = $1";
const SESSION_TOUCH: &str =
    "UPDATE account_session SET used_at = $2 WHERE digest = $1 AND used_at < $2";
const SESSIONS_FORGET: &str = "DELETE FROM account_session WHERE expires_at <= $1 OR used_at <= $2";
const WAITS_FORGET: &str = "DELETE FROM sign_in_wait WHERE failed_at <= $1 AND until_at <= $2";
const LINKS_FORGET: &str = "DELETE FROM one_time_link WHERE expires_at <= $1";

/// The statements of this file that stand outside commits.
pub(crate) const STATEMENTS: &[&str] = &[
    SET_UP_DONE,
    MEMBER,
    ACCOUNT,
    ACCOUNT_NAMED,
    MEMBERSHIPS,
    MEMBERS,
    INVITATION,
    INVITATIONS,
    LINK,
    SESSION,
    SESSIONS,
    WAIT,
    SESSION_TOUCH,
    SESSIONS_FORGET,
    WAITS_FORGET,
    LINKS_FORGET,
];

fn id_at(row: &Row<'_>, column: usize) -> Result<PersonalId, DecodeError> {
    let bytes = row.bytes(column)?;
    PersonalId::try_from(bytes).map_err(|_| DecodeError::new(column, "an identity", "other bytes"))
}

fn opt_id_at(row: &Row<'_>, column: usize) -> Result<Option<PersonalId>, DecodeError> {
    if row.opt_bytes(column)?.is_none() { Ok(None) } else { id_at(row, column).map(Some) }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn account(row: &Row<'_>, from: usize) -> Result<AccountRow, DecodeError> {
    Ok(AccountRow {
        id: id_at(row, from)?,
        name_hash: row.bytes(from + 1)?,
        sealed: row.bytes(from + 2)?,
        secrets: row.bytes(from + 3)?,
        totp_step: row.opt_int(from + 4)?,
        created_at: row.int(from + 5)?,
        disabled_at: row.opt_int(from + 6)?,
        revision: row.int(from + 7)?,
    })
}

fn membership(row: &Row<'_>, from: usize) -> Result<MembershipRow, DecodeError> {
    Ok(MembershipRow {
        id: id_at(row, from)?,
        account: id_at(row, from + 1)?,
        brand: row.int(from + 2)?,
        party: row.int(from + 3)?,
        role: row.text(from + 4)?,
        regions: words(&row.text(from + 5)?),
        created_at: row.int(from + 6)?,
        revision: row.int(from + 7)?,
    })
}

fn invitation(row: &Row<'_>) -> Result<InvitationRow, DecodeError> {
    Ok(InvitationRow {
        digest: row.bytes(0)?,
        id: id_at(row, 1)?,
        brand: row.int(2)?,
        party: row.int(3)?,
        role: row.text(4)?,
        regions: words(&row.text(5)?),
        sealed: row.bytes(6)?,
        actor: row.text(7)?,
        created_at: row.int(8)?,
        expires_at: row.int(9)?,
        used_at: row.opt_int(10)?,
    })
}

fn session(row: &Row<'_>) -> Result<SessionRow, DecodeError> {
    Ok(SessionRow {
        digest: row.bytes(0)?,
        account: id_at(row, 1)?,
        membership: opt_id_at(row, 2)?,
        sealed: row.bytes(3)?,
        created_at: row.int(4)?,
        used_at: row.int(5)?,
        expires_at: row.int(6)?,
    })
}

impl Store {
    /// Whether the deployment was set up through a link.
    ///
    /// # Errors
    /// The store cannot be read; so for every read below.
    pub async fn set_up_done(&self) -> Result<bool, StoreError> {
        Ok(self.engine.query_first(SET_UP_DONE, &[], |r| r.int(0)).await?.is_some())
    }

    /// Whether anybody may do something in a brand.
    pub async fn has_members(&self, brand: i64) -> Result<bool, StoreError> {
        Ok(self.engine.query_first(MEMBER, &[brand.into()], |r| r.bytes(0)).await?.is_some())
    }

    /// An account.
    pub async fn account_fetch(&self, id: &PersonalId) -> Result<Option<AccountRow>, StoreError> {
        Ok(self.engine.query_first(ACCOUNT, &[(*id).into()], |r| account(r, 0)).await?)
    }

    /// The account that signs in with a name, by the name's keyed hash.
    pub async fn account_named(&self, hash: &[u8]) -> Result<Option<AccountRow>, StoreError> {
        Ok(self.engine.query_first(ACCOUNT_NAMED, &[hash.into()], |r| account(r, 0)).await?)
    }

    /// What an account may do, in every brand.
    pub async fn memberships(&self, id: &PersonalId) -> Result<Vec<MembershipRow>, StoreError> {
        Ok(self.engine.query(MEMBERSHIPS, &[(*id).into()], |r| membership(r, 0)).await?)
    }

    /// Everybody who may do something in a brand.
    pub async fn members(
        &self,
        brand: i64,
    ) -> Result<Vec<(MembershipRow, AccountRow)>, StoreError> {
        let both = |r: &Row<'_>| Ok((membership(r, 0)?, account(r, 8)?));
        Ok(self.engine.query(MEMBERS, &[brand.into()], both).await?)
    }

    /// An invitation by the digest of its link, used and expired ones too.
    pub async fn invitation_fetch(
        &self,
        digest: &[u8],
    ) -> Result<Option<InvitationRow>, StoreError> {
        Ok(self.engine.query_first(INVITATION, &[digest.into()], invitation).await?)
    }

    /// The invitations of a brand that are open at `now`.
    pub async fn invitations(
        &self,
        brand: i64,
        now: i64,
    ) -> Result<Vec<InvitationRow>, StoreError> {
        Ok(self.engine.query(INVITATIONS, &[brand.into(), now.into()], invitation).await?)
    }

    /// A link that is good at `now`.
    pub async fn link_fetch(&self, digest: &[u8], now: i64) -> Result<Option<LinkRow>, StoreError> {
        let link = |r: &Row<'_>| {
            Ok(LinkRow {
                digest: r.bytes(0)?,
                account: opt_id_at(r, 1)?,
                created_at: r.int(2)?,
                expires_at: r.int(3)?,
            })
        };
        Ok(self.engine.query_first(LINK, &[digest.into(), now.into()], link).await?)
    }

    /// A session by its digest with what it may do now, over or not: one indexed read.
    pub async fn session_fetch(&self, digest: &[u8]) -> Result<Option<SessionFound>, StoreError> {
        let found = |r: &Row<'_>| {
            let chosen = r.opt_bytes(8)?.is_some();
            Ok(SessionFound {
                session: session(r)?,
                disabled_at: r.opt_int(7)?,
                membership: if chosen { Some(membership(r, 8)?) } else { None },
            })
        };
        Ok(self.engine.query_first(SESSION, &[digest.into()], found).await?)
    }

    /// The sessions of an account, over or not.
    pub async fn sessions(&self, account: &PersonalId) -> Result<Vec<SessionRow>, StoreError> {
        Ok(self.engine.query(SESSIONS, &[(*account).into()], session).await?)
    }

    /// What waits under a key.
    pub async fn wait_fetch(&self, key: &[u8]) -> Result<Option<Wait>, StoreError> {
        let wait =
            |r: &Row<'_>| Ok(Wait { failures: r.int(0)?, until: r.int(1)?, failed_at: r.int(2)? });
        Ok(self.engine.query_first(WAIT, &[key.into()], wait).await?)
    }

    /// Writes down when a session was used; never an earlier instant than the one known.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn session_touch(&self, digest: &[u8], used_at: i64) -> Result<(), StoreError> {
        let step = Step::run(SESSION_TOUCH, vec![digest.into(), used_at.into()]);
        self.engine.write(Plan::new(vec![step])).await.map_err(StoreError::Write)
    }

    /// Deletes sessions that ended by `now` or were not used since `idle`, links that ended, and
    /// waits that ended whose last wrong try was before `failed`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn people_forget(&self, now: i64, idle: i64, failed: i64) -> Result<(), StoreError> {
        let steps = vec![
            Step::run(SESSIONS_FORGET, vec![now.into(), idle.into()]),
            Step::run(WAITS_FORGET, vec![failed.into(), now.into()]),
            Step::run(LINKS_FORGET, vec![now.into()]),
        ];
        self.engine.write(Plan::new(steps)).await.map_err(StoreError::Write)
    }
}
