//! How a text is read that could be several things, and what is looked for before it is answered.

use crate::common::server::Place;
use crate::common::{Desk, FACTORY, PHONE, World, sns};
use crate::on_both;
use domain::code::TraceCode;
use domain::verdict::CodeReading;
use dossier::files::Kind;
use dossier::flows::find::unit_number;
use dossier::flows::verify::{self, Reading};
use serde_json::{Value, json};
use store::engine::{Plan, Step};

on_both! {
    a_void_code_is_void_beside_what_else_its_text_names,
    no_table_is_searched_for_a_code_that_nobody_issued,
}

/// Codes of a batch without units.
async fn printed(desk: &Desk, count: usize) -> (Value, Vec<String>) {
    let order = json!({"gtin": PHONE, "count": count});
    let (_, batch) = desk.post("/api/v1/batches", &order).await;
    let lines = desk.text(&format!("/api/v1/batches/{}/codes", batch["id"])).await;
    let code = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
    (batch, lines.lines().skip(1).map(code).collect())
}

async fn a_void_code_is_void_beside_what_else_its_text_names(world: &World) {
    let desk = world.desk("BRAND", "all").await;
    let (batch, codes) = printed(&desk, 2).await;
    let (void, worn) = (codes[0].as_str(), codes[1].as_str());
    // Other units have these texts as their serial numbers; one of the codes is worn, too.
    let mut rows = "sn,gtin,produced_at,site_code,code\n".to_owned();
    for (sn, code) in [(void, ""), (worn, ""), ("CY000001", worn)] {
        rows += &format!("{sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{code}\n");
    }
    world.take(Kind::Production, &rows).await;
    let path = format!("/api/v1/batches/{}/void", batch["id"]);
    let (status, voided) = desk.post(&path, &json!({"reason": "a reel was lost"})).await;
    assert_eq!(status, 200, "{voided}");
    let place = Place::new(&world.target, world.scratch.path());
    // The unit that wears one is ended by a command of its own.
    for (text, verdict) in [(void, "retired"), (worn, "not_activated")] {
        let (status, alone) = desk.get(&format!("/api/v1/verify/{text}?scheme=code")).await;
        assert_eq!((status, &alone["verdict"]), (200, &json!(verdict)), "{alone}");
        let (status, both) = desk.get(&format!("/api/v1/verify/{text}")).await;
        assert_eq!(status, 300, "{both}");
        let told = |choice: usize| {
            let choice = &both["choices"][choice];
            (choice["scheme"].clone(), choice["verdict"].clone(), choice["reason"].clone())
        };
        let reason = alone["reason"].clone();
        assert_eq!(told(0), (json!("code"), json!(verdict), reason), "{both}");
        let other = (json!("sn"), json!("not_activated"), json!("awaiting_activation"));
        assert_eq!(told(1), other, "{both}");
        let shown = place.command(&["verify", text, "--json"]).output().expect("it runs");
        let shown = String::from_utf8(shown.stdout).expect("text");
        let line = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
        let lines: Vec<_> = shown.lines().map(line).collect();
        let told = |line: &Value| (line["scheme"].clone(), line["verdict"].clone());
        let expected = [(json!("code"), json!(verdict)), (json!("sn"), json!("not_activated"))];
        assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected, "{shown}");
    }
}

/// Codes that are forged or not issued yet are known by arithmetic, and by what is in memory.
async fn no_table_is_searched_for_a_code_that_nobody_issued(world: &World) {
    world.make(&sns(0..1)).await;
    let ring = world.house.ring();
    let real = ring.encode(unit_number(world.unit("CY000000").await)).as_str().to_owned();
    let letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let tails = letters.chars().flat_map(|one| letters.chars().map(move |last| (one, last)));
    let mut texts = tails.map(|(one, last)| format!("{}{one}{last}", &real[..11]));
    let is_forged =
        |text: &String| TraceCode::parse(text).is_ok_and(|code| ring.decode(&code).is_err());
    let forged = texts.find(is_forged).expect("most such texts are forged");
    let unissued = ring.encode(unit_number(1 << 39)).as_str().to_owned();
    // Its check character does not fit: a serial number may have this form.
    let typo = texts.find(|text| TraceCode::parse(text).is_err()).expect("nearly all");
    let brand = Some(world.caller().await.brand);
    let mut reference = world.house.reference_now().await.expect("it reads");
    assert!(!reference.code_like_sn);
    let away = "ALTER TABLE identifier RENAME TO away";
    let plan = Plan::new(vec![Step::run(away, Vec::new())]);
    world.house.store.engine().write(plan).await.expect("it is renamed");
    for (text, expected) in [
        (&forged, CodeReading::Forged),
        (&unissued, CodeReading::Unissued),
        (&real, CodeReading::Issued),
    ] {
        let read = verify::read(&world.house, &mut reference, brand, text, None).await;
        match read.expect("nothing is searched") {
            Reading::Nothing(reading) | Reading::Number(_, reading) => {
                assert_eq!(reading, expected, "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [typo.as_str(), "CY000000"] {
        let read = verify::read(&world.house, &mut reference, brand, text, None).await;
        assert!(read.is_err(), "{text} may be a serial number");
    }
}
