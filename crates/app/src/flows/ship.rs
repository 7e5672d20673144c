//! Shipping, receiving, returning, voiding. One event for each subject that moved, however many
//! units it holds.

use super::caller::{Caller, Scope};
use super::chunks::in_chunks;
use super::custody::{self, Subject};
use super::find::{self, unit_number};
use super::follow::Following;
use super::house::{EventDraft, House};
use super::mandate::speaks_for;
use super::masterdata::Taking;
use super::outcome::{FlowError, RACES_MAX, RowOutcome};
use super::overlay::{Overlay, Particulars};
use super::recalls;
use super::receipt;
use super::reference::Reference;
use super::standing;
use super::taking_back::TakingBack;
use crate::files::ShipmentDraft;
use domain::custody::{Hold, HoldKind, Moment};
use domain::id::PartyId;
use domain::mandate;
use domain::refusal::{Refusal, Refused};
use domain::shipping::{self, ShipFacts, Shipped};
use domain::when::When;
use jiff::Timestamp;
use store::commit::{Commit, Outbox, Relied};
use store::event::{Body, Event};
use store::unit::ShipmentRecord;

/// Rows decided before they are committed together.
const CHUNK_ROWS: usize = 500;
/// Senders named where several have a paper of one number.
const SENDERS_SHOWN_MAX: usize = 10;
/// The job that looks again at activations a late fact concerns.
pub const REDECIDE: &str = "redecide";

/// Which way goods go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Down the tree, or to a service party.
    Forward,
    /// Up the tree.
    Back,
}

/// Ships (or returns) subjects, row by row.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn ship(
    house: &House,
    caller: &Caller,
    drafts: &[ShipmentDraft],
    way: Way,
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Ship)?;
    in_chunks(house, drafts, (taking, CHUNK_ROWS), |round, chunk| async move {
        let reference = round.reference;
        let overlay = Overlay::new(house, &reference, caller.brand);
        let commit = Commit::default();
        let mut moving = Moving { house, caller, reference: &reference, way, overlay, commit };
        let mut outcomes = Vec::with_capacity(chunk.len());
        for draft in chunk {
            outcomes.push(moving.take(draft).await?);
        }
        Ok((outcomes, moving.commit()))
    })
    .await
}

struct Moving<'a> {
    house: &'a House,
    caller: &'a Caller,
    reference: &'a Reference,
    way: Way,
    overlay: Overlay<'a>,
    commit: Commit,
}

