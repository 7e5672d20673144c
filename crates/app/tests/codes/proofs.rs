//! How often a proof may be tried: nobody goes through the million scratch codes of a label.

use crate::common::browser::pass;
use crate::common::{FACTORY, PHONE, World};
use crate::on_both;
use axum::body::Body;
use axum::http::Request;
use dossier::api::{ServeOptions, router};
use dossier::files::{Format, Kind, Table};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::proof::{
    Attempt, ProofKind, ProofOutcome, TRIES_PER_BATCH, TRIES_PER_UNIT, TRIES_PER_VISITOR, WAIT,
    pass_of, prove_once,
};
use dossier::flows::{Scope, keys};
use jiff::SignedDuration;
use std::sync::Arc;
use store::commit::{Commit, Side};
use store::reference::Purpose;
use tower::ServiceExt;

on_both! {
    an_address_that_was_right_before_has_no_more_tries_than_others,
    with_a_pass_only_its_own_wrong_tries_count,
    the_next_proof_lifts_what_was_odd_since_the_last,
    a_wait_ends_after_an_hour_and_not_before,
    the_tries_that_are_left_are_those_of_whoever_has_the_fewest,
    a_batch_waits_once_somebody_goes_through_it,
    right_digits_hide_no_wrong_ones,
    proofs_over_the_api_are_limited_as_those_of_the_pages,
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
    assert!(crate::common::start(&world.house, "sn", "CY000000", "the owner").await);
    let minute = || {
        let next = world.clock.now() + SignedDuration::from_mins(1);
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
    assert!(!crate::common::start(&world.house, "sn", "CY000000", "a copy").await);
    assert_eq!(verdict(world, number).await, "check");
    for _ in 0..2 {
        minute();
        let again = tries(world, number, (Scratch, &right), ("owner", None)).await;
        assert_eq!(again, ProofOutcome::Again(proved_at));
        assert_eq!(verdict(world, number).await, "genuine");
    }
    world.agrees().await;
}

async fn a_wait_ends_after_an_hour_and_not_before(world: &World) {
    use ProofKind::{Imei4, Scratch};
    let (number, right, wrong) = phone(world).await;
    let moment = SignedDuration::from_micros(1);
    // One visitor's tries, ten minutes apart.
    let first_at = world.clock.now();
    for tried in 1..=TRIES_PER_VISITOR {
        let outcome = tries(world, number, (Scratch, wrong), ("one", None)).await;
        assert_eq!(outcome, left(TRIES_PER_VISITOR - tried));
        pass(world, SignedDuration::from_mins(10));
    }
    let until = first_at + WAIT;
    for at in [world.clock.now(), until - moment] {
        world.clock.set(at);
        for value in [wrong, right.as_str()] {
            let outcome = tries(world, number, (Scratch, value), ("one", None)).await;
            assert_eq!(outcome, ProofOutcome::Wait(until));
        }
    }
    world.clock.set(until);
    // The first no longer counts, the others do.
    let outcome = tries(world, number, (Scratch, wrong), ("one", None)).await;
    assert_eq!(outcome, left(0));
    let outcome = tries(world, number, (Imei4, "3742"), ("one", None)).await;
    assert_eq!(outcome, ProofOutcome::Wait(first_at + SignedDuration::from_mins(10) + WAIT));
    // An hour after the last of all nothing is left of them.
    world.clock.set(until + WAIT);
    for (visitor, tried) in [("one", 1), ("two", 1), ("one", 2), ("two", 2), ("one", 3)] {
        let outcome = tries(world, number, (Scratch, wrong), (visitor, None)).await;
        assert_eq!(outcome, left(TRIES_PER_VISITOR - tried), "{visitor}");
    }
}

async fn the_tries_that_are_left_are_those_of_whoever_has_the_fewest(world: &World) {
    use ProofKind::{Imei4, Scratch};
    let (number, right, wrong) = phone(world).await;
    for (visitor, count) in [("one", TRIES_PER_VISITOR), ("two", TRIES_PER_VISITOR - 2)] {
        for tried in 1..=count {
            let outcome = tries(world, number, (Scratch, wrong), (visitor, None)).await;
            assert_eq!(outcome, left(TRIES_PER_VISITOR - tried), "{visitor}");
        }
    }
    // The unit bears two more, whoever's they are.
    assert_eq!(tries(world, number, (Imei4, "0000"), ("three", None)).await, left(1));
    assert_eq!(tries(world, number, (Scratch, wrong), ("four", None)).await, left(0));
    let outcome = tries(world, number, (Scratch, &right), ("five", None)).await;
    assert!(matches!(outcome, ProofOutcome::Wait(_)), "{outcome:?}");
}

async fn a_batch_waits_once_somebody_goes_through_it(world: &World) {
    use ProofKind::{Imei4, Scratch};
    let (number, right, wrong) = phone(world).await;
    let first = tries(world, number, (Scratch, &right), ("owner", None)).await;
    assert_eq!(first, ProofOutcome::First);
    let owner = pass_of(&world.house, number).await.expect("it reads").expect("a unit");
    let reference = world.house.reference_now().await.expect("it reads");
    let batch = reference.batch_of(number).expect("it was minted").id;
    // Two fewer than it bears, on units that lie far from this one.
    let tried_at = world.clock.now().as_microsecond();
    let miss = |n: i64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let unit = number + 1_000 + n;
        let visitor = n.to_be_bytes().to_vec();
        Side::ProofTry { unit, id, batch, visitor, tried_at, succeeded: false }
    };
    let sides = (0..TRIES_PER_BATCH - 2).map(miss).collect();
    let guessed = Commit { sides, ..Commit::default() };
    world.house.store.commit(&guessed).await.expect("it is written");
    assert_eq!(tries(world, number, (Scratch, wrong), ("one", None)).await, left(1));
    assert_eq!(tries(world, number, (Imei4, "0000"), ("two", None)).await, left(0));
    for (kind, value) in [(Scratch, wrong), (Scratch, right.as_str()), (Imei4, "3742")] {
        let outcome = tries(world, number, (kind, value), ("three", None)).await;
        assert!(matches!(outcome, ProofOutcome::Wait(_)), "{outcome:?}");
    }
    // Not whoever showed it before.
    let own = tries(world, number, (Scratch, &right), ("owner", Some(&owner))).await;
    assert!(matches!(own, ProofOutcome::Again(_)), "{own:?}");
    pass(world, WAIT + SignedDuration::from_secs(1));
    let outcome = tries(world, number, (Scratch, wrong), ("three", None)).await;
    assert_eq!(outcome, left(TRIES_PER_VISITOR - 1));
}

