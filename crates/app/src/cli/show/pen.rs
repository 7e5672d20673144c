//! What the sheets of units and packs are written with: the words, the zone, the columns.

use crate::cli::term::{Paint, Tone, clip, pad, plain};
use crate::cli::words;
use crate::flows::House;
use crate::flows::find::unit_number;
use crate::flows::reference::Reference;
use crate::pages::i18n::Lang;
use domain::custody::{CustodyFacts, HoldKind, Hop};
use domain::id::{BrandId, PartyId, SiteId};
use jiff::tz::TimeZone;

/// Columns of the labels on the left.
pub(super) const LABEL_COLUMNS: usize = 10;
/// Columns of the longest name shown.
pub(super) const NAME_COLUMNS: usize = 48;

/// How a dossier is told.
pub(super) struct Pen<'a> {
    pub(super) house: &'a House,
    pub(super) reference: &'a Reference,
    pub(super) zone: TimeZone,
    pub(super) lang: Lang,
    pub(super) paint: Paint,
}

impl<'a> Pen<'a> {
    pub(super) fn new(
        house: &'a House,
        reference: &'a Reference,
        brand: BrandId,
        lang: Lang,
    ) -> Self {
        let zone = reference.zone(brand).clone();
        Self { house, reference, zone, lang, paint: Paint::for_stdout() }
    }

    pub(super) fn pick(&self, zh: &'static str, en: &'static str) -> &'static str {
        words::pick(self.lang, zh, en)
    }

    pub(super) fn heading(&self, zh: &'static str, en: &'static str) -> String {
        self.paint.tone(Tone::Bold, self.pick(zh, en)) + "\n"
    }

    /// A labelled line; nothing when there is nothing to say.
    pub(super) fn line(&self, zh: &'static str, en: &'static str, text: &str) -> String {
        if text.is_empty() { String::new() } else { self.row(self.pick(zh, en), &plain(text)) }
    }

    pub(super) fn row(&self, label: &str, text: &str) -> String {
        format!("  {}{text}\n", self.paint.tone(Tone::Dim, &pad(label, LABEL_COLUMNS + 1)))
    }

    pub(super) fn code(&self, number: i64) -> String {
        self.house.ring().encode(unit_number(number)).as_str().to_owned()
    }

    /// Who has a unit or pack now, and whether it is still on its way there.
    pub(super) fn holder(&self, custody: &CustodyFacts, number: i64) -> String {
        let now = self.house.clock.now();
        let hops = custody.hops(unit_number(number));
        let last = hops.into_iter().rfind(|hop| hop.hold.at <= now);
        last.map_or_else(String::new, |Hop { hold, in_transit, .. }| {
            let transit = if in_transit { self.pick("（在途）", " (in transit)") } else { "" };
            format!("{}{transit}", self.party(hold.party))
        })
    }

    /// The hands a unit or pack went through.
    pub(super) fn chain(&self, custody: &CustodyFacts, number: i64) -> String {
        // What a voided paper moved, it did not move; papers and timeline tell of both.
        let mut hops = custody.hops(unit_number(number));
        // Packing changes no hands; the timeline tells it.
        hops.retain(|hop| hop.hold.kind != HoldKind::Packed);
        if hops.is_empty() {
            return String::new();
        }
        let mut text = self.heading("流转", "Custody");
        for Hop { hold, in_transit, presumed } in hops {
            let mut way = match hold.from {
                Some(from) if from != hold.party => {
                    format!("{} → {}", self.party(from), self.party(hold.party))
                }
                _ => self.party(hold.party),
            };
            if let Some(paper) = &hold.shipment_no {
                way += &format!("  {}", plain(paper));
            }
            if in_transit {
                way += self.pick("  （在途）", "  (in transit)");
            }
            if presumed {
                way += self.pick("  （推定已签收）", "  (receipt presumed)");
            }
            let when = words::minute(&self.zone, hold.at);
            let what = pad(words::hold(self.lang, hold.kind), LABEL_COLUMNS);
            text += &format!("  {when}  {what}{way}\n");
        }
        text
    }

    pub(super) fn region(&self, text: &str) -> String {
        words::region(self.lang, self.house.geo.divisions(), text)
    }

    pub(super) fn party(&self, id: PartyId) -> String {
        match self.reference.tree.get(id) {
            Some(party) => format!("{} {}", clip(&plain(&party.name), NAME_COLUMNS), party.code),
            None => "-".to_owned(),
        }
    }

    pub(super) fn site(&self, id: i64) -> String {
        match self.reference.site_by_id(SiteId(id)) {
            Some(site) => format!("{} {}", clip(&plain(&site.name), NAME_COLUMNS), site.code),
            None => String::new(),
        }
    }
}
