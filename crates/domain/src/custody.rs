//! Custody: who holds a unit, and the chain before. Custody is recorded on the **outermost** pack
//! that moved; a unit's own chain is its holds, woven with those of each pack it was in while it
//! was in it. So a pallet ships with one hold however many units stand on it, and a fact that
//! arrives late falls into its place by its time.
//!
//! Deliberately absent: any write. These are questions about facts already loaded.

mod fact;

pub use fact::{Containment, Hold, HoldKind, Moment, Moves};

use crate::code::UnitNumber;
use crate::id::PartyId;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most packs around a unit, one in another: box, carton, pallet, container leaves room to spare.
pub const PACK_DEPTH_MAX: usize = 8;

/// A hold read with what came after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hop<'a> {
    /// The hold.
    pub hold: &'a Hold,
    /// The goods are still on their way to its party.
    pub in_transit: bool,
    /// Its party never confirmed receipt, and shipped on or packed: it must have had them.
    pub presumed: bool,
}

/// What moved a subject and every pack it was ever in. Thousands of units share the packs around
/// them, and so do these share what is known of a pack.
#[derive(Clone, Debug, Default)]
pub struct CustodyFacts {
    moves: BTreeMap<UnitNumber, Arc<Moves>>,
}

impl CustodyFacts {
    /// Gathers facts in any order.
    pub fn new(
        holds: impl IntoIterator<Item = Hold>,
        containments: impl IntoIterator<Item = Containment>,
    ) -> Self {
        let mut facts = Self::default();
        facts.extend(holds, containments);
        facts
    }

    /// Adds facts in any order to those already there.
    pub fn extend(
        &mut self,
        holds: impl IntoIterator<Item = Hold>,
        containments: impl IntoIterator<Item = Containment>,
    ) {
        for hold in holds {
            self.of_mut(hold.subject).hold(hold);
        }
        for one in containments {
            self.of_mut(one.child).inside.push(one);
        }
    }

    /// Says all that is known of a subject, in place of what was said before.
    pub fn learn(&mut self, subject: UnitNumber, moves: Arc<Moves>) {
        self.moves.insert(subject, moves);
    }

    fn of_mut(&mut self, subject: UnitNumber) -> &mut Moves {
        Arc::make_mut(self.moves.entry(subject).or_default())
    }

    /// The child leaves the parent: its time inside that covers the instant ends then.
    pub fn leave(&mut self, child: UnitNumber, parent: UnitNumber, moment: Moment) {
        let Some(moves) = self.moves.get_mut(&child) else { return };
        let inside = Arc::make_mut(moves).inside.iter_mut();
        for one in inside.filter(|c| c.parent == parent && c.covers(moment.at)) {
            one.to = Some(moment);
        }
    }

    /// Whether anything was said of a subject, if only that nothing moved it.
    pub fn knows(&self, subject: UnitNumber) -> bool {
        self.moves.contains_key(&subject)
    }

    /// The containments of a subject, any order.
    pub fn containments(&self, child: UnitNumber) -> &[Containment] {
        self.moves.get(&child).map_or(&[], |moves| moves.inside.as_slice())
    }

    /// A subject's own holds, oldest first: what moved it by itself, not inside a pack.
    pub fn own_holds(&self, subject: UnitNumber) -> &[Hold] {
        self.moves.get(&subject).map_or(&[], |moves| moves.holds.as_slice())
    }

    /// Whether a child was ever inside as a row says: not, where it was taken out at the instant it
    /// went in and the pack moved nowhere in between. So a row that was wrong is taken back.
    pub fn was_inside(&self, c: &Containment) -> bool {
        let (from, Some(to)) = (c.from, c.to) else { return true };
        let moved = |h: &&Hold| h.kind != HoldKind::Packed && from <= h.moment() && h.moment() < to;
        from.at != to.at || self.chain(c.parent).iter().any(moved)
    }

    /// How the subject lies in the pack that it is directly inside at `t`.
    pub fn inside_at(&self, child: UnitNumber, t: Timestamp) -> Option<&Containment> {
        self.containments(child).iter().find(|c| c.covers(t))
    }

