//! Custody under any history: a naive judge walks a random journey step by step and remembers who
//! holds what; the woven chain must agree at every instant, in whatever order the facts arrived.

use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind};
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

fn hold(subject: u64, at: i64, party: i64) -> Hold {
    Hold {
        subject: n(subject),
        at: t(at),
        party: PartyId(party),
        from: None,
        kind: HoldKind::Shipped,
        presumed: false,
        shipment_no: None,
        event: EventId([0; 16]),
        recorded_at: t(at),
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

/// After each act, by its time: who holds what.
type Seen = Vec<(i64, Vec<(u64, i64)>)>;

/// Plays the acts that the rules allow; returns facts and, after each act, who held what.
fn play(acts: &[Act]) -> (Vec<Hold>, Vec<Containment>, Seen) {
    let mut judge = Judge::default();
    let (mut holds, mut inside) = (Vec::new(), Vec::<Containment>::new());
    let mut seen = Vec::new();
    for subject in 1..=6 {
        judge.holder.insert(subject, 1);
        holds.push(hold(subject, 0, 1));
    }
    for (at, act) in (1..).map(|i| i * 10).zip(acts) {
        match *act {
            Act::Pack(child, parent) => {
                let free = !judge.parent.contains_key(&child);
                let sound = child != parent && !judge.is_below(parent, child);
                if free && sound && judge.holder(child) == judge.holder(parent) {
                    judge.parent.insert(child, parent);
                    let (child, parent) = (n(child), n(parent));
                    inside.push(Containment { child, parent, from: t(at), to: None });
                }
            }
            Act::Ship(subject, party) => {
                if judge.parent.remove(&subject).is_some() {
                    let open = inside.iter_mut().rev().find(|c| c.child == n(subject));
                    if let Some(open) = open {
                        open.to = Some(t(at));
                    }
                }
                judge.holder.insert(subject, party);
                holds.push(hold(subject, at, party));
            }
        }
        let now = (1..=6).filter_map(|s| Some((s, judge.holder(s)?))).collect();
        seen.push((at, now));
    }
    (holds, inside, seen)
}

proptest! {
    #[test]
    fn the_chain_agrees_with_a_naive_judge(acts in acts(), seed in any::<u64>()) {
        let (mut holds, inside, seen) = play(&acts);
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
        let (holds, inside, seen) = play(&acts);
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
