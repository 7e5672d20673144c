//! One rule per scheme: from the text as given to the form that is compared.

use super::digits::{luhn, modulo_97};
use super::{IdentifierProblem, Scheme};

/// What every identifier has in common: trimmed, not empty, not over-long, printable half-width
/// characters, no formula.
pub(super) fn printable(scheme: Scheme, text: &str) -> Result<&str, IdentifierProblem> {
    let text = text.trim();
    let Some(first) = text.chars().next() else {
        return Err(IdentifierProblem::Empty { scheme });
    };
    let (max, found) = (scheme.chars_max(), text.chars().count());
    if found > max {
        return Err(IdentifierProblem::TooLong { scheme, max, found });
    }
    for (place, found) in text.chars().enumerate() {
        let at = place + 1;
        if found.is_control() {
            return Err(IdentifierProblem::ControlCharacter { at, found });
        }
        // U+FF01–FF5E mirror printable ASCII; U+3000 is the full-width space.
        if matches!(found, '\u{ff01}'..='\u{ff5e}' | '\u{3000}') {
            return Err(IdentifierProblem::FullWidth { at, found });
        }
    }
    if matches!(first, '=' | '+' | '-' | '@') {
        return Err(IdentifierProblem::Formula { found: first });
    }
    Ok(text)
}

/// Brands' serial formats differ too much for a stricter rule; case does not tell two units
/// apart.
pub(super) fn serial(scheme: Scheme, text: &str) -> Result<String, IdentifierProblem> {
    let allowed = "A-Z, a-z, 0-9 and . / _ -";
    for (place, found) in text.chars().enumerate() {
        if !found.is_ascii_alphanumeric() && !matches!(found, '.' | '/' | '_' | '-') {
            return Err(IdentifierProblem::Character { scheme, allowed, at: place + 1, found });
        }
    }
    match text.chars().next().filter(|first| !first.is_ascii_alphanumeric()) {
        Some(found) => Err(IdentifierProblem::FirstCharacter { scheme, found }),
        None => Ok(text.to_ascii_uppercase()),
    }
}

/// 3GPP TS 23.003 §6.2: TAC (8 digits) and serial (6), then nothing, a check digit that networks
/// do not transmit, or two digits of software version (IMEISV, no check digit). The first 14
/// name the device in all three.
pub(super) fn imei(text: &str) -> Result<String, IdentifierProblem> {
    let scheme = Scheme::Imei;
    let digits = numerals(scheme, text, 10)?;
    let (device, check) = match digits.len() {
        14 | 16 => (&digits[..14], None),
        15 => (&digits[..14], Some(digits[14])),
        found => {
            return Err(IdentifierProblem::Length { scheme, allowed: "14, 15 or 16", found });
        }
    };
    if check.is_some_and(|check| check != luhn(device, 10)) {
        return Err(IdentifierProblem::CheckDigit { scheme });
    }
    if is_repeated(device) {
        return Err(IdentifierProblem::RepeatedDigit { scheme });
    }
    if device.starts_with(&[0, 0]) {
        return Err(IdentifierProblem::ImeiTest);
    }
    Ok(spell(device))
}

/// 3GPP2 S.R0048: 14 hexadecimal digits from A0 up, perhaps with a check digit.
pub(super) fn meid(text: &str) -> Result<String, IdentifierProblem> {
    let scheme = Scheme::Meid;
    let digits = numerals(scheme, text, 16)?;
    let (device, check) = match digits.len() {
        14 => (&digits[..14], None),
        15 => (&digits[..14], Some(digits[14])),
        found => return Err(IdentifierProblem::Length { scheme, allowed: "14 or 15", found }),
    };
    if check.is_some_and(|check| check != luhn(device, 16)) {
        return Err(IdentifierProblem::CheckDigit { scheme });
    }
    if is_repeated(device) {
        return Err(IdentifierProblem::RepeatedDigit { scheme });
    }
    // A first byte from A0 up is a first digit from A up.
    if device[0] < 0xA {
        return Err(IdentifierProblem::MeidRegion);
    }
    Ok(spell(device))
}

/// GSMA SGP.02 §2.2.2 and SGP.29: 32 digits, as a whole 1 modulo 97. The 89 in front is not
/// asked for: SGP.29 allots others.
pub(super) fn eid(text: &str) -> Result<String, IdentifierProblem> {
    let scheme = Scheme::Eid;
    let digits = numerals(scheme, text, 10)?;
    if digits.len() != 32 {
        return Err(IdentifierProblem::Length { scheme, allowed: "32", found: digits.len() });
    }
    if modulo_97(&digits) != 1 {
        return Err(IdentifierProblem::CheckDigit { scheme });
    }
    Ok(spell(&digits))
}

/// IEEE 802-2014 §8.2: 48 bits, the first byte's bit 0x01 for groups and 0x02 for addresses that
/// no maker allotted. Written `AA:BB:…`, `AA-BB-…`, `AABB.CCDD.EEFF` or bare.
pub(super) fn mac(text: &str) -> Result<String, IdentifierProblem> {
    let scheme = Scheme::Mac;
    let allowed = "0-9, A-F and : - .";
    for (place, found) in text.chars().enumerate() {
        if !found.is_ascii_hexdigit() && !matches!(found, ':' | '-' | '.') {
            return Err(IdentifierProblem::Character { scheme, allowed, at: place + 1, found });
        }
    }
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_split = |by: char, len| text.split(by).all(|group| group.len() == len && is_hex(group));
    let is_grouped = is_hex(text) || is_split(':', 2) || is_split('-', 2) || is_split('.', 4);
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    if digits.len() != 12 || !is_grouped {
        return Err(IdentifierProblem::MacGroups);
    }
    if is_repeated(&digits) {
        return Err(IdentifierProblem::RepeatedDigit { scheme });
    }
    // Both bits are in the second digit: the low half of the first byte.
    match digits[1] {
        low if low & 1 != 0 => Err(IdentifierProblem::MacMulticast),
        low if low & 2 != 0 => Err(IdentifierProblem::MacLocal),
        _ => Ok(spell(&digits)),
    }
}

/// The digits of a number in base 10 or 16, without the spaces and hyphens people print between
/// them.
fn numerals(scheme: Scheme, text: &str, base: u32) -> Result<Vec<u32>, IdentifierProblem> {
    let allowed = if base == 10 { "the digits 0-9" } else { "the digits 0-9 and A-F" };
    let spaced = text.chars().enumerate().filter(|(_, c)| !matches!(c, ' ' | '-'));
    spaced
        .map(|(place, found)| {
            let at = place + 1;
            let foreign = IdentifierProblem::Character { scheme, allowed, at, found };
            found.to_digit(base).ok_or(foreign)
        })
        .collect()
}

/// Digits back to upper-case text.
fn spell(digits: &[u32]) -> String {
    digits
        .iter()
        .filter_map(|&digit| char::from_digit(digit, 16))
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}

/// Whether one digit fills the number, as in placeholders.
fn is_repeated(digits: &[u32]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}
