//! Places on public pages: where a visitor is, to a city at most, and what a region is called.
//!
//! A place by network address is coarse and may be wrong: where the databases disagree about the
//! country nothing is said, and a province without its city counts for no city.

use std::net::IpAddr;

use domain::region::{Divisions, RegionCode};

use crate::geo::Geo;
use crate::pages::i18n::Lang;

/// Where a visitor is, as far as the address tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VisitorPlace {
    /// The finest region known.
    pub region: Option<RegionCode>,
}

impl VisitorPlace {
    /// The place of an address.
    #[must_use]
    pub fn of(geo: &Geo, address: Option<IpAddr>) -> Self {
        let Some(address) = address else { return Self::default() };
        let reading = geo.lookup(address);
        let source = match (reading.operator, reading.china, reading.world) {
            (Some(own), _, _) => Some(own),
            (None, Some(china), Some(world)) => {
                let country = |r: Option<RegionCode>| r.map(|r| r.country());
                (country(china.region) == country(world.region)).then_some(china)
            }
            (None, china, world) => china.or(world),
        };
        Self { region: source.and_then(|s| s.city.or(s.region)) }
    }

    /// The city a scan is counted under: a city, a municipality, a special region, or a country
    /// other than the mainland. None for a mere province.
    #[must_use]
    pub fn city(&self) -> Option<RegionCode> {
        let region = self.region?;
        let whole = matches!(region.as_str(), "11" | "12" | "31" | "50" | "71" | "81" | "82");
        let abroad = !region.is_division() && region != RegionCode::MAINLAND;
        if whole || abroad {
            return Some(region);
        }
        // A county that answers to its province directly is a city of its own.
        region.city().or((region.as_str().len() == 6).then_some(region))
    }

    /// Whether two regions are of one province.
    #[must_use]
    pub fn is_in_province_of(&self, other: RegionCode) -> bool {
        let own = self.region.and_then(|r| r.province());
        own.is_some() && own == other.province()
    }
}

/// A region by its text, to the city: 上海市, Suzhou. None where the table knows no such region.
#[must_use]
pub fn city_name(divisions: &Divisions, lang: Lang, text: &str) -> Option<String> {
    let code = divisions.current(divisions.parse(text).ok()?);
    name(divisions, lang, code.city().or(code.province()).unwrap_or(code))
}

/// A region with its province: 江苏省苏州市, Suzhou, Jiangsu.
#[must_use]
pub fn full_name(divisions: &Divisions, lang: Lang, text: &str) -> Option<String> {
    let code = divisions.current(divisions.parse(text).ok()?);
    let province = code.province().and_then(|p| name(divisions, lang, p));
    let city = code.city().and_then(|c| name(divisions, lang, c));
    match (province, city, lang) {
        (Some(province), Some(city), Lang::Zh) => Some(province + &city),
        (Some(province), Some(city), Lang::En) => Some(format!("{city}, {province}")),
        (Some(province), None, _) => Some(province),
        _ => name(divisions, lang, code),
    }
}

fn name(divisions: &Divisions, lang: Lang, code: RegionCode) -> Option<String> {
    let row = divisions.get(code)?;
    let name = if lang == Lang::En && !row.en.is_empty() { &row.en } else { &row.zh };
    Some(name.to_string()).filter(|name| !name.is_empty())
}
