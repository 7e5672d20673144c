//! The lives of a unit, read from its events: those before its present one, and which of them a
//! start is of.

use super::custody::instant;
use super::house::House;
use super::outcome::FlowError;
use domain::activation::is_of_the_unit;
use domain::id::EventId;
use jiff::Timestamp;
use store::canonical::{hex, unhex};
use store::event::{ActivatedBody, Body, Event, Row};
use store::unit::UnitRecord;

/// The life that a start is of, and whether it is the first of it, out of the story of its unit: as
/// it was recorded, unless a life that was told of later took it over, or the unit was made later.
pub fn of_start(story: &[Event], id: EventId, body: &ActivatedBody) -> (i64, bool) {
    let made = story.iter().flat_map(|event| &event.subjects).find_map(|row| match &row.row {
        Row::Commissioned(row) => Some(instant(row.produced_at)),
        _ => None,
    });
    if !is_of_the_unit(instant(body.activated_at), made) {
        return (body.life, false);
    }
    let taken = story.iter().filter_map(|event| match &event.body {
        Body::LifeOpened { life, starts, .. } if !starts.is_empty() => {
            let name = hex(&id.0);
            let place = starts.iter().position(|start| start.activation == name)?;
            Some((*life, place == 0))
        }
        _ => None,
    });
    // It may have been taken over more than once.
    taken.max().unwrap_or((body.life, body.first))
}

/// The lives before the present one: what is needed to judge a report that comes late.
#[derive(Default)]
pub(super) struct Past {
    /// When lives 1, 2 … began.
    pub(super) openings: Vec<Timestamp>,
    /// Of each life that was activated: its number, when first, and by which device.
    pub(super) firsts: Vec<(i64, i64, Option<Vec<u8>>)>,
}

impl Past {
    /// Reads them; the first life has none before it.
    pub(super) async fn load(house: &House, unit: &UnitRecord) -> Result<Self, FlowError> {
        let mut past = Self::default();
        if unit.life == 0 {
            return Ok(past);
        }
        let story = house.store.events_fetch(unit.number).await?;
        for event in &story {
            match &event.body {
                Body::LifeOpened { .. } => past.openings.push(instant(event.happened_at)),
                Body::Activated(body) => {
                    let (life, first) = of_start(&story, event.id, body);
                    let fingerprint = body.fingerprint.as_deref().and_then(unhex);
                    past.firsts.extend(first.then_some((life, body.activated_at, fingerprint)));
                }
                _ => {}
            }
        }
        Ok(past)
    }
}
