//! Was a unit activated outside its territory? Weighs what was observed; accuses nobody.
//!
//! Observations fall into four *families* (address, device, retail, order). Each family says
//! inside, outside, or nothing at the level it supports, with a chance `e` of being wrong; its
//! score is a capped log-likelihood ratio. The scores add to the prior, and the posterior gives a
//! [`Grade`]. Everything that is a number is in [`Model`]: starting assumptions to calibrate on
//! confirmed cases, not measurements.
//!
//! Deliberately absent: the grade "confirmed" (a person says that), any consequence for the
//! buyer, and repeated observations (the address family stays capped however often it speaks).

mod claim;
mod family;
mod model;
mod observed;

#[cfg(test)]
mod tests;

use domain::region::{Divisions, Level, RegionCode, RegionSet};

pub use claim::fences_around;
pub use family::{Family, FamilyReading};
pub use model::{METHOD, Model};
pub use observed::{Access, Gps, IpReading, Network, Observations, SourceReading, zone_country};

/// How far the evidence goes. The order is that of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// A usable family says inside, and nothing outweighs it.
    Consistent,
    /// Nothing usable, or too little either way.
    Unknown,
    /// More likely than a tenth: kept, shown in statistics, never an accusation.
    Observe,
    /// Two independent families agree on outside.
    Suspect,
    /// The same, with a posterior of nine tenths.
    Likely,
}

impl Grade {
    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consistent => "consistent",
            Self::Unknown => "unknown",
            Self::Observe => "observe",
            Self::Suspect => "suspect",
            Self::Likely => "likely",
        }
    }

    /// Whether a finding `outside_territory` is written.
    pub fn is_finding(self) -> bool {
        self >= Self::Observe
    }
}

/// What kind of "outside" it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nature {
    /// In a country of the territory, in another region of it.
    CrossRegion,
    /// In a country or customs territory (71, 81, 82) the territory has no part of.
    CrossBorder,
}

impl Nature {
    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrossRegion => "cross_region",
            Self::CrossBorder => "cross_border",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $code:literal,)+) => {
        /// Why a reading or an assessment is what it is. A closed list of stable codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// All of them, in no order of weight.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }
        }
    };
}

reasons! {
    /// No territory binds the unit: nothing to compare with.
    NoTerritory => "no_territory",
    /// No family could say anything at a level it supports.
    NothingUsable => "nothing_usable",
    /// The posterior would reach "suspect", but only one family says outside.
    OneFamilyOnly => "one_family_only",
    /// Families contradict each other.
    FamiliesDisagree => "families_disagree",
    /// The family says inside.
    Inside => "inside",
    /// The family says outside.
    Outside => "outside",
    /// The territory covers part of the region: nothing can be said at this level.
    TooCoarse => "level_too_coarse",
    /// The address is private, carrier-internal or reserved.
    AddressReserved => "address_reserved",
    /// No database knows the address.
    AddressUnknown => "address_unknown",
    /// The address is of a data centre, VPN or host: no evidence of a place.
    AddressHosting => "address_hosting",
    /// The address is of a mobile carrier, whose exits are often in another province.
    AddressMobile => "address_mobile",
    /// The databases name different places.
    DatabasesDisagree => "databases_disagree",
    /// Close to the border of the territory: the score is reduced.
    NearBorder => "near_border",
    /// Online sale alone is granted: the address says where the buyer is, and no more.
    SoldOnline => "sold_online",
    /// The coordinates are no point on earth.
    PositionInvalid => "position_invalid",
    /// The point lies between regions, or in none that is known.
    PositionAmbiguous => "position_ambiguous",
    /// Reported by the device without attestation: "inside" counts little.
    Unattested => "unattested",
    /// The serving network is of a country the territory has no part of.
    NetworkAbroad => "network_abroad",
    /// The serving network is of the territory's country, against a foreign address.
    NetworkHome => "network_home",
}

