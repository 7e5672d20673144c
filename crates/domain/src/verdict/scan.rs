//! When the scans of one code look like those of many copies.
//!
//! Scans prove nothing: a shelf sample is scanned all day in one shop, and a photographed code
//! travels. So what speaks is the spread over cities, the more when nobody could have carried the
//! thing from one to the other, and a mere count only together with some spread. All lead to
//! *check*, which asks for a look at the thing itself, never to a finding.
//!
//! Only consumers' scans count: a warehouse, a shop's staff or an official never spoils a
//! consumer's first scan. Counting, telling cities apart and finding journeys that none could have
//! made is the caller's.

use jiff::Timestamp;

/// The consumers' scans of one code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanSummary {
    /// Consumers' scans over all time.
    pub consumer_count: u64,
    /// The first of them.
    pub first_at: Option<Timestamp>,
    /// The last of them.
    pub last_at: Option<Timestamp>,
    /// Consumers' scans within the 24 hours up to the last one.
    pub day_count: u32,
    /// Distinct cities among those; a scan of unknown city counts for none.
    pub day_city_count: u32,
    /// Those of these cities that a look before or after, elsewhere, came too soon for any journey;
    /// of looks through lines known to be fixed.
    pub apart_city_count: u32,
    /// The fastest of such journeys.
    pub journey: Option<Journey>,
}

/// A way between two looks that nobody can have gone in the time between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journey {
    /// Great-circle distance of the two cities, whole kilometres.
    pub km: u32,
    /// Time between the two looks, minutes rounded up, so never zero.
    pub minutes: u32,
}

/// From where on scans are an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanPolicy {
    /// Names the thresholds; stored with what rested on them.
    pub version: &'static str,
    /// This many distinct cities within 24 hours are too many.
    pub day_city_count_min: u32,
    /// So many are when no journey leads from one to the next.
    pub apart_city_count_min: u32,
    /// More scans than this within 24 hours are too many…
    pub day_count_max: u32,
    /// …when they come from at least this many cities.
    pub day_count_city_count_min: u32,
}

impl ScanPolicy {
    /// The thresholds shipped; our own choice, no rule asks for them. Buyer, family, a friend asked
    /// by message and a mobile carrier that exits elsewhere make four cities in a day, so five are
    /// one too many. Of lines known to be fixed the carrier is none; a friend who was sent a
    /// picture makes two of them at once, so three that no journey joins are one too many. Thirty
    /// is more than one household scans in a day, and shelf samples, scanned up to some sixty
    /// times, stay in one city.
    pub const SHIPPED: Self = Self {
        version: "scan-2",
        day_city_count_min: 5,
        apart_city_count_min: 3,
        day_count_max: 30,
        day_count_city_count_min: 2,
    };

    /// Whether so many scans over all time can be an anomaly at all: most codes are looked at a few
    /// times, and nobody need find out when and where.
    pub const fn is_possible(&self, consumer_count: u64) -> bool {
        consumer_count >= self.day_city_count_min as u64
            || consumer_count >= self.apart_city_count_min as u64
            || consumer_count > self.day_count_max as u64
    }

    /// Whether looks from so many cities can be an anomaly: an owner looks again and again, but in
    /// one.
    pub const fn is_possible_from(&self, city_count: usize) -> bool {
        let cities = city_count as u64;
        cities >= self.day_city_count_min as u64
            || cities >= self.apart_city_count_min as u64
            || cities >= self.day_count_city_count_min as u64
    }

    /// What is wrong with the scans, if anything; the wider spread is the stronger evidence and is
    /// named first.
    pub const fn anomaly(&self, scans: &ScanSummary) -> Option<ScanAnomaly> {
        if scans.day_city_count >= self.day_city_count_min {
            Some(ScanAnomaly::ManyCities)
        } else if scans.apart_city_count >= self.apart_city_count_min {
            Some(ScanAnomaly::ImpossibleTravel)
        } else if scans.day_count > self.day_count_max
            && scans.day_city_count >= self.day_count_city_count_min
        {
            Some(ScanAnomaly::ManyScans)
        } else {
            None
        }
    }
}

impl Default for ScanPolicy {
    fn default() -> Self {
        Self::SHIPPED
    }
}

/// What is wrong with the scans of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanAnomaly {
    /// Too many cities in a day.
    ManyCities,
    /// Cities in a day between which nobody can have carried the thing.
    ImpossibleTravel,
    /// Too many scans in a day, from more than one city.
    ManyScans,
}

impl ScanAnomaly {
    /// The stable name used in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManyCities => "many_cities",
            Self::ImpossibleTravel => "impossible_travel",
            Self::ManyScans => "many_scans",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        let cases = [
            (0, 0, 0, None),
            (4, 4, 0, None),
            (5, 5, 0, Some(ScanAnomaly::ManyCities)),
            (30, 4, 0, None),
            (31, 4, 0, Some(ScanAnomaly::ManyScans)),
            (31, 2, 0, Some(ScanAnomaly::ManyScans)),
            (60, 1, 0, None), // a shelf sample
            (31, 0, 0, None), // no city is known
            (800, 40, 0, Some(ScanAnomaly::ManyCities)),
            (2, 2, 2, None), // a picture was sent to a friend
            (3, 3, 3, Some(ScanAnomaly::ImpossibleTravel)),
            (31, 3, 3, Some(ScanAnomaly::ImpossibleTravel)),
            (5, 5, 3, Some(ScanAnomaly::ManyCities)),
        ];
        for (day_count, day_city_count, apart_city_count, expected) in cases {
            let scans = ScanSummary {
                day_count,
                day_city_count,
                apart_city_count,
                ..ScanSummary::default()
            };
            let found = ScanPolicy::default().anomaly(&scans);
            assert_eq!(found, expected, "{day_count} in {day_city_count}");
            // Over all time there are no fewer.
            let possible = ScanPolicy::default().is_possible(day_count.into());
            assert!(possible || expected.is_none(), "{day_count}");
        }
        assert!(!ScanPolicy::default().is_possible(2) && ScanPolicy::default().is_possible(3));
    }

    #[test]
    fn a_long_life_is_no_anomaly() {
        let scans = ScanSummary { consumer_count: 10_000, ..ScanSummary::default() };
        assert_eq!(ScanPolicy::default().anomaly(&scans), None);
    }
}
