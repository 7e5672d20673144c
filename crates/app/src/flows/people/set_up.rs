//! Setting up: the first owner of a deployment, made once through a link that a starting server
//! prints; and links that sign in once, for a demonstration.
//!
//! A link is good for a day. Until the deployment is set up every start prints another; the first
//! one used makes the only owner that is made so, and the others are good no more.

use crate::files::PartyDraft;
use crate::flows::caller::Caller;
use crate::flows::changes::Author;
use crate::flows::house::House;
use crate::flows::masterdata::{self, Taking};
use crate::flows::outcome::{FlowError, RowOutcome};
use crate::flows::people::accounts::{self, Account, Chosen, put_membership};
use crate::flows::people::refuse_taken;
use crate::flows::people::sessions::{self, Opened, Origin};
use crate::flows::people::sign_in::hashed;
use crate::flows::reference::Reference;
use crate::secrets;
use domain::id::{BrandId, PartyId};
use domain::party::PartyKind;
use domain::refusal::{Refusal, Refused};
use domain::role::Role;
use domain::sign_in::LINK_MAX;
use store::StoreError;
use store::commit::Commit;
use store::people::{LinkRow, MembershipRow, PeopleChange, PersonalId};

/// What the first owner says.
#[derive(Clone, Default)]
pub struct FirstOwner {
    /// Names and password.
    pub chosen: Chosen,
    /// Code of the brand, where the deployment has none yet.
    pub brand_code: String,
    /// Its name.
    pub brand_name: String,
}

/// A fresh link for setting up; none once that is over.
///
/// # Errors
/// The store cannot be read or written.
pub async fn set_up_link(house: &House) -> Result<Option<String>, FlowError> {
    if is_over(house, &*house.reference_now().await?).await? {
        return Ok(None);
    }
    link(house, None).await.map(Some)
}

/// Whether the deployment was set up: through a link, or because somebody works in a brand that is
/// vouched for. Strangers who sign up end nothing.
async fn is_over(house: &House, reference: &Reference) -> Result<bool, FlowError> {
    if house.store.set_up_done().await? {
        return Ok(true);
    }
    for (brand, _) in reference.brands.iter().filter(|(_, row)| row.vouched) {
        if house.store.has_members(brand.0).await? {
            // Once for all, whatever becomes of these people and of the brand.
            let people = vec![PeopleChange::SetUp(house.clock.now().as_microsecond())];
            let done = house.store.commit(&Commit { people, ..Commit::default() }).await;
            return match done {
                Err(error) if !error.is_race() => Err(error.into()),
                _ => Ok(true),
            };
        }
    }
    Ok(false)
}

async fn link(house: &House, account: Option<PersonalId>) -> Result<String, FlowError> {
    let (token, digest) = sessions::secret()?;
    let now = house.clock.now();
    let row = LinkRow {
        digest,
        account,
        created_at: now.as_microsecond(),
        expires_at: (now + LINK_MAX).as_microsecond(),
    };
    let people = vec![PeopleChange::Link(row)];
    house.store.commit(&Commit { people, ..Commit::default() }).await?;
    Ok(token)
}

/// What a link for setting up asks for: whether the deployment needs a brand.
///
/// # Errors
/// [`Refusal::UnknownLink`]; [`Refusal::SetUpOver`].
pub async fn asks_brand(house: &House, token: &str) -> Result<bool, FlowError> {
    let now = house.clock.now().as_microsecond();
    let reference = house.reference_now().await?;
    if is_over(house, &reference).await? {
        return Err(Refused::new(Refusal::SetUpOver, "token").into());
    }
    let found = house.store.link_fetch(&sessions::digest_of(token), now).await?;
    let unknown = || Refused::new(Refusal::UnknownLink, "token");
    found.filter(|link| link.account.is_none()).ok_or_else(unknown)?;
    let vouched = reference.brands.values().filter(|brand| brand.vouched).count();
    if vouched > 1 {
        let why = "there are several brands; the operator invites: dossier invite --brand CODE";
        return Err(Refused::because(Refusal::UnknownLink, "token", why).into());
    }
    Ok(vouched == 0)
}

