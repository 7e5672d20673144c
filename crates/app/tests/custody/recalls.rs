//! Recalls on both engines: what one selects is told as recalled at once, whatever it selects and
//! whenever it was made, until it is remedied or the recall is withdrawn.

use crate::common::{Desk, FACTORY, PHONE, World, sns, start};
use crate::on_both;
use domain::refusal::Refusal;
use dossier::api::{ServeOptions, router};
use dossier::files::Kind;
use dossier::flows::lifecycle::{Change, change};
use dossier::flows::recalls::{self, Chosen, Words};
use dossier::flows::{FlowError, House};
use serde_json::{Value, json};
use tower::ServiceExt;

on_both! {
    a_lot_reads_recalled_at_once_and_so_do_units_made_later,
    every_selector_selects_what_it_names,
    figures_follow_the_goods,
    closing_keeps_the_warning_and_withdrawing_ends_it,
    only_the_brand_recalls,
    a_start_under_recall_is_found_and_shipping_stops,
    a_start_reported_late_is_judged_by_the_recalls_of_its_day,
    a_paper_that_comes_late_is_held_up_by_recalls_that_still_stand,
    the_page_tells_what_the_owner_should_do,
    two_at_once_neither_clash_nor_count_twice,
    bad_recalls_are_refused_and_leave_nothing,
}

fn words() -> Words {
    Words {
        title: ("电池召回".into(), "Battery recall".into()),
        reason: ("电池可能过热".into(), "The battery may overheat".into()),
        action: ("停止使用并联系服务网点".into(), "Stop using it and call us".into()),
        link: Some("https://example.com/recall".into()),
    }
}

fn body(selector: Value) -> Value {
    json!({"title_zh": "电池召回", "title_en": "Battery recall", "reason_zh": "电池可能过热",
        "action_zh": "停止使用", "link": "https://example.com/recall", "selector": selector})
}

fn lot(lot: &str) -> Value {
    json!({"lot": lot, "gtin": PHONE})
}

async fn verdict(desk: &Desk, sn: &str) -> String {
    let (status, reply) = desk.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
    assert_eq!(status, 200, "{reply}");
    let told = reply["verdict"].as_str().unwrap_or_default().to_owned();
    assert!(reply["recall"].is_null() || told == "recalled", "{reply}");
    told
}

/// Rows of production: serial number, lot, parts, when.
async fn make(world: &World, rows: &[(&str, &str, &str, &str)]) {
    let mut text = "sn,gtin,produced_at,site_code,lot,inspection,parts\n".to_owned();
    for (sn, lot, parts, at) in rows {
        text += &format!("{sn},{PHONE},{at},{FACTORY},{lot},pass,{parts}\n");
    }
    world.take(Kind::Production, &text).await;
}

async fn opened(desk: &Desk, selector: Value) -> i64 {
    let (status, reply) = desk.post("/api/v1/recalls", &body(selector)).await;
    assert_eq!(status, 200, "{reply}");
    reply["id"].as_i64().expect("a number")
}

