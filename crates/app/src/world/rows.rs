//! Rows of the plan as the drafts that files of such rows would give.

use super::catalogue::{FACTORIES, MODELS};
use super::instant;
use super::plan::Plan;
use crate::files::{Instant, ProductionDraft, ShipmentDraft, SubjectRef};
use crate::flows::FlowError;
use domain::code::TraceCode;
use domain::disposition::Disposition;
use domain::identifier::{Identifier, Scheme, imei15};
use domain::refusal::Refused;
use domain::verdict::Inspection;

/// A hand-over: number of the papers, from, to, when, what.
pub struct Move<'a>(pub String, pub &'a str, pub &'a str, pub i64, pub &'a str);

impl Move<'_> {
    /// The row.
    pub fn draft(&self) -> Result<ShipmentDraft, FlowError> {
        let Self(number, from, to, at, what) = self;
        Ok(ShipmentDraft {
            shipment_no: number.clone(),
            from_code: (*from).to_owned(),
            to_code: (*to).to_owned(),
            happened_at: beijing(*at),
            subject: subject(what)?,
            reason: String::new(),
            declared_group_purchase: false,
        })
    }
}

/// An instant told in Beijing time.
pub fn beijing(seconds: i64) -> Instant {
    Instant { at: instant(seconds), offset_minutes: 480, day_end: None }
}

/// What a row moves.
pub fn subject(raw: &str) -> Result<SubjectRef, FlowError> {
    SubjectRef::parse(raw).map_err(|why| Refused::invalid("subject", why).into())
}

/// The production row of a unit.
pub fn production(
    plan: &Plan,
    place: usize,
    code: Option<TraceCode>,
) -> Result<ProductionDraft, FlowError> {
    let unit = &plan.units[place];
    let model = &MODELS[unit.model];
    let mut identifiers = Vec::new();
    if model.tac.len() == 8 {
        for (slot, column) in ["imei1", "imei2"].into_iter().enumerate() {
            identifiers.push((column, imei(model.tac, place * 2 + slot)?));
        }
    }
    let parts = match model.network {
        true => {
            let serial = format!("BAT{}{:08}", model.letters, place + 1);
            vec![("parts", identifier(Scheme::Part, &serial)?)]
        }
        false => Vec::new(),
    };
    Ok(ProductionDraft {
        sn: identifier(Scheme::Sn, &unit.sn)?,
        gtin: model.gtin()?,
        produced_at: beijing(unit.produced_at),
        site_code: FACTORIES[model.factory].code.to_owned(),
        code,
        identifiers,
        parts,
        line: format!("L{}", 1 + unit.lot % 4),
        lot: plan.lots[unit.lot].name.clone(),
        inspection: Inspection::Pass,
        disposition: Some(Disposition::Sale),
        kit: None,
    })
}

/// Two numbers a phone; past half a million phones the type allocation code moves on.
fn imei(tac: &str, serial: usize) -> Result<Identifier, FlowError> {
    let tac = tac.parse::<usize>().unwrap_or(0) + 10 * (serial / 1_000_000);
    let body = format!("{tac:08}{:06}", serial % 1_000_000);
    identifier(Scheme::Imei, &imei15(&body).unwrap_or(body))
}

fn identifier(scheme: Scheme, text: &str) -> Result<Identifier, FlowError> {
    Identifier::parse(scheme, text).map_err(|e| Refused::invalid(scheme.as_str(), e).into())
}
