//! Where a webhook is sent: an address on the internet that strangers may name, so nothing of it
//! may lead into the network behind the server.
//!
//! What can be seen in the text is refused here. A name says nothing: who sends resolves it, asks
//! [`crate::address::is_public`] of every address it has, and goes to none but those. The form
//! read here is deliberately narrow (no user, no fragment, no escapes in the host, no address in
//! other than its usual spelling), so that no other reader can see another host in it.

use crate::address::is_public;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

/// Longest address, in characters.
pub const URL_CHARS_MAX: usize = 2_000;
const HOST_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 63;
/// Below it only this port: others belong to services that are no web servers.
const PORT_HTTPS: u16 = 443;
const PORT_HTTP: u16 = 80;
const PORT_FREE_MIN: u16 = 1024;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// By name, in small letters.
    Name(String),
    /// By address.
    Address(IpAddr),
}

/// Where to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Under TLS; else in the clear.
    pub is_secure: bool,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Path and query, from the slash on.
    pub path: String,
}

/// A host and, if one is meant, its port, that the operator allows whatever its addresses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    host: Host,
    port: Option<u16>,
}

/// Why a text is no target, or none to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetProblem {
    /// It is no `https://host/path`.
    #[error(
        "must be an address such as https://hooks.example.com/dossier, at most 2000 characters"
    )]
    Form,
    /// A name or password stands in it.
    #[error("must hold no user name or password: whoever receives checks the signature")]
    User,
    /// The host is no name or address in its usual spelling.
    #[error(
        "its host must be a name such as hooks.example.com, or an address in its usual spelling"
    )]
    Host,
    /// It is sent in the clear.
    #[error("must begin with https://")]
    Clear,
    /// The port is one of other services.
    #[error("its port must be 443, or 1024 or more")]
    Port,
    /// It is not on the internet.
    #[error(
        "its host is not on the internet; for one of your own network the operator says serve \
         --webhook-allow HOST:PORT"
    )]
    Private,
}

impl FromStr for Target {
    type Err = TargetProblem;

    fn from_str(text: &str) -> Result<Self, TargetProblem> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b));
        if !plain || text.len() > URL_CHARS_MAX || text.contains('#') {
            return Err(TargetProblem::Form);
        }
        let (scheme, rest) = text.split_once("://").ok_or(TargetProblem::Form)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(TargetProblem::Form),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(TargetProblem::User);
        }
        let (host, port) = host_and_port(authority)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let usual = if is_secure { PORT_HTTPS } else { PORT_HTTP };
        Ok(Self { is_secure, host, port: port.unwrap_or(usual), path: format!("{slash}{path}") })
    }
}

fn host_and_port(authority: &str) -> Result<(Host, Option<u16>), TargetProblem> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(TargetProblem::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| TargetProblem::Host)?;
            let port = match port.strip_prefix(':') {
                None if port.is_empty() => None,
                None => return Err(TargetProblem::Host),
                some => some,
            };
            (Host::Address(IpAddr::V6(address).to_canonical()), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(authority)?, None),
        },
    };
    let digits = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(TargetProblem::Port),
        false => Err(TargetProblem::Port),
    };
    Ok((host, port.map(digits).transpose()?))
}

/// A name, or an IPv4 address in its usual spelling. What ends in a number is an address to some
/// readers (`2130706433`, `0177.0.0.1`, `0x7f.1`), and no name.
fn name(text: &str) -> Result<Host, TargetProblem> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        (1..=LABEL_CHARS_MAX).contains(&label.len())
            && label.bytes().all(inner)
            && edge(label.as_bytes().first())
            && edge(label.as_bytes().last())
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if text.len() > HOST_CHARS_MAX || is_number || !text.split('.').all(label) {
        return Err(TargetProblem::Host);
    }
    Ok(Host::Name(text))
}

