//! Signing in: name and password, then the second factor where one is set up.
//!
//! **Nothing is told apart.** A wrong name, a wrong password, a wrong code and a disabled account
//! are one answer, at one cost: an unknown name is tried against the hash of no password.
//!
//! **Wrong tries make wait**, by account and by address, across processes and restarts. A try is
//! counted before it is looked at and taken back when it was right, so that many at once count as
//! many; while a wait runs nothing is looked at, and a right password does not end it. Where an
//! account has a good session from an address, tries from there are counted apart: nobody locks
//! somebody out of their own desk by failing elsewhere.

use crate::flows::changes::Author;
use crate::flows::house::House;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::people::accounts::{self, Account, recovery_hash};
use crate::flows::people::sessions::{self, Opened, Origin, Place};
use crate::passwords;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::id::{BrandId, PartyId};
use domain::password::PASSWORD_CHARS_MAX;
use domain::refusal::{Refusal, Refused};
use domain::sign_in::{
    ACCOUNT_FREE, ADDRESS_FREE, FAILURES_KEPT, SIGN_UPS_FREE, STEP_MAX, wait_after,
};
use domain::totp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::canonical::hex;
use store::commit::Commit;
use store::people::{MembershipRow, PeopleChange, PersonalId, Wait};
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

const STEP_LABEL: &str = "dossier sign-in step v1";
const ACCOUNT_DOMAIN: &str = "dossier tries of a name v1";
const ADDRESS_DOMAIN: &str = "dossier tries of an address v1";
const SIGN_UP_DOMAIN: &str = "dossier sign-ups of an address v1";
/// Passwords hashed at once: each takes some 20 MiB and a core.
static HASHING: Semaphore = Semaphore::const_new(2);
/// Those who wait for it: some seconds' worth. Whoever comes after them is told to come again at
/// once, and nothing of theirs is counted.
static ROOM: Semaphore = Semaphore::const_new(64);

/// A try to sign in.
#[derive(Clone, Default)]
pub struct Attempt {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The one-time password or a recovery code, where one was given.
    pub code: Option<String>,
    /// From where.
    pub origin: Origin,
}

