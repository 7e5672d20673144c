//! What a request says about its visitor: language, address, where the click came from.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use domain::address::household;
use domain::id::BrandId;
use jiff::Timestamp;

use crate::flows::reference::Reference;
use crate::flows::{Caller, House};
use crate::guest::{Arrival, Channel};
use crate::pages::device::present::page_url;
use crate::pages::i18n::Lang;
use crate::pages::shell::SiteView;

use super::device::segment;

/// The cookie that keeps a chosen language, for a year.
const LANG_COOKIE: &str = "lang";
/// The cookie that keeps what a proof by scratch code gave, for the pages of that code.
const PASS_COOKIE: &str = "proved";
/// How long, in seconds: as long as most guarantees run.
const PASS_SECONDS: u32 = 365 * 24 * 3_600;
/// Languages looked at in `Accept-Language`; real browsers send a handful.
const ACCEPTED_MAX: usize = 16;

/// A visit to a page.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The page's language: `?lang=`, else the cookie, else `Accept-Language`, else Chinese.
    pub lang: Lang,
    /// Chosen by `?lang=`: worth remembering.
    pub chosen: bool,
    /// The visitor's address, where the server knows it.
    pub address: Option<IpAddr>,
    /// When.
    pub now: Timestamp,
    /// Path of the page of ours the click came from.
    pub from_path: Option<String>,
    /// Sent by a page of another host.
    pub cross_site: bool,
    /// How it came.
    pub channel: Channel,
    /// What an earlier proof of this unit gave.
    pub pass: Option<String>,
    /// Who acts, where it is known.
    pub caller: Option<Caller>,
    /// Somebody signed in, whether or not it is known yet for whom they act.
    pub signed_in: bool,
    /// The head alone was asked for: what shows a link asks so, and nobody looks.
    pub head_only: bool,
    /// A form was sent.
    pub sent_form: bool,
    /// The path and query that were asked for.
    pub asked_path: String,
}

impl FromRequestParts<Arc<House>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        house: &Arc<House>,
    ) -> Result<Self, Self::Rejection> {
        let asked = parts.uri.query().and_then(lang_of_query);
        let kept = || text(&parts.headers, header::COOKIE).and_then(lang_of_cookie);
        let accepted = || text(&parts.headers, header::ACCEPT_LANGUAGE).and_then(lang_accepted);
        let site = parts.headers.get("sec-fetch-site");
        let arrival = parts.extensions.get::<Arrival>();
        Ok(Self {
            lang: asked.or_else(kept).or_else(accepted).unwrap_or_default(),
            chosen: asked.is_some(),
            address: arrival.map(|it| it.client),
            now: house.clock.now(),
            from_path: own_referer(&parts.headers),
            cross_site: site.is_some_and(|site| site == "cross-site"),
            channel: arrival.map_or(Channel::Clear, |it| it.channel),
            pass: text(&parts.headers, header::COOKIE).and_then(pass_of_cookie),
            caller: arrival.and_then(|it| it.caller.clone()),
            signed_in: arrival.is_some_and(|it| it.session.is_some()),
            head_only: parts.method == Method::HEAD,
            sent_form: parts.method == Method::POST,
            asked_path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        })
    }
}

impl Visit {
    /// The address as the limits count it; visitors without one share their limits.
    #[must_use]
    pub fn counted_as(&self) -> String {
        self.address.map_or_else(|| "unknown".to_owned(), |address| household(address).to_string())
    }

    /// Whether this look is a new one: a click within the pages of the same code (language,
    /// "back") is not. A scanned code comes without a page before it.
    #[must_use]
    pub fn is_new_look(&self, code: &str) -> bool {
        if self.head_only {
            return false;
        }
        let Some(path) = &self.from_path else { return true };
        let of_device = path.starts_with("/d/") || path.starts_with("/D/");
        let of_device = of_device || path.starts_with("/01/");
        let same = |part: &str| part.eq_ignore_ascii_case(code);
        !(of_device && path.split('/').any(same))
    }

