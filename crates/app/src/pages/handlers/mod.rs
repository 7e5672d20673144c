//! Handlers of the public pages: read the request, ask a flow, fill a view.
//!
//! **Answers.** A code that is forged, was never issued or is no code gives one and the same page
//! with status 200; an over-long one 400; a store that does not answer 503 and never green. A page
//! is asked for by trace code only: an IMEI or serial number would let anyone turn numbers that can
//! be guessed into codes that can be copied.
//!
//! **Forms.** Each rendering carries a random key; what was typed belongs to the key. The same form
//! sent twice is one act, whatever process answers; a corrected form is a new one.

pub mod account;
pub mod centres;
pub mod device;
pub mod history;
pub mod home;
pub mod looks;
pub mod my_data;
pub mod privacy;
pub mod proof;
pub mod register;
pub mod report;
pub mod sign_in;
mod visit;

pub use visit::Visit;

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use domain::identifier::Scheme;
use domain::refusal::Refused;
use domain::text::TextProblem;
use domain::verdict::CodeReading;
use std::sync::Arc;

use crate::flows::idempotency::Keyed;
use crate::flows::proof::is_pass;
use crate::flows::reference::Reference;
use crate::flows::verify::{self, Depth, Reading, Verified};
use crate::flows::{FlowError, House};
use crate::geo::VisitorPlace;
use crate::pages::device::plain::{ErrorKind, ErrorView};
use crate::pages::device::present::{Present, page_url};
use crate::pages::device::render_error;
use crate::pages::device::view::{FieldFault, FieldView};

/// Longest hidden key of a form; ours have 32 characters.
const FORM_KEY_CHARS_MAX: usize = 64;
/// Longest text of a field shown again, in characters.
const TYPED_CHARS_MAX: usize = 1_000;

/// What stands behind a code in an address.
struct Found {
    reference: Arc<Reference>,
    verified: Verified,
}

/// A code's reading with the unit it names.
///
/// # Errors
/// The code is too long, or the store does not answer.
async fn read_code(
    house: &House,
    reference: &mut Arc<Reference>,
    code: &str,
) -> Result<(CodeReading, Option<i64>), FlowError> {
    Ok(match verify::read(house, reference, None, code, Some(Scheme::Code)).await? {
        Reading::Number(number, reading) => (reading, Some(number)),
        Reading::Nothing(reading) => (reading, None),
        // Read as a code alone, a text never has two meanings.
        Reading::Ambiguous((_, number), _) => (CodeReading::Issued, Some(number)),
    })
}

/// The verdict on a code, with the hands the unit went through.
///
/// # Errors
/// As [`read_code`].
async fn find(house: &House, code: &str) -> Result<Found, FlowError> {
    let mut reference = house.reference().await?;
    let (reading, number) = read_code(house, &mut reference, code).await?;
    let verified = verify::verify(house, &reference, (reading, number), Depth::Whole).await?;
    Ok(Found { reference, verified })
}

/// The maker of views for a visit.
fn present<'a>(
    house: &'a House,
    visit: &Visit,
    reference: &'a Reference,
    verified: &Verified,
) -> Present<'a> {
    let brand = verified.unit.as_ref().map(|known| known.record.brand);
    let proved_here = verified.unit.as_ref().zip(visit.pass.as_deref());
    let proved_here = proved_here.is_some_and(|(known, pass)| is_pass(house, &known.record, pass));
    Present {
        house,
        reference,
        lang: visit.lang,
        site: visit.site(house, Some(reference), brand),
        place: VisitorPlace::of(&house.geo, visit.address),
        counted_at: None,
        proved_here,
    }
}