/// How a try ended that was not wrong.
#[derive(Clone, Debug)]
pub enum SignedIn {
    /// A session is open.
    Opened(Opened),
    /// The password is right and a code is wanted; this brings the try on, for five minutes.
    CodeWanted(String),
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Something is wrong, and it is not told what.
    #[error("the name, the password or the code is wrong")]
    Refused,
    /// Too many wrong tries: seconds to wait.
    #[error("too many wrong tries; wait {0} seconds")]
    Wait(u32),
    /// It could not be looked at.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

impl From<store::StoreError> for SignInError {
    fn from(error: store::StoreError) -> Self {
        Self::Flow(error.into())
    }
}

/// What a step token holds: the password of the account at this revision was right.
#[derive(Serialize, Deserialize)]
struct Step {
    account: String,
    revision: i64,
    until: i64,
}

/// Tries that were counted, to be taken back when they were right.
pub(in crate::flows) struct Counted {
    taken: Vec<(Vec<u8>, Option<Wait>, Wait)>,
}

/// Looks at name and password, and at the code where one is given or wanted.
///
/// # Errors
/// [`SignInError`].
pub async fn sign_in(house: &House, attempt: &Attempt) -> Result<SignedIn, SignInError> {
    let name = domain::sign_in::name(&attempt.name).unwrap_or_default();
    let hash = accounts::name_hash(house, &name);
    let row = house.store.account_named(&hash).await?;
    let account = row.map(|row| Account::open(house, row)).transpose()?;
    let id = account.as_ref().map(|a| a.row.id);
    let _room = room()?;
    let counted = count(house, (&hash, id.as_ref()), &attempt.origin).await?;
    let phc = account.as_ref().map_or(passwords::NOBODY, |a| a.locks.password.as_str());
    let right = is_right(&attempt.password, phc).await;
    let Some(account) = account.filter(|a| right && a.row.disabled_at.is_none()) else {
        return Err(SignInError::Refused);
    };
    let code = attempt.code.as_deref().map(str::trim).filter(|code| !code.is_empty());
    if account.totp().is_some() && code.is_none() {
        take_back(house, counted, false).await;
        return Ok(SignedIn::CodeWanted(step_token(house, &account)?));
    }
    let opened = open(house, &account, (code, &attempt.origin)).await?;
    take_back(house, counted, true).await;
    Ok(SignedIn::Opened(opened))
}

/// Brings a try on with the code it wanted.
///
/// # Errors
/// [`SignInError`]; a step that is over is refused as anything else.
pub async fn sign_in_with_code(
    house: &House,
    (step, code): (&str, &str),
    origin: &Origin,
) -> Result<Opened, SignInError> {
    let sealed = BASE64.decode(step).map_err(|_| SignInError::Refused)?;
    let read: Result<Step, FlowError> = accounts::unsealed(house, STEP_LABEL, &sealed);
    let step = read.map_err(|_| SignInError::Refused)?;
    let id = accounts::id_of(&step.account).ok_or(SignInError::Refused)?;
    let account = accounts::fetch(house, &id).await?;
    let over = step.until < house.clock.now().as_microsecond();
    if over || step.revision != account.row.revision || account.row.disabled_at.is_some() {
        return Err(SignInError::Refused);
    }
    let counted = count(house, (&account.row.name_hash, Some(&id)), origin).await?;
    let opened = open(house, &account, (Some(code.trim()), origin)).await?;
    take_back(house, counted, true).await;
    Ok(opened)
}

fn step_token(house: &House, account: &Account) -> Result<String, FlowError> {
    let step = Step {
        account: hex(&account.row.id),
        revision: account.row.revision,
        until: (house.clock.now() + STEP_MAX).as_microsecond(),
    };
    Ok(BASE64.encode(accounts::sealed(house, STEP_LABEL, &step)?))
}

/// Whether a password is the one hashed, off the threads that answer.
async fn is_right(password: &str, phc: &str) -> bool {
    // One that nobody may have is tried as any other.
    let fits = password.chars().count() <= PASSWORD_CHARS_MAX;
    let password = Zeroizing::new(if fits { password.to_owned() } else { String::new() });
    let phc = Zeroizing::new(phc.to_owned());
    in_turn(&HASHING, move || passwords::is_hashed(&password, &phc)).await.unwrap_or(false)
}

/// Hashes a new password, off the threads that answer.
pub(in crate::flows) async fn hashed(password: &str) -> Result<String, FlowError> {
    let _room = room()?;
    let password = Zeroizing::new(password.to_owned());
    let hashed = in_turn(&HASHING, move || passwords::hash(&password)).await;
    Ok(hashed.ok_or(crate::secrets::SecretsError::Wrong)??)
}

/// A place among those who wait for a turn.
///
/// # Errors
/// [`FlowError::Busy`]: there is none left.
fn room() -> Result<SemaphorePermit<'static>, FlowError> {
    ROOM.try_acquire().map_err(|_| FlowError::Busy)
}

/// Does costly work in its turn. The turn is the work's own: it ends with the work, not with who
/// asked for it and hung up, else any number could be begun.
async fn in_turn<T: Send + 'static>(
    turns: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = turns.acquire().await.ok()?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.ok()
}

/// Looks at the password of an account that is signed in, counted as a try to sign in is.
pub(in crate::flows) async fn confirm_password(
    house: &House,
    account: &Account,
    (password, origin): (&str, &Origin),
) -> Result<(), SignInError> {
    let key = (account.row.name_hash.as_slice(), Some(&account.row.id));
    let room = room()?;
    let counted = count(house, key, origin).await?;
    if !is_right(password, &account.locks.password).await {
        let refused = Refused::new(Refusal::WrongPassword, "password");
        return Err(SignInError::Flow(refused.into()));
    }
    drop(room);
    take_back(house, counted, true).await;
    Ok(())
}

/// Opens a session where the second factor, if there is one, is passed.
async fn open(
    house: &House,
    account: &Account,
    (code, origin): (Option<&str>, &Origin),
) -> Result<Opened, SignInError> {
    let membership = sessions::only_membership(house, &account.row.id).await?;
    let mut commit = Commit::default();
    if let Some(secret) = account.totp() {
        let code = code.unwrap_or_default();
        if totp::is_password(code) {
            let second = house.clock.now().as_second();
            let step = totp::taken(&secret, code, second, account.row.totp_step);
            let step = step.ok_or(SignInError::Refused)?;
            commit.people.push(PeopleChange::TotpStep(account.row.id, step));
        } else {
            let author = author(house, account, membership.as_ref(), origin.address).await?;
            recover(house, account, (code, &author), &mut commit)?;
        }
    }
    if commit.events.is_empty() {
        let stands = PeopleChange::AccountStands(account.row.id, account.row.revision);
        commit.people.push(stands);
    }
    let (opened, row) = sessions::fresh(house, account.row.id, membership, &origin.into())?;
    commit.people.push(PeopleChange::Session(row));
    match house.store.commit(&commit).await {
        // The code was taken by somebody else, or the account changed: both are wrong now.
        Err(error) if error.is_race() => Err(SignInError::Refused),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(opened),
    }
}

