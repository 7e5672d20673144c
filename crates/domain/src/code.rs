//! Trace codes: unit numbers in print.
//!
//! Decides how a dense 40-bit unit number becomes thirteen characters that cannot be guessed or
//! mistyped, and back. Words: the *epoch* is the key generation, in clear as character 1; the
//! *word* is the 55 bits of characters 2–12, an encrypted unit number under 15 zero bits; the
//! *check character* is the thirteenth. Whether a number was issued, voided or bound is not
//! decided here, and no look-up is ever needed to tell a forged code.

mod check;
mod ff1;
mod key;
mod stream;
mod typed;

use std::fmt;

use thiserror::Error;

pub use check::ALPHABET;
pub use key::{CodeKey, EpochTaken, Forged, KeyRing, PastLastNumber, Starts};
pub use stream::write_csv_run;
pub use typed::{Typed, typed};

/// Characters of a trace code, without hyphens.
pub const CODE_LEN: usize = 13;

/// Bits of a word: eleven numerals of five bits.
const WORD_BITS: u32 = 55;

/// The dense number of a unit or pack, 0..2⁴⁰. Stays inside the deployment: it tells how many
/// units exist, so people see trace codes instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitNumber(u64);

impl UnitNumber {
    /// How many unit numbers there are: 2⁴⁰, about 1.1 million million.
    pub const COUNT: u64 = 1 << 40;

    /// The number, or none from 2⁴⁰ up.
    pub const fn new(number: u64) -> Option<UnitNumber> {
        if number < Self::COUNT { Some(UnitNumber(number)) } else { None }
    }

    /// The number, 0..2⁴⁰.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for UnitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A generation of code keys, 0..32, shown as its character of the [`ALPHABET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u8);

impl Epoch {
    /// How many epochs there are.
    pub const COUNT: u8 = 32;

    /// The epoch, or none from 32 up.
    pub const fn new(epoch: u8) -> Option<Epoch> {
        if epoch < Self::COUNT { Some(Epoch(epoch)) } else { None }
    }

    /// The epoch's number, 0..32.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::from(check::character(self.0.into())).fmt(f)
    }
}

/// Why a text is no trace code. Says nothing about forgery: that takes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodeProblem {
    /// Not thirteen characters, spaces and hyphens not counted.
    #[error("a trace code has 13 characters besides spaces and hyphens, this has {found}")]
    Length {
        /// Characters found, spaces and hyphens not counted.
        found: usize,
    },
    /// A character that no code contains.
    #[error("a trace code has only 2-9 and A-Z without I and O, not {found:?} (character {at})")]
    Alphabet {
        /// Its place among the counted characters, 1..=13.
        at: usize,
        /// The character as given.
        found: char,
    },
    /// The thirteenth character does not close the first twelve: the code was mistyped.
    #[error("the characters of this trace code do not fit together: one was probably mistyped")]
    CheckCharacter,
}

impl CodeProblem {
    /// The stable name of the problem, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            CodeProblem::Length { .. } => "code_length",
            CodeProblem::Alphabet { .. } => "code_alphabet",
            CodeProblem::CheckCharacter => "code_check_character",
        }
    }
}

/// Thirteen characters of the [`ALPHABET`] whose last one is the right check character.
///
/// Says only that the code is well formed; [`KeyRing::decode`] tells whether it is forged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceCode([u8; CODE_LEN]);

impl TraceCode {
    /// The well-formed code of epoch 0 whose word is zero, to fill a buffer for
    /// [`CodeKey::encode_run`].
    pub const BLANK: TraceCode = TraceCode([ALPHABET[0]; CODE_LEN]);

    /// Reads a code as people write it: any case, with or without spaces and hyphens. Characters
    /// are never guessed: `O` is not read as `0` or `Q`.
    ///
    /// # Errors
    /// The first that holds: wrong length, a foreign character, a wrong check character.
    pub fn parse(text: &str) -> Result<TraceCode, CodeProblem> {
        let counted = || text.chars().filter(|c| !c.is_whitespace() && *c != '-');
        let found = counted().count();
        if found != CODE_LEN {
            return Err(CodeProblem::Length { found });
        }
        let mut code = [0; CODE_LEN];
        let mut sum = 0;
        for (place, found) in counted().enumerate() {
            let foreign = CodeProblem::Alphabet { at: place + 1, found };
            let byte = u8::try_from(found).map_err(|_| foreign)?.to_ascii_uppercase();
            let value = check::value(byte).ok_or(foreign)?;
            code[place] = byte;
            sum ^= if place < check::PAYLOAD { check::term(place, value.into()) } else { value };
        }
        if sum == 0 { Ok(TraceCode(code)) } else { Err(CodeProblem::CheckCharacter) }
    }

    /// The code as thirteen characters without hyphens: for URLs, symbols, keys.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this cannot fail.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The thirteen characters as ASCII bytes.
    pub fn as_bytes(&self) -> &[u8; CODE_LEN] {
        &self.0
    }

    /// The code as people read it: `XXXX-XXXX-XXXX-X`.
    pub fn printed(&self) -> String {
        let code = self.as_str();
        format!("{}-{}-{}-{}", &code[..4], &code[4..8], &code[8..12], &code[12..])
    }

    /// The epoch of the key that made the code, if it is genuine.
    pub fn epoch(&self) -> Epoch {
        Epoch(check::value(self.0[0]).unwrap_or_default())
    }

    /// The word of characters 2–12.
    fn word(&self) -> u64 {
        let values = self.0[1..check::PAYLOAD].iter().filter_map(|&byte| check::value(byte));
        values.fold(0, |word, value| word << 5 | u64::from(value))
    }

    /// Writes out the epoch and the low 55 bits of `word` and closes them with the check
    /// character.
    #[inline]
    fn close(epoch: Epoch, word: u64) -> TraceCode {
        let payload = u64::from(epoch.0) << WORD_BITS | word;
        let mut code = [0; CODE_LEN];
        let mut sum = 0;
        for (place, character) in code[..check::PAYLOAD].iter_mut().enumerate() {
            let value = payload >> (WORD_BITS as usize - 5 * place);
            *character = check::character(value);
            sum ^= check::term(place, value);
        }
        code[check::PAYLOAD] = check::character(sum.into());
        TraceCode(code)
    }
}

impl fmt::Display for TraceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TraceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceCode({})", self.as_str())
    }
}

/// The odds, 0..=1, that one guess hits one of `issued` codes of an epoch. A guesser knows the
/// epoch and can compute the check character, so 55 bits are left: issued / 2⁵⁵.
pub fn guess_odds(issued: u64) -> f64 {
    issued as f64 / (1u64 << WORD_BITS) as f64
}
