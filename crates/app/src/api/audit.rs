//! The audit trail: who changed what, and who read what is sensitive. For the brand's own auditors.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::Asked;
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use crate::files::read_instant;
use crate::flows::audit::{self, Export, Record, Wanted};
use crate::flows::custody::instant;
use crate::flows::reference::Reference;
use crate::flows::{Caller, House, Scope};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::canonical::{hex, unhex};
use store::event::FieldRow;
use utoipa::ToSchema;

/// Which records.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Rows, 1 to 1,000; 100 unless said.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// From this instant on.
    pub since: Option<String>,
    /// Before this instant.
    pub until: Option<String>,
    /// By this actor alone: `key:ID`, `cli`, `system`.
    pub actor: Option<String>,
    /// About this object alone: a GTIN, a party's code, a trace code, a batch's number.
    pub object: Option<String>,
    /// About this kind of object alone: `product`, `party`, `dossier`, …
    pub kind: Option<String>,
}

/// Which records an export holds.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditExportQuery {
    /// From this instant on.
    pub since: Option<String>,
    /// Before this instant.
    pub until: Option<String>,
    /// By this actor alone.
    pub actor: Option<String>,
    /// About this object alone.
    pub object: Option<String>,
    /// About this kind of object alone.
    pub kind: Option<String>,
}

/// A field of a changed object.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditFieldReply {
    /// Which.
    pub field: String,
    /// What stood there; null when nothing did, or when it is personal.
    #[schema(required = true)]
    pub before: Option<String>,
    /// What stands there now; null likewise.
    #[schema(required = true)]
    pub after: Option<String>,
    /// Whether it is personal: it changed, and its values are told nowhere.
    pub hidden: bool,
}

/// A change, or a sensitive read.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditReply {
    /// When it was recorded.
    pub at: String,
    /// Its name; of a change that of the event in the ledger.
    pub id: String,
    /// Who: `key:ID`, `cli`, `system`.
    pub actor: String,
    /// Code of the party it acted for.
    #[schema(required = true)]
    pub party_code: Option<String>,
    /// `created`, `changed`, `minted`, `exported`, `delivered`, `voided`, `rotated`, `revoked`,
    /// `rewrapped`, `opened`, `closed`, `removed`, `switched_off`, `corrected`, `agreed`,
    /// `unbound`, `erased`, `held`, `released`, `read`, `dropped`.
    pub verb: String,
    /// What kind of object.
    pub kind: String,
    /// Which object.
    pub object: String,
    /// Of a read: how many rows were given.
    #[schema(required = true)]
    pub count: Option<i64>,
    /// Of a change: what differs.
    pub changes: Vec<AuditFieldReply>,
    /// Where the request came from; null once it was forgotten, after 180 days.
    #[schema(required = true)]
    pub address: Option<String>,
    /// Of a look at a person: why; null where none is asked for, and once the person is erased.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Of a change: which entry of the sealed log it is; null until it is sealed.
    #[schema(required = true)]
    pub log_position: Option<u64>,
}

/// A record as it is told.
pub fn audit_reply(reference: &Reference, caller: &Caller, record: Record) -> AuditReply {
    let field = |row: FieldRow| AuditFieldReply {
        field: row.field,
        before: row.before,
        after: row.after,
        hidden: row.hidden,
    };
    let party = record.party.and_then(|id| reference.tree.get(id));
    AuditReply {
        at: instant_text(reference, caller.brand.0, instant(record.at)),
        id: hex(&record.id),
        actor: record.actor,
        party_code: party.map(|p| p.code.clone()),
        verb: record.verb,
        kind: record.kind,
        object: record.object,
        count: record.count,
        changes: record.fields.into_iter().map(field).collect(),
        address: record.address,
        reason: record.reason,
        log_position: record.position,
    }
}

