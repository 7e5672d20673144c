//! Recalls (召回): which units one selects, and which recall a unit stands under.
//!
//! A recall is a statement about goods, not about the units there are today: a unit that is made
//! later in a recalled lot, or gets a recalled part, is under it from that moment on. So it is a
//! predicate over what is known of a unit, and opening one writes one row, whatever it selects.
//!
//! Closing a recall ends the work on it. A unit that nobody remedied is no safer for it and goes on
//! being told as recalled; only a recall withdrawn, because it was a mistake, says nothing more.

use crate::custody::{Hold, HoldKind};
use crate::id::{BatchId, ProductId};
use crate::party::PartyKind;
use jiff::Timestamp;

/// Units that one recall may list by themselves; more are named by batch or lot.
pub const UNITS_MAX: usize = 10_000;
/// Parts that one recall may list by themselves.
pub const PARTS_MAX: usize = 10_000;
/// Characters that the beginning of a component lot's serial numbers has at least: fewer would
/// select parts of other makers.
pub const PART_PREFIX_CHARS_MIN: usize = 4;

/// A stretch of a production lot; both ends belong to it. An end that is not given is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// First and last serial number, canonical and of one length: within it they are compared
    /// character by character.
    pub serials: Option<(String, String)>,
    /// Made at this instant or later.
    pub from_at: Option<Timestamp>,
    /// Made at this instant or earlier.
    pub to_at: Option<Timestamp>,
}

/// Which units a recall selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All whose code is of this batch.
    Batch(BatchId),
    /// All of a production lot of a product, or a stretch of it.
    Lot {
        /// The product.
        product: ProductId,
        /// The factory's word.
        lot: String,
        /// Which part of it.
        stretch: Stretch,
    },
    /// These, by number in ascending order.
    Units(Vec<i64>),
    /// All that have one of these parts built in, canonical and in ascending order.
    Parts(Vec<String>),
    /// All that have a part built in whose serial number begins so: a component lot.
    PartLot(String),
}

impl Selector {
    /// The word in API, CLI and store.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Batch(_) => "batch",
            Self::Lot { stretch, .. } if *stretch == Stretch::default() => "lot",
            Self::Lot { .. } => "part_of_lot",
            Self::Units(_) => "units",
            Self::Parts(_) => "parts",
            Self::PartLot(_) => "part_lot",
        }
    }

    /// Whether it takes the serial number of a unit, or those of its parts where it has any, to say
    /// whether the recall selects it.
    pub fn asks_for_names(&self, unit: &UnitFacts<'_>, has_parts: bool) -> bool {
        match self {
            Self::Batch(_) | Self::Units(_) => false,
            Self::Lot { product, lot, stretch } => {
                stretch.serials.is_some() && unit.product == *product && unit.lot == Some(lot)
            }
            Self::Parts(_) | Self::PartLot(_) => has_parts,
        }
    }
}

/// What of a unit a recall is decided on.
#[derive(Clone, Copy, Debug)]
pub struct UnitFacts<'a> {
    /// Its number.
    pub number: i64,
    /// The batch its code is of.
    pub batch: BatchId,
    /// What it is.
    pub product: ProductId,
    /// Its production lot.
    pub lot: Option<&'a str>,
    /// Its serial number as given.
    pub sn: Option<&'a str>,
    /// When it was made.
    pub produced_at: Option<Timestamp>,
    /// Serial numbers of the parts built in now, canonical.
    pub parts: &'a [&'a str],
}

impl Selector {
    /// Whether it selects a unit.
    pub fn selects(&self, unit: &UnitFacts<'_>) -> bool {
        match self {
            Self::Batch(batch) => unit.batch == *batch,
            Self::Lot { product, lot, stretch } => {
                unit.product == *product && unit.lot == Some(lot) && stretch.holds(unit)
            }
            Self::Units(numbers) => numbers.binary_search(&unit.number).is_ok(),
            Self::Parts(parts) => {
                let listed =
                    |part: &&&str| parts.binary_search_by(|p| p.as_str().cmp(part)).is_ok();
                unit.parts.iter().any(|part| listed(&part))
            }
            Self::PartLot(prefix) => unit.parts.iter().any(|part| part.starts_with(prefix)),
        }
    }
}

impl Stretch {
    fn holds(&self, unit: &UnitFacts<'_>) -> bool {
        let serial = self.serials.as_ref().is_none_or(|(first, last)| {
            unit.sn.is_some_and(|sn| {
                let sn = sn.to_ascii_uppercase();
                sn.len() == first.len() && *first <= sn && sn <= *last
            })
        });
        let from = self.from_at.is_none_or(|at| unit.produced_at.is_some_and(|made| at <= made));
        let to = self.to_at.is_none_or(|at| unit.produced_at.is_some_and(|made| made <= at));
        serial && from && to
    }
}

/// Where a recall stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecallState {
    /// Work goes on.
    Open,
    /// Work ended; what was not remedied goes on being told as recalled.
    Closed,
    /// It was a mistake and says nothing more.
    Withdrawn,
}

