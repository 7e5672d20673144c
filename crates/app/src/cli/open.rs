//! Opening the house for a command: the folder, the master key, the store.
//!
//! `keys rewrap` replaces `DIR/master.key` in three steps (see [`super::keys`]); whoever opens the
//! folder after a crash between them finds the key that fits and finishes the step.

use super::Fault;
use crate::clock::Clock;
use crate::config::{self, Global, KeySource, MASTER_KEY_FILE};
use crate::flows::house::Settings;
use crate::flows::import::operator;
use crate::flows::{Caller, FlowError, House, doctor};
use crate::geo::Geo;
use crate::rules::Rules;
use crate::secrets::{MasterKey, SecretsError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::StoreError;
use store::engine::{EngineError, Target, private_folder};

/// The key that takes over from [`MASTER_KEY_FILE`] while a rewrap is under way.
pub const NEXT_KEY_FILE: &str = "master.key.next";

/// Opens the house without address databases: most commands need none.
pub async fn house(global: &Global) -> Result<House, Fault> {
    let geo = Geo::tables_only()?;
    house_with(global, geo, global.settings(None)?).await
}

/// Opens the house with these geodata and settings.
pub async fn house_with(global: &Global, geo: Geo, settings: Settings) -> Result<House, Fault> {
    Ok(opened(global, geo, settings, false).await??)
}

/// The same for the doctor, who is called when rows are damaged: those are left out. The house is
/// good for looking at and for nothing else. Of a store too damaged to be opened, what is wrong
/// with it.
pub async fn house_to_examine(
    global: &Global,
    geo: Geo,
    settings: Settings,
) -> Result<Result<House, doctor::Check>, Fault> {
    if let Target::Sqlite { dir, .. } = global.target()?
        && let Some(check) = doctor::emptied(&dir)
    {
        return Ok(Err(check));
    }
    match opened(global, geo, settings, true).await? {
        Ok(house) => Ok(Ok(house)),
        Err(error) => match doctor::unopened(&error) {
            Some(check) => Ok(Err(check)),
            None => Err(error.into()),
        },
    }
}

/// Refuses a folder without records. Most commands find none there and say so; one that looks
/// whether records are in order, or copies them, would make an empty store and find nothing wrong.
pub fn must_hold_records(global: &Global) -> Result<(), Fault> {
    match global.target()? {
        Target::Sqlite { dir, .. } if !config::holds_records(&dir) => Err(Fault::failed(format!(
            "there are no records in {}; say where they are with --data DIR or --database URL",
            dir.display()
        ))),
        Target::Sqlite { .. } | Target::Postgres { .. } => Ok(()),
    }
}

/// The house, or why the store did not become one; a fault where a file or setting is wrong.
async fn opened(
    global: &Global,
    geo: Geo,
    settings: Settings,
    even_damaged: bool,
) -> Result<Result<House, FlowError>, Fault> {
    // Before anything is decided by a rule.
    if let Some(dir) = global.policies() {
        Rules::install(&dir).map_err(Fault::failed)?;
    }
    let target = global.target()?;
    let source = global.key_source(&target)?;
    if let Target::Sqlite { dir, .. } = &target {
        make_folder(dir)?;
    }
    let (key, geo) = (read_key(&source)?, Arc::new(geo));
    let opened = House::open(&target, key, Clock::System, Arc::clone(&geo), settings.clone()).await;
    match (opened, &source) {
        (Err(FlowError::Secrets(SecretsError::Wrong)), KeySource::Folder(dir)) => {
            with_next_key(&target, dir, geo, settings).await.map(Ok)
        }
        (Err(FlowError::Store(StoreError::Read(EngineError::Decode(_)))), _) if even_damaged => {
            let key = read_key(&source)?;
            Ok(House::open_damaged(&target, key, Clock::System, geo, settings).await)
        }
        (opened, _) => Ok(opened),
    }
}

/// The operator of the chosen brand, or of the only one.
pub async fn caller(house: &House, global: &Global) -> Result<Caller, Fault> {
    let chosen = global.brand();
    let reference = house.reference_now().await?;
    if let Some(code) = &chosen
        && reference.brand_by_code(code).is_none()
        && !reference.brands.is_empty()
    {
        let mut known: Vec<_> = reference.brands.values().map(|b| b.code.as_str()).collect();
        known.sort_unstable();
        let known = known.join(", ");
        return Err(Fault::failed(format!("--brand {code}: no such brand; there is {known}")));
    }
    Ok(operator(house, chosen.as_deref()).await?)
}

/// Makes the folder, closed to others: it holds the key and people's data.
fn make_folder(dir: &Path) -> Result<(), Fault> {
    private_folder(dir)
        .map_err(|e| Fault::failed(format!("cannot make the folder {}: {e}", dir.display())))
}

/// Reads the master key; a folder without records is given one.
pub(super) fn read_key(source: &KeySource) -> Result<MasterKey, Fault> {
    match source {
        KeySource::File(path) if !path.exists() => Err(Fault::failed(format!(
            "there is no master key in {}; for a new store make one: openssl rand -hex 32 > {}",
            path.display(),
            path.display()
        ))),
        KeySource::File(path) => Ok(MasterKey::from_file(path)?),
        KeySource::Variable(digits) => Ok(MasterKey::from_hex(digits)?),
        KeySource::Folder(dir) => {
            let path = dir.join(MASTER_KEY_FILE);
            if config::holds_records(dir) && !path.exists() {
                return Err(Fault::failed(format!(
                    "{} is missing, and without it the records cannot be opened: \
                     put it back from where you keep it, or say --master-key FILE",
                    path.display()
                )));
            }
            Ok(MasterKey::from_file_or_new(&path)?)
        }
    }
}

/// A rewrap was cut off after the store took the new seal: the next key fits and takes its place.
async fn with_next_key(
    target: &Target,
    dir: &Path,
    geo: Arc<Geo>,
    settings: Settings,
) -> Result<House, Fault> {
    let next = dir.join(NEXT_KEY_FILE);
    if !next.exists() {
        return Err(SecretsError::Wrong.into());
    }
    let key = MasterKey::from_file(&next)?;
    let house = House::open(target, key, Clock::System, geo, settings).await?;
    put_next_key(dir)?;
    Ok(house)
}

/// Puts the next master key in the place of the present one, durably.
pub fn put_next_key(dir: &Path) -> Result<(), Fault> {
    let (next, path) = (dir.join(NEXT_KEY_FILE), dir.join(MASTER_KEY_FILE));
    match std::fs::rename(&next, &path) {
        Ok(()) => sync_folder(dir),
        // Another process that opened the store just now has done it.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Fault::file(&path, &e)),
    }
}

/// Makes a rename or a new file in a folder survive a power cut.
pub fn sync_folder(dir: &Path) -> Result<(), Fault> {
    let synced = std::fs::File::open(dir).and_then(|d| d.sync_all());
    synced.map_err(|e| Fault::file(dir, &e))
}

/// The data folder, when the master key lives in it.
pub fn key_folder(global: &Global) -> Result<Option<PathBuf>, Fault> {
    match global.key_source(&global.target()?)? {
        KeySource::Folder(dir) => Ok(Some(dir)),
        KeySource::File(_) | KeySource::Variable(_) => Ok(None),
    }
}
