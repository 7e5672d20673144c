//! Projections: what an event does to the tables that answer questions. A projection is a function
//! of the event alone, so writing and rebuilding are the same code, and a rebuild that differs
//! from the live tables means one of them lied.
//!
//! Units are inserted by whoever first says something of them: an activation may come before the
//! production record, so the production record is laid over what stands there.

use crate::canonical::unhex;
use crate::engine::{Step, Value};
use crate::event::{
    ActivatedBody, Body, CommissionedRow, Event, FindingRow, IdentifierRow, Row, StartRow,
};
use domain::activation::first_possible;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Which units of a commissioning already stand in the table (activated before they were made).
pub type Known<'a> = &'a dyn Fn(i64) -> bool;

const UNIT_COLUMNS: &[&str] = &[
    "number",
    "brand_id",
    "product_id",
    "batch_id",
    "sn",
    "identifiers",
    "born_hash",
    "produced_at",
    "site_id",
    "line",
    "lot",
    "inspection",
    "disposition",
    "kit",
    "life",
    "suspect",
    "recorded_at",
    "revision",
];
const IDENTIFIER_COLUMNS: &[&str] = &["value", "scheme", "scope", "unit", "from_at"];
const CONTAINMENT_COLUMNS: &[&str] =
    &["child", "from_at", "from_recorded_at", "parent", "event_id"];

const UNIT_BIRTH: &str = "UPDATE unit SET sn = $2, identifiers = $3, born_hash = $4, \
    produced_at = $5, site_id = $6, line = $7, lot = $8, inspection = $9, disposition = $10, \
    kit = $11 WHERE number = $1";
/// What was started before the unit was made was something else that bore its label: it holds the
/// place of no first start.
const UNIT_NOT_STARTED: &str = "UPDATE unit SET activated_at = NULL, region = NULL, \
    fingerprint = NULL WHERE number = $1 AND activated_at < $2";
const ACTIVATION_NOT_ITS: &str = "DELETE FROM activation WHERE unit = $1 AND activated_at < $2";
const UNIT_UNBORN: &str = "INSERT INTO unit (number, brand_id, product_id, batch_id, life, \
    suspect, recorded_at, revision) VALUES ($1, $2, $3, $4, 0, 0, $5, 0)";
const UNIT_NAMES: &str = "UPDATE unit SET sn = $2, identifiers = $3 WHERE number = $1";
const UNIT_INSPECTION: &str = "UPDATE unit SET inspection = $2 WHERE number = $1";
const UNIT_ACTIVATED: &str = "UPDATE unit SET activated_at = $2, region = $3, fingerprint = $4 \
    WHERE number = $1";
/// A proof lifts what was there when it was given: a copy that shows itself later counts again.
/// What is odd about an earlier life says nothing of the present one.
const UNIT_SUSPECT: &str =
    "UPDATE unit SET suspect = 1, proof_at = NULL WHERE number = $1 AND life = $2";
const UNIT_RECALLED: &str = "UPDATE unit SET recalled_at = $2 WHERE number = $1 \
    AND (recalled_at IS NULL OR recalled_at > $2)";
const UNIT_UNRECALLED: &str = "UPDATE unit SET recalled_at = NULL WHERE number = $1";
const UNIT_STOLEN: &str = "UPDATE unit SET stolen_at = $2 WHERE number = $1 \
    AND (stolen_at IS NULL OR stolen_at > $2)";
const UNIT_FOUND: &str = "UPDATE unit SET stolen_at = NULL WHERE number = $1";
const UNIT_RETIRED: &str = "UPDATE unit SET retired_at = $2 WHERE number = $1";
const UNIT_PROVED: &str = "UPDATE unit SET proof_at = $2 WHERE number = $1 \
    AND (proof_at IS NULL OR proof_at < $2)";
const UNIT_SOLD: &str = "UPDATE unit SET sold_on = $2 WHERE number = $1";
const UNIT_INVOICED: &str = "UPDATE unit SET invoiced_on = $2 WHERE number = $1";
const UNIT_DELIVERED: &str = "UPDATE unit SET delivered_on = $2 WHERE number = $1";
const UNIT_LIFE: &str = "UPDATE unit SET life = $2, activated_at = NULL, region = NULL, \
    fingerprint = NULL, suspect = 0, proof_at = NULL, sold_on = NULL, \
    invoiced_on = NULL, delivered_on = NULL WHERE number = $1";
