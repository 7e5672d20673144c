//! The Merkle tree of RFC 6962: hashes, proofs that an entry is in a tree, proofs that a tree only
//! grew.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Longest path in a tree of less than 2⁶³ entries, with room for one that is not.
pub const PATH_HASHES_MAX: usize = 64;

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The entry would lie outside the tree, or the old tree is larger than the new.
    #[error("the position lies outside the tree")]
    Outside,
    /// There are more or fewer hashes than the position needs.
    #[error("the path has the wrong length")]
    Length,
    /// The hashes lead to another root.
    #[error("the path leads to another root")]
    Root,
}

/// The hash of an entry (RFC 6962 §2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of two subtrees.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root over leaf hashes. Folding pairs level by level gives the same tree as the standard's
/// split at the largest power of two below n.
pub fn root(mut level: Vec<Hash>) -> Hash {
    if level.is_empty() {
        return Sha256::digest([]).into();
    }
    while level.len() > 1 {
        let fold = |pair: &[Hash]| match pair {
            [left, right] => node_hash(left, right),
            rest => rest[0],
        };
        level = level.chunks(2).map(fold).collect();
    }
    level[0]
}

/// A tree to which entries are only appended: the roots of its perfect subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// From its size and the roots of its perfect subtrees, largest first; none when their number
    /// does not fit the size.
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The perfect subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends an entry by its leaf hash. `perfect` is told every perfect subtree this completes,
    /// by its height and its number among those of that height.
    pub fn append(&mut self, leaf: Hash, mut perfect: impl FnMut(u8, u64, Hash)) {
        let mut hash = leaf;
        let mut height = 0_u8;
        perfect(height, self.size, hash);
        while self.size >> height & 1 == 1 {
            let left = self.peaks.pop().unwrap_or_default();
            hash = node_hash(&left, &hash);
            height += 1;
            perfect(height, self.size >> height, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut smaller_first = self.peaks.iter().rev();
        let Some(last) = smaller_first.next() else { return root(Vec::new()) };
        smaller_first.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Gives the roots of perfect subtrees: `height` 0 are the leaves.
pub trait Subtrees {
    /// What can go wrong.
    type Error;

    /// The root of the subtree of 2^height leaves that is number `index` among those.
    ///
    /// # Errors
    /// It cannot be read.
    fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The root over the entries from `start` to before `end`, where `start` is a multiple of the
/// largest power of two not above the width: every range a proof needs.
fn range_root<S: Subtrees + ?Sized>(
    subtrees: &mut S,
    start: u64,
    end: u64,
) -> Result<Hash, S::Error> {
    let width = end - start;
    if width.is_power_of_two() {
        let height = width.trailing_zeros() as u8;
        return subtrees.subtree(height, start >> height);
    }
    let middle = start + split(width);
    let left = range_root(subtrees, start, middle)?;
    let right = range_root(subtrees, middle, end)?;
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (63 - (width - 1).leading_zeros())
}

/// The root of a tree of so many entries.
///
/// # Errors
/// A subtree cannot be read.
pub fn root_of<S: Subtrees + ?Sized>(subtrees: &mut S, size: u64) -> Result<Hash, S::Error> {
    if size == 0 { Ok(root(Vec::new())) } else { range_root(subtrees, 0, size) }
}

/// The path that proves entry `index` to be in the tree of `size` entries (RFC 6962 §2.1.1), the
/// nearest first. `index` must be below `size`.
///
/// # Errors
/// A subtree cannot be read.
pub fn inclusion<S: Subtrees + ?Sized>(
    subtrees: &mut S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, S::Error> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(subtrees, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(subtrees, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` entries begins with the tree of `old` (RFC 6962 §2.1.2).
/// `old` must be between 1 and `new`.
///
/// # Errors
/// A subtree cannot be read.
pub fn consistency<S: Subtrees + ?Sized>(
    subtrees: &mut S,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, S::Error> {
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    // Whether the old tree's root is the root of all that is left: then the verifier knows it.
    let mut known = true;
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range_root(subtrees, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(subtrees, start, middle)?);
            start = middle;
            known = false;
        }
    }
    if !known {
        path.push(range_root(subtrees, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that an entry is number `index` of the tree with this size and root (RFC 9162 §2.1.3.2).
///
/// # Errors
/// Why it is not proven.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), Broken> {
    if index >= size {
        return Err(Broken::Outside);
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for other in path {
        if last == 0 {
            return Err(Broken::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(other, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(Broken::Root),
        _ => Err(Broken::Length),
    }
}

/// Checks that the new tree begins with the old one (RFC 9162 §2.1.4.2).
///
/// # Errors
/// Why it is not proven.
pub fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), Broken> {
    if old > new {
        return Err(Broken::Outside);
    }
    if old == 0 || old == new {
        return match (path.is_empty(), old == 0 || old_root == new_root) {
            (true, true) => Ok(()),
            (true, false) => Err(Broken::Root),
            _ => Err(Broken::Length),
        };
    }
    // A perfect old tree is a node of the new one, and its root is not sent.
    let (first, rest) = match old.is_power_of_two() {
        true => (*old_root, path),
        false => path.split_first().map(|(f, r)| (*f, r)).ok_or(Broken::Length)?,
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for other in rest {
        if last == 0 {
            return Err(Broken::Length);
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(other, &old_hash);
            new_hash = node_hash(other, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, other);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(Broken::Length);
    }
    let holds = old_hash == *old_root && new_hash == *new_root;
    if holds { Ok(()) } else { Err(Broken::Root) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tree whose leaves are all in memory.
    struct Whole(Vec<Hash>);

    impl Whole {
        fn of(size: u64) -> Self {
            Self((0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect())
        }

        fn root(&self, size: u64) -> Hash {
            root(self.0[..size as usize].to_vec())
        }
    }

    impl Subtrees for Whole {
        type Error = std::convert::Infallible;

        fn subtree(&mut self, height: u8, index: u64) -> Result<Hash, Self::Error> {
            let width = 1_usize << height;
            let start = index as usize * width;
            Ok(root(self.0[start..start + width].to_vec()))
        }
    }

    /// RFC 6962 roots over the inputs of the certificate-transparency test vectors.
    #[test]
    fn roots_match_published_vectors() {
        let hex = |hash: Hash| hash.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let inputs: [&[u8]; 4] = [b"", b"\x00", b"\x10", b"\x20\x21"];
        let root = |n: usize| hex(root(inputs[..n].iter().map(|i| leaf_hash(i)).collect()));
        assert_eq!(root(0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(root(1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(root(2), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        assert_eq!(root(3), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        assert_eq!(root(4), "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    }

    #[test]
    fn every_entry_of_every_small_tree_is_proven_and_nowhere_else() {
        for size in 1..=33 {
            let mut tree = Whole::of(size);
            let root = tree.root(size);
            assert_eq!(root_of(&mut tree, size), Ok(root));
            for index in 0..size {
                let path = inclusion(&mut tree, index, size).unwrap();
                let leaf = tree.0[index as usize];
                assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
                for other in (0..size).filter(|o| *o != index) {
                    let elsewhere = verify_inclusion(&leaf, other, size, &path, &root);
                    assert!(elsewhere.is_err(), "{index} passes as {other} of {size}");
                }
                assert_eq!(verify_inclusion(&leaf, size, size, &path, &root), Err(Broken::Outside));
            }
        }
    }

    #[test]
    fn every_small_tree_is_proven_to_begin_every_larger_one() {
        for new in 1..=33 {
            let mut tree = Whole::of(new);
            for old in 1..=new {
                let path = consistency(&mut tree, old, new).unwrap();
                let (was, is) = (tree.root(old), tree.root(new));
                assert_eq!(verify_consistency((old, &was), (new, &is), &path), Ok(()));
                let forged = leaf_hash(b"another history");
                assert!(verify_consistency((old, &forged), (new, &is), &path).is_err());
                assert!(verify_consistency((old, &was), (new, &forged), &path).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn a_growing_tree_has_the_root_of_the_whole(size in 0_u64..600) {
            let tree = Whole::of(size);
            let mut growing = Frontier::default();
            let mut perfect = 0;
            for leaf in &tree.0 {
                growing.append(*leaf, |_, _, _| perfect += 1);
            }
            prop_assert_eq!(growing.root(), tree.root(size));
            prop_assert_eq!(perfect, 2 * size - u64::from(size.count_ones()));
            let again = Frontier::new(size, growing.peaks().to_vec());
            prop_assert_eq!(again, Some(growing));
        }

        #[test]
        fn no_changed_bit_passes(
            size in 2_u64..300, pick in any::<prop::sample::Index>(),
            hash in any::<prop::sample::Index>(), bit in 0_usize..256,
        ) {
            let mut tree = Whole::of(size);
            let index = pick.index(size as usize) as u64;
            let root = tree.root(size);
            let mut path = inclusion(&mut tree, index, size).unwrap();
            let at = hash.index(path.len());
            path[at][bit / 8] ^= 1 << (bit % 8);
            let leaf = tree.0[index as usize];
            let changed = verify_inclusion(&leaf, index, size, &path, &root);
            prop_assert_eq!(changed, Err(Broken::Root));
        }

        #[test]
        fn a_path_of_another_length_fails(
            size in 1_u64..300, pick in any::<prop::sample::Index>(),
        ) {
            let mut tree = Whole::of(size);
            let index = pick.index(size as usize) as u64;
            let root = tree.root(size);
            let mut path = inclusion(&mut tree, index, size).unwrap();
            let leaf = tree.0[index as usize];
            path.push(leaf);
            prop_assert!(verify_inclusion(&leaf, index, size, &path, &root).is_err());
            path.pop();
            if path.pop().is_some() {
                prop_assert!(verify_inclusion(&leaf, index, size, &path, &root).is_err());
            }
        }
    }
}
