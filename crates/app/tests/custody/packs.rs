//! Reading a pack: what is in it, what it was in, through whose hands and on which papers it went.
//! How deep packs nest, and what is taken out of them.

use crate::common::{Desk, World, outcomes, sns, sscc};
use crate::on_both;
use domain::custody::CustodyFacts;
use dossier::files::Kind;
use dossier::flows::find::unit_number;
use serde_json::{Value, json};

on_both! {
    a_pallet_may_come_before_its_cartons,
    a_pack_is_read_by_who_had_it,
    contents_come_in_pages,
    what_went_in_later_is_not_shown,
    eight_packs_stand_around_a_unit_and_no_ninth,
    no_circle_of_ten_packs_closes,
    a_child_named_twice_is_taken_out_once,
    a_unit_tells_the_packs_around_it_to_who_had_them,
}

/// Carton 1 (three units) and carton 2 (one unit) on pallet 9.
async fn packed(world: &World) {
    world.make(&sns(1..5)).await;
    let row = |pack: u64, child: &str, hour: u32| {
        format!("{},{child},2026-05-21T{hour:02}:00:00+08:00\n", sscc(pack))
    };
    let cartons = [row(1, "CY000001", 8), row(1, "CY000002", 8), row(1, "CY000003", 8)];
    let rest = [row(2, "CY000004", 8), row(9, &sscc(1), 9), row(9, &sscc(2), 9)];
    let head = "sscc,child,packed_at\n";
    world.take(Kind::Packs, &format!("{head}{}{}", cartons.concat(), rest.concat())).await;
}

async fn shipped(world: &World, (from, to): (&str, &str), no: &str, day: u32, subject: &str) {
    let head = "shipment_no,from_code,to_code,happened_at,subject\n";
    let row = format!("{no},{from},{to},2026-05-{day}T08:00:00+08:00,{subject}\n");
    world.take(Kind::Shipments, &format!("{head}{row}")).await;
}

fn path(pack: u64) -> String {
    format!("/api/v1/packs/{}", sscc(pack))
}

fn told(list: &Value, key: &str) -> Vec<String> {
    let text = |v: &Value| v[key].as_str().unwrap_or_default().to_owned();
    list.as_array().expect("a list").iter().map(text).collect()
}

/// The packs around a unit, as a party is told them.
async fn around(world: &World, party: &str, sn: &str) -> Vec<String> {
    let desk = world.desk(party, "read").await;
    let (status, unit) = desk.get(&format!("/api/v1/units/{sn}")).await;
    assert_eq!(status, 200, "{party} {unit}");
    told(&unit["parents"], "sscc")
}

async fn a_unit_tells_the_packs_around_it_to_who_had_them(world: &World) {
    packed(world).await;
    world.make(&sns(5..6)).await;
    assert_eq!(around(world, "BRAND", "CY000001").await, [sscc(1), sscc(9)]);
    assert_eq!(around(world, "BRAND", "CY000005").await, [""; 0]);
    shipped(world, ("FAC-SZ", "T1-53"), "P1", 22, &sscc(9)).await;
    shipped(world, ("T1-53", "T2-53"), "P2", 24, &sscc(1)).await;
    for party in ["BRAND", "FAC-SZ", "T1-53", "T2-53"] {
        assert_eq!(around(world, party, "CY000001").await, [sscc(1)], "{party}");
    }
    assert_eq!(around(world, "T1-53", "CY000004").await, [sscc(2), sscc(9)]);
    let unit = world.desk("BRAND", "read").await.get("/api/v1/units/CY000001").await.1;
    let parents = json!([{"sscc": sscc(1), "since": "2026-05-21T08:00:00+08:00", "until": null}]);
    assert_eq!(unit["parents"], parents);
    shipped(world, ("T2-53", "SHOP-53"), "P3", 26, "CY000001").await;
    assert_eq!(around(world, "BRAND", "CY000001").await, [""; 0]);
    // What others packed it into is theirs.
    shipped(world, ("FAC-SZ", "T1-53"), "P4", 22, "CY000005").await;
    let carton = format!("sscc,child,packed_at\n{},CY000005,2026-05-23T08:00:00+08:00\n", sscc(3));
    world.take(Kind::Packs, &carton).await;
    assert_eq!(around(world, "T1-53", "CY000005").await, [sscc(3)]);
    assert_eq!(around(world, "FAC-SZ", "CY000005").await, [""; 0]);
}

