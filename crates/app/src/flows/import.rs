//! Importing a table of rows, whatever it came from: good rows are kept, the others refused one by
//! one with every reason. Memory stays constant: rows are read, judged and forgotten in chunks that
//! are bounded by their rows and by their text. While a chunk waits to be durable the next one is
//! read.

use super::caller::Caller;
use super::house::House;
use super::masterdata::{self, Taking};
use super::outcome::{FlowError, RowOutcome};
use super::ship::Way;
use super::{pack, produce, ship, sites, territories};
use crate::files::{
    Draft, FileError, Kind, PackDraft, RawRow, Rows, Table, parse_row, problem_bytes,
};
use domain::id::{BrandId, PartyId};
use domain::refusal::{Refusal, Refused};
use futures_util::future::join;
use jiff::tz::TimeZone;

/// Rows handed to a flow at a time.
const CHUNK_ROWS: usize = 2_000;
/// Bytes of rows after which a chunk ends, however few they are: 8 MiB, and the row that is over.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;
/// Rows of products, parties, sites and territories: they are judged together, so they are bounded.
pub const REFERENCE_ROWS_MAX: usize = 100_000;
/// Bytes of rows that are judged together, master data or all or nothing: 64 MiB, of which several
/// copies are held meanwhile.
pub const TOGETHER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Rows of packs that are kept back until the file is read, since a later row may open the pack
/// that they name; more are refused at once.
const WAITING_MAX: usize = 20_000;
/// Bytes of such rows: 16 MiB, many times what rows of packs are.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much is read before it is judged.
#[derive(Clone, Copy)]
struct Bounds {
    rows: usize,
    bytes: usize,
}

const IN_CHUNKS: Bounds = Bounds { rows: CHUNK_ROWS, bytes: CHUNK_BYTES };
const TOGETHER: Bounds = Bounds { rows: REFERENCE_ROWS_MAX, bytes: TOGETHER_BYTES_MAX };

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A flow could not go on.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// Too many rows of a kind that is judged together.
    #[error("at most {REFERENCE_ROWS_MAX} rows of this kind in one file; split it")]
    TooManyRows,
}

/// How an import went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows recorded.
    pub taken: u64,
    /// Rows that were recorded before.
    pub unchanged: u64,
    /// Rows refused.
    pub refused: u64,
    /// Good rows that were not recorded because of a refused one: all or nothing was asked.
    pub not_recorded: u64,
}

impl ImportReport {
    /// All rows looked at.
    pub fn rows(&self) -> u64 {
        self.taken + self.unchanged + self.refused + self.not_recorded
    }

    /// Counts a row.
    pub fn count(&mut self, outcome: &RowOutcome) {
        match outcome {
            RowOutcome::Taken => self.taken += 1,
            RowOutcome::Unchanged => self.unchanged += 1,
            RowOutcome::Refused(_) => self.refused += 1,
            RowOutcome::NotRecorded => self.not_recorded += 1,
        }
    }
}

