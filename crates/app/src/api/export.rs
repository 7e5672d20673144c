//! Trace data for an authority, part by part. A part ends with a line of its own, without which it
//! was cut off.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::Asked;
use super::paging::{sealed, unsealed};
use crate::flows::compliance::export::{Cursor, Format, Part, ROWS_MAX, SCHEMA, Tail, csv_header};
use crate::flows::{Caller, House};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Which part, and how.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `ndjson` (unless said) or `csv`.
    pub format: Option<String>,
    /// `next` of the part before.
    pub after: Option<String>,
    /// Rows, 1 to 100,000; 10,000 unless said.
    pub limit: Option<usize>,
}

/// Rows of a part unless said otherwise.
const LIMIT: usize = 10_000;

/// Write out trace data of units, part by part, in the order of their numbers.
///
/// For keys of the brand or of a regulator with the scope `export`, and for the brand's auditors
/// (`audit` with `read`). NDJSON begins with a line of `schema` and `as_of` and ends with one of
/// `count`, `sha256` over the lines between, and `next`. CSV begins with the column names and ends
/// with a line `#end,count,sha256,next`. What has no such last line was cut off: ask again.
#[utoipa::path(
    get, path = "/api/v1/compliance/export", tag = "compliance", params(ExportQuery),
    responses(
        (status = 200, description = "A part",
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, description = "Cannot be read", body = Problem),
    ),
    security(("key" = ["export"]), ("key" = ["audit", "read"]))
)]
pub(super) async fn export_trace(
    State(house): State<Arc<House>>,
    Keyholder(caller): Keyholder,
    Asked(query): Asked<ExportQuery>,
) -> Result<Response, Problem> {
    let format = Format::parse(query.format.as_deref().unwrap_or("ndjson"))
        .ok_or_else(|| Problem::invalid("format", "must be ndjson or csv"))?;
    let wrong = || Problem::invalid("after", "take it from the part before");
    let place = |text: &str| unsealed(&house, &caller, text).ok_or_else(wrong);
    let after = query.after.as_deref().map(place).transpose()?;
    let after = after.as_deref().map(Cursor::parse).transpose()?;
    let limit = query.limit.unwrap_or(LIMIT).min(ROWS_MAX + 1);
    let part = Part::begin(&house, &caller, format, after, limit).await?;
    let kind = match format {
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8",
    };
    let body = Body::from_stream(lines(part, format, (house, caller)));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

fn lines(
    part: Part,
    format: Format,
    reader: (Arc<House>, Caller),
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let head = match format {
        Format::Csv => csv_header(),
        Format::Ndjson => {
            let head = json!({"schema": SCHEMA, "as_of": part.as_of().to_string()});
            head.to_string() + "\n"
        }
    };
    let start = Some((part, Some(head), reader));
    futures_util::stream::try_unfold(start, move |state| async move {
        let Some((mut part, head, reader)) = state else { return Ok(None) };
        if let Some(head) = head {
            return Ok(Some((Bytes::from(head), Some((part, None, reader)))));
        }
        match part.next_rows().await.map_err(std::io::Error::other)? {
            Some(rows) => Ok(Some((Bytes::from(rows), Some((part, None, reader))))),
            None => {
                let tail = part.tail();
                let (house, caller) = &reader;
                let next = tail.next.map(|next| sealed(house, caller, &next.text())).transpose();
                let next =
                    next.map_err(|problem| std::io::Error::other(problem.detail.into_string()))?;
                Ok(Some((Bytes::from(last_line(format, &tail, next)), None)))
            }
        }
    })
}

fn last_line(format: Format, tail: &Tail, next: Option<String>) -> String {
    match format {
        Format::Ndjson => {
            let line = json!({"count": tail.count, "sha256": tail.sha256, "next": next});
            line.to_string() + "\n"
        }
        Format::Csv => {
            format!("#end,{},{},{}\n", tail.count, tail.sha256, next.unwrap_or_default())
        }
    }
}
