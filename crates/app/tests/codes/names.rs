//! What a unit answers to now: identifiers that moved, labels that replaced another, and codes that
//! it may not bear.

use crate::common::{FACTORY, PHONE, World, sscc};
use crate::on_both;
use crate::support::{House, house};
use axum::http::StatusCode;
use domain::code::{CodeKey, Epoch, TraceCode};
use domain::identifier::{Identifier, Scheme};
use dossier::files::Kind;
use dossier::flows::FlowError;
use dossier::flows::batches::{self, CodeStream, Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::import::operator;
use dossier::flows::lifecycle::{bind_alias, move_identifier};
use serde_json::{Value, json};
use store::reference::{Batch, Purpose};

on_both! {
    what_was_made_on_many_at_one_instant_moves_off_each,
    a_record_sent_again_is_known_after_its_serial_number_went,
    a_record_sent_again_with_another_code_is_refused,
    a_code_that_may_not_be_borne_is_refused_by_name,
}

const IMEI: &str = "860837783533742";

async fn moves(world: &World, unit: i64, (scheme, value): (Scheme, &str), onto: bool) {
    let (house, caller) = (&world.house, world.caller().await);
    let identifier = Identifier::parse(scheme, value).expect("it can be one");
    let moved = move_identifier(house, &caller, unit, &identifier, onto, "repaired").await;
    moved.unwrap_or_else(|why| panic!("{value} of unit {unit}, onto {onto}: {why:?}"));
}

/// Since when each bore it is one instant, and that is no reason to keep it.
async fn what_was_made_on_many_at_one_instant_moves_off_each(world: &World) {
    let names = [(Scheme::Imei, IMEI), (Scheme::Part, "BOARD-7")];
    let mut units = Vec::new();
    for sn in ["FIRST", "SECOND", "THIRD"] {
        let row = format!(
            "sn,gtin,produced_at,site_code,imei1,parts\n\
             {sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{IMEI},BOARD-7\n"
        );
        world.take(Kind::Production, &row).await;
        let unit = world.unit(sn).await;
        for name in names {
            moves(world, unit, name, false).await;
        }
        units.push(unit);
    }
    // The clock stands still: on and off again, twice at one instant.
    for unit in units {
        for name in names {
            for onto in [true, false, true, false] {
                moves(world, unit, name, onto).await;
            }
        }
    }
    world.agrees().await;
}

async fn printed(world: &World, gtin: &str, count: i64) -> Batch {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, &format!("0{gtin}")).map(|p| p.id);
    let order = Mint { product, purpose: Purpose::Printed, count, scratch: false };
    mint(&world.house, &caller, order).await.expect("it is minted")
}

fn code(world: &World, number: i64) -> TraceCode {
    world.house.ring().encode(unit_number(number))
}

/// What becomes of production rows: serial number, hour of production, code.
async fn made(world: &World, rows: &[(&str, u32, Option<TraceCode>)]) -> Vec<String> {
    let mut text = "sn,gtin,produced_at,site_code,code\n".to_owned();
    for (sn, hour, code) in rows {
        let code = code.map(|code| code.to_string()).unwrap_or_default();
        let at = format!("2026-05-20T{hour:02}:00:00+08:00");
        text.push_str(&format!("{sn},{PHONE},{at},{FACTORY},{code}\n"));
    }
    crate::common::outcomes(&world.house, Kind::Production, &text, false).await
}

async fn a_record_sent_again_is_known_after_its_serial_number_went(world: &World) {
    let batch = printed(world, PHONE, 2).await;
    let [named, free] = [0, 1].map(|place| Some(code(world, batch.first + place)));
    let rows = [("GONE1", 8, named), ("GONE2", 8, None)];
    assert_eq!(made(world, &rows).await, ["taken", "taken"]);
    let (one, two) = (world.unit("GONE1").await, world.unit("GONE2").await);
    moves(world, one, (Scheme::Sn, "GONE1"), false).await;
    moves(world, two, (Scheme::Sn, "GONE2"), false).await;
    for fresh in [None, Some("FRESH1")] {
        if let Some(sn) = fresh {
            moves(world, one, (Scheme::Sn, sn), true).await;
        }
        assert_eq!(made(world, &rows).await, ["unchanged", "unchanged"], "{fresh:?}");
        assert_eq!(made(world, &[("GONE1", 8, None)]).await, ["unchanged"], "{fresh:?}");
        // Another record under a serial number that is never another's; a code that is worn.
        let others = [("GONE2", 9, None), ("GONE1", 8, free), ("NEW1", 8, named)];
        let refused = ["sn_taken", "sn_taken", "code_bound"];
        assert_eq!(made(world, &others).await, refused, "{fresh:?}");
    }
    world.agrees().await;
}

