//! A small brand made through the flows: one phone with scratch codes, one power bank that cannot
//! report its own start, a shop marked public, three service centres.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::id::ProductId;
use domain::verdict::CodeReading;
use dossier::clock::Clock;
use dossier::files::{Format, Kind, Table};
use dossier::flows::batches::{Mint, mint};
use dossier::flows::house::Settings;
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::{Caller, House, activate, find, verify};
use dossier::geo::Geo;
use dossier::guest::{Arrival, Channel, MadeBy};
use dossier::pages::routes;
use dossier::secrets::MasterKey;
use std::sync::Arc;
use store::engine::Target;
use store::reference::{Batch, Purpose};
use tower::ServiceExt;

pub const NOW: &str = "2026-11-23T06:56:08Z";
pub const PHONE: &str = "06912345678902";

pub struct World {
    pub house: Arc<House>,
    pub phones: Batch,
    pub banks: Batch,
    _dir: tempfile::TempDir,
}

pub struct Page {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Page {
    /// What stands in the first heading, without its icon.
    pub fn h1(&self) -> String {
        let (_, rest) = self.text.split_once("<h1").expect("a heading");
        let (inner, _) = rest.split_once("</h1>").expect("its end");
        let inner = inner.split_once('>').expect("its start").1;
        let inner = inner.rsplit("<span>").next().unwrap_or(inner);
        inner.trim_end_matches("</span>").to_owned()
    }

