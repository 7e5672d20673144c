//! The table of divisions and countries: names, centres, parents, successors of retired codes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::centres::Centres;
use super::{GeoPoint, Level, Located, Nearest, RegionCode, RegionError};

/// One line of the table as the caller read it.
#[derive(Clone, Copy, Debug)]
pub struct DivisionRow<'a> {
    /// GB/T 2260 code in any of its forms, or ISO 3166-1 alpha-2.
    pub code: &'a str,
    /// Chinese name in full (`云南省`).
    pub zh: &'a str,
    /// English name (`Yunnan`); may be empty.
    pub en: &'a str,
    /// Longitude and latitude of the seat, degrees.
    pub lon_lat: Option<(f64, f64)>,
    /// Last day the code was in force, where known.
    pub valid_to: Option<Date>,
    /// The code that took over; `Some` makes this a retired code.
    pub successor: Option<&'a str>,
}

/// A division, or a country.
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    /// Its code.
    pub code: RegionCode,
    /// Chinese name in full.
    pub zh: Box<str>,
    /// English name; empty where none is known.
    pub en: Box<str>,
    /// The seat, WGS-84 to about a kilometre.
    pub centre: Option<GeoPoint>,
    /// Last day in force, where known.
    pub valid_to: Option<Date>,
    /// The code that took over, of a retired code.
    pub successor: Option<RegionCode>,
}

impl Division {
    /// The name without its rank: `云南`, `内蒙古`, `海淀`; a name of two characters is kept.
    pub fn short_zh(&self) -> &str {
        short_name(self.code, &self.zh)
    }
}

/// The table. Built once, read by everybody; about 3 MB.
#[derive(Clone, Debug, Default)]
pub struct Divisions {
    rows: Vec<Division>,
    by_name: HashMap<Box<str>, Vec<u32>>,
    /// The autonomous prefectures in force.
    prefectures: Vec<u32>,
    /// What is directly inside each region and each bracket.
    families: HashMap<RegionCode, Arc<[RegionCode]>>,
    centres: Centres,
}

