//! Reading what does not fit: the findings of a unit, and the alerts that someone must see.

use crate::case::{OpenCase, id_at};
use crate::engine::{DecodeError, Row};
use crate::unit::event_id;
use crate::{Store, StoreError};
use domain::id::EventId;

/// A finding as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingRecord {
    /// The unit.
    pub unit: i64,
    /// The event that wrote it.
    pub event: EventId,
    /// What is suspected.
    pub kind: String,
    /// How sure.
    pub grade: String,
    /// `cross_region` or `cross_border`, where it is one of them.
    pub nature: Option<String>,
    /// Reason codes, separated by spaces.
    pub reasons: String,
    /// When the activation happened.
    pub activated_at: i64,
    /// The fact that took it back.
    pub withdrawn: bool,
}

/// An alert as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRecord {
    /// The unit.
    pub unit: i64,
    /// Its key.
    pub dedup_key: String,
    /// What is suspected.
    pub kind: String,
    /// How sure.
    pub grade: String,
    /// Since when it is shown.
    pub due_at: i64,
    /// The open case its unit stands in.
    pub case: Option<OpenCase>,
}

/// Which alerts.
#[derive(Clone, Debug)]
pub struct AlertsAsked {
    /// The tenant.
    pub brand: i64,
    /// Shown from this instant on, microseconds.
    pub since: i64,
    /// Shown by this instant, microseconds.
    pub until: i64,
    /// Of this kind alone; unless said, findings and no visitors' reports.
    pub kind: Option<String>,
    /// What comes after this one: when it is shown, its unit, its key.
    pub after: Option<(i64, i64, String)>,
    /// How many.
    pub most: i64,
}

const FINDINGS: &str = "SELECT unit, event_id, kind, grade, nature, reasons, activated_at, \
    withdrawn_by FROM finding WHERE unit = $1 ORDER BY activated_at, kind, event_id";
/// The open case is looked up for the rows of the page alone.
const ALERTS: &str = "SELECT a.home, a.dedup_key, a.kind, a.grade, a.due_at, o.case_id, \
    o.party_id FROM (SELECT home, dedup_key, kind, grade, due_at FROM alert WHERE \
    brand_id = $1 AND withdrawn_at IS NULL AND due_at >= $2 AND due_at <= $3 AND \
    (kind = $4 OR ($4 = '' AND kind <> 'suspicion_reported')) AND \
    (due_at < $5 OR (due_at = $5 AND (home > $6 OR \
    (home = $6 AND dedup_key > $7)))) ORDER BY due_at DESC, home, dedup_key LIMIT $8) a \
    LEFT JOIN case_open o ON o.unit = a.home ORDER BY a.due_at DESC, a.home, a.dedup_key";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[FINDINGS, ALERTS];

impl Store {
    /// Findings of a unit, withdrawn ones too.
    pub async fn findings_fetch(&self, unit: i64) -> Result<Vec<FindingRecord>, StoreError> {
        Ok(self.engine.query(FINDINGS, &[unit.into()], finding).await?)
    }

    /// Alerts not withdrawn, newest first; those of one instant by unit and key, so that a page
    /// is never disturbed by what is added.
    pub async fn alerts_fetch(&self, asked: &AlertsAsked) -> Result<Vec<AlertRecord>, StoreError> {
        // Before the first page nothing was seen: every row comes after the end of time.
        let (due_at, unit, key) = asked.after.clone().unwrap_or((i64::MAX, 0, String::new()));
        let params = [
            asked.brand.into(),
            asked.since.into(),
            asked.until.into(),
            asked.kind.clone().unwrap_or_default().into(),
            due_at.into(),
            unit.into(),
            key.into(),
            asked.most.into(),
        ];
        Ok(self.engine.query(ALERTS, &params, alert).await?)
    }
}

fn finding(r: &Row<'_>) -> Result<FindingRecord, DecodeError> {
    Ok(FindingRecord {
        unit: r.int(0)?,
        event: event_id(r.blob(1)?, 1)?,
        kind: r.text(2)?,
        grade: r.text(3)?,
        nature: r.opt_text(4)?,
        reasons: r.text(5)?,
        activated_at: r.int(6)?,
        withdrawn: r.opt_bytes(7)?.is_some(),
    })
}

fn alert(r: &Row<'_>) -> Result<AlertRecord, DecodeError> {
    Ok(AlertRecord {
        unit: r.int(0)?,
        dedup_key: r.text(1)?,
        kind: r.text(2)?,
        grade: r.text(3)?,
        due_at: r.int(4)?,
        case: match r.opt_int(6)? {
            Some(party) => Some(OpenCase { case: id_at(r, 5)?, party }),
            None => None,
        },
    })
}
