//! Believable views for the tests and for looking at the pages: one phone, one power bank, one
//! notebook of an invented brand, in every state. 23 November 2026, 14:56:08 in Beijing.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::pages::i18n::Lang;
use crate::pages::shell::SiteView;

use super::forms::{
    ConsentView, ProofChoice, ProofKind, ProofOutcome, ProofResultView, RegisterView, ReportView,
};
use super::my_data::{ClaimView, ConsentLine, MyDataView, Noted};
use super::view::*;

pub(super) const CODE: &str = "X8K29M4PLQ7RW";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(super) fn on(year: i16, month: i8, day: i8) -> Date {
    Date::constant(year, month, day)
}

/// Brand data is in the page's language, as a handler would give it.
pub(super) fn say(lang: Lang, zh: &str, en: &str) -> String {
    match lang {
        Lang::Zh => zh.to_owned(),
        Lang::En => en.to_owned(),
    }
}

pub(super) fn site(lang: Lang) -> SiteView {
    SiteView {
        brand: say(lang, "澄野电子", "Chengye"),
        hotline: Some("400-000-0000".to_owned()),
        other_lang_url: format!("?lang={}", lang.other().tag()),
        privacy_url: "/privacy".to_owned(),
        queried_at: at("2026-11-23T06:56:08Z"),
        dbip_used: false,
    }
}

pub(super) fn phone(lang: Lang) -> ProductView {
    ProductView {
        name: say(lang, "澄野 N3 Pro", "Chengye N3 Pro"),
        spec: Some(say(lang, "曜石黑，12 GB + 256 GB", "Obsidian, 12 GB + 256 GB")),
        drawing: Drawing::Phone,
        picture_url: None,
        code: CODE.to_owned(),
    }
}

fn entry(kind: TimelineKind, when: When, place: String) -> TimelineEntry {
    TimelineEntry { kind, when, place: Some(place), party: None, note: None }
}

fn timeline(lang: Lang) -> Vec<TimelineEntry> {
    let city = || say(lang, "上海市", "Shanghai");
    let made = || say(lang, "江苏省苏州市", "Suzhou, Jiangsu");
    let sold = TimelineEntry {
        party: Some(say(lang, "澄野体验店静安店", "Chengye Store Jing’an")),
        ..entry(TimelineKind::Sold, When::On(on(2026, 5, 14)), city())
    };
    let activated = TimelineEntry {
        note: Some(say(lang, "与发货区域一致", "as shipped")),
        ..entry(TimelineKind::Activated, When::At(at("2026-05-14T03:12:00Z")), city())
    };
    vec![
        entry(TimelineKind::ThisScan, When::At(at("2026-11-23T06:56:08Z")), city()),
        entry(TimelineKind::Registered, When::On(on(2026, 5, 20)), city()),
        activated,
        sold,
        entry(TimelineKind::Received, When::On(on(2026, 4, 30)), city()),
        entry(TimelineKind::Shipped, When::On(on(2026, 4, 27)), made()),
        entry(TimelineKind::Inspected, When::On(on(2026, 4, 18)), made()),
        entry(TimelineKind::Produced, When::On(on(2026, 4, 18)), made()),
    ]
}

fn facts(lang: Lang) -> FactsView {
    FactsView {
        maker: Some(say(
            lang,
            "澄野电子（上海）有限公司",
            "Chengye Electronics (Shanghai) Co., Ltd.",
        )),
        contract_maker: Some(say(
            lang,
            "苏州衡川精密制造有限公司",
            "Suzhou Hengchuan Precision Co., Ltd.",
        )),
        origin: Some(say(lang, "江苏省苏州市", "Suzhou, Jiangsu")),
        produced_on: Some(on(2026, 4, 18)),
        lot: Some("N3P-2616-A07".to_owned()),
        inspected_on: Some(on(2026, 4, 18)),
        standards: vec!["GB 4943.1-2022".to_owned(), "GB/T 9254.1-2021".to_owned()],
        ccc: Some("2026011606000000".to_owned()),
        certificate: Some(say(lang, "中国质量认证中心 · 有效", "CQC · valid")),
        ..FactsView::default()
    }
}

