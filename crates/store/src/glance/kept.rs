//! What lies in a slot, and how it is read back. Not kept across versions of the program: the file
//! ends with the process.

use super::{Glance, Looks, LooksCounted, has_parts};
use crate::scan::city_count;
use crate::unit::{ScanRecord, UnitRecord};
use domain::code::UnitNumber;
use domain::custody::{Containment, Hold, HoldKind, Moment, Moves};
use domain::id::{EventId, PartyId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The content of a slot.
#[expect(
    clippy::large_enum_variant,
    reason = "it lasts as long as a look, and a box is to be made"
)]
#[derive(Serialize, Deserialize)]
pub(super) enum Kept<'a> {
    /// What the public is told of a unit.
    #[serde(borrow)]
    Unit(KeptUnit<'a>),
    /// What moved a pack.
    Pack(KeptMoves<'a>),
    /// What moved a pack is too long, and is held elsewhere.
    PackElsewhere,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeptUnit<'a> {
    brand: i64,
    product: i64,
    batch: i64,
    produced_at: Option<i64>,
    site: Option<i64>,
    lot: Option<&'a str>,
    inspection: Option<&'a str>,
    disposition: Option<&'a str>,
    life: i64,
    activated_at: Option<i64>,
    region: Option<&'a str>,
    suspect: bool,
    recalled_at: Option<i64>,
    stolen_at: Option<i64>,
    retired_at: Option<i64>,
    proof_at: Option<i64>,
    sold_on: Option<&'a str>,
    invoiced_on: Option<&'a str>,
    delivered_on: Option<&'a str>,
    has_parts: bool,
    looks: Option<LooksCounted>,
    #[serde(borrow)]
    moves: Option<KeptMoves<'a>>,
}

/// What moved a unit or a pack, where that is short: most are packed once, and of all that are
/// packed only the outermost moves.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptMoves<'a> {
    #[serde(borrow)]
    hold: Option<KeptHold<'a>>,
    inside: Option<KeptInside>,
}

#[derive(Serialize, Deserialize)]
struct KeptHold<'a> {
    at: i64,
    party: i64,
    from: Option<i64>,
    /// Its place in [`HoldKind::ALL`].
    kind: u8,
    presumed: bool,
    shipment_no: Option<&'a str>,
    event: [u8; 16],
    recorded_at: i64,
}

#[derive(Serialize, Deserialize)]
struct KeptInside {
    parent: i64,
    from: KeptMoment,
    to: Option<KeptMoment>,
}

/// When something happened, and how much later it was recorded, microseconds: shorter than when.
#[derive(Serialize, Deserialize)]
struct KeptMoment {
    at: i64,
    later: i64,
}

impl<'a> KeptUnit<'a> {
    pub fn of(
        record: &'a UnitRecord,
        scans: Option<&ScanRecord>,
        moves: Option<&'a Moves>,
    ) -> Self {
        Self {
            brand: record.brand,
            product: record.product,
            batch: record.batch,
            produced_at: record.produced_at,
            site: record.site,
            lot: record.lot.as_deref(),
            inspection: record.inspection.as_deref(),
            disposition: record.disposition.as_deref(),
            life: record.life,
            activated_at: record.activated_at,
            region: record.region.as_deref(),
            suspect: record.suspect,
            recalled_at: record.recalled_at,
            stolen_at: record.stolen_at,
            retired_at: record.retired_at,
            proof_at: record.proof_at,
            sold_on: record.sold_on.as_deref(),
            invoiced_on: record.invoiced_on.as_deref(),
            delivered_on: record.delivered_on.as_deref(),
            has_parts: has_parts(record),
            looks: scans.map(|it| LooksCounted {
                count: it.count,
                first_at: it.first_at,
                last_at: it.last_at,
                city_count: city_count(&it.recent),
            }),
            moves: moves.and_then(KeptMoves::of),
        }
    }

