//! A receiver that notes what comes and answers as it is told, and a house that may reach it.

use crate::common::{World, master, tables};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use dossier::api::{ServeOptions, router};
use dossier::flows::house::Settings;
use dossier::flows::webhooks::courier::run_due;
use dossier::flows::{House, Scope, keys, log};
use dossier::outbound::{Names, Reach};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::ServiceExt;

pub const WEBHOOKS: &str = "/api/v1/webhooks";

/// What came.
#[derive(Clone, Debug)]
pub struct Came {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Came {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    pub fn index(&self) -> i64 {
        self.json()["log_index"].as_i64().expect("an index")
    }
}

/// How the receiver answers next.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    Status(u16),
    /// Elsewhere at the receiver itself.
    Redirect,
    /// 200 and a body without end.
    Endless,
    /// Nothing, until it is released.
    Hang,
}

#[derive(Clone, Default)]
pub struct Receiver {
    came: Arc<Mutex<Vec<Came>>>,
    says: Arc<Mutex<VecDeque<Says>>>,
    always: Arc<Mutex<Option<u16>>>,
    released: Arc<Notify>,
    arrived: Arc<Notify>,
    pub address: Option<SocketAddr>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = Some(listener.local_addr().expect("an address"));
        let receiver = Self { address, ..Self::default() };
        let app = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/in?token=path-secret", self.address.expect("it listens"))
    }

    /// Answers so, each once; 200 after that.
    pub fn says(&self, answers: &[Says]) {
        self.says.lock().expect("a lock").extend(answers);
    }

    /// Answers so until it is told otherwise.
    pub fn always(&self, status: Option<u16>) {
        *self.always.lock().expect("a lock") = status;
    }

    /// Lets one that hangs be answered.
    pub fn release(&self) {
        self.released.notify_one();
    }

    /// Waits until so many came since the last time.
    pub async fn until(&self, count: usize) {
        while self.came.lock().expect("a lock").len() < count {
            self.arrived.notified().await;
        }
    }

    /// What came since the last time.
    pub fn came(&self) -> Vec<Came> {
        std::mem::take(&mut *self.came.lock().expect("a lock"))
    }
}

async fn take(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).expect("text");
    let came = Came { path: uri.to_string(), headers, body };
    let always = *receiver.always.lock().expect("a lock");
    // In one step: the first that is noted is the one that gets the first answer.
    let next = {
        let mut noted = receiver.came.lock().expect("a lock");
        noted.push(came);
        receiver.says.lock().expect("a lock").pop_front()
    };
    receiver.arrived.notify_one();
    match next.unwrap_or(Says::Status(always.unwrap_or(200))) {
        Says::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Says::Hang => {
            receiver.released.notified().await;
            StatusCode::OK.into_response()
        }
        Says::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Says::Endless => {
            let more = || futures_util::future::ready(Some(Ok::<_, std::io::Error>(FILL)));
            let stream = futures_util::stream::unfold((), move |()| {
                let next = more();
                async move { next.await.map(|piece| (piece, ())) }
            });
            Body::from_stream(stream).into_response()
        }
    }
}

const FILL: &[u8] = &[b'x'; 1024];

/// A house of the world's store that may reach some hosts.
pub async fn house(world: &World, reach: Reach) -> Arc<House> {
    let settings = Settings { reach, ..Settings::default() };
    let house = House::open(&world.target, master(), world.clock.clone(), tables(), settings).await;
    Arc::new(house.expect("the house opens"))
}

pub fn reach(hosts: &[&str]) -> Reach {
    let allowed = hosts.iter().map(|host| host.parse().expect("a host")).collect();
    Reach { allowed, names: Names::table(&[]), ..Reach::default() }
}

/// A house, a receiver it may reach, and a key of the brand.
pub struct Place<'a> {
    pub world: &'a World,
    pub house: Arc<House>,
    pub receiver: Receiver,
    app: Router,
    pub key: String,
}

impl<'a> Place<'a> {
    pub async fn new(world: &'a World) -> Self {
        let receiver = Receiver::start().await;
        let host = receiver.address.expect("it listens").to_string();
        Self::within(world, receiver, reach(&[&host])).await
    }

    pub async fn within(world: &'a World, receiver: Receiver, reach: Reach) -> Self {
        let house = house(world, reach).await;
        let app = router(Arc::clone(&house), ServeOptions::default());
        let mut place = Self { world, house, receiver, app, key: String::new() };
        place.key = place.key_of("BRAND", "all").await;
        place
    }

    pub async fn key_of(&self, party: &str, scopes: &str) -> String {
        let brand = self.world.caller().await.brand;
        let scopes: Vec<_> = scopes.split(',').map(|s| Scope::parse(s).expect("one")).collect();
        keys::new_key(&self.house, brand, party, &scopes, "").await.expect("a key")
    }

    pub async fn ask(&self, key: &str, (method, path): (&str, &str), body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.body(body).expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(&self.key, ("POST", path), body).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, reply) = self.ask(&self.key, ("GET", path), Value::Null).await;
        assert_eq!(status, 200, "{reply}");
        reply
    }

    /// A webhook of a party to the receiver: its id and its secret.
    pub async fn webhook(&self, party: &str, kinds: &[&str]) -> (String, String) {
        let order = json!({"party": party, "url": self.receiver.url(), "kinds": kinds});
        let (status, made) = self.post(WEBHOOKS, order).await;
        assert_eq!(status, 201, "{made}");
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        (text("id"), text("secret"))
    }

    /// How it stands, as it is listed.
    pub async fn stands(&self, id: &str) -> Value {
        let list = self.get(WEBHOOKS).await;
        let found = list["items"].as_array().expect("items").iter().find(|w| w["id"] == id);
        found.cloned().expect("it is listed")
    }

    pub async fn deliveries(&self, id: &str) -> Vec<Value> {
        let list = self.get(&format!("{WEBHOOKS}/{id}/deliveries")).await;
        list["items"].as_array().expect("items").clone()
    }

    /// Seals what was recorded and brings what is due. How many messages were sent.
    pub async fn round(&self) -> usize {
        log::seal(&self.house).await.expect("sealed");
        run_due(&self.house).await.expect("it runs")
    }

    pub fn later(&self, seconds: i64) {
        self.world.clock.set(self.world.clock.now() + SignedDuration::from_secs(seconds));
    }
}
