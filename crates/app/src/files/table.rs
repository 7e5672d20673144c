//! The reader of whole files: finds out what a file is, reads its header, streams its rows.

use super::decode::Decoded;
use super::json::LineSource;
use super::kind::Kind;
use super::row::{Header, RawRow};
use super::xlsx::{SheetRows, Workbook};
use super::{COLUMNS_MAX, ROW_BYTES_MAX, ROWS_MAX, XLSX_BYTES_MAX};
use csv::StringRecord;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek};
use std::path::Path;
use std::sync::Arc;

/// Bytes that tell one format from another.
const HEAD: usize = 64;

/// Bytes of a header looked at to tell what separates its cells.
const HEADER_BYTES: usize = 64 * 1024;

/// Why a file cannot be read any further. Rows before it were sound.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file or the connection.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// Not even a header.
    #[error("the file is empty: its first row must be the header")]
    Empty,
    /// Text in two bytes per character, which some spreadsheets call Unicode.
    #[error("the file is UTF-16: save it as CSV UTF-8")]
    Utf16,
    /// The binary format before XLSX, or a workbook behind a password.
    #[error("the file is an old or protected Excel workbook: save it as .xlsx without a password")]
    OldExcel,
    /// Columns without which no row can be read.
    #[error("{kind} needs the column {}: add it to the header", .missing.join(", "))]
    MissingColumns {
        /// What was to be read.
        kind: Kind,
        /// The columns, in the order of the contract.
        missing: Vec<&'static str>,
    },
    /// One header over two columns: nobody can say which is meant.
    #[error("the column {0} appears twice in the header")]
    DuplicateColumn(String),
    /// More than [`COLUMNS_MAX`].
    #[error("the header has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    /// More than [`ROWS_MAX`].
    #[error("the file has more than {ROWS_MAX} rows: split it")]
    TooManyRows,
    /// More text in rows that are judged together than may be held.
    #[error(
        "rows that are judged together, master data or all or nothing, may have at most {max} \
         bytes of text: split the file"
    )]
    TooMuchText {
        /// Bytes allowed, what is wrong with the rows counted with them.
        max: usize,
    },
    /// A row above [`ROW_BYTES_MAX`].
    #[error(
        "record {record} is longer than {ROW_BYTES_MAX} bytes: \
         probably a quotation mark in it is never closed"
    )]
    RowTooLong {
        /// The record it begins at; header = 1.
        record: usize,
    },
    /// The input ends inside quotation marks: what was meant to follow them was read as one cell.
    #[error(
        "a quotation mark opens in record {record}, column {column}, and is never closed: close \
         it and send the file again"
    )]
    UnclosedQuote {
        /// The record it opens in; header = 1.
        record: usize,
        /// The column's name in the header, or its number from 1.
        column: String,
    },
    /// What was said to be a workbook is none.
    #[error("this is no XLSX file: save it as .xlsx, or send CSV as text/csv")]
    NotXlsx,
    /// A workbook, or a part of it, above its bound.
    #[error("the workbook is too large: {part} may have at most {max} bytes; save it as CSV")]
    XlsxTooLarge {
        /// Which part.
        part: &'static str,
        /// Bytes allowed.
        max: u64,
    },
    /// A cell above [`ROW_BYTES_MAX`], or anything else in a workbook that is read in one piece.
    #[error("a cell of the workbook is longer than {ROW_BYTES_MAX} bytes: shorten it")]
    CellTooLong,
    /// Rows on several sheets: nobody can say which are meant.
    #[error(
        "the workbook has rows on more than one sheet ({}): send one sheet per file, or hide the \
         others",
        .0.join(", ")
    )]
    ManySheets(Vec<String>),
    /// A workbook that breaks its own format.
    #[error("the workbook cannot be read ({0}); save it anew or as CSV")]
    Xlsx(String),
}

/// What the input is, when the caller knows. A workbook is recognised in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Told from the first bytes: JSON lines begin with a brace, which no header does.
    #[default]
    Auto,
    /// Separated by commas, semicolons or tabs, with a header.
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// A workbook, and nothing else.
    Xlsx,
}

impl Format {
    /// By the media type of a request, its parameters ignored; none for what is no file of ours.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            // What says nothing of what it is: the third is what programs send that were not told,
            // the last what browsers say of CSV where a spreadsheet program is installed.
            ""
            | "text/plain"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded"
            | "application/vnd.ms-excel" => Some(Self::Auto),
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
                Some(Self::JsonLines)
            }
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some(Self::Xlsx),
            _ => None,
        }
    }
}

