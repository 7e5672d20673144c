//! The one box: whatever a text names, as far as the caller may see it.
//!
//! Nothing is read here in a way of its own: codes and identifiers are read as for a verdict,
//! master data is what the lists give, whether a unit or pack may be shown is asked of
//! [`super::access`]. What may not be shown is not found, in the same words as what is not there,
//! and never crosses brands.
//!
//! **Cost.** Master data is in memory. Serial numbers that begin with the text are a walk along the
//! directory, which holds other brands' numbers too: it ends after [`DIRECTORY_ROWS_MAX`] rows or
//! [`UNITS_MAX`] units, and a text that is too short may then find less than there is.

use super::access::{self, Sight};
use super::audit;
use super::batches;
use super::caller::{Caller, Scope};
use super::cases;
use super::catalogue;
use super::contents;
use super::custody::{self, Subject, instant};
use super::find::{self, unit_number};
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use super::reports;
use super::verify::{self, QUERY_CHARS_MAX, Reading};
use domain::access::Fact;
use domain::audit::SensitiveRead;
use domain::custody::CustodyFacts;
use domain::id::{PartyId, ProductId};
use domain::identifier::{Identifier, Scheme};
use domain::refusal::Refused;
use domain::text;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::canonical::hex;
use store::search::PaperRow;
use store::unit::UnitRecord;

/// Hits of one kind.
pub const HITS_MAX: usize = 20;
/// Fewest characters that serial numbers are found by the beginning of.
pub const PREFIX_CHARS_MIN: usize = 4;
/// Rows of the directory looked at for one search.
pub const DIRECTORY_ROWS_MAX: usize = 20_000;
/// Units looked at for one search.
pub const UNITS_MAX: usize = 200;
/// Rows of the directory read at once.
const PORTION: usize = 2_000;

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HitKind {
    /// A unit; its trace code.
    Unit,
    /// A pack; its SSCC.
    Pack,
    /// A paper; its number.
    Shipment,
    /// A case; its id.
    Case,
    /// A party; its code.
    Party,
    /// A site; its code.
    Site,
    /// A product; its GTIN.
    Product,
    /// A batch of codes; its number.
    Batch,
    /// A visitor's report; its reference.
    Report,
}

impl HitKind {
    /// Every kind, in the order they are told in.
    pub const ALL: [Self; 9] = [
        Self::Unit,
        Self::Pack,
        Self::Shipment,
        Self::Case,
        Self::Party,
        Self::Site,
        Self::Product,
        Self::Batch,
        Self::Report,
    ];

    /// The word in API and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Pack => "pack",
            Self::Shipment => "shipment",
            Self::Case => "case",
            Self::Party => "party",
            Self::Site => "site",
            Self::Product => "product",
            Self::Batch => "batch",
            Self::Report => "report",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: HitKind,
    /// What it is called by.
    pub id: String,
    /// A line for people.
    pub label: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By kind; of a kind the best first.
    pub hits: Vec<Hit>,
    /// Whether some kind has more than are told.
    pub more: bool,
}

impl Found {
    fn add(&mut self, mut hits: Vec<Hit>) {
        self.more |= hits.len() > HITS_MAX;
        hits.truncate(HITS_MAX);
        self.hits.append(&mut hits);
    }
}

/// Finds what a text names, of one kind or of all. A look at units, packs or cases leaves a record
/// without the text: people type anything.
///
/// # Errors
/// The caller may not read; `Refusal::InvalidField` at `q`; the store does not answer.
pub async fn search(
    house: &House,
    caller: &Caller,
    raw: &str,
    kind: Option<HitKind>,
) -> Result<Found, FlowError> {
    caller.need(Scope::Read)?;
    let text = text::required(raw, QUERY_CHARS_MAX).map_err(|why| Refused::invalid("q", why))?;
    let mut reference = house.reference().await?;
    let wants = |one: HitKind| kind.is_none_or(|kind| kind == one);
    let mut found = Found::default();
    if wants(HitKind::Unit) {
        found.add(units(house, &mut reference, caller, &text).await?);
    }
    if wants(HitKind::Pack) {
        found.add(packs(house, &reference, caller, &text).await?);
    }
    if wants(HitKind::Shipment) {
        found.add(papers(house, &reference, caller, &text).await?);
    }
    if wants(HitKind::Case) {
        found.add(open_or_closed(house, &reference, caller, &text).await?);
    }
    let needle = text.to_lowercase();
    for one in [HitKind::Party, HitKind::Site, HitKind::Product, HitKind::Batch] {
        if wants(one) {
            found.add(listed(&reference, caller, one, &needle)?);
        }
    }
    if wants(HitKind::Report) {
        found.add(quoted(house, &reference, caller, &text).await?);
    }
    note(house, caller, &found);
    Ok(found)
}

