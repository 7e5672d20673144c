//! Somebody with a browser, in this process: it holds the cookie it was given and says whose page
//! made a request.

use super::World;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use dossier::api::gate::Peer;
use dossier::api::{ServeOptions, router};
use dossier::flows::House;
use dossier::pages;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

pub const SESSION: &str = "/api/v1/session";
pub const PEOPLE: &str = "/api/v1/people";
pub const INVITATIONS: &str = "/api/v1/invitations";
pub const PASSWORD: &str = "three small words";

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Reply {
    pub fn code(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }

    pub fn field(&self) -> (u16, &str, &str) {
        (self.status, self.code().1, self.json["field"].as_str().unwrap_or_default())
    }

    #[track_caller]
    pub fn member(&self, name: &str) -> String {
        let text = self.json[name].as_str();
        text.unwrap_or_else(|| panic!("{name} in {}", self.text)).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

pub struct Browser {
    app: Router,
    from: String,
    tls: bool,
    cookie: Mutex<String>,
}

impl Browser {
    /// One on the machine itself.
    pub fn new(world: &World) -> Self {
        Self::at(world, "127.0.0.1", false)
    }

    pub fn at(world: &World, from: &str, tls: bool) -> Self {
        Self::before(&world.house, from, tls)
    }

    /// One before a house of its own.
    pub fn before(house: &Arc<House>, from: &str, tls: bool) -> Self {
        let options = ServeOptions { extra: Some(pages::routes()), ..ServeOptions::default() };
        let app = router(Arc::clone(house), options);
        Self { app, from: from.to_owned(), tls, cookie: Mutex::default() }
    }

    /// What it holds.
    pub fn cookie(&self) -> String {
        self.cookie.lock().expect("no panic").clone()
    }

    pub fn hold(&self, cookie: &str) {
        *self.cookie.lock().expect("no panic") = cookie.to_owned();
    }

    /// A request with what it says of the page that made it.
    pub async fn ask(
        &self,
        (method, path): (&str, &str),
        said: &[(&str, &str)],
        (media, body): (&str, String),
    ) -> Reply {
        let peer = Peer { address: self.from.parse().expect("an address"), tls: self.tls };
        let mut request = Request::builder().method(method).uri(path).extension(peer);
        for (name, value) in said {
            request = request.header(*name, *value);
        }
        request = request.header("cookie", format!("lang=en; {}", self.cookie()));
        let request = request.header("host", "d.example").header("content-type", media);
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reply = Reply { status: parts.status.as_u16(), headers: parts.headers, text, json };
        if let Some((pair, _)) = reply.header("set-cookie").split_once(';')
            && !pair.starts_with("lang=")
        {
            let forgotten = reply.header("set-cookie").contains("Max-Age=0");
            self.hold(if forgotten { "" } else { pair });
        }
        reply
    }

    async fn own(&self, method: &str, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let said = [("sec-fetch-site", "same-origin")];
        self.ask((method, path), &said, ("application/json", body)).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.own("GET", path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.own("POST", path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.own("PATCH", path, body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.own("DELETE", path, Value::Null).await
    }

    /// A form of one of our own pages.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}", value.replace(' ', "+"));
        let body: Vec<_> = fields.iter().map(pair).collect();
        let said = [("sec-fetch-site", "same-origin")];
        let form = ("application/x-www-form-urlencoded", body.join("&"));
        self.ask(("POST", path), &said, form).await
    }

    pub async fn sign_in(&self, name: &str, password: &str, code: Option<&str>) -> Reply {
        let body = json!({"sign_in_name": name, "password": password, "code": code});
        self.post(SESSION, body).await
    }

    /// Invites somebody, who accepts; they come with a browser of their own.
    pub async fn invites(&self, world: &World, name: &str, body: Value) -> Browser {
        let invited = self.post(INVITATIONS, body).await;
        assert_eq!(invited.status, 201, "{}", invited.text);
        let token = invited.member("path").replace("/invitation/", "");
        let guest = Self::new(world);
        let accept = json!({"token": token, "sign_in_name": name, "password": PASSWORD});
        let accepted = guest.post("/api/v1/invitations/accept", accept).await;
        assert_eq!(accepted.status, 201, "{}", accepted.text);
        guest
    }

    /// The account of whoever is signed in.
    pub async fn account(&self) -> String {
        self.get(SESSION).await.member("account")
    }
}

/// The first owner of the deployment.
pub async fn owner(world: &World) -> Browser {
    let link = dossier::flows::people::set_up::set_up_link(&world.house).await.expect("it writes");
    let browser = Browser::new(world);
    let body = json!({"token": link.expect("nobody has an account"), "sign_in_name": "Li.Wei",
        "name": "李伟", "password": PASSWORD});
    let made = browser.post("/api/v1/set-up", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    browser
}

/// Time passes.
pub fn pass(world: &World, time: jiff::SignedDuration) {
    world.clock.set(world.clock.now() + time);
}
