//! The device page: its blocks, in order, from one view.

use askama::Template;
use domain::life::Cause;
use jiff::civil::Date;

use crate::pages::i18n::{Lang, beijing};
use crate::pages::inline::Icon;
use crate::pages::rosette::rosette;
use crate::pages::shell::{Shell, href, tel};

use super::forms::InputField;
use super::parts::{self, Action, Actions, Hero, printed};
use super::view::{
    Basis, CentresView, CoverageView, DeviceView, Drawing, FactsView, FromFactoryView, PageState,
    ProductView, Promise, ProofForm, ProofView, RecallView, TermKind, TermView, TimelineEntry,
    TimelineKind, WarrantyView, When,
};

/// Lines of the dossier shown at once; the rest opens on a tap.
const TIMELINE_SHOWN_MAX: usize = 4;
/// Service centres on the device page; the rest has its own page.
const CENTRES_SHOWN_MAX: usize = 3;
/// A warranty that ends within so many days is called "ending soon".
const SOON_DAYS: i32 = 30;

#[derive(Template)]
#[template(path = "device/page.html")]
struct DevicePage<'a> {
    l: Lang,
    sh: Shell<'a>,
    hero: Hero,
    actions: Actions,
    services: Vec<Action>,
    advice: Vec<&'static str>,
    device: Option<DeviceCard<'a>>,
    proof: Option<ProofCard>,
    recall: Option<RecallCard<'a>>,
    warranty: Option<WarrantyCard>,
    timeline: Option<TimelineCard>,
    facts: Vec<Fact>,
    centres: Option<CentresCard<'a>>,
    my_data: Option<&'a str>,
}

/// The page of a device.
///
/// # Errors
/// Only when the template engine cannot write, which for a string means never.
pub fn render_device(view: &DeviceView) -> Result<String, askama::Error> {
    let lang = view.lang;
    let hero = parts::hero(view);
    let actions = parts::actions(view);
    let services = parts::services(view, &actions);
    let title = match &view.device {
        Some(device) => lang.join([hero.title, &device.name]),
        None => lang.join([hero.title, &view.site.brand]),
    };
    let timeline = timeline_card(view);
    let facts = facts(lang, &view.facts);
    let centres = centres_card(view);
    let sh = Shell {
        site: &view.site,
        title,
        tone: parts::tone(view.state),
        rosette: view.digest.as_ref().map(rosette),
        narrow: timeline.is_none() && facts.is_empty() && centres.is_none(),
    };
    let proof = view.proof.as_ref().filter(|_| view.state.asks_for_proof());
    let recall = view.recall.as_ref().filter(|_| view.state == PageState::Recalled);
    let page = DevicePage {
        l: lang,
        hero,
        actions,
        services,
        advice: parts::advice(view),
        device: view.device.as_ref().map(DeviceCard::new),
        proof: proof.map(|proof| proof_card(view, proof)),
        recall: recall.map(|recall| recall_card(lang, recall)),
        warranty: view.warranty.as_ref().map(|warranty| warranty_card(view, warranty)),
        timeline,
        facts,
        centres,
        my_data: view.links.my_data.as_deref().map(href),
        sh,
    };
    page.render()
}

/// The card that says which unit this is.
pub(super) struct DeviceCard<'a> {
    pub view: &'a ProductView,
    pub printed: String,
    pub picture: Option<&'a str>,
}

impl<'a> DeviceCard<'a> {
    pub(super) fn new(view: &'a ProductView) -> Self {
        let picture = view.picture_url.as_deref().map(href);
        Self { view, printed: printed(&view.code), picture }
    }
}

struct ProofCard {
    title: String,
    imei: Option<ProofStep>,
    scratch: Option<ProofStep>,
    scratch_text: &'static str,
    compare: Option<String>,
}

/// A step with a form of one field.
pub(super) struct ProofStep {
    pub action: String,
    pub key: String,
    pub kind: &'static str,
    pub field: InputField,
}