impl RecallState {
    /// The word in API, CLI and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Withdrawn].into_iter().find(|s| s.as_str() == word)
    }

    /// Whether a unit it selects, and nobody remedied, is told as recalled.
    pub fn stands(self) -> bool {
        self != Self::Withdrawn
    }
}

/// Whether a recall that selects a unit stood over it at an instant: from when the recall was
/// opened until the unit was remedied, if it was. What comes late is judged so by its own day. A
/// recall that was withdrawn stood at none ([`RecallState::stands`]).
pub fn stood_at(opened_at: Timestamp, remedied_at: Option<Timestamp>, at: Timestamp) -> bool {
    opened_at <= at && remedied_at.is_none_or(|remedied| at < remedied)
}

/// Where a selected unit is, for the figures of a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// It was remedied.
    Remedied,
    /// It was taken out of use.
    Retired,
    /// It came back, or is on its way back, since the recall opened.
    Returned,
    /// Somebody uses it.
    Activated,
    /// With the maker.
    Factory,
    /// With a tier 1, or on its way to it.
    Tier1,
    /// With a tier 2.
    Tier2,
    /// With a shop.
    Shop,
    /// Elsewhere, or nobody knows.
    Elsewhere,
}

/// What of a unit its whereabouts are decided on.
#[derive(Clone, Copy, Debug, Default)]
pub struct WhereFacts {
    /// It got what the recall asks for.
    pub remedied: bool,
    /// It was taken out of use.
    pub retired: bool,
    /// It came back since the recall opened: [`came_back`].
    pub returned: bool,
    /// Somebody began to use it.
    pub activated: bool,
    /// What the party is that holds it.
    pub holder: Option<PartyKind>,
}

/// Whether goods are on their way back, or were taken in from there, by a return of `since` or
/// later. `chain` is everything that held them until now, oldest first.
pub fn came_back(chain: &[&Hold], since: Timestamp) -> bool {
    let way = match chain {
        [.., way, last] if last.kind == HoldKind::Received => Some(way),
        chain => chain.last(),
    };
    way.is_some_and(|hold| hold.kind == HoldKind::Returned && hold.at >= since)
}

impl Whereabouts {
    /// The one place a unit is counted at: the first that holds, in the order of [`Self::ALL`].
    pub fn of(facts: &WhereFacts) -> Self {
        match (facts, facts.holder) {
            (WhereFacts { remedied: true, .. }, _) => Self::Remedied,
            (WhereFacts { retired: true, .. }, _) => Self::Retired,
            (WhereFacts { returned: true, .. }, _) => Self::Returned,
            (WhereFacts { activated: true, .. }, _) => Self::Activated,
            (_, Some(PartyKind::Tier1)) => Self::Tier1,
            (_, Some(PartyKind::Tier2)) => Self::Tier2,
            (_, Some(PartyKind::Shop)) => Self::Shop,
            (_, Some(holder)) if holder.is_origin() => Self::Factory,
            _ => Self::Elsewhere,
        }
    }

    /// Every place, in order of precedence.
    pub const ALL: [Self; 9] = [
        Self::Remedied,
        Self::Retired,
        Self::Returned,
        Self::Activated,
        Self::Factory,
        Self::Tier1,
        Self::Tier2,
        Self::Shop,
        Self::Elsewhere,
    ];

