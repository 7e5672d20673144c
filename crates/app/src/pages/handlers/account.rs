//! One's own account in a browser: what to act as, the password, the second factor, sessions.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::audit;
use crate::flows::custody::instant;
use crate::flows::people::credentials::{self, Begun};
use crate::flows::people::sessions::{self, Session};
use crate::flows::people::sign_in::SignInError;
use crate::flows::{FlowError, House};
use crate::guest::Guest;
use crate::pages::agent;
use crate::pages::people::{
    AccountView, FactorView, MembershipView, Notice, SessionView, field, render_account, role_word,
};
use crate::pages::shell::SiteView;
use crate::symbol::Symbol;
use domain::id::{BrandId, PartyId};
use store::canonical::hex;

use super::sign_in::{Returned, ours, returned, welcome};
use super::{Sent, Visit, failed, page};

/// What these forms send; each sends its part.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Told {
    membership: String,
    session: String,
    password: String,
    new_password: String,
    code: String,
    wanted: String,
}

/// What the page says of the command before it.
#[derive(Default)]
struct Said {
    notice: Option<Notice>,
    wrong: Option<(&'static str, &'static str)>,
    codes: Vec<String>,
    status: StatusCode,
}

/// Where each field of a command stands on the page: the name it is refused by, its id.
type Places = &'static [(&'static str, &'static str)];

/// `GET /account`; with `?done`, after a command that was done.
pub async fn show(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let done = query.is_some_and(|query| query.split('&').any(|word| word == "done"));
    let text = || visit.lang.t("people.done").to_owned();
    let notice = done.then(|| Notice { good: true, text: text() });
    shown(&house, &visit, session, Said { notice, ..Said::default() }).await
}

fn to_sign_in() -> Response {
    Redirect::to("/sign-in").into_response()
}

async fn shown(house: &House, visit: &Visit, session: &Session, said: Said) -> Response {
    let Said { notice, wrong, codes, status } = said;
    match view(house, visit, session).await {
        Ok(view) => {
            let view = AccountView { notice, wrong, codes, ..view };
            page(visit, status, render_account(&view))
        }
        Err(why) => failed(house, visit, &why).await,
    }
}

async fn view(house: &House, visit: &Visit, session: &Session) -> Result<AccountView, FlowError> {
    let lang = visit.lang;
    let own = credentials::about(house, session).await?;
    let reference = house.reference().await?;
    let chosen = session.membership.as_ref();
    let audits = match chosen.and_then(|chosen| sessions::caller(&reference, chosen)) {
        Some(caller) => audit::admit(house, &caller).await.is_ok(),
        None => false,
    };
    let membership = |row: &store::people::MembershipRow| MembershipView {
        id: hex(&row.id),
        party: reference.tree.get(PartyId(row.party)).map(|p| p.name.clone()).unwrap_or_default(),
        role: role_word(lang, &row.role),
        chosen: chosen.is_some_and(|chosen| chosen.id == row.id),
    };
    let factor = match credentials::begun(house, session).await? {
        Some(Begun { secret, link }) => {
            let drawing = Symbol::Qr.draw(&link).unwrap_or_default();
            FactorView::Begun { secret, link, drawing }
        }
        None if own.second_factor => FactorView::On(own.recovery_count),
        None => FactorView::Off,
    };
    let told = sessions::list(house, session).await?;
    let told = told.into_iter().map(|told| {
        let used = lang.ago(instant(told.used_at), visit.now);
        SessionView {
            id: told.id,
            present: told.present,
            agent: agent::spoken(lang, &told.place.agent),
            place: lang.join([told.place.address.as_str(), used.as_str()]),
            used,
        }
    });
    let site = visit.site(house, Some(&reference), chosen.map(|m| m.brand));
    // This page also answers forms, at addresses that cannot be opened by a link.
    let other_lang_url = format!("/account{}", site.other_lang_url);
    Ok(AccountView {
        lang,
        site: SiteView { other_lang_url, ..site },
        name: own.names.name,
        sign_in_name: own.names.sign_in,
        notice: None,
        wrong: None,
        codes: Vec::new(),
        memberships: own.memberships.iter().map(membership).collect(),
        factor,
        sessions: told.collect(),
        audits,
        unvouched: chosen.is_some_and(|m| !reference.is_vouched(BrandId(m.brand))),
    })
}

