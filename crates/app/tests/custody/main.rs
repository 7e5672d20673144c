//! Through whose hands goods go: packs, papers, receipts, returns and recalls, in whatever order
//! they are told.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod ahead;
mod any_order;
mod closed_fields;
mod days;
mod grants;
mod kit;
mod late;
mod leaning;
mod lives;
mod packs;
mod papers;
mod races;
mod recalls;
mod receipts;
mod sites;
mod standing;
mod taken_back;
mod told;
mod told_late;
