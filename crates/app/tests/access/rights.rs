//! What a key may not do although its scope names the command.

use crate::support::{GTIN, house};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Code and field of the first problem of the first row.
fn told(answer: &str) -> Option<(String, String)> {
    let row: Value = serde_json::from_str(answer.lines().next()?).ok()?;
    let problem = row.pointer("/problems/0")?;
    Some((problem["code"].as_str()?.to_owned(), problem["field"].as_str()?.to_owned()))
}

#[tokio::test]
async fn master_data_is_the_brands_and_a_tier_1_builds_below_itself() {
    let world = house().await;
    let product = |name: &str| format!("gtin,name_zh,category\n{GTIN},{name},phone\n");
    let party = |row: &str| format!("code,kind,name,parent_code,region\n{row}\n");
    let grant = |row: &str| format!("party_code,gtin,regions,from_on\n{row}\n");
    // In this order: who, what kind of row, the row, the field named when it is not allowed.
    let table = [
        ("T1", "products", product("假"), Some("gtin")),
        ("FAC", "products", product("手机"), Some("gtin")),
        ("BRAND", "products", product("新名"), None),
        ("T1", "parties", party("BRAND,brand,Mine now,,"), Some("code")),
        ("T1", "parties", party("T1,tier1,Renamed,BRAND,11"), Some("code")),
        ("T1", "parties", party("T9,tier1,Mine,BRAND,11"), Some("kind")),
        ("T1", "parties", party("SHOP0,shop,Mine,BRAND,11"), Some("parent_code")),
        ("FAC", "parties", party("SHOP0,shop,Mine,T2A,11"), Some("parent_code")),
        ("T2A", "parties", party("SHOP0,shop,Mine,T2A,11"), Some("parent_code")),
        // A shop below a tier 2 that comes with the same file, and after it.
        ("T1", "parties", party("SHOP1,shop,Mine,T2C,11\nT2C,tier2,New,T1,11"), None),
        ("T1", "parties", party("T2A,tier2,Beijing anew,T1,1101"), None),
        ("T1", "territories", grant("T1,*,31,2026-01-01"), Some("party_code")),
        ("T1", "territories", grant("SHOP1,*,1101,2026-01-01"), Some("party_code")),
        ("T2A", "territories", grant("T2A,*,1102,2026-01-01"), Some("party_code")),
        ("T1", "territories", grant("T2C,*,1101,2026-01-01"), None),
        ("BRAND", "territories", grant("T1,*,31,2026-01-01"), None),
    ];
    for (who, kind, csv, field) in table {
        let key = world.key(who, "master").await;
        let path = format!("/api/v1/import/{kind}?update=true");
        let reply = key.send("POST", &path, "text/csv", &csv).await;
        reply.expect(StatusCode::OK);
        let expected = field.map(|f| ("not_allowed".to_owned(), f.to_owned()));
        assert_eq!(told(&reply.text), expected, "{who} {csv}{}", reply.text);
    }
    let outside = grant("T2C,*,44,2026-01-01");
    let key = world.key("T1", "master").await;
    let reply = key.send("POST", "/api/v1/import/territories", "text/csv", &outside).await;
    assert_eq!(told(&reply.text).map(|t| t.0), Some("outside_tier1".into()), "{}", reply.text);
}

#[tokio::test]
async fn codes_are_the_brands() {
    let world = house().await;
    let brand = world.key("BRAND", "mint").await;
    let order = json!({"gtin": GTIN, "count": 3, "scratch": true});
    let minted = brand.post("/api/v1/batches", &order).await;
    minted.expect(StatusCode::CREATED);
    let path = format!("/api/v1/batches/{}", minted.json["id"]);
    let codes = brand.get(&format!("{path}/codes")).await;
    codes.expect(StatusCode::OK);
    let code = codes.text.lines().nth(1).and_then(|l| l.split(',').next()).unwrap();
    for party in ["FAC", "T1", "SVC"] {
        let key = world.key(party, "mint").await;
        assert_eq!(key.get("/api/v1/batches").await.json["items"], json!([]));
        for path in [format!("{path}/codes"), format!("{path}/codes/{code}.svg")] {
            key.get(&path).await.refused(StatusCode::NOT_FOUND, "unknown_batch");
        }
        let (deliver, void) = (json!({"to": "me"}), json!({"reason": "mine"}));
        let deliver = key.post(&format!("{path}/deliver"), &deliver).await;
        deliver.refused(StatusCode::FORBIDDEN, "not_allowed");
        let void = key.post(&format!("{path}/void"), &void).await;
        void.refused(StatusCode::FORBIDDEN, "not_allowed");
        // Whatever it names: who may not mint does not learn which products there are.
        for gtin in [GTIN, "6929141700027", "nonsense"] {
            let order = json!({"gtin": gtin, "count": 3, "scratch": true});
            let minted = key.post("/api/v1/batches", &order).await;
            minted.refused(StatusCode::FORBIDDEN, "not_allowed");
        }
    }
    // Handed to a plant by its code, they are its to read, and still nobody's to change.
    let handed = brand.post(&format!("{path}/deliver"), &json!({"to": "FAC"})).await;
    handed.expect(StatusCode::OK);
    assert_eq!(handed.json["delivered_to"], "FAC");
    let plant = world.key("FAC", "mint").await;
    assert_eq!(plant.get("/api/v1/batches").await.json["items"][0]["id"], minted.json["id"]);
    let read = plant.get(&format!("{path}/codes")).await;
    read.expect(StatusCode::OK);
    assert_eq!(read.text, brand.get(&format!("{path}/codes")).await.text);
    let void = plant.post(&format!("{path}/void"), &json!({"reason": "mine"})).await;
    void.refused(StatusCode::FORBIDDEN, "not_allowed");
    let other = world.key("FAC2", "mint").await;
    let path = format!("{path}/codes");
    other.get(&path).await.refused(StatusCode::NOT_FOUND, "unknown_batch");
}

