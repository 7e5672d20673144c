//! Regions: what a territory is written in and what a location is compared at.
//!
//! A [`RegionCode`] is a prefix of a GB/T 2260 code (province, city, county) or an ISO 3166-1
//! alpha-2 country. `CN` means the mainland: Hong Kong, Macao and Taiwan are customs territories
//! of their own and carry their GB codes 81, 82 and 71, whichever way they were written.
//!
//! [`Divisions`] is the table of those codes with names and centres, [`RegionSet`] a territory,
//! [`Polygon`] an operator's fence. Nothing here reads a file: rows come from the caller.

mod centres;
mod divisions;
mod point;
mod polygon;
mod set;
mod spoken;

#[cfg(test)]
pub(crate) mod fixture;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

pub use centres::{Located, Nearest};
pub use divisions::{Division, DivisionRow, Divisions};
pub use point::{EARTH_RADIUS_KM, GeoPoint};
pub use polygon::{Datum, POLYGON_VERTICES_MAX, Polygon, PolygonError};
pub use set::{Coverage, RegionSet};

/// How finely a place is known. Evidence is compared only at a level it supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// Nothing is known.
    #[default]
    None,
    /// A country, or a customs territory of its own.
    Country,
    /// GB/T 2260 digits 1–2.
    Province,
    /// GB/T 2260 digits 3–4.
    City,
    /// GB/T 2260 digits 5–6.
    District,
}

impl Level {
    /// Stable lower-case word for records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Country => "country",
            Self::Province => "province",
            Self::City => "city",
            Self::District => "district",
        }
    }
}

/// Why a region could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// Neither 2, 4 or 6 digits nor two letters.
    #[error("`{0}` is neither a GB/T 2260 code (2, 4 or 6 digits) nor an ISO 3166-1 code")]
    Shape(String),
    /// Well formed, but no such region exists.
    #[error("`{0}` is no known region")]
    Unknown(String),
}

/// A GB/T 2260 prefix in its shortest form (`53`, `5301`, `530102`) or an ISO 3166-1 alpha-2
/// country (`US`), `CN` being the mainland.
///
/// The order is that of the text, so a region stands directly before everything inside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionCode {
    text: [u8; 6],
    len: u8,
}

impl RegionCode {
    /// The mainland of China: everything but 71, 81 and 82.
    pub const MAINLAND: Self = Self::short(*b"CN");
    /// Taiwan.
    pub const TAIWAN: Self = Self::short(*b"71");
    /// The Hong Kong SAR.
    pub const HONG_KONG: Self = Self::short(*b"81");
    /// The Macao SAR.
    pub const MACAO: Self = Self::short(*b"82");

    const fn short(two: [u8; 2]) -> Self {
        Self { text: [two[0], two[1], 0, 0, 0, 0], len: 2 }
    }

