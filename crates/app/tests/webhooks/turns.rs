//! Whose turn it is, and what is asked again on the way: one that is slow, changed or told to go
//! back takes nothing from others.

use crate::common::{World, sns, start};
use crate::place::{Came, Place, Receiver, Says, WEBHOOKS, reach};
use dossier::files::{Format, Kind, Table};
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::webhooks::courier::{bring, run_due, turns};
use dossier::flows::{Scope, keys};
use dossier::jobs;
use serde_json::json;
use std::io::Cursor;
use std::sync::Arc;
use store::webhook::DeliveryRow;

async fn parties(place: &Place<'_>, brand: &str, text: &str) {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let who = Importer::Operator(Some(brand));
    import(&place.house, who, &mut table, Taking::default(), &mut |_, _| {}).await.expect("taken");
}

pub async fn slow_brand(world: &World) {
    world.make(&sns(0..1)).await;
    let (slow, other) = (Receiver::start().await, Receiver::start().await);
    let hosts = [&slow, &other].map(|one| one.address.expect("it listens").to_string());
    let place = Place::within(world, slow.clone(), reach(&hosts.each_ref().map(|h| &**h))).await;
    for _ in 0..5 {
        place.webhook("BRAND", &["activated"]).await;
    }
    start(&place.house, "sn", "CY000000", "a").await;
    parties(&place, "OTHER", "code,kind,name\nOTHER,brand,别家电子\n").await;
    let theirs = operator(&place.house, Some("OTHER")).await.expect("there is the other brand");
    let key = keys::new_key(&place.house, theirs.brand, "OTHER", &[Scope::All], "").await;
    let order = json!({"party": "OTHER", "url": other.url(), "kinds": ["changed"]});
    let (status, made) = place.ask(&key.expect("a key"), ("POST", WEBHOOKS), order).await;
    assert_eq!(status, 201, "{made}");
    slow.says(&[Says::Hang; 5]);
    let running = jobs::start(&place.house);
    other.until(1).await;
    other.came();
    slow.until(4).await;
    parties(&place, "OTHER", "code,kind,name,parent_code\nSHOP-X,shop,别家店,OTHER\n").await;
    other.until(1).await;
    assert_eq!(slow.came().len(), 4, "the fifth waits for one that hangs, and nobody else does");
    running.stop().await;
}

/// Two shops of the brand, so two records of its trail.
async fn shops(place: &Place<'_>, numbers: &[u8]) {
    let row = |n: &u8| format!("SHOP-{n},shop,店,T1-53,530102\n");
    let rows: String = numbers.iter().map(row).collect();
    parties(place, "BRAND", &format!("code,kind,name,parent_code,region\n{rows}")).await;
}

pub async fn narrowed(world: &World) {
    world.make(&sns(0..1)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["changed"]).await;
    place.round().await;
    place.receiver.came();
    // Whoever may not read the trail may stop it, and is told nothing of it from then on.
    let narrow = place.key_of("BRAND", "webhooks").await;
    let path = format!("{WEBHOOKS}/{id}");
    let kinds = |kinds: &[&str]| json!({"kinds": kinds});
    place.round().await;
    place.receiver.came();
    shops(&place, &[7, 8]).await;
    dossier::flows::log::seal(&place.house).await.expect("sealed");
    let turn = turns(&place.house).await.expect("turns").pop().expect("its turn");
    let (status, told) = place.ask(&narrow, ("PATCH", &path), kinds(&["activated"])).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(bring(&place.house, turn).await.expect("it runs"), 0, "the turn was of before");
    // The same while a message is on its way.
    let (status, told) = place.ask(&place.key, ("PATCH", &path), kinds(&["changed"])).await;
    assert_eq!(status, 200, "{told}");
    while place.round().await > 0 {}
    place.receiver.came();
    shops(&place, &[9, 10]).await;
    dossier::flows::log::seal(&place.house).await.expect("sealed");
    place.receiver.says(&[Says::Hang]);
    let house = Arc::clone(&place.house);
    let running = tokio::spawn(async move { run_due(&house).await });
    place.receiver.until(1).await;
    let (status, told) = place.ask(&narrow, ("PATCH", &path), kinds(&["activated"])).await;
    assert_eq!(status, 200, "{told}");
    place.receiver.release();
    assert_eq!(running.await.expect("it ends").expect("it runs"), 1);
    start(&place.house, "sn", "CY000000", "a").await;
    while place.round().await > 0 {}
    let kinds: Vec<_> = place.receiver.came().iter().map(Came::kind).collect();
    assert_eq!(kinds, ["changed", "activated"]);
}

const HOUR: i64 = 3600;