async fn a_lot_reads_recalled_at_once_and_so_do_units_made_later(world: &World) {
    const AT: &str = "2026-05-20T08:00:00+08:00";
    make(world, &[("A1", "L1", "", AT), ("A2", "L1", "", AT), ("B1", "L2", "", AT)]).await;
    let brand = world.desk("BRAND", "all").await;
    assert_eq!(verdict(&brand, "A1").await, "not_activated");
    let id = opened(&brand, lot("L1")).await;
    assert_eq!(opened(&brand, lot("L1")).await, id, "the same one is not opened twice");
    make(world, &[("A3", "L1", "", AT)]).await;
    for (sn, expected) in
        [("A1", "recalled"), ("A2", "recalled"), ("A3", "recalled"), ("B1", "not_activated")]
    {
        assert_eq!(verdict(&brand, sn).await, expected, "{sn}");
    }
    let (_, reply) = brand.get("/api/v1/verify/A3").await;
    let recall = &reply["recall"];
    assert_eq!((&recall["id"], &recall["title_en"]), (&json!(id), &json!("Battery recall")));
    // Another process sees it as well.
    let other = world.another().await;
    let reference = other.reference_now().await.expect("it reads");
    let unit = other.store.unit_fetch(world.unit("A1").await).await.expect("it reads");
    let standing = recalls::standing(&other, &reference, &unit.expect("it is")).await;
    assert_eq!(standing.expect("it reads").map(|r| r.row.id), Some(id));
    let path = format!("/api/v1/recalls/{id}/remedied");
    let (_, done) = brand.post(&path, &json!({"units": ["A1", "A1"], "note": "换电池"})).await;
    assert_eq!(done["count"], 1, "{done}");
    let (_, done) = brand.post(&path, &json!({"units": ["A1"], "note": "换电池"})).await;
    assert_eq!(done["count"], 0, "{done}");
    assert_eq!(verdict(&brand, "A1").await, "not_activated");
    assert_eq!(verdict(&brand, "A2").await, "recalled");
    let (_, dossier) = brand.get("/api/v1/units/A1?scheme=sn").await;
    let kinds = dossier["timeline"].as_array().into_iter().flatten();
    assert!(kinds.clone().any(|e| e["kind"] == "recall_remedied"), "{dossier}");
    // Per unit, recalling and lifting go on as before.
    for (change, expected) in [("recall", "recalled"), ("lift_recall", "not_activated")] {
        let asked = json!({"change": change, "units": ["B1"], "reason": "x"});
        let (status, _) = brand.post("/api/v1/units/changes", &asked).await;
        assert_eq!((status, verdict(&brand, "B1").await.as_str()), (200, expected));
    }
    let (_, trail) = brand.get("/api/v1/audit?kind=recall").await;
    assert_eq!(trail["items"].as_array().map(Vec::len), Some(1), "{trail}");
    assert_eq!(trail["items"][0]["verb"], "opened", "{trail}");
    world.agrees().await;
}