impl Target {
    /// Whether it is one that the operator allows: any address and the clear will do for it.
    pub fn is_allowed(&self, allowed: &[Allowed]) -> bool {
        allowed.iter().any(|a| a.host == self.host && a.port.is_none_or(|port| port == self.port))
    }

    /// Refuses what can be seen to be no place to send to. What a name stands for is not seen
    /// here.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn admit(&self, allowed: &[Allowed]) -> Result<(), TargetProblem> {
        if self.is_allowed(allowed) {
            return Ok(());
        }
        if !self.is_secure {
            return Err(TargetProblem::Clear);
        }
        let is_private = match &self.host {
            // A name without a dot is one of the network the server is in.
            Host::Name(name) => !name.contains('.') || name.ends_with(".localhost"),
            Host::Address(address) => !is_public(*address),
        };
        if is_private {
            return Err(TargetProblem::Private);
        }
        if self.port != PORT_HTTPS && self.port < PORT_FREE_MIN {
            return Err(TargetProblem::Port);
        }
        Ok(())
    }

    /// Host and port as a request names them: the usual port is left out.
    pub fn authority(&self) -> String {
        let usual = if self.is_secure { PORT_HTTPS } else { PORT_HTTP };
        match self.port == usual {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// What of it may be told: path and query may hold a secret of the receiver.
    pub fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
            Self::Address(v4) => v4.fmt(f),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

impl FromStr for Allowed {
    type Err = TargetProblem;

    fn from_str(text: &str) -> Result<Self, TargetProblem> {
        let (host, port) = host_and_port(text)?;
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admitted(text: &str) -> Result<(), TargetProblem> {
        text.parse::<Target>()?.admit(&[])
    }

    #[test]
    fn what_is_no_place_to_send_to_is_refused() {
        use TargetProblem::*;
        let table = [
            ("", Form),
            ("hooks.example.com", Form),
            ("ftp://hooks.example.com/", Form),
            ("gopher://hooks.example.com/", Form),
            ("file:///etc/passwd", Form),
            ("https://hooks.example.com/a#b", Form),
            ("https://hooks.example.com/a b", Form),
            ("https://hooks.example.com\\@127.0.0.1/", Form),
            ("https://hooks.example.com/\r\nHost: x", Form),
            ("https://例子.cn/", Form),
            ("https://user@hooks.example.com/", User),
            ("https://user:pw@hooks.example.com/", User),
            ("https://hooks.example.com@127.0.0.1/", User),
            ("https:///x", Host),
            ("https://.example.com/", Host),
            ("https://a..b/", Host),
            ("https://-a.example.com/", Host),
            ("https://%31%32%37.0.0.1/", Host),
            ("https://2130706433/", Host),
            ("https://0x7f000001/", Host),
            ("https://0x7f.1/", Host),
            ("https://0177.0.0.1/", Host),
            ("https://127.1/", Host),
            ("https://1.2.3.4.5/", Host),
            ("https://127.0.0.1./", Host),
            ("https://[::1/", Host),
            ("https://[::1]x/", Host),
            ("https://[fe80::1%25eth0]/", Host),
            ("http://hooks.example.com/", Clear),
            ("HTTP://hooks.example.com/", Clear),
            ("https://localhost/", Private),
            ("https://LOCALHOST./", Private),
            ("https://metadata/", Private),
            ("https://a.localhost/", Private),
            ("https://127.0.0.1/", Private),
            ("https://10.0.0.1:8443/", Private),
            ("https://169.254.169.254/latest/meta-data/", Private),
            ("https://100.64.0.1/", Private),
            ("https://0.0.0.0/", Private),
            ("https://[::]/", Private),
            ("https://[::1]/", Private),
            ("https://[::ffff:127.0.0.1]/", Private),
            ("https://[::ffff:7f00:1]/", Private),
            ("https://[64:ff9b::7f00:1]/", Private),
            ("https://[2002:7f00:1::]/", Private),
            ("https://[fd00:ec2::254]/", Private),
            ("https://[fe80::1]/", Private),
            ("https://hooks.example.com:22/", Port),
            ("https://hooks.example.com:80/", Port),
            ("https://hooks.example.com:0/", Port),
            ("https://hooks.example.com:65536/", Port),
            ("https://hooks.example.com:/", Port),
            ("https://hooks.example.com:+443/", Port),
        ];
        for (text, problem) in table {
            assert_eq!(admitted(text), Err(problem), "{text}");
        }
        let long = format!("https://hooks.example.com/{}", "a".repeat(URL_CHARS_MAX));
        assert_eq!(admitted(&long), Err(Form));
    }

    #[test]
    fn what_is_on_the_internet_is_taken_as_it_is_meant() {
        let table = [
            ("https://hooks.example.com", "https://hooks.example.com/"),
            ("HTTPS://Hooks.Example.COM./In?a=b", "https://hooks.example.com/In?a=b"),
            ("https://hooks.example.com:443/x", "https://hooks.example.com/x"),
            ("https://hooks.example.com:8443?x", "https://hooks.example.com:8443/?x"),
            ("https://1.1.1.1/x", "https://1.1.1.1/x"),
            ("https://[2606:4700::1111]:8443/x", "https://[2606:4700::1111]:8443/x"),
            ("https://xn--fsqu00a.xn--0zwm56d/x", "https://xn--fsqu00a.xn--0zwm56d/x"),
            ("https://hooks.example.com/a@b:c//d", "https://hooks.example.com/a@b:c//d"),
        ];
        for (text, meant) in table {
            assert_eq!(admitted(text), Ok(()), "{text}");
            assert_eq!(text.parse::<Target>().unwrap().to_string(), meant);
        }
    }

    #[test]
    fn the_operator_allows_a_host_and_its_port_and_no_other() {
        let allowed: Vec<Allowed> =
            ["localhost:9000", "10.0.0.7", "[::1]:1"].map(|text| text.parse().unwrap()).into();
        let table = [
            ("http://localhost:9000/x", true),
            ("https://localhost:9000/x", true),
            ("http://localhost:9001/x", false),
            ("http://127.0.0.1:9000/x", false),
            ("http://10.0.0.7/x", true),
            ("https://10.0.0.7:22/x", true),
            ("https://10.0.0.8/x", false),
            ("http://[::1]:1/", true),
            ("https://hooks.example.com/", true),
        ];
        for (text, taken) in table {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.admit(&allowed).is_ok(), taken, "{text}");
        }
        for text in ["", "a b", "http://localhost", "localhost:x", "[::1", "a/b", "u@h"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_again_as_the_same(
            host in "([a-z0-9.-]{1,12}|\\[[0-9a-f:.]{2,20}\\])(:[0-9]{1,6})?",
            (scheme, path) in ("https?", "([/?][!-~]{0,9})?"),
        ) {
            if let Ok(target) = format!("{scheme}://{host}{path}").parse::<Target>() {
                prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
            }
        }

        #[test]
        fn no_address_that_is_not_public_is_admitted(bits in any::<u32>(), v6 in any::<u128>()) {
            let (v4, v6) = (Ipv4Addr::from_bits(bits), Ipv6Addr::from_bits(v6));
            for (address, text) in [
                (IpAddr::from(v4), format!("https://{v4}/")),
                (v4.into(), format!("https://[{}]/", v4.to_ipv6_mapped())),
                (v6.into(), format!("https://[{v6}]/")),
            ] {
                prop_assert_eq!(admitted(&text).is_ok(), is_public(address), "{}", text);
            }
            // Numbers that a resolver would read as an address are no host at all.
            for text in [format!("https://{bits}/"), format!("https://0x{bits:x}/")] {
                prop_assert_eq!(admitted(&text), Err(TargetProblem::Host));
            }
        }
    }
}
