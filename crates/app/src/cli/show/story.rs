//! The timeline of a dossier: each event as one line.

use super::pen::{LABEL_COLUMNS, Pen};
use crate::cli::term::{Tone, pad, plain};
use crate::cli::words;
use crate::flows::custody::instant;
use crate::flows::dossier::{happened_at, left_pack};
use crate::flows::lives::of_start;
use crate::flows::redecide::weighed_again;
use crate::pages::event_words::event_word;
use detect::location::Family;
use domain::id::PartyId;
use domain::sale::Paper;
use store::event::{ActivatedBody, Body, Event, FamilyRow, FindingRow, Row};

impl Pen<'_> {
    /// Everything that happened to a unit or pack.
    pub(super) fn timeline(&self, events: &[Event], subject: i64) -> String {
        if events.is_empty() {
            return String::new();
        }
        let mut text = self.heading("档案", "Timeline");
        for event in events {
            let when = words::minute(&self.zone, instant(happened_at(event, subject)));
            let what = pad(self.word(&event.body), LABEL_COLUMNS + 1);
            let who = self.paint.tone(Tone::Dim, &self.who(event));
            let left = left_pack(event, events).map(|sscc| self.left(sscc)).unwrap_or_default();
            let again = self.again(event, events);
            let told = join([self.told(event, events), again, left, self.kit(event, subject)]);
            let gap = if told.is_empty() { "" } else { "  " };
            text += &format!("  {when}  {what}{told}{gap}{who}\n");
        }
        text
    }

    /// What an event is called.
    fn word(&self, body: &Body) -> &'static str {
        match body {
            // Nothing is suspected by it: it tells what a start reads as since then.
            Body::FindingAdded { findings, .. } if findings.is_empty() => {
                self.pick("重新评估", "reweighed")
            }
            _ => event_word(self.lang, body.kind()),
        }
    }

    /// The pack that it left by an event.
    fn left(&self, sscc: &str) -> String {
        format!("{} {}", self.pick("离开", "out of"), plain(sscc))
    }

    /// What is said of a fact that came after a later one which says otherwise.
    fn outdated(&self, outdated: bool) -> String {
        if outdated { self.pick("（已过时）", "(outdated)").to_owned() } else { String::new() }
    }

    /// The saleable set it was made for.
    fn kit(&self, event: &Event, unit: i64) -> String {
        let own = event.subjects.iter().find(|s| s.number == unit);
        match own.map(|subject| &subject.row) {
            Some(Row::Commissioned(row)) => match &row.kit {
                Some(main) => format!("{} {}", self.pick("套装", "set"), plain(main)),
                None => String::new(),
            },
            _ => String::new(),
        }
    }

    /// Who said so, and in whose name.
    fn who(&self, event: &Event) -> String {
        let party = event.party.and_then(|id| self.reference.tree.get(id));
        let actor = plain(&event.actor);
        match party {
            Some(party) => format!("[{} {actor}]", party.code),
            None => format!("[{actor}]"),
        }
    }

    #[allow(clippy::too_many_lines, reason = "an arm for each kind of event is one table")]
    fn told(&self, event: &Event, events: &[Event]) -> String {
        let party = |id: &i64| self.party(PartyId(*id));
        match &event.body {
            Body::Inspected { inspection, note, outdated } => {
                let word = words::inspection(self.lang, Some(inspection));
                join([word.to_owned(), plain(note), self.outdated(*outdated)])
            }
            Body::Packed { sscc, .. } => format!("SSCC {}", plain(sscc)),
            Body::Shipped { to, shipment_no, reason, declared_group_purchase, .. } => {
                let group = match declared_group_purchase {
                    Some(true) => self.pick("团购", "group purchase"),
                    _ => "",
                };
                let reason = reason.as_deref().map(plain).unwrap_or_default();
                join([format!("→ {}", party(to)), plain(shipment_no), reason, group.to_owned()])
            }
            Body::Returned { to, shipment_no, reason, .. } => {
                let reason = reason.as_deref().map(plain).unwrap_or_default();
                join([format!("→ {}", party(to)), plain(shipment_no), reason])
            }
            Body::ReceiptDiffered { from, shipment_no, .. } => {
                join([plain(shipment_no), party(from)])
            }
            Body::Received { note, .. } => note.as_deref().map(plain).unwrap_or_default(),
            Body::ShipmentVoided { holder, shipment_no, .. } => {
                join([plain(shipment_no), party(holder)])
            }
            Body::Activated(body) => self.activated(body, of_start(events, event.id, body).1),
            Body::FindingAdded { findings, bound_to, .. } => {
                let told = |f: &FindingRow| {
                    let grade = words::grade(self.lang, &f.grade);
                    let word = format!("{} {grade}", words::finding(self.lang, &f.kind));
                    self.paint.tone(words::grade_tone(&f.grade), &word)
                };
                let all: Vec<_> = findings.iter().map(told).collect();
                join([all.join("  "), self.bound(*bound_to)])
            }
            Body::FindingWithdrawn { finding_kind, .. } => words::finding(self.lang, finding_kind),
            Body::Recalled { outdated, reason }
            | Body::RecallLifted { outdated, reason }
            | Body::StolenReported { outdated, reason }
            | Body::StolenCleared { outdated, reason } => {
                join([plain(reason), self.outdated(*outdated)])
            }
            Body::Decommissioned { reason } | Body::CodesVoided { reason, .. } => plain(reason),
            Body::RecallRemedied { note, recall } => join([format!("#{recall}"), plain(note)]),
            Body::AliasBound { alias } => self.code(*alias),
            Body::BatchDelivered { to } => format!("→ {}", plain(to)),
            Body::IdentifierMoved { onto, reason, scheme, value, .. } => {
                let sign = if *onto { "+" } else { "-" };
                let value = super::known_as(scheme, value);
                join([format!("{sign} {} {value}", scheme.to_uppercase()), plain(reason)])
            }
            Body::Sold { counts, on, paper } => {
                let kept = self.pick("（不作起算）", "(starts nothing)");
                let paper = match Paper::parse(paper) {
                    Some(Paper::Invoice) => self.pick("发票", "invoice").to_owned(),
                    Some(Paper::Delivery) => self.pick("交付", "delivery").to_owned(),
                    None => plain(paper),
                };
                join([paper, on.clone(), if *counts { "" } else { kept }.to_owned()])
            }
            Body::Registered { proof, sold_on, .. } => {
                join([plain(proof), sold_on.clone().unwrap_or_default()])
            }
            Body::ProofPassed { proof } => plain(proof),
            Body::LifeOpened { cause, life, reason, .. } => {
                let cause = cause.map(|cause| words::cause(self.lang, cause)).unwrap_or_default();
                join([(life + 1).to_string(), cause.to_owned(), plain(reason)])
            }
            Body::Minted { .. }
            | Body::BatchExported {}
            | Body::Commissioned { .. }
            | Body::Unpacked {}
            | Body::Changed { .. }
            | Body::SuspicionReported { .. } => String::new(),
        }
    }

    fn activated(&self, body: &ActivatedBody, first: bool) -> String {
        let again = if first { "" } else { self.pick("再次", "again") };
        let region = body.region.as_deref().map(|r| self.region(r)).unwrap_or_default();
        let grade = self.grade(&body.grade);
        let why = self.why(&body.families);
        let bound = self.bound(body.bound_to);
        let clock = match body.clock_believed {
            true => "",
            false => self.pick("时钟不可信", "clock not believed"),
        };
        join([again.to_owned(), region, grade, why, bound, clock.to_owned()])
    }

    /// What an activation reads as since the last late fact, where there was one.
    fn again(&self, event: &Event, events: &[Event]) -> String {
        if !matches!(event.body, Body::Activated(_)) {
            return String::new();
        }
        let Some(told) = weighed_again(events, event.id) else { return String::new() };
        let word = self.pick("重新评估：", "weighed again:").to_owned();
        let reading = told.reading;
        let why = self.why(&reading.families);
        join([word, self.grade(&reading.grade), why, self.bound(reading.bound_to)])
    }

    fn grade(&self, grade: &str) -> String {
        let word = format!("{}{}", self.pick("位置", "place "), words::grade(self.lang, grade));
        self.paint.tone(words::grade_tone(grade), &word)
    }

    /// Why the families of evidence say what they say, as far as they tell.
    fn why(&self, families: &[FamilyRow]) -> String {
        let comma = self.pick("，", ", ");
        let told = |row: &FamilyRow| {
            let family = Family::parse(&row.family)?;
            let reasons = row.reasons.iter().map(|reason| words::why(self.lang, reason));
            let reasons = reasons.collect::<Vec<_>>().join(comma);
            let colon = self.pick("：", ": ");
            let family = words::family(self.lang, family);
            (!reasons.is_empty()).then(|| format!("{family}{colon}{reasons}"))
        };
        let all: Vec<_> = families.iter().filter_map(told).collect();
        if all.is_empty() {
            return String::new();
        }
        self.paint.tone(Tone::Dim, &all.join(self.pick("；", "; ")))
    }

    fn bound(&self, party: Option<i64>) -> String {
        let Some(id) = party else { return String::new() };
        match self.lang {
            crate::pages::i18n::Lang::Zh => format!("授权 {}", self.party(PartyId(id))),
            crate::pages::i18n::Lang::En => format!("bound to {}", self.party(PartyId(id))),
        }
    }
}

/// What is there, two spaces apart.
pub(super) fn join<const N: usize>(parts: [String; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}
