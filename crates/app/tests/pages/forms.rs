//! Proof, registration and report: first, again, wrong, too often, sent twice.

use super::world::{PHONE, Page, World, imei, world};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::region::RegionCode;
use domain::verdict::Verdict;
use dossier::flows::persons::registration::{Registration, register};
use dossier::flows::scans::Spot;
use dossier::guest::{Arrival, Channel, MadeBy};

/// A unit that two devices claim.
async fn doubted() -> World {
    let world = world().await;
    world.activate(3, "device-a").await;
    world.activate(3, "device-b").await;
    assert_eq!(world.verdict(3).await, Verdict::Check);
    world
}

fn other_than(digits: &str) -> String {
    let first = if digits.starts_with('9') { '0' } else { '9' };
    format!("{first}{}", &digits[1..])
}

#[tokio::test]
async fn a_scratch_code_lifts_the_doubt_once_and_says_so_later() {
    let world = doubted().await;
    let path = format!("/d/{}", world.phone(3));
    let key = world.get(&path).await.key();
    let form = format!("idempotency_key={key}&kind=scratch&value={}", world.scratch(3));
    let first = world.post(&format!("{path}/proof"), &form).await;
    assert_eq!(first.h1(), "验证成功", "{}", first.text);
    // The same form again is the same act.
    assert_eq!(world.post(&format!("{path}/proof"), &form).await.h1(), first.h1());
    assert_eq!(world.get(&path).await.h1(), "正品");
    let fresh = format!("idempotency_key=other&kind=scratch&value={}", world.scratch(3));
    let again = world.post(&format!("{path}/proof"), &fresh).await;
    assert_ne!(again.h1(), first.h1());
    assert_eq!(again.status, StatusCode::OK);
}

#[tokio::test]
async fn a_copy_that_shows_itself_after_the_proof_counts_again() {
    let world = world().await;
    world.activate(3, "device-a").await;
    let path = format!("/d/{}/proof", world.phone(3));
    let form = |key: &str| format!("idempotency_key={key}&kind=scratch&value={}", world.scratch(3));
    assert_eq!(world.post(&path, &form("a")).await.h1(), "验证成功");
    assert_eq!(world.verdict(3).await, Verdict::Genuine);
    world.activate(3, "device-b").await;
    assert_eq!(world.verdict(3).await, Verdict::Check);
    // Whoever still holds the unit lifts it, and is told that the code was shown before.
    assert_ne!(world.post(&path, &form("b")).await.h1(), "验证成功");
    assert_eq!(world.verdict(3).await, Verdict::Genuine);
    world.activate(3, "device-c").await;
    assert_eq!(world.verdict(3).await, Verdict::Check);
    world.agrees().await;
}

#[tokio::test]
async fn looks_that_are_odd_after_the_proof_count_again() {
    let world = world().await;
    world.activate(3, "device-a").await;
    let look = |minute: i64, place: &str| {
        let at = world.house.clock.now().as_microsecond() + minute * 60_000_000;
        let consumer = dossier::flows::scans::Audience::Consumer;
        let spot = Spot::steady(RegionCode::parse(place).unwrap());
        world.house.scans.note(world.number(3), consumer, at, Some(spot));
    };
    let places = ["310100", "320500", "440300", "110100", "510100", "420100"];
    places.iter().for_each(|place| look(-10, place));
    assert_eq!(world.verdict(3).await, Verdict::Check);
    let path = format!("/d/{}/proof", world.phone(3));
    let form = format!("idempotency_key=a&kind=scratch&value={}", world.scratch(3));
    world.post(&path, &form).await;
    assert_eq!(world.verdict(3).await, Verdict::Genuine);
    places.iter().for_each(|place| look(10, place));
    assert_eq!(world.verdict(3).await, Verdict::Check);
}

