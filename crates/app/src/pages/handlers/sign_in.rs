//! Signing in, setting up and accepting an invitation in a browser. Every form is one of our own
//! pages', or nothing is done.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

use crate::flows::people::accounts::Chosen;
use crate::flows::people::sessions::Opened;
use crate::flows::people::set_up::{self, FirstOwner};
use crate::flows::people::sign_in::{self as signing, Attempt, SignInError, SignedIn};
use crate::flows::people::sign_up;
use crate::flows::{FlowError, House, people};
use crate::guest::{Guest, MadeBy};
use crate::pages::i18n::Lang;
use crate::pages::people::{Asked, FormView, render_form, role_word};
use domain::id::PartyId;
use domain::refusal::Refusal;

use super::{Sent, Visit, page};

/// What these forms send; each sends its part.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Told {
    sign_in_name: String,
    name: String,
    password: String,
    code: String,
    step: String,
    brand_code: String,
    brand_name: String,
}

/// Why a form comes back.
pub(super) struct Returned {
    pub status: StatusCode,
    /// What is said of the whole form.
    pub alert: String,
    /// The field that is wrong, by the name it is sent under.
    pub wrong: Option<&'static str>,
    /// What is said beside it, where it is more than that it is not sound.
    pub message: Option<&'static str>,
}

fn said(status: StatusCode, alert: &str) -> Returned {
    Returned { status, alert: alert.to_owned(), wrong: None, message: None }
}

/// What a person is told of a command that was not done.
pub(super) fn returned(lang: Lang, error: &SignInError) -> Returned {
    let say = |status, key| said(status, lang.t(key));
    let refused = match error {
        SignInError::Refused => return say(StatusCode::UNAUTHORIZED, "people.refused"),
        SignInError::Wait(seconds) => {
            let alert = lang.with("people.wait", "wait", lang.wait(*seconds));
            return said(StatusCode::TOO_MANY_REQUESTS, &alert);
        }
        SignInError::Flow(FlowError::Refused(refused)) => refused,
        SignInError::Flow(_) => {
            return say(StatusCode::SERVICE_UNAVAILABLE, "people.unavailable");
        }
    };
    let form = || say(StatusCode::BAD_REQUEST, "people.fault_form");
    let at = |key, field| Returned { wrong: Some(field), message: Some(lang.t(key)), ..form() };
    match refused.refusal {
        Refusal::UnknownLink | Refusal::UnknownInvitation | Refusal::AlreadyMember => {
            say(StatusCode::NOT_FOUND, "people.link_over")
        }
        Refusal::SetUpOver => say(StatusCode::CONFLICT, "people.set_up_over"),
        Refusal::SignUpClosed => say(StatusCode::FORBIDDEN, "people.sign_up_closed"),
        Refusal::BrandTaken => at("people.fault_brand", "brand_code"),
        Refusal::SignInNameTaken => at("people.fault_taken", "sign_in_name"),
        Refusal::WrongPassword => at("people.fault_present", "password"),
        Refusal::WrongCode => at("people.fault_code", "code"),
        _ => {
            let fields = ["sign_in_name", "name", "password", "new_password", "brand_code"];
            let mut fields = fields.into_iter().chain(["brand_name"]);
            let wrong = fields.find(|field| *field == refused.field);
            Returned { wrong, ..form() }
        }
    }
}

/// A form of ours as it was sent, from a place where a session may be held.
pub(super) fn ours<T>(lang: Lang, guest: &Guest, form: Sent<T>) -> Result<T, Returned> {
    let say = |status, key| said(status, lang.t(key));
    if guest.made_by == MadeBy::Others {
        return Err(say(StatusCode::FORBIDDEN, "people.cross_site"));
    }
    if !guest.channel.is_private() {
        return Err(say(StatusCode::FORBIDDEN, "people.needs_https"));
    }
    form.map(|form| form.0).map_err(|_| say(StatusCode::BAD_REQUEST, "people.fault_form"))
}

/// To one's own account, with the session to hold.
pub(super) fn welcome(guest: &Guest, opened: &Opened) -> Response {
    (guest.channel.hold(&opened.token), Redirect::to("/account")).into_response()
}

