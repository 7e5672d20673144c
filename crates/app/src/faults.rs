//! The fault harness: a load that says what was acknowledged, and the judge who afterwards looks
//! whether all of it is there, once. Used by the tests and by `dossier bench faults`.

use crate::files::{Draft, Format, Kind, Table, parse_row};
use crate::flows::activate::{Activated, Report, Signals, activate};
use crate::flows::idempotency::{Answer, Keyed};
use crate::flows::import::operator;
use crate::flows::masterdata::Taking;
use crate::flows::{Caller, FlowError, House, RowOutcome, produce};
use domain::refusal::Refused;
use jiff::tz::TimeZone;
use std::io::{BufRead, BufReader, Cursor};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::event::Body;
use store::rebuild;
use tokio::sync::Notify;

/// What every acknowledgement starts with, so that it is told from other lines.
pub const ACK: &str = "ACK ";
/// Writers at the same time.
const WRITERS: u32 = 8;
/// A load that has acknowledged nothing for so long never will.
const BEGIN_PATIENCE: Duration = Duration::from_secs(60);

/// One round: what is loaded, and how long it may work from its first acknowledgement on.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// Which one; no two rounds make the same units.
    pub number: u64,
    /// The product that is made.
    pub gtin: &'a str,
    /// Where it is made.
    pub site: &'a str,
    /// Until the kill.
    pub lifetime: Duration,
}

/// A process that ends with its handle, whatever happens meanwhile.
struct Doomed(Child);

impl Drop for Doomed {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Commissions and activates units until the store stops answering, saying `ACK made SN` and
/// `ACK activated SN` for what was acknowledged, and only after it was. Needs a brand with a
/// product and a site.
///
/// # Errors
/// There is no brand.
pub async fn load(
    house: &Arc<House>,
    round: u64,
    gtin: &str,
    site: &str,
    say: impl Fn(&str) + Clone + Send + 'static,
) -> Result<(), FlowError> {
    let caller = operator(house, None).await?;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (house, caller, say) = (Arc::clone(house), caller.clone(), say.clone());
        let (gtin, site) = (gtin.to_owned(), site.to_owned());
        writers.push(tokio::spawn(async move {
            for n in 0_u64.. {
                let sn = format!("R{round}W{writer}N{n}");
                if made(&house, &caller, &gtin, &site, &sn).await.is_err() {
                    return;
                }
                say(&format!("{ACK}made {sn}"));
                if started(&house, &caller, &sn).await.is_err() {
                    return;
                }
                say(&format!("{ACK}activated {sn}"));
            }
        }));
    }
    for writer in writers {
        let _ = writer.await;
    }
    Ok(())
}

async fn made(
    house: &House,
    caller: &Caller,
    gtin: &str,
    site: &str,
    sn: &str,
) -> Result<(), FlowError> {
    let text = format!("sn,gtin,produced_at,site_code\n{sn},{gtin},2026-05-20,{site}\n");
    let drafts = production(&text)?;
    match produce::commission(house, caller, &drafts, Taking::default()).await?.first() {
        Some(RowOutcome::Refused(why)) => {
            Err(why.first().cloned().unwrap_or_else(|| Refused::invalid("sn", "refused")).into())
        }
        _ => Ok(()),
    }
}

fn production(text: &str) -> Result<Vec<crate::files::ProductionDraft>, FlowError> {
    let bad = |e: String| FlowError::Refused(Refused::invalid("file", e));
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let mut table =
        Table::from_reader(Kind::Production, Format::Csv, input).map_err(|e| bad(e.to_string()))?;
    let mut drafts = Vec::new();
    for row in table.rows() {
        let row = row.map_err(|e| bad(e.to_string()))?;
        if let Ok(Draft::Production(draft)) = parse_row(&row, &TimeZone::UTC) {
            drafts.push(draft);
        }
    }
    Ok(drafts)
}

fn key_of(sn: &str) -> Result<Keyed, FlowError> {
    Ok(Keyed::new("faults", "activate", sn, sn)?)
}

async fn started(house: &House, caller: &Caller, sn: &str) -> Result<(), FlowError> {
    let report = Report {
        scheme: "sn".to_owned(),
        value: sn.to_owned(),
        happened_at: house.clock.now().as_microsecond(),
        offset_minutes: 480,
        fingerprint: Some(sn.to_owned()),
        signals: Signals::default(),
    };
    let render = |a: &Activated| Answer::new(201, a.first.to_string());
    activate(house, Some(caller), &report, Some(&key_of(sn)?), &render).await.map(drop)
}