#[tokio::test]
async fn wrong_codes_run_into_a_wait() {
    let world = doubted().await;
    let path = format!("/d/{}/proof", world.phone(3));
    let wrong = other_than(&world.scratch(3));
    let double = format!("idempotency_key=same&kind=scratch&value={wrong}");
    for _ in 0..9 {
        // Pressed nine times, counted once.
        assert_eq!(world.post(&path, &double).await.status, StatusCode::OK);
    }
    for press in 0..4 {
        let form = format!("idempotency_key=k{press}&kind=scratch&value={wrong}");
        assert_eq!(world.post(&path, &form).await.status, StatusCode::OK, "{press}");
    }
    let form = format!("idempotency_key=last&kind=scratch&value={}", world.scratch(3));
    let waits = world.post(&path, &form).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waits.text.contains("60"), "the minutes are named");
    let seconds = waits.headers.get("retry-after").and_then(|v| v.to_str().ok());
    let seconds: u32 = seconds.and_then(|v| v.parse().ok()).expect("it says after how long");
    assert!((1..=3600).contains(&seconds), "{seconds}");
    assert_eq!(world.verdict(3).await, Verdict::Check);
}

/// Posts a form under TLS from an address, with the cookies a browser keeps.
pub(super) async fn posted(
    world: &World,
    path: &str,
    (from, cookie): (&str, &str),
    form: String,
) -> Page {
    let address = from.parse().expect("an address");
    let (channel, made_by) = (Channel::Tls, MadeBy::Us);
    let arrival = Arrival { channel, client: address, session: None, made_by, caller: None };
    let request = Request::post(path)
        .header(header::HOST, "d.example")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(arrival);
    world.send(request.body(Body::from(form)).expect("a request")).await
}

/// Posts a scratch code.
async fn shown(
    world: &World,
    index: i64,
    from: &str,
    (key, value, cookie): (&str, &str, &str),
) -> Page {
    let path = format!("/d/{}/proof", world.phone(index));
    let form = format!("idempotency_key={key}&kind=scratch&value={value}");
    posted(world, &path, (from, cookie), form).await
}

#[tokio::test]
async fn only_a_scratch_code_that_was_shown_gives_a_pass() {
    let world = world().await;
    let register = async |code: &str, proof: String| {
        let path = format!("/d/{code}/register");
        posted(&world, &path, ("203.0.113.7", ""), registration("a", &proof)).await
    };
    let gave = |page: &Page| {
        let cookies = page.headers.get_all(header::SET_COOKIE).iter();
        cookies.filter_map(|c| c.to_str().ok()).any(|c| c.starts_with("proved="))
    };
    // The label has no coating: what the form falls back to proves nothing of it.
    let bank = world.code(world.banks.first);
    let done = register(&bank, "proof=scratch&invoice=ABCDEFGH12".to_owned()).await;
    assert_eq!((done.status, gave(&done)), (StatusCode::OK, false), "{}", done.text);
    world.activate(1, "device-a").await;
    let imei = imei(1)[11..].to_owned();
    let done = register(&world.phone(1), format!("proof=imei4&imei4={imei}")).await;
    assert_eq!((done.status, gave(&done)), (StatusCode::OK, false), "{}", done.text);
    world.activate(4, "device-b").await;
    let scratch = world.scratch(4);
    let done = register(&world.phone(4), format!("proof=scratch&scratch={scratch}")).await;
    assert_eq!((done.status, gave(&done)), (StatusCode::OK, true), "{}", done.text);
}

