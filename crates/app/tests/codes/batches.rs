//! How codes are minted, and what becomes of those of a batch once it is voided, delivered or
//! written out.

use crate::common::server::Place;
use crate::common::{FACTORY, PHONE, World, sns, sscc};
use crate::on_both;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use domain::code::TraceCode;
use domain::refusal::Refusal;
use domain::verdict::Verdict;
use dossier::api::{ServeOptions, router};
use dossier::files::Kind;
use dossier::flows::batches::{self, BATCH_COUNT_MAX, CodeStream, Mint};
use dossier::flows::dossier::dossier;
use dossier::flows::find::{self, CodeFound, unit_number};
use dossier::flows::lifecycle::bind_alias;
use dossier::flows::verify::{Depth, Reading, read, verify};
use dossier::flows::{FlowError, Scope, custody, keys};
use std::sync::Arc;
use store::engine::Row;
use store::reference::{Batch, BatchState, Purpose};
use tower::ServiceExt;

on_both! {
    a_batch_of_any_size_is_one_row,
    the_odds_of_a_guess_are_told,
    void_codes_are_not_drawn,
    what_sends_no_code_changes_nothing,
    a_number_has_one_code_whatever_epochs_begin,
    voiding_passes_over_codes_that_units_wear,
    a_label_that_replaced_another_is_no_second_unit,
    voided_ranges_may_repeat_and_overlap,
    a_void_batch_is_not_delivered,
    nothing_is_drawn_from_what_left_the_house,
    who_only_reads_codes_changes_no_batch,
    the_last_delivery_says_who_reads_the_codes,
    a_code_is_drawn_only_where_it_may_be_printed,
}

async fn mint(world: &World, purpose: Purpose, count: i64) -> Batch {
    let caller = world.caller().await;
    let reference = world.house.reference_now().await.expect("it reads");
    let product = reference.product(caller.brand, "06929141700010").map(|p| p.id);
    let order = Mint { product, purpose, count, scratch: false };
    batches::mint(&world.house, &caller, order).await.expect("it is minted")
}

fn code(world: &World, batch: &Batch, place: i64) -> TraceCode {
    world.house.ring().encode(unit_number(batch.first + place))
}

async fn make(world: &World, sn: &str, code: Option<TraceCode>) {
    let code = code.map(|c| c.as_str().to_owned()).unwrap_or_default();
    world
        .take(
            Kind::Production,
            &format!(
                "sn,gtin,produced_at,site_code,code\n\
                 {sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{code}\n"
            ),
        )
        .await;
}

async fn void(
    world: &World,
    batch: &Batch,
    range: Option<(i64, i64)>,
) -> Result<batches::Voided, FlowError> {
    let caller = world.caller().await;
    let range = range.map(|(a, b)| (code(world, batch, a), code(world, batch, b)));
    batches::void(&world.house, &caller, batch.id(), range, "a lost reel").await
}

async fn verdict(world: &World, code: &TraceCode) -> Verdict {
    let mut reference = world.house.reference_now().await.expect("it reads");
    let reading = read(&world.house, &mut reference, None, code.as_str(), None).await;
    let Ok(Reading::Number(number, reading)) = reading else { panic!("{reading:?}") };
    let told = verify(&world.house, &reference, (reading, Some(number)), Depth::Whole).await;
    told.expect("the store answers").decision.verdict
}

