//! Rows that lean on earlier rows of the same command: recorded together, or not at all, and told
//! as if they had come one by one.

use crate::common::{FACTORY, World, outcomes, sns, sscc};
use crate::on_both;
use domain::custody::{CustodyFacts, Hold, HoldKind};
use dossier::files::Kind;
use dossier::flows::find::unit_number;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::event::{Body, Event};
use tokio::runtime::Handle;

on_both! {
    a_carton_is_filled_and_put_onto_a_pallet,
    goods_go_two_hops,
    what_moved_in_a_carton_moved_in_its_pallet,
    a_pallet_learns_what_goes_into_its_cartons,
    one_refused_row_at_the_end_leaves_nothing,
    a_pack_opened_here_knows_what_came_later,
    what_was_taken_out_here_counts_for_a_late_paper,
    of_two_files_over_the_same_goods_one_is_recorded,
    a_decision_on_stale_rows_is_made_again,
    what_is_remembered_of_a_pack_ends_with_the_next_commit,
    a_code_is_not_given_to_a_unit_that_draws_its_own,
    however_rows_come_the_same_is_recorded,
}

const PACKS: &str = "sscc,child,packed_at\n";
const SHIPMENTS: &str = "shipment_no,from_code,to_code,happened_at,subject\n";

async fn whole(world: &World, kind: Kind, text: &str) -> Vec<String> {
    outcomes(&world.house, kind, text, true).await
}

async fn pack_of(world: &World, sscc: &str) -> Option<i64> {
    world.house.store.identifier_fetch("sscc", 0, sscc).await.expect("it reads")
}

async fn events(world: &World, number: i64) -> Vec<Event> {
    world.house.store.events_fetch(number).await.expect("it reads")
}

async fn facts(world: &World, number: i64) -> CustodyFacts {
    let mut facts = CustodyFacts::default();
    world.house.store.custody_fetch(&[number], &mut facts).await.expect("it reads");
    facts
}

/// The carton was told to have been filled further before it was told to be on the pallet: a paper
/// about the pallet that lies in between contradicts what is known.
async fn what_moved_in_a_carton_moved_in_its_pallet(world: &World) {
    let at = |hour: u32| format!("2026-05-21T{hour:02}:00:00+08:00");
    for (whole_file, carton, pallet, first) in
        [(false, sscc(1), sscc(2), 0), (true, sscc(3), sscc(4), 2)]
    {
        let units = sns(first..first + 2);
        world.make(&units).await;
        let rows = format!(
            "{PACKS}{carton},{},{}\n{carton},{},{}\n{pallet},{carton},{}\n",
            units[0],
            at(9),
            units[1],
            at(12),
            at(10)
        );
        if whole_file {
            assert_eq!(whole(world, Kind::Packs, &rows).await, ["taken", "taken", "taken"]);
        } else {
            for row in rows.lines().skip(1) {
                world.take(Kind::Packs, &format!("{PACKS}{row}\n")).await;
            }
        }
        let late = format!("{SHIPMENTS}S-{first},{FACTORY},T1-53,{},{pallet}\n", at(11));
        let told = outcomes(&world.house, Kind::Shipments, &late, false).await;
        assert_eq!(told, ["contradicts_later"], "whole file: {whole_file}");
    }
    world.agrees().await;
}

/// Whether a party may take a pallet on is asked of the products the pallet knows.
async fn a_pallet_learns_what_goes_into_its_cartons(world: &World) {
    let watch = "6929141700027";
    world.take(Kind::Products, &format!("gtin,name_zh,category\n{watch},手表,smart_watch\n")).await;
    world.make(&sns(0..4)).await;
    let made = "2026-05-20T08:00:00+08:00";
    let watches = format!(
        "sn,gtin,produced_at,site_code\nW1,{watch},{made},{FACTORY}\nW2,{watch},{made},{FACTORY}\n"
    );
    world.take(Kind::Production, &watches).await;
    let products = async |sscc: &str| {
        let number = pack_of(world, sscc).await.expect("it was opened");
        let pack = world.house.store.pack_fetch(number).await.expect("it reads");
        pack.expect("it is there").products.len()
    };
    let (carton, pallet) = (sscc(1), sscc(2));
    let (nine, ten, eleven) =
        ("2026-05-21T09:00:00+08:00", "2026-05-21T10:00:00+08:00", "2026-05-21T11:00:00+08:00");
    let first = format!("{PACKS}{carton},CY000000,{nine}\n{pallet},{carton},{ten}\n");
    world.take(Kind::Packs, &first).await;
    assert_eq!((products(&carton).await, products(&pallet).await), (1, 1));
    world.take(Kind::Packs, &format!("{PACKS}{carton},W1,{eleven}\n")).await;
    assert_eq!((products(&carton).await, products(&pallet).await), (2, 2));
    // In one file, and told late: before the carton was put onto the pallet.
    let (carton, pallet) = (sscc(3), sscc(4));
    let file =
        format!("{PACKS}{carton},CY000001,{nine}\n{pallet},{carton},{ten}\n{carton},W2,{nine}\n");
    assert_eq!(whole(world, Kind::Packs, &file).await, ["taken", "taken", "taken"]);
    assert_eq!((products(&carton).await, products(&pallet).await), (2, 2));
    world.agrees().await;
}

