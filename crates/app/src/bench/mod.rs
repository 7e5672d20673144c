//! `dossier bench`: every path that must be fast, as a ratio to a bare baseline measured in the
//! same run on the same machine. Benchmarks measure; nothing here is asserted.

mod activation;
mod brand;
mod codes;
mod guess;
mod import;
mod load;
mod pallet;
mod process;
mod processors;
mod rounds;
mod seal;
mod stalls;
mod ticks;
mod verify;

use crate::flows::{FlowError, House};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What to measure, and how large.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Units in the store that verify and cold start are measured on.
    pub unit_count: u64,
    /// Connections that ask to verify at the same time.
    pub connections: usize,
    /// Only rows whose name holds this; all when empty.
    pub only: String,
    /// Where scratch stores are made; removed at the end.
    pub dir: PathBuf,
    /// A large store made by an earlier run, kept and used again.
    pub keep: Option<PathBuf>,
    /// Whether to measure, or only to try whether everything can be measured.
    pub size: Size,
}

/// How much is done for a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// As much as it takes to measure.
    #[default]
    Whole,
    /// As little as tells whether it can be measured; the figures mean nothing.
    Tiny,
}

impl Size {
    fn of<T>(self, whole: T, tiny: T) -> T {
        match self {
            Self::Whole => whole,
            Self::Tiny => tiny,
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which path.
    pub path: &'static str,
    /// Ours, with its unit.
    pub ours: String,
    /// The baseline, with what it is.
    pub baseline: String,
    /// Ours as a share of the baseline, or its multiple; see `wanted`.
    pub ratio: f64,
    /// What the ratio should be.
    pub wanted: &'static str,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Table {
    /// The rows that were measured.
    pub rows: Vec<Measured>,
    /// What could not be, by its name, and why.
    pub failed: Vec<(&'static str, BenchError)>,
}

impl Table {
    fn add(&mut self, name: &'static str, measured: Result<Vec<Measured>, BenchError>) {
        match measured {
            Ok(rows) => self.rows.extend(rows),
            Err(error) => self.failed.push((name, error)),
        }
    }
}

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A flow did not do its work.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The store did not do its work.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The machine did not.
    #[error("{0}")]
    Machine(String),
}

impl From<std::io::Error> for BenchError {
    fn from(error: std::io::Error) -> Self {
        Self::Machine(error.to_string())
    }
}

/// The plain brand's product.
pub const GTIN: &str = "06900000000014";
/// The plain brand's factory.
pub const SITE: &str = "F";
/// The plain brand's distributor.
pub const DISTRIBUTOR: &str = "T1";

/// Gives a new store the plain brand.
///
/// # Errors
/// It cannot be made.
pub async fn plain_brand(house: House) -> Result<Arc<House>, BenchError> {
    Ok(brand::found(house).await?.0)
}

/// What can be measured by itself; the last two come with the one before them.
pub const NAMES: [&str; 9] =
    ["codes", "activation", "import", "pallet", "guess", "seal", "verify", "start", "memory"];

/// Tells the reader what is being measured.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Runs every measurement that `only` names. One that cannot be made takes no other with it.
pub async fn run(options: &BenchOptions, say: Say<'_>) -> Table {
    let mut table = Table::default();
    let wants = |name: &str| options.only.is_empty() || name.contains(&options.only);
    let (dir, size) = (&options.dir, options.size);
    let one = |row: Result<Measured, BenchError>| row.map(|row| vec![row]);
    if wants("codes") {
        say("codes: minting and streaming on one core");
        table.add("codes", one(codes::measure(dir, size).await));
    }
    if wants("activation") {
        say("activation: 64 clients, durable, SQLite");
        table.add("activation", one(activation::measure(dir, size).await));
    }
    if wants("import") {
        say("import: production rows with an SN and two IMEIs");
        table.add("import", one(import::speed(dir, size).await));
        table.add("import", one(import::memory(dir, size).await));
    }
    if wants("pallet") {
        say("pallet: shipping 10,000 units as one");
        table.add("pallet", one(pallet::measure(dir, size).await));
    }
    if wants("guess") {
        say("guess: answers to codes that were never issued");
        table.add("guess", one(guess::measure(dir).await));
    }
    if wants("seal") {
        say("seal: recorded events into the log");
        table.add("seal", one(seal::measure(dir, size).await));
    }
    if wants("verify") || wants("start") || wants("memory") {
        verify::measure(options, say, &mut table).await;
    }
    table
}

/// The table as text.
pub fn table_text(rows: &[Measured]) -> String {
    let mut text =
        String::from("| path | ours | baseline | ratio | wanted |\n|---|---|---|---|---|\n");
    for row in rows {
        let line = format!(
            "| {} | {} | {} | {:.2} | {} |\n",
            row.path, row.ours, row.baseline, row.ratio, row.wanted
        );
        text.push_str(&line);
    }
    text
}

/// Things a second.
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// A rate as people read it.
fn per_second(rate: f64, what: &str) -> String {
    match rate {
        r if r >= 1e6 => format!("{:.1} M {what}/s", r / 1e6),
        r if r >= 1e4 => format!("{:.0} k {what}/s", r / 1e3),
        r if r >= 1e3 => format!("{:.1} k {what}/s", r / 1e3),
        r => format!("{r:.0} {what}/s"),
    }
}

/// The middle of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// An empty scratch folder.
fn scratch(dir: &Path, name: &str) -> Result<PathBuf, BenchError> {
    let path = dir.join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
