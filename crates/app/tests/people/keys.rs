//! API keys: what bounds them, what they may pass on, and what a wrong one is told; on both
//! engines.

use crate::common::{PHONE, World, sns};
use crate::on_both;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use domain::id::BrandId;
use dossier::api::gate::Peer;
use dossier::api::{ServeOptions, router};
use dossier::files::{Format, Kind, Table};
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::flows::{Scope, api_keys, keys};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tower::ServiceExt;

on_both! {
    a_key_is_good_from_its_addresses_until_its_end,
    a_wrong_key_is_told_nothing,
    two_secrets_are_good_while_they_overlap,
    no_key_passes_on_what_it_does_not_hold,
    a_use_is_known_to_the_hour_and_moves_no_version,
    every_route_of_keys_has_somebody_it_serves_and_somebody_it_does_not,
    guessed_codes_are_answered_alike,
}

/// The router, asked from anywhere by anybody.
struct Door(Router);

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
    json: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    fn code(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }

    fn text(&self, member: &str) -> String {
        let text = self.json[member].as_str();
        text.unwrap_or_else(|| panic!("{member} in {}", self.json)).to_owned()
    }
}

impl Door {
    fn new(world: &World, limits: bool) -> Self {
        let extra = Some(dossier::pages::routes());
        let options = ServeOptions { limits, extra, ..ServeOptions::default() };
        Self(router(Arc::clone(&world.house), options))
    }

    async fn ask(&self, (method, path): (&str, &str), who: (&str, &str), body: Value) -> Reply {
        let (token, from) = who;
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", "application/json");
        let request =
            request.extension(Peer { address: from.parse().expect("an address"), tls: false });
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.body(body).expect("a request");
        let response = self.0.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body, json }
    }

    async fn get(&self, path: &str, token: &str) -> Reply {
        self.ask(("GET", path), (token, "127.0.0.1"), Value::Null).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.ask(("POST", path), (token, "127.0.0.1"), body).await
    }

    /// The status of a list that every scope `read` may see, asked from an address.
    async fn tried(&self, token: &str, from: &str) -> u16 {
        self.ask(("GET", "/api/v1/parties"), (token, from), Value::Null).await.status
    }
}

const KEYS: &str = "/api/v1/keys";

async fn key(world: &World, brand: BrandId, party: &str, scopes: &str) -> String {
    let scopes: Vec<_> = scopes.split(',').map(|s| Scope::parse(s).expect("a scope")).collect();
    keys::new_key(&world.house, brand, party, &scopes, "").await.expect("a key")
}

async fn brands_key(world: &World, scopes: &str) -> String {
    key(world, world.caller().await.brand, "BRAND", scopes).await
}

fn id_of(token: &str) -> String {
    api_keys::id_of(token).to_owned()
}

/// The head of an answer without what differs from one second to the next.
fn head(reply: &Reply) -> BTreeMap<String, String> {
    let text = |v: &axum::http::HeaderValue| v.to_str().unwrap_or_default().to_owned();
    let all = reply.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    all.filter(|(name, _)| name != "content-length").collect()
}

/// Every member of a reply by its path, whatever it holds.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                found.insert(format!("{path}.{name}"));
                members(value, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, path, found)),
        _ => {}
    }
}

async fn a_key_is_good_from_its_addresses_until_its_end(world: &World) {
    let door = Door::new(world, false);
    let owner = brands_key(world, "all").await;
    let order = json!({"party": "FAC-SZ", "scopes": ["read"], "name": "line 7",
        "from": ["10.0.0.0/8", "2001:db8::7"], "expires_at": "2026-06-11T10:00:00+08:00"});
    let given = door.post(KEYS, &owner, order).await;
    assert_eq!(given.status, 201, "{}", given.json);
    assert_eq!(given.json["from"], json!(["10.0.0.0/8", "2001:db8::7/128"]));
    assert_eq!(given.json["expires_at"], "2026-06-11T10:00:00+08:00");
    let token = given.text("key");
    let table = [
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("2001:db8::7", 200),
        ("2001:db8::8", 401),
        ("11.1.2.3", 401),
        ("127.0.0.1", 401),
    ];
    for (from, status) in table {
        assert_eq!(door.tried(&token, from).await, status, "{from}");
    }
    world.clock.set("2026-06-11T01:59:59Z".parse().expect("an instant"));
    assert_eq!(door.tried(&token, "10.1.2.3").await, 200);
    world.clock.set("2026-06-11T02:00:00Z".parse().expect("an instant"));
    assert_eq!(door.tried(&token, "10.1.2.3").await, 401);
    let list = door.get(KEYS, &owner).await;
    let items = list.json["items"].as_array().expect("keys");
    let row = items.iter().find(|k| k["id"] == given.json["id"]).expect("it is listed");
    assert_eq!((&row["state"], &row["party"]), (&json!("expired"), &json!("FAC-SZ")));
    assert!(!list.json.to_string().contains(&token[17..]), "a secret is told once");
    let over = door.post(&format!("{KEYS}/{}/rotate", id_of(&token)), &owner, json!({})).await;
    assert_eq!(over.code(), (409, "key_over"));
}