#[tokio::test]
async fn who_proved_it_does_not_wait_for_what_others_guess() {
    let world = doubted().await;
    let right = world.scratch(3);
    let wrong = other_than(&right);
    let first = shown(&world, 3, "203.0.113.7", ("a", &right, "lang=zh-CN")).await;
    assert_eq!(first.h1(), "验证成功", "{}", first.text);
    let cookie = first.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    let rest = format!(
        "; Path=/d/{}; Max-Age=31536000; HttpOnly; SameSite=Strict; Secure",
        world.phone(3)
    );
    let pass = cookie.strip_suffix(&rest).expect("bound to the code's pages").to_owned();
    // Two strangers try all they may.
    for (address, name) in [("198.51.100.1", "b"), ("192.0.2.9", "c")] {
        for press in 0..5 {
            let tried = shown(&world, 3, address, (&format!("{name}{press}"), &wrong, "")).await;
            assert_eq!(tried.status, StatusCode::OK);
            assert!(!tried.headers.contains_key(header::SET_COOKIE));
        }
    }
    world.activate(3, "device-c").await;
    let home = "198.18.0.1";
    let of_another = pass.replace("proved=", "proved=A");
    let none = ["", "proved=", "proved=x; lang=en", of_another.as_str()];
    for (press, cookie) in none.into_iter().enumerate() {
        let waits = shown(&world, 3, home, (&format!("d{press}"), &right, cookie)).await;
        assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS, "{cookie}");
    }
    assert_eq!(world.verdict(3).await, Verdict::Check);
    let lifted = shown(&world, 3, home, ("e", &right, &format!("lang=en; {pass}"))).await;
    assert_eq!(lifted.status, StatusCode::OK);
    assert_eq!(world.verdict(3).await, Verdict::Genuine);
    // Its own wrong tries count all the same.
    for press in 0..5 {
        shown(&world, 3, home, (&format!("f{press}"), &wrong, &pass)).await;
    }
    let waits = shown(&world, 3, home, ("g", &right, &pass)).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    world.agrees().await;
}

/// Asks for a page as a browser that keeps a cookie.
async fn seen(world: &World, path: &str, cookie: &str) -> Page {
    let request = Request::get(path).header(header::HOST, "d.example");
    let request = request.header(header::COOKIE, cookie);
    world.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn only_the_browser_that_proved_it_is_told_that_this_one_is_genuine() {
    let world = doubted().await;
    let path = format!("/d/{}", world.phone(3));
    let first = shown(&world, 3, "203.0.113.7", ("a", &world.scratch(3), "")).await;
    assert_eq!(first.h1(), "验证成功", "{}", first.text);
    let cookies = first.headers.get_all(header::SET_COOKIE).iter();
    let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().expect("text")).collect();
    // Paths of cookies tell upper case from lower: a label prints both, and the link.
    for printed in [&path, &path.replace("/d/", "/D/"), &format!("/01/{PHONE}/21/{}", &path[3..])] {
        let below = format!("; Path={printed}; ");
        assert!(cookies.iter().any(|cookie| cookie.contains(&below)), "{printed}: {cookies:?}");
    }
    let pass = cookies[0].split(';').next().expect("its value").to_owned();
    let own = seen(&world, &path, &pass).await;
    assert!(own.h1() == "正品" && own.text.contains("这台是正品"), "{}", own.text);
    assert!(!own.text.contains("name=\"kind\"") && !own.text.contains("重复激活"));
    for cookie in ["", "proved=", pass.replace("proved=", "proved=A").as_str()] {
        let other = seen(&world, &path, cookie).await;
        assert_eq!(other.h1(), "正品");
        assert!(!other.text.contains("这台是正品"), "{cookie}: {}", other.text);
        assert!(
            other.text.contains("原机已于 2026年11月23日验证过。如果不是你本人"),
            "{}",
            other.text
        );
        assert!(other.text.contains("重复激活") && other.text.contains("value=\"scratch\""));
    }
    let english = seen(&world, &format!("{path}?lang=en"), "").await;
    assert!(english.text.contains("The original of this code was verified on 23 Nov 2026"));
}

