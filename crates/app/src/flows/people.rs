//! Who works here: inviting, listing, changing and removing people of a brand.
//!
//! **Who may** holds scope `people`, and reaches with it what an API key reaches with `keys`: its
//! own party and those below it, in no wider regions, roles of which it holds every scope; owners
//! only as an owner. Nobody changes, disables or removes themselves, so an owner always remains.

pub mod accounts;
pub mod credentials;
pub mod sessions;
pub mod set_up;
pub mod sign_in;
pub mod sign_up;

use super::access;
use super::api_keys;
use super::audit;
use super::caller::{Caller, Scope};
use super::changes::{self, Author};
use super::find;
use super::house::House;
use super::mandate;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use crate::secrets;
use accounts::{Account, Chosen, Names, end_membership, put_membership};
use domain::audit::{Fields, SensitiveRead, differences};
use domain::id::{BrandId, PartyId};
use domain::refusal::{Refusal, Refused};
use domain::role::{REGIONS_MAX, Role, may_not_give, no_wider};
use domain::sign_in::INVITATION_MAX;
use domain::text::NAME_CHARS_MAX;
use sessions::{Opened, Origin, Session};
use sign_in::{SignInError, hashed, refuse_taken_counted};
use store::StoreError;
use store::canonical::hex;
use store::commit::Commit;
use store::people::{AccountRow, InvitationRow, MembershipRow, PeopleChange};

/// An invitation to be given.
#[derive(Clone, Debug)]
pub struct Order {
    /// Code of the party to act for.
    pub party: String,
    /// As what.
    pub role: Role,
    /// Regions to be bound to; none for everywhere the party reaches.
    pub regions: Vec<String>,
    /// Who is meant, in words.
    pub name: String,
}

/// An invitation as it is told.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// What is kept of it.
    pub row: InvitationRow,
    /// Who is meant.
    pub name: String,
}

/// Somebody who works here, as told.
#[derive(Clone, Debug)]
pub struct Person {
    /// What it may do.
    pub membership: MembershipRow,
    /// What it is called.
    pub names: Names,
    /// Since when it may not sign in, microseconds.
    pub disabled_at: Option<i64>,
    /// Whether it has a second factor.
    pub second_factor: bool,
    /// When its account was made, microseconds.
    pub created_at: i64,
}

/// What is to change of somebody; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Which membership; may be left out while one alone is in reach.
    pub membership: Option<String>,
    /// Code of the party to act for.
    pub party: Option<String>,
    /// The role.
    pub role: Option<Role>,
    /// The regions.
    pub regions: Option<Vec<String>>,
    /// Whether it may not sign in any more.
    pub disabled: Option<bool>,
}

/// Invites. The link's secret is told only now.
///
/// # Errors
/// [`Refusal::InvalidField`], [`Refusal::NotAllowed`], [`Refusal::UnknownParty`],
/// [`Refusal::UnknownRegion`].
pub async fn invite(
    house: &House,
    caller: &Caller,
    order: &Order,
) -> Result<(String, Invitation), FlowError> {
    caller.need(Scope::People)?;
    let name = domain::text::optional(&order.name, NAME_CHARS_MAX)
        .map_err(|why| Refused::invalid("name", why))?;
    let reference = house.reference_now().await?;
    let regions = sound_regions(house, &order.regions)?;
    let party = party_for(&reference, caller, &order.party)?;
    may_give(caller, (order.role, "role"), (&regions, "regions"))?;
    let (token, digest) = sessions::secret()?;
    let now = house.clock.now();
    let row = InvitationRow {
        sealed: accounts::sealed(house, &invitation_label(&digest), &name)?,
        digest,
        id: secrets::random::<16>()?,
        brand: caller.brand.0,
        party: party.0,
        role: order.role.as_str().to_owned(),
        regions,
        actor: caller.actor.clone(),
        created_at: now.as_microsecond(),
        expires_at: (now + INVITATION_MAX).as_microsecond(),
        used_at: None,
    };
    let mut commit = Commit::default();
    let fields = accounts::invitation_fields(&reference, &row, &name);
    let named = ("invitation", &*hex(&row.id), "created");
    let author = Author::from(caller);
    changes::tell(house, &author, named, differences(&Fields::new(), &fields), &mut commit)?;
    commit.people.push(PeopleChange::Invitation(row.clone()));
    house.store.commit(&commit).await?;
    Ok((token, Invitation { row, name }))
}

