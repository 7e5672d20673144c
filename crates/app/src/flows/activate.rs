//! Activation: the first start of a unit, weighed against where its goods may be sold. Nothing is
//! ever locked or refused because of location; what does not fit is found, kept and shown to those
//! who watch the channel.

mod beside;
mod bounds;
mod happened;
mod loaded;
mod record;

pub use happened::read_happened_at;

pub(super) use beside::look_again_where_moved;
pub(super) use loaded::{Loaded, load};
pub(super) use record::{alert, finding_row, reading_row, versions};

use super::access::Sight;
use super::caller::{Caller, Scope};
use super::custody::instant;
use super::find::{self, CodeFound, unit_number};
use super::house::House;
use super::idempotency::{Answer, Keyed};
use super::outcome::{FlowError, RACES_MAX};
use super::reference::Reference;
use super::standing;
use detect::location::{Access, Assessment, Gps, Network, Observations, assess};
use domain::access::Fact;
use domain::activation::{self, ActivationFacts, Assurance, Earlier, Outside};
use domain::custody::CustodyFacts;
use domain::finding::{Finding, FindingGrade, Nature};
use domain::id::{BrandId, PartyId};
use domain::identifier::{Identifier, Scheme};
use domain::refusal::{Refusal, Refused};
use domain::territory::Binding;
use domain::warranty::WarrantyReading;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use store::commit::{Commit, Relied, Side};
use store::event::FenceRow;
use store::unit::UnitRecord;

/// Label under which raw signals are sealed.
pub(super) const SIGNALS_LABEL: &str = "signals v1";

/// What a device or server says of the place of an activation. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// Client address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ip: Option<IpAddr>,
    /// Country code of the serving mobile network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serving_mcc: Option<String>,
    /// Country code of the SIM's home network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sim_mcc: Option<String>,
    /// Position: latitude, longitude, radius in metres, attested.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gps: Option<(f64, f64, f64, bool)>,
    /// Party code of the shop that sold it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub store_code: Option<String>,
    /// Where the sale was shipped to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shipping_region: Option<String>,
    /// `fixed`, `wifi`, `cellular`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access: Option<String>,
    /// IANA zone of the device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_zone: Option<String>,
    /// A platform's attestation as sent; nothing here verifies it yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attestation: Option<String>,
}

/// An activation as reported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `sn`, `imei`, `code` …
    pub scheme: String,
    /// The identifier as given.
    pub value: String,
    /// When it happened, microseconds; that of [`Timestamp::MIN`] where its clock tells no time.
    pub happened_at: i64,
    /// The sender's offset from UTC, minutes.
    pub offset_minutes: i32,
    /// What tells this device from another.
    pub fingerprint: Option<String>,
    /// Where.
    pub signals: Signals,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Activated {
    /// The unit as it was before.
    pub unit: UnitRecord,
    /// The event's identity.
    pub event: domain::id::EventId,
    /// The life it belongs to.
    pub life: i64,
    /// First of that life.
    pub first: bool,
    /// First activation of that life.
    pub activated_at: Timestamp,
    /// Whether the sender's clock was believed.
    pub clock_believed: bool,
    /// What could not be used of the report, as far as its sender may be told: stable codes.
    pub reasons: Vec<&'static str>,
    /// The weighed evidence.
    pub assessment: Assessment,
    /// What does not fit.
    pub findings: Vec<Finding>,
    /// What the report is worth.
    pub assurance: Assurance,
    /// The warranty as it stands after it.
    pub warranty: WarrantyReading,
    /// What of all this its sender may be told.
    pub told: Told,
}

/// What a sender may be told of the unit beside its region and its guarantee, by the table of
/// `domain::access`: whoever starts a device need not know whose goods it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Trace code and serial number, also where the report did not name them.
    pub identifiers: bool,
    /// Grade, findings, and what names no shop and no region.
    pub findings: bool,
}

/// How an answer is written, so it can be stored with the very commit it answers.
pub type Render<'a> = &'a (dyn Fn(&Activated) -> Answer + Send + Sync);

