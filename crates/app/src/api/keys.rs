//! API keys over the API: list, give, rotate, withdraw. A key reaches what it could have given
//! itself: no scope it lacks, no party above or beside its own.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, Input};
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use crate::files::read_instant;
use crate::flows::api_keys::{self, Given, Order, Told};
use crate::flows::custody::instant;
use crate::flows::reference::Reference;
use crate::flows::{Caller, House, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::PartyId;
use domain::key::{OVERLAP_MAX, PREFIXES_MAX};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Hours of [`OVERLAP_MAX`].
const OVERLAP_HOURS_MAX: u32 = OVERLAP_MAX.as_hours() as u32;
/// A key's id is twelve hexadecimal digits.
const ID_RADIX: u32 = 16;

/// A key to be given.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyBody {
    /// Code of the party that acts with it: the asking key's own or one below it.
    #[schema(max_length = 64)]
    pub party: String,
    /// What it may do: only scopes that the asking key holds.
    #[schema(min_items = 1)]
    pub scopes: Vec<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub name: String,
    /// Addresses and ranges it may be used from; none for anywhere.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub from: Vec<String>,
    /// From when on it is not good any more; none for never.
    pub expires_at: Option<String>,
}

/// How to rotate a key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// Hours the secret of now stays good beside the new one, 0 (unless said) to 2,160.
    #[serde(default)]
    #[schema(maximum = 2160)]
    pub overlap_hours: u32,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyReply {
    /// The part between `dos_` and the dot.
    pub id: String,
    /// Code of the party that acts with it.
    #[schema(required = true)]
    pub party: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// What it is for.
    pub name: String,
    /// Ranges of addresses it may be used from; none for anywhere.
    pub from: Vec<String>,
    /// `active`, `rotating` (two secrets are good), `expired`, `revoked`.
    pub state: &'static str,
    /// When it was given.
    pub created_at: String,
    /// From when on it is not good any more.
    #[schema(required = true)]
    pub expires_at: Option<String>,
    /// When it got its present secret; null while that is its first.
    #[schema(required = true)]
    pub rotated_at: Option<String>,
    /// Until when the secret before is good; null when there is none.
    #[schema(required = true)]
    pub previous_until: Option<String>,
    /// The beginning of the hour it was last used in; a minute behind at most.
    #[schema(required = true)]
    pub last_used_at: Option<String>,
    /// When it was withdrawn.
    #[schema(required = true)]
    pub revoked_at: Option<String>,
}

/// A key with its secret, which is told only now.
#[derive(Debug, Serialize, ToSchema)]
pub struct GivenReply {
    /// The whole key: keep it safe, it is never told again.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub kept: KeyReply,
}

fn key_reply(reference: &Reference, told: Told) -> KeyReply {
    let Told { row, state, used_at } = told;
    let text = |at: i64| instant_text(reference, row.brand, instant(at));
    KeyReply {
        party: reference.tree.get(PartyId(row.party)).map(|p| p.code.clone()),
        state: state.as_str(),
        created_at: text(row.created_at),
        expires_at: row.expires_at.map(text),
        rotated_at: row.rotated_at.map(text),
        previous_until: row.previous.as_ref().map(|p| text(p.until)),
        last_used_at: used_at.map(text),
        revoked_at: row.revoked_at.map(text),
        id: row.id,
        scopes: row.scopes,
        name: row.name,
        from: row.from,
    }
}

async fn given_reply(house: &House, given: Given) -> Result<GivenReply, Problem> {
    let reference = house.reference().await?;
    let kept = key_reply(&reference, api_keys::told(house, given.row));
    Ok(GivenReply { key: given.key, kept })
}

