//! Impossible travel: two sightings of one unit that no journey explains.

use domain::region::{Divisions, GeoPoint, Level, RegionCode};
use jiff::Timestamp;

use crate::location::Network;

/// Faster than this is no journey: airliners cruise at about 900 km/h.
pub const TRAVEL_SPEED_MAX_KMH: f64 = 1000.0;

/// How far from the centre of its city somebody may be, kilometres: half the width of most, and how
/// far addresses of the next one are taken for its own.
const CITY_RADIUS_KM: f64 = 100.0;
/// The same of a place of which the tables know nothing finer: Taiwan is 400 km long.
const ISLAND_RADIUS_KM: f64 = 200.0;

/// Where and when a unit was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub point: GeoPoint,
    /// Uncertainty of the place, kilometres.
    pub radius_km: f64,
    /// The network it was seen through.
    pub network: Network,
}

impl Sighting {
    /// One in a city, through a line known to be fixed. None where the tables have no centre of it:
    /// countries have none.
    pub fn in_city(divisions: &Divisions, city: RegionCode, at: Timestamp) -> Option<Self> {
        let whole = city.level() == Level::Country;
        let radius_km = if whole { ISLAND_RADIUS_KM } else { CITY_RADIUS_KM };
        let (point, network) = (divisions.centre_of(city)?, Network::Fixed);
        Some(Self { at, point, radius_km, network })
    }
}

/// The speed in km/h a journey between two sightings needs at least, when it is more than
/// [`TRAVEL_SPEED_MAX_KMH`] and neither was seen through a mobile carrier or a host, whose places
/// are not the device's. Sightings at one instant need an infinite speed. The order is free.
pub fn impossible_travel(one: &Sighting, other: &Sighting) -> Option<f64> {
    let misleading = |s: &Sighting| matches!(s.network, Network::Mobile | Network::Hosting);
    if misleading(one) || misleading(other) {
        return None;
    }
    let radii_km = one.radius_km.max(0.0) + other.radius_km.max(0.0);
    let km = one.point.distance_km(other.point) - radii_km;
    let hours = one.at.duration_since(other.at).abs().as_secs_f64() / 3600.0;
    let speed = if km <= 0.0 { 0.0 } else { km / hours };
    (speed > TRAVEL_SPEED_MAX_KMH).then_some(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: &str, lat: f64, lon: f64, network: Network) -> Sighting {
        Sighting {
            at: at.parse().expect("a time in a test"),
            point: GeoPoint::new(lat, lon).expect("a point in a test"),
            radius_km: 100.0,
            network,
        }
    }

    #[test]
    fn only_a_fast_journey_between_fixed_places_is_impossible() {
        let kunming = seen("2026-06-01T00:00:00Z", 25.04, 102.71, Network::Unknown);
        // Jinan is 1,868 km away, 1,668 km between the edges of the two circles.
        for (at, network, impossible) in [
            ("2026-06-01T01:00:00Z", Network::Fixed, true),
            ("2026-06-01T02:00:00Z", Network::Fixed, false),
            ("2026-05-31T23:00:00Z", Network::Unknown, true),
            ("2026-06-01T00:00:00Z", Network::Fixed, true),
            ("2026-06-01T01:00:00Z", Network::Mobile, false),
            ("2026-06-01T01:00:00Z", Network::Hosting, false),
        ] {
            let jinan = seen(at, 36.68, 117.0, network);
            assert_eq!(impossible_travel(&kunming, &jinan).is_some(), impossible, "{at}");
            assert_eq!(impossible_travel(&jinan, &kunming).is_some(), impossible, "{at}");
        }
        assert_eq!(impossible_travel(&kunming, &kunming), None);
    }
}
