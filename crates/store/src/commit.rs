//! The one write door. A [`Commit`] is data: events, what they do, the rows beside the ledger, and
//! the revision of everything it relied on. It is applied whole or not at all; a lost race is a
//! [`StoreError::Conflict`], and the flow loads afresh and decides again.

use crate::canonical::{BlindKey, Sealed, seal};
use crate::case::CaseChange;
use crate::engine::{Plan, Step, Value, WriteError};
use crate::event::{Body, Event};
use crate::expiry::RetentionRun;
use crate::people::PeopleChange;
use crate::person::PersonChange;
use crate::project::project;
use crate::reference::ReferenceChange;
use crate::{Store, StoreError};
use domain::finding::FindingGrade;
use std::collections::HashSet;

/// Everything a command writes.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What the decision was made on.
    pub relies_on: Vec<Relied>,
    /// Facts, with their projections.
    pub events: Vec<Event>,
    /// The latest instant, microseconds, at which something moved in a pack that these events put
    /// into another: the packs around it stirred then too. Zero where nothing was.
    pub stirred_at: i64,
    /// Units in a commissioning that already stand in the table.
    pub known: HashSet<i64>,
    /// Changes of reference rows; they bump the version everybody polls. Each needs its
    /// [`Body::Changed`] among the events.
    pub reference: Vec<ReferenceChange>,
    /// Numbers taken from a batch: (batch, expected next, new next).
    pub draws: Vec<Draw>,
    /// Findings someone must see.
    pub alerts: Vec<Alert>,
    /// Work to be done later.
    pub outbox: Vec<Outbox>,
    /// The answer to repeat, when the caller sent a key.
    pub idempotency: Option<Idempotency>,
    /// Encrypted side rows that are forgotten after their retention.
    pub observations: Vec<Observation>,
    /// Plain side rows: proof tries and commands that wait.
    pub sides: Vec<Side>,
    /// What becomes of persons.
    pub persons: Vec<PersonChange>,
    /// What this commit deletes after its term.
    pub retention: Option<RetentionRun>,
    /// Units whose looks are dropped: all of them, by every audience.
    pub looks_dropped: Vec<i64>,
    /// Changes of who works here and of their sessions. Those of accounts, memberships and
    /// invitations each need their [`Body::Changed`] among the events.
    pub people: Vec<PeopleChange>,
    /// Changes of cases. Each needs its [`Body::Changed`] among the events.
    pub cases: Vec<CaseChange>,
}

/// What a decision relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relied {
    /// The reference tables were at this version.
    Reference(i64),
    /// As [`Relied::Reference`], and whoever decided on that version decides again, though no
    /// reference row changes.
    ReferenceMoves(i64),
    /// Codes of this batch become units: nobody gives one of them to another unit meanwhile. It
    /// comes before [`Relied::Reference`], by which the loser finds out.
    BatchBound(i64),
    /// No unit bears this code of a batch, and none does meanwhile.
    CodeFree {
        /// Its number.
        number: i64,
        /// Its batch.
        batch: i64,
    },
    /// The unit was at this revision; the commit moves it to the next.
    Unit {
        /// Unit number.
        number: i64,
        /// Revision read.
        revision: i64,
    },
    /// The pack was at this revision; the commit moves it to the next.
    Pack {
        /// Pack number.
        number: i64,
        /// Revision read.
        revision: i64,
    },
}

/// Numbers taken from a batch that hands them out one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The batch.
    pub batch: i64,
    /// The next number as read.
    pub expected: i64,
    /// The next number from now on.
    pub next: i64,
}

/// A finding someone must see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The unit.
    pub home: i64,
    /// Same key, same alert: it is written once, and again only after it was withdrawn or for a
    /// surer finding.
    pub dedup_key: String,
    /// The tenant.
    pub brand: i64,
    /// What is suspected.
    pub kind: String,
    /// How sure.
    pub grade: String,
    /// The event that says so.
    pub event: [u8; 16],
    /// When it is shown: after its grace period.
    pub due_at: i64,
}

/// Work to be done later, by whoever leases it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// The subject.
    pub home: i64,
    /// Row identity.
    pub id: [u8; 16],
    /// Which job.
    pub topic: &'static str,
    /// Its input, JSON.
    pub content: String,
    /// Not before.
    pub due_at: i64,
}

