//! Ranges of network addresses: which proxies are believed, from where a key may be used.
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
