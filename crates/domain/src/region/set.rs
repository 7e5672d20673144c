//! Sets of regions: what a territory grants.
//!
//! A grant includes some prefixes and excludes others; the longest prefix that holds a place
//! decides, an exclusion winning a tie. Several grants together are a union of such parts, so the
//! exclusion of one never takes away what another gives, and what names all parts of a region names
//! the region, in however many grants. Fences (polygons) add to the prefixes.

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
    /// Every code of the parts, in order.
    named: Vec<RegionCode>,
    /// What is directly inside each region that holds a named one, by region: whether the named
    /// ones take up a region whole is asked of sets put together, far from the table.
    families: Vec<(RegionCode, Arc<[RegionCode]>)>,
    fences: Vec<Arc<Polygon>>,
    /// Divisions the fences touch.
    fenced: Vec<RegionCode>,
}

/// Both in order.
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
        let named: Vec<_> = parts.iter().flat_map(Part::named).collect();
        let around = named.iter().flat_map(|code| wider(*code));
        let family = |code: RegionCode| Some((code, Arc::clone(divisions.family(code)?)));
        let families = around.filter_map(family).collect();
        Ok(Self { parts, named, families, fences, fenced }.in_order())
    }

    /// Everything any of the sets covers: the same as one set of all their codes, where none of
    /// them excludes any.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        let mut plain = Vec::new();
        for set in sets {
            for part in &set.parts {
                if part.exclude.is_empty() {
                    plain.extend_from_slice(&part.include);
                } else if !all.parts.contains(part) {
                    all.parts.push(part.clone());
                }
            }
            all.named.extend_from_slice(&set.named);
            all.families.extend_from_slice(&set.families);
            all.fences.extend(set.fences.iter().cloned());
            all.fenced.extend_from_slice(&set.fenced);
        }
        if !plain.is_empty() {
            plain.sort_unstable();
            plain.dedup();
            all.parts.push(Part { include: plain, exclude: vec![] });
        }
        all.in_order()
    }

    fn in_order(mut self) -> Self {
        self.named.sort_unstable();
        self.named.dedup();
        self.families.sort_unstable_by_key(|(code, _)| *code);
        self.families.dedup_by_key(|(code, _)| *code);
        self
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
        // Between two named codes nothing changes, so it is enough to ask at the region and at each
        // named one inside it, for what of them no finer one names.
        let inside = self.named.iter().copied().filter(|c| *c != region && region.contains(*c));
        let (mut some, mut all) = (false, true);
        for code in std::iter::once(region).chain(inside).filter(|c| !self.is_used_up(*c)) {
            let covered = self.decides(code);
            some |= covered;
            all &= covered;
        }
        match (some, all) {
            (true, true) => Coverage::Inside,
            (true, false) => Coverage::Partial,
            (false, _) => Coverage::Outside,
        }
    }

    /// How the fences cover a point known to `margin_km`: `Inside` when any holds it for certain,
    /// `Partial` when an edge is that near.
    pub fn coverage_by_fence(&self, point: GeoPoint, margin_km: f64) -> Coverage {
        let mut coverage = Coverage::Outside;
        for fence in &self.fences {
            match covers(fence, point, margin_km) {
                Coverage::Inside => return Coverage::Inside,
                Coverage::Partial => coverage = Coverage::Partial,
                Coverage::Outside => {}
            }
        }
        coverage
    }

    /// The fences that hold a point known to `margin_km` for certain, by their places among
    /// [`Self::fences`], in order.
    pub fn fences_around(&self, point: GeoPoint, margin_km: f64) -> impl Iterator<Item = usize> {
        let around = move |fence: &Polygon| covers(fence, point, margin_km) == Coverage::Inside;
        let fences = self.fences.iter().enumerate();
        fences.filter(move |(_, fence)| around(fence)).map(|(place, _)| place)
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
        // Between two named codes nothing changes, so it is enough to ask at each of them, for what
        // of it no finer one names.
        let both = Self::union([self, outer]);
        let own = both.named.iter().filter(|c| self.decides(**c) && !both.is_used_up(**c));
        own.copied().all(|c| outer.decides(c))
            && self.fences.iter().all(|f| outer.fences.iter().any(|o| o.holds(f)))
    }

    /// Whether the longest prefix of some part holds `code` and includes it.
    fn decides(&self, code: RegionCode) -> bool {
        self.parts.iter().any(|p| p.decides(code))
    }

    /// Whether named codes inside a region take up all of it, so that nothing is left of which the
    /// region itself decides.
    fn is_used_up(&self, region: RegionCode) -> bool {
        let at = self.families.binary_search_by_key(&region, |(code, _)| *code);
        let Ok((_, family)) = at.map(|at| &self.families[at]) else { return false };
        family.iter().all(|child| {
            let mut within = child.upward().take_while(|c| *c != region);
            within.any(|c| self.named.binary_search(&c).is_ok()) || self.is_used_up(*child)
        })
    }
}