const PACK_OPEN: &str = "INSERT INTO pack (number, brand_id, sscc, products, recorded_at, \
    revision, stirred_at) VALUES ($1, $2, $3, $4, $5, 0, $6)";
const PACK_PRODUCTS: &str = "UPDATE pack SET products = $2 WHERE number = $1";
const CONTAINMENT_END: &str = "UPDATE containment SET to_at = $3, to_recorded_at = $4 WHERE \
    child = $1 AND parent = $2 AND from_at <= $3 AND (to_at IS NULL OR to_at > $3)";
const CONTAINMENT_REOPEN: &str = "UPDATE containment SET to_at = $4, to_recorded_at = $5 WHERE \
    child = $1 AND parent = $2 AND from_at = $3";
const HOLD_ADD: &str = "INSERT INTO hold (subject, at, event_id, party_id, from_party, kind, \
    presumed, shipment_no, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const SHIPMENT_ADD: &str = "INSERT INTO shipment (subject, brand_id, shipment_no, from_party, \
    to_party, happened_at) VALUES ($1, $2, $3, $4, $5, $6)";
const SHIPMENT_VOID: &str = "UPDATE shipment SET voided_at = $5 WHERE subject = $1 AND \
    brand_id = $2 AND shipment_no = $3 AND from_party = $4";
const ACTIVATION_ADD: &str = "INSERT INTO activation (unit, life, event_id, activated_at) \
    VALUES ($1, $2, $3, $4)";
const FINDING_ADD: &str = "INSERT INTO finding (unit, event_id, kind, grade, nature, reasons, \
    activated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const FINDING_WITHDRAW: &str = "UPDATE finding SET withdrawn_by = $4 WHERE unit = $1 AND \
    event_id = $2 AND kind = $3";
const IDENTIFIER_ADD: &str = "INSERT INTO identifier (value, scheme, scope, unit, from_at) \
    VALUES ($1, $2, $3, $4, $5)";
/// Two times on one unit that began and ended at the same instants are one row: no less is known.
const IDENTIFIER_END: &str = "INSERT INTO identifier_past (value, scheme, scope, unit, from_at, \
    to_at) SELECT value, scheme, scope, unit, from_at, $4 FROM identifier WHERE value = $1 AND \
    scheme = $2 AND scope = $3 ON CONFLICT (value, scheme, scope, from_at, unit, to_at) \
    DO NOTHING";
const IDENTIFIER_DROP: &str =
    "DELETE FROM identifier WHERE value = $1 AND scheme = $2 AND scope = $3";

const REMEDY_ADD: &str = "INSERT INTO recall_remedy (unit, recall_id, at, event_id) \
    VALUES ($1, $2, $3, $4)";
const AUDIT_CHANGE_ADD: &str = "INSERT INTO audit_change (home, at, event_id, actor, \
    object_kind, object, observation) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    UNIT_BIRTH,
    UNIT_NOT_STARTED,
    ACTIVATION_NOT_ITS,
    UNIT_UNBORN,
    UNIT_NAMES,
    UNIT_INSPECTION,
    UNIT_ACTIVATED,
    UNIT_SUSPECT,
    UNIT_RECALLED,
    UNIT_UNRECALLED,
    UNIT_STOLEN,
    UNIT_FOUND,
    UNIT_RETIRED,
    UNIT_PROVED,
    UNIT_SOLD,
    UNIT_INVOICED,
    UNIT_DELIVERED,
    UNIT_LIFE,
    PACK_OPEN,
    PACK_PRODUCTS,
    CONTAINMENT_END,
    CONTAINMENT_REOPEN,
    HOLD_ADD,
    SHIPMENT_ADD,
    SHIPMENT_VOID,
    ACTIVATION_ADD,
    FINDING_ADD,
    FINDING_WITHDRAW,
    IDENTIFIER_ADD,
    IDENTIFIER_END,
    IDENTIFIER_DROP,
    REMEDY_ADD,
    AUDIT_CHANGE_ADD,
];

