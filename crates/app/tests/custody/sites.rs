//! Further sites: what makes one, what becomes of a row that says something else, where they count.

use crate::common::{PHONE, World};
use crate::on_both;
use axum::http::StatusCode;
use domain::party::Party;
use dossier::files::{Format, JsonLines, Kind, Table, parse_row};
use dossier::flows::activate::{Activated, activate};
use dossier::flows::idempotency::Answer;
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::masterdata::{Taking, parties};
use dossier::flows::{RowOutcome, sites};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Cursor;

on_both! {
    sites_are_kept_and_stay_with_their_party,
    units_are_made_at_further_sites,
    a_sale_at_a_further_site_is_its_partys,
    an_update_leaves_alone_what_its_file_does_not_speak_of,
    a_brand_stands_under_nobody,
    the_tree_has_two_tiers_and_no_circle,
}

const HEAD: &str = "code,party_code,kind,name,region,address,phone,lon,lat\n";
const WAREHOUSE: &str = "T1-53-W,T1-53,warehouse,昆明仓,530103,示例路 1 号,0871-1,102.71,25.04\n";
const SECOND_PLANT: &str = "FAC-SZ-2,FAC-SZ,plant,深圳二厂,440306,,,,\n";

/// What became of each row: `taken`, `unchanged`, or the code and field of its first refusal.
async fn told(world: &World, kind: Kind, text: &str, taking: Taking) -> Vec<String> {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let mut said = Vec::new();
    let importer = Importer::Operator(None);
    let mut on_row = |_: &_, outcome: &RowOutcome| {
        said.push(match outcome {
            RowOutcome::Taken => "taken".to_owned(),
            RowOutcome::Unchanged => "unchanged".to_owned(),
            RowOutcome::NotRecorded => "not_recorded".to_owned(),
            RowOutcome::Refused(why) => format!("{} {}", why[0].refusal.code(), why[0].field),
        });
    };
    import(&world.house, importer, &mut table, taking, &mut on_row).await.expect("it is taken");
    said
}

async fn sites_are_kept_and_stay_with_their_party(world: &World) {
    let plain = Taking::default();
    let update = Taking { update: true, ..plain };
    let both = format!("{HEAD}{WAREHOUSE}{SECOND_PLANT}");
    assert_eq!(told(world, Kind::Sites, &both, plain).await, ["taken", "taken"]);
    let version = world.house.reference_now().await.expect("rows").version;
    assert_eq!(told(world, Kind::Sites, &both, plain).await, ["unchanged", "unchanged"]);
    assert_eq!(told(world, Kind::Sites, &both, update).await, ["unchanged", "unchanged"]);
    let unchanged = world.house.reference_now().await.expect("rows").version;
    assert_eq!(unchanged, version, "equal rows change nothing");
    // In this order: the row, what is said of it, and with `update`.
    let table = [
        // A site stays with its party, a main one with the party whose code it bears.
        ("T1-53-W,T1-42,warehouse,昆明仓", "site_of_other party_code", ""),
        ("T1-53,T1-42,warehouse,云南总代", "site_of_other party_code", ""),
        ("T1-53,T1-53,shop,别名,530102", "content_differs code", ""),
        ("T1-53,T1-53,warehouse,云南总代,530102", "unchanged", ""),
        ("W9,NOBODY,warehouse,x", "unknown_party party_code", ""),
        ("W9,T1-53,warehouse,x,999999", "unknown_region region", ""),
        ("W9,T1-53,depot,x", "invalid_field kind", ""),
        ("T1-53-W,T1-53,warehouse,昆明新仓,530103", "content_differs code", "taken"),
    ];
    for (row, said, updated) in table {
        let file = format!("code,party_code,kind,name,region\n{row}\n");
        assert_eq!(told(world, Kind::Sites, &file, plain).await, [said], "{row}");
        let updated = if updated.is_empty() { said } else { updated };
        assert_eq!(told(world, Kind::Sites, &file, update).await, [updated], "{row}");
    }
    // Within one file a code means one site; a new party may not take the code of a site.
    let twice = "code,party_code,kind,name\nW2,T1-53,office,a\nW2,T1-42,office,a\n\
                 W2,T1-53,office,b\nW2,T1-53,office,a\n";
    let said = told(world, Kind::Sites, twice, plain).await;
    let expected = ["taken", "site_of_other party_code", "content_differs code", "unchanged"];
    assert_eq!(said, expected);
    let party = "code,kind,name,parent_code\nT1-53-W,shop,店,T2-53\nNEW,shop,店,T2-53\n";
    let said = told(world, Kind::Parties, party, update).await;
    assert_eq!(said, ["site_of_other code", "taken"]);
    let all = Taking { all_or_nothing: true, ..plain };
    let half = "code,party_code,kind,name\nW3,T1-53,office,a\nW4,NOBODY,office,a\n";
    let said = told(world, Kind::Sites, half, all).await;
    assert_eq!(said, ["not_recorded", "unknown_party party_code"]);
    // Another process sees the same, the main site as its party now is.
    let renamed = "code,kind,name,parent_code,region\nT1-53,tier1,云南新代,BRAND,530102\n";
    assert_eq!(told(world, Kind::Parties, renamed, update).await, ["taken"]);
    let brand = world.caller().await.brand;
    let reference = world.another().await.reference_now().await.expect("rows");
    let name = |code: &str| reference.site(brand, code).map(|s| s.name.clone());
    assert_eq!(name("T1-53-W").as_deref(), Some("昆明新仓"));
    assert_eq!(name("T1-53").as_deref(), Some("云南新代"));
    assert_eq!(name("W3"), None);
}

