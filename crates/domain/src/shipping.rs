//! Shipping, receiving, returning: custody handed from party to party. Shipping onward implies
//! receipt (many tier-2 parties have no system); shipping a child of a pack unpacks it at that
//! instant and leaves its siblings where they are.

use crate::code::UnitNumber;
use crate::custody::{CustodyFacts, Hold, HoldKind};
use crate::id::{PartyId, ProductId};
use crate::party::{PartyKind, PartyTree};
use crate::refusal::Refusal;
use crate::territory::Territories;
use jiff::Timestamp;
use jiff::civil::Date;

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
    /// Custody of the subject and of every pack it was ever in.
    pub custody: &'a CustodyFacts,
    /// The parties.
    pub tree: &'a PartyTree,
    /// The grants.
    pub territories: &'a Territories,
}

/// What a shipment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// The pack the subject leaves by being shipped alone.
    pub unpacked_from: Option<UnitNumber>,
    /// The sender never confirmed receipt: it is presumed.
    pub presumed: bool,
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
    let bound = |product: &ProductId| {
        facts.territories.binding(facts.tree, facts.to, *product, facts.on).is_some()
    };
    if to.kind.sells() && !facts.reason_given && !facts.products.iter().all(bound) {
        return Err(Refusal::NoTerritory);
    }
    Ok(shipped)
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
    let chain = facts.custody.chain(facts.subject);
    let before = chain.iter().rev().find(|h| h.at <= facts.happened_at);
    let Some(before) = before else {
        return Err(Refusal::BeforeProduction);
    };
    if before.party != facts.from {
        let gave = |h: &&&Hold| h.from == Some(facts.from) && h.kind == HoldKind::Shipped;
        let shipped_before = chain.iter().filter(gave).any(|h| h.at <= facts.happened_at);
        return Err(if shipped_before { Refusal::AlreadyShipped } else { Refusal::NotHolder });
    }
    let after = chain.iter().find(|h| h.at > facts.happened_at);
    if after.is_some_and(|h| h.from != Some(facts.to) && h.party != facts.to) {
        return Err(Refusal::ContradictsLater);
    }
    let later_inside = |c: &crate::custody::Containment| c.from > facts.happened_at;
    if after.is_none() && facts.custody.containments(facts.subject).iter().any(later_inside) {
        return Err(Refusal::ContradictsLater);
    }
    Ok(Shipped {
        unpacked_from: facts.custody.parent_at(facts.subject, facts.happened_at),
        presumed: before.kind.in_transit(),
    })
}

/// Whether a receipt by `party` at `at` stands: the subject is on its way to it then.
pub fn receive(
    custody: &CustodyFacts,
    subject: UnitNumber,
    party: PartyId,
    at: Timestamp,
) -> Result<Option<UnitNumber>, Refusal> {
    let chain = custody.chain(subject);
    match chain.iter().rev().find(|h| h.at <= at) {
        Some(h) if h.party == party && h.kind.in_transit() => Ok(custody.parent_at(subject, at)),
        Some(h) if h.party == party => Err(Refusal::AlreadyReceived),
        _ => Err(Refusal::NotInTransit),
    }
}

/// Whether a shipment of the subject by `from` can be voided: nothing moved it since.
pub fn void(
    custody: &CustodyFacts,
    subject: UnitNumber,
    shipment_no: &str,
) -> Result<PartyId, Refusal> {
    let chain = custody.chain(subject);
    let last = chain.last().ok_or(Refusal::UnknownSubject)?;
    let is_it = |h: &Hold| h.shipment_no.as_deref() == Some(shipment_no);
    match last {
        h if is_it(h) && h.kind.in_transit() => h.from.ok_or(Refusal::MovedOn),
        _ if chain.iter().any(|h| is_it(h)) => Err(Refusal::MovedOn),
        _ => Err(Refusal::UnknownSubject),
    }
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
            custody,
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
        check((1, 5, 7, 400), Ok(Shipped { unpacked_from: None, presumed: true }));
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
        assert_eq!(shipped, Shipped { unpacked_from: Some(n(10)), presumed: true });
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
    fn returns_go_up_the_tree() {
        let (custody, tree, none) = (journey(), tree(), Territories::default());
        let back = |to| give_back(&facts(&custody, &tree, &none, (1, 5, to, 400)));
        assert!(back(4).is_ok() && back(3).is_ok() && back(1).is_ok() && back(2).is_ok());
        assert_eq!(back(6), Err(Refusal::NotAnAncestor));
    }

    #[test]
    fn receipts() {
        let custody = journey();
        assert_eq!(receive(&custody, n(1), PartyId(5), t(350)), Ok(None));
        assert_eq!(receive(&custody, n(1), PartyId(4), t(350)), Err(Refusal::NotInTransit));
        assert_eq!(receive(&custody, n(1), PartyId(2), t(15)), Err(Refusal::AlreadyReceived));
    }
}
