//! Units: the whole dossier, and what befalls units besides travel.

use super::error::Problem;
use super::gate::Keyholder;
use super::idempotent::{keyed, respond};
use super::input::{Asked, At, Input, bounded};
use super::movements::{CountReply, NAME_CHARS_MAX, when_of};
use super::timeline::{DossierReply, dossier_reply};
use super::verify::unit_of;
use crate::files::read_date;
use crate::flows::idempotency::Answer;
use crate::flows::lifecycle::{self, Change};
use crate::flows::{Caller, House, Scope, dossier, find};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::identifier::{Identifier, Scheme};
use domain::life::Cause;
use domain::sale::Paper;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Units one change may name here.
const UNITS_MAX: usize = 10_000;

/// The route of changes, in whose scope their keys are.
const CHANGES: &str = "POST /api/v1/units/changes";

/// What befalls a unit, besides being sold.
const CHANGE_WORDS: [&str; 7] = [
    "inspect",
    "recall",
    "lift_recall",
    "decommission",
    "report_stolen",
    "clear_stolen",
    "open_life",
];

/// What a cause may be.
const CAUSES: &str = "must be return, refurbishment or replacement";

/// How to read the text.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UnitQuery {
    /// Forces the reading: `code`, `imei`, `sn`, `meid`, `eid`, `mac`, `part`.
    pub scheme: Option<String>,
}

/// The reading a query forces.
pub(super) fn scheme_of(query: &UnitQuery) -> Result<Option<Scheme>, Problem> {
    let scheme = query.scheme.as_deref().map(str::parse::<Scheme>).transpose();
    scheme.map_err(|why| Problem::invalid("scheme", why))
}

/// Show the whole dossier of a unit: its state, its timeline, its findings.
///
/// The brand sees all, an authority what lies in its remit, a factory how it was made, a service
/// centre what is in its hands; another party its own hops and those below it.
#[utoipa::path(
    get, path = "/api/v1/units/{id}", tag = "units",
    params(("id" = String, Path, description = "Trace code or identifier"), UnitQuery),
    responses(
        (status = 200, description = "The dossier", body = DossierReply),
        (status = 404, description = "No such unit, or none of yours", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn show_unit(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Asked(query): Asked<UnitQuery>,
) -> Result<Json<DossierReply>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let scheme = scheme_of(&query)?;
    let number = unit_of(&house, Some(&caller), ("id", &id), scheme).await?;
    let reference = house.reference().await?;
    let shown = dossier::show(&house, &reference, &caller, number).await?;
    Ok(Json(dossier_reply(&house, &reference, &shown)))
}

/// A change in the life of units.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// `inspect`, `recall`, `lift_recall`, `decommission`, `report_stolen`, `clear_stolen`,
    /// `open_life`, `sell`.
    pub change: String,
    /// Trace codes or serial numbers, 1 to 10,000. All change or none.
    #[schema(min_items = 1, max_items = 10000)]
    pub units: Vec<String>,
    /// Why; for `inspect` what was seen. Needed for every change but `sell`, which takes none and
    /// is why it may be left out here.
    #[schema(max_length = 1000)]
    #[serde(default)]
    pub reason: String,
    /// For `inspect`: `pass`, `fail` or `hold`.
    pub inspection: Option<String>,
    /// For `open_life`: `return` (a started unit was taken back and accepted), `refurbishment` (by
    /// the brand or for it), `replacement` (under guarantee).
    pub cause: Option<String>,
    /// For `sell`: the day on the paper, a civil date. It starts the guarantee, unless that runs
    /// from a later day already.
    pub sold_on: Option<String>,
    /// For `sell`: `invoice`, the day it was written, or `delivery`, the day the consumer had the
    /// unit. Where both are known, the later one counts.
    pub paper: Option<String>,
    /// When: an instant, or a day alone; now unless said.
    pub happened_at: Option<String>,
}

