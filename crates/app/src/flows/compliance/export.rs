//! Trace data of units written out for an authority or an auditor: the data set a code must resolve
//! to, with the hands a unit went through, and nothing of a person.
//!
//! Units come in the order of their numbers, so that parts follow each other without a gap or a
//! row twice, whatever is recorded meanwhile. `as_of` is fixed with the first part and stands in
//! every cursor: units made after it and movements recorded after it are left out. What a unit *is*
//! (its state, its looks) is told as it is when its row is written.

use crate::files::csv_line;
use crate::flows::caller::Caller;
use crate::flows::compliance::is_coded;
use crate::flows::compliance::oversight::{Remit, admit_export};
use crate::flows::compliance::trace::{self, PAGE, Walk};
use crate::flows::compliance::trace_clock;
use crate::flows::custody::{instant, is_origin};
use crate::flows::find::unit_number;
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::reference::{Recall, Reference};
use crate::flows::{audit, recalls, verify};
use domain::audit::SensitiveRead;
use domain::certification::CertificateStatus;
use domain::custody::{CustodyFacts, Hold};
use domain::id::{ProductId, SiteId};
use domain::party::PartyKind;
use domain::product::Product;
use domain::refusal::Refused;
use domain::verdict::{CodeReading, UnitFacts, Verdict, VerdictFacts, decide};
use domain::warranty::WarrantyReading;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use store::canonical::hex;
use store::event::{Body, Event};
use store::unit::UnitRecord;
use tokio::sync::OwnedSemaphorePermit;

/// Names the columns and their meaning; other columns get another name.
pub const SCHEMA: &str = "dossier.trace.v1";
/// Rows of one part.
pub const ROWS_MAX: usize = 100_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Words.
    Text,
    /// A count.
    Count,
    /// A civil date in the brand's zone.
    Day,
    /// An instant, UTC.
    At,
}

/// A column: its name, what it holds, whether consumers see it too, and what it means.
pub type Column = (&'static str, Holds, bool, &'static str);

/// Every column, in order.
pub const COLUMNS: &[Column] = &[
    ("code", Holds::Text, true, "trace code, 13 characters"),
    ("code_system", Holds::Text, true, "system of the code"),
    (
        "code_status",
        Holds::Text,
        true,
        "recalled, stolen or retired, the first that holds; else valid",
    ),
    ("coded", Holds::Text, false, "yes when the code was printed or written out to be printed"),
    ("first_scanned_at", Holds::At, true, "first look by a consumer"),
    ("scan_count", Holds::Count, true, "looks by consumers"),
    ("gtin", Holds::Text, true, "GTIN, 14 digits"),
    ("category", Holds::Text, true, "product category"),
    ("name", Holds::Text, true, "product name"),
    ("model", Holds::Text, true, "model designation"),
    ("spec", Holds::Text, true, "specification"),
    ("picture", Holds::Text, true, "address of a picture"),
    ("standards", Holds::Text, true, "standards executed, joined with |"),
    ("test_report", Holds::Text, true, "reference of the test report"),
    ("maker", Holds::Text, true, "maker"),
    ("contract_maker", Holds::Text, true, "contract maker, when another"),
    ("ccc_certificate", Holds::Text, true, "number of the CCC certificate"),
    ("licence", Holds::Text, true, "number of the production licence"),
    ("certificate_status", Holds::Text, true, "valid, suspended or withdrawn"),
    ("certificate_body", Holds::Text, true, "certification body"),
    ("certificate_to_on", Holds::Day, true, "last day of the certificate"),
    ("produced_on", Holds::Day, true, "day of production"),
    ("lot", Holds::Text, true, "production lot"),
    ("plant", Holds::Text, false, "code of the production site"),
    ("line", Holds::Text, false, "production line"),
    ("ex_factory_at", Holds::At, false, "when it first left the maker's hands"),
    ("tier1", Holds::Text, false, "code of the first tier-1 party it went to"),
    ("tier1_at", Holds::At, false, "when"),
    ("tier2", Holds::Text, false, "code of the first tier-2 party it went to"),
    ("tier2_at", Holds::At, false, "when"),
    ("shop", Holds::Text, false, "code of the first shop it went to"),
    ("shop_at", Holds::At, false, "when"),
    ("warranty_ends_on", Holds::Day, true, "last day of the guarantee, where it is known"),
    ("recall_state", Holds::Text, true, "none, recalled or remedied"),
    ("recall", Holds::Text, true, "title of the recall"),
    ("keep_until", Holds::Day, false, "last day on which trace data must be kept, where known"),
];