    /// The word in replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remedied => "remedied",
            Self::Retired => "retired",
            Self::Returned => "returned",
            Self::Activated => "activated",
            Self::Factory => "factory",
            Self::Tier1 => "tier1",
            Self::Tier2 => "tier2",
            Self::Shop => "shop",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// Share of the selected units that were remedied or taken out of use, in hundredths of a percent,
/// rounded down: 10,000 only when none is left.
pub fn rate(done: u64, selected: u64) -> u64 {
    done.saturating_mul(10_000).checked_div(selected).unwrap_or(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::tests::hold;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn unit<'a>(sn: &'a str, parts: &'a [&'a str]) -> UnitFacts<'a> {
        UnitFacts {
            number: 7,
            batch: BatchId(3),
            product: ProductId(2),
            lot: Some("L1"),
            sn: Some(sn),
            produced_at: Some(at(100)),
            parts,
        }
    }

    fn lot(stretch: Stretch) -> Selector {
        Selector::Lot { product: ProductId(2), lot: "L1".into(), stretch }
    }

    #[test]
    fn each_selector_selects_what_it_says() {
        let one = unit("CY000010", &["BAT7-001"]);
        for (selector, kind, expected) in [
            (Selector::Batch(BatchId(3)), "batch", true),
            (Selector::Batch(BatchId(4)), "batch", false),
            (lot(Stretch::default()), "lot", true),
            (Selector::Units(vec![1, 7, 9]), "units", true),
            (Selector::Units(vec![1, 9]), "units", false),
            (Selector::Parts(vec!["A".into(), "BAT7-001".into()]), "parts", true),
            (Selector::Parts(vec!["BAT7-002".into()]), "parts", false),
            (Selector::PartLot("BAT7".into()), "part_lot", true),
            (Selector::PartLot("BAT8".into()), "part_lot", false),
        ] {
            assert_eq!(selector.selects(&one), expected, "{selector:?}");
            assert_eq!(selector.kind(), kind);
        }
        let other = UnitFacts { product: ProductId(9), ..one };
        assert!(!lot(Stretch::default()).selects(&other), "a lot is of its product");
        assert!(!lot(Stretch::default()).selects(&UnitFacts { lot: None, ..one }));
    }

    #[test]
    fn both_ends_of_a_stretch_belong_to_it() {
        let serials = |first: &str, last: &str| {
            let serials = Some((first.to_owned(), last.to_owned()));
            lot(Stretch { serials, ..Stretch::default() })
        };
        let range = serials("CY000010", "CY000020");
        for (sn, expected) in [
            ("CY000009", false),
            ("CY000010", true),
            ("cy000015", true),
            ("CY000020", true),
            ("CY000021", false),
            // Of another length, nobody can say what lies between.
            ("CY0000150", false),
        ] {
            assert_eq!(range.selects(&unit(sn, &[])), expected, "{sn}");
        }
        assert_eq!(range.kind(), "part_of_lot");
        let made = |from: i64, to: i64| {
            lot(Stretch { from_at: Some(at(from)), to_at: Some(at(to)), ..Stretch::default() })
        };
        for (from, to, expected) in
            [(100, 100, true), (90, 99, false), (101, 200, false), (90, 100, true)]
        {
            assert_eq!(made(from, to).selects(&unit("CY", &[])), expected, "{from} {to}");
        }
        let unmade = UnitFacts { produced_at: None, ..unit("CY", &[]) };
        assert!(!made(0, 200).selects(&unmade));
    }

    #[test]
    fn a_recall_stands_over_a_unit_from_its_opening_until_it_is_remedied() {
        for (opened, remedied, now, expected) in [
            (10, None, 9, false),
            (10, None, 10, true),
            (10, None, 99, true),
            (10, Some(20), 9, false),
            (10, Some(20), 10, true),
            (10, Some(20), 19, true),
            (10, Some(20), 20, false),
            (10, Some(20), 21, false),
            // Remedied before anybody recalled it.
            (10, Some(5), 7, false),
            (10, Some(5), 12, false),
        ] {
            let stood = stood_at(at(opened), remedied.map(at), at(now));
            assert_eq!(stood, expected, "{opened} {remedied:?} {now}");
        }
    }

    #[test]
    fn a_unit_is_counted_once_where_it_matters_most() {
        let shop = WhereFacts { holder: Some(PartyKind::Shop), ..WhereFacts::default() };
        let used = WhereFacts { activated: true, ..shop };
        let returned = WhereFacts { returned: true, ..used };
        let retired = WhereFacts { retired: true, ..returned };
        let remedied = WhereFacts { remedied: true, ..retired };
        let by = |holder| WhereFacts { holder: Some(holder), ..WhereFacts::default() };
        for (facts, place) in [
            (remedied, Whereabouts::Remedied),
            (retired, Whereabouts::Retired),
            (returned, Whereabouts::Returned),
            (used, Whereabouts::Activated),
            (by(PartyKind::Brand), Whereabouts::Factory),
            (by(PartyKind::Factory), Whereabouts::Factory),
            (by(PartyKind::Tier1), Whereabouts::Tier1),
            (by(PartyKind::Tier2), Whereabouts::Tier2),
            (shop, Whereabouts::Shop),
            (by(PartyKind::Platform), Whereabouts::Elsewhere),
            (WhereFacts::default(), Whereabouts::Elsewhere),
        ] {
            assert_eq!(Whereabouts::of(&facts), place, "{facts:?}");
        }
    }

    #[test]
    fn goods_came_back_by_a_return_since_the_recall() {
        use HoldKind::{Received, Returned, Shipped};
        let holds = |kinds: &[HoldKind]| -> Vec<Hold> {
            let one =
                |(order, kind): (i64, &HoldKind)| Hold { kind: *kind, ..hold(7, order, 1, None) };
            (0..).zip(kinds).map(one).collect()
        };
        for (kinds, since, expected) in [
            (vec![], 0, false),
            (vec![Shipped, Returned], 1, true),
            (vec![Shipped, Returned, Received], 1, true),
            (vec![Shipped, Returned, Received], 2, false),
            (vec![Shipped, Returned, Received, Shipped], 0, false),
            (vec![Shipped, Received], 0, false),
            (vec![Received], 0, false),
        ] {
            let holds = holds(&kinds);
            let chain: Vec<&Hold> = holds.iter().collect();
            assert_eq!(came_back(&chain, at(since)), expected, "{kinds:?} since {since}");
        }
    }

    #[test]
    fn a_rate_is_whole_only_when_none_is_left() {
        assert_eq!(rate(0, 3), 0);
        assert_eq!(rate(2, 3), 6_666);
        assert_eq!(rate(9_999_999, 10_000_000), 9_999);
        assert_eq!(rate(3, 3), 10_000);
        assert_eq!(rate(0, 0), 10_000);
        for state in [RecallState::Open, RecallState::Closed, RecallState::Withdrawn] {
            assert_eq!(RecallState::parse(state.as_str()), Some(state));
            assert_eq!(state.stands(), state != RecallState::Withdrawn);
        }
    }
}
