//! GS1 keys: the GTIN of a product ("69 code"), the SSCC of a pack, and the web addresses that
//! carry a trace code.
//!
//! Decides which digit strings are keys, by length and check digit. Does not decide whether GS1
//! allotted them, nor split a key into company prefix and reference: the digits do not tell
//! where the prefix ends.

use std::fmt;

use thiserror::Error;

use crate::code::TraceCode;

/// Digits of an SSCC (GS1 General Specifications, AI 00).
const SSCC_LEN: usize = 18;

/// Digits of a GTIN in its longest form, to which shorter ones are padded (AI 01).
const GTIN_LEN: usize = 14;

/// Why a text is no GS1 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Gs1Problem {
    /// A character that is neither a digit nor a space or hyphen between digits.
    #[error("a GTIN or SSCC has only digits, not {found:?} (character {at})")]
    NotDigit {
        /// Its place in the text, from 1.
        at: usize,
        /// The character as given.
        found: char,
    },
    /// A GTIN of another length.
    #[error("a GTIN has 8, 12, 13 or 14 digits, this has {found}")]
    GtinLength {
        /// Digits found.
        found: usize,
    },
    /// An SSCC of another length.
    #[error("an SSCC has 18 digits, this has {found}")]
    SsccLength {
        /// Digits found.
        found: usize,
    },
    /// The last digit is not the check digit of the others.
    #[error("the last digit must be {expected} to fit the others, not {found}: one was mistyped")]
    CheckDigit {
        /// The digit that would fit.
        expected: char,
        /// The digit found.
        found: char,
    },
    /// All digits are zero: a placeholder.
    #[error("a GTIN or SSCC must not be all zeros")]
    Zero,
    /// An extension digit above 9.
    #[error("the extension of an SSCC is one digit, 0 to 9")]
    Extension,
    /// A company prefix that is not 4 to 12 digits.
    #[error("a GS1 company prefix has 4 to 12 digits")]
    CompanyPrefix,
    /// A serial reference with more digits than the company prefix leaves.
    #[error("the serial reference has {digits_max} digits at most beside this company prefix")]
    Serial {
        /// Digits that the prefix leaves.
        digits_max: usize,
    },
}

impl Gs1Problem {
    /// The stable name of the problem, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Gs1Problem::NotDigit { .. } => "gs1_not_digit",
            Gs1Problem::GtinLength { .. } => "gtin_length",
            Gs1Problem::SsccLength { .. } => "sscc_length",
            Gs1Problem::CheckDigit { .. } => "gs1_check_digit",
            Gs1Problem::Zero => "gs1_zero",
            Gs1Problem::Extension => "sscc_extension",
            Gs1Problem::CompanyPrefix => "gs1_company_prefix",
            Gs1Problem::Serial { .. } => "sscc_serial",
        }
    }
}

/// The number of a product, kept as 14 digits whatever form it was given in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin([u8; GTIN_LEN]);

impl Gtin {
    /// Reads a GTIN-8, -12, -13 or -14; spaces and hyphens between digits are dropped.
    ///
    /// # Errors
    /// The first that holds: a foreign character, wrong length, all zeros, wrong check digit.
    pub fn parse(text: &str) -> Result<Gtin, Gs1Problem> {
        let given = digits(text)?;
        if !matches!(given.len(), 8 | 12 | 13 | 14) {
            return Err(Gs1Problem::GtinLength { found: given.len() });
        }
        // Padding on the left moves no weight: those count from the right.
        let mut padded = [b'0'; GTIN_LEN];
        padded[GTIN_LEN - given.len()..].copy_from_slice(&given);
        verify(&padded)?;
        Ok(Gtin(padded))
    }

    /// The 14 digits: for storage, comparison and Digital Link.
    pub fn as14(&self) -> &str {
        ascii(&self.0)
    }

    /// The 13 digits under the bars of a consumer unit; none for a GTIN-14 of a case, whose
    /// first digit is not zero.
    pub fn as13(&self) -> Option<&str> {
        self.as14().strip_prefix('0')
    }
}

