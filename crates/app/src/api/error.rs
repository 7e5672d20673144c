//! The one place where anything that went wrong becomes a status, a code, a sentence and a way
//! forward (RFC 9457). Internal failures show a reference to the log, never a cause.

use super::limits::{Rate, Standing};
use crate::flows::FlowError;
use crate::flows::people::sign_in::SignInError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::refusal::{Class, Refusal, Refused};
use serde::Serialize;
use store::StoreError;
use store::engine::{EngineError, Fault, WriteError};
use utoipa::ToSchema;

/// A problem reply.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The status in words.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: &'static str,
    /// What is wrong and the way out.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// The field it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Box<str>>,
    /// What to look for in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reference: Option<Box<str>>,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// The limit that was reached, for the headers.
    #[serde(skip)]
    #[schema(ignore)]
    pub limit: Option<&'static Rate>,
}

/// Codes of problems that are no refusals: of the way a request came, not of what it says.
pub const TRANSPORT_CODES: [(&str, u16, &str); 15] = [
    ("unauthenticated", 401, "a key is missing where one is needed, or the one sent is not good"),
    ("sign_in_refused", 401, "the name, the password or the code is wrong"),
    ("second_factor_needed", 401, "the password is right; send it again with the code"),
    ("cross_site", 403, "the page of another site asked for this; nothing was done"),
    ("needs_https", 403, "sign in over HTTPS, or on the machine itself"),
    ("no_such_route", 404, "nothing answers at this address"),
    ("method_not_allowed", 405, "this address answers to other methods"),
    ("timeout", 408, "the request took too long to arrive or to be answered"),
    ("too_large", 413, "the body is larger than allowed here"),
    ("unsupported_media_type", 415, "the body must be of the media type named"),
    ("too_many_requests", 429, "slow down; Retry-After says for how long"),
    ("internal", 500, "a fault of the program; the reference leads to the log"),
    ("busy", 503, "others changed the same thing too often meanwhile; send it again"),
    ("store_unavailable", 503, "the store does not answer; nothing was recorded"),
    ("store_full", 507, "the store has no room left; nothing was recorded"),
];

impl Problem {
    /// A problem with a code of [`TRANSPORT_CODES`]; an unknown one is an internal fault.
    pub fn transport(code: &'static str) -> Self {
        let row = TRANSPORT_CODES.iter().find(|(known, ..)| *known == code);
        let (code, status, detail) = row.copied().unwrap_or(("internal", 500, ""));
        Self::new(status, code, detail.to_owned())
    }

    fn new(status: u16, code: &'static str, detail: String) -> Self {
        let title = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
        Self {
            kind: format!("/api/docs#{code}").into(),
            title: title.unwrap_or("Problem"),
            status,
            code,
            detail: detail.into(),
            field: None,
            reference: None,
            retry_after: None,
            limit: None,
        }
    }

    /// The same about a field.
    pub fn at(self, field: impl Into<Box<str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The same with another sentence.
    pub fn saying(self, detail: impl Into<Box<str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// Input that cannot be read.
    pub fn invalid(field: impl Into<Box<str>>, detail: impl std::fmt::Display) -> Self {
        Self::new(400, Refusal::InvalidField.code(), detail.to_string()).at(field)
    }

    /// The same, to be tried again after so many seconds.
    pub fn later(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    fn of_fault(code: &'static str, fault: &Fault) -> Self {
        Self { reference: Some(fault.reference().into()), ..Self::transport(code) }
    }

    /// A failure nobody foresaw: logged here under a fresh reference.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let random = crate::secrets::random::<5>().unwrap_or_default();
        let reference = store::canonical::hex(&random);
        tracing::error!(%reference, %cause, "internal");
        Self { reference: Some(reference.into()), ..Self::transport("internal") }
    }
}

/// The status of a refusal.
pub fn status_of(refusal: Refusal) -> u16 {
    match refusal.class() {
        Class::Invalid => 400,
        Class::NotFound => 404,
        Class::Forbidden => 403,
        Class::Conflict => 409,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let refusal = refused.refusal;
        let problem = Self::new(status_of(refusal), refusal.code(), refused.reason);
        if refused.field.is_empty() { problem } else { problem.at(refused.field) }
    }
}

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Refused(refused) => refused.into(),
            FlowError::Busy => Self::transport("busy").later(1),
            FlowError::Store(error) => error.into(),
            FlowError::Secrets(error) => Self::internal(error),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::transport("sign_in_refused"),
            SignInError::Wait(seconds) => Self::transport("too_many_requests")
                .saying("too many wrong tries; Retry-After says for how long to wait")
                .later(seconds),
            SignInError::Flow(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Read(EngineError::Unavailable(fault))
            | StoreError::Write(WriteError::Unavailable { fault, .. }) => {
                Self::of_fault("store_unavailable", fault)
            }
            StoreError::Read(EngineError::Internal(fault))
            | StoreError::Write(WriteError::Internal(fault)) => Self::of_fault("internal", fault),
            StoreError::Write(WriteError::Full) => Self::transport("store_full"),
            StoreError::Write(WriteError::ReadOnly) => {
                let detail = "the store is read-only; reading goes on, nothing was recorded";
                Self::transport("store_unavailable").saying(detail).later(30)
            }
            StoreError::Conflict(_) | StoreError::Duplicate(_) => Self::transport("busy").later(1),
            _ => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let text = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, text).into_response();
        if let (Some(rate), Some(wait_seconds)) = (self.limit, self.retry_after) {
            let standing = Standing { rate, passes: false, left: 0, wait_seconds };
            response.extensions_mut().insert(standing);
        }
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == 401 {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
