//! `keys`: the code key ring and the master key that seals it.
//!
//! **Rewrap, safe against a crash at any point.** With the key in `DIR/master.key`: (1) the new key
//! is written to `DIR/master.key.next` and made durable; (2) one commit seals every key anew, all
//! or none; (3) the file is renamed over `DIR/master.key`. Before (2) the old key still fits and
//! the next file is of no account; between (2) and (3) only the next key fits, and whoever opens
//! the folder finds that out and does (3) (see [`super::open`]). At no moment does the only fitting
//! key exist in memory alone.

use super::batch::odds;
use super::term::{Paint, table};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::changes::Author;
use crate::flows::custody::instant;
use crate::flows::{House, batches, keys, persons};
use crate::secrets::MasterKey;
use domain::code::Epoch;
use domain::id::BrandId;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is sealed, one and more.
const KEYS: [&str; 2] = ["key", "keys"];

/// The code key ring.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// List the epochs with the codes minted under each
    Status,
    /// Start the next epoch: codes minted from now on use a new key, older ones stay good
    NewEpoch,
    /// Start the next key for telephone hashes and rewrite every hash; one cut off goes on
    RotatePhone,
    /// Seal every key under another master key; no code changes
    Rewrap {
        /// File with the new key, 64 hex digits; made when missing
        #[arg(long, value_name = "FILE")]
        new_master_key: PathBuf,
    },
}

/// Runs the command.
pub async fn run(global: &Global, command: Command) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let text = match command {
        Command::Status => status(&house).await,
        Command::NewEpoch => keys::new_epoch(&house).await.map_err(Fault::from).map(|epoch| {
            let letter = Epoch::new(epoch).map(|e| e.to_string()).unwrap_or_default();
            format!("epoch {epoch}: codes minted from now on begin with {letter}\n")
        }),
        Command::RotatePhone => rotate_phone(&house).await,
        Command::Rewrap { new_master_key } => rewrap(global, &house, &new_master_key).await,
    };
    house.store.close().await;
    term::print(&text?)?;
    Ok(Exit::Done)
}

async fn status(house: &House) -> Result<String, Fault> {
    let reference = house.reference_now().await?;
    let zone = jiff::tz::TimeZone::UTC;
    let row = |key: keys::EpochStatus| {
        let epoch = key.epoch;
        let of_epoch = || reference.batches().iter().filter(move |b| b.epoch == epoch);
        vec![
            key.epoch.to_string(),
            Epoch::new(key.epoch).map(|e| e.to_string()).unwrap_or_default(),
            words::minute(&zone, instant(key.created_at)),
            of_epoch().count().to_string(),
            of_epoch().map(|b| b.count).sum::<i64>().to_string(),
            odds(of_epoch().map(batches::guess_odds).sum()),
            if key.current { "current" } else { "" }.to_owned(),
        ]
    };
    let rows: Vec<_> = keys::epochs(house).await?.into_iter().map(row).collect();
    let header =
        ["epoch", "first character", "made (UTC)", "batches", "codes", "odds of a guess", ""];
    Ok(table(&header, &rows, Paint::for_stdout()))
}

async fn rotate_phone(house: &House) -> Result<String, Fault> {
    let author = Author::operator(BrandId(0));
    let (key, is_new, count) = persons::rotate(house, &author).await?;
    let what = if is_new { "is new" } else { "was begun before" };
    let hashes = words::counted(count, ["hash", "hashes"]);
    Ok(format!("telephone key {key} {what}; {hashes} rewritten under it, none is left\n"))
}

async fn rewrap(global: &Global, house: &House, file: &Path) -> Result<String, Fault> {
    let folder = open::key_folder(global)?;
    let own = |dir: &Path| dir.join(crate::config::MASTER_KEY_FILE).canonicalize().ok();
    let given = file.canonicalize().ok();
    let same = |path: Option<PathBuf>| path.is_some() && path == given;
    if folder.as_deref().is_some_and(|dir| same(own(dir)))
        || same(global.master_key.as_ref().and_then(|p| p.canonicalize().ok()))
    {
        let why = "--new-master-key names the key in use; give the file of another key";
        return Err(Fault::failed(why));
    }
    let key = MasterKey::from_file_or_new(file)?;
    let Some(dir) = folder else {
        let count = keys::rewrap(house, &key).await?;
        let (keys, file) = (words::counted(count, KEYS), file.display());
        return Ok(format!(
            "{keys} sealed anew; from now on use {file}, and restart every running server\n"
        ));
    };
    write_next(&dir, file)?;
    let count = keys::rewrap(house, &key).await?;
    open::put_next_key(&dir)?;
    Ok(format!(
        "{} sealed anew; {} now holds the new key. Keep a copy of it apart from the backups, and \
         restart a running server\n",
        words::counted(count, KEYS),
        dir.join(crate::config::MASTER_KEY_FILE).display()
    ))
}

/// Copies the new key beside the present one, private and durable, whatever was left there before.
fn write_next(dir: &Path, file: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::OpenOptionsExt;
    let next = dir.join(open::NEXT_KEY_FILE);
    let text = std::fs::read(file).map(zeroize::Zeroizing::new);
    let text = text.map_err(|e| Fault::file(file, &e))?;
    let written = (|| {
        match std::fs::remove_file(&next) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(&next)?;
        out.write_all(&text)?;
        out.sync_all()
    })();
    written.map_err(|e| Fault::file(&next, &e))?;
    open::sync_folder(dir)
}
