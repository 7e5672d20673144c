//! How a flow ends: it did something, refused it, or could not reach the store.

use crate::secrets::SecretsError;
use domain::refusal::{Refusal, Refused};
use store::StoreError;

/// How often a flow decides again after losing a race.
pub const RACES_MAX: usize = 12;

/// Why a flow did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody was faster too often.
    #[error("too many commands for the same thing at once; try again")]
    Busy,
    /// The store did not answer or keep.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys did not do their work.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

impl From<Refusal> for FlowError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// What became of one row of a bulk command.
#[derive(Clone, Debug, PartialEq)]
pub enum RowOutcome {
    /// Recorded.
    Taken,
    /// An equal row was already recorded; nothing was written.
    Unchanged,
    /// Refused, with every reason.
    Refused(Vec<Refused>),
    /// All or nothing was asked and another row was refused. It could have been taken; or, where
    /// the other could not even be read, nobody looked further at this one.
    NotRecorded,
}

impl RowOutcome {
    /// One refusal.
    pub fn refused(refused: impl Into<Refused>) -> Self {
        Self::Refused(vec![refused.into()])
    }

    /// Tells the truth about a command of all or nothing: once a row of it was refused, a row
    /// that could have been taken was not recorded.
    pub fn all_or_nothing(outcomes: &mut [Self]) {
        if outcomes.iter().any(|o| matches!(o, Self::Refused(_))) {
            for outcome in outcomes.iter_mut().filter(|o| **o == Self::Taken) {
                *outcome = Self::NotRecorded;
            }
        }
    }
}
