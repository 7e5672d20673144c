//! Pages of the people who work here: signing in, setting up, accepting an invitation, one's own
//! account. Plain forms that work without a script and take what a password store fills in.

use askama::Template;

use crate::pages::device::forms::InputField;
use crate::pages::i18n::Lang;
use crate::pages::inline::Icon;
use crate::pages::shell::{Shell, SiteView, Tone};

/// Longest password and name, in characters, as the rules take them.
const PASSWORD_LETTERS_MAX: u16 = 128;
const NAME_LETTERS_MAX: u16 = 200;
const SIGN_IN_LETTERS_MAX: u16 = 64;
const CODE_LETTERS_MAX: u16 = 32;
const FIRST_CODE_DIGITS: u16 = 6;

/// The fields these forms ask for, with the names they are sent under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `sign_in_name` of an account there is.
    SignInName,
    /// `sign_in_name` of one that is made.
    NewSignInName,
    /// `name`.
    Name,
    /// `password` of an account there is.
    Password,
    /// The same, asked for again by whoever is signed in.
    PresentPassword,
    /// `password` of one that is made, or that changes.
    NewPassword,
    /// `new_password`.
    NextPassword,
    /// `code` of an authenticator or for recovery.
    Code,
    /// `code` of an authenticator that is being added.
    FirstCode,
    /// `brand_code`.
    BrandCode,
    /// `brand_name`.
    BrandName,
}

impl Asked {
    /// The name it is sent under, which refusals name too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignInName | Self::NewSignInName => "sign_in_name",
            Self::Name => "name",
            Self::Password | Self::PresentPassword | Self::NewPassword => "password",
            Self::NextPassword => "new_password",
            Self::Code | Self::FirstCode => "code",
            Self::BrandCode => "brand_code",
            Self::BrandName => "brand_name",
        }
    }

    fn is_secret(self) -> bool {
        use Asked::{Code, FirstCode, NewPassword, NextPassword, Password, PresentPassword};
        matches!(self, Password | PresentPassword | NewPassword | NextPassword | Code | FirstCode)
    }

    fn field(self, lang: Lang) -> InputField {
        let line = |label, most| InputField::line(self.name(), label, most);
        let password = |label, autocomplete| InputField {
            kind: "password",
            autocomplete,
            ..line(label, PASSWORD_LETTERS_MAX)
        };
        let hint = lang.t("people.password_hint");
        match self {
            Self::SignInName => InputField {
                autocomplete: "username",
                ..line(lang.t("people.sign_in_name"), SIGN_IN_LETTERS_MAX)
            },
            Self::NewSignInName => InputField {
                autocomplete: "username",
                ..line(lang.t("people.sign_in_name"), SIGN_IN_LETTERS_MAX)
            }
            .hint(lang.t("people.sign_in_name_hint")),
            Self::Name => InputField {
                autocomplete: "name",
                required: false,
                ..line(lang.t("people.name"), NAME_LETTERS_MAX)
            },
            Self::Password => password(lang.t("people.password"), "current-password"),
            Self::PresentPassword => password(lang.t("people.present"), "current-password"),
            Self::NewPassword => password(lang.t("people.password"), "new-password").hint(hint),
            Self::NextPassword => {
                password(lang.t("people.new_password"), "new-password").hint(hint)
            }
            Self::Code => InputField {
                autocomplete: "one-time-code",
                ..line(lang.t("people.code"), CODE_LETTERS_MAX)
            }
            .hint(lang.t("people.code_hint")),
            Self::FirstCode => InputField {
                inputmode: "numeric",
                autocomplete: "one-time-code",
                ..line(lang.t("people.code"), FIRST_CODE_DIGITS)
            }
            .hint(lang.t("people.first_code_hint")),
            Self::BrandCode => line(lang.t("people.brand_code"), SIGN_IN_LETTERS_MAX)
                .hint(lang.t("people.brand_code_hint")),
            Self::BrandName => line(lang.t("people.brand_name"), NAME_LETTERS_MAX),
        }
    }

    /// What is said beside it when it is not sound and nothing more is known.
    #[must_use]
    pub fn fault(self, lang: Lang) -> &'static str {
        match self {
            Self::NewPassword | Self::NextPassword => lang.t("people.fault_password"),
            Self::Password | Self::PresentPassword => lang.t("people.fault_present"),
            Self::Code | Self::FirstCode => lang.t("people.fault_code"),
            Self::SignInName | Self::NewSignInName => lang.t("people.fault_name"),
            Self::BrandCode => lang.t("people.fault_brand_code"),
            Self::BrandName | Self::Name => lang.t("people.fault_line"),
        }
    }
}

/// One form on a page of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The brand that speaks, where it is another than the deployment's only one.
    pub brand: Option<i64>,
    /// Its heading.
    pub title: &'static str,
    /// What it is for.
    pub lead: String,
    /// Why the form came back as a whole.
    pub alert: Option<String>,
    /// Where it posts.
    pub action: String,
    /// Fields with what was typed; of a secret nothing is shown again.
    pub fields: Vec<(Asked, String)>,
    /// Which of them is wrong, and what is said beside it.
    pub wrong: Option<(Asked, &'static str)>,
    /// Sent along unseen.
    pub hidden: Vec<(&'static str, String)>,
    /// The button.
    pub submit: &'static str,
    /// What helps whoever cannot go on.
    pub help: Option<&'static str>,
    /// Other pages one may have meant: path and words.
    pub ways: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "people/form.html")]
struct FormPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a FormView,
    fields: Vec<InputField>,
    wrong: Option<InputField>,
}

