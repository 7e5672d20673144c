//! Reading units, packs, what moved them, and what is recorded of them.

use crate::canonical::unseal;
use crate::commit::Outbox;
use crate::engine::{DecodeError, Plan, Row, Step, Value, WriteError};
use crate::event::{Event, IdentifierRow};
use crate::{Store, StoreError};
use domain::id::EventId;

/// A unit's current state: a projection of its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitRecord {
    /// Unit number.
    pub number: i64,
    /// Tenant.
    pub brand: i64,
    /// Product.
    pub product: i64,
    /// The batch its code comes from.
    pub batch: i64,
    /// Brand serial number as given.
    pub sn: Option<String>,
    /// Its other identifiers.
    pub identifiers: Vec<IdentifierRow>,
    /// Hash of its production record.
    pub born_hash: Option<i64>,
    /// Microseconds; none before its production record.
    pub produced_at: Option<i64>,
    /// Where it was made.
    pub site: Option<i64>,
    /// Production line.
    pub line: Option<String>,
    /// Production lot.
    pub lot: Option<String>,
    /// `pass`, `fail`, `hold`.
    pub inspection: Option<String>,
    /// What it is meant for.
    pub disposition: Option<String>,
    /// The main unit of the saleable set it belongs to, as given.
    pub kit: Option<String>,
    /// Which life it is in.
    pub life: i64,
    /// First activation of this life, microseconds.
    pub activated_at: Option<i64>,
    /// Where that was.
    pub region: Option<String>,
    /// Keyed hash of that device's fingerprint.
    pub fingerprint: Option<Vec<u8>>,
    /// Another device was activated under its name.
    pub suspect: bool,
    /// Under recall since.
    pub recalled_at: Option<i64>,
    /// Reported stolen since.
    pub stolen_at: Option<i64>,
    /// Decommissioned since.
    pub retired_at: Option<i64>,
    /// When a scratch code last lifted what was odd, in this life, since the unit became
    /// suspect, if it did.
    pub proof_at: Option<i64>,
    /// Day of purchase as the consumer states it, where that counts.
    pub sold_on: Option<String>,
    /// Day of the invoice, where somebody of the house saw it.
    pub invoiced_on: Option<String>,
    /// Day the consumer had it, where somebody of the house saw a paper of that.
    pub delivered_on: Option<String>,
    /// When its last event was recorded.
    pub recorded_at: i64,
    /// Counts its commits.
    pub revision: i64,
}

/// A pack's current state.
#[derive(Clone, Debug, PartialEq)]
pub struct PackRecord {
    /// Pack number.
    pub number: i64,
    /// Tenant.
    pub brand: i64,
    /// 18 digits.
    pub sscc: String,
    /// Products it holds or held.
    pub products: Vec<i64>,
    /// When its last event was recorded.
    pub recorded_at: i64,
    /// Counts its commits.
    pub revision: i64,
    /// The latest instant at which it, or anything in it, moved; microseconds. May be later than
    /// it was, never earlier.
    pub stirred_at: i64,
}

/// How often and where a code was looked at by consumers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanRecord {
    /// How often.
    pub count: i64,
    /// First time, microseconds.
    pub first_at: i64,
    /// Last time, microseconds.
    pub last_at: i64,
    /// Place of the first, region code.
    pub first_place: Option<String>,
    /// Place of the last.
    pub last_place: Option<String>,
    /// A line for each of the last looks ([`crate::scan::Look`]), newest last, bounded.
    pub recent: String,
}

/// A row of a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShipmentRecord {
    /// Receiver.
    pub to: i64,
    /// When the goods left, microseconds.
    pub happened_at: i64,
    /// Whether it was taken back.
    pub voided: bool,
}

/// How many columns [`UNIT`] has.
const UNIT_COLUMNS: usize = 28;
const UNIT: &str = "SELECT number, brand_id, product_id, batch_id, sn, identifiers, born_hash, \
    produced_at, site_id, line, lot, inspection, disposition, life, activated_at, region, \
    fingerprint, suspect, recalled_at, stolen_at, retired_at, proof_at, sold_on, recorded_at, \
    revision, kit, invoiced_on, delivered_on FROM unit WHERE number = $1";