/// Records an activation. `key` stores the rendered answer for repetition.
///
/// # Errors
/// [`Refusal::InvalidField`]: a field is out of its bounds. [`Refusal::UnknownSubject`]: nothing
/// answers to the identifier; the report is kept and replayed when the unit arrives within 30 days.
pub async fn activate(
    house: &House,
    caller: Option<&Caller>,
    report: &Report,
    key: Option<&Keyed>,
    render: Render<'_>,
) -> Result<Answer, FlowError> {
    may_report(caller)?;
    report.check()?;
    let received_at = house.clock.now();
    let received = Received { caller, brand: None, report, received_at, waited: None };
    let answer = receive(house, received, key, render).await;
    let unknown = matches!(&answer, Err(FlowError::Refused(why))
        if why.refusal == Refusal::UnknownSubject);
    // A code that was never issued is no unit that might still arrive.
    if !unknown || report.scheme == Scheme::Code.as_str() {
        return answer;
    }
    let received = Received { caller, brand: None, report, received_at, waited: None };
    let mut reference = house.reference().await?;
    let meant = received.meant(&reference);
    let brand = meant.unwrap_or(BrandId(0));
    if locate(house, &mut reference, (brand, caller), report).await?.is_some() {
        // It came meanwhile; or it is another tenant's.
        return receive(house, received, key, render).await;
    }
    let waited = Some(super::waiting::keep(house, &received, meant).await?);
    if locate(house, &mut reference, (brand, caller), report).await?.is_some() {
        // It came while the report was put by: it need not wait for the job.
        return receive(house, Received { waited, ..received }, key, render).await;
    }
    answer
}

/// Refuses a caller whose scopes hold no way to report. A device comes without a key.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn may_report(caller: Option<&Caller>) -> Result<(), Refused> {
    let Some(caller) = caller else { return Ok(()) };
    let ways = [Scope::Activate, Scope::ActivateApp, Scope::ActivateAttested];
    if ways.into_iter().any(|scope| caller.may(scope)) {
        return Ok(());
    }
    caller.need(Scope::Activate)
}

/// A report, who sent it, and when it came: one that waited for its unit came before now.
pub(super) struct Received<'a> {
    pub(super) caller: Option<&'a Caller>,
    /// The tenant it is meant for, where the caller does not say it.
    pub(super) brand: Option<BrandId>,
    pub(super) report: &'a Report,
    pub(super) received_at: Timestamp,
    /// It is kept already, and is to be forgotten with the commit that records it.
    pub(super) waited: Option<Side>,
}

impl Received<'_> {
    /// Whose unit it is about: the only brand's where nobody says.
    fn meant(&self, reference: &Reference) -> Option<BrandId> {
        reference.meant(self.caller.map(|caller| caller.brand).or(self.brand))
    }
}

