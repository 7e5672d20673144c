//! A dossier as a reply. Internal numbers stay inside: parties go out by code, packs by SSCC,
//! units by trace code.

use super::instant_text;
use super::packs::ParentReply;
use super::verdicts::{ProductReply, RecallNoticeReply};
use crate::flows::House;
use crate::flows::access::Sight;
use crate::flows::compliance::trace_clock;
use crate::flows::custody::instant;
use crate::flows::dossier::{Shown, aliases, happened_at, left_pack};
use crate::flows::find::unit_number;
use crate::flows::lives::of_start;
use crate::flows::redecide::weighed_again;
use crate::flows::reference::Reference;
use crate::flows::verify::Verified;
use domain::access::Fact;
use domain::id::{EventId, PartyId, SiteId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::canonical::hex;
use store::event::{ActivatedBody, Body, Event, FamilyRow, FenceRow, FindingRow, Row};
use store::finding::FindingRecord;
use utoipa::ToSchema;

/// An identifier.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentifierReply {
    /// `imei`, `meid`, `eid`, `mac`, `part`.
    pub scheme: String,
    /// Its canonical form; an IMEI with its check digit.
    pub value: String,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventReply {
    /// Its name.
    pub id: String,
    /// What happened.
    pub kind: &'static str,
    /// When it happened to this unit or pack, in the sender's offset.
    pub happened_at: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// Code of the party that says so.
    #[schema(required = true)]
    pub party: Option<String>,
    /// Code of the site.
    #[schema(required = true)]
    pub site: Option<String>,
    /// Who acted, where it may be seen.
    #[schema(required = true)]
    pub actor: Option<String>,
    /// What else it says, by kind.
    #[schema(value_type = Object)]
    pub detail: Map<String, Value>,
}

/// A finding as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingFindingReply {
    /// What is suspected.
    pub kind: String,
    /// How sure.
    pub grade: String,
    /// `cross_region` or `cross_border`, where it is one of them.
    #[schema(required = true)]
    pub nature: Option<String>,
    /// Stable reason codes.
    pub reasons: Vec<String>,
    /// When the activation happened.
    pub activated_at: String,
    /// Whether a later fact took it back.
    pub withdrawn: bool,
    /// The event that wrote it.
    pub event: String,
}

/// A whole dossier, as far as the caller may see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DossierReply {
    /// Trace code.
    pub code: String,
    /// Further codes: labels that replaced the first, where identifiers may be seen.
    pub aliases: Vec<String>,
    /// Serial number.
    #[schema(required = true)]
    pub sn: Option<String>,
    /// Other identifiers, where they may be seen.
    pub identifiers: Vec<IdentifierReply>,
    /// The verdict now.
    pub verdict: &'static str,
    /// Its reason.
    pub reason: &'static str,
    /// What it is.
    #[schema(required = true)]
    pub product: Option<ProductReply>,
    /// Which of its lives.
    pub life: i64,
    /// When it was made.
    #[schema(required = true)]
    pub produced_at: Option<String>,
    /// First activation of this life.
    #[schema(required = true)]
    pub activated_at: Option<String>,
    /// Quality result, where it may be seen.
    #[schema(required = true)]
    pub inspection: Option<String>,
    /// The main unit of the saleable set it belongs to, where it may be seen.
    #[schema(required = true)]
    pub kit: Option<String>,
    /// Production line, where it may be seen.
    #[schema(required = true)]
    pub line: Option<String>,
    /// Production lot, where it may be seen.
    #[schema(required = true)]
    pub lot: Option<String>,
    /// The recall it stands under.
    #[schema(required = true)]
    pub recall: Option<RecallNoticeReply>,
    /// The packs around it now, from the innermost outwards, where they may be seen.
    pub parents: Vec<ParentReply>,
    /// How long its trace data must be kept; for the brand only.
    #[schema(required = true)]
    pub retention: Option<UnitRetentionReply>,
    /// What happened, oldest first.
    pub timeline: Vec<EventReply>,
    /// What does not fit, where it may be seen.
    pub findings: Vec<StandingFindingReply>,
}

/// How long trace data of a unit must be kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitRetentionReply {
    /// Last day on which it must be kept; null while nobody can tell.
    #[schema(required = true)]
    pub keep_until: Option<String>,
    /// What that day rests on: `warranty`, `service_life`, `delivery`.
    #[schema(required = true)]
    pub basis: Option<&'static str>,
    /// The policy row used.
    #[schema(required = true)]
    pub policy: Option<String>,
    /// Whether that row was compared with its source.
    pub policy_verified: bool,
    /// A recall keeps everything, whatever the day.
    pub held: bool,
}

