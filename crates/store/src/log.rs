//! The sealed log: every recorded event becomes one entry of a Merkle tree, off the hot path. A
//! commit leaves the hash of each event in `unsealed`; the sealer takes what is there, gives it the
//! next positions and writes the tree's new hashes, all in one plan. A transaction that commits
//! late is therefore sealed late, and never lost.
//!
//! Two sealers cannot give one position twice: the plan moves the head from the size it read.

use crate::canonical::{RowProof, prove_row};
use crate::engine::{DecodeError, Expect, Plan, Row, Step, Value, WriteError};
use crate::{Store, StoreError};
use domain::id::EventId;
use domain::log::tile::{HEIGHT, Tile, WIDTH};
use domain::log::tree::{Frontier, Hash};
use std::collections::BTreeMap;

const HEAD: &str = "SELECT size, peaks, origin, note, note_size FROM log_head WHERE name = 'log'";
const UNSEALED: &str = "SELECT event_id, home, leaf FROM unsealed ORDER BY event_id, home LIMIT $1";
const UNSEALED_COUNT: &str = "SELECT COUNT(*) FROM unsealed";
/// Takes exactly what was read: a row that was committed in between makes one more, and the plan
/// conflicts.
const TAKE: &str = "DELETE FROM unsealed WHERE event_id >= $1 AND event_id <= $3 AND \
    (event_id > $1 OR home >= $2) AND (event_id < $3 OR home <= $4)";
const HEAD_MOVE: &str =
    "UPDATE log_head SET size = $2, peaks = $3 WHERE name = 'log' AND size = $1";
const ORIGIN_SET: &str = "UPDATE log_head SET origin = $1 WHERE name = 'log' AND origin IS NULL";
const NOTE_SET: &str = "UPDATE log_head SET note = $2, note_size = $1 WHERE name = 'log' AND \
    size >= $1 AND (note IS NULL OR note_size < $1)";
const TILE: &str = "SELECT hashes FROM log_tile WHERE level = $1 AND position = $2";
const TILE_PUT: &str = "INSERT INTO log_tile (level, position, hashes) VALUES ($1, $2, $3) \
    ON CONFLICT (level, position) DO UPDATE SET hashes = excluded.hashes";
const POSITION: &str = "SELECT position FROM sealed WHERE event_id = $1 AND home = $2";
const ROWS_OF_EVENT: &str =
    "SELECT subject, content FROM event_subject WHERE event_id = $1 ORDER BY subject";
const EVENT_TEXT: &str = "SELECT canonical FROM event WHERE home = $1 AND id = $2";
const SEALED_COLUMNS: &[&str] = &["event_id", "home", "position"];

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    HEAD,
    UNSEALED,
    UNSEALED_COUNT,
    TAKE,
    HEAD_MOVE,
    ORIGIN_SET,
    NOTE_SET,
    TILE,
    TILE_PUT,
    POSITION,
    ROWS_OF_EVENT,
    EVENT_TEXT,
];

/// The head of the log as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The tree.
    pub tree: Frontier,
    /// The log's name, once it has one.
    pub origin: Option<String>,
    /// The latest signed head.
    pub note: Option<String>,
    /// How many entries that covers.
    pub note_size: u64,
}

/// An event whose hash waits to become an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// The event.
    pub event: Vec<u8>,
    /// Where it is filed.
    pub home: i64,
    /// Its leaf hash.
    pub leaf: Hash,
}

impl Store {
    /// The head of the log.
    ///
    /// # Errors
    /// The store cannot be read, or the head makes no sense.
    pub async fn log_head(&self) -> Result<Head, StoreError> {
        let head = self.engine.query_first(HEAD, &[], head).await?;
        head.ok_or_else(|| StoreError::Record("the log has no head".to_owned()))
    }

