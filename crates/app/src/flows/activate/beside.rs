//! What moved the packs around a unit while a start of it was weighed. A commit relies on the unit
//! alone: its packs are filed elsewhere, thousands of units share a pallet, and no start should
//! wait for that of another. So the packs are read once more when the commit is done. What moved
//! them before it is seen then, whose own job may have found no start to look at yet; what moves
//! them after it has a job that finds one.
//!
//! Deliberately absent: a record of starts whose packs are still to be read again. Where a process
//! ends between the two, or the client goes away just then, a start keeps what was found until the
//! next late fact.

use crate::flows::find::unit_number;
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::ship::REDECIDE;
use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, Moves};
use domain::id::EventId;
use jiff::Timestamp;
use store::commit::{Commit, Outbox};

/// Has a unit looked at again, where something moved a pack around it since its custody was read.
/// For after the commit that was decided on that custody; a unit in no pack costs nothing.
///
/// # Errors
/// The store does not answer.
pub(in crate::flows) async fn look_again_where_moved(
    house: &House,
    number: i64,
    read: &CustodyFacts,
) -> Result<(), FlowError> {
    let unit = unit_number(number);
    // What moved the unit itself the commit relied on.
    let own = Moves::new(Vec::new(), read.containments(unit).to_vec());
    if own.inside().is_empty() {
        return Ok(());
    }
    let mut now = CustodyFacts::default();
    house.one_snapshot(house.store.custody_around(number, own, &mut now)).await?;
    let Some(news) = first_news(unit, read, &now) else { return Ok(()) };
    let event = match news.event {
        Some(event) => event,
        None => event_of(house, &news).await?,
    };
    let job = Outbox {
        home: number,
        id: event.0,
        topic: REDECIDE,
        // All starts of this one unit.
        content: "0".to_owned(),
        due_at: news.recorded_at.as_microsecond(),
    };
    match house.store.commit(&Commit { outbox: vec![job], ..Commit::default() }).await {
        // It is on the list already.
        Err(e) if e.is_race() => Ok(()),
        done => Ok(done?),
    }
}

/// Something that was recorded of a pack.
struct News {
    pack: UnitNumber,
    recorded_at: Timestamp,
    /// The event, where the fact names it.
    event: Option<EventId>,
}

/// What was recorded first of the packs around a unit that is not in what was read of them.
fn first_news(unit: UnitNumber, read: &CustodyFacts, now: &CustodyFacts) -> Option<News> {
    let mut news = Vec::new();
    // A pack that was not there before is new by what put another into it.
    for pack in packs_around(unit, now).into_iter().filter(|pack| read.knows(*pack)) {
        let (held, inside) = (read.own_holds(pack), read.containments(pack));
        let moved = |hold: &&Hold| !held.contains(hold);
        let holds = now.own_holds(pack).iter().filter(moved);
        news.extend(holds.map(|hold| {
            let (recorded_at, event) = (hold.recorded_at, Some(hold.event));
            News { pack, recorded_at, event }
        }));
        // Of one that goes on after all the hold of the pack tells, whose paper was taken back.
        let goes_on = |one: &Containment, known: &Containment| {
            let same = (known.parent, known.from) == (one.parent, one.from);
            same && (one.to.is_none() || known.to == one.to)
        };
        let changed = |one: &&Containment| !inside.iter().any(|known| goes_on(one, known));
        let times = now.containments(pack).iter().filter(changed);
        news.extend(times.map(|one| {
            let recorded_at = one.to.unwrap_or(one.from).recorded_at;
            News { pack, recorded_at, event: None }
        }));
    }
    news.into_iter().min_by_key(|news| news.recorded_at)
}

/// Every pack that a unit was ever in, in others too.
fn packs_around(unit: UnitNumber, facts: &CustodyFacts) -> Vec<UnitNumber> {
    let (mut open, mut found) = (vec![unit], Vec::new());
    while let Some(one) = open.pop() {
        for inside in facts.containments(one) {
            if !found.contains(&inside.parent) {
                found.push(inside.parent);
                open.push(inside.parent);
            }
        }
    }
    found
}

/// The event that put a pack into another, or took it out.
async fn event_of(house: &House, news: &News) -> Result<EventId, FlowError> {
    let events = house.store.events_fetch(news.pack.get() as i64).await?;
    let recorded_at = news.recorded_at.as_microsecond();
    let told = events.iter().find(|event| event.recorded_at == recorded_at);
    // A fact without its event would be a damaged ledger; the look is worth more than its name.
    Ok(told.or(events.last()).map_or(EventId([0; 16]), |event| event.id))
}