async fn a_brand_stands_under_nobody(world: &World) {
    for update in [false, true] {
        let taking = Taking { update, ..Taking::default() };
        for (parent, said) in [
            ("T1-53", "parent_kind parent_code"),
            ("BRAND", "parent_kind parent_code"),
            ("NOBODY", "unknown_party parent_code"),
            ("", "unchanged"),
        ] {
            let head = "code,kind,name,parent_code,region";
            let file = format!("{head}\nBRAND,brand,澄野电子,{parent},440305\n");
            assert_eq!(told(world, Kind::Parties, &file, taking).await, [said], "{parent}");
        }
        // One that comes later in the file is known, and is refused as what it is.
        let file = "code,kind,name,parent_code\nBRAND,brand,澄野电子,T1-44\nT1-44,tier1,粤,BRAND\n";
        let said = told(world, Kind::Parties, file, taking).await;
        assert_eq!(said[0], "parent_kind parent_code", "{said:?}");
    }
    world.agrees().await;
}

async fn the_tree_has_two_tiers_and_no_circle(world: &World) {
    let head = "code,kind,name,parent_code";
    let before = world.house.reference_now().await.expect("rows").version;
    for update in [false, true] {
        let taking = Taking { update, ..Taking::default() };
        for (row, said) in [
            ("N,tier1,n,T1-42", "parent_kind parent_code"),
            ("N,tier1,n,FAC-SZ", "parent_kind parent_code"),
            ("N,tier2,n,BRAND", "parent_kind parent_code"),
            ("N,tier2,n,T2-53", "parent_kind parent_code"),
            ("N,tier2,n,SHOP-53", "parent_kind parent_code"),
            ("N,shop,n,SHOP-53", "parent_kind parent_code"),
            ("N,shop,n,FAC-SZ", "parent_kind parent_code"),
            ("N,factory,n,T1-42", "parent_kind parent_code"),
            ("N,service_centre,n,FAC-SZ", "parent_kind parent_code"),
            ("N,recycler,n,T2-53", "parent_kind parent_code"),
            ("N,platform,n,T1-42", "parent_kind parent_code"),
            ("N,regulator,n,SHOP-53", "parent_kind parent_code"),
            // Those that stand there already are not hung elsewhere either.
            ("T2-53,tier2,昆明二级,BRAND", "parent_kind parent_code"),
            ("T1-53,tier1,云南总代,T1-42", "parent_kind parent_code"),
            // A party under itself.
            ("T1-53,tier1,云南总代,T1-53", "parent_cycle parent_code"),
            // What stands there stays of its kind, the brand's own party too.
            ("T1-53,shop,云南总代,T2-53", "kind_stays kind"),
            ("T1-53,brand,云南总代,", "kind_stays kind"),
            ("FAC-SZ,service_centre,深圳工厂,BRAND", "kind_stays kind"),
            ("BRAND,tier1,澄野电子,", "kind_stays kind"),
            ("N,tier2,n,N", "unknown_party parent_code"),
        ] {
            let file = format!("{head}\n{row}\n");
            assert_eq!(told(world, Kind::Parties, &file, taking).await, [said], "{row}");
        }
        let bare = "code,kind,name\nBRAND,tier1,澄野电子\n";
        assert_eq!(told(world, Kind::Parties, bare, taking).await, ["kind_stays kind"]);
    }
    let after = world.house.reference_now().await.expect("rows").version;
    assert_eq!(after, before, "what is refused changes nothing");
    let rows = ["N1,tier1,n,BRAND", "N2,tier2,n,N1", "N3,shop,n,N2", "N4,shop,n,BRAND"];
    let file = format!("{head}\n{}\n", rows.join("\n"));
    assert_eq!(told(world, Kind::Parties, &file, Taking::default()).await, ["taken"; 4]);
    world.agrees().await;
}

