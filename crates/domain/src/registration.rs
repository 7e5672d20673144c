//! Registration: what a consumer's word is worth. Whoever shows one of three proofs is bound to the
//! unit, until somebody proves more: the first of equals stands, and a number that anybody may type
//! keeps nobody out who holds the unit. The day of purchase they state is another matter. It starts
//! the guarantee only when the unit itself was in their hands and the day can be true: nobody
//! bought what was not made yet, or had not left its maker. An invoice number is no evidence. What
//! one consumer stated gives way to what another states who proves more, as their registration
//! does; what papers of the house say gives way to no consumer. And it takes no days from a
//! guarantee that runs, whoever states it: the digits of an IMEI stand on the box, and no word of
//! one may cost another days. Of what reports its own first start, that start is the better
//! evidence, and a word of a consumer dates nothing.

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
    /// Every proof, the weakest first.
    pub const ALL: [Self; 3] = [Self::Invoice, Self::Imei4, Self::Scratch];

    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Imei4 => "imei4",
            Self::Invoice => "invoice",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == word)
    }

    /// Whether only somebody with the unit in hand can give it.
    const fn shows_the_unit(self) -> bool {
        match self {
            Self::Scratch | Self::Imei4 => true,
            Self::Invoice => false,
        }
    }

    /// Whether it takes the place of a registration that was made with that proof. What is not
    /// known to have been shown may have been anything, so nothing takes its place.
    pub const fn outweighs(self, shown: Option<Self>) -> bool {
        weight(Some(self)) > weight(shown)
    }
}

/// What was shown, as a number to compare.
const fn weight(shown: Option<Proof>) -> u8 {
    match shown {
        // Nobody has looked it up: whoever saw the code may have made it up.
        Some(Proof::Invoice) => 0,
        // It stands on the box too, and can be guessed among ten thousand.
        Some(Proof::Imei4) => 1,
        // It was under a coating that somebody has scratched off.
        Some(Proof::Scratch) => 2,
        None => 2,
    }
}

/// Which of the registrations of one life binds: that of the strongest proof, the earliest of
/// those. They come in the order they were recorded in, as what each showed; none where nobody
/// registered.
pub fn binding(shown: &[Option<Proof>]) -> Option<usize> {
    // Of equals the last one looked at is taken, so the earliest is looked at last.
    (0..shown.len()).rev().max_by_key(|place| weight(shown[*place]))
}

/// Which of them displaced one: the first after it that outweighs it.
pub fn displaced_by(shown: &[Option<Proof>], place: usize) -> Option<usize> {
    let own = weight(*shown.get(place)?);
    (place + 1..shown.len()).find(|later| weight(shown[*later]) > own)
}

/// Which day of purchase counts for a unit already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// None.
    Nothing,
    /// One that a consumer stated, by what they showed; none where that is not known.
    Stated(Option<Proof>),
    /// One that somebody of the house has a paper of.
    Papers,
}

impl Dated {
    /// Whether the day of whoever shows this proof is looked at at all.
    const fn gives_way(self, proof: Proof) -> bool {
        match self {
            Self::Nothing => true,
            Self::Stated(shown) => proof.outweighs(shown),
            Self::Papers => false,
        }
    }
}

/// Why a day of purchase cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// It has not come.
    Ahead,
    /// The unit was made later, on that day.
    BeforeProduction(Date),
    /// The unit was still where it was made.
    BeforeShipment,
}

