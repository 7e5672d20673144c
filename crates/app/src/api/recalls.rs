//! Recalls: opened, listed, remedied and closed by the brand; what one says to the public stands in
//! every verdict of a unit it selects.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, Input, bounded};
use super::instant_text;
use super::movements::{CountReply, NAME_CHARS_MAX};
use super::paging::{PageQuery, PageReply, unit_cursor};
use super::verdicts::RecallNoticeReply;
use crate::files::read_instant;
use crate::flows::custody::instant;
use crate::flows::find::unit_number;
use crate::flows::recalls::recalled::{self, FIGURES_MAX, Figures, SelectedUnits};
use crate::flows::recalls::{self, Chosen, Words};
use crate::flows::reference::{Recall, Reference};
use crate::flows::{Caller, House, Scope, audit};
use axum::Json;
use axum::extract::State;
use domain::audit::SensitiveRead;
use domain::id::ProductId;
use domain::recall::Whereabouts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::recall::SelectorRecord;
use utoipa::ToSchema;

/// Which units: one of `batch`, `lot` with `gtin`, `units`, `parts`, `part_prefix`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectorBody {
    /// All whose code is of this batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    /// The product of the lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtin: Option<String>,
    /// All of this production lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot: Option<String>,
    /// Of the lot, from this serial number on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sn_first: Option<String>,
    /// Up to this one, of the same length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sn_last: Option<String>,
    /// Of the lot, made at this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced_from: Option<String>,
    /// Made at this instant or earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced_to: Option<String>,
    /// Trace codes or serial numbers, up to 10,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10000)]
    pub units: Vec<String>,
    /// All that have one of these parts built in, up to 10,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10000)]
    pub parts: Vec<String>,
    /// All that have a part built in whose serial number begins so: a component lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_prefix: Option<String>,
}

/// A recall to open.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallBody {
    /// What it is called, in Chinese.
    #[schema(max_length = 200)]
    pub title_zh: String,
    /// In English.
    #[serde(default)]
    pub title_en: String,
    /// What is wrong, in Chinese.
    #[schema(max_length = 1000)]
    pub reason_zh: String,
    /// In English.
    #[serde(default)]
    pub reason_en: String,
    /// What the owner should do, in Chinese.
    #[schema(max_length = 1000)]
    pub action_zh: String,
    /// In English.
    #[serde(default)]
    pub action_en: String,
    /// Address of the published notice, `https://…`.
    pub link: Option<String>,
    /// Which units.
    pub selector: SelectorBody,
}

/// A recall.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecallReply {
    /// What it says to everybody.
    #[serde(flatten)]
    pub notice: RecallNoticeReply,
    /// `batch`, `lot`, `part_of_lot`, `units`, `parts`, `part_lot`.
    pub kind: &'static str,
    /// Which units.
    pub selector: SelectorBody,
    /// `open`, `closed` (what was not remedied goes on being told as recalled), `withdrawn`.
    pub state: String,
    /// When it was closed.
    #[schema(required = true)]
    pub closed_at: Option<String>,
    /// What was said then.
    pub closing: String,
}

/// How far a recall has come. Each unit is counted once, in the first place that holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiguresReply {
    /// Units it selects.
    pub selected_count: u64,
    /// Remedied.
    pub remedied_count: u64,
    /// Taken out of use.
    pub retired_count: u64,
    /// Came back, or are on their way back, since it was opened.
    pub returned_count: u64,
    /// In use.
    pub activated_count: u64,
    /// With the maker.
    pub factory_count: u64,
    /// With a tier 1, or on the way to it.
    pub tier1_count: u64,
    /// With a tier 2.
    pub tier2_count: u64,
    /// With a shop.
    pub shop_count: u64,
    /// Elsewhere.
    pub elsewhere_count: u64,
    /// Share remedied or retired, in percent, rounded down to hundredths.
    pub rate_percent: f64,
    /// False when it selects more than were counted here; the command line counts all.
    pub complete: bool,
}

