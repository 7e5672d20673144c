//! What a webhook is told: events of the log that it wants and its party may know, each as a thin
//! message. A message says what happened to what and when, by names that stand outside (trace
//! code, SSCC, a paper's number) and never by a number of ours; who wants to know more asks the
//! API with a key, and is shown what that key may see.

use super::super::custody::instant;
use super::super::find::unit_number;
use super::super::house::House;
use super::super::outcome::FlowError;
use super::super::reference::Reference;
use super::send::{Message, event_name};
use crate::secrets;
use domain::custody::{CustodyFacts, Hold};
use domain::id::{BrandId, PartyId};
use domain::webhook::{Audience, Between, SUBJECTS_MAX, audience, may_know, wants};
use serde::Serialize;
use std::collections::BTreeMap;
use store::canonical::hex;
use store::event::{Body, Event};
use store::reference::Purpose;
use store::webhook::{LogEvent, WebhookRow};

/// What a message says. Members are only ever added.
#[derive(Serialize)]
struct Telling<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// The event.
    id: &'a str,
    happened_at: String,
    recorded_at: String,
    /// The brand's code.
    brand: &'a str,
    subjects: Vec<Subject>,
    /// How many there are, listed or not.
    subjects_count: i64,
    /// Which entry of the log it is; null where it is none.
    log_index: Option<i64>,
    /// Where the API tells more, by kind of subject.
    links: BTreeMap<&'static str, &'static str>,
}

/// What an event is about, by its name outside.
#[derive(Serialize)]
struct Subject {
    kind: String,
    id: String,
}

/// Events of the log from one place up to another that a webhook is to be told, in order.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn between(
    house: &House,
    reference: &Reference,
    row: &WebhookRow,
    places: (i64, i64),
) -> Result<Vec<LogEvent>, FlowError> {
    let wanted = |kind: &str| wants(&row.kinds, kind);
    let mut found = house.store.log_events(places, row.brand, wanted).await?;
    let mut told = Vec::with_capacity(found.len());
    for one in found.drain(..) {
        if tells(house, reference, row, &one.event).await? {
            told.push(one);
        }
    }
    Ok(told)
}

/// Whether a webhook, as it is now, is to be told an event.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn tells(
    house: &House,
    reference: &Reference,
    row: &WebhookRow,
    event: &Event,
) -> Result<bool, FlowError> {
    let (party, kind) = (PartyId(row.party), event.body.kind());
    if !wants(&row.kinds, kind) {
        return Ok(false);
    }
    let is_brand = domain::mandate::is_brand(&reference.tree, party);
    let hands = match audience(kind) {
        Some(Audience::Hands) if !is_brand => hands(house, event).await?,
        _ => Between::default(),
    };
    // A party stands in one brand's tree, and the webhook beside it.
    let of_brand = reference.tree.get(party).is_some_and(|p| p.brand == event.brand);
    Ok(of_brand && event.brand.0 == row.brand && may_know(&reference.tree, party, kind, hands))
}

/// Who sent the goods of an event and who receives them.
async fn hands(house: &House, event: &Event) -> Result<Between, FlowError> {
    let id = |party: i64| Some(PartyId(party));
    Ok(match &event.body {
        Body::Shipped { to, .. } | Body::Returned { to, .. } => {
            Between { from: event.party, to: id(*to) }
        }
        Body::ReceiptDiffered { from, .. } => Between { from: id(*from), to: event.party },
        Body::Received { .. } => {
            let from = sender(house, event).await?;
            Between { from, to: event.party }
        }
        Body::ShipmentVoided { holder, shipment_no, .. } => {
            let paper = (shipment_no.as_str(), *holder);
            let row = house.store.shipment_fetch(event.brand.0, paper, event.home).await?;
            Between { from: id(*holder), to: row.and_then(|row| id(row.to)) }
        }
        _ => Between::default(),
    })
}

/// Who had handed on what an event accepts: alone, or in the pack it was in then.
async fn sender(house: &House, event: &Event) -> Result<Option<PartyId>, FlowError> {
    let mut facts = CustodyFacts::default();
    house.store.custody_fetch(&[event.home], &mut facts).await?;
    let (subject, at) = (unit_number(event.home), instant(event.happened_at));
    let chain = facts.standing(subject, jiff::Timestamp::MAX);
    let is_it =
        |hold: &&&Hold| hold.at <= at && hold.kind.in_transit() && Some(hold.party) == event.party;
    Ok(chain.iter().rev().find(is_it).and_then(|hold| hold.from))
}