/// The open invitations that the caller could have given; for whoever gives none, those for its
/// party and those below it.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn invitations(house: &House, caller: &Caller) -> Result<Vec<Invitation>, FlowError> {
    caller.need(Scope::PeopleRead)?;
    let reference = house.reference().await?;
    let now = house.clock.now().as_microsecond();
    let rows = house.store.invitations(caller.brand.0, now).await?;
    let within = |row: &InvitationRow| {
        let (party, bounds) = (PartyId(row.party), (row.role.as_str(), row.regions.as_slice()));
        match caller.may(Scope::People) {
            true => reaches(&reference, caller, party, bounds),
            false => access::concerns(&reference, caller, party),
        }
    };
    let told: Vec<_> = rows.into_iter().filter(within).map(|row| told(house, row)).collect();
    audit::note(house, &caller.into(), SensitiveRead::People, "invitations", told.len());
    Ok(told)
}

fn told(house: &House, row: InvitationRow) -> Invitation {
    let name = accounts::unsealed(house, &invitation_label(&row.digest), &row.sealed);
    Invitation { name: name.unwrap_or_default(), row }
}

/// Withdraws an open invitation.
///
/// # Errors
/// [`Refusal::NotAllowed`], [`Refusal::UnknownInvitation`].
pub async fn withdraw(house: &House, caller: &Caller, id: &str) -> Result<(), FlowError> {
    caller.need(Scope::People)?;
    let open = invitations(house, caller).await?;
    let unknown = || Refused::new(Refusal::UnknownInvitation, "id");
    let found = open.into_iter().find(|i| hex(&i.row.id) == id).ok_or_else(unknown)?;
    let reference = house.reference().await?;
    let mut commit = Commit::default();
    let fields = accounts::invitation_fields(&reference, &found.row, &found.name);
    let named = ("invitation", id, "withdrawn");
    let author = Author::from(caller);
    changes::tell(house, &author, named, differences(&fields, &Fields::new()), &mut commit)?;
    commit.people.push(PeopleChange::InvitationEnded(found.row.id));
    match house.store.commit(&commit).await {
        Err(error) if error.is_race() => Err(unknown().into()),
        done => Ok(done?),
    }
}

/// The open invitation behind a link. It is good while whoever gave it could still give it: who was
/// removed leaves no way back in.
///
/// # Errors
/// [`Refusal::UnknownInvitation`]: there is none, or it was used, withdrawn or is over.
pub async fn invitation(house: &House, token: &str) -> Result<Invitation, FlowError> {
    let row = house.store.invitation_fetch(&sessions::digest_of(token)).await?;
    let now = house.clock.now().as_microsecond();
    let open = row.filter(|row| row.used_at.is_none() && row.expires_at > now);
    let unknown = || Refused::new(Refusal::UnknownInvitation, "token");
    let row = open.ok_or_else(unknown)?;
    if !stands(house, &row).await? {
        return Err(unknown().into());
    }
    Ok(told(house, row))
}

/// Whether whoever gave an invitation could give it now. The operator always could.
async fn stands(house: &House, row: &InvitationRow) -> Result<bool, FlowError> {
    let reference = house.reference_now().await?;
    let givers = match row.actor.split_once(':') {
        Some(("account", id)) => sessions::acting(house, &reference, id).await?,
        Some(("key", id)) => api_keys::standing(house, &reference, id).into_iter().collect(),
        _ => return Ok(true),
    };
    let bounds = (row.role.as_str(), row.regions.as_slice());
    Ok(givers.iter().any(|giver| {
        giver.brand.0 == row.brand
            && giver.may(Scope::People)
            && reaches(&reference, giver, PartyId(row.party), bounds)
    }))
}

