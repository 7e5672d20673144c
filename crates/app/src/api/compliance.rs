//! How products stand with mandatory coding. For the brand, and for a regulator within its
//! categories.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At};
use super::instant_text;
use super::paging::{PageQuery, PageReply, unit_cursor};
use crate::flows::compliance::{self, Coverage, ProductReport, WALKED_MAX};
use crate::flows::find::unit_number;
use crate::flows::{House, Scope};
use axum::Json;
use axum::extract::State;
use domain::certification::Standing;
use domain::coding::{CodingPolicy, ComplianceReason};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A regime that covers a product today.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegimeReply {
    /// Names the policy row for ever.
    pub policy: String,
    /// `A`, `A'`, `B`, `C`, `D`, `D'`.
    pub regime: String,
    /// What it asks: `unit_code`, `certificate`, `certificate_qr`, `fields`, `service_life`.
    pub asks: Vec<&'static str>,
    /// The same in words, in Chinese.
    pub requirement: String,
    /// In force from this day.
    pub from_on: String,
    /// To this day; null while open.
    #[schema(required = true)]
    pub to_on: Option<String>,
    /// Where it is known from.
    pub source: String,
    /// Whether it was compared with a published copy of that source.
    pub verified: bool,
}

/// Why a product is not simply in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonReply {
    /// The policy row.
    pub policy: String,
    /// What it asks.
    pub asks: &'static str,
    /// `attention` or `breach`.
    pub compliance: &'static str,
    /// `uncoded_units`, `certificate_expiring`, `certificate_expired`, `missing_picture`, …
    pub code: String,
}

/// Of the units that left the maker, how many bear a code.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageReply {
    /// Units that left the maker's hands, or are in use.
    pub left_count: u64,
    /// Of these, those with a code on them.
    pub coded_count: u64,
    /// Those without.
    pub uncoded_count: u64,
    /// Share with a code, in percent, rounded down to hundredths.
    pub coded_percent: f64,
    /// Where the count goes on, when the product has more units than are looked at at once: ask
    /// again and add; null when it is whole.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// How a product stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComplianceReply {
    /// The product, 14 digits.
    pub gtin: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its category.
    pub category: &'static str,
    /// `ok`, `attention`, `breach`.
    pub compliance: &'static str,
    /// Why.
    pub reasons: Vec<ReasonReply>,
    /// Regimes that cover it today.
    pub regimes: Vec<RegimeReply>,
    /// `current`, `expiring`, `not_yet`, `expired`, `lost`, `unknown`.
    pub certificate: &'static str,
    /// Days left, while it is expiring.
    #[schema(required = true)]
    pub certificate_days_left: Option<i32>,
    /// Last day of the certificate.
    #[schema(required = true)]
    pub certificate_to_on: Option<String>,
    /// What a scan should show and cannot.
    pub missing_fields: Vec<&'static str>,
    /// How many units bear a code; null in lists.
    #[schema(required = true)]
    pub coverage: Option<CoverageReply>,
}

fn regime(row: &CodingPolicy) -> RegimeReply {
    RegimeReply {
        policy: row.version.clone(),
        regime: row.regime.clone(),
        asks: row.asks.iter().map(|ask| ask.as_str()).collect(),
        requirement: row.requirement.clone(),
        from_on: row.from_on.to_string(),
        to_on: row.to_on.map(|day| day.to_string()),
        source: row.source_note.clone(),
        verified: row.verified,
    }
}

fn reason(reason: &ComplianceReason) -> ReasonReply {
    ReasonReply {
        policy: reason.version.clone(),
        asks: reason.ask.as_str(),
        compliance: reason.compliance.as_str(),
        code: reason.code.clone(),
    }
}

fn coverage(coverage: &Coverage, next_cursor: Option<String>) -> CoverageReply {
    CoverageReply {
        left_count: coverage.left_count,
        coded_count: coverage.coded_count,
        uncoded_count: coverage.uncoded_count(),
        coded_percent: coverage.rate() as f64 / 100.0,
        next_cursor,
    }
}

