//! Facts that come late: what they explain is withdrawn, what they show is added, and what stands
//! is left alone, however often and wherever the job runs.

use crate::common::{PHONE, World, jobs, report, settle, sns, sscc};
use crate::on_both;
use dossier::files::{Format, Kind, Table};
use dossier::flows::activate::{Activated, Report, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::flows::{RowOutcome, pack, redecide, ship};
use serde_json::json;
use std::io::Cursor;
use std::sync::Arc;
use store::engine::{Plan, Step};
use store::finding::{AlertRecord, AlertsAsked, FindingRecord};

on_both! {
    a_late_shipment_shows_what_could_not_be_known,
    a_voided_shipment_moved_nothing,
    no_guarantee_counts_from_a_voided_shipment,
    from_the_factory_to_the_brand_is_a_shipment,
    without_signals_only_custody_is_decided,
    one_job_writes_once_in_two_processes,
    a_late_production_record_is_a_late_fact,
    a_late_pack_must_fit_what_its_contents_did,
    a_child_packed_late_travels_with_its_pack,
    a_report_that_waited_is_judged_by_its_receipt,
    a_pack_of_the_buyer_follows_the_goods_that_it_was_opened_with,
}

const SHIPMENTS: &str = "shipment_no,from_code,to_code,happened_at,subject\n";
/// The brand records what crosses from one channel to another, and says why.
const ACROSS: &str = "shipment_no,from_code,to_code,happened_at,subject,reason\n";

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("an instant")
}

/// Sold by a shop of Hubei, to a buyer in Hubei.
fn in_hubei(value: &str, fingerprint: &str, day: &str) -> Report {
    let mut report = report("sn", value, fingerprint);
    report.happened_at = at(&format!("{day}T04:00:00Z")).as_microsecond();
    report.signals.store_code = Some("T1-42".to_owned());
    report.signals.shipping_region = Some("420100".to_owned());
    report
}

async fn start(world: &World, report: &Report) {
    let caller = world.caller().await;
    let render = |_: &Activated| Answer::new(201, String::new());
    let done = activate(&world.house, Some(&caller), report, None, &render).await;
    done.expect("an activation is never refused");
}

async fn ships_across(world: &World, row: &str) {
    world.take(Kind::Shipments, &format!("{ACROSS}{row},stock was evened out\n")).await;
}

async fn ships(world: &World, row: &str) {
    world.take(Kind::Shipments, &format!("{SHIPMENTS}{row}\n")).await;
}

/// The refusals of a file's rows.
async fn refusals(world: &World, kind: Kind, text: &str) -> Vec<&'static str> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let mut refused = Vec::new();
    let mut on_row = |_: &dossier::files::RawRow, outcome: &RowOutcome| {
        if let RowOutcome::Refused(why) = outcome {
            refused.extend(why.iter().map(|r| r.refusal.code()));
        }
    };
    let by = Importer::Operator(None);
    let done = import(&world.house, by, &mut table, Taking::default(), &mut on_row).await;
    done.expect("the file is taken");
    refused
}

/// What stands of a unit: kind, grade and nature of each, in the order of the words.
async fn standing(world: &World, sn: &str) -> Vec<String> {
    let unit = world.unit(sn).await;
    let findings = world.house.store.findings_fetch(unit).await.expect("it reads");
    let told = |f: &FindingRecord| {
        let nature = f.nature.as_deref().map(|n| format!(" {n}")).unwrap_or_default();
        format!("{} {}{nature}", f.kind, f.grade)
    };
    let mut told: Vec<_> = findings.iter().filter(|f| !f.withdrawn).map(told).collect();
    told.sort();
    told
}

async fn alerts(world: &World) -> Vec<AlertRecord> {
    let asked = AlertsAsked {
        brand: world.caller().await.brand.0,
        since: 0,
        until: i64::MAX,
        kind: None,
        after: None,
        most: 100,
    };
    world.house.store.alerts_fetch(&asked).await.expect("it reads")
}

