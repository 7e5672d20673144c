//! What a healthy store must look like: rows that lean on other rows find them there. There are no
//! foreign keys, because the groups of tables may live on different machines.

use crate::{Store, StoreError};

const SCHEMA: &str = "SELECT MAX(version) FROM schema_history";
const LAST_RECORDED: &str = "SELECT MAX(recorded_at) FROM event";
const UNIT_COUNT: &str = "SELECT COUNT(*) FROM unit WHERE brand_id = $1";

const IDENTIFIERS: &str = "SELECT COUNT(*) FROM identifier i WHERE i.scheme <> 'sscc' AND \
    NOT EXISTS (SELECT 1 FROM unit u WHERE u.number = i.unit)";
const SSCCS: &str = "SELECT COUNT(*) FROM identifier i WHERE i.scheme = 'sscc' AND \
    NOT EXISTS (SELECT 1 FROM pack p WHERE p.number = i.unit)";
const ROWS: &str = "SELECT COUNT(*) FROM event_subject s WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = s.home AND e.id = s.event_id)";
const ACTIVATIONS: &str = "SELECT COUNT(*) FROM activation a WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = a.unit AND e.id = a.event_id)";
const FINDINGS: &str = "SELECT COUNT(*) FROM finding f WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = f.unit AND e.id = f.event_id)";
const PARENTS: &str = "SELECT COUNT(*) FROM containment c WHERE \
    NOT EXISTS (SELECT 1 FROM pack p WHERE p.number = c.parent)";
const HOLDS: &str = "SELECT COUNT(*) FROM hold h WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = h.subject AND e.id = h.event_id)";
const LEAVES: &str = "SELECT COUNT(*) FROM unsealed n WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = n.home AND e.id = n.event_id)";

const ENTRIES: &str = "SELECT COUNT(*) FROM sealed n WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = n.home AND e.id = n.event_id)";

const CHANGES: &str = "SELECT COUNT(*) FROM audit_change c WHERE \
    NOT EXISTS (SELECT 1 FROM event e WHERE e.home = c.home AND e.id = c.event_id)";

const CASE_ENTRIES: &str = "SELECT COUNT(*) FROM case_entry n WHERE \
    NOT EXISTS (SELECT 1 FROM case_file f WHERE f.id = n.case_id)";
const CASE_OPEN: &str = "SELECT COUNT(*) FROM case_open o WHERE \
    NOT EXISTS (SELECT 1 FROM case_file f WHERE f.id = o.case_id AND f.state <> 'closed')";

/// What leans on what, and the count of rows that find nothing to lean on.
const LEANS: &[(&str, &str)] = &[
    ("identifiers without their unit", IDENTIFIERS),
    ("SSCCs without their pack", SSCCS),
    ("event rows without their event", ROWS),
    ("activations without their event", ACTIVATIONS),
    ("findings without their event", FINDINGS),
    ("packed things without their pack", PARENTS),
    ("custody without its event", HOLDS),
    ("unsealed leaves without their event", LEAVES),
    ("entries of the log without their event", ENTRIES),
    ("audit records without their event", CHANGES),
    ("entries without their case", CASE_ENTRIES),
    ("units held by a case that is not open", CASE_OPEN),
];

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    SCHEMA,
    LAST_RECORDED,
    UNIT_COUNT,
    IDENTIFIERS,
    SSCCS,
    ROWS,
    ACTIVATIONS,
    FINDINGS,
    PARENTS,
    HOLDS,
    LEAVES,
    ENTRIES,
    CHANGES,
    CASE_ENTRIES,
    CASE_OPEN,
];

impl Store {
    /// The schema step the database stands at.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        let version = self.engine.query_first(SCHEMA, &[], |r| r.opt_int(0)).await?;
        Ok(version.flatten().unwrap_or(0))
    }

    /// When the latest event was recorded, microseconds. A full look.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_recorded(&self) -> Result<Option<i64>, StoreError> {
        let last = self.engine.query_first(LAST_RECORDED, &[], |r| r.opt_int(0)).await?;
        Ok(last.flatten())
    }

    /// How many units a brand has. A full count: for reports, not for pages.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn unit_count(&self, brand: i64) -> Result<i64, StoreError> {
        let count = self.engine.query_first(UNIT_COUNT, &[brand.into()], |r| r.int(0)).await?;
        Ok(count.unwrap_or(0))
    }

    /// Rows that lean on rows that are not there, by kind. Full scans.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn strays(&self) -> Result<Vec<(&'static str, i64)>, StoreError> {
        let mut strays = Vec::with_capacity(LEANS.len());
        for (name, sql) in LEANS {
            let count = self.engine.query_first(sql, &[], |r| r.int(0)).await?;
            strays.push((*name, count.unwrap_or(0)));
        }
        Ok(strays)
    }
}
