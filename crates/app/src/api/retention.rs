//! How long what is beside the ledger is kept, and what was deleted. For the brand's own auditors.

use super::error::Problem;
use super::gate::Keyholder;
use super::instant_text;
use crate::flows::custody::instant;
use crate::flows::persons::retention;
use crate::flows::{House, Scope};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A term.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionPolicyReply {
    /// Of what: `answer`, `observation`, `waiting`, `proof_try`, `registration`, `consent`,
    /// `audit_read`.
    pub kind: &'static str,
    /// Days.
    pub days: u16,
    /// What they count from, and what for.
    pub basis: String,
    /// Where the number comes from.
    pub source: String,
    /// Whether it was compared with its source.
    pub verified: bool,
}

/// What was deleted under a term on a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionRunReply {
    /// The term.
    pub kind: String,
    /// The day (UTC).
    pub day_on: String,
    /// When the last run of that day was.
    pub at: String,
    /// Rows deleted.
    pub rows: i64,
    /// Up to which instant terms were over.
    pub upto: String,
}

/// Terms and what was deleted under them.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionReply {
    /// The terms.
    pub policies: Vec<RetentionPolicyReply>,
    /// The runs of the last three years that deleted something, the latest day first. Of the whole
    /// deployment.
    pub runs: Vec<RetentionRunReply>,
}

/// Show the terms of retention, and how much was deleted under each. For the brand only.
#[utoipa::path(
    get, path = "/api/v1/retention", tag = "audit",
    responses(
        (status = 200, description = "Terms and runs", body = RetentionReply),
        (status = 403, description = "For the brand only", body = Problem),
    ),
    security(("key" = ["audit"]))
)]
pub(super) async fn show_retention(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
) -> Result<Json<RetentionReply>, Problem> {
    let caller = keyholder.with(Scope::Audit)?;
    let (policies, runs) = retention::list(&house, &caller).await?;
    let reference = house.reference().await?;
    let text = |at: i64| instant_text(&reference, caller.brand.0, instant(at));
    let policy = |p: domain::retention::RetentionPolicy| RetentionPolicyReply {
        kind: p.kept.as_str(),
        days: p.days,
        basis: p.basis,
        source: p.source_note,
        verified: p.verified,
    };
    let run = |r: store::expiry::RetentionRun| RetentionRunReply {
        kind: r.policy,
        day_on: r.day_on,
        at: text(r.at),
        rows: r.row_count,
        upto: text(r.upto),
    };
    Ok(Json(RetentionReply {
        policies: policies.into_iter().map(policy).collect(),
        runs: runs.into_iter().map(run).collect(),
    }))
}
