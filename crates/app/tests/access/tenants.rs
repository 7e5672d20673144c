//! Several brands in one store, and the legal bodies that stand behind parties of more than one.

use crate::common::browser::{Browser, PASSWORD, Reply, SESSION};
use crate::common::server::Place;
use crate::common::{Desk, FACTORY, PHONE, World, open_to_all, sns, sscc, start};
use crate::on_both;
use dossier::files::{Format, Kind, Table};
use dossier::flows::find::unit_number;
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::flows::organisations::across;
use dossier::flows::people::set_up::set_up_link;
use dossier::flows::{House, RowOutcome, Scope, brands, keys};
use serde_json::{Value, json};
use std::io::Cursor;
use std::sync::Arc;

on_both! {
    one_plant_makes_for_two_brands,
    a_brand_signs_up_where_it_may,
    a_brand_signs_up_by_the_page,
    half_a_sign_up_leaves_nothing,
    a_brand_nobody_vouches_for_takes_nothing_from_others,
    what_was_entered_stays_when_nobody_vouches_any_more,
    a_stranger_takes_no_serial_number_from_the_public,
    nobody_finds_out_which_packs_others_have,
    whoever_is_no_longer_vouched_for_binds_nothing_at_once,
    another_brands_codes_are_as_good_as_never_issued,
    the_terminal_tells_of_another_brands_unit_what_anyone_is_told,
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

/// A brand that signed up by itself, with a phone it makes.
async fn newcomer(house: &Arc<House>) -> Browser {
    let guest = Browser::before(house, "127.0.0.1", false);
    assert_eq!(guest.post(BRANDS, wish("NEW", "chen.jing")).await.status, 201);
    let products = "gtin,name_zh,category,maker\n6929141700010,别家手机,phone,别家\n";
    assert_eq!(sends(&guest, "products", products).await, "taken");
    guest
}

/// Sends a file of one row by the owner's own session: what became of it.
async fn sends(who: &Browser, kind: &str, text: &str) -> String {
    let path = format!("/api/v1/import/{kind}");
    let said = [("sec-fetch-site", "same-origin")];
    let reply = who.ask(("POST", &path), &said, ("text/csv", text.to_owned())).await;
    let row: Value = serde_json::from_str(reply.text.lines().next().unwrap_or_default())
        .unwrap_or_else(|_| panic!("{}", reply.text));
    let told = row["problems"][0]["code"].as_str().or(row["outcome"].as_str());
    told.unwrap_or_else(|| panic!("{}", reply.text)).to_owned()
}

/// One row of production of the newcomer's, with one more column.
async fn makes(who: &Browser, sn: &str, column: &str, value: &str) -> String {
    let text = format!(
        "sn,gtin,produced_at,site_code,{column}\n{sn},6929141700010,2026-06-01 08:00,NEW,{value}\n"
    );
    sends(who, "production", &text).await
}

/// A carton of one of its units.
async fn packs(who: &Browser, sscc: &str, sn: &str) -> String {
    let text = format!("sscc,child,packed_at\n{sscc},{sn},2026-06-03 08:00\n");
    sends(who, "packs", &text).await
}

/// Moves an IMEI onto a unit or away from it.
async fn moves(who: &Browser, sn: &str, imei: &str, onto: bool) -> Reply {
    let body = json!({"scheme": "imei", "value": imei, "onto": onto, "reason": "主板更换"});
    who.post(&format!("/api/v1/units/{sn}/identifiers"), body).await
}

const IMEI: &str = "860837783533742";
/// One that nobody has.
const FREE: &str = "490154203237518";
const NOT_VOUCHED: &str = "brand_not_vouched";
const EID: &str = "89049032001008882600012345678915";

async fn a_brand_nobody_vouches_for_takes_nothing_from_others(world: &World) {
    world.make(&sns(0..2)).await;
    let ours = world.desk("BRAND", "all").await;
    let imei = json!({"scheme": "imei", "value": IMEI, "onto": true, "reason": "主板更换"});
    let identifiers = format!("/api/v1/units/{}/identifiers", sns(0..1)[0]);
    let (status, reply) = ours.post(&identifiers, &imei).await;
    assert_eq!(status, 200, "{reply}");
    ours.post(
        "/api/v1/packs",
        &json!({"items": [
        {"sscc": sscc(1), "child": sns(1..2)[0], "packed_at": "2026-06-02T08:00:00+08:00"}]}),
    )
    .await;

    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = newcomer(&house).await;
    let who = guest.get(SESSION).await.json;
    assert_eq!(who["membership"]["brand_vouched"], false, "{who}");
    let page = guest.get("/account").await.text;
    assert!(page.contains("Waiting for the operator"), "{page}");
    // What is its own it makes: codes, serial numbers, parts.
    assert_eq!(makes(&guest, "N-1", "parts", "BAT-1").await, "taken");
    // Whoever scans its code is told that nobody knows whose it is, and none of its words.
    let code = guest.get("/api/v1/units/N-1").await.member("code");
    let public = Browser::before(&house, "203.0.113.9", true);
    let scanned = async || public.get(&format!("/api/v1/verify/{code}")).await.json;
    let verdict = scanned().await;
    assert_eq!((&verdict["verdict"], &verdict["reason"]), (&json!("check"), &json!(NOT_VOUCHED)));
    for word in ["别家", "新品牌", "N-1"] {
        assert!(!verdict.to_string().contains(word), "{word}: {verdict}");
    }
    assert_eq!((&verdict["product"], &verdict["warranty"]), (&Value::Null, &Value::Null));
    let page = public.get(&format!("/d/{code}")).await.text;
    assert!(
        page.contains("Please check") && page.contains("has not confirmed which brand"),
        "{page}"
    );
    for word in ["别家", "新品牌", ">N-1<"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
    // Whatever is unique over all brands waits, in one word whether it is free or ours.
    let refusals = async |told: &str| {
        let mut found = Vec::new();
        for (column, value) in
            [("imei1", IMEI), ("imei1", FREE), ("eid", EID), ("mac", "00:1B:44:11:3A:B7")]
        {
            found.push(makes(&guest, "N-2", column, value).await);
        }
        for value in [IMEI, FREE] {
            found.push(moves(&guest, "N-1", value, true).await.member("code"));
        }
        for serial in [1, 2] {
            found.push(packs(&guest, &sscc(serial), "N-1").await);
        }
        assert!(found.iter().all(|code| code == told), "{found:?}");
    };
    refusals(NOT_VOUCHED).await;
    world.agrees().await;
    // Our goods go on answering to their numbers.
    let (_, told) = ours.get(&format!("/api/v1/verify/{IMEI}")).await;
    assert_eq!(told["verdict"], "not_activated", "{told}");

    assert!(brands::vouch(&world.house, "NEW", true).await.expect("it is there"));
    assert!(!brands::vouch(&world.house, "NEW", true).await.expect("once is enough"));
    let refused = brands::vouch(&world.house, "NOBODY", true).await.expect_err("no such brand");
    assert!(refused.to_string().contains("BRAND, NEW"), "{refused}");
    house.reload().await.expect("it reads");
    assert_eq!(scanned().await["verdict"], "not_activated");
    assert!(public.get(&format!("/d/{code}")).await.text.contains("别家手机"));
    assert_eq!(makes(&guest, "N-2", "imei1", FREE).await, "taken");
    assert_eq!(makes(&guest, "N-3", "imei1", IMEI).await, "identifier_taken");
    let trail = guest.get("/api/v1/audit?kind=brand").await.text;
    assert!(trail.contains("vouched"), "{trail}");
    assert!(!guest.get("/account").await.text.contains("Waiting for the operator"));
    world.agrees().await;
}

async fn what_was_entered_stays_when_nobody_vouches_any_more(world: &World) {
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = newcomer(&house).await;
    brands::vouch(&house, "NEW", true).await.expect("it is there");
    for (sn, imei) in [("N-1", IMEI), ("N-2", FREE)] {
        assert_eq!(makes(&guest, sn, "imei1", imei).await, "taken");
    }
    assert_eq!(packs(&guest, &sscc(1), "N-1").await, "taken");
    brands::vouch(&house, "NEW", false).await.expect("it is there");
    // The same again changes nothing, an open pack is filled, and a number may go off a unit.
    assert_eq!(makes(&guest, "N-1", "imei1", IMEI).await, "unchanged");
    assert_eq!(packs(&guest, &sscc(1), "N-2").await, "taken");
    assert_eq!(packs(&guest, &sscc(2), "N-2").await, "brand_not_vouched");
    // It is still found under its number, and nobody is told that it is genuine.
    let told = guest.get(&format!("/api/v1/verify/{IMEI}")).await.json;
    assert_eq!((&told["verdict"], &told["reason"]), (&json!("check"), &json!(NOT_VOUCHED)));
    let moved = moves(&guest, "N-1", IMEI, false).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    world.agrees().await;
}

async fn a_stranger_takes_no_serial_number_from_the_public(world: &World) {
    world.make(&sns(0..1)).await;
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let public = Browser::before(&house, "203.0.113.9", true);
    let ask = async || {
        let path = format!("/api/v1/verify/{}", sns(0..1)[0]);
        public.get(&path).await.json["verdict"].clone()
    };
    assert_eq!(ask().await, "not_activated");
    let guest = newcomer(&house).await;
    assert_eq!(makes(&guest, &sns(0..1)[0], "line", "L1").await, "taken");
    assert_eq!(ask().await, "not_activated", "the only brand that is vouched for is meant");
    // With two of equal standing nobody can say whose it is.
    brands::vouch(&house, "NEW", true).await.expect("it is there");
    assert_eq!(ask().await, "unknown");
}

async fn nobody_finds_out_which_packs_others_have(world: &World) {
    world.make(&sns(0..1)).await;
    let ours = world.desk("BRAND", "all").await;
    let (theirs, free) = (sscc(1), sscc(2));
    let row = json!({"sscc": theirs, "child": sns(0..1)[0], "packed_at": "2026-06-02 08:00"});
    let (status, reply) = ours.post("/api/v1/packs", &json!({"rows": [row]})).await;
    assert_eq!(status, 200, "{reply}");
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = newcomer(&house).await;
    let public = Browser::before(&house, "203.0.113.9", true);
    // Serial numbers that could be numbers of packs: each names the newcomer's own unit.
    for number in [&theirs, &free] {
        assert_eq!(makes(&guest, number, "line", "L1").await, "taken");
        let body = json!({"change": "recall", "units": [number], "reason": "x"});
        let done = guest.post("/api/v1/units/changes", body).await;
        assert_eq!(done.status, 200, "{number}: {}", done.text);
        assert_eq!(packs(&guest, number, number).await, "brand_not_vouched");
    }
    let (unknown, told) = (json!("unknown"), async |path: &str, number: &str| {
        let reply = public.get(&format!("/api/v1/{path}/{number}")).await;
        (reply.status, reply.json)
    });
    let (taken, nobodys) = (told("verify", &theirs).await, told("verify", &free).await);
    assert_eq!(taken, nobodys);
    assert_eq!(taken.1["verdict"], unknown);
    // No unit is named by the number of a pack.
    for number in [&theirs, &free] {
        let (status, _) = told("verify", &format!("{number}?scheme=sscc")).await;
        assert_eq!(status, 400, "{number}");
    }
    let asked = async |number: &str| {
        let reply = guest.get(&format!("/api/v1/units/{number}?scheme=sscc")).await;
        (reply.status, reply.json)
    };
    assert_eq!(asked(&theirs).await, asked(&free).await);
    world.agrees().await;
}

/// Another process has not heard of it yet.
async fn whoever_is_no_longer_vouched_for_binds_nothing_at_once(world: &World) {
    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = newcomer(&house).await;
    assert_eq!(makes(&guest, "N-1", "line", "L1").await, "taken");
    for round in 0..20 {
        brands::vouch(&world.house, "NEW", true).await.expect("it is there");
        house.reload().await.expect("it reads");
        // Somebody works in a brand that is vouched for: the deployment is set up, once for all.
        assert!(set_up_link(&house).await.expect("it reads").is_none());
        brands::vouch(&world.house, "NEW", false).await.expect("it is there");
        let refused = match round % 2 {
            0 => moves(&guest, "N-1", FREE, true).await.member("code"),
            _ => makes(&guest, "N-2", "imei1", FREE).await,
        };
        assert_eq!(refused, "brand_not_vouched", "round {round}");
    }
    assert!(set_up_link(&house).await.expect("it reads").is_none());
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

async fn another_brands_codes_are_as_good_as_never_issued(world: &World) {
    let ours = world.desk("BRAND", "all").await;
    let (status, batch) = ours.post("/api/v1/batches", &json!({"gtin": PHONE, "count": 3})).await;
    assert_eq!(status, 201, "{batch}");
    let path = format!("/api/v1/batches/{}", batch["id"]);
    let text = ours.text(&format!("{path}/codes")).await;
    let codes: Vec<_> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    let [bound, void, _free] = codes[..] else { panic!("{text}") };
    let made = "sn,gtin,produced_at,site_code,code\n".to_owned()
        + &format!("CY9,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{bound}\n");
    world.take(Kind::Production, &made).await;
    let lost = json!({"reason": "lost", "first": void, "last": void});
    assert_eq!(ours.post(&format!("{path}/void"), &lost).await.0, 200);

    let house = open_to_all(&world.target, world.clock.clone()).await;
    let guest = newcomer(&house).await;
    assert_eq!(makes(&guest, "N-1", "parts", "BAT-1").await, "taken");
    // However they stand with us.
    for code in codes {
        assert_eq!(makes(&guest, "N-2", "code", code).await, "code_not_issued", "{code}");
        let alias = guest.post("/api/v1/units/N-1/aliases", json!({"code": code})).await;
        assert_eq!(alias.code(), (409, "code_not_issued"), "{}", alias.text);
    }
    world.agrees().await;
}

async fn the_terminal_tells_of_another_brands_unit_what_anyone_is_told(world: &World) {
    let imei = "490154203237518";
    let made = "sn,gtin,produced_at,site_code,imei1,inspection\n".to_owned()
        + &format!("CY9,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{imei},pass\n");
    world.take(Kind::Production, &made).await;
    world.make(&sns(0..1)).await;
    assert!(start(&world.house, "sn", "CY000000", "device-a").await);
    let number = unit_number(world.unit("CY000000").await);
    let started = world.house.ring().encode(number).as_str().to_owned();
    let number = unit_number(world.unit("CY9").await);
    let fresh = world.house.ring().encode(number).as_str().to_owned();

    assert_eq!(take(world, "OTHER", "code,kind,name\nOTHER,brand,别家\n").await, [""; 0]);
    let reference = world.house.reference_now().await.expect("rows");
    let other = reference.brand_by_code("OTHER").expect("it is there");
    let token = keys::new_key(&world.house, other, "OTHER", &[Scope::Verify], "test").await;
    let desk = Desk::with_token(world, token.expect("a key"));
    let place = Place::new(&world.target, world.scratch.path());
    for (asked, verdict) in
        [(&*fresh, "not_activated"), (imei, "not_activated"), (&*started, "genuine")]
    {
        let (status, told) = desk.get(&format!("/api/v1/verify/{asked}")).await;
        assert_eq!((status, &told["verdict"]), (200, &json!(verdict)), "{told}");
        let said = place.run(&["--brand", "OTHER", "verify", asked, "--seller", "X", "--json"]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        for member in ["verdict", "reason", "checks"] {
            assert_eq!(said[member], told[member], "{asked}: {said} {told}");
        }
        assert_eq!(said["product"]["name_zh"], "澄野 N3 Pro", "{said}");
        for member in ["code", "sn", "seller"] {
            assert!(said[member].is_null(), "{said}");
        }
        let args = ["--brand", "OTHER", "show", asked, "--lang", "en"];
        let shown = place.command(&args).output().expect("it runs");
        let text = String::from_utf8(shown.stdout).expect("UTF-8");
        assert_eq!(shown.status.code(), Some(4), "{text}");
        assert!(text.contains("Not this brand's"), "{text}");
        for untrue in ["Not released", "no production record", "CY9", "CY000000"] {
            assert!(!text.contains(untrue), "{text}");
        }
        let own = place.run(&["--brand", "BRAND", "show", asked]);
        assert!(own.contains("澄野 N3 Pro") && own.contains("SN"), "{own}");
    }
}
