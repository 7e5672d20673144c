//! `serve`: answers over HTTP until it is told to stop.

use super::{Exit, Fault, open};
use crate::api::{self, ServeOptions};
use crate::config::{GeoArgs, Global};
use crate::flows::{House, scans};
use crate::geo::Geo;
use crate::pages;
use clap::ValueEnum;
use domain::address::Prefix;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Requests under way may take this long after the signal; the rest of ten seconds is for the
/// store.
const DRAIN: Duration = Duration::from_secs(7);
/// Folding the log into the file may take this long.
const CLOSE: Duration = Duration::from_secs(2);

/// Rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// Per address and key
    On,
    /// None: for tests and benchmarks
    Off,
}

/// Answers over HTTP.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Rate limits
    #[arg(long, value_enum, default_value_t = Limits::On)]
    limits: Limits,
    /// A proxy whose X-Forwarded-For is believed; may be given several times
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<Prefix>,
    /// Support telephone on the public page [env: DOSSIER_HOTLINE]
    #[arg(long, value_name = "TEL")]
    hotline: Option<String>,
    #[command(flatten)]
    geo: GeoArgs,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let geo = Geo::load(&args.geo.paths())?;
    let settings = global.settings(args.hotline.as_deref())?;
    let house = Arc::new(open::house_with(global, geo, settings).await?);
    let door =
        Door { listen: &args.listen, limits: args.limits, trusted_proxy: &args.trusted_proxy };
    serve(house, door, |_| Ok(())).await
}

/// How the world comes in.
pub struct Door<'a> {
    /// Address and port.
    pub listen: &'a str,
    /// Rate limits.
    pub limits: Limits,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxy: &'a [Prefix],
}

/// Serves an open house until it is told to stop. `ready` is called once it listens.
pub async fn serve(
    house: Arc<House>,
    door: Door<'_>,
    ready: impl FnOnce(&str) -> Result<(), Fault>,
) -> Result<Exit, Fault> {
    let stop = stop_signal()?;
    let listener = bind(door.listen).await?;
    let address = listener.local_addr()?;
    announce(address)?;
    ready(&format!("http://{address}"))?;
    let ended = until_stopped(Arc::clone(&house), listener, &door, stop).await;
    if let Err(error) = scans::flush(&house).await {
        tracing::warn!(%error, "looks of the last moments were not written");
    }
    if tokio::time::timeout(CLOSE, house.store.close()).await.is_err() {
        tracing::warn!("the store was still busy; it will tidy up at the next start");
    }
    ended.map(|()| Exit::Done)
}

async fn bind(listen: &str) -> Result<TcpListener, Fault> {
    TcpListener::bind(listen).await.map_err(|e| {
        let next = match e.kind() {
            std::io::ErrorKind::AddrInUse => "; stop what listens there or choose another --listen",
            std::io::ErrorKind::PermissionDenied => "; take a port from 1024 up",
            _ => "; --listen takes an address and a port such as 127.0.0.1:8080",
        };
        Fault::failed(format!("cannot listen on {listen}: {e}{next}"))
    })
}

/// The one line that says the server is ready. Nobody may be reading it.
fn announce(address: SocketAddr) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "listening on http://{address}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Turns true at SIGTERM or SIGINT.
fn stop_signal() -> Result<watch::Receiver<bool>, Fault> {
    let failed = |e: std::io::Error| Fault::failed(format!("cannot listen for signals: {e}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (tell, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // When nobody listens any more, the server has already ended.
        let _ = tell.send(true);
    });
    Ok(stop)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means the sender is gone, which it is only after it has told.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves until the signal, and then as long as requests under way may take.
async fn until_stopped(
    house: Arc<House>,
    listener: TcpListener,
    door: &Door<'_>,
    stop: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let patience = async {
        stopped(stop.clone()).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = answer(house, listener, door, stopped(stop.clone())) => {
            ended.map_err(|e| Fault::Unavailable(format!("the server ended: {e}")))
        }
        () = patience => Ok(()),
    }
}

/// Opens the API and the pages to the world.
async fn answer(
    house: Arc<House>,
    listener: TcpListener,
    door: &Door<'_>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let options = ServeOptions {
        limits: door.limits == Limits::On,
        trusted_proxies: door.trusted_proxy.to_vec(),
        extra: Some(pages::routes()),
    };
    api::serve(house, listener, options, stop).await
}
