//! Verify over HTTP: requests a second against a bare handler that returns the same bytes, the tail
//! at seven tenths of the load, the same on a hundredth of the units; then cold start and memory of
//! a server in a process of its own. Server and load share the machine, as they do in the baseline.
//!
//! Of everything the median of several rounds counts: on a shared machine the load that a server
//! can bear changes from one second to the next, and seven tenths of what it bore a minute ago may
//! be more than it can bear now. So the pace of each round is of the rate measured just before it.

use super::process::Server;
use super::{BenchError, BenchOptions, Measured, Say, brand, median, per_second, rate, scratch};
use crate::clock::Stopwatch;
use crate::flows::activate::{Activated, Report, Signals, activate};
use crate::flows::find::unit_number;
use crate::flows::idempotency::Answer;
use crate::flows::{Caller, House};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::glance::Learned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REQUESTS: usize = 120_000;
/// Codes asked about. Two of three were activated, as in a brand whose goods sell.
const SAMPLES: usize = 200_000;
/// Activations on their way at the same time.
const STARTED_AT_ONCE: usize = 64;
const SMALL_UNITS: u64 = 100_000;
const ROUNDS: usize = 5;
const STARTS: usize = 5;
/// How often units can be learnt that cannot be just now: the server's own jobs write meanwhile.
const LEARN_TRIES: u32 = 100;

/// Measures all that needs a served store.
pub async fn measure(options: &BenchOptions, say: Say<'_>) -> Result<Vec<Measured>, BenchError> {
    let large = store_with(options, options.unit_count, say).await?;
    let small = store_with(options, SMALL_UNITS.min(options.unit_count), say).await?;
    say("verify: warming and measuring");
    let few = SMALL_UNITS.min(options.unit_count);
    let connections = options.connections;
    let loaded = serve_and_load(&large, options.unit_count, connections).await?;
    let ((ours, tail), (bare, bare_tail)) = (loaded.ours(), loaded.bare());
    let (little, _) = serve_and_load(&small, few, connections).await?.ours();
    say("cold start and memory of a server in a process of its own");
    let path = format!("/api/v1/verify/{}", sample_codes(&large, options.unit_count).await?[0]);
    let mut starts = Vec::new();
    let mut memory = f64::NAN;
    let codes = requests(&sample_codes(&large, options.unit_count).await?);
    for _ in 0..STARTS {
        let server = Server::start(&large, &path).await?;
        starts.push(server.first_answer.as_secs_f64() * 1e3);
        load(server.address, &codes, (connections, REQUESTS / 4), None).await?;
        memory = server.anonymous_mib();
        server.stop().await;
    }
    let start = median(starts);
    Ok(vec![
        Measured {
            path: "verify: over HTTP",
            ours: per_second(ours, "requests"),
            baseline: format!("{} (bare handler, same bytes)", per_second(bare, "requests")),
            ratio: ours / bare,
            wanted: "≥ 0.5",
        },
        Measured {
            path: "verify: p99 at 70 % load",
            ours: format!("{tail:.2} ms"),
            baseline: format!("5 ms (bare handler at 70 % of its own: {bare_tail:.2} ms)"),
            ratio: tail / 5.0,
            wanted: "≤ 1",
        },
        Measured {
            path: "verify: many units against few",
            ours: format!("{} at {} units", per_second(ours, "requests"), options.unit_count),
            baseline: format!("{} at {SMALL_UNITS} units", per_second(little, "requests")),
            ratio: little / ours,
            wanted: "≤ 1.3",
        },
        Measured {
            path: "start: cold to first answer",
            ours: format!("{start:.0} ms"),
            baseline: "150 ms".to_owned(),
            ratio: start / 150.0,
            wanted: "≤ 1",
        },
        Measured {
            path: "memory: serving",
            ours: format!("{memory:.0} MiB anonymous"),
            baseline: "300 MB".to_owned(),
            ratio: memory * 1.048_576 / 300.0,
            wanted: "≤ 1",
        },
    ])
}

/// A store with so many units, made now or kept from before.
async fn store_with(
    options: &BenchOptions,
    units: u64,
    say: Say<'_>,
) -> Result<PathBuf, BenchError> {
    let name = format!("stock-{units}");
    let dir = match &options.keep {
        Some(keep) => keep.join(&name),
        None => scratch(&options.dir, &name)?,
    };
    std::fs::create_dir_all(&dir)?;
    // Many units take their time: what is there is not made again.
    let (stocked, done) = (dir.join("stocked"), dir.join("made"));
    if !done.exists() {
        let (house, caller) = brand::open(&dir).await?;
        if !stocked.exists() {
            say(&format!("verify: making {units} units"));
            brand::stock_units(&house, &caller, 0..units).await?;
            std::fs::write(&stocked, "")?;
        }
        say("verify: activating two of three that will be asked about");
        activate_sample(&house, &caller, units).await?;
        house.store.close().await;
        std::fs::write(&done, "")?;
    }
    Ok(dir)
}

