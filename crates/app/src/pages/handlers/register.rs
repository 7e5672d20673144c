//! Registration: a consumer binds themselves to the unit in their hands.
//!
//! It counts as the activation only for products without a network start, and always asks for a
//! proof first: the scratch code, the IMEI's last digits or an invoice number (which only the
//! brand's people can look up later). What a stated day of purchase is worth, the rules say; who
//! registers a unit that is bound already, and proves no more, is told so, and nothing is recorded.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::BrandId;
use domain::person::{Purpose, e164};
use domain::registration::{Impossible, Proof, possible};
use domain::retention::Kept;
use domain::text::half_width;
use domain::verdict::Verdict;
use jiff::civil::Date;
use serde::Deserialize;
use std::sync::Arc;
use store::unit::UnitRecord;

use crate::flows::activate::{self, Report, Signals};
use crate::flows::idempotency::Answer;
use crate::flows::persons::registration::{self, Bound, Registration};
use crate::flows::proof::{self, Attempt, ProofOutcome, prove_once};
use crate::flows::verify::{self, Known};
use crate::flows::{FlowError, House};
use crate::pages::device::forms::{ConsentView, ProofChoice, ProofKind, RegisterView};
use crate::pages::device::plain::{Done, DoneView, ErrorKind};
use crate::pages::device::present::{page_url, product_view, registrable};
use crate::pages::device::view::{Basis, FieldFault, FieldView, WarrantyView};
use crate::pages::device::{render_done, render_register};
use crate::rules::kept;

use super::device::segment;
use super::{Found, Sent, Visit, error, failed, find, form_key, keyed, page, present, sent};
use super::{to_device, typed};

/// Shortest and longest invoice number: 8 digits of an old paper one, 20 of a digital one.
const INVOICE_LETTERS: std::ops::RangeInclusive<usize> = 8..=20;
/// Beijing's offset, in minutes.
const BEIJING_MINUTES: i32 = 8 * 60;

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filled {
    idempotency_key: String,
    phone: String,
    purchased_on: String,
    proof: String,
    scratch: String,
    imei4: String,
    invoice: String,
    consent: String,
    marketing: String,
    location: String,
    share_with_distributor: String,
}

impl Filled {
    fn kind(&self) -> Option<ProofKind> {
        match self.proof.as_str() {
            "scratch" => Some(ProofKind::Scratch),
            "imei4" => Some(ProofKind::Imei4),
            "invoice" => Some(ProofKind::Invoice),
            _ => None,
        }
    }

    fn value(&self, kind: ProofKind) -> &str {
        match kind {
            ProofKind::Scratch => self.scratch.trim(),
            ProofKind::Imei4 => self.imei4.trim(),
            ProofKind::Invoice => self.invoice.trim(),
        }
    }

    /// Everything typed, as one text: what makes two sendings the same.
    fn whole(&self) -> String {
        let Self { phone, purchased_on, proof, scratch, imei4, invoice, consent, .. } = self;
        let Self { marketing, location, share_with_distributor: share, .. } = self;
        [phone, purchased_on, proof, scratch, imei4, invoice, consent, marketing, location, share]
            .map(String::as_str)
            .join("\n")
    }

    /// The free purposes, and whether each was ticked.
    fn free(&self) -> [(Purpose, bool); 3] {
        [
            (Purpose::Marketing, self.marketing == "yes"),
            (Purpose::Location, self.location == "yes"),
            (Purpose::ShareWithDistributor, self.share_with_distributor == "yes"),
        ]
    }
}

/// `GET /d/{code}/register`.
pub async fn ask(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(code): Path<String>,
) -> Response {
    match find(&house, &code).await {
        Ok(found) => match open(&found) {
            Some(known) => {
                let view = view(&house, &visit, &found, known, &Filled::default());
                page(&visit, StatusCode::OK, render_register(&view))
            }
            None => to_device(&segment(&code)),
        },
        Err(why) => failed(&house, &visit, &why).await,
    }
}

