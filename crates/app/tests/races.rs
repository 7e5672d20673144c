//! Races: whoever is second learns that he is, from one process or from two.

mod common;

use common::{World, sns, sscc, start};
use dossier::files::Kind;
use dossier::flows::House;
use dossier::flows::import::operator;
use dossier::flows::ship::{self, Way};
use dossier::flows::{RowOutcome, masterdata::Taking};
use std::sync::Arc;

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
