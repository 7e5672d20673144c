//! Bulk: whole files in one request, read as they come and answered row by row while they are
//! read, at constant memory.
//!
//! **How.** The body's chunks go through a short queue to a thread of their own, where the reader
//! of files waits for them; outcomes come back through another. That second queue holds some
//! megabytes, so that a client which sends everything before it reads anything (most do) is not
//! caught waiting for itself within 100,000 rows; with more it must read while it sends, or ask
//! for refused rows only.
//!
//! **How long.** A file waits for a turn of its party and for room in the process, and a workbook
//! until all of it has come: the gate does not time that. From the turn on, a client is waited for
//! no longer than [`Pace`] says.

use super::Patience;
use super::error::Problem;
use super::gate::{Counted, Keyholder};
use super::input::{Asked, At, as_it_is};
use super::rows::{ProblemReply, outcome_word, problems_of};
use crate::clock::Stopwatch;
use crate::files::{FileError, Format, Kind, RawRow, Table};
use crate::flows::import::{self, ImportError, ImportReport, Importer};
use crate::flows::masterdata::Taking;
use crate::flows::turns::TooManyWait;
use crate::flows::{Caller, House, RowOutcome, Scope};
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use utoipa::ToSchema;

/// Chunks of the body that wait for the reader.
const CHUNKS_WAITING: usize = 8;
/// Slower than this, over all of the time that we waited for its body, a client is cut off: one
/// that sends a byte now and then would hold its place for ever.
const BYTES_EACH_SECOND_MIN: u64 = 1024;
/// Outcomes are sent on in blocks of this many bytes …
const BLOCK_BYTES: usize = 32 * 1024;
/// … of which so many may wait for the client to read them: 8 MiB.
const BLOCKS_WAITING: usize = 256;
/// How often a full queue is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(2);
/// How long a client that does not read is waited for.
const RETRIES_MAX: u32 = 15_000;
/// Imports at once in one process; each has a thread.
const IMPORTS_MAX: usize = 16;
/// The route, as the gate knows it.
pub(super) const ROUTE: &str = "/api/v1/import/{kind}";

/// How long a file waits for its turn.
const TURN_WAITED_FOR: Duration = Duration::from_mins(10);
static ROOM: Semaphore = Semaphore::const_new(IMPORTS_MAX);

/// How rows are taken and answered.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// One refused row refuses all.
    #[serde(default)]
    pub all_or_nothing: bool,
    /// Existing products, parties and sites may change.
    #[serde(default)]
    pub update: bool,
    /// `all` (unless said) or `refused`: which rows are answered one by one.
    pub rows: Option<String>,
}

/// One line of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowLine {
    /// The record, header = 1; among JSON lines the line, from 1.
    pub record: usize,
    /// `taken`, `unchanged`, `refused`, `not_recorded`.
    pub outcome: &'static str,
    /// Every reason.
    pub problems: Vec<ProblemReply>,
}

/// The last line of the answer. Without it the answer is not whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryLine {
    /// How it went.
    pub summary: SummaryReply,
}

/// How an import went.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryReply {
    /// Rows looked at.
    pub rows: u64,
    /// Rows recorded.
    pub taken: u64,
    /// Rows that were recorded before.
    pub unchanged: u64,
    /// Rows refused.
    pub refused: u64,
    /// Rows that were not recorded because of a refused one: all or nothing was asked. Where that
    /// one could not be read at all, they were not judged further.
    pub not_recorded: u64,
    /// Whether the whole input was read; if not, `problem` says why.
    pub complete: bool,
    /// Why it ended early.
    #[schema(required = true)]
    pub problem: Option<Problem>,
}

/// The scope a kind of file needs.
fn scope_of(kind: Kind) -> Scope {
    match kind {
        Kind::Products | Kind::Parties | Kind::Sites | Kind::Territories => Scope::Master,
        Kind::Production | Kind::Packs => Scope::Produce,
        Kind::Shipments => Scope::Ship,
    }
}

