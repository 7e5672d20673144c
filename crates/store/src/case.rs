//! Cases: files about one party, the units they are about, and what was said in them, sealed.
//! Changes go through [`Store::commit`] and only together with their record in the ledger, as those
//! of reference rows do. They are no reference rows: there may be many, and no version moves.
//!
//! Nothing here is opened. Instants are microseconds.

use crate::commit::Commit;
use crate::engine::{DecodeError, Row, Step, Value};
use crate::{Store, StoreError};

/// What a case is called: random, so that it tells nothing of how many others there are.
pub type CaseId = [u8; 8];

/// A case as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// Random.
    pub id: CaseId,
    /// The tenant.
    pub brand: i64,
    /// The party it is about.
    pub party: i64,
    /// The state's word.
    pub state: String,
    /// How it ended, while it is closed.
    pub outcome: Option<String>,
    /// When it was opened.
    pub opened_at: i64,
    /// When it was closed, while it is.
    pub closed_at: Option<i64>,
    /// The last day on which the party may answer, `YYYY-MM-DD`.
    pub answer_by: Option<String>,
    /// Units it is about.
    pub unit_count: i64,
    /// Entries written; the number of the last.
    pub entry_count: i64,
    /// Moves with every change.
    pub revision: i64,
}

/// An entry of a case as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// The case.
    pub case: CaseId,
    /// Its place in the case, from 1 on.
    pub number: i64,
    /// The tenant.
    pub brand: i64,
    /// The kind's word.
    pub kind: String,
    /// For which party it was said.
    pub party: i64,
    /// Who said it: `key:ID`, `account:ID`, `cli`.
    pub actor: String,
    /// When.
    pub said_at: i64,
    /// The words, sealed; none once they were forgotten.
    pub sealed: Option<Vec<u8>>,
}

/// The open case a unit stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCase {
    /// Which.
    pub case: CaseId,
    /// The party it is about.
    pub party: i64,
}

/// Which cases.
#[derive(Clone, Debug)]
pub struct CasesAsked {
    /// The tenant.
    pub brand: i64,
    /// About this party alone.
    pub party: Option<i64>,
    /// In this state alone.
    pub state: Option<String>,
    /// Opened from this instant on.
    pub since: i64,
    /// What comes after this one: when it was opened, and its identity.
    pub after: Option<(i64, CaseId)>,
    /// How many.
    pub most: i64,
}

/// A change of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseChange {
    /// A case is opened.
    Opened(CaseRow),
    /// A case changes that was at this revision.
    Moved(CaseRow, i64),
    /// Units come to stand in a case from an instant on.
    Units(CaseId, i64, Vec<i64>, i64),
    /// Units stand in this open case and in no other.
    Claimed(CaseRow, Vec<i64>),
    /// The case is open no more: its units may stand in another.
    Freed(CaseId),
    /// Something is said.
    Said(EntryRow),
    /// Until when the words of a case are kept, none while it is open; said at an instant, by which
    /// words whose time was over stay so.
    Kept(CaseId, Option<i64>, i64),
}

impl CaseChange {
    /// Kind and code of the object whose record must be in the same commit.
    pub(crate) fn recorded_as(&self) -> (&'static str, String) {
        let id = match self {
            Self::Opened(row) | Self::Moved(row, _) | Self::Claimed(row, _) => &row.id,
            Self::Units(id, ..) | Self::Freed(id) | Self::Kept(id, ..) => id,
            Self::Said(entry) => &entry.case,
        };
        ("case", crate::canonical::hex(id))
    }