pub(super) fn imei_step(lang: Lang, form: &ProofForm) -> ProofStep {
    let field = InputField::digits("imei4", lang.t("proof.imei_label"), 4).holding(
        lang,
        &form.field,
        "fault.imei4",
    );
    step(form, "imei4", field)
}

pub(super) fn scratch_step(lang: Lang, form: &ProofForm) -> ProofStep {
    let field = InputField::digits("scratch", lang.t("proof.scratch_label"), 6).holding(
        lang,
        &form.field,
        "fault.scratch",
    );
    step(form, "scratch", field)
}

fn step(form: &ProofForm, kind: &'static str, field: InputField) -> ProofStep {
    // Each form posts `kind` and `value`; the ids stay apart because both are on one page.
    let field = InputField { name: "value", ..field };
    let action = href(&form.action).to_owned();
    ProofStep { action, key: form.idempotency_key.clone(), kind, field }
}

fn proof_card(view: &DeviceView, proof: &ProofView) -> ProofCard {
    let lang = view.lang;
    let compare = view.device.as_ref().map(|device| {
        let looks = lang.join([&*device.name, device.spec.as_deref().unwrap_or_default()]);
        lang.with("proof.compare_text", "looks", looks)
    });
    let steps = [proof.imei.is_some(), proof.scratch.is_some(), compare.is_some()];
    let count = steps.into_iter().filter(|step| *step).count();
    ProofCard {
        title: lang.with(
            "proof.title",
            "n",
            lang.t(match count {
                1 => "proof.n1",
                2 => "proof.n2",
                _ => "proof.n3",
            }),
        ),
        imei: proof.imei.as_ref().map(|form| imei_step(lang, form)),
        scratch: proof.scratch.as_ref().map(|form| scratch_step(lang, form)),
        // A page that is green already does not turn so.
        scratch_text: lang.t(match view.state {
            PageState::Check(_) => "proof.scratch_text",
            _ => "proof.scratch_text_again",
        }),
        compare,
    }
}

struct RecallCard<'a> {
    announced: String,
    view: &'a RecallView,
    notice: Option<&'a str>,
}

fn recall_card(lang: Lang, view: &RecallView) -> RecallCard<'_> {
    RecallCard {
        announced: lang.with("recall.announced", "date", lang.date(view.announced_on)),
        notice: view.notice_url.as_deref().map(href),
        view,
    }
}

struct WarrantyCard {
    pill: (&'static str, Icon, &'static str),
    large: String,
    left: Option<String>,
    bar: Option<Bar>,
    terms: Vec<Term>,
    promise: &'static str,
    notes: Vec<String>,
    /// Where a later purchase date can be given.
    correct: Option<String>,
}

struct Bar {
    /// How much has passed, 0–100.
    percent: i32,
    spoken: String,
    start: String,
    end: String,
}

struct Term {
    title: String,
    text: String,
    on: bool,
}

fn promise(lang: Lang, promise: Promise) -> &'static str {
    lang.t(match promise {
        Promise::Statutory => "warranty.statutory",
        Promise::Maker => "warranty.maker",
    })
}

fn length(lang: Lang, months: u16) -> String {
    match (months % 12, months / 12) {
        (0, years) => lang.count(["warranty.one_year", "warranty.years"], years.into()),
        _ => lang.count(["warranty.one_month", "warranty.months"], months.into()),
    }
}

fn warranty_card(view: &DeviceView, warranty: &WarrantyView) -> WarrantyCard {
    match warranty {
        WarrantyView::NotStarted { months, promise: whose, from_factory } => WarrantyCard {
            pill: ("mutep", Icon::Clock, view.lang.t("warranty.not_started")),
            large: length(view.lang, *months),
            left: None,
            bar: None,
            terms: Vec::new(),
            promise: promise(view.lang, *whose),
            notes: notes_not_started(view.lang, *from_factory),
            correct: None,
        },
        WarrantyView::Dated(coverage) => dated_card(view, coverage),
    }
}

