//! What may only be kept for a while: before its term it is there, after it is gone, and the ledger
//! keeps what was decided on it.

use crate::common::{FACTORY, PHONE, World, report, sns};
use crate::on_both;
use domain::refusal::Refusal;
use domain::retention::Kept;
use dossier::files::Kind;
use dossier::flows::activate::{Activated, Report, Signals, activate};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::expiry::{SLICES, forget};
use dossier::flows::find::unit_number;
use dossier::flows::idempotency::{Answer, Keyed};
use dossier::flows::proof::{Attempt, ProofKind, ProofOutcome, TRIES_PER_VISITOR, prove_once};
use dossier::flows::{FlowError, redecide, ship};
use dossier::rules::kept;
use jiff::SignedDuration;
use store::event::Body;
use store::reference::Purpose;

on_both! {
    a_repeated_command_is_decided_afresh_after_its_term,
    raw_signals_go_and_what_was_found_stays,
    a_report_waits_no_longer_than_its_term,
    tries_of_a_proof_are_forgotten,
}

/// Terms run from when a row was recorded, which is a little after the standing clock of a test.
const MOMENT: SignedDuration = SignedDuration::from_secs(1);

async fn forget_all(world: &World) -> usize {
    forget(&world.house, 0..SLICES).await.expect("the store deletes")
}

fn after(world: &World, passed: SignedDuration) {
    world.clock.set(crate::common::clock().now() + passed);
}

fn key(content: &str) -> Keyed {
    Keyed::new("key", "route", "once", content).expect("a sound key")
}

async fn keyed(world: &World, report: &Report, key: &Keyed) -> String {
    if let Some(answer) = key.replay(&world.house).await.expect("it is looked up") {
        return format!("again {}", answer.reply);
    }
    let caller = world.caller().await;
    let render = |a: &Activated| Answer::new(200, a.first.to_string());
    let done = activate(&world.house, Some(&caller), report, Some(key), &render).await;
    done.expect("an activation is never refused").reply
}

/// How often the ledger says that it was started.
async fn starts(world: &World, sn: &str) -> usize {
    let events = world.house.store.events_fetch(world.unit(sn).await).await.expect("it reads");
    events.iter().filter(|e| matches!(e.body, Body::Activated(_))).count()
}

async fn a_repeated_command_is_decided_afresh_after_its_term(world: &World) {
    world.make(&sns(0..2)).await;
    let (one, other) = (report("sn", "CY000000", "a"), report("sn", "CY000001", "a"));
    assert_eq!(keyed(world, &one, &key("one")).await, "true");
    after(world, kept(Kept::Answer) - MOMENT);
    assert_eq!(forget_all(world).await, 0);
    assert_eq!(keyed(world, &one, &key("one")).await, "again true");
    let wrong = key("other").replay(&world.house).await;
    let mismatch = Refusal::IdempotencyMismatch;
    assert!(matches!(&wrong, Err(FlowError::Refused(r)) if r.refusal == mismatch), "{wrong:?}");

    // Over, though nothing has deleted it yet: the key is free, for this command and for others.
    after(world, kept(Kept::Answer) + MOMENT);
    assert_eq!(keyed(world, &one, &key("one")).await, "false", "decided afresh");
    assert_eq!(starts(world, "CY000000").await, 2);
    assert_eq!(keyed(world, &one, &key("one")).await, "again false");
    after(world, kept(Kept::Answer) * 3);
    assert_eq!(forget_all(world).await, 1);
    assert_eq!(keyed(world, &other, &key("other")).await, "true");
    assert_eq!(keyed(world, &other, &key("other")).await, "again true");
    world.agrees().await;
}

/// A unit started in the wrong province by its shop and its address.
async fn suspected(world: &World, sn: &str) {
    let shipped = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S-{sn},FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,{sn}\n"
    );
    world.take(Kind::Shipments, &shipped).await;
    let signals = Signals { store_code: Some("SHOP-53".to_owned()), ..Signals::default() };
    let report = Report { signals, ..report("sn", sn, sn) };
    let caller = world.caller().await;
    let render = |_: &Activated| Answer::new(200, String::new());
    let done = activate(&world.house, Some(&caller), &report, None, &render).await;
    done.expect("an activation is never refused");
}

async fn standing(world: &World, sn: &str) -> Vec<String> {
    let found = world.house.store.findings_fetch(world.unit(sn).await).await.expect("it reads");
    found.into_iter().filter(|f| !f.withdrawn).map(|f| f.kind).collect()
}

