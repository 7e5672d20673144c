//! Packing: children go into packs and come out again. Rows that concern one pack at one time
//! become one event; rows that do not touch one another share a commit.

use super::batches::{Mint, PACK_BLOCK, mint_into};
use super::caller::{Caller, Scope};
use super::custody::{self, Subject, instant};
use super::find::{self, unit_number};
use super::house::{EventDraft, House};
use super::mandate::speaks_for;
use super::masterdata::Taking;
use super::outcome::{FlowError, RACES_MAX, RowOutcome};
use super::reference::Reference;
use super::ship::look_again;
use crate::files::PackDraft;
use domain::custody::{CustodyFacts, Hold, HoldKind};
use domain::id::{EventId, PartyId, ProductId};
use domain::packing::{self, PackFacts};
use domain::refusal::{Refusal, Refused};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet};
use store::commit::{Commit, Draw, Relied};
use store::event::{Body, Row, Subject as EventRow};
use store::reference::Purpose;

/// Rows decided before they are committed together.
const CHUNK_ROWS: usize = 1_000;

/// A pack being filled in this chunk.
struct Filling {
    number: i64,
    sscc: String,
    packed_at: Timestamp,
    offset_minutes: i32,
    holder: PartyId,
    opens: bool,
    guard: Option<Relied>,
    after: i64,
    products: BTreeSet<i64>,
    children: Vec<i64>,
    /// The pack moved after this packing: the children moved with it, which nobody knew.
    late: bool,
}

/// Puts children into packs. Parents are created by their first row.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn pack(
    house: &House,
    caller: &Caller,
    drafts: &[PackDraft],
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Produce)?;
    let mut outcomes = Vec::with_capacity(drafts.len());
    let mut at = 0;
    while at < drafts.len() {
        let most = if taking.all_or_nothing { drafts.len() } else { CHUNK_ROWS };
        let end = drafts.len().min(at + most);
        let done = chunk(house, caller, &drafts[at..end], taking.all_or_nothing).await?;
        at += done.len();
        outcomes.extend(done);
    }
    Ok(outcomes)
}

/// Decides rows until one leans on an earlier row of the chunk that is not committed yet, then
/// commits. At least one row is decided each time.
async fn chunk(
    house: &House,
    caller: &Caller,
    drafts: &[PackDraft],
    all_or_nothing: bool,
) -> Result<Vec<RowOutcome>, FlowError> {
    for round in 0..RACES_MAX {
        let reference = if round == 0 { house.reference().await? } else { house.reload().await? };
        let mut packing = Packing::new(house, caller, &reference);
        let mut outcomes = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match packing.take(draft).await? {
                Some(outcome) => outcomes.push(outcome),
                None => break,
            }
        }
        if all_or_nothing {
            let refused = outcomes.iter().any(|o| matches!(o, RowOutcome::Refused(_)));
            if outcomes.len() < drafts.len() {
                let lean = Refused::invalid("child", "leans on an earlier row: send it later");
                outcomes.push(RowOutcome::refused(lean));
                // The rows behind it were not looked at.
                outcomes.resize(drafts.len(), RowOutcome::NotRecorded);
                return Ok(outcomes);
            }
            if refused {
                return Ok(outcomes);
            }
        }
        let Some(commit) = packing.commit().await? else { return Ok(outcomes) };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                if !commit.reference.is_empty() {
                    house.reload().await?;
                }
                return Ok(outcomes);
            }
        }
    }
    Err(FlowError::Busy)
}

struct Packing<'a> {
    house: &'a House,
    caller: &'a Caller,
    reference: &'a Reference,
    fillings: Vec<Filling>,
    by_sscc: HashMap<String, usize>,
    /// Children and parents touched in this chunk.
    moved: HashSet<i64>,
    guards: Vec<Relied>,
    /// Packs among the guards.
    packs: HashSet<i64>,
    draws: Commit,
    next_pack: Option<(i64, i64, i64, i64)>,
}

impl<'a> Packing<'a> {
    fn new(house: &'a House, caller: &'a Caller, reference: &'a Reference) -> Self {
        Self {
            house,
            caller,
            reference,
            fillings: Vec::new(),
            by_sscc: HashMap::new(),
            moved: HashSet::new(),
            guards: Vec::new(),
            packs: HashSet::new(),
            draws: Commit::default(),
            next_pack: None,
        }
    }