/// What begins it, and what counts meanwhile.
fn notes_not_started(lang: Lang, from_factory: Option<FromFactoryView>) -> Vec<String> {
    let mut notes = vec![lang.t("warranty.note_not_started").to_owned()];
    if let Some(FromFactoryView { ends_on, provisional }) = from_factory {
        notes.push(lang.with("warranty.note_from_factory", "date", lang.date(ends_on)));
        if provisional {
            notes.push(lang.t("warranty.note_provisional").to_owned());
        }
    }
    notes
}

fn dated_card(view: &DeviceView, coverage: &CoverageView) -> WarrantyCard {
    let lang = view.lang;
    let days = |from: Date, to: Date| (to - from).get_days();
    let left = days(coverage.today, coverage.ends_on);
    let pill = match left {
        ..0 => ("mutep", Icon::Clock, lang.t("warranty.ended")),
        0..=SOON_DAYS => ("warnp", Icon::Warn, lang.t("warranty.soon")),
        _ => ("okp", Icon::Good, lang.t("warranty.running")),
    };
    let apart = u64::from(left.unsigned_abs());
    let left_text = match left {
        ..0 => lang.count(["warranty.one_day_past", "warranty.days_past"], apart),
        0 => lang.t("warranty.last_day").to_owned(),
        _ => lang.count(["warranty.one_day_left", "warranty.days_left"], apart),
    };
    let mut notes = vec![lang.t(basis(coverage.basis)).to_owned()];
    if coverage.rolled {
        notes.push(lang.t("warranty.note_rolled").to_owned());
    }
    // A period that has ended does not move any more.
    if coverage.provisional && left >= 0 {
        notes.push(lang.t("warranty.note_provisional").to_owned());
    }
    // What ran from the factory alone ends for want of a buyer's day, and one may still come.
    if coverage.basis == Basis::ExFactory && left < 0 {
        notes.push(lang.t("warranty.note_later_day").to_owned());
    }
    let correctable = matches!(coverage.basis, Basis::Activation | Basis::ExFactory);
    WarrantyCard {
        pill,
        large: lang.date(coverage.ends_on),
        left: Some(left_text),
        bar: Some(bar(lang, coverage, left)),
        terms: coverage.terms.iter().map(|term| term_chip(lang, coverage.today, *term)).collect(),
        promise: promise(lang, coverage.promise),
        notes,
        correct: view.links.register.as_deref().filter(|_| correctable).map(href).map(Into::into),
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Invoice => "warranty.basis_invoice",
        Basis::Sale => "warranty.basis_sale",
        Basis::Activation => "warranty.basis_activation",
        Basis::ExFactory => "warranty.basis_ex_factory",
    }
}

fn bar(lang: Lang, coverage: &CoverageView, left: i32) -> Bar {
    let whole = (coverage.ends_on - coverage.starts_on).get_days().max(1);
    let gone = (whole - left).clamp(0, whole);
    let days = |count: i32| lang.number(count.unsigned_abs().into());
    let start = match coverage.basis {
        Basis::Activation => "warranty.bar_activated",
        _ => "warranty.bar_from",
    };
    Bar {
        percent: gone * 100 / whole,
        spoken: lang.tf("warranty.bar", &[("whole", &days(whole)), ("gone", &days(gone))]),
        start: lang.with(start, "date", coverage.starts_on),
        end: lang.with("warranty.bar_to", "date", coverage.ends_on),
    }
}

