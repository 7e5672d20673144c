//! What visitors fill in comes whole and is judged whole; and pages that cannot be made for now.

use super::world::{imei, world};
use axum::http::StatusCode;
use store::engine::{Plan, Step};

/// A text as a form sends it.
fn sent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Digits as a keyboard in full width types them.
fn wide(digits: &str) -> String {
    let shifted = digits.chars().map(|c| char::from_u32(c as u32 + 0xFEE0));
    sent(&shifted.map(|c| c.expect("a sign")).collect::<String>())
}

#[tokio::test]
async fn all_that_is_wrong_with_a_registration_is_told_at_once() {
    let world = world().await;
    let path = format!("/d/{}/register", world.phone(1));
    let right = world.scratch(1);
    let first = if right.starts_with('9') { '0' } else { '9' };
    let wrong = format!("{first}{}", &right[1..]);
    let form = |key: &str, scratch: &str| {
        format!(
            "idempotency_key={key}&phone=1380013800&purchased_on=2026-12-24&proof=scratch\
             &scratch={scratch}"
        )
    };
    let others = ["请填写 11 位手机号", "日期不能晚于今天", "办理保修需要你同意"];
    let page = world.post(&path, &form("a", &wrong)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for said in others.into_iter().chain(["与这台设备不符"]) {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let sent = form("b", &right);
    let page = super::forms::posted(&world, &path, ("203.0.113.7", ""), sent).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(others.iter().all(|said| page.text.contains(said)), "{}", page.text);
    assert!(!page.text.contains("与这台设备不符"), "{}", page.text);
    // It is spent, so the browser that gave it has its pass.
    assert!(page.headers.contains_key("set-cookie"), "{:?}", page.headers);
    // Tries count as they do on the page of proofs.
    for press in 0..4 {
        world.post(&path, &form(&format!("c{press}"), &wrong)).await;
    }
    // What else is wrong is told first, and nothing that was typed is lost by waiting.
    let page = world.post(&path, &form("d", &right)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let sound = format!(
        "idempotency_key=e&phone=13800138000&purchased_on=2026-11-20&consent=yes&proof=scratch\
         &scratch={right}"
    );
    let page = world.post(&path, &sound).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    world.agrees().await;
}

#[tokio::test]
async fn digits_of_full_width_are_digits() {
    let world = world().await;
    let phone = wide("13800138000");
    for (index, proof) in [
        (1, format!("proof=scratch&scratch={}", wide(&world.scratch(1)))),
        (4, format!("proof=imei4&imei4={}", wide(&imei(4)[11..]))),
        (5, format!("proof=invoice&invoice={}", wide("26312000001234"))),
    ] {
        let path = format!("/d/{}/register", world.phone(index));
        let form = format!("phone={phone}&purchased_on=2026-11-20&consent=yes&{proof}");
        let page = world.post(&path, &form).await;
        assert_eq!(page.h1(), "登记成功", "{proof}: {}", page.text);
    }
}

#[tokio::test]
async fn an_invoice_number_says_how_long_it_is_and_may_be_typed_in_groups() {
    let world = world().await;
    let path = format!("/d/{}/register", world.phone(1));
    let form = |invoice: &str| {
        format!(
            "phone=13800138000&purchased_on=2026-11-20&consent=yes&proof=invoice\
             &invoice={invoice}"
        )
    };
    let long = "x".repeat(32);
    for invoice in ["ABC", "12", long.as_str(), "--------"] {
        for (lang, said) in [
            ("zh-CN", "请填写发票号码，8 至 20 位数字或字母。"),
            ("en", "Give the invoice number: 8 to 20 digits or letters."),
        ] {
            let page = world.post(&format!("{path}?lang={lang}"), &form(invoice)).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{invoice}");
            assert!(page.text.contains(said), "{invoice}: {}", page.text);
        }
    }
    let page = world.get(&path).await;
    assert!(page.text.contains("8 至 20 位数字或字母。</p>"), "{}", page.text);
    let grouped = ["2631 2000-0012 3456 7890", "\u{3000}2631\u{FF0D}2000 "].map(sent);
    for (index, invoice) in [1, 4].into_iter().zip(grouped) {
        let path = format!("/d/{}/register", world.phone(index));
        let page = world.post(&path, &form(&invoice)).await;
        assert_eq!(page.h1(), "登记成功", "{}", page.text);
    }
}

/// A browser counts a line end as one character, and sends two.
#[tokio::test]
async fn a_report_of_several_lines_is_as_long_as_it_was_typed() {
    let world = world().await;
    let path = format!("/d/{}/report", world.phone(0));
    let lines = |count: usize| format!("{}%0D%0A{}", sent("好").repeat(499), "a".repeat(count));
    let page = world.post(&path, &format!("text={}", lines(500))).await;
    assert_eq!(page.h1(), "举报已收到", "{}", page.text);
    let page = world.post(&path, &format!("text={}", lines(501))).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("最多 1000 个字符"), "{}", page.text);
    // What comes back for another field's sake comes back whole.
    let shop = format!("https://detail.tmall.com/item.htm?id={}", "1".repeat(500));
    let page = world.post(&path, &format!("text={}&shop={shop}", lines(500))).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("最多 500 个字符"), "{}", page.text);
    assert!(page.text.contains(&format!("好\n{}</textarea>", "a".repeat(500))), "{}", page.text);
}

#[tokio::test]
async fn a_form_about_a_code_of_nobody_names_the_code() {
    let world = world().await;
    let mut forged = world.phone(0);
    let last = if forged.ends_with('2') { "3" } else { "2" };
    forged.replace_range(forged.len() - 1.., last);
    for code in [forged, world.phone(20)] {
        let shown = [&code[..4], &code[4..8], &code[8..12], &code[12..]].join("-");
        let page = world.get(&format!("/d/{code}/report")).await;
        assert!(page.text.contains(&format!("<span class=\"mono\">{shown}</span>")), "{code}");
    }
    let page = world.get("/d/NO%3CCODE/report").await;
    assert!(page.text.contains("<span class=\"mono\">NO&#60;CODE</span>"), "{}", page.text);
}

#[tokio::test]
async fn what_inspection_holds_is_reported_and_not_compared() {
    let world = world().await;
    let page = world.get(&format!("/d/{}", world.phone(2))).await;
    assert_eq!(page.h1(), "请核对");
    assert!(page.text.contains("检验未通过") && page.text.contains("请先不要付款"));
    assert!(!page.text.contains("name=\"kind\"") && !page.text.contains("id=\"proof\""));
    let main = page.text.split("class=\"btn p\"").nth(1).expect("an action");
    assert!(main.split("</a>").next().expect("its end").contains("举报可疑"), "{}", page.text);
}

#[tokio::test]
async fn what_the_store_cannot_tell_now_can_be_asked_again() {
    let world = world().await;
    let code = world.phone(1);
    for away in ["ALTER TABLE batch RENAME TO away", "ALTER TABLE unit RENAME TO gone"] {
        let plan = Plan::new(vec![Step::run(away, Vec::new())]);
        world.house.store.engine().write(plan).await.expect("it is renamed");
    }
    for path in [format!("/d/{code}/register"), format!("/d/{code}/centres?q=a&lang=zh-CN")] {
        let page = world.get(&path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let link = format!("<a class=\"btn p\" href=\"{path}\">重试</a>");
        assert!(page.text.replace("&#38;", "&").contains(&link), "{path}: {}", page.text);
    }
    // A link sends no form.
    let page = world.post(&format!("/d/{code}/register"), "phone=1").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!page.text.contains("重试</a>"), "{}", page.text);
}
