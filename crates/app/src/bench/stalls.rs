//! How long the machine itself stands still while nobody asks anything of it: no server on it can
//! answer sooner.

use super::BenchError;
use crate::clock::Stopwatch;
use std::time::Duration;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(3);
/// A program that only reads the clock reads it again within microseconds. After this it was held
/// up: by another program, by an interrupt, by the machine that this one is a guest on.
const HELD_UP: Duration = Duration::from_millis(1);

/// What one or more processors were seen to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stalls {
    processors: u32,
    count: u32,
    longest: Duration,
    total: Duration,
}

/// Watches all processors at once, for three seconds of doing nothing else.
pub(super) fn observe() -> Result<Stalls, BenchError> {
    let processors = std::thread::available_parallelism()?.get();
    let watching: Vec<_> = (0..processors).map(|_| std::thread::spawn(watch)).collect();
    let seen = watching.into_iter().map(|thread| thread.join().unwrap_or_default());
    Ok(seen.fold(Stalls::default(), Stalls::and))
}

fn watch() -> Stalls {
    let watch = Stopwatch::start();
    let mut seen = Stalls { processors: 1, ..Stalls::default() };
    let mut last = Duration::ZERO;
    while last < WATCHED {
        let now = watch.elapsed();
        seen.note(now - last);
        last = now;
    }
    seen
}

impl Stalls {
    fn note(&mut self, gap: Duration) {
        if gap >= HELD_UP {
            self.count += 1;
            self.longest = self.longest.max(gap);
            self.total += gap;
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            processors: self.processors + other.processors,
            count: self.count + other.count,
            longest: self.longest.max(other.longest),
            total: self.total + other.total,
        }
    }
}

impl std::fmt::Display for Stalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "the machine at rest: in {:.0} s, {} processors were held up {} times by 1 ms or more, \
             at most {:.1} ms, {:.0} ms in all",
            WATCHED.as_secs_f64(),
            self.processors,
            self.count,
            milliseconds(self.longest),
            milliseconds(self.total),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_counts_and_processors_add_up() {
        let mut one = Stalls { processors: 1, ..Stalls::default() };
        for micros in [5, 900, 1_000, 4_000] {
            one.note(Duration::from_micros(micros));
        }
        let both = one.and(Stalls { processors: 1, ..Stalls::default() });
        let expected = (2, 2, Duration::from_millis(4), Duration::from_millis(5));
        assert_eq!((both.processors, both.count, both.longest, both.total), expected);
        assert!(both.to_string().contains("2 processors were held up 2 times"), "{both}");
    }
}