async fn an_update_leaves_alone_what_its_file_does_not_speak_of(world: &World) {
    let plain = Taking::default();
    let update = Taking { update: true, ..plain };
    let gtin = "6929141700027";
    let whole = format!(
        "gtin,name_zh,category,model,maker,standards,certificate_body,certificate_from_on,\
         list_price_yuan\n{gtin},手表,smart_watch,W1,澄野,GB 1|GB 2,CQC,2026-01-01,999\n"
    );
    assert_eq!(told(world, Kind::Products, &whole, plain).await, ["taken"]);
    // The same without some columns says nothing new; an empty cell says that there is nothing.
    let head = "gtin,name_zh,category,maker,list_price_yuan";
    let price =
        |maker: &str, yuan: u32| format!("{head}\n{gtin},手表,smart_watch,{maker},{yuan}\n");
    assert_eq!(told(world, Kind::Products, &price("澄野", 999), plain).await, ["unchanged"]);
    let differs = ["content_differs gtin"];
    assert_eq!(told(world, Kind::Products, &price("澄野", 899), plain).await, differs);
    assert_eq!(told(world, Kind::Products, &price("", 899), update).await, ["taken"]);
    let early =
        format!("gtin,name_zh,category,certificate_to_on\n{gtin},手表,smart_watch,2025-01-01\n");
    let refused = ["invalid_field certificate_to_on"];
    assert_eq!(told(world, Kind::Products, &early, update).await, refused);
    let brand = world.caller().await.brand;
    let reference = world.house.reference_now().await.expect("rows");
    let product = reference.product(brand, &format!("0{gtin}")).expect("it is there");
    assert_eq!((product.model.as_str(), product.standards.len()), ("W1", 2));
    assert_eq!((product.maker.as_str(), product.list_price_fen), ("", Some(89_900)));
    assert_eq!(product.certification.body, "CQC");
    // Parties and sites likewise; a party stays under the one above it.
    told(world, Kind::Sites, &format!("{HEAD}{WAREHOUSE}"), plain).await;
    let party = "code,kind,name\nT2-53,tier2,新名\n";
    assert_eq!(told(world, Kind::Parties, party, update).await, ["taken"]);
    let site = "code,party_code,kind,name,phone\nT1-53-W,T1-53,warehouse,新仓,\n";
    assert_eq!(told(world, Kind::Sites, site, update).await, ["taken"]);
    let before = reference.party(brand, "T2-53").expect("it was there").clone();
    let reference = world.house.reference_now().await.expect("rows");
    let after = reference.party(brand, "T2-53").expect("it is there");
    assert_eq!(*after, Party { name: "新名".to_owned(), ..before });
    let site = reference.site(brand, "T1-53-W").expect("it is there");
    let told = (site.address.as_str(), site.phone.as_str(), site.point);
    assert_eq!(told, ("示例路 1 号", "", Some((102.71, 25.04))));
}

async fn units_are_made_at_further_sites(world: &World) {
    world.take(Kind::Sites, &format!("{HEAD}{WAREHOUSE}{SECOND_PLANT}")).await;
    let made = |sn: &str, site: &str| {
        format!("sn,gtin,produced_at,site_code\n{sn},{PHONE},2026-05-20T08:00:00+08:00,{site}\n")
    };
    let plain = Taking::default();
    for (sn, site, said) in [
        ("P2", "FAC-SZ-2", "taken"),
        ("P2", "FAC-SZ-2", "unchanged"),
        ("P2", "FAC-SZ", "sn_taken sn"),
        ("P3", "T1-53-W", "not_a_maker site_code"),
        ("P3", "FAC-SZ-3", "unknown_site site_code"),
    ] {
        let found = told(world, Kind::Production, &made(sn, site), plain).await;
        assert_eq!(found, [said], "{sn} at {site}");
    }
    // The goods start with the party of the site.
    let paper = "shipment_no,from_code,to_code,happened_at,subject\n\
                 S1,FAC-SZ,T1-53,2026-05-21T08:00:00+08:00,P2\n";
    assert_eq!(told(world, Kind::Shipments, paper, plain).await, ["taken"]);
    world.agrees().await;
}

