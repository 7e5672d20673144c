//! The only crate that knows SQL: SQLite and PostgreSQL behind one [`Store`].
//!
//! [`Store::commit`] is the one write door; everything else reads. A [`commit::Commit`] is data
//! and names what it relied on. [`event`] holds the ledger's record types, [`canonical`] their
//! bytes for ever, [`mod@project`] what each does to the tables that answer questions.

pub mod audit;
pub mod canonical;
pub mod case;
pub mod commit;
mod custody;
pub mod engine;
pub mod event;
pub mod expiry;
pub mod finding;
pub mod glance;
pub mod health;
pub mod key_use;
pub mod ledger;
pub mod log;
pub mod people;
pub mod person;
mod product;
pub mod project;
pub mod rebuild;
pub mod recall;
pub mod reference;
pub mod scan;
pub mod search;
pub mod trace;
pub mod unit;
pub mod webhook;

use canonical::BlindKey;
use engine::{Engine, EngineError, Migration, Target, WriteError};

/// The schema, step by step; forward only, never edited.
const MIGRATIONS: &[Migration] = migrations![
    "V1__spine",
    "V2__kit",
    "V3__code_like_sn",
    "V4__shipment_sender",
    "V5__log",
    "V6__audit",
    "V7__api_key_use",
    "V8__people",
    "V9__person",
    "V10__recall",
    "V11__sale",
    "V12__case",
    "V13__webhook",
    "V14__consumer_scan",
    "V15__told_first",
    "V16__bound_again",
    "V17__proof_tries_by_time",
    "V18__labels_by_number",
];

/// Everything recorded, on one engine.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    blind: BlindKey,
    glances: glance::Glances,
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something a commit relied on has moved: load and decide again.
    #[error("conflict over {0}")]
    Conflict(&'static str),
    /// A once-only fact or an identifier is already there; the table says which.
    #[error("a row of {0} is already there")]
    Duplicate(String),
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] EngineError),
    /// The database cannot be written.
    #[error(transparent)]
    Write(WriteError),
    /// A stored record cannot be read or written.
    #[error("a record is damaged: {0}")]
    Record(String),
}

impl StoreError {
    /// Whether loading afresh and deciding again can help.
    pub fn is_race(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Duplicate(_))
    }
}

impl Store {
    /// Opens the store, creating and migrating it as needed. Until [`Store::with_blind`] gave it
    /// the secret that blinds bulk rows, it is good for reading and for reference rows.
    ///
    /// # Errors
    /// See [`Engine::open`].
    pub async fn open(target: &Target) -> Result<Self, StoreError> {
        let engine = Engine::open(target, MIGRATIONS).await?;
        let glances = glance::Glances::default();
        Ok(Self { engine, blind: BlindKey::new(&[0; 32]), glances })
    }

    /// The same store with the secret that blinds the rows of bulk events.
    pub fn with_blind(self, secret: &[u8; 32]) -> Self {
        Self { blind: BlindKey::new(secret), ..self }
    }

    /// As [`Engine::one_snapshot`].
    pub fn one_snapshot<T>(&self, reading: impl Future<Output = T>) -> impl Future<Output = T> {
        // On the heap at once, and not within an async function: readings are large, and each
        // layer would hold two copies of its own and move them.
        self.engine.one_snapshot(Box::pin(reading))
    }

    /// The engine, for backup, checks and benchmarks.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Finishes what was handed over.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// Every SQL constant, for the test that prepares each on both engines.
    pub fn statements() -> Vec<&'static str> {
        [
            audit::STATEMENTS,
            case::STATEMENTS,
            commit::STATEMENTS,
            custody::STATEMENTS,
            expiry::STATEMENTS,
            finding::STATEMENTS,
            glance::STATEMENTS,
            health::STATEMENTS,
            key_use::STATEMENTS,
            ledger::STATEMENTS,
            log::STATEMENTS,
            person::STATEMENTS,
            people::STATEMENTS,
            people::COMMIT_STATEMENTS,
            project::STATEMENTS,
            rebuild::STATEMENTS,
            recall::STATEMENTS,
            reference::STATEMENTS,
            scan::STATEMENTS,
            search::STATEMENTS,
            trace::STATEMENTS,
            unit::STATEMENTS,
            webhook::STATEMENTS,
        ]
        .concat()
    }
}
