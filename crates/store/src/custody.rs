//! Reading what moved units and packs: their own holds, and those of every pack they were ever in.

use crate::canonical::unseal;
use crate::engine::{DecodeError, EngineError, Row, Value};
use crate::event::Event;
use crate::unit::event_id;
use crate::{Store, StoreError};
use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment, Moves, PACK_DEPTH_MAX};
use domain::id::PartyId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Both kinds of rows of one subject at once: every reading of a unit asks this for each level of
/// packs, and each question is a journey of its own on PostgreSQL. `parent` tells them apart.
const CUSTODY: &str = "SELECT parent, from_at, to_at, event_id, CAST(NULL AS BIGINT) AS party_id, \
    CAST(NULL AS BIGINT) AS from_party, '' AS kind, CAST(0 AS BIGINT) AS presumed, \
    CAST(NULL AS TEXT) AS shipment_no, from_recorded_at AS recorded_at, \
    to_recorded_at FROM containment WHERE child = $1 \
    UNION ALL \
    SELECT CAST(NULL AS BIGINT), at, CAST(NULL AS BIGINT), event_id, party_id, from_party, kind, \
    presumed, shipment_no, recorded_at, CAST(NULL AS BIGINT) FROM hold WHERE subject = $1";
/// A row read by [`containment`].
macro_rules! containments {
    ($rest:literal) => {
        concat!(
            "SELECT child, parent, from_at, from_recorded_at, to_at, to_recorded_at \
             FROM containment WHERE parent = $1",
            $rest
        )
    };
}
const CHILDREN: &str = containments!(" ORDER BY child");
const CONTENTS: &str = containments!(
    " AND child > $2 AND from_at <= $3 AND (to_at IS NULL OR to_at > $3) ORDER BY child LIMIT $4"
);
const STIRRED: &str = containments!(" AND (from_at > $2 OR to_at > $2) ORDER BY child");
/// What was in a pack at an instant and at a later one, too.
const STAYED: &str = containments!(" AND from_at <= $2 AND (to_at IS NULL OR to_at > $3) LIMIT 1");
const PACKS_INSIDE: &str = "SELECT c.child FROM containment c JOIN pack p ON \
    p.number = c.child WHERE c.parent = $1 AND c.from_at <= $2 AND \
    (c.to_at IS NULL OR c.to_at > $2) ORDER BY c.child";
const PACKS_STILL_INSIDE: &str = "SELECT c.child FROM containment c JOIN pack p ON \
    p.number = c.child WHERE c.parent = $1 AND (c.to_at IS NULL OR c.to_at > $2)";