async fn voiding_passes_over_codes_that_units_wear(world: &World) {
    let batch = mint(world, Purpose::Printed, 10).await;
    let at = |place| code(world, &batch, place);
    make(world, "WORN1", Some(at(2))).await;
    let caller = world.caller().await;
    let worn = world.unit("WORN1").await;
    bind_alias(&world.house, &caller, worn, at(3).as_str()).await.expect("it is free");
    assert!(crate::common::start(&world.house, "code", at(4).as_str(), "a copy").await);

    for (range, worn) in [((1, 5), 2), ((3, 3), 1), ((4, 5), 0), ((2, 3), 2)] {
        let voided = void(world, &batch, Some(range)).await.expect("it is voided");
        assert_eq!(voided.bound_count, worn, "made with it or relabelled, {range:?}");
    }
    let expected = [
        (0, Verdict::NotReleased),
        (1, Verdict::Retired),
        (2, Verdict::NotActivated),
        (3, Verdict::NotActivated),
        (4, Verdict::Retired),
        (5, Verdict::Retired),
    ];
    for (place, verdict_expected) in expected {
        assert_eq!(verdict(world, &at(place)).await, verdict_expected, "code {place}");
    }
    let whole = void(world, &batch, None).await.expect("it is voided");
    assert_eq!((whole.bound_count, whole.batch.state), (2, BatchState::Void));
    assert_eq!(verdict(world, &at(2)).await, Verdict::NotActivated);
    assert_eq!(verdict(world, &at(9)).await, Verdict::Retired);
    let (place, id) = (Place::new(&world.target, world.scratch.path()), batch.id.to_string());
    let told = place.run(&["batch", "void", id.as_str(), "--reason", "once more"]);
    assert_eq!(told, format!("the 10 codes of batch {id} are void, but for 2 that units wear\n"));
    // The record of the worn one is known when it comes again.
    let again = format!(
        "sn,gtin,produced_at,site_code,code\n\
         WORN1,{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{}\n",
        at(2).as_str()
    );
    let report = world.take(Kind::Production, &again).await;
    assert_eq!((report.taken, report.unchanged), (0, 1));
    world.agrees().await;
}

async fn voided_ranges_may_repeat_and_overlap(world: &World) {
    let batch = mint(world, Purpose::Printed, 20).await;
    for range in [(5, 7), (5, 7), (5, 9), (3, 6), (12, 13), (0, 19), (4, 4)] {
        void(world, &batch, Some(range)).await.expect("voiding repeats and overlaps");
        let found = find::code(&world.house, code(world, &batch, range.0).as_str()).await;
        assert!(matches!(found, Ok(CodeFound::Void(_))), "{range:?}");
    }
    let outside = void(world, &mint(world, Purpose::Printed, 1).await, Some((0, 1))).await;
    assert!(outside.is_err());
    for _ in 0..2 {
        void(world, &batch, None).await.expect("a batch may be voided twice");
    }
}

async fn a_void_batch_is_not_delivered(world: &World) {
    let (caller, batch) = (world.caller().await, mint(world, Purpose::Printed, 5).await);
    make(world, "FIRST", Some(code(world, &batch, 0))).await;
    void(world, &batch, Some((1, 2))).await.expect("it is voided");
    let delivered = batches::deliver(&world.house, &caller, batch.id(), "printer").await;
    let delivered = delivered.expect("part of it is good");
    // Whoever is sent the codes is not sent those that are void.
    let reference = world.house.reference_now().await.expect("it reads");
    let all = delivered.first..delivered.end();
    let mut stream =
        CodeStream::new(&world.house, &reference, &delivered, String::new(), all.clone());
    let mut written = Vec::new();
    while let Some((_, run)) = stream.next_codes() {
        written.extend_from_slice(run);
    }
    assert_eq!(written, [0, 3, 4].map(|place| code(world, &batch, place)));
    let gone = void(world, &batch, None).await.expect("it is voided").batch;
    let mut stream = CodeStream::new(&world.house, &reference, &gone, String::new(), all);
    assert!(stream.next_codes().is_none());
    let refused = batches::deliver(&world.house, &caller, batch.id(), "printer").await;
    let Err(FlowError::Refused(refused)) = refused else { panic!("it was delivered") };
    assert_eq!(refused.refusal, Refusal::CodeVoid);
    assert_eq!(verdict(world, &code(world, &batch, 4)).await, Verdict::Retired);
    // None of this is about one unit, also not about the first of the batch.
    let number = world.unit("FIRST").await;
    let unit = world.house.store.unit_fetch(number).await.expect("it reads").expect("it is");
    let subject = custody::subject(&world.house, number, "unit").await.expect("it is");
    let facts = custody::facts(&world.house, &reference, &[&subject]).await.expect("it reads");
    let told = dossier(&world.house, &unit, &facts).await.expect("it reads");
    let kinds: Vec<_> = told.events.iter().map(|e| e.body.kind()).collect();
    assert_eq!(kinds, ["commissioned"]);
}

