//! What a commit writes of the people who work here.

use super::{AccountRow, InvitationRow, LinkRow, MembershipRow, PersonalId, SessionRow, Wait};
use crate::commit::Commit;
use crate::engine::Step;

/// A change of who works here, and of sessions and waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeopleChange {
    /// An account is made, or changed from this revision on.
    Account(AccountRow, Option<i64>),
    /// The account is still at this revision.
    AccountStands(PersonalId, i64),
    /// A membership is given, or changed from this revision on.
    Membership(MembershipRow, Option<i64>),
    /// A membership ends that was at this revision.
    MembershipEnded(PersonalId, i64),
    /// Somebody is invited.
    Invitation(InvitationRow),
    /// An open invitation is accepted at this instant.
    InvitationUsed(PersonalId, i64),
    /// An open invitation is withdrawn.
    InvitationEnded(PersonalId),
    /// A link is given.
    Link(LinkRow),
    /// A link is used at this instant; it is gone then.
    LinkUsed(Vec<u8>, i64),
    /// The deployment is set up at this instant: once for all.
    SetUp(i64),
    /// A session opens.
    Session(SessionRow),
    /// A session of an account ends.
    SessionEnded(Vec<u8>, PersonalId),
    /// Every session of an account ends.
    SessionsEnded(PersonalId),
    /// A one-time password of this step is taken; a later or equal one was not.
    TotpStep(PersonalId, i64),
    /// Tries are counted under a key, from what was read.
    Wait {
        /// Keyed hash of what is counted.
        key: Vec<u8>,
        /// What stood there.
        was: Option<Wait>,
        /// What stands there now; none when nothing does.
        now: Option<Wait>,
    },
}

impl PeopleChange {
    /// Kind and code of the object whose record must be in the same commit.
    pub(crate) fn recorded_as(&self) -> Option<(&'static str, String)> {
        let (kind, id) = match self {
            Self::Account(row, _) => ("account", row.id),
            Self::Membership(row, _) => ("membership", row.id),
            Self::MembershipEnded(id, _) => ("membership", *id),
            Self::Invitation(row) => ("invitation", row.id),
            Self::InvitationUsed(id, _) | Self::InvitationEnded(id) => ("invitation", *id),
            _ => return None,
        };
        Some((kind, crate::canonical::hex(&id)))
    }

    fn steps(&self, steps: &mut Vec<Step>) {
        match self {
            Self::Account(row, was) => steps.push(account_put(row, *was)),
            Self::AccountStands(id, revision) => {
                let params = vec![(*id).into(), (*revision).into()];
                steps.push(Step::found(ACCOUNT_STANDS, params, "account"));
            }
            Self::Membership(row, was) => steps.push(membership_put(row, *was)),
            Self::MembershipEnded(id, revision) => {
                let params = vec![(*id).into(), (*revision).into()];
                steps.push(Step::change_one(MEMBERSHIP_END, params, "membership"));
            }
            Self::Invitation(row) => steps.push(invitation_add(row)),
            Self::InvitationUsed(id, at) => {
                let params = vec![(*id).into(), (*at).into()];
                steps.push(Step::change_one(INVITATION_USE, params, "invitation"));
            }
            Self::InvitationEnded(id) => {
                steps.push(Step::change_one(INVITATION_END, vec![(*id).into()], "invitation"));
            }
            Self::Link(row) => {
                let params = vec![
                    row.digest.clone().into(),
                    row.account.map(|id| id.to_vec()).into(),
                    row.created_at.into(),
                    row.expires_at.into(),
                ];
                steps.push(Step::run(LINK_ADD, params));
            }
            Self::LinkUsed(digest, at) => {
                let params = vec![digest.clone().into(), (*at).into()];
                steps.push(Step::change_one(LINK_USE, params, "link"));
            }
            Self::SetUp(at) => {
                steps.push(Step::run(SET_UP, vec!["owner".into(), (*at).into()]));
                steps.push(Step::run(SET_UP_LINKS_END, Vec::new()));
            }
            Self::Session(row) => steps.push(session_add(row)),
            Self::SessionEnded(digest, account) => {
                let params = vec![digest.clone().into(), (*account).into()];
                steps.push(Step::change_one(SESSION_END, params, "session"));
            }
            Self::SessionsEnded(account) => {
                steps.push(Step::run(SESSIONS_END, vec![(*account).into()]));
            }
            Self::TotpStep(account, step) => {
                let params = vec![(*account).into(), (*step).into()];
                steps.push(Step::change_one(TOTP_STEP, params, "one-time password"));
            }
            Self::Wait { key, was, now } => steps.push(wait_put(key, *was, *now)),
        }
    }
}

pub(crate) fn steps(commit: &Commit, steps: &mut Vec<Step>) {
    commit.people.iter().for_each(|change| change.steps(steps));
}

const ACCOUNT_ADD: &str = "INSERT INTO account (id, name_hash, sealed, secrets, totp_step, \
    created_at, disabled_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// A step that was taken meanwhile stays taken.
const ACCOUNT_PUT: &str = "UPDATE account SET name_hash = $2, sealed = $3, secrets = $4, \
    totp_step = CASE WHEN totp_step > $5 OR $5 IS NULL THEN totp_step ELSE $5 END, \
    disabled_at = $6, revision = $7 WHERE id = $1 AND revision = $8";
const ACCOUNT_STANDS: &str = "SELECT id FROM account WHERE id = $1 AND revision = $2";
const MEMBERSHIP_ADD: &str = "INSERT INTO membership (id, account, brand_id, party_id, role, \
    regions, created_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const MEMBERSHIP_PUT: &str = "UPDATE membership SET party_id = $2, role = $3, regions = $4, \
    revision = $5 WHERE id = $1 AND revision = $6";
