//! Who comes with a browser: the cookie that holds a session's secret, whether the request was made
//! by a page of ours, and from where it came. For the API and the pages alike.
//!
//! **The cookie.** Under TLS, to us or to a trusted proxy, it is `__Host-dossier`: no other host or
//! port can set it and it never travels in the clear. In the clear it is `dossier`, and only where
//! nothing leaves the machine. Elsewhere in the clear nobody signs in.
//!
//! **Another site** cannot act with it: browsers send it with requests of our own pages alone
//! (`SameSite=Strict`), and beyond that a request that changes anything must say that it is one
//! (`Sec-Fetch-Site`, or `Origin` where a browser is older).

use crate::flows::Caller;
use crate::flows::people::sessions::{Origin, Session};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::convert::Infallible;
use std::net::IpAddr;

/// Characters of a session's secret: 256 bits in base 64.
const TOKEN_CHARS: usize = 43;
/// Characters kept of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 512;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Under TLS.
    Tls,
    /// In the clear, without leaving the machine.
    Local,
    /// In the clear over a network.
    Clear,
}

impl Channel {
    /// By what is known of the client.
    pub fn of(secure: bool, client: IpAddr, headers: &HeaderMap) -> Self {
        let near = || client.to_canonical().is_loopback() || is_near(host_of(headers));
        match secure {
            true => Self::Tls,
            false if near() => Self::Local,
            false => Self::Clear,
        }
    }

    /// The name of the cookie; none where there is no cookie.
    fn cookie(self) -> Option<&'static str> {
        match self {
            Self::Tls => Some("__Host-dossier"),
            Self::Local => Some("dossier"),
            Self::Clear => None,
        }
    }

    /// Whether somebody may sign in so.
    pub fn is_private(self) -> bool {
        self.cookie().is_some()
    }

    /// The header that gives a browser a session's secret to hold.
    pub fn hold(self, token: &str) -> HeaderMap {
        self.set(token, "")
    }

    /// The header that makes a browser forget it.
    pub fn forget(self) -> HeaderMap {
        self.set("", "; Max-Age=0")
    }

    fn set(self, value: &str, more: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        if let Some(name) = self.cookie() {
            let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
            if let Ok(text) = HeaderValue::try_from(text) {
                headers.insert(header::SET_COOKIE, text);
            }
        }
        headers
    }

    /// The header that gives a browser something to bring along to pages below a path, for so many
    /// seconds. Nothing in the clear over a network.
    pub fn lend(self, name: &str, value: &str, path: &str, seconds: u32) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let text = format!(
            "{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        );
        if self.is_private()
            && let Ok(text) = HeaderValue::try_from(text)
        {
            headers.insert(header::SET_COOKIE, text);
        }
        headers
    }

    /// The secret a request brings, where it has the form of one.
    pub fn token(self, headers: &HeaderMap) -> Option<&str> {
        let name = self.cookie()?;
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';'));
        let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
        values.find(|value| value.len() == TOKEN_CHARS)
    }
}

fn host_of(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Whether a host names this machine, as the browser itself understood it.
fn is_near(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "::1")
}

/// Whether a method changes nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What a request says of the page it was made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// One of ours, or the person's own hand.
    Us,
    /// One of another site.
    Others,
    /// Nothing is said: no browser, or a very old one.
    Unsaid,
}

/// Which site's page made a request. `ours` is the host of printed links.
pub fn made_by(headers: &HeaderMap, ours: &str) -> MadeBy {
    let text = |name: HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        let own = matches!(site, "same-origin" | "none");
        return if own { MadeBy::Us } else { MadeBy::Others };
    }
    let Some(origin) = text(header::ORIGIN) else { return MadeBy::Unsaid };
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let own = !host.is_empty() && (host == host_of(headers) || host == ours);
    if own { MadeBy::Us } else { MadeBy::Others }
}

