//! The audit trail on both engines: every change of reference data and every sensitive read leaves
//! a record that its own brand can find, and that nobody changes unnoticed.

use crate::common::{Desk, PHONE, World};
use crate::on_both;
use domain::log::tree::{leaf_hash, verify_inclusion};
use domain::refusal::Refusal;
use dossier::files::{Format, Kind, RawRow, Table};
use dossier::flows::audit::{self, Record, Wanted};
use dossier::flows::doctor::{Extent, examine};
use dossier::flows::import::{Importer, import, operator};
use dossier::flows::log::{self, Paths, signed_head};
use dossier::flows::masterdata::Taking;
use dossier::flows::{Caller, RowOutcome, Scope, batches, brands, expiry, keys};
use serde_json::Value;
use std::io::Cursor;
use std::net::IpAddr;
use store::commit::{Commit, Relied};
use store::engine::{Plan, Step};
use store::reference::{BrandRow, Purpose, ReferenceChange};

on_both! {
    a_price_changed_twice_is_told_before_and_after,
    personal_fields_are_told_without_values,
    a_brand_and_its_own_party_have_one_name,
    keys_batches_and_epochs_leave_records,
    a_file_of_a_thousand_rows_is_recorded_with_its_changes,
    a_change_without_its_record_is_not_written,
    reads_leave_records_and_their_addresses_are_forgotten,
    others_see_nothing,
    pages_and_the_export_hold_everything_once,
    records_are_sealed_proven_and_watched,
}

async fn update(world: &World, kind: Kind, text: &str) {
    update_as(world, None, kind, text).await;
}

async fn update_as(world: &World, brand: Option<&str>, kind: Kind, text: &str) {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table = Table::from_reader(kind, Format::Csv, input).expect("a sound file");
    let taking = Taking { update: true, ..Taking::default() };
    let mut wrong = Vec::new();
    let mut on_row = |_: &_, outcome: &RowOutcome| {
        if matches!(outcome, RowOutcome::Refused(_)) {
            wrong.push(format!("{outcome:?}"));
        }
    };
    let importer = Importer::Operator(brand);
    import(&world.house, importer, &mut table, taking, &mut on_row).await.expect("it is taken");
    assert!(wrong.is_empty(), "{wrong:?}");
}

async fn trail(world: &World, kind: &str, object: &str) -> Vec<Record> {
    let caller = world.caller().await;
    let wanted = Wanted {
        kind: Some(kind.to_owned()),
        object: Some(object.to_owned()),
        most: audit::RECORDS_MAX,
        ..Wanted::default()
    };
    audit::list(&world.house, &caller, &wanted).await.expect("it reads").0
}

/// A record in one line: verb, then the fields that differ.
fn told(record: &Record) -> String {
    let shown = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".to_owned());
    let fields = record.fields.iter().map(|f| match f.hidden {
        true => format!(" {} *", f.field),
        false => format!(" {} {}>{}", f.field, shown(&f.before), shown(&f.after)),
    });
    record.verb.clone() + &fields.collect::<String>()
}

async fn a_price_changed_twice_is_told_before_and_after(world: &World) {
    let priced = |price: u32| {
        format!(
            "gtin,name_zh,category,maker,network_start,list_price_yuan\n\
             {PHONE},澄野 N3 Pro,phone,澄野电子,yes,{price}\n"
        )
    };
    update(world, Kind::Products, &priced(1999)).await;
    update(world, Kind::Products, &priced(1999)).await;
    update(world, Kind::Products, &priced(1899)).await;
    let found = trail(world, "product", &format!("0{PHONE}")).await;
    let lines: Vec<_> = found.iter().map(told).collect();
    assert_eq!(lines[0], "changed list_price_fen 199900>189900");
    assert_eq!(lines[1], "changed list_price_fen ->199900");
    assert!(lines[2].starts_with("created name_zh ->澄野 N3 Pro category ->phone"), "{lines:?}");
    assert_eq!(lines.len(), 3, "an equal row changes nothing: {lines:?}");
    let party = world.caller().await.party;
    assert!(found.iter().all(|r| r.actor == "cli" && r.party == Some(party)), "{found:?}");
    world.agrees().await;
}

