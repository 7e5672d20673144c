//! Receiving against a paper: what it names and did not come, and what came and it does not name.
//! What is missing is a fact about the missing goods: sender and brand find it in their story.

use super::caller::{Caller, Scope};
use super::custody;
use super::find::unit_number;
use super::house::{EventDraft, House};
use super::mandate::speaks_for;
use super::outcome::{FlowError, RACES_MAX};
use super::ship::several_senders;
use domain::custody::{CustodyFacts, Hold, HoldKind, Hop, Moment, PACK_DEPTH_MAX};
use domain::id::PartyId;
use domain::refusal::{Refusal, Refused};
use domain::text;
use domain::when::When;
use store::commit::Commit;
use store::event::Body;

/// A paper as its receiver holds it: whose it is, its number, and what it names for this receiver.
pub struct Paper {
    shipment_no: String,
    from: PartyId,
    party: PartyId,
    subjects: Vec<i64>,
}

/// What a receipt notes, as the ledger keeps it for ever; none where nothing was said.
///
/// # Errors
/// [`Refusal::InvalidField`]: too long, a mark that is not seen, or what points to a person.
pub fn note(raw: Option<&str>) -> Result<Option<String>, Refused> {
    let said = raw.filter(|raw| !raw.trim().is_empty());
    let read = said.map(|raw| text::lasting(raw, text::NOTE_CHARS_MAX)).transpose();
    read.map_err(|why| Refused::invalid("note", why))
}

/// Finds the paper a receipt names: a number, and whose it is where several senders sent goods to
/// the party under it.
///
/// # Errors
/// [`Refusal::UnknownShipment`] when nothing was shipped to the party under that number.
pub async fn paper(
    house: &House,
    caller: &Caller,
    party_code: &str,
    (shipment_no, from): (&str, Option<&str>),
) -> Result<Paper, FlowError> {
    caller.need(Scope::Ship)?;
    let reference = house.reference().await?;
    let known = |code: &str, field: &'static str| {
        let party = reference.party(caller.brand, code).map(|p| p.id);
        party.ok_or_else(|| Refused::because(Refusal::UnknownParty, field, code))
    };
    let party = known(party_code, "party_code")?;
    speaks_for(&reference, caller, party, "party_code")?;
    let senders = match from {
        Some(code) => vec![known(code, "from")?.0],
        None => house.store.shipment_senders(caller.brand.0, shipment_no).await?,
    };
    let mut papers = Vec::new();
    for from in senders {
        let subjects = sent(house, caller, (shipment_no, from), party).await?;
        if !subjects.is_empty() {
            let (shipment_no, from) = (shipment_no.to_owned(), PartyId(from));
            papers.push(Paper { shipment_no, from, party, subjects });
        }
    }
    if papers.len() > 1 {
        let senders = papers.iter().map(|paper| paper.from.0).collect::<Vec<_>>();
        return Err(several_senders(&reference, &senders).into());
    }
    let none = || Refused::new(Refusal::UnknownShipment, "shipment_no").into();
    papers.pop().ok_or_else(none)
}

/// What of a sender's paper goes to a party.
async fn sent(
    house: &House,
    caller: &Caller,
    (shipment_no, from): (&str, i64),
    to: PartyId,
) -> Result<Vec<i64>, FlowError> {
    let (store, brand) = (&house.store, caller.brand.0);
    let mut ours = Vec::new();
    for subject in store.shipment_subjects(brand, shipment_no, from).await? {
        let row = store.shipment_fetch(brand, (shipment_no, from), subject).await?;
        ours.extend(row.is_some_and(|row| row.to == to.0).then_some(subject));
    }
    Ok(ours)
}

