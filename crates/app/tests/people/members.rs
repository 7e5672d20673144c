//! Who works here: set up once, invited once, changed by those who may, on both engines.

use crate::common::World;
use crate::common::browser::{Browser, INVITATIONS, PASSWORD, PEOPLE, SESSION, owner, pass};
use crate::on_both;
use domain::role::Role;
use dossier::files::{Format, Kind, Table};
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::people::set_up;
use dossier::flows::{Caller, audit};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::io::Cursor;
use store::engine::Target;

on_both! {
    the_deployment_is_set_up_once,
    a_set_up_without_a_brand_makes_it,
    strangers_end_no_set_up_and_are_not_taken_over,
    an_invitation_is_good_once_and_for_a_week,
    nobody_gives_more_than_they_hold,
    nobody_changes_themselves,
    a_changed_role_ends_every_session,
    regions_bound_what_is_listed_and_given,
    a_session_of_one_brand_sees_nothing_of_another,
    every_change_leaves_a_record_without_names,
    nothing_secret_or_personal_is_stored_plain,
}

async fn the_deployment_is_set_up_once(world: &World) {
    let first = set_up::set_up_link(&world.house).await.expect("it writes").expect("a link");
    let second = set_up::set_up_link(&world.house).await.expect("it writes").expect("another");
    let body = |token: &str, name: &str, password: &str| {
        let words = json!({"token": token, "sign_in_name": name});
        let mut words = words.as_object().expect("an object").clone();
        words.insert("password".to_owned(), password.into());
        Value::Object(words)
    };
    let browser = Browser::new(world);
    let path = "/api/v1/set-up";
    let forged = browser.post(path, body(&"x".repeat(43), "a", PASSWORD)).await;
    assert_eq!(forged.field(), (404, "unknown_link", "token"));
    let short = browser.post(path, body(&first, "a", "too short")).await;
    assert_eq!(short.field(), (400, "invalid_field", "password"));
    let nameless = browser.post(path, body(&first, " ", PASSWORD)).await;
    assert_eq!(nameless.field(), (400, "invalid_field", "sign_in_name"));
    // What was refused used nothing up. Two at once: one of them makes the owner.
    let other = Browser::new(world);
    let both = tokio::join!(
        browser.post(path, body(&first, "a", PASSWORD)),
        other.post(path, body(&second, "b", PASSWORD)),
    );
    let mut codes = [both.0.status, both.1.status];
    codes.sort_unstable();
    assert_eq!(codes, [201, 409], "{} {}", both.0.text, both.1.text);
    let made = if both.0.status == 201 { &browser } else { &other };
    let session = made.get(SESSION).await;
    assert_eq!(session.json["membership"]["role"], "owner");
    assert_eq!(session.json["membership"]["party"], "BRAND");
    assert_eq!(session.json["scopes"], json!(["all", "keys", "people"]));
    for token in [&first, &second] {
        let again = Browser::new(world).post(path, body(token, "c", PASSWORD)).await;
        assert_eq!(again.code(), (409, "set_up_over"));
    }
    assert!(set_up::set_up_link(&world.house).await.expect("it reads").is_none());
    assert_eq!(made.get("/api/v1/people").await.json["items"].as_array().map(Vec::len), Some(1));
}

/// A store in which there is nothing yet.
async fn empty(world: &World) -> World {
    let scratch = tempfile::TempDir::new().expect("a folder");
    let target = match &world.target {
        Target::Sqlite { options, .. } => {
            Target::Sqlite { dir: scratch.path().join("new"), options: options.clone() }
        }
        Target::Postgres { .. } => {
            Target::Postgres { url: testkit::Postgres::shared().fresh_database().await }
        }
    };
    let house = crate::common::open(&target, world.clock.clone()).await;
    World { house, target, clock: world.clock.clone(), scratch }
}

