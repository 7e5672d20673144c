//! Reports of suspicion, read by the brand: what visitors wrote lies encrypted beside the ledger
//! and is opened here, as long as it is kept.

use super::alerts::{Wanted, listed};
use super::audit;
use super::caller::Caller;
use super::house::House;
use super::lifecycle::{REPORTED, SUSPICION_LABEL, report_reference};
use super::outcome::FlowError;
use domain::audit::SensitiveRead;
use domain::text::numbers_masked;
use store::canonical::unhex;
use store::finding::AlertRecord;

/// A report.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it stands in the list.
    pub place: AlertRecord,
    /// What its author was given to quote.
    pub reference: String,
    /// What was written, numbers of persons masked; none once it was forgotten.
    pub words: Option<String>,
}

/// The reports about the brand's units, the newest first, and whether there are more.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(Vec<Told>, bool), FlowError> {
    let (found, more) = listed(house, caller, wanted, Some(REPORTED.to_owned())).await?;
    let now = house.clock.now().as_microsecond();
    let mut told = Vec::with_capacity(found.len());
    for place in found {
        let hex = place.dedup_key.rsplit(' ').next().unwrap_or_default().to_owned();
        let id: Option<[u8; 16]> = unhex(&hex).and_then(|bytes| bytes.try_into().ok());
        let sealed = match id {
            Some(id) => house.store.observation_fetch(place.unit, &id, now).await?,
            None => None,
        };
        let words = match sealed {
            Some(sealed) => {
                let text = house.secrets.open(SUSPICION_LABEL, &sealed)?;
                Some(numbers_masked(&String::from_utf8_lossy(&text)))
            }
            None => None,
        };
        told.push(Told { reference: report_reference(&hex), words, place });
    }
    audit::note(house, &caller.into(), SensitiveRead::Reports, "", told.len());
    Ok((told, more))
}