impl Paper {
    /// Whether it names a subject, or a pack around it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn names(&self, house: &House, number: i64, when: When) -> Result<bool, FlowError> {
        let named = |number: i64| self.subjects.contains(&number);
        if named(number) {
            return Ok(true);
        }
        let reference = house.reference().await?;
        let subject = custody::subject(house, number, "subject").await?;
        let facts = custody::facts(house, &reference, &[&subject]).await?;
        let at = when.behind(facts.instants(unit_number(number)));
        // A child that was received alone left its pack at that very instant.
        let around =
            |c: &domain::custody::Containment| c.from.at <= at && c.to.is_none_or(|to| to.at >= at);
        let mut packs = facts.containments(unit_number(number)).iter().filter(|c| around(c));
        Ok(packs.any(|c| {
            let up = facts.upward(c.parent, at);
            up.into_iter().any(|pack| named(pack.get() as i64))
        }))
    }

    /// Records what is still on its way after a receipt that named some, once for each subject and
    /// paper. Returns the numbers of all that is.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn missing(
        &self,
        house: &House,
        caller: &Caller,
        when: When,
        named: &[i64],
    ) -> Result<Vec<i64>, FlowError> {
        for _ in 0..RACES_MAX {
            let reference = house.reference().await?;
            let (mut missing, mut commit) = (Vec::new(), Commit::default());
            for number in &self.subjects {
                let subject = custody::subject(house, *number, "shipment_no").await?;
                let facts = custody::facts(house, &reference, &[&subject]).await?;
                if named.contains(number) {
                    // It did come, whatever the receipt of it was refused for.
                    continue;
                }
                let hops = facts.hops(unit_number(*number));
                let paper = Some(self.shipment_no.as_str());
                let waits = |hop: &&Hop<'_>| {
                    (hop.hold.party, hop.hold.from) == (self.party, Some(self.from))
                        && hop.in_transit
                        && hop.hold.shipment_no.as_deref() == paper
                };
                let Some(sent) = hops.last().filter(waits) else { continue };
                if self.came_in_pieces(house, *number, sent.hold.moment()).await? {
                    continue;
                }
                missing.push(*number);
                if self.told(house, *number).await? {
                    continue;
                }
                let body = Body::ReceiptDiffered {
                    from: self.from.0,
                    missing: true,
                    shipment_no: self.shipment_no.clone(),
                };
                let after = subject.recorded_at();
                let at = when.behind(facts.instants(unit_number(*number)));
                let draft = EventDraft::about(caller, *number, at, after, body).told(when);
                commit.events.push(draft.by(house, self.party));
                commit.relies_on.push(subject.relied());
            }
            if commit.events.is_empty() {
                return Ok(missing);
            }
            match house.store.commit(&commit).await {
                Err(e) if e.is_race() => continue,
                Err(e) => return Err(e.into()),
                Ok(()) => return Ok(missing),
            }
        }
        Err(FlowError::Busy)
    }

    /// Whether all that was in a pack when it was sent was received, each by itself: then only the
    /// empty pack is still on its way, and nobody misses that.
    async fn came_in_pieces(
        &self,
        house: &House,
        pack: i64,
        sent: Moment,
    ) -> Result<bool, FlowError> {
        let mut open = vec![(pack, 0)];
        while let Some((pack, depth)) = open.pop() {
            let mut inside = house.store.children_fetch(pack).await?;
            inside.retain(|c| c.shares(sent));
            if inside.is_empty() || depth >= PACK_DEPTH_MAX {
                return Ok(false);
            }
            // What is still inside settles it soonest.
            inside.sort_by_key(|c| c.to.is_some());
            for child in inside {
                let mut facts = CustodyFacts::default();
                let number = child.child.get() as i64;
                house.store.custody_fetch(&[number], &mut facts).await?;
                let received = |hold: &Hold| {
                    hold.kind == HoldKind::Received
                        && hold.party == self.party
                        && hold.moment() >= sent
                };
                if facts.own_holds(child.child).iter().any(received) {
                    continue;
                }
                if house.store.pack_fetch(number).await?.is_none() {
                    return Ok(false);
                }
                open.push((number, depth + 1));
            }
        }
        Ok(true)
    }

    /// Whether an earlier receipt said the same of the subject.
    async fn told(&self, house: &House, number: i64) -> Result<bool, FlowError> {
        let same = |event: &store::event::Event| match &event.body {
            Body::ReceiptDiffered { shipment_no, from, .. } => {
                (shipment_no, *from) == (&self.shipment_no, self.from.0)
                    && event.party == Some(self.party)
            }
            _ => false,
        };
        Ok(house.store.events_fetch(number).await?.iter().any(same))
    }
}

/// What a subject is called: a pack's SSCC, a unit's trace code.
///
/// # Errors
/// The store does not answer.
pub async fn name_of(house: &House, number: i64) -> Result<String, FlowError> {
    Ok(match house.store.pack_fetch(number).await? {
        Some(pack) => pack.sscc,
        None => house.ring().encode(unit_number(number)).as_str().to_owned(),
    })
}
