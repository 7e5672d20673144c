//! Packs that follow a late paper, or go back with one that was taken back. In whose hands a pack
//! was opened is read off its first child; where that turns out to have been in other hands then,
//! an event beside the paper's own says so of the pack. Nothing of it changes what is known of its
//! contents: their own papers say where they were.

use super::caller::Caller;
use super::custody::{self, Subject};
use super::find::unit_number;
use super::house::{EventDraft, House};
use super::outcome::FlowError;
use super::overlay::Overlay;
use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind};
use domain::id::PartyId;
use domain::late::{contents_follow, contents_go_back};
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use std::collections::BTreeSet;
use store::event::{Body, Event};

/// Packs that will be told to have been opened in other hands.
pub(super) struct Following {
    packs: Vec<(Subject, Timestamp)>,
    /// What else the decision rests on.
    others: Vec<Subject>,
}

impl Following {
    /// Those that the goods of a late paper opened, as far as what was in them did nothing that
    /// another than the receiver must have done.
    ///
    /// # Errors
    /// [`Refusal::ContradictsLater`]; the store does not answer.
    pub(super) async fn there(
        overlay: &mut Overlay<'_>,
        packs: &BTreeSet<UnitNumber>,
        to: PartyId,
    ) -> Result<Self, FlowError> {
        let inside = Inside::read(overlay, packs).await?;
        match contents_follow(&inside.facts, &inside.contents, to) {
            true => Ok(inside.following()),
            false => Err(Refused::new(Refusal::ContradictsLater, "subject").into()),
        }
    }

    /// Those that a paper had brought into its receiver's hands, when it is taken back.
    ///
    /// # Errors
    /// [`Refusal::MovedOn`]; the store does not answer.
    pub(super) async fn back(
        overlay: &mut Overlay<'_>,
        packs: &BTreeSet<UnitNumber>,
        (paper, named): (&Hold, &[i64]),
    ) -> Result<Self, FlowError> {
        let inside = Inside::read(overlay, packs).await?;
        let named = |child: UnitNumber| named.contains(&(child.get() as i64));
        match contents_go_back(&inside.facts, packs, &inside.contents, (paper, named)) {
            true => Ok(inside.following()),
            false => Err(Refused::new(Refusal::MovedOn, "shipment_no").into()),
        }
    }

    /// The events: since the packs were opened, `holder` had them, by a paper of a sender.
    pub(super) fn tell(
        self,
        (house, caller, overlay): (&House, &Caller, &mut Overlay<'_>),
        (said, shipment_no, from): (&Event, &str, PartyId),
        holder: PartyId,
    ) -> Vec<Event> {
        let mut told = Vec::with_capacity(self.packs.len());
        for (pack, at) in self.packs {
            overlay.touch(&pack, at);
            let Subject::Pack(record) = &pack else { continue };
            let body = Body::Packed {
                by_paper: Some(shipment_no.to_owned()),
                by_sender: Some(from.0),
                holder: holder.0,
                opens: false,
                opens_again: true,
                products: record.products.clone(),
                sscc: record.sscc.clone(),
            };
            let after = record.recorded_at.max(said.recorded_at);
            let draft = EventDraft::about(caller, record.number, at, after, body);
            let event = EventDraft { offset_minutes: said.offset_minutes, ..draft }.by(house, from);
            overlay.hold(Hold {
                subject: unit_number(record.number),
                at,
                party: holder,
                from: Some(from),
                kind: HoldKind::Packed,
                presumed: false,
                shipment_no: Some(shipment_no.to_owned()),
                event: event.id,
                recorded_at: custody::instant(event.recorded_at),
            });
            told.push(event);
        }
        // Nothing stirred in them: they are only relied on.
        for one in self.others {
            overlay.touch(&one, Timestamp::MIN);
        }
        told
    }
}

/// What was ever directly inside some packs.
struct Inside {
    packs: Vec<Subject>,
    contents: Vec<Containment>,
    children: Vec<Subject>,
    facts: CustodyFacts,
}

impl Inside {
    /// The packs and what is in them come before the facts: no fact is older than what the commit
    /// relies on.
    async fn read(
        overlay: &mut Overlay<'_>,
        packs: &BTreeSet<UnitNumber>,
    ) -> Result<Self, FlowError> {
        let (mut subjects, mut contents) = (Vec::new(), Vec::new());
        for pack in packs {
            let number = pack.get() as i64;
            subjects.push(overlay.subject(number, "subject").await?);
            contents.extend(overlay.contents(number).await?);
        }
        let mut children = Vec::new();
        for child in contents.iter().map(|c| c.child).collect::<BTreeSet<_>>() {
            children.push(overlay.subject(child.get() as i64, "subject").await?);
        }
        let facts = overlay.facts(&subjects.iter().chain(&children).collect::<Vec<_>>()).await?;
        Ok(Self { packs: subjects, contents, children, facts })
    }

    fn following(self) -> Following {
        let opened = |pack: &Subject| self.facts.opening(unit_number(pack.number())).map(|h| h.at);
        let at: Vec<_> = self.packs.iter().map(opened).collect();
        let packs = self.packs.into_iter().zip(at);
        Following {
            packs: packs.filter_map(|(pack, at)| at.map(|at| (pack, at))).collect(),
            others: self.children,
        }
    }
}
