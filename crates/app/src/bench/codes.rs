//! Minting and streaming codes as CSV on one core, against the bare loop that encrypts them.

use super::{Measured, median, per_second, rate};
use crate::clock::Stopwatch;
use domain::code::{CodeKey, Epoch, TraceCode, UnitNumber, write_csv_run};
use std::hint::black_box;

const CHUNK: usize = 8_192;
const CHUNKS: u64 = 1_500;
const ROUNDS: usize = 5;

/// Measures both in turn, several times.
pub fn measure() -> Measured {
    let epoch = Epoch::new(0).unwrap_or_else(|| unreachable!("epoch 0 exists"));
    let key = CodeKey::new(epoch, [7; 32]);
    let mut codes = vec![TraceCode::BLANK; CHUNK];
    let mut text = Vec::with_capacity(CHUNK * 80);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(run(&key, &mut codes, |codes| {
            black_box(codes);
        }));
        ours.push(run(&key, &mut codes, |codes| {
            text.clear();
            write_csv_run(&mut text, codes, "https://example.com/01/06900000000014/21/");
            black_box(&text);
        }));
    }
    let (bare, ours) = (median(bare), median(ours));
    Measured {
        path: "codes: mint and stream as CSV, one core",
        ours: per_second(ours, "codes"),
        baseline: format!("{} (encrypting alone)", per_second(bare, "codes")),
        ratio: ours / bare,
        wanted: "≥ 0.5",
    }
}

fn run(key: &CodeKey, codes: &mut [TraceCode], mut sink: impl FnMut(&[TraceCode])) -> f64 {
    let watch = Stopwatch::start();
    for chunk in 0..CHUNKS {
        let first = UnitNumber::new(1 + chunk * CHUNK as u64);
        if let Some(first) = first
            && key.encode_run(first, codes).is_ok()
        {
            sink(codes);
        }
    }
    rate(CHUNKS * CHUNK as u64, watch.elapsed())
}
