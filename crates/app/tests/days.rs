//! Days told as instants: whatever honest people do with goods in a few days, told in the order in
//! which they did it and dated by the day alone, leaves them with whom a naive judge says.

mod common;

use common::{World, sns, sscc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Handle;

on_both! {
    goods_are_where_honest_people_took_them,
}

const UNITS: usize = 4;
/// Two cartons and a pallet.
const PACKS: usize = 3;
/// Where goods go on from a party; from the last nowhere.
const WAY: [&str; 4] = ["FAC-SZ", "T1-53", "T2-53", "SHOP-53"];

#[derive(Clone, Copy, Debug)]
enum Act {
    Pack {
        child: usize,
        pack: usize,
    },
    Unpack(usize),
    Ship(usize),
    GiveBack(usize),
    Receive(usize),
    /// Takes back what was shipped or given back right before.
    Void,
    NextDay,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let thing = 0..UNITS + PACKS;
    let pack = UNITS..UNITS + PACKS;
    let act = prop_oneof![
        5 => (thing.clone(), pack).prop_map(|(child, pack)| Act::Pack { child, pack }),
        2 => thing.clone().prop_map(Act::Unpack),
        5 => thing.clone().prop_map(Act::Ship),
        1 => thing.clone().prop_map(Act::GiveBack),
        3 => thing.prop_map(Act::Receive),
        1 => Just(Act::Void),
        2 => Just(Act::NextDay),
    ];
    prop::collection::vec(act, 4..28)
}

/// Who has a thing, by its place on [`WAY`], and whether it is still on its way there.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    hands: usize,
    travels: bool,
}

/// What a bystander knows.
#[derive(Clone, Debug, Default)]
struct Judge {
    states: BTreeMap<usize, State>,
    parents: BTreeMap<usize, usize>,
    /// What went into what today.
    packed: BTreeSet<(usize, usize)>,
    /// The paper written right before: its number, who sent it, and how things stood.
    paper: Option<(usize, usize, Box<Judge>)>,
}

impl Judge {
    fn outermost(&self, mut thing: usize) -> usize {
        while let Some(parent) = self.parents.get(&thing) {
            thing = *parent;
        }
        thing
    }

    fn state(&self, thing: usize) -> Option<State> {
        self.states.get(&self.outermost(thing)).copied()
    }

    fn leaves(&mut self, thing: usize) {
        let state = self.state(thing);
        if self.parents.remove(&thing).is_some() {
            self.states.extend(state.map(|state| (thing, state)));
        }
    }

    fn may_pack(&self, child: usize, pack: usize) -> bool {
        // Units into cartons and cartons onto the pallet: no circle, nothing too deep.
        let fits = if child < UNITS { pack < UNITS + PACKS - 1 } else { pack == UNITS + PACKS - 1 };
        // The same row twice is one row: whoever puts it back on the same day has to say when.
        let again = self.packed.contains(&(child, pack));
        let free = fits && child != pack && !again && !self.parents.contains_key(&child);
        // Whoever packs has the goods, said or not; into a pack on its way goes nothing.
        let Some(State { hands, .. }) = self.state(child) else { return false };
        let here = State { hands, travels: false };
        free && self.state(pack).is_none_or(|pack| pack == here)
    }

    /// Does what an act says, where people could; whether they could.
    fn plays(&mut self, step: usize, act: Act) -> bool {
        let paper = self.paper.take();
        match act {
            Act::Void => {
                let Some((.., before)) = paper else { return false };
                let packed = std::mem::take(&mut self.packed);
                *self = Self { packed, ..*before };
                true
            }
            Act::NextDay => {
                self.packed.clear();
                true
            }
            Act::Pack { child, pack } => {
                let may = self.may_pack(child, pack);
                if may {
                    let opened = self.state(child).map(|state| State { travels: false, ..state });
                    if !self.states.contains_key(&pack) {
                        self.states.extend(opened.map(|state| (pack, state)));
                    }
                    self.parents.insert(child, pack);
                    self.packed.insert((child, pack));
                }
                may
            }
            Act::Unpack(child) => {
                let may = self.parents.contains_key(&child);
                self.leaves(child);
                may
            }
            Act::Ship(thing) | Act::GiveBack(thing) => {
                let Some(state) = self.state(thing) else { return false };
                let back = matches!(act, Act::GiveBack(_));
                let may = if back { state.hands > 0 } else { state.hands + 1 < WAY.len() };
                if may {
                    self.paper = Some((step, state.hands, Box::new(self.clone())));
                    self.leaves(thing);
                    let hands = if back { state.hands - 1 } else { state.hands + 1 };
                    self.states.insert(thing, State { hands, travels: true });
                }
                may
            }
            Act::Receive(thing) => {
                let state = self.state(thing).filter(|state| state.travels);
                if let Some(state) = state {
                    self.leaves(thing);
                    self.states.insert(thing, State { travels: false, ..state });
                }
                state.is_some()
            }
        }
    }
}

/// The names of a case.
struct Names(u32);

impl Names {
    fn thing(&self, thing: usize) -> String {
        let first = self.0 * 10;
        if thing < UNITS {
            return sns(first..first + 10).swap_remove(thing);
        }
        sscc(u64::from(first) + thing as u64)
    }
}