/// Change units: inspection, sale, recall, theft, decommissioning, a new life.
#[utoipa::path(
    post, path = "/api/v1/units/changes", tag = "units", request_body = ChangeBody,
    responses(
        (status = 200, description = "Every unit changed", body = CountReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "A unit is unknown; nothing changed", body = Problem),
        (status = 409, description = "A unit refuses; nothing changed", body = Problem),
    ),
    security(("key" = ["lifecycle"]), ("key" = ["produce"]))
)]
pub(super) async fn change_units(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    headers: HeaderMap,
    Input(body): Input<ChangeBody>,
) -> Result<Response, Problem> {
    let change = change_of(&body)?;
    caller.need(change.scope())?;
    if body.units.is_empty() || body.units.len() > UNITS_MAX {
        return Err(Problem::invalid("units", format!("1 to {UNITS_MAX}")));
    }
    let when = when_of(&house, &caller, body.happened_at.as_deref()).await?;
    let mut numbers = Vec::with_capacity(body.units.len());
    for unit in &body.units {
        bounded("units", unit, NAME_CHARS_MAX)?;
        numbers.push(find::subject(&house, caller.brand, unit, "units").await?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    let key = keyed(&headers, &caller.actor, CHANGES, &body)?;
    let render = |count| {
        let reply = serde_json::to_string(&CountReply { count }).unwrap_or_default();
        Answer::new(200, reply)
    };
    let asked = (numbers.as_slice(), &change, when);
    let answer = lifecycle::change_once(&house, &caller, asked, key.as_ref(), &render).await?;
    Ok(respond(&answer))
}

fn change_of(body: &ChangeBody) -> Result<Change, Problem> {
    if body.change == "sell" {
        return sale_of(body);
    }
    // What a change needs is told of a change that there is.
    if !CHANGE_WORDS.contains(&body.change.as_str()) {
        return Err(Problem::invalid("change", unknown_change()));
    }
    for (field, told) in [("sold_on", &body.sold_on), ("paper", &body.paper)] {
        if told.is_some() {
            return Err(Problem::invalid(field, "belongs to sell only"));
        }
    }
    let reason = domain::text::lasting(&body.reason, domain::text::NOTE_CHARS_MAX)
        .map_err(|why| Problem::invalid("reason", why))?;
    let inspection = match body.inspection.as_deref() {
        Some("pass") => Some("pass"),
        Some("fail") => Some("fail"),
        Some("hold") => Some("hold"),
        None => None,
        Some(_) => return Err(Problem::invalid("inspection", "must be pass, fail or hold")),
    };
    let cause = match body.cause.as_deref().map(Cause::parse) {
        Some(None) => return Err(Problem::invalid("cause", CAUSES)),
        cause => cause.flatten(),
    };
    match (body.change.as_str(), inspection) {
        ("inspect", None) => Err(Problem::invalid("inspection", "say pass, fail or hold")),
        (change, Some(_)) if change != "inspect" => {
            Err(Problem::invalid("inspection", "belongs to inspect only"))
        }
        (change, _) if change != "open_life" && cause.is_some() => {
            Err(Problem::invalid("cause", "belongs to open_life only"))
        }
        ("inspect", Some(result)) => Ok(Change::Inspect(result, reason)),
        ("recall", _) => Ok(Change::Recall(reason)),
        ("lift_recall", _) => Ok(Change::LiftRecall(reason)),
        ("decommission", _) => Ok(Change::Decommission(reason)),
        ("report_stolen", _) => Ok(Change::ReportStolen(reason)),
        ("clear_stolen", _) => Ok(Change::ClearStolen(reason)),
        ("open_life", _) => match cause {
            Some(cause) => Ok(Change::OpenLife(cause, reason)),
            None => Err(Problem::invalid("cause", CAUSES)),
        },
        _ => Err(Problem::invalid("change", unknown_change())),
    }
}

fn unknown_change() -> String {
    format!("must be {} or sell", CHANGE_WORDS.join(", "))
}

/// A sale. It has no words of its own: the buyer's name is on the paper.
fn sale_of(body: &ChangeBody) -> Result<Change, Problem> {
    let others = [
        ("reason", !body.reason.is_empty()),
        ("inspection", body.inspection.is_some()),
        ("cause", body.cause.is_some()),
    ];
    if let Some((field, _)) = others.into_iter().find(|(_, told)| *told) {
        return Err(Problem::invalid(field, "belongs to other changes"));
    }
    let day = body.sold_on.as_deref().unwrap_or_default();
    let day = read_date(day).map_err(|why| Problem::invalid("sold_on", why))?;
    let paper = body.paper.as_deref().and_then(Paper::parse);
    let paper = paper.ok_or_else(|| Problem::invalid("paper", "must be invoice or delivery"))?;
    Ok(Change::Sell(paper, day))
}

/// A further code of a unit.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasBody {
    /// An issued code of the same product that no unit wears.
    pub code: String,
}

/// Done.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoneReply {
    /// Always true.
    pub done: bool,
}

/// Bind a further code to a unit: its label was replaced.
#[utoipa::path(
    post, path = "/api/v1/units/{id}/aliases", tag = "units", request_body = AliasBody,
    params(("id" = String, Path, description = "Trace code or identifier")),
    responses(
        (status = 200, description = "Bound", body = DoneReply),
        (status = 404, description = "No such unit", body = Problem),
        (status = 409, description = "The code is taken, void or of another product",
            body = Problem),
    ),
    security(("key" = ["lifecycle"]))
)]
pub(super) async fn bind_alias(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<AliasBody>,
) -> Result<Json<DoneReply>, Problem> {
    let caller: Caller = keyholder.with(Scope::Lifecycle)?;
    bounded("code", &body.code, NAME_CHARS_MAX)?;
    let number = unit_of(&house, Some(&caller), ("id", &id), None).await?;
    lifecycle::bind_alias(&house, &caller, number, &body.code).await?;
    Ok(Json(DoneReply { done: true }))
}

/// An identifier that moves.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveIdentifierBody {
    /// `imei`, `meid`, `eid`, `mac`, `part` or `sn`.
    pub scheme: String,
    /// The identifier.
    pub value: String,
    /// True: onto the unit; false: away from it.
    pub onto: bool,
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: String,
}

/// Move an identifier onto or away from a unit: a mainboard was swapped.
#[utoipa::path(
    post, path = "/api/v1/units/{id}/identifiers", tag = "units", request_body = MoveIdentifierBody,
    params(("id" = String, Path, description = "Trace code or identifier")),
    responses(
        (status = 200, description = "Moved", body = DoneReply),
        (status = 404, description = "No such unit or identifier", body = Problem),
        (status = 409, description = "On another live unit", body = Problem),
    ),
    security(("key" = ["lifecycle"]))
)]
pub(super) async fn move_identifier(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<MoveIdentifierBody>,
) -> Result<Json<DoneReply>, Problem> {
    let caller = keyholder.with(Scope::Lifecycle)?;
    let scheme = body.scheme.parse::<Scheme>().ok().filter(|scheme| *scheme != Scheme::Code);
    let scheme = scheme.ok_or_else(|| {
        let why = "must be sn, imei, meid, eid, mac or part; codes are bound by aliases";
        Problem::invalid("scheme", why)
    })?;
    let identifier =
        Identifier::parse(scheme, &body.value).map_err(|why| Problem::invalid("value", why))?;
    let number = unit_of(&house, Some(&caller), ("id", &id), None).await?;
    lifecycle::move_identifier(&house, &caller, number, &identifier, body.onto, &body.reason)
        .await?;
    Ok(Json(DoneReply { done: true }))
}