async fn a_wrong_key_is_told_nothing(world: &World) {
    let door = Door::new(world, false);
    let owner = brands_key(world, "all").await;
    let good = brands_key(world, "read").await;
    let give = async |more: Value| {
        let mut order = json!({"party": "BRAND", "scopes": ["read"]});
        order.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        door.post(KEYS, &owner, order).await.text("key")
    };
    let elsewhere = give(json!({"from": ["192.0.2.1"]})).await;
    let expired = give(json!({"expires_at": "2026-06-10T10:00:01+08:00"})).await;
    let revoked = give(json!({})).await;
    let rotated = give(json!({})).await;
    world.clock.set("2026-06-10T03:00:00Z".parse().expect("an instant"));
    for (token, verb) in [(&revoked, "revoke"), (&rotated, "rotate")] {
        let path = format!("{KEYS}/{}/{verb}", id_of(token));
        assert_eq!(door.post(&path, &owner, json!({})).await.status, 200, "{verb}");
    }
    let guessed = format!("dos_{}.{}", id_of(&good), "0".repeat(48));
    let unknown = format!("dos_{}.{}", "0".repeat(12), "0".repeat(48));
    let wrong = [elsewhere, expired, revoked, rotated, guessed, unknown, "dos_".into(), "x".into()];
    let first = door.get("/api/v1/parties", &wrong[0]).await;
    assert_eq!(first.code(), (401, "unauthenticated"));
    for token in &wrong {
        let reply = door.get("/api/v1/parties", token).await;
        assert_eq!((reply.status, &reply.json), (401, &first.json), "{token}");
        assert_eq!(head(&reply), head(&first), "{token}");
    }
    assert_eq!(door.tried(&good, "127.0.0.1").await, 200);
    // Another process knows as well, at the latest once it polled.
    let other = world.another().await;
    let other = Door(router(other, ServeOptions::default()));
    assert_eq!(other.tried(&wrong[2], "127.0.0.1").await, 401);
}

async fn two_secrets_are_good_while_they_overlap(world: &World) {
    let door = Door::new(world, false);
    let owner = brands_key(world, "all").await;
    let first = brands_key(world, "read").await;
    let path = format!("{KEYS}/{}/rotate", id_of(&first));
    let rotate = async |hours: u32| {
        let reply = door.post(&path, &owner, json!({"overlap_hours": hours})).await;
        assert_eq!(reply.status, 200, "{}", reply.json);
        reply
    };
    let reply = rotate(24).await;
    let second = reply.text("key");
    assert_eq!((id_of(&second), reply.json["state"].as_str()), (id_of(&first), Some("rotating")));
    assert_eq!(reply.json["previous_until"], "2026-06-11T10:00:00+08:00");
    let statuses = async |tokens: &[&String]| {
        let mut all = Vec::new();
        for token in tokens {
            all.push(door.tried(token, "127.0.0.1").await);
        }
        all
    };
    assert_eq!(statuses(&[&first, &second]).await, [200, 200]);
    // Rotated again: the oldest ends at once, and so there are never three.
    let third = rotate(24).await.text("key");
    assert_eq!(statuses(&[&first, &second, &third]).await, [401, 200, 200]);
    world.clock.set("2026-06-11T01:59:59Z".parse().expect("an instant"));
    assert_eq!(statuses(&[&second, &third]).await, [200, 200]);
    world.clock.set("2026-06-11T02:00:00Z".parse().expect("an instant"));
    assert_eq!(statuses(&[&second, &third]).await, [401, 200]);
    let fourth = rotate(0).await.text("key");
    assert_eq!(statuses(&[&third, &fourth]).await, [401, 200]);
    let fifth = rotate(24).await.text("key");
    let revoke = door.post(&path.replace("rotate", "revoke"), &owner, Value::Null).await;
    assert_eq!((revoke.status, revoke.json["state"].as_str()), (200, Some("revoked")));
    assert_eq!(statuses(&[&fourth, &fifth]).await, [401, 401]);
    let again = door.post(&path.replace("rotate", "revoke"), &owner, Value::Null).await;
    assert_eq!((again.status, &again.json["revoked_at"]), (200, &revoke.json["revoked_at"]));
    let over = door.post(&path, &owner, json!({"overlap_hours": 1})).await;
    assert_eq!(over.code(), (409, "key_over"));
    let long = door.post(&path, &owner, json!({"overlap_hours": 2161})).await;
    assert_eq!(
        (long.code(), &long.json["field"]),
        ((400, "invalid_field"), &json!("overlap_hours"))
    );
}

