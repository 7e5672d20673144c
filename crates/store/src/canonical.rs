//! Canonical bytes: what a hash of the ledger is taken over. An event's canonical form is its JSON
//! by RFC 8785; a bulk event's holds only the count and the RFC 6962 root over its rows, each row
//! with the number of the unit it is about and followed by a 16-byte blind, so that one unit's
//! proof shows its own row and no other's.

use crate::event::{Event, Row, Subject};
use domain::id::EventId;
use domain::log::tree::{self, Hash, leaf_hash};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

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
    // An event is written for each command, and nearly all are of this kind.
    if is_plain(form) {
        return serde_json::to_string(form);
    }
    serde_json_canonicalizer::to_string(form)
}

/// Whether the text that is written of a value anyway is that of RFC 8785: its keys stand in the
/// order of their bytes, which is another only beyond ASCII, and texts are escaped alike; numbers
/// are the same where they are whole and a double holds them.
fn is_plain(form: &Value) -> bool {
    match form {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(members) => {
            members.iter().all(|(key, value)| key.is_ascii() && is_plain(value))
        }
    }
}

fn subjects_root(event: &Event, rows: &[String], key: &BlindKey) -> Hash {
    let mut numbered: Vec<_> =
        event.subjects.iter().map(|s| s.number).zip(rows.iter().map(String::as_str)).collect();
    // The order of the tree is that of the unit numbers: the store keeps no other.
    numbered.sort_unstable();
    root_of(event.id, &numbered, key)
}

fn root_of(event: EventId, rows: &[(i64, &str)], key: &BlindKey) -> Hash {
    tree::root(rows.iter().map(|(number, row)| row_leaf(event, *number, row, key)).collect())
}

fn row_leaf(event: EventId, number: i64, row: &str, key: &BlindKey) -> Hash {
    leaf_hash(&[row_entry(number, row).as_bytes(), &key.blind(event, number)].concat())
}

/// What a bulk event says of one subject, as it is hashed before its blind: RFC 8785 text that
/// names the subject. `row` is that of [`Sealed::rows`].
pub fn row_entry(number: i64, row: &str) -> String {
    format!("{{\"number\":{number},\"row\":{row}}}")
}

/// Proof that a bulk event said this of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProof {
    /// The text that was hashed, see [`row_entry`].
    pub entry: String,
    /// What blinds it.
    pub blind: [u8; 16],
    /// Its place in the event's own tree.
    pub index: u64,
    /// The path to the event's root of rows.
    pub path: Vec<Hash>,
}

/// Proves the row of one subject out of all rows of its event, which are in the order of their
/// numbers; none when the subject is not among them.
pub fn prove_row(
    event: EventId,
    rows: &[(i64, String)],
    number: i64,
    key: &BlindKey,
) -> Option<RowProof> {
    struct Leaves(Vec<Hash>);
    impl tree::Subtrees for Leaves {
        type Error = std::convert::Infallible;
        fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, Self::Error> {
            let width = 1_usize << height;
            let first = index as usize * width;
            Ok(tree::root(self.0[first..first + width].to_vec()))
        }
    }
    let index = rows.iter().position(|(of, _)| *of == number)?;
    let mut leaves = Leaves(rows.iter().map(|(of, row)| row_leaf(event, *of, row, key)).collect());
    let Ok(path) = tree::inclusion(&mut leaves, index as u64, rows.len() as u64);
    Some(RowProof {
        entry: row_entry(number, &rows[index].1),
        blind: key.blind(event, number),
        index: index as u64,
        path,
    })
}

/// What stands beside an event's text in its row, and is asked for instead of the text: it must say
/// the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns<'a> {
    /// Where it is filed.
    pub home: i64,
    /// Its name.
    pub id: &'a [u8],
    /// The tenant.
    pub brand: i64,
    /// What happened, in a word.
    pub kind: &'a str,
    /// When it happened.
    pub happened_at: i64,
    /// When it was recorded.
    pub recorded_at: i64,
}

impl<'a> Columns<'a> {
    /// What they are for this event.
    pub fn of(event: &'a Event) -> Self {
        Self {
            home: event.home,
            id: &event.id.0,
            brand: event.brand.0,
            kind: event.body.kind(),
            happened_at: event.happened_at,
            recorded_at: event.recorded_at,
        }
    }

