//! What is told late about packs and papers, where something was recorded since: it is taken where
//! all of it still fits, and `contradicts_later` where not.

use crate::common::{World, sns, sscc};
use crate::on_both;
use serde_json::{Value, json};

on_both! {
    a_receipt_of_the_true_paper_is_none_of_the_wrong_one,
    nothing_is_taken_back_once_the_receiver_packed_it,
    taken_out_late_what_was_done_since_must_fit,
    received_late_by_itself_what_was_done_since_must_fit,
    packed_late_what_the_contents_did_must_fit,
    one_who_handed_on_cannot_have_handed_on_before,
    a_carton_is_opened_by_the_first_row_that_is_told,
    what_came_in_later_brought_its_contents_along,
    days_are_told_as_instants,
    unpacked_on_the_day_of_arrival_goods_arrived,
    a_hold_before_the_production_record_holds,
    all_on_one_day,
    received_after_it_was_handed_on_the_same_day,
    a_carton_that_came_in_pieces_is_not_missing,
    one_unit_is_shipped_late_out_of_a_carton_that_left,
    nothing_is_taken_back_once_it_moved_on_the_same_day,
    a_receipt_leaves_the_receivers_own_packs_as_they_are,
    a_receipt_that_fits_nowhere_gives_nothing_back,
    what_was_in_other_hands_by_then_did_not_go_in,
    goods_come_twice_on_one_day,
    what_a_receipt_names_is_not_missing,
    a_wrong_paper_takes_nothing_out_of_its_pack,
}

fn day(day: u32) -> String {
    format!("2026-06-{day:02}T00:00:00+08:00")
}

/// Sends a command: its refusal's code, if it is one.
async fn told(world: &World, path: &str, body: Value) -> Option<String> {
    let (_, reply) = world.desk("BRAND", "all").await.post(&format!("/api/v1/{path}"), &body).await;
    let of_row = &reply["results"][0];
    let code = [&reply["code"], &of_row["problem"]["code"], &of_row["problems"][0]["code"]];
    code.into_iter().find_map(Value::as_str).map(str::to_owned)
}

async fn packs(world: &World, pack: &str, (on, child): (u32, &str)) -> Option<String> {
    let row = json!({"sscc": pack, "child": child, "packed_at": day(on)});
    told(world, "packs", json!({"rows": [row]})).await
}

async fn fills(world: &World, pack: &str, children: &[String]) {
    for child in children {
        assert_eq!(packs(world, pack, (1, child)).await, None);
    }
}

async fn unpacks(world: &World, pack: &str, (on, child): (u32, &str)) -> Option<String> {
    told(world, "packs/unpack", json!({"sscc": pack, "children": [child], "happened_at": day(on)}))
        .await
}

/// `A>B` hands goods over on a day.
async fn ships(world: &World, paper: &str, way: &str, (on, goods): (u32, &str)) -> Option<String> {
    let (from, to) = way.split_once('>').expect("a way");
    let row = json!({"shipment_no": paper, "from_code": from, "to_code": to, "subject": goods,
        "happened_at": day(on), "reason": "as agreed"});
    told(world, "shipments", json!({"rows": [row]})).await
}

async fn receives(world: &World, party: &str, (on, goods): (u32, &str)) -> Option<String> {
    let body = json!({"party_code": party, "subjects": [goods], "happened_at": day(on)});
    told(world, "receipts", body).await
}

async fn voids(world: &World, paper: &str, on: Option<u32>) -> Option<String> {
    let body = json!({"from": "FAC-SZ", "happened_at": on.map(day)});
    told(world, &format!("shipments/{paper}/void"), body).await
}

/// Who has it, after whom.
async fn hands(world: &World, sn: &str) -> Vec<String> {
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
    let hops = reply["custody"]["hops"].as_array().cloned().unwrap_or_default();
    let mut parties: Vec<_> =
        hops.iter().map(|hop| hop["party"].as_str().unwrap_or_default().to_owned()).collect();
    parties.dedup();
    parties
}

fn refused(code: &str) -> Option<String> {
    Some(code.to_owned())
}