/// The message of an event.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn message(
    house: &House,
    reference: &Reference,
    found: &LogEvent,
) -> Result<Message, FlowError> {
    let event = &found.event;
    let (subjects, subjects_count) = subjects(house, reference, event).await?;
    let mut links = BTreeMap::new();
    for subject in &subjects {
        if let Some((kind, path)) = LINKS.iter().find(|(kind, _)| *kind == subject.kind) {
            links.insert(*kind, *path);
        }
    }
    let telling = Telling {
        kind: event.body.kind(),
        id: &event_name(&event.id.0),
        happened_at: instant(event.happened_at).to_string(),
        recorded_at: instant(event.recorded_at).to_string(),
        brand: brand_code(reference, event.brand),
        subjects,
        subjects_count,
        log_index: Some(found.position),
        links,
    };
    Ok(Message {
        event: event_name(&event.id.0),
        kind: event.body.kind().to_owned(),
        position: found.position,
        body: text(&telling),
    })
}

/// A message that tries the way and tells nothing.
///
/// # Errors
/// The system gave no randomness.
pub(super) fn ping(
    house: &House,
    reference: &Reference,
    row: &WebhookRow,
) -> Result<Message, FlowError> {
    let now = house.clock.now();
    let event = format!("ping{}", hex(&secrets::random::<8>()?));
    let telling = Telling {
        kind: "ping",
        id: &event,
        happened_at: now.to_string(),
        recorded_at: now.to_string(),
        brand: brand_code(reference, BrandId(row.brand)),
        subjects: Vec::new(),
        subjects_count: 0,
        log_index: None,
        links: BTreeMap::new(),
    };
    let body = text(&telling);
    Ok(Message { kind: "ping".to_owned(), position: -1, body, event })
}

const LINKS: [(&str, &str); 3] = [
    ("unit", "/api/v1/units/{id}"),
    ("pack", "/api/v1/packs/{id}"),
    ("batch", "/api/v1/batches/{id}/codes"),
];

fn text(telling: &Telling<'_>) -> String {
    // Text, numbers and lists of them: writing them as JSON cannot fail.
    serde_json::to_string(telling).unwrap_or_default()
}

fn brand_code(reference: &Reference, brand: BrandId) -> &str {
    reference.brands.get(&brand).map_or("", |row| row.code.as_str())
}

/// What an event is about, the first of many, and how many they are.
async fn subjects(
    house: &House,
    reference: &Reference,
    event: &Event,
) -> Result<(Vec<Subject>, i64), FlowError> {
    let of = |kind: &str, id: String| Subject { kind: kind.to_owned(), id };
    let batch = |number: i64| reference.batch_of(number).map(|b| of("batch", b.id.to_string()));
    let mut subjects = Vec::new();
    match &event.body {
        Body::Changed { object, code, .. } => subjects.push(of(object, code.clone())),
        Body::Minted { batch, .. } => subjects.push(of("batch", batch.to_string())),
        Body::CodesVoided { first, .. } => subjects.extend(batch(*first)),
        Body::BatchDelivered { .. } | Body::BatchExported {} => subjects.extend(batch(event.home)),
        body => {
            let (count, mut numbers) =
                house.store.event_subjects(&event.id.0, SUBJECTS_MAX).await?;
            // What goes into a pack and out of it are rows; the pack is where they are filed.
            match body {
                Body::Packed { sscc, .. } => subjects.push(of("pack", sscc.clone())),
                Body::Unpacked {} => subjects.extend(name(house, reference, event.home).await?),
                _ if numbers.is_empty() => numbers.push(event.home),
                _ => {}
            }
            let listed = numbers.len() as i64;
            for number in numbers {
                subjects.extend(name(house, reference, number).await?);
            }
            subjects.extend(paper(body).map(|number| of("shipment", number.to_owned())));
            let count = count.max(listed) + (subjects.len() as i64 - listed);
            return Ok((subjects, count));
        }
    }
    let count = subjects.len() as i64;
    Ok((subjects, count))
}

/// What a unit or pack is called outside.
async fn name(
    house: &House,
    reference: &Reference,
    number: i64,
) -> Result<Option<Subject>, FlowError> {
    let of = |kind: &str, id: &str| Subject { kind: kind.to_owned(), id: id.to_owned() };
    let Some(batch) = reference.batch_of(number) else { return Ok(None) };
    if batch.purpose == Purpose::Pack {
        let pack = house.store.pack_fetch(number).await?;
        return Ok(pack.map(|pack| of("pack", &pack.sscc)));
    }
    Ok(Some(of("unit", house.ring().encode(unit_number(number)).as_str())))
}

/// The paper an event names.
fn paper(body: &Body) -> Option<&str> {
    match body {
        Body::Shipped { shipment_no, .. }
        | Body::Returned { shipment_no, .. }
        | Body::ShipmentVoided { shipment_no, .. }
        | Body::ReceiptDiffered { shipment_no, .. } => Some(shipment_no),
        _ => None,
    }
}