async fn every_selector_selects_what_it_names(world: &World) {
    make(
        world,
        &[
            ("A000010", "L1", "BAT-7001", "2026-05-20T08:00:00+08:00"),
            ("A000011", "L1", "BAT-7002|CAM-1", "2026-05-20T09:00:00+08:00"),
            ("A000012", "L1", "BAT-8001", "2026-05-20T10:00:00+08:00"),
            ("B000010", "L2", "", "2026-05-20T09:00:00+08:00"),
        ],
    )
    .await;
    let brand = world.desk("BRAND", "all").await;
    let number = world.unit("A000010").await;
    let reference = world.house.reference().await.expect("it reads");
    let batch = reference.batch_of(number).expect("it has one").id;
    let ranged = |first: &str, last: &str| {
        let (gtin, lot) = (PHONE, "L1");
        json!({"lot": lot, "gtin": gtin, "sn_first": first, "sn_last": last})
    };
    let made = json!({"lot": "L1", "gtin": PHONE, "produced_from": "2026-05-20T09:00:00+08:00",
        "produced_to": "2026-05-20T10:00:00+08:00"});
    for (selector, kind, expected) in [
        (json!({"batch": batch}), "batch", vec!["A000010", "A000011", "A000012", "B000010"]),
        (lot("L1"), "lot", vec!["A000010", "A000011", "A000012"]),
        (ranged("a000011", "A000019"), "part_of_lot", vec!["A000011", "A000012"]),
        (made, "part_of_lot", vec!["A000011", "A000012"]),
        (json!({"units": ["B000010", "A000010"]}), "units", vec!["A000010", "B000010"]),
        (json!({"parts": ["bat-7002", "BAT-9999"]}), "parts", vec!["A000011"]),
        (json!({"part_prefix": "BAT-7"}), "part_lot", vec!["A000010", "A000011"]),
    ] {
        let id = opened(&brand, selector.clone()).await;
        let (_, shown) = brand.get(&format!("/api/v1/recalls/{id}")).await;
        assert_eq!(shown["kind"], kind, "{shown}");
        assert_eq!(shown["figures"]["selected_count"], expected.len(), "{selector}");
        assert_eq!(shown["figures"]["complete"], true);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/recalls/{id}/units?limit=1{cursor}");
            let (_, page) = brand.get(&path).await;
            for item in page["items"].as_array().into_iter().flatten() {
                seen.push(item["sn"].as_str().unwrap_or_default().to_owned());
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{selector}");
        for sn in ["A000010", "A000011", "A000012", "B000010"] {
            let told = verdict(&brand, sn).await == "recalled";
            assert_eq!(told, expected.contains(&sn), "{selector} {sn}");
        }
        let path = format!("/api/v1/recalls/{id}/close");
        let (status, _) = brand.post(&path, &json!({"note": "x", "withdrawn": true})).await;
        assert_eq!(status, 200);
    }
    // A part that is taken out takes the recall with it, to where it goes.
    opened(&brand, json!({"part_prefix": "BAT-7"})).await;
    for (sn, onto) in [("A000010", false), ("B000010", true)] {
        let moved = json!({"scheme": "part", "value": "BAT-7001", "onto": onto, "reason": "x"});
        let path = format!("/api/v1/units/{sn}/identifiers");
        assert_eq!(brand.post(&path, &moved).await.0, 200);
    }
    assert_eq!(verdict(&brand, "A000010").await, "not_activated");
    assert_eq!(verdict(&brand, "B000010").await, "recalled");
    world.agrees().await;
}

async fn ship(world: &World, no: &str, from: &str, to: &str, subjects: &[String]) {
    let mut text = "shipment_no,from_code,to_code,happened_at,subject\n".to_owned();
    for subject in subjects {
        text += &format!("{no},{from},{to},2026-05-2{no}T08:00:00+08:00,{subject}\n");
    }
    world.take(Kind::Shipments, &text).await;
}

async fn figures_follow_the_goods(world: &World) {
    world.make(&sns(0..8)).await;
    ship(world, "1", FACTORY, "T1-53", &sns(1..8)).await;
    ship(world, "2", "T1-53", "T2-53", &sns(2..8)).await;
    ship(world, "3", "T2-53", "SHOP-53", &sns(3..8)).await;
    assert!(start(&world.house, "sn", "CY000004", "a").await);
    let brand = world.desk("BRAND", "all").await;
    let id = opened(&brand, lot("LOT1")).await;
    let caller = world.caller().await;
    let retire = Change::Decommission("x".to_owned());
    let now = world.clock.now();
    let five = [world.unit("CY000005").await];
    change(&world.house, &caller, &five, &retire, now).await.expect("it is retired");
    let back = json!({"rows": [{"shipment_no": "R1", "from_code": "SHOP-53", "to_code": "T2-53",
        "happened_at": "2026-06-10T10:00:00+08:00", "subject": "CY000006"}]});
    let (status, reply) = brand.post("/api/v1/returns", &back).await;
    assert_eq!(status, 200, "{reply}");
    let path = format!("/api/v1/recalls/{id}/remedied");
    let (_, done) = brand.post(&path, &json!({"units": ["CY000007"], "note": "x"})).await;
    assert_eq!(done["count"], 1);
    let (_, shown) = brand.get(&format!("/api/v1/recalls/{id}")).await;
    let figures = &shown["figures"];
    for (field, expected) in [
        ("selected", 8),
        ("factory", 1),
        ("tier1", 1),
        ("tier2", 1),
        ("shop", 1),
        ("activated", 1),
        ("retired", 1),
        ("returned", 1),
        ("remedied", 1),
        ("elsewhere", 0),
    ] {
        assert_eq!(figures[format!("{field}_count")], expected, "{field}: {figures}");
    }
    assert_eq!(figures["rate_percent"], 25.0);
    world.agrees().await;
}

async fn closing_keeps_the_warning_and_withdrawing_ends_it(world: &World) {
    world.make(&sns(0..2)).await;
    let brand = world.desk("BRAND", "all").await;
    let id = opened(&brand, lot("LOT1")).await;
    let close = |id: i64| format!("/api/v1/recalls/{id}/close");
    // What is noted stays for ever: it points to nobody, and reads as it is.
    for note in ["", "回电 13712344321", "a\u{202e}b"] {
        let units = json!({"units": ["CY000000"], "note": note});
        let remedied = format!("/api/v1/recalls/{id}/remedied");
        for (path, asked) in [(remedied, units), (close(id), json!({"note": note}))] {
            let (status, refused) = brand.post(&path, &asked).await;
            assert_eq!((status, &refused["field"]), (400, &json!("note")), "{refused}");
        }
    }
    let (_, closed) = brand.post(&close(id), &json!({"note": "done"})).await;
    assert_eq!((&closed["state"], &closed["closing"]), (&json!("closed"), &json!("done")));
    assert_eq!(verdict(&brand, "CY000000").await, "recalled", "no unit is safer for it");
    let remedied = format!("/api/v1/recalls/{id}/remedied");
    let (_, done) = brand.post(&remedied, &json!({"units": ["CY000000"], "note": "late"})).await;
    assert_eq!(done["count"], 1);
    assert_eq!(verdict(&brand, "CY000000").await, "not_activated");
    let (status, refused) = brand.post(&close(id), &json!({"note": "again"})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("recall_over")));
    let mistake = opened(&brand, json!({"units": ["CY000000"]})).await;
    assert_eq!(verdict(&brand, "CY000000").await, "recalled");
    let (_, gone) = brand.post(&close(mistake), &json!({"note": "x", "withdrawn": true})).await;
    assert_eq!(gone["state"], "withdrawn");
    assert_eq!(verdict(&brand, "CY000000").await, "not_activated");
    let remedied = format!("/api/v1/recalls/{mistake}/remedied");
    let (status, _) = brand.post(&remedied, &json!({"units": ["CY000000"], "note": "x"})).await;
    assert_eq!(status, 409);
    let (_, trail) = brand.get("/api/v1/audit?kind=recall").await;
    let verbs = trail["items"].as_array().into_iter().flatten().map(|r| r["verb"].clone());
    assert_eq!(verbs.collect::<Vec<_>>(), ["closed", "opened", "closed", "opened"]);
}

