//! Races: whoever is second learns that he is, from one process or from two.

use crate::common::server::{Call, Client, Place, Reply, Server};
use crate::common::{Desk, FACTORY, PHONE, World, outcomes, report, sns, sscc, start};
use crate::on_both;
use domain::refusal::Refusal;
use domain::verdict::CodeReading;
use dossier::files::{Draft, Format, Kind, ProductionDraft, ShipmentDraft, Table, parse_row};
use dossier::flows::activate::{Activated, activate};
use dossier::flows::batches::{self, Mint, mint};
use dossier::flows::find::{self, CodeFound, unit_number};
use dossier::flows::idempotency::Answer;
use dossier::flows::import::operator;
use dossier::flows::produce::commission;
use dossier::flows::ship::{self, Way};
use dossier::flows::verify::{Reading, read};
use dossier::flows::{House, RowOutcome, Scope, keys, masterdata::Taking, waiting};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use store::engine::{Row, Target};
use store::event::Body;
use store::reference::{Batch, Purpose};
use testkit::Postgres;
use tokio::task::JoinHandle;

on_both! {
    a_start_beside_its_production_is_recorded,
    lines_and_a_file_all_come_through,
    one_activation_is_first,
    one_early_activation_is_first,
    one_shipment_is_taken,
    of_a_late_paper_and_what_its_contents_did_one_is_taken,
    a_report_that_waited_is_recorded_by_one_of_those_who_replay_it,
    what_another_process_minted_is_known,
    what_another_process_recorded_is_known_at_once,
    who_reads_in_an_older_snapshot_takes_nothing_back,
    void_codes_are_passed_over_at_once,
}

/// The same house twice, then two houses on one store.
async fn pairs(world: &World) -> [(Arc<House>, Arc<House>); 2] {
    let house = || Arc::clone(&world.house);
    [(house(), house()), (house(), world.another().await)]
}

async fn firsts(pair: &(Arc<House>, Arc<House>), scheme: &'static str, value: &str) -> usize {
    let mut racers = Vec::new();
    for n in 0..8 {
        let house = Arc::clone(if n % 2 == 0 { &pair.0 } else { &pair.1 });
        let value = value.to_owned();
        racers.push(tokio::spawn(async move {
            start(&house, scheme, &value, &format!("device {n}")).await
        }));
    }
    let mut firsts = 0;
    for racer in racers {
        firsts += usize::from(racer.await.expect("no racer stumbles"));
    }
    firsts
}

async fn one_activation_is_first(world: &World) {
    world.make(&sns(0..10)).await;
    for (i, pair) in pairs(world).await.iter().enumerate() {
        for sn in sns(i as u32 * 5..i as u32 * 5 + 5) {
            assert_eq!(firsts(pair, "sn", &sn).await, 1, "{sn}");
        }
    }
    world.agrees().await;
}

async fn minted(world: &World, purpose: Purpose, count: i64) -> Batch {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let order = Mint { product, purpose, count, scratch: false };
    mint(&world.house, &caller, order).await.expect("it is minted")
}

async fn one_early_activation_is_first(world: &World) {
    let batch = minted(world, Purpose::Printed, 10).await;
    for (i, pair) in (0_i64..).zip(&pairs(world).await) {
        let number = unit_number(batch.first + i);
        let code = world.house.ring().encode(number);
        assert_eq!(firsts(pair, "code", code.as_str()).await, 1);
    }
    world.agrees().await;
}

async fn one_shipment_is_taken(world: &World) {
    world.make(&sns(0..10)).await;
    for (i, pair) in (0_u64..).zip(&pairs(world).await) {
        let pallet = sscc(i);
        let child = format!("CY{i:06}");
        let packs = format!("sscc,child,packed_at\n{pallet},{child},2026-05-21T09:00:00+08:00\n");
        world.take(Kind::Packs, &packs).await;
        let mut racers = Vec::new();
        for (n, to) in ["T1-53", "T1-42"].into_iter().enumerate() {
            let house = if n == 0 { &pair.0 } else { &pair.1 };
            let draft = shipment(&format!("S{i}-{n}"), to, (22, &pallet));
            racers.push(ships(house, draft));
        }
        let mut taken = 0;
        for racer in racers {
            let outcome = racer.await.expect("no racer stumbles");
            taken += usize::from(outcome == RowOutcome::Taken);
        }
        assert_eq!(taken, 1);
    }
    world.agrees().await;
}

