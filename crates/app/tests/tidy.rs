//! House rules, as a test. Each names the rule it keeps; `CONTRIBUTING.md` says why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;
/// Besides `self`.
const PARAMETERS_MAX: usize = 5;

/// A file, or a folder with a stroke at its end, and why it may do what others may not.
type Room = (&'static str, &'static str);

/// Functions with a parameter more.
const SIX: [(&str, &str, &str); 5] = [
    ("crates/app/src/api/bulk.rs", "import_file", "each is an extractor of the framework"),
    ("crates/app/src/flows/activate/record.rs", "event", "all an event is made of, once"),
    ("crates/app/src/flows/lifecycle.rs", "move_identifier", "what, whose, which way and why"),
    ("crates/app/src/flows/ship.rs", "receive", "who says what of what, when, with which note"),
    ("crates/app/src/pages/handlers/proof.rs", "answer", "all a page is made of, once"),
];

/// What a statement begins with, a further word behind it.
const STATEMENTS: [&str; 18] = [
    "ALTER", "ANALYZE", "ATTACH", "COPY", "CREATE", "DELETE", "DROP", "EXPLAIN", "INSERT", "LOCK",
    "MERGE", "PRAGMA", "REINDEX", "SELECT", "TRUNCATE", "UPDATE", "VACUUM", "WITH",
];
const SQL: [Room; 5] = [
    ("crates/store/", "the only crate that knows it"),
    ("crates/testkit/", "it makes servers and databases, and knows no table of ours"),
    ("crates/app/src/bench/activation.rs", "the bare engine writes what ours wrote"),
    ("crates/app/src/bench/import.rs", "the bare engine writes what ours wrote"),
    ("crates/app/tests/", "some damage what stands in a table"),
];

/// What is done in some places only: by which words, and where.
const DOORS: [(&str, &[Room]); 8] = [
    ("Timestamp::now(", &[("crates/app/src/clock.rs", "it is the clock")]),
    ("Zoned::now(", &[]),
    (
        "SystemTime::now(",
        &[
            ("crates/store/src/engine/pg_migrate.rs", "a lease between processes needs the time"),
            ("crates/testkit/", "how old is what earlier runs left"),
        ],
    ),
    (
        "Instant::now(",
        &[
            ("crates/app/src/clock.rs", "the stopwatch, for what is measured and not decided"),
            ("crates/store/src/engine/lite.rs", "how long ago others were heard of"),
            ("crates/store/src/engine/pg.rs", "how long ago the server was gone"),
            ("crates/testkit/", "how long a server may take to start"),
        ],
    ),
    (
        "Uuid::now_v7(",
        &[
            ("crates/app/src/flows/house.rs", "chance where the system gives none"),
            ("crates/store/src/glance/slots.rs", "the name of a file"),
            ("crates/store/src/rebuild.rs", "the name of a folder"),
        ],
    ),
    (
        "env::var",
        &[
            ("crates/app/src/config.rs", "it is the configuration"),
            ("crates/testkit/", "where PostgreSQL is"),
            ("crates/app/tests/", "tests are told what to do by variables"),
        ],
    ),
    ("process::exit", &[]),
    // A server that strangers could send anywhere would be sent to the machines behind it.
    (
        "TcpStream::connect",
        &[
            ("crates/app/src/outbound.rs", "asks first whether addresses are public"),
            ("crates/app/src/bench/", "asks a server of its own"),
            ("crates/app/tests/", "ask servers of their own"),
        ],
    ),
];

/// The rooms of the program that nothing below them knows.
const UPPER: [&str; 7] = ["api", "bench", "cli", "faults", "jobs", "pages", "world"];
/// Which of them know which others, as ARCHITECTURE.md draws it.
const ARROWS: [(&str, &[&str]); 3] = [
    ("api", &["jobs", "pages"]),
    ("bench", &["api"]),
    ("cli", &["api", "bench", "faults", "pages", "world"]),
];

/// Who calls the store beside the flows, but to close it.
const STORE_CALLERS: [Room; 6] = [
    ("crates/app/src/bench/", "baselines are made with the bare engine"),
    ("crates/app/src/cli/backup.rs", "keys come back into a store that no house opens"),
    ("crates/app/src/cli/rebuild.rs", "a rebuild asks no rule"),
    ("crates/app/src/faults.rs", "the judge looks past the flows"),
    ("crates/app/src/jobs.rs", "the store learns its units by heart by itself"),
    ("crates/app/src/world/year.rs", "a simulated year works off the outbox as it goes"),
];

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

/// Whether a path is that of a room, or in it.
fn is_in(name: &str, (room, _): &Room) -> bool {
    if room.ends_with('/') { name.starts_with(*room) } else { name == *room }
}

/// Whoever does it outside its rooms, and rooms in which nobody does.
fn strays(rooms: &[Room], does: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for (name, text) in sources() {
        // This file names what it looks for.
        if name.ends_with("tests/tidy.rs") {
            continue;
        }
        let Some(what) = does(&name, &text) else { continue };
        if let Some(room) = rooms.iter().position(|room| is_in(&name, room)) {
            used.insert(room);
        } else if !name.ends_with("tests.rs") {
            found.push(format!("{name} holds {what}"));
        }
    }
    let unused = (0..rooms.len()).filter(|room| !used.contains(room));
    found.extend(unused.map(|room| format!("{} need not be listed", rooms[room].0)));
    found
}