async fn a_pack_is_read_by_who_had_it(world: &World) {
    packed(world).await;
    shipped(world, ("FAC-SZ", "T1-53"), "P1", 22, &sscc(9)).await;
    let brand = world.desk("BRAND", "all").await;
    let receipt = json!({"party_code": "T1-53", "subjects": [sscc(9)], "shipment_no": "P1",
        "happened_at": "2026-05-23T08:00:00+08:00"});
    assert_eq!(brand.post("/api/v1/receipts", &receipt).await.0, 200);
    shipped(world, ("T1-53", "T2-53"), "P2", 24, &sscc(1)).await;

    let (status, carton) = brand.get(&path(1)).await;
    assert_eq!(status, 200, "{carton}");
    assert_eq!(carton["sscc"], sscc(1));
    assert_eq!(told(&carton["products"], "gtin"), ["06929141700010"]);
    assert_eq!(told(&carton["contents"]["items"], "sn"), ["CY000001", "CY000002", "CY000003"]);
    assert_eq!(told(&carton["contents"]["items"], "kind"), ["unit", "unit", "unit"]);
    assert_eq!(carton["contents"]["next_cursor"], Value::Null);
    let parent = json!([{"sscc": sscc(9), "since": "2026-05-21T09:00:00+08:00",
        "until": "2026-05-24T08:00:00+08:00"}]);
    assert_eq!(carton["parents"], parent);
    assert_eq!(told(&carton["hops"], "kind"), ["packed", "shipped", "received", "shipped"]);
    let first = json!({"shipment_no": "P1", "kind": "shipment", "from": "FAC-SZ", "to": "T1-53",
        "sent_at": "2026-05-22T08:00:00+08:00", "received_at": "2026-05-23T08:00:00+08:00",
        "voided_at": null});
    assert_eq!(carton["papers"][0], first, "it travelled inside the pallet");
    assert_eq!(told(&carton["papers"], "shipment_no"), ["P1", "P2"]);
    let kinds = told(&carton["timeline"], "kind");
    assert_eq!(kinds, ["packed", "packed", "shipped", "received", "shipped"]);

    // The pallet goes on without the carton.
    let (_, pallet) = brand.get(&path(9)).await;
    assert_eq!(told(&pallet["contents"]["items"], "id"), [sscc(2)]);
    assert_eq!(told(&pallet["contents"]["items"], "kind"), ["pack"]);
    assert_eq!(told(&pallet["papers"], "shipment_no"), ["P1"]);

    // T2 had the carton and not the pallet; T1-42 had neither; T1 sees T2 below it.
    let below = world.desk("T2-53", "read").await;
    let (status, own) = below.get(&path(1)).await;
    assert_eq!(status, 200, "{own}");
    assert_eq!((told(&own["hops"], "party"), &own["parents"]), (vec!["T2-53".into()], &json!([])));
    assert_eq!(told(&own["papers"], "shipment_no"), ["P2"]);
    assert_eq!(told(&own["timeline"], "kind"), ["shipped"]);
    let units = codes(world, &["CY000001", "CY000002", "CY000003"]).await;
    assert_eq!(told(&own["contents"]["items"], "id"), units);
    let (status, refused) = below.get(&path(9)).await;
    assert_eq!((status, &refused["code"]), (404, &json!("unknown_subject")));
    let above = world.desk("T1-53", "read").await;
    let (_, seen) = above.get(&path(1)).await;
    assert_eq!(told(&seen["hops"], "party"), ["T1-53", "T1-53", "T2-53"]);
    assert_eq!(told(&seen["parents"], "sscc"), [sscc(9)]);
    let beside = world.desk("T1-42", "read").await;
    let (status, refused) = beside.get(&path(1)).await;
    assert_eq!((status, &refused["code"]), (404, &json!("unknown_subject")));

    // A paper that was taken back says so.
    let back = json!({"from": "T1-53", "happened_at": "2026-05-24T12:00:00+08:00"});
    assert_eq!(brand.post("/api/v1/shipments/P2/void", &back).await.0, 200);
    let (_, carton) = brand.get(&path(1)).await;
    assert_eq!(carton["papers"][1]["voided_at"], "2026-05-24T12:00:00+08:00");
    assert_eq!(carton["papers"][0]["voided_at"], Value::Null);

    for (path, status, field) in [
        (path(7), 404, "sscc"),
        ("/api/v1/packs/106901234500000011".to_owned(), 400, "sscc"),
        (format!("{}?limit=0", path(1)), 400, "limit"),
        (format!("{}?cursor=a1", path(1)), 400, "cursor"),
    ] {
        let (said, refused) = brand.get(&path).await;
        assert_eq!((said, &refused["field"]), (status, &json!(field)), "{path}: {refused}");
    }
    let shipper = world.desk("BRAND", "ship").await;
    assert_eq!(shipper.get(&path(1)).await.0, 403);
}

