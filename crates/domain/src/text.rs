//! What a text field may hold: a named maximum, no control characters, no surrounding space.
//! Formulas are refused only where an identifier is meant; elsewhere `+86…` is a legal phone, and
//! the export neutralises what a spreadsheet would run.

/// Longest party, site or product code, in characters.
pub const CODE_CHARS_MAX: usize = 64;
/// Longest name of a party, product or maker.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest free text: addresses, standards, reasons, reports.
pub const NOTE_CHARS_MAX: usize = 1_000;
/// Longest device fingerprint a caller may send.
pub const FINGERPRINT_CHARS_MAX: usize = 256;
/// Longest production line, lot or shipment number.
pub const LABEL_CHARS_MAX: usize = 64;

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// Nothing but space.
    #[error("must not be empty")]
    Empty,
    /// More characters than the field's maximum.
    #[error("has {found} characters, at most {max} are allowed")]
    TooLong {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A control or bidirectional-format character.
    #[error("has a control character (U+{0:04X}) at position {1}")]
    Control(u32, usize),
    /// A telephone or identity number in what is recorded for ever.
    #[error("holds what looks like a telephone or identity number; it is recorded for ever")]
    Personal,
    /// A character outside the field's alphabet.
    #[error("may hold only letters, digits and . / _ - (found {0:?})")]
    Alphabet(char),
}

/// A text in which numbers that can point to a person (telephones, cards: seven digits and more,
/// spaces and hyphens among eleven and more) keep their last four digits only.
pub fn numbers_masked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let joins = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-');
        let run = chars[at..].iter().take_while(|c| joins(**c)).count();
        let digits: Vec<_> = (at..at + run).filter(|i| chars[*i].is_ascii_digit()).collect();
        let unbroken = digits.windows(7).any(|w| w[6] - w[0] == 6);
        if unbroken || digits.len() >= 11 {
            for place in &digits[..digits.len() - 4] {
                masked[*place] = '*';
            }
        }
        at += run.max(1);
    }
    masked.into_iter().collect()
}

/// A required text: trimmed, not empty, at most `max` characters, no control characters.
pub fn required(raw: &str, max: usize) -> Result<String, TextProblem> {
    let text = optional(raw, max)?;
    if text.is_empty() { Err(TextProblem::Empty) } else { Ok(text) }
}

/// A text of several lines: each as [`optional`] takes it, at most `max` characters in all, empty
/// lines at both ends left out. Line ends become `\n`.
///
/// # Errors
/// [`TextProblem::TooLong`], [`TextProblem::Control`].
pub fn lines(raw: &str, max: usize) -> Result<String, TextProblem> {
    let found = raw.trim().chars().count();
    if found > max {
        return Err(TextProblem::TooLong { found, max });
    }
    let lines: Result<Vec<_>, _> = raw.trim().lines().map(|line| optional(line, max)).collect();
    Ok(lines?.join("\n"))
}

/// A required text that the ledger keeps for ever, such as a reason: nothing in it can be erased
/// for a person, so what points to one is refused (see [`points_to_a_person`]).
pub fn lasting(raw: &str, max: usize) -> Result<String, TextProblem> {
    let text = required(raw, max)?;
    if points_to_a_person(&text) { Err(TextProblem::Personal) } else { Ok(text) }
}

/// Whether a text holds a mobile number of the mainland (11 digits, 13… to 19…, spaces and hyphens
/// among them, with or without 86) or a resident's identity number (GB 11643: 17 digits and a
/// fitting check character). Serial numbers and IMEIs are neither.
pub fn points_to_a_person(text: &str) -> bool {
    let mut runs = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let run = runs.last_mut();
        let goes_on = chars.peek().is_some_and(char::is_ascii_digit);
        match run {
            Some(run) if c.is_ascii_digit() => run.push(c),
            // The check character of an identity number may be an X.
            Some(run) if matches!(c, 'X' | 'x') && run.len() == 17 => run.push('X'),
            Some(run) if matches!(c, ' ' | '-') && !run.is_empty() && goes_on => {}
            _ => runs.push(String::new()),
        }
    }
    runs.iter().any(|run| is_mobile(run) || is_resident_number(run))
}

fn is_mobile(digits: &str) -> bool {
    let local = digits.strip_prefix("86").filter(|rest| rest.len() == 11).unwrap_or(digits);
    local.len() == 11 && local.starts_with('1') && matches!(local.as_bytes()[1], b'3'..=b'9')
}

