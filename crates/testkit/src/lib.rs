//! For tests only: what tests need from the machine. It panics where a test should fail.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it starts a server")]

mod postgres;

pub use postgres::{Postgres, execute};
