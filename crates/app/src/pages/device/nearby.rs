//! Service centres, every site of theirs that is open to visitors, by distance from the middle of
//! the visitor's city, else of the city where the unit was activated: the public is told no more.

use domain::id::BrandId;
use domain::party::{PartyKind, Site};
use domain::region::{Divisions, GeoPoint, RegionCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::flows::reference::Reference;
use crate::pages::i18n::Lang;
use crate::pages::place::{city_name, full_name, whole_name};

use super::view::{CentreView, CentresView};

/// Centres on a list; a brand with more lets people search.
const CENTRES_MAX: usize = 100;
/// Behind every division: where a centre is that names none.
const LAST: &str = "~";
/// Places of one name that are told.
const OTHERS_MAX: usize = 20;

/// From where, and what for.
pub struct Nearby<'a> {
    /// Parties.
    pub reference: &'a Reference,
    /// Regions.
    pub divisions: &'a Divisions,
    /// Whose centres.
    pub brand: BrandId,
    /// The page's language.
    pub lang: Lang,
    /// Distances are counted from its seat.
    pub from: Option<RegionCode>,
}

impl Nearby<'_> {
    /// The centres, nearest first; those without a position come last, by division. Nothing else is
    /// known where nobody knows from where, and whose goods it is must not show.
    #[must_use]
    pub fn centres(&self) -> CentresView {
        self.listed(self.from, "")
    }

    /// The same for what somebody searches: a place, from which distances are then counted, or part
    /// of a name or address. Beside it the other places of that name; where none of them is wider
    /// than the rest nobody knows which is meant, and all of them are others.
    #[must_use]
    pub fn searched(&self, query: &str) -> (CentresView, Vec<String>) {
        let query = query.trim();
        let (meant, others) = self.meant(query);
        let words = if meant.is_none() && others.is_empty() { query } else { "" };
        let city = meant.map(|region| city_of(self.divisions, region)).filter(|r| r.is_division());
        let mut view = self.listed(city.or(self.from), words);
        if let Some(city) = city {
            // Another province may have a city of that name.
            let whole = |_| full_name(self.divisions, self.lang, city.as_str());
            view.near = view.near.and_then(whole);
        }
        let names = others.into_iter().take(OTHERS_MAX);
        let names = names.filter_map(|region| whole_name(self.divisions, self.lang, region));
        (view, names.collect())
    }

    fn listed(&self, from: Option<RegionCode>, words: &str) -> CentresView {
        let from = from.filter(|r| r.is_division());
        let seat = from.and_then(|region| self.divisions.centre_of(region));
        let tree = &self.reference.tree;
        let sites = self.reference.sites(self.brand).filter(|s| {
            tree.get(s.party).is_some_and(|p| p.kind == PartyKind::ServiceCentre)
                && s.kind.is_open_to_visitors()
                && (s.name.contains(words) || s.address.contains(words))
        });
        let placed = |site: &Site| {
            let party = tree.get(site.party).and_then(|party| party.region.clone());
            let region = site.region.clone().or(party);
            (region.unwrap_or_else(|| LAST.to_owned()), centre(site, seat, self.lang))
        };
        let mut found: Vec<_> = sites.map(placed).collect();
        found.sort_by_cached_key(|(region, centre)| {
            (centre.metres.unwrap_or(u32::MAX), region.clone(), centre.name.clone())
        });
        found.truncate(CENTRES_MAX);
        let centres = found.into_iter().map(|(_, centre)| centre).collect();
        let near = from.filter(|_| seat.is_some());
        let near = near.and_then(|r| city_name(self.divisions, self.lang, r.as_str()));
        CentresView { near, centres }
    }

    /// The region that is searched for, where one is wider than all others of its name, and those
    /// others. Places of one city are one: distances are counted from its middle.
    fn meant(&self, query: &str) -> (Option<RegionCode>, Vec<RegionCode>) {
        let mut regions = self.divisions.meant(query);
        let mut cities = Vec::new();
        regions.retain(|region| {
            let city = city_of(self.divisions, *region);
            let is_new = !cities.contains(&city);
            cities.push(city);
            is_new
        });
        let is_clear = match regions.as_slice() {
            [first, second, ..] => first.level() < second.level(),
            some => !some.is_empty(),
        };
        let meant = is_clear.then(|| regions.remove(0));
        (meant, regions)
    }
}

/// The city that a region lies in, or what stands for one: a municipality, a province without
/// cities. A country is itself.
pub(super) fn city_of(divisions: &Divisions, region: RegionCode) -> RegionCode {
    let region = divisions.current(region);
    region.city().or(region.province()).unwrap_or(region)
}

fn centre(site: &Site, seat: Option<GeoPoint>, lang: Lang) -> CentreView {
    let point = site.point.and_then(|(lon, lat)| GeoPoint::new(lat, lon));
    let metres = seat.zip(point).map(|(a, b)| (a.distance_km(b) * 1000.0).round() as u32);
    let text = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    CentreView {
        name: site.name.clone(),
        address: text(&site.address),
        hours: None,
        metres,
        phone: text(&site.phone),
        map_url: point.map(|point| map_url(lang, point, &site.name)),
    }
}

/// A map of a place. An address of the web, since `geo:` opens nothing on an iPhone or a desktop;
/// Amap is told that the point is WGS 84 and opens its own program where there is one. Nothing is
/// asked of either before somebody follows the link, and then not from which page.
fn map_url(lang: Lang, point: GeoPoint, name: &str) -> String {
    let (lat, lon) = (point.lat(), point.lon());
    match lang {
        Lang::Zh => {
            let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
            format!(
                "https://uri.amap.com/marker?position={lon:.6},{lat:.6}&name={name}\
                 &coordinate=wgs84&callnative=1"
            )
        }
        Lang::En => format!(
            "https://www.openstreetmap.org/?mlat={lat:.6}&mlon={lon:.6}#map=17/{lat:.6}/{lon:.6}"
        ),
    }
}
