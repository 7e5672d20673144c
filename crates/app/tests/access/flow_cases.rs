//! The cases of the flows.

use crate::common::{report, sscc};
use crate::stage::{OUR_GTIN, Stage, TELEPHONE};
use domain::identifier::{Identifier, Scheme};
use domain::role::Role;
use domain::when::When;
use dossier::files::{Format, Kind, Table};
use dossier::flows::activate::{Activated, activate, may_report};
use dossier::flows::alerts::Wanted;
use dossier::flows::api_keys::{self, Order};
use dossier::flows::compliance::export;
use dossier::flows::compliance::export_parts;
use dossier::flows::compliance::trace_clock;
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{ImportError, Importer, import};
use dossier::flows::lifecycle::{self, Change};
use dossier::flows::masterdata::Taking;
use dossier::flows::persons::personal;
use dossier::flows::persons::retention;
use dossier::flows::verify::{Depth, verify};
use dossier::flows::{
    Caller, FlowError, Scope, alerts, audit, batches, cases as files, catalogue, compliance,
    contents, dossier as dossiers, history, pack, recalls, receipt, reports, search, ship,
    verify as verdicts, webhooks,
};
use std::fmt::Debug;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;

/// What a flow gave, told as text.
pub type Outcome = Result<String, FlowError>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What a stranger, a brand with every scope, gets for the same command.
#[derive(Clone, Copy, Debug)]
pub enum Foreign {
    /// A refusal, or every row refused.
    Refused,
    /// An answer, with nothing of ours in it.
    OwnOnly,
    /// A row of its own: the same words name something of the stranger's.
    OwnRow,
}

/// A flow with its three cases.
pub struct Flow {
    /// `module::function`.
    pub name: &'static str,
    /// Whom it is for, and by which scope.
    pub party: &'static str,
    pub scope: Scope,
    /// Parties of ours that are refused though they hold every scope.
    pub not_for: &'static [&'static str],
    pub foreign: Foreign,
    /// What the command names of ours.
    pub asks: &'static str,
    pub run: fn(Arc<Stage>, Caller) -> Running,
}

/// Functions that take a caller and are no flows: the rules themselves, and pieces that only decide
/// or write down what the flow around them was allowed.
pub const RULES: &[(&str, &str)] = &[
    ("access::of_unit", "the rule"),
    ("access::of_pack", "the rule"),
    ("access::concerns", "the rule"),
    ("access::is_brand", "the rule"),
    ("access::audience", "which counter a look goes to"),
    ("mandate::speaks_for", "the rule"),
    ("mandate::brand_only", "the rule"),
    ("mandate::may_enter", "the rule"),
    ("mandate::may", "the rule"),
    ("oversight::of", "the rule"),
    ("oversight::admit_export", "the rule"),
    ("batches::mint_into", "the inside of mint"),
    ("house::about", "an event's draft"),
    ("turns::take", "who waits for whom"),
    ("turns::try_take", "who waits for whom"),
    ("receipt::missing", "what a receipt lacks, after paper() let the caller in"),
];

const ALL_BUT_BRAND: &[&str] = &["FAC-SZ", "T1-53", "SHOP-53"];

macro_rules! flow {
    ($name:literal, $party:literal $scope:ident, not $not:expr, $foreign:ident,
        |$stage:ident, $caller:ident| $body:expr) => {
        Flow {
            name: $name,
            party: $party,
            scope: Scope::$scope,
            not_for: $not,
            foreign: Foreign::$foreign,
            asks: "",
            run: |$stage, $caller| Box::pin(async move { $body }),
        }
    };
}

mod persons_and_people;

fn told<T: Debug, E: Into<FlowError>>(outcome: Result<T, E>) -> Outcome {
    outcome.map(|value| format!("{value:?}")).map_err(Into::into)
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("an instant")
}

