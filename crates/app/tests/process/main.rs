//! The built program as a person, a script or a failing machine meets it.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod cli;
mod demo;
mod faults;
mod first_steps;
mod storage;
mod terminal;
mod world;
