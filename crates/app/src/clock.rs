//! The one file that reads the clock, and its simulated twin.

use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands until it is set: for the simulated brand and for tests.
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// A simulated clock standing at `at`.
    pub fn simulated(at: Timestamp) -> Self {
        Self::Simulated(Arc::new(AtomicI64::new(at.as_microsecond())))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            // What is recorded are microseconds, and what is told is what is recorded.
            Self::System => {
                Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default()
            }
            Self::Simulated(micros) => {
                Timestamp::from_microsecond(micros.load(Ordering::Relaxed)).unwrap_or_default()
            }
        }
    }

    /// Sets a simulated clock; the machine's clock cannot be set.
    pub fn set(&self, at: Timestamp) {
        if let Self::Simulated(micros) = self {
            micros.store(at.as_microsecond(), Ordering::Relaxed);
        }
    }
}

/// A stopwatch for what is measured, not decided.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}