async fn no_key_passes_on_what_it_does_not_hold(world: &World) {
    let door = Door::new(world, false);
    let brand = world.caller().await.brand;
    // Who asks, for whom, for what; then where it is refused.
    let table = [
        (("BRAND", "all"), "BRAND", "all", None),
        (("BRAND", "all"), "BRAND", "keys", None),
        (("BRAND", "all"), "SHOP-53", "all,keys", None),
        (("BRAND", "keys,read"), "T1-53", "read,keys", None),
        (("BRAND", "keys,read"), "BRAND", "mint", Some("scopes")),
        (("BRAND", "keys,read"), "BRAND", "read,all", Some("scopes")),
        (("T1-53", "keys,ship"), "T1-53", "ship,keys", None),
        (("T1-53", "keys,ship"), "SHOP-53", "ship", None),
        (("T1-53", "keys,ship"), "T2-53", "read", Some("scopes")),
        (("T1-53", "keys,ship"), "BRAND", "ship", Some("party")),
        (("T1-53", "keys,ship"), "T1-42", "ship", Some("party")),
        (("T1-53", "keys,ship"), "FAC-SZ", "ship", Some("party")),
        (("T1-53", "keys,activation"), "T1-53", "activation:attested", Some("scopes")),
        (("T2-53", "keys,all"), "T1-53", "all", Some("party")),
        (("T2-53", "keys,all"), "SHOP-53", "all", None),
        // All of another party than the brand is not about keys at all.
        (("T1-53", "all"), "T1-53", "ship", Some("")),
        (("BRAND", "read"), "BRAND", "read", Some("")),
    ];
    for ((who, with), party, scopes, refused) in table {
        let token = key(world, brand, who, with).await;
        let words: Vec<_> = scopes.split(',').collect();
        let reply = door.post(KEYS, &token, json!({"party": party, "scopes": words})).await;
        let about = format!("{who} {with} for {party} {scopes}: {}", reply.json);
        match refused {
            None => assert_eq!(reply.status, 201, "{about}"),
            Some(field) => {
                assert_eq!(reply.code(), (403, "not_allowed"), "{about}");
                assert_eq!(reply.json["field"].as_str().unwrap_or_default(), field, "{about}");
            }
        }
        // A key of that kind that is there already: its new secret would be as good as a gift.
        let there = key(world, brand, party, scopes).await;
        for verb in ["rotate", "revoke"] {
            let path = format!("{KEYS}/{}/{verb}", id_of(&there));
            let reply = door.post(&path, &token, json!({})).await;
            let about = format!("{verb} by {about}");
            match refused {
                None => assert_eq!(reply.status, 200, "{about} {}", reply.json),
                Some("party") => assert_eq!(reply.code(), (404, "unknown_key"), "{about}"),
                Some(_) => assert_eq!(reply.code(), (403, "not_allowed"), "{about}"),
            }
        }
    }
    let t1 = key(world, brand, "T1-53", "keys,ship").await;
    let list = door.get(&format!("{KEYS}?limit=1000"), &t1).await;
    let items = list.json["items"].as_array().expect("keys");
    let parties: BTreeSet<_> = items.iter().filter_map(|k| k["party"].as_str()).collect();
    assert_eq!(parties, BTreeSet::from(["SHOP-53", "T1-53", "T2-53"]));
    for (member, value) in [
        ("scopes", json!([])),
        ("scopes", json!(["root"])),
        ("from", json!(["10.0.0.0/33"])),
        ("from", json!(vec!["10.0.0.1"; 33])),
        ("expires_at", json!("2026-06-10T10:00:00+08:00")),
        ("expires_at", json!("soon")),
        ("name", json!("x".repeat(201))),
    ] {
        let mut order = json!({"party": "T1-53", "scopes": ["ship"]});
        order[member] = value;
        let reply = door.post(KEYS, &t1, order).await;
        assert_eq!(reply.code(), (400, "invalid_field"), "{member}: {}", reply.json);
        let field = reply.text("field");
        assert_eq!(field.split('[').next(), Some(member), "{}", reply.json);
    }
}

