//! Rights: of the person, by the page; of the brand's staff; of nobody else.

use crate::common::{self, World};
use crate::on_both;
use crate::scene::{JOHN, MARY, MARY_TYPED, Scene, Staff, code};
use axum::body::Body;
use axum::http::Request;
use domain::person::Purpose;
use dossier::bundle::Bundle;
use dossier::files::{Format, Kind, Table};
use dossier::flows::expiry::{SLICES, forget};
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::persons::registration::Bound;
use dossier::flows::{Scope, history, keys, log};
use jiff::SignedDuration;
use serde_json::{Value, json};

on_both! {
    staff_find_read_correct_and_erase,
    nothing_of_the_ledger_moves_when_somebody_is_erased,
    a_person_sees_exports_corrects_and_erases_by_the_page,
    what_a_person_reads_of_themselves_is_recorded,
    telephones_cannot_be_gone_through,
    a_session_opens_one_unit_alone,
    a_hold_keeps_and_stops,
    looks_need_a_reason_and_are_recorded,
    others_are_refused,
    an_auditor_looks_and_is_led_to_nobody,
}

async fn staff_find_read_correct_and_erase(world: &World) {
    let scene = Scene::new(world).await;
    let consents = [Purpose::Registration, Purpose::Marketing];
    assert_eq!(scene.register_with(0, MARY, &consents).await, Bound::Yours);
    assert_eq!(scene.register(1, MARY).await, Bound::Yours);
    assert_eq!(scene.register(1, MARY).await, Bound::Before, "again, and nothing happens");
    assert_eq!(scene.register(1, JOHN).await, Bound::Before, "nor is it told whose it is");
    let staff = scene.staff("BRAND", "persons").await;
    let (status, found) = staff.find(MARY_TYPED).await;
    assert_eq!((status, &found["phone"]), (200, &json!("***0123")), "{found}");
    assert_eq!(found["registrations"].as_array().map(Vec::len), Some(2), "{found}");
    let first = &found["registrations"][0];
    assert_eq!(first["code"], scene.code(0).as_str());
    assert_eq!(
        (&first["purchased_on"], &first["invoice"]),
        (&json!("2026-06-01"), &json!("26312000001234"))
    );
    assert!(first["kept_until"].as_str().is_some_and(|day| day > "2030"), "{first}");
    let purposes: Vec<_> =
        found["consents"].as_array().expect("a list").iter().map(|c| &c["purpose"]).collect();
    assert_eq!(purposes, ["marketing", "registration"]);
    let id = staff.id(MARY).await;
    let why = json!({"reason": "copy for the customer"});
    let (status, whole) = staff.ask("POST", &format!("{id}/export"), &why).await;
    assert_eq!((status, &whole["phone"]), (200, &json!(MARY)));

    // Corrected: found under the new telephone, and no longer under the old one.
    let change =
        json!({"phone": "13612345678", "code": scene.code(0), "purchased_on": "2026-05-30"});
    let (status, now) = staff.ask("PATCH", &id, &change).await;
    assert_eq!(status, 200, "{now}");
    assert_eq!(now["registrations"][0]["purchased_on"], "2026-05-30");
    assert_eq!(staff.id("13612345678").await, id);
    assert_eq!(code(&staff.find(MARY).await), (404, "unknown_person"));
    assert_eq!(scene.register(2, JOHN).await, Bound::Yours);
    let taken = staff.ask("PATCH", &id, &json!({"phone": JOHN})).await;
    assert_eq!(code(&taken), (409, "phone_taken"));
    for (body, field) in [
        (json!({}), "body"),
        (json!({"phone": "12"}), "phone"),
        (json!({"purchased_on": "2026-05-30"}), "code"),
        (json!({"code": scene.code(0)}), "purchased_on"),
        (json!({"code": scene.code(0), "purchased_on": "May"}), "purchased_on"),
    ] {
        let (status, problem) = staff.ask("PATCH", &id, &body).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{problem}");
    }
    let agree = |purpose: &str, given| json!({"purpose": purpose, "given": given});
    let path = format!("{id}/consents");
    let (status, now) = staff.ask("POST", &path, &agree("marketing", false)).await;
    assert_eq!(status, 200);
    assert!(now["consents"].to_string().contains("withdrawn_at\":\"2026"), "{now}");
    let refused = staff.ask("POST", &path, &agree("registration", false)).await;
    assert_eq!(code(&refused), (400, "invalid_field"));

    let (status, _) = staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    assert_eq!(status, 204);
    let again = staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    assert_eq!(code(&again), (404, "unknown_person"));
    assert_eq!(code(&staff.find("13612345678").await), (404, "unknown_person"));
    let path = format!("{id}?reason=looking");
    assert_eq!(code(&staff.ask("GET", &path, &Value::Null).await), (404, "unknown_person"));
    let verbs: Vec<_> = scene.trail(&id).await.into_iter().map(|r| (r.verb, r.fields)).collect();
    for verb in ["corrected", "agreed", "erased"] {
        assert!(verbs.iter().any(|(v, _)| v == verb), "{verb}: {verbs:?}");
    }
    let told = verbs.iter().find(|(verb, _)| verb == "corrected").map(|(_, fields)| fields);
    let shown: Vec<_> = told.expect("it is told").iter().map(|f| (&*f.field, f.hidden)).collect();
    assert_eq!(shown, [("phone", true), ("purchased_on", true)]);
    // The unit is free again, for the same telephone or another.
    assert_eq!(scene.register(0, MARY).await, Bound::Yours);
    assert_ne!(staff.id(MARY).await, id, "somebody new");
    world.agrees().await;
}

