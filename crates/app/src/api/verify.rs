//! Verify: the answer given to a person or a platform, and the proofs that support it.

use super::activations::WarrantyReply;
use super::error::Problem;
use super::gate::{Asker, ClientAddress, Counted, Keyholder};
use super::headers;
use super::input::{Asked, At, Input, bounded};
use super::instant_text;
use super::verdicts::{
    ChecksText, ChoiceReply, ChoicesReply, CustodyReply, HopReply, ProductText, RecallNoticeReply,
    ResultReply, SellerReply, StateReply, VerifyManyReply, VerifyReply,
};
use crate::flows::access::{Sight, audience};
use crate::flows::custody::instant;
use crate::flows::find::{self, unit_number};
use crate::flows::reference::Reference;
use crate::flows::scans::Spot;
use crate::flows::verify::{self, Depth, Known, QUERY_CHARS_MAX, Reading, Verified};
use crate::flows::{Caller, FlowError, House, Scope};
use crate::geo::VisitorPlace;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::Fact;
use domain::id::BrandId;
use domain::identifier::Scheme;
use domain::verdict::CodeReading;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// Items in one bulk request.
const ITEMS_MAX: usize = 1_000;
/// Room for a reply with a product, a guarantee and its clauses.
const REPLY_BYTES: usize = 2 * 1024;
/// Longest party code.
const PARTY_CHARS_MAX: usize = 64;

/// How to read the text, and about whom.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// Forces the reading: `code`, `imei`, `sn`, `meid`, `eid`, `mac`, `part`.
    pub scheme: Option<String>,
    /// Code of a party: may it sell this unit? Needs a key.
    pub seller: Option<String>,
}

/// One thing to verify.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyItemBody {
    /// Trace code or identifier.
    #[schema(max_length = 128)]
    pub value: String,
    /// Forces the reading: `code`, `imei`, `sn`, `meid`, `eid`, `mac`, `part`.
    pub scheme: Option<String>,
}

/// Many things to verify.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// 1 to 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<VerifyItemBody>,
    /// Code of a party: may it sell them?
    pub seller: Option<String>,
}

/// Verify one code or identifier.
///
/// Public. Answers 200 with a verdict for anything a code or identifier could be.
#[utoipa::path(
    get, path = "/api/v1/verify/{code}", tag = "verify", params(
        ("code" = String, Path, description = "Trace code or identifier, at most 128 characters"),
        VerifyQuery
    ),
    responses(
        (status = 200, description = "The verdict, forged and unknown too", body = VerifyReply),
        (status = 300, description = "It names two units", body = ChoicesReply),
        (status = 400, description = "Over-long or unreadable", body = Problem),
        (status = 404, description = "No party has the seller's code", body = Problem),
        (status = 503, description = "Verdict `unavailable`", body = VerifyReply),
    ),
    security((), ("key" = ["verify"]))
)]
pub(super) async fn verify_unit(
    State(house): State<Arc<House>>,
    (Asker(caller), ClientAddress(client), method): (Asker, ClientAddress, Method),
    counted: Counted,
    At(code): At<String>,
    Asked(query): Asked<VerifyQuery>,
) -> Result<Response, Problem> {
    let scheme = scheme_of("scheme", query.scheme.as_deref())?;
    let asking = Asking {
        house: &house,
        caller: caller.as_ref(),
        client,
        seller: query.seller,
        looks: method != Method::HEAD,
    };
    asking.check_seller()?;
    let public = caller.as_ref().is_none_or(Caller::is_device);
    let counted = public.then_some(&counted);
    match asking.answer(&code, scheme, counted).await? {
        (status, ResultReply::One(reply)) => whole(status, &reply),
        (status, ResultReply::Two(reply)) => whole(status, &reply),
    }
}

/// A reply in one piece of memory: most fit at once, where growing would copy them four times.
fn whole(status: StatusCode, reply: &impl Serialize) -> Result<Response, Problem> {
    let mut text = Vec::with_capacity(REPLY_BYTES);
    serde_json::to_writer(&mut text, reply).map_err(|error| {
        tracing::error!(%error, "a reply cannot be written");
        Problem::transport("internal")
    })?;
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((status, json, text).into_response())
}

