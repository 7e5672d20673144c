//! The rules of Dossier: pure functions of facts and a time. No clock, no database, no async,
//! no serialisation lives here; see `ARCHITECTURE.md`.

pub mod calendar;
pub mod code;
pub mod gs1;
pub mod identifier;
pub mod policy;
pub mod region;
pub mod scratch;
pub mod verdict;
pub mod warranty;
