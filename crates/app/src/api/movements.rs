//! Commands about goods that are one thing each: unpack, void a shipment, receive.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{At, Input, bounded, bounded_if};
use crate::files::read_instant;
use crate::flows::{Caller, House, Scope, find, pack, receipt, ship};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::when::When;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Subjects one command may name.
const SUBJECTS_MAX: usize = 1_000;
/// Longest name of a subject or paper.
pub const NAME_CHARS_MAX: usize = 128;

/// How many it concerned.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountReply {
    /// Subjects.
    pub count: usize,
}

/// Reads an instant or a day; none is now.
pub async fn when_of(house: &House, caller: &Caller, text: Option<&str>) -> Result<When, Problem> {
    let Some(text) = text else { return Ok(When::at(house.clock.now())) };
    let zone = house.reference().await?.zone(caller.brand).clone();
    let read = read_instant(text, &zone);
    Ok(read.map_err(|why| Problem::invalid("happened_at", why))?.when())
}

/// What leaves a pack.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpackBody {
    /// The pack.
    pub sscc: String,
    /// What leaves it; everything when empty.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub children: Vec<String>,
    /// When: an instant, or a day alone; now unless said.
    pub happened_at: Option<String>,
}

/// Take children out of a pack.
#[utoipa::path(
    post, path = "/api/v1/packs/unpack", tag = "packing", request_body = UnpackBody,
    responses(
        (status = 200, description = "Done", body = CountReply),
        (status = 404, description = "No such pack or child", body = Problem),
        (status = 409, description = "Not inside then", body = Problem),
    ),
    security(("key" = ["produce"]))
)]
pub(super) async fn unpack_children(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<UnpackBody>,
) -> Result<Json<CountReply>, Problem> {
    let caller = keyholder.with(Scope::Produce)?;
    bounded("sscc", &body.sscc, NAME_CHARS_MAX)?;
    if body.children.len() > SUBJECTS_MAX {
        return Err(Problem::invalid("children", format!("at most {SUBJECTS_MAX}")));
    }
    for child in &body.children {
        bounded("children", child, NAME_CHARS_MAX)?;
    }
    let when = when_of(&house, &caller, body.happened_at.as_deref()).await?;
    let count = pack::unpack(&house, &caller, &body.sscc, &body.children, when).await?;
    Ok(Json(CountReply { count }))
}

/// When a shipment was taken back.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidShipmentBody {
    /// Code of the sender: each numbers its own papers. The key's own party unless said; the brand
    /// says it where several senders have one of this number.
    pub from: Option<String>,
    /// When: an instant, or a day alone; now unless said.
    pub happened_at: Option<String>,
}

/// What came of taking a shipment back.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakenBackReply {
    /// Subjects.
    pub count: usize,
    /// Those that left a pack by this paper alone and stay outside it, since the pack went on or
    /// was emptied meanwhile: SSCCs and trace codes. Put them back if they are inside.
    pub outside: Vec<String>,
}

/// Take a shipment back while nothing of it moved on.
#[utoipa::path(
    post, path = "/api/v1/shipments/{shipment_no}/void", tag = "distribution",
    request_body = VoidShipmentBody,
    params(("shipment_no" = String, Path, description = "Number of the shipment")),
    responses(
        (status = 200, description = "Done; 0: taken back before", body = TakenBackReply),
        (status = 404, description = "No such shipment", body = Problem),
        (status = 409, description = "The goods moved on", body = Problem),
    ),
    security(("key" = ["ship"]))
)]
pub(super) async fn void_shipment(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(shipment_no): At<String>,
    Input(body): Input<VoidShipmentBody>,
) -> Result<Json<TakenBackReply>, Problem> {
    let caller = keyholder.with(Scope::Ship)?;
    bounded("shipment_no", &shipment_no, NAME_CHARS_MAX)?;
    bounded_if("from", body.from.as_ref(), NAME_CHARS_MAX)?;
    let when = when_of(&house, &caller, body.happened_at.as_deref()).await?;
    let paper = (shipment_no.as_str(), body.from.as_deref());
    let done = ship::void(&house, &caller, paper, when).await?;
    let mut outside = Vec::with_capacity(done.outside.len());
    for number in done.outside {
        outside.push(receipt::name_of(&house, number).await?);
    }
    Ok(Json(TakenBackReply { count: done.count, outside }))
}