async fn a_brand_and_its_own_party_have_one_name(world: &World) {
    let named = |names: &[&str]| {
        let rows = names.iter().map(|name| format!("BRAND,brand,{name},440305\n"));
        format!("code,kind,name,region\n{}", rows.collect::<String>())
    };
    let shown = async |name: &str| {
        // Here, and after a restart.
        let twin = world.another().await;
        for house in [&world.house, &twin] {
            let reference = house.reference_now().await.expect("rows");
            let names: Vec<_> = brands::all(&reference).iter().map(|b| b.name.clone()).collect();
            assert_eq!(names, [name]);
        }
    };
    shown("澄野电子").await;
    update(world, Kind::Parties, &named(&["澄野科技"])).await;
    update(world, Kind::Parties, &named(&["澄野科技"])).await;
    shown("澄野科技").await;
    for kind in ["brand", "party"] {
        let lines: Vec<_> = trail(world, kind, "BRAND").await.iter().map(told).collect();
        assert_eq!(lines[0], "changed name 澄野电子>澄野科技", "{kind}");
        assert!(lines[1].starts_with("created"), "{kind}: {lines:?}");
        assert_eq!(lines.len(), 2, "{kind}: an equal row changes nothing: {lines:?}");
    }
    // Who is bound to regions does nothing that is about the whole brand.
    let bound = Caller { regions: vec!["53".to_owned()], ..world.caller().await };
    let text = "code,kind,name\nBRAND,brand,别名\n".as_bytes();
    let input = Box::new(Cursor::new(text));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a table");
    let mut became = Vec::new();
    let mut on_row = |_: &RawRow, outcome: &RowOutcome| became.push(outcome.clone());
    let taking = Taking { update: true, all_or_nothing: false };
    let by = Importer::Caller(&bound);
    import(&world.house, by, &mut table, taking, &mut on_row).await.expect("it is read");
    let refused = |outcome: &RowOutcome| match outcome {
        RowOutcome::Refused(why) => why.iter().any(|r| r.refusal == Refusal::NotAllowed),
        _ => false,
    };
    assert!(became.len() == 1 && became.iter().all(refused), "{became:?}");
    shown("澄野科技").await;
    // The last row of a file counts, also where it says what was so before.
    update(world, Kind::Parties, &named(&["澄野一", "澄野科技"])).await;
    shown("澄野科技").await;
    let vouched = world.house.reference_now().await.expect("rows").sole_brand();
    assert!(vouched.is_some(), "nothing else of the brand changed");
    world.agrees().await;
}

async fn personal_fields_are_told_without_values(world: &World) {
    const PARTIES: &str = "code,kind,name,parent_code,region,phone,address\n\
        T1-53,tier1,云南总代,BRAND,530102,13800138000,翠湖路 1 号\n";
    update(world, Kind::Parties, PARTIES).await;
    let lines: Vec<_> = trail(world, "party", "T1-53").await.iter().map(told).collect();
    assert_eq!(lines[0], "changed address * phone *");
    assert!(lines[1].contains("parent ->BRAND"), "{lines:?}");
    const SITE: &str = "code,party_code,kind,name,phone\nWH-1,T1-53,warehouse,一号仓,13800138001\n";
    update(world, Kind::Sites, SITE).await;
    let lines: Vec<_> = trail(world, "site", "WH-1").await.iter().map(told).collect();
    assert_eq!(lines, ["created party ->T1-53 name ->一号仓 kind ->warehouse phone *"]);
    let mut ledger = world.house.store.ledger();
    while let Some(entry) = ledger.next().await.expect("it reads") {
        for planted in ["1380013800", "翠湖路"] {
            assert!(!entry.canonical.contains(planted), "{}", entry.canonical);
        }
    }
}