/// On SQLite, where this can be looked at: the bytes of the sealed key are in no file any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_persons_key_is_overwritten() {
    let world = World::sqlite().await;
    let scene = Scene::new(&world).await;
    scene.register(0, MARY).await;
    scene.register(1, JOHN).await;
    let staff = scene.staff("BRAND", "persons").await;
    let id = staff.id(MARY).await;
    let bytes = store::canonical::unhex(&id).and_then(|b| b.try_into().ok()).expect("an id");
    let row = world.house.store.person_fetch(&bytes).await.expect("it reads").expect("a person");
    let dir = world.scratch.path().join("data");
    let in_files = || {
        let files = std::fs::read_dir(&dir).expect("a folder").flatten();
        let read = |f: std::fs::DirEntry| std::fs::read(f.path()).expect("a file");
        let holds = |f: Vec<u8>| f.windows(row.sealed_key.len()).any(|w| w == row.sealed_key);
        files.map(read).any(holds)
    };
    assert!(in_files(), "it is there to be erased");
    let (status, _) = staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    assert_eq!(status, 204);
    world.house.store.close().await;
    assert!(!in_files());
}

async fn proven(world: &World, unit: i64, public: &domain::log::checkpoint::PublicKey) -> usize {
    let caller = world.caller().await;
    let proof = history::prove(&world.house, &caller, unit).await.expect("it proves");
    let proof = proof.expect("a head");
    let text = serde_json::to_vec(&Bundle::new(unit, &proof)).expect("it is written");
    let believed = Bundle::read(&text).expect("it reads").check(Some(public));
    believed.expect("it holds").events.len()
}

async fn nothing_of_the_ledger_moves_when_somebody_is_erased(world: &World) {
    let scene = Scene::new(world).await;
    let house = &world.house;
    scene.register(0, MARY).await;
    let staff = scene.staff("BRAND", "persons").await;
    let id = staff.id(MARY).await;
    log::seal(house).await.expect("it seals");
    let head = log::signed_head(house).await.expect("it reads").expect("it is signed");
    let unit = scene.numbers[0];
    let before = house.store.events_fetch(unit).await.expect("it reads");
    let count = proven(world, unit, &head.public).await;
    let (status, _) = staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    assert_eq!(status, 204);
    let after = house.store.events_fetch(unit).await.expect("it reads");
    assert_eq!(before, after);
    assert!(after.iter().any(|e| e.body.kind() == "registered"), "it stays, and leads to nobody");
    log::seal(house).await.expect("it seals");
    assert_eq!(proven(world, unit, &head.public).await, count);
    world.agrees().await;
    assert!(house.store.registrations_fetch(unit).await.expect("it reads").is_empty());
}

