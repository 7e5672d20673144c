//! What an activation is recorded as: one event with its findings, the raw signals sealed beside
//! it, and the alerts of what somebody must see.

use super::{Decided, Loaded, Report, SIGNALS_LABEL};
use crate::flows::caller::Caller;
use crate::flows::custody::instant;
use crate::flows::house::{EventDraft, House};
use crate::flows::outcome::FlowError;
use crate::rules::{NEVER_SHIPPED_GRACE, kept};
use detect::location::{Assessment, Family, FamilyReading, Gps, Model, Reason, fences_around};
use domain::finding::{Finding, FindingGrade, FindingKind};
use domain::id::{EventId, PartyId};
use domain::region::RegionCode;
use domain::retention::Kept;
use domain::territory::Binding;
use sha2::{Digest, Sha256};
use store::canonical::hex;
use store::commit::{Alert, Commit, Observation, Relied};
use store::event::{ActivatedBody, Body, Event, FamilyRow, FenceRow, FindingRow, ReadingRow};

/// Everything an activation writes.
pub(super) fn commit(
    house: &House,
    loaded: &Loaded,
    decided: &Decided,
    report: &Report,
    caller: Option<&Caller>,
) -> Result<Commit, FlowError> {
    let unit = loaded.unit.as_ref();
    let after = unit.map_or(0, |u| u.recorded_at);
    let signals = serde_json::to_value(&report.signals)
        .and_then(|v| store::canonical::canonical_text(&v))
        .map_err(|e| store::StoreError::Record(e.to_string()))?;
    let blind = crate::secrets::random::<16>()?;
    let digest = Sha256::new().chain_update(&signals).chain_update(blind).finalize();
    let body = body(house, loaded, decided, hex(&digest));
    let event = event(house, loaded, report, caller, after, body);
    let sealed = serde_json::to_vec(&(hex(&blind), decided.assurance.as_str(), report))
        .map_err(|e| store::StoreError::Record(e.to_string()))?;
    let recorded_at = event.recorded_at;
    let observation = Observation {
        home: loaded.number,
        id: event.id.0,
        sealed: house.secrets.seal(SIGNALS_LABEL, &sealed)?,
        expires_at: recorded_at + kept(Kept::Observation).as_micros() as i64,
    };
    let relied = match unit {
        Some(u) => Relied::Unit { number: u.number, revision: u.revision },
        // Its code becomes a unit here.
        None => Relied::BatchBound(loaded.batch),
    };
    Ok(Commit {
        relies_on: vec![relied],
        alerts: alerts(&event, &decided.activation.findings, decided.life),
        events: vec![event],
        observations: vec![observation],
        ..Commit::default()
    })
}

fn event(
    house: &House,
    loaded: &Loaded,
    report: &Report,
    caller: Option<&Caller>,
    after: i64,
    body: ActivatedBody,
) -> Event {
    let nobody = Caller {
        brand: loaded.brand,
        party: PartyId(0),
        scopes: Vec::new(),
        regions: Vec::new(),
        role: None,
        actor: "device".to_owned(),
        address: None,
    };
    let draft = EventDraft {
        caller: caller.unwrap_or(&nobody),
        home: loaded.number,
        site: None,
        happened_at: report.told_at().unwrap_or_else(|| instant(body.activated_at)),
        offset_minutes: report.offset_minutes,
        after,
        body: Body::Activated(Box::new(body)),
        subjects: Vec::new(),
    };
    let mut event = house.event(draft);
    event.party = caller.map(|c| c.party);
    event
}