    pub fn glance(self, number: i64) -> Glance {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Glance {
            record: UnitRecord {
                number,
                brand: self.brand,
                product: self.product,
                batch: self.batch,
                produced_at: self.produced_at,
                site: self.site,
                lot: text(self.lot),
                inspection: text(self.inspection),
                disposition: text(self.disposition),
                life: self.life,
                activated_at: self.activated_at,
                region: text(self.region),
                suspect: self.suspect,
                recalled_at: self.recalled_at,
                stolen_at: self.stolen_at,
                retired_at: self.retired_at,
                proof_at: self.proof_at,
                sold_on: text(self.sold_on),
                invoiced_on: text(self.invoiced_on),
                delivered_on: text(self.delivered_on),
                ..UnitRecord::default()
            },
            has_parts: self.has_parts,
            looks: self.looks.map_or(Looks::None, Looks::Counted),
            moves: self.moves.and_then(|moves| moves.moves(number)),
        }
    }
}

impl<'a> KeptMoves<'a> {
    pub fn of(moves: &'a Moves) -> Option<Self> {
        let (hold, inside) = match (moves.holds(), moves.inside()) {
            ([], []) => (None, None),
            ([], [inside]) => (None, Some(inside)),
            ([hold], []) => (Some(hold), None),
            ([hold], [inside]) => (Some(hold), Some(inside)),
            _ => return None,
        };
        let hold = match hold {
            Some(hold) => Some(KeptHold::of(hold)?),
            None => None,
        };
        Some(Self { hold, inside: inside.map(KeptInside::of) })
    }

    pub fn moves(self, number: i64) -> Option<Moves> {
        let subject = unit_number(number)?;
        let hold = match self.hold {
            Some(hold) => Some(hold.hold(subject)?),
            None => None,
        };
        let inside = match self.inside {
            Some(inside) => Some(inside.containment(subject)?),
            None => None,
        };
        Some(Moves::new(hold, inside))
    }
}

impl<'a> KeptHold<'a> {
    fn of(hold: &'a Hold) -> Option<Self> {
        let kind = HoldKind::ALL.iter().position(|kind| *kind == hold.kind)?;
        Some(Self {
            at: hold.at.as_microsecond(),
            party: hold.party.0,
            from: hold.from.map(|party| party.0),
            kind: u8::try_from(kind).ok()?,
            presumed: hold.presumed,
            shipment_no: hold.shipment_no.as_deref(),
            event: hold.event.0,
            recorded_at: hold.recorded_at.as_microsecond(),
        })
    }

    fn hold(self, subject: UnitNumber) -> Option<Hold> {
        Some(Hold {
            subject,
            at: instant(self.at)?,
            party: PartyId(self.party),
            from: self.from.map(PartyId),
            kind: *HoldKind::ALL.get(usize::from(self.kind))?,
            presumed: self.presumed,
            shipment_no: self.shipment_no.map(str::to_owned),
            event: EventId(self.event),
            recorded_at: instant(self.recorded_at)?,
        })
    }
}

impl KeptInside {
    fn of(one: &Containment) -> Self {
        Self {
            parent: one.parent.get() as i64,
            from: KeptMoment::of(one.from),
            to: one.to.map(KeptMoment::of),
        }
    }

    fn containment(self, child: UnitNumber) -> Option<Containment> {
        let to = match self.to {
            Some(to) => Some(to.moment()?),
            None => None,
        };
        let parent = unit_number(self.parent)?;
        Some(Containment { child, parent, from: self.from.moment()?, to })
    }
}

impl KeptMoment {
    fn of(moment: Moment) -> Self {
        let at = moment.at.as_microsecond();
        Self { at, later: moment.recorded_at.as_microsecond().saturating_sub(at) }
    }

    fn moment(self) -> Option<Moment> {
        let recorded_at = instant(self.at.checked_add(self.later)?)?;
        Some(Moment { at: instant(self.at)?, recorded_at })
    }
}

fn unit_number(number: i64) -> Option<UnitNumber> {
    u64::try_from(number).ok().and_then(UnitNumber::new)
}

fn instant(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}