/// Accepts an invitation: as a new account, or as that of the session that comes with it.
///
/// # Errors
/// [`Refusal::UnknownInvitation`], [`Refusal::InvalidField`], [`Refusal::SignInNameTaken`],
/// [`Refusal::AlreadyMember`]; [`SignInError::Wait`] after too many names that were taken.
pub async fn accept(
    house: &House,
    token: &str,
    (chosen, session): (&Chosen, Option<&Session>),
    origin: &Origin,
) -> Result<Opened, SignInError> {
    let Invitation { row: invited, name } = invitation(house, token).await?;
    let known = match session {
        Some(session) => Some(accounts::fetch(house, &session.account).await?),
        None => None,
    };
    let made = match &known {
        Some(_) => None,
        None => {
            let names = chosen.sound().map_err(FlowError::from)?;
            refuse_taken_counted(house, &names.sign_in, origin).await?;
            Some(Account::new(house, names, hashed(&chosen.password).await?)?)
        }
    };
    let Some(account) = made.as_ref().or(known.as_ref()) else {
        return Err(FlowError::Busy.into());
    };
    let reference = house.reference_now().await?;
    let author = Author {
        brand: BrandId(invited.brand),
        party: Some(PartyId(invited.party)),
        actor: account.actor(),
        address: origin.address,
    };
    let mut commit = Commit::default();
    let fields = accounts::invitation_fields(&reference, &invited, &name);
    let named = ("invitation", &*hex(&invited.id), "accepted");
    changes::tell(house, &author, named, differences(&fields, &fields), &mut commit)?;
    let now = house.clock.now().as_microsecond();
    commit.people.push(PeopleChange::InvitationUsed(invited.id, now));
    let id = account.row.id;
    if let Some(account) = made {
        account.put(house, &author, None, &mut commit)?;
    }
    let membership = MembershipRow {
        id: secrets::random::<16>().map_err(FlowError::from)?,
        account: id,
        brand: invited.brand,
        party: invited.party,
        role: invited.role.clone(),
        regions: invited.regions.clone(),
        created_at: now,
        revision: 1,
    };
    put_membership(house, &author, (&reference, None), membership.clone(), &mut commit)?;
    if let Some(session) = session {
        commit.people.push(PeopleChange::SessionEnded(session.digest.clone(), id));
    }
    let (opened, row) = sessions::fresh(house, id, Some(membership), &origin.into())?;
    commit.people.push(PeopleChange::Session(row));
    match house.store.commit(&commit).await {
        Err(StoreError::Duplicate(_)) if session.is_some() => {
            Err(refused(Refusal::AlreadyMember, "token"))
        }
        Err(StoreError::Duplicate(_)) => Err(refused(Refusal::SignInNameTaken, "sign_in_name")),
        Err(StoreError::Conflict(_)) => Err(refused(Refusal::UnknownInvitation, "token")),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(opened),
    }
}

fn refused(refusal: Refusal, field: &'static str) -> SignInError {
    FlowError::from(Refused::new(refusal, field)).into()
}

pub(super) async fn refuse_taken(house: &House, name: &str) -> Result<(), FlowError> {
    match house.store.account_named(&accounts::name_hash(house, name)).await? {
        Some(_) => Err(Refused::new(Refusal::SignInNameTaken, "sign_in_name").into()),
        None => Ok(()),
    }
}

/// The people of the caller's party and those below it, the first to come first.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(house: &House, caller: &Caller) -> Result<Vec<Person>, FlowError> {
    caller.need(Scope::PeopleRead)?;
    let reference = house.reference().await?;
    let rows = house.store.members(caller.brand.0).await?;
    let seen = |row: &MembershipRow| sees(&reference, caller, row);
    let people: Result<Vec<_>, FlowError> = rows
        .into_iter()
        .filter(|(membership, _)| seen(membership))
        .map(|(membership, row)| person(house, membership, row))
        .collect();
    let people = people?;
    audit::note(house, &caller.into(), SensitiveRead::People, "people", people.len());
    Ok(people)
}

