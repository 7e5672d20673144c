//! Registration: a consumer binds a unit to themselves. The first binding of a life stands until
//! somebody proves more; of whoever proves no more nothing is recorded, and they are told so. The
//! person is an opaque reference in the ledger; what they typed is sealed beside it under a key of
//! their own.
//!
//! **What was shown** stands in the ledger alone: a row finds its event by the instant that both
//! were recorded at. A registration that gave way stays its author's, with all they may do with it,
//! and binds nothing.

use crate::flows::custody::{Subject, facts, instant, origin};
use crate::flows::find::unit_number;
use crate::flows::house::{EventDraft, House};
use crate::flows::idempotency::{Answer, Keyed};
use crate::flows::lifecycle::visitor;
use crate::flows::outcome::{FlowError, RACES_MAX};
use crate::flows::persons;
use crate::flows::reference::Reference;
use crate::flows::verify::started_on;
use crate::rules::kept;
use domain::custody::CustodyFacts;
use domain::id::{BrandId, ProductId};
use domain::person::{CONSENT_TEXT, Purpose};
use domain::refusal::{Refusal, Refused};
use domain::registration::{Dated, Proof, Stated, binding, counts, displaced_by};
use domain::retention::Kept;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::commit::{Commit, Relied};
use store::event::{Body, Event};
use store::person::{PersonChange, PersonId, RegistrationRow};
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
    /// To whoever registers, since now; whoever was bound before on less is so no longer.
    Yours,
    /// To whoever registered before and proved no less: nothing was recorded. Whether that was
    /// under the same telephone is not told, nor looked for: who has seen a code could go through
    /// telephones.
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
        if let Some(told) = told_before(house, key).await? {
            return Ok(told);
        }
        let record = house.store.unit_fetch(unit).await?;
        let record = record.ok_or(Refused::new(Refusal::UnknownSubject, "code"))?;
        let registrations = Registrations::fetch(house, unit).await?;
        let stands = registrations.owner();
        if stands.is_some_and(|stands| !registration.proof.outweighs(stands.shown)) {
            // The very same form, sent at once to another process, may be what stands now.
            return Ok(told_before(house, key).await?.unwrap_or(Bound::Before));
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

/// What was answered to the same form before.
async fn told_before(house: &House, key: Option<&Keyed>) -> Result<Option<Bound>, FlowError> {
    let Some(key) = key else { return Ok(None) };
    let answer = key.replay(house).await?;
    let bound = |before| if before { Bound::Before } else { Bound::Yours };
    Ok(answer.map(|answer| bound(answer.reply == Bound::Before.word())))
}

/// The registrations of a unit, in all its lives.
#[derive(Default)]
pub(in crate::flows) struct Registrations {
    /// The earliest first.
    all: Vec<Told>,
    /// When its further lives were recorded to open.
    openings: Vec<i64>,
}

/// A registration with what the ledger tells of it.
struct Told {
    row: RegistrationRow,
    /// What was shown; none where no event tells, or by a word that is not known here.
    shown: Option<Proof>,
    /// How many lives the unit had before.
    life: usize,
}

/// What ended a registration, and when, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flows) enum Ended {
    /// Somebody proved more.
    Displaced {
        /// When.
        at: i64,
        /// Whether the life it was of is over too: then another guarantee runs now.
        life_over: bool,
    },
    /// The unit began a further life.
    LifeOver(i64),
}

