//! The targets of `fuzz/`, in every run of the tests: over their seeds, and over copies of them
//! that were damaged as a fuzzer would, without its instruments.

#[path = "../../../fuzz/targets.rs"]
mod targets;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::path::Path;

/// A damage done to a copy.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index, u8),
    Insert(Index, Vec<u8>),
    Repeat(Index, u8, u8),
    /// The head of this copy with the tail of that seed.
    Splice(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    // What means something to one of the readers, more often than chance would have it.
    let telling =
        prop::sample::select(b"\"',:;=+-@|/\\%\r\n\t\0 {}[]()<>&#09azAZ\xef\xbb\xbf\xff".to_vec());
    prop_oneof![
        (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), prop_oneof![telling.clone(), any::<u8>()]).prop_map(|(at, b)| Damage::Set(at, b)),
        (at(), 1u8..40).prop_map(|(at, count)| Damage::Cut(at, count)),
        (at(), prop::collection::vec(prop_oneof![telling, any::<u8>()], 1..12))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1u8..40, 1u8..20).prop_map(|(at, count, times)| Damage::Repeat(at, count, times)),
        (at(), at()).prop_map(|(at, seed)| Damage::Splice(at, seed)),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.push(0);
    }
    let len = bytes.len();
    match damage {
        Damage::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Damage::Set(at, byte) => bytes[at.index(len)] = *byte,
        Damage::Cut(at, count) => {
            let from = at.index(len);
            bytes.drain(from..len.min(from + usize::from(*count)));
        }
        Damage::Insert(at, more) => {
            let from = at.index(len);
            bytes.splice(from..from, more.iter().copied());
        }
        Damage::Repeat(at, count, times) => {
            let from = at.index(len);
            let part = bytes[from..len.min(from + usize::from(*count))].repeat(usize::from(*times));
            bytes.splice(from..from, part);
        }
        Damage::Splice(at, seed) => {
            bytes.truncate(at.index(len));
            let other = &seeds[seed.index(seeds.len())];
            bytes.extend_from_slice(&other[other.len() / 2..]);
        }
    }
}

/// Runs a target over its seeds and over this many damaged copies, always the same ones.
fn run(name: &str, cases: u32, target: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&dir).expect("the target has seeds");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let seeds: Vec<_> = files.iter().map(|f| std::fs::read(f).expect("a seed")).collect();
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    seeds.iter().for_each(|seed| target(seed));
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let damaged = (any::<Index>(), prop::collection::vec(damage(), 1..6));
    let told = TestRunner::new_with_rng(config, rng).run(&damaged, |(seed, damages)| {
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        damages.iter().for_each(|damage| apply(damage, &mut bytes, &seeds));
        target(&bytes);
        Ok(())
    });
    if let Err(failure) = told {
        panic!("{name}: {failure}");
    }
}

#[test]
fn trace_codes() {
    run("code", 20_000, targets::code);
}

#[test]
fn identifiers() {
    run("identifier", 20_000, targets::identifier);
}

#[test]
fn tables_of_text() {
    run("csv", 5_000, targets::csv);
}

#[test]
fn workbooks() {
    run("xlsx", 1_000, targets::xlsx);
}

#[test]
fn digital_links() {
    run("digital_link", 20_000, targets::digital_link);
}

#[test]
fn chains_of_proxies() {
    run("forwarded", 10_000, targets::forwarded);
}

#[test]
fn proof_bundles() {
    run("bundle", 1_000, targets::bundle);
}

#[test]
fn address_databases() {
    run("xdb", 500, targets::xdb);
}

/// Each target has its program, its seeds and its test here.
#[test]
fn every_target_is_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let here = include_str!("fuzz.rs");
    let entries = std::fs::read_dir(root.join("fuzz_targets")).expect("the programs");
    let mut count = 0;
    for entry in entries {
        let name = entry.expect("an entry").path();
        let name = name.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(here.contains(&format!("targets::{name})")), "{name} is not tried");
        assert!(root.join("corpus").join(&name).is_dir(), "{name} has no seeds");
        count += 1;
    }
    assert_eq!(count, 8);
}