/// A recall with how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecallShownReply {
    /// The recall.
    #[serde(flatten)]
    pub recall: RecallReply,
    /// How far it has come.
    pub figures: FiguresReply,
}

/// A unit that a recall selects.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecalledUnitReply {
    /// Trace code.
    pub code: String,
    /// Serial number.
    #[schema(required = true)]
    pub sn: Option<String>,
    /// `remedied`, `retired`, `returned`, `activated`, `factory`, `tier1`, `tier2`, `shop`,
    /// `elsewhere`.
    pub place: &'static str,
}

/// What was done, and to which.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemedyBody {
    /// Trace codes or serial numbers, 1 to 10,000. All or none; those remedied before stay so.
    #[schema(min_items = 1, max_items = 10000)]
    pub units: Vec<String>,
    /// What was done: repaired, replaced, refunded.
    #[schema(max_length = 1000)]
    pub note: String,
}

/// How a recall ends.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRecallBody {
    /// What is said of it.
    #[schema(max_length = 1000)]
    pub note: String,
    /// True: it was a mistake, and no unit is told as recalled any more. Otherwise the work is
    /// done, and a unit that was not remedied goes on being told as recalled.
    #[serde(default)]
    pub withdrawn: bool,
}

fn recall_reply(reference: &Reference, recall: &Recall) -> RecallReply {
    let row = &recall.row;
    let at = |at: i64| instant_text(reference, row.brand, instant(at));
    RecallReply {
        notice: RecallNoticeReply::of(reference, recall),
        kind: recall.selector.kind(),
        selector: selector_reply(reference, recall),
        state: row.state.clone(),
        closed_at: row.closed_at.map(at),
        closing: row.closing.clone(),
    }
}

fn selector_reply(reference: &Reference, recall: &Recall) -> SelectorBody {
    let at = |at: &Option<i64>| at.map(|at| instant_text(reference, recall.row.brand, instant(at)));
    // Lists may be long; whoever wants the units asks for them page by page.
    let none = SelectorBody::default();
    match &recall.row.selector {
        SelectorRecord::Batch { batch } => SelectorBody { batch: Some(*batch), ..none },
        SelectorRecord::Lot { product, lot, sn_first, sn_last, from_at, to_at } => SelectorBody {
            gtin: reference.product_by_id(ProductId(*product)).map(|p| p.gtin.clone()),
            lot: Some(lot.clone()),
            sn_first: sn_first.clone(),
            sn_last: sn_last.clone(),
            produced_from: at(from_at),
            produced_to: at(to_at),
            ..none
        },
        SelectorRecord::Units { .. } => none,
        SelectorRecord::Parts { serials } => SelectorBody { parts: serials.clone(), ..none },
        SelectorRecord::PartLot { prefix } => {
            SelectorBody { part_prefix: Some(prefix.clone()), ..none }
        }
    }
}

fn figures_reply(figures: &Figures) -> FiguresReply {
    FiguresReply {
        selected_count: figures.selected_count,
        remedied_count: figures.of(Whereabouts::Remedied),
        retired_count: figures.of(Whereabouts::Retired),
        returned_count: figures.of(Whereabouts::Returned),
        activated_count: figures.of(Whereabouts::Activated),
        factory_count: figures.of(Whereabouts::Factory),
        tier1_count: figures.of(Whereabouts::Tier1),
        tier2_count: figures.of(Whereabouts::Tier2),
        shop_count: figures.of(Whereabouts::Shop),
        elsewhere_count: figures.of(Whereabouts::Elsewhere),
        rate_percent: figures.rate() as f64 / 100.0,
        complete: figures.complete,
    }
}