pub(super) fn centres(lang: Lang) -> CentresView {
    let centre = |zh, en, metres, phone: &str| CentreView {
        name: say(lang, zh, en),
        address: None,
        hours: Some(say(lang, "10:00 至 20:00", "10:00 to 20:00")),
        metres: Some(metres),
        phone: Some(phone.to_owned()),
        map_url: Some("https://maps.example/?q=31.23,121.45".to_owned()),
    };
    CentresView {
        near: Some(say(lang, "上海市", "Shanghai")),
        centres: vec![
            centre("静安服务中心", "Jing’an Service Centre", 2_100, "021-0000 0001"),
            centre("徐汇授权网点", "Xuhui Service Point", 5_820, "021-0000 0002"),
            centre("浦东服务中心", "Pudong Service Centre", 12_400, "021-0000 0003"),
            centre("闵行授权网点", "Minhang Service Point", 18_900, "021-0000 0004"),
        ],
    }
}

fn warranty() -> CoverageView {
    CoverageView {
        starts_on: on(2026, 5, 14),
        ends_on: on(2027, 5, 14),
        today: on(2026, 11, 23),
        basis: Basis::Activation,
        promise: Promise::Statutory,
        rolled: false,
        provisional: false,
        terms: vec![
            TermView { kind: TermKind::Return(7), ends_on: on(2026, 5, 21) },
            TermView { kind: TermKind::Exchange(15), ends_on: on(2026, 5, 29) },
            TermView { kind: TermKind::Repair(12), ends_on: on(2027, 5, 14) },
        ],
    }
}

fn scan(lang: Lang, instant: &str, zh: &str, en: &str) -> Option<ScanView> {
    Some(ScanView { at: at(instant), city: Some(say(lang, zh, en)) })
}

fn digest() -> [u8; 32] {
    std::array::from_fn(|index| (index as u8).wrapping_mul(37).wrapping_add(5))
}

/// Everything a living unit has.
pub(super) fn active(lang: Lang) -> DeviceView {
    DeviceView {
        lang,
        site: site(lang),
        state: PageState::Active(ActiveNote::SamePlace),
        further_life: false,
        checks: vec![Check::Code(Mark::Ok), Check::Activation(Mark::Ok), Check::Scans(Mark::Ok)],
        scans: Some(ScansView {
            count: 3,
            first: scan(lang, "2026-05-14T03:20:00Z", "上海市", "Shanghai"),
            last: scan(lang, "2026-09-02T08:00:00Z", "上海市", "Shanghai"),
        }),
        odd_scans: None,
        digest: Some(digest()),
        device: Some(phone(lang)),
        proof: None,
        recall: None,
        warranty: Some(WarrantyView::Dated(warranty())),
        timeline: timeline(lang),
        facts: facts(lang),
        centres: Some(centres(lang)),
        links: LinksView {
            centres: Some(format!("/d/{CODE}/centres")),
            register: Some(format!("/d/{CODE}/register")),
            report: Some(format!("/d/{CODE}/report")),
            my_data: Some(format!("/d/{CODE}/my-data")),
            retry: Some(format!("/d/{CODE}")),
        },
    }
}

fn proof_form(value: &str, fault: Option<FieldFault>) -> ProofForm {
    ProofForm {
        action: format!("/d/{CODE}/proof"),
        idempotency_key: "018f2b1c-0000-7000-8000-000000000001".to_owned(),
        field: FieldView { value: value.to_owned(), fault },
    }
}

fn not_activated(lang: Lang) -> DeviceView {
    let timeline = timeline(lang).into_iter().filter(|entry| {
        use TimelineKind::{Inspected, Produced, Received, Shipped, ThisScan};
        matches!(entry.kind, ThisScan | Received | Shipped | Inspected | Produced)
    });
    DeviceView {
        state: PageState::NotActivated { starts: Starts::Registration, proved_elsewhere: None },
        checks: vec![Check::Code(Mark::Ok), Check::Activation(Mark::None), Check::Scans(Mark::Ok)],
        scans: Some(ScansView { count: 1, first: None, last: None }),
        device: Some(ProductView {
            name: say(lang, "澄野 能量块 20", "Chengye PowerBlock 20"),
            spec: Some(say(lang, "雾白，20000 mAh", "Mist, 20,000 mAh")),
            drawing: Drawing::PowerBank,
            ..phone(lang)
        }),
        warranty: Some(WarrantyView::NotStarted {
            months: 12,
            promise: Promise::Maker,
            from_factory: Some(FromFactoryView { ends_on: on(2027, 7, 26), provisional: true }),
        }),
        timeline: timeline.collect(),
        ..active(lang)
    }
}

