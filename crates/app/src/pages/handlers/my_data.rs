//! My registration: what is held about the visitor and this unit, shown, given out, corrected,
//! agreed to and erased. A wrong telephone, a wrong code and a unit nobody registered are one
//! answer.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::person::{Purpose, e164};
use domain::scratch::ScratchCode;
use jiff::civil::Date;
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::persons::my_data::{self, Acted, Claimed, Look, Session};
use crate::flows::persons::personal::Held;
use crate::flows::proof::{Attempt, ProofKind, offered};
use crate::flows::verify::Known;
use crate::flows::{FlowError, House};
use crate::pages::device::my_data::{
    ClaimView, ConsentLine, MyDataView, Noted, render_claim, render_my_data,
};
use crate::pages::device::plain::{Done, DoneView, ErrorKind};
use crate::pages::device::present::{page_url, product_view};
use crate::pages::device::render_done;
use crate::pages::device::view::{FieldFault, FieldView};

use super::device::segment;
use super::register::kept_years;
use super::{Found, Sent, Visit, error, failed, find, form_key, keyed, page, present, sent};
use super::{to_device, typed};

/// What the forms send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filled {
    act: String,
    idempotency_key: String,
    token: String,
    phone: String,
    scratch: String,
    purchased_on: String,
    marketing: String,
    location: String,
    share_with_distributor: String,
    sure: String,
}

impl Filled {
    fn ticked(&self) -> Vec<Purpose> {
        let boxes = [
            (Purpose::Marketing, &self.marketing),
            (Purpose::Location, &self.location),
            (Purpose::ShareWithDistributor, &self.share_with_distributor),
        ];
        boxes.into_iter().filter(|(_, word)| *word == "yes").map(|(purpose, _)| purpose).collect()
    }
}

/// What a request is about.
struct Asked<'a> {
    house: &'a House,
    visit: &'a Visit,
    found: &'a Found,
    known: &'a Known,
}

/// How the page of what is held is shown.
enum Shown<'a> {
    /// As things stand, with what was done just now.
    Afresh(Option<Noted>),
    /// With the form that was not taken, and what is wrong with it.
    Refused(&'a Filled),
}

/// `GET /d/{code}/my-data`.
pub async fn ask(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(code): Path<String>,
) -> Response {
    let found = match find(&house, &code).await {
        Ok(found) => found,
        Err(why) => return failed(&house, &visit, &why).await,
    };
    let Some(known) = found.verified.unit.as_deref() else { return to_device(&segment(&code)) };
    let asked = Asked { house: &house, visit: &visit, found: &found, known };
    asked.claim_page(StatusCode::OK, "", [None, None])
}

/// `POST /d/{code}/my-data`.
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
    let Some(known) = found.verified.unit.as_deref() else { return to_device(&segment(&code)) };
    let asked = Asked { house: &house, visit: &visit, found: &found, known };
    let answer = match my_data::session_of(&house, known.record.number, &filled.token) {
        // A session that is over asks who it is again.
        _ if filled.act == "open" => asked.open(&filled).await,
        None => return asked.claim_page(StatusCode::OK, "", [None, None]),
        Some(session) => asked.act(&session, &filled).await,
    };
    match answer {
        Ok(response) => response,
        Err(why) => failed(&house, &visit, &why).await,
    }
}

