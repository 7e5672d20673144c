//! What is recorded of custody: who held what from when, and what lay in what how long.

use crate::code::UnitNumber;
use crate::id::{EventId, PartyId};
use jiff::Timestamp;

/// Why a hold exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldKind {
    /// Made here: the goods start with the party of the production site.
    Produced,
    /// A pack was opened for filling by the party that held its first child, as far as that was
    /// known when it was told. Told again since a paper showed who had that child, it bears the
    /// paper's number and sender.
    Packed,
    /// Handed to the receiver, in transit.
    Shipped,
    /// Accepted by the receiver.
    Received,
    /// Handed back up the tree, in transit.
    Returned,
    /// A shipment was voided: the sender holds again.
    Voided,
}

impl HoldKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Produced, Self::Packed, Self::Shipped, Self::Received, Self::Returned, Self::Voided];

    /// The word in API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Produced => "produced",
            Self::Packed => "packed",
            Self::Shipped => "shipped",
            Self::Received => "received",
            Self::Returned => "returned",
            Self::Voided => "voided",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }

    /// Whether the goods are on their way rather than in the holder's hands.
    pub fn in_transit(self) -> bool {
        matches!(self, Self::Shipped | Self::Returned)
    }
}

/// One party holding one subject from an instant on, until the next hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// The unit or pack that moved.
    pub subject: UnitNumber,
    /// From when.
    pub at: Timestamp,
    /// Who holds.
    pub party: PartyId,
    /// Who held before, when it was handed over.
    pub from: Option<PartyId>,
    /// Why.
    pub kind: HoldKind,
    /// The sender never confirmed its own receipt: shipping onward implied it.
    pub presumed: bool,
    /// The sender's paper, when there is one.
    pub shipment_no: Option<String>,
    /// The event that says so.
    pub event: EventId,
    /// Order among holds of the same instant.
    pub recorded_at: Timestamp,
}

impl Hold {
    /// When it began, and its place among what was told of that instant.
    pub fn moment(&self) -> Moment {
        Moment { at: self.at, recorded_at: self.recorded_at }
    }

    /// Whether it can have come right after another: its goods were handed over by who had them,
    /// and received by whom they were on their way to.
    pub(super) fn follows(&self, before: &Hold) -> bool {
        match (self.from, self.kind) {
            (_, HoldKind::Packed) => before.party == self.party,
            (Some(from), _) => from == before.party,
            (None, HoldKind::Received) => before.party == self.party && before.kind.in_transit(),
            (None, _) => before.party == self.party,
        }
    }
}

/// An instant, and its place among what was told of the same instant. Days are often told as
/// instants: then what was told first came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When it happened.
    pub at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Moment {
    /// Before all that is told of the same instant.
    pub fn told_first(at: Timestamp) -> Self {
        Self { at, recorded_at: Timestamp::MIN }
    }

    /// After all that is told of the same instant so far.
    pub fn told_last(at: Timestamp) -> Self {
        Self { at, recorded_at: Timestamp::MAX }
    }
}

/// One child inside one parent, over a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containment {
    /// What is inside: a unit or a pack.
    pub child: UnitNumber,
    /// What it is inside.
    pub parent: UnitNumber,
    /// From when. Of that instant, what was told before is not the child's.
    pub from: Moment,
    /// Until when, exclusive; none while it lasts. Of that instant, what was told before is the
    /// child's too.
    pub to: Option<Moment>,
}

impl Containment {
    /// Whether the child is inside at `t`.
    pub fn covers(&self, t: Timestamp) -> bool {
        self.from.at <= t && self.ends_after(t)
    }

    /// Whether the child is inside after `t`, or goes in then.
    pub fn ends_after(&self, t: Timestamp) -> bool {
        self.to.is_none_or(|to| to.at > t)
    }

    /// When children went in and came out.
    pub fn instants(all: &[Self]) -> impl Iterator<Item = Timestamp> {
        all.iter().flat_map(|one| std::iter::once(one.from).chain(one.to)).map(|moment| moment.at)
    }

    /// Whether what the parent did at a moment the child did with it.
    pub fn shares(&self, moment: Moment) -> bool {
        self.from <= moment && self.to.is_none_or(|to| moment < to)
    }
}

/// What moved one subject by itself, and what it was ever inside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves {
    /// Oldest first.
    pub(super) holds: Vec<Hold>,
    /// Any order.
    pub(super) inside: Vec<Containment>,
}

impl Moves {
    /// Gathers the facts of one subject in any order.
    pub fn new(
        holds: impl IntoIterator<Item = Hold>,
        inside: impl IntoIterator<Item = Containment>,
    ) -> Self {
        let mut moves = Self { holds: Vec::new(), inside: inside.into_iter().collect() };
        holds.into_iter().for_each(|hold| moves.hold(hold));
        moves
    }

    /// How it moved by itself, oldest first.
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// What the subject was ever inside, any order.
    pub fn inside(&self) -> &[Containment] {
        &self.inside
    }

    /// Puts a hold in its place, behind those of the same instants.
    pub(super) fn hold(&mut self, hold: Hold) {
        let place = self.holds.partition_point(|known| known.moment() <= hold.moment());
        self.holds.insert(place, hold);
    }
}
