//! From what the flows know of a unit to the view of its page.
//!
//! An answer shows only what was checked: a check that does not apply has no chip. A forged code, a
//! number never issued and a text that is no code give the very same view, so that nobody learns
//! how near a guess came. The public list of facts is the one of `docs/access.md`; the day a theft
//! was reported is not on it.

use domain::certification::CertificateStatus;
use domain::id::BrandId;
use domain::policy::{Category, Promise as Word};
use domain::product::Product;
use domain::verdict::scan::ScanAnomaly;
use domain::verdict::{Check as Looked, CheckState, Decision, Reason, Verdict};
use domain::warranty::{Coverage, CoverageState, StartBasis};
use jiff::Timestamp;
use jiff::civil::Date;
use store::scan::looks;
use store::unit::ScanRecord;

use crate::flows::House;
use crate::flows::custody::instant;
use crate::flows::dossier::Dossier;
use crate::flows::proof;
use crate::flows::reference::Reference;
use crate::flows::scans;
use crate::flows::verify::{self, Known, Verified};
use crate::geo::VisitorPlace;
use crate::pages::i18n::Lang;
use crate::pages::place::city_name;
use crate::pages::shell::SiteView;

use super::history::History;
use super::nearby::{Nearby, city_of};
use super::view::*;

/// The sentences for one month, and for more.
const MONTHS: [&str; 2] = ["warranty.one_month", "warranty.months"];

/// Everything a page of a device is made from.
pub struct Present<'a> {
    /// Rules and secrets.
    pub house: &'a House,
    /// Master data.
    pub reference: &'a Reference,
    /// The page's language.
    pub lang: Lang,
    /// Brand line and footer.
    pub site: SiteView,
    /// Where the visitor is.
    pub place: VisitorPlace,
    /// When this look was counted; none when it only moved within the page.
    pub counted_at: Option<i64>,
    /// This browser showed the scratch code.
    pub proved_here: bool,
}

/// Where the pages of a code are.
#[must_use]
pub fn page_url(code: &str) -> String {
    format!("/d/{code}")
}

/// Whether consumers may bind themselves to a unit of this verdict.
#[must_use]
pub fn registrable(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Genuine | Verdict::NotActivated)
}

/// The device card.
#[must_use]
pub fn product_view(lang: Lang, product: &Product, code: &str) -> ProductView {
    let english = lang == Lang::En && !product.name_en.is_empty();
    ProductView {
        name: if english { &product.name_en } else { &product.name_zh }.clone(),
        spec: Some(product.spec.clone()).filter(|s| !s.is_empty()),
        drawing: match product.category {
            Category::Phone => Drawing::Phone,
            Category::PowerBank => Drawing::PowerBank,
            Category::Notebook => Drawing::Notebook,
            Category::SmartWatch => Drawing::SmartWatch,
            Category::Tablet => Drawing::Tablet,
            Category::Earphones => Drawing::Earphones,
            _ => Drawing::Other,
        },
        picture_url: product.shown_picture().map(str::to_owned),
        code: code.to_owned(),
    }
}

