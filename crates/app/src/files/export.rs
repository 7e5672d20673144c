//! CSV we write for others to open: nothing in it may run in a spreadsheet. What that adds to a
//! cell is taken off again where our own file comes back.

use super::row::{Header, RawRow};
use csv::{StringRecord, Writer};
use domain::refusal::Refused;
use std::borrow::Cow;
use std::io::{self, Write};

/// What stands before the original columns of an error file.
const ERROR_COLUMNS: [&str; 4] = [ERROR_ROW, "error_column", "error_code", "error_reason"];
/// By this column an error file of ours is known.
pub(super) const ERROR_ROW: &str = "error_row";

/// What a formula begins with. The full-width signs are read as the others by spreadsheets set to
/// Chinese or Japanese.
const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Space before a formula, which some spreadsheets pass over.
const SPACES: [char; 3] = ['\t', '\r', '\n'];

/// A cell that no spreadsheet will run as a formula: what begins like one gets an apostrophe in
/// front. Telephones and numbers stay as they are: a sign followed by digits and the marks between
/// them computes nothing, and neither does a sign alone. [`restored`] takes the apostrophe off, so
/// a cell that had one of its own gets another.
pub fn neutralised(cell: &str) -> Cow<'_, str> {
    let more = match cell.starts_with('\'') {
        true => begins_as_formula(cell.trim_start_matches('\'')),
        false => runs(cell),
    };
    if more { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// The cell that [`neutralised`] was given: less one apostrophe where a formula would begin behind
/// it, also where somebody has mended the rest.
pub(super) fn restored(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if begins_as_formula(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

/// Whether a spreadsheet may take a text for a formula.
fn begins_as_formula(text: &str) -> bool {
    text.starts_with(|c: char| SIGNS.contains(&c) || SPACES.contains(&c))
}

/// Whether it would compute anything of it.
fn runs(cell: &str) -> bool {
    let mut rest = cell.chars();
    match rest.next() {
        Some(sign) if SIGNS.contains(&sign) && rest.as_str().is_empty() => false,
        Some('+' | '-') => {
            let plain = rest.clone().all(|c| c.is_ascii_digit() || " ().,-".contains(c));
            !(plain && rest.any(|c| c.is_ascii_digit()))
        }
        _ => begins_as_formula(cell),
    }
}

/// One line of CSV as RFC 4180 has it, its end included; no cell of it runs as a formula. Writing
/// into memory cannot fail, as a writer for files can.
pub fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell| {
        let cell = neutralised(cell);
        match cell.contains([',', '"', '\n', '\r']) {
            true => Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\""))),
            false => cell,
        }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

/// Writes the refused rows of a file, each behind what was wrong with it, ready to be corrected
/// and sent again: the four columns in front are ignored by the import, and the other cells are
/// read as they were before they were made harmless.
pub struct ErrorFile<W: Write> {
    writer: Writer<W>,
    /// The cells of a row that are written: not those of an error file being sent again.
    kept: Vec<usize>,
}

impl<W: Write> ErrorFile<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// The output's own.
    pub fn new(output: W, header: &Header) -> io::Result<Self> {
        let mut writer = Writer::from_writer(output);
        let is_kept = |name: &str| !ERROR_COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let kept = header.names().enumerate().filter(|(_, name)| is_kept(name));
        let (kept, names): (Vec<_>, Vec<_>) = kept.unzip();
        let names = names.into_iter().map(neutralised);
        writer
            .write_record(ERROR_COLUMNS.into_iter().map(Cow::Borrowed).chain(names).map(bytes))?;
        Ok(Self { writer, kept })
    }

    /// Adds one refused row; several problems are joined with `; `, in the same order in each
    /// column.
    ///
    /// # Errors
    /// The output's own.
    pub fn write(&mut self, row: &RawRow, problems: &[Refused]) -> io::Result<()> {
        let join =
            |part: fn(&Refused) -> &str| problems.iter().map(part).collect::<Vec<_>>().join("; ");
        let fields = join(|problem| &problem.field);
        let codes = join(|problem| problem.refusal.code());
        let reasons = join(|problem| &problem.reason);
        let cells: StringRecord = row.cells().collect();
        let kept = self.kept.iter().map(|at| cells.get(*at).unwrap_or_default());
        let record = row.record.to_string();
        let own = [&record, &fields, &codes, &reasons].map(String::as_str);
        Ok(self.writer.write_record(own.into_iter().chain(kept).map(neutralised).map(bytes))?)
    }

    /// Writes what is still held back and gives the output back.
    ///
    /// # Errors
    /// The output's own.
    pub fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(|error| error.into_error())
    }
}

fn bytes(cell: Cow<'_, str>) -> Vec<u8> {
    cell.into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_reads_back_as_its_cells(
            cells in prop::collection::vec("[ -~\r\n=＝一]{0,8}", 2..6)
        ) {
            let line = csv_line(cells.iter().map(String::as_str));
            let mut reader = csv::ReaderBuilder::new();
            let mut reader = reader.has_headers(false).from_reader(line.as_bytes());
            let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            let safe: Vec<_> = cells.iter().map(|cell| neutralised(cell)).collect();
            prop_assert_eq!(read, [StringRecord::from_iter(safe)]);
        }

        #[test]
        fn what_is_made_harmless_is_read_back_as_it_was(
            text in any::<String>(),
            odd in "'{0,3}[-+=@＝＋－＠\t\r\n]{0,2}[-0-9a (]{0,3}",
        ) {
            for cell in [text, odd] {
                let safe = neutralised(&cell);
                prop_assert_eq!(restored(&safe), &cell);
                prop_assert!(!runs(&safe), "{}", safe);
            }
        }
    }

    #[test]
    fn formulas_are_neutralised_and_phones_are_not() {
        for plain in [
            "",
            "abc",
            "4008000001",
            "+86 755 1234",
            "+86-(0755)-1234",
            "-5.00",
            "-1,000",
            "a=b",
            "-",
            "+",
            "＝",
            "'",
            "'a",
        ] {
            assert_eq!((&*neutralised(plain), restored(plain)), (plain, plain));
        }
        for formula in [
            "=1+1",
            "=HYPERLINK(\"x\")",
            "+1+1",
            "-2+3",
            "--",
            "- ",
            "'=1+1",
            "''+1",
            "'-",
            "+cmd|' /C calc'!A0",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "-x",
            "＝1+1",
            "+A1",
            "-1/0",
        ] {
            assert_eq!(neutralised(formula), format!("'{formula}"));
        }
        // Mended by hand behind the apostrophe: one alone is ours.
        for (mended, meant) in
            [("'+86 755 1234", "+86 755 1234"), ("'-", "-"), ("''=1", "'=1"), ("'9", "'9")]
        {
            assert_eq!(restored(mended), meant);
        }
    }
}
