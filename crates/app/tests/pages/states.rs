//! Every state of the device page, its headers and its language.

use super::world::{PHONE, imei, load, world, world_with};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::life::Cause;
use domain::region::RegionCode;
use domain::verdict::CodeReading;
use domain::when::When;
use dossier::files::Kind;
use dossier::flows::lifecycle::{Change, change};
use dossier::flows::scans::{Audience, Spot};
use dossier::flows::verify::{self, Depth};
use dossier::geo::{Geo, GeoPaths};
use tower::ServiceExt;

#[tokio::test]
async fn each_state_says_its_heading_in_both_languages() {
    let world = world().await;
    let caller = world.operator().await;
    for index in [0, 3, 4, 5, 6] {
        world.activate(index, "device-a").await;
    }
    world.activate(3, "device-b").await;
    let at = When::at(world.house.clock.now());
    let changes = [
        (4, Change::Recall("电芯可能鼓包".to_owned())),
        (5, Change::ReportStolen("owner".to_owned())),
        (6, Change::Decommission("recycled".to_owned())),
    ];
    for (index, what) in changes {
        change(&world.house, &caller, &[world.number(index)], &what, at).await.expect("changed");
    }
    let cases = [
        (world.phone(0), "正品", "Genuine"),
        (world.phone(1), "正品，待激活", "Genuine, not activated"),
        (world.phone(2), "请核对", "Please check"),
        (world.phone(3), "请核对", "Please check"),
        (world.phone(4), "召回", "Recalled"),
        (world.phone(5), "已挂失", "Reported lost"),
        (world.phone(6), "已停用", "Out of use"),
        (world.phone(20), "尚未出厂", "Not released"),
        ("AAAA".to_owned(), "无法确认为正品", "Cannot confirm as genuine"),
    ];
    for (code, zh, en) in cases {
        let page = world.get(&format!("/d/{code}")).await;
        assert_eq!(page.status, StatusCode::OK, "{code}");
        assert!(page.h1().starts_with(zh), "{code}: {}", page.h1());
        let page = world.get(&format!("/D/{code}?lang=en")).await;
        assert_eq!(page.h1(), en, "{code}");
        assert_eq!(page.headers["set-cookie"].to_str().unwrap().split(';').next(), Some("lang=en"));
    }
    // Beside what passed stands what did not.
    for (index, failed) in [(4, "已召回"), (5, "已报失"), (6, "已停用")] {
        let page = world.get(&format!("/d/{}", world.phone(index))).await;
        let chips = page.text.split("class=\"chk\"").nth(1).expect("chips");
        let chips = chips.split("</ul>").next().expect("their end");
        assert!(chips.contains(failed) && chips.contains("编码有效"), "{failed}: {chips}");
        assert!(!page.text.contains("机主已"), "nobody knows who said so");
    }
    let recalled = world.get(&format!("/d/{}", world.phone(4))).await;
    assert!(recalled.text.contains("电芯可能鼓包"));
    let mine = format!("href=\"/d/{}/my-data\"", world.phone(4));
    assert!(recalled.text.contains(&mine), "what is held is found whatever the verdict");
    assert!(world.get("/").await.text.contains("href=\"/sign-in\""));
}

#[tokio::test]
async fn the_page_tells_the_public_what_it_may_know_and_no_more() {
    let world = world().await;
    world.activate(0, "device-a").await;
    let page = world.get(&format!("/01/{PHONE}/21/{}", world.phone(0))).await;
    for shown in
        ["澄野 N3 Pro", "苏州", "澄野体验店静安店", "静安服务中心", "2027年5月14日", "L-A07"]
    {
        assert!(page.text.contains(shown), "{shown} is missing");
    }
    // The brand's picture, from where it lies; this page alone may load it from there.
    assert!(page.text.contains("<img src=\"https://elsewhere.example/x.png\""), "no picture");
    let policy = |page: &super::world::Page| {
        page.headers["content-security-policy"].to_str().unwrap().to_owned()
    };
    assert!(policy(&page).contains("img-src 'self' data: https://elsewhere.example;"));
    let other = world.get(&format!("/d/{}", world.code(world.banks.first))).await;
    assert!(other.text.contains("<img src=\"/p.png\""), "no picture");
    assert!(policy(&other).contains("img-src 'self' data:;"));
    assert!(page.text.contains("型号"), "no designation");
    for hidden in ["沪上秘密代理", "N3000000", "861000000"] {
        assert!(!page.text.contains(hidden), "{hidden} is shown");
    }
    let map = "https://uri.amap.com/marker?position=121.450000,31.230000&amp;name=%E9%9D%99";
    assert!(
        page.text.contains(map) || page.text.contains(&map.replace("&amp;", "&#38;")),
        "no way to the centre"
    );
}

