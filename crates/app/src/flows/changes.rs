//! Recording changes of reference data: every changed row goes into a commit together with the
//! event that tells who changed what, before and after. The store refuses a row without it.

use super::caller::{Caller, OPERATOR};
use super::house::{House, event_id_at};
use super::outcome::FlowError;
use super::reference::Reference;
use crate::rules::kept;
use domain::audit::{Difference, Fields, differences, home};
use domain::certification::{CertificateStatus, Certification};
use domain::id::{BrandId, EventId, PartyId, ProductId};
use domain::party::{Party, Site};
use domain::product::Product;
use domain::refusal::{Refusal, Refused};
use domain::retention::Kept;
use domain::webhook::target::Target;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::HashMap;
use std::net::IpAddr;
use store::canonical::hex;
use store::commit::{Commit, Observation};
use store::event::{Body, Event, FieldRow};
use store::recall::RecallRow;
use store::reference::{BatchState, ReferenceChange, TerritoryRow};
use store::webhook::WebhookRow;

/// Under which label the address of a request is sealed.
pub(super) const ADDRESS_LABEL: &str = "dossier audit address v1";

/// Why a webhook of a restored store is off.
const RESTORED: &str = "restored";

/// Who changes or reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The tenant; 0 is the deployment itself.
    pub brand: BrandId,
    /// The party acted for, where there is one.
    pub party: Option<PartyId>,
    /// `key:ID`, `account:ID`, `cli`, `system`.
    pub actor: String,
    /// Where the request came from, when it came over the network.
    pub address: Option<IpAddr>,
}

impl Author {
    /// The operator at the command line, in a brand.
    pub fn operator(brand: BrandId) -> Self {
        Self { brand, party: None, actor: OPERATOR.to_owned(), address: None }
    }

    /// Whether this is the operator at the command line.
    fn is_operator(&self) -> bool {
        self.actor == OPERATOR
    }

    /// The program itself, in the deployment.
    pub fn system() -> Self {
        Self { actor: "system".to_owned(), ..Self::operator(BrandId(0)) }
    }
}

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        Self {
            brand: caller.brand,
            party: Some(caller.party),
            actor: caller.actor.clone(),
            address: caller.address,
        }
    }
}

/// Adds changes and their records to a commit that is decided on this reference.
///
/// # Errors
/// The address cannot be sealed.
pub(super) fn add(
    house: &House,
    author: &Author,
    reference: &Reference,
    changes: Vec<ReferenceChange>,
    commit: &mut Commit,
) -> Result<(), FlowError> {
    let observation = match observed(author, commit) {
        None => address(house, author, commit)?,
        known => known,
    };
    let words = Words::new(reference, commit.reference.iter().chain(&changes));
    let mut fresh_count = 0;
    // What earlier rows of the commit made of an object is what the next one finds.
    let mut latest: HashMap<(&str, String), Fields> = HashMap::new();
    for change in &commit.reference {
        if let Some((kind, code, fields)) = words.told(change) {
            latest.insert((kind, code), fields);
        }
    }
    for change in &changes {
        let Some((kind, code, after)) = words.told(change) else { continue };
        let key = (kind, code);
        let before = match latest.get(&key) {
            Some(before) => Some(before.clone()),
            None => words.before(change),
        };
        fresh_count += usize::from(before.is_none());
        let known = before.is_some();
        // A range of codes is told by itself: the batch it lies in stays what it is.
        let fields = match change {
            ReferenceChange::Void(_) => differences(&Fields::new(), &after),
            _ => differences(&before.unwrap_or_default(), &after),
        };
        let verb = match change {
            ReferenceChange::Webhook(_) if known => webhook_verb(&fields),
            _ => verb(change, known),
        };
        let (kind, code) = key;
        let body = body((kind, &code, verb), fields, observation.clone());
        commit.events.push(event(author, house.event_id(), house.record_time(0), body));
        if !matches!(change, ReferenceChange::Void(_)) {
            latest.insert((kind, code), after);
        }
    }
    share_of_rows(house, author, reference, fresh_count + commit.reference.len())?;
    commit.reference.extend(changes);
    Ok(())
}