/// Two labels that were swapped must not pass for what is there already.
async fn a_record_sent_again_with_another_code_is_refused(world: &World) {
    let batch = printed(world, PHONE, 4).await;
    let [own, others, free, void] = [0, 1, 2, 3].map(|place| code(world, batch.first + place));
    let rows = [("ONE1", 8, Some(own)), ("ONE2", 8, Some(others))];
    assert_eq!(made(world, &rows).await, ["taken", "taken"]);
    let desk = world.desk("BRAND", "all").await;
    let path = format!("/api/v1/batches/{}/void", batch.id);
    let last = json!({"first": void.as_str(), "last": void.as_str(), "reason": "lost"});
    let (status, reply) = desk.post(&path, &last).await;
    assert_eq!(status, 200, "{reply}");
    for (code, outcome) in [
        (Some(own), "unchanged"),
        (None, "unchanged"),
        (Some(others), "code_bound"),
        (Some(free), "sn_taken"),
        (Some(void), "code_void"),
    ] {
        assert_eq!(made(world, &[("ONE1", 8, code)]).await, [outcome], "{code:?}");
    }
    assert_eq!(made(world, &rows).await, ["unchanged", "unchanged"]);
    world.agrees().await;
}

/// Neither by a unit that is made nor as a further label.
async fn a_code_that_may_not_be_borne_is_refused_by_name(world: &World) {
    const TABLET: &str = "6929141700027";
    let product = format!(
        "gtin,name_zh,category,maker,network_start\n{TABLET},澄野 N3 Max,phone,澄野电子,yes\n"
    );
    world.take(Kind::Products, &product).await;
    world.make(&["WORN1".to_owned()]).await;
    let carton = sscc(1);
    let packs = format!("sscc,child,packed_at\n{carton},WORN1,2026-05-21T09:00:00+08:00\n");
    world.take(Kind::Packs, &packs).await;
    let pack = world.house.store.identifier_fetch("sscc", 0, &carton).await.expect("it reads");
    let (ours, others) = (printed(world, PHONE, 3).await, printed(world, TABLET, 1).await);
    let (house, caller, spoilt) = (&world.house, world.caller().await, code(world, ours.first));
    let reel = Some((spoilt, spoilt));
    batches::void(house, &caller, ours.id(), reel, "a lost reel").await.expect("it is voided");
    let thief = CodeKey::new(Epoch::new(0).expect("the first"), [9; 32]);
    let mut forged = (ours.first..).map(|number| thief.encode(unit_number(number)));
    let forged = forged.find(|code| house.ring().decode(code).is_err()).expect("most are");
    let table = [
        (forged, "forged_code"),
        (code(world, 900_000_000_000), "code_not_issued"),
        (code(world, pack.expect("the carton")), "code_not_issued"),
        (spoilt, "code_void"),
        (code(world, others.first), "code_other_product"),
    ];
    let unit = world.unit("WORN1").await;
    for (raw, refusal) in table {
        assert_eq!(made(world, &[("NEW1", 8, Some(raw))]).await, [refusal]);
        let label = bind_alias(house, &caller, unit, raw.as_str()).await;
        let Err(FlowError::Refused(why)) = &label else { panic!("{refusal}: {label:?}") };
        assert_eq!(why.refusal.code(), refusal);
    }
    let free = code(world, ours.first + 1);
    assert_eq!(made(world, &[("NEW1", 8, Some(free))]).await, ["taken"]);
    bind_alias(house, &caller, unit, code(world, ours.first + 2).as_str()).await.expect("it may");
    world.agrees().await;
}

async fn dossier(world: &House, id: &str) -> Value {
    let reply = world.client("read").await.get(&format!("/api/v1/units/{id}")).await;
    reply.expect(StatusCode::OK);
    reply.json
}

