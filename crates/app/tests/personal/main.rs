//! Personal data of consumers on both engines: found, read, given out, corrected, agreed to, held
//! and erased, by the brand's staff and by the person; kept as long as the table of terms says. And
//! who is bound to a unit, and what becomes of whoever was before; and what visitors report.

#[path = "../common/mod.rs"]
mod common;
mod rights;
mod scene;
mod stronger;
mod suspected;
mod terms;