/// The paper that explains the finding, and the look it asks for.
async fn explained(world: &World, sn: &str) -> usize {
    let late = format!(
        "shipment_no,from_code,to_code,happened_at,subject,reason\n\
         L-{sn},T1-42,T1-53,2026-05-23T08:00:00+08:00,{sn},stock was evened out\n"
    );
    world.take(Kind::Shipments, &late).await;
    let due = world.clock.now().as_microsecond();
    let home = world.unit(sn).await;
    let jobs = world.house.store.outbox_due(ship::REDECIDE, due, 100).await.expect("it reads");
    let mut withdrawn = 0;
    for job in jobs.iter().filter(|job| job.home == home) {
        withdrawn += redecide::redecide(&world.house, job).await.expect("it is looked at again");
    }
    withdrawn
}

async fn signals_of(world: &World, sn: &str) -> Option<Vec<u8>> {
    let unit = world.unit(sn).await;
    let events = world.house.store.events_fetch(unit).await.expect("it reads");
    let started = events.iter().find(|e| matches!(e.body, Body::Activated(_)));
    let id = started.expect("it was started").id.0;
    world.house.store.observation_fetch(unit, &id, 0).await.expect("it reads")
}

async fn raw_signals_go_and_what_was_found_stays(world: &World) {
    world.make(&sns(0..2)).await;
    for sn in sns(0..2) {
        suspected(world, &sn).await;
        assert!(standing(world, &sn).await.contains(&"other_channel".to_owned()), "{sn}");
    }
    after(world, kept(Kept::Observation) - MOMENT);
    assert_eq!(forget_all(world).await, 0);
    assert!(explained(world, "CY000000").await > 0, "on what is kept it is decided again");
    assert!(!standing(world, "CY000000").await.contains(&"other_channel".to_owned()));

    after(world, kept(Kept::Observation) + MOMENT);
    assert!(signals_of(world, "CY000001").await.is_some(), "nobody has deleted it yet");
    assert_eq!(explained(world, "CY000001").await, 0, "expired evidence is not read");
    assert_eq!(forget_all(world).await, 2);
    assert_eq!(signals_of(world, "CY000000").await, None);
    assert_eq!(signals_of(world, "CY000001").await, None);
    assert_eq!(explained(world, "CY000001").await, 0);
    assert!(standing(world, "CY000001").await.contains(&"other_channel".to_owned()));
    assert_eq!(starts(world, "CY000001").await, 1, "the ledger keeps it");
    world.agrees().await;
}

async fn a_report_waits_no_longer_than_its_term(world: &World) {
    let caller = world.caller().await;
    let early = async |sn: &str| {
        let render = |_: &Activated| Answer::new(201, String::new());
        let report = report("sn", sn, sn);
        let done = activate(&world.house, Some(&caller), &report, None, &render).await;
        assert!(matches!(done, Err(FlowError::Refused(_))), "{done:?}");
    };
    let made = async |sn: &str| {
        let row = format!("{sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY}\n");
        world.take(Kind::Production, &format!("sn,gtin,produced_at,site_code\n{row}")).await;
    };
    for sn in ["EARLY1", "EARLY2", "EARLY3"] {
        early(sn).await;
    }
    after(world, kept(Kept::Waiting) - MOMENT);
    made("EARLY1").await;
    assert_eq!(starts(world, "EARLY1").await, 1, "it still waited");
    after(world, kept(Kept::Waiting) + MOMENT);
    made("EARLY2").await;
    assert_eq!(starts(world, "EARLY2").await, 0, "it had been given up");
    assert_eq!(forget_all(world).await, 2, "of EARLY2 and EARLY3");
    made("EARLY3").await;
    assert_eq!(starts(world, "EARLY3").await, 0);
    world.agrees().await;
}

async fn tries_of_a_proof_are_forgotten(world: &World) {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 1, scratch: true };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    let code = world.house.ring().encode(unit_number(batch.first));
    let row = format!("P1,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{}\n", code.as_str());
    world.take(Kind::Production, &format!("sn,gtin,produced_at,site_code,code\n{row}")).await;
    let unit = world.unit("P1").await;
    let right = world.house.secrets.scratch_key().code(unit_number(batch.first));
    let wrong = if right.to_string() == "000000" { "000001" } else { "000000" };
    let tried = async || {
        let (number, kind, value) = (unit, ProofKind::Scratch, wrong);
        let attempt = Attempt { number, kind, value, visitor: "192.0.2.1", pass: None };
        prove_once(&world.house, &attempt, None).await.expect("it is judged")
    };
    for _ in 0..TRIES_PER_VISITOR {
        assert!(matches!(tried().await, ProofOutcome::Wrong { .. }));
    }
    assert!(matches!(tried().await, ProofOutcome::Wait(_)));
    after(world, kept(Kept::ProofTry) - MOMENT);
    assert_eq!(forget_all(world).await, 0);
    after(world, kept(Kept::ProofTry) + MOMENT);
    assert_eq!(forget_all(world).await, TRIES_PER_VISITOR);
    assert!(world.house.store.proof_tries(unit, 0, 1).await.expect("it reads").is_empty());
    assert!(matches!(tried().await, ProofOutcome::Wrong { .. }));
    world.agrees().await;
}
