//! One house in this process, through the flows.

use crate::expected::{Counts, Expected, ORDER, Refused, Weighed, activations, fixture};
use crate::expected::{nothing_new, refused_as_expected};
use dossier::clock::Clock;
use dossier::files::Table;
use dossier::flows::activate::{Activated, Report, Signals, activate};
use dossier::flows::caller::{Caller, Scope};
use dossier::flows::house::{House, Settings};
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::outcome::RowOutcome;
use dossier::geo::{Geo, GeoPaths};
use dossier::secrets::MasterKey;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use store::engine::{SqliteOptions, Target};
use testkit::Postgres;

async fn house(target: &Target) -> House {
    let master = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
    let geo = Arc::new(Geo::load(&GeoPaths::default()).expect("the shipped geodata"));
    let now = "2026-06-05T00:00:00+08:00".parse().expect("an instant");
    let clock = Clock::simulated(now);
    House::open(target, master, clock, geo, Settings::default()).await.expect("a house")
}

async fn import_all(house: &House, refused: &mut Refused) -> Vec<Counts> {
    let mut reports = Vec::new();
    for kind in ORDER {
        let name = format!("{kind}.csv");
        let mut table = Table::from_path(kind, &fixture(&name)).expect("a readable file");
        let seen = Mutex::new(Vec::new());
        let mut on_row = |row: &dossier::files::RawRow, outcome: &RowOutcome| {
            if let RowOutcome::Refused(why) = outcome {
                let why: Vec<_> = why.iter().map(|r| format!("{} {r}", r.refusal.code())).collect();
                seen.lock().expect("no panic").push((row.record, why.join("; ")));
            }
        };
        let report =
            import(house, Importer::Operator(None), &mut table, Taking::default(), &mut on_row)
                .await
                .expect("an import");
        let (taken, unchanged, refused_count) = (report.taken, report.unchanged, report.refused);
        reports.push(Counts { taken, unchanged, refused: refused_count });
        for (record, why) in seen.into_inner().expect("no panic") {
            refused.insert((name.clone(), record), why);
        }
    }
    reports
}

fn report(line: &Value) -> Report {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let signals = &line["signals"];
    let gps = &signals["gps"];
    let gps = gps["lat"].as_f64().map(|lat| {
        let attested = gps["attested"].as_bool().unwrap_or(false);
        let radius = gps["radius_m"].as_f64().unwrap_or(0.0);
        (lat, gps["lon"].as_f64().unwrap_or(0.0), radius, attested)
    });
    let at: jiff::Timestamp = line["happened_at"].as_str().expect("a time").parse().expect("one");
    Report {
        scheme: line["identifier"]["scheme"].as_str().expect("a scheme").to_owned(),
        value: line["identifier"]["value"].as_str().expect("a value").to_owned(),
        happened_at: at.as_microsecond(),
        offset_minutes: 480,
        fingerprint: text(&line["device_fingerprint"]),
        signals: Signals {
            attestation: None,
            ip: signals["ip"].as_str().and_then(|ip| ip.parse().ok()),
            serving_mcc: text(&signals["serving_mcc"]),
            sim_mcc: text(&signals["sim_mcc"]),
            gps,
            store_code: text(&signals["store_code"]),
            shipping_region: text(&signals["shipping_region"]),
            access: text(&signals["access"]),
            time_zone: text(&signals["time_zone"]),
        },
    }
}

fn render(outcome: &Activated) -> Answer {
    let kinds: Vec<_> = outcome.findings.iter().map(|f| f.kind.as_str()).collect();
    let grade = outcome.assessment.grade.as_str();
    let reply = format!("{grade},{},{}", outcome.first, kinds.join("|"));
    Answer::new(if outcome.first { 201 } else { 200 }, reply)
}

async fn started(house: &House) {
    let operator = operator(house, None).await.expect("an operator");
    let caller = Caller { scopes: vec![Scope::All], ..operator };
    let mut wrong = Vec::new();
    for expected in &activations() {
        let report = report(&expected.request);
        let answer = activate(house, Some(&caller), &report, None, &render).await;
        wrong.extend(judged(expected, &answer.expect("an activation is never refused")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judged(expected: &Expected, answer: &Answer) -> Option<String> {
    let got: Vec<_> = answer.reply.splitn(3, ',').collect();
    let kinds = got[2].split('|').filter(|kind| !kind.is_empty());
    expected.judge(&Weighed {
        grade: got[0].to_owned(),
        first: got[1] == "true",
        findings: kinds.map(str::to_owned).collect(),
    })
}

async fn story(target: Target) {
    let house = house(&target).await;
    let mut refused = Refused::new();
    let first = import_all(&house, &mut refused).await;
    refused_as_expected(&refused);
    let mut again = Refused::new();
    let second = import_all(&house, &mut again).await;
    refused_as_expected(&again);
    nothing_new(&first, &second);
    started(&house).await;
    house.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_brand_on_sqlite() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = SqliteOptions::default();
    story(Target::Sqlite { dir: dir.path().to_owned(), options }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_brand_on_postgresql() {
    let url = Postgres::shared().fresh_database().await;
    story(Target::Postgres { url }).await;
}
