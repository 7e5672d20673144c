//! `bench`: measures every path that must be fast against a bare baseline; `bench faults` is in
//! [`super::kills`].

use super::kills::{self, Folder};
use super::{Exit, Fault, term};
use crate::bench::{self, BenchOptions, Size};
use std::path::PathBuf;

/// What `bench` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Units in the store that verify, cold start and memory are measured on
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    units: u64,
    /// Connections that ask to verify at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Only what has this word in its name: codes, activation, import, pallet, guess, seal, verify,
    /// start, memory
    #[arg(long, default_value = "", hide_default_value = true, value_parser = known)]
    only: String,
    /// Keep the large stores here and use them again
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// As little of everything as tells whether it can be measured; the figures mean nothing
    #[arg(long, hide = true)]
    tiny: bool,
}

/// Units of a store that is only tried.
const TINY_UNITS: u64 = 300;

/// A word of `--only`: a wrong one would measure nothing and end well.
fn known(word: &str) -> Result<String, String> {
    match bench::NAMES.iter().any(|name| name.contains(word)) {
        true => Ok(word.to_owned()),
        false => Err(format!("one of {}", bench::NAMES.join(", "))),
    }
}

/// Further benches.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Kill a loaded process at random moments; after each, everything acknowledged must be there
    Faults {
        /// How often
        #[arg(long, default_value_t = 50)]
        rounds: u64,
        /// Kill the PostgreSQL server instead: one of its own, started for this and gone after it
        #[arg(long)]
        postgres: bool,
    },
    /// The process that `faults` kills
    #[command(hide = true)]
    FaultLoad {
        /// Its store
        dir: PathBuf,
        /// Which round
        round: u64,
    },
}

/// Runs the command.
pub async fn run(args: Args) -> Result<Exit, Fault> {
    match args.what {
        Some(What::Faults { rounds, postgres }) => kills::run(rounds, postgres).await,
        Some(What::FaultLoad { dir, round }) => kills::load(dir, round).await,
        None => table(args).await,
    }
}

/// Prints the rows that could be measured; a row that could not be is told of, and ends badly.
async fn table(args: Args) -> Result<Exit, Fault> {
    let folder = Folder::new("bench")?;
    let dir = folder.path().to_owned();
    let options = BenchOptions {
        unit_count: if args.tiny { TINY_UNITS } else { args.units },
        connections: args.connections.into(),
        only: args.only,
        dir,
        keep: args.keep,
        size: if args.tiny { Size::Tiny } else { Size::Whole },
    };
    let table = bench::run(&options, &|what| eprintln!("{what}")).await;
    term::print(&bench::table_text(&table.rows))?;
    if table.failed.is_empty() {
        return Ok(Exit::Done);
    }
    let told: Vec<_> = table.failed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    Err(Fault::failed(format!("not measured: {}", told.join("; "))))
}
