//! The story of one small brand, told by its own import files: every row that must be refused is,
//! every other is taken, the same files again change nothing, and its activations are weighed as
//! expected. The same on SQLite and on PostgreSQL.

use dossier::clock::Clock;
use dossier::files::{Kind, Table};
use dossier::flows::activate::{Activated, Report, Signals, activate};
use dossier::flows::caller::{Caller, Scope};
use dossier::flows::house::{House, Settings};
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{ImportReport, Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::outcome::RowOutcome;
use dossier::geo::{Geo, GeoPaths};
use dossier::secrets::MasterKey;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use store::engine::{SqliteOptions, Target};
use testkit::Postgres;

const ORDER: [Kind; 6] = [
    Kind::Parties,
    Kind::Products,
    Kind::Territories,
    Kind::Production,
    Kind::Packs,
    Kind::Shipments,
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).expect("a fixture")
}

async fn house(target: &Target) -> House {
    let master = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
    let geo = Arc::new(Geo::load(&GeoPaths::default()).expect("the shipped geodata"));
    let now = "2026-06-05T00:00:00+08:00".parse().expect("an instant");
    let clock = Clock::simulated(now);
    House::open(target, master, clock, geo, Settings::default()).await.expect("a house")
}

/// Records refused, with their reasons, by file.
type Refused = BTreeMap<(String, usize), String>;

async fn import_all(house: &House, refused: &mut Refused) -> Vec<ImportReport> {
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
        reports.push(report);
        for (record, why) in seen.into_inner().expect("no panic") {
            refused.insert((name.clone(), record), why);
        }
    }
    reports
}

/// The refusal each row must meet, by file and record.
fn expected_refusals() -> Refused {
    let text = read("expected_errors.csv");
    let row = |line: &str| {
        let mut cells = line.splitn(4, ',');
        let file = cells.next()?.to_owned();
        let record = cells.next()?.parse().ok()?;
        Some(((file, record), cells.next()?.to_owned()))
    };
    text.lines().skip(1).filter_map(row).collect()
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
    Answer { status: if outcome.first { 201 } else { 200 }, reply }
}

async fn activations(house: &House) {
    let operator = operator(house, None).await.expect("an operator");
    let caller = Caller { scopes: vec![Scope::All], ..operator };
    let mut lines: BTreeMap<String, Value> = BTreeMap::new();
    for line in read("activations.ndjson").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        lines.insert(line["key"].as_str().expect("a key").to_owned(), line);
    }
    let mut wrong = Vec::new();
    for row in read("expected_activations.csv").lines().skip(1) {
        let cells: Vec<_> = row.splitn(5, ',').collect();
        let [key, grades, findings, first, _why] = cells[..] else { panic!("{row}") };
        let report = report(&lines[key]);
        let answer = activate(house, Some(&caller), &report, None, &render).await;
        let answer = answer.expect("an activation is never refused");
        let got: Vec<_> = answer.reply.splitn(3, ',').collect();
        let found: BTreeSet<_> = got[2].split('|').filter(|f| !f.is_empty()).collect();
        let wanted: BTreeSet<_> = findings.split('|').filter(|f| !f.is_empty()).collect();
        let outside = found.contains("outside_territory");
        let outside_ok = outside == matches!(got[0], "observe" | "suspect" | "likely");
        let fits = grades.split('|').any(|g| g == got[0])
            && wanted.is_subset(&found)
            && got[1] == first
            && outside_ok;
        if !fits {
            wrong.push(format!("{row}\n    got {}", answer.reply));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn story(target: Target) {
    let house = house(&target).await;
    let mut refused = Refused::new();
    let first = import_all(&house, &mut refused).await;
    let expected = expected_refusals();
    let keys = |map: &Refused| -> BTreeSet<_> { map.keys().cloned().collect() };
    assert_eq!(keys(&refused), keys(&expected), "refused: {refused:#?}");
    for (row, code) in &expected {
        assert!(refused[row].contains(code.as_str()), "{row:?}: {code} in {}", refused[row]);
    }
    let mut again = Refused::new();
    let second = import_all(&house, &mut again).await;
    assert_eq!(keys(&again), keys(&expected), "refused the second time: {again:#?}");
    for (one, two) in first.iter().zip(&second) {
        assert_eq!(two.taken, 0, "the second time nothing is taken");
        assert_eq!(two.unchanged, one.taken + one.unchanged);
        assert_eq!(two.refused, one.refused);
    }
    activations(&house).await;
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
