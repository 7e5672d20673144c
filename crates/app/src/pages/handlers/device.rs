//! The device page under its two addresses.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::gs1::Gtin;
use domain::id::ProductId;
use domain::identifier::Scheme;
use domain::verdict::CodeReading;
use std::sync::Arc;

use crate::flows::access::audience;
use crate::flows::reference::Reference;
use crate::flows::scans::{Audience, Spot};
use crate::flows::verify::{self, Depth, Verified};
use crate::flows::{FlowError, House, dossier};
use crate::geo::VisitorPlace;
use crate::pages::device::plain::ErrorKind;
use crate::pages::device::present::{Present, page_url};
use crate::pages::device::render_device;
use crate::pages::device::view::{DeviceView, PageState};
use crate::pages::routes::PictureHost;

use super::{Visit, error, form_key, page, present, read_code};

/// `GET /d/{code}`.
pub async fn show(
    State(house): State<Arc<House>>,
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    match path {
        Ok(Path(code)) => answer(&house, &visit, &code, None).await,
        Err(_) => error(&house, &visit, ErrorKind::Unreadable).await,
    }
}

/// `GET /01/{gtin}/21/{code}`: GS1 Digital Link. A code that belongs to another product than its
/// link says was not printed by the maker, so it is answered like one that was never issued.
pub async fn show_link(
    State(house): State<Arc<House>>,
    visit: Visit,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    match path {
        Ok(Path((gtin, code))) => answer(&house, &visit, &code, Some(&gtin)).await,
        Err(_) => error(&house, &visit, ErrorKind::Unreadable).await,
    }
}

async fn answer(house: &House, visit: &Visit, code: &str, gtin: Option<&str>) -> Response {
    match view(house, visit, code, gtin).await {
        Ok(view) => {
            let mut response = page(visit, StatusCode::OK, render_device(&view));
            let picture = view.device.as_ref().and_then(|device| device.picture_url.as_deref());
            if let Some(host) = picture.and_then(PictureHost::of) {
                response.extensions_mut().insert(host);
            }
            response
        }
        Err(FlowError::Refused(_)) => error(house, visit, ErrorKind::Unreadable).await,
        Err(_) => {
            let (status, view) = without_store(house, visit, code).await;
            page(visit, status, render_device(&view))
        }
    }
}

async fn view(
    house: &House,
    visit: &Visit,
    code: &str,
    gtin: Option<&str>,
) -> Result<DeviceView, FlowError> {
    let mut reference = house.reference().await?;
    let (mut reading, mut number) = read_code(house, &mut reference, code).await?;
    if let (Some(found), Some(gtin)) = (number, gtin)
        && !is_of_product(&reference, found, gtin)
    {
        (reading, number) = (CodeReading::Unissued, None);
    }
    let counted_at = number.filter(|_| visit.is_new_look(code)).and_then(|number| {
        let at = visit.now.as_microsecond();
        let place = VisitorPlace::of(&house.geo, visit.address);
        let audience = match (&visit.caller, visit.signed_in) {
            (None, true) => Audience::Staff,
            (caller, _) => audience(&reference, caller.as_ref()),
        };
        house.scans.note(number, audience, at, Spot::of(&place));
        (audience == Audience::Consumer).then_some(at)
    });
    let verified = verify::verify(house, &reference, (reading, number), Depth::Whole).await?;
    let dossier = dossier_of(house, &verified).await?;
    let present = Present { counted_at, ..present(house, visit, &reference, &verified) };
    let url = page_url(&segment(code));
    Ok(present.device(&verified, dossier.as_ref(), &url, &form_key))
}

async fn dossier_of(
    house: &House,
    verified: &Verified,
) -> Result<Option<dossier::Dossier>, FlowError> {
    let Some(known) = &verified.unit else { return Ok(None) };
    dossier::dossier(house, &known.record, &known.custody).await.map(Some)
}

fn is_of_product(reference: &Reference, number: i64, gtin: &str) -> bool {
    let product = reference.batch_of(number).and_then(|batch| batch.product);
    let product = product.and_then(|id| reference.product_by_id(ProductId(id)));
    let gtin = Gtin::parse(gtin).ok();
    product.zip(gtin).is_some_and(|(product, gtin)| product.gtin == gtin.as14())
}

/// The page of a store that does not answer. It says nothing about the code but what arithmetic
/// knows of it.
async fn without_store(house: &House, visit: &Visit, code: &str) -> (StatusCode, DeviceView) {
    let reference = house.reference().await.ok().unwrap_or_default();
    let reading = verify::reading_without_store(house, code, Some(Scheme::Code));
    let verified = verify::unavailable(reading);
    let present = present(house, visit, &reference, &verified);
    let (status, state) = match reading {
        CodeReading::Forged => (StatusCode::OK, PageState::Unverifiable),
        _ => (StatusCode::SERVICE_UNAVAILABLE, PageState::Unavailable),
    };
    (status, present.bare(state, &page_url(&segment(code))))
}

/// A text as one segment of a path: whatever a visitor typed stays inside it.
pub(super) fn segment(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