/// An open file: its header is read, its rows are not.
pub struct Table {
    header: Arc<Header>,
    source: Source,
    rows: usize,
    ended: bool,
    /// Whether its rows keep the cells of columns that are none of the kind's.
    whole: bool,
}

enum Source {
    Csv(Box<CsvSource>),
    Json(LineSource),
    Xlsx(Box<Workbook>),
}

impl Table {
    /// Opens a file on disk.
    ///
    /// # Errors
    /// [`FileError`]: unreadable, unknown or too large, or a header that will not do.
    pub fn from_path(kind: Kind, path: &Path) -> Result<Self, FileError> {
        let mut file = File::open(path)?;
        let head = head_of(&mut file)?;
        if Magic::of(&head)? != Magic::Zip || !file.metadata()?.is_file() {
            return Self::behind_head(kind, Format::Auto, head, Box::new(file));
        }
        if file.metadata()?.len() > XLSX_BYTES_MAX {
            return Err(too_large_as_sent());
        }
        file.rewind()?;
        Self::from_workbook(Workbook::open(kind, Box::new(io::BufReader::new(file)))?)
    }

    /// Opens a stream such as a request body. A workbook is held in memory, at most
    /// [`XLSX_BYTES_MAX`] of it; everything else is read as it comes.
    ///
    /// # Errors
    /// As [`Self::from_path`].
    pub fn from_reader(
        kind: Kind,
        format: Format,
        mut input: Box<dyn Read + Send>,
    ) -> Result<Self, FileError> {
        let head = head_of(&mut input)?;
        Self::behind_head(kind, format, head, input)
    }

    /// Opens a stream whose first bytes were taken off.
    fn behind_head(
        kind: Kind,
        format: Format,
        mut head: Vec<u8>,
        input: Box<dyn Read + Send>,
    ) -> Result<Self, FileError> {
        let magic = Magic::of(&head)?;
        if magic != Magic::Zip {
            let json = match format {
                Format::Auto => magic == Magic::Brace,
                Format::JsonLines => true,
                Format::Csv => false,
                Format::Xlsx => return Err(FileError::NotXlsx),
            };
            return Self::from_text(kind, json, Box::new(Cursor::new(head).chain(input)));
        }
        let rest_max = XLSX_BYTES_MAX + 1 - head.len() as u64;
        input.take(rest_max).read_to_end(&mut head)?;
        if head.len() as u64 > XLSX_BYTES_MAX {
            return Err(too_large_as_sent());
        }
        Self::from_workbook(Workbook::open(kind, Box::new(Cursor::new(head)))?)
    }

    fn from_workbook(book: Workbook) -> Result<Self, FileError> {
        let header = Arc::clone(book.header());
        Ok(Self::new(header, Source::Xlsx(Box::new(book))))
    }

    fn new(header: Arc<Header>, source: Source) -> Self {
        Self { header, source, rows: 0, ended: false, whole: false }
    }

    /// The same with every cell in its rows, those of unknown columns too: for whoever writes rows
    /// out as they came.
    pub fn whole_rows(self) -> Self {
        Self { whole: true, ..self }
    }

    fn from_text(kind: Kind, json: bool, input: Box<dyn Read + Send>) -> Result<Self, FileError> {
        let (header, source) = if json {
            let source = LineSource::new(kind, input);
            (Arc::clone(source.header()), Source::Json(source))
        } else {
            let mut source = CsvSource::new(kind, input)?;
            let names = source.next_record()?.ok_or(FileError::Empty)?;
            source.names = names.clone();
            (Arc::new(Header::read(kind, names)?), Source::Csv(Box::new(source)))
        };
        Ok(Self::new(header, source))
    }

    /// What the rows mean.
    pub fn kind(&self) -> Kind {
        self.header.kind()
    }

    /// The header; for JSON lines all columns of the kind.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The rows from where the last call stopped. Blank rows are left out. After an error there
    /// are no more.
    pub fn rows(&mut self) -> Rows<'_> {
        let Self { header, source, rows, ended, whole } = self;
        let (source, failed) = match source {
            Source::Csv(source) => (RowSource::Csv(source), None),
            Source::Json(source) => (RowSource::Json(source), None),
            Source::Xlsx(book) => match book.rows() {
                Ok(rows) => (RowSource::Xlsx(Box::new(rows)), None),
                Err(error) => (RowSource::Nothing, Some(error)),
            },
        };
        Rows { header, source, failed, count: rows, ended, whole: *whole }
    }
}

