//! Flows: what the system does. A flow loads facts, asks the rules, and hands the store one commit.
//! It knows no web type and no SQL; `api`, `pages`, `cli` and `jobs` call it and nothing below it.

pub mod activate;
pub mod alerts;
pub mod api_keys;
pub mod backup;
pub mod batches;
pub mod caller;
mod chunks;
pub mod contents;
pub mod custody;
pub mod doctor;
pub mod dossier;
pub mod expiry;
pub mod find;
pub mod history;
pub mod house;
pub mod idempotency;
pub mod import;
pub mod keys;
pub mod later;
pub mod lifecycle;
mod lives;
pub mod log;
pub mod mandate;
pub mod masterdata;
pub mod outcome;
mod overlay;
pub mod pack;
pub mod produce;
pub mod proof;
pub mod receipt;
mod recorded;
pub mod redecide;
pub mod reference;
pub mod registration;
pub mod reports;
pub mod scans;
pub mod ship;
pub mod sites;
pub mod verify;
pub mod waiting;

pub use caller::{Caller, Scope};
pub use house::House;
pub use outcome::{FlowError, RowOutcome};
