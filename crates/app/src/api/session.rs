//! Signing in and out over the API, setting up, accepting an invitation: whatever gives a browser a
//! session to hold, or takes it away.

use super::error::Problem;
use super::input::{At, Input};
use super::instant_text;
use crate::flows::House;
use crate::flows::custody::instant;
use crate::flows::people;
use crate::flows::people::accounts::Chosen;
use crate::flows::people::credentials::about;
use crate::flows::people::sessions::{self, Opened, Session, SessionTold};
use crate::flows::people::set_up::{self as first, FirstOwner};
use crate::flows::people::sign_in::{self as signing, Attempt, SignedIn};
use crate::flows::people::sign_up;
use crate::flows::reference::Reference;
use crate::guest::{Guest, MadeBy};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::id::{BrandId, PartyId};
use domain::role::Role;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::canonical::hex;
use store::people::MembershipRow;
use utoipa::ToSchema;

/// Name and password, with the code where a second factor is set up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInBody {
    /// The name.
    #[schema(max_length = 64)]
    pub sign_in_name: String,
    /// The password.
    #[schema(max_length = 128)]
    pub password: String,
    /// The code of the authenticator, or a recovery code.
    pub code: Option<String>,
}

/// What to act as.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChooseBody {
    /// `id` of one of the memberships.
    pub membership: String,
}

/// The first owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpBody {
    /// The name its first owner signs in with.
    #[schema(max_length = 64)]
    pub sign_in_name: String,
    /// The owner's name as shown.
    #[serde(default)]
    pub name: String,
    /// The owner's password: 12 to 128 characters.
    #[schema(min_length = 12, max_length = 128)]
    pub password: String,
    /// Short name of the brand, unique in the deployment.
    pub brand_code: String,
    /// Its name as shown.
    pub brand_name: String,
}

/// What the first owner says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUpBody {
    /// The last part of the link that `serve` printed.
    pub token: String,
    /// The name to sign in with from now on.
    #[schema(max_length = 64)]
    pub sign_in_name: String,
    /// The name as shown; the one to sign in with unless said.
    #[serde(default)]
    pub name: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 128)]
    pub password: String,
    /// Code of the brand, where there is none yet.
    #[serde(default)]
    pub brand_code: String,
    /// Its name.
    #[serde(default)]
    pub brand_name: String,
}

/// An invitation accepted: with names and a password, or by the session that comes with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// The last part of the link.
    pub token: String,
    /// The name to sign in with from now on.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub sign_in_name: String,
    /// The name as shown.
    #[serde(default)]
    pub name: String,
    /// At least 12 characters.
    #[serde(default)]
    #[schema(min_length = 12, max_length = 128)]
    pub password: String,
}

/// Something one may act as.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembershipReply {
    /// Its name, opaque.
    pub id: String,
    /// Code of the brand.
    #[schema(required = true)]
    pub brand: Option<String>,
    /// Whether the operator vouches for the brand: until then it enters no IMEI, MEID, EID, MAC or
    /// SSCC, which are unique over all brands.
    pub brand_vouched: bool,
    /// Code of the party.
    #[schema(required = true)]
    pub party: Option<String>,
    /// The role.
    pub role: String,
    /// Regions it is bound to; none for everywhere the party reaches.
    pub regions: Vec<String>,
}

/// A session with whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionReply {
    /// The account, opaque: what the ledger shows is `account:` and this.
    pub account: String,
    /// The name to sign in with.
    pub sign_in_name: String,
    /// The name as shown.
    pub name: String,
    /// Whether a second factor is on.
    pub second_factor: bool,
    /// Recovery codes that are left.
    pub recovery_code_count: usize,
    /// What it acts as; null until that is chosen.
    #[schema(required = true)]
    pub membership: Option<MembershipReply>,
    /// What that may do.
    pub scopes: Vec<&'static str>,
    /// Everything it may act as.
    pub memberships: Vec<MembershipReply>,
    /// When the session ends at the latest.
    pub expires_at: String,
}

/// A session among others of the same account.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRowReply {
    /// Its name, which opens nothing.
    pub id: String,
    /// Whether it is the one that asks.
    pub present: bool,
    /// The address it was opened from.
    pub address: String,
    /// The browser's family.
    pub agent: String,
    /// When it was opened.
    pub created_at: String,
    /// When it was last used, to the minute.
    pub used_at: String,
    /// When it ends at the latest.
    pub expires_at: String,
}