/// A unit and the looks at it by consumers: what every answer to the public begins with.
const UNIT_SEEN: &str = "SELECT u.number, u.brand_id, u.product_id, u.batch_id, u.sn, \
    u.identifiers, u.born_hash, u.produced_at, u.site_id, u.line, u.lot, u.inspection, \
    u.disposition, u.life, u.activated_at, u.region, u.fingerprint, u.suspect, u.recalled_at, \
    u.stolen_at, u.retired_at, u.proof_at, u.sold_on, u.recorded_at, u.revision, u.kit, \
    u.invoiced_on, u.delivered_on, s.count, s.first_at, s.last_at, s.first_place, s.last_place, \
    s.recent FROM unit u LEFT JOIN consumer_scan s ON s.unit = u.number WHERE u.number = $1";
const PACK: &str = "SELECT number, brand_id, sscc, products, recorded_at, revision, stirred_at \
    FROM pack WHERE number = $1";
const IDENTIFIER: &str =
    "SELECT unit FROM identifier WHERE value = $1 AND scheme = $2 AND scope = $3";
/// Whoever bears it now comes first: of two who bore it at once by what was told, nobody knows
/// more.
const BEARER: &str = "SELECT unit, CAST(1 AS BIGINT) AS live FROM identifier \
    WHERE value = $1 AND scheme = $2 AND scope = $3 AND from_at <= $4 UNION ALL \
    SELECT unit, CAST(0 AS BIGINT) FROM identifier_past WHERE value = $1 AND scheme = $2 \
    AND scope = $3 AND from_at <= $4 AND to_at > $4 ORDER BY live DESC, unit";
const IDENTIFIER_EVER: &str = "SELECT unit, CAST(1 AS BIGINT) AS live FROM identifier \
    WHERE value = $1 AND scheme = $2 AND scope = $3 UNION ALL \
    SELECT unit, CAST(0 AS BIGINT) FROM identifier_past \
    WHERE value = $1 AND scheme = $2 AND scope = $3";
const SHIPMENT: &str = "SELECT to_party, happened_at, voided_at FROM shipment \
    WHERE subject = $1 AND brand_id = $2 AND shipment_no = $3 AND from_party = $4";
const SHIPMENT_SUBJECTS: &str = "SELECT subject FROM shipment WHERE brand_id = $1 AND \
    shipment_no = $2 AND from_party = $3 AND voided_at IS NULL ORDER BY subject";
const SHIPMENT_SENDERS: &str = "SELECT DISTINCT from_party FROM shipment WHERE brand_id = $1 AND \
    shipment_no = $2 ORDER BY from_party";
const SHIPMENT_VOIDED: &str = "SELECT subject FROM shipment WHERE brand_id = $1 AND \
    shipment_no = $2 AND from_party = $3 AND voided_at IS NOT NULL LIMIT 1";
const SCAN: &str = "SELECT count, first_at, last_at, first_place, last_place, recent \
    FROM consumer_scan WHERE unit = $1";
const EVENTS_OF_HOME: &str =
    "SELECT id, canonical FROM event WHERE home = $1 ORDER BY recorded_at, id";
const EVENTS_OF_SUBJECT: &str = "SELECT e.id, e.canonical, s.content FROM event_subject s \
    JOIN event e ON e.home = s.home AND e.id = s.event_id WHERE s.subject = $1 \
    ORDER BY e.recorded_at, e.id";
const DRAW: &str = "SELECT next_number FROM draw WHERE batch_id = $1";
const UNITS_OF_LOT: &str = "SELECT number FROM unit WHERE brand_id = $1 AND product_id = $2 AND \
    lot = $3 ORDER BY number";
const UNITS_IN_RANGE: &str =
    "SELECT number FROM unit WHERE number >= $1 AND number < $2 ORDER BY number";
const BOUND_IN_RANGE: &str = "SELECT COUNT(*) FROM unit WHERE number >= $1 AND number <= $2 \
    AND produced_at IS NOT NULL";
