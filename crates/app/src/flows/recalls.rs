//! Recalls: opening, closing, remedying, and which recall a unit stands under.
//!
//! A recall is a reference row that every process keeps in memory, so it holds for every unit it
//! selects once its commit is done, for those made later too; other processes see it when they next
//! look at the version, a tenth of a second later at most. A unit that none selects costs a look no
//! read; one that is selected costs one, for what was remedied.

pub mod recalled;

use super::caller::{Caller, Scope};
use super::changes;
use super::custody::instant;
use super::find;
use super::house::{EventDraft, House};
use super::mandate::brand_only;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::{Recall, Reference};
use domain::gs1::Gtin;
use domain::id::{BatchId, BrandId, ProductId};
use domain::identifier::{Identifier, Scheme};
use domain::recall::{
    PART_PREFIX_CHARS_MIN, PARTS_MAX, RecallState, Selector, Stretch, UNITS_MAX, UnitFacts,
    stood_at,
};
use domain::refusal::{Refusal, Refused};
use domain::text::{LABEL_CHARS_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX, lasting, required};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::commit::{Commit, Relied};
use store::event::{Body, Row, Subject};
use store::recall::{RecallRow, SelectorRecord};
use store::reference::ReferenceChange;
use store::unit::UnitRecord;

/// What a recall says to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What it is called, in Chinese and, may be empty, in English.
    pub title: (String, String),
    /// What is wrong.
    pub reason: (String, String),
    /// What the owner should do.
    pub action: (String, String),
    /// Address of the published notice.
    pub link: Option<String>,
}

/// Which units, as named by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// A batch of codes.
    Batch(i64),
    /// A production lot or a part of one.
    Lot {
        /// The product.
        gtin: String,
        /// The lot.
        lot: String,
        /// First and last serial number of the part.
        serials: Option<(String, String)>,
        /// Made at or after.
        from_at: Option<Timestamp>,
        /// Made at or before.
        to_at: Option<Timestamp>,
    },
    /// Trace codes or serial numbers.
    Units(Vec<String>),
    /// Serial numbers of parts.
    Parts(Vec<String>),
    /// How the serial numbers of a component lot begin.
    PartLot(String),
}

/// The recall a unit stands under: the first that selects it and was not remedied.
///
/// # Errors
/// The store cannot be read.
pub async fn standing(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
) -> Result<Option<Arc<Recall>>, FlowError> {
    let over = selecting(reference, unit);
    if over.is_empty() {
        return Ok(None);
    }
    let remedied = house.store.remedies_of(unit.number).await?;
    let open = |recall: &&Arc<Recall>| remedied.iter().all(|(id, _)| *id != recall.row.id);
    Ok(over.into_iter().find(open).map(Arc::clone))
}

/// The recalls that select a unit and were not withdrawn: when each was opened, and when the unit
/// was remedied under it, if it was. For what is judged by a day of its own.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn over(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
) -> Result<Vec<(i64, Option<i64>)>, FlowError> {
    let over = selecting(reference, unit);
    if over.is_empty() {
        return Ok(Vec::new());
    }
    let remedied = house.store.remedies_of(unit.number).await?;
    let done = |id: i64| remedied.iter().find(|(of, _)| *of == id).map(|(_, at)| *at);
    Ok(over.into_iter().map(|recall| (recall.row.opened_at, done(recall.row.id))).collect())
}

/// Whether one of [`over`] stood over the unit at an instant.
pub(super) fn stood((opened_at, remedied_at): (i64, Option<i64>), at: Timestamp) -> bool {
    stood_at(instant(opened_at), remedied_at.map(instant), at)
}

/// The recalls that select a unit and were not withdrawn.
pub fn selecting<'a>(reference: &'a Reference, unit: &UnitRecord) -> Vec<&'a Arc<Recall>> {
    let mut recalls = reference.recalls(BrandId(unit.brand)).peekable();
    if recalls.peek().is_none() {
        return Vec::new();
    }
    let parts = parts_of(unit);
    let facts = facts(unit, &parts);
    recalls.filter(|r| r.row.standing().stands() && r.selector.selects(&facts)).collect()
}

/// Whether it takes the names of a unit or of its parts to say which recalls select it.
pub(super) fn ask_for_names(reference: &Reference, unit: &UnitRecord, has_parts: bool) -> bool {
    let mut recalls = reference.recalls(BrandId(unit.brand));
    let facts = facts(unit, &[]);
    recalls.any(|recall| {
        recall.row.standing().stands() && recall.selector.asks_for_names(&facts, has_parts)
    })
}

