//! Reports of suspicion: what a visitor says of a code that is none of any unit is kept, listed and
//! found by what they quote, as what is said of a unit is; or it is not taken at all.

use crate::common::{self, World};
use crate::on_both;
use crate::scene::{Scene, Staff};
use axum::body::Body;
use axum::http::Request;
use domain::retention::Kept;
use dossier::files::{Format, Kind, Table};
use dossier::flows::find::unit_number;
use dossier::flows::import::{Importer, import};
use dossier::flows::masterdata::Taking;
use dossier::rules::kept;
use serde_json::{Value, json};
use std::io::Cursor;
use store::event::Body as EventBody;

on_both! {
    what_is_said_of_a_code_of_nobody_is_listed_and_found,
    what_is_said_of_a_unit_stands_among_it,
    a_code_is_kept_as_typed_within_bounds,
    nothing_is_dropped_and_a_link_can_be_followed,
    where_nobody_would_hear_of_it_nothing_is_taken,
}

/// What a visitor fills in.
const FORM: &str = "shop=some+shop&place=Suzhou&text=odd+seal";

/// Sends the form of a code's page. The code is written as an address has it.
async fn report(scene: &Scene<'_>, code: &str, form: &str) -> (u16, String) {
    let request = Request::post(format!("/d/{code}/report"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()));
    scene.ask(request.expect("a request")).await
}

/// The reference on the page of a report that was taken.
fn quoted(page: &str) -> String {
    let (_, rest) = page.split_once("<b class=\"mono\">").expect("a reference");
    rest.split('<').next().unwrap_or_default().to_owned()
}

