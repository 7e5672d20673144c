//! What a report is worth: who can be lied to by whom.

use crate::support::{Client, House, house};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// The score of the address family of an activation of SN0001 by this client.
async fn score(world: &House, client: &Client, access: Option<&str>) -> i64 {
    let body = json!({"identifier": {"scheme": "sn", "value": "SN0001"},
        "happened_at": "2026-06-01T09:00:00+08:00", "device_fingerprint": "fp",
        "signals": {"ip": "113.64.0.1", "access": access}});
    let done = client.post("/api/v1/activations", &body).await;
    assert!(matches!(done.status, StatusCode::CREATED | StatusCode::OK), "{}", done.text);
    let dossier = world.client("read").await.get("/api/v1/units/SN0001").await;
    let timeline = dossier.json["timeline"].as_array().expect("events");
    let last = timeline.iter().rfind(|e| e["kind"] == "activated").expect("an activation");
    let families = last["detail"]["families"].as_array().expect("families");
    let address = families.iter().find(|f| f["family"] == "ip").map(|f| &f["score_milli"]);
    address.and_then(Value::as_i64).expect("the address is weighed")
}

/// A distributor could gain by what it says of its goods.
#[tokio::test]
async fn only_the_brand_and_platforms_speak_as_servers() {
    let world = house().await;
    let body = json!({"identifier": {"scheme": "sn", "value": "SN0001"},
        "happened_at": "2026-06-01T09:00:00+08:00", "device_fingerprint": "fp",
        "signals": {"store_code": "NOSHOP", "shipping_region": "9999"}});
    let seller = world.key("T1", "activation,activation:attested").await;
    let done = seller.post("/api/v1/activations", &body).await;
    done.expect(StatusCode::CREATED);
    assert_eq!(done.json["assurance"], "app");
    assert_eq!(done.json["reasons"], json!([]), "which shops there are is the brand's affair");
    let server = world.client("activation").await;
    let done = server.post("/api/v1/activations", &body).await;
    assert_eq!(done.json["assurance"], "brand_server");
    assert_eq!(done.json["reasons"], json!(["store_code_unknown", "shipping_region_unknown"]));
    let mut long = body.clone();
    long["signals"]["attestation"] = json!({"token": "x".repeat(2_100)});
    let refused = server.post("/api/v1/activations", &long).await;
    refused.refused(StatusCode::BAD_REQUEST, "invalid_field");
}

/// The class of this address in Guangdong is known to nobody, so `cellular` would make it worth
/// less against goods for Beijing. A device that gains by saying so is not believed; the brand's
/// own server is.
#[tokio::test]
async fn only_the_brands_own_servers_are_believed_about_the_access() {
    let world = house().await;
    let plain = score(&world, &world.client("activation").await, None).await;
    assert!(plain > 0, "the address says outside");
    let app = world.client("activation:app").await;
    for device in [&world.anyone(), &app] {
        for access in [None, Some("cellular"), Some("wifi")] {
            assert_eq!(score(&world, device, access).await, plain, "{access:?}");
        }
    }
    for scope in ["activation", "activation:attested"] {
        let server = world.client(scope).await;
        assert_eq!(score(&world, &server, Some("wifi")).await, plain);
        let mobile = score(&world, &server, Some("cellular")).await;
        assert!(mobile < plain, "{scope}: {mobile} against {plain}");
    }
}