/// Refuses rows beyond the share of a brand that the operator does not vouch for: every process
/// keeps them all in memory.
fn share_of_rows(
    house: &House,
    author: &Author,
    reference: &Reference,
    count: usize,
) -> Result<(), Refused> {
    let most = house.settings.rows_max;
    let free = author.is_operator() || reference.is_vouched(author.brand);
    if free || reference.row_count(author.brand) + count <= most {
        return Ok(());
    }
    let why = format!(
        "a brand that nobody vouches for holds {most} rows of reference data; ask the operator"
    );
    Err(Refused::because(Refusal::NotAllowed, "", why))
}

/// Adds the record of a change beside the reference data: what kind of object, which, and what was
/// done to it.
///
/// # Errors
/// The address cannot be sealed.
pub(super) fn tell(
    house: &House,
    author: &Author,
    object: (&str, &str, &str),
    fields: Vec<Difference>,
    commit: &mut Commit,
) -> Result<(), FlowError> {
    let observation = match observed(author, commit) {
        None => address(house, author, commit)?,
        known => known,
    };
    let body = body(object, fields, observation);
    commit.events.push(event(author, house.event_id(), house.record_time(0), body));
    Ok(())
}

/// Adds changes of the key ring, which belong to the deployment: there may be no house yet. `stamp`
/// gives each its name and when it is recorded.
pub(super) fn add_keys(
    author: &Author,
    changes: Vec<ReferenceChange>,
    mut stamp: impl FnMut() -> (EventId, i64),
    commit: &mut Commit,
) {
    for change in &changes {
        let (ReferenceChange::CodeKey(row) | ReferenceChange::CodeKeyRewrapped(row)) = change
        else {
            continue;
        };
        let code = row.epoch.to_string();
        let body = body(("code_key", &code, verb(change, false)), Vec::new(), None);
        let (id, at) = stamp();
        commit.events.push(event(author, id, at, body));
    }
    commit.reference.extend(changes);
}

/// Adds that webhooks are switched off in a store that was restored: there is no house yet.
pub(super) fn add_webhooks_off(
    rows: Vec<WebhookRow>,
    mut stamp: impl FnMut() -> (EventId, i64),
    commit: &mut Commit,
) {
    for row in rows {
        let told = |active: bool, why: &str| {
            vec![("active", yes(active)), ("off_because", why.to_owned())]
        };
        let fields = differences(&told(true, ""), &told(false, RESTORED));
        let body = body(("webhook", &row.id, "switched_off"), fields, None);
        let (id, at) = stamp();
        commit.events.push(event(&Author::operator(BrandId(row.brand)), id, at, body));
        let off_because = Some(RESTORED.to_owned());
        commit.reference.push(ReferenceChange::Webhook(WebhookRow {
            is_active: false,
            off_because,
            ..row
        }));
    }
}

/// Names and instants from this one on, where no house gives them.
pub(super) fn stamps_from(now: Timestamp) -> impl FnMut() -> (EventId, i64) {
    let mut instants = now.as_microsecond()..;
    move || (event_id_at(now), instants.next().unwrap_or(i64::MAX))
}

/// The address that an earlier record of the commit names.
fn observed(author: &Author, commit: &Commit) -> Option<String> {
    let home = home(author.brand);
    commit.events.iter().filter(|e| e.home == home).find_map(|e| match &e.body {
        Body::Changed { observation, .. } => observation.clone(),
        _ => None,
    })
}

/// Puts the address beside the commit, once for all its records.
fn address(
    house: &House,
    author: &Author,
    commit: &mut Commit,
) -> Result<Option<String>, FlowError> {
    let Some(address) = author.address else { return Ok(None) };
    let observation = sealed(house, home(author.brand), house.event_id().0, address)?;
    let name = hex(&observation.id);
    commit.observations.push(observation);
    Ok(Some(name))
}

/// An address as the side row that is forgotten after its term.
pub(super) fn sealed(
    house: &House,
    home: i64,
    id: [u8; 16],
    address: IpAddr,
) -> Result<Observation, FlowError> {
    let sealed = house.secrets.seal(ADDRESS_LABEL, address.to_string().as_bytes())?;
    let expires_at = (house.clock.now() + kept(Kept::Observation)).as_microsecond();
    Ok(Observation { home, id, sealed, expires_at })
}

