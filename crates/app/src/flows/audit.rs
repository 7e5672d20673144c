//! The audit trail: noting sensitive reads, and reading the trail.
//!
//! Reads are noted in a bounded queue and written in batches, so that no answer waits for them.
//! What does not fit is dropped and counted, and the count is itself a record that the doctor
//! shows. What cannot be written stays in the queue. A process that dies loses what it noted since
//! the last flush, a tenth of a second; whoever ends in order writes all of it.

use super::caller::{Caller, Scope};
use super::changes::{ADDRESS_LABEL, Author, sealed};
use super::house::House;
use super::mandate::brand_only;
use super::outcome::FlowError;
use super::persons;
use crate::secrets::PersonKey;
use domain::audit::{SensitiveRead, VALUE_CHARS_MAX, home};
use domain::id::{BrandId, PartyId};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use store::audit::{AuditAsked, ChangeRecord, DROPPED_VERB, ReadRecord, ReadRow};
use store::event::{Body, FieldRow};

/// Reads that wait to be written; more are dropped and counted.
const WAITING_MAX: usize = 50_000;
/// Reads written in one plan.
const FLUSH_MAX: usize = 500;
/// Records listed at a time.
pub const RECORDS_MAX: usize = 1_000;
/// Kinds of objects that are about the people who work here.
const PEOPLE_KINDS: [&str; 3] = ["account", "membership", "invitation"];

struct Noted {
    row: ReadRow,
    address: Option<IpAddr>,
}

/// Sensitive reads between the answer they were part of and the store.
#[derive(Default)]
pub struct ReadQueue {
    waiting: Mutex<VecDeque<Noted>>,
    dropped: AtomicU64,
}

