//! Walking over many units in the order of their numbers, a page at a time: for reports, recalls
//! and exports, which must not hold more than a page in memory and may take a while. Numbers of one
//! batch lie side by side, so what belongs to a page of units is one stretch of each table.

use crate::custody::{Fact, fact, unit_number};
use crate::engine::{Row, Step, Value};
use crate::unit::{UnitRecord, unit};
use crate::{Store, StoreError};
use domain::custody::CustodyFacts;

macro_rules! units {
    ($more:literal) => {
        concat!(
            "SELECT number, brand_id, product_id, batch_id, sn, identifiers, born_hash, \
             produced_at, site_id, line, lot, inspection, disposition, life, activated_at, \
             region, fingerprint, suspect, recalled_at, stolen_at, retired_at, proof_at, \
             sold_on, recorded_at, revision, kit, invoiced_on, delivered_on \
             FROM unit \
             WHERE brand_id = $1 AND number > $2 AND number < $3",
            $more,
            " ORDER BY number LIMIT $4"
        )
    };
}
const UNITS_PAGE: &str = units!("");
const UNITS_PAGE_OF_LOT: &str = units!(" AND product_id = $5 AND lot = $6");
const CUSTODY_BETWEEN: &str = "SELECT parent, from_at, to_at, event_id, \
    CAST(NULL AS BIGINT) AS party_id, CAST(NULL AS BIGINT) AS from_party, '' AS kind, \
    CAST(0 AS BIGINT) AS presumed, CAST(NULL AS TEXT) AS shipment_no, \
    from_recorded_at AS recorded_at, to_recorded_at, child AS subject \
    FROM containment WHERE child >= $1 AND child <= $2 \
    UNION ALL \
    SELECT CAST(NULL AS BIGINT), at, CAST(NULL AS BIGINT), event_id, party_id, from_party, kind, \
    presumed, shipment_no, recorded_at, CAST(NULL AS BIGINT), subject \
    FROM hold WHERE subject >= $1 AND subject <= $2";
const SCANS_BETWEEN: &str = "SELECT unit, count, first_at FROM consumer_scan \
    WHERE unit >= $1 AND unit <= $2";
const SCANS_COUNT: &str = "SELECT CAST(SUM(n) AS BIGINT) FROM (\
    SELECT COUNT(*) AS n FROM scan WHERE unit = $1 UNION ALL \
    SELECT COUNT(*) FROM consumer_scan WHERE unit = $1) AS looks";
const SCANS_DROP: &str = "DELETE FROM scan WHERE unit = $1";
const CONSUMER_SCANS_DROP: &str = "DELETE FROM consumer_scan WHERE unit = $1";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    UNITS_PAGE,
    UNITS_PAGE_OF_LOT,
    CUSTODY_BETWEEN,
    SCANS_BETWEEN,
    SCANS_COUNT,
    SCANS_DROP,
    CONSUMER_SCANS_DROP,
];

/// Numbers between two units of a page may belong to others: where they lie further apart than
/// this, times their count, each is asked for by itself.
const SPARSE: i64 = 8;

/// Which units a page holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAsked<'a> {
    /// The tenant.
    pub brand: i64,
    /// Those behind this number.
    pub beyond: i64,
    /// Those before this number.
    pub end: i64,
    /// Of this product and production lot alone.
    pub lot: Option<(i64, &'a str)>,
    /// How many at most.
    pub most: i64,
}

impl Store {
    /// A page of units, in the order of their numbers.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn units_page(&self, asked: &PageAsked<'_>) -> Result<Vec<UnitRecord>, StoreError> {
        let mut params: Vec<Value> =
            vec![asked.brand.into(), asked.beyond.into(), asked.end.into(), asked.most.into()];
        let Some((product, lot)) = asked.lot else {
            return Ok(self.engine.query(UNITS_PAGE, &params, unit).await?);
        };
        params.extend([product.into(), lot.into()]);
        Ok(self.engine.query(UNITS_PAGE_OF_LOT, &params, unit).await?)
    }

    /// Adds what moved a page of units and the packs they were ever in. `facts` must know none of
    /// the units yet; of packs it may, and what it knows is not read again.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn custody_of_page(
        &self,
        numbers: &[i64],
        facts: &mut CustodyFacts,
    ) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else {
            return Ok(());
        };
        let count = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        if last - first >= count.saturating_mul(SPARSE) {
            return self.custody_fetch(numbers, facts).await;
        }
        let asked: std::collections::HashSet<i64> = numbers.iter().copied().collect();
        let found = self.facts_between(*first, *last).await?;
        let (mut holds, mut parents) = (Vec::new(), Vec::new());
        let mut packs = Vec::new();
        // Other subjects between them are not read whole: the packs around them are not followed.
        for (_, fact) in found.into_iter().filter(|(subject, _)| asked.contains(subject)) {
            match fact {
                Fact::Held(hold) => holds.push(hold),
                Fact::Inside(inside) => {
                    packs.push(inside.parent.get() as i64);
                    parents.push(inside);
                }
            }
        }
        facts.extend(holds, parents);
        packs.sort_unstable();
        packs.dedup();
        self.custody_fetch(&packs, facts).await
    }

    /// What moved the subjects from `first` to `last`, by subject.
    pub(crate) async fn facts_between(
        &self,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, Fact)>, StoreError> {
        let map = |r: &Row<'_>| {
            let subject = r.int(11)?;
            Ok((subject, fact(unit_number(subject, 11)?, r)?))
        };
        Ok(self.engine.query(CUSTODY_BETWEEN, &[first.into(), last.into()], map).await?)
    }

    /// Looks of consumers at the units from `first` to `last`: unit, how many, when first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn scans_between(
        &self,
        first: i64,
        last: i64,
    ) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        let map = |r: &Row<'_>| Ok((r.int(0)?, r.int(1)?, r.int(2)?));
        Ok(self.engine.query(SCANS_BETWEEN, &[first.into(), last.into()], map).await?)
    }

    /// How many rows of looks a unit has: one for each audience.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn scans_count(&self, unit: i64) -> Result<i64, StoreError> {
        let count = self.engine.query_first(SCANS_COUNT, &[unit.into()], |r| r.int(0)).await?;
        Ok(count.unwrap_or(0))
    }
}

/// Drops all looks at a unit.
pub(crate) fn looks_drop(unit: i64) -> [Step; 2] {
    [SCANS_DROP, CONSUMER_SCANS_DROP].map(|drop| Step::run(drop, vec![unit.into()]))
}