/// Uses up a recovery code.
fn recover(
    house: &House,
    account: &Account,
    (code, author): (&str, &Author),
    commit: &mut Commit,
) -> Result<(), SignInError> {
    let code = totp::recovery_read(code).ok_or(SignInError::Refused)?;
    let hash = recovery_hash(house, &account.row.id, &code);
    let mut after = account.clone();
    after.locks.recovery.retain(|kept| *kept != hash);
    if after.locks.recovery.len() == account.locks.recovery.len() {
        return Err(SignInError::Refused);
    }
    Ok(after.put(house, author, Some(account), commit)?)
}

/// An account as the author of a change of itself: in the brand it acts in; where none is chosen,
/// in one it is a member of, since every brand's auditors read what the deployment files.
pub(in crate::flows) async fn author(
    house: &House,
    account: &Account,
    membership: Option<&MembershipRow>,
    address: Option<IpAddr>,
) -> Result<Author, FlowError> {
    let first = match membership {
        Some(chosen) => Some(chosen.clone()),
        None => house.store.memberships(&account.row.id).await?.into_iter().next(),
    };
    Ok(Author {
        brand: BrandId(first.as_ref().map_or(0, |m| m.brand)),
        party: first.map(|m| PartyId(m.party)),
        actor: account.actor(),
        address,
    })
}

/// Counts a try before it is looked at.
///
/// # Errors
/// [`SignInError::Wait`] while a wait runs.
pub(in crate::flows) async fn count(
    house: &House,
    (name_hash, account): (&[u8], Option<&PersonalId>),
    origin: &Origin,
) -> Result<Counted, SignInError> {
    let network = network_of(origin.address);
    let name = hex(name_hash);
    let at_home = match account {
        Some(id) => is_known(&sessions::known_places(house, id).await?, &network),
        None => false,
    };
    let name = if at_home { format!("{name} {network}") } else { name };
    let keys = [
        (house.secrets.hash(ACCOUNT_DOMAIN, &name), ACCOUNT_FREE),
        (house.secrets.hash(ADDRESS_DOMAIN, &network), ADDRESS_FREE),
    ];
    count_keys(house, &keys).await
}

async fn count_keys(house: &House, keys: &[(Vec<u8>, i64)]) -> Result<Counted, SignInError> {
    for _ in 0..RACES_MAX {
        let now = house.clock.now();
        let mut taken = Vec::new();
        for (key, free) in keys {
            let was = house.store.wait_fetch(key).await?;
            let next = next(was, *free, now)?;
            taken.push((key.clone(), was, next));
        }
        let change = |(key, was, next): &(Vec<u8>, Option<Wait>, Wait)| PeopleChange::Wait {
            key: key.clone(),
            was: *was,
            now: Some(*next),
        };
        let people = taken.iter().map(change).collect();
        match house.store.commit(&Commit { people, ..Commit::default() }).await {
            Err(error) if error.is_race() => continue,
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(Counted { taken }),
        }
    }
    Err(FlowError::Busy.into())
}

/// Refuses a sign-in name that somebody has. That it is taken is told, so each is a wrong try of
/// the address: nobody goes through names here that signing in does not tell.
///
/// # Errors
/// [`Refusal::SignInNameTaken`]; [`SignInError::Wait`] after too many wrong tries.
pub(in crate::flows) async fn refuse_taken_counted(
    house: &House,
    name: &str,
    origin: &Origin,
) -> Result<(), SignInError> {
    let network = network_of(origin.address);
    let keys = [(house.secrets.hash(ADDRESS_DOMAIN, &network), ADDRESS_FREE)];
    let counted = count_keys(house, &keys).await?;
    if house.store.account_named(&accounts::name_hash(house, name)).await?.is_some() {
        let taken = Refused::new(Refusal::SignInNameTaken, "sign_in_name");
        return Err(FlowError::from(taken).into());
    }
    take_back(house, counted, false).await;
    Ok(())
}

/// Counts a brand that signs up from a network, before it is made.
///
/// # Errors
/// [`SignInError::Wait`] when there were too many.
pub(in crate::flows) async fn count_sign_up(
    house: &House,
    origin: &Origin,
) -> Result<(), SignInError> {
    let key = house.secrets.hash(SIGN_UP_DOMAIN, &network_of(origin.address));
    for _ in 0..RACES_MAX {
        let was = house.store.wait_fetch(&key).await?;
        let now = Some(next(was, SIGN_UPS_FREE, house.clock.now())?);
        if put(house, PeopleChange::Wait { key: key.clone(), was, now }).await? {
            return Ok(());
        }
    }
    Err(FlowError::Busy.into())
}

