//! Shipping, receiving, returning: custody handed from party to party. Shipping onward implies
//! receipt (many tier-2 parties have no system); shipping a child of a pack unpacks it at that
//! instant and leaves its siblings where they are.

use crate::code::UnitNumber;
use crate::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment};
use crate::id::{EventId, PartyId, ProductId};
use crate::late::{follow, go_back, still_fits};
use crate::party::{PartyKind, PartyTree};
use crate::refusal::Refusal;
use crate::territory::Territories;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeSet;

/// What must be known to hand one subject from one party to another.
#[derive(Clone, Debug)]
pub struct ShipFacts<'a> {
    /// The unit or pack.
    pub subject: UnitNumber,
    /// Sender.
    pub from: PartyId,
    /// Receiver.
    pub to: PartyId,
    /// When it left.
    pub happened_at: Timestamp,
    /// The same as a day in the brand's time zone.
    pub on: Date,
    /// The products the subject is or holds.
    pub products: &'a [ProductId],
    /// The subject is a unit whose inspection is hold or fail.
    pub inspection_open: bool,
    /// The subject is a recalled unit.
    pub recalled: bool,
    /// The subject is a decommissioned unit.
    pub decommissioned: bool,
    /// The caller says why goods go where no grant binds them.
    pub reason_given: bool,
    /// The brand says so, not the sender or somebody above it.
    pub by_brand: bool,
    /// Custody of the subject, of every pack it was ever in, and of the children of `stirred`.
    pub custody: &'a CustodyFacts,
    /// What went into the subject, or into a pack that is inside it then, or left one of them,
    /// after `happened_at`. Only a paper that comes late has any.
    pub stirred: &'a [Containment],
    /// The parties.
    pub tree: &'a PartyTree,
    /// The grants.
    pub territories: &'a Territories,
}

/// What a shipment does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// The pack the subject leaves by being shipped alone.
    pub unpacked_from: Option<UnitNumber>,
    /// When it was known to have left that pack, before this late paper was told.
    pub known_out: Option<Moment>,
    /// The sender never confirmed receipt: it is presumed.
    pub presumed: bool,
    /// The packs that a late paper leaves in the receiver's hands from their opening on.
    pub follow: BTreeSet<UnitNumber>,
}

/// Whether the subject may be shipped, and what that does.
pub fn ship(facts: &ShipFacts<'_>) -> Result<Shipped, Refusal> {
    if facts.decommissioned {
        return Err(Refusal::Decommissioned);
    }
    if facts.recalled {
        return Err(Refusal::UnderRecall);
    }
    if facts.inspection_open {
        return Err(Refusal::InspectionOpen);
    }
    let shipped = hand_over(facts)?;
    let to = facts.tree.get(facts.to).ok_or(Refusal::UnknownParty)?;
    if matches!(to.kind, PartyKind::Platform | PartyKind::Regulator) {
        return Err(Refusal::NotAReceiver);
    }
    if leaves_channel(facts) && !(facts.by_brand && facts.reason_given) {
        return Err(Refusal::OutsideChannel);
    }
    let bound = |product: &ProductId| {
        facts.territories.binding(facts.tree, facts.to, *product, facts.on).is_some()
    };
    if to.kind.sells() && !facts.reason_given && !facts.products.iter().all(bound) {
        return Err(Refusal::NoTerritory);
    }
    Ok(shipped)
}

/// Whether a seller hands goods to a seller that stands neither below nor above it. They would be
/// bound by the receiver's grant from then on, and a diverted unit would start where it belongs: so
/// only the brand moves goods across, and says why. Parties that do not sell are no way out of a
/// territory: no grant binds goods by them.
fn leaves_channel(facts: &ShipFacts<'_>) -> bool {
    let ShipFacts { from, to, tree, .. } = *facts;
    let sells = |party| tree.get(party).is_some_and(|p| p.kind.sells());
    sells(from) && sells(to) && !tree.is_within(to, from) && !tree.is_within(from, to)
}

