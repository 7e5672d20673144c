//! Whole files in one request: 100,000 rows to the real server, rows with much that nobody reads, a
//! workbook, files that wait for their turn, and a server that is told to stop under one.

use crate::common::server::{Client, Place, Reply, Server, anonymous_kib};
use crate::common::{FACTORY, PHONE, World};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dossier::api::{Patience, ServeOptions, router};
use dossier::flows::Scope;
use dossier::flows::keys::new_key;
use dossier::flows::turns::IMPORTS_MAX;
use futures_util::StreamExt;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

const FEW: u64 = 10_000;
const MANY: u64 = 100_000;
/// What the server may hold more at the peak of many rows than at the peak of few: room for queues
/// that are full now and were not then, a fraction of the 100 MiB and more that the rows make up.
const GROWTH_MIB_MAX: u64 = 64;

const HEADER: &str = "sn,gtin,produced_at,site_code,lot,inspection\n";

/// Rows of equal length.
fn row(n: u64) -> String {
    format!("BULK{n:08},{PHONE},2026-05-20T08:00:00+08:00,{FACTORY},LOT1,pass\n")
}

/// Sends rows of production while the answer is read. Returns it with the most the server held
/// meanwhile.
fn import(server: &Server, client: &Client, rows: Range<u64>) -> (Reply, u64) {
    let bytes = HEADER.len() + rows.clone().count() * row(0).len();
    let pieces = std::iter::once(HEADER.to_owned()).chain(rows.map(row));
    send(server, client, ("production", bytes), pieces)
}

/// Sends so many bytes of a kind of file in pieces.
fn send(
    server: &Server,
    client: &Client,
    (kind, bytes): (&str, usize),
    pieces: impl Iterator<Item = String> + Send + 'static,
) -> (Reply, u64) {
    let call = client.call("POST", &format!("/api/v1/import/{kind}"), "text/csv", bytes, "");
    let mut writer = io::BufWriter::new(call.writer());
    let sending = std::thread::spawn(move || {
        for piece in pieces {
            writer.write_all(piece.as_bytes())?;
        }
        writer.flush()
    });
    let mut peak = 0;
    let reply = call.answer_watched(|| peak = peak.max(anonymous_kib(server.id()).unwrap_or(0)));
    sending.join().expect("it does not panic").expect("the server reads to the end");
    (reply, peak)
}