/// Who hands what to whom.
struct HandOver<'a> {
    to: i64,
    from: Option<i64>,
    kind: &'static str,
    presumed: bool,
    shipment_no: Option<&'a str>,
}

/// Adds the statements by which an event changes the projections.
#[allow(clippy::too_many_lines, reason = "an arm for each kind of event is read as one table")]
pub fn project(event: &Event, known: Known<'_>, steps: &mut Vec<Step>) {
    let home = event.home;
    let at = event.happened_at;
    let from = event.party.map(|p| p.0);
    match &event.body {
        Body::Commissioned { .. } => commissioned(event, known, steps),
        // What was outdated when it was told is history.
        Body::Inspected { outdated: true, .. }
        | Body::Recalled { outdated: true, .. }
        | Body::RecallLifted { outdated: true, .. }
        | Body::StolenReported { outdated: true, .. }
        | Body::StolenCleared { outdated: true, .. } => {}
        Body::Inspected { inspection, .. } => {
            steps.push(run(UNIT_INSPECTION, [home.into(), inspection.into()]));
        }
        Body::Packed { by_paper, by_sender, holder, opens, opens_again, products, sscc } => {
            packed(event, (products, sscc), *opens, steps);
            if *opens || *opens_again {
                let hand = HandOver {
                    to: *holder,
                    from: *by_sender,
                    kind: "packed",
                    presumed: false,
                    shipment_no: by_paper.as_deref(),
                };
                hold(event, &hand, steps);
            }
        }
        Body::Unpacked {} => {
            for subject in &event.subjects {
                leave(event, (subject.number, Some(home)), steps);
            }
        }
        Body::Shipped { to, presumed, shipment_no, unpacked_from, .. }
        | Body::Returned { to, presumed, shipment_no, unpacked_from, .. } => {
            let returned = matches!(event.body, Body::Returned { .. });
            let kind = if returned { "returned" } else { "shipped" };
            leave(event, (home, *unpacked_from), steps);
            steps.push(run(
                SHIPMENT_ADD,
                [
                    home.into(),
                    event.brand.0.into(),
                    shipment_no.into(),
                    from.into(),
                    (*to).into(),
                    at.into(),
                ],
            ));
            let paper = Some(shipment_no.as_str());
            let hand = HandOver { to: *to, from, kind, presumed: *presumed, shipment_no: paper };
            hold(event, &hand, steps);
        }
        Body::Received { unpacked_from, .. } => {
            leave(event, (home, *unpacked_from), steps);
            let hand = HandOver {
                to: from.unwrap_or_default(),
                from: None,
                kind: "received",
                presumed: false,
                shipment_no: None,
            };
            hold(event, &hand, steps);
        }
        Body::ShipmentVoided { back_into, holder, out, packed_at, shipment_no } => {
            if let (Some(pack), Some(from)) = (*back_into, *packed_at) {
                let (to, told) = out.unzip();
                let params = [home.into(), pack.into(), from.into(), to.into(), told.into()];
                steps.push(run(CONTAINMENT_REOPEN, params));
            }
            // Who holds again is who sent it, and whose paper it was.
            steps.push(run(
                SHIPMENT_VOID,
                [
                    home.into(),
                    event.brand.0.into(),
                    shipment_no.into(),
                    (*holder).into(),
                    at.into(),
                ],
            ));
            let hand = HandOver {
                to: *holder,
                from,
                kind: "voided",
                presumed: false,
                shipment_no: Some(shipment_no),
            };
            hold(event, &hand, steps);
        }
        Body::Activated(body) => activated(event, body, steps),
        Body::FindingAdded { activated_at, findings, life, .. } => {
            found(event, *activated_at, findings, steps);
            if let Some(life) = life {
                doubted(event, *life, findings, steps);
            }
        }
        Body::FindingWithdrawn { finding, finding_kind, because, .. } => {
            let finding = unhex(finding).unwrap_or_default();
            let because = unhex(because).unwrap_or_default();
            steps.push(run(
                FINDING_WITHDRAW,
                [home.into(), finding.into(), finding_kind.into(), because.into()],
            ));
        }
        Body::Recalled { .. } => each(event, UNIT_RECALLED, Some(at), steps),
        Body::RecallLifted { .. } => each(event, UNIT_UNRECALLED, None, steps),
        Body::RecallRemedied { recall, .. } => remedied(event, *recall, steps),
        Body::Decommissioned { .. } => each(event, UNIT_RETIRED, Some(at), steps),
        Body::StolenReported { .. } => each(event, UNIT_STOLEN, Some(at), steps),
        Body::StolenCleared { .. } => each(event, UNIT_FOUND, None, steps),
        Body::AliasBound { alias } => steps.push(run(
            IDENTIFIER_ADD,
            [alias.to_string().into(), "code".into(), 0.into(), home.into(), at.into()],
        )),
        Body::IdentifierMoved { answers_to, onto, scheme, scope, value, .. } => {
            if let Some(names) = answers_to {
                let identifiers = identifiers_text(&names.identifiers);
                let params = [home.into(), names.sn.clone().into(), identifiers.into()];
                steps.push(run(UNIT_NAMES, params));
            }
            let key = [value.into(), scheme.into(), (*scope).into()];
            if *onto {
                let [value, scheme, scope] = key;
                steps.push(run(IDENTIFIER_ADD, [value, scheme, scope, home.into(), at.into()]));
            } else {
                let [value, scheme, scope] = key.clone();
                steps.push(run(IDENTIFIER_END, [value, scheme, scope, at.into()]));
                steps.push(run(IDENTIFIER_DROP, key));
            }
        }
        Body::Registered { sold_on, .. } => {
            if let Some(day) = sold_on {
                steps.push(run(UNIT_SOLD, [home.into(), day.into()]));
            }
        }
        Body::Sold { counts, on, paper } => {
            let statement = if paper == "invoice" { UNIT_INVOICED } else { UNIT_DELIVERED };
            if *counts {
                steps.push(run(statement, [home.into(), on.into()]));
            }
        }
        Body::ProofPassed { .. } => steps.push(run(UNIT_PROVED, [home.into(), at.into()])),
        Body::LifeOpened { life, starts, .. } => opened(event, *life, starts.first(), steps),
        Body::Changed { code, object, observation, .. } => steps.push(run(
            AUDIT_CHANGE_ADD,
            [
                home.into(),
                event.recorded_at.into(),
                event.id.0.into(),
                (&event.actor).into(),
                object.into(),
                code.into(),
                observation.as_deref().and_then(unhex).into(),
            ],
        )),
        Body::Minted { .. }
        | Body::CodesVoided { .. }
        | Body::BatchDelivered { .. }
        | Body::BatchExported {}
        | Body::ReceiptDiffered { .. }
        | Body::SuspicionReported { .. } => {}
    }
}

