//! What every page must hold, tried on every state in both languages.
//!
//! `DOSSIER_PAGES=DIR cargo test -p app pages_can_be_looked_at` writes all of them as files.

use std::collections::HashSet;
use std::io::Write;

use crate::pages::i18n::Lang;
use crate::pages::inline;

use super::fakes;
use super::plain_test_views as plain_views;
use super::view::*;
use super::*;

/// The house rule is one TCP window, 14 KB. Pages of today are near 9, the longest just over 10; a
/// real brand's texts are longer than the fakes', so the rest is left to them.
const PAGE_BYTES_MAX: usize = 11 * 1024;
const ROSETTE_BYTES_MAX: usize = 512;

/// A page by name.
struct Page {
    name: String,
    html: String,
}

fn pages(lang: Lang) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut add = |name: &str, html: Result<String, askama::Error>| {
        let name = format!("{name}.{}", lang.tag());
        pages.push(Page { html: html.expect(&name), name });
    };
    for (name, view) in fakes::devices(lang) {
        add(name, render_device(&view));
    }
    for (name, view) in fakes::proofs(lang) {
        add(name, render_proof(&view));
    }
    for (name, view) in plain_views::dones(lang) {
        add(name, render_done(&view));
    }
    for (name, view) in plain_views::errors(lang) {
        add(name, render_error(&view));
    }
    for (name, view) in fakes::claims(lang) {
        add(name, my_data::render_claim(&view));
    }
    for (name, view) in fakes::my_data(lang) {
        add(name, my_data::render_my_data(&view));
    }
    add("register", render_register(&fakes::register(lang)));
    add("register-refused", render_register(&fakes::register_refused(lang)));
    add("register-invoice", render_register(&fakes::register_invoice(lang)));
    add("report", render_report(&fakes::report(lang)));
    add("report-refused", render_report(&fakes::report_refused(lang)));
    add("report-long-code", render_report(&plain_views::report_long_code(lang)));
    add("report-unheard", render_report(&fakes::report_unheard(lang)));
    add("centres", render_centres(&plain_views::centres_page(lang)));
    for (name, view) in plain_views::centres_searched(lang) {
        add(name, render_centres(&view));
    }
    add("privacy", render_privacy(&plain_views::privacy(lang)));
    add("history", render_history(&plain_views::history(lang)));
    add("home", render_home(&plain_views::home(lang)));
    for (name, view) in plain_views::home_hints(lang) {
        add(name, render_home(&view));
    }
    for (name, html) in crate::pages::people_test_views::pages(lang, &fakes::site(lang)) {
        add(name, Ok(html));
    }
    pages
}

fn all() -> Vec<Page> {
    let mut both = pages(Lang::Zh);
    both.extend(pages(Lang::En));
    both
}

fn device(name: &str) -> String {
    let (_, view) = fakes::devices(Lang::Zh).into_iter().find(|(n, _)| *n == name).expect(name);
    render_device(&view).expect(name)
}

fn gzip_length(text: &str) -> usize {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).expect("memory");
    packed.finish().expect("memory").len()
}

/// The values of an attribute, in order.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let values = html.split(&start).skip(1);
    values.map(|rest| rest.split('"').next().unwrap_or_default()).collect()
}

/// The tags that open with `<name`.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<{name} ");
    let tags = html.split(&start).skip(1);
    tags.map(|rest| rest.split('>').next().unwrap_or_default()).collect()
}

#[test]
fn pages_can_be_looked_at() {
    let Some(folder) = std::env::var_os("DOSSIER_PAGES") else { return };
    for page in all() {
        let path = std::path::Path::new(&folder).join(format!("{}.html", page.name));
        std::fs::write(path, page.html).expect("a folder that can be written");
    }
}