impl Divisions {
    /// Builds the table. `places` are centres of populated places outside the mainland; they let a
    /// point abroad, or beside a border, be told from one inside.
    ///
    /// # Errors
    /// The first code, coordinate or successor that cannot be used.
    pub fn from_rows<'a>(
        rows: impl IntoIterator<Item = DivisionRow<'a>>,
        places: impl IntoIterator<Item = (RegionCode, GeoPoint)>,
    ) -> Result<Self, RegionError> {
        let mut table = Self::default();
        for row in rows {
            // 71, 81 and 82 come with the divisions; their ISO rows say nothing new.
            let code = RegionCode::parse(row.code)?;
            if code.is_division() && row.code.len() == 2 && !row.code.as_bytes()[0].is_ascii_digit()
            {
                continue;
            }
            table.rows.push(Division {
                code,
                zh: row.zh.into(),
                en: row.en.into(),
                centre: row
                    .lon_lat
                    .map(|(lon, lat)| GeoPoint::required(lat, lon, row.code))
                    .transpose()?,
                valid_to: row.valid_to,
                successor: row.successor.map(RegionCode::parse).transpose()?,
            });
        }
        table.rows.sort_by_key(|r| r.code);
        table.rows.dedup_by_key(|r| r.code);
        if let Some(lost) =
            table.rows.iter().find(|r| r.successor.is_some_and(|s| table.get(s).is_none()))
        {
            return Err(RegionError::Unknown(lost.code.to_string()));
        }
        let leaves = table.leaves();
        table.centres = Centres::new(leaves.into_iter().chain(places));
        table.index_names();
        table.index_families();
        Ok(table)
    }

    /// The region a text names by code, checked against the table.
    ///
    /// # Errors
    /// [`RegionError`] when it is no code or none the table knows.
    pub fn parse(&self, text: &str) -> Result<RegionCode, RegionError> {
        let code = RegionCode::parse(text)?;
        match self.get(code) {
            Some(_) => Ok(code),
            None => Err(RegionError::Unknown(text.trim().to_owned())),
        }
    }

    /// The row of a code, retired ones included.
    pub fn get(&self, code: RegionCode) -> Option<&Division> {
        let at = self.rows.binary_search_by_key(&code, |r| r.code).ok()?;
        self.rows.get(at)
    }

    /// Every row in the order of codes, retired ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Division> {
        self.rows.iter()
    }

    /// The code in force for an observed one: a retired code gives its successor, a county the
    /// table does not know gives the nearest prefix it knows.
    pub fn current(&self, code: RegionCode) -> RegionCode {
        let mut at = code;
        // Successors may chain; a table that chains in a circle ends here all the same.
        for _ in 0..8 {
            match self.get(at) {
                Some(Division { successor: Some(next), .. }) => at = *next,
                Some(_) => return at,
                None => match at.parent() {
                    Some(wider) if at.is_division() => at = wider,
                    _ => return code,
                },
            }
        }
        code
    }

    /// The codes in force that a grant of `code` stands for. A retired city stands for the
    /// successors of its counties, where they are known: the city that swallowed it is larger.
    pub fn current_all(&self, code: RegionCode) -> Vec<RegionCode> {
        if self.get(code).is_none_or(|r| r.successor.is_none()) {
            return vec![code];
        }
        let mut heirs: Vec<RegionCode> = self
            .below(code)
            .filter(|r| r.code.level() == Level::District)
            .map(|r| self.current(r.code))
            .collect();
        if heirs.is_empty() {
            heirs.push(self.current(code));
        }
        heirs.sort_unstable();
        heirs.dedup();
        heirs
    }

    /// The real regions directly inside one that are in force, brackets left out. Of a bracket: its
    /// counties.
    pub fn children(&self, code: RegionCode) -> impl Iterator<Item = &Division> {
        let family = self.family(code).into_iter().flat_map(|inside| inside.iter());
        family.filter_map(move |child| self.get(*child))
    }

    /// The codes of [`Self::children`], in order; none where a region has no parts.
    pub(super) fn family(&self, code: RegionCode) -> Option<&Arc<[RegionCode]>> {
        self.families.get(&code)
    }

    /// The row of the province a code lies in.
    pub fn province_of(&self, code: RegionCode) -> Option<&Division> {
        self.get(code.province()?)
    }

    /// The seat of a region, else of the next wider one that has one.
    pub fn centre_of(&self, code: RegionCode) -> Option<GeoPoint> {
        let code = self.current(code);
        self.get(code)
            .and_then(|r| r.centre)
            .or_else(|| code.parent().and_then(|wider| self.centre_of(wider)))
    }

    /// The regions of a name, full or short, Chinese or English (case ignored, and apostrophes may
    /// be left out): in force before retired, wider before narrower.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Division> {
        let ids = self.by_name.get(name.trim().to_lowercase().as_str());
        ids.into_iter().flatten().filter_map(|id| self.rows.get(*id as usize))
    }

    /// The one autonomous prefecture in force whose Chinese name begins so.
    pub(super) fn prefecture(&self, begin: &str) -> Option<RegionCode> {
        let rows = self.prefectures.iter().filter_map(|id| self.rows.get(*id as usize));
        let mut fitting = rows.filter(|row| row.zh.starts_with(begin));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first.code)
    }

    /// The province an IP database means: `广东`, `广东省`, `内蒙古`, `香港`.
    pub fn province_named(&self, name: &str) -> Option<RegionCode> {
        self.named(name).map(|r| r.code).find(|c| c.is_division() && c.level() == Level::Province)
    }

    /// The city an IP database means inside a province: `恩施` for the autonomous prefecture,
    /// `济源` for a county that answers to the province. Matched by prefix; the wider region wins;
    /// the answer is a code in force.
    pub fn city_named(&self, province: RegionCode, name: &str) -> Option<RegionCode> {
        let wanted = strip_rank(name.trim());
        if wanted.is_empty() {
            return None;
        }
        let city_like = |c: RegionCode| match c.level() {
            Level::City => !c.is_pseudo_city(),
            Level::District => c.as_str().as_bytes()[2..4] == *b"90",
            _ => false,
        };
        let mut candidates: Vec<&Division> = self
            .below(province)
            .filter(|r| city_like(r.code) && r.zh.starts_with(wanted))
            .collect();
        candidates.sort_by_key(|r| (r.successor.is_some(), r.code.level(), r.code));
        candidates.first().map(|r| self.current(r.code))
    }

    /// The nearest centre within `within_km` of which `accept` approves.
    pub fn nearest(
        &self,
        point: GeoPoint,
        within_km: f64,
        accept: impl Fn(RegionCode) -> bool,
    ) -> Option<Nearest> {
        self.centres.nearest(point, within_km, accept)
    }

    /// The finest region a point with an uncertainty of `radius_m` metres supports: with d1 the
    /// distance to the nearest centre and d2 to the nearest of another region of that level, the
    /// level is not supported if d2 < 2·d1 or d2 − d1 < 2·radius.
    pub fn locate(&self, point: GeoPoint, radius_m: f64) -> Located {
        self.centres.locate(point, radius_m / 1000.0)
    }

    /// Every row inside a GB/T 2260 code, itself left out, retired ones included.
    fn below(&self, code: RegionCode) -> impl Iterator<Item = &Division> {
        let from = self.rows.partition_point(|r| r.code <= code);
        self.rows[from..].iter().take_while(move |r| code.contains(r.code))
    }

    /// The smallest divisions in force, with their centres.
    fn leaves(&self) -> Vec<(RegionCode, GeoPoint)> {
        let in_force = |r: &&Division| r.successor.is_none();
        self.rows
            .iter()
            .filter(in_force)
            .filter(|r| r.code.is_division() && self.below(r.code).find(in_force).is_none())
            .filter_map(|r| Some((r.code, r.centre?)))
            .collect()
    }

    fn index_families(&mut self) {
        let mut families: HashMap<RegionCode, Vec<RegionCode>> = HashMap::new();
        let real = |r: &&Division| r.successor.is_none() && !r.code.is_pseudo_city();
        for row in self.rows.iter().filter(real) {
            for wider in [row.code.parent(), row.code.bracket()].into_iter().flatten() {
                families.entry(wider).or_default().push(row.code);
            }
        }
        self.families = families.into_iter().map(|(code, all)| (code, all.into())).collect();
    }

    fn index_names(&mut self) {
        let mut by_name: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        for (id, row) in (0u32..).zip(&self.rows) {
            if row.successor.is_none() && row.zh.ends_with("自治州") {
                self.prefectures.push(id);
            }
            let mut names = vec![row.zh.to_lowercase(), row.short_zh().to_lowercase()];
            names.push(row.en.to_lowercase());
            if let Some(first) = row.zh.strip_prefix("中国") {
                names.push(first.to_owned());
            }
            names.sort_unstable();
            names.dedup();
            for name in names.into_iter().filter(|n| !n.is_empty()) {
                by_name.entry(name.into()).or_default().push(id);
            }
        }
        // People write xian; what is a name as it stands (jinan) is not meant to be jin'an.
        let mut bare: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        for (name, ids) in by_name.iter().filter(|(name, _)| name.contains('\'')) {
            bare.entry(name.replace('\'', "").into()).or_default().extend(ids);
        }
        bare.retain(|name, _| !by_name.contains_key(name));
        by_name.extend(bare);
        for ids in by_name.values_mut() {
            ids.sort_by_key(|id| {
                let row = &self.rows[*id as usize];
                (row.successor.is_some(), row.code.level(), row.code)
            });
        }
        self.by_name = by_name;
    }
}