/// The original is still in its box, and copies of its label are about.
#[tokio::test]
async fn who_holds_a_copy_of_what_nobody_started_is_told_to_compare() {
    let world = world().await;
    let path = format!("/d/{}", world.phone(1));
    for place in ["310100", "320500", "440300", "110100", "510100"] {
        let at = world.house.clock.now().as_microsecond() - 600_000_000;
        let consumer = dossier::flows::scans::Audience::Consumer;
        let spot = Spot::steady(RegionCode::parse(place).unwrap());
        world.house.scans.note(world.number(1), consumer, at, Some(spot));
    }
    assert_eq!(world.verdict(1).await, Verdict::Check);
    let first = shown(&world, 1, "203.0.113.7", ("a", &world.scratch(1), "")).await;
    assert_eq!(first.h1(), "验证成功", "{}", first.text);
    assert_eq!(world.verdict(1).await, Verdict::NotActivated);
    let pass = first.headers[header::SET_COOKIE].to_str().expect("text");
    let pass = pass.split(';').next().expect("its value").to_owned();
    for (lang, title, told, odd) in [
        ("zh-CN", "正品，待激活", "原机已于 2026年11月23日验证过。如果不是你本人", "查询异常"),
        ("en", "Genuine, not activated", "was verified on 23 Nov 2026. If", "Scans unusual"),
    ] {
        let page = format!("{path}?lang={lang}");
        let own = seen(&world, &page, &pass).await;
        assert_eq!(own.h1(), title);
        for hidden in [told, odd, "name=\"kind\""] {
            assert!(!own.text.contains(hidden), "{hidden}: {}", own.text);
        }
        let other = seen(&world, &page, "").await;
        assert_eq!(other.h1(), title);
        for shown in [told, odd, "value=\"scratch\"", "value=\"imei4\""] {
            assert!(other.text.contains(shown), "{shown}: {}", other.text);
        }
    }
    // What nothing was odd about is plain to everybody, proved or not.
    let calm = shown(&world, 0, "203.0.113.7", ("b", &world.scratch(0), "")).await;
    assert_eq!(calm.h1(), "验证成功", "{}", calm.text);
    let page = seen(&world, &format!("/d/{}", world.phone(0)), "").await;
    assert!(page.text.contains("查询正常") && !page.text.contains("name=\"kind\""));
}

#[tokio::test]
async fn too_few_digits_are_a_slip_and_no_verdict_and_no_try() {
    let world = doubted().await;
    let path = format!("/d/{}/proof", world.phone(3));
    for (kind, value, fault, needed) in [
        ("imei4", "12", "请填写 IMEI 的最后 4 位数字。", "这里要填 IMEI 的最后 4 位数字。"),
        ("imei4", "abcd", "请填写 IMEI 的最后 4 位数字。", "这里要填 IMEI 的最后 4 位数字。"),
        ("imei4", "", "请填写 IMEI 的最后 4 位数字。", "这里要填 IMEI 的最后 4 位数字。"),
        ("scratch", "12345", "请填写涂层下的 6 位数字。", "这里要填涂层下的 6 位数字。"),
        ("scratch", "", "请填写涂层下的 6 位数字。", "这里要填涂层下的 6 位数字。"),
    ] {
        // More often than tries are had.
        for press in 0..6 {
            let form = format!("idempotency_key={kind}{value}{press}&kind={kind}&value={value}");
            let page = world.post(&path, &form).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{kind} {value}");
            assert!(page.text.contains(fault) && page.text.contains("aria-invalid=\"true\""));
            assert!(page.text.contains(needed), "{needed}: {}", page.text);
            assert!(page.text.contains("<body class=\"mute"), "{}", page.text);
            assert!(!page.text.contains("与档案不符") && !page.text.contains("验证码不对"));
        }
    }
    let right = format!("idempotency_key=r&kind=scratch&value={}", world.scratch(3));
    assert_eq!(world.post(&path, &right).await.h1(), "验证成功");
}

#[tokio::test]
async fn the_last_wrong_try_offers_no_form() {
    let world = doubted().await;
    let path = format!("/d/{}/proof", world.phone(3));
    let wrong = other_than(&imei(3)[11..]);
    for press in 0..5 {
        let form = format!("idempotency_key=k{press}&kind=imei4&value={wrong}");
        let page = world.post(&path, &form).await;
        assert_eq!(page.h1(), "与档案不符", "{press}");
        let offered = page.text.contains("name=\"kind\" value=\"imei4\"");
        assert_eq!(offered, press < 4, "{press}: {}", page.text);
        assert_eq!(page.text.contains("次数已经用完"), press == 4, "{press}");
    }
}