#[test]
fn a_last_day_that_may_still_move_says_so() {
    let told = |provisional: bool, days_left: i64| {
        let dated = fakes::devices(Lang::Zh).into_iter().find_map(|(_, view)| {
            let Some(WarrantyView::Dated(coverage)) = view.warranty.clone() else { return None };
            Some((view, coverage))
        });
        let (mut view, mut coverage) = dated.expect("a unit with a guarantee");
        coverage.provisional = provisional;
        coverage.ends_on = coverage.today.saturating_add(jiff::Span::new().days(days_left));
        view.warranty = Some(WarrantyView::Dated(coverage));
        render_device(&view).expect("it renders").contains("到期日可能顺延")
    };
    assert!(told(true, 100) && told(true, 0));
    assert!(!told(false, 100), "its year is published");
    assert!(!told(true, -1), "it has ended");
}

#[test]
fn every_page_fits_one_window() {
    for page in all() {
        let length = gzip_length(&page.html);
        assert!(length <= PAGE_BYTES_MAX, "{} is {length} bytes packed", page.name);
    }
    let figure = crate::pages::rosette::rosette(&[0xA7; 32]).to_string();
    assert!(gzip_length(&figure) <= ROSETTE_BYTES_MAX, "{} bytes", gzip_length(&figure));
}

#[test]
fn the_policy_can_name_every_inline_block_by_hash() {
    for page in all() {
        assert!(!page.html.contains(" style="), "{}: a style attribute", page.name);
        assert!(!page.html.contains(" onclick="), "{}: a script attribute", page.name);
        let style = format!("<style>{}</style>", inline::css());
        let script = format!("<script>{}</script>", inline::script());
        assert_eq!(page.html.matches("<style").count(), 1, "{}", page.name);
        // One page calculates.
        let checks_proofs = page.name.starts_with("history.");
        let scripts = 1 + usize::from(checks_proofs);
        assert_eq!(page.html.matches("<script").count(), scripts, "{}", page.name);
        assert!(page.html.contains(&style) && page.html.contains(&script), "{}", page.name);
        let proof = format!("<script>{}</script>", inline::proof_script());
        assert_eq!(page.html.contains(&proof), checks_proofs, "{}", page.name);
    }
    assert_eq!(inline::style_source().len(), "'sha256-'".len() + 44);
}

#[test]
fn every_page_has_one_heading_one_main_and_ids_of_its_own() {
    for page in all() {
        assert_eq!(page.html.matches("<h1").count(), 1, "{}", page.name);
        for landmark in ["<main", "<header", "<footer"] {
            assert_eq!(page.html.matches(landmark).count(), 1, "{} {landmark}", page.name);
        }
        let ids = attributes(&page.html, "id");
        let unique: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{}: {ids:?}", page.name);
        for name in ["aria-labelledby", "aria-describedby", "for"] {
            for id in attributes(&page.html, name).iter().flat_map(|ids| ids.split(' ')) {
                assert!(unique.contains(id), "{}: {name} names {id}", page.name);
            }
        }
        for url in attributes(&page.html, "href").iter().filter_map(|url| url.strip_prefix('#')) {
            assert!(unique.contains(url), "{}: a link to #{url}", page.name);
        }
    }
}

#[test]
fn every_control_has_a_label_and_every_form_a_key() {
    for page in all() {
        let labels = attributes(&page.html, "for");
        let controls = [tags(&page.html, "input"), tags(&page.html, "textarea")].concat();
        for control in controls.iter().filter(|tag| !tag.contains("hidden")) {
            let tag = format!(" {control}");
            let id = attributes(&tag, "id");
            assert!(id.iter().any(|id| labels.contains(id)), "{}: {control}", page.name);
        }
        // Nobody signs in twice by pressing twice: what these do once they do once by themselves.
        if page.name.starts_with("people-") {
            continue;
        }
        let posts = tags(&page.html, "form").iter().filter(|tag| tag.contains("post")).count();
        // What a session lets do twice is done as once.
        let keys = ["idempotency_key", "token"].map(|name| format!("name=\"{name}\""));
        let count: usize = keys.iter().map(|key| page.html.matches(key).count()).sum();
        assert_eq!(count, posts, "{}", page.name);
    }
}