/// Rows of a file, each by its outcome: what the flows behind `import` say.
async fn rows(stage: &Stage, caller: &Caller, kind: Kind, text: String) -> Outcome {
    let input = Box::new(Cursor::new(text.into_bytes()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let mut told = String::new();
    let mut on_row = |_: &_, outcome: &_| told.push_str(&format!("{outcome:?} "));
    let who = Importer::Caller(caller);
    match import(&stage.house, who, &mut table, Taking::default(), &mut on_row).await {
        Ok(_) => Ok(told),
        Err(ImportError::Flow(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// Every case, in an order in which the commands can follow each other.
pub fn cases() -> Vec<Flow> {
    let mut cases = reads();
    cases.extend(rows_of_files());
    cases.extend(movements());
    cases.extend(lives());
    cases.extend(codes());
    cases.extend(keys());
    cases.extend(persons_and_people::persons());
    cases.extend(persons_and_people::who_works_here());
    cases.extend(compliance_and_recalls());
    cases.extend(work_on_alerts());
    cases.extend(told_of_events());
    cases
}

fn reads() -> Vec<Flow> {
    vec![
        flow!("dossier::show", "T1-53" Read, not &["T1-42"], Refused, |stage, caller| {
            let (house, number) = (&stage.house, stage.number(0).await);
            let reference = house.reference().await?;
            let shown = dossiers::show(house, &reference, &caller, number).await?;
            told::<_, FlowError>(Ok(shown.dossier.unit))
        }),
        flow!("contents::show", "FAC-SZ" Read, not &["T1-42"], Refused, |stage, caller| {
            let reference = stage.house.reference().await?;
            let shown = contents::show(&stage.house, &reference, &caller, &sscc(1)).await?;
            told::<_, FlowError>(Ok(shown.1.pack))
        }),
        flow!("history::prove", "BRAND" Read, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(history::prove(&stage.house, &caller, stage.number(0).await).await)
        }),
        flow!("catalogue::products", "T1-53" Read, not &[], OwnOnly, |stage, caller| {
            told(catalogue::products(&*stage.house.reference().await?, &caller))
        }),
        flow!("catalogue::parties", "T1-53" Read, not &[], OwnOnly, |stage, caller| {
            told(catalogue::parties(&*stage.house.reference().await?, &caller))
        }),
        flow!("catalogue::sites", "T1-53" Read, not &[], OwnOnly, |stage, caller| {
            told(catalogue::sites(&*stage.house.reference().await?, &caller))
        }),
        flow!("catalogue::territories", "T1-53" Read, not &[], OwnOnly, |stage, caller| {
            told(catalogue::territories(&*stage.house.reference().await?, &caller))
        }),
        flow!("alerts::list", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(alerts::list(&stage.house, &caller, every()).await)
        }),
        flow!("reports::list", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(reports::list(&stage.house, &caller, every()).await)
        }),
        flow!("reports::quoted", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(reports::quoted(&stage.house, &caller, "R-0011-2233").await)
        }),
        flow!("audit::admit", "BRAND" Audit, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(audit::admit(&stage.house, &caller).await)
        }),
        flow!("audit::list", "BRAND" Audit, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let wanted = audit::Wanted { most: 100, ..audit::Wanted::default() };
            told(audit::list(&stage.house, &caller, &wanted).await)
        }),
        flow!("audit::begin", "BRAND" Audit, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let wanted = audit::Wanted { most: 100, ..audit::Wanted::default() };
            audit::Export::begin(&stage.house, &caller, wanted).await.map(|_| "begun".to_owned())
        }),
        flow!("verify::seller", "T1-53" Verify, not &[], Refused, |stage, caller| {
            let (house, number) = (&stage.house, stage.number(0).await);
            let reference = house.reference().await?;
            let asked = (domain::verdict::CodeReading::Issued, Some(number));
            let verified = verify(house, &reference, asked, Depth::Whole).await?;
            told(verdicts::seller(house, &reference, &verified, &caller, "T1-53"))
        }),
    ]
}

fn every() -> Wanted {
    Wanted { kind: None, since: None, after: None, most: 100 }
}

