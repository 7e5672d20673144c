//! Backups: a folder with a copy of the database and a note of how its keys are sealed. The keys in
//! the copy are sealed anew under a passphrase, so the copy opens without the master key, and the
//! master key never stands beside it. Whoever has the folder and the passphrase has everything.
//!
//! PostgreSQL copies itself better than we could ([`postgres`]); what it cannot do is survive the
//! loss of the master key, so the keys lie in the note beside its dump, and can be exported by
//! themselves for those who archive its log instead.

mod postgres;

use super::changes::{self, Author};
use super::house::House;
use super::outcome::{FlowError, RACES_MAX};
use super::reference::code_key_label;
use crate::clock::Clock;
use crate::secrets::{self, MasterKey, SecretsError};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::id::BrandId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use store::canonical::{hex, unhex};
use store::commit::{Commit, Relied};
use store::engine::{Engine, EngineError, FILE_NAME, SqliteOptions, Target, private_folder};
use store::rebuild::{RebuildReport, Told, UNWATCHED};
use store::reference::{CodeKeyRow, ReferenceChange};
use store::{Store, StoreError};
use zeroize::Zeroizing;

/// The note beside the copy.
pub const NOTE_NAME: &str = "backup.json";
/// The copy of a store on PostgreSQL.
pub const DUMP_NAME: &str = "dossier.dump";
/// Shortest passphrase: it guards every code ever printed.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
/// argon2id: 64 MiB and three passes, the second recommended choice of RFC 9106 §4.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// More than this is not asked of the machine, whatever a note says: 1 GiB, 64 passes.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
/// A note is small; anything larger is none.
const NOTE_BYTES_MAX: u64 = 1 << 20;
/// Bytes hashed at a time.
const READ_BYTES: usize = 1 << 20;

/// Why a backup or restore was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A flow failed.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// Something stands where the result should go.
    #[error("{0} exists already; nothing was overwritten")]
    Exists(String),
    /// The passphrase is too short.
    #[error("the passphrase must have at least {PASSPHRASE_CHARS_MIN} characters")]
    Short,
    /// The passphrase does not open the keys.
    #[error("the passphrase does not open this backup's keys")]
    Passphrase,
    /// The backup is not what was written.
    #[error("this backup is damaged: {0}")]
    Damaged(String),
    /// A backup comes back on the engine it was made of.
    #[error("this backup is of a store on {0}; restore it there")]
    Engine(&'static str),
    /// The database that it should come back into is in use.
    #[error("this database already holds a store; restore into an empty one")]
    Used,
    /// A program that copies the engine did not.
    #[error("{program}: {said}")]
    Program {
        /// Which.
        program: &'static str,
        /// Its words.
        said: String,
    },
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Flow(error.into())
    }
}

impl From<EngineError> for BackupError {
    fn from(error: EngineError) -> Self {
        Self::Flow(StoreError::Read(error).into())
    }
}

impl From<SecretsError> for BackupError {
    fn from(error: SecretsError) -> Self {
        Self::Flow(error.into())
    }
}

/// How keys are sealed under a passphrase.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sealing {
    algorithm: String,
    salt: String,
    memory_kib: u32,
    passes: u32,
}

impl Sealing {
    fn fresh() -> Result<Self, SecretsError> {
        Ok(Self {
            algorithm: "argon2id".to_owned(),
            salt: hex(&secrets::random::<16>()?),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
        })
    }