/// Labels that replaced another. Numbers with as many digits stand in the order of their texts.
const WORN_IN_RANGE: &str = "SELECT COUNT(*) FROM identifier WHERE value >= $1 AND value <= $2 \
    AND length(value) = length($1) AND scheme = 'code' AND scope = 0";
const PROOF_TRIES: &str = "SELECT visitor, tried_at FROM proof_try WHERE unit = $1 \
    AND tried_at > $2 AND succeeded = 0 ORDER BY tried_at LIMIT $3";
const PROOF_LAST: &str = "SELECT id, tried_at FROM proof_try WHERE unit = $1 \
    ORDER BY tried_at DESC, id DESC LIMIT 1";
const BATCH_TRIES: &str = "SELECT COUNT(*) FROM proof_try WHERE batch_id = $1 AND \
    tried_at > $2 AND succeeded = 0";
const OUTBOX_DUE: &str = "SELECT home, id, topic, content, due_at FROM outbox WHERE topic = $1 \
    AND due_at <= $2 ORDER BY due_at LIMIT $3";
const OUTBOX_LEASE: &str =
    "UPDATE outbox SET due_at = $4 WHERE home = $1 AND id = $2 AND due_at = $3";
const OUTBOX_WAITING: &str = "SELECT COUNT(*) FROM outbox";
const OUTBOX_DUE_FIRST: &str = "SELECT MIN(due_at) FROM outbox";
const OUTBOX_DONE: &str = "DELETE FROM outbox WHERE home = $1 AND id = $2";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    UNIT,
    UNIT_SEEN,
    PACK,
    IDENTIFIER,
    BEARER,
    IDENTIFIER_EVER,
    SHIPMENT,
    SHIPMENT_SUBJECTS,
    SHIPMENT_SENDERS,
    SHIPMENT_VOIDED,
    SCAN,
    EVENTS_OF_HOME,
    EVENTS_OF_SUBJECT,
    DRAW,
    UNITS_OF_LOT,
    UNITS_IN_RANGE,
    BOUND_IN_RANGE,
    WORN_IN_RANGE,
    PROOF_TRIES,
    PROOF_LAST,
    BATCH_TRIES,
    OUTBOX_DUE,
    OUTBOX_LEASE,
    OUTBOX_WAITING,
    OUTBOX_DUE_FIRST,
    OUTBOX_DONE,
];

/// Whether an identifier is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// This unit or pack answers to it.
    Now(i64),
    /// This unit once did, perhaps others too, and none does any longer.
    Once(i64),
}

impl Named {
    /// What answers to it now.
    pub fn live(self) -> Option<i64> {
        match self {
            Self::Now(number) => Some(number),
            Self::Once(_) => None,
        }
    }

    /// What answers to it now, or once did.
    pub fn number(self) -> i64 {
        match self {
            Self::Now(number) | Self::Once(number) => number,
        }
    }
}

impl Store {
    /// One unit.
    pub async fn unit_fetch(&self, number: i64) -> Result<Option<UnitRecord>, StoreError> {
        Ok(self.engine.query_first(UNIT, &[number.into()], unit).await?)
    }

    /// One unit, and the looks at it by consumers.
    pub async fn unit_seen_fetch(
        &self,
        number: i64,
    ) -> Result<Option<(UnitRecord, Option<ScanRecord>)>, StoreError> {
        Ok(self.engine.query_first(UNIT_SEEN, &[number.into()], unit_seen).await?)
    }

    /// One pack.
    pub async fn pack_fetch(&self, number: i64) -> Result<Option<PackRecord>, StoreError> {
        Ok(self.engine.query_first(PACK, &[number.into()], pack).await?)
    }

    /// The unit or pack a live identifier names.
    pub async fn identifier_fetch(
        &self,
        scheme: &str,
        scope: i64,
        value: &str,
    ) -> Result<Option<i64>, StoreError> {
        let params = [value.into(), scheme.into(), scope.into()];
        Ok(self.engine.query_first(IDENTIFIER, &params, |r| r.int(0)).await?)
    }

