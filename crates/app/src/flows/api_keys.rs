//! API keys: giving, listing, rotating and withdrawing them, and knowing who comes with one. A
//! secret is told once and kept only as a digest.
//!
//! **Who may give a key** may rotate and withdraw it: its party is the giver's own or below it, and
//! the giver may do itself whatever the key may. Rotating tells the new secret, so whoever could
//! rotate a key it could not give would have its powers.

use super::access;
use super::caller::{Caller, Scope};
use super::changes::Author;
use super::find;
use super::house::House;
use super::keys::put;
use super::mandate;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use crate::secrets;
use domain::address::Prefix;
use domain::id::{BrandId, PartyId};
use domain::key::{KeyState, OVERLAP_MAX, PREFIXES_MAX, Term, admits};
use domain::refusal::{Refusal, Refused};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use store::key_use::KeyUse;
use store::reference::{ApiKeyRow, PreviousSecret, ReferenceChange};
use subtle::ConstantTimeEq;

/// What every key starts with, so that scanners for leaked secrets recognise it.
const PREFIX: &str = "dos_";
/// Uses are known to the hour: enough to find keys nobody needs, too little to follow anybody.
const HOUR_MICROS: i64 = 3_600 * 1_000_000;

/// A key to be given.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Code of the party that acts with it.
    pub party: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What it is for, in words.
    pub name: String,
    /// Ranges of addresses it may be used from; none for anywhere.
    pub from: Vec<Prefix>,
    /// From when on it is not good any more; none for never.
    pub expires_at: Option<Timestamp>,
}

/// A key that was given, or given another secret.
#[derive(Debug)]
pub struct Given {
    /// The only copy of the whole key.
    pub key: String,
    /// What is kept of it.
    pub row: ApiKeyRow,
}

/// A key as it is told.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is kept of it.
    pub row: ApiKeyRow,
    /// Where it stands.
    pub state: KeyState,
    /// The hour it was last used in, microseconds; none when it never was.
    pub used_at: Option<i64>,
}

/// Gives a key.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownParty`].
pub async fn give(house: &House, caller: &Caller, order: &Order) -> Result<Given, FlowError> {
    caller.need(Scope::Keys)?;
    let name = sound(order, house.clock.now())?;
    may_do(caller, &order.scopes, "scopes")?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let party = find::party(&reference, caller.brand, ("party", &order.party))?;
        mandate::speaks_for(&reference, caller, party.id, "party")?;
        let id = store::canonical::hex(&secrets::random::<6>()?);
        let Fresh { secret, digest } = Fresh::new()?;
        let mut scopes: Vec<_> = order.scopes.iter().map(|s| s.as_str().to_owned()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let row = ApiKeyRow {
            id,
            brand: caller.brand.0,
            digest,
            party: party.id.0,
            scopes,
            name: name.clone(),
            created_at: house.clock.now().as_microsecond(),
            revoked_at: None,
            from: order.from.iter().map(Prefix::to_string).collect(),
            expires_at: order.expires_at.map(Timestamp::as_microsecond),
            rotated_at: None,
            previous: None,
        };
        if put(house, &Author::from(caller), &reference, ReferenceChange::ApiKey(row.clone()))
            .await?
        {
            return Ok(Given { key: whole(&row.id, &secret), row });
        }
    }
    Err(FlowError::Busy)
}

/// Gives a key another secret. The one before stays good for the overlap; one that was still good
/// from a rotation before that ends now.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownKey`],
/// [`Refusal::KeyOver`].
pub async fn rotate(
    house: &House,
    caller: &Caller,
    id: &str,
    overlap: SignedDuration,
) -> Result<Given, FlowError> {
    caller.need(Scope::Keys)?;
    if overlap.is_negative() || overlap > OVERLAP_MAX {
        return Err(Refused::invalid("overlap", "at most 90 days").into());
    }
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let key = within_reach(&reference, caller, id)?;
        let now = house.clock.now();
        if !term(key).state(now).is_good() {
            return Err(Refused::new(Refusal::KeyOver, "id").into());
        }
        let previous = (!overlap.is_zero()).then(|| PreviousSecret {
            digest: store::canonical::hex(&key.digest),
            until: (now + overlap).as_microsecond(),
        });
        let Fresh { secret, digest } = Fresh::new()?;
        let rotated_at = Some(now.as_microsecond());
        let row = ApiKeyRow { digest, previous, rotated_at, ..key.clone() };
        if put(house, &Author::from(caller), &reference, ReferenceChange::ApiKey(row.clone()))
            .await?
        {
            return Ok(Given { key: whole(id, &secret), row });
        }
    }
    Err(FlowError::Busy)
}

