//! Packing: unit → carton → pallet. One parent at a time, no circle, one holder, and at most
//! [`PACK_DEPTH_MAX`] packs around a unit, however they came together. The rules are judged as of
//! `packed_at` and onward, not by today's state, so a file that arrives a week late is judged by
//! the facts of its own day.

use crate::code::UnitNumber;
use crate::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment, PACK_DEPTH_MAX};
use crate::id::PartyId;
use crate::late::still_fits;
use crate::refusal::Refusal;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What must be known to put one child into one pack.
#[derive(Clone, Debug)]
pub struct PackFacts<'a> {
    /// The child: a unit or a pack.
    pub child: UnitNumber,
    /// The pack it goes into.
    pub parent: UnitNumber,
    /// When.
    pub packed_at: Timestamp,
    /// For a unit: when it was produced; none before its production record.
    pub produced_at: Option<Timestamp>,
    /// Whether the child is a unit (a pack has no production record of its own).
    pub child_is_unit: bool,
    /// Packs inside the child one in another, the deepest way, at `packed_at` or later.
    pub nested: usize,
    /// Whether the unit's inspection is hold or fail.
    pub inspection_open: bool,
    /// Whether the unit was decommissioned.
    pub decommissioned: bool,
    /// Custody of child and parent, of every pack they were ever in, and of `stirred`.
    pub custody: &'a CustodyFacts,
    /// What went into the child, a pack, or left it, after `packed_at`. Only a row that comes late
    /// has any.
    pub stirred: &'a [Containment],
}

/// How a child goes into a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Who holds the pack from its first child on.
    pub holder: PartyId,
    /// When the child left again: it is known to have been handed over by itself then.
    pub left: Option<Timestamp>,
    /// The pack was opened by this child, and not by a later one that was told before.
    pub opens_earlier: bool,
}

/// How the child goes in, or why it cannot.
pub fn decide(facts: &PackFacts<'_>) -> Result<Placed, Refusal> {
    let PackFacts { child, parent, packed_at, custody, .. } = *facts;
    if facts.decommissioned {
        return Err(Refusal::Decommissioned);
    }
    if facts.inspection_open {
        return Err(Refusal::InspectionOpen);
    }
    if facts.child_is_unit && facts.produced_at.is_none_or(|made| packed_at < made) {
        return Err(Refusal::BeforeProduction);
    }
    if child == parent {
        return Err(Refusal::PackInItself);
    }
    let below = facts.nested + usize::from(!facts.child_is_unit);
    // Handed over by itself, it left the pack at that instant, whichever is told first. A receipt
    // leaves it in a pack of the receiver's.
    let moved = custody.standing(child, Timestamp::MAX);
    let leaves = |h: &Hold| h.kind.in_transit() || h.kind == HoldKind::Packed;
    let alone = moved.iter().find(|h| h.subject == child && h.at > packed_at && leaves(h));
    let left = alone.filter(|hold| hold.kind.in_transit()).map(|hold| hold.at);
    let until = left.unwrap_or(Timestamp::MAX);
    if below + 1 + above(facts, until)? > PACK_DEPTH_MAX {
        return Err(Refusal::PackTooDeep);
    }
    let mut inside = custody.containments(child).iter();
    if inside.any(|c| c.ends_after(packed_at) && c.from.at < until && custody.was_inside(c)) {
        return Err(Refusal::AlreadyPacked);
    }
    let opened_since = left.is_none() && alone.is_some();
    let moves = moved.iter().any(|h| h.subject == child && h.at > packed_at);
    if opened_since || !fits_since(facts, (moves, left)) {
        return Err(Refusal::ContradictsLater);
    }
    let holder = custody.at(child, packed_at).ok_or(Refusal::BeforeProduction)?.party;
    match custody.at(parent, packed_at) {
        Some(pack) if pack.party != holder => Err(Refusal::OtherHolder),
        Some(_) => Ok(Placed { holder, left, opens_earlier: false }),
        None => opened_later(facts, holder, left),
    }
}