/// Starts a process that runs [`load`] and prints its acknowledgements, lets it work for `lifetime`
/// from its first acknowledgement on, and kills it with SIGKILL. Returns what was acknowledged.
///
/// # Errors
/// The process cannot be started or says nothing.
pub fn kill_midway(command: &mut Command, lifetime: Duration) -> std::io::Result<Vec<String>> {
    let mut child = Doomed(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let Some(out) = child.0.stdout.take() else {
        return Err(std::io::Error::other("the process has no output"));
    };
    let (first, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        // The last line may be cut short by the kill: only whole lines are acknowledgements.
        let mut lines = Vec::new();
        let mut input = BufReader::new(out);
        let mut line = String::new();
        while input.read_line(&mut line).is_ok_and(|n| n > 0) {
            if line.ends_with('\n') && line.starts_with(ACK) {
                lines.push(line.trim_end()[ACK.len()..].to_owned());
                let _ = first.send(());
            }
            line.clear();
        }
        lines
    });
    let began = heard.recv_timeout(BEGIN_PATIENCE);
    if began.is_ok() {
        std::thread::sleep(lifetime);
    }
    drop(child);
    let lines = reader.join().map_err(|_| std::io::Error::other("the reader stopped"))?;
    began.map_err(|_| std::io::Error::other("the process acknowledged nothing"))?;
    Ok(lines)
}

/// Runs [`load`] in this process and kills the server under it with `kill`, which returns when the
/// server is gone. Returns what was acknowledged.
///
/// # Errors
/// The load cannot begin, or acknowledges nothing.
pub async fn kill_server_midway(
    house: Arc<House>,
    round: &Round<'_>,
    kill: impl FnOnce(),
) -> Result<Vec<String>, FlowError> {
    let (heard, first) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let (ears, begun) = (Arc::clone(&heard), Arc::clone(&first));
    let say = move |line: &str| {
        let line = line.strip_prefix(ACK).unwrap_or(line).to_owned();
        ears.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        begun.notify_one();
    };
    let (number, gtin, site) = (round.number, round.gtin.to_owned(), round.site.to_owned());
    let loading = tokio::spawn(async move { load(&house, number, &gtin, &site, say).await });
    let began = tokio::time::timeout(BEGIN_PATIENCE, first.notified()).await;
    if began.is_ok() {
        tokio::time::sleep(round.lifetime).await;
    }
    tokio::task::block_in_place(kill);
    // A load that panicked has told so; what it acknowledged is judged all the same.
    loading.await.unwrap_or(Ok(()))?;
    began.map_err(|_| Refused::invalid("load", "it acknowledged nothing"))?;
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *heard))
}

/// What is wrong after a fault: acknowledged commands that are missing or there twice, and
/// projections that are not what the ledger says. Empty when all is well.
///
/// # Errors
/// The store cannot be read.
pub async fn judge(
    house: &House,
    acknowledged: &[String],
    scratch: &std::path::Path,
) -> Result<Vec<String>, FlowError> {
    let caller = operator(house, None).await?;
    let mut wrong = Vec::new();
    for line in acknowledged {
        let Some((what, sn)) = line.split_once(' ') else { continue };
        let number = house.store.identifier_fetch("sn", caller.brand.0, sn).await?;
        let Some(number) = number else {
            wrong.push(format!("{sn} is gone"));
            continue;
        };
        let events = house.store.events_fetch(number).await?;
        let count = events.iter().filter(|e| match &e.body {
            Body::Commissioned { .. } => what == "made",
            Body::Activated(_) => what == "activated",
            _ => false,
        });
        match count.count() {
            1 => {}
            count => wrong.push(format!("{sn} is {what} {count} times")),
        }
        if what == "activated" && key_of(sn)?.replay(house).await?.is_none() {
            wrong.push(format!("the answer to {sn} is forgotten"));
        }
    }
    let report = rebuild::check(&house.store, scratch).await?;
    if !report.agrees() {
        wrong.push(format!("{report:?}"));
    }
    Ok(wrong)
}