/// Whether the subject may be returned: to any ancestor of the sender, or to the brand. Recalled
/// and decommissioned goods may always go back.
pub fn give_back(facts: &ShipFacts<'_>) -> Result<Shipped, Refusal> {
    let shipped = hand_over(facts)?;
    let to = facts.tree.get(facts.to).ok_or(Refusal::UnknownParty)?;
    if to.kind.is_origin() || facts.tree.is_ancestor(facts.to, facts.from) {
        Ok(shipped)
    } else {
        Err(Refusal::NotAnAncestor)
    }
}

/// The hand-over itself: the sender holds then, and what is recorded later still fits.
fn hand_over(facts: &ShipFacts<'_>) -> Result<Shipped, Refusal> {
    if facts.from == facts.to {
        return Err(Refusal::ToItself);
    }
    let chain = facts.custody.standing(facts.subject, Timestamp::MAX);
    let before = chain.iter().rev().find(|h| h.at <= facts.happened_at);
    let Some(before) = before else {
        return Err(Refusal::BeforeProduction);
    };
    let around = facts.custody.inside_at(facts.subject, facts.happened_at);
    let (unpacked_from, known_out) = (around.map(|c| c.parent), around.and_then(|c| c.to));
    if before.party != facts.from {
        let gave = |h: &&&Hold| h.from == Some(facts.from) && h.kind == HoldKind::Shipped;
        let shipped_before = chain.iter().filter(gave).any(|h| h.at <= facts.happened_at);
        return Err(if shipped_before { Refusal::AlreadyShipped } else { Refusal::NotHolder });
    }
    let follow = match unpacked_from {
        None => fits_later(facts),
        // It leaves the pack then: what that did since is not its own.
        Some(parent) => {
            let mut alone = facts.custody.clone();
            alone.leave(facts.subject, parent, Moment::told_last(facts.happened_at));
            fits_later(&ShipFacts { custody: &alone, ..facts.clone() })
        }
    };
    let follow = follow.ok_or(Refusal::ContradictsLater)?;
    Ok(Shipped { unpacked_from, known_out, presumed: before.kind.in_transit(), follow })
}

/// Where everything recorded after a late paper still fits when the receiver holds from then on
/// (what the subject did next, and what was in it and left it, and what went into it): the packs
/// that follow it.
fn fits_later(facts: &ShipFacts<'_>) -> Option<BTreeSet<UnitNumber>> {
    let ShipFacts { subject, to, happened_at: at, custody, .. } = *facts;
    let mut packs = follow(custody, subject, to, at)?;
    for c in facts.stirred {
        if c.from.at <= at {
            packs.extend(follow(custody, c.child, to, at)?);
        } else if !joined_by(custody, c, to, at) {
            return None;
        }
    }
    Some(packs)
}

/// Whether a child could go into a pack that `holder` holds since `at`: it was in the same hands,
/// or the pack had moved on by then.
fn joined_by(custody: &CustodyFacts, c: &Containment, holder: PartyId, at: Timestamp) -> bool {
    let chain = custody.standing(c.parent, Timestamp::MAX);
    let moved = chain.iter().any(|h| at < h.at && h.moment() <= c.from);
    moved || !custody.was_inside(c) || custody.hands_before(c.child, c.from) == Some(holder)
}