    fn in_text(form: &'a Value, id: &'a [u8; 16]) -> Option<Self> {
        let int = |field: &str| form[field].as_i64();
        Some(Self {
            home: int("home")?,
            id,
            brand: int("brand")?,
            kind: form["body"]["kind"].as_str()?,
            happened_at: int("happened_at")?,
            recorded_at: int("recorded_at")?,
        })
    }

    /// The first of them that is not what the text says.
    pub fn unlike(&self, text: &Self) -> Option<&'static str> {
        let same = [
            (self.home == text.home, "its column home is not what its text says"),
            (self.id == text.id, "its column id is not what its text says"),
            (self.brand == text.brand, "its column brand_id is not what its text says"),
            (self.kind == text.kind, "its column kind is not what its text says"),
            (
                self.happened_at == text.happened_at,
                "its column happened_at is not what its text says",
            ),
            (
                self.recorded_at == text.recorded_at,
                "its column recorded_at is not what its text says",
            ),
        ];
        same.into_iter().find(|(same, _)| !same).map(|(_, what)| what)
    }
}

/// Whether a stored event still is what was recorded: its leaf is the hash of its text, its columns
/// say what the text says, and its rows, in the order of their unit numbers, have the count and
/// root that the text names. Returns what is wrong.
pub fn audit(
    canonical: &str,
    columns: &Columns<'_>,
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
    let Some(id) = form["id"].as_str().and_then(read_id) else {
        return Some("it has no name");
    };
    let Some(in_text) = Columns::in_text(&form, &id) else {
        return Some("its text lacks what every event says");
    };
    if let Some(what) = columns.unlike(&in_text) {
        return Some(what);
    }
    let count = form["subjects_count"].as_u64().unwrap_or(0);
    if count != rows.len() as u64 {
        return Some("rows are missing or were added");
    }
    if rows.is_empty() {
        return None;
    }
    let rows: Vec<_> = rows.iter().map(|(number, row)| (*number, row.as_str())).collect();
    let root = hex(&root_of(EventId(id), &rows, key));
    (form["subjects_root"].as_str() != Some(root.as_str()))
        .then_some("a row is not the row that was recorded")
}

fn read_id(text: &str) -> Option<[u8; 16]> {
    unhex(&text.replace('-', "")).and_then(|bytes| bytes.try_into().ok())
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
    let id = form["id"].as_str().and_then(read_id);
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
    use proptest::prelude::*;

    /// Any JSON, with whole numbers on both sides of what a double holds, and keys and texts of
    /// all planes.
    fn any_json() -> impl Strategy<Value = Value> {
        let text = || {
            prop_oneof![
                "[a-z\"\\\\/\\x00-\\x1f\\x7f]{0,4}",
                "\\PC{0,4}",
                "[\u{e000}-\u{10400}]{1,2}"
            ]
        };
        let number = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1_000_000_i64..1_000_000).prop_map(Value::from),
            (-(1_i64 << 53) - 2..-(1_i64 << 53) + 2).prop_map(Value::from),
            ((1_i64 << 53) - 2..(1_i64 << 53) + 2).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            text().prop_map(Value::from),
            number,
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_short_way_writes_what_the_long_one_does(form in any_json()) {
            let long = serde_json_canonicalizer::to_string(&form).unwrap();
            prop_assert_eq!(canonical_text(&form).unwrap(), long);
        }
    }

    #[test]
    fn an_event_goes_the_short_way() {
        assert!(is_plain(&serde_json::to_value(&event().body).unwrap()));
    }

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
            life: None,
            reading: None,
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

    #[test]
    fn each_row_is_proven_and_names_its_unit() {
        let key = BlindKey::new(&[1; 32]);
        let sealed = seal(&event(), &key).unwrap();
        let form: Value = serde_json::from_str(&sealed.canonical).unwrap();
        let root = unhex(form["subjects_root"].as_str().unwrap()).unwrap();
        let rows: Vec<_> = event().subjects.iter().map(|s| s.number).zip(sealed.rows).collect();
        for (number, _) in &rows {
            let proof = prove_row(event().id, &rows, *number, &key).unwrap();
            let named: Value = serde_json::from_str(&proof.entry).unwrap();
            assert_eq!(named["number"], *number);
            assert_eq!(canonical_text(&named).unwrap(), proof.entry);
            let leaf = leaf_hash(&[proof.entry.as_bytes(), &proof.blind].concat());
            let root = root.as_slice().try_into().unwrap();
            assert_eq!(tree::verify_inclusion(&leaf, proof.index, 3, &proof.path, root), Ok(()));
        }
        assert_eq!(prove_row(event().id, &rows, 6, &key), None);
    }
}
