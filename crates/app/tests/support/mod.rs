//! A small brand on a folder of its own, and clients that speak to its router in this process.
#![allow(dead_code, reason = "each test file uses its part")]

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dossier::api::{ServeOptions, router};
use dossier::clock::Clock;
use dossier::files::{Format, Kind, Table};
use dossier::flows::house::Settings;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::{Scope, batches, keys};
use dossier::geo::{Geo, GeoPaths};
use dossier::secrets::MasterKey;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use store::engine::{SqliteOptions, Target};
use tower::ServiceExt;

/// The only product.
pub const GTIN: &str = "6901234567892";

const FILES: [(Kind, &str); 5] = [
    (
        Kind::Parties,
        "code,kind,name,parent_code,region\nBRAND,brand,Brand,,\nFAC,factory,Plant,BRAND,4403\n\
         FAC2,factory,Other plant,BRAND,4403\nSVC,service_centre,Repairs,BRAND,11\n\
         T1,tier1,North,BRAND,11\nT2A,tier2,Beijing,T1,1101\nT2B,tier2,Other,T1,1101\n",
    ),
    (Kind::Products, "gtin,name_zh,category\n6901234567892,手机,phone\n"),
    (
        Kind::Territories,
        "party_code,gtin,regions,from_on\nT1,*,11,2026-01-01\nT2A,*,1101,2026-01-01\n",
    ),
    (
        Kind::Production,
        "sn,gtin,produced_at,site_code\n\
         SN0001,6901234567892,2026-05-01T08:00:00+08:00,FAC\n\
         SN0002,6901234567892,2026-05-01T08:00:00+08:00,FAC\n\
         SN0003,6901234567892,2026-05-01T08:00:00+08:00,FAC\n",
    ),
    (
        Kind::Shipments,
        "shipment_no,from_code,to_code,happened_at,subject\n\
         S1,FAC,T1,2026-05-02T08:00:00+08:00,SN0001\n",
    ),
];

/// A brand to talk to.
pub struct House {
    /// What flows need.
    pub house: Arc<dossier::flows::House>,
    _dir: tempfile::TempDir,
}

/// Somebody who talks to it.
pub struct Client {
    app: Router,
    token: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    headers: HeaderMap,
    /// Its body.
    pub bytes: Vec<u8>,
    /// The body as text.
    pub text: String,
    /// The body as JSON, null when it is none.
    pub json: Value,
}

fn geo() -> Arc<Geo> {
    static GEO: OnceLock<Arc<Geo>> = OnceLock::new();
    Arc::clone(GEO.get_or_init(|| Arc::new(Geo::load(&GeoPaths::default()).unwrap())))
}

/// Opens a brand with a product, a small tree, three units, one of them shipped.
pub async fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::Sqlite { dir: dir.path().to_owned(), options: SqliteOptions::default() };
    let master = MasterKey::from_hex(&"ab".repeat(32)).unwrap();
    let clock = Clock::simulated("2026-06-02T00:00:00Z".parse().unwrap());
    let settings = Settings { host: "id.example.cn".into(), ..Settings::default() };
    let house = dossier::flows::House::open(&target, master, clock, geo(), settings).await;
    let house = Arc::new(house.unwrap());
    for (kind, text) in FILES {
        let reader = Box::new(std::io::Cursor::new(text.as_bytes()));
        let mut table = Table::from_reader(kind, Format::Csv, reader).unwrap();
        let mut wrong = Vec::new();
        let mut on_row = |row: &dossier::files::RawRow, outcome: &_| {
            if !matches!(outcome, dossier::flows::RowOutcome::Taken) {
                wrong.push(format!("{kind} {}: {outcome:?}", row.record));
            }
        };
        let taking = Taking::default();
        import(&house, Importer::Operator(None), &mut table, taking, &mut on_row).await.unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    House { house, _dir: dir }
}

impl House {
    fn with(&self, limits: bool, token: Option<String>) -> Client {
        let options = ServeOptions { limits, ..ServeOptions::default() };
        Client { app: router(Arc::clone(&self.house), options), token }
    }

    /// Somebody without a key.
    pub fn anyone(&self) -> Client {
        self.with(false, None)
    }

    /// Somebody without a key, counted.
    pub fn limited(&self) -> Client {
        self.with(true, None)
    }

    /// Somebody with this token.
    pub fn bearer(&self, token: &str) -> Client {
        self.with(false, Some(token.to_owned()))
    }

    /// The brand with these scopes, separated by commas.
    pub async fn client(&self, scopes: &str) -> Client {
        self.key("BRAND", scopes).await
    }

    /// A party with these scopes.
    pub async fn key(&self, party: &str, scopes: &str) -> Client {
        let brand = operator(&self.house, None).await.unwrap().brand;
        let scopes: Vec<_> = scopes.split(',').map(|s| Scope::parse(s).unwrap()).collect();
        let token = keys::new_key(&self.house, brand, party, &scopes, "test").await.unwrap();
        self.bearer(&token)
    }

    /// Codes of a fresh printed batch.
    pub async fn codes(&self, count: i64) -> Vec<String> {
        let caller = operator(&self.house, None).await.unwrap();
        let reference = self.house.reference().await.unwrap();
        let product = Some(reference.products(caller.brand)[0].id);
        let purpose = store::reference::Purpose::Printed;
        let mint = batches::Mint { product, purpose, count, scratch: false };
        let batch = batches::mint(&self.house, &caller, mint).await.unwrap();
        let range = batch.first..batch.end();
        let mut stream =
            batches::CodeStream::new(&self.house, &reference, &batch, String::new(), range);
        let (_, codes) = stream.next_codes().unwrap();
        codes.iter().map(|c| c.as_str().to_owned()).collect()
    }
}

impl Client {
    async fn call(&self, mut request: Request<Body>) -> Reply {
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, bytes: bytes.to_vec(), text, json }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, "application/json", &body.to_string()).await
    }

    /// POST of JSON under an idempotency key.
    pub async fn post_keyed(&self, path: &str, body: &Value, key: &str) -> Reply {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()));
        self.call(request.unwrap()).await
    }

    /// Anything.
    pub async fn send(&self, method: &str, path: &str, media: &str, body: &str) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        self.call(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

impl Reply {
    /// Checks the status.
    #[track_caller]
    pub fn expect(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}", self.text);
    }

    /// Checks that it is this problem.
    #[track_caller]
    pub fn refused(&self, status: StatusCode, code: &str) {
        self.expect(status);
        assert_eq!(self.json["code"], code, "{}", self.text);
        assert_eq!(self.json["status"], status.as_u16());
        assert!(!self.json["detail"].as_str().unwrap_or_default().is_empty());
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Kind and grade of each finding.
    pub fn findings(&self) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let findings = self.json["findings"].as_array().cloned().unwrap_or_default();
        findings.iter().map(|f| (text(&f["kind"]), text(&f["grade"]))).collect()
    }
}
