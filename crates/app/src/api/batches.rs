//! Batches of codes: mint, list, stream, draw, deliver, void.

use super::error::Problem;
use super::gate::Keyholder;
use super::idempotent::{keyed, respond};
use super::input::{Asked, At, Input};
use super::instant_text;
use super::paging::{PageQuery, PageReply};
use crate::flows::batches::{self, CodeStream, LinkStyle, Mint};
use crate::flows::custody::instant;
use crate::flows::find::{self, CodeFound};
use crate::flows::idempotency::Answer;
use crate::flows::mandate::brand_only;
use crate::flows::reference::Reference;
use crate::flows::{Caller, FlowError, House, Scope};
use crate::symbol::Symbol;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use domain::code::TraceCode;
use domain::gs1::Gtin;
use domain::id::{BatchId, PartyId, ProductId};
use domain::refusal::{Refusal, Refused};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::reference::{Batch, Purpose};
use utoipa::ToSchema;

const ROUTE: &str = "POST /api/v1/batches";

/// What to mint.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintBody {
    /// The product.
    pub gtin: String,
    /// 1 to 1,000,000,000.
    pub count: i64,
    /// `printed` (unless said) or `unprinted`.
    pub purpose: Option<String>,
    /// Whether scratch codes go with it.
    #[serde(default)]
    pub scratch: bool,
}

/// A batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchReply {
    /// Its number.
    pub id: i64,
    /// The product, 14 digits; null for packs.
    #[schema(required = true)]
    pub gtin: Option<String>,
    /// `printed`, `unprinted`, `pack`.
    pub purpose: &'static str,
    /// How many codes.
    pub count: i64,
    /// The odds, 0 to 1, that one guess is a code of this batch: `count` / 2⁵⁵; 0 for packs.
    pub guess_odds: f64,
    /// `issued`, `exported` (unprinted, and its codes were written out), `delivered`, `void`.
    pub state: &'static str,
    /// Whether scratch codes go with it.
    pub scratch: bool,
    /// When it was minted.
    pub created_at: String,
    /// Code of the party it was handed to, where it was named by its code.
    #[schema(required = true)]
    pub delivered_to: Option<String>,
    /// To whom it was handed, where that was said in words: no party reads its codes.
    #[schema(required = true)]
    pub delivered_words: Option<String>,
}

fn batch_reply(reference: &Reference, batch: &Batch) -> BatchReply {
    let product = batch.product.and_then(|p| reference.product_by_id(ProductId(p)));
    BatchReply {
        id: batch.id,
        gtin: product.map(|p| p.gtin.clone()),
        purpose: batch.purpose.as_str(),
        count: batch.count,
        guess_odds: batches::guess_odds(batch),
        state: batch.state.as_str(),
        scratch: batch.scratch,
        created_at: instant_text(reference, batch.brand, instant(batch.created_at)),
        delivered_to: batch
            .delivered_to
            .and_then(|party| reference.tree.get(PartyId(party)))
            .map(|party| party.code.clone()),
        delivered_words: batch.delivered_words.clone(),
    }
}

/// List batches: the brand all of its own, another party those that were handed to it.
#[utoipa::path(
    get, path = "/api/v1/batches", tag = "codes", params(PageQuery),
    responses(
        (status = 200, description = "A page", body = PageReply<BatchReply>),
        (status = 403, description = "Needs scope codes:read", body = Problem),
    ),
    security(("key" = ["mint"]), ("key" = ["codes:read"]))
)]
pub(super) async fn list_batches(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<PageReply<BatchReply>>, Problem> {
    let Keyholder(caller) = keyholder;
    let reference = house.reference().await?;
    let own = batches::list(&reference, &caller)?;
    let reply = |b: &Batch| batch_reply(&reference, b);
    Ok(Json(page.cut(own.into_iter(), |b| b.id, reply)?))
}

/// Mint a batch.
#[utoipa::path(
    post, path = "/api/v1/batches", tag = "codes", request_body = MintBody,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1–255 visible characters")),
    responses(
        (status = 201, description = "Minted", body = BatchReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 403, description = "For the brand only", body = Problem),
        (status = 404, description = "No such product", body = Problem),
        (status = 409, description = "Idempotency-Key used otherwise", body = Problem),
    ),
    security(("key" = ["mint"]))
)]
pub(super) async fn mint_batch(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    headers: HeaderMap,
    Input(body): Input<MintBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Mint)?;
    let reference = house.reference().await?;
    // First, so that who may not mint does not learn which products there are.
    brand_only(&reference, &caller)?;
    let mint = mint_of(&reference, &caller, &body)?;
    let key = keyed(&headers, &caller.actor, ROUTE, &body)?;
    let render = |batch: &Batch| {
        let reply = batch_reply(&reference, batch);
        Answer::new(201, serde_json::to_string(&reply).unwrap_or_default())
    };
    let answer = batches::mint_once(&house, &caller, mint, key.as_ref(), &render).await?;
    Ok(respond(&answer))
}

