//! What we record.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

use crate::flows::House;
use crate::pages::device::plain::PrivacyView;
use crate::pages::device::render_privacy;
use crate::rules::kept;
use domain::retention::Kept;

use super::{Visit, page};

/// `GET /privacy`.
pub async fn explain(State(house): State<Arc<House>>, visit: Visit) -> Response {
    let reference = house.reference().await.ok();
    let days = |what| u32::try_from(kept(what).as_hours() / 24).unwrap_or(u32::MAX);
    let back = visit.from_path.clone().filter(|path| path.starts_with("/d/"));
    let view = PrivacyView {
        lang: visit.lang,
        site: visit.site(&house, reference.as_deref(), None),
        kept_days: days(Kept::Observation),
        tries_kept_days: days(Kept::ProofTry),
        back_url: back,
    };
    page(&visit, StatusCode::OK, render_privacy(&view))
}