fn person(house: &House, membership: MembershipRow, row: AccountRow) -> Result<Person, FlowError> {
    let account = Account::open(house, row)?;
    Ok(Person {
        membership,
        disabled_at: account.row.disabled_at,
        second_factor: account.locks.totp.is_some(),
        created_at: account.row.created_at,
        names: account.names,
    })
}

/// Whether somebody's membership is shown: its party is the caller's or below it, in its regions.
fn sees(reference: &Reference, caller: &Caller, row: &MembershipRow) -> bool {
    let party = PartyId(row.party);
    row.brand == caller.brand.0 && access::concerns(reference, caller, party)
}

/// Changes what somebody may do. Every session of the account ends.
///
/// # Errors
/// [`Refusal::UnknownAccount`], [`Refusal::UnknownMembership`], [`Refusal::NotAllowed`],
/// [`Refusal::InvalidField`], [`Refusal::UnknownParty`], [`Refusal::AlreadyMember`].
pub async fn change(
    house: &House,
    caller: &Caller,
    id: &str,
    change: &Change,
) -> Result<Person, FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let found = within_reach(house, &reference, caller, (id, change.membership.as_deref()));
        let (before, account) = found.await?;
        let after = changed(house, &reference, caller, (&before, change))?;
        let author = Author::from(caller);
        let mut commit = Commit::default();
        if after != before {
            let pair = (&*reference, Some(&before));
            put_membership(house, &author, pair, after.clone(), &mut commit)?;
        }
        if let Some(disabled) = change.disabled
            && disabled != account.row.disabled_at.is_some()
        {
            all_within_reach(house, &reference, caller, &account.row).await?;
            let mut next = account.clone();
            let now = house.clock.now().as_microsecond();
            next.row.disabled_at = disabled.then_some(now);
            next.put(house, &author, Some(&account), &mut commit)?;
        }
        if commit.people.is_empty() {
            return person(house, before, account.row);
        }
        commit.people.push(PeopleChange::SessionsEnded(account.row.id));
        match house.store.commit(&commit).await {
            Err(StoreError::Duplicate(_)) => {
                return Err(Refused::new(Refusal::AlreadyMember, "party").into());
            }
            Err(error) if error.is_race() => continue,
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let row = accounts::fetch(house, &account.row.id).await?.row;
                return person(house, after, row);
            }
        }
    }
    Err(FlowError::Busy)
}

/// The membership as it is to be, of which the caller may give every part.
fn changed(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (before, change): (&MembershipRow, &Change),
) -> Result<MembershipRow, Refused> {
    let mut after = before.clone();
    if let Some(code) = &change.party {
        after.party = party_for(reference, caller, code)?.0;
    }
    if let Some(regions) = &change.regions {
        after.regions = sound_regions(house, regions)?;
    }
    if let Some(role) = change.role {
        after.role = role.as_str().to_owned();
    }
    let role = Role::parse(&after.role).ok_or_else(|| Refused::invalid("role", "no such role"))?;
    may_give(caller, (role, "role"), (&after.regions, "regions"))?;
    Ok(after)
}

/// Ends somebody's membership, and every session of the account. The account itself stays: it may
/// be a member elsewhere, and the ledger names it.
///
/// # Errors
/// As [`change`].
pub async fn remove(
    house: &House,
    caller: &Caller,
    (id, membership): (&str, Option<&str>),
) -> Result<(), FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let found = within_reach(house, &reference, caller, (id, membership));
        let (row, account) = found.await?;
        let mut commit = Commit::default();
        end_membership(house, &Author::from(caller), &reference, &row, &mut commit)?;
        commit.people.push(PeopleChange::SessionsEnded(account.row.id));
        match house.store.commit(&commit).await {
            Err(error) if error.is_race() => continue,
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
    }
    Err(FlowError::Busy)
}