/// The form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated; the column names come first.
    Csv,
    /// One JSON object on each line.
    Ndjson,
}

impl Format {
    /// The word in API, CLI and manifests, which is also how a file's name ends.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Csv, Self::Ndjson].into_iter().find(|format| format.as_str() == word)
    }
}

/// Where an export has got to: as of when, and behind which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Fixed with the first part.
    pub as_of: Timestamp,
    /// The unit number of the last row.
    pub beyond: i64,
}

impl Cursor {
    /// As text.
    pub fn text(&self) -> String {
        format!("{:x}-{:x}", self.as_of.as_microsecond(), self.beyond)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let read = || {
            let (as_of, beyond) = text.split_once('-')?;
            let number = |digits: &str| i64::from_str_radix(digits, 16).ok().filter(|n| *n >= 0);
            let as_of = Timestamp::from_microsecond(number(as_of)?).ok()?;
            Some(Self { as_of, beyond: number(beyond)? })
        };
        read().ok_or_else(|| Refused::invalid("after", "take it from the part before"))
    }
}

/// An instant behind all that this process recorded: record times may run ahead of the clock.
pub(in crate::flows) fn as_of_now(house: &House) -> Timestamp {
    instant(house.record_time(0))
}

/// The columns as a JSON Schema of one row.
pub fn schema() -> Value {
    let property = |(name, holds, public, about): &Column| {
        let kind = match holds {
            Holds::Count => json!({"type": "integer", "minimum": 0}),
            Holds::Text => json!({"type": ["string", "null"]}),
            Holds::Day => json!({"type": ["string", "null"], "format": "date"}),
            Holds::At => json!({"type": ["string", "null"], "format": "date-time"}),
        };
        let mut kind = kind;
        kind["description"] = json!(about);
        kind["x-consumer-visible"] = json!(public);
        ((*name).to_owned(), kind)
    };
    let properties: Map<String, Value> = COLUMNS.iter().map(property).collect();
    let names: Vec<_> = COLUMNS.iter().map(|column| column.0).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Trace data of one unit",
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

/// The first line of a CSV file.
pub fn csv_header() -> String {
    csv_line(COLUMNS.iter().map(|column| column.0))
}

/// How a part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Rows.
    pub count: u64,
    /// SHA-256 over the row lines, hex.
    pub sha256: String,
    /// Where the next part begins; nothing at the end.
    pub next: Option<Cursor>,
}