async fn a_use_is_known_to_the_hour_and_moves_no_version(world: &World) {
    let door = Door::new(world, false);
    let owner = brands_key(world, "all").await;
    let used = brands_key(world, "read").await;
    let last = async |door: &Door| {
        let list = door.get(KEYS, &owner).await.json;
        let items = list["items"].as_array().expect("keys").clone();
        let row = items.into_iter().find(|k| k["id"] == *id_of(&used)).expect("it is listed");
        row["last_used_at"].clone()
    };
    assert_eq!(last(&door).await, Value::Null);
    world.clock.set("2026-06-10T03:25:00Z".parse().expect("an instant"));
    let version = world.house.store.reference_version().await.expect("it reads");
    let wrong = format!("{}0", &used[..used.len() - 1]);
    if wrong != used {
        assert_eq!(door.tried(&wrong, "127.0.0.1").await, 401);
        assert_eq!(last(&door).await, Value::Null, "a wrong secret is no use");
    }
    assert_eq!(door.tried(&used, "127.0.0.1").await, 200);
    let eleven = json!("2026-06-10T11:00:00+08:00");
    assert_eq!(last(&door).await, eleven);
    // Another process learns it once it is written, and writes its own beside it.
    let house = world.another().await;
    let other = Door(router(Arc::clone(&house), ServeOptions::default()));
    assert_eq!(last(&other).await, Value::Null);
    assert!(api_keys::write_uses(&world.house).await.expect("it is written") >= 1);
    assert_eq!(api_keys::write_uses(&world.house).await.expect("nothing is left"), 0);
    assert_eq!(last(&other).await, eleven);
    world.clock.set("2026-06-10T05:59:00Z".parse().expect("an instant"));
    assert_eq!(other.tried(&used, "127.0.0.1").await, 200);
    api_keys::write_uses(&house).await.expect("it is written");
    assert_eq!(last(&door).await, json!("2026-06-10T13:00:00+08:00"));
    let now = world.house.store.reference_version().await.expect("it reads");
    assert_eq!(now, version, "a use is no change of the reference rows");
}

/// Another brand in the same deployment, and the key of its own that may do everything.
async fn second_brand(world: &World) -> String {
    let text = "code,kind,name,parent_code,region\nOTHER,brand,Other,,\n";
    let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let (who, taking) = (Importer::Operator(Some("OTHER")), Taking::default());
    import(&world.house, who, &mut table, taking, &mut |_, _| {}).await.expect("it is taken");
    let reference = world.house.reference().await.expect("it reads");
    let brand = reference.brand_by_code("OTHER").expect("the brand");
    key(world, brand, "OTHER", "all").await
}

/// Every operation of the document that needs scope `keys` is tried by somebody it serves, somebody
/// without the scope, nobody, and another tenant.
async fn every_route_of_keys_has_somebody_it_serves_and_somebody_it_does_not(world: &World) {
    let door = Door::new(world, false);
    let owner = brands_key(world, "all").await;
    let weak = brands_key(world, "verify,activation,master,mint,produce,ship,lifecycle,read").await;
    let brand = world.caller().await.brand;
    let other = second_brand(world).await;
    let document = door.get("/api/openapi.json", "").await.json;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let ways = operation["security"].as_array().cloned().unwrap_or_default();
            if !ways.contains(&json!({"key": ["keys"]})) {
                assert!(!path.starts_with(KEYS), "{method} {path} needs no scope keys");
                continue;
            }
            tried += 1;
            let there = key(world, brand, "BRAND", "read").await;
            let filled = path.replace("{id}", &id_of(&there));
            let body = match (method.as_str(), path.ends_with("/keys")) {
                ("get", _) => Value::Null,
                (_, true) => json!({"party": "FAC-SZ", "scopes": ["produce"]}),
                (_, false) => json!({}),
            };
            let method = method.to_uppercase();
            let ask = async |token: &str| {
                let who = (token, "127.0.0.1");
                door.ask((&method, &filled), who, body.clone()).await
            };
            let name = format!("{method} {path}");
            assert_eq!(ask("").await.code(), (401, "unauthenticated"), "{name}");
            assert_eq!(ask(&weak).await.code(), (403, "not_allowed"), "{name}");
            let foreign = ask(&other).await;
            match path.strip_prefix(KEYS) {
                Some("") if method == "GET" => {
                    let text = foreign.json.to_string();
                    assert!(text.contains(&id_of(&other)), "{name}: {text}");
                    assert!(!text.contains(&id_of(&there)), "{name}: {text}");
                }
                Some("") => assert_eq!(foreign.code(), (404, "unknown_party"), "{name}"),
                _ => assert_eq!(foreign.code(), (404, "unknown_key"), "{name}"),
            }
            let served = ask(&owner).await;
            assert!(matches!(served.status, 200 | 201), "{name}: {}", served.json);
        }
    }
    assert_eq!(tried, 4, "list, give, rotate, revoke");
}