fn retention_reply(
    house: &House,
    reference: &Reference,
    verified: &Verified,
) -> Option<UnitRetentionReply> {
    let known = verified.unit.as_ref()?;
    let recalled = known.recall.is_some();
    let clock = trace_clock::clock(house, reference, &known.record, &known.custody, recalled);
    Some(UnitRetentionReply {
        keep_until: clock.keep_until.map(|day| day.to_string()),
        basis: clock.basis.map(|basis| basis.as_str()),
        policy: clock.policy,
        policy_verified: clock.verified,
        held: clock.held,
    })
}

/// What the pieces of a dossier reply share.
pub(super) struct Telling<'a> {
    pub(super) house: &'a House,
    pub(super) reference: &'a Reference,
    pub(super) sight: Sight<'a>,
    /// The unit or pack it is about, and its brand.
    pub(super) subject: i64,
    pub(super) brand: i64,
    /// All that is told of it, which names the packs.
    pub(super) story: &'a [Event],
}

/// A dossier as this caller may see it.
pub fn dossier_reply(house: &House, reference: &Reference, shown: &Shown<'_>) -> DossierReply {
    let Shown { sight, verified, dossier, around } = shown;
    let unit = &dossier.unit;
    let (subject, brand) = (unit.number, unit.brand);
    let story = &*dossier.events;
    let telling = Telling { house, reference, sight: *sight, subject, brand, story };
    let production = sight.shows(Fact::Production);
    let kept = |text: &Option<String>| text.clone().filter(|_| production);
    let at = |micros: Option<i64>| micros.map(|at| telling.text(at));
    let identifier = |i: &store::event::IdentifierRow| IdentifierReply {
        scheme: i.scheme.clone(),
        value: words(&i.scheme, &i.value),
    };
    let code = |number| house.ring().encode(unit_number(number)).as_str().to_owned();
    let mut aliases = aliases(&dossier.events);
    aliases.retain(|_| sight.shows(Fact::Identifiers));
    let identifiers = unit.identifiers.iter().filter(|_| sight.shows(Fact::Identifiers));
    let finding = |f: &FindingRecord| StandingFindingReply {
        kind: f.kind.clone(),
        grade: f.grade.clone(),
        nature: f.nature.clone(),
        reasons: f.reasons.split_whitespace().map(str::to_owned).collect(),
        activated_at: telling.text(f.activated_at),
        withdrawn: f.withdrawn,
        event: hex(&f.event.0),
    };
    let recall = verified.unit.as_ref().and_then(|known| known.recall.as_deref());
    let findings = dossier.findings.iter().filter(|_| sight.shows(Fact::Findings));
    DossierReply {
        code: code(unit.number),
        aliases: aliases.into_iter().map(code).collect(),
        sn: unit.sn.clone().filter(|_| sight.shows(Fact::Identifiers)),
        identifiers: identifiers.map(identifier).collect(),
        verdict: verified.decision.verdict.as_str(),
        reason: verified.decision.reason.as_str(),
        product: verified.unit.as_ref().map(|known| known.product.as_ref().into()),
        life: unit.life,
        produced_at: at(unit.produced_at),
        activated_at: at(unit.activated_at),
        inspection: kept(&unit.inspection),
        kit: kept(&unit.kit),
        line: kept(&unit.line),
        lot: kept(&unit.lot),
        recall: recall.map(|it| RecallNoticeReply::of(reference, it)),
        parents: around.iter().map(|pack| telling.parent(pack)).collect(),
        retention: production.then(|| retention_reply(house, reference, verified)).flatten(),
        timeline: dossier.events.iter().filter_map(|e| telling.event(e)).collect(),
        findings: findings.map(finding).collect(),
    }
}