/// Two units of one pallet, read one after another in snapshots of their own.
async fn what_is_remembered_of_a_pack_ends_with_the_next_commit(world: &World) {
    world.make(&sns(0..2)).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let at = "2026-05-21T09:00:00+08:00";
    let packed =
        format!("{PACKS}{carton},CY000000,{at}\n{carton},CY000001,{at}\n{pallet},{carton},{at}\n");
    world.take(Kind::Packs, &packed).await;
    let hands = async |sn: &str| {
        let number = world.unit(sn).await;
        let facts = world.house.one_snapshot(facts(world, number)).await;
        facts.chain(unit_number(number)).len()
    };
    let before = hands("CY000000").await;
    assert_eq!(hands("CY000001").await, before);
    let left = format!("{SHIPMENTS}S-1,{FACTORY},T1-53,2026-05-22T09:00:00+08:00,{pallet}\n");
    world.take(Kind::Shipments, &left).await;
    assert_eq!((hands("CY000000").await, hands("CY000001").await), (before + 1, before + 1));
}

async fn a_carton_is_filled_and_put_onto_a_pallet(world: &World) {
    world.make(&sns(0..5)).await;
    let (carton, other, pallet) = (sscc(1), sscc(2), sscc(3));
    let at = "2026-05-21T09:00:00+08:00";
    let file = format!(
        "{PACKS}{carton},CY000000,{at}\n{carton},CY000001,{at}\n{pallet},{carton},{at}\n\
         {other},CY000002,{at}\n{pallet},{other},{at}\n{carton},CY000003,{at}\n\
         {other},CY000004,2026-05-21T10:00:00+08:00\n{pallet},{carton},{at}\n"
    );
    let mut expected = vec!["taken"; 7];
    expected.push("unchanged");
    assert_eq!(whole(world, Kind::Packs, &file).await, expected);
    let number = pack_of(world, &pallet).await.expect("it was opened");
    let unit = world.unit("CY000003").await;
    let found = facts(world, unit).await;
    let up = found.upward(unit_number(unit), "2026-05-22T00:00:00Z".parse().expect("an instant"));
    assert_eq!(up.last(), Some(&unit_number(number)), "it stands on the pallet");
    // One event for each pack and time, in the order of the ledger as in that of the file.
    let mut filled = Vec::new();
    for (name, sscc) in [("carton", &carton), ("other", &other), ("pallet", &pallet)] {
        let number = pack_of(world, sscc).await.expect("it was opened");
        let events = events(world, number).await.into_iter();
        let packed = events.filter(|e| e.home == number && e.body.kind() == "packed");
        filled.extend(packed.map(|e| (e.recorded_at, name)));
    }
    filled.sort_unstable();
    let names: Vec<_> = filled.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, ["carton", "pallet", "other", "other"]);
    // The same file again, whole or not, changes nothing.
    assert_eq!(whole(world, Kind::Packs, &file).await, ["unchanged"; 8]);
    world.agrees().await;
}

