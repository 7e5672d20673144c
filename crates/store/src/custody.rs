//! Reading what moved units and packs: their own holds, and those of every pack they were ever in.

use crate::engine::{DecodeError, EngineError, Mark, Row, Value};
use crate::unit::event_id;
use crate::{Store, StoreError};
use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind, Moves, PACK_DEPTH_MAX};
use domain::id::PartyId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Both kinds of rows of one subject at once: every reading of a unit asks this for each level of
/// packs, and each question is a journey of its own on PostgreSQL. `parent` tells them apart.
const CUSTODY: &str = "SELECT parent, from_at, to_at, event_id, CAST(NULL AS BIGINT) AS party_id, \
    CAST(NULL AS BIGINT) AS from_party, '' AS kind, CAST(0 AS BIGINT) AS presumed, \
    CAST(NULL AS TEXT) AS shipment_no, CAST(0 AS BIGINT) AS recorded_at \
    FROM containment WHERE child = $1 \
    UNION ALL \
    SELECT CAST(NULL AS BIGINT), at, CAST(NULL AS BIGINT), event_id, party_id, from_party, kind, \
    presumed, shipment_no, recorded_at FROM hold WHERE subject = $1";
const CHILDREN: &str = "SELECT child, parent, from_at, to_at FROM containment \
    WHERE parent = $1 ORDER BY child";
const CONTENTS: &str = "SELECT child, parent, from_at, to_at FROM containment \
    WHERE parent = $1 AND child > $2 AND from_at <= $3 AND (to_at IS NULL OR to_at > $3) \
    ORDER BY child LIMIT $4";
const STIRRED: &str = "SELECT child, parent, from_at, to_at FROM containment \
    WHERE parent = $1 AND (from_at > $2 OR to_at > $2) ORDER BY child";
const PACKS_INSIDE: &str = "SELECT c.child FROM containment c JOIN pack p ON \
    p.number = c.child WHERE c.parent = $1 AND c.from_at <= $2 AND \
    (c.to_at IS NULL OR c.to_at > $2) ORDER BY c.child";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[CUSTODY, CHILDREN, CONTENTS, STIRRED, PACKS_INSIDE];

/// Packs whose facts are remembered at once: some 300 bytes each.
const REMEMBERED_MAX: usize = 8_192;

/// What moved packs, as it was read under one mark of the database: thousands of units share a
/// pallet, and until the next commit what was read for one of them holds for all.
#[derive(Default)]
pub(crate) struct PackMemory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// Under which mark all of it was read.
    mark: Option<Mark>,
    packs: HashMap<i64, Arc<Moves>>,
}

impl PackMemory {
    fn get(&self, mark: Mark, pack: i64) -> Option<Arc<Moves>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.packs.get(&pack).filter(|_| known.mark == Some(mark)).cloned()
    }

    fn put(&self, mark: Mark, pack: i64, moves: &Arc<Moves>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.mark != Some(mark) || known.packs.len() >= REMEMBERED_MAX {
            known.packs.clear();
            known.mark = Some(mark);
        }
        known.packs.insert(pack, Arc::clone(moves));
    }
}

/// A row of [`CUSTODY`].
pub(crate) enum Fact {
    Inside(Containment),
    Held(Hold),
}

impl Store {
    /// Adds to `facts` what moved these subjects and every pack they were ever in. What it already
    /// holds of one is not read again.
    pub async fn custody_fetch(
        &self,
        subjects: &[i64],
        facts: &mut CustodyFacts,
    ) -> Result<(), StoreError> {
        let mut seen = std::collections::HashSet::new();
        let mut frontier: Vec<i64> = subjects.iter().copied().filter(|n| seen.insert(*n)).collect();
        // Of many subjects few are asked for again, of the packs around them most.
        let mut mark = None;
        for _ in 0..=PACK_DEPTH_MAX {
            let mut above = Vec::new();
            for number in frontier {
                let subject = unit_number(number, 0).map_err(EngineError::from)?;
                if facts.knows(subject) {
                    continue;
                }
                let moves = match mark {
                    Some(mark) => self.remembered(mark, number).await?,
                    None => Arc::new(self.moves_fetch(number).await?),
                };
                let parents = moves.inside().iter().map(|inside| inside.parent.get() as i64);
                above.extend(parents.filter(|parent| seen.insert(*parent)));
                facts.learn(subject, moves);
            }
            if above.is_empty() {
                return Ok(());
            }
            frontier = above;
            mark = self.engine.mark();
        }
        Ok(())
    }

