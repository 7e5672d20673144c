//! Sessions: what a browser holds after somebody signed in. It holds 256 random bits, the store
//! their SHA-256; a session that was ended is refused at the very next request, whoever ended it.
//!
//! A session acts as one membership. Whoever has several chooses, and choosing another is a new
//! session: the old one's secret is good no more.

use crate::flows::caller::Caller;
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::people::accounts::{self, actor, sealed, unsealed};
use crate::flows::reference::Reference;
use crate::secrets;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::id::{BrandId, PartyId};
use domain::refusal::{Refusal, Refused};
use domain::role::Role;
use domain::sign_in::{IDLE_MAX, SESSION_MAX, is_live};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use store::canonical::hex;
use store::commit::Commit;
use store::people::{MembershipRow, PeopleChange, PersonalId, SessionRow};

const PLACE_LABEL: &str = "dossier session place v1";
/// A use is written down when the last one known is older: a minute.
const TOUCH_MICROS: i64 = 60 * 1_000_000;
/// Characters kept of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 24;
/// Bytes of a session's digest that name it.
const NAME_BYTES: usize = 16;

/// From where somebody comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address.
    pub address: Option<IpAddr>,
    /// What the browser calls itself, as it came.
    pub agent: String,
}

/// What is kept of an origin, sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The address, as text.
    pub address: String,
    /// The browser's family.
    pub agent: String,
}

impl From<&Origin> for Place {
    fn from(origin: &Origin) -> Self {
        let address = origin.address.map(|a| a.to_canonical().to_string()).unwrap_or_default();
        Self { address, agent: family(&origin.agent) }
    }
}

/// The family of a browser by its own words, without what would tell one from another.
fn family(agent: &str) -> String {
    let known = ["MicroMessenger", "Edg", "Firefox", "HuaweiBrowser", "Chrome", "Safari", "curl"];
    let system = ["HarmonyOS", "Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"];
    let of = |words: &[&str]| words.iter().find(|word| agent.contains(**word)).map(|w| (*w).into());
    let parts: Vec<String> = [of(&known), of(&system)].into_iter().flatten().collect();
    parts.join(" / ").chars().take(AGENT_CHARS_MAX).collect()
}

/// A session somebody came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What the store knows it by.
    pub digest: Vec<u8>,
    /// Whose.
    pub account: PersonalId,
    /// What it acts as, once that is chosen.
    pub membership: Option<MembershipRow>,
    /// When it was opened, microseconds.
    pub created_at: i64,
    /// When it ends at the latest, microseconds.
    pub expires_at: i64,
}

/// A session that was opened just now.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The only copy of what the browser is to hold.
    pub token: String,
    /// The session.
    pub session: Session,
}

/// A session as its owner is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTold {
    /// Its name, which opens nothing.
    pub id: String,
    /// Whether it is the one that asks.
    pub present: bool,
    /// From where it was opened.
    pub place: Place,
    /// When it was opened, microseconds.
    pub created_at: i64,
    /// When it was last used, microseconds, to the minute.
    pub used_at: i64,
    /// When it ends at the latest, microseconds.
    pub expires_at: i64,
}

/// A fresh secret for a link or a session, and what is kept of it.
pub(in crate::flows) fn secret() -> Result<(String, Vec<u8>), FlowError> {
    let token = BASE64.encode(secrets::random::<32>()?);
    let digest = digest_of(&token);
    Ok((token, digest))
}

