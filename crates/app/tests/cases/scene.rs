//! Goods on their way through a small tree, and those who ask.

use crate::common::{Desk, World, sns, start};
use domain::role::Role;
use dossier::files::{Format, Kind, Table};
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::{Caller, Scope, keys};
use serde_json::{Value, json};
use std::io::Cursor;

/// What whoever works on cases holds.
pub const WORKS: &str = "read,cases";

/// Twelve units: the first three go down to the tier 2 of Yunnan, the next three to the tier 1 of
/// Hubei, the others stay in the factory. One is started where it should not be.
pub async fn goods(world: &World) {
    world.make(&sns(0..12)).await;
    let mut papers = "shipment_no,from_code,to_code,happened_at,subject\n".to_owned();
    for sn in sns(0..3) {
        papers += &format!("P-53,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,{sn}\n");
        papers += &format!("P-54,T1-53,T2-53,2026-05-23T08:00:00+08:00,{sn}\n");
    }
    for sn in sns(3..6) {
        papers += &format!("P-42,FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,{sn}\n");
    }
    world.take(Kind::Shipments, &papers).await;
    // Never shipped: it is an alert after a while.
    assert!(start(&world.house, "sn", "CY000011", "a device").await);
}

pub async fn code(world: &World, sn: &str) -> String {
    let number = dossier::flows::find::unit_number(world.unit(sn).await);
    world.house.ring().encode(number).as_str().to_owned()
}

/// Opens a case, which must be taken; its id.
pub async fn opened(brand: &Desk, party: &str, units: &[&str]) -> String {
    let body = json!({"party": party, "units": units, "summary": "where did they go?"});
    let (status, reply) = brand.post("/api/v1/cases", &body).await;
    assert_eq!(status, 201, "{reply}");
    assert_eq!(reply["state"], "open");
    reply["id"].as_str().expect("an id").to_owned()
}

/// Says something in a case; where it stands then.
pub async fn says(desk: &Desk, id: &str, text: &str, internal: bool) -> (u16, Value) {
    let body = json!({"text": text, "internal": internal});
    desk.post(&format!("/api/v1/cases/{id}/entries"), &body).await
}

pub async fn shown(desk: &Desk, id: &str) -> Value {
    let (status, reply) = desk.get(&format!("/api/v1/cases/{id}")).await;
    assert_eq!(status, 200, "{reply}");
    reply
}

/// Kinds and words of what somebody is shown of a case.
pub fn told(case: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let entries = case["entries"].as_array().expect("entries");
    entries.iter().map(|e| (text(&e["kind"]), text(&e["text"]))).collect()
}

/// The refusal and its field.
pub fn problem(reply: &(u16, Value)) -> (u16, &str, &str) {
    let text = |name: &str| reply.1[name].as_str().unwrap_or_default();
    (reply.0, text("code"), text("field"))
}

/// A member of the brand's own party in a role, bound to regions if any.
pub async fn member(world: &World, role: Role, regions: &[&str]) -> Caller {
    let regions = regions.iter().map(|region| (*region).to_owned()).collect();
    let scopes = role.scopes().to_vec();
    Caller { scopes, regions, role: Some(role), ..world.caller().await }
}

/// A party of the brand with every scope.
pub async fn party(world: &World, code: &str) -> Caller {
    let brand = world.caller().await;
    let reference = world.house.reference_now().await.expect("rows");
    let party = reference.party(brand.brand, code).expect("a party").id;
    Caller { party, scopes: Scope::ALL.to_vec(), role: None, ..brand }
}

/// Takes a file of which no row may be refused.
pub async fn take(world: &World, who: Importer<'_>, kind: Kind, text: &str) {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let done = import(&world.house, who, &mut table, Taking::default(), &mut |_, _| {}).await;
    assert_eq!(done.expect("taken").refused, 0, "{text}");
}

/// Another brand with a unit, a party and a product of its own, and its key. From then on nobody
/// who does not say so means the first brand.
pub async fn stranger(world: &World) -> (Caller, Desk) {
    let parties = "code,kind,name\nOTHER,brand,别家电子\nFAC-X,factory,别家工厂\n\
        T1-53,tier1,别家云南总代\n";
    take(world, Importer::Operator(Some("OTHER")), Kind::Parties, parties).await;
    let caller = operator(&world.house, Some("OTHER")).await.expect("there it is");
    let product = "gtin,name_zh,category\n6901234567892,别家手机,phone\n";
    take(world, Importer::Caller(&caller), Kind::Products, product).await;
    let unit = "sn,gtin,produced_at,site_code\n\
        CY000000,6901234567892,2026-05-20T08:00:00+08:00,FAC-X\n\
        CY000777,6901234567892,2026-05-20T08:00:00+08:00,FAC-X\n";
    take(world, Importer::Caller(&caller), Kind::Production, unit).await;
    let scopes = [Scope::All];
    let token = keys::new_key(&world.house, caller.brand, "OTHER", &scopes, "test").await;
    (caller, Desk::with_token(world, token.expect("a key")))
}
