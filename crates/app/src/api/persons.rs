//! Persons: what is held about the brand's consumers. For the brand's own staff only; each look
//! needs a reason and is recorded. A telephone stands in bodies, never in an address.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, Input};
use crate::files::read_date;
use crate::flows::persons::personal::{self, Correction, Held, HeldConsent, HeldRegistration};
use crate::flows::{House, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::person::Purpose;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Who is looked for, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonFindBody {
    /// The telephone: 11 digits of a mainland mobile, or `+` and the country code.
    #[schema(max_length = 20)]
    pub phone: String,
    /// Why. Kept sealed beside the record of the look.
    #[schema(min_length = 3, max_length = 300)]
    pub reason: String,
}

/// Why somebody is looked at.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PersonQuery {
    /// Why, 3 to 300 characters. Kept sealed beside the record of the look.
    #[serde(default)]
    pub reason: String,
}

/// Why it is done.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonReasonBody {
    /// Why. Kept sealed.
    #[schema(min_length = 3, max_length = 300)]
    pub reason: String,
}

/// What is corrected.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonBody {
    /// The telephone from now on.
    #[schema(max_length = 20)]
    pub phone: Option<String>,
    /// Trace code of the registered unit that `purchased_on` is about.
    pub code: Option<String>,
    /// The day it was bought, `YYYY-MM-DD`.
    pub purchased_on: Option<String>,
}

/// A consent given or withdrawn.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonConsentBody {
    /// `marketing`, `location`, `share_with_distributor`.
    pub purpose: String,
    /// Given, or withdrawn.
    pub given: bool,
}

/// A registration of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonRegistrationReply {
    /// Trace code of the unit.
    pub code: String,
    /// Its product.
    pub product: String,
    /// When.
    pub registered_at: String,
    /// The day of purchase as stated; may be empty.
    pub purchased_on: String,
    /// Invoice number; may be empty.
    pub invoice: String,
    /// When somebody proved more, to whom the unit is bound since; null where nobody did.
    #[schema(required = true)]
    pub displaced_at: Option<String>,
    /// Until when it is kept as things stand; null while the guarantee has no start.
    #[schema(required = true)]
    pub kept_until: Option<String>,
}

/// A consent of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonConsentReply {
    /// `registration`, `marketing`, `location`, `share_with_distributor`.
    pub purpose: String,
    /// Which sentences were read.
    pub text_version: String,
    /// When it was given.
    pub given_at: String,
    /// When it was withdrawn.
    #[schema(required = true)]
    pub withdrawn_at: Option<String>,
}

/// What is held about a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonReply {
    /// 32 hexadecimal digits, random.
    pub id: String,
    /// The telephone: its last four digits, or whole in an export.
    pub phone: String,
    /// Since when.
    pub created_at: String,
    /// Since when a legal hold keeps the data from use and from being erased.
    #[schema(required = true)]
    pub held_at: Option<String>,
    /// Why.
    #[schema(required = true)]
    pub hold_reason: Option<String>,
    /// Units they registered.
    pub registrations: Vec<PersonRegistrationReply>,
    /// What they agreed to, withdrawn or not.
    pub consents: Vec<PersonConsentReply>,
}

impl From<Held> for PersonReply {
    fn from(held: Held) -> Self {
        let registration = |r: HeldRegistration| PersonRegistrationReply {
            code: r.code,
            product: r.product,
            registered_at: r.registered_at,
            purchased_on: r.purchased_on,
            invoice: r.invoice,
            displaced_at: r.displaced_at,
            kept_until: r.kept_until,
        };
        let consent = |c: HeldConsent| PersonConsentReply {
            purpose: c.purpose,
            text_version: c.text_version,
            given_at: c.given_at,
            withdrawn_at: c.withdrawn_at,
        };
        Self {
            id: held.id,
            phone: held.phone,
            created_at: held.created_at,
            held_at: held.held_at,
            hold_reason: held.hold_reason,
            registrations: held.registrations.into_iter().map(registration).collect(),
            consents: held.consents.into_iter().map(consent).collect(),
        }
    }
}

/// Find a person by telephone. For the brand only; the look is recorded, found or not.
#[utoipa::path(
    post, path = "/api/v1/persons/find", tag = "persons", request_body = PersonFindBody,
    responses(
        (status = 200, description = "Found", body = PersonReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
    ),
    security(("key" = ["persons"]), ("key" = ["persons:read"]))
)]
pub(super) async fn find_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<PersonFindBody>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::PersonsRead)?;
    let held = personal::find(&house, &caller, &body.phone, &body.reason).await?;
    Ok(Json(held.into()))
}