/// The answer to a recorded command, repeated when the same key comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Where it is filed.
    pub home: i64,
    /// Hash of API key, route and client key.
    pub scope: [u8; 32],
    /// Hash of the canonical body.
    pub content: [u8; 32],
    /// HTTP status.
    pub status: i64,
    /// Reply body.
    pub reply: String,
    /// When the command was decided: an answer that has expired by then makes room.
    pub decided_at: i64,
    /// When it may be forgotten.
    pub expires_at: i64,
}

/// An encrypted side row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The unit.
    pub home: i64,
    /// Row identity.
    pub id: [u8; 16],
    /// Ciphertext.
    pub sealed: Vec<u8>,
    /// When it is forgotten.
    pub expires_at: i64,
}

/// Rows beside the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// A physical proof was tried.
    ProofTry {
        /// The unit.
        unit: i64,
        /// Row identity.
        id: [u8; 16],
        /// The batch, for its ceiling.
        batch: i64,
        /// Keyed hash of the visitor's address.
        visitor: Vec<u8>,
        /// When.
        tried_at: i64,
        /// Whether it was right.
        succeeded: bool,
    },
    /// A command that waits for its unit to become known.
    Waiting {
        /// What it named.
        value: String,
        /// Row identity.
        id: [u8; 16],
        /// Encrypted command.
        sealed: Vec<u8>,
        /// When it came.
        received_at: i64,
        /// When it is given up.
        expires_at: i64,
    },
    /// A waiting command was replayed.
    WaitingDone {
        /// What it named.
        value: String,
        /// Row identity.
        id: [u8; 16],
    },
}

const BATCH_THERE: &str = "SELECT id FROM batch WHERE id = $1";
/// Waits for those whose codes become units just now, and keeps others waiting.
const BATCH_ALONE: &str = "UPDATE batch SET record = record WHERE id = $1";
const CODE_FREE: &str = "SELECT id FROM batch WHERE id = $1 \
    AND NOT EXISTS (SELECT 1 FROM unit WHERE number = $2)";
const REFERENCE_SAME: &str = "SELECT value FROM version WHERE name = 'reference' AND value = $1";
const REFERENCE_BUMP: &str =
    "UPDATE version SET value = value + 1 WHERE name = 'reference' AND value = $1";
const UNIT_GUARD: &str = "UPDATE unit SET revision = revision + 1, recorded_at = $3 \
    WHERE number = $1 AND revision = $2";
const PACK_GUARD: &str = "UPDATE pack SET revision = revision + 1, recorded_at = $3, \
    stirred_at = CASE WHEN stirred_at > $4 THEN stirred_at ELSE $4 END \
    WHERE number = $1 AND revision = $2";
const PACK_OPENED: &str = "UPDATE pack SET recorded_at = $2, stirred_at = $3 WHERE number = $1";
const DRAW: &str = "UPDATE draw SET next_number = $3 WHERE batch_id = $1 AND next_number = $2";
const EVENT_ADD: &str = "INSERT INTO event (home, id, brand_id, kind, happened_at, recorded_at, \
    canonical) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const UNSEALED_ADD: &str = "INSERT INTO unsealed (home, event_id, leaf) VALUES ($1, $2, $3)";
/// One that stands at the least grade that alerts gives way to a surer finding.
const ALERT_ADD: &str = "INSERT INTO alert (home, dedup_key, brand_id, kind, grade, event_id, \
    due_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (home, dedup_key) DO UPDATE SET \
    grade = excluded.grade, event_id = excluded.event_id, due_at = excluded.due_at, \
    withdrawn_at = NULL WHERE alert.withdrawn_at IS NOT NULL \
    OR alert.grade = $8 AND excluded.grade <> $8";
const ALERT_WITHDRAW: &str = "UPDATE alert SET withdrawn_at = $4 WHERE home = $1 AND \
    event_id = $2 AND kind = $3";
const OUTBOX_ADD: &str =
    "INSERT INTO outbox (home, id, topic, content, due_at) VALUES ($1, $2, $3, $4, $5)";
/// Only an answer whose time is over is replaced; that a living one is there changes no row.
const IDEMPOTENCY_ADD: &str = "INSERT INTO idempotency (home, scope, content, status, reply, \
    expires_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, home) DO UPDATE SET \
    content = excluded.content, status = excluded.status, reply = excluded.reply, \
    expires_at = excluded.expires_at WHERE idempotency.expires_at <= $7";
pub(crate) const OBSERVATION_ADD: &str =
    "INSERT INTO observation (home, id, sealed, expires_at) VALUES ($1, $2, $3, $4)";
const PROOF_TRY_ADD: &str = "INSERT INTO proof_try (unit, id, batch_id, visitor, tried_at, \
    succeeded) VALUES ($1, $2, $3, $4, $5, $6)";