    fn steps(&self, steps: &mut Vec<Step>) {
        match self {
            Self::Opened(row) => steps.push(opened(row)),
            Self::Moved(row, was) => {
                let params: [Value; 9] = [
                    blob(&row.id),
                    (*was).into(),
                    (&row.state).into(),
                    row.outcome.clone().into(),
                    row.closed_at.into(),
                    row.answer_by.clone().into(),
                    row.unit_count.into(),
                    row.entry_count.into(),
                    row.revision.into(),
                ];
                steps.push(Step::change_one(CASE_MOVE, params.to_vec(), "case"));
            }
            Self::Units(id, brand, units, at) => {
                let values = units
                    .iter()
                    .flat_map(|unit| [blob(id), (*unit).into(), (*brand).into(), (*at).into()]);
                let (table, columns, values) = ("case_unit", UNIT_COLUMNS, values.collect());
                steps.push(Step::Bulk { table, columns, values });
            }
            Self::Claimed(row, units) => {
                let values = units.iter().flat_map(|unit| {
                    [(*unit).into(), blob(&row.id), row.brand.into(), row.party.into()]
                });
                let (table, columns, values) = ("case_open", OPEN_COLUMNS, values.collect());
                steps.push(Step::Bulk { table, columns, values });
            }
            Self::Freed(id) => steps.push(Step::run(OPEN_FREE, vec![blob(id)])),
            Self::Said(entry) => steps.push(said(entry)),
            Self::Kept(id, until, now) => {
                let params = vec![blob(id), (*until).into(), (*now).into()];
                steps.push(Step::run(ENTRIES_KEEP, params));
            }
        }
    }
}

pub(crate) fn steps(commit: &Commit, steps: &mut Vec<Step>) {
    commit.cases.iter().for_each(|change| change.steps(steps));
}

fn blob(id: &CaseId) -> Value {
    id.to_vec().into()
}

fn opened(row: &CaseRow) -> Step {
    let params: [Value; 11] = [
        blob(&row.id),
        row.brand.into(),
        row.party.into(),
        (&row.state).into(),
        row.outcome.clone().into(),
        row.opened_at.into(),
        row.closed_at.into(),
        row.answer_by.clone().into(),
        row.unit_count.into(),
        row.entry_count.into(),
        row.revision.into(),
    ];
    Step::run(CASE_ADD, params.to_vec())
}

fn said(entry: &EntryRow) -> Step {
    let params: [Value; 8] = [
        blob(&entry.case),
        entry.number.into(),
        entry.brand.into(),
        (&entry.kind).into(),
        entry.party.into(),
        (&entry.actor).into(),
        entry.said_at.into(),
        entry.sealed.clone().into(),
    ];
    Step::run(ENTRY_ADD, params.to_vec())
}

const UNIT_COLUMNS: &[&str] = &["case_id", "unit", "brand_id", "added_at"];
const OPEN_COLUMNS: &[&str] = &["unit", "case_id", "brand_id", "party_id"];
const CASE_ADD: &str = "INSERT INTO case_file (id, brand_id, party_id, state, outcome, opened_at, \
    closed_at, answer_by, unit_count, entry_count, revision) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const CASE_MOVE: &str = "UPDATE case_file SET state = $3, outcome = $4, closed_at = $5, \
    answer_by = $6, unit_count = $7, entry_count = $8, revision = $9 \
    WHERE id = $1 AND revision = $2";
const OPEN_FREE: &str = "DELETE FROM case_open WHERE case_id = $1";
const ENTRY_ADD: &str = "INSERT INTO case_entry (case_id, number, brand_id, kind, party_id, actor, \
    said_at, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const ENTRIES_KEEP: &str = "UPDATE case_entry SET expires_at = $2 WHERE case_id = $1 AND \
    sealed IS NOT NULL AND (expires_at IS NULL OR expires_at > $3)";

macro_rules! case_columns {
    () => {
        "id, brand_id, party_id, state, outcome, opened_at, closed_at, answer_by, unit_count, \
         entry_count, revision"
    };
}
/// `$1` brand, `$2` state or none, `$3` since, `$4` and `$5` the place before, `$6` how many, `$7`
/// the party where one is asked for.
macro_rules! cases {
    ($party:literal) => {
        concat!(
            "SELECT ",
            case_columns!(),
            " FROM case_file WHERE brand_id = $1 AND ($2 = '' OR state = $2) AND opened_at >= $3 \
             AND opened_at <= $4 AND (opened_at < $4 OR id < $5)",
            $party,
            " ORDER BY opened_at DESC, id DESC LIMIT $6"
        )
    };
}
const CASE: &str = concat!("SELECT ", case_columns!(), " FROM case_file WHERE id = $1");
const CASES: &str = cases!("");
const CASES_OF: &str = cases!(" AND party_id = $7");
const UNITS: &str = "SELECT unit FROM case_unit WHERE case_id = $1 ORDER BY unit";
const ENTRIES: &str = "SELECT case_id, number, brand_id, kind, party_id, actor, said_at, \
    CASE WHEN expires_at <= $2 THEN NULL ELSE sealed END \
    FROM case_entry WHERE case_id = $1 ORDER BY number";
