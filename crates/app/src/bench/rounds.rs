//! Rounds of load: as fast as it goes, then at seven tenths of that.
//!
//! On a shared machine the load that a server can bear changes from one second to the next, and
//! seven tenths of what it bore a minute ago may be more than it can bear now. So the pace of each
//! round is of the rate measured just before it. A round in which the processors themselves were
//! slower in one half, by the neighbours' doing, was not at seven tenths of the load: its answers
//! count with all others, and the tail of the rest is told as well.

use super::load::{Load, p99};
use super::processors::Processors;
use super::{BenchError, median};

/// A round counts where the processors took at most so many times as long for the same work as in
/// the rounds in which they were quick: left alone they keep to 1.02, with a neighbour at work in a
/// part of a round they reach 1.04 to 1.3.
const SLOWER_MAX: f64 = 1.03;

/// What one round gave.
#[derive(Clone, Debug)]
struct Round {
    /// As fast as it goes, in requests a second.
    rate: f64,
    /// How long each waited at seven tenths of that, in milliseconds.
    waits: Vec<f64>,
    /// How long the processors took for the same work, in nanoseconds: while it went as fast as it
    /// goes, and at seven tenths.
    work: [f64; 2],
}

/// What the rounds of one server gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds(Vec<Round>);

/// What 99 of 100 answers did not take longer than, over so many rounds as one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tail {
    /// In milliseconds; no number where there is no round.
    pub milliseconds: f64,
    /// Over so many rounds.
    pub rounds: usize,
    /// In how many of them, each for itself, it was longer than it may be.
    pub late: usize,
}

impl Rounds {
    /// As fast as it goes, then at seven tenths of that with half as many, the requests from one
    /// on.
    pub async fn add(
        &mut self,
        load: Load,
        requests: &[Vec<u8>],
        processors: &Processors,
    ) -> Result<(), BenchError> {
        let start = processors.moment();
        let rate = load.send(requests).await?.rate;
        let middle = processors.moment();
        let from = load.from + load.count;
        let paced = Load { from, count: load.count / 2, pace: Some(rate * 0.7), ..load };
        let waits = paced.send(requests).await?.waits;
        let work = [start.until(&middle), middle.until(&processors.moment())];
        self.0.push(Round { rate, waits, work });
        Ok(())
    }

    /// Requests a second in the middle round.
    pub fn rate(&self) -> f64 {
        median(self.0.iter().map(|round| round.rate).collect())
    }

    /// The tail of all rounds, given how long it may be in milliseconds.
    pub fn tail(&self, most: f64) -> Tail {
        Tail::of(self.0.iter(), most)
    }

    /// The tail of the rounds in which the processors kept their speed.
    pub fn tail_at_full_speed(&self, most: f64) -> Tail {
        let quick = [0, 1].map(|half| quick(self.0.iter().map(|r| r.work[half]).collect()));
        let kept = |round: &&Round| {
            round.work.iter().zip(quick).all(|(work, quick)| *work <= quick * SLOWER_MAX)
        };
        Tail::of(self.0.iter().filter(kept), most)
    }
}

/// What the quickest quarter did not take longer than: neighbours may be at work in most rounds.
fn quick(mut work: Vec<f64>) -> f64 {
    work.sort_by(f64::total_cmp);
    work.get(work.len() / 4).copied().unwrap_or(f64::NAN)
}

impl Tail {
    fn of<'a>(rounds: impl Iterator<Item = &'a Round>, most: f64) -> Self {
        let (mut waits, mut count, mut late) = (Vec::new(), 0, 0);
        for round in rounds {
            waits.extend_from_slice(&round.waits);
            count += 1;
            late += usize::from(p99(round.waits.clone()) > most);
        }
        Self { milliseconds: p99(waits), rounds: count, late }
    }
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { milliseconds, rounds, late } = self;
        write!(f, "{milliseconds:.2} ms over {rounds} rounds, {late} of them late")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(waits: f64, work: [f64; 2]) -> Round {
        Round { rate: 1.0, waits: vec![waits; 100], work }
    }

    #[test]
    fn rounds_on_slower_processors_count_for_all_and_not_for_the_tail_at_full_speed() {
        let rounds = Rounds(vec![
            round(2.0, [100.0, 110.0]),
            round(3.0, [102.0, 112.0]),
            round(40.0, [101.0, 120.0]),
            round(30.0, [140.0, 150.0]),
            round(30.0, [140.0, 150.0]),
            // Slower only while it went as fast as it goes: its pace was too easy.
            round(1.0, [105.0, 109.0]),
            round(1.0, [f64::NAN, 109.0]),
            round(6.0, [99.0, 109.0]),
        ]);
        assert_eq!(rounds.tail(5.0), Tail { milliseconds: 40.0, rounds: 8, late: 4 });
        let kept = rounds.tail_at_full_speed(5.0);
        assert_eq!(kept, Tail { milliseconds: 6.0, rounds: 3, late: 1 });
        assert!(Rounds::default().tail(5.0).milliseconds.is_nan());
    }
}
