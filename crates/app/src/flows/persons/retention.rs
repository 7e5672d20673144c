//! How long a registration is kept, the job that ends it, and the record of what was deleted.
//!
//! A registration is kept while it binds the unit and the guarantee runs, and for a term after the
//! earlier of the two ended: it binds until the unit begins a further life, or until somebody
//! proves more. Its row says when to look next; whoever looks decides on the facts of that day, so
//! a guarantee that moved is noticed within a year. A legal hold keeps the row.

use crate::flows::audit::admit;
use crate::flows::caller::Caller;
use crate::flows::custody::{Subject, facts, instant};
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::persons;
use crate::flows::persons::registration::{Ended, ended};
use crate::flows::reference::Reference;
use crate::flows::verify::warranty;
use crate::rules::kept;
use domain::id::BrandId;
use domain::retention::{Kept, RetentionPolicy};
use jiff::{SignedDuration, Timestamp, ToSpan};
use store::commit::Commit;
use store::expiry::RetentionRun;
use store::person::{PersonChange, RegistrationRow};
use store::unit::UnitRecord;

/// Registrations looked at in one run.
const ROWS_MAX: i64 = 500;
/// A registration is looked at as often, whatever it said before.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(365 * 24);
/// One of somebody under a legal hold is looked at again after this.
const HELD_LOOK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Days of runs that are told.
const RUN_DAYS: i32 = 1_100;
/// Runs told at most: each kind has one a day.
const RUNS_MAX: i64 = 10_000;

/// Until when a registration is kept as things stand, by what ended it; none while nothing has an
/// end.
///
/// # Errors
/// The store does not answer.
pub(in crate::flows) async fn kept_until(
    house: &House,
    reference: &Reference,
    unit: &UnitRecord,
    (row, ended): (&RegistrationRow, Option<Ended>),
) -> Result<Option<Timestamp>, FlowError> {
    let term = kept(Kept::Registration);
    let displaced = match ended {
        // The guarantee that ran then is not known any more, and the one that runs now is of the
        // further life. Who gave way before that life gave way first.
        Some(Ended::LifeOver(at) | Ended::Displaced { at, life_over: true }) => {
            return Ok(Some(instant(at) + term));
        }
        Some(Ended::Displaced { at, life_over: false }) => Some(instant(at) + term),
        None => None,
    };
    let subject = Subject::Unit(Box::new(unit.clone()));
    let custody = facts(house, reference, &[&subject]).await?;
    let reading = warranty(house, reference, unit, &custody);
    let covered = reading.known().map(|coverage| {
        let zone = reference.zone(BrandId(unit.brand));
        let next = coverage.ends_on.saturating_add(1.day()).at(0, 0, 0, 0);
        let over = zone.to_timestamp(next).unwrap_or(instant(row.created_at));
        over.max(instant(row.created_at)) + term
    });
    Ok(displaced.into_iter().chain(covered).min())
}

/// Looks at registrations whose time to look has come, and deletes what is needed no longer; with
/// its last registration a person goes too. Returns how many were deleted here. Several processes
/// may do so at once.
///
/// # Errors
/// The store does not answer.
pub async fn review(house: &House) -> Result<usize, FlowError> {
    let now = house.clock.now();
    let due = house.store.registrations_due(now.as_microsecond(), ROWS_MAX).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let reference = house.reference().await?;
    let mut count = 0;
    for row in due {
        count += usize::from(look(house, &reference, row, now).await?);
    }
    Ok(count)
}

/// Whether the row was deleted.
async fn look(
    house: &House,
    reference: &Reference,
    row: RegistrationRow,
    now: Timestamp,
) -> Result<bool, FlowError> {
    let person = persons::by_id(house, &row.person).await?;
    let until = match house.store.unit_fetch(row.unit).await? {
        Some(unit) => {
            let ended = ended(house, &unit, &row).await?;
            kept_until(house, reference, &unit, (&row, ended)).await?
        }
        None => Some(instant(row.created_at) + kept(Kept::Registration)),
    };
    let held = person.as_ref().is_some_and(|p| p.row.held_at.is_some());
    let over = until.is_some_and(|until| until <= now);
    let mut commit = Commit::default();
    if held || !over {
        let next = if held { now + HELD_LOOK } else { until.unwrap_or(Timestamp::MAX) };
        let next = next.min(now + LOOK_EVERY).as_microsecond();
        commit.persons.push(PersonChange::Review(row, next));
    } else {
        if let Some(person) = &person {
            let gone = std::slice::from_ref(&row);
            commit.persons.extend(persons::personal::unbound(house, person, gone).await?);
        } else {
            commit.persons.push(PersonChange::Unbind(row));
        }
        let at = now.as_microsecond();
        commit.retention = Some(RetentionRun::new(Kept::Registration, at, 1, at));
    }
    match house.store.commit(&commit).await {
        // Another process did it, or the person has changed: the next look tells.
        Err(e) if e.is_race() => Ok(false),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(!held && over),
    }
}

/// The terms, and what was deleted under them since three years ago, the latest day first.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
) -> Result<(Vec<RetentionPolicy>, Vec<RetentionRun>), FlowError> {
    admit(house, caller).await?;
    let today = jiff::tz::Offset::UTC.to_datetime(house.clock.now()).date();
    let since = today.saturating_sub(RUN_DAYS.days()).to_string();
    let runs = house.store.retention_runs(&since, RUNS_MAX).await?;
    let policies = house.rules.retention.as_ref().map(|r| r.policies().to_vec());
    Ok((policies.unwrap_or_default(), runs))
}
