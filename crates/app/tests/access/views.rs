//! What each kind of party sees of the same unit.

use crate::common::{FACTORY, PHONE, World, sns, sscc, start};
use crate::on_both;
use dossier::files::Kind;
use serde_json::Value;

on_both! {
    a_factory_sees_how_its_own_units_were_made,
    a_service_centre_sees_the_technical_history_of_what_it_holds,
    an_authority_sees_what_lies_in_its_region,
    serial_numbers_are_for_those_who_see_identifiers,
    each_kind_of_party_reads_what_is_its_own,
    a_platform_is_told_until_when_a_guarantee_runs,
}

/// A second plant, a service centre, authorities; a unit with an IMEI of each plant on its way.
async fn goods(world: &World) {
    let parties = "code,kind,name,parent_code,region,categories\n\
        FAC-HZ,factory,杭州工厂,BRAND,330106,\n\
        SVC,service_centre,维修,T1-53,530102,\nREG-44,regulator,广东监管,BRAND,44,phone\n\
        REG-33,regulator,浙江监管,BRAND,33,phone\nREG,regulator,总局,BRAND,,phone|tablet\n\
        REG-TV,regulator,家电监管,BRAND,,tv\nSHOP-MALL,platform,平台,BRAND,,\n";
    world.take(Kind::Parties, parties).await;
    let made = format!(
        "sn,gtin,produced_at,site_code,lot,imei1\n\
         CY000001,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},LOT1,490154203237518\n\
         HZ000001,{PHONE},2026-05-20T08:00:00+08:00,FAC-HZ,LOT2,\n"
    );
    world.take(Kind::Production, &made).await;
    let shipped = "shipment_no,from_code,to_code,happened_at,subject\n\
        S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,CY000001\n\
        S2,FAC-HZ,T1-53,2026-05-22T08:00:00+08:00,HZ000001\n";
    world.take(Kind::Shipments, shipped).await;
    assert_eq!(sns(1..2), ["CY000001"]);
}

/// The dossier as a party sees it; nothing when it is told that there is none.
async fn seen(world: &World, party: &str, sn: &str) -> Option<Value> {
    let desk = world.desk(party, "read,verify").await;
    let (status, dossier) = desk.get(&format!("/api/v1/units/{sn}")).await;
    assert!(matches!(status, 200 | 404), "{party} {sn}: {status} {dossier}");
    (status == 200).then_some(dossier)
}

fn kinds(dossier: &Value) -> Vec<&str> {
    let timeline = dossier["timeline"].as_array().expect("a timeline");
    timeline.iter().filter_map(|event| event["kind"].as_str()).collect()
}

fn nobody_is_named(dossier: &Value) {
    let timeline = dossier["timeline"].as_array().expect("a timeline");
    assert!(timeline.iter().all(|event| event["actor"].is_null()), "{dossier}");
    assert_eq!(dossier["findings"], serde_json::json!([]));
}

async fn a_factory_sees_how_its_own_units_were_made(world: &World) {
    goods(world).await;
    let own = seen(world, FACTORY, "CY000001").await.expect("its own");
    assert_eq!((own["lot"].as_str(), own["sn"].as_str()), (Some("LOT1"), Some("CY000001")));
    assert_eq!(own["identifiers"][0]["value"], "490154203237518");
    nobody_is_named(&own);
    // It sent the goods, so it sees to whom; what became of them there it does not.
    assert_eq!(kinds(&own), ["commissioned", "shipped"]);
    assert_eq!(seen(world, FACTORY, "HZ000001").await, None);
    let distributor = seen(world, "T1-53", "CY000001").await.expect("in its hands");
    assert!(distributor["lot"].is_null() && distributor["identifiers"] == serde_json::json!([]));
    // Which plant made it is not told down the channel.
    assert_eq!(own["timeline"][0]["party"], FACTORY);
    assert_eq!(distributor["timeline"][0]["kind"], "commissioned");
    assert_eq!(distributor["timeline"][0]["party"], Value::Null);
    assert_eq!(seen(world, "SHOP-MALL", "CY000001").await, None);
}