impl Asked<'_> {
    async fn open(&self, filled: &Filled) -> Result<Response, FlowError> {
        let (phone, digits) = (e164(&filled.phone), filled.scratch.trim());
        let fault = |text: &str, sound: bool| match (text.trim().is_empty(), sound) {
            (true, _) => Some(FieldFault::Missing),
            (_, false) => Some(FieldFault::Malformed),
            _ => None,
        };
        let faults = [
            fault(&filled.phone, phone.is_some()),
            fault(digits, ScratchCode::parse(digits).is_ok()),
        ];
        let wrong = StatusCode::UNPROCESSABLE_ENTITY;
        let (Some(phone), [None, None]) = (phone, faults) else {
            return Ok(self.claim_page(wrong, &filled.phone, faults));
        };
        let visitor = self.visit.counted_as();
        let number = self.known.record.number;
        // Pressed twice it is one try.
        let both = format!("{phone} {digits}");
        let key = keyed("my data", number, &filled.idempotency_key, &both)?;
        let kind = ProofKind::Scratch;
        let attempt = Attempt { number, kind, value: digits, visitor: &visitor, pass: None };
        Ok(match my_data::claim(self.house, &attempt, &phone, key.as_ref()).await? {
            Claimed::Yours(token, session) => {
                self.show(&session, &token, Shown::Afresh(None)).await?
            }
            Claimed::No => self.claim_page(wrong, &filled.phone, [Some(FieldFault::Mismatch); 2]),
            Claimed::NotOffered => self.claim_page(StatusCode::OK, "", [None, None]),
            Claimed::Wait(until) => {
                let seconds = (until.as_second() - self.visit.now.as_second()).max(1);
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                error(self.house, self.visit, ErrorKind::TooMany { seconds }).await
            }
        })
    }

    /// Does one thing. What leaves the registration there answers with the page of it, so that
    /// nobody has to prove themselves again for the next thing.
    async fn act(&self, session: &Session, filled: &Filled) -> Result<Response, FlowError> {
        let house = self.house;
        let acted = match filled.act.as_str() {
            "export" => {
                return Ok(match my_data::held(house, session, Look::Exported).await? {
                    Some(held) => export(&held),
                    None => self.done(Done::Gone),
                });
            }
            "consents" => {
                let acted = my_data::agree(house, session, &filled.ticked()).await?;
                (acted, Done::Agreed)
            }
            "erase" if filled.sure == "yes" => {
                (my_data::erase(house, session).await?, Done::Erased)
            }
            "correct" => {
                let (phone, day) = (e164(&filled.phone), self.day(&filled.purchased_on));
                match (phone, day) {
                    (Some(phone), Ok(day)) => {
                        let acted = my_data::correct(house, session, (&phone, day)).await?;
                        (acted, Done::Corrected)
                    }
                    _ => return self.show(session, &filled.token, Shown::Refused(filled)).await,
                }
            }
            _ => return self.show(session, &filled.token, Shown::Refused(filled)).await,
        };
        let (done, noted) = match acted {
            (Acted::Done, Done::Corrected) => (Done::Corrected, Some(Noted::Corrected)),
            (Acted::Done, Done::Agreed) => (Done::Agreed, Some(Noted::Agreed)),
            (Acted::Done, done) => (done, None),
            (Acted::Gone, _) => (Done::Gone, None),
            (Acted::Held, _) => (Done::KeptByLaw, None),
        };
        // Under another telephone it is another person's now.
        if noted.is_some()
            && let Some(held) = my_data::held(house, session, Look::Opened).await?
        {
            return Ok(self.held_page(&held, &filled.token, Shown::Afresh(noted)));
        }
        Ok(self.done(done))
    }

    fn day(&self, text: &str) -> Result<Date, FieldFault> {
        let day = text.trim().parse::<Date>().map_err(|_| FieldFault::Malformed)?;
        if day > self.today() { Err(FieldFault::InFuture) } else { Ok(day) }
    }

    fn today(&self) -> Date {
        let present = present(self.house, self.visit, &self.found.reference, &self.found.verified);
        present.day(self.known, self.visit.now)
    }

    fn claim_page(
        &self,
        status: StatusCode,
        phone: &str,
        [phone_fault, scratch_fault]: [Option<FieldFault>; 2],
    ) -> Response {
        let known = self.known;
        let url = page_url(known.code().as_str());
        let present = present(self.house, self.visit, &self.found.reference, &self.found.verified);
        let (scratch, _) = offered(&self.found.reference, &known.record, known.worn);
        let view = ClaimView {
            lang: self.visit.lang,
            site: present.site.clone(),
            device: product_view(self.visit.lang, &known.product, known.code().as_str()),
            action: format!("{url}/my-data"),
            back_url: url,
            idempotency_key: form_key(),
            offered: scratch,
            phone: typed(phone, phone_fault),
            scratch: FieldView { value: String::new(), fault: scratch_fault },
        };
        page(self.visit, status, render_claim(&view))
    }

    async fn show(
        &self,
        session: &Session,
        token: &str,
        shown: Shown<'_>,
    ) -> Result<Response, FlowError> {
        Ok(match my_data::held(self.house, session, Look::Opened).await? {
            Some(held) => self.held_page(&held, token, shown),
            None => self.done(Done::Gone),
        })
    }

    /// The page of what is held.
    fn held_page(&self, held: &Held, token: &str, shown: Shown<'_>) -> Response {
        let mut view = self.view(held, token);
        match shown {
            Shown::Afresh(noted) => view.noted = noted,
            Shown::Refused(filled) => {
                view.unsure = filled.act == "erase";
                if filled.act == "correct" {
                    let fault = e164(&filled.phone).is_none().then_some(FieldFault::Malformed);
                    view.phone = typed(&filled.phone, fault);
                    let fault = self.day(&filled.purchased_on).err();
                    view.purchased_on = typed(filled.purchased_on.trim(), fault);
                }
            }
        }
        let wrong = view.unsure || view.phone.fault.is_some() || view.purchased_on.fault.is_some();
        let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        page(self.visit, status, render_my_data(&view))
    }

    fn view(&self, held: &Held, token: &str) -> MyDataView {
        let known = self.known;
        let url = page_url(known.code().as_str());
        let present = present(self.house, self.visit, &self.found.reference, &self.found.verified);
        let today = self.today();
        let day = |text: &str| text.get(..10).and_then(|day| day.parse::<Date>().ok());
        let row = held.registrations.first();
        let line = |purpose: Purpose| ConsentLine {
            purpose: purpose.as_str(),
            given_on: held
                .consents
                .iter()
                .find(|c| c.purpose == purpose.as_str() && c.withdrawn_at.is_none())
                .and_then(|c| day(&c.given_at)),
        };
        MyDataView {
            lang: self.visit.lang,
            site: present.site.clone(),
            device: product_view(self.visit.lang, &known.product, known.code().as_str()),
            action: format!("{url}/my-data"),
            back_url: url,
            token: token.to_owned(),
            today,
            held_phone: held.phone.clone(),
            held_purchase: row.map(|r| r.purchased_on.clone()).unwrap_or_default(),
            phone: typed(&held.phone, None),
            purchased_on: typed(row.map_or("", |r| &r.purchased_on), None),
            invoice: row.map(|r| r.invoice.clone()).unwrap_or_default(),
            registered_on: row.and_then(|r| day(&r.registered_at)).unwrap_or(today),
            displaced_on: row.and_then(|r| r.displaced_at.as_deref()).and_then(day),
            kept_until: row.and_then(|r| r.kept_until.as_deref()).and_then(day),
            kept_years: kept_years(),
            held: held.held_at.is_some(),
            consents: Purpose::ALL.into_iter().filter(|p| p.is_free()).map(line).collect(),
            unsure: false,
            noted: None,
        }
    }

    fn done(&self, done: Done) -> Response {
        let present = present(self.house, self.visit, &self.found.reference, &self.found.verified);
        let view = DoneView {
            lang: self.visit.lang,
            site: present.site.clone(),
            done,
            back_url: page_url(self.known.code().as_str()),
        };
        page(self.visit, StatusCode::OK, render_done(&view))
    }
}

/// All of it as a file.
fn export(held: &Held) -> Response {
    let text = serde_json::to_string_pretty(held).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
    ];
    (headers, text).into_response()
}
