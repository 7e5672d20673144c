//! The brand's files, and what must become of them, whoever takes them.

use dossier::files::Kind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The order of a new brand.
pub const ORDER: [Kind; 6] = [
    Kind::Parties,
    Kind::Products,
    Kind::Territories,
    Kind::Production,
    Kind::Packs,
    Kind::Shipments,
];

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn read(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).expect("a fixture")
}

/// Records refused, with their reasons, by file.
pub type Refused = BTreeMap<(String, usize), String>;

/// How one file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub taken: u64,
    pub unchanged: u64,
    pub refused: u64,
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

/// Every row that must be refused is, for its reason, and no other.
pub fn refused_as_expected(refused: &Refused) {
    let expected = expected_refusals();
    let keys = |map: &Refused| -> BTreeSet<_> { map.keys().cloned().collect() };
    assert_eq!(keys(refused), keys(&expected), "refused: {refused:#?}");
    for (row, code) in &expected {
        assert!(refused[row].contains(code.as_str()), "{row:?}: {code} in {}", refused[row]);
    }
}

/// The same files again change nothing.
pub fn nothing_new(first: &[Counts], second: &[Counts]) {
    for (one, two) in first.iter().zip(second) {
        assert_eq!(two.taken, 0, "the second time nothing is taken");
        assert_eq!(two.unchanged, one.taken + one.unchanged);
        assert_eq!(two.refused, one.refused);
    }
}

/// How an activation was weighed.
#[derive(Debug)]
pub struct Weighed {
    pub grade: String,
    pub first: bool,
    pub findings: BTreeSet<String>,
}

/// One activation: the request as the brand's server sends it, and what must be found.
pub struct Expected {
    pub request: Value,
    row: String,
}

impl Expected {
    /// What does not fit, if anything.
    pub fn judge(&self, got: &Weighed) -> Option<String> {
        let cells: Vec<_> = self.row.splitn(5, ',').collect();
        let [_key, grades, findings, first, _why] = cells[..] else { panic!("{}", self.row) };
        let mut wanted = findings.split('|').filter(|f| !f.is_empty());
        let outside = got.findings.contains("outside_territory");
        let outside_ok = outside == matches!(&*got.grade, "observe" | "suspect" | "likely");
        let fits = grades.split('|').any(|g| g == got.grade)
            && wanted.all(|kind| got.findings.contains(kind))
            && got.first.to_string() == first
            && outside_ok;
        (!fits).then(|| format!("{}\n    got {got:?}", self.row))
    }
}

/// The activations, in the order in which they happen.
pub fn activations() -> Vec<Expected> {
    let mut requests: BTreeMap<String, Value> = BTreeMap::new();
    for line in read("activations.ndjson").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        requests.insert(line["key"].as_str().expect("a key").to_owned(), line);
    }
    let rows = read("expected_activations.csv");
    let of_row = |row: &str| {
        let key = row.split(',').next().unwrap_or_default();
        Expected { request: requests[key].clone(), row: row.to_owned() }
    };
    rows.lines().skip(1).map(of_row).collect()
}
