//! What the description says of every operation, and whether the operations keep it.

use crate::support::{Client, house};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every operation: method, path with its parameters filled in, description.
async fn operations(anyone: &Client) -> Vec<(String, String, Map<String, Value>)> {
    let document = anyone.get("/api/openapi.json").await.json;
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let filled = path.replace("{id}", "1").replace("{kind}", "packs");
        let filled = filled.replace("{sscc}", "106901234500000010").replace("{file}", "x.svg");
        let filled = filled.replace("{old}", "1").replace("{new}", "1").replace("{tile}", "0/000");
        let filled = filled.replace("{code}", "SN0001").replace("{shipment_no}", "S1");
        let filled = filled.replace("{gtin}", "6929141700010").replace("{event}", "0");
        assert!(!filled.contains('{'), "{path}: a parameter this test does not fill in");
        for (method, operation) in item.as_object().expect("operations") {
            let operation = operation.as_object().expect("an operation").clone();
            all.push((method.to_uppercase(), filled.clone(), operation));
        }
    }
    assert!(all.len() > 20, "{}", all.len());
    all
}

fn declares(operation: &Map<String, Value>, status: u16) -> bool {
    operation["responses"].get(status.to_string()).is_some()
}

/// Whether nobody is answered without a key.
fn keyed(operation: &Map<String, Value>) -> bool {
    let ways = operation["security"].as_array().expect("every operation says who may");
    ways.iter().all(|way| way.get("key").is_some())
}

fn takes_json(operation: &Map<String, Value>) -> bool {
    let body = operation.get("requestBody");
    body.is_some_and(|body| body["content"].get("application/json").is_some())
}

#[tokio::test]
async fn every_operation_declares_what_the_gate_and_the_reader_answer() {
    let world = house().await;
    let (mut keys, mut bodies) = (0, 0);
    for (method, path, operation) in operations(&world.anyone()).await {
        let name = format!("{method} {path}");
        for status in [400, 401, 429] {
            assert!(declares(&operation, status), "{name} lacks {status}");
        }
        if keyed(&operation) {
            keys += 1;
            assert!(declares(&operation, 403), "{name} lacks 403");
        }
        if takes_json(&operation) {
            bodies += 1;
            for status in [413, 415] {
                assert!(declares(&operation, status), "{name} lacks {status}");
            }
        } else {
            // Files have media types of their own.
            let takes_file = name.contains("/api/v1/import/");
            assert_eq!(declares(&operation, 415), takes_file, "{name}");
        }
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let content = response["content"].as_object();
            let media: Vec<_> = content.into_iter().flat_map(Map::keys).collect();
            let problem = response["content"].get("application/problem+json").is_some();
            assert!(
                status.starts_with('2')
                    || status == "300"
                    || status == "503"
                    || problem
                    || media == ["application/json"],
                "{name} {status}: {media:?}"
            );
            assert!(!response["description"].as_str().unwrap_or_default().is_empty());
        }
    }
    assert!(keys > 15 && bodies > 10, "{keys} {bodies}");
}

/// Of two types with one name, the description keeps one and tells the other's operations wrongly.
#[test]
fn every_schema_has_one_type() {
    let mut files = Vec::new();
    sources_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source");
        let mut awaited = false;
        for line in text.lines().map(str::trim_start) {
            awaited |= line.starts_with("#[derive(") && line.contains("ToSchema");
            let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let keyword = words.iter().position(|word| ["struct", "enum"].contains(word));
            let is_item = line.starts_with("pub") || keyword == Some(0);
            if let (true, true, Some(at)) = (awaited, is_item, keyword) {
                let place = file.display().to_string();
                types.entry(words[at + 1].to_owned()).or_default().push(place);
                awaited = false;
            }
        }
    }
    assert!(types.len() > 100, "only {} types were found", types.len());
    types.retain(|_, places| places.len() > 1);
    assert!(types.is_empty(), "{types:#?}");
}

fn sources_below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        match path.extension() {
            _ if path.is_dir() => sources_below(&path, files),
            Some(ending) if ending == "rs" => files.push(path),
            _ => {}
        }
    }
}

