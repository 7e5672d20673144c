//! Sealing: how many recorded events become entries of the log each second, off the hot path.

use super::{BenchError, Measured, Size, brand, median, per_second, rate, scratch};
use crate::clock::Stopwatch;
use crate::flows::House;
use crate::flows::log::seal;
use domain::id::{BrandId, EventId};
use std::path::Path;
use store::commit::Commit;
use store::event::{Body, Event};

const ROUNDS: u64 = 5;
const EVENTS: u64 = 100_000;
/// Events recorded in one commit while the log is filled.
const COMMIT: u64 = 2_000;
/// What is asked for, entries a second.
const WANTED: f64 = 50_000.0;

/// Records events and seals them, in turn.
pub async fn measure(dir: &Path, size: Size) -> Result<Measured, BenchError> {
    let dir = scratch(dir, "seal")?;
    let (house, caller) = brand::open(&dir).await?;
    let events = size.of(EVENTS, COMMIT);
    let mut rates = Vec::new();
    for round in 0..size.of(ROUNDS, 1) {
        for first in (0..events).step_by(COMMIT as usize) {
            record(&house, caller.brand, round * events + first).await?;
        }
        let watch = Stopwatch::start();
        let sealed = seal(&house).await?;
        rates.push(rate(sealed, watch.elapsed()));
    }
    house.store.close().await;
    let ours = median(rates);
    Ok(Measured {
        path: "seal: events into the log",
        ours: per_second(ours, "entries"),
        baseline: per_second(WANTED, "entries"),
        ratio: ours / WANTED,
        wanted: "≥ 1",
    })
}

async fn record(house: &House, brand: BrandId, first: u64) -> Result<(), BenchError> {
    let now = house.clock.now().as_microsecond();
    let event = |number: u64| Event {
        home: number as i64,
        id: EventId((u128::from(number) << 64 | u128::from(number)).to_be_bytes()),
        brand,
        party: None,
        site: None,
        actor: "cli".to_owned(),
        happened_at: now,
        offset_minutes: 480,
        recorded_at: now,
        body: Body::BatchExported {},
        subjects: Vec::new(),
    };
    let events = (first..first + COMMIT).map(|n| event(n + 1)).collect();
    house.store.commit(&Commit { events, ..Commit::default() }).await?;
    Ok(())
}
