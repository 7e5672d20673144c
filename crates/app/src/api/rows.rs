//! Line commands: one or a few rows as JSON, under the names of the file columns, read by the same
//! reader. Every row has its own outcome; rows are once-only by their own keys, so sending one
//! again is harmless.

use super::error::{Problem, status_of};
use super::gate::Keyholder;
use super::input::Input;
use crate::files::{Draft, JsonLines, Kind, parse_row};
use crate::flows::masterdata::Taking;
use crate::flows::ship::Way;
use crate::flows::{Caller, House, RowOutcome, Scope, pack, produce, ship};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;
use utoipa::ToSchema;

/// Rows of a line command; more go through `/import/{kind}`.
pub const ROWS_MAX: usize = 1_000;

/// Rows under the names of the file columns.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowsBody {
    /// 1 to 1,000, as the schema `row_production`, `row_packs` or `row_shipments` says.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 1000)]
    pub rows: Vec<Map<String, Value>>,
    /// One refused row refuses all.
    #[serde(default)]
    pub all_or_nothing: bool,
}

/// A reason why a row was refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemReply {
    /// The column, or the sender's name for what is no column.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// Stable code.
    pub code: &'static str,
    /// What is wrong and the way out.
    pub detail: String,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowReply {
    /// Its place in the request, from 1.
    pub row: usize,
    /// `taken`, `unchanged`, `refused`, `not_recorded`: all or nothing was asked and another row
    /// was refused.
    pub outcome: &'static str,
    /// Every reason.
    pub problems: Vec<ProblemReply>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowsReply {
    /// One for each row.
    pub results: Vec<RowReply>,
    /// Rows refused.
    pub refused: usize,
}

/// The word for an outcome.
pub fn outcome_word(outcome: &RowOutcome) -> &'static str {
    match outcome {
        RowOutcome::Taken => "taken",
        RowOutcome::Unchanged => "unchanged",
        RowOutcome::Refused(_) => "refused",
        RowOutcome::NotRecorded => "not_recorded",
    }
}

/// Every reason of an outcome.
pub fn problems_of(outcome: &RowOutcome) -> Vec<ProblemReply> {
    let RowOutcome::Refused(refused) = outcome else { return Vec::new() };
    let reply = |r: &domain::refusal::Refused| ProblemReply {
        field: r.field.clone(),
        code: r.refusal.code(),
        detail: r.reason.clone(),
    };
    refused.iter().map(reply).collect()
}

/// Commission units: the line says what it made.
#[utoipa::path(
    post, path = "/api/v1/units/commission", tag = "production", request_body = RowsBody,
    responses(
        (status = 200, description = "At least one row stands", body = RowsReply),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["produce"]))
)]
pub(super) async fn commission_units(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<RowsBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Produce)?;
    take(&house, &caller, Kind::Production, &body, Way::Forward).await
}

/// Put children into packs.
#[utoipa::path(
    post, path = "/api/v1/packs", tag = "packing", request_body = RowsBody,
    responses(
        (status = 200, description = "At least one row stands", body = RowsReply),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["produce"]))
)]
pub(super) async fn pack_children(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<RowsBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Produce)?;
    take(&house, &caller, Kind::Packs, &body, Way::Forward).await
}

/// Ship units and packs.
#[utoipa::path(
    post, path = "/api/v1/shipments", tag = "distribution", request_body = RowsBody,
    responses(
        (status = 200, description = "At least one row stands", body = RowsReply),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["ship"]))
)]
pub(super) async fn ship_subjects(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<RowsBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Ship)?;
    take(&house, &caller, Kind::Shipments, &body, Way::Forward).await
}

/// Send units and packs back up the tree.
#[utoipa::path(
    post, path = "/api/v1/returns", tag = "distribution", request_body = RowsBody,
    responses(
        (status = 200, description = "At least one row stands", body = RowsReply),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["ship"]))
)]
pub(super) async fn return_subjects(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<RowsBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Ship)?;
    take(&house, &caller, Kind::Shipments, &body, Way::Back).await
}

