//! Scratch codes: six digits under a coating that prove the label is in hand.
//!
//! A scratch code is a keyed function of the unit number, so nothing is stored and a stolen
//! database without the key reveals none. Six digits hold only against a counter of wrong tries
//! per unit, which is not kept here.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::code::UnitNumber;

/// Digits of a scratch code.
const DIGITS: usize = 6;

/// How many scratch codes there are.
const COUNT: u32 = 1_000_000;

/// 32-bit words from here up are drawn again: below it every code has the same 4294 words, so no
/// code is likelier than another. About one word in 4440 is.
const FAIR_LIMIT: u32 = u32::MAX / COUNT * COUNT;

/// Keeps this use of a key apart from any other.
const LABEL: &[u8] = b"dossier scratch v1";

/// The secret behind all scratch codes of a deployment; wiped on drop, hidden in `Debug`.
pub struct ScratchKey(Zeroizing<[u8; 32]>);

impl ScratchKey {
    /// The key, from 32 secret bytes that should come from a secure random source.
    pub fn new(key: [u8; 32]) -> ScratchKey {
        ScratchKey(Zeroizing::new(key))
    }

    /// The scratch code of a unit: the first fair 32-bit word of
    /// HMAC-SHA-256(key, label ‖ unit number ‖ counter), counter = 0, 1, …, modulo 10⁶.
    pub fn code(&self, number: UnitNumber) -> ScratchCode {
        let mut counter = 0u32;
        loop {
            let tag = self.tag(number, counter);
            let mut words = tag.as_chunks::<4>().0.iter().map(|&word| u32::from_be_bytes(word));
            if let Some(word) = words.find(|&word| word < FAIR_LIMIT) {
                return ScratchCode(word % COUNT);
            }
            // Eight unfair words in a row: once in 10²⁹ tags.
            counter = counter.wrapping_add(1);
        }
    }

    fn tag(&self, number: UnitNumber, counter: u32) -> [u8; 32] {
        // The block of SHA-256 is 64 bytes; RFC 2104 pads a shorter key with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*self.0);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(LABEL);
        mac.update(&number.get().to_be_bytes());
        mac.update(&counter.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for ScratchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScratchKey(..)")
    }
}

/// Why a text is no scratch code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScratchProblem {
    /// A character that is no digit. It is not repeated: it may belong to a secret.
    #[error("a scratch code has only digits: look at character {at}")]
    NotDigit {
        /// Its place in the text, from 1, spaces not counted.
        at: usize,
    },
    /// Not six digits.
    #[error("a scratch code has 6 digits, this has {found}")]
    Length {
        /// Digits found.
        found: usize,
    },
}

impl ScratchProblem {
    /// The stable name of the problem, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            ScratchProblem::NotDigit { .. } => "scratch_not_digit",
            ScratchProblem::Length { .. } => "scratch_length",
        }
    }
}

/// Six digits, hidden in `Debug`. There is no `==` on purpose: see [`ScratchCode::matches`].
#[derive(Clone, Copy)]
pub struct ScratchCode(u32);

impl ScratchCode {
    /// Reads what a person typed: full-width digits count as digits, spaces as nothing.
    ///
    /// # Errors
    /// The first that holds: a character that is no digit, not six digits.
    pub fn parse(text: &str) -> Result<ScratchCode, ScratchProblem> {
        let (mut number, mut found) = (0u32, 0);
        for typed in text.chars().filter(|c| !c.is_whitespace()) {
            let digit = match typed {
                '０'..='９' => typed as u32 - '０' as u32,
                _ => typed.to_digit(10).ok_or(ScratchProblem::NotDigit { at: found + 1 })?,
            };
            // A longer text overflows harmlessly: its length refuses it below.
            number = number.wrapping_mul(10).wrapping_add(digit);
            found += 1;
        }
        if found == DIGITS {
            Ok(ScratchCode(number))
        } else {
            Err(ScratchProblem::Length { found })
        }
    }

    /// Whether both are the same code, in a time that does not depend on the digits: one
    /// comparison of machine words, with no place to stop early.
    pub fn matches(self, other: ScratchCode) -> bool {
        self.0 ^ other.0 == 0
    }
}

/// The six digits, for the printer of the label.
impl fmt::Display for ScratchCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}", self.0)
    }
}

impl fmt::Debug for ScratchCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScratchCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ScratchKey {
        ScratchKey::new(std::array::from_fn(|i| i as u8))
    }

    fn number(number: u64) -> UnitNumber {
        UnitNumber::new(number).unwrap()
    }

    #[test]
    fn typed_as_people_type() {
        for text in ["012345", " 012 345\n", "０１２３４５", "０12　345"] {
            assert_eq!(ScratchCode::parse(text).unwrap().to_string(), "012345", "{text}");
        }
        let problem = |text: &str| ScratchCode::parse(text).unwrap_err();
        assert_eq!(problem(""), ScratchProblem::Length { found: 0 });
        assert_eq!(problem("01234"), ScratchProblem::Length { found: 5 });
        assert_eq!(problem(&"9".repeat(4000)), ScratchProblem::Length { found: 4000 });
        assert_eq!(problem("01234x"), ScratchProblem::NotDigit { at: 6 });
        assert_eq!(problem("-12345"), ScratchProblem::NotDigit { at: 1 });
    }

    #[test]
    fn only_the_same_digits_match() {
        let code = key().code(number(7));
        assert!(code.matches(ScratchCode::parse(&code.to_string()).unwrap()));
        assert!((0..COUNT).filter(|&other| code.matches(ScratchCode(other))).count() == 1);
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(
            format!("{:?} {:?}", key(), key().code(number(7))),
            "ScratchKey(..) ScratchCode(..)"
        );
    }

    #[test]
    fn codes_spread_evenly() {
        // 20,000 codes over their first digit: 2000 each, standard deviation 42.
        let key = key();
        let mut counts = [0; 10];
        for unit in 0..20_000 {
            counts[(key.code(number(unit)).0 / 100_000) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (1790..2210).contains(count)), "{counts:?}");
    }
}
