//! The one file that calls others: a message is posted to where a party asked for it. Strangers
//! choose the address, so it leads to nobody who could not be reached from the internet as well.
//!
//! A name is resolved here, once; **every** address it has must be public, and the connection is
//! made to one of exactly those, so a name that is answered differently the next time gains
//! nothing. An address of this very machine is as closed as a private one. No redirect is followed
//! and no proxy asked. Of the answer only the status is used: the rest is read to a small limit
//! and thrown away, so nobody reads through this server what they cannot read themselves. What the
//! operator allows by name ([`Reach::allowed`]) may be anywhere.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use domain::address::is_public;
use domain::webhook::target::{Allowed, Host, Target};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Resolving, connecting and the handshake may take so long together.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The whole exchange.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The rest of an answer is waited for so long: its status counts already.
const REST_WITHIN: Duration = Duration::from_secs(1);
/// The rest of an answer is read so far.
const REST_BYTES_MAX: usize = 4 * 1024;
/// The head of an answer is read so far.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A route is asked for with some port.
const ANY_PORT: u16 = 443;
/// Addresses of a name that are tried.
const ADDRESSES_TRIED_MAX: usize = 3;

/// Where messages may go, and by whose word.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Hosts that the operator allows whatever their addresses are, in the clear too.
    pub allowed: Vec<Allowed>,
    /// Certificates in PEM form that vouch for servers besides those the system trusts.
    pub ca: Option<PathBuf>,
    /// Who says what addresses a name has.
    pub names: Names,
}

/// Who says what addresses a name has.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// The system.
    #[default]
    System,
    /// A table, for tests and the simulated brand; what is not in it has none.
    Table(Arc<Mutex<HashMap<String, Vec<IpAddr>>>>),
}

impl Names {
    /// A table of names.
    pub fn table(rows: &[(&str, &[IpAddr])]) -> Self {
        let rows = rows.iter().map(|(name, all)| ((*name).to_owned(), all.to_vec()));
        Self::Table(Arc::new(Mutex::new(rows.collect())))
    }

    /// The addresses of a name; none where there is no such name. What the operator allows may be
    /// in the system's table of hosts or its domains to search; any other name is whole as it is.
    async fn addresses(&self, name: &str, port: u16, is_allowed: bool) -> Vec<IpAddr> {
        match self {
            Self::System => {
                let name = if is_allowed { name.to_owned() } else { whole(name) };
                let found = tokio::net::lookup_host((name, port)).await;
                found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
            }
            Self::Table(rows) => {
                let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
                rows.get(name).cloned().unwrap_or_default()
            }
        }
    }
}

/// A name to which a resolver adds no domain of its own.
fn whole(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// Why nothing was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It leads to no address on the internet: to one elsewhere or, unless the operator allows the
    /// host, to none at all. Strangers are not to learn what names our network has.
    Address,
    /// The name of a host that the operator allows has no address.
    Name,
    /// Nobody listens there.
    Connect,
    /// The handshake failed, or its certificate is not trusted.
    Tls,
    /// It took too long.
    Timeout,
    /// What came was no answer.
    Protocol,
}

impl Failure {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
        }
    }
}

/// What posts messages.
pub struct Outbound {
    reach: Reach,
    tls: OnceCell<TlsConnector>,
}

impl Outbound {
    /// What posts messages within this reach.
    pub fn new(reach: Reach) -> Self {
        Self { reach, tls: OnceCell::new() }
    }

    /// Hosts that the operator allows.
    pub fn allowed(&self) -> &[Allowed] {
        &self.reach.allowed
    }

    /// Posts a JSON text with these headers and returns the status of the answer.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<u16, Failure> {
        let exchange = async {
            let connecting = tokio::time::timeout(CONNECT_WITHIN, self.connect(target)).await;
            let stream = connecting.unwrap_or(Err(Failure::Timeout))?;
            let request = request(target, headers, body).ok_or(Failure::Protocol)?;
            if !target.is_secure {
                return answer(stream, request).await;
            }
            let tls = self.tls().await?;
            let name = match &target.host {
                Host::Address(address) => ServerName::from(*address),
                Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Failure::Tls)?,
            };
            let handshake = tokio::time::timeout(CONNECT_WITHIN, tls.connect(name, stream)).await;
            let secured = handshake.map_err(|_| Failure::Timeout)?.map_err(|_| Failure::Tls)?;
            answer(secured, request).await
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange).await.unwrap_or(Err(Failure::Timeout))
    }

    /// A connection to one of the addresses that were looked at.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Failure> {
        // What was allowed when it was saved may not be any more.
        target.admit(&self.reach.allowed).map_err(|_| Failure::Address)?;
        let anywhere = target.is_allowed(&self.reach.allowed);
        let addresses = match &target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.reach.names.addresses(name, target.port, anywhere).await,
        };
        if addresses.is_empty() {
            return Err(if anywhere { Failure::Name } else { Failure::Address });
        }
        let is_free = |address: &IpAddr| is_public(*address) && !is_own(*address);
        if !anywhere && !addresses.iter().all(is_free) {
            return Err(Failure::Address);
        }
        let tried = in_turn(&addresses);
        let share = CONNECT_WITHIN / u32::try_from(tried.len()).unwrap_or(u32::MAX);
        let mut failure = Failure::Connect;
        for address in tried {
            let connecting = TcpStream::connect(SocketAddr::new(address, target.port));
            match tokio::time::timeout(share, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) => {}
                Err(_) => failure = Failure::Timeout,
            }
        }
        Err(failure)
    }

    async fn tls(&self) -> Result<&TlsConnector, Failure> {
        self.tls
            .get_or_try_init(|| async {
                let ca = self.reach.ca.clone();
                let config = tokio::task::spawn_blocking(move || config(ca)).await;
                config.ok().flatten().map(|config| Arc::new(config).into()).ok_or(Failure::Tls)
            })
            .await
    }
}