    /// Events that wait, the oldest names first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn unsealed_fetch(&self, most: usize) -> Result<Vec<Unsealed>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(self.engine.query(UNSEALED, &[most.into()], unsealed).await?)
    }

    /// How many events wait.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn unsealed_count(&self) -> Result<i64, StoreError> {
        let count = self.engine.query_first(UNSEALED_COUNT, &[], |r| r.int(0)).await?;
        Ok(count.unwrap_or(0))
    }

    /// Gives these events the next positions. They must be all that waits between the first and
    /// the last of them, as [`Store::unsealed_fetch`] gives them. Returns the new head's tree.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: another sealer was there, or more was recorded meanwhile.
    pub async fn log_append(
        &self,
        tree: &Frontier,
        entries: &[Unsealed],
    ) -> Result<Frontier, StoreError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(tree.clone());
        };
        let mut grown = tree.clone();
        let mut tiles: BTreeMap<(u8, u64), Vec<u8>> = BTreeMap::new();
        for level in 0.. {
            let at = tree.size().checked_shr(u32::from(level * HEIGHT)).unwrap_or(0);
            if at == 0 {
                break;
            }
            if !at.is_multiple_of(WIDTH) {
                let bytes = self.tile_bytes(level, at / WIDTH).await?.unwrap_or_default();
                // What a sealer before us left half done is no part of the tree we read.
                let known = bytes.get(..(at % WIDTH) as usize * 32);
                let known = known.ok_or_else(|| damaged(level, at / WIDTH))?;
                tiles.insert((level, at / WIDTH), known.to_vec());
            }
        }
        let mut rows = Vec::with_capacity(entries.len() * SEALED_COLUMNS.len());
        for entry in entries {
            let position = i64::try_from(grown.size()).unwrap_or(i64::MAX);
            rows.extend([entry.event.clone().into(), entry.home.into(), position.into()]);
            grown.append(entry.leaf, |height, index, hash| {
                if height.is_multiple_of(HEIGHT) {
                    let tile = tiles.entry((height / HEIGHT, index / WIDTH)).or_default();
                    tile.extend_from_slice(&hash);
                }
            });
        }
        let size = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
        let params = vec![size(tree.size()), size(grown.size()), grown.peaks().concat().into()];
        let mut steps = vec![Step::change_one(HEAD_MOVE, params, "log head")];
        steps.push(Step::Run {
            sql: TAKE,
            params: vec![
                first.event.clone().into(),
                first.home.into(),
                last.event.clone().into(),
                last.home.into(),
            ],
            expect: Expect::Changes(entries.len() as u64, "unsealed events"),
        });
        steps.push(Step::Bulk { table: "sealed", columns: SEALED_COLUMNS, values: rows });
        for ((level, index), hashes) in tiles {
            let params = vec![i64::from(level).into(), size(index), hashes.into()];
            steps.push(Step::run(TILE_PUT, params));
        }
        self.write_log(steps).await?;
        Ok(grown)
    }

    /// Gives the log its name, once and for ever. Returns the name it has.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn log_name(&self, origin: &str) -> Result<String, StoreError> {
        self.write_log(vec![Step::run(ORIGIN_SET, vec![origin.into()])]).await?;
        let named = self.log_head().await?.origin;
        named.ok_or_else(|| StoreError::Record("the log has no name".to_owned()))
    }

    /// Keeps a signed head of so many entries, unless a later one is there. Only a head that was
    /// read from the store may be signed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn log_note_put(&self, size: u64, note: &str) -> Result<(), StoreError> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.write_log(vec![Step::run(NOTE_SET, vec![size.into(), note.into()])]).await
    }

    /// The hashes of a tile: as many as it is wide, or none when the log does not reach so far.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn tile_fetch(&self, tile: Tile) -> Result<Option<Vec<Hash>>, StoreError> {
        let Some(bytes) = self.tile_bytes(tile.level, tile.index).await? else { return Ok(None) };
        let Some(bytes) = bytes.get(..usize::from(tile.width) * 32) else { return Ok(None) };
        Ok(Some(hashes(bytes).ok_or_else(|| damaged(tile.level, tile.index))?))
    }

    async fn tile_bytes(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let params = [i64::from(level).into(), index.into()];
        Ok(self.engine.query_first(TILE, &params, |r| r.bytes(0)).await?)
    }

    /// The position an event has in the log, once it was sealed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn log_position(
        &self,
        event: &[u8; 16],
        home: i64,
    ) -> Result<Option<u64>, StoreError> {
        let params = [event.as_slice().into(), home.into()];
        let position = self.engine.query_first(POSITION, &params, |r| r.int(0)).await?;
        Ok(position.and_then(|p| u64::try_from(p).ok()))
    }

    /// Every row of a bulk event, in the order of its own tree.
    async fn event_rows(&self, event: &[u8; 16]) -> Result<Vec<(i64, String)>, StoreError> {
        let map = |r: &Row<'_>| Ok((r.int(0)?, r.text(1)?));
        Ok(self.engine.query(ROWS_OF_EVENT, &[event.as_slice().into()], map).await?)
    }

    /// The text of an event as it was recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn event_text(
        &self,
        event: &[u8; 16],
        home: i64,
    ) -> Result<Option<String>, StoreError> {
        let params = [home.into(), event.as_slice().into()];
        Ok(self.engine.query_first(EVENT_TEXT, &params, |r| r.text(0)).await?)
    }

    /// Proves what a bulk event says of one subject; none when it says nothing of it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn row_prove(
        &self,
        event: EventId,
        number: i64,
    ) -> Result<Option<RowProof>, StoreError> {
        let rows = self.event_rows(&event.0).await?;
        Ok(prove_row(event, &rows, number, &self.blind))
    }

    async fn write_log(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        self.engine.write(Plan::new(steps)).await.map_err(|error| match error {
            WriteError::Conflict { relied_on } => StoreError::Conflict(relied_on),
            WriteError::Duplicate { constraint, .. } => StoreError::Duplicate(constraint),
            other => StoreError::Write(other),
        })
    }
}

fn damaged(level: u8, index: u64) -> StoreError {
    StoreError::Record(format!("tile {level}/{index} of the log is not whole"))
}

fn hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (whole, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| whole.to_vec())
}

fn head(r: &Row<'_>) -> Result<Head, DecodeError> {
    let size = r.int(0)?;
    let peaks = hashes(r.blob(1)?);
    let tree = u64::try_from(size).ok().zip(peaks).and_then(|(s, p)| Frontier::new(s, p));
    Ok(Head {
        tree: tree.ok_or_else(|| DecodeError::new(1, "the peaks of a tree", size))?,
        origin: r.opt_text(2)?,
        note: r.opt_text(3)?,
        note_size: u64::try_from(r.int(4)?).unwrap_or(0),
    })
}

fn unsealed(r: &Row<'_>) -> Result<Unsealed, DecodeError> {
    let leaf = Hash::try_from(r.blob(2)?);
    let leaf = leaf.map_err(|_| DecodeError::new(2, "a hash", "other bytes"))?;
    Ok(Unsealed { event: r.bytes(0)?, home: r.int(1)?, leaf })
}
