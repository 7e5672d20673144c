//! Turns: what costs much is done for one party a few at a time, and the rest of what it asks for
//! waits. So nobody who may ask keeps a process busy, or from others who ask.

use super::caller::Caller;
use domain::id::{BrandId, PartyId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Walks over many units that one party has going at once.
pub const WALKS_MAX: usize = 4;
/// Files that one party sends at once.
pub const IMPORTS_MAX: usize = 4;

/// Messages to webhooks that one party sends by hand at once: each may take ten seconds.
pub const ERRANDS_MAX: usize = 4;

/// The turns of every party that took one.
pub struct Turns {
    most: usize,
    parties: Mutex<HashMap<(BrandId, PartyId), Arc<Semaphore>>>,
}

impl Turns {
    /// So many for each party.
    pub fn new(most: usize) -> Self {
        Self { most, parties: Mutex::default() }
    }

    /// A turn of the caller's party, waited for; it ends when it is dropped. None where turns are
    /// not kept any more: then nobody is held up.
    pub async fn take(&self, caller: &Caller) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut parties = self.parties.lock().ok()?;
            let fresh = || Arc::new(Semaphore::new(self.most));
            Arc::clone(parties.entry((caller.brand, caller.party)).or_insert_with(fresh))
        };
        turns.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn one_party_waits_for_itself_alone() {
        let turns = Turns::new(2);
        let of = |party| Caller::operator(BrandId(1), PartyId(party));
        let (one, two) = (of(1), of(2));
        let first = turns.take(&one).await;
        let second = turns.take(&one).await;
        assert!(first.is_some() && second.is_some());
        assert!(turns.take(&one).now_or_never().is_none(), "a third waits");
        assert!(turns.take(&two).now_or_never().is_some(), "another party does not");
        drop(first);
        assert!(turns.take(&one).now_or_never().is_some());
    }
}