/// A short hash of a production record, by which an equal row in a later file is recognised. Which
/// batch the code came from is left out: a file without codes cannot know it. A field that a row
/// does not have is no part of its text, so rows from before the field hash as they did.
pub fn born_hash(row: &CommissionedRow) -> i64 {
    let row = CommissionedRow { batch: 0, ..row.clone() };
    let text = serde_json::to_string(&row).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(head)
}

fn run<const N: usize>(sql: &'static str, params: [Value; N]) -> Step {
    Step::run(sql, params.to_vec())
}

fn commissioned(event: &Event, known: Known<'_>, steps: &mut Vec<Step>) {
    let mut units = Vec::with_capacity(event.subjects.len() * UNIT_COLUMNS.len());
    let mut identifiers = Vec::new();
    for subject in &event.subjects {
        let Row::Commissioned(row) = &subject.row else { continue };
        let number = subject.number;
        let birth = birth(row);
        if known(number) {
            let mut params = vec![number.into()];
            params.extend(birth);
            steps.push(Step::run(UNIT_BIRTH, params));
            // No instant that is kept lies outside what can be read.
            let made = Timestamp::from_microsecond(row.produced_at).unwrap_or(Timestamp::MIN);
            let first = first_possible(made).as_microsecond();
            for sql in [UNIT_NOT_STARTED, ACTIVATION_NOT_ITS] {
                steps.push(run(sql, [number.into(), first.into()]));
            }
        } else {
            units.extend([
                number.into(),
                event.brand.0.into(),
                row.product.into(),
                row.batch.into(),
            ]);
            units.extend(birth);
            units.extend([0.into(), 0.into(), event.recorded_at.into(), 0.into()]);
        }
        let from: Value = row.produced_at.into();
        if let Some(sn) = &row.sn {
            let value = sn.to_ascii_uppercase();
            identifiers.extend([
                value.into(),
                "sn".into(),
                event.brand.0.into(),
                number.into(),
                from.clone(),
            ]);
        }
        for one in &row.identifiers {
            let scope = if one.scheme == "part" { event.brand.0 } else { 0 };
            identifiers.extend([
                (&one.value).into(),
                (&one.scheme).into(),
                scope.into(),
                number.into(),
                from.clone(),
            ]);
        }
    }
    bulk("unit", UNIT_COLUMNS, units, steps);
    bulk("identifier", IDENTIFIER_COLUMNS, identifiers, steps);
}

