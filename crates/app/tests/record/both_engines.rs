//! One journey with everything that can befall a unit, on both engines and on PostgreSQL tables
//! partitioned as `deploy/citus.sql` distributes them: the ledger must give back every projection,
//! the doctor must be content, and whoever tampers must be found out.

#![allow(clippy::disallowed_methods, reason = "tests are told what to do by variables")]

use crate::common::{PHONE, World, master, sns, sscc, start};
use crate::on_both;
use domain::identifier::{Identifier, Scheme};
use dossier::clock::Clock;
use dossier::files::Kind;
use dossier::flows::backup::{
    BackupError, backup, export_keys, import_keys, restore, restore_database,
};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::doctor::{self, Extent, examine};
use dossier::flows::find::unit_number;
use dossier::flows::lifecycle::{Change, bind_alias, change, move_identifier, report_suspicion};
use dossier::flows::persons::registration::{Registration, register};
use dossier::flows::proof::{Attempt, ProofKind, ProofOutcome, prove_once};
use dossier::flows::recalls::{self, Chosen, Words};
use dossier::flows::{House, cases, log, pack, redecide, ship};
use dossier::secrets::MasterKey;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use store::engine::{Plan, SqliteOptions, Step, Target};
use store::rebuild;
use store::reference::Purpose;
use tempfile::TempDir;
use testkit::Postgres;

on_both! {
    the_ledger_gives_back_every_projection,
    whoever_tampers_is_found_out,
    the_first_entries_of_the_log_are_audited_by_themselves,
    what_moves_between_nodes_whose_clocks_differ_is_replayed,
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("an instant")
}

/// Goods: 40 units, two cartons on a pallet, sold down the tree, parts of it sold loose.
async fn goods(world: &World) {
    world.make(&sns(0..40)).await;
    let (left, right, pallet) = (sscc(1), sscc(2), sscc(3));
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for (i, sn) in sns(0..20).iter().enumerate() {
        let carton = if i < 10 { &left } else { &right };
        packs.push_str(&format!("{carton},{sn},2026-05-21T09:00:00+08:00\n"));
    }
    for carton in [&left, &right] {
        packs.push_str(&format!("{pallet},{carton},2026-05-21T10:00:00+08:00\n"));
    }
    world.take(Kind::Packs, &packs).await;
    let shipments = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{pallet}\n\
         S2,T1-53,T2-53,2026-05-23T08:00:00+08:00,{left}\n\
         S3,T2-53,SHOP-53,2026-05-24T08:00:00+08:00,CY000000\n\
         S4,FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,CY000030\n\
         S5,FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,CY000031\n"
    );
    world.take(Kind::Shipments, &shipments).await;
    let (house, caller) = (&world.house, world.caller().await);
    let received = at("2026-05-24T00:00:00Z");
    let one = ship::receive(house, &caller, "T2-53", "CY000003", received, Some("dent".into()));
    one.await.expect("a child of a pack is received alone");
    ship::void(house, &caller, ("S5", None), received).await.expect("nothing of it moved on");
    let out = at("2026-05-25T00:00:00Z");
    let two = ["CY000012".to_owned(), "CY000011".to_owned()];
    pack::unpack(house, &caller, &right, &two, out).await.expect("both are inside");
}

/// Codes activated before production, further names, a moved identifier.
async fn names(world: &World) {
    let (house, caller) = (&world.house, world.caller().await);
    let reference = house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 100, scratch: true };
    // Before anything that bears them was started.
    let now = world.clock.now();
    world.clock.set(at("2026-05-19T00:00:00Z"));
    let batch = mint(house, &caller, order).await.expect("it is minted");
    world.clock.set(now);
    let code = |n: i64| house.ring().encode(unit_number(batch.first + n)).as_str().to_owned();
    assert!(start(house, "code", &code(0), "early").await);
    assert!(start(house, "code", &code(1), "never made").await);
    let late = format!(
        "sn,gtin,produced_at,site_code,code,imei1\n\
         LATE1,{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ,{},860837783533742\n\
         LATE2,{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ,{},\n",
        code(0),
        code(2),
    );
    world.take(Kind::Production, &late).await;
    let late = world.unit("LATE1").await;
    bind_alias(house, &caller, late, &code(9)).await.expect("the code is free");
    let imei = Identifier::parse(Scheme::Imei, "860837783533742").expect("an IMEI");
    let other = world.unit("CY000039").await;
    for (unit, onto) in [(late, false), (other, true)] {
        let moved = move_identifier(house, &caller, unit, &imei, onto, "mainboard");
        moved.await.expect("the identifier moves");
    }
}

