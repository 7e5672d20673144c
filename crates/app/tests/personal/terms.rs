//! What time does: rows of an older form, telephone keys, the end of what is kept.

use crate::common::{self, World};
use crate::on_both;
use crate::scene::{JOHN, MARY, Scene, code};
use axum::body::Body;
use axum::http::Request;
use domain::person::Purpose;
use domain::retention::Kept;
use dossier::flows::changes::Author;
use dossier::flows::expiry::{SLICES, forget};
use dossier::flows::persons::registration::Bound;
use dossier::flows::persons::retention;
use dossier::flows::{audit, lifecycle, persons};
use dossier::rules::kept;
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Arc;
use store::engine::{Plan, Step};

on_both! {
    rows_from_before_there_were_persons_go_on,
    another_telephone_key_takes_over,
    registrations_end_after_the_guarantee,
    terms_are_kept_and_told,
}

const OLD_ROW: &str = "INSERT INTO registration (unit, id, person, sealed, created_at) \
    VALUES ($1, $2, $3, $4, $5)";

/// A registration as it was recorded before there were persons.
async fn old_row(scene: &Scene<'_>, unit: usize, phone: &str) {
    let house = &scene.world.house;
    let text = json!({"phone": phone, "purchased_on": "2026-06-02", "invoice": "", "news": true});
    let sealed = house.secrets.seal("registration v1", text.to_string().as_bytes());
    let params = vec![
        scene.numbers[unit].into(),
        [unit as u8; 16].into(),
        house.secrets.hash("person", phone)[..16].into(),
        sealed.expect("it is sealed").into(),
        house.clock.now().as_microsecond().into(),
    ];
    let plan = Plan::new(vec![Step::run(OLD_ROW, params)]);
    house.store.engine().write(plan).await.expect("it is written");
}

async fn rows_from_before_there_were_persons_go_on(world: &World) {
    let scene = Scene::new(world).await;
    for unit in 0..3 {
        old_row(&scene, unit, if unit == 2 { JOHN } else { MARY }).await;
    }
    let old = || world.house.store.registrations_old(0, 100);
    assert_eq!(old().await.expect("it reads").len(), 3);
    // The binding stands, and whoever comes with the telephone has an identity then.
    assert_eq!(scene.register(0, JOHN).await, Bound::Before);
    assert_eq!(scene.register(0, MARY).await, Bound::Before);
    let staff = scene.staff("BRAND", "persons").await;
    let (status, mary) = staff.find(MARY).await;
    assert_eq!((status, mary["registrations"].as_array().map(Vec::len)), (200, Some(2)));
    assert_eq!(mary["registrations"][0]["purchased_on"], "2026-06-02");
    let agreed: Vec<_> =
        mary["consents"].as_array().expect("a list").iter().map(|c| &c["purpose"]).collect();
    assert_eq!(agreed, ["marketing", "registration"], "{mary}");
    assert_eq!(mary["consents"][0]["text_version"], "2026-06");
    // The job does it for whoever does not come.
    persons::tend(&world.house).await.expect("it is tended");
    assert!(old().await.expect("it reads").is_empty());
    assert_eq!(persons::tend(&world.house).await.expect("it is tended"), 0);
    assert_eq!(staff.id(JOHN).await.len(), 32);
    let token = scene.token(1, MARY).await;
    let (_, file) = scene.form(1, &[("token", &token), ("act", "export")]).await;
    assert!(file.contains("2026-06-02"), "{file}");
}

async fn another_telephone_key_takes_over(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    scene.register(1, JOHN).await;
    let staff = scene.staff("BRAND", "persons").await;
    let (mary, john) = (staff.id(MARY).await, staff.id(JOHN).await);
    let house = &world.house;
    let author = Author::operator(domain::id::BrandId(0));
    // Begun by a process that died right then: both keys are looked up, and nobody is made twice.
    let begun = store::commit::Commit {
        persons: vec![store::person::PersonChange::NextPhoneKey(1)],
        ..store::commit::Commit::default()
    };
    house.store.commit(&begun).await.expect("it begins");
    assert_eq!(staff.id(MARY).await, mary);
    assert_eq!(scene.register(2, MARY).await, Bound::Yours);
    assert_eq!(staff.id(MARY).await, mary);
    assert_eq!(house.store.phones_before(2, 10).await.expect("it reads").len(), 2);
    let ended = persons::rotate(house, &author).await.expect("it goes on");
    assert_eq!(ended, (2, false, 2), "the one begun is ended");
    assert!(house.store.phones_before(2, 10).await.expect("it reads").is_empty());
    let next = persons::rotate(house, &author).await.expect("it begins");
    assert_eq!(next, (3, true, 2));
    assert_eq!((staff.id(MARY).await, staff.id(JOHN).await), (mary.clone(), john));
    let hash = house.secrets.phone_hash(3, world.caller().await.brand.0, MARY);
    let kept = house.store.phones_fetch(&id16(&mary)).await.expect("it reads");
    assert_eq!(kept.iter().map(|p| (p.key, &p.hash)).collect::<Vec<_>>(), [(3, &hash)]);
    world.agrees().await;
}

