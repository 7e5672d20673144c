//! Starts that are weighed again: whose goods they were by then, what a start reads as since, what
//! moved while it was weighed, and who does that work.

use crate::common::server::Place;
use crate::common::{World, jobs, report, settle, sns, sscc};
use crate::on_both;
use dossier::files::Kind;
use dossier::flows::activate::{Activated, Report, activate};
use dossier::flows::alerts::{Wanted, list};
use dossier::flows::idempotency::Answer;
use dossier::flows::later::run_due;
use dossier::flows::ship;
use jiff::SignedDuration;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use store::canonical::hex;
use store::engine::{Plan, Row, Step};
use store::finding::FindingRecord;
use tokio::runtime::Handle;

on_both! {
    a_late_paper_names_whose_goods_they_were,
    a_start_reads_as_what_is_known_since,
    whose_goods_they_were_is_told_though_every_finding_stands,
    what_nobody_can_say_any_more_is_not_told_from_before,
    what_moved_a_pack_meanwhile_is_seen,
    a_job_is_done_by_one_and_comes_again_where_it_was_not,
}

/// Sold by a shop of Hubei, to a buyer in Hubei.
fn in_hubei(value: &str, fingerprint: &str, day: &str) -> Report {
    let mut report = report("sn", value, fingerprint);
    let at: jiff::Timestamp = format!("{day}T04:00:00Z").parse().expect("an instant");
    report.happened_at = at.as_microsecond();
    report.signals.store_code = Some("T1-42".to_owned());
    report.signals.shipping_region = Some("420100".to_owned());
    report
}

async fn start(world: &World, report: &Report) {
    start_beside(world, report, || async {}).await;
}

/// Starts a unit. Between the decision and its commit something else happens.
async fn start_beside<F, H>(world: &World, report: &Report, happens: H)
where
    F: Future<Output = ()>,
    H: Fn() -> F + Send + Sync,
{
    let (caller, happened) = (world.caller().await, AtomicBool::new(false));
    let render = |_: &Activated| {
        if !happened.swap(true, Ordering::Relaxed) {
            tokio::task::block_in_place(|| Handle::current().block_on(happens()));
        }
        Answer::new(201, String::new())
    };
    let done = activate(&world.house, Some(&caller), report, None, &render).await;
    done.expect("an activation is never refused");
}

/// The paper by which goods went from one to another: `A>B`, on a day of May.
async fn ships(world: &World, no: &str, (way, day): (&str, u32), goods: &str) {
    let (from, to) = way.split_once('>').expect("a way");
    let row = format!("{no},{from},{to},2026-05-{day}T08:00:00+08:00,{goods}");
    let head = "shipment_no,from_code,to_code,happened_at,subject";
    world.take(Kind::Shipments, &format!("{head}\n{row}\n")).await;
}

/// What stands of a unit: kind and grade of each, in the order of the words.
async fn standing(world: &World, sn: &str) -> Vec<String> {
    let unit = world.unit(sn).await;
    let findings = world.house.store.findings_fetch(unit).await.expect("it reads");
    let told = |f: &FindingRecord| format!("{} {}", f.kind, f.grade);
    let mut told: Vec<_> = findings.iter().filter(|f| !f.withdrawn).map(told).collect();
    told.sort();
    told
}

/// A unit's dossier as the brand reads it.
async fn dossier(world: &World, sn: &str) -> Value {
    let desk = world.desk("BRAND", "read").await;
    let (status, dossier) = desk.get(&format!("/api/v1/units/{sn}")).await;
    assert_eq!(status, 200, "{dossier}");
    dossier
}

/// Its events of a kind.
fn told(dossier: &Value, kind: &str) -> Vec<Value> {
    let timeline = dossier["timeline"].as_array().cloned().unwrap_or_default();
    timeline.into_iter().filter(|event| event["kind"] == kind).collect()
}

/// The events that wrote what stands of it, and against whom.
fn against(dossier: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = dossier["findings"].as_array().cloned().unwrap_or_default();
    let stands = findings.iter().filter(|finding| finding["withdrawn"] == false);
    let events = dossier["timeline"].as_array().cloned().unwrap_or_default();
    let by = |finding: &Value| {
        let event = events.iter().find(|event| event["id"] == finding["event"]);
        let party = event.map(|event| text(&event["detail"]["bound_to"]));
        (text(&finding["event"]), party.unwrap_or_default())
    };
    stands.map(by).collect()
}