const OPEN_OF: &str = "SELECT case_id, party_id FROM case_open WHERE unit = $1";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    CASE_ADD,
    CASE_MOVE,
    OPEN_FREE,
    ENTRY_ADD,
    ENTRIES_KEEP,
    CASE,
    CASES,
    CASES_OF,
    UNITS,
    ENTRIES,
    OPEN_OF,
];

pub(crate) fn id_at(row: &Row<'_>, column: usize) -> Result<CaseId, DecodeError> {
    let bytes = row.bytes(column)?;
    CaseId::try_from(bytes).map_err(|_| DecodeError::new(column, "an identity", "other bytes"))
}

fn case(r: &Row<'_>) -> Result<CaseRow, DecodeError> {
    Ok(CaseRow {
        id: id_at(r, 0)?,
        brand: r.int(1)?,
        party: r.int(2)?,
        state: r.text(3)?,
        outcome: r.opt_text(4)?,
        opened_at: r.int(5)?,
        closed_at: r.opt_int(6)?,
        answer_by: r.opt_text(7)?,
        unit_count: r.int(8)?,
        entry_count: r.int(9)?,
        revision: r.int(10)?,
    })
}

fn entry(r: &Row<'_>) -> Result<EntryRow, DecodeError> {
    Ok(EntryRow {
        case: id_at(r, 0)?,
        number: r.int(1)?,
        brand: r.int(2)?,
        kind: r.text(3)?,
        party: r.int(4)?,
        actor: r.text(5)?,
        said_at: r.int(6)?,
        sealed: r.opt_bytes(7)?,
    })
}

impl Store {
    /// A case, of whatever brand.
    ///
    /// # Errors
    /// The store cannot be read; so for every read below.
    pub async fn case_fetch(&self, id: &CaseId) -> Result<Option<CaseRow>, StoreError> {
        Ok(self.engine.query_first(CASE, &[blob(id)], case).await?)
    }

    /// Cases, those opened last first; those of one instant by their identity, backwards: so it is
    /// a walk along an index.
    pub async fn cases_fetch(&self, asked: &CasesAsked) -> Result<Vec<CaseRow>, StoreError> {
        // Before the first page nothing was seen: every row comes after the end of time.
        let (at, id) = asked.after.map_or((i64::MAX, Vec::new()), |(at, id)| (at, id.to_vec()));
        let mut params: Vec<Value> = vec![
            asked.brand.into(),
            asked.state.clone().unwrap_or_default().into(),
            asked.since.into(),
            at.into(),
            id.into(),
            asked.most.into(),
        ];
        params.extend(asked.party.map(Value::from));
        let sql = if asked.party.is_some() { CASES_OF } else { CASES };
        Ok(self.engine.query(sql, &params, case).await?)
    }

    /// The units a case is about, by number.
    pub async fn case_units(&self, id: &CaseId) -> Result<Vec<i64>, StoreError> {
        Ok(self.engine.query(UNITS, &[blob(id)], |r| r.int(0)).await?)
    }

    /// What was said in a case, the first first, without words whose time is over at `now`.
    pub async fn case_entries(&self, id: &CaseId, now: i64) -> Result<Vec<EntryRow>, StoreError> {
        Ok(self.engine.query(ENTRIES, &[blob(id), now.into()], entry).await?)
    }

    /// The open case a unit stands in.
    pub async fn case_open_of(&self, unit: i64) -> Result<Option<OpenCase>, StoreError> {
        let map = |r: &Row<'_>| Ok(OpenCase { case: id_at(r, 0)?, party: r.int(1)? });
        Ok(self.engine.query_first(OPEN_OF, &[unit.into()], map).await?)
    }
}