/// From when would be the day of the first start, which is no platform's affair.
async fn a_platform_is_told_until_when_a_guarantee_runs(world: &World) {
    goods(world).await;
    assert!(start(&world.house, "sn", "CY000001", "device-a").await);
    let own = world.desk("BRAND", "verify").await.get("/api/v1/verify/CY000001").await.1;
    let (day, ends_on) = (Value::from("2026-06-09"), own["warranty"]["ends_on"].clone());
    assert!(ends_on.is_string(), "{own}");
    for (party, starts_on) in [("SHOP-MALL", Value::Null), ("BRAND", day.clone()), ("T1-53", day)] {
        let desk = world.desk(party, "verify").await;
        let (status, told) = desk.get("/api/v1/verify/CY000001").await;
        assert_eq!((status, &told["verdict"]), (200, &Value::from("genuine")), "{told}");
        assert_eq!(told["warranty"]["starts_on"], starts_on, "{party}: {told}");
        assert_eq!(told["warranty"]["ends_on"], ends_on, "{party}: {told}");
        assert_eq!(told["state"]["activated_on"], starts_on, "{party}: {told}");
    }
}

async fn a_service_centre_sees_the_technical_history_of_what_it_holds(world: &World) {
    goods(world).await;
    assert_eq!(seen(world, "SVC", "CY000001").await, None, "it never had it");
    let brand = world.desk("BRAND", "all").await;
    let change = serde_json::json!({"change": "inspect", "inspection": "pass",
        "reason": "looked at again", "units": ["CY000001"]});
    assert_eq!(brand.post("/api/v1/units/changes", &change).await.0, 200);
    let sent = "shipment_no,from_code,to_code,happened_at,subject\n\
        S3,T1-53,SVC,2026-05-25T08:00:00+08:00,CY000001\n";
    world.take(Kind::Shipments, sent).await;
    let held = seen(world, "SVC", "CY000001").await.expect("in its hands");
    assert_eq!((held["lot"].as_str(), held["inspection"].as_str()), (Some("LOT1"), Some("pass")));
    assert_eq!(held["identifiers"][0]["value"], "490154203237518");
    assert_eq!(kinds(&held), ["commissioned", "shipped", "inspected"]);
    nobody_is_named(&held);
    // Handed back, it is a hand among others again.
    let back = "shipment_no,from_code,to_code,happened_at,subject\n\
        S4,SVC,T1-53,2026-05-28T08:00:00+08:00,CY000001\n";
    world.take(Kind::Shipments, back).await;
    let past = seen(world, "SVC", "CY000001").await.expect("it had it");
    assert!(past["lot"].is_null() && past["identifiers"] == serde_json::json!([]), "{past}");
}

async fn an_authority_sees_what_lies_in_its_region(world: &World) {
    goods(world).await;
    for (who, sn, expected) in [
        ("REG-44", "CY000001", true),
        ("REG-44", "HZ000001", false),
        ("REG-33", "HZ000001", true),
        ("REG-33", "CY000001", false),
        ("REG", "CY000001", true),
        ("REG", "HZ000001", true),
        ("REG-TV", "CY000001", false),
    ] {
        let dossier = seen(world, who, sn).await;
        assert_eq!(dossier.is_some(), expected, "{who} {sn}");
        let Some(dossier) = dossier else { continue };
        assert_eq!(kinds(&dossier), ["commissioned", "shipped"], "{who} {sn}");
        assert!(dossier["lot"].is_string(), "{who} {sn}");
        nobody_is_named(&dossier);
    }
    // Findings are the brand's; a proof would tell them.
    let authority = world.desk("REG", "read,verify").await;
    assert_eq!(authority.get("/api/v1/units/CY000001/proof").await.0, 404);
    let verified = authority.get("/api/v1/verify/CY000001").await.1;
    assert_eq!(verified["custody"]["hops"].as_array().map(Vec::len), Some(2), "{verified}");
}