/// Whether a recall selects a unit, remedied or not.
pub(super) fn selects(recall: &Recall, unit: &UnitRecord) -> bool {
    recall.selector.selects(&facts(unit, &parts_of(unit)))
}

fn parts_of(unit: &UnitRecord) -> Vec<&str> {
    let parts = unit.identifiers.iter().filter(|one| one.scheme == Scheme::Part.as_str());
    parts.map(|one| one.value.as_str()).collect()
}

fn facts<'a>(unit: &'a UnitRecord, parts: &'a [&'a str]) -> UnitFacts<'a> {
    UnitFacts {
        number: unit.number,
        batch: BatchId(unit.batch),
        product: ProductId(unit.product),
        lot: unit.lot.as_deref(),
        sn: unit.sn.as_deref(),
        produced_at: unit.produced_at.map(instant),
        parts,
    }
}

/// Opens a recall. One that is open already with the same words and the same units is given back.
///
/// # Errors
/// The caller is not the brand; the words or the units cannot be read.
pub async fn open(
    house: &House,
    caller: &Caller,
    words: &Words,
    chosen: &Chosen,
) -> Result<Arc<Recall>, FlowError> {
    caller.need(Scope::Lifecycle)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        brand_only(&reference, caller)?;
        let selector = resolve(house, &reference, caller, chosen).await?;
        let row = row(caller, words, &selector)?;
        let same = |it: &&Arc<Recall>| {
            let known = &it.row;
            let told = RecallRow { id: known.id, opened_at: known.opened_at, ..row.clone() };
            *known == told
        };
        if let Some(known) = reference.recalls(caller.brand).find(same) {
            return Ok(Arc::clone(known));
        }
        let row = RecallRow {
            id: reference.last_ids.recall + 1,
            opened_at: house.clock.now().as_microsecond(),
            ..row
        };
        if put(house, caller, &reference, row.clone()).await? {
            return Ok(Arc::new(Recall::new(row)));
        }
    }
    Err(FlowError::Busy)
}

fn row(caller: &Caller, words: &Words, selector: &Selector) -> Result<RecallRow, Refused> {
    let text = |field: &'static str, raw: &str, most| {
        required(raw, most).map_err(|why| Refused::invalid(field, why))
    };
    let more = |field, raw: &str, most| match raw.is_empty() {
        true => Ok(String::new()),
        false => text(field, raw, most),
    };
    let link = match words.link.as_deref().map(str::trim).filter(|link| !link.is_empty()) {
        Some(link) if !link.starts_with("https://") || link.chars().count() > NOTE_CHARS_MAX => {
            return Err(Refused::invalid("link", "must be an address that begins with https://"));
        }
        Some(link) => Some(text("link", link, NOTE_CHARS_MAX)?),
        None => None,
    };
    Ok(RecallRow {
        id: 0,
        brand: caller.brand.0,
        title_zh: text("title_zh", &words.title.0, NAME_CHARS_MAX)?,
        title_en: more("title_en", &words.title.1, NAME_CHARS_MAX)?,
        reason_zh: text("reason_zh", &words.reason.0, NOTE_CHARS_MAX)?,
        reason_en: more("reason_en", &words.reason.1, NOTE_CHARS_MAX)?,
        action_zh: text("action_zh", &words.action.0, NOTE_CHARS_MAX)?,
        action_en: more("action_en", &words.action.1, NOTE_CHARS_MAX)?,
        link,
        selector: selector.into(),
        opened_at: 0,
        closed_at: None,
        state: RecallState::Open.as_str().to_owned(),
        closing: String::new(),
    })
}

/// Writes a recall; false when others changed the reference rows meanwhile.
async fn put(
    house: &House,
    caller: &Caller,
    reference: &Reference,
    row: RecallRow,
) -> Result<bool, FlowError> {
    let relies_on = vec![Relied::Reference(reference.version)];
    let mut commit = Commit { relies_on, ..Commit::default() };
    let changed = vec![ReferenceChange::Recall(row)];
    changes::add(house, &caller.into(), reference, changed, &mut commit)?;
    match house.store.commit(&commit).await {
        Err(e) if e.is_race() => Ok(false),
        Err(e) => Err(e.into()),
        Ok(()) => {
            house.reload().await?;
            Ok(true)
        }
    }
}

