//! Races: whoever is second learns that he is, from one process or from two.

mod common;

use common::server::{Call, Client, Place, Reply, Server};
use common::{World, sns, sscc, start};
use dossier::files::Kind;
use dossier::flows::House;
use dossier::flows::import::operator;
use dossier::flows::ship::{self, Way};
use dossier::flows::{RowOutcome, masterdata::Taking};
use std::sync::{Arc, Barrier};
use testkit::Postgres;

on_both! { one_activation_is_first, one_early_activation_is_first, one_shipment_is_taken }

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

async fn one_early_activation_is_first(world: &World) {
    use dossier::flows::batches::{Mint, mint};
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let purpose = store::reference::Purpose::Printed;
    let order = Mint { product, purpose, count: 10, scratch: false };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    for (i, pair) in (0_i64..).zip(&pairs(world).await) {
        let number = dossier::flows::find::unit_number(batch.first + i);
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
            let house = Arc::clone(if n == 0 { &pair.0 } else { &pair.1 });
            let draft = shipment(&format!("S{i}-{n}"), to, &pallet);
            racers.push(tokio::spawn(async move {
                let caller = operator(&house, None).await.expect("there is one brand");
                let drafts = [draft];
                let done = ship::ship(&house, &caller, &drafts, Way::Forward, Taking::default());
                done.await.expect("the store answers").remove(0)
            }));
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

fn shipment(paper: &str, to: &str, subject: &str) -> dossier::files::ShipmentDraft {
    use dossier::files::{Draft, Format, Table, parse_row};
    let text = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         {paper},FAC-SZ,{to},2026-05-22T08:00:00+08:00,{subject}\n"
    );
    let input = Box::new(std::io::Cursor::new(text.into_bytes()));
    let mut table = Table::from_reader(Kind::Shipments, Format::Csv, input).expect("a sound file");
    let row = table.rows().next().expect("one row").expect("it reads");
    match parse_row(&row, &jiff::tz::TimeZone::UTC) {
        Ok(Draft::Shipment(draft)) => draft,
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