    /// `None`: commit first, then ask again.
    async fn take(&mut self, draft: &PackDraft) -> Result<Option<RowOutcome>, FlowError> {
        let refused = |e: FlowError| match e {
            FlowError::Refused(refused) => Ok(Some(RowOutcome::refused(refused))),
            other => Err(other),
        };
        let brand = self.caller.brand;
        let child = match find::subject(self.house, brand, &draft.child.raw, "child").await {
            Ok(number) => number,
            // A pack that is made in this very chunk answers once the chunk is committed.
            Err(_) if self.by_sscc.contains_key(&draft.child.raw) => {
                return if draft.child.raw == draft.sscc.as_str() {
                    Ok(Some(RowOutcome::refused(Refused::new(Refusal::PackInItself, "child"))))
                } else {
                    Ok(None)
                };
            }
            Err(_) if draft.child.raw == draft.sscc.as_str() => {
                return Ok(Some(RowOutcome::refused(Refused::new(Refusal::PackInItself, "child"))));
            }
            Err(e) => return refused(e),
        };
        if self.moved.contains(&child) || self.fillings.iter().any(|f| f.number == child) {
            return Ok(None);
        }
        match self.decide(draft, child).await {
            Ok(Some(outcome)) => Ok(Some(outcome)),
            Ok(None) => Ok(None),
            Err(e) => refused(e),
        }
    }

    async fn decide(
        &mut self,
        draft: &PackDraft,
        child: i64,
    ) -> Result<Option<RowOutcome>, FlowError> {
        let subject = custody::subject(self.house, child, "child").await?;
        self.house.not_ahead(draft.packed_at.at, "packed_at")?;
        let slot = match self.slot(draft).await? {
            Some(slot) => slot,
            None => return Ok(None),
        };
        let parent = self.fillings[slot].number;
        let mut facts = custody::facts(self.house, self.reference, &[&subject]).await?;
        if let Some(same) = same_row(&facts, child, parent, draft.packed_at.at) {
            return Ok(Some(same));
        }
        self.parent_facts(slot, &mut facts).await?;
        let unit = subject.unit();
        let holder = packing::decide(&PackFacts {
            child: unit_number(child),
            parent: unit_number(parent),
            packed_at: draft.packed_at.at,
            produced_at: unit.and_then(|u| u.produced_at).map(instant),
            child_is_unit: unit.is_some(),
            inspection_open: subject.inspection_open(),
            decommissioned: unit.is_some_and(|u| u.retired_at.is_some()),
            custody: &facts,
        })
        .map_err(|why| Refused::new(why, "child"))?;
        speaks_for(self.reference, self.caller, holder, "child")?;
        let filling = &mut self.fillings[slot];
        filling.holder = holder;
        filling.after = filling.after.max(subject.recorded_at());
        filling.products.extend(subject.products().iter().map(|ProductId(p)| *p));
        filling.children.push(child);
        let moved = facts.chain(unit_number(parent));
        filling.late |= moved.last().is_some_and(|h| h.at > draft.packed_at.at);
        self.moved.insert(child);
        self.rely(subject.relied());
        // The packs around the pack learn that something in them was touched.
        for (above, recorded_at) in
            custody::relied_packs(self.house, &facts, parent, draft.packed_at.at).await?
        {
            self.rely(above);
            let filling = &mut self.fillings[slot];
            filling.after = filling.after.max(recorded_at);
        }
        Ok(Some(RowOutcome::Taken))
    }

    /// Relies on something once, however many rows of the chunk touch it.
    fn rely(&mut self, guard: Relied) {
        let fresh = match guard {
            Relied::Pack { number, .. } => self.packs.insert(number),
            _ => true,
        };
        if fresh {
            self.guards.push(guard);
        }
    }

