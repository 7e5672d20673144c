//! The fault harness: a load that says what was acknowledged, and the judge who afterwards looks
//! whether all of it is there, once. Used by the tests and by `dossier bench faults`.

use crate::files::{Draft, Format, Kind, Table, parse_row};
use crate::flows::activate::{Activated, Report, Signals, activate};
use crate::flows::batches::{Mint, mint};
use crate::flows::idempotency::{Answer, Keyed};
use crate::flows::import::operator;
use crate::flows::masterdata::Taking;
use crate::flows::pack::pack;
use crate::flows::produce::commission;
use crate::flows::ship::{Way, ship};
use crate::flows::{Caller, FlowError, House, RowOutcome};
use domain::gs1::Sscc;
use domain::refusal::Refused;
use jiff::tz::TimeZone;
use std::io::{BufRead, BufReader, Cursor};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::event::{Body, Event};
use store::rebuild;
use store::reference::Purpose;
use tokio::sync::Notify;

/// What every acknowledgement starts with, so that it is told from other lines.
pub const ACK: &str = "ACK ";
/// Writers at the same time.
const WRITERS: u32 = 8;
/// So many units of a writer for each batch it mints: whoever mints has the others decide again.
const MINT_EVERY: u64 = 8;
/// A load that has acknowledged nothing for so long never will.
const BEGIN_PATIENCE: Duration = Duration::from_secs(60);

/// What a load is about.
#[derive(Clone, Copy, Debug)]
pub struct Goods {
    /// The product that is made.
    pub gtin: &'static str,
    /// Where it is made.
    pub site: &'static str,
    /// Whom it is sent to.
    pub to: &'static str,
}

/// One round: what is loaded, and how long it may work from its first acknowledgement on.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Which one; no two of a thousand rounds make the same units and packs.
    pub number: u64,
    /// What it is about.
    pub goods: Goods,
    /// Until the kill.
    pub lifetime: Duration,
}

/// Which unit of which writer in which round.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The round.
    pub round: u64,
    /// The writer, below 10.
    pub writer: u32,
    /// The unit, counted from 0.
    pub number: u64,
}

impl Place {
    fn sn(self) -> String {
        format!("R{}W{}N{}", self.round, self.writer, self.number)
    }