async fn nothing_is_drawn_from_what_left_the_house(world: &World) {
    let caller = world.caller().await;
    let house = &world.house;
    let (exported, delivered) =
        (mint(world, Purpose::Unprinted, 5).await, mint(world, Purpose::Unprinted, 5).await);
    let open = mint(world, Purpose::Unprinted, 5).await;
    make(world, "DRAWN0", None).await;
    assert_eq!(world.unit("DRAWN0").await, exported.first, "the oldest open batch");
    // One that was drawn may be shown again; one that was not is an export.
    batches::show(house, &caller, &exported, exported.first).await.expect("it is");
    make(world, "DRAWN1", None).await;
    assert_eq!(world.unit("DRAWN1").await, exported.first + 1);
    batches::show(house, &caller, &exported, exported.first + 2).await.expect("it is");
    batches::deliver(house, &caller, delivered.id(), "a printer").await.expect("it is");
    make(world, "DRAWN2", None).await;
    assert_eq!(world.unit("DRAWN2").await, open.first);
    let closed = batches::export(house, &caller, open.id(), open.numbers()).await.expect("it is");
    assert_eq!(closed.state, BatchState::Exported);
    let again = batches::export(house, &caller, open.id(), open.numbers()).await;
    again.expect("it may be written again");
    make(world, "DRAWN3", None).await;
    let next = world.unit("DRAWN3").await;
    assert!(next >= open.end(), "a new batch is minted: {next}");
    // Codes written out may still be bound by name.
    make(world, "NAMED", Some(code(world, &exported, 4))).await;
    world.agrees().await;
}

/// An auditor looks at a batch that is still drawn from: what was handed out, and it stays open.
async fn who_only_reads_codes_changes_no_batch(world: &World) {
    let (open, printed) =
        (mint(world, Purpose::Unprinted, 5).await, mint(world, Purpose::Printed, 3).await);
    let auditor = world.desk("BRAND", "codes:read").await;
    let path = |batch: &Batch, tail: &str| format!("/api/v1/batches/{}/codes{tail}", batch.id);
    let lines = async |batch: &Batch| auditor.text(&path(batch, "")).await.lines().count() - 1;
    assert_eq!(lines(&open).await, 0, "nothing was handed out");
    make(world, "DRAWN0", None).await;
    assert_eq!((lines(&open).await, lines(&printed).await), (1, 3));
    let drawn = |place| path(&open, &format!("/{}.svg", code(world, &open, place).as_str()));
    assert!(auditor.text(&drawn(0)).await.contains("<svg"));
    assert_eq!(auditor.get(&drawn(1)).await.0, 404, "nobody knows it yet");
    make(world, "DRAWN1", None).await;
    assert_eq!(world.unit("DRAWN1").await, open.first + 1, "it is drawn from as before");
    // Scratch codes are for the printer: they prove whose a unit is.
    let caller = world.caller().await;
    let order = Mint {
        product: printed.product.map(domain::id::ProductId),
        purpose: Purpose::Printed,
        count: 2,
        scratch: true,
    };
    let scratch = batches::mint(&world.house, &caller, order).await;
    let scratch = scratch.expect("it is minted");
    let printer = world.desk("BRAND", "mint").await;
    assert!(printer.text(&path(&scratch, "")).await.starts_with("code,url,scratch\n"));
    assert!(auditor.text(&path(&scratch, "")).await.starts_with("code,url\n"));
    // Who read anything is told in the trail.
    assert_eq!(reads(world, &open).await, 2);
    world.agrees().await;
}

/// How often the audit trail says that somebody read codes of a batch.
async fn reads(world: &World, batch: &Batch) -> usize {
    dossier::flows::audit::flush(&world.house).await.expect("it writes");
    let wanted = dossier::flows::audit::Wanted {
        object: Some(batch.id.to_string()),
        most: 100,
        ..Default::default()
    };
    let caller = world.caller().await;
    let told = dossier::flows::audit::list(&world.house, &caller, &wanted).await.expect("told");
    told.0.iter().filter(|record| record.verb == "read").count()
}

