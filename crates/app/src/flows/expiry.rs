//! Forgetting what may only be kept for a while: answers to repeated commands, raw signals and
//! reports, commands whose unit never came, tries of a physical proof, registrations, withdrawn
//! consents, records of sensitive reads. The ledger keeps what was decided on them, and each day
//! the count of what was deleted under each term.
//!
//! No process remembers how far it got. The table of answers is keyed by hashes and gone through in
//! slices, and the time of the day says which slice is due: every answer is looked at once a day,
//! whoever looks, whoever died meanwhile.

use super::house::House;
use super::outcome::FlowError;
use super::persons::retention;
use crate::rules::kept;
use domain::audit::home;
use domain::id::BrandId;
use domain::retention::Kept;
use jiff::Timestamp;
use std::ops::Range;
use store::expiry::{Due, ROWS_MAX};

/// Shares of the answers: one is due for 21 seconds and holds 2,400 of 10 million.
pub const SLICES: u16 = 4096;
/// The small tables are looked through with every so-manieth slice: 64 times a day.
const SMALL_EVERY: u16 = 64;
/// Rounds of [`ROWS_MAX`] rows that one call takes of each table. A backlog of years is taken in
/// many calls, with pauses for others between them.
const ROUNDS_MAX: usize = 8;
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// The slice that is due now.
pub fn slice_now(house: &House) -> Range<u16> {
    let of_day = house.clock.now().as_microsecond().rem_euclid(DAY_MICROS);
    let slice = (of_day * i64::from(SLICES) / DAY_MICROS) as u16;
    slice..slice + 1
}

/// Deletes what has expired: answers of these slices, and what the other tables hold. Returns how
/// many rows were found. Several processes may do so at once.
///
/// # Errors
/// The store does not answer.
pub async fn forget(house: &House, slices: Range<u16>) -> Result<usize, FlowError> {
    let at = house.clock.now();
    let now = at.as_microsecond();
    let mut dues = vec![
        Due::Answers { from: scope_at(slices.start), to: scope_at(slices.end), now },
        Due::Observations { below: first_id_after(at - kept(Kept::Observation)), now },
    ];
    if slices.clone().any(|slice| slice % SMALL_EVERY == 0) {
        dues.push(Due::Waiting { now });
        let before = |term| (at - kept(term)).as_microsecond();
        dues.push(Due::ProofTries { tried_at: before(Kept::ProofTry) });
        dues.push(Due::CaseWords { now });
        dues.push(Due::Consents { withdrawn_at: before(Kept::Consent) });
        let brands: Vec<_> = house.reference().await?.brands.keys().copied().collect();
        for brand in brands.into_iter().chain([BrandId(0)]) {
            let at = before(Kept::AuditRead);
            dues.push(Due::AuditReads { home: home(brand), at });
        }
    }
    let mut count = retention::review(house).await?;
    for due in &dues {
        for _ in 0..ROUNDS_MAX {
            let found = house.store.forget(due, now).await?;
            count += found;
            if found < ROWS_MAX {
                break;
            }
        }
    }
    Ok(count)
}

/// The least scope of a slice. After the last comes what is greater than every hash.
fn scope_at(slice: u16) -> Vec<u8> {
    const WIDTH: u16 = (1 << 15) / (SLICES / 2);
    if slice < SLICES { (slice * WIDTH).to_be_bytes().to_vec() } else { vec![0xff; 33] }
}

/// The least identity given after this millisecond: it begins with the instant (RFC 9562, 5.7).
fn first_id_after(at: Timestamp) -> [u8; 16] {
    let next = u64::try_from(at.as_millisecond()).unwrap_or(0) + 1;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&next.to_be_bytes()[2..]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slices_cover_every_hash_once() {
        assert_eq!(scope_at(0), [0, 0]);
        assert!((0..SLICES).all(|slice| scope_at(slice) < scope_at(slice + 1)));
        assert!(scope_at(SLICES) > vec![0xff; 32]);
        let (last, all) = (u32::from(SLICES - 1), u32::from(u16::MAX) + 1);
        let width = all / u32::from(SLICES);
        assert_eq!(scope_at(SLICES - 1), ((last * width) as u16).to_be_bytes());
    }
}
