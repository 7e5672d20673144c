//! Running the cases of all routes, and holding their list against the program.

use crate::common::World;
use crate::route_cases::{Foreign, Route, Who, cases};
use crate::session_cases;
use crate::stage::{Answer, Stage};
use domain::role::Role;
use dossier::flows::Scope;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Runs every case: first those who must be refused, then, with the very same request, those whom
/// it is for. So a refusal is never due to a request that nobody could have made.
pub async fn run(world: &World) {
    let stage = Stage::new(world).await;
    let cases = cases(&stage);
    complete(&stage, &cases).await;
    for case in &cases {
        denied(&stage, case).await;
        foreign(&stage, case).await;
        audited(&stage, case).await;
    }
    let mut cursors = 0;
    for case in &cases {
        allowed(&stage, case).await;
        cursors += usize::from(cursor(&stage, case).await);
    }
    assert!(cursors >= 5, "only {cursors} lists have a second page");
    dossier::flows::log::seal(&stage.house).await.expect("sealed");
    world.agrees().await;
}

async fn denied(stage: &Stage, case: &Route) {
    let ask = async |token: Option<&str>| stage.send(token, case.asked(), &case.body).await;
    let before = stage.recorded().await;
    if !case.open_always {
        let answer = ask(Some("dos_000000000000.nonsense")).await;
        assert_eq!(answer.status, 401, "{case} with a false key: {}", answer.text);
    }
    let (Who::Scope(party, scope) | Who::Device(party, scope)) = &case.who else { return };
    if matches!(case.who, Who::Scope(..)) {
        let answer = ask(None).await;
        assert_eq!(answer.status, 401, "{case} without a key: {}", answer.text);
    }
    let others: Vec<_> = Stage::every_scope_but(*scope);
    let without = stage.token(&stage.party(party, &others).await).await;
    let answer = ask(Some(&without)).await;
    assert_eq!(answer.status, 403, "{case} without its scope: {}", answer.text);
    assert!(answer.text.contains("not_allowed"), "{case}: {}", answer.text);
    for party in &case.not_for {
        let token = stage.token(&stage.party(party, &Scope::ALL).await).await;
        let answer = ask(Some(&token)).await;
        assert!(refused(&answer), "{case} by {party}: {} {}", answer.status, answer.text);
        let told = stage.betrayed(&answer.text, &case.path);
        assert!(told.is_empty(), "{case} by {party} tells {told:?}");
    }
    let events = stage.recorded().await - before;
    // Keys were given to those who asked: one record each.
    let keys = 1 + case.not_for.len() as i64;
    assert_eq!(events, keys, "{case}: a refused request recorded something");
}

async fn foreign(stage: &Stage, case: &Route) {
    let token = stage.token(&stage.stranger).await;
    let before = stage.recorded().await;
    let answer = stage.send(Some(&token), case.asked(), &case.body).await;
    let mut public = String::new();
    match case.foreign {
        Foreign::Refused => {
            assert!(refused(&answer), "{case} by a stranger: {} {}", answer.status, answer.text);
        }
        Foreign::OwnOnly => {
            assert!(answer.status < 300, "{case} by a stranger: {} {}", answer.status, answer.text);
        }
        Foreign::AsAnyone => {
            let anyone = stage.send(None, case.asked(), &case.body).await;
            assert_eq!(answer.status, anyone.status, "{case}: {}", answer.text);
            public = anyone.text;
        }
    }
    let asked = format!("{} {} {public}", case.path, case.body);
    let told = stage.betrayed(&answer.text, &asked);
    assert!(told.is_empty(), "{case} tells a stranger {told:?}: {}", answer.text);
    // What anyone may report, a stranger may too.
    if !matches!(case.foreign, Foreign::AsAnyone) {
        assert_eq!(stage.recorded().await, before, "{case}: a stranger recorded something");
    }
}

/// An auditor reads whatever the brand itself may read, and changes nothing.
async fn audited(stage: &Stage, case: &Route) {
    let Who::Scope(..) = &case.who else { return };
    let asks = ["/api/v1/persons/find", "/api/v1/verify"];
    let reads = case.method == "GET" || asks.contains(&case.template);
    let token = stage.token(&stage.party("BRAND", Role::Auditor.scopes()).await).await;
    let before = stage.recorded().await;
    let answer = stage.send(Some(&token), case.asked(), &case.body).await;
    let expected = if reads { case.status } else { 403 };
    assert_eq!(answer.status, expected, "{case} by an auditor: {}", answer.text);
    assert_eq!(stage.recorded().await, before, "{case}: an auditor recorded something");
}