/// `POST /d/{code}/register`.
pub async fn take(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(code): Path<String>,
    form: Sent<Filled>,
) -> Response {
    let filled = match sent(&visit, form) {
        Ok(filled) => filled,
        Err(kind) => return error(&house, &visit, kind).await,
    };
    let found = match find(&house, &code).await {
        Ok(found) => found,
        Err(why) => return failed(&house, &visit, &why).await,
    };
    let Some(known) = open(&found) else { return to_device(&segment(&code)) };
    match settle(&house, &visit, &found, known, &filled).await {
        Ok(Settled::Refused(view, proved)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let mut answer = page(&visit, status, render_register(&view));
            // The code was right and is spent: this browser is the one that proved it.
            if proved == Some(ProofKind::Scratch) {
                let pass = proof::pass(&house, &known.record);
                answer.headers_mut().extend(visit.hold_linked(&pass, &code, &known.product.gtin));
            }
            answer
        }
        Ok(Settled::Wait(seconds)) => error(&house, &visit, ErrorKind::TooMany { seconds }).await,
        Ok(Settled::Done(bound, proved)) => {
            let mut done = done(&house, &visit, &code, bound).await;
            if proved == ProofKind::Scratch {
                let pass = proof::pass(&house, &known.record);
                done.headers_mut().extend(visit.hold_linked(&pass, &code, &known.product.gtin));
            }
            done
        }
        Err(why) => failed(&house, &visit, &why).await,
    }
}

/// The unit, where its verdict lets consumers register.
fn open(found: &Found) -> Option<&Known> {
    let known = found.verified.unit.as_deref()?;
    registrable(found.verified.decision.verdict).then_some(known)
}

/// Whole years that a registration is kept after the guarantee.
pub(super) fn kept_years() -> u32 {
    u32::try_from(kept(Kept::Registration).as_hours() / 24 / 365).unwrap_or(0)
}

/// How a registration came out.
enum Settled {
    /// With what was proved, which is not always what the form chose.
    Done(Bound, ProofKind),
    /// What to correct, and what was proved all the same.
    Refused(Box<RegisterView>, Option<ProofKind>),
    /// Too many wrong proofs: seconds to wait.
    Wait(u32),
}

async fn settle(
    house: &House,
    visit: &Visit,
    found: &Found,
    known: &Known,
    filled: &Filled,
) -> Result<Settled, FlowError> {
    let mut view = view(house, visit, found, known, filled);
    judge(&mut view, found, known, filled);
    let Some(kind) = view.chosen else { return Ok(Settled::Refused(Box::new(view), None)) };
    let faulty = refused(&view);
    let mut proved = None;
    // Whatever else is wrong: all there is to correct is told at once. A wrong try counts as ever.
    let sound = |choice: &&mut ProofChoice| choice.kind == kind && choice.field.fault.is_none();
    for proof in view.proofs.iter_mut().filter(sound) {
        proof.field.fault = match prove(house, visit, known, filled, kind).await? {
            Proved::Yes => {
                proved = Some(kind);
                None
            }
            Proved::No(fault) => Some(fault),
            // The rest is told first: nothing that was typed is lost by it.
            Proved::Wait(_) if faulty => None,
            Proved::Wait(seconds) => return Ok(Settled::Wait(seconds)),
        };
    }
    if refused(&view) {
        return Ok(Settled::Refused(Box::new(view), proved));
    }
    let bound = record(house, known, filled, kind).await?;
    let activates = found.verified.decision.verdict == Verdict::NotActivated;
    // Whoever is bound: the process may have died between a registration and its start.
    if activates && !known.product.network_start {
        activate(house, visit, known).await?;
    }
    Ok(Settled::Done(bound, kind))
}

/// Puts a message beside every field that is wrong.
fn judge(view: &mut RegisterView, found: &Found, known: &Known, filled: &Filled) {
    view.phone.fault = match (filled.phone.trim(), e164(&filled.phone)) {
        ("", _) => Some(FieldFault::Missing),
        (_, None) => Some(FieldFault::Malformed),
        _ => None,
    };
    view.purchased_on.fault = match filled.purchased_on.trim().parse::<Date>() {
        _ if filled.purchased_on.trim().is_empty() => Some(FieldFault::Missing),
        Err(_) => Some(FieldFault::Malformed),
        Ok(on) => untrue(found, known, (on, view.today)),
    };
    view.consent.missing = !view.consent.ticked;
    let chosen = view.chosen;
    for choice in view.proofs.iter_mut().filter(|choice| Some(choice.kind) == chosen) {
        let value = filled.value(choice.kind);
        choice.field.fault = match (value.is_empty(), choice.kind) {
            (true, _) => Some(FieldFault::Missing),
            (false, ProofKind::Invoice) if invoice(value).is_none() => Some(FieldFault::Malformed),
            _ => None,
        };
    }
}