async fn a_receipt_of_the_true_paper_is_none_of_the_wrong_one(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = &sns(0..1)[0];
    assert_eq!(ships(world, "WRONG", "FAC-SZ>T1-53", (2, sn)).await, None);
    assert_eq!(voids(world, "WRONG", None).await, None);
    assert_eq!(ships(world, "TRUE", "FAC-SZ>T1-53", (1, sn)).await, None);
    assert_eq!(receives(world, "T1-53", (4, sn)).await, None);
    assert_eq!(receives(world, "T1-53", (5, sn)).await, refused("already_received"));
    assert_eq!(voids(world, "TRUE", None).await, refused("moved_on"));
    assert_eq!(hands(world, sn).await, ["FAC-SZ", "T1-53"]);
    world.agrees().await;
}

async fn nothing_is_taken_back_once_the_receiver_packed_it(world: &World) {
    world.make(&sns(0..4)).await;
    let names = sns(0..4);
    let (own, carton) = (sscc(1), sscc(2));
    // The receiver has an open carton of its own.
    assert_eq!(ships(world, "S0", "FAC-SZ>T1-53", (1, &names[0])).await, None);
    assert_eq!(packs(world, &own, (2, &names[0])).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &names[1])).await, None);
    assert_eq!(packs(world, &own, (4, &names[1])).await, None);
    assert_eq!(voids(world, "S1", Some(5)).await, refused("moved_on"));
    // A carton, and what was taken out of one on its way.
    fills(world, &carton, &names[2..4]).await;
    assert_eq!(ships(world, "S2", "FAC-SZ>T1-53", (3, &carton)).await, None);
    assert_eq!(unpacks(world, &carton, (4, &names[2])).await, None);
    assert_eq!(packs(world, &own, (5, &names[2])).await, None);
    assert_eq!(voids(world, "S2", Some(6)).await, refused("moved_on"));
    world.agrees().await;
}

async fn taken_out_late_what_was_done_since_must_fit(world: &World) {
    world.make(&sns(0..2)).await;
    let names = sns(0..2);
    let carton = sscc(1);
    fills(world, &carton, &names).await;
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (5, &carton)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (7, &names[0])).await, None);
    // With the factory since day 3, it could not have been handed on by the tier 1.
    assert_eq!(unpacks(world, &carton, (3, &names[0])).await, refused("contradicts_later"));
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    // Nothing was done with the other since: it stayed behind.
    assert_eq!(unpacks(world, &carton, (3, &names[1])).await, None);
    assert_eq!(hands(world, &names[1]).await, ["FAC-SZ"]);
    world.agrees().await;
}

async fn received_late_by_itself_what_was_done_since_must_fit(world: &World) {
    world.make(&sns(0..2)).await;
    let names = sns(0..2);
    let carton = sscc(1);
    fills(world, &carton, &names).await;
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &carton)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (5, &carton)).await, None);
    assert_eq!(ships(world, "S3", "T2-53>SHOP-53", (7, &names[0])).await, None);
    assert_eq!(receives(world, "T1-53", (4, &names[0])).await, refused("contradicts_later"));
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53", "SHOP-53"]);
    // The other was kept back by the tier 1: it never went on with the carton.
    assert_eq!(receives(world, "T1-53", (4, &names[1])).await, None);
    assert_eq!(hands(world, &names[1]).await, ["FAC-SZ", "T1-53"]);
    world.agrees().await;
}

