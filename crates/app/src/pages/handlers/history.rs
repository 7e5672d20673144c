//! The page that checks proofs of a unit's history.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::BrandId;
use std::sync::Arc;

use crate::flows::House;
use crate::flows::log::signed_head;
use crate::pages::device::plain::HistoryView;
use crate::pages::device::render_history;

use super::{Visit, page};

/// `GET /log`.
pub async fn explain(State(house): State<Arc<House>>, visit: Visit) -> Response {
    let reference = house.reference().await.ok();
    // The page checks files without the store; it only cannot name the key then.
    let head = signed_head(&house).await.ok().flatten();
    // A proof is a file: it may be of another deployment, and names no zone. What is told here is
    // told in the time of the other pages.
    let zone = reference.as_ref().and_then(|reference| {
        let brand = reference.sole_brand().unwrap_or(BrandId(0));
        reference.zone(brand).iana_name().map(str::to_owned)
    });
    let view = HistoryView {
        lang: visit.lang,
        site: visit.site(&house, reference.as_deref(), None),
        zone: zone.unwrap_or_else(|| "Asia/Shanghai".to_owned()),
        size: head.as_ref().map_or(0, |head| head.checkpoint.size),
        public_key: head.map(|head| head.public.to_string()),
    };
    page(&visit, StatusCode::OK, render_history(&view))
}