/// For people: 13 digits where there is such a form, else 14.
impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as13().unwrap_or(self.as14()))
    }
}

impl fmt::Debug for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gtin({})", self.as14())
    }
}

/// The number of a pack: extension digit, company prefix, serial reference, check digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sscc([u8; SSCC_LEN]);

impl Sscc {
    /// Reads 18 digits; spaces and hyphens between digits are dropped.
    ///
    /// # Errors
    /// The first that holds: a foreign character, wrong length, all zeros, wrong check digit.
    pub fn parse(text: &str) -> Result<Sscc, Gs1Problem> {
        let given = digits(text)?;
        let whole: [u8; SSCC_LEN] = given
            .try_into()
            .map_err(|given: Vec<u8>| Gs1Problem::SsccLength { found: given.len() })?;
        verify(&whole)?;
        Ok(Sscc(whole))
    }

    /// Builds an SSCC and its check digit from the extension digit (0..=9, the company's free
    /// choice), the company prefix (4 to 12 digits) and a serial reference that fills the rest
    /// of 17 digits.
    ///
    /// # Errors
    /// [`Gs1Problem::Extension`], [`Gs1Problem::CompanyPrefix`], [`Gs1Problem::Serial`], or
    /// [`Gs1Problem::Zero`].
    pub fn build(extension: u8, company_prefix: &str, serial: u64) -> Result<Sscc, Gs1Problem> {
        if extension > 9 {
            return Err(Gs1Problem::Extension);
        }
        let prefix_is_digits = company_prefix.bytes().all(|byte| byte.is_ascii_digit());
        if !prefix_is_digits || !(4..=12).contains(&company_prefix.len()) {
            return Err(Gs1Problem::CompanyPrefix);
        }
        let digits_max = SSCC_LEN - 2 - company_prefix.len();
        let body = format!("{extension}{company_prefix}{serial:0digits_max$}");
        if body.len() != SSCC_LEN - 1 {
            return Err(Gs1Problem::Serial { digits_max });
        }
        Sscc::parse(&format!("{body}{}", check_digit(body.as_bytes())))
    }

    /// The 18 digits.
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for Sscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Sscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sscc({})", self.as_str())
    }
}

/// The GS1 Digital Link address of a unit: `https://HOST/01/{gtin14}/21/{code}`. The code goes in
/// as it is: its alphabet needs no percent-encoding. `host` is a bare host, perhaps with a port.
pub fn digital_link(host: &str, gtin: &Gtin, code: &TraceCode) -> String {
    digital_link_prefix(host, gtin) + code.as_str()
}

/// What every [`digital_link`] of one product begins with, for
/// [`write_csv_run`](crate::code::write_csv_run).
pub fn digital_link_prefix(host: &str, gtin: &Gtin) -> String {
    format!("https://{host}/01/{}/21/", gtin.as14())
}

/// The shortest address of a unit: `HTTPS://HOST/D/{CODE}`. Upper case throughout, because a QR
/// symbol packs upper case in 5.5 bits a character and anything else in 8.
pub fn short_link(host: &str, code: &TraceCode) -> String {
    short_link_prefix(host) + code.as_str()
}

/// What every [`short_link`] begins with, for [`write_csv_run`](crate::code::write_csv_run).
pub fn short_link_prefix(host: &str) -> String {
    format!("HTTPS://{}/D/", host.to_ascii_uppercase())
}

/// The digits of a text as ASCII, without the spaces and hyphens people print between them.
fn digits(text: &str) -> Result<Vec<u8>, Gs1Problem> {
    let mut digits = Vec::with_capacity(SSCC_LEN);
    for (place, found) in text.trim().chars().enumerate() {
        match found {
            '0'..='9' => digits.push(found as u8),
            ' ' | '-' => {}
            _ => return Err(Gs1Problem::NotDigit { at: place + 1, found }),
        }
    }
    Ok(digits)
}