    /// The pack the subject is directly inside at `t`.
    pub fn parent_at(&self, child: UnitNumber, t: Timestamp) -> Option<UnitNumber> {
        self.inside_at(child, t).map(|c| c.parent)
    }

    /// The subject, its pack, that pack's pack … at `t`, outermost last.
    pub fn upward(&self, subject: UnitNumber, t: Timestamp) -> Vec<UnitNumber> {
        std::iter::successors(Some(subject), |n| self.parent_at(*n, t))
            .take(PACK_DEPTH_MAX + 1)
            .collect()
    }

    /// Everything that ever held the subject, oldest first, by itself or inside a pack.
    pub fn chain(&self, subject: UnitNumber) -> Vec<&Hold> {
        let mut chain = Vec::new();
        let always = (Moment::told_first(Timestamp::MIN), Moment::told_last(Timestamp::MAX));
        self.weave(subject, always, PACK_DEPTH_MAX, &mut chain);
        // What was taken out of a pack on its way came back with it when its paper was voided.
        let voids: Vec<_> = chain.iter().filter_map(|hold| self.voiding(hold)).collect();
        let new = |v: &&Hold| !chain.iter().any(|known| std::ptr::eq(*known, *v));
        let voids: Vec<_> = voids.into_iter().filter(new).collect();
        chain.extend(voids);
        chain.sort_by_key(|h| h.moment());
        chain
    }

    /// Everyone who ever held a subject, whatever was taken back since, oldest first. Whose a pack
    /// around it was thought to be says nothing of it.
    pub fn hands(&self, subject: UnitNumber) -> impl Iterator<Item = PartyId> {
        let own = move |h: &&Hold| h.kind != HoldKind::Packed || h.subject == subject;
        self.chain(subject).into_iter().filter(own).map(|hold| hold.party)
    }