async fn goods_go_two_hops(world: &World) {
    world.make(&sns(0..2)).await;
    let carton = sscc(1);
    let at = "2026-05-21T09:00:00+08:00";
    world.take(Kind::Packs, &format!("{PACKS}{carton},CY000000,{at}\n")).await;
    let file = format!(
        "{SHIPMENTS}S1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,{carton}\n\
         S1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,CY000001\n\
         S2,T1-53,T2-53,2026-05-23T08:00:00+08:00,{carton}\n\
         S2,T1-53,T2-53,2026-05-23T08:00:00+08:00,CY000001\n\
         S3,T2-53,SHOP-53,2026-05-24T08:00:00+08:00,CY000000\n\
         S1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,{carton}\n"
    );
    let taken = ["taken", "taken", "taken", "taken", "taken", "unchanged"];
    assert_eq!(whole(world, Kind::Shipments, &file).await, taken);
    let unit = world.unit("CY000000").await;
    let found = facts(world, unit).await;
    let chain = found.chain(unit_number(unit));
    let papers: Vec<_> = chain.iter().filter_map(|h| h.shipment_no.as_deref()).collect();
    assert_eq!(papers, ["S1", "S2", "S3"]);
    let shipped = events(world, unit).await;
    let carton = pack_of(world, &carton).await;
    assert!(shipped.iter().any(|e| matches!(
        e.body,
        Body::Shipped { unpacked_from, presumed: true, .. } if unpacked_from == carton
    )));
    world.agrees().await;
}

async fn one_refused_row_at_the_end_leaves_nothing(world: &World) {
    world.make(&sns(0..2)).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let at = "2026-05-21T09:00:00+08:00";
    let sound = format!("{PACKS}{carton},CY000000,{at}\n{pallet},{carton},{at}\n");
    let before = world.house.store.events_count().await.expect("it counts");
    let wrong = format!("{sound}{carton},{pallet},{at}\n");
    let told = ["not_recorded", "not_recorded", "pack_cycle"];
    assert_eq!(whole(world, Kind::Packs, &wrong).await, told);
    // A pack that only a refused row would have opened is known to nobody.
    let wrong = format!("{sound}{},NOBODY,{at}\n{pallet},{},{at}\n", sscc(9), sscc(9));
    let told = ["not_recorded", "not_recorded", "unknown_subject", "unknown_subject"];
    assert_eq!(whole(world, Kind::Packs, &wrong).await, told);
    let wrong = format!(
        "{SHIPMENTS}S1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,CY000000\n\
         S2,T1-53,T2-53,2026-05-23T08:00:00+08:00,CY000000\n\
         S3,T1-53,T2-53,2026-05-24T08:00:00+08:00,CY000000\n"
    );
    let told = ["not_recorded", "not_recorded", "already_shipped"];
    assert_eq!(whole(world, Kind::Shipments, &wrong).await, told);
    assert_eq!(world.house.store.events_count().await.expect("it counts"), before);
    assert_eq!(pack_of(world, &carton).await, None);
    assert_eq!(whole(world, Kind::Packs, &sound).await, ["taken"; 2]);
    world.agrees().await;
}

/// The carton is opened and joined later in one commit, by itself and through what is inside it: a
/// paper that comes late must fit what joined.
async fn a_pack_opened_here_knows_what_came_later(world: &World) {
    world.make(&sns(0..3)).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let (early, late) = ("2026-05-21T09:00:00+08:00", "2026-05-23T09:00:00+08:00");
    let file = format!(
        "{PACKS}{carton},CY000000,{early}\n{pallet},{carton},{early}\n{carton},CY000001,{late}\n"
    );
    assert_eq!(whole(world, Kind::Packs, &file).await, ["taken"; 3]);
    for pack in [&carton, &pallet] {
        let row = format!("S-{pack},{FACTORY},T1-53,2026-05-22T08:00:00+08:00,{pack}");
        let told = whole(world, Kind::Shipments, &format!("{SHIPMENTS}{row}\n")).await;
        assert_eq!(told, ["contradicts_later"], "its maker still put something in");
    }
}

async fn what_was_taken_out_here_counts_for_a_late_paper(world: &World) {
    world.make(&sns(0..2)).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let at = "2026-05-21T09:00:00+08:00";
    let file =
        format!("{PACKS}{carton},CY000000,{at}\n{carton},CY000001,{at}\n{pallet},{carton},{at}\n");
    assert_eq!(whole(world, Kind::Packs, &file).await, ["taken"; 3]);
    let file = format!(
        "{SHIPMENTS}S1,{FACTORY},T1-53,2026-05-25T08:00:00+08:00,CY000000\n\
         S2,{FACTORY},T1-42,2026-05-23T08:00:00+08:00,{pallet}\n"
    );
    let told = ["not_recorded", "contradicts_later"];
    assert_eq!(whole(world, Kind::Shipments, &file).await, told);
}

