//! Who works here, over the API: inviting, listing, changing and removing people.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, Input};
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use super::session::{MembershipReply, membership_reply};
use crate::flows::custody::instant;
use crate::flows::people::{self, Change, Invitation, Order, Person};
use crate::flows::reference::Reference;
use crate::flows::{House, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::PartyId;
use domain::role::Role;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::canonical::hex;
use utoipa::ToSchema;

/// An invitation to be given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteBody {
    /// Code of the party to act for: the asking one's own or one below it.
    #[schema(max_length = 64)]
    pub party: String,
    /// The role: only one of which the asking one holds every scope.
    pub role: String,
    /// Regions to be bound to, prefixes of GB/T 2260 codes; none for everywhere.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub regions: Vec<String>,
    /// Who is meant, for those who read the list.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub name: String,
}

/// What is to change of somebody; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerBody {
    /// Which membership, where the account has several in reach.
    pub membership: Option<String>,
    /// Code of the party to act for.
    #[schema(max_length = 64)]
    pub party: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// The regions.
    pub regions: Option<Vec<String>>,
    /// Whether it may not sign in any more.
    pub disabled: Option<bool>,
}

/// Which membership ends.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// Which membership, where the account has several in reach.
    pub membership: Option<String>,
}

/// An open invitation.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationReply {
    /// Its name, which opens nothing.
    pub id: String,
    /// Code of the party to act for.
    #[schema(required = true)]
    pub party: Option<String>,
    /// The role.
    pub role: String,
    /// Regions to be bound to.
    pub regions: Vec<String>,
    /// Who is meant.
    pub name: String,
    /// Who invited.
    pub actor: String,
    /// When.
    pub created_at: String,
    /// Until when it is open.
    pub expires_at: String,
}

/// An invitation with its link, which is told only now.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitedReply {
    /// The path of the link: send it to whom it is meant for, on this host.
    pub path: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub kept: InvitationReply,
}

/// Somebody who works here.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerReply {
    /// The account, opaque: what the ledger shows is `account:` and this.
    pub id: String,
    /// The name to sign in with.
    pub sign_in_name: String,
    /// The name as shown.
    pub name: String,
    /// What it may act as here.
    pub membership: MembershipReply,
    /// Whether it has a second factor.
    pub second_factor: bool,
    /// When the account was made.
    pub created_at: String,
    /// Since when it may not sign in.
    #[schema(required = true)]
    pub disabled_at: Option<String>,
}

fn invitation_reply(reference: &Reference, told: Invitation) -> InvitationReply {
    let Invitation { row, name } = told;
    let text = |at: i64| instant_text(reference, row.brand, instant(at));
    InvitationReply {
        id: hex(&row.id),
        party: reference.tree.get(PartyId(row.party)).map(|p| p.code.clone()),
        created_at: text(row.created_at),
        expires_at: text(row.expires_at),
        role: row.role,
        regions: row.regions,
        actor: row.actor,
        name,
    }
}

fn person_reply(reference: &Reference, person: Person) -> WorkerReply {
    let brand = person.membership.brand;
    let text = |at: i64| instant_text(reference, brand, instant(at));
    WorkerReply {
        id: hex(&person.membership.account),
        membership: membership_reply(reference, &person.membership),
        second_factor: person.second_factor,
        created_at: text(person.created_at),
        disabled_at: person.disabled_at.map(text),
        sign_in_name: person.names.sign_in,
        name: person.names.name,
    }
}

fn role_of(word: &str) -> Result<Role, Problem> {
    Role::parse(word).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        Problem::invalid("role", format!("roles are {}", known.join(", ")))
    })
}

/// An order among rows that nothing added disturbs.
fn place(id: &[u8; 16]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *id;
    i64::from_be_bytes([a, b, c, d, e, f, g, h]) & i64::MAX
}