fn rows_of_files() -> Vec<Flow> {
    vec![
        flow!("masterdata::products", "BRAND" Master, not ALL_BUT_BRAND, OwnRow,
        |stage, caller| {
            let text = format!("gtin,name_zh,category,maker\n{OUR_GTIN},新名,phone,新厂\n");
            rows_over(&stage, &caller, Kind::Products, text).await
        }),
        flow!("masterdata::parties", "T1-53" Master, not &["T1-42", "FAC-SZ"], Refused,
        |stage, caller| {
            let text = "code,kind,name,parent_code,region\nT2-98,tier2,新,T1-53,530102\n";
            rows(&stage, &caller, Kind::Parties, text.to_owned()).await
        }),
        flow!("sites::sites", "T1-53" Master, not &["T1-42", "FAC-SZ"], Refused,
        |stage, caller| {
            let text = "code,party_code,kind,name\nW-1,T2-53,warehouse,仓\n";
            rows(&stage, &caller, Kind::Sites, text.to_owned()).await
        }),
        flow!("territories::territories", "T1-53" Master, not &["T1-42", "FAC-SZ"], Refused,
        |stage, caller| {
            let text = "party_code,gtin,regions,from_on\nT2-53,*,5301,2026-02-01\n";
            rows(&stage, &caller, Kind::Territories, text.to_owned()).await
        }),
        flow!("produce::commission", "FAC-SZ" Produce, not &["T1-53"], Refused,
        |stage, caller| {
            let text = format!("sn,gtin,produced_at,site_code\n\
                CY800001,{OUR_GTIN},2026-05-20T08:00:00+08:00,FAC-SZ\n");
            rows(&stage, &caller, Kind::Production, text).await
        }),
        flow!("pack::pack", "FAC-SZ" Produce, not &["T1-53"], Refused, |stage, caller| {
            let text =
                format!("sscc,child,packed_at\n{},CY000006,2026-05-21T09:00:00+08:00\n", sscc(2));
            rows(&stage, &caller, Kind::Packs, text).await
        }),
        flow!("ship::ship", "T1-53" Ship, not &["T1-42", "FAC-SZ"], Refused, |stage, caller| {
            let text = "shipment_no,from_code,to_code,happened_at,subject\n\
                PAPER-N,T1-53,T2-53,2026-06-01T08:00:00+08:00,CY000000\n";
            rows(&stage, &caller, Kind::Shipments, text.to_owned()).await
        }),
    ]
}

