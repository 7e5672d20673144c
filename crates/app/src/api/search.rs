//! The one box: whatever a text names, as far as the caller may see it.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::Asked;
use crate::flows::search::{self, Hit, HitKind};
use crate::flows::{House, Scope};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is looked for.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// A trace code or identifier in any written form, the beginning of a serial number (4
    /// characters and more), an SSCC, the number of a shipment, a case's id, the reference of a
    /// report, or a part of a code, name, model or GTIN. 1 to 128 characters.
    #[serde(default)]
    #[param(required = true)]
    pub q: String,
    /// Of this kind alone: `unit`, `pack`, `shipment`, `case`, `party`, `site`, `product`, `batch`,
    /// `report`.
    pub kind: Option<String>,
}

/// Something found.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitReply {
    /// `unit`, `pack`, `shipment`, `case`, `party`, `site`, `product`, `batch`, `report`.
    pub kind: &'static str,
    /// What it is called by: trace code, SSCC, number, id, code, GTIN, reference.
    pub id: String,
    /// A line for people.
    pub label: String,
    /// Where it is read; null where it has no address of its own.
    #[schema(required = true)]
    pub path: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchReply {
    /// At most 20 of each kind, the best first.
    pub items: Vec<HitReply>,
    /// Whether some kind has more: say more of the text.
    pub more: bool,
}

fn reply(hit: Hit) -> HitReply {
    let id = &hit.id;
    let path = match hit.kind {
        HitKind::Unit => Some(format!("/api/v1/units/{id}?scheme=code")),
        HitKind::Pack => Some(format!("/api/v1/packs/{id}")),
        HitKind::Case => Some(format!("/api/v1/cases/{id}")),
        HitKind::Batch => Some(format!("/api/v1/batches/{id}/codes")),
        HitKind::Party => Some("/api/v1/parties".to_owned()),
        HitKind::Site => Some("/api/v1/sites".to_owned()),
        HitKind::Product => Some("/api/v1/products".to_owned()),
        HitKind::Report => Some(format!("/api/v1/reports?reference={id}")),
        HitKind::Shipment => None,
    };
    HitReply { kind: hit.kind.as_str(), path, id: hit.id, label: hit.label }
}

/// Find what a text names: units, packs, shipments, cases, master data and batches, as far as the
/// caller may see them. People are not found here.
#[utoipa::path(
    get, path = "/api/v1/search", tag = "search", params(SearchQuery),
    responses(
        (status = 200, description = "What was found, may be nothing", body = SearchReply),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn find_anything(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(query): Asked<SearchQuery>,
) -> Result<Json<SearchReply>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let kind = |word: &String| {
        let unknown = || Problem::invalid("kind", "is no kind of thing that is found");
        HitKind::parse(word).ok_or_else(unknown)
    };
    let kind = query.kind.as_ref().map(kind).transpose()?;
    let _turn = house.walks.take(&caller).await;
    let found = search::search(&house, &caller, &query.q, kind).await?;
    let items = found.hits.into_iter().map(reply).collect();
    Ok(Json(SearchReply { items, more: found.more }))
}