async fn alerted(world: &World) -> Vec<String> {
    let mut keys: Vec<_> = alerts(world).await.into_iter().map(|a| a.dedup_key).collect();
    keys.sort();
    keys
}

async fn a_late_shipment_shows_what_could_not_be_known(world: &World) {
    world.make(&sns(0..2)).await;
    let sn = "CY000000";
    start(world, &in_hubei(sn, "a", "2026-06-01")).await;
    start(world, &in_hubei(sn, "b", "2026-06-02")).await;
    let never = "never_shipped suspect";
    assert_eq!(standing(world, sn).await, ["activated_again suspect", never, never]);
    assert_eq!(alerted(world).await, ["activated_again life 0", "never_shipped life 0"]);

    // Both activations are explained by the paper, and both were outside what it binds.
    ships(world, &format!("S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{sn}")).await;
    assert_eq!(settle(&world.house).await, 6);
    let found = standing(world, sn).await;
    let kinds: Vec<_> = found.iter().map(|f| f.split(' ').next().expect("a kind")).collect();
    let expected =
        ["activated_again", "other_channel", "other_channel", "outside_territory"].as_slice();
    assert_eq!(kinds[..4], *expected);
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found[3].ends_with(" cross_region") && !found[3].contains("observe"), "{found:?}");
    assert_eq!(alerted(world).await, ["activated_again life 0", "outside_territory life 0"]);

    // A further late paper brings the goods to where they were activated.
    ships_across(world, &format!("S2,T1-53,T1-42,2026-05-25T08:00:00+08:00,{sn}")).await;
    assert_eq!(settle(&world.house).await, 4);
    assert_eq!(standing(world, sn).await, ["activated_again suspect"]);
    assert_eq!(alerted(world).await, ["activated_again life 0"]);

    // That paper was void: the finding is there again, and so is its alert, once.
    let caller = world.caller().await;
    let voided = at("2026-05-26T00:00:00Z");
    ship::void(&world.house, &caller, ("S2", None), voided).await.expect("nothing moved on");
    assert_eq!(settle(&world.house).await, 4);
    assert_eq!(standing(world, sn).await, found);
    assert_eq!(alerted(world).await, ["activated_again life 0", "outside_territory life 0"]);

    // What comes after the activations concerns none of them.
    ships_across(world, &format!("S3,T1-53,T1-42,2026-06-05T08:00:00+08:00,{sn}")).await;
    assert_eq!(settle(&world.house).await, 0);
    world.agrees().await;
}

async fn voids(world: &World, no: &str, day: &str) {
    let (caller, at) = (world.caller().await, at(&format!("{day}T00:00:00Z")));
    ship::void(&world.house, &caller, (no, None), at).await.expect("nothing moved on");
}

fn sent(no: &str, what: &str) -> String {
    format!("{no},FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,{what}")
}

async fn a_voided_shipment_moved_nothing(world: &World) {
    world.make(&sns(0..4)).await;
    let never = ["never_shipped suspect"];

    // The void is known when the unit is started.
    ships(world, &sent("S0", "CY000000")).await;
    voids(world, "S0", "2026-05-23").await;
    start(world, &in_hubei("CY000000", "a", "2026-06-01")).await;
    assert_eq!(standing(world, "CY000000").await, never);

    // Paper and void come late: what the paper explained is open again.
    start(world, &in_hubei("CY000001", "a", "2026-06-01")).await;
    ships(world, &sent("S1", "CY000001")).await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, "CY000001").await, Vec::<String>::new());
    voids(world, "S1", "2026-05-23").await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, "CY000001").await, never);

    // Taken back after the first start, in a carton: the paper was wrong from the start.
    let carton = sscc(1);
    let packed = format!("sscc,child,packed_at\n{carton},CY000002,2026-05-21T09:00:00+08:00\n");
    world.take(Kind::Packs, &packed).await;
    ships(world, &sent("S2", &carton)).await;
    start(world, &in_hubei("CY000002", "a", "2026-06-01")).await;
    assert_eq!(standing(world, "CY000002").await, Vec::<String>::new());
    voids(world, "S2", "2026-06-05").await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, "CY000002").await, never);
    assert!(alerted(world).await.iter().all(|key| key == "never_shipped life 0"));
    assert_eq!(alerted(world).await.len(), 3);

    // What came back had left.
    ships(world, &sent("S3", "CY000003")).await;
    let caller = world.caller().await;
    let came = at("2026-05-23T00:00:00Z");
    let received = ship::receive(&world.house, &caller, "T1-42", "CY000003", came, None).await;
    received.expect("it was on its way");
    let desk = world.desk("BRAND", "ship").await;
    let back = json!({"shipment_no": "R3", "from_code": "T1-42", "to_code": "FAC-SZ",
        "happened_at": "2026-05-24T08:00:00+08:00", "subject": "CY000003"});
    let (status, reply) = desk.post("/api/v1/returns", &json!({"rows": [back]})).await;
    assert_eq!(status, 200, "{reply}");
    start(world, &in_hubei("CY000003", "a", "2026-06-01")).await;
    assert_eq!(standing(world, "CY000003").await, Vec::<String>::new());
    world.agrees().await;
}

