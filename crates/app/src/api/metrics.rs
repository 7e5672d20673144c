//! `/metrics`: numbers for whoever operates the process, in Prometheus' text format.
//!
//! Only for addresses the operator named (loopback unless said otherwise), judged by the other end
//! of the connection and by nothing that a request says of itself. A request that came through a
//! proxy is nobody's who may look, wherever the proxy stands: its other end is not the asker. To
//! everybody else there is nothing at this address.

use super::counts::{head, line};
use super::gate::{Counted, Peer};
use crate::flows::{House, gauges};
use crate::machine::{Process, this_process};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use store::engine::Load;

/// How long the store is waited for: a scrape must not hang with it.
const STORE_WITHIN: Duration = Duration::from_secs(3);
/// Headers that proxies add, and no scraper.
const OF_PROXIES: [&str; 4] = ["x-forwarded-for", "forwarded", "via", "x-real-ip"];

/// The numbers.
pub(super) async fn show_metrics(
    State(house): State<Arc<House>>,
    Counted(gate): Counted,
    request: Request,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let (Some(peer), Some(gate)) = (peer, gate) else {
        return super::routes::lost(State(house), request).await;
    };
    if came_through(request.headers()) || !gate.may_watch(peer) {
        return super::routes::lost(State(house), request).await;
    }
    let mut text = String::with_capacity(16 * 1024);
    let now = gauges::own(&house);
    build(now.load, &mut text);
    gate.counts().write(&mut text);
    own(&now, &mut text);
    process(&this_process(), &mut text);
    let waiting = tokio::time::timeout(STORE_WITHIN, gauges::waiting(&house)).await;
    store(waiting.ok().and_then(Result::ok), &mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn came_through(headers: &HeaderMap) -> bool {
    OF_PROXIES.iter().any(|name| headers.contains_key(*name))
}

fn build(load: Load, text: &mut String) {
    let engine = match load {
        Load::Lite { .. } => "sqlite",
        Load::Pg { .. } => "postgres",
    };
    let version = env!("CARGO_PKG_VERSION");
    let labels = format!("{{version=\"{version}\",engine=\"{engine}\"}}");
    head(text, "dossier_build_info", "gauge", "What runs");
    line(text, format_args!("dossier_build_info{labels}"), 1);
}

fn one(text: &mut String, (name, kind): (&str, &str), about: &str, value: impl std::fmt::Display) {
    head(text, name, kind, about);
    line(text, format_args!("{name}"), value);
}

fn own(own: &gauges::Own, text: &mut String) {
    let dropped = "Looks at units that were dropped because too many waited";
    one(text, ("dossier_scans_dropped_total", "counter"), dropped, own.scans_dropped);
    let waiting = "Units whose looks wait to be written";
    one(text, ("dossier_scans_waiting", "gauge"), waiting, own.scans_waiting);
    let name = "dossier_glances_total";
    head(text, name, "counter", "What the public asked about, by where it was found");
    line(text, format_args!("{name}{{in=\"memory\"}}"), own.glances.0);
    line(text, format_args!("{name}{{in=\"store\"}}"), own.glances.1);
    let age = "Since this process last saw everything sealed and the head signed";
    let seconds = format!("{:.3}", own.sealed_ago.as_secs_f64());
    one(text, ("dossier_log_head_age_seconds", "gauge"), age, seconds);
    let name = "dossier_webhook_messages_total";
    head(text, name, "counter", "Messages to webhooks this process sent, by what became of them");
    line(text, format_args!("{name}{{outcome=\"delivered\"}}"), own.webhooks.delivered);
    line(text, format_args!("{name}{{outcome=\"failed\"}}"), own.webhooks.failed);
    let given_up = "Events that were given up for a webhook";
    one(text, ("dossier_webhook_given_up_total", "counter"), given_up, own.webhooks.given_up);
    let off = "Webhooks that this process switched off because of failures";
    let name = "dossier_webhook_switched_off_total";
    one(text, (name, "counter"), off, own.webhooks.switched_off);
    match own.load {
        Load::Lite { log_pages } => {
            let about = "Pages of 4 KiB in SQLite's write-ahead log";
            one(text, ("dossier_sqlite_log_pages", "gauge"), about, log_pages);
        }
        Load::Pg { writing, streaming } => {
            let name = "dossier_postgres_connections_busy";
            head(text, name, "gauge", "Connections at work, of 8 each");
            line(text, format_args!("{name}{{for=\"writing\"}}"), writing);
            line(text, format_args!("{name}{{for=\"streaming\"}}"), streaming);
        }
    }
}

fn store(waiting: Option<gauges::Waiting>, text: &mut String) {
    let up = "Whether the store answered";
    one(text, ("dossier_store_up", "gauge"), up, u8::from(waiting.is_some()));
    let Some(waiting) = waiting else { return };
    let about = "Events that are no entries of the log yet";
    one(text, ("dossier_log_unsealed", "gauge"), about, waiting.unsealed);
    let about = "Entries under the signed head of the log";
    one(text, ("dossier_log_signed_entries", "gauge"), about, waiting.signed);
    let about = "Jobs in the outbox, due or not";
    one(text, ("dossier_outbox_waiting", "gauge"), about, waiting.outbox);
    let about = "How long the first job of the outbox is overdue";
    let late = format!("{:.3}", waiting.outbox_late.as_secs_f64());
    one(text, ("dossier_outbox_late_seconds", "gauge"), about, late);
    let (name, standing) = ("dossier_webhooks", waiting.webhooks);
    head(text, name, "gauge", "Webhooks, by how they stand");
    line(text, format_args!("{name}{{state=\"active\"}}"), standing.active);
    line(text, format_args!("{name}{{state=\"retrying\"}}"), standing.retrying);
    line(text, format_args!("{name}{{state=\"off\"}}"), standing.off);
    let about = "Entries of the log that the webhook furthest behind has not looked at";
    one(text, ("dossier_webhook_behind_entries", "gauge"), about, standing.behind);
}

fn process(process: &Process, text: &mut String) {
    let known = [
        ("process_resident_memory_bytes", "Memory in use", process.resident_bytes),
        ("dossier_process_own_memory_bytes", "Memory without file pages", process.own_bytes),
        ("process_open_fds", "Open files and sockets", process.open_files),
        ("process_max_fds", "As many may be open", process.open_files_max),
        ("process_threads", "Threads", process.threads),
    ];
    for (name, about, value) in known {
        if let Some(value) = value {
            one(text, (name, "gauge"), about, value);
        }
    }
}
