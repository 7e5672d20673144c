//! Reading requests: every failure is a problem that names the field.

use super::error::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// Characters of a member's name that are told back.
const NAME_CHARS_MAX: usize = 64;

/// A JSON body.
pub struct Input<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(of_json(&rejection)),
        }
    }
}

fn of_json(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::transport("unsupported_media_type")
            .saying("send Content-Type: application/json"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::transport("too_large"),
        _ => {
            // The reader's words: "… into the target type: signals.gps.lat: invalid type: …".
            let text = rejection.body_text();
            let (_, said) = text.split_once(": ").unwrap_or(("", &text));
            let path = said.split_once(": ").filter(|(path, _)| is_path(path));
            let (path, said) = path.unwrap_or(("", said));
            let field = named(path, said);
            let said: String = said.chars().take(300).collect();
            Problem::invalid(field, said)
        }
    }
}

/// The field a reader's words are about: what is missing or unknown is named in them, and the path
/// leads to it or to the object it is in.
fn named(path: &str, said: &str) -> String {
    let name = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| said.strip_prefix(start))
        .and_then(|rest| rest.split_once('`'))
        .map(|(name, _)| name.chars().take(NAME_CHARS_MAX).collect::<String>());
    match (path, name) {
        ("" | ".", None) => "body".to_owned(),
        ("" | ".", Some(name)) => name,
        (path, None) => path.to_owned(),
        (path, Some(name)) if path == name || path.ends_with(&format!(".{name}")) => {
            path.to_owned()
        }
        (path, Some(name)) => format!("{path}.{name}"),
    }
}

fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.[]".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

/// The query of an address.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let (_, said) = text.split_once(": ").unwrap_or(("", &text));
                Err(Problem::invalid("query", said))
            }
        }
    }
}

/// Parts of the path.
pub struct At<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Problem::invalid("path", rejection.body_text())),
        }
    }
}

/// A text of at most so many characters without control characters.
pub fn bounded(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.chars().count() > most {
        return Err(Problem::invalid(field, format!("at most {most} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(field, "must not hold control characters"));
    }
    Ok(())
}

/// The same where the text may be missing.
pub fn bounded_if(field: &str, text: Option<&String>, most: usize) -> Result<(), Problem> {
    text.map_or(Ok(()), |text| bounded(field, text, most))
}