async fn alerted(world: &World) -> Vec<String> {
    // What was written in this very instant is due in it.
    world.clock.set(world.clock.now() + SignedDuration::from_secs(1));
    let (caller, wanted) = (world.caller().await, Wanted { most: 100, ..Wanted::default() });
    let (alerts, _) = list(&world.house, &caller, wanted).await.expect("the brand may");
    alerts.into_iter().map(|alert| alert.dedup_key).collect()
}

const FORGET: &str = "DELETE FROM observation WHERE home = $1";
const ALERTED_BY: &str =
    "SELECT event_id FROM alert WHERE home = $1 AND withdrawn_at IS NULL ORDER BY dedup_key";

async fn a_late_paper_names_whose_goods_they_were(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = "CY000000";
    ships(world, "S1", ("FAC-SZ>T1-53", 22), sn).await;
    settle(&world.house).await;
    start(world, &in_hubei(sn, "a", "2026-06-01")).await;
    let found = standing(world, sn).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let unit = world.unit(sn).await;
    let names = async |party: &str| {
        assert_eq!(standing(world, sn).await, found, "the same as before, but for the party");
        let against = against(&dossier(world, sn).await);
        assert!(against.len() == 2 && against.iter().all(|(_, who)| who == party), "{against:?}");
        assert_eq!(alerted(world).await, ["outside_territory life 0"]);
        let engine = world.house.store.engine();
        let by = engine.query(ALERTED_BY, &[unit.into()], |r: &Row<'_>| r.bytes(0)).await;
        let by = hex(&by.expect("it reads")[0]);
        assert!(against.iter().any(|(event, _)| *event == by), "the alert is that of {party}");
    };
    names("T1-53").await;
    // It was the tier 2 that had them: the place and the grade are as they were.
    ships(world, "S2", ("T1-53>T2-53", 25), sn).await;
    assert_eq!(settle(&world.house).await, 4);
    names("T2-53").await;
    let caller = world.caller().await;
    let voided = "2026-05-26T00:00:00Z".parse::<jiff::Timestamp>().expect("an instant");
    ship::void(&world.house, &caller, ("S2", None), voided).await.expect("nothing moved on");
    assert_eq!(settle(&world.house).await, 4);
    names("T1-53").await;
    world.agrees().await;
}

async fn a_start_reads_as_what_is_known_since(world: &World) {
    world.make(&sns(0..2)).await;
    for sn in sns(0..2) {
        start(world, &in_hubei(&sn, "a", "2026-06-01")).await;
    }
    let unit = world.unit("CY000001").await;
    let forget = Plan::new(vec![Step::run(FORGET, vec![unit.into()])]);
    world.house.store.engine().write(forget).await.expect("it is forgotten");
    let started = async |sn: &str| told(&dossier(world, sn).await, "activated")[0].clone();
    let before = started("CY000000").await["detail"].clone();
    assert_eq!((&before["bound_to"], &before["weighed_again"]), (&Value::Null, &Value::Null));
    for (no, sn) in [("S1", "CY000000"), ("S2", "CY000001")] {
        ships(world, no, ("FAC-SZ>T1-42", 22), sn).await;
    }
    assert_eq!(settle(&world.house).await, 2);
    let now = dossier(world, "CY000000").await;
    let mut after = started("CY000000").await["detail"].clone();
    let again = after["weighed_again"].take();
    assert_eq!(after, before, "what was recorded stays as it is");
    assert_eq!(before["location"]["grade"], "unknown");
    assert_eq!(again["location"]["grade"], "consistent", "{again}");
    assert_eq!(again["bound_to"], "T1-42");
    let families = again["families"].as_array().expect("families");
    assert!(families.len() == 2 && families.iter().all(|f| f["inside"] == true), "{again}");
    assert_eq!(again["event"], told(&now, "finding_withdrawn")[0]["id"]);
    assert_eq!(again["because"], told(&now, "shipped")[0]["id"]);
    let forgotten = started("CY000001").await;
    assert_eq!(forgotten["detail"]["weighed_again"], Value::Null, "nobody can say any more");
    let place = Place::new(&world.target, world.scratch.path());
    let sheet = place.run(&["show", "CY000000", "--lang", "en"]);
    assert!(sheet.contains("weighed again:  place consistent  bound to"), "{sheet}");
    world.agrees().await;
}

/// Sold by a shop of Kunming to a buyer of Kunming, below both who may have had the goods.
fn in_kunming(value: &str) -> Report {
    let mut report = in_hubei(value, "a", "2026-06-01");
    report.signals.store_code = Some("SHOP-53".to_owned());
    report.signals.shipping_region = Some("530100".to_owned());
    report
}

/// What the start of a unit reads as, as its dossier tells.
fn again(dossier: &Value) -> Value {
    told(dossier, "activated")[0]["detail"]["weighed_again"].clone()
}

async fn whose_goods_they_were_is_told_though_every_finding_stands(world: &World) {
    world.make(&sns(0..2)).await;
    // One starts before any paper of it; the other as the tier 1's, and nothing is found.
    ships(world, "S1", ("FAC-SZ>T1-53", 22), "CY000001").await;
    settle(&world.house).await;
    for sn in sns(0..2) {
        start(world, &in_kunming(&sn)).await;
    }
    assert_eq!(standing(world, "CY000001").await, Vec::<String>::new());
    let before = dossier(world, "CY000001").await;
    assert_eq!(told(&before, "activated")[0]["detail"]["bound_to"], "T1-53");
    assert_eq!(again(&before), Value::Null);
    ships(world, "S2", ("FAC-SZ>T1-53", 22), "CY000000").await;
    assert_eq!(settle(&world.house).await, 1, "it was shipped");
    let before = dossier(world, "CY000000").await;
    assert_eq!(again(&before)["bound_to"], "T1-53");
    assert_eq!(told(&before, "finding_added"), Vec::<Value>::new());
    // The tier 2 had them: nothing is found either way, and it is told all the same, once.
    let alerts = alerted(world).await;
    for (no, sn) in [("S3", "CY000000"), ("S4", "CY000001")] {
        ships(world, no, ("T1-53>T2-53", 25), sn).await;
        assert_eq!(settle(&world.house).await, 0, "no finding changes");
        assert_eq!(standing(world, sn).await, Vec::<String>::new());
        let now = dossier(world, sn).await;
        let added = told(&now, "finding_added");
        assert_eq!(added.len(), 1, "what stands unchanged writes nothing: {added:?}");
        assert_eq!(added[0]["detail"]["findings"], Value::Array(Vec::new()));
        assert_eq!(added[0]["detail"]["bound_to"], "T2-53");
        let read = again(&now);
        let paper = &told(&now, "shipped")[1]["id"];
        assert_eq!((&read["event"], &read["because"]), (&added[0]["id"], paper));
        assert_eq!(read["bound_to"], "T2-53");
        assert_eq!(read["location"]["grade"], "consistent", "{read}");
    }
    assert_eq!(alerted(world).await, alerts);
    let place = Place::new(&world.target, world.scratch.path());
    let sheet = place.run(&["show", "CY000000", "--lang", "en"]);
    let line = sheet.lines().find(|line| line.contains("reweighed")).expect("its line");
    assert!(line.contains("bound to") && line.contains("T2-53"), "{line}");
    assert!(!sheet.contains("suspected"), "{sheet}");
    // It was not so after all: what was told is taken back, though it reads as recorded again.
    let caller = world.caller().await;
    let voided = "2026-05-26T00:00:00Z".parse::<jiff::Timestamp>().expect("an instant");
    ship::void(&world.house, &caller, ("S4", None), voided).await.expect("nothing moved on");
    assert_eq!(settle(&world.house).await, 0);
    let now = dossier(world, "CY000001").await;
    assert_eq!(told(&now, "finding_added").len(), 2);
    assert_eq!(again(&now)["bound_to"], "T1-53");
    world.agrees().await;
}

async fn what_nobody_can_say_any_more_is_not_told_from_before(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = "CY000000";
    start(world, &in_kunming(sn)).await;
    ships(world, "S1", ("FAC-SZ>T1-53", 22), sn).await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(again(&dossier(world, sn).await)["bound_to"], "T1-53");
    let forget = Plan::new(vec![Step::run(FORGET, vec![world.unit(sn).await.into()])]);
    world.house.store.engine().write(forget).await.expect("it is forgotten");
    // It never left: what the paper made of the signals is not what stands.
    let caller = world.caller().await;
    let voided = "2026-05-23T00:00:00Z".parse::<jiff::Timestamp>().expect("an instant");
    ship::void(&world.house, &caller, ("S1", None), voided).await.expect("nothing moved on");
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, sn).await, ["never_shipped suspect"]);
    let now = dossier(world, sn).await;
    assert_eq!(told(&now, "finding_added").len(), 1);
    assert_eq!(again(&now), Value::Null);
    let place = Place::new(&world.target, world.scratch.path());
    let sheet = place.run(&["show", sn, "--lang", "en"]);
    assert!(!sheet.contains("weighed again:"), "{sheet}");
    world.agrees().await;
}

