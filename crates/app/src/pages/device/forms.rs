//! The forms behind the device page: register, report, and the answer to a physical proof.
//!
//! Each is plain HTML that works without a script. A refused form comes back with everything the
//! visitor typed, one message beside each wrong field and a list of them on top. Forms carry
//! `idempotency_key`, so pressing twice is one act. Field names are the contract with the handler;
//! they stand in the doc comments.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::pages::i18n::Lang;
use crate::pages::inline::Icon;
use crate::pages::shell::{CallLine, Shell, SiteView, Tone, href};

use super::my_data::purpose;
use super::parts::{Action, as_printed, size, used_before};
use super::register_words::{day_hint, lead};
use super::render::{DeviceCard, ProofStep, imei_step, scratch_step};
use super::view::{Drawing, FieldFault, FieldView, ProductView, ProofForm};

/// Longest text of a report, in characters. The handler refuses more.
pub const REPORT_LETTERS_MAX: u16 = 1000;
/// Longest name of a shop, or link to its item, in characters: such links carry much beside.
pub const SHOP_LETTERS_MAX: u16 = 500;
/// Longest single-line answer, in characters.
pub const LINE_LETTERS_MAX: u16 = 80;
/// Longest invoice number as typed: 20 digits of a digital invoice, in fours with a space between.
const INVOICE_LETTERS_MAX: u16 = 24;
/// Longest phone number as typed: E.164 has 15 digits; spaces and a plus may stand between.
pub(super) const PHONE_LETTERS_MAX: u16 = 20;

/// One field of a form: label, hint, input, message.
#[derive(Template, Clone, Default)]
#[template(path = "form/field.html")]
pub(in crate::pages) struct InputField {
    pub id: &'static str,
    pub name: &'static str,
    pub label: &'static str,
    pub hint: Option<String>,
    pub kind: &'static str,
    pub inputmode: &'static str,
    pub autocomplete: &'static str,
    pub letters_max: u16,
    pub required: bool,
    pub latest: Option<String>,
    pub value: String,
    pub message: Option<String>,
    /// Whether it takes the cursor when the page opens.
    pub focus: bool,
    /// Whether its label stands before it already: then it is there for the ear alone.
    pub said: bool,
}

/// The field's own template escapes what it writes.
impl HtmlSafe for InputField {}

impl InputField {
    /// A line of text.
    pub(in crate::pages) fn line(id: &'static str, label: &'static str, letters_max: u16) -> Self {
        Self { id, name: id, label, kind: "text", letters_max, required: true, ..Self::default() }
    }

    /// So many digits. `one-time-code` would invite a phone to fill in an SMS: off.
    pub(super) fn digits(id: &'static str, label: &'static str, count: u16) -> Self {
        let line = Self::line(id, label, count);
        Self { inputmode: "numeric", autocomplete: "off", ..line }
    }

    /// The field as the visitor left it.
    pub(super) fn holding(self, lang: Lang, view: &FieldView, malformed: &'static str) -> Self {
        let message = view.fault.map(|fault| message(lang, fault, malformed));
        Self { value: view.value.clone(), message, ..self }
    }

    pub(in crate::pages) fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }

    fn many_lines(&self) -> bool {
        self.kind == "textarea"
    }

    /// The ids of what describes the input beside its label.
    fn described(&self) -> String {
        let mut ids = Vec::new();
        if self.hint.is_some() {
            ids.push(format!("{}-hint", self.id));
        }
        if self.message.is_some() {
            ids.push(format!("{}-fault", self.id));
        }
        ids.join(" ")
    }
}

fn message(lang: Lang, fault: FieldFault, malformed: &'static str) -> String {
    match fault {
        FieldFault::Missing => lang.t("fault.missing").to_owned(),
        FieldFault::Malformed => lang.t(malformed).to_owned(),
        FieldFault::TooLong(max) => lang.with("fault.too_long", "n", max),
        FieldFault::InFuture => lang.t("fault.in_future").to_owned(),
        FieldFault::TooEarly(made) => lang.with("fault.too_early", "date", lang.date(made)),
        FieldFault::Mismatch => lang.t("fault.mismatch").to_owned(),
    }
}

/// A line of the list on top of a refused form.
pub(super) struct Fault {
    pub id: &'static str,
    pub label: &'static str,
    pub message: String,
}

pub(super) fn faults<'a>(fields: impl IntoIterator<Item = &'a InputField>) -> Vec<Fault> {
    let wrong = fields.into_iter().filter_map(|field| {
        let message = field.message.clone()?;
        Some(Fault { id: field.id, label: field.label, message })
    });
    wrong.collect()
}

