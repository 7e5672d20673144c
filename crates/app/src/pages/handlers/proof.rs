//! The physical proof: digits under the coating, or the last four of the IMEI.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::proof::{self, Attempt, ProofKind, ProofOutcome as Outcome, prove_once};
use crate::flows::verify::Known;
use crate::flows::{FlowError, House};
use crate::pages::device::forms::{self, ProofOutcome, ProofResultView};
use crate::pages::device::present::{page_url, product_view};
use crate::pages::device::render_proof;
use crate::pages::device::view::{FieldFault, ProofForm};
use crate::pages::shell::SiteView;

use super::device::segment;
use super::{Found, Sent, Visit, after, error, failed, find, form_key, keyed, page, present, sent};
use super::{to_device, typed};

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tried {
    idempotency_key: String,
    kind: String,
    value: String,
}

/// `GET /d/{code}/proof`: the answer's address asked for again.
pub async fn go_back(Path(code): Path<String>) -> Response {
    to_device(&segment(&code))
}

/// `POST /d/{code}/proof`.
pub async fn prove(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(code): Path<String>,
    form: Sent<Tried>,
) -> Response {
    let tried = match sent(&visit, form) {
        Ok(tried) => tried,
        Err(kind) => return error(&house, &visit, kind).await,
    };
    let found = match find(&house, &code).await {
        Ok(found) => found,
        Err(why) => return failed(&house, &visit, &why).await,
    };
    let (Some(known), Some(kind)) = (&found.verified.unit, kind(&tried.kind)) else {
        return to_device(&segment(&code));
    };
    match attempt(&house, &visit, known.record.number, kind, &tried).await {
        Ok(outcome) => {
            let held = match (&outcome, kind) {
                (Tries::Settled(Outcome::First | Outcome::Again(_)), ProofKind::Scratch) => {
                    let pass = proof::pass(&house, &known.record);
                    visit.hold_linked(&pass, &code, known.product.gtin.as_str())
                }
                _ => HeaderMap::new(),
            };
            let mut answer = answer(&house, &visit, &found, known, (kind, &tried), outcome);
            answer.headers_mut().extend(held);
            answer
        }
        Err(why) => failed(&house, &visit, &why).await,
    }
}

fn kind(word: &str) -> Option<ProofKind> {
    match word {
        "scratch" => Some(ProofKind::Scratch),
        "imei4" => Some(ProofKind::Imei4),
        _ => None,
    }
}

/// How a try came out, or that it was none: what is not of the form asked for is nobody's copy, so
/// it gets no verdict, and costs no try.
enum Tries {
    Settled(Outcome),
    /// Not of the form asked for: it costs no try.
    Malformed,
}

async fn attempt(
    house: &House,
    visit: &Visit,
    number: i64,
    kind: ProofKind,
    tried: &Tried,
) -> Result<Tries, FlowError> {
    let value = tried.value.trim();
    let typed = format!("{} {value}", tried.kind);
    let key = keyed("proof", number, &tried.idempotency_key, &typed)?;
    let visitor = visit.counted_as();
    let attempt = Attempt { number, kind, value, visitor: &visitor, pass: visit.pass.as_deref() };
    match prove_once(house, &attempt, key.as_ref()).await {
        Ok(outcome) => Ok(Tries::Settled(outcome)),
        Err(FlowError::Refused(_)) => Ok(Tries::Malformed),
        Err(why) => Err(why),
    }
}

fn answer(
    house: &House,
    visit: &Visit,
    found: &Found,
    known: &Known,
    (kind, tried): (ProofKind, &Tried),
    tries: Tries,
) -> Response {
    let url = page_url(known.code().as_str());
    let again = |fault| ProofForm {
        action: format!("{url}/proof"),
        idempotency_key: form_key(),
        field: typed(&tried.value, Some(fault)),
    };
    let wrong = |tries_left: u32| match kind {
        ProofKind::Scratch => ProofOutcome::ScratchWrong { tries_left },
        ProofKind::Imei4 => ProofOutcome::ImeiDiffers { tries_left },
    };
    let unread = ProofOutcome::Unread(match kind {
        ProofKind::Scratch => forms::ProofKind::Scratch,
        ProofKind::Imei4 => forms::ProofKind::Imei4,
    });
    let wait_seconds = match &tries {
        Tries::Settled(outcome) => outcome.wait_seconds(visit.now),
        Tries::Malformed => None,
    };
    let (outcome, again) = match tries {
        Tries::Malformed => (unread, Some(again(FieldFault::Malformed))),
        Tries::Settled(Outcome::NotOffered) => return to_device(known.code().as_str()),
        Tries::Settled(Outcome::First) => (ProofOutcome::ScratchFirst, None),
        Tries::Settled(Outcome::Again(first_at)) => {
            (ProofOutcome::ScratchAgain { first_at, first_city: None }, None)
        }
        Tries::Settled(Outcome::Compare) => (ProofOutcome::ImeiSame, None),
        Tries::Settled(Outcome::Wrong { tries_left }) => {
            // Where the next try only waits, none is offered.
            let again = (tries_left > 0).then(|| again(FieldFault::Mismatch));
            (wrong(u32::try_from(tries_left).unwrap_or(u32::MAX)), again)
        }
        Tries::Settled(Outcome::Wait(_)) => {
            (ProofOutcome::Wait { seconds: wait_seconds.unwrap_or(1) }, None)
        }
    };
    let status = match outcome {
        ProofOutcome::Wait { .. } => StatusCode::TOO_MANY_REQUESTS,
        ProofOutcome::Unread(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let site = present(house, visit, &found.reference, &found.verified).site;
    let view = ProofResultView {
        lang: visit.lang,
        // The answer has no address of its own: the other language is the device page's.
        site: SiteView { other_lang_url: format!("{url}{}", site.other_lang_url), ..site },
        device: product_view(visit.lang, &known.product, known.code().as_str()),
        outcome,
        again,
        report_url: Some(format!("{url}/report")),
        back_url: url,
    };
    after(wait_seconds, page(visit, status, render_proof(&view)))
}
