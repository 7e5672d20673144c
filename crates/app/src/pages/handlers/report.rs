//! Report a suspicion, about a unit or about a code that belongs to none. Of the latter the brand
//! hears that the deployment vouches for; where those are several nobody can tell whose it would
//! be, and the page says so instead of taking words that nobody would read.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::BrandId;
use domain::text::{REPORT_CHARS_MAX, one_line, required};
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::lifecycle::{self, Suspect};
use crate::flows::verify::QUERY_CHARS_MAX;
use crate::flows::{FlowError, House};
use crate::pages::device::forms::{
    LINE_LETTERS_MAX, REPORT_LETTERS_MAX, ReportView, SHOP_LETTERS_MAX,
};
use crate::pages::device::plain::{Done, DoneView, ErrorKind};
use crate::pages::device::present::{page_url, product_view};
use crate::pages::device::view::FieldView;
use crate::pages::device::{render_done, render_report};

use super::device::segment;
use super::{Found, Sent, Visit, error, failed, find, form_key, keyed, page, present, sent};
use super::{text_fault, typed};

/// What parts the words that are kept.
const BETWEEN: &str = " | ";

// All that the form takes is kept.
const _: () = assert!(
    (REPORT_LETTERS_MAX + SHOP_LETTERS_MAX + LINE_LETTERS_MAX) as usize + 2 * BETWEEN.len()
        <= REPORT_CHARS_MAX
);

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    idempotency_key: String,
    shop: String,
    place: String,
    text: String,
}

/// `GET /d/{code}/report`.
pub async fn ask(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(code): Path<String>,
) -> Response {
    match find(&house, &code).await {
        Ok(found) if !is_sound(&found, &code) => error(&house, &visit, ErrorKind::Unreadable).await,
        Ok(found) => {
            let fields = [FieldView::default(), FieldView::default(), FieldView::default()];
            let view = view(&house, &visit, &found, &code, fields);
            page(&visit, StatusCode::OK, render_report(&view))
        }
        Err(why) => failed(&house, &visit, &why).await,
    }
}

/// `POST /d/{code}/report`.
pub async fn take(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(code): Path<String>,
    form: Sent<Told>,
) -> Response {
    let told = match sent(&visit, form) {
        Ok(told) => told,
        Err(kind) => return error(&house, &visit, kind).await,
    };
    let found = match find(&house, &code).await {
        Ok(found) => found,
        Err(why) => return failed(&house, &visit, &why).await,
    };
    if !is_sound(&found, &code) {
        return error(&house, &visit, ErrorKind::Unreadable).await;
    }
    let fields = fields(&told);
    let about = suspect(&found, &code);
    let faulty = fields.iter().any(|field| field.fault.is_some());
    let Some(about) = about.filter(|_| !faulty) else {
        let view = view(&house, &visit, &found, &code, fields);
        return page(&visit, StatusCode::UNPROCESSABLE_ENTITY, render_report(&view));
    };
    match record(&house, &about, &told).await {
        Ok(reference) => done(&house, &visit, &found, &code, reference),
        Err(why) => failed(&house, &visit, &why).await,
    }
}

/// Whether a code that is none of ours can be kept as it was typed.
fn is_sound(found: &Found, code: &str) -> bool {
    found.verified.unit.is_some() || required(code, QUERY_CHARS_MAX).is_ok()
}

/// What the report is about; none where nobody would hear of it.
fn suspect(found: &Found, code: &str) -> Option<Suspect> {
    match &found.verified.unit {
        Some(known) => Some(Suspect::Unit(known.record.number, BrandId(known.record.brand))),
        None => Some(Suspect::Code(found.reference.sole_brand()?, code.trim().to_owned())),
    }
}

fn fields(told: &Told) -> [FieldView; 3] {
    // The browser counts a line end as one character, and sends two.
    let text = told.text.replace("\r\n", "\n");
    [
        typed(&told.shop, text_fault(&told.shop, SHOP_LETTERS_MAX, false)),
        typed(&told.place, text_fault(&told.place, LINE_LETTERS_MAX, false)),
        typed(&text, text_fault(&one_line(&text), REPORT_LETTERS_MAX, true)),
    ]
}

/// Keeps the words: what was seen, then where.
async fn record(house: &House, about: &Suspect, told: &Told) -> Result<String, FlowError> {
    let text = one_line(&told.text);
    let parts = [&*text, &*told.shop, &*told.place];
    let parts = parts.map(str::trim).into_iter().filter(|part| !part.is_empty());
    let words = parts.collect::<Vec<_>>().join(BETWEEN);
    // One form is about one code: sent of another it is another report.
    let (number, typed) = match about {
        Suspect::Unit(number, _) => (*number, words.clone()),
        Suspect::Code(_, code) => (0, format!("{code}\n{words}")),
    };
    let key = keyed("report", number, &told.idempotency_key, &typed)?;
    lifecycle::report_once(house, about, &words, key.as_ref()).await
}

fn url_of(found: &Found, code: &str) -> String {
    match &found.verified.unit {
        Some(known) => page_url(known.code().as_str()),
        None => page_url(&segment(code)),
    }
}

fn view(
    house: &House,
    visit: &Visit,
    found: &Found,
    code: &str,
    [shop, place, text]: [FieldView; 3],
) -> ReportView {
    let url = url_of(found, code);
    // A code no factory has used shows no product: its label may stand on anything.
    let known = found.verified.unit.as_deref();
    let known = known.filter(|known| known.record.produced_at.is_some());
    ReportView {
        lang: visit.lang,
        site: present(house, visit, &found.reference, &found.verified).site,
        device: known.map(|k| product_view(visit.lang, &k.product, k.code().as_str())),
        code: match &found.verified.unit {
            Some(known) => known.code().to_string(),
            None => code.trim().to_owned(),
        },
        heard: suspect(found, code).is_some(),
        action: format!("{url}/report"),
        back_url: url,
        idempotency_key: form_key(),
        shop,
        place,
        text,
    }
}

fn done(house: &House, visit: &Visit, found: &Found, code: &str, reference: String) -> Response {
    let view = DoneView {
        lang: visit.lang,
        site: present(house, visit, &found.reference, &found.verified).site,
        done: Done::Reported { reference, of_unit: found.verified.unit.is_some() },
        back_url: url_of(found, code),
    };
    page(visit, StatusCode::OK, render_done(&view))
}
