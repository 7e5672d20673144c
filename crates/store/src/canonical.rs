//! Canonical bytes: what a hash of the ledger is taken over. An event's canonical form is its JSON
//! by RFC 8785; a bulk event's holds only the count and the RFC 6962 root over its rows, each row
//! followed by a 16-byte blind, so that one unit's proof shows its own row and no other's.

use crate::event::{Event, Row, Subject};
use domain::id::EventId;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The keyed function of event and unit number that blinds bulk rows.
#[derive(Clone)]
pub struct BlindKey(Hmac<Sha256>);

impl BlindKey {
    /// From 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        // HMAC takes a key of any length, so this cannot fail.
        match Hmac::new_from_slice(secret) {
            Ok(mac) => Self(mac),
            Err(_) => unreachable!("HMAC takes a key of any length"),
        }
    }

    fn blind(&self, event: EventId, number: i64) -> [u8; 16] {
        let mut mac = self.0.clone();
        mac.update(&event.0);
        mac.update(&number.to_be_bytes());
        let mut blind = [0; 16];
        blind.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        blind
    }
}

/// An event with its canonical text, its rows' texts and its leaf hash: ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// RFC 8785 text of the event.
    pub canonical: String,
    /// RFC 8785 text of each row, in the order of the subjects.
    pub rows: Vec<String>,
    /// RFC 6962 leaf hash of the canonical text.
    pub leaf: [u8; 32],
}

/// Writes the canonical form of an event.
pub fn seal(event: &Event, key: &BlindKey) -> Result<Sealed, serde_json::Error> {
    let rows: Vec<String> =
        event.subjects.iter().map(|s| serde_json::to_string(&s.row)).collect::<Result<_, _>>()?;
    let mut form = json!({
        "actor": event.actor,
        "body": event.body,
        "brand": event.brand.0,
        "happened_at": event.happened_at,
        "home": event.home,
        "id": event.id.to_string(),
        "offset_minutes": event.offset_minutes,
        "recorded_at": event.recorded_at,
    });
    if let Some(party) = event.party {
        form["party"] = json!(party.0);
    }
    if let Some(site) = event.site {
        form["site"] = json!(site.0);
    }
    if !rows.is_empty() {
        form["subjects_count"] = json!(rows.len());
        form["subjects_root"] = json!(hex(&subjects_root(event, &rows, key)));
    }
    let canonical = canonical_text(&form)?;
    let leaf = leaf_hash(canonical.as_bytes());
    Ok(Sealed { canonical, rows, leaf })
}

/// RFC 8785 text of a JSON value.
pub fn canonical_text(form: &Value) -> Result<String, serde_json::Error> {
    serde_json_canonicalizer::to_string(form)
}

fn subjects_root(event: &Event, rows: &[String], key: &BlindKey) -> [u8; 32] {
    let mut numbered: Vec<_> =
        event.subjects.iter().map(|s| s.number).zip(rows.iter().map(String::as_str)).collect();
    // The order of the tree is that of the unit numbers: the store keeps no other.
    numbered.sort_unstable();
    root_of(event.id, &numbered, key)
}

fn root_of(event: EventId, rows: &[(i64, &str)], key: &BlindKey) -> [u8; 32] {
    let leaf = |(number, row): &(i64, &str)| {
        let mut bytes = Vec::with_capacity(row.len() + 16);
        bytes.extend_from_slice(row.as_bytes());
        bytes.extend_from_slice(&key.blind(event, *number));
        leaf_hash(&bytes)
    };
    tree_root(rows.iter().map(leaf).collect())
}

/// Whether a stored event still is what was recorded: its leaf is the hash of its text, and its
/// rows, in the order of their unit numbers, have the count and root that the text names. Returns
/// what is wrong.
pub fn audit(
    canonical: &str,
    rows: &[(i64, String)],
    leaf: Option<&[u8]>,
    key: &BlindKey,
) -> Option<&'static str> {
    if leaf.is_some_and(|leaf| leaf != leaf_hash(canonical.as_bytes())) {
        return Some("its text is not the text that was recorded");
    }
    let Ok(form) = serde_json::from_str::<Value>(canonical) else {
        return Some("its text cannot be read");
    };
    let count = form["subjects_count"].as_u64().unwrap_or(0);
    if count != rows.len() as u64 {
        return Some("rows are missing or were added");
    }
    if rows.is_empty() {
        return None;
    }
    let id = form["id"].as_str().unwrap_or_default().replace('-', "");
    let Some(id) = unhex(&id).and_then(|b| <[u8; 16]>::try_from(b).ok()) else {
        return Some("it has no name");
    };
    let rows: Vec<_> = rows.iter().map(|(number, row)| (*number, row.as_str())).collect();
    let root = hex(&root_of(EventId(id), &rows, key));
    (form["subjects_root"].as_str() != Some(root.as_str()))
        .then_some("a row is not the row that was recorded")
}

/// RFC 6962 §2.1 leaf hash.
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// RFC 6962 §2.1 tree hash over leaf hashes. Folding pairs level by level gives the same tree as
/// the standard's split at the largest power of two below n.
pub fn tree_root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    if level.is_empty() {
        return Sha256::digest([]).into();
    }
    while level.len() > 1 {
        let pair = |pair: &[[u8; 32]]| match pair {
            [left, right] => Sha256::new()
                .chain_update([1])
                .chain_update(left)
                .chain_update(right)
                .finalize()
                .into(),
            [single] => *single,
            _ => [0; 32],
        };
        level = level.chunks(2).map(pair).collect();
    }
    level[0]
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads lower- or upper-case hexadecimal.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

