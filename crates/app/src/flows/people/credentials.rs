//! What somebody changes of their own account: the password, the second factor, recovery codes.
//! Each asks for the present password, counted as a try to sign in is, and leaves its record.

use crate::flows::house::House;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::people::accounts::{self, Account, Names, recovery_hash};
use crate::flows::people::sessions::{self, Opened, Origin, Session};
use crate::flows::people::sign_in::{SignInError, author, confirm_password, hashed};
use crate::secrets;
use domain::refusal::{Refusal, Refused};
use domain::totp;
use store::canonical::{hex, unhex};
use store::commit::Commit;
use store::people::{MembershipRow, PeopleChange};

/// A second factor that was begun: what an authenticator takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The secret in base 32.
    pub secret: String,
    /// The same as a link.
    pub link: String,
}

/// The account of a session.
pub(in crate::flows) async fn own(house: &House, session: &Session) -> Result<Account, FlowError> {
    accounts::fetch(house, &session.account).await
}

/// Somebody as they are told of themselves.
#[derive(Clone, Debug)]
pub struct Own {
    /// What they are called.
    pub names: Names,
    /// Whether the second factor is on.
    pub second_factor: bool,
    /// Recovery codes that are left.
    pub recovery_count: usize,
    /// Everything they may act as.
    pub memberships: Vec<MembershipRow>,
}

/// Whose session it is.
///
/// # Errors
/// The store cannot be read.
pub async fn about(house: &House, session: &Session) -> Result<Own, FlowError> {
    let account = own(house, session).await?;
    Ok(Own {
        memberships: house.store.memberships(&session.account).await?,
        second_factor: account.locks.totp.is_some(),
        recovery_count: account.locks.recovery.len(),
        names: account.names,
    })
}