/// What follows a command: the page afresh, so that nothing is sent twice; or as it was, with what
/// is wrong.
async fn answered(
    house: &House,
    visit: &Visit,
    session: &Session,
    done: Result<(), Returned>,
    places: Places,
) -> Response {
    let Err(Returned { status, alert, wrong, message }) = done else {
        return Redirect::to("/account?done").into_response();
    };
    let place = places.iter().find(|(name, _)| Some(*name) == wrong).map(|(_, id)| *id);
    let place = place.map(|id| (id, message.unwrap_or(visit.lang.t("people.fault_line"))));
    // What is wrong with no field of the page is said of the whole.
    let text = message.filter(|_| place.is_none()).map_or(alert, str::to_owned);
    let notice = Some(Notice { good: false, text });
    shown(house, visit, session, Said { notice, wrong: place, status, codes: Vec::new() }).await
}

/// `POST /sign-out`.
pub async fn sign_out(State(house): State<Arc<House>>, visit: Visit, guest: Guest) -> Response {
    if let Some(session) = &guest.session
        && let Err(why) = sessions::sign_out(&house, session).await
    {
        return failed(&house, &visit, &why).await;
    }
    (guest.channel.forget(), Redirect::to("/sign-in")).into_response()
}

/// `POST /account/membership`.
pub async fn choose(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let why = match ours(visit.lang, &guest, sent) {
        Err(why) => why,
        Ok(told) => {
            let wanted = (told.membership.as_str(), &guest.origin);
            match sessions::choose(&house, session, wanted).await {
                Ok(opened) => return welcome(&guest, &opened),
                Err(error) => returned(visit.lang, &error.into()),
            }
        }
    };
    answered(&house, &visit, session, Err(why), &[]).await
}

/// `POST /account/password`.
pub async fn change_password(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let why = match ours(visit.lang, &guest, sent) {
        Err(why) => why,
        Ok(told) => {
            let words = (told.password.as_str(), told.new_password.as_str());
            match credentials::change_password(&house, session, words, &guest.origin).await {
                Ok(opened) => return welcome(&guest, &opened),
                Err(error) => told_of_password(&visit, &error),
            }
        }
    };
    let places: Places = &[("password", field::PRESENT), ("new_password", field::NEXT)];
    answered(&house, &visit, session, Err(why), places).await
}

fn told_of_password(visit: &Visit, error: &SignInError) -> Returned {
    let why = returned(visit.lang, error);
    match why.wrong {
        Some("new_password") => {
            Returned { message: Some(visit.lang.t("people.fault_password")), ..why }
        }
        _ => why,
    }
}

/// `POST /account/session`: ends one.
pub async fn end_session(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let done = match ours(visit.lang, &guest, sent) {
        Err(why) => Err(why),
        Ok(told) => {
            let ended = sessions::end(&house, session, &told.session).await;
            ended.map_err(|error| returned(visit.lang, &error.into()))
        }
    };
    answered(&house, &visit, session, done, &[]).await
}

/// `POST /account/totp`: begins a second factor.
pub async fn begin_totp(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let why = match ours(visit.lang, &guest, sent) {
        Err(why) => why,
        Ok(told) => {
            let password = (told.password.as_str(), &guest.origin);
            match credentials::begin_second_factor(&house, session, password).await {
                Ok(_) => return Redirect::to("/account#factor-h").into_response(),
                Err(error) => returned(visit.lang, &error),
            }
        }
    };
    answered(&house, &visit, session, Err(why), &[("password", field::CONFIRM)]).await
}

/// `POST /account/totp/confirm`: turns it on. The recovery codes are on this page alone.
pub async fn confirm_totp(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let done = match ours(visit.lang, &guest, sent) {
        Err(why) => Err(why),
        Ok(told) => {
            let code = (told.code.as_str(), &guest.origin);
            let codes = credentials::confirm_second_factor(&house, session, code).await;
            codes.map_err(|error| returned(visit.lang, &error.into()))
        }
    };
    with_codes(&house, &visit, session, done, &[("code", field::CODE)]).await
}

/// Recovery codes are told on the page that answers; it cannot be opened again.
async fn with_codes(
    house: &House,
    visit: &Visit,
    session: &Session,
    done: Result<Vec<String>, Returned>,
    places: Places,
) -> Response {
    match done {
        Ok(codes) if !codes.is_empty() => {
            shown(house, visit, session, Said { codes, ..Said::default() }).await
        }
        done => answered(house, visit, session, done.map(|_| ()), places).await,
    }
}

/// `POST /account/totp/change`: other recovery codes, or off.
pub async fn change_totp(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    let done = match ours(visit.lang, &guest, sent) {
        Err(why) => Err(why),
        Ok(told) => {
            let password = (told.password.as_str(), &guest.origin);
            let changed = if told.wanted == "off" {
                let removed = credentials::remove_second_factor(&house, session, password).await;
                removed.map(|()| Vec::new())
            } else {
                credentials::renew_recovery_codes(&house, session, password).await
            };
            changed.map_err(|error| returned(visit.lang, &error))
        }
    };
    with_codes(&house, &visit, session, done, &[("password", field::CONFIRM)]).await
}