/// Why the unit cannot have been bought on a day.
fn untrue(found: &Found, known: &Known, (on, today): (Date, Date)) -> Option<FieldFault> {
    let (reference, unit) = (&found.reference, &known.record);
    let made = unit.produced_at.map(crate::flows::custody::instant);
    let made = made.map(|at| reference.day(BrandId(unit.brand), at));
    let left = registration::shipped_on(reference, unit, &known.custody);
    match possible(on, today, (made, left)).err()? {
        Impossible::Ahead => Some(FieldFault::InFuture),
        Impossible::BeforeProduction(made) => Some(FieldFault::TooEarly(made)),
        // The paper may be wrong, not the buyer: the day is taken, and does not count.
        Impossible::BeforeShipment => None,
    }
}

fn refused(view: &RegisterView) -> bool {
    let chosen = view.proofs.iter().filter(|choice| Some(choice.kind) == view.chosen);
    let mut fields = [&view.phone, &view.purchased_on].into_iter();
    fields.any(|field| field.fault.is_some())
        || chosen.map(|choice| &choice.field).any(|field| field.fault.is_some())
        || view.consent.missing
}

/// An invoice number as it is kept, if the text is one: it may be typed in groups.
fn invoice(text: &str) -> Option<String> {
    let text = text.chars().map(half_width);
    let text: String = text.filter(|c| !matches!(c, ' ' | '\u{3000}' | '-')).collect();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Some(text).filter(|text| plain && INVOICE_LETTERS.contains(&text.len()))
}

enum Proved {
    Yes,
    No(FieldFault),
    Wait(u32),
}

