//! Two serving processes on one PostgreSQL, spoken to in turns as a brand's server would: what one
//! of them was told, the other knows.

#![allow(clippy::disallowed_methods, reason = "tests are told what to do by variables")]

use crate::common::server::{Client, Place, Reply, Server};
use crate::expected::{Counts, ORDER, Refused, Weighed, activations, read};
use crate::expected::{nothing_new, refused_as_expected};
use serde_json::{Value, json};
use store::engine::Target;
use tempfile::TempDir;
use testkit::{FreshSchema, Postgres};

/// How `deploy/citus.sql` spreads the tables.
const CITUS: &str = include_str!("../../../../deploy/citus.sql");

/// The brand itself must be there before anybody can have a key of it.
fn found_brand(place: &Place, scratch: &TempDir) {
    let parties = read("parties.csv");
    let brand: Vec<_> = parties.lines().take(2).collect();
    let file = scratch.path().join("brand.csv");
    std::fs::write(&file, brand.join("\n")).expect("a file");
    place.run(&["import", "parties", file.to_str().expect("a name")]);
}

fn counts(summary: &Value) -> Counts {
    assert_eq!(summary["complete"], true, "{summary}");
    let count = |name: &str| summary[name].as_u64().expect("a count");
    Counts { taken: count("taken"), unchanged: count("unchanged"), refused: count("refused") }
}

/// Sends every file, the first to node `turn`, the next to the other, and so on.
fn import_all(nodes: &[Client; 2], turn: usize, refused: &mut Refused) -> Vec<Counts> {
    let import = |(i, kind): (usize, _)| {
        let name = format!("{kind}.csv");
        let reply = nodes[(turn + i) % 2].import(&format!("{kind}"), &read(&name));
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
        let mut lines = reply.lines();
        let summary = lines.pop().expect("a summary");
        for line in lines.iter().filter(|line| line["outcome"] == "refused") {
            let record = line["record"].as_u64().expect("a record") as usize;
            refused.insert((name.clone(), record), line["problems"].to_string());
        }
        counts(&summary["summary"])
    };
    ORDER.into_iter().enumerate().map(import).collect()
}

fn weighed(reply: &Reply) -> Weighed {
    let answer = reply.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = answer["findings"].as_array().expect("a list of findings");
    Weighed {
        grade: text(&answer["location"]["grade"]),
        first: reply.status == 201 && answer["first"] == true,
        findings: findings.iter().map(|f| text(&f["kind"])).collect(),
    }
}

/// Each activation on one node, then the same request again on the other: the same answer.
fn start_all(nodes: &[Client; 2]) {
    let mut wrong = Vec::new();
    for (i, expected) in activations().iter().enumerate() {
        let key =
            format!("idempotency-key: {}\r\n", expected.request["key"].as_str().expect("one"));
        let mut body = expected.request.clone();
        body.as_object_mut().expect("an object").remove("key");
        let [one, other] = [i, i + 1].map(|n| &nodes[n % 2]);
        let first = one.post("/api/v1/activations", &body, &key);
        assert!(matches!(first.status, 200 | 201), "{body}: {first:?}");
        wrong.extend(expected.judge(&weighed(&first)));
        let again = other.post("/api/v1/activations", &body, &key);
        assert_eq!((again.status, again.json()), (first.status, first.json()), "{body}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What one node recorded is what the other answers with.
fn both_verify(nodes: &[Client; 2]) {
    let started = activations();
    let named = started.iter().map(|e| json!({ "value": e.request["identifier"]["value"] }));
    let body = json!({ "items": named.collect::<Vec<_>>() });
    let [one, other] = nodes.each_ref().map(|node| node.post("/api/v1/verify", &body, ""));
    assert_eq!(one.status, 200, "{}", one.text);
    assert_eq!(one.json(), other.json());
}

fn story(place: &Place, scratch: &TempDir) {
    found_brand(place, scratch);
    let token = place.key();
    let nodes = [Server::start(place), Server::start(place)];
    let clients = nodes.each_ref().map(|node| node.client(&token));
    let mut refused = Refused::new();
    let first = import_all(&clients, 0, &mut refused);
    refused_as_expected(&refused);
    let mut again = Refused::new();
    let second = import_all(&clients, 1, &mut again);
    refused_as_expected(&again);
    nothing_new(&first, &second);
    start_all(&clients);
    both_verify(&clients);
    drop(nodes);
    place.agrees();
}

/// Only a coordinator over workers shows that the story is true there: without one this says so,
/// and the distribution counts as untested.
#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_brand_on_two_nodes_over_citus() {
    let Ok(url) = std::env::var("DOSSIER_CITUS_URL") else {
        eprintln!("DOSSIER_CITUS_URL is not set: the story was not told on Citus");
        return;
    };
    over_many(&url, CITUS).await;
}

/// On one plain server, in the same way, so that what leads up to Citus is tried always.
#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_brand_on_two_nodes() {
    let url = Postgres::shared().fresh_database().await;
    over_many(&url, "").await;
}

async fn over_many(url: &str, distribution: &str) {
    let schema = FreshSchema::create(url).await;
    let scratch = TempDir::new().expect("a temporary folder");
    let target = Target::Postgres { url: schema.url.clone() };
    drop(crate::common::open(&target, dossier::clock::Clock::System).await);
    testkit::execute(&schema.url, distribution).await;
    story(&Place::new(&target, scratch.path()), &scratch);
    schema.remove().await;
}