/// A page, in the visitor's language, remembering it when it was chosen.
fn page(visit: &Visit, status: StatusCode, html: Result<String, askama::Error>) -> Response {
    match html {
        Ok(html) => (status, visit.remember(), Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Back to the page of a code.
fn to_device(code: &str) -> Response {
    Redirect::to(&page_url(code)).into_response()
}

/// An error page.
async fn error(house: &House, visit: &Visit, kind: ErrorKind) -> Response {
    let status = match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Unreadable => StatusCode::BAD_REQUEST,
        ErrorKind::CrossSite => StatusCode::FORBIDDEN,
        ErrorKind::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Internal => StatusCode::SERVICE_UNAVAILABLE,
    };
    let reference = house.reference().await.ok();
    // A form is not sent again by a link.
    let again = kind == ErrorKind::Internal && !visit.sent_form;
    let view = ErrorView {
        lang: visit.lang,
        site: visit.site(house, reference.as_deref(), None),
        kind,
        reference: None,
        retry_url: again.then(|| visit.asked_path.clone()),
        lookup_url: Some("/".to_owned()),
        sent_form: visit.sent_form,
    };
    let wait_seconds = match kind {
        ErrorKind::TooMany { seconds } => Some(seconds),
        _ => None,
    };
    after(wait_seconds, page(visit, status, render_error(&view)))
}

/// The answer, saying after how many seconds to try again.
fn after(wait_seconds: Option<u32>, mut response: Response) -> Response {
    if let Some(seconds) = wait_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The error page of a flow that did not do what was asked.
async fn failed(house: &House, visit: &Visit, why: &FlowError) -> Response {
    let kind = match why {
        FlowError::Refused(_) => ErrorKind::Unreadable,
        _ => ErrorKind::Internal,
    };
    error(house, visit, kind).await
}

/// The page for an address nothing answers to; the server's fallback.
pub async fn not_found(
    axum::extract::State(house): axum::extract::State<Arc<House>>,
    visit: Visit,
) -> Response {
    // The fallback stands outside the pages' own router, so it brings their headers itself.
    super::routes::guard(error(&house, &visit, ErrorKind::NotFound).await).await
}

/// A random key for one rendering of a form; empty where the system gave no randomness.
fn form_key() -> String {
    crate::secrets::random::<16>().map(|bytes| store::canonical::hex(&bytes)).unwrap_or_default()
}

/// The key of a form as sent, bound to what was typed: the same words again are the same act. None
/// for a form without a key: then each press is its own act.
///
/// # Errors
/// The key is not one a page gave out.
fn keyed(route: &str, number: i64, key: &str, typed: &str) -> Result<Option<Keyed>, Refused> {
    if key.len() > FORM_KEY_CHARS_MAX {
        return Err(Refused::invalid("idempotency_key", "is too long"));
    }
    if key.is_empty() {
        return Ok(None);
    }
    let digest = <sha2::Sha256 as sha2::Digest>::digest(typed.as_bytes());
    let whole = format!("{key}.{}", store::canonical::hex(&digest));
    // What is kept of the words is hashed together with the key: a telephone alone could be found
    // again from its plain hash by trying all of them.
    Keyed::new(&format!("page {number}"), route, &whole, &whole).map(Some)
}

/// A form as the browser sends it, or why it cannot be read.
type Sent<T> = Result<axum::Form<T>, axum::extract::rejection::FormRejection>;

/// What was filled in.
///
/// # Errors
/// The page of another site sent it, or it cannot be read.
fn sent<T>(visit: &Visit, form: Sent<T>) -> Result<T, ErrorKind> {
    if visit.cross_site {
        return Err(ErrorKind::CrossSite);
    }
    form.map(|form| form.0).map_err(|_| ErrorKind::Unreadable)
}

/// What was typed into a line of a form.
fn typed(value: &str, fault: Option<FieldFault>) -> FieldView {
    // More than any field takes is not sent back whole.
    FieldView { value: value.chars().take(TYPED_CHARS_MAX).collect(), fault }
}

/// Why a text is not taken, if so.
fn text_fault(value: &str, max: u16, required: bool) -> Option<FieldFault> {
    match domain::text::required(value, max.into()) {
        Err(TextProblem::Empty) => required.then_some(FieldFault::Missing),
        Err(TextProblem::TooLong { .. }) => Some(FieldFault::TooLong(max)),
        Err(_) => Some(FieldFault::Malformed),
        Ok(_) => None,
    }
}
