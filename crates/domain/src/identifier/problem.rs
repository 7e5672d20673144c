//! Why a text is no identifier: each problem once, with a sentence that says what is allowed.

use thiserror::Error;

use super::Scheme;
use crate::code::CodeProblem;
use crate::gs1::Gs1Problem;

/// Why a text was refused as an identifier. Places count characters from 1 in the text without
/// surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentifierProblem {
    /// Nothing but white space.
    #[error("{} must not be empty", .scheme.label())]
    Empty {
        /// The scheme asked for.
        scheme: Scheme,
    },
    /// More characters than the scheme allows.
    #[error("{} has {max} characters at most, this has {found}", .scheme.label())]
    TooLong {
        /// The scheme asked for.
        scheme: Scheme,
        /// Characters allowed.
        max: usize,
        /// Characters found.
        found: usize,
    },
    /// A control character: usually a scanner or a copied cell that brought a line break along.
    #[error("an identifier is printable: character {at} is the control character {found:?}")]
    ControlCharacter {
        /// Its place.
        at: usize,
        /// The character.
        found: char,
    },
    /// A full-width form of an ASCII character: the input method is in full-width mode.
    #[error("type {found:?} (character {at}) in half width: identifiers have no full-width form")]
    FullWidth {
        /// Its place.
        at: usize,
        /// The character.
        found: char,
    },
    /// A first character that makes a spreadsheet run the text.
    #[error("an identifier begins with a letter or digit: {found:?} would begin a formula")]
    Formula {
        /// One of `= + - @`.
        found: char,
    },
    /// A character that the scheme does not have.
    #[error("{} has only {allowed}, not {found:?} (character {at})", .scheme.label())]
    Character {
        /// The scheme asked for.
        scheme: Scheme,
        /// The characters it has, in words.
        allowed: &'static str,
        /// The place of the foreign character.
        at: usize,
        /// The foreign character.
        found: char,
    },
    /// A serial number that begins with a sign.
    #[error("{} begins with a letter or digit, not {found:?}", .scheme.label())]
    FirstCharacter {
        /// The scheme asked for.
        scheme: Scheme,
        /// The first character.
        found: char,
    },
    /// Another number of digits than the scheme has.
    #[error("{} has {allowed} digits, this has {found}", .scheme.label())]
    Length {
        /// The scheme asked for.
        scheme: Scheme,
        /// The numbers of digits it has, in words.
        allowed: &'static str,
        /// Digits found.
        found: usize,
    },
    /// The check digit does not fit the other digits.
    #[error("the check digit of {} must fit the other digits: one was mistyped", .scheme.label())]
    CheckDigit {
        /// The scheme asked for.
        scheme: Scheme,
    },
    /// One digit repeated throughout: a placeholder.
    #[error("{} must not be one digit repeated", .scheme.label())]
    RepeatedDigit {
        /// The scheme asked for.
        scheme: Scheme,
    },
    /// An IMEI whose type allocation code begins with 00.
    #[error("an IMEI must not begin with 00, which is kept for test devices")]
    ImeiTest,
    /// An MEID whose first byte is below A0.
    #[error("an MEID begins with A0 or above: lower numbers are IMEIs")]
    MeidRegion,
    /// Hexadecimal digits that are not grouped as MAC addresses are.
    #[error("a MAC address is 12 hexadecimal digits: bare, in pairs (: or -) or in fours (.)")]
    MacGroups,
    /// Bit 0x01 of the first byte: the address of a group.
    #[error("a MAC address must belong to one device: this is a multicast address")]
    MacMulticast,
    /// Bit 0x02 of the first byte: an address made up by software, which may change any day.
    #[error("a MAC address must be given by the maker: this is a random or local one")]
    MacLocal,
    /// No trace code.
    #[error(transparent)]
    Code(#[from] CodeProblem),
    /// No SSCC.
    #[error(transparent)]
    Sscc(#[from] Gs1Problem),
}

impl IdentifierProblem {
    /// The stable name of the problem, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "identifier_empty",
            Self::TooLong { .. } => "identifier_too_long",
            Self::ControlCharacter { .. } => "identifier_control_character",
            Self::FullWidth { .. } => "identifier_full_width",
            Self::Formula { .. } => "identifier_formula",
            Self::Character { .. } => "identifier_character",
            Self::FirstCharacter { .. } => "identifier_first_character",
            Self::Length { .. } => "identifier_length",
            Self::CheckDigit { .. } => "identifier_check_digit",
            Self::RepeatedDigit { .. } => "identifier_repeated_digit",
            Self::ImeiTest => "imei_test",
            Self::MeidRegion => "meid_region",
            Self::MacGroups => "mac_groups",
            Self::MacMulticast => "mac_multicast",
            Self::MacLocal => "mac_local",
            Self::Code(problem) => problem.code(),
            Self::Sscc(problem) => problem.code(),
        }
    }
}