fn note(house: &House, caller: &Caller, found: &Found) {
    let goods = |hit: &&Hit| matches!(hit.kind, HitKind::Unit | HitKind::Pack);
    let goods = found.hits.iter().filter(goods).count();
    if goods > 0 {
        audit::note(house, &caller.into(), SensitiveRead::Dossier, "search", goods);
    }
    for case in found.hits.iter().filter(|hit| hit.kind == HitKind::Case) {
        audit::note(house, &caller.into(), SensitiveRead::Cases, &case.id, 1);
    }
}

/// Units: those the text names, then those whose serial number begins with it.
async fn units(
    house: &House,
    reference: &mut Arc<Reference>,
    caller: &Caller,
    text: &str,
) -> Result<Vec<Hit>, FlowError> {
    let mut named = Vec::new();
    match verify::read(house, reference, Some(caller.brand), text, None).await? {
        Reading::Number(number, _) => named.push(find::unit_of_code(house, number).await?),
        Reading::Ambiguous((_, one), (_, other)) => named.extend([one, other]),
        Reading::Nothing(_) => {}
    }
    if let Ok(part) = Identifier::parse(Scheme::Part, text) {
        named.extend(find::identifier(house, caller.brand, &part).await?);
    }
    let mut seen = BTreeSet::new();
    named.retain(|number| seen.insert(*number));
    let mut hits = shown(house, reference, caller, (&named, Scheme::Code)).await?;
    let prefix = Identifier::parse(Scheme::Sn, text).ok();
    let prefix = prefix.filter(|sn| sn.value().chars().count() >= PREFIX_CHARS_MIN);
    let Some(prefix) = prefix else { return Ok(hits) };
    let mut walk = Walk::of(prefix.value());
    while hits.len() <= HITS_MAX && seen.len() < UNITS_MAX {
        let Some(numbers) = walk.next(house, caller.brand.0).await? else { break };
        let room = UNITS_MAX - seen.len();
        let fresh: Vec<_> = numbers.into_iter().filter(|n| seen.insert(*n)).take(room).collect();
        for some in fresh.chunks(HITS_MAX + 1) {
            if hits.len() <= HITS_MAX {
                hits.extend(shown(house, reference, caller, (some, Scheme::Sn)).await?);
            }
        }
    }
    Ok(hits)
}

/// A walk along the directory of identifiers.
struct Walk {
    from: String,
    end: String,
    rows: usize,
}

impl Walk {
    fn of(prefix: &str) -> Self {
        // Above every character of a serial number.
        Self { from: prefix.to_owned(), end: format!("{prefix}~"), rows: DIRECTORY_ROWS_MAX }
    }

    /// The units of a brand with the next serial numbers; none at the end.
    async fn next(&mut self, house: &House, brand: i64) -> Result<Option<Vec<i64>>, FlowError> {
        let most = PORTION.min(self.rows);
        if most == 0 {
            return Ok(None);
        }
        let between = (self.from.as_str(), self.end.as_str());
        let rows = house.store.identifiers_between(between, most as i64).await?;
        self.rows = if rows.len() == most { self.rows - most } else { 0 };
        if let Some(last) = rows.last() {
            self.from = match last.value == self.from {
                // The least text behind it: more than a portion of brands have this number.
                true => format!("{}\u{1}", last.value),
                // What others have of the last number may not be in this portion: it comes again.
                false => last.value.clone(),
            };
        }
        let own = rows.iter().filter(|r| r.scheme == Scheme::Sn.as_str() && r.scope == brand);
        Ok(Some(own.map(|row| row.unit).collect()))
    }
}

