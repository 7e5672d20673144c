//! Receiving against a paper: what it names and did not come, and what came and it does not name.
//! What is missing is a fact about the missing goods: sender and brand find it in their story.

use super::caller::Caller;
use super::custody;
use super::find::unit_number;
use super::house::{EventDraft, House};
use super::mandate::speaks_for;
use super::outcome::{FlowError, RACES_MAX};
use domain::id::PartyId;
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use store::commit::Commit;
use store::event::Body;

/// A paper as its receiver holds it: the sender's number, and what it names for this receiver.
pub struct Paper {
    shipment_no: String,
    party: PartyId,
    /// Subject and sender.
    subjects: Vec<(i64, i64)>,
}

/// Finds the paper a receipt names.
///
/// # Errors
/// [`Refusal::UnknownSubject`] when nothing was shipped to the party under that number.
pub async fn paper(
    house: &House,
    caller: &Caller,
    party_code: &str,
    shipment_no: &str,
) -> Result<Paper, FlowError> {
    let reference = house.reference().await?;
    let party = reference
        .party(caller.brand, party_code)
        .ok_or_else(|| Refused::because(Refusal::UnknownParty, "party_code", party_code))?;
    speaks_for(&reference, caller, party.id, "party_code")?;
    let (store, brand) = (&house.store, caller.brand.0);
    let (mut subjects, mut papers) = (Vec::new(), 0);
    for from in store.shipment_senders(brand, shipment_no).await? {
        let before = subjects.len();
        for subject in store.shipment_subjects(brand, shipment_no, from).await? {
            let row = store.shipment_fetch(brand, shipment_no, subject).await?;
            let ours = row.is_some_and(|(_, to, _)| to == party.id.0);
            subjects.extend(ours.then_some((subject, from)));
        }
        papers += usize::from(subjects.len() > before);
    }
    if subjects.is_empty() {
        return Err(Refused::new(Refusal::UnknownSubject, "shipment_no").into());
    }
    if papers > 1 {
        let why = "several senders sent goods under this number: receive without it";
        return Err(Refused::invalid("shipment_no", why).into());
    }
    Ok(Paper { shipment_no: shipment_no.to_owned(), party: party.id, subjects })
}

impl Paper {
    /// Whether it names a subject, or a pack around it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn names(
        &self,
        house: &House,
        number: i64,
        at: Timestamp,
    ) -> Result<bool, FlowError> {
        let named = |number: i64| self.subjects.iter().any(|(subject, _)| *subject == number);
        if named(number) {
            return Ok(true);
        }
        let reference = house.reference().await?;
        let subject = custody::subject(house, number, "subject").await?;
        let facts = custody::facts(house, &reference, &[&subject]).await?;
        // A child that was received alone left its pack at that very instant.
        let around =
            |c: &domain::custody::Containment| c.from <= at && c.to.is_none_or(|t| t >= at);
        let mut packs = facts.containments(unit_number(number)).iter().filter(|c| around(c));
        Ok(packs.any(|c| {
            let up = facts.upward(c.parent, at);
            up.into_iter().any(|pack| named(pack.get() as i64))
        }))
    }

    /// Records what is still on its way after the receipt, once for each subject and paper.
    /// Returns the numbers of all that is.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn missing(
        &self,
        house: &House,
        caller: &Caller,
        at: Timestamp,
    ) -> Result<Vec<i64>, FlowError> {
        for _ in 0..RACES_MAX {
            let reference = house.reference().await?;
            let (mut missing, mut commit) = (Vec::new(), Commit::default());
            for (number, from) in &self.subjects {
                let subject = custody::subject(house, *number, "shipment_no").await?;
                let facts = custody::facts(house, &reference, &[&subject]).await?;
                let chain = facts.chain(unit_number(*number));
                let paper = Some(self.shipment_no.as_str());
                let waits = chain.last().is_some_and(|hold| {
                    hold.party == self.party
                        && hold.kind.in_transit()
                        && hold.shipment_no.as_deref() == paper
                });
                if !waits {
                    continue;
                }
                missing.push(*number);
                if self.told(house, *number).await? {
                    continue;
                }
                let body = Body::ReceiptDiffered {
                    from: *from,
                    missing: true,
                    shipment_no: self.shipment_no.clone(),
                };
                let after = subject.recorded_at();
                let draft = EventDraft::about(caller, *number, at, after, body);
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

    /// Whether an earlier receipt said the same of the subject.
    async fn told(&self, house: &House, number: i64) -> Result<bool, FlowError> {
        let same = |event: &store::event::Event| match &event.body {
            Body::ReceiptDiffered { shipment_no, .. } => {
                *shipment_no == self.shipment_no && event.party == Some(self.party)
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