impl Part {
    fn decides(&self, code: RegionCode) -> bool {
        let longest = |codes: &[RegionCode]| {
            code.upward().find(|c| codes.binary_search(c).is_ok()).map(|c| c.level())
        };
        longest(&self.include).is_some_and(|i| longest(&self.exclude).is_none_or(|e| i > e))
    }

    fn named(&self) -> impl Iterator<Item = RegionCode> {
        self.include.iter().chain(&self.exclude).copied()
    }
}

/// How a fence covers a point known to `margin_km`. Nearer than that to its edge, or where the
/// margin is no number, nobody can say on which side of it the point is.
fn covers(fence: &Polygon, point: GeoPoint, margin_km: f64) -> Coverage {
    if fence.edge_km(point) >= margin_km {
        if fence.contains(point) { Coverage::Inside } else { Coverage::Outside }
    } else {
        Coverage::Partial
    }
}

/// What a code lies in: the wider real regions, and the bracket between.
fn wider(code: RegionCode) -> impl Iterator<Item = RegionCode> {
    std::iter::successors(code.parent(), RegionCode::parent).chain(code.bracket())
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
    parents.sort_unstable();
    parents.dedup();
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
        assert_eq!(union.coverage(code("53")), Coverage::Inside, "what one leaves out two gives");
        assert_eq!(union.include().count(), 2);
        assert!(RegionSet::union([]).is_empty());
    }

    #[test]
    fn what_names_all_parts_of_a_region_names_it_in_however_many_sets() {
        let rows = [set(&["5301"], &[]), set(&["530302"], &[])];
        let both = RegionSet::union(&rows);
        for region in ["53", "5301", "5303", "530103"] {
            assert_eq!(both.coverage(code(region)), Coverage::Inside, "{region}");
        }
        assert_eq!(both.coverage(code("CN")), Coverage::Partial);
        assert!(set(&["53"], &[]).is_subset_of(&both));
        assert!(!set(&["53", "42"], &[]).is_subset_of(&both));
        assert!(!set(&["53"], &[]).is_subset_of(&rows[0]));
        // Counties that answer to the province stand in a bracket, which names all of them.
        let brackets = [set(&["4190"], &[]), set(&["1101"], &[])];
        let both = RegionSet::union(&brackets);
        assert_eq!(both.coverage(code("41")), Coverage::Inside);
        assert!(set(&["419001", "110101", "110108"], &[]).is_subset_of(&both));
        // What every row leaves out stays out.
        let less = [set(&["53"], &["5301", "5303"]), set(&["42"], &[])];
        assert_eq!(RegionSet::union(&less).coverage(code("53")), Coverage::Outside);
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
    fn a_fence_is_around_a_point_exactly_where_it_covers_it() {
        let square = |west: f64| {
            let ring =
                [(west, 24.9), (west + 0.2, 24.9), (west + 0.2, 25.2), (west, 25.2), (west, 24.9)];
            Arc::new(Polygon::new("depot", &[ring.to_vec()], Datum::Wgs84).expect("sound"))
        };
        let fences = vec![square(110.0), square(102.6), square(102.5)];
        let fenced = RegionSet::new(&[], &[], fences, &divisions()).expect("sound");
        for (lat, lon, margin_km, expected, coverage) in [
            (25.0, 102.66, 1.0, &[1_usize, 2][..], Coverage::Inside),
            // In one for certain, on the edge of another.
            (25.0, 102.705, 1.0, &[1], Coverage::Inside),
            (25.0, 102.75, 1.0, &[1], Coverage::Inside),
            (25.0, 102.75, 30.0, &[], Coverage::Partial),
            (24.9, 102.75, 1.0, &[], Coverage::Partial),
            (26.0, 102.75, 1.0, &[], Coverage::Outside),
            (25.0, 102.66, f64::NAN, &[], Coverage::Partial),
        ] {
            let point = GeoPoint::new(lat, lon).expect("a point in a test");
            let around: Vec<usize> = fenced.fences_around(point, margin_km).collect();
            assert_eq!(around, expected, "{lat} {lon} {margin_km}");
            let covered = fenced.coverage_by_fence(point, margin_km);
            assert_eq!(covered, coverage, "{lat} {lon} {margin_km}");
        }
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

    /// Codes in force; with them those that hold no other, of which every region is made.
    fn in_force(table: &Divisions) -> (Vec<RegionCode>, Vec<RegionCode>) {
        let codes: Vec<RegionCode> =
            table.iter().filter(|r| r.successor.is_none()).map(|r| r.code).collect();
        let leaf = |c: &RegionCode| !c.is_pseudo_city() && table.children(*c).next().is_none();
        let leaves = codes.iter().copied().filter(leaf).collect();
        (codes, leaves)
    }

    /// Sets of what was picked: (which code, of which set, whether it is left out).
    fn sets_of(picks: &[(usize, usize, bool)], table: &Divisions) -> Vec<RegionSet> {
        let (codes, _) = in_force(table);
        let of = |set: usize, out: bool| {
            let ours = picks.iter().filter(|p| (p.1, p.2) == (set, out));
            ours.map(|p| codes[p.0 % codes.len()]).collect::<Vec<_>>()
        };
        let new = |set| RegionSet::new(&of(set, false), &of(set, true), vec![], table);
        (0..4).map(|set| new(set).expect("known")).collect()
    }

    proptest! {
        #[test]
        fn a_union_is_the_set_of_all_codes(
            picks in prop::collection::vec((0usize..64, 0usize..4), 1..16),
            others in prop::collection::vec((0usize..64, 0usize..4, any::<bool>()), 0..6),
        ) {
            let table = divisions();
            let kept: Vec<_> = picks.iter().map(|p| (p.0, p.1, false)).collect();
            let together: Vec<_> = picks.iter().map(|p| (p.0, 0, false)).collect();
            let union = RegionSet::union(&sets_of(&kept, &table));
            let one = &sets_of(&together, &table)[0];
            for region in in_force(&table).0 {
                prop_assert_eq!(union.coverage(region), one.coverage(region), "{}", region);
            }
            prop_assert!(union.is_subset_of(one) && one.is_subset_of(&union));
            let other = RegionSet::union(&sets_of(&others, &table));
            prop_assert_eq!(union.is_subset_of(&other), one.is_subset_of(&other));
            prop_assert_eq!(other.is_subset_of(&union), other.is_subset_of(one));
        }

        #[test]
        fn sets_say_of_a_region_what_they_say_of_its_smallest_parts(
            picks in prop::collection::vec((0usize..64, 0usize..4, any::<bool>()), 1..16),
            others in prop::collection::vec((0usize..64, 0usize..4, any::<bool>()), 1..16),
        ) {
            let table = divisions();
            let (codes, leaves) = in_force(&table);
            let (sets, others) = (sets_of(&picks, &table), sets_of(&others, &table));
            let covers = |sets: &[RegionSet], leaf| sets.iter().any(|set| set.decides(leaf));
            let (union, other) = (RegionSet::union(&sets), RegionSet::union(&others));
            for region in codes {
                let inside: Vec<_> =
                    leaves.iter().copied().filter(|leaf| region.contains(*leaf)).collect();
                let count = inside.iter().filter(|leaf| covers(&sets, **leaf)).count();
                let expected = match count {
                    0 => Coverage::Outside,
                    some if some < inside.len() => Coverage::Partial,
                    _ => Coverage::Inside,
                };
                prop_assert_eq!(union.coverage(region), expected, "{}", region);
            }
            let within =
                leaves.iter().all(|leaf| !covers(&sets, *leaf) || covers(&others, *leaf));
            prop_assert_eq!(union.is_subset_of(&other), within);
            prop_assert!(union.is_subset_of(&union));
        }
    }
}