async fn of_two_files_over_the_same_goods_one_is_recorded(world: &World) {
    world.make(&sns(0..10)).await;
    let other = world.another().await;
    for n in 0..10 {
        let (carton, at) = (sscc(n), "2026-05-21T09:00:00+08:00");
        let mut racers = Vec::new();
        for (i, house) in [&world.house, &other].into_iter().enumerate() {
            let pallet = sscc(100 + 2 * n + i as u64);
            let file = format!("{PACKS}{carton},CY{n:06},{at}\n{pallet},{carton},{at}\n");
            let house = Arc::clone(house);
            racers.push(tokio::spawn(
                async move { outcomes(&house, Kind::Packs, &file, true).await },
            ));
        }
        let mut told = Vec::new();
        for racer in racers {
            told.push(racer.await.expect("no racer stumbles"));
        }
        told.sort_by_key(|told| told[0] != "taken");
        assert_eq!(told[0], ["taken"; 2]);
        assert_eq!(told[1][1], "already_packed", "{told:?}");
        let both = [100, 101].map(|pallet| sscc(pallet + 2 * n));
        let known = [pack_of(world, &both[0]).await, pack_of(world, &both[1]).await];
        assert_eq!(known.iter().flatten().count(), 1, "the other opened nothing");
    }
    world.agrees().await;
}

/// On PostgreSQL a process learns of new reference rows when it polls or when its commit fails.
async fn a_decision_on_stale_rows_is_made_again(world: &World) {
    world.make(&sns(0..1)).await;
    let other = world.another().await;
    let party = "code,kind,name,parent_code,region\nT1-43,tier1,湖南总代,BRAND,430102\n";
    world.take(Kind::Parties, party).await;
    let file = format!(
        "{SHIPMENTS}S1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,CY000000\n\
         S2,T1-53,T2-53,2026-05-23T08:00:00+08:00,CY000000\n"
    );
    assert_eq!(outcomes(&other, Kind::Shipments, &file, true).await, ["taken"; 2]);
    assert_eq!(whole(world, Kind::Shipments, &file).await, ["unchanged"; 2]);
    world.agrees().await;
}

/// The row without a code draws a number of its own, whether or not it is recorded by then.
async fn a_code_is_not_given_to_a_unit_that_draws_its_own(world: &World) {
    use dossier::flows::batches::{Mint, mint};
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let purpose = store::reference::Purpose::Printed;
    let order = Mint { product, purpose, count: 10, scratch: false };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    let code = world.house.ring().encode(unit_number(batch.first));
    let head = "sn,gtin,produced_at,site_code,code\n";
    let row = |sn: &str, code: &str| {
        format!("{sn},{},2026-05-20T08:00:00+08:00,{FACTORY},{code}\n", crate::common::PHONE)
    };
    let mut apart = Vec::new();
    for code in ["", code.as_str()] {
        let file = format!("{head}{}", row("CY900001", code));
        apart.extend(outcomes(&world.house, Kind::Production, &file, false).await);
    }
    let (bare, coded) = (row("CY900002", ""), row("CY900002", code.as_str()));
    let file = format!("{head}{bare}{coded}{bare}");
    let together = outcomes(&world.house, Kind::Production, &file, false).await;
    assert_eq!(apart, ["taken", "sn_taken"]);
    assert_eq!(together, ["taken", "sn_taken", "unchanged"]);
}

/// A row of a small random file, over things named by their place.
#[derive(Clone, Debug)]
enum Line {
    Pack { pack: usize, child: Thing, hour: u32 },
    Ship { paper: u32, hop: usize, subject: Thing, hour: u32 },
}

#[derive(Clone, Copy, Debug)]
enum Thing {
    Unit(usize),
    Pack(usize),
}

const UNITS: usize = 5;
const PALLETS: usize = 4;
const HOPS: [(&str, &str); 5] = [
    (FACTORY, "T1-53"),
    ("T1-53", "T2-53"),
    ("T2-53", "SHOP-53"),
    (FACTORY, "T1-42"),
    ("T2-53", "T1-53"),
];

