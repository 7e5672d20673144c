//! Days without times: whatever honest people do with goods in a few days, told in the order in
//! which they did it, leaves them with whom a naive judge says; whether each is dated by the
//! midnight of its day, or some by the second and others by the day alone.

#![allow(clippy::disallowed_methods, reason = "tests are told what to do by variables")]

use crate::common::{World, sns, sscc};
use crate::on_both;
use jiff::civil::date;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Handle;

on_both! {
    goods_are_where_honest_people_took_them,
    a_day_stands_behind_what_is_known_of_it,
    contents_told_by_the_day_go_with_a_carton_that_left,
    how_a_unit_stands_is_told_by_the_day,
    who_takes_a_paper_back_is_told_what_stays_outside,
}

pub const UNITS: usize = 4;
/// Two cartons and a pallet.
const PACKS: usize = 3;
/// Where goods go on from a party; from the last nowhere.
pub const WAY: [&str; 4] = ["FAC-SZ", "T1-53", "T2-53", "SHOP-53"];

#[derive(Clone, Copy, Debug)]
pub enum Act {
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

/// How the acts of a case are dated.
#[derive(Clone, Copy, Debug)]
enum Dates {
    /// All of a day by its midnight.
    Midnights,
    /// By the second or by the day alone, from the day on that the goods were made, at eight.
    Mixed,
}

impl Dates {
    fn of(self, day: u32, (step, exact): (usize, bool)) -> String {
        match self {
            Self::Midnights => format!("2026-06-{day:02}T00:00:00+08:00"),
            Self::Mixed => {
                let day = date(2026, 5, 19) + jiff::Span::new().days(i64::from(day));
                let time = if exact { format!(" 08:{:02}", step + 1) } else { String::new() };
                format!("{day}{time}")
            }
        }
    }
}

/// Acts, each with whether it is dated by the second.
fn days() -> impl Strategy<Value = (Dates, Vec<(Act, bool)>)> {
    let exact = prop::collection::vec(any::<bool>(), 28);
    let told = (acts(), exact).prop_map(|(acts, exact)| acts.into_iter().zip(exact).collect());
    (prop_oneof![Just(Dates::Midnights), Just(Dates::Mixed)], told)
}

/// A thing with a number from `first` on: units come before packs.
pub fn thing(first: usize) -> std::ops::Range<usize> {
    first..UNITS + PACKS
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (thing, pack) = (thing(0), thing(UNITS));
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
pub struct State {
    pub hands: usize,
    pub travels: bool,
}

/// What a bystander knows.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    pub states: BTreeMap<usize, State>,
    pub parents: BTreeMap<usize, usize>,
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

    pub fn state(&self, thing: usize) -> Option<State> {
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
    pub fn plays(&mut self, step: usize, act: Act) -> bool {
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
pub struct Names(pub u32);

impl Names {
    pub fn thing(&self, thing: usize) -> String {
        let first = self.0 * 10;
        if thing < UNITS {
            return sns(first..first + 10).swap_remove(thing);
        }
        sscc(u64::from(first) + thing as u64)
    }
}

/// Tells an act, done by who has the goods.
pub async fn tell(
    world: &World,
    names: &Names,
    (step, at): (usize, &str),
    (act, hands): (Act, usize),
) -> (u16, Value) {
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

pub async fn take_out(world: &World, (pack, child): (String, String), at: &str) -> (u16, Value) {
    let body = json!({"sscc": pack, "children": [child], "happened_at": at});
    world.desk("BRAND", "all").await.post("/api/v1/packs/unpack", &body).await
}

pub async fn take_back(world: &World, paper: &str, (from, at): (&str, &str)) -> (u16, Value) {
    let path = format!("/api/v1/shipments/{paper}/void");
    world.desk("BRAND", "all").await.post(&path, &json!({"from": from, "happened_at": at})).await
}

/// Plays the acts and says whether the product agrees with the judge after every day.
async fn agrees(world: &World, case: u32, (dates, acts): &(Dates, Vec<(Act, bool)>)) {
    let names = Names(case);
    let units: Vec<_> = (0..UNITS).map(|unit| names.thing(unit)).collect();
    world.make(&units).await;
    let mut judge = Judge::default();
    judge.states.extend((0..UNITS).map(|unit| (unit, State { hands: 0, travels: false })));
    let mut day = 1;
    for (step, (act, exact)) in acts.iter().chain([&(Act::NextDay, true)]).enumerate() {
        let at = dates.of(day, (step, *exact));
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
                take_out(world, (names.thing(pack), names.thing(child)), &at).await
            }
            (None, Some((written, hands))) if matches!(act, Act::Void) => {
                take_back(world, &format!("P{case}-{written}"), (WAY[hands], &at)).await
            }
            (None, _) => tell(world, &names, (step, &at), (*act, hands)).await,
        };
        assert_eq!((status, &reply["problem"]), (200, &Value::Null), "{act:?} {reply}");
        assert!(!reply.to_string().contains("refused\":1"), "{act:?} {reply}");
        if matches!(act, Act::NextDay) {
            look(world, &names, &judge).await;
            day += 1;
        }
    }
}

pub async fn look(world: &World, names: &Names, judge: &Judge) {
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

/// 24 cases, the same each time; or as many others as somebody asks for who has the time.
fn runner() -> TestRunner {
    let asked = std::env::var("DAYS_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = |cases| Config { cases, failure_persistence: None, ..Config::default() };
    match asked {
        Some(asked) => TestRunner::new(cases(asked)),
        None => {
            TestRunner::new_with_rng(cases(24), TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        }
    }
}

/// Plays so many cases, each under a number of its own.
pub fn plays<V: std::fmt::Debug>(
    cases_of: &impl Strategy<Value = V>,
    agrees: impl AsyncFn(u32, V),
) {
    let case = AtomicU32::new(0);
    let checked = runner().run(cases_of, |value| {
        let check = agrees(case.fetch_add(1, Ordering::Relaxed), value);
        tokio::task::block_in_place(|| Handle::current().block_on(check));
        Ok(())
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
}

async fn goods_are_where_honest_people_took_them(world: &World) {
    plays(&days(), async |case, days| agrees(world, case, &days).await);
    world.agrees().await;
}

/// The units were made on this day, at eight.
const DAY: &str = "2026-05-20";

/// Sends one row, or a command; the code of the refusal, else what became of it.
pub async fn sent(world: &World, path: &str, body: Value) -> String {
    let desk = world.desk("BRAND", "all").await;
    let (status, reply) = desk.post(&format!("/api/v1/{path}"), &body).await;
    let row = &reply["results"][0];
    let code = [&reply["code"], &row["problem"]["code"], &row["problems"][0]["code"]];
    let done = code.into_iter().chain([&row["outcome"]]).find_map(Value::as_str);
    done.map_or(format!("{status}"), str::to_owned)
}

pub async fn ships(world: &World, paper: &str, way: &str, (at, goods): (&str, &str)) -> String {
    let (from, to) = way.split_once('>').expect("a way");
    let row = json!({"shipment_no": paper, "from_code": from, "to_code": to, "subject": goods,
        "happened_at": at, "reason": "as agreed"});
    sent(world, "shipments", json!({"rows": [row]})).await
}

pub async fn packs(world: &World, pack: &str, (at, child): (&str, &str)) -> String {
    let row = json!({"sscc": pack, "child": child, "packed_at": at});
    sent(world, "packs", json!({"rows": [row]})).await
}

pub async fn hands(world: &World, sn: &str) -> Vec<(String, String)> {
    let path = format!("/api/v1/verify/{sn}?scheme=sn");
    let (_, reply) = world.desk("BRAND", "all").await.get(&path).await;
    let hops = reply["custody"]["hops"].as_array().cloned().unwrap_or_default();
    let text = |hop: &Value, field: &str| hop[field].as_str().unwrap_or_default().to_owned();
    hops.iter().map(|hop| (text(hop, "party"), text(hop, "since"))).collect()
}

async fn a_day_stands_behind_what_is_known_of_it(world: &World) {
    world.make(&sns(0..2)).await;
    let [sn, other] = [0, 1].map(|n| sns(n..n + 1).swap_remove(0));
    let sn = sn.as_str();
    assert_eq!(ships(world, "D1", "FAC-SZ>T1-53", (DAY, sn)).await, "taken");
    // The same row, whatever instant the day stood for.
    assert_eq!(ships(world, "D1", "FAC-SZ>T1-53", (DAY, sn)).await, "unchanged");
    let body = json!({"party_code": "T1-53", "subjects": [sn], "happened_at": DAY});
    assert_eq!(sent(world, "receipts", body).await, "taken");
    let noon = "2026-05-20 12:00";
    assert_eq!(ships(world, "D2", "T1-53>T2-53", (noon, sn)).await, "taken");
    assert_eq!(ships(world, "D3", "T2-53>SHOP-53", (DAY, sn)).await, "taken");
    let (eight, noon) = ("2026-05-20T08:00:00+08:00", "2026-05-20T12:00:00+08:00");
    let hops =
        [("FAC-SZ", eight), ("T1-53", eight), ("T1-53", eight), ("T2-53", noon), ("SHOP-53", noon)];
    let hops = hops.map(|(party, at)| (party.to_owned(), at.to_owned()));
    assert_eq!(hands(world, sn).await, hops);
    // A day before it was made stays one.
    let before = ships(world, "D4", "FAC-SZ>T1-53", ("2026-05-19", &other)).await;
    assert_eq!(before, "before_production");
    // Packed by the day, twice told, taken out by the day.
    let box_of = sscc(1);
    assert_eq!(packs(world, &box_of, (DAY, &other)).await, "taken");
    assert_eq!(packs(world, &box_of, (DAY, &other)).await, "unchanged");
    let out = json!({"sscc": box_of, "children": [other], "happened_at": DAY});
    assert_eq!(sent(world, "packs/unpack", out).await, "200");
    world.agrees().await;
}

async fn contents_told_by_the_day_go_with_a_carton_that_left(world: &World) {
    world.make(&sns(0..2)).await;
    let names = sns(0..2);
    assert_eq!(packs(world, &sscc(1), ("2026-05-20 09:00", &names[0])).await, "taken");
    let left = ("2026-05-20 10:00", &*sscc(1));
    assert_eq!(ships(world, "C1", "FAC-SZ>T1-53", left).await, "taken");
    assert_eq!(packs(world, &sscc(1), (DAY, &names[1])).await, "taken");
    for sn in &names {
        let last = hands(world, sn).await.pop().map(|(party, _)| party);
        assert_eq!(last.as_deref(), Some("T1-53"), "{sn}");
    }
    world.agrees().await;
}

async fn how_a_unit_stands_is_told_by_the_day(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let change = |change: &str, at: &str, sn: &str| {
        let (change, inspection) = match change {
            "pass" | "hold" => ("inspect", Some(change)),
            other => (other, None),
        };
        json!({"change": change, "inspection": inspection, "units": [sn], "reason": "seen",
            "happened_at": at})
    };
    let told = |body| sent(world, "units/changes", body);
    // Held at ten, and on that day some time later no more.
    assert_eq!(told(change("hold", "2026-05-20 10:00", &names[0])).await, "200");
    let kept = ships(world, "H1", "FAC-SZ>T1-53", (DAY, &names[0])).await;
    assert_eq!(kept, "inspection_open");
    assert_eq!(packs(world, &sscc(1), (DAY, &names[0])).await, "inspection_open");
    assert_eq!(told(change("pass", DAY, &names[0])).await, "200");
    assert_eq!(ships(world, "H1", "FAC-SZ>T1-53", (DAY, &names[0])).await, "taken");
    // On the day on which it was made.
    assert_eq!(told(change("report_stolen", DAY, &names[1])).await, "200");
    assert_eq!(told(change("decommission", DAY, &names[2])).await, "200");
    assert_eq!(told(change("decommission", "2026-05-19", &names[0])).await, "before_production");
    // Behind what its hands did on that day.
    let eleven = "2026-05-20 11:00";
    assert_eq!(ships(world, "H2", "FAC-SZ>T1-53", (eleven, &names[1])).await, "taken");
    assert_eq!(told(change("clear_stolen", DAY, &names[1])).await, "200");
    let (_, dossier) = world.desk("BRAND", "all").await.get("/api/v1/units/CY000001").await;
    let cleared = dossier["timeline"].as_array().expect("a story").iter();
    let cleared: Vec<_> = cleared.filter(|event| event["kind"] == "stolen_cleared").collect();
    assert_eq!(cleared[0]["happened_at"], "2026-05-20T11:00:00+08:00");
    world.agrees().await;
}

async fn who_takes_a_paper_back_is_told_what_stays_outside(world: &World) {
    world.make(&sns(0..5)).await;
    let names = sns(0..2);
    for sn in &names {
        assert_eq!(packs(world, &sscc(1), ("2026-05-20 09:00", sn)).await, "taken");
    }
    for sn in &names {
        let alone = ("2026-05-20 10:00", &**sn);
        assert_eq!(ships(world, &format!("V{sn}"), "FAC-SZ>T1-53", alone).await, "taken");
    }
    let desk = world.desk("BRAND", "all").await;
    let void = |no: String| {
        let (desk, path) = (&desk, format!("/api/v1/shipments/{no}/void"));
        let body = json!({"from": "FAC-SZ", "happened_at": DAY});
        async move { desk.post(&path, &body).await }
    };
    let first = void(format!("V{}", names[0])).await;
    assert_eq!(first, (200, json!({"count": 1, "outside": []})));
    // The carton goes on before the other paper is taken back.
    let left = ("2026-05-20 11:00", &*sscc(1));
    assert_eq!(ships(world, "V3", "FAC-SZ>T1-53", left).await, "taken");
    let code = world.house.ring().encode(
        domain::code::UnitNumber::new(world.unit(&names[1]).await as u64).expect("a number"),
    );
    let second = void(format!("V{}", names[1])).await;
    assert_eq!(second, (200, json!({"count": 1, "outside": [code.as_str()]})));
    let again = void(format!("V{}", names[1])).await;
    assert_eq!(again, (200, json!({"count": 0, "outside": []})));
    // Pieces of one paper emptied nothing, at whatever seconds they had gone in.
    for (i, sn) in sns(2..5).iter().enumerate() {
        let second = format!("2026-05-20 09:00:0{i}");
        assert_eq!(packs(world, &sscc(2), (&second, sn)).await, "taken");
    }
    for sn in sns(2..4) {
        assert_eq!(ships(world, "V4", "FAC-SZ>T1-53", (DAY, &sn)).await, "taken");
    }
    assert_eq!(void("V4".to_owned()).await, (200, json!({"count": 2, "outside": []})));
    let left = ("2026-05-20 11:00", &*sscc(2));
    assert_eq!(ships(world, "V5", "FAC-SZ>T1-53", left).await, "taken");
    for sn in sns(2..5) {
        let last = hands(world, &sn).await.pop().map(|(party, _)| party);
        assert_eq!(last.as_deref(), Some("T1-53"), "{sn}");
    }
    world.agrees().await;
}
