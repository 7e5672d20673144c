//! The one box: what each kind of party finds, and what nobody does.

use crate::common::{Desk, PHONE, World, sns, sscc};
use crate::on_both;
use crate::scene::{WORKS, code, goods, member, opened, problem, stranger, take};
use domain::role::Role;
use dossier::files::Kind;
use dossier::flows::import::Importer;
use dossier::flows::search::search;
use serde_json::{Value, json};

on_both! {
    everything_that_names_something_finds_it,
    each_finds_what_it_may_see,
    regions_bind_what_is_found,
    nothing_crosses_brands,
    what_is_hostile_or_long_is_refused_or_finds_nothing,
    a_crowd_of_other_numbers_hides_none_of_ours,
    a_number_of_both_is_found_at_the_end_of_a_portion,
}

async fn found(desk: &Desk, q: &str) -> Vec<(String, String)> {
    let (status, reply) = desk.get(&format!("/api/v1/search?q={}", escaped(q))).await;
    assert_eq!(status, 200, "{q}: {reply}");
    let items = reply["items"].as_array().expect("items");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    items.iter().map(|hit| (text(&hit["kind"]), text(&hit["id"]))).collect()
}

fn escaped(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn hit(kind: &str, id: &str) -> (String, String) {
    (kind.to_owned(), id.to_owned())
}

/// A carton on its way to Yunnan, a unit with an IMEI, an authority and a service centre.
async fn more(world: &World) {
    goods(world).await;
    let parties = "code,kind,name,parent_code,region,categories\n\
        REG-53,regulator,云南市监,BRAND,530000,phone\nREG-00,regulator,别类市监,BRAND,440000,tablet\n\
        REG-44,regulator,广东市监,BRAND,440000,phone\n\
        SVC-1,service_centre,昆明服务站,BRAND,530102,\nJD,platform,某平台,BRAND,,\n";
    world.take(Kind::Parties, parties).await;
    let made = format!(
        "sn,gtin,produced_at,site_code,imei1\n\
         CY000100,{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ,490154203237518\n"
    );
    world.take(Kind::Production, &made).await;
    let packs = format!("sscc,child,packed_at\n{},CY000100,2026-05-21T09:00:00+08:00\n", sscc(1));
    world.take(Kind::Packs, &packs).await;
    let papers = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         P-CARTON,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{}\n\
         P-SVC,FAC-SZ,SVC-1,2026-05-22T08:00:00+08:00,CY000006\n",
        sscc(1)
    );
    world.take(Kind::Shipments, &papers).await;
}

async fn everything_that_names_something_finds_it(world: &World) {
    more(world).await;
    let brand = world.desk("BRAND", "read,cases,codes:read").await;
    let own = code(world, "CY000100").await;
    let printed = format!("{}-{}-{}-{}", &own[..4], &own[4..8], &own[8..12], &own[12..]);
    let unit = [hit("unit", &own)];
    let forms = [
        own.clone(),
        printed.to_lowercase(),
        "CY000100".to_owned(),
        " cy000100 ".to_owned(),
        "490154203237518".to_owned(),
        "49-015420-323751-8".to_owned(),
    ];
    for form in forms {
        assert_eq!(found(&brand, &form).await, unit, "{form}");
    }
    let carton = sscc(1);
    assert_eq!(found(&brand, &carton).await, [hit("pack", &carton)]);
    assert_eq!(found(&brand, "P-CARTON").await, [hit("shipment", "P-CARTON")]);
    let case = opened(&brand, "T2-53", &["CY000000"]).await;
    assert_eq!(found(&brand, &case).await, [hit("case", &case)]);
    let places = [hit("party", "T1-53"), hit("site", "T1-53")];
    assert_eq!(found(&brand, "云南总").await, places);
    assert_eq!(found(&brand, "t1-5").await, places);
    let product = format!("0{PHONE}");
    let told = found(&brand, "n3 pro").await;
    assert!(told.contains(&hit("product", &product)), "{told:?}");
    assert!(told.iter().any(|(kind, _)| kind == "batch"), "{told:?}");
    assert!(found(&brand, &PHONE[3..9]).await.contains(&hit("product", &product)));

    // The beginning of a serial number, in its order, twenty and no more.
    let mut all = Vec::new();
    for sn in sns(0..12) {
        all.push(hit("unit", &code(world, &sn).await));
    }
    assert_eq!(found(&brand, "CY0000").await, all);
    world.make(&sns(12..60)).await;
    let (_, reply) = brand.get("/api/v1/search?q=CY0000&kind=unit").await;
    let first = reply["items"].as_array().expect("items");
    assert_eq!((first.len(), &reply["more"]), (20, &json!(true)));
    assert_eq!(
        first[..12].iter().map(|u| u["id"].clone()).collect::<Vec<_>>(),
        all.iter().map(|(_, id)| json!(id)).collect::<Vec<_>>()
    );
    assert!(found(&brand, "CY0").await.iter().all(|(kind, _)| kind != "unit"), "too short");
    // Every hit is where it says.
    for q in [own.as_str(), &carton, &case] {
        let (_, reply) = brand.get(&format!("/api/v1/search?q={q}")).await;
        let path = reply["items"][0]["path"].as_str().expect("a path").to_owned();
        assert_eq!(brand.get(&path).await.0, 200, "{path}");
    }
    let without = world.desk("BRAND", "read").await;
    assert!(found(&without, "n3 pro").await.iter().all(|(kind, _)| kind != "batch"));
}

