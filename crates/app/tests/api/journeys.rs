//! The API as a client meets it: a whole router over a house on a folder of its own.

use crate::support::{Client, House, Reply, house};
use axum::http::StatusCode;
use dossier::flows::{redecide, ship};
use serde_json::{Value, json};

fn activation(value: &str, fingerprint: &str) -> Value {
    json!({"identifier": {"scheme": "sn", "value": value},
        "happened_at": "2026-06-01T09:00:00+08:00", "device_fingerprint": fingerprint,
        "signals": {"ip": "123.123.123.123"}})
}

#[tokio::test]
async fn an_activation_is_first_once_and_replayed_under_its_key() {
    let world = house().await;
    let all = world.client("all").await;
    let body = activation("SN0001", "fp-1");
    let first = all.post_keyed("/api/v1/activations", &body, "k-1").await;
    first.expect(StatusCode::CREATED);
    assert_eq!(first.json["first"], true);
    assert_eq!(first.json["assurance"], "attested");
    assert_eq!(first.json["activated_at"], "2026-06-01T09:00:00+08:00");
    assert_eq!(first.json["warranty"]["basis"], "activation");
    assert_eq!(first.json["warranty"]["starts_on"], "2026-06-01");
    assert_eq!(first.json["reasons"], json!([]));

    let replay = all.post_keyed("/api/v1/activations", &body, "k-1").await;
    replay.expect(StatusCode::CREATED);
    assert_eq!(replay.header("idempotency-replayed"), Some("true"));
    assert_eq!(replay.json, first.json);

    let other = all.post_keyed("/api/v1/activations", &activation("SN0002", "x"), "k-1").await;
    other.refused(StatusCode::CONFLICT, "idempotency_mismatch");

    let again = all.post("/api/v1/activations", &body).await;
    again.expect(StatusCode::OK);
    assert_eq!(again.json["first"], false);
    assert_eq!(again.json["findings"], first.json["findings"]);

    let copy = all.post("/api/v1/activations", &activation("SN0001", "fp-2")).await;
    copy.expect(StatusCode::OK);
    let kinds: Vec<_> = copy.findings();
    assert!(kinds.contains(&("activated_again".into(), "suspect".into())), "{kinds:?}");
}

/// Sent eight times at once under one key, a command is carried out once; whoever is told what
/// another was told is told so too.
#[tokio::test]
async fn whoever_lost_the_race_is_answered_as_by_a_replay() {
    let world = house().await;
    let all = world.client("all").await;
    let body = activation("SN0001", "fp-1");
    let sent = (0..8).map(|_| all.post_keyed("/api/v1/activations", &body, "k-1"));
    let replies = futures_util::future::join_all(sent).await;
    let fresh = replies.iter().filter(|reply| reply.header("idempotency-replayed").is_none());
    assert_eq!(fresh.count(), 1);
    for reply in &replies {
        reply.expect(StatusCode::CREATED);
        assert_eq!(reply.json, replies[0].json);
    }
}

#[tokio::test]
async fn a_clock_is_never_a_reason_to_refuse_an_activation() {
    let world = house().await;
    let device = world.anyone();
    let mut body = activation("SN0003", "fp-3");
    body["happened_at"] = "2099-01-01T00:00:00Z".into();
    let done = device.post("/api/v1/activations", &body).await;
    done.expect(StatusCode::CREATED);
    assert_eq!(done.json["clock_believed"], false);
    assert_eq!(done.json["reasons"], json!(["clock"]));
    assert_eq!(done.json["assurance"], "public");
    for unset in ["0001-01-01T00:00:00Z", "1904-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        body["happened_at"] = unset.into();
        let done = device.post("/api/v1/activations", &body).await;
        done.expect(StatusCode::OK);
        assert_eq!(done.json["reasons"], json!(["clock"]), "{unset}");
    }
    for absurd in ["yesterday", "0001-02-30T00:00:00Z", "2026-02-30T00:00:00Z", ""] {
        body["happened_at"] = absurd.into();
        let refused = device.post("/api/v1/activations", &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], "happened_at");
    }
}

