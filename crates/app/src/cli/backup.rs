//! `backup`, `restore`, `doctor`: keeping a store and seeing that it is well.

use super::{Exit, Fault, open, term, words};
use crate::config::{self, Global, KeySource, MASTER_KEY_FILE};
use crate::flows::backup::BackupError;
use crate::flows::changes::Author;
use crate::flows::{audit, backup, doctor};
use crate::geo::{Geo, GeoPaths};
use crate::secrets::MasterKey;
use domain::audit::SensitiveRead;
use domain::id::BrandId;
use std::path::PathBuf;
use store::Store;
use store::engine::{Target, private_folder};

/// How to come by a passphrase where nobody types one.
const NO_PASSPHRASE: &str =
    "there is no passphrase: give --passphrase-file FILE, or a line on standard input";

/// What `backup` takes.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// A folder that does not exist yet
    path: PathBuf,
    /// File with the passphrase that seals the keys; without it you are asked, twice, or it is the
    /// first line of standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The sealed keys alone, for stores that are backed up by other tools
    #[arg(long)]
    keys_only: bool,
}

/// What `restore` takes.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The folder (or key file) a backup was written to
    path: PathBuf,
    /// File with the passphrase; without it you are asked, or it is the first line of standard
    /// input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Only the keys, into a store whose master key is lost: they are sealed under the new one
    #[arg(long)]
    keys_only: bool,
}

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Check the hash of every event, not only of the first thousands
    #[arg(long)]
    all_events: bool,
}

/// Writes a backup while work goes on.
pub async fn backup(global: &Global, args: BackupArgs) -> Result<Exit, Fault> {
    open::must_hold_records(global)?;
    let passphrase = passphrase(args.passphrase_file.as_ref(), &["new passphrase", "once more"])?;
    let house = open::house(global).await?;
    let target = global.target()?;
    let meter = term::Meter::default();
    let tell = |unit, done, total| meter.tell(unit, done, total);
    let written = if args.keys_only {
        backup::export_keys(&house, &args.path, &passphrase).await
    } else {
        backup::backup_told(&house, &target, &args.path, &passphrase, &tell).await
    };
    meter.clear();
    if written.is_ok() {
        let author = Author::operator(BrandId(0));
        audit::note(&house, &author, SensitiveRead::Backup, "", 1);
        audit::flush(&house).await?;
    }
    house.store.close().await;
    written?;
    term::print(&format!("written to {}\n", args.path.display()))?;
    Ok(Exit::Done)
}

/// Brings a backup back into a folder without a store.
pub async fn restore(global: &Global, args: RestoreArgs) -> Result<Exit, Fault> {
    if args.keys_only {
        return restore_keys(global, args).await;
    }
    let dir = match global.target()? {
        Target::Sqlite { dir, .. } => dir,
        Target::Postgres { url } => return restore_database(global, &args, &url).await,
    };
    if config::holds_records(&dir) {
        let there = format!("{} already holds a store; restore into another folder", dir.display());
        return Err(Fault::failed(there));
    }
    let passphrase = passphrase(args.passphrase_file.as_ref(), &["passphrase"])?;
    private_folder(&dir).map_err(|e| Fault::file(&dir, &e))?;
    let file = KeyFile::of(dir.join(MASTER_KEY_FILE));
    let master = MasterKey::from_file_or_new(&file.path)?;
    let meter = term::Meter::default();
    let tell = |unit, done, total| meter.tell(unit, done, total);
    let restored = backup::restore_told(&args.path, &passphrase, &dir, &master, &tell).await;
    meter.clear();
    let restored = file.kept_if(restored)?;
    told(&restored, &dir.display().to_string())
}

/// Brings a backup back into a database without a store.
async fn restore_database(global: &Global, args: &RestoreArgs, url: &str) -> Result<Exit, Fault> {
    let passphrase = passphrase(args.passphrase_file.as_ref(), &["passphrase"])?;
    let (file, master) = master_of(global, &Target::Postgres { url: url.to_owned() })?;
    let scratch = std::env::temp_dir();
    let place = (url, scratch.as_path());
    let meter = term::Meter::default();
    let tell = |unit, done, total| meter.tell(unit, done, total);
    let path = &args.path;
    let restored = backup::restore_database_told(path, &passphrase, place, &master, &tell).await;
    meter.clear();
    let restored = match file {
        Some(file) => file.kept_if(restored)?,
        None => restored?,
    };
    told(&restored, "the database")
}

fn told(restored: &backup::Restored, place: &str) -> Result<Exit, Fault> {
    let agrees = restored.rebuild.agrees();
    let verdict = if agrees { "agree" } else { "do NOT agree" };
    let keys = words::counted(restored.keys, ["key", "keys"]);
    let events = words::counted(restored.rebuild.events, ["event", "events"]);
    term::print(&format!(
        "restored into {place}: {keys} sealed anew, {events}; tables and ledger {verdict}\n"
    ))?;
    if restored.webhooks_off > 0 {
        let off = words::counted(restored.webhooks_off, ["webhook is", "webhooks are"]);
        term::print(&format!(
            "{off} switched off: when the old store sends no more, switch each on with \
             dossier webhook change ID --on\n"
        ))?;
    }
    Ok(if agrees { Exit::Done } else { Exit::No })
}

