//! `bench`: measures every path that must be fast against a bare baseline; `bench faults` kills a
//! loaded process again and again and judges what is left.

use super::{Exit, Fault, term};
use crate::bench::{self, BenchOptions};
use crate::clock::Clock;
use crate::faults;
use crate::flows::House;
use crate::flows::house::Settings;
use crate::geo::Geo;
use crate::secrets::MasterKey;
use std::path::PathBuf;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;
use store::engine::{SqliteOptions, Target};

/// What `bench` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Units in the store that verify, cold start and memory are measured on
    #[arg(long, default_value_t = 1_000_000)]
    units: u64,
    /// Only rows whose name holds this word: codes, activation, import, pallet, verify
    #[arg(long, default_value = "")]
    only: String,
    /// Keep the large stores here and use them again
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Further benches.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Kill a loaded process at random moments; after each, everything acknowledged must be there
    Faults {
        /// How often
        #[arg(long, default_value_t = 50)]
        rounds: u64,
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
        Some(What::Faults { rounds }) => many_faults(rounds).await,
        Some(What::FaultLoad { dir, round }) => fault_load(dir, round).await,
        None => table(args).await,
    }
}

async fn table(args: Args) -> Result<Exit, Fault> {
    let dir = std::env::temp_dir().join(format!("dossier-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let options =
        BenchOptions { unit_count: args.units, only: args.only, dir: dir.clone(), keep: args.keep };
    let rows = bench::run(&options, &|what| eprintln!("{what}")).await;
    let removed = std::fs::remove_dir_all(&dir);
    let rows = rows.map_err(|e| Fault::failed(e.to_string()))?;
    removed?;
    term::print(&bench::table_text(&rows))?;
    Ok(Exit::Done)
}

async fn open(dir: &std::path::Path) -> Result<House, Fault> {
    let master = MasterKey::from_file_or_new(&dir.join("master.key"))?;
    let geo = Arc::new(Geo::tables_only()?);
    let target = Target::Sqlite { dir: dir.to_owned(), options: SqliteOptions::default() };
    Ok(House::open(&target, master, Clock::System, geo, Settings::default()).await?)
}

async fn fault_load(dir: PathBuf, round: u64) -> Result<Exit, Fault> {
    let house = Arc::new(open(&dir).await?);
    let say = |line: &str| {
        use std::io::Write;
        // Once nobody reads, the process is about to be killed anyway.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    faults::load(&house, round, bench::GTIN, bench::SITE, say).await?;
    Ok(Exit::Done)
}

async fn many_faults(rounds: u64) -> Result<Exit, Fault> {
    let dir = std::env::temp_dir().join(format!("dossier-faults-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let made = bench::plain_brand(&dir).await.map_err(|e| Fault::failed(e.to_string()))?;
    made.store.close().await;
    drop(made);
    let (mut acknowledged, mut wrong) = (0, Vec::new());
    for round in 0..rounds {
        let mut load = Process::new(std::env::current_exe()?);
        load.args(["bench", "fault-load"]).arg(&dir).arg(round.to_string());
        let lifetime = Duration::from_millis(50 + (round * 7_919) % 900);
        let lines = tokio::task::spawn_blocking(move || faults::kill_midway(&mut load, lifetime))
            .await
            .map_err(|e| Fault::failed(e.to_string()))??;
        let house = open(&dir).await?;
        let found = faults::judge(&house, &lines, &std::env::temp_dir()).await?;
        house.store.close().await;
        acknowledged += lines.len();
        eprintln!("round {}: {} acknowledged, {} wrong", round + 1, lines.len(), found.len());
        wrong.extend(found);
    }
    std::fs::remove_dir_all(&dir)?;
    let text = format!("{rounds} kills, {acknowledged} acknowledged, {} wrong\n", wrong.len());
    term::print(&text)?;
    for line in &wrong {
        term::print(&format!("{line}\n"))?;
    }
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::No })
}
