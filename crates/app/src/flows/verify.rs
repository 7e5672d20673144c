//! Verify: what a person or a platform is told. One read by unit number, rules give the facts, the
//! declared precedence in `domain::verdict` picks the verdict.

use super::caller::{Caller, Scope};
use super::custody::{self, instant};
use super::find::{self, CodeFound, unit_number};
use super::house::House;
use super::outcome::FlowError;
use super::recalls;
use super::reference::{Recall, Reference};
use super::scans::{self, Audience};
use domain::code::{KeyRing, TraceCode};
use domain::custody::{CustodyFacts, Hold, Moves};
use domain::id::{BrandId, ProductId};
use domain::identifier::{Identifier, Scheme, guess_kinds};
use domain::product::Product;
use domain::refusal::{Refusal, Refused};
use domain::verdict::{CodeReading, Decision, Inspection, Reason, UnitFacts, VerdictFacts, decide};
use domain::warranty::{self, WarrantyFacts, WarrantyReading};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::sync::Arc;
use store::glance::{Glance, Looks, LooksCounted};
use store::scan::{ScanDelta, city_count};
use store::unit::{ScanRecord, UnitRecord};

/// Longest code or identifier a verify request may hold, in characters.
pub const QUERY_CHARS_MAX: usize = 128;

/// What was asked for and what is known of it.
pub struct Verified {
    /// The verdict with its reason and checks.
    pub decision: Decision,
    /// The unit, when there is one and it may be spoken of.
    pub unit: Option<Box<Known>>,
}

impl Verified {
    /// The unit, where whoever asks in that brand may be given its words. Those of a brand that
    /// nobody vouches for are no one's to give: it may call itself what it likes.
    pub fn worded(&self, brand: Option<BrandId>) -> Option<&Known> {
        let known = self.unit.as_deref()?;
        let own = brand.is_some_and(|brand| brand.0 == known.record.brand);
        (own || self.decision.reason != Reason::BrandNotVouched).then_some(known)
    }
}

/// What is known of a unit.
pub struct Known {
    /// Its state; for [`Depth::Public`] without what strangers are not told.
    pub record: UnitRecord,
    /// The number that was asked for: its own, or that of a label that replaced its first.
    pub worn: i64,
    /// What it is.
    pub product: Arc<Product>,
    /// Looks by consumers, including those not written yet; for [`Depth::Public`] perhaps without
    /// where the written ones were, if nothing rests on that.
    pub scans: Option<ScanRecord>,
    /// What moved it; empty where [`Depth::Public`] found no need.
    pub custody: CustodyFacts,
    /// The recall it stands under, where one selects it and nobody remedied it.
    pub recall: Option<Arc<Recall>>,
    ring: Arc<KeyRing>,
}

impl Known {
    /// Its trace code. Encrypting it costs as much as a read, and most answers do not show it.
    pub fn code(&self) -> TraceCode {
        self.ring.encode(unit_number(self.record.number))
    }
}

/// How much of a unit an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All that is known: it is shown, or a decision rests on it.
    Whole,
    /// What strangers are told. Of the record that is what [`Glance::record`] has. The hands it
    /// went through are loaded only where they count: the warranty of a unit that was neither sold
    /// nor started runs from the day it left the factory, and a public seller is named.
    Public,
}

/// How a query is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It names one unit number.
    Number(i64, CodeReading),
    /// It names nothing: why.
    Nothing(CodeReading),
    /// It names two different units: as what it names each, the more particular first.
    Ambiguous((Scheme, i64), (Scheme, i64)),
}