const MANY_SCANS: CheckReason = CheckReason::ManyScans { scan_count: 41, city_count: 6, hours: 24 };

fn check(lang: Lang) -> DeviceView {
    DeviceView {
        state: PageState::Check(MANY_SCANS),
        checks: vec![Check::Code(Mark::Ok), Check::Activation(Mark::Ok), Check::Scans(Mark::Warn)],
        scans: Some(ScansView {
            count: 57,
            first: scan(lang, "2026-05-14T03:20:00Z", "上海市", "Shanghai"),
            last: scan(lang, "2026-11-23T06:48:00Z", "郑州市", "Zhengzhou"),
        }),
        proof: Some(ProofView {
            imei: Some(proof_form("", None)),
            scratch: Some(proof_form("", None)),
        }),
        site: SiteView { dbip_used: true, ..site(lang) },
        ..active(lang)
    }
}

/// Inspection holds what was made.
fn not_cleared(lang: Lang) -> DeviceView {
    let mut checks = not_activated(lang).checks;
    checks.insert(0, Check::Against(Against::Inspection));
    DeviceView { state: PageState::Check(CheckReason::NotCleared), checks, ..not_activated(lang) }
}

/// Somebody else proved that the original is theirs.
pub(super) fn proved_elsewhere(lang: Lang) -> DeviceView {
    let state = PageState::Active(ActiveNote::ProvedElsewhere(on(2026, 6, 1)));
    DeviceView { state, odd_scans: Some(MANY_SCANS), ..check(lang) }
}

/// The same of what nobody started yet.
fn not_activated_elsewhere(lang: Lang) -> DeviceView {
    let (starts, proved_elsewhere) = (Starts::Registration, Some(on(2026, 6, 1)));
    let state = PageState::NotActivated { starts, proved_elsewhere };
    let checks = [Check::Code(Mark::Ok), Check::Activation(Mark::None), Check::Scans(Mark::Warn)];
    DeviceView {
        state,
        checks: checks.to_vec(),
        odd_scans: Some(MANY_SCANS),
        proof: check(lang).proof,
        ..not_activated(lang)
    }
}

/// What passed, and what takes the unit out of the market all the same.
fn against(what: Against) -> Vec<Check> {
    vec![Check::Against(what), Check::Code(Mark::Ok), Check::Activation(Mark::Ok)]
}

/// A state without a unit to show.
fn bare(lang: Lang, state: PageState) -> DeviceView {
    DeviceView {
        state,
        checks: Vec::new(),
        scans: None,
        digest: None,
        device: None,
        warranty: None,
        timeline: Vec::new(),
        facts: FactsView::default(),
        centres: None,
        ..active(lang)
    }
}

fn recalled(lang: Lang) -> DeviceView {
    let recall = RecallView {
        announced_on: on(2026, 10, 9),
        title: Some(say(lang, "20000 mAh 移动电源召回", "Recall of 20000 mAh power banks")),
        cause: say(
            lang,
            "部分电芯在高温下充电可能鼓包，有起火风险。涉及 2026 年 4 月生产批次。",
            "Some cells may swell when charged in the heat, with a risk of fire. April 2026 lots.",
        ),
        remedy: Some(say(
            lang,
            "请停止充电和使用，联系品牌免费更换。运费由品牌承担。",
            "Stop charging and using it, and call the brand for a free replacement, postage paid.",
        )),
        notice_url: Some("https://notice.example/2026-10-09".to_owned()),
    };
    let checks = against(Against::Recalled);
    DeviceView { state: PageState::Recalled, checks, recall: Some(recall), ..active(lang) }
}

fn retired(lang: Lang) -> DeviceView {
    let name = say(lang, "澄野 本 14", "Chengye Book 14");
    DeviceView {
        state: PageState::Retired(RetiredReason::Decommissioned),
        checks: against(Against::Retired),
        device: Some(ProductView { name, drawing: Drawing::Notebook, ..phone(lang) }),
        warranty: None,
        centres: None,
        ..active(lang)
    }
}

