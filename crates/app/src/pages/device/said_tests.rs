//! Single things that pages say, and must not say.

use crate::pages::i18n::Lang;
use crate::pages::people::{FormView, render_form};

use super::forms::ProofOutcome;
use super::view::*;
use super::*;
use super::{fakes, plain_test_views as plain_views};

const BOTH: [Lang; 2] = [Lang::Zh, Lang::En];

fn device(lang: Lang, name: &str) -> DeviceView {
    let found = fakes::devices(lang).into_iter().find(|(known, _)| *known == name);
    found.expect(name).1
}

/// What a refusal says stands under no green tick.
#[test]
fn only_what_was_done_is_ticked() {
    let refused = ["registered-before", "registered-before-offline", "kept-by-law", "gone"];
    for (name, view) in BOTH.into_iter().flat_map(plain_views::dones) {
        let html = render_done(&view).expect(name);
        assert_eq!(html.contains("class=\"big odd\""), refused.contains(&name), "{name}");
    }
}

/// A unit that inspection holds is no question of copies: nothing is to be compared.
#[test]
fn what_inspection_holds_is_not_compared_but_not_paid_for() {
    for (lang, chip, advice, compare) in [
        (Lang::Zh, "检验未通过", "请先不要付款", "对照机身颜色"),
        (Lang::En, "Inspection not passed", "do not pay", "Compare colour"),
    ] {
        let html = render_device(&device(lang, "not-cleared")).expect("a page");
        let chips = html.split("class=\"chk\"").nth(1).and_then(|rest| rest.split("</ul>").next());
        assert!(chips.expect("chips").contains(chip), "{html}");
        assert!(html.contains(advice) && !html.contains(compare), "{html}");
        assert!(!html.contains("id=\"proof\"") && !html.contains("请核对机身"), "{html}");
    }
}

#[test]
fn english_says_one_day_and_one_minute() {
    let mut view = device(Lang::En, "active");
    let Some(WarrantyView::Dated(coverage)) = &mut view.warranty else { panic!("dated") };
    coverage.ends_on = coverage.today.yesterday().expect("a day");
    let html = render_device(&view).expect("a page");
    assert!(html.contains("1 day ago") && !html.contains("1 days"), "{html}");
    let travel = CheckReason::ImpossibleTravel { km: 1_680, minutes: 1 };
    let view = DeviceView { state: PageState::Check(travel), ..device(Lang::En, "check") };
    let html = render_device(&view).expect("a page");
    assert!(html.contains("Within one minute") && !html.contains("1 minutes"), "{html}");
    for (days, said) in [(1, "kept for one day,"), (2, "kept for 2 days,")] {
        let view = plain::PrivacyView { tries_kept_days: days, ..plain_views::privacy(Lang::En) };
        let html = render_privacy(&view).expect("a page");
        assert!(html.contains(said) && !html.contains("day(s)"), "{html}");
    }
}

#[test]
fn a_telephone_stands_on_one_line_and_can_be_pressed() {
    let link = "<a class=\"tel\" href=\"tel:4000000000\">400-000-0000</a>";
    for lang in BOTH {
        assert!(render_privacy(&plain_views::privacy(lang)).expect("a page").contains(link));
        let html = render_register(&fakes::register_invoice(lang)).expect("a page");
        assert!(html.contains(link), "{html}");
    }
    assert!(crate::pages::inline::css().contains(".tel{white-space:nowrap}"));
}

#[test]
fn who_cannot_prove_it_here_is_not_asked_to() {
    for (lang, asked) in [(Lang::Zh, "涂层下的 6 位验证码"), (Lang::En, "6 digits under")] {
        for (name, view) in fakes::claims(lang) {
            let html = my_data::render_claim(&view).expect(name);
            assert_eq!(html.contains(asked), view.offered, "{name}: {html}");
        }
    }
}

/// Where no unit names itself, the code says what is reported.
#[test]
fn a_report_says_what_it_is_about() {
    for lang in BOTH {
        let html = render_report(&fakes::report_refused(lang)).expect("a page");
        assert!(html.contains("<span class=\"mono\">X8K2-9M4P-LQ7R-W</span>"), "{html}");
        let view = forms::ReportView { code: "<b>".to_owned(), ..fakes::report_refused(lang) };
        let html = render_report(&view).expect("a page");
        assert!(html.contains("<span class=\"mono\">&#60;b&#62;</span>"), "{html}");
    }
    assert!(render_report(&fakes::report(Lang::Zh)).expect("a page").contains("maxlength=\"500\""));
}

