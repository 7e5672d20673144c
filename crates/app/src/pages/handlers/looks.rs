//! The limit of public looks at one unit, over all of its pages: it is the one of
//! `GET /api/v1/verify/{code}`, so that nobody gets by the page what is refused there.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::code::TraceCode;

use super::{Visit, error};
use crate::flows::House;
use crate::flows::lifecycle::NO_HOME;
use crate::pages::Looks;
use crate::pages::device::plain::ErrorKind;

/// Counts a look before the page is made, and answers with a page of its own when there were too
/// many.
pub async fn count(request: Request, next: Next) -> Response {
    let Some(looks) = request.extensions().get::<Looks>().cloned() else {
        return next.run(request).await;
    };
    let Looks { counter, sent_alone } = looks;
    if sent_alone && request.method() != Method::POST {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let house = counter.house();
    let unit = unit_of(house, &mut parts).await;
    // What is sent about codes of nobody is counted together: one person can think of many.
    let counted = unit.or_else(|| (parts.method == Method::POST).then_some(NO_HOME));
    match counted.and_then(|unit| counter.count(unit)) {
        Some(stopped) => too_many(house, &mut parts, stopped).await,
        None => next.run(Request::from_parts(parts, body)).await,
    }
}

/// The number behind the code of the address: arithmetic alone, the store is not asked.
async fn unit_of(house: &House, parts: &mut Parts) -> Option<i64> {
    let named = parts.extract::<RawPathParams>().await.ok()?;
    let (_, code) = named.iter().find(|(name, _)| *name == "code")?;
    let number = house.ring().decode(&TraceCode::parse(code).ok()?).ok()?;
    Some(number.get() as i64)
}

/// The page says how long to wait; the rest of what the limit tells machines goes with it.
async fn too_many(house: &std::sync::Arc<House>, parts: &mut Parts, stopped: Response) -> Response {
    let (stopped, _) = stopped.into_parts();
    let wait = stopped.headers.get(header::RETRY_AFTER);
    let seconds = wait.and_then(|wait| wait.to_str().ok()?.parse().ok()).unwrap_or(1);
    let Ok(visit) = Visit::from_request_parts(parts, house).await;
    let mut page = error(house, &visit, ErrorKind::TooMany { seconds }).await;
    if let Some(wait) = wait {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    page.extensions_mut().extend(stopped.extensions);
    page
}
