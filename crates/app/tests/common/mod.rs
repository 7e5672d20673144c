//! A small brand on either engine, told in files as a person would write them.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod browser;
pub mod remembered;
pub mod search;
pub mod server;

use axum::Router;
use axum::http::Request;
use dossier::api::{ServeOptions, router};
use dossier::clock::Clock;
use dossier::files::{Format, Kind, RawRow, Table};
use dossier::flows::activate::{Activated, Report, Signals, activate};
use dossier::flows::house::Settings;
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{ImportReport, Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::{Caller, House, RowOutcome, Scope, keys, redecide, ship};
use dossier::geo::Geo;
use dossier::outbound::{Names, Reach};
use dossier::secrets::MasterKey;
use serde_json::Value;
use std::io::Cursor;
use std::sync::{Arc, OnceLock};
use store::commit::Outbox;
use store::engine::{SqliteOptions, Target};
use store::rebuild;
use tempfile::TempDir;
use testkit::Postgres;
use tower::ServiceExt;

pub const PHONE: &str = "6929141700010";
pub const FACTORY: &str = "FAC-SZ";
const PRODUCTS: &str = "gtin,name_zh,category,maker,network_start\n\
    6929141700010,澄野 N3 Pro,phone,澄野电子,yes\n";
const PARTIES: &str = "code,kind,name,parent_code,region\n\
    BRAND,brand,澄野电子,,440305\nFAC-SZ,factory,深圳工厂,BRAND,440307\n\
    T1-53,tier1,云南总代,BRAND,530102\nT1-42,tier1,湖北总代,BRAND,420102\n\
    T2-53,tier2,昆明二级,T1-53,530102\nSHOP-53,shop,昆明店,T2-53,530102\n";
const TERRITORIES: &str = "party_code,gtin,regions,from_on,channel\n\
    T1-53,*,53,2026-01-01,both\nT1-42,*,42,2026-01-01,both\nT2-53,*,53,2026-01-01,offline\n";

pub struct World {
    pub house: Arc<House>,
    pub target: Target,
    pub clock: Clock,
    pub scratch: TempDir,
}

pub fn master() -> MasterKey {
    MasterKey::from_hex(&"5a".repeat(32)).expect("64 hexadecimal digits")
}

/// The shipped tables without the databases of addresses, read once for all stories.
pub fn tables() -> Arc<Geo> {
    static TABLES: OnceLock<Arc<Geo>> = OnceLock::new();
    let read = || Arc::new(Geo::tables_only().expect("the shipped tables are sound"));
    Arc::clone(TABLES.get_or_init(read))
}

pub fn clock() -> Clock {
    Clock::simulated("2026-06-10T02:00:00Z".parse().expect("an instant"))
}

pub async fn open(target: &Target, clock: Clock) -> Arc<House> {
    let geo = tables();
    // No test asks for the address of a name: there is none here.
    let reach = Reach { names: Names::table(&[]), ..Reach::default() };
    let settings = Settings { reach, ..Settings::default() };
    let house = House::open(target, master(), clock, geo, settings).await;
    Arc::new(house.expect("the house opens"))
}

/// The same store in a deployment that brands may sign up in.
pub async fn open_to_all(target: &Target, clock: Clock) -> Arc<House> {
    let geo = tables();
    let settings = Settings { sign_up: true, rows_max: 100, ..Settings::default() };
    let house = House::open(target, master(), clock, geo, settings).await;
    Arc::new(house.expect("the house opens"))
}

impl World {
    pub async fn sqlite() -> Self {
        Self::sqlite_with(SqliteOptions::default()).await
    }

    pub async fn sqlite_with(options: SqliteOptions) -> Self {
        let scratch = TempDir::new().expect("a temporary folder");
        let target = Target::Sqlite { dir: scratch.path().join("data"), options };
        Self::at(target, clock(), scratch).await
    }

    pub async fn postgres(server: &Postgres) -> Self {
        let target = Target::Postgres { url: server.fresh_database().await };
        Self::at(target, clock(), TempDir::new().expect("a temporary folder")).await
    }

    pub async fn at(target: Target, clock: Clock, scratch: TempDir) -> Self {
        let house = open(&target, clock.clone()).await;
        let world = Self { house, target, clock, scratch };
        for (kind, text) in
            [(Kind::Parties, PARTIES), (Kind::Products, PRODUCTS), (Kind::Territories, TERRITORIES)]
        {
            world.take(kind, text).await;
        }
        world
    }

    /// Another process's view of the same store.
    pub async fn another(&self) -> Arc<House> {
        open(&self.target, self.clock.clone()).await
    }

    pub async fn caller(&self) -> Caller {
        operator(&self.house, None).await.expect("there is one brand")
    }

    /// Takes a file of which no row may be refused.
    pub async fn take(&self, kind: Kind, text: &str) -> ImportReport {
        let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
        let mut refused = Vec::new();
        let report = import(
            &self.house,
            Importer::Operator(None),
            &mut table,
            Taking::default(),
            &mut |_, outcome| {
                if let RowOutcome::Refused(why) = outcome {
                    refused.push(format!("{why:?}"));
                }
            },
        )
        .await
        .expect("the file is taken");
        assert!(refused.is_empty(), "{refused:#?}");
        remembered::look(&self.house).await;
        report
    }

    pub async fn make(&self, sns: &[String]) {
        let mut text = "sn,gtin,produced_at,site_code,lot,inspection\n".to_owned();
        for sn in sns {
            text.push_str(&format!("{sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},LOT1,pass\n"));
        }
        self.take(Kind::Production, &text).await;
    }

    pub async fn unit(&self, sn: &str) -> i64 {
        let brand = self.caller().await.brand.0;
        remembered::look(&self.house).await;
        let found = self.house.store.identifier_fetch("sn", brand, sn).await.expect("it reads");
        found.expect("the unit is known")
    }

    /// A party's key with these scopes, and the router it is shown to.
    pub async fn desk(&self, party: &str, scopes: &str) -> Desk {
        let brand = self.caller().await.brand;
        let scopes: Vec<_> = scopes.split(',').filter_map(Scope::parse).collect();
        let token = keys::new_key(&self.house, brand, party, &scopes, "test").await;
        Desk::with_token(self, token.expect("the party is known"))
    }

    pub async fn agrees(&self) {
        let report = rebuild::check(&self.house.store, self.scratch.path()).await;
        let report = report.expect("the rebuild runs");
        assert!(report.agrees() && report.events > 0, "{report:#?}");
        remembered::agrees(&self.house).await;
        remembered::answers_agree(&self.house, &self.another().await).await;
    }
}

/// Somebody with a key, in this process.
pub struct Desk {
    house: Arc<House>,
    app: Router,
    token: String,
}

impl Desk {
    pub fn with_token(world: &World, token: String) -> Self {
        let app = router(Arc::clone(&world.house), ServeOptions::default());
        Self { house: Arc::clone(&world.house), app, token }
    }

    /// What is no single JSON value.
    pub async fn text(&self, path: &str) -> String {
        let (status, bytes) = self.bytes("GET", path, ("application/json", "")).await;
        assert_eq!(status, 200, "{path}");
        String::from_utf8(bytes).expect("text")
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string()).await
    }

    /// Posts under an idempotency key: status, whether it was answered so before, and the body.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> (u16, bool, Value) {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(axum::body::Body::from(body.to_string()))
            .expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, replayed, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// Sends JSON lines to an import and gives the lines of its answer.
    pub async fn take_lines(&self, kind: &str, lines: &str) -> String {
        let path = format!("/api/v1/import/{kind}");
        let (status, bytes) = self.bytes("POST", &path, ("application/x-ndjson", lines)).await;
        assert_eq!(status, 200, "{kind}");
        String::from_utf8(bytes).expect("text")
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, bytes) = self.bytes(method, path, ("application/json", body)).await;
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    async fn bytes(&self, method: &str, path: &str, (kind, body): (&str, &str)) -> (u16, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", kind)
            .body(axum::body::Body::from(body.to_owned()))
            .expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.expect("a body");
        remembered::look(&self.house).await;
        (status, bytes.to_vec())
    }
}