/// What five rounds gave: requests a second and, at 70 % of that, the tail in milliseconds.
#[derive(Default)]
struct Loaded {
    ours: Vec<(f64, f64)>,
    bare: Vec<(f64, f64)>,
}

impl Loaded {
    fn ours(&self) -> (f64, f64) {
        medians(&self.ours)
    }

    fn bare(&self) -> (f64, f64) {
        medians(&self.bare)
    }
}

fn medians(rounds: &[(f64, f64)]) -> (f64, f64) {
    let (rates, tails) = rounds.iter().copied().unzip();
    (median(rates), median(tails))
}

/// Loads ours and the bare handler in turn.
async fn serve_and_load(dir: &Path, units: u64, connections: usize) -> Result<Loaded, BenchError> {
    let (house, _) = brand::open(dir).await?;
    let codes = codes_of(&house, units).await?;
    let requests = requests(&codes);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (ours, serving) = spawn_ours(Arc::clone(&house), stopped).await?;
    learn(&house).await?;
    let body = one_body(ours, &requests[0]).await?;
    let bare = spawn(bare_router(body)).await?;
    load(ours, &requests, (connections, REQUESTS / 4), None).await?;
    let mut loaded = Loaded::default();
    for _ in 0..ROUNDS {
        for (address, rounds) in [(bare, &mut loaded.bare), (ours, &mut loaded.ours)] {
            let rate = load(address, &requests, (connections, REQUESTS), None).await?.0;
            let paced = (connections, REQUESTS / 2);
            let tail = load(address, &requests, paced, Some(rate * 0.7)).await?.1;
            rounds.push((rate, tail));
        }
    }
    // The server ends before its store is closed, so its last looks can still be written.
    drop(stop);
    let _ = serving.await;
    house.store.close().await;
    Ok(loaded)
}

/// A server knows its units by heart some minutes after its start; here that is not waited for.
async fn learn(house: &House) -> Result<(), BenchError> {
    let mut tries = 0;
    while tries < LEARN_TRIES {
        match house.store.glances_learn().await? {
            Learned::Some => {}
            Learned::All => return Ok(()),
            Learned::Nothing => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    let why = "the units cannot be learnt by heart: it takes 4 GiB of free disk, and nobody else \
               who writes";
    Err(BenchError::Machine(why.to_owned()))
}

async fn sample_codes(dir: &Path, units: u64) -> Result<Vec<String>, BenchError> {
    let (house, _) = brand::open(dir).await?;
    let codes = codes_of(&house, units).await;
    house.store.close().await;
    codes
}

/// Places of units all over the store, in no order, counted from 0.
fn sample(units: u64) -> impl Iterator<Item = u64> {
    let mut at = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move || {
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        at % units
    };
    (0..SAMPLES).map(move |_| next())
}

/// The code of the unit at a place: between the stretches that units draw their numbers from lie
/// those of packs.
async fn code_at(house: &House) -> Result<impl Fn(u64) -> Option<String> + use<>, BenchError> {
    let reference = house.reference().await?;
    let stretches = reference.batches().iter().filter(|batch| batch.product.is_some());
    let stretches: Vec<_> = stretches.map(|batch| (batch.first, batch.count)).collect();
    let ring = house.ring();
    Ok(move |place: u64| {
        let mut left = i64::try_from(place).ok()?;
        for (first, count) in &stretches {
            if left < *count {
                return Some(ring.encode(unit_number(first + left)).to_string());
            }
            left -= count;
        }
        None
    })
}

async fn codes_of(house: &House, units: u64) -> Result<Vec<String>, BenchError> {
    let code_at = code_at(house).await?;
    let codes: Option<_> = sample(units).map(code_at).collect();
    codes.ok_or_else(|| BenchError::Machine("there are fewer units".to_owned()))
}

async fn activate_sample(house: &House, caller: &Caller, units: u64) -> Result<(), BenchError> {
    let chosen: std::collections::BTreeSet<u64> = sample(units).filter(|n| n % 3 != 0).collect();
    let code_at = code_at(house).await?;
    let start = |place: u64| {
        let code = code_at(place).unwrap_or_default();
        async move {
            let report = Report {
                scheme: "code".to_owned(),
                value: code,
                happened_at: house.clock.now().as_microsecond(),
                offset_minutes: 480,
                fingerprint: Some(place.to_string()),
                signals: Signals::default(),
            };
            let render = |_: &Activated| Answer::new(201, String::new());
            activate(house, Some(caller), &report, None, &render).await
        }
    };
    let starting = stream::iter(chosen).map(start).buffer_unordered(STARTED_AT_ONCE);
    starting.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

fn requests(codes: &[String]) -> Vec<Vec<u8>> {
    let request = |code: &String| {
        format!("GET /api/v1/verify/{code} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
    };
    codes.iter().map(request).collect()
}

fn bare_router(body: Vec<u8>) -> Router {
    let body = axum::body::Bytes::from(body);
    let answer = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    Router::new().route("/api/v1/verify/{code}", get(answer))
}

/// The real server, without rate limits: one address sends all the load.
async fn spawn_ours(
    house: Arc<House>,
    stop: tokio::sync::oneshot::Receiver<()>,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let options = crate::api::ServeOptions::default();
    let serving = tokio::spawn(async move {
        let stop = async move {
            let _ = stop.await;
        };
        if let Err(error) = crate::api::serve(house, listener, options, stop).await {
            tracing::error!(%error, "the measured server ended");
        }
    });
    Ok((address, serving))
}

async fn spawn(router: Router) -> Result<SocketAddr, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = router.into_make_service();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            tracing::error!(%error, "the measured server ended");
        }
    });
    Ok(address)
}

