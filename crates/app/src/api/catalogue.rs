//! Lists of master data and alerts. The brand sees all of its own; other parties what concerns
//! them and those below them.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::Asked;
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use super::verdicts::ProductReply;
use crate::files::read_instant;
use crate::flows::custody::instant;
use crate::flows::find::unit_number;
use crate::flows::{Caller, House, alerts, catalogue};
use crate::geo::write_fences;
use axum::Json;
use axum::extract::State;
use domain::code::TraceCode;
use domain::finding::FindingKind;
use domain::party::{Party, Site};
use domain::product::Product;
use domain::territory::Territory;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use store::canonical::{hex, unhex};
use store::finding::AlertRecord;
use utoipa::ToSchema;

/// A product, as the brand entered it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedProductReply {
    /// What anybody may know of it.
    #[serde(flatten)]
    pub product: ProductReply,
    /// List price in yuan with two decimals, as a file takes it; null when not stated.
    #[schema(required = true)]
    pub list_price_yuan: Option<String>,
    /// Whether the device reports its own first start; without it, registering is the activation.
    pub network_start: bool,
}

impl From<&Product> for ListedProductReply {
    fn from(p: &Product) -> Self {
        let yuan = |fen: i64| format!("{}.{:02}", fen / 100, fen % 100);
        Self {
            product: p.into(),
            list_price_yuan: p.list_price_fen.map(yuan),
            network_start: p.network_start,
        }
    }
}

/// A party.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartyReply {
    /// The brand's short name for it.
    pub code: String,
    /// `brand`, `factory`, `tier1`, `tier2`, `shop`, …
    pub kind: &'static str,
    /// Name as shown.
    pub name: String,
    /// Code of the party above.
    #[schema(required = true)]
    pub parent_code: Option<String>,
    /// Region of its seat.
    #[schema(required = true)]
    pub region: Option<String>,
    /// Street address, may be empty.
    pub address: String,
    /// Telephone as written, may be empty.
    pub phone: String,
    /// Longitude of its seat, WGS-84 degrees.
    #[schema(required = true)]
    pub lon: Option<f64>,
    /// Latitude of its seat, WGS-84 degrees.
    #[schema(required = true)]
    pub lat: Option<f64>,
    /// Whether consumers may see its name.
    pub public: bool,
    /// Unified social credit code of the legal body it is.
    #[schema(required = true)]
    pub organisation: Option<String>,
    /// Of a regulator, the categories it oversees.
    pub categories: Vec<&'static str>,
}

/// A place a party runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteReply {
    /// The brand's short name for it; of a main site, which changes with its party alone, the
    /// party's own code.
    pub code: String,
    /// Code of the party that runs it.
    pub party_code: String,
    /// `plant`, `warehouse`, `shop`, `office`.
    pub kind: &'static str,
    /// Name as shown.
    pub name: String,
    /// Region of the place.
    #[schema(required = true)]
    pub region: Option<String>,
    /// Street address, may be empty.
    pub address: String,
    /// Telephone as written, may be empty.
    pub phone: String,
    /// Longitude, WGS-84 degrees.
    #[schema(required = true)]
    pub lon: Option<f64>,
    /// Latitude, WGS-84 degrees.
    #[schema(required = true)]
    pub lat: Option<f64>,
}

/// A grant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TerritoryReply {
    /// Who may sell.
    pub party_code: String,
    /// What, 14 digits; `*` for all products, as a file says it.
    pub gtin: String,
    /// Where: GB/T 2260 prefixes and ISO 3166-1 countries, as they were entered.
    pub regions: Vec<String>,
    /// Taken out of them again.
    pub excluded: Vec<String>,
    /// The fences as a GeoJSON feature collection in WGS-84, as a file takes them; null without.
    #[schema(required = true)]
    pub polygons: Option<serde_json::Value>,
    /// First day.
    pub from_on: String,
    /// Last day; null while open.
    #[schema(required = true)]
    pub to_on: Option<String>,
    /// `online`, `offline`, `both`.
    pub channel: &'static str,
}

