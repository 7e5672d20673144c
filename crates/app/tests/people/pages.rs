//! The pages of the people who work here, as a browser without a script sees them; on both engines.

use crate::common::World;
use crate::common::browser::{Browser, INVITATIONS, PASSWORD, SESSION, owner, pass};
use crate::on_both;
use dossier::flows::people::set_up;
use jiff::SignedDuration;
use serde_json::json;

on_both! {
    somebody_sets_up_and_looks_after_the_account,
    somebody_accepts_an_invitation,
    a_link_signs_in_once,
    the_trail_is_offered_to_those_alone_who_may_open_it,
    forms_of_other_sites_do_nothing,
}

/// What a form field or hidden value holds.
fn hidden(page: &str, name: &str) -> String {
    let after = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    let value = after.and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no {name} in {page}")).to_owned()
}

async fn somebody_sets_up_and_looks_after_the_account(world: &World) {
    let token = set_up::set_up_link(&world.house).await.expect("it writes").expect("a link");
    let browser = Browser::new(world);
    let path = format!("/set-up/{token}");
    let form = browser.get(&path).await;
    assert_eq!(form.status, 200);
    for word in ["autocomplete=\"username\"", "autocomplete=\"new-password\"", "name=\"name\""] {
        assert!(form.text.contains(word), "{word} in {}", form.text);
    }
    assert!(!form.text.contains("brand_code"), "there is a brand");
    assert!(!form.header("content-security-policy").is_empty());
    let short = browser.form(&path, &[("sign_in_name", "li"), ("password", "short")]).await;
    assert_eq!(short.status, 400);
    assert!(short.text.contains("value=\"li\"") && short.text.contains("id=\"password-fault\""));
    assert!(!short.text.contains("short\""), "a password is never shown again");
    let made = browser.form(&path, &[("sign_in_name", "li"), ("password", PASSWORD)]).await;
    assert_eq!((made.status, made.header("location")), (303, "/account"));
    let account = browser.get("/account").await;
    assert_eq!(account.status, 200);
    assert!(account.text.contains("autocomplete=\"current-password\""));
    let again = Browser::new(world).get(&path).await;
    assert_eq!(again.status, 409);
    // The second factor, by hand.
    assert_eq!(browser.form("/account/totp", &[]).await.status, 400);
    assert_eq!(browser.form("/account/totp", &[("password", PASSWORD)]).await.status, 303);
    let begun = browser.get("/account").await.text;
    assert!(begun.contains("<svg xmlns") && begun.contains("otpauth://totp/Dossier:li?secret="));
    let secret = begun.split("secret=").nth(1).and_then(|rest| rest.split('&').next());
    let code = |steps: i64| {
        let secret = unbase32(secret.expect("a secret"));
        let step = domain::totp::step_of(world.clock.now().as_second()) + steps;
        domain::totp::password_at(&secret, step)
    };
    let on = browser.form("/account/totp/confirm", &[("code", &code(0))]).await;
    assert_eq!(on.status, 200);
    assert_eq!(
        on.text.split("<ul class=\"codes").nth(1).expect("codes").matches("<li>").count().min(10),
        10
    );
    assert_eq!(browser.form("/sign-out", &[]).await.header("location"), "/sign-in");
    assert_eq!(browser.get("/account").await.header("location"), "/sign-in");
    // In two steps.
    let words = [("sign_in_name", "li"), ("password", PASSWORD)];
    let second = browser.form("/sign-in", &words).await;
    assert_eq!(second.status, 200);
    assert!(second.text.contains("autocomplete=\"one-time-code\""));
    assert!(browser.cookie().is_empty());
    let step = hidden(&second.text, "step");
    let taken = browser.form("/sign-in/code", &[("step", &step), ("code", &code(0))]).await;
    assert_eq!(taken.status, 401);
    assert!(taken.text.contains("id=\"code-fault\""), "{}", taken.text);
    let right = browser.form("/sign-in/code", &[("step", &step), ("code", &code(1))]).await;
    assert_eq!(right.header("location"), "/account", "{}", right.text);
    let wrong = browser.form("/sign-in", &[("sign_in_name", "li"), ("password", "x")]).await;
    assert_eq!(wrong.status, 401);
    // A step that is over is good no more.
    let late = hidden(&browser.form("/sign-in", &words).await.text, "step");
    pass(world, SignedDuration::from_mins(6));
    let late = browser.form("/sign-in/code", &[("step", &late), ("code", &code(0))]).await;
    assert_eq!(late.status, 401);
    // Beside the field that is wrong; the other language is the page, not the form that was sent.
    let next = [("password", "not this one"), ("new_password", "four small words here")];
    let refused = browser.form("/account/password", &next).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("id=\"present-fault\""), "{}", refused.text);
    assert!(refused.text.contains("href=\"/account?lang="), "{}", refused.text);
    assert!(refused.text.contains("href=\"/api/v1/audit\""), "an owner may look");
    let next = [("password", PASSWORD), ("new_password", "four small words here")];
    assert_eq!(browser.form("/account/password", &next).await.header("location"), "/account");
    assert_eq!(browser.get("/account").await.status, 200);
}

