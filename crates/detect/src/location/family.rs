//! The four families, each brought to one reading.

use domain::region::{Level, RegionCode};

use super::claim::{self, Claim, Scale};
use super::observed::{Observations, zone_country};
use super::{Model, Nature, Reason};

/// A group of observations that share their errors and so count once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The network address.
    Ip,
    /// Position and mobile network.
    Device,
    /// The store that sold it.
    Retail,
    /// Where the sale was shipped.
    Order,
}

impl Family {
    /// Every family, in the order in which they are read.
    pub const ALL: [Self; 4] = [Self::Ip, Self::Device, Self::Retail, Self::Order];

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == word)
    }

    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Device => "device",
            Self::Retail => "retail",
            Self::Order => "order",
        }
    }
}

/// What one family said. Kept with the activation whatever the grade: statistics need it.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyReading {
    /// Which.
    pub family: Family,
    /// Inside or outside the territory; none when it says nothing at the level it supports.
    pub inside: Option<bool>,
    /// Log-odds it adds, capped and softened; positive speaks for outside.
    pub score: f64,
    /// Chance that the reading is wrong, 0…1; 1 when there is none.
    pub e: f64,
    /// The level it supports.
    pub level: Level,
    /// The region it names.
    pub region: Option<RegionCode>,
    /// What an "outside" of it would be.
    pub nature: Option<Nature>,
    /// Why, in the order it was found.
    pub reasons: Vec<Reason>,
}

impl FamilyReading {
    fn silent(family: Family, reason: Reason) -> Self {
        Self {
            family,
            inside: None,
            score: 0.0,
            e: 1.0,
            level: Level::None,
            region: None,
            nature: None,
            reasons: vec![reason],
        }
    }

    fn of(family: Family, claim: Claim, cap: f64, model: &Model) -> Self {
        let inside = claim.inside();
        let score = match inside {
            Some(true) => model.score(true, claim.e).max(-cap),
            Some(false) => model.score(false, claim.e).min(cap) * claim.softening,
            None => 0.0,
        };
        let mut reasons = vec![verdict(inside)];
        reasons.extend(claim.notes);
        Self {
            family,
            inside,
            score,
            e: claim.e,
            level: claim.level,
            // Databases that name two countries name none.
            region: (claim.level != Level::None).then_some(claim.region),
            nature: inside.is_some_and(|i| !i).then_some(claim.nature),
            reasons,
        }
    }

    /// Whether it claims a place beyond the borders of the territory's countries.
    fn is_abroad(&self) -> bool {
        self.inside == Some(false) && self.nature == Some(Nature::CrossBorder)
    }
}

fn verdict(inside: Option<bool>) -> Reason {
    match inside {
        Some(true) => Reason::Inside,
        Some(false) => Reason::Outside,
        None => Reason::TooCoarse,
    }
}

/// Every family that was observed at all, in a fixed order.
pub(super) fn read_all(seen: &Observations, scale: Scale<'_>) -> Vec<FamilyReading> {
    let model = scale.model;
    let address = seen.ip.as_ref().map(|ip| match claim::of_address(ip, seen.access, scale) {
        Ok(claim) => FamilyReading::of(Family::Ip, claim, model.ip_cap, model),
        Err(reason) => FamilyReading::silent(Family::Ip, reason),
    });
    let address = address.map(|r| if seen.sold_online { of_no_weight(r) } else { r });
    let place = |family, region: Option<RegionCode>, e, cap| {
        Some(FamilyReading::of(family, scale.claim(region?, e), cap, model))
    };
    let retail = place(Family::Retail, seen.store_region, model.retail_e, model.retail_cap);
    let retail = retail.map(|r| if seen.store_vouched { r } else { spoofable(r, model) });
    let order = place(Family::Order, seen.shipping_region, model.order_e, model.order_cap);
    let abroad = [&address, &retail, &order].into_iter().flatten().any(FamilyReading::is_abroad);
    let device = device(seen, abroad, scale);
    [address, device, retail, order].into_iter().flatten().collect()
}