async fn a_person_sees_exports_corrects_and_erases_by_the_page(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    scene.register(1, JOHN).await;
    let request = Request::get(format!("/d/{}/my-data", scene.code(0))).body(Body::empty());
    let (status, page) = scene.ask(request.expect("a request")).await;
    assert!(status == 200 && page.contains("我的登记信息"), "{page}");
    let token = scene.token(0, MARY_TYPED).await;
    let act = async |act: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("token", token.as_str()), ("act", act)];
        fields.extend(more);
        scene.form(0, &fields).await
    };
    let (status, file) = act("export", &[]).await;
    let file: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!((status, &file["phone"]), (200, &json!(MARY)));
    assert_eq!(file["registrations"][0]["invoice"], "26312000001234");

    let (status, page) = act("consents", &[("marketing", "yes")]).await;
    assert!(status == 200 && page.contains("已保存"), "{page}");
    assert!(page.contains("name=\"marketing\"") && page.contains(MARY), "it stays: {page}");
    let (_, file) = act("export", &[]).await;
    assert!(file.contains("\"marketing\""), "{file}");
    act("consents", &[]).await;
    let (_, file) = act("export", &[]).await;
    let file: Value = serde_json::from_str(&file).expect("JSON");
    let consents = file["consents"].as_array().expect("a list");
    let marketing = consents.iter().find(|c| c["purpose"] == "marketing").expect("it is kept");
    assert!(marketing["withdrawn_at"].is_string(), "{file}");

    let day = ("purchased_on", "2026-05-28");
    for (bad, day) in
        [("12", day), (MARY, ("purchased_on", "2036-01-01")), (MARY, ("purchased_on", "x"))]
    {
        let (status, page) = act("correct", &[("phone", bad), day]).await;
        assert!(status == 422 && page.contains("fault"), "{page}");
    }
    let (status, page) = act("correct", &[("phone", MARY), day]).await;
    assert!(status == 200 && page.contains("已更正") && page.contains("2026年5月28日"), "{page}");
    // To another's number: this unit goes there and nothing of the other is told.
    let (status, page) = act("correct", &[("phone", JOHN), day]).await;
    assert!(status == 200 && page.contains("已更正"), "{page}");
    let (_, gone) = act("export", &[]).await;
    assert!(gone.contains("没有登记信息"), "{gone}");
    let staff = scene.staff("BRAND", "persons").await;
    assert_eq!(code(&staff.find(MARY).await), (404, "unknown_person"), "none was left");
    let (_, john) = staff.find(JOHN).await;
    assert_eq!(john["registrations"].as_array().map(Vec::len), Some(2), "{john}");

    let token = scene.token(0, JOHN).await;
    let (status, page) = scene.form(0, &[("token", &token), ("act", "erase")]).await;
    assert!(status == 422 && page.contains("请先勾选"), "{page}");
    let fields = [("token", token.as_str()), ("act", "erase"), ("sure", "yes")];
    let (status, page) = scene.form(0, &fields).await;
    assert!(status == 200 && page.contains("已删除"), "{page}");
    let (_, john) = staff.find(JOHN).await;
    assert_eq!(john["registrations"].as_array().map(Vec::len), Some(1), "the other unit stays");
    let (status, _) = scene.open(0, JOHN, &scene.scratch(0)).await;
    assert_eq!(status, 422, "nothing is registered here any more");
    world.agrees().await;
}

async fn telephones_cannot_be_gone_through(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    let right = scene.scratch(0);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    // Each rendering has a key of its own.
    let stripped = |page: String, typed: &str| {
        let (start, rest) = page.split_once("name=\"idempotency_key\" value=\"").expect("a key");
        format!("{start}{}", &rest[32..]).replace(typed, "")
    };
    let (_, bad_code) = scene.open(0, MARY, wrong).await;
    let (_, bad_phone) = scene.open(0, JOHN, &right).await;
    let (_, unbound) = scene.open(1, MARY, &scene.scratch(1)).await;
    let bad_code = stripped(bad_code, MARY);
    assert_eq!(bad_code, stripped(bad_phone, JOHN), "one answer");
    let other = stripped(unbound, MARY).replace(&scene.code(1), &scene.code(0));
    assert_eq!(bad_code.len(), other.len(), "{other}");
    // Whoever proved the unit has no more tries than others, and a right pair waits too.
    let house = &world.house;
    for phone in ["+8613000000001", "+8613000000002", "+8613000000003"] {
        assert_eq!(scene.open(0, phone, &right).await.0, 422);
    }
    let (status, page) = scene.open(0, MARY, &right).await;
    assert_eq!(status, 429, "{page}");
    world.clock.set(house.clock.now() + SignedDuration::from_mins(61));
    assert_eq!(scene.open(0, MARY, &right).await.0, 200);
}

