//! A paper that is taken back leaves the goods where they were without it: in the pack that they
//! had left by it alone, as long as they were in that.

use crate::common::{World, sns, sscc};
use crate::days::{self, Act, Judge, Names, State, UNITS, WAY};
use crate::days::{hands, packs, plays, ships, take_out, tell, thing};
use crate::on_both;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

on_both! {
    a_wrong_paper_that_is_taken_back_changes_nothing,
    what_had_been_taken_out_stays_out,
    what_went_into_another_pack_is_in_that_alone,
    a_packing_told_after_the_paper_ends_where_the_next_begins,
    a_pack_on_pallets_is_on_one,
    a_return_leaves_what_had_been_taken_out,
    a_pack_that_kept_something_was_not_emptied,
    the_last_piece_is_in_it_again_where_the_others_had_left_before,
    what_only_wrong_papers_took_out_is_in_it_for_good,
    what_was_known_of_one_pack_says_nothing_of_another,
    two_wrong_papers_of_the_last_pieces_go_back_in_reverse,
    a_packing_that_was_never_true_is_taken_back_for_the_true_paper,
}

fn day(day: u32) -> String {
    format!("2026-06-{day:02} 08:00")
}

async fn contents(world: &World, pack: &str) -> Vec<String> {
    let path = format!("/api/v1/packs/{pack}");
    let (status, found) = world.desk("BRAND", "all").await.get(&path).await;
    assert_eq!(status, 200, "{found}");
    let name = |child: &Value| child["sn"].as_str().or(child["sscc"].as_str()).map(str::to_owned);
    let mut inside: Vec<_> =
        found["contents"]["items"].as_array().expect("a list").iter().filter_map(name).collect();
    inside.sort();
    inside
}

/// Where a unit went, without the factory.
async fn way(world: &World, sn: &str) -> Vec<String> {
    hands(world, sn).await.into_iter().skip(1).map(|(party, _)| party).collect()
}

async fn takes_out(world: &World, (pack, child): (&str, &str), at: &str) {
    let (status, told) = take_out(world, (pack.to_owned(), child.to_owned()), at).await;
    assert_eq!(status, 200, "{told}");
}

/// Takes a paper of a sender back: how many of its subjects stay outside.
async fn voids(world: &World, no: &str, (from, at): (&str, &str)) -> usize {
    let (status, told) = days::take_back(world, no, (from, at)).await;
    assert_eq!(status, 200, "{told}");
    told["outside"].as_array().expect("a list").len()
}

async fn what_had_been_taken_out_stays_out(world: &World) {
    world.make(&sns(0..2)).await;
    let (carton, units) = (sscc(1), sns(0..2));
    let (unit, other) = (&units[0], &units[1]);
    for sn in [unit, other] {
        assert_eq!(packs(world, &carton, ("2026-06-02 08:00", sn)).await, "taken");
    }
    takes_out(world, (&carton, unit), "2026-06-02 10:00").await;
    assert_eq!(ships(world, "W", "FAC-SZ>BRAND", ("2026-06-02 09:00", unit)).await, "taken");
    assert_eq!(voids(world, "W", ("FAC-SZ", &day(3))).await, 0);
    assert_eq!(contents(world, &carton).await, [units[1].clone()]);
    assert_eq!(ships(world, "R", "FAC-SZ>T1-53", (&day(4), &carton)).await, "taken");
    assert_eq!(way(world, unit).await, Vec::<String>::new(), "it stayed in the factory");
    assert_eq!(way(world, other).await, ["T1-53"]);
    world.agrees().await;
}