#[test]
fn each_screen_has_at_most_one_filled_button() {
    for page in all() {
        assert!(page.html.matches("class=\"btn p\"").count() <= 1, "{}", page.name);
    }
}

#[test]
fn each_state_says_its_word_in_its_colour_and_offers_its_step() {
    let table = [
        ("active", "正品", "ok", "服务网点"),
        ("not-activated", "正品，待激活", "ok", "激活保修"),
        ("check", "请核对", "warn", "输入涂层验证码"),
        ("not-cleared", "请核对", "warn", "举报可疑"),
        ("not-released", "尚未出厂", "warn", "举报可疑"),
        ("recalled", "召回", "bad", "联系品牌"),
        ("stolen", "已挂失", "bad", "联系品牌"),
        ("retired", "已停用", "bad", "联系品牌"),
        ("unverifiable", "无法确认为正品", "bad", "举报可疑"),
        ("unavailable", "暂时无法验证", "mute", "重试"),
    ];
    for (name, title, tone, action) in table {
        let html = device(name);
        let heading = html.split("<h1").nth(1).and_then(|rest| rest.split("</h1>").next());
        assert!(heading.expect(name).ends_with(&format!("<span>{title}</span>")), "{name}");
        assert!(html.contains(&format!("<body class=\"{tone}")), "{name}");
        let button =
            html.split("class=\"btn p\"").nth(1).and_then(|rest| rest.split("</a>").next());
        assert!(button.expect(name).contains(action), "{name}: {button:?}");
    }
}

#[test]
fn bad_news_never_says_genuine() {
    for name in ["not-released", "recalled", "stolen", "retired", "unverifiable", "unavailable"] {
        let html = device(name);
        let hero =
            html.split("class=\"hero").nth(1).and_then(|rest| rest.split("</section>").next());
        assert!(!hero.expect(name).replace("无法确认为正品", "").contains("正品"), "{name}");
    }
    let check = device("check");
    let hero = check.split("class=\"hero").nth(1).and_then(|rest| rest.split("</section>").next());
    assert!(!hero.expect("a hero").contains("正品"));
}

#[test]
fn the_warranty_counts_days_as_the_calendar_does() {
    let html = device("active");
    assert!(html.contains("2027年5月14日") && html.contains("还剩 172 天"));
    assert!(html.contains("5月21日已过") && html.contains("国家三包"));
    assert!(html.contains("保修期 365 天，已过 193 天"));
    let ended = device("ended");
    assert!(
        ended.contains("已过保") && ended.contains("已过 112 天") && ended.contains("厂家承诺")
    );
    assert!(!ended.contains("日退货"));
}

#[test]
fn a_term_runs_to_the_end_of_its_last_day() {
    let told = |lang, ends_on| {
        let mut view = fakes::active(lang);
        let Some(WarrantyView::Dated(coverage)) = &mut view.warranty else { panic!("dated") };
        coverage.terms = vec![TermView { kind: TermKind::Exchange(15), ends_on }];
        render_device(&view).expect("a page")
    };
    let today = jiff::civil::date(2026, 11, 23);
    assert!(told(Lang::Zh, today).contains("至11月23日（含）"));
    assert!(told(Lang::En, today).contains("Up to and including 23 Nov<"));
    let next_year = jiff::civil::date(2027, 1, 2);
    assert!(told(Lang::Zh, next_year).contains("至2027年1月2日（含）"));
    assert!(told(Lang::En, next_year).contains("Up to and including 2 Jan 2027<"));
}