/// Records as lines of JSON.
pub fn audit_lines(reference: &Reference, caller: &Caller, records: Vec<Record>) -> String {
    let lines = records.into_iter().map(|record| {
        // Texts and numbers: writing them as JSON cannot fail.
        serde_json::to_string(&audit_reply(reference, caller, record)).unwrap_or_default() + "\n"
    });
    lines.collect()
}

/// List the audit trail, the newest first. For the brand only; the look itself is recorded.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<AuditReply>),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
    ),
    security(("key" = ["audit"]))
)]
pub(super) async fn list_audit(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<PageReply<AuditReply>>, Problem> {
    let caller = keyholder.with(Scope::Audit)?;
    let reference = house.reference().await?;
    let page = PageQuery { limit: query.limit, cursor: None };
    let place = |text: &String| {
        place_of(text).ok_or_else(|| Problem::invalid("cursor", "take it from next_cursor"))
    };
    let (since, until) = (query.since.as_deref(), query.until.as_deref());
    let wanted = Wanted {
        since: instant_in(&reference, &caller, "since", since)?,
        until: instant_in(&reference, &caller, "until", until)?,
        actor: word("actor", query.actor)?,
        object: word("object", query.object)?,
        kind: word("kind", query.kind)?,
        after: query.cursor.as_ref().map(place).transpose()?,
        most: page.rows()?,
    };
    let (found, more) = audit::list(&house, &caller, &wanted).await?;
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| format!("{:x}.{}", last.at, hex(&last.id)));
    // A party may be younger than the rows read before.
    let reference = house.reference().await?;
    let items = found.into_iter().map(|record| audit_reply(&reference, &caller, record));
    Ok(Json(PageReply { items: items.collect(), next_cursor }))
}

/// Export the audit trail as NDJSON, the newest first, as it is read. For the brand only.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit", params(AuditExportQuery),
    responses(
        (status = 200, description = "One record in a line",
            content((AuditReply = "application/x-ndjson"))),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
    ),
    security(("key" = ["audit"]))
)]
pub(super) async fn export_audit(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(query): Asked<AuditExportQuery>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Audit)?;
    let reference = house.reference().await?;
    let (since, until) = (query.since.as_deref(), query.until.as_deref());
    let wanted = Wanted {
        since: instant_in(&reference, &caller, "since", since)?,
        until: instant_in(&reference, &caller, "until", until)?,
        actor: word("actor", query.actor)?,
        object: word("object", query.object)?,
        kind: word("kind", query.kind)?,
        ..Wanted::default()
    };
    let mut export = Export::begin(&house, &caller, wanted).await?;
    // What fails before the first line is an answer, not a connection that breaks.
    let first = export.next_page().await?;
    let start = (first, export, house, caller);
    let lines =
        futures_util::stream::try_unfold(start, |(page, mut export, house, caller)| async {
            let failed = std::io::Error::other::<crate::flows::FlowError>;
            let Some(records) = page else { return Ok(None) };
            let reference = house.reference().await.map_err(failed)?;
            let text = audit_lines(&reference, &caller, records);
            let next = export.next_page().await.map_err(failed)?;
            Ok::<_, std::io::Error>(Some((Bytes::from(text), (next, export, house, caller))))
        });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// A filter: any text that could stand in a record.
fn word(field: &'static str, text: Option<String>) -> Result<Option<String>, Problem> {
    let read = |text: String| domain::text::required(&text, domain::text::NOTE_CHARS_MAX);
    text.map(read).transpose().map_err(|why| Problem::invalid(field, why))
}

fn instant_in(
    reference: &Reference,
    caller: &Caller,
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let read = read_instant(text, reference.zone(caller.brand));
    read.map(|read| Some(read.at)).map_err(|why| Problem::invalid(field, why))
}

/// Reads a cursor.
fn place_of(cursor: &str) -> Option<(i64, [u8; 16])> {
    let (at, id) = cursor.split_once('.')?;
    let id = unhex(id).and_then(|bytes| bytes.try_into().ok())?;
    Some((i64::from_str_radix(at, 16).ok()?, id))
}