async fn what_went_into_another_pack_is_in_that_alone(world: &World) {
    let units = sns(0..3);
    world.make(&units).await;
    let [first, second] = [sscc(1), sscc(2)];
    for sn in &units[..2] {
        assert_eq!(packs(world, &first, (&day(2), sn)).await, "taken");
    }
    takes_out(world, (&first, &units[0]), &day(4)).await;
    for sn in [&units[0], &units[2]] {
        assert_eq!(packs(world, &second, (&day(5), sn)).await, "taken");
    }
    assert_eq!(ships(world, "W", "FAC-SZ>T1-42", (&day(3), &units[0])).await, "taken");
    assert_eq!(voids(world, "W", ("FAC-SZ", &day(6))).await, 0);
    assert_eq!(contents(world, &first).await, [units[1].clone()]);
    assert_eq!(contents(world, &second).await, [units[0].clone(), units[2].clone()]);
    assert_eq!(ships(world, "A", "FAC-SZ>T1-53", (&day(7), &first)).await, "taken");
    assert_eq!(ships(world, "B", "FAC-SZ>T1-42", (&day(8), &second)).await, "taken");
    assert_eq!(way(world, &units[0]).await, ["T1-42"]);
    world.agrees().await;
}

async fn a_packing_told_after_the_paper_ends_where_the_next_begins(world: &World) {
    let units = sns(0..3);
    world.make(&units).await;
    let [later, earlier] = [sscc(1), sscc(2)];
    for sn in &units[..2] {
        assert_eq!(packs(world, &later, ("2026-06-04 08:00", sn)).await, "taken");
    }
    assert_eq!(ships(world, "W", "FAC-SZ>T1-42", (&day(3), &units[0])).await, "taken");
    for sn in [&units[0], &units[2]] {
        assert_eq!(packs(world, &earlier, (&day(2), sn)).await, "taken");
    }
    assert_eq!(voids(world, "W", ("FAC-SZ", &day(6))).await, 0);
    assert_eq!(contents(world, &later).await, [units[0].clone(), units[1].clone()]);
    assert_eq!(contents(world, &earlier).await, [units[2].clone()]);
    // When it was taken out of the first can be told.
    takes_out(world, (&earlier, &units[0]), "2026-06-03 09:00").await;
    takes_out(world, (&later, &units[0]), &day(7)).await;
    assert_eq!(contents(world, &later).await, [units[1].clone()]);
    world.agrees().await;
}

async fn a_pack_on_pallets_is_on_one(world: &World) {
    let units = sns(0..1);
    world.make(&units).await;
    let [carton, first, second] = [sscc(1), sscc(2), sscc(3)];
    assert_eq!(packs(world, &carton, ("2026-06-02 07:00", &units[0])).await, "taken");
    assert_eq!(packs(world, &first, (&day(2), &carton)).await, "taken");
    takes_out(world, (&first, &carton), &day(4)).await;
    assert_eq!(packs(world, &second, (&day(5), &carton)).await, "taken");
    assert_eq!(ships(world, "W", "FAC-SZ>T1-42", (&day(3), &carton)).await, "taken");
    assert_eq!(voids(world, "W", ("FAC-SZ", &day(6))).await, 0);
    let path = format!("/api/v1/packs/{carton}");
    let (_, found) = world.desk("BRAND", "all").await.get(&path).await;
    let text = |around: &Value, field: &str| around[field].as_str().map(str::to_owned);
    let parents = found["parents"].as_array().expect("a list").iter();
    let parents: Vec<_> = parents.map(|it| (text(it, "sscc"), text(it, "until"))).collect();
    let left = Some("2026-06-04T08:00:00+08:00".to_owned());
    assert_eq!(parents, [(Some(first), left), (Some(second), None)]);
    world.agrees().await;
}

