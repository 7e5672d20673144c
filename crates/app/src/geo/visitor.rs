//! Where somebody who looks at a code is, to a city at most: coarse, and perhaps wrong.
//!
//! Where the databases disagree about the country nothing is said, and a province without its city
//! counts for no city.

use std::net::IpAddr;

use detect::location::Network;
use domain::region::RegionCode;

use super::Geo;

/// Where a visitor is, as far as the address tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VisitorPlace {
    /// The finest region known.
    pub region: Option<RegionCode>,
    /// The class of the network.
    pub network: Network,
}

impl VisitorPlace {
    /// The place of an address.
    #[must_use]
    pub fn of(geo: &Geo, address: Option<IpAddr>) -> Self {
        let Some(address) = address else { return Self::default() };
        let reading = geo.lookup(address);
        let source = match (reading.operator, reading.china, reading.world) {
            (Some(own), _, _) => Some(own),
            (None, Some(china), Some(world)) => {
                let country = |r: Option<RegionCode>| r.map(|r| r.country());
                (country(china.region) == country(world.region)).then_some(china)
            }
            (None, china, world) => china.or(world),
        };
        Self { region: source.and_then(|s| s.city.or(s.region)), network: reading.network }
    }

    /// The city a scan is counted under: a city, a municipality, a special region, or a country
    /// other than the mainland. None for a mere province.
    #[must_use]
    pub fn city(&self) -> Option<RegionCode> {
        let region = self.region?;
        let whole = matches!(region.as_str(), "11" | "12" | "31" | "50" | "71" | "81" | "82");
        let abroad = !region.is_division() && region != RegionCode::MAINLAND;
        if whole || abroad {
            return Some(region);
        }
        // A county that answers to its province directly is a city of its own.
        region.city().or((region.as_str().len() == 6).then_some(region))
    }

    /// Whether two regions are of one province.
    #[must_use]
    pub fn is_in_province_of(&self, other: RegionCode) -> bool {
        let own = self.region.and_then(|r| r.province());
        own.is_some() && own == other.province()
    }
}
