//! Everything that is linked in stands under a licence that `deny.toml` allows, is none of those it
//! bans, and comes from the one registry. `cargo-deny` looks closer; this looks every time.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rules, and every package that is built for this system.
fn rules_and_packages() -> (toml::Table, Vec<Value>) {
    let rules = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &target])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = told["packages"].as_array().expect("packages").clone();
    assert!(packages.len() > 100, "{}", packages.len());
    (rules.parse().expect("TOML"), packages)
}

/// Whether an SPDX expression can be fulfilled: `OR` chooses, `AND` binds tighter.
fn fulfilled(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let spaced = spaced.replace(" WITH ", "+WITH+");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let fits = any(&mut rest, allowed);
    fits && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut fits = all(words, allowed);
    while let ["OR", rest @ ..] = words {
        *words = rest;
        fits |= all(words, allowed);
    }
    fits
}

fn all(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut fits = one(words, allowed);
    while let ["AND", rest @ ..] = words {
        *words = rest;
        fits &= one(words, allowed);
    }
    fits
}

fn one(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> bool {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let fits = any(words, allowed);
            let [")", rest @ ..] = words else { return false };
            *words = rest;
            fits
        }
        [name, rest @ ..] => {
            *words = rest;
            allowed(name)
        }
        [] => false,
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = |name: &str| ["MIT", "ISC"].contains(&name);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("GPL-3.0 OR MIT AND GPL-3.0", false),
        ("MIT WITH some-exception", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(fulfilled(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn everything_linked_in_is_allowed() {
    let (rules, packages) = rules_and_packages();
    let list = |table: &str, name: &str| rules[table][name].as_array().expect("a list").clone();
    let licences = list("licenses", "allow");
    let allowed = |name: &str| licences.iter().any(|allowed| allowed.as_str() == Some(name));
    let bans = list("bans", "deny");
    let mut wrong = Vec::new();
    let mut sources = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let licence = package["license"].as_str().unwrap_or_default();
        if !fulfilled(licence, &allowed) {
            wrong.push(format!("{name} is under {licence:?}"));
        }
        if bans.iter().any(|ban| ban["crate"].as_str() == Some(name)) {
            wrong.push(format!("{name} is banned"));
        }
        sources.extend(package["source"].as_str());
    }
    sources.sort_unstable();
    sources.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(sources.len() == 1 && sources[0].starts_with("registry+"), "{sources:?}");
}
