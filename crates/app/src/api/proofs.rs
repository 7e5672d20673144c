//! Physical proofs: what only the person who holds the unit can read.

use super::error::Problem;
use super::gate::{Asker, ClientAddress, Counted, purse};
use super::input::{At, Input, bounded};
use super::instant_text;
use super::verify::unit_of;
use crate::flows::access::is_brand;
use crate::flows::{Caller, House, proof};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::address::household;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A proof that only who holds the unit can give.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofBody {
    /// `scratch` or `imei4`.
    pub kind: String,
    /// Six digits under the scratch layer, or the last four of an IMEI.
    #[schema(max_length = 16)]
    pub value: String,
    /// What an earlier proof gave: with it others' wrong tries are no reason to wait.
    #[schema(max_length = 64)]
    pub pass: Option<String>,
}

/// How a proof came out.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProofReply {
    /// `first`, `again`, `compare`, `wrong`, `wait`, `not_offered`.
    pub outcome: &'static str,
    /// With `again`: when it was right for the first time.
    #[schema(required = true)]
    pub first_at: Option<String>,
    /// With `wrong`: tries left before a wait, whoever's tries it is for.
    #[schema(required = true)]
    pub tries_left: Option<usize>,
    /// With `wait`: until when.
    #[schema(required = true)]
    pub wait_until: Option<String>,
    /// With `first` and `again`: to be kept for further proofs of this unit.
    #[schema(required = true)]
    pub pass: Option<String>,
}

/// Prove that the unit is at hand.
#[utoipa::path(
    post, path = "/api/v1/verify/{code}/proof", tag = "verify", request_body = ProofBody,
    params(("code" = String, Path, description = "Trace code or identifier")),
    responses(
        (status = 200, description = "How it came out", body = ProofReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such unit", body = Problem),
        (status = 429, description = "Outcome `wait`, with Retry-After; a problem where the unit \
            is asked about too often", body = ProofReply),
    ),
    security((), ("key" = []))
)]
pub(super) async fn prove_unit(
    State(house): State<Arc<House>>,
    (Asker(caller), ClientAddress(client)): (Asker, ClientAddress),
    counted: Counted,
    At(code): At<String>,
    Input(body): Input<ProofBody>,
) -> Result<Response, Problem> {
    let kind = match body.kind.as_str() {
        "scratch" => proof::ProofKind::Scratch,
        "imei4" => proof::ProofKind::Imei4,
        _ => return Err(Problem::invalid("kind", "must be scratch or imei4")),
    };
    bounded("value", &body.value, 16)?;
    bounded("pass", body.pass.as_deref().unwrap_or_default(), 64)?;
    let number = unit_of(&house, caller.as_ref(), ("code", &code), None).await?;
    let reference = house.reference().await?;
    // Right digits are tried as often as anyone likes, and each try is written down: whoever acts
    // for the brand is trusted with that, others come no more often than to the unit's pages.
    let brand = reference.batch_of(number).map_or(0, |batch| batch.brand);
    let trusted = |caller: &Caller| {
        !caller.is_device() && is_brand(&reference, caller) && caller.brand.0 == brand
    };
    if !caller.as_ref().is_some_and(trusted) {
        // Who brings the owner's pass is not kept waiting by others.
        let owner = proof::is_owner(&house, number, body.pass.as_deref()).await?;
        counted.look_at(if owner { purse(&house, "proof by pass", number) } else { number })?;
    }
    let visitor = household(client).to_string();
    let (value, pass) = (body.value.as_str(), body.pass.as_deref());
    let attempt = proof::Attempt { number, kind, value, visitor: &visitor, pass };
    let outcome = proof::prove_once(&house, &attempt, None).await?;
    let (status, mut reply) = proof_reply(&outcome, |at| instant_text(&reference, brand, at));
    if matches!(outcome, proof::ProofOutcome::First | proof::ProofOutcome::Again(_)) {
        reply.pass = proof::pass_of(&house, number).await?;
    }
    let mut response = (status, Json(reply)).into_response();
    if let Some(seconds) = outcome.wait_seconds(house.clock.now()) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

fn proof_reply(
    outcome: &proof::ProofOutcome,
    told: impl Fn(jiff::Timestamp) -> String,
) -> (StatusCode, ProofReply) {
    use proof::ProofOutcome as Out;
    let reply = |outcome| ProofReply {
        outcome,
        first_at: None,
        tries_left: None,
        wait_until: None,
        pass: None,
    };
    match outcome {
        Out::First => (StatusCode::OK, reply("first")),
        Out::Again(at) => {
            (StatusCode::OK, ProofReply { first_at: Some(told(*at)), ..reply("again") })
        }
        Out::Compare => (StatusCode::OK, reply("compare")),
        Out::Wrong { tries_left } => {
            (StatusCode::OK, ProofReply { tries_left: Some(*tries_left), ..reply("wrong") })
        }
        Out::Wait(until) => (
            StatusCode::TOO_MANY_REQUESTS,
            ProofReply { wait_until: Some(told(*until)), ..reply("wait") },
        ),
        Out::NotOffered => (StatusCode::OK, reply("not_offered")),
    }
}