    /// The pack the row goes into: one of this chunk, one of the store, or a new one. `None`: the
    /// same pack is filled at another time in this chunk.
    async fn slot(&mut self, draft: &PackDraft) -> Result<Option<usize>, FlowError> {
        let sscc = draft.sscc.as_str();
        if let Some(slot) = self.by_sscc.get(sscc) {
            let same_time = self.fillings[*slot].packed_at == draft.packed_at.at;
            return Ok(same_time.then_some(*slot));
        }
        let existing = self.house.store.identifier_fetch("sscc", 0, sscc).await?;
        let filling = match existing {
            Some(number) => {
                if self.moved.contains(&number) {
                    return Ok(None);
                }
                let pack = self.house.store.pack_fetch(number).await?;
                let pack = pack
                    .filter(|p| p.brand == self.caller.brand.0)
                    .ok_or(Refused::new(Refusal::IdentifierTaken, "sscc"))?;
                Filling {
                    number,
                    sscc: sscc.to_owned(),
                    packed_at: draft.packed_at.at,
                    offset_minutes: draft.packed_at.offset_minutes,
                    holder: PartyId(0),
                    opens: false,
                    guard: Some(Relied::Pack { number, revision: pack.revision }),
                    after: pack.recorded_at,
                    products: pack.products.iter().copied().collect(),
                    children: Vec::new(),
                    late: false,
                }
            }
            None => Filling {
                number: self.next_number().await?,
                sscc: sscc.to_owned(),
                packed_at: draft.packed_at.at,
                offset_minutes: draft.packed_at.offset_minutes,
                holder: PartyId(0),
                opens: true,
                guard: None,
                after: 0,
                products: BTreeSet::new(),
                children: Vec::new(),
                late: false,
            },
        };
        self.by_sscc.insert(sscc.to_owned(), self.fillings.len());
        self.fillings.push(filling);
        Ok(Some(self.fillings.len() - 1))
    }

    /// What is known of the pack itself: its holds, or the one this chunk gives it.
    async fn parent_facts(&self, slot: usize, facts: &mut CustodyFacts) -> Result<(), FlowError> {
        let filling = &self.fillings[slot];
        if !filling.opens {
            let mut own = CustodyFacts::default();
            self.house.store.custody_fetch(&[filling.number], &mut own).await?;
            // The child's facts may already hold the pack's, when it was in it before.
            if facts.own_holds(unit_number(filling.number)).is_empty() {
                self.house.store.custody_fetch(&[filling.number], facts).await?;
            }
        } else if !filling.children.is_empty() {
            let hold = Hold {
                subject: unit_number(filling.number),
                at: filling.packed_at,
                party: filling.holder,
                from: None,
                kind: HoldKind::Packed,
                presumed: false,
                shipment_no: None,
                event: EventId([0; 16]),
                recorded_at: filling.packed_at,
            };
            facts.extend([hold], []);
        }
        Ok(())
    }

    /// The next pack number, from the open block or a new one.
    async fn next_number(&mut self) -> Result<i64, FlowError> {
        if let Some((_, _, next, end)) = &mut self.next_pack
            && next < end
        {
            *next += 1;
            return Ok(*next - 1);
        }
        self.flush_draw();
        let brand = self.caller.brand;
        let open: Vec<_> =
            self.reference.open_batches(brand, Purpose::Pack, None).cloned().collect();
        for batch in open.iter().rev() {
            let used = self.draws.draws.iter().any(|d| d.batch == batch.id);
            let next = self.house.store.draw_fetch(batch.id).await?.unwrap_or(batch.first);
            if !used && next < batch.end() {
                self.next_pack = Some((batch.id, next, next + 1, batch.end()));
                return Ok(next);
            }
        }
        let mint =
            Mint { product: None, purpose: Purpose::Pack, count: PACK_BLOCK, scratch: false };
        let batch = mint_into(self.house, self.caller, self.reference, mint, &mut self.draws)?;
        self.next_pack = Some((batch.id, batch.first, batch.first + 1, batch.end()));
        Ok(batch.first)
    }

    fn flush_draw(&mut self) {
        use store::reference::ReferenceChange::DrawStart;
        let Some((batch, expected, next, _)) = self.next_pack.take() else { return };
        for change in &mut self.draws.reference {
            if let DrawStart(id, start) = change
                && id.0 == batch
            {
                *start = next;
                return;
            }
        }
        self.draws.draws.push(Draw { batch, expected, next });
    }

