//! Believable views of the pages without a verdict, for the tests of every page.

use super::fakes::{CODE, centres, on, report_refused, say, site};
use super::forms::ReportView;
use super::plain::{
    CentresPageView, Done, DoneView, ErrorKind, ErrorView, HistoryView, HomeView, LookupHint,
    PrivacyView,
};
use crate::pages::i18n::Lang;

pub(super) fn home(lang: Lang) -> HomeView {
    let (lookup_url, typed) = ("/".to_owned(), String::new());
    HomeView { lang, site: site(lang), lookup_url, typed, hint: None }
}

/// The start page after a text that leads nowhere.
pub(super) fn home_hints(lang: Lang) -> Vec<(&'static str, HomeView)> {
    let view = |typed: &str, hint| {
        let (typed, hint) = (typed.to_owned(), Some(hint));
        HomeView { typed, hint, ..home(lang) }
    };
    vec![
        ("home-nothing", view("", LookupHint::Nothing)),
        ("home-imei", view("490154203237518", LookupHint::Imei)),
        ("home-serial", view("N300000012345", LookupHint::Serial)),
        ("home-length", view("X8K2-9M4P-LQ7R", LookupHint::Length(12))),
        ("home-foreign", view("\"><b>29M4PLQ7R0", LookupHint::Foreign(13, '0'))),
    ]
}

pub(super) fn centres_page(lang: Lang) -> CentresPageView {
    let mut centres = centres(lang);
    for centre in &mut centres.centres {
        centre.address = Some(say(lang, "示例路 100 号", "100 Example Road"));
    }
    CentresPageView {
        lang,
        site: site(lang),
        back_url: Some(format!("/d/{CODE}")),
        search_url: Some(format!("/d/{CODE}/centres")),
        query: String::new(),
        centres,
        others: Vec::new(),
    }
}

/// What several places bear the name of, and what no centre does.
pub(super) fn centres_searched(lang: Lang) -> Vec<(&'static str, CentresPageView)> {
    let several = vec![
        say(lang, "江苏省南京市鼓楼区", "Gulou, Nanjing, Jiangsu"),
        say(lang, "福建省福州市鼓楼区", "Gulou, Fuzhou, Fujian"),
    ];
    let query = say(lang, "鼓楼区", "Gulou");
    let several = CentresPageView { others: several, query, ..centres_page(lang) };
    let mut none = CentresPageView { query: "?".to_owned(), ..centres_page(lang) };
    none.centres.centres.clear();
    vec![("centres-several", several), ("centres-none", none)]
}

pub(super) fn dones(lang: Lang) -> Vec<(&'static str, DoneView)> {
    let view = |done| DoneView { lang, site: site(lang), done, back_url: format!("/d/{CODE}") };
    let before = |my_data_url| view(Done::BoundBefore { my_data_url });
    let bound = |ends_on, dated| view(Done::Registered { ends_on, dated, provisional: !dated });
    let reported = |of_unit| {
        let reference = "R-7A2C-04E1".to_owned();
        view(Done::Reported { reference, of_unit })
    };
    vec![
        ("registered", bound(Some(on(2027, 5, 20)), true)),
        ("registered-undated", bound(None, false)),
        ("registered-before", before(Some(format!("/d/{CODE}/my-data")))),
        ("registered-before-offline", before(None)),
        ("corrected", view(Done::Corrected)),
        ("agreed", view(Done::Agreed)),
        ("erased", view(Done::Erased)),
        ("kept-by-law", view(Done::KeptByLaw)),
        ("gone", view(Done::Gone)),
        ("reported", reported(true)),
        ("reported-code", reported(false)),
    ]
}

/// The report of a code of nobody, as long as one may be typed, without a place to break.
pub(super) fn report_long_code(lang: Lang) -> ReportView {
    ReportView { code: "W".repeat(128), ..report_refused(lang) }
}

pub(super) fn privacy(lang: Lang) -> PrivacyView {
    let (site, back_url) = (site(lang), Some(format!("/d/{CODE}")));
    PrivacyView { lang, site, kept_days: 30, tries_kept_days: 1, back_url }
}

pub(super) fn history(lang: Lang) -> HistoryView {
    let key = "dossier.example/log+1a2b3c4d+AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh";
    let (zone, public_key) = ("Asia/Shanghai".to_owned(), Some(key.to_owned()));
    HistoryView { lang, site: site(lang), zone, size: 70_000, public_key }
}

pub(super) fn errors(lang: Lang) -> Vec<(&'static str, ErrorView)> {
    let view = |kind, reference: Option<&str>, retry: bool| ErrorView {
        lang,
        site: site(lang),
        kind,
        reference: reference.map(str::to_owned),
        retry_url: retry.then(|| format!("/d/{CODE}")),
        lookup_url: Some("/d".to_owned()),
        sent_form: true,
    };
    vec![
        ("error-404", view(ErrorKind::NotFound, None, false)),
        ("error-400", view(ErrorKind::Unreadable, None, false)),
        ("error-429", view(ErrorKind::TooMany { seconds: 90 }, None, true)),
        ("error-500", view(ErrorKind::Internal, Some("7F3K-29QD"), true)),
    ]
}