fn id16(hex: &str) -> [u8; 16] {
    store::canonical::unhex(hex).and_then(|b| b.try_into().ok()).expect("an identity")
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

async fn runs(world: &World, kind: &str) -> i64 {
    let caller = world.caller().await;
    let (_, runs) = retention::list(&world.house, &caller).await.expect("it is told");
    runs.iter().filter(|run| run.policy == kind).map(|run| run.row_count).sum()
}

async fn registrations_end_after_the_guarantee(world: &World) {
    let scene = Scene::new(world).await;
    scene.register(0, MARY).await;
    scene.register(1, MARY).await;
    let staff = scene.staff("BRAND", "persons").await;
    let (_, mary) = staff.find(MARY).await;
    let until = mary["registrations"][0]["kept_until"].as_str().expect("an end");
    let until: jiff::Timestamp = until.parse().expect("an instant");
    // Unit 1 comes back and begins a new life: from then on the term of its first owner runs.
    let caller = world.caller().await;
    assert!(common::start(&world.house, "sn", &format!("S{}", scene.numbers[1]), "a").await);
    let opens = lifecycle::Change::OpenLife(domain::life::Cause::Return, "back".to_owned());
    let opened: jiff::Timestamp = "2026-06-09T01:00:00Z".parse().expect("an instant");
    lifecycle::change(&world.house, &caller, &scene.numbers[1..2], &opens, opened)
        .await
        .expect("a new life");
    let houses = [Arc::clone(&world.house), world.another().await];
    let pass = async || {
        // Two processes at once.
        let [one, other] = [&houses[0], &houses[1]];
        let (a, b) = tokio::join!(retention::review(one), retention::review(other));
        a.expect("it is looked at") + b.expect("it is looked at")
    };
    world.clock.set(common::clock().now() + kept(Kept::Registration) - days(2));
    assert_eq!(pass().await, 0);
    world.clock.set(common::clock().now() + kept(Kept::Registration) + days(2));
    assert_eq!(pass().await, 1, "that of the life that is over");
    let (_, mary) = staff.find(MARY).await;
    assert_eq!(mary["registrations"][0]["code"], scene.code(0).as_str());
    world.clock.set(until - days(1));
    assert_eq!(pass().await, 0);
    world.clock.set(until + days(1));
    // It may have been looked at just now, for a year at most.
    let mut ended = pass().await;
    assert_eq!((ended, pass().await), (1, 0), "once");
    ended += 1;
    assert_eq!(
        code(&staff.find(MARY).await),
        (404, "unknown_person"),
        "the last one took her along"
    );
    assert_eq!(runs(world, "registration").await, ended as i64, "counted once");
    world.agrees().await;
}

async fn terms_are_kept_and_told(world: &World) {
    let scene = Scene::new(world).await;
    let consents = [Purpose::Registration, Purpose::Marketing];
    scene.register_with(0, MARY, &consents).await;
    let staff = scene.staff("BRAND", "persons").await;
    let id = staff.id(MARY).await;
    let path = format!("{id}/consents");
    staff.ask("POST", &path, &json!({"purpose": "marketing", "given": false})).await;
    audit::flush(&world.house).await.expect("it writes");
    let count = async || {
        let rows = world.house.store.consents_fetch(&id16(&id)).await;
        rows.expect("it reads").len()
    };
    world.clock.set(common::clock().now() + kept(Kept::Consent) - days(1));
    forget(&world.house, 0..SLICES).await.expect("the store deletes");
    assert_eq!((count().await, runs(world, "audit_read").await), (2, 0));
    world.clock.set(common::clock().now() + kept(Kept::Consent) + days(1));
    let both = [Arc::clone(&world.house), world.another().await];
    let (a, b) = tokio::join!(forget(&both[0], 0..SLICES), forget(&both[1], 0..SLICES));
    a.and(b).expect("the store deletes");
    assert_eq!(count().await, 1, "the one that stands");
    assert_eq!(runs(world, "consent").await, 1);
    assert_eq!(runs(world, "audit_read").await, 1, "the look at her");
    forget(&world.house, 0..SLICES).await.expect("the store deletes");
    assert_eq!(runs(world, "consent").await + runs(world, "audit_read").await, 2, "twice is once");
    // Whoever may not read the trail may not read this.
    let told = |token: String| {
        let request = Request::get("/api/v1/retention").header("authorization", token);
        scene.ask(request.body(Body::empty()).expect("a request"))
    };
    let auditor = scene.staff("BRAND", "audit").await.token;
    let (status, text) = told(format!("Bearer {auditor}")).await;
    assert!(status == 200 && text.contains("\"kind\":\"registration\",\"days\":1095"), "{text}");
    for (party, scopes) in [("BRAND", "persons"), ("T1-53", "audit")] {
        let token = scene.staff(party, scopes).await.token;
        assert_eq!(told(format!("Bearer {token}")).await.0, 403);
    }
}