    /// The chain as it stands, each hold read with what came after it.
    pub fn hops<'a>(&'a self, subject: UnitNumber) -> Vec<Hop<'a>> {
        let chain = self.standing(subject, Timestamp::MAX);
        let hop = |(i, hold): (usize, &&'a Hold)| {
            let sent = hold.kind.in_transit();
            let next = chain.get(i + 1);
            let onward = next.is_some_and(|h| h.presumed && h.from == Some(hold.party));
            let packed = || {
                let after = (hold.moment(), Moment::told_last(Timestamp::MAX));
                self.went_in(subject, after, PACK_DEPTH_MAX)
            };
            let came = sent && (onward || next.is_none() && packed());
            Hop { hold, in_transit: sent && next.is_none() && !came, presumed: came }
        };
        chain.iter().enumerate().map(hop).collect()
    }

    /// Whether the subject, or a pack that it was in then, was put into a pack after a moment and
    /// before another.
    fn went_in(&self, subject: UnitNumber, (after, until): (Moment, Moment), depth: usize) -> bool {
        self.containments(subject).iter().any(|c| {
            let around = || {
                let end = c.to.map_or(until, |to| to.min(until));
                depth > 0 && c.shares(after) && self.went_in(c.parent, (after, end), depth - 1)
            };
            let went = after < c.from && c.from < until;
            self.was_inside(c) && (went || around())
        })
    }

    /// Who holds the subject at `t`: hand-overs that were taken back moved nothing.
    pub fn at(&self, subject: UnitNumber, t: Timestamp) -> Option<&Hold> {
        self.standing(subject, Timestamp::MAX).into_iter().rev().find(|h| h.at <= t)
    }

    /// Who has a pack at a moment; of one that was opened later, as rows are told in any order,
    /// whoever opened it.
    pub fn hands_of_pack(&self, pack: UnitNumber, moment: Moment) -> Option<PartyId> {
        let chain = self.standing(pack, Timestamp::MAX);
        let last = chain.into_iter().rev().find(|h| h.moment() <= moment);
        last.or_else(|| self.opening(pack)).map(|hold| hold.party)
    }

    /// How a pack was opened, as it was told last: when its first child went in, in whose hands. An
    /// earlier child may be told later, and a late paper may show that others had it.
    pub fn opening(&self, pack: UnitNumber) -> Option<&Hold> {
        let own = self.own_holds(pack);
        let packed = own.iter().filter(|hold| hold.kind == HoldKind::Packed);
        packed.max_by_key(|hold| hold.recorded_at).or(own.first())
    }

    /// Who has a subject right before a moment.
    pub fn hands_before(&self, subject: UnitNumber, moment: Moment) -> Option<PartyId> {
        let chain = self.standing(subject, Timestamp::MAX);
        let last = chain.into_iter().rev().find(|h| h.moment() < moment);
        // How a pack was opened may be told again, later than what was done with it at once.
        let opened = |h: &&Hold| h.kind == HoldKind::Packed && h.at <= moment.at;
        last.or_else(|| self.opening(subject).filter(opened)).map(|hold| hold.party)
    }

    /// Whether a hand-over was taken back: its sender voided the paper, as recorded by `known_by`.
    /// When that happened does not matter: a voided paper was wrong from the start, so its goods
    /// never moved by it. Goods that were returned did move.
    pub fn is_void(&self, hand_over: &Hold, known_by: Timestamp) -> bool {
        self.voiding(hand_over).is_some_and(|void| void.recorded_at <= known_by)
    }

    /// By which hold of the sender a hand-over was taken back. The pack itself says so, also of
    /// what was taken out of it before its paper was voided.
    fn voiding(&self, hand_over: &Hold) -> Option<&Hold> {
        let same = |h: &&Hold| {
            h.kind == HoldKind::Voided
                && Some(h.party) == hand_over.from
                && h.shipment_no == hand_over.shipment_no
        };
        let own = || self.own_holds(hand_over.subject).iter().find(same);
        hand_over.kind.in_transit().then(own).flatten()
    }

    /// The chain as it stands by what was recorded by `known_by`: without hand-overs that were
    /// taken back, without receipts of them, and without the taking back, which moved nothing
    /// either; and without receipts by who did not have it. What was told of one instant is in the
    /// order in which it was told, and where that cannot be, in the place where it fits.
    pub fn standing(&self, subject: UnitNumber, known_by: Timestamp) -> Vec<&Hold> {
        let mut chain = self.in_order(subject, known_by);
        // A pack may have been received when a child of it was somewhere else by then.
        let mut holder = None;
        chain.retain(|h| {
            let stray = h.kind == HoldKind::Received && holder.is_some_and(|who| who != h.party);
            if !stray {
                holder = Some(h.party);
            }
            !stray
        });
        chain
    }

    /// As [`Self::standing`], with receipts by who did not have it.
    pub(crate) fn in_order(&self, subject: UnitNumber, known_by: Timestamp) -> Vec<&Hold> {
        let mut chain = self.chain(subject);
        chain.retain(|h| h.recorded_at <= known_by);
        // Of how a pack was opened, what was told last holds.
        let told_again = |h: &Hold| {
            self.own_holds(h.subject).iter().any(|other| {
                let later = h.recorded_at < other.recorded_at && other.recorded_at <= known_by;
                later && other.kind == HoldKind::Packed
            })
        };
        // And it says nothing of what went in: that was in the same hands, or its own papers are
        // not told yet.
        let opens = |h: &Hold| h.subject == subject && !told_again(h);
        chain.retain(|h| h.kind != HoldKind::Packed || opens(h));
        // Who never got what was sent, and when that was recorded: a receipt recorded later is of
        // something else.
        let mut never_got: Vec<(PartyId, Timestamp)> = Vec::new();
        chain.retain(|h| {
            let void = self.voiding(h).filter(|void| void.recorded_at <= known_by);
            if let Some(void) = void {
                never_got.push((h.party, void.recorded_at));
                return false;
            }
            let of_it = |(who, by): &(PartyId, Timestamp)| *who == h.party && h.recorded_at <= *by;
            if h.kind == HoldKind::Voided
                || h.kind == HoldKind::Received && never_got.iter().any(of_it)
            {
                return false;
            }
            never_got.clear();
            true
        });
        if chain.windows(2).any(|two| two[0].at == two[1].at) {
            let told = std::mem::take(&mut chain);
            told.into_iter().for_each(|hold| fit_in(hold, &mut chain));
        }
        chain
    }

    /// The instants of all that is known of a subject: what moved it, and when it went into packs
    /// and left them.
    pub fn instants(&self, subject: UnitNumber) -> impl Iterator<Item = Timestamp> {
        let held = self.in_order(subject, Timestamp::MAX).into_iter().map(|hold| hold.at);
        held.chain(Containment::instants(self.containments(subject)))
    }

    /// When the goods first left the hands of a brand or factory: the first hold that stands by a
    /// party that `is_origin` says is none. `None` while they have not, by `until`.
    pub fn left_origin(
        &self,
        subject: UnitNumber,
        until: Timestamp,
        is_origin: impl Fn(PartyId) -> bool,
    ) -> Option<Timestamp> {
        let chain = self.standing(subject, Timestamp::MAX);
        chain.iter().find(|h| h.at <= until && !is_origin(h.party)).map(|h| h.at)
    }

    /// When a shipment first took the goods out of the hands they began in, if only from factory to
    /// brand: the first hold that stands by another party. `None` while none has, by `until`.
    pub fn first_shipped(&self, subject: UnitNumber, until: Timestamp) -> Option<Timestamp> {
        let chain = self.standing(subject, Timestamp::MAX);
        let maker = chain.first()?.party;
        chain.iter().find(|h| h.at <= until && h.party != maker).map(|h| h.at)
    }

    fn weave<'a>(
        &'a self,
        subject: UnitNumber,
        (from, to): (Moment, Moment),
        depth: usize,
        chain: &mut Vec<&'a Hold>,
    ) {
        let own = self.own_holds(subject);
        chain.extend(own.iter().filter(|h| from <= h.moment() && h.moment() < to));
        if depth == 0 {
            return;
        }
        for inside in self.containments(subject) {
            let start = from.max(inside.from);
            let end = inside.to.map_or(to, |until| until.min(to));
            if start < end {
                self.weave(inside.parent, (start, end), depth - 1, chain);
            }
        }
    }
}