/// Whether a unit can have been bought on a day: it was made by then, and had left its maker. A
/// unit of which no shipment is known may have been sold at the gate.
///
/// # Errors
/// Why it cannot.
pub fn possible(
    purchased_on: Date,
    today: Date,
    (produced_on, shipped_on): (Option<Date>, Option<Date>),
) -> Result<(), Impossible> {
    match (produced_on, shipped_on) {
        _ if purchased_on > today => Err(Impossible::Ahead),
        (Some(made), _) if purchased_on < made => Err(Impossible::BeforeProduction(made)),
        (_, Some(left)) if purchased_on < left => Err(Impossible::BeforeShipment),
        _ => Ok(()),
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
    /// When it first left where it was made, where known.
    pub shipped_on: Option<Date>,
    /// The first activation of its present life.
    pub activated_on: Option<Date>,
    /// Whether the product reports its own first start.
    pub network_start: bool,
    /// Which day of purchase counts already.
    pub dated: Dated,
    /// From when the guarantee runs: a sale or the activation. What is counted from the factory
    /// alone, until either is known, is no such day.
    pub runs_from: Option<Date>,
}

/// Whether the day starts the guarantee.
pub fn counts(stated: &Stated) -> bool {
    let Stated { proof, purchased_on, today, produced_on, shipped_on, .. } = *stated;
    proof.shows_the_unit()
        && stated.dated.gives_way(proof)
        && possible(purchased_on, today, (produced_on, shipped_on)).is_ok()
        && stands(stated.activated_on, stated.network_start)
        && stated.runs_from.is_none_or(|start| purchased_on >= start)
}

/// Whether a day that a consumer stated dates the guarantee: not that of a unit which has told its
/// own first start. Such a report may come later than the registration; from then on it is the
/// start, and the day no longer counts.
pub fn stands(activated_on: Option<Date>, network_start: bool) -> bool {
    !network_start || activated_on.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Proof::{Imei4, Invoice, Scratch};
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn who_takes_whose_place() {
        // what stands; whether an invoice, an IMEI, a scratch code takes its place
        let cases = [
            (Some(Invoice), [false, true, true]),
            (Some(Imei4), [false, false, true]),
            (Some(Scratch), [false, false, false]),
            (None, [false, false, false]),
        ];
        for (shown, expected) in cases {
            assert_eq!(Proof::ALL.map(|proof| proof.outweighs(shown)), expected, "{shown:?}");
        }
    }

    #[test]
    fn who_is_bound_and_who_gave_way() {
        let (invoice, imei4, scratch) = (Some(Invoice), Some(Imei4), Some(Scratch));
        // as recorded; which binds, and by which each was displaced
        type Case<'a> = (&'a [Option<Proof>], Option<usize>, &'a [Option<usize>]);
        let cases: [Case<'_>; 10] = [
            (&[], None, &[]),
            (&[invoice], Some(0), &[None]),
            (&[invoice, scratch], Some(1), &[Some(1), None]),
            (&[invoice, imei4, scratch], Some(2), &[Some(1), Some(2), None]),
            (&[imei4, scratch], Some(1), &[Some(1), None]),
            // Of a time when everything was recorded, or by another version.
            (&[scratch, scratch], Some(0), &[None, None]),
            (&[scratch, invoice], Some(0), &[None, None]),
            (&[invoice, invoice, scratch], Some(2), &[Some(2), Some(2), None]),
            // What the ledger does not tell of.
            (&[None, scratch], Some(0), &[None, None]),
            (&[imei4, None], Some(1), &[Some(1), None]),
        ];
        for (shown, bound, displaced) in cases {
            assert_eq!(binding(shown), bound, "{shown:?}");
            let by: Vec<_> = (0..shown.len()).map(|place| displaced_by(shown, place)).collect();
            assert_eq!(by, displaced, "{shown:?}");
        }
        assert_eq!(displaced_by(&[invoice], 1), None, "there is none of that place");
    }

    #[test]
    fn words_are_read_back_and_others_are_not_known() {
        for proof in Proof::ALL {
            assert_eq!(Proof::parse(proof.as_str()), Some(proof));
        }
        for word in ["", "Scratch", "hologram"] {
            assert_eq!(Proof::parse(word), None, "{word:?}");
        }
    }

    fn shown() -> impl Strategy<Value = Option<Proof>> {
        prop::option::of(prop::sample::select(Proof::ALL.to_vec()))
    }

    proptest! {
        #[test]
        fn one_alone_of_a_life_is_bound(all in prop::collection::vec(shown(), 1..8)) {
            let bound = binding(&all).expect("somebody registered");
            prop_assert_eq!(displaced_by(&all, bound), None);
            for (place, other) in all.iter().enumerate() {
                prop_assert!(other.is_none_or(|proof| !proof.outweighs(all[bound])));
                // Whoever came before has given way, to this one at the latest.
                let by = displaced_by(&all, place);
                prop_assert!(place >= bound || by.is_some_and(|by| place < by && by <= bound));
            }
        }

        #[test]
        fn whoever_is_recorded_is_bound_by_it(
            tried in prop::collection::vec(prop::sample::select(Proof::ALL.to_vec()), 0..12),
        ) {
            let mut recorded = Vec::new();
            for proof in tried {
                let stands = binding(&recorded).map(|place| recorded[place]);
                if stands.is_none_or(|shown| proof.outweighs(shown)) {
                    recorded.push(Some(proof));
                    prop_assert_eq!(binding(&recorded), Some(recorded.len() - 1));
                }
            }
            prop_assert!(recorded.len() <= Proof::ALL.len());
            for place in 1..recorded.len() {
                prop_assert_eq!(displaced_by(&recorded, place - 1), Some(place));
            }
        }
    }

    #[test]
    fn what_a_stated_day_is_worth() {
        let on = |day| date(2026, 6, day);
        // proof, purchased, produced, shipped, activated, reports its start; counts
        let cases = [
            (Scratch, 10, Some(1), None, None, true, true),
            (Imei4, 10, Some(1), None, None, true, true),
            (Invoice, 10, Some(1), None, None, true, false),
            (Invoice, 10, Some(1), None, None, false, false),
            // It has told its own start: neither days taken from it, nor days added.
            (Scratch, 11, Some(1), None, Some(12), true, false),
            (Imei4, 11, Some(1), None, Some(12), true, false),
            (Scratch, 12, Some(1), None, Some(12), true, false),
            (Scratch, 13, Some(1), None, Some(12), true, false),
            // Of what does not, the day it was registered is no start of its own.
            (Scratch, 13, Some(1), None, Some(12), false, true),
            (Scratch, 12, Some(1), None, Some(12), false, true),
            (Scratch, 11, Some(1), None, Some(12), false, false),
            (Scratch, 1, Some(1), None, None, true, true),
            (Scratch, 1, Some(2), None, None, true, false),
            (Scratch, 1, None, None, None, true, true),
            (Scratch, 20, Some(1), None, None, false, true),
            (Scratch, 21, Some(1), None, None, false, false),
            // It was still at the plant, or left it that very day.
            (Scratch, 4, Some(1), Some(5), None, true, false),
            (Scratch, 5, Some(1), Some(5), None, true, true),
            (Scratch, 4, None, Some(5), None, false, false),
        ];
        for case in cases {
            let (proof, purchased, produced, shipped, activated, network_start, expected) = case;
            let stated = Stated {
                proof,
                purchased_on: on(purchased),
                today: on(20),
                produced_on: produced.map(on),
                shipped_on: shipped.map(on),
                activated_on: activated.map(on),
                network_start,
                dated: Dated::Nothing,
                runs_from: activated.map(on),
            };
            assert_eq!(counts(&stated), expected, "{case:?}");
        }
    }

    proptest! {
        #[test]
        fn no_word_takes_days_from_a_guarantee_that_runs(
            purchased in 1_i8..=20, runs in 1_i8..=20, network_start in any::<bool>(),
            proof in prop::sample::select(Proof::ALL.to_vec()), weaker in shown(),
        ) {
            let on = |day| date(2026, 6, day);
            for (activated_on, dated) in
                [(Some(on(runs)), Dated::Nothing), (None, Dated::Stated(weaker))]
            {
                let counted = counts(&Stated {
                    proof,
                    purchased_on: on(purchased),
                    today: on(20),
                    produced_on: None,
                    shipped_on: None,
                    activated_on,
                    network_start,
                    dated,
                    runs_from: Some(on(runs)),
                });
                prop_assert!(!counted || purchased >= runs);
            }
        }
    }

    #[test]
    fn which_day_gives_way_to_whose() {
        let cases = [
            (Dated::Nothing, [false, true, true]),
            (Dated::Stated(Some(Imei4)), [false, false, true]),
            (Dated::Stated(Some(Scratch)), [false, false, false]),
            (Dated::Stated(None), [false, false, false]),
            (Dated::Papers, [false, false, false]),
        ];
        for (dated, expected) in cases {
            let counted = Proof::ALL.map(|proof| {
                counts(&Stated {
                    proof,
                    purchased_on: date(2026, 6, 10),
                    today: date(2026, 6, 20),
                    produced_on: None,
                    shipped_on: None,
                    activated_on: None,
                    network_start: true,
                    dated,
                    runs_from: None,
                })
            });
            assert_eq!(counted, expected, "{dated:?}");
        }
    }

    #[test]
    fn why_a_day_cannot_be_true() {
        let on = |day| date(2026, 6, day);
        let today = on(20);
        // purchased, produced, shipped
        let cases = [
            (21, Some(1), Some(5), Err(Impossible::Ahead)),
            (20, Some(1), Some(5), Ok(())),
            (5, Some(1), Some(5), Ok(())),
            (4, Some(1), Some(5), Err(Impossible::BeforeShipment)),
            (1, Some(1), Some(5), Err(Impossible::BeforeShipment)),
            (1, Some(2), Some(5), Err(Impossible::BeforeProduction(on(2)))),
            (1, Some(1), None, Ok(())),
            (1, None, None, Ok(())),
            (1, None, Some(2), Err(Impossible::BeforeShipment)),
        ];
        for (purchased, produced, shipped, expected) in cases {
            let known = (produced.map(on), shipped.map(on));
            assert_eq!(possible(on(purchased), today, known), expected, "{purchased} {known:?}");
        }
    }
}