pub(super) async fn receive(
    house: &House,
    received: Received<'_>,
    key: Option<&Keyed>,
    render: Render<'_>,
) -> Result<Answer, FlowError> {
    let Received { caller, report, received_at, .. } = received;
    let mut reference = house.reference().await?;
    let brand = received.meant(&reference).unwrap_or(BrandId(0));
    for round in 0..RACES_MAX {
        if round > 0 {
            reference = house.reload().await?;
        }
        // Whoever was faster may have made the code another unit's.
        let number = match locate(house, &mut reference, (brand, caller), report).await? {
            Some(number) => number,
            None => return Err(Refused::new(Refusal::UnknownSubject, "identifier.value").into()),
        };
        let loading = load(house, &reference, number);
        let mut loaded = house.store.one_snapshot(loading).await?;
        if loaded.brand != brand && caller.is_some() {
            // Another tenant's unit answers exactly as one that is not there.
            return Err(Refused::new(Refusal::UnknownSubject, "identifier.value").into());
        }
        if let Some(done) = received.waited.clone().filter(|_| !loaded.could_start_at(received_at))
        {
            // It was about something else that bore this name, and waits for nothing any longer.
            match house.store.commit(&Commit { sides: vec![done], ..Commit::default() }).await {
                Err(error) if !error.is_race() => return Err(error.into()),
                // Or somebody else has dropped it.
                _ => {}
            }
            return Err(Refused::new(Refusal::UnknownSubject, "identifier.value").into());
        }
        let assurance = caller.map_or(Assurance::Public, |c| c.assurance(&reference.tree));
        let at = report.held_at(received_at, loaded.not_before(&reference));
        if let Some(unit) = &mut loaded.unit {
            standing::put_back(house, unit, at.at).await?;
        }
        let decided = decide(house, &reference, &loaded, Weighed { report, assurance, at });
        let mut commit = record::commit(house, &loaded, &decided, report, caller)?;
        let mut outcome = outcome(house, &reference, &loaded, decided, &commit);
        outcome.told = told(house, &reference, caller, &outcome.unit, &loaded.custody);
        if outcome.told.findings {
            // Else anyone could find out the shops of a brand by trying codes.
            outcome.reasons.extend(unusable(house, &reference, &loaded, &report.signals));
        }
        let answer = render(&outcome);
        let now = house.clock.now().as_microsecond();
        // Two under one key of a caller may name different units, and meet in one row all the same;
        // where a device has none, its key is of this unit alone.
        let filed = |key: &Keyed| if caller.is_some() { key.home() } else { number };
        commit.idempotency = key.map(|key| key.keep(filed(key), &answer, now));
        commit.relies_on.push(Relied::Reference(reference.version));
        commit.sides.extend(received.waited.clone());
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => match key {
                // The very same command may have won the race: then its answer is ours too.
                Some(key) => {
                    if let Some(answer) = key.replay(house).await? {
                        return Ok(answer);
                    }
                }
                None => continue,
            },
            Err(e) => return Err(e.into()),
            Ok(()) => {
                // It is recorded, come what may.
                if let Err(error) = look_again_where_moved(house, number, &loaded.custody).await {
                    tracing::warn!(%error, number, "what moved meanwhile could not be read");
                }
                return Ok(answer);
            }
        }
    }
    Err(FlowError::Busy)
}

/// The unit a report names. The reference rows are renewed where its code may be newer than they.
/// Who is believed no more than an app's tells no unit by its clock: one that was never set shows a
/// day on which the name may have been another's.
async fn locate(
    house: &House,
    reference: &mut Arc<Reference>,
    (brand, caller): (BrandId, Option<&Caller>),
    report: &Report,
) -> Result<Option<i64>, FlowError> {
    let scheme: Scheme = report.scheme.parse().map_err(|_| {
        Refused::invalid("identifier.scheme", "must be sn, imei, meid, eid, mac, part or code")
    })?;
    if scheme == Scheme::Code {
        return match find::code_renewing(house, reference, &report.value).await? {
            CodeFound::Issued(n) | CodeFound::Void(n) => {
                Ok(Some(find::unit_of_code(house, n).await?))
            }
            _ => Ok(None),
        };
    }
    let identifier = Identifier::parse(scheme, &report.value)
        .map_err(|e| Refused::invalid("identifier.value", e))?;
    let told = match Caller::is_believed_as_an_app(caller, &reference.tree) {
        false => report.told_at().map(Timestamp::as_microsecond),
        true => None,
    };
    find::bearer(house, brand, &identifier, told).await
}

/// What the rules say of a report.
pub(super) struct Decided {
    pub(super) at: activation::ActivatedAt,
    life: i64,
    pub(super) assessment: Assessment,
    /// The class its address was weighed as.
    network: Option<Network>,
    /// The fences its position lay in, of the grants that bound the goods.
    fences: Vec<FenceRow>,
    pub(super) bound_to: Option<PartyId>,
    pub(super) fingerprint: Option<Vec<u8>>,
    pub(super) assurance: Assurance,
    pub(super) activation: activation::Activation,
}

