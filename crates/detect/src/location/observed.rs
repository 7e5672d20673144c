//! What was observed of one activation, already normalised: country codes in place of network
//! codes, regions in place of names.

use std::sync::Arc;

use domain::region::RegionCode;

/// The class of a network, as far as it tells where its users are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Network {
    /// A fixed line.
    Fixed,
    /// A mobile carrier: exits are often in another province.
    Mobile,
    /// Nobody says.
    #[default]
    Unknown,
    /// Data centre, VPN or hosting: no evidence of a place.
    Hosting,
}

impl Network {
    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Mobile => "mobile",
            Self::Unknown => "unknown",
            Self::Hosting => "hosting",
        }
    }
}

/// How the device says it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A mobile network.
    Cellular,
    /// Wireless LAN or cable.
    Local,
}

/// What one database said about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SourceReading {
    /// The region: a province of China, or a country. None when the database named something the
    /// tables do not know; that counts as disagreement.
    pub region: Option<RegionCode>,
    /// The city it named. Only the point of the reading: the level stays that of `region`.
    pub city: Option<RegionCode>,
}

/// What the databases said about an address.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IpReading {
    /// Private, carrier-internal, loopback or otherwise reserved: says nothing.
    pub reserved: bool,
    /// The operator's own list of ranges; overrides the databases.
    pub operator: Option<SourceReading>,
    /// The database of Chinese provinces; none when it does not know the address.
    pub china: Option<SourceReading>,
    /// The database of countries; none when it does not know the address.
    pub world: Option<SourceReading>,
    /// The class of the network.
    pub network: Network,
    /// Which databases answered, with their versions; kept with the assessment.
    pub versions: Arc<str>,
}

impl IpReading {
    /// The class it is weighed as: where nobody says, a device that is connected by a mobile
    /// network has an address of one.
    pub fn class(&self, access: Option<Access>) -> Network {
        match (self.network, access) {
            (Network::Unknown, Some(Access::Cellular)) => Network::Mobile,
            (class, _) => class,
        }
    }
}

/// A position of the device, WGS-84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gps {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Uncertainty in metres.
    pub radius_m: f64,
    /// Vouched for by the caller's key or a verified attestation.
    pub attested: bool,
}

/// What was observed. Absent fields say nothing.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Observations {
    /// The client address, as the databases read it.
    pub ip: Option<IpReading>,
    /// The position.
    pub gps: Option<Gps>,
    /// Country of the *serving* network's code; never attested.
    pub serving_mcc: Option<RegionCode>,
    /// Country of the SIM's home network.
    pub sim_mcc: Option<RegionCode>,
    /// How the device says it is connected.
    pub access: Option<Access>,
    /// IANA name of the device's time zone.
    pub time_zone: Option<String>,
    /// Region of the store that sold the unit.
    pub store_region: Option<RegionCode>,
    /// Named by the brand's own server or an attested sender; a device may name any store.
    pub store_vouched: bool,
    /// Region the sale was shipped to.
    pub shipping_region: Option<RegionCode>,
    /// Online sale alone is granted where the goods are bound.
    pub sold_online: bool,
}

impl Observations {
    /// The class the address is weighed as; none where there is no address that could say anything.
    pub fn network(&self) -> Option<Network> {
        let ip = self.ip.as_ref().filter(|ip| !ip.reserved)?;
        Some(ip.class(self.access))
    }
}

/// The country of a time zone, for the zones that can tell China from its neighbours and main
/// trade partners; none for any other.
pub fn zone_country(zone: &str) -> Option<RegionCode> {
    let code = match zone {
        "Asia/Shanghai" | "Asia/Chongqing" | "Asia/Chungking" | "Asia/Harbin" | "Asia/Urumqi"
        | "Asia/Kashgar" | "PRC" => "CN",
        "Asia/Hong_Kong" | "Hongkong" => "HK",
        "Asia/Macau" | "Asia/Macao" => "MO",
        "Asia/Taipei" | "ROC" => "TW",
        "Asia/Tokyo" | "Japan" => "JP",
        "Asia/Seoul" | "ROK" => "KR",
        "Asia/Singapore" | "Singapore" => "SG",
        "Asia/Bangkok" => "TH",
        "Asia/Ho_Chi_Minh" | "Asia/Saigon" => "VN",
        "Asia/Kuala_Lumpur" => "MY",
        "Asia/Jakarta" => "ID",
        "Asia/Manila" => "PH",
        "Asia/Yangon" | "Asia/Rangoon" => "MM",
        "Asia/Kolkata" | "Asia/Calcutta" => "IN",
        "Asia/Dubai" => "AE",
        "Asia/Almaty" => "KZ",
        "Asia/Ulaanbaatar" => "MN",
        "Asia/Vladivostok" | "Europe/Moscow" => "RU",
        "Europe/London" => "GB",
        "Europe/Berlin" => "DE",
        "Europe/Paris" => "FR",
        "America/New_York" | "America/Chicago" | "America/Los_Angeles" => "US",
        "Australia/Sydney" => "AU",
        _ => return None,
    };
    RegionCode::parse(code).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_nobody_says_the_connection_tells_the_class() {
        let cellular = Some(Access::Cellular);
        for (network, access, expected) in [
            (Network::Unknown, None, "unknown"),
            (Network::Unknown, Some(Access::Local), "unknown"),
            (Network::Unknown, cellular, "mobile"),
            (Network::Fixed, cellular, "fixed"),
            (Network::Mobile, Some(Access::Local), "mobile"),
            (Network::Hosting, cellular, "hosting"),
        ] {
            let ip = IpReading { network, ..Default::default() };
            assert_eq!(ip.class(access).as_str(), expected, "{network:?} {access:?}");
            let seen = Observations { ip: Some(ip.clone()), access, ..Default::default() };
            assert_eq!(seen.network(), Some(ip.class(access)));
            let ip = Some(IpReading { reserved: true, ..ip });
            assert_eq!(Observations { ip, access, ..Default::default() }.network(), None);
        }
        assert_eq!(Observations::default().network(), None);
    }
}