/// The units among these that may be shown, in their order. Found by the beginning of a serial
/// number are only those whose serial number may be shown: else it could be guessed on.
async fn shown(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (numbers, by): (&[i64], Scheme),
) -> Result<Vec<Hit>, FlowError> {
    let mut subjects = Vec::new();
    for number in numbers {
        let unit = house.store.unit_fetch(*number).await?.filter(|u| u.brand == caller.brand.0);
        subjects.extend(unit.map(|unit| Subject::Unit(Box::new(unit))));
    }
    let whole = access::is_brand(reference, caller) && caller.regions.is_empty();
    let facts = match whole {
        true => CustodyFacts::default(),
        false => custody::facts(house, reference, &subjects.iter().collect::<Vec<_>>()).await?,
    };
    let hit = |unit: &UnitRecord| {
        let sight = Sight::of_unit(house, reference, Some(caller), unit, &facts);
        let named = sight.shows(Fact::Identifiers);
        if !sight.reaches(unit.number, &facts) || !(named || by == Scheme::Code) {
            return None;
        }
        let product = product_name(reference, unit.product);
        let sn = unit.sn.as_deref().filter(|_| named);
        let label = [Some(product.as_str()), sn].into_iter().flatten().collect::<Vec<_>>();
        let id = house.ring().encode(unit_number(unit.number)).as_str().to_owned();
        Some(Hit { kind: HitKind::Unit, id, label: label.join("  ") })
    };
    Ok(subjects.iter().filter_map(Subject::unit).filter_map(hit).collect())
}

fn product_name(reference: &Reference, id: i64) -> String {
    reference.product_by_id(ProductId(id)).map(|p| p.name_zh.clone()).unwrap_or_default()
}

