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
