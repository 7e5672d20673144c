//! A sale that somebody of the house has papers of: a shop that sold the unit, the desk that looks
//! at the invoice. What a consumer states is another matter, see [`crate::registration`].
//!
//! **Rule.** The day on a paper is the best evidence of the start (phone rule: the date of the
//! invoice), but a paper that is filed later never takes days from the consumer: where the
//! guarantee already runs from a sale or a first start, only a later day moves it. Days after the
//! first start come from display pieces and from whoever wants a longer guarantee, so the channel
//! leaves them to the brand and its service centres, who look at the paper itself.

use jiff::civil::Date;

use crate::party::PartyKind;
use crate::refusal::Refusal;

/// Which paper says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Paper {
    /// The invoice (发票): the day it was written.
    Invoice,
    /// The receipt of the sale or of the delivery: the day the consumer had the unit.
    Delivery,
}

impl Paper {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Invoice, Self::Delivery];

    /// The word in the ledger and in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Delivery => "delivery",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|paper| paper.as_str() == word)
    }
}

/// A paper somebody files about a unit, and what is known of that unit.
#[derive(Clone, Copy, Debug)]
pub struct Filed {
    /// The day on the paper.
    pub sold_on: Date,
    /// When the unit was made, where known.
    pub produced_on: Option<Date>,
    /// When its present life opened, where that is not its first.
    pub opened_on: Option<Date>,
    /// The first activation of its present life.
    pub activated_on: Option<Date>,
    /// From when its guarantee runs by a sale or a first start; not by when it left the factory,
    /// which stands in for papers that are lost.
    pub starts_on: Option<Date>,
    /// Who files it.
    pub by: PartyKind,
}

/// Whether the day starts the guarantee, or is kept beside it.
///
/// # Errors
/// [`Refusal::BeforeProduction`]; [`Refusal::NotAllowed`] where the channel names a day after the
/// first start.
pub fn counts(filed: &Filed) -> Result<bool, Refusal> {
    let Filed { sold_on, .. } = *filed;
    if filed.produced_on.is_some_and(|made| sold_on < made) {
        return Err(Refusal::BeforeProduction);
    }
    let sees_papers = matches!(filed.by, PartyKind::Brand | PartyKind::ServiceCentre);
    if !sees_papers && filed.activated_on.is_some_and(|started| sold_on > started) {
        return Err(Refusal::NotAllowed);
    }
    // What was sold before is not what was sold now.
    let of_this_life = filed.opened_on.is_none_or(|opened| sold_on >= opened);
    Ok(of_this_life && filed.starts_on.is_none_or(|start| sold_on >= start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn words_are_read_back() {
        for paper in Paper::ALL {
            assert_eq!(Paper::parse(paper.as_str()), Some(paper));
        }
        assert_eq!(Paper::parse("receipt"), None);
    }

    #[test]
    fn what_a_paper_is_worth() {
        let on = |day| date(2026, 6, day);
        let (shop, desk) = (PartyKind::Shop, PartyKind::ServiceCentre);
        // sold, produced, activated, starts, by; worth
        let cases = [
            (10, Some(1), None, None, shop, Ok(true)),
            (1, Some(1), None, None, shop, Ok(true)),
            (10, None, None, None, shop, Ok(true)),
            (10, Some(11), None, None, shop, Err(Refusal::BeforeProduction)),
            // Sold before its first start, filed after it: the later start stands.
            (10, Some(1), Some(12), Some(12), shop, Ok(false)),
            (12, Some(1), Some(12), Some(12), shop, Ok(true)),
            // A display piece.
            (20, Some(1), Some(12), Some(12), shop, Err(Refusal::NotAllowed)),
            (20, Some(1), Some(12), Some(12), desk, Ok(true)),
            (20, Some(1), Some(12), Some(12), PartyKind::Brand, Ok(true)),
            (20, Some(21), Some(12), Some(12), desk, Err(Refusal::BeforeProduction)),
            // A consumer stated a day before.
            (10, Some(1), None, Some(11), desk, Ok(false)),
        ];
        for (sold, produced, activated, starts, by, worth) in cases {
            let filed = Filed {
                sold_on: on(sold),
                produced_on: produced.map(on),
                opened_on: None,
                activated_on: activated.map(on),
                starts_on: starts.map(on),
                by,
            };
            assert_eq!(counts(&filed), worth, "{filed:?}");
        }
    }

    #[test]
    fn a_paper_of_an_earlier_life_starts_nothing() {
        let on = |day| date(2026, 6, day);
        for (sold, worth) in [(9, false), (10, true), (11, true)] {
            let filed = Filed {
                sold_on: on(sold),
                produced_on: Some(on(1)),
                opened_on: Some(on(10)),
                activated_on: None,
                starts_on: None,
                by: PartyKind::Brand,
            };
            assert_eq!(counts(&filed), Ok(worth), "{sold}");
        }
    }

    proptest! {
        #[test]
        fn no_paper_takes_days_from_anybody(
            sold in 1_i8..=28, starts in 1_i8..=28, brand in any::<bool>(),
        ) {
            let on = |day| date(2026, 6, day);
            let by = if brand { PartyKind::Brand } else { PartyKind::Tier2 };
            let filed = Filed {
                sold_on: on(sold),
                produced_on: None,
                opened_on: None,
                activated_on: None,
                starts_on: Some(on(starts)),
                by,
            };
            prop_assert_eq!(counts(&filed), Ok(sold >= starts));
        }
    }
}