/// Registration: binding a consumer to the unit. POSTs `idempotency_key`, `phone`,
/// `purchased_on` (YYYY-MM-DD), `proof` (`scratch`, `imei4` or `invoice`) with the field of that
/// name, `consent` and the free purposes (`marketing`, `location`, `share_with_distributor`), each
/// `yes` when ticked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterView {
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
    /// Registering counts as the activation.
    pub activates: bool,
    /// The product reports its own first start: no later day of purchase counts.
    pub starts_itself: bool,
    /// Today in Asia/Shanghai: no later purchase can be chosen.
    pub today: Date,
    /// The consumer's phone.
    pub phone: FieldView,
    /// Date of purchase.
    pub purchased_on: FieldView,
    /// The proofs this unit can give, in the order shown, at least one.
    pub proofs: Vec<ProofChoice>,
    /// The one chosen before; `None` chooses the first.
    pub chosen: Option<ProofKind>,
    /// Consent to keep phone and purchase for the warranty: needed.
    pub consent: ConsentView,
    /// Consent to each free purpose, by the name of its box, and whether it was ticked.
    pub free: Vec<(&'static str, bool)>,
    /// Where what is registered can be seen and erased; none where nothing could prove there who
    /// asks.
    pub my_data_url: Option<String>,
    /// Years a registration is kept after the guarantee.
    pub kept_years: u32,
}

/// One way to show that the unit is in the visitor's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofChoice {
    /// Which one.
    pub kind: ProofKind,
    /// What was typed.
    pub field: FieldView,
}

/// The proofs registration takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// Six digits under the coating of the label.
    Scratch,
    /// Last four digits of the IMEI.
    Imei4,
    /// Invoice number.
    Invoice,
}

/// A box to tick. Never ticked beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsentView {
    /// Ticked by the visitor in a form that came back.
    pub ticked: bool,
    /// It is needed and was not ticked.
    pub missing: bool,
}

struct Choice {
    value: &'static str,
    label: &'static str,
    checked: bool,
    field: InputField,
}

#[derive(Template)]
#[template(path = "form/register.html")]
struct RegisterPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a RegisterView,
    device: DeviceCard<'a>,
    back: &'a str,
    action: &'a str,
    phone: InputField,
    purchased: InputField,
    choices: Vec<Choice>,
    free: Vec<(&'static str, bool, &'static str)>,
    my_data: Option<&'a str>,
    call: Option<CallLine<'a>>,
    lead: String,
    faults: Vec<Fault>,
}

/// The registration form.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_register(view: &RegisterView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let phone = InputField {
        kind: "tel",
        autocomplete: "tel",
        ..InputField::line("phone", lang.t("register.phone"), PHONE_LETTERS_MAX)
    }
    .hint(lang.t("register.phone_hint"))
    .holding(lang, &view.phone, "fault.phone");
    let purchased = InputField {
        kind: "date",
        latest: Some(view.today.to_string()),
        ..InputField::line("purchased_on", lang.t("register.purchased"), 10)
    }
    .hint(&day_hint(view))
    .holding(lang, &view.purchased_on, "fault.date");
    let chosen = view.chosen.or(view.proofs.first().map(|choice| choice.kind));
    let choices: Vec<Choice> =
        view.proofs.iter().map(|given| choice(lang, given, chosen == Some(given.kind))).collect();
    let asked = choices.iter().filter(|choice| choice.checked).map(|choice| &choice.field);
    let mut faults = faults([&phone, &purchased].into_iter().chain(asked));
    if view.consent.missing {
        let message = lang.t("fault.consent").to_owned();
        faults.push(Fault { id: "consent", label: lang.t("register.consent_short"), message });
    }
    let sh = plain_shell(lang, &view.site, lang.t("register.title"), &faults);
    let page = RegisterPage {
        l: lang,
        sh,
        v: view,
        device: DeviceCard::new(&view.device),
        back: href(&view.back_url),
        action: href(&view.action),
        phone,
        purchased,
        choices,
        free: view.free.iter().map(|(name, on)| (*name, *on, purpose(lang, name))).collect(),
        my_data: view.my_data_url.as_deref().map(href),
        call: view.site.call(lang, "privacy.rights_call"),
        lead: lead(view),
        faults,
    };
    page.render()
}

fn choice(lang: Lang, given: &ProofChoice, checked: bool) -> Choice {
    let (value, label, field, malformed) = match given.kind {
        ProofKind::Scratch => (
            "scratch",
            lang.t("register.by_scratch"),
            InputField::digits("scratch", lang.t("proof.scratch_label"), 6),
            "fault.scratch",
        ),
        ProofKind::Imei4 => (
            "imei4",
            lang.t("register.by_imei"),
            InputField::digits("imei4", lang.t("proof.imei_label"), 4)
                .hint(lang.t("register.imei_hint")),
            "fault.imei4",
        ),
        ProofKind::Invoice => (
            "invoice",
            lang.t("register.by_invoice"),
            InputField::line("invoice", lang.t("register.invoice_label"), INVOICE_LETTERS_MAX)
                .hint(lang.t("register.invoice_hint")),
            "fault.invoice",
        ),
    };
    // Only the chosen proof is asked for, so none may be `required` for the browser.
    let said = field.label == label;
    let field = InputField { required: false, said, ..field };
    let field = field.holding(lang, &given.field, malformed);
    Choice { value, label, checked, field }
}

