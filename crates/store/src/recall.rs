//! Recalls: one reference row each, whatever it selects; and which units were remedied, a
//! projection of events, read only of units that a recall selects.

use crate::{Store, StoreError};
use domain::recall::{RecallState, Selector, Stretch};
use serde::{Deserialize, Serialize};

/// A recall as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecallRow {
    /// Its number, unique in the deployment.
    pub id: i64,
    /// The tenant.
    pub brand: i64,
    /// What it is called, in Chinese.
    pub title_zh: String,
    /// In English, may be empty.
    pub title_en: String,
    /// What is wrong, in Chinese.
    pub reason_zh: String,
    /// In English, may be empty.
    pub reason_en: String,
    /// What the owner should do, in Chinese.
    pub action_zh: String,
    /// In English, may be empty.
    pub action_en: String,
    /// Address of the published notice.
    pub link: Option<String>,
    /// Which units.
    pub selector: SelectorRecord,
    /// When it was opened, microseconds.
    pub opened_at: i64,
    /// When work on it ended.
    pub closed_at: Option<i64>,
    /// `open`, `closed`, `withdrawn`.
    pub state: String,
    /// What was said when it was closed.
    #[serde(default)]
    pub closing: String,
}

impl RecallRow {
    /// Where it stands.
    pub fn standing(&self) -> RecallState {
        // A word nobody knows keeps the warning.
        RecallState::parse(&self.state).unwrap_or(RecallState::Open)
    }
}

/// A selector as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SelectorRecord {
    /// Of a batch of codes.
    Batch {
        /// Its number.
        batch: i64,
    },
    /// Of a production lot, or a stretch of it.
    Lot {
        /// The product.
        product: i64,
        /// The lot.
        lot: String,
        /// First serial number.
        sn_first: Option<String>,
        /// Last serial number.
        sn_last: Option<String>,
        /// Made at or after, microseconds.
        from_at: Option<i64>,
        /// Made at or before, microseconds.
        to_at: Option<i64>,
    },
    /// These.
    Units {
        /// By number, ascending.
        numbers: Vec<i64>,
    },
    /// With one of these parts.
    Parts {
        /// Canonical, ascending.
        serials: Vec<String>,
    },
    /// With a part of this component lot.
    PartLot {
        /// How its serial numbers begin, canonical.
        prefix: String,
    },
}

impl From<&Selector> for SelectorRecord {
    fn from(selector: &Selector) -> Self {
        match selector {
            Selector::Batch(batch) => Self::Batch { batch: batch.0 },
            Selector::Lot { product, lot, stretch } => Self::Lot {
                product: product.0,
                lot: lot.clone(),
                sn_first: stretch.serials.as_ref().map(|(first, _)| first.clone()),
                sn_last: stretch.serials.as_ref().map(|(_, last)| last.clone()),
                from_at: stretch.from_at.map(|at| at.as_microsecond()),
                to_at: stretch.to_at.map(|at| at.as_microsecond()),
            },
            Selector::Units(numbers) => Self::Units { numbers: numbers.clone() },
            Selector::Parts(serials) => Self::Parts { serials: serials.clone() },
            Selector::PartLot(prefix) => Self::PartLot { prefix: prefix.clone() },
        }
    }
}

impl From<&SelectorRecord> for Selector {
    fn from(record: &SelectorRecord) -> Self {
        use domain::id::{BatchId, ProductId};
        let instant = |at: i64| jiff::Timestamp::from_microsecond(at).unwrap_or_default();
        match record {
            SelectorRecord::Batch { batch } => Self::Batch(BatchId(*batch)),
            SelectorRecord::Lot { product, lot, sn_first, sn_last, from_at, to_at } => Self::Lot {
                product: ProductId(*product),
                lot: lot.clone(),
                stretch: Stretch {
                    serials: sn_first.clone().zip(sn_last.clone()),
                    from_at: from_at.map(instant),
                    to_at: to_at.map(instant),
                },
            },
            SelectorRecord::Units { numbers } => Self::Units(numbers.clone()),
            SelectorRecord::Parts { serials } => Self::Parts(serials.clone()),
            SelectorRecord::PartLot { prefix } => Self::PartLot(prefix.clone()),
        }
    }
}

pub(crate) const RECALLS: &str = "SELECT record FROM recall ORDER BY id";
pub(crate) const RECALL_PUT: &str = "INSERT INTO recall (id, brand_id, record) \
    VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const REMEDIES_OF: &str = "SELECT recall_id, at FROM recall_remedy WHERE unit = $1";
const REMEDIES_BETWEEN: &str = "SELECT unit FROM recall_remedy WHERE unit >= $1 AND unit <= $2 \
    AND recall_id = $3";
const PARTS_FROM: &str = "SELECT value, unit FROM identifier WHERE value >= $1 AND value < $2 \
    AND scheme = 'part' AND scope = $3 ORDER BY value LIMIT $4";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] =
    &[RECALLS, RECALL_PUT, REMEDIES_OF, REMEDIES_BETWEEN, PARTS_FROM];

impl Store {
    /// The recalls that a unit was remedied under, and when.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn remedies_of(&self, unit: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        let map = |r: &crate::engine::Row<'_>| Ok((r.int(0)?, r.int(1)?));
        Ok(self.engine.query(REMEDIES_OF, &[unit.into()], map).await?)
    }

    /// Units from `first` to `last` that were remedied under a recall.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn remedied_between(
        &self,
        recall: i64,
        first: i64,
        last: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let params = [first.into(), last.into(), recall.into()];
        Ok(self.engine.query(REMEDIES_BETWEEN, &params, |r| r.int(0)).await?)
    }

    /// Parts of a brand from `from` up to but without `end`, in the order of their serial numbers,
    /// each with the unit it is built into.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn parts_between(
        &self,
        brand: i64,
        (from, end): (&str, &str),
        most: i64,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let params = [from.into(), end.into(), brand.into(), most.into()];
        let map = |r: &crate::engine::Row<'_>| Ok((r.text(0)?, r.int(1)?));
        Ok(self.engine.query(PARTS_FROM, &params, map).await?)
    }
}
