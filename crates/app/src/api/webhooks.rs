//! Webhooks over the API: make, change, rotate, remove; how they fare, what was delivered; a test
//! message, and a delivery once more.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At, Input};
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use crate::flows::custody::instant;
use crate::flows::reference::Reference;
use crate::flows::webhooks::send::Attempt;
use crate::flows::webhooks::{self, Change, Made, Order, Told};
use crate::flows::{House, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::PartyId;
use domain::webhook::OVERLAP_MAX;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::canonical::{hex, unhex};
use store::webhook::DeliveryRow;
use utoipa::ToSchema;

/// Hours of [`OVERLAP_MAX`].
const OVERLAP_HOURS_MAX: u32 = OVERLAP_MAX.as_hours() as u32;
/// A webhook's id is twelve hexadecimal digits.
const ID_RADIX: u32 = 16;
/// Kinds that one may name: more than there are.
const KINDS_MAX: usize = 64;

/// A webhook to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    /// Code of the party it belongs to: the asking key's own or one below it. It is told no more
    /// than that party may know.
    #[schema(max_length = 64)]
    pub party: String,
    /// Where messages go: `https://…`, on the internet.
    #[schema(max_length = 2000)]
    pub url: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub name: String,
    /// Kinds of events; none for every kind the party may be told, but `changed`.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub kinds: Vec<String>,
}

/// What is to be different about a webhook. What is not said stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChangeBody {
    /// Where messages go.
    #[schema(max_length = 2000)]
    pub url: Option<String>,
    /// What it is for.
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// Kinds of events.
    #[schema(max_items = 64)]
    pub kinds: Option<Vec<String>>,
    /// Whether anything is sent. Switched on again it goes on where it stopped.
    pub is_active: Option<bool>,
    /// The `log_index` to go on from: an earlier one to be told again, a later one to skip.
    pub from_index: Option<u64>,
}

/// How to rotate a webhook's secret.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRotateBody {
    /// Hours in which messages are signed with the secret of now as well, 0 to 168; 24 unless said.
    #[serde(default = "a_day")]
    #[schema(maximum = 168)]
    pub overlap_hours: u32,
}

fn a_day() -> u32 {
    24
}

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookReply {
    /// Its name, twelve hexadecimal digits.
    pub id: String,
    /// Code of the party it belongs to.
    #[schema(required = true)]
    pub party: Option<String>,
    /// What it is for.
    pub name: String,
    /// Where messages go; to whom may only list webhooks, without path and query.
    pub url: String,
    /// Kinds of events; none for every kind the party may be told, but `changed`.
    pub kinds: Vec<String>,
    /// Whether anything is sent.
    pub is_active: bool,
    /// `active`, `retrying` (the next event failed and is tried again), `off`.
    pub state: &'static str,
    /// Why it was switched off, where nobody did it by hand: `gone` (answered 410), `failing`
    /// (nothing was taken for 5 days), `restored` (it stands in a restored store).
    #[schema(required = true)]
    pub off_because: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it got its present secret; null while that is its first.
    #[schema(required = true)]
    pub rotated_at: Option<String>,
    /// Until when messages are signed with the secret before as well.
    #[schema(required = true)]
    pub previous_until: Option<String>,
    /// The entry of the log it looks at next.
    #[schema(required = true)]
    pub next_index: Option<i64>,
    /// Entries of the log from there to the end, whoever they concern.
    pub behind_count: u64,
    /// How often the next event failed.
    pub failure_count: i64,
    /// Since when nothing was taken.
    #[schema(required = true)]
    pub failing_since: Option<String>,
    /// When the next event is tried again.
    #[schema(required = true)]
    pub retry_at: Option<String>,
}

/// A webhook with its secret, which is told only now.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookMadeReply {
    /// What signatures are checked with, `whsec_…`: keep it safe, it is never told again.
    pub secret: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub kept: WebhookReply,
}

/// One attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryReply {
    /// The event, as messages name it.
    pub event: String,
    /// Its kind.
    pub kind: String,
    /// Which entry of the log it is.
    pub log_index: i64,
    /// When the attempt began.
    pub at: String,
    /// Which attempt in a row; 0 for one by hand.
    pub attempt: i64,
    /// `delivered`, `failed`, `given_up`.
    pub outcome: String,
    /// The status of the answer; null where there was none.
    #[schema(required = true)]
    pub status: Option<i64>,
    /// `address` (not on the internet), `name`, `connect`, `tls`, `timeout`, `protocol`,
    /// `redirect`, `status`; null where it was taken.
    #[schema(required = true)]
    pub error: Option<String>,
    /// How long it took, milliseconds.
    pub duration_ms: i64,
}