async fn a_return_leaves_what_had_been_taken_out(world: &World) {
    let units = sns(0..2);
    world.make(&units).await;
    let carton = sscc(1);
    for sn in &units {
        assert_eq!(packs(world, &carton, (&day(2), sn)).await, "taken");
    }
    assert_eq!(ships(world, "S", "FAC-SZ>T1-53", (&day(3), &carton)).await, "taken");
    takes_out(world, (&carton, &units[0]), &day(5)).await;
    let back = json!({"shipment_no": "G", "from_code": "T1-53", "to_code": "FAC-SZ",
        "happened_at": day(4), "subject": units[0]});
    assert_eq!(days::sent(world, "returns", json!({"rows": [back]})).await, "taken");
    assert_eq!(voids(world, "G", ("T1-53", &day(6))).await, 0);
    assert_eq!(contents(world, &carton).await, [units[1].clone()]);
    assert_eq!(ships(world, "O", "T1-53>T2-53", (&day(7), &carton)).await, "taken");
    assert_eq!(way(world, &units[0]).await, ["T1-53"]);
    world.agrees().await;
}

async fn a_pack_that_kept_something_was_not_emptied(world: &World) {
    let units = sns(0..5);
    world.make(&units).await;
    for (pack, inside) in [(sscc(1), &units[..3]), (sscc(2), &units[3..])] {
        for sn in inside {
            assert_eq!(packs(world, &pack, (&day(2), sn)).await, "taken");
        }
        let wrong = format!("W{}", inside[0]);
        assert_eq!(ships(world, &wrong, "FAC-SZ>T1-42", (&day(3), &inside[0])).await, "taken");
        takes_out(world, (&pack, &inside[1]), &day(4)).await;
    }
    let wrong = |sn: &str| format!("W{sn}");
    assert_eq!(voids(world, &wrong(&units[0]), ("FAC-SZ", &day(6))).await, 0);
    assert_eq!(contents(world, &sscc(1)).await, [units[0].clone(), units[2].clone()]);
    // Of the other nothing was left, as far as anybody knew.
    assert_eq!(voids(world, &wrong(&units[3]), ("FAC-SZ", &day(6))).await, 1);
    assert_eq!(contents(world, &sscc(2)).await, Vec::<String>::new());
    world.agrees().await;
}

async fn the_last_piece_is_in_it_again_where_the_others_had_left_before(world: &World) {
    let (carton, units) = (sscc(1), sns(0..2));
    world.make(&units).await;
    for sn in &units {
        assert_eq!(packs(world, &carton, (&day(2), sn)).await, "taken");
    }
    takes_out(world, (&carton, &units[1]), &day(4)).await;
    assert_eq!(ships(world, "W", "FAC-SZ>T1-42", (&day(3), &units[0])).await, "taken");
    assert_eq!(voids(world, "W", ("FAC-SZ", &day(6))).await, 0);
    assert_eq!(contents(world, &carton).await, [units[0].clone()]);
    world.agrees().await;
}

async fn what_only_wrong_papers_took_out_is_in_it_for_good(world: &World) {
    let (carton, units) = (sscc(1), sns(0..2));
    world.make(&units).await;
    for sn in &units {
        assert_eq!(packs(world, &carton, (&day(2), sn)).await, "taken");
    }
    assert_eq!(ships(world, "P", "FAC-SZ>T1-53", (&day(4), &carton)).await, "taken");
    assert_eq!(ships(world, "L", "T1-53>T2-53", (&day(5), &units[0])).await, "taken");
    assert_eq!(ships(world, "E", "FAC-SZ>T1-53", (&day(3), &units[0])).await, "taken");
    for (paper, from) in [("L", "T1-53"), ("P", "FAC-SZ"), ("E", "FAC-SZ")] {
        voids(world, paper, (from, &day(6))).await;
    }
    assert_eq!(contents(world, &carton).await, units);
    assert_eq!(ships(world, "R", "FAC-SZ>T1-53", (&day(7), &carton)).await, "taken");
    assert_eq!(way(world, &units[0]).await, ["T1-53"]);
    world.agrees().await;
}

