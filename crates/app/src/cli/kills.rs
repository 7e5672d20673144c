//! `bench faults`: kills a loaded process, or the PostgreSQL server under one, at random moments,
//! and judges each time whether everything acknowledged is there, once. Whether it ends well, badly
//! or by a signal, no process and no folder of it stays behind.

use super::{Exit, Fault, term};
use crate::bench;
use crate::clock::Clock;
use crate::faults::{self, Goods, Round};
use crate::flows::House;
use crate::flows::house::Settings;
use crate::geo::Geo;
use crate::secrets::MasterKey;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;
use store::engine::{SqliteOptions, Target};
use testkit::Postgres;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// What is loaded: the plain brand's.
const GOODS: Goods = Goods { gtin: bench::GTIN, site: bench::SITE, to: bench::DISTRIBUTOR };

/// A folder that goes with its last handle.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one among the temporary files.
    pub fn new(purpose: &str) -> Result<Self, Fault> {
        let name = format!("dossier-{purpose}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        store::engine::private_folder(&path).map_err(|e| Fault::file(&path, &e))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("dossier: {} stays behind: {error}", self.0.display());
        }
    }
}

/// Runs so many rounds on either engine.
pub async fn run(rounds: u64, postgres: bool) -> Result<Exit, Fault> {
    let folder = Arc::new(Folder::new("faults")?);
    let work = async {
        if postgres { server(rounds, &folder).await } else { process(rounds, &folder).await }
    };
    let tally = tokio::select! {
        tally = work => tally?,
        told = stopped() => return Err(told),
    };
    tally.tell(rounds)
}

/// Ends when the terminal or the system asks for it; what was begun is then tidied up.
async fn stopped() -> Fault {
    let cannot = |e: std::io::Error| Fault::failed(format!("cannot listen for signals: {e}"));
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (mut terminate, mut interrupt) = match signals {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return cannot(error),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Fault::failed("stopped before the last round")
}

/// What came of the rounds.
#[derive(Default)]
struct Tally {
    acknowledged: usize,
    wrong: Vec<String>,
}

impl Tally {
    async fn judge(&mut self, round: u64, house: &House, lines: &[String]) -> Result<(), Fault> {
        let found = faults::judge(house, lines, &std::env::temp_dir()).await?;
        eprintln!("round {}: {} acknowledged, {} wrong", round + 1, lines.len(), found.len());
        self.acknowledged += lines.len();
        self.wrong.extend(found);
        Ok(())
    }

    fn tell(&self, rounds: u64) -> Result<Exit, Fault> {
        let Self { acknowledged, wrong } = self;
        let text = format!("{rounds} kills, {acknowledged} acknowledged, {} wrong\n", wrong.len());
        term::print(&text)?;
        for line in wrong {
            term::print(&format!("{line}\n"))?;
        }
        Ok(if wrong.is_empty() { Exit::Done } else { Exit::No })
    }
}

/// 50 to 949 milliseconds, the same in every run.
fn lifetime(round: u64) -> Duration {
    Duration::from_millis(50 + (round * 7_919) % 900)
}

async fn open(target: &Target, dir: &Path) -> Result<House, Fault> {
    let master = MasterKey::from_file_or_new(&dir.join("master.key"))?;
    let geo = Arc::new(Geo::tables_only()?);
    Ok(House::open(target, master, Clock::System, geo, Settings::default()).await?)
}

fn embedded(dir: &Path) -> Target {
    Target::Sqlite { dir: dir.to_owned(), options: SqliteOptions::default() }
}

async fn found(target: &Target, dir: &Path) -> Result<(), Fault> {
    let house = open(target, dir).await?;
    let house = bench::plain_brand(house).await.map_err(|e| Fault::failed(e.to_string()))?;
    house.store.close().await;
    Ok(())
}

/// SQLite: the process is killed.
async fn process(rounds: u64, folder: &Arc<Folder>) -> Result<Tally, Fault> {
    let target = embedded(folder.path());
    found(&target, folder.path()).await?;
    let mut tally = Tally::default();
    for round in 0..rounds {
        let mut load = Process::new(std::env::current_exe()?);
        load.args(["bench", "fault-load"]).arg(folder.path()).arg(round.to_string());
        // The killing outlasts us when we are stopped, and the folder must outlast the killing.
        let held = Arc::clone(folder);
        let killing = tokio::task::spawn_blocking(move || {
            let lines = faults::kill_midway(&mut load, lifetime(round));
            drop(held);
            lines
        });
        let lines = killing.await.map_err(|e| Fault::failed(e.to_string()))?;
        let lines = lines.map_err(|e| Fault::failed(format!("the load: {e}")))?;
        let house = open(&target, folder.path()).await?;
        let judged = tally.judge(round, &house, &lines).await;
        house.store.close().await;
        judged?;
    }
    Ok(tally)
}

/// PostgreSQL: the server is killed under this process.
async fn server(rounds: u64, folder: &Arc<Folder>) -> Result<Tally, Fault> {
    let starting = tokio::task::spawn_blocking(Postgres::start_own);
    // Why it did not start has been told where it failed.
    let server = starting.await.map_err(|_| Fault::failed("PostgreSQL did not start"))?;
    let target = Target::Postgres { url: server.fresh_database().await };
    found(&target, folder.path()).await?;
    let mut tally = Tally::default();
    for number in 0..rounds {
        let round = Round { number, goods: GOODS, lifetime: lifetime(number) };
        let house = Arc::new(open(&target, folder.path()).await?);
        let lines = faults::kill_server_midway(house, &round, || server.kill()).await;
        tokio::task::block_in_place(|| server.start());
        let house = open(&target, folder.path()).await?;
        tally.judge(number, &house, &lines?).await?;
    }
    Ok(tally)
}

/// The process that is killed.
pub async fn load(dir: PathBuf, round: u64) -> Result<Exit, Fault> {
    let house = Arc::new(open(&embedded(&dir), &dir).await?);
    let deserted = Arc::new(Notify::new());
    let told = Arc::clone(&deserted);
    let say = move |line: &str| {
        if writeln!(std::io::stdout(), "{line}").is_err() {
            // Nobody listens: whoever was to kill this process is gone.
            told.notify_one();
        }
    };
    tokio::select! {
        ended = faults::load(&house, round, GOODS, say) => ended?,
        () = deserted.notified() => {}
    }
    Ok(Exit::Done)
}
