//! The transparency log: a Merkle tree over everything that was recorded, whose head the operator
//! signs. Whoever holds an old head can prove that the new one only added to it.
//!
//! [`tree`] is the tree of RFC 6962, [`tile`] how its hashes are published (C2SP tlog-tiles),
//! [`checkpoint`] the signed head (C2SP tlog-checkpoint over signed-note).

pub mod checkpoint;
pub mod tile;
pub mod tree;
