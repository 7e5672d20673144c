//! Importing production rows, against the same rows put into the same tables by the bare engine;
//! and a million rows in a process of their own, to see its memory.

use super::{BenchError, Measured, Size, brand, per_second, process, rate, scratch};
use crate::clock::Stopwatch;
use crate::files::{Kind, Table};
use crate::flows::import::{Importer, import};
use crate::flows::masterdata::Taking;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::engine::{Engine, Plan, Row, SqliteOptions, Step, Target, Value};

const ROWS: u64 = 300_000;
const LARGE_ROWS: u64 = 1_000_000;
/// Rows in one transaction of the bare engine: as many as in one of ours.
const GROUP: usize = crate::flows::produce::CHUNK_ROWS;

const UNITS: &str = "SELECT number, brand_id, product_id, batch_id, sn, identifiers, born_hash, \
    produced_at, site_id, line, lot, inspection, disposition, life, suspect, recorded_at, \
    revision FROM unit ORDER BY number";
const UNIT_COLUMNS: &[&str] = &[
    "number",
    "brand_id",
    "product_id",
    "batch_id",
    "sn",
    "identifiers",
    "born_hash",
    "produced_at",
    "site_id",
    "line",
    "lot",
    "inspection",
    "disposition",
    "life",
    "suspect",
    "recorded_at",
    "revision",
];
const SUBJECTS: &str =
    "SELECT subject, event_id, home, content FROM event_subject ORDER BY subject";
const SUBJECT_COLUMNS: &[&str] = &["subject", "event_id", "home", "content"];
const IDENTIFIERS: &str =
    "SELECT value, scheme, scope, unit, from_at FROM identifier ORDER BY unit";
const IDENTIFIER_COLUMNS: &[&str] = &["value", "scheme", "scope", "unit", "from_at"];

/// Measures both.
pub async fn speed(dir: &Path, size: Size) -> Result<Measured, BenchError> {
    let rows = size.of(ROWS, 300);
    let ours_dir = scratch(dir, "import")?;
    let bare_dir = scratch(dir, "import-bare")?;
    let file = write_file(dir, rows)?;
    let (house, _) = brand::open(&ours_dir).await?;
    house
        .store
        .engine()
        .backup_to(&bare_dir.join(store::engine::FILE_NAME))
        .await
        .map_err(machine)?;
    let mut table = Table::from_path(Kind::Production, &file).map_err(machine)?;
    let watch = Stopwatch::start();
    let report =
        import(&house, Importer::Operator(None), &mut table, Taking::default(), &mut |_, _| {})
            .await
            .map_err(machine)?;
    let took = watch.elapsed();
    if report.taken != rows {
        return Err(machine(format!("of {rows} rows {} were taken", report.taken)));
    }
    let ours = rate(rows, took);
    let groups = groups(house.store.engine()).await?;
    house.store.close().await;
    let bare = rate(rows, replay(&bare_dir, groups).await?);
    Ok(Measured {
        path: "import: production rows (SN, two IMEIs)",
        ours: per_second(ours, "rows"),
        baseline: format!("{} (same rows, bare engine)", per_second(bare, "rows")),
        ratio: ours / bare,
        wanted: "≥ 0.5",
    })
}

fn machine(error: impl std::fmt::Display) -> BenchError {
    BenchError::Machine(error.to_string())
}

fn write_file(dir: &Path, rows: u64) -> Result<PathBuf, BenchError> {
    let path = dir.join(format!("production-{rows}.csv"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    file.write_all(brand::PRODUCTION_HEADER.as_bytes())?;
    for number in 0..rows {
        file.write_all(brand::production_line(number).as_bytes())?;
    }
    file.flush()?;
    Ok(path)
}

/// What the import wrote, in transactions as large as its own.
async fn groups(engine: &Engine) -> Result<Vec<Plan>, BenchError> {
    let units = rows(
        engine,
        UNITS,
        "iiiitti".chars().chain("iitttt".chars()).chain("iiii".chars()).collect(),
    )
    .await?;
    let subjects = rows(engine, SUBJECTS, "ibit".chars().collect()).await?;
    let identifiers = rows(engine, IDENTIFIERS, "ttiii".chars().collect()).await?;
    let bulk = |table, columns: &'static [&'static str], rows: &[Vec<Value>]| Step::Bulk {
        table,
        columns,
        values: rows.concat(),
    };
    let per_unit = identifiers.len() / units.len().max(1);
    let groups = units.chunks(GROUP).zip(subjects.chunks(GROUP));
    let groups = groups.zip(identifiers.chunks(GROUP * per_unit.max(1)));
    Ok(groups
        .map(|((units, subjects), identifiers)| {
            Plan::new(vec![
                bulk("event_subject", SUBJECT_COLUMNS, subjects),
                bulk("unit", UNIT_COLUMNS, units),
                bulk("identifier", IDENTIFIER_COLUMNS, identifiers),
            ])
        })
        .collect())
}

async fn rows(
    engine: &Engine,
    sql: &'static str,
    kinds: Vec<char>,
) -> Result<Vec<Vec<Value>>, BenchError> {
    let read = |row: &Row<'_>| {
        kinds
            .iter()
            .enumerate()
            .map(|(i, kind)| match kind {
                'i' => row.opt_int(i).map(Value::from),
                't' => row.opt_text(i).map(Value::from),
                _ => row.opt_bytes(i).map(Value::from),
            })
            .collect::<Result<Vec<Value>, _>>()
    };
    engine.query(sql, &[], read).await.map_err(machine)
}

async fn replay(dir: &Path, groups: Vec<Plan>) -> Result<Duration, BenchError> {
    let target = Target::Sqlite { dir: dir.to_owned(), options: SqliteOptions::default() };
    let store = store::Store::open(&target).await?;
    let watch = Stopwatch::start();
    for plan in groups {
        store.engine().write(plan).await.map_err(machine)?;
    }
    let took = watch.elapsed();
    store.close().await;
    Ok(took)
}

/// The largest anonymous memory of a process that imports a million rows, against a tenth of that.
pub async fn memory(dir: &Path, size: Size) -> Result<Measured, BenchError> {
    let large = size.of(LARGE_ROWS, 1_000);
    let mut peaks = Vec::new();
    for rows in [large / 10, large] {
        let data = scratch(dir, "import-large")?;
        let (house, _) = brand::open(&data).await?;
        house.store.close().await;
        drop(house);
        let file = write_file(dir, rows)?;
        peaks.push(process::import_peak_mib(&data, &file).await?);
        std::fs::remove_file(file)?;
    }
    let [small, large] = peaks[..] else {
        return Err(BenchError::Machine("no memory was measured".to_owned()));
    };
    Ok(Measured {
        path: "import: memory at 1 M rows",
        ours: format!("{large:.0} MiB anonymous"),
        baseline: format!("{small:.0} MiB at 100 k rows"),
        ratio: large / small,
        wanted: "about 1",
    })
}