fn ended(lang: Lang) -> DeviceView {
    let coverage = CoverageView {
        starts_on: on(2025, 8, 1),
        ends_on: on(2026, 8, 3),
        basis: Basis::Invoice,
        promise: Promise::Maker,
        rolled: true,
        provisional: true,
        terms: Vec::new(),
        ..warranty()
    };
    let name = say(lang, "澄野 腕表 S", "Chengye Watch S");
    DeviceView {
        state: PageState::Active(ActiveNote::Proved(on(2026, 6, 1))),
        device: Some(ProductView { name, drawing: Drawing::SmartWatch, ..phone(lang) }),
        warranty: Some(WarrantyView::Dated(coverage)),
        ..active(lang)
    }
}

/// Every state of the device page, by the name of its file.
pub(super) fn devices(lang: Lang) -> Vec<(&'static str, DeviceView)> {
    let stolen = PageState::Stolen { reported_on: Some(on(2026, 11, 2)) };
    let checks = against(Against::Stolen);
    let stolen =
        DeviceView { warranty: None, centres: None, state: stolen, checks, ..active(lang) };
    vec![
        ("active", active(lang)),
        ("not-activated", not_activated(lang)),
        ("check", check(lang)),
        ("not-cleared", not_cleared(lang)),
        (
            "not-released",
            DeviceView {
                checks: vec![Check::Code(Mark::Ok), Check::Activation(Mark::None)],
                ..bare(lang, PageState::NotReleased)
            },
        ),
        ("recalled", recalled(lang)),
        ("stolen", stolen),
        ("retired", retired(lang)),
        (
            "unverifiable",
            DeviceView {
                checks: vec![Check::Code(Mark::Bad)],
                ..bare(lang, PageState::Unverifiable)
            },
        ),
        ("unavailable", bare(lang, PageState::Unavailable)),
        ("ended", ended(lang)),
        ("proved-elsewhere", proved_elsewhere(lang)),
        ("not-activated-elsewhere", not_activated_elsewhere(lang)),
    ]
}

pub(super) fn register(lang: Lang) -> RegisterView {
    let choice = |kind| ProofChoice { kind, field: FieldView::default() };
    RegisterView {
        lang,
        site: site(lang),
        device: phone(lang),
        action: format!("/d/{CODE}/register"),
        back_url: format!("/d/{CODE}"),
        idempotency_key: "018f2b1c-0000-7000-8000-000000000002".to_owned(),
        activates: false,
        starts_itself: true,
        today: on(2026, 11, 23),
        phone: FieldView::default(),
        purchased_on: FieldView::default(),
        proofs: [ProofKind::Scratch, ProofKind::Imei4, ProofKind::Invoice].map(choice).to_vec(),
        chosen: None,
        consent: ConsentView::default(),
        free: vec![("marketing", false), ("location", false), ("share_with_distributor", false)],
        my_data_url: Some(format!("/d/{CODE}/my-data")),
        kept_years: 3,
    }
}

/// What has neither a coated code nor an IMEI, and does not report its own first start.
pub(super) fn register_invoice(lang: Lang) -> RegisterView {
    let proofs = vec![ProofChoice { kind: ProofKind::Invoice, field: FieldView::default() }];
    let fault = Some(FieldFault::TooEarly(on(2026, 5, 10)));
    let purchased_on = FieldView { value: "2026-05-01".to_owned(), fault };
    let (activates, starts_itself, my_data_url) = (true, false, None);
    RegisterView { proofs, purchased_on, activates, starts_itself, my_data_url, ..register(lang) }
}

pub(super) fn register_refused(lang: Lang) -> RegisterView {
    let typed = |value: &str, fault| FieldView { value: value.to_owned(), fault: Some(fault) };
    let mut view = register(lang);
    view.phone = typed("1380013800", FieldFault::Malformed);
    view.purchased_on = typed("2026-12-01", FieldFault::InFuture);
    view.chosen = Some(ProofKind::Imei4);
    view.proofs[1].field = typed("2418", FieldFault::Mismatch);
    view.consent.missing = true;
    view
}

pub(super) fn claims(lang: Lang) -> Vec<(&'static str, ClaimView)> {
    let wrong =
        |value: &str| FieldView { value: value.to_owned(), fault: Some(FieldFault::Mismatch) };
    let view = ClaimView {
        lang,
        site: site(lang),
        device: phone(lang),
        action: format!("/d/{CODE}/my-data"),
        back_url: format!("/d/{CODE}"),
        idempotency_key: "018f2b1c-0000-7000-8000-000000000004".to_owned(),
        offered: true,
        phone: FieldView::default(),
        scratch: FieldView::default(),
    };
    let refused = ClaimView { phone: wrong("13800138000"), scratch: wrong(""), ..view.clone() };
    let none = ClaimView { offered: false, ..view.clone() };
    vec![("my-data-claim", view), ("my-data-refused", refused), ("my-data-none", none)]
}