async fn no_guarantee_counts_from_a_voided_shipment(world: &World) {
    world.make(&sns(4..6)).await;
    let (caller, desk) = (world.caller().await, world.desk("BRAND", "verify").await);
    let warranty = async |sn: &str| {
        let (status, reply) = desk.get(&format!("/api/v1/verify/{sn}")).await;
        assert_eq!(
            (status, &reply["warranty"]["basis"]),
            (200, &json!("ex_factory_plus_90")),
            "{reply}"
        );
        reply["warranty"]["starts_on"].as_str().expect("a day").to_owned()
    };
    ships(world, &sent("S4", "CY000004")).await;
    assert_ne!(warranty("CY000004").await, warranty("CY000005").await);
    voids(world, "S4", "2026-05-23").await;
    assert_eq!(warranty("CY000004").await, warranty("CY000005").await);
    // Nor is it received late, by a day on which the paper had not been taken back yet.
    let day = at("2026-05-22T12:00:00Z");
    let late = ship::receive(&world.house, &caller, "T1-42", "CY000004", day, None).await;
    let Err(dossier::flows::FlowError::Refused(why)) = late else { panic!("{late:?}") };
    assert_eq!(why.refusal.code(), "not_in_transit");
    settle(&world.house).await;
    world.agrees().await;
}

async fn from_the_factory_to_the_brand_is_a_shipment(world: &World) {
    world.make(&sns(6..7)).await;
    let sn = "CY000006";
    ships(world, &format!("S5,FAC-SZ,BRAND,2026-05-25T08:00:00+08:00,{sn}")).await;
    let desk = world.desk("BRAND", "verify").await;
    let (_, reply) = desk.get(&format!("/api/v1/verify/{sn}")).await;
    assert_eq!(reply["warranty"]["basis"], "ex_factory_plus_90", "{reply}");
    // 90 days after it left the factory, not after it was made on the 20th.
    assert_eq!(reply["warranty"]["starts_on"], "2026-08-23", "{reply}");
    start(world, &in_hubei(sn, "a", "2026-06-01")).await;
    assert_eq!(standing(world, sn).await, Vec::<String>::new());
    voids(world, "S5", "2026-05-26").await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, sn).await, ["never_shipped suspect"]);
    assert_eq!(alerted(world).await, ["never_shipped life 0"]);
    world.agrees().await;
}

const FORGET: &str = "DELETE FROM observation WHERE home = $1";

