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
use super::rounds::{Rounds, Tail};
use super::{
    BenchError, BenchOptions, Measured, Say, Size, Table, brand, median, per_second, scratch,
    stalls,
};
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
const KEPT_SPEED: &str = "verify: p99 at 70 % load, while the processors kept their speed";
/// How long units may not be learnt: what follows from the activations is still written meanwhile.
const LEARN_PATIENCE: Duration = Duration::from_secs(120);

/// Measures all that needs a served store.
pub async fn measure(options: &BenchOptions, say: Say<'_>, table: &mut Table) {
    match store_with(options, options.unit_count, say).await {
        Ok(large) => {
            table.add("verify", answers(options, &large, say).await);
            table.add("start", started(options, &large, say).await);
        }
        Err(error) => table.add("verify", Err(error)),
    }
}

/// Answers a second and their tail.
async fn answers(
    options: &BenchOptions,
    large: &Path,
    say: Say<'_>,
) -> Result<Vec<Measured>, BenchError> {
    let (units, few_units) = (options.unit_count, options.size.of(SMALL_UNITS, 100));
    let small = match units > few_units {
        true => Some(store_with(options, few_units, say).await?),
        false => None,
    };
    say("verify: learning, warming and measuring");
    let many = Ours::start(large, units, options.size).await?;
    let few = match &small {
        Some(small) => Some(Ours::start(small, few_units, options.size).await?),
        None => None,
    };
    if options.size == Size::Whole {
        // What was learnt stands in a file: it is brought to the disk now, not beside the answers.
        rustix::fs::sync();
        say(&stalls::observe()?.to_string());
    }
    let (ours, bare, little) = load_in_turn(&many, few.as_ref(), options).await?;
    for server in [Some(many), few].into_iter().flatten() {
        server.stop().await;
    }
    let tail = |path, ours: Tail, bare: Tail| Measured {
        path,
        ours: ours.to_string(),
        baseline: format!("{TAIL_MS} ms (bare handler at 70 % of its own: {bare})"),
        ratio: ours.milliseconds / TAIL_MS,
        wanted: "≤ 1",
    };
    let (rate, bare_rate) = (ours.rate(), bare.rate());
    let few_units = few_units.min(units);
    let mut rows = vec![
        Measured {
            path: "verify: over HTTP",
            ours: per_second(rate, "requests"),
            baseline: format!("{} (bare handler, same bytes)", per_second(bare_rate, "requests")),
            ratio: rate / bare_rate,
            wanted: "≥ 0.5",
        },
        tail("verify: p99 at 70 % load", ours.tail(TAIL_MS), bare.tail(TAIL_MS)),
    ];
    // Of few rounds, or beside other work, none may have had the processors to itself.
    match (ours.tail_at_full_speed(TAIL_MS), bare.tail_at_full_speed(TAIL_MS)) {
        (ours, bare) if ours.rounds > 0 && bare.rounds > 0 => {
            rows.push(tail(KEPT_SPEED, ours, bare));
        }
        _ => say("the processors kept their speed in no round of one of the two: no row of that"),
    }
    rows.push(Measured {
        path: "verify: many units against few",
        ours: format!("{} at {units} units", per_second(rate, "requests")),
        baseline: format!("{} at {few_units} units", per_second(little, "requests")),
        ratio: little / rate,
        wanted: "≤ 1.3",
    });
    Ok(rows)
}

/// How soon a server in a process of its own answers, and how much memory it holds then.
async fn started(
    options: &BenchOptions,
    large: &Path,
    say: Say<'_>,
) -> Result<Vec<Measured>, BenchError> {
    say("cold start and memory of a server in a process of its own");
    let (connections, size) = (options.connections, options.size);
    let sample = sample_codes(large, options.unit_count, size).await?;
    let path = format!("/api/v1/verify/{}", sample[0]);
    let codes = requests(&sample);
    let mut starts = Vec::new();
    let mut memory = f64::NAN;
    for _ in 0..size.of(STARTS, 1) {
        let server = Server::start(large, &path).await?;
        starts.push(server.first_answer.as_secs_f64() * 1e3);
        let (address, count) = (server.address, size.of(WARMING, 100));
        Load { address, connections, from: 0, count, pace: None }.send(&codes).await?;
        memory = server.anonymous_mib();
        server.stop().await;
    }
    let start = median(starts);
    Ok(vec![
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
        activate_sample(&house, &caller, units, options.size).await?;
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
    async fn start(dir: &Path, units: u64, size: Size) -> Result<Self, BenchError> {
        let (house, _) = brand::open(dir).await?;
        let requests = requests(&codes_of(&house, units, size).await?);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (address, serving) = spawn_ours(Arc::clone(&house), stopped).await?;
        learn(&house, size).await?;
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
    options: &BenchOptions,
) -> Result<(Rounds, Rounds, f64), BenchError> {
    let (connections, size) = (options.connections, options.size);
    let (warming, requests) = (size.of(WARMING, 100), size.of(REQUESTS, 200));
    let few = few.unwrap_or(many);
    let body = one_body(many.address, &many.requests[0]).await?;
    let bare = spawn(bare_router(body)).await?;
    let load = |address, from, count| Load { address, connections, from, count, pace: None };
    for ours in [many, few] {
        load(ours.address, 0, warming).send(&ours.requests).await?;
    }
    let processors = Processors::watch()?;
    let (mut of_ours, mut of_bare) = (Rounds::default(), Rounds::default());
    let mut rates_of_few = Vec::new();
    for round in 0..size.of(ROUNDS, 2) {
        let from = warming + round * (requests + requests / 2);
        of_bare.add(load(bare, from, requests), &many.requests, &processors).await?;
        of_ours.add(load(many.address, from, requests), &many.requests, &processors).await?;
        let answered = load(few.address, from, requests).send(&few.requests).await?;
        rates_of_few.push(answered.rate);
    }
    Ok((of_ours, of_bare, median(rates_of_few)))
}

/// A server knows its units by heart some minutes after its start; here that is not waited for.
async fn learn(house: &House, size: Size) -> Result<(), BenchError> {
    let mut waiting = Stopwatch::start();
    loop {
        match house.store.glances_learn().await? {
            Learned::All => return Ok(()),
            Learned::Some => waiting = Stopwatch::start(),
            // What is not learnt is answered all the same.
            Learned::Outrun | Learned::Nothing if size == Size::Tiny => return Ok(()),
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

async fn sample_codes(dir: &Path, units: u64, size: Size) -> Result<Vec<String>, BenchError> {
    let (house, _) = brand::open(dir).await?;
    let codes = codes_of(&house, units, size).await;
    house.store.close().await;
    codes
}

/// Places of units all over the store, in no order, counted from 0.
fn sample(units: u64, size: Size) -> impl Iterator<Item = u64> {
    let mut at = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move || {
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        at % units
    };
    (0..size.of(SAMPLES, 200)).map(move |_| next())
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

async fn codes_of(house: &House, units: u64, size: Size) -> Result<Vec<String>, BenchError> {
    let code_at = code_at(house).await?;
    let codes: Option<_> = sample(units, size).map(code_at).collect();
    codes.ok_or_else(|| BenchError::Machine("there are fewer units".to_owned()))
}

async fn activate_sample(
    house: &House,
    caller: &Caller,
    units: u64,
    size: Size,
) -> Result<(), BenchError> {
    let sample = sample(units, size);
    let chosen: std::collections::BTreeSet<u64> = sample.filter(|n| n % 3 != 0).collect();
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