async fn restore_keys(global: &Global, args: RestoreArgs) -> Result<Exit, Fault> {
    let passphrase = passphrase(args.passphrase_file.as_ref(), &["passphrase"])?;
    let target = global.target()?;
    let (file, master) = master_of(global, &target)?;
    let store = Store::open(&target).await?;
    let sealed = backup::import_keys(&store, &args.path, &passphrase, &master).await;
    store.close().await;
    let count = match file {
        Some(file) => file.kept_if(sealed)?,
        None => sealed?,
    };
    let keys = words::counted(count, ["key", "keys"]);
    term::print(&format!("{keys} sealed under the new master key\n"))?;
    Ok(Exit::Done)
}

/// The master key that takes over, and its file where it has one: made when it is missing.
fn master_of(global: &Global, target: &Target) -> Result<(Option<KeyFile>, MasterKey), Fault> {
    let file = match global.key_source(target)? {
        KeySource::File(path) => KeyFile::of(path),
        KeySource::Folder(dir) => KeyFile::of(dir.join(MASTER_KEY_FILE)),
        KeySource::Variable(digits) => return Ok((None, MasterKey::from_hex(&digits)?)),
    };
    let master = MasterKey::from_file_or_new(&file.path)?;
    Ok((Some(file), master))
}

/// The file of a master key that is made when it is missing.
struct KeyFile {
    path: PathBuf,
    is_new: bool,
}

impl KeyFile {
    fn of(path: PathBuf) -> Self {
        let is_new = !path.exists();
        Self { path, is_new }
    }

    /// Removes the file again when it was made for a backup that did not open: it would stand there
    /// as the key of a store that it does not fit. After a fault of the store nobody knows what was
    /// sealed with it, so it stays.
    fn kept_if<T>(&self, done: Result<T, BackupError>) -> Result<T, Fault> {
        done.map_err(|error| {
            if self.is_new && !matches!(error, BackupError::Flow(_)) {
                let _ = std::fs::remove_file(&self.path);
            }
            error.into()
        })
    }
}

/// Looks at everything that can be wrong with a store.
pub async fn doctor(global: &Global, args: DoctorArgs) -> Result<Exit, Fault> {
    open::must_hold_records(global)?;
    let dir = match global.target()? {
        Target::Sqlite { dir, .. } => Some(dir),
        Target::Postgres { .. } => None,
    };
    let geo = Geo::load(&GeoPaths::default())?;
    let checks = match open::house_to_examine(global, geo, global.settings(None)?).await? {
        Ok(house) => {
            let extent = doctor::Extent { data_dir: dir.as_deref(), all_events: args.all_events };
            let meter = term::Meter::default();
            let tell = |unit, done, total| meter.tell(unit, done, total);
            let checks = doctor::examine_told(&house, extent, &tell).await;
            meter.clear();
            house.store.close().await;
            checks?
        }
        Err(unopened) => vec![unopened],
    };
    let line = |c: &doctor::Check| {
        let mark = match (c.ok, c.is_note) {
            (true, false) => "✓",
            (true, true) => "!",
            (false, _) => "✗",
        };
        format!("{mark} {:<12} {}\n", c.name, to_the_minute(&c.detail))
    };
    term::print(&checks.iter().map(line).collect::<String>())?;
    Ok(if checks.iter().all(|c| c.ok) { Exit::Done } else { Exit::No })
}

/// A finding with the instants in it to the minute: of a clock nobody asks more.
fn to_the_minute(detail: &str) -> String {
    let shorter = |word: &str| {
        let (at, behind) = word.strip_suffix(',').map_or((word, ""), |at| (at, ","));
        words::minute_utc(at).map_or_else(|| word.to_owned(), |at| at + behind)
    };
    detail.split(' ').map(shorter).collect::<Vec<_>>().join(" ")
}

/// The passphrase in a file, or typed by a person who is asked so, or on standard input.
fn passphrase(file: Option<&PathBuf>, asked: &[&str]) -> Result<String, Fault> {
    let unread = |e: std::io::Error| Fault::failed(format!("cannot read the passphrase: {e}"));
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|e| Fault::file(path, &e))?,
        None if term::is_typed() => agreed(&term::unseen(asked).map_err(unread)?)?,
        None => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map_err(unread)?;
            line
        }
    };
    match (text.lines().next().unwrap_or_default(), file) {
        ("", Some(path)) => {
            Err(Fault::failed(format!("{}: its first line is empty", path.display())))
        }
        ("", None) => Err(Fault::failed(NO_PASSPHRASE)),
        (line, _) => Ok(line.to_owned()),
    }
}

/// What was typed each time the same: nobody saw it, and a slip would shut the backup for ever.
fn agreed(lines: &[String]) -> Result<String, Fault> {
    let first = lines.first().cloned().unwrap_or_default();
    match lines.iter().all(|line| *line == first) {
        true => Ok(first),
        false => Err(Fault::failed("the two are not the same; nothing was done, run it again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_a_finding_are_told_to_the_minute() {
        for (detail, told) in [
            ("it shows 2026-12-01T16:31:54.383787Z", "it shows 2026-12-01 16:31 UTC"),
            (
                "it shows 2026-12-01T16:31:54Z, but events were recorded later than that",
                "it shows 2026-12-01 16:31 UTC, but events were recorded later than that",
            ),
            ("12 entries lead to the head", "12 entries lead to the head"),
        ] {
            assert_eq!(to_the_minute(detail), told);
        }
    }
}