async fn only_the_brand_recalls(world: &World) {
    world.make(&sns(0..1)).await;
    let brand = world.desk("BRAND", "all").await;
    let id = opened(&brand, lot("LOT1")).await;
    let tier1 = world.desk("T1-53", "all").await;
    let one = json!({"units": ["CY000000"], "note": "x"});
    for (path, asked) in [
        ("/api/v1/recalls".to_owned(), body(lot("LOT1"))),
        (format!("/api/v1/recalls/{id}/remedied"), one),
        (format!("/api/v1/recalls/{id}/close"), json!({"note": "x"})),
    ] {
        let (status, refused) = tier1.post(&path, &asked).await;
        assert_eq!((status, &refused["code"]), (403, &json!("not_allowed")), "{path}");
    }
    for path in [
        "/api/v1/recalls".to_owned(),
        format!("/api/v1/recalls/{id}"),
        format!("/api/v1/recalls/{id}/units"),
    ] {
        assert_eq!(tier1.get(&path).await.0, 403, "{path}");
    }
    let reader = world.desk("BRAND", "read").await;
    assert_eq!(reader.post("/api/v1/recalls", &body(lot("LOT1"))).await.0, 403);
    assert_eq!(reader.get("/api/v1/recalls").await.1["items"][0]["id"], id);
}

