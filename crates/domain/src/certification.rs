//! The papers of a product: its certificate, its licence, the report of its test, and how long it
//! is meant to serve. They are of the model, not of one unit.

use jiff::civil::Date;

/// Days before the end of a certificate from which on somebody should see to the next one.
pub const EXPIRING_DAYS: i32 = 90;

/// How the body that gave a certificate says it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateStatus {
    /// In force (有效).
    Valid,
    /// Suspended (暂停).
    Suspended,
    /// Withdrawn or cancelled (撤销, 注销).
    Withdrawn,
}

impl CertificateStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Suspended, Self::Withdrawn];

    /// The word in files, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspended => "suspended",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// The papers of a product besides the number of its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certification {
    /// Who gave the certificate, empty when not said.
    pub body: String,
    /// First day of the certificate.
    pub from_on: Option<Date>,
    /// Last day of the certificate.
    pub to_on: Option<Date>,
    /// What its body says of it; nothing when not said.
    pub status: Option<CertificateStatus>,
    /// Number of the production licence, empty when none applies.
    pub licence: String,
    /// Number or address of the test report, empty when not said.
    pub test_report: String,
    /// Months from production that the maker recommends it be used, when said.
    pub service_months: Option<u16>,
}

impl Certification {
    /// Whether its days can be: the last is none before the first.
    ///
    /// # Errors
    /// What is wrong with the last day.
    pub fn is_in_order(&self) -> Result<(), &'static str> {
        let reversed = self.from_on.zip(self.to_on).is_some_and(|(from, to)| to < from);
        if reversed { Err("lies before certificate_from_on") } else { Ok(()) }
    }
}

/// How a certificate stands on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In force.
    Current,
    /// In force for at most [`EXPIRING_DAYS`] more.
    Expiring {
        /// Days left after this one: 0 on the last.
        days_left: i32,
    },
    /// Its first day is still to come.
    NotYet,
    /// Its last day has passed.
    Expired,
    /// Its body suspended or withdrew it.
    Lost,
    /// There is no number, or no last day is known.
    Unknown,
}

impl Standing {
    /// The word in replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Expiring { .. } => "expiring",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

impl Certification {
    /// How the certificate of this number stands on a day.
    pub fn standing(&self, number: &str, on: Date) -> Standing {
        if number.is_empty() {
            return Standing::Unknown;
        }
        if matches!(self.status, Some(CertificateStatus::Suspended | CertificateStatus::Withdrawn))
        {
            return Standing::Lost;
        }
        if self.from_on.is_some_and(|first| on < first) {
            return Standing::NotYet;
        }
        let Some(last) = self.to_on else { return Standing::Unknown };
        if last < on {
            return Standing::Expired;
        }
        let hours = last.duration_since(on).as_hours();
        let days_left = i32::try_from(hours / 24).unwrap_or(i32::MAX);
        if days_left <= EXPIRING_DAYS {
            return Standing::Expiring { days_left };
        }
        Standing::Current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_certificate_stands_by_its_days_and_its_status() {
        let papers = Certification {
            from_on: Some(date(2026, 3, 1)),
            to_on: Some(date(2027, 2, 28)),
            ..Certification::default()
        };
        let at = |on| papers.standing("2026", on);
        assert_eq!(at(date(2026, 2, 28)), Standing::NotYet);
        assert_eq!(at(date(2026, 3, 1)), Standing::Current);
        assert_eq!(at(date(2026, 11, 29)), Standing::Current);
        assert_eq!(at(date(2026, 11, 30)), Standing::Expiring { days_left: 90 });
        assert_eq!(at(date(2027, 2, 28)), Standing::Expiring { days_left: 0 });
        assert_eq!(at(date(2027, 3, 1)), Standing::Expired);
        assert_eq!(papers.standing("", date(2026, 6, 1)), Standing::Unknown);
        let open = Certification { to_on: None, ..papers.clone() };
        assert_eq!(open.standing("2026", date(2026, 6, 1)), Standing::Unknown);
        for status in [CertificateStatus::Suspended, CertificateStatus::Withdrawn] {
            let lost = Certification { status: Some(status), ..papers.clone() };
            assert_eq!(lost.standing("2026", date(2026, 6, 1)), Standing::Lost);
            assert_eq!(CertificateStatus::parse(status.as_str()), Some(status));
        }
    }
}