/// Reads a query: as a trace code if its check character holds and its number was issued, as an
/// IMEI and the like, and as an SN of the brand; it may name one unit or two. `scheme` forces one
/// reading. The reference rows are renewed when
/// the code lies outside what they know.
///
/// # Errors
/// [`Refusal::InvalidField`] when it is too long; the store does not answer.
pub async fn read(
    house: &House,
    reference: &mut Arc<Reference>,
    brand: Option<BrandId>,
    raw: &str,
    scheme: Option<Scheme>,
) -> Result<Reading, FlowError> {
    if raw.chars().count() > QUERY_CHARS_MAX {
        let reason = format!("at most {QUERY_CHARS_MAX} characters");
        return Err(Refused::invalid("code", reason).into());
    }
    let as_code = match scheme {
        None | Some(Scheme::Code) => find::code_renewing(house, reference, raw).await?,
        Some(_) => CodeFound::NotACode,
    };
    let code = match as_code {
        CodeFound::Issued(number) => Reading::Number(number, CodeReading::Issued),
        CodeFound::Void(number) => Reading::Number(number, CodeReading::Void),
        CodeFound::Forged => Reading::Nothing(CodeReading::Forged),
        CodeFound::Unissued => Reading::Nothing(CodeReading::Unissued),
        CodeFound::NotACode => Reading::Nothing(CodeReading::NotACode),
    };
    // No other reading is possible: neither is it an IMEI, nor has any serial number this form,
    // whether or not some key of ours made it. With a check character that does not fit one may.
    let is_formed = match code {
        Reading::Nothing(CodeReading::Forged) => TraceCode::parse(raw).is_ok(),
        Reading::Nothing(reading) => reading == CodeReading::Unissued,
        _ => true,
    };
    let only_a_code = is_formed && !reference.code_like_sn;
    if scheme == Some(Scheme::Code) || (scheme.is_none() && only_a_code) {
        return Ok(code);
    }
    let named = named(house, brand, raw, scheme).await?;
    if let Reading::Number(a, reading) = code {
        if named.iter().all(|(_, b)| *b == a) {
            return Ok(code);
        }
        // An alias and its unit's serial number name the same thing.
        let a = find::unit_of_code(house, a).await?;
        return Ok(match named.iter().find(|(_, b)| *b != a) {
            Some(other) => Reading::Ambiguous((Scheme::Code, a), *other),
            None => Reading::Number(a, reading),
        });
    }
    Ok(match named[..] {
        [] => code,
        [(_, number)] => Reading::Number(number, CodeReading::Issued),
        [one, other, ..] => Reading::Ambiguous(one, other),
    })
}

/// As what one of two units is read that a text names: a code that was voided is told as such, as
/// where it is asked for by itself.
pub fn reading_of(reference: &Reference, (scheme, number): (Scheme, i64)) -> CodeReading {
    match scheme {
        Scheme::Code if reference.void_reason(number).is_some() => CodeReading::Void,
        _ => CodeReading::Issued,
    }
}

/// The units that a text names as an identifier, none twice, the more particular reading first.
/// Without a brand, only identifiers of the whole deployment are tried.
async fn named(
    house: &House,
    brand: Option<BrandId>,
    raw: &str,
    scheme: Option<Scheme>,
) -> Result<Vec<(Scheme, i64)>, FlowError> {
    let mut found: Vec<(Scheme, i64)> = Vec::new();
    let candidates = match scheme {
        Some(scheme) => Identifier::parse(scheme, raw).into_iter().collect(),
        None => guess_kinds(raw),
    };
    for identifier in candidates {
        let scoped = matches!(identifier.scheme(), Scheme::Sn | Scheme::Part);
        // A pack is nothing to verify, and who has which is nobody's business.
        let unasked = matches!(identifier.scheme(), Scheme::Code | Scheme::Part);
        if identifier.scheme() == Scheme::Sscc || (unasked && scheme.is_none()) {
            continue;
        }
        let Some(brand) = brand.or((!scoped).then_some(BrandId(0))) else { continue };
        let named = find::identifier(house, brand, &identifier).await?;
        let new = named.filter(|number| found.iter().all(|(_, known)| known != number));
        found.extend(new.map(|number| (identifier.scheme(), number)));
    }
    Ok(found)
}

