//! What an operator relies on: numbers, a log that tells on nobody, headers, TLS, and clients that
//! mean harm with how they send rather than with what they say.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod headers;
mod hostile;
mod logs;
mod metrics;
mod tls;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dossier::api::{Peer, ServeOptions, router, serve};
use dossier::pages;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tower::ServiceExt;

/// Nothing a test waits for takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that a serving process answers.
fn whole(house: &support::House, options: ServeOptions) -> Router {
    let extra = Some(pages::routes());
    router(Arc::clone(&house.house), ServeOptions { extra, ..options })
}

/// The answer to a request from the other end of a connection.
async fn ask(
    app: &Router,
    from: Peer,
    mut request: Request<Body>,
) -> (StatusCode, HeaderMap, String) {
    request.extensions_mut().insert(from);
    let response = app.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    // A stream of a million codes is nothing that these tests look into.
    let bytes = axum::body::to_bytes(body, 4 << 20).await.unwrap_or_default();
    (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
}

fn peer(address: &str, tls: bool) -> Peer {
    Peer { address: address.parse().expect("an address"), tls }
}

/// A server on a port of this process, until it is dropped.
struct Listening {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

async fn listen(house: &support::House, options: ServeOptions) -> Listening {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let options = ServeOptions { extra: Some(pages::routes()), ..options };
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::spawn(serve(Arc::clone(&house.house), listener, options, stopped));
    Listening { address, _stop: stop }
}

impl Listening {
    /// Everything that is answered to these bytes until the connection ends.
    async fn answer(&self, bytes: &str) -> String {
        let (address, bytes) = (self.address, bytes.to_owned());
        let asking = move || {
            let mut stream = TcpStream::connect(address).expect("it listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
            stream.write_all(bytes.as_bytes()).expect("it reads");
            let mut answer = Vec::new();
            // Cut off in the middle of a body, the end may come as a reset.
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(asking).await.expect("an answer")
    }
}
