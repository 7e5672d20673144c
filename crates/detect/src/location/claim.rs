//! From an observation to a claim: "in this region, wrong with chance e".

use domain::region::{Coverage, Divisions, GeoPoint, Level, RegionCode, RegionSet};

use super::observed::{Access, Gps, IpReading, Network, SourceReading};
use super::{Model, Nature, Reason};

/// What every claim is weighed with.
#[derive(Clone, Copy)]
pub(super) struct Scale<'a> {
    /// The territory; without one nothing is inside or outside.
    pub set: Option<&'a RegionSet>,
    pub model: &'a Model,
    pub divisions: &'a Divisions,
}

impl Scale<'_> {
    /// A claim of a region, compared with the territory at the level of its code.
    pub fn claim(self, region: RegionCode, e: f64) -> Claim {
        let region = self.divisions.current(region);
        let coverage = self.set.map_or(Coverage::Partial, |s| s.coverage(region));
        let nature = self.set.map_or(Nature::CrossRegion, |s| nature(region, s));
        let level = region.level();
        Claim { region, level, e, coverage, softening: 1.0, nature, notes: vec![] }
    }
}

/// A region, how it is known, and what the territory says to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    pub region: RegionCode,
    pub level: Level,
    pub e: f64,
    /// What the territory covers of the region.
    pub coverage: Coverage,
    /// Factor 0…1 on an "outside": how far the border is, in units of the uncertainty.
    pub softening: f64,
    pub nature: Nature,
    pub notes: Vec<Reason>,
}

impl Claim {
    /// Inside, outside, or nothing at this level.
    pub fn inside(&self) -> Option<bool> {
        match self.coverage {
            Coverage::Inside => Some(true),
            Coverage::Outside => Some(false),
            Coverage::Partial => None,
        }
    }
}

/// Cross-border when the territory has no part of the country the region is in.
fn nature(region: RegionCode, set: &RegionSet) -> Nature {
    match set.coverage(region.country()) {
        Coverage::Outside => Nature::CrossBorder,
        Coverage::Inside | Coverage::Partial => Nature::CrossRegion,
    }
}

/// The claim of an address, or why it makes none.
pub(super) fn of_address(
    ip: &IpReading,
    access: Option<Access>,
    scale: Scale<'_>,
) -> Result<Claim, Reason> {
    let model = scale.model;
    if ip.reserved {
        return Err(Reason::AddressReserved);
    }
    let class = ip.class(access);
    let (class_e, radius_km) = match class {
        Network::Hosting => return Err(Reason::AddressHosting),
        Network::Mobile => (model.ip_mobile_e, model.ip_mobile_radius_km),
        Network::Fixed => (model.ip_agreed_e, model.ip_fixed_radius_km),
        Network::Unknown => (model.ip_class_unknown_e, model.ip_class_unknown_radius_km),
    };
    let mut claim = match (ip.operator, ip.china, ip.world) {
        (Some(own), _, _) => {
            let region = own.region.ok_or(Reason::AddressUnknown)?;
            placed(own, scale.claim(region, class_e), radius_km, scale)
        }
        (None, None, None) => return Err(Reason::AddressUnknown),
        (None, Some(one), Some(two)) => of_two(one, two, class_e, radius_km, scale)?,
        (None, Some(only), None) | (None, None, Some(only)) => {
            let region = only.region.ok_or(Reason::AddressUnknown)?;
            let domestic = region.country() == RegionCode::MAINLAND;
            let e =
                if domestic { class_e.max(model.ip_class_unknown_e) } else { model.ip_disagree_e };
            placed(only, scale.claim(region, e), radius_km, scale)
        }
    };
    if class == Network::Mobile && claim.region.country() == RegionCode::MAINLAND {
        claim.notes.push(Reason::AddressMobile);
    }
    Ok(claim)
}

/// Two databases. Agreement on a foreign country is as good as a fixed line; at home the class of
/// the network counts. Where they disagree, they speak only if the territory treats both alike.
fn of_two(
    china: SourceReading,
    world: SourceReading,
    class_e: f64,
    radius_km: f64,
    scale: Scale<'_>,
) -> Result<Claim, Reason> {
    let (Some(one), Some(two)) = (china.region, world.region) else {
        // A name the tables do not know: the other database alone, as if they disagreed.
        let region = china.region.or(world.region).ok_or(Reason::AddressUnknown)?;
        let mut claim = scale.claim(region.country(), scale.model.ip_disagree_e);
        claim.notes.push(Reason::DatabasesDisagree);
        return Ok(claim);
    };
    let current = |code| scale.divisions.current(code);
    let (one, two) = (current(one), current(two));
    if one.contains(two) || two.contains(one) {
        let (finer, reading) = if one.level() >= two.level() { (one, china) } else { (two, world) };
        let domestic = one.country() == RegionCode::MAINLAND;
        let e = if domestic { class_e } else { scale.model.ip_agreed_e };
        return Ok(placed(reading, scale.claim(finer, e), radius_km, scale));
    }
    let mut claim = scale.claim(one, scale.model.ip_disagree_e);
    let other = scale.claim(two, scale.model.ip_disagree_e);
    if claim.coverage != other.coverage {
        claim.coverage = Coverage::Partial;
    }
    if one.country() != two.country() {
        // Not even the country is known, so a border is crossed only if both say so.
        claim.level = Level::None;
        if other.nature == Nature::CrossRegion {
            claim.nature = Nature::CrossRegion;
        }
    } else {
        claim = placed(china, claim, radius_km, scale);
        claim.region = one.country();
        claim.level = Level::Country;
    }
    claim.notes.push(Reason::DatabasesDisagree);
    Ok(claim)
}