/// A part of an export being written: rows come a page at a time.
pub struct Part {
    house: Arc<House>,
    reference: Arc<Reference>,
    remit: Remit,
    format: Format,
    walk: Walk,
    cursor: Cursor,
    /// Rows made and not yet given.
    waiting: VecDeque<(i64, String)>,
    left: usize,
    count: u64,
    digest: Sha256,
    /// Everything there is was given.
    ended: bool,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Part {
    /// Begins a part of at most so many rows, behind a cursor or at the beginning. A record tells
    /// who wrote it out.
    ///
    /// # Errors
    /// The caller may not; the limit is out of range.
    pub async fn begin(
        house: &Arc<House>,
        caller: &Caller,
        format: Format,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Self, FlowError> {
        let reference = house.reference_now().await?;
        let remit = admit_export(&reference, caller)?;
        if !(1..=ROWS_MAX).contains(&limit) {
            return Err(Refused::invalid("limit", format!("must be 1 to {ROWS_MAX}")).into());
        }
        let cursor = after.unwrap_or_else(|| Cursor { as_of: as_of_now(house), beyond: 0 });
        let turn = house.walks.take(caller).await;
        let object = format!("{SCHEMA} {} as of {}", format.as_str(), cursor.as_of);
        audit::note(house, &caller.into(), SensitiveRead::Export, &object, limit);
        Ok(Self {
            house: Arc::clone(house),
            reference,
            remit,
            format,
            walk: Walk::brand(caller.brand.0, cursor.beyond),
            cursor,
            waiting: VecDeque::new(),
            left: limit,
            count: 0,
            digest: Sha256::new(),
            ended: false,
            _turn: turn,
        })
    }

    /// As of when.
    pub fn as_of(&self) -> Timestamp {
        self.cursor.as_of
    }

    /// The next rows as text; nothing at the end of the part.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn next_rows(&mut self) -> Result<Option<String>, FlowError> {
        if self.left == 0 {
            // Whether another part follows is known only when there is a row for it.
            self.fill().await?;
            return Ok(None);
        }
        self.fill().await?;
        let most = self.left.min(self.waiting.len());
        if most == 0 {
            return Ok(None);
        }
        let mut text = String::new();
        for (number, row) in self.waiting.drain(..most) {
            text += &row;
            self.cursor.beyond = number;
        }
        self.left -= most;
        self.count += most as u64;
        self.digest.update(text.as_bytes());
        Ok(Some(text))
    }

    /// How the part ended; called when there are no more rows.
    pub fn tail(self) -> Tail {
        let more = !(self.ended && self.waiting.is_empty());
        Tail {
            count: self.count,
            sha256: hex(&self.digest.finalize()),
            next: more.then_some(self.cursor),
        }
    }

    /// Makes rows until some wait or there are no more units.
    async fn fill(&mut self) -> Result<(), FlowError> {
        while self.waiting.is_empty() && !self.ended {
            let page = self.walk.next_page(&self.house, PAGE).await?;
            if page.is_empty() {
                self.ended = true;
                return Ok(());
            }
            let rows = self.rows(page).await?;
            self.waiting.extend(rows);
        }
        Ok(())
    }

    async fn rows(&self, page: Vec<UnitRecord>) -> Result<Vec<(i64, String)>, FlowError> {
        let (house, reference) = (&*self.house, &*self.reference);
        let product = |unit: &UnitRecord| reference.product_by_id(ProductId(unit.product));
        let mut seen = Vec::with_capacity(page.len());
        for unit in page {
            let shown = product(&unit).is_some_and(|p| self.remit.has_unit(reference, p, &unit));
            if shown && self.was_made(&unit).await? {
                seen.push(unit);
            }
        }
        let page = seen;
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            return Ok(Vec::new());
        };
        let custody = trace::custody(house, reference, &page).await?;
        let scans = house.store.scans_between(first.number, last.number).await?;
        let scans: HashMap<i64, (i64, i64)> =
            scans.into_iter().map(|(unit, count, at)| (unit, (count, at))).collect();
        let mut rows = Vec::with_capacity(page.len());
        for unit in &page {
            let Some(product) = product(unit) else { continue };
            let over = recalls::selecting(reference, unit);
            let standing = match over.is_empty() {
                true => None,
                false => recalls::standing(house, reference, unit).await?,
            };
            let known = Known {
                unit,
                product,
                custody: &custody,
                scans: scans.get(&unit.number).copied(),
                over: over.first().map(|recall| &***recall),
                standing: standing.as_deref(),
            };
            rows.push((unit.number, line(self.format, &self.cells(&known))));
        }
        Ok(rows)
    }

    /// Whether the production record of a unit was there at `as_of`. Only what was touched since is
    /// looked at closely.
    async fn was_made(&self, unit: &UnitRecord) -> Result<bool, FlowError> {
        let as_of = self.cursor.as_of.as_microsecond();
        if unit.produced_at.is_none_or(|at| at > as_of) {
            return Ok(false);
        }
        if unit.recorded_at <= as_of {
            return Ok(true);
        }
        if unit.revision == 0 {
            return Ok(false);
        }
        let events = self.house.store.events_fetch(unit.number).await?;
        let born = |event: &Event| matches!(event.body, Body::Commissioned { .. });
        Ok(events.iter().any(|event| born(event) && event.recorded_at <= as_of))
    }

    /// The cells of a row, in the order of [`COLUMNS`].
    fn cells(&self, known: &Known<'_>) -> Vec<Option<String>> {
        let Known { unit, product, custody, scans, .. } = known;
        let (house, reference) = (&*self.house, &*self.reference);
        let day = |at: i64| reference.day(product.brand, instant(at)).to_string();
        let warranty = match verify::warranty(house, reference, unit, custody) {
            WarrantyReading::Known(coverage) => Some(coverage.ends_on.to_string()),
            WarrantyReading::Unknown(_) => None,
        };
        let recalled = known.standing.is_some() || unit.recalled_at.is_some();
        let clock = trace_clock::clock(house, reference, unit, custody, recalled);
        let coded = reference.batch_of(unit.number).is_some_and(is_coded);
        let site = unit.site.and_then(|id| reference.site_by_id(SiteId(id)));
        let code = house.ring().encode(unit_number(unit.number));
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let recall = known.standing.or(known.over);
        let state = match (recalled, known.over) {
            (true, _) => "recalled",
            (false, Some(_)) => "remedied",
            (false, None) => "none",
        };
        let mut cells = vec![
            text(code.as_str()),
            text("dossier"),
            text(status(unit, recalled)),
            text(if coded { "yes" } else { "no" }),
            scans.map(|(_, first)| instant(first).to_string()),
            Some(scans.map_or(0, |(count, _)| count).to_string()),
        ];
        cells.extend(product_cells(product));
        cells.extend([
            unit.produced_at.map(day),
            unit.lot.as_deref().and_then(text),
            site.and_then(|site| text(&site.code)),
            unit.line.as_deref().and_then(text),
        ]);
        cells.extend(self.flow_cells(unit, custody));
        cells.extend([
            warranty,
            text(state),
            recall.and_then(|recall| text(&recall.row.title_zh)),
            clock.keep_until.map(|day| day.to_string()),
        ]);
        cells
    }

