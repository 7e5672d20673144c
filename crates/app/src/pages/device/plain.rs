//! The pages without a verdict: service centres, "done", what we record, errors.

use askama::Template;
use jiff::civil::Date;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::pages::event_words::event_words;
use crate::pages::i18n::Lang;
use crate::pages::inline::Icon;
use crate::pages::shell::{CallLine, Shell, SiteView, Tone, href};

use super::render::{CentreRow, centre_rows};
use super::view::CentresView;

fn shell<'a>(lang: Lang, site: &'a SiteView, title: &str) -> Shell<'a> {
    let title = lang.join([title, &site.brand]);
    Shell { site, title, tone: Tone::Plain, rosette: None, narrow: true }
}

/// All service centres.
#[derive(Clone, Debug, PartialEq)]
pub struct CentresPageView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// Back to the device page.
    pub back_url: Option<String>,
    /// Where the search leads, a GET with `q`; `None` shows no search.
    pub search_url: Option<String>,
    /// What was searched for.
    pub query: String,
    /// The result.
    pub centres: CentresView,
    /// Other places that what was searched for names.
    pub others: Vec<String>,
}

#[derive(Template)]
#[template(path = "plain/centres.html")]
struct CentresPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a CentresPageView,
    back: Option<&'a str>,
    search: Option<&'a str>,
    rows: Vec<CentreRow<'a>>,
    none: &'static str,
    others: Vec<Other<'a>>,
}

/// A place that is searched for by a tap.
struct Other<'a> {
    name: &'a str,
    url: String,
}

/// The list of service centres.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_centres(view: &CentresPageView) -> Result<String, askama::Error> {
    let page = CentresPage {
        l: view.lang,
        sh: shell(view.lang, &view.site, view.lang.t("centres.title")),
        back: view.back_url.as_deref().map(href),
        search: view.search_url.as_deref().map(href),
        rows: centre_rows(view.lang, &view.centres),
        none: view.lang.t(match view.site.hotline {
            Some(_) => "centres.none_text",
            None => "centres.none_text_uncalled",
        }),
        others: others(view),
        v: view,
    };
    page.render()
}

fn others(view: &CentresPageView) -> Vec<Other<'_>> {
    let Some(url) = view.search_url.as_deref().map(href) else { return Vec::new() };
    let query = |name| utf8_percent_encode(name, NON_ALPHANUMERIC);
    let other = |name| Other { name, url: format!("{url}?q={}", query(name)) };
    view.others.iter().map(String::as_str).map(other).collect()
}

/// A form was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// Which form.
    pub done: Done,
    /// Back to the device page.
    pub back_url: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The consumer is bound.
    Registered {
        /// The last covered day as it stands now, where known.
        ends_on: Option<Date>,
        /// Whether the day of purchase counts for the guarantee.
        dated: bool,
        /// The unit will report its own first start, from which the guarantee runs then.
        provisional: bool,
    },
    /// Somebody registered before; that stands.
    BoundBefore {
        /// Where whoever it was sees and corrects it, if something can prove there who asks.
        my_data_url: Option<String>,
    },
    /// What is held was corrected.
    Corrected,
    /// The consents are as ticked.
    Agreed,
    /// The registration is erased.
    Erased,
    /// A legal hold keeps it.
    KeptByLaw,
    /// There is nothing of it any more.
    Gone,
    /// The report is in.
    Reported {
        /// What to quote when calling.
        reference: String,
        /// It is about a unit, not about a code of nobody.
        of_unit: bool,
    },
}

#[derive(Template)]
#[template(path = "plain/done.html")]
struct DonePage<'a> {
    l: Lang,
    sh: Shell<'a>,
    /// Whether what was asked for was done.
    good: bool,
    title: &'static str,
    text: String,
    reference: Option<&'a str>,
    /// What else there is to say, and where it is done.
    more: Option<(&'static str, Option<&'a str>)>,
    back: &'a str,
}

