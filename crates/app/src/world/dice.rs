//! Chance that repeats: SplitMix64. The same seed throws the same, on every machine and release.

/// A stream of throws.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A stream of its own for each purpose, so that one more throw here moves nothing there.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        dice.next();
        dice
    }

    /// The next 64 bits (Steele, Lea, Flood 2014, figure 16).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this chance.
    pub fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// A number of `0..end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// A number of `first..=last`.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below(usize::try_from(last - first + 1).unwrap_or(1)) as i64
    }

    /// A wait with this mean, exponential.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// One of these; `None` of none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// A place in a list of weights.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_purposes_differ() {
        let throws = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            (0..4).map(|_| dice.next()).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, 2), throws(1, 2));
        assert_ne!(throws(1, 2), throws(1, 3));
        assert_ne!(throws(1, 2), throws(2, 2));
    }

    #[test]
    fn throws_stay_in_range() {
        let mut dice = Dice::new(7, 0);
        for _ in 0..1_000 {
            assert!((3..=9).contains(&dice.between(3, 9)));
            assert!(dice.below(5) < 5);
            assert!(dice.wait(3.0) >= 0.0);
            assert_eq!(dice.weighted(&[0.0, 1.0, 0.0]), 1);
        }
        assert!(dice.pick::<u8>(&[]).is_none());
    }
}