#[tokio::test]
async fn malformed_activations_name_their_field() {
    let world = house().await;
    let all = world.client("all").await;
    let cases = [
        ("/identifier/scheme", json!("serial"), "identifier.scheme"),
        ("/identifier/value", json!("=1+1"), "identifier.value"),
        ("/identifier/value", json!("9".repeat(300)), "identifier.value"),
        ("/identifier/value", json!(7), "identifier.value"),
        ("/device_fingerprint", json!("x".repeat(2_000)), "device_fingerprint"),
        ("/signals/ip", json!("300.1.1.1"), "signals.ip"),
        ("/signals", json!({"serving_mcc": "abc"}), "signals.serving_mcc"),
        ("/signals", json!({"gps": {"lat": 91.0, "lon": 0.0}}), "signals.gps.lat"),
        ("/signals", json!({"access": "satellite"}), "signals.access"),
    ];
    for (place, value, field) in cases {
        let mut body = activation("SN0001", "fp");
        *body.pointer_mut(place).unwrap() = value;
        let refused = all.post("/api/v1/activations", &body).await;
        refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
        assert_eq!(refused.json["field"], field, "{}", refused.json);
    }
    let unknown = all.post("/api/v1/activations", &activation("NEVER1", "fp")).await;
    unknown.refused(StatusCode::NOT_FOUND, "unknown_subject");
    let text = all.send("POST", "/api/v1/activations", "text/plain", "x").await;
    text.refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
}

#[tokio::test]
async fn an_activation_that_came_too_early_is_replayed_when_the_unit_arrives() {
    let world = house().await;
    let all = world.client("all").await;
    let early = all.post_keyed("/api/v1/activations", &activation("LATE1", "fp"), "k").await;
    early.refused(StatusCode::NOT_FOUND, "unknown_subject");
    let row = json!({"sn": "LATE1", "gtin": crate::support::GTIN, "site_code": "FAC",
        "produced_at": "2026-05-01T08:00:00+08:00"});
    let made = all.post("/api/v1/units/commission", &json!({"rows": [row]})).await;
    made.expect(StatusCode::OK);
    assert_eq!(made.json["results"][0]["outcome"], "taken", "{}", made.json);
    let verdict = all.get("/api/v1/verify/LATE1?scheme=sn").await;
    assert_eq!(verdict.json["verdict"], "genuine", "{}", verdict.json);
}

#[tokio::test]
async fn verdicts_have_one_shape() {
    let world = house().await;
    let anyone = world.anyone();
    let all = world.client("all").await;
    let genuine = anyone.get("/api/v1/verify/SN0001").await;
    genuine.expect(StatusCode::OK);
    assert_eq!(genuine.json["verdict"], "not_activated");
    assert_eq!(genuine.json["product"]["gtin"], format!("0{}", crate::support::GTIN));

    let codes = world.codes(3).await;
    let unreleased = anyone.get(&format!("/api/v1/verify/{}", codes[0])).await;
    assert_eq!(unreleased.json["verdict"], "not_released");
    // A right check character over a number that no key of ours made.
    let forged = anyone.get("/api/v1/verify/2222222222222").await;
    forged.expect(StatusCode::OK);
    assert_eq!(forged.json["verdict"], "forged");
    let unknown = anyone.get("/api/v1/verify/NOSUCH1").await;
    unknown.expect(StatusCode::OK);
    assert_eq!(unknown.json["verdict"], "unknown");
    let shapes = [&genuine, &unreleased, &forged, &unknown].map(|r| keys_of(&r.json));
    assert!(shapes.iter().all(|s| *s == shapes[0]), "{shapes:?}");
    let strip = |r: &Reply| {
        let mut value = r.json.clone();
        for key in ["verdict", "reason", "checks"] {
            value.as_object_mut().unwrap().remove(key);
        }
        value
    };
    assert_eq!(strip(&forged), strip(&unknown));

    let long = anyone.get(&format!("/api/v1/verify/{}", "9".repeat(200))).await;
    long.refused(StatusCode::BAD_REQUEST, "invalid_field");
    let items = json!({"items": [{"value": "SN0001"}, {"value": "NOSUCH1", "scheme": "sn"}]});
    let many = all.post("/api/v1/verify", &items).await;
    many.expect(StatusCode::OK);
    assert_eq!(many.json["results"][0]["verdict"], "not_activated");
    assert_eq!(many.json["results"][1]["verdict"], "unknown");
}

