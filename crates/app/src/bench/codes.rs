//! Minting a batch in a store and streaming its codes as CSV, as `dossier codes` does, on one core,
//! against the bare loop that encrypts them.

use super::{BenchError, Measured, Size, brand, median, per_second, rate, scratch};
use crate::clock::Stopwatch;
use crate::flows::batches::{self, CodeStream, LinkStyle, Mint, link_prefix};
use crate::flows::{Caller, House};
use domain::code::{CodeKey, Epoch, TraceCode, UnitNumber};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use store::reference::Purpose;

const CHUNK: usize = 8_192;
const CHUNKS: u64 = 1_500;
const ROUNDS: usize = 5;

/// Measures both in turn, several times.
pub async fn measure(dir: &Path, size: Size) -> Result<Measured, BenchError> {
    let dir = scratch(dir, "codes")?;
    let (house, caller) = brand::open(&dir).await?;
    let epoch = Epoch::new(0).unwrap_or_else(|| unreachable!("epoch 0 exists"));
    let key = CodeKey::new(epoch, [7; 32]);
    let mut codes = vec![TraceCode::BLANK; CHUNK];
    let chunks = size.of(CHUNKS, 2);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..size.of(ROUNDS, 1) {
        bare.push(encrypt(&key, &mut codes, chunks));
        ours.push(mint_and_stream(&house, &caller, chunks * CHUNK as u64).await?);
    }
    house.store.close().await;
    let (bare, ours) = (median(bare), median(ours));
    Ok(Measured {
        path: "codes: mint a batch (durably) and stream code and link of each as CSV, one core",
        ours: per_second(ours, "codes"),
        baseline: format!("{} (encrypting alone)", per_second(bare, "codes")),
        ratio: ours / bare,
        wanted: "≥ 0.5",
    })
}

fn encrypt(key: &CodeKey, codes: &mut [TraceCode], chunks: u64) -> f64 {
    let watch = Stopwatch::start();
    for chunk in 0..chunks {
        let first = UnitNumber::new(1 + chunk * CHUNK as u64);
        if let Some(first) = first
            && key.encode_run(first, codes).is_ok()
        {
            black_box(&codes);
        }
    }
    rate(chunks * CHUNK as u64, watch.elapsed())
}

/// A fresh batch from its order to its last line, which nobody keeps.
async fn mint_and_stream(house: &House, caller: &Caller, count: u64) -> Result<f64, BenchError> {
    let product = house.reference_now().await?.products(caller.brand).first().map(|p| p.id);
    let order = Mint {
        product,
        purpose: Purpose::Printed,
        count: i64::try_from(count).unwrap_or(i64::MAX),
        scratch: false,
    };
    let watch = Stopwatch::start();
    let batch = batches::mint(house, caller, order).await?;
    let batch = batches::export(house, caller, batch.id(), batch.numbers()).await?;
    let reference = house.reference_now().await?;
    let prefix = link_prefix(house, &reference, &batch, LinkStyle::DigitalLink);
    let range = batch.first..batch.end();
    let mut stream = CodeStream::new(house, &reference, &batch, prefix, range);
    let mut lines = Vec::with_capacity(1 << 20);
    let mut sink = std::io::sink();
    lines.extend_from_slice(stream.header().as_bytes());
    while stream.next_csv(&mut lines) {
        sink.write_all(black_box(&lines))?;
        lines.clear();
    }
    let took = watch.elapsed();
    match stream.left() {
        0 => Ok(rate(count, took)),
        left => Err(BenchError::Machine(format!("{left} codes of batch {} are missing", batch.id))),
    }
}