async fn prove(
    house: &House,
    visit: &Visit,
    known: &Known,
    filled: &Filled,
    kind: ProofKind,
) -> Result<Proved, FlowError> {
    let (number, value) = (known.record.number, filled.value(kind));
    let kind = match kind {
        ProofKind::Invoice => return Ok(Proved::Yes),
        ProofKind::Scratch => proof::ProofKind::Scratch,
        ProofKind::Imei4 => proof::ProofKind::Imei4,
    };
    let typed = format!("{} {value}", filled.proof);
    let key = keyed("register proof", number, &filled.idempotency_key, &typed)?;
    let visitor = visit.counted_as();
    let attempt = Attempt { number, kind, value, visitor: &visitor, pass: visit.pass.as_deref() };
    Ok(match prove_once(house, &attempt, key.as_ref()).await {
        Ok(ProofOutcome::First | ProofOutcome::Again(_) | ProofOutcome::Compare) => Proved::Yes,
        Ok(ProofOutcome::Wrong { .. } | ProofOutcome::NotOffered) => {
            Proved::No(FieldFault::Mismatch)
        }
        Ok(ProofOutcome::Wait(until)) => {
            let seconds = (until.as_second() - visit.now.as_second()).max(1);
            Proved::Wait(u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        Err(FlowError::Refused(_)) => Proved::No(FieldFault::Malformed),
        Err(why) => return Err(why),
    })
}

async fn record(
    house: &House,
    known: &Known,
    filled: &Filled,
    kind: ProofKind,
) -> Result<Bound, FlowError> {
    let number = known.record.number;
    let phone = e164(&filled.phone).unwrap_or_default();
    let invoice = Some(filled.value(kind)).filter(|_| kind == ProofKind::Invoice).and_then(invoice);
    let free = filled.free().into_iter().filter(|(_, ticked)| *ticked);
    let registration = Registration {
        phone,
        purchased_on: filled.purchased_on.trim().parse::<Date>().ok(),
        proof: match kind {
            ProofKind::Scratch => Proof::Scratch,
            ProofKind::Imei4 => Proof::Imei4,
            ProofKind::Invoice => Proof::Invoice,
        },
        invoice: invoice.unwrap_or_default(),
        consents: [Purpose::Registration].into_iter().chain(free.map(|(p, _)| p)).collect(),
    };
    let key = keyed("register", number, &filled.idempotency_key, &filled.whole())?;
    registration::register_once(house, number, &registration, key.as_ref()).await
}

/// The registration is the first start of a product that cannot report its own: once in a life,
/// by whichever form comes first.
async fn activate(house: &House, visit: &Visit, known: &Known) -> Result<(), FlowError> {
    let report = Report {
        scheme: "code".to_owned(),
        value: known.code().to_string(),
        happened_at: visit.now.as_microsecond(),
        offset_minutes: BEIJING_MINUTES,
        fingerprint: None,
        signals: Signals { ip: visit.address, ..Signals::default() },
    };
    let UnitRecord { number, life, .. } = known.record;
    let key = keyed("register start", number, &format!("life-{life}"), "")?;
    if let Some(key) = &key
        && key.replay(house).await?.is_some()
    {
        return Ok(());
    }
    let plain = |_: &activate::Activated| Answer::new(200, String::new());
    activate::activate(house, None, &report, key.as_ref(), &plain).await.map(|_| ())
}

fn view(
    house: &House,
    visit: &Visit,
    found: &Found,
    known: &Known,
    filled: &Filled,
) -> RegisterView {
    let present = present(house, visit, &found.reference, &found.verified);
    let (scratch, imei) = proof::offered(&found.reference, &known.record, known.worn);
    let choice = |kind| ProofChoice { kind, field: typed(filled.value(kind), None) };
    let kinds = [
        scratch.then_some(ProofKind::Scratch),
        imei.then_some(ProofKind::Imei4),
        Some(ProofKind::Invoice),
    ];
    let proofs: Vec<_> = kinds.into_iter().flatten().map(choice).collect();
    let chosen = filled.kind().filter(|kind| proofs.iter().any(|choice| choice.kind == *kind));
    let ticked = |word: &str| ConsentView { ticked: word == "yes", missing: false };
    let url = page_url(known.code().as_str());
    RegisterView {
        lang: visit.lang,
        site: present.site.clone(),
        device: product_view(visit.lang, &known.product, known.code().as_str()),
        action: format!("{url}/register"),
        my_data_url: scratch.then(|| format!("{url}/my-data")),
        back_url: url,
        idempotency_key: form_key(),
        starts_itself: known.product.network_start,
        activates: !known.product.network_start && known.record.activated_at.is_none(),
        today: present.day(known, visit.now),
        phone: typed(&filled.phone, None),
        purchased_on: FieldView { value: filled.purchased_on.trim().to_owned(), fault: None },
        chosen: chosen.or(proofs.first().map(|choice| choice.kind)),
        proofs,
        consent: ticked(&filled.consent),
        free: filled.free().map(|(purpose, on)| (purpose.as_str(), on)).to_vec(),
        kept_years: kept_years(),
    }
}

async fn done(house: &House, visit: &Visit, code: &str, bound: Bound) -> Response {
    let found = match find(house, code).await {
        Ok(found) => found,
        Err(why) => return failed(house, visit, &why).await,
    };
    let present = present(house, visit, &found.reference, &found.verified);
    let warranty = found.verified.unit.as_ref().and_then(|known| present.warranty(known));
    let ends_on = match warranty {
        // What ran from the factory alone and is over is no word to whoever registers now.
        Some(WarrantyView::Dated(coverage)) if coverage.basis != Basis::ExFactory => {
            Some(coverage.ends_on)
        }
        _ => None,
    };
    let dated = found.verified.unit.as_ref().is_some_and(|known| verify::is_dated(&known.record));
    let provisional =
        found.verified.unit.as_ref().is_some_and(|known| {
            known.product.network_start && known.record.activated_at.is_none()
        });
    let url = found.verified.unit.as_ref().map(|known| page_url(known.code().as_str()));
    let url = url.unwrap_or_else(|| page_url(&segment(code)));
    let scratch = found.verified.unit.as_ref().is_some_and(|known| {
        let (scratch, _) = proof::offered(&found.reference, &known.record, known.worn);
        scratch
    });
    let view = DoneView {
        lang: visit.lang,
        site: present.site.clone(),
        done: match bound {
            Bound::Yours => Done::Registered { ends_on, dated, provisional },
            Bound::Before => {
                Done::BoundBefore { my_data_url: scratch.then(|| format!("{url}/my-data")) }
            }
        },
        back_url: url,
    };
    page(visit, StatusCode::OK, render_done(&view))
}
