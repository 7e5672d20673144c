//! Mandatory coding and retention on both engines: which units left without a code, how the
//! certificate stands, who may look, and that nothing is dropped before its clock has run out.

use crate::common::{FACTORY, PHONE, World, sns, start};
use crate::on_both;
use domain::id::BatchId;
use domain::refusal::Refusal;
use dossier::files::Kind;
use dossier::flows::compliance::trace_clock;
use dossier::flows::recalls::{self, Chosen, Words};
use dossier::flows::{FlowError, audit, batches, custody, scans};
use jiff::Timestamp;
use serde_json::json;
use store::engine::{Plan, Step};

on_both! {
    units_that_left_without_a_code_are_counted_and_named,
    a_product_is_judged_by_the_rows_that_cover_it,
    a_regulator_sees_its_categories_alone,
    nothing_is_dropped_before_its_clock_has_run_out,
    rows_from_before_the_papers_are_still_read,
}

const BANK: &str = "6929141700034";

async fn ship(world: &World, subjects: &[String]) {
    let mut text = "shipment_no,from_code,to_code,happened_at,subject\n".to_owned();
    for subject in subjects {
        text += &format!("S1,{FACTORY},T1-53,2026-05-21T08:00:00+08:00,{subject}\n");
    }
    world.take(Kind::Shipments, &text).await;
}

async fn units_that_left_without_a_code_are_counted_and_named(world: &World) {
    world.make(&sns(0..10)).await;
    // In a carton on its way, by itself, in use without any paper; three stay in the factory.
    let mut packed = "sscc,child,packed_at\n".to_owned();
    for sn in sns(0..4) {
        packed += &format!("{},{sn},2026-05-20T10:00:00+08:00\n", crate::common::sscc(1));
    }
    world.take(Kind::Packs, &packed).await;
    ship(world, &[crate::common::sscc(1), "CY000004".to_owned(), "CY000005".to_owned()]).await;
    assert!(start(&world.house, "sn", "CY000006", "a").await);
    let brand = world.desk("BRAND", "all").await;
    let path = format!("/api/v1/compliance/{PHONE}");
    let (status, told) = brand.get(&path).await;
    assert_eq!(status, 200, "{told}");
    let coverage = &told["coverage"];
    assert_eq!((&coverage["left_count"], &coverage["coded_count"]), (&json!(7), &json!(0)));
    assert_eq!((&coverage["uncoded_count"], &coverage["coded_percent"]), (&json!(7), &json!(0.0)));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = brand.get(&format!("{path}/uncoded?limit=3{cursor}")).await;
        for item in page["items"].as_array().into_iter().flatten() {
            seen.push(item["sn"].as_str().unwrap_or_default().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, sns(0..7));
    // Codes were told, page by page, and so the trail says.
    audit::flush(&world.house).await.expect("it writes");
    let wanted = audit::Wanted { kind: Some("codes".into()), most: 100, ..Default::default() };
    let (told, _) = audit::list(&world.house, &world.caller().await, &wanted).await.expect("told");
    let gtin = format!("0{PHONE}");
    let reads = told.iter().filter(|record| record.verb == "read" && record.object == gtin);
    let mut counts: Vec<_> = reads.filter_map(|record| record.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 3, 3], "{told:?}");
    // Written out to be printed, the codes are on the labels.
    let reference = world.house.reference().await.expect("it reads");
    let batch = reference.batch_of(world.unit("CY000000").await).expect("it has one").id;
    let caller = world.caller().await;
    batches::export(&world.house, &caller, BatchId(batch), 0..i64::MAX)
        .await
        .expect("it is exported");
    let (_, told) = brand.get(&path).await;
    assert_eq!(told["coverage"]["coded_count"], 7, "{told}");
    assert_eq!(told["coverage"]["coded_percent"], 100.0);
    let (_, page) = brand.get(&format!("{path}/uncoded")).await;
    assert_eq!(page["items"], json!([]));
}

async fn bank(world: &World, columns: &str, cells: &str) {
    let text = format!(
        "gtin,name_zh,category,network_start{columns}\n{BANK},澄野移动电源,power_bank,no{cells}\n"
    );
    let input = Box::new(std::io::Cursor::new(text.into_bytes()));
    use dossier::files::{Format, Table};
    use dossier::flows::import::{Importer, import};
    let mut table = Table::from_reader(Kind::Products, Format::Csv, input).expect("a sound file");
    let taking = dossier::flows::masterdata::Taking { update: true, all_or_nothing: false };
    let mut wrong = Vec::new();
    let mut on_row = |_: &_, outcome: &dossier::flows::RowOutcome| {
        if matches!(outcome, dossier::flows::RowOutcome::Refused(_)) {
            wrong.push(format!("{outcome:?}"));
        }
    };
    let importer = Importer::Operator(None);
    import(&world.house, importer, &mut table, taking, &mut on_row).await.expect("it is taken");
    assert!(wrong.is_empty(), "{wrong:?}");
}

