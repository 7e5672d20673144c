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

/// Runs every measurement that `only` names.
///
/// # Errors
/// The first that could not be made.
pub async fn run(options: &BenchOptions, say: Say<'_>) -> Result<Vec<Measured>, BenchError> {
    let mut table = Vec::new();
    let wants = |name: &str| options.only.is_empty() || name.contains(&options.only);
    if wants("codes") {
        say("codes: minting and streaming on one core");
        table.push(codes::measure());
    }
    if wants("activation") {
        say("activation: 64 clients, durable, SQLite");
        table.push(activation::measure(&options.dir).await?);
    }
    if wants("import") {
        say("import: production rows with an SN and two IMEIs");
        table.extend(import::measure(&options.dir).await?);
    }
    if wants("pallet") {
        say("pallet: shipping 10,000 units as one");
        table.push(pallet::measure(&options.dir).await?);
    }
    if wants("guess") {
        say("guess: answers to codes that were never issued");
        table.push(guess::measure(&options.dir).await?);
    }
    if wants("seal") {
        say("seal: recorded events into the log");
        table.push(seal::measure(&options.dir).await?);
    }
    if wants("verify") || wants("start") || wants("memory") {
        table.extend(verify::measure(options, say).await?);
    }
    Ok(table)
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
