//! Cases and the search on both engines: what each kind of party is shown of them, and what it is
//! not.

#[path = "../common/mod.rs"]
mod common;
mod find;
mod life;
mod scene;
mod words;
