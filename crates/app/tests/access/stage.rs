//! Two brands in one store: ours, with goods on the way and secrets of its own, and a stranger with
//! everything a brand may hold.

use crate::common::browser::{Browser, PASSWORD};
use crate::common::{PHONE, World, sns, sscc, start};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use domain::registration::Proof;
use domain::role::Role;
use dossier::api::{Peer, ServeOptions, router};
use dossier::files::{Format, Kind, Table};
use dossier::flows::api_keys::{Order, give};
use dossier::flows::batches::{CodeStream, Mint, mint};
use dossier::flows::find::unit_number;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::Taking;
use dossier::flows::people::accounts::Chosen;
use dossier::flows::people::sessions::Origin;
use dossier::flows::persons::personal;
use dossier::flows::persons::registration::{Registration, register};
use dossier::flows::reference::Reference;
use dossier::flows::{Caller, House, Scope, cases, people, recalls, webhooks};
use serde_json::json;
use std::io::Cursor;
use std::sync::Arc;
use store::canonical::hex;
use store::reference::{Batch, Purpose};
use store::webhook::DeliveryRow;
use tower::ServiceExt;

/// What a stranger must never read: names, papers, lots and notes of ours that no request names.
pub const SECRETS: [&str; 12] = [
    "王芳",
    "赵磊",
    "云南总代",
    "湖北总代",
    "昆明店",
    "LOT1",
    "PAPER-S",
    "深圳工厂",
    "INVOICE-7",
    "8613800138000",
    "仓管员说漏了嘴",
    "请说明去向",
];
const STRANGERS: &str = "code,kind,name\nOTHER,brand,别家电子\nFAC-X,factory,别家工厂\n\
    T1-X,tier1,别家总代\n";

