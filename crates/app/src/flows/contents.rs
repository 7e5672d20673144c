//! Reading a pack: what it is, where it was, on which papers it travelled, and what is in it now.
//!
//! Who may see which part is asked of [`super::access`].

use super::access::Sight;
use super::audit;
use super::caller::{Caller, Scope};
use super::custody::{self, Subject};
use super::dossier::journey;
use super::find::{self, unit_number};
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use domain::access::Fact;
use domain::audit::SensitiveRead;
use domain::custody::CustodyFacts;
use domain::id::{BrandId, PartyId};
use domain::identifier::{Identifier, Scheme};
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use std::collections::HashMap;
use store::event::{Body, Event};
use store::unit::PackRecord;

/// Children looked at with one question.
const PORTION: usize = 1_000;

/// Everything recorded of a pack except its contents, which come in pages.
pub struct PackDossier {
    /// Its state.
    pub pack: PackRecord,
    /// What moved it, and the packs it was in.
    pub custody: CustodyFacts,
    /// Everything that happened, oldest first.
    pub events: Vec<Event>,
    /// The packs it was ever in, oldest first.
    pub parents: Vec<Parent>,
}

/// A pack around a unit or pack, over a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Parent {
    /// Its number.
    pub number: i64,
    /// 18 digits.
    pub sscc: String,
    /// From when.
    pub from: Timestamp,
    /// Until when; none while it lasts.
    pub to: Option<Timestamp>,
}

/// A paper the pack travelled on, by itself or inside another pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Paper {
    /// The sender's number.
    pub shipment_no: String,
    /// Whether goods went back up the tree.
    pub returns: bool,
    /// Who handed the goods on.
    pub from: Option<PartyId>,
    /// To whom.
    pub to: PartyId,
    /// When they left, microseconds.
    pub sent_at: i64,
    /// When the receiver accepted them, where that was recorded.
    pub received_at: Option<i64>,
    /// When it was taken back.
    pub voided_at: Option<i64>,
}

/// What lies directly inside a pack.
pub struct Inside {
    /// A unit or a pack.
    pub subject: Subject,
    /// Since when.
    pub from: Timestamp,
    /// Whether its serial number may be told.
    pub named: bool,
}

/// A page of contents.
pub struct Contents {
    /// In the order of their numbers.
    pub items: Vec<Inside>,
    /// Whether more follow.
    pub more: bool,
}

/// Which contents.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// Only children with a greater number.
    pub beyond: i64,
    /// At most so many.
    pub most: usize,
    /// Only children that went through a hand of which this is true, as this caller may see them;
    /// all, from whom nothing is withheld, when absent.
    pub hands: Option<(&'a Caller, &'a (dyn Fn(PartyId) -> bool + Sync))>,
}

/// The pack of a brand that an SSCC names.
///
/// # Errors
/// [`Refusal::InvalidField`] when the text is no SSCC, [`Refusal::UnknownSubject`] when no pack of
/// the brand has it; the store does not answer.
pub async fn pack_named(house: &House, brand: BrandId, raw: &str) -> Result<PackRecord, FlowError> {
    let sscc = Identifier::parse(Scheme::Sscc, raw).map_err(|why| Refused::invalid("sscc", why))?;
    let pack = match find::identifier(house, brand, &sscc).await? {
        Some(number) => house.store.pack_fetch(number).await?,
        None => None,
    };
    let own = pack.filter(|pack| pack.brand == brand.0);
    Ok(own.ok_or(Refused::new(Refusal::UnknownSubject, "sscc"))?)
}

/// Opens a pack for a caller, and notes that it was read.
///
/// # Errors
/// The caller may not read dossiers; as [`pack_named`], which is also the answer where the pack
/// went through no hand the caller may see; the store does not answer.
pub async fn show<'a>(
    house: &House,
    reference: &'a Reference,
    caller: &'a Caller,
    sscc: &str,
) -> Result<(Sight<'a>, PackDossier), FlowError> {
    caller.need(Scope::Read)?;
    let pack = pack_named(house, caller.brand, sscc).await?;
    let dossier = pack_dossier(house, pack).await?;
    let subject = (&dossier.pack, &dossier.custody);
    let sight = Sight::of_pack(house, reference, caller, subject);
    if !travelled(&sight, &dossier.custody, dossier.pack.number) {
        return Err(Refused::new(Refusal::UnknownSubject, "sscc").into());
    }
    audit::note(house, &caller.into(), SensitiveRead::Dossier, sscc, 1);
    Ok((sight, dossier))
}

/// Whether a pack went through a hand that may be shown.
pub fn travelled(sight: &Sight<'_>, custody: &CustodyFacts, number: i64) -> bool {
    sight.shows(Fact::AllHops) || went_through(custody, number, &|party| sight.shows_hop(party))
}

