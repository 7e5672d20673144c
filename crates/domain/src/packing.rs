//! Packing: unit → carton → pallet. One parent at a time, no circle, one holder. The rules are
//! judged as of `packed_at` and onward, not by today's state, so a file that arrives a week late
//! is judged by the facts of its own day.

use crate::code::UnitNumber;
use crate::custody::{CustodyFacts, PACK_DEPTH_MAX};
use crate::id::PartyId;
use crate::refusal::Refusal;
use jiff::Timestamp;

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
    /// Whether the unit's inspection is hold or fail.
    pub inspection_open: bool,
    /// Whether the unit was decommissioned.
    pub decommissioned: bool,
    /// Custody of child and parent and of every pack they were ever in.
    pub custody: &'a CustodyFacts,
}

/// Who holds the pack from its first child on, or why the child cannot go in.
pub fn decide(facts: &PackFacts<'_>) -> Result<PartyId, Refusal> {
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
    if parent_is_inside(custody, parent, child, packed_at) {
        return Err(Refusal::PackCycle);
    }
    if custody.upward(parent, packed_at).len() >= PACK_DEPTH_MAX - 1 {
        return Err(Refusal::PackTooDeep);
    }
    let still_inside = |c: &crate::custody::Containment| c.to.is_none_or(|to| to > packed_at);
    if custody.containments(child).iter().any(still_inside) {
        return Err(Refusal::AlreadyPacked);
    }
    if custody.own_holds(child).iter().any(|h| h.at > packed_at) {
        return Err(Refusal::ContradictsLater);
    }
    let holder = custody.at(child, packed_at).ok_or(Refusal::BeforeProduction)?.party;
    match custody.at(parent, packed_at) {
        Some(pack) if pack.party != holder => Err(Refusal::OtherHolder),
        None if !custody.own_holds(parent).is_empty() => Err(Refusal::ContradictsLater),
        _ => Ok(holder),
    }
}

/// Whether `child` is around `parent` at `packed_at` or at any time after.
fn parent_is_inside(
    custody: &CustodyFacts,
    parent: UnitNumber,
    child: UnitNumber,
    from: Timestamp,
) -> bool {
    fn climbs(
        custody: &CustodyFacts,
        at: UnitNumber,
        goal: UnitNumber,
        from: Timestamp,
        depth: usize,
    ) -> bool {
        depth > 0
            && custody
                .containments(at)
                .iter()
                .filter(|c| c.to.is_none_or(|to| to > from))
                .any(|c| c.parent == goal || climbs(custody, c.parent, goal, from, depth - 1))
    }
    climbs(custody, parent, child, from, PACK_DEPTH_MAX)
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
            inspection_open: false,
            decommissioned: false,
            custody,
        }
    }

    #[test]
    fn the_first_child_gives_the_pack_its_holder() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None)], []);
        assert_eq!(decide(&facts(&custody, 1, 10, 20)), Ok(PartyId(2)));
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

    #[test]
    fn one_parent_at_a_time_judged_as_of_then() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None)], [inside(1, 10, 20, Some(40))]);
        assert_eq!(decide(&facts(&custody, 1, 11, 30)), Err(Refusal::AlreadyPacked));
        assert_eq!(decide(&facts(&custody, 1, 11, 15)), Err(Refusal::AlreadyPacked));
        assert_eq!(decide(&facts(&custody, 1, 11, 40)), Ok(PartyId(2)));
    }

    #[test]
    fn child_and_pack_share_a_holder() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None), hold(10, 12, 3, None)], []);
        assert_eq!(decide(&facts(&custody, 1, 10, 20)), Err(Refusal::OtherHolder));
    }

    #[test]
    fn what_moved_by_itself_since_cannot_have_been_inside() {
        let custody = CustodyFacts::new([hold(1, 10, 2, None), hold(1, 50, 3, Some(2))], []);
        assert_eq!(decide(&facts(&custody, 1, 10, 20)), Err(Refusal::ContradictsLater));
    }
}
