//! Location as evidence: pure statistics over observations. No clock, no database, no file.

pub mod location;
pub mod travel;