/// A carton that left before a unit was taken out of it, and that unit sent elsewhere after: both
/// are told late and at once, and one contradicts the other. The carton is no longer around the
/// unit by then, so neither row moves what the other is about.
async fn of_a_late_paper_and_what_its_contents_did_one_is_taken(world: &World) {
    world.make(&sns(0..20)).await;
    let desk = world.desk("BRAND", "all").await;
    for (i, pair) in (0_u64..).zip(&pairs(world).await) {
        for n in i * 5..i * 5 + 5 {
            let (carton, unit, other) = (sscc(n), format!("CY{n:06}"), format!("CY{:06}", n + 10));
            let row = |child: &str| format!("{carton},{child},2026-05-21T09:00:00+08:00\n");
            let packs = format!("sscc,child,packed_at\n{}{}", row(&unit), row(&other));
            world.take(Kind::Packs, &packs).await;
            let out = json!({"sscc": carton, "children": [unit],
                "happened_at": "2026-05-24T08:00:00+08:00"});
            let (status, reply) = desk.post("/api/v1/packs/unpack", &out).await;
            assert_eq!(status, 200, "{reply}");
            let late = shipment(&format!("P{n}"), "T1-53", (22, &carton));
            let alone = shipment(&format!("U{n}"), "T1-42", (26, &unit));
            let racers = [ships(&pair.0, late), ships(&pair.1, alone)];
            let mut told = Vec::new();
            for racer in racers {
                told.push(racer.await.expect("no racer stumbles"));
            }
            told.retain(|outcome| *outcome != RowOutcome::Taken);
            let [RowOutcome::Refused(why)] = &told[..] else { panic!("{n}: {told:?}") };
            let fitting = [Refusal::ContradictsLater, Refusal::AlreadyShipped];
            assert!(fitting.contains(&why[0].refusal), "{n}: {why:?}");
        }
    }
    world.agrees().await;
}

async fn waiting_for(world: &World, sn: &str) -> usize {
    let now = world.clock.now().as_microsecond();
    let found = world.house.store.waiting_fetch(&format!("sn {sn}"), now, (i64::MIN, &[])).await;
    found.expect("it reads").len()
}

async fn a_report_that_waited_is_recorded_by_one_of_those_who_replay_it(world: &World) {
    let (begun, caller) = (world.clock.now(), world.caller().await);
    let names = sns(0..10);
    for sn in &names {
        let render = |_: &Activated| Answer::new(201, String::new());
        let early = report("sn", sn, "a device");
        let early = activate(&world.house, Some(&caller), &early, None, &render).await;
        assert!(early.is_err(), "nothing answers to {sn} yet");
    }
    // Made by a clock that is ahead, for which nothing waits so long: none of them is replayed yet.
    world.clock.set(begun + jiff::SignedDuration::from_hours(31 * 24));
    world.make(&names).await;
    world.clock.set(begun);
    for (pair, names) in pairs(world).await.iter().zip(names.chunks(5)) {
        for sn in names {
            assert_eq!(waiting_for(world, sn).await, 1, "{sn}");
            let mut racers = Vec::new();
            for n in 0..4 {
                let house = Arc::clone(if n % 2 == 0 { &pair.0 } else { &pair.1 });
                let (brand, rows) = (caller.brand, [produced(sn)]);
                racers.push(tokio::spawn(async move {
                    waiting::replay(&house, brand, &rows).await;
                }));
            }
            for racer in racers {
                racer.await.expect("no racer stumbles");
            }
            let unit = world.unit(sn).await;
            let events = world.house.store.events_fetch(unit).await.expect("it reads");
            let started = events.iter().filter(|event| matches!(event.body, Body::Activated(_)));
            assert_eq!((started.count(), waiting_for(world, sn).await), (1, 0), "{sn}");
        }
    }
    world.agrees().await;
}

