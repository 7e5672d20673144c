//! The gate before every request: who asks, from where, and how often. Here answers are counted,
//! written into the log where that is wanted, and given the headers that all of them carry.

use super::counts::{Counts, Limited};
use super::error::Problem;
use super::limits::{Limits, Standing};
use super::unasked::Unasked;
use super::{Patience, ServeOptions, bulk, headers, spread};
use crate::clock::Stopwatch;
use crate::flows::people::sessions::{self, Session};
use crate::flows::{Caller, House, Scope, api_keys};
use crate::guest::{Arrival, Channel, MadeBy, is_safe, made_by};
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use domain::address::Prefix;
use domain::refusal::{Refusal, Refused};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

/// Entries of `X-Forwarded-For` looked at.
const HOPS_MAX: usize = 16;

/// The other end of the connection, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether it speaks TLS to us.
    pub tls: bool,
}

/// Who asks where no connection is: a request made inside this process.
const INSIDE: Peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: false };

/// The gate of a process.
pub struct Gate {
    house: Arc<House>,
    options: ServeOptions,
    limits: Option<Limits>,
    unasked: Unasked,
    counts: Counts,
}

impl Gate {
    /// A gate with nothing counted yet.
    pub fn new(house: Arc<House>, options: &ServeOptions, unasked: Unasked) -> Self {
        let options = ServeOptions { extra: None, ..options.clone() };
        let limits = options.limits.then(Limits::new);
        Self { house, options, limits, unasked, counts: Counts::new() }
    }

    /// What was counted.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How long clients are waited for.
    pub(super) fn patience(&self) -> Patience {
        self.options.patience
    }

    /// Whether the other end of a connection may look at the numbers of this process.
    pub(super) fn may_watch(&self, peer: Peer) -> bool {
        match self.options.metrics_from.as_slice() {
            [] => peer.address.to_canonical().is_loopback(),
            named => named.iter().any(|prefix| prefix.contains(peer.address)),
        }
    }

    /// Whether the client speaks TLS, to us or to a proxy that we trust.
    pub(super) fn is_secure(&self, request: &Request) -> bool {
        let peer = peer_of(request);
        let trusted = || self.options.trusted_proxies.iter().any(|p| p.contains(peer.address));
        peer.tls || (headers::say_https(request.headers()) && trusted())
    }

    /// The client: the connection's other end, or behind trusted proxies what they say, read from
    /// the right, where each proxy writes what it saw itself.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client_of(&self.options.trusted_proxies, peer, headers)
    }

    /// Who a request says it is: nobody without a key or session; a key that is not good, or not
    /// from here, is refused, always in the same words. A session that is over is nobody: its
    /// browser does not know yet, and public pages answer it as anyone.
    async fn asker(&self, headers: &HeaderMap, way: Way<'_>) -> Result<Asking, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return self.guest(headers, way).await;
        };
        if headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
            // Which of them is meant nobody can tell: a proxy may have looked at the other one.
            return Err(Problem::invalid("authorization", "is given twice"));
        }
        let refused = || Problem::transport("unauthenticated");
        let text = value.to_str().map_err(|_| refused())?;
        let (kind, token) = text.split_once(' ').ok_or_else(refused)?;
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        let caller = api_keys::authenticate(&self.house, token.trim(), way.client).await?;
        Ok(Asking { caller: Some(caller.ok_or_else(refused)?), session: None })
    }

    /// Who comes with the cookie of a session. It counts for nothing where another site's page may
    /// have made the request.
    async fn guest(&self, headers: &HeaderMap, way: Way<'_>) -> Result<Asking, Problem> {
        let Some(token) = way.channel.token(headers) else { return Ok(Asking::default()) };
        if !is_safe(way.method) && self.made_by(headers) != MadeBy::Us {
            return Err(Problem::transport("cross_site"));
        }
        let found = match sessions::authenticate(&self.house, token, way.client).await {
            // Who it is cannot be told: a page is shown as to anyone, and says what it can.
            Err(_) if way.page && is_safe(way.method) => None,
            found => found?,
        };
        Ok(found.map_or_else(Asking::default, |(session, caller)| Asking {
            session: Some(session),
            caller,
        }))
    }

    fn made_by(&self, headers: &HeaderMap) -> MadeBy {
        made_by(headers, &self.house.settings.host)
    }

    /// Counts a public look at a unit.
    ///
    /// # Errors
    /// There were too many.
    pub fn look_at(&self, unit: i64) -> Result<(), Problem> {
        match self.limits.as_ref().map(|l| l.unit(unit)) {
            Some(standing) if !standing.passes => {
                self.counts.limited(Limited::Unit);
                Err(too_many(&standing))
            }
            _ => Ok(()),
        }
    }
}