/// Whether a receipt by `party` at `at` stands, and which pack the subject leaves by it: the
/// subject is on its way to the party then. Received out of a pack it leaves that, and what it did
/// since must fit; `stirred` is what went into the subject, or left it, after `at`. Where the party
/// handed the pack on at the very same instant, as days are often told, the subject went with it.
pub fn receive(
    custody: &CustodyFacts,
    (subject, stirred): (UnitNumber, &[Containment]),
    party: PartyId,
    at: Timestamp,
) -> Result<Option<UnitNumber>, Refusal> {
    let received = Hold {
        subject,
        at,
        party,
        from: None,
        kind: HoldKind::Received,
        presumed: false,
        shipment_no: None,
        event: EventId([0; 16]),
        recorded_at: Timestamp::MAX,
    };
    let mut with_it = custody.clone();
    with_it.extend([received.clone()], []);
    // What was taken back since was never on its way.
    let chain = with_it.standing(subject, Timestamp::MAX);
    let ours = |h: &&Hold| **h == received;
    let came = |h: &&Hold| {
        (h.kind, h.party, h.subject) == (HoldKind::Received, party, subject) && !ours(h)
    };
    // Of this instant, after which the goods may have been handed on.
    let told_before = || custody.own_holds(subject).iter().any(|h| h.at == at && came(&h));
    let Some(place) = chain.iter().rposition(ours) else {
        return Err(if told_before() { Refusal::AlreadyReceived } else { Refusal::NotInTransit });
    };
    let before = place.checked_sub(1).and_then(|i| chain.get(i)).filter(|h| h.party == party);
    let before = before.ok_or(Refusal::NotInTransit)?;
    let mut without = chain.clone();
    without.remove(place);
    // One that is known of the same goods, of this day or a later one, would be of nothing.
    let is_last = place == without.len();
    if !before.kind.in_transit()
        || !is_last && told_before()
        || chain.get(place + 1).is_some_and(came)
        || without != custody.standing(subject, Timestamp::MAX)
    {
        return Err(Refusal::AlreadyReceived);
    }
    // What lies in another pack than the one it travelled in was put there by who had it.
    let inside = custody.containments(subject).iter().find(|c| c.covers(at));
    let travelled = inside.filter(|c| c.shares(before.moment()));
    let Some(parent) = travelled.map(|c| c.parent) else { return Ok(None) };
    if chain.get(place + 1).is_some_and(|next| next.at == at) {
        return Ok(None);
    }
    let mut alone = with_it;
    alone.leave(subject, parent, Moment::told_last(at));
    let moved = stirred.iter().map(|c| c.child).chain([subject]);
    match still_fits(&alone, moved, at) {
        true => Ok(Some(parent)),
        false => Err(Refusal::ContradictsLater),
    }
}

/// What the voiding of a shipment does.
#[derive(Clone, Debug, PartialEq)]
pub struct Voided {
    /// Who holds again.
    pub holder: PartyId,
    /// How the subject lay in the pack that it left by the paper alone, if it left one.
    pub left: Option<Containment>,
    /// The packs that had followed the paper into its receiver's hands, and go back with it.
    pub follow: BTreeSet<UnitNumber>,
    /// The hand-over by it.
    pub paper: Hold,
}

/// What became of the pack that a subject left by a paper, which is voided.
#[derive(Clone, Copy, Debug)]
pub struct LeftPack<'a> {
    /// How the subject lay in it.
    pub left: &'a Containment,
    /// The paper.
    pub paper: &'a Hold,
    /// When the subject was known to have left it, before the paper was told.
    pub known_out: Option<Moment>,
    /// What went into the pack, or left it, since the paper.
    pub stirred: &'a [Containment],
}