async fn keys_batches_and_epochs_leave_records(world: &World) {
    let house = &world.house;
    let caller = world.caller().await;
    let scopes = [Scope::Read, Scope::Verify];
    let token = keys::new_key(house, caller.brand, "T1-53", &scopes, "till").await.expect("a key");
    let id = token.trim_start_matches("dos_").split('.').next().expect("an id");
    dossier::flows::api_keys::revoke(house, &caller, id).await.expect("it is withdrawn");
    let lines: Vec<_> = trail(world, "api_key", id).await.iter().map(told).collect();
    assert_eq!(lines[1], "created party ->T1-53 scopes ->read verify name ->till");
    assert!(lines[0].starts_with("revoked revoked_at ->2026-06-10T"), "{lines:?}");

    let reference = house.reference().await.expect("it reads");
    let product = Some(reference.products(caller.brand)[0].id);
    let mint = batches::Mint { product, purpose: Purpose::Printed, count: 10, scratch: false };
    let batch = batches::mint(house, &caller, mint).await.expect("it is minted");
    batches::deliver(house, &caller, batch.id(), "印刷厂").await.expect("it is delivered");
    let code = house.ring().encode(domain::code::UnitNumber::new(batch.first as u64).expect("one"));
    batches::void(house, &caller, batch.id(), Some((code, code)), "lost").await.expect("voided");
    batches::void(house, &caller, batch.id(), None, "lost").await.expect("voided");
    let lines: Vec<_> =
        trail(world, "batch", &batch.id.to_string()).await.iter().map(told).collect();
    assert_eq!(lines[0], "voided state delivered>void");
    assert_eq!(lines[1], "voided void_count ->1 reason ->lost");
    assert_eq!(lines[2], "delivered state issued>delivered delivered_words ->印刷厂");
    assert!(lines[3].starts_with("minted gtin ->06929141700010 purpose ->printed count ->10"));
    assert_eq!(lines.len(), 4);

    let first: Vec<_> = trail(world, "code_key", "0").await;
    assert_eq!((first[0].actor.as_str(), first[0].verb.as_str()), ("system", "created"));
    let epoch = keys::new_epoch(house).await.expect("an epoch").to_string();
    keys::rewrap(house, &crate::common::master()).await.expect("they are sealed anew");
    let lines: Vec<_> = trail(world, "code_key", &epoch).await.iter().map(told).collect();
    assert_eq!(lines, ["rewrapped", "created"]);
    world.agrees().await;
}

async fn a_file_of_a_thousand_rows_is_recorded_with_its_changes(world: &World) {
    let mut text = "code,kind,name,parent_code,region\n".to_owned();
    for n in 0..1_000 {
        text.push_str(&format!("S-{n:04},shop,店 {n},T2-53,530102\n"));
    }
    let before = world.house.store.reference_version().await.expect("it reads");
    world.take(Kind::Parties, &text).await;
    let after = world.house.store.reference_version().await.expect("it reads");
    let caller = world.caller().await;
    let wanted = Wanted { kind: Some("party".into()), most: 1_000, ..Wanted::default() };
    let (parties, more) = audit::list(&world.house, &caller, &wanted).await.expect("it reads");
    assert!(more && parties.len() == 1_000);
    // Every shop and its main site, in as few commits as without records.
    assert!(after - before <= 2, "{}", after - before);
    let codes: std::collections::BTreeSet<_> = parties.iter().map(|r| r.object.clone()).collect();
    assert!((0..1_000).all(|n| codes.contains(&format!("S-{n:04}"))));
    world.agrees().await;
}

async fn a_change_without_its_record_is_not_written(world: &World) {
    let store = &world.house.store;
    let version = store.reference_version().await.expect("it reads");
    let row = BrandRow {
        id: 77,
        code: "X".into(),
        name: "X".into(),
        time_zone: "Asia/Shanghai".into(),
        vouched: true,
    };
    let commit = Commit {
        relies_on: vec![Relied::Reference(version)],
        reference: vec![ReferenceChange::Brand(row)],
        ..Commit::default()
    };
    let why = store.commit(&commit).await.expect_err("it is refused").to_string();
    assert!(why.contains("no audit record tells of brand X"), "{why}");
    assert_eq!(store.reference_version().await.expect("it reads"), version);
}

