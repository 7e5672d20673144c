//! Papers of a sale: who files them, what they are worth, and that none takes days from anybody.

use crate::common::{Desk, FACTORY, World, report, sns};
use crate::on_both;
use domain::life::Cause;
use dossier::flows::activate::{Activated, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::lifecycle::{Change, change};
use jiff::Timestamp;
use serde_json::{Value, json};

on_both! {
    an_invoice_starts_the_guarantee,
    a_paper_filed_late_takes_no_days,
    who_files_a_sale,
    a_new_life_knows_no_old_papers,
    the_brand_sells_its_own_goods_without_a_grant,
    what_no_seller_has_is_in_other_hands_for_all_others,
    what_is_not_on_the_market_nobody_sells,
}

const CHANGES: &str = "/api/v1/units/changes";

fn sold(sn: &str, on: &str, paper: &str) -> Value {
    json!({"change": "sell", "units": [sn], "sold_on": on, "paper": paper})
}

/// Start, end and basis of what the brand is told of a unit's guarantee.
async fn guarantee(world: &World, sn: &str) -> (String, String, String) {
    let desk = world.desk("BRAND", "all").await;
    let (status, told) = desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
    assert_eq!(status, 200, "{told}");
    let word = |name: &str| told["warranty"][name].as_str().unwrap_or_default().to_owned();
    (word("starts_on"), word("ends_on"), word("basis"))
}

async fn start(world: &World, sn: &str, at: &str) {
    let mut report = report("sn", sn, "device-a");
    report.happened_at = at.parse::<Timestamp>().expect("an instant").as_microsecond();
    let render = |_: &Activated| Answer::new(200, String::new());
    let caller = world.caller().await;
    activate(&world.house, Some(&caller), &report, None, &render).await.expect("never refused");
}

/// To T1-53, from there to T2-53, whose shop has no system of its own.
async fn ship(world: &World, sns: &[String]) {
    let head = "shipment_no,from_code,to_code,subject,happened_at\n";
    for (no, from, to, day) in [("P1", FACTORY, "T1-53", 21), ("P2", "T1-53", "T2-53", 22)] {
        let mut rows = head.to_owned();
        for sn in sns {
            rows.push_str(&format!("{no},{from},{to},{sn},2026-05-{day}T08:00:00+08:00\n"));
        }
        world.take(dossier::files::Kind::Shipments, &rows).await;
    }
}

async fn the_brand_sells_its_own_goods_without_a_grant(world: &World) {
    world.make(&sns(0..1)).await;
    let desk = world.desk("BRAND", "all").await;
    let may = async |party: &str| seller(&desk, "CY000000", party).await;
    assert_eq!((may("BRAND").await, may(FACTORY).await), ("other_hands".into(), "no_grant".into()));
    let row = format!("B1,{FACTORY},BRAND,CY000000,2026-05-21T08:00:00+08:00\n");
    let head = "shipment_no,from_code,to_code,subject,happened_at\n";
    world.take(dossier::files::Kind::Shipments, &format!("{head}{row}")).await;
    let told = ("authorised".to_owned(), "other_hands".to_owned());
    assert_eq!((may("BRAND").await, may(FACTORY).await), told);
    start(world, "CY000000", "2026-05-27T02:00:00Z").await;
    assert_eq!(may("BRAND").await, "already_activated");
}

/// What a party is told that asks whether it may sell what a text names.
async fn seller(desk: &Desk, text: &str, party: &str) -> String {
    let (status, told) = desk.get(&format!("/api/v1/verify/{text}?seller={party}")).await;
    assert_eq!(status, 200, "{told}");
    let seller = &told["seller"];
    assert_eq!(seller["authorised"], seller["answer"] == "authorised", "{told}");
    seller["answer"].as_str().unwrap_or_default().to_owned()
}

/// Every party stands below the brand, and no paper gave them what it has itself.
async fn what_no_seller_has_is_in_other_hands_for_all_others(world: &World) {
    let centre = "code,kind,name,parent_code,region\nSVC,service_centre,维修,T1-53,530102\n";
    world.take(dossier::files::Kind::Parties, centre).await;
    world.make(&sns(0..4)).await;
    let mut rows = "shipment_no,from_code,to_code,subject,happened_at\n".to_owned();
    for (no, from, to, sn, day) in [
        ("P1", FACTORY, "BRAND", "CY000001", 21),
        ("P2", FACTORY, "T1-53", "CY000002", 21),
        ("P2", FACTORY, "T1-53", "CY000003", 21),
        ("P3", "T1-53", "SVC", "CY000003", 22),
    ] {
        rows.push_str(&format!("{no},{from},{to},{sn},2026-05-{day}T08:00:00+08:00\n"));
    }
    world.take(dossier::files::Kind::Shipments, &rows).await;
    let desk = world.desk("BRAND", "all").await;
    let (yes, no, other) = ("authorised", "no_grant", "other_hands");
    let parties = ["BRAND", FACTORY, "T1-53", "T2-53", "SHOP-53", "T1-42", "SVC"];
    for (sn, answers) in [
        // With the factory, the brand, a seller, a service centre.
        ("CY000000", [other, no, other, other, other, other, other]),
        ("CY000001", [yes, other, other, other, other, other, other]),
        ("CY000002", [other, other, yes, yes, yes, other, no]),
        ("CY000003", [other, other, other, other, other, other, no]),
    ] {
        for (party, answer) in parties.iter().zip(answers) {
            assert_eq!(seller(&desk, sn, party).await, answer, "{sn} {party}");
        }
    }
}

async fn what_is_not_on_the_market_nobody_sells(world: &World) {
    world.make(&sns(0..3)).await;
    ship(world, &sns(0..3)).await;
    let desk = world.desk("BRAND", "all").await;
    for (change, sn) in
        [("recall", "CY000000"), ("report_stolen", "CY000001"), ("decommission", "CY000002")]
    {
        assert_eq!(seller(&desk, sn, "T2-53").await, "authorised");
        let body = json!({"change": change, "units": [sn], "reason": "as told"});
        let (status, done) = desk.post(CHANGES, &body).await;
        assert_eq!(status, 200, "{done}");
        for party in ["T2-53", "BRAND", "T1-42"] {
            assert_eq!(seller(&desk, sn, party).await, "not_saleable", "{change} {party}");
        }
    }
    // Nor what nobody knows, or nobody made.
    let order = json!({"gtin": crate::common::PHONE, "count": 1});
    let (status, batch) = desk.post("/api/v1/batches", &order).await;
    assert!(matches!(status, 200 | 201), "{batch}");
    let codes = desk.text(&format!("/api/v1/batches/{}/codes", batch["id"])).await;
    let code = codes.lines().nth(1).and_then(|line| line.split(',').next()).expect("a code");
    for text in ["NOSUCH1", code] {
        assert_eq!(seller(&desk, text, "T2-53").await, "not_saleable", "{text}");
    }
}

async fn an_invoice_starts_the_guarantee(world: &World) {
    world.make(&sns(0..2)).await;
    ship(world, &sns(0..2)).await;
    let basis = guarantee(world, "CY000000").await.2;
    assert_eq!(basis, "ex_factory_plus_90");
    let desk = world.desk("T2-53", "lifecycle,read").await;
    let (status, done) = desk.post(CHANGES, &sold("CY000000", "2026-05-23", "invoice")).await;
    assert_eq!((status, &done["count"]), (200, &json!(1)), "{done}");
    let (starts, ends, basis) = guarantee(world, "CY000000").await;
    // 2027-05-23 is a Sunday.
    assert_eq!((&*starts, &*ends, &*basis), ("2026-05-23", "2027-05-24", "invoice"));
    // It was delivered later; the later day counts. And it is started later still: nothing moves.
    desk.post(CHANGES, &sold("CY000000", "2026-05-25", "delivery")).await;
    assert_eq!(guarantee(world, "CY000000").await.2, "sale");
    start(world, "CY000000", "2026-05-27T02:00:00Z").await;
    let (starts, _, basis) = guarantee(world, "CY000000").await;
    assert_eq!((&*starts, &*basis), ("2026-05-25", "sale"));
    // The other unit is untouched, and who sold is told to who sold it.
    assert_eq!(guarantee(world, "CY000001").await.2, "ex_factory_plus_90");
    let (_, unit) = desk.get("/api/v1/units/CY000000").await;
    let timeline = unit["timeline"].as_array().expect("events").clone();
    let told: Vec<_> = timeline.iter().filter(|event| event["kind"] == "sold").collect();
    assert_eq!(told.len(), 2, "{unit}");
    let first = json!({"counts": true, "paper": "invoice", "sold_on": "2026-05-23"});
    assert_eq!(told[0]["detail"], first);
    world.agrees().await;
}

async fn a_paper_filed_late_takes_no_days(world: &World) {
    world.make(&sns(0..1)).await;
    ship(world, &sns(0..1)).await;
    start(world, "CY000000", "2026-05-27T02:00:00Z").await;
    let before = guarantee(world, "CY000000").await;
    assert_eq!(before.2, "activation");
    let desk = world.desk("BRAND", "all").await;
    let (status, _) = desk.post(CHANGES, &sold("CY000000", "2026-05-23", "invoice")).await;
    assert_eq!(status, 200);
    assert_eq!(guarantee(world, "CY000000").await, before);
    let (_, unit) = desk.get("/api/v1/units/CY000000").await;
    let timeline = unit["timeline"].as_array().expect("events").clone();
    let told = timeline.iter().find(|event| event["kind"] == "sold").expect("it is kept");
    assert_eq!(told["detail"]["counts"], json!(false));
    // A display piece, sold after its first start: the brand saw the paper.
    let (status, _) = desk.post(CHANGES, &sold("CY000000", "2026-06-01", "invoice")).await;
    assert_eq!(status, 200);
    let (starts, _, basis) = guarantee(world, "CY000000").await;
    assert_eq!((&*starts, &*basis), ("2026-06-01", "invoice"));
    world.agrees().await;
}

async fn who_files_a_sale(world: &World) {
    world.make(&sns(0..3)).await;
    ship(world, &sns(0..2)).await;
    start(world, "CY000001", "2026-05-27T02:00:00Z").await;
    let on = "2026-05-26";
    let table = [
        ("T1-42", sold("CY000000", on, "invoice"), Some(("not_allowed", "units"))),
        (FACTORY, sold("CY000000", on, "invoice"), Some(("not_allowed", "units"))),
        // What was never shipped is in nobody's shop.
        ("SHOP-53", sold("CY000002", on, "invoice"), Some(("not_allowed", "units"))),
        ("SHOP-53", sold("CY000001", "2026-05-28", "invoice"), Some(("not_allowed", "sold_on"))),
        (
            "SHOP-53",
            sold("CY000000", "2026-05-19", "invoice"),
            Some(("before_production", "sold_on")),
        ),
        ("SHOP-53", sold("CY000000", "2099-01-01", "invoice"), Some(("invalid_field", "sold_on"))),
        ("SHOP-53", sold("CY000000", "yesterday", "invoice"), Some(("invalid_field", "sold_on"))),
        ("SHOP-53", sold("CY000000", on, "word of mouth"), Some(("invalid_field", "paper"))),
        (
            "SHOP-53",
            json!({"change": "sell", "units": ["CY000000"], "sold_on": on,
            "paper": "invoice", "reason": "张三"}),
            Some(("invalid_field", "reason")),
        ),
        (
            "BRAND",
            json!({"change": "recall", "units": ["CY000000"], "sold_on": on,
            "reason": "x"}),
            Some(("invalid_field", "sold_on")),
        ),
        ("SHOP-53", sold("CY000000", on, "invoice"), None),
        ("T1-53", sold("CY000000", on, "delivery"), None),
    ];
    for (who, body, refused) in table {
        let (status, told) = world.desk(who, "all").await.post(CHANGES, &body).await;
        let words = (told["code"].as_str(), told["field"].as_str());
        match refused {
            Some((code, field)) => assert_eq!(words, (Some(code), Some(field)), "{who} {told}"),
            None => assert_eq!(status, 200, "{who} {told}"),
        }
    }
    world.agrees().await;
}

async fn a_new_life_knows_no_old_papers(world: &World) {
    world.make(&sns(0..1)).await;
    let desk = world.desk("BRAND", "all").await;
    for paper in ["invoice", "delivery"] {
        desk.post(CHANGES, &sold("CY000000", "2026-05-23", paper)).await;
    }
    start(world, "CY000000", "2026-05-24T02:00:00Z").await;
    assert_eq!(guarantee(world, "CY000000").await.2, "invoice");
    let number = world.unit("CY000000").await;
    let back = Change::OpenLife(Cause::Return, "sent back".to_owned());
    let at: Timestamp = "2026-05-25T00:00:00Z".parse().expect("an instant");
    let caller = world.caller().await;
    change(&world.house, &caller, &[number], &back, at).await.expect("a new life");
    // Nor does the day it left the factory for its first buyer say anything of this guarantee.
    assert_eq!(guarantee(world, "CY000000").await.2, "no_start");
    // The first buyer's paper, filed late, is none of the second buyer's.
    let (status, _) = desk.post(CHANGES, &sold("CY000000", "2026-05-23", "invoice")).await;
    assert_eq!(status, 200);
    assert_eq!(guarantee(world, "CY000000").await.2, "no_start");
    desk.post(CHANGES, &sold("CY000000", "2026-05-26", "invoice")).await;
    let (starts, _, basis) = guarantee(world, "CY000000").await;
    assert_eq!((&*starts, &*basis), ("2026-05-26", "invoice"));
    world.agrees().await;
}