/// Verify up to 1,000 codes or identifiers.
#[utoipa::path(
    post, path = "/api/v1/verify", tag = "verify", request_body = VerifyBody,
    responses(
        (status = 200, body = VerifyManyReply, description = "One answer for each item; with \
            `Retry-After` where some are `unavailable`"),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 401, description = "Needs a key", body = Problem),
        (status = 403, description = "Needs scope verify", body = Problem),
        (status = 404, description = "No party has the seller's code", body = Problem),
    ),
    security(("key" = ["verify"]))
)]
pub(super) async fn verify_units(
    State(house): State<Arc<House>>,
    keyholder: Keyholder,
    ClientAddress(client): ClientAddress,
    Input(body): Input<VerifyBody>,
) -> Result<Response, Problem> {
    let caller = keyholder.with(Scope::Verify)?;
    if body.items.is_empty() || body.items.len() > ITEMS_MAX {
        return Err(Problem::invalid("items", format!("1 to {ITEMS_MAX} items")));
    }
    let asking =
        Asking { house: &house, caller: Some(&caller), client, seller: body.seller, looks: true };
    asking.check_seller()?;
    let (mut results, mut unavailable) = (Vec::with_capacity(body.items.len()), false);
    for (i, item) in body.items.iter().enumerate() {
        // As of one alone: what no code or identifier can hold names nothing, which is an answer.
        not_too_long(&format!("items[{i}].value"), &item.value)?;
        let scheme = scheme_of(&format!("items[{i}].scheme"), item.scheme.as_deref())?;
        let (status, reply) = asking.answer(&item.value, scheme, None).await?;
        unavailable |= status == StatusCode::SERVICE_UNAVAILABLE;
        results.push(reply);
    }
    let mut response = Json(VerifyManyReply { results }).into_response();
    if unavailable {
        headers::again_later(&mut response);
    }
    Ok(response)
}

fn not_too_long(field: &str, text: &str) -> Result<(), Problem> {
    match text.chars().count() > QUERY_CHARS_MAX {
        true => Err(Problem::invalid(field, format!("at most {QUERY_CHARS_MAX} characters"))),
        false => Ok(()),
    }
}

fn scheme_of(field: &str, word: Option<&str>) -> Result<Option<Scheme>, Problem> {
    word.map(|w| w.parse::<Scheme>().map_err(|why| Problem::invalid(field, why))).transpose()
}

/// One request's circumstances.
struct Asking<'a> {
    house: &'a House,
    caller: Option<&'a Caller>,
    client: IpAddr,
    seller: Option<String>,
    /// Whether it is a look at the unit: where the head alone is asked for nobody looks.
    looks: bool,
}