/// A membership that the caller could have given, with its account.
async fn within_reach(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (id, membership): (&str, Option<&str>),
) -> Result<(MembershipRow, Account), FlowError> {
    caller.need(Scope::People)?;
    let unknown = || Refused::new(Refusal::UnknownAccount, "id");
    let id = accounts::id_of(id).ok_or_else(unknown)?;
    let mut rows = house.store.memberships(&id).await?;
    rows.retain(|row| sees(reference, caller, row));
    if rows.is_empty() {
        return Err(unknown().into());
    }
    if let Some(name) = membership {
        let wanted = accounts::id_of(name);
        rows.retain(|row| Some(row.id) == wanted);
    }
    let row = match rows.as_slice() {
        [] => return Err(Refused::new(Refusal::UnknownMembership, "membership").into()),
        [row] => row.clone(),
        _ => {
            let why = "this account has several memberships; name the one you mean";
            return Err(Refused::invalid("membership", why).into());
        }
    };
    if caller.actor == accounts::actor(&id) {
        let why = "nobody changes what they may do themselves; ask somebody else";
        return Err(Refused::because(Refusal::NotAllowed, "id", why).into());
    }
    may_touch(caller, &row)?;
    Ok((row, accounts::fetch(house, &id).await?))
}

/// Refuses a membership that the caller could not have given.
fn may_touch(caller: &Caller, row: &MembershipRow) -> Result<(), Refused> {
    // A word this program does not know may mean anything.
    let role = Role::parse(&row.role).unwrap_or(Role::Owner);
    may_give(caller, (role, "id"), (&row.regions, "id"))
}

/// Refuses to close an account to which others gave something, too.
async fn all_within_reach(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    account: &AccountRow,
) -> Result<(), FlowError> {
    for row in house.store.memberships(&account.id).await? {
        if !sees(reference, caller, &row) {
            let why = "this account is a member elsewhere; remove its membership here instead";
            return Err(Refused::because(Refusal::NotAllowed, "disabled", why).into());
        }
        may_touch(caller, &row)?;
    }
    Ok(())
}

fn may_give(
    caller: &Caller,
    (role, role_field): (Role, &'static str),
    (regions, regions_field): (&[String], &'static str),
) -> Result<(), Refused> {
    if let Some(why) = may_not_give(caller.role, |scope| caller.may(scope), role) {
        return Err(Refused::because(Refusal::NotAllowed, role_field, why));
    }
    if !no_wider(regions, &caller.regions) {
        let why = "it is bound to narrower regions itself";
        return Err(Refused::because(Refusal::NotAllowed, regions_field, why));
    }
    Ok(())
}

fn reaches(
    reference: &Reference,
    caller: &Caller,
    party: PartyId,
    (role, regions): (&str, &[String]),
) -> bool {
    let role = Role::parse(role).unwrap_or(Role::Owner);
    access::concerns(reference, caller, party)
        && may_give(caller, (role, ""), (regions, "")).is_ok()
}

fn party_for(reference: &Reference, caller: &Caller, code: &str) -> Result<PartyId, Refused> {
    let party = find::party(reference, caller.brand, ("party", code))?;
    mandate::speaks_for(reference, caller, party.id, "party")?;
    if !access::concerns(reference, caller, party.id) {
        let why = "it lies outside the regions you are bound to";
        return Err(Refused::because(Refusal::NotAllowed, "party", why));
    }
    Ok(party.id)
}

fn sound_regions(house: &House, regions: &[String]) -> Result<Vec<String>, Refused> {
    if regions.len() > REGIONS_MAX {
        return Err(Refused::invalid("regions", format!("at most {REGIONS_MAX}")));
    }
    let sound = |text: &String| {
        let code = house.geo.divisions().parse(text);
        let code = code.ok().filter(domain::region::RegionCode::is_division);
        let code = code.map(|code| code.as_str().to_owned());
        code.ok_or_else(|| Refused::because(Refusal::UnknownRegion, "regions", text))
    };
    let mut sound: Vec<_> = regions.iter().map(sound).collect::<Result<_, _>>()?;
    sound.sort_unstable();
    sound.dedup();
    Ok(sound)
}

fn invitation_label(digest: &[u8]) -> String {
    format!("dossier invitation v1 {}", hex(digest))
}