fn event(author: &Author, id: EventId, at: i64, body: Body) -> Event {
    Event {
        home: home(author.brand),
        id,
        brand: author.brand,
        party: author.party,
        site: None,
        actor: author.actor.clone(),
        happened_at: at,
        offset_minutes: 480,
        recorded_at: at,
        body,
        subjects: Vec::new(),
    }
}

fn body(
    (object, code, verb): (&str, &str, &str),
    fields: Vec<Difference>,
    observation: Option<String>,
) -> Body {
    let row = |d: Difference| FieldRow {
        after: d.after,
        before: d.before,
        field: d.field.to_owned(),
        hidden: d.hidden,
    };
    Body::Changed {
        code: code.to_owned(),
        fields: fields.into_iter().map(row).collect(),
        object: object.to_owned(),
        observation,
        verb: verb.to_owned(),
    }
}

fn verb(change: &ReferenceChange, known: bool) -> &'static str {
    match change {
        ReferenceChange::Void(_) => "voided",
        ReferenceChange::CodeKeyRewrapped(_) => "rewrapped",
        ReferenceChange::ApiKey(key) if known && key.revoked_at.is_some() => "revoked",
        ReferenceChange::ApiKey(key) if known && key.rotated_at.is_some() => "rotated",
        ReferenceChange::Batch(_) if !known => "minted",
        ReferenceChange::Batch(batch) => match batch.state {
            BatchState::Issued => "changed",
            BatchState::Exported => "exported",
            BatchState::Delivered => "delivered",
            BatchState::Void => "voided",
        },
        ReferenceChange::Recall(_) if !known => "opened",
        ReferenceChange::Recall(_) => "closed",
        ReferenceChange::WebhookRemoved(_) => "removed",
        _ if known => "changed",
        _ => "created",
    }
}

/// What was done to a webhook shows only in what differs.
fn webhook_verb(fields: &[Difference]) -> &'static str {
    let differs = |name: &str| fields.iter().any(|d| d.field == name);
    let off = |d: &Difference| d.field == "active" && d.after.as_deref() == Some("no");
    match () {
        () if fields.iter().any(off) => "switched_off",
        () if differs("rotated_at") => "rotated",
        () => "changed",
    }
}

/// Turns rows into words that outlive row numbers: parties by code, products by GTIN.
struct Words<'a> {
    reference: &'a Reference,
    /// Parties that the commit brings itself.
    parties: HashMap<PartyId, &'a str>,
}