#[tokio::test]
async fn an_identifier_that_moved_is_shown_and_proves_where_it_is_now() {
    let world = house().await;
    let all = world.client("all").await;
    let row = json!({"sn": "OLD1", "gtin": crate::support::GTIN, "site_code": "FAC", "imei1": IMEI,
        "produced_at": "2026-05-01T08:00:00+08:00"});
    let rows = json!({"rows": [row]});
    all.post("/api/v1/units/commission", &rows).await.expect(StatusCode::OK);
    assert_eq!(dossier(&world, "OLD1").await["identifiers"][0]["value"], IMEI);
    for (unit, onto) in [("OLD1", false), ("SN0002", true)] {
        let body = json!({"scheme": "imei", "value": IMEI, "onto": onto, "reason": "mainboard"});
        let path = format!("/api/v1/units/{unit}/identifiers");
        all.post(&path, &body).await.expect(StatusCode::OK);
    }
    let (old, new) = (dossier(&world, "OLD1").await, dossier(&world, "SN0002").await);
    assert_eq!(old["identifiers"], json!([]));
    assert_eq!(new["identifiers"], json!([{"scheme": "imei", "value": IMEI}]));
    let told = new["timeline"].as_array().expect("events").last().expect("one")["detail"].clone();
    assert_eq!(told["value"], IMEI, "{told}");
    let proof = json!({"kind": "imei4", "value": &IMEI[11..]});
    for (unit, outcome) in [("OLD1", "not_offered"), ("SN0002", "compare")] {
        let reply = all.post(&format!("/api/v1/verify/{unit}/proof"), &proof).await;
        assert_eq!(reply.json["outcome"], outcome, "{unit}: {}", reply.text);
    }
    // A file that is sent again still finds the row it was.
    let again = all.post("/api/v1/units/commission", &rows).await;
    assert_eq!(again.json["results"][0]["outcome"], "unchanged", "{}", again.text);
}

#[tokio::test]
async fn a_serial_number_is_never_anothers_and_a_unit_bears_one() {
    let world = house().await;
    let all = world.client("all").await;
    let moves = async |unit: &str, sn: &str, onto: bool| {
        let body = json!({"scheme": "sn", "value": sn, "onto": onto, "reason": "relabelled"});
        all.post(&format!("/api/v1/units/{unit}/identifiers"), &body).await
    };
    let code = dossier(&world, "SN0001").await["code"].as_str().expect("a code").to_owned();
    moves("SN0001", "SECOND", true).await.refused(StatusCode::CONFLICT, "identifiers_full");
    moves("SN0002", "SN0001", true).await.refused(StatusCode::CONFLICT, "sn_taken");
    moves(&code, "SN0001", false).await.expect(StatusCode::OK);
    for other in ["SN0002", "SN0003"] {
        let theirs = dossier(&world, other).await["code"].as_str().expect("a code").to_owned();
        moves(&theirs, other, false).await.expect(StatusCode::OK);
        moves(&theirs, "SN0001", true).await.refused(StatusCode::CONFLICT, "sn_taken");
        moves(&theirs, other, true).await.expect(StatusCode::OK);
    }
    // Taken off by mistake, it goes back; or another takes its place.
    moves(&code, "SN0001", true).await.expect(StatusCode::OK);
    assert_eq!(dossier(&world, &code).await["sn"], "SN0001");
    moves(&code, "SN0001", false).await.expect(StatusCode::OK);
    moves(&code, "FRESH1", true).await.expect(StatusCode::OK);
    assert_eq!(dossier(&world, "FRESH1").await["code"], json!(code));
}

#[tokio::test]
async fn a_new_label_proves_by_its_own_scratch_code_and_is_listed() {
    let world = house().await;
    let all = world.client("all").await;
    let caller = operator(&world.house, None).await.expect("the brand");
    let reference = world.house.reference().await.expect("it reads");
    let product = Some(reference.products(caller.brand)[0].id);
    let order = Mint { product, purpose: Purpose::Printed, count: 2, scratch: true };
    let batch = mint(&world.house, &caller, order).await.expect("it is minted");
    let mut stream = CodeStream::new(
        &world.house,
        &world.house.reference_now().await.expect("it reads"),
        &batch,
        String::new(),
        batch.first..batch.end(),
    );
    let (_, codes) = stream.next_codes().expect("codes");
    let alias = codes[1].as_str().to_owned();
    all.post("/api/v1/units/SN0001/aliases", &json!({"code": alias})).await.expect(StatusCode::OK);
    // Sent again, or about the unit itself, it stays so; another unit's it does not become.
    for _ in 0..2 {
        let body = json!({"code": alias});
        all.post("/api/v1/units/SN0001/aliases", &body).await.expect(StatusCode::OK);
    }
    let taken = all.post("/api/v1/units/SN0002/aliases", &json!({"code": alias})).await;
    taken.refused(StatusCode::CONFLICT, "code_bound");
    assert_eq!(dossier(&world, "SN0001").await["aliases"], json!([alias]));
    assert_eq!(dossier(&world, &alias).await["sn"], "SN0001");
    let digits = world.house.secrets.scratch_key().code(unit_number(batch.first + 1)).to_string();
    let path = format!("/api/v1/verify/{alias}/proof");
    let body = json!({"kind": "scratch", "value": digits});
    let first = all.post(&path, &body).await;
    assert_eq!(first.json["outcome"], "first", "{}", first.text);
    let again = all.post(&path, &body).await;
    assert_eq!(again.json["outcome"], "again", "{}", again.text);
    let at = again.json["first_at"].as_str().expect("an instant");
    assert!(at.ends_with("+08:00"), "in the brand's time: {at}");
}

