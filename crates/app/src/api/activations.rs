//! Activations: a device, an app or a brand's server reports a first start.

use super::error::Problem;
use super::gate::{Asker, ClientAddress, Counted, Proxied, hides_client, purse};
use super::idempotent::{keyed, respond};
use super::input::Input;
use crate::flows::activate::{self, Activated, Report, Signals, Told};
use crate::flows::find::scope_of;
use crate::flows::idempotency::Answer;
use crate::flows::reference::Reference;
use crate::flows::{Caller, House};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use detect::location::Family;
use domain::id::BrandId;
use domain::identifier::{Identifier, Scheme};
use domain::warranty::WarrantyReading;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// The name of the route in idempotency scopes; it never changes.
const ROUTE: &str = "POST /api/v1/activations";

/// What names a unit.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct IdentifierBody {
    /// `sn`, `imei`, `meid`, `eid`, `mac`, `part` or `code`.
    pub scheme: String,
    /// As printed or read.
    #[schema(max_length = 128)]
    pub value: String,
}

/// A position.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct GpsBody {
    /// Degrees north, WGS-84.
    pub lat: f64,
    /// Degrees east, WGS-84.
    pub lon: f64,
    /// Uncertainty in metres.
    #[serde(default)]
    pub radius_m: f64,
    /// Whether the platform vouches for it; counts only for keys with `activation:attested`.
    #[serde(default)]
    pub attested: bool,
}

/// Signs of the place. All optional; the more agree, the surer the answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct SignalsBody {
    /// The device's address as the sender saw it.
    pub ip: Option<String>,
    /// Country code of the serving mobile network, `460`.
    pub serving_mcc: Option<String>,
    /// Country code of the SIM's home network.
    pub sim_mcc: Option<String>,
    /// Position with consent.
    pub gps: Option<GpsBody>,
    /// Code of the shop that sold it: a party, or one of its sites.
    pub store_code: Option<String>,
    /// Where the sale was shipped to, GB/T 2260 or ISO 3166-1.
    pub shipping_region: Option<String>,
    /// `fixed`, `wifi` or `cellular`.
    pub access: Option<String>,
    /// IANA zone of the device.
    pub time_zone: Option<String>,
    /// A platform's attestation; kept with the signals, not yet verified here.
    #[schema(value_type = Object)]
    pub attestation: Option<Map<String, Value>>,
}

/// A first start. Members not named here are ignored: firmware outlives interfaces.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ActivationBody {
    /// Which unit.
    pub identifier: IdentifierBody,
    /// When, RFC 3339. Without an offset: in the brand's zone.
    pub happened_at: String,
    /// What tells this device from another.
    #[schema(max_length = 512)]
    pub device_fingerprint: Option<String>,
    /// Where.
    #[serde(default)]
    pub signals: SignalsBody,
}

/// The unit that was activated.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitReply {
    /// Its trace code; null to those who may not see identifiers, unless the report named it by a
    /// code.
    #[schema(required = true)]
    pub code: Option<String>,
    /// Its serial number; as above, unless the report named it by that.
    #[schema(required = true)]
    pub sn: Option<String>,
    /// GTIN, 14 digits.
    #[schema(required = true)]
    pub gtin: Option<String>,
    /// The life it belongs to: that which was open at `activated_at`.
    pub life: i64,
}

/// Where the evidence says the device is.
#[derive(Debug, Serialize, ToSchema)]
pub struct LocationReply {
    /// GB/T 2260 or ISO 3166-1; null when nobody can say.
    #[schema(required = true)]
    pub region: Option<String>,
    /// `country`, `province`, `city`, `district`, `none`.
    pub level: &'static str,
    /// `consistent`, `unknown`, `observe`, `suspect`, `likely`; null to those who may not see
    /// findings.
    #[schema(required = true)]
    pub grade: Option<&'static str>,
    /// Why, as stable codes; empty to those who may not see findings.
    pub reasons: Vec<&'static str>,
}

/// A suspicion with its evidence. It stops nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingReply {
    /// What is suspected.
    pub kind: &'static str,
    /// `observe`, `suspect`, `likely`.
    pub grade: &'static str,
    /// For `outside_territory`: `cross_region` or `cross_border`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nature: Option<&'static str>,
    /// Stable codes, most telling first.
    pub reasons: Vec<String>,
}

/// The guarantee.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarrantyReply {
    /// First day; null when unknown, and to those who may not see milestones.
    #[schema(required = true)]
    pub starts_on: Option<String>,
    /// Last covered day.
    #[schema(required = true)]
    pub ends_on: Option<String>,
    /// `invoice`, `sale`, `activation`, `ex_factory_plus_90`; or why nothing is known.
    pub basis: &'static str,
    /// Whose word the length is.
    #[schema(required = true)]
    pub promise: Option<&'static str>,
    /// False while the last day may still move with a holiday schedule not yet published.
    #[schema(required = true)]
    pub holidays_verified: Option<bool>,
    /// The policy row used.
    #[schema(required = true)]
    pub policy_version: Option<String>,
}

