//! Identifiers: every number a unit answers to besides its trace code.
//!
//! Decides, per scheme, what is well formed and which form two spellings share. A value that
//! passes is fit to be stored, compared and exported: it holds no control character, no
//! full-width look-alike and nothing a spreadsheet would run. Does not decide whether the number
//! was ever allotted, or to whom.

mod digits;
mod problem;
mod rules;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use thiserror::Error;

use crate::code::TraceCode;
use crate::gs1::Sscc;
use crate::refusal::Refusal;

pub use problem::IdentifierProblem;

/// Most characters of a brand's serial number.
pub const SN_CHARS_MAX: usize = 32;

/// Most characters of a part's serial number, and of any other identifier as given.
pub const IDENTIFIER_CHARS_MAX: usize = 64;

/// A kind of identifier, ordered from the most particular form to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Our own trace code ([`crate::code`]).
    Code,
    /// Mobile equipment identity, 3GPP TS 23.003 §6.
    Imei,
    /// Mobile equipment identity of CDMA, 3GPP2 S.R0048: 14 hexadecimal digits.
    Meid,
    /// Embedded UICC (eSIM), GSMA SGP.02 and SGP.29: 32 digits.
    Eid,
    /// Globally unique 48-bit network address, IEEE 802.
    Mac,
    /// Pack number, GS1 AI 00.
    Sscc,
    /// The brand's own serial number.
    Sn,
    /// Serial number of a part inside the unit.
    Part,
}

impl Scheme {
    /// Every scheme, in order.
    pub const ALL: [Scheme; 8] = [
        Scheme::Code,
        Scheme::Imei,
        Scheme::Meid,
        Scheme::Eid,
        Scheme::Mac,
        Scheme::Sscc,
        Scheme::Sn,
        Scheme::Part,
    ];

    /// What can name a unit, in order. A pack is asked for as a pack.
    pub const OF_UNIT: [Scheme; 7] = [
        Scheme::Code,
        Scheme::Imei,
        Scheme::Meid,
        Scheme::Eid,
        Scheme::Mac,
        Scheme::Sn,
        Scheme::Part,
    ];

    /// The stable name, for storage and interfaces; [`Scheme::from_str`] reads back those that
    /// name units, the only ones that anybody says.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Code => "code",
            Scheme::Imei => "imei",
            Scheme::Meid => "meid",
            Scheme::Eid => "eid",
            Scheme::Mac => "mac",
            Scheme::Sscc => "sscc",
            Scheme::Sn => "sn",
            Scheme::Part => "part",
        }
    }

    /// Whether the number is allotted by a body that serves every maker: it names one thing over
    /// all brands, so whoever enters it first has it.
    pub const fn is_worldwide(self) -> bool {
        match self {
            Scheme::Imei | Scheme::Meid | Scheme::Eid | Scheme::Mac | Scheme::Sscc => true,
            Scheme::Code | Scheme::Sn | Scheme::Part => false,
        }
    }

    /// How many of these one unit bears at most; none where nothing bounds them. A phone has an
    /// IMEI for each of its radios, and two of those; a second serial number would stand nowhere.
    pub const fn count_max(self) -> Option<usize> {
        match self {
            Scheme::Imei => Some(2),
            Scheme::Sn => Some(1),
            _ => None,
        }
    }

    /// Whether one more may go onto a unit that bears `held` of them.
    ///
    /// # Errors
    /// [`Refusal::IdentifiersFull`].
    pub fn has_room(self, held: usize) -> Result<(), Refusal> {
        match self.count_max() {
            Some(most) if held >= most => Err(Refusal::IdentifiersFull),
            _ => Ok(()),
        }
    }

    /// What a sentence calls it.
    const fn label(self) -> &'static str {
        match self {
            Scheme::Code => "a trace code",
            Scheme::Imei => "an IMEI",
            Scheme::Meid => "an MEID",
            Scheme::Eid => "an EID",
            Scheme::Mac => "a MAC address",
            Scheme::Sscc => "an SSCC",
            Scheme::Sn => "a serial number",
            Scheme::Part => "a part serial number",
        }
    }

    /// Most characters of the form as given, separators included.
    const fn chars_max(self) -> usize {
        if matches!(self, Scheme::Sn) { SN_CHARS_MAX } else { IDENTIFIER_CHARS_MAX }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no [`Scheme`] of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be sn, imei, meid, eid, mac, part or code")]
pub struct UnknownScheme;

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Scheme, UnknownScheme> {
        Scheme::OF_UNIT.into_iter().find(|scheme| scheme.as_str() == name).ok_or(UnknownScheme)
    }
}

/// A well-formed identifier. Two are equal when scheme and value are, however they were written.
#[derive(Clone, Debug)]
pub struct Identifier {
    scheme: Scheme,
    value: String,
    shown: String,
}

impl Identifier {
    /// Reads a text by the rule of its scheme. Surrounding white space is dropped, and inside
    /// numbers the spaces and hyphens (in MAC addresses the separators) people print there.
    ///
    /// # Errors
    /// The first [`IdentifierProblem`] in order of declaration of the general ones, then the
    /// scheme's own.
    pub fn parse(scheme: Scheme, text: &str) -> Result<Identifier, IdentifierProblem> {
        let shown = rules::printable(scheme, text)?;
        let value = match scheme {
            Scheme::Code => TraceCode::parse(shown)?.as_str().to_owned(),
            Scheme::Imei => rules::imei(shown)?,
            Scheme::Meid => rules::meid(shown)?,
            Scheme::Eid => rules::eid(shown)?,
            Scheme::Mac => rules::mac(shown)?,
            Scheme::Sscc => Sscc::parse(shown)?.as_str().to_owned(),
            Scheme::Sn | Scheme::Part => rules::serial(scheme, shown)?,
        };
        Ok(Identifier { scheme, value, shown: shown.to_owned() })
    }

    /// The scheme it was read by.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The form that is stored and compared: serial numbers in upper case, an IMEI as its 14
    /// digits without check digit or software version, an MEID as 14 and a MAC address as 12
    /// upper-case hexadecimal digits, an EID as 32 and an SSCC as 18 digits, a trace code as 13
    /// characters.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The form as given, without surrounding white space.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Identifier) -> bool {
        (self.scheme, &self.value) == (other.scheme, &other.value)
    }
}

impl Eq for Identifier {}

impl Hash for Identifier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scheme, &self.value).hash(state);
    }
}

/// Every reading of a text whose scheme is not known, the most particular first: a number with a
/// check that holds is hardly anything else, while nearly everything could be a serial number.
/// Empty if the text is no identifier at all.
pub fn guess_kinds(text: &str) -> Vec<Identifier> {
    Scheme::ALL.into_iter().filter_map(|scheme| Identifier::parse(scheme, text).ok()).collect()
}

/// The 15 digits people know of an IMEI, from its 14 canonical ones; none if `imei14` is not 14
/// digits.
pub fn imei15(imei14: &str) -> Option<String> {
    let digits: Vec<u32> = imei14.chars().map(|c| c.to_digit(10)).collect::<Option<_>>()?;
    (digits.len() == 14).then(|| format!("{imei14}{}", digits::luhn(&digits, 10)))
}
