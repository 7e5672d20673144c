//! When API keys were last used, beside the reference rows: a use moves no version, or every
//! process would read all of them again whenever a key is used.

use crate::engine::{Plan, Row, Step};
use crate::{Store, StoreError};

/// A key and the latest instant it is known to have been used at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The tenant.
    pub brand: i64,
    /// Public half of the key.
    pub id: String,
    /// Microseconds.
    pub used_at: i64,
}

const USE_PUT: &str = "INSERT INTO api_key_use (brand_id, id, used_at) VALUES ($1, $2, $3) \
    ON CONFLICT (brand_id, id) DO UPDATE SET used_at = CASE \
    WHEN excluded.used_at > api_key_use.used_at THEN excluded.used_at \
    ELSE api_key_use.used_at END";
const USES: &str = "SELECT id, used_at FROM api_key_use WHERE brand_id = $1 ORDER BY id";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[USE_PUT, USES];

impl Store {
    /// Writes uses down, all or none. An earlier use than the one known moves nothing.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn key_uses_put(&self, mut uses: Vec<KeyUse>) -> Result<(), StoreError> {
        // In one order, so that two processes never wait for each other's rows.
        uses.sort_by(|a, b| (a.brand, &a.id).cmp(&(b.brand, &b.id)));
        let step =
            |u: KeyUse| Step::run(USE_PUT, vec![u.brand.into(), u.id.into(), u.used_at.into()]);
        let plan = Plan::new(uses.into_iter().map(step).collect());
        self.engine.write(plan).await.map_err(StoreError::Write)
    }

    /// The uses known of a brand's keys.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn key_uses(&self, brand: i64) -> Result<Vec<KeyUse>, StoreError> {
        let used = |row: &Row<'_>| Ok(KeyUse { brand, id: row.text(0)?, used_at: row.int(1)? });
        Ok(self.engine.query(USES, &[brand.into()], used).await?)
    }
}
