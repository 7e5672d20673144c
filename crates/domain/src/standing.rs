//! How a unit stands: inspected, recalled, stolen. Facts come in any order, and the last one by the
//! time it happened counts, not the last that was told: a paper of last week does not clear a unit
//! that was stolen yesterday. What is told too late to count stays in the record as history.

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

/// Whether a fact says nothing of how the unit stands now: one that happened later says otherwise.
/// A second theft or recall says the same as the first, and the earlier of the two is its start.
pub fn is_late(said: Said, known: impl IntoIterator<Item = Said>) -> bool {
    let otherwise = |other: &Said| said.matter == Matter::Inspection || other.ends != said.ends;
    known
        .into_iter()
        .filter(|other| other.matter == said.matter && other.at > said.at)
        .any(|other| otherwise(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matter, when in seconds, and whether it ends it.
    type Fact = (Matter, i64, bool);

    fn said((matter, at, ends): Fact) -> Said {
        Said { matter, at: Timestamp::from_second(at).unwrap(), ends }
    }

    #[test]
    fn what_happened_last_counts_whatever_was_told_last() {
        use Matter::{Inspection, Recall, Theft};
        let late = |new, known: &[Fact]| is_late(said(new), known.iter().copied().map(said));
        // New, known, whether it comes too late to count.
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
            assert_eq!(late(*new, known), *expected, "{new:?} beside {known:?}");
        }
    }
}