/// Hands goods over, in a task of its own.
fn ships(house: &Arc<House>, draft: ShipmentDraft) -> JoinHandle<RowOutcome> {
    let house = Arc::clone(house);
    tokio::spawn(async move {
        let caller = operator(&house, None).await.expect("there is one brand");
        let drafts = [draft];
        let done = ship::ship(&house, &caller, &drafts, Way::Forward, Taking::default());
        done.await.expect("the store answers").remove(0)
    })
}

/// The row of a file that holds one.
fn row(kind: Kind, text: &str) -> Draft {
    let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let row = table.rows().next().expect("one row").expect("it reads");
    parse_row(&row, &jiff::tz::TimeZone::UTC).expect("a sound row")
}

fn shipment(paper: &str, to: &str, (day, subject): (u32, &str)) -> ShipmentDraft {
    let text = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         {paper},{FACTORY},{to},2026-05-{day}T08:00:00+08:00,{subject}\n"
    );
    match row(Kind::Shipments, &text) {
        Draft::Shipment(draft) => draft,
        other => panic!("{other:?}"),
    }
}

/// As [`World::make`] says it.
fn produced(sn: &str) -> ProductionDraft {
    let text = format!(
        "sn,gtin,produced_at,site_code,lot,inspection\n\
         {sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},LOT1,pass\n"
    );
    match row(Kind::Production, &text) {
        Draft::Production(draft) => draft,
        other => panic!("{other:?}"),
    }
}

/// Sends every request's last piece at the same moment.
fn at_once(calls: Vec<(Call, String)>) -> Vec<Reply> {
    let start = Barrier::new(calls.len());
    std::thread::scope(|scope| {
        let race = |(call, rest): (Call, String)| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                call.send(&rest).answer()
            })
        };
        let racers: Vec<_> = calls.into_iter().map(race).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer stumbles")).collect()
    })
}

fn starting(client: &Client, sn: &str, device: &str) -> (Call, String) {
    let body = serde_json::json!({
        "identifier": {"scheme": "sn", "value": sn},
        "happened_at": "2026-06-09T08:00:00+08:00",
        "device_fingerprint": device,
    });
    let body = body.to_string();
    let path = "/api/v1/activations";
    (client.call("POST", path, "application/json", body.len(), ""), body)
}

fn shipping(client: &Client, paper: &str, to: &str, subject: &str) -> (Call, String) {
    let body = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         {paper},FAC-SZ,{to},2026-05-22T08:00:00+08:00,{subject}\n"
    );
    let path = "/api/v1/import/shipments";
    (client.call("POST", path, "text/csv", body.len(), ""), body)
}

/// Two serving processes on one PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_race_and_one_wins() {
    let world = World::postgres(Postgres::shared()).await;
    world.make(&sns(0..10)).await;
    let mut packs = "sscc,child,packed_at\n".to_owned();
    for i in 5..10 {
        let pallet = sscc(i);
        packs.push_str(&format!("{pallet},CY{i:06},2026-05-21T09:00:00+08:00\n"));
    }
    world.take(Kind::Packs, &packs).await;
    let place = Place::new(&world.target, world.scratch.path());
    let token = place.key();
    let nodes = [Server::start(&place), Server::start(&place)];
    let clients = [nodes[0].client(&token), nodes[1].client(&token)];
    for sn in sns(0..5) {
        let device = |n: usize| starting(&clients[n % 2], &sn, &format!("device {n}"));
        let replies = at_once((0..8).map(device).collect());
        let count = |status: u16| replies.iter().filter(|r| r.status == status).count();
        assert_eq!((count(201), count(200)), (1, 7), "{sn}: {replies:#?}");
        let firsts = replies.iter().filter(|r| r.json()["first"] == true);
        assert_eq!(firsts.count(), 1, "{sn}: {replies:#?}");
    }
    for i in 5..10 {
        let to = |n: usize| ["T1-53", "T1-42"][n % 2];
        let lorry = |n: usize| shipping(&clients[n % 2], &format!("S{i}-{n}"), to(n), &sscc(i));
        let replies = at_once((0..4).map(lorry).collect());
        let outcomes: Vec<_> = replies.iter().map(|r| r.lines()[0]["outcome"].clone()).collect();
        let taken = outcomes.iter().filter(|outcome| *outcome == "taken").count();
        let refused = outcomes.iter().filter(|outcome| *outcome == "refused").count();
        assert_eq!((taken, refused), (1, 3), "{replies:#?}");
    }
    drop(nodes);
    place.agrees();
    world.agrees().await;
}

