//! What is told of a unit, and of what is wrong with a row: its own times, both units that a text
//! names, whose receipt is presumed, which column is meant.

use crate::common::{Desk, FACTORY, PHONE, World, sns, sscc};
use crate::on_both;
use domain::identifier::Scheme;
use dossier::bundle::Bundle;
use dossier::files::Kind;
use dossier::flows::verify::{self, Reading};
use serde_json::{Value, json};

on_both! {
    a_unit_made_in_bulk_tells_its_own_time,
    a_text_that_names_two_units_by_identifiers_is_answered_with_both,
    a_unit_bears_two_imeis,
    a_refusal_names_the_column,
    a_receipt_is_presumed_of_who_shipped_on,
    a_pallet_that_came_carton_by_carton_is_not_missing,
    what_nothing_can_be_called_is_unknown_also_among_many,
    a_unit_is_named_by_no_scheme_of_packs,
    a_refusal_names_the_part_of_the_path_as_its_route_does,
}

const IMEI: &str = "860837783533742";
const OTHERS: [&str; 4] =
    ["490154203237518", "860571624154356", "867631145659565", "352099001761481"];

fn row(sn: &str, more: Value) -> Value {
    let mut row = json!({"sn": sn, "gtin": PHONE, "site_code": FACTORY,
        "produced_at": "2026-05-20T08:00:00+08:00"});
    let more = more.as_object().cloned().expect("members");
    row.as_object_mut().expect("members").extend(more);
    row
}

async fn what_nothing_can_be_called_is_unknown_also_among_many(world: &World) {
    world.make(&sns(0..1)).await;
    let desk = world.desk("BRAND", "verify").await;
    let verify = "/api/v1/verify";
    let items = |odd: &str| json!({"items": [{"value": "CY000000"}, {"value": odd}]});
    for (odd, path) in
        [("CY\u{0}0000", "CY%000000"), ("CY000000\nx", "CY000000%0Ax"), ("\u{7f}", "%7F")]
    {
        let (status, told) = desk.post(verify, &items(odd)).await;
        assert_eq!(status, 200, "{odd:?}: {told}");
        assert_eq!(told["results"][0]["verdict"], "not_activated", "{told}");
        assert_eq!(told["results"][1]["verdict"], "unknown", "{told}");
        let alone = desk.get(&format!("{verify}/{path}")).await;
        assert_eq!(alone, (200, told["results"][1].clone()), "{odd:?}");
    }
    let (status, refused) = desk.post(verify, &items(&"A".repeat(129))).await;
    assert_eq!((status, &refused["field"]), (400, &json!("items[1].value")), "{refused}");
}

async fn a_unit_is_named_by_no_scheme_of_packs(world: &World) {
    world.make(&sns(0..1)).await;
    let desk = world.desk("BRAND", "all").await;
    let list = "must be sn, imei, meid, eid, mac, part or code";
    for scheme in ["sscc", "serial"] {
        let named = json!({"scheme": scheme, "value": sscc(1)});
        let started = json!({"identifier": &named, "happened_at": "2026-06-01T09:00:00+08:00"});
        let (pack, items) = (sscc(1), json!({"items": [&named]}));
        for ((status, refused), field) in [
            (desk.get(&format!("/api/v1/verify/{pack}?scheme={scheme}")).await, "scheme"),
            (desk.get(&format!("/api/v1/units/{pack}?scheme={scheme}")).await, "scheme"),
            (desk.post("/api/v1/verify", &items).await, "items[0].scheme"),
            (desk.post("/api/v1/activations", &started).await, "identifier.scheme"),
        ] {
            assert_eq!((status, &refused["field"]), (400, &json!(field)), "{refused}");
            assert_eq!(refused["detail"], list, "{refused}");
        }
        let moved = json!({"scheme": scheme, "value": sscc(1), "onto": true, "reason": "why"});
        let (_, refused) = desk.post("/api/v1/units/CY000000/identifiers", &moved).await;
        let detail = refused["detail"].as_str().unwrap_or_default();
        assert!(detail.starts_with("must be sn, imei, meid, eid, mac or part;"), "{refused}");
    }
}

