//! How a unit stands: inspected, recalled, stolen. Facts come in any order, and the last one by the
//! time it happened counts, not the last that was told: a paper of last week does not clear a unit
//! that was stolen yesterday. What is outdated when it is told stays in the record as history.

use crate::activation::CLOCK_LEEWAY;
use jiff::Timestamp;

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// A quality inspection: each says all there is to say.
    Inspection,
    /// A recall by the unit's own number.
    Recall,
    /// A theft.
    Theft,
}

/// A fact about how a unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// About what.
    pub matter: Matter,
    /// When it happened.
    pub at: Timestamp,
    /// Whether it ends what another began: a recall lifted, a device found again.
    pub ends: bool,
}

impl Said {
    /// What a production record says of the inspection. A line looks at a unit a moment before the
    /// instant it calls its production, and tells of it by another clock: within what clocks may
    /// differ by, a look comes after the record.
    pub fn made(produced_at: Timestamp) -> Self {
        let at = produced_at.saturating_sub(CLOCK_LEEWAY).unwrap_or(produced_at);
        Self { matter: Matter::Inspection, at, ends: false }
    }
}

/// Whether a fact says nothing of how the unit stands now: one that happened later says otherwise.
/// A second theft or recall says the same as the first, and the earlier of the two is its start.
pub fn is_outdated(said: Said, known: impl IntoIterator<Item = Said>) -> bool {
    let otherwise = |other: &Said| said.matter == Matter::Inspection || other.ends != said.ends;
    known
        .into_iter()
        .filter(|other| other.matter == said.matter && other.at > said.at)
        .any(|other| otherwise(&other))
}

/// Since when something was so at an instant, by facts in the order in which they were told; none
/// where it had not begun, or was over.
pub fn since(
    matter: Matter,
    at: Timestamp,
    known: impl IntoIterator<Item = Said>,
) -> Option<Timestamp> {
    let mut by_then: Vec<_> =
        known.into_iter().filter(|said| said.matter == matter && said.at <= at).collect();
    by_then.sort_by_key(|said| said.at);
    by_then.iter().fold(None, |since, said| if said.ends { None } else { since.or(Some(said.at)) })
}