#[tokio::test]
async fn people_and_persons_are_described_apart() {
    let document = house().await.anyone().get("/api/openapi.json").await.json;
    let properties = |path: &str| {
        let patch = &document["paths"][path]["patch"];
        let schema = &patch["requestBody"]["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().expect("a name").rsplit('/').next().expect("a name");
        document["components"]["schemas"][name]["properties"].clone()
    };
    assert!(properties("/api/v1/people/{id}").get("role").is_some());
    assert!(properties("/api/v1/persons/{id}").get("phone").is_some());
}

#[tokio::test]
async fn what_is_declared_is_answered() {
    let world = house().await;
    let anyone = world.anyone();
    let stranger = world.bearer("dos_nonsense");
    let all = world.client("all").await;
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(3 << 20));
    let json = "application/json";
    for (method, path, operation) in operations(&anyone).await {
        let name = format!("{method} {path}");
        let ask = async |client: &Client, media: &str, body: &str| {
            let reply = client.send(&method, &path, media, body).await;
            let status = reply.status.as_u16();
            let problem = reply.header("content-type") == Some("application/problem+json");
            assert!(problem, "{name} {status}: {}", reply.text);
            status
        };
        assert_eq!(ask(&stranger, json, "{}").await, 401, "{name}");
        if keyed(&operation) {
            assert_eq!(ask(&anyone, json, "{}").await, 401, "{name}");
        }
        if takes_json(&operation) {
            assert_eq!(ask(&all, "text/plain", "{}").await, 415, "{name}");
            assert_eq!(ask(&all, json, &large).await, 413, "{name}");
            assert_eq!(ask(&all, json, "[1").await, 400, "{name}");
            let unknown = all.send(&method, &path, json, "{\"no_such_member\":1}").await;
            assert_eq!(unknown.status.as_u16(), 400, "{name}: {}", unknown.text);
            // What firmware says beyond an activation is passed over; what it must say is missing.
            let started = path.ends_with("/activations");
            let field = if started { "identifier" } else { "no_such_member" };
            assert_eq!(unknown.json["field"], field, "{name}: {}", unknown.text);
        }
    }
}

/// Whether an operation takes some parameters behind its path or none.
#[tokio::test]
async fn a_parameter_that_is_not_described_is_refused_by_name() {
    let world = house().await;
    let all = world.client("all").await;
    let (mut some, mut none) = (0, 0);
    for (method, path, operation) in operations(&world.anyone()).await {
        if !path.starts_with("/api/v1/") {
            continue;
        }
        if path == "/api/v1/activations" {
            // Firmware outlives interfaces.
            let reply = all.post(&format!("{path}?colour=red"), &Value::Null).await;
            assert_eq!(reply.json["field"], "body", "{}", reply.text);
            continue;
        }
        let described = operation.get("parameters").and_then(Value::as_array);
        let mut described = described.into_iter().flatten();
        let taken = described.any(|parameter| parameter["in"] == "query");
        *(if taken { &mut some } else { &mut none }) += 1;
        let methods = if method == "GET" { vec!["GET", "HEAD"] } else { vec![method.as_str()] };
        for method in methods {
            let reply = all.send(method, &format!("{path}?colour=red"), "text/csv", "{}").await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{method} {path}: {}", reply.text);
            if method != "HEAD" {
                reply.refused(StatusCode::BAD_REQUEST, "invalid_field");
                assert_eq!(reply.json["field"], "colour", "{method} {path}: {}", reply.text);
            }
        }
    }
    assert!(some > 20 && none > 40, "{some} {none}");
}

#[tokio::test]
async fn a_key_without_the_scope_is_403() {
    let world = house().await;
    // No command of lines or lists needs this one.
    let weak = world.client("activation:attested").await;
    for (method, path, operation) in operations(&world.anyone()).await {
        // What takes a body reads it first, and may find fault with that.
        if keyed(&operation) && !takes_json(&operation) {
            let reply = weak.send(&method, &path, "text/csv", "").await;
            assert_eq!(reply.status.as_u16(), 403, "{method} {path}: {}", reply.text);
            assert_eq!(reply.json["code"], "not_allowed", "{method} {path}: {}", reply.text);
        }
    }
}