/// Changes the password. Every session of the account ends; the one that asked goes on as another.
///
/// # Errors
/// [`Refusal::WrongPassword`], [`Refusal::InvalidField`]; a wait runs.
pub async fn change_password(
    house: &House,
    session: &Session,
    (present, next): (&str, &str),
    origin: &Origin,
) -> Result<Opened, SignInError> {
    let account = own(house, session).await?;
    domain::password::check(next, &account.names.sign_in)
        .map_err(|why| FlowError::from(Refused::invalid("new_password", why)))?;
    confirm_password(house, &account, (present, origin)).await?;
    let mut after = account.clone();
    after.locks.password = hashed(next).await?;
    let membership = session.membership.clone();
    let author = author(house, &account, membership.as_ref(), origin.address).await?;
    let mut commit = Commit::default();
    after.put(house, &author, Some(&account), &mut commit)?;
    commit.people.push(PeopleChange::SessionsEnded(account.row.id));
    let (opened, row) = sessions::fresh(house, account.row.id, membership, &origin.into())?;
    commit.people.push(PeopleChange::Session(row));
    match house.store.commit(&commit).await {
        Err(error) if error.is_race() => Err(FlowError::Busy.into()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(opened),
    }
}

/// Begins a second factor: it counts once it is confirmed. Beginning again forgets what was begun.
/// Whoever finds a session open cannot shut its owner out with a factor of their own.
///
/// # Errors
/// [`Refusal::WrongPassword`]; [`Refusal::SecondFactorState`] while one is on; a wait runs.
pub async fn begin_second_factor(
    house: &House,
    session: &Session,
    (password, origin): (&str, &Origin),
) -> Result<Begun, SignInError> {
    confirm_password(house, &own(house, session).await?, (password, origin)).await?;
    let secret = secrets::random::<{ totp::SECRET_BYTES }>().map_err(FlowError::from)?;
    let begun = change(house, session, origin, |account| {
        if account.locks.totp.is_some() {
            return Err(Refusal::SecondFactorState.into());
        }
        account.locks.begun = Some(hex(&secret));
        Ok(account.names.sign_in.clone())
    });
    let name = begun.await?;
    Ok(Begun { secret: totp::base32(&secret), link: totp::link(&secret, "Dossier", &name) })
}

/// What was begun and waits for its confirmation.
///
/// # Errors
/// The store cannot be read.
pub async fn begun(house: &House, session: &Session) -> Result<Option<Begun>, FlowError> {
    let account = own(house, session).await?;
    let secret = account.locks.begun.as_deref().and_then(unhex);
    Ok(secret.filter(|_| account.locks.totp.is_none()).map(|secret| Begun {
        link: totp::link(&secret, "Dossier", &account.names.sign_in),
        secret: totp::base32(&secret),
    }))
}

/// Turns the second factor on with its first code. Returns the recovery codes, told only now.
///
/// # Errors
/// [`Refusal::WrongCode`], [`Refusal::SecondFactorState`].
pub async fn confirm_second_factor(
    house: &House,
    session: &Session,
    (code, origin): (&str, &Origin),
) -> Result<Vec<String>, FlowError> {
    let codes = fresh_codes()?;
    let second = house.clock.now().as_second();
    let id = session.account;
    change(house, session, origin, |account| {
        let Some(begun) = account.locks.begun.take().filter(|_| account.locks.totp.is_none())
        else {
            return Err(Refusal::SecondFactorState.into());
        };
        let secret = unhex(&begun).unwrap_or_default();
        let step = totp::taken(&secret, code.trim(), second, None);
        let wrong = || Refused::new(Refusal::WrongCode, "code");
        account.row.totp_step = Some(step.ok_or_else(wrong)?);
        account.locks.totp = Some(begun);
        account.locks.recovery = kept(house, &id, &codes);
        Ok(())
    })
    .await?;
    Ok(codes)
}

/// Turns the second factor off.
///
/// # Errors
/// [`Refusal::WrongPassword`], [`Refusal::SecondFactorState`]; a wait runs.
pub async fn remove_second_factor(
    house: &House,
    session: &Session,
    (password, origin): (&str, &Origin),
) -> Result<(), SignInError> {
    confirm_password(house, &own(house, session).await?, (password, origin)).await?;
    let removed = change(house, session, origin, |account| {
        account.locks.totp.take().ok_or(Refusal::SecondFactorState)?;
        account.locks.recovery.clear();
        Ok(())
    });
    Ok(removed.await?)
}

/// Gives recovery codes in the place of those there were, told only now.
///
/// # Errors
/// [`Refusal::WrongPassword`], [`Refusal::SecondFactorState`]; a wait runs.
pub async fn renew_recovery_codes(
    house: &House,
    session: &Session,
    (password, origin): (&str, &Origin),
) -> Result<Vec<String>, SignInError> {
    confirm_password(house, &own(house, session).await?, (password, origin)).await?;
    let codes = fresh_codes()?;
    let id = session.account;
    let renewed = change(house, session, origin, |account| {
        if account.locks.totp.is_none() {
            return Err(Refusal::SecondFactorState.into());
        }
        account.locks.recovery = kept(house, &id, &codes);
        Ok(())
    });
    renewed.await?;
    Ok(codes)
}

/// Changes the account of a session with its record, again after a lost race.
async fn change<T>(
    house: &House,
    session: &Session,
    origin: &Origin,
    mut decide: impl FnMut(&mut Account) -> Result<T, Refused>,
) -> Result<T, FlowError> {
    for _ in 0..RACES_MAX {
        let before = own(house, session).await?;
        let mut after = before.clone();
        let decided = decide(&mut after)?;
        let author = author(house, &before, session.membership.as_ref(), origin.address).await?;
        let mut commit = Commit::default();
        after.put(house, &author, Some(&before), &mut commit)?;
        match house.store.commit(&commit).await {
            Err(error) if error.is_race() => continue,
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(decided),
        }
    }
    Err(FlowError::Busy)
}

fn fresh_codes() -> Result<Vec<String>, FlowError> {
    let code = |_| Ok(totp::recovery_code(secrets::random()?));
    (0..totp::RECOVERY_CODES).map(code).collect()
}

fn kept(house: &House, id: &[u8; 16], codes: &[String]) -> Vec<String> {
    let plain = codes.iter().filter_map(|code| totp::recovery_read(code));
    plain.map(|code| recovery_hash(house, id, &code)).collect()
}