async fn contents_come_in_pages(world: &World) {
    packed(world).await;
    let brand = world.desk("BRAND", "read").await;
    for (pack, key, wanted) in [
        (1, "sn", vec!["CY000001".to_owned(), "CY000002".into(), "CY000003".into()]),
        (9, "id", vec![sscc(1), sscc(2)]),
    ] {
        for limit in 1..=3 {
            let mut seen = Vec::new();
            let mut more = String::new();
            loop {
                let (status, page) =
                    brand.get(&format!("{}?limit={limit}{more}", path(pack))).await;
                assert_eq!(status, 200, "{page}");
                let rows = told(&page["contents"]["items"], key);
                assert!(rows.len() <= limit, "{page}");
                seen.extend(rows);
                match page["contents"]["next_cursor"].as_str() {
                    Some(cursor) => more = format!("&cursor={cursor}"),
                    None => break,
                }
            }
            assert_eq!(seen, wanted, "by {limit}");
        }
    }
}

/// By what a hand of the channel is told of units: their codes.
async fn codes(world: &World, sns: &[&str]) -> Vec<String> {
    let mut codes = Vec::new();
    for sn in sns {
        let number = unit_number(world.unit(sn).await);
        codes.push(world.house.ring().encode(number).as_str().to_owned());
    }
    codes
}

async fn what_went_in_later_is_not_shown(world: &World) {
    packed(world).await;
    shipped(world, ("FAC-SZ", "T1-53"), "P1", 22, &sscc(1)).await;
    let brand = world.desk("BRAND", "all").await;
    let row = json!({"shipment_no": "R1", "from_code": "T1-53", "to_code": "FAC-SZ",
        "happened_at": "2026-05-23T08:00:00+08:00", "subject": sscc(1)});
    let (status, returned) = brand.post("/api/v1/returns", &json!({"rows": [row]})).await;
    assert_eq!(status, 200, "{returned}");
    let receipt = json!({"party_code": "FAC-SZ", "subjects": [sscc(1)],
        "happened_at": "2026-05-24T08:00:00+08:00"});
    assert_eq!(brand.post("/api/v1/receipts", &receipt).await.0, 200);
    // One unit leaves and another takes its place; the tier 1 never had that one.
    let out = json!({"sscc": sscc(1), "children": ["CY000002"],
        "happened_at": "2026-05-25T08:00:00+08:00"});
    assert_eq!(brand.post("/api/v1/packs/unpack", &out).await.0, 200);
    world.make(&sns(5..6)).await;
    let row = format!("sscc,child,packed_at\n{},CY000005,2026-05-25T09:00:00+08:00\n", sscc(1));
    world.take(Kind::Packs, &row).await;

    let (_, all) = brand.get(&path(1)).await;
    assert_eq!(told(&all["contents"]["items"], "sn"), ["CY000001", "CY000003", "CY000005"]);
    assert_eq!(told(&all["papers"], "kind"), ["shipment", "return"]);
    let tier1 = world.desk("T1-53", "read").await;
    for page in ["", "?limit=2"] {
        let (_, own) = tier1.get(&format!("{}{page}", path(1))).await;
        let units = codes(world, &["CY000001", "CY000003"]).await;
        assert_eq!(told(&own["contents"]["items"], "id"), units, "{page}");
        assert_eq!(own["contents"]["next_cursor"], Value::Null, "nothing it may see follows");
    }
}