async fn what_was_known_of_one_pack_says_nothing_of_another(world: &World) {
    let (cartons, units) = ([sscc(1), sscc(2)], sns(0..3));
    world.make(&units).await;
    for (carton, sn) in [(0, 0), (0, 1), (1, 2)] {
        let at = "2026-06-02 08:00";
        assert_eq!(packs(world, &cartons[carton], (at, &units[sn])).await, "taken");
    }
    takes_out(world, (&cartons[0], &units[0]), &day(5)).await;
    assert_eq!(ships(world, "W", "FAC-SZ>T1-42", (&day(4), &units[0])).await, "taken");
    // It had left the first before, and lay in the second.
    takes_out(world, (&cartons[0], &units[0]), "2026-06-03 08:00").await;
    assert_eq!(packs(world, &cartons[1], ("2026-06-03 09:00", &units[0])).await, "taken");
    assert_eq!(voids(world, "W", ("FAC-SZ", &day(6))).await, 0);
    assert_eq!(contents(world, &cartons[0]).await, [units[1].clone()]);
    assert_eq!(contents(world, &cartons[1]).await, [units[0].clone(), units[2].clone()]);
    world.agrees().await;
}

async fn two_wrong_papers_of_the_last_pieces_go_back_in_reverse(world: &World) {
    let units = sns(0..4);
    world.make(&units).await;
    for (carton, pair, order) in [(sscc(1), &units[..2], [1, 0]), (sscc(2), &units[2..], [0, 1])] {
        for sn in pair {
            assert_eq!(packs(world, &carton, (&day(2), sn)).await, "taken");
        }
        for (sn, on) in pair.iter().zip([3, 4]) {
            let paper = format!("W{sn}");
            assert_eq!(ships(world, &paper, "FAC-SZ>T1-42", (&day(on), sn)).await, "taken");
        }
        let mut outside = 0;
        for which in order {
            outside += voids(world, &format!("W{}", pair[which]), ("FAC-SZ", &day(6))).await;
        }
        let reversed = order == [1, 0];
        assert_eq!(outside, usize::from(!reversed), "{order:?}");
        let inside = contents(world, &carton).await;
        assert_eq!(inside, pair[usize::from(!reversed)..], "{order:?}");
    }
    world.agrees().await;
}

async fn a_packing_that_was_never_true_is_taken_back_for_the_true_paper(world: &World) {
    let (carton, units) = (sscc(1), sns(0..2));
    world.make(&units).await;
    for sn in &units {
        assert_eq!(packs(world, &carton, (&day(5), sn)).await, "taken");
    }
    assert_eq!(ships(world, "A", "FAC-SZ>T1-53", (&day(2), &units[0])).await, "taken");
    assert_eq!(ships(world, "B", "FAC-SZ>T1-42", (&day(2), &units[1])).await, "taken");
    assert_eq!(ships(world, "C", "T1-53>T2-53", (&day(6), &carton)).await, "taken");
    assert_eq!(ships(world, "D", "T1-42>BRAND", (&day(7), &units[1])).await, "not_holder");
    takes_out(world, (&carton, &units[1]), &day(5)).await;
    assert_eq!(ships(world, "D", "T1-42>BRAND", (&day(7), &units[1])).await, "taken");
    assert_eq!(way(world, &units[1]).await, ["T1-42", "BRAND"]);
    assert_eq!(way(world, &units[0]).await, ["T1-53", "T2-53"]);
    world.agrees().await;
}

/// What people do, and wrong papers that are told later of something that lay in a pack.
fn stories() -> impl Strategy<Value = (Vec<Act>, Vec<Index>)> {
    let (child, pack) = (thing(0), thing(UNITS));
    // Little that a wrong paper would contradict: what is refused takes nothing back.
    let act = prop_oneof![
        12 => (child, pack).prop_map(|(child, pack)| Act::Pack { child, pack }),
        8 => thing(0).prop_map(Act::Unpack),
        1 => thing(0).prop_map(Act::Ship),
        1 => thing(0).prop_map(Act::GiveBack),
        1 => thing(0).prop_map(Act::Receive),
    ];
    (prop::collection::vec(act, 8..24), prop::collection::vec(any::<Index>(), 3..7))
}