/// Whether what was in the child did since what it can have done travelling with the parent, and so
/// did the child itself, where it is known to have moved.
fn fits_since(facts: &PackFacts<'_>, (moves, left): (bool, Option<Timestamp>)) -> bool {
    let PackFacts { child, parent, packed_at: at, stirred, .. } = *facts;
    let alone = moves.then_some(child);
    if stirred.is_empty() && alone.is_none() {
        return true;
    }
    // Of what the pack did at that very instant nobody knows whether it was there.
    let mut of_pack = facts.custody.standing(parent, Timestamp::MAX).into_iter();
    if of_pack.any(|h| Some(h.at) == left && h.kind != HoldKind::Packed) {
        return false;
    }
    let mut custody = facts.custody.clone();
    let to = left.map(Moment::told_last);
    custody.extend([], [Containment { child, parent, from: Moment::told_last(at), to }]);
    still_fits(&custody, stirred.iter().map(|c| c.child).chain(alone), at)
}

/// A child that is told to have gone in before the one that opened the pack, or into a pack that
/// nobody knows yet.
fn opened_later(
    facts: &PackFacts<'_>,
    holder: PartyId,
    left: Option<Timestamp>,
) -> Result<Placed, Refusal> {
    let PackFacts { child, parent, custody, .. } = *facts;
    let placed = Placed { holder, left, opens_earlier: false };
    let Some(opened) = custody.opening(parent) else { return Ok(placed) };
    let held_by = |hold: &Hold| hold.party == holder;
    let stayed = left.is_some_and(|left| left <= opened.at)
        || custody.at(child, opened.at).is_some_and(held_by);
    if opened.kind == HoldKind::Packed && held_by(opened) && stayed {
        return Ok(Placed { opens_earlier: true, ..placed });
    }
    Err(Refusal::ContradictsLater)
}

/// How many packs are around the parent at `packed_at` or at any time after, the longest way.
/// Refused when the child is one of them, and when they are too many already.
fn above(facts: &PackFacts<'_>, until: Timestamp) -> Result<usize, Refusal> {
    let PackFacts { child, parent, packed_at, custody, .. } = *facts;
    let mut level = BTreeSet::from([parent]);
    for above in 0..PACK_DEPTH_MAX {
        let inside = level.iter().flat_map(|pack| custody.containments(*pack));
        let around: BTreeSet<_> = inside
            .filter(|c| c.ends_after(packed_at) && c.from.at < until && custody.was_inside(c))
            .map(|c| c.parent)
            .collect();
        if around.contains(&child) {
            return Err(Refusal::PackCycle);
        }
        if around.is_empty() {
            return Ok(above);
        }
        level = around;
    }
    Err(Refusal::PackTooDeep)
}