    async fn remembered(&self, mark: Mark, pack: i64) -> Result<Arc<Moves>, StoreError> {
        if let Some(moves) = self.packs.get(mark, pack) {
            return Ok(moves);
        }
        let moves = Arc::new(self.moves_fetch(pack).await?);
        self.packs.put(mark, pack, &moves);
        Ok(moves)
    }

    async fn moves_fetch(&self, number: i64) -> Result<Moves, StoreError> {
        let map = |r: &Row<'_>| fact(unit_number(number, 0)?, r);
        let (mut holds, mut inside) = (Vec::new(), Vec::new());
        for fact in self.engine.query(CUSTODY, &[Value::from(number)], map).await? {
            match fact {
                Fact::Held(hold) => holds.push(hold),
                Fact::Inside(one) => inside.push(one),
            }
        }
        Ok(Moves::new(holds, inside))
    }

    /// What is or was directly inside a pack.
    pub async fn children_fetch(&self, parent: i64) -> Result<Vec<Containment>, StoreError> {
        Ok(self.engine.query(CHILDREN, &[parent.into()], containment).await?)
    }

    /// What is directly inside a pack at an instant: at most `most` children, those behind the
    /// number `beyond` in the order of their numbers.
    pub async fn contents_fetch(
        &self,
        parent: i64,
        beyond: i64,
        at: i64,
        most: i64,
    ) -> Result<Vec<Containment>, StoreError> {
        let params = [parent.into(), beyond.into(), at.into(), most.into()];
        Ok(self.engine.query(CONTENTS, &params, containment).await?)
    }

    /// What went into a pack, or left it, after an instant; and the packs directly inside it then.
    pub async fn stirred_fetch(
        &self,
        parent: i64,
        after: i64,
    ) -> Result<(Vec<Containment>, Vec<i64>), StoreError> {
        let params = [parent.into(), after.into()];
        let stirred = self.engine.query(STIRRED, &params, containment).await?;
        let packs = self.engine.query(PACKS_INSIDE, &params, |r| r.int(0)).await?;
        Ok((stirred, packs))
    }
}

pub(crate) fn fact(subject: UnitNumber, r: &Row<'_>) -> Result<Fact, DecodeError> {
    if let Some(parent) = r.opt_int(0)? {
        return Ok(Fact::Inside(Containment {
            child: subject,
            parent: unit_number(parent, 0)?,
            from: instant(r.int(1)?, 1)?,
            to: r.opt_int(2)?.map(|t| instant(t, 2)).transpose()?,
        }));
    }
    let kind = r.str(6)?;
    Ok(Fact::Held(Hold {
        subject,
        at: instant(r.int(1)?, 1)?,
        party: PartyId(r.int(4)?),
        from: r.opt_int(5)?.map(PartyId),
        kind: HoldKind::parse(kind).ok_or_else(|| DecodeError::new(6, "a hold kind", kind))?,
        presumed: r.flag(7)?,
        shipment_no: r.opt_text(8)?,
        event: event_id(r.blob(3)?, 3)?,
        recorded_at: instant(r.int(9)?, 9)?,
    }))
}

fn containment(r: &Row<'_>) -> Result<Containment, DecodeError> {
    Ok(Containment {
        child: unit_number(r.int(0)?, 0)?,
        parent: unit_number(r.int(1)?, 1)?,
        from: instant(r.int(2)?, 2)?,
        to: r.opt_int(3)?.map(|t| instant(t, 3)).transpose()?,
    })
}

pub(crate) fn unit_number(raw: i64, i: usize) -> Result<UnitNumber, DecodeError> {
    u64::try_from(raw)
        .ok()
        .and_then(UnitNumber::new)
        .ok_or_else(|| DecodeError::new(i, "a unit number", raw))
}

fn instant(micros: i64, i: usize) -> Result<Timestamp, DecodeError> {
    Timestamp::from_microsecond(micros).map_err(|e| DecodeError::new(i, "an instant", e))
}
