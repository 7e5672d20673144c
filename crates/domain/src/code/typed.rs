//! What people type or paste where a trace code is asked for: the code in any width and with any
//! dash, or the whole address printed in a symbol, of whatever host. Decides what was meant before
//! anybody is told that a code is forged: a slip of the hand is no forgery.

use super::{CODE_LEN, CodeProblem, TraceCode};
use crate::identifier::{Identifier, Scheme};
use crate::text::half_width;

/// Digits of an IMEI as people know it, its check digit included.
const IMEI_LEN: usize = 15;

/// What was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing.
    Nothing,
    /// What may be a code. Whether it is one, the check character and the key tell.
    Code {
        /// Thirteen characters in upper case.
        code: String,
        /// The GTIN of the GS1 Digital Link it stood in: it must be the code's.
        gtin: Option<String>,
    },
    /// An IMEI: fifteen digits, the last of which checks the others.
    Imei,
    /// Another number of characters than a code has.
    Length {
        /// Characters found, spaces and dashes not counted.
        found: usize,
    },
    /// Thirteen characters, one of which no code has.
    Foreign {
        /// Its place, 1..=13.
        at: usize,
        /// The character as it was read.
        found: char,
    },
}

/// Reads what a person gave.
pub fn typed(text: &str) -> Typed {
    let text: String = text.chars().map(half_width).collect();
    let text = text.trim();
    let (code, gtin) = link(text).unwrap_or((text, None));
    let counted = code.chars().filter(|c| !c.is_whitespace() && !is_mark(*c));
    let code: String = counted.map(|c| c.to_ascii_uppercase()).collect();
    let found = code.chars().count();
    let is_imei = found == IMEI_LEN && Identifier::parse(Scheme::Imei, &code).is_ok();
    match (found, TraceCode::parse(&code)) {
        (0, _) => Typed::Nothing,
        (CODE_LEN, Err(CodeProblem::Alphabet { at, found })) => Typed::Foreign { at, found },
        (CODE_LEN, _) => Typed::Code { code, gtin: gtin.map(str::to_owned) },
        _ if is_imei => Typed::Imei,
        _ => Typed::Length { found },
    }
}

/// What stands between the groups of a code, or is not seen at all: hyphens, dashes and minus
/// signs of any length; marks of width zero and of direction, which copying brings along.
fn is_mark(c: char) -> bool {
    matches!(c,
        '-' | '\u{AD}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{FE58}'
        | '\u{FE63}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'
        | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// The code of an address, and its GTIN: `…/01/{gtin}/21/{code}` or `…/d/{code}`.
fn link(text: &str) -> Option<(&str, Option<&str>)> {
    let path = text.split(['?', '#']).next()?;
    // Words that were copied after the address end its last part.
    let parts: Vec<&str> = path.split('/').map(first_word).collect();
    let digital = parts.windows(4).find(|part| part[0] == "01" && part[2] == "21");
    if let Some(&[_, gtin, _, code]) = digital {
        return Some((code, Some(gtin)));
    }
    let short = parts.windows(2).rfind(|part| part[0].eq_ignore_ascii_case("d"));
    short.map(|part| (part[1], None))
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(gtin: Option<&str>) -> Typed {
        Typed::Code { code: "X8K29M4PLQ7RW".to_owned(), gtin: gtin.map(str::to_owned) }
    }

    #[test]
    fn what_people_paste_is_read_as_what_they_mean() {
        let gtin = Some("06912345678902");
        for (text, meant) in [
            ("X8K2-9M4P-LQ7R-W", code(None)),
            (" x8k2 9m4p lq7r w ", code(None)),
            ("Ｘ８Ｋ２－９Ｍ４Ｐ－ＬＱ７Ｒ－Ｗ", code(None)),
            ("X8K2\u{2014}9M4P\u{2013}LQ7R\u{2212}W\u{200B}", code(None)),
            ("X8K2\u{3000}9M4PLQ7RW", code(None)),
            ("https://d.example/01/06912345678902/21/X8K29M4PLQ7RW", code(gtin)),
            ("https://other.example:8443/01/06912345678902/21/x8k29m4plq7rw?a=b#c", code(gtin)),
            ("HTTPS://D.EXAMPLE/D/X8K29M4PLQ7RW", code(None)),
            ("http://d/d/X8K2-9M4P-LQ7R-W 复制后打开", code(None)),
            ("d.example/d/X8K29M4PLQ7RW/centres", code(None)),
            ("ｈｔｔｐ：／／ｄ．ｃｎ／ｄ／X8K29M4PLQ7RW", code(None)),
            ("", Typed::Nothing),
            (" - ", Typed::Nothing),
            ("X8K29M4PLQ7R", Typed::Length { found: 12 }),
            ("https://d.example/d/X8K29M4P", Typed::Length { found: 8 }),
            ("490154203237518", Typed::Imei),
            ("49 015420 323751 8", Typed::Imei),
            ("490154203237519", Typed::Length { found: 15 }),
            ("X8K29M4PLQ7R0", Typed::Foreign { at: 13, found: '0' }),
            ("追8K29M4PLQ7RW", Typed::Foreign { at: 1, found: '追' }),
        ] {
            assert_eq!(typed(text), meant, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,40}") {
            if let Typed::Code { code, .. } = typed(&text) {
                prop_assert_eq!(code.len(), CODE_LEN);
            }
        }
    }
}