async fn a_sale_at_a_further_site_is_its_partys(world: &World) {
    let rows = "S53-2,SHOP-53,shop,昆明二店,530111,,,,\nW42,T1-42,warehouse,汉口仓,420103,,,,\n";
    world.take(Kind::Sites, &format!("{HEAD}{rows}")).await;
    world.make(&["A1", "A2", "A3"].map(str::to_owned)).await;
    let row = |sn: &str| format!("S1,FAC-SZ,T1-53,2026-05-21T08:00:00+08:00,{sn}\n");
    let head = "shipment_no,from_code,to_code,happened_at,subject\n";
    let rows = format!("{head}{}{}{}", row("A1"), row("A2"), row("A3"));
    world.take(Kind::Shipments, &rows).await;
    let caller = world.caller().await;
    for (sn, store, other, unknown) in
        [("A1", "S53-2", false, false), ("A2", "W42", true, false), ("A3", "S53-3", false, true)]
    {
        let mut report = crate::common::report("sn", sn, "device");
        report.signals.store_code = Some(store.to_owned());
        let render = |a: &Activated| {
            let kinds: Vec<_> = a.findings.iter().map(|f| f.kind.as_str()).collect();
            Answer::new(200, format!("{kinds:?} {:?}", a.reasons))
        };
        let answer = activate(&world.house, Some(&caller), &report, None, &render).await;
        let reply = answer.expect("it is recorded").reply;
        assert_eq!(reply.contains("other_channel"), other, "{store}: {reply}");
        assert_eq!(reply.contains("store_code_unknown"), unknown, "{store}: {reply}");
    }
}

/// Code and field of the first problem of the first row.
fn problem(answer: &str) -> Option<(String, String)> {
    let row: Value = serde_json::from_str(answer.lines().next()?).ok()?;
    let problem = row.pointer("/problems/0")?;
    Some((problem["code"].as_str()?.to_owned(), problem["field"].as_str()?.to_owned()))
}