/// Who imports: a caller, or the operator in the tenant of that code (or the only one).
#[derive(Clone, Copy, Debug)]
pub enum Importer<'a> {
    /// Somebody with a key.
    Caller(&'a Caller),
    /// The command line.
    Operator(Option<&'a str>),
}

/// Sees every row with its outcome, in order; rows of packs that waited for a pack come last.
pub type OnRow<'a> = &'a mut (dyn FnMut(&RawRow, &RowOutcome) + Send);

/// The operator acting for a brand.
///
/// # Errors
/// [`Refusal::NoBrand`] when there is none; a refusal when there are several and none was chosen.
pub async fn operator(house: &House, chosen: Option<&str>) -> Result<Caller, FlowError> {
    let reference = house.reference_now().await?;
    let brand = match chosen {
        Some(code) => reference.brand_by_code(code),
        None => reference.sole_brand(),
    };
    let Some(brand) = brand else {
        if chosen.is_none() && !reference.brands.is_empty() {
            let several = "there are several brands; say --brand CODE";
            return Err(Refused::invalid("brand", several).into());
        }
        return Err(Refusal::NoBrand.into());
    };
    let party = reference.root(brand).map_or(PartyId(0), |p| p.id);
    Ok(Caller::operator(brand, party))
}

/// Imports a table.
///
/// # Errors
/// The file breaks off: rows before that are judged and told all the same, unless all or nothing
/// was asked. Or the store does not answer. Rows seen by `on_row` are decided.
pub async fn import(
    house: &House,
    importer: Importer<'_>,
    table: &mut Table,
    taking: Taking,
    on_row: OnRow<'_>,
) -> Result<ImportReport, ImportError> {
    let kind = table.kind();
    let together = matches!(kind, Kind::Products | Kind::Parties | Kind::Sites | Kind::Territories);
    let caller = match (importer, kind) {
        (Importer::Caller(caller), _) => caller.clone(),
        // Parties may claim an empty store: who imports them is known once they are read.
        (Importer::Operator(_), Kind::Parties) => Caller::operator(BrandId(0), PartyId(0)),
        (Importer::Operator(brand), _) => operator(house, brand).await?,
    };
    let zone = house.reference().await?.zone(caller.brand).clone();
    let mut report = ImportReport::default();
    let mut judging = Judging::new(house, importer, caller, taking);
    let at_once = together || taking.all_or_nothing;
    let bounds = if at_once { TOGETHER } else { IN_CHUNKS };
    let mut rows = table.rows();
    let mut chunk = Chunk::read(&mut rows, bounds, &zone);
    if at_once {
        chunk.is_all_of(&mut rows, bounds)?;
    }
    let read = loop {
        let mut failed = chunk.failed.take();
        if let Some(error) = failed.take_if(|_| taking.all_or_nothing || chunk.rows.is_empty()) {
            let judged = judging.judge_what_waited(&mut report, on_row).await;
            break judged.and(Err(error.into()));
        }
        let is_last = chunk.is_last;
        let judged = judging.judge(kind, chunk, &mut report, on_row);
        let reading = async { (!is_last).then(|| Chunk::read(&mut rows, bounds, &zone)) };
        let (judged, next) = join(judged, reading).await;
        match (judged, next, failed) {
            // What the readable rows lack may stand behind the one that is broken.
            (Err(ImportError::Flow(FlowError::Refused(_))), _, Some(error)) => {
                break Err(error.into());
            }
            (Err(error), ..) => break Err(error),
            (Ok(()), Some(read), _) => chunk = read,
            (Ok(()), None, failed) => {
                let judged = judging.judge_what_waited(&mut report, on_row).await;
                break judged.and(failed.map_or(Ok(()), |error| Err(error.into())));
            }
        }
    };
    for (row, _, outcome) in judging.waiting {
        report.count(&outcome);
        on_row(&row, &outcome);
    }
    read.map(|()| report)
}

/// Rows read together.
#[derive(Default)]
struct Chunk {
    rows: Vec<RawRow>,
    /// What each says, or why it says nothing.
    parsed: Vec<Result<Draft, Vec<Refused>>>,
    /// What they hold, in bytes.
    bytes: usize,
    /// Whether there are no more.
    is_last: bool,
    /// Why not, where the file did not simply end.
    failed: Option<FileError>,
}

impl Chunk {
    fn read(rows: &mut Rows<'_>, bounds: Bounds, zone: &TimeZone) -> Self {
        let mut chunk = Self::default();
        while chunk.rows.len() < bounds.rows && chunk.bytes <= bounds.bytes && !chunk.is_last {
            match rows.next() {
                Some(Ok(row)) => {
                    let parsed = parse_row(&row, zone);
                    // A row of short cells may have long problems.
                    let problems = parsed.as_ref().err().map_or(0, |why| problem_bytes(why));
                    chunk.bytes += row.bytes() + problems;
                    chunk.parsed.push(parsed);
                    chunk.rows.push(row);
                }
                Some(Err(error)) => (chunk.failed, chunk.is_last) = (Some(error), true),
                None => chunk.is_last = true,
            }
        }
        chunk
    }

    /// Makes sure of rows that are judged together that these are all.
    fn is_all_of(&mut self, rows: &mut Rows<'_>, bounds: Bounds) -> Result<(), ImportError> {
        if self.bytes > bounds.bytes {
            return Err(FileError::TooMuchText { max: bounds.bytes }.into());
        }
        if !self.is_last {
            match rows.next() {
                Some(Ok(_)) => return Err(ImportError::TooManyRows),
                Some(Err(error)) => self.failed = Some(error),
                None => {}
            }
            self.is_last = true;
        }
        Ok(())
    }
}

struct Judging<'a> {
    house: &'a House,
    importer: Importer<'a>,
    caller: Caller,
    taking: Taking,
    /// Rows that wait for a pack which a later one may open: no more than so many.
    waiting: Vec<(RawRow, PackDraft, RowOutcome)>,
    /// What they hold, in bytes.
    waiting_bytes: usize,
}

