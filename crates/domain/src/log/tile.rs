//! How the tree's hashes are published: in tiles of 256 (C2SP tlog-tiles), so that a proof needs a
//! handful of files that never change.

use super::tree::{Hash, Subtrees, root};
use std::fmt;
use std::str::FromStr;

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;
/// Height of a tile: each level stands on the roots of the tiles below.
pub const HEIGHT: u8 = 8;
/// Highest level a tree of less than 2⁶³ entries can have.
pub const LEVEL_MAX: u8 = 7;

/// One tile: its level (0 holds leaf hashes), its number, and how many hashes are asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 to [`LEVEL_MAX`].
    pub level: u8,
    /// Which of its level.
    pub index: u64,
    /// 1 to 256 hashes.
    pub width: u16,
}

impl Tile {
    /// The tile holding number `at` of a level, as wide as a tree of `size` entries fills it; none
    /// when that tree does not reach so far.
    pub fn holding(level: u8, at: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0);
        if at >= hashes {
            return None;
        }
        let index = at / WIDTH;
        let width = (hashes - index * WIDTH).min(WIDTH) as u16;
        Some(Self { level, index, width })
    }
}

impl fmt::Display for Tile {
    /// `<level>/<index>[.p/<width>]`, the index in groups of three digits: `0/x001/234.p/12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.level)?;
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (i, group) in groups.iter().enumerate().rev() {
            let (mark, slash) = if i == 0 { ("", "") } else { ("x", "/") };
            write!(f, "{mark}{group:03}{slash}")?;
        }
        if u64::from(self.width) < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// The text names no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tile: <level>/<index>[.p/<width>]")]
pub struct NoTile;

impl FromStr for Tile {
    type Err = NoTile;

    fn from_str(text: &str) -> Result<Self, NoTile> {
        let (level, rest) = text.split_once('/').ok_or(NoTile)?;
        let level = decimal(level, 2).filter(|l| *l <= u64::from(LEVEL_MAX)).ok_or(NoTile)? as u8;
        let (path, width) = match rest.split_once(".p/") {
            Some((path, width)) => (path, decimal(width, 3).ok_or(NoTile)?),
            None => (rest, WIDTH),
        };
        let mut index = 0_u64;
        let groups: Vec<&str> = path.split('/').collect();
        for (i, group) in groups.iter().enumerate() {
            let digits = match i + 1 == groups.len() {
                true => *group,
                false => group.strip_prefix('x').ok_or(NoTile)?,
            };
            let plain = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
            let number = digits.parse::<u64>().ok().filter(|_| plain).ok_or(NoTile)?;
            index = index.checked_mul(1000).and_then(|n| n.checked_add(number)).ok_or(NoTile)?;
        }
        let tile = Self { level, index, width: width as u16 };
        let partial_is_partial = width >= 1 && (width < WIDTH || !rest.contains(".p/"));
        // One name for each tile: no leading groups of zeros, no full tile asked for as a part.
        (partial_is_partial && tile.to_string() == text).then_some(tile).ok_or(NoTile)
    }
}

/// A decimal number without leading zeros, of at most so many digits.
fn decimal(text: &str, digits_max: usize) -> Option<u64> {
    let plain = !text.is_empty()
        && text.len() <= digits_max
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Reads subtrees out of tiles.
pub struct InTiles<F> {
    size: u64,
    read: F,
}

impl<F> InTiles<F> {
    /// The tree of `size` entries, whose tiles `read` gives: at least as many hashes as the tile is
    /// wide.
    pub fn new(size: u64, read: F) -> Self {
        Self { size, read }
    }
}

impl<F, E> Subtrees for InTiles<F>
where
    F: FnMut(Tile) -> Result<Vec<Hash>, E>,
    E: From<NotInTiles>,
{
    type Error = E;

    fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, E> {
        let (level, above) = (height / HEIGHT, height % HEIGHT);
        let first = index << above;
        let tile = Tile::holding(level, first, self.size).ok_or(NotInTiles)?;
        let hashes = (self.read)(tile)?;
        let at = (first % WIDTH) as usize;
        let wanted = hashes.get(at..at + (1 << above)).ok_or(NotInTiles)?;
        Ok(root(wanted.to_vec()))
    }
}

/// A tile does not hold what the tree's size promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tile does not hold what the tree's size promises")]
pub struct NotInTiles;

#[cfg(test)]
mod tests {
    use super::super::tree::{Frontier, inclusion, leaf_hash, root_of, verify_inclusion};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn names_as_the_specification_writes_them() {
        let name = |level, index, width| Tile { level, index, width }.to_string();
        assert_eq!(name(0, 1_234_067, 256), "0/x001/x234/067");
        assert_eq!(name(0, 273, 112), "0/273.p/112");
        assert_eq!(name(2, 0, 1), "2/000.p/1");
        let bad = [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "00/000",
            "8/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/x000/001",
            "0/001/002",
            "0/x001",
            "0/+01",
            "0/000.p/",
            "0/000.p/300",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
            "-1/000",
            "0/000 ",
        ];
        for text in bad {
            assert_eq!(text.parse::<Tile>(), Err(NoTile), "{text}");
        }
    }

    #[test]
    fn a_tree_of_70000_has_the_tiles_of_the_specification() {
        let last = |level| Tile::holding(level, (70_000 >> (8 * u32::from(level))) - 1, 70_000);
        assert_eq!(last(0), Some(Tile { level: 0, index: 273, width: 112 }));
        assert_eq!(last(1), Some(Tile { level: 1, index: 1, width: 17 }));
        assert_eq!(last(2), Some(Tile { level: 2, index: 0, width: 1 }));
        assert_eq!(Tile::holding(3, 0, 70_000), None);
        assert_eq!(Tile::holding(0, 70_000, 70_000), None);
    }

    #[test]
    fn every_entry_is_proven_out_of_tiles() {
        let mut growing = Frontier::default();
        let mut tiles: HashMap<(u8, u64), Vec<Hash>> = HashMap::new();
        let leaves: Vec<Hash> = (0..1_000_u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for leaf in &leaves {
            growing.append(*leaf, |height, index, hash| {
                if height % HEIGHT == 0 {
                    let tile = tiles.entry((height / HEIGHT, index / WIDTH)).or_default();
                    assert_eq!(tile.len() as u64, index % WIDTH);
                    tile.push(hash);
                }
            });
        }
        for size in [1, 2, 255, 256, 257, 700, 1_000] {
            let mut subtrees = InTiles::new(size, |tile: Tile| {
                let hashes = tiles.get(&(tile.level, tile.index)).ok_or(NotInTiles)?;
                Ok::<_, NotInTiles>(hashes[..usize::from(tile.width)].to_vec())
            });
            let root = root_of(&mut subtrees, size).unwrap();
            for index in 0..size {
                let path = inclusion(&mut subtrees, index, size).unwrap();
                let leaf = leaves[index as usize];
                assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back(
            level in 0..=LEVEL_MAX, index in 0_u64..1 << 48, width in 1_u16..=256,
        ) {
            let tile = Tile { level, index, width };
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Tile>();
        }
    }
}
