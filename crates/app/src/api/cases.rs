//! Cases: opened, worked on and closed by the brand; read and answered by the party concerned and
//! those above it.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, Input, bounded};
use super::instant_text;
use super::movements::NAME_CHARS_MAX;
use super::paging::{PageQuery, PageReply, sealed, unsealed};
use crate::files::read_instant;
use crate::flows::cases::{self, Doing, Entry, Order, Saying, Shown};
use crate::flows::custody::instant;
use crate::flows::find::unit_number;
use crate::flows::reference::Reference;
use crate::flows::{Caller, House, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::case::{CaseState, Outcome};
use domain::id::PartyId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::canonical::{hex, unhex};
use store::case::{CaseId, CaseRow};
use utoipa::ToSchema;

/// A case to open.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseBody {
    /// Code of the party it is about.
    pub party: String,
    /// Trace codes or serial numbers of the units it is about, 1 to 200. An alert is named by its
    /// unit.
    #[schema(min_items = 1, max_items = 200)]
    pub units: Vec<String>,
    /// What it is about, in words that the party is told too.
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub summary: String,
    /// The last day for an answer, `YYYY-MM-DD`.
    pub answer_by: Option<String>,
}

/// Further units of a case.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseUnitsBody {
    /// Trace codes or serial numbers. Those that stand in it already change nothing.
    #[schema(min_items = 1, max_items = 200)]
    pub units: Vec<String>,
}

/// Something said in a case.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseEntryBody {
    /// The words; lines are kept.
    #[schema(max_length = 4000)]
    pub text: String,
    /// The brand notes it for itself; the party never sees it.
    #[serde(default)]
    pub internal: bool,
    /// The last day for an answer to it; only with what the brand says to the party.
    pub answer_by: Option<String>,
}

/// The end of a case.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseCaseBody {
    /// `confirmed`, `unfounded` or `settled`.
    pub outcome: String,
    /// In words that the party is told too.
    #[schema(max_length = 4000)]
    pub text: String,
}

/// A case taken up again.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenCaseBody {
    /// Why, in words that the party is told too.
    #[schema(max_length = 4000)]
    pub text: String,
    /// The last day for an answer.
    pub answer_by: Option<String>,
}

/// A case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseReply {
    /// Its name, 16 hexadecimal digits.
    pub id: String,
    /// Code of the party it is about.
    pub party_code: String,
    /// `open` (the party has to answer), `answered` (the brand has to decide), `closed`.
    pub state: String,
    /// While it is closed: `confirmed`, `unfounded`, `settled`.
    #[schema(required = true)]
    pub outcome: Option<String>,
    /// When it was opened.
    pub opened_at: String,
    /// When it was closed, while it is.
    #[schema(required = true)]
    pub closed_at: Option<String>,
    /// The last day for an answer.
    #[schema(required = true)]
    pub answer_by: Option<String>,
    /// Whether that day is over without one.
    pub overdue: bool,
}

/// A case with what belongs to it, as far as the reader may see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseShownReply {
    /// The case.
    #[serde(flatten)]
    pub case: CaseReply,
    /// Trace codes of its units: of a party those that went through hands of its own or below it.
    pub units: Vec<String>,
    /// What was said, the first first.
    pub entries: Vec<CaseEntryReply>,
}

/// What was said in a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseEntryReply {
    /// `opening`, `note` (the brand alone sees it), `message` (the brand), `statement` (the party),
    /// `closing`, `reopening`.
    pub kind: &'static str,
    /// Code of the party for which it was said.
    pub party_code: String,
    /// Who said it; told to the brand alone.
    #[schema(required = true)]
    pub actor: Option<String>,
    /// When.
    pub at: String,
    /// The words; null once they were forgotten.
    #[schema(required = true)]
    pub text: Option<String>,
}

/// Which cases.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CaseQuery {
    /// Rows, 1 to 1,000; 100 unless said.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// In this state alone: `open`, `answered`, `closed`.
    pub state: Option<String>,
    /// About the party of this code alone.
    pub party: Option<String>,
    /// Opened from this instant on.
    pub since: Option<String>,
}

fn case_reply(house: &House, reference: &Reference, row: &CaseRow) -> CaseReply {
    let at = |micros: i64| instant_text(reference, row.brand, instant(micros));
    let today = reference.day(domain::id::BrandId(row.brand), house.clock.now());
    CaseReply {
        id: hex(&row.id),
        party_code: code_of(reference, PartyId(row.party)),
        state: row.state.clone(),
        outcome: row.outcome.clone(),
        opened_at: at(row.opened_at),
        closed_at: row.closed_at.map(at),
        answer_by: row.answer_by.clone(),
        overdue: cases::is_overdue(row, today),
    }
}