async fn packed_late_what_the_contents_did_must_fit(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let (carton, pallet) = (sscc(1), sscc(2));
    fills(world, &carton, &names[..2]).await;
    assert_eq!(packs(world, &pallet, (1, &names[2])).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-42", (6, &names[0])).await, None);
    assert_eq!(ships(world, "S2", "FAC-SZ>T1-53", (5, &pallet)).await, None);
    // On the pallet since day 4, its unit could not have been with the factory on day 6.
    assert_eq!(packs(world, &pallet, (4, &carton)).await, refused("contradicts_later"));
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-42"]);
    world.agrees().await;
}

async fn one_who_handed_on_cannot_have_handed_on_before(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = &sns(0..1)[0];
    assert_eq!(ships(world, "DA", "FAC-SZ>T1-53", (5, sn)).await, None);
    let before = ships(world, "DC", "FAC-SZ>T1-53", (3, sn)).await;
    assert_eq!(before, refused("contradicts_later"));
    let after = ships(world, "DB", "FAC-SZ>T1-53", (6, sn)).await;
    assert_eq!(after, refused("already_shipped"));
    // The way it took is told in any order.
    assert_eq!(ships(world, "D2", "T1-53>T2-53", (7, sn)).await, None);
    assert_eq!(receives(world, "T1-53", (6, sn)).await, None);
    assert_eq!(hands(world, sn).await, ["FAC-SZ", "T1-53", "T2-53"]);
    world.agrees().await;
}

async fn a_carton_is_opened_by_the_first_row_that_is_told(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let carton = sscc(1);
    assert_eq!(packs(world, &carton, (3, &names[0])).await, None);
    assert_eq!(packs(world, &carton, (2, &names[1])).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (4, &carton)).await, None);
    for name in &names[..2] {
        assert_eq!(hands(world, name).await, ["FAC-SZ", "T1-53"]);
    }
    // Before it was opened, too, nobody but its holder takes anything out.
    let body = json!({"sscc": carton, "children": [names[1]],
        "happened_at": "2026-06-02T12:00:00+08:00"});
    let stranger = world.desk("T1-42", "produce").await;
    let (status, reply) = stranger.post("/api/v1/packs/unpack", &body).await;
    assert_eq!((status, &reply["code"]), (403, &json!("not_allowed")), "{reply}");
    // In other hands meanwhile it was none of theirs.
    assert_eq!(ships(world, "S2", "FAC-SZ>T1-42", (1, &names[2])).await, None);
    assert!(packs(world, &carton, (2, &names[2])).await.is_some());
    world.agrees().await;
}

async fn a_hold_before_the_production_record_holds(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = &sns(0..1)[0];
    // The line looks at a unit a moment before the instant it calls its production.
    let hold = json!({"change": "inspect", "inspection": "hold", "units": [sn], "reason": "seen",
        "happened_at": "2026-05-20T07:59:00+08:00"});
    assert_eq!(told(world, "units/changes", hold).await, None);
    let minutes_after = json!({"shipment_no": "S1", "from_code": "FAC-SZ", "to_code": "T1-53",
        "subject": sn, "happened_at": "2026-05-20T08:05:00+08:00"});
    let rows = json!({"rows": [minutes_after]});
    assert_eq!(told(world, "shipments", rows).await, refused("inspection_open"));
    world.agrees().await;
}

async fn what_came_in_later_brought_its_contents_along(world: &World) {
    world.make(&sns(0..2)).await;
    let names = sns(0..2);
    let (inner, carton, pallet) = (sscc(1), sscc(2), sscc(3));
    assert_eq!(packs(world, &carton, (1, &names[1])).await, None);
    assert_eq!(packs(world, &pallet, (1, &carton)).await, None);
    assert_eq!(packs(world, &inner, (2, &names[0])).await, None);
    assert_eq!(packs(world, &carton, (3, &inner)).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (5, &pallet)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (7, &names[0])).await, None);
    // Off the pallet since day 2, the carton would never have brought its unit to the tier 1.
    assert_eq!(unpacks(world, &pallet, (2, &carton)).await, refused("contradicts_later"));
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    world.agrees().await;
}

async fn days_are_told_as_instants(world: &World) {
    world.make(&sns(0..2)).await;
    let names = sns(0..2);
    let carton = sscc(1);
    fills(world, &carton, &names).await;
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &carton)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (4, &names[0])).await, None);
    // Received by itself on the day on which the carton was sent.
    assert_eq!(receives(world, "T1-53", (3, &names[0])).await, None);
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    // What is told of the carton thereafter still fits.
    assert_eq!(unpacks(world, &carton, (2, &names[1])).await, None);
    assert_eq!(hands(world, &names[1]).await, ["FAC-SZ"]);
    world.agrees().await;
}

async fn unpacked_on_the_day_of_arrival_goods_arrived(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let (carton, pallet) = (sscc(1), sscc(2));
    fills(world, &carton, &names).await;
    assert_eq!(packs(world, &pallet, (1, &carton)).await, None);
    // Taken out before it left, on the same day: told first, it stayed.
    assert_eq!(unpacks(world, &carton, (4, &names[2])).await, None);
    assert_eq!(ships(world, "S0", "FAC-SZ>T1-53", (4, &pallet)).await, None);
    assert_eq!(receives(world, "T1-53", (4, &pallet)).await, None);
    assert_eq!(unpacks(world, &pallet, (4, &carton)).await, None);
    assert_eq!(unpacks(world, &carton, (4, &names[0])).await, None);
    assert_eq!(ships(world, "S1", "T1-53>T2-53", (5, &names[0])).await, None);
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    assert_eq!(hands(world, &names[1]).await, ["FAC-SZ", "T1-53"]);
    assert_eq!(hands(world, &names[2]).await, ["FAC-SZ"]);
    world.agrees().await;
}

