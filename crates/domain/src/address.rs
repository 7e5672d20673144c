//! Ranges of network addresses: which proxies are believed, from where a key may be used; and which
//! addresses are anybody's on the internet, so that a server may be sent there by strangers.
//!
//! An address here is a value out of `core`; nothing is opened or asked.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

/// Leading bits of an IPv4 address that is written as IPv6, `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Its lowest address.
    address: IpAddr,
    /// How many leading bits count.
    bits: u8,
}

/// What a visitor is counted as: their address, or of IPv6 the network of a household, which has
/// more addresses than anybody could count.
#[must_use]
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => lowest(v6.into(), 64),
        v4 => v4,
    }
}

/// IPv4 that is not forwarded on the internet (IANA special-purpose registry, RFC 6890), multicast
/// and what is reserved.
const NOT_PUBLIC_V4: [(u32, u8); 15] = [
    (v4([0, 0, 0, 0]), 8),
    (v4([10, 0, 0, 0]), 8),
    (v4([100, 64, 0, 0]), 10),
    (v4([127, 0, 0, 0]), 8),
    (v4([169, 254, 0, 0]), 16),
    (v4([172, 16, 0, 0]), 12),
    (v4([192, 0, 0, 0]), 24),
    (v4([192, 0, 2, 0]), 24),
    (v4([192, 88, 99, 0]), 24),
    (v4([192, 168, 0, 0]), 16),
    (v4([198, 18, 0, 0]), 15),
    (v4([198, 51, 100, 0]), 24),
    (v4([203, 0, 113, 0]), 24),
    (v4([224, 0, 0, 0]), 4),
    (v4([240, 0, 0, 0]), 4),
];
/// Of the global unicast addresses of IPv6 (2000::/3) those that are none: protocol assignments
/// with Teredo (2001::/23), documentation (2001:db8::/32, 3fff::/20), 6to4 (2002::/16), which
/// leads to whatever IPv4 address it embeds.
const NOT_PUBLIC_V6: [(u128, u8); 4] =
    [(0x2001 << 112, 23), (0x2001_0db8 << 96, 32), (0x2002 << 112, 16), (0x3fff << 112, 20)];
/// Global unicast, RFC 4291, 2.4.
const GLOBAL_V6: (u128, u8) = (0x2000 << 112, 3);
/// IPv4 behind a translator, `64:ff9b::/96` (RFC 6052, 2.1): as public as what it embeds.
const TRANSLATED_V4: (u128, u8) = (0x0064_ff9b << 96, 96);

const fn v4(parts: [u8; 4]) -> u32 {
    u32::from_be_bytes(parts)
}

/// Whether an address is a machine's on the internet, and not one of a private network, this
/// machine, the link, a group, a document or a protocol. What embeds an IPv4 address is judged by
/// that, or is not public at all.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            let lies_in = |(low, width): &(u32, u8)| (bits ^ low) >> (32 - u32::from(*width)) == 0;
            !NOT_PUBLIC_V4.iter().any(lies_in)
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let lies_in =
                |(low, width): &(u128, u8)| (bits ^ low) >> (128 - u32::from(*width)) == 0;
            if lies_in(&TRANSLATED_V4) {
                return is_public(Ipv4Addr::from_bits(bits as u32).into());
            }
            lies_in(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(lies_in)
        }
    }
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no address or range such as 10.0.0.0/8")]
pub struct PrefixProblem(String);

impl Prefix {
    /// Whether an address lies in the range. IPv4 written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4() && lowest(address, self.bits) == self.address
    }
}