/// A row: which pack, what goes into it, at which time of the day.
type Row = (u64, String, &'static str);

/// Packs, one row at a time or all rows in one command; what became of each.
async fn pack(desk: &Desk, rows: &[Row], at_once: bool) -> Vec<String> {
    let mut told = Vec::new();
    for portion in rows.chunks(if at_once { rows.len() } else { 1 }) {
        let row = |(pack, child, time): &Row| {
            let packed_at = format!("2026-05-21T{time}:00+08:00");
            json!({"sscc": sscc(*pack), "child": child, "packed_at": packed_at})
        };
        let rows: Vec<_> = portion.iter().map(row).collect();
        let (_, reply) = desk.post("/api/v1/packs", &json!({"rows": rows})).await;
        for result in reply["results"].as_array().expect("one for each row") {
            let word = result["problems"][0]["code"].as_str().or(result["outcome"].as_str());
            told.push(word.expect("an outcome").to_owned());
        }
    }
    told
}

/// Ten packs from a number on, each opened by a unit of the same number.
async fn opened(world: &World, first: u64) -> Vec<Row> {
    let number = u32::try_from(first).expect("small");
    let units = sns(number..number + 10);
    world.make(&units).await;
    (first..).zip(units).map(|(pack, unit)| (pack, unit, "09:00")).collect()
}

/// Ten packs, of which eight come to stand in one another: from the inside out, from the outside
/// in, and as two towers of four, of which it is told late that they were one.
async fn eight_packs_stand_around_a_unit_and_no_ninth(world: &World) {
    let outward: Vec<(u64, u64, &'static str)> =
        (1..8).map(|inner| (inner + 1, inner, "10:00")).collect();
    let inward: Vec<_> = outward.iter().copied().rev().collect();
    let late = [(5, 4, "09:30")];
    let joined = [&outward[..3], &outward[4..], &late[..]].concat();
    let desk = world.desk("BRAND", "all").await;
    let mut first = 0;
    for way in [outward, inward, joined] {
        for at_once in [false, true] {
            let mut rows = opened(world, first).await;
            // The ninth, outside and inside, after all of them and told late.
            let ninth = [(9, 8, "11:00"), (9, 8, "09:30"), (1, 0, "11:00"), (1, 0, "09:30")];
            let packs = way.iter().copied().chain(ninth);
            let named = |(outer, inner, time): (u64, u64, &'static str)| {
                (first + outer, sscc(first + inner), time)
            };
            rows.extend(packs.map(named));
            let told = pack(&desk, &rows, at_once).await;
            let expected = [vec!["taken"; 10 + 7], vec!["pack_too_deep"; 4]].concat();
            assert_eq!(told, expected, "{way:?}, at once: {at_once}");

            let paper = format!("P{first}");
            shipped(world, ("FAC-SZ", "T1-53"), &paper, 22, &sscc(first + 8)).await;
            let sn = format!("CY{:06}", first + 1);
            let unit = world.unit(&sn).await;
            let mut facts = CustodyFacts::default();
            world.house.store.custody_fetch(&[unit], &mut facts).await.expect("it reads");
            let chain = facts.chain(unit_number(unit));
            let papers: Vec<_> = chain.iter().filter_map(|h| h.shipment_no.as_deref()).collect();
            assert_eq!(papers, [paper.as_str()], "the innermost unit went with the outermost");
            let alone = json!({"shipment_no": format!("A{first}"), "from_code": "FAC-SZ",
                "to_code": "T1-42", "happened_at": "2026-05-23T08:00:00+08:00", "subject": sn});
            let (_, reply) = desk.post("/api/v1/shipments", &json!({"rows": [alone]})).await;
            assert_eq!(reply["results"][0]["problems"][0]["code"], "already_shipped", "{reply}");
            first += 10;
        }
    }
    world.agrees().await;
}

async fn no_circle_of_ten_packs_closes(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    for (first, at_once) in [(0, false), (10, true)] {
        let mut rows = opened(world, first).await;
        rows.extend((0..9).map(|n| (first + n + 1, sscc(first + n), "10:00")));
        rows.push((first, sscc(first + 9), "11:00"));
        rows.push((first, sscc(first + 7), "11:00"));
        let told = pack(&desk, &rows, at_once).await;
        let expected = [vec!["taken"; 10 + 7], vec!["pack_too_deep", "taken", "pack_too_deep"]];
        let expected = [expected.concat(), vec!["pack_cycle"]].concat();
        assert_eq!(told, expected, "at once: {at_once}");
    }
    world.agrees().await;
}

async fn a_child_named_twice_is_taken_out_once(world: &World) {
    packed(world).await;
    let brand = world.desk("BRAND", "all").await;
    let code = codes(world, &["CY000002"]).await.remove(0);
    let out = |pack: &str, children: &[&str]| {
        let at = "2026-05-21T10:00:00+08:00";
        json!({"sscc": pack, "children": children, "happened_at": at})
    };
    let path_out = "/api/v1/packs/unpack";
    for twice in [["CY000001", "CY000001"], [code.as_str(), "CY000002"], ["CY000003", "cy000003"]] {
        let (status, reply) = brand.post(path_out, &out(&sscc(1), &twice)).await;
        assert_eq!((status, &reply["count"]), (200, &json!(1)), "{twice:?}: {reply}");
    }
    let (_, carton) = brand.get(&path(1)).await;
    assert_eq!(carton["contents"]["items"], json!([]));
    let unknown = sscc(7);
    for (pack, status, code) in
        [("123", 400, "invalid_field"), (unknown.as_str(), 404, "unknown_subject")]
    {
        let (said, refused) = brand.post(path_out, &out(pack, &[])).await;
        assert_eq!(said, status, "{refused}");
        assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &json!("sscc")));
    }
    world.agrees().await;
}