/// What stands after one more try.
fn next(was: Option<Wait>, free: i64, now: jiff::Timestamp) -> Result<Wait, SignInError> {
    let micros = now.as_microsecond();
    let wait = was.unwrap_or_default();
    if wait.until > micros {
        let seconds = (wait.until - micros + 999_999).div_euclid(1_000_000);
        return Err(SignInError::Wait(u32::try_from(seconds).unwrap_or(u32::MAX)));
    }
    let forgotten = wait.failed_at < (now - FAILURES_KEPT).as_microsecond();
    let failures = if forgotten { 1 } else { wait.failures + 1 };
    let until = (now + wait_after(failures, free)).as_microsecond();
    Ok(Wait { failures, until, failed_at: micros })
}

/// Takes back a try that was right: that of the address as if it had not been, those of the account
/// altogether where it is signed in. Whoever raced with it leaves one try too many behind.
pub(in crate::flows) async fn take_back(house: &House, counted: Counted, signed_in: bool) {
    let taken_back = async {
        for (place, (key, was, next)) in counted.taken.into_iter().enumerate() {
            if place == 0 && signed_in {
                forget(house, key).await?;
            } else {
                put(house, PeopleChange::Wait { key, was: Some(next), now: was }).await?;
            }
        }
        Ok::<(), store::StoreError>(())
    };
    if let Err(error) = taken_back.await {
        tracing::warn!(%error, "a right try stays counted as a wrong one");
    }
}

/// Forgets what is counted under a key, also what others counted meanwhile.
async fn forget(house: &House, key: Vec<u8>) -> Result<(), store::StoreError> {
    for _ in 0..RACES_MAX {
        let Some(was) = house.store.wait_fetch(&key).await? else { return Ok(()) };
        let change = PeopleChange::Wait { key: key.clone(), was: Some(was), now: None };
        if put(house, change).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Writes what is counted; false when somebody else was faster.
async fn put(house: &House, change: PeopleChange) -> Result<bool, store::StoreError> {
    let commit = Commit { people: vec![change], ..Commit::default() };
    match house.store.commit(&commit).await {
        Err(error) if error.is_race() => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    }
}

fn is_known(places: &[Place], network: &str) -> bool {
    let of = |place: &Place| network_of(place.address.parse().ok());
    places.iter().any(|place| !place.address.is_empty() && of(place) == network)
}

/// What an address counts as: itself, or of IPv6 the network of a household.
fn network_of(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(v6)) => format!("{:x}::/64", v6.to_bits() >> 64),
        Some(v4) => v4.to_string(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn tries_add_up_until_one_waits_and_are_forgotten_after_a_day() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds + 100);
        let mut wait = None;
        for n in 1..ACCOUNT_FREE {
            let after = next(wait, ACCOUNT_FREE, at(n)).unwrap();
            assert_eq!((after.failures, after.until), (n, at(n).as_microsecond()));
            wait = Some(after);
        }
        let fifth = next(wait, ACCOUNT_FREE, at(10)).unwrap();
        assert_eq!(fifth.until, at(70).as_microsecond());
        let early = next(Some(fifth), ACCOUNT_FREE, at(69));
        assert!(matches!(early, Err(SignInError::Wait(1))), "{early:?}");
        assert_eq!(next(Some(fifth), ACCOUNT_FREE, at(70)).unwrap().failures, 6);
        assert_eq!(next(Some(fifth), ACCOUNT_FREE, at(90_000)).unwrap().failures, 1);
    }

    #[tokio::test]
    async fn who_hangs_up_frees_no_turn_before_the_work_is_done() {
        static TURNS: Semaphore = Semaphore::const_new(1);
        let (end, waits) = std::sync::mpsc::channel::<()>();
        let (began, begins) = tokio::sync::oneshot::channel::<()>();
        let work = move || {
            began.send(()).unwrap();
            waits.recv().unwrap();
        };
        tokio::select! {
            biased;
            _ = in_turn(&TURNS, work) => panic!("the work waits"),
            begun = begins => begun.unwrap(),
        }
        assert_eq!(TURNS.available_permits(), 0, "hung up, and the work goes on");
        end.send(()).unwrap();
        TURNS.acquire().await.unwrap().forget();
    }

    #[test]
    fn a_household_is_one_address() {
        let of = |text: &str| network_of(text.parse().ok());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