pub(super) fn membership_reply(reference: &Reference, row: &MembershipRow) -> MembershipReply {
    MembershipReply {
        id: hex(&row.id),
        brand: reference.brands.get(&BrandId(row.brand)).map(|b| b.code.clone()),
        brand_vouched: reference.is_vouched(BrandId(row.brand)),
        party: reference.tree.get(PartyId(row.party)).map(|p| p.code.clone()),
        role: row.role.clone(),
        regions: row.regions.clone(),
    }
}

async fn session_reply(house: &House, session: &Session) -> Result<SessionReply, Problem> {
    let own = about(house, session).await?;
    let reference = house.reference().await?;
    let chosen = session.membership.as_ref();
    let brand = chosen.map_or(0, |m| m.brand);
    let scopes = chosen.and_then(|m| Role::parse(&m.role)).map_or(&[][..], Role::scopes);
    Ok(SessionReply {
        account: hex(&session.account),
        sign_in_name: own.names.sign_in,
        name: own.names.name,
        second_factor: own.second_factor,
        recovery_code_count: own.recovery_count,
        membership: chosen.map(|m| membership_reply(&reference, m)),
        scopes: scopes.iter().map(|scope| scope.as_str()).collect(),
        memberships: own.memberships.iter().map(|m| membership_reply(&reference, m)).collect(),
        expires_at: instant_text(&reference, brand, instant(session.expires_at)),
    })
}

/// A session just opened, with the cookie that holds it.
pub(super) type Held = (StatusCode, HeaderMap, Json<SessionReply>);

pub(super) async fn held(
    house: &House,
    guest: &Guest,
    (status, opened): (StatusCode, Opened),
) -> Result<Held, Problem> {
    let reply = session_reply(house, &opened.session).await?;
    Ok((status, guest.channel.hold(&opened.token), Json(reply)))
}

/// The session a request came with.
pub(super) fn session_of(guest: &Guest) -> Result<&Session, Problem> {
    guest.session.as_ref().ok_or_else(|| {
        Problem::transport("unauthenticated").saying("sign in first; a key has no account")
    })
}

/// Refuses to hand a session out in the clear, or to the page of another site.
fn may_hold(guest: &Guest) -> Result<(), Problem> {
    if guest.made_by == MadeBy::Others {
        return Err(Problem::transport("cross_site"));
    }
    if !guest.channel.is_private() {
        return Err(Problem::transport("needs_https"));
    }
    Ok(())
}

/// Sign in. The answer sets the session's cookie. A wrong name, password or code and a disabled
/// account are one answer; wrong tries make wait, by account and by address.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "people", request_body = SignInBody,
    responses(
        (status = 200, description = "Signed in", body = SessionReply),
        (status = 401, description = "Wrong, or a code is needed", body = Problem),
        (status = 403, description = "In the clear, or from the page of another site",
            body = Problem),
        (status = 429, description = "Too many wrong tries", body = Problem),
    ),
    security(())
)]
pub(super) async fn sign_in(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<SignInBody>,
) -> Result<Held, Problem> {
    may_hold(&guest)?;
    let attempt = Attempt {
        name: body.sign_in_name,
        password: body.password,
        code: body.code,
        origin: guest.origin.clone(),
    };
    match signing::sign_in(&house, &attempt).await? {
        SignedIn::Opened(opened) => held(&house, &guest, (StatusCode::OK, opened)).await,
        SignedIn::CodeWanted(_) => Err(Problem::transport("second_factor_needed")),
    }
}

/// Show whose session it is and what it may do.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "people",
    responses((status = 200, description = "The session", body = SessionReply)),
    security(("session" = []))
)]
pub(super) async fn show_session(
    State(house): State<Arc<House>>,
    guest: Guest,
) -> Result<Json<SessionReply>, Problem> {
    Ok(Json(session_reply(&house, session_of(&guest)?).await?))
}

/// Sign out: the session is refused from now on.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "people",
    responses((status = 204, description = "Signed out")),
    security(("session" = []))
)]
pub(super) async fn sign_out(
    State(house): State<Arc<House>>,
    guest: Guest,
) -> Result<(StatusCode, HeaderMap), Problem> {
    sessions::sign_out(&house, session_of(&guest)?).await?;
    Ok((StatusCode::NO_CONTENT, guest.channel.forget()))
}