async fn what_moved_a_pack_meanwhile_is_seen(world: &World) {
    world.make(&sns(0..2)).await;
    let [carton, pallet, late] = [1, 2, 3].map(sscc);
    let row = |pack: &str, child: &str, hour: u32| {
        format!("{pack},{child},2026-05-21T{hour:02}:00:00+08:00\n")
    };
    let rows = [row(&carton, "CY000000", 9), row(&pallet, &carton, 10), row(&late, "CY000001", 9)];
    world.take(Kind::Packs, &format!("sscc,child,packed_at\n{}", rows.concat())).await;
    settle(&world.house).await;
    let other = world.another().await;
    // Its pallet leaves, and the job of that paper finds no start to look at.
    let leaves = || async {
        ships(world, "S1", ("FAC-SZ>T1-42", 22), &pallet).await;
        assert_eq!(settle(&other).await, 0);
    };
    // Its carton is told to have been on a pallet that left.
    let put_on = || async {
        let packed = format!("sscc,child,packed_at\n{}", row(&pallet, &late, 11));
        world.take(Kind::Packs, &packed).await;
        assert_eq!(settle(&other).await, 0);
    };
    start_beside(world, &in_hubei("CY000000", "a", "2026-06-01"), leaves).await;
    seen(world, "CY000000", "shipped").await;
    start_beside(world, &in_hubei("CY000001", "b", "2026-06-01"), put_on).await;
    seen(world, "CY000001", "packed").await;
    // Where nothing moved meanwhile nothing is to be looked at.
    start(world, &in_hubei("CY000000", "a", "2026-06-02")).await;
    assert!(jobs(&world.house).await.is_empty());
    world.agrees().await;
}

