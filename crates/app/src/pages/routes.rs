//! Every public page, in one table.
//!
//! Short links are printed in upper case (`HTTPS://HOST/D/{CODE}` makes a smaller QR code), so the
//! device page answers under both spellings; everything behind it is linked in lower case.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use domain::product::picture_host;
use tower_http::compression::CompressionLayer;

use crate::flows::House;

use super::handlers::{
    account, centres, device, history, home, looks, my_data, privacy, proof, register, report,
    sign_in,
};
use super::inline;

/// Largest form taken, in bytes: a report of 1,600 characters, each up to four bytes and each byte
/// written as three (`%E4`), with room for the other fields.
const FORM_BYTES_MAX: usize = 24 * 1024;

/// The public pages.
pub fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/", get(home::look_up))
        .route("/privacy", get(privacy::explain))
        .route("/log", get(history::explain))
        .merge(devices())
        // Pages behind a cookie are sent as they are: another site can make a browser ask for them
        // again and again, and their lengths must tell it nothing.
        .layer(CompressionLayer::new())
        .merge(people())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(map_response(guard))
}

/// Those of a device, which nobody needs as often as a program would ask.
fn devices() -> Router<Arc<House>> {
    Router::new()
        .route("/d/{code}", get(device::show))
        .route("/D/{code}", get(device::show))
        .route("/01/{gtin}/21/{code}", get(device::show_link))
        .route("/d/{code}/proof", post(proof::prove).get(proof::go_back))
        .route("/d/{code}/register", get(register::ask).post(register::take))
        .route("/d/{code}/report", get(report::ask).post(report::take))
        .route("/d/{code}/my-data", get(my_data::ask).post(my_data::take))
        .route("/d/{code}/centres", get(centres::list))
        .route_layer(from_fn(looks::count))
}

/// Those of the people who work here.
fn people() -> Router<Arc<House>> {
    Router::new()
        .route("/sign-in", get(sign_in::ask).post(sign_in::take))
        .route("/sign-in/code", get(sign_in::ask).post(sign_in::take_code))
        .route("/sign-in/{token}", get(sign_in::ask_link).post(sign_in::take_link))
        .route("/set-up/{token}", get(sign_in::ask_set_up).post(sign_in::take_set_up))
        .route("/invitation/{token}", get(sign_in::ask_invitation).post(sign_in::accept))
        .route("/sign-up", get(sign_in::ask_sign_up).post(sign_in::take_sign_up))
        .route("/sign-out", post(account::sign_out))
        .route("/account", get(account::show))
        .route("/account/membership", post(account::choose))
        .route("/account/password", post(account::change_password))
        .route("/account/session", post(account::end_session))
        .route("/account/totp", post(account::begin_totp))
        .route("/account/totp/confirm", post(account::confirm_totp))
        .route("/account/totp/change", post(account::change_totp))
}

/// The other host from which a page shows a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PictureHost(String);

impl PictureHost {
    /// The host of a picture's address, where that is another than ours.
    pub(super) fn of(address: &str) -> Option<Self> {
        let host = picture_host(address).filter(|_| address.starts_with("https://"))?;
        Some(Self(format!("https://{host}")))
    }
}

/// What the browser may load and run: the page's own sheet and script by hash, pictures of our own
/// host and of the one that holds this product's, forms to our own host, in no frame.
fn content_policy(pictures: Option<&PictureHost>) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src 'self' data:{}{}; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        inline::style_source(),
        inline::script_source(),
        if pictures.is_some() { " " } else { "" },
        pictures.map_or("", |host| &host.0),
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

static CONTENT_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| content_policy(None));

/// Headers every page carries.
pub(super) async fn guard(mut response: Response) -> Response {
    let pictures = response.extensions_mut().remove::<PictureHost>();
    let policy =
        pictures.map_or_else(|| CONTENT_POLICY.clone(), |host| content_policy(Some(&host)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