async fn a_start_under_recall_is_found_and_shipping_stops(world: &World) {
    world.make(&sns(0..3)).await;
    let brand = world.desk("BRAND", "all").await;
    let before = jiff::Timestamp::from_second(world.clock.now().as_second() - 86_400 * 5);
    let now = world.clock.now();
    world.clock.set(before.expect("an instant"));
    opened(&brand, json!({"units": ["CY000001"]})).await;
    world.clock.set(now);
    for sn in ["CY000000", "CY000001"] {
        assert!(start(&world.house, "sn", sn, "a").await, "a device is never locked");
        let findings = world.house.store.findings_fetch(world.unit(sn).await).await;
        let findings = findings.expect("it reads");
        let found = findings.iter().any(|f| f.kind == "recalled");
        assert_eq!(found, sn == "CY000001", "{findings:?}");
    }
    opened(&brand, json!({"units": ["CY000002"]})).await;
    let away = json!({"rows": [{"shipment_no": "S1", "from_code": FACTORY, "to_code": "T1-53",
        "happened_at": "2026-06-10T10:05:00+08:00", "subject": "CY000002"}]});
    let (_, reply) = brand.post("/api/v1/shipments", &away).await;
    assert!(reply.to_string().contains("recalled"), "{reply}");
    // It had left before: where it is must be known.
    let before = json!({"rows": [{"shipment_no": "S1", "from_code": FACTORY, "to_code": "T1-53",
        "happened_at": "2026-06-10T09:00:00+08:00", "subject": "CY000002"}]});
    let (_, reply) = brand.post("/api/v1/shipments", &before).await;
    assert_eq!(reply["results"][0]["outcome"], "taken", "{reply}");
}

async fn a_start_reported_late_is_judged_by_the_recalls_of_its_day(world: &World) {
    const AT: &str = "2026-05-20T08:00:00+08:00";
    let of_l1 = ["A1", "A2", "A3", "A4"].map(|sn| (sn, "L1", "", AT));
    make(world, &of_l1).await;
    make(world, &[("B1", "L2", "", AT)]).await;
    let brand = world.desk("BRAND", "all").await;
    let today = world.clock.now();
    let on = |day: &str| {
        let at = format!("2026-06-{day}T00:00:00Z").parse::<jiff::Timestamp>();
        world.clock.set(at.expect("an instant"));
    };
    // Opened on the 1st, remedied of two on the 8th; the devices tell of it on the 10th.
    on("01");
    let id = opened(&brand, lot("L1")).await;
    let mistake = opened(&brand, lot("L2")).await;
    on("08");
    let units = json!({"units": ["A1", "A2"], "note": "x"});
    let (status, done) = brand.post(&format!("/api/v1/recalls/{id}/remedied"), &units).await;
    assert_eq!((status, &done["count"]), (200, &json!(2)), "{done}");
    // What was a mistake says nothing of any day.
    let path = format!("/api/v1/recalls/{mistake}/close");
    assert_eq!(brand.post(&path, &json!({"note": "x", "withdrawn": true})).await.0, 200);
    world.clock.set(today);
    for (sn, at, expected) in [
        ("A1", "2026-06-05T00:00:00Z", 1),
        ("A2", "2026-06-09T00:00:00Z", 0),
        ("A3", "2026-06-09T00:00:00Z", 1),
        ("A4", "2026-05-31T00:00:00Z", 0),
        ("B1", "2026-06-05T00:00:00Z", 0),
    ] {
        let body = json!({"identifier": {"scheme": "sn", "value": sn}, "happened_at": at});
        let (status, reply) = brand.post("/api/v1/activations", &body).await;
        assert_eq!(status, 201, "{reply}");
        let found = reply["findings"].as_array().into_iter().flatten();
        let recalled = found.filter(|finding| finding["kind"] == "recalled").count();
        assert_eq!(recalled, expected, "{sn}: {reply}");
    }
    world.agrees().await;
}

