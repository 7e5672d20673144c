//! The listening side: connections, their limits, and a quiet end.

use super::gate::Peer;
use super::tls::Tls;
use super::{Patience, ServeOptions, router};
use crate::flows::House;
use crate::jobs;
use axum::http::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Everything is over this long after the stop was asked for.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);
/// What requests under way get of it; the rest is for the jobs.
const DRAIN_WITHIN: Duration = Duration::from_secs(7);
/// Connections at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Pause after the system gave no connection (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` is ready, then finishes what is under way and ends within
/// [`STOP_WITHIN`].
///
/// # Errors
/// The listener has no address.
pub async fn serve(
    house: Arc<House>,
    listener: TcpListener,
    options: ServeOptions,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.local_addr()?;
    let door = Door { tls: options.tls.clone(), patience: options.patience };
    let app = router(Arc::clone(&house), options);
    let jobs = jobs::start(&house);
    let (stopping, stopped) = watch::channel(false);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    tokio::pin!(stop);
    loop {
        while open.try_join_next().is_some() {}
        tokio::select! {
            () = &mut stop => break,
            (stream, peer, permit) = accept(&listener, &room) => {
                let (app, stopped) = (app.clone(), stopped.clone());
                open.spawn(door.clone().connection((stream, peer), app, stopped, permit));
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_WITHIN, drained).await.is_err() {
        tracing::warn!("connections were cut after {DRAIN_WITHIN:?}");
    }
    open.abort_all();
    let rest = STOP_WITHIN.saturating_sub(DRAIN_WITHIN) - Duration::from_secs(1);
    if tokio::time::timeout(rest, jobs.stop()).await.is_err() {
        tracing::warn!("jobs were cut");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How a connection begins.
#[derive(Clone)]
struct Door {
    tls: Option<Arc<Tls>>,
    patience: Patience,
}

impl Door {
    async fn connection(
        self,
        (stream, peer): (TcpStream, SocketAddr),
        app: axum::Router,
        stopped: watch::Receiver<bool>,
        _room: Option<OwnedSemaphorePermit>,
    ) {
        // Small replies must not wait for more to come; where it cannot be set they are only
        // slower.
        let _ = stream.set_nodelay(true);
        let peer = Peer { address: peer.ip(), tls: self.tls.is_some() };
        let Some(tls) = &self.tls else {
            return speak(TokioIo::new(stream), peer, app, stopped, self.patience.head).await;
        };
        // Who does not get through the handshake is the client's affair, like a broken connection.
        let shaken = tls.acceptor().accept(stream);
        if let Ok(Ok(stream)) = tokio::time::timeout(self.patience.handshake, shaken).await {
            speak(TokioIo::new(stream), peer, app, stopped, self.patience.head).await;
        }
    }
}

/// Speaks HTTP/1.1 over a stream until one side has enough.
async fn speak<S>(
    stream: S,
    peer: Peer,
    app: axum::Router,
    mut stopped: watch::Receiver<bool>,
    head_within: Duration,
) where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let app = app.map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_within).max_buf_size(HEAD_BYTES_MAX);
    http.max_header_size(HEAD_BYTES_MAX);
    // Answers are short: to copy one behind its head costs less than to send it in two pieces.
    http.writev(false);
    // Most header lines: hyper's own 100. Said in so many words it would be slower, since then they
    // are kept on the heap.
    let serving = http.serve_connection(stream, TowerToHyperService::new(app));
    tokio::pin!(serving);
    tokio::select! {
        // A broken connection is the client's affair.
        _ = serving.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}