/// A whole way, told by a system that knows days only.
async fn all_on_one_day(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let (carton, pallet) = (sscc(1), sscc(2));
    fills(world, &carton, &names).await;
    assert_eq!(packs(world, &pallet, (1, &carton)).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (1, &pallet)).await, None);
    // One by itself out of the carton, and on again; one received by itself; one taken out.
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (1, &names[0])).await, None);
    assert_eq!(ships(world, "S3", "T2-53>SHOP-53", (1, &names[0])).await, None);
    assert_eq!(receives(world, "T1-53", (1, &names[1])).await, None);
    assert_eq!(unpacks(world, &carton, (1, &names[2])).await, None);
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53", "SHOP-53"]);
    assert_eq!(hands(world, &names[1]).await, ["FAC-SZ", "T1-53"]);
    assert_eq!(hands(world, &names[2]).await, ["FAC-SZ", "T1-53"]);
    world.agrees().await;
}

async fn received_after_it_was_handed_on_the_same_day(world: &World) {
    world.make(&sns(0..4)).await;
    let names = sns(0..4);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &names[0])).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (4, &names[0])).await, None);
    assert_eq!(receives(world, "T1-53", (4, &names[0])).await, None);
    assert_eq!(receives(world, "T1-53", (4, &names[0])).await, refused("already_received"));
    assert_eq!(receives(world, "T2-53", (4, &names[0])).await, None);
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    // Sent and handed on the same day.
    assert_eq!(ships(world, "S3", "FAC-SZ>T1-53", (4, &names[1])).await, None);
    assert_eq!(ships(world, "S4", "T1-53>T2-53", (4, &names[1])).await, None);
    assert_eq!(receives(world, "T1-53", (4, &names[1])).await, None);
    assert_eq!(receives(world, "T1-42", (4, &names[1])).await, refused("not_in_transit"));
    assert_eq!(hands(world, &names[1]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    // Scanned one by one, and sent on as a carton: it is still in the carton.
    let carton = sscc(1);
    fills(world, &carton, &names[2..]).await;
    assert_eq!(ships(world, "S5", "FAC-SZ>T1-53", (3, &carton)).await, None);
    assert_eq!(ships(world, "S6", "T1-53>T2-53", (4, &carton)).await, None);
    assert_eq!(receives(world, "T1-53", (4, &names[2])).await, None);
    assert_eq!(receives(world, "T2-53", (5, &carton)).await, None);
    assert_eq!(hands(world, &names[2]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    world.agrees().await;
}

async fn a_carton_that_came_in_pieces_is_not_missing(world: &World) {
    world.make(&sns(0..2)).await;
    let names = sns(0..2);
    let carton = sscc(1);
    fills(world, &carton, &names).await;
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &carton)).await, None);
    let body = json!({"party_code": "T1-53", "subjects": names, "happened_at": day(3),
        "shipment_no": "S1"});
    let desk = world.desk("BRAND", "all").await;
    let (status, reply) = desk.post("/api/v1/receipts", &body).await;
    assert_eq!((status, &reply["missing"]), (200, &json!([])), "{reply}");
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53"]);
    world.agrees().await;
}

async fn one_unit_is_shipped_late_out_of_a_carton_that_left(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let carton = sscc(1);
    fills(world, &carton, &names).await;
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (5, &carton)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (7, &names[1])).await, None);
    // One was sent elsewhere before: the carton left without it.
    assert_eq!(ships(world, "L1", "FAC-SZ>T1-42", (3, &names[0])).await, None);
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-42"]);
    // What the receiver handed on came to it in the carton.
    let late = ships(world, "L2", "FAC-SZ>T1-42", (3, &names[1])).await;
    assert_eq!(late, refused("contradicts_later"));
    assert_eq!(hands(world, &names[2]).await, ["FAC-SZ", "T1-53"]);
    world.agrees().await;
}