    /// What bore an identifier at an instant, microseconds.
    pub async fn bearer_fetch(
        &self,
        scheme: &str,
        scope: i64,
        value: &str,
        at: i64,
    ) -> Result<Option<Named>, StoreError> {
        let params = [value.into(), scheme.into(), scope.into(), at.into()];
        Ok(self.engine.query_first(BEARER, &params, named).await?)
    }

    /// What answers to an identifier, or once did.
    pub async fn named_fetch(
        &self,
        scheme: &str,
        scope: i64,
        value: &str,
    ) -> Result<Option<Named>, StoreError> {
        let params = [value.into(), scheme.into(), scope.into()];
        let all = self.engine.query(IDENTIFIER_EVER, &params, named).await?;
        let live = all.iter().find(|named| named.live().is_some());
        Ok(live.or(all.first()).copied())
    }

    /// What a sender's paper says of a subject, taken back or not.
    pub async fn shipment_fetch(
        &self,
        brand: i64,
        (shipment_no, from): (&str, i64),
        subject: i64,
    ) -> Result<Option<ShipmentRecord>, StoreError> {
        let params = [subject.into(), brand.into(), shipment_no.into(), from.into()];
        let map = |r: &Row<'_>| {
            let voided = r.opt_int(2)?.is_some();
            Ok(ShipmentRecord { to: r.int(0)?, happened_at: r.int(1)?, voided })
        };
        Ok(self.engine.query_first(SHIPMENT, &params, map).await?)
    }

    /// The subjects of a sender's paper.
    pub async fn shipment_subjects(
        &self,
        brand: i64,
        shipment_no: &str,
        from: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let params = [brand.into(), shipment_no.into(), from.into()];
        Ok(self.engine.query(SHIPMENT_SUBJECTS, &params, |r| r.int(0)).await?)
    }

    /// The senders that have a paper of this number.
    pub async fn shipment_senders(
        &self,
        brand: i64,
        shipment_no: &str,
    ) -> Result<Vec<i64>, StoreError> {
        let params = [brand.into(), shipment_no.into()];
        Ok(self.engine.query(SHIPMENT_SENDERS, &params, |r| r.int(0)).await?)
    }

    /// How many codes from `first` to `last`, from 1 up, units wear: those they were made with, and
    /// labels that replaced another.
    pub async fn bound_count(&self, first: i64, last: i64) -> Result<i64, StoreError> {
        let params = [first.into(), last.into()];
        let made = self.engine.query_first(BOUND_IN_RANGE, &params, |r| r.int(0)).await?;
        let mut count = made.unwrap_or(0);
        for (first, last) in of_one_length(first, last) {
            let params = [first.to_string().into(), last.to_string().into()];
            let worn = self.engine.query_first(WORN_IN_RANGE, &params, |r| r.int(0)).await?;
            count += worn.unwrap_or(0);
        }
        Ok(count)
    }

    /// Whether something of a paper was taken back.
    pub async fn shipment_voided(
        &self,
        brand: i64,
        shipment_no: &str,
        from: i64,
    ) -> Result<bool, StoreError> {
        let params = [brand.into(), shipment_no.into(), from.into()];
        let found = self.engine.query_first(SHIPMENT_VOIDED, &params, |r| r.int(0)).await?;
        Ok(found.is_some())
    }

    /// Looks at a unit by consumers.
    pub async fn scan_fetch(&self, unit: i64) -> Result<Option<ScanRecord>, StoreError> {
        Ok(self.engine.query_first(SCAN, &[unit.into()], |r| scan(r, 0)).await?)
    }

    /// Every event filed under a subject or naming it in a row, oldest first.
    pub async fn events_fetch(&self, subject: i64) -> Result<Vec<Event>, StoreError> {
        let params = [Value::from(subject)];
        let own = |r: &Row<'_>| Ok((r.text(1)?, Vec::new()));
        let named = |r: &Row<'_>| Ok((r.text(1)?, vec![(subject, r.text(2)?)]));
        let mut texts = self.engine.query(EVENTS_OF_HOME, &params, own).await?;
        let rows = self.engine.query(EVENTS_OF_SUBJECT, &params, named).await?;
        // A bulk event is filed under its first subject: its own row says more than its home.
        texts.retain(|(text, _)| !rows.iter().any(|(other, _)| other == text));
        texts.extend(rows);
        let mut events = texts
            .iter()
            .map(|(text, rows)| unseal(text, rows))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| StoreError::Record(e.to_string()))?;
        events.sort_by_key(|e| (e.recorded_at, e.id));
        Ok(events)
    }

    /// The next number a batch hands out.
    pub async fn draw_fetch(&self, batch: i64) -> Result<Option<i64>, StoreError> {
        Ok(self.engine.query_first(DRAW, &[batch.into()], |r| r.int(0)).await?)
    }

    /// Units of a production lot.
    pub async fn units_of_lot(
        &self,
        brand: i64,
        product: i64,
        lot: &str,
    ) -> Result<Vec<i64>, StoreError> {
        let params = [brand.into(), product.into(), lot.into()];
        Ok(self.engine.query(UNITS_OF_LOT, &params, |r| r.int(0)).await?)
    }

    /// Units whose numbers lie in `first..end`.
    pub async fn units_in_range(&self, first: i64, end: i64) -> Result<Vec<i64>, StoreError> {
        let params = [first.into(), end.into()];
        Ok(self.engine.query(UNITS_IN_RANGE, &params, |r| r.int(0)).await?)
    }

    /// Wrong physical-proof tries on a unit after an instant, the oldest first and `most` of them:
    /// visitor and when. Right ones are not read: whoever knows the digits makes as many as they
    /// like.
    pub async fn proof_tries(
        &self,
        unit: i64,
        after: i64,
        most: i64,
    ) -> Result<Vec<(Vec<u8>, i64)>, StoreError> {
        let map = |r: &Row<'_>| Ok((r.bytes(0)?, r.int(1)?));
        let params = [unit.into(), after.into(), most.into()];
        Ok(self.engine.query(PROOF_TRIES, &params, map).await?)
    }

    /// The last physical-proof try on a unit: its identity and when.
    pub async fn proof_last(&self, unit: i64) -> Result<Option<(Vec<u8>, i64)>, StoreError> {
        let map = |r: &Row<'_>| Ok((r.bytes(0)?, r.int(1)?));
        Ok(self.engine.query_first(PROOF_LAST, &[unit.into()], map).await?)
    }

    /// Wrong physical-proof tries over a whole batch after an instant.
    pub async fn proof_misses(&self, batch: i64, after: i64) -> Result<i64, StoreError> {
        let params = [batch.into(), after.into()];
        let count = self.engine.query_first(BATCH_TRIES, &params, |r| r.int(0)).await?;
        Ok(count.unwrap_or(0))
    }

    /// Jobs of a topic that are due.
    pub async fn outbox_due(
        &self,
        topic: &'static str,
        now: i64,
        most: i64,
    ) -> Result<Vec<Outbox>, StoreError> {
        let params = [topic.into(), now.into(), most.into()];
        let map = |r: &Row<'_>| {
            Ok(Outbox {
                home: r.int(0)?,
                id: event_id(r.blob(1)?, 1)?.0,
                topic,
                content: r.text(3)?,
                due_at: r.int(4)?,
            })
        };
        Ok(self.engine.query(OUTBOX_DUE, &params, map).await?)
    }

    /// How many jobs wait, due or not, and when the first of them is due.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn outbox_waiting(&self) -> Result<(i64, Option<i64>), StoreError> {
        let count = self.engine.query_first(OUTBOX_WAITING, &[], |r| r.int(0)).await?;
        let first = self.engine.query_first(OUTBOX_DUE_FIRST, &[], |r| r.opt_int(0)).await?;
        Ok((count.unwrap_or(0), first.flatten()))
    }

    /// Takes a job until `until`; false when another took it first.
    pub async fn outbox_lease(&self, job: &Outbox, until: i64) -> Result<bool, StoreError> {
        let params = vec![job.home.into(), job.id.into(), job.due_at.into(), until.into()];
        let step = Step::change_one(OUTBOX_LEASE, params, "job");
        match self.engine.write(Plan::new(vec![step])).await {
            Ok(()) => Ok(true),
            Err(WriteError::Conflict { .. }) => Ok(false),
            Err(other) => Err(StoreError::Write(other)),
        }
    }

    /// Strikes a job off.
    pub async fn outbox_done(&self, job: &Outbox) -> Result<(), StoreError> {
        let step = Step::run(OUTBOX_DONE, vec![job.home.into(), job.id.into()]);
        self.engine.write(Plan::new(vec![step])).await.map_err(StoreError::Write)
    }
}

