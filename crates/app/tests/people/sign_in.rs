//! Signing in and what a session is good for: wrong tries, second factors, cookies, other sites; on
//! both engines.

use crate::common::World;
use crate::common::browser::{Browser, INVITATIONS, PASSWORD, PEOPLE, Reply, SESSION, owner, pass};
use crate::on_both;
use domain::totp;
use jiff::SignedDuration;
use serde_json::json;

on_both! {
    wrong_is_wrong_whatever_it_is,
    wrong_tries_make_wait,
    nobody_locks_somebody_out_of_their_own_desk,
    many_tries_at_once_count_as_many,
    a_one_time_password_is_taken_once,
    a_recovery_code_is_good_once,
    a_session_ends_idle_old_or_by_hand,
    a_new_password_ends_every_session,
    the_page_of_another_site_does_nothing,
    the_cookie_is_bound_to_how_it_came,
    a_session_stands_where_a_key_does,
}

async fn wrong_is_wrong_whatever_it_is(world: &World) {
    let owner = owner(world).await;
    let person = owner.invites(world, "zhao", json!({"party": "BRAND", "role": "desk"})).await;
    let path = format!("{PEOPLE}/{}", person.account().await);
    assert_eq!(owner.patch(&path, json!({"disabled": true})).await.status, 200);
    let browser = Browser::new(world);
    let long = "x".repeat(100_000);
    let mut texts = Vec::new();
    for (name, password) in [
        ("li.wei", "another small word"),
        ("nobody", PASSWORD),
        ("zhao", PASSWORD),
        ("", ""),
        ("li.wei", long.as_str()),
        (long.as_str(), PASSWORD),
    ] {
        let reply = browser.sign_in(name, password, None).await;
        assert_eq!(reply.code(), (401, "sign_in_refused"));
        assert!(browser.cookie().is_empty());
        texts.push(reply.text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let right = browser.sign_in(" LI.Wei ", PASSWORD, None).await;
    assert_eq!(right.status, 200, "{}", right.text);
    assert_eq!(right.json["name"], "李伟");
    let set = right.header("set-cookie");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    assert_eq!(right.header("cache-control"), "no-store");
}

async fn wrong_tries_make_wait(world: &World) {
    owner(world).await;
    let browser = Browser::at(world, "127.0.0.9", false);
    let wrong = async || browser.sign_in("li.wei", "another small word", None).await;
    for _ in 0..5 {
        assert_eq!(wrong().await.status, 401);
    }
    // A right password does not end the wait, nor does another process or address.
    let right = browser.sign_in("li.wei", PASSWORD, None).await;
    assert_eq!((right.code(), right.header("retry-after")), ((429, "too_many_requests"), "60"));
    let elsewhere = World {
        house: world.another().await,
        target: world.target.clone(),
        clock: world.clock.clone(),
        scratch: tempfile::TempDir::new().expect("a folder"),
    };
    let other = Browser::at(&elsewhere, "127.0.0.8", false);
    assert_eq!(other.sign_in("li.wei", PASSWORD, None).await.status, 429);
    pass(world, SignedDuration::from_secs(61));
    assert_eq!(wrong().await.status, 401);
    let longer = browser.sign_in("li.wei", PASSWORD, None).await;
    assert_eq!((longer.status, longer.header("retry-after")), (429, "120"));
    pass(world, SignedDuration::from_secs(121));
    assert_eq!(browser.sign_in("li.wei", PASSWORD, None).await.status, 200);
    // It begins anew, and an unknown name waits just the same.
    for _ in 0..4 {
        assert_eq!(wrong().await.status, 401);
    }
    let guessing = Browser::at(world, "127.0.0.7", false);
    for _ in 0..5 {
        assert_eq!(guessing.sign_in("nobody", PASSWORD, None).await.status, 401);
    }
    assert_eq!(guessing.sign_in("nobody", PASSWORD, None).await.status, 429);
    // One address that tries many names waits as well.
    for n in 0..15 {
        assert_eq!(guessing.sign_in(&format!("n{n}"), PASSWORD, None).await.status, 401, "{n}");
    }
    assert_eq!(guessing.sign_in("fresh", PASSWORD, None).await.status, 429);
}

async fn nobody_locks_somebody_out_of_their_own_desk(world: &World) {
    let desk = owner(world).await;
    let stranger = Browser::at(world, "127.0.0.66", false);
    for _ in 0..5 {
        assert_eq!(stranger.sign_in("li.wei", "another small word", None).await.status, 401);
    }
    assert_eq!(stranger.sign_in("li.wei", PASSWORD, None).await.status, 429);
    assert_eq!(desk.get(SESSION).await.status, 200);
    assert_eq!(Browser::new(world).sign_in("li.wei", PASSWORD, None).await.status, 200);
}

async fn many_tries_at_once_count_as_many(world: &World) {
    owner(world).await;
    let browser = Browser::at(world, "127.0.0.9", false);
    let tries = (0..16).map(|_| browser.sign_in("li.wei", "another small word", None));
    let replies = futures_util::future::join_all(tries).await;
    let looked_at = replies.iter().filter(|reply| reply.status == 401).count();
    assert!((1..=5).contains(&looked_at), "{looked_at}");
    let rest = |reply: &&Reply| !matches!(reply.status, 401 | 429 | 503);
    assert!(!replies.iter().any(|reply| rest(&reply)), "{replies:?}");
}

/// Turns the second factor on. Returns its secret and the recovery codes.
async fn second_factor(world: &World, browser: &Browser) -> (Vec<u8>, Vec<String>) {
    let path = "/api/v1/account/totp";
    let words = |password: &str| json!({"password": password});
    let refused = browser.post(path, words("another small word")).await;
    assert_eq!(refused.field(), (403, "wrong_password", "password"), "an open desk is no owner");
    let begun = browser.post(path, words(PASSWORD)).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let secret = unbase32(&begun.member("secret"));
    let link = begun.member("otpauth");
    assert!(link.starts_with("otpauth://totp/Dossier:li.wei?secret="), "{link}");
    let confirm = "/api/v1/account/totp/confirm";
    let wrong = browser.post(confirm, json!({"code": "000000x"})).await;
    assert_eq!(wrong.field(), (403, "wrong_code", "code"));
    let on = browser.post(confirm, json!({"code": code(world, &secret, 0)})).await;
    assert_eq!(on.status, 200, "{}", on.text);
    let codes = on.json["recovery_codes"].as_array().expect("a list");
    assert_eq!(browser.post(path, words(PASSWORD)).await.code(), (409, "second_factor_state"));
    (secret, codes.iter().filter_map(|c| c.as_str().map(str::to_owned)).collect())
}

fn code(world: &World, secret: &[u8], steps: i64) -> String {
    totp::password_at(secret, totp::step_of(world.clock.now().as_second()) + steps)
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

async fn a_one_time_password_is_taken_once(world: &World) {
    let owner = owner(world).await;
    let (secret, _) = second_factor(world, &owner).await;
    let browser = Browser::new(world);
    let ask = async |code: &str| browser.sign_in("li.wei", PASSWORD, Some(code)).await;
    let bare = browser.sign_in("li.wei", PASSWORD, None).await;
    assert_eq!(bare.code(), (401, "second_factor_needed"));
    assert!(browser.cookie().is_empty());
    // The one that confirmed is taken; the next is good once.
    assert_eq!(ask(&code(world, &secret, 0)).await.code(), (401, "sign_in_refused"));
    let next = code(world, &secret, 1);
    let wrong = browser.sign_in("li.wei", "another small word", Some(&next)).await;
    assert_eq!(wrong.status, 401);
    let both = tokio::join!(ask(&next), ask(&next));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_eq!(ask(&next).await.status, 401);
    pass(world, SignedDuration::from_secs(120));
    assert_eq!(ask(&code(world, &secret, 2)).await.status, 401);
    pass(world, SignedDuration::from_secs(120));
    assert_eq!(ask(&code(world, &secret, -2)).await.status, 401);
    assert_eq!(ask(&code(world, &secret, -1)).await.status, 200);
    assert_eq!(ask(&code(world, &secret, 0)).await.status, 200);
    // Off again, with the password alone.
    let remove = "/api/v1/account/totp/remove";
    let refused = browser.post(remove, json!({"password": "another small word"})).await;
    assert_eq!(refused.field(), (403, "wrong_password", "password"));
    assert_eq!(browser.post(remove, json!({"password": PASSWORD})).await.status, 204);
    assert_eq!(browser.sign_in("li.wei", PASSWORD, None).await.status, 200);
}

async fn a_recovery_code_is_good_once(world: &World) {
    let owner = owner(world).await;
    let (_, codes) = second_factor(world, &owner).await;
    assert_eq!(codes.len(), 10);
    let browser = Browser::new(world);
    let ask = async |code: &str| browser.sign_in("li.wei", PASSWORD, Some(code)).await.status;
    assert_eq!(ask(&codes[3].to_lowercase().replace('-', " ")).await, 200);
    assert_eq!(ask(&codes[3]).await, 401);
    assert_eq!(ask("23456-789AB").await, 401);
    let both = tokio::join!(ask(&codes[4]), ask(&codes[4]));
    assert!(both == (200, 401) || both == (401, 200), "{both:?}");
    assert_eq!(browser.get(SESSION).await.json["recovery_code_count"], 8);
    let path = "/api/v1/account/recovery-codes";
    let renewed = browser.post(path, json!({"password": PASSWORD})).await;
    let fresh = renewed.json["recovery_codes"][0].as_str().expect("a code").to_owned();
    assert_eq!(ask(&codes[5]).await, 401);
    assert_eq!(ask(&fresh).await, 200);
}

async fn a_session_ends_idle_old_or_by_hand(world: &World) {
    let owner = owner(world).await;
    let good = async |browser: &Browser| browser.get(SESSION).await.status == 200;
    for _ in 0..3 {
        pass(world, SignedDuration::from_hours(11));
        assert!(good(&owner).await);
    }
    let idle = Browser::new(world);
    assert_eq!(idle.sign_in("li.wei", PASSWORD, None).await.status, 200);
    pass(world, SignedDuration::from_hours(12));
    assert!(!good(&idle).await && !good(&owner).await);
    assert_eq!(owner.sign_in("li.wei", PASSWORD, None).await.status, 200);
    for _ in 0..30 {
        pass(world, SignedDuration::from_hours(11));
        assert!(good(&owner).await);
    }
    pass(world, SignedDuration::from_hours(6));
    assert!(!good(&owner).await, "14 days are over");
    // By hand: its own, and another of the same account.
    assert_eq!(owner.sign_in("li.wei", PASSWORD, None).await.status, 200);
    assert_eq!(idle.sign_in("li.wei", PASSWORD, None).await.status, 200);
    let listed = owner.get("/api/v1/sessions").await;
    let listed = listed.json.as_array().expect("a list").clone();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|session| session["address"] == "127.0.0.1"));
    let other = listed.iter().find(|s| s["present"] == false).expect("the other one");
    let path = format!("/api/v1/sessions/{}", other["id"].as_str().expect("an id"));
    let stranger = json!({"party": "BRAND", "role": "admin"});
    let stranger = owner.invites(world, "zhao", stranger).await;
    assert_eq!(stranger.delete(&path).await.code(), (404, "unknown_session"));
    assert_eq!(owner.delete(&path).await.status, 204);
    assert!(!good(&idle).await && good(&owner).await);
    assert_eq!(owner.delete(&path).await.code(), (404, "unknown_session"));
    let kept = owner.cookie();
    assert_eq!(owner.delete(SESSION).await.status, 204);
    assert!(owner.cookie().is_empty());
    owner.hold(&kept);
    assert_eq!(owner.get(SESSION).await.code(), (401, "unauthenticated"), "replayed");
    let (name, token) = kept.split_once('=').expect("a pair");
    for forged in [format!("{name}={}", "A".repeat(43)), format!("{name}={}", &token[1..])] {
        owner.hold(&forged);
        assert_eq!(owner.get(SESSION).await.status, 401);
        assert_eq!(owner.get("/").await.status, 200, "public pages answer as anyone");
    }
    dossier::flows::people::sessions::forget(&world.house).await.expect("it writes");
    let left = Browser::new(world);
    assert_eq!(left.sign_in("li.wei", PASSWORD, None).await.status, 200);
    assert_eq!(left.get("/api/v1/sessions").await.json.as_array().map(Vec::len), Some(1));
}

async fn a_new_password_ends_every_session(world: &World) {
    let owner = owner(world).await;
    let phone = Browser::new(world);
    assert_eq!(phone.sign_in("li.wei", PASSWORD, None).await.status, 200);
    let before = owner.cookie();
    let path = "/api/v1/account/password";
    let body = |password: &str, next: &str| json!({"password": password, "new_password": next});
    let refused = owner.post(path, body("another small word", "four small words here")).await;
    assert_eq!(refused.field(), (403, "wrong_password", "password"));
    let refused = owner.post(path, body(PASSWORD, "passwordpassword")).await;
    assert_eq!(refused.field(), (400, "invalid_field", "new_password"));
    let changed = owner.post(path, body(PASSWORD, "four small words here")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(owner.get(SESSION).await.status, 200);
    assert_eq!(phone.get(SESSION).await.status, 401);
    phone.hold(&before);
    assert_eq!(phone.get(SESSION).await.status, 401);
    assert_eq!(phone.sign_in("li.wei", PASSWORD, None).await.status, 401);
    assert_eq!(phone.sign_in("li.wei", "four small words here", None).await.status, 200);
}

async fn the_page_of_another_site_does_nothing(world: &World) {
    let owner = owner(world).await;
    let body = json!({"party": "BRAND", "role": "desk"}).to_string();
    let ask = async |said: &[(&str, &str)]| {
        let json = ("application/json", body.clone());
        owner.ask(("POST", INVITATIONS), said, json).await.code().0
    };
    for said in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://d.example")],
        &[],
    ] {
        assert_eq!(ask(said).await, 403, "{said:?}");
    }
    for said in [&[("sec-fetch-site", "none")][..], &[("origin", "http://d.example")]] {
        assert_eq!(ask(said).await, 201, "{said:?}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let said = [("sec-fetch-site", "cross-site")];
        let none = ("application/json", "{}".to_owned());
        let reply = owner.ask((method, SESSION), &said, none).await;
        assert_eq!(reply.code(), (403, "cross_site"), "{method}");
    }
    // Nor signs a browser in as somebody else.
    let victim = Browser::new(world);
    let words = json!({"sign_in_name": "li.wei", "password": PASSWORD}).to_string();
    let said = [("sec-fetch-site", "cross-site")];
    let reply = victim.ask(("POST", SESSION), &said, ("application/json", words)).await;
    assert_eq!(reply.code(), (403, "cross_site"));
    assert_eq!(owner.get(SESSION).await.status, 200);
}

async fn the_cookie_is_bound_to_how_it_came(world: &World) {
    owner(world).await;
    let clear = Browser::at(world, "203.0.113.9", false);
    let refused = clear.sign_in("li.wei", PASSWORD, None).await;
    assert_eq!(refused.code(), (403, "needs_https"));
    let tls = Browser::at(world, "203.0.113.9", true);
    let signed = tls.sign_in("li.wei", PASSWORD, None).await;
    assert!(signed.header("set-cookie").ends_with("; SameSite=Strict; Secure"));
    let (name, token) = {
        let cookie = tls.cookie();
        let (name, token) = cookie.split_once('=').expect("a pair");
        (name.to_owned(), token.to_owned())
    };
    assert_eq!(name, "__Host-dossier");
    assert_eq!(tls.get(SESSION).await.status, 200);
    // Under another name, or in the clear, the same secret is nobody's.
    tls.hold(&format!("dossier={token}"));
    assert_eq!(tls.get(SESSION).await.status, 401);
    clear.hold(&format!("__Host-dossier={token}"));
    assert_eq!(clear.get(SESSION).await.status, 401);
}

async fn a_session_stands_where_a_key_does(world: &World) {
    let owner = owner(world).await;
    let auditor = json!({"party": "BRAND", "role": "auditor"});
    let auditor = owner.invites(world, "auditor", auditor).await;
    assert_eq!(owner.get("/api/v1/keys").await.status, 200);
    let given = owner.post("/api/v1/keys", json!({"party": "T1-53", "scopes": ["ship"]})).await;
    assert_eq!(given.status, 201, "{}", given.text);
    assert_eq!(auditor.get("/api/v1/parties").await.status, 200);
    for (path, body) in [
        ("/api/v1/keys", json!({"party": "BRAND", "scopes": ["read"]})),
        ("/api/v1/batches", json!({"gtin": crate::common::PHONE, "count": 10})),
    ] {
        let reply = auditor.post(path, body).await;
        assert_eq!(reply.code(), (403, "not_allowed"), "{path}: {}", reply.text);
    }
    // A key has no account.
    let machine = world.desk("BRAND", "all").await;
    assert_eq!(machine.get(SESSION).await.0, 401);
    assert_eq!(machine.get("/api/v1/sessions").await.0, 401);
}