/// The outcome. Everything needed to show why is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// How far the evidence goes.
    pub grade: Grade,
    /// Probability that the unit is outside its territory, 0…1, given the prior.
    pub posterior: f64,
    /// The level of `region`.
    pub level: Level,
    /// The best believed region.
    pub region: Option<RegionCode>,
    /// Set exactly when the grade is a finding.
    pub nature: Option<Nature>,
    /// One reading for each family that was observed at all.
    pub families: Vec<FamilyReading>,
    /// Why the grade is what it is, beyond the families.
    pub reasons: Vec<Reason>,
}

impl Assessment {
    /// Level and region as they would be believed without what one family says.
    pub fn place_without(&self, family: Family) -> (Level, Option<RegionCode>) {
        believed(self.families.iter().filter(|reading| reading.family != family))
    }
}

/// Weighs one activation. `authorised` is the territory in force that day; without one the grade
/// is `Unknown`. `prior` is the share of units believed diverted before anything was seen, 0…1
/// exclusive ([`Model::prior`] is the default); it is held within 0.0001…0.9999.
pub fn assess(
    seen: &Observations,
    authorised: Option<&RegionSet>,
    prior: f64,
    model: &Model,
    divisions: &Divisions,
) -> Assessment {
    let prior = if prior.is_finite() { prior.clamp(1e-4, 1.0 - 1e-4) } else { model.prior };
    let families = family::read_all(seen, claim::Scale { set: authorised, model, divisions });
    let score: f64 = families.iter().map(|f| f.score).sum();
    let posterior = logistic((prior / (1.0 - prior)).ln() + score);
    let (grade, reasons) = match authorised {
        Some(_) => grade(&families, score, posterior, model),
        None => (Grade::Unknown, vec![Reason::NoTerritory]),
    };
    let (level, region) = believed(families.iter());
    let nature = grade.is_finding().then(|| nature(&families));
    Assessment { grade, posterior, level, region, nature, families, reasons }
}

fn grade(
    families: &[FamilyReading],
    score: f64,
    posterior: f64,
    model: &Model,
) -> (Grade, Vec<Reason>) {
    let says = |side: bool| families.iter().filter(|f| f.inside == Some(side)).count();
    let (inside, outside) = (says(true), says(false));
    let mut reasons = Vec::new();
    if inside > 0 && outside > 0 {
        reasons.push(Reason::FamiliesDisagree);
    }
    let grade = if inside + outside == 0 {
        reasons.push(Reason::NothingUsable);
        Grade::Unknown
    } else if inside > 0 && score <= 0.0 {
        // The posterior is at most the prior, which its last binary digit need not show.
        Grade::Consistent
    } else if posterior < model.observe_from {
        Grade::Unknown
    } else if outside >= model.families_for_suspect && posterior >= model.likely_from {
        Grade::Likely
    } else if outside >= model.families_for_suspect && posterior >= model.suspect_from {
        Grade::Suspect
    } else {
        if posterior >= model.suspect_from {
            reasons.push(Reason::OneFamilyOnly);
        }
        Grade::Observe
    };
    (grade, reasons)
}

/// The region of the most reliable family, refined by the others as long as they agree with it.
fn believed<'a>(families: impl Iterator<Item = &'a FamilyReading>) -> (Level, Option<RegionCode>) {
    let mut placed: Vec<_> = families.filter_map(|f| Some((f, f.region?))).collect();
    placed.sort_by(|a, b| a.0.e.total_cmp(&b.0.e));
    let mut best: Option<(Level, RegionCode)> = None;
    for (family, region) in placed {
        match best {
            Some((_, wider)) if !wider.contains(region) => {}
            _ => best = Some((family.level, region)),
        }
    }
    best.map_or((Level::None, None), |(level, region)| (level, Some(region)))
}

/// The nature named by the strongest family that says outside.
fn nature(families: &[FamilyReading]) -> Nature {
    families
        .iter()
        .filter(|f| f.inside == Some(false))
        .max_by(|a, b| a.score.total_cmp(&b.score))
        .and_then(|f| f.nature)
        .unwrap_or(Nature::CrossRegion)
}

fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
