//! Sets of regions: what a territory grants.
//!
//! A grant includes some prefixes and excludes others; the longest prefix that holds a place
//! decides, an exclusion winning a tie. Several grants together are a union of such parts, so the
//! exclusion of one never takes away what another gives. Fences (polygons) add to the prefixes.

use std::sync::Arc;

use super::{Divisions, GeoPoint, Polygon, RegionCode, RegionError};

/// How a set covers a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coverage {
    /// All of it.
    Inside,
    /// None of it.
    Outside,
    /// Some of it, or not known: at this level nothing can be said.
    Partial,
}

/// What a territory covers. The default covers nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionSet {
    parts: Vec<Part>,
    fences: Vec<Arc<Polygon>>,
    /// Divisions the fences touch.
    fenced: Vec<RegionCode>,
}

#[derive(Clone, Debug, PartialEq)]
struct Part {
    include: Vec<RegionCode>,
    exclude: Vec<RegionCode>,
}

impl RegionSet {
    /// One grant. Retired codes are replaced by those in force, and all parts of a region by the
    /// region, so that later questions need prefixes only.
    ///
    /// # Errors
    /// [`RegionError::Unknown`] for a code the table does not have.
    pub fn new(
        include: &[RegionCode],
        exclude: &[RegionCode],
        fences: Vec<Arc<Polygon>>,
        divisions: &Divisions,
    ) -> Result<Self, RegionError> {
        let known = |code: &RegionCode| match divisions.get(*code) {
            Some(_) => Ok(*code),
            None => Err(RegionError::Unknown(code.to_string())),
        };
        let resolve = |codes: &[RegionCode]| {
            let codes = codes.iter().map(known).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, RegionError>(codes.into_iter().flat_map(|c| divisions.current_all(c)).collect())
        };
        let exclude = compact(resolve(exclude)?, &[], divisions);
        let include = compact(resolve(include)?, &exclude, divisions);
        let fenced = fences.iter().flat_map(|f| touched(f, divisions)).collect();
        let parts = if include.is_empty() { vec![] } else { vec![Part { include, exclude }] };
        Ok(Self { parts, fences, fenced })
    }

