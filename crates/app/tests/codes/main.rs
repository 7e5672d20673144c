//! What is on a label and what it is read as: codes, identifiers, looks and proofs.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod batches;
mod looks;
mod names;
mod proofs;
mod readings;