impl Present<'_> {
    /// A page without a unit.
    #[must_use]
    pub fn bare(&self, state: PageState, url: &str) -> DeviceView {
        let checks = match state {
            PageState::Unverifiable | PageState::Retired(_) => vec![Check::Code(Mark::Bad)],
            _ => Vec::new(),
        };
        let reportable = !matches!(state, PageState::Unavailable);
        DeviceView {
            lang: self.lang,
            site: self.site.clone(),
            state,
            further_life: false,
            checks,
            scans: None,
            odd_scans: None,
            digest: None,
            device: None,
            proof: None,
            recall: None,
            warranty: None,
            timeline: Vec::new(),
            facts: FactsView::default(),
            centres: None,
            links: LinksView {
                report: reportable.then(|| format!("{url}/report")),
                retry: Some(url.to_owned()),
                ..LinksView::default()
            },
        }
    }

    /// The page of what was found. `url` is where it is asked for again. `key` makes the hidden
    /// key of each form.
    #[must_use]
    pub fn device(
        &self,
        verified: &Verified,
        dossier: Option<&Dossier>,
        url: &str,
        key: &dyn Fn() -> String,
    ) -> DeviceView {
        let state = self.state(verified);
        let bare = self.bare(state, url);
        let (Some(known), Some(dossier)) = (&verified.unit, dossier) else { return bare };
        let decision = &verified.decision;
        match state {
            PageState::Unverifiable | PageState::Unavailable => return bare,
            PageState::Retired(RetiredReason::CodeVoid) => return bare,
            // Names and papers here would be a stranger's word about somebody.
            PageState::Check(CheckReason::UnknownBrand) => return bare,
            PageState::NotReleased => {
                let mut checks = checks(decision, known, state);
                checks.retain(|check| !matches!(check, Check::Scans(_)));
                return DeviceView { checks, ..bare };
            }
            _ => {}
        }
        let serviced = !matches!(state, PageState::Stolen { .. } | PageState::Retired(_));
        let zone = self.reference.zone(BrandId(known.record.brand));
        let history = self.history(known, dossier, zone);
        let code = known.code().to_string();
        let url = page_url(&code);
        let centres = serviced.then(|| self.nearby(known).centres());
        let centres = centres.filter(|c| !c.centres.is_empty());
        let checks = checks(decision, known, state);
        DeviceView {
            further_life: known.record.life > 0,
            odd_scans: self.odd_beside(known, state, &checks),
            checks,
            scans: known.scans.as_ref().map(|scans| self.scans(scans)),
            digest: digest(self.house, known.record.number),
            device: Some(product_view(self.lang, &known.product, &code)),
            proof: state.asks_for_proof().then(|| self.proof(known, &url, key)),
            recall: self.recall(known, &history).or_else(|| history.recall()),
            warranty: serviced.then(|| self.warranty(known)).flatten(),
            timeline: self.timeline(&history),
            facts: facts(known, &history),
            links: LinksView {
                centres: centres.as_ref().map(|_| format!("{url}/centres")),
                register: registrable(decision.verdict).then(|| format!("{url}/register")),
                report: Some(format!("{url}/report")),
                my_data: Some(format!("{url}/my-data")),
                retry: Some(url),
            },
            centres,
            ..bare
        }
    }

    /// The words of the recall it stands under.
    fn recall(&self, known: &Known, history: &History<'_>) -> Option<RecallView> {
        let row = &known.recall.as_ref()?.row;
        let say = |zh: &str, en: &str| match self.lang == Lang::En && !en.is_empty() {
            true => en.to_owned(),
            false => zh.to_owned(),
        };
        Some(RecallView {
            announced_on: history.day(row.opened_at),
            title: Some(say(&row.title_zh, &row.title_en)),
            cause: say(&row.reason_zh, &row.reason_en),
            remedy: Some(say(&row.action_zh, &row.action_en)),
            notice_url: row.link.clone(),
        })
    }

    fn history<'b>(
        &'b self,
        known: &'b Known,
        dossier: &'b Dossier,
        zone: &'b jiff::tz::TimeZone,
    ) -> History<'b> {
        History {
            reference: self.reference,
            divisions: self.house.geo.divisions(),
            lang: self.lang,
            zone,
            unit: &known.record,
            events: &dossier.events,
        }
    }

    /// The service centres of a unit's brand.
    #[must_use]
    pub fn nearby(&self, known: &Known) -> Nearby<'_> {
        let divisions = self.house.geo.divisions();
        let here = self.place.region.filter(|r| r.is_division());
        // The public is told the city of its first start: a distance must not tell the district.
        let activated = known.record.region.as_deref().and_then(|r| divisions.parse(r).ok());
        let activated = activated.map(|region| city_of(divisions, region));
        Nearby {
            reference: self.reference,
            divisions,
            brand: BrandId(known.record.brand),
            lang: self.lang,
            from: here.or(activated),
        }
    }

    fn state(&self, verified: &Verified) -> PageState {
        let decision = &verified.decision;
        let known = verified.unit.as_deref();
        match (decision.verdict, known) {
            (Verdict::Unavailable, _) => PageState::Unavailable,
            (Verdict::Forged | Verdict::Unknown, _) | (_, None) => PageState::Unverifiable,
            (Verdict::Genuine, Some(known)) => PageState::Active(self.note(decision, known)),
            (Verdict::NotActivated, Some(known)) => {
                let starts = match known.product.network_start {
                    _ if verify::is_dated(&known.record) => Starts::Sold,
                    true => Starts::FirstStart,
                    false => Starts::Registration,
                };
                let lifted = self.lifted_on(decision, known);
                let proved_elsewhere = lifted.filter(|_| !self.proved_here);
                PageState::NotActivated { starts, proved_elsewhere }
            }
            (Verdict::Check, Some(known)) => PageState::Check(self.reason(decision.reason, known)),
            (Verdict::NotReleased, _) => PageState::NotReleased,
            (Verdict::Recalled, _) => PageState::Recalled,
            (Verdict::Stolen, _) => PageState::Stolen { reported_on: None },
            (Verdict::Retired, _) => PageState::Retired(match decision.reason {
                Reason::CodeVoid => RetiredReason::CodeVoid,
                _ => RetiredReason::Decommissioned,
            }),
        }
    }

    /// The day of the proof that lifted a suspicion, if one did: a check that would warn claims
    /// nothing then, and the proof stands instead.
    fn lifted_on(&self, decision: &Decision, known: &Known) -> Option<Date> {
        // What was never started has no activation to be odd.
        let started = known.record.activated_at.is_some();
        let lifted = [(Looked::ActivationUnique, started), (Looked::ScansNormal, true)]
            .into_iter()
            .any(|(check, tells)| tells && decision.state_of(check) == CheckState::NotApplicable);
        known.record.proof_at.filter(|_| lifted).map(|at| self.day(known, instant(at)))
    }

    fn note(&self, decision: &Decision, known: &Known) -> ActiveNote {
        if let Some(on) = self.lifted_on(decision, known) {
            return match self.proved_here {
                true => ActiveNote::Proved(on),
                false => ActiveNote::ProvedElsewhere(on),
            };
        }
        let divisions = self.house.geo.divisions();
        let activated = known.record.region.as_deref().and_then(|r| divisions.parse(r).ok());
        match activated {
            Some(region) if self.place.is_in_province_of(region) => ActiveNote::SamePlace,
            _ => ActiveNote::Plain,
        }
    }

    /// Why a visitor is asked to look.
    fn reason(&self, reason: Reason, known: &Known) -> CheckReason {
        match reason {
            Reason::ActivatedAgain => CheckReason::ActivatedAgain,
            Reason::ScanAnomaly => self.odd_scans(known),
            Reason::BrandNotVouched => CheckReason::UnknownBrand,
            _ => CheckReason::NotCleared,
        }
    }

    /// What is odd about the looks, where a chip says that something is and the sentence under the
    /// verdict does not say what.
    fn odd_beside(&self, known: &Known, state: PageState, checks: &[Check]) -> Option<CheckReason> {
        let said = matches!(
            state,
            PageState::Check(CheckReason::ManyScans { .. } | CheckReason::ImpossibleTravel { .. })
        );
        let odd = checks.contains(&Check::Scans(Mark::Warn));
        (odd && !said).then(|| self.odd_scans(known))
    }

    fn odd_scans(&self, known: &Known) -> CheckReason {
        let policy = &self.house.rules.scans;
        let by = (policy, self.house.geo.divisions().as_ref());
        let summary = known.scans.as_ref().map(|scans| scans::summary(by, scans, None));
        let summary = summary.unwrap_or_default();
        match (policy.anomaly(&summary), summary.journey) {
            (Some(ScanAnomaly::ImpossibleTravel), Some(journey)) => CheckReason::ImpossibleTravel {
                km: journey.km.into(),
                minutes: journey.minutes.into(),
            },
            _ => CheckReason::ManyScans {
                scan_count: summary.day_count.into(),
                city_count: summary.day_city_count.into(),
                hours: 24,
            },
        }
    }

    /// The consumer looks, this one included. `recent` holds a line per look, newest last.
    fn scans(&self, record: &ScanRecord) -> ScansView {
        let view = |at: i64, place: Option<&str>| {
            let divisions = self.house.geo.divisions();
            let city = place.and_then(|p| city_name(divisions, self.lang, p));
            ScanView { at: instant(at), city }
        };
        let lines: Vec<_> = looks(&record.recent).collect();
        let this = match self.counted_at {
            Some(counted) => lines.iter().rposition(|look| look.at == counted),
            None => lines.len().checked_sub(1),
        };
        let earlier = this.map_or(&lines[..], |this| &lines[..this]);
        let count = u64::try_from(record.count).unwrap_or(0);
        let again = count > 1;
        ScansView {
            count,
            first: again.then(|| view(record.first_at, record.first_place.as_deref())),
            last: earlier.last().filter(|_| again).map(|look| view(look.at, look.city)),
        }
    }

    fn proof(&self, known: &Known, url: &str, key: &dyn Fn() -> String) -> ProofView {
        let (scratch, imei) = proof::offered(self.reference, &known.record, known.worn);
        let form = || ProofForm {
            action: format!("{url}/proof"),
            idempotency_key: key(),
            field: FieldView::default(),
        };
        ProofView { imei: imei.then(form), scratch: scratch.then(form) }
    }

    /// The warranty card, by the reading that a verify request is told. It has begun with a sale or
    /// an activation; while only the day it left the factory is known, a buyer's is still waited
    /// for, and what counts without one is said beside. Once that is over, it is what there is.
    #[must_use]
    pub fn warranty(&self, known: &Known) -> Option<WarrantyView> {
        let policies = &self.house.rules.policies;
        let category = known.product.category;
        let today = self.day(known, self.site.queried_at);
        let custody = &known.custody;
        let reading = verify::warranty(self.house, self.reference, &known.record, custody);
        match reading.known() {
            Some(c) if !c.is_from_factory() || c.state_on(today) == CoverageState::Ended => {
                let policy = policies.warranty_for(category, c.starts_on);
                Some(WarrantyView::Dated(coverage(c, policy, today)))
            }
            known => {
                let policy = policies.warranty_for(category, today)?;
                let from_factory = known.map(|c| FromFactoryView {
                    ends_on: c.ends_on,
                    provisional: !c.holidays_verified,
                });
                let (months, promise) = (months(policy), promise(policy.basis));
                Some(WarrantyView::NotStarted { months, promise, from_factory })
            }
        }
    }

    fn timeline(&self, history: &History<'_>) -> Vec<TimelineEntry> {
        let city = self.place.city();
        let divisions = self.house.geo.divisions();
        let now = TimelineEntry {
            kind: TimelineKind::ThisScan,
            when: When::At(self.site.queried_at),
            place: city.and_then(|c| city_name(divisions, self.lang, c.as_str())),
            party: None,
            note: None,
        };
        std::iter::once(now).chain(history.timeline()).collect()
    }

    /// The day an instant falls on for the unit's brand.
    #[must_use]
    pub fn day(&self, known: &Known, at: Timestamp) -> Date {
        self.reference.day(BrandId(known.record.brand), at)
    }
}

