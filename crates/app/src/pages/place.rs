//! What a region is called on public pages.

use domain::region::{Divisions, Level, RegionCode};

use crate::pages::i18n::Lang;

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

/// A region with all it lies in, as people search for it: 江苏省南京市鼓楼区, Gulou, Nanjing, Jiangsu.
#[must_use]
pub fn whole_name(divisions: &Divisions, lang: Lang, code: RegionCode) -> Option<String> {
    let wider = full_name(divisions, lang, code.as_str())?;
    if code.level() != Level::District {
        return Some(wider);
    }
    let own = name(divisions, lang, code)?;
    Some(match lang {
        Lang::Zh => wider + &own,
        Lang::En => format!("{own}, {wider}"),
    })
}

fn name(divisions: &Divisions, lang: Lang, code: RegionCode) -> Option<String> {
    let row = divisions.get(code)?;
    let name = if lang == Lang::En && !row.en.is_empty() { &row.en } else { &row.zh };
    Some(name.to_string()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Geo;
    use domain::region::Division;

    /// What the list of centres offers under a region's whole name must lead back to it.
    #[test]
    fn every_whole_name_leads_back() {
        let geo = Geo::tables_only().expect("the shipped tables are sound");
        let divisions = geo.divisions();
        let named = |region: &&Division| {
            let known = matches!(region.code.level(), Level::City | Level::District);
            known && region.successor.is_none() && !region.code.is_pseudo_city()
        };
        for region in divisions.iter().filter(named) {
            for lang in [Lang::Zh, Lang::En] {
                let name = whole_name(divisions, lang, region.code).expect("a name");
                let meant = divisions.meant(&name);
                assert!(meant.contains(&region.code), "{} {name}: {meant:?}", region.code);
            }
        }
    }
}
