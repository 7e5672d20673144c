//! Receiving against a paper, taking papers back, and what visitors report.

use crate::support::{House, house};
use axum::http::StatusCode;
use dossier::flows::import::operator;
use dossier::flows::lifecycle::report_suspicion;
use serde_json::{Value, json};

async fn shipped(world: &House, subjects: &[&str]) {
    let row = |subject: &&str| {
        json!({"shipment_no": "P1", "from_code": "FAC", "to_code": "T1", "subject": subject,
            "happened_at": "2026-05-03T08:00:00+08:00"})
    };
    let rows: Vec<_> = subjects.iter().map(row).collect();
    let all = world.client("all").await;
    let done = all.post("/api/v1/shipments", &json!({"rows": rows})).await;
    assert_eq!(done.json["refused"], 0, "{}", done.text);
}

fn receipt(subjects: &[&str], at: &str) -> Value {
    json!({"party_code": "T1", "subjects": subjects, "shipment_no": "P1", "happened_at": at})
}

#[tokio::test]
async fn a_receipt_tells_what_is_missing_and_what_no_paper_names() {
    let world = house().await;
    shipped(&world, &["SN0002", "SN0003"]).await;
    let all = world.client("all").await;
    // SN0001 was shipped under another paper; SN0003 did not come.
    let body = receipt(&["SN0001", "SN0002", "NOSUCH"], "2026-05-04T08:00:00+08:00");
    let done = all.post("/api/v1/receipts", &body).await;
    done.expect(StatusCode::OK);
    let outcomes: Vec<_> = (0..3).map(|i| done.json["results"][i]["outcome"].clone()).collect();
    assert_eq!(outcomes, ["taken", "taken", "refused"]);
    assert_eq!(done.json["unexpected"], json!(["SN0001", "NOSUCH"]));
    let lost = all.get("/api/v1/units/SN0003").await;
    assert_eq!(done.json["missing"], json!([lost.json["code"]]));
    // Receiver and sender find it in its story.
    for party in ["BRAND", "FAC", "T1"] {
        let reader = world.key(party, "read").await;
        let story = reader.get("/api/v1/units/SN0003").await;
        let timeline = story.json["timeline"].as_array().expect("events").clone();
        let told = timeline.iter().find(|e| e["kind"] == "receipt_differed").expect(party);
        assert_eq!(told["party"], "T1");
        assert_eq!(told["detail"], json!({"from": "FAC", "missing": true, "shipment_no": "P1"}));
    }
    // The same again: all refused, and nothing is told twice.
    let again = receipt(&["SN0002"], "2026-05-04T09:00:00+08:00");
    let again = all.post("/api/v1/receipts", &again).await;
    again.expect(StatusCode::CONFLICT);
    assert_eq!(again.json["results"][0]["problem"]["code"], "already_received");
    assert_eq!(again.json["missing"].as_array().map(Vec::len), Some(1));
    let late = receipt(&["SN0003"], "2026-05-05T08:00:00+08:00");
    let late = all.post("/api/v1/receipts", &late).await;
    late.expect(StatusCode::OK);
    assert_eq!((&late.json["missing"], &late.json["unexpected"]), (&json!([]), &json!([])));
    let story = all.get("/api/v1/units/SN0003").await;
    let timeline = story.json["timeline"].as_array().expect("events").clone();
    assert_eq!(timeline.iter().filter(|e| e["kind"] == "receipt_differed").count(), 1);
    let mut other = receipt(&["SN0003"], "2026-05-05T08:00:00+08:00");
    other["shipment_no"] = "NOPAPER".into();
    let other = all.post("/api/v1/receipts", &other).await;
    other.refused(StatusCode::NOT_FOUND, "unknown_shipment");
}