async fn a_product_is_judged_by_the_rows_that_cover_it(world: &World) {
    let brand = world.desk("BRAND", "all").await;
    let judged = async || {
        let (_, told) = brand.get(&format!("/api/v1/compliance/{BANK}")).await;
        let reasons = told["reasons"].as_array().cloned().unwrap_or_default();
        let codes: Vec<String> = reasons
            .iter()
            .map(|r| {
                format!("{} {}", r["compliance"].as_str().unwrap(), r["code"].as_str().unwrap())
            })
            .collect();
        (told["compliance"].as_str().unwrap_or_default().to_owned(), codes, told)
    };
    bank(world, "", "").await;
    let (whole, codes, told) = judged().await;
    assert_eq!(whole, "breach");
    assert!(codes.contains(&"breach certificate_missing".to_owned()), "{codes:?}");
    // Nobody compared the rules on what a scan shows with their source: no breach rests on them.
    assert!(codes.contains(&"attention missing_picture".to_owned()), "{codes:?}");
    let regimes = told["regimes"].as_array().cloned().unwrap_or_default();
    let named: Vec<_> = regimes.iter().map(|r| r["regime"].as_str().unwrap_or_default()).collect();
    assert_eq!(named, ["A", "A'", "B", "C", "D", "D'"], "{told}");
    let columns = ",model,maker,picture,standards,test_report,ccc_certificate,certificate_body,\
        certificate_status,certificate_from_on,certificate_to_on,service_months";
    let cells = |status: &str, to: &str| {
        format!(",P1,澄野,/p.svg,GB 31241-2022,T-1,2026010907,CQC,{status},2026-01-01,{to},36")
    };
    for (status, to, whole, code) in [
        ("valid", "2030-12-31", "ok", ""),
        ("valid", "2026-07-01", "attention", "attention certificate_expiring"),
        ("valid", "2026-06-09", "breach", "breach certificate_expired"),
        ("suspended", "2030-12-31", "breach", "breach certificate_lost"),
    ] {
        bank(world, columns, &cells(status, to)).await;
        let (found, codes, told) = judged().await;
        assert_eq!(found, whole, "{told}");
        assert!(
            code.is_empty() == codes.is_empty() && codes.iter().all(|c| c == code),
            "{codes:?}"
        );
    }
    // Consumers and platforms see the papers, and the audit trail tells of the change.
    let (_, products) = brand.get("/api/v1/products").await;
    let product = products["items"].as_array().and_then(|items| items.last()).cloned();
    let product = product.unwrap_or_default();
    assert_eq!(product["certificate_status"], "suspended", "{product}");
    assert_eq!((&product["test_report"], &product["service_months"]), (&json!("T-1"), &json!(36)));
    let (_, trail) = brand.get("/api/v1/audit?kind=product&limit=1").await;
    assert!(trail.to_string().contains("certificate_status"), "{trail}");
    let (_, list) = brand.get("/api/v1/compliance").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2), "{list}");
}

async fn a_regulator_sees_its_categories_alone(world: &World) {
    const REGULATORS: &str = "code,kind,name,parent_code,region,categories\n\
        SAMR-44,regulator,广东市监,BRAND,440000,phone|tablet\n\
        SAMR-53,regulator,云南市监,BRAND,530000,phone\nSAMR-X,regulator,无权,BRAND,,\n";
    world.take(Kind::Parties, REGULATORS).await;
    bank(world, "", "").await;
    world.make(&sns(0..2)).await;
    ship(world, &sns(0..2)).await;
    let path = format!("/api/v1/compliance/{PHONE}");
    // Made in Shenzhen: the goods are Guangdong's business, the product both provinces'.
    for (party, left_count) in [("SAMR-44", 2), ("SAMR-53", 0)] {
        let desk = world.desk(party, "read").await;
        let (_, list) = desk.get("/api/v1/compliance").await;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{party}: {list}");
        let (_, told) = desk.get(&path).await;
        assert_eq!(told["coverage"]["left_count"], left_count, "{party}: {told}");
        assert_eq!(desk.get(&format!("/api/v1/compliance/{BANK}")).await.0, 404);
    }
    let nothing = world.desk("SAMR-X", "read").await;
    assert_eq!(nothing.get("/api/v1/compliance").await.1["items"], json!([]));
    assert_eq!(nothing.get(&path).await.0, 404);
    let tier1 = world.desk("T1-53", "read").await;
    assert_eq!(tier1.get("/api/v1/compliance").await.0, 403);
    assert_eq!(tier1.get(&path).await.0, 403);
}

fn words() -> Words {
    let both = || ("x".to_owned(), String::new());
    Words { title: both(), reason: both(), action: both(), link: None }
}

