//! Several brands in one store, and the legal bodies that stand behind parties of more than one.

mod common;

use common::browser::{Browser, PASSWORD, SESSION};
use common::{World, open_to_all};
use dossier::files::{Format, Kind, Table};
use dossier::flows::RowOutcome;
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::flows::organisations::across;
use serde_json::{Value, json};
use std::io::Cursor;

on_both! {
    one_plant_makes_for_two_brands,
    a_brand_signs_up_where_it_may,
    a_brand_signs_up_by_the_page,
    half_a_sign_up_leaves_nothing,
}

const ODM: &str = "91440300708461136T";

/// Takes a file for a brand; the refused rows as text.
async fn take(world: &World, brand: &str, text: &str) -> Vec<String> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let mut refused = Vec::new();
    let mut on_row = |_: &_, outcome: &RowOutcome| {
        if let RowOutcome::Refused(why) = outcome {
            refused.push(format!("{why:?}"));
        }
    };
    let taking = Taking { update: true, ..Taking::default() };
    let who = Importer::Operator(Some(brand));
    import(&world.house, who, &mut table, taking, &mut on_row).await.expect("the file is taken");
    refused
}

async fn one_plant_makes_for_two_brands(world: &World) {
    let head = "code,kind,name,parent_code,organisation\n";
    let ours = format!("{head}FAC-SZ,factory,深圳工厂,BRAND,{}\n", ODM.to_lowercase());
    assert_eq!(take(world, "BRAND", &ours).await, [""; 0]);
    let theirs = format!("{head}OTHER,brand,别家,,\nPLANT,factory,代工厂,OTHER,{ODM}\n");
    assert_eq!(take(world, "OTHER", &theirs).await, [""; 0]);
    let mistyped = format!("{head}PLANT-2,factory,二厂,OTHER,91440300708461137T\n");
    let refused = take(world, "OTHER", &mistyped).await;
    assert!(refused.len() == 1 && refused[0].contains("organisation"), "{refused:?}");

    let reference = world.another().await.reference_now().await.expect("rows");
    let found = across(&reference);
    let (code, parties) = found.first_key_value().expect("one organisation");
    let named: Vec<_> = parties.iter().map(|party| party.code.as_str()).collect();
    assert_eq!((found.len(), code.as_str(), named), (1, ODM, vec!["FAC-SZ", "PLANT"]));
    // It opens nothing: the plant of one brand is told nothing of the other.
    let brands: Vec<_> = parties.iter().map(|party| party.brand).collect();
    assert_ne!(brands[0], brands[1]);
    let (ours, theirs) = (parties[0].id, parties[1].id);
    assert!(!domain::mandate::speaks_for(&reference.tree, theirs, ours));
    world.agrees().await;
}

const BRANDS: &str = "/api/v1/brands";

fn wish(code: &str, name: &str) -> Value {
    json!({"brand_code": code, "brand_name": "新品牌", "sign_in_name": name, "password": PASSWORD})
}