pub(super) fn my_data(lang: Lang) -> Vec<(&'static str, MyDataView)> {
    let line = |purpose, given_on| ConsentLine { purpose, given_on };
    let view = MyDataView {
        lang,
        site: site(lang),
        device: phone(lang),
        action: format!("/d/{CODE}/my-data"),
        back_url: format!("/d/{CODE}"),
        token: "AAAA".to_owned(),
        today: on(2026, 11, 23),
        held_phone: "+8613800138000".to_owned(),
        held_purchase: "2026-05-14".to_owned(),
        phone: FieldView { value: "+8613800138000".to_owned(), fault: None },
        purchased_on: FieldView { value: "2026-05-14".to_owned(), fault: None },
        invoice: "26312000001234".to_owned(),
        registered_on: on(2026, 5, 15),
        displaced_on: None,
        kept_until: Some(on(2030, 5, 15)),
        kept_years: 3,
        held: false,
        consents: vec![
            line("marketing", Some(on(2026, 5, 15))),
            line("location", None),
            line("share_with_distributor", None),
        ],
        unsure: false,
        noted: None,
    };
    let held = MyDataView { held: true, unsure: true, kept_until: None, ..view.clone() };
    let noted = MyDataView { noted: Some(Noted::Agreed), ..view.clone() };
    let displaced = MyDataView { displaced_on: Some(on(2026, 6, 1)), ..view.clone() };
    vec![
        ("my-data", view),
        ("my-data-held", held),
        ("my-data-noted", noted),
        ("my-data-displaced", displaced),
    ]
}

pub(super) fn report(lang: Lang) -> ReportView {
    ReportView {
        lang,
        site: site(lang),
        device: Some(phone(lang)),
        code: CODE.to_owned(),
        heard: true,
        action: format!("/d/{CODE}/report"),
        back_url: format!("/d/{CODE}"),
        idempotency_key: "018f2b1c-0000-7000-8000-000000000003".to_owned(),
        shop: FieldView::default(),
        place: FieldView::default(),
        text: FieldView::default(),
    }
}

pub(super) fn report_refused(lang: Lang) -> ReportView {
    let shop =
        FieldView { value: say(lang, "数码优品专营店", "Digital Best Store"), fault: None };
    let text = FieldView { value: String::new(), fault: Some(FieldFault::Missing) };
    ReportView { shop, text, device: None, ..report(lang) }
}

pub(super) fn report_unheard(lang: Lang) -> ReportView {
    ReportView { device: None, heard: false, ..report(lang) }
}

pub(super) fn proofs(lang: Lang) -> Vec<(&'static str, ProofResultView)> {
    let again = |value: &str, fault| Some(proof_form(value, Some(fault)));
    let view = |outcome, again| ProofResultView {
        lang,
        site: site(lang),
        device: phone(lang),
        outcome,
        again,
        back_url: format!("/d/{CODE}"),
        report_url: Some(format!("/d/{CODE}/report")),
    };
    let first_at = at("2026-06-01T02:00:00Z");
    let first_city = Some(say(lang, "上海市", "Shanghai"));
    let wrong = again("493021", FieldFault::Mismatch);
    let differs = again("2418", FieldFault::Mismatch);
    let short = again("24-1", FieldFault::Malformed);
    vec![
        ("proof-first", view(ProofOutcome::ScratchFirst, None)),
        ("proof-again", view(ProofOutcome::ScratchAgain { first_at, first_city }, None)),
        ("proof-wrong", view(ProofOutcome::ScratchWrong { tries_left: 4 }, wrong)),
        ("proof-imei-same", view(ProofOutcome::ImeiSame, None)),
        ("proof-imei-differs", view(ProofOutcome::ImeiDiffers { tries_left: 4 }, differs)),
        ("proof-imei-last", view(ProofOutcome::ImeiDiffers { tries_left: 0 }, None)),
        ("proof-unread", view(ProofOutcome::Unread(ProofKind::Imei4), short)),
        ("proof-wait", view(ProofOutcome::Wait { seconds: 3_600 }, None)),
    ]
}