/// Withdraws a key. One that is withdrawn stays so since it was first.
///
/// # Errors
/// [`Refusal::NotAllowed`], [`Refusal::UnknownKey`].
pub async fn revoke(house: &House, caller: &Caller, id: &str) -> Result<ApiKeyRow, FlowError> {
    caller.need(Scope::Keys)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let key = within_reach(&reference, caller, id)?;
        if key.revoked_at.is_some() {
            return Ok(key.clone());
        }
        let now = house.clock.now().as_microsecond();
        // Nothing of the secret before is needed any more.
        let row = ApiKeyRow { revoked_at: Some(now), previous: None, ..key.clone() };
        if put(house, &Author::from(caller), &reference, ReferenceChange::ApiKey(row.clone()))
            .await?
        {
            return Ok(row);
        }
    }
    Err(FlowError::Busy)
}

/// The keys of the caller's party and those below it, by their id.
///
/// # Errors
/// The store cannot be read.
pub async fn list(house: &House, caller: &Caller) -> Result<Vec<Told>, FlowError> {
    caller.need(Scope::KeysRead)?;
    let reference = house.reference_now().await?;
    let stored = house.store.key_uses(caller.brand.0).await?;
    let stored: HashMap<_, _> = stored.into_iter().map(|u| (u.id, u.used_at)).collect();
    let now = house.clock.now();
    let mut keys = reference.api_keys(caller.brand);
    keys.retain(|k| sees(&reference, caller, k));
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    let told = |row: &ApiKeyRow| Told {
        state: term(row).state(now),
        used_at: house.key_uses.hour(&row.id).max(stored.get(&row.id).copied()),
        row: row.clone(),
    };
    Ok(keys.into_iter().map(told).collect())
}

/// A key as it is told, its use left out: for answers to commands.
pub fn told(house: &House, row: ApiKeyRow) -> Told {
    let used_at = house.key_uses.hour(&row.id);
    Told { state: term(&row).state(house.clock.now()), used_at, row }
}

/// Who comes with a bearer token from an address, if anyone. Why not is told nobody. A key that is
/// not known yet may just have been made by another process.
///
/// # Errors
/// The store cannot be read.
pub async fn authenticate(
    house: &House,
    token: &str,
    address: IpAddr,
) -> Result<Option<Caller>, FlowError> {
    let mut reference = house.reference().await?;
    let Some((id, secret)) = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'))
    else {
        return Ok(None);
    };
    if reference.api_key(id).is_none() {
        reference = house.reference_in_turn().await?;
    }
    Ok(admit(house, &reference, (id, secret), address))
}

fn admit(
    house: &House,
    reference: &Reference,
    (id, secret): (&str, &str),
    address: IpAddr,
) -> Option<Caller> {
    let digest = Sha256::digest(secret.as_bytes());
    let key = reference.api_key(id)?;
    let now = house.clock.now();
    let state = term(key).state(now);
    // A range that cannot be read holds no address, and a key of such ranges alone lets nobody in.
    let from: Vec<Prefix> = key.from.iter().filter_map(|text| text.parse().ok()).collect();
    let readable = key.from.is_empty() || !from.is_empty();
    let here = readable && admits(&from, address);
    if !(is_secret(key, state, &digest) && state.is_good() && here) {
        return None;
    }
    house.key_uses.note(key, now);
    Some(Caller { address: Some(address), ..caller(reference, key) })
}

/// Who acts with a key, while it is good.
pub(super) fn standing(house: &House, reference: &Reference, id: &str) -> Option<Caller> {
    let key = reference.api_key(id)?;
    term(key).state(house.clock.now()).is_good().then(|| caller(reference, key))
}

fn caller(reference: &Reference, key: &ApiKeyRow) -> Caller {
    let (brand, party) = (BrandId(key.brand), PartyId(key.party));
    let mut scopes: Vec<_> = key.scopes.iter().filter_map(|s| Scope::parse(s)).collect();
    if scopes.contains(&Scope::All) && domain::mandate::is_brand(&reference.tree, party) {
        scopes.push(Scope::Keys);
    }
    let actor = format!("key:{}", key.id);
    Caller { brand, party, scopes, regions: Vec::new(), role: None, actor, address: None }
}

fn is_secret(key: &ApiKeyRow, state: KeyState, digest: &[u8]) -> bool {
    let present = bool::from(digest.ct_eq(&key.digest));
    let before = key.previous.as_ref().filter(|_| state == KeyState::Rotating);
    let before = before.and_then(|p| store::canonical::unhex(&p.digest));
    present | before.is_some_and(|known| bool::from(digest.ct_eq(&known)))
}

/// Refuses what cannot be read; gives the name as it is kept.
fn sound(order: &Order, now: Timestamp) -> Result<String, Refused> {
    let name = domain::text::optional(&order.name, domain::text::NAME_CHARS_MAX)
        .map_err(|e| Refused::invalid("name", e))?;
    if order.scopes.is_empty() {
        return Err(Refused::invalid("scopes", "name at least one"));
    }
    if order.from.len() > PREFIXES_MAX {
        return Err(Refused::invalid("from", format!("at most {PREFIXES_MAX} ranges")));
    }
    if order.expires_at.is_some_and(|end| end <= now) {
        return Err(Refused::invalid("expires_at", "must lie ahead"));
    }
    Ok(name)
}