async fn a_brand_signs_up_where_it_may(world: &World) {
    // Not unless the operator says so.
    let closed = Browser::new(world);
    let refused = closed.post(BRANDS, wish("NEW", "chen.jing")).await;
    assert_eq!(refused.code(), (403, "sign_up_closed"), "{}", refused.text);
    assert_eq!(closed.get("/sign-up").await.status, 403);

    let ours = world.desk("BRAND", "audit").await;
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = Browser::before(&house, "127.0.0.1", false);
    let made = guest.post(BRANDS, wish("NEW", "chen.jing")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(guest.cookie().starts_with("dossier="), "{}", guest.cookie());
    // It is an owner of its own brand, and of nothing else.
    let who = guest.get(SESSION).await.json;
    assert_eq!(who["memberships"][0]["brand"], "NEW", "{who}");
    assert_eq!(who["memberships"].as_array().map(Vec::len), Some(1));
    let parties = guest.get("/api/v1/parties").await.json;
    assert_eq!(parties["items"].as_array().map(Vec::len), Some(1), "{parties}");
    assert_eq!(parties["items"][0]["code"], "NEW");
    assert_eq!(guest.get("/api/v1/products").await.json["items"], json!([]));
    // A code is taken once, a name too; both are told, and nothing was made.
    for (wish, code) in [
        (wish("BRAND", "zhou.min"), "brand_taken"),
        (wish("NEW", "zhou.min"), "brand_taken"),
        (wish("NEWER", "Chen.Jing"), "sign_in_name_taken"),
    ] {
        let refused = Browser::before(&house, "127.0.0.1", false).post(BRANDS, wish).await;
        assert_eq!(refused.code(), (409, code), "{}", refused.text);
    }
    // The trail of the new brand begins with its making, by the owner; ours tells nothing of it.
    let trail = guest.get("/api/v1/audit").await;
    assert!(trail.text.contains("\"brand\"") && trail.text.contains("account:"), "{}", trail.text);
    let ours = ours.get("/api/v1/audit").await.1.to_string();
    assert!(!ours.contains("NEW") && !ours.contains("新品牌"), "{ours}");
    world.agrees().await;
}

async fn a_brand_signs_up_by_the_page(world: &World) {
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = Browser::before(&house, "127.0.0.1", false);
    let page = guest.get("/sign-up").await;
    assert!(page.status == 200 && page.text.contains("name=\"brand_code\""), "{}", page.text);
    let fields = |code, name| {
        [
            ("brand_code", code),
            ("brand_name", "Acme"),
            ("sign_in_name", name),
            ("password", PASSWORD),
        ]
    };
    let wrong = guest.form("/sign-up", &fields("BRAND", "wu.lei")).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    // What was typed is not typed again.
    assert!(wrong.text.contains("wu.lei") && wrong.text.contains("Acme"), "{}", wrong.text);
    let site = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let body = "brand_code=X&brand_name=X&sign_in_name=x&password=three+small+words".to_owned();
    let abroad = ("application/x-www-form-urlencoded", body);
    assert_eq!(guest.ask(("POST", "/sign-up"), &site, abroad).await.status, 403);
    assert_eq!(guest.form("/sign-up", &fields("ACME", "wu.lei")).await.status, 303);
    assert_eq!(guest.get("/account").await.status, 200);
    // From one network only so many in a row; each was counted, whatever became of it.
    let mut told = Vec::new();
    for n in 0..4 {
        let wish = wish(&format!("MANY{n}"), &format!("many.{n}"));
        told.push(Browser::before(&house, "127.0.0.1", false).post(BRANDS, wish).await.status);
    }
    assert_eq!(told, [201, 201, 429, 429]);
    let elsewhere = Browser::before(&house, "203.0.113.9", true);
    assert_eq!(elsewhere.post(BRANDS, wish("FAR", "far")).await.status, 201);
    world.agrees().await;
}

async fn half_a_sign_up_leaves_nothing(world: &World) {
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = Browser::before(&house, "127.0.0.1", false);
    for (member, value) in [
        ("password", "short"),
        ("brand_code", ""),
        ("brand_code", "two words"),
        ("brand_name", ""),
        ("sign_in_name", ""),
    ] {
        let mut wish = wish("HALF", "half");
        wish[member] = value.into();
        let refused = guest.post(BRANDS, wish).await;
        assert_eq!(refused.field(), (400, "invalid_field", member), "{}", refused.text);
    }
    let reference = house.reference_now().await.expect("rows");
    assert_eq!(reference.brands.len(), 1);
    // Two at once for one code: one brand, with one owner.
    let (one, two) = (wish("TWIN", "twin.one"), wish("TWIN", "twin.two"));
    let (a, b) =
        (Browser::before(&house, "127.0.0.1", false), Browser::before(&house, "127.0.0.1", false));
    let (first, second) = tokio::join!(a.post(BRANDS, one), b.post(BRANDS, two));
    let mut told = [first.status, second.status];
    told.sort_unstable();
    assert_eq!(told, [201, 409], "{} {}", first.text, second.text);
    let reference = house.reference_now().await.expect("rows");
    assert_eq!(reference.brands.len(), 2);
}