/// Somebody shows the digits under the coating of a label.
fn shows(number: i64, value: &str) -> Attempt<'_> {
    Attempt { number, kind: ProofKind::Scratch, value, visitor: "somebody", pass: None }
}

/// Recall, theft, the end, a second life, the consumer.
async fn fates(world: &World) {
    let (house, caller) = (&world.house, world.caller().await);
    let now = house.clock.now();
    assert!(start(house, "sn", "CY000000", "a").await);
    assert!(!start(house, "sn", "CY000000", "a").await, "the same device again");
    assert!(!start(house, "sn", "CY000000", "b").await, "another device under its name");
    assert!(start(house, "sn", "CY000030", "c").await);
    assert!(start(house, "sn", "CY000035", "d").await, "never shipped");
    let mut units = Vec::new();
    for sn in sns(20..30) {
        units.push(world.unit(&sn).await);
    }
    let why = || "why".to_owned();
    let tales = [
        (&units[..], Change::Recall(why())),
        (&units[3..7], Change::LiftRecall(why())),
        (&units[..1], Change::ReportStolen(why())),
        (&units[1..3], Change::ReportStolen(why())),
        (&units[1..2], Change::ClearStolen(why())),
        (&units[4..5], Change::Decommission(why())),
        (&units[5..6], Change::Inspect("hold", why())),
    ];
    for (units, tale) in &tales {
        change(house, &caller, units, tale, now).await.expect("the change is taken");
    }
    let sold = world.unit("CY000000").await;
    let registration = Registration {
        phone: "+8613800000000".to_owned(),
        purchased_on: Some(jiff::civil::date(2026, 6, 1)),
        proof: domain::registration::Proof::Imei4,
        invoice: String::new(),
        consents: vec![domain::person::Purpose::Registration],
    };
    register(house, sold, &registration).await.expect("it is registered");
    report_suspicion(house, sold, caller.brand, "odd seal").await.expect("it is kept");
    // A copy that shows itself after the proof takes it back; a new life knows of none.
    let opened = at("2026-06-09T00:00:00Z");
    let late = world.unit("LATE1").await;
    let digits = house.secrets.scratch_key().code(unit_number(late)).to_string();
    for (fingerprint, outcome) in
        [("another", ProofOutcome::First), ("a third", ProofOutcome::Again(now))]
    {
        let shown = prove_once(house, &shows(late, &digits), None).await;
        assert_eq!(shown.expect("it is taken"), outcome);
        assert!(!start(house, "sn", "LATE1", fingerprint).await);
        let unit = house.store.unit_fetch(late).await.expect("it reads").expect("a unit");
        assert_eq!((unit.suspect, unit.proof_at), (true, None));
    }
    change(house, &caller, &[late], &Change::OpenLife(domain::life::Cause::Return, why()), opened)
        .await
        .expect("a new life");
    let shown = prove_once(house, &shows(late, &digits), None).await;
    assert_eq!(shown.expect("it is taken"), ProofOutcome::First, "first of its second life");
    assert!(start(house, "sn", "LATE1", "a fourth").await);
    change(house, &caller, &[late], &Change::OpenLife(domain::life::Cause::Return, why()), opened)
        .await
        .expect("a new life");
    let unit = house.store.unit_fetch(late).await.expect("it reads").expect("a unit");
    assert_eq!(unit.proof_at, None);
    let again = [world.unit("CY000030").await];
    change(house, &caller, &again, &Change::OpenLife(domain::life::Cause::Return, why()), opened)
        .await
        .expect("a new life");
    assert!(start(house, "sn", "CY000030", "e").await, "first of its second life");
}

