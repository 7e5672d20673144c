//! Rows beside the ledger that are kept for a while: answers, raw signals, waiting commands, proof
//! tries. Within their term they are read; after it they are as good as gone, and are deleted, a
//! bounded portion at a time.
//!
//! Rows are found by what orders their table already, so that no index has to be written by the
//! commands that make them. The identity of an observation begins with its instant: the expired
//! ones are the first. The key of an answer is a hash: its table is gone through in slices, each a
//! share of the hashes. Waiting commands and proof tries are few. Whoever deletes names the
//! distribution column and looks at the term again, so any number of processes may do it at once.
//!
//! What was deleted is counted in the plan that deletes it ([`RetentionRun`]), so the count is true
//! whoever else was at it: a plan that finds a row gone is given up, and the rest comes again.

use crate::engine::{DecodeError, Plan, Row, Step, Value, WriteError};
use crate::{Store, StoreError};
use domain::retention::Kept;

/// Rows deleted by one plan: others that want to write wait for no more than that.
pub const PORTION_ROWS_MAX: usize = 256;
/// Rows looked up at once; what is left comes with the next call.
pub const ROWS_MAX: usize = 16 * PORTION_ROWS_MAX;
/// Commands read at once that wait for one name, in the order in which they came.
pub const WAITING_ROWS_MAX: i64 = 1_024;

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
    /// Consents withdrawn by then. Those of somebody under a legal hold stay.
    Consents {
        /// The latest that are forgotten.
        withdrawn_at: i64,
    },
    /// Records of sensitive reads.
    AuditReads {
        /// Where they are filed.
        home: i64,
        /// The latest that are forgotten.
        at: i64,
    },
    /// What was said in closed cases. Who said something, and when, stays.
    CaseWords {
        /// What expires by then.
        now: i64,
    },
}

impl Due {
    /// What the term is called, and up to which instant it is over.
    fn policy(&self) -> (Kept, i64) {
        match self {
            Self::Answers { now, .. } => (Kept::Answer, *now),
            Self::Observations { now, .. } => (Kept::Observation, *now),
            Self::Waiting { now } => (Kept::Waiting, *now),
            Self::ProofTries { tried_at } => (Kept::ProofTry, *tried_at),
            Self::Consents { withdrawn_at } => (Kept::Consent, *withdrawn_at),
            Self::AuditReads { at, .. } => (Kept::AuditRead, *at),
            Self::CaseWords { now } => (Kept::CaseWords, *now),
        }
    }
}

/// What was deleted under a term on a day. Instants are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRun {
    /// The term.
    pub policy: String,
    /// The day (UTC, `YYYY-MM-DD`): the runs of a day are added up.
    pub day_on: String,
    /// When the last of them was.
    pub at: i64,
    /// Rows deleted.
    pub row_count: i64,
    /// Up to which instant terms were over.
    pub upto: i64,
}

impl RetentionRun {
    /// A run that deletes so many rows now.
    pub fn new(kept: Kept, at: i64, row_count: usize, upto: i64) -> Self {
        let day = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
        let day_on = jiff::tz::Offset::UTC.to_datetime(day).date().to_string();
        let row_count = i64::try_from(row_count).unwrap_or(i64::MAX);
        Self { policy: kept.as_str().to_owned(), day_on, at, row_count, upto }
    }