/// Reads the dossier of a pack.
///
/// # Errors
/// The store does not answer.
pub async fn pack_dossier(house: &House, pack: PackRecord) -> Result<PackDossier, FlowError> {
    let mut custody = CustodyFacts::default();
    house.store.custody_fetch(&[pack.number], &mut custody).await?;
    let events = journey(house, pack.number, &custody).await?;
    let mut names: HashMap<i64, String> = HashMap::new();
    let mut parents = Vec::new();
    for inside in custody.containments(unit_number(pack.number)) {
        let number = inside.parent.get() as i64;
        if !names.contains_key(&number)
            && let Some(parent) = house.store.pack_fetch(number).await?
        {
            names.insert(number, parent.sscc);
        }
        let sscc = names.get(&number).cloned().unwrap_or_default();
        parents.push(Parent { number, sscc, from: inside.from.at, to: inside.to.map(|to| to.at) });
    }
    parents.sort_by_key(|parent| parent.from);
    Ok(PackDossier { pack, custody, events, parents })
}

/// The packs around a subject at an instant, from the innermost outwards.
///
/// # Errors
/// The store does not answer.
pub(super) async fn around(
    house: &House,
    custody: &CustodyFacts,
    subject: i64,
    at: Timestamp,
) -> Result<Vec<Parent>, FlowError> {
    let mut around = Vec::new();
    let mut child = unit_number(subject);
    for parent in custody.upward(child, at).into_iter().skip(1) {
        let number = parent.get() as i64;
        let covers = custody.containments(child).iter().find(|c| c.covers(at));
        if let (Some(inside), Some(pack)) = (covers, house.store.pack_fetch(number).await?) {
            let (from, to) = (inside.from.at, inside.to.map(|to| to.at));
            around.push(Parent { number, sscc: pack.sscc, from, to });
        }
        child = parent;
    }
    Ok(around)
}

/// The papers among the events of a subject, which come oldest first.
pub fn papers(events: &[Event]) -> Vec<Paper> {
    let mut papers: Vec<Paper> = Vec::new();
    for event in events {
        let sent = |shipment_no: &String, to: i64, returns| Paper {
            shipment_no: shipment_no.clone(),
            returns,
            from: event.party,
            to: PartyId(to),
            sent_at: event.happened_at,
            received_at: None,
            voided_at: None,
        };
        let mut open = papers.iter_mut().rev().filter(|paper| paper.voided_at.is_none());
        match &event.body {
            Body::Shipped { to, shipment_no, .. } => papers.push(sent(shipment_no, *to, false)),
            Body::Returned { to, shipment_no, .. } => papers.push(sent(shipment_no, *to, true)),
            Body::Received { .. } => {
                let own = open.find(|paper| Some(paper.to) == event.party);
                if let Some(paper) = own {
                    paper.received_at.get_or_insert(event.happened_at);
                }
            }
            Body::ShipmentVoided { holder, shipment_no, .. } => {
                let from = Some(PartyId(*holder));
                let own = open.find(|p| p.from == from && p.shipment_no == *shipment_no);
                if let Some(paper) = own {
                    paper.voided_at = Some(event.happened_at);
                }
            }
            _ => {}
        }
    }
    papers
}

/// Whether a subject went through a hand of which `hands` is true.
pub fn went_through(
    custody: &CustodyFacts,
    number: i64,
    hands: &(dyn Fn(PartyId) -> bool + Sync),
) -> bool {
    custody.hands(unit_number(number)).any(hands)
}

/// A page of what lies directly inside a pack now.
///
/// # Errors
/// The store does not answer.
pub async fn contents(
    house: &House,
    reference: &Reference,
    pack: i64,
    page: Page<'_>,
) -> Result<Contents, FlowError> {
    let now = house.clock.now().as_microsecond();
    let mut beyond = page.beyond;
    let mut items = Vec::new();
    loop {
        // One more than is wanted tells whether more follow.
        let most = (page.most + 1).min(PORTION);
        let found = house.store.contents_fetch(pack, beyond, now, most as i64).await?;
        let last = found.len() < most;
        let mut portion = Vec::with_capacity(found.len());
        for inside in found {
            let number = inside.child.get() as i64;
            beyond = number;
            let subject = custody::subject(house, number, "contents").await?;
            portion.push(Inside { subject, from: inside.from.at, named: true });
        }
        if let Some((caller, hands)) = page.hands {
            let subjects: Vec<_> = portion.iter().map(|inside| &inside.subject).collect();
            let facts = custody::facts(house, reference, &subjects).await?;
            portion.retain(|inside| went_through(&facts, inside.subject.number(), hands));
            for inside in &mut portion {
                // What somebody is to a pack says nothing of who made what is in it.
                let Subject::Unit(unit) = &inside.subject else { continue };
                let sight = Sight::of_unit(house, reference, Some(caller), unit, &facts);
                inside.named = sight.shows(Fact::Identifiers);
            }
        }
        items.extend(portion);
        if items.len() > page.most || last {
            let more = items.len() > page.most;
            items.truncate(page.most);
            return Ok(Contents { items, more });
        }
    }
}