fn reply(report: &ProductReport, next_cursor: Option<String>) -> ComplianceReply {
    let product = &report.product;
    ComplianceReply {
        gtin: product.gtin.clone(),
        name_zh: product.name_zh.clone(),
        category: product.category.as_str(),
        compliance: report.compliance.as_str(),
        reasons: report.reasons.iter().map(reason).collect(),
        regimes: report.rows.iter().map(regime).collect(),
        certificate: report.standing.as_str(),
        certificate_days_left: match report.standing {
            Standing::Expiring { days_left } => Some(days_left),
            _ => None,
        },
        certificate_to_on: product.certification.to_on.map(|day| day.to_string()),
        missing_fields: report.missing.clone(),
        coverage: report.coverage.as_ref().map(|it| coverage(it, next_cursor)),
    }
}

/// List how products stand with mandatory coding, without their coverage.
#[utoipa::path(
    get, path = "/api/v1/compliance", tag = "compliance", params(PageQuery),
    responses((status = 200, description = "A page", body = PageReply<ComplianceReply>)),
    security(("key" = ["read"]))
)]
pub(super) async fn list_compliance(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<ComplianceReply>>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let reports = compliance::reports(&house, &caller).await?;
    Ok(Json(page.cut(reports.iter(), |r| r.product.id.0, |r| reply(r, None))?))
}

/// Where a count goes on.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CoverageQuery {
    /// `coverage.next_cursor` of the answer before.
    pub cursor: Option<String>,
}

/// Show how a product stands, with how many of the units that left the maker bear a code.
///
/// Looks at some 200,000 units at once.
#[utoipa::path(
    get, path = "/api/v1/compliance/{gtin}", tag = "compliance",
    params(("gtin" = String, Path, description = "The product"), CoverageQuery),
    responses(
        (status = 200, description = "How it stands", body = ComplianceReply),
        (status = 404, description = "No such product, or none of yours", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn show_compliance(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(gtin): At<String>,
    Asked(query): Asked<CoverageQuery>,
) -> Result<Json<ComplianceReply>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let page = PageQuery { limit: None, cursor: query.cursor };
    let beyond = page.behind_unit(&house, &caller)?;
    let report = compliance::report(&house, &caller, &gtin, beyond, WALKED_MAX).await?;
    let next = report.coverage.as_ref().and_then(|coverage| coverage.next);
    let next = next.map(|next| unit_cursor(&house, &caller, next)).transpose()?;
    Ok(Json(reply(&report, next)))
}

/// A unit that left the maker without a code on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct UncodedReply {
    /// The code it would bear.
    pub code: String,
    /// Serial number.
    #[schema(required = true)]
    pub sn: Option<String>,
    /// Production lot.
    #[schema(required = true)]
    pub lot: Option<String>,
    /// Its batch.
    pub batch: i64,
    /// When it left, or was first in use.
    pub left_at: String,
}

/// List the units of a product that left the maker without a code on them.
///
/// A page may hold fewer rows than asked for, none even, and yet have a next one.
#[utoipa::path(
    get, path = "/api/v1/compliance/{gtin}/uncoded", tag = "compliance",
    params(("gtin" = String, Path, description = "The product"), PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<UncodedReply>),
        (status = 404, description = "No such product, or none of yours", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_uncoded(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(gtin): At<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<UncodedReply>>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let (limit, beyond) = (page.rows()?, page.behind_unit(&house, &caller)?);
    let (found, next) = compliance::uncoded(&house, &caller, &gtin, beyond, limit).await?;
    let (reference, ring) = (house.reference().await?, house.ring());
    let reply = |(unit, at): (store::unit::UnitRecord, jiff::Timestamp)| UncodedReply {
        code: ring.encode(unit_number(unit.number)).as_str().to_owned(),
        left_at: instant_text(&reference, unit.brand, at),
        sn: unit.sn,
        lot: unit.lot,
        batch: unit.batch,
    };
    let items = found.into_iter().map(reply).collect();
    let next_cursor = next.map(|next| unit_cursor(&house, &caller, next)).transpose()?;
    Ok(Json(PageReply { items, next_cursor }))
}