#[tokio::test]
async fn a_text_that_names_two_units_is_answered_with_both() {
    let world = house().await;
    let all = world.client("all").await;
    let codes = world.codes(2).await;
    // A serial number that happens to be another unit's code.
    let row = |sn: &str, code: &str| {
        json!({"sn": sn, "code": code, "gtin": crate::support::GTIN, "site_code": "FAC",
            "produced_at": "2026-05-01T08:00:00+08:00"})
    };
    let rows = json!({"rows": [row("PLAIN1", &codes[0]), row(&codes[0], &codes[1])]});
    let made = all.post("/api/v1/units/commission", &rows).await;
    assert_eq!(made.json["refused"], 0, "{}", made.json);
    let path = format!("/api/v1/verify/{}", codes[0]);
    let both = all.get(&path).await;
    both.expect(StatusCode::MULTIPLE_CHOICES);
    assert_eq!(both.json["choices"][0]["scheme"], "code");
    assert_eq!(both.json["choices"][0]["state"]["sn"], "PLAIN1");
    assert_eq!(both.json["choices"][1]["scheme"], "sn");
    let one = all.get(&format!("{path}?scheme=sn")).await;
    one.expect(StatusCode::OK);
    assert_eq!(one.json["state"]["code"], codes[1]);
}

fn keys_of(value: &Value) -> Vec<String> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.extend(value["state"].as_object().unwrap().keys().cloned());
    keys.extend(value["custody"].as_object().unwrap().keys().cloned());
    keys
}

#[tokio::test]
async fn who_sees_what() {
    let world = house().await;
    let path = "/api/v1/verify/SN0001";
    let anyone = world.anyone().get(path).await;
    assert_eq!(anyone.json["state"]["produced_on"], "2026-05-01");
    assert_eq!(anyone.json["state"]["sn"], Value::Null);
    assert_eq!(anyone.json["custody"]["hops"], json!([]));
    assert_eq!(anyone.json["state"]["scan_count"], 0);
    let brand = world.client("all").await.get(path).await;
    assert_eq!(brand.json["state"]["sn"], "SN0001");
    assert_eq!(brand.json["custody"]["hops"][0]["party"], "FAC", "{}", brand.json);
    // The brand's look did not count as a consumer's; anyone's did.
    assert_eq!(world.anyone().get(path).await.json["state"]["scan_count"], 1);
    let tier1 = world.key("T1", "verify,read").await;
    let seen = tier1.get(path).await;
    assert_eq!(seen.json["custody"]["hops"].as_array().unwrap().len(), 1, "{}", seen.json);
    assert_eq!(seen.json["custody"]["hops"][0]["party"], "T1");
    let other = world.key("T2B", "verify,read").await;
    assert_eq!(other.get(path).await.json["custody"]["hops"], json!([]));
    other.get("/api/v1/units/SN0001").await.refused(StatusCode::NOT_FOUND, "unknown_subject");
    let own = tier1.get("/api/v1/units/SN0001").await;
    own.expect(StatusCode::OK);
    assert_eq!(own.json["findings"], json!([]));
    let seller = tier1.get("/api/v1/verify/SN0001?seller=T1").await;
    assert_eq!(seller.json["seller"]["authorised"], true, "{}", seller.json);
    let nobody = world.anyone().get("/api/v1/verify/SN0001?seller=T1").await;
    nobody.refused(StatusCode::UNAUTHORIZED, "unauthenticated");
}

