//! A point on the earth, in degrees on WGS-84, and the distance between two.

use super::RegionError;

/// Mean radius of the earth (IUGG R1), in kilometres.
pub const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Latitude −90…90 and longitude −180…180, both finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeoPoint {
    lat: f64,
    lon: f64,
}

impl GeoPoint {
    /// A point, or none when a coordinate is out of its range or not a number.
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        let inside = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        inside.then_some(Self { lat, lon })
    }

    /// Degrees north.
    pub fn lat(&self) -> f64 {
        self.lat
    }

    /// Degrees east.
    pub fn lon(&self) -> f64 {
        self.lon
    }

    /// Great-circle distance in kilometres.
    pub fn distance_km(&self, other: Self) -> f64 {
        chord_to_km(chord_squared(self.unit(), other.unit()))
    }

    /// The point on the unit sphere.
    pub(super) fn unit(&self) -> [f64; 3] {
        let (sin_lat, cos_lat) = self.lat.to_radians().sin_cos();
        let (sin_lon, cos_lon) = self.lon.to_radians().sin_cos();
        [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
    }

    pub(super) fn required(lat: f64, lon: f64, place: &str) -> Result<Self, RegionError> {
        Self::new(lat, lon).ok_or_else(|| RegionError::Shape(format!("{place}: {lat}, {lon}")))
    }
}

/// Squared straight-line distance of two points on the unit sphere; grows with the great circle.
pub(super) fn chord_squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

pub(super) fn chord_to_km(chord_squared: f64) -> f64 {
    2.0 * EARTH_RADIUS_KM * (chord_squared.sqrt() / 2.0).min(1.0).asin()
}

pub(super) fn km_to_chord_squared(km: f64) -> f64 {
    let half = (km / (2.0 * EARTH_RADIUS_KM)).clamp(0.0, std::f64::consts::FRAC_PI_2);
    (2.0 * half.sin()).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        let kunming = GeoPoint::new(25.0406, 102.7122).expect("valid");
        let jinan = GeoPoint::new(36.6758, 117.0009).expect("valid");
        let km = kunming.distance_km(jinan);
        assert!((1850.0..1885.0).contains(&km), "{km}");
        assert_eq!(kunming.distance_km(kunming), 0.0);
        assert!((chord_to_km(km_to_chord_squared(123.0)) - 123.0).abs() < 1e-6);
    }

    #[test]
    fn impossible_coordinates_are_no_point() {
        for (lat, lon) in [(91.0, 0.0), (0.0, 181.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(GeoPoint::new(lat, lon).is_none());
        }
    }
}