/// Show what is held about a person, with the end of the telephone. The look is recorded.
#[utoipa::path(
    get, path = "/api/v1/persons/{id}", tag = "persons", params(
        ("id" = String, Path, description = "The person's id"), PersonQuery),
    responses(
        (status = 200, description = "What is held", body = PersonReply),
        (status = 400, description = "Without a reason", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
    ),
    security(("key" = ["persons"]), ("key" = ["persons:read"]))
)]
pub(super) async fn show_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Asked(query): Asked<PersonQuery>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::PersonsRead)?;
    let held = personal::show(&house, &caller, &id, (&query.reason, false)).await?;
    Ok(Json(held.into()))
}

/// Everything held about a person with the whole telephone, to be given to them. The look is
/// recorded.
#[utoipa::path(
    post, path = "/api/v1/persons/{id}/export", tag = "persons",
    request_body = PersonReasonBody, params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "Everything", body = PersonReply),
        (status = 400, description = "Without a reason", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
    ),
    security(("key" = ["persons"]))
)]
pub(super) async fn export_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<PersonReasonBody>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::Persons)?;
    let held = personal::show(&house, &caller, &id, (&body.reason, true)).await?;
    Ok(Json(held.into()))
}

/// Correct a telephone, or the day a unit was bought. What the ledger says of the guarantee stays.
#[utoipa::path(
    patch, path = "/api/v1/persons/{id}", tag = "persons", request_body = PersonBody,
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "As it stands now", body = PersonReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person, or no such unit of theirs", body = Problem),
        (status = 409, description = "A legal hold, or another's telephone", body = Problem),
    ),
    security(("key" = ["persons"]))
)]
pub(super) async fn correct_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<PersonBody>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::Persons)?;
    let purchased_on = match (body.code, body.purchased_on) {
        (Some(code), Some(day)) => {
            let read = read_date(&day).map_err(|why| Problem::invalid("purchased_on", why));
            Some((code, read?))
        }
        (None, None) => None,
        (None, Some(_)) => return Err(Problem::invalid("code", "which unit it is about")),
        (Some(_), None) => return Err(Problem::invalid("purchased_on", "the day it was bought")),
    };
    let correction = Correction { phone: body.phone, purchased_on };
    let held = personal::correct(&house, &caller, &id, &correction).await?;
    Ok(Json(held.into()))
}

/// Give or withdraw a consent for a person who asked for it.
#[utoipa::path(
    post, path = "/api/v1/persons/{id}/consents", tag = "persons",
    request_body = PersonConsentBody,
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "As it stands now", body = PersonReply),
        (status = 400, description = "No purpose that stands alone", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
        (status = 409, description = "A legal hold", body = Problem),
    ),
    security(("key" = ["persons"]))
)]
pub(super) async fn agree_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<PersonConsentBody>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::Persons)?;
    let purpose = Purpose::parse(&body.purpose);
    let purpose = purpose.ok_or_else(|| Problem::invalid("purpose", "no such purpose"))?;
    let held = personal::agree(&house, &caller, &id, (purpose, body.given)).await?;
    Ok(Json(held.into()))
}

/// Erase a person: telephone, consents, and what bound their units to them. What the ledger says of
/// the units stays and leads to nobody.
#[utoipa::path(
    post, path = "/api/v1/persons/{id}/erase", tag = "persons",
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 204, description = "Erased"),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
        (status = 409, description = "A legal hold", body = Problem),
    ),
    security(("key" = ["persons"]))
)]
pub(super) async fn erase_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    let caller = keyholder.with(Scope::Persons)?;
    personal::erase(&house, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Put a legal hold on a person's data: it is neither used nor erased.
#[utoipa::path(
    post, path = "/api/v1/persons/{id}/hold", tag = "persons", request_body = PersonReasonBody,
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "As it stands now", body = PersonReply),
        (status = 400, description = "Without a reason", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
    ),
    security(("key" = ["persons"]))
)]
pub(super) async fn hold_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<PersonReasonBody>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::Persons)?;
    let held = personal::hold(&house, &caller, &id, Some(&body.reason)).await?;
    Ok(Json(held.into()))
}

/// Lift a legal hold.
#[utoipa::path(
    delete, path = "/api/v1/persons/{id}/hold", tag = "persons",
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "As it stands now", body = PersonReply),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such person", body = Problem),
    ),
    security(("key" = ["persons"]))
)]
pub(super) async fn release_person(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<Json<PersonReply>, Problem> {
    let caller = keyholder.with(Scope::Persons)?;
    Ok(Json(personal::hold(&house, &caller, &id, None).await?.into()))
}
