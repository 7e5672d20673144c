//! What can go wrong, sorted by what the caller can do about it.
//!
//! A cause is for the log and for the operator; a person on the other side of HTTP is shown only
//! the reference under which it was logged.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use super::value::DecodeError;

/// A failure that has been logged, with the reference it was logged under.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    reference: String,
    cause: String,
}

impl Fault {
    /// Logs the cause under a new reference.
    pub(super) fn log(during: &'static str, cause: impl fmt::Display) -> Self {
        let fault = Self { reference: new_reference(), cause: cause.to_string() };
        tracing::error!(reference = %fault.reference, during, cause = %fault.cause, "database");
        fault
    }

    /// Ten hexadecimal digits to look for in the log.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The database's own words: for operators and tests, not for strangers.
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reference {}", self.reference)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reference, self.cause)
    }
}

/// 40 bits from the standard library's random hash keys: unique enough to find one log line.
fn new_reference() -> String {
    format!("{:010x}", random_bits() & 0xff_ffff_ffff)
}

/// 64 unpredictable bits for references and jitter; not for secrets.
pub(super) fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Why the database could not be opened or read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// A row is not of the shape the program expects.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// The database cannot be reached just now; later it may.
    #[error("the database is not available ({0})")]
    Unavailable(Fault),
    /// The statement is wrong: a fault of the program.
    #[error("the database refused a statement ({0})")]
    Internal(Fault),
    /// The database could not be opened; the sentence says what to do.
    #[error("{0}")]
    Open(String),
    /// The schema is newer than this program.
    #[error(
        "the database has schema version {found}, but this program knows only up to {known}: \
         use the newer program, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The version in the database.
        found: u32,
        /// The newest version in this program.
        known: u32,
    },
    /// An applied migration is not the one in this program.
    #[error("migration {0} in the database differs from the one in this program")]
    Diverged(String),
    /// A migration could not be applied.
    #[error("migration {name} failed: {cause}")]
    Migration {
        /// Its file name without the ending.
        name: String,
        /// The database's own words.
        cause: String,
    },
    /// This database does not do that; the sentence says what does.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Why a plan was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Something the plan relied on is no longer so: reload and decide again.
    #[error("conflict over {relied_on}")]
    Conflict {
        /// The words of the disappointed [`super::Expect`].
        relied_on: &'static str,
    },
    /// A unique constraint forbids it.
    #[error("a row of {constraint} with the same {columns} exists")]
    Duplicate {
        /// The table, the same on both databases (a partition `t_p7` is called `t`).
        constraint: String,
        /// The columns of the violated key, separated by `, `, in the order of its definition;
        /// empty where the database does not tell.
        columns: String,
    },
    /// There is no room left on the storage.
    #[error("the storage of the database is full")]
    Full,
    /// The database accepts no writes: a read-only file system, or a standby server.
    #[error("the database is read-only")]
    ReadOnly,
    /// The database cannot be reached or failed; later it may work again.
    #[error("the database is not available ({fault})")]
    Unavailable {
        /// The plan may have been written all the same: look before repeating.
        outcome_unknown: bool,
        /// What was logged.
        fault: Fault,
    },
    /// The plan is wrong (bad SQL, wrong type, NOT NULL): a fault of the program.
    #[error("the database refused the plan ({0})")]
    Internal(Fault),
}
