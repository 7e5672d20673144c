//! All service centres.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::House;
use crate::pages::device::plain::{CentresPageView, ErrorKind};
use crate::pages::device::present::page_url;
use crate::pages::device::render_centres;

use super::{Visit, error, failed, find, page, present, to_device};

/// Longest search, in characters.
const SEARCH_CHARS_MAX: usize = 80;

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
}

/// `GET /d/{code}/centres`.
pub async fn list(
    State(house): State<Arc<House>>,
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Ok(Path(code)) = path else {
        return error(&house, &visit, ErrorKind::Unreadable).await;
    };
    let found = match find(&house, &code).await {
        Ok(found) => found,
        Err(why) => return failed(&house, &visit, &why).await,
    };
    let Some(known) = &found.verified.unit else {
        return to_device(&super::device::segment(&code));
    };
    let present = present(&house, &visit, &found.reference, &found.verified);
    let query = asked.map(|Query(asked)| asked.q).unwrap_or_default();
    let query: String = query.chars().take(SEARCH_CHARS_MAX).collect();
    let url = page_url(known.code().as_str());
    let (centres, others) = present.nearby(known).searched(&query);
    let mut site = present.site.clone();
    if !query.is_empty() {
        // The other language shows what was found.
        site.other_lang_url += &format!("&q={}", utf8_percent_encode(&query, NON_ALPHANUMERIC));
    }
    let view = CentresPageView {
        lang: visit.lang,
        site,
        search_url: Some(format!("{url}/centres")),
        back_url: Some(url),
        centres,
        others,
        query,
    };
    page(&visit, StatusCode::OK, render_centres(&view))
}
