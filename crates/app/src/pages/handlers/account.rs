//! One's own account in a browser: what to act as, the password, the second factor, sessions.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::custody::instant;
use crate::flows::people::credentials::{self, Begun};
use crate::flows::people::sessions::{self, Session};
use crate::flows::people::sign_in::SignInError;
use crate::flows::{FlowError, House};
use crate::guest::Guest;
use crate::pages::people::{
    AccountView, FactorView, MembershipView, Notice, SessionView, render_account, role_word,
};
use crate::symbol::Symbol;
use domain::id::PartyId;
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

/// What became of a command: what to say, recovery codes to show.
type Done = (Option<Notice>, Vec<String>, StatusCode);

/// `GET /account`.
pub async fn show(State(house): State<Arc<House>>, visit: Visit, guest: Guest) -> Response {
    let Some(session) = &guest.session else { return to_sign_in() };
    shown(&house, &visit, session, (None, Vec::new(), StatusCode::OK)).await
}

fn to_sign_in() -> Response {
    Redirect::to("/sign-in").into_response()
}

async fn shown(house: &House, visit: &Visit, session: &Session, done: Done) -> Response {
    let (notice, codes, status) = done;
    match view(house, visit, session).await {
        Ok(view) => {
            let view = AccountView { notice, codes, ..view };
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
    let told = told.into_iter().map(|told| SessionView {
        id: told.id,
        present: told.present,
        agent: told.place.agent,
        address: told.place.address,
        used: lang.ago(instant(told.used_at), visit.now),
    });
    Ok(AccountView {
        lang,
        site: visit.site(house, Some(&reference), chosen.map(|m| m.brand)),
        name: own.names.name,
        sign_in_name: own.names.sign_in,
        notice: None,
        codes: Vec::new(),
        memberships: own.memberships.iter().map(membership).collect(),
        factor,
        sessions: told.collect(),
    })
}

/// The page again, with what became of the command.
async fn answered(
    house: &House,
    visit: &Visit,
    session: &Session,
    done: Result<Vec<String>, Returned>,
) -> Response {
    let said = match done {
        Ok(codes) => {
            let text = visit.lang.t("people.done").to_owned();
            (Some(Notice { good: true, text }), codes, StatusCode::OK)
        }
        Err(why) => {
            let notice = Notice { good: false, text: why.alert };
            (Some(notice), Vec::new(), why.status)
        }
    };
    shown(house, visit, session, said).await
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
    answered(&house, &visit, session, Err(why)).await
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
    answered(&house, &visit, session, Err(why)).await
}

fn told_of_password(visit: &Visit, error: &SignInError) -> Returned {
    let why = returned(visit.lang, error);
    match why.wrong {
        Some("new_password") => {
            Returned { alert: visit.lang.t("people.fault_password").to_owned(), ..why }
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
        Ok(told) => match sessions::end(&house, session, &told.session).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) => Err(returned(visit.lang, &error.into())),
        },
    };
    answered(&house, &visit, session, done).await
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
    answered(&house, &visit, session, Err(why)).await
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
    answered(&house, &visit, session, done).await
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
    answered(&house, &visit, session, done).await
}
