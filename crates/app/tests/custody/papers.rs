//! Papers belong to their sender: two parties may use one number, for the same goods too.

use crate::common::{FACTORY, World, sns, sscc};
use crate::on_both;
use dossier::files::{Draft, JsonLines, Kind, ShipmentDraft, parse_row};
use dossier::flows::masterdata::Taking;
use dossier::flows::ship::{self, Way};
use dossier::flows::{FlowError, RowOutcome, receipt};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use store::event::Body;

on_both! {
    each_sender_has_a_paper_of_the_number,
    a_row_that_says_something_else_is_no_repeat,
    a_paper_taken_back_is_not_written_anew,
    what_is_missing_is_told_for_each_sender,
    a_receipt_says_whose_paper_it_means,
}

const T1: &str = "T1-53";
const T2: &str = "T2-53";

fn hour(hour: i64) -> Timestamp {
    let first: Timestamp = "2026-05-21T00:00:00Z".parse().expect("an instant");
    first + jiff::SignedDuration::from_hours(hour)
}

fn draft(no: &str, way: (&str, &str), at: i64, subject: &str) -> ShipmentDraft {
    dated(no, way, &hour(at).to_string(), subject)
}

fn dated(no: &str, (from, to): (&str, &str), at: &str, subject: &str) -> ShipmentDraft {
    let row = json!({"shipment_no": no, "from_code": from, "to_code": to, "subject": subject,
        "happened_at": at});
    let raw = JsonLines::new(Kind::Shipments).row(1, row.to_string().as_bytes());
    match parse_row(&raw, &jiff::tz::TimeZone::UTC) {
        Ok(Draft::Shipment(draft)) => draft,
        other => panic!("{other:?}"),
    }
}

/// `taken`, `unchanged`, or the code of the first refusal.
async fn send(world: &World, drafts: &[ShipmentDraft]) -> Vec<&'static str> {
    goes(world, drafts, Way::Forward).await
}

async fn goes(world: &World, drafts: &[ShipmentDraft], way: Way) -> Vec<&'static str> {
    let caller = world.caller().await;
    let said = ship::ship(&world.house, &caller, drafts, way, Taking::default()).await;
    let word = |outcome: &RowOutcome| match outcome {
        RowOutcome::Taken => "taken",
        RowOutcome::Unchanged => "unchanged",
        RowOutcome::NotRecorded => "not_recorded",
        RowOutcome::Refused(why) => why[0].refusal.code(),
    };
    said.expect("the store answers").iter().map(word).collect()
}

fn refused<T: std::fmt::Debug>(said: Result<T, FlowError>) -> String {
    match said {
        Err(FlowError::Refused(refused)) => format!("{} {}", refused.refusal.code(), refused.field),
        other => panic!("{other:?}"),
    }
}

/// Takes a paper back.
async fn void(world: &World, no: &str, from: Option<&str>, at: i64) -> Result<usize, FlowError> {
    let done = ship::void(&world.house, &world.caller().await, (no, from), hour(at)).await?;
    Ok(done.count)
}

async fn accept(world: &World, party: &str, subject: &str, at: i64) {
    let caller = world.caller().await;
    let done = ship::receive(&world.house, &caller, party, subject, hour(at), None).await;
    done.expect("it is on its way to the party");
}

/// What a party still misses of a paper, as it is recorded.
async fn missing(
    world: &World,
    party: &str,
    (no, from): (&str, Option<&str>),
    at: i64,
) -> Result<Vec<String>, FlowError> {
    let caller = world.caller().await;
    let paper = receipt::paper(&world.house, &caller, party, (no, from)).await?;
    let mut names = Vec::new();
    for number in paper.missing(&world.house, &caller, hour(at).into(), &[]).await? {
        names.push(receipt::name_of(&world.house, number).await?);
    }
    Ok(names)
}

/// A pallet of two units at the factory.
async fn pallet(world: &World) -> String {
    world.make(&sns(1..3)).await;
    let pallet = sscc(1);
    let row = |sn: &String| format!("{pallet},{sn},2026-05-20T10:00:00+08:00\n");
    let rows: String = sns(1..3).iter().map(row).collect();
    world.take(Kind::Packs, &format!("sscc,child,packed_at\n{rows}")).await;
    pallet
}

