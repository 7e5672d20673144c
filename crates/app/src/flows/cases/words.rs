//! The words of cases: they may name persons, so they lie sealed, each in its place.

use crate::flows::caller::Caller;
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use domain::case::{EntryKind, WORDS_CHARS_MAX};
use domain::refusal::Refused;
use domain::text;
use store::canonical::hex;
use store::case::{CaseId, CaseRow, EntryRow};

/// What was typed, as it is kept.
///
/// # Errors
/// Too long, or with control characters; named by `field`.
pub(super) fn words_of(field: &'static str, raw: &str) -> Result<String, Refused> {
    text::lines(raw, WORDS_CHARS_MAX).map_err(|why| Refused::invalid(field, why))
}

/// Under which label the words of an entry are sealed: they open in its place and no other.
fn label(case: &CaseId, number: i64) -> String {
    format!("dossier case words v1 {} {number}", hex(case))
}

/// The last entry of a case, sealed.
pub(super) fn entry(
    house: &House,
    caller: &Caller,
    row: &CaseRow,
    (kind, words): (EntryKind, &str),
) -> Result<EntryRow, FlowError> {
    let number = row.entry_count;
    Ok(EntryRow {
        case: row.id,
        number,
        brand: row.brand,
        kind: kind.as_str().to_owned(),
        party: caller.party.0,
        actor: caller.actor.clone(),
        said_at: house.clock.now().as_microsecond(),
        sealed: Some(house.secrets.seal(&label(&row.id, number), words.as_bytes())?),
    })
}

/// The words of an entry; none once they were forgotten.
pub(super) fn opened(house: &House, entry: &EntryRow) -> Result<Option<String>, FlowError> {
    let Some(sealed) = &entry.sealed else { return Ok(None) };
    let words = house.secrets.open(&label(&entry.case, entry.number), sealed)?;
    Ok(Some(String::from_utf8_lossy(&words).into_owned()))
}
