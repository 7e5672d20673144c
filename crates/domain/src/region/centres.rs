//! Where a point lies, without polygons: by the centres around it.
//!
//! Centres are those of the smallest divisions in force and of places abroad. They are kept in the
//! order of latitude; a search walks outwards from the point's latitude and stops when latitude
//! alone is farther than the best found, which visits a few hundred of sixteen thousand.

use super::point::{chord_squared, chord_to_km, km_to_chord_squared};
use super::{GeoPoint, Level, RegionCode};

/// A point farther than this from every known centre is in no known region (open sea, ice).
const REACH_KM: f64 = 500.0;
/// One degree of latitude is never shorter than this.
const DEGREE_KM: f64 = 111.0;

/// The nearest centre that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The region the centre belongs to.
    pub region: RegionCode,
    /// Great-circle distance to it.
    pub km: f64,
}

/// What a point supports: the region at the finest level that is not ambiguous.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Located {
    /// None when not even the country is supported.
    pub region: Option<RegionCode>,
    /// The level `region` stands for. A customs territory (71, 81, 82) is at least `Country`.
    pub level: Level,
}

impl Located {
    const NOWHERE: Self = Self { region: None, level: Level::None };
}

#[derive(Clone, Copy, Debug)]
struct Centre {
    lat: f64,
    unit: [f64; 3],
    region: RegionCode,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Centres {
    by_lat: Vec<Centre>,
}

impl Centres {
    pub(super) fn new(places: impl IntoIterator<Item = (RegionCode, GeoPoint)>) -> Self {
        let mut by_lat: Vec<Centre> = places
            .into_iter()
            .map(|(region, at)| Centre { lat: at.lat(), unit: at.unit(), region })
            .collect();
        by_lat.sort_by(|a, b| a.lat.total_cmp(&b.lat));
        Self { by_lat }
    }

    /// The nearest centre within `within_km` of which `accept` approves.
    pub(super) fn nearest(
        &self,
        point: GeoPoint,
        within_km: f64,
        accept: impl Fn(RegionCode) -> bool,
    ) -> Option<Nearest> {
        let unit = point.unit();
        let mut best = km_to_chord_squared(within_km);
        let mut reach = within_km / DEGREE_KM;
        let mut found = None;
        let start = self.by_lat.partition_point(|c| c.lat < point.lat());
        let (mut up, mut down) = (start, start);
        loop {
            let above = self.by_lat.get(up).filter(|c| c.lat - point.lat() <= reach);
            let below = self.by_lat[..down].last().filter(|c| point.lat() - c.lat <= reach);
            if above.is_none() && below.is_none() {
                break;
            }
            up += usize::from(above.is_some());
            down -= usize::from(below.is_some());
            for centre in above.into_iter().chain(below) {
                let chord = chord_squared(unit, centre.unit);
                if chord <= best && accept(centre.region) {
                    best = chord;
                    reach = chord_to_km(chord) / DEGREE_KM;
                    found = Some(centre.region);
                }
            }
        }
        found.map(|region| Nearest { region, km: chord_to_km(best) })
    }

    /// The finest region a point with an uncertainty of `radius_km` supports. A level is supported
    /// when the nearest centre of any *other* region of that level is at least twice as far as the
    /// nearest centre of all, and farther by at least twice the radius.
    pub(super) fn locate(&self, point: GeoPoint, radius_km: f64) -> Located {
        let Some(first) = self.nearest(point, REACH_KM, |_| true) else {
            return Located::NOWHERE;
        };
        let clear_km = (2.0 * first.km).max(first.km + 2.0 * radius_km.max(0.0));
        let mut located = Located::NOWHERE;
        for level in [Level::Country, Level::Province, Level::City, Level::District] {
            let own = at_level(first.region, level);
            let rival = self.nearest(point, clear_km, |r| at_level(r, level) != own);
            if rival.is_some_and(|r| r.km < clear_km) {
                break;
            }
            if own.level() == level || level == Level::Country {
                located = Located { region: Some(own), level };
            }
        }
        located
    }
}

/// The region `code` belongs to at a level; a county without a real city stands for its own city.
fn at_level(code: RegionCode, level: Level) -> RegionCode {
    match level {
        Level::Country => code.country(),
        Level::Province => code.province().unwrap_or(code),
        Level::City => code.city().unwrap_or(code),
        Level::District | Level::None => code,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> RegionCode {
        RegionCode::parse(text).expect("a code in a test")
    }

    fn point(lat: f64, lon: f64) -> GeoPoint {
        GeoPoint::new(lat, lon).expect("a point in a test")
    }

    fn centres() -> Centres {
        Centres::new([
            (code("530102"), point(25.04, 102.70)),
            (code("530103"), point(25.07, 102.75)),
            (code("530302"), point(25.49, 103.80)),
            (code("520102"), point(26.57, 106.71)),
            (code("US"), point(37.77, -122.42)),
        ])
    }

    #[test]
    fn the_finest_unambiguous_level_is_kept() {
        let centres = centres();
        for (lat, lon, radius_km, region, level) in [
            (25.041, 102.701, 0.03, Some("530102"), Level::District),
            (25.055, 102.725, 0.03, Some("5301"), Level::City),
            (25.041, 102.701, 30.0, Some("5301"), Level::City),
            (25.30, 103.25, 0.03, Some("53"), Level::Province),
            (26.03, 105.25, 0.03, Some("CN"), Level::Country),
            (25.041, 102.701, 300.0, Some("CN"), Level::Country),
            (37.7, -122.4, 1.0, Some("US"), Level::Country),
            (0.0, -30.0, 1.0, None, Level::None),
        ] {
            let located = centres.locate(point(lat, lon), radius_km);
            assert_eq!(located, Located { region: region.map(code), level }, "{lat} {lon}");
        }
    }

    proptest! {
        #[test]
        fn the_walk_finds_what_a_full_scan_finds(
            places in prop::collection::vec((-80.0..80.0f64, -180.0..180.0f64), 1..60),
            lat in -85.0..85.0f64,
            lon in -180.0..180.0f64,
        ) {
            let at = point(lat, lon);
            let full = places.iter().map(|p| at.distance_km(point(p.0, p.1)))
                .fold(f64::INFINITY, f64::min);
            let centres = Centres::new(places.iter().map(|p| (code("US"), point(p.0, p.1))));
            let found = centres.nearest(at, 30_000.0, |_| true).expect("one centre at least");
            prop_assert!((found.km - full).abs() < 1e-6);
        }
    }
}