impl Moving<'_> {
    async fn take(&mut self, draft: &ShipmentDraft) -> Result<RowOutcome, FlowError> {
        match self.decide(draft).await {
            Err(FlowError::Refused(refused)) => Ok(RowOutcome::refused(refused)),
            other => other,
        }
    }

    async fn decide(&mut self, draft: &ShipmentDraft) -> Result<RowOutcome, FlowError> {
        let brand = self.caller.brand;
        let when = draft.happened_at.when();
        let from = self.party(&draft.from_code, "from_code")?;
        speaks_for(self.reference, self.caller, from, "from_code")?;
        let to = self.party(&draft.to_code, "to_code")?;
        let number = self.overlay.find(&draft.subject.raw, "subject").await?;
        self.house.not_ahead(when.first(), "happened_at")?;
        let paper = (draft.shipment_no.as_str(), from);
        if let Some(before) = self.overlay.paper(paper, number).await? {
            return self.repeated(draft, &before, (number, from, to)).await;
        }
        let subject = self.overlay.subject(number, "subject").await?;
        let scene = self.overlay.scene(&subject, when).await?;
        let at = scene.at;
        let unit = subject.unit();
        // A paper that comes late is judged by its own day: where recalled goods are must be known.
        // And by what still stands: once they are remedied, what did move must be tellable.
        let by_then = |since: i64| custody::instant(since) <= at;
        let recalled = match unit {
            Some(unit) if unit.recalled_at.is_some_and(by_then) => true,
            Some(unit) => {
                let standing = recalls::standing(self.house, self.reference, unit).await?;
                standing.is_some_and(|recall| by_then(recall.row.opened_at))
            }
            None => false,
        };
        let products = subject.products();
        let ship = ShipFacts {
            subject: unit_number(number),
            from,
            to,
            happened_at: at,
            on: self.reference.day(brand, at),
            products: &products,
            inspection_open: standing::inspection_was_open(self.house, &subject, at).await?,
            recalled,
            decommissioned: unit.and_then(|u| u.retired_at).is_some_and(by_then),
            reason_given: !draft.reason.is_empty(),
            by_brand: mandate::is_brand(&self.reference.tree, self.caller.party),
            custody: &scene.facts,
            stirred: &scene.stirred,
            tree: &self.reference.tree,
            territories: &self.reference.territories,
        };
        let decided = match self.way {
            Way::Forward => shipping::ship(&ship),
            Way::Back => shipping::give_back(&ship),
        };
        let shipped = decided.map_err(|why| Refused::new(why, "subject"))?;
        let following = Following::there(&mut self.overlay, &shipped.follow, to).await?;
        let touched: Vec<_> =
            scene.around.into_iter().chain([subject]).chain(scene.inside).collect();
        self.add(draft, (number, at), (from, to), (shipped, following), &touched);
        Ok(RowOutcome::Taken)
    }

    fn party(&self, code: &str, field: &'static str) -> Result<PartyId, Refused> {
        let party = self.reference.party(self.caller.brand, code);
        let id = party.map(|p| p.id);
        id.ok_or_else(|| Refused::because(Refusal::UnknownParty, field, code))
    }

    fn add(
        &mut self,
        draft: &ShipmentDraft,
        (number, at): (i64, Timestamp),
        (from, to): (PartyId, PartyId),
        (shipped, following): (Shipped, Following),
        touched: &[Subject],
    ) {
        let event = EventDraft {
            caller: self.caller,
            home: number,
            site: None,
            happened_at: at,
            offset_minutes: draft.happened_at.offset_minutes,
            after: touched.iter().map(Subject::recorded_at).max().unwrap_or(0),
            body: self.body(draft, to, &shipped),
            subjects: Vec::new(),
        }
        .by(self.house, from);
        for one in touched {
            self.overlay.touch(one, at);
        }
        let told = (self.house, self.caller, &mut self.overlay);
        let followed = following.tell(told, (&event, &draft.shipment_no, from), to);
        if let Some(parent) = shipped.unpacked_from {
            let recorded_at = custody::instant(event.recorded_at);
            self.overlay.leave(number, parent, Moment { at, recorded_at });
        }
        let says = ShipmentRecord { to: to.0, happened_at: event.happened_at, voided: false };
        let says = (says, self.particulars(draft));
        self.overlay.file((&draft.shipment_no, from), number, says);
        self.overlay.hold(Hold {
            subject: unit_number(number),
            at,
            party: to,
            from: Some(from),
            kind: match self.way {
                Way::Forward => HoldKind::Shipped,
                Way::Back => HoldKind::Returned,
            },
            presumed: shipped.presumed,
            shipment_no: Some(draft.shipment_no.clone()),
            event: event.id,
            recorded_at: custody::instant(event.recorded_at),
        });
        self.commit.outbox.push(look_again(&event));
        self.commit.events.push(event);
        self.commit.events.extend(followed);
    }

    fn body(&self, draft: &ShipmentDraft, to: PartyId, shipped: &Shipped) -> Body {
        let unpacked_from = shipped.unpacked_from.map(|n| n.get() as i64);
        let (known_out, presumed) = (shipped.known_out.map(custody::told), shipped.presumed);
        let Particulars { reason, group } = self.particulars(draft);
        let shipment_no = draft.shipment_no.clone();
        match self.way {
            Way::Forward => Body::Shipped {
                declared_group_purchase: group.then_some(true),
                known_out,
                to: to.0,
                presumed,
                reason,
                shipment_no,
                unpacked_from,
            },
            Way::Back => {
                let to = to.0;
                Body::Returned { known_out, presumed, reason, shipment_no, to, unpacked_from }
            }
        }
    }

    /// What a row says beside its receiver and its time. Nobody sells by a return.
    fn particulars(&self, draft: &ShipmentDraft) -> Particulars {
        Particulars {
            reason: (!draft.reason.is_empty()).then(|| draft.reason.clone()),
            group: self.way == Way::Forward && draft.declared_group_purchase,
        }
    }

    /// What is said of a row whose sender has a paper of this number about this subject. What was
    /// taken back stays recorded: the row is as once-only as any.
    async fn repeated(
        &self,
        draft: &ShipmentDraft,
        before: &ShipmentRecord,
        (number, from, to): (i64, PartyId, PartyId),
    ) -> Result<RowOutcome, FlowError> {
        let differs = |why: &str| Refused::because(Refusal::ContentDiffers, "shipment_no", why);
        let when = draft.happened_at.when();
        let moved = before.to == to.0 && when.may_be(custody::instant(before.happened_at));
        let said = match moved {
            true => self.overlay.particulars((&draft.shipment_no, from), number).await?,
            false => None,
        };
        let says = self.particulars(draft);
        if moved && said.as_ref().is_none_or(|said| *said == says) {
            return Ok(RowOutcome::Unchanged);
        }
        Ok(RowOutcome::refused(if before.voided {
            differs("the paper was taken back; give the new one a number of its own")
        } else if moved {
            let other = said.is_some_and(|said| said.reason != says.reason);
            let column = if other { "reason" } else { "declared_group_purchase" };
            differs(&format!("it was told with another {column}"))
        } else {
            Refused::new(Refusal::ContentDiffers, "shipment_no")
        }))
    }

    fn commit(self) -> Commit {
        let mut relies_on = vec![Relied::Reference(self.reference.version)];
        relies_on.extend(self.overlay.into_guards());
        Commit { relies_on, ..self.commit }
    }
}

