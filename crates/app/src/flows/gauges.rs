//! What waits in a house just now: for whoever watches it. Reads a few numbers and decides nothing.

use super::house::House;
use super::log;
use super::outcome::FlowError;
use super::webhooks::courier::Done;
use std::time::Duration;
use store::engine::Load;

/// What the process knows by itself, without asking the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Looks dropped since the start.
    pub scans_dropped: u64,
    /// Units whose looks wait to be written.
    pub scans_waiting: usize,
    /// Units the public asked about that were remembered, and that were read, since the start.
    pub glances: (u64, u64),
    /// Since this process last saw that all that was recorded is sealed and signed.
    pub sealed_ago: Duration,
    /// What the engine is busy with.
    pub load: Load,
    /// What this process brought to webhooks.
    pub webhooks: Done,
}

/// What the store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Events that are no entries of the log yet.
    pub unsealed: u64,
    /// Entries under the signed head.
    pub signed: u64,
    /// Jobs of the outbox, due or not.
    pub outbox: u64,
    /// How long the first of them is overdue.
    pub outbox_late: Duration,
    /// How many webhooks stand how.
    pub webhooks: Webhooks,
}

/// How webhooks stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Those that nothing is wrong with.
    pub active: u64,
    /// Those whose next event failed.
    pub retrying: u64,
    /// Those that are switched off.
    pub off: u64,
    /// Entries of the log between the furthest behind that is not off and the end.
    pub behind: u64,
}

/// What the process knows by itself.
pub fn own(house: &House) -> Own {
    Own {
        scans_dropped: house.scans.dropped(),
        scans_waiting: house.scans.waiting_count(),
        glances: house.store.glances_counted(),
        sealed_ago: house.sealing.ago(),
        load: house.store.engine().load(),
        webhooks: house.couriers.done(),
    }
}

/// What the store says.
///
/// # Errors
/// The store cannot be read.
pub async fn waiting(house: &House) -> Result<Waiting, FlowError> {
    let unsealed = house.store.unsealed_count().await?;
    let signed = log::signed_size(house).await?;
    let (outbox, first_due) = house.store.outbox_waiting().await?;
    let now = house.clock.now().as_microsecond();
    let late = first_due.map_or(0, |due| now.saturating_sub(due));
    Ok(Waiting {
        unsealed: u64::try_from(unsealed).unwrap_or(0),
        signed,
        outbox: u64::try_from(outbox).unwrap_or(0),
        outbox_late: Duration::from_micros(u64::try_from(late).unwrap_or(0)),
        webhooks: webhooks(house).await?,
    })
}

async fn webhooks(house: &House) -> Result<Webhooks, FlowError> {
    let reference = house.reference().await?;
    let mut found = Webhooks::default();
    if reference.webhooks().next().is_none() {
        return Ok(found);
    }
    let end = house.store.log_head().await?.tree.size();
    for cursor in house.store.webhook_cursors().await? {
        let Some(row) = reference.webhook(&cursor.webhook) else { continue };
        if !row.is_active {
            found.off += 1;
            continue;
        }
        *(if cursor.failures > 0 { &mut found.retrying } else { &mut found.active }) += 1;
        let seen = u64::try_from(house.couriers.looked(&cursor)).unwrap_or(0);
        found.behind = found.behind.max(end.saturating_sub(seen));
    }
    Ok(found)
}