/// A line for each row, in order, each taken, and the summary.
fn all_taken(reply: &Reply, count: u64) {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut lines = reply.text.lines();
    for record in 2..count + 2 {
        let line = lines.next().expect("a line for each row");
        let wanted = format!("{{\"record\":{record},\"outcome\":\"taken\",\"problems\":[]}}");
        assert_eq!(line, wanted);
    }
    let summary: Value = serde_json::from_str(lines.next().expect("a summary")).expect("JSON");
    let summary = &summary["summary"];
    assert_eq!((&summary["rows"], &summary["taken"]), (&count.into(), &count.into()), "{summary}");
    assert_eq!(summary["complete"], true, "{summary}");
    assert_eq!(lines.next(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_take_no_more_memory_than_few() {
    let world = World::sqlite().await;
    let place = Place::new(&world.target, world.scratch.path());
    let token = place.key();
    let server = Server::start(&place);
    let client = server.client(&token);
    let (reply, few) = import(&server, &client, 0..FEW);
    all_taken(&reply, FEW);
    let (reply, many) = import(&server, &client, FEW..FEW + MANY);
    all_taken(&reply, MANY);
    if cfg!(target_os = "linux") {
        assert!(few > 0, "the memory of a process can be read");
        let grown = many.saturating_sub(few) / 1024;
        assert!(grown <= GROWTH_MIB_MAX, "{few} KiB grew to {many} KiB");
    }
    drop(server);
    place.agrees();
}

/// A remark of a megabyte beside each row: nobody reads the column, and nobody holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_rows_take_no_more_memory_than_short_ones() {
    const ROWS: usize = 160;
    let world = World::sqlite().await;
    let place = Place::new(&world.target, world.scratch.path());
    let token = place.key();
    let server = Server::start(&place);
    let client = server.client(&token);
    let (reply, few) = import(&server, &client, 0..FEW);
    all_taken(&reply, FEW);
    let head = "sscc,child,packed_at,remark\n".to_owned();
    let remark = "x".repeat(1_000_000);
    let remarked = move |n: usize| format!("069291417000000003,NONE{n:04},2026-05-21,{remark}\n");
    let bytes = head.len() + ROWS * remarked(0).len();
    let pieces = std::iter::once(head).chain((0..ROWS).map(remarked));
    let (reply, many) = send(&server, &client, ("packs", bytes), pieces);
    let lines = reply.lines();
    let (summary, rows) = lines.split_last().expect("a summary");
    assert_eq!(rows.len(), ROWS, "{summary}");
    assert_eq!(summary["summary"]["refused"], ROWS, "{summary}");
    if cfg!(target_os = "linux") {
        let grown = many.saturating_sub(few) / 1024;
        assert!(grown <= GROWTH_MIB_MAX, "{few} KiB grew to {many} KiB");
    }
}

/// A workbook of one sheet, all of it text.
fn workbook(rows: &[Vec<String>]) -> Vec<u8> {
    let cell = |text: &String| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let row = |cells: &Vec<String>| {
        let cells: String = cells.iter().map(cell).collect();
        format!("<row>{cells}</row>")
    };
    let rows: String = rows.iter().map(row).collect();
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let related = |kind: &str, target: &str| {
        format!(
            "<Relationships xmlns=\"{package}\"><Relationship Id=\"rId1\" \
             Type=\"{office}/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    let book = format!(
        "<workbook xmlns:r=\"{office}\"><sheets><sheet name=\"s\" sheetId=\"1\" r:id=\"rId1\"/>\
         </sheets></workbook>"
    );
    let styles = "<styleSheet><cellXfs><xf numFmtId=\"0\"/></cellXfs></styleSheet>".to_owned();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, part) in [
        ("_rels/.rels", related("officeDocument", "xl/workbook.xml")),
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", related("worksheet", "worksheets/sheet1.xml")),
        ("xl/styles.xml", styles),
        ("xl/worksheets/sheet1.xml", sheet),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("a part");
        zip.write_all(part.as_bytes()).expect("it is written");
    }
    zip.finish().expect("an archive").into_inner()
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A workbook for a process that waits for nobody, where it need not.
async fn asked(world: &World, body: Body) -> (Router, Request<Body>) {
    let brand = world.caller().await.brand;
    let token = new_key(&world.house, brand, "BRAND", &[Scope::All], "test").await;
    let patience = Patience { answer: Duration::ZERO, ..Patience::default() };
    let options = ServeOptions { patience, ..ServeOptions::default() };
    let app = router(Arc::clone(&world.house), options);
    let request = Request::post("/api/v1/import/products")
        .header("authorization", format!("Bearer {}", token.expect("a key")))
        .header("content-type", XLSX)
        .body(body)
        .expect("a request");
    (app, request)
}

async fn answered((app, request): (Router, Request<Body>)) -> (u16, String) {
    let response = app.oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a body");
    (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_is_taken_however_long_it_waits_for_its_turn() {
    let world = World::sqlite().await;
    let caller = world.caller().await;
    let mut turns = Vec::new();
    for _ in 0..IMPORTS_MAX {
        turns.push(world.house.imports.take(&caller).await);
    }
    let line = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let mut rows = vec![line(["gtin", "name_zh", "category"])];
    rows.push(line(["6929141700027", "澄野 P20", "power_bank"]));
    rows.push(line(["6929141700011", "坏码", "phone"]));
    // What takes a while to be unpacked and looked through.
    rows.extend((0..5_000).map(|_| line(["6929141700027", "澄野 P20", "power_bank"])));
    let mut asking = std::pin::pin!(answered(asked(&world, workbook(&rows).into()).await));
    // Whoever is timed is cut off at once. The one that waits for its turn cannot be answered.
    let soon = tokio::time::timeout(Duration::from_millis(50), asking.as_mut()).await;
    assert!(soon.is_err(), "four files of its party are being taken: {soon:?}");
    drop(turns);
    let (status, text) = asking.await;
    assert_eq!(status, 200, "{text}");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (line, (record, said)) in
        lines.iter().zip([(2_u64, "taken"), (3, "refused"), (4, "unchanged")])
    {
        assert_eq!((&line["record"], &line["outcome"]), (&record.into(), &said.into()), "{line}");
    }
    let summary = &lines[lines.len() - 1]["summary"];
    let counts = ["rows", "taken", "unchanged", "refused"].map(|count| summary[count].as_u64());
    assert_eq!(counts, [5_002, 1, 5_000, 1].map(Some), "{summary}");
    assert_eq!(summary["complete"], true, "{summary}");
    let reference = world.house.reference_now().await.expect("rows");
    assert!(reference.product(caller.brand, "06929141700027").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_that_stops_coming_is_cut_off() {
    let world = World::sqlite().await;
    let begun = workbook(&[vec!["gtin".to_owned()]])[..100].to_vec();
    let begun = futures_util::stream::iter([Ok::<_, io::Error>(begun)]);
    let body = Body::from_stream(begun.chain(futures_util::stream::pending()));
    let (status, text) = answered(asked(&world, body).await).await;
    assert_eq!(status, 408, "{text}");
    assert!(text.contains("\"timeout\"") && text.contains("stopped coming"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_under_an_import_keeps_what_it_acknowledged() {
    // Two chunks: the answers to the first go out once the second is read.
    const ROWS: u64 = 4_000;
    let world = World::sqlite().await;
    let place = Place::new(&world.target, world.scratch.path());
    let token = place.key();
    let mut command = place.command(&["serve", "--limits", "off", "--listen", "127.0.0.1:0"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("it has an output");
    BufReader::new(out).read_line(&mut line).expect("it says where it listens");
    let address = line.trim().rsplit('/').next().expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a socket");
    // More is announced than ever comes, and the last row is cut where it could be a whole one.
    let rows: String = (0..ROWS).map(row).collect();
    let last = row(ROWS);
    let cut = last.strip_suffix(",LOT1,pass\n").expect("a lot and a result");
    let request = format!(
        "POST /api/v1/import/production HTTP/1.0\r\nhost: test\r\nauthorization: Bearer {token}\r\n\
         content-type: text/csv\r\ncontent-length: 9000000\r\n\r\n{HEADER}{rows}{cut}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let (mut answer, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    while !answer.ends_with(b"\"problems\":[]}\n") {
        let count = stream.read(&mut piece).expect("it answers");
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..count]);
    }
    let told = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
    assert!(told.success());
    let ending = tokio::task::spawn_blocking(move || child.wait());
    let ended = tokio::time::timeout(Duration::from_secs(120), ending).await.expect("it ends");
    assert!(ended.expect("it is waited for").expect("it has ended").success());
    let answer = String::from_utf8_lossy(&answer);
    let acknowledged = answer.lines().filter(|line| line.contains("\"taken\"")).count() as u64;
    assert!(acknowledged > 0, "{answer}");
    for n in [0, acknowledged - 1] {
        world.unit(&format!("BULK{n:08}")).await;
    }
    let brand = world.caller().await.brand.0;
    let cut = world.house.store.identifier_fetch("sn", brand, &format!("BULK{ROWS:08}")).await;
    assert_eq!(cut.expect("it reads"), None, "half a row is none");
    place.agrees();
}