/// The serial number is one of the identifiers: of a unit by itself, and of one in a pack.
async fn serial_numbers_are_for_those_who_see_identifiers(world: &World) {
    goods(world).await;
    let (pack, other) = (sscc(1), sscc(2));
    let rows = format!(
        "sn,gtin,produced_at,site_code\n\
         CY000002,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY}\n\
         HZ000002,{PHONE},2026-05-20T08:00:00+08:00,FAC-HZ\n"
    );
    world.take(Kind::Production, &rows).await;
    let at = "2026-05-21T08:00:00+08:00";
    let packs = format!("sscc,child,packed_at\n{pack},CY000002,{at}\n{other},HZ000002,{at}\n");
    world.take(Kind::Packs, &packs).await;
    let at = "2026-05-22T08:00:00+08:00";
    let shipped = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S5,FAC-SZ,T1-53,{at},{pack}\nS6,FAC-HZ,T1-53,{at},{other}\n"
    );
    world.take(Kind::Shipments, &shipped).await;
    for (party, named) in [("BRAND", true), (FACTORY, true), ("REG-44", true), ("T1-53", false)] {
        let dossier = seen(world, party, "CY000001").await.expect("within sight");
        let expected = if named { Value::from("CY000001") } else { Value::Null };
        assert_eq!(dossier["sn"], expected, "{party}: {dossier}");
    }
    for (party, sscc, named) in [
        ("BRAND", &pack, Some("CY000002")),
        (FACTORY, &pack, Some("CY000002")),
        ("T1-53", &pack, None),
        ("T1-53", &other, None),
    ] {
        let desk = world.desk(party, "read").await;
        let (status, shown) = desk.get(&format!("/api/v1/packs/{sscc}")).await;
        assert_eq!(status, 200, "{party} {shown}");
        let item = &shown["contents"]["items"][0];
        assert!(item["id"].is_string(), "{party} {item}");
        assert_eq!(item["sn"].as_str(), named, "{party} {item}");
    }
    // In the hands of a service centre it is told, and no longer afterwards.
    let sent = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S7,T1-53,SVC,2026-05-25T08:00:00+08:00,{pack}\n"
    );
    world.take(Kind::Shipments, &sent).await;
    let centre = world.desk("SVC", "read").await;
    let path = format!("/api/v1/packs/{pack}");
    let told = async || centre.get(&path).await.1["contents"]["items"][0]["sn"].clone();
    assert_eq!(told().await, "CY000002");
    let back = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S8,SVC,T1-53,2026-05-28T08:00:00+08:00,{pack}\n"
    );
    world.take(Kind::Shipments, &back).await;
    assert_eq!(told().await, Value::Null);
}

/// Units, packs, keys, people and batches, read by those who are neither the brand nor a hand of
/// the channel, each with every scope that reads; and by an auditor of the brand, who reads all.
async fn each_kind_of_party_reads_what_is_its_own(world: &World) {
    goods(world).await;
    let pack = sscc(1);
    world.make(&sns(3..4)).await;
    let packed = format!("sscc,child,packed_at\n{pack},CY000003,2026-05-21T08:00:00+08:00\n");
    world.take(Kind::Packs, &packed).await;
    let brand = world.desk("BRAND", "all,keys,people").await;
    let order = serde_json::json!({"gtin": PHONE, "count": 3});
    let (_, batch) = brand.post("/api/v1/batches", &order).await;
    let reading = "read,keys:read,people:read,codes:read,persons:read,audit";
    let codes = format!("/api/v1/batches/{}/codes", batch["id"]);
    let (unit, pack) = ("/api/v1/units/CY000001", format!("/api/v1/packs/{pack}"));
    let find = serde_json::json!({"phone": "13800138000", "reason": "a letter"});
    // Whether unit and pack are within sight.
    for (party, seen) in [
        ("BRAND", [true, true]),
        ("REG-44", [true, false]),
        ("REG-33", [false, false]),
        ("REG-TV", [false, false]),
        ("SHOP-MALL", [false, false]),
        ("SVC", [false, false]),
    ] {
        let desk = world.desk(party, reading).await;
        for (path, seen) in [unit, &pack].into_iter().zip(seen) {
            let status = desk.get(path).await.0;
            assert_eq!(status, if seen { 200 } else { 404 }, "{party} {path}");
        }
        let whole = party == "BRAND";
        // Lists hold a party's own: of keys the one it asks with.
        let keys = desk.get("/api/v1/keys").await.1;
        let named = keys["items"].as_array().into_iter().flatten();
        let parties: Vec<_> = named.filter_map(|key| key["party"].as_str()).collect();
        assert!(parties.contains(&party) && parties.iter().all(|of| *of == party), "{keys}");
        assert_eq!(desk.get("/api/v1/people").await, (200, page_of_nothing()), "{party}");
        let batches = desk.get("/api/v1/batches").await.1;
        assert_eq!(batches["items"].as_array().is_some_and(|b| !b.is_empty()), whole, "{party}");
        if whole {
            assert_eq!(desk.text(&codes).await.lines().count(), 4);
        } else {
            assert_eq!(desk.get(&codes).await.0, 404, "{party}");
        }
        let expected = if whole { (200, 404) } else { (403, 403) };
        let audit = desk.get("/api/v1/audit").await.0;
        let person = desk.post("/api/v1/persons/find", &find).await.0;
        assert_eq!((audit, person), expected, "{party}");
        // None of these scopes changes anything.
        for (path, body) in [
            ("/api/v1/keys", serde_json::json!({"party": party, "scopes": ["read"]})),
            ("/api/v1/invitations", serde_json::json!({"party": party, "role": "desk"})),
            ("/api/v1/batches", order.clone()),
        ] {
            assert_eq!(desk.post(path, &body).await.0, 403, "{party} {path}");
        }
    }
}

fn page_of_nothing() -> Value {
    serde_json::json!({"items": [], "next_cursor": null})
}