impl Telling<'_> {
    pub(super) fn text(&self, micros: i64) -> String {
        instant_text(self.reference, self.brand, instant(micros))
    }

    fn code_of(&self, party: i64) -> Value {
        let party = self.reference.tree.get(PartyId(party));
        party.map_or(Value::Null, |p| p.code.clone().into())
    }

    /// An event, when the caller may see it.
    pub(super) fn event(&self, event: &Event) -> Option<EventReply> {
        if !self.concerns(event) {
            return None;
        }
        let offset = jiff::tz::Offset::from_seconds(event.offset_minutes * 60);
        let offset = offset.unwrap_or(jiff::tz::Offset::UTC);
        let tree = &self.reference.tree;
        let site = event.site.and_then(|s: SiteId| self.reference.site_by_id(s));
        let all = self.sight.shows(Fact::AllHops);
        // That it was made all are told; by which plant, who may see that hop.
        let made = matches!(event.body, Body::Commissioned { .. });
        let production = self.sight.shows(Fact::Production);
        let told = |party: &PartyId| !made || production || self.sight.shows_hop(*party);
        let may_see = |site: &&domain::party::Site| all || self.sight.shows_hop(site.party);
        let happened_at = instant(happened_at(event, self.subject));
        let mut detail = self.detail(event);
        if let Some(sscc) = left_pack(event, self.story) {
            detail.insert("out_of".to_owned(), sscc.into());
        }
        Some(EventReply {
            id: hex(&event.id.0),
            kind: event.body.kind(),
            happened_at: happened_at.display_with_offset(offset).to_string(),
            recorded_at: self.text(event.recorded_at),
            party: event.party.filter(told).and_then(|p| tree.get(p)).map(|p| p.code.clone()),
            site: site.filter(may_see).map(|s| s.code.clone()),
            actor: self.sight.shows(Fact::Actors).then(|| event.actor.clone()),
            detail,
        })
    }

    /// Whether an event is among the facts that may be shown. That the unit was made and activated
    /// is told to all who may see its dossier; what moved goods, to those it moved them from or to.
    fn concerns(&self, event: &Event) -> bool {
        let own = |party: PartyId| self.sight.shows_hop(party);
        let to = match &event.body {
            Body::Shipped { to, .. } | Body::Returned { to, .. } => Some(PartyId(*to)),
            Body::ReceiptDiffered { from, .. } => Some(PartyId(*from)),
            Body::Received { .. } | Body::ShipmentVoided { .. } | Body::Sold { .. } => None,
            Body::Commissioned { .. } | Body::Activated(_) => return true,
            Body::Packed { .. } | Body::Unpacked {} if self.sight.shows(Fact::AllHops) => {
                return true;
            }
            Body::Packed { .. } | Body::Unpacked {} => None,
            Body::Inspected { .. }
            | Body::AliasBound { .. }
            | Body::IdentifierMoved { .. }
            | Body::Recalled { .. }
            | Body::RecallLifted { .. }
            | Body::Decommissioned { .. }
            | Body::LifeOpened { .. } => return self.sight.shows(Fact::TechnicalHistory),
            _ => return self.sight.shows_all(),
        };
        to.into_iter().chain(event.party).any(own)
    }

    #[allow(clippy::too_many_lines, reason = "an arm for each kind of event is one table")]
    fn detail(&self, event: &Event) -> Map<String, Value> {
        let value = match &event.body {
            Body::Commissioned { .. } => self.commissioned(event),
            Body::Inspected { inspection, note, outdated } => {
                json!({"inspection": inspection, "outdated": outdated, "note": note})
            }
            Body::Packed { by_paper, sscc, holder, .. } => {
                json!({"sscc": sscc, "holder": self.code_of(*holder), "by_paper": by_paper})
            }
            Body::Shipped {
                to, presumed, reason, shipment_no, declared_group_purchase, ..
            } => {
                json!({"to": self.code_of(*to), "presumed": presumed, "reason": reason,
                    "shipment_no": shipment_no,
                    "declared_group_purchase": declared_group_purchase.unwrap_or(false)})
            }
            Body::Returned { to, presumed, reason, shipment_no, .. } => {
                json!({"to": self.code_of(*to), "presumed": presumed, "reason": reason,
                    "shipment_no": shipment_no})
            }
            Body::ReceiptDiffered { from, missing, shipment_no } => {
                json!({"from": self.code_of(*from), "missing": missing,
                    "shipment_no": shipment_no})
            }
            Body::Received { note, .. } => json!({"note": note}),
            Body::ShipmentVoided { shipment_no, .. } => json!({"shipment_no": shipment_no}),
            Body::Activated(body) => self.activated(event.id, body),
            Body::FindingAdded {
                activated_at, activation, because, bound_to, findings, ..
            } => {
                json!({"activation": activation, "activated_at": self.text(*activated_at),
                    "because": because, "findings": findings_told(findings),
                    "bound_to": self.bound(*bound_to)})
            }
            Body::FindingWithdrawn { finding, finding_kind, because, .. } => {
                json!({"finding": finding, "finding_kind": finding_kind, "because": because})
            }
            Body::Recalled { outdated, reason }
            | Body::RecallLifted { outdated, reason }
            | Body::StolenReported { outdated, reason }
            | Body::StolenCleared { outdated, reason } => {
                json!({"outdated": outdated, "reason": reason})
            }
            Body::Decommissioned { reason } | Body::CodesVoided { reason, .. } => {
                json!({"reason": reason})
            }
            Body::RecallRemedied { note, recall } => json!({"note": note, "recall": recall}),
            Body::LifeOpened { cause, life, reason, .. } => {
                json!({"cause": cause.map(|cause| cause.as_str()), "life": life,
                    "reason": reason})
            }
            Body::BatchDelivered { to } => json!({"to": to}),
            Body::AliasBound { alias } => {
                json!({"code": self.house.ring().encode(unit_number(*alias)).as_str()})
            }
            Body::IdentifierMoved { onto, reason, scheme, value, .. } => {
                json!({"onto": onto, "reason": reason, "scheme": scheme,
                    "value": words(scheme, value)})
            }
            Body::Registered { proof, sold_on, .. } => json!({"proof": proof, "sold_on": sold_on}),
            Body::Sold { counts, on, paper } => {
                json!({"counts": counts, "paper": paper, "sold_on": on})
            }
            Body::ProofPassed { proof } => json!({"proof": proof}),
            Body::Minted { .. }
            | Body::BatchExported {}
            | Body::Unpacked {}
            | Body::Changed { .. }
            | Body::SuspicionReported { .. } => json!({}),
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The unit's own row of a bulk event: no other's.
    fn commissioned(&self, event: &Event) -> Value {
        let own = event.subjects.iter().find(|s| s.number == self.subject);
        match own.map(|s| &s.row) {
            Some(Row::Commissioned(row)) if self.sight.shows(Fact::Production) => {
                json!({"line": row.line, "lot": row.lot, "inspection": row.inspection,
                    "disposition": row.disposition, "kit": row.kit})
            }
            _ => json!({}),
        }
    }

    fn bound(&self, party: Option<i64>) -> Value {
        party.map_or(Value::Null, |party| self.code_of(party))
    }

    fn activated(&self, id: EventId, body: &ActivatedBody) -> Value {
        let (life, first) = of_start(self.story, id, body);
        let told = json!({"activated_at": self.text(body.activated_at), "first": first,
            "life": life});
        if !self.sight.shows(Fact::Findings) {
            return told;
        }
        let findings = findings_told(&body.findings);
        json!({"activated_at": self.text(body.activated_at), "first": first,
            "life": life, "assurance": body.assurance, "clock_believed": body.clock_believed,
            "bound_to": self.bound(body.bound_to),
            "location": {"region": body.region, "level": body.level, "grade": body.grade},
            "network": body.network, "families": families_told(&body.families),
            "fences": self.fences(&body.fences), "findings": findings,
            "versions": body.versions, "weighed_again": self.weighed_again(id)})
    }

    /// What an activation reads as since the last late fact; null where it reads as recorded.
    fn weighed_again(&self, activation: EventId) -> Value {
        let Some(told) = weighed_again(self.story, activation) else { return Value::Null };
        let reading = told.reading;
        json!({"event": hex(&told.event.id.0), "because": told.because,
            "bound_to": self.bound(reading.bound_to),
            "location": {"region": reading.region, "level": reading.level,
                "grade": reading.grade},
            "network": reading.network, "families": families_told(&reading.families),
            "fences": self.fences(&reading.fences), "versions": reading.versions})
    }

    /// Fences as the brand knows them: by their names, and whose grant they are of.
    fn fences(&self, rows: &[FenceRow]) -> Vec<Value> {
        let told = |row: &FenceRow| {
            let mut grants = self.reference.territories.iter();
            let grant = grants.find(|grant| grant.id.0 == row.territory)?;
            let fence = grant.regions.fences().get(usize::try_from(row.place).ok()?)?;
            Some(json!({"name": fence.name(), "party": self.code_of(grant.party.0)}))
        };
        rows.iter().filter_map(told).collect()
    }
}

fn families_told(families: &[FamilyRow]) -> Vec<Value> {
    let told = |f: &FamilyRow| {
        json!({"family": f.family, "inside": f.inside, "level": f.level, "reasons": f.reasons,
            "region": f.region, "score_milli": f.score_milli})
    };
    families.iter().map(told).collect()
}

/// An identifier as people know it: an IMEI with its check digit.
fn words(scheme: &str, value: &str) -> String {
    let full = (scheme == "imei").then(|| domain::identifier::imei15(value)).flatten();
    full.unwrap_or_else(|| value.to_owned())
}

fn findings_told(findings: &[FindingRow]) -> Vec<Value> {
    let told = |f: &FindingRow| {
        json!({"kind": f.kind, "grade": f.grade, "nature": f.nature,
            "reasons": f.reasons})
    };
    findings.iter().map(told).collect()
}
