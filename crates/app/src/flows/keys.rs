//! The code key ring: a code key never leaves its seal. And the operator's short way to an API key.

use super::api_keys::{self, Order};
use super::caller::{Caller, Scope};
use super::changes::{self, Author};
use super::house::House;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::{Reference, code_key_label};
use crate::secrets::{self, MasterKey, SecretsError};
use domain::id::BrandId;
use domain::refusal::{Refusal, Refused};
use store::commit::{Commit, Relied};
use store::reference::{CodeKeyRow, ReferenceChange};

/// An API key of the operator's, good from anywhere and for ever. Returns the only copy of the
/// whole key; see [`api_keys::give`].
///
/// # Errors
/// [`Refusal::UnknownParty`]; a name too long.
pub async fn new_key(
    house: &House,
    brand: BrandId,
    party_code: &str,
    scopes: &[Scope],
    name: &str,
) -> Result<String, FlowError> {
    let reference = house.reference_now().await?;
    let root = reference.root(brand);
    let root = root.ok_or_else(|| Refused::because(Refusal::UnknownParty, "party", party_code))?;
    let order = Order {
        party: party_code.to_owned(),
        scopes: scopes.to_vec(),
        name: name.to_owned(),
        ..Order::default()
    };
    Ok(api_keys::give(house, &Caller::operator(brand, root.id), &order).await?.key)
}

/// Starts the next epoch: codes minted from now on are made with a new key; older ones stay good.
///
/// # Errors
/// All 32 epochs are used.
pub async fn new_epoch(house: &House) -> Result<u8, FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let epoch = house.ring().current().epoch().get() + 1;
        if domain::code::Epoch::new(epoch).is_none() {
            return Err(Refused::invalid("epoch", "all 32 epochs are used").into());
        }
        let secret = zeroize::Zeroizing::new(secrets::random::<32>()?);
        let sealed = house.master().seal(&code_key_label(epoch), secret.as_slice())?;
        let created_at = house.clock.now().as_microsecond();
        let row = CodeKeyRow { epoch, sealed, created_at };
        let author = Author::operator(BrandId(0));
        if put(house, &author, &reference, ReferenceChange::CodeKey(row)).await? {
            return Ok(epoch);
        }
    }
    Err(FlowError::Busy)
}

/// An epoch of the key ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStatus {
    /// 0 to 31.
    pub epoch: u8,
    /// When its key was made, microseconds.
    pub created_at: i64,
    /// Whether codes are minted with it now.
    pub current: bool,
}

/// The epochs of the key ring, oldest first.
///
/// # Errors
/// The store does not answer.
pub async fn epochs(house: &House) -> Result<Vec<EpochStatus>, FlowError> {
    let rows = house.store.reference_load().await?;
    let current = house.ring().current().epoch().get();
    let keys = rows.code_keys.iter().filter(|k| domain::code::Epoch::new(k.epoch).is_some());
    let status = |k: &CodeKeyRow| EpochStatus {
        epoch: k.epoch,
        created_at: k.created_at,
        current: k.epoch == current,
    };
    Ok(keys.map(status).collect())
}

/// Seals every key anew under another master key. No code or hash changes.
///
/// # Errors
/// The store does not answer; on an error every key is still under the old seal.
pub async fn rewrap(house: &House, new: &MasterKey) -> Result<usize, FlowError> {
    for _ in 0..RACES_MAX {
        let rows = house.store.reference_load().await?;
        let change = |row: &CodeKeyRow| -> Result<ReferenceChange, SecretsError> {
            let label = code_key_label(row.epoch);
            let secret = house.master().open(&label, &row.sealed)?;
            let sealed = new.seal(&label, &secret)?;
            Ok(ReferenceChange::CodeKeyRewrapped(CodeKeyRow { sealed, ..row.clone() }))
        };
        let sealed = rows.code_keys.iter().map(change).collect::<Result<Vec<_>, SecretsError>>()?;
        let count = sealed.len();
        let mut commit =
            Commit { relies_on: vec![Relied::Reference(rows.version)], ..Commit::default() };
        let author = Author::operator(BrandId(0));
        let stamp = || (house.event_id(), house.record_time(0));
        changes::add_keys(&author, sealed, stamp, &mut commit);
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(count),
        }
    }
    Err(FlowError::Busy)
}

/// Writes one reference row; false when it lost a race.
pub(super) async fn put(
    house: &House,
    author: &Author,
    reference: &Reference,
    change: ReferenceChange,
) -> Result<bool, FlowError> {
    let mut commit =
        Commit { relies_on: vec![Relied::Reference(reference.version)], ..Commit::default() };
    changes::add(house, author, reference, vec![change], &mut commit)?;
    match house.store.commit(&commit).await {
        Err(e) if e.is_race() => Ok(false),
        Err(e) => Err(e.into()),
        Ok(()) => {
            house.reload().await?;
            Ok(true)
        }
    }
}