    /// The key a passphrase gives. Takes a good fraction of a second, on purpose.
    fn key(&self, passphrase: &str) -> Result<MasterKey, BackupError> {
        let bounds = self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX;
        let salt = unhex(&self.salt).filter(|_| bounds && self.algorithm == "argon2id");
        let salt = salt.ok_or_else(|| BackupError::Damaged("its note makes no sense".into()))?;
        let wrong = |e: argon2::Error| BackupError::Damaged(e.to_string());
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(wrong)?;
        let mut key = Zeroizing::new([0; secrets::KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &salt, key.as_mut_slice())
            .map_err(wrong)?;
        Ok(MasterKey::from_hex(&Zeroizing::new(hex(key.as_slice())))?)
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    made_at: String,
    program: String,
    sealing: Sealing,
    /// SHA-256 of the database file or dump, hex.
    sha256: String,
    /// Of a store on PostgreSQL: its keys, which in the dump are sealed under its master key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<SealedKey>>,
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    made_at: String,
    sealing: Sealing,
    keys: Vec<SealedKey>,
}

#[derive(Serialize, Deserialize)]
struct SealedKey {
    epoch: u8,
    created_at: i64,
    sealed: String,
}

impl SealedKey {
    fn open(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        let unreadable =
            || BackupError::Damaged(format!("the key of {} makes no sense", self.epoch));
        let sealed = unhex(&self.sealed).ok_or_else(unreadable)?;
        key.open(&code_key_label(self.epoch), &sealed).map_err(|_| BackupError::Passphrase)
    }
}

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Keys sealed anew.
    pub keys: usize,
    /// Webhooks switched off: the store that was backed up may be sending to them still.
    pub webhooks_off: usize,
    /// Whether the projections are what the ledger says.
    pub rebuild: RebuildReport,
}

/// Writes a backup as of one instant into a new folder, while work goes on.
///
/// # Errors
/// The folder exists; it cannot be written; `target` is not that of the house.
pub async fn backup(
    house: &House,
    target: &Target,
    path: &Path,
    passphrase: &str,
) -> Result<(), BackupError> {
    backup_told(house, target, path, passphrase, UNWATCHED).await
}

/// As [`backup`], and tells how far it is.
///
/// # Errors
/// As [`backup`].
pub async fn backup_told(
    house: &House,
    target: &Target,
    path: &Path,
    passphrase: &str,
    told: Told<'_>,
) -> Result<(), BackupError> {
    long_enough(passphrase)?;
    absent(path)?;
    let partial = Partial::new(beside(path, ".partial"))?;
    let sealing = Sealing::fresh()?;
    let key = sealing.key(passphrase)?;
    told("copying", 0, None);
    let (copied, keys) = match (house.store.engine(), target) {
        (Engine::Lite(_), Target::Sqlite { .. }) => {
            let copied = partial.0.join(FILE_NAME);
            house.store.engine().backup_to(&copied).await?;
            let copy = open(&partial.0).await?;
            reseal(&copy, house.master(), &key).await?;
            sound(&copy, told).await?;
            copy.close().await;
            (copied, None)
        }
        (Engine::Pg(_), Target::Postgres { url }) => {
            let copied = partial.0.join(DUMP_NAME);
            postgres::dump(url, &copied).await?;
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&copied, private).map_err(|e| file(&copied, &e))?;
            // Afterwards: there may be more keys than in the dump, never fewer.
            (copied, Some(sealed_keys(house, &key).await?))
        }
        (Engine::Lite(_), _) => return Err(BackupError::Engine("SQLite")),
        (Engine::Pg(_), _) => return Err(BackupError::Engine("PostgreSQL")),
    };
    let note = Note {
        made_at: house.clock.now().to_string(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        sealing,
        sha256: file_hash(&copied, told)?,
        keys,
    };
    write_new(&partial.0.join(NOTE_NAME), &json(&note)?)?;
    absent(path)?;
    std::fs::rename(&partial.0, path).map_err(|e| file(path, &e))
}

/// Brings a backup back into a folder without a store, its keys sealed under `master`.
///
/// # Errors
/// A store stands there already; the passphrase is wrong; the backup is damaged.
pub async fn restore(
    path: &Path,
    passphrase: &str,
    data_dir: &Path,
    master: &MasterKey,
) -> Result<Restored, BackupError> {
    restore_told(path, passphrase, data_dir, master, UNWATCHED).await
}

/// As [`restore`], and tells how far it is.
///
/// # Errors
/// As [`restore`].
pub async fn restore_told(
    path: &Path,
    passphrase: &str,
    data_dir: &Path,
    master: &MasterKey,
    told: Told<'_>,
) -> Result<Restored, BackupError> {
    let note: Note = read_json(&path.join(NOTE_NAME))?;
    if note.keys.is_some() {
        return Err(BackupError::Engine("PostgreSQL"));
    }
    let (from, to) = (path.join(FILE_NAME), data_dir.join(FILE_NAME));
    absent(&to)?;
    private_folder(data_dir).map_err(|e| file(data_dir, &e))?;
    let partial = Partial::new(data_dir.join("restoring.partial"))?;
    let copied = partial.0.join(FILE_NAME);
    told("copying", 0, None);
    std::fs::copy(&from, &copied).map_err(|e| file(&from, &e))?;
    // A copy has the mode of what was copied, and a backup may have been carried about.
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&copied, private).map_err(|e| file(&copied, &e))?;
    if file_hash(&copied, told)? != note.sha256 {
        return Err(BackupError::Damaged("its database is not the one that was written".into()));
    }
    let key = note.sealing.key(passphrase)?;
    let store = open(&partial.0).await?;
    let keys = match reseal(&store, &key, master).await {
        Err(BackupError::Flow(FlowError::Secrets(SecretsError::Wrong))) => {
            return Err(BackupError::Passphrase);
        }
        other => other?,
    };
    sound(&store, told).await?;
    let webhooks_off = switch_webhooks_off(&store).await?;
    let rebuild = store::rebuild::check_told(&store, &partial.0, told).await?;
    store.close().await;
    drop(store);
    // Unlike a rename, a link never takes the place of a file that appeared meanwhile.
    std::fs::hard_link(&copied, &to).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(to.display().to_string()),
        _ => file(&to, &e),
    })?;
    let synced = std::fs::File::open(&to).and_then(|f| f.sync_all());
    synced.and_then(|()| std::fs::File::open(data_dir)?.sync_all()).map_err(|e| file(&to, &e))?;
    Ok(Restored { keys, webhooks_off, rebuild })
}