impl<'a> Words<'a> {
    fn new(
        reference: &'a Reference,
        changes: impl Iterator<Item = &'a ReferenceChange>,
    ) -> Words<'a> {
        let parties = changes.filter_map(|change| match change {
            ReferenceChange::Party(party) => Some((party.id, party.code.as_str())),
            _ => None,
        });
        Self { reference, parties: parties.collect() }
    }

    fn party(&self, id: PartyId) -> String {
        let new = self.parties.get(&id).map(|code| (*code).to_owned());
        let known = || self.reference.tree.get(id).map(|p| p.code.clone());
        new.or_else(known).unwrap_or_default()
    }

    fn gtin(&self, id: Option<i64>) -> Option<String> {
        self.reference.product_by_id(ProductId(id?)).map(|p| p.gtin.clone())
    }

    /// Kind, code and fields of what a change writes.
    fn told(&self, change: &ReferenceChange) -> Option<(&'static str, String, Fields)> {
        let kind = store::audit::named(change)?;
        let (code, fields) = match change {
            ReferenceChange::Brand(b) => (
                b.code.clone(),
                vec![
                    ("name", b.name.clone()),
                    ("time_zone", b.time_zone.clone()),
                    ("vouched", yes(b.vouched)),
                ],
            ),
            ReferenceChange::Party(p) => (p.code.clone(), self.party_fields(p)),
            ReferenceChange::Site(_, s) => (s.code.clone(), self.site_fields(s)),
            ReferenceChange::Product(p) => (p.gtin.clone(), product_fields(p)),
            ReferenceChange::Territory(t) => self.territory(t),
            ReferenceChange::Batch(b) => (
                b.id.to_string(),
                vec![
                    ("gtin", self.gtin(b.product).unwrap_or_default()),
                    ("purpose", b.purpose.as_str().to_owned()),
                    ("count", b.count.to_string()),
                    ("epoch", b.epoch.to_string()),
                    ("state", b.state.as_str().to_owned()),
                    ("scratch", yes(b.scratch)),
                    (
                        "delivered_to",
                        b.delivered_to.map(|id| self.party(PartyId(id))).unwrap_or_default(),
                    ),
                    ("delivered_words", b.delivered_words.clone().unwrap_or_default()),
                ],
            ),
            ReferenceChange::Void(v) => {
                let batch = self.reference.batch_of(v.first).map(|b| b.id.to_string());
                let count = (v.last - v.first + 1).to_string();
                let fields = vec![("void_count", count), ("reason", v.reason.clone())];
                (batch.unwrap_or_default(), fields)
            }
            ReferenceChange::ApiKey(k) => (
                k.id.clone(),
                vec![
                    ("party", self.party(PartyId(k.party))),
                    ("scopes", k.scopes.join(" ")),
                    ("name", k.name.clone()),
                    ("from", k.from.join(" ")),
                    ("expires_at", k.expires_at.map(instant_text).unwrap_or_default()),
                    ("rotated_at", k.rotated_at.map(instant_text).unwrap_or_default()),
                    ("revoked_at", k.revoked_at.map(instant_text).unwrap_or_default()),
                ],
            ),
            ReferenceChange::CodeKey(k) | ReferenceChange::CodeKeyRewrapped(k) => {
                (k.epoch.to_string(), Fields::new())
            }
            ReferenceChange::Recall(r) => (r.id.to_string(), recall_fields(r)),
            ReferenceChange::Webhook(w) => (w.id.clone(), self.webhook_fields(w)),
            ReferenceChange::WebhookRemoved(w) => (w.id.clone(), Fields::new()),
            ReferenceChange::DrawStart(..) | ReferenceChange::CodeLikeSn => return None,
        };
        Some((kind, code, fields))
    }

    /// The fields of the row as it stands, if it does.
    fn before(&self, change: &ReferenceChange) -> Option<Fields> {
        let reference = self.reference;
        let stands = match change {
            ReferenceChange::Brand(b) => {
                ReferenceChange::Brand(reference.brands.get(&BrandId(b.id))?.clone())
            }
            ReferenceChange::Party(p) => {
                let party = reference.party(p.brand, &p.code)?;
                ReferenceChange::Party(party.clone())
            }
            ReferenceChange::Site(brand, s) => {
                ReferenceChange::Site(*brand, reference.site(*brand, &s.code)?.clone())
            }
            ReferenceChange::Product(p) => {
                let product = reference.product(p.brand, &p.gtin)?;
                ReferenceChange::Product(Product::clone(product))
            }
            ReferenceChange::Territory(t) => {
                ReferenceChange::Territory(reference.territory_row(t)?.clone())
            }
            ReferenceChange::Batch(b) => ReferenceChange::Batch(reference.batch(b.id)?.clone()),
            ReferenceChange::ApiKey(k) => {
                ReferenceChange::ApiKey(reference.api_key(&k.id)?.clone())
            }
            ReferenceChange::Recall(r) => {
                ReferenceChange::Recall(reference.recall(r.id)?.row.clone())
            }
            ReferenceChange::Webhook(w) | ReferenceChange::WebhookRemoved(w) => {
                ReferenceChange::Webhook(WebhookRow::clone(reference.webhook(&w.id)?))
            }
            // These are made once.
            _ => return None,
        };
        self.told(&stands).map(|(_, _, fields)| fields)
    }

    fn party_fields(&self, p: &Party) -> Fields {
        vec![
            ("kind", p.kind.as_str().to_owned()),
            ("name", p.name.clone()),
            ("parent", p.parent.map(|id| self.party(id)).unwrap_or_default()),
            ("region", p.region.clone().unwrap_or_default()),
            ("address", p.address.clone()),
            ("phone", p.phone.clone()),
            ("point", point(p.point)),
            ("public", yes(p.public)),
            ("organisation", p.organisation.map(|code| code.to_string()).unwrap_or_default()),
            ("categories", p.categories.iter().map(|c| c.as_str()).collect::<Vec<_>>().join("|")),
        ]
    }

    /// Path and query of its address may hold a secret: that they changed is told, and the origin.
    fn webhook_fields(&self, w: &WebhookRow) -> Fields {
        let origin = w.url.parse().map(|target: Target| target.origin()).unwrap_or_default();
        vec![
            ("party", self.party(PartyId(w.party))),
            ("name", w.name.clone()),
            ("origin", origin),
            ("url", w.url.clone()),
            ("kinds", w.kinds.join(" ")),
            ("active", yes(w.is_active)),
            ("off_because", w.off_because.clone().unwrap_or_default()),
            ("from_index", w.from_index.to_string()),
            ("rotated_at", w.rotated_at.map(instant_text).unwrap_or_default()),
        ]
    }

    fn site_fields(&self, s: &Site) -> Fields {
        vec![
            ("party", self.party(s.party)),
            ("name", s.name.clone()),
            ("kind", s.kind.as_str().to_owned()),
            ("region", s.region.clone().unwrap_or_default()),
            ("address", s.address.clone()),
            ("phone", s.phone.clone()),
            ("point", point(s.point)),
        ]
    }

    /// A grant is called by what keeps it apart from others.
    fn territory(&self, t: &TerritoryRow) -> (String, Fields) {
        let party = self.party(PartyId(t.party));
        let gtin = self.gtin(t.product).unwrap_or_else(|| "*".to_owned());
        let regions = t.regions.join("|");
        let code = format!("{party} {gtin} {regions} {} {}", t.channel, t.from_on);
        let fields = vec![
            ("party", party),
            ("gtin", gtin),
            ("regions", regions),
            ("excluded", t.excluded.join("|")),
            ("polygons", t.polygons.clone().unwrap_or_default()),
            ("from_on", t.from_on.clone()),
            ("to_on", t.to_on.clone().unwrap_or_default()),
            ("channel", t.channel.clone()),
        ];
        (code, fields)
    }
}

