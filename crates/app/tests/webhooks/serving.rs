//! The jobs of a serving process, and what they leave behind.

use crate::common::server::Place as Records;
use crate::common::{World, sns, start};
use crate::place::{Place, Receiver, Says, WEBHOOKS, house, reach};
use crate::turns::delivered;
use dossier::jobs;
use serde_json::json;
use std::time::Duration;

pub async fn brings(world: &World) {
    world.make(&sns(0..2)).await;
    let place = Place::new(world).await;
    place.webhook("BRAND", &["activated"]).await;
    place.webhook("BRAND", &["activated"]).await;
    // Whichever is first hangs; the other is told of both events all the same.
    place.receiver.says(&[Says::Hang]);
    let running = jobs::start(&place.house);
    start(&place.house, "sn", "CY000000", "a").await;
    start(&place.house, "sn", "CY000001", "b").await;
    place.receiver.until(3).await;
    let came = place.receiver.came();
    let to = |one: &crate::place::Came| one.header("webhook-id")[..12].to_owned();
    let hanging = to(&came[0]);
    let told = came.iter().map(to).find(|id| *id != hanging).expect("the other was told");
    // Taken and noted: what is not noted when the process ends is brought once more.
    while place.stands(&told).await["behind_count"] != json!(0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(came.iter().filter(|one| to(one) == hanging).count(), 1, "it waits for its answer");
    // It ends though nobody answered.
    running.stop().await;
    assert!(place.deliveries(&hanging).await.is_empty());
    place.receiver.release();
    // Another process takes over once the lease of the one that was cut off is over.
    let host = place.receiver.address.expect("it listens").to_string();
    let next = house(world, reach(&[&host])).await;
    place.later(31);
    let running = jobs::start(&next);
    place.receiver.until(2).await;
    running.stop().await;
    let again = place.receiver.came();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].header("webhook-id"), came[0].header("webhook-id"), "the same once more");
    assert_eq!(place.stands(&hanging).await["behind_count"], json!(0));
}

pub async fn bounded(world: &World) {
    world.make(&sns(0..2)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    delivered(&place, &id, 1_005).await;
    start(&world.house, "sn", "CY000000", "a").await;
    assert_eq!(place.round().await, 1);
    let page = place.get(&format!("{WEBHOOKS}/{id}/deliveries?limit=1000")).await;
    let kept = page["items"].as_array().expect("items");
    assert_eq!((kept.len(), &page["next_cursor"]), (1_000, &json!(null)));
    assert_eq!(kept[0]["outcome"], "delivered");
    let gone = async |event: &str| place.house.store.delivery_of(&id, event).await;
    assert!(gone(&format!("{:032}", 5)).await.is_ok_and(|row| row.is_none()));
    place.later(31 * 24 * 3600);
    assert!(place.deliveries(&id).await.is_empty(), "what is older is not told");
    start(&world.house, "sn", "CY000001", "b").await;
    assert_eq!(place.round().await, 1);
    assert!(gone(&format!("{:032}", 1_004)).await.is_ok_and(|row| row.is_none()));
    assert_eq!(place.deliveries(&id).await.len(), 1);
}

pub async fn by_hand(world: &World) {
    let receiver = Receiver::start().await;
    let host = receiver.address.expect("it listens").to_string();
    let records = Records::new(&world.target, world.scratch.path());
    let run = |args: &[&str]| records.command(args).output().expect("it runs");
    let said = |args: &[&str]| records.run(args);
    let url = receiver.url();
    let refused = run(&["webhook", "add", &url, "--party", "BRAND"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), why.contains("https://")), (Some(1), true), "{why}");
    let allow = ["--webhook-allow", &host];
    let add = ["webhook", "add", &url, "--party", "BRAND", "--kinds", "shipped,received"];
    let made = said(&[&add[..], &allow].concat());
    let words: Vec<_> = made.split_whitespace().collect();
    let (id, secret) = (words[1].trim_end_matches('.'), words[words.len() - 1]);
    assert!(secret.starts_with("whsec_"), "{made}");
    let pinged = said(&[&["webhook", "ping", id][..], &allow].concat());
    assert!(pinged.starts_with("taken: 200"), "{pinged}");
    assert_eq!(receiver.came()[0].kind(), "ping");
    let closed = run(&["webhook", "ping", id]);
    assert_eq!(closed.status.code(), Some(4), "not without the operator's word");
    assert!(String::from_utf8_lossy(&closed.stdout).starts_with("not taken: address"));
    let listed = said(&["webhook", "list"]);
    assert!(listed.contains(id) && listed.contains("shipped,received"), "{listed}");
    assert!(!listed.contains(secret));
    let changed = said(&["webhook", "change", id, "--kinds", "all", "--off"]);
    assert!(changed.ends_with("is off\n"), "{changed}");
    assert!(said(&["webhook", "list"]).contains(" all "));
    assert!(said(&["webhook", "deliveries", id]).starts_with("at"));
    let rotated = said(&["webhook", "rotate", id, "--overlap-hours", "0"]);
    assert!(rotated.contains("whsec_") && !rotated.contains(secret), "{rotated}");
    let unknown = run(&["webhook", "resend", id, "0"]);
    assert_eq!(unknown.status.code(), Some(1));
    said(&["webhook", "remove", id]);
    assert!(!said(&["webhook", "list"]).contains(id));
    assert!(receiver.came().is_empty());
}