/// Where everything is and was, as it reads.
async fn picture(world: &World, names: &Names) -> Vec<Value> {
    let desk = world.desk("BRAND", "all").await;
    let mut picture = Vec::new();
    for thing in thing(0) {
        let name = names.thing(thing);
        let is_unit = thing < UNITS;
        let path =
            if is_unit { format!("units/{name}?scheme=sn") } else { format!("packs/{name}") };
        let (_, found) = desk.get(&format!("/api/v1/{path}")).await;
        let mut hops = Value::Null;
        if is_unit {
            let (_, reply) = desk.get(&format!("/api/v1/verify/{name}?scheme=sn")).await;
            hops = reply["custody"]["hops"].clone();
        }
        picture.push(json!([name, found["parents"], found["contents"]["items"], hops]));
    }
    picture
}

async fn is_undone(world: &World, case: u32, (acts, wrong): &(Vec<Act>, Vec<Index>)) {
    let names = Names(case);
    world.make(&(0..UNITS).map(|unit| names.thing(unit)).collect::<Vec<_>>()).await;
    let mut judge = Judge::default();
    judge.states.extend((0..UNITS).map(|unit| (unit, State { hands: 0, travels: false })));
    let mut known = Vec::new();
    for (step, act) in acts.iter().enumerate() {
        let at = format!("2026-06-01T00:00:{step:02}+08:00");
        let hands = match act {
            Act::Ship(goods) | Act::GiveBack(goods) | Act::Receive(goods) => judge.state(*goods),
            _ => None,
        };
        let around = match act {
            Act::Unpack(child) => judge.parents.get(child).map(|pack| (*pack, *child)),
            _ => None,
        };
        if judge.plays(step, *act) {
            let (status, reply) = match around {
                Some((pack, child)) => {
                    take_out(world, (names.thing(pack), names.thing(child)), &at).await
                }
                None => {
                    let hands = hands.map_or(0, |state| state.hands);
                    tell(world, &names, (step, &at), (*act, hands)).await
                }
            };
            assert_eq!((status, &reply["problem"]), (200, &Value::Null), "{act:?} {reply}");
        }
        known.push(judge.clone());
    }
    let before = picture(world, &names).await;
    let inside = |(step, judge): (usize, &Judge)| {
        let goods: Vec<_> = judge.parents.keys().map(|goods| (*goods, step)).collect();
        goods.into_iter()
    };
    let inside: Vec<_> = known.iter().enumerate().flat_map(inside).collect();
    for (no, index) in wrong.iter().enumerate().filter(|_| !inside.is_empty()) {
        let (goods, after) = *index.get(&inside);
        let Some(State { hands, .. }) = known[after].state(goods) else { continue };
        let (paper, goods) = (format!("W{case}-{no}"), names.thing(goods));
        let at = format!("2026-06-01T00:00:{after:02}.5+08:00");
        let told = ships(world, &paper, &format!("{}>T1-42", WAY[hands]), (&at, &goods)).await;
        if told != "taken" {
            continue;
        }
        let late = "2026-06-01T00:01:00+08:00";
        let (status, reply) = days::take_back(world, &paper, (WAY[hands], late)).await;
        assert_eq!(status, 200, "{goods} after {after}: {reply}");
        if reply["outside"] != json!([]) {
            // A pack that moved nowhere since, and was filled by people who knew that it was in it.
            let moves = |act: &Act| match act {
                Act::Pack { child, .. } => *child >= UNITS,
                act => !matches!(act, Act::Unpack(_)),
            };
            assert!(acts[after..].iter().any(moves), "{goods} after {after} stays outside");
            return;
        }
        let now = picture(world, &names).await;
        assert_eq!(now, before, "{goods} after {after}");
    }
}

async fn a_wrong_paper_that_is_taken_back_changes_nothing(world: &World) {
    plays(&stories(), async |case, story| is_undone(world, case, &story).await);
    world.agrees().await;
}