#[tokio::test]
async fn sites_are_entered_and_listed_by_whom_they_concern() {
    let world = crate::support::house().await;
    let path = "/api/v1/import/sites?update=true";
    let table = [
        ("T1", "W1,T1,warehouse,Mine", Some("party_code")),
        ("T1", "W1,FAC,warehouse,Theirs", Some("party_code")),
        ("T2A", "W1,T2A,warehouse,Mine", Some("party_code")),
        ("FAC", "W1,FAC,warehouse,Mine", Some("party_code")),
        ("T1", "W1,T2A,warehouse,Below", None),
        ("T1", "W1,T2A,warehouse,Renamed", None),
        ("BRAND", "W2,T1,warehouse,Store", None),
        ("T1", "W2,T1,warehouse,Renamed", Some("code")),
        ("T1", "W2,T2A,warehouse,Mine now", Some("code")),
        ("T1", "FAC,T2A,plant,Mine now", Some("code")),
        ("BRAND", "F2,FAC,plant,Second", None),
    ];
    for (who, row, field) in table {
        let key = world.key(who, "master").await;
        let csv = format!("code,party_code,kind,name\n{row}\n");
        let reply = key.send("POST", path, "text/csv", &csv).await;
        reply.expect(StatusCode::OK);
        let expected = field.map(|f| ("not_allowed".to_owned(), f.to_owned()));
        assert_eq!(problem(&reply.text), expected, "{who} {csv}{}", reply.text);
    }
    let codes = |reply: &crate::support::Reply| -> Vec<String> {
        let items = reply.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|i| i["code"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for (who, expected) in [
        ("BRAND", &["BRAND", "FAC", "FAC2", "SVC", "T1", "T2A", "T2B", "W1", "W2", "F2"][..]),
        ("T1", &["T1", "T2A", "T2B", "W1", "W2"]),
        ("T2A", &["T2A", "W1"]),
        ("FAC", &["FAC", "F2"]),
    ] {
        let reply = world.key(who, "read").await.get("/api/v1/sites").await;
        reply.expect(StatusCode::OK);
        assert_eq!(codes(&reply), expected, "{who}");
    }
    world
        .key("T1", "ship")
        .await
        .get("/api/v1/sites")
        .await
        .refused(StatusCode::FORBIDDEN, "not_allowed");
    world.anyone().get("/api/v1/sites").await.expect(StatusCode::UNAUTHORIZED);
    let brand = world.client("master,read,produce").await;
    let page = brand.get("/api/v1/sites?limit=9").await;
    assert_eq!(codes(&page).len(), 9);
    let next = page.json["next_cursor"].as_str().expect("there is more").to_owned();
    let page = brand.get(&format!("/api/v1/sites?limit=9&cursor={next}")).await;
    assert_eq!((codes(&page), &page.json["next_cursor"]), (vec!["F2".to_owned()], &Value::Null));
    let f2 = &page.json["items"][0];
    assert_eq!((&f2["party_code"], &f2["kind"]), (&json!("FAC"), &json!("plant")));
    // What is listed can be sent back and changes nothing, main sites included.
    let all = brand.get("/api/v1/sites").await;
    let items = all.json["items"].as_array().cloned().unwrap_or_default();
    let lines: Vec<_> = items.iter().map(ToString::to_string).collect();
    let reply = brand.send("POST", path, "application/x-ndjson", &lines.join("\n")).await;
    let last: Value = serde_json::from_str(reply.text.lines().last().unwrap_or_default()).unwrap();
    assert_eq!(last["summary"]["unchanged"], 10, "{}", reply.text);
}

#[derive(Clone, Debug)]
enum Step {
    Site { code: usize, party: usize, name: usize, update: bool },
    Party { code: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_usize, 0..3_usize, 0..2_usize, any::<bool>())
            .prop_map(|(code, party, name, update)| Step::Site { code, party, name, update }),
        1 => (0..5_usize).prop_map(|code| Step::Party { code }),
    ]
}

const CODES: [&str; 5] = ["X1", "X2", "X3", "T2A", "FAC"];
const NAMES: [&str; 2] = ["a", "b"];
const PARTIES: [&str; 3] = ["FAC", "T2A", "T1"];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever is sent in whatever order: a code means one site, a site keeps its party, a main
    /// site bears its party's code.
    #[test]
    fn no_order_of_rows_takes_a_site_from_its_party(
        steps in prop::collection::vec(step(), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = crate::support::house().await;
            let house = &world.house;
            let caller = operator(house, None).await.unwrap();
            let mut owners = std::collections::HashMap::new();
            for step in steps {
                let (kind, row, update) = match step {
                    Step::Site { code, party, name, update } => (
                        Kind::Sites,
                        json!({"code": CODES[code], "party_code": PARTIES[party],
                            "kind": "office", "name": NAMES[name]}),
                        update,
                    ),
                    Step::Party { code } => (
                        Kind::Parties,
                        json!({"code": CODES[code], "kind": "shop", "name": "a",
                            "parent_code": "T2A"}),
                        false,
                    ),
                };
                let zone = jiff::tz::TimeZone::UTC;
                let raw = JsonLines::new(kind).row(1, row.to_string().as_bytes());
                let taking = Taking { update, ..Taking::default() };
                match parse_row(&raw, &zone).unwrap() {
                    dossier::files::Draft::Site(draft) => {
                        sites::sites(house, &caller, &[draft], taking).await.unwrap();
                    }
                    dossier::files::Draft::Party(draft) => {
                        parties(house, &caller, &[draft], taking).await.unwrap();
                    }
                    other => panic!("{other:?}"),
                }
                let reference = house.reference_now().await.unwrap();
                let mut seen = std::collections::HashSet::new();
                for site in reference.sites(caller.brand) {
                    assert!(seen.insert(site.code.clone()), "{} twice", site.code);
                    let owner = owners.entry(site.id).or_insert(site.party);
                    assert_eq!(*owner, site.party, "{} went over", site.code);
                }
                for party in reference.tree.iter() {
                    let main = reference.site(caller.brand, &party.code);
                    assert_eq!(main.map(|s| s.party), Some(party.id), "{}", party.code);
                }
            }
        });
    }
}