/// Tells an act, done by who has the goods.
async fn tell(
    world: &World,
    names: &Names,
    (step, day): (usize, u32),
    (act, hands): (Act, usize),
) -> (u16, Value) {
    let at = format!("2026-06-{day:02}T00:00:00+08:00");
    let desk = world.desk("BRAND", "all").await;
    let paper = format!("P{}-{step}", names.0);
    let moved = |thing: usize, to: usize| {
        json!({"rows": [{"shipment_no": paper, "from_code": WAY[hands], "to_code": WAY[to],
            "subject": names.thing(thing), "happened_at": at, "reason": "as agreed"}]})
    };
    match act {
        Act::NextDay => (200, Value::Null),
        Act::Pack { child, pack } => {
            let row = json!({"sscc": names.thing(pack), "child": names.thing(child),
                "packed_at": at});
            desk.post("/api/v1/packs", &json!({"rows": [row]})).await
        }
        // Its pack is filled in by whoever knows it.
        Act::Unpack(_) | Act::Void => (500, Value::Null),
        Act::Ship(thing) => desk.post("/api/v1/shipments", &moved(thing, hands + 1)).await,
        Act::GiveBack(thing) => desk.post("/api/v1/returns", &moved(thing, hands - 1)).await,
        Act::Receive(thing) => {
            let body = json!({"party_code": WAY[hands], "subjects": [names.thing(thing)],
                "happened_at": at});
            desk.post("/api/v1/receipts", &body).await
        }
    }
}

async fn take_out(world: &World, (pack, child): (String, String), day: u32) -> (u16, Value) {
    let at = format!("2026-06-{day:02}T00:00:00+08:00");
    let body = json!({"sscc": pack, "children": [child], "happened_at": at});
    world.desk("BRAND", "all").await.post("/api/v1/packs/unpack", &body).await
}

async fn take_back(world: &World, paper: &str, from: &str) -> (u16, Value) {
    let path = format!("/api/v1/shipments/{paper}/void");
    world.desk("BRAND", "all").await.post(&path, &json!({"from": from})).await
}

/// Plays the acts and says whether the product agrees with the judge after every day.
async fn agrees(world: &World, case: u32, acts: &[Act]) {
    let names = Names(case);
    let units: Vec<_> = (0..UNITS).map(|unit| names.thing(unit)).collect();
    world.make(&units).await;
    let mut judge = Judge::default();
    judge.states.extend((0..UNITS).map(|unit| (unit, State { hands: 0, travels: false })));
    let mut day = 1;
    for (step, act) in acts.iter().chain([&Act::NextDay]).enumerate() {
        let hands = match act {
            Act::Ship(thing) | Act::GiveBack(thing) | Act::Receive(thing) => {
                judge.state(*thing).map_or(0, |state| state.hands)
            }
            Act::Void => judge.paper.as_ref().map_or(0, |(_, hands, _)| *hands),
            Act::Pack { .. } | Act::Unpack(_) | Act::NextDay => 0,
        };
        let around = match act {
            Act::Unpack(child) => judge.parents.get(child).copied().map(|pack| (*child, pack)),
            _ => None,
        };
        let paper = judge.paper.as_ref().map(|(step, hands, _)| (*step, *hands));
        if !judge.plays(step, *act) {
            continue;
        }
        let (status, reply) = match (around, paper) {
            (Some((child, pack)), _) => {
                take_out(world, (names.thing(pack), names.thing(child)), day).await
            }
            (None, Some((written, hands))) if matches!(act, Act::Void) => {
                take_back(world, &format!("P{case}-{written}"), WAY[hands]).await
            }
            (None, _) => tell(world, &names, (step, day), (*act, hands)).await,
        };
        assert_eq!((status, &reply["problem"]), (200, &Value::Null), "{act:?} {reply}");
        assert!(!reply.to_string().contains("refused\":1"), "{act:?} {reply}");
        if matches!(act, Act::NextDay) {
            look(world, &names, &judge).await;
            day += 1;
        }
    }
}

async fn look(world: &World, names: &Names, judge: &Judge) {
    let desk = world.desk("BRAND", "all").await;
    for unit in 0..UNITS {
        let path = format!("/api/v1/verify/{}?scheme=sn", names.thing(unit));
        let (_, reply) = desk.get(&path).await;
        let state = judge.state(unit).expect("it was made");
        let hops = reply["custody"]["hops"].as_array().cloned().unwrap_or_default();
        let last = hops.last().cloned().unwrap_or_default();
        let told = (last["party"].as_str(), last["in_transit"].as_bool());
        assert_eq!(told, (Some(WAY[state.hands]), Some(state.travels)), "unit {unit} {reply}");
    }
}

async fn goods_are_where_honest_people_took_them(world: &World) {
    let case = AtomicU32::new(0);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&acts(), |acts| {
        let case = case.fetch_add(1, Ordering::Relaxed);
        let check = agrees(world, case, &acts);
        tokio::task::block_in_place(|| Handle::current().block_on(check));
        Ok(())
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
    world.agrees().await;
}
