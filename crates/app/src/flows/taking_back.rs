//! A paper that is taken back: its goods are with whom they were, the packs that followed it go
//! back with it, and what left a pack by it alone lies in it again, as long as it was in it.

use super::caller::Caller;
use super::custody::{self, Subject};
use super::find::unit_number;
use super::follow::Following;
use super::house::{EventDraft, House};
use super::mandate::speaks_for;
use super::outcome::FlowError;
use super::overlay::Overlay;
use super::reference::Reference;
use super::ship::look_again;
use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment};
use domain::id::PartyId;
use domain::refusal::Refused;
use domain::shipping::{self, LeftPack, Voided};
use domain::when::When;
use jiff::Timestamp;
use store::commit::{Commit, Outbox};
use store::event::{Body, Event};

/// What is decided of one subject of the paper.
struct Taken {
    number: i64,
    /// The paper's day.
    since: Timestamp,
    /// When it is taken back.
    at: Timestamp,
    voided: Voided,
    /// How it lies in its pack again.
    again: Option<Containment>,
}

/// A paper that is being taken back.
pub(super) struct TakingBack<'a> {
    house: &'a House,
    caller: &'a Caller,
    reference: &'a Reference,
    when: When,
    /// What the paper names.
    numbers: &'a [i64],
    told: Vec<(Event, Outbox)>,
    /// What is said of packs that go back with it.
    followed: Vec<Event>,
    /// What left a pack by the paper and stays outside.
    pub(super) outside: Vec<i64>,
    /// When something left a pack last that is in it again, microseconds.
    stirred_at: i64,
}