/// The addresses that are tried, in the order they came but each family in its turn: where one is
/// not reached at all, the other is.
fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let of = |is_4: bool| addresses.iter().filter(move |a| a.is_ipv4() == is_4).enumerate();
    let mut all: Vec<_> = of(first_is_4).chain(of(!first_is_4)).collect();
    // Stable: of one place in its family the first family's comes first.
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, address)| *address).take(ADDRESSES_TRIED_MAX).collect()
}

/// Whether an address is one of this machine's own, public as it may be: what comes from the
/// machine itself passes no firewall. A route to oneself begins where it ends, and asking for it
/// sends nothing.
fn is_own(address: IpAddr) -> bool {
    let from: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let route = UdpSocket::bind((from, 0)).and_then(|socket| {
        socket.connect((address, ANY_PORT))?;
        socket.local_addr()
    });
    route.is_ok_and(|begins| begins.ip() == address)
}

/// Whom to believe: the system's certificates, which its updates keep, and the operator's.
fn config(ca: Option<PathBuf>) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let own = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
        match own {
            Ok(own) => {
                let own: Vec<CertificateDer<'static>> = own;
                roots.add_parsable_certificates(own);
            }
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "certificates for webhooks cannot be read");
                return None;
            }
        }
    }
    if roots.is_empty() {
        tracing::warn!("no trusted certificates here: install ca-certificates, or --webhook-ca");
    }
    let spoken = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let spoken = spoken.with_safe_default_protocol_versions().ok()?;
    let mut config = spoken.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(config)
}

fn request(
    target: &Target,
    headers: &[(&'static str, String)],
    body: String,
) -> Option<hyper::Request<Body>> {
    let agent = concat!("Dossier/", env!("CARGO_PKG_VERSION"));
    let request = hyper::Request::post(&target.path)
        .header(HOST, target.authority())
        .header(USER_AGENT, agent)
        .header(CONTENT_TYPE, "application/json")
        .header("connection", "close");
    let named = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    named.body(Body::from(body)).ok()
}

/// Sends and waits for the status. The connection is driven here, so it ends with whoever waits.
async fn answer<S>(stream: S, request: hyper::Request<Body>) -> Result<u16, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut handshake = http1::Builder::new();
    handshake.max_buf_size(HEAD_BYTES_MAX);
    let shaken = handshake.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|_| Failure::Protocol)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(|_| Failure::Protocol)?;
        let status = response.status().as_u16();
        let rest = axum::body::to_bytes(Body::new(response.into_body()), REST_BYTES_MAX);
        // Whether there is more, and what, is nothing to us.
        let _ = tokio::time::timeout(REST_WITHIN, rest).await;
        Ok(status)
    };
    let mut exchange = pin!(exchange);
    tokio::select! {
        done = &mut exchange => done,
        _ = connection => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_of_addresses_has_its_turn() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let table: [(&[&str], &[&str]); 5] = [
            (&[], &[]),
            (&["192.0.2.1"], &["192.0.2.1"]),
            (
                &["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"],
                &["2001:db8::1", "192.0.2.1", "2001:db8::2"],
            ),
            (
                &["192.0.2.1", "192.0.2.2", "2001:db8::1"],
                &["192.0.2.1", "2001:db8::1", "192.0.2.2"],
            ),
            (
                &["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"],
                &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
            ),
        ];
        for (addresses, tried) in table {
            assert_eq!(in_turn(&ips(addresses)), ips(tried), "{addresses:?}");
        }
    }

    #[test]
    fn no_domain_is_added_to_a_name() {
        assert_eq!(whole("hooks.example.com"), "hooks.example.com.");
        assert_eq!(whole("hooks.example.com."), "hooks.example.com.");
    }

    #[test]
    fn an_address_of_this_machine_is_known() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        // Nobody has it (RFC 5737): there is another way to it, or none.
        assert!(!is_own("192.0.2.1".parse().unwrap()));
    }
}