#[tokio::test]
async fn wrong_tries_at_once_are_no_more_than_one_after_another() {
    let world = house().await;
    let number = {
        let caller = operator(&world.house, None).await.expect("the brand");
        let found = world.house.store.identifier_fetch("sn", caller.brand.0, "SN0002").await;
        found.expect("it reads").expect("a unit")
    };
    let all = world.client("all").await;
    let body = json!({"scheme": "imei", "value": IMEI, "onto": true, "reason": "mainboard"});
    all.post("/api/v1/units/SN0002/identifiers", &body).await.expect(StatusCode::OK);
    use dossier::flows::proof::{Attempt, ProofKind, ProofOutcome, TRIES_PER_VISITOR, prove_once};
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let house = world.house.clone();
        tries.spawn(async move {
            let (kind, value, visitor) = (ProofKind::Imei4, "0000", "one");
            prove_once(&house, &Attempt { number, kind, value, visitor, pass: None }, None).await
        });
    }
    let outcomes = tries.join_all().await;
    let wrong = |o: &Result<ProofOutcome, _>| matches!(o, Ok(ProofOutcome::Wrong { .. }));
    let taken = outcomes.iter().filter(|o| wrong(o)).count();
    assert_eq!(taken, TRIES_PER_VISITOR, "{outcomes:?}");
}

#[tokio::test]
async fn a_scratch_code_lifts_and_an_imei_only_compares() {
    let world = house().await;
    let anyone = world.anyone();
    let wrong = json!({"kind": "imei4", "value": "0000"});
    let none = anyone.post("/api/v1/verify/SN0001/proof", &wrong).await;
    none.expect(StatusCode::OK);
    assert_eq!(none.json["outcome"], "not_offered");
    let all = world.client("all").await;
    let body = json!({"gtin": crate::support::GTIN, "count": 1, "scratch": true});
    let id = all.post("/api/v1/batches", &body).await.json["id"].clone();
    let csv = all.get(&format!("/api/v1/batches/{id}/codes")).await.text;
    let mut cells = csv.lines().nth(1).unwrap().split(',');
    let (code, scratch) = (cells.next().unwrap(), cells.nth(1).unwrap());
    let row = json!({"sn": "SCRATCH1", "gtin": crate::support::GTIN, "site_code": "FAC",
        "code": code,
        "imei1": "490154203237518", "produced_at": "2026-05-01T08:00:00+08:00"});
    let made = all.post("/api/v1/units/commission", &json!({"rows": [row]})).await;
    assert_eq!(made.json["results"][0]["outcome"], "taken", "{}", made.json);
    let path = format!("/api/v1/verify/{code}/proof");
    let imei = json!({"kind": "imei4", "value": "7518"});
    let compare = anyone.post(&path, &imei).await.json;
    assert_eq!((&compare["outcome"], &compare["pass"]), (&json!("compare"), &json!(null)));
    let right = json!({"kind": "scratch", "value": scratch});
    let first = anyone.post(&path, &right).await.json;
    assert_eq!(first["outcome"], "first");
    assert_eq!(first["pass"].as_str().map(str::len), Some(43), "{first}");
    let again = json!({"kind": "scratch", "value": scratch, "pass": first["pass"]});
    assert_eq!(anyone.post(&path, &again).await.json["outcome"], "again");
    let long = json!({"kind": "scratch", "value": scratch, "pass": "x".repeat(65)});
    anyone.post(&path, &long).await.refused(StatusCode::BAD_REQUEST, "invalid_field");
    let odd = json!({"kind": "oath", "value": "1"});
    let refused = anyone.post("/api/v1/verify/SN0001/proof", &odd).await;
    refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
}
