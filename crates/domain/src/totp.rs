//! One-time passwords by time (RFC 6238) and the codes that stand in for them when the telephone is
//! lost. HMAC-SHA-1, steps of 30 seconds, six digits: what every authenticator takes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Bytes of a secret (RFC 4226, requirement R6 recommends 160 bits).
pub const SECRET_BYTES: usize = 20;
/// Seconds of a step.
pub const STEP_SECONDS: i64 = 30;
/// Steps before and after the present one whose password is taken.
pub const STEPS_AROUND: i64 = 1;
const DIGITS: u32 = 6;
/// How many recovery codes somebody holds.
pub const RECOVERY_CODES: usize = 10;
/// Characters of a recovery code, of 32 each: 50 bits.
const RECOVERY_CHARS: usize = 10;
const RECOVERY_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The password of a step: six digits.
pub fn password_at(secret: &[u8], step: i64) -> String {
    format!("{:06}", truncated(secret, step) % 10_u32.pow(DIGITS))
}

/// RFC 4226, 5.3.
fn truncated(secret: &[u8], step: i64) -> u32 {
    let mut mac = match Hmac::<Sha1>::new_from_slice(secret) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes a key of any length"),
    };
    mac.update(&step.to_be_bytes());
    let bytes = mac.finalize().into_bytes();
    let at = usize::from(bytes[19] & 0x0f);
    let word = [bytes[at] & 0x7f, bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    u32::from_be_bytes(word)
}

/// The step an instant lies in, by Unix seconds.
pub fn step_of(second: i64) -> i64 {
    second.div_euclid(STEP_SECONDS)
}

/// The step a password belongs to, around `second`, and later than `last`, the one taken before: a
/// password is never taken twice. None when it is not good.
pub fn taken(secret: &[u8], password: &str, second: i64, last: Option<i64>) -> Option<i64> {
    let now = step_of(second);
    let mut steps = now - STEPS_AROUND..=now + STEPS_AROUND;
    let fresh = |step: &i64| last.is_none_or(|last| *step > last);
    steps.find(|step| fresh(step) && password_at(secret, *step) == password)
}

/// Whether a text has the form of a password; else it may be a recovery code.
pub fn is_password(text: &str) -> bool {
    text.len() == DIGITS as usize && text.bytes().all(|b| b.is_ascii_digit())
}

/// A secret as people copy it and as links carry it: base 32 without padding (RFC 4648, 6).
pub fn base32(secret: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |i: usize| secret.get(i / 8).map_or(0, |byte| usize::from(byte >> (7 - i % 8) & 1));
    let group = |start: usize| (start..start + 5).fold(0, |word, i| word << 1 | bit(i));
    let starts = (0..secret.len() * 8).step_by(5);
    starts.map(|start| char::from(ALPHABET[group(start)])).collect()
}

/// The link an authenticator reads. `issuer` and `name` may hold anything.
pub fn link(secret: &[u8], issuer: &str, name: &str) -> String {
    let (issuer, name, secret) = (escaped(issuer), escaped(name), base32(secret));
    format!(
        "otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}&algorithm=SHA1\
         &digits={DIGITS}&period={STEP_SECONDS}"
    )
}

fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let each = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(each).collect()
}

/// A recovery code made of randomness: two groups of five characters.
pub fn recovery_code(random: [u8; RECOVERY_CHARS]) -> String {
    // 256 is a multiple of 32: every character is as likely as another.
    let letter = |byte: u8| char::from(RECOVERY_ALPHABET[usize::from(byte % 32)]);
    let code: String = random.into_iter().map(letter).collect();
    format!("{}-{}", &code[..5], &code[5..])
}

/// A recovery code as it is compared; none when the text has not its form.
pub fn recovery_read(text: &str) -> Option<String> {
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let code: String = kept.map(|c| c.to_ascii_uppercase()).take(RECOVERY_CHARS + 1).collect();
    let known = code.bytes().all(|b| RECOVERY_ALPHABET.contains(&b));
    (code.chars().count() == RECOVERY_CHARS && known).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RFC_SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        for (second, eight_digits) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let found = password_at(RFC_SECRET, step_of(second));
            assert_eq!(found, eight_digits[2..], "{second}");
        }
    }

    #[test]
    fn the_vectors_of_rfc_4226_hold() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, password) in (0..).zip(expected) {
            assert_eq!(password_at(RFC_SECRET, step), password);
        }
    }

    #[test]
    fn a_step_around_now_is_taken_once() {
        let second = 1_234_567_890;
        let now = step_of(second);
        for (offset, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let password = password_at(RFC_SECRET, now + offset);
            let step = taken(RFC_SECRET, &password, second, None);
            assert_eq!(step, good.then_some(now + offset), "{offset}");
            assert_eq!(taken(RFC_SECRET, &password, second, Some(now + offset)), None);
        }
        let before = password_at(RFC_SECRET, now - 1);
        assert_eq!(taken(RFC_SECRET, &before, second, Some(now)), None);
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_link_escapes_what_it_holds() {
        let link = link(RFC_SECRET, "澄野 A&B", "li:wei@x");
        assert!(link.starts_with("otpauth://totp/%E6%BE%84%E9%87%8E%20A%26B:li%3Awei%40x?secret="));
        assert!(link.contains("&issuer=%E6%BE%84%E9%87%8E%20A%26B&"), "{link}");
    }

    proptest! {
        #[test]
        fn a_recovery_code_is_read_as_people_type_it(random: [u8; RECOVERY_CHARS]) {
            let code = recovery_code(random);
            let plain = code.replace('-', "");
            prop_assert_eq!(recovery_read(&code), Some(plain.clone()));
            prop_assert_eq!(recovery_read(&format!(" {} ", code.to_lowercase())), Some(plain));
            prop_assert!(!is_password(&code));
        }
    }

    #[test]
    fn what_is_no_recovery_code_is_none() {
        for text in ["", "123456", "23456-7890A", "23456-789AB-C", "界界界界界-界界界界界"]
        {
            assert_eq!(recovery_read(text), None, "{text}");
        }
    }
}