fn code_of(reference: &Reference, party: PartyId) -> String {
    reference.tree.get(party).map(|party| party.code.clone()).unwrap_or_default()
}

fn shown_reply(house: &House, reference: &Reference, shown: Shown) -> CaseShownReply {
    let entry = |entry: Entry| CaseEntryReply {
        kind: entry.kind.as_str(),
        party_code: code_of(reference, entry.party),
        actor: entry.actor,
        at: instant_text(reference, shown.row.brand, instant(entry.said_at)),
        text: entry.words,
    };
    let ring = house.ring();
    let code = |unit: &i64| ring.encode(unit_number(*unit)).as_str().to_owned();
    CaseShownReply {
        case: case_reply(house, reference, &shown.row),
        units: shown.units.iter().map(code).collect(),
        entries: shown.entries.into_iter().map(entry).collect(),
    }
}

fn day_of(text: Option<&String>) -> Result<Option<Date>, Problem> {
    let read = |text: &String| {
        text.parse::<Date>().map_err(|_| Problem::invalid("answer_by", "must be YYYY-MM-DD"))
    };
    text.map(read).transpose()
}

fn bounded_all(units: &[String]) -> Result<(), Problem> {
    units.iter().try_for_each(|unit| bounded("units", unit, NAME_CHARS_MAX))
}

/// Open a case about one party over units. For the brand only.
///
/// A unit stands in one open case at a time. The party, and those above it in the tree, see the
/// case from then on and answer.
#[utoipa::path(
    post, path = "/api/v1/cases", tag = "cases", request_body = CaseBody,
    responses(
        (status = 201, description = "Opened", body = CaseReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such party or unit", body = Problem),
        (status = 409, description = "A unit stands in another open case", body = Problem),
    ),
    security(("key" = ["cases"]))
)]
pub(super) async fn open_case(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<CaseBody>,
) -> Result<(StatusCode, Json<CaseReply>), Problem> {
    let caller = keyholder.with(Scope::Cases)?;
    bounded("party", &body.party, NAME_CHARS_MAX)?;
    bounded_all(&body.units)?;
    let answer_by = day_of(body.answer_by.as_ref())?;
    let order = Order { party: body.party, units: body.units, summary: body.summary, answer_by };
    let row = cases::open(&house, &caller, &order).await?;
    let reference = house.reference().await?;
    Ok((StatusCode::CREATED, Json(case_reply(&house, &reference, &row))))
}

/// List cases, those opened last first: the brand's all, another party's about itself and those
/// below it.
#[utoipa::path(
    get, path = "/api/v1/cases", tag = "cases", params(CaseQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<CaseReply>),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such party", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_cases(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(query): Asked<CaseQuery>,
) -> Result<Json<PageReply<CaseReply>>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let wanted = wanted(&house, &caller, query).await?;
    let _turn = house.walks.take(&caller).await;
    let (found, next) = cases::list(&house, &caller, wanted).await?;
    let reference = house.reference().await?;
    let next_cursor = next.map(|(opened_at, id)| {
        let place = format!("{opened_at} {}", hex(&id));
        sealed(&house, &caller, &place)
    });
    let items = found.iter().map(|row| case_reply(&house, &reference, row)).collect();
    Ok(Json(PageReply { items, next_cursor: next_cursor.transpose()? }))
}

async fn wanted(
    house: &House,
    caller: &Caller,
    query: CaseQuery,
) -> Result<cases::Wanted, Problem> {
    let page = PageQuery { limit: query.limit, cursor: None };
    let state = |word: &String| {
        let why = "must be open, answered or closed";
        CaseState::parse(word).ok_or_else(|| Problem::invalid("state", why))
    };
    if let Some(party) = &query.party {
        bounded("party", party, NAME_CHARS_MAX)?;
    }
    let since = match query.since.as_deref() {
        None => None,
        Some(text) => {
            let zone = house.reference().await?.zone(caller.brand).clone();
            let read = read_instant(text, &zone).map_err(|why| Problem::invalid("since", why))?;
            Some(read.at)
        }
    };
    let place = |text: &String| {
        let place = unsealed(house, caller, text).and_then(|place| place_of(&place));
        place.ok_or_else(|| Problem::invalid("cursor", "take it from next_cursor"))
    };
    Ok(cases::Wanted {
        state: query.state.as_ref().map(state).transpose()?,
        party: query.party,
        since,
        after: query.cursor.as_ref().map(place).transpose()?,
        most: page.rows()?,
    })
}

