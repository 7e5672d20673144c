//! `dossier bench`: every row can be measured, and one that cannot takes no other with it. How fast
//! anything is no test asserts.

use dossier::bench::NAMES;
use std::process::Command;
use tempfile::TempDir;

/// What needs a served store.
const SERVED: [&str; 3] = ["verify", "start", "memory"];

/// How a bench at the least size ended, the rows of its table cell by cell, and what it told.
fn bench(args: &[&str]) -> (Option<i32>, Vec<Vec<String>>, String) {
    let room = TempDir::new().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dossier"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOSSIER_")) {
        command.env_remove(name);
    }
    command.args(["bench", "--tiny"]).args(args).env("TMPDIR", room.path());
    let done = command.output().expect("it runs");
    let left = std::fs::read_dir(room.path()).expect("it is there").count();
    assert_eq!(left, 0, "it leaves nothing behind");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let table = text(done.stdout).lines().skip(2).map(cells).collect();
    (done.status.code(), table, text(done.stderr))
}

/// Every name has a row, and every row has figures.
fn measured(names: &[&str], rows: &[Vec<String>]) {
    for name in names {
        let start = format!("{name}: ");
        assert!(rows.iter().any(|row| row[0].starts_with(&start)), "{name}: {rows:#?}");
    }
    for row in rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let has_figures = |cell: &String| cell.chars().any(|c| c.is_ascii_digit());
        assert!(row[1..=2].iter().all(has_figures), "{row:?}");
        assert!(row[3].parse().is_ok_and(f64::is_finite), "{row:?}");
    }
}

#[test]
fn every_row_of_a_served_store_is_measured() {
    let (code, rows, told) = bench(&["--only", "verify"]);
    assert_eq!(code, Some(0), "{told}");
    measured(&SERVED, &rows);
}

#[test]
fn a_row_that_cannot_be_measured_takes_no_other_with_it() {
    let room = TempDir::new().expect("a temporary folder");
    // No store can be kept in a file.
    let file = room.path().join("file");
    std::fs::write(&file, "").expect("it is written");
    let (code, rows, told) = bench(&["--keep", file.to_str().expect("a name")]);
    assert_eq!(code, Some(1), "{told}");
    let failed = told.lines().last().unwrap_or_default();
    assert!(failed.starts_with("dossier: not measured: verify: "), "{told}");
    let others: Vec<_> = NAMES.into_iter().filter(|name| !SERVED.contains(name)).collect();
    measured(&others, &rows);
    assert!(!rows.iter().any(|row| row[0].starts_with("verify")), "{rows:#?}");
}