/// A stranger signs up first: the operator's link stays good, and makes the operator's own brand.
async fn strangers_end_no_set_up_and_are_not_taken_over(world: &World) {
    let empty = empty(world).await;
    let before = set_up::set_up_link(&empty.house).await.expect("it writes").expect("a link");
    let open = crate::common::open_to_all(&empty.target, empty.clock.clone()).await;
    let stranger = Browser::before(&open, "127.0.0.1", false);
    let wish = json!({"brand_code": "NEW", "brand_name": "x", "sign_in_name": "s",
        "password": PASSWORD});
    assert_eq!(stranger.post("/api/v1/brands", wish).await.status, 201);
    // Nobody means the stranger's brand without saying so.
    let meant = operator(&empty.house, None).await;
    assert!(meant.expect_err("none is meant").to_string().contains("--brand"));
    assert!(operator(&empty.house, Some("NEW")).await.is_ok());
    for chosen in [None, Some("NEW")] {
        let file = b"code,kind,name\nNEW,brand,x\n".to_vec();
        let mut table = Table::from_reader(Kind::Parties, Format::Csv, Box::new(Cursor::new(file)));
        let table = table.as_mut().expect("a sound file");
        let (who, taking) = (Importer::Operator(chosen), Taking::default());
        let taken = import(&empty.house, who, table, taking, &mut |_, _| ()).await;
        let taken = taken.expect_err("the stranger's brand is not the file's").to_string();
        assert!(taken.contains("another brand has this code"), "{chosen:?}: {taken}");
    }
    assert!(set_up::set_up_link(&empty.house).await.expect("it writes").is_some());
    let browser = Browser::new(&empty);
    let body = |code: &str| {
        json!({"token": before, "sign_in_name": "a", "password": PASSWORD,
            "brand_code": code, "brand_name": "澄野"})
    };
    let taken = browser.post("/api/v1/set-up", body("NEW")).await;
    assert_eq!(taken.field(), (409, "brand_taken", "brand_code"), "{}", taken.text);
    let made = browser.post("/api/v1/set-up", body("CY")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let membership = &made.json["membership"];
    assert_eq!((&membership["brand"], &membership["brand_vouched"]), (&json!("CY"), &json!(true)));
    let memberships = made.json["memberships"].as_array().map(Vec::len);
    assert_eq!(memberships, Some(1), "{}", made.text);
    assert!(set_up::set_up_link(&empty.house).await.expect("it reads").is_none());
    empty.agrees().await;
}

async fn a_set_up_without_a_brand_makes_it(world: &World) {
    let empty = empty(world).await;
    let token = set_up::set_up_link(&empty.house).await.expect("it writes").expect("a link");
    let browser = Browser::new(&empty);
    let mut body = json!({"token": token, "sign_in_name": "a", "password": PASSWORD});
    let refused = browser.post("/api/v1/set-up", body.clone()).await;
    assert_eq!(refused.field(), (400, "invalid_field", "brand_code"));
    body["brand_code"] = "CY".into();
    body["brand_name"] = "澄野".into();
    let made = browser.post("/api/v1/set-up", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["membership"]["brand"], "CY");
    let parties = browser.get("/api/v1/parties").await;
    assert_eq!(parties.json["items"][0]["name"], "澄野");
    assert_eq!(browser.post("/api/v1/set-up", body).await.code(), (409, "set_up_over"));
    empty.agrees().await;
}

async fn an_invitation_is_good_once_and_for_a_week(world: &World) {
    let owner = owner(world).await;
    let order = json!({"party": "T1-53", "role": "warehouse", "name": "Wang Fang"});
    let invite = async || {
        let invited = owner.post(INVITATIONS, order.clone()).await;
        assert_eq!(invited.status, 201, "{}", invited.text);
        (invited.member("path").replace("/invitation/", ""), invited.member("id"))
    };
    let accept = async |token: &str, name: &str| {
        let body = json!({"token": token, "sign_in_name": name, "password": PASSWORD});
        Browser::new(world).post("/api/v1/invitations/accept", body).await
    };
    let (token, _) = invite().await;
    assert_eq!(accept(&token, "Li.Wei").await.field(), (409, "sign_in_name_taken", "sign_in_name"));
    let both = tokio::join!(accept(&token, "fang"), accept(&token, "fang2"));
    let mut codes = [both.0.status, both.1.status];
    codes.sort_unstable();
    assert_eq!(codes, [201, 404], "{} {}", both.0.text, both.1.text);
    assert_eq!(accept(&token, "other").await.field(), (404, "unknown_invitation", "token"));
    let (withdrawn, id) = invite().await;
    let open = owner.get(INVITATIONS).await;
    assert_eq!(open.json["items"][0]["name"], "Wang Fang");
    assert!(!open.text.contains(&withdrawn), "a list tells no link");
    assert_eq!(owner.delete(&format!("{INVITATIONS}/{id}")).await.status, 204);
    assert_eq!(owner.delete(&format!("{INVITATIONS}/{id}")).await.status, 404);
    assert_eq!(accept(&withdrawn, "third").await.status, 404);
    let (late, _) = invite().await;
    pass(world, SignedDuration::from_hours(7 * 24));
    assert_eq!(accept(&late, "fourth").await.status, 404);
    // Somebody who is here already gets a second membership, and chooses.
    owner.sign_in("li.wei", PASSWORD, None).await;
    let (second, _) = invite().await;
    let body = json!({"token": second});
    let accepted = owner.post("/api/v1/invitations/accept", body).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
    assert_eq!(accepted.json["membership"]["party"], "T1-53");
    assert_eq!(accepted.json["memberships"].as_array().map(Vec::len), Some(2));
    assert_eq!(owner.get(PEOPLE).await.code(), (403, "not_allowed"));
    let root = &accepted.json["memberships"];
    let root = root.as_array().expect("a list").iter().find(|m| m["role"] == "owner");
    let before = owner.cookie();
    let chosen = owner.post(
        "/api/v1/session/membership",
        json!({"membership":
        root.expect("it stays")["id"]}),
    );
    assert_eq!(chosen.await.json["membership"]["role"], "owner");
    assert_ne!(owner.cookie(), before, "choosing is another session");
    let stale = Browser::new(world);
    stale.hold(&before);
    assert_eq!(stale.get(SESSION).await.code(), (401, "unauthenticated"));
}

async fn nobody_gives_more_than_they_hold(world: &World) {
    let owner = owner(world).await;
    let admin = json!({"party": "BRAND", "role": "admin"});
    let admin = owner.invites(world, "admin", admin).await;
    let dealer = json!({"party": "T1-53", "role": "admin"});
    let dealer = owner.invites(world, "dealer", dealer).await;
    let order = |party: &str, role: &str| json!({"party": party, "role": role});
    let asked = [
        (&admin, "BRAND", "owner", (403, "not_allowed", "role")),
        (&admin, "T1-53", "owner", (403, "not_allowed", "role")),
        (&dealer, "BRAND", "desk", (403, "not_allowed", "party")),
        (&dealer, "T1-42", "desk", (403, "not_allowed", "party")),
        (&dealer, "NOWHERE", "desk", (404, "unknown_party", "party")),
        (&dealer, "T2-53", "king", (400, "invalid_field", "role")),
    ];
    for (browser, party, role, expected) in asked {
        let reply = browser.post(INVITATIONS, order(party, role)).await;
        assert_eq!(reply.field(), expected, "{party} {role}: {}", reply.text);
    }
    assert_eq!(admin.post(INVITATIONS, order("BRAND", "admin")).await.status, 201);
    assert_eq!(dealer.post(INVITATIONS, order("SHOP-53", "desk")).await.status, 201);
    // Nor changes or removes who holds more, nor sees who stands above.
    let boss = owner.account().await;
    let path = format!("{PEOPLE}/{boss}");
    for change in [json!({"role": "desk"}), json!({"disabled": true})] {
        assert_eq!(admin.patch(&path, change).await.field(), (403, "not_allowed", "id"));
    }
    assert_eq!(admin.delete(&path).await.field(), (403, "not_allowed", "id"));
    assert_eq!(dealer.patch(&path, json!({"role": "desk"})).await.code(), (404, "unknown_account"));
    let seen = dealer.get(PEOPLE).await;
    assert_eq!(seen.json["items"].as_array().map(Vec::len), Some(1), "{}", seen.text);
    // Somebody without the scope does nothing of this, and a key holds it only by its name.
    let auditor = json!({"party": "BRAND", "role": "auditor"});
    let auditor = owner.invites(world, "auditor", auditor).await;
    for (path, seen) in [(PEOPLE, 200), (INVITATIONS, 200), ("/api/v1/keys", 200)] {
        assert_eq!(auditor.get(path).await.status, seen, "{path}");
    }
    assert_eq!(auditor.delete(&path).await.code(), (403, "not_allowed"));
    assert_eq!(auditor.post(INVITATIONS, order("BRAND", "desk")).await.code().0, 403);
    assert_eq!(auditor.get("/api/v1/audit").await.status, 200);
    assert_eq!(
        auditor.post("/api/v1/keys", json!({"party": "BRAND", "scopes": ["read"]})).await.status,
        403
    );
    let machine = world.desk("BRAND", "all").await;
    assert_eq!(machine.get(PEOPLE).await.0, 403);
    let machine = world.desk("BRAND", "all,keys,people").await;
    assert_eq!(machine.get(PEOPLE).await.0, 200);
    let made = machine.post(INVITATIONS, &order("BRAND", "owner")).await;
    assert_eq!((made.0, &made.1["field"]), (403, &json!("role")));
}

async fn nobody_changes_themselves(world: &World) {
    let owner = owner(world).await;
    let dealer = json!({"party": "T1-53", "role": "admin"});
    let dealer = owner.invites(world, "dealer", dealer).await;
    for browser in [&owner, &dealer] {
        let path = format!("{PEOPLE}/{}", browser.account().await);
        for change in [
            json!({"role": "owner"}),
            json!({"party": "BRAND"}),
            json!({"role": "desk"}),
            json!({"regions": ["53"]}),
            json!({"disabled": true}),
        ] {
            let reply = browser.patch(&path, change.clone()).await;
            assert_eq!(reply.field(), (403, "not_allowed", "id"), "{change}");
        }
        assert_eq!(browser.delete(&path).await.field(), (403, "not_allowed", "id"));
    }
    assert_eq!(dealer.get(SESSION).await.json["membership"]["party"], "T1-53");
    assert_eq!(owner.get(SESSION).await.json["membership"]["role"], "owner");
}

async fn a_changed_role_ends_every_session(world: &World) {
    let owner = owner(world).await;
    let person = json!({"party": "BRAND", "role": "channel_manager"});
    let person = owner.invites(world, "zhao", person).await;
    let path = format!("{PEOPLE}/{}", person.account().await);
    let ended = async |cookie: &str| {
        let browser = Browser::new(world);
        browser.hold(cookie);
        browser.get(SESSION).await.status == 401
    };
    for change in [
        json!({"role": "desk"}),
        json!({"party": "T1-53"}),
        json!({"regions": ["53"]}),
        json!({"disabled": true}),
    ] {
        let phone = Browser::new(world);
        assert_eq!(phone.sign_in("zhao", PASSWORD, None).await.status, 200, "{change}");
        let (one, two) = (person.cookie(), phone.cookie());
        assert_eq!(owner.patch(&path, change.clone()).await.status, 200, "{change}");
        assert!(ended(&one).await && ended(&two).await, "{change}");
        person.sign_in("zhao", PASSWORD, None).await;
    }
    assert_eq!(person.sign_in("zhao", PASSWORD, None).await.code(), (401, "sign_in_refused"));
    assert_eq!(owner.patch(&path, json!({"disabled": false})).await.status, 200);
    assert_eq!(person.sign_in("zhao", PASSWORD, None).await.status, 200);
    // What changes nothing ends nothing.
    assert_eq!(owner.patch(&path, json!({"role": "desk"})).await.status, 200);
    assert_eq!(person.get(SESSION).await.json["membership"]["party"], "T1-53");
    let last = person.cookie();
    assert_eq!(owner.delete(&path).await.status, 204);
    assert!(ended(&last).await);
    let member_of_nothing = person.sign_in("zhao", PASSWORD, None).await;
    assert_eq!(member_of_nothing.status, 200);
    assert_eq!(person.get("/api/v1/parties").await.code(), (403, "not_allowed"));
}

async fn regions_bound_what_is_listed_and_given(world: &World) {
    let owner = owner(world).await;
    let bad = json!({"party": "BRAND", "role": "desk", "regions": ["99"]});
    assert_eq!(owner.post(INVITATIONS, bad).await.field(), (400, "unknown_region", "regions"));
    let west = json!({"party": "BRAND", "role": "admin", "regions": ["530000"]});
    let west = owner.invites(world, "west", west).await;
    let parties = west.get("/api/v1/parties").await;
    let codes: Vec<_> = parties.json["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|p| p["code"].as_str())
        .collect();
    assert_eq!(codes, ["BRAND", "T1-53", "T2-53", "SHOP-53"]);
    let order =
        |party: &str, regions: Value| json!({"party": party, "role": "desk", "regions": regions});
    for (party, regions, expected) in [
        ("T1-42", json!(["53"]), (403, "not_allowed", "party")),
        ("T1-53", json!([]), (403, "not_allowed", "regions")),
        ("T1-53", json!(["53", "42"]), (403, "not_allowed", "regions")),
    ] {
        let reply = west.post(INVITATIONS, order(party, regions)).await;
        assert_eq!(reply.field(), expected, "{}", reply.text);
    }
    assert_eq!(west.post(INVITATIONS, order("T1-53", json!(["5301"]))).await.status, 201);
    // A key knows no regions: who is bound to some gives none.
    let key = west.post("/api/v1/keys", json!({"party": "BRAND", "scopes": ["read"]})).await;
    assert_eq!(key.field(), (403, "not_allowed", "scopes"));
    alerts_lie_inside(world, &west, &owner).await;
}

/// A unit sold away from its region is an alert; whoever has it lies in one region.
async fn alerts_lie_inside(world: &World, west: &Browser, owner: &Browser) {
    world.make(&crate::common::sns(0..2)).await;
    let text = "shipment_no,from_code,to_code,subject,happened_at\n\
        S1,FAC-SZ,T1-53,CY000000,2026-06-01T08:00:00+08:00\n\
        S2,FAC-SZ,T1-42,CY000001,2026-06-01T08:00:00+08:00\n";
    world.take(Kind::Shipments, text).await;
    for sn in crate::common::sns(0..2) {
        for fingerprint in ["a", "b"] {
            crate::common::start(&world.house, "sn", &sn, fingerprint).await;
        }
    }
    pass(world, SignedDuration::from_hours(1));
    let count = async |browser: &Browser| {
        let alerts = browser.get("/api/v1/alerts").await;
        alerts.json["items"].as_array().map(Vec::len).unwrap_or_else(|| panic!("{}", alerts.text))
    };
    let all = count(owner).await;
    assert!(all >= 2 && all.is_multiple_of(2), "{all}");
    assert_eq!(count(west).await, all / 2);
}

async fn a_session_of_one_brand_sees_nothing_of_another(world: &World) {
    let ours = owner(world).await;
    let text = "code,kind,name,parent_code,region\nOTHER,brand,别家,,110101\n\
        OT1,tier1,别家总代,OTHER,110101\n";
    other_brand(world, text).await;
    let reference = world.house.reference_now().await.expect("it reads");
    let brand = reference.brand_by_code("OTHER").expect("it is there");
    let root = reference.root(brand).expect("its own party").id;
    let operator = Caller::operator(brand, root);
    let order = dossier::flows::people::Order {
        party: "OTHER".into(),
        role: Role::Owner,
        regions: Vec::new(),
        name: String::new(),
    };
    let invited = dossier::flows::people::invite(&world.house, &operator, &order).await;
    let theirs = Browser::new(world);
    let body = json!({"token": invited.expect("it is given").0, "sign_in_name": "theirs",
        "password": PASSWORD});
    assert_eq!(theirs.post("/api/v1/invitations/accept", body).await.status, 201);
    for path in ["/api/v1/parties", "/api/v1/products", PEOPLE, INVITATIONS, "/api/v1/audit"] {
        let seen = theirs.get(path).await;
        assert_eq!(seen.status, 200, "{path}");
        for word in ["T1-53", "6929141700010", "li.wei", "李伟"] {
            assert!(!seen.text.contains(word), "{path}: {}", seen.text);
        }
    }
    let id = ours.account().await;
    let path = format!("{PEOPLE}/{id}");
    assert_eq!(theirs.patch(&path, json!({"role": "desk"})).await.code(), (404, "unknown_account"));
    assert_eq!(theirs.delete(&path).await.code(), (404, "unknown_account"));
    let order = json!({"party": "T1-53", "role": "desk"});
    assert_eq!(theirs.post(INVITATIONS, order).await.code(), (404, "unknown_party"));
    let membership = ours.get(SESSION).await.json["membership"]["id"].clone();
    let chosen = theirs.post("/api/v1/session/membership", json!({"membership": membership}));
    assert_eq!(chosen.await.code(), (404, "unknown_membership"));
}

async fn other_brand(world: &World, text: &str) {
    use dossier::files::{Format, Table};
    use dossier::flows::import::{Importer, import};
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let importer = Importer::Operator(Some("OTHER"));
    let taking = Taking::default();
    let mut on_row = |_: &dossier::files::RawRow, outcome: &_| {
        assert_eq!(*outcome, dossier::flows::RowOutcome::Taken);
    };
    let report = import(&world.house, importer, &mut table, taking, &mut on_row);
    assert_eq!(report.await.expect("it is taken").rows(), 2);
}

async fn every_change_leaves_a_record_without_names(world: &World) {
    let owner = owner(world).await;
    let person = json!({"party": "T1-53", "role": "desk", "name": "Zhao Min"});
    let person = owner.invites(world, "zhao.min", person).await;
    let account = person.account().await;
    let path = format!("{PEOPLE}/{account}");
    assert_eq!(owner.patch(&path, json!({"role": "auditor"})).await.status, 200);
    assert_eq!(owner.get(PEOPLE).await.status, 200);
    audit::flush(&world.house).await.expect("it writes");
    let trail = owner.get("/api/v1/audit").await;
    let items = trail.json["items"].as_array().expect("a list");
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            (text("verb"), text("kind"), text("actor"))
        })
        .collect();
    let boss = format!("account:{}", owner.account().await);
    let person = format!("account:{account}");
    for (verb, kind, actor) in [
        ("created", "account", &boss),
        ("created", "membership", &boss),
        ("created", "invitation", &boss),
        ("accepted", "invitation", &person),
        ("created", "account", &person),
        ("created", "membership", &person),
        ("changed", "membership", &boss),
        ("read", "people", &boss),
    ] {
        let row = (verb.to_owned(), kind.to_owned(), actor.clone());
        assert!(told.contains(&row), "{row:?} in {}", trail.text);
    }
    for word in ["zhao", "Zhao", "li.wei", "李伟", "argon2"] {
        assert!(!trail.text.contains(word), "{word} in {}", trail.text);
    }
    world.agrees().await;
}