async fn without_signals_only_custody_is_decided(world: &World) {
    world.make(&sns(0..1)).await;
    let sn = "CY000000";
    start(world, &in_hubei(sn, "a", "2026-06-01")).await;
    ships(world, &format!("S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{sn}")).await;
    let forget = Plan::new(vec![Step::run(FORGET, vec![world.unit(sn).await.into()])]);
    world.house.store.engine().write(forget).await.expect("it is forgotten");
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, sn).await, Vec::<String>::new());

    // Of what was found while the signals were there, nothing can be taken back without them.
    world.make(&sns(1..2)).await;
    let sn = "CY000001";
    ships(world, &format!("S2,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{sn}")).await;
    start(world, &in_hubei(sn, "a", "2026-06-01")).await;
    let before = standing(world, sn).await;
    assert_eq!(before.len(), 2, "{before:?}");
    let forget = Plan::new(vec![Step::run(FORGET, vec![world.unit(sn).await.into()])]);
    world.house.store.engine().write(forget).await.expect("it is forgotten");
    ships_across(world, &format!("S3,T1-53,T1-42,2026-05-25T08:00:00+08:00,{sn}")).await;
    assert_eq!(settle(&world.house).await, 0);
    assert_eq!(standing(world, sn).await, before);
    world.agrees().await;
}

async fn one_job_writes_once_in_two_processes(world: &World) {
    let units = sns(0..6);
    world.make(&units).await;
    let pallet = sscc(1);
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for sn in &units {
        packs.push_str(&format!("{pallet},{sn},2026-05-21T09:00:00+08:00\n"));
    }
    world.take(Kind::Packs, &packs).await;
    for sn in &units {
        start(world, &in_hubei(sn, "a", "2026-06-01")).await;
    }
    ships(world, &format!("S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{pallet}")).await;
    let due = jobs(&world.house).await;
    assert_eq!(due.len(), 1);
    let houses = [Arc::clone(&world.house), world.another().await];
    let mut racers = Vec::new();
    for n in 0..6 {
        let (house, job) = (Arc::clone(&houses[n % 2]), due[0].clone());
        racers.push(tokio::spawn(async move { redecide::redecide(&house, &job).await }));
    }
    let mut changed = 0;
    for racer in racers {
        changed += racer.await.expect("no racer stumbles").expect("it is looked at again");
    }
    assert_eq!(changed, units.len() * 3, "each finding is withdrawn or added by one of them");
    for sn in &units {
        assert_eq!(standing(world, sn).await.len(), 2);
    }
    world.agrees().await;
}

async fn a_late_production_record_is_a_late_fact(world: &World) {
    use dossier::flows::batches::{Mint, mint};
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let purpose = store::reference::Purpose::Printed;
    let order = Mint { product, purpose, count: 10, scratch: false };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    let number = dossier::flows::find::unit_number(batch.first);
    let code = world.house.ring().encode(number).as_str().to_owned();
    let mut report = in_hubei(&code, "a", "2026-06-01");
    report.scheme = "code".to_owned();
    start(world, &report).await;
    let row = format!("EARLY1,{PHONE},2026-05-20T08:00:00+08:00,FAC-SZ,{code}\n");
    let made = format!("sn,gtin,produced_at,site_code,code\n{row}");
    world.take(Kind::Production, &made).await;
    assert_eq!(settle(&world.house).await, 2);
    assert_eq!(standing(world, "EARLY1").await, ["never_shipped suspect"]);
    assert_eq!(alerted(world).await, ["never_shipped life 0"]);
    let shown = alerts(world).await[0].due_at - world.house.clock.now().as_microsecond();
    assert!(shown > 6 * 86_400 * 1_000_000, "papers are often behind the goods: a week of grace");
    ships(world, "S1,FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,EARLY1").await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, "EARLY1").await, Vec::<String>::new());
    world.agrees().await;
}