/// Import a file: products, parties, sites, territories, production, packs or shipments.
///
/// CSV, XLSX or JSON lines by the content type. The answer is one JSON line per row and a summary
/// as the last line.
#[utoipa::path(
    post, path = "/api/v1/import/{kind}", tag = "bulk",
    params(("kind" = String, Path, description = "Kind of file"), ImportQuery),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"),
        (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    responses(
        (status = 200, description = "A line for each row, then a summary line",
            content((RowLine = "application/x-ndjson"))),
        (status = 400, description = "The file cannot be read", body = Problem),
        (status = 403, description = "Needs the scope of the kind", body = Problem),
        (status = 408, description = "The body stopped coming", body = Problem),
        (status = 413, description = "A workbook too large to be held", body = Problem),
        (status = 415, description = "None of these media types, or encoded", body = Problem),
    ),
    security(("key" = ["master"]), ("key" = ["produce"]), ("key" = ["ship"]))
)]
pub(super) async fn import_file(
    State(house): State<Arc<House>>,
    (keyholder, Counted(gate)): (Keyholder, Counted),
    At(kind): At<String>,
    Asked(query): Asked<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let kind: Kind = kind.parse().map_err(|why| Problem::invalid("kind", why))?;
    let caller = keyholder.with(scope_of(kind))?;
    let refused_only = match query.rows.as_deref() {
        None | Some("all") => false,
        Some("refused") => true,
        Some(_) => return Err(Problem::invalid("rows", "must be all or refused")),
    };
    as_it_is(&headers)?;
    let format = format_of(&headers)?;
    let taking = Taking { update: query.update, all_or_nothing: query.all_or_nothing };
    let work = Work { house, caller, kind, format, taking, refused_only };
    let silence = gate.map_or_else(Patience::default, |gate| gate.patience()).answer;
    let lines = run(work, body, silence).await?;
    let lines = futures_util::stream::unfold(lines, |mut lines| async move {
        lines.recv().await.map(|block| (Ok::<_, io::Error>(block), lines))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// What the body is said to be; without a word it is told from its first bytes.
fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let Some(media) = headers.get(header::CONTENT_TYPE) else { return Ok(Format::Auto) };
    media.to_str().ok().and_then(Format::of_media_type).ok_or_else(|| {
        let known = "send CSV as text/csv, JSON lines as application/x-ndjson, a workbook as \
                     application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        Problem::transport("unsupported_media_type").saying(known)
    })
}

struct Work {
    house: Arc<House>,
    caller: Caller,
    kind: Kind,
    format: Format,
    taking: Taking,
    refused_only: bool,
}

/// Other files of the party are before it.
fn waits_too_long(code: &'static str) -> Problem {
    let told = "other files of this party are being taken or wait for it; send this one later";
    Problem::transport(code).saying(told).later(60)
}

/// Starts the work and waits until the file's head was read: what is no file is a problem.
async fn run(work: Work, body: Body, silence: Duration) -> Result<mpsc::Receiver<Bytes>, Problem> {
    // While it waits nobody reads the connection, so a client that went away is not noticed.
    let waits = tokio::time::timeout(TURN_WAITED_FOR, async {
        let turn = work.house.imports.try_take(&work.caller).await;
        let turn = turn.map_err(|TooManyWait| waits_too_long("too_many_requests"))?;
        Ok::<_, Problem>((turn, ROOM.acquire().await.map_err(Problem::internal)?))
    });
    let (turn, room) = waits.await.map_err(|_| waits_too_long("busy"))??;
    let (input, chunks) = threads::sync_channel(CHUNKS_WAITING);
    let (output, lines) = mpsc::channel(BLOCKS_WAITING);
    let (opened, opening) = oneshot::channel();
    tokio::spawn(feed(body.into_data_stream(), Pace::new(silence), input));
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _room = (turn, room);
        let reader = ChunkReader { chunks, rest: Bytes::new(), ended: false };
        match Table::from_reader(work.kind, work.format, Box::new(reader)) {
            Err(error) => drop(opened.send(Err(of_file(&error)))),
            Ok(table) => {
                if opened.send(Ok(())).is_ok() {
                    handle.block_on(judge(work, table, output));
                }
            }
        }
    });
    opening.await.map_err(Problem::internal)??;
    Ok(lines)
}

async fn judge(work: Work, mut table: Table, output: mpsc::Sender<Bytes>) {
    let mut lines = Lines { output, block: Vec::with_capacity(BLOCK_BYTES), gone: false };
    let mut report = ImportReport::default();
    let mut on_row = |row: &RawRow, outcome: &RowOutcome| {
        report.count(outcome);
        if !work.refused_only || matches!(outcome, RowOutcome::Refused(_)) {
            let problems = problems_of(outcome);
            let (record, outcome) = (row.record, outcome_word(outcome));
            lines.write(&RowLine { record, outcome, problems });
        }
    };
    let importer = Importer::Caller(&work.caller);
    let done = import::import(&work.house, importer, &mut table, work.taking, &mut on_row).await;
    let problem = done.err().map(|error| match error {
        ImportError::File(error) => of_file(&error),
        ImportError::Flow(error) => error.into(),
        ImportError::TooManyRows => Problem::transport("too_large").saying(error.to_string()),
    });
    lines.write(&SummaryLine {
        summary: SummaryReply {
            rows: report.rows(),
            taken: report.taken,
            unchanged: report.unchanged,
            refused: report.refused,
            not_recorded: report.not_recorded,
            complete: problem.is_none(),
            problem,
        },
    });
    lines.flush();
}

fn of_file(error: &FileError) -> Problem {
    match error {
        FileError::TooManyRows
        | FileError::TooMuchText { .. }
        | FileError::XlsxTooLarge { .. }
        | FileError::CellTooLong => Problem::transport("too_large").saying(error.to_string()),
        FileError::Io(cause) if cause.kind() == io::ErrorKind::TimedOut => {
            Problem::transport("timeout").saying(error.to_string())
        }
        _ => Problem::invalid("body", error),
    }
}