/// What became of each row: `taken`, `unchanged`, `not_recorded`, or the codes of its refusals.
pub async fn outcomes(house: &House, kind: Kind, text: &str, all_or_nothing: bool) -> Vec<String> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let mut told = Vec::new();
    let mut on_row = |row: &RawRow, outcome: &RowOutcome| {
        let said = match outcome {
            RowOutcome::Taken => "taken".to_owned(),
            RowOutcome::Unchanged => "unchanged".to_owned(),
            RowOutcome::NotRecorded => "not_recorded".to_owned(),
            RowOutcome::Refused(why) => {
                why.iter().map(|r| r.refusal.code()).collect::<Vec<_>>().join(" ")
            }
        };
        told.push((row.record, said));
    };
    let taking = Taking { update: false, all_or_nothing };
    let by = Importer::Operator(None);
    import(house, by, &mut table, taking, &mut on_row).await.expect("the file is read");
    told.sort();
    told.into_iter().map(|(_, said)| said).collect()
}

pub fn sns(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("CY{n:06}")).collect()
}

pub fn sscc(serial: u64) -> String {
    let sscc = domain::gs1::Sscc::build(0, "69291417", serial).expect("a company prefix");
    sscc.as_str().to_owned()
}

pub fn report(scheme: &str, value: &str, fingerprint: &str) -> Report {
    let at: jiff::Timestamp = "2026-06-09T00:00:00Z".parse().expect("an instant");
    Report {
        scheme: scheme.to_owned(),
        value: value.to_owned(),
        happened_at: at.as_microsecond(),
        offset_minutes: 480,
        fingerprint: Some(fingerprint.to_owned()),
        signals: Signals::default(),
    }
}

/// Whether the activation was the first.
pub async fn start(house: &House, scheme: &str, value: &str, fingerprint: &str) -> bool {
    let caller = operator(house, None).await.expect("there is one brand");
    let render = |a: &Activated| Answer::new(200, a.first.to_string());
    let report = report(scheme, value, fingerprint);
    let answer = activate(house, Some(&caller), &report, None, &render).await;
    answer.expect("an activation is never refused").reply == "true"
}

/// The jobs that look again at starts which a late fact concerns.
pub async fn jobs(house: &House) -> Vec<Outbox> {
    let due = house.clock.now().as_microsecond() + 1_000_000_000;
    house.store.outbox_due(ship::REDECIDE, due, 1_000).await.expect("it reads")
}

/// Does every one of them; returns how many findings changed.
pub async fn settle(house: &House) -> usize {
    let mut changed = 0;
    for job in jobs(house).await {
        changed += redecide::redecide(house, &job).await.expect("it is looked at again");
        let again = redecide::redecide(house, &job).await.expect("and again");
        assert_eq!(again, 0, "the second time nothing changes");
        house.store.outbox_done(&job).await.expect("it is struck off");
    }
    changed
}

/// Makes a test of each story on each engine.
#[macro_export]
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(&super::World::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let server = testkit::Postgres::shared();
                super::$story(&super::World::postgres(server).await).await;
            })*
        }
    };
}
