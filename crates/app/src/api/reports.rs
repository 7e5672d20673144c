//! Reports of suspicion: what visitors of a device page wrote. For the brand only.

use super::catalogue::{place_of, place_text};
use super::error::Problem;
use super::gate::Keyholder;
use super::input::Asked;
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use crate::flows::custody::instant;
use crate::flows::find::unit_number;
use crate::flows::{House, alerts, reports};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A report about a unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportReply {
    /// Trace code of the unit.
    pub code: String,
    /// What its author was given to quote.
    pub reference: String,
    /// When.
    pub reported_at: String,
    /// What was seen, and where; long numbers only by their last four digits. Null once it was
    /// forgotten, after 180 days.
    #[schema(required = true)]
    pub text: Option<String>,
}

/// List reports of suspicion, the newest first. For the brand only.
#[utoipa::path(
    get, path = "/api/v1/reports", tag = "alerts", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<ReportReply>),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_reports(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<ReportReply>>, Problem> {
    let place = |text: &String| {
        let unknown = || Problem::invalid("cursor", "take it from next_cursor");
        place_of(&house, text).ok_or_else(unknown)
    };
    let after = page.cursor.as_ref().map(place).transpose()?;
    let wanted = alerts::Wanted { after, most: page.rows()?, ..alerts::Wanted::default() };
    let (found, more) = reports::list(&house, &caller, wanted).await?;
    let reference = house.reference().await?;
    let next_cursor = found.last().filter(|_| more).map(|last| place_text(&house, &last.place));
    let reply = |told: reports::Told| ReportReply {
        code: house.ring().encode(unit_number(told.place.unit)).as_str().to_owned(),
        reference: told.reference,
        reported_at: instant_text(&reference, caller.brand.0, instant(told.place.due_at)),
        text: told.words,
    };
    Ok(Json(PageReply { items: found.into_iter().map(reply).collect(), next_cursor }))
}