impl From<&WarrantyReading> for WarrantyReply {
    fn from(reading: &WarrantyReading) -> Self {
        match reading {
            WarrantyReading::Known(coverage) => Self {
                starts_on: Some(coverage.starts_on.to_string()),
                ends_on: Some(coverage.ends_on.to_string()),
                basis: coverage.basis.as_str(),
                promise: Some(coverage.promise.as_str()),
                holidays_verified: Some(coverage.holidays_verified),
                policy_version: Some(coverage.policy_version.clone()),
            },
            WarrantyReading::Unknown(gap) => Self {
                starts_on: None,
                ends_on: None,
                basis: gap.as_str(),
                promise: None,
                holidays_verified: None,
                policy_version: None,
            },
        }
    }
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivationReply {
    /// The unit.
    pub unit: UnitReply,
    /// The event recorded.
    pub event: String,
    /// First of its life.
    pub first: bool,
    /// First activation of this life.
    pub activated_at: String,
    /// Whether `happened_at` was believed; if not, receipt counts and `reasons` holds `clock`.
    pub clock_believed: bool,
    /// What else is to be said of the report as a whole: `clock`; to those who may see findings
    /// also `store_code_unknown`, `shipping_region_unknown`.
    pub reasons: Vec<&'static str>,
    /// Where.
    pub location: LocationReply,
    /// What does not fit; null to those who may not see findings.
    #[schema(required = true)]
    pub findings: Option<Vec<FindingReply>>,
    /// `attested`, `brand_server`, `app`, `public`.
    pub assurance: &'static str,
    /// The guarantee as it stands now.
    pub warranty: WarrantyReply,
}

/// Report a first start.
///
/// 201 when it is the first of the unit's life, 200 when it came again. Nothing is refused for its
/// place or its clock. Without a key the caller is the device itself.
#[utoipa::path(
    post, path = "/api/v1/activations", tag = "activations", request_body = ActivationBody,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1–255 visible characters")),
    responses(
        (status = 201, description = "First of this life", body = ActivationReply),
        (status = 200, description = "Recorded again", body = ActivationReply),
        (status = 400, description = "Cannot be read", body = Problem),
        (status = 404, description = "Unknown unit: kept and replayed, unless too many wait",
            body = Problem),
        (status = 409, description = "Idempotency-Key used otherwise", body = Problem),
    ),
    security(
        (),
        ("key" = ["activation"]),
        ("key" = ["activation:app"]),
        ("key" = ["activation:attested"])
    )
)]
pub(super) async fn create_activation(
    State(house): State<Arc<House>>,
    (Asker(caller), ClientAddress(client), Proxied(proxied)): (Asker, ClientAddress, Proxied),
    counted: Counted,
    headers: HeaderMap,
    Input(body): Input<ActivationBody>,
) -> Result<Response, Problem> {
    activate::may_report(caller.as_ref())?;
    let from = Seen { client, hidden: hides_client(&headers), proxied };
    let report = report(&house, caller.as_ref(), from, &body).await?;
    // Before its key is looked up: what cannot be read is refused whatever came under that key.
    report.check()?;
    let key = keyed(&headers, &owner(caller.as_ref(), &body), ROUTE, &body)?;
    let key = key.map(|key| key.personal(&house));
    if let Some(key) = &key
        && let Some(answer) = key.replay(&house).await?
    {
        return Ok(respond(&answer));
    }
    let reference = house.reference().await?;
    // Each start is an event for ever, and a key that reports them lies in every device.
    if let Some(named) = counted_as(&house, &reference, caller.as_ref(), &body.identifier) {
        counted.look_at(named)?;
    }
    let render = |done: &Activated| {
        let reply = reply(&house, &reference, done, &body.identifier.scheme);
        let status = if done.first { 201 } else { 200 };
        Answer::new(status, serde_json::to_string(&reply).unwrap_or_default())
    };
    let answer =
        activate::activate(&house, caller.as_ref(), &report, key.as_ref(), &render).await?;
    Ok(respond(&answer))
}

/// Whose units a report is about, where that can be told before they are looked for.
fn meant(reference: &Reference, caller: Option<&Caller>) -> BrandId {
    reference.meant(caller.map(|caller| caller.brand)).unwrap_or(BrandId(0))
}

/// Under which number starts of what an identifier names are counted, however it is spelled and
/// whether or not anything bears it: below the numbers of units, so that nobody's looks use up what
/// a first start needs. None where a server reports, and where it names nothing: of that nothing is
/// recorded.
fn counted_as(
    house: &House,
    reference: &Reference,
    caller: Option<&Caller>,
    identifier: &IdentifierBody,
) -> Option<i64> {
    if !Caller::is_believed_as_an_app(caller, &reference.tree) {
        return None;
    }
    let scheme = identifier.scheme.parse::<Scheme>().ok()?;
    let named = Identifier::parse(scheme, &identifier.value).ok()?;
    let scope = scope_of(scheme, meant(reference, caller));
    // What strangers send uses up nothing of what the brand's own app needs.
    let whose = caller.map_or(0, |caller| caller.brand.0);
    Some(purse(house, "start", format_args!("{whose} {scope} {scheme} {}", named.value())))
}

