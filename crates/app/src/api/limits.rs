//! Token buckets: how fast keys, addresses and public units may be asked. Kept in memory by each
//! process; a process that restarts forgives.

use crate::clock::Stopwatch;
use domain::address::household;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;

/// How many requests at once, and how many each second in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// What the limit is called in headers.
    pub name: &'static str,
    /// Requests at once.
    pub burst: u32,
    /// Requests each second in the long run.
    pub per_second: f64,
}

/// Without a key: an office or a carrier's exit holds many people.
pub static ADDRESS: Rate = Rate { name: "address", burst: 240, per_second: 40.0 };
/// With a key: a server.
pub static KEY: Rate = Rate { name: "key", burst: 20_000, per_second: 5_000.0 };
/// One unit, asked by the public, or reported as started by devices under one identifier: nobody
/// needs it more often.
pub static UNIT: Rate = Rate { name: "unit", burst: 60, per_second: 1.0 };

/// Buckets kept at most; when full, those that are full again are forgotten.
const BUCKETS_MAX: usize = 200_000;

/// How a request stands with its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The limit.
    pub rate: &'static Rate,
    /// Whether this request may pass.
    pub passes: bool,
    /// Requests left at once.
    pub left: u32,
    /// Seconds until one more may pass; zero when one may now.
    pub wait_seconds: u32,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: f64,
}

struct Buckets<K> {
    rate: &'static Rate,
    held: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(rate: &'static Rate) -> Self {
        Self { rate, held: Mutex::new(HashMap::new()) }
    }

    fn take(&self, key: K, now: f64) -> Standing {
        let Rate { burst, per_second, .. } = *self.rate;
        let full = f64::from(burst);
        // A poisoned lock would mean a panic in these lines; then nobody is held up.
        let Ok(mut held) = self.held.lock() else { return self.standing(full, true) };
        if held.len() >= BUCKETS_MAX && !held.contains_key(&key) {
            held.retain(|_, b| b.tokens + (now - b.at) * per_second < full);
            if held.len() >= BUCKETS_MAX {
                held.clear();
            }
        }
        let bucket = held.entry(key).or_insert(Bucket { tokens: full, at: now });
        bucket.tokens = (bucket.tokens + (now - bucket.at) * per_second).min(full);
        bucket.at = now;
        let passes = bucket.tokens >= 1.0;
        if passes {
            bucket.tokens -= 1.0;
        }
        self.standing(bucket.tokens, passes)
    }

    fn standing(&self, tokens: f64, passes: bool) -> Standing {
        let missing = (1.0 - tokens).max(0.0);
        let wait_seconds = (missing / self.rate.per_second).ceil() as u32;
        Standing { rate: self.rate, passes, left: tokens as u32, wait_seconds }
    }
}

/// Every limit of a process.
pub struct Limits {
    clock: Stopwatch,
    addresses: Buckets<IpAddr>,
    keys: Buckets<String>,
    units: Buckets<i64>,
}

impl Limits {
    /// Nothing used yet.
    pub fn new() -> Self {
        Self {
            clock: Stopwatch::start(),
            addresses: Buckets::new(&ADDRESS),
            keys: Buckets::new(&KEY),
            units: Buckets::new(&UNIT),
        }
    }

    fn now(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    /// A request without a key. IPv6 counts by its /64: a household has so many.
    pub fn address(&self, address: IpAddr) -> Standing {
        self.addresses.take(household(address), self.now())
    }

    /// A request with a key.
    pub fn key(&self, actor: &str) -> Standing {
        self.keys.take(actor.to_owned(), self.now())
    }

    /// A public look at a unit; or under a number below those of units, a start of what such an
    /// identifier names.
    pub fn unit(&self, number: i64) -> Standing {
        self.units.take(number, self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let buckets = Buckets::new(&Rate { name: "x", burst: 2, per_second: 0.5 });
        assert_eq!(buckets.take(1, 0.0).left, 1);
        assert!(buckets.take(1, 0.0).passes);
        let refused = buckets.take(1, 0.0);
        assert!(!refused.passes);
        assert_eq!(refused.wait_seconds, 2);
        assert!(buckets.take(2, 0.0).passes);
        assert!(buckets.take(1, 2.0).passes);
        assert!(!buckets.take(1, 2.0).passes);
    }
}
