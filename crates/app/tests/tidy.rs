//! House rules, as a test. Each names the rule it keeps; `CONTRIBUTING.md` says why.

use std::path::{Path, PathBuf};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files_below(dir: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | ".git" | "vendor") {
                files_below(&path, endings, found);
            }
        } else if endings.iter().any(|e| name.ends_with(e)) {
            found.push(path);
        }
    }
}

/// Rust sources with their text, paths from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_below(&root().join("crates"), &[".rs"], &mut found);
    assert!(found.len() > 50, "the walk found only {} files", found.len());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a readable source");
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        (name, text)
    };
    found.into_iter().map(read).collect()
}

/// The part of a file before its tests.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

fn offenders(check: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    sources().iter().filter_map(|(name, text)| check(name, text)).collect()
}

fn none(offenders: Vec<String>) {
    assert!(offenders.is_empty(), "\n{}", offenders.join("\n"));
}

#[test]
fn lines_are_at_most_100_characters() {
    none(offenders(|name, text| {
        let long = |l: &&str| l.chars().count() > LINE_CHARS_MAX && !l.contains("http");
        let line = text.lines().position(|l| long(&l))?;
        Some(format!("{name}:{}", line + 1))
    }));
}

#[test]
fn files_are_at_most_600_lines() {
    none(offenders(|name, text| {
        let lines = text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{name}: {lines} lines"))
    }));
}

#[test]
fn every_file_says_what_it_decides() {
    none(offenders(|name, text| {
        (!text.starts_with("//!")).then(|| format!("{name} opens without a `//!` sentence"))
    }));
}

#[test]
fn nothing_is_left_half_done() {
    let marks = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "#[ignore"];
    none(offenders(|name, text| {
        if name.ends_with("tidy.rs") {
            return None;
        }
        let mark = marks.iter().find(|m| text.contains(**m))?;
        Some(format!("{name} holds {mark}"))
    }));
}

#[test]
fn only_the_store_knows_sql() {
    let words = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"];
    none(offenders(|name, text| {
        let allowed = name.contains("crates/store/")
            || name.contains("/tests/")
            || name.contains("crates/testkit/")
            || name.contains("/bench/");
        let word = words.iter().find(|w| shipped(text).contains(&format!("\"{w}")))?;
        (!allowed).then(|| format!("{name} holds {word}"))
    }));
}

#[test]
fn one_file_each_reads_the_clock_and_the_environment_exits_and_nobody_is_called() {
    let rules: [(&str, &[&str]); 4] = [
        ("Timestamp::now(", &["crates/app/src/clock.rs", "crates/testkit/"]),
        ("env::var", &["crates/app/src/config.rs", "crates/testkit/", "/tests/"]),
        ("process::exit", &["crates/app/src/main.rs", "crates/app/src/cli", "/tests/"]),
        // One file calls others, and asks first whether their addresses are public: a server that
        // strangers could send anywhere would be sent to the machines behind it.
        (
            "TcpStream::connect",
            &["crates/app/src/outbound.rs", "crates/app/src/bench", "crates/testkit/", "/tests/"],
        ),
    ];
    none(offenders(|name, text| {
        let shipped = shipped(text);
        let broken = |(word, rooms): &&(&str, &[&str])| {
            shipped.contains(word) && !rooms.iter().any(|room| name.contains(room))
        };
        let (word, _) = rules.iter().find(broken)?;
        let test_only = name.ends_with("tests.rs") || name.ends_with("tidy.rs");
        (!test_only).then(|| format!("{name} holds {word}"))
    }));
}

#[test]
fn pages_and_api_never_call_the_store() {
    none(offenders(|name, text| {
        let above = name.contains("/src/api/") || name.contains("/src/pages/");
        let calls = shipped(text).contains(".store.") || shipped(text).contains("Store::");
        (above && calls).then(|| format!("{name} calls the store; go through flows"))
    }));
}

#[test]
fn flows_know_no_web_type() {
    none(offenders(|name, text| {
        let web = ["axum::", "http::", "askama"].iter().find(|w| shipped(text).contains(**w))?;
        name.contains("/src/flows/").then(|| format!("{name} holds {web}"))
    }));
}

#[test]
fn domain_and_detect_touch_nothing_outside() {
    let words = ["serde", "tokio", "std::fs", "std::net", "std::time", "async fn"];
    none(offenders(|name, text| {
        let pure = name.starts_with("crates/domain/src") || name.starts_with("crates/detect/src");
        let word = words.iter().find(|w| shipped(text).contains(**w))?;
        let mention = shipped(text).lines().filter(|l| l.contains(word)).all(|l| {
            let line = l.trim_start();
            line.starts_with("//") || line.starts_with("#[cfg(test)]")
        });
        (pure && !mention).then(|| format!("{name} holds {word}"))
    }));
}

#[test]
fn every_refusal_has_its_row_in_the_api_document() {
    let text = std::fs::read_to_string(root().join("docs/api.md")).expect("docs/api.md");
    let missing: Vec<_> = domain::refusal::Refusal::ALL
        .iter()
        .map(|r| format!("| `{}`", r.code()))
        .filter(|row| !text.contains(row.as_str()))
        .collect();
    none(missing);
}

#[test]
fn every_migration_has_its_twin() {
    let names = |engine: &str| {
        let dir = root().join("crates/store/migrations").join(engine);
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .expect("a folder of migrations")
            .flatten()
            .map(|e| e.file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

#[test]
fn no_machine_path_and_no_registry_host_is_committed() {
    let mut found = Vec::new();
    let endings = [".rs", ".md", ".toml", ".json", ".mjs", ".sql", ".csv", ".html", "check", "run"];
    files_below(&root(), &endings, &mut found);
    let bad = ["/work/main", "/work/shared", "../shared", "registry.npmjs.org", "/tmp/target-"];
    let offends = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let word = bad.iter().find(|b| text.contains(**b))?;
        (!path.ends_with("tidy.rs")).then(|| format!("{} holds {word}", path.display()))
    };
    none(found.iter().filter_map(offends).collect());
}

#[test]
fn vendored_files_are_what_their_lists_say() {
    use sha2::{Digest, Sha256};
    let mut lists = Vec::new();
    let mut found = Vec::new();
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target" && n != ".git") {
                walk(&path, found);
            } else if path.file_name().is_some_and(|n| n == "SHA256SUMS") {
                found.push(path);
            }
        }
    }
    walk(&root().join("crates"), &mut lists);
    assert!(!lists.is_empty(), "no SHA256SUMS found");
    for list in lists {
        let dir = list.parent().expect("a folder");
        for line in std::fs::read_to_string(&list).expect("a list").lines() {
            let Some((sum, name)) = line.split_once("  ") else { continue };
            let bytes = std::fs::read(dir.join(name)).unwrap_or_default();
            let digest: String =
                Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            if digest != sum {
                found.push(format!("{} / {name}", list.display()));
            }
        }
    }
    none(found);
}
