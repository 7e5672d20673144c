//! Reports that came before their unit: kept encrypted, and replayed when it comes off the line
//! within their term, as whoever sent them and for the brand they were meant for.
//!
//! Whoever makes the unit replays them behind its commit. Where that was cut off, by the end of the
//! process or by others who were faster, a job comes for the rest ([`catch_up`]): nothing but the
//! rows themselves says that there is any, so no commit has to tell.

use super::activate::{Activated, Received, Report, receive};
use super::caller::{Caller, Scope};
use super::custody::instant;
use super::find;
use super::house::House;
use super::idempotency::Answer;
use super::outcome::FlowError;
use crate::files::ProductionDraft;
use crate::rules::kept as term_of;
use domain::id::{BrandId, PartyId};
use domain::identifier::{Identifier, Scheme};
use domain::refusal::{Refusal, Refused};
use domain::retention::Kept as Term;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Mutex;
use store::commit::{Commit, Side};
use store::expiry::{WAITING_ROWS_MAX, WaitingRecord};
use store::unit::UnitRecord;

/// Label under which waiting commands are sealed.
const WAITING_LABEL: &str = "waiting activation v1";
/// Reports that wait in a deployment at most, before those of strangers are kept no more: anyone
/// can send another about a unit that there is not.
pub const WAITING_MAX: i64 = 100_000;
/// How long a count of them is good for: counting looks at each.
const COUNTED_FOR_MICROS: i64 = 60 * 1_000_000;
/// Names that one turn of the job looks at: between turns others have the processor, and a process
/// that ends waits for no more than one.
const NAMES_MAX: i64 = 32;

/// How many reports wait, as this process last counted or kept them.
#[derive(Default)]
pub struct WaitingRoom(Mutex<Option<Counted>>);

#[derive(Clone, Copy)]
struct Counted {
    count: i64,
    /// When it was counted, microseconds.
    at: i64,
}

/// A report as it is kept. Those kept before it named anybody are read as a device's own.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    report: Report,
    /// The tenant it was meant for, where that was known.
    #[serde(default)]
    brand: Option<i64>,
    /// Who sent it, when somebody with a key did.
    #[serde(default)]
    sender: Option<Sender>,
}

#[derive(Serialize, Deserialize)]
struct Sender {
    party: i64,
    scopes: Vec<String>,
    actor: String,
}