#[tokio::test]
async fn imei_digits_compare_and_lift_nothing() {
    let world = doubted().await;
    let path = format!("/d/{}/proof", world.phone(3));
    let right = imei(3)[11..].to_owned();
    let same = world.post(&path, &format!("idempotency_key=a&kind=imei4&value={right}")).await;
    assert_eq!(same.status, StatusCode::OK);
    let form = format!("idempotency_key=b&kind=imei4&value={}", other_than(&right));
    let differs = world.post(&path, &form).await;
    assert_ne!(same.h1(), differs.h1());
    let form = "idempotency_key=c&kind=imei4&value=%3Cb%3E";
    let odd = world.post(&path, form).await;
    assert!(!odd.text.contains("<b>\"") && odd.text.contains("&#60;b&#62;"), "shown as text");
    assert_eq!(world.verdict(3).await, Verdict::Check);
}

fn registration(key: &str, rest: &str) -> String {
    format!("idempotency_key={key}&phone=13800138000&purchased_on=2026-11-20&consent=yes&{rest}")
}

async fn events_of(world: &World, number: i64, kind: &str) -> usize {
    let events = world.house.store.events_fetch(number).await.expect("events");
    events.iter().filter(|event| event.body.kind() == kind).count()
}

#[tokio::test]
async fn registering_a_power_bank_activates_it_once() {
    let world = world().await;
    let number = world.banks.first;
    let path = format!("/d/{}/register", world.code(number));
    let form = registration(&world.get(&path).await.key(), "proof=invoice&invoice=26312000001234");
    let done = world.post(&path, &form).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert!(done.text.contains("2027年"), "until when");
    assert_eq!(world.post(&path, &form).await.status, StatusCode::OK);
    assert_eq!(events_of(&world, number, "registered").await, 1);
    assert_eq!(events_of(&world, number, "activated").await, 1);
    assert_eq!(world.get(&format!("/d/{}", world.code(number))).await.h1(), "正品");
}

#[tokio::test]
async fn a_registration_that_was_cut_off_before_its_start_is_finished_by_the_next_form() {
    let world = world().await;
    let number = world.banks.first;
    let bound = Registration {
        phone: "+8613800138000".to_owned(),
        purchased_on: None,
        proof: domain::registration::Proof::Invoice,
        invoice: "26312000001234".to_owned(),
        consents: vec![domain::person::Purpose::Registration],
    };
    // All that a process did which died right after it.
    register(&world.house, number, &bound).await.expect("it is bound");
    let path = format!("/d/{}/register", world.code(number));
    let forms = ["a", "b"].map(|key| registration(key, "proof=invoice&invoice=26312000009999"));
    let (one, two) = tokio::join!(world.post(&path, &forms[0]), world.post(&path, &forms[1]));
    for told in [one, two] {
        let said = (told.status, told.h1());
        assert_eq!(said, (StatusCode::OK, "这台设备已经登记过".to_owned()));
    }
    assert_eq!(events_of(&world, number, "registered").await, 1);
    assert_eq!(events_of(&world, number, "activated").await, 1);
    assert_eq!(world.get(&format!("/d/{}", world.code(number))).await.h1(), "正品");
}

#[tokio::test]
async fn registering_a_phone_binds_and_does_not_activate() {
    let world = world().await;
    let path = format!("/d/{}/register", world.phone(1));
    let form = registration("k", &format!("proof=scratch&scratch={}", world.scratch(1)));
    assert_eq!(world.post(&path, &form).await.status, StatusCode::OK);
    assert_eq!(events_of(&world, world.number(1), "registered").await, 1);
    assert_eq!(events_of(&world, world.number(1), "activated").await, 0);
    assert_eq!(world.verdict(1).await, Verdict::NotActivated);
}

async fn warranty_starts(world: &World, number: i64) -> (String, &'static str) {
    let reference = world.house.reference().await.expect("it reads");
    let unit = world.house.store.unit_fetch(number).await.expect("it reads").expect("a unit");
    let custody = domain::custody::CustodyFacts::default();
    let reading = dossier::flows::verify::warranty(&world.house, &reference, &unit, &custody);
    let coverage = reading.known().expect("dates");
    (coverage.starts_on.to_string(), coverage.basis.as_str())
}