/// What a key of the brand's is answered: status, kind and text.
async fn asked(world: &World, scopes: &str, ask: (&str, &str)) -> (u16, String, String) {
    let brand = world.caller().await.brand;
    let scopes: Vec<_> = scopes.split(',').filter_map(Scope::parse).collect();
    let token = keys::new_key(&world.house, brand, "BRAND", &scopes, "test").await.expect("a key");
    let request = Request::builder()
        .method(ask.0)
        .uri(ask.1)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a request");
    let app = router(Arc::clone(&world.house), ServeOptions::default());
    let response = app.oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let bytes = to_bytes(response.into_body(), 8 << 20).await.expect("a body");
    (status, kind, String::from_utf8(bytes.to_vec()).expect("text"))
}

async fn what_sends_no_code_changes_nothing(world: &World) {
    let batch = mint(world, Purpose::Unprinted, 6).await;
    void(world, &batch, Some((0, 1))).await.expect("it is voided");
    let path = format!("/api/v1/batches/{}/codes", batch.id);
    let state = async || {
        let reference = world.house.reference_now().await.expect("it reads");
        reference.batch(batch.id).map(|batch| batch.state)
    };
    let csv = "text/csv; charset=utf-8";
    let svg = format!("/{}.svg", code(world, &batch, 2));
    for (method, tail, kind, text) in [
        ("HEAD", "", csv, ""),
        ("HEAD", "?format=ndjson", "application/x-ndjson", ""),
        ("HEAD", svg.as_str(), "image/svg+xml", ""),
        ("GET", "?offset=6", csv, "code,url\n"),
        ("GET", "?offset=9000000000000000000&count=3", csv, "code,url\n"),
        ("GET", "?count=2", csv, "code,url\n"),
    ] {
        let told = asked(world, "mint", (method, &format!("{path}{tail}"))).await;
        assert_eq!(told, (200, kind.to_owned(), text.to_owned()), "{method} {tail}");
        assert_eq!(state().await, Some(BatchState::Issued), "{method} {tail}");
    }
    let told = asked(world, "codes:read", ("HEAD", &format!("{path}{svg}"))).await;
    assert_eq!(told.0, 404, "nobody knows it yet");
    assert_eq!(reads(world, &batch).await, 0, "nobody read any");
    make(world, "DRAWN0", None).await;
    assert_eq!(world.unit("DRAWN0").await, batch.first + 2, "it is drawn from as before");
    let (_, _, text) = asked(world, "mint", ("GET", &format!("{path}?offset=5"))).await;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(state().await, Some(BatchState::Exported), "what is sent was handed out");
    assert_eq!(reads(world, &batch).await, 1);
    let (_, _, document) = asked(world, "mint", ("GET", "/api/openapi.json")).await;
    assert!(!document.contains("For the brand only; an unprinted"), "a receiver reads them, too");
    world.agrees().await;
}

async fn void_codes_are_not_drawn(world: &World) {
    let batch = mint(world, Purpose::Unprinted, 6).await;
    for range in [(0, 1), (3, 3), (5, 5)] {
        void(world, &batch, Some(range)).await.expect("it is voided");
    }
    for (sn, place) in [("DRAWN0", 2), ("DRAWN1", 4)] {
        make(world, sn, None).await;
        assert_eq!(world.unit(sn).await, batch.first + place, "{sn}");
    }
    make(world, "DRAWN2", None).await;
    let next = world.unit("DRAWN2").await;
    assert!(next >= batch.end(), "the rest is void, so a new batch is minted: {next}");
    world.agrees().await;
}

async fn the_odds_of_a_guess_are_told(world: &World) {
    // A million codes are minted for what names none, and numbers for packs, which are no codes.
    world.make(&sns(0..1)).await;
    let carton = sscc(1);
    let packs = format!("sscc,child,packed_at\n{carton},CY000000,2026-05-21T09:00:00+08:00\n");
    world.take(Kind::Packs, &packs).await;
    let batch = mint(world, Purpose::Printed, 3_000_000).await;
    let (_, listed) = world.desk("BRAND", "codes:read").await.get("/api/v1/batches").await;
    let mut purposes = Vec::new();
    for item in listed["items"].as_array().expect("a list") {
        let odds = item["guess_odds"].as_f64().expect("odds");
        let count = item["count"].as_f64().expect("a count");
        let codes = if item["purpose"] == "pack" { 0.0 } else { count };
        assert!((odds * 2_f64.powi(55) - codes).abs() < 0.5, "{item}");
        purposes.push(item["purpose"].as_str().expect("a word").to_owned());
    }
    assert_eq!(purposes, ["unprinted", "pack", "printed"]);
    let place = Place::new(&world.target, world.scratch.path());
    let told = place.run(&["batch", "list"]);
    let id = batch.id.to_string();
    let line = told.lines().find(|line| line.split_whitespace().next() == Some(id.as_str()));
    assert!(line.is_some_and(|line| line.contains("  1 in 12009599006  ")), "{told}");
    assert_eq!(told.matches("  1 in ").count(), 2, "{told}");
    let told = place.run(&["keys", "status"]);
    assert!(told.contains("  1 in 9007199255  "), "{told}");
}