async fn each_finds_what_it_may_see(world: &World) {
    more(world).await;
    let brand = world.desk("BRAND", WORKS).await;
    let case = opened(&brand, "T2-53", &["CY000000"]).await;
    let unit = async |sn: &str| hit("unit", &code(world, sn).await);
    let (down, other, svc) =
        (unit("CY000000").await, unit("CY000003").await, unit("CY000006").await);
    let none: Vec<(String, String)> = Vec::new();
    let carton = sscc(1);
    // By a serial number whole; by its beginning only where serial numbers may be shown.
    for (party, sn, finds) in [
        ("T1-53", "CY000000", vec![down.clone()]),
        ("T1-53", "CY000003", none.clone()),
        ("T1-53", "CY00000", none.clone()),
        ("T2-53", "CY000000", vec![down.clone()]),
        ("SHOP-53", "CY000000", none.clone()),
        ("T1-42", "CY000003", vec![other.clone()]),
        ("T1-42", "CY000000", none.clone()),
        ("FAC-SZ", "CY000003", vec![other.clone()]),
        ("SVC-1", "CY000006", vec![svc.clone()]),
        ("SVC-1", "CY00000", vec![svc.clone()]),
        ("SVC-1", "CY000000", none.clone()),
        ("REG-00", "CY000000", none.clone()),
        ("REG-00", "CY0000", none.clone()),
        ("REG-44", "CY000003", vec![other.clone()]),
        ("JD", "CY000000", none.clone()),
        // Started, but not in its region; made elsewhere.
        ("REG-53", "CY000000", none.clone()),
        // Not a unit: nothing is what it looks like too.
        ("T1-53", "CY000999", none.clone()),
    ] {
        let desk = world.desk(party, WORKS).await;
        assert_eq!(found(&desk, sn).await, finds, "{party} {sn}");
        let (_, nothing) = desk.get("/api/v1/search?q=CY999999").await;
        if finds.is_empty() {
            let (_, told) = desk.get(&format!("/api/v1/search?q={sn}")).await;
            assert_eq!(told, nothing, "{party} {sn} is told apart from nothing");
        }
    }
    for (party, why) in [("FAC-SZ", "its own sites made them"), ("REG-44", "in its remit")] {
        let desk = world.desk(party, WORKS).await;
        assert_eq!(found(&desk, "CY0000").await.len(), 12, "{party}: {why}");
    }
    for (party, q, kinds) in [
        ("T1-53", carton.as_str(), vec!["pack"]),
        ("T1-42", &carton, vec![]),
        ("T1-53", "P-CARTON", vec!["shipment"]),
        ("T2-53", "P-54", vec!["shipment"]),
        ("T1-42", "P-CARTON", vec![]),
        ("T2-53", "P-CARTON", vec![]),
        ("T1-53", &case, vec!["case"]),
        ("T2-53", &case, vec!["case"]),
        ("T1-42", &case, vec![]),
        ("SHOP-53", &case, vec![]),
        ("T1-53", "二级", vec!["party", "site"]),
        ("T1-42", "二级", vec![]),
        ("T1-53", "深圳", vec![]),
    ] {
        let desk = world.desk(party, WORKS).await;
        let told: Vec<_> = found(&desk, q).await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(told, kinds, "{party} {q}");
    }
    // A paper tells of its ends what the reader may see of them.
    let tier1 = world.desk("T1-53", WORKS).await;
    let (_, reply) = tier1.get("/api/v1/search?q=P-CARTON").await;
    assert_eq!(reply["items"][0]["label"], "… → T1-53  2026-05-22  1");
    let unread = world.desk("T1-53", "verify").await;
    assert_eq!(problem(&unread.get("/api/v1/search?q=CY000000").await), (403, "not_allowed", ""));
}

