//! Fences an operator draws: a polygon with holes, kept in WGS-84.
//!
//! Chinese maps use GCJ-02, which is off by up to several hundred metres; the datum is said once,
//! when the fence is made, and corners are brought to WGS-84 there. Edges are straight in degrees,
//! as GeoJSON has them; a fence may not cross the 180th meridian.

use super::GeoPoint;
use super::point::EARTH_RADIUS_KM;

/// Most corners of one fence, over all its rings.
pub const POLYGON_VERTICES_MAX: usize = 10_000;

/// What the coordinates of a fence refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Datum {
    /// GPS.
    #[default]
    Wgs84,
    /// The datum of maps published in mainland China.
    Gcj02,
}

/// Why a fence cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolygonError {
    /// A ring needs three different corners and must end where it began.
    #[error("ring {0} is not closed or has fewer than four positions")]
    Ring(usize),
    /// A coordinate out of range or not a number.
    #[error("ring {0} has a position that is no longitude and latitude")]
    Position(usize),
    /// Two edges of a ring cross.
    #[error("ring {0} crosses itself")]
    Crossing(usize),
    /// More than [`POLYGON_VERTICES_MAX`] corners, or no ring at all.
    #[error("a fence has 1 to {POLYGON_VERTICES_MAX} positions")]
    Size,
    /// Wider than half the globe: it crosses the 180th meridian.
    #[error("a fence may not cross the 180th meridian")]
    TooWide,
}

/// A named area: one outer ring, then holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    name: Box<str>,
    /// Longitude, latitude; each ring closed.
    rings: Vec<Vec<[f64; 2]>>,
    min: [f64; 2],
    max: [f64; 2],
}

impl Polygon {
    /// A fence from GeoJSON rings of (longitude, latitude), outer ring first.
    ///
    /// # Errors
    /// [`PolygonError`] with the first ring that is wrong.
    pub fn new(name: &str, rings: &[Vec<(f64, f64)>], datum: Datum) -> Result<Self, PolygonError> {
        let corners: usize = rings.iter().map(Vec::len).sum();
        if corners == 0 || corners > POLYGON_VERTICES_MAX {
            return Err(PolygonError::Size);
        }
        let rings = rings
            .iter()
            .enumerate()
            .map(|(at, ring)| sound_ring(at, ring, datum))
            .collect::<Result<Vec<_>, _>>()?;
        let (mut min, mut max) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for corner in rings.iter().flatten() {
            for axis in 0..2 {
                min[axis] = min[axis].min(corner[axis]);
                max[axis] = max[axis].max(corner[axis]);
            }
        }
        if max[0] - min[0] > 180.0 {
            return Err(PolygonError::TooWide);
        }
        Ok(Self { name: name.into(), rings, min, max })
    }

    /// What the operator calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rings of longitude and latitude in WGS-84, the outer one first, each closed.
    pub fn rings(&self) -> &[Vec<[f64; 2]>] {
        &self.rings
    }

    /// Whether the point is in the outer ring and in no hole.
    pub fn contains(&self, point: GeoPoint) -> bool {
        let at = [point.lon(), point.lat()];
        let boxed = (0..2).all(|axis| self.min[axis] <= at[axis] && at[axis] <= self.max[axis]);
        boxed && self.edges().filter(|(a, b)| crosses_ray(at, *a, *b)).count() % 2 == 1
    }

    /// Distance to the nearest edge in kilometres, inside or outside; exact to about a percent
    /// within a few hundred kilometres.
    pub fn edge_km(&self, point: GeoPoint) -> f64 {
        let per_degree = EARTH_RADIUS_KM.to_radians();
        let across = point.lat().to_radians().cos();
        let flat = |c: [f64; 2]| {
            [(c[0] - point.lon()) * across * per_degree, (c[1] - point.lat()) * per_degree]
        };
        let squared = self.edges().map(|(a, b)| origin_to_segment_squared(flat(a), flat(b)));
        squared.fold(f64::INFINITY, f64::min).sqrt()
    }