fn row(no: &str, (from, to): (&str, &str), on: u32, subject: &str) -> Value {
    json!({"shipment_no": no, "from_code": from, "to_code": to, "subject": subject,
        "happened_at": format!("2026-05-{on:02}T08:00:00+08:00")})
}

#[tokio::test]
async fn units_are_made_where_units_are_made() {
    let world = house().await;
    let made = |site: &str| {
        json!({"rows": [{"sn": format!("AT-{site}"), "gtin": GTIN, "site_code": site,
            "produced_at": "2026-05-01T08:00:00+08:00"}]})
    };
    for (who, site, refused) in [
        ("T1", "T1", Some("not_a_maker")),
        ("T1", "FAC", Some("not_allowed")),
        ("SVC", "SVC", Some("not_a_maker")),
        ("BRAND", "T2A", Some("not_a_maker")),
        ("BRAND", "BRAND", None),
        ("FAC", "FAC", None),
    ] {
        let key = world.key(who, "produce").await;
        let reply = key.post("/api/v1/units/commission", &made(site)).await;
        let told = reply.json.pointer("/results/0/problems/0/code").and_then(Value::as_str);
        assert_eq!(told, refused, "{who} at {site}: {}", reply.text);
    }
}

#[tokio::test]
async fn goods_do_not_cross_into_another_channel() {
    let world = house().await;
    let ship = async |who: &str, mut row: Value, reason: &str| {
        row["reason"] = reason.into();
        let key = world.key(who, "ship").await;
        let reply = key.post("/api/v1/shipments", &json!({"rows": [row]})).await;
        let told = reply.json.pointer("/results/0/problems/0/code").and_then(Value::as_str);
        told.map(str::to_owned)
    };
    assert_eq!(ship("T1", row("A", ("T1", "T2A"), 3, "SN0001"), "").await, None);
    let across = || row("B", ("T2A", "T2B"), 5, "SN0001");
    let outside = Some("outside_channel".to_owned());
    assert_eq!(ship("T2A", across(), "").await, outside);
    assert_eq!(ship("T2A", across(), "a friend asked").await, outside);
    assert_eq!(ship("T1", across(), "they agreed").await, outside);
    assert_eq!(ship("BRAND", across(), "").await, outside);
    assert_eq!(ship("T2A", row("B", ("T2A", "SVC"), 5, "SN0001"), "").await, None);
    assert_eq!(ship("SVC", row("C", ("SVC", "T2A"), 6, "SN0001"), "").await, None);
    let across = row("D", ("T2A", "T2B"), 7, "SN0001");
    assert_eq!(ship("BRAND", across, "stock moved after the contract ended").await, None);
}

#[tokio::test]
async fn a_paper_is_its_senders() {
    let world = house().await;
    let brand = world.key("BRAND", "all").await;
    let ship = async |row: Value| {
        let reply = brand.post("/api/v1/shipments", &json!({"rows": [row]})).await;
        assert_eq!(reply.json["refused"], 0, "{}", reply.text);
    };
    ship(row("F1", ("FAC", "T2A"), 2, "SN0002")).await;
    ship(row("F2", ("FAC", "T2B"), 2, "SN0003")).await;
    ship(row("001", ("T2A", "T1"), 5, "SN0002")).await;
    ship(row("001", ("T2B", "T1"), 5, "SN0003")).await;
    let path = "/api/v1/shipments/001/void";
    let at = |from: Option<&str>| json!({"from": from, "happened_at": "2026-05-06T08:00:00+08:00"});
    // Nobody says whose: two senders have one of this number.
    let which = brand.post(path, &at(None)).await;
    which.refused(StatusCode::BAD_REQUEST, "invalid_field");
    assert_eq!(which.json["field"], "from");
    assert!(which.text.contains("T2A") && which.text.contains("T2B"), "{}", which.text);
    let (a, b) = (world.key("T2A", "ship").await, world.key("T2B", "ship").await);
    let other = a.post(path, &at(Some("T2B"))).await;
    other.refused(StatusCode::FORBIDDEN, "not_allowed");
    let own = a.post(path, &at(None)).await;
    own.expect(StatusCode::OK);
    assert_eq!(own.json["count"], 1);
    let again = a.post(path, &at(None)).await;
    assert_eq!((again.status, again.json["count"].as_i64()), (StatusCode::OK, Some(0)));
    let holder = brand.get("/api/v1/verify/SN0003").await;
    assert_eq!(holder.json["custody"]["hops"][2]["party"], "T1", "{}", holder.text);
    // Who stands above its sender may name it.
    brand.post(path, &at(Some("NOBODY"))).await.refused(StatusCode::NOT_FOUND, "unknown_party");
    let t1 = world.key("T1", "ship").await;
    t1.post(path, &at(None)).await.refused(StatusCode::NOT_FOUND, "unknown_shipment");
    t1.post(path, &at(Some("T2B"))).await.expect(StatusCode::OK);
    assert_eq!(b.post(path, &at(None)).await.json["count"], 0, "taken back before");
}
