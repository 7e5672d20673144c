//! The HTTP API: what machines say to Dossier and what they are told.
//!
//! **Words.** A *body* is what a request holds, a *reply* what it gets; both belong to this layer
//! and keep its promises, whatever the flows and the store call things. A *problem* is an RFC 9457
//! reply. The *gate* stands before every request: it finds the client's address, knows the key and
//! counts requests.
//!
//! [`routes`] is the table of contents. Handlers are verb and noun, which is also the operation id
//! in `/api/openapi.json`. Who sees what is one table in [`domain::access`].
//!
//! **Not here.** Rules, SQL, pages. The API calls flows and nothing below them.

mod account;
mod activations;
pub mod audit;
mod batches;
mod bulk;
mod cases;
mod catalogue;
mod compliance;
mod counts;
mod error;
mod export;
pub mod gate;
mod headers;
mod idempotent;
mod input;
mod keys;
mod limits;
mod log;
mod metrics;
mod movements;
mod openapi;
mod packs;
mod paging;
mod people;
mod persons;
mod proofs;
mod recalls;
mod reports;
mod responses;
mod retention;
pub mod routes;
mod rows;
mod search;
mod server;
mod session;
mod spread;
mod timeline;
pub mod tls;
mod unasked;
mod units;
mod verdicts;
mod verify;
mod webhooks;

pub use error::Problem;
pub use gate::{Asker, ClientAddress, Gate, Peer, client_of};
pub use routes::router;
pub use server::{STOP_WITHIN, serve};

use crate::flows::House;
use domain::address::Prefix;
use std::sync::Arc;
use std::time::Duration;

/// How a process serves.
#[derive(Clone, Default)]
pub struct ServeOptions {
    /// Whether requests are counted and too many refused. Off only for tests and benchmarks.
    pub limits: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Prefix>,
    /// Who may look at `/metrics`, by the other end of the connection; nobody named: loopback.
    pub metrics_from: Vec<Prefix>,
    /// Whether each request leaves a line in the log.
    pub access_log: bool,
    /// How long clients are waited for.
    pub patience: Patience,
    /// Certificate and key to serve under; without them in the clear.
    pub tls: Option<Arc<tls::Tls>>,
    /// Further routes behind the same gate: the pages.
    pub extra: Option<axum::Router<Arc<House>>>,
}

/// How long clients are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until a TLS handshake is done.
    pub handshake: Duration,
    /// Until the head of a request is there, also between two requests.
    pub head: Duration,
    /// From then until the head of the answer: the body must come meanwhile. A body that streams
    /// on after the answer began is not counted.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { handshake: seconds(5), head: seconds(30), answer: seconds(30) }
    }
}

/// An instant as replies write it: RFC 3339 in the brand's zone.
pub(crate) fn instant_text(
    reference: &crate::flows::reference::Reference,
    brand: i64,
    at: jiff::Timestamp,
) -> String {
    let zone = reference.zone(domain::id::BrandId(brand));
    at.display_with_offset(zone.to_offset(at)).to_string()
}