async fn each_sender_has_a_paper_of_the_number(world: &World) {
    let pallet = pallet(world).await;
    let whole = [pallet.clone()];
    let first = draft("P-1", (FACTORY, T1), 1, &pallet);
    let second = draft("P-1", (T1, T2), 3, &pallet);
    assert_eq!(send(world, std::slice::from_ref(&first)).await, ["taken"]);
    assert_eq!(missing(world, T1, ("P-1", None), 2).await.expect("a paper"), whole);
    accept(world, T1, &pallet, 2).await;
    assert_eq!(send(world, std::slice::from_ref(&second)).await, ["taken"]);
    // Each again is a repeat; with other content each differs from its own sender's.
    assert_eq!(send(world, &[first.clone(), second.clone()]).await, ["unchanged"; 2]);
    for (way, at) in [((FACTORY, T1), 4), ((FACTORY, T2), 1), ((T1, T2), 4), ((T1, FACTORY), 3)] {
        let other = draft("P-1", way, at, &pallet);
        assert_eq!(send(world, &[other]).await, ["content_differs"], "{way:?} at {at}");
    }
    world.agrees().await;
    // The receivers' papers are apart: nothing of the first is missing any more.
    let none: [String; 0] = [];
    assert_eq!(missing(world, T1, ("P-1", None), 4).await.expect("a paper"), none);
    assert_eq!(missing(world, T2, ("P-1", None), 4).await.expect("a paper"), whole);
    // So are the senders': the first has moved on, the second has not.
    assert_eq!(refused(void(world, "P-1", None, 5).await), "invalid_field from");
    assert_eq!(refused(void(world, "P-1", Some(FACTORY), 5).await), "moved_on shipment_no");
    assert_eq!(void(world, "P-1", Some(T1), 5).await.expect("nothing moved on"), 1);
    assert_eq!(void(world, "P-1", Some(T1), 5).await.expect("done before"), 0);
    assert_eq!(refused(missing(world, T2, ("P-1", None), 6).await), "unknown_shipment shipment_no");
    // The first paper stands as it did, and the goods go on.
    assert_eq!(send(world, &[first, second]).await, ["unchanged"; 2]);
    assert_eq!(send(world, &[draft("P-2", (T1, T2), 6, &pallet)]).await, ["taken"]);
    accept(world, T2, &sns(1..2)[0], 7).await;
    world.agrees().await;
}

async fn a_row_that_says_something_else_is_no_repeat(world: &World) {
    world.make(&sns(0..5)).await;
    let names = sns(0..5);
    let says = |row: ShipmentDraft, reason: &str, declared_group_purchase: bool| ShipmentDraft {
        reason: reason.to_owned(),
        declared_group_purchase,
        ..row
    };
    let row = |n: usize, reason: &str, group: bool| {
        says(draft("P-1", (FACTORY, T1), 1, &names[n]), reason, group)
    };
    // One paper; of each of its goods something else is said.
    let told = [row(0, "", false), row(1, "", true), row(2, "a trial", true)];
    assert_eq!(send(world, &told).await, ["taken"; 3]);
    assert_eq!(send(world, &told).await, ["unchanged"; 3]);
    let others = [
        row(0, "a trial", false),
        row(0, "", true),
        row(1, "", false),
        row(1, "a trial", true),
        row(2, "", true),
        row(2, "a trial for the city", true),
        row(2, "a trial", false),
    ];
    assert_eq!(send(world, &others).await, ["content_differs"; 7]);
    // So it is with what an earlier row of the same command says.
    let fresh = |group| says(draft("P-2", (FACTORY, T1), 1, &names[3]), "", group);
    let command = [fresh(false), fresh(false), fresh(true)];
    assert_eq!(send(world, &command).await, ["taken", "unchanged", "content_differs"]);
    let day = |reason| says(dated("P-3", (FACTORY, T1), "2026-05-21", &names[4]), reason, false);
    assert_eq!(send(world, &[day("a trial")]).await, ["taken"]);
    assert_eq!(send(world, &[day("a trial"), day("")]).await, ["unchanged", "content_differs"]);
    // What was taken back said what it said.
    assert_eq!(void(world, "P-1", None, 2).await.expect("nothing moved on"), 3);
    assert_eq!(send(world, &told).await, ["unchanged"; 3]);
    assert_eq!(send(world, &others).await, ["content_differs"; 7]);
    // A return says why, and of groups nothing.
    let back = |reason, group| says(draft("R-1", (T1, FACTORY), 3, &names[3]), reason, group);
    let command = [back("broken", false), back("broken", true), back("", false)];
    let expected = ["taken", "unchanged", "content_differs"];
    assert_eq!(goes(world, &command, Way::Back).await, expected);
    assert_eq!(goes(world, &command[1..], Way::Back).await, expected[1..]);
    world.agrees().await;
}

async fn a_paper_taken_back_is_not_written_anew(world: &World) {
    let pallet = pallet(world).await;
    let row = draft("P-1", (FACTORY, T1), 1, &pallet);
    assert_eq!(send(world, std::slice::from_ref(&row)).await, ["taken"]);
    assert_eq!(void(world, "P-1", None, 2).await.expect("nothing moved on"), 1);
    // What was recorded is recorded, whatever became of it; other goods need another paper.
    assert_eq!(send(world, &[row]).await, ["unchanged"]);
    let anew = draft("P-1", (FACTORY, T1), 3, &pallet);
    assert_eq!(send(world, &[anew]).await, ["content_differs"]);
    assert_eq!(send(world, &[draft("P-2", (FACTORY, T1), 3, &pallet)]).await, ["taken"]);
    world.agrees().await;
}