/// The title of a refused form says so first: it is what a screen reader reads first.
pub(super) fn plain_shell<'a>(
    lang: Lang,
    site: &'a SiteView,
    title: &'static str,
    faults: &[Fault],
) -> Shell<'a> {
    let title = match faults.len() {
        0 => lang.join([title, &site.brand]),
        _ => lang.with("fault.page_title", "title", title),
    };
    Shell { site, title, tone: Tone::Plain, rosette: None, narrow: true }
}

/// Report a suspicion. POSTs `idempotency_key`, `shop`, `place`, `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The unit, or `None` where the code belongs to none.
    pub device: Option<ProductView>,
    /// The code, as it was typed where it belongs to none: it stands for the unit then.
    pub code: String,
    /// Whether somebody reads it; else the page says what to do instead.
    pub heard: bool,
    /// Where the form posts.
    pub action: String,
    /// Back to the device page.
    pub back_url: String,
    /// Hidden field.
    pub idempotency_key: String,
    /// The shop's name or web address.
    pub shop: FieldView,
    /// Province and city.
    pub place: FieldView,
    /// What is suspicious.
    pub text: FieldView,
}

#[derive(Template)]
#[template(path = "form/report.html")]
struct ReportPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a ReportView,
    device: Option<DeviceCard<'a>>,
    code: String,
    back: &'a str,
    action: &'a str,
    shop: InputField,
    place: InputField,
    text: InputField,
    faults: Vec<Fault>,
}

/// The report form.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_report(view: &ReportView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let optional = |(id, label, hint), letters_max, typed| {
        let line = InputField::line(id, lang.t(label), letters_max).hint(lang.t(hint));
        InputField { required: false, ..line }.holding(lang, typed, "fault.malformed")
    };
    let asked = ("shop", "report.shop", "report.shop_hint");
    let shop = optional(asked, SHOP_LETTERS_MAX, &view.shop);
    let asked = ("place", "report.place", "report.place_hint");
    let place = optional(asked, LINE_LETTERS_MAX, &view.place);
    let text = InputField {
        kind: "textarea",
        ..InputField::line("text", lang.t("report.text"), REPORT_LETTERS_MAX)
    }
    .hint(&lang.with("report.text_hint", "n", REPORT_LETTERS_MAX))
    .holding(lang, &view.text, "fault.malformed");
    let faults = faults([&text, &shop, &place]);
    let sh = plain_shell(lang, &view.site, lang.t("report.title"), &faults);
    let page = ReportPage {
        l: lang,
        sh,
        v: view,
        device: view.device.as_ref().map(DeviceCard::new),
        code: as_printed(&view.code),
        back: href(&view.back_url),
        action: href(&view.action),
        shop,
        place,
        text,
        faults,
    };
    page.render()
}

/// The answer to a physical proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofResultView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The unit.
    pub device: ProductView,
    /// How it came out.
    pub outcome: ProofOutcome,
    /// The form again, where another try makes sense.
    pub again: Option<ProofForm>,
    /// Back to the device page.
    pub back_url: String,
    /// Report a suspicion.
    pub report_url: Option<String>,
}

/// How a proof came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofOutcome {
    /// The scratch code is right, for the first time: the state is lifted.
    ScratchFirst,
    /// The scratch code is right and was used before.
    ScratchAgain {
        /// When it was first proved.
        first_at: Timestamp,
        /// Where, if known.
        first_city: Option<String>,
    },
    /// The scratch code is wrong.
    ScratchWrong {
        /// Tries left before a wait.
        tries_left: u32,
    },
    /// The digits are those of the unit's IMEI. This lifts nothing.
    ImeiSame,
    /// They are not.
    ImeiDiffers {
        /// Tries left before a wait.
        tries_left: u32,
    },
    /// Not of the form asked for: nothing was compared.
    Unread(ProofKind),
    /// Too many tries.
    Wait {
        /// Seconds until the next try.
        seconds: u32,
    },
}

struct Answer {
    tone: Tone,
    icon: Icon,
    title: &'static str,
    text: String,
    next: &'static str,
}

#[derive(Template)]
#[template(path = "form/proof_result.html")]
struct ProofPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    result: Answer,
    size: &'static str,
    device: DeviceCard<'a>,
    again: Option<ProofStep>,
    main: Option<Action>,
    second: Option<Action>,
}