fn head_of(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    input.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn too_large_as_sent() -> FileError {
    FileError::XlsxTooLarge { part: "the file as sent", max: XLSX_BYTES_MAX }
}

/// Iterates over the rows of a [`Table`].
pub struct Rows<'a> {
    header: &'a Arc<Header>,
    source: RowSource<'a>,
    failed: Option<FileError>,
    count: &'a mut usize,
    ended: &'a mut bool,
    whole: bool,
}

enum RowSource<'a> {
    Csv(&'a mut CsvSource),
    Json(&'a mut LineSource),
    Xlsx(Box<SheetRows<'a>>),
    Nothing,
}

impl Rows<'_> {
    fn step(&mut self) -> Result<Option<RawRow>, FileError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        loop {
            let row = match &mut self.source {
                RowSource::Csv(source) => source
                    .next_record()?
                    .map(|cells| RawRow::new(source.record, self.header, cells, Vec::new())),
                RowSource::Json(source) => source.next_row()?,
                RowSource::Xlsx(source) => source.next_row()?,
                RowSource::Nothing => None,
            };
            if row.is_some() {
                *self.count += 1;
            }
            if *self.count > ROWS_MAX {
                return Err(FileError::TooManyRows);
            }
            // An object without content was still meant as a row.
            let json = matches!(self.source, RowSource::Json(_));
            if row.as_ref().is_none_or(|row| json || !row.is_blank()) {
                return Ok(if self.whole { row } else { row.map(RawRow::known_only) });
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<RawRow, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if *self.ended {
            return None;
        }
        let step = self.step().transpose();
        *self.ended = !matches!(step, Some(Ok(_)));
        step
    }
}

/// What the first bytes give away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Magic {
    Zip,
    Brace,
    Text,
}

impl Magic {
    fn of(head: &[u8]) -> Result<Self, FileError> {
        // The signature of a compound file: .xls, or .xlsx behind a password.
        if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(FileError::OldExcel);
        }
        // Without its mark it shows by the empty half of its first character.
        let empty = |at: usize| head.get(at) == Some(&0);
        let unmarked = head.len() > 1 && empty(0) != empty(1);
        if unmarked || head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(FileError::Utf16);
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Ok(Self::Zip);
        }
        let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        let brace = text.trim_ascii_start().starts_with(b"{");
        Ok(if brace { Self::Brace } else { Self::Text })
    }
}

/// Text of which the beginning was looked at.
type Begun = Chain<Cursor<Vec<u8>>, Decoded<Box<dyn Read + Send>>>;

/// What was read to find the header, which ends with its line: lines before it may be empty.
fn beginning(text: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut read, mut some) = (Vec::new(), [0; 4096]);
    while read.len() < HEADER_BYTES {
        let count = text.read(&mut some)?;
        read.extend_from_slice(some.get(..count).unwrap_or_default());
        let more = header_line(&read).is_none();
        if count == 0 || !more {
            break;
        }
    }
    Ok(read)
}

/// The first line that is not empty, once it is whole.
fn header_line(read: &[u8]) -> Option<&[u8]> {
    let read = read.strip_prefix("\u{feff}".as_bytes()).unwrap_or(read);
    let begin = read.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let line = read.get(begin..)?;
    Some(line.split_at(line.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?).0)
}

/// What separates cells: spreadsheets of many places write semicolons, and what was copied out of
/// one has tabs. A comma, unless the header names more columns of ours otherwise.
fn separator(kind: Kind, read: &[u8]) -> u8 {
    let line = String::from_utf8_lossy(header_line(read).unwrap_or(read));
    let known = |separator: u8| {
        let cells = line.split(char::from(separator));
        let names = cells.map(|cell| cell.trim_matches(['\u{feff}', ' ', '\t', '"']));
        names.filter(|name| kind.place(name).is_some()).count()
    };
    let other = if known(b'\t') > known(b';') { b'\t' } else { b';' };
    if known(other) > known(b',').max(1) { other } else { b',' }
}

