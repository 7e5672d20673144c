//! `serve`: answers over HTTP until it is told to stop.

use super::{Exit, Fault, open};
use crate::api::tls::Tls;
use crate::api::{self, ServeOptions};
use crate::config::{GeoArgs, Global, ReachArgs};
use crate::flows::house::Settings;
use crate::flows::people::set_up;
use crate::flows::{House, scans};
use crate::geo::Geo;
use crate::pages;
use clap::ValueEnum;
use domain::address::Prefix;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Requests under way may take this long after the signal; the rest of ten seconds is for the
/// store, and for what the runtime leaves behind.
const DRAIN: Duration = Duration::from_secs(7);
/// Writing down the looks of the last moments may take this long: they are counts, and no records.
const LOOKS: Duration = Duration::from_millis(500);
/// How often the certificate files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Folding the log into the file may take this long.
const CLOSE: Duration = Duration::from_millis(1_500);

/// Rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// Per address and key
    On,
    /// None: for tests and benchmarks
    Off,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For people
    Text,
    /// One JSON object a line
    Json,
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
    /// Who may read /metrics; may be given several times [default: this machine]
    #[arg(long, value_name = "CIDR")]
    metrics_from: Vec<Prefix>,
    /// Certificate chain in PEM form: serve HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogForm::Text)]
    pub(super) log: LogForm,
    /// A log line for each request, without anything personal
    #[arg(long)]
    pub(super) access_log: bool,
    /// Support telephone on the public page [env: DOSSIER_HOTLINE]
    #[arg(long, value_name = "TEL")]
    hotline: Option<String>,
    /// Whether brands may sign up by themselves, under /sign-up
    #[arg(long, value_enum, default_value_t = SignUp::Closed)]
    sign_up: SignUp,
    /// Whether this process sends to webhooks
    #[arg(long, value_enum, default_value_t = Webhooks::On)]
    webhooks: Webhooks,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    geo: GeoArgs,
}

/// Whether a process sends to webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Webhooks {
    /// As they come
    On,
    /// Nothing: they go on where they stopped once a process sends again
    Off,
}

/// Whether brands may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SignUp {
    /// The operator alone brings brands in.
    Closed,
    /// Anyone who reaches the server.
    Open,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let geo = Geo::load(&args.geo.paths())?;
    let sign_up = args.sign_up == SignUp::Open;
    let (webhooks, reach) = (args.webhooks == Webhooks::On, args.reach.reach()?);
    let settings = global.settings(args.hotline.as_deref())?;
    let settings = Settings { sign_up, webhooks, reach, ..settings };
    let house = Arc::new(open::house_with(global, geo, settings).await?);
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Arc::new(open_tls(certificate, key)?)),
        _ => None,
    };
    if let Some(tls) = &tls {
        keep_fresh(Arc::clone(tls))?;
    }
    let options = ServeOptions {
        limits: args.limits == Limits::On,
        trusted_proxies: args.trusted_proxy,
        metrics_from: args.metrics_from,
        access_log: args.access_log,
        tls,
        ..ServeOptions::default()
    };
    let link = set_up_link(&house).await;
    let host = house.settings.host.clone();
    let ready = |base: &str| match &link {
        Some(token) => {
            say(&format!("set up: {}", link_to(&host, base, &format!("set-up/{token}"))))
        }
        None => Ok(()),
    };
    let listener = bind(&args.listen).await?;
    serve(house, Door { listener, options }, ready).await
}

/// A link to set up with, until that is over. A store that cannot be written is served all
/// the same.
async fn set_up_link(house: &House) -> Option<String> {
    match set_up::set_up_link(house).await {
        Ok(link) => link,
        Err(error) => {
            tracing::warn!(%error, "there is no link to set up with");
            None
        }
    }
}

/// A link into a serving process: under the host of printed links, or where it listens.
pub(super) fn link_to(host: &str, base: &str, path: &str) -> String {
    let named = host != Settings::default().host;
    let base = if named { format!("https://{host}") } else { base.to_owned() };
    format!("{base}/{path}")
}

fn open_tls(certificate: &Path, key: &Path) -> Result<Tls, Fault> {
    Tls::read(certificate, key).map_err(|e| Fault::failed(format!("cannot serve HTTPS: {e}")))
}

/// Looks at SIGHUP and once a minute whether the files have changed.
fn keep_fresh(tls: Arc<Tls>) -> Result<(), Fault> {
    let failed = |e: std::io::Error| Fault::failed(format!("cannot listen for signals: {e}"));
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match tls.refresh() {
                Ok(true) => tracing::info!("a new certificate is served"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the last good certificate stays"),
            }
        }
    });
    Ok(())
}

/// How the world comes in.
pub struct Door {
    /// At an address and port.
    pub listener: TcpListener,
    /// How.
    pub options: ServeOptions,
}

/// Serves an open house until it is told to stop. `ready` is called once it listens.
pub async fn serve(
    house: Arc<House>,
    door: Door,
    ready: impl FnOnce(&str) -> Result<(), Fault>,
) -> Result<Exit, Fault> {
    let stop = stop_signal()?;
    let Door { listener, options } = door;
    let address = listener.local_addr()?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{address}");
    announce(&base)?;
    ready(&base)?;
    let ended = until_stopped(Arc::clone(&house), listener, options, stop).await;
    match tokio::time::timeout(LOOKS, scans::flush(&house)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "looks of the last moments were not written"),
        Err(_) => tracing::warn!("looks of the last moments were not written in time"),
    }
    if tokio::time::timeout(CLOSE, house.store.close()).await.is_err() {
        tracing::warn!("the store was still busy; it will tidy up at the next start");
    }
    ended.map(|()| Exit::Done)
}

/// Takes an address and port. Whoever connects waits until it is served.
pub(super) async fn bind(listen: &str) -> Result<TcpListener, Fault> {
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
fn announce(base: &str) -> Result<(), Fault> {
    say(&format!("listening on {base}"))
}

fn say(line: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
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
    options: ServeOptions,
    stop: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let options = ServeOptions { extra: Some(pages::routes()), ..options };
    let patience = async {
        stopped(stop.clone()).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = api::serve(house, listener, options, stopped(stop.clone())) => {
            ended.map_err(|e| Fault::Unavailable(format!("the server ended: {e}")))
        }
        () = patience => Ok(()),
    }
}