/// A code that passes its check character and that no key of ours made.
fn forged(world: &World, real: &str) -> String {
    use domain::code::TraceCode;
    const ALPHABET: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let (head, _) = real.split_at(11);
    let tails = ALPHABET.chars().flat_map(|a| ALPHABET.chars().map(move |b| format!("{a}{b}")));
    let codes = tails.map(|tail| format!("{head}{tail}")).filter(|code| code != real);
    let sound = |code: &String| {
        let code = TraceCode::parse(code);
        code.is_ok_and(|code| world.house.ring().decode(&code).is_err())
    };
    codes.into_iter().find(sound).expect("one of a thousand")
}

async fn guessed_codes_are_answered_alike(world: &World) {
    world.make(&sns(0..1)).await;
    let door = Door::new(world, false);
    let keys = [String::new(), brands_key(world, "all").await, brands_key(world, "read").await];
    let beyond = domain::code::UnitNumber::new(900_000_000_000).expect("a number");
    let never = world.house.ring().encode(beyond).as_str().to_owned();
    let forged = forged(world, &never);
    let wrong_check = format!("{}{}", &never[..12], if never.ends_with('2') { '3' } else { '2' });
    let guesses = [never.as_str(), &forged, &wrong_check, "NOSUCHSN", "860837783533742"];
    for token in &keys {
        let mut shapes = BTreeSet::new();
        let mut bodies = Vec::new();
        for guess in guesses {
            let reply = door.get(&format!("/api/v1/verify/{guess}"), token).await;
            let mut shape = BTreeSet::new();
            members(&reply.json, "", &mut shape);
            shapes.insert((reply.status, head(&reply), shape));
            bodies.push(reply.json);
        }
        assert_eq!(shapes.len(), 1, "{shapes:#?}");
        assert_eq!(bodies[0], bodies[1], "a number never issued and a code nobody made are one");
        let proof = json!({"kind": "scratch", "value": "12345678"});
        let (mut shapes, mut dossiers) = (BTreeSet::new(), BTreeSet::new());
        for guess in guesses {
            let path = format!("/api/v1/verify/{guess}/proof");
            let reply = door.post(&path, token, proof.clone()).await;
            let mut shape = BTreeSet::new();
            members(&reply.json, "", &mut shape);
            shapes.insert((head(&reply), shape));
            let reply = door.get(&format!("/api/v1/units/{guess}"), token).await;
            let mut shape = BTreeSet::new();
            members(&reply.json, "", &mut shape);
            dossiers.insert((head(&reply), shape));
        }
        assert_eq!((shapes.len(), dossiers.len()), (1, 1), "{shapes:#?} {dossiers:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_count_keys_addresses_and_units_and_say_so() {
    let world = World::sqlite().await;
    world.make(&sns(0..1)).await;
    let door = Door::new(&world, true);
    let good = brands_key(&world, "read").await;
    let ask = async |path: &str, token: &str, from: &str| {
        door.ask(("GET", path), (token, from), Value::Null).await
    };
    let (list, unit) = ("/api/v1/parties", "/api/v1/verify/CY000000");
    let policy = async |token: &str, from: &str| {
        let reply = ask(list, token, from).await;
        assert!(reply.header("ratelimit").starts_with(&reply.header("ratelimit-policy")[..6]));
        reply.header("ratelimit-policy").split(';').next().unwrap_or_default().to_owned()
    };
    assert_eq!(policy(&good, "203.0.113.1").await, "\"key\"");
    assert_eq!(policy("", "203.0.113.1").await, "\"address\"");
    assert_eq!(policy("dos_wrong", "203.0.113.1").await, "\"address\"");
    // How many of so many guesses are let through before the address has to wait.
    let until_stopped = async |token: &str, from: &str, most: usize| {
        for count in 0..most {
            let reply = ask(list, token, from).await;
            if reply.status == 429 {
                assert!(!reply.header("retry-after").is_empty());
                assert!(reply.header("ratelimit").contains(";r=0;"));
                return count;
            }
            assert_eq!(reply.status, 401);
        }
        most
    };
    let (host, neighbour, other) = ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1");
    let guesses = until_stopped("dos_000000000000.0", host, 20_000).await;
    assert!((200..20_000).contains(&guesses), "{guesses}");
    // What is left is what trickled in meanwhile; it is the same purse without a key and next door.
    assert!(until_stopped("", neighbour, 200).await < 200);
    assert!(ask(list, "", other).await.status == 401, "another network has its own");
    assert_eq!(ask(list, &good, host).await.status, 200, "a good key is counted by itself");
    // One unit, looked at from everywhere.
    let mut stopped = None;
    for n in 0..2_000 {
        let reply = ask(unit, "", &format!("198.51.{}.{}", n / 250, n % 250)).await;
        if reply.status == 429 {
            stopped = Some(reply);
            break;
        }
        assert_eq!(reply.status, 200);
    }
    let stopped = stopped.expect("nobody needs it so often");
    assert!(stopped.header("ratelimit").starts_with("\"unit\";r=0;t="), "{:?}", stopped.headers);
    assert!(stopped.header("ratelimit-policy").starts_with("\"unit\";q=60;"));
    assert!(!stopped.header("retry-after").is_empty());
    assert_eq!(
        ask(unit, &good, "198.51.100.1").await.status,
        200,
        "with a key it is no public look"
    );
}

/// The pages of a unit are public looks like any other: of one purse with the verdict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_unit_count_as_looks_at_it() {
    let world = World::sqlite().await;
    world.make(&sns(0..2)).await;
    let door = Door::new(&world, true);
    let good = brands_key(&world, "read").await;
    let mut codes = Vec::new();
    for sn in sns(0..2) {
        let number = dossier::flows::find::unit_number(world.unit(&sn).await);
        codes.push(world.house.ring().encode(number).as_str().to_owned());
    }
    let (code, other) = (&codes[0], &codes[1]);
    let ask = async |path: &str, token: &str, n: usize| {
        let from = format!("198.51.{}.{}", n / 250, n % 250);
        door.ask(("GET", path), (token, &from), Value::Null).await
    };
    let pages = [
        format!("/d/{code}"),
        format!("/D/{code}"),
        format!("/01/0{PHONE}/21/{code}"),
        format!("/d/{code}/centres"),
        format!("/d/{code}/register"),
        format!("/d/{code}/my-data"),
    ];
    let mut stopped = 0;
    for n in 0..2_000 {
        let reply = ask(&pages[n % pages.len()], "", n).await;
        if reply.status == 429 {
            stopped = n;
            break;
        }
        assert_eq!(reply.status, 200, "{}", pages[n % pages.len()]);
    }
    assert!(stopped >= 60, "{stopped}");
    for page in &pages {
        for (lang, words) in [("zh-CN", "操作太频繁"), ("en", "Too many requests")] {
            let reply = ask(&format!("{page}?lang={lang}"), "", 9).await;
            assert_eq!(reply.status, 429, "{page}");
            assert!(reply.body.contains(words) && reply.body.contains("<html"), "{}", reply.body);
            assert!(!reply.header("retry-after").is_empty(), "{page}");
            assert!(reply.header("ratelimit").starts_with("\"unit\";r=0;"), "{page}");
            assert!(!reply.header("content-security-policy").is_empty(), "{page}");
        }
    }
    // Nor is it told by the verdict then; another unit has a purse of its own, and so has a key.
    assert_eq!(ask(&format!("/api/v1/verify/{code}"), "", 9).await.status, 429);
    assert_eq!(ask(&format!("/d/{other}"), "", 9).await.status, 200);
    assert_eq!(ask(&pages[0], &good, 9).await.status, 200);
}