async fn rows_over(stage: &Stage, caller: &Caller, kind: Kind, text: String) -> Outcome {
    let input = Box::new(Cursor::new(text.into_bytes()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let mut told = String::new();
    let mut on_row = |_: &_, outcome: &_| told.push_str(&format!("{outcome:?} "));
    let taking = Taking { update: true, ..Taking::default() };
    let who = Importer::Caller(caller);
    match import(&stage.house, who, &mut table, taking, &mut on_row).await {
        Ok(_) => Ok(told),
        Err(ImportError::Flow(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn movements() -> Vec<Flow> {
    vec![
        flow!("pack::unpack", "FAC-SZ" Produce, not &["T1-53"], Refused, |stage, caller| {
            let when = When::at(at("2026-06-01T00:00:00Z"));
            told(pack::unpack(&stage.house, &caller, &sscc(1), &[], when).await)
        }),
        flow!("receipt::paper", "T1-53" Ship, not &["T1-42", "FAC-SZ"], Refused,
        |stage, caller| {
            let paper = ("PAPER-S2", Some("FAC-SZ"));
            let found = receipt::paper(&stage.house, &caller, "T1-53", paper).await;
            found.map(|_| "a paper".to_owned())
        }),
        flow!("ship::receive", "T1-53" Ship, not &["T1-42", "FAC-SZ"], Refused,
        |stage, caller| {
            let when = When::at(at("2026-06-01T00:00:00Z"));
            let one = ship::receive(&stage.house, &caller, "T1-53", "CY000002", when, None);
            told(one.await)
        }),
        flow!("ship::void", "T1-53" Ship, not &["T1-42", "FAC-SZ"], Refused, |stage, caller| {
            let when = When::at(at("2026-06-02T00:00:00Z"));
            told(ship::void(&stage.house, &caller, ("PAPER-N", None), when).await)
        }),
    ]
}

fn lives() -> Vec<Flow> {
    vec![
        flow!("activate::may_report", "T1-53" Activate, not &[], OwnOnly, |stage, caller| {
            let _ = stage;
            told(may_report(Some(&caller)))
        }),
        flow!("activate::activate", "BRAND" Activate, not &[], Refused, |stage, caller| {
            let render = |a: &Activated| Answer::new(200, a.first.to_string());
            let report = report("code", &stage.worn[9], "its own");
            let done = activate(&stage.house, Some(&caller), &report, None, &render).await;
            done.map(|answer| answer.reply)
        }),
        flow!("lifecycle::change", "FAC-SZ" Produce, not &["T1-53"], Refused,
        |stage, caller| {
            let (units, when) = ([stage.number(7).await], When::at(at("2026-06-01T00:00:00Z")));
            let change = Change::Inspect("hold", "a scratch".to_owned());
            told(lifecycle::change(&stage.house, &caller, &units, &change, when).await)
        }),
        flow!("lifecycle::change_once", "FAC-SZ" Produce, not &["T1-53"], Refused,
        |stage, caller| {
            let render = |count| Answer::new(200, format!("changed {count}"));
            let (units, when) = ([stage.number(7).await], When::at(at("2026-06-01T00:00:00Z")));
            let change = Change::Inspect("hold", "a scratch".to_owned());
            let asked = (&units[..], &change, when);
            let changed =
                lifecycle::change_once(&stage.house, &caller, asked, None, &render).await;
            changed.map(|answer| answer.reply)
        }),
        flow!("lifecycle::bind_alias", "FAC-SZ" Lifecycle, not &["T1-53"], Refused,
        |stage, caller| {
            let (unit, code) = (stage.number(8).await, &stage.codes[5]);
            told(lifecycle::bind_alias(&stage.house, &caller, unit, code).await)
        }),
        flow!("lifecycle::move_identifier", "FAC-SZ" Lifecycle, not &["T1-53"], Refused,
        |stage, caller| {
            let imei = Identifier::parse(Scheme::Imei, "490154203237518").expect("an IMEI");
            let unit = stage.number(8).await;
            let moved =
                lifecycle::move_identifier(&stage.house, &caller, unit, &imei, true, "new");
            told(moved.await)
        }),
    ]
}

fn order(stage: &Stage) -> batches::Mint {
    let product = store::reference::Batch::clone(&stage.printed).product;
    batches::Mint {
        product: product.map(domain::id::ProductId),
        purpose: store::reference::Purpose::Printed,
        count: 3,
        scratch: false,
    }
}

fn codes() -> Vec<Flow> {
    vec![
        flow!("batches::list", "BRAND" CodesRead, not &[], OwnOnly, |stage, caller| {
            told(batches::list(&*stage.house.reference().await?, &caller))
        }),
        flow!("batches::readable", "BRAND" CodesRead, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let reference = stage.house.reference().await?;
            told(batches::readable(&reference, &caller, stage.printed.id()))
        }),
        flow!("batches::mint", "BRAND" Mint, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(batches::mint(&stage.house, &caller, order(&stage)).await)
        }),
        flow!("batches::mint_once", "BRAND" Mint, not ALL_BUT_BRAND, Refused,
        |stage, caller| {
            let render = |_: &_| Answer::new(201, "minted".to_owned());
            let mint = order(&stage);
            let minted =
                batches::mint_once(&stage.house, &caller, mint, None, &render).await;
            minted.map(|answer| answer.reply)
        }),
        flow!("batches::show", "BRAND" CodesRead, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let batch = &stage.printed;
            told(batches::show(&stage.house, &caller, batch, batch.first).await)
        }),
        flow!("batches::export", "BRAND" CodesRead, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let all = stage.unprinted.numbers();
            told(batches::export(&stage.house, &caller, stage.unprinted.id(), all).await)
        }),
        flow!("batches::deliver", "BRAND" Mint, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(batches::deliver(&stage.house, &caller, stage.printed.id(), "a printer").await)
        }),
        flow!("batches::void", "BRAND" Mint, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let id = stage.unprinted.id();
            let void = batches::void(&stage.house, &caller, id, None, "a lost reel").await;
            void.map(|_| "void".to_owned())
        }),
    ]
}