fn term_chip(lang: Lang, today: Date, term: TermView) -> Term {
    let on = today <= term.ends_on;
    let title = match term.kind {
        TermKind::Return(days) => lang.with("warranty.term_return", "n", days),
        TermKind::Exchange(days) => lang.with("warranty.term_exchange", "n", days),
        TermKind::Repair(months) => {
            lang.with("warranty.term_repair", "length", length(lang, months))
        }
    };
    // The repair term ends on the large date above; saying it again would only crowd the chip.
    let text = match (on, term.kind) {
        (true, TermKind::Repair(_)) => lang.t("warranty.term_valid").to_owned(),
        (true, _) => lang.with("warranty.term_on", "date", lang.day(term.ends_on, today)),
        (false, _) => lang.with("warranty.term_past", "date", lang.day(term.ends_on, today)),
    };
    Term { title, text, on }
}

struct TimelineCard {
    count: String,
    shown: Vec<Line>,
    folded: Vec<Line>,
    more: String,
}

struct Line {
    icon: Icon,
    class: &'static str,
    when: String,
    title: &'static str,
    text: String,
}

fn timeline_card(view: &DeviceView) -> Option<TimelineCard> {
    let lang = view.lang;
    let mut shown: Vec<Line> = view.timeline.iter().map(|entry| line(view, entry)).collect();
    let count = shown.len();
    // Folding away a single line would cost a tap to save nothing.
    let fold = if count > TIMELINE_SHOWN_MAX + 1 { TIMELINE_SHOWN_MAX } else { count };
    let folded = shown.split_off(fold);
    (count > 0).then(|| TimelineCard {
        count: lang.with("timeline.count", "n", count),
        more: lang.with("timeline.more", "n", folded.len()),
        shown,
        folded,
    })
}

fn line(view: &DeviceView, entry: &TimelineEntry) -> Line {
    let lang = view.lang;
    let today = beijing(view.site.queried_at).date();
    let when = match entry.when {
        When::On(date) => date.to_string(),
        When::At(at) if beijing(at).date() == today => {
            lang.with("time.today", "time", beijing(at).strftime("%H:%M"))
        }
        When::At(at) => beijing(at).date().to_string(),
    };
    let (icon, class, key) = kind(entry.kind);
    let texts = [&entry.place, &entry.party, &entry.note];
    let text = lang.join(texts.into_iter().filter_map(|text| text.as_deref()));
    Line { icon, class, when, title: lang.t(key), text }
}

/// Icon, colour and word. Colour marks the few lines that matter: first start and proof (green),
/// service (blue), what takes a unit out of the market (red).
fn kind(kind: TimelineKind) -> (Icon, &'static str, &'static str) {
    match kind {
        TimelineKind::ThisScan => (Icon::Scan, "", "timeline.this_scan"),
        TimelineKind::Produced => (Icon::Factory, "", "timeline.produced"),
        TimelineKind::Inspected => (Icon::Inspected, "", "timeline.inspected"),
        TimelineKind::Packed => (Icon::Box, "", "timeline.packed"),
        TimelineKind::Shipped => (Icon::Truck, "", "timeline.shipped"),
        TimelineKind::Received => (Icon::Box, "", "timeline.received"),
        TimelineKind::Sold => (Icon::Shop, "", "timeline.sold"),
        TimelineKind::Activated => (Icon::Activated, "okd", "timeline.activated"),
        TimelineKind::ActivatedAgain => (Icon::Warn, "", "timeline.activated_again"),
        TimelineKind::Registered => (Icon::Person, "", "timeline.registered"),
        TimelineKind::Proved => (Icon::Genuine, "okd", "timeline.proved"),
        TimelineKind::Repaired => (Icon::Repair, "blue", "timeline.repaired"),
        TimelineKind::Returned => (Icon::Return, "", "timeline.returned"),
        TimelineKind::Renewed(cause) => (Icon::Return, "blue", renewed(cause)),
        TimelineKind::Recalled => (Icon::Warn, "badd", "timeline.recalled"),
        TimelineKind::Stolen => (Icon::Ban, "badd", "timeline.stolen"),
        TimelineKind::Decommissioned => (Icon::Ban, "badd", "timeline.decommissioned"),
    }
}