async fn allowed(stage: &Stage, case: &Route) {
    let token = match &case.who {
        Who::Anyone => None,
        Who::Scope(party, scope) | Who::Device(party, scope) => {
            let mut scopes = vec![*scope];
            scopes.extend(case.besides);
            Some(stage.token(&stage.party(party, &scopes).await).await)
        }
    };
    let answer = stage.send(token.as_deref(), case.asked(), &case.body).await;
    let fine = answer.status == case.status && !(case.status < 300 && refused(&answer));
    assert!(fine, "{case} by whom it is for: {} {}", answer.status, answer.text);
}

/// A cursor of ours in a stranger's hands turns no page of ours. Whether the list has one.
async fn cursor(stage: &Stage, case: &Route) -> bool {
    let Who::Scope(party, scope) = &case.who else { return false };
    if case.method != "GET" || case.path != case.template {
        return false;
    }
    let token = stage.token(&stage.party(party, &[*scope]).await).await;
    let page = format!("{}?limit=1", case.path);
    let answer = stage.send(Some(&token), ("GET", &page), "").await;
    let page: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    let Some(cursor) = page["next_cursor"].as_str() else { return false };
    let token = stage.token(&stage.stranger).await;
    let next = format!("{}?limit=100&cursor={cursor}", case.path);
    let answer = stage.send(Some(&token), ("GET", &next), "").await;
    assert!(answer.status < 500, "{case}: {}", answer.text);
    let told = stage.betrayed(&answer.text, &next);
    assert!(told.is_empty(), "{case}: our cursor tells a stranger {told:?}: {}", answer.text);
    true
}

/// Whether nothing was done: a problem, or every row refused.
fn refused(answer: &Answer) -> bool {
    let rows = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let value = value.get("summary").unwrap_or(&value);
        value["refused"].as_i64().is_some_and(|n| n > 0) && value["taken"] == 0
    };
    let last = answer.text.lines().next_back().unwrap_or_default();
    answer.status >= 400 || rows(&answer.text) || rows(last)
}

/// Every route that the program has, from its description and its source.
async fn complete(stage: &Stage, cases: &[Route]) {
    let document = stage.send(None, ("GET", "/api/openapi.json"), "").await;
    let document: Value = serde_json::from_str(&document.text).expect("a description");
    let mut known = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("operations").keys();
        known.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    known.extend(undescribed());
    let mut tried: BTreeSet<_> =
        cases.iter().map(|c| format!("{} {}", c.method, c.template)).collect();
    tried.extend(session_cases::cases().iter().map(session_cases::Own::name));
    for (route, file, test) in session_cases::ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
        let text = std::fs::read_to_string(path).expect("a file of tests");
        assert!(text.contains(&format!("async fn {test}(")), "{route}: no test {test} in {file}");
        tried.insert((*route).to_owned());
    }
    let untried: Vec<_> = known.difference(&tried).collect();
    let gone: Vec<_> = tried.difference(&known).collect();
    assert!(untried.is_empty(), "routes without a case: {untried:#?}");
    assert!(gone.is_empty(), "cases without a route: {gone:#?}");
    assert!(known.len() > 50, "{}", known.len());
}

/// Pages and what else stands in no description: `.route("/path", get(…).post(…))`.
fn undescribed() -> Vec<String> {
    let mut found = Vec::new();
    for file in ["api/routes.rs", "pages/routes.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let text = std::fs::read_to_string(path).expect("the table of contents");
        for route in text.split(".route(").skip(1) {
            let route = route.trim_start();
            let Some((path, rest)) = route.strip_prefix('"').and_then(|r| r.split_once('"')) else {
                panic!("{file}: a route whose path is no text: {}", &route[..40]);
            };
            let rest = rest.split(';').next().unwrap_or_default();
            for method in ["get", "post", "put", "patch", "delete"] {
                let (first, more) = (format!(", {method}("), format!(".{method}("));
                if rest.contains(&first) || rest.contains(&more) {
                    found.push(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}