/// A range of numbers from 1 up in pieces, within each of which all have as many digits.
fn named(r: &Row<'_>) -> Result<Named, DecodeError> {
    let unit = r.int(0)?;
    Ok(if r.flag(1)? { Named::Now(unit) } else { Named::Once(unit) })
}

fn of_one_length(first: i64, last: i64) -> impl Iterator<Item = (i64, i64)> {
    let pieces = (0..18_u32).map(move |zeros| {
        let least = 10_i64.pow(zeros);
        (first.max(least), last.min(least * 10 - 1))
    });
    pieces.filter(|(first, last)| first <= last)
}

/// A row of [`UNIT_SEEN`].
pub(crate) fn unit_seen(r: &Row<'_>) -> Result<(UnitRecord, Option<ScanRecord>), DecodeError> {
    let seen = r.opt_int(UNIT_COLUMNS)?.is_some();
    Ok((unit(r)?, if seen { Some(scan(r, UNIT_COLUMNS)?) } else { None }))
}

pub(crate) fn unit(r: &Row<'_>) -> Result<UnitRecord, DecodeError> {
    let identifiers = match r.opt_str(5)? {
        Some(text) => {
            serde_json::from_str(text).map_err(|e| DecodeError::new(5, "identifiers", e))?
        }
        None => Vec::new(),
    };
    Ok(UnitRecord {
        number: r.int(0)?,
        brand: r.int(1)?,
        product: r.int(2)?,
        batch: r.int(3)?,
        sn: r.opt_text(4)?,
        identifiers,
        born_hash: r.opt_int(6)?,
        produced_at: r.opt_int(7)?,
        site: r.opt_int(8)?,
        line: r.opt_text(9)?,
        lot: r.opt_text(10)?,
        inspection: r.opt_text(11)?,
        disposition: r.opt_text(12)?,
        life: r.int(13)?,
        activated_at: r.opt_int(14)?,
        region: r.opt_text(15)?,
        fingerprint: r.opt_bytes(16)?,
        suspect: r.flag(17)?,
        recalled_at: r.opt_int(18)?,
        stolen_at: r.opt_int(19)?,
        retired_at: r.opt_int(20)?,
        proof_at: r.opt_int(21)?,
        sold_on: r.opt_text(22)?,
        recorded_at: r.int(23)?,
        revision: r.int(24)?,
        kit: r.opt_text(25)?,
        invoiced_on: r.opt_text(26)?,
        delivered_on: r.opt_text(27)?,
    })
}

fn pack(r: &Row<'_>) -> Result<PackRecord, DecodeError> {
    let products = r.text(3)?;
    Ok(PackRecord {
        number: r.int(0)?,
        brand: r.int(1)?,
        sscc: r.text(2)?,
        products: serde_json::from_str(&products)
            .map_err(|e| DecodeError::new(3, "products", e))?,
        recorded_at: r.int(4)?,
        revision: r.int(5)?,
        stirred_at: r.int(6)?,
    })
}

pub(crate) fn event_id(bytes: &[u8], i: usize) -> Result<EventId, DecodeError> {
    let found = bytes.len();
    <[u8; 16]>::try_from(bytes)
        .map(EventId)
        .map_err(|_| DecodeError::new(i, "an event id", format!("{found} bytes")))
}

/// The looks whose columns begin at `first`.
fn scan(r: &Row<'_>, first: usize) -> Result<ScanRecord, DecodeError> {
    Ok(ScanRecord {
        count: r.int(first)?,
        first_at: r.int(first + 1)?,
        last_at: r.int(first + 2)?,
        first_place: r.opt_text(first + 3)?,
        last_place: r.opt_text(first + 4)?,
        recent: r.text(first + 5)?,
    })
}