#[tokio::test]
async fn pages_link_to_whose_data_places_visitors() {
    let link = "<a href=\"https://db-ip.com\" rel=\"noopener\">";
    let shipped = Geo::load(&GeoPaths::default()).expect("the shipped data loads");
    let with = world_with(shipped).await;
    let (code, without) = (with.phone(0), world().await);
    for page in [format!("/d/{code}"), format!("/d/{code}?lang=en"), "/".to_owned()] {
        assert!(with.get(&page).await.text.contains(link), "{page}");
        assert!(!without.get(&page).await.text.contains(link), "{page}, without the data");
    }
}

#[tokio::test]
async fn a_distance_tells_the_city_and_not_the_district() {
    use domain::region::{Divisions, GeoPoint};
    let world = world().await;
    world.activate(0, "device-a").await;
    let divisions: &Divisions = world.house.geo.divisions();
    let away = |region: &str| {
        let seat = divisions.centre_of(RegionCode::parse(region).unwrap()).expect("a seat");
        seat.distance_km(GeoPoint::new(31.23, 121.45).expect("a point"))
    };
    // It was started in Jing'an; counted from there the centre is much nearer than from the city.
    assert!((away("31") - away("310106")).abs() > 0.1, "the test tells nothing");
    let page = world.get(&format!("/d/{}", world.phone(0))).await;
    let (km, zh) = (away("31").round(), " 公里");
    let shown = if away("31") < 1.0 { "不到 1 公里".to_owned() } else { format!("{km}{zh}") };
    assert!(page.text.contains(&shown), "{shown}: {}", page.text);
    assert!(!page.text.contains(".1 公里") && !page.text.contains(" km"));
}

