//! Fences an operator draws: a polygon with holes, kept in WGS-84.
//!
//! Chinese maps use GCJ-02, which is off by up to several hundred metres; the datum is said once,
//! when the fence is made, and corners are brought to WGS-84 there. Edges are straight in degrees,
//! as GeoJSON has them; a fence may not cross the 180th meridian.

use super::GeoPoint;
use super::point::EARTH_RADIUS_KM;

/// Most corners of one fence, over all its rings.
pub const POLYGON_VERTICES_MAX: usize = 10_000;

/// How near to a border counts as on it where fences are compared, in degrees: some ten
/// centimetres. RFC 7946 §11.2 has six decimals written, and a corner set on a slanting border of
/// another fence is off it by as much.
const SNAP_DEGREES: f64 = 1e-6;

/// Two corners that follow each other.
type Edge = ([f64; 2], [f64; 2]);

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
        self.has([point.lon(), point.lat()])
    }

    fn has(&self, at: [f64; 2]) -> bool {
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

    /// Whether `inner` lies whole in this fence, borders included: a fence lies in itself, and so
    /// does each part of one that was divided.
    pub fn holds(&self, inner: &Self) -> bool {
        if self.rings == inner.rings {
            return true;
        }
        let reaches = |axis: usize| {
            self.min[axis] - SNAP_DEGREES <= inner.min[axis]
                && inner.max[axis] <= self.max[axis] + SNAP_DEGREES
        };
        let takes = |at: [f64; 2]| self.has(at) || self.is_on_border(at);
        // Where no border of this fence runs through the inside of the other, that lies all in or
        // all out, so its corners and a few points well inside it tell which.
        (0..2).all(reaches)
            && inner.rings.iter().flatten().all(|corner| takes(*corner))
            && inner.points_inside().into_iter().all(takes)
            && !self.edges().any(|edge| inner.is_entered_by(edge))
    }

    /// Whether a point lies on an edge, as near as corners are written.
    fn is_on_border(&self, at: [f64; 2]) -> bool {
        let near = |(a, b): Edge| {
            let (a, b) = (minus(a, at), minus(b, at));
            let apart = (0..2).any(|axis| {
                a[axis].min(b[axis]) > SNAP_DEGREES || a[axis].max(b[axis]) < -SNAP_DEGREES
            });
            !apart && origin_to_segment_squared(a, b) <= SNAP_DEGREES * SNAP_DEGREES
        };
        self.edges().any(near)
    }

    /// Points inside and far from corners: for each ring, half-way up the highest step between two
    /// of its corners, the middle of each stretch that lies inside.
    fn points_inside(&self) -> Vec<[f64; 2]> {
        let mut points = Vec::new();
        for ring in &self.rings {
            let mut heights: Vec<f64> = ring.iter().map(|corner| corner[1]).collect();
            heights.sort_unstable_by(f64::total_cmp);
            let steps = heights.windows(2).map(|step| (step[1] - step[0], step[0]));
            let Some((step, from)) = steps.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            let height = from + step / 2.0;
            let met = self.edges().filter(|(a, b)| (a[1] > height) != (b[1] > height));
            let mut met: Vec<f64> = met.map(|(a, b)| meets_height(height, a, b)).collect();
            met.sort_unstable_by(f64::total_cmp);
            let stretches = met.as_chunks::<2>().0.iter();
            points.extend(stretches.map(|[west, east]| [f64::midpoint(*west, *east), height]));
        }
        points
    }

    /// Whether an edge of another fence runs through the inside of this one, and not along its
    /// border. Between two places where it meets the border an edge is all in or all out.
    fn is_entered_by(&self, edge: Edge) -> bool {
        let (a, b) = edge;
        let misses = |axis: usize| {
            a[axis].max(b[axis]) <= self.min[axis] || self.max[axis] <= a[axis].min(b[axis])
        };
        if (0..2).any(misses) {
            return false;
        }
        let mut cuts = vec![0.0, 1.0];
        let near = self.edges().filter(|own| !are_apart(edge, *own));
        cuts.extend(near.flat_map(|own| meetings(edge, own)).flatten());
        cuts.sort_unstable_by(f64::total_cmp);
        let length = f64::hypot(b[0] - a[0], b[1] - a[1]);
        let long = |piece: &&[f64]| (piece[1] - piece[0]) * length > SNAP_DEGREES;
        cuts.windows(2).filter(long).any(|piece| {
            let along = f64::midpoint(piece[0], piece[1]);
            let at = [a[0] + along * (b[0] - a[0]), a[1] + along * (b[1] - a[1])];
            self.has(at) && !self.is_on_border(at)
        })
    }

    /// Its corners.
    pub fn vertices(&self) -> impl Iterator<Item = GeoPoint> {
        self.rings.iter().flatten().filter_map(|c| GeoPoint::new(c[1], c[0]))
    }

    fn edges(&self) -> impl Iterator<Item = Edge> {
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
    if crosses_itself(&corners) { Err(PolygonError::Crossing(at)) } else { Ok(corners) }
}

/// Whether two edges of a ring cross. From south to north each edge is compared only with those
/// that begin before it ends: a few of them, in a ring that is no comb.
fn crosses_itself(corners: &[[f64; 2]]) -> bool {
    fn south((a, b): &Edge) -> f64 {
        a[1].min(b[1])
    }
    let mut edges: Vec<Edge> = corners.windows(2).map(|pair| (pair[0], pair[1])).collect();
    edges.sort_unstable_by(|one, other| south(one).total_cmp(&south(other)));
    edges.iter().enumerate().any(|(at, edge)| {
        let north = edge.0[1].max(edge.1[1]);
        let beside = edges[at + 1..].iter().take_while(|other| south(other) <= north);
        beside.copied().any(|other| segments_cross(*edge, other))
    })
}

/// Whether a ray from `at` to the east meets the edge; the lower end of an edge counts, the upper
/// does not, so a corner is met once.
fn crosses_ray(at: [f64; 2], a: [f64; 2], b: [f64; 2]) -> bool {
    (a[1] > at[1]) != (b[1] > at[1]) && at[0] < meets_height(at[1], a, b)
}

/// How far east the line of an edge, which is not level, meets a height.
fn meets_height(height: f64, a: [f64; 2], b: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (height - a[1]) / (b[1] - a[1]) + a[0]
}

fn minus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

/// Whether two edges lie farther apart than what counts as touching.
fn are_apart((a, b): Edge, (c, d): Edge) -> bool {
    let beyond = |near: f64, far: f64| near + 2.0 * SNAP_DEGREES < far;
    (0..2).any(|axis| {
        beyond(a[axis].max(b[axis]), c[axis].min(d[axis]))
            || beyond(c[axis].max(d[axis]), a[axis].min(b[axis]))
    })
}

/// Where along the first edge, from 0 to 1, the second crosses it, and where that begins beside it.
fn meetings((a, b): Edge, (c, d): Edge) -> [Option<f64>; 2] {
    let whole = |share: &f64| (0.0..=1.0).contains(share);
    let cross = |p: [f64; 2], q: [f64; 2]| p[0] * q[1] - p[1] * q[0];
    let (along, other, between) = (minus(b, a), minus(d, c), minus(c, a));
    // Of lines that run alike neither share is a number, and of a point that is an edge neither.
    let shares = (cross(between, other), cross(between, along));
    let spread = cross(along, other);
    let crossing = Some(shares.0 / spread).filter(whole).filter(|_| whole(&(shares.1 / spread)));
    let length = along[0] * along[0] + along[1] * along[1];
    let foot = (between[0] * along[0] + between[1] * along[1]) / length;
    let apart = origin_to_segment_squared(minus(a, c), minus(b, c)).sqrt();
    [crossing, Some(foot).filter(whole).filter(|_| apart <= 2.0 * SNAP_DEGREES)]
}

fn origin_to_segment_squared(a: [f64; 2], b: [f64; 2]) -> f64 {
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let t = if length > 0.0 { -(a[0] * along[0] + a[1] * along[1]) / length } else { 0.0 };
    let t = t.clamp(0.0, 1.0);
    (a[0] + t * along[0]).powi(2) + (a[1] + t * along[1]).powi(2)
}

/// Whether two segments cross at a point inside both.
fn segments_cross((a, b): Edge, (c, d): Edge) -> bool {
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

    fn fence(rings: &[&[(f64, f64)]]) -> Polygon {
        let rings: Vec<_> = rings.iter().map(|ring| ring.to_vec()).collect();
        Polygon::new("f", &rings, Datum::Wgs84).expect("sound")
    }

    fn block(west: f64, south: f64, east: f64, north: f64) -> Polygon {
        let corners = [(west, south), (east, south), (east, north), (west, north), (west, south)];
        fence(&[&corners])
    }

    #[test]
    fn what_touches_the_border_from_inside_is_held() {
        let whole = block(100.0, 20.0, 110.0, 30.0);
        for (west, south, east, north) in [
            (105.0, 25.0, 110.0, 30.0),
            (100.0, 20.0, 105.0, 25.0),
            (100.0, 25.0, 105.0, 30.0),
            (105.0, 20.0, 110.0, 25.0),
            (100.0, 24.0, 110.0, 25.0),
            (103.0, 20.0, 104.0, 30.0),
        ] {
            let part = block(west, south, east, north);
            assert!(whole.holds(&part) && !part.holds(&whole), "{west} {south} {east} {north}");
            for (x, y) in [(1e-4, 0.0), (0.0, 1e-4), (-1e-4, 0.0), (0.0, -1e-4)] {
                let (west, south, east, north) = (west + x, south + y, east + x, north + y);
                let out = west < 100.0 || south < 20.0 || east > 110.0 || north > 30.0;
                let moved = block(west, south, east, north);
                assert_eq!(whole.holds(&moved), !out, "{west} {south} {east} {north}");
            }
        }
    }

    #[test]
    fn what_lies_between_the_arms_of_a_fence_or_in_its_hole_is_not_held() {
        let arms = fence(&[&[
            (0.0, 0.0),
            (3.0, 0.0),
            (3.0, 3.0),
            (2.8, 3.0),
            (2.8, 1.0),
            (2.2, 1.0),
            (2.2, 3.0),
            (0.0, 3.0),
            (0.0, 0.0),
        ]]);
        assert!(arms.holds(&block(2.8, 0.0, 3.0, 3.0)), "an arm");
        assert!(arms.holds(&block(0.0, 0.0, 3.0, 1.0)), "below both");
        assert!(!arms.holds(&block(2.2, 1.0, 2.8, 3.0)), "what is between them");
        assert!(!arms.holds(&block(0.0, 0.0, 3.0, 3.0)), "both, and what is between them");
        assert!(!arms.holds(&block(2.0, 2.0, 3.0, 3.0)), "from one to the other");
        let hole = square(104.0, 24.0, 2.0);
        let holed = fence(&[&square(100.0, 20.0, 10.0), &hole]);
        assert!(!holed.holds(&fence(&[&hole])), "the hole");
        assert!(holed.holds(&fence(&[&square(103.0, 23.0, 4.0), &hole])), "what is around it");
        assert!(holed.holds(&block(100.0, 20.0, 104.0, 30.0)), "what is beside it");
        assert!(!holed.holds(&block(100.0, 20.0, 110.0, 30.0)));
        assert!(fence(&[&square(100.0, 20.0, 10.0)]).holds(&holed));
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
        fn the_parts_of_a_block_lie_in_it(
            (west, south) in (-170.0..170.0_f64, -80.0..80.0_f64),
            (wide, high) in (0.001..5.0_f64, 0.001..5.0_f64),
            (x, y) in (0.1..0.9_f64, 0.1..0.9_f64),
        ) {
            let (east, north) = (west + wide, south + high);
            let (x, y) = (west + wide * x, south + high * y);
            let whole = block(west, south, east, north);
            for part in [
                block(west, south, x, y),
                block(x, south, east, y),
                block(west, y, x, north),
                block(x, y, east, north),
            ] {
                prop_assert!(whole.holds(&part) && !part.holds(&whole));
            }
            // The same block, begun elsewhere, the other way round, and with more corners.
            let same = fence(&[&[
                (east, north), (east, y), (east, south), (x, south), (west, south),
                (west, north), (x, north), (east, north),
            ]]);
            prop_assert!(whole.holds(&whole) && whole.holds(&same) && same.holds(&whole));
        }

        #[test]
        fn a_corner_written_to_six_decimals_lies_on_a_slanting_border(
            (x, y) in (-170.0..170.0_f64, -80.0..80.0_f64),
            (wide, up, down) in (0.01..5.0_f64, 0.01..4.0_f64, 0.01..4.0_f64),
            share in 0.1..0.9_f64,
        ) {
            let written = |degrees: f64| (degrees * 1e6).round() / 1e6;
            let (a, b, c) = ((x, y), (x + wide, y + up), (x + wide / 3.0, y - down));
            let on = (written(x + share * wide), written(y + share * up));
            let whole = fence(&[&[a, b, c, a]]);
            prop_assert!(whole.holds(&fence(&[&[a, on, c, a]])));
            prop_assert!(whole.holds(&fence(&[&[on, b, c, on]])));
            let length = f64::hypot(wide, up);
            let out = (on.0 - 1e-4 * up / length, on.1 + 1e-4 * wide / length);
            prop_assert!(!whole.holds(&fence(&[&[a, out, c, a]])));
        }

        #[test]
        fn crossings_are_found_wherever_they_are(
            corners in prop::collection::vec((0..12_i32, 0..12_i32), 3..12),
        ) {
            let mut ring: Vec<_> =
                corners.iter().map(|(x, y)| [f64::from(*x), f64::from(*y)]).collect();
            ring.push(ring[0]);
            let edges: Vec<Edge> = ring.windows(2).map(|pair| (pair[0], pair[1])).collect();
            let each = edges.iter().any(|a| edges.iter().any(|b| segments_cross(*a, *b)));
            prop_assert_eq!(crosses_itself(&ring), each);
        }

        #[test]
        fn a_square_holds_what_its_bounds_hold(lat in -3.0..3.0f64, lon in -3.0..3.0f64) {
            let fence = Polygon::new("f", &[square(-1.0, -1.0, 2.0)], Datum::Wgs84).expect("sound");
            let inside = lat.abs() < 1.0 && lon.abs() < 1.0;
            prop_assert_eq!(fence.contains(at(lat, lon)), inside);
        }
    }
}
