//! A unit's first start: what is said of it, what it is worth, what is made of it and when it is
//! weighed again.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod assurance;
mod before;
mod evidence;
mod sales;
mod signals;
mod waiting;
mod weighed_again;