/// Act as another membership. The session gets another secret; the old one is good no more.
#[utoipa::path(
    post, path = "/api/v1/session/membership", tag = "people", request_body = ChooseBody,
    responses(
        (status = 200, description = "The session", body = SessionReply),
        (status = 404, description = "No such membership", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn choose_membership(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<ChooseBody>,
) -> Result<Held, Problem> {
    let session = session_of(&guest)?;
    let wanted = (body.membership.as_str(), &guest.origin);
    let opened = sessions::choose(&house, session, wanted).await?;
    held(&house, &guest, (StatusCode::OK, opened)).await
}

/// List the good sessions of one's own account.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "people",
    responses((status = 200, description = "All of them", body = Vec<SessionRowReply>)),
    security(("session" = []))
)]
pub(super) async fn list_sessions(
    State(house): State<Arc<House>>,
    guest: Guest,
) -> Result<Json<Vec<SessionRowReply>>, Problem> {
    let session = session_of(&guest)?;
    let told = sessions::list(&house, session).await?;
    let reference = house.reference().await?;
    let brand = session.membership.as_ref().map_or(0, |m| m.brand);
    let text = |at: i64| instant_text(&reference, brand, instant(at));
    let reply = |told: SessionTold| SessionRowReply {
        id: told.id,
        present: told.present,
        address: told.place.address,
        agent: told.place.agent,
        created_at: text(told.created_at),
        used_at: text(told.used_at),
        expires_at: text(told.expires_at),
    };
    Ok(Json(told.into_iter().map(reply).collect()))
}

/// End a session of one's own account.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "people",
    params(("id" = String, Path, description = "Its id in the list")),
    responses(
        (status = 204, description = "It is refused from now on"),
        (status = 404, description = "No such session", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn end_session(
    State(house): State<Arc<House>>,
    guest: Guest,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    sessions::end(&house, session_of(&guest)?, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set the deployment up: make its first owner, and the brand where there is none. Once for all.
#[utoipa::path(
    post, path = "/api/v1/set-up", tag = "people", request_body = SetUpBody,
    responses(
        (status = 201, description = "Made, and signed in", body = SessionReply),
        (status = 403, description = "In the clear, or from the page of another site",
            body = Problem),
        (status = 404, description = "The link is not good", body = Problem),
        (status = 409, description = "It was set up already", body = Problem),
    ),
    security(())
)]
pub(super) async fn set_up(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<SetUpBody>,
) -> Result<Held, Problem> {
    may_hold(&guest)?;
    let SetUpBody { token, sign_in_name, name, password, brand_code, brand_name } = body;
    let chosen = Chosen { sign_in: sign_in_name, name, password };
    let owner = FirstOwner { chosen, brand_code, brand_name };
    let opened = first::set_up(&house, &token, &owner, &guest.origin).await?;
    held(&house, &guest, (StatusCode::CREATED, opened)).await
}

/// A brand signs up by itself, where the operator allows it: it is made with its own party and its
/// first owner, who is signed in.
#[utoipa::path(
    post, path = "/api/v1/brands", tag = "people", request_body = SignUpBody,
    responses(
        (status = 201, description = "Made, and signed in", body = SessionReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "Brands do not sign up here; in the clear; or from the page \
            of another site", body = Problem),
        (status = 409, description = "The code or the name is taken", body = Problem),
        (status = 429, description = "Too many brands from there", body = Problem),
    ),
    security(())
)]
pub(super) async fn sign_up_brand(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<SignUpBody>,
) -> Result<Held, Problem> {
    sign_up::admit(&house)?;
    may_hold(&guest)?;
    let SignUpBody { sign_in_name, name, password, brand_code, brand_name } = body;
    let chosen = Chosen { sign_in: sign_in_name, name, password };
    let first = FirstOwner { chosen, brand_code, brand_name };
    let opened = sign_up::sign_up(&house, &first, &guest.origin).await;
    held(&house, &guest, (StatusCode::CREATED, opened?)).await
}

/// Accept an invitation. With a session its account becomes a member; else a new account is made.
#[utoipa::path(
    post, path = "/api/v1/invitations/accept", tag = "people", request_body = AcceptBody,
    responses(
        (status = 201, description = "A member, and signed in", body = SessionReply),
        (status = 403, description = "In the clear, or from the page of another site",
            body = Problem),
        (status = 404, description = "No open invitation", body = Problem),
        (status = 409, description = "The name is taken, or a member already", body = Problem),
    ),
    security((), ("session" = []))
)]
pub(super) async fn accept_invitation(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<AcceptBody>,
) -> Result<Held, Problem> {
    may_hold(&guest)?;
    let AcceptBody { token, sign_in_name, name, password } = body;
    let chosen = Chosen { sign_in: sign_in_name, name, password };
    let who = (&chosen, guest.session.as_ref());
    let opened = people::accept(&house, &token, who, &guest.origin).await?;
    held(&house, &guest, (StatusCode::CREATED, opened)).await
}