#[tokio::test]
async fn keys_are_asked_for_and_scopes_are_kept() {
    let world = house().await;
    let body = json!({"items": [{"value": "SN0001"}]});
    let nobody = world.anyone().post("/api/v1/verify", &body).await;
    nobody.refused(StatusCode::UNAUTHORIZED, "unauthenticated");
    assert_eq!(nobody.header("content-type"), Some("application/problem+json"));
    let id_only = format!("dos_{}.{}", "0".repeat(12), "0".repeat(48));
    for bad in ["nonsense", "dos_x.y", &id_only] {
        let refused = world.bearer(bad).get("/api/v1/verify/SN0001").await;
        refused.refused(StatusCode::UNAUTHORIZED, "unauthenticated");
    }
    let reader = world.client("read").await;
    reader.post("/api/v1/verify", &body).await.refused(StatusCode::FORBIDDEN, "not_allowed");
    let activation = activation("SN0001", "fp");
    let refused = reader.post("/api/v1/activations", &activation).await;
    refused.refused(StatusCode::FORBIDDEN, "not_allowed");
    let tier1 = world.key("T1", "ship").await;
    let row = json!({"shipment_no": "X1", "from_code": "FAC", "to_code": "T1",
        "happened_at": "2026-05-03T08:00:00+08:00", "subject": "SN0002"});
    let refused = tier1.post("/api/v1/shipments", &json!({"rows": [row]})).await;
    refused.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.json["results"][0]["problems"][0]["code"], "not_allowed");
}