/// Reads rows, hands the good ones to their flow, and answers each.
async fn take(
    house: &House,
    caller: &Caller,
    kind: Kind,
    body: &RowsBody,
    way: Way,
) -> Result<Response, Problem> {
    if body.rows.is_empty() || body.rows.len() > ROWS_MAX {
        return Err(Problem::invalid("rows", format!("1 to {ROWS_MAX} rows")));
    }
    let zone = house.reference().await?.zone(caller.brand).clone();
    let reader = JsonLines::new(kind);
    let mut outcomes: Vec<Option<RowOutcome>> = Vec::with_capacity(body.rows.len());
    let mut drafts = Vec::with_capacity(body.rows.len());
    for (i, row) in body.rows.iter().enumerate() {
        let text = serde_json::to_vec(row).map_err(Problem::internal)?;
        match parse_row(&reader.row(i + 1, &text), &zone) {
            Ok(draft) => {
                drafts.push(draft);
                outcomes.push(None);
            }
            Err(refused) => outcomes.push(Some(RowOutcome::Refused(refused))),
        }
    }
    let broken = drafts.len() < body.rows.len();
    let taking = Taking { update: false, all_or_nothing: body.all_or_nothing };
    let judged = if body.all_or_nothing && broken {
        vec![RowOutcome::NotRecorded; drafts.len()]
    } else {
        hand_over(house, caller, drafts, way, taking).await?
    };
    let mut judged = judged.into_iter();
    let mut outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|o| o.or_else(|| judged.next()).unwrap_or(RowOutcome::NotRecorded))
        .collect();
    if body.all_or_nothing {
        RowOutcome::all_or_nothing(&mut outcomes);
    }
    Ok(answer(&outcomes, body.all_or_nothing))
}

async fn hand_over(
    house: &House,
    caller: &Caller,
    drafts: Vec<Draft>,
    way: Way,
    taking: Taking,
) -> Result<Vec<RowOutcome>, Problem> {
    let (mut units, mut packs, mut shipments) = (Vec::new(), Vec::new(), Vec::new());
    for draft in drafts {
        match draft {
            Draft::Production(draft) => units.push(draft),
            Draft::Pack(draft) => packs.push(draft),
            Draft::Shipment(draft) => shipments.push(draft),
            Draft::Product(_) | Draft::Party(_) | Draft::Site(_) | Draft::Territory(_) => {}
        }
    }
    let outcomes = if !units.is_empty() {
        produce::commission(house, caller, &units, taking).await?
    } else if !packs.is_empty() {
        pack::pack(house, caller, &packs, taking).await?
    } else if !shipments.is_empty() {
        ship::ship(house, caller, &shipments, way, taking).await?
    } else {
        Vec::new()
    };
    Ok(outcomes)
}

/// 200 while a row stands; when none was recorded, the status of the first refusal.
fn answer(outcomes: &[RowOutcome], all_or_nothing: bool) -> Response {
    let reply = |(i, outcome): (usize, &RowOutcome)| RowReply {
        row: i + 1,
        outcome: outcome_word(outcome),
        problems: problems_of(outcome),
    };
    let results: Vec<_> = outcomes.iter().enumerate().map(reply).collect();
    let first = |outcome: &RowOutcome| match outcome {
        RowOutcome::Refused(why) => why.first().map(|r| status_of(r.refusal)),
        _ => None,
    };
    let refused = outcomes.iter().filter(|o| matches!(o, RowOutcome::Refused(_))).count();
    let nothing = refused == outcomes.len() || (all_or_nothing && refused > 0);
    let status = if nothing { outcomes.iter().find_map(first) } else { None };
    let status = status.and_then(|s| StatusCode::from_u16(s).ok()).unwrap_or(StatusCode::OK);
    (status, Json(RowsReply { results, refused })).into_response()
}