    /// Reads the shape of a code: `53`, `530000`, `5301`, `530102`, `US`, `hk`. Whether such a
    /// region exists is for [`Divisions::parse`] to say.
    ///
    /// # Errors
    /// [`RegionError::Shape`] when it is neither 2, 4 or 6 digits nor two letters.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        let shape = || RegionError::Shape(text.chars().take(32).collect());
        let bytes = text.trim().as_bytes();
        if let [a, b] = bytes
            && a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
        {
            return Ok(match &[a.to_ascii_uppercase(), b.to_ascii_uppercase()] {
                b"HK" => Self::HONG_KONG,
                b"MO" => Self::MACAO,
                b"TW" => Self::TAIWAN,
                other => Self::short(*other),
            });
        }
        let digits = bytes.iter().all(u8::is_ascii_digit);
        if !digits || !matches!(bytes.len(), 2 | 4 | 6) || bytes.starts_with(b"00") {
            return Err(shape());
        }
        let mut short = bytes;
        while short.len() > 2 && short.ends_with(b"00") {
            short = &short[..short.len() - 2];
        }
        let mut code = Self { text: [0; 6], len: short.len() as u8 };
        code.text[..short.len()].copy_from_slice(short);
        Ok(code)
    }

    /// The shortest form: `53` for all of Yunnan.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The six-digit form of a GB/T 2260 code (`530000`); a country is itself.
    pub fn padded(&self) -> String {
        if self.is_division() { format!("{:0<6}", self.as_str()) } else { self.as_str().to_owned() }
    }

    /// Whether this is a GB/T 2260 code and not a country.
    pub fn is_division(&self) -> bool {
        self.text[0].is_ascii_digit()
    }

    /// The level a code of this length names.
    pub fn level(&self) -> Level {
        match (self.is_division(), self.len) {
            (false, _) => Level::Country,
            (true, 2) => Level::Province,
            (true, 4) => Level::City,
            (true, _) => Level::District,
        }
    }

    /// The customs territory: `CN` for mainland codes; 71, 81 and 82 stand for themselves.
    pub fn country(&self) -> Self {
        match self.province() {
            Some(p) if [Self::TAIWAN, Self::HONG_KONG, Self::MACAO].contains(&p) => p,
            Some(_) => Self::MAINLAND,
            None => *self,
        }
    }

    /// The province of a GB/T 2260 code, none of a country.
    pub fn province(&self) -> Option<Self> {
        self.is_division().then(|| self.prefix(2))
    }

    /// The city of a city or county; none where no real city stands between the province and the
    /// county (see [`Self::is_pseudo_city`]).
    pub fn city(&self) -> Option<Self> {
        if !self.is_division() || self.len < 4 {
            return None;
        }
        Some(self.prefix(4)).filter(|c| !c.is_pseudo_city())
    }

    /// Whether this four-digit code is only a bracket in GB/T 2260: the `市辖区` and `县` of the
    /// four municipalities, the "directly administered" counties (4190, 4290, 4690, 6590), and the
    /// `00` before the districts of Hong Kong and Macao.
    pub fn is_pseudo_city(&self) -> bool {
        self.len == 4
            && (matches!(&self.text[..2], b"11" | b"12" | b"31" | b"50")
                || matches!(&self.text[2..4], b"90" | b"00"))
    }

    /// The next wider real region, brackets left out: 530102 → 5301 → 53 → CN, 419001 → 41.
    pub fn parent(&self) -> Option<Self> {
        match self.level() {
            Level::District => self.city().or_else(|| self.province()),
            Level::City => self.province(),
            Level::Province => Some(self.country()).filter(|c| c != self),
            Level::Country | Level::None => None,
        }
    }

    /// The bracket of GB/T 2260 a county stands in (see [`Self::is_pseudo_city`]); none of a county
    /// that answers to a real city, nor of what is no county.
    fn bracket(self) -> Option<Self> {
        let four = (self.level() == Level::District).then(|| self.prefix(4));
        four.filter(Self::is_pseudo_city)
    }

    /// Every code that contains this one, finest first and itself before all: those it begins with,
    /// brackets among them, and `CN` on the mainland.
    fn upward(self) -> impl Iterator<Item = Self> {
        let lengths = if self.is_division() { [6, 4, 2] } else { [0, 0, 2] };
        let begins = move |len: &u8| (1..=self.len).contains(len);
        let own = lengths.into_iter().filter(begins).map(move |len| self.prefix(len));
        let on_mainland = self.is_division() && self.country() == Self::MAINLAND;
        own.chain(on_mainland.then_some(Self::MAINLAND))
    }

    /// Whether `other` lies in this region or is it. Purely by prefix: a retired code must have
    /// been replaced by its successor before.
    pub fn contains(&self, other: Self) -> bool {
        if *self == Self::MAINLAND {
            return other.country() == Self::MAINLAND;
        }
        other.as_str().starts_with(self.as_str())
    }

    fn prefix(self, len: u8) -> Self {
        if self.len <= len {
            return self;
        }
        let mut text = self.text;
        text[usize::from(len)..].fill(0);
        Self { text, len }
    }
}

/// Whether a place as it is stored lies in a region as it is stored; what cannot be read lies
/// nowhere.
pub fn lies_in(place: &str, region: &str) -> bool {
    let (place, region) = (place.parse::<RegionCode>(), region.parse::<RegionCode>());
    place.ok().zip(region.ok()).is_some_and(|(place, region)| region.contains(place))
}

