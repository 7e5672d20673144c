//! Files people hand over: master data, production, packing and shipping, as CSV (UTF-8 or
//! GB18030), XLSX, or one JSON object per line.
//!
//! **Words.** A *kind* says what the rows mean and which columns they have ([`Kind`]). A *raw row*
//! is one record as text ([`RawRow`]); a *draft* is a row whose every field was read into its type
//! and bounds ([`Draft`]). A *fault* of a row never stops the file: the row is refused, with every
//! problem named, and the next is read. A [`FileError`] ends the file.
//!
//! **Not here.** Nothing is looked up: a draft still names its party, site and product by the
//! words of the file. Whether they exist, and whether the fact may be recorded, the rules decide
//! later.
//!
//! Everything is read in one pass at constant memory, XLSX at a bounded one; each bound is a named
//! constant, and no file may expand past it. Of columns that nobody knows no text is held, unless
//! whoever reads the file writes it out again.

mod decode;
mod draft;
mod export;
mod field;
mod json;
mod kind;
mod row;
mod subject;
mod table;
mod when;
mod xlsx;
mod xml;

#[cfg(test)]
mod tests;

pub use draft::{
    Draft, PackDraft, PartyDraft, Placed, ProductDraft, ProductionDraft, ShipmentDraft, SiteDraft,
    TerritoryDraft, parse_row,
};
pub use export::{ErrorFile, csv_line};
pub use json::JsonLines;
pub use kind::{Column, Json, Kind, UnknownKind};
pub use row::{Header, RawRow, problem_bytes};
pub use subject::{Subject, SubjectRef};
pub use table::{FileError, Format, Rows, Table};
pub use when::{Instant, read_date, read_instant};

/// Most columns of a file, known or not.
pub const COLUMNS_MAX: usize = 256;
/// Most rows of a file. XLSX ends by itself at 1,048,576.
pub const ROWS_MAX: usize = 10_000_000;
/// Longest cell, in bytes of UTF-8: a fence of 10,000 corners at some 25 characters each. Every
/// other field has a smaller bound of its own.
pub const CELL_BYTES_MAX: usize = 256 * 1024;
/// Longest row, in bytes. More is not a row but a quotation mark that was never closed.
pub const ROW_BYTES_MAX: usize = 1024 * 1024;
/// Most values in one cell joined with `|`.
pub const LIST_ITEMS_MAX: usize = 100;
/// Largest XLSX file, as sent.
pub const XLSX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most bytes an XLSX file may unpack to, all parts together. Longer tables come as CSV.
pub const XLSX_EXPANDED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes its table of shared texts may unpack to: that one is held in memory.
pub const XLSX_SHARED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most bytes a picture or anything else in it that is no sheet may unpack to.
pub const XLSX_OTHER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes its styles and lists of parts may unpack to: they take many times that in memory.
pub const XLSX_STYLES_BYTES_MAX: u64 = 4 * 1024 * 1024;