fn mint_of(reference: &Reference, caller: &Caller, body: &MintBody) -> Result<Mint, Problem> {
    let gtin = Gtin::parse(&body.gtin).map_err(|why| Problem::invalid("gtin", why))?;
    let product = reference
        .product(caller.brand, gtin.as14())
        .ok_or(Refused::new(Refusal::UnknownProduct, "gtin"))?;
    let purpose = match body.purpose.as_deref() {
        None | Some("printed") => Purpose::Printed,
        Some("unprinted") => Purpose::Unprinted,
        Some(_) => return Err(Problem::invalid("purpose", "must be printed or unprinted")),
    };
    Ok(Mint { product: Some(product.id), purpose, count: body.count, scratch: body.scratch })
}

/// How codes are written.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CodesQuery {
    /// `csv` (unless said) or `ndjson`.
    pub format: Option<String>,
    /// `digital` (unless said) or `short`.
    pub link: Option<String>,
    /// `false` leaves scratch codes out.
    pub scratch: Option<bool>,
    /// Codes to leave out at the start, 0 or more.
    pub offset: Option<i64>,
    /// Codes to write, 1 or more.
    pub count: Option<i64>,
}

/// Stream the codes of a batch, voided ones left out: for the brand, and for the party it was
/// delivered to and those above it. For a key with `mint` an unprinted batch that is written out so
/// hands out no more codes from then on; one that only reads gets those handed out, without scratch
/// codes, and changes nothing. Nor does who is sent no code: by `HEAD`, or from beyond the last.
#[utoipa::path(
    get, path = "/api/v1/batches/{id}/codes", tag = "codes",
    params(("id" = i64, Path, description = "Batch"), CodesQuery),
    responses(
        (status = 200, description = "`code,url` lines, or one JSON object on each line",
            content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 404, description = "No such batch, or not delivered to the caller",
            body = Problem),
    ),
    security(("key" = ["mint"]), ("key" = ["codes:read"]))
)]
pub(super) async fn stream_codes(
    State(house): State<Arc<House>>,
    (keyholder, method): (Keyholder, Method),
    At(id): At<i64>,
    Asked(query): Asked<CodesQuery>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::CodesRead)?;
    let ndjson = match query.format.as_deref() {
        None | Some("csv") => false,
        Some("ndjson") => true,
        Some(_) => return Err(Problem::invalid("format", "must be csv or ndjson")),
    };
    let style = link_of(query.link.as_deref())?;
    let offset = at_least(0, "offset", query.offset)?.unwrap_or(0);
    let count = at_least(1, "count", query.count)?;
    let asked = |batch: &Batch| {
        let first = batch.first.saturating_add(offset);
        first..first.saturating_add(count.unwrap_or(batch.count))
    };
    let reference = house.reference_now().await?;
    let seen = batches::readable(&reference, &caller, BatchId(id))?;
    // What is not sent is not handed out.
    let sent = if method == Method::HEAD { 0..0 } else { asked(&seen) };
    let mut batch = batches::export(&house, &caller, BatchId(id), sent).await?;
    let reference = house.reference().await?;
    batch.scratch &= query.scratch != Some(false);
    let prefix = batches::link_prefix(&house, &reference, &batch, style);
    let range = asked(&batch);
    let stream = CodeStream::new(&house, &reference, &batch, prefix.clone(), range);
    let kind = if ndjson { "application/x-ndjson" } else { "text/csv; charset=utf-8" };
    let body = Body::from_stream(chunks(stream, ndjson.then_some(prefix)));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// A number of codes that is not below what makes sense.