async fn a_session_opens_one_unit_alone(world: &World) {
    let scene = Scene::new(world).await;
    // Somebody registers a unit of theirs under another's telephone.
    scene.register(0, MARY).await;
    scene.register(1, MARY).await;
    let token = scene.token(1, MARY).await;
    let (_, file) = scene.form(1, &[("token", &token), ("act", "export")]).await;
    assert!(file.contains(&scene.code(1)) && !file.contains(&scene.code(0)), "{file}");
    let (_, page) = scene.form(0, &[("token", &token), ("act", "export")]).await;
    assert!(page.contains("name=\"scratch\""), "it asks again: {page}");
    let mut torn = token.clone();
    torn.replace_range(10..11, if torn[10..11] == *"A" { "B" } else { "A" });
    let (_, page) = scene.form(1, &[("token", &torn), ("act", "export")]).await;
    assert!(page.contains("name=\"scratch\""), "{page}");
    let fields = [("token", token.as_str()), ("act", "erase"), ("sure", "yes")];
    scene.form(1, &fields).await;
    let staff = scene.staff("BRAND", "persons").await;
    let (_, mary) = staff.find(MARY).await;
    assert_eq!(mary["registrations"].as_array().map(Vec::len), Some(1), "{mary}");
    let token = scene.token(0, MARY).await;
    world.clock.set(world.house.clock.now() + SignedDuration::from_mins(21));
    let (_, page) = scene.form(0, &[("token", &token), ("act", "export")]).await;
    assert!(page.contains("name=\"scratch\""), "it is over: {page}");
}

async fn a_hold_keeps_and_stops(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    let staff = scene.staff("BRAND", "persons").await;
    let id = staff.id(MARY).await;
    let no_reason = staff.ask("POST", &format!("{id}/hold"), &json!({"reason": ""})).await;
    assert_eq!((no_reason.0, &no_reason.1["field"]), (400, &json!("reason")));
    let why = json!({"reason": "court order 7"});
    let (status, held) = staff.ask("POST", &format!("{id}/hold"), &why).await;
    assert_eq!((status, &held["hold_reason"]), (200, &json!("court order 7")));
    let refused = [
        staff.ask("POST", &format!("{id}/erase"), &Value::Null).await,
        staff.ask("PATCH", &id, &json!({"phone": JOHN})).await,
        staff
            .ask("POST", &format!("{id}/consents"), &json!({"purpose": "location", "given": true}))
            .await,
    ];
    for answer in &refused {
        assert_eq!(code(answer), (409, "person_held"));
    }
    let token = scene.token(0, MARY).await;
    for act in ["erase", "correct"] {
        let day = ("purchased_on", "2026-05-28");
        let fields =
            [("token", token.as_str()), ("act", act), ("sure", "yes"), ("phone", JOHN), day];
        let (_, page) = scene.form(0, &fields).await;
        assert!(page.contains("因法律要求"), "{act}: {page}");
    }
    // It outlasts its term too.
    world.clock.set(common::clock().now() + SignedDuration::from_hours(24 * 365 * 9));
    forget(&world.house, 0..SLICES).await.expect("the store deletes");
    assert_eq!(staff.id(MARY).await, id);
    let (status, free) = staff.ask("DELETE", &format!("{id}/hold"), &Value::Null).await;
    assert_eq!((status, &free["held_at"]), (200, &Value::Null));
    let (status, _) = staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    assert_eq!(status, 204);
}

async fn looks_need_a_reason_and_are_recorded(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    let staff = scene.staff("BRAND", "persons").await;
    for reason in ["", " ", "ab", &"x".repeat(301), "a\u{7}bc"] {
        let body = json!({"phone": MARY, "reason": reason});
        let (status, problem) = staff.ask("POST", "find", &body).await;
        assert_eq!((status, &problem["field"]), (400, &json!("reason")), "{reason:?}");
    }
    let id = staff.id(MARY).await;
    let (status, _) = staff.ask("GET", &id, &Value::Null).await;
    assert_eq!(status, 400, "no reason");
    let path = format!("{id}?reason=ticket%2042");
    assert_eq!(staff.ask("GET", &path, &Value::Null).await.0, 200);
    assert_eq!(staff.find(JOHN).await.0, 404);
    let told = scene.trail(&id).await;
    let reasons: Vec<_> = told.iter().map(|r| (&*r.verb, r.reason.as_deref())).collect();
    let letter = Some("letter of the customer");
    assert_eq!(reasons, [("read", Some("ticket 42")), ("read", letter)]);
    let nobody: Vec<_> =
        scene.trail("").await.into_iter().filter(|r| r.object.is_empty()).collect();
    assert_eq!(nobody.len(), 1, "a look that found nobody is told too");
    assert_eq!(nobody[0].reason.as_deref(), letter);
    // With the person goes what somebody wrote about them.
    staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    let told = scene.trail(&id).await;
    assert_eq!(told.iter().filter(|r| r.verb == "read").count(), 2);
    assert!(told.iter().all(|r| r.reason.is_none()), "{told:?}");
}