/// A device is started while the line tells of it: whichever is first, the start is recorded once.
async fn a_start_beside_its_production_is_recorded(world: &World) {
    for unit in sns(500..540) {
        let report = report("sn", &unit, "a device");
        let render = |a: &Activated| Answer::new(200, a.first.to_string());
        let house = Arc::clone(&world.house);
        // Beside it, not between its steps.
        let started = tokio::spawn(async move {
            let caller = operator(&house, None).await.expect("there is one brand");
            activate(&house, Some(&caller), &report, None, &render).await.is_ok()
        });
        world.make(std::slice::from_ref(&unit)).await;
        let start = started.await.expect("it ends");
        let number = world.unit(&unit).await;
        let events = world.house.store.events_fetch(number).await.expect("it reads");
        let starts = events.iter().filter(|e| matches!(e.body, Body::Activated(_))).count();
        assert_eq!(starts, 1, "{unit}, answered {start}");
    }
    world.agrees().await;
}

/// Whether a house takes all of these.
async fn makes(house: Arc<House>, drafts: Vec<ProductionDraft>) -> bool {
    let caller = operator(&house, None).await.expect("there is one brand");
    let made = commission(&house, &caller, &drafts, Taking::default()).await;
    let made = made.expect("nobody is too busy");
    made.iter().all(|outcome| *outcome == RowOutcome::Taken)
}

/// Lines that commission a unit at a time and never rest, beside a file of many rows, in two
/// processes: all draw from the same numbers, and a line is always faster than the file.
async fn lines_and_a_file_all_come_through(world: &World) {
    let houses = [Arc::clone(&world.house), world.another().await];
    let done = Arc::new(AtomicBool::new(false));
    let mut lines: Vec<JoinHandle<u32>> = Vec::new();
    for line in 0..4_usize {
        let (house, done) = (Arc::clone(&houses[line % 2]), Arc::clone(&done));
        lines.push(tokio::spawn(async move {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let one = vec![produced(&format!("LINE{line}N{count}"))];
                assert!(makes(Arc::clone(&house), one).await, "a unit was not taken");
                count += 1;
            }
            count
        }));
    }
    let file: Vec<_> = (0..1_500).map(|n| produced(&format!("FILE{n}"))).collect();
    let taken = tokio::spawn(makes(Arc::clone(&houses[1]), file)).await;
    done.store(true, Ordering::Relaxed);
    assert!(taken.expect("nobody is too busy"), "a row was not taken");
    let mut made = 1_500;
    for line in lines {
        made += line.await.expect("no line stumbles") as usize;
    }
    let numbers = world.house.store.units_in_range(0, i64::MAX).await.expect("it reads");
    assert_eq!(numbers.len(), made);
    world.agrees().await;
}

/// Processes that were open before: that a number lies outside every range is not said on what they
/// know, since on PostgreSQL nobody has told them of the batch.
async fn what_another_process_minted_is_known(world: &World) {
    let houses = [world.another().await, world.another().await];
    let batch = minted(world, Purpose::Printed, 3).await;
    let code = |number| world.house.ring().encode(unit_number(number));
    let (ours, beyond) = (code(batch.first), code(batch.end()));
    for house in &houses {
        assert!(house.reference_polled().batch(batch.id).is_none(), "it was open before");
    }
    let found = find::code(&houses[0], ours.as_str()).await.expect("it reads");
    assert_eq!(found, CodeFound::Issued(batch.first));
    let found = find::code(&houses[0], beyond.as_str()).await.expect("it reads");
    assert_eq!(found, CodeFound::Unissued);
    let mut reference = houses[1].reference_polled();
    let told = read(&houses[1], &mut reference, None, ours.as_str(), None).await;
    let named = Reading::Number(batch.first, CodeReading::Issued);
    assert_eq!(told.expect("it reads"), named);
}