/// Rows of whatever a mint writes or could write.
const ROWS: &str = "SELECT (SELECT COUNT(*) FROM batch) + (SELECT COUNT(*) FROM draw) \
    + (SELECT COUNT(*) FROM event) + (SELECT COUNT(*) FROM event_subject) \
    + (SELECT COUNT(*) FROM unsealed) + (SELECT COUNT(*) FROM audit_change) \
    + (SELECT COUNT(*) FROM unit) + (SELECT COUNT(*) FROM identifier)";

async fn a_batch_of_any_size_is_one_row(world: &World) {
    let brand = world.desk("BRAND", "mint").await;
    for count in [-1, 0, 1_000_000_001, i64::MAX] {
        let order = serde_json::json!({"gtin": PHONE, "count": count});
        let (status, problem) = brand.post("/api/v1/batches", &order).await;
        assert_eq!(status, 400, "{problem}");
        assert_eq!(problem["code"], "invalid_field", "{problem}");
        assert_eq!(problem["field"], "count", "{problem}");
        let why = problem["detail"].as_str().unwrap_or_default();
        assert!(why.contains("1 to 1000000000"), "{problem}");
    }
    let rows = async || {
        let counted = world.house.store.engine().query(ROWS, &[], |r: &Row<'_>| r.int(0)).await;
        counted.expect("it reads")[0]
    };
    let mut written = Vec::new();
    for count in [1, 50_000_000, BATCH_COUNT_MAX] {
        let before = rows().await;
        let batch = mint(world, Purpose::Printed, count).await;
        written.push(rows().await - before);
        let last = find::code(&world.house, code(world, &batch, count - 1).as_str()).await;
        assert!(matches!(last, Ok(CodeFound::Issued(n)) if n == batch.end() - 1), "{last:?}");
        let beyond = find::code(&world.house, code(world, &batch, count).as_str()).await;
        assert!(matches!(beyond, Ok(CodeFound::Unissued)), "{beyond:?}");
    }
    assert!(written.iter().all(|count| *count == written[0] && *count < 10), "{written:?}");
    world.agrees().await;
}

/// What the audit trail tells of a batch's deliveries, the newest first: the receiver's code before
/// and after, where that changed.
async fn deliveries(world: &World, batch: &Batch) -> Vec<Option<(String, String)>> {
    let caller = world.caller().await;
    let wanted = dossier::flows::audit::Wanted {
        object: Some(batch.id.to_string()),
        most: 100,
        ..Default::default()
    };
    let told = dossier::flows::audit::list(&world.house, &caller, &wanted).await.expect("told");
    let changed = |fields: &[store::event::FieldRow]| {
        let field = fields.iter().find(|field| field.field == "delivered_to")?;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Some((text(&field.before), text(&field.after)))
    };
    let delivered = told.0.iter().filter(|record| record.verb == "delivered");
    delivered.map(|record| changed(&record.fields)).collect()
}

async fn the_last_delivery_says_who_reads_the_codes(world: &World) {
    let batch = mint(world, Purpose::Printed, 3).await;
    let (brand, plant) =
        (world.desk("BRAND", "mint").await, world.desk(FACTORY, "codes:read").await);
    let path = format!("/api/v1/batches/{}", batch.id);
    let deliver = async |to: &str| {
        let body = serde_json::json!({"to": to});
        let (status, reply) = brand.post(&format!("{path}/deliver"), &body).await;
        assert_eq!(status, 200, "{reply}");
        reply["delivered_to"].as_str().unwrap_or_default().to_owned()
    };
    let events = async || {
        let events = world.house.store.events_fetch(batch.first).await.expect("it reads");
        events.iter().filter(|event| event.body.kind() == "batch_delivered").count()
    };
    assert_eq!(deliver(FACTORY).await, FACTORY);
    assert_eq!(deliver(FACTORY).await, FACTORY);
    assert_eq!(events().await, 1, "the same delivery again is unchanged");
    assert_eq!(plant.text(&format!("{path}/codes")).await.lines().count(), 4);
    // Somebody in words has them now: the plant finds no such batch.
    assert_eq!(deliver("some printer").await, "");
    assert_eq!(plant.get(&format!("{path}/codes")).await.0, 404);
    let reference = world.house.reference_now().await.expect("it reads");
    let kept = reference.batch(batch.id).cloned().expect("it is there");
    assert_eq!((kept.delivered_to, kept.state), (None, BatchState::Delivered));
    assert_eq!(kept.delivered_words.as_deref(), Some("some printer"));
    assert_eq!(deliver("some printer").await, "");
    assert_eq!(deliver("another printer").await, "");
    assert_eq!(events().await, 3);
    let (_, listed) = brand.get("/api/v1/batches").await;
    let listed = listed["items"].as_array().expect("a list");
    let listed = listed.iter().find(|item| item["id"] == batch.id).expect("it is listed");
    assert_eq!(listed["delivered_words"], "another printer", "{listed}");
    // A code that is mistyped by its case alone is not taken for words.
    let mistyped = serde_json::json!({"to": FACTORY.to_lowercase()});
    let (status, problem) = brand.post(&format!("{path}/deliver"), &mistyped).await;
    assert_eq!(status, 400, "{problem}");
    assert_eq!(problem["field"], "to", "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains(FACTORY)), "{problem}");
    assert_eq!(events().await, 3);
    let from = |before: &str, after: &str| Some((before.to_owned(), after.to_owned()));
    let told = deliveries(world, &batch).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], None, "no party had them");
    assert_eq!(told[1], from(FACTORY, ""));
    assert_eq!(told[2], from("", FACTORY));
    world.agrees().await;
}

