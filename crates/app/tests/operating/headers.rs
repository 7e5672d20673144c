//! Headers that every answer carries: each operation of the description, each page, each error.

use crate::support::{House, house};
use crate::{ask, peer, whole};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dossier::api::{Peer, ServeOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The files that lay out the routes: what stands there is what is asked here.
const LAID_OUT: [&str; 2] =
    [include_str!("../../src/pages/routes.rs"), include_str!("../../src/api/routes.rs")];

/// Every path that there is, and some that there are not.
async fn paths(world: &House) -> Vec<String> {
    let document = world.anyone().get("/api/openapi.json").await.json;
    let described = document["paths"].as_object().expect("paths").keys().cloned();
    let laid_out = LAID_OUT.iter().flat_map(|text| text.split(".route(\"").skip(1));
    let laid_out = laid_out.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    let lost = ["/nowhere", "/api/v1/nowhere", "/d", "/log/tile/0/9999.p/1"].map(str::to_owned);
    let mut all: BTreeSet<_> = described.chain(laid_out).chain(lost).collect();
    assert!(all.contains("/privacy") && all.contains("/readyz") && all.len() > 40, "{all:?}");
    // Both kinds of code: one that is ours, and one that is not.
    let code = world.codes(1).await.remove(0);
    let templates: Vec<_> = all.iter().filter(|path| path.contains("{code}")).cloned().collect();
    all.extend(templates.iter().map(|path| path.replace("{code}", "nonsense")));
    let fill = |path: &String| {
        let path = path.replace("{code}", &code).replace("{kind}", "packs").replace("{id}", "1");
        let path = path.replace("{sscc}", "106901234500000010").replace("{file}", "x.svg");
        let path = path.replace("{shipment_no}", "S1").replace("{gtin}", "06901234567892");
        let path = path.replace("{tile}", "0/000").replace("{old}", "1").replace("{new}", "1");
        let path = path.replace("{token}", "nonsense").replace("{event}", "0");
        assert!(!path.contains('{'), "{path}: a parameter this test does not fill in");
        path
    };
    all.iter().map(fill).collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn check(name: &str, headers: &HeaderMap, secure: bool) {
    assert_eq!(text(headers, "x-content-type-options"), "nosniff", "{name}");
    let policy = text(headers, "content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{name}: {policy:?} lacks {part}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{name}: {policy}");
    let referrer = text(headers, "referrer-policy");
    assert!(["no-referrer", "same-origin"].contains(&referrer), "{name}: {referrer:?}");
    assert!(!text(headers, "cache-control").is_empty(), "{name}");
    let strict = text(headers, "strict-transport-security");
    assert_eq!(strict, if secure { "max-age=31536000" } else { "" }, "{name}");
    for told in ["server", "x-powered-by"] {
        assert!(!headers.contains_key(told), "{name} tells {told}");
    }
    for (header, value) in headers {
        assert_eq!(headers.get_all(header).iter().count(), 1, "{name}: {header}: {value:?} twice");
    }
}

/// What stands between tags of this name must be named by its hash, and nothing carries a style or
/// a handler of its own.
fn check_page(name: &str, headers: &HeaderMap, html: &str) {
    let policy = text(headers, "content-security-policy");
    for tag in ["style", "script"] {
        for block in html.split(&format!("<{tag}>")).skip(1) {
            let block = block.split(&format!("</{tag}>")).next().expect("a block");
            let source = format!("'sha256-{}'", BASE64.encode(Sha256::digest(block)));
            let mut sources = policy.split(';').map(str::trim);
            let of_tag = sources.find(|part| part.starts_with(&format!("{tag}-src ")));
            assert!(
                of_tag.is_some_and(|part| part.contains(&source)),
                "{name}: {policy}: {source}"
            );
        }
    }
    for inline in [" style=\"", " onclick=", " onload=", " onerror=", " onsubmit=", "<script "] {
        assert!(!html.contains(inline), "{name} holds {inline}");
    }
}

async fn walk(app: &Router, from: Peer, paths: &[String], token: Option<&str>) -> usize {
    let mut pages = 0;
    for path in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let request = request.body(Body::empty()).expect("a request");
            let (status, headers, body) = ask(app, from, request).await;
            let name = format!("{method} {path} {status}");
            check(&name, &headers, from.tls);
            if text(&headers, "content-type").starts_with("text/html") {
                check_page(&name, &headers, &body);
                pages += usize::from(!body.is_empty());
            }
        }
    }
    pages
}

#[tokio::test]
async fn every_answer_carries_them() {
    let world = house().await;
    dossier::flows::log::seal(&world.house).await.expect("it seals");
    let paths = paths(&world).await;
    let token = token(&world).await;
    let app = whole(&world, ServeOptions::default());
    assert!(walk(&app, peer("127.0.0.1", false), &paths, None).await > 20);
    walk(&app, peer("203.0.113.9", true), &paths, Some(&token)).await;
    walk(&app, peer("203.0.113.9", false), &paths[..8], Some("dos_wrong")).await;
}

async fn token(world: &House) -> String {
    let brand = dossier::flows::import::operator(&world.house, None).await.expect("a brand").brand;
    let all = [dossier::flows::Scope::All];
    let token = dossier::flows::keys::new_key(&world.house, brand, "BRAND", &all, "walk").await;
    token.expect("a key")
}

#[tokio::test]
async fn refusals_of_the_gate_carry_them_too() {
    let world = house().await;
    let app = whole(&world, ServeOptions { limits: true, ..ServeOptions::default() });
    let mut limited = 0;
    for _ in 0..1_000 {
        let request = Request::get("/api/v1/products").body(Body::empty()).expect("a request");
        let (status, headers, body) = ask(&app, peer("203.0.113.9", true), request).await;
        check("too many", &headers, true);
        if status == 429 {
            let problem: Value = serde_json::from_str(&body).expect("a problem");
            assert_eq!(problem["code"], "too_many_requests");
            limited += 1;
        }
    }
    assert!(limited > 0);
}

#[tokio::test]
async fn https_is_believed_of_trusted_proxies_only() {
    let world = house().await;
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a prefix")];
    let app = whole(&world, ServeOptions { trusted_proxies, ..ServeOptions::default() });
    for path in ["/", "/api/docs", "/api/v1/verify/SN0001", "/healthz", "/nowhere"] {
        for (from, said, secure) in [
            ("10.0.0.7", Some("https"), true),
            ("10.0.0.7", Some("http"), false),
            ("10.0.0.7", None, false),
            ("203.0.113.9", Some("https"), false),
        ] {
            let mut request = Request::get(path);
            if let Some(said) = said {
                request = request.header("x-forwarded-proto", said);
            }
            let request = request.body(Body::empty()).expect("a request");
            let (_, headers, _) = ask(&app, peer(from, false), request).await;
            check(&format!("{path} {from} {said:?}"), &headers, secure);
        }
    }
}
