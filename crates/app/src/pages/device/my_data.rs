//! "My registration": what is held about the visitor and this unit, behind telephone and scratch
//! code. Two pages: the one that asks for both, and the one that shows and changes.
//!
//! Both POST to one address, told apart by `act`: `open` with `idempotency_key`, `phone` and
//! `scratch`; then, with the
//! `token` that page carried, `export`, `correct` (`phone`, `purchased_on`), `consents` (one box a
//! purpose, `yes` when ticked) and `erase` (`sure`, `yes` when ticked).

use askama::Template;
use jiff::civil::Date;

use crate::pages::i18n::Lang;
use crate::pages::inline::Icon;
use crate::pages::shell::{CallLine, Shell, SiteView, href};

use super::forms::{Fault, InputField, PHONE_LETTERS_MAX, faults, plain_shell};
use super::render::DeviceCard;
use super::view::{FieldView, ProductView};

/// The page that asks who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The unit.
    pub device: ProductView,
    /// Where the form posts.
    pub action: String,
    /// Back to the device page.
    pub back_url: String,
    /// Hidden field.
    pub idempotency_key: String,
    /// Whether the unit has a scratch code to prove with.
    pub offered: bool,
    /// The telephone.
    pub phone: FieldView,
    /// The scratch code. Never shown again.
    pub scratch: FieldView,
}

#[derive(Template)]
#[template(path = "form/my_data_claim.html")]
struct ClaimPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a ClaimView,
    device: DeviceCard<'a>,
    back: &'a str,
    action: &'a str,
    phone: InputField,
    scratch: InputField,
    faults: Vec<Fault>,
    call: Option<CallLine<'a>>,
}

fn phone_field(lang: Lang, view: &FieldView) -> InputField {
    InputField {
        kind: "tel",
        autocomplete: "tel",
        ..InputField::line("phone", lang.t("register.phone"), PHONE_LETTERS_MAX)
    }
    .holding(lang, view, "fault.phone")
}

/// The page that asks for telephone and scratch code.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_claim(view: &ClaimView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let phone = phone_field(lang, &view.phone);
    let scratch = InputField::digits("scratch", lang.t("proof.scratch_label"), 6).holding(
        lang,
        &view.scratch,
        "fault.scratch",
    );
    let faults = faults([&phone, &scratch]);
    let page = ClaimPage {
        l: lang,
        sh: plain_shell(lang, &view.site, lang.t("mydata.title"), &faults),
        v: view,
        device: DeviceCard::new(&view.device),
        back: href(&view.back_url),
        action: href(&view.action),
        phone,
        scratch,
        faults,
        call: view.site.call(lang, "privacy.rights_call"),
    };
    page.render()
}

/// The page that shows what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MyDataView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The unit.
    pub device: ProductView,
    /// Where the forms post.
    pub action: String,
    /// Back to the device page.
    pub back_url: String,
    /// What was proven.
    pub token: String,
    /// Today in Asia/Shanghai.
    pub today: Date,
    /// The telephone that is held.
    pub held_phone: String,
    /// The day of purchase that is held, YYYY-MM-DD; may be empty.
    pub held_purchase: String,
    /// The telephone in the form that corrects it.
    pub phone: FieldView,
    /// The day of purchase in that form.
    pub purchased_on: FieldView,
    /// Invoice number; may be empty.
    pub invoice: String,
    /// When the unit was registered.
    pub registered_on: Date,
    /// Since when it binds nothing, since somebody proved more.
    pub displaced_on: Option<Date>,
    /// Until when it is kept as things stand.
    pub kept_until: Option<Date>,
    /// Years it is kept after the guarantee.
    pub kept_years: u32,
    /// Whether a legal hold keeps it from being changed.
    pub held: bool,
    /// The free purposes, and since when each is agreed to.
    pub consents: Vec<ConsentLine>,
    /// Erasing was asked for without saying that one is sure.
    pub unsure: bool,
    /// What was done just now.
    pub noted: Option<Noted>,
}

/// What was done, and leaves the page as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// Telephone or day of purchase were corrected.
    Corrected,
    /// The consents are as ticked.
    Agreed,
}

/// A free purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentLine {
    /// The name of its box.
    pub purpose: &'static str,
    /// Since when it is agreed to.
    pub given_on: Option<Date>,
}

struct Line {
    name: &'static str,
    value: String,
}

struct Box<'a> {
    name: &'a str,
    label: &'static str,
    ticked: bool,
    since: Option<String>,
}

#[derive(Template)]
#[template(path = "form/my_data.html")]
struct MyDataPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a MyDataView,
    device: DeviceCard<'a>,
    back: &'a str,
    action: &'a str,
    lines: Vec<Line>,
    phone: InputField,
    purchased: InputField,
    boxes: Vec<Box<'a>>,
    faults: Vec<Fault>,
    notice: Option<String>,
    displaced: Option<String>,
}

/// The sentence of a purpose.
pub(super) fn purpose(lang: Lang, word: &str) -> &'static str {
    lang.t(match word {
        "marketing" => "consent.marketing",
        "location" => "consent.location",
        _ => "consent.share",
    })
}

fn notice(lang: Lang, noted: Noted) -> String {
    let (title, text) = match noted {
        Noted::Corrected => ("done.corrected_title", "done.corrected_text"),
        Noted::Agreed => ("done.agreed_title", "done.agreed_text"),
    };
    lang.with("fault.line", "field", lang.t(title)) + lang.t(text)
}

/// The page that shows what is held, and changes it.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_my_data(view: &MyDataView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let phone = phone_field(lang, &view.phone);
    let purchased = InputField {
        kind: "date",
        latest: Some(view.today.to_string()),
        ..InputField::line("purchased_on", lang.t("register.purchased"), 10)
    }
    .holding(lang, &view.purchased_on, "fault.date");
    let mut faults = faults([&phone, &purchased]);
    if view.unsure {
        let message = lang.t("mydata.unsure").to_owned();
        faults.push(Fault { id: "sure", label: lang.t("mydata.erase_title"), message });
    }
    let kept = match view.kept_until {
        Some(on) => lang.with("mydata.kept_until", "date", lang.date(on)),
        None => lang.with("mydata.kept_open", "n", view.kept_years),
    };
    let purchased_on = &view.held_purchase;
    let bought = purchased_on.parse().map(|on: Date| lang.date(on));
    let lines = [
        ("register.phone", view.held_phone.clone()),
        ("register.purchased", bought.unwrap_or_else(|_| purchased_on.clone())),
        ("register.invoice_label", view.invoice.clone()),
        ("mydata.registered_on", lang.date(view.registered_on)),
        ("mydata.kept", kept),
    ];
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    let boxes = view.consents.iter().map(|line| Box {
        name: line.purpose,
        label: purpose(lang, line.purpose),
        ticked: line.given_on.is_some(),
        since: line.given_on.map(|on| lang.with("consent.since", "date", lang.date(on))),
    });
    let page = MyDataPage {
        l: lang,
        sh: plain_shell(lang, &view.site, lang.t("mydata.title"), &faults),
        v: view,
        device: DeviceCard::new(&view.device),
        back: href(&view.back_url),
        action: href(&view.action),
        lines: lines.map(|(key, value)| Line { name: lang.t(key), value }).collect(),
        phone,
        purchased,
        boxes: boxes.collect(),
        faults,
        notice: view.noted.map(|noted| notice(lang, noted)),
        displaced: view.displaced_on.map(|on| lang.with("mydata.displaced", "date", lang.date(on))),
    };
    page.render()
}