/// Puts the next hold of a chain behind those before it, or of the same instant where it fits: days
/// are often told as instants, and a receipt may be told after the goods were handed on.
fn fit_in<'a>(hold: &'a Hold, chain: &mut Vec<&'a Hold>) {
    let first = chain.partition_point(|known| known.at < hold.at);
    let fits = |place: &usize| {
        let after_it = chain.get(*place).is_none_or(|next| next.follows(hold));
        let before_it = place.checked_sub(1).and_then(|before| chain.get(before));
        after_it && before_it.is_none_or(|before| hold.follows(before))
    };
    let place = (first..=chain.len()).rev().find(fits);
    chain.insert(place.unwrap_or(chain.len()), hold);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::id::EventId;

    pub(crate) fn n(number: u64) -> UnitNumber {
        UnitNumber::new(number).unwrap()
    }

    pub(crate) fn t(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    pub(crate) fn hold(subject: u64, at: i64, party: i64, from: Option<i64>) -> Hold {
        Hold {
            subject: n(subject),
            at: t(at),
            party: PartyId(party),
            from: from.map(PartyId),
            kind: if from.is_some() { HoldKind::Shipped } else { HoldKind::Produced },
            presumed: false,
            shipment_no: None,
            event: EventId([0; 16]),
            recorded_at: t(at),
        }
    }

    pub(crate) fn inside(child: u64, parent: u64, from: i64, to: Option<i64>) -> Containment {
        let (from, to) = (Moment::told_first(t(from)), to.map(|to| Moment::told_first(t(to))));
        Containment { child: n(child), parent: n(parent), from, to }
    }

    /// Unit 1 in carton 10 in pallet 20; pallet ships 2→3 at 100, carton leaves it 3→4 at 200,
    /// the unit leaves the carton 4→5 at 300.
    pub(crate) fn journey() -> CustodyFacts {
        CustodyFacts::new(
            [
                hold(1, 10, 2, None),
                hold(10, 20, 2, None),
                hold(20, 30, 2, None),
                hold(20, 100, 3, Some(2)),
                hold(10, 200, 4, Some(3)),
                hold(1, 300, 5, Some(4)),
            ],
            [inside(1, 10, 20, Some(300)), inside(10, 20, 30, Some(200))],
        )
    }

    /// Unit 1 leaves pallet 20 on its way from 2 to 3; then the paper is voided.
    #[test]
    fn what_left_a_pack_on_its_way_comes_back_with_the_paper() {
        let void = Hold { kind: HoldKind::Voided, ..hold(20, 300, 2, None) };
        let facts = CustodyFacts::new(
            [hold(1, 10, 2, None), hold(20, 30, 2, None), hold(20, 100, 3, Some(2)), void],
            [inside(1, 20, 40, Some(200))],
        );
        let holder = |at| facts.at(n(1), t(at)).map(|h| h.party.0);
        // It never went anywhere by it, wherever it was meanwhile.
        assert_eq!([150, 250, 300].map(holder), [Some(2); 3]);
        assert_eq!(facts.hops(n(1)).len(), 1);
        // The pallet knows it once.
        assert_eq!(facts.chain(n(20)).len(), 3);
        // Packed after it came back, a unit knows nothing of it.
        let later = CustodyFacts::new(
            facts.own_holds(n(20)).iter().cloned().chain([hold(5, 10, 2, None)]),
            [inside(5, 20, 310, None)],
        );
        assert_eq!(later.chain(n(5)).len(), 1);
    }

    #[test]
    fn a_unit_is_where_its_packs_were() {
        let facts = journey();
        for (at, party) in [(15, 2), (50, 2), (100, 3), (199, 3), (200, 4), (299, 4), (300, 5)] {
            assert_eq!(facts.at(n(1), t(at)).unwrap().party, PartyId(party), "at {at}");
        }
        assert!(facts.at(n(1), t(9)).is_none());
    }

    #[test]
    fn what_a_pack_did_without_the_child_is_not_the_childs() {
        let mut facts = journey();
        facts.extend([hold(20, 250, 9, Some(3))], []);
        assert_eq!(facts.at(n(1), t(260)).unwrap().party, PartyId(4));
        assert_eq!(facts.at(n(20), t(260)).unwrap().party, PartyId(9));
    }

    #[test]
    fn leaving_the_maker_is_seen_through_packs() {
        let facts = journey();
        let origin = |p: PartyId| p == PartyId(2);
        assert_eq!(facts.left_origin(n(1), t(99), origin), None);
        assert_eq!(facts.left_origin(n(1), t(500), origin), Some(t(100)));
    }

    /// The sender `party` takes back its paper `S` about `subject`.
    pub(crate) fn voided(subject: u64, at: i64, party: i64) -> Hold {
        let shipment_no = Some("S".to_owned());
        let kind = HoldKind::Voided;
        Hold { kind, shipment_no, ..hold(subject, at, party, Some(party)) }
    }

    #[test]
    fn what_was_taken_back_moved_nothing() {
        let origin = |p: PartyId| p == PartyId(2);
        let sent =
            |at, no: &str| Hold { shipment_no: Some(no.to_owned()), ..hold(10, at, 3, Some(2)) };
        let received = |at| Hold { kind: HoldKind::Received, ..hold(10, at, 3, None) };
        let returned = |at| Hold {
            kind: HoldKind::Returned,
            shipment_no: Some("R".to_owned()),
            ..hold(10, at, 2, Some(3))
        };
        let left = |holds: Vec<Hold>, until: i64| {
            let born = [hold(1, 5, 2, None), hold(10, 10, 2, None)];
            // Unit 1 was taken out of the carton before its paper was voided, unit 2 was not.
            let inside = [inside(1, 10, 20, Some(150)), inside(2, 10, 20, None)];
            let facts = CustodyFacts::new(born.into_iter().chain(holds), inside);
            let left = facts.left_origin(n(1), t(until), origin);
            assert_eq!(left, facts.left_origin(n(2), t(until), origin));
            assert_eq!(left.is_none(), facts.at(n(1), t(until)).unwrap().party == PartyId(2));
            left.map(Timestamp::as_second)
        };
        let void = || voided(10, 200, 2);
        assert_eq!(left(vec![sent(100, "S")], 500), Some(100));
        // Wrong from the start: before the day it was taken back too.
        assert_eq!(left(vec![sent(100, "S"), void()], 500), None);
        assert_eq!(left(vec![sent(100, "S"), void()], 140), None);
        assert_eq!(left(vec![sent(100, "S"), received(120), void()], 140), None);
        // Another paper of the same sender is not that one.
        assert_eq!(left(vec![sent(100, "S1"), void()], 140), Some(100));
        // A return is no void, nor is one that was taken back.
        let back = |at| Hold { shipment_no: Some("R".to_owned()), ..voided(10, at, 3) };
        let went = vec![sent(100, "S"), received(110), returned(120), back(130)];
        assert_eq!(left(went, 140), Some(100));
    }

    #[test]
    fn from_the_factory_to_the_brand_is_a_shipment() {
        let sent = Hold { shipment_no: Some("S".to_owned()), ..hold(1, 100, 1, Some(2)) };
        let mut facts = CustodyFacts::new([hold(1, 10, 2, None), sent], []);
        let first = |facts: &CustodyFacts, until| facts.first_shipped(n(1), t(until));
        assert_eq!((first(&facts, 99), first(&facts, 500)), (None, Some(t(100))));
        assert_eq!(facts.left_origin(n(1), t(500), |p| p.0 <= 2), None);
        facts.extend([voided(1, 200, 2)], []);
        assert_eq!(first(&facts, 500), None);
        assert_eq!(first(&journey(), 500), Some(t(100)), "in a pack");
        assert_eq!(first(&CustodyFacts::default(), 500), None);
    }

    #[test]
    fn a_void_counts_from_when_it_was_recorded() {
        let sent = Hold { shipment_no: Some("S".to_owned()), ..hold(1, 100, 3, Some(2)) };
        let facts = CustodyFacts::new([hold(1, 5, 2, None), sent, voided(1, 200, 2)], []);
        let parties = |known_by| facts.standing(n(1), t(known_by)).len();
        assert_eq!((parties(150), parties(200)), (2, 1));
        assert_eq!(facts.standing(n(1), t(150))[1].party, PartyId(3));
        assert_eq!(facts.standing(n(1), t(200))[0].party, PartyId(2));
    }

    #[test]
    fn a_receipt_is_presumed_of_who_shipped_on() {
        let onward = Hold { presumed: true, ..hold(1, 200, 4, Some(3)) };
        let received = Hold { kind: HoldKind::Received, ..hold(1, 300, 4, None) };
        let mut holds = vec![hold(1, 10, 2, None), hold(1, 100, 3, Some(2)), onward];
        let read = |holds: &[Hold]| {
            let facts = CustodyFacts::new(holds.to_vec(), []);
            let hops = facts.hops(n(1)).into_iter();
            hops.map(|hop| (hop.hold.party.0, hop.in_transit, hop.presumed)).collect::<Vec<_>>()
        };
        assert_eq!(read(&holds), [(2, false, false), (3, false, true), (4, true, false)]);
        // Packed by its party, it had come.
        let packed = CustodyFacts::new(holds.to_vec(), [inside(1, 10, 250, None)]);
        let last = packed.hops(n(1)).pop().map(|hop| (hop.in_transit, hop.presumed));
        assert_eq!(last, Some((false, true)));
        // In a carton that was packed before, it is on its way; put onto a pallet since, it came.
        for (at, in_transit) in [(150, true), (250, false)] {
            let inside = [inside(1, 10, 20, None), inside(10, 20, at, None)];
            let sent = [hold(1, 10, 2, None), hold(10, 20, 2, None), hold(10, 200, 3, Some(2))];
            let last = CustodyFacts::new(sent, inside).hops(n(1)).pop().map(|hop| hop.in_transit);
            assert_eq!(last, Some(in_transit), "{at}");
        }
        holds.push(received);
        assert_eq!(read(&holds)[2..], [(4, false, false), (4, false, false)]);
    }

    #[test]
    fn upward_follows_the_time() {
        let facts = journey();
        assert_eq!(facts.upward(n(1), t(50)), vec![n(1), n(10), n(20)]);
        assert_eq!(facts.upward(n(1), t(250)), vec![n(1), n(10)]);
        assert_eq!(facts.upward(n(1), t(300)), vec![n(1)]);
    }

    #[test]
    fn a_unit_is_seen_through_eight_packs() {
        let packs = (1..=8).map(|child| inside(child, child + 1, 10, None));
        let facts = CustodyFacts::new([hold(1, 5, 2, None), hold(9, 100, 3, Some(2))], packs);
        assert_eq!(facts.upward(n(1), t(50)).last(), Some(&n(9)));
        assert_eq!(facts.at(n(1), t(100)).map(|h| h.party.0), Some(3));
    }

    #[test]
    fn what_is_shared_of_a_pack_stays_as_it_is() {
        let carton = Arc::new(Moves::new([hold(10, 20, 2, None)], [inside(10, 20, 30, None)]));
        let (mut one, mut other) = (CustodyFacts::default(), CustodyFacts::default());
        for facts in [&mut one, &mut other] {
            facts.learn(n(10), Arc::clone(&carton));
        }
        // The later first: each falls into its place.
        one.extend([hold(10, 90, 4, Some(3)), hold(10, 50, 3, Some(2))], []);
        one.leave(n(10), n(20), Moment::told_first(t(60)));
        let parties = |facts: &CustodyFacts| -> Vec<_> {
            facts.own_holds(n(10)).iter().map(|hold| hold.party.0).collect()
        };
        assert_eq!((parties(&one), parties(&other)), (vec![2, 3, 4], vec![2]));
        assert_eq!(one.containments(n(10)), [inside(10, 20, 30, Some(60))]);
        assert_eq!(other.containments(n(10)), [inside(10, 20, 30, None)]);
        // That nothing moved it is known of a subject too.
        one.learn(n(5), Arc::default());
        assert!(one.knows(n(5)) && one.chain(n(5)).is_empty());
    }

    #[test]
    fn a_circle_of_packs_ends() {
        let facts = CustodyFacts::new(
            [hold(1, 1, 2, None)],
            [inside(1, 2, 0, None), inside(2, 1, 0, None)],
        );
        assert!(facts.at(n(1), t(5)).is_some());
        assert_eq!(facts.upward(n(1), t(5)).len(), PACK_DEPTH_MAX + 1);
    }

    #[test]
    fn a_child_leaves_only_the_time_it_is_in() {
        let boxes = [inside(1, 10, 20, Some(30)), inside(1, 10, 40, None), inside(1, 11, 40, None)];
        let mut facts = CustodyFacts::new([], boxes);
        let leaves = |facts: &mut CustodyFacts, child, at| {
            facts.leave(n(child), n(10), Moment::told_first(t(at)));
        };
        leaves(&mut facts, 1, 35);
        leaves(&mut facts, 2, 50);
        assert!(facts.knows(n(1)) && !facts.knows(n(2)) && !facts.knows(n(10)));
        leaves(&mut facts, 1, 50);
        let left = [inside(1, 10, 20, Some(30)), inside(1, 10, 40, Some(50))];
        assert_eq!(facts.containments(n(1)), [&left[..], &[inside(1, 11, 40, None)]].concat());
    }
}
