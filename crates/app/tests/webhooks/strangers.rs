//! Who is told what, and whose webhook is whose.

use crate::common::{FACTORY, World, sns, sscc};
use crate::place::{Place, WEBHOOKS};
use dossier::files::{Format, Kind, Table};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::webhooks::{self, Order};
use dossier::flows::{Scope, keys, ship};
use serde_json::{Value, json};
use std::io::Cursor;
use store::reference::Purpose;

#[allow(clippy::too_many_lines, reason = "one story of two brands")]
pub async fn own_goods(world: &World) {
    world.make(&sns(0..4)).await;
    let packs = format!("sscc,child,packed_at\n{},CY000003,2026-05-21T09:00:00+08:00\n", sscc(1));
    world.take(Kind::Packs, &packs).await;
    // One receiver for each, so that nobody's messages are taken for another's.
    let yunnan = Place::new(world).await;
    let hubei = Place::new(world).await;
    let below = Place::new(world).await;
    yunnan.webhook("T1-53", &[]).await;
    hubei.webhook("T1-42", &["shipped", "received"]).await;
    below.webhook("T2-53", &[]).await;
    for place in [&yunnan, &hubei, &below] {
        place.house.reference_now().await.expect("rows");
    }
    let papers = format!(
        "shipment_no,from_code,to_code,happened_at,subject\n\
         PAPER-1,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,CY000000\n\
         PAPER-2,{FACTORY},T1-42,2026-05-22T08:00:00+08:00,CY000001\n\
         PAPER-3,{FACTORY},T1-53,2026-05-22T08:00:00+08:00,{}\n",
        sscc(1)
    );
    world.take(Kind::Shipments, &papers).await;
    let caller = world.caller().await;
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("an instant");
    let receive = async |party: &str, what: &str, on: &str| {
        let done = ship::receive(&world.house, &caller, party, what, at(on), None).await;
        done.expect("received");
    };
    receive("T1-53", "CY000000", "2026-05-23T00:00:00Z").await;
    receive("T1-42", "CY000001", "2026-05-23T00:00:00Z").await;
    let papers = "shipment_no,from_code,to_code,happened_at,subject\n\
        PAPER-4,T1-53,T2-53,2026-05-24T08:00:00+08:00,CY000000\n";
    world.take(Kind::Shipments, papers).await;
    receive("T2-53", "CY000000", "2026-05-25T00:00:00Z").await;
    // Out of a pack that was shipped whole: its sender is found all the same.
    receive("T1-53", "CY000003", "2026-05-25T00:00:00Z").await;
    crate::common::start(&world.house, "sn", "CY000000", "a device").await;
    dossier::flows::log::seal(&world.house).await.expect("sealed");
    // Every process brings to every webhook; each receiver is only within its own house's reach.
    for place in [&yunnan, &hubei, &below] {
        let own: Vec<_> = place.house.settings.reach.allowed.clone();
        let turns = webhooks::courier::turns(&place.house).await.expect("turns");
        for turn in turns {
            let target: domain::webhook::target::Target = turn.row.url.parse().expect("a target");
            if target.is_allowed(&own) {
                webhooks::courier::bring(&place.house, turn).await.expect("brought");
            }
        }
    }
    let papers = |came: &[crate::place::Came]| {
        let paper = |one: &crate::place::Came| {
            let body = one.json();
            let subjects = body["subjects"].as_array().cloned().unwrap_or_default();
            let paper = subjects.iter().find(|s| s["kind"] == "shipment");
            paper.map_or("-".to_owned(), |s| s["id"].as_str().unwrap_or_default().to_owned())
        };
        let mut all: Vec<_> =
            came.iter().map(|one| format!("{} {}", one.kind(), paper(one))).collect();
        all.sort();
        all
    };
    // The clock stands, so the log has them in the order of their names, which are drawn.
    let own = [
        "received -",
        "received -",
        "received -",
        "shipped PAPER-1",
        "shipped PAPER-3",
        "shipped PAPER-4",
    ];
    let below_too = "its own and what goes to those below it";
    assert_eq!(papers(&yunnan.receiver.came()), own, "{below_too}");
    assert_eq!(papers(&hubei.receiver.came()), ["received -", "shipped PAPER-2"]);
    assert_eq!(papers(&below.receiver.came()), ["received -", "shipped PAPER-4"]);
}

