//! Registration: a consumer binds a unit to themselves. The first binding of a life stands; what a
//! later one states changes nothing, and its author is told so. The person is an opaque reference
//! in the ledger; what they typed is encrypted beside it.

use super::custody::instant;
use super::house::{EventDraft, House};
use super::idempotency::{Answer, Keyed};
use super::lifecycle::visitor;
use super::outcome::{FlowError, RACES_MAX};
use domain::id::{BrandId, ProductId};
use domain::refusal::{Refusal, Refused};
use domain::registration::{Proof, Stated, counts};
use jiff::civil::Date;
use store::commit::{Commit, Relied, Side};
use store::event::Body;
use store::unit::UnitRecord;

/// What a consumer says when registering.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Telephone, E.164 without spaces.
    pub phone: String,
    /// Day of purchase as stated.
    pub purchased_on: Option<Date>,
    /// Which proof they gave.
    pub proof: Proof,
    /// Particulars kept encrypted: the day stated, invoice number, consents.
    pub particulars: String,
}

/// Who the unit is bound to after a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// To whoever registers, since now or since before.
    Yours,
    /// To somebody who registered before: nothing was recorded.
    Anothers,
}

impl Bound {
    fn word(self) -> &'static str {
        match self {
            Self::Yours => "",
            Self::Anothers => "another",
        }
    }
}

/// Binds a consumer to a unit.
///
/// # Errors
/// The unit is unknown; the store does not answer.
pub async fn register(
    house: &House,
    unit: i64,
    registration: &Registration,
) -> Result<Bound, FlowError> {
    register_once(house, unit, registration, None).await
}

/// As [`register`]; a registration already recorded under the same key is not recorded again.
///
/// # Errors
/// As [`register`].
pub async fn register_once(
    house: &House,
    unit: i64,
    registration: &Registration,
    key: Option<&Keyed>,
) -> Result<Bound, FlowError> {
    for _ in 0..RACES_MAX {
        if let Some(key) = key
            && let Some(answer) = key.replay(house).await?
        {
            let another = answer.reply == Bound::Anothers.word();
            return Ok(if another { Bound::Anothers } else { Bound::Yours });
        }
        let record = house.store.unit_fetch(unit).await?;
        let record = record.ok_or(Refused::new(Refusal::UnknownSubject, "code"))?;
        let person = house.secrets.hash("person", &registration.phone);
        let mut reference = [0; 16];
        reference.copy_from_slice(&person[..16]);
        match owner(house, &record).await? {
            Some(owner) if owner == reference => return Ok(Bound::Yours),
            Some(_) => return Ok(Bound::Anothers),
            None => {}
        }
        let mut commit = bind(house, &record, registration, reference).await?;
        let now = house.clock.now().as_microsecond();
        let answer = Answer { status: 200, reply: Bound::Yours.word().to_owned() };
        commit.idempotency = key.map(|k| k.keep(unit, &answer, now));
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(Bound::Yours),
        }
    }
    Err(FlowError::Busy)
}

/// Who is bound to the unit in its present life. Whoever was erased is bound no longer.
async fn owner(house: &House, unit: &UnitRecord) -> Result<Option<[u8; 16]>, FlowError> {
    let registrations = house.store.registrations_fetch(unit.number).await?;
    if registrations.is_empty() {
        return Ok(None);
    }
    let mut since = i64::MIN;
    if unit.life > 0 {
        let events = house.store.events_fetch(unit.number).await?;
        let opened = events.iter().rfind(|e| matches!(e.body, Body::LifeOpened { .. }));
        since = opened.map_or(since, |event| event.recorded_at);
    }
    let first = registrations.into_iter().find(|(_, at)| *at >= since);
    Ok(first.and_then(|(person, _)| person.try_into().ok()))
}

async fn bind(
    house: &House,
    unit: &UnitRecord,
    registration: &Registration,
    person: [u8; 16],
) -> Result<Commit, FlowError> {
    // The reference in the ledger is random: erasing the side row erases the person.
    let opaque = crate::secrets::random::<16>()?;
    let body = Body::Registered {
        person: store::canonical::hex(&opaque),
        proof: registration.proof.as_str().to_owned(),
        sold_on: counted(house, unit, registration).await?.map(|day| day.to_string()),
    };
    let visitor = visitor(unit.brand);
    let now = house.clock.now();
    let mut event =
        house.event(EventDraft::about(&visitor, unit.number, now, unit.recorded_at, body));
    event.party = None;
    let side = Side::Registration {
        unit: unit.number,
        id: house.event_id().0,
        person,
        sealed: house.secrets.seal("registration v1", registration.particulars.as_bytes())?,
        created_at: event.recorded_at,
    };
    Ok(Commit {
        relies_on: vec![Relied::Unit { number: unit.number, revision: unit.revision }],
        events: vec![event],
        sides: vec![side],
        ..Commit::default()
    })
}

/// The day of purchase, where it starts the guarantee.
async fn counted(
    house: &House,
    unit: &UnitRecord,
    registration: &Registration,
) -> Result<Option<Date>, FlowError> {
    let Some(purchased_on) = registration.purchased_on else { return Ok(None) };
    let reference = house.reference().await?;
    let day = |at| reference.day(BrandId(unit.brand), instant(at));
    let product = reference.product_by_id(ProductId(unit.product));
    let stated = Stated {
        proof: registration.proof,
        purchased_on,
        today: reference.day(BrandId(unit.brand), house.clock.now()),
        produced_on: unit.produced_at.map(day),
        activated_on: unit.activated_at.map(day),
        network_start: product.is_none_or(|p| p.network_start),
        dated: unit.sold_on.is_some(),
    };
    Ok(counts(&stated).then_some(purchased_on))
}
