//! Late papers: what is told of the past must leave what was recorded since as true as it was.
//!
//! A row of packing names nobody: in whose hands a pack was opened is read off its first child. So
//! where a late paper shows that others had that child, the pack follows it, and so does a pack
//! that this one opened; as long as they did nothing that others must have done.

use crate::code::UnitNumber;
use crate::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment};
use crate::id::PartyId;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Whether all that is recorded of these subjects after an instant fits the facts, to which the
/// late one was added: who handed on had the goods, who received them was sent them, and what went
/// into a pack was in the same hands.
pub fn still_fits(
    custody: &CustodyFacts,
    subjects: impl IntoIterator<Item = UnitNumber>,
    after: Timestamp,
) -> bool {
    subjects.into_iter().all(|subject| moves_fit(custody, subject, after))
}

fn moves_fit(custody: &CustodyFacts, subject: UnitNumber, after: Timestamp) -> bool {
    let mut chain = custody.in_order(subject, Timestamp::MAX).into_iter();
    let mut holder = chain.next().map(|hold| hold.party);
    let handed_on = chain.all(|hold| {
        let received = hold.kind == HoldKind::Received;
        let by = hold.from.or(received.then_some(hold.party));
        let had_it = by.is_none() || by == holder;
        if had_it || !received {
            holder = Some(hold.party);
        }
        had_it || hold.subject != subject || hold.at <= after
    });
    let inside = custody.containments(subject);
    let mut packed = inside.iter().filter(|c| c.from.at > after && custody.was_inside(c));
    handed_on
        && packed.all(|c| {
            // Others in a pack that followed a paper may wait for their own.
            let followed = custody.opening(c.parent).is_some_and(|h| h.shipment_no.is_some());
            let known = custody.hands_of_pack(c.parent, c.from);
            followed || known == custody.hands_before(subject, c.from)
        })
}

/// Whether what a subject did next after `at` was done by `holder`, who handed it on or received
/// it, and until then it went only into packs that `holder` held: which of them, in other hands as
/// far as was known, were opened by it and follow it. None where it cannot be.
pub fn follow(
    custody: &CustodyFacts,
    subject: UnitNumber,
    holder: PartyId,
    at: Timestamp,
) -> Option<BTreeSet<UnitNumber>> {
    let mut packs = BTreeSet::new();
    follows(custody, (subject, Moment::told_last(at)), holder, &mut packs).then_some(packs)
}

fn follows(
    custody: &CustodyFacts,
    (subject, after): (UnitNumber, Moment),
    holder: PartyId,
    packs: &mut BTreeSet<UnitNumber>,
) -> bool {
    let Some(until) = next_fits(custody, (subject, after), holder) else { return false };
    let inside = custody.containments(subject).iter();
    let mut packed = inside.filter(|c| after < c.from && c.from < until && custody.was_inside(c));
    packed.all(|c| {
        let pack = c.parent;
        let known = custody.hands_of_pack(pack, c.from);
        // Whose other papers are not told yet is in a pack of others; it moves only its own.
        let own = known == custody.hands_before(subject, c.from);
        if packs.contains(&pack) || known == Some(holder) || !own {
            return true;
        }
        packs.insert(pack);
        let whole_time = (pack, Moment::told_first(c.from.at));
        is_opened_by(custody, c) && follows(custody, whole_time, holder, packs)
    })
}

/// When a subject was moved next after a moment, if `holder` can have done that: it handed it on or
/// received it, or it was moved in a pack in which it did not fit before.
fn next_fits(
    custody: &CustodyFacts,
    (subject, after): (UnitNumber, Moment),
    holder: PartyId,
) -> Option<Moment> {
    let chain = custody.standing(subject, Timestamp::MAX);
    let next = chain.iter().position(|h| h.moment() > after && h.kind != HoldKind::Packed);
    let Some(next) = next else { return Some(Moment::told_last(Timestamp::MAX)) };
    let (hold, before) = (chain[next], next.checked_sub(1).and_then(|i| chain.get(i)));
    // A receipt names no sender: it is by whom the goods came to.
    let by = hold.from.unwrap_or(hold.party);
    let stood = hold.subject == subject || before.is_none_or(|before| before.party == by);
    (by == holder || !stood).then(|| hold.moment())
}

/// Whether a child opened the pack that it went into, and it had moved nowhere by then.
fn is_opened_by(custody: &CustodyFacts, c: &Containment) -> bool {
    let Some(opening) = custody.opening(c.parent) else { return false };
    let chain = custody.standing(c.parent, Timestamp::MAX);
    let mut known = chain.iter().take_while(|h| h.moment() <= c.from);
    let by_it = opening.kind == HoldKind::Packed && c.from.at <= opening.at;
    by_it && known.all(|h| h.kind == HoldKind::Packed)
}

/// Whether what else was in packs that follow a late paper was done by `holder` next. Its own
/// papers may not be told yet.
pub fn contents_follow(custody: &CustodyFacts, contents: &[Containment], holder: PartyId) -> bool {
    let mut inside = contents.iter().filter(|c| custody.was_inside(c));
    inside.all(|c| next_fits(custody, (c.child, c.from), holder).is_some())
}