/// What became of a message sent by hand.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptReply {
    /// Whether it was taken: any status of 200 to 299.
    pub is_delivered: bool,
    /// The status of the answer; null where there was none.
    #[schema(required = true)]
    pub status: Option<u16>,
    /// As in a delivery.
    #[schema(required = true)]
    pub error: Option<&'static str>,
    /// How long it took, milliseconds.
    pub duration_ms: i64,
}

impl From<Attempt> for AttemptReply {
    fn from(attempt: Attempt) -> Self {
        Self {
            is_delivered: attempt.is_delivered(),
            status: attempt.result.ok(),
            error: attempt.error(),
            duration_ms: attempt.duration_ms,
        }
    }
}

fn webhook_reply(reference: &Reference, told: &Told) -> WebhookReply {
    let row = &told.row;
    let text = |at: i64| instant_text(reference, row.brand, instant(at));
    let cursor = told.cursor.as_ref();
    let retrying = cursor.filter(|cursor| row.is_active && cursor.failures > 0);
    WebhookReply {
        id: row.id.clone(),
        party: reference.tree.get(PartyId(row.party)).map(|p| p.code.clone()),
        name: row.name.clone(),
        url: told.url(),
        kinds: row.kinds.clone(),
        is_active: row.is_active,
        state: told.state(),
        off_because: row.off_because.clone(),
        created_at: text(row.created_at),
        rotated_at: row.rotated_at.map(text),
        previous_until: row.previous.as_ref().map(|p| text(p.until)),
        next_index: cursor.map(|cursor| cursor.next),
        behind_count: told.behind(),
        failure_count: cursor.map_or(0, |cursor| cursor.failures),
        failing_since: cursor.and_then(|cursor| cursor.webhook_since).map(text),
        retry_at: retrying.map(|cursor| text(cursor.due_at)),
    }
}

async fn made_reply(house: &House, made: Made) -> Result<WebhookMadeReply, Problem> {
    let reference = house.reference().await?;
    let kept = webhook_reply(&reference, &made.told);
    Ok(WebhookMadeReply { secret: made.secret.to_string(), kept })
}

fn few(kinds: &[String]) -> Result<(), Problem> {
    if kinds.len() > KINDS_MAX {
        return Err(Problem::invalid("kinds", format!("at most {KINDS_MAX}")));
    }
    Ok(())
}

/// List webhooks: those of the asking key's party and those below it.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<WebhookReply>),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["webhooks"]), ("key" = ["webhooks:read"]))
)]
pub(super) async fn list_webhooks(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<WebhookReply>>, Problem> {
    let caller = keyholder.with(Scope::WebhooksRead)?;
    let found = webhooks::list(&house, &caller).await?;
    let reference = house.reference().await?;
    // An id is 48 bits in digits; it is read back as what orders it.
    let place = |told: &Told| i64::from_str_radix(&told.row.id, ID_RADIX).unwrap_or(i64::MAX);
    Ok(Json(page.cut(found.into_iter(), place, |told| webhook_reply(&reference, &told))?))
}

/// Make a webhook. It is told what is recorded from now on. Its secret is told only in this answer,
/// so the answer is not kept for a repeated request: remove a webhook whose answer was lost.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks", request_body = WebhookBody,
    responses(
        (status = 201, description = "Made", body = WebhookMadeReply),
        (status = 400, description = "Cannot be read, or leads to no place on the internet",
            body = Problem),
        (status = 403, description = "Needs scope webhooks, a party it speaks for, and for the \
            kind changed scope audit", body = Problem),
        (status = 404, description = "No such party", body = Problem),
        (status = 409, description = "The party has ten", body = Problem),
    ),
    security(("key" = ["webhooks"]))
)]
pub(super) async fn make_webhook(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Input(body): Input<WebhookBody>,
) -> Result<(StatusCode, Json<WebhookMadeReply>), Problem> {
    let caller = keyholder.with(Scope::Webhooks)?;
    few(&body.kinds)?;
    let WebhookBody { party, url, name, kinds } = body;
    let made = webhooks::make(&house, &caller, &Order { party, name, url, kinds }).await?;
    Ok((StatusCode::CREATED, Json(made_reply(&house, made).await?)))
}

/// Change a webhook: its address, its kinds, whether it sends, where in the log it goes on.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{id}", tag = "webhooks", request_body = WebhookChangeBody,
    params(("id" = String, Path, description = "Its id in the list")),
    responses(
        (status = 200, description = "As it stands now", body = WebhookReply),
        (status = 400, description = "Cannot be read, or leads to no place on the internet",
            body = Problem),
        (status = 403, description = "Needs scope webhooks, and audit where it is told changed",
            body = Problem),
        (status = 404, description = "No such webhook", body = Problem),
        (status = 409, description = "Went back a short while ago", body = Problem),
    ),
    security(("key" = ["webhooks"]))
)]
pub(super) async fn change_webhook(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<WebhookChangeBody>,
) -> Result<Json<WebhookReply>, Problem> {
    let caller = keyholder.with(Scope::Webhooks)?;
    few(body.kinds.as_deref().unwrap_or_default())?;
    let WebhookChangeBody { url, name, kinds, is_active, from_index } = body;
    let change = Change { name, url, kinds, active: is_active, from_index };
    let told = webhooks::change(&house, &caller, &id, &change).await?;
    let reference = house.reference().await?;
    Ok(Json(webhook_reply(&reference, &told)))
}

