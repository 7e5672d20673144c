//! The lives a unit had before its present one, read from its events.

use super::custody::instant;
use super::house::House;
use super::outcome::FlowError;
use jiff::Timestamp;
use store::canonical::unhex;
use store::event::Body;
use store::unit::UnitRecord;

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
        for event in house.store.events_fetch(unit.number).await? {
            match event.body {
                Body::LifeOpened { .. } => past.openings.push(instant(event.happened_at)),
                Body::Activated(body) if body.first => {
                    let fingerprint = body.fingerprint.as_deref().and_then(unhex);
                    past.firsts.push((body.life, body.activated_at, fingerprint));
                }
                _ => {}
            }
        }
        Ok(past)
    }
}