/// Whether a refusal may come of the pack having moved on by then: at an earlier time of that day
/// the child may have gone in.
pub fn has_left(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::OtherHolder | Refusal::ContradictsLater)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::tests::{hold, inside, n, t};

    fn facts(custody: &CustodyFacts, child: u64, parent: u64, at: i64) -> PackFacts<'_> {
        PackFacts {
            child: n(child),
            parent: n(parent),
            packed_at: t(at),
            produced_at: Some(t(10)),
            child_is_unit: true,
            nested: 0,
            inspection_open: false,
            decommissioned: false,
            custody,
            stirred: &[],
        }
    }

    fn alone(left: Option<i64>) -> Result<Placed, Refusal> {
        Ok(Placed { holder: PartyId(2), left: left.map(t), opens_earlier: false })
    }

    #[test]
    fn the_first_child_gives_the_pack_its_holder() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None)], []);
        assert_eq!(decide(&facts(&custody, 1, 10, 20)), alone(None));
        assert_eq!(decide(&facts(&custody, 1, 10, 9)), Err(Refusal::BeforeProduction));
    }

    #[test]
    fn neighbours_in_precedence() {
        let custody = CustodyFacts::new(
            [hold(1, 10, 2, None), hold(10, 15, 2, None)],
            [inside(10, 20, 16, None)],
        );
        let held = PackFacts { inspection_open: true, ..facts(&custody, 1, 1, 5) };
        let retired = PackFacts { decommissioned: true, ..held.clone() };
        assert_eq!(decide(&retired), Err(Refusal::Decommissioned));
        assert_eq!(decide(&held), Err(Refusal::InspectionOpen));
        assert_eq!(decide(&facts(&custody, 1, 1, 5)), Err(Refusal::BeforeProduction));
        assert_eq!(decide(&facts(&custody, 1, 1, 20)), Err(Refusal::PackInItself));
        let pack = PackFacts { child_is_unit: false, ..facts(&custody, 20, 10, 20) };
        assert_eq!(decide(&pack), Err(Refusal::PackCycle));
    }

    /// Pack `first` in the next one, that in the one after: so many packs around it, from 15 on.
    fn tower(first: u64, around: u64) -> impl Iterator<Item = Containment> {
        (first..first + around).map(|pack| inside(pack, pack + 1, 15, None))
    }

    #[test]
    fn eight_packs_stand_around_a_unit_and_no_ninth() {
        for (child_is_unit, nested, around, fits) in [
            (true, 0, 7, true),
            (true, 0, 8, false),
            (true, 0, 9, false),
            (false, 0, 6, true),
            (false, 0, 7, false),
            (false, 3, 3, true),
            (false, 4, 3, false),
            (false, 3, 4, false),
            (false, 6, 0, true),
            (false, 7, 0, false),
        ] {
            let custody = CustodyFacts::new([hold(1, 10, 2, None)], tower(10, around));
            let told = decide(&PackFacts { child_is_unit, nested, ..facts(&custody, 1, 10, 20) });
            let expected = if fits { Ok(PartyId(2)) } else { Err(Refusal::PackTooDeep) };
            assert_eq!(
                told.map(|it| it.holder),
                expected,
                "unit {child_is_unit}, {nested} below, {around} around"
            );
        }
    }

    #[test]
    fn what_is_around_the_pack_then_or_later_counts() {
        for (from, to, fits) in [(5, Some(20), true), (5, Some(21), false), (30, None, false)] {
            let around = tower(11, 7).chain([inside(10, 11, from, to)]);
            let custody = CustodyFacts::new([hold(1, 10, 2, None)], around);
            assert_eq!(decide(&facts(&custody, 1, 10, 20)).is_ok(), fits, "{from} {to:?}");
        }
    }

    #[test]
    fn no_circle_closes_however_long() {
        for packs in 2..=12 {
            let custody = CustodyFacts::new([hold(10, 10, 2, None)], tower(10, packs - 1));
            let outermost = 10 + packs - 1;
            let pack = PackFacts { child_is_unit: false, ..facts(&custody, outermost, 10, 20) };
            let why = if packs <= 9 { Refusal::PackCycle } else { Refusal::PackTooDeep };
            assert_eq!(decide(&pack), Err(why), "{packs} packs");
        }
    }

    #[test]
    fn one_parent_at_a_time_judged_as_of_then() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None)], [inside(1, 10, 20, Some(40))]);
        assert_eq!(decide(&facts(&custody, 1, 11, 30)), Err(Refusal::AlreadyPacked));
        assert_eq!(decide(&facts(&custody, 1, 11, 15)), Err(Refusal::AlreadyPacked));
        assert_eq!(decide(&facts(&custody, 1, 11, 40)), alone(None));
    }

    #[test]
    fn child_and_pack_share_a_holder() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None), hold(10, 12, 3, None)], []);
        assert_eq!(decide(&facts(&custody, 1, 10, 20)), Err(Refusal::OtherHolder));
    }

    #[test]
    fn what_was_handed_over_by_itself_had_left_by_then() {
        let handed_over = hold(1, 50, 3, Some(2));
        let check = |more: &[Hold], boxes: &[Containment], expected| {
            let holds = [hold(1, 10, 2, None), handed_over.clone()];
            let holds = holds.into_iter().chain(more.iter().cloned());
            let custody = CustodyFacts::new(holds, boxes.to_vec());
            assert_eq!(decide(&facts(&custody, 1, 10, 20)), expected, "{more:?} {boxes:?}");
        };
        let placed = alone(Some(50));
        check(&[], &[], placed);
        check(&[hold(30, 55, 3, None)], &[inside(1, 30, 60, None)], placed);
        check(&[], &[inside(1, 30, 40, Some(45))], Err(Refusal::AlreadyPacked));
        let opened = |at, party| Hold { kind: HoldKind::Packed, ..hold(10, at, party, None) };
        check(&[opened(15, 2), hold(10, 60, 3, Some(2))], &[], placed);
        // The pack had gone by then, and with it the unit.
        let gone = [opened(15, 2), hold(10, 30, 3, Some(2))];
        check(&gone, &[], Err(Refusal::ContradictsLater));
        // Opened, as far as was told, after it had left.
        check(&[opened(70, 2)], &[], placed.map(|it| Placed { opens_earlier: true, ..it }));
        check(&[opened(70, 3)], &[], Err(Refusal::ContradictsLater));
    }
}
