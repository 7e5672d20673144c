//! For tests and for `dossier bench faults`, which does what they do, only more often: a PostgreSQL
//! server that may be killed. It panics where a test should fail.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it starts a server")]

mod postgres;

pub use postgres::{FreshSchema, Postgres, execute, rows_text};
