//! What somebody changes of their own account over the API.

use super::error::Problem;
use super::input::Input;
use super::session::{Held, held, session_of};
use crate::flows::House;
use crate::flows::people::credentials;
use crate::guest::Guest;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password of now.
    pub password: String,
    /// At least 12 characters.
    #[schema(min_length = 12, max_length = 128)]
    pub new_password: String,
}

/// The present password, to show who asks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    /// The password of now.
    pub password: String,
}

/// The first code of an authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    /// Six digits.
    pub code: String,
}

/// What an authenticator takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotpReply {
    /// The secret in base 32.
    pub secret: String,
    /// The same as a link, for a QR code.
    pub otpauth: String,
}

/// Recovery codes, told only now.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryReply {
    /// Each is good once.
    pub recovery_codes: Vec<String>,
}

/// Change the password. Every session of the account ends; this one goes on under another secret.
#[utoipa::path(
    post, path = "/api/v1/account/password", tag = "people", request_body = PasswordBody,
    responses(
        (status = 200, description = "Changed", body = super::session::SessionReply),
        (status = 403, description = "Not the present password", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn change_password(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<PasswordBody>,
) -> Result<Held, Problem> {
    let words = (body.password.as_str(), body.new_password.as_str());
    let session = session_of(&guest)?;
    let opened = credentials::change_password(&house, session, words, &guest.origin).await?;
    held(&house, &guest, (StatusCode::OK, opened)).await
}

/// Begin a second factor: it counts once it is confirmed.
#[utoipa::path(
    post, path = "/api/v1/account/totp", tag = "people", request_body = ConfirmBody,
    responses(
        (status = 200, description = "Begun", body = TotpReply),
        (status = 403, description = "Not the present password", body = Problem),
        (status = 409, description = "One is on", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn begin_totp(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<ConfirmBody>,
) -> Result<Json<TotpReply>, Problem> {
    let session = session_of(&guest)?;
    let password = (body.password.as_str(), &guest.origin);
    let begun = credentials::begin_second_factor(&house, session, password).await?;
    Ok(Json(TotpReply { secret: begun.secret, otpauth: begun.link }))
}

/// Turn the second factor on with its first code.
#[utoipa::path(
    post, path = "/api/v1/account/totp/confirm", tag = "people", request_body = CodeBody,
    responses(
        (status = 200, description = "On", body = RecoveryReply),
        (status = 403, description = "The code is not good", body = Problem),
        (status = 409, description = "None was begun, or one is on", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn confirm_totp(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<CodeBody>,
) -> Result<Json<RecoveryReply>, Problem> {
    let session = session_of(&guest)?;
    let code = (body.code.as_str(), &guest.origin);
    let recovery_codes = credentials::confirm_second_factor(&house, session, code).await?;
    Ok(Json(RecoveryReply { recovery_codes }))
}

/// Turn the second factor off.
#[utoipa::path(
    post, path = "/api/v1/account/totp/remove", tag = "people", request_body = ConfirmBody,
    responses(
        (status = 204, description = "Off"),
        (status = 403, description = "Not the present password", body = Problem),
        (status = 409, description = "None is on", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn remove_totp(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<ConfirmBody>,
) -> Result<StatusCode, Problem> {
    let session = session_of(&guest)?;
    let password = (body.password.as_str(), &guest.origin);
    credentials::remove_second_factor(&house, session, password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take other recovery codes; those there were are good no more.
#[utoipa::path(
    post, path = "/api/v1/account/recovery-codes", tag = "people", request_body = ConfirmBody,
    responses(
        (status = 200, description = "Ten, told only now", body = RecoveryReply),
        (status = 403, description = "Not the present password", body = Problem),
        (status = 409, description = "No second factor is on", body = Problem),
    ),
    security(("session" = []))
)]
pub(super) async fn renew_recovery_codes(
    State(house): State<Arc<House>>,
    guest: Guest,
    Input(body): Input<ConfirmBody>,
) -> Result<Json<RecoveryReply>, Problem> {
    let session = session_of(&guest)?;
    let password = (body.password.as_str(), &guest.origin);
    let recovery_codes = credentials::renew_recovery_codes(&house, session, password).await?;
    Ok(Json(RecoveryReply { recovery_codes }))
}
