//! Workbooks: the visible sheet that holds anything, cell by cell, after it was made sure that
//! unpacking them cannot fill the memory.
//!
//! Excel keeps numbers as doubles and shows 15 digits of them: an SSCC or EID typed as a number
//! has lost its end already, so a longer number is refused and not guessed.

use super::kind::Kind;
use super::row::{Header, RawRow};
use super::table::FileError;
use super::xml::Pieces;
use super::{
    CELL_BYTES_MAX, COLUMNS_MAX, ROW_BYTES_MAX, XLSX_EXPANDED_BYTES_MAX, XLSX_OTHER_BYTES_MAX,
    XLSX_SHARED_BYTES_MAX, XLSX_STYLES_BYTES_MAX,
};
use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxCellReader, XlsxError};
use csv::StringRecord;
use domain::refusal::Refused;
use std::borrow::Cow;
use std::io::{self, Read, Seek};
use std::sync::Arc;
use zip::ZipArchive;

/// Where a workbook's bytes are: a file or memory.
pub(super) trait Bytes: Read + Seek + Send {}
impl<T: Read + Seek + Send> Bytes for T {}

/// Numbers from here on have more than 15 digits.
const NUMBER_END: f64 = 1e15;

/// Most sheets that are looked into for rows: each is read to its first.
const SHEETS_MAX: usize = 32;
/// Why a formula names nothing.
const FORMULA: &str = "is a formula: put the value itself";
/// Why a formula without a result says nothing.
const UNCOMPUTED: &str = "is a formula that nobody computed: open and save the file, or put the \
                          value itself";

type Cells<'a> = XlsxCellReader<'a, Box<dyn Bytes>>;

/// An open workbook whose sheet begins with a good header.
pub(super) struct Workbook {
    book: Xlsx<Box<dyn Bytes>>,
    sheet: String,
    header: Arc<Header>,
    /// The header's row of the sheet, from 0.
    header_row: u32,
    /// The last row handed out.
    done: u32,
}

impl Workbook {
    /// Measures, opens, and reads the header: the first row with anything in it.
    pub(super) fn open(kind: Kind, mut bytes: Box<dyn Bytes>) -> Result<Self, FileError> {
        measure(&mut bytes)?;
        bytes.rewind()?;
        let mut book = Xlsx::new(bytes).map_err(unreadable)?;
        let seen = |sheet: &&calamine::Sheet| {
            sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet
        };
        let sheets = book.sheets_metadata().iter().filter(seen);
        let sheets: Vec<_> = sheets.map(|sheet| sheet.name.clone()).take(SHEETS_MAX + 1).collect();
        if sheets.len() > SHEETS_MAX {
            return Err(FileError::Xlsx(format!("it has more than {SHEETS_MAX} sheets")));
        }
        let mut filled = Vec::new();
        for sheet in sheets {
            if filled.len() > 1 {
                break;
            }
            let first = SheetCells::new(&mut book, &sheet)?.first_row()?;
            filled.extend(first.map(|(row, names)| (sheet, row, names)));
        }
        if filled.len() > 1 {
            // Rows of a sheet that is passed over in silence would be missed too late.
            let names = filled.iter().map(|(sheet, ..)| sheet.chars().take(32).collect());
            return Err(FileError::ManySheets(names.take(8).collect()));
        }
        let (sheet, header_row, names) = filled.pop().ok_or(FileError::Empty)?;
        let header = Arc::new(Header::read(kind, names)?);
        Ok(Self { book, sheet, header, header_row, done: header_row })
    }

    pub(super) fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// The rows below the last one handed out.
    pub(super) fn rows(&mut self) -> Result<SheetRows<'_>, FileError> {
        let cells = SheetCells::new(&mut self.book, &self.sheet)?;
        let (header, header_row, done) = (&self.header, self.header_row, &mut self.done);
        Ok(SheetRows { cells, header, header_row, done })
    }
}

/// Rows of the sheet as records.
pub(super) struct SheetRows<'a> {
    cells: SheetCells<'a>,
    header: &'a Arc<Header>,
    header_row: u32,
    done: &'a mut u32,
}