/// Whether a paper may be taken back although a child that came by it went into packs after a
/// moment: another paper brought them there, or they had followed this one and moved nowhere. Those
/// are added to `packs`, which go back with it.
pub fn go_back(
    custody: &CustodyFacts,
    (child, since): (UnitNumber, Moment),
    paper: &Hold,
    packs: &mut BTreeSet<UnitNumber>,
) -> bool {
    let inside = custody.containments(child).iter();
    let mut later = inside.filter(|c| c.from > since && custody.was_inside(c));
    later.all(|c| {
        let followed = |h: &&Hold| h.kind == HoldKind::Packed && h.shipment_no.is_some();
        let openings = custody.own_holds(c.parent).iter().filter(followed);
        let Some(opening) = openings.max_by_key(|h| h.recorded_at) else { return false };
        // What was told since knew of the paper.
        let before = |moment: Moment| moment.recorded_at < paper.recorded_at;
        let known = before(c.from) && c.to.is_none_or(before);
        let chain = custody.standing(c.parent, Timestamp::MAX);
        let stays = chain.iter().all(|h| h.kind == HoldKind::Packed);
        let by_it = opening.shipment_no == paper.shipment_no && opening.from == paper.from;
        let went_back = opening.from == Some(opening.party);
        let whole_time = (c.parent, Moment::told_first(c.from.at));
        known
            && stays
            && match (by_it, went_back) {
                (true, true) | (false, false) => true,
                (false, true) => false,
                (true, false) => {
                    !packs.insert(c.parent) || go_back(custody, whole_time, paper, packs)
                }
            }
    })
}

/// Whether packs may go back with a paper: nothing in them came to its receiver otherwise, or did
/// something since. `named` says what the paper names.
pub fn contents_go_back(
    custody: &CustodyFacts,
    packs: &BTreeSet<UnitNumber>,
    contents: &[Containment],
    (paper, named): (&Hold, impl Fn(UnitNumber) -> bool),
) -> bool {
    let others = contents.iter().filter(|c| !packs.contains(&c.child) && !named(c.child));
    others.filter(|c| custody.was_inside(c)).all(|c| {
        let chain = custody.standing(c.child, Timestamp::MAX);
        let mut since = chain.iter().filter(|h| h.moment() > c.from);
        // It may have come by the paper in a pack that this names.
        let by_it = chain.iter().rfind(|h| h.moment() < c.from).is_some_and(|h| *h == paper);
        (by_it || custody.hands_before(c.child, c.from) != Some(paper.party))
            && since.all(|h| h.kind == HoldKind::Packed)
    })
}

/// The packs around a subject at an instant or at any time after: what they are relied on for must
/// not change beside a late paper about it.
pub fn around_since(
    custody: &CustodyFacts,
    subject: UnitNumber,
    from: Timestamp,
) -> BTreeSet<UnitNumber> {
    let mut around = BTreeSet::new();
    let mut open = vec![subject];
    while let Some(inner) = open.pop() {
        let lasts = custody.containments(inner).iter().filter(|c| c.ends_after(from));
        open.extend(lasts.map(|c| c.parent).filter(|parent| around.insert(*parent)));
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::Hold;
    use crate::custody::tests::{hold, inside, n, t};

    fn received(subject: u64, at: i64, party: i64) -> Hold {
        Hold { kind: HoldKind::Received, ..hold(subject, at, party, None) }
    }

    #[test]
    fn what_was_done_later_was_done_by_who_had_it() {
        // Carton 10 went from 2 to 3; unit 1 was in it, and 3 handed it to 4.
        let holds = [hold(1, 10, 2, None), hold(10, 10, 2, None), hold(10, 50, 3, Some(2))];
        let in_time = [inside(1, 10, 10, Some(70))];
        let went_on = hold(1, 70, 4, Some(3));
        let check = |inside: &[Containment], more: &[Hold], fits: bool| {
            let holds = holds.iter().chain(more).cloned();
            let facts = CustodyFacts::new(holds, inside.iter().cloned());
            assert_eq!(still_fits(&facts, [n(1)], t(20)), fits, "{inside:?} {more:?}");
        };
        let went_on = std::slice::from_ref(&went_on);
        check(&in_time, went_on, true);
        // Taken out before the carton left, it was still with 2.
        let before = [inside(1, 10, 10, Some(30))];
        check(&before, went_on, false);
        check(&before, &[], true);
        check(&before, &[hold(1, 70, 4, Some(2))], true);
        // Receipts are by whom it was sent to.
        check(&in_time, &[received(1, 60, 3)], true);
        check(&before, &[received(1, 60, 3)], false);
    }

    #[test]
    fn what_was_packed_later_was_in_the_same_hands() {
        let holds = [
            hold(1, 10, 2, None),
            hold(10, 10, 2, None),
            hold(10, 50, 3, Some(2)),
            hold(11, 40, 3, None),
        ];
        let check = |left: i64, fits: bool| {
            let moves = [inside(1, 10, 10, Some(left)), inside(1, 11, 60, None)];
            let facts = CustodyFacts::new(holds.to_vec(), moves);
            assert_eq!(still_fits(&facts, [n(1)], t(20)), fits, "left at {left}");
        };
        check(55, true);
        check(30, false);
    }
}