async fn packs(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    text: &str,
) -> Result<Vec<Hit>, FlowError> {
    let pack = match contents::pack_named(house, caller.brand, text).await {
        Ok(pack) => pack,
        Err(FlowError::Refused(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut custody = CustodyFacts::default();
    house.store.custody_fetch(&[pack.number], &mut custody).await?;
    let sight = Sight::of_pack(house, reference, caller, (&pack, &custody));
    if !contents::travelled(&sight, &custody, pack.number) {
        return Ok(Vec::new());
    }
    let products: Vec<_> = pack.products.iter().map(|id| product_name(reference, *id)).collect();
    Ok(vec![Hit { kind: HitKind::Pack, id: pack.sscc, label: products.join("  ") }])
}

/// Papers of this very number that the caller sent or got, or somebody it sees.
async fn papers(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    text: &str,
) -> Result<Vec<Hit>, FlowError> {
    let own = |party: i64| access::concerns(reference, caller, PartyId(party));
    let name = |party: i64| {
        let party = reference.tree.get(PartyId(party)).filter(|party| own(party.id.0));
        party.map_or("…", |party| party.code.as_str())
    };
    let hit = |paper: &PaperRow| {
        let day = reference.day(caller.brand, instant(paper.sent_at));
        let ends = format!("{} → {}", name(paper.from), name(paper.to));
        let label = format!("{ends}  {day}  {}", paper.subject_count);
        Hit { kind: HitKind::Shipment, id: text.to_owned(), label }
    };
    let papers = house.store.papers_fetch(caller.brand.0, text).await?;
    Ok(papers.iter().filter(|paper| own(paper.from) || own(paper.to)).map(hit).collect())
}

async fn open_or_closed(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    text: &str,
) -> Result<Vec<Hit>, FlowError> {
    let found = cases::find(house, reference, caller, text).await?;
    let hit = |row: store::case::CaseRow| {
        let party = reference.tree.get(PartyId(row.party)).map(|party| party.code.clone());
        let label = format!("{}  {}", party.unwrap_or_default(), row.state);
        Hit { kind: HitKind::Case, id: hex(&row.id), label }
    };
    Ok(found.into_iter().map(hit).collect())
}

/// The report of this very reference, for those who read reports.
async fn quoted(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    text: &str,
) -> Result<Vec<Hit>, FlowError> {
    if !reports::is_reference(text) || !access::is_brand(reference, caller) {
        return Ok(Vec::new());
    }
    let found = reports::quoted(house, caller, text).await?;
    let hit = |told: reports::Told| {
        let day = reference.day(caller.brand, instant(told.place.due_at));
        let code = told.unit.map(|unit| house.ring().encode(unit_number(unit)).to_string());
        let label = format!("{day}  {}", code.or(told.typed).unwrap_or_default());
        Hit { kind: HitKind::Report, id: told.reference, label: label.trim_end().to_owned() }
    };
    Ok(found.into_iter().map(hit).collect())
}

/// Rows of master data that the lists give the caller and that hold the text.
fn listed(
    reference: &Reference,
    caller: &Caller,
    kind: HitKind,
    needle: &str,
) -> Result<Vec<Hit>, Refused> {
    let hit = |id: &str, label: &str, texts: &[&str]| {
        let hit = || Hit { kind, id: id.to_owned(), label: label.to_owned() };
        rank(needle, texts).map(|rank| (rank, hit()))
    };
    let mut hits: Vec<(u8, Hit)> = match kind {
        HitKind::Party => {
            let rows = catalogue::parties(reference, caller)?;
            rows.iter().filter_map(|p| hit(&p.code, &p.name, &[&p.code, &p.name])).collect()
        }
        HitKind::Site => {
            let rows = catalogue::sites(reference, caller)?;
            rows.iter().filter_map(|s| hit(&s.code, &s.name, &[&s.code, &s.name])).collect()
        }
        HitKind::Product => {
            let rows = catalogue::products(reference, caller)?;
            let texts = |p: &domain::product::Product| {
                hit(&p.gtin, &p.name_zh, &[&p.gtin, &p.name_zh, &p.name_en, &p.model])
            };
            rows.iter().filter_map(|p| texts(p)).collect()
        }
        HitKind::Batch if caller.may(Scope::CodesRead) => {
            let rows = batches::list(reference, caller)?;
            let texts = |batch: &store::reference::Batch| {
                let product = reference.product_by_id(ProductId(batch.product?))?;
                let (id, label) = (batch.id.to_string(), product.name_zh.as_str());
                let exact = id == needle;
                let found = hit(&id, label, &[&product.gtin, label, &product.name_en]);
                if exact { hit(&id, label, &[&id]) } else { found }
            };
            rows.iter().filter_map(|batch| texts(batch)).collect()
        }
        _ => Vec::new(),
    };
    // Stable: of one rank the first entered comes first.
    hits.sort_by_key(|(rank, _)| *rank);
    Ok(hits.into_iter().map(|(_, hit)| hit).collect())
}

/// How well a row fits: its text is it, begins with it, holds it somewhere.
fn rank(needle: &str, texts: &[&str]) -> Option<u8> {
    let of = |text: &&str| {
        let text = text.to_lowercase();
        match text.find(needle) {
            Some(_) if text == needle => Some(0),
            Some(0) => Some(1),
            Some(_) => Some(2),
            None => None,
        }
    };
    texts.iter().filter_map(of).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_by_its_best_text_and_no_character_is_special() {
        assert_eq!(rank("t1-53", &["T1-53", "云南总代"]), Some(0));
        assert_eq!(rank("云南", &["T1-53", "云南总代"]), Some(1));
        assert_eq!(rank("总代", &["T1-53", "云南总代"]), Some(2));
        for wild in ["%", "_", "t1%", ".*", "*"] {
            assert_eq!(rank(wild, &["T1-53", "云南总代"]), None, "{wild}");
        }
    }

    #[test]
    fn kinds_are_read_back() {
        for kind in HitKind::ALL {
            assert_eq!(HitKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(HitKind::parse("account"), None);
    }
}