/// Reads an event back from its canonical text and its rows.
pub fn unseal(canonical: &str, rows: &[(i64, String)]) -> Result<Event, serde_json::Error> {
    use domain::id::{BrandId, PartyId, SiteId};
    use serde::de::Error;
    let form: Value = serde_json::from_str(canonical)?;
    let int = |field: &str| {
        form[field].as_i64().ok_or_else(|| serde_json::Error::custom(format!("no {field}")))
    };
    let id = form["id"].as_str().unwrap_or_default().replace('-', "");
    let id = unhex(&id).and_then(|b| <[u8; 16]>::try_from(b).ok());
    let subjects = rows
        .iter()
        .map(|(number, text)| {
            Ok(Subject { number: *number, row: serde_json::from_str::<Row>(text)? })
        })
        .collect::<Result<_, serde_json::Error>>()?;
    Ok(Event {
        home: int("home")?,
        id: EventId(id.ok_or_else(|| serde_json::Error::custom("no id"))?),
        brand: BrandId(int("brand")?),
        party: form["party"].as_i64().map(PartyId),
        site: form["site"].as_i64().map(SiteId),
        actor: form["actor"].as_str().unwrap_or_default().to_owned(),
        happened_at: int("happened_at")?,
        offset_minutes: int("offset_minutes")? as i32,
        recorded_at: int("recorded_at")?,
        body: serde_json::from_value(form["body"].clone())?,
        subjects,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, CommissionedRow, FindingRow, IdentifierRow};
    use domain::id::BrandId;

    fn event() -> Event {
        let row = |number: i64| Subject {
            number,
            row: Row::Commissioned(Box::new(CommissionedRow {
                batch: 1,
                identifiers: vec![IdentifierRow { scheme: "imei".into(), value: "86".into() }],
                inspection: Some("pass".into()),
                kit: Some("曜-0".into()),
                produced_at: 5,
                product: 2,
                site: 3,
                sn: Some("曜-1".into()),
                ..CommissionedRow::default()
            })),
        };
        Event {
            home: 7,
            id: EventId([9; 16]),
            brand: BrandId(1),
            party: None,
            site: None,
            actor: "cli".into(),
            happened_at: 1,
            offset_minutes: 480,
            recorded_at: 2,
            body: Body::Commissioned { count: 3 },
            subjects: vec![row(7), row(8), row(9)],
        }
    }

    #[test]
    fn rows_are_written_in_canonical_form() {
        let sealed = seal(&event(), &BlindKey::new(&[1; 32])).unwrap();
        for row in &sealed.rows {
            let again = canonical_text(&serde_json::from_str(row).unwrap()).unwrap();
            assert_eq!(*row, again);
        }
    }

    #[test]
    fn an_event_reads_back() {
        let event = event();
        let sealed = seal(&event, &BlindKey::new(&[1; 32])).unwrap();
        let rows: Vec<_> = event.subjects.iter().map(|s| s.number).zip(sealed.rows).collect();
        assert_eq!(unseal(&sealed.canonical, &rows).unwrap(), event);
    }

    #[test]
    fn a_finding_added_late_is_written_in_canonical_form() {
        let finding = FindingRow {
            grade: "suspect".into(),
            kind: "outside_territory".into(),
            nature: Some("cross_region".into()),
            reasons: vec!["retail_outside".into()],
        };
        let compact = serde_json::to_string(&finding).unwrap();
        assert_eq!(compact, canonical_text(&serde_json::to_value(&finding).unwrap()).unwrap());
        let body = Body::FindingAdded {
            activated_at: 3,
            activation: "0a".into(),
            because: "0b".into(),
            bound_to: Some(4),
            findings: vec![finding],
            versions: "v".into(),
        };
        let added = Event { body, subjects: vec![], ..event() };
        let sealed = seal(&added, &BlindKey::new(&[1; 32])).unwrap();
        let head = r#""activated_at":3,"activation":"0a","because":"0b","bound_to":4"#;
        let tail = r#""kind":"finding_added","versions":"v""#;
        let written = format!(r#"{{{head},"findings":[{compact}],{tail}}}"#);
        assert!(sealed.canonical.contains(&written), "{}", sealed.canonical);
        assert_eq!(unseal(&sealed.canonical, &[]).unwrap(), added);
    }

    #[test]
    fn any_change_of_a_row_changes_the_root() {
        let key = BlindKey::new(&[1; 32]);
        let before = seal(&event(), &key).unwrap();
        let mut other = event();
        other.subjects.swap(0, 1);
        assert_eq!(before.leaf, seal(&other, &key).unwrap().leaf, "the order is the numbers'");
        other.subjects.pop();
        assert_ne!(before.leaf, seal(&other, &key).unwrap().leaf);
        assert_ne!(before.leaf, seal(&event(), &BlindKey::new(&[2; 32])).unwrap().leaf);
    }

    /// RFC 6962 roots over the inputs of the certificate-transparency test vectors.
    #[test]
    fn tree_roots_match_published_vectors() {
        let inputs: [&[u8]; 4] = [b"", b"\x00", b"\x10", b"\x20\x21"];
        let root = |n: usize| hex(&tree_root(inputs[..n].iter().map(|i| leaf_hash(i)).collect()));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&tree_root(vec![])), empty);
        assert_eq!(root(1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(root(2), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        assert_eq!(root(3), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        assert_eq!(root(4), "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    }
}