impl Kept {
    fn of(sealed: &[u8], house: &House) -> Option<Self> {
        let text = house.secrets.open(WAITING_LABEL, sealed).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn caller(&self) -> Option<Caller> {
        let sender = self.sender.as_ref()?;
        Some(Caller {
            brand: BrandId(self.brand?),
            party: PartyId(sender.party),
            scopes: sender.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
            regions: Vec::new(),
            role: None,
            actor: sender.actor.clone(),
            address: None,
        })
    }
}

/// Keeps a report whose unit is not known yet; whoever records it forgets it by what is returned.
///
/// # Errors
/// [`Refusal::UnknownSubject`]: it is a stranger's, and so many wait that it is not kept. Or the
/// store does not answer.
pub(super) async fn keep(
    house: &House,
    received: &Received<'_>,
    brand: Option<BrandId>,
) -> Result<Side, FlowError> {
    keep_below(house, received, brand, WAITING_MAX).await
}

/// As [`keep`], beside fewer than `most` others where it is a stranger's.
async fn keep_below(
    house: &House,
    received: &Received<'_>,
    brand: Option<BrandId>,
    most: i64,
) -> Result<Side, FlowError> {
    if is_strangers(house, received).await? && !has_room(house, most).await? {
        return Err(Refused::new(Refusal::UnknownSubject, "identifier.value").into());
    }
    let report = received.report;
    let sender = |caller: &Caller| Sender {
        party: caller.party.0,
        scopes: caller.scopes.iter().map(|s| s.as_str().to_owned()).collect(),
        actor: caller.actor.clone(),
    };
    let kept = Kept {
        report: report.clone(),
        brand: brand.map(|b| b.0),
        sender: received.caller.map(sender),
    };
    let text =
        serde_json::to_string(&kept).map_err(|e| store::StoreError::Record(e.to_string()))?;
    let received_at = received.received_at.as_microsecond();
    // A report that is sent again while it waits is the one that waits: its name is what it says.
    let mut id = [0; 16];
    let name = house.secrets.hash("waiting", &text);
    id.copy_from_slice(name.get(..16).unwrap_or(&[0; 16]));
    let value = waiting_value(&report.scheme, &report.value);
    let side = Side::Waiting {
        value: value.clone(),
        id,
        sealed: house.secrets.seal(WAITING_LABEL, text.as_bytes())?,
        received_at,
        expires_at: received_at + term_of(Term::Waiting).as_micros() as i64,
    };
    house.store.commit(&Commit { sides: vec![side], ..Commit::default() }).await?;
    Ok(Side::WaitingDone { value, id })
}

/// Whether anyone could have sent it: without a key, with one that is believed no more than the app
/// in every device, or as a brand that nobody vouches for.
async fn is_strangers(house: &House, received: &Received<'_>) -> Result<bool, FlowError> {
    let Some(caller) = received.caller else { return Ok(true) };
    let reference = house.reference().await?;
    let app = Caller::is_believed_as_an_app(received.caller, &reference.tree);
    Ok(app || !reference.is_vouched(caller.brand))
}

/// Whether fewer reports wait than so many, about: others may keep some before the next count.
async fn has_room(house: &House, most: i64) -> Result<bool, FlowError> {
    let now = house.clock.now().as_microsecond();
    let known = {
        let Ok(mut known) = house.waiting.0.lock() else { return Ok(true) };
        let is_fresh = |known: &Counted| (now - known.at).abs() < COUNTED_FOR_MICROS;
        let fresh = known.filter(is_fresh);
        if fresh.is_none() {
            // One counts; whoever comes meanwhile goes by what was known.
            *known = Some(Counted { count: known.map_or(0, |known| known.count), at: now });
        }
        fresh
    };
    let counted = match known {
        Some(known) => known,
        None => {
            let count = house.store.waiting_count(most).await?;
            if count >= most {
                tracing::warn!(count, "reports of strangers are not kept: too many wait for units");
            }
            Counted { count, at: now }
        }
    };
    if let Ok(mut known) = house.waiting.0.lock() {
        *known = Some(Counted { count: counted.count + 1, ..counted });
    }
    Ok(counted.count < most)
}

fn waiting_value(scheme: &str, value: &str) -> String {
    let canonical = scheme.parse().ok().and_then(|s| Identifier::parse(s, value).ok());
    format!("{scheme} {}", canonical.as_ref().map_or(value, |i| i.value()))
}

/// Replays reports that waited for units which just came off the line. What fails stays, and the
/// job comes for it; nothing here may fail the commissioning.
pub async fn replay(house: &House, brand: BrandId, drafts: &[ProductionDraft]) {
    for draft in drafts {
        let placed = draft.identifiers.iter().chain(&draft.parts).map(|(_, named)| named);
        replay_named(house, brand, std::iter::once(&draft.sn).chain(placed)).await;
    }
}

/// Replays reports that still wait although their unit is there. Looks at some of the names behind
/// `after`, and returns the one behind which the next turn looks; none when it came to the last.
/// Any number of processes may do so at once: a report is recorded and forgotten by one commit.
///
/// # Errors
/// The store does not answer: the same names are looked at again.
pub async fn catch_up(house: &House, after: &str) -> Result<Option<String>, FlowError> {
    let now = house.clock.now().as_microsecond();
    let mut names = house.store.waiting_names(after, now, NAMES_MAX).await?;
    for name in &names {
        if let Err(error) = catch_up_with(house, name, now).await {
            // The others are none the worse for it.
            tracing::warn!(%error, "a waiting activation could not be replayed");
            return Ok(Some(name.clone()));
        }
    }
    let may_be_more = names.len() as i64 == NAMES_MAX;
    Ok(names.pop().filter(|_| may_be_more))
}

/// Replays what waits for the units that a name leads to: one for each brand that is meant, if any.
async fn catch_up_with(house: &House, name: &str, now: i64) -> Result<(), FlowError> {
    let Some((scheme, value)) = name.split_once(' ') else { return Ok(()) };
    if !house.store.is_named_somewhere(scheme, value).await? {
        return Ok(());
    }
    let parsed = scheme.parse().ok().and_then(|scheme| Identifier::parse(scheme, value).ok());
    let Some(identifier) = parsed else { return Ok(()) };
    let reference = house.reference().await?;
    // Where nobody is meant, what is unique over all brands says whose it is.
    let mut meant = BTreeSet::from([BrandId(0)]);
    let mut found = |_, kept: Kept| meant.extend(reference.meant(kept.brand.map(BrandId)));
    each(house, name, now, &mut found).await?;
    let mut done = BTreeSet::new();
    for brand in meant {
        let Some(number) = find::identifier(house, brand, &identifier).await? else { continue };
        let Some(unit) = house.store.unit_fetch(number).await? else { continue };
        if done.insert(unit.number) {
            replay_all(house, BrandId(unit.brand), names_of(&unit, name)).await?;
        }
    }
    Ok(())
}

/// Everything that a unit answers to, as reports wait for it.
fn names_of(unit: &UnitRecord, found_by: &str) -> Vec<String> {
    let sn = unit.sn.iter().map(|sn| waiting_value(Scheme::Sn.as_str(), sn));
    let others = unit.identifiers.iter().map(|row| waiting_value(&row.scheme, &row.value));
    let names: BTreeSet<_> = sn.chain(others).chain([found_by.to_owned()]).collect();
    names.into_iter().collect()
}

/// Every report that waits for a name and can be read, in the order in which they came.
async fn each(
    house: &House,
    value: &str,
    now: i64,
    found: &mut (dyn FnMut(WaitingRecord, Kept) + Send),
) -> Result<(), FlowError> {
    let mut behind = (i64::MIN, Vec::new());
    loop {
        let page = house.store.waiting_fetch(value, now, (behind.0, &behind.1)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        let may_be_more = page.len() as i64 == WAITING_ROWS_MAX;
        behind = (last.received_at, last.id.clone());
        for one in page {
            match Kept::of(&one.sealed, house) {
                Some(kept) => found(one, kept),
                // The others are none the worse for it.
                None => tracing::warn!("a waiting report cannot be read"),
            }
        }
        if !may_be_more {
            return Ok(());
        }
    }
}

/// Replays reports that waited for what a unit answers to now.
pub(super) async fn replay_named<'a>(
    house: &House,
    brand: BrandId,
    names: impl Iterator<Item = &'a Identifier>,
) {
    let value = |named: &Identifier| format!("{} {}", named.scheme().as_str(), named.value());
    if let Err(error) = replay_all(house, brand, names.map(value).collect()).await {
        tracing::warn!(%error, "a waiting activation could not be replayed");
    }
}

/// In the order in which they came, by whichever name: the first of them is the unit's first start.
/// One that came before the unit was made is none of it, and waits no longer.
async fn replay_all(house: &House, brand: BrandId, names: Vec<String>) -> Result<(), FlowError> {
    let now = house.clock.now().as_microsecond();
    let mut waiting = Vec::new();
    for value in names {
        let mut found = |one, kept: Kept| {
            // Another brand's unit of the same number came: this one still waits for its own.
            if kept.brand.is_none_or(|meant| meant == brand.0) {
                waiting.push((value.clone(), one, kept));
            }
        };
        each(house, &value, now, &mut found).await?;
    }
    let came = |one: &WaitingRecord| (one.received_at, one.id.clone());
    waiting.sort_by_key(|(_, one, _)| came(one));
    for (value, waiting, kept) in waiting {
        let render = |_: &Activated| Answer::new(201, String::new());
        let received_at = instant(waiting.received_at);
        let caller = kept.caller();
        let mut id = [0; 16];
        id.copy_from_slice(waiting.id.get(..16).unwrap_or(&[0; 16]));
        let received = Received {
            caller: caller.as_ref(),
            brand: kept.brand.map(BrandId),
            report: &kept.report,
            received_at,
            waited: Some(Side::WaitingDone { value, id }),
        };
        match receive(house, received, None, &render).await {
            // The unit that came is none that this report can name: it waits on. Or somebody else
            // replayed it at the same time.
            Err(FlowError::Refused(_) | FlowError::Busy) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::files::{Format, Kind, Table};
    use crate::flows::activate::Signals;
    use crate::flows::house::Settings;
    use crate::flows::import::{Importer, import, operator};
    use crate::flows::masterdata::Taking;
    use crate::geo::Geo;
    use crate::secrets::MasterKey;
    use std::path::Path;
    use std::sync::Arc;
    use store::engine::{SqliteOptions, Target};

    async fn house(dir: &Path) -> House {
        let target = Target::Sqlite { dir: dir.to_owned(), options: SqliteOptions::default() };
        let master = MasterKey::from_hex(&"5a".repeat(32)).unwrap();
        let clock = Clock::simulated("2026-06-10T02:00:00Z".parse().unwrap());
        let geo = Arc::new(Geo::tables_only().unwrap());
        let house = House::open(&target, master, clock, geo, Settings::default()).await.unwrap();
        let text = "code,kind,name,parent_code\nBRAND,brand,Brand,\n";
        let reader = Box::new(std::io::Cursor::new(text.as_bytes()));
        let mut table = Table::from_reader(Kind::Parties, Format::Csv, reader).unwrap();
        let (who, taking) = (Importer::Operator(Some("BRAND")), Taking::default());
        import(&house, who, &mut table, taking, &mut |_, _| {}).await.unwrap();
        house
    }

    /// Whether the report of a start is kept beside fewer than three others.
    async fn is_kept(house: &House, caller: Option<&Caller>, sn: &str) -> bool {
        let report = Report {
            scheme: "sn".to_owned(),
            value: sn.to_owned(),
            happened_at: 0,
            offset_minutes: 0,
            fingerprint: None,
            signals: Signals::default(),
        };
        let received_at = house.clock.now();
        let received = Received { caller, brand: None, report: &report, received_at, waited: None };
        let kept = keep_below(house, &received, None, 3).await;
        let waiting =
            house.store.waiting_fetch(&format!("sn {sn}"), 0, (i64::MIN, &[])).await.unwrap();
        match kept {
            Ok(_) => assert_eq!(waiting.len(), 1, "{sn}"),
            Err(FlowError::Refused(why)) => {
                assert_eq!((why.refusal, waiting.len()), (Refusal::UnknownSubject, 0), "{sn}");
                return false;
            }
            Err(other) => panic!("{other}"),
        }
        true
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn strangers_fill_no_more_than_their_share() {
        let dir = tempfile::tempdir().unwrap();
        let house = house(dir.path()).await;
        let server = operator(&house, None).await.unwrap();
        let device = Caller { scopes: vec![Scope::ActivateApp], ..server.clone() };
        assert!(is_kept(&house, None, "A1").await);
        assert!(is_kept(&house, Some(&device), "A2").await);
        // What a server sends is kept in any case, and takes room from strangers.
        assert!(is_kept(&house, Some(&server), "A3").await);
        let later = |seconds| house.clock.now() + jiff::SignedDuration::from_secs(seconds);
        house.clock.set(later(61));
        assert!(!is_kept(&house, None, "A4").await);
        assert!(!is_kept(&house, Some(&device), "A5").await);
        assert!(is_kept(&house, Some(&server), "A6").await);
        // Once reports are gone there is room again, after the next count.
        let now = house.clock.now().as_microsecond();
        let term = term_of(Term::Waiting).as_micros() as i64;
        let over = store::expiry::Due::Waiting { now: now + term };
        assert_eq!(house.store.forget(&over, now).await.unwrap(), 4);
        house.clock.set(later(61));
        assert!(is_kept(&house, None, "A7").await);
    }
}