/// Whoever reads them off the box tries them as often as they like: that shows nobody wrong.
async fn right_digits_hide_no_wrong_ones(world: &World) {
    use ProofKind::{Imei4, Scratch};
    let (number, right, wrong) = phone(world).await;
    for tried in 1..=TRIES_PER_VISITOR {
        for _ in 0..TRIES_PER_UNIT {
            let outcome = tries(world, number, (Imei4, "3742"), ("box", None)).await;
            assert_eq!(outcome, ProofOutcome::Compare);
        }
        let outcome = tries(world, number, (Scratch, wrong), ("box", None)).await;
        assert_eq!(outcome, left(TRIES_PER_VISITOR - tried));
    }
    let outcome = tries(world, number, (Scratch, &right), ("box", None)).await;
    assert!(matches!(outcome, ProofOutcome::Wait(_)), "{outcome:?}");
    // Of all that was written only the wrong ones are read, the oldest first, and no more of them
    // than are asked for.
    let read = async |most| {
        let read = world.house.store.proof_tries(number, 0, most).await.expect("it reads");
        read.into_iter().map(|(_, at)| at).collect::<Vec<_>>()
    };
    let all = read(1_000).await;
    assert_eq!(all.len(), TRIES_PER_VISITOR);
    assert!(all.is_sorted());
    assert_eq!(read(2).await, all[..2]);
}