fn body(house: &House, loaded: &Loaded, decided: &Decided, digest: String) -> ActivatedBody {
    let assessment = &decided.assessment;
    // Whoever names a shop would make the public be told that it was there, and that there is one.
    let public = match decided.assurance.vouches_for_access() {
        true => assessment.region,
        false => assessment.place_without(Family::Retail).1,
    };
    let named = |region: Option<RegionCode>| region.map(|r| r.to_string());
    ActivatedBody {
        activated_at: decided.at.at.as_microsecond(),
        assurance: decided.assurance.as_str().to_owned(),
        batch: loaded.unit.is_none().then_some(loaded.batch),
        bound_to: decided.bound_to.map(|p| p.0),
        clock_believed: decided.at.clock_believed,
        families: families(assessment),
        fences: decided.fences.clone(),
        findings: decided.activation.findings.iter().map(finding_row).collect(),
        fingerprint: decided.fingerprint.as_deref().map(hex),
        first: decided.activation.first,
        grade: assessment.grade.as_str().to_owned(),
        life: decided.life,
        level: assessment.level.as_str().to_owned(),
        network: decided.network.map(|class| class.as_str().to_owned()),
        product: loaded.unit.is_none().then_some(loaded.product.0),
        public_region: (public != assessment.region).then(|| named(public).unwrap_or_default()),
        region: named(assessment.region),
        signals_digest: digest,
        versions: versions(house),
    }
}

/// What an activation reads as on what is known now.
pub(in crate::flows) fn reading_row(
    house: &House,
    activation: EventId,
    decided: &Decided,
) -> ReadingRow {
    let assessment = &decided.assessment;
    ReadingRow {
        activation: hex(&activation.0),
        bound_to: decided.bound_to.map(|party| party.0),
        families: families(assessment),
        fences: decided.fences.clone(),
        grade: assessment.grade.as_str().to_owned(),
        level: assessment.level.as_str().to_owned(),
        network: decided.network.map(|class| class.as_str().to_owned()),
        region: assessment.region.map(|region| region.to_string()),
        versions: versions(house),
    }
}

/// What decided: the databases of addresses, the location model and the policies.
pub(in crate::flows) fn versions(house: &House) -> String {
    let (databases, rules) = (house.geo.versions(), &house.rules.versions);
    if databases.is_empty() { rules.clone() } else { format!("{databases}; {rules}") }
}

fn families(assessment: &Assessment) -> Vec<FamilyRow> {
    // In and out stand there by themselves.
    let more = |reason: &Reason| !matches!(reason, Reason::Inside | Reason::Outside);
    let row = |f: &FamilyReading| FamilyRow {
        family: f.family.as_str().to_owned(),
        inside: f.inside,
        level: f.level.as_str().to_owned(),
        reasons: f.reasons.iter().copied().filter(more).map(|r| r.code().to_owned()).collect(),
        region: f.region.map(|r| r.to_string()),
        score_milli: (f.score * 1000.0).round() as i64,
    };
    assessment.families.iter().map(row).collect()
}

/// The fences, of the grants that bind goods, that a position lies in.
pub(super) fn fences(gps: &Gps, binding: &Binding<'_>, model: &Model) -> Vec<FenceRow> {
    let mut rows = Vec::new();
    for grant in &binding.grants {
        let places = fences_around(gps, &grant.regions, model).into_iter();
        rows.extend(places.map(|place| FenceRow { place: place as i64, territory: grant.id.0 }));
    }
    rows
}

/// A finding as the ledger keeps it.
pub(in crate::flows) fn finding_row(finding: &Finding) -> FindingRow {
    FindingRow {
        grade: finding.grade.as_str().to_owned(),
        kind: finding.kind.as_str().to_owned(),
        nature: finding.nature.map(|n| n.as_str().to_owned()),
        reasons: finding.reasons.clone(),
    }
}

/// Alerts for findings someone must see.
fn alerts(event: &Event, findings: &[Finding], life: i64) -> Vec<Alert> {
    let seen = findings.iter().filter(|f| f.grade.alerts());
    seen.map(|f| alert(event, f.kind, f.grade, life)).collect()
}

/// The alert of a finding that an event wrote. Papers are often behind the goods, so
/// `never_shipped` waits out its grace period first.
pub(in crate::flows) fn alert(
    event: &Event,
    kind: FindingKind,
    grade: FindingGrade,
    life: i64,
) -> Alert {
    let grace = match kind {
        FindingKind::NeverShipped => NEVER_SHIPPED_GRACE.as_micros() as i64,
        _ => 0,
    };
    Alert {
        home: event.home,
        dedup_key: format!("{} life {life}", kind.as_str()),
        brand: event.brand.0,
        kind: kind.as_str().to_owned(),
        grade: grade.as_str().to_owned(),
        event: event.id.0,
        due_at: event.recorded_at + grace,
    }
}