/// Turns what a person named into what is stored. Refusals name members of `selector`.
async fn resolve(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    chosen: &Chosen,
) -> Result<Selector, FlowError> {
    let count = |field: &'static str, found: usize, most: usize| match (1..=most).contains(&found) {
        true => Ok(()),
        false => Err(Refused::invalid(field, format!("name 1 to {most}"))),
    };
    Ok(match chosen {
        Chosen::Batch(id) => {
            let batch = super::batches::of_brand(reference, caller, BatchId(*id))
                .map_err(|refused| Refused { field: "selector.batch".into(), ..refused })?;
            Selector::Batch(batch.id())
        }
        Chosen::Lot { gtin, lot, serials, from_at, to_at } => {
            let gtin = Gtin::parse(gtin).map_err(|why| Refused::invalid("selector.gtin", why))?;
            let product = reference.product(caller.brand, gtin.as14());
            let product = product.ok_or(Refused::new(Refusal::UnknownProduct, "selector.gtin"))?.id;
            let lot = required(lot, LABEL_CHARS_MAX)
                .map_err(|why| Refused::invalid("selector.lot", why))?;
            let serials = serials.as_ref().map(stretch_of).transpose()?;
            if from_at.zip(*to_at).is_some_and(|(from, to)| to < from) {
                return Err(
                    Refused::invalid("selector.produced_to", "lies before the beginning").into()
                );
            }
            let stretch = Stretch { serials, from_at: *from_at, to_at: *to_at };
            Selector::Lot { product, lot, stretch }
        }
        Chosen::Units(names) => {
            count("selector.units", names.len(), UNITS_MAX)?;
            let mut numbers = BTreeSet::new();
            for name in names {
                let number = find::subject(house, caller.brand, name, "selector.units").await?;
                let unit = house.store.unit_fetch(number).await?;
                if unit.is_none_or(|unit| unit.brand != caller.brand.0) {
                    return Err(Refused::new(Refusal::UnknownSubject, "selector.units").into());
                }
                numbers.insert(number);
            }
            Selector::Units(numbers.into_iter().collect())
        }
        Chosen::Parts(serials) => {
            count("selector.parts", serials.len(), PARTS_MAX)?;
            let read = |raw: &String| part("selector.parts", raw).map(|one| one.value().to_owned());
            let serials: BTreeSet<_> = serials.iter().map(read).collect::<Result<_, _>>()?;
            Selector::Parts(serials.into_iter().collect())
        }
        Chosen::PartLot(prefix) => {
            let field = "selector.part_prefix";
            let prefix = part(field, prefix)?.value().to_owned();
            if prefix.len() < PART_PREFIX_CHARS_MIN {
                let why = format!("at least {PART_PREFIX_CHARS_MIN} characters");
                return Err(Refused::invalid(field, why).into());
            }
            Selector::PartLot(prefix)
        }
    })
}

fn part(field: &'static str, raw: &str) -> Result<Identifier, Refused> {
    Identifier::parse(Scheme::Part, raw).map_err(|why| Refused::invalid(field, why))
}

fn stretch_of((first, last): &(String, String)) -> Result<(String, String), Refused> {
    let read = |field: &'static str, raw: &str| {
        let read = Identifier::parse(Scheme::Sn, raw).map(|sn| sn.value().to_owned());
        read.map_err(|why| Refused::invalid(field, why))
    };
    let (first, last) = (read("selector.sn_first", first)?, read("selector.sn_last", last)?);
    if first.len() != last.len() || last < first {
        let why = "must be as long as sn_first and not come before it";
        return Err(Refused::invalid("selector.sn_last", why));
    }
    Ok((first, last))
}

/// What a selector is, in words for the audit trail.
pub(super) fn selector_words(selector: &SelectorRecord) -> String {
    match selector {
        SelectorRecord::Batch { batch } => format!("batch {batch}"),
        SelectorRecord::Lot { product, lot, sn_first, sn_last, from_at, to_at } => {
            let end = |text: &Option<String>| text.clone().unwrap_or_default();
            let at = |at: &Option<i64>| at.map(|at| instant(at).to_string()).unwrap_or_default();
            let mut words = format!("lot {lot} of product {product}");
            if sn_first.is_some() {
                words += &format!(", {} to {}", end(sn_first), end(sn_last));
            }
            if from_at.is_some() || to_at.is_some() {
                words += &format!(", made {} to {}", at(from_at), at(to_at));
            }
            words
        }
        SelectorRecord::Units { numbers } => format!("{} units", numbers.len()),
        SelectorRecord::Parts { serials } => format!("{} parts", serials.len()),
        SelectorRecord::PartLot { prefix } => format!("parts {prefix}…"),
    }
}

/// The recalls of the caller's brand, in the order they were opened.
///
/// # Errors
/// [`Refusal::NotAllowed`]: only the brand lists them.
pub fn list<'a>(
    reference: &'a Reference,
    caller: &Caller,
) -> Result<Vec<&'a Arc<Recall>>, Refused> {
    caller.need(Scope::Read)?;
    brand_only(reference, caller)?;
    Ok(reference.recalls(caller.brand).collect())
}