/// What a key reads.
async fn read(staff: &Staff<'_>, path: &str) -> (u16, Value) {
    let request = Request::get(format!("/api/v1/{path}"))
        .header("authorization", format!("Bearer {}", staff.token))
        .body(Body::empty());
    let (status, text) = staff.scene.ask(request.expect("a request")).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn listed(staff: &Staff<'_>, query: &str) -> Vec<Value> {
    let (status, page) = read(staff, &format!("reports{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().expect("rows").clone()
}

/// A code with a character that was changed, and one that no batch holds.
fn of_nobody(scene: &Scene<'_>) -> [String; 3] {
    let mut forged = scene.code(0);
    let last = if forged.ends_with('2') { "3" } else { "2" };
    forged.replace_range(forged.len() - 1.., last);
    let beyond = scene.world.house.ring().encode(unit_number(1 << 39));
    [forged, beyond.as_str().to_owned(), "NOCODE".to_owned()]
}

async fn what_is_said_of_a_code_of_nobody_is_listed_and_found(world: &World) {
    let scene = Scene::new(world).await;
    let brand = scene.staff("BRAND", "read").await;
    let seller = scene.staff("T1-53", "read").await;
    let mut references = Vec::new();
    for (minute, code) in of_nobody(&scene).iter().enumerate() {
        world.clock.set(common::clock().now() + jiff::SignedDuration::from_mins(minute as i64));
        let form = format!("{FORM}&idempotency_key=k");
        let (status, page) = report(&scene, code, &form).await;
        assert_eq!(status, 200, "{code}: {page}");
        assert_eq!(report(&scene, code, &form).await.1, page, "pressed twice it is one act");
        references.push(quoted(&page));
    }
    let rows = listed(&brand, "").await;
    let told = |key: &str| rows.iter().rev().map(|row| row[key].clone()).collect::<Vec<_>>();
    assert_eq!(told("typed"), of_nobody(&scene).map(Value::from), "the newest first");
    assert_eq!(told("reference"), references);
    assert_eq!(told("code"), vec![Value::Null; 3]);
    assert_eq!(told("text"), vec![json!("odd seal | some shop | Suzhou"); 3]);
    assert!(rows.iter().all(|r| r["reported_at"].as_str().is_some_and(|at| at.len() > 18)));

    // A page after another, by cursors that know of codes of nobody.
    let (_, first) = read(&brand, "reports?limit=2").await;
    let cursor = first["next_cursor"].as_str().expect("one more");
    assert_eq!(listed(&brand, &format!("?limit=2&cursor={cursor}")).await, rows[2..]);

    for (place, reference) in references.iter().enumerate() {
        let found = listed(&brand, &format!("?reference={}", reference.to_lowercase())).await;
        assert_eq!(found[..], rows[2 - place..=2 - place], "{reference}");
        let (status, hits) = read(&brand, &format!("search?q={reference}")).await;
        let hit = &hits["items"][0];
        assert_eq!((status, &hit["kind"], &hit["id"]), (200, &json!("report"), &json!(reference)));
        let code = of_nobody(&scene)[place].clone();
        assert!(hit["label"].as_str().is_some_and(|l| l.ends_with(&code)), "{hits}");
        let (_, nothing) = read(&seller, &format!("search?q={reference}")).await;
        assert_eq!(nothing["items"], json!([]), "the brand's alone");
    }
    assert_eq!(read(&seller, "reports").await.0, 403);
    assert!(listed(&brand, "?reference=R-0000-000G").await.is_empty(), "it is no reference");

    // The words are forgotten with the code; that there was a report is not.
    world.clock.set(common::clock().now() + kept(Kept::Observation) + kept(Kept::Observation));
    let brand = scene.staff("BRAND", "read").await;
    let rows = listed(&brand, "").await;
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["typed"].is_null() && row["text"].is_null()), "{rows:?}");
    world.agrees().await;
}

async fn what_is_said_of_a_unit_stands_among_it(world: &World) {
    let scene = Scene::new(world).await;
    let brand = scene.staff("BRAND", "read").await;
    let (status, page) = report(&scene, &scene.code(1), FORM).await;
    assert_eq!(status, 200, "{page}");
    let rows = listed(&brand, "").await;
    let row = &rows[0];
    assert_eq!((&row["code"], &row["typed"]), (&json!(scene.code(1)), &Value::Null));
    let (_, hits) = read(&brand, &format!("search?q={}", quoted(&page))).await;
    assert!(hits["items"][0]["label"].as_str().is_some_and(|l| l.ends_with(&scene.code(1))));
    let events = world.house.store.events_fetch(scene.numbers[1]).await.expect("it reads");
    let said = |body: &EventBody| matches!(body, EventBody::SuspicionReported { .. });
    assert_eq!(events.iter().filter(|event| said(&event.body)).count(), 1);
    world.agrees().await;
}

async fn a_code_is_kept_as_typed_within_bounds(world: &World) {
    let scene = Scene::new(world).await;
    let brand = scene.staff("BRAND", "read").await;
    let (long, longer) = ("A".repeat(128), "A".repeat(129));
    // The address; what is answered; what is kept.
    let cases = [
        ("X8K2-9M4P%20LQ7R", 200, Some("X8K2-9M4P LQ7R")),
        ("%E4%BC%AA%E7%A0%81", 200, Some("伪码")),
        (long.as_str(), 200, Some(long.as_str())),
        (longer.as_str(), 400, None),
        ("X8K2%0A9M4P", 400, None),
        ("X8K2%1B9M4P", 400, None),
        ("%20", 400, None),
    ];
    let mut typed = Vec::new();
    for (minute, (address, answer, stays)) in cases.into_iter().enumerate() {
        world.clock.set(common::clock().now() + jiff::SignedDuration::from_mins(minute as i64));
        let (status, page) = report(&scene, address, FORM).await;
        assert_eq!(status, answer, "{address}: {page}");
        typed.extend(stays.map(|text| json!(text)));
    }
    let rows = listed(&brand, "").await;
    assert_eq!(rows.iter().rev().map(|row| row["typed"].clone()).collect::<Vec<_>>(), typed);
}

/// All that the form takes is kept, and the shop's link is one that opens it.
async fn nothing_is_dropped_and_a_link_can_be_followed(world: &World) {
    let scene = Scene::new(world).await;
    let brand = scene.staff("BRAND", "read").await;
    let start = "https://detail.tmall.com/item.htm?id=654321098765&spm=";
    let link = format!("{start}{}", "a".repeat(500 - start.len()));
    let (seen, place) = ("y".repeat(988), "z".repeat(80));
    let form = |link: &str| {
        let link = link.replace('&', "%26");
        format!("text={seen}+13800138000&shop={link}&place={place}")
    };
    for (minute, (code, link, told)) in [
        (scene.code(1), link.as_str(), link.as_str()),
        (of_nobody(&scene)[0].clone(), link.as_str(), link.as_str()),
        (scene.code(0), "https://wa.me/8613800138000", "https://wa.me/*********8000"),
    ]
    .into_iter()
    .enumerate()
    {
        world.clock.set(common::clock().now() + jiff::SignedDuration::from_mins(minute as i64));
        let (status, page) = report(&scene, &code, &form(link)).await;
        assert_eq!(status, 200, "{page}");
        let row = listed(&brand, "").await.remove(0);
        assert_eq!(row["text"], json!(format!("{seen} *******8000 | {told} | {place}")));
    }
}

async fn where_nobody_would_hear_of_it_nothing_is_taken(world: &World) {
    let scene = Scene::new(world).await;
    let brand = scene.staff("BRAND", "read").await;
    let rows = "code,kind,name,parent_code\nOTHER,brand,别家,\n";
    let input = Box::new(Cursor::new(rows.as_bytes().to_vec()));
    let mut table = Table::from_reader(Kind::Parties, Format::Csv, input).expect("a sound file");
    let who = Importer::Operator(Some("OTHER"));
    import(&world.house, who, &mut table, Taking::default(), &mut |_, _| {}).await.expect("taken");
    world.house.reference_now().await.expect("it reads");
    let forged = of_nobody(&scene)[0].clone();
    let (status, page) = report(&scene, &forged, FORM).await;
    assert_eq!(status, 422, "{page}");
    assert!(page.contains("没有保存任何内容") && page.contains("12315"), "{page}");
    assert!(!page.contains("<b class=\"mono\">") && !page.contains("<form"), "{page}");
    let asked = Request::get(format!("/d/{forged}/report")).body(Body::empty());
    let (status, page) = scene.ask(asked.expect("a request")).await;
    assert!(status == 200 && !page.contains("<form") && page.contains("12315"), "{page}");
    // Of a unit it is known whose it is.
    assert_eq!(report(&scene, &scene.code(0), FORM).await.0, 200);
    assert_eq!(listed(&brand, "").await.len(), 1);
}