    async fn commit(mut self) -> Result<Option<Commit>, FlowError> {
        self.fillings.retain(|f| !f.children.is_empty());
        if self.fillings.is_empty() {
            return Ok(None);
        }
        self.flush_draw();
        let mut commit = self.draws;
        let relied = Relied::Reference(self.reference.version);
        if !commit.relies_on.contains(&relied) {
            commit.relies_on.push(relied);
        }
        commit.relies_on.extend(self.guards);
        for filling in self.fillings {
            let known = self.packs.contains(&filling.number);
            commit.relies_on.extend(filling.guard.filter(|_| !known));
            let draft = EventDraft {
                caller: self.caller,
                home: filling.number,
                site: None,
                happened_at: filling.packed_at,
                offset_minutes: filling.offset_minutes,
                after: filling.after,
                body: Body::Packed {
                    holder: filling.holder.0,
                    opens: filling.opens,
                    products: filling.products.into_iter().collect(),
                    sscc: filling.sscc,
                },
                subjects: members(filling.children),
            };
            let event = draft.by(self.house, filling.holder);
            if filling.late {
                commit.outbox.push(look_again(&event));
            }
            commit.events.push(event);
        }
        Ok(Some(commit))
    }
}

fn members(numbers: Vec<i64>) -> Vec<EventRow> {
    numbers.into_iter().map(|number| EventRow { number, row: Row::Member {} }).collect()
}

/// The row was recorded before: unchanged when equal, refused when it still stands otherwise.
fn same_row(
    facts: &CustodyFacts,
    child: i64,
    parent: i64,
    packed_at: Timestamp,
) -> Option<RowOutcome> {
    let parent = unit_number(parent);
    let mut same = facts.containments(unit_number(child)).iter().filter(|c| c.parent == parent);
    if same.clone().any(|c| c.from == packed_at) {
        return Some(RowOutcome::Unchanged);
    }
    same.any(|c| c.to.is_none())
        .then(|| RowOutcome::refused(Refused::new(Refusal::ContentDiffers, "packed_at")))
}

/// Takes children out of a pack.
///
/// # Errors
/// [`Refusal::NotPacked`] when one is not inside then; nothing is written in that case.
pub async fn unpack(
    house: &House,
    caller: &Caller,
    sscc: &str,
    children: &[String],
    at: Timestamp,
) -> Result<usize, FlowError> {
    caller.need(Scope::Produce)?;
    house.not_ahead(at, "happened_at")?;
    for _ in 0..RACES_MAX {
        let reference = house.reference().await?;
        let number = find::subject(house, caller.brand, sscc, "sscc").await?;
        let Subject::Pack(pack) = custody::subject(house, number, "sscc").await? else {
            return Err(Refused::new(Refusal::UnknownSubject, "sscc").into());
        };
        let own = custody::facts(house, &reference, &[&Subject::Pack(pack.clone())]).await?;
        if let Some(hold) = own.at(unit_number(number), at) {
            speaks_for(&reference, caller, hold.party, "sscc")?;
        }
        let mut numbers = Vec::with_capacity(children.len());
        if children.is_empty() {
            let inside = house.store.children_fetch(number).await?;
            numbers.extend(inside.iter().filter(|c| c.covers(at)).map(|c| c.child.get() as i64));
        }
        for child in children {
            numbers.push(find::subject(house, caller.brand, child, "children").await?);
        }
        let mut relies_on = vec![Relied::Pack { number: pack.number, revision: pack.revision }];
        let mut after = pack.recorded_at;
        for child in &numbers {
            let subject = custody::subject(house, *child, "children").await?;
            let facts = custody::facts(house, &reference, &[&subject]).await?;
            if facts.parent_at(unit_number(*child), at) != Some(unit_number(number)) {
                return Err(Refused::new(Refusal::NotPacked, "children").into());
            }
            relies_on.push(subject.relied());
            after = after.max(subject.recorded_at());
            // The packs around it learn that something in them was touched.
            for (above, recorded_at) in custody::relied_packs(house, &facts, *child, at).await? {
                after = after.max(recorded_at);
                if !relies_on.contains(&above) {
                    relies_on.push(above);
                }
            }
        }
        let count = numbers.len();
        if count == 0 {
            return Ok(0);
        }
        let mut draft = EventDraft::about(caller, number, at, after, Body::Unpacked {});
        draft.subjects = members(numbers);
        let event = house.event(draft);
        let outbox = vec![look_again(&event)];
        let commit = Commit { relies_on, outbox, events: vec![event], ..Commit::default() };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(count),
        }
    }
    Err(FlowError::Busy)
}