/// In whose scope a key is: the API key's, else that of identifier and fingerprint.
fn owner(caller: Option<&Caller>, body: &ActivationBody) -> String {
    let of_device = || {
        let fingerprint = body.device_fingerprint.as_deref().unwrap_or("");
        let IdentifierBody { scheme, value } = &body.identifier;
        format!("{scheme}\n{value}\n{fingerprint}")
    };
    caller.map_or_else(of_device, |caller| caller.actor.clone())
}

/// From where a report came.
#[derive(Clone, Copy)]
struct Seen {
    client: IpAddr,
    /// A proxy on the way kept to itself whom it speaks for.
    hidden: bool,
    /// The client is a proxy of ours.
    proxied: bool,
}

/// Reads a body into a report.
async fn report(
    house: &House,
    caller: Option<&Caller>,
    from: Seen,
    body: &ActivationBody,
) -> Result<Report, Problem> {
    let ActivationBody { identifier, happened_at, device_fingerprint, signals } = body;
    let reference = house.reference().await?;
    let zone = reference.zone(meant(&reference, caller));
    let happened_at = activate::read_happened_at(happened_at, zone)
        .map_err(|why| Problem::invalid("happened_at", why))?;
    let device = Caller::is_believed_as_an_app(caller, &reference.tree);
    let mut signals = read_signals(signals)?;
    let Seen { client, hidden, proxied } = from;
    let own_says_nothing = !hidden && house.geo.lookup(client).reserved;
    signals.ip = match (device, signals.ip) {
        // A device's address is what we see; what it says of itself counts only behind a local
        // hop, where we see nothing of it, and not behind a proxy that saw it and does not tell:
        // then there is none.
        (true, said) if own_says_nothing => said.or(Some(client)),
        (true, _) if hidden && proxied => None,
        (true, _) => Some(client),
        (false, said) => said,
    };
    Ok(Report {
        scheme: identifier.scheme.clone(),
        value: identifier.value.clone(),
        happened_at: happened_at.at.as_microsecond(),
        offset_minutes: happened_at.offset_minutes,
        fingerprint: device_fingerprint.clone().filter(|f| !f.is_empty()),
        signals,
    })
}

fn read_signals(body: &SignalsBody) -> Result<Signals, Problem> {
    let ip = body.ip.as_deref().map(str::parse::<IpAddr>).transpose();
    let ip = ip.map_err(|_| Problem::invalid("signals.ip", "must be an IPv4 or IPv6 address"))?;
    Ok(Signals {
        ip,
        serving_mcc: body.serving_mcc.clone(),
        sim_mcc: body.sim_mcc.clone(),
        gps: body.gps.as_ref().map(|gps| (gps.lat, gps.lon, gps.radius_m, gps.attested)),
        store_code: body.store_code.clone(),
        shipping_region: body.shipping_region.clone(),
        access: body.access.clone(),
        time_zone: body.time_zone.clone(),
        attestation: body.attestation.clone().map(|said| Value::Object(said).to_string()),
    })
}

fn reply(house: &House, reference: &Reference, done: &Activated, scheme: &str) -> ActivationReply {
    let Told { identifiers, findings } = done.told;
    let names = |what: Scheme| identifiers || scheme == what.as_str();
    let product = reference.product_by_id(domain::id::ProductId(done.unit.product));
    let code = || house.ring().encode(crate::flows::find::unit_number(done.unit.number));
    let finding = |f: &domain::finding::Finding| FindingReply {
        kind: f.kind.as_str(),
        grade: f.grade.as_str(),
        nature: f.nature.map(|n| n.as_str()),
        reasons: f.reasons.clone(),
    };
    let reasons = done.assessment.reasons.iter().map(|r| r.code());
    // Where a shop is would tell whoever tries its code that there is one.
    let (level, region) = match findings {
        true => (done.assessment.level, done.assessment.region),
        false => done.assessment.place_without(Family::Retail),
    };
    ActivationReply {
        unit: UnitReply {
            code: names(Scheme::Code).then(|| code().as_str().to_owned()),
            sn: done.unit.sn.clone().filter(|_| names(Scheme::Sn)),
            gtin: product.map(|p| p.gtin.clone()),
            life: done.life,
        },
        event: store::canonical::hex(&done.event.0),
        first: done.first,
        activated_at: super::instant_text(reference, done.unit.brand, done.activated_at),
        clock_believed: done.clock_believed,
        reasons: done.reasons.clone(),
        location: LocationReply {
            region: region.map(|r| r.to_string()),
            level: level.as_str(),
            grade: findings.then(|| done.assessment.grade.as_str()),
            reasons: reasons.filter(|_| findings).collect(),
        },
        findings: findings.then(|| done.findings.iter().map(finding).collect()),
        assurance: done.assurance.as_str(),
        warranty: (&done.warranty).into(),
    }
}