#[test]
fn a_new_life_has_the_word_of_its_cause() {
    use domain::life::Cause;
    let told = |lang, cause| {
        let mut view = fakes::active(lang);
        view.timeline[0].kind = TimelineKind::Renewed(cause);
        render_device(&view).expect("a page")
    };
    for (cause, zh, en) in [
        (None, "<b>开始新的使用期</b>", "<b>A new life began</b>"),
        (Some(Cause::Return), "<b>已退回，开始新的使用期</b>", "<b>Returned; a new life began</b>"),
        (Some(Cause::Refurbishment), "<b>官方翻新</b>", "<b>Officially refurbished</b>"),
        (Some(Cause::Replacement), "<b>保修换新</b>", "<b>Replaced under warranty</b>"),
    ] {
        assert!(told(Lang::Zh, cause).contains(zh), "{cause:?}");
        assert!(told(Lang::En, cause).contains(en), "{cause:?}");
    }
}

#[test]
fn distances_are_whole_kilometres() {
    let html = device("active");
    for shown in ["2 公里", "6 公里", "12 公里"] {
        assert!(html.contains(shown), "{shown}");
    }
    let mut view = fakes::active(Lang::Zh);
    if let Some(centres) = &mut view.centres {
        centres.centres[0].metres = Some(999);
        centres.centres[1].metres = Some(1_007_000);
    }
    let html = render_device(&view).expect("a page");
    assert!(html.contains("不到 1 公里") && html.contains("1,007 公里"), "{html}");
}

#[test]
fn nobody_is_sent_to_a_hotline_that_is_not_there() {
    let quiet = |site: &mut crate::pages::shell::SiteView| site.hotline = None;
    for lang in [Lang::Zh, Lang::En] {
        let mut pages = Vec::new();
        for (name, mut view) in fakes::devices(lang) {
            quiet(&mut view.site);
            // What the brand itself writes is its own.
            view.recall = None;
            pages.push((name, render_device(&view)));
        }
        for (name, mut view) in fakes::proofs(lang) {
            quiet(&mut view.site);
            pages.push((name, render_proof(&view)));
        }
        let mut none = plain_views::centres_page(lang);
        quiet(&mut none.site);
        none.centres.centres.clear();
        pages.push(("centres", render_centres(&none)));
        let mut privacy = plain_views::privacy(lang);
        quiet(&mut privacy.site);
        pages.push(("privacy", render_privacy(&privacy)));
        for (name, html) in pages {
            let html = html.expect(name).to_lowercase();
            for word in ["热线", "联系品牌", "拨打", "hotline", "call the brand"] {
                assert!(!html.contains(word), "{name} names {word}");
            }
        }
    }
}

#[test]
fn a_wait_claims_nothing_that_was_not_done() {
    let mut errors = plain_views::errors(Lang::En).into_iter();
    let (_, view) = errors.find(|(name, _)| *name == "error-429").expect("it is there");
    let told = |seconds, sent_form| {
        let kind = plain::ErrorKind::TooMany { seconds };
        let view = plain::ErrorView { kind, sent_form, ..view.clone() };
        render_error(&view).expect("a page")
    };
    assert!(told(1, false).contains("Please try again in a few seconds."));
    assert!(told(90, false).contains("Please try again in 2 minutes."));
    assert!(!told(1, false).contains("What you typed") && told(1, true).contains("What you typed"));
}

#[test]
fn one_proof_says_its_name_once_and_one_fault_is_one() {
    let mut view = fakes::register(Lang::Zh);
    view.proofs.retain(|choice| choice.kind == forms::ProofKind::Invoice);
    let html = render_register(&view).expect("a page");
    assert!(html.contains("<label class=\"vh\" for=\"invoice\">发票号码</label>"), "{html}");
    assert!(!html.contains("任选一种"));
    view.phone.fault = Some(FieldFault::Malformed);
    let html = render_register(&view).expect("a page");
    assert!(html.contains("有一处需要改") && !html.contains("有几处需要改"));
    view.purchased_on.fault = Some(FieldFault::InFuture);
    assert!(render_register(&view).expect("a page").contains("有几处需要改"));
}

