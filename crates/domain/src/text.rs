//! What a text field may hold: a named maximum, no control characters, no surrounding space.
//! Formulas are refused only where an identifier is meant; elsewhere `+86…` is a legal phone, and
//! the export neutralises what a spreadsheet would run.

/// Longest party, site or product code, in characters.
pub const CODE_CHARS_MAX: usize = 64;
/// Longest name of a party, product or maker.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest free text: addresses, standards, reasons.
pub const NOTE_CHARS_MAX: usize = 1_000;
/// Longest report of a visitor: what was seen, the link to the item and the place, together.
pub const REPORT_CHARS_MAX: usize = 1_600;
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
/// spaces and hyphens among eleven and more) keep their last four digits only. A link stays whole,
/// so that it can be followed, unless it points to a person itself; where one that was cut by the
/// end of a link still shows, no link is spared.
pub fn numbers_masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = link_start(rest) {
        let (before, from_link) = rest.split_at(start);
        let end = from_link.find(|c| !stands_in_link(c)).unwrap_or(from_link.len());
        let (link, after) = from_link.split_at(end);
        masked += &runs_masked(before);
        masked += &if is_personal(link) { runs_masked(link) } else { link.to_owned() };
        rest = after;
    }
    masked += &runs_masked(rest);
    if points_to_a_person(&masked) { runs_masked(text) } else { masked }
}

/// Whether a link points to a person. What stands behind a hyphen is often another number, and
/// digits behind a `%` may be an escaped letter or not: each reading is asked.
fn is_personal(link: &str) -> bool {
    let asked = |link: &str| {
        let mut runs = link.split(|c: char| !c.is_ascii_digit());
        points_to_a_person(link)
            || link.split('-').any(points_to_a_person)
            || runs.any(is_telephone)
    };
    asked(link) || asked(&unescaped(link))
}

/// Whether unbroken digits are a telephone that reaches a person: a mobile of the mainland however
/// it is dialled, or a number of Hong Kong, Macao or Taiwan with the code they are dialled by.
fn is_telephone(digits: &str) -> bool {
    let digits = digits.trim_start_matches('0');
    let coded =
        |code: &str, len: usize| digits.strip_prefix(code).is_some_and(|rest| rest.len() == len);
    is_mobile(digits) || coded("852", 8) || coded("853", 8) || coded("886", 9)
}

/// Where the first link to the web begins.
fn link_start(text: &str) -> Option<usize> {
    // Of ASCII alone, so that places stay what they are.
    let small = text.to_ascii_lowercase();
    ["https://", "http://"].into_iter().filter_map(|scheme| small.find(scheme)).min()
}

/// Whether RFC 3986 lets a character stand in an address.
fn stands_in_link(c: char) -> bool {
    c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c)
}

/// A link without its `%E4`: digits of an escaped letter are no part of a number beside them.
fn unescaped(link: &str) -> String {
    let mut parts = link.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "%" + part.get(2..).unwrap_or_default())
}

fn runs_masked(text: &str) -> String {
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
    // A form sends each line end as two characters; whoever typed it counts one.
    let raw = raw.trim().replace("\r\n", "\n");
    let found = raw.chars().count();
    if found > max {
        return Err(TextProblem::TooLong { found, max });
    }
    let lines: Result<Vec<_>, _> = raw.lines().map(|line| optional(line, max)).collect();
    Ok(lines?.join("\n"))
}

/// A text of several lines as one: each line end, however it is sent, and each tab is one space.
pub fn one_line(raw: &str) -> String {
    raw.replace("\r\n", "\n").replace(['\r', '\n', '\t'], " ")
}

/// A letter, digit or sign of the full-width forms (U+FF01 to U+FF5E) as the ASCII one it doubles:
/// that part of Unicode's NFKC a Chinese keyboard produces.
pub fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_masked_points_to_nobody(
            text in any::<String>(),
            odd in "(1[35]8|86|00|[0-9]{1,6}|110105194912310021|[- Xx%/]|https?://|，|x=){1,12}",
        ) {
            for text in [text, odd] {
                let masked = numbers_masked(&text);
                prop_assert!(!points_to_a_person(&masked), "{} {}", text, masked);
                prop_assert_eq!(masked.chars().count(), text.chars().count());
            }
        }
    }

    #[test]
    fn no_link_hides_a_telephone() {
        for (text, masked) in [
            ("https://a.cn/?t=13800138000-1", "https://a.cn/?t=********000-1"),
            ("https://a.cn/u/13800138000-20261201", "https://a.cn/u/***********-****1201"),
            ("https://a.cn/?t=0013800138000", "https://a.cn/?t=*********8000"),
            ("https://a.cn/?t=008613800138000", "https://a.cn/?t=***********8000"),
            ("https://a.cn/138 0013 8000", "https://a.cn/*** **** 8000"),
            ("https://a.cn/?q=50%13800138000", "https://a.cn/?q=50%*******8000"),
            ("https://a.cn/?q=%E5%BC%A013800138000", "https://a.cn/?q=%E5%BC%A********8000"),
            ("https://wa.me/85251234567", "https://wa.me/*******4567"),
            ("https://wa.me/85361234567", "https://wa.me/*******4567"),
            ("https://line.me/886912345678", "https://line.me/********5678"),
            ("https://a.cn/11010519491231002x-1", "https://a.cn/*************1002x-1"),
        ] {
            assert_eq!(numbers_masked(text), masked, "{text}");
        }
        for shop in [
            "https://item.jd.com/100012345678.html",
            "https://item.taobao.com/item.htm?id=725123456789&skuId=5012345678901",
            "https://mobile.yangkeduo.com/goods.html?goods_id=512345678901",
        ] {
            assert_eq!(numbers_masked(shop), shop);
        }
    }

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
    fn links_stay_whole_unless_they_point_to_a_person() {
        let shop = "https://detail.tmall.com/item.htm?id=654321098765&skuId=5012345678901";
        assert_eq!(numbers_masked(shop), shop);
        let among = format!("电话 13800138000，{shop} | 苏州 0512-87654321");
        let told = format!("电话 *******8000，{shop} | 苏州 ****-****4321");
        assert_eq!(numbers_masked(&among), told);
        // It ends where no address goes on: what follows is a number like any other.
        assert_eq!(numbers_masked("HTTP://a.cn/1234567，1234567"), "HTTP://a.cn/1234567，***4567");
        for (text, masked) in [
            ("https://wa.me/8613800138000", "https://wa.me/*********8000"),
            ("https://a.cn/?n=%E5%BC%A013800138000", "https://a.cn/?n=%E5%BC%A********8000"),
            ("https://a.cn/11010519491231002X/", "https://a.cn/*************1002X/"),
            ("a.cn/1234567", "a.cn/***4567"),
            ("https://a.cn/?q=%&n=1234567%2", "https://a.cn/?q=%&n=1234567%2"),
        ] {
            assert_eq!(numbers_masked(text), masked);
        }
    }

    #[test]
    fn several_lines_are_one_text() {
        assert_eq!(lines(" 一\r\n  二 \n", 9), Ok("一\n二".to_owned()));
        assert_eq!(lines(" \n ", 9), Ok(String::new()));
        assert_eq!(lines("abc", 2), Err(TextProblem::TooLong { found: 3, max: 2 }));
        assert_eq!(lines("一\r\n\r\n二", 4), Ok("一\n\n二".to_owned()), "a line end is one");
        assert_eq!(one_line("一\r\n二\n三\t四\r"), "一 二 三 四 ");
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
