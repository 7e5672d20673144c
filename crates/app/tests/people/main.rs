//! Who works here, and the keys and sessions by which they and their machines are let in.

#[path = "../common/mod.rs"]
mod common;

mod keys;
mod members;
mod pages;
mod sign_in;