/// List keys: those of the asking key's party and those below it.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<KeyReply>),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["keys"]), ("key" = ["keys:read"]))
)]
pub(super) async fn list_keys(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<KeyReply>>, Problem> {
    let caller = keyholder.with(Scope::KeysRead)?;
    let keys = api_keys::list(&house, &caller).await?;
    let reference = house.reference().await?;
    // An id is 48 bits in digits; it is read back as what orders it.
    let place = |told: &Told| i64::from_str_radix(&told.row.id, ID_RADIX).unwrap_or(i64::MAX);
    Ok(Json(page.cut(keys.into_iter(), place, |told| key_reply(&reference, told))?))
}

/// Give a key. Its secret is told only in this answer, so the answer is not kept for a repeated
/// request: revoke a key whose answer was lost.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", request_body = KeyBody,
    responses(
        (status = 201, description = "Given", body = GivenReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "Needs scope keys, every scope it gives, and a party it \
            speaks for", body = Problem),
        (status = 404, description = "No such party", body = Problem),
    ),
    security(("key" = ["keys"]))
)]
pub(super) async fn give_key(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<KeyBody>,
) -> Result<(StatusCode, Json<GivenReply>), Problem> {
    let caller = keyholder.with(Scope::Keys)?;
    let order = order_of(&house, &caller, body).await?;
    let given = api_keys::give(&house, &caller, &order).await?;
    Ok((StatusCode::CREATED, Json(given_reply(&house, given).await?)))
}

async fn order_of(house: &House, caller: &Caller, body: KeyBody) -> Result<Order, Problem> {
    let scope = |(i, word): (usize, &String)| {
        let unknown = || Problem::invalid(format!("scopes[{i}]"), "no such scope");
        Scope::parse(word).ok_or_else(unknown)
    };
    if body.from.len() > PREFIXES_MAX {
        return Err(Problem::invalid("from", format!("at most {PREFIXES_MAX} ranges")));
    }
    let range = |(i, text): (usize, &String)| {
        text.parse().map_err(|why| Problem::invalid(format!("from[{i}]"), why))
    };
    let reference = house.reference().await?;
    let zone = reference.zone(caller.brand);
    let end = body.expires_at.as_deref().map(|text| read_instant(text, zone)).transpose();
    Ok(Order {
        scopes: body.scopes.iter().enumerate().map(scope).collect::<Result<_, _>>()?,
        from: body.from.iter().enumerate().map(range).collect::<Result<_, _>>()?,
        expires_at: end.map_err(|why| Problem::invalid("expires_at", why))?.map(|end| end.at),
        party: body.party,
        name: body.name,
    })
}

/// Give a key another secret. The one before stays good for the overlap; one that was still good
/// from a rotation before that ends now. A key may rotate itself.
#[utoipa::path(
    post, path = "/api/v1/keys/{id}/rotate", tag = "keys", request_body = RotateBody,
    params(("id" = String, Path, description = "The part between dos_ and the dot")),
    responses(
        (status = 200, description = "The same key under a new secret", body = GivenReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "Needs scope keys and every scope of that key",
            body = Problem),
        (status = 404, description = "No such key", body = Problem),
        (status = 409, description = "Withdrawn or expired", body = Problem),
    ),
    security(("key" = ["keys"]))
)]
pub(super) async fn rotate_key(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<RotateBody>,
) -> Result<Json<GivenReply>, Problem> {
    let caller = keyholder.with(Scope::Keys)?;
    if body.overlap_hours > OVERLAP_HOURS_MAX {
        let why = format!("at most {OVERLAP_HOURS_MAX}");
        return Err(Problem::invalid("overlap_hours", why));
    }
    let overlap = SignedDuration::from_hours(body.overlap_hours.into());
    let given = api_keys::rotate(&house, &caller, &id, overlap).await?;
    Ok(Json(given_reply(&house, given).await?))
}

/// Withdraw a key: it is refused from now on, by every process within a tenth of a second.
#[utoipa::path(
    post, path = "/api/v1/keys/{id}/revoke", tag = "keys",
    params(("id" = String, Path, description = "The part between dos_ and the dot")),
    responses(
        (status = 200, description = "Withdrawn, now or before", body = KeyReply),
        (status = 403, description = "Needs scope keys and every scope of that key",
            body = Problem),
        (status = 404, description = "No such key", body = Problem),
    ),
    security(("key" = ["keys"]))
)]
pub(super) async fn revoke_key(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<Json<KeyReply>, Problem> {
    let caller = keyholder.with(Scope::Keys)?;
    let row = api_keys::revoke(&house, &caller, &id).await?;
    let reference = house.reference().await?;
    Ok(Json(key_reply(&reference, api_keys::told(&house, row))))
}
