//! What comes, when, how often.

use crate::common::{FACTORY, PHONE, World, master, sns, sscc, start};
use crate::place::{Came, Place, Receiver, Says, WEBHOOKS, house, reach};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dossier::files::Kind;
use dossier::flows::backup;
use dossier::flows::find::unit_number;
use dossier::flows::gauges;
use dossier::flows::webhooks::courier::run_due;
use dossier::flows::webhooks::send::signature;
use serde_json::json;
use std::collections::BTreeSet;
use store::webhook::Lease;

const HOUR: i64 = 3600;

/// Whether some signature of the message is good under the secret.
fn is_signed(came: &Came, secret: &str) -> bool {
    let secret = secret.strip_prefix("whsec_").expect("a secret");
    let secret = BASE64.decode(secret).expect("base64");
    let stamp = came.header("webhook-timestamp").parse().expect("seconds");
    let good = signature(&secret, came.header("webhook-id"), stamp, &came.body);
    came.header("webhook-signature").split(' ').any(|one| one == good)
}

pub async fn once_and_in_order(world: &World) {
    world.make(&sns(0..1)).await;
    let place = Place::new(world).await;
    let (id, secret) = place.webhook("BRAND", &[]).await;
    assert_eq!(place.round().await, 0, "what was before is not told");
    world.make(&sns(1..3)).await;
    start(&world.house, "sn", "CY000001", "a").await;
    start(&world.house, "sn", "CY000002", "b").await;
    assert!(place.round().await >= 3);
    let came = place.receiver.came();
    let kinds: Vec<_> = came.iter().map(Came::kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "activated").count(), 2, "{kinds:?}");
    assert!(kinds.contains(&"commissioned".to_owned()) && !kinds.contains(&"changed".to_owned()));
    assert!(came.iter().map(Came::index).is_sorted_by(|a, b| a < b));
    let ids: BTreeSet<_> = came.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), came.len());
    for one in &came {
        assert!(is_signed(one, &secret), "{one:?}");
        assert!(one.header("webhook-id").starts_with(&id));
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(one.path, "/in?token=path-secret");
        let tampered = Came { body: one.body.replace("BRAND", "BRANE"), ..one.clone() };
        assert!(!is_signed(&tampered, &secret));
        let other = format!("whsec_{}", BASE64.encode([0; 32]));
        assert!(!is_signed(one, &other));
    }
    assert_eq!(place.round().await, 0, "nothing comes twice");
    let deliveries = place.deliveries(&id).await;
    assert_eq!(deliveries.len(), came.len());
    assert!(deliveries.iter().all(|d| d["outcome"] == "delivered" && d["status"] == 200));
    let stands = place.stands(&id).await;
    assert_eq!((&stands["state"], &stands["behind_count"]), (&json!("active"), &json!(0)));
    let done = gauges::own(&place.house).webhooks;
    assert_eq!((done.delivered, done.failed), (came.len() as u64, 0));
    world.agrees().await;
}

pub async fn failed_comes_again(world: &World) {
    world.make(&sns(0..2)).await;
    let place = Place::new(world).await;
    let (id, secret) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    start(&world.house, "sn", "CY000001", "b").await;
    place.receiver.says(&[Says::Status(500), Says::Status(429)]);
    assert_eq!(place.round().await, 1, "the second waits for the first");
    let first = place.receiver.came();
    assert_eq!(place.round().await, 0, "not before its time");
    let stands = place.stands(&id).await;
    assert_eq!((&stands["state"], &stands["failure_count"]), (&json!("retrying"), &json!(1)));
    assert_eq!(gauges::waiting(&place.house).await.expect("numbers").webhooks.retrying, 1);
    place.later(13);
    assert_eq!(place.round().await, 1);
    place.later(13);
    assert_eq!(place.round().await, 0, "the wait grows");
    place.later(40);
    assert_eq!(place.round().await, 2);
    let again = place.receiver.came();
    assert_eq!(again.len(), 3);
    for one in &again[..2] {
        assert_eq!(one.header("webhook-id"), first[0].header("webhook-id"));
        assert_eq!(one.body, first[0].body, "the same event, word for word");
        assert!(is_signed(one, &secret));
    }
    assert_ne!(again[1].header("webhook-timestamp"), first[0].header("webhook-timestamp"));
    assert!(again[2].index() > again[1].index());
    let deliveries = place.deliveries(&id).await;
    // The clock stands: the last two are of one instant, in no order.
    let mut told: Vec<_> = deliveries
        .iter()
        .map(|d| (d["attempt"].as_i64(), d["status"].as_i64(), d["error"].as_str()))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            (Some(1), Some(200), None),
            (Some(1), Some(500), Some("status")),
            (Some(2), Some(429), Some("status")),
            (Some(3), Some(200), None),
        ]
    );
    assert_eq!(place.stands(&id).await["failing_since"], json!(null));
    let page = place.get(&format!("{WEBHOOKS}/{id}/deliveries?limit=3")).await;
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let rest = place.get(&format!("{WEBHOOKS}/{id}/deliveries?limit=3&cursor={cursor}")).await;
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
}