    /// Whether `inner` lies whole in this fence: equal to it, or with a corner of it inside, no
    /// edge of the two crossing, and no hole of this fence within it.
    pub fn holds(&self, inner: &Self) -> bool {
        if self.rings == inner.rings {
            return true;
        }
        let all_inside = inner.vertices().all(|v| self.contains(v));
        let crossing = || self.edges().any(|a| inner.edges().any(|b| segments_cross(a, b)));
        let hole = || {
            self.rings[1..].iter().filter_map(|ring| ring.first()).any(|corner| {
                GeoPoint::new(corner[1], corner[0]).is_some_and(|p| inner.contains(p))
            })
        };
        all_inside && !hole() && !crossing()
    }

    /// Its corners.
    pub fn vertices(&self) -> impl Iterator<Item = GeoPoint> {
        self.rings.iter().flatten().filter_map(|c| GeoPoint::new(c[1], c[0]))
    }

    fn edges(&self) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
        self.rings.iter().flat_map(|ring| ring.windows(2)).map(|pair| (pair[0], pair[1]))
    }
}

fn sound_ring(at: usize, ring: &[(f64, f64)], datum: Datum) -> Result<Vec<[f64; 2]>, PolygonError> {
    if ring.len() < 4 || ring.first() != ring.last() {
        return Err(PolygonError::Ring(at));
    }
    let mut corners = Vec::with_capacity(ring.len());
    for &(lon, lat) in ring {
        GeoPoint::new(lat, lon).ok_or(PolygonError::Position(at))?;
        corners.push(match datum {
            Datum::Wgs84 => [lon, lat],
            Datum::Gcj02 => gcj02_to_wgs84(lon, lat),
        });
    }
    let edges: Vec<_> = corners.windows(2).map(|w| (w[0], w[1])).collect();
    let crossing =
        (0..edges.len()).any(|i| (i + 1..edges.len()).any(|j| segments_cross(edges[i], edges[j])));
    if crossing { Err(PolygonError::Crossing(at)) } else { Ok(corners) }
}

/// Whether a ray from `at` to the east meets the edge; the lower end of an edge counts, the upper
/// does not, so a corner is met once.
fn crosses_ray(at: [f64; 2], a: [f64; 2], b: [f64; 2]) -> bool {
    (a[1] > at[1]) != (b[1] > at[1])
        && at[0] < (b[0] - a[0]) * (at[1] - a[1]) / (b[1] - a[1]) + a[0]
}

fn origin_to_segment_squared(a: [f64; 2], b: [f64; 2]) -> f64 {
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let t = if length > 0.0 { -(a[0] * along[0] + a[1] * along[1]) / length } else { 0.0 };
    let t = t.clamp(0.0, 1.0);
    (a[0] + t * along[0]).powi(2) + (a[1] + t * along[1]).powi(2)
}

/// Whether two segments cross at a point inside both.
fn segments_cross((a, b): ([f64; 2], [f64; 2]), (c, d): ([f64; 2], [f64; 2])) -> bool {
    let side = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
    };
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

