//! The start page: a box for a code.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::House;
use crate::pages::device::plain::{ErrorKind, HomeView};
use crate::pages::device::render_home;

use super::device::segment;
use super::{Visit, error, page, to_device};

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
    let code = asked.map(|Query(asked)| asked.code).unwrap_or_default();
    // Codes are printed in groups with hyphens, and typed with spaces.
    let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if code.chars().count() > crate::flows::verify::QUERY_CHARS_MAX {
        return error(&house, &visit, ErrorKind::Unreadable).await;
    }
    if !code.is_empty() {
        return to_device(&segment(&code));
    }
    let reference = house.reference().await.ok();
    let site = visit.site(&house, reference.as_deref(), None);
    let view = HomeView { lang: visit.lang, site, lookup_url: "/".to_owned() };
    page(&visit, StatusCode::OK, render_home(&view))
}
