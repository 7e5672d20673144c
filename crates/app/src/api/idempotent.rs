//! Commands sent again: the header `Idempotency-Key`, and how a kept answer is given.

use super::error::Problem;
use crate::flows::idempotency::{Answer, Keyed};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The key of a command, where it has one: in the scope of its owner and route, for this body.
///
/// # Errors
/// It is no key, or there are two.
pub fn keyed(
    headers: &HeaderMap,
    owner: &str,
    route: &str,
    body: &impl Serialize,
) -> Result<Option<Keyed>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(value) = given.next() else { return Ok(None) };
    // Under the one or the other, a command sent again would be another one.
    if given.next().is_some() {
        return Err(Problem::invalid("Idempotency-Key", "is given twice"));
    }
    let key = value
        .to_str()
        .map_err(|_| Problem::invalid("Idempotency-Key", "must be visible ASCII characters"))?;
    let canonical = serde_json_canonicalizer::to_string(body).map_err(Problem::internal)?;
    Ok(Some(Keyed::new(owner, route, key, &canonical)?))
}

/// The answer of a command, or the one that was given when it first came.
pub fn respond(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or_default();
    let mut response = (status, answer.reply.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if answer.replayed {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