/// A carton on a pallet. The first unit is sold from it to T1-42 before the pallet's own paper
/// comes: that paper can only be one that lets T1-42 get it.
async fn a_late_pack_must_fit_what_its_contents_did(world: &World) {
    world.make(&sns(0..4)).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for sn in sns(0..3) {
        packs.push_str(&format!("{carton},{sn},2026-05-21T09:00:00+08:00\n"));
    }
    packs.push_str(&format!("{pallet},{carton},2026-05-21T10:00:00+08:00\n"));
    world.take(Kind::Packs, &packs).await;
    ships(world, "S1,FAC-SZ,T1-42,2026-05-25T08:00:00+08:00,CY000000").await;

    let late = |no: &str, to: &str, day: &str| {
        format!("{SHIPMENTS}{no},FAC-SZ,{to},2026-05-{day}T08:00:00+08:00,{pallet}\n")
    };
    let contradicts = refusals(world, Kind::Shipments, &late("S2", "T1-53", "23")).await;
    assert_eq!(contradicts, ["contradicts_later"]);
    // After the unit had left, the pallet may go anywhere.
    let fits = refusals(world, Kind::Shipments, &late("S3", "T1-53", "26")).await;
    assert_eq!(fits, Vec::<&str>::new());

    // What went in meanwhile counts as well: its maker cannot have filled what it had sent off.
    let third = sscc(3);
    let row = |sn: &str, day: &str| {
        let packed_at = format!("2026-05-{day}T09:00:00+08:00");
        format!("sscc,child,packed_at\n{third},{sn},{packed_at}\n")
    };
    world.make(&sns(4..6)).await;
    world.take(Kind::Packs, &row("CY000004", "21")).await;
    world.take(Kind::Packs, &row("CY000005", "24")).await;
    let sent = |no: &str, day: &str| {
        format!("{SHIPMENTS}{no},FAC-SZ,T1-53,2026-05-{day}T08:00:00+08:00,{third}\n")
    };
    let refused = refusals(world, Kind::Shipments, &sent("S4", "22")).await;
    assert_eq!(refused, ["contradicts_later"]);
    assert_eq!(refusals(world, Kind::Shipments, &sent("S5", "25")).await, Vec::<&str>::new());

    // In one file as well, whatever the order of its rows.
    let fourth = sscc(4);
    world.make(&sns(6..7)).await;
    let packed = format!("sscc,child,packed_at\n{fourth},CY000006,2026-05-21T09:00:00+08:00\n");
    world.take(Kind::Packs, &packed).await;
    let file = format!(
        "{SHIPMENTS}S7,FAC-SZ,T1-42,2026-05-25T08:00:00+08:00,CY000006\n\
         S8,FAC-SZ,T1-53,2026-05-23T08:00:00+08:00,{fourth}\n"
    );
    assert_eq!(refusals(world, Kind::Shipments, &file).await, ["contradicts_later"]);

    // A shipment is not taken back under goods that moved on from inside it.
    ships(world, "S6,T1-53,T2-53,2026-05-27T08:00:00+08:00,CY000004").await;
    let caller = world.caller().await;
    let voided = ship::void(&world.house, &caller, ("S5", None), at("2026-05-28T00:00:00Z")).await;
    let Err(dossier::flows::FlowError::Refused(why)) = voided else { panic!("{voided:?}") };
    assert_eq!(why.refusal.code(), "moved_on");
    world.agrees().await;
}

async fn a_child_packed_late_travels_with_its_pack(world: &World) {
    world.make(&sns(0..2)).await;
    let carton = sscc(1);
    let row = |sn: &str, hour: &str| {
        format!("sscc,child,packed_at\n{carton},{sn},2026-05-21T{hour}:00:00+08:00\n")
    };
    world.take(Kind::Packs, &row("CY000000", "09")).await;
    ships(world, &format!("S1,FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,{carton}")).await;
    start(world, &in_hubei("CY000001", "a", "2026-06-01")).await;
    assert_eq!(standing(world, "CY000001").await, ["never_shipped suspect"]);
    world.take(Kind::Packs, &row("CY000001", "10")).await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, "CY000001").await, Vec::<String>::new());
    // Taken out before the carton left, it had not been shipped after all.
    let (caller, out) = (world.caller().await, at("2026-05-21T03:00:00Z"));
    let two = ["CY000001".to_owned()];
    pack::unpack(&world.house, &caller, &carton, &two, out).await.expect("it is inside");
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, "CY000001").await, ["never_shipped suspect"]);
    world.agrees().await;
}

