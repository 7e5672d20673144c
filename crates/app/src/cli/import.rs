//! `import KIND FILE`: takes the good rows of a file and refuses the others one by one.

use super::fault::of_file;
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::files::{ErrorFile, Format, Kind, RawRow, Table};
use crate::flows::import::{ImportError, ImportReport, Importer, import};
use crate::flows::masterdata::Taking;
use crate::flows::{FlowError, RowOutcome};
use domain::refusal::{Refusal, Refused};
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

/// Refused rows shown one by one; the rest are counted. `--errors` holds all.
const REFUSALS_SHOWN_MAX: u64 = 5;
/// Rows between two updates of the progress bar.
const TICK_ROWS: u64 = 500;
/// What is said of a parent that nobody knows.
const NO_PARENT: &str =
    "no party has this code, here or in a good row of this file; add or mend the parent's row";
/// What is said where nothing stands above the parties of a file.
const NO_BRAND: &str = "there is no brand yet; the file needs a good row of the kind brand";

/// Takes a file.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What the rows are: parties, sites, products, territories, production, packs, shipments
    #[arg(value_parser = |word: &str| word.parse::<Kind>())]
    kind: Kind,
    /// CSV (UTF-8 or GB18030), XLSX or JSON lines; - reads standard input
    file: PathBuf,
    /// Change products, parties and sites that are already recorded with other content
    #[arg(long)]
    update: bool,
    /// Take nothing when a single row is refused
    #[arg(long)]
    all_or_nothing: bool,
    /// Write the refused rows here, each behind what is wrong with it
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let bar = term::file_bar(size_of(&args.file));
    let mut table = open_table(&args, &bar)?;
    let house = open::house(global).await?;
    let chosen = global.brand();
    if args.kind != Kind::Parties {
        open::caller(&house, global).await?;
    }
    let mut seen = Seen::new(&args, &table, bar)?;
    let taking = Taking { update: args.update, all_or_nothing: args.all_or_nothing };
    let importer = Importer::Operator(chosen.as_deref());
    let mut on_row = |row: &RawRow, outcome: &RowOutcome| seen.row(row, outcome);
    let ended = import(&house, importer, &mut table, taking, &mut on_row).await;
    house.store.close().await;
    seen.finish()?;
    let report = match ended {
        Ok(report) => report,
        Err(ImportError::Flow(FlowError::Refused(why))) => {
            return Err(seen.broken_off(&args.file, apt(args.kind, why).into()));
        }
        Err(error) => return Err(seen.broken_off(&args.file, error.into())),
    };
    term::print(&summary(&report, args.all_or_nothing))?;
    Ok(if report.refused == 0 { Exit::Done } else { Exit::SomeRefused })
}

fn summary(report: &ImportReport, all_or_nothing: bool) -> String {
    let ImportReport { taken, unchanged, refused, .. } = report;
    if all_or_nothing && *refused > 0 {
        let rows = words::counted(report.rows(), ["row", "rows"]);
        let counts = format!("taken {taken}, unchanged {unchanged}, refused {refused}");
        return format!("{counts}; nothing of {rows} taken\n");
    }
    format!("taken {taken}, unchanged {unchanged}, refused {refused}\n")
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn size_of(path: &Path) -> Option<u64> {
    if is_stdin(path) {
        return None;
    }
    let found = std::fs::metadata(path).ok()?;
    found.is_file().then_some(found.len())
}

fn open_table(args: &Args, bar: &ProgressBar) -> Result<Table, Fault> {
    let input: Box<dyn Read + Send> = if is_stdin(&args.file) {
        Box::new(io::stdin())
    } else {
        let file = File::open(&args.file).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(io::Error::other("is a folder, not a file")),
            false => Ok(file),
        });
        Box::new(file.map_err(|e| Fault::file(&args.file, &e))?)
    };
    let input = Metered { input, bar: bar.clone() };
    let table = Table::from_reader(args.kind, Format::Auto, Box::new(input));
    // Refused rows are written with all that they hold, other people's columns too.
    let table = if args.errors.is_some() { table.map(Table::whole_rows) } else { table };
    table.map_err(|e| Fault::failed(format!("{}: {}", args.file.display(), of_file(&e))))
}

/// Moves the bar by the bytes that were read.
struct Metered {
    input: Box<dyn Read + Send>,
    bar: ProgressBar,
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.bar.inc(count as u64);
        Ok(count)
    }
}

/// Watches the rows go by.
struct Seen {
    kind: Kind,
    bar: ProgressBar,
    watch: crate::clock::Stopwatch,
    rows: u64,
    refused: u64,
    errors: Option<(PathBuf, ErrorFile<BufWriter<File>>)>,
    errors_failed: Option<io::Error>,
}