async fn what_is_missing_is_told_for_each_sender(world: &World) {
    world.make(&sns(1..2)).await;
    let (sn, number) = (&sns(1..2)[0], world.unit(&sns(1..2)[0]).await);
    let told = async || -> Vec<i64> {
        let events = world.house.store.events_fetch(number).await.expect("it reads");
        let sender = |body: &Body| match body {
            Body::ReceiptDiffered { from, .. } => Some(*from),
            _ => None,
        };
        events.iter().filter_map(|e| sender(&e.body)).collect()
    };
    let reference = world.house.reference_now().await.expect("rows");
    let brand = world.caller().await.brand;
    let id = |code: &str| reference.party(brand, code).expect("a party").id.0;
    assert_eq!(send(world, &[draft("P-9", (FACTORY, T1), 1, sn)]).await, ["taken"]);
    for _ in 0..2 {
        assert_eq!(missing(world, T1, ("P-9", None), 2).await.expect("a paper").len(), 1);
        assert_eq!(told().await, [id(FACTORY)]);
    }
    assert_eq!(void(world, "P-9", None, 3).await.expect("nothing moved on"), 1);
    // It comes the other way round, under the same number, and is lost again.
    assert_eq!(send(world, &[draft("Q", (FACTORY, T2), 4, sn)]).await, ["taken"]);
    assert_eq!(send(world, &[draft("P-9", (T2, T1), 5, sn)]).await, ["taken"]);
    for _ in 0..2 {
        assert_eq!(missing(world, T1, ("P-9", None), 6).await.expect("a paper").len(), 1);
        assert_eq!(told().await, [id(FACTORY), id(T2)]);
    }
    world.agrees().await;
}

async fn a_receipt_says_whose_paper_it_means(world: &World) {
    let pallet = pallet(world).await;
    for (way, at) in [((FACTORY, T1), 1), ((T1, T2), 2), ((T2, T1), 3)] {
        assert_eq!(send(world, &[draft("P-1", way, at, &pallet)]).await, ["taken"], "{way:?}");
    }
    assert_eq!(refused(missing(world, T1, ("P-1", None), 4).await), "invalid_field from");
    let nobody = missing(world, T1, ("P-1", Some("NOBODY")), 4).await;
    assert_eq!(refused(nobody), "unknown_party from");
    let other = missing(world, T1, ("P-1", Some("T1-42")), 4).await;
    assert_eq!(refused(other), "unknown_shipment shipment_no");
    // Under one number and to one party, the pallet is on its way by one paper alone.
    let none: [String; 0] = [];
    let factory = missing(world, T1, ("P-1", Some(FACTORY)), 4).await.expect("a paper");
    assert_eq!(factory, none);
    let back = missing(world, T1, ("P-1", Some(T2)), 4).await.expect("a paper");
    assert_eq!(back, [pallet]);
    world.agrees().await;
}

const WAYS: [(&str, &str); 5] = [(FACTORY, T1), (T1, T2), (T2, T1), (T1, FACTORY), (FACTORY, T2)];
const NUMBERS: [&str; 2] = ["P-1", "P-2"];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever moves where under few numbers: subject, sender and number name one row for ever,
    /// and no other sender's row is in its way.
    #[test]
    fn a_row_is_known_by_subject_sender_and_number(
        steps in prop::collection::vec((0..2_usize, 0..WAYS.len(), 0..2_usize, any::<bool>()), 1..9)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let world = World::sqlite().await;
            world.make(&sns(1..3)).await;
            let mut papers = HashMap::new();
            for (at, (unit, way, no, voids)) in steps.into_iter().enumerate() {
                let (sn, way, no) = (&sns(1..3)[unit], WAYS[way], NUMBERS[no]);
                let row = draft(no, way, 2 * at as i64 + 1, sn);
                let said = send(&world, std::slice::from_ref(&row)).await;
                let key = (sn.clone(), way.0, no);
                let known = papers.contains_key(&key);
                assert_eq!(said == ["content_differs"], known, "{said:?} of {row:?}");
                if said == ["taken"] {
                    papers.insert(key, row);
                }
                if voids {
                    // Whether it may be taken back is asked elsewhere.
                    let _ = void(&world, no, Some(way.0), 2 * at as i64 + 2).await;
                }
            }
            for row in papers.values() {
                assert_eq!(send(&world, std::slice::from_ref(row)).await, ["unchanged"]);
            }
            if !papers.is_empty() {
                world.agrees().await;
            }
        });
    }
}