async fn a_code_is_drawn_only_where_it_may_be_printed(world: &World) {
    let (batch, other) =
        (mint(world, Purpose::Printed, 5).await, mint(world, Purpose::Printed, 5).await);
    let brand = world.desk("BRAND", "mint").await;
    let ask = async |of: &Batch, place: i64, ending: &str| {
        let code = code(world, of, place);
        brand.get(&format!("/api/v1/batches/{}/codes/{code}{ending}", batch.id)).await
    };
    void(world, &batch, Some((1, 2))).await.expect("it is voided");
    let (status, problem) = ask(&batch, 1, ".svg").await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(problem["code"], "code_void", "{problem}");
    let (status, problem) = ask(&other, 1, ".svg").await;
    assert_eq!(status, 404, "{problem}");
    assert_eq!(problem["code"], "unknown_subject", "{problem}");
    assert!(!problem.to_string().contains("commission or pack"), "{problem}");
    let (status, problem) = ask(&batch, 0, ".png").await;
    assert_eq!(status, 404, "{problem}");
    assert_eq!(problem["code"], "no_such_route", "{problem}");
    let reversed = void(world, &batch, Some((4, 3))).await;
    let Err(FlowError::Refused(refused)) = reversed else { panic!("it was voided") };
    assert_eq!(refused.reason, "the first number must not be above the last");
}

