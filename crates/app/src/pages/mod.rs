//! Pages: everything a person sees in a browser.
//!
//! A page is a *view* (plain data, filled by a handler), a template (`templates/`) and a sentence
//! for each thing it may say (`locales/`). Views hold typed dates and numbers; wording, escaping
//! and layout are decided here. [`handlers`] read the request and ask the flows, `device::present`
//! turns what they know into views; nothing else here reads a clock, a database or a request.

pub mod agent;
pub mod device;
pub mod event_words;
pub mod handlers;
pub mod i18n;
pub mod inline;
pub mod people;
#[cfg(test)]
mod people_test_views;
pub mod place;
pub mod rosette;
pub mod routes;
pub mod shell;

pub use routes::routes;

use crate::flows::House;
use axum::response::Response;
use std::sync::Arc;

/// Who counts public looks at units.
pub trait Counter: Send + Sync {
    /// The house looked into.
    fn house(&self) -> &Arc<House>;

    /// Counts a look at a unit; the answer to give instead when there were too many.
    fn count(&self, unit: i64) -> Option<Response>;
}

/// The counter of looks, put beside a request as an `axum::Extension`. Without it nobody counts.
#[derive(Clone)]
pub struct Looks {
    /// Who counts.
    pub counter: Arc<dyn Counter>,
    /// Of somebody with a key or signed in: what is sent is counted, not what is looked at.
    pub sent_alone: bool,
}
