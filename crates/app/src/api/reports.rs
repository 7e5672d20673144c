//! Reports of suspicion: what visitors of a device page wrote, about a unit or about a code that is
//! none of any. For the brand only.

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
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Which reports.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Rows, 1 to 1,000; 100 unless said.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// The one its author quotes, such as `R-3F2A-9C01`; then it is one page.
    pub reference: Option<String>,
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportReply {
    /// Trace code of the unit; null where what was reported is no code of any unit.
    #[schema(required = true)]
    pub code: Option<String>,
    /// Such a code as it was typed or scanned; null for a unit, and once it was forgotten.
    #[schema(required = true)]
    pub typed: Option<String>,
    /// What its author was given to quote.
    pub reference: String,
    /// When.
    pub reported_at: String,
    /// What was seen, and where; long numbers only by their last four digits, but for those of a
    /// link, unless it holds a telephone or identity number. Null once it was forgotten, after 180
    /// days.
    #[schema(required = true)]
    pub text: Option<String>,
}

/// List reports of suspicion, the newest first. For the brand only.
#[utoipa::path(
    get, path = "/api/v1/reports", tag = "alerts", params(ReportQuery),
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
    Asked(query): Asked<ReportQuery>,
) -> Result<Json<PageReply<ReportReply>>, Problem> {
    let place = |text: &String| {
        let unknown = || Problem::invalid("cursor", "take it from next_cursor");
        place_of(&house, text).ok_or_else(unknown)
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let after = page.cursor.as_ref().map(place).transpose()?;
    let wanted = alerts::Wanted { after, most: page.rows()?, ..alerts::Wanted::default() };
    let (found, more) = match &query.reference {
        Some(quoted) => (reports::quoted(&house, &caller, quoted).await?, false),
        None => reports::list(&house, &caller, wanted).await?,
    };
    let reference = house.reference().await?;
    let next_cursor = found.last().filter(|_| more).map(|last| place_text(&house, &last.place));
    let code = |unit| house.ring().encode(unit_number(unit)).as_str().to_owned();
    let reply = |told: reports::Told| ReportReply {
        code: told.unit.map(code),
        typed: told.typed,
        reference: told.reference,
        reported_at: instant_text(&reference, caller.brand.0, instant(told.place.due_at)),
        text: told.words,
    };
    Ok(Json(PageReply { items: found.into_iter().map(reply).collect(), next_cursor }))
}