/// Brings a backup back into a PostgreSQL database without a store, its keys sealed under `master`.
/// The passphrase and the dump are looked at before anything is written; `place` is the URL of the
/// database, and a folder that the replay may use.
///
/// # Errors
/// As [`restore`]; a program of PostgreSQL is not there, or says why not.
pub async fn restore_database(
    path: &Path,
    passphrase: &str,
    place: (&str, &Path),
    master: &MasterKey,
) -> Result<Restored, BackupError> {
    restore_database_told(path, passphrase, place, master, UNWATCHED).await
}

/// As [`restore_database`], and tells how far it is.
///
/// # Errors
/// As [`restore_database`].
pub async fn restore_database_told(
    path: &Path,
    passphrase: &str,
    (url, scratch): (&str, &Path),
    master: &MasterKey,
    told: Told<'_>,
) -> Result<Restored, BackupError> {
    let note: Note = read_json(&path.join(NOTE_NAME))?;
    let kept = note.keys.ok_or(BackupError::Engine("SQLite"))?;
    let dump = path.join(DUMP_NAME);
    if file_hash(&dump, told)? != note.sha256 {
        return Err(BackupError::Damaged("its dump is not the one that was written".into()));
    }
    let key = note.sealing.key(passphrase)?;
    kept.iter().try_for_each(|one| one.open(&key).map(drop))?;
    if Engine::postgres_holds_store(url).await? {
        return Err(BackupError::Used);
    }
    told("restoring", 0, None);
    postgres::load(url, &dump).await?;
    let store = Store::open(&Target::Postgres { url: url.to_owned() }).await?;
    let keys = take_keys(&store, &kept, &key, master).await?;
    let webhooks_off = switch_webhooks_off(&store).await?;
    let rebuild = store::rebuild::check_told(&store, scratch, told).await?;
    store.close().await;
    Ok(Restored { keys, webhooks_off, rebuild })
}

/// Writes the sealed keys alone into a new file, for stores that are backed up by other tools.
///
/// # Errors
/// The file exists or cannot be written.
pub async fn export_keys(house: &House, path: &Path, passphrase: &str) -> Result<(), BackupError> {
    long_enough(passphrase)?;
    let sealing = Sealing::fresh()?;
    let key = sealing.key(passphrase)?;
    let keys = sealed_keys(house, &key).await?;
    let made_at = house.clock.now().to_string();
    write_new(path, &json(&KeyFile { made_at, sealing, keys })?)
}

/// Every key of a house, sealed under another.
async fn sealed_keys(house: &House, key: &MasterKey) -> Result<Vec<SealedKey>, BackupError> {
    let rows = house.store.reference_load().await?;
    let seal = |row: &CodeKeyRow| -> Result<SealedKey, SecretsError> {
        let label = code_key_label(row.epoch);
        let secret = house.master().open(&label, &row.sealed)?;
        let sealed = hex(&key.seal(&label, &secret)?);
        Ok(SealedKey { epoch: row.epoch, created_at: row.created_at, sealed })
    };
    Ok(rows.code_keys.iter().map(seal).collect::<Result<_, _>>()?)
}

/// Seals exported keys under `master` into a store whose own master key is lost. Only epochs that
/// the store has are replaced.
///
/// # Errors
/// The passphrase is wrong, or the file lacks a key of the store.
pub async fn import_keys(
    store: &Store,
    path: &Path,
    passphrase: &str,
    master: &MasterKey,
) -> Result<usize, BackupError> {
    let kept: KeyFile = read_json(path)?;
    let key = kept.sealing.key(passphrase)?;
    take_keys(store, &kept.keys, &key, master).await
}