/// What is noted stays for ever: it points to nobody, and reads as it is.
#[tokio::test]
async fn a_note_holds_no_telephone_and_no_hidden_marks() {
    let world = house().await;
    shipped(&world, &["SN0002"]).await;
    let all = world.client("all").await;
    let noting = |note: &str| {
        let mut body = receipt(&["SN0002"], "2026-05-04T08:00:00+08:00");
        body["note"] = note.into();
        body
    };
    let long = "x".repeat(1_001);
    for note in ["call 13712344321", "11010519491231002X", "a\u{202e}b", "a\u{200e}b", &long] {
        let refused = all.post("/api/v1/receipts", &noting(note)).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], "note", "{}", refused.text);
    }
    all.post("/api/v1/receipts", &noting(" 外箱破损 ")).await.expect(StatusCode::OK);
    let story = all.get("/api/v1/units/SN0002").await;
    assert!(story.text.contains("\"外箱破损\""), "{}", story.text);
}

#[tokio::test]
async fn a_receipt_names_whose_paper_it_is_checked_against() {
    let world = house().await;
    shipped(&world, &["SN0002"]).await;
    let all = world.client("all").await;
    let row = |(from, to): (&str, &str), on: u32| {
        json!({"rows": [{"shipment_no": "P1", "from_code": from, "to_code": to,
            "subject": "SN0002", "happened_at": format!("2026-05-{on:02}T08:00:00+08:00")}]})
    };
    for (way, on) in [(("T1", "T2A"), 4), (("T2A", "T1"), 5)] {
        let done = all.post("/api/v1/shipments", &row(way, on)).await;
        assert_eq!(done.json["refused"], 0, "{}", done.text);
    }
    let mut body = receipt(&["SN0002"], "2026-05-06T08:00:00+08:00");
    let unsaid = all.post("/api/v1/receipts", &body).await;
    unsaid.refused(StatusCode::BAD_REQUEST, "invalid_field");
    assert_eq!(unsaid.json["field"], "from");
    assert!(unsaid.text.contains("FAC, T2A"), "{}", unsaid.text);
    body["from"] = "T2A".into();
    let said = all.post("/api/v1/receipts", &body).await;
    said.expect(StatusCode::OK);
    assert_eq!((&said.json["missing"], &said.json["unexpected"]), (&json!([]), &json!([])));
    body["shipment_no"] = Value::Null;
    let alone = all.post("/api/v1/receipts", &body).await;
    alone.refused(StatusCode::BAD_REQUEST, "invalid_field");
}

#[tokio::test]
async fn a_pack_is_on_the_paper_with_what_is_in_it() {
    let world = house().await;
    let all = world.client("all").await;
    let row = |child: &str| {
        json!({"sscc": "106901234500000010", "child": child,
            "packed_at": "2026-05-02T09:00:00+08:00"})
    };
    let packed = json!({"rows": [row("SN0002"), row("SN0003")]});
    let packed = all.post("/api/v1/packs", &packed).await;
    assert_eq!(packed.json["refused"], 0, "{}", packed.text);
    shipped(&world, &["106901234500000010"]).await;
    let done =
        all.post("/api/v1/receipts", &receipt(&["SN0002"], "2026-05-04T08:00:00+08:00")).await;
    done.expect(StatusCode::OK);
    assert_eq!(done.json["unexpected"], json!([]), "{}", done.text);
    assert_eq!(done.json["missing"], json!(["106901234500000010"]), "the rest of it");
    let story = all.get("/api/v1/units/SN0003").await;
    let timeline = story.json["timeline"].as_array().expect("events").clone();
    assert!(timeline.iter().any(|e| e["kind"] == "receipt_differed"), "{timeline:?}");
}

#[tokio::test]
async fn a_paper_taken_back_twice_is_taken_back_once() {
    let world = house().await;
    shipped(&world, &["SN0002", "SN0003"]).await;
    let all = world.client("all").await;
    for count in [2, 0] {
        let done = all.post("/api/v1/shipments/P1/void", &json!({})).await;
        done.expect(StatusCode::OK);
        assert_eq!(done.json["count"], count);
    }
    let never = all.post("/api/v1/shipments/NOPAPER/void", &json!({})).await;
    never.refused(StatusCode::NOT_FOUND, "unknown_shipment");
    assert!(!never.text.contains("commission"), "{}", never.text);
}