/// Whoever knows the right digits never waits, and each try is written down.
/// A key of another brand, for its own party.
async fn strangers_key(world: &World) -> String {
    let text = "code,kind,name,parent_code\nOTHER,brand,Other,\n";
    let reader = Box::new(std::io::Cursor::new(text.as_bytes()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, reader).expect("a table");
    let (who, taking) = (Importer::Operator(Some("OTHER")), Taking::default());
    import(&world.house, who, &mut table, taking, &mut |_, _| {}).await.expect("it is taken");
    let caller = operator(&world.house, Some("OTHER")).await.expect("the brand");
    let key = keys::new_key(&world.house, caller.brand, "OTHER", &[Scope::Verify], "test").await;
    key.expect("the party is known")
}

#[allow(clippy::too_many_lines, reason = "every way to one purse")]
async fn proofs_over_the_api_are_limited_as_those_of_the_pages(world: &World) {
    let (number, ..) = phone(world).await;
    let code = world.house.ring().encode(unit_number(number)).as_str().to_owned();
    let app =
        router(Arc::clone(&world.house), ServeOptions { limits: true, ..ServeOptions::default() });
    let brand = world.caller().await.brand;
    let key = async |party: &str, scope: Scope| {
        let token = keys::new_key(&world.house, brand, party, &[scope], "test").await;
        token.expect("the party is known")
    };
    let (device, trade) =
        (key("BRAND", Scope::ActivateApp).await, key("T1-53", Scope::Verify).await);
    let server = key("BRAND", Scope::Verify).await;
    let stranger = strangers_key(world).await;
    let send = async |path: String, token: &str, sent: Option<(&str, String)>| {
        let method = if sent.is_some() { "POST" } else { "GET" };
        let (media, body) = sent.unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", media);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = app.clone().oneshot(request).await.expect("an answer");
        let word = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        (response.status().as_u16(), word("content-type"), word("retry-after"), word("ratelimit"))
    };
    let path = || format!("/api/v1/verify/{code}/proof");
    let right = serde_json::json!({"kind": "imei4", "value": "3742"}).to_string();
    let json = |text: &str| Some(("application/json", text.to_owned()));
    let ask = async |token: &str| send(path(), token, json(&right)).await;
    // How many are let through before one is not.
    let until_stopped = async |token: &str, most: usize| {
        for count in 0..most {
            let (status, media, wait, limit) = ask(token).await;
            if status == 429 {
                assert_eq!(media, "application/problem+json");
                assert!(!wait.is_empty() && limit.starts_with("\"unit\";r=0;"), "{wait} {limit}");
                return count;
            }
            assert_eq!(status, 200);
        }
        most
    };
    assert!((60..2_000).contains(&until_stopped(&device, 2_000).await));
    // It is one purse: of everybody else there is let through what trickled in meanwhile, by
    // whatever way they look.
    for token in [device.as_str(), trade.as_str(), stranger.as_str(), ""] {
        assert!(until_stopped(token, 60).await < 60);
    }
    let form = || Some(("application/x-www-form-urlencoded", "kind=imei4&value=3742".to_owned()));
    for (path, token, sent) in [
        (format!("/api/v1/verify/{code}"), "", None),
        (format!("/d/{code}/proof"), trade.as_str(), form()),
        (format!("/d/{code}/proof"), server.as_str(), form()),
    ] {
        let mut count = 0;
        while count < 60 && send(path.clone(), token, sent.clone()).await.0 == 200 {
            count += 1;
        }
        assert!(count < 60, "{path}");
    }
    for _ in 0..100 {
        assert_eq!(ask(&server).await.0, 200, "the brand's server");
    }
    // Whoever brings the owner's pass has a purse of their own, which is no deeper.
    let pass = pass_of(&world.house, number).await.expect("it reads").expect("a unit");
    let owner = serde_json::json!({"kind": "imei4", "value": "3742", "pass": pass}).to_string();
    let mut count = 0;
    while count < 2_000 && send(path(), "", json(&owner)).await.0 == 200 {
        count += 1;
    }
    assert!((50..2_000).contains(&count), "{count}");
}
