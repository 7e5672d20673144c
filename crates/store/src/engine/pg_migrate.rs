//! PostgreSQL: the schema steps under a lease, see [`super::migrate`].

use std::time::Duration;
#[allow(clippy::disallowed_types, reason = "a lease between processes needs wall-clock time")]
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::error::{EngineError, random_bits};
use super::migrate::{HISTORY, Migration, Numbered, numbered, pending};
use super::pg::in_full;

/// A holder that has not renewed for so long is taken for dead.
const LEASE: Duration = Duration::from_secs(60);
/// Between two attempts to take the lease.
const LEASE_POLL: Duration = Duration::from_millis(100);
/// Attempts before giving up: ten minutes, for an index over many rows built by another process.
const LEASE_POLLS_MAX: u32 = 6_000;
/// `CREATE TABLE IF NOT EXISTS` fails when two processes run it at the same instant.
const CREATE_TRIES: u32 = 5;

const LEASE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_lease (\
    name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, expires_at BIGINT NOT NULL)";
const TAKE: &str = "INSERT INTO schema_lease (name, holder, expires_at) VALUES ('schema', $1, $2) \
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
    WHERE schema_lease.expires_at < $3";
const RENEW: &str = "UPDATE schema_lease SET expires_at = $2 WHERE name = 'schema' AND holder = $1";
const RELEASE: &str = "DELETE FROM schema_lease WHERE name = 'schema' AND holder = $1";

pub(super) async fn run(client: &Client, migrations: &[Migration]) -> Result<(), EngineError> {
    let known = numbered(migrations, |migration| migration.postgres)?;
    let table = |error: Error| failed("schema_history", &error);
    create(client, HISTORY).await.map_err(table)?;
    // Most starts find nothing to do, and need no lease for that.
    let applied = applied(client).await.map_err(table)?;
    if pending(&applied, &known)?.is_empty() {
        return Ok(());
    }
    create(client, LEASE_TABLE).await.map_err(table)?;
    let holder = format!("{}-{:016x}", std::process::id(), random_bits());
    take_lease(client, &holder).await?;
    let done = apply(client, &known, &holder).await;
    // If this fails the lease runs out by itself.
    let _ = client.execute(RELEASE, &[&holder]).await;
    done
}

async fn take_lease(client: &Client, holder: &str) -> Result<(), EngineError> {
    for _ in 0..LEASE_POLLS_MAX {
        let taken = client.execute(TAKE, &[&holder, &lease_end(), &now()]).await;
        if taken.map_err(|error| failed("schema_lease", &error))? == 1 {
            return Ok(());
        }
        tokio::time::sleep(LEASE_POLL).await;
    }
    Err(EngineError::Open(
        "another process has been changing the schema for ten minutes; try again when it is done"
            .to_owned(),
    ))
}

/// Applies what is missing now that nobody else does.
async fn apply(client: &Client, known: &[Numbered], holder: &str) -> Result<(), EngineError> {
    let applied = applied(client).await.map_err(|error| failed("schema_history", &error))?;
    for migration in pending(&applied, known)? {
        let step = apply_one(client, migration, holder).await;
        if let Err(error) = step {
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(error);
        }
        tracing::info!(migration = migration.name, "schema step applied");
    }
    Ok(())
}

async fn apply_one(client: &Client, step: &Numbered, holder: &str) -> Result<(), EngineError> {
    let failed = |error: Error| failed(step.name, &error);
    client.batch_execute("BEGIN").await.map_err(failed)?;
    // From here to COMMIT the lease row is locked: nobody can take it over.
    let held = client.execute(RENEW, &[&holder, &lease_end()]).await.map_err(failed)?;
    if held != 1 {
        return Err(EngineError::Open(
            "another process has taken over the schema change; start again".to_owned(),
        ));
    }
    client.batch_execute(step.sql).await.map_err(failed)?;
    let record = "INSERT INTO schema_history (version, name, checksum) VALUES ($1, $2, $3)";
    let version = i64::from(step.version);
    let line = client.execute(record, &[&version, &step.name, &step.checksum]).await;
    line.map_err(failed)?;
    client.batch_execute("COMMIT").await.map_err(failed)
}

async fn applied(client: &Client) -> Result<Vec<(u32, String)>, Error> {
    let sql = "SELECT version, checksum FROM schema_history ORDER BY version";
    let rows = client.query(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let version: i64 = row.try_get(0)?;
            Ok((u32::try_from(version).unwrap_or(u32::MAX), row.try_get(1)?))
        })
        .collect()
}

async fn create(client: &Client, sql: &str) -> Result<(), Error> {
    let mut tries = 1;
    loop {
        match client.batch_execute(sql).await {
            Err(error)
                if tries < CREATE_TRIES
                    && matches!(
                        error.code(),
                        Some(
                            &SqlState::UNIQUE_VIOLATION
                                | &SqlState::DUPLICATE_TABLE
                                | &SqlState::DUPLICATE_OBJECT
                        )
                    ) =>
            {
                tries += 1;
            }
            done => return done,
        }
    }
}

fn failed(name: &str, error: &Error) -> EngineError {
    EngineError::Migration { name: name.to_owned(), cause: in_full(error) }
}

fn lease_end() -> i64 {
    now() + i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970, by this machine's clock: between machines whose clocks differ by more
/// than the lease a live holder could be taken for dead, and then fails at its next renewal.
#[allow(clippy::disallowed_types, reason = "a lease between processes needs wall-clock time")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
