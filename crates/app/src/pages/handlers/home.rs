//! The start page: a box for a code.
//!
//! Whoever types has not scanned, so a text that cannot be a code is a slip to be named beside the
//! box and no forgery. By an IMEI or serial number no page is opened: it would turn numbers that
//! can be guessed into codes that can be copied. Such a visitor is told what to type instead.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::code::{Typed, typed};
use domain::identifier::Scheme;
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::House;
use crate::flows::verify::{self, Reading};
use crate::pages::device::plain::{ErrorKind, HomeView, LookupHint};
use crate::pages::device::render_home;

use super::device::segment;
use super::{Visit, error, page, to_device};

/// Longest text taken, in characters: an address with a long host, and words copied beside it.
const TYPED_CHARS_MAX: usize = 256;

/// What the box sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    code: String,
}

/// `GET /` and `GET /?code=`.
pub async fn look_up(
    State(house): State<Arc<House>>,
    visit: Visit,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = asked.map(|Query(asked)| asked.code).unwrap_or_default();
    if asked.chars().count() > TYPED_CHARS_MAX {
        return error(&house, &visit, ErrorKind::Unreadable).await;
    }
    let hint = match typed(&asked) {
        Typed::Nothing if asked.is_empty() => None,
        Typed::Nothing => Some(LookupHint::Nothing),
        Typed::Code { code, gtin: Some(gtin) } => return to_link(&gtin, &code),
        Typed::Code { code, gtin: None } if names_by_serial(&house, &code).await => {
            Some(LookupHint::Serial)
        }
        Typed::Code { code, .. } => return to_device(&segment(&code)),
        Typed::Imei => Some(LookupHint::Imei),
        Typed::Length { found } => Some(LookupHint::Length(found)),
        Typed::Foreign { at, found } => Some(LookupHint::Foreign(at, found)),
    };
    let reference = house.reference().await.ok();
    let site = visit.site(&house, reference.as_deref(), None);
    let status = if hint.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let typed = match hint {
        None | Some(LookupHint::Nothing) => String::new(),
        Some(_) => asked,
    };
    let view = HomeView { lang: visit.lang, site, lookup_url: "/".to_owned(), typed, hint };
    page(&visit, status, render_home(&view))
}

/// To the page of a link that was printed in a symbol: that its GTIN is the code's is looked at
/// there.
fn to_link(gtin: &str, code: &str) -> Response {
    Redirect::to(&format!("/01/{}/21/{}", segment(gtin), segment(code))).into_response()
}

/// Whether a text in the form of a code is none of ours but the serial number of a unit: it would
/// be called forged. Only asked while one brand could be meant, as over the API, which tells the
/// same to anyone.
async fn names_by_serial(house: &House, text: &str) -> bool {
    let Ok(mut reference) = house.reference().await else { return false };
    let as_code = verify::read(house, &mut reference, None, text, Some(Scheme::Code)).await;
    let (Ok(Reading::Nothing(_)), Some(brand)) = (as_code, reference.sole_brand()) else {
        return false;
    };
    let as_serial = verify::read(house, &mut reference, Some(brand), text, Some(Scheme::Sn)).await;
    matches!(as_serial, Ok(Reading::Number(..)))
}
