//! What a unit answers to: serial numbers that are never another's, and what is noted of them.

use crate::flows::caller::Caller;
use crate::flows::find::{self, scope_of};
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::reference::Reference;
use domain::identifier::{Identifier, Scheme};
use store::commit::{Commit, Relied};
use store::event::{AnswersTo, Body, Event, IdentifierRow};
use store::unit::UnitRecord;

/// Whether a serial number that nobody answers to was another unit's: it is never reused, and may
/// only go back to where it came from.
pub(super) async fn was_anothers(
    house: &House,
    caller: &Caller,
    unit: i64,
    sn: &Identifier,
) -> Result<bool, FlowError> {
    let (scheme, scope) = (Scheme::Sn.as_str(), scope_of(Scheme::Sn, caller.brand));
    if house.store.named_fetch(scheme, scope, sn.value()).await?.is_none() {
        return Ok(false);
    }
    let left = |event: &Event| {
        matches!(&event.body, Body::IdentifierMoved { onto: false, scheme: of, value, .. }
            if of == scheme && value == sn.value())
    };
    Ok(!house.store.events_fetch(unit).await?.iter().any(left))
}

/// What a unit answers to once an identifier went onto it or away.
pub(super) fn answers_to(unit: &UnitRecord, moved: &Identifier, onto: bool) -> AnswersTo {
    let row = IdentifierRow {
        scheme: moved.scheme().as_str().to_owned(),
        value: moved.value().to_owned(),
    };
    let mut names = AnswersTo { identifiers: unit.identifiers.clone(), sn: unit.sn.clone() };
    if moved.scheme() == Scheme::Sn {
        let same = |sn: &String| sn.eq_ignore_ascii_case(moved.value());
        names.sn = match onto {
            true => Some(moved.shown().to_owned()),
            false => names.sn.filter(|sn| !same(sn)),
        };
        return names;
    }
    names.identifiers.retain(|one| *one != row);
    if onto {
        names.identifiers.push(row);
    }
    names
}

/// Notes a serial number that has the form of a trace code before it is bound; false when others
/// changed the reference rows meanwhile.
pub(super) async fn noted_code_like(
    house: &House,
    reference: &Reference,
    sn: &Identifier,
) -> Result<bool, FlowError> {
    let relies_on = vec![Relied::Reference(reference.version)];
    let mut commit = Commit { relies_on, ..Commit::default() };
    find::note_code_like(reference, std::iter::once(sn.value()), &mut commit);
    if commit.reference.is_empty() {
        return Ok(true);
    }
    let noted = house.store.commit(&commit).await;
    house.reload().await?;
    match noted {
        Err(e) if e.is_race() => Ok(false),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(true),
    }
}