fn keys() -> Vec<Flow> {
    vec![
        flow!("api_keys::list", "BRAND" KeysRead, not &[], OwnOnly, |stage, caller| {
            told(api_keys::list(&stage.house, &caller).await)
        }),
        flow!("api_keys::give", "T1-53" Keys, not &["T1-42", "SHOP-53"], Refused,
        |stage, caller| {
            let scopes = vec![Scope::Keys];
            let order = Order { party: "T1-53".into(), scopes, ..Order::default() };
            told(api_keys::give(&stage.house, &caller, &order).await)
        }),
        flow!("api_keys::rotate", "BRAND" Keys, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let (id, none) = (&stage.spare_key, jiff::SignedDuration::ZERO);
            told(api_keys::rotate(&stage.house, &caller, id, none).await)
        }),
        flow!("api_keys::revoke", "BRAND" Keys, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(api_keys::revoke(&stage.house, &caller, &stage.spare_key).await)
        }),
    ]
}

fn told_of_events() -> Vec<Flow> {
    const NEWEST: (i64, [u8; 16]) = (i64::MAX, [0xff; 16]);
    vec![
        flow!("webhooks::list", "BRAND" WebhooksRead, not &[], OwnOnly, |stage, caller| {
            told(webhooks::list(&stage.house, &caller).await)
        }),
        flow!("webhooks::make", "T1-53" Webhooks, not &["T1-42", "SHOP-53"], Refused,
        |stage, caller| {
            let url = "https://hooks.example.com/in".to_owned();
            let order = webhooks::Order { party: "T1-53".into(), url, ..Default::default() };
            told(webhooks::make(&stage.house, &caller, &order).await.map(|made| made.told))
        }),
        flow!("webhooks::deliveries", "BRAND" WebhooksRead, not ALL_BUT_BRAND, Refused,
        |stage, caller| {
            told(webhooks::deliveries(&stage.house, &caller, &stage.webhook, NEWEST, 9).await)
        }),
        flow!("webhooks::ping", "BRAND" Webhooks, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(webhooks::ping(&stage.house, &caller, &stage.webhook).await)
        }),
        flow!("webhooks::resend", "BRAND" Webhooks, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let (id, event) = (&stage.webhook, &stage.delivered);
            told(webhooks::resend(&stage.house, &caller, id, event).await)
        }),
        flow!("webhooks::change", "BRAND" Webhooks, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let change = webhooks::Change { active: Some(false), ..Default::default() };
            told(webhooks::change(&stage.house, &caller, &stage.webhook, &change).await)
        }),
        flow!("webhooks::rotate", "BRAND" Webhooks, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let (id, none) = (&stage.webhook, jiff::SignedDuration::ZERO);
            told(webhooks::rotate(&stage.house, &caller, id, none).await.map(|made| made.told))
        }),
        flow!("webhooks::remove", "BRAND" Webhooks, not ALL_BUT_BRAND, Refused, |stage, caller| {
            told(webhooks::remove(&stage.house, &caller, &stage.webhook).await)
        }),
    ]
}