pub async fn quiet(world: &World) {
    world.make(&sns(0..3)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    place.receiver.always(Some(503));
    for _ in 0..19 {
        assert_eq!(place.round().await, 1);
        place.later(HOUR + HOUR / 3);
    }
    assert_eq!(place.round().await, 0, "it was given up");
    // Five days after the first failure, of which four were quiet.
    place.later(5 * 24 * HOUR);
    start(&world.house, "sn", "CY000001", "b").await;
    assert_eq!(place.round().await, 1);
    let stands = place.stands(&id).await;
    assert_eq!((&stands["state"], &stands["failure_count"]), (&json!("retrying"), &json!(1)));
    // An address of its own begins with a clean record, at once.
    let other = format!("{}&b", place.receiver.url());
    let path = format!("{WEBHOOKS}/{id}");
    let (status, told) = place.ask(&place.key, ("PATCH", &path), json!({"url": other})).await;
    assert_eq!(
        (status, &told["state"], &told["failure_count"]),
        (200, &json!("active"), &json!(0))
    );
    assert_eq!(told["failing_since"], json!(null));
    place.receiver.always(None);
    place.receiver.came();
    assert_eq!(place.round().await, 1, "the same event, without a wait");
    assert_eq!(place.receiver.came()[0].path, "/in?token=path-secret&b");
    place.world.agrees().await;
}

pub async fn far_behind(world: &World) {
    let many = sns(0..520);
    world.make(&many).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    let (idle, _) = place.webhook("BRAND", &["recalled"]).await;
    for (n, sn) in many.iter().enumerate() {
        start(&world.house, "sn", sn, &format!("device {n}")).await;
    }
    place.receiver.always(Some(503));
    assert_eq!(place.round().await, 1);
    place.later(13);
    assert_eq!(place.round().await, 1);
    let stands = place.stands(&id).await;
    assert_eq!(stands["failure_count"], json!(2), "a long way ahead forgets no failure");
    let stored = place.house.store.webhook_cursor(&idle).await.expect("it reads").expect("there");
    assert!(stored.next > 500 && stored.leased_until == 0, "noted for every process: {stored:?}");
    place.receiver.always(None);
    place.receiver.came();
    place.later(50);
    let mut sent = 0;
    loop {
        let now = place.round().await;
        assert!(now <= 100, "others have their turn");
        sent += now;
        if now == 0 {
            break;
        }
    }
    let came = place.receiver.came();
    assert_eq!((sent, came.len()), (520, 520));
    assert!(came.iter().map(Came::index).is_sorted_by(|a, b| a < b));
}

/// So many deliveries of before, none with an event of the log.
pub async fn delivered(place: &Place<'_>, id: &str, count: i64) {
    let now = place.world.clock.now().as_microsecond();
    for n in 0..count {
        let row = DeliveryRow {
            webhook: id.to_owned(),
            at: now - count + n,
            id: n.to_be_bytes().repeat(2).try_into().expect("sixteen bytes"),
            event: format!("{n:032}"),
            kind: "activated".to_owned(),
            position: 0,
            attempt: 1,
            outcome: "failed".to_owned(),
            status: None,
            error: Some("connect".to_owned()),
            duration_ms: 1,
        };
        assert!(place.house.store.delivery_add(&row).await.expect("written"));
    }
}

pub async fn by_hand_too(world: &World) {
    world.make(&sns(0..1)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    assert_eq!(place.round().await, 1);
    let event = place.deliveries(&id).await[0]["event"].as_str().expect("an event").to_owned();
    place.later(1);
    delivered(&place, &id, 998).await;
    let path = format!("{WEBHOOKS}/{id}");
    for _ in 0..3 {
        place.later(1);
        let resend = format!("{path}/deliveries/{event}/resend");
        assert_eq!(place.post(&resend, json!(null)).await.0, 200);
    }
    let gone = place.house.store.delivery_of(&id, &format!("{:032}", 0)).await;
    assert!(gone.is_ok_and(|row| row.is_none()), "a thousand are kept, whoever sent them");
    let (status, _) = place.ask(&place.key, ("DELETE", &path), json!(null)).await;
    assert_eq!(status, 204);
    let late = DeliveryRow {
        webhook: id.clone(),
        at: world.clock.now().as_microsecond(),
        id: [1; 16],
        event: event.clone(),
        kind: "activated".to_owned(),
        position: 0,
        attempt: 0,
        outcome: "delivered".to_owned(),
        status: Some(200),
        error: None,
        duration_ms: 1,
    };
    assert!(!place.house.store.delivery_add(&late).await.expect("it answers"));
    let kept = place.house.store.delivery_of(&id, &event).await.expect("it reads");
    assert!(kept.is_none(), "nothing is left of one that was removed");
}
