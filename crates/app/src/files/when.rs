//! Instants and dates as people and spreadsheets write them.
//!
//! Year first, always: `2026-05-20`, `2026/5/20`; for instants a time behind a `T` or a space, to
//! the minute or finer; with an offset or without. What has no offset is in the brand's time zone.

use domain::when::When;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

/// First year accepted: before it dates come from clocks that were never set.
const YEAR_MIN: i16 = 1970;
/// Last year accepted.
const YEAR_MAX: i16 = 2199;
/// Longest text looked at: `2026-05-20T08:00:00.000000000+08:00` and some.
const TEXT_BYTES_MAX: usize = 40;

/// An instant, and the offset from UTC it was told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// When.
    pub at: Timestamp,
    /// Minutes east of UTC of the sender's clock.
    pub offset_minutes: i32,
    /// Where a day alone was told, the first instant after it; `at` is then its midnight.
    pub day_end: Option<Timestamp>,
}

impl Instant {
    /// What was told, as the rules take it.
    pub fn when(self) -> When {
        let when = self.day_end.map_or(When::at(self.at), |end| When::in_day(self.at, end));
        when.told_in(self.offset_minutes)
    }
}

const INSTANT_FORM: &str =
    "must be a date and time such as 2026-05-20T08:00:00+08:00, 2026-05-20 08:00 or 2026/5/20 8:00";
const DATE_FORM: &str = "must be a date such as 2026-05-20";
const NO_SUCH_DATE: &str = "no such date: year 1970-2199, a month and a day that it has";
const NO_SUCH_TIME: &str = "no such time: hours 0-23, minutes and seconds 0-59, offset to 23:59";

/// Reads an instant: RFC 3339, or without offset in `zone`; a date alone is a day. Where
/// clocks were put forward or back, the offset before the change counts.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn read_instant(raw: &str, zone: &TimeZone) -> Result<Instant, &'static str> {
    let raw = raw.trim();
    if raw.len() > TEXT_BYTES_MAX || !raw.is_ascii() {
        return Err(INSTANT_FORM);
    }
    let (date, clock) = match raw.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, Some(clock.trim_start())),
        None => (raw, None),
    };
    let date = date_of(date, INSTANT_FORM)?;
    let (time, offset) = match clock.map(split_offset).transpose()? {
        Some((time, offset)) => (time_of(time)?, offset),
        None => (Time::midnight(), None),
    };
    let civil = date.to_datetime(time);
    if let Some(minutes) = offset {
        let offset = Offset::from_seconds(minutes * 60).map_err(|_| NO_SUCH_TIME)?;
        let at = offset.to_timestamp(civil).map_err(|_| NO_SUCH_DATE)?;
        return Ok(Instant { at, offset_minutes: minutes, day_end: None });
    }
    let at = zone.to_timestamp(civil).map_err(|_| NO_SUCH_DATE)?;
    let next = || zone.to_timestamp(date.tomorrow().ok()?.to_datetime(Time::midnight())).ok();
    let day_end = if clock.is_none() { next() } else { None };
    Ok(Instant { at, offset_minutes: zone.to_offset(at).seconds() / 60, day_end })
}

/// Reads a day.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn read_date(raw: &str) -> Result<Date, &'static str> {
    date_of(raw.trim(), DATE_FORM)
}

fn date_of(text: &str, form: &'static str) -> Result<Date, &'static str> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form);
    };
    let year = digits(year, 4, 4).ok_or(form)?;
    let month = digits(month, 1, 2).ok_or(form)?;
    let day = digits(day, 1, 2).ok_or(form)?;
    let date = Date::new(year as i16, month as i8, day as i8).map_err(|_| NO_SUCH_DATE)?;
    if (YEAR_MIN..=YEAR_MAX).contains(&date.year()) { Ok(date) } else { Err(NO_SUCH_DATE) }
}