fn place_of(text: &str) -> Option<(i64, CaseId)> {
    let (at, id) = text.split_once(' ')?;
    Some((at.parse().ok()?, CaseId::try_from(unhex(id)?).ok()?))
}

/// Show a case: its units and what was said, as far as the reader may see them.
#[utoipa::path(
    get, path = "/api/v1/cases/{id}", tag = "cases",
    params(("id" = String, Path, description = "Case")),
    responses(
        (status = 200, description = "The case", body = CaseShownReply),
        (status = 404, description = "No such case, or none of yours", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn show_case(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<Json<CaseShownReply>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let shown = cases::show(&house, &caller, &id).await?;
    let reference = house.reference().await?;
    Ok(Json(shown_reply(&house, &reference, shown)))
}

/// Add units to a case. For the brand only.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/units", tag = "cases", request_body = CaseUnitsBody,
    params(("id" = String, Path, description = "Case")),
    responses(
        (status = 200, description = "They stand in it", body = CaseReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such case or unit; nothing changed", body = Problem),
        (status = 409, description = "Closed, full, or a unit stands elsewhere", body = Problem),
    ),
    security(("key" = ["cases"]))
)]
pub(super) async fn extend_case(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<CaseUnitsBody>,
) -> Result<Json<CaseReply>, Problem> {
    let caller = keyholder.with(Scope::Cases)?;
    bounded_all(&body.units)?;
    let row = cases::act(&house, &caller, &id, &Doing::extend(body.units)).await?;
    Ok(Json(case_reply(&house, &*house.reference().await?, &row)))
}

/// Say something in a case: the brand to the party or, `internal`, to itself; the party, or one
/// above it, to the brand, which makes the case `answered`.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/entries", tag = "cases", request_body = CaseEntryBody,
    params(("id" = String, Path, description = "Case")),
    responses(
        (status = 200, description = "Said", body = CaseReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "A party notes nothing for itself", body = Problem),
        (status = 404, description = "No such case, or none of yours", body = Problem),
        (status = 409, description = "Closed or full", body = Problem),
    ),
    security(("key" = ["cases"]))
)]
pub(super) async fn say_in_case(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<CaseEntryBody>,
) -> Result<Json<CaseReply>, Problem> {
    let caller = keyholder.with(Scope::Cases)?;
    let answer_by = day_of(body.answer_by.as_ref())?;
    let saying = Saying { text: body.text, internal: body.internal, answer_by };
    let row = cases::say(&house, &caller, &id, &saying).await?;
    Ok(Json(case_reply(&house, &*house.reference().await?, &row)))
}

/// Close a case. For the brand only. Its units may then stand in another.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/close", tag = "cases", request_body = CloseCaseBody,
    params(("id" = String, Path, description = "Case")),
    responses(
        (status = 200, description = "Closed", body = CaseReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such case", body = Problem),
        (status = 409, description = "Closed before", body = Problem),
    ),
    security(("key" = ["cases"]))
)]
pub(super) async fn close_case(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<CloseCaseBody>,
) -> Result<Json<CaseReply>, Problem> {
    let caller = keyholder.with(Scope::Cases)?;
    let why = "must be confirmed, unfounded or settled";
    let outcome = Outcome::parse(&body.outcome).ok_or_else(|| Problem::invalid("outcome", why))?;
    let row = cases::act(&house, &caller, &id, &Doing::close(outcome, &body.text)).await?;
    Ok(Json(case_reply(&house, &*house.reference().await?, &row)))
}

/// Take a closed case up again. For the brand only.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/reopen", tag = "cases", request_body = ReopenCaseBody,
    params(("id" = String, Path, description = "Case")),
    responses(
        (status = 200, description = "Open again", body = CaseReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such case", body = Problem),
        (status = 409, description = "Not closed, or a unit stands elsewhere", body = Problem),
    ),
    security(("key" = ["cases"]))
)]
pub(super) async fn reopen_case(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<ReopenCaseBody>,
) -> Result<Json<CaseReply>, Problem> {
    let caller = keyholder.with(Scope::Cases)?;
    let doing = Doing::reopen(&body.text, day_of(body.answer_by.as_ref())?);
    let row = cases::act(&house, &caller, &id, &doing).await?;
    Ok(Json(case_reply(&house, &*house.reference().await?, &row)))
}