    /// The cookie that keeps a language chosen just now.
    #[must_use]
    pub fn remember(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.chosen {
            let tag = self.lang.tag();
            let year = 365 * 24 * 3_600;
            let cookie = format!("{LANG_COOKIE}={tag}; Path=/; Max-Age={year}; SameSite=Lax");
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                headers.insert(header::SET_COOKIE, cookie);
            }
        }
        headers
    }

    /// The cookies that keep a pass for the pages of the code that it was given at: under its page
    /// and under the short link of a label, since paths of cookies tell `/D/` from `/d/`.
    #[must_use]
    pub fn hold(&self, pass: &str, code: &str) -> HeaderMap {
        let mut held = self.lend_below(pass, &page_url(&segment(code)));
        let short = format!("/D/{}", segment(&code.to_ascii_uppercase()));
        for (_, cookie) in self.lend_below(pass, &short) {
            held.append(header::SET_COOKIE, cookie);
        }
        held
    }

    /// As [`hold`](Self::hold), and under the GS1 Digital Link of a label.
    #[must_use]
    pub fn hold_linked(&self, pass: &str, code: &str, gtin: &str) -> HeaderMap {
        let mut held = self.hold(pass, code);
        let link = format!("/01/{gtin}/21/{}", segment(&code.to_ascii_uppercase()));
        for (_, cookie) in self.lend_below(pass, &link) {
            held.append(header::SET_COOKIE, cookie);
        }
        held
    }

    fn lend_below(&self, pass: &str, path: &str) -> HeaderMap {
        self.channel.lend(PASS_COOKIE, pass, path, PASS_SECONDS)
    }

    /// Brand line and footer. Without a unit the deployment's only brand speaks, else the
    /// platform; it speaks too for a brand that nobody vouches for. Where the operator names no
    /// hotline it is the brand's own.
    #[must_use]
    pub fn site(
        &self,
        house: &House,
        reference: Option<&Reference>,
        brand: Option<i64>,
    ) -> SiteView {
        let speaks = reference.and_then(|reference| {
            let id = brand.map(BrandId).or_else(|| reference.sole_brand())?;
            reference.is_vouched(id).then_some((reference, id))
        });
        let brand =
            speaks.and_then(|(reference, id)| Some(reference.brands.get(&id)?.name.clone()));
        let own = speaks.and_then(|(reference, id)| Some(reference.root(id)?.phone.as_str()));
        let operator = Some(house.settings.hotline.trim()).filter(|phone| !phone.is_empty());
        let hotline = operator.or(own).unwrap_or_default().trim();
        SiteView {
            brand: brand.unwrap_or_else(|| self.lang.t("shell.platform").to_owned()),
            hotline: Some(hotline.to_owned()).filter(|h| !h.is_empty()),
            other_lang_url: format!("?lang={}", self.lang.other().tag()),
            privacy_url: "/privacy".to_owned(),
            queried_at: self.now,
            dbip_used: house.geo.uses_dbip(),
        }
    }
}

impl Visit {
    /// Brand line and footer while nothing is known of the deployment.
    #[must_use]
    pub fn site_unknown(&self) -> SiteView {
        SiteView {
            brand: self.lang.t("shell.platform").to_owned(),
            hotline: None,
            other_lang_url: format!("?lang={}", self.lang.other().tag()),
            privacy_url: "/privacy".to_owned(),
            queried_at: self.now,
            dbip_used: false,
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn pass_of_cookie(cookie: &str) -> Option<String> {
    let pass = cookie.split(';').find_map(|pair| pair.trim().strip_prefix(PASS_COOKIE));
    pass.and_then(|pass| pass.strip_prefix('=')).map(str::to_owned)
}

fn lang_of_query(query: &str) -> Option<Lang> {
    query.split('&').find_map(|pair| Lang::from_tag(pair.strip_prefix("lang=")?))
}

fn lang_of_cookie(cookies: &str) -> Option<Lang> {
    let named = |pair: &str| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == LANG_COOKIE).then(|| Lang::from_tag(value)).flatten()
    };
    cookies.split(';').find_map(named)
}

/// The best of our languages in `Accept-Language` (RFC 9110 §12.5.4): highest weight, then first.
fn lang_accepted(accepted: &str) -> Option<Lang> {
    let mut best: Option<(f32, Lang)> = None;
    for part in accepted.split(',').take(ACCEPTED_MAX) {
        let (tag, rest) = part.split_once(';').unwrap_or((part, ""));
        let weight = rest.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse).unwrap_or(0.0);
        let Some(lang) = Lang::from_tag(tag.trim()) else { continue };
        if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, lang));
        }
    }
    best.map(|(_, lang)| lang)
}

/// The path of the page before this one, when it was of this host.
fn own_referer(headers: &HeaderMap) -> Option<String> {
    let referer = text(headers, header::REFERER)?;
    let host = text(headers, header::HOST)?;
    let (_, rest) = referer.split_once("://")?;
    let rest = rest.strip_prefix(host)?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    path.starts_with('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_read_by_weight() {
        let cases = [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Lang::Zh)),
            ("fr, en-GB;q=0.8, zh;q=0.1", Some(Lang::En)),
            ("en;q=0, zh;q=0.5", Some(Lang::Zh)),
            ("de", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(lang_accepted(header), expected, "{header}");
        }
        assert_eq!(lang_of_cookie("a=b; lang=en"), Some(Lang::En));
        assert_eq!(lang_of_query("x=1&lang=zh-CN"), Some(Lang::Zh));
        assert_eq!(lang_of_query("xlang=en"), None);
    }

    #[test]
    fn only_a_page_of_this_host_is_a_page_before() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("d.example"));
        for (referer, path) in [
            ("https://d.example/d/X?lang=en", Some("/d/X")),
            ("https://d.example.evil/d/X", None),
            ("https://other.example/d/X", None),
        ] {
            headers.insert(header::REFERER, HeaderValue::from_static(referer));
            assert_eq!(own_referer(&headers).as_deref(), path, "{referer}");
        }
    }
}