/// Verifies a number: a unit's, or a code's that is an alias of one.
///
/// # Errors
/// The store does not answer: the caller says `unavailable`, never genuine.
pub async fn verify(
    house: &House,
    reference: &Reference,
    (reading, number): (CodeReading, Option<i64>),
    depth: Depth,
) -> Result<Verified, FlowError> {
    let Some(number) = number else { return Ok(nothing(reading)) };
    let seen = match depth {
        Depth::Whole => look(house, reference, number).await?,
        Depth::Public => glance(house, reference, number).await?,
    };
    let Some(Seen { record, scans, moves }) = seen else { return Ok(nothing(reading)) };
    let Some(product) = reference.product_by_id(ProductId(record.product)) else {
        return Ok(nothing(reading));
    };
    let mut custody = CustodyFacts::default();
    if depth == Depth::Whole || hands_needed(reference, &record) {
        match moves {
            Some(moves) => house.store.custody_around(record.number, moves, &mut custody).await?,
            None => house.store.custody_fetch(&[record.number], &mut custody).await?,
        }
        custody.extend(custody::origin(reference, &record), []);
    }
    let recall = recalls::standing(house, reference, &record).await?;
    let bound = record.number != number || record.produced_at.is_some();
    // A proof lifts what was there when it was given: what is odd about later looks counts again.
    let odd = |after| scans.as_ref().is_some_and(|scans| is_odd(house, scans, after));
    let proof_lifted = record.proof_at.is_some_and(|at| !odd(Some(at)));
    let decision = decide(&VerdictFacts {
        code: if bound { reading.of_bound() } else { reading },
        store_available: true,
        unit: Some(UnitFacts {
            brand_not_vouched: !reference.is_vouched(BrandId(record.brand)),
            recalled: record.recalled_at.is_some() || recall.is_some(),
            ..unit_facts(&record, odd(None), proof_lifted)
        }),
    });
    let product = Arc::clone(product);
    let known = Known { record, worn: number, product, scans, custody, recall, ring: house.ring() };
    Ok(Verified { decision, unit: Some(Box::new(known)) })
}

/// Whether looks are such as only a copied code gets, counted from an instant on if one is given.
fn is_odd(house: &House, scans: &ScanRecord, after: Option<i64>) -> bool {
    let policy = &house.rules.scans;
    let by = (policy, house.geo.divisions().as_ref());
    policy.is_possible(u64::try_from(scans.count).unwrap_or(0))
        && policy.anomaly(&scans::summary(by, scans, after)).is_some()
}

/// Whether consumers' looks at a unit are odd since an instant.
///
/// # Errors
/// The store does not answer.
pub(super) async fn odd_since(house: &House, unit: i64, after: i64) -> Result<bool, FlowError> {
    let stored = house.store.scan_fetch(unit).await?;
    let scans = scans::merged(stored, house.scans.pending(unit, Audience::Consumer));
    Ok(scans.is_some_and(|scans| is_odd(house, &scans, Some(after))))
}

/// What every answer begins with.
struct Seen {
    record: UnitRecord,
    /// Looks by consumers, including those not written yet.
    scans: Option<ScanRecord>,
    /// What moved the unit itself, where that was read with it.
    moves: Option<Moves>,
}

/// The unit a number stands for, itself or as another code of it, or as a code that waits for its
/// unit; and how consumers looked at it.
async fn look(
    house: &House,
    reference: &Reference,
    number: i64,
) -> Result<Option<Seen>, FlowError> {
    if let Some(found) = house.store.unit_seen_fetch(number).await? {
        return Ok(Some(seen(house, found)));
    }
    look_beyond(house, reference, number).await
}

/// As [`look`] for a number that is none of a unit.
async fn look_beyond(
    house: &House,
    reference: &Reference,
    number: i64,
) -> Result<Option<Seen>, FlowError> {
    let unit = find::unit_of_code(house, number).await?;
    if unit != number {
        let found = house.store.unit_seen_fetch(unit).await?;
        return Ok(found.map(|found| seen(house, found)));
    }
    let Some(unborn) = unborn(reference, number) else { return Ok(None) };
    Ok(Some(seen(house, (unborn, house.store.scan_fetch(number).await?))))
}

fn seen(house: &House, (record, scans): (UnitRecord, Option<ScanRecord>)) -> Seen {
    // After the store was read: looks that were written meanwhile count late, and never twice.
    let waiting = house.scans.pending(record.number, Audience::Consumer);
    Seen { record, scans: scans::merged(scans, waiting), moves: None }
}

/// As [`look`], as far as the public is told; most often without asking the database.
async fn glance(
    house: &House,
    reference: &Reference,
    number: i64,
) -> Result<Option<Seen>, FlowError> {
    let Some(glance) = house.store.glance(number).await? else {
        return look_beyond(house, reference, number).await;
    };
    let Glance { record, has_parts, looks, moves } = glance;
    if recalls::ask_for_names(reference, &record, has_parts) {
        return look(house, reference, number).await;
    }
    let counted = match &looks {
        Looks::None => counted(house, number, LooksCounted::default()),
        Looks::Counted(looks) => counted(house, number, *looks),
        Looks::Whole(_) => None,
    };
    if let Some(LooksCounted { count, first_at, last_at, .. }) = counted {
        let scans = ScanRecord { count, first_at, last_at, ..ScanRecord::default() };
        return Ok(Some(Seen { record, scans: (count > 0).then_some(scans), moves }));
    }
    let scans = match looks {
        Looks::None => None,
        Looks::Whole(scans) => Some(scans),
        Looks::Counted(_) => house.store.scan_fetch(number).await?,
    };
    Ok(Some(Seen { moves, ..seen(house, (record, scans)) }))
}