impl SheetRows<'_> {
    pub(super) fn next_row(&mut self) -> Result<Option<RawRow>, FileError> {
        while let Some((row, mut texts)) = self.cells.next_row()? {
            if row <= *self.done {
                continue;
            }
            *self.done = row;
            let mut faults = Vec::new();
            let mut cells = StringRecord::with_capacity(256, texts.len());
            // Formulas that were drawn down further, or beside the table, leave blank cells behind.
            while texts.len() > self.header.width() && texts.last().is_some_and(Content::is_blank) {
                texts.pop();
            }
            let missing = |content: &Content| content.formula == Some(Value::Missing);
            let is_blank = texts.iter().all(|content| content.is_blank() && !missing(content));
            for (at, content) in texts.into_iter().enumerate() {
                let blank = is_blank || content.is_blank();
                let text = match content.text {
                    Ok(_) if content.formula == Some(Value::Missing) => Err(UNCOMPUTED.into()),
                    Ok(_) if content.formula.is_some() && !blank && self.header.identifies(at) => {
                        Err(FORMULA.into())
                    }
                    text => text,
                };
                let text = text.unwrap_or_else(|reason| {
                    if let Some(field) = self.header.name_of(at) {
                        faults.push(Refused::invalid(field, reason));
                    }
                    String::new()
                });
                cells.push_field(&text);
            }
            let record = (row - self.header_row) as usize + 1;
            return Ok(Some(RawRow::new(record, self.header, cells, faults)));
        }
        Ok(None)
    }
}

/// A cell's text, or why it has none.
type Text = Result<String, Cow<'static, str>>;

/// What is in a cell.
#[derive(Clone)]
struct Content {
    text: Text,
    /// Where it was computed, what the file has of that: another program, or another day, may
    /// compute something else.
    formula: Option<Value>,
}

/// What a file has of a formula's result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// It was computed by whoever wrote the file.
    Kept,
    /// Nobody computed it yet.
    Missing,
}

impl Content {
    fn is_blank(&self) -> bool {
        self.text.as_ref().is_ok_and(|text| text.trim().is_empty())
    }
}

/// A cell: its row and column from 0, and what is in it.
type Placed = ((u32, u32), Content);

/// Gathers the sheet's cells into rows.
struct SheetCells<'a> {
    cells: Cells<'a>,
    /// The first cell of the next row.
    ahead: Option<Placed>,
    /// Whether the sheet is over: asking its reader again would be an error.
    ended: bool,
}

impl<'a> SheetCells<'a> {
    fn new(book: &'a mut Xlsx<Box<dyn Bytes>>, sheet: &str) -> Result<Self, FileError> {
        let cells = book.worksheet_cells_reader(sheet).map_err(unreadable)?;
        Ok(Self { cells, ahead: None, ended: false })
    }

    /// The first row with anything in it: its number from 0, and its texts.
    fn first_row(&mut self) -> Result<Option<(u32, StringRecord)>, FileError> {
        while let Some((row, texts)) = self.next_row()? {
            let texts: StringRecord =
                texts.into_iter().map(|content| content.text.unwrap_or_default()).collect();
            if texts.iter().any(|text| !text.trim().is_empty()) {
                return Ok(Some((row, texts)));
            }
        }
        Ok(None)
    }

    /// The next row that has a cell: its number from 0, and its cells up to the last filled one.
    fn next_row(&mut self) -> Result<Option<(u32, Vec<Content>)>, FileError> {
        let first = match self.ahead.take() {
            Some(cell) => Some(cell),
            None => self.next()?,
        };
        let Some(((row, column), content)) = first else { return Ok(None) };
        let (mut texts, mut size) = (Vec::new(), 0);
        place(&mut texts, column, content, &mut size, row)?;
        while let Some(((at, column), content)) = self.next()? {
            if at < row {
                return Err(FileError::Xlsx("its rows are out of order".to_owned()));
            }
            if at > row {
                self.ahead = Some(((at, column), content));
                break;
            }
            place(&mut texts, column, content, &mut size, row)?;
        }
        Ok(Some((row, texts)))
    }

    /// The next cell with anything in it.
    fn next(&mut self) -> Result<Option<Placed>, FileError> {
        while !self.ended {
            let Some(cell) = self.cells.next_cell_with_formula_metadata().map_err(unreadable)?
            else {
                self.ended = true;
                break;
            };
            let missing = matches!(cell.value, DataRef::Empty);
            let value = if missing { Value::Missing } else { Value::Kept };
            let formula = cell.formula.is_some().then_some(value);
            if formula.is_some() || !missing {
                return Ok(Some((cell.pos, Content { text: text_of(&cell.value), formula })));
            }
        }
        Ok(None)
    }
}

