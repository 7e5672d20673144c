//! Units with scratch codes, those who register them, and those who ask about them.

use crate::common::{FACTORY, PHONE, World};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use domain::person::Purpose;
use domain::registration::Proof;
use dossier::api::{ServeOptions, router};
use dossier::files::Kind;
use dossier::flows::audit::{self, Record, Wanted};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::persons::registration::{Bound, Registration, register};
use dossier::flows::{Scope, keys};
use serde_json::{Value, json};
use std::sync::Arc;
use store::reference::Purpose as CodePurpose;

pub const MARY: &str = "+8613987650123";
pub const MARY_TYPED: &str = "139 8765 0123";
pub const JOHN: &str = "+8613712340567";

/// What somebody says who registers.
pub fn registration(phone: &str, proof: Proof) -> Registration {
    Registration {
        phone: phone.to_owned(),
        purchased_on: Some(jiff::civil::date(2026, 6, 1)),
        proof,
        invoice: "26312000001234".to_owned(),
        consents: vec![Purpose::Registration],
    }
}

/// Units with scratch codes, and a door to everything.
pub struct Scene<'a> {
    pub world: &'a World,
    pub app: Router,
    pub numbers: Vec<i64>,
}

impl<'a> Scene<'a> {
    pub async fn new(world: &'a World) -> Self {
        let caller = world.caller().await;
        let reference = world.house.reference_now().await.expect("it reads");
        let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
        let order = Mint { product, purpose: CodePurpose::Printed, count: 4, scratch: true };
        let batch = mint(&world.house, &caller, order).await.expect("it is minted");
        let numbers: Vec<i64> = (batch.first..batch.end()).collect();
        let mut text = "sn,gtin,produced_at,site_code,code\n".to_owned();
        for number in &numbers {
            let code = world.house.ring().encode(unit_number(*number));
            let row = format!("S{number},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY}");
            text += &format!("{row},{}\n", code.as_str());
        }
        world.take(Kind::Production, &text).await;
        let pages = dossier::pages::routes();
        let options = ServeOptions { limits: false, extra: Some(pages), ..ServeOptions::default() };
        Self { world, app: router(Arc::clone(&world.house), options), numbers }
    }

    pub fn code(&self, unit: usize) -> String {
        let code = self.world.house.ring().encode(unit_number(self.numbers[unit]));
        code.as_str().to_owned()
    }

    pub fn scratch(&self, unit: usize) -> String {
        let key = self.world.house.secrets.scratch_key();
        key.code(unit_number(self.numbers[unit])).to_string()
    }

    pub async fn register(&self, unit: usize, phone: &str) -> Bound {
        self.register_with(unit, phone, &[Purpose::Registration]).await
    }

    pub async fn register_with(&self, unit: usize, phone: &str, consents: &[Purpose]) -> Bound {
        let scratch = registration(phone, Proof::Scratch);
        let consents = consents.to_vec();
        self.tell(unit, &Registration { consents, ..scratch }).await
    }

    /// Registers by a proof.
    pub async fn register_by(&self, unit: usize, phone: &str, proof: Proof) -> Bound {
        self.tell(unit, &registration(phone, proof)).await
    }

    /// Registers, all told.
    pub async fn tell(&self, unit: usize, told: &Registration) -> Bound {
        let bound = register(&self.world.house, self.numbers[unit], told).await;
        bound.expect("it is registered")
    }

    /// A key of a party.
    pub async fn staff(&self, party: &str, scopes: &str) -> Staff<'_> {
        let brand = self.world.caller().await.brand;
        let scopes: Vec<_> = scopes.split(',').filter_map(Scope::parse).collect();
        let token = keys::new_key(&self.world.house, brand, party, &scopes, "test").await;
        Staff { scene: self, token: token.expect("the party is known") }
    }

    pub async fn ask(&self, request: Request<Body>) -> (u16, String) {
        let response = tower::ServiceExt::oneshot(self.app.clone(), request).await;
        let response = response.expect("an answer");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 22).await.expect("a body");
        (status, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    /// Sends the form of "my registration".
    pub async fn form(&self, unit: usize, fields: &[(&str, &str)]) -> (u16, String) {
        self.post(unit, "my-data", fields).await
    }

    /// Sends the form of a unit's page.
    pub async fn post(&self, unit: usize, page: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let encode = |text: &str| text.replace('+', "%2B").replace(' ', "%20");
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = Request::post(format!("/d/{}/{page}", self.code(unit)))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body));
        self.ask(request.expect("a request")).await
    }

    /// Proves by telephone and scratch code.
    pub async fn open(&self, unit: usize, phone: &str, scratch: &str) -> (u16, String) {
        self.form(unit, &[("act", "open"), ("phone", phone), ("scratch", scratch)]).await
    }

    pub async fn token(&self, unit: usize, phone: &str) -> String {
        let (status, page) = self.open(unit, phone, &self.scratch(unit)).await;
        assert_eq!(status, 200, "{page}");
        let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a session");
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    pub async fn trail(&self, object: &str) -> Vec<Record> {
        audit::flush(&self.world.house).await.expect("it writes");
        let wanted = Wanted {
            kind: Some("person".to_owned()),
            object: Some(object.to_owned()).filter(|o| !o.is_empty()),
            most: audit::RECORDS_MAX,
            ..Wanted::default()
        };
        let caller = self.world.caller().await;
        let (records, _) = audit::list(&self.world.house, &caller, &wanted).await.expect("told");
        records
    }
}

pub struct Staff<'a> {
    pub scene: &'a Scene<'a>,
    pub token: String,
}

impl Staff<'_> {
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/persons/{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }));
        let (status, text) = self.scene.ask(request.expect("a request")).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub async fn find(&self, phone: &str) -> (u16, Value) {
        let body = json!({"phone": phone, "reason": "letter of the customer"});
        self.ask("POST", "find", &body).await
    }

    pub async fn id(&self, phone: &str) -> String {
        let (status, found) = self.find(phone).await;
        assert_eq!(status, 200, "{found}");
        found["id"].as_str().expect("an id").to_owned()
    }
}

pub fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}