fn product_fields(p: &Product) -> Fields {
    let mut fields = vec![
        ("name_zh", p.name_zh.clone()),
        ("name_en", p.name_en.clone()),
        ("category", p.category.as_str().to_owned()),
        ("model", p.model.clone()),
        ("spec", p.spec.clone()),
        ("maker", p.maker.clone()),
        ("contract_maker", p.contract_maker.clone()),
        ("standards", p.standards.join("|")),
        ("ccc_certificate", p.ccc_certificate.clone()),
        ("picture", p.picture.clone()),
        ("list_price_fen", p.list_price_fen.map(|n| n.to_string()).unwrap_or_default()),
        ("network_start", yes(p.network_start)),
    ];
    fields.extend(paper_fields(&p.certification));
    fields
}

fn paper_fields(papers: &Certification) -> Fields {
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let status = papers.status.map(CertificateStatus::as_str).unwrap_or_default();
    vec![
        ("certificate_body", papers.body.clone()),
        ("certificate_from_on", day(papers.from_on)),
        ("certificate_to_on", day(papers.to_on)),
        ("certificate_status", status.to_owned()),
        ("licence", papers.licence.clone()),
        ("test_report", papers.test_report.clone()),
        ("service_months", papers.service_months.map(|n| n.to_string()).unwrap_or_default()),
    ]
}

/// Lists of units and parts are told by their count: the row itself keeps them.
fn recall_fields(r: &RecallRow) -> Fields {
    vec![
        ("title_zh", r.title_zh.clone()),
        ("title_en", r.title_en.clone()),
        ("reason_zh", r.reason_zh.clone()),
        ("reason_en", r.reason_en.clone()),
        ("action_zh", r.action_zh.clone()),
        ("action_en", r.action_en.clone()),
        ("link", r.link.clone().unwrap_or_default()),
        ("selector", super::recalls::selector_words(&r.selector)),
        ("state", r.state.clone()),
        ("closing", r.closing.clone()),
    ]
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn point(point: Option<(f64, f64)>) -> String {
    point.map(|(lon, lat)| format!("{lon},{lat}")).unwrap_or_default()
}

pub(super) fn instant_text(micros: i64) -> String {
    super::custody::instant(micros).to_string()
}