/// A form that comes back, or is shown first where nothing is wrong.
async fn shown(
    house: &House,
    visit: &Visit,
    (mut view, fields): (FormView, &[Asked]),
    (told, wrong): (&Told, Option<Returned>),
) -> Response {
    let reference = house.reference().await.ok();
    view.site = visit.site(house, reference.as_deref(), view.brand);
    let typed = |asked: &Asked| match asked {
        Asked::SignInName | Asked::NewSignInName => told.sign_in_name.clone(),
        Asked::Name => told.name.clone(),
        Asked::BrandCode => told.brand_code.clone(),
        Asked::BrandName => told.brand_name.clone(),
        _ => String::new(),
    };
    view.fields = fields.iter().map(|asked| (*asked, typed(asked))).collect();
    let mut status = StatusCode::OK;
    if let Some(Returned { status: why, alert, wrong, message }) = wrong {
        let field = fields.iter().copied().find(|asked| Some(asked.name()) == wrong);
        let beside = |asked: Asked| (asked, message.unwrap_or_else(|| asked.fault(visit.lang)));
        view.wrong = field.map(beside);
        // What is wrong with a field that is not on this form is said of the form.
        let apart = message.filter(|_| field.is_none()).map(str::to_owned);
        view.alert = Some(apart.unwrap_or(alert));
        status = why;
    }
    page(visit, status, render_form(&view))
}

fn form(
    visit: &Visit,
    action: String,
    (title, lead, submit): (&'static str, String, &'static str),
) -> FormView {
    let lang = visit.lang;
    FormView {
        lang,
        // Filled when it is shown.
        site: visit.site_unknown(),
        brand: None,
        title: lang.t(title),
        lead,
        alert: None,
        action,
        fields: Vec::new(),
        wrong: None,
        hidden: Vec::new(),
        submit: lang.t(submit),
        help: None,
        ways: Vec::new(),
    }
}

fn way(lang: Lang, path: &'static str, words: &'static str) -> (&'static str, &'static str) {
    (path, lang.t(words))
}

fn sign_in_form(house: &House, visit: &Visit) -> (FormView, &'static [Asked]) {
    let lang = visit.lang;
    let lead = lang.t("people.sign_in_lead").to_owned();
    let words = ("people.sign_in_title", lead, "people.sign_in_submit");
    let view = form(visit, "/sign-in".to_owned(), words);
    let brings = || way(lang, "/sign-up", "people.sign_up_title");
    let ways = sign_up::admit(house).is_ok().then(brings).into_iter().collect();
    let help = Some(lang.t("people.forgotten"));
    (FormView { help, ways, ..view }, &[Asked::SignInName, Asked::Password])
}

fn code_form(visit: &Visit, step: String) -> (FormView, &'static [Asked]) {
    let lang = visit.lang;
    let lead = lang.t("people.code_lead").to_owned();
    let words = ("people.code_title", lead, "people.code_submit");
    let hidden = vec![("step", step)];
    let view = form(visit, "/sign-in/code".to_owned(), words);
    let ways = vec![way(lang, "/sign-in", "people.sign_in_again")];
    let help = Some(lang.t("people.code_lost"));
    (FormView { hidden, ways, help, ..view }, &[Asked::Code])
}

/// `GET /sign-in`.
pub async fn ask(State(house): State<Arc<House>>, visit: Visit, guest: Guest) -> Response {
    if guest.session.is_some() {
        return Redirect::to("/account").into_response();
    }
    shown(&house, &visit, sign_in_form(&house, &visit), (&Told::default(), None)).await
}

/// `POST /sign-in`: name and password.
pub async fn take(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let told = match ours(visit.lang, &guest, sent) {
        Ok(told) => told,
        Err(why) => {
            let told = Told::default();
            return shown(&house, &visit, sign_in_form(&house, &visit), (&told, Some(why))).await;
        }
    };
    let attempt = Attempt {
        name: told.sign_in_name.clone(),
        password: told.password.clone(),
        code: None,
        origin: guest.origin.clone(),
    };
    match signing::sign_in(&house, &attempt).await {
        Ok(SignedIn::Opened(opened)) => welcome(&guest, &opened),
        Ok(SignedIn::CodeWanted(step)) => {
            shown(&house, &visit, code_form(&visit, step), (&told, None)).await
        }
        Err(error) => {
            let why = returned(visit.lang, &error);
            shown(&house, &visit, sign_in_form(&house, &visit), (&told, Some(why))).await
        }
    }
}

