//! Bringing the schema up to date, once, whoever starts first.
//!
//! A migration is a pair of twins under one name: `migrations/sqlite/V1__name.sql` and
//! `migrations/postgres/V1__name.sql`, listed once with [`migrations!`](crate::migrations), so that
//! neither can be missing. Forward only; an applied file is never edited, which its checksum tells.
//!
//! Each migration is applied in one transaction with its line in `schema_history`. Two processes
//! that start at once do not clash: on SQLite the write lock is held over the whole run; on
//! PostgreSQL a lease row is taken (no advisory locks: distributed engines lack them), and renewing
//! it inside each migration's transaction keeps it locked even when the migration outlasts it.
//!
//! This is not refinery: it has no lock of its own and commits each migration by itself, its macro
//! does not notice a new file without a build script, and its twins are two unrelated lists.

use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::error::EngineError;

/// One schema step for both databases.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The file name without its ending: `V1__ledger`.
    pub name: &'static str,
    /// The text of its SQLite twin; any number of statements.
    pub sqlite: &'static str,
    /// The text of its PostgreSQL twin; any number of statements.
    pub postgres: &'static str,
}

/// Lists migrations by file name, from the crate's `migrations/sqlite` and `migrations/postgres`.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$($crate::engine::Migration {
            name: $name,
            sqlite: include_str!(
                concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $name, ".sql")
            ),
            postgres: include_str!(
                concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $name, ".sql")
            ),
        }),*]
    };
}

/// The same table on both databases.
pub(super) const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_history (\
    version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";

/// A migration with its number and the text for one database.
pub(super) struct Numbered {
    pub version: u32,
    pub name: &'static str,
    pub sql: &'static str,
    pub checksum: String,
}

/// Numbers the migrations, which must be 1, 2, 3 and so on.
pub(super) fn numbered(
    migrations: &[Migration],
    text: impl Fn(&Migration) -> &'static str,
) -> Result<Vec<Numbered>, EngineError> {
    let number = |(i, migration): (usize, &Migration)| {
        let (name, sql) = (migration.name, text(migration));
        let version = name
            .strip_prefix('V')
            .and_then(|rest| rest.split_once("__"))
            .and_then(|(digits, _)| digits.parse::<u32>().ok());
        match version {
            Some(version) if version as usize == i + 1 => {
                Ok(Numbered { version, name, sql, checksum: checksum(sql) })
            }
            _ => Err(EngineError::Migration {
                name: name.to_owned(),
                cause: format!("its place in the list asks for the name V{}__...", i + 1),
            }),
        }
    };
    migrations.iter().enumerate().map(number).collect()
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares what has been applied, in order of version, with what this program knows; returns the
/// migrations still to be applied.
pub(super) fn pending<'m>(
    applied: &[(u32, String)],
    known: &'m [Numbered],
) -> Result<&'m [Numbered], EngineError> {
    let newest = known.last().map_or(0, |last| last.version);
    if let Some((found, _)) = applied.last().filter(|(found, _)| *found > newest) {
        return Err(EngineError::Newer { found: *found, known: newest });
    }
    for ((version, checksum), migration) in applied.iter().zip(known) {
        if (*version, checksum) != (migration.version, &migration.checksum) {
            return Err(EngineError::Diverged(migration.name.to_owned()));
        }
    }
    Ok(known.get(applied.len()..).unwrap_or_default())
}

pub(super) fn run_lite(conn: &mut Connection, migrations: &[Migration]) -> Result<(), EngineError> {
    let known = numbered(migrations, |migration| migration.sqlite)?;
    let cannot = |error: rusqlite::Error| EngineError::Migration {
        name: "schema_history".to_owned(),
        cause: error.to_string(),
    };
    let run = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(cannot)?;
    run.execute_batch(HISTORY).map_err(cannot)?;
    let applied = applied_lite(&run).map_err(cannot)?;
    for migration in pending(&applied, &known)? {
        run.execute_batch(migration.sql)
            .and_then(|()| {
                run.execute(
                    "INSERT INTO schema_history (version, name, checksum) VALUES (?1, ?2, ?3)",
                    params![migration.version, migration.name, migration.checksum],
                )
            })
            .map_err(|error| EngineError::Migration {
                name: migration.name.to_owned(),
                cause: error.to_string(),
            })?;
        tracing::info!(migration = migration.name, "schema step applied");
    }
    run.commit().map_err(cannot)
}

fn applied_lite(conn: &Connection) -> rusqlite::Result<Vec<(u32, String)>> {
    let mut statement =
        conn.prepare("SELECT version, checksum FROM schema_history ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