/// What the cases play on.
pub struct Stage {
    pub house: Arc<House>,
    pub app: Router,
    /// The brand itself, at the command line.
    pub brand: Caller,
    /// Another brand, with every scope.
    pub stranger: Caller,
    pub printed: Batch,
    pub unprinted: Batch,
    /// Trace codes of the printed batch that no unit wears.
    pub codes: Vec<String>,
    /// Trace codes of the units CY000000 and following.
    pub worn: Vec<String>,
    /// A key of ours that is not asked with.
    pub spare_key: String,
    /// A consumer who registered a unit of ours.
    pub person: String,
    /// Somebody who works for us, and an open invitation.
    pub member: String,
    pub invitation: String,
    /// A recall of the unit CY000010.
    pub recall: i64,
    /// An open case about T1-53 over the unit CY000000.
    pub case: String,
    /// A webhook of ours, and an event that was brought to it.
    pub webhook: String,
    pub delivered: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Stage {
    pub async fn new(world: &World) -> Self {
        let house = Arc::clone(&world.house);
        let brand = world.caller().await;
        goods(world).await;
        let reference = house.reference().await.expect("rows");
        let product = Some(reference.products(brand.brand)[0].id);
        let of = |purpose| Mint { product, purpose, count: 20, scratch: false };
        let printed = mint(&house, &brand, of(Purpose::Printed)).await.expect("minted");
        let unprinted = mint(&house, &brand, of(Purpose::Unprinted)).await.expect("minted");
        let mut worn = Vec::new();
        for sn in sns(0..20) {
            let number = unit_number(world.unit(&sn).await);
            worn.push(house.ring().encode(number).as_str().to_owned());
        }
        let order = Order { party: "BRAND".into(), scopes: vec![Scope::Keys], ..Order::default() };
        let spare_key = give(&house, &brand, &order).await.expect("given").row.id;
        let person = person(&house, &brand, world.unit("CY000004").await).await;
        let extra = Some(dossier::pages::routes());
        let options = ServeOptions { extra, ..ServeOptions::default() };
        let mut stage = Self {
            app: router(Arc::clone(&house), options),
            stranger: stranger(&house).await,
            codes: Vec::new(),
            house,
            brand,
            printed,
            unprinted,
            worn,
            spare_key,
            person,
            member: String::new(),
            invitation: String::new(),
            recall: 0,
            case: String::new(),
            webhook: String::new(),
            delivered: String::new(),
        };
        stage.case = stage.case_opened().await;
        stage.recall = stage.recalled().await;
        (stage.member, stage.invitation) = stage.people().await;
        stage.codes = stage.codes_of(&stage.printed).await;
        dossier::flows::log::seal(&stage.house).await.expect("sealed");
        (stage.webhook, stage.delivered) = stage.webhook().await;
        stage
    }

    /// A webhook to nobody, with something in the log of its deliveries.
    async fn webhook(&self) -> (String, String) {
        let order = webhooks::Order {
            party: "BRAND".to_owned(),
            url: "https://hooks.example.com/".to_owned(),
            ..webhooks::Order::default()
        };
        let made = webhooks::make(&self.house, &self.brand, &order).await.expect("made");
        let id = made.told.row.id.clone();
        let (store, brand) = (&self.house.store, self.brand.brand.0);
        let places = (0, made.told.row.from_index);
        let made = store.log_events(places, brand, |kind| kind == "commissioned").await;
        let first = made.expect("it reads").into_iter().next().expect("something was made");
        let event = hex(&first.event.id.0);
        let row = DeliveryRow {
            webhook: id.clone(),
            at: self.house.clock.now().as_microsecond(),
            id: [7; 16],
            event: event.clone(),
            kind: "commissioned".to_owned(),
            position: first.position,
            attempt: 1,
            outcome: "delivered".to_owned(),
            status: Some(200),
            error: None,
            duration_ms: 1,
        };
        store.delivery_add(&row).await.expect("written");
        (id, event)
    }

    async fn codes_of(&self, batch: &Batch) -> Vec<String> {
        let reference = self.house.reference().await.expect("rows");
        let range = batch.first..batch.end();
        let mut stream = CodeStream::new(&self.house, &reference, batch, String::new(), range);
        let (_, codes) = stream.next_codes().expect("codes");
        codes.iter().map(|code| code.as_str().to_owned()).collect()
    }

    /// A party of ours with these scopes.
    pub async fn party(&self, code: &str, scopes: &[Scope]) -> Caller {
        let reference = self.house.reference().await.expect("rows");
        let party = reference.party(self.brand.brand, code).expect("a party of ours").id;
        Caller { party, scopes: scopes.to_vec(), ..self.brand.clone() }
    }

    /// Every scope that does not do what this one does: a report is taken under three, and whoever
    /// audits may write out what a scope of its own writes out.
    pub fn every_scope_but(scope: Scope) -> Vec<Scope> {
        let as_well: &[Scope] = match scope {
            Scope::Activate => &[Scope::ActivateApp, Scope::ActivateAttested],
            Scope::Export => &[Scope::Audit],
            _ => &[],
        };
        let spared = |s: &Scope| !s.covers(scope) && *s != Scope::All && !as_well.contains(s);
        Scope::ALL.into_iter().filter(spared).collect()
    }

    /// The whole key of a caller.
    pub async fn token(&self, caller: &Caller) -> String {
        let reference = self.house.reference().await.expect("rows");
        let party = reference.tree.get(caller.party).expect("a party").code.clone();
        let (scopes, root) = (caller.scopes.clone(), reference.root(caller.brand));
        let giver = Caller::operator(caller.brand, root.expect("a brand").id);
        let order = Order { party, scopes, ..Order::default() };
        give(&self.house, &giver, &order).await.expect("given").key
    }

    pub async fn send(
        &self,
        token: Option<&str>,
        (method, path): (&str, &str),
        body: &str,
    ) -> Answer {
        let media = match body.as_bytes().first() {
            Some(b'{') => "application/json",
            _ if path.starts_with("/api") => "text/csv",
            _ => "application/x-www-form-urlencoded",
        };
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        let peer = Peer { address: std::net::Ipv4Addr::LOCALHOST.into(), tls: false };
        let request = request.extension(peer).body(Body::from(body.to_owned())).expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.expect("a body");
        Answer { status, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// How many facts are recorded.
    pub async fn recorded(&self) -> i64 {
        self.house.store.events_count().await.expect("counted")
    }

    /// Secrets of ours in a text, other than what was asked with.
    pub fn betrayed(&self, text: &str, asked: &str) -> Vec<String> {
        let words = SECRETS.iter().map(|word| (*word).to_owned());
        let all = words.chain(self.worn.iter().cloned()).chain([self.spare_key.clone()]);
        all.filter(|secret| text.contains(secret) && !asked.contains(secret)).collect()
    }
}

/// Twenty units, a carton, papers, an activation where it should not be.
async fn goods(world: &World) {
    world.make(&sns(0..20)).await;
    let packs = format!("sscc,child,packed_at\n{},CY000001,2026-05-21T09:00:00+08:00\n", sscc(1));
    world.take(Kind::Packs, &packs).await;
    let papers = "shipment_no,from_code,to_code,happened_at,subject\n\
        PAPER-S1,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,CY000000\n\
        PAPER-S2,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,CY000002\n\
        PAPER-S3,FAC-SZ,T1-42,2026-05-22T08:00:00+08:00,CY000003\n";
    world.take(Kind::Shipments, papers).await;
    start(&world.house, "sn", "CY000004", "a device").await;
}

/// A consumer registers a unit; their name here.
async fn person(house: &House, brand: &Caller, unit: i64) -> String {
    let registration = Registration {
        phone: TELEPHONE.to_owned(),
        purchased_on: Some(jiff::civil::date(2026, 6, 1)),
        proof: Proof::Scratch,
        invoice: "INVOICE-7".to_owned(),
        consents: vec![domain::person::Purpose::Registration],
    };
    register(house, unit, &registration).await.expect("registered");
    personal::find(house, brand, TELEPHONE, "to begin with").await.expect("found").id
}

async fn stranger(house: &House) -> Caller {
    let input = Box::new(Cursor::new(STRANGERS.as_bytes()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let taking = Taking::default();
    let who = Importer::Operator(Some("OTHER"));
    let report = import(house, who, &mut table, taking, &mut |_, _| {}).await.expect("taken");
    assert_eq!((report.taken, report.refused), (3, 0));
    let own = operator(house, Some("OTHER")).await.expect("there is the other brand");
    let product = format!("gtin,name_zh,category\n{},别家手机,phone\n", THEIR_GTIN);
    let input = Box::new(Cursor::new(product.into_bytes()));
    let mut table = Table::from_reader(Kind::Products, Format::Csv, input).expect("a sound file");
    let who = Importer::Caller(&own);
    import(house, who, &mut table, taking, &mut |_, _| {}).await.expect("taken");
    Caller { scopes: Scope::ALL.to_vec(), ..own }
}

/// The telephone of a consumer of ours.
pub const TELEPHONE: &str = "+8613800138000";
/// The stranger's only product.
pub const THEIR_GTIN: &str = "6901234567892";
/// Ours.
pub const OUR_GTIN: &str = PHONE;

impl Stage {
    /// The number of the unit CY0000`n`.
    pub async fn number(&self, n: u32) -> i64 {
        let (sn, brand) = (&sns(n..n + 1)[0], self.brand.brand.0);
        let found = self.house.store.identifier_fetch("sn", brand, sn).await.expect("it reads");
        found.expect("the unit is known")
    }

    /// Somebody who works for us, and an open invitation, both by their names.
    async fn people(&self) -> (String, String) {
        let order = |name: &str| people::Order {
            party: "T1-53".to_owned(),
            role: Role::Desk,
            regions: Vec::new(),
            name: name.to_owned(),
        };
        let invited = people::invite(&self.house, &self.brand, &order("王芳")).await;
        let (token, _) = invited.expect("invited");
        let sign_in = "wang.fang".to_owned();
        let chosen = Chosen { sign_in, name: "王芳".to_owned(), password: PASSWORD.to_owned() };
        let origin = Origin::default();
        people::accept(&self.house, &token, (&chosen, None), &origin).await.expect("accepted");
        let list = people::list(&self.house, &self.brand).await.expect("listed");
        let member = list.iter().find(|one| one.names.name == "王芳").expect("a member");
        let open = people::invite(&self.house, &self.brand, &order("赵磊")).await.expect("invited");
        (hex(&member.membership.account), hex(&open.1.row.id))
    }

    /// A person of the other brand, its owner, with a browser.
    pub async fn stranger_in_person(&self, world: &World, name: &str) -> Browser {
        let root = self.stranger.party;
        let giver = Caller::operator(self.stranger.brand, root);
        let order = people::Order {
            party: "OTHER".to_owned(),
            role: Role::Owner,
            regions: Vec::new(),
            name: String::new(),
        };
        let (token, _) = people::invite(&self.house, &giver, &order).await.expect("invited");
        let browser = Browser::new(world);
        let body = json!({"token": token, "sign_in_name": name, "password": PASSWORD});
        let accepted = browser.post("/api/v1/invitations/accept", body).await;
        assert_eq!(accepted.status, 201, "{}", accepted.text);
        browser
    }

    async fn case_opened(&self) -> String {
        let order = cases::Order {
            party: "T1-53".to_owned(),
            units: vec!["CY000000".to_owned()],
            summary: "请说明去向".to_owned(),
            answer_by: None,
        };
        let opened = cases::open(&self.house, &self.brand, &order).await.expect("opened");
        let id = hex(&opened.id);
        let text = "仓管员说漏了嘴".to_owned();
        let note = cases::Saying { text, internal: true, answer_by: None };
        cases::say(&self.house, &self.brand, &id, &note).await.expect("noted");
        id
    }

    async fn recalled(&self) -> i64 {
        let both = |word: &str| (word.to_owned(), String::new());
        let words = recalls::Words {
            title: both("电池召回"),
            reason: both("过热"),
            action: both("停用"),
            link: None,
        };
        let chosen = recalls::Chosen::Units(vec!["CY000010".to_owned()]);
        let opened = recalls::open(&self.house, &self.brand, &words, &chosen).await;
        opened.expect("opened").row.id
    }

    /// The rows of ours that a stranger could overwrite, as text.
    pub async fn ours(&self) -> String {
        let (reference, brand) =
            (self.house.reference_now().await.expect("rows"), self.brand.brand);
        let mut parties: Vec<_> = reference.tree.iter().filter(|p| p.brand == brand).collect();
        parties.sort_by_key(|party| party.id);
        let sites: Vec<_> = reference.sites(brand).collect();
        let batches = batches_of(&reference, brand.0);
        format!("{:?} {parties:?} {} {batches:?}", reference.products(brand), sites.len())
    }
}

fn batches_of(reference: &Reference, brand: i64) -> Vec<&Batch> {
    reference.batches().iter().filter(|batch| batch.brand == brand).collect()
}