    /// Everything any of the sets covers.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for set in sets {
            all.parts.extend(
                set.parts.iter().filter(|p| !all.parts.contains(p)).cloned().collect::<Vec<_>>(),
            );
            all.fences.extend(set.fences.iter().cloned());
            all.fenced.extend_from_slice(&set.fenced);
        }
        all
    }

    /// Whether nothing at all is covered.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.fences.is_empty()
    }

    /// The prefixes included, in order, of all parts.
    pub fn include(&self) -> impl Iterator<Item = RegionCode> {
        self.parts.iter().flat_map(|p| p.include.iter().copied())
    }

    /// The prefixes excluded, in order, of all parts.
    pub fn exclude(&self) -> impl Iterator<Item = RegionCode> {
        self.parts.iter().flat_map(|p| p.exclude.iter().copied())
    }

    /// The fences.
    pub fn fences(&self) -> &[Arc<Polygon>] {
        &self.fences
    }

    /// How the set covers a region in force (see [`Divisions::current`]). A fence inside the
    /// region makes `Outside` into `Partial`, never more.
    pub fn coverage(&self, region: RegionCode) -> Coverage {
        let by_prefix = self.coverage_by_prefix(region);
        let touches = |f: &RegionCode| region.contains(*f) || f.contains(region);
        if by_prefix == Coverage::Outside && self.fenced.iter().any(touches) {
            return Coverage::Partial;
        }
        by_prefix
    }

    /// The same, fences left out: for a point that was asked of the fences itself.
    pub fn coverage_by_prefix(&self, region: RegionCode) -> Coverage {
        let covers: Vec<Coverage> = self.parts.iter().map(|p| p.coverage(region)).collect();
        if covers.contains(&Coverage::Inside) {
            Coverage::Inside
        } else if covers.contains(&Coverage::Partial) {
            Coverage::Partial
        } else {
            Coverage::Outside
        }
    }

    /// How the fences cover a point known to `margin_km`: `Partial` when an edge is that near.
    pub fn coverage_by_fence(&self, point: GeoPoint, margin_km: f64) -> Coverage {
        let mut coverage = Coverage::Outside;
        for fence in &self.fences {
            if fence.edge_km(point) < margin_km {
                coverage = Coverage::Partial;
            } else if fence.contains(point) {
                return Coverage::Inside;
            }
        }
        coverage
    }

    /// About how far outside a point is, in kilometres, 0 when it is inside: half of what the
    /// nearest covered centre is farther than the nearest centre of all, or the distance to a
    /// fence if that is less. `None` when neither is within `within_km` of the point.
    pub fn boundary_km(
        &self,
        point: GeoPoint,
        within_km: f64,
        divisions: &Divisions,
    ) -> Option<f64> {
        let covered = divisions.nearest(point, within_km, |c| self.decides(c)).and_then(|own| {
            // A metre more, so that rounding does not lose the centre just found.
            let any = divisions.nearest(point, own.km + 0.001, |_| true)?;
            Some(((own.km - any.km) / 2.0).max(0.0))
        });
        let fence = |f: &Arc<Polygon>| if f.contains(point) { 0.0 } else { f.edge_km(point) };
        let fenced = self.fences.iter().map(fence).filter(|km| *km <= within_km);
        covered.into_iter().chain(fenced).reduce(f64::min)
    }

    /// Whether everything this set covers is covered by `outer`. A fence counts as inside only
    /// another fence that holds it whole: no table of borders says more.
    pub fn is_subset_of(&self, outer: &Self) -> bool {
        // Between two mentioned codes nothing changes, so it is enough to ask at each of them.
        let mut mentioned = self.mentioned().chain(outer.mentioned()).filter(|c| self.decides(*c));
        mentioned.all(|c| outer.decides(c))
            && self.fences.iter().all(|f| outer.fences.iter().any(|o| o.holds(f)))
    }

    /// Whether the longest prefix of some part holds `code` and includes it.
    fn decides(&self, code: RegionCode) -> bool {
        self.parts.iter().any(|p| p.decides(code))
    }

    fn mentioned(&self) -> impl Iterator<Item = RegionCode> {
        self.include().chain(self.exclude())
    }
}

impl Part {
    fn decides(&self, code: RegionCode) -> bool {
        let longest = |codes: &[RegionCode]| {
            codes.iter().filter(|c| c.contains(code)).map(RegionCode::level).max()
        };
        longest(&self.include).is_some_and(|i| longest(&self.exclude).is_none_or(|e| i > e))
    }

    fn coverage(&self, region: RegionCode) -> Coverage {
        let within = |codes: &[RegionCode], inside: bool| {
            codes.iter().any(|c| *c != region && region.contains(*c) && self.decides(*c) == inside)
        };
        match self.decides(region) {
            true if within(&self.exclude, false) => Coverage::Partial,
            true => Coverage::Inside,
            false if within(&self.include, true) => Coverage::Partial,
            false => Coverage::Outside,
        }
    }
}

/// Sorted, without repetition, and with a region in place of all its parts: `1101` becomes `11`.
/// A region named by `against` is not formed: the parts must go on winning over it.
fn compact(
    mut codes: Vec<RegionCode>,
    against: &[RegionCode],
    divisions: &Divisions,
) -> Vec<RegionCode> {
    codes.sort_unstable();
    codes.dedup();
    let mut parents: Vec<RegionCode> = codes.iter().filter_map(RegionCode::parent).collect();
    while let Some(parent) = parents.pop() {
        let mut children = divisions.children(parent).peekable();
        let whole = children.peek().is_some()
            && children.all(|child| codes.iter().any(|c| c.contains(child.code)));
        if whole && !codes.contains(&parent) && !against.iter().any(|a| a.contains(parent)) {
            codes.retain(|c| !parent.contains(*c));
            codes.push(parent);
            parents.extend(parent.parent());
        }
    }
    codes.sort_unstable();
    codes
}