/// The number under which something else than looks at a unit is counted: below the numbers of
/// units, so that the one uses up nothing of the other.
pub fn purse(house: &House, what: &str, named: impl std::fmt::Display) -> i64 {
    let hash = house.secrets.hash(what, &named.to_string());
    let bytes = hash.first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(bytes) | i64::MIN
}

impl crate::pages::Counter for Gate {
    fn house(&self) -> &Arc<House> {
        &self.house
    }

    fn count(&self, unit: i64) -> Option<Response> {
        self.look_at(unit).err().map(IntoResponse::into_response)
    }
}

/// From where a request came, and how.
#[derive(Clone, Copy)]
struct Way<'a> {
    method: &'a Method,
    client: IpAddr,
    channel: Channel,
    /// It asks for a page.
    page: bool,
}

/// Who asks: somebody with a key, somebody who signed in, or anyone. Whoever signed in and has not
/// chosen what to act as is no caller yet.
#[derive(Default)]
struct Asking {
    caller: Option<Caller>,
    session: Option<Session>,
}

fn peer_of(request: &Request) -> Peer {
    request.extensions().get::<Peer>().copied().unwrap_or(INSIDE)
}

/// The client behind a chain of `X-Forwarded-For`: the connection's other end, or where that is a
/// trusted proxy what it says, read from the right. At most 16 entries are looked at; at one that
/// cannot be read the walk ends, and the client is the proxy that wrote it.
pub fn client_of(proxies: &[Prefix], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let trusted = |ip: IpAddr| proxies.iter().any(|p| p.contains(ip));
    let mut client = peer.to_canonical();
    for hop in hops(headers) {
        if !trusted(client) {
            break;
        }
        let Some(said) = hop else { break };
        client = said;
    }
    client
}

/// Whether `X-Forwarded-For` has an entry that cannot be read, `unknown` or the like: a proxy saw
/// the client and does not tell. Who writes such an entry without need only says less of itself.
pub(super) fn hides_client(headers: &HeaderMap) -> bool {
    hops(headers).any(|hop| hop.is_none())
}

/// The entries of `X-Forwarded-For` from the right: none is one that cannot be read. A line is
/// split before it is read, so nothing that stands on its left spoils what a proxy appended.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    // Empty members of a list say nothing.
    let entries = entries.filter(|entry| !entry.trim_ascii().is_empty());
    entries.take(HOPS_MAX).map(address_in)
}

/// The address in an entry, which may be quoted and have a port; of IPv6 it is then in brackets.
fn address_in(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|end| end.ip());
    let address = bare.parse::<IpAddr>().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

/// Routes behind the gate. One layer of our own: each of axum's would copy every request once more.
#[derive(Clone)]
pub struct Gated<S> {
    gate: Arc<Gate>,
    routes: S,
}

impl<S> Gated<S> {
    /// These routes behind that gate.
    pub fn new(gate: &Arc<Gate>, routes: S) -> Self {
        Self { gate: Arc::clone(gate), routes }
    }
}

impl<S> Service<Request> for Gated<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that said it was ready is the one to be called.
        let another = self.routes.clone();
        let mut routes = std::mem::replace(&mut self.routes, another);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move { pass(&gate, request, |request| routes.call(request)).await })
    }
}

