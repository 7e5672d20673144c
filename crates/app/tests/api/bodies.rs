//! Bodies that say what nobody asked for, or say it in another type: refused, and the field named.

use crate::support::{GTIN, House, house};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use dossier::api::{ServeOptions, router};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

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

#[tokio::test]
async fn an_object_is_not_written_as_a_list_of_its_values() {
    let world = house().await;
    let all = world.client("all").await;
    let change = json!(["recall", ["SN0001"], "by place", null, null, null, null, null]);
    let start = json!([{"scheme": "sn", "value": "SN0001"}, "2026-06-01T09:00:00+08:00", null, {}]);
    let inner = json!({"identifier": ["sn", "SN0001"],
        "happened_at": "2026-06-01T09:00:00+08:00"});
    let place = json!({"identifier": {"scheme": "sn", "value": "SN0001"},
        "happened_at": "2026-06-01T09:00:00+08:00", "signals": {"gps": [31.2, 121.5, 5.0, true]}});
    for (path, body, field) in [
        ("units/changes", change, "body"),
        ("activations", start, "body"),
        ("activations", inner, "identifier"),
        ("activations", place, "signals.gps"),
        ("verify", json!({"items": [["SN0001", null, null]]}), "items[0]"),
        ("receipts", json!(["T1", ["SN0001"]]), "body"),
        ("units/commission", json!({"rows": [["NEW1"]]}), "rows[0]"),
    ] {
        let refused = all.post(&format!("/api/v1/{path}"), &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], field, "{}", refused.text);
        assert_eq!(refused.json["detail"], "must be an object", "{}", refused.text);
    }
    let unit = all.get("/api/v1/units/SN0001").await;
    assert!(!unit.text.contains("by place"), "{}", unit.text);
}

