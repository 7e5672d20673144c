//! The API as its callers meet it: bodies, answers, files in one request, and its own description.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod all_or_nothing;
mod answers;
mod bodies;
mod bulk;
mod catalogue;
mod journeys;
mod openapi;
mod unavailable;
