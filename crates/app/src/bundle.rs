//! Proof bundles: one file with the provable history of a unit, checked without any server. All it
//! takes is the public key of the log, which a brand publishes and anyone may have kept.
//!
//! A bundle proves that these texts stood in the log when its head was signed. It does not prove
//! that there are no others: who makes a bundle can leave events out. Nothing stands in it that is
//! not checked, so no bit of it can change unnoticed.

use crate::flows::history::{History, Proven};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::log::checkpoint::{Checkpoint, PublicKey, Unsigned};
use domain::log::tree::{Broken, Hash, PATH_HASHES_MAX, leaf_hash, verify_inclusion};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::canonical::{hex, unhex};
use utoipa::ToSchema;

/// The word that begins every bundle.
pub const FORMAT: &str = "dossier-proof/1";
/// Largest bundle that is read, in bytes.
pub const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most events in a bundle that is read.
pub const EVENTS_MAX: usize = 10_000;

/// A bundle as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// `dossier-proof/1`.
    pub format: String,
    /// The unit's number in the ledger.
    pub number: i64,
    /// The log's public key as the maker of the bundle gives it. Compare it with the one published.
    pub public_key: String,
    /// The signed head (C2SP tlog-checkpoint).
    pub checkpoint: String,
    /// The events, oldest first.
    pub events: Vec<BundleEvent>,
}

/// One event with its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleEvent {
    /// The text as recorded (RFC 8785 JSON).
    pub text: String,
    /// Which entry of the log it is.
    pub index: u64,
    /// The path to the root, nearest first; each hash in base64.
    pub path: Vec<String>,
    /// What a bulk event says of the unit, or of the pack it was in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub row: Option<BundleRow>,
}

/// One row of a bulk event with its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleRow {
    /// The row with the number it is about (RFC 8785 JSON).
    pub text: String,
    /// 16 bytes in hexadecimal that hide the other rows.
    pub blind: String,
    /// Its place among the event's rows.
    pub index: u64,
    /// The path to the event's `subjects_root`, nearest first; each hash in base64.
    pub path: Vec<String>,
}

/// Why a bundle is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It is no bundle.
    #[error("this is no proof bundle: {0}")]
    Form(String),
    /// The head is not signed by the key.
    #[error("the signed head: {0}")]
    Head(#[from] Unsigned),
    /// An event is not what it says.
    #[error("event {number}: {why}")]
    Event {
        /// Counted from 1.
        number: usize,
        /// Why.
        why: String,
    },
}

/// What a bundle proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The log's name.
    pub origin: String,
    /// How many entries the signed head covers.
    pub size: u64,
    /// The proven events: kind and time of each, microseconds.
    pub events: Vec<(String, i64)>,
}

impl Bundle {
    /// The file of a history.
    pub fn new(number: i64, history: &History) -> Self {
        Self {
            format: FORMAT.to_owned(),
            number,
            public_key: history.head.public.to_string(),
            checkpoint: history.head.note.clone(),
            events: history.events.iter().map(event).collect(),
        }
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// It is none; the sentence says where.
    pub fn read(text: &[u8]) -> Result<Self, Doubt> {
        let form = |why: String| Doubt::Form(why);
        if text.len() as u64 > BUNDLE_BYTES_MAX {
            return Err(form(format!("larger than {BUNDLE_BYTES_MAX} bytes")));
        }
        let bundle: Self = serde_json::from_slice(text).map_err(|e| form(e.to_string()))?;
        if bundle.format != FORMAT {
            return Err(form(format!("its format is not {FORMAT}")));
        }
        if bundle.events.is_empty() {
            return Err(form("it holds no event".to_owned()));
        }
        if bundle.events.len() > EVENTS_MAX {
            return Err(form(format!("more than {EVENTS_MAX} events")));
        }
        Ok(bundle)
    }

    /// Checks everything with a key that is trusted; with the bundle's own key when none is given,
    /// which proves only that the bundle agrees with itself.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self, trusted: Option<&PublicKey>) -> Result<Believed, Doubt> {
        let own: PublicKey = self.public_key.parse()?;
        let public = trusted.unwrap_or(&own);
        let head = Checkpoint::open(&self.checkpoint, public)?;
        let mut about = BTreeSet::from([self.number]);
        let mut events = Vec::with_capacity(self.events.len());
        // A unit is in a carton before that is on a pallet, but both may be told in any order.
        let mut packs = true;
        while packs {
            packs = false;
            for event in &self.events {
                packs |= event.pack_of(&about).is_some_and(|pack| about.insert(pack));
            }
        }
        for (i, event) in self.events.iter().enumerate() {
            let told = event.check(&head, &about);
            events.push(told.map_err(|why| Doubt::Event { number: i + 1, why })?);
        }
        Ok(Believed { origin: head.origin, size: head.size, events })
    }
}

