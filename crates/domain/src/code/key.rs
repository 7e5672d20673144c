//! Which number a code carries: the secret permutation of one epoch, and the ring of epochs.
//!
//! Encoding is arithmetic: no table, no randomness, and two numbers never share a code. Decoding
//! tells a number or "forged"; whether a decoded number was ever issued is for the caller, who
//! knows the issued ranges.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;
use zeroize::Zeroize;

use super::ff1::{Ff1, LANES};
use super::{Epoch, TraceCode, UnitNumber};

/// The code is well formed but no key of this deployment made it for any unit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this code was never issued")]
pub struct Forged;

/// A run of codes would go past the last unit number, 2⁴⁰ − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the run of codes goes past the last unit number")]
pub struct PastLastNumber;

/// The epoch already has a key in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("epoch {0} already has a key")]
pub struct EpochTaken(pub Epoch);

/// The key of one epoch: a bijection between unit numbers and that epoch's codes.
///
/// Secret: `Debug` shows the epoch only, and the key material is wiped on drop.
pub struct CodeKey {
    epoch: Epoch,
    ff1: Ff1,
}

impl CodeKey {
    /// The key of `epoch`, from 32 secret bytes that should come from a secure random source.
    pub fn new(epoch: Epoch, mut key: [u8; 32]) -> CodeKey {
        let ff1 = Ff1::new(&key);
        key.zeroize();
        CodeKey { epoch, ff1 }
    }

    /// The epoch whose codes this key makes and reads.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The code of one unit number.
    pub fn encode(&self, number: UnitNumber) -> TraceCode {
        let mut words = [number.get()];
        self.ff1.encrypt(&mut words);
        TraceCode::close(self.epoch, words[0])
    }

    /// Fills `out` with the codes of `first`, `first` + 1, …: the same as [`CodeKey::encode`] one
    /// by one and several times faster.
    ///
    /// # Errors
    /// [`PastLastNumber`] if the run does not fit below 2⁴⁰; then `out` is untouched.
    pub fn encode_run(
        &self,
        first: UnitNumber,
        out: &mut [TraceCode],
    ) -> Result<(), PastLastNumber> {
        let mut next = first.get();
        if out.len() as u64 > UnitNumber::COUNT - next {
            return Err(PastLastNumber);
        }
        for chunk in out.chunks_mut(LANES) {
            // A short last chunk computes full lanes too and drops the rest: that is cheaper
            // than single codes, and a word past 2⁴⁰ is never shown to anyone.
            let mut words: [u64; LANES] = std::array::from_fn(|lane| next + lane as u64);
            self.ff1.encrypt(&mut words);
            for (code, &word) in chunk.iter_mut().zip(&words) {
                *code = TraceCode::close(self.epoch, word);
            }
            next += LANES as u64;
        }
        Ok(())
    }

    /// The unit number that a code of this epoch carries.
    ///
    /// # Errors
    /// [`Forged`] if the code is of another epoch, or its 15 redundant bits are not zero: a made
    /// up code with a right check character passes that once in 2¹⁵ tries.
    pub fn decode(&self, code: &TraceCode) -> Result<UnitNumber, Forged> {
        if code.epoch() != self.epoch {
            return Err(Forged);
        }
        // The redundancy is that 55-bit words stand for 40-bit numbers.
        UnitNumber::new(self.ff1.decrypt(code.word())).ok_or(Forged)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// All keys of a deployment: the current one, which makes new codes, and those of earlier epochs,
/// which still read what they made. At most one key per epoch.
///
/// A number belongs to the epoch that it was issued in, and has one code for ever: under another
/// epoch's key it has none, so a key that was stolen makes no codes for numbers issued later.
#[derive(Debug)]
pub struct KeyRing {
    current: CodeKey,
    retired: BTreeMap<Epoch, CodeKey>,
    starts: Starts,
}

/// From which number on an epoch's key was in use, for each epoch that issued any: numbers are
/// issued in their order, so an epoch goes up to where the next one starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts(BTreeMap<UnitNumber, Epoch>);

impl Starts {
    /// The epoch that a number was issued in; none below the first that was issued.
    fn epoch_of(&self, number: UnitNumber) -> Option<Epoch> {
        self.0.range(..=number).next_back().map(|(_, epoch)| *epoch)
    }
}

/// From the first number of each batch and the epoch it was minted in, in any order.
impl FromIterator<(UnitNumber, Epoch)> for Starts {
    fn from_iter<I: IntoIterator<Item = (UnitNumber, Epoch)>>(batches: I) -> Starts {
        let mut starts: BTreeMap<_, _> = batches.into_iter().collect();
        let mut before = None;
        starts.retain(|_, epoch| before.replace(*epoch) != Some(*epoch));
        Starts(starts)
    }
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(current: CodeKey) -> KeyRing {
        KeyRing { current, retired: BTreeMap::new(), starts: Starts::default() }
    }

    /// The ring with what was issued in which epoch. One that was told nothing of it takes every
    /// number for one of the current epoch.
    #[must_use]
    pub fn with_starts(mut self, starts: Starts) -> KeyRing {
        self.starts = starts;
        self
    }

    /// What it knows of that.
    pub fn starts(&self) -> &Starts {
        &self.starts
    }

    /// The key that a number's code is made with.
    fn key_of(&self, number: UnitNumber) -> &CodeKey {
        let issued = self.starts.epoch_of(number);
        issued.and_then(|epoch| self.key(epoch)).unwrap_or(&self.current)
    }

    /// The ring with one more key, which reads and re-prints codes of its epoch only.
    ///
    /// # Errors
    /// [`EpochTaken`] if the ring holds a key of that epoch.
    pub fn with_retired(mut self, key: CodeKey) -> Result<KeyRing, EpochTaken> {
        if self.key(key.epoch).is_some() {
            return Err(EpochTaken(key.epoch));
        }
        self.retired.insert(key.epoch, key);
        Ok(self)
    }

    /// The key that makes new codes.
    pub fn current(&self) -> &CodeKey {
        &self.current
    }

    /// The key of one epoch, current or earlier: a batch is printed under the epoch it was minted
    /// in.
    pub fn key(&self, epoch: Epoch) -> Option<&CodeKey> {
        if epoch == self.current.epoch { Some(&self.current) } else { self.retired.get(&epoch) }
    }

    /// The code of a unit number, of the epoch it was issued in.
    pub fn encode(&self, number: UnitNumber) -> TraceCode {
        self.key_of(number).encode(number)
    }

    /// Whether the key of the code's own epoch opens it, whatever was issued in which.
    pub fn opens(&self, code: &TraceCode) -> bool {
        self.key(code.epoch()).is_some_and(|key| key.decode(code).is_ok())
    }

    /// The unit number that a code carries, read with the key of the code's own epoch.
    ///
    /// # Errors
    /// [`Forged`] as [`CodeKey::decode`]; if the ring has no key of that epoch; or if the number
    /// was issued in another one, where somebody has a key of old.
    pub fn decode(&self, code: &TraceCode) -> Result<UnitNumber, Forged> {
        let number = self.key(code.epoch()).ok_or(Forged)?.decode(code)?;
        if self.key_of(number).epoch == code.epoch() { Ok(number) } else { Err(Forged) }
    }
}