/// The chips: what was looked at, with its outcome. What a proof lifted is nothing any more to
/// whoever gave the proof, but everybody else still reads what was odd.
fn checks(decision: &Decision, known: &Known, state: PageState) -> Vec<Check> {
    let others = state.proved_elsewhere().is_some();
    let started = known.record.activated_at.is_some();
    let mark = |check| match decision.state_of(check) {
        CheckState::Ok => Some(Mark::Ok),
        CheckState::Warn => Some(Mark::Warn),
        CheckState::NotApplicable if others && (check != Looked::ActivationUnique || started) => {
            Some(Mark::Warn)
        }
        CheckState::NotApplicable => None,
    };
    let against = match state {
        PageState::Check(CheckReason::NotCleared) => Some(Against::Inspection),
        PageState::Recalled => Some(Against::Recalled),
        PageState::Stolen { .. } => Some(Against::Stolen),
        PageState::Retired(RetiredReason::Decommissioned) => Some(Against::Retired),
        _ => None,
    };
    let none_yet = known.record.activated_at.is_none().then_some(Mark::None);
    let code = mark(Looked::CodeValid).map(|m| if m == Mark::Warn { Mark::Bad } else { m });
    let found = [
        against.map(Check::Against),
        code.map(Check::Code),
        mark(Looked::ActivationUnique).or(none_yet).map(Check::Activation),
        mark(Looked::ScansNormal).map(Check::Scans),
    ];
    found.into_iter().flatten().collect()
}