/// A member that may be null is always there all the same, so that whoever generates a client need
/// not ask twice.
#[tokio::test]
async fn what_a_reply_always_holds_is_required() {
    let document = house().await.anyone().get("/api/openapi.json").await.json;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let (mut members, mut missing) = (0, Vec::new());
    for (name, schema) in schemas.iter().filter(|(name, _)| name.ends_with("Reply")) {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for member in schema["properties"].as_object().into_iter().flat_map(Map::keys) {
            members += 1;
            if !required.contains(&Value::from(member.as_str())) {
                missing.push(format!("{name}.{member}"));
            }
        }
    }
    assert!(members > 300, "{members}");
    assert_eq!(missing, ["FindingReply.nature"]);
}

/// Each name between braces in a path is a parameter of it, and the other way round.
#[tokio::test]
async fn a_path_names_its_parameters() {
    let document = house().await.anyone().get("/api/openapi.json").await.json;
    let mut some = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parts = path.split('/').filter_map(|part| part.strip_prefix('{'));
        let named: BTreeSet<_> = parts.filter_map(|part| part.strip_suffix('}')).collect();
        for (method, operation) in item.as_object().expect("operations") {
            let described = operation["parameters"].as_array();
            let described = described.into_iter().flatten().filter(|it| it["in"] == "path");
            let described: BTreeSet<_> = described.filter_map(|it| it["name"].as_str()).collect();
            assert_eq!(named, described, "{method} {path}");
            some += named.len();
        }
    }
    assert!(some > 30, "{some}");
}

/// Of the scopes of one requirement a key needs all, of several requirements one will do.
#[tokio::test]
async fn a_key_with_one_of_the_requirements_is_let_in() {
    let world = house().await;
    let mut tried = 0;
    for (method, path, operation) in operations(&world.anyone()).await {
        // A million codes are too many for a test.
        if !keyed(&operation) || takes_json(&operation) || path.contains("/codes") {
            continue;
        }
        for way in operation["security"].as_array().expect("every operation says who may") {
            let scopes = way["key"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let scopes: Vec<_> = scopes.collect();
            // Of files each kind has a scope of its own, and this path is that of packs.
            if path.contains("/import/") && scopes != ["produce"] {
                assert!(scopes == ["master"] || scopes == ["ship"], "{scopes:?}");
                continue;
            }
            let key = world.client(&scopes.join(",")).await;
            let reply = key.send(&method, &path, "text/csv", "").await;
            assert_ne!(reply.status, 403, "{method} {path} by {scopes:?}: {}", reply.text);
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    let document = world.anyone().get("/api/openapi.json").await.json;
    let changes = &document["paths"]["/api/v1/units/changes"]["post"];
    assert_eq!(changes["security"], json!([{"key": ["lifecycle"]}, {"key": ["produce"]}]));
    for (scope, change) in [("lifecycle", "report_stolen"), ("produce", "inspect")] {
        let body = json!({"change": change, "units": ["SN0001"], "reason": "seen",
            "inspection": (change == "inspect").then_some("pass")});
        let key = world.client(scope).await;
        key.post("/api/v1/units/changes", &body).await.expect(StatusCode::OK);
    }
}

/// Where every subject is refused the status is that of the first refusal, and all are answered.
#[tokio::test]
async fn receipts_answer_problems_and_results() {
    let world = house().await;
    let document = world.anyone().get("/api/openapi.json").await.json;
    let responses = &document["paths"]["/api/v1/receipts"]["post"]["responses"];
    for status in ["400", "403", "404", "409"] {
        let content = &responses[status]["content"];
        let name = content["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
        assert!(name.ends_with("/ReceiptReply"), "{status}: {content}");
        let problem = content.get("application/problem+json").is_some();
        assert_eq!(problem, status != "409", "{status}: {content}");
    }
    let all = world.client("all").await;
    let body = json!({"party_code": "T1", "subjects": ["NOSUCH1"]});
    let reply = all.post("/api/v1/receipts", &body).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json["results"][0]["problem"]["code"], "unknown_subject", "{}", reply.text);
}
