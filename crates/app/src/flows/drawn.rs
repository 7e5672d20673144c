//! Numbers drawn ahead of the commit that uses them.
//!
//! A command takes the next numbers of a batch in the commit that binds them, which fails when
//! somebody took them meanwhile. A file of thousands of rows would lose for ever against a line
//! that commits a row every few milliseconds, and lines against one another. So a command that lost
//! once takes its numbers first, in a commit of nothing else, and decides with what is nobody
//! else's. What it does not use is given to nobody: a gap among numbers says nothing.

use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use crate::secrets;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;
use store::commit::{Commit, Draw};
use store::reference::Batch;
use tokio::sync::Mutex;

/// Times that numbers are asked for before the store is called busy.
const TRIES_MAX: u32 = 200;
/// Times after which a pause grows no more: 32 ms at most.
const PAUSES_MAX: u32 = 5;

/// Waits a moment that differs from everybody else's, the longer the oftener it was lost.
///
/// # Errors
/// The system gave no randomness.
pub(super) async fn pause(lost: u32) -> Result<(), FlowError> {
    let [dice] = secrets::random::<1>()?;
    let longest = 1_000_u64 << lost.min(PAUSES_MAX);
    tokio::time::sleep(Duration::from_micros(longest * u64::from(dice) / 255)).await;
    Ok(())
}

/// So many numbers of a range that are not void, or as many as there are, and the one to go on
/// from. Voided ones are passed over together, however many they are.
pub(super) fn free(reference: &Reference, range: Range<i64>, count: usize) -> (Vec<i64>, i64) {
    let end = range.end;
    let mut free = reference.unvoided(range).into_iter().flatten();
    let numbers = free.by_ref().take(count).collect();
    (numbers, free.next().unwrap_or(end))
}

/// What one command drew.
#[derive(Default)]
pub(super) struct DrawnAhead(Mutex<Drawn>);

#[derive(Default)]
struct Drawn {
    /// Somebody else draws from the same batches.
    crowded: bool,
    /// By batch: numbers that are nobody else's, and how many of them this round gave out.
    numbers: BTreeMap<i64, (VecDeque<i64>, usize)>,
}

impl DrawnAhead {
    /// A round of deciding begins: the first of its rows, or one that lost the race before. Whether
    /// numbers are drawn ahead from now on.
    pub async fn begins(&self, round: usize) -> bool {
        let mut drawn = self.0.lock().await;
        for (numbers, given) in drawn.numbers.values_mut() {
            if round == 0 {
                // The rows before have them.
                numbers.drain(..*given);
            }
            *given = 0;
        }
        drawn.crowded |= round > 0;
        drawn.crowded
    }

    /// The next number of a batch, drawn with so many behind it; none where the batch is used up.
    ///
    /// # Errors
    /// [`FlowError::Busy`]; the store does not answer.
    pub async fn next(
        &self,
        house: &House,
        batch: &Batch,
        count: usize,
    ) -> Result<Option<i64>, FlowError> {
        let mut drawn = self.0.lock().await;
        let (numbers, given) = drawn.numbers.entry(batch.id).or_default();
        if numbers.len() == *given {
            numbers.extend(draw(house, batch, count).await?);
        }
        let number = numbers.get(*given).copied();
        *given += usize::from(number.is_some());
        Ok(number)
    }
}

async fn draw(house: &House, batch: &Batch, count: usize) -> Result<Vec<i64>, FlowError> {
    for lost in 0..TRIES_MAX {
        let expected = house.store.draw_fetch(batch.id).await?.unwrap_or(batch.first);
        let reference = house.reference().await?;
        let (numbers, next) = free(&reference, expected..batch.end(), count.max(1));
        if next <= expected {
            return Ok(Vec::new());
        }
        let draws = vec![Draw { batch: batch.id, expected, next }];
        match house.store.commit(&Commit { draws, ..Commit::default() }).await {
            Err(e) if e.is_race() => pause(lost).await?,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(numbers),
        }
    }
    Err(FlowError::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::region::Divisions;
    use store::reference::{ReferenceRows, VoidRow};

    #[test]
    fn what_is_void_is_passed_over_at_once() {
        let void = |first, last| VoidRow { first, last, brand: 1, reason: String::new() };
        let voids = vec![void(10, 50_000_009), void(50_000_012, 50_000_012)];
        let rows = ReferenceRows { voids, ..ReferenceRows::default() };
        let reference = Reference::new(rows, &Divisions::default());
        let of = |range, count| free(&reference, range, count);
        assert_eq!(of(10..50_000_100, 1), (vec![50_000_010], 50_000_011));
        assert_eq!(of(10..50_000_100, 2), (vec![50_000_010, 50_000_011], 50_000_013));
        assert_eq!(of(8..50_000_011, 9), (vec![8, 9, 50_000_010], 50_000_011));
        // A batch whose rest is void is used up.
        assert_eq!(of(20..50_000_010, 5), (vec![], 50_000_010));
        assert_eq!(of(30..30, 5), (vec![], 30));
    }
}
