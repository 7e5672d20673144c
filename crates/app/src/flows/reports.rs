//! Reports of suspicion, read by the brand: what visitors wrote lies encrypted beside the ledger
//! and is opened here, as long as it is kept. Most are about a unit; one about a code that is none
//! of any unit stands among them under the code as it was typed.

use super::alerts::{ALERTS_MAX, Wanted, listed};
use super::audit;
use super::caller::Caller;
use super::house::House;
use super::lifecycle::{NO_HOME, REPORTED, SUSPICION_LABEL, report_reference};
use super::outcome::FlowError;
use domain::audit::SensitiveRead;
use domain::text::{numbers_masked, points_to_a_person};
use store::canonical::unhex;
use store::finding::AlertRecord;

/// Pages of reports looked through for one reference, the newest first.
const PAGES_MAX: usize = 20;
/// Digits of a reference.
const REFERENCE_DIGITS: usize = 8;

/// A report.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it stands in the list.
    pub place: AlertRecord,
    /// Its unit; none where the code is none of any unit.
    pub unit: Option<i64>,
    /// The code as it was typed, where it is none of any unit; none once it was forgotten.
    pub typed: Option<String>,
    /// What its author was given to quote.
    pub reference: String,
    /// What was written, numbers of persons masked and links whole; none once it was forgotten.
    pub words: Option<String>,
}

/// The reports about the brand's units, and about codes of nobody that its people hear of, the
/// newest first, and whether there are more.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(Vec<Told>, bool), FlowError> {
    let (found, more) = listed(house, caller, wanted, Some(REPORTED.to_owned())).await?;
    Ok((opened(house, caller, found).await?, more))
}

/// The reports of a reference: one, or very rarely two. A text that is no reference names none.
///
/// # Errors
/// As [`list`].
pub async fn quoted(
    house: &House,
    caller: &Caller,
    reference: &str,
) -> Result<Vec<Told>, FlowError> {
    let digits = digits_of(reference);
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let most = usize::try_from(ALERTS_MAX).unwrap_or(1);
        let wanted = Wanted { after: after.take(), most, ..Wanted::default() };
        let (page, more) = listed(house, caller, wanted, Some(REPORTED.to_owned())).await?;
        // Whoever may not read them is refused whatever they ask for.
        let Some(digits) = &digits else { break };
        after = page.last().map(|last| (last.due_at, last.unit, last.dedup_key.clone()));
        found.extend(page.into_iter().filter(|place| place.dedup_key.ends_with(digits)));
        if !more {
            break;
        }
    }
    opened(house, caller, found).await
}

/// The digits of a reference, as they end the key of its row; none for any other text.
fn digits_of(reference: &str) -> Option<String> {
    let text = reference.trim().to_ascii_lowercase();
    let digits = text.strip_prefix("r-")?.replace(['-', ' '], "");
    let sound = digits.len() == REFERENCE_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    sound.then_some(digits)
}

/// Whether a text has the form of a reference.
pub(super) fn is_reference(text: &str) -> bool {
    digits_of(text).is_some()
}

/// Opens reports. The look leaves a record.
async fn opened(
    house: &House,
    caller: &Caller,
    found: Vec<AlertRecord>,
) -> Result<Vec<Told>, FlowError> {
    let now = house.clock.now().as_microsecond();
    let mut told = Vec::with_capacity(found.len());
    for place in found {
        let hex = place.dedup_key.rsplit(' ').next().unwrap_or_default().to_owned();
        let id: Option<[u8; 16]> = unhex(&hex).and_then(|bytes| bytes.try_into().ok());
        let sealed = match id {
            Some(id) => house.store.observation_fetch(place.unit, &id, now).await?,
            None => None,
        };
        let unit = Some(place.unit).filter(|unit| *unit != NO_HOME);
        let (mut typed, mut words) = (None, None);
        if let Some(sealed) = sealed {
            let text = house.secrets.open(SUSPICION_LABEL, &sealed)?;
            let text = String::from_utf8_lossy(&text);
            let parts = text.split_once('\n').filter(|_| unit.is_none());
            typed = parts.map(|(code, _)| typed_code(code));
            words = Some(numbers_masked(parts.map_or(&*text, |(_, rest)| rest)));
        }
        told.push(Told { reference: report_reference(&hex), place, unit, typed, words });
    }
    audit::note(house, &caller.into(), SensitiveRead::Reports, "", told.len());
    Ok(told)
}

/// A code as it was typed: whole, since it is what was seen, unless a person's number was typed.
fn typed_code(text: &str) -> String {
    if points_to_a_person(text) { numbers_masked(text) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_was_given_and_nothing_else_is_one() {
        let given = report_reference("00112233445566778899aabbccddeeff");
        assert_eq!(given, "R-CCDD-EEFF");
        for text in [given.as_str(), " r-ccdd-eeff ", "R-CCDDEEFF", "R-CCDD EEFF"] {
            assert_eq!(digits_of(text).as_deref(), Some("ccddeeff"), "{text}");
        }
        for text in ["", "R-", "CCDDEEFF", "R-CCDD-EEF", "R-CCDD-EEFG", "R-CCDD-EEFF0", "RCCDDEEFF"]
        {
            assert_eq!(digits_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_is_told_as_typed_unless_it_is_a_persons_number() {
        let cases = [
            ("X8K2-9M4P-LQ7R-W", "X8K2-9M4P-LQ7R-W"),
            ("4829384729384", "4829384729384"),
            ("13800138000", "*******8000"),
        ];
        for (typed, told) in cases {
            assert_eq!(typed_code(typed), told);
        }
    }
}