fn unbase32(text: &str) -> Vec<u8> {
    let value = |c: u8| u64::from(if c >= b'A' { c - b'A' } else { c - b'2' + 26 });
    let groups = text.as_bytes().chunks(8);
    let bytes = groups.flat_map(|group| {
        let word = group.iter().fold(0, |word, c| word << 5 | value(*c));
        word.to_be_bytes()[3..].to_vec()
    });
    bytes.collect()
}

async fn somebody_accepts_an_invitation(world: &World) {
    let owner = owner(world).await;
    let order = json!({"party": "T1-53", "role": "warehouse", "name": "<b>Wang</b>"});
    let path = owner.post(INVITATIONS, order).await.member("path");
    let browser = Browser::new(world);
    let form = browser.get(&path).await;
    assert_eq!(form.status, 200);
    assert!(form.text.contains("云南总代") && form.text.contains("warehouse"));
    assert!(form.text.contains("&lt;b&gt;Wang") || form.text.contains("&#60;b&#62;Wang"));
    let taken = [("sign_in_name", "li.wei"), ("password", PASSWORD)];
    let taken = browser.form(&path, &taken).await;
    assert!(taken.status == 400 && taken.text.contains("id=\"sign_in_name-fault\""));
    let words = [("sign_in_name", "wang"), ("password", PASSWORD)];
    assert_eq!(browser.form(&path, &words).await.header("location"), "/account");
    assert_eq!(browser.get(SESSION).await.json["membership"]["role"], "warehouse");
    assert!(!browser.get("/account").await.text.contains("/api/v1/audit"), "not for a warehouse");
    let over = Browser::new(world).get(&path).await;
    assert!(over.status == 404 && !over.text.contains("<form"), "{}", over.text);
    // Somebody signed in joins with one press.
    let order = json!({"party": "T1-42", "role": "desk"});
    let path = owner.post(INVITATIONS, order).await.member("path");
    assert!(!browser.get(&path).await.text.contains("name=\"password\""));
    assert_eq!(browser.form(&path, &[]).await.header("location"), "/account");
    let account = browser.get("/account").await.text;
    let other = hidden(&account, "membership");
    let chosen = browser.form("/account/membership", &[("membership", &other)]).await;
    assert_eq!(chosen.header("location"), "/account");
    assert_eq!(browser.get(SESSION).await.json["membership"]["role"], "warehouse");
}

async fn a_link_signs_in_once(world: &World) {
    let token = set_up::demo_link(&world.house).await.expect("it writes");
    let path = format!("/sign-in/{token}");
    let browser = Browser::new(world);
    for _ in 0..2 {
        assert!(browser.get(&path).await.text.contains("<form"), "looking uses nothing up");
    }
    assert_eq!(browser.form(&path, &[]).await.header("location"), "/account");
    assert_eq!(browser.get(SESSION).await.json["membership"]["role"], "owner");
    assert_eq!(Browser::new(world).form(&path, &[]).await.status, 404);
    let another = set_up::demo_link(&world.house).await.expect("the same account");
    pass(world, SignedDuration::from_hours(24));
    let late = Browser::new(world).form(&format!("/sign-in/{another}"), &[]).await;
    assert_eq!(late.status, 404);
}

async fn the_trail_is_offered_to_those_alone_who_may_open_it(world: &World) {
    let owner = owner(world).await;
    for (party, regions, may) in
        [("BRAND", json!([]), true), ("BRAND", json!(["53"]), false), ("T1-53", json!([]), false)]
    {
        let order = json!({"party": party, "role": "auditor", "regions": regions});
        let path = owner.post(INVITATIONS, order).await.member("path");
        let browser = Browser::new(world);
        let name = format!("auditor.{}{}", party.to_ascii_lowercase(), u8::from(may));
        let words = [("sign_in_name", name.as_str()), ("name", "Wang"), ("password", PASSWORD)];
        let taken = browser.form(&path, &words).await;
        assert_eq!(taken.header("location"), "/account", "{}", taken.text);
        let offered = browser.get("/account").await.text.contains("href=\"/api/v1/audit\"");
        let opens = browser.get("/api/v1/audit").await.status == 200;
        assert_eq!((offered, opens), (may, may), "{party} {regions}");
    }
}

async fn forms_of_other_sites_do_nothing(world: &World) {
    let owner = owner(world).await;
    let said = [("sec-fetch-site", "cross-site")];
    let form = "application/x-www-form-urlencoded";
    let words = format!("sign_in_name=li.wei&password={}", PASSWORD.replace(' ', "+"));
    let browser = Browser::new(world);
    let reply = browser.ask(("POST", "/sign-in"), &said, (form, words)).await;
    assert_eq!(reply.status, 403);
    assert!(browser.cookie().is_empty());
    for path in ["/sign-out", "/account/totp", "/account/password", "/account/session"] {
        let reply = owner.ask(("POST", path), &said, (form, String::new())).await;
        assert_eq!(reply.code(), (403, "cross_site"), "{path}");
    }
    assert_eq!(owner.get(SESSION).await.status, 200);
    let clear = Browser::at(world, "203.0.113.9", false);
    let words = [("sign_in_name", "li.wei"), ("password", PASSWORD)];
    assert_eq!(clear.form("/sign-in", &words).await.status, 403);
}