const WAITING_ADD: &str = "INSERT INTO waiting (value, id, sealed, received_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (value, id) DO UPDATE SET sealed = excluded.sealed, \
    received_at = excluded.received_at, expires_at = excluded.expires_at \
    WHERE waiting.expires_at <= excluded.received_at";
const WAITING_DONE: &str = "DELETE FROM waiting WHERE value = $1 AND id = $2";
const SUBJECT_COLUMNS: &[&str] = &["subject", "event_id", "home", "content"];

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    BATCH_THERE,
    BATCH_ALONE,
    CODE_FREE,
    REFERENCE_SAME,
    REFERENCE_BUMP,
    UNIT_GUARD,
    PACK_GUARD,
    PACK_OPENED,
    DRAW,
    EVENT_ADD,
    UNSEALED_ADD,
    ALERT_ADD,
    ALERT_WITHDRAW,
    OUTBOX_ADD,
    IDEMPOTENCY_ADD,
    OBSERVATION_ADD,
    PROOF_TRY_ADD,
    WAITING_ADD,
    WAITING_DONE,
];

impl Store {
    /// Applies a commit whole or not at all; `Ok` means it is on stable storage.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: something it relied on has moved; load and decide again.
    /// [`StoreError::Duplicate`]: a once-only fact or identifier is already there.
    pub async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        if let Some(change) = crate::audit::unrecorded(commit) {
            return Err(StoreError::Record(format!("no audit record tells of {change}")));
        }
        let plan = plan(commit, &self.blind)?;
        self.engine.write(plan).await.map_err(|error| match error {
            WriteError::Conflict { relied_on } => StoreError::Conflict(relied_on),
            WriteError::Duplicate { constraint, .. } => StoreError::Duplicate(constraint),
            other => StoreError::Write(other),
        })
    }
}

/// The statements of a commit, in order.
pub(crate) fn plan(commit: &Commit, blind: &BlindKey) -> Result<Plan, StoreError> {
    let mut steps = Vec::with_capacity(16);
    // The latest, so that whatever is said next of these units is recorded after all of it.
    let recorded_at = commit.events.iter().map(|e| e.recorded_at).max().unwrap_or(0);
    // Whatever touches a pack relies on it, so this is never earlier than what it touched.
    let stirred_at = commit.events.iter().map(|e| e.happened_at).fold(commit.stirred_at, i64::max);
    guards(commit, (recorded_at, stirred_at), &mut steps);
    for event in &commit.events {
        let sealed = seal(event, blind).map_err(|e| StoreError::Record(e.to_string()))?;
        ledger(event, sealed, &mut steps);
        project(event, &|n| commit.known.contains(&n), &mut steps);
        if let Body::FindingWithdrawn { finding, finding_kind, .. } = &event.body {
            let finding = crate::canonical::unhex(finding).unwrap_or_default();
            let params =
                [event.home.into(), finding.into(), finding_kind.into(), recorded_at.into()];
            steps.push(Step::run(ALERT_WITHDRAW, params.to_vec()));
        }
    }
    steps.extend(opened(commit, (recorded_at, stirred_at)));
    for change in &commit.reference {
        change.steps(&mut steps);
    }
    beside(commit, &mut steps);
    Ok(Plan::new(steps))
}

/// A pack that the commit opens has no revision to rely on, though later events of the commit may
/// touch it: it learns of them as the packs relied on do.
fn opened(commit: &Commit, (recorded_at, stirred_at): (i64, i64)) -> impl Iterator<Item = Step> {
    let opens = |event: &&Event| matches!(event.body, Body::Packed { opens: true, .. });
    let behind = move |e: &&Event| e.recorded_at < recorded_at || e.happened_at < stirred_at;
    let opened = commit.events.iter().filter(opens).filter(behind);
    opened.map(move |event| {
        let params = vec![event.home.into(), recorded_at.into(), stirred_at.into()];
        Step::run(PACK_OPENED, params)
    })
}