/// The address with every bit behind the leading ones cleared.
fn lowest(address: IpAddr, bits: u8) -> IpAddr {
    // A shift by the whole width is none: then no bit counts.
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixProblem;

    fn from_str(text: &str) -> Result<Self, PrefixProblem> {
        let wrong = || PrefixProblem(text.chars().take(64).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        // Digits alone: the number parser would take a sign as well.
        let plain = bits.is_none_or(|b| b.bytes().all(|b| b.is_ascii_digit()));
        let bits = bits.map_or(Ok(most), |b| b.parse::<u8>().map_err(|_| wrong()))?;
        if bits > most || !plain {
            return Err(wrong());
        }
        // A range of IPv4 written as IPv6 is that range of IPv4.
        let (address, bits) = match address.to_canonical() {
            IpAddr::V4(v4) if address.is_ipv6() && bits >= MAPPED_BITS => {
                (v4.into(), bits - MAPPED_BITS)
            }
            _ => (address, bits),
        };
        Ok(Self { address: lowest(address, bits), bits })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_lies_in_its_range_however_it_is_written() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.9.8.7/8", "10.0.0.0", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("::1", "::1", true),
            ("::1", "::2", false),
            ("2001:db8::/64", "2001:db8::ffff", true),
            ("2001:db8::/64", "2001:db8:0:1::1", false),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
        ];
        for (range, address, inside) in table {
            assert_eq!(prefix(range).contains(ip(address)), inside, "{address} in {range}");
        }
    }

    #[test]
    fn a_household_shares_its_network() {
        let counted = |text: &str| household(ip(text));
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:1"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("::ffff:10.0.0.1"), ip("10.0.0.1"));
        assert_ne!(counted("10.0.0.1"), counted("10.0.0.2"));
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of addresses")]
    fn what_is_not_on_the_internet_is_not_public() {
        let not = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in not {
            assert!(!is_public(ip(text)), "{text}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
            "2400:3200::1",
            "2606:4700::1111",
        ];
        for text in public {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let wrong = [
            "",
            "/",
            "10.0.0.0/33",
            "x/8",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "1/",
            "1.2.3.4/",
        ];
        for text in wrong {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_holds_what_agrees_in_its_leading_bits(
            (a, b) in any::<(u128, u128)>(),
            bits in 0_u8..=128,
            near in 0_u32..=128,
        ) {
            // Half of the pairs agree in more bits than chance would have it.
            let b = a ^ b.checked_shr(near).unwrap_or(0);
            let (from, other) = (Ipv6Addr::from_bits(a), Ipv6Addr::from_bits(b));
            prop_assume!(from.to_ipv4_mapped().is_none() && other.to_ipv4_mapped().is_none());
            let range: Prefix = format!("{from}/{bits}").parse().unwrap();
            let agree = (a ^ b).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(range.contains(other.into()), agree);
            prop_assert!(range.contains(from.into()));
            prop_assert_eq!(range.to_string().parse::<Prefix>(), Ok(range));
        }

        #[test]
        fn an_address_is_as_public_however_it_is_written(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let translated = Ipv6Addr::from_bits(0x0064_ff9b << 96 | u128::from(bits));
            prop_assert_eq!(is_public(v4.into()), is_public(v4.to_ipv6_mapped().into()));
            prop_assert_eq!(is_public(v4.into()), is_public(translated.into()));
            // What the standard library knows of is never public.
            let known = v4.is_private() || v4.is_loopback() || v4.is_link_local()
                || v4.is_multicast() || v4.is_broadcast() || v4.is_documentation();
            prop_assert!(!(known && is_public(v4.into())), "{}", v4);
        }

        #[test]
        fn of_ipv6_only_global_unicast_is_public(bits in any::<u128>(), forced in any::<bool>()) {
            let bits = if forced { (bits >> 3) | 1 << 125 } else { bits };
            let v6 = Ipv6Addr::from_bits(bits);
            prop_assume!(v6.to_ipv4_mapped().is_none() && bits >> 32 != 0x0064_ff9b << 64);
            let known = v6.is_loopback() || v6.is_multicast() || v6.is_unique_local()
                || v6.is_unicast_link_local() || v6.is_unspecified();
            prop_assert!(!is_public(v6.into()) || (bits >> 125 == 1 && !known), "{}", v6);
        }

        #[test]
        fn ranges_of_ipv4_as_well((a, b) in any::<(u32, u32)>(), bits in 0_u8..=32) {
            let (from, other) = (Ipv4Addr::from_bits(a), Ipv4Addr::from_bits(b));
            let range: Prefix = format!("{from}/{bits}").parse().unwrap();
            let agree = (a ^ b).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(range.contains(other.into()), agree);
            prop_assert_eq!(range.contains(other.to_ipv6_mapped().into()), agree);
            prop_assert_eq!(range.to_string().parse::<Prefix>(), Ok(range));
        }
    }
}