async fn a_refusal_names_the_part_of_the_path_as_its_route_does(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    let proof = json!({"kind": "scratch", "value": "123456"});
    let long = "A".repeat(129);
    for (id, status) in [("NOSUCH1", 404), (long.as_str(), 400)] {
        let told = desk.post(&format!("/api/v1/verify/{id}/proof"), &proof).await;
        assert_eq!((told.0, &told.1["field"]), (status, &json!("code")), "{}", told.1);
        let told = desk.get(&format!("/api/v1/units/{id}")).await;
        assert_eq!((told.0, &told.1["field"]), (status, &json!("id")), "{}", told.1);
    }
}

/// Commissions rows; what is wrong, row by row.
async fn commission(desk: &Desk, rows: &[Value]) -> Value {
    let (_, reply) = desk.post("/api/v1/units/commission", &json!({"rows": rows})).await;
    reply["results"].clone()
}

async fn make(desk: &Desk, rows: &[Value]) {
    for result in commission(desk, rows).await.as_array().expect("results") {
        assert_eq!(result["outcome"], "taken", "{result}");
    }
}

async fn a_unit_made_in_bulk_tells_its_own_time(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    let early = json!({"produced_at": "2026-05-18T08:00:00+08:00"});
    make(&desk, &[row("CY1", early), row("CY2", json!({}))]).await;
    for (sn, at) in [("CY1", "2026-05-18T08:00:00+08:00"), ("CY2", "2026-05-20T08:00:00+08:00")] {
        let (status, dossier) = desk.get(&format!("/api/v1/units/{sn}")).await;
        assert_eq!((status, &dossier["produced_at"]), (200, &json!(at)), "{dossier}");
        let told = &dossier["timeline"][0];
        assert_eq!((&told["kind"], &told["happened_at"]), (&json!("commissioned"), &json!(at)));
    }
    // So does its proof.
    dossier::flows::log::seal(&world.house).await.expect("it seals");
    for (sn, at) in [("CY1", "2026-05-18T00:00:00Z"), ("CY2", "2026-05-20T00:00:00Z")] {
        let (status, bundle) = desk.get(&format!("/api/v1/units/{sn}/proof")).await;
        assert_eq!(status, 200, "{bundle}");
        let bundle = Bundle::read(bundle.to_string().as_bytes()).expect("a bundle");
        let at: jiff::Timestamp = at.parse().expect("an instant");
        let told = bundle.check(None).expect("it holds").events[0].clone();
        assert_eq!(told, ("commissioned".to_owned(), at.as_microsecond()));
    }
    world.agrees().await;
}

