//! `export`: trace data for an authority as files with a manifest; `export --verify` checks them
//! without a store. `purge`: drops looks at units past their retention clock.

use super::{Exit, Fault, open, term};
use crate::config::Global;
use crate::flows::audit;
use crate::flows::compliance::export::{Format, ROWS_MAX};
use crate::flows::compliance::export_parts::{self, Cut, ExportError, PartLine};
use crate::flows::compliance::{trace, trace_clock};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes trace data of all units.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The folder to write to; one that holds a part of this export is gone on with
    #[arg(long, value_name = "DIR", required_unless_present = "verify")]
    out: Option<PathBuf>,
    /// Check this folder against its manifest instead (exit 4 when it is not whole)
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    verify: Option<PathBuf>,
    /// csv or ndjson
    #[arg(long, default_value = "csv", value_parser = format)]
    format: Format,
    /// Rows of a part
    #[arg(long, default_value_t = ROWS_MAX as u64,
        value_parser = clap::value_parser!(u64).range(1..=ROWS_MAX as u64))]
    part_rows: u64,
}

fn format(word: &str) -> Result<Format, String> {
    Format::parse(word).ok_or_else(|| "must be csv or ndjson".to_owned())
}

impl From<ExportError> for Fault {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Flow(error) => error.into(),
            ExportError::File(path, error) => Self::file(&path, &error),
            ExportError::Other(why) => Self::failed(why),
        }
    }
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let (dir, checks) = match (&args.verify, &args.out) {
        (Some(dir), _) => (dir, true),
        (None, Some(dir)) => (dir, false),
        (None, None) => return Err(Fault::Usage("say --out DIR".to_owned())),
    };
    if checks {
        return check(dir);
    }
    let house = Arc::new(open::house(global).await?);
    let caller = open::caller(&house, global).await?;
    let part_rows = usize::try_from(args.part_rows).unwrap_or(ROWS_MAX);
    let cut = Cut { format: args.format, part_rows, parts_max: None };
    let meter = term::Meter::default();
    // Counting reads all of them: it is done where somebody watches.
    let total = match term::is_watched() {
        true => Some(trace::count(&house, caller.brand).await?),
        false => None,
    };
    // What an earlier run wrote stands there already; what is wrong with it is told below.
    let begun = export_parts::read(dir).ok().flatten();
    let mut done = begun.map_or(0, |manifest| manifest.total_count);
    meter.tell("units", done, total);
    let mut on_part = |line: &PartLine| {
        meter.line(&format!("{}: {} rows", line.file, line.count));
        done += line.count;
        meter.tell("units", done, total);
    };
    let written = export_parts::write(&house, &caller, dir, cut, &mut on_part).await;
    meter.clear();
    // Who read it is recorded, whether or not it came to the end.
    audit::flush(&house).await?;
    house.store.close().await;
    let manifest = written?;
    let (parts, rows) = (manifest.parts.len(), manifest.total_count);
    term::print(&format!("{rows} units in {parts} parts, as of {}\n", manifest.as_of))?;
    Ok(Exit::Done)
}

fn check(dir: &Path) -> Result<Exit, Fault> {
    let (manifest, problems) = export_parts::verify(dir)?;
    let (parts, rows) = (manifest.parts.len(), manifest.total_count);
    if problems.is_empty() {
        term::print(&format!("whole: {rows} units in {parts} parts, as of {}\n", manifest.as_of))?;
        return Ok(Exit::Done);
    }
    term::print(&(problems.join("\n") + "\n"))?;
    Ok(Exit::No)
}

/// Drops looks at units whose retention clock has run out. The ledger stays whole.
#[derive(clap::Args, Debug)]
pub struct PurgeArgs {
    /// Drop what lies past its clock; nothing else can be dropped
    #[arg(long, required = true)]
    older_than_clock: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub async fn purge(global: &Global, args: PurgeArgs) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let meter = term::Meter::default();
    let tell = |unit, done, total| meter.tell(unit, done, total);
    let purged = trace_clock::purge_told(&house, &caller, args.dry_run, &tell).await;
    meter.clear();
    let purged = purged?;
    house.store.close().await;
    let did = if args.dry_run { "would be dropped" } else { "were dropped" };
    term::print(&format!(
        "{} units looked at, {} past their clock; {} rows of looks {did}\n",
        purged.unit_count, purged.over_count, purged.row_count
    ))?;
    Ok(Exit::Done)
}