/// A report, what it is worth and when it is held to have happened. That instant is settled once,
/// when the report is received: a later look takes it from the event.
pub(super) struct Weighed<'a> {
    pub(super) report: &'a Report,
    pub(super) assurance: Assurance,
    pub(super) at: activation::ActivatedAt,
}

pub(super) fn decide(
    house: &House,
    reference: &Reference,
    loaded: &Loaded,
    weighed: Weighed<'_>,
) -> Decided {
    let Weighed { report, assurance, at } = weighed;
    let unit = loaded.unit.as_ref();
    let (bound_to, binding) = bound(reference, loaded, at.at);
    let authorised = binding.as_ref().map(Binding::regions);
    let online_only = binding.as_ref().is_some_and(Binding::online_only);
    let (brand, by) = (loaded.brand, (assurance, online_only));
    let seen = observations(house, reference, brand, &report.signals, by);
    let model = &house.rules.location;
    let position = seen.gps.as_ref().zip(binding.as_ref());
    let fences = position.map(|(gps, binding)| record::fences(gps, binding, model));
    let divisions = house.geo.divisions();
    let assessment = assess(&seen, authorised.as_ref(), model.prior, model, divisions);
    let hash = |raw: &String| house.secrets.hash("fingerprint", raw);
    let fingerprint = report.fingerprint.as_ref().map(hash);
    let life = loaded.life_at(at.at);
    let earlier = loaded.first_of(life).map(|(_, fingerprint)| Earlier { fingerprint });
    let store = report.signals.store_code.as_deref();
    let activation = activation::decide(&ActivationFacts {
        unit: unit_number(loaded.number),
        at: at.at,
        produced_at: unit.and_then(|u| u.produced_at).map(instant),
        recalled_at: [unit.and_then(|u| u.recalled_at), loaded.recalled_by(at.at)]
            .into_iter()
            .flatten()
            .min()
            .map(instant),
        stolen_at: unit.and_then(|u| u.stolen_at).map(instant),
        retired_at: unit.and_then(|u| u.retired_at).map(instant),
        earlier,
        fingerprint: fingerprint.clone(),
        store: store.and_then(|code| reference.site(loaded.brand, code)).map(|s| s.party),
        bound_to,
        outside: outside(&assessment),
        custody: &loaded.custody,
        tree: &reference.tree,
    });
    Decided {
        at,
        life,
        assessment,
        network: seen.network(),
        fences: fences.unwrap_or_default(),
        bound_to,
        fingerprint,
        assurance,
        activation,
    }
}

/// The party the goods are bound to at an instant, and by which grants.
fn bound<'a>(
    reference: &'a Reference,
    loaded: &Loaded,
    at: Timestamp,
) -> (Option<PartyId>, Option<Binding<'a>>) {
    let Some(hold) = loaded.custody.at(unit_number(loaded.number), at) else {
        return (None, None);
    };
    let sells = reference.tree.get(hold.party).is_some_and(|p| p.kind.sells());
    let holder = sells.then_some(hold.party);
    let on = reference.day(loaded.brand, at);
    let tree = &reference.tree;
    match reference.territories.binding(tree, hold.party, loaded.product, on) {
        Some(binding) => (Some(binding.party), Some(binding)),
        None => (holder, None),
    }
}

fn observations(
    house: &House,
    reference: &Reference,
    brand: BrandId,
    signals: &Signals,
    (assurance, sold_online): (Assurance, bool),
) -> Observations {
    let divisions = house.geo.divisions();
    let attests = assurance == Assurance::Attested;
    let store = signals.store_code.as_deref();
    let store = store.and_then(|code| reference.site(brand, code));
    let region = |text: &String| divisions.parse(text).ok();
    let access = signals.access.as_deref().filter(|_| assurance.vouches_for_access());
    let access = match access {
        Some("cellular") => Some(Access::Cellular),
        Some("fixed" | "wifi") => Some(Access::Local),
        _ => None,
    };
    Observations {
        ip: signals.ip.map(|ip| house.geo.lookup(ip)),
        gps: signals.gps.map(|(lat, lon, radius_m, attested)| Gps {
            lat,
            lon,
            radius_m,
            attested: attested && attests,
        }),
        serving_mcc: signals.serving_mcc.as_deref().and_then(|m| house.geo.country_of_mcc(m)),
        sim_mcc: signals.sim_mcc.as_deref().and_then(|m| house.geo.country_of_mcc(m)),
        access,
        time_zone: signals.time_zone.clone(),
        // Anyone can say a shop's code: who is not believed about the access is not about that.
        store_vouched: assurance.vouches_for_access(),
        sold_online,
        store_region: store.and_then(|s| s.region.as_ref()).and_then(region),
        shipping_region: signals.shipping_region.as_ref().and_then(region),
    }
}