/// Refuses scopes that the caller does not hold itself. A key knows no regions, so whoever is bound
/// to some would give more than it holds.
fn may_do(caller: &Caller, scopes: &[Scope], field: &'static str) -> Result<(), Refused> {
    if !caller.regions.is_empty() {
        let why = "it is bound to regions, and a key is not";
        return Err(Refused::because(Refusal::NotAllowed, field, why));
    }
    match scopes.iter().find(|scope| !caller.may(**scope)) {
        None => Ok(()),
        Some(scope) => {
            let more = format!("it lacks scope {} itself", scope.as_str());
            Err(Refused::because(Refusal::NotAllowed, field, more))
        }
    }
}

fn sees(reference: &Reference, caller: &Caller, key: &ApiKeyRow) -> bool {
    key.brand == caller.brand.0 && access::concerns(reference, caller, PartyId(key.party))
}

/// A key that the caller could have given.
fn within_reach<'a>(
    reference: &'a Reference,
    caller: &Caller,
    id: &str,
) -> Result<&'a ApiKeyRow, Refused> {
    let key = reference.api_key(id).filter(|k| sees(reference, caller, k));
    let key = key.ok_or_else(|| Refused::new(Refusal::UnknownKey, "id"))?;
    // A word this program does not know may mean anything.
    let scope = |word: &String| Scope::parse(word).unwrap_or(Scope::All);
    let scopes: Vec<_> = key.scopes.iter().map(scope).collect();
    may_do(caller, &scopes, "id")?;
    Ok(key)
}

fn term(key: &ApiKeyRow) -> Term {
    let at = super::custody::instant;
    Term {
        revoked_at: key.revoked_at.map(at),
        expires_at: key.expires_at.map(at),
        previous_until: key.previous.as_ref().map(|p| at(p.until)),
    }
}

struct Fresh {
    secret: zeroize::Zeroizing<String>,
    digest: Vec<u8>,
}

impl Fresh {
    fn new() -> Result<Self, FlowError> {
        let secret = zeroize::Zeroizing::new(store::canonical::hex(&secrets::random::<24>()?));
        let digest = Sha256::digest(secret.as_bytes()).to_vec();
        Ok(Self { secret, digest })
    }
}

fn whole(id: &str, secret: &str) -> String {
    format!("{PREFIX}{id}.{secret}")
}

/// The public half of what somebody typed: a whole key, or its id alone.
pub fn id_of(text: &str) -> &str {
    text.trim_start_matches(PREFIX).split('.').next().unwrap_or_default()
}

/// The hours keys were used in, between the requests and the store. Only keys that are known get
/// here, so there are never more entries than keys.
#[derive(Default)]
pub struct KeyUses {
    hours: Mutex<HashMap<String, Hour>>,
}

struct Hour {
    brand: i64,
    at: i64,
    written: bool,
}

impl KeyUses {
    /// Notes a use. Never waits for the store.
    fn note(&self, key: &ApiKeyRow, now: Timestamp) {
        let micros = now.as_microsecond();
        let at = micros - micros.rem_euclid(HOUR_MICROS);
        let Ok(mut hours) = self.hours.lock() else { return };
        match hours.get_mut(&key.id) {
            Some(hour) if hour.at >= at => {}
            Some(hour) => (hour.at, hour.written) = (at, false),
            None => {
                let hour = Hour { brand: key.brand, at, written: false };
                hours.insert(key.id.clone(), hour);
            }
        }
    }

    /// The hour this process last saw a key in.
    fn hour(&self, id: &str) -> Option<i64> {
        self.hours.lock().ok()?.get(id).map(|hour| hour.at)
    }

    fn unwritten(&self) -> Vec<KeyUse> {
        let Ok(hours) = self.hours.lock() else { return Vec::new() };
        let unwritten = hours.iter().filter(|(_, hour)| !hour.written);
        let used = |(id, hour): (&String, &Hour)| KeyUse {
            brand: hour.brand,
            id: id.clone(),
            used_at: hour.at,
        };
        unwritten.map(used).collect()
    }

    fn written(&self, uses: &[KeyUse]) {
        let Ok(mut hours) = self.hours.lock() else { return };
        for used in uses {
            // A later hour that began meanwhile is still to be written.
            if let Some(hour) = hours.get_mut(&used.id).filter(|hour| hour.at == used.used_at) {
                hour.written = true;
            }
        }
    }
}

/// Writes down the hours in which keys were used since the last time. Returns how many keys.
///
/// # Errors
/// The store cannot be written; the hours wait for the next time.
pub async fn write_uses(house: &House) -> Result<usize, FlowError> {
    let uses = house.key_uses.unwritten();
    if !uses.is_empty() {
        house.store.key_uses_put(uses.clone()).await?;
        house.key_uses.written(&uses);
    }
    Ok(uses.len())
}