/// A recall of the caller's brand, to be looked at.
///
/// # Errors
/// [`Refusal::NotAllowed`]; [`Refusal::UnknownRecall`].
pub fn show(reference: &Reference, caller: &Caller, id: i64) -> Result<Arc<Recall>, Refused> {
    caller.need(Scope::Read)?;
    own(reference, caller, id)
}

/// A recall of the caller's brand.
///
/// # Errors
/// [`Refusal::UnknownRecall`]; the caller is not the brand.
fn own(reference: &Reference, caller: &Caller, id: i64) -> Result<Arc<Recall>, Refused> {
    brand_only(reference, caller)?;
    let found = reference.recall(id).filter(|recall| recall.row.brand == caller.brand.0);
    found.cloned().ok_or_else(|| Refused::because(Refusal::UnknownRecall, "id", id))
}

fn note_text(raw: &str) -> Result<String, Refused> {
    lasting(raw, NOTE_CHARS_MAX).map_err(|why| Refused::invalid("note", why))
}

/// Ends a recall: the work is done, or it was a mistake and says nothing more.
///
/// # Errors
/// [`Refusal::RecallOver`] when it was ended before; the caller is not the brand.
pub async fn close(
    house: &House,
    caller: &Caller,
    id: i64,
    withdrawn: bool,
    note: &str,
) -> Result<Arc<Recall>, FlowError> {
    caller.need(Scope::Lifecycle)?;
    let note = note_text(note)?;
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let recall = own(&reference, caller, id)?;
        if recall.row.standing() != RecallState::Open {
            return Err(Refused::new(Refusal::RecallOver, "id").into());
        }
        let state = if withdrawn { RecallState::Withdrawn } else { RecallState::Closed };
        let row = RecallRow {
            state: state.as_str().to_owned(),
            closed_at: Some(house.clock.now().as_microsecond()),
            closing: note.clone(),
            ..recall.row.clone()
        };
        if put(house, caller, &reference, row.clone()).await? {
            return Ok(Arc::new(Recall::new(row)));
        }
    }
    Err(FlowError::Busy)
}

/// Records that units got what the recall asks for; all or none. Those remedied before stay as
/// they are. Returns how many are new.
///
/// # Errors
/// A unit is unknown or not selected; the recall was withdrawn; the caller is not the brand.
pub async fn remedy(
    house: &House,
    caller: &Caller,
    id: i64,
    names: &[String],
    note: &str,
) -> Result<usize, FlowError> {
    caller.need(Scope::Lifecycle)?;
    let note = note_text(note)?;
    if names.is_empty() || names.len() > UNITS_MAX {
        return Err(Refused::invalid("units", format!("name 1 to {UNITS_MAX} units")).into());
    }
    let reference = house.reference_now().await?;
    let recall = own(&reference, caller, id)?;
    if !recall.row.standing().stands() {
        return Err(Refused::new(Refusal::RecallOver, "id").into());
    }
    let mut numbers = BTreeSet::new();
    for name in names {
        numbers.insert(find::subject(house, caller.brand, name, "units").await?);
    }
    for _ in 0..RACES_MAX {
        let mut units = Vec::with_capacity(numbers.len());
        for number in &numbers {
            let unit = house.store.unit_fetch(*number).await?;
            let unit = unit.filter(|unit| unit.brand == caller.brand.0);
            let unit = unit.ok_or(Refused::new(Refusal::UnknownSubject, "units"))?;
            let done = house.store.remedies_of(*number).await?;
            if done.iter().any(|(of, _)| *of == id) {
                continue;
            }
            if !selects(&recall, &unit) {
                return Err(Refused::new(Refusal::OutsideRecall, "units").into());
            }
            units.push(unit);
        }
        let Some(first) = units.first() else { return Ok(0) };
        let body = Body::RecallRemedied { note: note.clone(), recall: id };
        let after = units.iter().map(|unit| unit.recorded_at).max().unwrap_or(0);
        let mut draft = EventDraft::about(caller, first.number, house.clock.now(), after, body);
        if units.len() > 1 {
            let row = |u: &UnitRecord| Subject { number: u.number, row: Row::Member {} };
            draft.subjects = units.iter().map(row).collect();
        }
        let relied = |u: &UnitRecord| Relied::Unit { number: u.number, revision: u.revision };
        let commit = Commit {
            relies_on: units.iter().map(relied).collect(),
            events: vec![house.event(draft)],
            ..Commit::default()
        };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(units.len()),
        }
    }
    Err(FlowError::Busy)
}