/// A paper that comes late takes a finding back.
async fn late_paper(world: &World) {
    let house = &world.house;
    let late = "shipment_no,from_code,to_code,happened_at,subject\n\
                S9,FAC-SZ,T1-53,2026-05-23T08:00:00+08:00,CY000035\n";
    world.take(Kind::Shipments, late).await;
    let due = house.clock.now().as_microsecond() + 1_000_000_000;
    let jobs = house.store.outbox_due(ship::REDECIDE, due, 100).await.expect("it reads");
    let mut withdrawn = 0;
    for job in &jobs {
        withdrawn += redecide::redecide(house, job).await.expect("it is looked at again");
    }
    assert!(withdrawn > 0, "never_shipped of CY000035 is withdrawn");
}

async fn remedies(world: &World) {
    let (house, caller) = (&world.house, world.caller().await);
    let both = || ("x".to_owned(), String::new());
    let words = Words { title: both(), reason: both(), action: both(), link: None };
    let chosen = Chosen::Units(vec!["CY000035".to_owned(), "CY000030".to_owned()]);
    let recall = recalls::open(house, &caller, &words, &chosen).await.expect("it opens");
    let names = ["CY000035".to_owned(), "CY000030".to_owned()];
    let done = recalls::remedy(house, &caller, recall.row.id, &names, "x").await;
    assert_eq!(done.expect("they are remedied"), 2);
}

async fn journey(world: &World) {
    goods(world).await;
    names(world).await;
    fates(world).await;
    late_paper(world).await;
    remedies(world).await;
    quarrels(world).await;
}

/// A case that ended and was taken up again, and one that ended.
async fn quarrels(world: &World) {
    let caller = world.caller().await;
    for (unit, again) in [("CY000030", true), ("CY000031", false)] {
        let (party, units) = ("T1-42".to_owned(), vec![unit.to_owned()]);
        let order = cases::Order { party, units, ..cases::Order::default() };
        let opened = cases::open(&world.house, &caller, &order).await.expect("opened");
        let id = store::canonical::hex(&opened.id);
        let close = cases::Doing::close(domain::case::Outcome::Confirmed, "it is so");
        cases::act(&world.house, &caller, &id, &close).await.expect("closed");
        if again {
            let reopen = cases::Doing::reopen("it is not", None);
            cases::act(&world.house, &caller, &id, &reopen).await.expect("open again");
        }
        let shown = cases::show(&world.house, &caller, &id).await.expect("shown");
        assert_eq!((shown.units.len(), shown.entries.len()), (1, 1 + usize::from(again)));
    }
    let wanted = cases::Wanted { most: 10, ..cases::Wanted::default() };
    let (listed, _) = cases::list(&world.house, &caller, wanted).await.expect("listed");
    assert_eq!(listed.len(), 2);
}

async fn the_ledger_gives_back_every_projection(world: &World) {
    journey(world).await;
    world.agrees().await;
    let report = rebuild::check(&world.house.store, world.scratch.path()).await.expect("it runs");
    for table in &report.tables {
        assert!(table.live_count > 0, "the journey leaves {} empty", table.table);
    }
    let checks = examine(&world.house, Extent { data_dir: None, all_events: true }).await;
    for check in checks.expect("the store reads") {
        assert!(check.ok || check.name == "geodata", "{check:?}");
    }
}

const FORGE_UNIT: &str = "UPDATE unit SET region = '110000' WHERE number = $1";
const FORGE_HOLD: &str = "DELETE FROM hold WHERE subject = $1";
const FORGE_NAME: &str = "INSERT INTO identifier (value, scheme, scope, unit, from_at) \
    VALUES ('FORGED', 'sn', 1, $1, 5)";
const FORGE_EVENT: &str = "UPDATE event SET \
    canonical = replace(canonical, '\"first\":true', '\"first\":false') WHERE home = $1";
const FORGE_ROW: &str = "UPDATE event_subject SET content = replace(content, 'LOT1', 'LOT2') \
    WHERE subject = $1";
const FORGE_ENTRY: &str = "UPDATE event SET canonical = canonical || ' ' \
    WHERE id IN (SELECT event_id FROM sealed WHERE position = $1)";
const LOSE_EVENT: &str =
    "DELETE FROM event WHERE id IN (SELECT event_id FROM sealed WHERE position = $1)";

async fn forge(world: &World, sql: &'static str, number: i64) {
    let plan = Plan::new(vec![Step::run(sql, vec![number.into()])]);
    world.house.store.engine().write(plan).await.expect("the forger can write");
}

