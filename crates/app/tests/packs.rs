//! Reading a pack: what is in it, what it was in, through whose hands and on which papers it went.

mod common;

use common::{World, sns, sscc};
use dossier::files::Kind;
use serde_json::{Value, json};

on_both! { a_pack_is_read_by_who_had_it, contents_come_in_pages, what_went_in_later_is_not_shown }

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
    assert_eq!(
        told(&carton["hops"], "kind"),
        ["packed", "packed", "shipped", "received", "shipped"]
    );
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
        let number = dossier::flows::find::unit_number(world.unit(sn).await);
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
