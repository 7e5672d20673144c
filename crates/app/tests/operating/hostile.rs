//! Clients that mean harm with how they send: slowly, deeply, across the lines of a head.

use crate::support::{GTIN, house};
use crate::{listen, whole};
use axum::http::StatusCode;
use dossier::api::{Patience, ServeOptions};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Levels of a body that nobody means well with.
const LEVELS: usize = 10_000;

fn hasty() -> ServeOptions {
    let soon = Duration::from_millis(150);
    let patience = Patience { head: soon, answer: soon, ..Patience::default() };
    ServeOptions { patience, ..ServeOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_cut_off() {
    let world = house().await;
    let server = listen(&world, hasty()).await;
    let code = world.codes(1).await.remove(0);
    let register = format!("/d/{code}/register");
    let form = "application/x-www-form-urlencoded";
    for (path, media) in [
        ("/api/v1/activations", "application/json"),
        (register.as_str(), form),
        (&format!("/d/{code}/report"), form),
    ] {
        for body in
            ["content-length: 1000\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"]
        {
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {media}\r\n");
            // The answer ends because the connection does: it is not waited on.
            let answer = server.answer(&format!("{head}{body}")).await;
            assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
            assert!(answer.contains("\"timeout\""), "{path}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_stops_coming_is_cut_off() {
    let world = house().await;
    let server = listen(&world, hasty()).await;
    let brand = dossier::flows::import::operator(&world.house, None).await.expect("a brand").brand;
    let all = [dossier::flows::Scope::All];
    let token = dossier::flows::keys::new_key(&world.house, brand, "BRAND", &all, "slow").await;
    let head = format!(
        "POST /api/v1/import/products HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: text/csv\r\ncontent-length: 100000\r\n\r\n",
        token.expect("a key")
    );
    // Before its head was read there is a status to say it with, and afterwards a last line.
    let answer = server.answer(&format!("{head}gtin,na")).await;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    assert!(["400", "408"].contains(&status), "{answer}");
    let rows = format!("gtin,name_zh,category\n{GTIN},手机,phone\n{GTIN},手");
    let answer = server.answer(&format!("{head}{rows}")).await;
    assert!(answer.contains("\"complete\":false"), "{answer}");
    assert!(answer.contains("stopped coming"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_come_is_cut_off() {
    let world = house().await;
    let server = listen(&world, hasty()).await;
    for said in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nx-a: b\r\n"] {
        let answer = server.answer(said).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

/// Operations that take JSON.
fn taking_json(document: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if !operation["requestBody"]["content"]["application/json"].is_null() {
                let path = path.replace("{id}", "1").replace("{code}", "SN0001");
                found.push((method.to_uppercase(), path.replace("{shipment_no}", "S1")));
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

#[tokio::test]
async fn bodies_of_ten_thousand_levels_are_refused() {
    let world = house().await;
    let all = world.client("all").await;
    let document = all.get("/api/openapi.json").await.json;
    let lists = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let objects = format!("{}1{}", "{\"rows\":[".repeat(LEVELS), "]}".repeat(LEVELS));
    let open = "[".repeat(LEVELS);
    for (method, path) in taking_json(&document) {
        for body in [&lists, &objects, &open, &"{\"a\":".repeat(LEVELS)] {
            let answer = all.send(&method, &path, "application/json", body).await;
            answer.refused(StatusCode::BAD_REQUEST, "invalid_field");
            assert!(answer.bytes.len() < 2_000, "{path}: {}", answer.text);
        }
    }
    // Where unknown members are passed over, depth costs nothing and says nothing.
    let start = json!({"identifier": {"scheme": "sn", "value": "SN0001"},
        "happened_at": "2026-06-01T09:00:00+08:00"});
    let deep = start.to_string().replacen('{', &format!("{{\"newer\":{lists},"), 1);
    let answer = all.send("POST", "/api/v1/activations", "application/json", &deep).await;
    answer.expect(StatusCode::CREATED);
    let deep =
        start.to_string().replacen('{', &format!("{{\"signals\":{{\"attestation\":{lists}}},"), 1);
    let answer = all.send("POST", "/api/v1/activations", "application/json", &deep).await;
    answer.refused(StatusCode::BAD_REQUEST, "invalid_field");
}

#[tokio::test]
async fn rows_of_ten_thousand_levels_are_refused_one_by_one() {
    let world = house().await;
    let all = world.client("all").await;
    let lists = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let good = json!({"sn": "NEW1", "gtin": GTIN, "site_code": "FAC",
        "produced_at": "2026-05-01T08:00:00+08:00"});
    for line in [lists.clone(), format!("{{\"sn\":{lists}}}"), format!("{{\"newer\":{lists}}}")] {
        let media = "application/x-ndjson";
        let text = format!("{line}\n{good}\n");
        let answer = all.send("POST", "/api/v1/import/production", media, &text).await;
        answer.expect(StatusCode::OK);
        assert!(answer.text.contains("refused"), "{}", answer.text);
    }
}

/// Parts of an address and of a head that try to end their line.
const BREAKS: [&str; 5] =
    ["%0d%0aX-Planted:%20yes", "%0aX-Planted:%20yes", "%0d", "%00", "%E2%80%A8"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_echoed_starts_a_header() {
    let world = house().await;
    let code = world.codes(1).await.remove(0);
    let server = listen(&world, ServeOptions::default()).await;
    let mut templates = vec![
        format!("GET /d/{code}?lang=en§"),
        format!("GET /d/{code}/proof?lang=§"),
        "GET /d/§/proof".to_owned(),
        "GET /d/§".to_owned(),
        "GET /01/06901234567892/21/§".to_owned(),
        "GET /?code=§&lang=§".to_owned(),
        "GET /?code=https%3A%2F%2Fevil.example%2Fd%2F§".to_owned(),
        "GET /privacy?lang=§".to_owned(),
        "GET /§".to_owned(),
        "GET //evil.example/§".to_owned(),
    ];
    let document = world.anyone().get("/api/openapi.json").await.json;
    let paths: &Map<String, Value> = document["paths"].as_object().expect("paths");
    for path in paths.keys().filter(|path| path.contains('{')) {
        let filled = path.split('/').map(|part| if part.contains('{') { "§" } else { part });
        templates.push(format!("GET {}?cursor=§", filled.collect::<Vec<_>>().join("/")));
    }
    for template in templates {
        for broken in BREAKS {
            let line = template.replace('§', broken);
            let more = format!("cookie: lang={broken}\r\naccept-language: {broken}\r\n");
            let more = format!("{more}idempotency-key: {broken}\r\nreferer: http://x/d/{broken}");
            let asked =
                format!("{line} HTTP/1.1\r\nhost: x\r\n{more}\r\nconnection: close\r\n\r\n");
            let answer = server.answer(&asked).await;
            let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("HTTP/1.1 "), "{asked}: {head}");
            for header in head.split(['\r', '\n']).skip(1).filter(|line| !line.is_empty()) {
                let (name, value) = header.split_once(':').expect("a header");
                assert!(!name.eq_ignore_ascii_case("x-planted"), "{asked}: {head}");
                let abroad = value.contains("evil.example") || value.trim().starts_with("//");
                assert!(!(name.eq_ignore_ascii_case("location") && abroad), "{asked}: {head}");
            }
        }
    }
}

/// Ways to say `..` and the root.
const ASTRAY: [&str; 8] = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5cmaster.key",
    "%252e%252e%252fmaster.key",
    "%c0%ae%c0%ae/master.key",
    "/etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_to_a_file() {
    let world = house().await;
    let server = listen(&world, ServeOptions::default()).await;
    let key = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let first = key.lines().next().unwrap_or("root:").to_owned();
    for start in ["/", "/d/", "/log/tile/", "/api/v1/batches/1/codes/", "/api/v1/units/", "/01/"] {
        for way in ASTRAY {
            let asked =
                format!("GET {start}{way} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let answer = server.answer(&asked).await;
            let status: u16 = answer[9..12].parse().expect("a status");
            // A code that is none has a page that says so; nothing else is there.
            let page = start == "/d/" && status == 200;
            assert!(page || (300..500).contains(&status), "{asked}{answer}");
            assert!(!answer.contains(&first), "{asked}{answer}");
        }
    }
}

#[tokio::test]
async fn the_largest_body_is_the_largest() {
    let world = house().await;
    let app = whole(&world, ServeOptions::default());
    for (path, media, bytes) in [
        ("/api/v1/activations", "application/json", 2 * 1024 * 1024 + 1),
        ("/d/x/report", "application/x-www-form-urlencoded", 16 * 1024 + 1),
    ] {
        let body = "a".repeat(bytes);
        let request = axum::http::Request::post(path).header("content-type", media);
        let request = request.body(axum::body::Body::from(body)).expect("a request");
        let (status, _, text) = crate::ask(&app, crate::peer("127.0.0.1", false), request).await;
        assert!(status.is_client_error(), "{path} {status} {text}");
    }
}
