//! When a report says it happened. No first start is refused for its clock: one that was never set
//! tells no time at all, and then the receipt counts.

use super::Report;
use crate::files::{Instant, read_instant};
use crate::flows::custody::instant;
use domain::activation::{self, ActivatedAt};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Reads the time of a start as any instant is read. What could be read but for its year comes from
/// a clock that was never set, or was set wrongly: it is [`Timestamp::MIN`], the time of no clock.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn read_happened_at(raw: &str, zone: &TimeZone) -> Result<Instant, &'static str> {
    read_instant(raw, zone).or_else(|why| {
        let in_our_time = in_another_year(raw.trim()).ok_or(why)?;
        let read = read_instant(&in_our_time, zone).map_err(|_| why)?;
        Ok(Instant { at: Timestamp::MIN, day_end: None, ..read })
    })
}

/// The same time in a year that can be read and has the same days.
fn in_another_year(raw: &str) -> Option<String> {
    let (year, rest) = raw.split_at_checked(4)?;
    let digits = year.bytes().all(|b| b.is_ascii_digit());
    let year = year.parse::<i16>().ok().filter(|_| digits)?;
    let is_leap = Date::new(year, 1, 1).ok()?.in_leap_year();
    Some(format!("{}{rest}", if is_leap { 2000 } else { 2001 }))
}

impl Report {
    /// When it says it happened; none where its clock tells no time.
    pub(super) fn told_at(&self) -> Option<Timestamp> {
        Some(instant(self.happened_at)).filter(|at| *at > Timestamp::MIN)
    }

    /// When it is held to have happened, given when it came and before what it cannot have
    /// happened: see [`activation::activated_at`].
    pub(super) fn held_at(
        &self,
        received_at: Timestamp,
        not_before: Option<Timestamp>,
    ) -> ActivatedAt {
        match self.told_at() {
            Some(told) => activation::activated_at(told, received_at, not_before),
            None => ActivatedAt { at: received_at, clock_believed: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::activate::Signals;

    fn report(happened_at: Timestamp) -> Report {
        Report {
            scheme: "sn".to_owned(),
            value: "SN0001".to_owned(),
            happened_at: happened_at.as_microsecond(),
            offset_minutes: 0,
            fingerprint: None,
            signals: Signals::default(),
        }
    }

    #[test]
    fn a_year_beyond_the_calendar_is_no_clock_and_no_fault() {
        let zone = TimeZone::get("Asia/Shanghai").expect("a zone");
        for (raw, offset) in [
            ("0001-01-01T00:00:00Z", 0),
            ("0000-02-29T00:00:00Z", 0),
            ("9999-12-31T23:59:59.999+08:00", 480),
            ("1904-01-01 00:00", 480),
            ("1969-12-31T23:59:59-05:00", -300),
            ("2200-01-01", 480),
        ] {
            let read = read_happened_at(raw, &zone).expect(raw);
            assert_eq!((read.at, read.offset_minutes), (Timestamp::MIN, offset), "{raw}");
            assert_eq!(report(read.at).told_at(), None, "{raw}");
        }
        let read = read_happened_at("2026-05-20T08:00:00+08:00", &zone).expect("an instant");
        assert_eq!(read_instant("2026-05-20T08:00:00+08:00", &zone), Ok(read));
        assert_eq!(report(read.at).told_at(), Some(read.at));
        for raw in [
            "",
            "yesterday",
            "0001-02-29T00:00:00Z",
            "0001-13-01T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "0001-01-01T00:00:00+24:00",
            "2026-02-30T00:00:00Z",
            "+001-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "昨天和今天",
        ] {
            let why = read_instant(raw, &zone).map(|_| ());
            assert_eq!(read_happened_at(raw, &zone).map(|_| ()), why, "{raw}");
            assert!(why.is_err(), "{raw}");
        }
    }

    #[test]
    fn a_start_without_a_clock_happened_when_it_was_received() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let received = at("2026-06-10T02:00:00Z");
        let made = Some(at("2026-05-20T00:00:00Z"));
        for produced_at in [None, made] {
            let held = report(Timestamp::MIN).held_at(received, produced_at);
            assert_eq!(held, ActivatedAt { at: received, clock_believed: false });
        }
        let told = at("2026-06-09T00:00:00Z");
        let held = report(told).held_at(received, made);
        assert_eq!(held, ActivatedAt { at: told, clock_believed: true });
    }
}
