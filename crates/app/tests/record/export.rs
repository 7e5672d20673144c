//! Exports on both engines: parts follow each other to the whole, whatever their size and wherever
//! they were interrupted; nobody sees what is not theirs; nothing of a person is in them.

use crate::common::browser::owner;
use crate::common::server::Place;
use crate::common::{FACTORY, PHONE, World, sns, start};
use crate::on_both;
use dossier::files::Kind;
use dossier::flows::compliance::export::{COLUMNS, Format, Part, csv_header, schema};
use dossier::flows::compliance::export_parts::{self, Cut, MANIFEST};
use dossier::flows::lifecycle::{Change, change};
use dossier::flows::{Caller, House, audit};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

on_both! {
    parts_make_the_whole_wherever_they_were_cut,
    pages_carry_their_count_hash_and_instant,
    a_row_tells_the_flow_and_nothing_of_a_person,
    an_authority_is_told_of_a_unit_what_everybody_is,
    what_comes_meanwhile_is_left_out,
    each_sees_what_is_its_business,
    the_command_line_goes_on_and_finds_what_was_changed,
}

async fn whole(house: &Arc<House>, caller: &Caller, format: Format) -> String {
    let mut part = Part::begin(house, caller, format, None, 100_000).await.expect("it begins");
    let mut text = String::new();
    while let Some(rows) = part.next_rows().await.expect("it reads") {
        text += &rows;
    }
    assert_eq!(part.tail().next, None);
    text
}

/// The rows of all parts, in order.
fn together(dir: &Path, manifest: &export_parts::Manifest) -> String {
    let read = |file: &String| std::fs::read_to_string(dir.join(file)).expect("a part");
    let header = csv_header();
    let rows = |text: String| text.strip_prefix(&header).map_or(text.clone(), str::to_owned);
    manifest.parts.iter().map(|part| rows(read(&part.file))).collect()
}

async fn ship(world: &World, no: &str, (from, to): (&str, &str), subjects: &[String]) {
    let mut text = "shipment_no,from_code,to_code,happened_at,subject\n".to_owned();
    for subject in subjects {
        text += &format!("{no},{from},{to},2026-05-2{no}T08:00:00+08:00,{subject}\n");
    }
    world.take(Kind::Shipments, &text).await;
}

/// What is done to the folder between two runs.
#[derive(Clone, Debug)]
enum Trouble {
    /// The manifest was not written after the last part.
    LostLine,
    /// The last part was cut short.
    CutPart,
    /// A part in the middle is gone.
    GonePart,
    /// A half of a part lies about.
    HalfPart,
    /// Nothing.
    None,
}

fn harm(dir: &Path, trouble: &Trouble) {
    let Some(mut manifest) = export_parts::read(dir).expect("it reads") else { return };
    let path = |at: usize| manifest.parts.get(at).map(|part| dir.join(&part.file));
    match trouble {
        Trouble::LostLine => {
            if let Some(line) = manifest.parts.pop() {
                manifest.total_count -= line.count;
                manifest.complete = false;
            }
            let text = serde_json::to_string(&manifest).expect("JSON");
            std::fs::write(dir.join(MANIFEST), text).expect("a file");
        }
        Trouble::CutPart => {
            if let Some(path) = path(manifest.parts.len().wrapping_sub(1)) {
                // It may be gone since an earlier trouble: then there is nothing to cut.
                let bytes = std::fs::read(&path).unwrap_or_default();
                std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
            }
        }
        Trouble::GonePart => {
            if let Some(path) = path(manifest.parts.len() / 2) {
                let gone = std::fs::remove_file(&path);
                assert!(gone.is_ok() || !path.exists(), "{gone:?}");
            }
        }
        Trouble::HalfPart => {
            std::fs::write(dir.join("part-000009.csv.half"), "x").expect("a file");
        }
        Trouble::None => {}
    }
}