impl LeftPack<'_> {
    /// Until when the subject was in the pack, the paper being wrong: until it was known to have
    /// left it, or went into another.
    fn until(&self, custody: &CustodyFacts) -> Option<Moment> {
        let inside = custody.containments(self.left.child).iter();
        let later = inside.filter(|c| self.left.to.is_some_and(|to| to < c.from));
        let into_others = later.filter(|c| custody.was_inside(c)).map(|c| c.from);
        into_others.chain(self.known_out).min()
    }

    /// When something left the pack last while the subject was in it, if anything did: it may have
    /// been emptied then, by people who thought that the subject had left it. What was told before
    /// the paper knew that it was in it, and what left it by the same paper (`named` there) emptied
    /// nothing.
    pub fn stirred_last(
        &self,
        custody: &CustodyFacts,
        named: impl Fn(UnitNumber) -> bool,
    ) -> Option<Timestamp> {
        let until = self.until(custody);
        let of_it = self.stirred.iter().filter(|c| c.parent == self.left.parent && !named(c.child));
        let out = of_it.filter_map(|c| c.to).filter(|to| until.is_none_or(|until| *to < until));
        out.filter(|to| to.recorded_at > self.paper.recorded_at).map(|to| to.at).max()
    }

    /// How the subject lies in the pack again: the paper was wrong, so it never left by it. None
    /// where the pack went anywhere meanwhile, of which nobody knows whether the subject did.
    pub fn again(&self, custody: &CustodyFacts) -> Option<Containment> {
        let (pack, since) = (self.left.parent, self.left.to?);
        let to = self.until(custody);
        let meanwhile = |moment: Moment| since < moment && to.is_none_or(|to| moment < to);
        let chain = custody.standing(pack, Timestamp::MAX);
        // A receipt of the pack moved it nowhere.
        let still = |h: &Hold| matches!(h.kind, HoldKind::Received | HoldKind::Packed);
        let moved = chain.iter().any(|h| meanwhile(h.moment()) && !still(h));
        let mut inside = custody.containments(pack).iter();
        let packed = inside.any(|c| meanwhile(c.from) && custody.was_inside(c));
        (!moved && !packed).then(|| Containment { to, ..self.left.clone() })
    }
}