async fn regions_bind_what_is_found(world: &World) {
    more(world).await;
    let bound = member(world, Role::ChannelManager, &["53"]).await;
    let find = async |q: &str| {
        let found = search(&world.house, &bound, q, None).await.expect("found");
        found.hits.into_iter().map(|hit| (hit.kind.as_str().to_owned(), hit.id)).collect::<Vec<_>>()
    };
    let mut inside = Vec::new();
    for sn in sns(0..3).iter().chain(&["CY000006".to_owned()]) {
        inside.push(hit("unit", &code(world, sn).await));
    }
    assert_eq!(find("CY0000").await, inside, "in hands whose seat lies inside");
    assert_eq!(find("CY000003").await, []);
    assert_eq!(find("P-42").await, []);
    assert_eq!(find("P-54").await, [hit("shipment", "P-54")]);
    assert_eq!(find("湖北").await, []);
    assert_eq!(find("T1-53").await, [hit("party", "T1-53"), hit("site", "T1-53")]);
}

async fn nothing_crosses_brands(world: &World) {
    more(world).await;
    let brand = world.desk("BRAND", "all").await;
    let case = opened(&brand, "T2-53", &["CY000000"]).await;
    let ours: Vec<_> = [code(world, "CY000000").await, code(world, "CY000100").await].into();
    let (carton, paper) = (sscc(1), "P-CARTON".to_owned());
    let (_, theirs) = stranger(world).await;
    for q in ours.iter().chain([&case, &carton, &paper]) {
        assert_eq!(found(&theirs, q).await, [], "{q}");
    }
    for q in ["490154203237518", "云南总代", "澄野", "深圳", "CY000100", "CY0001"] {
        let told = found(&theirs, q).await;
        assert!(told.iter().all(|(_, id)| id == "T1-53"), "{q}: {told:?}");
    }
    // The same serial number in both brands: each finds its own.
    let (one, other) = (found(&brand, "CY000000").await, found(&theirs, "CY000000").await);
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one, other);
    assert_eq!(found(&theirs, "CY000").await.len(), 2);
    assert_eq!(found(&brand, "CY00077").await, []);
}

async fn what_is_hostile_or_long_is_refused_or_finds_nothing(world: &World) {
    more(world).await;
    let brand = world.desk("BRAND", "all").await;
    for q in ["", " ", "a\u{0}b", "a\nb", "CY\u{202e}00", &"9".repeat(129), &"界".repeat(129)] {
        let refused = brand.get(&format!("/api/v1/search?q={}", escaped(q))).await;
        assert_eq!(problem(&refused), (400, "invalid_field", "q"), "{q:?}");
    }
    for q in [
        "%%%%%",
        "____",
        "CY0%",
        "CY00_",
        "CY000\\",
        "' OR 1=1 --",
        "*",
        "CY0000~",
        "\u{10ffff}",
        &"界".repeat(128),
    ] {
        assert_eq!(found(&brand, q).await, [], "{q:?}");
    }
    for query in ["", "?q=a&kind=account", "?q=a&kind=person", "?q=a&limit=5"] {
        let refused = brand.get(&format!("/api/v1/search{query}")).await;
        assert_eq!(problem(&refused).1, "invalid_field", "{query}");
    }
}

async fn a_crowd_of_other_numbers_hides_none_of_ours(world: &World) {
    goods(world).await;
    world.make(&["CZAA9999".to_owned()]).await;
    let brand = world.desk("BRAND", WORKS).await;
    let ours = [hit("unit", &code(world, "CZAA9999").await)];
    let (caller, theirs) = stranger(world).await;
    let mut rows = "sn,gtin,produced_at,site_code\n".to_owned();
    for n in 0..2_100 {
        rows += &format!("CZAA{n:04},6901234567892,2026-05-20T08:00:00+08:00,FAC-X\n");
    }
    take(world, Importer::Caller(&caller), Kind::Production, &rows).await;
    // Theirs come before ours in the directory, and are more than one look at it holds.
    assert_eq!(found(&brand, "CZAA").await, ours);
    let (_, reply) = theirs.get("/api/v1/search?q=CZAA").await;
    let items = reply["items"].as_array().expect("items");
    assert_eq!((items.len(), &reply["more"]), (20, &json!(true)));
    assert!(items.iter().all(|item| item["id"] != ours[0].1), "{reply}");
}

async fn a_number_of_both_is_found_at_the_end_of_a_portion(world: &World) {
    goods(world).await;
    let ours: Vec<_> = (0..2_000).map(|n| format!("CZBB{n:04}")).collect();
    world.make(&ours).await;
    let (caller, theirs) = stranger(world).await;
    // A look at the directory ends with our row of this number; theirs is the next one.
    let rows = "sn,gtin,produced_at,site_code\n\
        CZBB1999,6901234567892,2026-05-20T08:00:00+08:00,FAC-X\n";
    take(world, Importer::Caller(&caller), Kind::Production, rows).await;
    assert_eq!(found(&theirs, "CZBB").await, found(&theirs, "CZBB1999").await);
    assert_eq!(found(&theirs, "CZBB").await.len(), 1);
}