/// Open a recall. For the brand only.
///
/// From the answer on, every unit it selects is told as recalled, and those made later too. One
/// that is open already with the same words and units is given back.
#[utoipa::path(
    post, path = "/api/v1/recalls", tag = "recalls", request_body = RecallBody,
    responses(
        (status = 200, description = "Opened, or open already", body = RecallReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such batch, product or unit", body = Problem),
    ),
    security(("key" = ["lifecycle"]))
)]
pub(super) async fn open_recall(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<RecallBody>,
) -> Result<Json<RecallReply>, Problem> {
    let caller = keyholder.with(Scope::Lifecycle)?;
    let chosen = chosen_of(&house, &caller, body.selector).await?;
    let words = Words {
        title: (body.title_zh, body.title_en),
        reason: (body.reason_zh, body.reason_en),
        action: (body.action_zh, body.action_en),
        link: body.link,
    };
    let recall = recalls::open(&house, &caller, &words, &chosen).await?;
    Ok(Json(recall_reply(&*house.reference().await?, &recall)))
}

async fn chosen_of(house: &House, caller: &Caller, body: SelectorBody) -> Result<Chosen, Problem> {
    let named = [
        body.batch.is_some(),
        body.lot.is_some(),
        !body.units.is_empty(),
        !body.parts.is_empty(),
        body.part_prefix.is_some(),
    ];
    let of_lot =
        [&body.gtin, &body.sn_first, &body.sn_last, &body.produced_from, &body.produced_to];
    if named.iter().filter(|one| **one).count() != 1 {
        let why = "say one of batch, lot, units, parts and part_prefix";
        return Err(Problem::invalid("selector", why));
    }
    if body.lot.is_none() && of_lot.iter().any(|one| one.is_some()) {
        let why = "gtin, serial numbers and times of production belong to a lot";
        return Err(Problem::invalid("selector", why));
    }
    for (field, names) in [("selector.units", &body.units), ("selector.parts", &body.parts)] {
        for name in names {
            bounded(field, name, NAME_CHARS_MAX)?;
        }
    }
    if let Some(lot) = body.lot {
        let gtin =
            body.gtin.ok_or_else(|| Problem::invalid("selector.gtin", "say it for a lot"))?;
        let zone = house.reference().await?.zone(caller.brand).clone();
        let at = |field: &str, text: Option<String>| -> Result<Option<Timestamp>, Problem> {
            let Some(text) = text else { return Ok(None) };
            let read = read_instant(&text, &zone).map_err(|why| Problem::invalid(field, why))?;
            Ok(Some(read.at))
        };
        let serials = match (body.sn_first, body.sn_last) {
            (Some(first), Some(last)) => Some((first, last)),
            (None, None) => None,
            _ => return Err(Problem::invalid("selector.sn_last", "say both ends")),
        };
        let from_at = at("selector.produced_from", body.produced_from)?;
        let to_at = at("selector.produced_to", body.produced_to)?;
        return Ok(Chosen::Lot { gtin, lot, serials, from_at, to_at });
    }
    Ok(match (body.batch, body.part_prefix) {
        (Some(batch), _) => Chosen::Batch(batch),
        (None, Some(prefix)) => Chosen::PartLot(prefix),
        (None, None) if body.parts.is_empty() => Chosen::Units(body.units),
        (None, None) => Chosen::Parts(body.parts),
    })
}