#[test]
fn the_last_covered_day_is_still_covered() {
    let mut view = fakes::active(Lang::Zh);
    let Some(WarrantyView::Dated(coverage)) = &mut view.warranty else { panic!("dated") };
    coverage.today = coverage.ends_on;
    let html = render_device(&view).expect("a page");
    assert!(html.contains("今天到期") && html.contains("即将到期") && !html.contains("已过保"));
}

#[test]
fn a_block_without_facts_is_absent() {
    let html = device("unverifiable");
    for word in ["设备档案", "厂商与生产", "保修", "<details", "class=\"rosette\"", "追溯码"]
    {
        assert!(!html.contains(word), "{word}");
    }
    let active = device("active");
    for word in ["三步确认", "召回说明", "DB-IP"] {
        assert!(!active.contains(word), "{word}");
    }
    assert!(device("check").contains("https://db-ip.com"));
}

#[test]
fn an_action_without_an_address_does_not_exist() {
    let mut view = fakes::active(Lang::Zh);
    view.links = LinksView::default();
    view.site.hotline = None;
    let html = render_device(&view).expect("a page");
    for word in ["服务网点</span>", "保修登记</span>", "举报可疑", "联系品牌", "class=\"dock\""]
    {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn the_printed_code_has_hyphens_and_the_copied_one_has_none() {
    let html = device("active");
    assert!(html.contains("X8K2-9M4P-LQ7R-W</span>"));
    assert!(html.contains("data-copy=\"X8K29M4PLQ7RW\""));
}

#[test]
fn hostile_texts_are_shown_and_not_obeyed() {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}";
    let mut view = fakes::active(Lang::Zh);
    let text = || HOSTILE.to_owned();
    view.site.brand = text();
    view.site.hotline = Some(text());
    view.site.other_lang_url = "javascript:alert(1)".to_owned();
    view.links.register = Some("//evil.example".to_owned());
    if let Some(device) = &mut view.device {
        *device = ProductView { name: text(), spec: Some(text()), code: text(), ..device.clone() };
        device.picture_url = Some("\" onerror=\"alert(1)".to_owned());
    }
    view.facts.maker = Some(text());
    view.timeline[0].place = Some(text());
    if let Some(centres) = &mut view.centres {
        centres.centres[0].name = text();
        centres.centres[0].map_url = Some("javascript:alert(1)".to_owned());
    }
    let mut form = fakes::register(Lang::Zh);
    form.phone.value = text();
    form.action = "javascript:alert(1)".to_owned();
    let mut report = fakes::report(Lang::Zh);
    report.text.value = "</textarea><script>alert(1)</script>".to_owned();
    let htmls = [render_device(&view), render_register(&form), render_report(&report)];
    for html in htmls.map(|html| html.expect("a page")) {
        assert_eq!(html.matches("<script").count(), 1);
        assert!(!html.contains("<img src=x") && !html.contains("\" onerror"));
        assert!(!html.contains("javascript:") && !html.contains("\"//evil"));
    }
}

#[test]
fn a_refused_form_keeps_what_was_typed_and_says_what_is_wrong() {
    let html = render_register(&fakes::register_refused(Lang::Zh)).expect("a page");
    assert!(html.contains("role=\"alert\""));
    assert!(html.contains("value=\"1380013800\"") && html.contains("value=\"2026-12-01\""));
    assert!(html.contains("日期不能晚于今天。") && html.contains("与这台设备不符"));
    assert_eq!(html.matches("aria-invalid=\"true\"").count(), 4);
    assert!(html.contains("value=\"imei4\" checked"));
    assert!(html.contains("<title>需要修改：保修登记</title>"));
}

#[test]
fn a_registration_promises_what_the_unit_can_prove() {
    let mut view = fakes::register(Lang::Zh);
    let html = render_register(&view).expect("a page");
    assert!(html.contains("涂层验证码或 IMEI") && html.contains("激活后从激活日算起"));
    assert!(html.contains("/my-data"));
    view.proofs.remove(0);
    let html = render_register(&view).expect("a page");
    assert!(html.contains("用 IMEI 证明设备在手") && !html.contains("验证码"));
    // What starts when it is registered knows no activation before.
    view.starts_itself = false;
    assert!(!render_register(&view).expect("a page").contains("激活日"));
    let html = render_register(&fakes::register_invoice(Lang::Zh)).expect("a page");
    assert!(!html.contains("验证码") && !html.contains("IMEI"), "it has neither");
    assert!(html.contains("只作记录") && html.contains("早于这台设备的生产日期"));
    assert!(!html.contains("/my-data") && html.contains("联系品牌客服"));
}

#[test]
fn no_consent_is_ticked_beforehand() {
    let html = render_register(&fakes::register(Lang::Zh)).expect("a page");
    let boxes: Vec<_> =
        tags(&html, "input").into_iter().filter(|tag| tag.contains("checkbox")).collect();
    assert_eq!(boxes.len(), 4);
    assert!(boxes.iter().all(|tag| !tag.contains(" checked")));
}

#[test]
fn imei_digits_are_never_printed() {
    for (name, view) in fakes::proofs(Lang::Zh) {
        let html = render_proof(&view).expect(name);
        let typed = view.again.as_ref().map_or(0, |form| html.matches(&form.field.value).count());
        assert!(typed <= 1, "{name} says the digits outside the field");
    }
}

/// Relative luminance and contrast as WCAG 2.2 defines them.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour.map(|value| {
            let value = value / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn colour(hex: &str) -> [f64; 3] {
    let hex = hex.trim_start_matches('#');
    let wide: String =
        if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&wide[at..at + 2], 16).expect(hex)))
}

