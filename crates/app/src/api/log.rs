//! The log: its signed head and its hashes, open to anyone; the entries themselves are not. And the
//! provable history of one unit, for those who may see all of it.

use super::error::Problem;
use super::gate::Keyholder;
use super::input::{Asked, At};
use super::units::{UnitQuery, scheme_of};
use super::verify::unit_of;
use crate::bundle::Bundle;
use crate::flows::log::{Paths, published, signed_head};
use crate::flows::{House, Scope, history};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::log::tile::Tile;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A new head may be there a second later.
const HEAD_CACHE: &str = "public, max-age=1";
/// A tile never changes; a part of one is soon asked for by a longer name.
const TILE_CACHE: &str = "public, max-age=31536000, immutable";

type Plain = [(HeaderName, HeaderValue); 2];

fn plain(kind: &'static str, cache: &'static str) -> Plain {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ]
}

fn not_yet() -> Problem {
    Problem::transport("no_such_route").saying("the log is empty as yet")
}

/// The signed head of the log (C2SP tlog-checkpoint).
#[utoipa::path(
    get, path = "/log/checkpoint", tag = "log",
    responses(
        (status = 200, description = "A signed note", body = String, content_type = "text/plain"),
        (status = 404, description = "Nothing was sealed yet", body = Problem),
    ),
    security(())
)]
pub(super) async fn show_checkpoint(State(house): State<Arc<House>>) -> Result<Response, Problem> {
    let head = signed_head(&house).await?.ok_or_else(not_yet)?;
    Ok((plain("text/plain; charset=utf-8", HEAD_CACHE), head.note).into_response())
}

/// The public key that opens the log's heads: keep it, and publish it elsewhere too.
#[utoipa::path(
    get, path = "/log/key", tag = "log",
    responses(
        (status = 200, description = "`<name>+<hash>+<key>`", body = String,
            content_type = "text/plain"),
        (status = 404, description = "Nothing was sealed yet", body = Problem),
    ),
    security(())
)]
pub(super) async fn show_log_key(State(house): State<Arc<House>>) -> Result<Response, Problem> {
    let head = signed_head(&house).await?.ok_or_else(not_yet)?;
    let text = format!("{}\n", head.public);
    Ok((plain("text/plain; charset=utf-8", HEAD_CACHE), text).into_response())
}

/// A tile of hashes (C2SP tlog-tiles): `<level>/<index>[.p/<width>]`.
#[utoipa::path(
    get, path = "/log/tile/{*tile}", tag = "log",
    params(("tile" = String, Path, description = "`0/x001/234`, `1/000.p/17`")),
    responses(
        (status = 200, description = "Hashes of 32 bytes", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = 404, description = "The log does not reach so far", body = Problem),
    ),
    security(())
)]
pub(super) async fn show_tile(
    State(house): State<Arc<House>>,
    At(name): At<String>,
) -> Result<Response, Problem> {
    let lost = || Problem::transport("no_such_route");
    let tile: Tile = name.parse().map_err(|_| lost())?;
    let hashes = published(&house, tile).await?.ok_or_else(lost)?;
    let bytes = Bytes::from(hashes.concat());
    Ok((plain("application/octet-stream", TILE_CACHE), bytes).into_response())
}

/// Proof that one tree begins with another.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsistencyReply {
    /// Entries of the older tree.
    pub old: u64,
    /// Entries of the younger tree.
    pub new: u64,
    /// The path (RFC 6962 §2.1.2), nearest first; each hash in base64.
    pub path: Vec<String>,
}

/// Prove that the log only grew between two sizes.
#[utoipa::path(
    get, path = "/log/consistency/{old}/{new}", tag = "log",
    params(
        ("old" = u64, Path, description = "Entries of the older head, 1 or more"),
        ("new" = u64, Path, description = "Entries of the younger head"),
    ),
    responses(
        (status = 200, description = "The path", body = ConsistencyReply),
        (status = 400, description = "Not two sizes", body = Problem),
        (status = 404, description = "The log does not reach so far", body = Problem),
    ),
    security(())
)]
pub(super) async fn prove_consistency(
    State(house): State<Arc<House>>,
    At((old, new)): At<(u64, u64)>,
) -> Result<Json<ConsistencyReply>, Problem> {
    let head = signed_head(&house).await?.ok_or_else(not_yet)?;
    if old == 0 || old > new {
        return Err(Problem::invalid("old", "1 or more, and not above the new size"));
    }
    if new > head.checkpoint.size {
        let size = head.checkpoint.size;
        let said = format!("the log's signed head covers {size} entries");
        return Err(Problem::transport("no_such_route").saying(said).at("new"));
    }
    let path = Paths::new(&house, new).consistency(old).await?;
    Ok(Json(ConsistencyReply { old, new, path: path.iter().map(|h| BASE64.encode(h)).collect() }))
}

/// Prove the history of a unit: a file that anyone can check without this server.
///
/// For those who see all of a unit: the texts are the ledger's own and cannot be shortened.
#[utoipa::path(
    get, path = "/api/v1/units/{id}/proof", tag = "units",
    params(("id" = String, Path, description = "Trace code or identifier"), UnitQuery),
    responses(
        (status = 200, description = "A proof bundle", body = Bundle),
        (status = 404, description = "None of yours, or nothing sealed of it", body = Problem),
    ),
    security(("key" = ["read"]))
)]
pub(super) async fn prove_history(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<String>,
    Asked(query): Asked<UnitQuery>,
) -> Result<Json<Bundle>, Problem> {
    let caller = keyholder.with(Scope::Read)?;
    let scheme = scheme_of(&query)?;
    let number = unit_of(&house, Some(&caller), ("id", &id), scheme).await?;
    let history = history::prove(&house, &caller, number).await?.ok_or_else(not_yet)?;
    Ok(Json(Bundle::new(number, &history)))
}