async fn a_paper_that_comes_late_is_held_up_by_recalls_that_still_stand(world: &World) {
    const AT: &str = "2026-05-20T08:00:00+08:00";
    make(world, &["A1", "A2", "A3", "A4", "A5"].map(|sn| (sn, "L1", "", AT))).await;
    make(world, &[("B1", "L2", "", AT)]).await;
    let brand = world.desk("BRAND", "all").await;
    let today = world.clock.now();
    let on = |day: &str| {
        let at = format!("2026-06-{day}T00:00:00Z").parse::<jiff::Timestamp>();
        world.clock.set(at.expect("an instant"));
    };
    // Opened on the 1st, remedied of three on the 8th; the papers come on the 10th.
    on("01");
    let id = opened(&brand, lot("L1")).await;
    let mistake = opened(&brand, lot("L2")).await;
    on("08");
    let units = json!({"units": ["A1", "A2", "A3"], "note": "x"});
    let (status, done) = brand.post(&format!("/api/v1/recalls/{id}/remedied"), &units).await;
    assert_eq!((status, &done["count"]), (200, &json!(3)), "{done}");
    let path = format!("/api/v1/recalls/{mistake}/close");
    assert_eq!(brand.post(&path, &json!({"note": "x", "withdrawn": true})).await.0, 200);
    world.clock.set(today);
    for (sn, at, refused) in [
        ("A1", "2026-06-05T08:00:00+08:00", Value::Null),
        ("A2", "2026-06-09T08:00:00+08:00", Value::Null),
        ("A3", "2026-05-31T08:00:00+08:00", Value::Null),
        ("A4", "2026-06-09T08:00:00+08:00", json!("under_recall")),
        ("A5", "2026-05-31T08:00:00+08:00", Value::Null),
        ("B1", "2026-06-05T08:00:00+08:00", Value::Null),
    ] {
        let row = json!({"shipment_no": format!("S-{sn}"), "from_code": FACTORY,
            "to_code": "T1-53", "happened_at": at, "subject": sn});
        let (status, reply) = brand.post("/api/v1/shipments", &json!({"rows": [row]})).await;
        assert_eq!(status, if refused.is_null() { 200 } else { 409 }, "{reply}");
        let told = &reply["results"][0]["problems"][0]["code"];
        assert_eq!(*told, refused, "{sn}: {reply}");
    }
    world.agrees().await;
}

async fn the_page_tells_what_the_owner_should_do(world: &World) {
    world.make(&sns(0..1)).await;
    let caller = world.caller().await;
    let chosen = Chosen::Units(sns(0..1));
    recalls::open(&world.house, &caller, &words(), &chosen).await.expect("it opens");
    let number = world.unit("CY000000").await;
    let number = domain::code::UnitNumber::new(number as u64).expect("a number");
    let code = world.house.ring().encode(number);
    let extra = Some(dossier::pages::routes());
    let app =
        router(std::sync::Arc::clone(&world.house), ServeOptions { extra, ..Default::default() });
    for (lang, told) in [
        ("zh", ["电池召回", "电池可能过热", "停止使用并联系服务网点"]),
        ("en", ["Battery recall", "The battery may overheat", "Stop using it and call us"]),
    ] {
        let path = format!("/d/{}?lang={lang}", code.as_str());
        let request = axum::http::Request::get(path).body(axum::body::Body::empty());
        let response = app.clone().oneshot(request.expect("a request")).await.expect("an answer");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes);
        for words in told {
            assert!(text.contains(words), "{lang} {words}: {text}");
        }
        assert!(text.contains("https://example.com/recall"), "{text}");
    }
}