fn at_least(least: i64, name: &'static str, value: Option<i64>) -> Result<Option<i64>, Problem> {
    match value {
        Some(value) if value < least => {
            Err(Problem::invalid(name, format!("must be {least} or more")))
        }
        value => Ok(value),
    }
}

/// Codes chunk by chunk, each made off the async threads.
fn chunks(
    stream: CodeStream,
    ndjson: Option<String>,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let head = if ndjson.is_some() { Vec::new() } else { stream.header().as_bytes().to_vec() };
    let start = Some((stream, ndjson, head));
    futures_util::stream::try_unfold(start, |state| async move {
        let Some((mut stream, ndjson, mut out)) = state else { return Ok(None) };
        let made = tokio::task::spawn_blocking(move || {
            let more = match &ndjson {
                None => stream.next_csv(&mut out),
                Some(prefix) => next_json(&mut stream, prefix, &mut out),
            };
            (more, stream, ndjson, out)
        });
        let (more, stream, ndjson, out) = made.await.map_err(std::io::Error::other)?;
        let next = more.then_some((stream, ndjson, Vec::new()));
        Ok(Some((Bytes::from(out), next)))
    })
}

fn next_json(stream: &mut CodeStream, prefix: &str, out: &mut Vec<u8>) -> bool {
    let mut text = Vec::new();
    if !stream.next_csv(&mut text) {
        return false;
    }
    // The lines are ours: a code, its link, perhaps its scratch code; none holds a comma.
    for line in String::from_utf8_lossy(&text).lines() {
        let mut cells = line.split(',');
        let (code, _, scratch) = (cells.next().unwrap_or(""), cells.next(), cells.next());
        let mut row = serde_json::json!({"code": code, "url": format!("{prefix}{code}")});
        if let Some(scratch) = scratch {
            row["scratch"] = scratch.into();
        }
        out.extend_from_slice(row.to_string().as_bytes());
        out.push(b'\n');
    }
    true
}

fn link_of(word: Option<&str>) -> Result<LinkStyle, Problem> {
    match word {
        None | Some("digital") => Ok(LinkStyle::DigitalLink),
        Some("short") => Ok(LinkStyle::Short),
        Some(_) => Err(Problem::invalid("link", "must be digital or short")),
    }
}

/// Which picture of a code.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SymbolQuery {
    /// `qr` (unless said) or `datamatrix`.
    pub symbol: Option<String>,
    /// `digital` (unless said) or `short`.
    pub link: Option<String>,
}

