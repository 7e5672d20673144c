//! Sealing: what was recorded becomes entries of the log, and the log's head is signed.
//!
//! Only a head that was read back from the store is signed. Whatever dies between the plan that
//! moves the head and the signature, the next sealer finds the same head and signs that: the log
//! never signs two heads that contradict each other.

use super::house::House;
use super::outcome::{FlowError, RACES_MAX};
use crate::clock::Stopwatch;
use domain::log::checkpoint::{Checkpoint, PublicKey};
use domain::log::tile::{InTiles, NotInTiles, Tile, WIDTH};
use domain::log::tree::{self, Hash};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::StoreError;

/// Entries made in one plan.
const ENTRIES_MAX: usize = 8_192;

/// When this process last saw everything sealed and signed: by itself or by another.
#[derive(Debug)]
pub struct Sealing {
    since: Stopwatch,
    whole_at_micros: AtomicU64,
}

impl Default for Sealing {
    fn default() -> Self {
        Self { since: Stopwatch::start(), whole_at_micros: AtomicU64::new(0) }
    }
}

impl Sealing {
    fn micros(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn is_whole(&self) {
        self.whole_at_micros.store(self.micros(), Ordering::Relaxed);
    }

    /// How long ago that was; since the start where it never was.
    pub fn ago(&self) -> Duration {
        let at = self.whole_at_micros.load(Ordering::Relaxed);
        Duration::from_micros(self.micros().saturating_sub(at))
    }
}

/// Seals everything that waits and signs the head. Returns how many events became entries. Another
/// sealer may be at work: then it does the rest.
///
/// # Errors
/// The store cannot be read or written; what was sealed stays sealed.
pub async fn seal(house: &House) -> Result<u64, FlowError> {
    let (mut sealed, mut most, mut races, mut all) = (0, ENTRIES_MAX, 0, false);
    while races < RACES_MAX {
        let waiting = house.store.unsealed_fetch(most).await?;
        if waiting.is_empty() {
            all = true;
            break;
        }
        let head = house.store.log_head().await?;
        match house.store.log_append(&head.tree, &waiting).await {
            Ok(_) => sealed += waiting.len() as u64,
            // Something was committed among the youngest of them: the older ones stand still.
            Err(error) if error.is_race() => (most, races) = ((most / 4).max(1), races + 1),
            Err(error) => return Err(error.into()),
        }
        if waiting.len() < ENTRIES_MAX && races == 0 {
            all = true;
            break;
        }
    }
    sign(house).await?;
    if all {
        house.sealing.is_whole();
    }
    Ok(sealed)
}

/// Signs the head as it stands in the store, unless it is signed already.
///
/// # Errors
/// The store cannot be read or written.
pub async fn sign(house: &House) -> Result<(), FlowError> {
    let head = house.store.log_head().await?;
    let size = head.tree.size();
    if size == 0 || (head.note.is_some() && head.note_size == size) {
        return Ok(());
    }
    let origin = match head.origin {
        Some(origin) => origin,
        None => house.store.log_name(&format!("{}/log", house.settings.host)).await?,
    };
    let checkpoint = Checkpoint { origin, size, root: head.tree.root() };
    let note = checkpoint.sign(&house.secrets.log_key());
    house.store.log_note_put(size, &note).await?;
    Ok(())
}

/// Entries under the signed head; none while nothing is signed.
///
/// # Errors
/// The store cannot be read.
pub async fn signed_size(house: &House) -> Result<u64, FlowError> {
    let head = house.store.log_head().await?;
    Ok(if head.note.is_some() { head.note_size } else { 0 })
}

/// The signed head and the key that opens it; none while nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The signed note, as it is served.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// What opens it.
    pub public: PublicKey,
}

/// The latest signed head.
///
/// # Errors
/// The store cannot be read, or holds a head that this deployment's key does not open.
pub async fn signed_head(house: &House) -> Result<Option<SignedHead>, FlowError> {
    let head = house.store.log_head().await?;
    let (Some(origin), Some(note)) = (head.origin, head.note) else { return Ok(None) };
    let public = PublicKey::of(&origin, &house.secrets.log_key());
    let checkpoint = Checkpoint::open(&note, &public);
    let checkpoint = checkpoint.map_err(|why| StoreError::Record(format!("the log: {why}")))?;
    Ok(Some(SignedHead { note, checkpoint, public }))
}

/// A tile of hashes, as far as the signed head covers it; none beyond.
///
/// # Errors
/// The store cannot be read.
pub async fn published(house: &House, tile: Tile) -> Result<Option<Vec<Hash>>, FlowError> {
    let Some(head) = signed_head(house).await? else { return Ok(None) };
    let last = (tile.index.checked_mul(WIDTH)).and_then(|n| n.checked_add(tile.width.into()));
    let covered = last.and_then(|n| Tile::holding(tile.level, n - 1, head.checkpoint.size));
    match covered {
        Some(covered) if covered.width >= tile.width => Ok(house.store.tile_fetch(tile).await?),
        _ => Ok(None),
    }
}

/// Paths in the tree of so many entries, each tile read once.
pub struct Paths<'a> {
    house: &'a House,
    size: u64,
    tiles: HashMap<Tile, Vec<Hash>>,
}

/// A tile that must be read first, or one that is not whole.
enum Need {
    Tile(Tile),
    NotThere,
}

impl From<NotInTiles> for Need {
    fn from(_: NotInTiles) -> Self {
        Self::NotThere
    }
}

impl<'a> Paths<'a> {
    /// Paths in the tree of so many entries.
    pub fn new(house: &'a House, size: u64) -> Self {
        Self { house, size, tiles: HashMap::new() }
    }

    /// The path of an entry.
    ///
    /// # Errors
    /// The store cannot be read, or the log is not whole.
    pub async fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>, FlowError> {
        let size = self.size;
        self.read(|tiles| tree::inclusion(tiles, index, size)).await
    }

    /// The proof that this tree begins with the tree of `old` entries.
    ///
    /// # Errors
    /// As [`Paths::inclusion`].
    pub async fn consistency(&mut self, old: u64) -> Result<Vec<Hash>, FlowError> {
        let size = self.size;
        self.read(|tiles| tree::consistency(tiles, old, size)).await
    }

    /// The root, out of the tiles.
    ///
    /// # Errors
    /// As [`Paths::inclusion`].
    pub async fn root(&mut self) -> Result<Hash, FlowError> {
        let size = self.size;
        self.read(|tiles| tree::root_of(tiles, size)).await
    }

    /// Computes; where a tile is missing, reads it and computes again: a path needs three or four.
    async fn read<T>(
        &mut self,
        compute: impl Fn(&mut dyn tree::Subtrees<Error = Need>) -> Result<T, Need>,
    ) -> Result<T, FlowError> {
        let torn = |what: String| StoreError::Record(format!("the log is not whole: {what}"));
        loop {
            let known = &self.tiles;
            let mut tiles = InTiles::new(self.size, |tile: Tile| {
                known.get(&tile).cloned().ok_or(Need::Tile(tile))
            });
            match compute(&mut tiles) {
                Ok(done) => return Ok(done),
                Err(Need::NotThere) => return Err(torn("a hash is not there".to_owned()).into()),
                Err(Need::Tile(tile)) => {
                    let hashes = self.house.store.tile_fetch(tile).await?;
                    let hashes = hashes.ok_or_else(|| torn(format!("tile {tile} is missing")))?;
                    self.tiles.insert(tile, hashes);
                }
            }
        }
    }
}