fn digest(house: &House, number: i64) -> Option<[u8; 32]> {
    house.secrets.hash("rosette", &number.to_string()).try_into().ok()
}

fn facts(known: &Known, history: &History<'_>) -> FactsView {
    let text = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    let (product, unit) = (&known.product, &known.record);
    let produced_on = unit.produced_at.map(|at| history.day(at));
    let passed = unit.inspection.as_deref() == Some("pass");
    let life = product.certification.service_months;
    FactsView {
        model: text(&product.model),
        maker: text(&product.maker),
        contract_maker: text(&product.contract_maker),
        origin: history.origin(),
        produced_on,
        lot: unit.lot.as_deref().and_then(text),
        inspected_on: history.inspected_on().or(produced_on).filter(|_| passed),
        standards: product.standards.clone(),
        ccc: text(&product.ccc_certificate),
        certificate: certificate(history.lang, product),
        licence: text(&product.certification.licence),
        test_report: text(&product.certification.test_report),
        service_life: life.map(|months| history.lang.count(MONTHS, months.into())),
    }
}

/// Who gave the certificate and how it stands, as far as the brand says.
fn certificate(lang: Lang, product: &Product) -> Option<String> {
    let papers = &product.certification;
    let status = papers.status.map(|status| {
        lang.t(match status {
            CertificateStatus::Valid => "facts.valid",
            CertificateStatus::Suspended => "facts.suspended",
            CertificateStatus::Withdrawn => "facts.withdrawn",
        })
    });
    let body = Some(papers.body.as_str()).filter(|body| !body.is_empty());
    let words: Vec<_> = body.into_iter().chain(status).collect();
    (!words.is_empty()).then(|| words.join(" · "))
}