/// What is kept of a secret.
pub(in crate::flows) fn digest_of(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// A session to be put into a commit, acting as this membership.
pub(in crate::flows) fn fresh(
    house: &House,
    account: PersonalId,
    membership: Option<MembershipRow>,
    place: &Place,
) -> Result<(Opened, SessionRow), FlowError> {
    let (token, digest) = secret()?;
    let now = house.clock.now();
    let row = SessionRow {
        sealed: sealed(house, &place_label(&digest), place)?,
        digest,
        account,
        membership: membership.as_ref().map(|m| m.id),
        created_at: now.as_microsecond(),
        used_at: now.as_microsecond(),
        expires_at: (now + SESSION_MAX).as_microsecond(),
    };
    Ok((Opened { token, session: of(&row, membership) }, row))
}

fn of(row: &SessionRow, membership: Option<MembershipRow>) -> Session {
    Session {
        digest: row.digest.clone(),
        account: row.account,
        membership,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

/// The membership a new session acts as: the only one there is.
pub(in crate::flows) async fn only_membership(
    house: &House,
    account: &PersonalId,
) -> Result<Option<MembershipRow>, FlowError> {
    let mut all = house.store.memberships(account).await?;
    Ok(if all.len() == 1 { all.pop() } else { None })
}

/// Who comes with a session's secret, if anyone; and as whom, once that is chosen.
///
/// # Errors
/// The store cannot be read.
pub async fn authenticate(
    house: &House,
    token: &str,
    address: IpAddr,
) -> Result<Option<(Session, Option<Caller>)>, FlowError> {
    let digest = digest_of(token);
    let Some(found) = house.store.session_fetch(&digest).await? else { return Ok(None) };
    let now = house.clock.now();
    let row = &found.session;
    let live = live(row, now) && found.disabled_at.is_none();
    if !live {
        return Ok(None);
    }
    if now.as_microsecond() - row.used_at >= TOUCH_MICROS {
        // Not worth an answer: the session is good, and the next request tries again.
        if let Err(error) = house.store.session_touch(&digest, now.as_microsecond()).await {
            tracing::warn!(%error, "the use of a session was not written down");
        }
    }
    let reference = house.reference().await?;
    let caller = found.membership.as_ref().and_then(|m| caller(&reference, m));
    let caller = caller.map(|caller| Caller { address: Some(address), ..caller });
    Ok(Some((of(row, found.membership), caller)))
}

fn live(row: &SessionRow, now: Timestamp) -> bool {
    let at = crate::flows::custody::instant;
    is_live(at(row.used_at), at(row.expires_at), now)
}

/// Who acts as a membership. None where its role or party is not known to this program.
pub fn caller(reference: &Reference, row: &MembershipRow) -> Option<Caller> {
    let role = Role::parse(&row.role)?;
    let party = reference.tree.get(PartyId(row.party)).filter(|p| p.brand.0 == row.brand)?;
    Some(Caller {
        brand: BrandId(row.brand),
        party: party.id,
        scopes: role.scopes().to_vec(),
        regions: row.regions.clone(),
        role: Some(role),
        actor: actor(&row.account),
        address: None,
    })
}

/// Everything somebody may act as now, by the account in the ledger's digits; nothing once it is
/// disabled.
pub(in crate::flows) async fn acting(
    house: &House,
    reference: &Reference,
    id: &str,
) -> Result<Vec<Caller>, FlowError> {
    let Some(id) = accounts::id_of(id) else { return Ok(Vec::new()) };
    let account = house.store.account_fetch(&id).await?;
    if account.is_none_or(|account| account.disabled_at.is_some()) {
        return Ok(Vec::new());
    }
    let rows = house.store.memberships(&id).await?;
    Ok(rows.iter().filter_map(|row| caller(reference, row)).collect())
}

/// The sessions of the account, the oldest first; those that are over are left out.
///
/// # Errors
/// The store cannot be read.
pub async fn list(house: &House, session: &Session) -> Result<Vec<SessionTold>, FlowError> {
    let now = house.clock.now();
    let rows = house.store.sessions(&session.account).await?;
    let told = |row: &SessionRow| SessionTold {
        id: name_of(row),
        present: row.digest == session.digest,
        place: place(house, row),
        created_at: row.created_at,
        used_at: row.used_at,
        expires_at: row.expires_at,
    };
    Ok(rows.iter().filter(|row| live(row, now)).map(told).collect())
}

/// From where the account's good sessions were opened.
pub(in crate::flows) async fn known_places(
    house: &House,
    account: &PersonalId,
) -> Result<Vec<Place>, FlowError> {
    let now = house.clock.now();
    let rows = house.store.sessions(account).await?;
    Ok(rows.iter().filter(|row| live(row, now)).map(|row| place(house, row)).collect())
}

fn place_label(digest: &[u8]) -> String {
    format!("{PLACE_LABEL} {}", hex(digest))
}

fn place(house: &House, row: &SessionRow) -> Place {
    unsealed(house, &place_label(&row.digest), &row.sealed).unwrap_or_default()
}

fn name_of(row: &SessionRow) -> String {
    hex(&row.digest[..NAME_BYTES.min(row.digest.len())])
}

/// Ends a session of the same account by its name.
///
/// # Errors
/// [`Refusal::UnknownSession`].
pub async fn end(house: &House, session: &Session, id: &str) -> Result<(), FlowError> {
    let rows = house.store.sessions(&session.account).await?;
    let row = rows.into_iter().find(|row| name_of(row) == id);
    let row = row.ok_or_else(|| Refused::new(Refusal::UnknownSession, "id"))?;
    close(house, &row.digest, row.account).await
}

/// Signs out.
///
/// # Errors
/// The store cannot be written.
pub async fn sign_out(house: &House, session: &Session) -> Result<(), FlowError> {
    close(house, &session.digest, session.account).await
}

async fn close(house: &House, digest: &[u8], account: PersonalId) -> Result<(), FlowError> {
    let people = vec![PeopleChange::SessionEnded(digest.to_vec(), account)];
    match house.store.commit(&Commit { people, ..Commit::default() }).await {
        // Somebody else ended it meanwhile.
        Err(error) if error.is_race() => Ok(()),
        ended => Ok(ended?),
    }
}

/// Acts as another membership from now on, in a session of its own.
///
/// # Errors
/// [`Refusal::UnknownMembership`].
pub async fn choose(
    house: &House,
    session: &Session,
    (membership, origin): (&str, &Origin),
) -> Result<Opened, FlowError> {
    let wanted = accounts::id_of(membership);
    let all = house.store.memberships(&session.account).await?;
    let row = all.into_iter().find(|row| Some(row.id) == wanted);
    let row = row.ok_or_else(|| Refused::new(Refusal::UnknownMembership, "membership"))?;
    let (mut opened, mut next) = fresh(house, session.account, Some(row), &origin.into())?;
    // Choosing again and again lengthens nothing.
    next.expires_at = session.expires_at;
    opened.session.expires_at = session.expires_at;
    let ended = PeopleChange::SessionEnded(session.digest.clone(), session.account);
    let people = vec![ended, PeopleChange::Session(next)];
    match house.store.commit(&Commit { people, ..Commit::default() }).await {
        // The session that asks was ended meanwhile.
        Err(error) if error.is_race() => Err(Refused::new(Refusal::UnknownSession, "").into()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(opened),
    }
}

/// Forgets sessions, links and waits that are over.
///
/// # Errors
/// The store cannot be written.
pub async fn forget(house: &House) -> Result<(), FlowError> {
    let now = house.clock.now();
    let (idle, failed) = (now - IDLE_MAX, now - domain::sign_in::FAILURES_KEPT);
    let micros = Timestamp::as_microsecond;
    Ok(house.store.people_forget(micros(now), micros(idle), micros(failed)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_its_family_alone() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like \
            Gecko) Chrome/141.0.0.0 Safari/537.36";
        assert_eq!(family(chrome), "Chrome / Windows");
        assert_eq!(family("curl/8.5.0"), "curl");
        assert_eq!(family("somebody@example.cn"), "");
    }
}
