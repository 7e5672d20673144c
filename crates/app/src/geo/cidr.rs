//! The operator's own list of address ranges: offices, warehouses, carrier exits, hosts, VPNs.
//!
//! CSV with the columns `cidr,region,network,note`. `region` may be empty (then only the network
//! class is set); `network` is fixed, mobile, hosting, unknown or empty; not both are. The longest
//! range wins. A column that is not known, or a range that stands there twice, is refused: what is
//! misspelt would else say nothing, and nobody would notice.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use csv::{Position, StringRecord};
use detect::location::Network;
use domain::region::{Divisions, RegionCode};

use super::GeoError;

/// Most ranges of one list.
pub const RANGES_MAX: usize = 100_000;
/// What a list tells of each range.
const COLUMNS: [&str; 4] = ["cidr", "region", "network", "note"];

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
    /// [`GeoError::Format`] with the first line that cannot be used.
    pub fn read(text: &[u8], divisions: &Divisions) -> Result<Self, GeoError> {
        let mut ranges = Self::default();
        let wrong = |at: Option<&Position>, what: &dyn Display| {
            GeoError::row("ranges", line_of(text, at), what)
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader.headers().map_err(|e| wrong(e.position(), &e))?;
        let columns = columns(header).map_err(|why| wrong(None, &why))?;
        for record in reader.records() {
            let record = record.map_err(|e| wrong(e.position(), &e))?;
            let cells = columns.map(|at| at.and_then(|at| record.get(at)).unwrap_or_default());
            ranges.take(cells, divisions).map_err(|why| wrong(record.position(), &why))?;
        }
        ranges.lengths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ranges)
    }

    /// Takes the cells of a line, in the order of [`COLUMNS`].
    fn take(&mut self, cells: [&str; 4], divisions: &Divisions) -> Result<(), String> {
        let [cidr, region, network, note] = cells;
        let prefix = parse_cidr(cidr)
            .ok_or_else(|| format!("`{cidr}` is not an address range such as 203.0.113.0/24"))?;
        if region.is_empty() && network.is_empty() {
            return Err("it says neither region nor network".to_owned());
        }
        let region = Some(region).filter(|region| !region.is_empty());
        let region = region.map(|region| divisions.parse(region)).transpose();
        let region = region.map_err(|why| why.to_string())?;
        let network = match network {
            "fixed" => Network::Fixed,
            "mobile" => Network::Mobile,
            "hosting" => Network::Hosting,
            "" | "unknown" => Network::Unknown,
            other => {
                let known = "fixed, mobile, hosting, unknown";
                return Err(format!("`{other}` is no network class; they are {known}"));
            }
        };
        if self.by_prefix.len() == RANGES_MAX {
            return Err(format!("more than {RANGES_MAX} ranges"));
        }
        let range = Range { region, network, note: note.to_owned() };
        if self.by_prefix.insert(prefix, range).is_some() {
            return Err(format!("`{cidr}` is the range of an earlier line"));
        }
        if !self.lengths.contains(&prefix.0) {
            self.lengths.push(prefix.0);
        }
        Ok(())
    }

    /// The longest range that holds an address.
    pub fn lookup(&self, address: IpAddr) -> Option<&Range> {
        let bits = bits(address);
        self.lengths.iter().find_map(|length| self.by_prefix.get(&(*length, bits & mask(*length))))
    }
}

/// Where each of [`COLUMNS`] stands. All but the first may be left out.
fn columns(header: &StringRecord) -> Result<[Option<usize>; 4], String> {
    let known = COLUMNS.join(",");
    let mut found = [None; COLUMNS.len()];
    for (at, name) in header.iter().enumerate() {
        let Some(column) = COLUMNS.iter().position(|column| *column == name) else {
            return Err(format!("`{name}` is no column; they are {known}"));
        };
        if found[column].replace(at).is_some() {
            return Err(format!("the column `{name}` is there twice"));
        }
    }
    match found[0] {
        Some(_) => Ok(found),
        None => Err(format!("there is no column `cidr`; they are {known}")),
    }
}

/// The line of a record that was read from here on; empty lines before it belong to no record.
fn line_of(text: &[u8], at: Option<&Position>) -> usize {
    let from = at.and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(0).min(text.len());
    let empty = text[from..].iter().take_while(|byte| matches!(**byte, b'\r' | b'\n')).count();
    1 + text[..from + empty].iter().filter(|byte| **byte == b'\n').count()
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
    fn a_list_that_would_say_less_than_it_was_meant_to_is_refused() {
        let sound = "cidr,region,network,note\n";
        for (text, line, what) in [
            (String::new(), 1, "there is no column `cidr`"),
            ("region,network,note\n53,fixed,\n".to_owned(), 1, "there is no column `cidr`"),
            ("10.0.0.0/8,53,fixed,depot\n".to_owned(), 1, "`10.0.0.0/8` is no column"),
            ("cidr,region,net,note\n10.0.0.0/8,53,fixed,\n".to_owned(), 1, "`net` is no column"),
            ("cidr,region,CIDR\n10.0.0.0/8,53,\n".to_owned(), 1, "`CIDR` is no column"),
            ("cidr,region,region\n10.0.0.0/8,53,44\n".to_owned(), 1, "`region` is there twice"),
            (format!("{sound},53,fixed,depot\n"), 2, "`` is not an address range"),
            (format!("{sound}10.0.0.0/8,,,depot\n"), 2, "neither region nor network"),
            ("cidr\n10.0.0.0/8\n".to_owned(), 2, "neither region nor network"),
            (format!("{sound}10.0.0.0/8,53,Fixed,\n"), 2, "`Fixed` is no network class"),
            (format!("{sound}10.0.0.0/8,53\n"), 2, "fields"),
            (
                format!("{sound}10.0.0.0/8,53,fixed,\n10.1.0.0/16,53,,\n10.0.0.0/8,44,,\n"),
                4,
                "`10.0.0.0/8` is the range of an earlier line",
            ),
            (format!("{sound}10.1.2.3,53,,\n10.1.2.3/32,53,,\n"), 3, "earlier line"),
            (format!("{sound}10.0.0.0/8,53,,\n::ffff:10.0.0.0/104,53,,\n"), 3, "earlier line"),
            // Lines are counted as an editor counts them.
            (format!("{sound}\r\n\r\n10.0.0.0/8,53,wlan,\r\n"), 4, "wlan"),
            (format!("{sound}10.0.0.0/8,53,,\"a\nb\"\n10.1.0.0/16,53,wlan,"), 4, "wlan"),
        ] {
            let told = read(&text).expect_err(&text).to_string();
            let place = format!("ranges, line {line}: ");
            assert!(told.starts_with(&place) && told.contains(what), "{text:?}: {told}");
        }
    }

    #[test]
    fn columns_may_be_left_out_and_stand_in_any_order() {
        let ranges = read("\u{feff}network,cidr\nhosting,10.0.0.0/8\nunknown,10.1.0.0/16\n");
        let ranges = ranges.expect("sound");
        for (address, network) in [("10.9.9.9", Network::Hosting), ("10.1.1.1", Network::Unknown)] {
            let found = ranges.lookup(address.parse().expect("valid")).expect("a range");
            assert_eq!((found.network, found.region), (network, None), "{address}");
        }
        assert!(read("cidr,region,network,note\n").is_ok(), "a list without a range");
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
