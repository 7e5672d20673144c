//! A person: a consumer bound to units. Which purposes need a consent of their own, how a telephone
//! is written, what may be shown of it, and what a reason to look at somebody must be.
//!
//! The law behind it is the Personal Information Protection Law (PIPL): consent by purpose and as
//! easily withdrawn as given (13 to 16), a separate one for giving to others (23) and for
//! whereabouts (28 to 31), access, correction and deletion on request (45 to 47).

use crate::text::{self, TextProblem};

/// Characters of a reason to look at a person's data.
pub const REASON_CHARS_MIN: usize = 3;
/// As [`REASON_CHARS_MIN`].
pub const REASON_CHARS_MAX: usize = 300;

/// The version of the sentences people agree to, as the pages show them now. A changed meaning is
/// a new version and asks for a new consent.
pub const CONSENT_TEXT: &str = "2026-11";
/// The version of the sentences before consents were kept by purpose.
pub const CONSENT_TEXT_FIRST: &str = "2026-06";

/// What a person agrees to, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Keeping telephone and purchase for the guarantee: needed for that contract (PIPL 13).
    Registration,
    /// News beside recalls (Consumer Law 29).
    Marketing,
    /// Where the device is, for service near it (PIPL 28 to 31).
    Location,
    /// Giving telephone and purchase to the distributor that sold it (PIPL 23).
    ShareWithDistributor,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] =
        [Self::Registration, Self::Marketing, Self::Location, Self::ShareWithDistributor];

    /// The word in records and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Marketing => "marketing",
            Self::Location => "location",
            Self::ShareWithDistributor => "share_with_distributor",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }

    /// Whether it can be given and withdrawn alone. The registration ends by erasing it.
    pub const fn is_free(self) -> bool {
        !matches!(self, Self::Registration)
    }
}

/// A telephone in E.164: a mainland mobile number, or one with its country code. Digits and signs
/// may be of full width.
pub fn e164(text: &str) -> Option<String> {
    let text = text.chars().map(text::half_width);
    let text: String = text.filter(|c| !matches!(c, ' ' | '\u{3000}' | '-' | '(' | ')')).collect();
    let digits = text.strip_prefix('+').unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mainland = |d: &str| d.len() == 11 && d.starts_with('1') && !d.starts_with("10");
    match (text.starts_with('+'), digits.strip_prefix("86")) {
        (true, Some(own)) => mainland(own).then(|| format!("+{digits}")),
        (true, None) => {
            let fit = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
            fit.then(|| format!("+{digits}"))
        }
        (false, _) => mainland(digits).then(|| format!("+86{digits}")),
    }
}

/// The last four digits of a telephone: what may be shown of it.
pub fn last4(phone: &str) -> &str {
    phone.get(phone.len().saturating_sub(4)..).unwrap_or_default()
}

/// A telephone as it is shown where its number is not needed.
pub fn masked(last4: &str) -> String {
    format!("***{last4}")
}

/// A reason to look at somebody: 3 to 300 characters.
///
/// # Errors
/// Too short, too long, or with control characters.
pub fn reason(raw: &str) -> Result<String, String> {
    let text = text::required(raw, REASON_CHARS_MAX).map_err(|e: TextProblem| e.to_string())?;
    if text.chars().count() < REASON_CHARS_MIN {
        return Err(format!("has fewer than {REASON_CHARS_MIN} characters"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_kept_in_e164() {
        let cases = [
            ("13800138000", Some("+8613800138000")),
            ("138 0013 8000", Some("+8613800138000")),
            ("+86 138-0013-8000", Some("+8613800138000")),
            ("+852 5123 4567", Some("+85251234567")),
            ("１３８００１３８０００", Some("+8613800138000")),
            ("＋８６　１３８－００１３－８０００", Some("+8613800138000")),
            ("1380013800", None),
            ("+86 10 6512 3456", None),
            ("51234567", None),
            ("=cmd", None),
            ("+", None),
        ];
        for (typed, kept) in cases {
            assert_eq!(e164(typed).as_deref(), kept, "{typed}");
        }
    }

    #[test]
    fn only_the_last_four_digits_are_shown() {
        assert_eq!(last4("+8613800138000"), "8000");
        assert_eq!(masked(last4("+8613800138000")), "***8000");
        assert_eq!(last4("12"), "12");
    }

    #[test]
    fn a_reason_says_something() {
        assert_eq!(reason("  ticket 7 "), Ok("ticket 7".to_owned()));
        for bad in ["", "  ", "ab", &"x".repeat(301), "a\nb c"] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
        assert!(reason(&"界".repeat(300)).is_ok());
    }

    #[test]
    fn purposes_are_read_back_and_only_the_contract_is_not_free() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
            assert_eq!(purpose.is_free(), purpose != Purpose::Registration);
        }
        assert_eq!(Purpose::parse("all"), None);
    }
}