async fn a_report_that_waited_is_judged_by_its_receipt(world: &World) {
    let caller = world.caller().await;
    let mut report = report("sn", "CY000000", "a");
    let received = world.house.clock.now();
    report.happened_at = (received + jiff::SignedDuration::from_hours(72)).as_microsecond();
    let render = |_: &Activated| Answer::new(201, String::new());
    let early = activate(&world.house, Some(&caller), &report, None, &render).await;
    assert!(early.is_err(), "no such unit yet");
    // Once the unit arrives, the wrong time no longer lies ahead; it was wrong all the same.
    world.clock.set(received + jiff::SignedDuration::from_hours(240));
    world.make(&sns(0..1)).await;
    let unit = world.unit("CY000000").await;
    let unit = world.house.store.unit_fetch(unit).await.expect("it reads").expect("it is made");
    assert_eq!(unit.activated_at, Some(received.as_microsecond()));
    world.agrees().await;
}

/// The day on which the goods came is told after what the buyer did with them.
async fn a_pack_of_the_buyer_follows_the_goods_that_it_was_opened_with(world: &World) {
    let units = sns(0..3);
    world.make(&units).await;
    let (carton, pallet) = (sscc(1), sscc(2));
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for child in &units[..2] {
        packs += &format!("{carton},{child},2026-05-24T09:00:00+08:00\n");
    }
    packs += &format!("{pallet},{carton},2026-05-24T10:00:00+08:00\n");
    world.take(Kind::Packs, &packs).await;
    for (unit, sn) in units[..2].iter().enumerate() {
        start(world, &in_hubei(sn, &format!("{unit}"), "2026-06-01")).await;
        assert_eq!(standing(world, sn).await, ["never_shipped suspect"]);
    }
    // They cannot leave the buyer before they are told to have come.
    let on = format!("{SHIPMENTS}B1,T1-42,BRAND,2026-05-25T08:00:00+08:00,{pallet}\n");
    assert_eq!(refusals(world, Kind::Shipments, &on).await, ["not_holder"]);
    ships(world, &sent("S0", &units[0])).await;
    // Each by its own paper.
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, &units[0]).await, Vec::<String>::new());
    assert_eq!(standing(world, &units[1]).await, ["never_shipped suspect"]);
    ships(world, &sent("S1", &units[1])).await;
    assert_eq!(settle(&world.house).await, 1);
    assert_eq!(standing(world, &units[1]).await, Vec::<String>::new());
    let desk = world.desk("BRAND", "all").await;
    let (_, pack) = desk.get(&format!("/api/v1/packs/{carton}")).await;
    let told = |event: &serde_json::Value| {
        let text = |field: &str| event["detail"][field].as_str().map(str::to_owned);
        let of_it = event["kind"] == "packed" && event["detail"]["sscc"] == *carton;
        of_it.then(|| (text("holder"), text("by_paper")))
    };
    let story: Vec<_> =
        pack["timeline"].as_array().expect("a story").iter().filter_map(told).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(story, [(some("FAC-SZ"), None), (some("T1-42"), some("S0"))]);
    // A child of another's does not go into it, and one of the buyer's does.
    let third = format!("sscc,child,packed_at\n{carton},{},2026-05-24T11:00:00+08:00\n", units[2]);
    assert_eq!(refusals(world, Kind::Packs, &third).await, ["other_holder"]);
    ships(world, &sent("S2", &units[2])).await;
    assert_eq!(refusals(world, Kind::Packs, &third).await, Vec::<&str>::new());
    assert_eq!(refusals(world, Kind::Shipments, &on).await, Vec::<&str>::new());
    for sn in &units {
        let path = format!("/api/v1/verify/{sn}?scheme=sn");
        let (_, reply) = desk.get(&path).await;
        assert_eq!(
            reply["custody"]["hops"]
                .as_array()
                .and_then(|hops| hops.last())
                .map(|hop| &hop["party"]),
            Some(&json!("BRAND")),
            "{reply}"
        );
    }
    world.agrees().await;
}