/// `POST /sign-in/code`: the second step.
pub async fn take_code(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let (told, why) = match ours(visit.lang, &guest, sent) {
        Err(why) => (Told::default(), why),
        Ok(told) => {
            let step = (told.step.as_str(), told.code.as_str());
            match signing::sign_in_with_code(&house, step, &guest.origin).await {
                Ok(opened) => return welcome(&guest, &opened),
                Err(error) => (told, told_of_code(visit.lang, &error)),
            }
        }
    };
    let form = code_form(&visit, told.step.clone());
    shown(&house, &visit, form, (&told, Some(why))).await
}

/// In the second step a wrong code is all that can be wrong, besides the time that went by.
fn told_of_code(lang: Lang, error: &SignInError) -> Returned {
    let why = returned(lang, error);
    match error {
        SignInError::Refused => {
            let alert = lang.t("people.fault_form").to_owned();
            Returned {
                alert,
                wrong: Some("code"),
                message: Some(lang.t("people.fault_step")),
                ..why
            }
        }
        _ => why,
    }
}

fn link_form(visit: &Visit, token: &str) -> (FormView, &'static [Asked]) {
    let lead = visit.lang.t("people.sign_in_link").to_owned();
    let words = ("people.sign_in_title", lead, "people.sign_in_submit");
    (form(visit, format!("/sign-in/{token}"), words), &[])
}

/// `GET /sign-in/{token}`: a button, so that whoever looks a link up ahead does not use it up.
pub async fn ask_link(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(token): Path<String>,
) -> Response {
    shown(&house, &visit, link_form(&visit, &token), (&Told::default(), None)).await
}

/// `POST /sign-in/{token}`.
pub async fn take_link(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    Path(token): Path<String>,
) -> Response {
    let why = match ours(visit.lang, &guest, Ok(axum::Form(()))) {
        Err(why) => why,
        Ok(()) => match set_up::sign_in_by_link(&house, &token, &guest.origin).await {
            Ok(opened) => return welcome(&guest, &opened),
            Err(error) => returned(visit.lang, &error.into()),
        },
    };
    over(&house, &visit, link_form(&visit, &token).0, why).await
}

/// A page that says why there is no form.
async fn over(house: &House, visit: &Visit, view: FormView, why: Returned) -> Response {
    let ways = vec![way(visit.lang, "/sign-in", "people.sign_in_title")];
    let view = FormView { action: String::new(), lead: String::new(), ways, ..view };
    shown(house, visit, (view, &[]), (&Told::default(), Some(why))).await
}

const OWNER: [Asked; 3] = [Asked::NewSignInName, Asked::Name, Asked::NewPassword];
const OWNER_AND_BRAND: [Asked; 5] =
    [Asked::BrandCode, Asked::BrandName, Asked::NewSignInName, Asked::Name, Asked::NewPassword];

/// `GET /set-up/{token}`.
pub async fn ask_set_up(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(token): Path<String>,
) -> Response {
    set_up_shown(&house, &visit, &token, (&Told::default(), None)).await
}

async fn set_up_shown(
    house: &House,
    visit: &Visit,
    token: &str,
    came_back: (&Told, Option<Returned>),
) -> Response {
    let lead = visit.lang.t("people.set_up_lead").to_owned();
    let words = ("people.set_up_title", lead, "people.set_up_submit");
    let view = form(visit, format!("/set-up/{token}"), words);
    match set_up::asks_brand(house, token).await {
        Ok(false) => shown(house, visit, (view, &OWNER), came_back).await,
        Ok(true) => shown(house, visit, (view, &OWNER_AND_BRAND), came_back).await,
        Err(error) => over(house, visit, view, returned(visit.lang, &error.into())).await,
    }
}

/// `POST /set-up/{token}`.
pub async fn take_set_up(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    Path(token): Path<String>,
    sent: Sent<Told>,
) -> Response {
    let (told, why) = match ours(visit.lang, &guest, sent) {
        Err(why) => (Told::default(), why),
        Ok(told) => {
            match set_up::set_up(&house, &token, &first_owner(&told), &guest.origin).await {
                Ok(opened) => return welcome(&guest, &opened),
                Err(error) => (told, returned(visit.lang, &error.into())),
            }
        }
    };
    set_up_shown(&house, &visit, &token, (&told, Some(why))).await
}