/// The title of a form that came back says so first: it is what a screen reader reads first.
fn shell<'a>(lang: Lang, site: &'a SiteView, title: &str, good: bool) -> Shell<'a> {
    let title = match good {
        true => lang.join([title, &site.brand]),
        false => lang.with("fault.page_title", "title", title),
    };
    Shell { site, title, tone: Tone::Plain, rosette: None, narrow: true }
}

/// Longest form whose first field takes the cursor by itself: there is nothing to read before it.
const SHORT_FORM: usize = 2;

fn shown(view: &FormView, at: usize) -> InputField {
    let (asked, typed) = &view.fields[at];
    let value = if asked.is_secret() { String::new() } else { typed.clone() };
    let message = view.wrong.filter(|(wrong, _)| wrong == asked).map(|(_, why)| why.to_owned());
    let first = at == 0 && view.fields.len() <= SHORT_FORM && view.wrong.is_none();
    let focus = first || message.is_some();
    InputField { value, message, focus, ..asked.field(view.lang) }
}

/// A page with one form.
///
/// # Errors
/// The template cannot be filled, which no view brings about.
pub fn render_form(view: &FormView) -> Result<String, askama::Error> {
    let fields: Vec<_> = (0..view.fields.len()).map(|at| shown(view, at)).collect();
    let wrong = fields.iter().find(|field| field.message.is_some()).cloned();
    // Where there is no form there is nothing to correct.
    let good = view.alert.is_none() || view.action.is_empty();
    let sh = shell(view.lang, &view.site, view.title, good);
    FormPage { l: view.lang, sh, v: view, fields, wrong }.render()
}

/// Something one may act as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipView {
    /// Sent to choose it.
    pub id: String,
    /// The party's name.
    pub party: String,
    /// The role's word.
    pub role: &'static str,
    /// Whether it is the one chosen.
    pub chosen: bool,
}

/// A session of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Sent to end it.
    pub id: String,
    /// Whether it is this one.
    pub present: bool,
    /// The browser and its system, as people call them.
    pub agent: String,
    /// The address, and when it was last used.
    pub place: String,
    /// When it was last used, as a person says it.
    pub used: String,
}

/// How the second factor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorView {
    /// None.
    Off,
    /// Begun and not confirmed.
    Begun {
        /// The secret in base 32.
        secret: String,
        /// Its link.
        link: String,
        /// The link as a drawing.
        drawing: String,
    },
    /// On, with so many recovery codes left.
    On(usize),
}

/// One's own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// The name as shown.
    pub name: String,
    /// The name to sign in with.
    pub sign_in_name: String,
    /// What was done or refused just now.
    pub notice: Option<Notice>,
    /// The field that is wrong, by its id, and what is said beside it.
    pub wrong: Option<(&'static str, &'static str)>,
    /// Recovery codes, told only now.
    pub codes: Vec<String>,
    /// Everything one may act as.
    pub memberships: Vec<MembershipView>,
    /// The second factor.
    pub factor: FactorView,
    /// One's own sessions.
    pub sessions: Vec<SessionView>,
    /// Whether the trail of what was changed and read may be looked at.
    pub audits: bool,
    /// Whether the brand acted for waits for the operator to vouch for it.
    pub unvouched: bool,
}

/// The fields of the account's forms, by their ids: two of them ask for the same password.
pub mod field {
    /// The present password, to change it.
    pub const PRESENT: &str = "present";
    /// The one that takes its place.
    pub const NEXT: &str = "next";
    /// The first code of a second factor.
    pub const CODE: &str = "code";
    /// The present password, to change the second factor.
    pub const CONFIRM: &str = "confirm";
}

/// What a page says of the command before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it was done.
    pub good: bool,
    /// What it says.
    pub text: String,
}

#[derive(Template)]
#[template(path = "people/account.html")]
struct AccountPage<'a> {
    l: Lang,
    sh: Shell<'a>,
    v: &'a AccountView,
    present: InputField,
    next: InputField,
    code: InputField,
    confirm: InputField,
    /// The key of a second factor in groups of four, as people copy it.
    grouped: String,
}

/// The page of one's own account.
///
/// # Errors
/// As [`render_form`].
pub fn render_account(view: &AccountView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let field = |asked: Asked, id: &'static str| {
        let message = view.wrong.filter(|(wrong, _)| *wrong == id).map(|(_, why)| why.to_owned());
        let focus = message.is_some();
        InputField { id, message, focus, ..asked.field(lang) }
    };
    let grouped = match &view.factor {
        FactorView::Begun { secret, .. } => in_fours(secret),
        _ => String::new(),
    };
    let good = view.notice.as_ref().is_none_or(|notice| notice.good);
    let page = AccountPage {
        l: lang,
        sh: shell(lang, &view.site, lang.t("people.account_title"), good),
        v: view,
        present: field(Asked::PresentPassword, field::PRESENT),
        next: field(Asked::NextPassword, field::NEXT),
        code: field(Asked::FirstCode, field::CODE),
        confirm: field(Asked::PresentPassword, field::CONFIRM),
        grouped,
    };
    page.render()
}

fn in_fours(text: &str) -> String {
    let signs: Vec<_> = text.chars().collect();
    let groups: Vec<String> = signs.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

/// The word for a role.
#[must_use]
pub fn role_word(lang: Lang, role: &str) -> &'static str {
    match role {
        "owner" => lang.t("people.role_owner"),
        "admin" => lang.t("people.role_admin"),
        "quality" => lang.t("people.role_quality"),
        "channel_manager" => lang.t("people.role_channel_manager"),
        "after_sales" => lang.t("people.role_after_sales"),
        "finance" => lang.t("people.role_finance"),
        "auditor" => lang.t("people.role_auditor"),
        "line_operator" => lang.t("people.role_line_operator"),
        "warehouse" => lang.t("people.role_warehouse"),
        _ => lang.t("people.role_desk"),
    }
}