/// Identifiers as a unit's row holds them.
fn identifiers_text(rows: &[IdentifierRow]) -> Option<String> {
    (!rows.is_empty()).then(|| serde_json::to_string(rows).unwrap_or_default())
}

/// The columns of a production record, `sn` to `kit`.
fn birth(row: &CommissionedRow) -> [Value; 10] {
    let identifiers = identifiers_text(&row.identifiers);
    [
        row.sn.clone().into(),
        identifiers.into(),
        born_hash(row).into(),
        row.produced_at.into(),
        row.site.into(),
        row.line.clone().into(),
        row.lot.clone().into(),
        row.inspection.clone().into(),
        row.disposition.clone().into(),
        row.kit.clone().into(),
    ]
}

fn packed(event: &Event, (products, sscc): (&[i64], &str), opens: bool, steps: &mut Vec<Step>) {
    let products = serde_json::to_string(products).unwrap_or_default();
    if opens {
        steps.push(run(
            PACK_OPEN,
            [
                event.home.into(),
                event.brand.0.into(),
                sscc.into(),
                products.into(),
                event.recorded_at.into(),
                event.happened_at.into(),
            ],
        ));
        steps.push(run(
            IDENTIFIER_ADD,
            [sscc.into(), "sscc".into(), 0.into(), event.home.into(), event.happened_at.into()],
        ));
    } else {
        steps.push(run(PACK_PRODUCTS, [event.home.into(), products.into()]));
    }
    let values = event.subjects.iter().flat_map(|s| {
        let (child, id) = (s.number.into(), event.id.0.into());
        [child, event.happened_at.into(), event.recorded_at.into(), event.home.into(), id]
    });
    bulk("containment", CONTAINMENT_COLUMNS, values.collect(), steps);
}

fn activated(event: &Event, body: &ActivatedBody, steps: &mut Vec<Step>) {
    let home: Value = event.home.into();
    let at: Value = body.activated_at.into();
    if let (Some(product), Some(batch)) = (body.product, body.batch) {
        steps.push(run(
            UNIT_UNBORN,
            [
                home.clone(),
                event.brand.0.into(),
                product.into(),
                batch.into(),
                event.recorded_at.into(),
            ],
        ));
    }
    if body.first {
        steps.push(run(
            ACTIVATION_ADD,
            [home.clone(), body.life.into(), event.id.0.into(), at.clone()],
        ));
        let fingerprint = body.fingerprint.as_deref().and_then(unhex);
        steps.push(run(
            UNIT_ACTIVATED,
            [home, at, body.region_told().map(str::to_owned).into(), fingerprint.into()],
        ));
    }
    found(event, body.activated_at, &body.findings, steps);
    doubted(event, body.life, &body.findings, steps);
}