fn months(policy: &domain::policy::WarrantyPolicy) -> u16 {
    u16::from(policy.term.years) * 12 + u16::from(policy.term.months)
}

fn promise(word: Word) -> Promise {
    match word {
        Word::Statutory => Promise::Statutory,
        Word::MakerDefault => Promise::Maker,
    }
}

fn coverage(
    coverage: &Coverage,
    policy: Option<&domain::policy::WarrantyPolicy>,
    today: Date,
) -> CoverageView {
    let mut terms = Vec::with_capacity(3);
    let mut term = |days: Option<u16>, until: Option<Date>, kind: fn(u16) -> TermKind| {
        if let (Some(days), Some(ends_on)) = (days, until) {
            terms.push(TermView { kind: kind(days), ends_on });
        }
    };
    if let Some(policy) = policy {
        let date = |rolled: Option<domain::calendar::Rolled>| rolled.map(|r| r.date);
        term(policy.refund_days, date(coverage.refund_until), TermKind::Return);
        term(policy.replace_days, date(coverage.replace_until), TermKind::Exchange);
        term(Some(months(policy)), Some(coverage.ends_on), TermKind::Repair);
    }
    CoverageView {
        starts_on: coverage.starts_on,
        ends_on: coverage.ends_on,
        today,
        basis: match coverage.basis {
            StartBasis::Invoice => Basis::Invoice,
            StartBasis::Sale => Basis::Sale,
            StartBasis::Activation => Basis::Activation,
            StartBasis::ExFactoryPlus90 => Basis::ExFactory,
        },
        promise: promise(coverage.promise),
        rolled: coverage.rolled_from.is_some(),
        provisional: !coverage.holidays_verified,
        terms,
    }
}