/// What was accepted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptBody {
    /// Code of the party that accepts.
    pub party_code: String,
    /// Serial numbers, trace codes or SSCCs; 1 to 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    pub subjects: Vec<String>,
    /// When: an instant, or a day alone; now unless said.
    pub happened_at: Option<String>,
    /// The paper it is checked against: the reply then tells what is missing and what it does
    /// not name.
    #[schema(max_length = 128)]
    pub shipment_no: Option<String>,
    /// Code of the sender whose paper it is: needed where several sent goods under this number.
    #[schema(max_length = 128)]
    pub from: Option<String>,
    /// Differences noted.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// What became of one subject.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceivedReply {
    /// As named.
    pub subject: String,
    /// `taken` or `refused`.
    pub outcome: &'static str,
    /// Why it was refused.
    #[schema(required = true)]
    pub problem: Option<Problem>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptReply {
    /// One for each subject.
    pub results: Vec<ReceivedReply>,
    /// Subjects refused.
    pub refused: usize,
    /// On the paper and still on their way: trace codes and SSCCs. Recorded with each of them.
    pub missing: Vec<String>,
    /// Named here and not on the paper, as named.
    pub unexpected: Vec<String>,
}

/// Accept goods; each subject has its own outcome.
#[utoipa::path(
    post, path = "/api/v1/receipts", tag = "distribution", request_body = ReceiptBody,
    responses(
        (status = 200, description = "At least one subject stands", body = ReceiptReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such paper", body = Problem),
    ),
    security(("key" = ["ship"]))
)]
pub(super) async fn receive_subjects(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<ReceiptBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Ship)?;
    check_receipt(&body)?;
    let when = when_of(&house, &caller, body.happened_at.as_deref()).await?;
    let paper = match &body.shipment_no {
        Some(no) => {
            let paper = (no.as_str(), body.from.as_deref());
            Some(receipt::paper(&house, &caller, &body.party_code, paper).await?)
        }
        None => None,
    };
    let mut results = Vec::with_capacity(body.subjects.len());
    let (mut unexpected, mut numbers) = (Vec::new(), Vec::new());
    for subject in body.subjects {
        let note = body.note.clone();
        let done = ship::receive(&house, &caller, &body.party_code, &subject, when, note).await;
        if let Some(paper) = &paper {
            let number = find::subject(&house, caller.brand, &subject, "subject").await.ok();
            numbers.extend(number);
            let named = match number {
                Some(number) => paper.names(&house, number, when).await?,
                None => false,
            };
            if !named {
                unexpected.push(subject.clone());
            }
        }
        let problem = done.err().map(Problem::from);
        if problem.as_ref().is_some_and(|p| p.status >= 500) {
            return Err(problem.unwrap_or_else(|| Problem::transport("internal")));
        }
        let outcome = if problem.is_some() { "refused" } else { "taken" };
        results.push(ReceivedReply { subject, outcome, problem });
    }
    let refused = results.iter().filter(|r| r.problem.is_some()).count();
    let mut missing = Vec::new();
    if let Some(paper) = &paper {
        for number in paper.missing(&house, &caller, when, &numbers).await? {
            missing.push(receipt::name_of(&house, number).await?);
        }
    }
    let first = results.iter().find_map(|r| r.problem.as_ref()).map(|p| p.status);
    let status = first.filter(|_| refused == results.len());
    let status = status.and_then(|s| StatusCode::from_u16(s).ok()).unwrap_or(StatusCode::OK);
    Ok((status, Json(ReceiptReply { results, refused, missing, unexpected })).into_response())
}

fn check_receipt(body: &ReceiptBody) -> Result<(), Problem> {
    bounded("party_code", &body.party_code, NAME_CHARS_MAX)?;
    bounded_if("shipment_no", body.shipment_no.as_ref(), NAME_CHARS_MAX)?;
    bounded_if("from", body.from.as_ref(), NAME_CHARS_MAX)?;
    if body.from.is_some() && body.shipment_no.is_none() {
        return Err(Problem::invalid("from", "names whose paper it is: say shipment_no too"));
    }
    receipt::note(body.note.as_deref())?;
    if body.subjects.is_empty() || body.subjects.len() > SUBJECTS_MAX {
        return Err(Problem::invalid("subjects", format!("1 to {SUBJECTS_MAX}")));
    }
    body.subjects.iter().try_for_each(|s| bounded("subjects", s, NAME_CHARS_MAX))
}
