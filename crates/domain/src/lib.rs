//! The rules of Dossier: pure functions of facts and a time. No clock, no database, no async,
//! no serialisation lives here; see `ARCHITECTURE.md`.

pub mod activation;
pub mod address;
pub mod audit;
pub mod calendar;
pub mod code;
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
pub mod packing;
pub mod party;
pub mod password;
pub mod policy;
pub mod product;
pub mod refusal;
pub mod region;
pub mod registration;
pub mod role;
pub mod scope;
pub mod scratch;
pub mod shipping;
pub mod sign_in;
pub mod territory;
pub mod text;
pub mod totp;
pub mod verdict;
pub mod warranty;
