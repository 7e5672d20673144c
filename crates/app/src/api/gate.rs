//! The gate before every request: who asks, from where, and how often.

use super::ServeOptions;
use super::error::Problem;
use super::limits::{Limits, Standing};
use crate::flows::{Caller, House, Scope, api_keys};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::address::Prefix;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::Service;

/// Longest time until the head of an answer; a body that streams on after it is not counted.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Entries of `X-Forwarded-For` looked at.
const HOPS_MAX: usize = 16;

/// The other end of the connection, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The gate of a process.
pub struct Gate {
    house: Arc<House>,
    options: ServeOptions,
    limits: Option<Limits>,
}

impl Gate {
    /// A gate with nothing counted yet.
    pub fn new(house: Arc<House>, options: &ServeOptions) -> Self {
        let options = ServeOptions { extra: None, ..options.clone() };
        let limits = options.limits.then(Limits::new);
        Self { house, options, limits }
    }

    /// The client: the connection's other end, or behind trusted proxies what they say, read from
    /// the right, where each proxy writes what it saw itself.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client_of(&self.options.trusted_proxies, peer, headers)
    }

    /// Who a request says it is: nobody without a key; a key that is not good, or not from here, is
    /// refused, always in the same words.
    async fn asker(&self, headers: &HeaderMap, client: IpAddr) -> Result<Option<Caller>, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let refused = || Problem::transport("unauthenticated");
        let text = value.to_str().map_err(|_| refused())?;
        let (kind, token) = text.split_once(' ').ok_or_else(refused)?;
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        let reference = self.house.reference().await?;
        let caller = api_keys::authenticate(&self.house, &reference, token.trim(), client);
        caller.map(Some).ok_or_else(refused)
    }

    /// Counts a public look at a unit.
    ///
    /// # Errors
    /// There were too many.
    pub fn look_at(&self, unit: i64) -> Result<(), Problem> {
        match self.limits.as_ref().map(|l| l.unit(unit)) {
            Some(standing) if !standing.passes => Err(too_many(&standing)),
            _ => Ok(()),
        }
    }
}

fn client_of(proxies: &[Prefix], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let trusted = |ip: IpAddr| proxies.iter().any(|p| p.contains(ip));
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lines.filter_map(|l| l.to_str().ok()).flat_map(|l| l.rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        if !trusted(client) {
            break;
        }
        let Ok(said) = hop.trim().parse::<IpAddr>() else { break };
        client = said.to_canonical();
    }
    client
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
    let peer = request.extensions().get::<Peer>().map_or(Ipv4Addr::LOCALHOST.into(), |p| p.0);
    let client = gate.client(peer, request.headers());
    let asker = gate.asker(request.headers(), client).await;
    let limits = gate.limits.as_ref();
    let standing = limits.map(|limits| match &asker {
        Ok(Some(caller)) => limits.key(&caller.actor),
        // Wrong keys count against the address: guessing is slow.
        Ok(None) | Err(_) => limits.address(client),
    });
    let mut response = match (asker, standing) {
        (_, Some(standing)) if !standing.passes => too_many(&standing).into_response(),
        (Err(problem), _) => problem.into_response(),
        (Ok(caller), _) => {
            let extensions = request.extensions_mut();
            extensions.insert(crate::pages::Visitor(client));
            extensions.insert(Passed { client, caller, gate: Arc::clone(gate) });
            match tokio::time::timeout(ANSWER_WITHIN, next(request)).await {
                Ok(response) => response?,
                Err(_) => Problem::transport("timeout").into_response(),
            }
        }
    };
    plainly(response.headers_mut());
    if let Some(standing) = standing {
        // A limit that only a handler could count stopped it: that one is told.
        let stopped = response.extensions().get::<Standing>().copied();
        tell(&stopped.unwrap_or(standing), response.headers_mut());
    }
    Ok(response)
}

/// What the gate found out about a request.
#[derive(Clone)]
struct Passed {
    client: IpAddr,
    caller: Option<Caller>,
    gate: Arc<Gate>,
}

/// Headers that every answer carries.
pub fn plainly(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
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

/// Who asks: somebody with a key, or anyone.
#[derive(Clone, Debug)]
pub struct Asker(pub Option<Caller>);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Passed>().and_then(|passed| passed.caller.clone())))
    }
}

/// Somebody with a key.
pub struct Keyholder(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Keyholder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Passed>().and_then(|passed| passed.caller.clone());
        caller.map(Self).ok_or_else(|| Problem::transport("unauthenticated"))
    }
}

impl Keyholder {
    /// The caller, when the key holds this scope.
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
    }
}