/// The page after a form was taken.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_done(view: &DoneView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let said = |key| lang.t(key).to_owned();
    let (title, text, reference) = match &view.done {
        Done::Registered { ends_on, dated, provisional } => {
            let until = match ends_on {
                Some(on) if *provisional => {
                    lang.with("done.registered_until_start", "date", lang.date(*on))
                }
                Some(on) => lang.with("done.registered_until", "date", lang.date(*on)),
                None => lang.t("done.registered_text").to_owned(),
            };
            let undated = if *dated { "" } else { lang.t("done.registered_undated") };
            let gap = if *dated || lang == Lang::Zh { "" } else { " " };
            ("done.registered_title", format!("{until}{gap}{undated}"), None)
        }
        Done::BoundBefore { .. } => ("done.bound_title", said("done.bound_text"), None),
        Done::Corrected => ("done.corrected_title", said("done.corrected_text"), None),
        Done::Agreed => ("done.agreed_title", said("done.agreed_text"), None),
        Done::Erased => ("done.erased_title", said("done.erased_text"), None),
        Done::KeptByLaw => ("done.kept_title", said("mydata.held"), None),
        Done::Gone => ("done.gone_title", said("done.gone_text"), None),
        Done::Reported { reference, of_unit } => {
            let text = if *of_unit { "done.reported_text" } else { "done.reported_code" };
            ("done.reported_title", said(text), Some(reference.as_str()))
        }
    };
    let good = !matches!(view.done, Done::BoundBefore { .. } | Done::KeptByLaw | Done::Gone);
    // Whoever only mistyped is told where that is put right, and by what the guarantee is.
    let more = match &view.done {
        Done::BoundBefore { my_data_url: Some(url) } => {
            Some((lang.t("done.bound_correct"), Some(href(url))))
        }
        Done::BoundBefore { my_data_url: None } => Some((lang.t("done.bound_correct_call"), None)),
        _ => None,
    };
    let title = lang.t(title);
    let sh = shell(lang, &view.site, title);
    DonePage { l: lang, sh, good, title, text, reference, more, back: href(&view.back_url) }
        .render()
}

/// What we record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// For how many days the address of a first start and the words of a report are kept.
    pub kept_days: u32,
    /// For how many days tries of a proof are kept.
    pub tries_kept_days: u32,
    /// Back to the device page.
    pub back_url: Option<String>,
}

#[derive(Template)]
#[template(path = "plain/privacy.html")]
struct PrivacyPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a PrivacyView,
    back: Option<&'a str>,
    scan_kept: String,
    call: Option<CallLine<'a>>,
}

/// The page "what we record".
///
/// # Errors
/// As [`super::render_device`].
pub fn render_privacy(view: &PrivacyView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let kept = ["privacy.scan_kept_one", "privacy.scan_kept"];
    let page = PrivacyPage {
        l: lang,
        sh: shell(lang, &view.site, lang.t("privacy.title")),
        v: view,
        back: view.back_url.as_deref().map(href),
        scan_kept: lang.count(kept, view.tries_kept_days.into()),
        call: view.site.call(lang, "privacy.questions_call"),
    };
    page.render()
}

/// The page that checks proofs in the visitor's own browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The zone that times are told in, by its name in the table of zones.
    pub zone: String,
    /// How many entries this deployment's signed head covers.
    pub size: u64,
    /// The key that opens it, once there is one.
    pub public_key: Option<String>,
}

#[derive(Template)]
#[template(path = "plain/history.html")]
struct HistoryPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a HistoryView,
    /// What events are called, as JSON.
    kinds: String,
    /// In which zone times are told.
    times: String,
    entries: String,
}

/// The page that checks proofs.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_history(view: &HistoryView) -> Result<String, askama::Error> {
    let sh = shell(view.lang, &view.site, view.lang.t("history.title"));
    let kinds = event_words(view.lang);
    let zone = match view.zone.as_str() {
        "Asia/Shanghai" => view.lang.t("history.beijing"),
        other => other,
    };
    let times = view.lang.with("history.times", "zone", zone);
    let entries = view.lang.with("history.entries", "n", view.lang.number(view.size));
    HistoryPage { l: view.lang, sh, v: view, kinds, times, entries }.render()
}