/// The divisions a fence certainly or probably touches: those with their seat inside it, and the
/// nearest to each of its corners.
fn touched(fence: &Polygon, divisions: &Divisions) -> Vec<RegionCode> {
    let seats = divisions
        .iter()
        .filter(|r| r.successor.is_none() && r.centre.is_some_and(|c| fence.contains(c)))
        .map(|r| r.code);
    let corners =
        fence.vertices().filter_map(|v| divisions.nearest(v, 500.0, |_| true)).map(|n| n.region);
    let mut all: Vec<RegionCode> =
        seats.chain(corners).filter(|c| !c.is_division() || c.padded() == c.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Datum;
    use super::super::fixture::{code, divisions};
    use super::*;

    fn set(include: &[&str], exclude: &[&str]) -> RegionSet {
        let codes = |list: &[&str]| list.iter().map(|c| code(c)).collect::<Vec<_>>();
        RegionSet::new(&codes(include), &codes(exclude), vec![], &divisions()).expect("known codes")
    }

    #[test]
    fn the_longest_prefix_decides() {
        use Coverage::{Inside, Outside, Partial};
        for (include, exclude, region, expected) in [
            (&["53"][..], &[][..], "530102", Inside),
            (&["53"], &[], "53", Inside),
            (&["53"], &[], "CN", Partial),
            (&["53"], &[], "42", Outside),
            (&["53"], &[], "US", Outside),
            (&["53"], &["5301"], "53", Partial),
            (&["53"], &["5301"], "530102", Outside),
            (&["53"], &["5301"], "530302", Inside),
            (&["53", "530102"], &["5301"], "530102", Inside),
            (&["53", "530102"], &["5301"], "5301", Partial),
            (&["5301"], &["5301"], "5301", Outside),
            (&["CN"], &[], "53", Inside),
            (&["CN"], &[], "81", Outside),
            (&["CN"], &["11"], "CN", Partial),
            (&["81"], &[], "81", Inside),
            (&[], &[], "53", Outside),
        ] {
            let covered = set(include, exclude).coverage(code(region));
            assert_eq!(covered, expected, "{include:?} {exclude:?} {region}");
        }
    }

    #[test]
    fn brackets_and_retired_codes_match_by_county() {
        assert_eq!(set(&["1101"], &[]).coverage(code("11")), Coverage::Inside);
        assert_eq!(set(&["110101", "110108"], &[]).coverage(code("11")), Coverage::Inside);
        assert_eq!(set(&["110101"], &[]).coverage(code("11")), Coverage::Partial);
        assert_eq!(set(&["4190"], &[]).coverage(code("419001")), Coverage::Inside);
        assert_eq!(set(&["419001"], &[]).coverage(code("419001")), Coverage::Inside);
        let laiwu = set(&["371200"], &[]);
        assert_eq!(laiwu.coverage(code("370116")), Coverage::Inside);
        assert_eq!(laiwu.coverage(code("370102")), Coverage::Outside);
        assert_eq!(laiwu.coverage(code("3701")), Coverage::Partial);
    }

    #[test]
    fn a_union_keeps_what_any_part_gives() {
        let parts = [set(&["53"], &["5301"]), set(&["5301"], &[]), set(&["53"], &["5301"])];
        let union = RegionSet::union(&parts);
        assert_eq!(union.coverage(code("530102")), Coverage::Inside);
        assert_eq!(union.include().count(), 2);
        assert!(RegionSet::union([]).is_empty());
    }

    #[test]
    fn tier_two_lies_inside_tier_one() {
        for (inner, outer, expected) in [
            ((&["53"][..], &[][..]), (&["53"][..], &[][..]), true),
            ((&["5301"], &[]), (&["53"], &[]), true),
            ((&["53"], &[]), (&["5301"], &[]), false),
            ((&["42"], &[]), (&["53"], &[]), false),
            ((&["53"], &[]), (&["53"], &["5301"]), false),
            ((&["53"], &["5301"]), (&["53"], &["5301"]), true),
            ((&["53"], &["5301"]), (&["53"], &["530102"]), true),
            ((&["5303"], &[]), (&["53"], &["5301"]), true),
            ((&["53", "530102"], &["5301"]), (&["53"], &["5301"]), false),
            ((&["53"], &[]), (&["CN"], &[]), true),
            ((&["81"], &[]), (&["CN"], &[]), false),
            ((&["CN"], &[]), (&["53", "42"], &[]), false),
            ((&["1101"], &[]), (&["11"], &[]), true),
            ((&["11"], &[]), (&["1101"], &[]), true),
            ((&[], &[]), (&["53"], &[]), true),
        ] {
            let (a, b) = (set(inner.0, inner.1), set(outer.0, outer.1));
            assert_eq!(a.is_subset_of(&b), expected, "{inner:?} in {outer:?}");
        }
    }

    #[test]
    fn unknown_codes_are_refused() {
        let unknown = RegionSet::new(&[code("98")], &[], vec![], &divisions());
        assert_eq!(unknown, Err(RegionError::Unknown("98".to_owned())));
    }

    #[test]
    fn a_fence_makes_its_regions_uncertain_and_its_points_certain() {
        let table = divisions();
        let ring = [(102.6, 24.9), (102.8, 24.9), (102.8, 25.2), (102.6, 25.2), (102.6, 24.9)];
        let fence = Polygon::new("kunming", &[ring.to_vec()], Datum::Wgs84).expect("sound");
        let fenced =
            RegionSet::new(&[code("42")], &[], vec![Arc::new(fence)], &table).expect("known");
        assert_eq!(fenced.coverage(code("53")), Coverage::Partial);
        assert_eq!(fenced.coverage(code("530103")), Coverage::Partial);
        assert_eq!(fenced.coverage(code("52")), Coverage::Outside);
        let at = |lat, lon| GeoPoint::new(lat, lon).expect("a point in a test");
        assert_eq!(fenced.coverage_by_fence(at(25.0, 102.7), 1.0), Coverage::Inside);
        assert_eq!(fenced.coverage_by_fence(at(24.9, 102.7), 1.0), Coverage::Partial);
        assert_eq!(fenced.coverage_by_fence(at(26.0, 102.7), 1.0), Coverage::Outside);
        assert!(fenced.is_subset_of(&fenced));
        assert!(!fenced.is_subset_of(&set(&["CN"], &[])));
    }

    #[test]
    fn the_boundary_is_half_the_difference_of_distances() {
        let table = divisions();
        let qujing = table.centre_of(code("5303")).expect("has a seat");
        let km = set(&["5301"], &[]).boundary_km(qujing, 400.0, &table).expect("near");
        assert!((50.0..62.0).contains(&km), "{km}");
        assert_eq!(set(&["53"], &[]).boundary_km(qujing, 400.0, &table), Some(0.0));
        assert_eq!(set(&["31"], &[]).boundary_km(qujing, 400.0, &table), None);
    }

    proptest! {
        #[test]
        fn a_subset_never_covers_what_the_outer_does_not(
            picks in prop::collection::vec((0usize..24, 0u8..4), 1..8),
        ) {
            let table = divisions();
            let codes: Vec<RegionCode> =
                table.iter().filter(|r| r.successor.is_none()).map(|r| r.code).collect();
            let of = |kind: u8| picks.iter().filter(|p| p.1 == kind)
                .map(|p| codes[p.0]).collect::<Vec<_>>();
            let inner = RegionSet::new(&of(0), &of(1), vec![], &table).expect("known");
            let outer = RegionSet::new(&of(2), &of(3), vec![], &table).expect("known");
            if inner.is_subset_of(&outer) {
                for leaf in codes.iter().filter(|c| c.padded() == c.as_str()) {
                    prop_assert!(!inner.decides(*leaf) || outer.decides(*leaf), "{leaf}");
                }
            }
            prop_assert!(inner.is_subset_of(&inner));
        }
    }
}