async fn one_body(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>, BenchError> {
    let mut client = Client::connect(address).await?;
    client.ask(request).await?;
    Ok(client.last_body().to_vec())
}

/// Sends so many requests over so many keep-alive connections. Returns requests a second and the
/// 99th percentile in milliseconds; with a pace, each request is sent at its appointed time and
/// timed from it.
///
/// The load has a thread of its own: among the tasks of the server it would wait for them, and what
/// it measured would be its own waiting.
async fn load(
    address: SocketAddr,
    requests: &[Vec<u8>],
    counts: (usize, usize),
    pace: Option<f64>,
) -> Result<(f64, f64), BenchError> {
    let requests: Arc<[Vec<u8>]> = requests.into();
    let (told, telling) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let loaded = match runtime {
            Ok(runtime) => runtime.block_on(lanes(address, requests, counts, pace)),
            Err(error) => Err(error.into()),
        };
        // Nobody listens any more where the measurement was given up.
        let _ = told.send(loaded);
    });
    telling.await.map_err(|_| BenchError::Machine("the load broke off".to_owned()))?
}

async fn lanes(
    address: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    (connections, count): (usize, usize),
    pace: Option<f64>,
) -> Result<(f64, f64), BenchError> {
    let watch = Stopwatch::start();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..connections {
        let requests = Arc::clone(&requests);
        tasks.spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut waits = Vec::with_capacity(count / connections + 1);
            for number in (lane..count).step_by(connections) {
                let due = pace.map(|p| Duration::from_secs_f64(number as f64 / p));
                if let Some(wait) = due.and_then(|d| d.checked_sub(watch.elapsed())) {
                    tokio::time::sleep(wait).await;
                }
                let sent = due.unwrap_or_else(|| watch.elapsed());
                client.ask(&requests[number % requests.len()]).await?;
                waits.push(watch.elapsed().saturating_sub(sent).as_secs_f64() * 1e3);
            }
            Ok::<_, BenchError>(waits)
        });
    }
    let mut waits = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        waits.extend(done.map_err(|e| BenchError::Machine(e.to_string()))??);
    }
    let rate = rate(waits.len() as u64, watch.elapsed());
    waits.sort_by(f64::total_cmp);
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    Ok((rate, p99))
}

/// One keep-alive connection that reads just enough HTTP to know where an answer ends.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    body_at: usize,
    end: usize,
}

impl Client {
    async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024], body_at: 0, end: 0 })
    }

    async fn ask(&mut self, request: &[u8]) -> Result<(), BenchError> {
        let broken = || BenchError::Machine("an answer is not one".to_owned());
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[filled..]).await?;
            if more == 0 {
                return Err(broken());
            }
            filled += more;
            let seen = &self.buffer[..filled];
            let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&seen[..head]).map_err(|_| broken())?;
            if !text.starts_with("HTTP/1.1 200") {
                return Err(BenchError::Machine(
                    text.lines().next().unwrap_or_default().to_owned(),
                ));
            }
            let length = text
                .lines()
                .filter_map(|l| l.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .ok_or_else(broken)?;
            self.body_at = head + 4;
            self.end = self.body_at + length;
            if filled >= self.end {
                return Ok(());
            }
        }
    }

    fn last_body(&self) -> &[u8] {
        &self.buffer[self.body_at..self.end]
    }
}
