//! API keys: when one is good, from where, and how long an old secret lives beside a new one.
//!
//! Deliberately absent: what a key may do (its scopes, which are words of the API) and for whom it
//! speaks ([`crate::mandate`]).

use crate::address::Prefix;
use core::net::IpAddr;
use jiff::{SignedDuration, Timestamp};

/// Ranges of addresses one key may be bound to, at most.
pub const PREFIXES_MAX: usize = 32;
/// Longest time an old secret is good beside a new one. A quarter: whoever needs longer to carry a
/// secret to its places makes a second key.
pub const OVERLAP_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Good.
    Active,
    /// Good, under its new secret and, for a while, under the one before.
    Rotating,
    /// Its time is over.
    Expired,
    /// Withdrawn.
    Revoked,
}

impl KeyState {
    /// The word in the API and at the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rotating => "rotating",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether anybody is let in by it.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Active | Self::Rotating)
    }
}

/// What bounds a key in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
    /// From when on it is not good any more; none for never.
    pub expires_at: Option<Timestamp>,
    /// From when on the secret before the present one is not good any more; none without one.
    pub previous_until: Option<Timestamp>,
}

impl Term {
    /// Where the key stands.
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|end| now >= end) {
            KeyState::Expired
        } else if self.previous_until.is_some_and(|end| now < end) {
            KeyState::Rotating
        } else {
            KeyState::Active
        }
    }
}

/// Whether a key bound to these ranges may be used from an address; one that is bound to none may
/// be used from anywhere.
pub fn admits(from: &[Prefix], address: IpAddr) -> bool {
    from.is_empty() || from.iter().any(|range| range.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_good_until_it_is_not() {
        use KeyState::*;
        // Withdrawn at, expires at, old secret until; then where it stands at 9, 10, 20.
        let table = [
            (None, None, None, [Active, Active, Active]),
            (None, None, Some(10), [Rotating, Active, Active]),
            (None, Some(10), None, [Active, Expired, Expired]),
            (None, Some(20), Some(10), [Rotating, Active, Expired]),
            // An overlap does not outlive the key.
            (None, Some(10), Some(20), [Rotating, Expired, Expired]),
            (Some(5), Some(10), Some(20), [Revoked, Revoked, Revoked]),
            // Withdrawn is withdrawn, whatever the clocks of two machines say.
            (Some(15), None, None, [Revoked, Revoked, Revoked]),
        ];
        for (revoked, expires, previous, states) in table {
            let term = Term {
                revoked_at: revoked.map(at),
                expires_at: expires.map(at),
                previous_until: previous.map(at),
            };
            assert_eq!([9, 10, 20].map(|second| term.state(at(second))), states, "{term:?}");
        }
        assert_eq!(
            [Active, Rotating, Expired, Revoked].map(KeyState::is_good),
            [true, true, false, false]
        );
    }

    #[test]
    fn a_key_bound_to_nothing_is_used_from_anywhere() {
        let ip = |text: &str| text.parse().unwrap();
        let bound: [Prefix; 2] = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
        for (address, inside) in [("10.1.1.1", true), ("2001:db8::1", true), ("11.1.1.1", false)] {
            assert_eq!(admits(&bound, ip(address)), inside, "{address}");
            assert!(admits(&[], ip(address)));
        }
    }
}