/// What was found of a unit at an instant: by the last inspection until then, in the order in which
/// they were told, its production record among them (when it was produced, and what that says).
/// Before all of them it was what it was made as.
pub fn found_at<'a>(
    at: Timestamp,
    made: Option<(Timestamp, &'a str)>,
    inspections: impl IntoIterator<Item = (Timestamp, &'a str)>,
) -> Option<&'a str> {
    let record = made.map(|(produced_at, found)| (Said::made(produced_at).at, found));
    let by_then = record.into_iter().chain(inspections).filter(|(since, _)| *since <= at);
    let last = by_then.max_by_key(|(since, _)| *since).or(made);
    last.map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A matter, when in seconds, and whether it ends it.
    type Fact = (Matter, i64, bool);

    fn said((matter, at, ends): Fact) -> Said {
        Said { matter, at: Timestamp::from_second(at).unwrap(), ends }
    }

    #[test]
    fn what_happened_last_counts_whatever_was_told_last() {
        use Matter::{Inspection, Recall, Theft};
        let outdated =
            |new, known: &[Fact]| is_outdated(said(new), known.iter().copied().map(said));
        // New, known, whether it is outdated.
        let cases: &[(Fact, &[Fact], bool)] = &[
            ((Theft, 10, false), &[], false),
            ((Theft, 5, true), &[(Theft, 10, false)], true),
            ((Theft, 10, true), &[(Theft, 10, false)], false),
            ((Theft, 12, true), &[(Theft, 10, false)], false),
            // Found again before anybody had told that it was stolen.
            ((Theft, 10, false), &[(Theft, 12, true)], true),
            // Stolen already: since then, or since before.
            ((Theft, 8, false), &[(Theft, 10, false)], false),
            ((Theft, 8, false), &[(Theft, 9, true), (Theft, 10, false)], true),
            ((Recall, 5, true), &[(Theft, 10, false)], false),
            ((Recall, 2, true), &[(Recall, 3, false)], true),
            ((Inspection, 5, false), &[(Inspection, 10, false)], true),
            ((Inspection, 10, false), &[(Inspection, 10, false)], false),
            ((Inspection, 5, false), &[(Theft, 10, true)], false),
        ];
        for (new, known, expected) in cases {
            assert_eq!(outdated(*new, known), *expected, "{new:?} beside {known:?}");
        }
    }

    #[test]
    fn what_was_so_at_an_instant_is_told_whatever_came_of_it() {
        let known = [(10, false), (12, false), (15, true), (20, false)];
        let facts = || known.map(|(at, ends)| said((Matter::Theft, at, ends)));
        let second = |at| Timestamp::from_second(at).unwrap();
        for (at, expected) in
            [(9, None), (10, Some(10)), (14, Some(10)), (15, None), (21, Some(20))]
        {
            let found = since(Matter::Theft, second(at), facts());
            assert_eq!(found, expected.map(second), "at {at}");
            // In whatever order they are told.
            let mut told = facts();
            told.reverse();
            assert_eq!(since(Matter::Theft, second(at), told), found, "at {at}");
        }
        assert_eq!(since(Matter::Recall, second(30), facts()), None);
    }

    #[test]
    fn the_last_inspection_by_then_says_what_was_found() {
        let second = |at| Timestamp::from_second(at).unwrap();
        let looks = [(second(20), "hold"), (second(10), "fail"), (second(20), "pass")];
        let found = |at, made: Option<(i64, &'static str)>| {
            found_at(second(at), made.map(|(at, found)| (second(at), found)), looks)
        };
        assert_eq!(found(9, Some((5, "pass"))), Some("pass"), "as it was made");
        assert_eq!(found(9, None), None);
        assert_eq!(found(19, Some((5, "pass"))), Some("fail"));
        assert_eq!(found(20, None), Some("pass"), "of one instant the last told");
        // A look of the line precedes the record by a moment, and no more.
        assert_eq!(found(9, Some((620, "hold"))), Some("hold"), "before any look");
        assert_eq!(found(19, Some((620, "hold"))), Some("fail"));
        assert_eq!(found(700, Some((620, "hold"))), Some("pass"));
        assert_eq!(found(700, Some((621, "hold"))), Some("hold"));
    }

    #[test]
    fn a_look_from_before_production_is_outdated_by_its_record() {
        let made = Said::made(Timestamp::from_second(1_000).unwrap());
        let outdated = |new| is_outdated(said(new), [made]);
        for (at, expected) in [(0, true), (399, true), (400, false), (999, false), (2_000, false)] {
            assert_eq!(outdated((Matter::Inspection, at, false)), expected, "at {at}");
        }
        assert!(!outdated((Matter::Recall, 0, false)) && !outdated((Matter::Theft, 0, true)));
        let earliest = Said::made(Timestamp::MIN);
        assert_eq!(earliest.at, Timestamp::MIN);
    }

    fn look((at, found): &(i64, String)) -> (Timestamp, &str) {
        (Timestamp::from_second(*at).unwrap(), found.as_str())
    }

    proptest! {
        /// The projection passes over what is outdated as it is told; whoever asks later reads all.
        #[test]
        fn what_a_unit_stands_as_is_the_last_that_was_found(
            made in proptest::option::of((0_i64..2_000, "pass|fail|hold")),
            looks in proptest::collection::vec((-500_i64..2_500, "pass|fail|hold"), 0..8),
        ) {
            let made = made.as_ref().map(look);
            let looks: Vec<_> = looks.iter().map(look).collect();
            let mut known: Vec<_> = made.map(|(at, _)| Said::made(at)).into_iter().collect();
            let mut stands = made.map(|(_, found)| found);
            for (at, found) in &looks {
                let new = Said { matter: Matter::Inspection, at: *at, ends: false };
                if !is_outdated(new, known.iter().copied()) {
                    stands = Some(*found);
                }
                known.push(new);
            }
            prop_assert_eq!(found_at(Timestamp::MAX, made, looks), stands);
        }
    }
}