fn result(view: &ProofResultView) -> Answer {
    let lang = view.lang;
    let say = |tone, icon, title, text: &'static str, next| Answer {
        tone,
        icon,
        title: lang.t(title),
        text: lang.t(text).to_owned(),
        next: lang.t(next),
    };
    match &view.outcome {
        ProofOutcome::ScratchFirst => say(
            Tone::Ok,
            Icon::Genuine,
            "result.first_title",
            "result.first_text",
            "result.first_next",
        ),
        ProofOutcome::ScratchAgain { first_at, first_city } => {
            let when = lang.ago(*first_at, view.site.queried_at);
            let text = used_before(lang, &when, first_city.as_deref());
            let title = "result.again_title";
            let said = say(Tone::Warn, Icon::Look, title, "result.again_text", "result.again_next");
            Answer { text, ..said }
        }
        ProofOutcome::ScratchWrong { tries_left } => {
            let next = called(view, "result.wrong_next", "result.wrong_next_uncalled");
            let (title, text) = ("result.wrong_title", "result.wrong_text");
            let said = say(Tone::Warn, Icon::Look, title, text, next);
            Answer { text: said.text + &left(lang, *tries_left), ..said }
        }
        ProofOutcome::ImeiSame => say(
            Tone::Warn,
            Icon::Look,
            "result.imei_same_title",
            "result.imei_same_text",
            "result.imei_same_next",
        ),
        ProofOutcome::ImeiDiffers { tries_left } => {
            // To look once more helps only whoever may try once more.
            let next = match tries_left {
                0 => "result.imei_differs_last",
                _ => "result.imei_differs_next",
            };
            let (title, text) = ("result.imei_differs_title", "result.imei_differs_text");
            let said = say(Tone::Bad, Icon::Refused, title, text, next);
            Answer { text: said.text + &left(lang, *tries_left), ..said }
        }
        ProofOutcome::Unread(kind) => say(
            Tone::Mute,
            Icon::Note,
            "result.unread_title",
            match kind {
                ProofKind::Imei4 => "result.unread_imei",
                _ => "result.unread_scratch",
            },
            "result.unread_next",
        ),
        ProofOutcome::Wait { seconds } => {
            let next = called(view, "result.wait_next", "result.wait_next_uncalled");
            let (title, text) = ("result.wait_title", "result.wait_text");
            let said = say(Tone::Mute, Icon::Clock, title, text, next);
            Answer { text: lang.with(text, "wait", lang.wait(*seconds)), ..said }
        }
    }
}

/// The sentence that names the hotline, where there is one; else that which does without.
fn called(view: &ProofResultView, with: &'static str, without: &'static str) -> &'static str {
    if view.site.hotline.is_some() { with } else { without }
}

/// How often it may still be tried.
fn left(lang: Lang, tries: u32) -> String {
    match tries {
        0 => lang.t("result.no_try_left").to_owned(),
        1 => lang.t("result.one_try_left").to_owned(),
        n => lang.with("result.tries_left", "n", n),
    }
}

/// The page after a physical proof.
///
/// # Errors
/// As [`super::render_device`].
pub fn render_proof(view: &ProofResultView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let result = result(view);
    let suspicious = matches!(
        view.outcome,
        ProofOutcome::ImeiDiffers { .. } | ProofOutcome::ScratchAgain { .. }
    );
    let report = view.report_url.as_deref().map(|url| Action {
        icon: Icon::Report,
        text: lang.t("action.report"),
        url: href(url).to_owned(),
    });
    let back = Action {
        icon: Icon::Back,
        text: lang.t("action.back"),
        url: href(&view.back_url).to_owned(),
    };
    let (main, second) = if suspicious && report.is_some() {
        (report, Some(back))
    } else {
        // Where nothing was compared nothing is suspicious.
        let calm = matches!(view.outcome, ProofOutcome::ScratchFirst | ProofOutcome::Unread(_));
        let report = report.filter(|_| !calm);
        (Some(back), report)
    };
    let again = view.again.as_ref().map(|form| match view.outcome {
        ProofOutcome::ImeiSame
        | ProofOutcome::ImeiDiffers { .. }
        | ProofOutcome::Unread(ProofKind::Imei4) => imei_step(lang, form),
        _ => scratch_step(lang, form),
    });
    let sh = Shell {
        site: &view.site,
        title: lang.join([result.title, &view.device.name]),
        tone: result.tone,
        rosette: None,
        narrow: true,
    };
    let size = size(result.title);
    let device = DeviceCard::new(&view.device);
    let page = ProofPage { l: lang, sh, result, size, device, again, main, second };
    page.render()
}
