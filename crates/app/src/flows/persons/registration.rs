//! Registration: a consumer binds a unit to themselves. The first binding of a life stands; what a
//! later one states changes nothing, and its author is told so. The person is an opaque reference
//! in the ledger; what they typed is sealed beside it under a key of their own.

use crate::flows::custody::instant;
use crate::flows::house::{EventDraft, House};
use crate::flows::idempotency::{Answer, Keyed};
use crate::flows::lifecycle::visitor;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::persons;
use crate::flows::verify;
use crate::rules::kept;
use domain::id::{BrandId, ProductId};
use domain::person::{CONSENT_TEXT, Purpose};
use domain::refusal::{Refusal, Refused};
use domain::registration::{Proof, Stated, counts};
use domain::retention::Kept;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::commit::{Commit, Relied};
use store::event::Body;
use store::person::{PersonChange, RegistrationRow};
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
    /// Invoice number, where that was the proof.
    pub invoice: String,
    /// What they agreed to.
    pub consents: Vec<Purpose>,
}

/// Under which label particulars are sealed.
pub(in crate::flows) const PARTICULARS_LABEL: &str = "person registration v1";

/// What is kept of a registration, sealed under the person's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Particulars {
    /// Day of purchase as stated, `YYYY-MM-DD`; may be empty.
    pub purchased_on: String,
    /// Invoice number; may be empty.
    pub invoice: String,
}

/// Who the unit is bound to after a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// To whoever registers, since now.
    Yours,
    /// To whoever registered before: nothing was recorded. Whether that was under the same
    /// telephone is not told, nor looked for: who has seen a code could go through telephones.
    Before,
}

impl Bound {
    fn word(self) -> &'static str {
        match self {
            Self::Yours => "",
            Self::Before => "another",
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
            let before = answer.reply == Bound::Before.word();
            return Ok(if before { Bound::Before } else { Bound::Yours });
        }
        let record = house.store.unit_fetch(unit).await?;
        let record = record.ok_or(Refused::new(Refusal::UnknownSubject, "code"))?;
        if owner(house, &record).await?.is_some() {
            return Ok(Bound::Before);
        }
        // Rows of this telephone from before there were persons get one here.
        persons::by_phone(house, record.brand, &registration.phone).await?;
        let mut commit = bind(house, &record, registration).await?;
        let now = house.clock.now().as_microsecond();
        let answer = Answer::new(200, Bound::Yours.word().to_owned());
        commit.idempotency = key.map(|k| k.keep(unit, &answer, now));
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(Bound::Yours),
        }
    }
    Err(FlowError::Busy)
}

/// The registration that binds the unit in its present life. Whoever was erased is bound no longer.
pub(in crate::flows) async fn owner(
    house: &House,
    unit: &UnitRecord,
) -> Result<Option<RegistrationRow>, FlowError> {
    let registrations = house.store.registrations_fetch(unit.number).await?;
    if registrations.is_empty() {
        return Ok(None);
    }
    let since = life_opened_at(house, unit).await?.unwrap_or(i64::MIN);
    Ok(registrations.into_iter().find(|row| row.created_at >= since))
}

/// When the unit's present life was recorded to open; none in its first.
pub(in crate::flows) async fn life_opened_at(
    house: &House,
    unit: &UnitRecord,
) -> Result<Option<i64>, FlowError> {
    if unit.life == 0 {
        return Ok(None);
    }
    let events = house.store.events_fetch(unit.number).await?;
    let opened = events.iter().rfind(|e| matches!(e.body, Body::LifeOpened { .. }));
    Ok(opened.map(|event| event.recorded_at))
}

async fn bind(
    house: &House,
    unit: &UnitRecord,
    registration: &Registration,
) -> Result<Commit, FlowError> {
    // The reference in the ledger is random and leads nowhere, not even to the person's row.
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
    let at = event.recorded_at;
    let made = persons::known_or_fresh(house, unit.brand, &registration.phone, at).await?;
    let (person, mut changes) = made;
    let particulars = Particulars {
        purchased_on: registration.purchased_on.map(|day| day.to_string()).unwrap_or_default(),
        invoice: registration.invoice.clone(),
    };
    changes.push(PersonChange::Register(RegistrationRow {
        unit: unit.number,
        id: house.event_id().0,
        person: person.row.id,
        is_old: false,
        sealed: person.seal(&particulars)?,
        created_at: at,
        review_at: at + kept(Kept::Registration).as_micros() as i64,
    }));
    let given = (at, CONSENT_TEXT);
    let consents = persons::consents(house, &person.row.id, &registration.consents, given).await?;
    changes.extend(consents);
    Ok(Commit {
        relies_on: vec![Relied::Unit { number: unit.number, revision: unit.revision }],
        events: vec![event],
        persons: changes,
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
        dated: verify::is_dated(unit),
    };
    Ok(counts(&stated).then_some(purchased_on))
}
