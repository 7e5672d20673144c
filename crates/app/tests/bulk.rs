//! 100,000 rows in one request to the real server: every row is answered, and what the server holds
//! in memory does not grow with the number of rows.

mod common;

use common::server::{Client, Place, Reply, Server, anonymous_kib};
use common::{FACTORY, PHONE, World};
use std::io::Write;
use std::ops::Range;

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

/// Sends the rows while the answer is read. Returns it with the most the server held meanwhile.
fn import(server: &Server, client: &Client, rows: Range<u64>) -> (Reply, u64) {
    let bytes = HEADER.len() + rows.clone().count() * row(0).len();
    let call = client.call("POST", "/api/v1/import/production", "text/csv", bytes, "");
    let mut writer = std::io::BufWriter::new(call.writer());
    let sending = std::thread::spawn(move || {
        writer.write_all(HEADER.as_bytes())?;
        for n in rows {
            writer.write_all(row(n).as_bytes())?;
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
    let summary: serde_json::Value =
        serde_json::from_str(lines.next().expect("a summary")).expect("JSON");
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