fn place(
    texts: &mut Vec<Content>,
    column: u32,
    content: Content,
    size: &mut usize,
    row: u32,
) -> Result<(), FileError> {
    let column = column as usize;
    if column >= COLUMNS_MAX {
        return Err(FileError::TooManyColumns);
    }
    *size += content.text.as_ref().map_or(0, String::len);
    if *size > ROW_BYTES_MAX {
        return Err(FileError::RowTooLong { record: row as usize + 1 });
    }
    if texts.len() <= column {
        texts.resize(column + 1, Content { text: Ok(String::new()), formula: None });
    }
    texts[column] = content;
    Ok(())
}

/// The text a cell would have in CSV: dates as ISO 8601 without a zone, truth as yes or no.
fn text_of(value: &DataRef<'_>) -> Text {
    match value {
        DataRef::Empty => Ok(String::new()),
        DataRef::String(text) => bounded(text),
        DataRef::SharedString(text) => bounded(text),
        DataRef::Int(number) => number_text(*number as f64),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(yes) => Ok(if *yes { "yes" } else { "no" }.to_owned()),
        DataRef::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            Ok(match (hour, minute, second, milli) {
                (0, 0, 0, 0) => date,
                (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
                _ => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
            })
        }
        DataRef::DateTimeIso(text) => bounded(text),
        DataRef::DateTime(_) | DataRef::DurationIso(_) => {
            Err("is a duration: format the cell as text or date".into())
        }
        DataRef::Error(error) => Err(format!("the cell holds the error {error}").into()),
    }
}

fn bounded(text: &str) -> Text {
    if text.len() > CELL_BYTES_MAX {
        return Err("the cell is too long".into());
    }
    Ok(text.to_owned())
}

fn number_text(number: f64) -> Text {
    if !number.is_finite() || number.abs() >= NUMBER_END {
        return Err("is a number of more than 15 digits, of which Excel has lost the end: \
                    format the column as text and enter it again"
            .into());
    }
    if number.fract() == 0.0 {
        return Ok(format!("{number:.0}"));
    }
    // 15 significant digits, as Excel shows them: 0.30000000000000004 was entered as 0.3.
    Ok(format!("{number:.14e}").parse().unwrap_or(number).to_string())
}

/// Unpacks every part to nowhere and counts: what an archive says of its sizes may be a lie.
fn measure(bytes: &mut Box<dyn Bytes>) -> Result<(), FileError> {
    let broken = |error: zip::result::ZipError| FileError::Xlsx(error.to_string());
    let mut archive = ZipArchive::new(bytes).map_err(broken)?;
    let mut total = 0;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(broken)?;
        let name = part.name().map_err(broken)?.to_ascii_lowercase();
        let (what, max) = part_max(&name);
        let (mut pieces, mut nowhere) = (is_xml(&name).then(Pieces::default), io::sink());
        let unpacked: &mut dyn io::Write = match &mut pieces {
            Some(pieces) => pieces,
            None => &mut nowhere,
        };
        let size = io::copy(&mut part.take(max + 1), unpacked)
            .map_err(|error| FileError::Xlsx(error.to_string()))?;
        if size > max {
            return Err(FileError::XlsxTooLarge { part: what, max });
        }
        if let Some(pieces) = pieces {
            pieces.fit()?;
        }
        total += size;
        if total > XLSX_EXPANDED_BYTES_MAX {
            let (part, max) = ("all its parts unpacked", XLSX_EXPANDED_BYTES_MAX);
            return Err(FileError::XlsxTooLarge { part, max });
        }
    }
    Ok(())
}

/// Whether a part may be a sheet or a table of texts, by its name in lower case. What others than
/// spreadsheet programs put beside those may hold anything.
fn is_xml(name: &str) -> bool {
    name.ends_with(".xml") && !name.starts_with("customxml")
}

/// How large a part may be unpacked: those that are held in memory, much less.
fn part_max(name: &str) -> (&'static str, u64) {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    match base {
        "sharedstrings.xml" => ("its table of texts", XLSX_SHARED_BYTES_MAX),
        "styles.xml" => ("its styles", XLSX_STYLES_BYTES_MAX),
        base if base.ends_with(".rels") || base == "workbook.xml" => {
            ("its list of parts", XLSX_STYLES_BYTES_MAX)
        }
        _ if is_xml(name) => ("a part of it unpacked", XLSX_EXPANDED_BYTES_MAX),
        _ => ("a picture or attachment in it", XLSX_OTHER_BYTES_MAX),
    }
}

fn unreadable(error: XlsxError) -> FileError {
    match error {
        XlsxError::Password => FileError::OldExcel,
        XlsxError::Io(error) => FileError::Io(error),
        other => FileError::Xlsx(other.to_string().chars().take(200).collect()),
    }
}