/// As an export that is sorted by the outermost pack.
async fn a_pallet_may_come_before_its_cartons(world: &World) {
    world.make(&sns(0..4)).await;
    let names = sns(0..4);
    let row =
        |pack: u64, child: &str| format!("{},{child},2026-05-22T00:00:00+08:00\n", sscc(pack));
    let nested = |first: u64, unit: &str, between: &str| {
        let outer = row(first, &sscc(first + 1)) + &row(first + 1, &sscc(first + 2));
        format!("sscc,child,packed_at\n{outer}{between}{}", row(first + 2, unit))
    };
    let taken = ["taken"; 3];
    assert_eq!(outcomes(&world.house, Kind::Packs, &nested(1, &names[0], ""), true).await, taken);
    // The row that opens the carton is so far behind that it is read after the first are judged.
    let between: String = (0..2_500).map(|i| row(20, &format!("NONE{i:04}"))).collect();
    let text = nested(4, &names[1], &between);
    let told = outcomes(&world.house, Kind::Packs, &text, false).await;
    assert_eq!(
        (&told[..2], &told[2], told.last()),
        (&taken.map(String::from)[..2], &"unknown_subject".to_owned(), Some(&"taken".to_owned()))
    );
    // What never comes is refused, and so is all of it where all or nothing was asked.
    let never = format!("sscc,child,packed_at\n{}{}", row(10, &sscc(11)), row(10, &names[2]));
    assert_eq!(
        outcomes(&world.house, Kind::Packs, &never, true).await,
        ["unknown_subject", "not_recorded"]
    );
    let told = outcomes(&world.house, Kind::Packs, &never, false).await;
    assert_eq!(told, ["unknown_subject", "taken"]);
    world.agrees().await;
}
