//! All or nothing: what was not recorded is never told as taken.

use crate::common::World;
use crate::on_both;
use crate::support::{Client, Reply, house};
use axum::http::StatusCode;
use dossier::files::Kind;
use serde_json::{Value, json};
use store::engine::Target;

on_both! {
    a_brand_is_made_with_its_own_row_or_not_at_all,
}

const HEAD: &str = "shipment_no,from_code,to_code,happened_at,subject\n";

fn outcomes(reply: &Reply) -> Vec<&str> {
    let results = reply.json["results"].as_array().expect("results");
    results.iter().filter_map(|r| r["outcome"].as_str()).collect()
}

fn unit(sn: &str) -> Value {
    json!({"sn": sn, "gtin": crate::support::GTIN, "site_code": "FAC",
        "produced_at": "2026-05-01T08:00:00+08:00"})
}

async fn all_of(client: &Client, path: &str, rows: Value) -> Reply {
    client.post(path, &json!({"rows": rows, "all_or_nothing": true})).await
}

#[tokio::test]
async fn good_rows_beside_a_refused_one_are_told_as_not_recorded() {
    let world = house().await;
    let all = world.client("all").await;
    // One row that cannot be read, and one that a rule refuses.
    for wrong in [
        json!({"sn": "=1"}),
        json!({"sn": "AON9", "gtin": "6901234567885",
        "site_code": "FAC", "produced_at": "2026-05-01T08:00:00+08:00"}),
    ] {
        let made = all_of(&all, "/api/v1/units/commission", json!([unit("AON1"), wrong])).await;
        assert!(made.status.is_client_error(), "{} {}", made.status, made.text);
        assert_eq!(outcomes(&made), ["not_recorded", "refused"]);
        let verdict = all.get("/api/v1/verify/AON1?scheme=sn").await;
        assert_eq!(verdict.json["verdict"], "unknown");
    }
    let pack = |child: &str| {
        json!({"sscc": "106901234500000010", "child": child,
            "packed_at": "2026-05-01T09:00:00+08:00"})
    };
    let packed = all_of(&all, "/api/v1/packs", json!([pack("SN0002"), pack("NOSUCH")])).await;
    packed.expect(StatusCode::NOT_FOUND);
    assert_eq!(outcomes(&packed), ["not_recorded", "refused"]);
    let ship = |no: &str, subject: &str| {
        json!({"shipment_no": no, "from_code": "FAC", "to_code": "T1", "subject": subject,
            "happened_at": "2026-05-03T08:00:00+08:00"})
    };
    let rows = json!([ship("A1", "SN0002"), ship("A2", "NOSUCH"), ship("A3", "SN0003")]);
    let shipped = all_of(&all, "/api/v1/shipments", rows).await;
    shipped.expect(StatusCode::NOT_FOUND);
    assert_eq!(outcomes(&shipped), ["not_recorded", "refused", "not_recorded"]);
    let whole = all_of(&all, "/api/v1/shipments", json!([ship("A1", "SN0002")])).await;
    whole.expect(StatusCode::OK);
    assert_eq!(outcomes(&whole), ["taken"]);
    // What stood before still stands; the new row was not recorded.
    let rows = json!([ship("A1", "SN0002"), ship("A3", "SN0003"), ship("A2", "NOSUCH")]);
    let again = all_of(&all, "/api/v1/shipments", rows).await;
    again.expect(StatusCode::NOT_FOUND);
    assert_eq!(outcomes(&again), ["unchanged", "not_recorded", "refused"]);
}

#[tokio::test]
async fn an_imports_summary_counts_what_was_not_recorded() {
    let world = house().await;
    let all = world.client("all").await;
    let row = |subject: &str| format!("I1,FAC,T1,2026-05-03T08:00:00+08:00,{subject}\n");
    for wrong in [row("NOSUCH"), "I1,FAC,T1,yesterday,SN0003\n".to_owned()] {
        let text = format!("{HEAD}{}{wrong}", row("SN0002"));
        let path = "/api/v1/import/shipments?all_or_nothing=true";
        let reply = all.send("POST", path, "text/csv", &text).await;
        let lines: Vec<Value> =
            reply.text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert_eq!(lines[0]["outcome"], "not_recorded", "{}", reply.text);
        assert_eq!(lines[1]["outcome"], "refused", "{}", reply.text);
        let summary = &lines[2]["summary"];
        let counts = ["rows", "taken", "unchanged", "refused", "not_recorded"];
        assert_eq!(counts.map(|c| summary[c].as_u64()), [2, 0, 0, 1, 1].map(Some), "{summary}");
    }
}

