//! Loading custody: what moved a subject and every pack it was ever in, with the production hold
//! that every unit starts from.

use super::find::unit_number;
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::custody::{CustodyFacts, Hold, HoldKind, Moment};
use domain::id::{EventId, PartyId, ProductId, SiteId};
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use store::commit::Relied;
use store::unit::{PackRecord, UnitRecord};

/// A unit or a pack.
#[derive(Clone, Debug)]
pub enum Subject {
    /// One unit.
    Unit(Box<UnitRecord>),
    /// One pack.
    Pack(PackRecord),
}

impl Subject {
    /// Its number.
    pub fn number(&self) -> i64 {
        match self {
            Self::Unit(unit) => unit.number,
            Self::Pack(pack) => pack.number,
        }
    }

    /// When its last event was recorded.
    pub fn recorded_at(&self) -> i64 {
        match self {
            Self::Unit(unit) => unit.recorded_at,
            Self::Pack(pack) => pack.recorded_at,
        }
    }

    /// What a commit that moves it relies on.
    pub fn relied(&self) -> Relied {
        match self {
            Self::Unit(u) => Relied::Unit { number: u.number, revision: u.revision },
            Self::Pack(p) => Relied::Pack { number: p.number, revision: p.revision },
        }
    }

    /// The products it is or holds.
    pub fn products(&self) -> Vec<ProductId> {
        match self {
            Self::Unit(unit) => vec![ProductId(unit.product)],
            Self::Pack(pack) => pack.products.iter().map(|p| ProductId(*p)).collect(),
        }
    }

    /// The latest instant at which something in it moved; of a unit, never.
    pub fn stirred_at(&self) -> Timestamp {
        match self {
            Self::Unit(_) => Timestamp::MIN,
            Self::Pack(pack) => instant(pack.stirred_at),
        }
    }

    /// The unit, when it is one.
    pub fn unit(&self) -> Option<&UnitRecord> {
        match self {
            Self::Unit(unit) => Some(unit),
            Self::Pack(_) => None,
        }
    }

    /// Whether it is a unit whose inspection is hold or fail.
    pub fn inspection_open(&self) -> bool {
        let inspection = self.unit().and_then(|u| u.inspection.as_deref());
        matches!(inspection, Some("hold" | "fail"))
    }
}

/// A moment as events tell it: when, and when that was recorded, microseconds.
pub fn told(moment: Moment) -> (i64, i64) {
    (moment.at.as_microsecond(), moment.recorded_at.as_microsecond())
}

/// Microseconds as an instant; what the store holds is always in range.
pub fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

/// Reads a unit or pack.
///
/// # Errors
/// [`Refusal::UnknownSubject`] when there is neither.
pub async fn subject(
    house: &House,
    number: i64,
    field: &'static str,
) -> Result<Subject, FlowError> {
    if let Some(unit) = house.store.unit_fetch(number).await? {
        return Ok(Subject::Unit(Box::new(unit)));
    }
    match house.store.pack_fetch(number).await? {
        Some(pack) => Ok(Subject::Pack(pack)),
        None => Err(Refused::new(Refusal::UnknownSubject, field).into()),
    }
}

/// Custody facts of some subjects. Units among them start with the party of their production site.
///
/// # Errors
/// The store cannot be read.
pub async fn facts(
    house: &House,
    reference: &Reference,
    subjects: &[&Subject],
) -> Result<CustodyFacts, FlowError> {
    let mut facts = CustodyFacts::default();
    let numbers: Vec<_> = subjects.iter().map(|s| s.number()).collect();
    house.store.custody_fetch(&numbers, &mut facts).await?;
    let born = subjects.iter().filter_map(|s| s.unit()).filter_map(|u| origin(reference, u));
    facts.extend(born, []);
    Ok(facts)
}

/// The hold every unit starts from: the party of its production site, from production on.
pub fn origin(reference: &Reference, unit: &UnitRecord) -> Option<Hold> {
    let at = instant(unit.produced_at?);
    let site = reference.site_by_id(SiteId(unit.site?))?;
    Some(Hold {
        subject: unit_number(unit.number),
        at,
        party: site.party,
        from: None,
        kind: HoldKind::Produced,
        presumed: false,
        shipment_no: None,
        event: EventId([0; 16]),
        recorded_at: Timestamp::MIN,
    })
}

/// Whether a party is the brand or one of its factories.
pub fn is_origin(reference: &Reference) -> impl Fn(PartyId) -> bool + '_ {
    |party| reference.tree.get(party).is_some_and(|p| p.kind.is_origin())
}