pub async fn given_up(world: &World) {
    world.make(&sns(0..2)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    start(&world.house, "sn", "CY000001", "b").await;
    place.receiver.always(Some(500));
    for _ in 0..18 {
        assert_eq!(place.round().await, 1);
        place.later(HOUR + HOUR / 3);
    }
    place.receiver.says(&[Says::Status(500), Says::Status(200)]);
    assert_eq!(place.round().await, 2, "a day later it is given up, and the next comes at once");
    let deliveries = place.deliveries(&id).await;
    let lost = deliveries.iter().find(|d| d["outcome"] == "given_up").expect("it is told").clone();
    assert_eq!(gauges::own(&place.house).webhooks.given_up, 1);
    place.receiver.always(None);
    assert_eq!(place.round().await, 0);
    let first = place.receiver.came();
    let event = lost["event"].as_str().expect("an event");
    let path = format!("{WEBHOOKS}/{id}/deliveries/{event}/resend");
    let (status, told) = place.post(&path, json!(null)).await;
    assert_eq!((status, &told["is_delivered"]), (200, &json!(true)), "{told}");
    let again = place.receiver.came();
    assert_eq!(again[0].header("webhook-id"), first[0].header("webhook-id"));
    assert_eq!(again[0].body, first[0].body);
    let deliveries = place.deliveries(&id).await;
    let by_hand = deliveries.iter().find(|d| d["attempt"] == 0).expect("it is told");
    assert_eq!((&by_hand["event"], &by_hand["outcome"]), (&json!(event), &json!("delivered")));
    let unknown = format!("{WEBHOOKS}/{id}/deliveries/{}/resend", "0".repeat(32));
    let (status, problem) = place.post(&unknown, json!(null)).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_delivery")));
}

pub async fn switched_off(world: &World) {
    world.make(&sns(0..8)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    for (n, sn) in sns(0..8).iter().enumerate() {
        start(&world.house, "sn", sn, &format!("device {n}")).await;
    }
    place.receiver.always(Some(503));
    for _ in 0..6 * 24 {
        place.round().await;
        place.later(HOUR + HOUR / 3);
    }
    let stands = place.stands(&id).await;
    assert_eq!((&stands["state"], &stands["off_because"]), (&json!("off"), &json!("failing")));
    let lost = place.deliveries(&id).await;
    let lost = lost.iter().filter(|d| d["outcome"] == "given_up").count();
    assert!((1..=5).contains(&lost), "{lost} were given up");
    let trail = place.get(&format!("/api/v1/audit?object={id}")).await;
    let record = &trail["items"][0];
    assert_eq!((&record["verb"], &record["actor"]), (&json!("switched_off"), &json!("system")));
    place.receiver.came();
    assert_eq!(place.round().await, 0);
    place.receiver.always(None);
    let on = json!({"is_active": true});
    let (status, told) = place.ask(&place.key, ("PATCH", &format!("{WEBHOOKS}/{id}")), on).await;
    assert_eq!(
        (status, &told["state"], &told["off_because"]),
        (200, &json!("active"), &json!(null))
    );
    assert_eq!(place.round().await, 8 - lost, "what was not given up comes");
    place.world.agrees().await;
}

pub async fn gone(world: &World) {
    world.make(&sns(0..2)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    start(&world.house, "sn", "CY000001", "b").await;
    place.receiver.says(&[Says::Status(410)]);
    assert_eq!(place.round().await, 1);
    let stands = place.stands(&id).await;
    assert_eq!((&stands["is_active"], &stands["off_because"]), (&json!(false), &json!("gone")));
    place.later(48 * HOUR);
    assert_eq!(place.round().await, 0);
    place.receiver.came();
    let path = format!("{WEBHOOKS}/{id}");
    let (status, _) = place.ask(&place.key, ("PATCH", &path), json!({"is_active": true})).await;
    assert_eq!(status, 200);
    assert_eq!(place.round().await, 2, "it goes on where it stopped");
    let (status, _) = place.ask(&place.key, ("DELETE", &path), json!(null)).await;
    assert_eq!(status, 204);
    start(&world.house, "sn", "CY000001", "c").await;
    assert_eq!(place.round().await, 0);
    let (status, problem) = place.post(&format!("{path}/ping"), json!(null)).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_webhook")));
}

pub async fn two_processes(world: &World) {
    world.make(&sns(0..12)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    let host = place.receiver.address.expect("it listens").to_string();
    let other = house(world, reach(&[&host])).await;
    other.reference_now().await.expect("rows");
    for (n, sn) in sns(0..12).iter().enumerate() {
        start(&world.house, "sn", sn, &format!("device {n}")).await;
        dossier::flows::log::seal(&place.house).await.expect("sealed");
        let (a, b) = tokio::join!(run_due(&place.house), run_due(&other));
        let sent = a.expect("it runs") + b.expect("it runs");
        assert!(sent <= 1, "{sent} were sent for one event");
    }
    while run_due(&place.house).await.expect("it runs") > 0 {}
    let came = place.receiver.came();
    assert_eq!(came.len(), 12);
    assert!(came.iter().map(Came::index).is_sorted_by(|a, b| a < b));
    assert_eq!(place.deliveries(&id).await.len(), 12);
}

pub async fn lease_ends(world: &World) {
    world.make(&sns(0..1)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    dossier::flows::log::seal(&place.house).await.expect("sealed");
    let store = &place.house.store;
    let cursor = store.webhook_cursor(&id).await.expect("it reads").expect("it is there");
    let now = world.clock.now().as_microsecond();
    let dead = Lease { name: "dead".into(), until: now + 30_000_000 };
    assert!(store.webhook_lease(&cursor, &dead, now).await.expect("written"));
    assert!(!store.webhook_lease(&cursor, &dead, now).await.expect("written"), "one at a time");
    assert_eq!(place.round().await, 0, "somebody is at it");
    place.later(31);
    assert_eq!(place.round().await, 1);
    let late = store.webhook_move(&cursor, &dead, None).await.expect("it answers");
    assert!(!late, "who comes back from the dead moves nothing");
    assert_eq!(place.receiver.came().len(), 1);
    assert_eq!(place.round().await, 0);
}

pub async fn told_again(world: &World) {
    world.make(&sns(0..3)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    for (n, sn) in sns(0..3).iter().enumerate() {
        start(&world.house, "sn", sn, &format!("device {n}")).await;
    }
    assert_eq!(place.round().await, 3);
    let first = place.receiver.came();
    let path = format!("{WEBHOOKS}/{id}");
    let from = |index: i64| json!({"from_index": index});
    let (status, _) = place.ask(&place.key, ("PATCH", &path), from(first[1].index())).await;
    assert_eq!(status, 200);
    assert_eq!(place.round().await, 2);
    let again = place.receiver.came();
    for (one, before) in again.iter().zip(&first[1..]) {
        assert_eq!(one.header("webhook-id"), before.header("webhook-id"));
        assert_eq!(one.body, before.body);
    }
    let (status, problem) = place.ask(&place.key, ("PATCH", &path), from(1 << 40)).await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("from_index")));
    let (status, problem) = place.ask(&place.key, ("PATCH", &path), from(0)).await;
    let told = (status, problem["code"].as_str(), problem["field"].as_str());
    assert_eq!(told, (409, Some("rewound_lately"), Some("from_index")), "once an hour");
    let stands = place.house.store.webhook_cursor(&id).await.expect("it reads").expect("there");
    let (status, _) = place.ask(&place.key, ("PATCH", &path), from(stands.next)).await;
    assert_eq!((status, place.round().await), (200, 0), "not back, so it is no matter");
    place.later(HOUR);
    let (status, _) = place.ask(&place.key, ("PATCH", &path), from(0)).await;
    assert_eq!(status, 200);
    assert_eq!(place.round().await, 3);
}

pub async fn rotation(world: &World) {
    world.make(&sns(0..1)).await;
    let place = Place::new(world).await;
    let (id, first) = place.webhook("BRAND", &["activated"]).await;
    let path = format!("{WEBHOOKS}/{id}");
    let (status, made) = place.post(&format!("{path}/rotate"), json!({"overlap_hours": 2})).await;
    assert_eq!(status, 200, "{made}");
    let second = made["secret"].as_str().expect("a secret").to_owned();
    assert_ne!(first, second);
    let ping = async || {
        let (status, told) = place.post(&format!("{path}/ping"), json!(null)).await;
        assert_eq!(
            (status, &told["is_delivered"], &told["status"]),
            (200, &json!(true), &json!(200))
        );
        place.receiver.came().pop().expect("a message")
    };
    let came = ping().await;
    assert_eq!(came.kind(), "ping");
    assert_eq!(came.json()["subjects"], json!([]));
    assert!(is_signed(&came, &first) && is_signed(&came, &second));
    place.later(2 * HOUR);
    let came = ping().await;
    assert!(!is_signed(&came, &first) && is_signed(&came, &second));
    let (_, made) = place.post(&format!("{path}/rotate"), json!({"overlap_hours": 0})).await;
    let came = ping().await;
    assert!(!is_signed(&came, &second) && is_signed(&came, made["secret"].as_str().expect("one")));
    let listed = place.get(WEBHOOKS).await.to_string();
    let trail = place.get("/api/v1/audit").await.to_string();
    for secret in [&first, &second] {
        assert!(!listed.contains(secret.as_str()) && !trail.contains(secret.as_str()));
    }
    assert!(!trail.contains("path-secret"), "what may be a secret of the receiver is not told");
    let (status, problem) =
        place.post(&format!("{path}/rotate"), json!({"overlap_hours": 169})).await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("overlap_hours")));
    assert!(place.deliveries(&id).await.is_empty(), "a test message is no delivery");
}

pub async fn thin(world: &World) {
    let place = Place::new(world).await;
    place.webhook("BRAND", &["commissioned", "packed", "shipped", "minted"]).await;
    world.make(&sns(0..150)).await;
    let packs = format!("sscc,child,packed_at\n{},CY000001,2026-05-21T09:00:00+08:00\n", sscc(1));
    world.take(Kind::Packs, &packs).await;
    let papers = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         PAPER-1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,{}\n",
        sscc(1)
    );
    world.take(Kind::Shipments, &papers).await;
    place.round().await;
    let came = place.receiver.came();
    let of = |kind: &str| {
        let found = came.iter().find(|one| one.kind() == kind);
        found.unwrap_or_else(|| panic!("no {kind}")).json()
    };
    let made = of("commissioned");
    assert_eq!(made["subjects"].as_array().map(Vec::len), Some(100));
    assert_eq!(made["subjects_count"], 150);
    assert_eq!(made["links"]["unit"], "/api/v1/units/{id}");
    let number = world.unit("CY000000").await;
    let code = world.house.ring().encode(unit_number(number)).as_str().to_owned();
    assert_eq!(made["subjects"][0], json!({"kind": "unit", "id": code}));
    assert_eq!(made["brand"], "BRAND");
    let packed = of("packed");
    assert_eq!(packed["subjects"][0], json!({"kind": "pack", "id": sscc(1)}));
    assert_eq!(packed["subjects_count"], 2);
    let shipped = of("shipped");
    let pair = |n: usize| (&shipped["subjects"][n]["kind"], &shipped["subjects"][n]["id"]);
    assert_eq!(pair(0), (&json!("pack"), &json!(sscc(1))));
    assert_eq!(pair(1), (&json!("shipment"), &json!("PAPER-1")));
    let members: BTreeSet<_> = shipped.as_object().expect("an object").keys().cloned().collect();
    let known = [
        "brand",
        "happened_at",
        "id",
        "links",
        "log_index",
        "recorded_at",
        "subjects",
        "subjects_count",
        "type",
    ];
    assert_eq!(members, known.map(str::to_owned).into());
    for one in &came {
        for withheld in ["CY0000", "LOT1", PHONE, "深圳"] {
            assert!(!one.body.contains(withheld), "{withheld} in {}", one.body);
        }
        let body = one.json();
        let units = body["subjects"].as_array().expect("subjects").iter();
        for unit in units.filter(|s| s["kind"] == "unit") {
            assert_eq!(unit["id"].as_str().map(str::len), Some(13), "{unit}");
        }
    }
}

pub async fn restored(world: &World) {
    world.make(&sns(0..1)).await;
    let receiver = Receiver::start().await;
    let host = receiver.address.expect("it listens").to_string();
    let place = Place::within(world, receiver, reach(&[&host])).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    dossier::flows::log::seal(&place.house).await.expect("sealed");
    let (copy, dir) = (world.scratch.path().join("copy"), world.scratch.path().join("back"));
    let words = "correct horse battery";
    backup::backup(&place.house, &world.target, &copy, words).await.expect("written");
    let restored = backup::restore(&copy, words, &dir, &master()).await.expect("it comes back");
    assert_eq!(restored.webhooks_off, 1);
    assert!(restored.rebuild.agrees());
    let options = store::engine::SqliteOptions::default();
    let target = store::engine::Target::Sqlite { dir, options };
    let scratch = tempfile::TempDir::new().expect("a folder");
    let back = World {
        house: crate::common::open(&target, world.clock.clone()).await,
        target,
        clock: world.clock.clone(),
        scratch,
    };
    let there = Place::within(&back, place.receiver.clone(), reach(&[&host])).await;
    assert_eq!(there.round().await, 0, "the old store may be sending still");
    assert_eq!(there.stands(&id).await["off_because"], "restored");
    let path = format!("{WEBHOOKS}/{id}");
    let (status, _) = there.ask(&there.key, ("PATCH", &path), json!({"is_active": true})).await;
    assert_eq!((status, there.round().await), (200, 1));
    back.agrees().await;
}