/// The refusal of a command about one thing, wherever its reply holds it, and the field it names.
fn refusal(reply: &Reply) -> Option<(&str, &str)> {
    let rows = ["/results/0/problems/0", "/results/0/problem", ""];
    let told = rows.iter().filter_map(|place| reply.json.pointer(place));
    let mut told = told.filter_map(|p| Some((p["code"].as_str()?, p["field"].as_str()?)));
    told.next()
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table of commands")]
async fn a_key_speaks_for_its_own_party_and_those_below_it() {
    let world = house().await;
    let day = |n: u32| format!("2026-05-{n:02}T08:00:00+08:00");
    let made = |sn: &str, site: &str| {
        let row = json!({"sn": sn, "gtin": crate::support::GTIN, "site_code": site,
            "produced_at": day(1)});
        ("/api/v1/units/commission", json!({"rows": [row]}))
    };
    let sscc = domain::gs1::Sscc::build(0, "6901234", 1).unwrap();
    let pack = |child: &str| {
        let row = json!({"sscc": sscc.as_str(), "child": child, "packed_at": day(3)});
        ("/api/v1/packs", json!({"rows": [row]}))
    };
    let unpack = ("/api/v1/packs/unpack", json!({"sscc": sscc.as_str(), "happened_at": day(4)}));
    let moved = |path, no: &str, from: &str, to: &str, on: u32| {
        let row = json!({"shipment_no": no, "from_code": from, "to_code": to,
            "happened_at": day(on), "subject": "SN0001"});
        (path, json!({"rows": [row]}))
    };
    let (ships, returns) = ("/api/v1/shipments", "/api/v1/returns");
    let receipt = |party: &str| {
        let body = json!({"party_code": party, "subjects": ["SN0001"], "happened_at": day(6)});
        ("/api/v1/receipts", body)
    };
    let change = |what: &str, unit: &str| {
        let inspection = if what == "inspect" { json!("pass") } else { Value::Null };
        let body = json!({"change": what, "units": [unit], "reason": "why",
            "inspection": inspection});
        ("/api/v1/units/changes", body)
    };
    let voided = |body: Value| ("/api/v1/shipments/S2/void", body);
    let imei = json!({"scheme": "imei", "value": "490154203237518", "onto": true, "reason": "why"});
    let renamed = ("/api/v1/units/SN0001/identifiers", imei);
    // In this order: who, the command, the field named when it is not allowed.
    let table = [
        ("FAC", made("NEW1", "FAC"), None),
        ("FAC", made("NEW2", "FAC2"), Some("site_code")),
        ("T1", made("NEW2", "FAC"), Some("site_code")),
        ("BRAND", made("NEW2", "FAC2"), None),
        ("FAC2", pack("SN0002"), Some("child")),
        ("FAC", pack("SN0002"), None),
        ("FAC2", unpack.clone(), Some("sscc")),
        ("FAC", unpack, None),
        ("FAC2", change("inspect", "SN0002"), Some("units")),
        ("FAC", change("inspect", "SN0002"), None),
        ("T2A", moved(ships, "S2", "T1", "T2A", 5), Some("from_code")),
        ("T1", moved(ships, "S2", "T1", "T2A", 5), None),
        ("T2B", receipt("T2A"), Some("party_code")),
        ("T1", receipt("T2A"), None),
        ("T2B", moved(returns, "R1", "T2A", "T1", 7), Some("from_code")),
        ("T2A", moved(returns, "R1", "T2A", "T1", 7), None),
        ("T2A", voided(json!({"from": "T1", "happened_at": day(8)})), Some("from")),
        ("T1", voided(json!({"happened_at": day(8)})), Some("moved_on")),
        ("FAC", change("recall", "SN0003"), Some("units")),
        ("BRAND", change("recall", "SN0003"), None),
        ("FAC", change("lift_recall", "SN0003"), Some("units")),
        ("T1", change("report_stolen", "SN0003"), Some("units")),
        ("FAC", change("report_stolen", "SN0003"), None),
        ("T2B", change("clear_stolen", "SN0003"), Some("units")),
        ("T2B", renamed.clone(), Some("unit")),
        ("SVC", renamed, None),
        ("SVC", change("decommission", "SN0001"), Some("units")),
        ("T1", change("decommission", "SN0001"), None),
    ];
    for (party, (path, body), field) in table {
        let key = world.key(party, "all").await;
        let reply = key.post(path, &body).await;
        let told = refusal(&reply);
        match field {
            None => assert_eq!((told, reply.status), (None, StatusCode::OK), "{party} {path}"),
            Some("moved_on") => assert_eq!(told.map(|t| t.0), field, "{}", reply.text),
            Some(field) => assert_eq!(told, Some(("not_allowed", field)), "{party} {path}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_import_is_answered_row_by_row() {
    let world = house().await;
    let all = world.client("all").await;
    let mut csv = String::from("sn,gtin,produced_at,site_code\n");
    for n in 0..5_000 {
        let gtin = if n % 1_000 == 7 { "bad" } else { crate::support::GTIN };
        csv.push_str(&format!("BULK{n:05},{gtin},2026-05-01T08:00:00+08:00,FAC\n"));
    }
    for (path, taken, unchanged) in
        [("/api/v1/import/production", 4_995, 0), ("/api/v1/import/production", 0, 4_995)]
    {
        let done = all.send("POST", path, "text/csv", &csv).await;
        done.expect(StatusCode::OK);
        let lines: Vec<Value> =
            done.text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 5_001);
        assert_eq!(lines[7]["outcome"], "refused");
        assert_eq!(lines[7]["record"], 9);
        assert_eq!(lines[7]["problems"][0]["field"], "gtin");
        let summary = &lines[5_000]["summary"];
        assert_eq!(summary["complete"], true, "{summary}");
        assert_eq!(
            (summary["taken"].as_u64(), summary["unchanged"].as_u64()),
            (Some(taken), Some(unchanged))
        );
    }
    let refused = all.send("POST", "/api/v1/import/production?rows=refused", "text/csv", &csv);
    assert_eq!(refused.await.text.lines().count(), 6);
    let no_header = all.send("POST", "/api/v1/import/production", "text/csv", "a,b\n1,2\n").await;
    no_header.refused(StatusCode::BAD_REQUEST, "invalid_field");
    let ndjson = format!(
        "{}\n",
        json!({"sn": "NEW1", "gtin": crate::support::GTIN, "site_code": "FAC",
        "produced_at": "2026-05-01T08:00:00+08:00"})
    );
    let path = "/api/v1/import/production";
    let done = all.send("POST", path, "application/x-ndjson", &ndjson).await;
    assert!(done.text.contains("\"taken\":1"), "{}", done.text);
}

#[tokio::test]
async fn a_batch_is_minted_once_streamed_drawn_and_voided() {
    let world = house().await;
    let all = world.client("all").await;
    let body = json!({"gtin": crate::support::GTIN, "count": 20_000, "scratch": true});
    let first = all.post_keyed("/api/v1/batches", &body, "m-1").await;
    first.expect(StatusCode::CREATED);
    let again = all.post_keyed("/api/v1/batches", &body, "m-1").await;
    again.expect(StatusCode::CREATED);
    assert_eq!(again.json["id"], first.json["id"]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let id = first.json["id"].as_i64().unwrap();
    let csv = all.get(&format!("/api/v1/batches/{id}/codes")).await.text;
    assert_eq!(csv.lines().count(), 20_001);
    assert_eq!(csv.lines().next(), Some("code,url,scratch"));
    let path = format!("/api/v1/batches/{id}/codes?format=ndjson&offset=1&count=2&link=short");
    let rows = all.get(&path).await.text;
    let row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    let code = row["code"].as_str().unwrap().to_owned();
    assert_eq!(csv.lines().nth(2).unwrap().split(',').next(), Some(code.as_str()));
    assert_eq!(rows.lines().count(), 2);
    for symbol in ["qr", "datamatrix"] {
        let path = format!("/api/v1/batches/{id}/codes/{code}.svg?symbol={symbol}");
        let svg = all.get(&path).await;
        assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
        assert!(svg.text.starts_with("<svg"));
    }
    let void = json!({"reason": "lost reel", "first": code, "last": code});
    let done = all.post(&format!("/api/v1/batches/{id}/void"), &void).await;
    done.expect(StatusCode::OK);
    let verdict = world.anyone().get(&format!("/api/v1/verify/{code}")).await;
    assert_eq!(verdict.json["verdict"], "retired");
    let page = all.get("/api/v1/batches?limit=1").await;
    let cursor = page.json["next_cursor"].as_str().unwrap().to_owned();
    let next = all.get(&format!("/api/v1/batches?limit=1&cursor={cursor}")).await;
    assert_ne!(next.json["items"][0]["id"], page.json["items"][0]["id"]);
}

#[tokio::test]
async fn goods_move_and_units_change() {
    let world = house().await;
    let all = world.client("all").await;
    let ship = |no: &str, from: &str, to: &str, at: &str| {
        json!({"rows": [{"shipment_no": no, "from_code": from, "to_code": to,
            "happened_at": at, "subject": "SN0001"}]})
    };
    let body = ship("S2", "T1", "T2A", "2026-05-10T08:00:00+08:00");
    all.post("/api/v1/shipments", &body).await.expect(StatusCode::OK);
    let again = all.post("/api/v1/shipments", &body).await;
    assert_eq!(again.json["results"][0]["outcome"], "unchanged");
    let receipt = json!({"party_code": "T2A", "subjects": ["SN0001", "NOSUCH"],
        "happened_at": "2026-05-12T08:00:00+08:00"});
    let received = all.post("/api/v1/receipts", &receipt).await;
    received.expect(StatusCode::OK);
    assert_eq!(received.json["results"][0]["outcome"], "taken", "{}", received.json);
    assert_eq!(received.json["results"][1]["problem"]["code"], "unknown_subject");
    let twice = all.post("/api/v1/receipts", &receipt).await;
    assert_eq!(twice.json["results"][0]["problem"]["code"], "already_received");
    let back = ship("R1", "T2A", "T1", "2026-05-20T08:00:00+08:00");
    all.post("/api/v1/returns", &back).await.expect(StatusCode::OK);
    let change = json!({"change": "recall", "units": ["SN0001"], "reason": "battery"});
    all.post("/api/v1/units/changes", &change).await.expect(StatusCode::OK);
    let verdict = world.anyone().get("/api/v1/verify/SN0001").await;
    assert_eq!(verdict.json["verdict"], "recalled");
    let dossier = all.get("/api/v1/units/SN0001").await;
    dossier.expect(StatusCode::OK);
    let kinds: Vec<_> = dossier.json["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["commissioned", "shipped", "shipped", "received", "returned", "recalled"]);
    let odd = json!({"change": "explode", "units": ["SN0001"], "reason": "x"});
    let refused = all.post("/api/v1/units/changes", &odd).await;
    refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
    let parties = all.get("/api/v1/parties?limit=2").await;
    assert_eq!(parties.json["items"].as_array().unwrap().len(), 2);
    all.get("/api/v1/alerts").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_kit_is_in_the_dossier_of_the_brand() {
    let world = house().await;
    let all = world.client("all").await;
    let row = json!({"sn": "PLUG1", "gtin": crate::support::GTIN, "site_code": "FAC",
        "kit": "SN0001",
        "produced_at": "2026-05-01T08:00:00+08:00"});
    let made = all.post("/api/v1/units/commission", &json!({"rows": [row]})).await;
    assert_eq!(made.json["results"][0]["outcome"], "taken", "{}", made.json);
    let dossier = all.get("/api/v1/units/PLUG1").await;
    assert_eq!(dossier.json["kit"], "SN0001");
    assert_eq!(dossier.json["timeline"][0]["detail"]["kit"], "SN0001");
    assert_eq!(all.get("/api/v1/units/SN0001").await.json["kit"], Value::Null);
}

#[tokio::test]
async fn a_late_fact_stands_in_the_timeline() {
    let world = house().await;
    let all = world.client("all").await;
    let mut body = activation("SN0002", "fp");
    body["signals"] = json!({"store_code": "FAC2"});
    let first = all.post("/api/v1/activations", &body).await;
    assert_eq!(first.findings(), [("never_shipped".into(), "suspect".into())]);
    let row = json!({"shipment_no": "L1", "from_code": "FAC", "to_code": "T1",
        "happened_at": "2026-05-03T08:00:00+08:00", "subject": "SN0002"});
    all.post("/api/v1/shipments", &json!({"rows": [row]})).await.expect(StatusCode::OK);
    let due = world.house.clock.now() + jiff::SignedDuration::from_secs(1);
    let due = due.as_microsecond();
    for job in world.house.store.outbox_due(ship::REDECIDE, due, 100).await.unwrap() {
        redecide::redecide(&world.house, &job).await.unwrap();
    }
    let dossier = all.get("/api/v1/units/SN0002").await;
    let event = |kind: &str| {
        let events = dossier.json["timeline"].as_array().unwrap();
        events.iter().find(|e| e["kind"] == kind).unwrap().clone()
    };
    let (gone, added) = (event("finding_withdrawn"), event("finding_added"));
    for late in [&gone, &added] {
        assert_eq!(late["detail"]["because"], event("shipped")["id"], "the fact is named");
    }
    assert_eq!(gone["detail"]["finding_kind"], "never_shipped");
    assert_eq!(added["detail"]["activation"], event("activated")["id"]);
    assert_eq!(added["detail"]["bound_to"], "T1");
    assert_eq!(added["detail"]["findings"][0]["kind"], "other_channel");
}

#[tokio::test]
async fn limits_answer_429_and_say_how_long() {
    let world = house().await;
    let anyone: Client = world.limited();
    let mut last = anyone.get("/api/v1/verify/SN0001").await;
    assert!(last.header("ratelimit").is_some());
    for _ in 0..400 {
        if last.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        last = anyone.get("/api/v1/verify/SN0001").await;
    }
    last.refused(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    assert!(last.header("retry-after").is_some());
    anyone.get("/healthz").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn every_handler_is_described_and_every_refusal_documented() {
    let world: House = house().await;
    let anyone = world.anyone();
    let document = anyone.get("/api/openapi.json").await;
    assert_eq!(document.json["openapi"], "3.1.0");
    let paths = document.json["paths"].as_object().unwrap();
    let mut ids: Vec<_> = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let described = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), described, "operation ids are unique");
    let routes = include_str!("../../src/api/routes.rs");
    for id in &ids {
        assert!(routes.contains(&format!("::{id}")), "{id} is not in the table of contents");
    }
    let listed = routes.matches("routes!(").count();
    assert!(described >= listed, "{described} operations for {listed} lines");
    let docs = include_str!("../../../../docs/api.md");
    for refusal in domain::refusal::Refusal::ALL {
        let row = format!("| `{}` |", refusal.code());
        assert!(docs.contains(&row), "docs/api.md lacks {row}");
    }
    for path in paths.keys() {
        assert!(docs.contains(path.as_str()), "docs/api.md lacks {path}");
    }
    let page = anyone.get("/api/docs").await;
    page.expect(StatusCode::OK);
    for elsewhere in ["src=", "@import", "url("] {
        assert!(!page.text.contains(elsewhere), "the page loads something: {elsewhere}");
    }
    anyone.get("/api/nowhere").await.refused(StatusCode::NOT_FOUND, "no_such_route");
    let wrong = anyone.send("DELETE", "/api/v1/verify/x", "text/plain", "").await;
    wrong.refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    anyone.get("/readyz").await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_answers_on_a_port_and_ends_when_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = house().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopping = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(dossier::api::serve(
        world.house.clone(),
        listener,
        dossier::api::ServeOptions::default(),
        stopping,
    ));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // Kept alive on purpose: the end must not wait for it.
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