/// The value of `--name` in the sheet, in the rule that starts with `rule`.
fn token(rule: &str, name: &str) -> [f64; 3] {
    let body = inline::css().split(&format!("{rule}{{")).nth(1).expect(rule);
    let body = body.split('}').next().expect(rule);
    let value = body.split(&format!("--{name}:")).nth(1).expect(name);
    colour(value.split([';', '}']).next().expect(name))
}

#[test]
fn every_pair_of_text_and_ground_can_be_read() {
    let root = |name| token(":root", name);
    let white = colour("#fff");
    let pairs = [
        (root("ink-900"), root("ink-50"), 4.5),
        (root("ink-500"), white, 4.5),
        (root("ink-500"), root("ink-50"), 4.5),
        (root("ink-500"), root("ink-25"), 4.5),
        (root("ink-600"), root("ink-50"), 4.5),
        (root("ink-700"), white, 4.5),
        (root("brand-600"), white, 4.5),
        (root("brand-600"), root("ink-50"), 4.5),
        (root("ok-700"), root("ok-50"), 4.5),
        (root("warn-700"), root("warn-50"), 4.5),
        (root("bad-700"), root("bad-50"), 4.5),
        (root("bad-600"), white, 4.5),
        (root("field-line"), white, 3.0),
        (root("brand-500"), root("ink-50"), 3.0),
        (root("ok-600"), root("ok-100"), 3.0),
        (root("warn-600"), root("warn-100"), 3.0),
    ];
    for (index, (text, ground, least)) in pairs.into_iter().enumerate() {
        let found = contrast(text, ground);
        assert!(found >= least, "pair {index}: {found:.2} is below {least}");
    }
    // The weakest text of the hero is white at 94 %, on the lightest end of the gradient.
    for rule in [":root", ".warn", ".bad", ".mute"] {
        for end in ["h1", "h2", "h3"] {
            let ground = token(rule, end);
            let text = [0, 1, 2].map(|at| 255.0 * 0.94 + ground[at] * 0.06);
            assert!(contrast(text, ground) >= 4.5, "{rule} --{end}");
        }
    }
}