/// What the gate found out, beside the request.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// How it came.
    pub channel: Channel,
    /// From where.
    pub client: IpAddr,
    /// With which session.
    pub session: Option<Session>,
    /// Whose page made it.
    pub made_by: MadeBy,
    /// Who acts, by a key or a session.
    pub caller: Option<Caller>,
}

/// Somebody with a browser.
#[derive(Clone, Debug)]
pub struct Guest {
    /// How the request came.
    pub channel: Channel,
    /// With which good session.
    pub session: Option<Session>,
    /// Whose page made it.
    pub made_by: MadeBy,
    /// From where.
    pub origin: Origin,
}

impl<S: Send + Sync> FromRequestParts<S> for Guest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.unwrap_or_default().chars().take(AGENT_CHARS_MAX).collect();
        Ok(match parts.extensions.get::<Arrival>() {
            Some(arrival) => Self {
                channel: arrival.channel,
                session: arrival.session.clone(),
                made_by: arrival.made_by,
                origin: Origin { address: Some(arrival.client), agent },
            },
            None => Self {
                channel: Channel::Clear,
                session: None,
                made_by: MadeBy::Unsaid,
                origin: Origin { address: None, agent },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn the_cookie_is_bound_to_how_it_came() {
        let token = "t".repeat(TOKEN_CHARS);
        let line = format!("lang=en; dossier={token}; x=y");
        let clear = headers(&[("cookie", &line)]);
        assert_eq!(Channel::Local.token(&clear), Some(token.as_str()));
        assert_eq!(Channel::Tls.token(&clear), None);
        assert_eq!(Channel::Clear.token(&clear), None);
        let line = format!("__Host-dossier={token}");
        let tls = headers(&[("cookie", &line)]);
        assert_eq!(Channel::Tls.token(&tls), Some(token.as_str()));
        assert_eq!(Channel::Local.token(&tls), None);
        assert_eq!(Channel::Tls.token(&headers(&[("cookie", "__Host-dossier=short")])), None);
        let held = Channel::Tls.hold("x");
        let text = held[header::SET_COOKIE].to_str().unwrap();
        assert_eq!(text, "__Host-dossier=x; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(Channel::Clear.hold("x").is_empty());
    }

    #[test]
    fn only_this_machine_is_near() {
        let of = |client: &str, host: &str| {
            Channel::of(false, client.parse().unwrap(), &headers(&[("host", host)]))
        };
        for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"] {
            assert_eq!(of("172.17.0.1", host), Channel::Local, "{host}");
        }
        for host in ["", "dossier.lan", "127.0.0.1.evil.cn", "10.0.0.1:8080", "[::2]"] {
            assert_eq!(of("172.17.0.1", host), Channel::Clear, "{host}");
        }
        assert_eq!(of("127.0.0.1", "dossier.lan"), Channel::Local);
    }

    #[test]
    fn another_site_is_told_by_what_browsers_say() {
        let check = |lines: &[(&'static str, &str)], expected: MadeBy| {
            assert_eq!(made_by(&headers(lines), "id.example.cn"), expected, "{lines:?}");
        };
        let host = ("host", "d.example:8443");
        check(&[host], MadeBy::Unsaid);
        check(&[host, ("sec-fetch-site", "same-origin")], MadeBy::Us);
        check(&[host, ("sec-fetch-site", "none")], MadeBy::Us);
        check(&[host, ("sec-fetch-site", "same-site")], MadeBy::Others);
        check(&[host, ("sec-fetch-site", "cross-site")], MadeBy::Others);
        check(&[host, ("origin", "https://d.example:8443")], MadeBy::Us);
        check(&[host, ("origin", "https://id.example.cn")], MadeBy::Us);
        check(&[host, ("origin", "https://d.example")], MadeBy::Others);
        check(&[host, ("origin", "null")], MadeBy::Others);
        check(&[("origin", "https://")], MadeBy::Others);
        let both = [host, ("sec-fetch-site", "cross-site"), ("origin", "https://d.example:8443")];
        check(&both, MadeBy::Others);
    }
}