#[tokio::test]
async fn an_attestation_is_an_object() {
    let world = house().await;
    let all = world.client("all").await;
    let start = |said: Value| {
        json!({"identifier": {"scheme": "sn", "value": "SN0001"}, "signals": {"attestation": said},
            "happened_at": "2026-06-01T09:00:00+08:00", "device_fingerprint": "fp"})
    };
    for said in [json!(5), json!("x"), json!([1]), json!(true)] {
        let refused = all.post("/api/v1/activations", &start(said)).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], "signals.attestation", "{}", refused.text);
        assert_eq!(refused.json["detail"], "must be an object", "{}", refused.text);
    }
    let taken = all.post("/api/v1/activations", &start(json!({"token": [1]}))).await;
    taken.expect(StatusCode::CREATED);
    all.post("/api/v1/activations", &start(Value::Null)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_change_is_told_before_what_it_lacks() {
    let world = house().await;
    let all = world.client("all").await;
    for (body, field) in [
        (json!({"change": "vanish", "units": ["SN0001"]}), "change"),
        (json!({"change": "", "units": ["SN0001"], "inspection": "odd"}), "change"),
        (json!({"change": "vanish", "units": ["SN0001"], "reason": "x", "cause": "y"}), "change"),
        (json!({"change": "recall", "units": ["SN0001"]}), "reason"),
    ] {
        let refused = all.post("/api/v1/units/changes", &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], field, "{body}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_party_is_named_by_what_can_be_a_code() {
    let world = house().await;
    let brand = world.client("all,people").await;
    let (long, longer) = ("T".repeat(65), "甲".repeat(70_000));
    for (path, rest) in [
        ("keys", json!({"scopes": ["read"]})),
        ("webhooks", json!({"url": "https://hooks.example.com/"})),
        ("invitations", json!({"role": "desk"})),
    ] {
        let ask = async |party: &str| {
            let mut body = rest.clone();
            body["party"] = party.into();
            brand.post(&format!("/api/v1/{path}"), &body).await
        };
        for party in [&*longer, &*long, "", "=T1", "T 1", "T1\u{202e}"] {
            let refused = ask(party).await;
            refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
            assert_eq!(refused.json["field"], "party", "{path}: {}", refused.text);
            assert!(refused.text.len() < 1_000, "{path} says it all again");
        }
        ask("T9").await.refused(StatusCode::NOT_FOUND, "unknown_party");
        ask("T1").await.expect(StatusCode::CREATED);
    }
}

#[tokio::test]
async fn what_a_value_must_be_is_said_in_words() {
    let world = house().await;
    let all = world.client("all").await;
    for (path, body, detail) in [
        ("batches", json!({"gtin": GTIN, "count": "3"}), "must be a whole number"),
        ("batches", json!({"gtin": GTIN, "count": 1.5}), "must be a whole number"),
        ("batches", json!({"gtin": 5, "count": 3}), "must be a text"),
        ("batches", json!({"gtin": GTIN, "count": 3, "scratch": 1}), "must be true or false"),
        ("receipts", json!({"party_code": "T1", "subjects": "SN0001"}), "must be a list"),
    ] {
        let refused = all.post(&format!("/api/v1/{path}"), &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["detail"], detail, "{}", refused.text);
    }
}

#[tokio::test]
async fn parts_of_an_address_are_named_and_said_in_words() {
    let world = house().await;
    let all = world.client("all").await;
    world.codes(3).await;
    for (path, field) in [
        ("parties?limit=-1", "limit"),
        ("parties?limit=abc", "limit"),
        ("parties?limit=", "limit"),
        ("parties?limit=1&limit=2", "limit"),
        ("parties?colour=red", "colour"),
        ("parties?cursor=a-1", "cursor"),
        ("territories?cursor=a-5", "cursor"),
        ("batches/abc/codes", "id"),
        ("batches/abc/codes/CODE.svg", "id"),
        ("batches/1/codes?offset=-1", "offset"),
        ("batches/1/codes?count=-1", "count"),
        ("batches/1/codes?count=0", "count"),
        ("batches/1/codes?scratch=maybe", "scratch"),
        ("retention?days=5", "days"),
        ("cases/1?limit=5&cursor=x", "limit"),
        ("sessions?&limit=5", "limit"),
    ] {
        let refused = all.get(&format!("/api/v1/{path}")).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], field, "{path}: {}", refused.text);
        let detail = refused.json["detail"].as_str().unwrap_or_default();
        for ours in ["digit found", "i64", "Cannot parse", "provided string"] {
            assert!(!detail.contains(ours), "{path}: {detail}");
        }
    }
}

#[tokio::test]
async fn a_line_that_cannot_be_read_has_one_problem() {
    let world = house().await;
    let all = world.client("all").await;
    let lines = "[\"F\",\"factory\"]\n{\"code\"\n";
    let answer = all.send("POST", "/api/v1/import/parties", "application/x-ndjson", lines).await;
    answer.expect(StatusCode::OK);
    for (line, detail) in answer.text.lines().zip(["must be an object", "not a JSON object"]) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let problems = line["problems"].as_array().expect("a list");
        assert_eq!(problems.len(), 1, "{line}");
        assert_eq!(problems[0]["field"], "line", "{line}");
        let told = problems[0]["detail"].as_str().unwrap_or_default();
        assert!(told.starts_with(detail), "{line}");
    }
}

#[tokio::test]
async fn a_file_that_ends_inside_quotation_marks_is_not_whole() {
    let world = house().await;
    let all = world.client("all").await;
    let row =
        |sn: &str, remark: &str| format!("{sn},{GTIN},2026-05-01T08:00:00+08:00,FAC,{remark}\n");
    let head = "sn,gtin,produced_at,site_code,remark\n";
    let path = "/api/v1/import/production";
    let cut = format!("{head}{}{}", row("NEW1", "\"oops"), row("NEW2", "fine"));
    let answer = all.send("POST", path, "text/csv", &cut).await;
    let last = answer.text.lines().last().unwrap_or_default();
    let summary: Value = serde_json::from_str(last).expect("JSON");
    let summary = &summary["summary"];
    assert_eq!((&summary["complete"], &summary["taken"]), (&json!(false), &json!(0)), "{last}");
    let told = summary["problem"]["detail"].as_str().unwrap_or_default();
    assert!(told.contains("record 2, column remark"), "{told}");
    all.get("/api/v1/units/NEW1").await.expect(StatusCode::NOT_FOUND);
    let inside = format!("{head}{}{}", row("NEW1", "5\" wide"), row("NEW2", "\"a\n\"\"b\"\"\""));
    let answer = all.send("POST", path, "text/csv", &inside).await;
    assert!(answer.text.contains("\"taken\":2"), "{}", answer.text);
}

