//! Where nothing is sent, and what of an answer counts.

use crate::common::{World, sns, start};
use crate::place::{Place, Receiver, Says, WEBHOOKS, house, reach};
use domain::webhook::target::Target;
use dossier::api::tls::Tls;
use dossier::api::{self, ServeOptions};
use dossier::outbound::{Failure, Names, Outbound, Reach};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

pub async fn answers(world: &World) {
    world.make(&sns(0..1)).await;
    let place = Place::new(world).await;
    let (id, _) = place.webhook("BRAND", &["activated"]).await;
    start(&world.house, "sn", "CY000000", "a").await;
    place.receiver.says(&[Says::Redirect, Says::Endless]);
    assert_eq!(place.round().await, 1);
    let came = place.receiver.came();
    assert_eq!(came.len(), 1, "nobody went elsewhere: {came:?}");
    let newest = &place.deliveries(&id).await[0];
    assert_eq!((&newest["status"], &newest["error"]), (&json!(302), &json!("redirect")));
    place.later(13);
    assert_eq!(place.round().await, 1);
    let newest = &place.deliveries(&id).await[0];
    assert_eq!((&newest["status"], &newest["outcome"]), (&json!(200), &json!("delivered")));
}

pub async fn refused_when_saved(world: &World) {
    let place = Place::within(world, Receiver::default(), reach(&["hooks.corp:9000"])).await;
    let wrong = [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "http://hooks.example.com/",
        "https://user:pw@hooks.example.com/",
        "https://hooks.example.com:25/",
        "https://localhost/",
        "https://metadata/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://192.168.0.1:8443/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:7f00:1::]/",
        "http://hooks.corp:9001/",
        "http://hooks.corp/",
    ];
    for url in wrong {
        let (status, problem) = place.post(WEBHOOKS, json!({"party": "BRAND", "url": url})).await;
        let told = (status, problem["code"].as_str(), problem["field"].as_str());
        assert_eq!(told, (400, Some("invalid_field"), Some("url")), "{url}: {problem}");
    }
    for url in ["https://hooks.example.com/", "http://hooks.corp:9000/x"] {
        let (status, made) = place.post(WEBHOOKS, json!({"party": "BRAND", "url": url})).await;
        assert_eq!(status, 201, "{url}: {made}");
        let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
        let moved = json!({"url": "https://127.0.0.1/"});
        let (status, problem) = place.ask(&place.key, ("PATCH", &path), moved).await;
        assert_eq!((status, problem["field"].as_str()), (400, Some("url")));
    }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

pub async fn refused_when_connected(world: &World) {
    let receiver = Receiver::start().await;
    let port = receiver.address.expect("it listens").port();
    let rows = [
        ("loop.example.com", ips(&["127.0.0.1"])),
        ("mapped.example.com", ips(&["::ffff:127.0.0.1"])),
        ("six.example.com", ips(&["::1"])),
        ("meta.example.com", ips(&["169.254.169.254"])),
        ("inside.example.com", ips(&["10.0.0.1", "192.168.1.1"])),
        // One bad address among good ones, whichever comes first.
        ("mixed.example.com", ips(&["198.41.0.4", "127.0.0.1"])),
        ("mixed-too.example.com", ips(&["127.0.0.1", "198.41.0.4"])),
        ("nat64.example.com", ips(&["64:ff9b::7f00:1"])),
        ("none.example.com", Vec::new()),
    ];
    let table: Vec<_> = rows.iter().map(|(name, all)| (*name, all.as_slice())).collect();
    let names = Names::table(&table);
    let reach = Reach { names: names.clone(), ..Reach::default() };
    let place = Place::within(world, receiver, reach).await;
    for (name, _) in &rows {
        let url = format!("https://{name}:{port}/");
        let (status, made) = place.post(WEBHOOKS, json!({"party": "BRAND", "url": url})).await;
        assert_eq!(status, 201, "{url}: {made}");
        let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
        let (status, told) = place.post(&format!("{path}/ping"), json!(null)).await;
        // One word for all of them: whoever asks learns no name of our network.
        assert_eq!((status, told["error"].as_str()), (200, Some("address")), "{name}: {told}");
        assert_eq!((&told["is_delivered"], &told["status"]), (&json!(false), &json!(null)));
        let (status, _) = place.ask(&place.key, ("DELETE", &path), json!(null)).await;
        assert_eq!(status, 204);
    }
    assert!(place.receiver.came().is_empty(), "somebody was sent into our own network");
    // A name that is answered differently the next time is looked at the next time.
    let Names::Table(rows) = &names else { unreachable!("it is a table") };
    rows.lock().expect("a lock").insert("turns.example.com".into(), ips(&["198.41.0.4"]));
    let url = format!("https://turns.example.com:{port}/");
    let (status, made) = place.post(WEBHOOKS, json!({"party": "BRAND", "url": url})).await;
    assert_eq!(status, 201);
    rows.lock().expect("a lock").insert("turns.example.com".into(), ips(&["127.0.0.1"]));
    let path = format!("{WEBHOOKS}/{}/ping", made["id"].as_str().expect("an id"));
    let (_, told) = place.post(&path, json!(null)).await;
    assert_eq!(told["error"], "address");
    assert!(place.receiver.came().is_empty());
    no_longer_allowed(world, &place).await;
}

/// What was allowed when it was saved is not sent to once it is not.
async fn no_longer_allowed(world: &World, place: &Place<'_>) {
    let host = place.receiver.address.expect("it listens").to_string();
    let allowing = Place::within(world, place.receiver.clone(), reach(&[&host])).await;
    let (id, _) = allowing.webhook("BRAND", &[]).await;
    let strict = Place::within(world, place.receiver.clone(), reach(&[])).await;
    let (_, told) = strict.post(&format!("{WEBHOOKS}/{id}/ping"), json!(null)).await;
    assert_eq!(told["error"], "address");
    assert!(place.receiver.came().is_empty());
}

pub async fn certificates(world: &World) {
    let made = generate_simple_self_signed(vec!["hooks.corp".to_owned()]).expect("a certificate");
    let CertifiedKey { cert, signing_key } = made;
    let dir = world.scratch.path();
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&certificate, cert.pem()).expect("a file");
    std::fs::write(&key, signing_key.serialize_pem()).expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let tls = Some(Arc::new(Tls::read(&certificate, &key).expect("a pair")));
    let options = ServeOptions { tls, ..ServeOptions::default() };
    let receiving = house(world, reach(&[])).await;
    let stop = std::future::pending::<()>();
    tokio::spawn(async move { api::serve(receiving, listener, options, stop).await });
    let loopback: &[IpAddr] = &ips(&["127.0.0.1"]);
    let rows = [("hooks.corp", loopback), ("other.corp", loopback)];
    let allowed = ["hooks.corp", "other.corp"].map(|host| host.parse().expect("a host"));
    let within =
        |ca| Outbound::new(Reach { allowed: allowed.to_vec(), ca, names: Names::table(&rows) });
    let target = |host: &str, scheme: &str| -> Target {
        format!("{scheme}://{host}:{port}/healthz").parse().expect("a target")
    };
    let post = async |outbound: &Outbound, target: Target| {
        outbound.post(&target, &[], "{}".to_owned()).await
    };
    let trusting = within(Some(certificate));
    // There is nothing to post to, and that is what the server says, under its certificate.
    assert_eq!(post(&trusting, target("hooks.corp", "https")).await, Ok(405));
    assert_eq!(post(&trusting, target("other.corp", "https")).await, Err(Failure::Tls));
    assert_eq!(post(&within(None), target("hooks.corp", "https")).await, Err(Failure::Tls));
    assert_eq!(post(&trusting, target("hooks.corp", "http")).await, Err(Failure::Protocol));
    let nowhere = ["hooks.corp"].map(|host| host.parse().expect("a host")).to_vec();
    let nowhere = Outbound::new(Reach { allowed: nowhere, ca: None, names: Names::table(&[]) });
    let told = post(&nowhere, target("hooks.corp", "https")).await;
    assert_eq!(told, Err(Failure::Name), "of what the operator allows it is told");
    let missing = within(Some(dir.join("missing.pem")));
    assert_eq!(post(&missing, target("hooks.corp", "https")).await, Err(Failure::Tls));
}
