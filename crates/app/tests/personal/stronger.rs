//! Who proves more is bound: of equals the first one stands, a stronger proof takes its place, and
//! whoever gave way keeps what is theirs.

use crate::common::{self, FACTORY, World};
use crate::on_both;
use crate::scene::{JOHN, MARY, Scene, code, registration};
use domain::registration::Proof::{self, Imei4, Invoice, Scratch};
use domain::retention::Kept;
use domain::sale::Paper;
use dossier::files::Kind;
use dossier::flows::idempotency::Keyed;
use dossier::flows::lifecycle;
use dossier::flows::persons::registration::{Bound, Registration, register, register_once};
use dossier::flows::persons::retention;
use dossier::rules::kept;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::event::Body;

on_both! {
    the_first_of_equals_stands_and_who_proves_more_is_bound,
    two_at_once_end_with_whoever_proves_more,
    the_page_binds_whoever_has_the_unit_in_hand,
    whoever_gave_way_reads_exports_and_erases_what_is_theirs,
    what_was_answered_is_answered_again,
    after_an_erasure_binds_whoever_is_left,
    what_one_person_registered_twice_is_erased_as_one,
    a_further_life_begins_with_nobody,
    the_day_of_whoever_proves_more_counts,
    what_papers_say_gives_way_to_nobody,
    a_day_before_it_left_the_plant_never_counts,
    whoever_mistyped_is_told_what_puts_it_right,
    what_gave_way_ends_after_its_term,
    what_gave_way_in_a_life_that_is_over_ends_after_its_term,
}

const ANNA: &str = "+8613600000003";

/// By which proofs a unit was registered, as the ledger tells.
async fn shown(scene: &Scene<'_>, unit: usize) -> Vec<String> {
    let events = scene.world.house.store.events_fetch(scene.numbers[unit]).await;
    let proof = |body: Body| {
        let Body::Registered { proof, .. } = body else { return None };
        Some(proof)
    };
    events.expect("it reads").into_iter().filter_map(|event| proof(event.body)).collect()
}

async fn rows(scene: &Scene<'_>, unit: usize) -> usize {
    let rows = scene.world.house.store.registrations_fetch(scene.numbers[unit]).await;
    rows.expect("it reads").len()
}

/// What a person takes with them of a unit.
async fn exported(scene: &Scene<'_>, unit: usize, phone: &str) -> Value {
    let token = scene.token(unit, phone).await;
    let (status, file) = scene.form(unit, &[("token", &token), ("act", "export")]).await;
    assert_eq!(status, 200, "{file}");
    serde_json::from_str(&file).expect("JSON")
}

async fn erase(scene: &Scene<'_>, unit: usize, phone: &str) {
    let token = scene.token(unit, phone).await;
    let fields = [("token", token.as_str()), ("act", "erase"), ("sure", "yes")];
    let (status, page) = scene.form(unit, &fields).await;
    assert!(status == 200 && page.contains("已删除"), "{page}");
}

