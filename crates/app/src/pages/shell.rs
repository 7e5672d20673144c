//! The frame every public page shares: head, brand line, language switch, footer.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;

use super::i18n::{Lang, beijing};
use super::rosette::Rosette;

/// Who speaks on the page, and what stands in its footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteView {
    /// The brand's name in the page's language, or the platform's where no brand is known.
    pub brand: String,
    /// Service hotline as people write it; dialled with the digits only.
    pub hotline: Option<String>,
    /// This page in the other language.
    pub other_lang_url: String,
    /// The page "what we record".
    pub privacy_url: String,
    /// When the question was asked; the footer shows it in Beijing time.
    pub queried_at: Timestamp,
    /// DB-IP data decided a place shown on this page: its licence asks for the link.
    pub dbip_used: bool,
}

impl SiteView {
    /// The hotline as a link.
    #[must_use]
    pub fn hotline_url(&self) -> Option<String> {
        self.hotline.as_deref().map(tel)
    }

    /// A sentence that names the hotline; none where there is none.
    pub(super) fn call(&self, lang: Lang, key: &'static str) -> Option<CallLine<'_>> {
        let number = self.hotline.as_deref()?;
        let (before, after) = lang.around(key);
        Some(CallLine { before, url: tel(number), number, after })
    }

    /// 2026-11-23 14:56:08.
    #[must_use]
    pub fn queried_text(&self) -> String {
        beijing(self.queried_at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// A sentence with a telephone in it, which stays on one line and can be pressed.
#[derive(Template)]
#[template(path = "form/call.html")]
pub(super) struct CallLine<'a> {
    before: &'static str,
    url: String,
    number: &'a str,
    after: &'static str,
}

/// Its own template escapes what it writes.
impl HtmlSafe for CallLine<'_> {}

/// What a colour says: the five meanings of the verdict, and a page without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Green: verified.
    Ok,
    /// Amber: look at this.
    Warn,
    /// Red: blocked or suspect.
    Bad,
    /// Grey: no answer.
    Mute,
    /// A page that gives no verdict.
    Plain,
}

impl Tone {
    /// The class on `body`.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Mute => "mute",
            Self::Plain => "plain",
        }
    }

    /// The colour of the browser's own bars: the top of the hero.
    #[must_use]
    pub fn theme(self) -> &'static str {
        match self {
            Self::Ok => "#0a4f33",
            Self::Warn => "#6d3d03",
            Self::Bad => "#74160f",
            Self::Mute => "#3d3c39",
            Self::Plain => "#ffffff",
        }
    }
}

/// What the base template needs of every page.
pub(super) struct Shell<'a> {
    pub site: &'a SiteView,
    pub title: String,
    pub tone: Tone,
    pub rosette: Option<Rosette>,
    /// One column on a wide screen too.
    pub narrow: bool,
}

/// A telephone link: digits and a leading plus.
#[must_use]
pub fn tel(number: &str) -> String {
    let dialled = number.chars().filter(|c| c.is_ascii_digit() || *c == '+');
    format!("tel:{}", dialled.collect::<String>())
}

/// The address of a link, if it is one a page may lead to: our own paths and fragments, the web,
/// the telephone, a map. Anything else (`javascript:`, `//host`) becomes a link to nowhere.
#[must_use]
pub fn href(url: &str) -> &str {
    const ABSOLUTE: [&str; 3] = ["https://", "http://", "tel:"];
    let own = url.starts_with('/') && !url.starts_with("//") && !url.contains('\\');
    let known = own || url.starts_with(['#', '?']) || ABSOLUTE.iter().any(|s| url.starts_with(s));
    if known { url } else { "#" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_cannot_run_code_become_links() {
        for url in ["/d/X", "?lang=en", "#proof", "https://a.example/", "tel:400"] {
            assert_eq!(href(url), url);
        }
        for url in ["javascript:alert(1)", "//evil.example", "data:text/html,x", "/\\evil", ""] {
            assert_eq!(href(url), "#", "{url}");
        }
    }

    #[test]
    fn a_hotline_is_dialled_without_its_spaces() {
        assert_eq!(tel("+86 400-000-0000"), "tel:+864000000000");
    }
}
