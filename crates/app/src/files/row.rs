//! One record as text, with the header that says which cell is which.

use super::export::{ERROR_ROW, restored};
use super::kind::{Kind, is_identifier};
use super::table::FileError;
use super::{CELL_BYTES_MAX, COLUMNS_MAX};
use csv::StringRecord;
use domain::refusal::Refused;
use std::collections::HashSet;
use std::sync::Arc;

/// The header of a file: its own words, and where the known columns stand.
#[derive(Clone, Debug)]
pub struct Header {
    kind: Kind,
    names: StringRecord,
    /// For each of the kind's columns its cell, none where the file lacks it.
    places: Box<[Option<usize>]>,
    /// For each cell of a whole row whether its column is one of the kind's.
    known: Box<[bool]>,
    /// Whether the file is one of ours that comes back mended: its cells were made harmless.
    is_error_file: bool,
}

impl Header {
    /// Reads a header in any order, case and company.
    ///
    /// # Errors
    /// No name at all, too many columns, a name twice, or a required column missing.
    pub(super) fn read(kind: Kind, names: StringRecord) -> Result<Self, FileError> {
        if names.len() > COLUMNS_MAX {
            return Err(FileError::TooManyColumns);
        }
        let is_error_file = names.iter().any(|name| plain(name).eq_ignore_ascii_case(ERROR_ROW));
        let names = match is_error_file {
            true => names.iter().map(|name| restored(plain(name))).collect(),
            false => names,
        };
        let mut places = vec![None; kind.columns().len()].into_boxed_slice();
        let mut known = vec![false; names.len()].into_boxed_slice();
        let mut seen = HashSet::new();
        for (at, name) in names.iter().enumerate() {
            let name = plain(name);
            if !name.is_empty() && !seen.insert(name.to_lowercase()) {
                return Err(FileError::DuplicateColumn(name.chars().take(64).collect()));
            }
            if let Some(column) = kind.place(name) {
                places[column] = Some(at);
                known[at] = true;
            }
        }
        if seen.is_empty() {
            return Err(FileError::Empty);
        }
        let columns = kind.columns().iter().zip(&places);
        let missing: Vec<_> = columns
            .filter(|(column, place)| column.required && place.is_none())
            .map(|(column, _)| column.name)
            .collect();
        if !missing.is_empty() {
            return Err(FileError::MissingColumns { kind, missing });
        }
        Ok(Self { kind, names, places, known, is_error_file })
    }

    /// The header of input that names its fields itself: every column, in order.
    pub(super) fn whole(kind: Kind) -> Self {
        let names = kind.columns().iter().map(|column| column.name).collect();
        let places = (0..kind.columns().len()).map(Some).collect();
        let known = vec![true; kind.columns().len()].into_boxed_slice();
        Self { kind, names, places, known, is_error_file: false }
    }

    /// What the rows mean.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The header's cells as they were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(plain)
    }

    /// Cells in a whole row.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }

    /// Whether the file has this column; a name in lower case.
    pub fn has(&self, name: &str) -> bool {
        self.cell_of(name).is_some()
    }

    /// The known column a cell belongs to.
    pub(super) fn name_of(&self, cell: usize) -> Option<&'static str> {
        let column = self.places.iter().position(|place| *place == Some(cell))?;
        Some(self.kind.columns()[column].name)
    }

    /// Whether a cell names one thing that is meant and no other.
    pub(super) fn identifies(&self, cell: usize) -> bool {
        self.name_of(cell).is_some_and(is_identifier)
    }

    fn cell_of(&self, name: &str) -> Option<usize> {
        let column = self.kind.columns().iter().position(|column| column.name == name)?;
        self.places[column]
    }
}

/// A header's word without space and byte order mark.
fn plain(name: &str) -> &str {
    name.trim_start_matches('\u{feff}').trim()
}

