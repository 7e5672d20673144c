//! Bodies that say what nobody asked for, or say it in another type: refused, and the field named.

mod support;

use axum::http::StatusCode;
use serde_json::{Value, json};
use support::{GTIN, house};

#[tokio::test]
async fn members_that_are_none_of_ours_are_named() {
    let world = house().await;
    let all = world.client("all").await;
    let start = json!({"identifier": {"scheme": "sn", "value": "SN0001"},
        "happened_at": "2026-06-01T09:00:00+08:00",
        "signals": {"gps": {"lat": 31.2, "lon": 121.5}}});
    let batch = json!({"gtin": GTIN, "count": 3});
    let verify = json!({"items": [{"value": "SN0001"}]});
    for (path, body, place, field) in [
        ("batches", &batch, "", "purpose_of"),
        ("verify", &verify, "", "sellers"),
        ("verify", &verify, "/items/0", "items[0].kind"),
    ] {
        let mut body = body.clone();
        let name = field.rsplit('.').next().expect("a name");
        let inner = body.pointer_mut(place).and_then(Value::as_object_mut).expect("an object");
        inner.insert(name.to_owned(), json!(1));
        let refused = all.post(&format!("/api/v1/{path}"), &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], field, "{}", refused.text);
    }
    let mut missing = start.clone();
    missing["identifier"].as_object_mut().expect("an object").remove("value");
    let refused = all.post("/api/v1/activations", &missing).await;
    assert_eq!(refused.json["field"], "identifier.value", "{}", refused.text);
    // Firmware outlives interfaces: what it says beyond them is passed over, at any depth.
    let mut newer = start.clone();
    newer["key"] = "k-1".into();
    newer["signals"]["gps"]["altitude_m"] = 4.into();
    all.post("/api/v1/activations", &newer).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn types_are_kept_in_bodies_and_rows() {
    let world = house().await;
    let all = world.client("all").await;
    for (path, body, field) in [
        ("units/changes", json!({"change": 5, "units": [], "reason": "x"}), "change"),
        ("units/changes", json!({"change": "recall", "units": [5], "reason": "x"}), "units[0]"),
        ("receipts", json!({"party_code": "T1", "subjects": "SN0001"}), "subjects"),
        ("batches", json!({"gtin": GTIN, "count": "3"}), "count"),
        ("shipments", json!({"rows": [5]}), "rows[0]"),
    ] {
        let refused = all.post(&format!("/api/v1/{path}"), &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], field, "{}", refused.text);
    }
    let row = |name: &str, value: Value| {
        let mut row = json!({"sn": "NEW1", "gtin": GTIN, "site_code": "FAC",
            "produced_at": "2026-05-01T08:00:00+08:00"});
        row[name] = value;
        row
    };
    for (name, value) in [
        ("sn", json!(5)),
        ("sn", json!(true)),
        ("imei1", json!(860837783533742_u64)),
        ("mac", json!([5])),
        ("colour", json!("red")),
    ] {
        let rows = json!({"rows": [row(name, value.clone())]});
        let refused = all.post("/api/v1/units/commission", &rows).await;
        refused.expect(StatusCode::BAD_REQUEST);
        let problem = &refused.json["results"][0]["problems"][0];
        assert_eq!(problem["field"], name, "{}", refused.text);
        assert_eq!(problem["code"], "invalid_field", "{}", refused.text);
        let line = row(name, value).to_string();
        let media = "application/x-ndjson";
        let answer = all.send("POST", "/api/v1/import/production", media, &line).await;
        answer.expect(StatusCode::OK);
        let first: Value =
            serde_json::from_str(answer.text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(first["outcome"], "refused", "{}", answer.text);
        assert_eq!(first["problems"][0]["field"], name, "{}", answer.text);
    }
}