async fn whoever_tampers_is_found_out(world: &World) {
    goods(world).await;
    assert!(start(&world.house, "sn", "CY000000", "a").await);
    world.agrees().await;
    let unit = world.unit("CY000000").await;
    for (sql, table) in [(FORGE_UNIT, "unit"), (FORGE_HOLD, "hold"), (FORGE_NAME, "identifier")] {
        forge(world, sql, unit).await;
        let report = rebuild::check(&world.house.store, world.scratch.path()).await;
        let report = report.expect("the rebuild runs");
        let found = report.tables.iter().find(|t| t.table == table).expect("it is compared");
        assert_eq!(found.difference_count, 1, "{found:?}");
        assert!(!report.agrees());
    }
    forge(world, FORGE_EVENT, unit).await;
    forge(world, FORGE_ROW, world.unit("CY000007").await).await;
    let checks = examine(&world.house, Extent::default()).await.expect("the store reads");
    let ledger = checks.iter().find(|c| c.name == "ledger").expect("it is looked at");
    assert!(!ledger.ok && ledger.detail.starts_with("2 of "), "{ledger:?}");
}

async fn the_first_entries_of_the_log_are_audited_by_themselves(world: &World) {
    goods(world).await;
    log::seal(&world.house).await.expect("it seals");
    // All but the last.
    let head = world.house.store.log_head().await.expect("it reads");
    let count = head.tree.size() - 1;
    let look = async || {
        let check = doctor::ledger(&world.house, Some(count), rebuild::UNWATCHED).await;
        check.expect("the store reads")
    };
    let well = look().await;
    assert_eq!(well.detail, format!("the first {count} events are as they were recorded"));
    forge(world, FORGE_ENTRY, 1).await;
    let ill = look().await.detail;
    assert!(ill.starts_with(&format!("1 of {count} events were changed: event ")), "{ill}");
    forge(world, LOSE_EVENT, 0).await;
    let ill = look().await.detail;
    assert!(ill.starts_with("2 of ") && ill.contains("entry 0 of the log"), "{ill}");
}