async fn nothing_is_taken_back_once_it_moved_on_the_same_day(world: &World) {
    world.make(&sns(0..5)).await;
    let names = sns(0..5);
    let cartons = [sscc(1), sscc(2), sscc(3)];
    for (carton, name) in cartons.iter().zip(&names) {
        assert_eq!(packs(world, carton, (1, name)).await, None);
    }
    // Handed on out of it, put onto the receiver's pallet, received by itself, all on its day.
    for (carton, paper) in cartons.iter().zip(["S0", "S1", "S2"]) {
        assert_eq!(ships(world, paper, "FAC-SZ>T1-53", (3, carton)).await, None);
    }
    assert_eq!(ships(world, "ON", "T1-53>T2-53", (3, &names[0])).await, None);
    assert_eq!(ships(world, "OWN", "FAC-SZ>T1-53", (3, &names[3])).await, None);
    assert_eq!(packs(world, &sscc(9), (3, &names[3])).await, None);
    assert_eq!(packs(world, &sscc(9), (3, &cartons[1])).await, None);
    assert_eq!(receives(world, "T1-53", (3, &names[2])).await, None);
    for paper in ["S0", "S1", "S2"] {
        assert_eq!(voids(world, paper, Some(4)).await, refused("moved_on"), "{paper}");
    }
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    // What had left it before that was told is no matter.
    assert_eq!(packs(world, &sscc(8), (1, &names[4])).await, None);
    assert_eq!(unpacks(world, &sscc(8), (3, &names[4])).await, None);
    assert_eq!(ships(world, "S4", "FAC-SZ>T1-42", (3, &names[4])).await, None);
    world.agrees().await;
}

async fn a_receipt_leaves_the_receivers_own_packs_as_they_are(world: &World) {
    world.make(&sns(0..6)).await;
    let names = sns(0..6);
    let carton = sscc(1);
    for (paper, name) in ["A", "B", "C"].iter().zip(&names) {
        assert_eq!(ships(world, paper, "FAC-SZ>T1-53", (2, name)).await, None);
    }
    // Packed and received on one day, and on the next, whatever was told first.
    for name in &names[..3] {
        assert_eq!(packs(world, &carton, (3, name)).await, None);
    }
    for (day, name) in [(3, &names[1]), (4, &names[2])] {
        let told = receives(world, "T1-53", (day, name)).await;
        assert!(told.is_none() || told == refused("already_received"), "{told:?}");
    }
    assert_eq!(ships(world, "ON", "T1-53>T2-53", (5, &carton)).await, None);
    for name in &names[..3] {
        assert_eq!(hands(world, name).await, ["FAC-SZ", "T1-53", "T2-53"]);
    }
    world.agrees().await;
}

async fn a_receipt_that_fits_nowhere_gives_nothing_back(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let carton = sscc(1);
    fills(world, &carton, &names[..2]).await;
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &carton)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (4, &carton)).await, None);
    // Who scans units and the carton says the same twice.
    assert_eq!(receives(world, "T1-53", (4, &names[0])).await, None);
    receives(world, "T1-53", (4, &carton)).await;
    for name in &names[..2] {
        assert_eq!(hands(world, name).await, ["FAC-SZ", "T1-53", "T2-53"]);
    }
    assert_eq!(ships(world, "S3", "T2-53>SHOP-53", (5, &names[0])).await, None);
    // Given back, it is not received again with an earlier date.
    assert_eq!(ships(world, "S4", "FAC-SZ>T1-53", (2, &names[2])).await, None);
    assert_eq!(ships(world, "S5", "T1-53>T2-53", (3, &names[2])).await, None);
    assert_eq!(receives(world, "T1-53", (3, &names[2])).await, None);
    assert_eq!(receives(world, "T1-53", (2, &names[2])).await, refused("already_received"));
    assert_eq!(hands(world, &names[2]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    world.agrees().await;
}

async fn what_was_in_other_hands_by_then_did_not_go_in(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let (carton, own) = (sscc(1), sscc(2));
    fills(world, &carton, &names[..2]).await;
    assert_eq!(ships(world, "S0", "FAC-SZ>T1-53", (4, &names[2])).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (4, &carton)).await, None);
    assert_eq!(packs(world, &own, (5, &names[2])).await, None);
    for name in &names[..2] {
        assert_eq!(unpacks(world, &carton, (5, name)).await, None);
        assert_eq!(packs(world, &own, (5, name)).await, None);
    }
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (5, &own)).await, None);
    // Out of the carton before it left, it never came to who packed it.
    assert_eq!(unpacks(world, &carton, (2, &names[0])).await, refused("contradicts_later"));
    assert_eq!(hands(world, &names[0]).await, ["FAC-SZ", "T1-53", "T2-53"]);
    world.agrees().await;
}