    /// When it left, and the first of each tier it went to, by what was recorded by `as_of`.
    fn flow_cells(&self, unit: &UnitRecord, custody: &CustodyFacts) -> Vec<Option<String>> {
        let reference = &*self.reference;
        let as_of = self.cursor.as_of;
        let mut chain = custody.standing(unit_number(unit.number), as_of);
        chain.retain(|hold| hold.at <= as_of);
        let origin = is_origin(reference);
        let left = chain.iter().find(|hold| !origin(hold.party)).map(|h| h.at.to_string());
        let first = |kind: PartyKind| {
            let of = |hold: &&&Hold| {
                reference.tree.get(hold.party).is_some_and(|party| party.kind == kind)
            };
            let hold = chain.iter().find(of);
            let code = hold.and_then(|hold| reference.tree.get(hold.party)).map(|p| p.code.clone());
            [code, hold.map(|hold| hold.at.to_string())]
        };
        let mut cells = vec![left];
        for kind in [PartyKind::Tier1, PartyKind::Tier2, PartyKind::Shop] {
            cells.extend(first(kind));
        }
        cells
    }
}

/// What a row is made from.
struct Known<'a> {
    unit: &'a UnitRecord,
    product: &'a Product,
    custody: &'a CustodyFacts,
    /// How often consumers looked, and when first.
    scans: Option<(i64, i64)>,
    /// A recall that selects it, remedied or not.
    over: Option<&'a Recall>,
    /// The recall it stands under.
    standing: Option<&'a Recall>,
}

/// The word for a unit that was made, by the same precedence as its verdict.
fn status(unit: &UnitRecord, recalled: bool) -> &'static str {
    let facts = UnitFacts {
        commissioned: true,
        recalled,
        stolen: unit.stolen_at.is_some(),
        decommissioned: unit.retired_at.is_some(),
        ..UnitFacts::default()
    };
    let code = CodeReading::Issued;
    let facts = VerdictFacts { code, store_available: true, unit: Some(facts) };
    match decide(&facts).verdict {
        told @ (Verdict::Recalled | Verdict::Stolen | Verdict::Retired) => told.as_str(),
        _ => "valid",
    }
}

/// From `gtin` to `certificate_to_on`.
fn product_cells(product: &Product) -> Vec<Option<String>> {
    let papers = &product.certification;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    vec![
        text(&product.gtin),
        text(product.category.as_str()),
        text(&product.name_zh),
        text(&product.model),
        text(&product.spec),
        text(&product.picture),
        text(&product.standards.join("|")),
        text(&papers.test_report),
        text(&product.maker),
        text(&product.contract_maker),
        text(&product.ccc_certificate),
        text(&papers.licence),
        papers.status.map(CertificateStatus::as_str).and_then(text),
        text(&papers.body),
        papers.to_on.map(|day| day.to_string()),
    ]
}

fn line(format: Format, cells: &[Option<String>]) -> String {
    match format {
        Format::Ndjson => {
            let value = |(column, cell): (&Column, &Option<String>)| {
                let value = match (column.1, cell) {
                    (_, None) => Value::Null,
                    (Holds::Count, Some(digits)) => json!(digits.parse::<i64>().unwrap_or(0)),
                    (_, Some(text)) => json!(text),
                };
                format!("{}:{value}", json!(column.0))
            };
            let members: Vec<_> = COLUMNS.iter().zip(cells).map(value).collect();
            format!("{{{}}}\n", members.join(","))
        }
        Format::Csv => csv_line(cells.iter().map(|cell| cell.as_deref().unwrap_or_default())),
    }
}
