//! What a report may hold: named maxima and alphabets, the same by whatever way it comes in.

use super::{Report, Signals};
use crate::flows::verify::QUERY_CHARS_MAX;
use domain::refusal::Refused;
use std::ops::RangeInclusive;

/// Longest fingerprint, in characters.
const FINGERPRINT_CHARS_MAX: usize = 512;
/// Longest short word: a store code, a zone, a region.
const WORD_CHARS_MAX: usize = 64;
/// Longest attestation, in bytes of its JSON text.
const ATTESTATION_BYTES_MAX: usize = 2_048;
/// Widest uncertainty of a position: a quarter of the way around the earth.
const RADIUS_M_MAX: f64 = 1e7;

impl Report {
    /// Whether every field is within its bounds. A report is judged once, when it comes: one that
    /// waited for its unit is replayed as it was kept.
    ///
    /// # Errors
    /// [`domain::refusal::Refusal::InvalidField`], naming the field as the API names it.
    pub fn check(&self) -> Result<(), Refused> {
        bounded("identifier.value", Some(&self.value), QUERY_CHARS_MAX)?;
        bounded("device_fingerprint", self.fingerprint.as_deref(), FINGERPRINT_CHARS_MAX)?;
        self.signals.check()
    }
}

impl Signals {
    fn check(&self) -> Result<(), Refused> {
        network("signals.serving_mcc", self.serving_mcc.as_deref())?;
        network("signals.sim_mcc", self.sim_mcc.as_deref())?;
        for (field, word) in [
            ("signals.store_code", &self.store_code),
            ("signals.shipping_region", &self.shipping_region),
            ("signals.time_zone", &self.time_zone),
        ] {
            bounded(field, word.as_deref(), WORD_CHARS_MAX)?;
        }
        if !matches!(self.access.as_deref(), None | Some("fixed" | "wifi" | "cellular")) {
            return Err(Refused::invalid("signals.access", "must be fixed, wifi or cellular"));
        }
        if self.attestation.as_ref().is_some_and(|text| text.len() > ATTESTATION_BYTES_MAX) {
            let why = format!("at most {ATTESTATION_BYTES_MAX} bytes");
            return Err(Refused::invalid("signals.attestation", why));
        }
        let Some((lat, lon, radius_m, _)) = self.gps else { return Ok(()) };
        within("signals.gps.lat", lat, -90.0..=90.0)?;
        within("signals.gps.lon", lon, -180.0..=180.0)?;
        within("signals.gps.radius_m", radius_m, 0.0..=RADIUS_M_MAX)
    }
}

/// A text of at most so many characters without control characters.
fn bounded(field: &'static str, text: Option<&str>, most: usize) -> Result<(), Refused> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().count() > most {
        return Err(Refused::invalid(field, format!("at most {most} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refused::invalid(field, "must not hold control characters"));
    }
    Ok(())
}

/// The code of a mobile network: of its country, or with the network's own digits behind it.
fn network(field: &'static str, text: Option<&str>) -> Result<(), Refused> {
    let good = |t: &str| (3..=6).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if text.is_none_or(good) {
        return Ok(());
    }
    Err(Refused::invalid(field, "must be 3 to 6 digits"))
}

/// A number within its range; what is no number is in none.
fn within(field: &'static str, value: f64, range: RangeInclusive<f64>) -> Result<(), Refused> {
    if range.contains(&value) {
        return Ok(());
    }
    let why = format!("must be {} to {}", range.start(), range.end());
    Err(Refused::invalid(field, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Report)) -> Option<String> {
        let mut report = Report {
            scheme: "sn".to_owned(),
            value: "SN0001".to_owned(),
            happened_at: 0,
            offset_minutes: 0,
            fingerprint: Some("x".repeat(512)),
            signals: Signals {
                gps: Some((-90.0, 180.0, 1e7, true)),
                serving_mcc: Some("46000".to_owned()),
                access: Some("wifi".to_owned()),
                time_zone: Some("亚".repeat(64)),
                attestation: Some("x".repeat(2_048)),
                ..Signals::default()
            },
        };
        change(&mut report);
        report.check().err().map(|refused| refused.field.into_owned())
    }

    #[test]
    fn what_lies_within_the_bounds_is_taken() {
        assert_eq!(refused(|_| {}), None);
        assert_eq!(refused(|r| r.signals = Signals::default()), None);
        assert_eq!(refused(|r| r.fingerprint = None), None);
    }

    #[test]
    fn what_lies_outside_names_its_field_as_the_api_does() {
        let gps = |lat, lon, metres| refused(|r| r.signals.gps = Some((lat, lon, metres, false)));
        let long = || Some("x".repeat(65));
        for (found, field) in [
            (refused(|r| r.value = "9".repeat(129)), "identifier.value"),
            (refused(|r| r.value = "SN\u{7}".to_owned()), "identifier.value"),
            (refused(|r| r.fingerprint = Some("x".repeat(513))), "device_fingerprint"),
            (refused(|r| r.fingerprint = Some("a\nb".to_owned())), "device_fingerprint"),
            (gps(f64::NAN, 0.0, 5.0), "signals.gps.lat"),
            (gps(91.0, 0.0, 5.0), "signals.gps.lat"),
            (gps(0.0, f64::NAN, 5.0), "signals.gps.lon"),
            (gps(0.0, -180.1, 5.0), "signals.gps.lon"),
            (gps(45.0, 90.0, -1.0), "signals.gps.radius_m"),
            (gps(45.0, 90.0, f64::INFINITY), "signals.gps.radius_m"),
            (refused(|r| r.signals.serving_mcc = Some("abc".into())), "signals.serving_mcc"),
            (refused(|r| r.signals.sim_mcc = Some("4600000".into())), "signals.sim_mcc"),
            (refused(|r| r.signals.store_code = long()), "signals.store_code"),
            (refused(|r| r.signals.store_code = Some("\u{1b}[2J".into())), "signals.store_code"),
            (refused(|r| r.signals.shipping_region = long()), "signals.shipping_region"),
            (refused(|r| r.signals.time_zone = long()), "signals.time_zone"),
            (refused(|r| r.signals.access = Some("satellite".into())), "signals.access"),
            (refused(|r| r.signals.attestation = Some("x".repeat(2_049))), "signals.attestation"),
        ] {
            assert_eq!(found.as_deref(), Some(field));
        }
    }
}
