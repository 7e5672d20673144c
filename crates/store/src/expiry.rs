//! Rows beside the ledger that are kept for a while: answers, raw signals, waiting commands, proof
//! tries. Within their term they are read; after it they are as good as gone, and are deleted, a
//! bounded portion at a time.
//!
//! Rows are found by what orders their table already, so that no index has to be written by the
//! commands that make them. The identity of an observation begins with its instant: the expired
//! ones are the first. The key of an answer is a hash: its table is gone through in slices, each a
//! share of the hashes. Waiting commands and proof tries are few. Whoever deletes names the
//! distribution column and looks at the term again, so any number of processes may do it at once.

use crate::engine::{DecodeError, Plan, Row, Step, Value};
use crate::{Store, StoreError};

/// Rows deleted by one plan: others that want to write wait for no more than that.
pub const PORTION_ROWS_MAX: usize = 256;
/// Rows looked up at once; what is left comes with the next call.
pub const ROWS_MAX: usize = 16 * PORTION_ROWS_MAX;

/// Which rows are forgotten. Instants are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Answers to repeated commands whose scope lies in `from..to`.
    Answers {
        /// The first scope.
        from: Vec<u8>,
        /// The scope after the last.
        to: Vec<u8>,
        /// What expires by then.
        now: i64,
    },
    /// Raw signals and reports.
    Observations {
        /// Identities from this one on are too young to be looked at.
        below: [u8; 16],
        /// What expires by then.
        now: i64,
    },
    /// Commands whose unit never came.
    Waiting {
        /// What expires by then.
        now: i64,
    },
    /// Physical-proof tries.
    ProofTries {
        /// The latest that are forgotten.
        tried_at: i64,
    },
}

/// The stored answer to an earlier command with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Hash of the canonical body it answered.
    pub content: Vec<u8>,
    /// HTTP status.
    pub status: i64,
    /// Reply body.
    pub reply: String,
    /// When it may be forgotten.
    pub expires_at: i64,
}

/// A command that waits for its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRecord {
    /// Row identity.
    pub id: Vec<u8>,
    /// Ciphertext.
    pub sealed: Vec<u8>,
    /// When it came.
    pub received_at: i64,
}

const ANSWER: &str = "SELECT content, status, reply, expires_at FROM idempotency \
    WHERE scope = $1 AND expires_at > $2";
const WAITING_FOR: &str =
    "SELECT id, sealed, received_at FROM waiting WHERE value = $1 AND expires_at > $2";
const OBSERVATION: &str =
    "SELECT sealed FROM observation WHERE home = $1 AND id = $2 AND expires_at > $3";
const ANSWERS: &str = "SELECT home, scope FROM idempotency WHERE scope >= $1 AND scope < $2 \
    AND expires_at <= $3 LIMIT $4";
const ANSWER_FORGET: &str =
    "DELETE FROM idempotency WHERE home = $1 AND scope = $2 AND expires_at <= $3";
const OBSERVATIONS: &str = "SELECT home, id FROM observation WHERE id < $1 AND expires_at <= $2 \
    ORDER BY id LIMIT $3";
const OBSERVATION_FORGET: &str =
    "DELETE FROM observation WHERE home = $1 AND id = $2 AND expires_at <= $3";
const WAITING: &str = "SELECT value, id FROM waiting WHERE expires_at <= $1 LIMIT $2";
const WAITING_FORGET: &str =
    "DELETE FROM waiting WHERE value = $1 AND id = $2 AND expires_at <= $3";
const PROOF_TRIES: &str = "SELECT unit, id FROM proof_try WHERE tried_at <= $1 LIMIT $2";
const PROOF_TRY_FORGET: &str =
    "DELETE FROM proof_try WHERE unit = $1 AND id = $2 AND tried_at <= $3";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    ANSWER,
    WAITING_FOR,
    OBSERVATION,
    ANSWERS,
    ANSWER_FORGET,
    OBSERVATIONS,
    OBSERVATION_FORGET,
    WAITING,
    WAITING_FORGET,
    PROOF_TRIES,
    PROOF_TRY_FORGET,
];

