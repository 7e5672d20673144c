//! `export`: trace data for an authority as files with a manifest; `export --verify` checks them
//! without a store. `purge`: drops looks at units past their retention clock.

use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::audit;
use crate::flows::compliance::export::{Format, ROWS_MAX};
use crate::flows::compliance::export_parts::{
    self, Cut, ExportError, MANIFEST, Manifest, PartLine,
};
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
        let rows = words::counted(line.count, ["row", "rows"]);
        meter.line(&format!("{}: {rows}", line.file));
        done += line.count;
        meter.tell("units", done, total);
    };
    let written = export_parts::write(&house, &caller, dir, cut, &mut on_part).await;
    meter.clear();
    // Who read it is recorded, whether or not it came to the end.
    audit::flush(&house).await?;
    house.store.close().await;
    term::print(&format!("{}\n", holds(&written?)))?;
    Ok(Exit::Done)
}

/// What an export holds. Its instant is told in the zone of its manifest: whoever checks it
/// elsewhere knows no other.
fn holds(manifest: &Manifest) -> String {
    let units = words::counted(manifest.total_count, ["unit", "units"]);
    let parts = words::counted(manifest.parts.len(), ["part", "parts"]);
    let as_of = words::minute_utc(&manifest.as_of);
    let as_of = as_of.unwrap_or_else(|| term::plain(&manifest.as_of));
    format!("{units} in {parts}, as of {as_of}")
}

fn check(dir: &Path) -> Result<Exit, Fault> {
    let (manifest, problems) = match export_parts::verify(dir) {
        // A damaged manifest is what is looked for; without one it is another folder.
        Err(ExportError::Other(why)) if dir.join(MANIFEST).exists() => {
            term::print(&format!("{}\n", term::plain(&why)))?;
            return Ok(Exit::No);
        }
        verified => verified?,
    };
    if problems.is_empty() {
        term::print(&format!("whole: {}\n", holds(&manifest)))?;
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
    let looks = match args.dry_run {
        true => ["row of looks would be dropped", "rows of looks would be dropped"],
        false => ["row of looks was dropped", "rows of looks were dropped"],
    };
    let units = words::counted(purged.unit_count, ["unit looked at", "units looked at"]);
    let over = words::counted(purged.over_count, ["past its clock", "past their clock"]);
    let looks = words::counted(purged.row_count, looks);
    term::print(&format!("{units}, {over}; {looks}\n"))?;
    Ok(Exit::Done)
}
