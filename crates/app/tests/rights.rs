//! What a key may not do although its scope names the command.

mod support;

use axum::http::StatusCode;
use serde_json::json;
use support::{GTIN, house};

/// Code and field of the first problem of the first row.
fn told(answer: &str) -> Option<(String, String)> {
    let row: serde_json::Value = serde_json::from_str(answer.lines().next()?).ok()?;
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
        let got = ["/api/v1/batches".to_owned(), format!("{path}/codes")];
        for path in got.into_iter().chain([format!("{path}/codes/{code}.svg")]) {
            key.get(&path).await.refused(StatusCode::FORBIDDEN, "not_allowed");
        }
        let (deliver, void) = (json!({"to": "me"}), json!({"reason": "mine"}));
        let deliver = key.post(&format!("{path}/deliver"), &deliver).await;
        deliver.refused(StatusCode::FORBIDDEN, "not_allowed");
        let void = key.post(&format!("{path}/void"), &void).await;
        void.refused(StatusCode::FORBIDDEN, "not_allowed");
        let minted = key.post("/api/v1/batches", &order).await;
        minted.refused(StatusCode::FORBIDDEN, "not_allowed");
    }
}