/// An alert: a finding someone must see.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertReply {
    /// Trace code of the unit.
    pub code: String,
    /// What is suspected.
    pub kind: String,
    /// How sure.
    pub grade: String,
    /// Since when it is shown.
    pub due_at: String,
    /// Same key, same alert.
    pub dedup_key: String,
    /// The open case its unit stands in, where there is one.
    #[schema(required = true)]
    pub case: Option<String>,
}

/// List products.
#[utoipa::path(
    get, path = "/api/v1/products", tag = "master data", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<ListedProductReply>),
        (status = 401, description = "Needs a key", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_products(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<ListedProductReply>>, Problem> {
    let reference = house.reference().await?;
    let products = catalogue::products(&reference, &caller)?;
    Ok(Json(page.cut(products.into_iter(), |p| p.id.0, |p| p.as_ref().into())?))
}

/// List parties.
#[utoipa::path(
    get, path = "/api/v1/parties", tag = "master data", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<PartyReply>),
        (status = 401, description = "Needs a key", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_parties(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<PartyReply>>, Problem> {
    let reference = house.reference().await?;
    let parties = catalogue::parties(&reference, &caller)?;
    let reply = |p: &Party| PartyReply {
        code: p.code.clone(),
        kind: p.kind.as_str(),
        name: p.name.clone(),
        parent_code: p.parent.and_then(|id| reference.tree.get(id)).map(|p| p.code.clone()),
        region: p.region.clone(),
        address: p.address.clone(),
        phone: p.phone.clone(),
        lon: p.point.map(|(lon, _)| lon),
        lat: p.point.map(|(_, lat)| lat),
        public: p.public,
        organisation: p.organisation.map(|code| code.to_string()),
        categories: p.categories.iter().map(|category| category.as_str()).collect(),
    };
    Ok(Json(page.cut(parties.into_iter(), |p| p.id.0, reply)?))
}

/// List sites: each party's main one, and further ones.
#[utoipa::path(
    get, path = "/api/v1/sites", tag = "master data", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<SiteReply>),
        (status = 401, description = "Needs a key", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_sites(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<SiteReply>>, Problem> {
    let reference = house.reference().await?;
    let sites = catalogue::sites(&reference, &caller)?;
    let reply = |s: &Site| SiteReply {
        code: s.code.clone(),
        party_code: reference.tree.get(s.party).map(|p| p.code.clone()).unwrap_or_default(),
        kind: s.kind.as_str(),
        name: s.name.clone(),
        region: s.region.clone(),
        address: s.address.clone(),
        phone: s.phone.clone(),
        lon: s.point.map(|(lon, _)| lon),
        lat: s.point.map(|(_, lat)| lat),
    };
    Ok(Json(page.cut(sites.into_iter(), |s| s.id.0, reply)?))
}

/// List sales grants.
#[utoipa::path(
    get, path = "/api/v1/territories", tag = "master data", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<TerritoryReply>),
        (status = 401, description = "Needs a key", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_territories(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<TerritoryReply>>, Problem> {
    let reference = house.reference().await?;
    let grants = catalogue::territories(&reference, &caller)?;
    let product = |t: &Territory| match t.product {
        None => "*".to_owned(),
        Some(id) => reference.product_by_id(id).map(|p| p.gtin.clone()).unwrap_or_default(),
    };
    // As they were entered.
    let rows: HashMap<_, _> =
        reference.territory_rows(caller.brand).map(|row| (row.id, row)).collect();
    let words = |t: &Territory| {
        let row = rows.get(&t.id.0);
        row.map(|row| (row.regions.clone(), row.excluded.clone())).unwrap_or_default()
    };
    let reply = |t: &Territory| {
        let (regions, excluded) = words(t);
        TerritoryReply {
            party_code: reference.tree.get(t.party).map(|p| p.code.clone()).unwrap_or_default(),
            gtin: product(t),
            regions,
            excluded,
            polygons: Some(t.regions.fences()).filter(|f| !f.is_empty()).map(write_fences),
            from_on: t.from_on.to_string(),
            to_on: t.to_on.map(|d| d.to_string()),
            channel: t.channel.as_str(),
        }
    };
    Ok(Json(page.cut(grants.into_iter(), |t| t.id.0, reply)?))
}

/// Which alerts.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertQuery {
    /// Rows, 1 to 1,000; 100 unless said.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Of this kind alone: `outside_territory`, `never_shipped`, …
    pub kind: Option<String>,
    /// Shown from this instant on.
    pub since: Option<String>,
}

/// List alerts, the newest first. For the brand only.
///
/// What becomes due meanwhile comes before the first page and disturbs no later one.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<AlertReply>),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_alerts(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(query): Asked<AlertQuery>,
) -> Result<Json<PageReply<AlertReply>>, Problem> {
    let wanted = wanted(&house, &caller, &query).await?;
    let reference = house.reference().await?;
    let (found, more) = alerts::list(&house, &caller, wanted).await?;
    let next_cursor = found.last().filter(|_| more).map(|last| place_text(&house, last));
    let reply = |a: AlertRecord| AlertReply {
        code: code_text(&house, a.unit),
        due_at: instant_text(&reference, caller.brand.0, instant(a.due_at)),
        kind: a.kind,
        grade: a.grade,
        dedup_key: a.dedup_key,
        case: a.case.map(|open| hex(&open.case)),
    };
    Ok(Json(PageReply { items: found.into_iter().map(reply).collect(), next_cursor }))
}

async fn wanted(
    house: &House,
    caller: &Caller,
    query: &AlertQuery,
) -> Result<alerts::Wanted, Problem> {
    let page = PageQuery { limit: query.limit, cursor: None };
    let kind = |word: &String| {
        let unknown = || Problem::invalid("kind", "is the kind of no finding");
        FindingKind::parse(word).ok_or_else(unknown)
    };
    let since = match query.since.as_deref() {
        None => None,
        Some(text) => {
            let zone = house.reference().await?.zone(caller.brand).clone();
            let read = read_instant(text, &zone).map_err(|why| Problem::invalid("since", why))?;
            Some(read.at)
        }
    };
    let place = |text: &String| {
        let unknown = || Problem::invalid("cursor", "take it from next_cursor");
        place_of(house, text).ok_or_else(unknown)
    };
    Ok(alerts::Wanted {
        kind: query.kind.as_ref().map(kind).transpose()?,
        since,
        after: query.cursor.as_ref().map(place).transpose()?,
        most: page.rows()?,
    })
}

fn code_text(house: &House, unit: i64) -> String {
    house.ring().encode(unit_number(unit)).as_str().to_owned()
}

/// Where an alert stands in the list. Unit numbers stay inside: the cursor holds the trace code.
pub(super) fn place_text(house: &House, alert: &AlertRecord) -> String {
    let key = hex(alert.dedup_key.as_bytes());
    format!("{:x}.{}.{key}", alert.due_at, code_text(house, alert.unit))
}

/// Reads a cursor.
pub(super) fn place_of(house: &House, cursor: &str) -> Option<(i64, i64, String)> {
    let mut parts = cursor.splitn(3, '.');
    let due_at = i64::from_str_radix(parts.next()?, 16).ok()?;
    let code = TraceCode::parse(parts.next()?).ok()?;
    let unit = house.ring().decode(&code).ok()?.get() as i64;
    let key = String::from_utf8(unhex(parts.next()?)?).ok()?;
    // No key holds one, and PostgreSQL takes no text with U+0000 in it.
    (!key.chars().any(char::is_control)).then_some((due_at, unit, key))
}