async fn a_number_has_one_code_whatever_epochs_begin(world: &World) {
    let batch = mint(world, Purpose::Printed, 5).await;
    let printed = code(world, &batch, 0);
    make(world, "OLD1", Some(printed)).await;
    let thief = world.house.ring();
    for epoch in 1..=2 {
        assert_eq!(keys::new_epoch(&world.house).await.expect("an epoch"), epoch);
        // No label changes, here or in another process.
        let newer = mint(world, Purpose::Printed, 5).await;
        assert_eq!((i64::from(newer.epoch), batch.epoch), (i64::from(epoch), 0));
        let another = world.another().await;
        for house in [&world.house, &another] {
            let code = |number| house.ring().encode(unit_number(number));
            assert_eq!(code(batch.first), printed);
            assert_eq!(code(newer.first).epoch().get(), epoch);
            let found = find::code(house, printed.as_str()).await;
            assert!(matches!(found, Ok(CodeFound::Issued(n)) if n == batch.first));
        }
        let new = code(world, &newer, 0);
        make(world, &format!("NEW{epoch}"), Some(new)).await;
        assert_eq!(verdict(world, &new).await, Verdict::NotActivated);
        // Whoever has the key of old makes no code of what is minted now, nor two of one number.
        for forged in [
            thief.encode(unit_number(newer.first)),
            world.house.ring().current().encode(unit_number(batch.first)),
        ] {
            let found = find::code(&world.house, forged.as_str()).await;
            assert!(matches!(found, Ok(CodeFound::Forged)), "{found:?}");
        }
        assert_eq!(verdict(world, &printed).await, Verdict::NotActivated);
    }
    // What is written out is what was printed.
    let reference = world.house.reference_now().await.expect("it reads");
    let range = batch.first..batch.first + 1;
    let mut stream = CodeStream::new(&world.house, &reference, &batch, String::new(), range);
    assert_eq!(stream.next_codes().map(|(_, codes)| codes.to_vec()), Some(vec![printed]));
    world.agrees().await;
}

/// What became of a unit made under a code.
async fn made(world: &World, sn: &str, code: TraceCode) -> String {
    let text = format!(
        "sn,gtin,produced_at,site_code,code\n\
         {sn},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},{}\n",
        code.as_str()
    );
    crate::common::outcomes(&world.house, Kind::Production, &text, false).await.swap_remove(0)
}

async fn a_label_that_replaced_another_is_no_second_unit(world: &World) {
    let batch = mint(world, Purpose::Printed, 60).await;
    let at = |place| code(world, &batch, place);
    make(world, "ONE", Some(at(0))).await;
    let caller = world.caller().await;
    let one = world.unit("ONE").await;
    bind_alias(&world.house, &caller, one, at(1).as_str()).await.expect("it is free");
    assert_eq!(made(world, "TWO", at(1)).await, "code_bound");
    assert!(crate::common::start(&world.house, "code", at(1).as_str(), "a device").await);
    // Both at once, in one process and in two: one of them has it.
    let houses = [Arc::clone(&world.house), world.another().await];
    for place in 2..30_i64 {
        let (label, house) = (at(place), Arc::clone(&houses[place as usize % 2]));
        let (name, by) = (label.as_str().to_owned(), caller.clone());
        let alias = tokio::spawn(async move { bind_alias(&house, &by, one, &name).await });
        let born = made(world, &format!("SN{place}"), label).await;
        let worn = alias.await.expect("it does not panic");
        match born.as_str() {
            "taken" => assert!(
                matches!(&worn, Err(FlowError::Refused(why))
                if why.refusal == Refusal::CodeBound),
                "{place}: {worn:?}"
            ),
            other => assert_eq!((other, worn.is_ok()), ("code_bound", true), "{place}"),
        }
    }
    // Nor is it made one by a first start that comes at the same moment.
    for place in 41..52_i64 {
        let (label, house) = (at(place), Arc::clone(&houses[place as usize % 2]));
        let (name, by) = (label.as_str().to_owned(), caller.clone());
        let alias = tokio::spawn(async move { bind_alias(&house, &by, one, &name).await });
        crate::common::start(&world.house, "code", label.as_str(), "a device").await;
        let worn = alias.await.expect("it does not panic");
        let number = batch.first + place;
        let born = world.house.store.unit_fetch(number).await.expect("it reads").is_some();
        assert_ne!(born, worn.is_ok(), "{place}: {worn:?}");
    }
    // What it wears it wears, also when the rest of the reel is void.
    void(world, &batch, None).await.expect("it is voided");
    for place in [0, 1] {
        bind_alias(&world.house, &caller, one, at(place).as_str()).await.expect("it wears it");
    }
    let spoilt = bind_alias(&world.house, &caller, one, at(40).as_str()).await;
    assert!(matches!(spoilt, Err(FlowError::Refused(why)) if why.refusal == Refusal::CodeVoid));
    world.agrees().await;
}