#[tokio::test]
async fn an_invoice_number_anybody_may_type_moves_no_date() {
    let world = world().await;
    world.activate(1, "device").await;
    let path = format!("/d/{}/register", world.phone(1));
    let form = registration("k", "proof=invoice&invoice=26312000001234");
    let done = world.post(&path, &form).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert!(done.text.contains("发票号码"), "it says why the day does not count");
    assert_eq!(events_of(&world, world.number(1), "registered").await, 1, "bound all the same");
    let start = warranty_starts(&world, world.number(1)).await;
    assert_eq!(start, ("2026-05-14".to_owned(), "activation"));
}

#[tokio::test]
async fn a_first_start_is_better_evidence_than_a_day_that_somebody_states() {
    let world = world().await;
    let stated = |index: i64, proof: &str, day: &str| {
        let path = format!("/d/{}/register", world.phone(index));
        (path, registration("k", proof).replace("2026-11-20", day))
    };
    // Before the start it would take days from whoever holds the unit, after it add some.
    for (index, day) in [(1, "2026-05-10"), (4, "2026-11-20")] {
        world.activate(index, "device").await;
        let proof = format!("proof=scratch&scratch={}", world.scratch(index));
        let (path, form) = stated(index, &proof, day);
        assert_eq!(world.post(&path, &form).await.status, StatusCode::OK);
        let (on, basis) = warranty_starts(&world, world.number(index)).await;
        assert_eq!((on.as_str(), basis), ("2026-05-14", "activation"), "{day}");
    }
    // Registered before the start was reported: the day counts until then.
    for (index, day) in [(5, "2026-11-20"), (3, "2026-05-10")] {
        let proof = format!("proof=imei4&imei4={}", &imei(index)[11..]);
        let (path, form) = stated(index, &proof, day);
        assert_eq!(world.post(&path, &form).await.status, StatusCode::OK);
        let (on, basis) = warranty_starts(&world, world.number(index)).await;
        assert_eq!((on.as_str(), basis), (day, "sale"));
        world.activate(index, "device").await;
        assert_eq!(warranty_starts(&world, world.number(index)).await.1, "activation", "{day}");
    }
}

#[tokio::test]
async fn the_first_binding_stands() {
    let world = world().await;
    world.activate(1, "device").await;
    let number = world.number(1);
    let path = format!("/d/{}/register", world.phone(1));
    let proof = format!("proof=scratch&scratch={}", world.scratch(1));
    let mine = registration("a", &proof).replace("2026-11-20", "2026-05-12");
    assert_eq!(world.post(&path, &mine).await.h1(), "登记成功");
    let before = warranty_starts(&world, number).await;
    let theirs = mine.replace("13800138000", "13900139000").replace("2026-05-12", "2026-05-01");
    let theirs = theirs.replace("idempotency_key=a", "idempotency_key=b");
    let told = world.post(&path, &theirs).await;
    assert_eq!((told.status, told.h1()), (StatusCode::OK, "这台设备已经登记过".to_owned()));
    assert_eq!(world.post(&path, &mine).await.h1(), "登记成功", "the same form, sent twice");
    // Whose it is, is told nobody: else whoever holds the unit could go through telephones.
    let again = mine.replace("idempotency_key=a", "idempotency_key=c");
    let told_owner = world.post(&path, &again).await;
    assert_eq!((told_owner.status, told_owner.h1()), (told.status, told.h1()));
    // Without the scratch code no more than with it.
    for phone in ["13800138000", "13900139000"] {
        let form = registration(phone, "proof=invoice&invoice=26312000001234");
        let page = world.post(&path, &form.replace("13800138000", phone)).await;
        assert_eq!((page.status, page.h1()), (told.status, told.h1()), "{phone}");
    }
    assert_eq!(events_of(&world, number, "registered").await, 1);
    assert_eq!(warranty_starts(&world, number).await, before);
    // A new life knows no owner yet.
    let caller = world.operator().await;
    let renew = dossier::flows::lifecycle::Change::OpenLife(
        domain::life::Cause::Return,
        "returned".to_owned(),
    );
    let (numbers, now) = ([number], domain::when::When::at(world.house.clock.now()));
    let done = dossier::flows::lifecycle::change(&world.house, &caller, &numbers, &renew, now);
    done.await.expect("a new life");
    let theirs = theirs.replace("idempotency_key=b", "idempotency_key=d");
    assert_eq!(world.post(&path, &theirs).await.h1(), "登记成功");
    assert_eq!(events_of(&world, number, "registered").await, 2);
}