/// What moves by a paper is filed under what moved.
const MOVED_BY: &str = "SELECT e.canonical FROM hold h JOIN event e ON e.home = h.subject AND \
    e.id = h.event_id WHERE h.subject = $1 AND h.shipment_no = $2 AND h.from_party = $3 AND \
    h.kind IN ('shipped', 'returned')";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] =
    &[CUSTODY, CHILDREN, CONTENTS, STIRRED, STAYED, PACKS_INSIDE, PACKS_STILL_INSIDE, MOVED_BY];

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
        // Of many subjects few are asked for again, of the packs around them most.
        self.climb(subjects, false, facts).await
    }

    /// As [`Store::custody_fetch`] of one subject, of which it is known what moved itself.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn custody_around(
        &self,
        number: i64,
        moves: Moves,
        facts: &mut CustodyFacts,
    ) -> Result<(), StoreError> {
        let subject = unit_number(number, 0).map_err(EngineError::from)?;
        let packs: Vec<_> = moves.inside().iter().map(|it| it.parent.get() as i64).collect();
        facts.learn(subject, Arc::new(moves));
        self.climb(&packs, true, facts).await
    }

    /// The event of a subject's shipment or return by a sender's paper, taken back or not.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn moved_by(
        &self,
        (shipment_no, from): (&str, i64),
        subject: i64,
    ) -> Result<Option<Event>, StoreError> {
        let params = [subject.into(), shipment_no.into(), from.into()];
        let text = self.engine.query_first(MOVED_BY, &params, |r| r.text(0)).await?;
        let event = text.map(|text| unseal(&text, &[])).transpose();
        event.map_err(|e| StoreError::Record(e.to_string()))
    }

    /// From subjects upwards, which may be packs already.
    async fn climb(
        &self,
        subjects: &[i64],
        mut are_packs: bool,
        facts: &mut CustodyFacts,
    ) -> Result<(), StoreError> {
        let mut seen = std::collections::HashSet::new();
        let mut frontier: Vec<i64> = subjects.iter().copied().filter(|n| seen.insert(*n)).collect();
        for _ in 0..=PACK_DEPTH_MAX {
            let mut above = Vec::new();
            for number in frontier {
                let subject = unit_number(number, 0).map_err(EngineError::from)?;
                if facts.knows(subject) {
                    continue;
                }
                let moves = if are_packs {
                    self.pack_moves(number).await?
                } else {
                    Arc::new(self.moves_fetch(number).await?)
                };
                let parents = moves.inside().iter().map(|inside| inside.parent.get() as i64);
                above.extend(parents.filter(|parent| seen.insert(*parent)));
                facts.learn(subject, moves);
            }
            if above.is_empty() {
                return Ok(());
            }
            frontier = above;
            are_packs = true;
        }
        Ok(())
    }

    /// What moved the units from `first` to `last`; nothing did where none is named.
    pub(crate) async fn moves_between(
        &self,
        first: i64,
        last: i64,
    ) -> Result<HashMap<i64, Moves>, StoreError> {
        let mut found: HashMap<i64, (Vec<Hold>, Vec<Containment>)> = HashMap::new();
        for (subject, fact) in self.facts_between(first, last).await? {
            let (holds, inside) = found.entry(subject).or_default();
            match fact {
                Fact::Held(hold) => holds.push(hold),
                Fact::Inside(one) => inside.push(one),
            }
        }
        let moves = |(number, (holds, inside))| (number, Moves::new(holds, inside));
        Ok(found.into_iter().map(moves).collect())
    }

    pub(crate) async fn moves_fetch(&self, number: i64) -> Result<Moves, StoreError> {
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

    /// Whether anything that was in a pack at an instant is in it at a later one, too.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stayed_inside(
        &self,
        parent: i64,
        (since, until): (i64, i64),
    ) -> Result<bool, StoreError> {
        let params = [parent.into(), since.into(), until.into()];
        Ok(self.engine.query_first(STAYED, &params, containment).await?.is_some())
    }

    /// The packs directly inside a pack at an instant or at any time after.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn packs_inside_fetch(&self, parent: i64, from: i64) -> Result<Vec<i64>, StoreError> {
        let params = [parent.into(), from.into()];
        Ok(self.engine.query(PACKS_STILL_INSIDE, &params, |r| r.int(0)).await?)
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
            from: Moment { at: instant(r.int(1)?, 1)?, recorded_at: instant(r.int(9)?, 9)? },
            to: ended((r.opt_int(2)?, 2), (r.opt_int(10)?, 10))?,
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
        from: Moment { at: instant(r.int(2)?, 2)?, recorded_at: instant(r.int(3)?, 3)? },
        to: ended((r.opt_int(4)?, 4), (r.opt_int(5)?, 5))?,
    })
}

/// When a containment ended, and when that was recorded, with their columns.
fn ended(
    (at, i): (Option<i64>, usize),
    (recorded_at, j): (Option<i64>, usize),
) -> Result<Option<Moment>, DecodeError> {
    let Some(at) = at else { return Ok(None) };
    let recorded_at = recorded_at.unwrap_or_default();
    Ok(Some(Moment { at: instant(at, i)?, recorded_at: instant(recorded_at, j)? }))
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