/// Only the brand's own work is called so: a unit that came back was perhaps not even opened.
fn renewed(cause: Option<Cause>) -> &'static str {
    match cause {
        Some(Cause::Return) => "timeline.renewed_return",
        Some(Cause::Refurbishment) => "timeline.renewed_refurbishment",
        Some(Cause::Replacement) => "timeline.renewed_replacement",
        None => "timeline.renewed",
    }
}

struct Fact {
    name: &'static str,
    values: Vec<String>,
}

fn facts(lang: Lang, facts: &FactsView) -> Vec<Fact> {
    let date = |on: Option<Date>| on.map(|on| lang.date(on));
    let rows = [
        ("facts.model", facts.model.clone()),
        ("facts.maker", facts.maker.clone()),
        ("facts.contract_maker", facts.contract_maker.clone()),
        ("facts.origin", facts.origin.clone()),
        ("facts.produced", date(facts.produced_on)),
        ("facts.lot", facts.lot.clone()),
        ("facts.inspected", date(facts.inspected_on)),
    ];
    let mut rows = rows.map(|(key, value)| (key, value.into_iter().collect::<Vec<_>>())).to_vec();
    rows.push(("facts.standards", facts.standards.clone()));
    for (key, value) in [
        ("facts.ccc", &facts.ccc),
        ("facts.certificate", &facts.certificate),
        ("facts.licence", &facts.licence),
        ("facts.test_report", &facts.test_report),
        ("facts.service_life", &facts.service_life),
    ] {
        rows.push((key, value.iter().cloned().collect()));
    }
    rows.retain(|(_, values)| !values.is_empty());
    rows.into_iter().map(|(key, values)| Fact { name: lang.t(key), values }).collect()
}

pub(super) struct CentresCard<'a> {
    pub near: Option<&'a str>,
    pub rows: Vec<CentreRow<'a>>,
    pub all: Option<String>,
}

pub(super) struct CentreRow<'a> {
    pub name: &'a str,
    pub text: String,
    pub address: Option<&'a str>,
    pub call: Option<(String, String)>,
    pub way: Option<(&'a str, String)>,
}

pub(super) fn centre_rows(lang: Lang, view: &CentresView) -> Vec<CentreRow<'_>> {
    let row = |centre: &'_ super::view::CentreView| {
        let distance = centre.metres.map(|metres| distance(lang, metres)).unwrap_or_default();
        lang.join([&*distance, centre.hours.as_deref().unwrap_or_default()])
    };
    let rows = view.centres.iter().map(|centre| CentreRow {
        name: &centre.name,
        text: row(centre),
        address: centre.address.as_deref(),
        call: centre
            .phone
            .as_deref()
            .map(|phone| (tel(phone), lang.with("centres.call", "name", &centre.name))),
        way: centre
            .map_url
            .as_deref()
            .map(|url| (href(url), lang.with("centres.way", "name", &centre.name))),
    });
    rows.collect()
}

/// Whole kilometres: it is counted from the middle of a city, so more would say nothing.
fn distance(lang: Lang, metres: u32) -> String {
    match metres {
        ..1_000 => lang.t("centres.km_less").to_owned(),
        _ => lang.with("centres.km", "n", lang.number(((metres + 500) / 1_000).into())),
    }
}

fn centres_card(view: &DeviceView) -> Option<CentresCard<'_>> {
    let centres = view.centres.as_ref().filter(|centres| !centres.centres.is_empty())?;
    let mut rows = centre_rows(view.lang, centres);
    rows.truncate(CENTRES_SHOWN_MAX);
    let more = centres.centres.len() > rows.len();
    Some(CentresCard {
        near: centres.near.as_deref(),
        rows,
        all: view.links.centres.as_deref().filter(|_| more).map(|url| href(url).to_owned()),
    })
}