/// A name without its rank. Provinces are known by their first two characters, but for two.
fn short_name(code: RegionCode, zh: &str) -> &str {
    if code.level() == Level::Province {
        let long = ["内蒙古", "黑龙江"].into_iter().find(|p| zh.starts_with(p));
        return long.unwrap_or_else(|| first_chars(zh, 2));
    }
    if code.is_division() { strip_rank(zh) } else { zh }
}

/// `杭州市` → `杭州`; what would leave a single character is kept (`沙县`).
fn strip_rank(name: &str) -> &str {
    ["自治州", "自治县", "自治旗", "地区", "市", "县", "区", "盟", "旗", "州"]
        .into_iter()
        .filter_map(|rank| name.strip_suffix(rank))
        .find(|rest| rest.chars().nth(1).is_some())
        .unwrap_or(name)
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{code, divisions};
    use super::*;

    #[test]
    fn a_code_must_be_in_the_table() {
        let table = divisions();
        assert_eq!(table.parse("530000").map(|c| c.to_string()), Ok("53".to_owned()));
        assert_eq!(table.parse("hk"), Ok(RegionCode::HONG_KONG));
        assert_eq!(table.parse("98"), Err(RegionError::Unknown("98".to_owned())));
        assert_eq!(table.parse("ZZ"), Err(RegionError::Unknown("ZZ".to_owned())));
        assert!(matches!(table.parse("5"), Err(RegionError::Shape(_))));
    }

    #[test]
    fn retired_codes_lead_to_their_successors() {
        let table = divisions();
        assert_eq!(table.current(code("3712")), code("3701"));
        assert_eq!(table.current(code("371202")), code("370116"));
        assert_eq!(table.current(code("530199")), code("5301"), "unknown county");
        assert_eq!(table.current(code("US")), code("US"));
        assert_eq!(table.current_all(code("3712")), [code("370116"), code("370117")]);
        assert_eq!(table.current_all(code("53")), [code("53")]);
    }

    #[test]
    fn names_are_found_full_and_short() {
        let table = divisions();
        for (name, expected) in [
            ("上海市", "31"),
            ("上海", "31"),
            ("Shanghai", "31"),
            ("内蒙古", "15"),
            ("云南", "53"),
            ("昆明", "5301"),
            ("kunming", "5301"),
            ("五华区", "530102"),
            ("美国", "US"),
            ("香港", "81"),
        ] {
            let found = table.named(name).next().map(|r| r.code);
            assert_eq!(found, Some(code(expected)), "{name}");
        }
        assert!(table.named("无此地").next().is_none());
    }

    #[test]
    fn database_spellings_match_by_prefix() {
        let table = divisions();
        assert_eq!(table.province_named("云南省"), Some(code("53")));
        assert_eq!(table.province_named("云南"), Some(code("53")));
        assert_eq!(table.province_named("内蒙古"), Some(code("15")));
        assert_eq!(table.province_named("香港"), Some(code("81")));
        assert_eq!(table.province_named("0"), None);
        assert_eq!(table.city_named(code("42"), "恩施"), Some(code("4228")));
        assert_eq!(table.city_named(code("53"), "昆明市"), Some(code("5301")));
        assert_eq!(table.city_named(code("41"), "济源"), Some(code("419001")));
        assert_eq!(table.city_named(code("37"), "莱芜市"), Some(code("3701")));
        assert_eq!(table.city_named(code("11"), "北京市"), None, "a bracket is no city");
        assert_eq!(table.city_named(code("53"), "0"), None);
        assert_eq!(table.city_named(code("53"), ""), None);
    }

    #[test]
    fn children_and_centres_leave_out_brackets_and_retired_codes() {
        let table = divisions();
        let children =
            |c: &str| table.children(code(c)).map(|r| r.code.to_string()).collect::<Vec<_>>();
        assert_eq!(children("11"), ["110101", "110108"]);
        assert_eq!(children("37"), ["3701"]);
        assert_eq!(children("41"), ["419001"]);
        assert_eq!(children("4190"), ["419001"], "a bracket has its counties");
        assert!(children("530102").is_empty() && children("US").is_empty());
        assert!(table.centre_of(code("530199")).is_some(), "falls back to the city");
        assert!(table.centre_of(code("US")).is_none());
        assert_eq!(table.province_of(code("530102")).map(|r| &*r.en), Some("Yunnan"));
    }
}