/// Whether each registration in an export gave way, the one that is shown first.
fn gave_way(file: &Value) -> Vec<bool> {
    let rows = file["registrations"].as_array().expect("a list");
    rows.iter().map(|row| row["displaced_at"].is_string()).collect()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

async fn the_first_of_equals_stands_and_who_proves_more_is_bound(world: &World) {
    use Bound::{Before, Yours};
    let scene = Scene::new(world).await;
    // Of each unit: what is shown, one after another, and who is bound then.
    let tales: [&[(Proof, Bound)]; 4] = [
        &[(Scratch, Yours), (Invoice, Before), (Imei4, Before), (Scratch, Before)],
        &[(Imei4, Yours), (Invoice, Before), (Imei4, Before), (Scratch, Yours), (Scratch, Before)],
        &[(Invoice, Yours), (Invoice, Before), (Imei4, Yours), (Invoice, Before), (Scratch, Yours)],
        &[(Invoice, Yours), (Scratch, Yours), (Imei4, Before), (Invoice, Before)],
    ];
    for (unit, tale) in tales.into_iter().enumerate() {
        let mut recorded = Vec::new();
        for (proof, bound) in tale {
            let phone = if *bound == Yours { MARY } else { JOHN };
            let told = scene.register_by(unit, phone, *proof).await;
            assert_eq!(told, *bound, "{unit}: {proof:?} after {recorded:?}");
            if told == Yours {
                recorded.push(proof.as_str());
            }
        }
        assert_eq!(shown(&scene, unit).await, recorded, "{unit}");
        assert_eq!(rows(&scene, unit).await, recorded.len(), "{unit}");
    }
    let staff = scene.staff("BRAND", "persons").await;
    let nothing = staff.find(JOHN).await;
    assert_eq!(code(&nothing), (404, "unknown_person"), "nothing is recorded of who proves less");
    world.agrees().await;
}

async fn two_at_once_end_with_whoever_proves_more(world: &World) {
    let scene = Scene::new(world).await;
    let other = world.another().await;
    for (unit, number) in scene.numbers.iter().copied().enumerate() {
        let (weak, strong) = (registration(MARY, Invoice), registration(JOHN, Scratch));
        let (one, two) =
            tokio::join!(register(&world.house, number, &weak), register(&other, number, &strong));
        one.expect("it is decided");
        assert_eq!(two.expect("it is decided"), Bound::Yours, "{unit}");
        assert_eq!(scene.register_by(unit, MARY, Scratch).await, Bound::Before, "{unit}");
        assert_eq!(gave_way(&exported(&scene, unit, JOHN).await), [false], "{unit}");
    }
    world.agrees().await;
}

async fn the_page_binds_whoever_has_the_unit_in_hand(world: &World) {
    let scene = Scene::new(world).await;
    let scratch = scene.scratch(0);
    let invoice = ("invoice", "26312000001234");
    let coating = ("scratch", scratch.as_str());
    let (done, before) = ("登记成功", "这台设备已经登记过");
    let tries = [
        ("a", MARY, invoice, done),
        ("b", JOHN, invoice, before),
        ("c", JOHN, coating, done),
        ("d", MARY, coating, before),
        ("e", MARY, invoice, before),
        // The first form, sent again.
        ("a", MARY, invoice, done),
    ];
    for (key, phone, (kind, value), said) in tries {
        let fields = [
            ("idempotency_key", key),
            ("phone", phone),
            ("purchased_on", "2026-06-01"),
            ("proof", kind),
            (kind, value),
            ("consent", "yes"),
        ];
        let (status, page) = scene.post(0, "register", &fields).await;
        assert!(status == 200 && page.contains(said), "{key} {said}: {page}");
    }
    assert_eq!(shown(&scene, 0).await, ["invoice", "scratch"]);
    assert_eq!(gave_way(&exported(&scene, 0, JOHN).await), [false]);
    assert_eq!(gave_way(&exported(&scene, 0, MARY).await), [true]);
}

async fn whoever_gave_way_reads_exports_and_erases_what_is_theirs(world: &World) {
    let scene = Scene::new(world).await;
    assert_eq!(scene.register_by(0, MARY, Invoice).await, Bound::Yours);
    assert_eq!(gave_way(&exported(&scene, 0, MARY).await), [false]);
    world.clock.set(common::clock().now() + days(1));
    assert_eq!(scene.register_by(0, JOHN, Scratch).await, Bound::Yours);
    let mary = exported(&scene, 0, MARY).await;
    let row = &mary["registrations"][0];
    assert!(row["displaced_at"].as_str().is_some_and(|at| at.starts_with("2026-06-11")), "{row}");
    assert_eq!((&row["invoice"], &mary["phone"]), (&json!("26312000001234"), &json!(MARY)));
    assert_eq!(gave_way(&mary), [true], "hers, and nothing of whoever is bound: {mary}");
    assert!(!mary.to_string().contains(JOHN), "{mary}");
    for (phone, says) in [(MARY, true), (JOHN, false)] {
        let (_, page) = scene.open(0, phone, &scene.scratch(0)).await;
        assert_eq!(page.contains("用更强的证明登记了这台设备"), says, "{page}");
    }
    // A guess of a third is told no more than before.
    assert_eq!(scene.open(0, ANNA, &scene.scratch(0)).await.0, 422);

    let staff = scene.staff("BRAND", "persons").await;
    let (status, found) = staff.find(MARY).await;
    assert_eq!((status, found["registrations"].as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(gave_way(&found), [true], "the brand's people are told too: {found}");
    erase(&scene, 0, MARY).await;
    assert_eq!(code(&staff.find(MARY).await), (404, "unknown_person"), "it was her last one");
    assert_eq!(scene.open(0, MARY, &scene.scratch(0)).await.0, 422);
    // It took nothing from who is bound.
    assert_eq!(scene.register_by(0, MARY, Scratch).await, Bound::Before);
    assert_eq!(gave_way(&exported(&scene, 0, JOHN).await), [false]);
    assert_eq!(shown(&scene, 0).await, ["invoice", "scratch"], "the ledger stays");
    world.agrees().await;
}

async fn what_was_answered_is_answered_again(world: &World) {
    let scene = Scene::new(world).await;
    let send = async |told: &Registration, name: &str| {
        let key = Keyed::new("visitor", "register", name, "{}").expect("a sound key");
        let bound = register_once(&world.house, scene.numbers[0], told, Some(&key)).await;
        bound.expect("it is registered")
    };
    let (first, second) = (registration(MARY, Invoice), registration(JOHN, Scratch));
    assert_eq!(send(&first, "a").await, Bound::Yours);
    assert_eq!(send(&second, "b").await, Bound::Yours);
    assert_eq!(send(&first, "a").await, Bound::Yours, "as it was then");
    assert_eq!(send(&second, "b").await, Bound::Yours);
    assert_eq!(send(&first, "c").await, Bound::Before, "as it is now");
    assert_eq!(shown(&scene, 0).await, ["invoice", "scratch"]);
    assert_eq!(gave_way(&exported(&scene, 0, JOHN).await), [false]);
}

async fn after_an_erasure_binds_whoever_is_left(world: &World) {
    let scene = Scene::new(world).await;
    assert_eq!(scene.register_by(0, MARY, Invoice).await, Bound::Yours);
    assert_eq!(scene.register_by(0, JOHN, Scratch).await, Bound::Yours);
    erase(&scene, 0, JOHN).await;
    assert_eq!(gave_way(&exported(&scene, 0, MARY).await), [false], "hers again");
    assert_eq!(scene.register_by(0, ANNA, Invoice).await, Bound::Before);
    assert_eq!(scene.register_by(0, ANNA, Imei4).await, Bound::Yours);
    assert_eq!(gave_way(&exported(&scene, 0, MARY).await), [true]);
    // With the last one of them gone anybody may begin.
    erase(&scene, 0, MARY).await;
    erase(&scene, 0, ANNA).await;
    assert_eq!((rows(&scene, 0).await, shown(&scene, 0).await.len()), (0, 3));
    assert_eq!(scene.register_by(0, JOHN, Invoice).await, Bound::Yours);
    world.agrees().await;
}

async fn what_one_person_registered_twice_is_erased_as_one(world: &World) {
    let scene = Scene::new(world).await;
    let weak =
        Registration { purchased_on: Some(date(2026, 5, 30)), ..registration(MARY, Invoice) };
    assert_eq!(scene.tell(0, &weak).await, Bound::Yours);
    assert_eq!(scene.register_by(0, MARY, Scratch).await, Bound::Yours);
    assert_eq!(scene.register_by(1, MARY, Scratch).await, Bound::Yours);
    let file = exported(&scene, 0, MARY).await;
    assert_eq!(gave_way(&file), [false, true], "what binds stands first: {file}");
    let bought = |place: usize| &file["registrations"][place]["purchased_on"];
    assert_eq!((bought(0), bought(1)), (&json!("2026-06-01"), &json!("2026-05-30")));
    assert!(!file.to_string().contains(&scene.code(1)), "this unit alone: {file}");
    erase(&scene, 0, MARY).await;
    assert_eq!((rows(&scene, 0).await, rows(&scene, 1).await), (0, 1));
    assert_eq!(scene.open(0, MARY, &scene.scratch(0)).await.0, 422, "nothing is left of it");
    assert_eq!(gave_way(&exported(&scene, 1, MARY).await), [false], "the other unit is hers");
    assert_eq!(scene.register_by(0, JOHN, Invoice).await, Bound::Yours);
    world.agrees().await;
}

async fn a_further_life_begins_with_nobody(world: &World) {
    let scene = Scene::new(world).await;
    assert_eq!(scene.register_by(0, MARY, Invoice).await, Bound::Yours);
    assert_eq!(scene.register_by(0, JOHN, Scratch).await, Bound::Yours);
    let caller = world.caller().await;
    assert!(common::start(&world.house, "sn", &format!("S{}", scene.numbers[0]), "a").await);
    let opens = lifecycle::Change::OpenLife(domain::life::Cause::Return, "back".to_owned());
    let opened: Timestamp = "2026-06-09T01:00:00Z".parse().expect("an instant");
    lifecycle::change(&world.house, &caller, &scene.numbers[..1], &opens, opened)
        .await
        .expect("a new life");
    assert_eq!(scene.open(0, JOHN, &scene.scratch(0)).await.0, 422, "his was of the life before");
    assert_eq!(scene.register_by(0, ANNA, Invoice).await, Bound::Yours);
    assert_eq!(gave_way(&exported(&scene, 0, ANNA).await), [false]);
    assert_eq!(scene.register_by(0, MARY, Imei4).await, Bound::Yours);
    let file = exported(&scene, 0, MARY).await;
    assert_eq!(gave_way(&file), [false], "of this life alone: {file}");
    assert_eq!(rows(&scene, 0).await, 4);
}

/// The day of purchase that counts by what consumers stated.
async fn sold_on(scene: &Scene<'_>, unit: usize) -> Option<String> {
    let record = scene.world.house.store.unit_fetch(scene.numbers[unit]).await;
    record.expect("it reads").expect("a unit").sold_on
}

async fn the_day_of_whoever_proves_more_counts(world: &World) {
    let scene = Scene::new(world).await;
    // Of each unit: what is shown with which day of May, and the day that counts then.
    type Step = (Proof, i8, Option<&'static str>);
    let tales: [&[Step]; 4] = [
        // A stranger with the digits on the box states a day; whoever scratches the label has it.
        &[(Imei4, 21, Some("2026-05-21")), (Scratch, 25, Some("2026-05-25"))],
        // No day takes any from a guarantee that was told already.
        &[(Imei4, 25, Some("2026-05-25")), (Scratch, 21, Some("2026-05-25"))],
        &[(Invoice, 21, None), (Scratch, 25, Some("2026-05-25"))],
        // Before it was made nobody bought it, so what counted goes on counting; of equals too.
        &[
            (Imei4, 21, Some("2026-05-21")),
            (Imei4, 25, Some("2026-05-21")),
            (Scratch, 10, Some("2026-05-21")),
            (Scratch, 25, Some("2026-05-21")),
        ],
    ];
    for (unit, tale) in tales.into_iter().enumerate() {
        for (proof, day, counts) in tale {
            let told = registration(MARY, *proof);
            let purchased_on = Some(date(2026, 5, *day));
            scene.tell(unit, &Registration { purchased_on, ..told }).await;
            assert_eq!(sold_on(&scene, unit).await.as_deref(), *counts, "{unit}: {proof:?} {day}");
        }
    }
    world.agrees().await;
}

async fn what_papers_say_gives_way_to_nobody(world: &World) {
    let scene = Scene::new(world).await;
    let caller = world.caller().await;
    let now = common::clock().now();
    for (unit, paper) in Paper::ALL.into_iter().enumerate() {
        let may = |day| Some(date(2026, 5, day));
        let stranger = Registration { purchased_on: may(21), ..registration(MARY, Imei4) };
        assert_eq!(scene.tell(unit, &stranger).await, Bound::Yours);
        let sale = lifecycle::Change::Sell(paper, date(2026, 5, 23));
        let numbers = [scene.numbers[unit]];
        lifecycle::change(&world.house, &caller, &numbers, &sale, now).await.expect("it is filed");
        let owner = Registration { purchased_on: may(25), ..registration(JOHN, Scratch) };
        assert_eq!(scene.tell(unit, &owner).await, Bound::Yours, "bound all the same");
        assert_eq!(sold_on(&scene, unit).await.as_deref(), Some("2026-05-21"), "{paper:?}");
        let record = world.house.store.unit_fetch(numbers[0]).await.expect("it reads");
        let record = record.expect("a unit");
        let days = [record.invoiced_on.as_deref(), record.delivered_on.as_deref()];
        let on = Some("2026-05-23");
        assert_eq!(days, if unit == 0 { [on, None] } else { [None, on] }, "{paper:?}");
    }
    world.agrees().await;
}

async fn a_day_before_it_left_the_plant_never_counts(world: &World) {
    let scene = Scene::new(world).await;
    let ways = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         P-1,{FACTORY},T1-53,2026-05-26T08:00:00+08:00,S{}\n",
        scene.numbers[0]
    );
    world.take(Kind::Shipments, &ways).await;
    let scratch = scene.scratch(0);
    let fields = [
        ("phone", MARY),
        ("purchased_on", "2026-05-19"),
        ("proof", "scratch"),
        ("scratch", scratch.as_str()),
        ("consent", "yes"),
    ];
    let (status, page) = scene.post(0, "register", &fields).await;
    let said = "早于这台设备的生产日期（2026年5月20日）";
    assert!(status == 422 && page.contains(said), "{page}");
    assert_eq!(rows(&scene, 0).await, 0, "nothing was recorded");
    // A paper may be wrong: a day before it left is taken, and does not count. The day it left
    // does.
    for (proof, day, counts) in [(Imei4, 25, None), (Scratch, 26, Some("2026-05-26"))] {
        let purchased_on = Some(date(2026, 5, day));
        let told = Registration { purchased_on, ..registration(MARY, proof) };
        assert_eq!(scene.tell(0, &told).await, Bound::Yours);
        assert_eq!(sold_on(&scene, 0).await.as_deref(), counts, "{day}");
    }
    world.agrees().await;
}

async fn whoever_mistyped_is_told_what_puts_it_right(world: &World) {
    let scene = Scene::new(world).await;
    let scratch = scene.scratch(0);
    let (register, other) = ("登记成功", "这台设备已经登记过");
    for (key, day, said) in [("a", "2026-06-01", register), ("b", "2026-05-31", other)] {
        let fields = [
            ("idempotency_key", key),
            ("phone", MARY),
            ("purchased_on", day),
            ("proof", "scratch"),
            ("scratch", scratch.as_str()),
            ("consent", "yes"),
        ];
        let (status, page) = scene.post(0, "register", &fields).await;
        assert!(status == 200 && page.contains(said), "{day}: {page}");
        let way = format!("href=\"/d/{}/my-data\"", scene.code(0));
        let told = page.contains(&way) && page.contains("把发票出示给服务网点");
        assert_eq!(told, key == "b", "{page}");
    }
    assert_eq!(sold_on(&scene, 0).await.as_deref(), Some("2026-06-01"));
}

async fn what_gave_way_ends_after_its_term(world: &World) {
    let scene = Scene::new(world).await;
    assert_eq!(scene.register_by(0, MARY, Invoice).await, Bound::Yours);
    let displaced = common::clock().now() + days(30);
    world.clock.set(displaced);
    assert_eq!(scene.register_by(0, JOHN, Scratch).await, Bound::Yours);
    let (staff, term) = (scene.staff("BRAND", "persons").await, kept(Kept::Registration));
    let (_, mary) = staff.find(MARY).await;
    let until = mary["registrations"][0]["kept_until"].as_str().expect("an end");
    let until: Timestamp = until.parse().expect("an instant");
    assert_eq!((until - term).as_second(), displaced.as_second(), "from when it gave way");
    let pass = async |at: Timestamp| {
        world.clock.set(at);
        retention::review(&world.house).await.expect("it is looked at")
    };
    assert_eq!(pass(until - days(1)).await, 0);
    assert_eq!(pass(until + days(1)).await, 1, "hers alone");
    assert_eq!(code(&staff.find(MARY).await), (404, "unknown_person"));
    let (status, john) = staff.find(JOHN).await;
    assert_eq!((status, john["registrations"].as_array().map(Vec::len)), (200, Some(1)));
    world.agrees().await;
}

async fn what_gave_way_in_a_life_that_is_over_ends_after_its_term(world: &World) {
    let scene = Scene::new(world).await;
    let caller = world.caller().await;
    assert!(common::start(&world.house, "sn", &format!("S{}", scene.numbers[0]), "a").await);
    assert_eq!(scene.register_by(0, MARY, Invoice).await, Bound::Yours);
    let displaced = common::clock().now() + days(30);
    world.clock.set(displaced);
    assert_eq!(scene.register_by(0, JOHN, Scratch).await, Bound::Yours);
    // The further life begins later, and has a guarantee that ended at once: it says nothing of
    // who registered the life before.
    world.clock.set(displaced + days(30));
    let opens = lifecycle::Change::OpenLife(domain::life::Cause::Return, "back".to_owned());
    lifecycle::change(&world.house, &caller, &scene.numbers[..1], &opens, world.house.clock.now())
        .await
        .expect("a new life");
    let staff = scene.staff("BRAND", "persons").await;
    for (phone, ended) in [(MARY, displaced), (JOHN, displaced + days(30))] {
        let (_, held) = staff.find(phone).await;
        let until = held["registrations"][0]["kept_until"].as_str().expect("an end");
        let until: Timestamp = until.parse().expect("an instant");
        assert_eq!((until - kept(Kept::Registration)).as_second(), ended.as_second(), "{phone}");
    }
    world.agrees().await;
}
