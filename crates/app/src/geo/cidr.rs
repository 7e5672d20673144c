//! The operator's own list of address ranges: offices, warehouses, carrier exits, hosts, VPNs.
//!
//! CSV with the columns `cidr,region,network,note`. `region` may be empty (then only the network
//! class is set); `network` is fixed, mobile, hosting or empty. The longest range wins.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use detect::location::Network;
use domain::region::{Divisions, RegionCode};

use super::GeoError;

/// Most ranges of one list.
pub const RANGES_MAX: usize = 100_000;

/// What the operator says of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where its users are, if that is known.
    pub region: Option<RegionCode>,
    /// The class of the network.
    pub network: Network,
    /// For people.
    pub note: String,
}

/// The list, by prefix. The default has no range.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    by_prefix: HashMap<(u8, u128), Range>,
    /// Prefix lengths in use, longest first.
    lengths: Vec<u8>,
}

impl Ranges {
    /// Reads the list.
    ///
    /// # Errors
    /// [`GeoError::Row`] with the first line that cannot be used.
    pub fn read(text: &[u8], divisions: &Divisions) -> Result<Self, GeoError> {
        let mut ranges = Self::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let headers = reader.headers().map_err(|e| GeoError::row("ranges", 1, &e))?.clone();
        let column = |name: &str| headers.iter().position(|h| h == name);
        let (cidr, region) = (column("cidr"), column("region"));
        let (network, note) = (column("network"), column("note"));
        for (line, record) in (2usize..).zip(reader.records()) {
            let wrong = |what: &dyn std::fmt::Display| GeoError::row("ranges", line, what);
            let record = record.map_err(|e| wrong(&e))?;
            let field = |at: Option<usize>| at.and_then(|i| record.get(i)).unwrap_or_default();
            let prefix = parse_cidr(field(cidr)).ok_or_else(|| wrong(&"not an address range"))?;
            let region = Some(field(region)).filter(|r| !r.is_empty());
            let region = region.map(|r| divisions.parse(r)).transpose().map_err(|e| wrong(&e))?;
            let network = match field(network) {
                "fixed" => Network::Fixed,
                "mobile" => Network::Mobile,
                "hosting" => Network::Hosting,
                "" | "unknown" => Network::Unknown,
                other => return Err(wrong(&format!("`{other}` is no network class"))),
            };
            if ranges.by_prefix.len() == RANGES_MAX {
                return Err(wrong(&format!("more than {RANGES_MAX} ranges")));
            }
            let range = Range { region, network, note: field(note).to_owned() };
            ranges.by_prefix.insert(prefix, range);
            if !ranges.lengths.contains(&prefix.0) {
                ranges.lengths.push(prefix.0);
            }
        }
        ranges.lengths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ranges)
    }

    /// The longest range that holds an address.
    pub fn lookup(&self, address: IpAddr) -> Option<&Range> {
        let bits = bits(address);
        self.lengths.iter().find_map(|length| self.by_prefix.get(&(*length, bits & mask(*length))))
    }
}

/// IPv4 stands in its mapped place among IPv6, so one table serves both.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn parse_cidr(text: &str) -> Option<(u8, u128)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (shift, most) = if address.is_ipv4() { (96, 32) } else { (0, 128) };
    let length = length.unwrap_or(most);
    let whole = bits(address);
    (length <= most && whole & !mask(length + shift) == 0).then_some((length + shift, whole))
}

/// The one form of an address: an IPv4 address mapped into IPv6 is IPv4.
pub fn normalise(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether an address is private, carrier-internal (RFC 6598), or reserved by IANA: it says nothing
/// of a place.
pub fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || matches!((a, b, c), (0 | 224.., _, _) | (100, 64..=127, _) | (198, 18 | 19, _))
                || (a, b, c) == (192, 0, 0)
        }
        IpAddr::V6(v6) => is_reserved_v6(v6),
    }
}

fn is_reserved_v6(v6: Ipv6Addr) -> bool {
    let head = v6.segments();
    v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || (head[0], head[1]) == (0x2001, 0x0db8)
        || head[..4] == [0x0100, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::tables;

    fn read(text: &str) -> Result<Ranges, GeoError> {
        Ranges::read(text.as_bytes(), &tables::divisions().expect("the shipped table is sound"))
    }

    #[test]
    fn the_longest_range_wins() {
        let ranges = read(
            "cidr,region,network,note\n10.0.0.0/8,53,fixed,offices\n10.1.0.0/16,,hosting,vpn\n\
             2001:db8::/32,US,,lab\n10.1.2.3,81,mobile,one\n",
        )
        .expect("sound");
        for (address, note) in [
            ("10.9.9.9", Some("offices")),
            ("10.1.9.9", Some("vpn")),
            ("10.1.2.3", Some("one")),
            ("2001:db8:1::1", Some("lab")),
            ("11.0.0.1", None),
        ] {
            let found = ranges.lookup(address.parse().expect("valid"));
            assert_eq!(found.map(|r| r.note.as_str()), note, "{address}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, what) in [
            ("10.0.0.1/8,53,fixed,", "not an address range"),
            ("10.0.0.0/33,53,fixed,", "not an address range"),
            ("10.0.0.0/8,98,fixed,", "98"),
            ("10.0.0.0/8,53,wlan,", "wlan"),
        ] {
            let error = read(&format!("cidr,region,network,note\n{line}\n")).expect_err(line);
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.to_string().contains("line 2"), "{error}");
        }
    }

    #[test]
    fn reserved_addresses_are_known() {
        for (address, reserved) in [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("0.1.2.3", true),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("198.18.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", true),
            ("123.123.123.123", false),
            ("240e::1", false),
        ] {
            assert_eq!(is_reserved(address.parse().expect("valid")), reserved, "{address}");
        }
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().expect("valid");
        assert!(is_reserved(normalise(mapped)));
    }
}