const MEMBERSHIP_END: &str = "DELETE FROM membership WHERE id = $1 AND revision = $2";
const INVITATION_ADD: &str = "INSERT INTO invitation (digest, id, brand_id, party_id, role, \
    regions, sealed, actor, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
    $10)";
const INVITATION_USE: &str =
    "UPDATE invitation SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2";
const INVITATION_END: &str = "DELETE FROM invitation WHERE id = $1 AND used_at IS NULL";
const LINK_ADD: &str = "INSERT INTO one_time_link (digest, account, created_at, expires_at) \
    VALUES ($1, $2, $3, $4)";
const LINK_USE: &str = "DELETE FROM one_time_link WHERE digest = $1 AND expires_at > $2";
const SET_UP: &str = "INSERT INTO set_up (name, done_at) VALUES ($1, $2)";
const SET_UP_LINKS_END: &str = "DELETE FROM one_time_link WHERE account IS NULL";
const SESSION_ADD: &str = "INSERT INTO account_session (digest, account, membership, sealed, \
    created_at, used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SESSION_END: &str = "DELETE FROM account_session WHERE digest = $1 AND account = $2";
const SESSIONS_END: &str = "DELETE FROM account_session WHERE account = $1";
const TOTP_STEP: &str = "UPDATE account SET totp_step = $2 \
    WHERE id = $1 AND (totp_step IS NULL OR totp_step < $2)";
const WAIT_ADD: &str =
    "INSERT INTO sign_in_wait (key, failures, until_at, failed_at) VALUES ($1, $2, $3, $4)";
const WAIT_PUT: &str = "UPDATE sign_in_wait SET failures = $2, until_at = $3, failed_at = $4 \
    WHERE key = $1 AND failures = $5 AND until_at = $6 AND failed_at = $7";
const WAIT_END: &str = "DELETE FROM sign_in_wait \
    WHERE key = $1 AND failures = $2 AND until_at = $3 AND failed_at = $4";

/// The statements that commits run.
pub(crate) const COMMIT_STATEMENTS: &[&str] = &[
    ACCOUNT_ADD,
    ACCOUNT_PUT,
    ACCOUNT_STANDS,
    MEMBERSHIP_ADD,
    MEMBERSHIP_PUT,
    MEMBERSHIP_END,
    INVITATION_ADD,
    INVITATION_USE,
    INVITATION_END,
    LINK_ADD,
    LINK_USE,
    SET_UP,
    SET_UP_LINKS_END,
    SESSION_ADD,
    SESSION_END,
    SESSIONS_END,
    TOTP_STEP,
    WAIT_ADD,
    WAIT_PUT,
    WAIT_END,
];

fn account_put(row: &AccountRow, was: Option<i64>) -> Step {
    let id = row.id.into();
    let hash = row.name_hash.clone().into();
    let (sealed, secrets) = (row.sealed.clone().into(), row.secrets.clone().into());
    let (step, disabled) = (row.totp_step.into(), row.disabled_at.into());
    match was {
        None => {
            let rest = [row.created_at.into(), disabled, row.revision.into()];
            let params = [id, hash, sealed, secrets, step].into_iter().chain(rest).collect();
            Step::run(ACCOUNT_ADD, params)
        }
        Some(was) => {
            let rest = [disabled, row.revision.into(), was.into()];
            let params = [id, hash, sealed, secrets, step].into_iter().chain(rest).collect();
            Step::change_one(ACCOUNT_PUT, params, "account")
        }
    }
}

fn membership_put(row: &MembershipRow, was: Option<i64>) -> Step {
    let regions = row.regions.join(" ");
    match was {
        None => Step::run(
            MEMBERSHIP_ADD,
            vec![
                row.id.into(),
                row.account.into(),
                row.brand.into(),
                row.party.into(),
                (&row.role).into(),
                regions.into(),
                row.created_at.into(),
                row.revision.into(),
            ],
        ),
        Some(was) => {
            let params = vec![
                row.id.into(),
                row.party.into(),
                (&row.role).into(),
                regions.into(),
                row.revision.into(),
                was.into(),
            ];
            Step::change_one(MEMBERSHIP_PUT, params, "membership")
        }
    }
}

fn invitation_add(row: &InvitationRow) -> Step {
    let params = vec![
        row.digest.clone().into(),
        row.id.into(),
        row.brand.into(),
        row.party.into(),
        (&row.role).into(),
        row.regions.join(" ").into(),
        row.sealed.clone().into(),
        (&row.actor).into(),
        row.created_at.into(),
        row.expires_at.into(),
    ];
    Step::run(INVITATION_ADD, params)
}

fn session_add(row: &SessionRow) -> Step {
    let params = vec![
        row.digest.clone().into(),
        row.account.into(),
        row.membership.map(|id| id.to_vec()).into(),
        row.sealed.clone().into(),
        row.created_at.into(),
        row.used_at.into(),
        row.expires_at.into(),
    ];
    Step::run(SESSION_ADD, params)
}

fn wait_put(key: &[u8], was: Option<Wait>, now: Option<Wait>) -> Step {
    let of = |wait: Wait| [wait.failures.into(), wait.until.into(), wait.failed_at.into()];
    let key = std::iter::once(key.into());
    match (was, now) {
        (None, now) => Step::run(WAIT_ADD, key.chain(of(now.unwrap_or_default())).collect()),
        (Some(was), Some(now)) => {
            let params = key.chain(of(now)).chain(of(was)).collect();
            Step::change_one(WAIT_PUT, params, "wait")
        }
        (Some(was), None) => Step::change_one(WAIT_END, key.chain(of(was)).collect(), "wait"),
    }
}