/// A life begins: unstarted, but where it was told of only after its first start.
fn opened(event: &Event, life: i64, first: Option<&StartRow>, steps: &mut Vec<Step>) {
    let home = event.home;
    steps.push(run(UNIT_LIFE, [home.into(), life.into()]));
    let Some(first) = first else { return };
    let (id, at) = (unhex(&first.activation).unwrap_or_default(), first.activated_at);
    steps.push(run(ACTIVATION_ADD, [home.into(), life.into(), id.into(), at.into()]));
    let fingerprint = first.fingerprint.as_deref().and_then(unhex);
    let region = first.region.clone();
    let params = [home.into(), at.into(), region.into(), fingerprint.into()];
    steps.push(run(UNIT_ACTIVATED, params));
}

/// Another device under the unit's name makes it suspect in that life.
fn doubted(event: &Event, life: i64, findings: &[FindingRow], steps: &mut Vec<Step>) {
    let copied = |f: &FindingRow| f.kind == "activated_again" && f.grade != "observe";
    if findings.iter().any(copied) {
        steps.push(run(UNIT_SUSPECT, [event.home.into(), life.into()]));
    }
}

/// Findings stand under the event that wrote them, whichever activation they concern.
fn found(event: &Event, activated_at: i64, findings: &[FindingRow], steps: &mut Vec<Step>) {
    let home: Value = event.home.into();
    for finding in findings {
        steps.push(run(
            FINDING_ADD,
            [
                home.clone(),
                event.id.0.into(),
                (&finding.kind).into(),
                (&finding.grade).into(),
                finding.nature.clone().into(),
                finding.reasons.join(" ").into(),
                activated_at.into(),
            ],
        ));
    }
}

fn hold(event: &Event, hand: &HandOver<'_>, steps: &mut Vec<Step>) {
    steps.push(run(
        HOLD_ADD,
        [
            event.home.into(),
            event.happened_at.into(),
            event.id.0.into(),
            hand.to.into(),
            hand.from.into(),
            hand.kind.into(),
            hand.presumed.into(),
            hand.shipment_no.map(str::to_owned).into(),
            event.recorded_at.into(),
        ],
    ));
}

fn leave(event: &Event, (child, parent): (i64, Option<i64>), steps: &mut Vec<Step>) {
    if let Some(parent) = parent {
        let ended = [event.happened_at.into(), event.recorded_at.into()];
        let [at, recorded_at] = ended;
        steps.push(run(CONTAINMENT_END, [child.into(), parent.into(), at, recorded_at]));
    }
}

/// One statement for each unit the event names: its rows, or its home alone.
fn each(event: &Event, sql: &'static str, at: Option<i64>, steps: &mut Vec<Step>) {
    let own = event.subjects.is_empty().then_some(event.home);
    for unit in own.into_iter().chain(event.subjects.iter().map(|s| s.number)) {
        let params = std::iter::once(unit.into()).chain(at.map(Value::from));
        steps.push(Step::run(sql, params.collect()));
    }
}

/// Each unit the event names, under the recall. What was remedied before stays as it was.
fn remedied(event: &Event, recall: i64, steps: &mut Vec<Step>) {
    let own = event.subjects.is_empty().then_some(event.home);
    for unit in own.into_iter().chain(event.subjects.iter().map(|s| s.number)) {
        let params = [unit.into(), recall.into(), event.happened_at.into(), event.id.0.into()];
        steps.push(run(REMEDY_ADD, params));
    }
}

fn bulk(
    table: &'static str,
    columns: &'static [&'static str],
    values: Vec<Value>,
    steps: &mut Vec<Step>,
) {
    if !values.is_empty() {
        steps.push(Step::Bulk { table, columns, values });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_a_kit_hashes_as_before_there_were_any() {
        let row = CommissionedRow {
            batch: 9,
            produced_at: 5,
            product: 2,
            site: 3,
            sn: Some("A1".into()),
            ..CommissionedRow::default()
        };
        let text = r#"{"batch":0,"produced_at":5,"product":2,"site":3,"sn":"A1"}"#;
        let digest = Sha256::digest(text.as_bytes());
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        assert_eq!(born_hash(&row), i64::from_be_bytes(head));
        let in_a_set = CommissionedRow { kit: Some("A1".into()), ..row.clone() };
        assert_ne!(born_hash(&in_a_set), born_hash(&row));
    }
}
