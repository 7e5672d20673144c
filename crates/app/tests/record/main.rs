//! What is kept: both engines, the sealed log, the audit trail, exports, terms, and what lies
//! nowhere in plain.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod audit;
mod both_engines;
mod compliance;
mod expiry;
mod export;
mod log;
mod planted;
mod stolen;