/// The job that looks again at the activations a late fact concerns.
pub fn look_again(event: &Event) -> Outbox {
    Outbox {
        home: event.home,
        id: event.id.0,
        topic: REDECIDE,
        content: event.happened_at.to_string(),
        due_at: event.recorded_at,
    }
}

/// Accepts a subject and returns its number. Receiving a child of a pack unpacks it.
///
/// # Errors
/// Nothing of it is on its way to this party, or the party received it before.
pub async fn receive(
    house: &House,
    caller: &Caller,
    party_code: &str,
    raw: &str,
    when: impl Into<When>,
    note: Option<String>,
) -> Result<i64, FlowError> {
    let when = when.into();
    caller.need(Scope::Ship)?;
    let note = receipt::note(note.as_deref())?;
    house.not_ahead(when.first(), "happened_at")?;
    for _ in 0..RACES_MAX {
        let reference = house.reference().await?;
        let party = reference
            .party(caller.brand, party_code)
            .ok_or_else(|| Refused::because(Refusal::UnknownParty, "party_code", party_code))?;
        speaks_for(&reference, caller, party.id, "party_code")?;
        let number = find::subject(house, caller.brand, raw, "subject").await?;
        let mut overlay = Overlay::new(house, &reference, caller.brand);
        let subject = overlay.subject(number, "subject").await?;
        let scene = overlay.scene(&subject, when).await?;
        let at = scene.at;
        let came = (unit_number(number), &*scene.stirred);
        let parent = shipping::receive(&scene.facts, came, party.id, at)
            .map_err(|why| Refused::new(why, "subject"))?;
        let touched: Vec<_> =
            scene.around.into_iter().chain([subject]).chain(scene.inside).collect();
        for one in &touched {
            overlay.touch(one, at);
        }
        let body =
            Body::Received { note: note.clone(), unpacked_from: parent.map(|p| p.get() as i64) };
        let after = touched.iter().map(Subject::recorded_at).max().unwrap_or(0);
        let draft = EventDraft::about(caller, number, at, after, body).told(when);
        let event = draft.by(house, party.id);
        let commit = Commit {
            relies_on: overlay.into_guards(),
            outbox: vec![look_again(&event)],
            events: vec![event],
            ..Commit::default()
        };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(number),
        }
    }
    Err(FlowError::Busy)
}

