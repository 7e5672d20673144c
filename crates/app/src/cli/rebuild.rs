//! `rebuild --check`: replays the whole ledger and compares every table that answers questions.

use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use std::path::{Path, PathBuf};
use store::rebuild::{self, RebuildReport};

/// What `rebuild` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compare only; nothing is written to the store
    #[arg(long, required = true)]
    check: bool,
    /// Where the replay is written; needs as much room as the store's own tables
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Exit 0 when equal, 4 when different.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let _ = args.check;
    open::must_hold_records(global)?;
    let house = open::house(global).await?;
    let scratch = args.scratch.unwrap_or_else(std::env::temp_dir);
    let made = missing(&scratch);
    let meter = term::Meter::default();
    let tell = |unit, done, total| meter.tell(unit, done, total);
    let checked = rebuild::check_told(&house.store, &scratch, &tell).await;
    meter.clear();
    for dir in made {
        // One in which somebody else put something meanwhile is not empty, and stays.
        let _ = std::fs::remove_dir(dir);
    }
    let report = checked?;
    house.store.close().await;
    term::print(&text(&report))?;
    Ok(if report.agrees() { Exit::Done } else { Exit::No })
}

/// The folders on the way to `dir` that are not there yet, the innermost first.
fn missing(dir: &Path) -> Vec<PathBuf> {
    let absent = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    dir.ancestors().take_while(absent).map(Path::to_owned).collect()
}

fn text(report: &RebuildReport) -> String {
    let mut text = words::counted(report.events, ["event", "events"]) + " replayed\n";
    for table in &report.tables {
        let verdict = match table.difference_count {
            0 => "equal".to_owned(),
            n => words::counted(n, ["row DIFFERS", "rows DIFFER"]),
        };
        let line = format!(
            "{:<16} live {:>10}  ledger {:>10}  {verdict}\n",
            table.table, table.live_count, table.rebuilt_count
        );
        text.push_str(&line);
        for difference in &table.first {
            text.push_str(&format!("    {}: {}\n", difference.key, difference.what));
        }
    }
    for event in &report.unreplayed {
        text.push_str(&format!("not replayed: {event}\n"));
    }
    if report.moved && !report.agrees() {
        text.push_str("events were recorded meanwhile: look again in a quiet hour\n");
    }
    text.push_str(if report.agrees() { "equal\n" } else { "different\n" });
    text
}