async fn parts_make_the_whole_wherever_they_were_cut(world: &World) {
    world.make(&sns(0..23)).await;
    ship(world, "1", (FACTORY, "T1-53"), &sns(0..9)).await;
    let caller = world.caller().await;
    let trouble = prop_oneof![
        Just(Trouble::LostLine),
        Just(Trouble::CutPart),
        Just(Trouble::GonePart),
        Just(Trouble::HalfPart),
        Just(Trouble::None),
    ];
    let runs = prop::collection::vec((0..4_usize, trouble), 0..4);
    let cases = (1..26_usize, any::<bool>(), runs);
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let handle = tokio::runtime::Handle::current();
    let tried = tokio::task::block_in_place(|| {
        runner.run(&cases, |(part_rows, csv, runs)| {
            handle.block_on(async {
                let format = if csv { Format::Csv } else { Format::Ndjson };
                let dir = tempfile::tempdir().expect("a folder");
                let cut = |parts_max| Cut { format, part_rows, parts_max };
                let mut quiet = |_: &export_parts::PartLine| {};
                for (parts, trouble) in runs {
                    let some = cut(Some(parts));
                    let written =
                        export_parts::write(&world.house, &caller, dir.path(), some, &mut quiet);
                    written.await.expect("it is written");
                    harm(dir.path(), &trouble);
                }
                let all = cut(None);
                let written =
                    export_parts::write(&world.house, &caller, dir.path(), all, &mut quiet);
                let manifest = written.await.expect("it is written");
                let expected = whole(&world.house, &caller, format).await;
                prop_assert_eq!(together(dir.path(), &manifest), expected);
                prop_assert_eq!(manifest.total_count, 23);
                prop_assert_eq!(manifest.parts.len(), 23_usize.div_ceil(part_rows));
                let (_, problems) = export_parts::verify(dir.path()).expect("it reads");
                prop_assert_eq!(problems, Vec::<String>::new());
                Ok(())
            })
        })
    });
    tried.unwrap_or_else(|why| panic!("{why}"));
}

async fn pages_carry_their_count_hash_and_instant(world: &World) {
    world.make(&sns(0..5)).await;
    let brand = world.desk("BRAND", "all").await;
    let caller = world.caller().await;
    let expected = whole(&world.house, &caller, Format::Ndjson).await;
    let (mut rows, mut after, mut instants) = (String::new(), String::new(), Vec::new());
    for counts in [2, 2, 1] {
        let text = brand.text(&format!("/api/v1/compliance/export?limit=2{after}")).await;
        let lines: Vec<&str> = text.lines().collect();
        let (head, tail) = (lines[0], lines[lines.len() - 1]);
        let [head, tail] = [head, tail].map(|line| serde_json::from_str::<Value>(line).unwrap());
        let body: String = lines[1..lines.len() - 1].iter().map(|l| format!("{l}\n")).collect();
        assert_eq!(tail["count"], counts, "{text}");
        let digest = store::canonical::hex(&Sha256::digest(body.as_bytes()));
        assert_eq!(tail["sha256"], digest);
        instants.push(head["as_of"].clone());
        rows += &body;
        match tail["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => after = "end".to_owned(),
        }
    }
    assert_eq!((rows, after.as_str()), (expected, "end"));
    instants.dedup();
    assert_eq!(instants.len(), 1, "as of one instant: {instants:?}");
    let csv = brand.text("/api/v1/compliance/export?format=csv").await;
    assert!(csv.starts_with(&csv_header()), "{csv}");
    let last = csv.lines().last().unwrap_or_default();
    assert!(last.starts_with("#end,5,") && last.ends_with(','), "{last}");
    for query in ["limit=0", "limit=100001", "format=xml", "after=x", "after=1-zz", "after=-1--1"] {
        let (status, problem) = brand.get(&format!("/api/v1/compliance/export?{query}")).await;
        assert_eq!(status, 400, "{query}: {problem}");
    }
    let shipped = include_str!("../../../../docs/schema/trace-v1.json");
    let shipped: Value = serde_json::from_str(shipped).expect("JSON");
    assert_eq!(shipped, schema(), "docs/schema/trace-v1.json is what is written");
}