/// Nothing in this process polls what others recorded.
async fn what_another_process_recorded_is_known_at_once(world: &World) {
    let (other, brand) = (world.another().await, world.caller().await.brand);
    let token = keys::new_key(&other, brand, "BRAND", &[Scope::All], "test").await;
    let desk = Desk::with_token(world, token.expect("a key"));
    let (status, told) = desk.get("/api/v1/products").await;
    assert_eq!(status, 200, "{told}");
    let product = "gtin,name_zh,category,maker,network_start\n\
        6929141700027,澄野 B1,power_bank,澄野电子,no\n";
    assert_eq!(outcomes(&other, Kind::Products, product, false).await, ["taken"]);
    let made = json!({"rows": [{"sn": "CY000001", "gtin": "6929141700027", "site_code": FACTORY,
        "produced_at": "2026-05-20T08:00:00+08:00"}]});
    let (status, told) = desk.post("/api/v1/units/commission", &made).await;
    assert_eq!((status, &told["results"][0]["outcome"]), (200, &json!("taken")), "{told}");
}

/// The rows that all share are never put back to those of an older snapshot, nor the code keys.
async fn who_reads_in_an_older_snapshot_takes_nothing_back(world: &World) {
    let (house, other) = (&world.house, world.another().await);
    let batch = minted(world, Purpose::Printed, 3).await;
    let reading = async {
        let before = house.reference().await.expect("it reads").version;
        let outside = Arc::clone(house);
        let minting = async move {
            let caller = operator(&other, None).await.expect("the operator");
            let product = batch.product.map(domain::id::ProductId);
            let order = Mint { product, purpose: Purpose::Printed, count: 3, scratch: false };
            mint(&other, &caller, order).await.expect("it is minted");
            outside.reload().await.expect("it reads").version
        };
        let after = tokio::spawn(minting).await.expect("it ends");
        assert!(after > before);
        // What is read here may be older than what others know by now.
        house.reload().await.expect("it reads");
        house.reference().await.expect("it reads");
        after
    };
    let after = house.one_snapshot(reading).await;
    assert_eq!(house.reference_polled().version, after);
}

/// Counts how often numbers are drawn.
const DRAWS_COUNTED: &str = "ALTER TABLE draw ADD COLUMN moves BIGINT NOT NULL DEFAULT 0; \
    CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN NEW.moves := OLD.moves + 1; RETURN NEW; END $$; \
    CREATE TRIGGER moved BEFORE UPDATE ON draw FOR EACH ROW EXECUTE FUNCTION moved()";
const DRAWS: &str = "SELECT moves FROM draw WHERE batch_id = $1";

/// Who lost a race draws ahead of the commit, and passes over void codes in one step then, too. On
/// PostgreSQL a process that has not been told of the batch loses its first round.
async fn void_codes_are_passed_over_at_once(world: &World) {
    let other = world.another().await;
    if let Target::Postgres { url } = &world.target {
        testkit::execute(url, DRAWS_COUNTED).await;
    }
    let batch = minted(world, Purpose::Unprinted, 100_010).await;
    let caller = world.caller().await;
    for (first, last) in [(0, 99_999), (100_002, 100_003)] {
        let code = |place| world.house.ring().encode(unit_number(batch.first + place));
        let reel = Some((code(first), code(last)));
        let voided = batches::void(&world.house, &caller, batch.id(), reel, "a lost reel").await;
        voided.expect("it is voided");
    }
    let drafts = ["AHEAD0", "AHEAD1", "AHEAD2"].map(produced);
    let made = commission(&other, &caller, &drafts, Taking::default()).await;
    let made = made.expect("nobody is too busy");
    assert!(made.iter().all(|outcome| *outcome == RowOutcome::Taken), "{made:?}");
    let numbers = world.house.store.units_in_range(0, i64::MAX).await.expect("it reads");
    assert_eq!(numbers, [100_000, 100_001, 100_004].map(|place| batch.first + place));
    if matches!(world.target, Target::Postgres { .. }) {
        let engine = world.house.store.engine();
        let moves = engine.query(DRAWS, &[batch.id.into()], |r: &Row<'_>| r.int(0)).await;
        assert_eq!(moves.expect("it reads"), [1], "all of them in one step");
    }
    assert!(makes(Arc::clone(&world.house), vec![produced("WITHIN0")]).await);
    assert_eq!(world.unit("WITHIN0").await, batch.first + 100_005);
    world.agrees().await;
}