async fn items(desk: &Desk, query: &str) -> Vec<Value> {
    let (status, page) = desk.get(&format!("/api/v1/audit{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().expect("items").clone()
}

async fn reads_leave_records_and_their_addresses_are_forgotten(world: &World) {
    world.make(&crate::common::sns(0..1)).await;
    let desk = world.desk("BRAND", "read,audit").await;
    for path in ["/api/v1/units/CY000000", "/api/v1/alerts", "/api/v1/reports"] {
        assert_eq!(desk.get(path).await.0, 200, "{path}");
    }
    assert_eq!(desk.get("/api/v1/units/CY999999").await.0, 404);
    log::seal(&world.house).await.expect("it seals");
    assert_eq!(desk.get("/api/v1/units/CY000000/proof").await.0, 200);
    items(&desk, "?kind=product").await;
    assert_eq!(audit::flush(&world.house).await.expect("it writes"), 5);
    let found = items(&desk, "").await;
    let reads: Vec<_> = found.iter().filter(|r| r["verb"] == "read").collect();
    let kinds: Vec<_> = reads.iter().map(|r| r["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["audit", "proof", "reports", "alerts", "dossier"]);
    assert_eq!(reads[0]["object"], "kind=product");
    assert_eq!(reads[4]["object"].as_str().expect("a code").len(), 13);
    for read in &reads {
        assert!(read["actor"].as_str().is_some_and(|a| a.starts_with("key:")), "{read}");
        assert_eq!((&read["party_code"], &read["address"]), (&"BRAND".into(), &"127.0.0.1".into()));
    }
    // What came over the network brings its address beside the ledger too.
    let caller = Caller {
        address: Some(IpAddr::from([203, 0, 113, 9])),
        actor: "key:x".into(),
        ..world.caller().await
    };
    let reference = world.house.reference().await.expect("it reads");
    let product = Some(reference.products(caller.brand)[0].id);
    let mint = batches::Mint { product, purpose: Purpose::Printed, count: 1, scratch: false };
    batches::mint(&world.house, &caller, mint).await.expect("it is minted");
    let minted = items(&desk, "?actor=key:x").await;
    assert_eq!(minted[0]["address"], "203.0.113.9");
    // After their term the addresses are gone and the records stand.
    world.clock.set(world.clock.now() + jiff::SignedDuration::from_hours(181 * 24));
    assert_eq!(items(&desk, "?actor=key:x").await[0]["address"], Value::Null);
    expiry::forget(&world.house, 0..1).await.expect("it forgets");
    let after = items(&desk, "").await;
    assert!(after.len() >= found.len() && after.iter().all(|r| r["address"].is_null()));
    world.agrees().await;
}

async fn others_see_nothing(world: &World) {
    let path = "/api/v1/audit";
    let reader = world.desk("BRAND", "read").await;
    assert_eq!(reader.get(path).await.0, 403, "the scope is needed");
    for party in ["T1-53", "FAC-SZ"] {
        let desk = world.desk(party, "audit,all").await;
        for path in [path, "/api/v1/audit/export"] {
            let (status, problem) = desk.get(path).await;
            assert_eq!((status, &problem["code"]), (403, &"not_allowed".into()), "{party} {path}");
        }
    }
    let own = world.desk("BRAND", "audit").await;
    update_as(world, Some("B2"), Kind::Parties, "code,kind,name,parent_code\nB2,brand,Two,\n")
        .await;
    let brand = operator(&world.house, Some("B2")).await.expect("it stands").brand;
    let token =
        keys::new_key(&world.house, brand, "B2", &[Scope::Audit], "t").await.expect("a key");
    let two = Desk::with_token(world, token);
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let (status, page) = two.get(&format!("{path}?limit=3{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let kinds: std::collections::BTreeSet<_> =
        seen.iter().filter_map(|r| r["kind"].as_str()).collect();
    // Its own birth and key, and the key ring of the deployment.
    let expected = ["api_key", "brand", "code_key", "party", "site"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    let text = serde_json::to_string(&seen).expect("JSON");
    for foreign in ["T1-53", "BRAND", PHONE, "FAC-SZ"] {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
    // A cursor taken elsewhere opens nothing.
    let (_, page) = own.get(&format!("{path}?limit=1")).await;
    let cursor = page["next_cursor"].as_str().expect("more");
    let (_, page) = two.get(&format!("{path}?cursor={cursor}")).await;
    assert!(!page.to_string().contains("T1-53"), "{page}");
}

async fn pages_and_the_export_hold_everything_once(world: &World) {
    let desk = world.desk("BRAND", "audit,read").await;
    for _ in 0..4 {
        desk.get("/api/v1/alerts").await;
    }
    audit::flush(&world.house).await.expect("it writes");
    let all = items(&desk, "?limit=1000").await;
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let (_, page) = desk.get(&format!("/api/v1/audit?limit=3{cursor}")).await;
        seen.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let ids: std::collections::BTreeSet<_> = all.iter().map(|r| r["id"].to_string()).collect();
    assert_eq!(ids.len(), all.len());
    let text = desk.text("/api/v1/audit/export").await;
    let lines: Vec<Value> =
        text.lines().map(|l| serde_json::from_str(l).expect("a line of JSON")).collect();
    assert_eq!(lines, all);
    // From the fifth record to the second, and nothing outside.
    let at = |n: usize| all[n]["at"].as_str().expect("an instant").replace('+', "%2B");
    let within = items(&desk, &format!("?since={}&until={}", at(4), at(1))).await;
    assert_eq!(within, all[2..5]);
    assert!(items(&desk, "?actor=nobody").await.is_empty());
    for bad in ["?cursor=x", "?since=soon", "?limit=0", "?who=me", "?object=%00"] {
        assert_eq!(desk.get(&format!("/api/v1/audit{bad}")).await.0, 400, "{bad}");
    }
}

const FORGE: &str = "UPDATE event SET canonical = replace(canonical, '澄野 N3 Pro', '澄野 N9 Pro') \
    WHERE kind = 'changed' AND home = $1";
const HIDE: &str = "DELETE FROM audit_change WHERE object_kind = 'territory' AND home = $1";

async fn ill(world: &World) -> Vec<(&'static str, String)> {
    let extent = Extent { data_dir: None, all_events: true };
    let checks = examine(&world.house, extent).await.expect("the store reads");
    let ill = checks.into_iter().filter(|c| !c.ok && c.name != "geodata");
    ill.map(|c| (c.name, c.detail)).collect()
}

async fn records_are_sealed_proven_and_watched(world: &World) {
    let object = format!("0{PHONE}");
    assert_eq!(trail(world, "product", &object).await[0].position, None, "nothing is sealed yet");
    log::seal(&world.house).await.expect("it seals");
    let record = trail(world, "product", &object).await.remove(0);
    let index = record.position.expect("it is sealed");
    let head = signed_head(&world.house).await.expect("it reads").expect("it is signed").checkpoint;
    let home = domain::audit::home(world.caller().await.brand);
    let text = world.house.store.event_text(&record.id, home).await.expect("it reads");
    let leaf = leaf_hash(text.expect("it is there").as_bytes());
    let path = Paths::new(&world.house, head.size).inclusion(index).await.expect("it proves");
    assert_eq!(verify_inclusion(&leaf, index, head.size, &path, &head.root), Ok(()));
    assert_eq!(ill(world).await, []);
    let run = async |sql: &'static str| {
        let plan = Plan::new(vec![Step::run(sql, vec![home.into()])]);
        world.house.store.engine().write(plan).await.expect("the forger can write");
    };
    run(FORGE).await;
    let found = ill(world).await;
    let name = store::canonical::hex(&record.id);
    assert!(found[0].1.contains("1 of ") && found[0].1.contains(&name), "{found:?}");
    // A record hidden from the search is still in the ledger, and missed.
    run(HIDE).await;
    let report = store::rebuild::check(&world.house.store, world.scratch.path()).await;
    let report = report.expect("the rebuild runs");
    let table = report.tables.iter().find(|t| t.table == "audit_change").expect("it is compared");
    assert_eq!(table.difference_count, 3, "{table:?}");
}