impl<'a> Judging<'a> {
    fn new(house: &'a House, importer: Importer<'a>, caller: Caller, taking: Taking) -> Self {
        Self { house, importer, caller, taking, waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Judges the rows of a chunk.
    async fn judge(
        &mut self,
        kind: Kind,
        chunk: Chunk,
        report: &mut ImportReport,
        on_row: OnRow<'_>,
    ) -> Result<(), ImportError> {
        let Chunk { rows, parsed, .. } = chunk;
        let mut outcomes: Vec<Option<RowOutcome>> = Vec::with_capacity(rows.len());
        let mut drafts = Vec::with_capacity(rows.len());
        let may_wait = kind == Kind::Packs && !self.taking.all_or_nothing;
        let mut packs = Vec::new();
        for row in parsed {
            if may_wait {
                packs.push(match &row {
                    Ok(Draft::Pack(draft)) => Some(draft.clone()),
                    Ok(_) | Err(_) => None,
                });
            }
            match row {
                Ok(draft) => {
                    drafts.push(draft);
                    outcomes.push(None);
                }
                Err(refused) => outcomes.push(Some(RowOutcome::Refused(refused))),
            }
        }
        let broken = outcomes.iter().any(Option::is_some);
        let judged = if self.taking.all_or_nothing && broken {
            vec![RowOutcome::NotRecorded; drafts.len()]
        } else {
            self.take(kind, drafts).await?
        };
        let mut judged = judged.into_iter();
        let mut outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|o| o.or_else(|| judged.next()).unwrap_or(RowOutcome::NotRecorded))
            .collect();
        if self.taking.all_or_nothing {
            RowOutcome::all_or_nothing(&mut outcomes);
        }
        let packs = packs.into_iter().chain(std::iter::repeat(None));
        for ((row, outcome), draft) in rows.into_iter().zip(outcomes).zip(packs) {
            self.tell((row, draft), outcome, report, on_row);
        }
        Ok(())
    }

    /// Tells what became of a row; one that may be taken once others are is kept back.
    fn tell(
        &mut self,
        (row, draft): (RawRow, Option<PackDraft>),
        outcome: RowOutcome,
        report: &mut ImportReport,
        on_row: OnRow<'_>,
    ) {
        let room = self.waiting.len() < WAITING_MAX && self.waiting_bytes < WAITING_BYTES_MAX;
        match draft.filter(|draft| room && pack::waits(draft, &outcome)) {
            Some(draft) => {
                self.waiting_bytes += row.bytes();
                self.waiting.push((row, draft, outcome));
            }
            None => {
                report.count(&outcome);
                on_row(&row, &outcome);
            }
        }
    }

    /// Judges what waits for packs once more, as long as some of it is taken: packs may stand in
    /// packs, and the outermost may come first.
    async fn judge_what_waited(
        &mut self,
        report: &mut ImportReport,
        on_row: OnRow<'_>,
    ) -> Result<(), ImportError> {
        let mut taken = None;
        while taken != Some(report.taken) {
            taken = Some(report.taken);
            let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
            self.waiting_bytes = 0;
            while waiting.peek().is_some() {
                let some: Vec<_> = waiting.by_ref().take(CHUNK_ROWS).collect();
                let drafts: Vec<_> = some.iter().map(|(_, draft, _)| draft.clone()).collect();
                let judged = pack::pack(self.house, &self.caller, &drafts, self.taking).await;
                let judged = match judged {
                    Ok(judged) => judged,
                    Err(error) => {
                        // What nobody came to is told as it was.
                        self.waiting.extend(some.into_iter().chain(waiting));
                        return Err(error.into());
                    }
                };
                for ((row, draft, _), outcome) in some.into_iter().zip(judged) {
                    self.tell((row, Some(draft)), outcome, report, on_row);
                }
            }
        }
        Ok(())
    }

    async fn take(&self, kind: Kind, drafts: Vec<Draft>) -> Result<Vec<RowOutcome>, FlowError> {
        macro_rules! of {
            ($variant:ident) => {
                drafts
                    .into_iter()
                    .filter_map(|d| if let Draft::$variant(d) = d { Some(d) } else { None })
                    .collect::<Vec<_>>()
            };
        }
        let (house, taking) = (self.house, self.taking);
        match kind {
            Kind::Products => {
                masterdata::products(house, &self.caller, &of!(Product), taking).await
            }
            Kind::Parties => match self.importer {
                Importer::Operator(chosen) => {
                    masterdata::operators_parties(house, &of!(Party), chosen, taking).await
                }
                Importer::Caller(caller) => {
                    masterdata::parties(house, caller, &of!(Party), taking).await
                }
            },
            Kind::Sites => sites::sites(house, &self.caller, &of!(Site), taking).await,
            Kind::Territories => {
                territories::territories(house, &self.caller, &of!(Territory), taking).await
            }
            Kind::Production => {
                produce::commission(house, &self.caller, &of!(Production), taking).await
            }
            Kind::Packs => pack::pack(house, &self.caller, &of!(Pack), taking).await,
            Kind::Shipments => {
                let drafts: Vec<_> = of!(Shipment);
                ship::ship(house, &self.caller, &drafts, Way::Forward, taking).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Format;
    use std::io::Cursor;

    /// A sound row of 31 bytes.
    const ROW: &str = "069291417000000003,CY1,2026-05-21,\n";

    fn packs(rows: &str) -> Table {
        let text = format!("sscc,child,packed_at,note\n{rows}");
        let input = Box::new(Cursor::new(text.into_bytes()));
        Table::from_reader(Kind::Packs, Format::Csv, input).unwrap()
    }

    #[test]
    fn a_chunk_ends_by_its_rows_or_by_its_bytes() {
        let noted = ROW.replace('\n', &format!("{}\n", "x".repeat(1_000)));
        for (text, rows, bytes, expected) in [
            (ROW.repeat(7), 3, 10_000, vec![3, 3, 1]),
            (ROW.repeat(7), 100, 80, vec![3, 3, 1]),
            (ROW.repeat(7), 2, 80, vec![2, 2, 2, 1]),
            // Nobody reads the column, so nobody holds it.
            (noted.repeat(7), 100, 80, vec![3, 3, 1]),
            // What is wrong with a row is held as well.
            ("x,,\n".repeat(3), 100, 80, vec![1, 1, 1, 0]),
        ] {
            let mut table = packs(&text);
            let mut read = table.rows();
            let (mut found, mut is_last) = (Vec::new(), false);
            while !is_last {
                let chunk = Chunk::read(&mut read, Bounds { rows, bytes }, &TimeZone::UTC);
                is_last = chunk.is_last;
                found.push(chunk.rows.len());
            }
            assert_eq!(found, expected, "{rows} rows or {bytes} bytes of {text:.80}");
        }
    }

    #[test]
    fn what_is_judged_together_and_is_too_much_is_refused_by_the_bound() {
        let judged = |count: usize, bounds: Bounds| {
            let mut table = packs(&ROW.repeat(count));
            let mut rows = table.rows();
            let mut chunk = Chunk::read(&mut rows, bounds, &TimeZone::UTC);
            let all = chunk.is_all_of(&mut rows, bounds);
            all.map(|()| chunk.rows.len()).map_err(|error| error.to_string())
        };
        let bounds = Bounds { rows: 5, bytes: 200 };
        assert_eq!(judged(5, bounds), Ok(5));
        let many = judged(6, bounds).unwrap_err();
        assert!(many.contains("at most 100000 rows"), "{many}");
        let long = judged(5, Bounds { rows: 50, bytes: 100 }).unwrap_err();
        assert!(long.contains("at most 100 bytes") && long.contains("split the file"), "{long}");
    }
}