async fn a_row_tells_the_flow_and_nothing_of_a_person(world: &World) {
    const ODD: &str = "gtin,name_zh,category,maker,contract_maker\n\
        6929141700027,\"=HYPERLINK(\"\"x\"\"),甲\",tablet,澄野,+1+1\n";
    world.take(Kind::Products, ODD).await;
    let production = format!(
        "sn,gtin,produced_at,site_code,lot,inspection,imei1,mac\n\
         CY000000,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},LOT1,pass,861234560000013,\n\
         CY000001,6929141700027,2026-05-20T08:00:00+08:00,{FACTORY},LOT2,pass,,\n"
    );
    world.take(Kind::Production, &production).await;
    ship(world, "1", (FACTORY, "T1-53"), &sns(0..1)).await;
    ship(world, "2", ("T1-53", "T2-53"), &sns(0..1)).await;
    ship(world, "3", ("T2-53", "SHOP-53"), &sns(0..1)).await;
    assert!(start(&world.house, "sn", "CY000000", "secret-device").await);
    let caller = world.caller().await;
    let text = whole(&world.house, &caller, Format::Ndjson).await;
    let rows: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let row = &rows[0];
    let names: Vec<_> = COLUMNS.iter().map(|column| column.0).collect();
    assert_eq!(row.as_object().map(|o| o.len()), Some(names.len()));
    assert!(names.iter().all(|name| row.get(name).is_some()), "{row}");
    for (column, expected) in [
        ("code_status", json!("valid")),
        ("coded", json!("no")),
        ("gtin", json!(format!("0{PHONE}"))),
        ("lot", json!("LOT1")),
        ("plant", json!(FACTORY)),
        ("ex_factory_at", json!("2026-05-21T00:00:00Z")),
        ("tier1", json!("T1-53")),
        ("tier2", json!("T2-53")),
        ("shop", json!("SHOP-53")),
        ("shop_at", json!("2026-05-23T00:00:00Z")),
        ("recall_state", json!("none")),
        ("keep_until", json!("2036-05-21")),
        ("scan_count", json!(0)),
        ("produced_on", json!("2026-05-20")),
    ] {
        assert_eq!(row[column], expected, "{column}: {row}");
    }
    assert_eq!(rows[1]["tier1"], Value::Null);
    for personal in ["8612345600000", "secret-device", "CY000000", "翠湖"] {
        assert!(!text.contains(personal), "{personal}");
    }
    let csv = whole(&world.house, &caller, Format::Csv).await;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let records: Vec<_> = reader.records().map(|r| r.expect("a record")).collect();
    let place = |name: &str| names.iter().position(|n| *n == name).expect("a column");
    assert_eq!(&records[1][place("name")], "'=HYPERLINK(\"x\"),甲");
    assert_eq!(&records[1][place("contract_maker")], "'+1+1");
    assert_eq!(&records[0][place("tier1")], "T1-53");
}

async fn an_authority_is_told_of_a_unit_what_everybody_is(world: &World) {
    world.make(&sns(0..5)).await;
    let caller = world.caller().await;
    let (recall, steal, retire) = (
        Change::Recall("x".to_owned()),
        Change::ReportStolen("x".to_owned()),
        Change::Decommission("x".to_owned()),
    );
    let done = [vec![], vec![&recall], vec![&steal], vec![&retire, &steal], vec![&retire, &recall]];
    let now = world.clock.now();
    for (sn, changes) in sns(0..5).iter().zip(done) {
        let unit = [world.unit(sn).await];
        for what in changes {
            change(&world.house, &caller, &unit, what, now).await.expect("it is changed");
        }
    }
    let text = whole(&world.house, &caller, Format::Ndjson).await;
    let row = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    let told: Vec<_> = text.lines().map(|line| row(line)["code_status"].clone()).collect();
    assert_eq!(told, ["valid", "recalled", "stolen", "stolen", "recalled"]);
    let brand = world.desk("BRAND", "all").await;
    for (sn, status) in sns(0..5).iter().zip(told).skip(1) {
        let (_, verified) = brand.get(&format!("/api/v1/verify/{sn}?scheme=sn")).await;
        assert_eq!(verified["verdict"], status, "{sn}");
    }
}

async fn what_comes_meanwhile_is_left_out(world: &World) {
    world.make(&sns(0..4)).await;
    let caller = world.caller().await;
    let before = whole(&world.house, &caller, Format::Ndjson).await;
    let mut part = Part::begin(&world.house, &caller, Format::Ndjson, None, 2).await.unwrap();
    let first = part.next_rows().await.expect("it reads").expect("rows");
    assert_eq!(part.next_rows().await.expect("it reads"), None);
    let next = part.tail().next.expect("there is more");
    world.clock.set(jiff::Timestamp::from_second(world.clock.now().as_second() + 60).unwrap());
    // Units made, and goods moved, while the export is under way.
    world.make(&sns(4..6)).await;
    ship(world, "1", (FACTORY, "T1-53"), &sns(0..6)).await;
    let mut part = Part::begin(&world.house, &caller, Format::Ndjson, Some(next), 100)
        .await
        .expect("it goes on");
    assert_eq!(part.as_of(), next.as_of);
    let mut rest = String::new();
    while let Some(rows) = part.next_rows().await.expect("it reads") {
        rest += &rows;
    }
    assert_eq!(part.tail().count, 2, "{rest}");
    let codes = |text: &str| {
        let code = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["code"].clone();
        text.lines().map(code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&(first + &rest)), codes(&before));
    for line in rest.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(row["tier1"], Value::Null, "what was recorded later: {row}");
    }
}