/// Words that name nothing we know. They refuse nothing.
fn unusable(
    house: &House,
    reference: &Reference,
    loaded: &Loaded,
    signals: &Signals,
) -> Vec<&'static str> {
    let unknown_store = |code: &String| reference.site(loaded.brand, code).is_none();
    let unknown_region = |text: &String| house.geo.divisions().parse(text).is_err();
    let told = [
        (signals.store_code.as_ref().is_some_and(unknown_store), "store_code_unknown"),
        (signals.shipping_region.as_ref().is_some_and(unknown_region), "shipping_region_unknown"),
    ];
    told.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect()
}

/// What whoever reported may be told of the unit as it stands now.
fn told(
    house: &House,
    reference: &Reference,
    caller: Option<&Caller>,
    unit: &UnitRecord,
    custody: &CustodyFacts,
) -> Told {
    let sight = Sight::of_unit(house, reference, caller, unit, custody);
    Told { identifiers: sight.shows(Fact::Identifiers), findings: sight.shows(Fact::Findings) }
}

fn outside(assessment: &Assessment) -> Outside {
    use detect::location::{Grade, Nature as Seen};
    let grade = match assessment.grade {
        Grade::Observe => Some(FindingGrade::Observe),
        Grade::Suspect => Some(FindingGrade::Suspect),
        Grade::Likely => Some(FindingGrade::Likely),
        Grade::Consistent | Grade::Unknown => None,
    };
    let nature = assessment.nature.map(|n| match n {
        Seen::CrossRegion => Nature::CrossRegion,
        Seen::CrossBorder => Nature::CrossBorder,
    });
    let families = assessment.families.iter().filter(|f| f.inside == Some(false));
    let mut reasons: Vec<String> =
        families.map(|f| format!("{}_outside", f.family.as_str())).collect();
    reasons.extend(assessment.reasons.iter().map(|r| r.code().to_owned()));
    Outside { grade, nature, reasons }
}

fn outcome(
    house: &House,
    reference: &Reference,
    loaded: &Loaded,
    decided: Decided,
    commit: &Commit,
) -> Activated {
    let unit = loaded.unit.clone().unwrap_or_else(|| UnitRecord {
        number: loaded.number,
        brand: loaded.brand.0,
        product: loaded.product.0,
        batch: loaded.batch,
        ..UnitRecord::default()
    });
    let first_at = loaded.first_of(decided.life).map_or(decided.at.at, |(at, _)| at);
    // The guarantee is that of the present life, whichever the report belongs to.
    let present = (decided.life == unit.life).then(|| first_at.as_microsecond());
    let after = UnitRecord { activated_at: present.or(unit.activated_at), ..unit.clone() };
    let warranty = super::verify::warranty(house, reference, &after, &loaded.custody);
    Activated {
        event: commit.events.first().map_or(domain::id::EventId([0; 16]), |e| e.id),
        unit,
        life: decided.life,
        first: decided.activation.first,
        activated_at: first_at,
        clock_believed: decided.at.clock_believed,
        reasons: if decided.at.clock_believed { Vec::new() } else { vec!["clock"] },
        assessment: decided.assessment,
        findings: decided.activation.findings,
        assurance: decided.assurance,
        warranty,
        told: Told::default(),
    }
}
