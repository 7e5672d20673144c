//! How fast the processors themselves are while something is measured on them.
//!
//! The processors of a virtual machine may be halves of cores, and the other half a
//! neighbour's: while it works, all that runs here takes up to twice as long, and no counter of
//! the system says so. A piece of work that touches no memory and is the same each time tells it,
//! done again and again on every processor.

use super::BenchError;
use crate::clock::Stopwatch;
use crate::machine::processors;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at a processor: with the pieces of a look it takes a hundredth of it.
const PAUSE: Duration = Duration::from_millis(3);
/// The shortest of so many pieces counts: one in which an interrupt was served takes longer.
const PIECES: u32 = 5;
/// Turns of a piece, some five microseconds.
const TURNS: u64 = 4_000;

/// What was seen of one processor so far.
#[derive(Debug, Default)]
struct Seen {
    nanoseconds: AtomicU64,
    looks: AtomicU64,
}

/// Looks at every processor until it is dropped.
#[derive(Debug)]
pub(super) struct Processors {
    seen: Vec<Arc<Seen>>,
    stop: Arc<AtomicBool>,
    looking: Vec<JoinHandle<()>>,
}

/// What had been seen at some moment: for each processor, how long pieces took and how many.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment(Vec<(u64, u64)>);

impl Processors {
    /// Starts to look.
    pub fn watch() -> Result<Self, BenchError> {
        let mut watching =
            Self { seen: Vec::new(), stop: Arc::new(AtomicBool::new(false)), looking: Vec::new() };
        for processor in processors::allowed() {
            let (seen, stop) = (Arc::new(Seen::default()), Arc::clone(&watching.stop));
            watching.seen.push(Arc::clone(&seen));
            let look = move || {
                // Where threads cannot be bound, or one was taken away meanwhile, it looks where it
                // happens to be.
                if let Err(error) = processors::keep_to(processor) {
                    tracing::debug!(%error, processor, "not bound");
                }
                while !stop.load(Ordering::Relaxed) {
                    seen.look();
                    std::thread::sleep(PAUSE);
                }
            };
            let thread = std::thread::Builder::new().name(format!("look-{processor}"));
            watching.looking.push(thread.spawn(look)?);
        }
        Ok(watching)
    }

    /// What has been seen until now.
    pub fn moment(&self) -> Moment {
        let of = |seen: &Arc<Seen>| {
            (seen.nanoseconds.load(Ordering::Relaxed), seen.looks.load(Ordering::Relaxed))
        };
        Moment(self.seen.iter().map(of).collect())
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.looking.drain(..) {
            // One that broke off has nothing more to tell.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn look(&self) {
        let took = (0..PIECES).map(|_| {
            let watch = Stopwatch::start();
            black_box(piece(black_box(1)));
            watch.elapsed()
        });
        let shortest = took.min().unwrap_or_default().as_nanos();
        self.nanoseconds.fetch_add(u64::try_from(shortest).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Moment {
    /// How long a piece took from this moment to a later one, in nanoseconds: the mean of each
    /// processor, and of these; no number where nobody looked.
    pub fn until(&self, later: &Self) -> f64 {
        let mut means = Vec::new();
        for ((from_nanoseconds, from_looks), (nanoseconds, looks)) in self.0.iter().zip(&later.0) {
            if looks > from_looks {
                means.push((nanoseconds - from_nanoseconds) as f64 / (looks - from_looks) as f64);
            }
        }
        means.iter().sum::<f64>() / means.len() as f64
    }
}

/// Work for all of a core's units at once and none of its memory: what shares the core with it
/// slows it. Six chains of steps that do not wait for one another.
fn piece(from: u64) -> u64 {
    let [mut a, mut b, mut c, mut d, mut e, mut f] = [0, 1, 2, 3, 4, 5].map(|at| from + at);
    for turn in 0..TURNS {
        a = (a ^ turn).rotate_left(7).wrapping_add(1);
        b = (b ^ turn).rotate_left(9).wrapping_add(2);
        c = (c ^ turn).rotate_left(11).wrapping_add(3);
        d = (d ^ turn).rotate_left(13).wrapping_add(4);
        e = (e ^ turn).rotate_left(15).wrapping_add(5);
        f = (f ^ turn).rotate_left(17).wrapping_add(6);
    }
    a ^ b ^ c ^ d ^ e ^ f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_processor_is_looked_at_and_what_was_before_does_not_count() {
        let processors = Processors::watch().expect("threads start");
        let everywhere = |from: &Moment| loop {
            let now = processors.moment();
            let fresh = from.0.iter().zip(&now.0).all(|(from, now)| now.1 > from.1);
            if fresh {
                return now;
            }
            std::thread::yield_now();
        };
        let first = everywhere(&processors.moment());
        let second = everywhere(&first);
        assert!(first.until(&second) > 0.0);
        assert!(first.until(&first).is_nan(), "nobody looked in between");
        assert!(!first.0.is_empty());
    }

    #[test]
    fn each_processor_weighs_the_same() {
        let from = Moment(vec![(100, 1), (1_000, 10)]);
        let to = Moment(vec![(200, 2), (4_000, 20)]);
        assert!((from.until(&to) - (100.0 + 300.0) / 2.0).abs() < 1e-9);
        let one_only = Moment(vec![(200, 2), (1_000, 10)]);
        assert!((from.until(&one_only) - 100.0).abs() < 1e-9);
    }
}
