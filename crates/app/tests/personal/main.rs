//! Personal data of consumers on both engines: found, read, given out, corrected, agreed to, held
//! and erased, by the brand's staff and by the person; kept as long as the table of terms says.

#[path = "../common/mod.rs"]
mod common;
mod rights;
mod scene;
mod terms;