#[tokio::test]
async fn headers_guard_every_page() {
    let world = world().await;
    for path in ["/", "/privacy", "/d/X", "/d/X/centres"] {
        let page = world.get(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("'sha256-"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
        assert_eq!(page.headers["x-robots-tag"], "noindex");
    }
}

#[tokio::test]
async fn pages_go_small_over_the_wire_and_those_with_secrets_as_they_are() {
    use std::io::Read;
    let world = world().await;
    world.activate(0, "device-a").await;
    let ask = async |path: &str| {
        let request = Request::get(path).header(header::HOST, "d.example");
        let request = request.header(header::ACCEPT_ENCODING, "gzip, br");
        let request = request.body(Body::empty()).expect("a request");
        let response = world.router().oneshot(request).await.expect("an answer");
        let packed = response.headers().get(header::CONTENT_ENCODING).cloned();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (packed, bytes)
    };
    let (packed, bytes) = ask(&format!("/d/{}", world.phone(0))).await;
    assert_eq!(packed.expect("it is packed"), "gzip");
    assert!(bytes.len() <= 14 * 1024, "{} bytes", bytes.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("it unpacks");
    assert!(text.contains("澄野 N3 Pro"));
    assert_eq!(ask("/sign-in").await.0, None);
}

#[tokio::test]
async fn nobody_learns_how_near_a_guess_came() {
    let world = world().await;
    let unissued = world.code(world.banks.end() + 1_000);
    let mut forged = world.phone(0);
    let last = if forged.ends_with('2') { "3" } else { "2" };
    forged.replace_range(forged.len() - 1.., last);
    let mut pages = Vec::new();
    for code in [unissued, forged, "NOCODE".to_owned()] {
        let page = world.get(&format!("/d/{code}")).await;
        pages.push((page.status, page.text.replace(&code, "CODE")));
    }
    let wrong_product = world.get(&format!("/01/06912345678919/21/{}", world.phone(0))).await;
    pages.push((wrong_product.status, wrong_product.text.replace(&world.phone(0), "CODE")));
    for page in &pages[1..] {
        assert_eq!(*page, pages[0]);
    }
}

/// An address of a picture is for browsers: the server never calls it, wherever it leads.
#[tokio::test]
async fn nobody_makes_the_server_call_an_address() {
    let world = world().await;
    let inside = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    inside.set_nonblocking(true).expect("a setting");
    let port = inside.local_addr().expect("an address").port();
    let (gtin, site) = ("6912345678926", "F1");
    let head = "gtin,name_zh,category,picture";
    let product = format!("{head}\n{gtin},x,phone,https://127.0.0.1:{port}/x.png\n");
    load(&world.house, Kind::Products, product).await;
    let made = "2026-04-18T08:00:00+08:00";
    let unit = format!("sn,gtin,produced_at,site_code\nCALL1,{gtin},{made},{site}\n");
    load(&world.house, Kind::Production, unit).await;
    let number = world.house.store.identifier_fetch("sn", 1, "CALL1").await.expect("it reads");
    let code = world.code(number.expect("it was made"));
    let page = world.get(&format!("/d/{code}")).await;
    assert!(page.text.contains(&format!("src=\"https://127.0.0.1:{port}/x.png\"")));
    let called = inside.accept().map(|(_, from)| from);
    assert_eq!(called.expect_err("nobody calls").kind(), std::io::ErrorKind::WouldBlock);
}

/// What arithmetic knows stays true while the store is down, on the page as over the API.
#[tokio::test]
async fn a_forged_code_is_forged_while_the_store_is_down() {
    use domain::code::TraceCode;
    use store::engine::{Plan, Step};
    let world = world().await;
    let real = world.phone(0);
    let letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let ring = world.house.ring();
    let forged = letters.chars().flat_map(|one| letters.chars().map(move |last| (one, last)));
    let forged = forged
        .map(|(one, last)| format!("{}{one}{}{last}", &real[..4], &real[5..12]))
        .find(|text| TraceCode::parse(text).is_ok_and(|code| ring.decode(&code).is_err()));
    let forged = forged.expect("most texts with a fitting check character are forged");
    assert_eq!(world.get(&format!("/d/{forged}")).await.h1(), "无法确认为正品");
    let broken = Plan::new(vec![Step::run("ALTER TABLE batch RENAME TO away", Vec::new())]);
    let away = Plan::new(vec![Step::run("ALTER TABLE unit RENAME TO gone", Vec::new())]);
    for plan in [broken, away] {
        world.house.store.engine().write(plan).await.expect("it is renamed");
    }
    let down = world.get(&format!("/d/{real}")).await;
    assert_eq!(
        (down.status, down.h1().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "暂时无法验证")
    );
    let page = world.get(&format!("/d/{forged}")).await;
    assert_eq!((page.status, page.h1().as_str()), (StatusCode::OK, "无法确认为正品"));
}

#[tokio::test]
async fn hostile_codes_stay_text() {
    let world = world().await;
    for path in [
        "/d/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/d/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/d/..%2F..%2Fetc",
        "/d/%E2%80%AE%00",
        "/01/%3Cb%3E/21/%3Cb%3E",
    ] {
        let page = world.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        for bad in ["<script>alert", "onerror=alert(1)>", "<b>", "href=\"/d/../"] {
            assert!(!page.text.contains(bad), "{path}: {bad}");
        }
    }
    assert_eq!(world.get("/d/%FF").await.status, StatusCode::BAD_REQUEST);
    let long = world.get(&format!("/d/{}", "A".repeat(129))).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn looks_are_counted_and_clicks_within_the_page_are_not() {
    let world = world().await;
    let path = format!("/d/{}", world.phone(1));
    assert!(world.get(&path).await.text.contains("此前没有人查过"));
    let inside = Request::get(&path)
        .header(header::HOST, "d.example")
        .header(header::REFERER, format!("https://d.example{path}"));
    assert!(world.send(inside.body(Body::empty()).unwrap()).await.text.contains("此前没有人查过"));
    assert!(world.get(&path).await.text.contains("第 2 次查询"));
}

#[tokio::test]
async fn many_cities_ask_for_a_look() {
    let world = world().await;
    world.activate(7, "device-a").await;
    let now = world.house.clock.now().as_microsecond();
    for (index, city) in ["31", "4401", "5101", "4201", "2101"].into_iter().enumerate() {
        let at = now - 3_600_000_000 + index as i64;
        let spot = Spot::steady(RegionCode::parse(city).unwrap());
        world.house.scans.note(world.number(7), Audience::Consumer, at, Some(spot));
    }
    let page = world.get(&format!("/d/{}", world.phone(7))).await;
    assert_eq!(page.h1(), "请核对");
    assert!(page.text.contains("5 个城市") || page.text.contains("5个城市"), "{}", page.text);
    assert!(page.text.contains("name=\"kind\" value=\"scratch\""));
}

#[tokio::test]
async fn another_device_under_the_same_name_stands_in_the_timeline_once() {
    let world = world().await;
    // The same device again is no other.
    world.activate(0, "device-a").await;
    world.activate(0, "device-a").await;
    let page = world.get(&format!("/d/{}", world.phone(0))).await;
    assert!(page.h1() == "正品" && !page.text.contains("再次激活"), "{}", page.text);
    for device in ["device-a", "device-b", "device-c", "device-d"] {
        world.activate(3, device).await;
    }
    for (lang, first, again) in
        [("zh-CN", "激活", "再次激活"), ("en", "Activated", "Activated again")]
    {
        let page = world.get(&format!("/d/{}?lang={lang}", world.phone(3))).await;
        let line = |title: &str| {
            let start = format!("<b>{title}</b>");
            let mut lines = page.text.split(&start).skip(1);
            let line = lines.next().and_then(|rest| rest.split("</li>").next());
            (line.expect(title).to_owned(), lines.count())
        };
        // Day and place of the second as of the first, and of those after it nothing.
        assert_eq!(line(again), line(first), "{}", page.text);
        let (line, more) = line(again);
        assert!(line.contains("2026-05-14") && more == 0, "{line}");
    }
}

#[tokio::test]
async fn cities_that_no_journey_joins_ask_for_a_look() {
    let world = world().await;
    world.activate(7, "device-a").await;
    let look = |minute: i64, city: &str| {
        let at = world.house.clock.now().as_microsecond() + minute * 60_000_000;
        let spot = Spot::steady(RegionCode::parse(city).unwrap());
        world.house.scans.note(world.number(7), Audience::Consumer, at, Some(spot));
    };
    // The buyer in Kunming sent a picture to Shanghai.
    look(-60, "5301");
    look(-20, "31");
    let path = format!("/d/{}", world.phone(7));
    assert_eq!(world.get(&path).await.h1(), "正品");
    // A third, in Harbin, holds another thing.
    look(-19, "2301");
    let page = world.get(&path).await;
    assert_eq!(page.h1(), "请核对");
    assert!(page.text.contains("1 分钟内在相距 1,6"), "{}", page.text);
    assert!(page.text.contains("name=\"kind\" value=\"scratch\""));
}

#[tokio::test]
async fn a_sold_unit_is_under_guarantee_before_its_first_start() {
    let world = world().await;
    let path = format!("/d/{}", world.phone(1));
    assert!(world.get(&path).await.text.contains("保修从激活日算起"));
    let caller = world.operator().await;
    let day = jiff::civil::date(2026, 11, 22);
    let sold = Change::Sell(domain::sale::Paper::Invoice, day);
    let at = When::at(world.house.clock.now());
    change(&world.house, &caller, &[world.number(1)], &sold, at).await.expect("it is taken");
    let page = world.get(&path).await;
    assert_eq!(page.h1(), "正品，待激活");
    assert!(page.text.contains("已售出，还没有激活。保修从售出日算起。"), "{}", page.text);
    assert!(page.text.contains("保修从发票日期算起"), "{}", page.text);
    assert!(!page.text.contains("保修从激活日算起") && !page.text.contains("激活保修"));
    assert!(page.text.contains("2027年11月22日"), "{}", page.text);
}

/// The last day that a verify request is told, and on what it rests.
async fn told_over_the_api(world: &super::world::World, number: i64) -> (&'static str, String) {
    let reference = world.house.reference().await.expect("it reads");
    let asked = (CodeReading::Issued, Some(number));
    let verified = verify::verify(&world.house, &reference, asked, Depth::Public).await;
    let known = verified.expect("it reads").unit.expect("it is there");
    let reading = verify::warranty(&world.house, &reference, &known.record, &known.custody);
    let coverage = reading.known().expect("it has its days");
    (coverage.basis.as_str(), coverage.ends_on.to_string())
}

#[tokio::test]
async fn page_and_api_tell_one_guarantee_of_what_was_never_started() {
    let world = world().await;
    // It left the factory on 2026-04-27.
    let told = told_over_the_api(&world, world.number(1)).await;
    assert_eq!(told, ("ex_factory_plus_90", "2027-07-26".to_owned()));
    let path = format!("/d/{}", world.phone(1));
    for (lang, state, until) in [
        ("zh-CN", "未开始", "两者都没有时，从出厂后第 90 天算起，至2027年7月26日。"),
        ("en", "Not started", "the 90th day after it left the factory, to 26 Jul 2027."),
    ] {
        let page = world.get(&format!("{path}?lang={lang}")).await;
        assert!(page.text.contains(state) && page.text.contains(until), "{}", page.text);
    }
    let made = "sn,gtin,produced_at,site_code\nOLD1,06912345678902,2024-01-10T08:00:00+08:00,F1\n";
    load(&world.house, Kind::Production, made.to_owned()).await;
    let number = world.house.store.identifier_fetch("sn", 1, "OLD1").await.expect("it reads");
    let number = number.expect("it was made");
    let told = told_over_the_api(&world, number).await;
    assert_eq!(told, ("ex_factory_plus_90", "2025-04-09".to_owned()));
    let path = format!("/d/{}", world.code(number));
    for (lang, state, day, later) in [
        ("zh-CN", "已过保", "2025年4月9日", "此后激活，或有更晚日期的发票，保修从那天算起。"),
        ("en", "Ended", "9 Apr 2025", "an invoice of a later day, still counts from its day."),
    ] {
        let page = world.get(&format!("{path}?lang={lang}")).await;
        for shown in [state, day, later] {
            assert!(page.text.contains(shown), "{shown}: {}", page.text);
        }
        assert!(!page.text.contains("未开始") && !page.text.contains("Not started"));
    }
}

#[tokio::test]
async fn a_further_life_says_why_it_began_and_claims_no_single_start() {
    let world = world().await;
    let caller = world.operator().await;
    let path = |index| format!("/d/{}", world.phone(index));
    for (index, cause, zh, en) in [
        (0, Cause::Return, "已退回，开始新的使用期", "Returned; a new life began"),
        (1, Cause::Refurbishment, "官方翻新", "Officially refurbished"),
        (3, Cause::Replacement, "保修换新", "Replaced under warranty"),
    ] {
        world.activate(index, "device-a").await;
        let page = world.get(&path(index)).await;
        assert!(page.text.contains("只激活过一次") && page.text.contains("激活唯一"));
        let renew = Change::OpenLife(cause, "seal intact".to_owned());
        let at = When::at("2026-06-01T00:00:00Z".parse().expect("an instant"));
        let unit = [world.number(index)];
        let renewed = change(&world.house, &caller, &unit, &renew, at);
        renewed.await.expect("a new life");
        let page = world.get(&path(index)).await;
        assert_eq!(page.h1(), "正品，待激活");
        assert!(page.text.contains("曾经激活过，现已开始新的使用期"), "{}", page.text);
        // When it left the factory says nothing of a guarantee that begins anew.
        assert!(!page.text.contains("出厂后第 90 天"), "{}", page.text);
        world.activate_at(index, "device-b", "2026-07-01T00:00:00Z").await;
        for (lang, title, word, start) in [
            ("zh-CN", "正品", zh, "已激活，本次使用期内只激活过一次"),
            ("en", "Genuine", en, "Activated, and only once since its new life began."),
        ] {
            let page = world.get(&format!("{}?lang={lang}", path(index))).await;
            assert_eq!(page.h1(), title);
            assert!(page.text.contains(word) && page.text.contains(start), "{}", page.text);
            for untrue in ["已激活，只激活过一次", "and only once.", "激活唯一", "Activated once"]
            {
                assert!(!page.text.contains(untrue), "{untrue}: {}", page.text);
            }
            let refurbished = page.text.contains("官方翻新") || page.text.contains("refurbished");
            assert_eq!(refurbished, cause == Cause::Refurbishment, "{}", page.text);
        }
    }
}

#[tokio::test]
async fn the_language_follows_link_cookie_and_browser() {
    let world = world().await;
    let cases = [
        ("/", "", "", "zh-CN"),
        ("/", "", "en-GB,en;q=0.9", "en"),
        ("/", "lang=zh-CN", "en", "zh-CN"),
        ("/?lang=en", "lang=zh-CN", "zh", "en"),
        ("/?lang=xx", "", "fr", "zh-CN"),
    ];
    for (path, cookie, accepted, tag) in cases {
        let request = Request::get(path)
            .header(header::COOKIE, cookie)
            .header(header::ACCEPT_LANGUAGE, accepted);
        let page = world.send(request.body(Body::empty()).unwrap()).await;
        assert!(
            page.text.contains(&format!("<html lang=\"{tag}\">")),
            "{path} {cookie} {accepted}"
        );
    }
}

#[tokio::test]
async fn the_box_leads_to_the_page() {
    let world = world().await;
    let gtin = "06912345678902";
    let link = format!("/01/{gtin}/21/X8K29M4PLQ7RW");
    let short = "/d/X8K29M4PLQ7RW".to_owned();
    for (typed, place) in [
        ("x8k2-9m4p%20lq7r-w".to_owned(), &short),
        // Full width, and the dash of a Chinese keyboard.
        ("%EF%BC%B88K2%E2%80%949M4P%E2%80%94LQ7R%E2%80%94W".to_owned(), &short),
        ("HTTPS%3A%2F%2FELSEWHERE.EXAMPLE%2FD%2FX8K29M4PLQ7RW".to_owned(), &short),
        (format!("https%3A%2F%2Fd.example%2F01%2F{gtin}%2F21%2FX8K29M4PLQ7RW"), &link),
    ] {
        let page = world.get(&format!("/?code={typed}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{typed}");
        assert_eq!(page.headers[header::LOCATION], place.as_str(), "{typed}");
    }
}

/// A slip is named beside the box; it is no forgery, and no number that can be guessed leads to a
/// code.
#[tokio::test]
async fn what_is_no_code_gets_a_hint_at_the_box_and_no_verdict() {
    let world = world().await;
    // A serial number in the very form of a code, but for its check character.
    let (gtin, site, sn) = ("6912345678919", "F1", "P23456789ABCD");
    assert!(domain::code::TraceCode::parse(sn).is_err());
    let made = "2026-04-18T08:00:00+08:00";
    let unit = format!("sn,gtin,produced_at,site_code\n{sn},{gtin},{made},{site}\n");
    load(&world.house, Kind::Production, unit).await;
    for (typed, zh, en) in [
        ("X8K2-9M4P-LQ7R", "追溯码是 13 位，你输入了 12 位", "13 characters; you typed 12"),
        (imei(1).as_str(), "这是 IMEI", "This is an IMEI"),
        ("N3000001", "你输入了 8 位。序列号和 IMEI 不能用来查询", "Serial numbers and IMEIs"),
        ("N300000100000", "追溯码里没有这个字符", "which no trace code contains"),
        (sn, "这是序列号", "This is a serial number"),
    ] {
        for (lang, hint) in [("zh-CN", zh), ("en", en)] {
            let page = world.get(&format!("/?lang={lang}&code={typed}")).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
            assert!(page.text.contains(hint), "{typed}: {}", page.text);
            assert!(page.text.contains(&format!("value=\"{typed}\"")), "{typed}");
            assert!(page.text.contains("<body class=\"plain"), "{typed}: a verdict");
            assert!(!page.text.contains(&world.phone(1)), "{typed}: its code");
        }
    }
    let page = world.get("/?code=%22%3E%3Cimg%20src%3Dx%3E").await;
    assert!(!page.text.contains("<img"), "{}", page.text);
    assert_eq!(world.get("/?code=").await.status, StatusCode::OK);
    let blank = world.get("/?code=+%E3%80%80+").await;
    assert_eq!(blank.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(blank.text.contains("还没有输入追溯码") && blank.text.contains("value=\"\""));
    let long = world.get(&format!("/?code={}", "A".repeat(257))).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    // Whoever scans is told as before.
    assert_eq!(world.get("/d/X8K29M4PLQ7R").await.h1(), "无法确认为正品");
}
