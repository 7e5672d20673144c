//! Signing up: a brand opens its own place in the deployment, with the owner who answers for it.
//! Only where the operator allows it, a few times a day from one network, and all of it or nothing.
//!
//! **What another brand notices**: that codes of brands and names to sign in with are taken once.
//! Until the operator vouches for it ([`crate::flows::brands`]) the newcomer takes nothing else.

use crate::flows::caller::Caller;
use crate::flows::changes;
use crate::flows::house::House;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::people::accounts::{Account, Chosen};
use crate::flows::people::sessions::{Opened, Origin};
use crate::flows::people::set_up::{FirstOwner, draft, free, owner};
use crate::flows::people::sign_in::{SignInError, count_sign_up, hashed, refuse_taken_counted};
use crate::flows::reference::Reference;
use domain::id::{BrandId, PartyId, SiteId};
use domain::party::{Party, PartyKind, Site};
use domain::refusal::{Refusal, Refused};
use store::commit::{Commit, Relied};
use store::reference::{Batch, BrandRow, ReferenceChange};

/// Numbers a brand may take before the operator vouches for it. The line of numbers is one for all
/// and never grows back.
pub const NUMBERS_MAX: i64 = 100_000_000;

/// Refuses numbers beyond a brand's share, counting those of the commit under way.
///
/// # Errors
/// [`Refusal::InvalidField`] at `count`.
pub(in crate::flows) fn share_of_numbers(
    caller: &Caller,
    reference: &Reference,
    (count, commit): (i64, &Commit),
) -> Result<(), Refused> {
    if caller.is_operator() || reference.is_vouched(caller.brand) {
        return Ok(());
    }
    let own = |batch: &&Batch| batch.brand == caller.brand.0;
    let minted = commit.reference.iter().filter_map(|change| match change {
        ReferenceChange::Batch(batch) => Some(batch),
        _ => None,
    });
    let held = reference.batches().iter().chain(minted).filter(own).map(|batch| batch.count);
    let held = held.fold(0, i64::saturating_add);
    if held.saturating_add(count) <= NUMBERS_MAX {
        return Ok(());
    }
    let why = format!("a brand that nobody vouches for has {NUMBERS_MAX}; ask the operator");
    Err(Refused::invalid("count", why))
}

/// Refuses where the operator lets no brand sign up.
///
/// # Errors
/// [`Refusal::SignUpClosed`].
pub fn admit(house: &House) -> Result<(), Refused> {
    if house.settings.sign_up { Ok(()) } else { Err(Refused::new(Refusal::SignUpClosed, "")) }
}

/// Makes a brand, its own party and its first owner, who is signed in.
///
/// # Errors
/// As [`admit`]; [`Refusal::InvalidField`], [`Refusal::BrandTaken`], [`Refusal::SignInNameTaken`];
/// [`SignInError::Wait`] when too many brands came from one network.
pub async fn sign_up(
    house: &House,
    first: &FirstOwner,
    origin: &Origin,
) -> Result<Opened, SignInError> {
    admit(house).map_err(FlowError::from)?;
    let brand = draft(&first.brand_code, &first.brand_name).map_err(FlowError::from)?;
    let chosen: &Chosen = &first.chosen;
    let names = chosen.sound().map_err(FlowError::from)?;
    free(&*house.reference_now().await?, &brand.code).map_err(FlowError::from)?;
    refuse_taken_counted(house, &names.sign_in, origin).await?;
    // Only what would be done is counted, and before the costly part of it.
    count_sign_up(house, origin).await?;
    let account = Account::new(house, names, hashed(&chosen.password).await?)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        free(&reference, &brand.code).map_err(FlowError::from)?;
        let row = BrandRow {
            id: reference.last_ids.brand + 1,
            code: brand.code.clone(),
            name: brand.name.clone(),
            time_zone: "Asia/Shanghai".to_owned(),
            vouched: false,
        };
        let (id, party) = (BrandId(row.id), PartyId(reference.last_ids.party + 1));
        let root = root(&row, party);
        let site = Site::main(SiteId(reference.last_ids.site + 1), &root);
        let made = vec![
            ReferenceChange::Brand(row),
            ReferenceChange::Party(root),
            ReferenceChange::Site(id, site),
        ];
        let mut commit =
            Commit { relies_on: vec![Relied::Reference(reference.version)], ..Commit::default() };
        let by = changes::Author {
            brand: id,
            party: Some(party),
            actor: account.actor(),
            address: origin.address,
        };
        changes::add(house, &by, &reference, made, &mut commit)?;
        let at = (id, party, origin);
        let opened = owner(house, &reference, account.clone(), at, &mut commit)?;
        match house.store.commit(&commit).await {
            Err(error) if error.is_race() => {
                refuse_taken_counted(house, &account.names.sign_in, origin).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(opened);
            }
        }
    }
    Err(FlowError::Busy.into())
}

/// The brand's own party, at the top of its tree.
fn root(brand: &BrandRow, id: PartyId) -> Party {
    Party {
        id,
        brand: BrandId(brand.id),
        code: brand.code.clone(),
        kind: PartyKind::Brand,
        name: brand.name.clone(),
        parent: None,
        region: None,
        address: String::new(),
        phone: String::new(),
        point: None,
        public: false,
        organisation: None,
        categories: Vec::new(),
    }
}
