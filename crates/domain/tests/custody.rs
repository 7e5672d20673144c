//! Custody under any history: a naive judge walks a random journey step by step and remembers who
//! holds what; the woven chain must agree at every instant, in whatever order the facts arrived.

use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment};
use domain::id::{EventId, PartyId};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::HashMap;

fn n(number: u64) -> UnitNumber {
    UnitNumber::new(number).expect("small")
}

fn t(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("small")
}

fn hold(subject: u64, moment: Moment, party: i64, from: Option<i64>) -> Hold {
    Hold {
        subject: n(subject),
        at: moment.at,
        party: PartyId(party),
        from: from.map(PartyId),
        kind: HoldKind::Shipped,
        presumed: false,
        shipment_no: None,
        event: EventId([0; 16]),
        recorded_at: moment.recorded_at,
    }
}

/// What the judge knows: parents and holders, as they are now.
#[derive(Default)]
struct Judge {
    parent: HashMap<u64, u64>,
    holder: HashMap<u64, i64>,
}

impl Judge {
    fn holder(&self, mut subject: u64) -> Option<i64> {
        while let Some(parent) = self.parent.get(&subject) {
            subject = *parent;
        }
        self.holder.get(&subject).copied()
    }

    fn is_below(&self, mut subject: u64, above: u64) -> bool {
        while let Some(parent) = self.parent.get(&subject) {
            if *parent == above {
                return true;
            }
            subject = *parent;
        }
        false
    }
}

#[derive(Clone, Debug)]
enum Act {
    Pack(u64, u64),
    Ship(u64, i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let subject = 1..=6_u64;
    let act = prop_oneof![
        (subject.clone(), subject.clone()).prop_map(|(c, p)| Act::Pack(c, p)),
        (subject, 1..=5_i64).prop_map(|(s, p)| Act::Ship(s, p)),
    ];
    prop::collection::vec(act, 1..40)
}

/// After each instant: who holds what.
type Seen = Vec<(i64, Vec<(u64, i64)>)>;

/// Plays the acts that the rules allow, so many at each instant, as days are often told; returns
/// facts and, after each instant, who held what.
fn play(acts: &[Act], at_once: usize) -> (Vec<Hold>, Vec<Containment>, Seen) {
    let mut judge = Judge::default();
    let (mut holds, mut inside) = (Vec::new(), Vec::<Containment>::new());
    let mut seen = Vec::new();
    for subject in 1..=6 {
        judge.holder.insert(subject, 1);
        holds.push(hold(subject, Moment { at: t(0), recorded_at: t(0) }, 1, None));
    }
    for (i, act) in acts.iter().enumerate() {
        let at = (i / at_once) as i64 * 10 + 10;
        let moment = Moment { at: t(at), recorded_at: t(i as i64 + 1) };
        match *act {
            Act::Pack(child, parent) => {
                let free = !judge.parent.contains_key(&child);
                let sound = child != parent && !judge.is_below(parent, child);
                if free && sound && judge.holder(child) == judge.holder(parent) {
                    judge.parent.insert(child, parent);
                    let (child, parent) = (n(child), n(parent));
                    inside.push(Containment { child, parent, from: moment, to: None });
                }
            }
            Act::Ship(subject, party) => {
                let from = judge.holder(subject).filter(|from| *from != party);
                if judge.parent.remove(&subject).is_some() {
                    let open = inside.iter_mut().rev().find(|c| c.child == n(subject));
                    if let Some(open) = open {
                        open.to = Some(moment);
                    }
                }
                judge.holder.insert(subject, party);
                holds.push(hold(subject, moment, party, from));
            }
        }
        let now = (1..=6).filter_map(|s| Some((s, judge.holder(s)?))).collect();
        if seen.last().is_some_and(|(last, _)| *last == at) {
            seen.pop();
        }
        seen.push((at, now));
    }
    (holds, inside, seen)
}

proptest! {
    #[test]
    fn the_chain_agrees_with_a_naive_judge(
        acts in acts(),
        at_once in 1..=6_usize,
        seed in any::<u64>(),
    ) {
        let (mut holds, inside, seen) = play(&acts, at_once);
        // Facts arrive in any order.
        let rotate = (seed as usize) % holds.len();
        holds.rotate_left(rotate);
        let facts = CustodyFacts::new(holds, inside);
        for (at, now) in seen {
            for (subject, party) in now {
                let found = facts.at(n(subject), t(at)).map(|h| h.party.0);
                prop_assert_eq!(found, Some(party), "subject {} at {}", subject, at);
            }
        }
    }

    #[test]
    fn nobody_has_two_parents_at_once(acts in acts()) {
        let (holds, inside, seen) = play(&acts, 1);
        let facts = CustodyFacts::new(holds, inside.clone());
        for (at, _) in seen {
            for subject in 1..=6 {
                let parents = inside.iter().filter(|c| c.child == n(subject) && c.covers(t(at)));
                prop_assert!(parents.count() <= 1);
                prop_assert!(facts.upward(n(subject), t(at)).len() <= 6);
            }
        }
    }
}