fn compliance_and_recalls() -> Vec<Flow> {
    vec![
        flow!("compliance::reports", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let reports = compliance::reports(&stage.house, &caller).await?;
            told::<_, FlowError>(Ok(reports.iter().map(|r| &r.product).collect::<Vec<_>>()))
        }),
        flow!("compliance::report", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let report = compliance::report(&stage.house, &caller, OUR_GTIN, 0, 1_000).await?;
            told::<_, FlowError>(Ok(report.product))
        }),
        flow!("compliance::uncoded", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(compliance::uncoded(&stage.house, &caller, OUR_GTIN, 0, 100).await)
        }),
        flow!("export::begin", "BRAND" Export, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let format = export::Format::Csv;
            let begun = export::Part::begin(&stage.house, &caller, format, None, 100).await;
            let mut text = String::new();
            let mut part = begun?;
            while let Some(rows) = part.next_rows().await? {
                text += &rows;
            }
            Ok(text)
        }),
        flow!("export_parts::write", "BRAND" Export, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let dir = tempfile::tempdir().expect("a folder");
            let cut = export_parts::Cut {
                format: export::Format::Csv,
                part_rows: 1_000,
                parts_max: None,
            };
            let done =
                export_parts::write(&stage.house, &caller, dir.path(), cut, &mut |_| {}).await;
            match done {
                Ok(manifest) => told::<_, FlowError>(Ok(manifest)),
                Err(export_parts::ExportError::Flow(error)) => Err(error),
                Err(other) => panic!("{other}"),
            }
        }),
        flow!("trace_clock::purge", "BRAND" All, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            told(trace_clock::purge(&stage.house, &caller, true).await)
        }),
        flow!("recalls::list", "BRAND" Read, not ALL_BUT_BRAND, OwnOnly, |stage, caller| {
            let reference = stage.house.reference().await?;
            let list = recalls::list(&reference, &caller)?;
            told::<_, FlowError>(Ok(list.iter().map(|r| &r.row).collect::<Vec<_>>()))
        }),
        flow!("recalls::show", "BRAND" Read, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let reference = stage.house.reference().await?;
            let shown = recalls::show(&reference, &caller, stage.recall);
            told(shown.map(|recall| recall.row.clone()))
        }),
        flow!("recalls::open", "BRAND" Lifecycle, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let both = |word: &str| (word.to_owned(), String::new());
            let (title, reason, action) = (both("召回"), both("过热"), both("停用"));
            let words = recalls::Words { title, reason, action, link: None };
            let chosen = recalls::Chosen::Batch(stage.printed.id);
            let opened = recalls::open(&stage.house, &caller, &words, &chosen).await;
            opened.map(|recall| format!("{:?}", recall.row))
        }),
        flow!("recalls::remedy", "BRAND" Lifecycle, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let units = ["CY000010".to_owned()];
            told(recalls::remedy(&stage.house, &caller, stage.recall, &units, "mended").await)
        }),
        flow!("recalls::close", "BRAND" Lifecycle, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let closed = recalls::close(&stage.house, &caller, stage.recall, false, "done").await;
            closed.map(|recall| format!("{:?}", recall.row))
        }),
    ]
}

fn work_on_alerts() -> Vec<Flow> {
    const OTHERS: &[&str] = &["T1-42", "FAC-SZ", "SHOP-53"];
    vec![
        flow!("cases::list", "T1-53" Read, not &[], OwnOnly, |stage, caller| {
            let wanted = files::Wanted { most: 100, ..files::Wanted::default() };
            told(files::list(&stage.house, &caller, wanted).await)
        }),
        flow!("cases::show", "T1-53" Read, not OTHERS, Refused, |stage, caller| {
            told(files::show(&stage.house, &caller, &stage.case).await)
        }),
        flow!("cases::open", "BRAND" Cases, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let units = vec!["CY000002".to_owned()];
            let order = files::Order { party: "T1-53".into(), units, ..files::Order::default() };
            told(files::open(&stage.house, &caller, &order).await)
        }),
        flow!("cases::say", "T1-53" Cases, not OTHERS, Refused, |stage, caller| {
            let text = "sold at the counter".to_owned();
            let saying = files::Saying { text, ..files::Saying::default() };
            told(files::say(&stage.house, &caller, &stage.case, &saying).await)
        }),
        flow!("cases::act", "BRAND" Cases, not ALL_BUT_BRAND, Refused, |stage, caller| {
            let doing = files::Doing::close(domain::case::Outcome::Settled, "they paid");
            told(files::act(&stage.house, &caller, &stage.case, &doing).await)
        }),
        flow!("search::search", "T1-53" Read, not &[], OwnOnly, |stage, caller| {
            told(search::search(&stage.house, &caller, "CY000000", None).await)
        }),
    ]
}
