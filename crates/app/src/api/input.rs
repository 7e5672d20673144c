//! Reading requests: every failure is a problem that names the field.

mod objects;

use super::error::Problem;
use axum::Json;
use axum::extract::path::{ErrorKind, RawPathParams};
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use objects::Named;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Characters of a member's name that are told back.
const NAME_CHARS_MAX: usize = 64;
/// What is asked of a number without a fraction.
const WHOLE: &str = "must be a whole number";
/// Of one that is written so, but beyond what is counted there.
const OUT_OF_RANGE: &str = "is a number beyond what is taken here";

/// A JSON body.
pub struct Input<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        as_it_is(request.headers())?;
        match Json::<Named<T>>::from_request(request, state).await {
            Ok(Json(Named(body))) => Ok(Self(body)),
            Err(rejection) => Err(of_json(&rejection)),
        }
    }
}

/// Refuses a body that was packed for the way: it would be read as something else.
///
/// # Errors
/// `Content-Encoding` names anything but `identity`.
pub fn as_it_is(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.all(|value| plain(value.as_bytes().trim_ascii())) {
        return Ok(());
    }
    let why = "send the body as it is, without Content-Encoding";
    Err(Problem::transport("unsupported_media_type").saying(why))
}

fn of_json(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::transport("unsupported_media_type")
            .saying("send Content-Type: application/json"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::transport("too_large"),
        _ => told(&rejection.body_text(), "body"),
    }
}

/// A reader's words as a problem: "… into the target type: signals.gps.lat: invalid type: …".
/// `whole` is what is named where they lead to no field.
fn told(text: &str, whole: &str) -> Problem {
    let (_, said) = text.split_once(": ").unwrap_or(("", text));
    let path = said.split_once(": ").filter(|(path, _)| is_path(path));
    let (path, said) = path.unwrap_or(("", said));
    Problem::invalid(named(path, said, whole), in_words(said))
}

/// The field a reader's words are about: what is missing or unknown is named in them, and the path
/// leads to it or to the object it is in.
fn named(path: &str, said: &str, whole: &str) -> String {
    let name = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| said.strip_prefix(start))
        .and_then(|rest| rest.split_once('`'))
        .map(|(name, _)| name.chars().take(NAME_CHARS_MAX).collect::<String>());
    match (path, name) {
        ("" | ".", None) => whole.to_owned(),
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

/// What a reader says of a value, in words: it would speak of the types that our program reads
/// into, which are nobody's business outside.
fn in_words(said: &str) -> String {
    let typed = said.starts_with("invalid type: ") || said.starts_with("invalid value: ");
    if let Some((_, name)) = said.rsplit_once(", expected ").filter(|_| typed) {
        let name = name.rsplit_once(" at line ").map_or(name, |(name, _)| name);
        return match wanted(name) {
            WHOLE if said.starts_with("invalid value: ") => OUT_OF_RANGE.to_owned(),
            words => words.to_owned(),
        };
    }
    match said {
        // Of numbers and truths in an address, which are all text.
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            format!("{WHOLE}, in digits alone")
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            OUT_OF_RANGE.to_owned()
        }
        "invalid float literal" | "cannot parse float from empty string" => {
            wanted("f64").to_owned()
        }
        "provided string was not `true` or `false`" => wanted("bool").to_owned(),
        said if said.starts_with("duplicate field `") => "is given twice".to_owned(),
        said => said.chars().take(300).collect(),
    }
}

/// What a type of ours asks of a value.
fn wanted(name: &str) -> &'static str {
    match name {
        "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize" => WHOLE,
        "f32" | "f64" => "must be a number",
        "bool" | "a boolean" => "must be true or false",
        "a string" | "a borrowed string" => "must be a text",
        "a sequence" => "must be a list",
        "a map" => "must be an object",
        name if name.starts_with("struct ") => "must be an object",
        _ => "is of another type than is wanted here",
    }
}

/// The query of an address.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        readable(&parts.uri)?;
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(told(&rejection.body_text(), "query")),
        }
    }
}

/// Refuses a query that is no text once it is unpacked: readers would put marks in its place.
fn readable(uri: &Uri) -> Result<(), Problem> {
    for pair in uri.query().unwrap_or_default().split('&') {
        if percent_decode_str(pair).decode_utf8().is_err() {
            let name = pair.split('=').next().filter(|name| is_path(name)).unwrap_or("query");
            return Err(Problem::invalid(name, "is no UTF-8"));
        }
    }
    Ok(())
}

/// The query of an address that takes none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Refuses the first parameter of an address that takes none.
///
/// # Errors
/// There is one.
pub fn nothing_asked(uri: &Uri) -> Result<(), Problem> {
    match Query::<Nothing>::try_from_uri(uri) {
        Ok(_) => Ok(()),
        Err(rejection) => {
            Err(told(&rejection.body_text(), "query").saying("no parameter is taken here"))
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
            Err(rejection) => {
                let names = RawPathParams::from_request_parts(parts, state).await.ok();
                Err(of_path(&rejection, names.as_ref()))
            }
        }
    }
}

/// A part of the path that is not what it must be, under the name it has in the route.
fn of_path(rejection: &PathRejection, names: Option<&RawPathParams>) -> Problem {
    let nth = |index: usize| {
        let name = names.and_then(|names| names.iter().nth(index)).map(|(name, _)| name);
        name.unwrap_or("path").to_owned()
    };
    let PathRejection::FailedToDeserializePathParams(why) = rejection else {
        return Problem::invalid("path", "cannot be read");
    };
    match why.kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            Problem::invalid(key.clone(), wanted(expected_type))
        }
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            Problem::invalid(nth(*index), wanted(expected_type))
        }
        ErrorKind::ParseError { expected_type, .. } => {
            Problem::invalid(nth(0), wanted(expected_type))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            Problem::invalid(key.clone(), "must be a text in UTF-8")
        }
        _ => Problem::invalid("path", "cannot be read"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_the_field_and_no_type_of_ours() {
        for (text, field, detail) in [
            ("F: invalid type: sequence, expected struct X at line 1 column 0", "body", "object"),
            ("F: a[2]: invalid type: map, expected a string at line 1 column 9", "a[2]", "text"),
            ("F: n: invalid type: string \"3\", expected i64 at line 1 column 9", "n", "whole"),
            ("F: n: invalid value: integer `-1`, expected u16 at line 1 column 9", "n", "beyond"),
            ("F: limit: invalid digit found in string", "limit", "whole number"),
            ("F: duplicate field `limit`", "limit", "twice"),
            ("F: unknown field `x`, expected `limit` or `cursor`", "x", "unknown"),
        ] {
            let problem = told(text, "body");
            assert_eq!(problem.field.as_deref(), Some(field), "{text}");
            assert!(problem.detail.contains(detail), "{text}: {}", problem.detail);
            for ours in ["struct", "i64", "u16", "digit found"] {
                assert!(!problem.detail.contains(ours), "{}", problem.detail);
            }
        }
    }
}