/// Whether a shipment of the subject, a paper of its sender, can be voided at `at`, and what that
/// does: nothing moved it since, and nothing that was in it moved on or was joined by more.
/// `stirred` are the containments that began or ended after the shipment.
pub fn void(
    custody: &CustodyFacts,
    subject: UnitNumber,
    (from, shipment_no): (PartyId, &str),
    at: Timestamp,
    stirred: &[Containment],
) -> Result<Voided, Refusal> {
    let chain = custody.standing(subject, Timestamp::MAX);
    let moved = |h: &&&Hold| h.kind != HoldKind::Packed;
    let last = chain.iter().rfind(moved).ok_or(Refusal::UnknownSubject)?;
    let is_it = |h: &Hold| h.shipment_no.as_deref() == Some(shipment_no) && h.from == Some(from);
    if !chain.iter().any(|h| is_it(h)) {
        return Err(Refusal::UnknownSubject);
    }
    if !is_it(last) || !last.kind.in_transit() {
        return Err(Refusal::MovedOn);
    }
    if at < last.at {
        return Err(Refusal::ContradictsLater);
    }
    // The receiver may have put it, or what was in it, into packs of its own.
    let since = last.moment();
    let mut follow = BTreeSet::new();
    let mut packed_since = |child| !go_back(custody, (child, since), last, &mut follow);
    let moved_since = |child| {
        let chain = custody.standing(child, Timestamp::MAX);
        match chain.iter().position(|h| h == last) {
            Some(place) => chain[place + 1..].iter().any(|h| h.kind != HoldKind::Packed),
            None => chain.iter().filter(moved).any(|h| h.moment() > since),
        }
    };
    let mut moved_on = |c: &Containment| packed_since(c.child) || moved_since(c.child);
    // What had left it when that was told was not sent, nor was what lay in a pack that had.
    let went =
        |pack| pack == subject || custody.standing(pack, Timestamp::MAX).iter().any(|h| h == last);
    let mut sent = stirred.iter().filter(|c| c.to.is_none_or(|to| to > since) && went(c.parent));
    if sent.any(&mut moved_on) || packed_since(subject) {
        return Err(Refusal::MovedOn);
    }
    // That it left by it may have been told after it.
    let by_it = |to: Moment| to.at == since.at && to.recorded_at >= since.recorded_at;
    let mut inside = custody.containments(subject).iter();
    let left = inside.find(|c| c.from < since && c.to.is_some_and(by_it)).cloned();
    Ok(Voided { holder: from, left, follow, paper: (*last).clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::tests::{hold, inside, journey, n, t};
    use crate::party::tests::tree;

    fn facts<'a>(
        custody: &'a CustodyFacts,
        tree: &'a PartyTree,
        territories: &'a Territories,
        (subject, from, to, at): (u64, i64, i64, i64),
    ) -> ShipFacts<'a> {
        ShipFacts {
            subject: n(subject),
            from: PartyId(from),
            to: PartyId(to),
            happened_at: t(at),
            on: jiff::civil::date(2026, 5, 22),
            products: &[],
            inspection_open: false,
            recalled: false,
            decommissioned: false,
            reason_given: false,
            by_brand: false,
            custody,
            stirred: &[],
            tree,
            territories,
        }
    }

    #[test]
    fn only_the_holder_ships_and_only_once() {
        let (custody, tree, none) = (journey(), tree(), Territories::default());
        let check = |who, expected: Result<Shipped, Refusal>| {
            assert_eq!(ship(&facts(&custody, &tree, &none, who)), expected, "{who:?}");
        };
        check((1, 2, 8, 400), Err(Refusal::AlreadyShipped));
        check((1, 6, 8, 400), Err(Refusal::NotHolder));
        check((1, 5, 5, 400), Err(Refusal::ToItself));
        let follow = BTreeSet::new();
        let alone = Shipped { unpacked_from: None, known_out: None, presumed: true, follow };
        check((1, 5, 4, 400), Ok(alone.clone()));
        check((1, 2, 8, 5), Err(Refusal::BeforeProduction));
    }

    #[test]
    fn shipping_a_child_unpacks_it() {
        let (tree, none) = (tree(), Territories::default());
        let custody = CustodyFacts::new(
            [hold(1, 10, 2, None), hold(10, 20, 2, None), hold(10, 100, 3, Some(2))],
            [inside(1, 10, 20, None)],
        );
        let shipped = ship(&facts(&custody, &tree, &none, (1, 3, 4, 150))).unwrap();
        assert_eq!((shipped.unpacked_from, shipped.presumed), (Some(n(10)), true));
    }

    #[test]
    fn a_late_shipment_must_fit_what_came_after() {
        let (tree, none) = (tree(), Territories::default());
        let custody = CustodyFacts::new([hold(1, 10, 2, None), hold(1, 300, 4, Some(3))], []);
        let fits = ship(&facts(&custody, &tree, &none, (1, 2, 3, 200)));
        assert!(fits.is_ok(), "{fits:?}");
        let not = ship(&facts(&custody, &tree, &none, (1, 2, 8, 200)));
        assert_eq!(not, Err(Refusal::ContradictsLater));
    }

    /// Unit 1 lies in pack 10, which its maker 2 filled at 20; the late paper sends 10 from 2 to
    /// `to` at 50. What unit 1 did meanwhile must fit.
    #[test]
    fn a_late_pack_must_fit_what_its_contents_did_since() {
        let (tree, none) = (tree(), Territories::default());
        let check = |name: &str, to, own: &[Hold], boxes: &[Containment], fits: bool| {
            let mut holds =
                vec![hold(1, 10, 2, None), hold(10, 20, 2, None), hold(20, 30, 2, None)];
            holds.push(hold(30, 60, 3, None));
            holds.extend_from_slice(own);
            let custody = CustodyFacts::new(holds, boxes.to_vec());
            let later = |c: &&Containment| c.parent == n(10) && c.from.at > t(50);
            let left = |c: &&Containment| c.parent == n(10) && c.to.is_some();
            let stirred: Vec<_> = boxes.iter().filter(|c| later(c) || left(c)).cloned().collect();
            let late = facts(&custody, &tree, &none, (10, 2, to, 50));
            let late = ShipFacts { stirred: &stirred, ..late };
            let expected = if fits { Ok(()) } else { Err(Refusal::ContradictsLater) };
            assert_eq!(ship(&late).map(|_| ()), expected, "{name}");
        };
        let left = |to| inside(1, 10, 20, Some(to));
        let stays = [inside(1, 10, 20, None)];
        check("it stays inside", 3, &[], &stays, true);
        check("it was only taken out", 3, &[], &[left(70)], true);
        check("the receiver shipped it on", 3, &[hold(1, 70, 4, Some(3))], &[left(70)], true);
        check("its maker shipped it", 3, &[hold(1, 70, 8, Some(2))], &[left(70)], false);
        check("shipped before the paper", 3, &[hold(1, 40, 8, Some(2))], &[left(40)], true);
        let again = |parent| [left(70), inside(1, parent, 80, None)];
        check("packed anew by the receiver", 3, &[], &again(30), true);
        check("packed anew by its maker", 3, &[], &again(20), false);
        let joins = [inside(1, 10, 20, None), inside(5, 10, 70, None)];
        check("its maker added to it", 3, &[hold(5, 10, 2, None)], &joins, false);
        check("the receiver added to it", 3, &[hold(5, 10, 3, None)], &joins, true);
        let back = [hold(5, 10, 2, None), hold(10, 60, 2, Some(3))];
        check("it had come back by then", 3, &back, &joins, true);
    }

    #[test]
    fn a_shipment_is_voided_only_while_all_of_it_is_there() {
        let paper = |hold: Hold| Hold { shipment_no: Some("S1".to_owned()), ..hold };
        let check = |at, own: &[Hold], boxes: &[Containment]| {
            let mut holds = vec![hold(1, 10, 2, None), hold(10, 20, 2, None)];
            holds.push(paper(hold(10, 50, 3, Some(2))));
            holds.extend_from_slice(own);
            void(&CustodyFacts::new(holds, boxes.to_vec()), n(10), (PartyId(2), "S1"), t(at), boxes)
        };
        assert_eq!(check(60, &[], &[]).map(|it| it.holder), Ok(PartyId(2)));
        assert_eq!(check(40, &[], &[]), Err(Refusal::ContradictsLater));
        assert_eq!(check(60, &[hold(10, 55, 4, Some(3))], &[]), Err(Refusal::MovedOn));
        let left = [inside(1, 10, 20, Some(55))];
        let voided = check(60, &[], &left);
        assert_eq!(voided.map(|it| it.holder), Ok(PartyId(2)), "taken out, not handed on");
        assert_eq!(check(60, &[hold(1, 55, 4, Some(3))], &left), Err(Refusal::MovedOn));
        let joined = [inside(7, 10, 55, None)];
        assert_eq!(check(60, &[], &joined), Err(Refusal::MovedOn));
        let facts = CustodyFacts::new([hold(1, 10, 2, None)], []);
        assert_eq!(
            void(&facts, n(1), (PartyId(2), "S1"), t(60), &[]),
            Err(Refusal::UnknownSubject)
        );
    }

    #[test]
    fn what_left_a_pack_by_a_wrong_paper_never_left_it() {
        let again = |known_out: Option<i64>, more: &[Hold], boxes: &[Containment]| {
            let paper = hold(1, 50, 3, Some(2));
            let paper = Hold { shipment_no: Some("S1".to_owned()), ..paper };
            let to = Some(paper.moment());
            let out = Containment { to, ..inside(1, 10, 20, None) };
            let holds = [hold(1, 10, 2, None), hold(10, 20, 2, None), paper];
            let boxes = std::iter::once(out).chain(boxes.iter().cloned());
            let custody = CustodyFacts::new(holds.into_iter().chain(more.iter().cloned()), boxes);
            let voided = void(&custody, n(1), (PartyId(2), "S1"), t(90), &[]).unwrap();
            let left = voided.left.unwrap();
            let known_out = known_out.map(|at| Moment::told_first(t(at)));
            let pack = LeftPack { left: &left, paper: &voided.paper, known_out, stirred: &[] };
            pack.again(&custody).map(|c| (c.from.at, c.to.map(|to| to.at)))
        };
        assert_eq!(again(None, &[], &[]), Some((t(20), None)));
        assert_eq!(again(None, &[hold(10, 40, 2, None)], &[]), Some((t(20), None)));
        let went_on = [hold(10, 60, 3, Some(2))];
        assert_eq!(again(None, &went_on, &[]), None, "the pack left without it");
        // It was taken out at 55, as was known before the paper.
        assert_eq!(again(Some(55), &[], &[]), Some((t(20), Some(t(55)))));
        assert_eq!(again(Some(55), &went_on, &[]), Some((t(20), Some(t(55)))));
        assert_eq!(again(Some(65), &went_on, &[]), None, "it may have left with the pack");
    }

    #[test]
    fn goods_without_a_grant_need_a_reason() {
        let (tree, none) = (tree(), Territories::default());
        let custody = CustodyFacts::new([hold(1, 10, 2, None)], []);
        let products = [ProductId(1)];
        let bare =
            ShipFacts { products: &products, ..facts(&custody, &tree, &none, (1, 2, 3, 200)) };
        assert_eq!(ship(&bare), Err(Refusal::NoTerritory));
        assert!(ship(&ShipFacts { reason_given: true, ..bare.clone() }).is_ok());
        let recalled = ShipFacts { recalled: true, ..bare.clone() };
        assert_eq!(ship(&recalled), Err(Refusal::UnderRecall));
        let both = ShipFacts { decommissioned: true, ..recalled };
        assert_eq!(ship(&both), Err(Refusal::Decommissioned));
    }

    #[test]
    fn goods_do_not_cross_from_one_channel_to_another() {
        // Tier 1 are 3 (with 4 and shop 5, 6 and shop 7) and 8; unit 1 is with the sender.
        let (tree, none) = (tree(), Territories::default());
        let mut parties: Vec<_> = tree.iter().cloned().collect();
        parties.push(crate::party::tests::party(9, PartyKind::ServiceCentre, Some(1)));
        let tree = PartyTree::new(parties);
        let table = [
            (3, 4, true),
            (3, 7, true),
            (5, 3, true),
            (4, 6, false),
            (4, 7, false),
            (3, 8, false),
            (8, 5, false),
            (2, 8, true),
            (1, 7, true),
            (5, 9, true),
            (5, 1, true),
            (9, 5, true),
        ];
        for (from, to, inside) in table {
            let custody = CustodyFacts::new([hold(1, 10, from, None)], []);
            let bare = facts(&custody, &tree, &none, (1, from, to, 200));
            let expected = if inside { Ok(()) } else { Err(Refusal::OutsideChannel) };
            let said = |ship_facts: &ShipFacts<'_>| ship(ship_facts).map(|_| ());
            assert_eq!(said(&bare), expected, "{from} to {to}");
            let reasoned = ShipFacts { reason_given: true, ..bare.clone() };
            assert_eq!(said(&reasoned), expected, "{from} to {to}, for a reason");
            let silent = ShipFacts { by_brand: true, ..bare };
            assert_eq!(said(&silent), expected, "{from} to {to}, by the brand without a reason");
            let brand = ShipFacts { by_brand: true, ..reasoned };
            assert_eq!(said(&brand), Ok(()), "{from} to {to}, by the brand for a reason");
        }
    }

    #[test]
    fn returns_go_up_the_tree() {
        let (custody, tree, none) = (journey(), tree(), Territories::default());
        let back = |to| give_back(&facts(&custody, &tree, &none, (1, 5, to, 400)));
        assert!(back(4).is_ok() && back(3).is_ok() && back(1).is_ok() && back(2).is_ok());
        assert_eq!(back(6), Err(Refusal::NotAnAncestor));
    }

    #[test]
    fn receipts() {
        let custody = journey();
        assert_eq!(receive(&custody, (n(1), &[]), PartyId(5), t(350)), Ok(None));
        assert_eq!(receive(&custody, (n(1), &[]), PartyId(4), t(350)), Err(Refusal::NotInTransit));
        assert_eq!(
            receive(&custody, (n(1), &[]), PartyId(2), t(15)),
            Err(Refusal::AlreadyReceived)
        );
    }
}
