//! The rules of Dossier: pure functions of facts and a time. No clock, no database, no async,
//! no serialisation lives here; see `ARCHITECTURE.md`.

pub mod activation;
pub mod address;
pub mod audit;
pub mod calendar;
pub mod certification;
pub mod code;
pub mod coding;
pub mod custody;
pub mod disposition;
pub mod finding;
pub mod gs1;
pub mod id;
pub mod identifier;
pub mod key;
pub mod life;
pub mod log;
pub mod mandate;
pub mod oversight;
pub mod packing;
pub mod party;
pub mod policy;
pub mod product;
pub mod recall;
pub mod refusal;
pub mod region;
pub mod registration;
pub mod retention;
pub mod scratch;
pub mod shipping;
pub mod territory;
pub mod text;
pub mod verdict;
pub mod warranty;