/// Distribution column and the rest of a key.
type Key = [Value; 2];

fn numbered(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok([r.int(0)?.into(), r.bytes(1)?.into()])
}

fn named(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok([r.text(0)?.into(), r.bytes(1)?.into()])
}

impl Store {
    /// The stored answer to an earlier command, unless its time is over at `now`.
    pub async fn replay_fetch(
        &self,
        scope: &[u8; 32],
        now: i64,
    ) -> Result<Option<Replay>, StoreError> {
        let map = |r: &Row<'_>| {
            Ok(Replay {
                content: r.bytes(0)?,
                status: r.int(1)?,
                reply: r.text(2)?,
                expires_at: r.int(3)?,
            })
        };
        Ok(self.engine.query_first(ANSWER, &[(*scope).into(), now.into()], map).await?)
    }

    /// Commands that still wait at `now` for what this value names.
    pub async fn waiting_fetch(
        &self,
        value: &str,
        now: i64,
    ) -> Result<Vec<WaitingRecord>, StoreError> {
        let map = |r: &Row<'_>| {
            Ok(WaitingRecord { id: r.bytes(0)?, sealed: r.bytes(1)?, received_at: r.int(2)? })
        };
        Ok(self.engine.query(WAITING_FOR, &[value.into(), now.into()], map).await?)
    }

    /// A sealed side row, unless its time is over at `now`.
    pub async fn observation_fetch(
        &self,
        home: i64,
        id: &[u8; 16],
        now: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let params = [home.into(), (*id).into(), now.into()];
        Ok(self.engine.query_first(OBSERVATION, &params, |r| r.bytes(0)).await?)
    }

    /// Deletes rows whose time is over, at most [`ROWS_MAX`]. Returns how many were found.
    ///
    /// # Errors
    /// The store does not answer; what was deleted stays so, the rest comes with the next call.
    pub async fn forget(&self, due: &Due) -> Result<usize, StoreError> {
        let most: Value = (ROWS_MAX as i64).into();
        match due {
            Due::Answers { from, to, now } => {
                let found = vec![from.clone().into(), to.clone().into(), (*now).into(), most];
                self.forget_found(self.keys(ANSWERS, found, numbered).await?, ANSWER_FORGET, *now)
            }
            Due::Observations { below, now } => {
                let found = vec![(*below).into(), (*now).into(), most];
                let keys = self.keys(OBSERVATIONS, found, numbered).await?;
                self.forget_found(keys, OBSERVATION_FORGET, *now)
            }
            Due::Waiting { now } => {
                let keys = self.keys(WAITING, vec![(*now).into(), most], named).await?;
                self.forget_found(keys, WAITING_FORGET, *now)
            }
            Due::ProofTries { tried_at } => {
                let found = vec![(*tried_at).into(), most];
                let keys = self.keys(PROOF_TRIES, found, numbered).await?;
                self.forget_found(keys, PROOF_TRY_FORGET, *tried_at)
            }
        }
        .await
    }

    /// Keys, read off the async threads: a slice may be on the disk and not in memory. All are
    /// read before the first is deleted, so that no snapshot makes the log grow.
    async fn keys(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        key: fn(&Row<'_>) -> Result<Key, DecodeError>,
    ) -> Result<Vec<Key>, StoreError> {
        let mut rows = self.engine.stream_query(sql, params, key);
        let mut keys = Vec::new();
        while let Some(chunk) = rows.next().await {
            keys.append(&mut chunk?);
        }
        Ok(keys)
    }

    async fn forget_found(
        &self,
        keys: Vec<Key>,
        sql: &'static str,
        bound: i64,
    ) -> Result<usize, StoreError> {
        for portion in keys.chunks(PORTION_ROWS_MAX) {
            let step =
                |[home, rest]: &Key| Step::run(sql, vec![home.clone(), rest.clone(), bound.into()]);
            let plan = Plan::new(portion.iter().map(step).collect());
            self.engine.write(plan).await.map_err(StoreError::Write)?;
        }
        Ok(keys.len())
    }
}
