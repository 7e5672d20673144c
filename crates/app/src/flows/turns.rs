//! Turns: what costs much is done for one party a few at a time, and the rest of what it asks for
//! waits. So nobody who may ask keeps a process busy, or from others who ask.

use super::caller::Caller;
use domain::id::{BrandId, PartyId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Walks over many units that one party has going at once.
pub const WALKS_MAX: usize = 4;
/// Files that one party sends at once.
pub const IMPORTS_MAX: usize = 4;
/// Files of one party that wait for their turn: each holds a connection.
pub const IMPORTS_WAITING_MAX: usize = 16;

/// Messages to webhooks that one party sends by hand at once: each may take ten seconds.
pub const ERRANDS_MAX: usize = 4;

/// The turns of every party that took one.
pub struct Turns {
    most: usize,
    waiting_most: usize,
    parties: Mutex<HashMap<(BrandId, PartyId), Arc<Party>>>,
}

/// The turns of one party, and how many of its requests wait for one.
struct Party {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A request that waits, counted until it has its turn or is given up.
struct Waiting<'a>(&'a Party);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// More of a party's requests wait than may.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyWait;

impl Turns {
    /// So many for each party, while any number waits.
    pub fn new(most: usize) -> Self {
        Self { most, waiting_most: usize::MAX, parties: Mutex::default() }
    }

    /// The same, while no more than so many wait.
    pub fn while_few_wait(self, waiting_most: usize) -> Self {
        Self { waiting_most, ..self }
    }

    /// A turn of the caller's party, waited for; it ends when it is dropped. None where turns are
    /// not kept any more: then nobody is held up.
    pub async fn take(&self, caller: &Caller) -> Option<OwnedSemaphorePermit> {
        self.try_take(caller).await.ok().flatten()
    }

    /// As [`Turns::take`].
    ///
    /// # Errors
    /// So many of the party wait already.
    pub async fn try_take(
        &self,
        caller: &Caller,
    ) -> Result<Option<OwnedSemaphorePermit>, TooManyWait> {
        let party = {
            let Ok(mut parties) = self.parties.lock() else { return Ok(None) };
            let fresh = || {
                let turns = Arc::new(Semaphore::new(self.most));
                Arc::new(Party { turns, waiting: AtomicUsize::new(0) })
            };
            Arc::clone(parties.entry((caller.brand, caller.party)).or_insert_with(fresh))
        };
        if let Ok(turn) = Arc::clone(&party.turns).try_acquire_owned() {
            return Ok(Some(turn));
        }
        let before = party.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&party);
        if before >= self.waiting_most {
            return Err(TooManyWait);
        }
        Ok(Arc::clone(&party.turns).acquire_owned().await.ok())
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

    #[tokio::test]
    async fn who_waits_is_counted_until_the_turn_comes_or_nobody_wants_it() {
        let turns = Turns::new(1).while_few_wait(2);
        let one = Caller::operator(BrandId(1), PartyId(1));
        let first = turns.take(&one).await;
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(turns.try_take(&one))).collect();
        for wait in &mut waiting {
            assert!(wait.as_mut().now_or_never().is_none(), "it waits");
        }
        assert!(matches!(turns.try_take(&one).now_or_never(), Some(Err(TooManyWait))));
        // Whoever gives up makes room.
        waiting.pop();
        let mut other = Box::pin(turns.try_take(&one));
        assert!(other.as_mut().now_or_never().is_none());
        drop(first);
        let turn = waiting.pop().expect("one still waits").await;
        assert!(turn.is_ok_and(|turn| turn.is_some()));
    }
}