/// Draw one code of a batch as SVG.
#[utoipa::path(
    get, path = "/api/v1/batches/{id}/codes/{file}", tag = "codes",
    params(
        ("id" = i64, Path, description = "Batch"),
        ("file" = String, Path, description = "The code with `.svg` behind it"),
        SymbolQuery
    ),
    responses(
        (status = 200, description = "The symbol", content((String = "image/svg+xml"))),
        (status = 404, description = "No such batch or code", body = Problem),
        (status = 409, description = "The code is void", body = Problem),
    ),
    security(("key" = ["mint"]), ("key" = ["codes:read"]))
)]
pub(super) async fn draw_code(
    State(house): State<Arc<House>>,
    (keyholder, method): (Keyholder, Method),
    At((id, file)): At<(i64, String)>,
    Asked(query): Asked<SymbolQuery>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::CodesRead)?;
    let symbol = Symbol::parse(query.symbol.as_deref().unwrap_or("qr"))
        .ok_or_else(|| Problem::invalid("symbol", "must be qr or datamatrix"))?;
    let style = link_of(query.link.as_deref())?;
    let unknown = || {
        let problem = Problem::from(Refused::new(Refusal::UnknownSubject, "code"));
        problem.saying("this batch has no such code that was handed out")
    };
    let raw = file.strip_suffix(".svg").ok_or_else(|| {
        Problem::transport("no_such_route").saying("a code is drawn as SVG: CODE.svg")
    })?;
    let reference = house.reference_now().await?;
    let batch = batches::readable(&reference, &caller, BatchId(id))?;
    let found = find::code(&house, raw).await?;
    let (CodeFound::Issued(number) | CodeFound::Void(number)) = found else {
        return Err(unknown());
    };
    if !(batch.first..batch.end()).contains(&number) {
        return Err(unknown());
    }
    // It is left out of the stream, too: nobody is to print it.
    if matches!(found, CodeFound::Void(_)) {
        return Err(Refused::new(Refusal::CodeVoid, "code").into());
    }
    // By its head alone nothing is shown.
    let shown = if method == Method::HEAD {
        batches::is_handed_out(&house, &caller, &batch, number).await.map(|_| ())
    } else {
        batches::show(&house, &caller, &batch, number).await
    };
    shown.map_err(|why| match why {
        FlowError::Refused(refused) if refused.refusal == Refusal::UnknownSubject => unknown(),
        why => why.into(),
    })?;
    let code = TraceCode::parse(raw).map_err(|_| unknown())?;
    let link = batches::link_prefix(&house, &reference, &batch, style) + code.as_str();
    let svg = symbol.draw(&link).ok_or_else(|| Problem::internal("the link fits no symbol"))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"))], svg).into_response())
}

/// To whom.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverBody {
    /// The receiver: the code of a party, which may then read these codes, or words.
    #[schema(max_length = 1000)]
    pub to: String,
}

/// Mark a batch as handed over.
#[utoipa::path(
    post, path = "/api/v1/batches/{id}/deliver", tag = "codes", request_body = DeliverBody,
    params(("id" = i64, Path, description = "Batch")),
    responses(
        (status = 200, description = "Delivered", body = BatchReply),
        (status = 400, description = "A party's code but for its case", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
        (status = 409, description = "The batch is void", body = Problem),
    ),
    security(("key" = ["mint"]))
)]
pub(super) async fn deliver_batch(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<i64>,
    Input(body): Input<DeliverBody>,
) -> Result<Json<BatchReply>, Problem> {
    let caller = keyholder.with(Scope::Mint)?;
    let batch = batches::deliver(&house, &caller, BatchId(id), &body.to).await?;
    Ok(Json(batch_reply(&*house.reference().await?, &batch)))
}

/// Why, and which.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidBody {
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: String,
    /// First code of a range; the whole batch without one.
    pub first: Option<String>,
    /// Last code of it, inclusive.
    pub last: Option<String>,
}

/// What voiding did.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoidedReply {
    /// The batch as it now stands.
    #[serde(flatten)]
    pub batch: BatchReply,
    /// Codes among them that units wear, made with them or relabelled: they stay good.
    pub bound_count: i64,
}

/// Void the free codes of a batch or of a range of it. Codes that units wear stay good.
#[utoipa::path(
    post, path = "/api/v1/batches/{id}/void", tag = "codes", request_body = VoidBody,
    params(("id" = i64, Path, description = "Batch")),
    responses(
        (status = 200, description = "Voided", body = VoidedReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "No such batch", body = Problem),
    ),
    security(("key" = ["mint"]))
)]
pub(super) async fn void_codes(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    At(id): At<i64>,
    Input(body): Input<VoidBody>,
) -> Result<Json<VoidedReply>, Problem> {
    let caller = keyholder.with(Scope::Mint)?;
    let read = |field: &str, text: &str| {
        TraceCode::parse(text).map_err(|why| Problem::invalid(field, why))
    };
    let range = match (&body.first, &body.last) {
        (None, None) => None,
        (Some(first), Some(last)) => Some((read("first", first)?, read("last", last)?)),
        _ => return Err(Problem::invalid("last", "give both first and last, or neither")),
    };
    let voided = batches::void(&house, &caller, BatchId(id), range, &body.reason).await?;
    let batch = batch_reply(&*house.reference().await?, &voided.batch);
    Ok(Json(VoidedReply { batch, bound_count: voided.bound_count }))
}
