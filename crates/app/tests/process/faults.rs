//! Faults: the process killed, the server killed, the disk full, the store turned read-only. What
//! was acknowledged is there, once; what was refused was refused in words; reading goes on.

#![allow(clippy::disallowed_methods, reason = "tests are told what to do by variables")]

use crate::common::{FACTORY, PHONE, World, open, sns, start};
use dossier::clock::Clock;
use dossier::faults::{
    ACK, Goods, Place, Round, judge, kill_midway, kill_server_midway, load, one,
};
use dossier::flows::FlowError;
use dossier::flows::activate::{Activated, activate};
use dossier::flows::idempotency::Answer;
use std::process::Command;
use std::time::Duration;
use store::StoreError;
use store::engine::{Engine, SqliteOptions, Target, WriteError};
use tempfile::TempDir;
use testkit::Postgres;

const GOODS: Goods = Goods { gtin: PHONE, site: FACTORY, to: "T1-53" };

/// The folder a child process of this test works in.
const CHILD: &str = "DOSSIER_FAULT_CHILD";

fn rounds() -> u64 {
    std::env::var("DOSSIER_FAULT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

/// 100 to 500 milliseconds, the same in every run.
fn lifetime(round: u64) -> Duration {
    let mixed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Duration::from_millis(100 + mixed % 400)
}

/// Not a test by itself: what the killed process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (round, dir) = told.split_once(' ').expect("round and folder");
    let target = Target::Sqlite { dir: dir.into(), options: SqliteOptions::default() };
    let house = open(&target, Clock::System).await;
    let round = round.parse().expect("a number");
    let say = |line: &str| println!("\n{line}");
    load(&house, round, GOODS, say).await.expect("the load runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let scratch = TempDir::new().expect("a temporary folder");
    let dir = scratch.path().join("data");
    let target = Target::Sqlite { dir: dir.clone(), options: SqliteOptions::default() };
    let world = World::at(target.clone(), Clock::System, scratch).await;
    world.house.store.close().await;
    let World { house, scratch, .. } = world;
    drop(house);
    for round in 0..rounds() {
        let mut command = Command::new(std::env::current_exe().expect("this test has a program"));
        command.args(["faults::child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, format!("{round} {}", dir.display()));
        let acknowledged = kill_midway(&mut command, lifetime(round)).expect("the child works");
        assert!(!acknowledged.is_empty());
        let house = open(&target, Clock::System).await;
        let wrong = judge(&house, &acknowledged, scratch.path()).await.expect("it reads");
        assert!(wrong.is_empty(), "round {round}: {wrong:#?}");
        house.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    let server = Postgres::start_own();
    let target = Target::Postgres { url: server.fresh_database().await };
    let scratch = TempDir::new().expect("a temporary folder");
    let world = World::at(target.clone(), Clock::System, scratch).await;
    for number in 0..rounds() {
        let round = Round { number, goods: GOODS, lifetime: lifetime(number) };
        let house = open(&target, Clock::System).await;
        let acknowledged = kill_server_midway(house, &round, || server.kill()).await;
        tokio::task::block_in_place(|| server.start());
        let acknowledged = acknowledged.expect("the load works");
        let house = open(&target, Clock::System).await;
        let wrong = judge(&house, &acknowledged, world.scratch.path()).await.expect("it reads");
        assert!(!acknowledged.is_empty());
        assert!(wrong.is_empty(), "round {number}: {wrong:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_does_what_it_says_and_the_judge_misses_what_is_not_there() {
    let world = World::sqlite().await;
    let caller = world.caller().await;
    let said = std::sync::Mutex::new(Vec::new());
    let say = |line: &str| {
        let line = line.strip_prefix(ACK).expect("an acknowledgement").to_owned();
        said.lock().expect("nobody panicked").push(line);
    };
    let place = Place { round: 3, writer: 1, number: 0 };
    one(&world.house, &caller, GOODS, place, &say).await.expect("nothing is refused");
    let mut said = said.into_inner().expect("nobody panicked");
    let kinds: Vec<_> = said.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, ["made", "packed", "shipped", "activated", "minted"]);
    let wrong = judge(&world.house, &said, world.scratch.path()).await.expect("it reads");
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sscc = said[1].strip_prefix("packed ").expect("an SSCC").to_owned();
    said = ["made R9W9N9", "shipped 069000000000000007", "minted 999"].map(str::to_owned).into();
    said.push(format!("made {sscc}"));
    let wrong = judge(&world.house, &said, world.scratch.path()).await.expect("it reads");
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
}

/// Runs `bench faults` in a temporary folder of its own; returns how it ended and what is left.
fn bench_faults(more: &[&str], path: Option<&str>) -> (Option<i32>, Vec<std::ffi::OsString>) {
    use std::os::unix::fs::PermissionsExt;
    let room = TempDir::new().expect("a temporary folder");
    // The server does not run as root, and its folder is in here.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(room.path(), open).expect("the folder is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dossier"));
    command.args(["bench", "faults"]).args(more).env("TMPDIR", room.path());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let ended = command.output().expect("it runs");
    let left = std::fs::read_dir(room.path()).expect("it is there");
    (ended.status.code(), left.flatten().map(|entry| entry.file_name()).collect())
}

#[test]
fn the_bench_of_faults_leaves_nothing_behind() {
    assert_eq!(bench_faults(&["--rounds", "1"], None), (Some(0), Vec::new()));
    assert_eq!(bench_faults(&["--rounds", "1", "--postgres"], None), (Some(0), Vec::new()));
    // Where nothing can be started it fails, and tidies up all the same.
    let nowhere = bench_faults(&["--rounds", "1", "--postgres"], Some("/nowhere"));
    assert_eq!(nowhere, (Some(1), Vec::new()));
}

/// Starts units until one is refused; returns how many were started, and why no more.
async fn start_until_refused(world: &World, sns: &[String]) -> (usize, FlowError) {
    let caller = world.caller().await;
    let render = |a: &Activated| Answer::new(201, a.first.to_string());
    for (done, sn) in sns.iter().enumerate() {
        let report = crate::common::report("sn", sn, sn);
        if let Err(why) = activate(&world.house, Some(&caller), &report, None, &render).await {
            return (done, why);
        }
    }
    panic!("nothing was refused");
}

async fn all_started(world: &World, sns: &[String]) {
    for sn in sns {
        let unit = world.house.store.unit_fetch(world.unit(sn).await).await.expect("it reads");
        assert!(unit.is_some_and(|u| u.activated_at.is_some()), "{sn}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_keeps() {
    let options = SqliteOptions { page_count_max: Some(260), ..SqliteOptions::default() };
    let world = World::sqlite_with(options).await;
    let sns = sns(0..600);
    world.make(&sns).await;
    let (done, why) = start_until_refused(&world, &sns).await;
    assert!(matches!(why, FlowError::Store(StoreError::Write(WriteError::Full))), "{why:?}");
    assert_eq!(why.to_string(), "the storage of the database is full");
    all_started(&world, &sns[..done]).await;
    world.agrees().await;
    let World { house, target, clock, scratch } = world;
    house.store.close().await;
    drop(house);
    let Target::Sqlite { dir, .. } = target else { panic!("it is SQLite") };
    let target = Target::Sqlite { dir, options: SqliteOptions::default() };
    let house = open(&target, clock.clone()).await;
    let world = World { house, target, clock, scratch };
    assert!(start(&world.house, "sn", &sns[done], "now there is room").await);
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_store_refuses_and_reads_on() {
    let world = World::sqlite().await;
    let sns = sns(0..10);
    world.make(&sns).await;
    assert!(start(&world.house, "sn", &sns[0], "a").await);
    let Engine::Lite(lite) = world.house.store.engine() else { panic!("it is SQLite") };
    lite.set_read_only(true);
    let (done, why) = start_until_refused(&world, &sns[1..]).await;
    assert_eq!((done, why.to_string().as_str()), (0, "the database is read-only"));
    all_started(&world, &sns[..1]).await;
    world.agrees().await;
    lite.set_read_only(false);
    assert!(start(&world.house, "sn", &sns[1], "a").await);
    world.agrees().await;
}