impl<'a> TakingBack<'a> {
    /// A paper that names these subjects.
    pub(super) fn new(
        (house, caller, reference): (&'a House, &'a Caller, &'a Reference),
        when: When,
        numbers: &'a [i64],
    ) -> Self {
        let (told, followed, outside) = (Vec::new(), Vec::new(), Vec::new());
        Self { house, caller, reference, when, numbers, told, followed, outside, stirred_at: 0 }
    }

    /// What is to be recorded, but for what it relies on.
    pub(super) fn commit(self) -> Commit {
        let (mut events, outbox): (Vec<_>, Vec<_>) = self.told.into_iter().unzip();
        events.extend(self.followed);
        Commit { events, outbox, stirred_at: self.stirred_at, ..Commit::default() }
    }

    /// Takes one subject back.
    ///
    /// # Errors
    /// It moved on, the caller may not, the store cannot be read, or it moves faster than it is
    /// read.
    pub(super) async fn take(
        &mut self,
        overlay: &mut Overlay<'_>,
        number: i64,
        (from, shipment_no): (PartyId, &str),
    ) -> Result<(), FlowError> {
        let when = self.when;
        let subject = overlay.subject(number, "shipment_no").await?;
        let row = overlay.paper((shipment_no, from), number).await?;
        let since = row.map_or(Timestamp::MIN, |r| custody::instant(r.happened_at));
        let (stirred, children) = overlay.stirred_since(&subject, since).await?;
        let concerned: Vec<_> = std::iter::once(&subject).chain(&children).collect();
        let judge = |facts: &CustodyFacts| {
            let known = facts.instants(unit_number(number));
            let at = when.behind(known.chain(Containment::instants(&stirred)));
            let voided =
                shipping::void(facts, unit_number(number), (from, shipment_no), at, &stirred);
            voided.map(|voided| (voided, at)).map_err(|why| Refused::new(why, "shipment_no"))
        };
        let (mut voided, mut at) = judge(&overlay.facts(&concerned).await?)?;
        let (mut around, mut again) = (Vec::new(), None);
        if let Some(parent) = voided.left.as_ref().map(|left| left.parent) {
            // Read before the facts, as whatever a commit relies on: it, and what is around it.
            let pack = overlay.subject(parent.get() as i64, "shipment_no").await?;
            let (facts, above) = overlay.around(&concerned, (pack.number(), since)).await?;
            (voided, at) = judge(&facts)?;
            let left = voided.left.as_ref().filter(|left| left.parent == parent);
            let left = left.ok_or(FlowError::Busy)?;
            again = self.again(overlay, &facts, (&pack, left), &voided.paper).await?;
            around.extend(again.iter().flat_map(|_| above.iter().chain([&pack]).cloned()));
        }
        // Likewise.
        for pack in &voided.follow {
            overlay.subject(pack.get() as i64, "shipment_no").await?;
        }
        let follow = std::mem::take(&mut voided.follow);
        if !follow.is_empty() && judge(&overlay.facts(&concerned).await?)?.0.follow != follow {
            return Err(FlowError::Busy);
        }
        let following = Following::back(overlay, &follow, (&voided.paper, self.numbers)).await?;
        speaks_for(self.reference, self.caller, voided.holder, "shipment_no")?;
        let concerned: Vec<_> = std::iter::once(&subject).chain(&children).chain(&around).collect();
        let taken = Taken { number, since, at, voided, again };
        self.record(overlay, taken, &concerned, following);
        Ok(())
    }

    fn record(
        &mut self,
        overlay: &mut Overlay<'_>,
        taken: Taken,
        concerned: &[&Subject],
        following: Following,
    ) {
        let Taken { number, since, at, voided, again } = taken;
        let Voided { holder, left, paper, .. } = voided;
        let shipment_no = paper.shipment_no.unwrap_or_default();
        self.outside.extend((left.is_some() && again.is_none()).then_some(number));
        let body = Body::ShipmentVoided {
            back_into: again.as_ref().map(|again| again.parent.get() as i64),
            holder: holder.0,
            out: again.as_ref().and_then(|again| again.to).map(custody::told),
            packed_at: again.as_ref().map(|again| again.from.at.as_microsecond()),
            shipment_no: shipment_no.clone(),
        };
        let after = concerned.iter().map(|one| one.recorded_at()).fold(0, i64::max);
        let draft = EventDraft::about(self.caller, number, at, after, body).told(self.when);
        let event = draft.by(self.house, holder);
        let out = again.and_then(|again| again.to).map_or(at, |to| at.max(to.at));
        self.stirred_at = self.stirred_at.max(out.as_microsecond());
        for one in concerned {
            overlay.touch(one, out);
        }
        overlay.hold(Hold {
            subject: unit_number(number),
            at,
            party: holder,
            from: None,
            kind: HoldKind::Voided,
            presumed: false,
            shipment_no: Some(shipment_no.clone()),
            event: event.id,
            recorded_at: custody::instant(event.recorded_at),
        });
        // The paper was wrong from the start: what happened since it was written is concerned.
        let content = since.as_microsecond().to_string();
        let look = Outbox { content, ..look_again(&event) };
        let told = (self.house, self.caller, overlay);
        let followed = following.tell(told, (&event, &shipment_no, holder), holder);
        self.told.push((event, look));
        self.followed.extend(followed);
    }

    /// How a subject lies again in the pack that it left by the paper; none where that went on
    /// meanwhile or was emptied.
    async fn again(
        &self,
        overlay: &mut Overlay<'_>,
        facts: &CustodyFacts,
        (pack, left): (&Subject, &Containment),
        paper: &Hold,
    ) -> Result<Option<Containment>, FlowError> {
        let known_out = self.known_out(facts, left, paper).await?;
        let (stirred, _) = overlay.stirred(pack, paper.at).await?;
        let left = LeftPack { left, paper, known_out, stirred: &stirred };
        let Some(again) = left.again(facts) else { return Ok(None) };
        let named = |child: UnitNumber| self.numbers.contains(&(child.get() as i64));
        let Some(last) = left.stirred_last(facts, named) else { return Ok(Some(again)) };
        let while_it_was_out = (paper.at.as_microsecond(), last.as_microsecond());
        let store = &self.house.store;
        let filled = store.stayed_inside(pack.number(), while_it_was_out).await?;
        Ok(filled.then_some(again))
    }

    /// When a subject was known to have left the pack that it left by the paper, before that was
    /// told; where another paper said so that was taken back since, what was known before that.
    async fn known_out(
        &self,
        facts: &CustodyFacts,
        left: &Containment,
        paper: &Hold,
    ) -> Result<Option<Moment>, FlowError> {
        let mut paper = paper;
        loop {
            let (no, from) = (paper.shipment_no.as_deref().unwrap_or_default(), paper.from);
            let named = (no, from.map_or(0, |party| party.0));
            let event = self.house.store.moved_by(named, left.child.get() as i64).await?;
            let Some(known) = event.and_then(|event| known_out_of(&event.body, left.parent)) else {
                return Ok(None);
            };
            let mut own = facts.own_holds(left.child).iter();
            let by_it = |h: &&Hold| h.kind.in_transit() && h.moment() == known;
            match own.find(by_it).filter(|hold| facts.is_void(hold, Timestamp::MAX)) {
                Some(voided) => paper = voided,
                None => return Ok(Some(known)),
            }
        }
    }
}

/// When goods were known to have left a pack, as the event of a late paper tells it by which they
/// left that pack earlier.
fn known_out_of(body: &Body, pack: UnitNumber) -> Option<Moment> {
    let (Body::Shipped { known_out, unpacked_from, .. }
    | Body::Returned { known_out, unpacked_from, .. }) = body
    else {
        return None;
    };
    let of_it = unpacked_from.is_some_and(|number| number == pack.get() as i64);
    let (at, recorded_at) = known_out.filter(|_| of_it)?;
    Some(Moment { at: custody::instant(at), recorded_at: custody::instant(recorded_at) })
}