    pub(crate) fn step(&self) -> Step {
        let params: [Value; 5] = [
            (&self.policy).into(),
            (&self.day_on).into(),
            self.at.into(),
            self.row_count.into(),
            self.upto.into(),
        ];
        Step::run(RUN_ADD, params.to_vec())
    }
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
const WAITING_FOR: &str = "SELECT id, sealed, received_at FROM waiting WHERE value = $1 AND \
    expires_at > $2 AND (received_at > $3 OR (received_at = $3 AND id > $4)) \
    ORDER BY received_at, id LIMIT $5";
const WAITING_NAMES: &str = "SELECT DISTINCT value FROM waiting WHERE value > $1 AND \
    expires_at > $2 ORDER BY value LIMIT $3";
const WAITING_COUNT: &str = "SELECT COUNT(*) FROM (SELECT id FROM waiting LIMIT $1) w";
/// Whatever brand's: the first columns of the key alone.
const NAMED_SOMEWHERE: &str =
    "SELECT unit FROM identifier WHERE value = $1 AND scheme = $2 LIMIT 1";
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
const CONSENTS: &str = "SELECT c.person, c.purpose, c.given_at FROM consent c \
    WHERE c.withdrawn_at IS NOT NULL AND c.withdrawn_at <= $1 AND NOT EXISTS \
    (SELECT 1 FROM person p WHERE p.id = c.person AND p.held_at IS NOT NULL) LIMIT $2";
const CONSENT_FORGET: &str = "DELETE FROM consent WHERE person = $1 AND purpose = $2 \
    AND given_at = $3 AND withdrawn_at <= $4";
const AUDIT_READS: &str = "SELECT home, at, id FROM audit_read WHERE home = $1 AND at <= $2 \
    ORDER BY at, id LIMIT $3";
const AUDIT_READ_FORGET: &str =
    "DELETE FROM audit_read WHERE home = $1 AND at = $2 AND id = $3 AND at <= $4";
const CASE_WORDS: &str = "SELECT case_id, number FROM case_entry WHERE expires_at <= $1 LIMIT $2";
const CASE_WORDS_FORGET: &str = "UPDATE case_entry SET sealed = NULL, expires_at = NULL \
    WHERE case_id = $1 AND number = $2 AND expires_at <= $3";
const RUN_ADD: &str = "INSERT INTO retention_run (policy, day_on, at, row_count, upto) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (policy, day_on) DO UPDATE SET \
    row_count = retention_run.row_count + excluded.row_count, \
    at = CASE WHEN retention_run.at > excluded.at THEN retention_run.at ELSE excluded.at END, \
    upto = CASE WHEN retention_run.upto > excluded.upto THEN retention_run.upto \
    ELSE excluded.upto END";
const RUNS: &str = "SELECT policy, day_on, at, row_count, upto FROM retention_run \
    WHERE day_on >= $1 ORDER BY day_on DESC, policy LIMIT $2";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    ANSWER,
    WAITING_FOR,
    WAITING_NAMES,
    WAITING_COUNT,
    NAMED_SOMEWHERE,
    OBSERVATION,
    ANSWERS,
    ANSWER_FORGET,
    OBSERVATIONS,
    OBSERVATION_FORGET,
    WAITING,
    WAITING_FORGET,
    PROOF_TRIES,
    PROOF_TRY_FORGET,
    CONSENTS,
    CONSENT_FORGET,
    AUDIT_READS,
    AUDIT_READ_FORGET,
    CASE_WORDS,
    CASE_WORDS_FORGET,
    RUN_ADD,
    RUNS,
];

/// Distribution column and the rest of a key.
type Key = Vec<Value>;

fn numbered(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok(vec![r.int(0)?.into(), r.bytes(1)?.into()])
}

fn named(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok(vec![r.text(0)?.into(), r.bytes(1)?.into()])
}

fn agreed(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok(vec![r.bytes(0)?.into(), r.text(1)?.into(), r.int(2)?.into()])
}

fn filed(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok(vec![r.int(0)?.into(), r.int(1)?.into(), r.bytes(2)?.into()])
}