/// Whose paper of a number is meant: that of the party named, else the caller's own. The brand,
/// which sends few itself, means the only one there is.
async fn sender(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    (shipment_no, from): (&str, Option<&str>),
) -> Result<PartyId, FlowError> {
    if let Some(code) = from {
        let party = reference.party(caller.brand, code).map(|p| p.id);
        let party = party.ok_or_else(|| Refused::because(Refusal::UnknownParty, "from", code))?;
        speaks_for(reference, caller, party, "from")?;
        return Ok(party);
    }
    if !mandate::is_brand(&reference.tree, caller.party) {
        return Ok(caller.party);
    }
    let senders = house.store.shipment_senders(caller.brand.0, shipment_no).await?;
    match senders[..] {
        [] => Err(Refused::new(Refusal::UnknownShipment, "shipment_no").into()),
        [one] => Ok(PartyId(one)),
        _ => Err(several_senders(reference, &senders).into()),
    }
}

/// Refuses a number that is not enough to tell whose paper is meant.
pub(super) fn several_senders(reference: &Reference, senders: &[i64]) -> Refused {
    let party = |id: &i64| reference.tree.get(PartyId(*id)).map(|p| p.code.as_str());
    let shown = senders.iter().filter_map(party).take(SENDERS_SHOWN_MAX);
    let codes = shown.collect::<Vec<_>>().join(", ");
    Refused::invalid(
        "from",
        format!("several senders have a paper of this number: say which ({codes})"),
    )
}

/// Takes a shipment back while nothing of it moved on: a number, and whose paper it is where that
/// is not the caller's own. Returns how many subjects came back: none when it was taken back
/// before.
///
/// # Errors
/// [`Refusal::MovedOn`] names the first subject that did; nothing is written then.
pub async fn void(
    house: &House,
    caller: &Caller,
    (shipment_no, from): (&str, Option<&str>),
    when: impl Into<When>,
) -> Result<TakenBack, FlowError> {
    let when = when.into();
    caller.need(Scope::Ship)?;
    house.not_ahead(when.first(), "happened_at")?;
    'races: for _ in 0..RACES_MAX {
        let reference = house.reference().await?;
        let brand = caller.brand;
        let from = sender(house, &reference, caller, (shipment_no, from)).await?;
        let numbers = house.store.shipment_subjects(brand.0, shipment_no, from.0).await?;
        if numbers.is_empty() {
            if house.store.shipment_voided(brand.0, shipment_no, from.0).await? {
                // It was taken back before: nothing is left to do.
                return Ok(TakenBack::default());
            }
            return Err(Refused::new(Refusal::UnknownShipment, "shipment_no").into());
        }
        let mut overlay = Overlay::new(house, &reference, brand);
        let mut taking = TakingBack::new((house, caller, &reference), when, &numbers);
        for number in last_first(&overlay, &numbers, (from, shipment_no)).await? {
            match taking.take(&mut overlay, number, (from, shipment_no)).await {
                Err(FlowError::Busy) => continue 'races,
                taken => taken?,
            }
        }
        let outside = taking.outside.clone();
        let commit = Commit { relies_on: overlay.into_guards(), ..taking.commit() };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(TakenBack { count: numbers.len(), outside }),
        }
    }
    Err(FlowError::Busy)
}

/// What came of taking a paper back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// How many subjects it named; 0 when it was taken back before.
    pub count: usize,
    /// Those that left a pack by it and stay outside: the pack went on since, or was emptied.
    pub outside: Vec<i64>,
}

/// The subjects of a paper, that which was told last before the others: what left a pack by a paper
/// finds the pack as it was, where that went by the same paper after it.
async fn last_first(
    overlay: &Overlay<'_>,
    numbers: &[i64],
    (from, shipment_no): (PartyId, &str),
) -> Result<Vec<i64>, FlowError> {
    let mut told = Vec::with_capacity(numbers.len());
    for number in numbers {
        let moves = overlay.moves(vec![*number]).await?;
        let by_it =
            |h: &&Hold| h.from == Some(from) && h.shipment_no.as_deref() == Some(shipment_no);
        let sent = moves.own_holds(unit_number(*number)).iter().rev().find(by_it);
        told.push((sent.map(|hold| hold.recorded_at), *number));
    }
    told.sort_unstable();
    Ok(told.into_iter().rev().map(|(_, number)| number).collect())
}