/// Makes the first owner, and the brand where there is none.
///
/// # Errors
/// As [`asks_brand`]; [`Refusal::InvalidField`].
pub async fn set_up(
    house: &House,
    token: &str,
    first: &FirstOwner,
    origin: &Origin,
) -> Result<Opened, FlowError> {
    asks_brand(house, token).await?;
    let names = first.chosen.sound()?;
    refuse_taken(house, &names.sign_in).await?;
    let account = Account::new(house, names, hashed(&first.chosen.password).await?)?;
    let (brand, party) = brand(house, first).await?;
    let reference = house.reference_now().await?;
    let at = (brand, party, origin);
    let now = house.clock.now().as_microsecond();
    let mut commit = Commit::default();
    commit.people.push(PeopleChange::LinkUsed(sessions::digest_of(token), now));
    commit.people.push(PeopleChange::SetUp(now));
    let opened = owner(house, &reference, account, at, &mut commit)?;
    match house.store.commit(&commit).await {
        Err(error) if error.is_race() => Err(Refused::new(Refusal::SetUpOver, "token").into()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(opened),
    }
}

/// An owner with a session, in a commit.
pub(in crate::flows) fn owner(
    house: &House,
    reference: &Reference,
    account: Account,
    (brand, party, origin): (BrandId, PartyId, &Origin),
    commit: &mut Commit,
) -> Result<Opened, FlowError> {
    let address = origin.address;
    let author = Author { brand, party: Some(party), actor: account.actor(), address };
    let membership = MembershipRow {
        id: secrets::random::<16>()?,
        account: account.row.id,
        brand: brand.0,
        party: party.0,
        role: Role::Owner.as_str().to_owned(),
        regions: Vec::new(),
        created_at: account.row.created_at,
        revision: 1,
    };
    let id = account.row.id;
    account.put(house, &author, None, commit)?;
    put_membership(house, &author, (reference, None), membership.clone(), commit)?;
    let (opened, row) = sessions::fresh(house, id, Some(membership), &origin.into())?;
    commit.people.push(PeopleChange::Session(row));
    Ok(opened)
}

/// The only brand with its own party, each made where it is missing.
async fn brand(house: &House, first: &FirstOwner) -> Result<(BrandId, PartyId), FlowError> {
    let reference = house.reference_now().await?;
    let known = reference.sole_brand();
    if let Some(id) = known
        && let Some(root) = reference.root(id)
    {
        return Ok((id, root.id));
    }
    let named = known.and_then(|id| reference.brands.get(&id));
    let draft = match named {
        Some(row) => draft(&row.code, &row.name),
        None => draft(&first.brand_code, &first.brand_name),
    }?;
    if known.is_none() {
        free(&reference, &draft.code)?;
    }
    let drafts = [draft];
    let id = masterdata::claim_brand(house, &drafts, None).await?;
    let caller = Caller::operator(id, PartyId(0));
    let outcomes = masterdata::parties(house, &caller, &drafts, Taking::default()).await?;
    if let Some(RowOutcome::Refused(why)) = outcomes.into_iter().next()
        && let Some(why) = why.into_iter().next()
    {
        return Err(why.into());
    }
    let reference = house.reference_now().await?;
    let root = reference.root(id).ok_or(Refusal::NoBrand)?;
    Ok((id, root.id))
}

/// Refuses the code of a brand that is there already.
///
/// # Errors
/// [`Refusal::BrandTaken`].
pub(super) fn free(reference: &Reference, code: &str) -> Result<(), Refused> {
    match reference.brand_by_code(code) {
        None => Ok(()),
        Some(_) => Err(Refused::new(Refusal::BrandTaken, "brand_code")),
    }
}

pub(in crate::flows) fn draft(code: &str, name: &str) -> Result<PartyDraft, Refused> {
    use domain::text::{CODE_CHARS_MAX, NAME_CHARS_MAX, required};
    let code = domain::text::code(code, CODE_CHARS_MAX);
    let name = required(name, NAME_CHARS_MAX);
    Ok(PartyDraft {
        code: code.map_err(|why| Refused::invalid("brand_code", why))?,
        name: name.map_err(|why| Refused::invalid("brand_name", why))?,
        kind: PartyKind::Brand,
        parent_code: None,
        region: None,
        address: String::new(),
        phone: String::new(),
        point: None,
        public: false,
        organisation: None,
        categories: Vec::new(),
        lacking: Vec::new(),
    })
}

/// An owner for a demonstration, whose password nobody knows, and the link that signs in once.
///
/// # Errors
/// The store cannot be written, or there is no brand.
pub async fn demo_link(house: &House) -> Result<String, FlowError> {
    let reference = house.reference_now().await?;
    let brand = reference.sole_brand().ok_or(Refusal::NoBrand)?;
    let root = reference.root(brand).ok_or(Refusal::NoBrand)?;
    let names = accounts::Names { sign_in: "demo".to_owned(), name: "Demo".to_owned() };
    let hash = accounts::name_hash(house, &names.sign_in);
    if let Some(row) = house.store.account_named(&hash).await? {
        return link(house, Some(row.id)).await;
    }
    let password = store::canonical::hex(&secrets::random::<32>()?);
    let account = Account::new(house, names, hashed(&password).await?)?;
    let id = account.row.id;
    let mut commit = Commit::default();
    let origin = Origin::default();
    owner(house, &reference, account, (brand, root.id, &origin), &mut commit)?;
    // Nobody holds the secret of that session.
    commit.people.retain(|change| !matches!(change, PeopleChange::Session(_)));
    house.store.commit(&commit).await?;
    link(house, Some(id)).await
}

/// Signs in through a link that is good once.
///
/// # Errors
/// [`Refusal::UnknownLink`].
pub async fn sign_in_by_link(
    house: &House,
    token: &str,
    origin: &Origin,
) -> Result<Opened, FlowError> {
    let unknown = || Refused::new(Refusal::UnknownLink, "token");
    let (digest, now) = (sessions::digest_of(token), house.clock.now().as_microsecond());
    let link = house.store.link_fetch(&digest, now).await?;
    let id = link.and_then(|link| link.account).ok_or_else(unknown)?;
    let account = accounts::fetch(house, &id).await?;
    if account.row.disabled_at.is_some() {
        return Err(unknown().into());
    }
    let membership = sessions::only_membership(house, &id).await?;
    let (opened, row) = sessions::fresh(house, id, membership, &origin.into())?;
    let people = vec![
        PeopleChange::LinkUsed(digest, now),
        PeopleChange::AccountStands(id, account.row.revision),
        PeopleChange::Session(row),
    ];
    match house.store.commit(&Commit { people, ..Commit::default() }).await {
        Err(StoreError::Conflict(_)) => Err(unknown().into()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(opened),
    }
}