impl Asking<'_> {
    fn check_seller(&self) -> Result<(), Problem> {
        match (&self.seller, self.caller) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Problem::transport("unauthenticated").at("seller")),
            (Some(code), Some(caller)) => {
                caller.need(Scope::Verify)?;
                bounded("seller", code, PARTY_CHARS_MAX)
            }
        }
    }

    async fn answer(
        &self,
        raw: &str,
        scheme: Option<Scheme>,
        counted: Option<&Counted>,
    ) -> Result<(StatusCode, ResultReply), Problem> {
        not_too_long("code", raw)?;
        let reading = self.try_answer(raw, scheme, counted);
        match self.house.one_snapshot(reading).await {
            Err(Failed::Store) => {
                let reading = verify::reading_without_store(self.house, raw, scheme);
                let verified = verify::unavailable(reading);
                let reply = bare(&verified);
                // What arithmetic alone tells stays true while the store is down.
                let down = verified.decision.verdict == domain::verdict::Verdict::Unavailable;
                let status = if down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
                Ok((status, ResultReply::One(Box::new(reply))))
            }
            Err(Failed::Problem(problem)) => Err(*problem),
            Ok(answer) => Ok(answer),
        }
    }

    async fn try_answer(
        &self,
        raw: &str,
        scheme: Option<Scheme>,
        counted: Option<&Counted>,
    ) -> Result<(StatusCode, ResultReply), Failed> {
        let mut reference = self.house.reference_polled();
        let brand = self.caller.map(|c| c.brand).or_else(|| reference.sole_brand());
        Ok(match verify::read(self.house, &mut reference, brand, raw, scheme).await? {
            Reading::Number(number, reading) => {
                let reply = self.one(&reference, reading, Some(number), counted).await?;
                (StatusCode::OK, ResultReply::One(Box::new(reply)))
            }
            Reading::Nothing(reading) => {
                let reply = self.one(&reference, reading, None, counted).await?;
                (StatusCode::OK, ResultReply::One(Box::new(reply)))
            }
            Reading::Ambiguous(one, other) => {
                let mut choices = Vec::with_capacity(2);
                for choice in [one, other] {
                    let (scheme, number) = (choice.0.as_str(), Some(choice.1));
                    let reading = verify::reading_of(&reference, choice);
                    let reply = self.one(&reference, reading, number, counted).await?;
                    choices.push(ChoiceReply { scheme, reply });
                }
                (StatusCode::MULTIPLE_CHOICES, ResultReply::Two(ChoicesReply { choices }))
            }
        })
    }

    async fn one(
        &self,
        reference: &Reference,
        reading: CodeReading,
        number: Option<i64>,
        counted: Option<&Counted>,
    ) -> Result<VerifyReply, Failed> {
        if let (Some(counted), Some(number)) = (counted, number) {
            counted.look_at(number)?;
        }
        let depth = if self.caller.is_some() { Depth::Whole } else { Depth::Public };
        let asked = (reading, number);
        let verified = verify::verify(self.house, reference, asked, depth).await?;
        let mut reply = bare(&verified);
        let Some(known) = &verified.unit else {
            if let Some(seller) = &self.seller {
                reply.seller = self.seller(reference, &verified, seller)?;
            }
            return Ok(reply);
        };
        let sight =
            Sight::of_unit(self.house, reference, self.caller, &known.record, &known.custody);
        if let Some(known) = verified.worded(self.caller.map(|caller| caller.brand)) {
            self.fill(&mut reply, reference, known, &sight);
        }
        if let Some(seller) = self.seller.as_ref().filter(|_| sight.shows(Fact::Seller)) {
            reply.seller = self.seller(reference, &verified, seller)?;
        }
        self.note(reference, known);
        Ok(reply)
    }

    fn seller(
        &self,
        reference: &Reference,
        verified: &Verified,
        code: &str,
    ) -> Result<Option<SellerReply>, Failed> {
        let Some(caller) = self.caller else { return Ok(None) };
        let answer = verify::seller(self.house, reference, verified, caller, code)?;
        let authorised = answer == verify::SellerAnswer::Authorised;
        Ok(Some(SellerReply { party: code.to_owned(), authorised, answer: answer.as_str() }))
    }

    /// Counts the look under the caller's audience, at the city the address is in.
    fn note(&self, reference: &Reference, known: &Known) {
        if !self.looks {
            return;
        }
        let now = self.house.clock.now().as_microsecond();
        let place = VisitorPlace::of(&self.house.geo, Some(self.client));
        let audience = audience(reference, self.caller);
        self.house.scans.note(known.record.number, audience, now, Spot::of(&place));
    }

    fn fill(
        &self,
        reply: &mut VerifyReply,
        reference: &Reference,
        known: &Known,
        sight: &Sight<'_>,
    ) {
        let record = &known.record;
        reply.product = ProductText::of(&known.product);
        let reading = verify::warranty(self.house, reference, record, &known.custody);
        let mut warranty = WarrantyReply::from(&reading);
        // Mostly the day of the first start.
        warranty.starts_on = warranty.starts_on.filter(|_| sight.shows(Fact::Milestones));
        reply.warranty = Some(warranty);
        reply.recall = known.recall.as_deref().map(|it| RecallNoticeReply::of(reference, it));
        let brand = BrandId(record.brand);
        let day = |at: i64| reference.day(brand, instant(at)).to_string();
        let state = &mut reply.state;
        if sight.shows(Fact::Milestones) {
            state.produced_on = record.produced_at.map(day);
            state.activated = Some(record.activated_at.is_some());
            state.activated_on = record.activated_at.map(day);
            state.activated_in = record.region.as_deref().and_then(|r| city_name(self.house, r));
            state.life = Some(record.life);
        }
        if sight.shows(Fact::Identifiers) {
            state.code = Some(known.code().as_str().to_owned());
            state.sn.clone_from(&record.sn);
        }
        if sight.shows(Fact::Production) {
            state.inspection.clone_from(&record.inspection);
        }
        if sight.shows(Fact::ScanCounts) {
            let text = |at| instant_text(reference, record.brand, instant(at));
            state.scan_count = Some(known.scans.as_ref().map_or(0, |s| s.count));
            state.first_scanned_at = known.scans.as_ref().map(|s| text(s.first_at));
        }
        reply.custody = self.custody(reference, known, sight);
    }

    fn custody(&self, reference: &Reference, known: &Known, sight: &Sight<'_>) -> CustodyReply {
        let now = self.house.clock.now();
        let holder = verify::holder(known, now).and_then(|h| reference.tree.get(h.party));
        let hops = known.custody.hops(unit_number(known.record.number));
        let shown = hops.iter().filter(|hop| sight.shows_hop(hop.hold.party));
        let hops = shown.filter_map(|hop| HopReply::of(reference, known.record.brand, hop));
        CustodyReply {
            channel: holder.and_then(|party| sight.channel(party)),
            hops: hops.collect(),
        }
    }
}

