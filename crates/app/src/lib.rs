//! Dossier (一机一档): from factory to hand, every device has a dossier.
//!
//! `main -> cli -> {api, pages, jobs} -> flows -> {store, domain, detect}`; see `ARCHITECTURE.md`.

pub mod api;
pub mod bench;
pub mod bundle;
pub mod cli;
pub mod clock;
pub mod config;
pub mod faults;
pub mod files;
pub mod flows;
pub mod geo;
pub mod guest;
pub mod jobs;
pub mod machine;
pub mod outbound;
pub mod pages;
pub mod passwords;
pub mod rules;
pub mod secrets;
pub mod symbol;
pub mod world;