/// Whether the last of these ASCII digits closes the others.
fn verify(whole: &[u8]) -> Result<(), Gs1Problem> {
    let Some((&last, body)) = whole.split_last() else { return Err(Gs1Problem::Zero) };
    if whole.iter().all(|&digit| digit == b'0') {
        return Err(Gs1Problem::Zero);
    }
    let (expected, found) = (check_digit(body), char::from(last));
    if found == expected { Ok(()) } else { Err(Gs1Problem::CheckDigit { expected, found }) }
}

/// GS1 General Specifications §7.9: from the right, weights 3, 1, 3, …; the check digit brings
/// the sum to a multiple of ten. Catches every single wrong digit and most swaps of neighbours
/// (not those of digits that differ by five).
fn check_digit(body: &[u8]) -> char {
    let weights = [3, 1].into_iter().cycle();
    let sum: u32 = body
        .iter()
        .rev()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// ASCII digits as text; they are valid by construction.
fn ascii(digits: &[u8]) -> &str {
    str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_a_gtin_is_the_same_key() {
        for (text, as14) in [
            ("40123455", "00000040123455"),
            ("012345678905", "00012345678905"),
            ("6901234567892", "06901234567892"),
            ("6 901234 567892", "06901234567892"),
            (" 06901234567892\r\n", "06901234567892"),
            ("16901234567899", "16901234567899"),
        ] {
            assert_eq!(Gtin::parse(text).unwrap().as14(), as14, "{text}");
        }
        let unit = Gtin::parse("6901234567892").unwrap();
        assert_eq!(
            (unit.as13(), unit.to_string()),
            (Some("6901234567892"), "6901234567892".into())
        );
        let case = Gtin::parse("16901234567899").unwrap();
        assert_eq!((case.as13(), case.to_string()), (None, "16901234567899".into()));
    }

    #[test]
    fn what_is_no_gtin() {
        let problem = |text: &str| Gtin::parse(text).unwrap_err();
        assert_eq!(problem(""), Gs1Problem::GtinLength { found: 0 });
        assert_eq!(problem("690123456789"), Gs1Problem::CheckDigit { expected: '7', found: '9' });
        assert_eq!(problem("69012345678"), Gs1Problem::GtinLength { found: 11 });
        assert_eq!(problem("6901234567893").code(), "gs1_check_digit");
        assert_eq!(problem("690123456789２"), Gs1Problem::NotDigit { at: 13, found: '２' });
        assert_eq!(problem("=6901234567892"), Gs1Problem::NotDigit { at: 1, found: '=' });
        assert_eq!(problem("00000000"), Gs1Problem::Zero);
    }

    #[test]
    fn an_sscc_is_built_and_read() {
        // The example of the EPC Tag Data Standard: urn:epc:id:sscc:4012345.3111111111.
        let sscc = Sscc::build(3, "4012345", 111_111_111).unwrap();
        assert_eq!(sscc.as_str(), "340123451111111111");
        assert_eq!(Sscc::parse("3 4012345 111111111 1"), Ok(sscc));
        assert_eq!(Sscc::build(0, "6901234", 0).unwrap().as_str().len(), 18);
        assert_eq!(Sscc::build(10, "4012345", 1), Err(Gs1Problem::Extension));
        assert_eq!(Sscc::build(3, "40123x5", 1), Err(Gs1Problem::CompanyPrefix));
        assert_eq!(Sscc::build(3, "401", 1), Err(Gs1Problem::CompanyPrefix));
        assert_eq!(
            Sscc::build(3, "4012345", 1_000_000_000),
            Err(Gs1Problem::Serial { digits_max: 9 })
        );
        assert_eq!(Sscc::build(0, "0000", 0), Err(Gs1Problem::Zero));
        assert_eq!(Sscc::parse("34012345111111111"), Err(Gs1Problem::SsccLength { found: 17 }));
    }

    #[test]
    fn links() {
        let gtin = Gtin::parse("6901234567892").unwrap();
        assert_eq!(
            digital_link("id.example.com", &gtin, &TraceCode::BLANK),
            "https://id.example.com/01/06901234567892/21/2222222222222"
        );
        assert_eq!(
            short_link("id.example.com:8443", &TraceCode::BLANK),
            "HTTPS://ID.EXAMPLE.COM:8443/D/2222222222222"
        );
    }
}
