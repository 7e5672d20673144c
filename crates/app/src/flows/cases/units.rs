//! The units of cases: named by texts, shown as far as the reader may see them, each
//! in one open case.

use crate::flows::access::{self, Sight};
use crate::flows::caller::Caller;
use crate::flows::custody::{self, Subject};
use crate::flows::find::{self, unit_number};
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::reference::Reference;
use domain::case::UNITS_MAX;
use domain::id::PartyId;
use domain::refusal::{Refusal, Refused};
use std::collections::BTreeSet;
use store::canonical::hex;
use store::case::CaseId;
use store::unit::UnitRecord;

/// The units of the brand that texts name, each once, by number. Of what the caller may not see it
/// is told that there is none.
pub(super) async fn named(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    names: &[String],
) -> Result<Vec<i64>, FlowError> {
    if !(1..=UNITS_MAX).contains(&names.len()) {
        return Err(Refused::invalid("units", format!("name 1 to {UNITS_MAX}")).into());
    }
    let mut numbers = BTreeSet::new();
    for name in names {
        numbers.insert(find::subject(house, caller.brand, name, "units").await?);
    }
    let numbers: Vec<_> = numbers.into_iter().collect();
    if seen(house, reference, caller, numbers.clone()).await? != numbers {
        return Err(Refused::new(Refusal::UnknownSubject, "units").into());
    }
    Ok(numbers)
}

/// The units among these that the caller may know of.
pub(super) async fn seen(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    numbers: Vec<i64>,
) -> Result<Vec<i64>, FlowError> {
    let mut subjects = Vec::with_capacity(numbers.len());
    for number in numbers {
        let unit = house.store.unit_fetch(number).await?.filter(|u| u.brand == caller.brand.0);
        subjects.extend(unit.map(|unit| Subject::Unit(Box::new(unit))));
    }
    let all: Vec<_> = subjects.iter().collect();
    let facts = custody::facts(house, reference, &all).await?;
    let reached = |unit: &&UnitRecord| {
        let sight = Sight::of_unit(house, reference, Some(caller), unit, &facts);
        sight.reaches(unit.number, &facts)
    };
    let units = subjects.iter().filter_map(Subject::unit).filter(reached);
    Ok(units.map(|unit| unit.number).collect())
}

/// Refuses units that stand in another open case. Which, is told to whom it concerns.
pub(super) async fn refuse_taken(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (units, but): (&[i64], Option<CaseId>),
) -> Result<(), FlowError> {
    for unit in units {
        let Some(open) = house.store.case_open_of(*unit).await? else { continue };
        if Some(open.case) == but {
            continue;
        }
        let code = code_text(house, *unit);
        let why = match access::concerns(reference, caller, PartyId(open.party)) {
            true => format!("{code} stands in case {}", hex(&open.case)),
            false => code,
        };
        return Err(Refused::because(Refusal::InOpenCase, "units", why).into());
    }
    Ok(())
}

/// The trace code a unit wears.
pub(super) fn code_text(house: &House, unit: i64) -> String {
    house.ring().encode(unit_number(unit)).as_str().to_owned()
}

/// How many they are, as the store counts.
pub(super) fn count(units: &[i64]) -> i64 {
    i64::try_from(units.len()).unwrap_or(i64::MAX)
}