async fn pass<F>(
    gate: &Arc<Gate>,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Result<Response, Infallible>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    spread::keep_apart();
    let watch = Stopwatch::start();
    let template = request.extensions().get::<MatchedPath>();
    let route = gate.counts.route(template.map(MatchedPath::as_str));
    // A file waits for its turn and, as a workbook, for all of itself: there it is timed, too.
    let is_file = template.is_some_and(|template| template.as_str() == bulk::ROUTE);
    let secure = gate.is_secure(&request);
    let client = gate.client(peer_of(&request).address, request.headers());
    let channel = Channel::of(secure, client, request.headers());
    let page = !request.uri().path().starts_with("/api/");
    let way = Way { method: request.method(), client, channel, page };
    let asker = gate.asker(request.headers(), way).await;
    let limits = gate.limits.as_ref();
    let standing = limits.map(|limits| match &asker {
        Ok(Asking { caller: Some(caller), .. }) => limits.key(&caller.actor),
        // Wrong keys count against the address: guessing is slow.
        Ok(_) | Err(_) => limits.address(client),
    });
    let line = gate.options.access_log.then(|| Line::of(request.method(), client, &asker));
    let unasked = gate.unasked.check(&request);
    let mut response = match (asker, standing, unasked) {
        (asker, Some(standing), _) if !standing.passes => {
            let keyed = matches!(asker, Ok(Asking { caller: Some(_), .. }));
            gate.counts.limited(if keyed { Limited::Key } else { Limited::Address });
            too_many(&standing).into_response()
        }
        (Err(problem), ..) | (_, _, Err(problem)) => problem.into_response(),
        (Ok(Asking { caller, session }), ..) => {
            let made_by = gate.made_by(request.headers());
            let unchosen = session.is_some() && caller.is_none();
            let extensions = request.extensions_mut();
            let sent_alone = !caller.as_ref().is_none_or(Caller::is_device);
            extensions.insert(crate::pages::Looks { counter: Arc::clone(gate) as _, sent_alone });
            let acting = caller.clone();
            extensions.insert(Arrival { channel, client, session, made_by, caller: acting });
            let proxied = gate.options.trusted_proxies.iter().any(|p| p.contains(client));
            extensions.insert(Passed { client, proxied, caller, unchosen, gate: Arc::clone(gate) });
            let (answering, within) = (next(request), gate.options.patience.answer);
            match is_file {
                true => answering.await?,
                false => match tokio::time::timeout(within, answering).await {
                    Ok(response) => response?,
                    Err(_) => cut_off(),
                },
            }
        }
    };
    headers::dress(&mut response, secure);
    if let Some(standing) = standing {
        // A limit that only a handler could count stopped it: that one is told.
        let stopped = response.extensions().get::<Standing>().copied();
        tell(&stopped.unwrap_or(standing), response.headers_mut());
    }
    let took = watch.elapsed();
    route.answered(response.status(), took);
    if let Some(line) = line {
        let (status, micros) = (response.status().as_u16(), took.as_micros() as u64);
        line.write(route.template(), status, micros);
    }
    Ok(response)
}

/// Too slow. The rest of the body is not waited for: the connection ends with this answer.
fn cut_off() -> Response {
    let mut response = Problem::transport("timeout").into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A request as the log may show it: nothing that a person could be found by. Of the path only its
/// template, of the address only its network, and of a method that we do not know nothing at all.
struct Line {
    method: &'static str,
    from: String,
    who: Option<String>,
}

impl Line {
    fn of(method: &Method, client: IpAddr, asker: &Result<Asking, Problem>) -> Self {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = known.into_iter().find(|known| *known == method.as_str());
        let caller = asker.as_ref().ok().and_then(|asking| asking.caller.as_ref());
        let who = caller.map(|caller| caller.actor.clone());
        Self { method: method.unwrap_or("other"), from: network_text(client), who }
    }

    fn write(&self, route: &str, status: u16, micros: u64) {
        let Self { method, from, who } = self;
        let who = who.as_deref().unwrap_or("anyone");
        tracing::info!(target: "access", method, route, status, micros, %from, who);
    }
}

/// The neighbourhood of an address: some 250 lines of a carrier, or one site's IPv6 network.
fn network_text(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from(v4.to_bits() >> 8 << 8)),
        IpAddr::V6(v6) => format!("{}/48", Ipv6Addr::from(v6.to_bits() >> 80 << 80)),
    }
}

/// What the gate found out about a request.
#[derive(Clone)]
struct Passed {
    client: IpAddr,
    /// The client is a proxy of ours, which did not tell whom it speaks for, or nobody else.
    proxied: bool,
    caller: Option<Caller>,
    /// Somebody signed in and has not chosen what to act as.
    unchosen: bool,
    gate: Arc<Gate>,
}

fn too_many(standing: &Standing) -> Problem {
    Problem {
        retry_after: Some(standing.wait_seconds.max(1)),
        limit: Some(standing.rate),
        ..Problem::transport("too_many_requests")
    }
}

/// The headers of draft-ietf-httpapi-ratelimit-headers.
fn tell(standing: &Standing, headers: &mut HeaderMap) {
    let rate = standing.rate;
    let window = (f64::from(rate.burst) / rate.per_second).ceil();
    let policy = format!("\"{}\";q={};w={window}", rate.name, rate.burst);
    let now = format!("\"{}\";r={};t={}", rate.name, standing.left, standing.wait_seconds);
    for (name, text) in [("ratelimit-policy", policy), ("ratelimit", now)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// Where the request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let client = parts.extensions.get::<Passed>().map(|passed| passed.client);
        Ok(Self(client.unwrap_or(Ipv4Addr::LOCALHOST.into())))
    }
}

/// Whether the request seems to come from a proxy of ours itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proxied(pub bool);

impl<S: Send + Sync> FromRequestParts<S> for Proxied {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Passed>().is_some_and(|passed| passed.proxied)))
    }
}

/// Who asks: somebody with a key or a session, or anyone.
#[derive(Clone, Debug)]
pub struct Asker(pub Option<Caller>);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Passed>().and_then(|passed| passed.caller.clone())))
    }
}