/// Remove a webhook with its secret and the log of its deliveries.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "Its id in the list")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such webhook", body = Problem),
    ),
    security(("key" = ["webhooks"]))
)]
pub(super) async fn remove_webhook(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    let caller = keyholder.with(Scope::Webhooks)?;
    webhooks::remove(&house, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook another secret. For the overlap every message bears a signature by each.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/rotate", tag = "webhooks",
    request_body = WebhookRotateBody,
    params(("id" = String, Path, description = "Its id in the list")),
    responses(
        (status = 200, description = "The same webhook under a new secret",
            body = WebhookMadeReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such webhook", body = Problem),
    ),
    security(("key" = ["webhooks"]))
)]
pub(super) async fn rotate_webhook(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Input(body): Input<WebhookRotateBody>,
) -> Result<Json<WebhookMadeReply>, Problem> {
    let caller = keyholder.with(Scope::Webhooks)?;
    if body.overlap_hours > OVERLAP_HOURS_MAX {
        let why = format!("at most {OVERLAP_HOURS_MAX}");
        return Err(Problem::invalid("overlap_hours", why));
    }
    let overlap = SignedDuration::from_hours(body.overlap_hours.into());
    let made = webhooks::rotate(&house, &caller, &id, overlap).await?;
    Ok(Json(made_reply(&house, made).await?))
}

/// Send a signed test message now, and tell what became of it.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/ping", tag = "webhooks",
    params(("id" = String, Path, description = "Its id in the list")),
    responses(
        (status = 200, description = "What became of it", body = AttemptReply),
        (status = 404, description = "No such webhook", body = Problem),
    ),
    security(("key" = ["webhooks"]))
)]
pub(super) async fn ping_webhook(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
) -> Result<Json<AttemptReply>, Problem> {
    let caller = keyholder.with(Scope::Webhooks)?;
    Ok(Json(webhooks::ping(&house, &caller, &id).await?.into()))
}

/// List deliveries of a webhook, the newest first: the last 1,000 of 30 days.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = String, Path, description = "Its id in the list"), PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<DeliveryReply>),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such webhook", body = Problem),
    ),
    security(("key" = ["webhooks"]), ("key" = ["webhooks:read"]))
)]
pub(super) async fn list_deliveries(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<DeliveryReply>>, Problem> {
    let caller = keyholder.with(Scope::WebhooksRead)?;
    let before = match page.cursor.as_deref() {
        None => Some((i64::MAX, [0xff; 16])),
        Some(text) => place_of(text),
    };
    let before = before.ok_or_else(|| Problem::invalid("cursor", "take it from next_cursor"))?;
    let rows = page.rows()?;
    let mut found = webhooks::deliveries(&house, &caller, &id, before, rows + 1).await?;
    let more = found.len() > rows;
    found.truncate(rows);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| format!("{:x}.{}", last.at, hex(&last.id)));
    let reference = house.reference().await?;
    let reply = |row: DeliveryRow| DeliveryReply {
        at: instant_text(&reference, caller.brand.0, instant(row.at)),
        event: row.event,
        kind: row.kind,
        log_index: row.position,
        attempt: row.attempt,
        outcome: row.outcome,
        status: row.status,
        error: row.error,
        duration_ms: row.duration_ms,
    };
    Ok(Json(PageReply { items: found.into_iter().map(reply).collect(), next_cursor }))
}

/// Reads a cursor.
fn place_of(cursor: &str) -> Option<(i64, [u8; 16])> {
    let (at, id) = cursor.split_once('.')?;
    let id = unhex(id).and_then(|bytes| bytes.try_into().ok())?;
    Some((i64::from_str_radix(at, 16).ok()?, id))
}

/// Send an event of the deliveries once more, now, and tell what became of it.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/deliveries/{event}/resend", tag = "webhooks",
    params(
        ("id" = String, Path, description = "Its id in the list"),
        ("event" = String, Path, description = "The event in the deliveries"),
    ),
    responses(
        (status = 200, description = "What became of it", body = AttemptReply),
        (status = 404, description = "No such webhook, or nothing of the event in its deliveries",
            body = Problem),
    ),
    security(("key" = ["webhooks"]))
)]
pub(super) async fn resend_delivery(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At((id, event)): At<(String, String)>,
) -> Result<Json<AttemptReply>, Problem> {
    let caller = keyholder.with(Scope::Webhooks)?;
    Ok(Json(webhooks::resend(&house, &caller, &id, &event).await?.into()))
}