impl Registrations {
    /// Reads them; the ledger only where there are any. Whoever was erased is not among them.
    pub(in crate::flows) async fn fetch(house: &House, unit: i64) -> Result<Self, FlowError> {
        let rows = house.store.registrations_fetch(unit).await?;
        if rows.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self::told(rows, &house.store.events_fetch(unit).await?))
    }

    fn told(rows: Vec<RegistrationRow>, events: &[Event]) -> Self {
        let opened = events.iter().filter(|e| matches!(e.body, Body::LifeOpened { .. }));
        let openings: Vec<i64> = opened.map(|event| event.recorded_at).collect();
        let told = |row: RegistrationRow| Told {
            shown: shown(events, row.created_at),
            life: openings.partition_point(|at| *at <= row.created_at),
            row,
        };
        let all = rows.into_iter().map(told).collect();
        Self { all, openings }
    }

    /// The one that binds the unit in its present life.
    fn owner(&self) -> Option<&Told> {
        strongest(&self.of_life(self.openings.len()))
    }

    /// A person's own of the present life: the one that binds, if it is theirs.
    pub(in crate::flows) fn of(&self, person: &PersonId) -> Option<&RegistrationRow> {
        let mut life = self.of_life(self.openings.len());
        life.retain(|told| told.row.person == *person);
        strongest(&life).map(|told| &told.row)
    }

    /// A registration of a person, and behind it what else is theirs of that life of the unit:
    /// whoever registers again and proves more has two.
    pub(in crate::flows) fn with(&self, id: &[u8; 16], person: &PersonId) -> Vec<RegistrationRow> {
        let theirs = self.all.iter().filter(|told| told.row.person == *person);
        let (mut first, others): (Vec<_>, Vec<_>) = theirs.partition(|told| told.row.id == *id);
        let life = first.first().map(|told| told.life);
        first.extend(others.into_iter().filter(|told| Some(told.life) == life));
        first.into_iter().map(|told| told.row.clone()).collect()
    }

    fn ended(&self, row: &RegistrationRow) -> Option<Ended> {
        let told = self.all.iter().find(|told| told.row.id == row.id)?;
        let life = self.of_life(told.life);
        let place = life.iter().position(|other| other.row.id == row.id)?;
        let shown: Vec<_> = life.iter().map(|told| told.shown).collect();
        let next_life = self.openings.get(told.life);
        if let Some(later) = displaced_by(&shown, place) {
            return Some(Ended::Displaced {
                at: life[later].row.created_at,
                life_over: next_life.is_some(),
            });
        }
        next_life.map(|at| Ended::LifeOver(*at))
    }

    fn of_life(&self, life: usize) -> Vec<&Told> {
        self.all.iter().filter(|told| told.life == life).collect()
    }
}

/// The one among registrations of one life that outweighs the others.
fn strongest<'a>(life: &[&'a Told]) -> Option<&'a Told> {
    let shown: Vec<_> = life.iter().map(|told| told.shown).collect();
    binding(&shown).map(|place| life[place])
}

/// What the event of a row says was shown.
fn shown(events: &[Event], created_at: i64) -> Option<Proof> {
    events.iter().filter(|event| event.recorded_at == created_at).find_map(|event| {
        let Body::Registered { proof, .. } = &event.body else { return None };
        Proof::parse(proof)
    })
}

/// What ended a registration as things stand; none while it binds.
pub(in crate::flows) async fn ended(
    house: &House,
    unit: &UnitRecord,
    row: &RegistrationRow,
) -> Result<Option<Ended>, FlowError> {
    let rows = house.store.registrations_fetch(unit.number).await?;
    // Nothing can have ended the only one of a first life.
    if unit.life == 0 && rows.len() < 2 {
        return Ok(None);
    }
    let events = house.store.events_fetch(unit.number).await?;
    Ok(Registrations::told(rows, &events).ended(row))
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
    // The row's instant too: by it the row finds its event.
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
    let custody = facts(house, &reference, &[&Subject::Unit(Box::new(unit.clone()))]).await?;
    let stated = Stated {
        proof: registration.proof,
        purchased_on,
        today: reference.day(BrandId(unit.brand), house.clock.now()),
        produced_on: unit.produced_at.map(day),
        shipped_on: shipped_on(&reference, unit, &custody),
        activated_on: unit.activated_at.map(day),
        network_start: product.is_none_or(|p| p.network_start),
        dated: dated(house, unit).await?,
        runs_from: started_on(house, &reference, unit),
    };
    Ok(counts(&stated).then_some(purchased_on))
}

/// The day a unit left where it was made; none where no shipment of it is known, or not from where.
pub fn shipped_on(
    reference: &Reference,
    unit: &UnitRecord,
    custody: &CustodyFacts,
) -> Option<Date> {
    // Without the hands it began in, the first that are known may be a shop's.
    origin(reference, unit)?;
    let at = custody.first_shipped(unit_number(unit.number), Timestamp::MAX)?;
    Some(reference.day(BrandId(unit.brand), at))
}

/// Which day of purchase counts already. By what a consumer showed who stated one, only the ledger
/// tells: of those events the last, since each takes the place of the one before, and a further
/// life forgets them all.
async fn dated(house: &House, unit: &UnitRecord) -> Result<Dated, FlowError> {
    if unit.invoiced_on.is_some() || unit.delivered_on.is_some() {
        return Ok(Dated::Papers);
    }
    if unit.sold_on.is_none() {
        return Ok(Dated::Nothing);
    }
    let events = house.store.events_fetch(unit.number).await?;
    let shown = events.iter().rev().find_map(|event| match &event.body {
        Body::Registered { proof, sold_on: Some(_), .. } => Some(Proof::parse(proof)),
        _ => None,
    });
    Ok(Dated::Stated(shown.flatten()))
}