#[tokio::test]
async fn the_brand_reads_what_visitors_report() {
    let world = house().await;
    let brand = operator(&world.house, None).await.expect("the brand").brand;
    let mut codes = Vec::new();
    let reader = world.client("read").await;
    for sn in ["SN0001", "SN0002", "SN0003"] {
        let found = world.house.store.identifier_fetch("sn", brand.0, sn).await.expect("it reads");
        let unit = found.expect("a unit");
        let words = format!("{sn}: odd seal, call 13800138000");
        report_suspicion(&world.house, unit, brand, &words).await.expect("it is kept");
        codes.push(reader.get(&format!("/api/v1/units/{sn}")).await.json["code"].clone());
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/reports?limit=2".to_owned();
    loop {
        let page = reader.get(&path).await;
        page.expect(StatusCode::OK);
        seen.extend(page.json["items"].as_array().expect("rows").clone());
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        path = format!("/api/v1/reports?limit=2&cursor={next}");
    }
    assert_eq!(seen.len(), 3);
    // They came at one instant, and are told by unit.
    assert_eq!(seen.iter().map(|r| r["code"].clone()).collect::<Vec<_>>(), codes);
    assert_eq!(seen[0]["text"], "SN0001: odd seal, call *******8000");
    assert!(seen[0]["reference"].as_str().is_some_and(|r| r.starts_with("R-")));
    // Findings are listed apart, and a distributor reads neither.
    let alerts = reader.get("/api/v1/alerts").await;
    assert_eq!(alerts.json["items"], json!([]));
    let seller = world.key("T1", "read").await.get("/api/v1/reports").await;
    seller.refused(StatusCode::FORBIDDEN, "not_allowed");
}

#[tokio::test]
async fn what_was_done_is_told_in_the_offset_of_whoever_told_it() {
    let world = house().await;
    shipped(&world, &["SN0002", "SN0003"]).await;
    let all = world.client("all").await;
    let day = |day: u32| format!("2026-05-{day:02}T01:30:00+01:00");
    all.post("/api/v1/receipts", &receipt(&["SN0002"], &day(4))).await.expect(StatusCode::OK);
    let stolen = json!({"change": "report_stolen", "units": ["SN0002"], "reason": "from the lorry",
        "happened_at": day(5)});
    all.post("/api/v1/units/changes", &stolen).await.expect(StatusCode::OK);
    let back = json!({"happened_at": day(6)});
    all.post("/api/v1/shipments/S1/void", &back).await.expect(StatusCode::OK);
    let packed = json!({"rows": [{"sscc": "106901234500000010", "child": "SN0001",
        "packed_at": day(7)}]});
    assert_eq!(all.post("/api/v1/packs", &packed).await.json["refused"], 0);
    let open = json!({"sscc": "106901234500000010", "happened_at": day(8)});
    all.post("/api/v1/packs/unpack", &open).await.expect(StatusCode::OK);
    let tales = [
        ("SN0002", "received", 4),
        ("SN0003", "receipt_differed", 4),
        ("SN0002", "stolen_reported", 5),
        ("SN0001", "shipment_voided", 6),
        ("SN0001", "packed", 7),
        ("SN0001", "unpacked", 8),
    ];
    for (sn, kind, on) in tales {
        let story = all.get(&format!("/api/v1/units/{sn}")).await;
        let timeline = story.json["timeline"].as_array().expect("events").clone();
        let told = timeline.iter().find(|event| event["kind"] == kind).expect(kind);
        assert_eq!(told["happened_at"], json!(day(on)), "{kind}");
    }
}
