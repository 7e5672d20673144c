//! Verify over HTTP: requests a second against a bare handler that returns the same bytes, the tail
//! at seven tenths of the load, the same on a hundredth of the units; then cold start and memory of
//! a server in a process of its own. Server and load share the machine, as they do in the baseline.
//!
//! Of rates the median of many short rounds counts. Now and then a shared machine takes a processor
//! away for longer than an answer may wait, or half of its speed. So the tail has two rows, one of
//! all rounds and one of those in which the processors kept their speed; and it is told how long
//! the machine stood still while nothing was asked.

use super::load::{Client, Load};
use super::process::Server;
use super::processors::Processors;
use super::rounds::Rounds;
use super::{BenchError, BenchOptions, Measured, Say, brand, median, per_second, scratch, stalls};
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
use tokio::net::TcpListener;

/// Requests of a round; half as many at seven tenths of the load.
const REQUESTS: usize = 24_000;
/// Requests before anything is measured.
const WARMING: usize = 30_000;
/// Codes asked about. Two of three were activated, as in a brand whose goods sell.
const SAMPLES: usize = 200_000;
/// Activations on their way at the same time.
const STARTED_AT_ONCE: usize = 64;
const SMALL_UNITS: u64 = 100_000;
const ROUNDS: usize = 25;
const STARTS: usize = 5;
/// What 99 of 100 answers may take at seven tenths of the load, in milliseconds.
const TAIL_MS: f64 = 5.0;
/// How long units may not be learnt: what follows from the activations is still written meanwhile.
const LEARN_PATIENCE: Duration = Duration::from_secs(120);

/// Measures all that needs a served store.
pub async fn measure(options: &BenchOptions, say: Say<'_>) -> Result<Vec<Measured>, BenchError> {
    let large = store_with(options, options.unit_count, say).await?;
    let small = if options.unit_count > SMALL_UNITS {
        Some(store_with(options, SMALL_UNITS, say).await?)
    } else {
        None
    };
    let connections = options.connections;
    say("verify: learning, warming and measuring");
    let many = Ours::start(&large, options.unit_count).await?;
    let few = match &small {
        Some(small) => Some(Ours::start(small, SMALL_UNITS).await?),
        None => None,
    };
    // What was learnt stands in a file: it is brought to the disk now, not beside the answers.
    rustix::fs::sync();
    say(&stalls::observe()?.to_string());
    let (ours, bare, little) = load_in_turn(&many, few.as_ref(), connections).await?;
    for server in [Some(many), few].into_iter().flatten() {
        server.stop().await;
    }
    let (tail, bare_tail) = (ours.tail_at_full_speed(TAIL_MS), bare.tail_at_full_speed(TAIL_MS));
    let (whole, bare_whole) = (ours.tail(TAIL_MS), bare.tail(TAIL_MS));
    let (ours, bare) = (ours.rate(), bare.rate());
    say("cold start and memory of a server in a process of its own");
    let path = format!("/api/v1/verify/{}", sample_codes(&large, options.unit_count).await?[0]);
    let mut starts = Vec::new();
    let mut memory = f64::NAN;
    let codes = requests(&sample_codes(&large, options.unit_count).await?);
    for _ in 0..STARTS {
        let server = Server::start(&large, &path).await?;
        starts.push(server.first_answer.as_secs_f64() * 1e3);
        let address = server.address;
        Load { address, connections, from: 0, count: WARMING, pace: None }.send(&codes).await?;
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
            ours: whole.to_string(),
            baseline: format!("{TAIL_MS} ms (bare handler at 70 % of its own: {bare_whole})"),
            ratio: whole.milliseconds / TAIL_MS,
            wanted: "≤ 1",
        },
        Measured {
            path: "verify: p99 at 70 % load, while the processors kept their speed",
            ours: tail.to_string(),
            baseline: format!("{TAIL_MS} ms (bare handler at 70 % of its own: {bare_tail})"),
            ratio: tail.milliseconds / TAIL_MS,
            wanted: "≤ 1",
        },
        Measured {
            path: "verify: many units against few",
            ours: format!("{} at {} units", per_second(ours, "requests"), options.unit_count),
            baseline: format!(
                "{} at {} units",
                per_second(little, "requests"),
                SMALL_UNITS.min(options.unit_count)
            ),
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

/// Our server at work.
struct Ours {
    house: Arc<House>,
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

impl Ours {
    /// Serves a store, its units learnt.
    async fn start(dir: &Path, units: u64) -> Result<Self, BenchError> {
        let (house, _) = brand::open(dir).await?;
        let requests = requests(&codes_of(&house, units).await?);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (address, serving) = spawn_ours(Arc::clone(&house), stopped).await?;
        learn(&house).await?;
        Ok(Self { house, address, requests, stop, serving })
    }

    /// The server ends before its store is closed, so its last looks can still be written.
    async fn stop(self) {
        drop(self.stop);
        let _ = self.serving.await;
        self.house.store.close().await;
    }
}

/// Loads a bare handler, ours with many units and ours with few in turn; without a store of few,
/// many are few. Of ours with few only the rate counts.
async fn load_in_turn(
    many: &Ours,
    few: Option<&Ours>,
    connections: usize,
) -> Result<(Rounds, Rounds, f64), BenchError> {
    let few = few.unwrap_or(many);
    let body = one_body(many.address, &many.requests[0]).await?;
    let bare = spawn(bare_router(body)).await?;
    let load = |address, from, count| Load { address, connections, from, count, pace: None };
    for ours in [many, few] {
        load(ours.address, 0, WARMING).send(&ours.requests).await?;
    }
    let processors = Processors::watch()?;
    let (mut of_ours, mut of_bare) = (Rounds::default(), Rounds::default());
    let mut rates_of_few = Vec::new();
    for round in 0..ROUNDS {
        let from = WARMING + round * (REQUESTS + REQUESTS / 2);
        of_bare.add(load(bare, from, REQUESTS), &many.requests, &processors).await?;
        of_ours.add(load(many.address, from, REQUESTS), &many.requests, &processors).await?;
        let answered = load(few.address, from, REQUESTS).send(&few.requests).await?;
        rates_of_few.push(answered.rate);
    }
    Ok((of_ours, of_bare, median(rates_of_few)))
}

/// A server knows its units by heart some minutes after its start; here that is not waited for.
async fn learn(house: &House) -> Result<(), BenchError> {
    let mut waiting = Stopwatch::start();
    loop {
        match house.store.glances_learn().await? {
            Learned::All => return Ok(()),
            Learned::Some => waiting = Stopwatch::start(),
            Learned::Outrun | Learned::Nothing if waiting.elapsed() < LEARN_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Learned::Outrun | Learned::Nothing => {
                let why = "the units cannot be learnt by heart: it takes 4 GiB of free disk, and \
                           nobody else who writes";
                return Err(BenchError::Machine(why.to_owned()));
            }
        }
    }
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