async fn nothing_secret_or_personal_is_stored_plain(world: &World) {
    let owner = owner(world).await;
    let begun = owner.post("/api/v1/account/totp", json!({"password": PASSWORD})).await;
    let secret = begun.member("secret");
    let person = json!({"party": "T1-53", "role": "desk", "name": "Planted Zhao"});
    owner.invites(world, "planted.name", person).await;
    let cookie = owner.cookie().split_once('=').expect("a pair").1.to_owned();
    let bytes = stored(world).await;
    let words = [
        PASSWORD,
        "planted.name",
        "Planted Zhao",
        "Li.Wei",
        "li.wei",
        "李伟",
        &secret,
        &cookie,
        "argon2id",
        "127.0.0.1",
    ];
    for word in words {
        let found = bytes.windows(word.len()).any(|w| w == word.as_bytes());
        assert!(!found, "{word} stands in the store");
    }
    // The search finds what is there.
    assert!(bytes.windows(7).any(|w| w == b"T1-53\",") || bytes.windows(5).any(|w| w == b"T1-53"));
}

/// Everything that is stored, as bytes or as the engine writes a row.
async fn stored(world: &World) -> Vec<u8> {
    match &world.target {
        Target::Sqlite { dir, .. } => {
            world.house.store.close().await;
            let files = std::fs::read_dir(dir).expect("a folder").flatten();
            files.flat_map(|file| std::fs::read(file.path()).expect("a file")).collect()
        }
        Target::Postgres { url } => {
            let text = testkit::rows_text(url).await;
            // Bytes are written as digits: they are read back, too.
            let digits = text.split("\\\\x").skip(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
                store::canonical::unhex(&rest[..end]).unwrap_or_default()
            });
            let read: Vec<u8> = digits.flatten().collect();
            [text.into_bytes(), read].concat()
        }
    }
}