async fn each_sees_what_is_its_business(world: &World) {
    const REGULATORS: &str = "code,kind,name,parent_code,region,categories\n\
        SAMR-44,regulator,广东市监,BRAND,440000,phone\n\
        SAMR-53,regulator,云南市监,BRAND,530000,phone\nSAMR-T,regulator,电视,BRAND,,tv\n";
    world.take(Kind::Parties, REGULATORS).await;
    world.make(&sns(0..3)).await;
    const PATH: &str = "/api/v1/compliance/export";
    for (party, scopes, count) in [
        ("BRAND", "export", 3),
        ("BRAND", "audit,read", 3),
        ("BRAND", "all", 3),
        ("SAMR-44", "export", 3),
        ("SAMR-53", "export", 0),
        ("SAMR-T", "export", 0),
    ] {
        let text = world.desk(party, scopes).await.text(PATH).await;
        assert_eq!(text.lines().count(), count + 2, "{party} {scopes}: {text}");
    }
    for (party, scopes) in
        [("BRAND", "read"), ("BRAND", "audit"), ("SAMR-44", "read,audit"), ("T1-53", "all")]
    {
        let (status, refused) = world.desk(party, scopes).await.get(PATH).await;
        assert_eq!((status, &refused["code"]), (403, &json!("not_allowed")), "{party} {scopes}");
    }
    // The people of an authority, as auditors, get what is theirs and read no trail.
    let first = owner(world).await;
    let person = json!({"party": "SAMR-44", "role": "auditor", "name": "监管"});
    let official = first.invites(world, "samr", person).await;
    let given = official.get(PATH).await;
    assert_eq!((given.status, given.text.lines().count()), (200, 5), "{}", given.text);
    assert_eq!(official.get("/api/v1/audit").await.status, 403);
    audit::flush(&world.house).await.expect("it is written");
    let (_, trail) = world.desk("BRAND", "all").await.get("/api/v1/audit?kind=export").await;
    assert_eq!(trail["items"].as_array().map(Vec::len), Some(7), "{trail}");
}

async fn the_command_line_goes_on_and_finds_what_was_changed(world: &World) {
    world.make(&sns(0..5)).await;
    let place = Place::new(&world.target, world.scratch.path());
    let out = world.scratch.path().join("out");
    let dir = out.display().to_string();
    let args = ["export", "--out", &dir, "--part-rows", "2"];
    assert!(place.run(&args).starts_with("5 units in 3 parts"));
    assert!(place.run(&["export", "--verify", &dir]).starts_with("whole: 5 units in 3 parts"));
    let second = out.join("part-000002.csv");
    let text = std::fs::read_to_string(&second).expect("a part");
    std::fs::write(&second, text.replace("pass", "fail").replace(",no,", ",yes,")).expect("a file");
    let checked = place.command(&["export", "--verify", &dir]).output().expect("it runs");
    assert_eq!(checked.status.code(), Some(4), "{checked:?}");
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(told.trim(), "part-000002.csv is not what was written");
    assert!(place.run(&args).starts_with("5 units in 3 parts"));
    assert_eq!(std::fs::read_to_string(&second).expect("a part"), text, "made again");
    let other = ["export", "--out", &dir, "--part-rows", "3"];
    let refused = place.command(&other).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(place.run(&["purge", "--older-than-clock", "--dry-run"]).starts_with("5 units"));
    let opened = [
        "recall", "new", "--title", "召回", "--reason", "x", "--action", "y", "--lot", "LOT1",
        "--gtin", PHONE,
    ];
    assert_eq!(place.run(&opened), "recall 1 is open\n");
    let shown = place.run(&["recall", "show", "1"]);
    assert!(shown.contains("selected   5") && shown.contains("factory    5"), "{shown}");
    assert!(place.run(&["show", "CY000000"]).contains("召回公告"));
    assert!(place.run(&["recall", "list"]).contains("open"));
    assert!(place.run(&["compliance", PHONE]).contains("0/0"));
}