impl BundleEvent {
    /// The pack this event says one of these went into.
    fn pack_of(&self, about: &BTreeSet<i64>) -> Option<i64> {
        let form: serde_json::Value = serde_json::from_str(&self.text).ok()?;
        let row: serde_json::Value = serde_json::from_str(&self.row.as_ref()?.text).ok()?;
        let packed = form["body"]["kind"] == "packed";
        let inside = row["number"].as_i64().is_some_and(|number| about.contains(&number));
        form["home"].as_i64().filter(|_| packed && inside)
    }

    fn check(&self, head: &Checkpoint, about: &BTreeSet<i64>) -> Result<(String, i64), String> {
        let path = hashes(&self.path)?;
        let leaf = leaf_hash(self.text.as_bytes());
        let proven = verify_inclusion(&leaf, self.index, head.size, &path, &head.root);
        proven.map_err(|why: Broken| why.to_string())?;
        let form: serde_json::Value =
            serde_json::from_str(&self.text).map_err(|e| e.to_string())?;
        let (number, own_at) = match (&self.row, form["subjects_root"].as_str()) {
            (Some(row), Some(root)) => row.check(root, form["subjects_count"].as_u64())?,
            (None, None) => (form["home"].as_i64().ok_or("it is about nothing")?, None),
            (None, Some(_)) => return Err("its row about the unit is missing".to_owned()),
            (Some(_), None) => return Err("it has no rows".to_owned()),
        };
        if !about.contains(&number) {
            return Err("it is about another unit".to_owned());
        }
        let kind = form["body"]["kind"].as_str().unwrap_or_default().to_owned();
        Ok((kind, own_at.or(form["happened_at"].as_i64()).ok_or("it has no time")?))
    }
}

impl BundleRow {
    /// The number the row is about, and when it was made where the row says so: one production
    /// event tells of many units.
    fn check(&self, root: &str, count: Option<u64>) -> Result<(i64, Option<i64>), String> {
        let root = unhex(root).and_then(|bytes| Hash::try_from(bytes).ok());
        let (root, count) = root.zip(count).ok_or("its rows have no root")?;
        let blind = unhex(&self.blind).filter(|b| b.len() == 16 && hex(b) == self.blind);
        let blind = blind.ok_or("the blind is not 16 bytes")?;
        let leaf = leaf_hash(&[self.text.as_bytes(), &blind].concat());
        let path = hashes(&self.path)?;
        let proven = verify_inclusion(&leaf, self.index, count, &path, &root);
        proven.map_err(|why| format!("its row: {why}"))?;
        let row: serde_json::Value = serde_json::from_str(&self.text).map_err(|e| e.to_string())?;
        let number = row["number"].as_i64().ok_or("its row names no unit")?;
        Ok((number, row["row"]["commissioned"]["produced_at"].as_i64()))
    }
}

fn event(proven: &Proven) -> BundleEvent {
    let row = proven.row.as_ref().map(|row| BundleRow {
        text: row.entry.clone(),
        blind: hex(&row.blind),
        index: row.index,
        path: texts(&row.path),
    });
    BundleEvent { text: proven.text.clone(), index: proven.index, path: texts(&proven.path), row }
}

fn texts(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| BASE64.encode(hash)).collect()
}

fn hashes(path: &[String]) -> Result<Vec<Hash>, String> {
    if path.len() > PATH_HASHES_MAX {
        return Err("the path has the wrong length".to_owned());
    }
    let hash = |text: &String| {
        let bytes = BASE64.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        bytes.ok_or_else(|| "the path holds something that is no hash".to_owned())
    };
    path.iter().map(hash).collect()
}