/// Invite somebody. The link is told only in this answer and is good for seven days.
#[utoipa::path(
    post, path = "/api/v1/invitations", tag = "people", request_body = InviteBody,
    responses(
        (status = 201, description = "Invited", body = InvitedReply),
        (status = 403, description = "Needs scope people, every scope of the role, a party it \
            speaks for and regions no wider than its own", body = Problem),
        (status = 404, description = "No such party", body = Problem),
    ),
    security(("key" = ["people"]))
)]
pub(super) async fn invite_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<InviteBody>,
) -> Result<(StatusCode, Json<InvitedReply>), Problem> {
    let caller = keyholder.with(Scope::People)?;
    let role = role_of(&body.role)?;
    let order = Order { party: body.party, role, regions: body.regions, name: body.name };
    let (token, invitation) = people::invite(&house, &caller, &order).await?;
    let reference = house.reference().await?;
    let kept = invitation_reply(&reference, invitation);
    Ok((StatusCode::CREATED, Json(InvitedReply { path: format!("/invitation/{token}"), kept })))
}

/// List the open invitations one could have given.
#[utoipa::path(
    get, path = "/api/v1/invitations", tag = "people", params(PageQuery),
    responses((status = 200, description = "A page", body = PageReply<InvitationReply>)),
    security(("key" = ["people"]), ("key" = ["people:read"]))
)]
pub(super) async fn list_invitations(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<InvitationReply>>, Problem> {
    let caller = keyholder.with(Scope::PeopleRead)?;
    let mut open = people::invitations(&house, &caller).await?;
    open.sort_by_key(|invitation| place(&invitation.row.id));
    let reference = house.reference().await?;
    let reply = |invitation| invitation_reply(&reference, invitation);
    Ok(Json(page.cut(open.into_iter(), |i| place(&i.row.id), reply)?))
}

/// Withdraw an open invitation: its link is good no more.
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", tag = "people",
    params(("id" = String, Path, description = "Its id in the list")),
    responses(
        (status = 204, description = "Withdrawn"),
        (status = 404, description = "No such open invitation", body = Problem),
    ),
    security(("key" = ["people"]))
)]
pub(super) async fn withdraw_invitation(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    let caller = keyholder.with(Scope::People)?;
    people::withdraw(&house, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the people of one's own party and those below it.
#[utoipa::path(
    get, path = "/api/v1/people", tag = "people", params(PageQuery),
    responses((status = 200, description = "A page", body = PageReply<WorkerReply>)),
    security(("key" = ["people"]), ("key" = ["people:read"]))
)]
pub(super) async fn list_people(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<WorkerReply>>, Problem> {
    let caller = keyholder.with(Scope::PeopleRead)?;
    let mut found = people::list(&house, &caller).await?;
    found.sort_by_key(|person| place(&person.membership.id));
    let reference = house.reference().await?;
    let reply = |person| person_reply(&reference, person);
    Ok(Json(page.cut(found.into_iter(), |p| place(&p.membership.id), reply)?))
}

/// Change somebody's role, party or regions, or disable the account. Its sessions end. Nobody
/// changes themselves.
#[utoipa::path(
    patch, path = "/api/v1/people/{id}", tag = "people", request_body = WorkerBody,
    params(("id" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "As it stands now", body = WorkerReply),
        (status = 403, description = "Not within reach, or oneself", body = Problem),
        (status = 404, description = "No such account", body = Problem),
        (status = 409, description = "A member for that party already", body = Problem),
    ),
    security(("key" = ["people"]))
)]
pub(super) async fn change_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<WorkerBody>,
) -> Result<Json<WorkerReply>, Problem> {
    let caller = keyholder.with(Scope::People)?;
    let change = Change {
        role: body.role.as_deref().map(role_of).transpose()?,
        membership: body.membership,
        party: body.party,
        regions: body.regions,
        disabled: body.disabled,
    };
    let person = people::change(&house, &caller, &id, &change).await?;
    let reference = house.reference().await?;
    Ok(Json(person_reply(&reference, person)))
}

/// Remove somebody: the membership ends, and with it every session of the account.
#[utoipa::path(
    delete, path = "/api/v1/people/{id}", tag = "people",
    params(("id" = String, Path, description = "The account"), RemoveQuery),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "Not within reach, or oneself", body = Problem),
        (status = 404, description = "No such account", body = Problem),
    ),
    security(("key" = ["people"]))
)]
pub(super) async fn remove_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Asked(query): Asked<RemoveQuery>,
) -> Result<StatusCode, Problem> {
    let caller = keyholder.with(Scope::People)?;
    people::remove(&house, &caller, (&id, query.membership.as_deref())).await?;
    Ok(StatusCode::NO_CONTENT)
}
