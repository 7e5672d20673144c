//! Organisations: the legal body behind a party. One plant may make for several brands, one service
//! centre repair for several: each brand has a party of its own for it, and all of them name the
//! same *unified social credit code* (GB 32100-2015, 统一社会信用代码).
//!
//! That two parties are one organisation opens nothing to anybody: a brand sees its own parties,
//! and only the operator sees that another brand works with the same plant.

use std::fmt;
use thiserror::Error;

/// Characters of the code.
const LEN: usize = 18;
/// Digits and capitals without I, O, S, V and Z (GB 32100-2015, 4.2.6).
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// A unified social credit code whose check character fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uscc([u8; LEN]);

/// Why a text is no unified social credit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsccProblem {
    /// Of another length.
    #[error("a unified social credit code has 18 characters, this has {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character outside the alphabet.
    #[error("a unified social credit code has digits and capitals without I, O, S, V, Z")]
    Character,
    /// The last character does not fit the others.
    #[error("the last character does not fit the others: one was mistyped")]
    Check,
}

impl Uscc {
    /// Reads a code; small letters are taken as capitals, spaces and hyphens are passed over.
    ///
    /// # Errors
    /// It has another length or alphabet, or its check character does not fit.
    pub fn parse(raw: &str) -> Result<Self, UsccProblem> {
        let kept = raw.chars().filter(|c| !matches!(c, ' ' | '-'));
        let chars: Vec<char> = kept.map(|c| c.to_ascii_uppercase()).collect();
        if chars.len() != LEN {
            return Err(UsccProblem::Length { found: chars.len() });
        }
        let mut code = [0; LEN];
        let mut sum = 0;
        for (i, c) in chars.into_iter().enumerate() {
            let value = ALPHABET.iter().position(|a| char::from(*a) == c);
            let value = value.ok_or(UsccProblem::Character)?;
            code[i] = ALPHABET[value];
            sum += value * weight(i);
        }
        // The check character has weight 1 and makes the sum a multiple of 31.
        if sum % ALPHABET.len() == 0 { Ok(Self(code)) } else { Err(UsccProblem::Check) }
    }

    /// The code as printed.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// 3 to the power of the place, modulo 31; the last place has weight 1.
const fn weight(place: usize) -> usize {
    let (mut weight, mut i) = (1, 0);
    while i < place % (LEN - 1) {
        weight = weight * 3 % ALPHABET.len();
        i += 1;
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first seventeen characters with the one that fits them, found by the standard's own
    /// formula: 31 less the weighted sum modulo 31.
    fn completed(body: &[usize; 17]) -> String {
        let weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
        let sum: usize = body.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        let check = (31 - sum % 31) % 31;
        body.iter().chain([&check]).map(|value| char::from(ALPHABET[*value])).collect()
    }

    #[test]
    fn known_codes_are_read() {
        // Printed in annual reports of listed makers.
        for code in ["91440300708461136T", "9144030071526726XG"] {
            assert_eq!(Uscc::parse(code).map(|u| u.to_string()).as_deref(), Ok(code), "{code}");
        }
        assert_eq!(Uscc::parse("914403007084 61136t").unwrap().as_str(), "91440300708461136T");
        assert_eq!(Uscc::parse("91440300708461136"), Err(UsccProblem::Length { found: 17 }));
        assert_eq!(Uscc::parse("91440300708461136I"), Err(UsccProblem::Character));
        assert_eq!(Uscc::parse("91440300708461137T"), Err(UsccProblem::Check));
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_found(
            body in prop::array::uniform17(0usize..31), at in 0usize..18, by in 1usize..31,
        ) {
            let code = completed(&body);
            prop_assert!(Uscc::parse(&code).is_ok(), "{code}");
            let mut wrong: Vec<u8> = code.into_bytes();
            let value = ALPHABET.iter().position(|a| *a == wrong[at]).unwrap();
            wrong[at] = ALPHABET[(value + by) % 31];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert_eq!(Uscc::parse(&wrong), Err(UsccProblem::Check));
        }
    }
}