fn is_resident_number(run: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    if run.len() != 18 {
        return false;
    }
    let digits = run.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    let sum: u32 = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    CHECKS[(sum % 11) as usize] == run.as_bytes()[17]
}

/// An optional text: as [`required`], but may be empty.
pub fn optional(raw: &str, max: usize) -> Result<String, TextProblem> {
    let text = raw.trim();
    let found = text.chars().count();
    if found > max {
        return Err(TextProblem::TooLong { found, max });
    }
    match text.chars().enumerate().find(|(_, c)| is_control(*c)) {
        Some((at, c)) => Err(TextProblem::Control(c as u32, at + 1)),
        None => Ok(text.to_owned()),
    }
}

/// A code of our own (party, site, shipment, lot): letters and digits of any script, `. / _ -`;
/// the first character is a letter or digit, so no cell of it is ever read as a formula.
pub fn code(raw: &str, max: usize) -> Result<String, TextProblem> {
    let text = required(raw, max)?;
    let bad = text
        .chars()
        .enumerate()
        .find(|(i, c)| !(c.is_alphanumeric() || (*i > 0 && matches!(c, '.' | '/' | '_' | '-'))));
    match bad {
        Some((_, c)) => Err(TextProblem::Alphabet(c)),
        None => Ok(text),
    }
}

/// Control characters, and the bidirectional marks that make a text read other than it is.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephones_keep_their_last_four_digits() {
        for (text, masked) in [
            ("call 13800138000 now", "call *******8000 now"),
            ("+86 138-0013-8000", "+** ***-****-8000"),
            ("bought 2026-11-20, 3 of them", "bought 2026-11-20, 3 of them"),
            ("no number", "no number"),
            ("0217654321", "******4321"),
            ("", ""),
        ] {
            assert_eq!(numbers_masked(text), masked);
        }
    }

    #[test]
    fn several_lines_are_one_text() {
        assert_eq!(lines(" 一\r\n  二 \n", 9), Ok("一\n二".to_owned()));
        assert_eq!(lines(" \n ", 9), Ok(String::new()));
        assert_eq!(lines("abc", 2), Err(TextProblem::TooLong { found: 3, max: 2 }));
        for bad in ["a\n\0b", "a\rb", "a\u{202e}b", "a\tb"] {
            assert!(matches!(lines(bad, 9), Err(TextProblem::Control(..))), "{bad:?}");
        }
    }

    #[test]
    fn what_is_recorded_for_ever_points_to_nobody() {
        for (text, points) in [
            ("主板更换", false),
            ("customer Zhang, 13712344321, lost it", true),
            ("call +86 137-1234-4321", true),
            ("137 1234 4321", true),
            ("RMA 20261123001", false),
            ("IMEI 860837783533742", false),
            ("order 123712344321", false),
            ("12712344321", false),
            ("身份证 11010519491231002X", true),
            ("11010519491231002x", true),
            ("110105194912310021", false),
            ("400-000-0000", false),
            ("", false),
        ] {
            assert_eq!(points_to_a_person(text), points, "{text}");
        }
        assert_eq!(lasting("13712344321", 20), Err(TextProblem::Personal));
        assert_eq!(lasting(" 返修 ", 20).unwrap(), "返修");
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(required(" 深圳工厂 ", 10).unwrap(), "深圳工厂");
        assert_eq!(required("  ", 10), Err(TextProblem::Empty));
        assert_eq!(optional("  ", 10).unwrap(), "");
        assert_eq!(optional("abcd", 3), Err(TextProblem::TooLong { found: 4, max: 3 }));
        assert_eq!(optional("a\u{0}b", 9), Err(TextProblem::Control(0, 2)));
        assert!(optional("a\u{202e}b", 9).is_err());
        assert_eq!(optional("+86 755 1234", 20).unwrap(), "+86 755 1234");
    }

    #[test]
    fn codes_never_start_a_formula() {
        for bad in ["=1+1", "+1", "-x", "@a", "a b", "a;b"] {
            assert!(code(bad, 64).is_err(), "{bad}");
        }
        for good in ["T1-53", "SO-00001", "FAC_SZ.1", "L1/2", "深圳-1"] {
            assert!(code(good, 64).is_ok(), "{good}");
        }
    }
}
