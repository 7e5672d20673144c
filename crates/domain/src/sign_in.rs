//! Signing in: how a name is written, how long wrong tries make wait, how long a session lasts.

use crate::text::TextProblem;
use jiff::{SignedDuration, Timestamp};

/// Most characters of a sign-in name.
pub const SIGN_IN_NAME_CHARS_MAX: usize = 64;
/// A session that is not used for so long is over.
pub const IDLE_MAX: SignedDuration = SignedDuration::from_hours(12);
/// A session is over after so long, used or not.
pub const SESSION_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);
/// An invitation is open for so long.
pub const INVITATION_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A link that sets up a deployment, or signs in once, is good for so long.
pub const LINK_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Between the password and the second factor.
pub const STEP_MAX: SignedDuration = SignedDuration::from_mins(5);
/// Wrong tries are forgotten after so long without another.
pub const FAILURES_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Wrong tries in a row that make nobody wait, for one account.
pub const ACCOUNT_FREE: i64 = 5;
/// The same for one address: an office holds many people.
pub const ADDRESS_FREE: i64 = 20;
/// Brands that sign up from one address within a day before the next one waits.
pub const SIGN_UPS_FREE: i64 = 3;
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// How long one waits after so many wrong tries in a row: not at all while they are free, then a
/// minute, which doubles with each up to an hour.
pub fn wait_after(failures: i64, free: i64) -> SignedDuration {
    let beyond = failures - free;
    if beyond < 0 {
        return SignedDuration::ZERO;
    }
    let doublings = u32::try_from(beyond).unwrap_or(u32::MAX).min(6);
    (FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT)
}

/// Whether a session is still good.
pub fn is_live(used_at: Timestamp, expires_at: Timestamp, now: Timestamp) -> bool {
    now < expires_at && now < used_at + IDLE_MAX
}

/// The name somebody signs in with, as it is compared: without outer spaces, in lower case.
///
/// # Errors
/// It is empty, too long, or holds control characters.
pub fn name(raw: &str) -> Result<String, TextProblem> {
    let name = crate::text::required(raw, SIGN_IN_NAME_CHARS_MAX)?;
    Ok(name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour() {
        let minutes = |failures| wait_after(failures, 5).as_mins();
        let found: Vec<_> = [0, 4, 5, 6, 7, 10, 11, 12, 1_000_000].map(minutes).into();
        assert_eq!(found, [0, 0, 1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(wait_after(i64::MAX, 5), LONGEST_WAIT);
    }

    #[test]
    fn a_session_ends_idle_or_old() {
        let at = |hours: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let end = at(14 * 24);
        assert!(is_live(at(0), end, at(11)));
        assert!(!is_live(at(0), end, at(12)));
        assert!(is_live(at(330), end, at(335)));
        assert!(!is_live(at(335), end, at(336)));
    }

    #[test]
    fn a_name_is_compared_without_case_and_outer_spaces() {
        assert_eq!(name("  Li.Wei@Example.CN "), Ok("li.wei@example.cn".to_owned()));
        assert!(name(" ").is_err() && name("a\u{0}b").is_err());
        assert!(name(&"x".repeat(65)).is_err());
    }
}
