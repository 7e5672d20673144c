//! Work done later: jobs of the outbox, each taken under a lease, so that any number of processes
//! may look for them and one that dies leaves its jobs to the others.

use super::house::House;
use super::outcome::FlowError;
use super::redecide;
use super::ship::REDECIDE;

/// Jobs taken at a time.
pub const JOBS_MAX: i64 = 64;
/// How long a job is somebody's before others may take it: one minute.
const LEASE_MICROS: i64 = 60 * 1_000_000;

/// Does what is due now. Returns how many jobs were done; [`JOBS_MAX`] means there may be more.
///
/// # Errors
/// The store does not answer. A job that fails by itself is logged and comes again after its lease.
pub async fn run_due(house: &House) -> Result<usize, FlowError> {
    let now = house.clock.now().as_microsecond();
    let mut done = 0;
    for job in house.store.outbox_due(REDECIDE, now, JOBS_MAX).await? {
        if !house.store.outbox_lease(&job, now + LEASE_MICROS).await? {
            continue;
        }
        match redecide::redecide(house, &job).await {
            Ok(_) => house.store.outbox_done(&job).await?,
            Err(error) => tracing::warn!(%error, home = job.home, "a job will be tried again"),
        }
        done += 1;
    }
    Ok(done)
}