fn said(r: &Row<'_>) -> Result<Key, DecodeError> {
    Ok(vec![r.bytes(0)?.into(), r.int(1)?.into()])
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

    /// Commands that still wait at `now` for what this value names, in the order in which they
    /// came, at most [`WAITING_ROWS_MAX`].
    pub async fn waiting_fetch(
        &self,
        value: &str,
        now: i64,
        (received_at, id): (i64, &[u8]),
    ) -> Result<Vec<WaitingRecord>, StoreError> {
        let map = |r: &Row<'_>| {
            Ok(WaitingRecord { id: r.bytes(0)?, sealed: r.bytes(1)?, received_at: r.int(2)? })
        };
        let behind = [received_at.into(), id.into()];
        let [received_at, id] = behind;
        let params = [value.into(), now.into(), received_at, id, WAITING_ROWS_MAX.into()];
        Ok(self.engine.query(WAITING_FOR, &params, map).await?)
    }

    /// The next values behind `after` that commands wait for at `now`, in order, by the key of
    /// their table.
    pub async fn waiting_names(
        &self,
        after: &str,
        now: i64,
        most: i64,
    ) -> Result<Vec<String>, StoreError> {
        let params = [after.into(), now.into(), most.into()];
        Ok(self.engine.query(WAITING_NAMES, &params, |r| r.text(0)).await?)
    }

    /// How many commands wait, counted up to `most`, off the async threads: each is looked at.
    pub async fn waiting_count(&self, most: i64) -> Result<i64, StoreError> {
        let mut rows = self.engine.stream_query(WAITING_COUNT, vec![most.into()], |r| r.int(0));
        match rows.next().await {
            Some(counts) => Ok(counts?.first().copied().unwrap_or(0)),
            None => Ok(0),
        }
    }

    /// Whether a unit of any brand answers to this, by the key of the directory.
    pub async fn is_named_somewhere(&self, scheme: &str, value: &str) -> Result<bool, StoreError> {
        let params = [value.into(), scheme.into()];
        let found = self.engine.query_first(NAMED_SOMEWHERE, &params, |r| r.int(0)).await?;
        Ok(found.is_some())
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

    /// Deletes rows whose time is over, at most [`ROWS_MAX`], and records how many under `at`.
    /// Returns how many were found.
    ///
    /// # Errors
    /// The store does not answer; what was deleted stays so, the rest comes with the next call.
    pub async fn forget(&self, due: &Due, at: i64) -> Result<usize, StoreError> {
        let most: Value = (ROWS_MAX as i64).into();
        let (find, params, key, delete): (_, _, fn(&Row<'_>) -> _, _) = match due {
            Due::Answers { from, to, now } => {
                let params = vec![from.clone().into(), to.clone().into(), (*now).into(), most];
                (ANSWERS, params, numbered, ANSWER_FORGET)
            }
            Due::Observations { below, now } => {
                let params = vec![(*below).into(), (*now).into(), most];
                (OBSERVATIONS, params, numbered, OBSERVATION_FORGET)
            }
            Due::Waiting { now } => (WAITING, vec![(*now).into(), most], named, WAITING_FORGET),
            Due::ProofTries { tried_at } => {
                (PROOF_TRIES, vec![(*tried_at).into(), most], numbered, PROOF_TRY_FORGET)
            }
            Due::Consents { withdrawn_at } => {
                (CONSENTS, vec![(*withdrawn_at).into(), most], agreed, CONSENT_FORGET)
            }
            Due::AuditReads { home, at } => {
                let params = vec![(*home).into(), (*at).into(), most];
                (AUDIT_READS, params, filed, AUDIT_READ_FORGET)
            }
            Due::CaseWords { now } => {
                (CASE_WORDS, vec![(*now).into(), most], said, CASE_WORDS_FORGET)
            }
        };
        let keys = self.keys(find, params, key).await?;
        self.forget_found(keys, delete, due.policy(), at).await
    }

    /// What was deleted since a day (`YYYY-MM-DD`), the latest first.
    pub async fn retention_runs(
        &self,
        since_on: &str,
        most: i64,
    ) -> Result<Vec<RetentionRun>, StoreError> {
        let map = |r: &Row<'_>| {
            Ok(RetentionRun {
                policy: r.text(0)?,
                day_on: r.text(1)?,
                at: r.int(2)?,
                row_count: r.int(3)?,
                upto: r.int(4)?,
            })
        };
        Ok(self.engine.query(RUNS, &[since_on.into(), most.into()], map).await?)
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
        (kept, bound): (Kept, i64),
        at: i64,
    ) -> Result<usize, StoreError> {
        for portion in keys.chunks(PORTION_ROWS_MAX) {
            let step = |key: &Key| {
                let mut params = key.clone();
                params.push(bound.into());
                Step::change_one(sql, params, "retention")
            };
            let mut steps: Vec<_> = portion.iter().map(step).collect();
            steps.push(RetentionRun::new(kept, at, portion.len(), bound).step());
            match self.engine.write(Plan::new(steps)).await {
                // Another process is at the same rows; what it leaves comes with the next call.
                Ok(()) | Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(StoreError::Write(error)),
            }
        }
        Ok(keys.len())
    }
}