impl ReadQueue {
    fn push(&self, noted: Noted, most: usize) {
        match self.waiting.lock() {
            Ok(mut waiting) if waiting.len() < most => waiting.push_back(noted),
            _ => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn take(&self) -> Vec<Noted> {
        self.waiting.lock().map_or_else(
            |_| Vec::new(),
            |mut waiting| {
                let most = FLUSH_MAX.min(waiting.len());
                waiting.drain(..most).collect()
            },
        )
    }

    /// What could not be written waits again, before what came meanwhile.
    fn give_back(&self, noted: Vec<Noted>) {
        match self.waiting.lock() {
            Ok(mut waiting) => noted.into_iter().rev().for_each(|one| waiting.push_front(one)),
            Err(_) => {
                self.dropped.fetch_add(noted.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Reads dropped and not yet recorded as dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Notes a sensitive read of so many rows. Never waits and never fails: what does not fit is
/// counted.
pub fn note(house: &House, author: &Author, read: SensitiveRead, object: &str, count: usize) {
    let row = row(house, author, (read, object), count);
    house.reads.push(Noted { row, address: author.address }, WAITING_MAX);
}

/// As [`note`], of what somebody did with their own row: a verb that tells it from a look of staff.
pub(super) fn note_own(
    house: &House,
    author: &Author,
    object: (SensitiveRead, &str),
    verb: &'static str,
) {
    let row = ReadRow { verb, ..row(house, author, object, 1) };
    house.reads.push(Noted { row, address: author.address }, WAITING_MAX);
}

/// Under which label a reason is sealed.
const REASON_LABEL: &str = "audit reason v1";

/// Why somebody looked. The words may hold personal data: they are sealed under the key of whom
/// they are about, and are gone with it; about nobody, under the deployment's.
pub(super) struct Why<'a> {
    /// Whose key.
    pub key: Option<&'a PersonKey>,
    /// The words.
    pub text: &'a str,
}

/// As [`note`], of one row, with the reason.
pub(super) fn note_why(
    house: &House,
    author: &Author,
    object: (SensitiveRead, &str),
    why: &Why<'_>,
) {
    let text = why.text.as_bytes();
    let sealed = match why.key {
        Some(key) => key.seal(REASON_LABEL, text),
        None => house.secrets.seal(REASON_LABEL, text),
    };
    // Without randomness there is no seal; the look itself is recorded all the same.
    let reason = sealed.ok();
    let row = ReadRow { reason, ..row(house, author, object, 1) };
    house.reads.push(Noted { row, address: author.address }, WAITING_MAX);
}

fn row(
    house: &House,
    author: &Author,
    (read, object): (SensitiveRead, &str),
    count: usize,
) -> ReadRow {
    ReadRow {
        home: home(author.brand),
        at: house.record_time(0),
        id: house.event_id().0,
        actor: author.actor.clone(),
        party: author.party.map(|p| p.0),
        verb: "read",
        object_kind: read.as_str(),
        // What was asked for may be anything: a row that no engine takes would hold up all others.
        object: object.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect(),
        count: i64::try_from(count).unwrap_or(i64::MAX),
        reason: None,
    }
}

/// Writes all reads that wait, and how many were dropped.
///
/// # Errors
/// The store cannot be written; what was not written still waits.
pub async fn flush(house: &House) -> Result<usize, FlowError> {
    let mut count = 0;
    loop {
        match flush_some(house).await? {
            0 => return Ok(count),
            some => count += some,
        }
    }
}

async fn flush_some(house: &House) -> Result<usize, FlowError> {
    let noted = house.reads.take();
    let dropped = house.reads.dropped.swap(0, Ordering::Relaxed);
    if noted.is_empty() && dropped == 0 {
        return Ok(0);
    }
    let written = write(house, &noted, dropped).await;
    let count = noted.len();
    if let Err(error) = written {
        house.reads.give_back(noted);
        house.reads.dropped.fetch_add(dropped, Ordering::Relaxed);
        return Err(error);
    }
    Ok(count)
}

async fn write(house: &House, noted: &[Noted], dropped: u64) -> Result<(), FlowError> {
    let addressed = noted.iter().filter_map(|n| Some((&n.row, n.address?)));
    let addresses = addressed.map(|(row, address)| sealed(house, row.home, row.id, address));
    let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<ReadRow> = noted.iter().map(|n| n.row.clone()).collect();
    if dropped > 0 {
        rows.push(ReadRow {
            home: home(BrandId(0)),
            at: house.record_time(0),
            id: house.event_id().0,
            actor: "system".to_owned(),
            party: None,
            verb: DROPPED_VERB,
            object_kind: SensitiveRead::Audit.as_str(),
            object: String::new(),
            count: i64::try_from(dropped).unwrap_or(i64::MAX),
            reason: None,
        });
    }
    Ok(house.store.reads_add(&rows, &addresses).await?)
}

/// One record of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was recorded, microseconds.
    pub at: i64,
    /// Its name.
    pub id: [u8; 16],
    /// Who: an API key, `cli`, `system`.
    pub actor: String,
    /// For which party.
    pub party: Option<PartyId>,
    /// `created`, `changed`, …, `read`, `dropped`.
    pub verb: String,
    /// What kind of object.
    pub kind: String,
    /// Which.
    pub object: String,
    /// How many rows were read; of a change none.
    pub count: Option<i64>,
    /// What differs.
    pub fields: Vec<FieldRow>,
    /// Where the request came from, while that is kept.
    pub address: Option<String>,
    /// Why, where a reason was asked for and its person is not erased.
    pub reason: Option<String>,
    /// Which entry of the sealed log it is; reads are no entries.
    pub position: Option<u64>,
}

/// Which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// From this instant on.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// By this actor.
    pub actor: Option<String>,
    /// About this object.
    pub object: Option<String>,
    /// About this kind of object.
    pub kind: Option<String>,
    /// Those after this one: its instant and name.
    pub after: Option<(i64, [u8; 16])>,
    /// How many at most, up to [`RECORDS_MAX`].
    pub most: usize,
}

impl Wanted {
    /// What was asked for, in the words of the query.
    fn filters(&self) -> String {
        let named = [("actor", &self.actor), ("object", &self.object), ("kind", &self.kind)];
        let given = named
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")));
        given.collect::<Vec<_>>().join(" ")
    }
}

/// Lets only the brand's own auditors pass.
///
/// # Errors
/// The key lacks the scope, or acts for another party than the brand.
pub async fn admit(house: &House, caller: &Caller) -> Result<(), FlowError> {
    caller.need(Scope::Audit)?;
    Ok(brand_only(&*house.reference().await?, caller)?)
}

/// The trail of the caller's brand with that of the deployment, the newest first, and whether there
/// is more. What is recorded meanwhile comes before the first page and disturbs no later one. The
/// look itself leaves a record.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn list(
    house: &House,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<(Vec<Record>, bool), FlowError> {
    admit(house, caller).await?;
    let (found, more) = page(house, caller, wanted).await?;
    let object = wanted.filters();
    note(house, &caller.into(), SensitiveRead::Audit, &object, found.len());
    Ok((found, more))
}

/// The whole of what is wanted, page by page: as much of it as a page holds is in memory.
pub struct Export {
    house: Arc<House>,
    caller: Caller,
    wanted: Option<Wanted>,
}

impl Export {
    /// Begins; one record tells of the whole export.
    ///
    /// # Errors
    /// The caller may not.
    pub async fn begin(
        house: &Arc<House>,
        caller: &Caller,
        wanted: Wanted,
    ) -> Result<Self, FlowError> {
        admit(house, caller).await?;
        let object = ["export".to_owned(), wanted.filters()].join(" ");
        note(house, &caller.into(), SensitiveRead::Audit, object.trim_end(), 1);
        let wanted = Wanted { most: RECORDS_MAX, ..wanted };
        Ok(Self { house: Arc::clone(house), caller: caller.clone(), wanted: Some(wanted) })
    }

    /// The next records; none at the end.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Record>>, FlowError> {
        let Some(wanted) = self.wanted.take() else { return Ok(None) };
        let (found, more) = page(&self.house, &self.caller, &wanted).await?;
        let after = found.last().filter(|_| more).map(|last| (last.at, last.id));
        self.wanted = after.map(|after| Wanted { after: Some(after), ..wanted });
        Ok(Some(found))
    }
}

async fn page(
    house: &House,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<(Vec<Record>, bool), FlowError> {
    let most = wanted.most.clamp(1, RECORDS_MAX);
    let until = wanted.until.map_or(i64::MAX, Timestamp::as_microsecond);
    let before = wanted.after.filter(|(at, _)| *at < until).unwrap_or((until, [0; 16]));
    let mut found = Vec::new();
    for brand in [caller.brand, BrandId(0)] {
        let mut asked = AuditAsked {
            home: home(brand),
            since: wanted.since.map_or(i64::MIN, Timestamp::as_microsecond),
            before,
            actor: wanted.actor.clone(),
            object_kind: wanted.kind.clone(),
            object: wanted.object.clone(),
            now: house.clock.now().as_microsecond(),
            // One more tells whether a further page follows.
            most: i64::try_from(most + 1).unwrap_or(i64::MAX),
        };
        found.extend(changes_shown(house, caller, &mut asked, most).await?);
        asked.before = before;
        let reads = house.store.reads_fetch(&asked).await?;
        for record in reads {
            let reason = reason_of(house, &record).await?;
            found.push(Record { reason, ..read(house, record) });
        }
    }
    found.sort_by_key(|record| std::cmp::Reverse((record.at, record.id)));
    let more = found.len() > most;
    found.truncate(most);
    Ok((found, more))
}

/// The next changes that a caller is shown, one more than `most` where there are more. What the
/// deployment itself holds of people who are no brand's is the operator's to read.
async fn changes_shown(
    house: &House,
    caller: &Caller,
    asked: &mut AuditAsked,
    most: usize,
) -> Result<Vec<Record>, FlowError> {
    let all = asked.home != home(BrandId(0)) || caller.is_operator();
    let mut shown = Vec::new();
    loop {
        let page = house.store.changes_fetch(asked).await?;
        let last_page = page.len() <= most;
        if let Some(last) = page.last() {
            asked.before = (last.event.recorded_at, last.event.id.0);
        }
        let told = page.into_iter().filter_map(|change| changed(house, change));
        shown.extend(told.filter(|record| all || !PEOPLE_KINDS.contains(&&*record.kind)));
        if last_page || shown.len() > most {
            return Ok(shown);
        }
    }
}

fn changed(house: &House, change: ChangeRecord) -> Option<Record> {
    let ChangeRecord { event, position, address } = change;
    let Body::Changed { code, fields, object, verb, .. } = event.body else { return None };
    Some(Record {
        at: event.recorded_at,
        id: event.id.0,
        actor: event.actor,
        party: event.party,
        verb,
        kind: object,
        object: code,
        count: None,
        fields,
        address: opened(house, address),
        reason: None,
        position,
    })
}

fn read(house: &House, record: ReadRecord) -> Record {
    Record {
        at: record.at,
        id: record.id,
        actor: record.actor,
        party: record.party.map(PartyId),
        verb: record.verb,
        kind: record.object_kind,
        object: record.object,
        count: Some(record.count),
        fields: Vec::new(),
        address: opened(house, record.address),
        reason: None,
        position: None,
    }
}

async fn reason_of(house: &House, record: &ReadRecord) -> Result<Option<String>, FlowError> {
    let Some(sealed) = &record.reason else { return Ok(None) };
    let id = store::canonical::unhex(&record.object).and_then(|id| id.try_into().ok());
    let text = match id.filter(|_| !record.object.is_empty()) {
        Some(id) => match persons::by_id(house, &id).await? {
            Some(person) => person.key.open(REASON_LABEL, sealed).ok(),
            None => None,
        },
        None => house.secrets.open(REASON_LABEL, sealed).ok(),
    };
    Ok(text.and_then(|text| String::from_utf8(text.to_vec()).ok()))
}

/// An address that does not open is as good as forgotten: the record stands without it.
fn opened(house: &House, sealed: Option<Vec<u8>>) -> Option<String> {
    let text = house.secrets.open(ADDRESS_LABEL, &sealed?).ok()?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(n: u8) -> Noted {
        let row = ReadRow {
            home: -2,
            at: i64::from(n),
            id: [n; 16],
            actor: "cli".to_owned(),
            party: None,
            verb: "read",
            object_kind: "dossier",
            object: String::new(),
            count: 1,
            reason: None,
        };
        Noted { row, address: None }
    }

    #[test]
    fn a_full_queue_counts_and_what_comes_back_keeps_its_turn() {
        let queue = ReadQueue::default();
        (0..5).for_each(|n| queue.push(noted(n), 3));
        assert_eq!(queue.dropped(), 2);
        let taken = queue.take();
        queue.push(noted(9), 3);
        queue.give_back(taken);
        let order: Vec<_> = queue.take().iter().map(|n| n.row.at).collect();
        assert_eq!(order, [0, 1, 2, 9]);
        assert!(queue.take().is_empty());
    }
}