async fn nothing_is_dropped_before_its_clock_has_run_out(world: &World) {
    world.make(&sns(0..4)).await;
    ship(world, &sns(0..3)).await;
    let caller = world.caller().await;
    let house = &world.house;
    let chosen = Chosen::Units(vec!["CY000002".to_owned()]);
    let recall = recalls::open(house, &caller, &words(), &chosen).await.expect("it opens");
    let mut numbers = Vec::new();
    for sn in sns(0..4) {
        let number = world.unit(&sn).await;
        let at = world.clock.now().as_microsecond();
        house.scans.note(number, scans::Audience::Consumer, at, None);
        numbers.push(number);
    }
    scans::flush(house).await.expect("they are written");
    let looks = async |number: i64| house.store.scans_count(number).await.expect("it reads");
    // Left on 21 May 2026: kept for ten years from then, which is longer than the guarantee.
    let brand = world.desk("BRAND", "all").await;
    let (_, dossier) = brand.get("/api/v1/units/CY000000?scheme=sn").await;
    let kept = &dossier["retention"];
    assert_eq!((&kept["keep_until"], &kept["basis"]), (&json!("2036-05-21"), &json!("delivery")));
    assert_eq!((&kept["policy"], &kept["held"]), (&json!("cn-trace-1"), &json!(false)));
    let (_, at_home) = brand.get("/api/v1/units/CY000003?scheme=sn").await;
    assert_eq!(at_home["retention"]["keep_until"], json!(null), "it may still be sold");
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
    world.clock.set(at("2036-05-21T15:59:00Z"));
    let last_day = trace_clock::purge(house, &caller, false).await.expect("it runs");
    assert_eq!((last_day.unit_count, last_day.over_count, last_day.row_count), (4, 0, 0));
    world.clock.set(at("2036-05-21T16:00:00Z"));
    let unit = house.store.unit_fetch(numbers[2]).await.expect("it reads").expect("it is");
    let reference = house.reference().await.expect("it reads");
    let subject = custody::Subject::Unit(Box::new(unit.clone()));
    let facts = custody::facts(house, &reference, &[&subject]).await.expect("it reads");
    let today = reference.day(caller.brand, world.clock.now());
    let held = trace_clock::may_drop(house, &reference, &unit, &facts, today).await;
    let held = held.expect_err("a recall keeps everything");
    let runs = Refusal::RetentionRuns;
    assert!(matches!(&held, FlowError::Refused(r) if r.refusal == runs), "{held:?}");
    let tried = trace_clock::purge(house, &caller, true).await.expect("it runs");
    assert_eq!((tried.over_count, tried.row_count), (2, 2));
    assert_eq!(looks(numbers[0]).await, 1, "only counted");
    let purged = trace_clock::purge(house, &caller, false).await.expect("it runs");
    assert_eq!(purged, tried);
    let mut left = Vec::new();
    for number in &numbers {
        left.push(looks(*number).await);
    }
    assert_eq!(left, [0, 0, 1, 1]);
    recalls::close(house, &caller, recall.row.id, true, "x").await.expect("it is withdrawn");
    assert_eq!(trace_clock::purge(house, &caller, false).await.expect("it runs").row_count, 1);
    // Who dropped how much is on record; what was only counted is not.
    let wanted = audit::Wanted { kind: Some("looks".into()), most: 9, ..Default::default() };
    let (records, _) = audit::list(house, &caller, &wanted).await.expect("it reads");
    let told = records.iter().map(|record| {
        let counts: Vec<_> = record.fields.iter().filter_map(|f| f.after.as_deref()).collect();
        (record.actor.as_str(), record.verb.as_str(), record.object.as_str(), counts)
    });
    let one = ("cli", "purged", "2036-05-22", vec!["1", "1"]);
    let two = ("cli", "purged", "2036-05-22", vec!["2", "2"]);
    assert_eq!(told.collect::<Vec<_>>(), [one, two]);
    // The ledger is whole, and the unit still answers.
    world.agrees().await;
    let (status, _) = brand.get("/api/v1/units/CY000000?scheme=sn").await;
    assert_eq!(status, 200);
    let tier1 = dossier::flows::Caller { party: domain::id::PartyId(3), ..caller };
    assert!(trace_clock::purge(house, &tier1, true).await.is_err());
}

async fn rows_from_before_the_papers_are_still_read(world: &World) {
    const OLD: &str = "UPDATE product SET record = $1 WHERE gtin = $2";
    const BUMP: &str = "UPDATE version SET value = value + 1 WHERE name = 'reference'";
    let record = r#"{"name_zh":"旧","name_en":"","category":"phone","model":"","spec":"",
        "maker":"","contract_maker":"","standards":[],"ccc_certificate":"","picture":"",
        "list_price_fen":null,"network_start":true}"#;
    let steps = vec![
        Step::run(OLD, vec![record.into(), format!("0{PHONE}").into()]),
        Step::run(BUMP, vec![]),
    ];
    world.house.store.engine().write(Plan::new(steps)).await.expect("it is written");
    let reference = world.house.reference_now().await.expect("it reads");
    let brand = world.caller().await.brand;
    let product = reference.product(brand, &format!("0{PHONE}")).expect("it is there");
    assert_eq!(product.name_zh, "旧");
    assert_eq!(product.certification, domain::certification::Certification::default());
}