#[tokio::test]
async fn a_refused_registration_comes_back_with_what_was_typed() {
    let world = world().await;
    let path = format!("/d/{}/register", world.phone(1));
    let form = "idempotency_key=k&phone=%22%3E%3Cx&purchased_on=2026-12-24&proof=scratch&scratch=";
    let page = world.post(&path, form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("&#34;&#62;&#60;x") && page.text.contains("2026-12-24"));
    assert_eq!(events_of(&world, world.number(1), "registered").await, 0);
    let wrong = other_than(&world.scratch(1));
    let form = registration("k", &format!("proof=scratch&scratch={wrong}"));
    assert_eq!(world.post(&path, &form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(events_of(&world, world.number(1), "registered").await, 0);
}

#[tokio::test]
async fn only_units_in_order_can_be_registered() {
    let world = doubted().await;
    for code in [world.phone(3), world.phone(2), world.phone(20), "NOCODE".to_owned()] {
        let page = world.get(&format!("/d/{code}/register")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{code}");
    }
}

#[tokio::test]
async fn reports_are_taken_once_for_units_and_for_codes_of_nobody() {
    let world = world().await;
    for code in [world.phone(0), world.phone(20), "NOCODE".to_owned()] {
        let path = format!("/d/{code}/report");
        let key = world.get(&path).await.key();
        let form = format!("idempotency_key={key}&shop=%E5%BA%97&text=%E4%BB%B7%E6%A0%BC");
        let first = world.post(&path, &form).await;
        assert_eq!(first.status, StatusCode::OK, "{code}: {}", first.text);
        assert!(first.text.contains("R-"), "a reference to quote");
        assert_eq!(world.post(&path, &form).await.text, first.text, "{code}");
        let empty = world.post(&path, &format!("idempotency_key={key}&text=")).await;
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(events_of(&world, world.number(0), "suspicion_reported").await, 1);
}

#[tokio::test]
async fn a_label_offers_the_scratch_code_beside_it() {
    let world = world().await;
    world.activate(3, "device-a").await;
    world.activate(3, "device-b").await;
    let plain = world.relabelled(world.number(3), PHONE, false).await;
    let scratch = world.relabelled(world.number(3), PHONE, true).await;
    let offer = "name=\"kind\" value=\"scratch\"";
    for (code, offered) in [
        (world.phone(3), true),
        (world.code(plain.first), false),
        (world.code(scratch.first), true),
    ] {
        let page = world.get(&format!("/d/{code}")).await;
        assert_eq!(
            (page.h1(), page.text.contains(offer)),
            ("请核对".to_owned(), offered),
            "{code}"
        );
    }
    // A power bank whose first label had none.
    let bank = world.banks.first;
    let scratch = world.relabelled(bank, "06912345678919", true).await;
    for (number, offered) in [(bank, false), (scratch.first, true)] {
        let page = world.get(&format!("/d/{}/register", world.code(number))).await;
        assert_eq!(page.text.contains("value=\"scratch\""), offered, "{}", page.text);
    }
    // And it is taken there.
    let key = world.house.secrets.scratch_key();
    let digits = key.code(dossier::flows::find::unit_number(scratch.first)).to_string();
    let path = format!("/d/{}/register", world.code(scratch.first));
    let form = registration("k", &format!("proof=scratch&scratch={digits}"));
    assert_eq!(world.post(&path, &form).await.h1(), "登记成功");
}