async fn what_moves_between_nodes_whose_clocks_differ_is_replayed(world: &World) {
    world.make(&sns(0..3)).await;
    let caller = world.caller().await;
    let imei = |value: &str| Identifier::parse(Scheme::Imei, value).expect("an IMEI");
    let (first, second) = (imei("860837783533742"), imei("490154203237518"));
    let (a, b) = (world.unit("CY000000").await, world.unit("CY000001").await);
    let c = world.unit("CY000002").await;
    let began = world.clock.now();
    let later = |milliseconds| began + SignedDuration::from_millis(milliseconds);
    let ahead = crate::common::open(&world.target, Clock::simulated(later(50))).await;
    // The node that takes it from the first unit is ahead of the one that gives it to others, so
    // the ledger has it last.
    let moves: [(&House, i64, i64, &Identifier, bool); 6] = [
        (&*world.house, 1, a, &first, true),
        (&*ahead, 50, a, &first, false),
        (&*world.house, 10, b, &first, true),
        (&*world.house, 11, b, &second, true),
        (&*world.house, 12, b, &first, false),
        (&*world.house, 13, c, &first, true),
    ];
    for (house, at, unit, identifier, onto) in moves {
        house.clock.set(later(at));
        let moved = move_identifier(house, &caller, unit, identifier, onto, "mainboard");
        moved.await.expect("the identifier moves");
    }
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_comes_back_under_another_master_key() {
    let world = World::sqlite().await;
    goods(&world).await;
    let unit = unit_number(world.unit("CY000000").await);
    let code = world.house.ring().encode(unit);
    let path = world.scratch.path().join("backup");
    let words = "correct horse battery";
    assert!(matches!(
        backup(&world.house, &world.target, &path, "short").await,
        Err(BackupError::Short)
    ));
    backup(&world.house, &world.target, &path, words).await.expect("it is written");
    let twice = backup(&world.house, &world.target, &path, words).await;
    assert!(matches!(twice, Err(BackupError::Exists(_))));

    let other = || MasterKey::from_hex(&"c3".repeat(32)).expect("64 hexadecimal digits");
    let dir = world.scratch.path().join("restored");
    let wrong = restore(&path, "wrong horse battery", &dir, &other()).await;
    assert!(matches!(wrong, Err(BackupError::Passphrase)), "{wrong:?}");
    let done = restore(&path, words, &dir, &other()).await.expect("it comes back");
    assert!(done.keys == 2 && done.rebuild.agrees(), "{done:?}");
    let again = restore(&path, words, &dir, &other()).await;
    assert!(matches!(again, Err(BackupError::Exists(_))));

    let target = Target::Sqlite { dir, options: SqliteOptions::default() };
    let geo = std::sync::Arc::clone(&world.house.geo);
    let settings = world.house.settings.clone();
    let open = |key| {
        let (geo, settings) = (std::sync::Arc::clone(&geo), settings.clone());
        House::open(&target, key, crate::common::clock(), geo, settings)
    };
    assert!(open(master()).await.is_err(), "the old master key opens nothing");
    let house = open(other()).await.expect("the new master key opens it");
    assert_eq!(house.ring().encode(unit), code, "the same codes");

    let file = path.join(store::engine::FILE_NAME);
    let mut bytes = std::fs::read(&file).expect("it reads");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("it is damaged");
    let damaged = restore(&path, words, &world.scratch.path().join("third"), &other()).await;
    assert!(matches!(damaged, Err(BackupError::Damaged(_))), "{damaged:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_postgres_comes_back_under_another_master_key() {
    let server = Postgres::shared();
    let world = World::postgres(server).await;
    goods(&world).await;
    let unit = unit_number(world.unit("CY000000").await);
    let code = world.house.ring().encode(unit);
    let (path, words) = (world.scratch.path().join("backup"), "correct horse battery");
    backup(&world.house, &world.target, &path, words).await.expect("it is written");
    let twice = backup(&world.house, &world.target, &path, words).await;
    assert!(matches!(twice, Err(BackupError::Exists(_))));

    let other = || MasterKey::from_hex(&"c3".repeat(32)).expect("64 hexadecimal digits");
    let url = server.fresh_database().await;
    let place = (url.as_str(), world.scratch.path());
    let wrong = restore_database(&path, "wrong horse battery", place, &other()).await;
    assert!(matches!(wrong, Err(BackupError::Passphrase)), "{wrong:?}");
    // Nothing was written, so it comes back now.
    let done = restore_database(&path, words, place, &other()).await.expect("it comes back");
    assert!(done.keys == 2 && done.rebuild.agrees(), "{done:?}");
    let again = restore_database(&path, words, place, &other()).await;
    assert!(matches!(again, Err(BackupError::Used)), "{again:?}");

    let target = Target::Postgres { url: url.clone() };
    let geo = std::sync::Arc::clone(&world.house.geo);
    let settings = world.house.settings.clone();
    let open = House::open(&target, other(), crate::common::clock(), geo, settings);
    let house = open.await.expect("the new master key opens it");
    assert_eq!(house.ring().encode(unit), code, "the same codes");
    let kept = house.store.unit_fetch(unit.get() as i64).await.expect("it reads");
    assert_eq!(kept, world.house.store.unit_fetch(unit.get() as i64).await.expect("it reads"));

    // Each on its own engine, and only as it was written.
    let dir = world.scratch.path().join("restored");
    let sqlite = restore(&path, words, &dir, &other()).await;
    assert!(matches!(sqlite, Err(BackupError::Engine("PostgreSQL"))), "{sqlite:?}");
    let dump = path.join(dossier::flows::backup::DUMP_NAME);
    let mut bytes = std::fs::read(&dump).expect("it reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&dump, bytes).expect("it is damaged");
    let damaged = restore_database(&path, words, place, &other()).await;
    assert!(matches!(damaged, Err(BackupError::Damaged(_))), "{damaged:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exported_keys_survive_the_loss_of_the_master_key() {
    let world = World::postgres(Postgres::shared()).await;
    let path = world.scratch.path().join("keys.json");
    let words = "correct horse battery";
    export_keys(&world.house, &path, words).await.expect("they are written");
    let key = MasterKey::from_hex(&"c3".repeat(32)).expect("64 hexadecimal digits");
    let count = import_keys(&world.house.store, &path, words, &key).await;
    assert_eq!(count.expect("they are sealed anew"), 2);
    let geo = std::sync::Arc::clone(&world.house.geo);
    let settings = world.house.settings.clone();
    let open = House::open(&world.target, key, crate::common::clock(), geo, settings);
    assert!(open.await.is_ok());
}

macro_rules! steps {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../store/migrations/postgres/", $name, ".sql")))),*]
    };
}

const STEPS: [(&str, &str); 18] = steps![
    "V1__spine",
    "V2__kit",
    "V3__code_like_sn",
    "V4__shipment_sender",
    "V5__log",
    "V6__audit",
    "V7__api_key_use",
    "V8__people",
    "V9__person",
    "V10__recall",
    "V11__sale",
    "V12__case",
    "V13__webhook",
    "V14__consumer_scan",
    "V15__told_first",
    "V16__bound_again",
    "V17__proof_tries_by_time",
    "V18__labels_by_number"
];
const CITUS: &str = include_str!("../../../../deploy/citus.sql");
const PARTITIONS: u32 = 4;

/// Table and column of every distributed table.
fn distributed() -> Vec<(String, String)> {
    let quoted = |line: &str| line.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
    let lines = CITUS.lines().filter(|l| l.starts_with("SELECT create_distributed_table("));
    let named = lines.map(|line| {
        let words: Vec<String> = quoted(line);
        (words[0].clone(), words[1].clone())
    });
    named.collect()
}

/// The schema with every distributed table split by the hash of its distribution column: the
/// engine then enforces the group rules a distributed one would.
fn partitioned() -> String {
    let mut sql: String = STEPS.iter().map(|(_, text)| *text).collect();
    for (table, column) in distributed() {
        let start = sql.find(&format!("CREATE TABLE {table} (")).expect("the table exists");
        let end = start + sql[start..].find(");").expect("it ends");
        sql.replace_range(end..end + 2, &format!(") PARTITION BY HASH ({column});"));
        for n in 0..PARTITIONS {
            sql.push_str(&format!(
                "CREATE TABLE {table}_p{n} PARTITION OF {table} \
                 FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {n});\n"
            ));
        }
    }
    sql
}

#[test]
fn every_table_is_distributed_or_a_reference_table() {
    let distributed: Vec<_> = distributed().into_iter().map(|(table, _)| table).collect();
    let schema: String = STEPS.iter().map(|(_, text)| *text).collect();
    let tables = schema.split("CREATE TABLE ").skip(1).filter_map(|t| t.split(' ').next());
    for table in tables {
        let reference = CITUS.contains(&format!("create_reference_table('{table}')"));
        assert!(reference != distributed.iter().any(|d| d == table), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_group_rules_hold_on_partitions() {
    let url = Postgres::shared().fresh_database().await;
    let mut history = "CREATE TABLE schema_history (version BIGINT NOT NULL PRIMARY KEY, \
        name TEXT NOT NULL, checksum TEXT NOT NULL);"
        .to_owned();
    for (version, (name, text)) in (1..).zip(STEPS) {
        let checksum = store::canonical::hex(&Sha256::digest(text));
        let row = format!("({version}, '{name}', '{checksum}')");
        history.push_str(&format!("INSERT INTO schema_history VALUES {row};"));
    }
    testkit::execute(&url, &(partitioned() + &history)).await;
    let scratch = TempDir::new().expect("a temporary folder");
    let world = World::at(Target::Postgres { url }, crate::common::clock(), scratch).await;
    journey(&world).await;
    world.agrees().await;
}

/// Runs only where a Citus coordinator is given; until then the distribution is untested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journey_runs_on_citus() {
    let Ok(url) = std::env::var("DOSSIER_CITUS_URL") else {
        eprintln!("DOSSIER_CITUS_URL is not set: deploy/citus.sql is not tested on Citus itself");
        return;
    };
    let schema = testkit::FreshSchema::create(&url).await;
    let scratch = TempDir::new().expect("a temporary folder");
    let target = Target::Postgres { url: schema.url.clone() };
    drop(crate::common::open(&target, crate::common::clock()).await);
    testkit::execute(&schema.url, CITUS).await;
    let world = World::at(target, crate::common::clock(), scratch).await;
    journey(&world).await;
    world.agrees().await;
    drop(world);
    schema.remove().await;
}