/// Position and networks, together capped. A network of the territory's own country says nothing
/// about the province; it speaks only against another family that says "abroad" (`abroad`), which
/// is then a VPN or home-routed roaming.
fn device(seen: &Observations, abroad: bool, scale: Scale<'_>) -> Option<FamilyReading> {
    let model = scale.model;
    let position = seen.gps.as_ref().map(|gps| {
        let reading = match claim::of_position(gps, scale) {
            Ok(claim) => FamilyReading::of(Family::Device, claim, model.device_cap, model),
            Err(reason) => FamilyReading::silent(Family::Device, reason),
        };
        if gps.attested { reading } else { spoofable(reading, model) }
    });
    let abroad = abroad || position.as_ref().is_some_and(FamilyReading::is_abroad);
    let network = seen.serving_mcc.map(|country| network(country, abroad, scale));
    let attested = seen.gps.is_some_and(|gps| gps.attested);
    let mut reading = match (position, network) {
        (None, None) => return tie_breakers_alone(seen, abroad, scale),
        (Some(one), None) | (None, Some(one)) => one,
        (Some(position), Some(network)) => together(position, network),
    };
    reading.score += tie_breakers(seen, abroad, scale);
    let floor = if attested { model.device_cap } else { model.spoofable_inside_cap };
    reading.score = reading.score.clamp(-floor, model.device_cap);
    Some(reading)
}

/// What was sold online goes to where the buyer is: the address tells the place, and nothing of how
/// the goods came there.
fn of_no_weight(reading: FamilyReading) -> FamilyReading {
    FamilyReading {
        inside: None,
        score: 0.0,
        nature: None,
        reasons: vec![Reason::SoldOnline],
        ..reading
    }
}

/// An "inside" the client could fake counts little.
fn spoofable(mut reading: FamilyReading, model: &Model) -> FamilyReading {
    if reading.inside.is_some() {
        reading.reasons.push(Reason::Unattested);
    }
    reading.score = reading.score.max(-model.spoofable_inside_cap);
    reading
}

fn network(country: RegionCode, abroad: bool, scale: Scale<'_>) -> FamilyReading {
    let model = scale.model;
    let claim = scale.claim(country.country(), model.serving_mcc_e);
    let home = abroad && claim.inside().is_none() && scale.set.is_some();
    let reading = FamilyReading::of(Family::Device, claim, model.device_cap, model);
    let mut reading = spoofable(reading, model);
    reading.level = Level::Country;
    if reading.inside == Some(false) {
        reading.reasons.push(Reason::NetworkAbroad);
    }
    if home {
        reading.score = -model.spoofable_inside_cap;
        reading.reasons.push(Reason::NetworkHome);
    }
    reading
}

/// Position and network: the position names the region; the scores add. Where they contradict
/// each other the sign of the sum decides; where it is nothing, they say nothing.
fn together(position: FamilyReading, network: FamilyReading) -> FamilyReading {
    let score = position.score + network.score;
    let inside = match (position.inside, network.inside) {
        (Some(a), Some(b)) if a != b => (score != 0.0).then_some(score < 0.0),
        (a, b) => a.or(b),
    };
    let named = if position.region.is_some() { &position } else { &network };
    let outside = [&position, &network].into_iter().filter(|r| r.inside == Some(false));
    let nature = outside.max_by(|a, b| a.score.total_cmp(&b.score)).and_then(|r| r.nature);
    let mut reasons = position.reasons.clone();
    reasons.extend(network.reasons.iter().filter(|r| !position.reasons.contains(r)));
    FamilyReading {
        family: Family::Device,
        inside,
        score,
        e: position.e.min(network.e),
        level: named.level,
        region: named.region,
        nature: nature.filter(|_| inside == Some(false)),
        reasons,
    }
}

/// SIM home country and time zone: half a point each, and only where they compare at all.
fn tie_breakers(seen: &Observations, abroad: bool, scale: Scale<'_>) -> f64 {
    let zone = seen.time_zone.as_deref().and_then(zone_country);
    let weigh = |country: RegionCode| {
        let inside = scale.claim(country.country(), 0.5).inside();
        match inside.or_else(|| (abroad && scale.set.is_some()).then_some(true)) {
            Some(true) => -scale.model.tie_breaker,
            Some(false) => scale.model.tie_breaker,
            None => 0.0,
        }
    };
    [seen.sim_mcc, zone].into_iter().flatten().map(weigh).sum()
}

/// Tie-breakers without position or network: a score, but no family of its own.
fn tie_breakers_alone(
    seen: &Observations,
    abroad: bool,
    scale: Scale<'_>,
) -> Option<FamilyReading> {
    let score = tie_breakers(seen, abroad, scale);
    (score != 0.0).then(|| FamilyReading {
        score: score.max(-scale.model.spoofable_inside_cap),
        ..FamilyReading::silent(Family::Device, Reason::TooCoarse)
    })
}