pub async fn not_there(world: &World) {
    let place = Place::new(world).await;
    let (id, _) = place.webhook("T1-53", &[]).await;
    let hubei = place.key_of("T1-42", "all").await;
    let above = place.key_of("T1-53", "all").await;
    let reader = place.key_of("T1-53", "webhooks:read").await;
    let strangers = "code,kind,name\nOTHER,brand,别家电子\n";
    let input = Box::new(Cursor::new(strangers.as_bytes()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let who = Importer::Operator(Some("OTHER"));
    import(&place.house, who, &mut table, Taking::default(), &mut |_, _| {}).await.expect("taken");
    let other = operator(&place.house, Some("OTHER")).await.expect("there is the other brand");
    let other = keys::new_key(&place.house, other.brand, "OTHER", &[Scope::All], "").await;
    let strange = other.expect("a key");
    hear_nothing(&place, &strange).await;
    let event = "0".repeat(32);
    let routes = [
        ("PATCH", format!("{WEBHOOKS}/{id}"), json!({"url": "https://evil.example.com/"})),
        ("DELETE", format!("{WEBHOOKS}/{id}"), Value::Null),
        ("POST", format!("{WEBHOOKS}/{id}/rotate"), json!({})),
        ("POST", format!("{WEBHOOKS}/{id}/ping"), Value::Null),
        ("GET", format!("{WEBHOOKS}/{id}/deliveries"), Value::Null),
        ("POST", format!("{WEBHOOKS}/{id}/deliveries/{event}/resend"), Value::Null),
    ];
    for (method, path, body) in &routes {
        let ghost = path.replace(&id, "0123456789ab");
        for key in [&strange, &hubei] {
            let (status, theirs) = place.ask(key, (method, path), body.clone()).await;
            let (missing, none) = place.ask(key, (method, &ghost), body.clone()).await;
            assert_eq!((status, &theirs), (missing, &none), "{method} {path}");
            assert_eq!((status, theirs["code"].as_str()), (404, Some("unknown_webhook")));
        }
    }
    for key in [&strange, &hubei] {
        let (status, list) = place.ask(key, ("GET", WEBHOOKS), Value::Null).await;
        assert_eq!((status, &list["items"]), (200, &json!([])));
    }
    assert!(place.receiver.came().is_empty());
    let (_, list) = place.ask(&above, ("GET", WEBHOOKS), Value::Null).await;
    assert_eq!(list["items"][0]["id"], id.as_str(), "whose it is sees it");
    assert!(list.to_string().contains("path-secret"));
    let (_, list) = place.ask(&reader, ("GET", WEBHOOKS), Value::Null).await;
    assert_eq!(list["items"][0]["id"], id.as_str());
    assert!(!list.to_string().contains("path-secret"), "who only lists sees no path: {list}");
    let (status, _) =
        place.ask(&reader, ("DELETE", &format!("{WEBHOOKS}/{id}")), Value::Null).await;
    assert_eq!(status, 403);
}

/// Another brand's webhook for everything is told nothing of what happens here.
async fn hear_nothing(place: &Place<'_>, strange: &str) {
    let order = json!({"party": "OTHER", "url": place.receiver.url()});
    let (status, made) = place.ask(strange, ("POST", WEBHOOKS), order).await;
    assert_eq!(status, 201, "{made}");
    let ours = operator(&place.house, Some("BRAND")).await.expect("our brand");
    let range = Mint {
        product: Some(place.house.reference_now().await.expect("rows").products(ours.brand)[0].id),
        purpose: Purpose::Printed,
        count: 5,
        scratch: false,
    };
    mint(&place.house, &ours, range).await.expect("minted");
    assert_eq!(place.round().await, 0);
    assert!(place.receiver.came().is_empty());
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
    let (status, _) = place.ask(strange, ("DELETE", &path), Value::Null).await;
    assert_eq!(status, 204);
}

pub async fn trail(world: &World) {
    let place = Place::new(world).await;
    let order = json!({"party": "BRAND", "url": place.receiver.url(), "kinds": ["changed"]});
    let narrow = place.key_of("BRAND", "webhooks").await;
    let (status, problem) = place.ask(&narrow, ("POST", WEBHOOKS), order.clone()).await;
    let told = (status, problem["code"].as_str(), problem["field"].as_str());
    assert_eq!(told, (403, Some("not_allowed"), Some("kinds[0]")));
    let (status, made) = place.post(WEBHOOKS, order).await;
    assert_eq!(status, 201, "{made}");
    // Whoever could turn it to an address of their own would read the trail.
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
    let moved = json!({"url": "https://elsewhere.example.com/"});
    let (status, _) = place.ask(&narrow, ("PATCH", &path), moved).await;
    assert_eq!(status, 403);
    let parties = "code,kind,name,parent_code,region\nSHOP-2,shop,二号店,T1-53,530102\n";
    world.take(Kind::Parties, parties).await;
    place.round().await;
    let came = place.receiver.came();
    let is_shop = |one: &&crate::place::Came| {
        one.json()["subjects"][0] == json!({"kind": "party", "id": "SHOP-2"})
    };
    assert!(came.iter().any(|one| is_shop(&one)), "{came:?}");
    assert!(came.iter().all(|one| one.kind() == "changed" && !one.body.contains("二号店")));
    let hands = json!({"party": "T1-53", "url": place.receiver.url(), "kinds": ["activated"]});
    let (status, problem) = place.post(WEBHOOKS, hands).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("not_allowed")));
    let wrong = json!({"party": "BRAND", "url": place.receiver.url(), "kinds": ["unheard_of"]});
    let (status, problem) = place.post(WEBHOOKS, wrong).await;
    let told = (status, problem["code"].as_str(), problem["field"].as_str());
    assert_eq!(told, (400, Some("invalid_field"), Some("kinds[0]")));
}

pub async fn bounds(world: &World) {
    let place = Place::new(world).await;
    let mut bound = world.caller().await;
    bound.regions = vec!["53".to_owned()];
    let order = Order { party: "BRAND".into(), url: place.receiver.url(), ..Order::default() };
    let refused = webhooks::make(&place.house, &bound, &order).await;
    assert!(refused.is_err(), "what it is told would go beyond its regions");
    let (id, _) = place.webhook("BRAND", &[]).await;
    assert!(webhooks::rotate(&place.house, &bound, &id, jiff::SignedDuration::ZERO).await.is_err());
    for _ in 1..10 {
        place.webhook("BRAND", &[]).await;
    }
    let order = json!({"party": "BRAND", "url": place.receiver.url()});
    let (status, problem) = place.post(WEBHOOKS, order.clone()).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("webhooks_full")));
    let (status, _) =
        place.ask(&place.key, ("DELETE", &format!("{WEBHOOKS}/{id}")), Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(place.post(WEBHOOKS, order).await.0, 201);
    let unknown = json!({"party": "NOBODY", "url": place.receiver.url()});
    let (status, problem) = place.post(WEBHOOKS, unknown).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_party")));
}
