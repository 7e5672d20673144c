//! For tests only: what tests need from the machine. It panics where a test should fail.

mod postgres;

pub use postgres::{Postgres, execute};