/// CSV records, one at a time, each bounded.
struct CsvSource {
    reader: csv::Reader<Metered<Begun>>,
    /// The header, once it is read.
    names: StringRecord,
    /// The number of the last record read.
    record: usize,
    /// Bytes of the last record, to make room for the next in one go.
    size: usize,
    columns: usize,
}

impl CsvSource {
    fn new(kind: Kind, input: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut text = Decoded::new(input);
        let begun = beginning(&mut text)?;
        let separator = separator(kind, &begun);
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .buffer_capacity(64 * 1024)
            .from_reader(Metered::new(separator, Cursor::new(begun).chain(text)));
        Ok(Self { reader, names: StringRecord::new(), record: 0, size: 256, columns: 16 })
    }

    fn next_record(&mut self) -> Result<Option<StringRecord>, FileError> {
        let mut cells = StringRecord::with_capacity(self.size, self.columns);
        let read = self.reader.read_record(&mut cells);
        self.reader.get_mut().since = 0;
        if read.is_ok() && self.reader.get_ref().is_cut() {
            let column = self.column(cells.len().saturating_sub(1));
            return Err(FileError::UnclosedQuote { record: self.record + 1, column });
        }
        match read {
            Ok(false) => return Ok(None),
            Ok(true) if cells.as_slice().len() <= ROW_BYTES_MAX => {}
            Err(error) if !self.reader.get_ref().over => {
                // What kind of failure it is, the reader of records would hide.
                let kind = match error.kind() {
                    csv::ErrorKind::Io(cause) => cause.kind(),
                    _ => io::ErrorKind::Other,
                };
                return Err(FileError::Io(io::Error::new(kind, error)));
            }
            _ => return Err(FileError::RowTooLong { record: self.record + 1 }),
        }
        self.record += 1;
        (self.size, self.columns) = (cells.as_slice().len() + 16, cells.len());
        Ok(Some(cells))
    }

    /// What a column is called by its place.
    fn column(&self, at: usize) -> String {
        match self.names.get(at).map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => name.chars().take(64).collect(),
            None => (at + 1).to_string(),
        }
    }
}

/// Where among the quotation marks of CSV a text stands. The reader of records knows it, too, but
/// does not tell whether it met the end inside them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a cell.
    Start,
    /// In a cell without marks around it: those inside are letters like others.
    Bare,
    /// Inside marks.
    Quoted,
    /// Behind a mark that closes the cell, unless another one follows.
    Closing,
}

impl Place {
    fn after(self, byte: u8, separator: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) => Self::Quoted,
            (Self::Start | Self::Closing, b'"') => Self::Quoted,
            (_, b'\r' | b'\n') => Self::Start,
            _ if byte == separator => Self::Start,
            _ => Self::Bare,
        }
    }

    fn behind(self, bytes: &[u8], separator: u8) -> Self {
        if bytes.contains(&b'"') {
            return bytes.iter().fold(self, |place, byte| place.after(*byte, separator));
        }
        // Without a mark only the last byte counts, and most of a file is so.
        match (self, bytes.last()) {
            (Self::Quoted, _) | (_, None) => self,
            (_, Some(last)) => Self::Bare.after(*last, separator),
        }
    }
}

/// Stops a record that never ends: counts the bytes read since the last one was complete, and
/// knows whether all of them ended inside quotation marks.
struct Metered<R> {
    inner: R,
    separator: u8,
    since: usize,
    over: bool,
    place: Place,
    /// Whether anything was read, and whether that was all.
    begun: bool,
    ended: bool,
}

impl<R> Metered<R> {
    fn new(separator: u8, inner: R) -> Self {
        let place = Place::Start;
        Self { inner, separator, since: 0, over: false, place, begun: false, ended: false }
    }

    /// Whether the input ended inside quotation marks.
    fn is_cut(&self) -> bool {
        self.ended && self.place == Place::Quoted
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.since > ROW_BYTES_MAX {
            self.over = true;
            return Err(io::Error::other("the record is too long"));
        }
        let count = self.inner.read(out)?;
        self.since += count;
        self.ended = count == 0;
        let mut read = out.get(..count).unwrap_or_default();
        if !self.begun {
            // The reader of records takes the mark off in the same way.
            read = read.strip_prefix("\u{feff}".as_bytes()).unwrap_or(read);
            self.begun = true;
        }
        self.place = self.place.behind(read, self.separator);
        Ok(count)
    }
}