impl Seen {
    fn new(args: &Args, table: &Table, bar: ProgressBar) -> Result<Self, Fault> {
        let errors = match &args.errors {
            None => None,
            Some(path) => {
                let same = |a: &Path, b: &Path| a.canonicalize().ok() == b.canonicalize().ok();
                if path.exists() && same(path, &args.file) {
                    let why = "--errors names the file that is being read; choose another";
                    return Err(Fault::failed(why));
                }
                let made = File::create(path).map(BufWriter::new);
                let made = made.and_then(|file| ErrorFile::new(file, table.header()));
                Some((path.clone(), made.map_err(|e| Fault::file(path, &e))?))
            }
        };
        let watch = crate::clock::Stopwatch::start();
        let kind = args.kind;
        Ok(Self { kind, bar, watch, rows: 0, refused: 0, errors, errors_failed: None })
    }

    fn row(&mut self, row: &RawRow, outcome: &RowOutcome) {
        self.rows += 1;
        if self.rows.is_multiple_of(TICK_ROWS) {
            let seconds = self.watch.elapsed().as_secs_f64().max(0.001);
            let rate = self.rows as f64 / seconds;
            let count = indicatif::HumanCount;
            let (rows, refused) = (count(self.rows), count(self.refused));
            let rate = term::per_second(rate);
            self.bar.set_message(format!("{rows} rows, {refused} refused, {rate}"));
        }
        let RowOutcome::Refused(problems) = outcome else { return };
        let problems: Vec<_> = problems.iter().map(|p| apt(self.kind, p.clone())).collect();
        self.refused += 1;
        if self.refused <= REFUSALS_SHOWN_MAX {
            self.bar.suspend(|| eprint!("{}", lines(row, &problems)));
        }
        if let Some((_, file)) = &mut self.errors
            && self.errors_failed.is_none()
        {
            self.errors_failed = file.write(row, &problems).err();
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.bar.finish_and_clear();
        let more = self.refused.saturating_sub(REFUSALS_SHOWN_MAX);
        match &self.errors {
            _ if more == 0 => {}
            Some((path, _)) => eprintln!("… and {more} more in {}", path.display()),
            None => eprintln!("… and {more} more; --errors FILE writes them all"),
        }
        let Some((path, file)) = self.errors.take() else { return Ok(()) };
        let ended = match self.errors_failed.take() {
            Some(error) => Err(error),
            None => file.finish().and_then(|file| {
                file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
            }),
        };
        ended.map_err(|e| Fault::file(&path, &e))
    }

    /// The import stopped half-way: says how far it came.
    fn broken_off(&self, path: &Path, fault: Fault) -> Fault {
        let came = match self.rows {
            0 => String::new(),
            1 => " (1 row before it is decided; run it again, it stays)".to_owned(),
            rows => format!(" ({rows} rows before it are decided; run it again, they stay)"),
        };
        match fault {
            Fault::Failed(why) if self.rows == 0 => Fault::Failed(why),
            Fault::Failed(why) => Fault::Failed(format!("{}: {why}{came}", path.display())),
            Fault::Unavailable(why) => Fault::Unavailable(format!("{why}{came}")),
            other => other,
        }
    }
}

/// A refusal as it helps where parties are imported: that they come first helps nobody there.
fn apt(kind: Kind, mut problem: Refused) -> Refused {
    let better = match problem.refusal {
        Refusal::UnknownParty if kind == Kind::Parties => NO_PARENT,
        Refusal::NoBrand if kind == Kind::Parties => NO_BRAND,
        _ => return problem,
    };
    problem.reason = problem.reason.replace(problem.refusal.sentence(), better);
    problem
}

/// A refused row for people: where, which rule, why.
fn lines(row: &RawRow, problems: &[Refused]) -> String {
    let line = |problem: &Refused| {
        let column = match term::plain(&problem.field) {
            field if field.is_empty() => field,
            field => format!(", {field}"),
        };
        let code = problem.refusal.code();
        format!("row {}{column}: {code}: {}\n", row.record, term::plain(&problem.reason))
    };
    problems.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_parties_is_not_told_to_bring_parties_first() {
        let lost = || Refused::because(Refusal::UnknownParty, "parent_code", "T1");
        let told = apt(Kind::Parties, lost());
        assert_eq!(told.reason, format!("{NO_PARENT} (T1)"));
        assert_eq!(apt(Kind::Parties, Refusal::NoBrand.into()).reason, NO_BRAND);
        assert_eq!(apt(Kind::Sites, lost()), lost());
    }
}
