//! Addresses the simulated devices report from: networks of 256 addresses by province, taken from
//! the shipped database once. A test looks every one up again, so a new database that moved them
//! fails there and not in the demo.

use super::dice::Dice;
use domain::region::RegionCode;
use std::net::{IpAddr, Ipv4Addr};

/// Networks of one province.
struct AddressRow {
    /// GB/T 2260, two digits.
    province: &'static str,
    /// Fixed lines.
    fixed: &'static [[u8; 3]],
    /// Exits of a mobile carrier.
    mobile: &'static [[u8; 3]],
}

/// Networks abroad (Thailand, Singapore, United Arab Emirates, Malaysia) and the code of the
/// mobile networks there (ITU-T E.212).
const ABROAD: [([u8; 3], &str); 4] =
    [([171, 96, 56], "520"), ([165, 21, 0], "525"), ([217, 164, 0], "424"), ([49, 125, 96], "502")];

const ROWS: [AddressRow; 31] = [
    AddressRow {
        province: "11",
        fixed: &[[124, 250, 0], [125, 97, 0], [221, 217, 0], [221, 219, 0]],
        mobile: &[[175, 92, 0], [183, 241, 0]],
    },
    AddressRow {
        province: "12",
        fixed: &[[111, 160, 0], [125, 37, 0], [218, 68, 0], [221, 198, 0]],
        mobile: &[[45, 251, 96], [111, 30, 0]],
    },
    AddressRow {
        province: "13",
        fixed: &[[120, 5, 0], [120, 6, 0], [120, 15, 0], [124, 236, 0]],
        mobile: &[[120, 211, 64], [175, 49, 64]],
    },
    AddressRow {
        province: "14",
        fixed: &[[60, 223, 0], [171, 117, 0], [171, 124, 0], [223, 9, 0]],
        mobile: &[[111, 53, 128], [183, 202, 16]],
    },
    AddressRow {
        province: "15",
        fixed: &[[1, 26, 220], [116, 113, 128], [203, 176, 64], [222, 74, 200]],
        mobile: &[[117, 137, 144], [222, 39, 96]],
    },
    AddressRow {
        province: "21",
        fixed: &[[113, 227, 0], [113, 235, 0], [124, 93, 0], [218, 25, 0]],
        mobile: &[[112, 39, 176], [122, 67, 128]],
    },
    AddressRow {
        province: "22",
        fixed: &[[125, 32, 160], [175, 18, 128], [221, 8, 128], [222, 160, 0]],
        mobile: &[[122, 69, 96], [222, 34, 224]],
    },
    AddressRow {
        province: "23",
        fixed: &[[1, 59, 0], [42, 102, 128], [123, 165, 0], [222, 171, 0]],
        mobile: &[[123, 83, 0], [175, 65, 0]],
    },
    AddressRow {
        province: "31",
        fixed: &[[124, 75, 0], [180, 160, 0], [222, 64, 0], [222, 68, 0]],
        mobile: &[[163, 53, 128], [221, 177, 40]],
    },
    AddressRow {
        province: "32",
        fixed: &[[180, 105, 0], [180, 108, 0], [180, 119, 0], [180, 121, 0]],
        mobile: &[[110, 199, 0], [223, 65, 0]],
    },
    AddressRow {
        province: "33",
        fixed: &[[125, 116, 0], [125, 117, 0], [125, 121, 0], [221, 136, 0]],
        mobile: &[[39, 180, 128], [111, 2, 0]],
    },
    AddressRow {
        province: "34",
        fixed: &[[114, 96, 128], [223, 242, 64], [223, 244, 128], [223, 245, 0]],
        mobile: &[[111, 38, 96], [112, 29, 128]],
    },
    AddressRow {
        province: "35",
        fixed: &[[27, 155, 64], [27, 156, 0], [59, 57, 0], [218, 105, 16]],
        mobile: &[[111, 145, 80], [112, 50, 92]],
    },
    AddressRow {
        province: "36",
        fixed: &[[106, 227, 0], [106, 230, 0], [115, 149, 0], [117, 41, 80]],
        mobile: &[[117, 168, 48], [123, 75, 192]],
    },
    AddressRow {
        province: "37",
        fixed: &[[39, 94, 0], [60, 208, 0], [60, 216, 0], [182, 40, 0]],
        mobile: &[[110, 195, 128], [120, 222, 216]],
    },
    AddressRow {
        province: "41",
        fixed: &[[42, 224, 0], [106, 33, 0], [115, 49, 0], [115, 52, 128]],
        mobile: &[[110, 197, 128], [122, 79, 0]],
    },
    AddressRow {
        province: "42",
        fixed: &[[27, 21, 0], [27, 26, 0], [59, 174, 0], [171, 46, 0]],
        mobile: &[[117, 150, 64], [117, 155, 56]],
    },
    AddressRow {
        province: "43",
        fixed: &[[175, 3, 0], [175, 6, 0], [175, 11, 0], [223, 157, 0]],
        mobile: &[[36, 148, 190], [183, 214, 12]],
    },
    AddressRow {
        province: "44",
        fixed: &[[121, 8, 0], [134, 175, 0], [183, 34, 0], [183, 38, 0]],
        mobile: &[[110, 120, 160], [120, 197, 93]],
    },
    AddressRow {
        province: "45",
        fixed: &[[113, 13, 192], [116, 8, 128], [171, 104, 0], [182, 90, 0]],
        mobile: &[[117, 182, 232], [123, 67, 204]],
    },
    AddressRow {
        province: "46",
        fixed: &[[124, 225, 224], [140, 240, 16], [150, 255, 224], [221, 199, 224]],
        mobile: &[[111, 29, 120], [222, 61, 36]],
    },
    AddressRow {
        province: "50",
        fixed: &[[113, 204, 0], [119, 85, 0], [124, 162, 0], [222, 180, 0]],
        mobile: &[[122, 73, 0], [183, 230, 0]],
    },
    AddressRow {
        province: "51",
        fixed: &[[110, 191, 0], [171, 216, 128], [171, 219, 0], [222, 210, 0]],
        mobile: &[[117, 173, 128], [117, 176, 64]],
    },
    AddressRow {
        province: "52",
        fixed: &[[1, 205, 0], [106, 108, 0], [114, 138, 0], [182, 43, 5]],
        mobile: &[[117, 188, 96], [222, 54, 96]],
    },
    AddressRow {
        province: "53",
        fixed: &[[106, 63, 0], [116, 248, 0], [222, 219, 64], [222, 220, 128]],
        mobile: &[[39, 128, 64], [183, 224, 128]],
    },
    AddressRow {
        province: "54",
        fixed: &[[27, 98, 227], [101, 248, 236], [101, 249, 128], [124, 31, 172]],
        mobile: &[[117, 136, 170], [117, 180, 252]],
    },
    AddressRow {
        province: "61",
        fixed: &[[1, 80, 88], [36, 43, 128], [117, 22, 0], [124, 114, 0]],
        mobile: &[[110, 217, 136], [112, 46, 67]],
    },
    AddressRow {
        province: "62",
        fixed: &[[27, 226, 160], [42, 88, 208], [61, 159, 64], [125, 76, 1]],
        mobile: &[[117, 156, 112], [117, 157, 40]],
    },
    AddressRow {
        province: "63",
        fixed: &[[116, 177, 0], [125, 72, 160], [139, 170, 202], [218, 95, 226]],
        mobile: &[[111, 12, 206], [111, 44, 236]],
    },
    AddressRow {
        province: "64",
        fixed: &[[61, 133, 200], [124, 224, 224], [220, 200, 149], [222, 75, 192]],
        mobile: &[[111, 50, 54], [211, 138, 48]],
    },
    AddressRow {
        province: "65",
        fixed: &[[49, 114, 132], [49, 119, 96], [61, 138, 224], [222, 81, 40]],
        mobile: &[[36, 185, 0], [175, 50, 160]],
    },
];