    /// The carton it goes into, alone.
    fn sscc(self) -> Result<Sscc, FlowError> {
        let serial = self.round % 1_000 * 1_000_000 + u64::from(self.writer) * 100_000;
        Sscc::build(0, "6900000", serial + self.number)
            .map_err(|why| Refused::invalid("sscc", why).into())
    }
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

/// Does to one unit after the other what [`one`] does, until the store stops answering. Needs a
/// brand with the goods in it.
///
/// # Errors
/// There is no brand.
pub async fn load(
    house: &Arc<House>,
    round: u64,
    goods: Goods,
    say: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<(), FlowError> {
    let caller = operator(house, None).await?;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (house, caller, say) = (Arc::clone(house), caller.clone(), say.clone());
        writers.push(tokio::spawn(async move {
            for number in 0.. {
                let place = Place { round, writer, number };
                if one(&house, &caller, goods, place, &say).await.is_err() {
                    return;
                }
            }
        }));
    }
    for writer in writers {
        let _ = writer.await;
    }
    Ok(())
}

/// Makes a unit, packs it, ships the carton, activates the unit, and for some units mints a batch.
/// Says `ACK made SN`, `ACK packed SSCC`, `ACK shipped SSCC`, `ACK activated SN` and
/// `ACK minted BATCH` for what was acknowledged, and only after it was.
///
/// # Errors
/// The store does not answer, or something was refused.
pub async fn one(
    house: &House,
    caller: &Caller,
    goods: Goods,
    place: Place,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), FlowError> {
    let mints = place.number.is_multiple_of(MINT_EVERY);
    for what in ["made", "packed", "shipped", "activated", "minted"] {
        if what == "minted" && !mints {
            continue;
        }
        let named = loop {
            match act(house, caller, (goods, place), what).await {
                // Other writers were faster, which is no fault.
                Err(FlowError::Busy) => continue,
                done => break done?,
            }
        };
        say(&format!("{ACK}{what} {named}"));
    }
    Ok(())
}

/// Does it, and gives the name of what it was done to.
async fn act(
    house: &House,
    caller: &Caller,
    (goods, place): (Goods, Place),
    what: &str,
) -> Result<String, FlowError> {
    let Goods { gtin, site, to } = goods;
    let (sn, sscc) = (place.sn(), place.sscc()?);
    let taking = Taking::default();
    match what {
        "made" => {
            let text = format!("sn,gtin,produced_at,site_code\n{sn},{gtin},2026-05-20,{site}\n");
            let drafts = drafts(Kind::Production, text, |draft| match draft {
                Draft::Production(draft) => Some(draft),
                _ => None,
            })?;
            taken(&commission(house, caller, &drafts, taking).await?)?;
        }
        "packed" => {
            let text = format!("sscc,child,packed_at\n{sscc},{sn},2026-05-21T08:00:00+08:00\n");
            let drafts = drafts(Kind::Packs, text, |draft| match draft {
                Draft::Pack(draft) => Some(draft),
                _ => None,
            })?;
            taken(&pack(house, caller, &drafts, taking).await?)?;
            return Ok(sscc.to_string());
        }
        "shipped" => {
            let text = format!(
                "shipment_no,from_code,to_code,happened_at,subject\n\
                 {sn},{site},{to},2026-05-22T08:00:00+08:00,{sscc}\n"
            );
            let drafts = drafts(Kind::Shipments, text, |draft| match draft {
                Draft::Shipment(draft) => Some(draft),
                _ => None,
            })?;
            taken(&ship(house, caller, &drafts, Way::Forward, taking).await?)?;
            return Ok(sscc.to_string());
        }
        "activated" => started(house, caller, &sn).await?,
        _ => {
            let product = house.reference().await?.products(caller.brand).first().map(|p| p.id);
            let order = Mint { product, purpose: Purpose::Printed, count: 10, scratch: false };
            return Ok(mint(house, caller, order).await?.id.to_string());
        }
    }
    Ok(sn)
}

fn drafts<T>(
    kind: Kind,
    text: String,
    of: impl Fn(Draft) -> Option<T>,
) -> Result<Vec<T>, FlowError> {
    let bad = |e: String| FlowError::Refused(Refused::invalid("file", e));
    let input = Box::new(Cursor::new(text.into_bytes()));
    let mut table = Table::from_reader(kind, Format::Csv, input).map_err(|e| bad(e.to_string()))?;
    let mut drafts = Vec::new();
    for row in table.rows() {
        let row = row.map_err(|e| bad(e.to_string()))?;
        drafts.extend(of(parse_row(&row, &TimeZone::UTC).map_err(|why| first(&why))?));
    }
    Ok(drafts)
}

fn taken(outcomes: &[RowOutcome]) -> Result<(), FlowError> {
    match outcomes.first() {
        Some(RowOutcome::Refused(why)) => Err(first(why)),
        _ => Ok(()),
    }
}

fn first(why: &[Refused]) -> FlowError {
    why.first().cloned().unwrap_or_else(|| Refused::invalid("row", "refused")).into()
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
    round: &Round,
    kill: impl FnOnce(),
) -> Result<Vec<String>, FlowError> {
    let (heard, first) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let (ears, begun) = (Arc::clone(&heard), Arc::clone(&first));
    let say = move |line: &str| {
        let line = line.strip_prefix(ACK).unwrap_or(line).to_owned();
        ears.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        begun.notify_one();
    };
    let (number, goods) = (round.number, round.goods);
    let loading = tokio::spawn(async move { load(&house, number, goods, say).await });
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
    let reference = house.reference_now().await?;
    let mut wrong = Vec::new();
    for line in acknowledged {
        let Some((what, name)) = line.split_once(' ') else { continue };
        if what == "minted" {
            if name.parse().ok().and_then(|id| reference.batch(id)).is_none() {
                wrong.push(format!("batch {name} is gone"));
            }
            continue;
        }
        let is_pack = matches!(what, "packed" | "shipped");
        let (scheme, scope) = if is_pack { ("sscc", 0) } else { ("sn", caller.brand.0) };
        let number = house.store.identifier_fetch(scheme, scope, name).await?;
        let Some(number) = number else {
            wrong.push(format!("{name} is gone"));
            continue;
        };
        let events = house.store.events_fetch(number).await?;
        match events.iter().filter(|event| tells(event, what)).count() {
            1 => {}
            count => wrong.push(format!("{name} is {what} {count} times")),
        }
        if what == "activated" && key_of(name)?.replay(house).await?.is_none() {
            wrong.push(format!("the answer to {name} is forgotten"));
        }
    }
    let report = rebuild::check(&house.store, scratch).await?;
    if !report.agrees() {
        wrong.push(format!("{report:?}"));
    }
    Ok(wrong)
}

/// Whether an event is what was acknowledged.
fn tells(event: &Event, what: &str) -> bool {
    match &event.body {
        Body::Commissioned { .. } => what == "made",
        Body::Packed { .. } => what == "packed",
        Body::Shipped { .. } => what == "shipped",
        Body::Activated(_) => what == "activated",
        _ => false,
    }
}
