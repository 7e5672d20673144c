//! Registration: what a consumer's word is worth. Whoever shows one of three proofs is bound to the
//! unit; the day of purchase they state is another matter. It moves the start of the guarantee only
//! when the unit itself was in their hands and the day can be true; a number that anybody may type
//! is no evidence of a date.

use jiff::civil::Date;

/// What a consumer showed when registering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The scratch code: the unit is in their hands.
    Scratch,
    /// The last digits of the IMEI, read from its screen.
    Imei4,
    /// The number of an invoice, which nobody has looked up.
    Invoice,
}

impl Proof {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Imei4 => "imei4",
            Self::Invoice => "invoice",
        }
    }

    /// Whether only somebody with the unit in hand can give it.
    const fn shows_the_unit(self) -> bool {
        matches!(self, Self::Scratch | Self::Imei4)
    }
}

/// A day of purchase as a consumer states it, and what it must fit.
#[derive(Clone, Copy, Debug)]
pub struct Stated {
    /// What was shown.
    pub proof: Proof,
    /// The day stated.
    pub purchased_on: Date,
    /// Today.
    pub today: Date,
    /// When the unit was made, where known.
    pub produced_on: Option<Date>,
    /// The first activation of its present life.
    pub activated_on: Option<Date>,
    /// Whether the product reports its own first start.
    pub network_start: bool,
    /// A day of purchase already counts: the first one stands.
    pub dated: bool,
}

/// Whether the day starts the guarantee.
pub fn counts(stated: &Stated) -> bool {
    let Stated { purchased_on, today, produced_on, .. } = *stated;
    stated.proof.shows_the_unit()
        && !stated.dated
        && purchased_on <= today
        && produced_on.is_none_or(|made| made <= purchased_on)
        && fits(purchased_on, stated.activated_on, stated.network_start)
}

/// Whether a day of purchase fits the activation: what reports its own first start was bought by
/// then, so a later day cannot lengthen the guarantee. A report of that start may come later than
/// the registration; then the day no longer counts.
pub fn fits(purchased_on: Date, activated_on: Option<Date>, network_start: bool) -> bool {
    !network_start || activated_on.is_none_or(|activated| purchased_on <= activated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn what_a_stated_day_is_worth() {
        use Proof::{Imei4, Invoice, Scratch};
        let on = |day| date(2026, 6, day);
        // proof, purchased, produced, activated, reports its start, dated before; counts
        let cases = [
            (Scratch, 10, Some(1), Some(12), true, false, true),
            (Imei4, 10, Some(1), Some(12), true, false, true),
            (Invoice, 10, Some(1), Some(12), true, false, false),
            (Invoice, 14, Some(1), Some(12), true, false, false),
            (Invoice, 10, Some(1), None, false, false, false),
            (Scratch, 12, Some(1), Some(12), true, false, true),
            (Scratch, 13, Some(1), Some(12), true, false, false),
            (Scratch, 13, Some(1), Some(12), false, false, true),
            (Scratch, 13, Some(1), None, true, false, true),
            (Scratch, 1, Some(1), None, true, false, true),
            (Scratch, 1, Some(2), None, true, false, false),
            (Scratch, 1, None, None, true, false, true),
            (Scratch, 20, Some(1), None, false, false, true),
            (Scratch, 21, Some(1), None, false, false, false),
            (Scratch, 10, Some(1), Some(12), true, true, false),
        ];
        for case in cases {
            let (proof, purchased, produced, activated, network_start, dated, expected) = case;
            let stated = Stated {
                proof,
                purchased_on: on(purchased),
                today: on(20),
                produced_on: produced.map(on),
                activated_on: activated.map(on),
                network_start,
                dated,
            };
            assert_eq!(counts(&stated), expected, "{case:?}");
        }
    }
}
