//! How often a proof may be tried: nobody goes through the million scratch codes of a label.

mod common;

use common::{FACTORY, PHONE, World};
use dossier::files::Kind;
use dossier::flows::batches::{Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::proof::{
    Attempt, ProofKind, ProofOutcome, TRIES_PER_UNIT, TRIES_PER_VISITOR, pass_of, prove_once,
};
use store::reference::Purpose;

on_both! {
    an_address_that_was_right_before_has_no_more_tries_than_others,
    with_a_pass_only_its_own_wrong_tries_count,
    the_next_proof_lifts_what_was_odd_since_the_last,
}

/// A phone with a scratch code: its number, the code, and one that is wrong.
async fn phone(world: &World) -> (i64, String, &'static str) {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("rows");
    let product = reference.products(caller.brand).first().map(|product| product.id);
    let order = Mint { product, purpose: Purpose::Printed, count: 1, scratch: true };
    let batch = mint(&world.house, &caller, order).await.expect("minted");
    let number = unit_number(batch.first);
    let code = world.house.ring().encode(number).as_str().to_owned();
    let row =
        format!("CY000000,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{code},860837783533742");
    let text = format!("sn,gtin,produced_at,site_code,code,imei1\n{row}\n");
    world.take(Kind::Production, &text).await;
    let right = world.house.secrets.scratch_key().code(number).to_string();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    (batch.first, right, wrong)
}

async fn tries(
    world: &World,
    number: i64,
    (kind, value): (ProofKind, &str),
    (visitor, pass): (&str, Option<&str>),
) -> ProofOutcome {
    let attempt = Attempt { number, kind, value, visitor, pass };
    prove_once(&world.house, &attempt, None).await.expect("it is judged")
}

fn left(tries_left: usize) -> ProofOutcome {
    ProofOutcome::Wrong { tries_left }
}

async fn an_address_that_was_right_before_has_no_more_tries_than_others(world: &World) {
    use ProofKind::{Imei4, Scratch};
    let (number, right, wrong) = phone(world).await;
    // The digits of an IMEI stand on the box; an address may be a whole town's.
    for (visitor, kind, value) in [("box", Imei4, "3742"), ("town", Scratch, right.as_str())] {
        let first = tries(world, number, (kind, value), (visitor, None)).await;
        assert!(matches!(first, ProofOutcome::Compare | ProofOutcome::First), "{first:?}");
        for tried in 1..=TRIES_PER_VISITOR {
            let outcome = tries(world, number, (Scratch, wrong), (visitor, None)).await;
            assert_eq!(outcome, left(TRIES_PER_VISITOR - tried), "{visitor}");
        }
        for (kind, value) in [(Scratch, wrong), (Scratch, right.as_str()), (Imei4, "3742")] {
            let outcome = tries(world, number, (kind, value), (visitor, None)).await;
            assert!(matches!(outcome, ProofOutcome::Wait(_)), "{visitor}: {outcome:?}");
        }
    }
    // Both together are all that a unit bears from everywhere.
    assert_eq!(TRIES_PER_UNIT, 2 * TRIES_PER_VISITOR);
    let outcome = tries(world, number, (Scratch, right.as_str()), ("third", None)).await;
    assert!(matches!(outcome, ProofOutcome::Wait(_)), "{outcome:?}");
}

async fn with_a_pass_only_its_own_wrong_tries_count(world: &World) {
    use ProofKind::Scratch;
    let (number, right, wrong) = phone(world).await;
    let owner = tries(world, number, (Scratch, &right), ("owner", None)).await;
    assert_eq!(owner, ProofOutcome::First);
    let pass = pass_of(&world.house, number).await.expect("it reads").expect("a unit");
    for visitor in ["one", "two"] {
        for _ in 0..TRIES_PER_VISITOR {
            tries(world, number, (Scratch, wrong), (visitor, None)).await;
        }
    }
    let without = tries(world, number, (Scratch, &right), ("owner", None)).await;
    assert!(matches!(without, ProofOutcome::Wait(_)), "{without:?}");
    let with = tries(world, number, (Scratch, &right), ("owner", Some(&pass))).await;
    assert!(matches!(with, ProofOutcome::Again(_)), "{with:?}");
    for tried in 1..=TRIES_PER_VISITOR {
        let outcome = tries(world, number, (Scratch, wrong), ("owner", Some(&pass))).await;
        assert_eq!(outcome, left(TRIES_PER_VISITOR - tried));
    }
    let spent = tries(world, number, (Scratch, &right), ("owner", Some(&pass))).await;
    assert!(matches!(spent, ProofOutcome::Wait(_)), "{spent:?}");
}

/// Looks from so many cities, as only a copied code gets.
fn looked_at_everywhere(world: &World, number: i64) {
    use dossier::flows::scans::{Audience, Spot};
    for city in ["110100", "310100", "440100", "420100", "530100", "610100"] {
        let city = domain::region::RegionCode::parse(city).expect("a city");
        let at = world.house.clock.now().as_microsecond();
        world.house.scans.note(number, Audience::Consumer, at, Some(Spot::steady(city)));
    }
}

async fn verdict(world: &World, number: i64) -> String {
    let code = world.house.ring().encode(unit_number(number)).as_str().to_owned();
    let (_, reply) = world.desk("BRAND", "all").await.get(&format!("/api/v1/verify/{code}")).await;
    reply["verdict"].as_str().unwrap_or_default().to_owned()
}

async fn the_next_proof_lifts_what_was_odd_since_the_last(world: &World) {
    use ProofKind::Scratch;
    let (number, right, _) = phone(world).await;
    assert!(common::start(&world.house, "sn", "CY000000", "the owner").await);
    let minute = || {
        let next = world.clock.now() + jiff::SignedDuration::from_mins(1);
        world.clock.set(next);
    };
    let proved_at = world.house.clock.now();
    let first = tries(world, number, (Scratch, &right), ("owner", None)).await;
    assert_eq!(first, ProofOutcome::First);
    for _ in 0..2 {
        minute();
        looked_at_everywhere(world, number);
        assert_eq!(verdict(world, number).await, "check");
        minute();
        let again = tries(world, number, (Scratch, &right), ("owner", None)).await;
        // The first time is told, however often it was right since.
        assert_eq!(again, ProofOutcome::Again(proved_at));
        assert_eq!(verdict(world, number).await, "genuine");
    }
    // A second device makes it doubtful, and the first time stays the first.
    assert!(!common::start(&world.house, "sn", "CY000000", "a copy").await);
    assert_eq!(verdict(world, number).await, "check");
    for _ in 0..2 {
        minute();
        let again = tries(world, number, (Scratch, &right), ("owner", None)).await;
        assert_eq!(again, ProofOutcome::Again(proved_at));
        assert_eq!(verdict(world, number).await, "genuine");
    }
    world.agrees().await;
}
