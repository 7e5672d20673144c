//! Bulk commands: rows are decided in chunks, and each chunk is one commit; all or nothing is one
//! chunk. A lost race is decided again on fresh rows.

use super::drawn::pause;
use super::house::House;
use super::masterdata::Taking;
use super::outcome::{FlowError, RACES_MAX, RowOutcome};
use super::reference::Reference;
use std::sync::Arc;
use store::commit::Commit;

/// What a chunk is decided on.
pub struct Round {
    /// The reference rows, as fresh as they need be.
    pub reference: Arc<Reference>,
    /// How often the chunk lost a race before.
    pub lost: usize,
}

/// Rounds lost at once before a chunk lets others pass.
const LOST_AT_ONCE: usize = 2;

/// Decides rows and commits what stands. `decide` gives an outcome for every row of its chunk, and
/// the commit that makes them true: one without events writes nothing. Where it sees for itself
/// that somebody was faster, it says so by a conflict.
///
/// # Errors
/// `decide` cannot go on, or the store does not answer; chunks before are recorded.
pub async fn in_chunks<'a, D, F>(
    house: &House,
    drafts: &'a [D],
    (taking, rows_max): (Taking, usize),
    decide: impl Fn(Round, &'a [D]) -> F,
) -> Result<Vec<RowOutcome>, FlowError>
where
    F: Future<Output = Result<(Vec<RowOutcome>, Commit), FlowError>>,
{
    let most = if taking.all_or_nothing { drafts.len().max(1) } else { rows_max };
    let mut outcomes = Vec::with_capacity(drafts.len());
    for chunk in drafts.chunks(most) {
        outcomes.extend(one(house, chunk, taking, &decide).await?);
    }
    Ok(outcomes)
}

async fn one<'a, D, F>(
    house: &House,
    chunk: &'a [D],
    taking: Taking,
    decide: &impl Fn(Round, &'a [D]) -> F,
) -> Result<Vec<RowOutcome>, FlowError>
where
    F: Future<Output = Result<(Vec<RowOutcome>, Commit), FlowError>>,
{
    for lost in 0..RACES_MAX {
        if lost > LOST_AT_ONCE {
            pause(u32::try_from(lost).unwrap_or(u32::MAX)).await?;
        }
        // No row is refused for what another process has just recorded.
        let reference =
            if lost == 0 { house.reference_now().await? } else { house.reload().await? };
        let (mut outcomes, commit) = match decide(Round { reference, lost }, chunk).await {
            Err(FlowError::Store(e)) if e.is_race() => continue,
            decided => decided?,
        };
        let refused = outcomes.iter().any(|o| matches!(o, RowOutcome::Refused(_)));
        if taking.all_or_nothing && refused {
            RowOutcome::all_or_nothing(&mut outcomes);
            return Ok(outcomes);
        }
        if commit.events.is_empty() {
            return Ok(outcomes);
        }
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                if !commit.reference.is_empty() {
                    house.reload().await?;
                }
                return Ok(outcomes);
            }
        }
    }
    Err(FlowError::Busy)
}