/// The looks at a unit as numbers, those included that are not written yet; none where they can be
/// odd, so that it counts where each was.
fn counted(house: &House, number: i64, written: LooksCounted) -> Option<LooksCounted> {
    let policy = &house.rules.scans;
    let can_be_odd = |looks: &LooksCounted| {
        policy.is_possible(looks.count.unsigned_abs()) && policy.is_possible_from(looks.city_count)
    };
    let with = |waiting: &ScanDelta| LooksCounted {
        count: written.count + waiting.count,
        first_at: if written.count > 0 { written.first_at } else { waiting.first_at },
        last_at: waiting.last_at.max(written.last_at),
        city_count: written.city_count + city_count(&waiting.recent),
    };
    let all = house.scans.of_pending(number, Audience::Consumer, with).unwrap_or(written);
    Some(all).filter(|looks| !can_be_odd(looks))
}

fn hands_needed(reference: &Reference, unit: &UnitRecord) -> bool {
    let from_factory = unit.activated_at.is_none() && !is_dated(unit);
    from_factory || reference.has_public_seller(BrandId(unit.brand))
}

fn nothing(reading: CodeReading) -> Verified {
    let facts = VerdictFacts { code: reading, store_available: true, unit: None };
    Verified { decision: decide(&facts), unit: None }
}

/// What arithmetic alone tells of a text, while the store does not answer.
pub fn reading_without_store(house: &House, raw: &str, scheme: Option<Scheme>) -> CodeReading {
    let as_code = matches!(scheme, None | Some(Scheme::Code));
    match TraceCode::parse(raw).ok().filter(|_| as_code) {
        // What its own key does not open is forged, whatever was minted since we last heard.
        Some(code) if !house.ring().opens(&code) => CodeReading::Forged,
        _ => CodeReading::NotACode,
    }
}

/// What is said when the store does not answer.
pub fn unavailable(reading: CodeReading) -> Verified {
    let facts = VerdictFacts { code: reading, store_available: false, unit: None };
    Verified { decision: decide(&facts), unit: None }
}

/// An issued code without a production record: known by its batch alone.
fn unborn(reference: &Reference, number: i64) -> Option<UnitRecord> {
    let batch = reference.batch_of(number)?;
    Some(UnitRecord {
        number,
        brand: batch.brand,
        product: batch.product?,
        batch: batch.id,
        ..UnitRecord::default()
    })
}

fn unit_facts(unit: &UnitRecord, scan_anomaly: bool, proof_lifted: bool) -> UnitFacts {
    UnitFacts {
        brand_not_vouched: false,
        commissioned: unit.produced_at.is_some(),
        inspection: match unit.inspection.as_deref() {
            Some("pass") => Inspection::Pass,
            Some("fail") => Inspection::Fail,
            Some("hold") => Inspection::Hold,
            _ => Inspection::None,
        },
        activated: unit.activated_at.is_some(),
        activated_again_suspect: unit.suspect,
        recalled: unit.recalled_at.is_some(),
        stolen: unit.stolen_at.is_some(),
        decommissioned: unit.retired_at.is_some(),
        scan_anomaly,
        proof_lifted,
        official_refurbished: unit.disposition.as_deref() == Some("refurbished"),
    }
}

/// Whether the day a unit was sold is known.
pub fn is_dated(unit: &UnitRecord) -> bool {
    let days = [&unit.sold_on, &unit.invoiced_on, &unit.delivered_on];
    days.into_iter().any(Option::is_some)
}

/// From when the guarantee of a unit runs by a sale or a first start.
pub(super) fn started_on(house: &House, reference: &Reference, unit: &UnitRecord) -> Option<Date> {
    let zone = reference.zone(BrandId(unit.brand));
    warranty::start(&evidence(house, reference, unit, zone)).map(|(start, _)| start)
}