/// `H:MM`, `HH:MM:SS`, `HH:MM:SS.fff`.
fn time_of(text: &str) -> Result<Time, &'static str> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':');
    let (Some(hour), Some(minute), second, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(INSTANT_FORM);
    };
    let hour = digits(hour, 1, 2).ok_or(INSTANT_FORM)?;
    let minute = digits(minute, 2, 2).ok_or(INSTANT_FORM)?;
    let seconds = second.map_or(Some(0), |second| digits(second, 2, 2)).ok_or(INSTANT_FORM)?;
    let nanos = match fraction {
        None => 0,
        Some(_) if second.is_none() => return Err(INSTANT_FORM),
        Some(fraction) => {
            let value = digits(fraction, 1, 9).ok_or(INSTANT_FORM)?;
            value * 10_i32.pow(9 - fraction.len() as u32)
        }
    };
    Time::new(hour as i8, minute as i8, seconds as i8, nanos).map_err(|_| NO_SUCH_TIME)
}

/// Cuts `Z`, `+08:00`, `+0800` or `+08` off the end of a time, as minutes east.
fn split_offset(text: &str) -> Result<(&str, Option<i32>), &'static str> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Ok((time, Some(0)));
    }
    let Some(at) = text.find(['+', '-']) else { return Ok((text, None)) };
    let (time, offset) = text.split_at(at);
    let (sign, offset) = offset.split_at(1);
    let (hours, minutes) = match (offset.split_once(':'), offset.len()) {
        (Some(parts), _) => parts,
        (None, 4) => offset.split_at(2),
        (None, _) => (offset, "00"),
    };
    let hours = digits(hours, 2, 2).ok_or(INSTANT_FORM)?;
    let minutes = digits(minutes, 2, 2).ok_or(INSTANT_FORM)?;
    if hours > 23 || minutes > 59 {
        return Err(NO_SUCH_TIME);
    }
    let total = hours * 60 + minutes;
    Ok((time.trim_end(), Some(if sign == "-" { -total } else { total })))
}

/// A run of `min` to `max` (nine at most) ASCII digits.
fn digits(text: &str, min: usize, max: usize) -> Option<i32> {
    let fits = (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn one_instant_in_every_spelling() {
        let eight: Timestamp = "2026-05-20T00:00:00Z".parse().unwrap();
        for (raw, offset) in [
            ("2026-05-20T08:00:00+08:00", 480),
            ("2026-05-20T08:00:00.000+0800", 480),
            ("2026-05-20 08:00+08", 480),
            ("2026-05-20T00:00:00Z", 0),
            ("2026-05-19t20:00:00-04:00", -240),
            ("2026-05-20 08:00:00", 480),
            ("2026-05-20 08:00", 480),
            ("2026-05-20T08:00:00", 480),
            ("2026/05/20 08:00", 480),
            ("2026/5/20 8:00", 480),
            (" 2026/5/20  8:00:00 ", 480),
        ] {
            let read = read_instant(raw, &shanghai());
            assert_eq!(
                read,
                Ok(Instant { at: eight, offset_minutes: offset, day_end: None }),
                "{raw}"
            );
        }
        let midnight = read_instant("2026-05-20", &shanghai()).unwrap();
        assert_eq!(midnight.at.to_string(), "2026-05-19T16:00:00Z");
        assert_eq!(midnight.day_end.unwrap().to_string(), "2026-05-20T16:00:00Z");
        let half = read_instant("2026-05-20T08:00:00.5Z", &shanghai()).unwrap();
        assert_eq!(half.at.subsec_millisecond(), 500);
    }

    #[test]
    fn what_is_no_instant() {
        for raw in [
            "",
            "2026-13-40T00:00:00+08:00",
            "2026-02-29",
            "1900-01-00",
            "1904-01-01",
            "9999-12-31",
            "20260520",
            "20/05/2026",
            "2026-05/20",
            "2026-05-20T",
            "2026-05-20T08",
            "2026-05-20T24:00",
            "2026-05-20T08:60",
            "2026-05-20T08:00:00+24:00",
            "2026-05-20T08:00:00+8",
            "2026-05-20T08:00.5",
            "2026-05-20 08:00 PM",
            "昨天",
            "45797.33",
            "=NOW()",
        ] {
            assert!(read_instant(raw, &shanghai()).is_err(), "{raw}");
        }
        assert!(read_date("2026-05-20T08:00").is_err());
        assert_eq!(read_date("2026/1/2"), Ok(jiff::civil::date(2026, 1, 2)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(raw in "[-0-9/:TZ+. ]{0,30}|\\PC{0,40}") {
            let _ = read_instant(&raw, &TimeZone::UTC);
            let _ = read_date(&raw);
        }
    }
}