#[tokio::test]
async fn rows_that_lean_on_earlier_rows_are_taken_together() {
    let world = house().await;
    let all = world.client("all").await;
    let (carton, pallet) = ("106901234500000010", "106901234500000027");
    let at = "2026-05-01T09:00:00+08:00";
    let pack = |sscc: &str, child: &str| json!({"sscc": sscc, "child": child, "packed_at": at});
    let rows = json!([pack(carton, "SN0002"), pack(pallet, carton), pack(carton, "SN0003")]);
    let packed = all_of(&all, "/api/v1/packs", rows).await;
    packed.expect(StatusCode::OK);
    assert_eq!(outcomes(&packed), ["taken"; 3]);
    let ship = |no: &str, (from, to): (&str, &str), subject: &str, day: u32| {
        json!({"shipment_no": no, "from_code": from, "to_code": to, "subject": subject,
            "happened_at": format!("2026-05-0{day}T08:00:00+08:00")})
    };
    let (first, second) = (("FAC", "T1"), ("T1", "T2A"));
    let wrong = json!([ship("L1", first, pallet, 3), ship("L2", first, pallet, 4)]);
    let refused = all_of(&all, "/api/v1/shipments", wrong).await;
    assert_eq!(outcomes(&refused), ["not_recorded", "refused"]);
    let rows = json!([ship("L1", first, pallet, 3), ship("L2", second, carton, 4)]);
    let shipped = all_of(&all, "/api/v1/shipments", rows).await;
    shipped.expect(StatusCode::OK);
    assert_eq!(outcomes(&shipped), ["taken"; 2]);
    let back =
        json!([ship("R1", ("T2A", "T1"), "SN0002", 5), ship("R2", ("T1", "FAC"), "SN0002", 6),]);
    let returned = all_of(&all, "/api/v1/returns", back).await;
    returned.expect(StatusCode::OK);
    assert_eq!(outcomes(&returned), ["taken"; 2]);
}

/// A store in which there is nothing yet.
async fn empty(world: &World) -> World {
    let scratch = tempfile::TempDir::new().expect("a folder");
    let target = match &world.target {
        Target::Sqlite { options, .. } => {
            Target::Sqlite { dir: scratch.path().join("new"), options: options.clone() }
        }
        Target::Postgres { .. } => {
            Target::Postgres { url: testkit::Postgres::shared().fresh_database().await }
        }
    };
    let house = crate::common::open(&target, world.clock.clone()).await;
    World { house, target, clock: world.clock.clone(), scratch }
}

async fn a_brand_is_made_with_its_own_row_or_not_at_all(world: &World) {
    let empty = empty(world).await;
    let brands = async || {
        let reference = empty.house.reference_now().await.expect("rows");
        let mut codes: Vec<_> = reference.brands.values().map(|row| row.code.clone()).collect();
        codes.sort();
        codes
    };
    let file = |rows: &[&str]| format!("code,kind,name,parent_code,region\n{}\n", rows.join("\n"));
    let (good, bad) = ("BRNAD,brand,澄野,,440305", "BRNAD,brand,澄野,,999999");
    for (rows, all, expected) in [
        // Its own row is good, and another is not.
        ([good, "FAC,factory,厂,BRNAD,999999"], true, ["not_recorded", "unknown_region"]),
        // Its own row is not.
        ([bad, "FAC,factory,厂,BRNAD,440307"], false, ["unknown_region", "unknown_party"]),
        ([bad, "FAC,factory,厂,,440307"], false, ["unknown_region", "no_brand"]),
        // Another does not stand in for it.
        ([bad, "OTHER,brand,别家,,440305"], false, ["unknown_region", "parent_kind"]),
    ] {
        let said = crate::common::outcomes(&empty.house, Kind::Parties, &file(&rows), all).await;
        assert_eq!(said, expected, "{rows:?}");
        assert_eq!(brands().await, [""; 0], "{rows:?}");
    }
    // Once mended it is called as the file says, and bad rows beside it are nobody's fault.
    let mended = [
        "SHOP,shop,店,FAC,440307",
        "BRAND,brand,澄野,,440305",
        "FAC,factory,厂,BRAND,440307",
        "OTHER,brand,别家,,440305",
    ];
    let said = crate::common::outcomes(&empty.house, Kind::Parties, &file(&mended), false).await;
    assert_eq!(said, ["parent_kind", "taken", "taken", "parent_kind"]);
    assert_eq!(brands().await, ["BRAND"]);
    let reference = empty.house.reference_now().await.expect("rows");
    let brand = reference.sole_brand().expect("one brand");
    let root = reference.root(brand).map(|party| (party.code.as_str(), party.name.as_str()));
    assert_eq!(root, Some(("BRAND", "澄野")));
    let said =
        crate::common::outcomes(&empty.house, Kind::Parties, &file(&mended[1..3]), true).await;
    assert_eq!(said, ["unchanged", "unchanged"]);
    empty.agrees().await;
}
