//! `/metrics`: who may look, and what it says.

use crate::support::{House, house};
use crate::{ask, peer, whole};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use dossier::api::{Peer, ServeOptions};

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

async fn status(app: &Router, from: Peer, request: Request<Body>) -> StatusCode {
    ask(app, from, request).await.0
}

async fn numbers(app: &Router) -> String {
    let (status, headers, text) = ask(app, peer("127.0.0.1", false), get("/metrics")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    text
}

fn number(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let found = found.unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
    found.parse().expect("a number")
}

#[tokio::test]
async fn only_named_ends_of_a_connection_see_numbers() {
    let world = house().await;
    let proxies = vec!["127.0.0.1".parse().expect("a prefix")];
    let usual = ServeOptions { trusted_proxies: proxies, ..ServeOptions::default() };
    let app = whole(&world, usual.clone());
    for (from, expected) in [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.1", 404),
        ("203.0.113.9", 404),
        ("2001:db8::1", 404),
    ] {
        assert_eq!(status(&app, peer(from, false), get("/metrics")).await, expected, "{from}");
    }
    // Behind a proxy everybody comes from the proxy, whatever the header says.
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        for from in ["127.0.0.1", "203.0.113.9"] {
            let mut request = get("/metrics");
            request.headers_mut().insert(name, value.parse().expect("a value"));
            assert_eq!(status(&app, peer(from, false), request).await, 404, "{from} {name}");
        }
    }
    let named = vec!["10.0.0.0/8".parse().expect("a prefix")];
    let app = whole(&world, ServeOptions { metrics_from: named, ..usual });
    for (from, expected) in [("10.1.2.3", 200), ("127.0.0.1", 404), ("11.0.0.1", 404)] {
        assert_eq!(status(&app, peer(from, false), get("/metrics")).await, expected, "{from}");
    }
    // To strangers it is as if there were nothing.
    let (_, _, hidden) = ask(&app, peer("11.0.0.1", false), get("/metrics")).await;
    let (_, _, nothing) = ask(&app, peer("11.0.0.1", false), get("/nothing")).await;
    let plain = |text: &str| text.lines().filter(|l| !l.contains("queried")).count();
    assert_eq!(plain(&hidden), plain(&nothing));
    assert!(!hidden.contains("dossier_"), "{hidden}");
}

#[tokio::test]
async fn requests_are_counted_by_template_and_never_by_path() {
    let world = house().await;
    let codes = world.codes(1).await;
    let app = whole(&world, ServeOptions::default());
    let from = peer("203.0.113.9", false);
    for path in [&format!("/d/{}", codes[0]), &"/d/nonsense".to_owned()] {
        status(&app, from, get(path)).await;
    }
    for _ in 0..3 {
        status(&app, from, get("/api/v1/verify/SN0001")).await;
    }
    status(&app, from, get("/api/v1/products")).await;
    status(&app, from, get("/860837783533742")).await;
    let text = numbers(&app).await;
    let count = |route: &str, class: &str| {
        number(&text, &format!("dossier_requests_total{{route=\"{route}\",status=\"{class}\"}}"))
    };
    assert_eq!(count("/api/v1/verify/{code}", "2xx"), 3.0);
    assert_eq!(count("/api/v1/products", "4xx"), 1.0);
    assert_eq!(count("other", "4xx"), 1.0);
    let took = "dossier_request_duration_seconds_count{route=\"/d/{code}\"}";
    assert_eq!(number(&text, took), 2.0);
    for planted in ["SN0001", "860837783533742", codes[0].as_str(), "nonsense"] {
        assert!(!text.contains(planted), "{planted} is in\n{text}");
    }
}

#[tokio::test]
async fn refusals_of_limits_are_counted_by_limit() {
    let world = house().await;
    let app = whole(&world, ServeOptions { limits: true, ..ServeOptions::default() });
    let from = peer("203.0.113.9", false);
    // More looks at one unit than its bucket holds, fewer than the address's holds.
    for _ in 0..70 {
        status(&app, from, get("/api/v1/verify/SN0001")).await;
    }
    let by = |text: &str, limit: &str| {
        number(text, &format!("dossier_requests_limited_total{{by=\"{limit}\"}}"))
    };
    let text = numbers(&app).await;
    assert!(by(&text, "unit") >= 5.0, "{text}");
    assert_eq!(by(&text, "address"), 0.0);
    for _ in 0..1_000 {
        status(&app, from, get("/healthless")).await;
    }
    let text = numbers(&app).await;
    assert!(by(&text, "address") >= 1.0, "{text}");
    assert_eq!(by(&text, "key"), 0.0);
}

async fn waits(world: &House, app: &Router) {
    let text = numbers(app).await;
    assert_eq!(number(&text, "dossier_store_up"), 1.0);
    assert!(number(&text, "dossier_log_unsealed") >= 1.0, "{text}");
    assert_eq!(number(&text, "dossier_log_signed_entries"), 0.0);
    let sealed = dossier::flows::log::seal(&world.house).await.expect("it seals");
    let text = numbers(app).await;
    assert_eq!(number(&text, "dossier_log_unsealed"), 0.0);
    assert_eq!(number(&text, "dossier_log_signed_entries"), sealed as f64);
}

#[tokio::test]
async fn what_waits_is_told_and_every_name_is_explained() {
    let world = house().await;
    let app = whole(&world, ServeOptions::default());
    waits(&world, &app).await;
    world.house.scans.note(1, dossier::flows::scans::Audience::Consumer, 1, None);
    let text = numbers(&app).await;
    assert_eq!(number(&text, "dossier_scans_waiting"), 1.0);
    assert_eq!(number(&text, "dossier_scans_dropped_total"), 0.0);
    assert!(number(&text, "dossier_sqlite_log_pages") >= 1.0);
    assert!(number(&text, "process_resident_memory_bytes") > 1_000_000.0);
    assert!(number(&text, "process_open_fds") >= 3.0);
    assert!(number(&text, "dossier_log_head_age_seconds") < 60.0);
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.contains(&format!("version=\"{version}\",engine=\"sqlite\"")), "{text}");
    let (mut explained, mut typed) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["#", "HELP", name, ..] => explained.push(name),
            ["#", "TYPE", name, "counter" | "gauge" | "histogram"] => typed.push(name),
            [name, value] => {
                let name = name.split('{').next().expect("a name");
                let ends = ["_bucket", "_sum", "_count"];
                let family = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                let known = [name, family].iter().any(|name| typed.contains(name));
                assert!(known && value.parse::<f64>().is_ok(), "{line}");
            }
            _ => panic!("no line of the format: {line}"),
        }
    }
    assert_eq!(explained, typed);
    let mut once = typed.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), typed.len(), "{typed:?}");
}
