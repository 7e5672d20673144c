//! The story of one small brand, told by its own import files: every row that must be refused is,
//! every other is taken, the same files again change nothing, and its activations are weighed as
//! expected. The same on SQLite and on PostgreSQL, by one process or by two that take turns.

#[path = "../common/mod.rs"]
mod common;
mod expected;
mod one_house;
mod two_nodes;