/// The longest code that can be typed has no place to break: it must not push the page sideways.
#[test]
fn a_long_code_of_nobody_is_broken() {
    for lang in BOTH {
        let view = plain_views::report_long_code(lang);
        let html = render_report(&view).expect("a page");
        let shown = format!("<span class=\"mono\">{}</span>", view.code);
        assert!(view.code.len() == 128 && html.contains(&shown), "{html}");
    }
    assert!(crate::pages::inline::css().contains(".unit .mono{overflow-wrap:anywhere}"));
}

#[test]
fn places_of_one_name_are_told_and_nothing_has_no_distance() {
    let find = |lang, name| {
        let found = plain_views::centres_searched(lang).into_iter().find(|(n, _)| *n == name);
        render_centres(&found.expect(name).1).expect(name)
    };
    let html = find(Lang::En, "centres-several");
    assert!(html.contains(">Gulou, Fuzhou, Fujian</a>"), "{html}");
    assert!(html.contains("/centres?q=Gulou%2C%20Fuzhou%2C%20Fujian\""), "{html}");
    assert!(html.contains("Distances from the centre of"), "{html}");
    let html = find(Lang::Zh, "centres-none");
    assert!(html.contains("没有找到网点") && !html.contains("中心算起"), "{html}");
}

/// The title of a page asks for corrections only where there is something to correct.
#[test]
fn a_page_without_a_form_asks_for_no_correction() {
    let form = |alert: &str, action: &str| FormView {
        lang: Lang::En,
        site: fakes::site(Lang::En),
        brand: None,
        title: Lang::En.t("people.sign_in_title"),
        lead: String::new(),
        alert: Some(alert.to_owned()),
        action: action.to_owned(),
        fields: Vec::new(),
        wrong: None,
        hidden: Vec::new(),
        submit: "",
        help: None,
        ways: Vec::new(),
    };
    let title = |view| {
        let html = render_form(&view).expect("a page");
        let (_, rest) = html.split_once("<title>").expect("a title");
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    assert_eq!(title(form("It was used.", "")), "Sign in, Chengye");
    assert_eq!(title(form("It is wrong.", "/sign-in")), "Please correct: Sign in");
}

#[test]
fn when_it_was_first_proved_is_a_sentence() {
    let (_, view) = fakes::proofs(Lang::Zh).remove(1);
    let now = view.site.queried_at;
    for (lang, seconds, city, said) in [
        (Lang::Zh, 0, None, "，但刚刚已首次验证过。"),
        (Lang::Zh, 0, Some("上海市"), "，但刚刚已在上海市首次验证过。"),
        (Lang::Zh, 480, None, "，但首次验证是在 8 分钟前。"),
        (Lang::Zh, 480, Some("上海市"), "，但首次验证是在 8 分钟前，上海市。"),
        (Lang::En, 0, None, "but it was used for the first time just now. If"),
        (Lang::En, 0, Some("Shanghai"), "for the first time just now, in Shanghai. If"),
        (Lang::En, 480, None, "but it was first used 8 min ago. If"),
    ] {
        let first_at = now - jiff::SignedDuration::from_secs(seconds);
        let first_city = city.map(str::to_owned);
        let outcome = ProofOutcome::ScratchAgain { first_at, first_city };
        let html = render_proof(&forms::ProofResultView { outcome, lang, ..view.clone() });
        assert!(html.expect("a page").contains(said), "{said}");
    }
}

#[test]
fn each_kind_of_thing_has_a_drawing_of_its_own() {
    let kinds = [Drawing::Phone, Drawing::Tablet, Drawing::Earphones, Drawing::Other];
    let drawn = kinds.map(|drawing| {
        let mut view = device(Lang::Zh, "active");
        view.device = view.device.map(|card| ProductView { drawing, ..card });
        let html = render_device(&view).expect("a page");
        let picture =
            html.split("class=\"pic\"").nth(1).and_then(|rest| rest.split("</div>").next());
        picture.expect("a picture").to_owned()
    });
    for (at, one) in drawn.iter().enumerate() {
        assert!(one.contains("<svg") && !drawn[..at].contains(one), "{one}");
    }
}

/// Mainland Chinese has one pair of quotation marks, and says 你.
#[test]
fn chinese_is_of_one_hand() {
    for (key, sentence) in Lang::Zh.sentences() {
        for odd in ['「', '」', '您'] {
            assert!(!sentence.contains(odd), "{key}: {odd}");
        }
    }
}

/// The filled button of a page.
fn main_action(view: &DeviceView) -> String {
    let html = render_device(view).expect("a page");
    let main = html.split("class=\"btn p\"").nth(1).and_then(|rest| rest.split("</a>").next());
    main.expect("an action").to_owned()
}

#[test]
fn what_somebody_registered_has_nothing_left_to_begin() {
    let waits = |starts| PageState::NotActivated { starts, proved_elsewhere: None };
    let mut view = device(Lang::Zh, "not-activated");
    let line = |kind| TimelineEntry { kind, ..view.timeline[0].clone() };
    let (registered, renewed) = (line(TimelineKind::Registered), line(TimelineKind::Renewed(None)));
    view.state = waits(Starts::FirstStart);
    assert!(main_action(&view).contains("激活保修"));
    view.timeline.insert(1, registered);
    for starts in [Starts::FirstStart, Starts::Sold] {
        view.state = waits(starts);
        assert!(main_action(&view).contains("服务网点"), "{starts:?}");
        assert!(render_device(&view).expect("a page").contains("保修登记</span>"));
    }
    // What starts by registering, and was cut off on the way, is begun by the next form.
    view.state = waits(Starts::Registration);
    assert!(main_action(&view).contains("激活保修"));
    // A further life knows no owner yet.
    view.state = waits(Starts::FirstStart);
    view.timeline.insert(1, renewed);
    assert!(main_action(&view).contains("激活保修"));
}

#[test]
fn what_is_unusual_about_scans_is_said_once() {
    let again = PageState::Check(CheckReason::ActivatedAgain);
    let travel = CheckReason::ImpossibleTravel { km: 1_680, minutes: 1 };
    for (lang, many, far) in [
        (Lang::Zh, "查询异常：24 小时内在 6 个城市被扫过 41 次。", "相距 1,680 公里的两地被扫过。"),
        (
            Lang::En,
            "Please check the device itself. Scans unusual: 41 scans in 6 cities within 24 hours.",
            "Scans unusual: two places 1,680 km apart within 1 min.",
        ),
    ] {
        let own = device(lang, "check");
        let html = render_device(&own).expect("a page");
        assert!(!html.contains("查询异常：") && !html.contains("Scans unusual:"), "{html}");
        let PageState::Check(why) = own.state else { panic!("it is to be checked") };
        for (odd, said) in [(why, many), (travel, far)] {
            let view = DeviceView { state: again, odd_scans: Some(odd), ..own.clone() };
            let html = render_device(&view).expect("a page");
            assert!(html.contains(said), "{said}: {html}");
        }
    }
}

/// The list on top follows the form.
#[test]
fn faults_stand_in_the_order_of_their_fields() {
    let mut view = fakes::report_refused(Lang::En);
    view.shop.fault = Some(FieldFault::TooLong(500));
    let html = render_report(&view).expect("a page");
    let place = |text: &str| html.find(text).expect(text);
    assert!(place("href=\"#text\"") < place("href=\"#shop\""), "{html}");
    assert!(place("id=\"text\"") < place("id=\"shop\""), "{html}");
}

#[test]
fn devices_and_the_start_page_lead_to_where_proofs_are_checked() {
    for (lang, word) in [(Lang::Zh, "验证签名"), (Lang::En, "Verify signatures")] {
        let link = format!("<a href=\"/log\">{word}</a>");
        let pages = [render_device(&device(lang, "active")), render_home(&plain_views::home(lang))];
        for html in pages {
            assert!(html.expect("a page").contains(&link), "{link}");
        }
        let log = render_history(&plain_views::history(lang)).expect("a page");
        assert!(log.contains("70,000"), "{log}");
    }
}
