//! The dossier as the public sees it: production and its city, leaving the factory, the first
//! activation and its city, that of another device under its name, registration, proof, recalls,
//! new lives, the end.
//!
//! Deliberately absent: every hand between factory and consumer, unless the party is marked public;
//! grants and findings; returns between traders; who reported a theft, and when.

use domain::id::{EventId, PartyId, SiteId};
use domain::region::Divisions;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use store::canonical::unhex;
use store::event::{Body, Event};
use store::unit::UnitRecord;

use crate::flows::custody::instant;
use crate::flows::dossier::happened_at;
use crate::flows::lives::of_start;
use crate::flows::reference::Reference;
use crate::pages::i18n::Lang;
use crate::pages::place::{city_name, full_name};

use super::view::{RecallView, TimelineEntry, TimelineKind, When};

/// What the lines are read from.
pub struct History<'a> {
    /// Parties and sites.
    pub reference: &'a Reference,
    /// Regions.
    pub divisions: &'a Divisions,
    /// The page's language.
    pub lang: Lang,
    /// The zone the brand's days are in.
    pub zone: &'a TimeZone,
    /// The unit.
    pub unit: &'a UnitRecord,
    /// Its events, oldest first.
    pub events: &'a [Event],
}

impl History<'_> {
    /// The lines, newest first.
    #[must_use]
    pub fn timeline(&self) -> Vec<TimelineEntry> {
        let again = self.again();
        let mut left = false;
        let lines = self.events.iter().filter_map(|event| self.line(event, again, &mut left));
        let mut lines: Vec<_> = lines.collect();
        lines.reverse();
        lines
    }

    /// The start that made it suspect: the first of its present life by another device. What comes
    /// after it is not told: anyone can report one start after the other.
    fn again(&self) -> Option<EventId> {
        let own = self.unit.fingerprint.as_deref().filter(|_| self.unit.suspect)?;
        let found = self.events.iter().find(|event| {
            let Body::Activated(body) = &event.body else { return false };
            let device = body.fingerprint.as_deref().and_then(unhex);
            device.is_some_and(|device| device != own)
                && of_start(self.events, event.id, body) == (self.unit.life, false)
        });
        found.map(|event| event.id)
    }

    fn line(
        &self,
        event: &Event,
        again: Option<EventId>,
        left: &mut bool,
    ) -> Option<TimelineEntry> {
        let at = When::At(instant(event.happened_at));
        let on = When::On(self.day(event.happened_at));
        let plain = |kind, when| TimelineEntry { kind, when, place: None, party: None, note: None };
        Some(match &event.body {
            Body::Commissioned { .. } => {
                let when = When::On(self.day(happened_at(event, self.unit.number)));
                TimelineEntry { place: self.origin(), ..plain(TimelineKind::Produced, when) }
            }
            Body::Inspected { inspection, outdated: false, .. } if inspection == "pass" => {
                plain(TimelineKind::Inspected, on)
            }
            Body::Shipped { .. } if self.was_voided(event) => return None,
            Body::Shipped { to, .. } => {
                let party = self.public_party(*to);
                if !*left && self.is_origin(event.party) && !self.is_origin(Some(PartyId(*to))) {
                    *left = true;
                } else if party.is_none() {
                    return None;
                }
                TimelineEntry { party, ..plain(TimelineKind::Shipped, on) }
            }
            Body::Activated(body) => {
                let kind = match of_start(self.events, event.id, body) {
                    (_, true) => TimelineKind::Activated,
                    _ if again == Some(event.id) => TimelineKind::ActivatedAgain,
                    _ => return None,
                };
                let place = body.region_told();
                let place = place.and_then(|r| city_name(self.divisions, self.lang, r));
                let at = When::At(instant(body.activated_at));
                TimelineEntry { place, ..plain(kind, at) }
            }
            Body::Sold { on: day, .. } => {
                let when = When::On(day.parse().ok()?);
                // The brand and its service centres saw the paper; they did not sell.
                let tree = &self.reference.tree;
                let sold = event.party.filter(|p| tree.get(*p).is_some_and(|p| p.kind.sells()));
                let party = sold.and_then(|party| self.public_party(party.0));
                TimelineEntry { party, ..plain(TimelineKind::Sold, when) }
            }
            Body::Registered { .. } => plain(TimelineKind::Registered, on),
            Body::ProofPassed { .. } => plain(TimelineKind::Proved, at),
            Body::LifeOpened { cause, .. } => plain(TimelineKind::Renewed(*cause), on),
            Body::Recalled { outdated: false, .. } => plain(TimelineKind::Recalled, on),
            Body::Decommissioned { .. } => plain(TimelineKind::Decommissioned, on),
            _ => return None,
        })
    }

    /// Whether a shipment's paper was taken back: it moved nothing.
    fn was_voided(&self, shipped: &Event) -> bool {
        let Body::Shipped { shipment_no: paper, .. } = &shipped.body else { return false };
        self.events.iter().any(|event| match &event.body {
            Body::ShipmentVoided { shipment_no, .. } => {
                (event.home, event.party, shipment_no) == (shipped.home, shipped.party, paper)
            }
            _ => false,
        })
    }

    /// The recall in force: its day and the maker's words.
    #[must_use]
    pub fn recall(&self) -> Option<RecallView> {
        let since = self.unit.recalled_at;
        self.events.iter().rev().find_map(|event| match &event.body {
            Body::Recalled { reason, .. } if Some(event.happened_at) == since => Some(RecallView {
                announced_on: self.day(event.happened_at),
                title: None,
                cause: reason.clone(),
                remedy: None,
                notice_url: None,
            }),
            _ => None,
        })
    }

    /// The day the inspection was passed, where one was recorded by itself.
    #[must_use]
    pub fn inspected_on(&self) -> Option<Date> {
        let passed = |e: &&Event| match &e.body {
            Body::Inspected { inspection, outdated, .. } => inspection == "pass" && !outdated,
            _ => false,
        };
        self.events.iter().rev().find(passed).map(|e| self.day(e.happened_at))
    }

    /// Province and city of the production site, else of the party that runs it.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let site = self.reference.site_by_id(SiteId(self.unit.site?))?;
        let party = self.reference.tree.get(site.party);
        let region = site.region.as_ref().or(party.and_then(|p| p.region.as_ref()))?;
        full_name(self.divisions, self.lang, region)
    }

    /// The day an instant falls on for the brand.
    #[must_use]
    pub fn day(&self, micros: i64) -> Date {
        self.zone.to_datetime(instant(micros)).date()
    }

    fn is_origin(&self, party: Option<PartyId>) -> bool {
        party.and_then(|p| self.reference.tree.get(p)).is_some_and(|p| p.kind.is_origin())
    }

    fn public_party(&self, id: i64) -> Option<String> {
        let party = self.reference.tree.get(PartyId(id)).filter(|p| p.public)?;
        Some(party.name.clone())
    }
}