async fn a_text_that_names_two_units_by_identifiers_is_answered_with_both(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    make(&desk, &[row("CY1", json!({"imei1": IMEI})), row(IMEI, json!({}))]).await;
    let named = |choices: &Value| {
        let one = |i: usize| (choices[i]["scheme"].clone(), choices[i]["state"]["sn"].clone());
        assert_eq!(one(0), (json!("imei"), json!("CY1")), "{choices}");
        assert_eq!(one(1), (json!("sn"), json!(IMEI)), "{choices}");
    };
    let (status, both) = desk.get(&format!("/api/v1/verify/{IMEI}")).await;
    assert_eq!(status, 300);
    named(&both["choices"]);
    let items = json!({"items": [{"value": IMEI}]});
    named(&desk.post("/api/v1/verify", &items).await.1["results"][0]["choices"]);
    for (scheme, sn) in [("imei", "CY1"), ("sn", IMEI)] {
        let (status, one) = desk.get(&format!("/api/v1/verify/{IMEI}?scheme={scheme}")).await;
        assert_eq!((status, &one["state"]["sn"]), (200, &json!(sn)));
    }
    let (status, which) = desk.get(&format!("/api/v1/units/{IMEI}")).await;
    assert_eq!((status, &which["field"]), (400, &json!("scheme")));
    // Without a brand no serial number is tried.
    let (of_imei, of_sn) = (world.unit("CY1").await, world.unit(IMEI).await);
    let brand = Some(world.caller().await.brand);
    let mut reference = world.house.reference_now().await.expect("it reads");
    for (brand, expected) in [
        (None, Reading::Number(of_imei, domain::verdict::CodeReading::Issued)),
        (brand, Reading::Ambiguous((Scheme::Imei, of_imei), (Scheme::Sn, of_sn))),
    ] {
        let read = verify::read(&world.house, &mut reference, brand, IMEI, None).await;
        assert_eq!(read.expect("it reads"), expected);
    }
    // A unit that bears its IMEI as its serial number is one.
    make(&desk, &[row(OTHERS[0], json!({"imei1": OTHERS[0]}))]).await;
    let (status, one) = desk.get(&format!("/api/v1/verify/{}", OTHERS[0])).await;
    assert_eq!((status, &one["state"]["sn"]), (200, &json!(OTHERS[0])));
}

async fn a_unit_bears_two_imeis(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    make(&desk, &[row("CY1", json!({"imei1": IMEI, "parts": "P1"}))]).await;
    let moved = async |value: &str, onto: bool| {
        let body = json!({"scheme": "imei", "value": value, "onto": onto, "reason": "mainboard"});
        let (status, reply) = desk.post("/api/v1/units/CY1/identifiers", &body).await;
        (status, reply["code"].as_str().unwrap_or_default().to_owned(), reply["field"].clone())
    };
    assert_eq!(moved(OTHERS[0], true).await.0, 200);
    let full = (409, "identifiers_full".to_owned(), json!("value"));
    assert_eq!(moved(OTHERS[1], true).await, full);
    // What it bears already is done; another unit's is not, and is told first.
    assert_eq!(moved(IMEI, true).await.0, 200);
    make(&desk, &[row("CY2", json!({"imei1": OTHERS[2]}))]).await;
    let taken = (409, "identifier_taken".to_owned(), json!("value"));
    assert_eq!(moved(OTHERS[2], true).await, taken);
    // Of a part there may be any number, and the old IMEI makes room for the new.
    let part = json!({"scheme": "part", "value": "P2", "onto": true, "reason": "battery"});
    assert_eq!(desk.post("/api/v1/units/CY1/identifiers", &part).await.0, 200);
    assert_eq!(moved(IMEI, false).await.0, 200);
    assert_eq!(moved(OTHERS[1], true).await.0, 200);
    assert_eq!(moved(OTHERS[3], true).await, full);
    world.agrees().await;
}

async fn a_refusal_names_the_column(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    let (first, second) = (json!({"imei1": IMEI, "parts": "P1"}), json!({"imei2": OTHERS[0]}));
    make(&desk, &[row("CY1", first), row("CY2", second)]).await;
    let wrong = json!({"imei1": OTHERS[0], "imei2": IMEI, "parts": "P0|P1"});
    let results = commission(&desk, &[row("CY3", wrong)]).await;
    let problems = results[0]["problems"].as_array().expect("problems").clone();
    let told: Vec<_> = problems.iter().map(|p| (p["field"].clone(), p["code"].clone())).collect();
    let taken = |field: &str| (json!(field), json!("identifier_taken"));
    assert_eq!(told, [taken("imei1"), taken("imei2"), taken("parts")]);

    let (status, none) = desk.post("/api/v1/shipments/NOPE/void", &json!({})).await;
    assert_eq!((status, &none["code"]), (404, &json!("unknown_shipment")), "{none}");
    assert!(none["detail"].as_str().is_some_and(|d| d.contains("no shipment has this number")));
}