/// `GET /sign-up`.
pub async fn ask_sign_up(State(house): State<Arc<House>>, visit: Visit) -> Response {
    sign_up_shown(&house, &visit, (&Told::default(), None)).await
}

async fn sign_up_shown(
    house: &House,
    visit: &Visit,
    came_back: (&Told, Option<Returned>),
) -> Response {
    let lead = visit.lang.t("people.sign_up_lead").to_owned();
    let words = ("people.sign_up_title", lead, "people.sign_up_submit");
    let ways = vec![way(visit.lang, "/sign-in", "people.sign_in_instead")];
    let view = FormView { ways, ..form(visit, "/sign-up".to_owned(), words) };
    match sign_up::admit(house) {
        Ok(()) => shown(house, visit, (view, &OWNER_AND_BRAND), came_back).await,
        Err(refused) => {
            let why = returned(visit.lang, &FlowError::from(refused).into());
            over(house, visit, view, why).await
        }
    }
}

/// `POST /sign-up`.
pub async fn take_sign_up(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    sent: Sent<Told>,
) -> Response {
    let (told, why) = match ours(visit.lang, &guest, sent) {
        Err(why) => (Told::default(), why),
        Ok(told) => match sign_up::sign_up(&house, &first_owner(&told), &guest.origin).await {
            Ok(opened) => return welcome(&guest, &opened),
            Err(error) => (told, returned(visit.lang, &error)),
        },
    };
    sign_up_shown(&house, &visit, (&told, Some(why))).await
}

fn first_owner(told: &Told) -> FirstOwner {
    FirstOwner {
        chosen: chosen(told),
        brand_code: told.brand_code.clone(),
        brand_name: told.brand_name.clone(),
    }
}

fn chosen(told: &Told) -> Chosen {
    Chosen {
        sign_in: told.sign_in_name.clone(),
        name: told.name.clone(),
        password: told.password.clone(),
    }
}

/// `GET /invitation/{token}`.
pub async fn ask_invitation(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    Path(token): Path<String>,
) -> Response {
    invitation_shown(&house, &visit, (&guest, &token), (Told::default(), None)).await
}

async fn invitation_shown(
    house: &House,
    visit: &Visit,
    (guest, token): (&Guest, &str),
    (mut told, why): (Told, Option<Returned>),
) -> Response {
    let lang = visit.lang;
    let words = ("people.invitation_title", String::new(), "people.invitation_submit");
    let mut view = form(visit, format!("/invitation/{token}"), words);
    let invitation = match people::invitation(house, token).await {
        Ok(invitation) => invitation,
        Err(error) => return over(house, visit, view, returned(lang, &error.into())).await,
    };
    let party = house.reference().await.ok().and_then(|reference| {
        reference.tree.get(PartyId(invitation.row.party)).map(|party| party.name.clone())
    });
    let party = party.unwrap_or_default();
    view.brand = Some(invitation.row.brand);
    let role = role_word(lang, &invitation.row.role);
    let joins = guest.session.is_some();
    let lead = if joins { "people.invitation_join" } else { "people.invitation_lead" };
    view.lead = lang.tf(lead, &[("party", &party), ("role", &role)]);
    if told.name.is_empty() {
        told.name = invitation.name;
    }
    if !joins {
        view.ways = vec![way(lang, "/sign-in", "people.sign_in_instead")];
    }
    let fields: &[Asked] = if joins { &[] } else { &OWNER };
    shown(house, visit, (view, fields), (&told, why)).await
}

/// `POST /invitation/{token}`.
pub async fn accept(
    State(house): State<Arc<House>>,
    visit: Visit,
    guest: Guest,
    Path(token): Path<String>,
    sent: Sent<Told>,
) -> Response {
    let came_back = match ours(visit.lang, &guest, sent) {
        Err(why) => (Told::default(), why),
        Ok(told) => {
            let chosen = chosen(&told);
            let who = (&chosen, guest.session.as_ref());
            match people::accept(&house, &token, who, &guest.origin).await {
                Ok(opened) => return welcome(&guest, &opened),
                Err(error) => (told, returned(visit.lang, &error)),
            }
        }
    };
    let (told, why) = came_back;
    invitation_shown(&house, &visit, (&guest, &token), (told, Some(why))).await
}