async fn others_are_refused(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    let id = scene.staff("BRAND", "persons").await.id(MARY).await;
    for (party, scopes) in [
        ("T1-53", "persons"),
        ("T1-53", "all"),
        ("SHOP-53", "persons"),
        ("FAC-SZ", "persons"),
        ("BRAND", "read,audit,lifecycle"),
    ] {
        let staff = scene.staff(party, scopes).await;
        assert_eq!(code(&staff.find(MARY).await), (403, "not_allowed"), "{party} {scopes}");
        let why = json!({"reason": "curious"});
        for (method, path, body) in [
            ("GET", format!("{id}?reason=curious"), Value::Null),
            ("POST", format!("{id}/export"), why.clone()),
            ("PATCH", id.clone(), json!({"phone": JOHN})),
            ("POST", format!("{id}/consents"), json!({"purpose": "location", "given": true})),
            ("POST", format!("{id}/hold"), why),
            ("DELETE", format!("{id}/hold"), Value::Null),
            ("POST", format!("{id}/erase"), Value::Null),
        ] {
            let answer = staff.ask(method, &path, &body).await;
            assert_eq!(code(&answer), (403, "not_allowed"), "{party} {method} {path}");
        }
    }
    // Another brand's own staff.
    let parties = "code,kind,name,parent_code,region\nOTHER,brand,Other,,440305\n";
    let input = Box::new(std::io::Cursor::new(parties.as_bytes()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let (importer, taking) = (Importer::Operator(Some("OTHER")), Taking::default());
    let taken = import(&world.house, importer, &mut table, taking, &mut |_, _| {}).await;
    taken.expect("it is taken");
    let other = operator(&world.house, Some("OTHER")).await.expect("it is there");
    let scopes = [Scope::Persons];
    let token = keys::new_key(&world.house, other.brand, "OTHER", &scopes, "test").await;
    let staff = Staff { scene: &scene, token: token.expect("a key") };
    assert_eq!(code(&staff.find(MARY).await), (404, "unknown_person"));
    let path = format!("{id}?reason=curious");
    assert_eq!(code(&staff.ask("GET", &path, &Value::Null).await), (404, "unknown_person"));
    let answer = staff.ask("POST", &format!("{id}/erase"), &Value::Null).await;
    assert_eq!(code(&answer), (404, "unknown_person"));
}

async fn an_auditor_looks_and_is_led_to_nobody(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    let auditor = scene.staff("BRAND", "persons:read").await;
    let id = auditor.id(MARY).await;
    let (status, seen) = auditor.ask("GET", &format!("{id}?reason=audit"), &Value::Null).await;
    assert_eq!((status, &seen["phone"]), (200, &json!("***0123")), "{seen}");
    let row = &seen["registrations"][0];
    assert_eq!((&row["purchased_on"], &row["invoice"]), (&json!("2026-06-01"), &json!("")));
    assert!(!auditor.find(MARY).await.1.to_string().contains("26312000001234"));
    assert_eq!(scene.trail(&id).await.iter().filter(|r| r.verb == "read").count(), 3);
    let why = json!({"reason": "curious"});
    for (method, path, body) in [
        ("POST", format!("{id}/export"), why.clone()),
        ("PATCH", id.clone(), json!({"phone": JOHN})),
        ("POST", format!("{id}/consents"), json!({"purpose": "location", "given": true})),
        ("POST", format!("{id}/hold"), why),
        ("DELETE", format!("{id}/hold"), Value::Null),
        ("POST", format!("{id}/erase"), Value::Null),
    ] {
        let answer = auditor.ask(method, &path, &body).await;
        assert_eq!(code(&answer), (403, "not_allowed"), "{method} {path}");
    }
    let shop = scene.staff("T1-53", "persons:read").await;
    assert_eq!(code(&shop.find(MARY).await), (403, "not_allowed"));
}

async fn what_a_person_reads_of_themselves_is_recorded(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    let id = scene.staff("BRAND", "persons").await.id(MARY).await;
    // A try that fails shows nothing, so it tells nothing.
    assert_eq!(scene.open(0, JOHN, &scene.scratch(0)).await.0, 422);
    let token = scene.token(0, MARY_TYPED).await;
    let (status, _) = scene.form(0, &[("token", &token), ("act", "export")]).await;
    assert_eq!(status, 200);
    let told = scene.trail(&id).await;
    let own: Vec<_> = told.iter().filter(|record| record.actor == "person").collect();
    let verbs: Vec<_> = own.iter().map(|record| &*record.verb).collect();
    assert_eq!(verbs, ["exported", "opened"], "{told:?}");
    assert!(own.iter().all(|r| r.count == Some(1) && r.address.is_none() && r.party.is_none()));
    let text = format!("{own:?}");
    for raw in ["13987650123", "0123\"", "26312000001234", &scene.scratch(0)] {
        assert!(!text.contains(raw), "{raw}: {text}");
    }
}