#[tokio::test]
async fn rows_before_a_broken_record_are_taken_and_told() {
    let world = house().await;
    let all = world.client("all").await;
    let row = |sn: &str, lot: &str| format!("{sn},{GTIN},2026-05-01T08:00:00+08:00,FAC,{lot}\n");
    let path = "/api/v1/import/production";
    let long = "x".repeat(1_200_000);
    let cases = [("\"oops", "record 5, column lot"), (&*long, "record 5 is longer")];
    for (at, (broken, told)) in cases.into_iter().enumerate() {
        let sns = [format!("A{at}"), format!("B{at}")];
        let rows = [row(&sns[0], "L1"), row("BAD", "\u{1}"), row(&sns[1], "L1"), row("X", broken)];
        let file = format!("sn,gtin,produced_at,site_code,lot\n{}", rows.concat());
        // All or nothing of a file that is not whole is nothing.
        let whole = format!("{path}?all_or_nothing=true");
        let each = &["taken", "refused", "taken"][..];
        for (path, outcomes) in [(&*whole, &[][..]), (path, each)] {
            let answer = all.send("POST", path, "text/csv", &file).await;
            let lines = answer.text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
            let lines: Vec<Value> = lines.collect();
            let (summary, rows) = lines.split_last().expect("a summary");
            let found: Vec<_> = rows.iter().filter_map(|row| row["outcome"].as_str()).collect();
            assert_eq!(found, outcomes, "{at} {path}");
            let summary = &summary["summary"];
            let taken = outcomes.iter().filter(|outcome| **outcome == "taken").count();
            assert_eq!((&summary["complete"], &summary["taken"]), (&json!(false), &json!(taken)));
            let detail = summary["problem"]["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(told), "{detail}");
            let status = if taken > 0 { StatusCode::OK } else { StatusCode::NOT_FOUND };
            for sn in &sns {
                all.get(&format!("/api/v1/units/{sn}")).await.expect(status);
            }
        }
    }
}

/// Sends a body under these headers: the status and the answer.
async fn sent(
    world: &House,
    key: Option<&str>,
    (path, headers): (&str, &[(&str, &str)]),
    body: &str,
) -> (u16, String) {
    let extra = Some(dossier::pages::routes());
    let options = ServeOptions { limits: false, extra, ..ServeOptions::default() };
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let app = router(Arc::clone(&world.house), options);
    let response = app.oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// A key of the brand that may do everything.
async fn whole_key(world: &House) -> String {
    let brand = dossier::flows::import::operator(&world.house, None).await.expect("a brand").brand;
    let all = [dossier::flows::Scope::All];
    let key = dossier::flows::keys::new_key(&world.house, brand, "BRAND", &all, "test").await;
    key.expect("a key")
}

#[tokio::test]
async fn two_keys_in_one_request_are_refused() {
    let world = house().await;
    let key = format!("Bearer {}", whole_key(&world).await);
    let order = json!({"gtin": GTIN, "count": 3}).to_string();
    let media = ("content-type", "application/json");
    let path = "/api/v1/batches";
    for two in [[&*key, "Bearer dos_nonsense"], ["Basic eDp5", &*key], [&*key, &*key]] {
        let [one, other] = two.map(|said| ("authorization", said));
        let (status, text) = sent(&world, None, (path, &[media, one, other]), &order).await;
        let problem: Value = serde_json::from_str(&text).expect("a problem");
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{two:?}: {text}");
        assert_eq!(problem["field"], "authorization", "{text}");
    }
    let one = [media, ("authorization", &*key)];
    assert_eq!(sent(&world, None, (path, &one), &order).await.0, 201);
}

#[tokio::test]
async fn two_idempotency_keys_in_one_request_are_refused() {
    let world = house().await;
    let key = whole_key(&world).await;
    let order = json!({"gtin": GTIN, "count": 3}).to_string();
    let media = ("content-type", "application/json");
    let path = "/api/v1/batches";
    for two in [["k-1", "k-2"], ["k-1", "k-1"]] {
        let [one, other] = two.map(|said| ("idempotency-key", said));
        let (status, text) = sent(&world, Some(&key), (path, &[media, one, other]), &order).await;
        let problem: Value = serde_json::from_str(&text).expect("a problem");
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{two:?}: {text}");
        assert_eq!(problem["field"], "Idempotency-Key", "{text}");
    }
    let one = [media, ("idempotency-key", "k-1")];
    assert_eq!(sent(&world, Some(&key), (path, &one), &order).await.0, 201);
}

/// Whoever passes a link on may put something behind it: a page is shown all the same.
#[tokio::test]
async fn pages_pass_over_parameters_that_they_do_not_know() {
    let world = house().await;
    let code = world.codes(1).await.remove(0);
    let extra = Some(dossier::pages::routes());
    let options = ServeOptions { limits: false, extra, ..ServeOptions::default() };
    let app = router(Arc::clone(&world.house), options);
    for path in [format!("/d/{code}"), format!("/01/0{GTIN}/21/{code}"), "/privacy".to_owned()] {
        let request = Request::get(format!("{path}?utm_source=chat&lang=en"));
        let request = request.body(Body::empty()).expect("a request");
        let response = app.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn bodies_are_what_they_are_said_to_be() {
    let world = house().await;
    let key = whole_key(&world).await;
    let path = "/api/v1/import/products";
    let rows = format!("gtin,name_zh,category\n{GTIN},手机,phone\n");
    let xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    for (headers, status) in [
        (&[][..], 200),
        (&[("content-type", "text/csv; charset=utf-8")][..], 200),
        (&[("content-type", "text/csv"), ("content-encoding", "identity")][..], 200),
        (&[("content-type", "text/csv"), ("content-encoding", "gzip")][..], 415),
        (&[("content-type", "image/png")][..], 415),
        (&[("content-type", xlsx)][..], 400),
    ] {
        let (found, text) = sent(&world, Some(&key), (path, headers), &rows).await;
        assert_eq!(found, status, "{headers:?}: {text}");
        assert_eq!(text.contains("this is no XLSX file"), status == 400, "{text}");
    }
    let json = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let order = json!({"gtin": GTIN, "count": 3}).to_string();
    let (status, text) = sent(&world, Some(&key), ("/api/v1/batches", &json), &order).await;
    assert_eq!(status, 415, "{text}");
}

#[tokio::test]
async fn a_form_that_another_site_sends_is_refused_in_the_words_for_it() {
    let world = house().await;
    let code = world.codes(1).await.remove(0);
    let media = ("content-type", "application/x-www-form-urlencoded");
    let there = [media, ("accept-language", "en"), ("sec-fetch-site", "cross-site")];
    for form in ["proof", "report", "register", "my-data"] {
        let path = format!("/d/{code}/{form}");
        let (status, page) = sent(&world, None, (&path, &there), "text=copy").await;
        assert_eq!(status, 403, "{form}: {page}");
        assert!(page.contains("The page of another site asked for this"), "{form}: {page}");
    }
    // Its own page sends it in vain only where it cannot be read.
    let here = [("content-type", "text/plain"), ("sec-fetch-site", "same-origin")];
    let path = format!("/d/{code}/report");
    assert_eq!(sent(&world, None, (&path, &here), "text=copy").await.0, 400);
}