/// Softens the "outside" of an address on the mainland near the border of the territory. The point
/// is the seat of the city named, else of the province; abroad there is no point to speak of.
fn placed(reading: SourceReading, mut claim: Claim, radius_km: f64, scale: Scale<'_>) -> Claim {
    let domestic =
        claim.region.province().is_some() && claim.region.country() == RegionCode::MAINLAND;
    let seat = reading.city.filter(|c| claim.region.contains(*c)).unwrap_or(claim.region);
    if let (true, Some(point)) = (domestic, scale.divisions.centre_of(seat)) {
        soften(&mut claim, point, radius_km, scale);
    }
    claim
}

/// Multiplies an "outside" by min(1, d / 2r), d being about the distance to the territory.
fn soften(claim: &mut Claim, point: GeoPoint, radius_km: f64, scale: Scale<'_>) {
    let Some(set) = scale.set.filter(|_| claim.coverage == Coverage::Outside && radius_km > 0.0)
    else {
        return;
    };
    // d = (covered − nearest) / 2, and the nearest centre is hardly ever 300 km away: beyond this
    // the factor is 1 and the search can stop.
    let within_km = 4.0 * radius_km + 300.0;
    if let Some(km) = set.boundary_km(point, within_km, scale.divisions) {
        claim.softening = (km / (2.0 * radius_km)).clamp(0.0, 1.0);
        if claim.softening < 1.0 {
            claim.notes.push(Reason::NearBorder);
        }
    }
}

/// The claim of a position, or why it makes none.
pub(super) fn of_position(gps: &Gps, scale: Scale<'_>) -> Result<Claim, Reason> {
    let point = GeoPoint::new(gps.lat, gps.lon).ok_or(Reason::PositionInvalid)?;
    if !gps.radius_m.is_finite() || gps.radius_m < 0.0 {
        return Err(Reason::PositionInvalid);
    }
    let radius_km = gps.radius_m / 1000.0;
    let located = scale.divisions.locate(point, gps.radius_m);
    let margin_km = margin_km(gps, scale.model);
    let fence = scale.set.map_or(Coverage::Outside, |s| s.coverage_by_fence(point, margin_km));
    // A fence needs no region: it may lie on a border where no region can be told.
    let nearest = || scale.divisions.nearest(point, 500.0, |_| true).map(|n| n.region.country());
    let region = located.region.or_else(|| nearest().filter(|_| fence == Coverage::Inside));
    let mut claim = scale.claim(region.ok_or(Reason::PositionAmbiguous)?, scale.model.gps_e);
    claim.level = located.level;
    if let Some(set) = scale.set {
        claim.coverage = match (set.coverage_by_prefix(claim.region), fence) {
            (Coverage::Inside, _) | (_, Coverage::Inside) => Coverage::Inside,
            (_, Coverage::Partial) => Coverage::Partial,
            (other, Coverage::Outside) => other,
        };
        soften(&mut claim, point, radius_km, scale);
    }
    if claim.coverage == Coverage::Partial {
        claim.notes.push(Reason::PositionAmbiguous);
    }
    Ok(claim)
}

/// Nearer than this to the edge of a fence, nobody can say on which side of it a position is.
fn margin_km(gps: &Gps, model: &Model) -> f64 {
    gps.radius_m / 1000.0 + model.fence_margin_km
}

/// The fences of a grant that a position lies in for certain, by their places in it: any of them
/// makes the position inside, whatever the regions of the grant say.
pub fn fences_around(gps: &Gps, granted: &RegionSet, model: &Model) -> Vec<usize> {
    let point = GeoPoint::new(gps.lat, gps.lon);
    let around = point.map(|point| granted.fences_around(point, margin_km(gps, model)));
    around.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::region::{Datum, Polygon};
    use std::sync::Arc;

    #[test]
    fn fences_are_told_by_their_places_where_the_position_lies_in_them_for_certain() {
        let square = |west: f64| {
            let ring =
                [(west, 24.9), (west + 0.2, 24.9), (west + 0.2, 25.2), (west, 25.2), (west, 24.9)];
            Arc::new(Polygon::new("depot", &[ring.to_vec()], Datum::Wgs84).expect("sound"))
        };
        let fences = vec![square(110.0), square(102.6), square(102.5)];
        let granted = RegionSet::new(&[], &[], fences, &Divisions::default()).expect("sound");
        let around = |lat, lon, radius_m| {
            let gps = Gps { lat, lon, radius_m, attested: false };
            fences_around(&gps, &granted, &Model::default())
        };
        assert_eq!(around(25.0, 102.66, 30.0), [1, 2], "in two of three");
        assert_eq!(around(25.0, 102.75, 30.0), [1]);
        assert!(around(25.0, 102.75, 8_000.0).is_empty(), "it may as well be beside it");
        assert!(around(24.9001, 102.75, 30.0).is_empty(), "on the edge");
        assert!(around(26.0, 102.75, 30.0).is_empty());
        assert!(around(f64::NAN, 102.75, 30.0).is_empty());
    }
}