async fn take_keys(
    store: &Store,
    kept: &[SealedKey],
    key: &MasterKey,
    master: &MasterKey,
) -> Result<usize, BackupError> {
    change_keys(store, |row| {
        let found = kept.iter().find(|k| k.epoch == row.epoch);
        let lacks = || BackupError::Damaged(format!("it lacks the key of {}", row.epoch));
        let secret = found.ok_or_else(lacks)?.open(key)?;
        Ok(master.seal(&code_key_label(row.epoch), &secret)?)
    })
    .await
}

async fn reseal(store: &Store, old: &MasterKey, new: &MasterKey) -> Result<usize, BackupError> {
    change_keys(store, |row| {
        let label = code_key_label(row.epoch);
        Ok(new.seal(&label, old.open(&label, &row.sealed)?.as_slice())?)
    })
    .await
}

async fn change_keys(
    store: &Store,
    seal: impl Fn(&CodeKeyRow) -> Result<Vec<u8>, BackupError>,
) -> Result<usize, BackupError> {
    for _ in 0..RACES_MAX {
        let rows = store.reference_load().await?;
        let mut sealed = Vec::with_capacity(rows.code_keys.len());
        for row in &rows.code_keys {
            let row = CodeKeyRow { sealed: seal(row)?, ..row.clone() };
            sealed.push(ReferenceChange::CodeKeyRewrapped(row));
        }
        let count = sealed.len();
        let mut commit =
            Commit { relies_on: vec![Relied::Reference(rows.version)], ..Commit::default() };
        let (author, now) = (Author::operator(BrandId(0)), Clock::System.now());
        changes::add_keys(&author, sealed, changes::stamps_from(now), &mut commit);
        match store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(count),
        }
    }
    Err(FlowError::Busy.into())
}

/// A restored store begins with every webhook off: what it would send was sent already, or is being
/// sent by the store it is a copy of.
async fn switch_webhooks_off(store: &Store) -> Result<usize, BackupError> {
    let rows = store.reference_load().await?;
    let active: Vec<_> = rows.webhooks.into_iter().filter(|row| row.is_active).collect();
    let count = active.len();
    if count > 0 {
        let relies_on = vec![Relied::Reference(rows.version)];
        let mut commit = Commit { relies_on, ..Commit::default() };
        let stamps = changes::stamps_from(Clock::System.now());
        changes::add_webhooks_off(active, stamps, &mut commit);
        store.commit(&commit).await?;
    }
    Ok(count)
}

async fn open(dir: &Path) -> Result<Store, BackupError> {
    let options = SqliteOptions::default();
    Ok(Store::open(&Target::Sqlite { dir: dir.to_owned(), options }).await?)
}

async fn sound(store: &Store, told: Told<'_>) -> Result<(), BackupError> {
    told("checking", 0, None);
    match store.engine().integrity_check().await?.first() {
        Some(problem) => Err(BackupError::Damaged(problem.clone())),
        None => Ok(()),
    }
}

/// A folder that is removed unless it was renamed away.
struct Partial(PathBuf);

impl Partial {
    fn new(dir: PathBuf) -> Result<Self, BackupError> {
        // What an interrupted attempt left is of no use to anybody.
        let _ = std::fs::remove_dir_all(&dir);
        private_folder(&dir).map_err(|e| file(&dir, &e))?;
        Ok(Self(dir))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn long_enough(passphrase: &str) -> Result<(), BackupError> {
    let enough = passphrase.chars().count() >= PASSPHRASE_CHARS_MIN;
    enough.then_some(()).ok_or(BackupError::Short)
}

fn absent(path: &Path) -> Result<(), BackupError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(BackupError::Exists(path.display().to_string())),
        Err(_) => Ok(()),
    }
}

fn file(path: &Path, cause: &std::io::Error) -> BackupError {
    BackupError::File { path: path.display().to_string(), cause: cause.to_string() }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec_pretty(value).map_err(|e| StoreError::Record(e.to_string()).into())
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out = made.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(path.display().to_string()),
        _ => file(path, &e),
    })?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(|e| file(path, &e))
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, BackupError> {
    let mut text = Vec::new();
    let opened = std::fs::File::open(path).map_err(|e| file(path, &e))?;
    opened.take(NOTE_BYTES_MAX).read_to_end(&mut text).map_err(|e| file(path, &e))?;
    serde_json::from_slice(&text)
        .map_err(|e| BackupError::Damaged(format!("{}: {e}", path.display())))
}

fn file_hash(path: &Path, told: Told<'_>) -> Result<String, BackupError> {
    let mut input = std::fs::File::open(path).map_err(|e| file(path, &e))?;
    let total = input.metadata().ok().map(|found| found.len() >> 20);
    let mut done = 0;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = input.read(&mut buffer).map_err(|e| file(path, &e))?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
        done += read as u64;
        told("MiB", done >> 20, total);
    }
}