/// What was decided before a fact came is mended for the sake of that fact.
async fn seen(world: &World, sn: &str, fact: &str) {
    assert_eq!(standing(world, sn).await, ["never_shipped suspect"], "as it was decided");
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, sn).await, Vec::<String>::new());
    let now = dossier(world, sn).await;
    let facts = told(&now, fact);
    let because = &told(&now, "finding_withdrawn")[0]["detail"]["because"];
    assert_eq!(*because, facts.last().expect("it is told")["id"]);
}

const DAMAGE: &str = "UPDATE observation SET sealed = $2 WHERE home = $1";

async fn a_job_is_done_by_one_and_comes_again_where_it_was_not(world: &World) {
    world.make(&sns(0..2)).await;
    let other = world.another().await;
    let never = ["never_shipped suspect"];
    let pass = |seconds: i64| {
        world.clock.set(world.clock.now() + SignedDuration::from_secs(seconds));
    };
    start(world, &in_hubei("CY000000", "a", "2026-06-01")).await;
    ships(world, "S1", ("FAC-SZ>T1-42", 22), "CY000000").await;
    pass(1);
    // Whoever took it does not come back.
    let due = jobs(&world.house).await;
    let until = (world.clock.now() + SignedDuration::from_mins(1)).as_microsecond();
    assert!(world.house.store.outbox_lease(&due[0], until).await.expect("it answers"));
    assert_eq!(run_due(&other).await.expect("it runs"), 0, "it is somebody's");
    assert_eq!(standing(world, "CY000000").await, never);
    pass(61);
    let (one, two) = tokio::join!(run_due(&world.house), run_due(&other));
    assert_eq!(one.expect("it runs") + two.expect("it runs"), 1);
    assert_eq!(standing(world, "CY000000").await, Vec::<String>::new());
    assert_eq!(told(&dossier(world, "CY000000").await, "finding_withdrawn").len(), 1);
    assert!(jobs(&world.house).await.is_empty(), "it is struck off");
    // One that fails by itself stays, and is somebody's until its minute is over.
    start(world, &in_hubei("CY000001", "a", "2026-06-01")).await;
    let unit = world.unit("CY000001").await;
    let damage = Step::run(DAMAGE, vec![unit.into(), vec![0_u8; 40].into()]);
    world.house.store.engine().write(Plan::new(vec![damage])).await.expect("it is written");
    ships(world, "S2", ("FAC-SZ>T1-42", 22), "CY000001").await;
    pass(1);
    for done in [1, 0] {
        assert_eq!(run_due(&world.house).await.expect("it runs"), done);
    }
    pass(61);
    assert_eq!(run_due(&world.house).await.expect("it runs"), 1);
    assert_eq!(standing(world, "CY000001").await, never);
    assert_eq!(jobs(&world.house).await.len(), 1);
}
