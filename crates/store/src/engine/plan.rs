//! What is to be written: a plan is data, all of which happens or none.

use super::value::Value;

/// Steps that are done in order, all or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// One statement, or many rows for one table.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// One statement without `RETURNING`.
    Run {
        /// The statement, with `$1..$n`.
        sql: &'static str,
        /// One value for each parameter.
        params: Vec<Value>,
        /// What must be true of its result.
        expect: Expect,
    },
    /// Plain inserts: binary `COPY` on PostgreSQL when there are many, a prepared loop on SQLite.
    Bulk {
        /// The table.
        table: &'static str,
        /// The columns that every row gives.
        columns: &'static [&'static str],
        /// Row after row in one flat list; its length is a multiple of the number of columns.
        values: Vec<Value>,
    },
}

/// What a step relies on. A disappointed step makes the whole plan a `Conflict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// Exactly so many rows are changed.
    Changes(u64, &'static str),
    /// The statement is a plain SELECT from tables (no aggregate, no UNION) and returns at least
    /// one row. The rows it returns stay as they are until the plan is committed: on PostgreSQL
    /// the engine appends `FOR SHARE`. That a row is *absent* cannot be relied on this way; use a
    /// unique constraint.
    Found(&'static str),
    /// As `Found`, but without a lock: the rows may change right after. For what a plan may precede
    /// in any order, such as a version row that hot plans would otherwise all queue up on.
    Seen(&'static str),
}

impl Plan {
    /// A plan of these steps.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// A rough count of the row operations in the plan, for bounding a group of plans.
    pub(super) fn weight(&self) -> usize {
        self.steps.iter().map(Step::weight).sum()
    }
}

impl Step {
    /// A statement of which nothing is expected.
    pub fn run(sql: &'static str, params: Vec<Value>) -> Self {
        Self::Run { sql, params, expect: Expect::Any }
    }

    /// A statement that must change exactly one row, or the plan conflicts over `relied_on`.
    pub fn change_one(sql: &'static str, params: Vec<Value>, relied_on: &'static str) -> Self {
        Self::Run { sql, params, expect: Expect::Changes(1, relied_on) }
    }

    /// A SELECT that must find something, or the plan conflicts over `relied_on`.
    pub fn found(sql: &'static str, params: Vec<Value>, relied_on: &'static str) -> Self {
        Self::Run { sql, params, expect: Expect::Found(relied_on) }
    }

    /// A SELECT that must see something now, without locking it.
    pub fn seen(sql: &'static str, params: Vec<Value>, relied_on: &'static str) -> Self {
        Self::Run { sql, params, expect: Expect::Seen(relied_on) }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Run { .. } => 1,
            Self::Bulk { columns, values, .. } => values.len() / columns.len().max(1),
        }
    }
}