/// The string literals of a source as they are written, comments left out.
fn literals(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let find = |from: usize, what: &[u8]| {
        let mut windows = bytes[from..].windows(what.len());
        windows.position(|found| found == what).map_or(bytes.len(), |n| from + n)
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            at = find(at, b"\n");
        } else if rest.starts_with(b"'\"'") {
            at += 3;
        } else if rest.starts_with(b"'\\\"'") {
            at += 4;
        } else if rest.starts_with(b"r#\"") {
            let end = find(at + 3, b"\"#");
            found.push(&text[at + 3..end]);
            at = end + 2;
        } else if bytes[at] == b'"' {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            found.push(&text[at + 1..end.min(bytes.len())]);
            at = end + 1;
        } else {
            at += 1;
        }
    }
    found
}

fn is_statement(literal: &str) -> bool {
    let plain = literal.replace("\\n", " ").replace(['\\', '(', ';'], " ");
    let mut words = plain.split_whitespace();
    words.next().is_some_and(|word| STATEMENTS.contains(&word)) && words.next().is_some()
}

#[test]
fn only_the_store_knows_sql() {
    let statement = |_: &str, text: &str| {
        let found = literals(shipped(text)).into_iter().find(|literal| is_statement(literal))?;
        Some(found.chars().take(60).collect::<String>())
    };
    none(strays(&SQL, statement));
    let seen = literals(
        "f(\"\\n  WITH a AS (SELECT 1)\"); // \"DROP TABLE x\"\n'\"' r#\"PRAGMA y\"# \"DELETE\"",
    );
    let seen: Vec<_> = seen.into_iter().map(is_statement).collect();
    assert_eq!(seen, [true, true, false]);
}

#[test]
fn one_file_each_reads_the_clock_and_the_environment_nobody_exits_and_one_calls_others() {
    for (word, rooms) in DOORS {
        let says = |_: &str, text: &str| shipped(text).contains(word).then(|| word.to_owned());
        none(strays(rooms, says));
    }
}

/// Whether a source uses a room of the program by its whole name.
fn uses(text: &str, room: &str) -> bool {
    let path = format!("crate::{room}");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(&path).any(|(at, _)| ends(&text[at + path.len()..]))
}

#[test]
fn every_arrow_between_rooms_is_drawn() {
    let mut seen = BTreeSet::new();
    for (name, text) in sources() {
        let Some(inside) = name.strip_prefix("crates/app/src/") else { continue };
        let room = inside.split(['/', '.']).next().unwrap_or_default();
        let text = shipped(&text);
        for other in UPPER.into_iter().filter(|other| *other != room && uses(text, other)) {
            seen.insert((room.to_owned(), other));
        }
    }
    let arrows: BTreeSet<_> = ARROWS
        .into_iter()
        .flat_map(|(room, others)| others.iter().map(move |other| (room.to_owned(), *other)))
        .collect();
    assert_eq!(seen, arrows, "left what there is, right what is drawn here");
}

#[test]
fn beside_the_flows_few_call_the_store() {
    let calls = |name: &str, text: &str| {
        let above = name.strip_prefix("crates/app/src/")?;
        let words: String = shipped(text).split_whitespace().collect();
        let words = words.replace(".store.close()", "");
        let calls = [".store.", "&house.store", "Store::open"];
        let call = calls.into_iter().find(|call| words.contains(call))?;
        (!above.starts_with("flows/")).then(|| call.to_owned())
    };
    none(strays(&STORE_CALLERS, calls));
}

/// How deep in brackets a text is behind a character; the head of an arrow is no bracket.
fn depth(depth: i32, before: char, c: char) -> i32 {
    match c {
        '(' | '[' | '{' | '<' => depth + 1,
        '>' if matches!(before, '-' | '=') => depth,
        ')' | ']' | '}' | '>' => depth - 1,
        _ => depth,
    }
}

/// What stands in the brackets that a text begins with, in parts between commas, and what follows.
fn bracketed(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut deep, mut before) = (0, ' ');
    let mut parts = vec![String::new()];
    for (at, c) in text.char_indices() {
        deep = depth(deep, before, c);
        before = c;
        match (deep, c) {
            (0, _) => return Some((parts, &text[at + c.len_utf8()..])),
            (1, ',') => parts.push(String::new()),
            _ if at > 0 => parts.last_mut()?.push(c),
            _ => {}
        }
    }
    None
}

/// The functions of a source, and how many parameters each has besides `self`.
fn functions(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.match_indices("fn ").filter_map(|(at, start)| {
        let head = &text[at + start.len()..];
        let (name, rest) =
            head.split_at(head.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(0));
        let rest = if rest.starts_with('<') { bracketed(rest)?.1 } else { rest };
        if name.is_empty() || !rest.starts_with('(') {
            return None;
        }
        let (parts, _) = bracketed(rest)?;
        let named = parts.iter().filter(|part| !part.trim().is_empty());
        let pattern = |part: &&String| part.split(':').next().unwrap_or_default().to_owned();
        let is_self = |part: &&String| pattern(part).split([' ', '&']).any(|word| word == "self");
        Some((name, named.filter(|part| !is_self(part)).count()))
    })
}

#[test]
fn functions_take_at_most_five_parameters() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        let many = functions(&text).filter(|(_, count)| *count > PARAMETERS_MAX);
        found.extend(many.map(|(function, count)| (name.clone(), function.to_owned(), count)));
    }
    found.sort();
    let listed = SIX.map(|(file, function, _)| (file.to_owned(), function.to_owned(), 6_usize));
    assert_eq!(found, listed, "left what there is, right what is listed above");
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