/// One record, not yet read into types.
#[derive(Clone, Debug)]
pub struct RawRow {
    /// Its number in the file. With a header that is record 1, so the first row is 2; blank lines
    /// of CSV are not counted. In XLSX the row of the sheet when the header is in row 1; among
    /// JSON lines the line, from 1.
    pub record: usize,
    header: Arc<Header>,
    cells: StringRecord,
    /// Columns that it lacks though its header has them.
    absent: Vec<&'static str>,
    faults: Vec<Refused>,
    /// Whether nothing was read of it but why.
    is_unreadable: bool,
}

impl RawRow {
    pub(super) fn new(
        record: usize,
        header: &Arc<Header>,
        cells: StringRecord,
        mut faults: Vec<Refused>,
    ) -> Self {
        let (found, width) = (cells.len(), header.width());
        if found > width {
            let reason = format!("the row has {found} cells, the header has {width}");
            faults.push(Refused::invalid("", reason));
        }
        let cells = match header.is_error_file {
            true => cells.iter().map(restored).collect(),
            false => cells,
        };
        let header = Arc::clone(header);
        Self { record, header, cells, absent: Vec::new(), faults, is_unreadable: false }
    }

    /// A record of which nothing was read: to say that its fields are missing would be untrue.
    pub(super) fn unreadable(record: usize, header: &Arc<Header>, fault: Refused) -> Self {
        let row = Self::new(record, header, StringRecord::new(), vec![fault]);
        Self { is_unreadable: true, ..row }
    }

    /// The same row without the text of cells whose column is none of the kind's: nobody reads it,
    /// and a row may have much of it. Cells stay where they are.
    pub(super) fn known_only(self) -> Self {
        let known = &self.header.known;
        if self.cells.len() <= known.len() && known.iter().all(|known| *known) {
            return self;
        }
        let cells = self.cells.iter().zip(known.iter());
        let cells = cells.map(|(cell, known)| if *known { cell } else { "" }).collect();
        Self { cells, ..self }
    }

    /// How much of it is held, in bytes: its text, and what was wrong with it.
    pub fn bytes(&self) -> usize {
        self.cells.as_slice().len() + problem_bytes(&self.faults)
    }

    /// The same row without what it says of some columns.
    pub(super) fn without(self, absent: Vec<&'static str>) -> Self {
        Self { absent, ..self }
    }

    /// Columns of its kind that it says nothing about: an empty cell says that there is nothing, a
    /// column that is not there says nothing.
    pub fn lacking(&self) -> Vec<&'static str> {
        let columns = self.kind().columns().iter().map(|column| column.name);
        columns.filter(|name| !self.header.has(name) || self.absent.contains(name)).collect()
    }

    /// What the row means.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// The header it stands under.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The cell of a column, without surrounding space; empty when the file or the row lacks it.
    /// The name is one of [`Kind::columns`], in lower case.
    pub fn cell(&self, name: &str) -> &str {
        self.header.cell_of(name).and_then(|at| self.cells.get(at)).unwrap_or_default().trim()
    }

    /// All cells as they were given, of an error file as they were before that was written; those
    /// of unknown columns are empty, unless they were asked for ([`super::Table::whole_rows`]).
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter()
    }

    /// What was wrong before any field was looked at.
    pub fn faults(&self) -> &[Refused] {
        &self.faults
    }

    /// Whether nothing was read of it but [`Self::faults`].
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// Whether nothing is in it: spreadsheets leave such rows below the last one.
    pub(super) fn is_blank(&self) -> bool {
        self.faults.is_empty() && self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// How much the problems of a row hold, in bytes.
pub fn problem_bytes(problems: &[Refused]) -> usize {
    problems.iter().map(|problem| size_of::<Refused>() + problem.reason.len()).sum()
}

/// Why a cell cannot be looked at, whatever its field.
pub(super) fn cell_fault(cell: &str) -> Option<String> {
    if cell.len() > CELL_BYTES_MAX {
        return Some(format!("has {} bytes, at most {CELL_BYTES_MAX} are allowed", cell.len()));
    }
    // Decoders put this character where bytes made no sense.
    (!cell.is_ascii() && cell.contains('\u{fffd}')).then(|| {
        "has bytes that are no text: save the file as UTF-8 or GB18030 throughout".to_owned()
    })
}