/// Something went wrong, with a way forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// What.
    pub kind: ErrorKind,
    /// What to quote when calling.
    pub reference: Option<String>,
    /// The same page again.
    pub retry_url: Option<String>,
    /// Where a code can be looked up, a GET with `code`; `None` shows no box.
    pub lookup_url: Option<String>,
    /// Whether a form was sent, which is then worth going back to.
    pub sent_form: bool,
}

/// The errors a visitor can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 400: the address or form cannot be read.
    Unreadable,
    /// 403: the page of another site sent the form.
    CrossSite,
    /// 429.
    TooMany {
        /// Seconds until the next try.
        seconds: u32,
    },
    /// 500 and 503.
    Internal,
}

#[derive(Template)]
#[template(path = "plain/error.html")]
struct ErrorPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a ErrorView,
    title: &'static str,
    text: String,
    retry: Option<&'a str>,
    lookup: Option<&'a str>,
}

/// The error page.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_error(view: &ErrorView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let (title, text) = match view.kind {
        ErrorKind::NotFound => ("error.not_found", lang.t("error.not_found_text").to_owned()),
        ErrorKind::Unreadable => ("error.unreadable", lang.t("error.unreadable_text").to_owned()),
        ErrorKind::CrossSite => ("error.unreadable", lang.t("people.cross_site").to_owned()),
        ErrorKind::TooMany { seconds } => {
            let text = lang.with("error.too_many_text", "wait", lang.wait(seconds));
            let form = if view.sent_form { lang.t("error.too_many_form") } else { "" };
            ("error.too_many", text + form)
        }
        ErrorKind::Internal => ("error.internal", lang.t("error.internal_text").to_owned()),
    };
    let title = lang.t(title);
    let page = ErrorPage {
        l: lang,
        sh: shell(lang, &view.site, title),
        title,
        text,
        retry: view.retry_url.as_deref().map(href),
        lookup: view.lookup_url.as_deref().map(href),
        v: view,
    };
    page.render()
}

/// The start page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// Where a code is looked up, a GET with `code`.
    pub lookup_url: String,
    /// What was typed, shown again with the hint.
    pub typed: String,
    /// Why nothing was looked up.
    pub hint: Option<LookupHint>,
}

/// Why a text leads to no page. None of them is a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupHint {
    /// There is nothing but spaces.
    Nothing,
    /// It is an IMEI.
    Imei,
    /// It is the serial number of a unit.
    Serial,
    /// It has so many characters, which is not what a code has.
    Length(usize),
    /// At this place stands a character that no code has.
    Foreign(usize, char),
}

fn lookup_hint(lang: Lang, hint: LookupHint) -> String {
    match hint {
        LookupHint::Nothing => lang.t("lookup.nothing").to_owned(),
        LookupHint::Imei => lang.t("lookup.imei").to_owned(),
        LookupHint::Serial => lang.t("lookup.serial").to_owned(),
        LookupHint::Length(1) => lang.t("lookup.length_one").to_owned(),
        LookupHint::Length(found) => lang.with("lookup.length", "n", found),
        LookupHint::Foreign(at, found) => {
            lang.tf("lookup.foreign", &[("at", &at), ("found", &found)])
        }
    }
}

#[derive(Template)]
#[template(path = "plain/home.html")]
struct HomePage<'a> {
    l: Lang,
    sh: Shell<'a>,
    lookup: &'a str,
    typed: &'a str,
    hint: Option<String>,
}

/// The start page: a box for a code.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_home(view: &HomeView) -> Result<String, askama::Error> {
    let sh = shell(view.lang, &view.site, view.lang.t("home.title"));
    let hint = view.hint.map(|hint| lookup_hint(view.lang, hint));
    let lookup = href(&view.lookup_url);
    HomePage { l: view.lang, sh, lookup, typed: &view.typed, hint }.render()
}
