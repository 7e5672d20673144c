//! What a search looks up that no command does: what begins with a text, and the papers of a
//! number.

use crate::engine::Row;
use crate::{Store, StoreError};

/// A row of the directory of identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Canonical.
    pub value: String,
    /// Its scheme's word.
    pub scheme: String,
    /// The brand it is unique in, or 0.
    pub scope: i64,
    /// The unit or pack.
    pub unit: i64,
}

/// A paper from one party to another, with all it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperRow {
    /// The sender.
    pub from: i64,
    /// The receiver.
    pub to: i64,
    /// When the first of it left, microseconds.
    pub sent_at: i64,
    /// What it names.
    pub subject_count: i64,
}

/// The key of the table begins with the value, whose collation is that of bytes on both engines, so
/// this is a walk along it. It meets what other brands and schemes have there too: the caller says
/// how far it goes.
const LISTED: &str = "SELECT value, scheme, scope, unit FROM identifier \
    WHERE value >= $1 AND value < $2 ORDER BY value LIMIT $3";
const PAPERS: &str = "SELECT from_party, to_party, MIN(happened_at), COUNT(*) FROM shipment \
    WHERE brand_id = $1 AND shipment_no = $2 GROUP BY from_party, to_party \
    ORDER BY from_party, to_party";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[LISTED, PAPERS];

impl Store {
    /// Identifiers from `from` up to but without `end`, in the order of their values.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn identifiers_between(
        &self,
        (from, end): (&str, &str),
        most: i64,
    ) -> Result<Vec<Listed>, StoreError> {
        let map = |r: &Row<'_>| {
            Ok(Listed { value: r.text(0)?, scheme: r.text(1)?, scope: r.int(2)?, unit: r.int(3)? })
        };
        Ok(self.engine.query(LISTED, &[from.into(), end.into(), most.into()], map).await?)
    }

    /// The papers of a brand under a number, what was taken back too.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn papers_fetch(
        &self,
        brand: i64,
        shipment_no: &str,
    ) -> Result<Vec<PaperRow>, StoreError> {
        let map = |r: &Row<'_>| {
            let (from, to) = (r.int(0)?, r.int(1)?);
            Ok(PaperRow { from, to, sent_at: r.int(2)?, subject_count: r.int(3)? })
        };
        Ok(self.engine.query(PAPERS, &[brand.into(), shipment_no.into()], map).await?)
    }
}