/// The warranty of a unit as its evidence stands.
pub fn warranty(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
    custody: &CustodyFacts,
) -> WarrantyReading {
    // Ex-factory: the first shipment from where it was made, else the production; in a further life
    // that is long ago and says nothing of the guarantee which begins anew.
    let left = custody.first_shipped(unit_number(unit.number), jiff::Timestamp::MAX);
    let zone = reference.zone(BrandId(unit.brand));
    warranty::read(&WarrantyFacts {
        ex_factory_at: left.or(unit.produced_at.map(instant)).filter(|_| unit.life == 0),
        ..evidence(house, reference, unit, zone)
    })
}

/// What the unit itself tells of the start, and the tables; nothing of when it left the factory.
fn evidence<'a>(
    house: &'a House,
    reference: &Reference,
    unit: &UnitRecord,
    zone: &'a TimeZone,
) -> WarrantyFacts<'a> {
    let product = reference.product_by_id(ProductId(unit.product));
    let activated_on = unit.activated_at.map(|at| zone.to_datetime(instant(at)).date());
    let starts_itself = product.is_none_or(|p| p.network_start);
    let day = |text: &Option<String>| text.as_deref().and_then(|d| d.parse::<Date>().ok());
    let stands = domain::registration::stands(activated_on, starts_itself);
    WarrantyFacts {
        category: product.map_or(domain::policy::Category::Other, |p| p.category),
        invoice_on: day(&unit.invoiced_on),
        sale_on: day(&unit.delivered_on).max(day(&unit.sold_on).filter(|_| stands)),
        activated_at: unit.activated_at.map(instant),
        ex_factory_at: None,
        policies: &house.rules.policies,
        holidays: &house.rules.holidays,
        time_zone: zone,
    }
}

/// Who holds a unit now.
pub fn holder(known: &Known, now: jiff::Timestamp) -> Option<&Hold> {
    known.custody.at(unit_number(known.record.number), now)
}

/// Whether a party may sell a unit, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SellerAnswer {
    /// The goods are bound to it or to a seller above it, and it holds a grant for today; or it is
    /// the brand, and has them.
    Authorised,
    /// The goods are in other hands.
    OtherHands,
    /// No grant binds the product to it today.
    NoGrant,
    /// The unit was activated: it is no longer new.
    AlreadyActivated,
    /// The unit is recalled, stolen, retired or not released.
    NotSaleable,
}

impl SellerAnswer {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::OtherHands => "other_hands",
            Self::NoGrant => "no_grant",
            Self::AlreadyActivated => "already_activated",
            Self::NotSaleable => "not_saleable",
        }
    }
}

/// Whether a party may sell a unit today.
///
/// # Errors
/// The caller may not ask; [`Refusal::UnknownParty`].
pub fn seller(
    house: &House,
    reference: &Reference,
    verified: &Verified,
    caller: &Caller,
    code: &str,
) -> Result<SellerAnswer, Refused> {
    caller.need(Scope::Verify)?;
    let party = reference
        .party(caller.brand, code)
        .ok_or_else(|| Refused::because(Refusal::UnknownParty, "seller", code))?;
    let Some(known) = &verified.unit else { return Ok(SellerAnswer::NotSaleable) };
    use domain::verdict::Verdict::{Genuine, NotActivated};
    if !matches!(verified.decision.verdict, Genuine | NotActivated) {
        return Ok(SellerAnswer::NotSaleable);
    }
    if known.record.activated_at.is_some() {
        return Ok(SellerAnswer::AlreadyActivated);
    }
    let now = house.clock.now();
    let Some(hold) = holder(known, now) else { return Ok(SellerAnswer::OtherHands) };
    // The holder itself sells, or a shop below a seller, whose own receipt was never recorded. What
    // the brand, a factory or a service centre has was given to nobody else.
    let holder_sells = reference.tree.get(hold.party).is_some_and(|holder| holder.kind.sells());
    let below = holder_sells && reference.tree.is_within(party.id, hold.party);
    if party.id != hold.party && !below {
        return Ok(SellerAnswer::OtherHands);
    }
    let on = reference.day(caller.brand, now);
    let product = ProductId(known.record.product);
    let may = reference.territories.lets_sell(&reference.tree, party.id, product, on);
    Ok(if may { SellerAnswer::Authorised } else { SellerAnswer::NoGrant })
}