/// The reply without anything about a unit: the shape of forged, unknown and unavailable.
fn bare(verified: &Verified) -> VerifyReply {
    VerifyReply {
        verdict: verified.decision.verdict.as_str(),
        reason: verified.decision.reason.as_str(),
        checks: ChecksText::of(&verified.decision.checks),
        product: None,
        state: StateReply::default(),
        custody: CustodyReply::default(),
        recall: None,
        warranty: None,
        seller: None,
    }
}

/// Why there is no answer: the store is silent, which is a verdict, or a problem.
enum Failed {
    Store,
    Problem(Box<Problem>),
}

impl From<FlowError> for Failed {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Store(error) => {
                tracing::warn!(%error, "a verdict was unavailable");
                Self::Store
            }
            other => Self::Problem(Box::new(other.into())),
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<domain::refusal::Refused> for Failed {
    fn from(refused: domain::refusal::Refused) -> Self {
        Self::Problem(Box::new(refused.into()))
    }
}

/// The name of the city a region lies in, else of its province or country.
fn city_name(house: &House, region: &str) -> Option<String> {
    let divisions = house.geo.divisions();
    let code = divisions.parse(region).ok()?;
    let code = code.city().or(code.province()).unwrap_or(code);
    divisions.get(code).map(|d| d.zh.to_string())
}

/// The unit that a part of the path names, for whoever asks.
pub async fn unit_of(
    house: &House,
    caller: Option<&Caller>,
    (part, raw): (&'static str, &str),
    scheme: Option<Scheme>,
) -> Result<i64, Problem> {
    not_too_long(part, raw)?;
    let mut reference = house.reference().await?;
    let brand = caller.map(|c| c.brand).or_else(|| reference.sole_brand());
    // As whoever finds out that it is another brand's says it.
    let unknown = domain::refusal::Refused::new(domain::refusal::Refusal::UnknownSubject, part);
    match verify::read(house, &mut reference, brand, raw, scheme).await? {
        Reading::Number(number, _) => Ok(find::unit_of_code(house, number).await?),
        Reading::Ambiguous(..) => {
            Err(Problem::invalid("scheme", "it names two units: say which with ?scheme="))
        }
        Reading::Nothing(_) => Err(unknown.into()),
    }
}