async fn two_at_once_neither_clash_nor_count_twice(world: &World) {
    world.make(&sns(0..6)).await;
    let other = world.another().await;
    let caller = world.caller().await;
    let open = |house: std::sync::Arc<House>, sn: &'static str| {
        let caller = caller.clone();
        async move {
            let chosen = Chosen::Units(vec![sn.to_owned()]);
            recalls::open(&house, &caller, &words(), &chosen).await.expect("it opens").row.id
        }
    };
    let here = std::sync::Arc::clone(&world.house);
    let (a, b) = tokio::join!(
        open(std::sync::Arc::clone(&here), "CY000000"),
        open(std::sync::Arc::clone(&other), "CY000001")
    );
    assert_ne!(a, b);
    let chosen = Chosen::Lot {
        gtin: PHONE.to_owned(),
        lot: "LOT1".to_owned(),
        serials: None,
        from_at: None,
        to_at: None,
    };
    let recall = recalls::open(&here, &caller, &words(), &chosen).await.expect("it opens");
    let id = recall.row.id;
    let remedy = |house: std::sync::Arc<House>, names: Vec<String>| {
        let caller = caller.clone();
        async move { recalls::remedy(&house, &caller, id, &names, "x").await.expect("it is done") }
    };
    let (a, b) = tokio::join!(
        remedy(std::sync::Arc::clone(&here), sns(0..4)),
        remedy(std::sync::Arc::clone(&other), sns(2..6))
    );
    assert_eq!(a + b, 6, "each is new once");
    world.agrees().await;
}

async fn bad_recalls_are_refused_and_leave_nothing(world: &World) {
    world.make(&sns(0..1)).await;
    let brand = world.desk("BRAND", "all").await;
    let gtin = PHONE;
    let times = json!({"lot": "L1", "gtin": gtin, "produced_from": "2026-05-21T08:00:00+08:00",
        "produced_to": "2026-05-20T08:00:00+08:00"});
    let (unknown, wrong) = ("6929141700096", "6929141700097");
    for (selector, status, field) in [
        (json!({}), 400, ""),
        (json!({"batch": 1, "part_prefix": "BAT-1"}), 400, ""),
        (json!({"batch": 999}), 404, ".batch"),
        (json!({"lot": "L1"}), 400, ".gtin"),
        (json!({"lot": "L1", "gtin": unknown}), 404, ".gtin"),
        (json!({"lot": "L1", "gtin": wrong}), 400, ".gtin"),
        (json!({"lot": "", "gtin": gtin}), 400, ".lot"),
        (json!({"gtin": gtin, "units": ["CY000000"]}), 400, ""),
        (json!({"lot": "L1", "gtin": gtin, "sn_first": "A10", "sn_last": "A9"}), 400, ".sn_last"),
        (json!({"lot": "L1", "gtin": gtin, "sn_first": "A20", "sn_last": "A10"}), 400, ".sn_last"),
        (json!({"lot": "L1", "gtin": gtin, "sn_first": "A20"}), 400, ".sn_last"),
        (json!({"lot": "L1", "gtin": gtin, "sn_first": "=1", "sn_last": "A2"}), 400, ".sn_first"),
        (times, 400, ".produced_to"),
        (json!({"units": ["NOBODY"]}), 404, ".units"),
        (json!({"part_prefix": "BAT"}), 400, ".part_prefix"),
        (json!({"part_prefix": "=BAT1"}), 400, ".part_prefix"),
        (json!({"parts": ["=1"]}), 400, ".parts"),
        (json!({"parts": ["x".repeat(300)]}), 400, ".parts"),
    ] {
        let (found, reply) = brand.post("/api/v1/recalls", &body(selector.clone())).await;
        assert_eq!(found, status, "{selector}: {reply}");
        assert_eq!(reply["field"], format!("selector{field}"), "{selector}: {reply}");
    }
    let mut bad = body(lot("LOT1"));
    bad["link"] = json!("javascript:alert(1)");
    assert_eq!(brand.post("/api/v1/recalls", &bad).await.1["field"], "link");
    assert_eq!(brand.get("/api/v1/recalls").await.1["items"], json!([]));
    let id = opened(&brand, lot("OTHER")).await;
    let caller = world.caller().await;
    let outside = recalls::remedy(&world.house, &caller, id, &sns(0..1), "x").await;
    let outside = outside.expect_err("it is not selected");
    let expected = Refusal::OutsideRecall;
    assert!(matches!(&outside, FlowError::Refused(r) if r.refusal == expected), "{outside:?}");
    assert_eq!(brand.get("/api/v1/recalls/77").await.1["code"], "unknown_recall");
}