fn guards(commit: &Commit, (recorded_at, stirred_at): (i64, i64), steps: &mut Vec<Step>) {
    for relied in &commit.relies_on {
        let step = match *relied {
            Relied::Reference(version) if commit.reference.is_empty() => {
                // No lock: a change committed right after simply comes later.
                Step::seen(REFERENCE_SAME, vec![version.into()], "reference")
            }
            Relied::BatchBound(batch) => Step::found(BATCH_THERE, vec![batch.into()], "batch"),
            Relied::CodeFree { number, batch } => {
                steps.push(Step::change_one(BATCH_ALONE, vec![batch.into()], "batch"));
                Step::seen(CODE_FREE, vec![batch.into(), number.into()], "code")
            }
            Relied::Reference(version) | Relied::ReferenceMoves(version) => {
                Step::change_one(REFERENCE_BUMP, vec![version.into()], "reference")
            }
            Relied::Unit { number, revision } => {
                let params = vec![number.into(), revision.into(), recorded_at.into()];
                Step::change_one(UNIT_GUARD, params, "unit")
            }
            Relied::Pack { number, revision } => {
                let params =
                    vec![number.into(), revision.into(), recorded_at.into(), stirred_at.into()];
                Step::change_one(PACK_GUARD, params, "pack")
            }
        };
        steps.push(step);
    }
    for draw in &commit.draws {
        let params = vec![draw.batch.into(), draw.expected.into(), draw.next.into()];
        steps.push(Step::change_one(DRAW, params, "draw"));
    }
}

fn ledger(event: &Event, sealed: Sealed, steps: &mut Vec<Step>) {
    let id: Value = event.id.0.into();
    steps.push(Step::run(
        EVENT_ADD,
        vec![
            event.home.into(),
            id.clone(),
            event.brand.0.into(),
            event.body.kind().into(),
            event.happened_at.into(),
            event.recorded_at.into(),
            sealed.canonical.into(),
        ],
    ));
    steps.push(Step::run(UNSEALED_ADD, vec![event.home.into(), id.clone(), sealed.leaf.into()]));
    if !event.subjects.is_empty() {
        let rows = event.subjects.iter().zip(sealed.rows).flat_map(|(subject, row)| {
            [subject.number.into(), id.clone(), event.home.into(), row.into()]
        });
        steps.push(Step::Bulk {
            table: "event_subject",
            columns: SUBJECT_COLUMNS,
            values: rows.collect(),
        });
    }
}

fn beside(commit: &Commit, steps: &mut Vec<Step>) {
    for a in &commit.alerts {
        let params: [Value; 8] = [
            a.home.into(),
            (&a.dedup_key).into(),
            a.brand.into(),
            (&a.kind).into(),
            (&a.grade).into(),
            a.event.into(),
            a.due_at.into(),
            FindingGrade::LEAST_ALERTED.as_str().into(),
        ];
        steps.push(Step::run(ALERT_ADD, params.to_vec()));
    }
    for o in &commit.outbox {
        let params: [Value; 5] =
            [o.home.into(), o.id.into(), o.topic.into(), (&o.content).into(), o.due_at.into()];
        steps.push(Step::run(OUTBOX_ADD, params.to_vec()));
    }
    if let Some(i) = &commit.idempotency {
        let params: [Value; 7] = [
            i.home.into(),
            i.scope.into(),
            i.content.into(),
            i.status.into(),
            (&i.reply).into(),
            i.expires_at.into(),
            i.decided_at.into(),
        ];
        steps.push(Step::change_one(IDEMPOTENCY_ADD, params.to_vec(), "idempotency"));
    }
    for o in &commit.observations {
        let params: [Value; 4] =
            [o.home.into(), o.id.into(), o.sealed.clone().into(), o.expires_at.into()];
        steps.push(Step::run(OBSERVATION_ADD, params.to_vec()));
    }
    steps.extend(commit.sides.iter().map(side));
    commit.persons.iter().for_each(|change| change.steps(steps));
    steps.extend(commit.retention.iter().map(RetentionRun::step));
    steps.extend(commit.looks_dropped.iter().flat_map(|unit| crate::trace::looks_drop(*unit)));
    crate::people::steps(commit, steps);
    crate::case::steps(commit, steps);
}

fn side(side: &Side) -> Step {
    match side {
        Side::ProofTry { unit, id, batch, visitor, tried_at, succeeded } => Step::run(
            PROOF_TRY_ADD,
            vec![
                (*unit).into(),
                (*id).into(),
                (*batch).into(),
                visitor.clone().into(),
                (*tried_at).into(),
                (*succeeded).into(),
            ],
        ),
        Side::Waiting { value, id, sealed, received_at, expires_at } => Step::run(
            WAITING_ADD,
            vec![
                value.into(),
                (*id).into(),
                sealed.clone().into(),
                (*received_at).into(),
                (*expires_at).into(),
            ],
        ),
        Side::WaitingDone { value, id } => {
            Step::change_one(WAITING_DONE, vec![value.into(), (*id).into()], "waiting")
        }
    }
}