async fn goods_come_twice_on_one_day(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = &sns(0..1)[0];
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, sn)).await, None);
    assert_eq!(receives(world, "T1-53", (3, sn)).await, None);
    assert_eq!(ships(world, "S2", "T1-53>T2-53", (3, sn)).await, None);
    let back = json!({"rows": [{"shipment_no": "R1", "from_code": "T2-53", "to_code": "T1-53",
        "subject": sn, "happened_at": day(3)}]});
    assert_eq!(told(world, "returns", back).await, None);
    assert_eq!(receives(world, "T1-53", (3, sn)).await, None);
    assert_eq!(receives(world, "T1-53", (3, sn)).await, refused("already_received"));
    assert_eq!(ships(world, "S3", "T1-53>T2-53", (3, sn)).await, None);
    assert_eq!(hands(world, sn).await, ["FAC-SZ", "T1-53", "T2-53", "T1-53", "T2-53"]);
    world.agrees().await;
}

async fn what_a_receipt_names_is_not_missing(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    for name in &names {
        assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (4, name)).await, None);
    }
    // One is packed by the receiver, so it came; one is named, with a day that cannot be.
    assert_eq!(packs(world, &sscc(1), (5, &names[0])).await, None);
    let body = json!({"party_code": "T1-53", "subjects": [names[1]], "happened_at": day(3),
        "shipment_no": "S1"});
    let (_, reply) = world.desk("BRAND", "all").await.post("/api/v1/receipts", &body).await;
    assert_eq!(reply["results"][0]["problem"]["code"], "not_in_transit", "{reply}");
    assert_eq!(reply["missing"].as_array().map(Vec::len), Some(1), "the third: {reply}");
    world.agrees().await;
}

async fn a_wrong_paper_takes_nothing_out_of_its_pack(world: &World) {
    world.make(&sns(0..3)).await;
    let names = sns(0..3);
    let (carton, pallet) = (sscc(1), sscc(2));
    fills(world, &carton, &names[..2]).await;
    assert_eq!(packs(world, &pallet, (1, &carton)).await, None);
    assert_eq!(ships(world, "W1", "FAC-SZ>T1-42", (3, &carton)).await, None);
    assert_eq!(voids(world, "W1", Some(3)).await, None);
    assert_eq!(ships(world, "W2", "FAC-SZ>T1-42", (3, &names[0])).await, None);
    assert_eq!(voids(world, "W2", Some(3)).await, None);
    // Taken out and put back, shipped by itself and then with all of it by one wrong paper.
    assert_eq!(unpacks(world, &carton, (2, &names[1])).await, None);
    assert_eq!(packs(world, &carton, (3, &names[1])).await, None);
    for goods in [&names[1], &carton] {
        assert_eq!(ships(world, "W3", "FAC-SZ>T1-42", (3, goods)).await, None);
    }
    assert_eq!(voids(world, "W3", Some(3)).await, None);
    assert_eq!(ships(world, "S1", "FAC-SZ>T1-53", (3, &pallet)).await, None);
    for name in &names[..2] {
        assert_eq!(hands(world, name).await, ["FAC-SZ", "T1-53"]);
    }
    let desk = world.desk("BRAND", "all").await;
    let (_, reply) = desk.get(&format!("/api/v1/verify/{}?scheme=sn", names[1])).await;
    let shipped = reply["custody"]["hops"].as_array().into_iter().flatten();
    assert_eq!(shipped.filter(|hop| hop["kind"] == "shipped").count(), 1, "{reply}");
    // Emptied meanwhile, a pack is not filled by a void.
    let (pack, out) = (sscc(3), &names[2]);
    assert_eq!(packs(world, &pack, (1, out)).await, None);
    world.make(&sns(3..4)).await;
    assert_eq!(packs(world, &pack, (1, &sns(3..4)[0])).await, None);
    assert_eq!(ships(world, "W4", "FAC-SZ>T1-42", (3, out)).await, None);
    assert_eq!(unpacks(world, &pack, (4, &sns(3..4)[0])).await, None);
    assert_eq!(voids(world, "W4", Some(5)).await, None);
    assert_eq!(unpacks(world, &pack, (6, out)).await, refused("not_packed"));
    world.agrees().await;
}