/// Somebody with a key, or who signed in and acts as a member.
pub struct Keyholder(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Keyholder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let passed = parts.extensions.get::<Passed>();
        match passed.and_then(|passed| passed.caller.clone()) {
            Some(caller) => Ok(Self(caller)),
            None if passed.is_some_and(|passed| passed.unchosen) => {
                let why = "choose what to act as first: POST /api/v1/session/membership";
                Err(Refused::because(Refusal::NotAllowed, "", why).into())
            }
            None => Err(Problem::transport("unauthenticated")),
        }
    }
}

impl Keyholder {
    /// The caller, when the key or the role holds this scope.
    ///
    /// # Errors
    /// 403, naming the scope.
    pub fn with(self, scope: Scope) -> Result<Caller, Problem> {
        self.0.need(scope)?;
        Ok(self.0)
    }
}

/// The gate itself, for limits that only a handler can count.
pub struct Counted(pub Option<Arc<Gate>>);

impl<S: Send + Sync> FromRequestParts<S> for Counted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Passed>().map(|passed| Arc::clone(&passed.gate))))
    }
}

impl Counted {
    /// Counts a public look at a unit.
    ///
    /// # Errors
    /// There were too many.
    pub fn look_at(&self, unit: i64) -> Result<(), Problem> {
        self.0.as_ref().map_or(Ok(()), |gate| gate.look_at(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_shows_a_neighbourhood_and_no_address() {
        let check = |address: &str, shown: &str| {
            assert_eq!(network_text(address.parse().unwrap()), shown);
        };
        check("203.0.113.77", "203.0.113.0/24");
        check("::ffff:203.0.113.77", "203.0.113.0/24");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48");
    }

    #[test]
    fn the_client_is_counted_from_the_right_through_trusted_proxies() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let check = |peer: &str, lines: &[&str], expected: &str| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let found = client_of(&proxies, peer.parse().unwrap(), &headers);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        };
        check("203.0.113.9", &["1.2.3.4"], "203.0.113.9");
        check("127.0.0.1", &[], "127.0.0.1");
        check("127.0.0.1", &["1.2.3.4"], "1.2.3.4");
        // What the client wrote itself stands on the left.
        check("127.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.7"], "1.2.3.4");
        check("127.0.0.1", &["6.6.6.6", "1.2.3.4, 10.0.0.7"], "1.2.3.4");
        check("127.0.0.1", &["1.2.3.4, nonsense"], "127.0.0.1");
        check("::ffff:127.0.0.1", &["2001:db8::1"], "2001:db8::1");
        // With a port, in brackets, in quotes.
        check("127.0.0.1", &["222.172.200.68:1234"], "222.172.200.68");
        check("127.0.0.1", &["[2001:da8::1]:443"], "2001:da8::1");
        check("127.0.0.1", &["[2001:da8::1]"], "2001:da8::1");
        check("127.0.0.1", &["\"[2001:da8::1]:443\""], "2001:da8::1");
        check("127.0.0.1", &["\"1.2.3.4:80\", 10.0.0.7:5000"], "1.2.3.4");
        check("127.0.0.1", &["[::ffff:1.2.3.4]:80"], "1.2.3.4");
        // An entry that cannot be read ends the walk where it stands.
        check("127.0.0.1", &["1.2.3.4, ", ",, "], "1.2.3.4");
        for word in ["unknown", "_hidden", "1.2.3.4:", "1.2.3.4:99999", "[1.2.3.4", "\"1.2.3.4"] {
            check("127.0.0.1", &[word], "127.0.0.1");
            let line = format!("6.6.6.6, {word}, 10.0.0.7");
            check("127.0.0.1", &[line.as_str()], "10.0.0.7");
        }
    }

    #[test]
    fn what_a_client_wrote_spoils_nothing_that_a_proxy_appended() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"\xff\xfe, 1.2.3.4").unwrap();
        headers.append("x-forwarded-for", line);
        let proxies = ["127.0.0.1".parse().unwrap()];
        let found = client_of(&proxies, Ipv4Addr::LOCALHOST.into(), &headers);
        assert_eq!(found, IpAddr::from([1, 2, 3, 4]));
    }

    #[test]
    fn a_proxy_that_does_not_tell_is_noticed() {
        let check = |line: Option<&str>, hides: bool| {
            let mut headers = HeaderMap::new();
            if let Some(line) = line {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(hides_client(&headers), hides, "{line:?}");
        };
        check(None, false);
        check(Some("192.168.1.5:4000, 10.0.0.7"), false);
        check(Some("unknown"), true);
        check(Some("unknown, 10.0.0.7"), true);
    }
}