/// The same things under names of their own.
struct Names {
    case: u32,
    way: u32,
}

impl Names {
    fn unit(&self, i: usize) -> String {
        format!("CY{:06}", self.case * 100 + self.way * 10 + i as u32)
    }

    fn pack(&self, i: usize) -> String {
        sscc(u64::from(self.case * 100 + self.way * 10) + i as u64)
    }

    fn thing(&self, thing: Thing) -> String {
        match thing {
            Thing::Unit(i) => self.unit(i),
            Thing::Pack(i) => self.pack(i),
        }
    }

    fn row(&self, line: &Line) -> String {
        let at = |hour: u32| format!("2026-05-21T{:02}:00:00+08:00", 8 + hour);
        match line {
            Line::Pack { pack, child, hour } => {
                format!("{},{},{}\n", self.pack(*pack), self.thing(*child), at(*hour))
            }
            Line::Ship { paper, hop, subject, hour } => {
                let ((from, to), at) = (HOPS[*hop], at(*hour));
                let paper = format!("P{}-{}-{paper}", self.case, self.way);
                format!("{paper},{from},{to},{at},{}\n", self.thing(*subject))
            }
        }
    }

    async fn take(&self, world: &World, lines: &[Line], all_or_nothing: bool) -> Vec<String> {
        let (kind, head) = match lines.first() {
            Some(Line::Pack { .. }) => (Kind::Packs, PACKS),
            Some(Line::Ship { .. }) => (Kind::Shipments, SHIPMENTS),
            None => return Vec::new(),
        };
        let rows: String = lines.iter().map(|line| self.row(line)).collect();
        outcomes(&world.house, kind, &format!("{head}{rows}"), all_or_nothing).await
    }

    /// All that is recorded of the things, in words that do not depend on their names.
    async fn recorded(&self, world: &World) -> BTreeMap<String, Vec<String>> {
        let mut numbers = Vec::new();
        for i in 0..UNITS {
            numbers.push((format!("unit {i}"), world.unit(&self.unit(i)).await));
        }
        for i in 0..PALLETS {
            let number = pack_of(world, &self.pack(i)).await;
            numbers.extend(number.map(|number| (format!("pack {i}"), number)));
        }
        let names: HashMap<_, _> = numbers.iter().map(|(name, n)| (*n, name.as_str())).collect();
        let own = format!("P{}-{}-", self.case, self.way);
        let mut all = BTreeMap::new();
        for (name, number) in &numbers {
            let mut lines = Vec::new();
            let facts = facts(world, *number).await;
            // Rows of one pack and instant are one event, so which of the packs around a subject
            // was opened first at one instant follows how the rows came.
            // Told one by one, a pack may be opened earlier more than once: the last counts.
            let counts = |hold: &&Hold| facts.opening(unit_number(*number)) == Some(*hold);
            let opened = |hold: &&Hold| hold.kind == HoldKind::Packed;
            let chain = facts.chain(unit_number(*number)).into_iter();
            for hold in chain.filter(|hold| counts(hold) || !opened(hold)) {
                let paper = hold.shipment_no.as_deref().map(|p| p.replace(&own, "P"));
                let subject = names[&(hold.subject.get() as i64)];
                lines.push(format!(
                    "held {} {:?} {:?} {:?} {} {paper:?} {subject}",
                    hold.at, hold.party, hold.from, hold.kind, hold.presumed
                ));
            }
            let mut inside: Vec<_> = facts
                .containments(unit_number(*number))
                .iter()
                .map(|c| {
                    format!(
                        "in {} {} {:?}",
                        names[&(c.parent.get() as i64)],
                        c.from.at,
                        c.to.map(|to| to.at)
                    )
                })
                .collect();
            inside.sort();
            lines.extend(inside);
            lines.extend(told(&events(world, *number).await, &names, &own));
            if let Some(pack) = world.house.store.pack_fetch(*number).await.expect("it reads") {
                lines.push(format!("products {:?}", pack.products));
            }
            all.insert(name.clone(), lines);
        }
        all
    }
}