/// How long a client may still keep us waiting. Only our waiting for it counts: a body that we are
/// slow to read takes as long as it takes.
struct Pace {
    silence: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    fn new(silence: Duration) -> Self {
        Self { silence, waited: Duration::ZERO, bytes: 0 }
    }

    /// How long the next piece may take: never longer than a silence, and all of them together a
    /// silence more than the slowest pace needs.
    fn patience(&self) -> Duration {
        let earned = Duration::from_secs(self.bytes / BYTES_EACH_SECOND_MIN);
        (self.silence + earned).saturating_sub(self.waited).min(self.silence)
    }

    fn came(&mut self, after: Duration, bytes: usize) {
        self.waited += after;
        self.bytes += bytes as u64;
    }
}

/// A chunk of the body, or none at its end.
type Piece = io::Result<Option<Bytes>>;

/// Hands the body's chunks to the reader's thread. A thread hop for each chunk, so that waiting
/// for the reader blocks nobody else.
async fn feed(mut body: BodyDataStream, mut pace: Pace, mut input: threads::SyncSender<Piece>) {
    loop {
        let watch = Stopwatch::start();
        let chunk = match tokio::time::timeout(pace.patience(), body.next()).await {
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the body stopped coming")),
            Ok(chunk) => chunk.transpose().map_err(io::Error::other),
        };
        let bytes = chunk.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len);
        pace.came(watch.elapsed(), bytes);
        let last = !matches!(chunk, Ok(Some(_)));
        let sent = match input.try_send(chunk) {
            Ok(()) => true,
            Err(threads::TrySendError::Disconnected(_)) => false,
            Err(threads::TrySendError::Full(chunk)) => {
                let waiting = tokio::task::spawn_blocking(move || {
                    let sent = input.send(chunk).is_ok();
                    (input, sent)
                });
                let Ok((back, sent)) = waiting.await else { return };
                input = back;
                sent
            }
        };
        if last || !sent {
            return;
        }
    }
}

/// The body as a file.
struct ChunkReader {
    chunks: threads::Receiver<Piece>,
    rest: Bytes,
    ended: bool,
}

impl Read for ChunkReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            match self.chunks.recv() {
                Ok(piece) => match piece? {
                    Some(chunk) => self.rest = chunk,
                    None => self.ended = true,
                },
                // Taken for the end of the file, a row cut in half would be taken for a whole one.
                Err(threads::RecvError) => {
                    return Err(io::Error::other("the server ends before the body does"));
                }
            }
        }
        let count = out.len().min(self.rest.len());
        out[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

/// Outcomes on their way out.
struct Lines {
    output: mpsc::Sender<Bytes>,
    block: Vec<u8>,
    gone: bool,
}

impl Lines {
    fn write(&mut self, line: &impl Serialize) {
        // Serialising into memory fails only for maps with odd keys; there are none.
        if serde_json::to_writer(&mut self.block, line).is_ok() {
            self.block.push(b'\n');
        }
        if self.block.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Sends a block. Waits for a client that is behind; one that is gone is not waited for, and
    /// its rows are still taken: it sent them.
    fn flush(&mut self) {
        let mut block = Bytes::from(std::mem::take(&mut self.block));
        for _ in 0..RETRIES_MAX {
            if self.gone || block.is_empty() {
                return;
            }
            match self.output.try_send(block) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Closed(_)) => self.gone = true,
                Err(mpsc::error::TrySendError::Full(back)) => {
                    block = back;
                    std::thread::sleep(RETRY_EVERY);
                    continue;
                }
            }
            return;
        }
        self.gone = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_nobody_hands_on_any_more_has_not_ended() {
        let read = |pieces: Vec<Piece>| {
            let (input, chunks) = threads::sync_channel(CHUNKS_WAITING);
            pieces.into_iter().for_each(|piece| input.send(piece).unwrap());
            drop(input);
            let mut reader = ChunkReader { chunks, rest: Bytes::new(), ended: false };
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
        };
        let some = |text: &'static str| Ok(Some(Bytes::from_static(text.as_bytes())));
        let whole = read(vec![some("sn"), some(""), some(",gtin"), Ok(None)]);
        assert_eq!(whole.as_deref(), Ok("sn,gtin"));
        assert_eq!(read(vec![Ok(None)]).as_deref(), Ok(""));
        assert!(read(vec![some("sn,gt")]).is_err_and(|why| why.contains("the server ends")));
    }

    #[test]
    fn who_sends_a_byte_now_and_then_is_cut_off_and_who_sends_slowly_is_not() {
        let second = Duration::from_secs(1);
        let mut drops = Pace::new(30 * second);
        let mut count = 0;
        while drops.patience() >= 10 * second {
            drops.came(10 * second, 1);
            count += 1;
        }
        assert_eq!(count, 3);
        let mut slow = Pace::new(30 * second);
        for _ in 0..10_000 {
            assert!(slow.patience() >= 20 * second);
            slow.came(10 * second, 10 * 1024);
        }
        assert_eq!(Pace::new(second).patience(), second);
    }
}