async fn a_receipt_is_presumed_of_who_shipped_on(world: &World) {
    world.make(&sns(0..1)).await;
    let desk = world.desk("BRAND", "all").await;
    let head = "shipment_no,from_code,to_code,happened_at,subject\n";
    let sent = format!(
        "{head}S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,CY000000\n\
         S2,T1-53,T2-53,2026-05-23T08:00:00+08:00,CY000000\n"
    );
    world.take(Kind::Shipments, &sent).await;
    let hops = async || {
        let (_, reply) = desk.get("/api/v1/verify/CY000000").await;
        let hop = |hop: &Value| {
            let flag = |name: &str| hop[name].as_bool().expect("a flag");
            let party = hop["party"].as_str().expect("a party").to_owned();
            (party, flag("in_transit"), flag("presumed"))
        };
        let hops = reply["custody"]["hops"].as_array().expect("hops").clone();
        hops.iter().map(hop).collect::<Vec<_>>()
    };
    let hop = |party: &str, in_transit, presumed| (party.to_owned(), in_transit, presumed);
    let first = [hop("FAC-SZ", false, false), hop("T1-53", false, true)];
    assert_eq!(hops().await, [&first[..], &[hop("T2-53", true, false)]].concat());
    let receipt = json!({"party_code": "T2-53", "subjects": ["CY000000"],
        "happened_at": "2026-05-24T08:00:00+08:00"});
    let (status, reply) = desk.post("/api/v1/receipts", &receipt).await;
    assert_eq!(status, 200, "{reply}");
    let arrived = hop("T2-53", false, false);
    assert_eq!(hops().await, [&first[..], &[arrived.clone(), arrived]].concat());
}

async fn a_pallet_that_came_carton_by_carton_is_not_missing(world: &World) {
    world.make(&sns(0..4)).await;
    let desk = world.desk("BRAND", "all").await;
    let (one, two, pallet) = (sscc(1), sscc(2), sscc(3));
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for (pack, child) in [
        (&one, "CY000000"),
        (&one, "CY000001"),
        (&two, "CY000002"),
        (&two, "CY000003"),
        (&pallet, one.as_str()),
        (&pallet, two.as_str()),
    ] {
        packs.push_str(&format!("{pack},{child},2026-05-21T09:00:00+08:00\n"));
    }
    world.take(Kind::Packs, &packs).await;
    let head = "shipment_no,from_code,to_code,happened_at,subject\n";
    let sent = format!("{head}S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{pallet}\n");
    world.take(Kind::Shipments, &sent).await;
    let receive = async |subjects: &[&str], no: &str| {
        let body = json!({"party_code": "T1-53", "subjects": subjects, "shipment_no": no,
            "happened_at": "2026-05-24T08:00:00+08:00"});
        let (status, reply) = desk.post("/api/v1/receipts", &body).await;
        assert_eq!((status, &reply["unexpected"]), (200, &json!([])), "{reply}");
        reply["missing"].clone()
    };
    // The first carton whole, of the second each unit by itself.
    assert_eq!(receive(&[&one, "CY000002", "CY000003"], "S1").await, json!([]));
    let (_, told) = desk.get(&format!("/api/v1/packs/{pallet}")).await;
    let timeline = told["timeline"].as_array().expect("events").clone();
    assert!(timeline.iter().all(|event| event["kind"] != "receipt_differed"), "{timeline:?}");

    // One that did not come is missing with what is around it.
    world.make(&sns(4..6)).await;
    let (three, last) = (sscc(4), sscc(5));
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for (pack, child) in [(&three, "CY000004"), (&three, "CY000005"), (&last, three.as_str())] {
        packs.push_str(&format!("{pack},{child},2026-05-21T09:00:00+08:00\n"));
    }
    world.take(Kind::Packs, &packs).await;
    let sent = format!("{head}S2,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{last}\n");
    world.take(Kind::Shipments, &sent).await;
    assert_eq!(receive(&["CY000004"], "S2").await, json!([last]));
    world.agrees().await;
}