/// List recalls. For the brand only.
#[utoipa::path(
    get, path = "/api/v1/recalls", tag = "recalls", params(PageQuery),
    responses((status = 200, description = "A page", body = PageReply<RecallReply>)),
    security(("key" = ["read"]))
)]
pub(super) async fn list_recalls(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<RecallReply>>, Problem> {
    let Keyholder(caller) = keyholder;
    let reference = house.reference().await?;
    let own = recalls::list(&reference, &caller)?;
    Ok(Json(page.cut(own.into_iter(), |r| r.row.id, |r| recall_reply(&reference, r))?))
}

/// Show a recall and how far it has come. For the brand only.
///
/// Counts some 200,000 selected units.
#[utoipa::path(
    get, path = "/api/v1/recalls/{id}", tag = "recalls",
    params(("id" = i64, Path, description = "Recall")),
    responses(
        (status = 200, description = "The recall", body = RecallShownReply),
        (status = 404, description = "No such recall", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn show_recall(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<i64>,
) -> Result<Json<RecallShownReply>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let reference = house.reference().await?;
    let recall = recalls::show(&reference, &caller, id)?;
    let _turn = house.walks.take(&caller).await;
    let figures = recalled::figures(&house, &recall, FIGURES_MAX).await?;
    let (recall, figures) = (recall_reply(&reference, &recall), figures_reply(&figures));
    Ok(Json(RecallShownReply { recall, figures }))
}

/// List the units a recall selects, with where each is. For the brand only.
#[utoipa::path(
    get, path = "/api/v1/recalls/{id}/units", tag = "recalls",
    params(("id" = i64, Path, description = "Recall"), PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<RecalledUnitReply>),
        (status = 404, description = "No such recall", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn list_recalled_units(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<i64>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<RecalledUnitReply>>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let limit = page.rows()?;
    let reference = house.reference().await?;
    let recall = recalls::show(&reference, &caller, id)?;
    let beyond = page.behind_unit(&house, &caller)?;
    let _turn = house.walks.take(&caller).await;
    let mut units = SelectedUnits::beyond(&house, &reference, &recall, beyond).await?;
    let mut found = Vec::new();
    while found.len() < limit {
        let more = units.next_page(&house, limit - found.len()).await?;
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    let more = !units.next_page(&house, 1).await?.is_empty();
    let last = found.last().map(|unit| unit.number).filter(|_| more);
    let placed = recalled::placed(&house, &reference, &recall, found).await?;
    let object = format!("recall {id}");
    audit::note(&house, &(&caller).into(), SensitiveRead::Dossier, &object, placed.len());
    let ring = house.ring();
    let reply = |(unit, place): (store::unit::UnitRecord, Whereabouts)| RecalledUnitReply {
        code: ring.encode(unit_number(unit.number)).as_str().to_owned(),
        sn: unit.sn,
        place: place.as_str(),
    };
    let items = placed.into_iter().map(reply).collect();
    let next_cursor = last.map(|last| unit_cursor(&house, &caller, last)).transpose()?;
    Ok(Json(PageReply { items, next_cursor }))
}

/// Record that units got what a recall asks for. For the brand only.
#[utoipa::path(
    post, path = "/api/v1/recalls/{id}/remedied", tag = "recalls", request_body = RemedyBody,
    params(("id" = i64, Path, description = "Recall")),
    responses(
        (status = 200, description = "How many are new", body = CountReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such recall or unit; nothing changed", body = Problem),
        (status = 409, description = "It does not select a unit, or was withdrawn", body = Problem),
    ),
    security(("key" = ["lifecycle"]))
)]
pub(super) async fn remedy_units(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<i64>,
    Input(body): Input<RemedyBody>,
) -> Result<Json<CountReply>, Problem> {
    let caller = keyholder.with(Scope::Lifecycle)?;
    for name in &body.units {
        bounded("units", name, NAME_CHARS_MAX)?;
    }
    let count = recalls::remedy(&house, &caller, id, &body.units, &body.note).await?;
    Ok(Json(CountReply { count }))
}

/// Close a recall. For the brand only.
#[utoipa::path(
    post, path = "/api/v1/recalls/{id}/close", tag = "recalls", request_body = CloseRecallBody,
    params(("id" = i64, Path, description = "Recall")),
    responses(
        (status = 200, description = "Closed", body = RecallReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such recall", body = Problem),
        (status = 409, description = "Closed before", body = Problem),
    ),
    security(("key" = ["lifecycle"]))
)]
pub(super) async fn close_recall(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<i64>,
    Input(body): Input<CloseRecallBody>,
) -> Result<Json<RecallReply>, Problem> {
    let caller = keyholder.with(Scope::Lifecycle)?;
    let recall = recalls::close(&house, &caller, id, body.withdrawn, &body.note).await?;
    Ok(Json(recall_reply(&*house.reference().await?, &recall)))
}