/// The events of a subject: shipments in the order of the ledger, then who was packed into what,
/// however many events say so.
fn told(events: &[Event], names: &HashMap<i64, &str>, own: &str) -> Vec<String> {
    let (mut lines, mut packed) = (Vec::new(), Vec::new());
    for event in events {
        let (at, by) = (event.happened_at, event.party);
        match &event.body {
            Body::Shipped { to, presumed, shipment_no, unpacked_from, .. } => {
                let paper = shipment_no.replace(own, "P");
                let left = unpacked_from.map(|n| names[&n]);
                lines.push(format!("shipped {at} {by:?} {to} {presumed} {paper} {left:?}"));
            }
            Body::Packed { holder, .. } => {
                let (pack, children) = (names[&event.home], &event.subjects);
                packed.extend(children.iter().map(|child| {
                    format!("packed {at} {by:?} {holder} {pack} {}", names[&child.number])
                }));
            }
            _ => {}
        }
    }
    packed.sort();
    lines.extend(packed);
    lines
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![(0..UNITS).prop_map(Thing::Unit), (0..PALLETS).prop_map(Thing::Pack)]
}

/// Files as they come: later rows tend to be later.
fn file(rows: usize, ships: bool) -> impl Strategy<Value = Vec<Line>> {
    let line = (0..PALLETS, thing(), 0..HOPS.len(), 0..4_u32, 0..3_u32);
    proptest::collection::vec(line, 0..rows).prop_map(move |lines| {
        let line = |(i, (pack, thing, hop, paper, late)): (usize, _)| {
            let hour = i as u32 / 4 + late + if ships { 2 } else { 0 };
            if ships {
                Line::Ship { paper, hop, subject: thing, hour }
            } else {
                Line::Pack { pack, child: thing, hour }
            }
        };
        lines.into_iter().enumerate().map(line).collect()
    })
}

fn is_refused(outcome: &str) -> bool {
    !matches!(outcome, "taken" | "unchanged" | "not_recorded")
}

async fn same_however_it_comes(world: &World, case: u32, files: &[Vec<Line>]) {
    let ways = [0, 1, 2].map(|way| Names { case, way });
    let units = ways.iter().flat_map(|names| (0..UNITS).map(|i| names.unit(i)));
    world.make(&units.collect::<Vec<_>>()).await;
    let [single, chunk, all] = &ways;
    for file in files {
        let mut one_by_one = Vec::new();
        for line in file {
            one_by_one.extend(single.take(world, std::slice::from_ref(line), false).await);
        }
        // What was refused for want of a pack that came after it is taken then.
        let mut before = Vec::new();
        while before != one_by_one {
            before.clone_from(&one_by_one);
            for (line, told) in file.iter().zip(&mut one_by_one) {
                if matches!(line, Line::Pack { child: Thing::Pack(_), .. })
                    && told.contains("unknown_subject")
                {
                    *told = single.take(world, std::slice::from_ref(line), false).await.remove(0);
                }
            }
        }
        assert_eq!(chunk.take(world, file, false).await, one_by_one);
        // With a row that is refused nothing is recorded, and every other row is told the same.
        if one_by_one.iter().any(|told| is_refused(told)) {
            let before = all.recorded(world).await;
            let told = |told: &String| told.replace("taken", "not_recorded");
            let expected: Vec<_> = one_by_one.iter().map(told).collect();
            assert_eq!(all.take(world, file, true).await, expected);
            assert_eq!(all.recorded(world).await, before);
        }
        let sound = file.iter().zip(&one_by_one).filter(|(_, told)| !is_refused(told));
        let (sound, expected): (Vec<_>, Vec<_>) = sound.map(|(l, t)| (l.clone(), t)).unzip();
        assert_eq!(all.take(world, &sound, true).await.iter().collect::<Vec<_>>(), expected);
        let recorded = single.recorded(world).await;
        assert_eq!(chunk.recorded(world).await, recorded);
        assert_eq!(all.recorded(world).await, recorded);
    }
}

async fn however_rows_come_the_same_is_recorded(world: &World) {
    let case = AtomicU32::new(0);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let files = (file(16, false), file(16, true), file(8, false), file(8, true));
    let checked = TestRunner::new(config).run(&files, |(a, b, c, d)| {
        let case = case.fetch_add(1, Ordering::Relaxed);
        let files = [a, b, c, d];
        let check = same_however_it_comes(world, case, &files);
        tokio::task::block_in_place(|| Handle::current().block_on(check));
        Ok(())
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
    world.agrees().await;
}