/// Words for regions in one form: their codes, each once and in order, so that lists that name the
/// same regions are equal however they were written. What is no code stays as it is.
pub fn in_one_form(words: &[String]) -> Vec<String> {
    let read = |word: &String| {
        RegionCode::parse(word).map_or_else(|_| word.clone(), |code| code.to_string())
    };
    let once: BTreeSet<String> = words.iter().map(read).collect();
    once.into_iter().collect()
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionCode({self})")
    }
}

impl FromStr for RegionCode {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> RegionCode {
        RegionCode::parse(text).expect("a code in a test")
    }

    #[test]
    fn codes_have_one_form() {
        for (written, kept) in [
            ("530000", "53"),
            ("53", "53"),
            ("5300", "53"),
            ("530100", "5301"),
            ("530102", "530102"),
            ("cn", "CN"),
            ("HK", "81"),
            ("mo", "82"),
            ("TW", "71"),
            (" US ", "US"),
        ] {
            assert_eq!(code(written).as_str(), kept, "{written}");
        }
        for wrong in ["", "5", "530", "5301020", "C1", "CHN", "00", "０１", "53-1", "000000"] {
            assert!(RegionCode::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_of_regions_have_one_form() {
        let form = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            in_one_form(&words).join("|")
        };
        let cases: &[(&[&str], &str)] = &[
            (&["51", "50"], "50|51"),
            (&["us", "440000", "HK"], "44|81|US"),
            (&["81", "US", "44", "Us", "4400"], "44|81|US"),
            (&["5301", "53"], "53|5301"),
            (&["nowhere", "53"], "53|nowhere"),
            (&[], ""),
        ];
        for (written, kept) in cases {
            assert_eq!(form(written), *kept, "{written:?}");
        }
    }

    #[test]
    fn containment_is_by_prefix_and_cn_is_the_mainland() {
        for (outer, inner, expected) in [
            ("53", "530102", true),
            ("5301", "53", false),
            ("5301", "530102", true),
            ("5301", "5303", false),
            ("CN", "530102", true),
            ("CN", "CN", true),
            ("CN", "81", false),
            ("CN", "710000", false),
            ("CN", "US", false),
            ("HK", "810001", true),
            ("US", "US", true),
            ("53", "CN", false),
        ] {
            assert_eq!(code(outer).contains(code(inner)), expected, "{outer} {inner}");
        }
    }

    #[test]
    fn parents_leave_out_the_brackets() {
        for (child, parent) in [
            ("530102", Some("5301")),
            ("5301", Some("53")),
            ("53", Some("CN")),
            ("110108", Some("11")),
            ("419001", Some("41")),
            ("500231", Some("50")),
            ("1101", Some("11")),
            ("810001", Some("81")),
            ("81", None),
            ("US", None),
        ] {
            assert_eq!(code(child).parent(), parent.map(code), "{child}");
        }
    }

    proptest! {
        #[test]
        fn every_code_reads_back(text in "([1-8][1-9][0-9]{4})|([A-Z]{2})") {
            let once = code(&text);
            prop_assert_eq!(code(once.as_str()), once);
            prop_assert_eq!(code(&once.padded()), once);
            prop_assert!(once.contains(once));
        }

        #[test]
        fn a_region_holds_its_descendants(text in "[1-8][1-9][0-9]{4}") {
            let mut at = Some(code(&text));
            while let Some(region) = at {
                prop_assert!(region.contains(code(&text)));
                at = region.parent();
            }
        }

        #[test]
        fn upward_are_those_that_contain_it(
            text in "([1-8][1-9](0[0-9]|[1-9][0-9]){0,2})|([A-Z]{2})",
            other in "([1-8][1-9])|CN|HK|US",
            cut in 1usize..4,
        ) {
            let one = code(&text);
            let upward: Vec<_> = one.upward().collect();
            prop_assert_eq!(upward.first(), Some(&one));
            prop_assert!(upward.is_sorted_by(|finer, wider| finer.level() >= wider.level()));
            for wider in [code(&other), code(&text[..text.len().min(2 * cut)])] {
                prop_assert_eq!(upward.contains(&wider), wider.contains(one), "{}", wider);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,12}") {
            let _ = RegionCode::parse(&text);
        }
    }
}