/// An address of a province: of a fixed line, or of a mobile carrier's exit.
pub fn address(dice: &mut Dice, province: RegionCode, mobile: bool) -> Option<IpAddr> {
    let row = ROWS.iter().find(|r| r.province == province.as_str())?;
    let network = *dice.pick(if mobile { row.mobile } else { row.fixed })?;
    Some(host(dice, network))
}

/// An address abroad and the network code there.
pub fn address_abroad(dice: &mut Dice) -> (IpAddr, &'static str) {
    let (network, mcc) = ABROAD[dice.below(ABROAD.len())];
    (host(dice, network), mcc)
}

fn host(dice: &mut Dice, [a, b, c]: [u8; 3]) -> IpAddr {
    let d = u8::try_from(dice.between(2, 253)).unwrap_or(2);
    Ipv4Addr::new(a, b, c, d).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Geo, GeoPaths};
    use detect::location::Network;

    #[test]
    fn every_address_is_where_the_table_says() {
        let geo = Geo::load(&GeoPaths::default()).unwrap();
        let mut wrong = Vec::new();
        for row in &ROWS {
            let networks = row.fixed.iter().map(|n| (n, false));
            for (network, mobile) in networks.chain(row.mobile.iter().map(|n| (n, true))) {
                for last in [2, 128, 253] {
                    let [a, b, c] = *network;
                    let seen = geo.lookup(Ipv4Addr::new(a, b, c, last).into());
                    let place = seen.china.and_then(|s| s.region);
                    let country = seen.world.and_then(|s| s.region);
                    let right = place.is_some_and(|p| p.as_str() == row.province)
                        && country == Some(RegionCode::MAINLAND)
                        && (seen.network == Network::Mobile) == mobile;
                    if !right {
                        wrong.push(format!("{} {network:?} {place:?} {country:?}", row.province));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        for ([a, b, c], mcc) in ABROAD {
            let country = geo.lookup(Ipv4Addr::new(a, b, c, 9).into()).world.and_then(|s| s.region);
            assert!(country.is_some() && country == geo.country_of_mcc(mcc), "{mcc} {country:?}");
        }
    }
}