/// The published approximation of GCJ-02, taken back by one step: within 2 m in China. Outside
/// the rectangle of China the two datums agree.
fn gcj02_to_wgs84(lon: f64, lat: f64) -> [f64; 2] {
    const AXIS_M: f64 = 6_378_245.0;
    const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;
    if !(72.004..=137.8347).contains(&lon) || !(0.8293..=55.8271).contains(&lat) {
        return [lon, lat];
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave = |v: f64, periods: [(f64, f64); 2]| {
        let sum: f64 = periods.iter().map(|(a, f)| a * (v * f).sin()).sum();
        sum * 2.0 / 3.0
    };
    let pi = std::f64::consts::PI;
    let root = x.abs().sqrt();
    let ripple = wave(x, [(20.0, 6.0 * pi), (20.0, 2.0 * pi)]);
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + ripple
        + wave(y, [(20.0, pi), (40.0, pi / 3.0)])
        + wave(y, [(160.0, pi / 12.0), (320.0, pi / 30.0)]);
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + ripple
        + wave(x, [(20.0, pi), (40.0, pi / 3.0)])
        + wave(x, [(150.0, pi / 12.0), (300.0, pi / 30.0)]);
    let phi = lat.to_radians();
    let magic = 1.0 - ECCENTRICITY_SQUARED * phi.sin().powi(2);
    let meridian = AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / (magic * magic.sqrt());
    let parallel = AXIS_M / magic.sqrt() * phi.cos();
    [lon - (east / parallel).to_degrees(), lat - (north / meridian).to_degrees()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn square(west: f64, south: f64, side: f64) -> Vec<(f64, f64)> {
        let (east, north) = (west + side, south + side);
        vec![(west, south), (east, south), (east, north), (west, north), (west, south)]
    }

    fn at(lat: f64, lon: f64) -> GeoPoint {
        GeoPoint::new(lat, lon).expect("a point in a test")
    }

    #[test]
    fn holes_are_outside() {
        let fence =
            Polygon::new("f", &[square(100.0, 20.0, 10.0), square(104.0, 24.0, 2.0)], Datum::Wgs84)
                .expect("sound");
        for (lat, lon, inside) in [
            (21.0, 101.0, true),
            (25.0, 105.0, false),
            (19.9, 101.0, false),
            (25.0, 111.0, false),
            (29.9, 109.9, true),
        ] {
            assert_eq!(fence.contains(at(lat, lon)), inside, "{lat} {lon}");
        }
        let inner = Polygon::new("i", &[square(101.0, 21.0, 1.0)], Datum::Wgs84).expect("sound");
        let around = Polygon::new("a", &[square(103.0, 23.0, 4.0)], Datum::Wgs84).expect("sound");
        assert!(fence.holds(&inner) && fence.holds(&fence));
        assert!(!fence.holds(&around), "the hole is within it");
        assert!(!inner.holds(&fence));
    }

    #[test]
    fn the_edge_distance_is_in_kilometres() {
        let fence = Polygon::new("f", &[square(100.0, 0.0, 10.0)], Datum::Wgs84).expect("sound");
        assert!((fence.edge_km(at(5.0, 101.0)) - 110.8).abs() < 0.5);
        assert!((fence.edge_km(at(-1.0, 105.0)) - 111.2).abs() < 0.1);
    }

    #[test]
    fn broken_rings_are_named() {
        let bow = vec![(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)];
        let open = square(0.0, 0.0, 1.0)[..4].to_vec();
        let far = vec![(0.0, 0.0), (1.0, 0.0), (1.0, 99.0), (0.0, 0.0)];
        let wide = vec![(-170.0, 0.0), (170.0, 0.0), (170.0, 1.0), (-170.0, 0.0)];
        for (ring, error) in [
            (bow, PolygonError::Crossing(0)),
            (open, PolygonError::Ring(0)),
            (far, PolygonError::Position(0)),
            (wide, PolygonError::TooWide),
            (vec![], PolygonError::Size),
            (vec![(0.0, 0.0); POLYGON_VERTICES_MAX + 1], PolygonError::Size),
        ] {
            assert_eq!(Polygon::new("f", &[ring], Datum::Wgs84), Err(error));
        }
    }

    #[test]
    fn gcj02_moves_beijing_by_half_a_kilometre_and_leaves_london() {
        // Tiananmen: WGS-84 39.90734, 116.39089 is shown at GCJ-02 39.90875, 116.39713.
        let [lon, lat] = gcj02_to_wgs84(116.397_13, 39.908_75);
        assert!(at(lat, lon).distance_km(at(39.907_34, 116.390_89)) < 0.02, "{lat} {lon}");
        assert_eq!(gcj02_to_wgs84(-0.1, 51.5), [-0.1, 51.5]);
    }

    proptest! {
        #[test]
        fn a_square_holds_what_its_bounds_hold(lat in -3.0..3.0f64, lon in -3.0..3.0f64) {
            let fence = Polygon::new("f", &[square(-1.0, -1.0, 2.0)], Datum::Wgs84).expect("sound");
            let inside = lat.abs() < 1.0 && lon.abs() < 1.0;
            prop_assert_eq!(fence.contains(at(lat, lon)), inside);
        }
    }
}