    /// The first hidden key of a form.
    pub fn key(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"idempotency_key\" value=\"").expect("a key");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

pub async fn load(house: &House, kind: Kind, csv: String) {
    let input = Box::new(std::io::Cursor::new(csv.into_bytes()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a table");
    let mut refused = Vec::new();
    let mut seen = |_: &_, outcome: &dossier::flows::RowOutcome| {
        if let dossier::flows::RowOutcome::Refused(why) = outcome {
            refused.push(format!("{why:?}"));
        }
    };
    let taking = Taking::default();
    import(house, Importer::Operator(None), &mut table, taking, &mut seen).await.expect("import");
    assert!(refused.is_empty(), "{kind:?}: {refused:?}");
}

pub fn imei(index: i64) -> String {
    let body = format!("86{:012}", 1_000_000 + index);
    let sum: u32 = body
        .bytes()
        .enumerate()
        .map(|(at, b)| {
            let digit = u32::from(b - b'0') * if at % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// Phones 0 to 7 are made and shipped: 2 was held by the inspection. Power bank 0 is made.
pub async fn world() -> World {
    world_with(Geo::tables_only().expect("tables")).await
}

/// The same with this geodata.
pub async fn world_with(geo: Geo) -> World {
    let dir = tempfile::tempdir().expect("a folder");
    let target = Target::Sqlite { dir: dir.path().join("data"), options: Default::default() };
    let master = MasterKey::from_file_or_new(&dir.path().join("master.key")).expect("a key");
    let clock = Clock::simulated(NOW.parse().expect("an instant"));
    let geo = Arc::new(geo);
    let (host, hotline) = ("d.example".to_owned(), "400-000-0000".to_owned());
    let settings = Settings { host, hotline, ..Settings::default() };
    let house = House::open(&target, master, clock, geo, settings).await.expect("a house");
    load(
        &house,
        Kind::Parties,
        "code,kind,name,parent_code,region,address,phone,lon,lat,public\n\
         CY,brand,澄野电子,,310106,,,,,\n\
         F1,factory,苏州衡川,CY,320505,,,,,\n\
         T1,tier1,沪上秘密代理,CY,310106,,,,,\n\
         S1,shop,澄野体验店静安店,T1,310106,,,,,yes\n\
         C1,service_centre,静安服务中心,CY,310106,示例路 100 号,021-1,121.45,31.23,\n\
         C2,service_centre,苏州服务中心,CY,320505,,0512-1,120.58,31.30,\n"
            .to_owned(),
    )
    .await;
    load(
        &house,
        Kind::Sites,
        "code,party_code,kind,name,region,address,phone,lon,lat\n\
         C1-2,C1,shop,虹桥收机点,310105,示例路 200 号,021-2,121.38,31.20\n\
         C1-W,C1,warehouse,静安配件库,310106,,,121.45,31.23\n\
         S1-2,S1,shop,澄野体验店二店,310106,,,121.45,31.23\n"
            .to_owned(),
    )
    .await;
    load(
        &house,
        Kind::Products,
        format!(
            "gtin,name_zh,name_en,category,model,spec,maker,standards,picture,network_start\n\
             {PHONE},澄野 N3 Pro,Chengye N3 Pro,phone,N3,曜石黑,澄野（上海）,GB 4943.1-2022,\
             https://elsewhere.example/x.png,yes\n\
             6912345678919,澄野 能量块,Chengye PowerBlock,power_bank,P1,,澄野（上海）,,/p.png,no\n"
        ),
    )
    .await;
    load(
        &house,
        Kind::Territories,
        "party_code,gtin,regions,from_on\nT1,*,31|32,2026-01-01\n".to_owned(),
    )
    .await;
    let caller = operator(&house, None).await.expect("the operator");
    let phones = minted(&house, &caller, PHONE, true).await;
    let banks = minted(&house, &caller, "06912345678919", false).await;
    let world = World { house: Arc::new(house), phones, banks, _dir: dir };
    world.make().await;
    world
}

async fn minted(house: &House, caller: &Caller, gtin: &str, scratch: bool) -> Batch {
    let reference = house.reference().await.expect("rows");
    let product: ProductId = reference.product(caller.brand, gtin).expect("the product").id;
    let purpose = Purpose::Printed;
    let what = Mint { product: Some(product), purpose, count: 100, scratch };
    mint(house, caller, what).await.expect("a batch")
}

impl World {
    async fn make(&self) {
        let mut made = "sn,gtin,produced_at,site_code,code,imei1,lot,inspection\n".to_owned();
        for index in 0..8 {
            let result = if index == 2 { "hold" } else { "pass" };
            made += &format!(
                "N3{index:06},{PHONE},2026-04-18T08:00:00+08:00,F1,{},{},L-A07,{result}\n",
                self.phone(index),
                imei(index)
            );
        }
        made += &format!(
            "P1000001,6912345678919,2026-04-18T08:00:00+08:00,F1,{},,,pass\n",
            self.code(self.banks.first)
        );
        load(&self.house, Kind::Production, made).await;
        let mut ways = "shipment_no,from_code,to_code,happened_at,subject\n".to_owned();
        for index in [0, 1, 3, 4, 5, 6, 7] {
            let code = self.phone(index);
            ways += &format!("D1,F1,T1,2026-04-27T08:00:00+08:00,{code}\n");
            ways += &format!("D2,T1,S1,2026-05-02T08:00:00+08:00,{code}\n");
        }
        load(&self.house, Kind::Shipments, ways).await;
    }

    /// A further label of a unit: the first code of a batch of its own.
    pub async fn relabelled(&self, unit: i64, gtin: &str, scratch: bool) -> Batch {
        let caller = self.operator().await;
        let batch = minted(&self.house, &caller, gtin, scratch).await;
        let code = self.code(batch.first);
        let bound = dossier::flows::lifecycle::bind_alias(&self.house, &caller, unit, &code);
        bound.await.expect("the code is free");
        batch
    }

    pub fn code(&self, number: i64) -> String {
        self.house.ring().encode(find::unit_number(number)).to_string()
    }

    pub fn number(&self, index: i64) -> i64 {
        self.phones.first + index
    }

    pub fn phone(&self, index: i64) -> String {
        self.code(self.number(index))
    }

    pub fn scratch(&self, index: i64) -> String {
        let key = self.house.secrets.scratch_key();
        key.code(find::unit_number(self.number(index))).to_string()
    }

    pub async fn operator(&self) -> Caller {
        operator(&self.house, None).await.expect("the operator")
    }

    pub async fn activate(&self, index: i64, fingerprint: &str) {
        self.activate_at(index, fingerprint, "2026-05-14T03:12:00Z").await;
    }

    pub async fn activate_at(&self, index: i64, fingerprint: &str, at: &str) {
        let at: jiff::Timestamp = at.parse().expect("an instant");
        let report = activate::Report {
            scheme: "code".to_owned(),
            value: self.phone(index),
            happened_at: at.as_microsecond(),
            offset_minutes: 480,
            fingerprint: Some(fingerprint.to_owned()),
            signals: activate::Signals {
                shipping_region: Some("310106".to_owned()),
                ..Default::default()
            },
        };
        let answer = |_: &activate::Activated| Answer::new(201, String::new());
        activate::activate(&self.house, None, &report, None, &answer).await.expect("activated");
    }

    /// The ledger, replayed, gives what stands in the tables.
    pub async fn agrees(&self) {
        let scratch = self._dir.path();
        let report = store::rebuild::check(&self.house.store, scratch).await.expect("it runs");
        assert!(report.agrees(), "{report:#?}");
    }

    pub async fn verdict(&self, index: i64) -> domain::verdict::Verdict {
        let number = Some(self.number(index));
        let reference = self.house.reference().await.expect("it reads");
        let verified = verify::verify(
            &self.house,
            &reference,
            (CodeReading::Issued, number),
            verify::Depth::Whole,
        )
        .await;
        verified.expect("a verdict").decision.verdict
    }

    pub fn router(&self) -> Router {
        routes().with_state(Arc::clone(&self.house))
    }

    pub async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router().oneshot(request).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        Page { status, headers, text: String::from_utf8(bytes.to_vec()).expect("text") }
    }

    pub async fn get(&self, path: &str) -> Page {
        let request = Request::get(path).header(header::HOST, "d.example");
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Page {
        let client = "203.0.113.7".parse().expect("an address");
        let (channel, made_by) = (Channel::Clear, MadeBy::Us);
        let request = Request::post(path)
            .header(header::HOST, "d.example")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(Arrival { channel, client, session: None, made_by, caller: None });
        self.send(request.body(Body::from(form.to_owned())).expect("a request")).await
    }
}
