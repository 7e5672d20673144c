//! Production: units come off the line. Rows are commissioned in chunks, one event a chunk; every
//! row is judged by itself, so one bad row never costs its neighbours.

use super::batches::{Mint, mint_into};
use super::caller::{Caller, Scope};
use super::chunks::in_chunks;
use super::drawn::{DrawnAhead, free};
use super::find::{CodeFound, note_code_like};
use super::house::{EventDraft, House};
use super::mandate::{may_bind, speaks_for};
use super::masterdata::Taking;
use super::outcome::{FlowError, RowOutcome};
use super::recorded::Recorded;
use super::reference::Reference;
use super::ship::look_again;
use crate::files::{Placed, ProductionDraft};
use domain::code::TraceCode;
use domain::id::ProductId;
use domain::identifier::Identifier;
use domain::party::Site;
use domain::refusal::{Refusal, Refused};
use domain::verdict::Inspection;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZero;
use std::sync::Arc;
use store::commit::{Commit, Draw, Outbox, Relied};
use store::event::{Body, CommissionedRow, Event, IdentifierRow, Row, Subject};
use store::project::born_hash;
use store::reference::Purpose;
use store::unit::{Named, UnitRecord};

/// Rows in one commit: large enough to be fast, small enough not to keep others waiting.
pub const CHUNK_ROWS: usize = 2_000;
/// Unprinted codes minted at a time when none are open.
const UNPRINTED_COUNT: i64 = 1_000_000;

/// One row, resolved.
struct Made<'a> {
    draft: &'a ProductionDraft,
    row: CommissionedRow,
    /// The number its code names; none when one is to be drawn.
    number: Option<i64>,
    /// The unit that already stands there, activated before it was made.
    known: Option<UnitRecord>,
}

/// Commissions units.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn commission(
    house: &House,
    caller: &Caller,
    drafts: &[ProductionDraft],
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Produce)?;
    let ahead = &DrawnAhead::default();
    let outcomes = in_chunks(house, drafts, (taking, CHUNK_ROWS), |round, chunk| async move {
        let ahead = ahead.begins(round.lost).await.then_some(ahead);
        decide(house, caller, (round.reference, ahead), chunk).await
    })
    .await?;
    if outcomes.contains(&RowOutcome::Taken) {
        super::waiting::replay(house, caller.brand, drafts).await;
    }
    Ok(outcomes)
}

async fn decide(
    house: &House,
    caller: &Caller,
    (mut reference, ahead): (Arc<Reference>, Option<&DrawnAhead>),
    drafts: &[ProductionDraft],
) -> Result<(Vec<RowOutcome>, Commit), FlowError> {
    let recorded = Recorded::of(house, &mut reference, caller.brand, drafts).await?;
    let mut judging = Judging::new(house, caller, &reference, &recorded);
    let mut outcomes = Vec::with_capacity(drafts.len());
    let mut made = Vec::with_capacity(drafts.len());
    for draft in drafts {
        outcomes.push(match judging.judge(draft) {
            Judged::New(row) => {
                made.push(*row);
                RowOutcome::Taken
            }
            Judged::Unchanged => RowOutcome::Unchanged,
            Judged::Refused(refused) => RowOutcome::Refused(refused),
        });
    }
    Ok((outcomes, commit(house, caller, (&reference, ahead), made).await?))
}

enum Judged<'a> {
    New(Box<Made<'a>>),
    Unchanged,
    Refused(Vec<Refused>),
}

/// Judges rows one after another: what the store knows, and what earlier rows of the chunk took.
struct Judging<'a> {
    house: &'a House,
    caller: &'a Caller,
    reference: &'a Reference,
    recorded: &'a Recorded,
    sns: HashMap<String, (i64, Option<i64>)>,
    taken: HashSet<(&'static str, String)>,
    numbers: HashSet<i64>,
}

impl<'a> Judging<'a> {
    fn new(
        house: &'a House,
        caller: &'a Caller,
        reference: &'a Reference,
        recorded: &'a Recorded,
    ) -> Self {
        Self {
            house,
            caller,
            reference,
            recorded,
            sns: HashMap::new(),
            taken: HashSet::new(),
            numbers: HashSet::new(),
        }
    }

    fn judge(&mut self, draft: &'a ProductionDraft) -> Judged<'a> {
        let row = match self.resolve(draft) {
            Ok(row) => row,
            Err(refused) => return Judged::Refused(refused),
        };
        let mut made = Made { draft, row, number: None, known: None };
        let mut refused = Vec::new();
        if let Some(raw) = &draft.code {
            match self.bind(raw, &made.row) {
                Ok((number, known)) => (made.number, made.known) = (Some(number), known),
                Err(why) => refused.push(why),
            }
        }
        match self.same_sn(draft, &made) {
            // The rest is as recorded: a code that another unit wears, or nobody may, is the error.
            Some(Ok(())) if !refused.is_empty() => return Judged::Refused(refused),
            Some(Ok(())) => return Judged::Unchanged,
            Some(Err(why)) => refused.push(why),
            None => {}
        }
        for (field, identifier) in draft.numbers() {
            let scheme = identifier.scheme();
            if let Err(why) = may_bind(self.reference, self.caller, scheme, field) {
                refused.push(why);
            } else if self.is_taken(identifier) {
                let more = identifier.shown();
                refused.push(Refused::because(Refusal::IdentifierTaken, *field, more));
            }
        }
        if let Some(number) = made.number
            && !self.numbers.insert(number)
        {
            refused.push(Refused::new(Refusal::CodeBound, "code"));
        }
        if !refused.is_empty() {
            return Judged::Refused(refused);
        }
        let sn = draft.sn.value().to_owned();
        self.sns.insert(sn, (born_hash(&made.row), made.number));
        for (_, identifier) in draft.numbers() {
            self.taken.insert((identifier.scheme().as_str(), identifier.value().to_owned()));
        }
        Judged::New(Box::new(made))
    }

    fn resolve(&self, draft: &ProductionDraft) -> Result<CommissionedRow, Vec<Refused>> {
        let mut refused = Vec::new();
        let brand = self.caller.brand;
        let product = self.reference.product(brand, draft.gtin.as14());
        if product.is_none() {
            refused.push(Refused::new(Refusal::UnknownProduct, "gtin"));
        }
        let site = self.reference.site(brand, &draft.site_code);
        if site.is_none() {
            refused.push(Refused::because(Refusal::UnknownSite, "site_code", &draft.site_code));
        }
        let theirs =
            |site: &&Site| speaks_for(self.reference, self.caller, site.party, "site_code").err();
        refused.extend(site.as_ref().and_then(theirs));
        let makes =
            |site: &Site| self.reference.tree.get(site.party).is_some_and(|p| p.kind.is_origin());
        if site.is_some_and(|site| !makes(site)) {
            refused.push(Refused::because(Refusal::NotAMaker, "site_code", &draft.site_code));
        }
        refused.extend(self.house.not_ahead(draft.produced_at.at, "produced_at").err());
        let (Some(product), Some(site), true) = (product, site, refused.is_empty()) else {
            return Err(refused);
        };
        let identifier = |(_, i): &Placed| IdentifierRow {
            scheme: i.scheme().as_str().to_owned(),
            value: i.value().to_owned(),
        };
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Ok(CommissionedRow {
            batch: 0,
            disposition: draft.disposition.map(|d| d.as_str().to_owned()),
            identifiers: draft.numbers().map(identifier).collect(),
            inspection: inspection_word(draft.inspection),
            kit: draft.kit.as_ref().map(|main| main.shown().to_owned()),
            line: some(&draft.line),
            lot: some(&draft.lot),
            produced_at: draft.produced_at.at.as_microsecond(),
            product: product.id.0,
            site: site.id.0,
            sn: Some(draft.sn.shown().to_owned()),
        })
    }

    /// The number a given code names, when it may be bound to this row.
    fn bind(
        &self,
        raw: &TraceCode,
        row: &CommissionedRow,
    ) -> Result<(i64, Option<UnitRecord>), Refused> {
        let refused = |why| Err(Refused::new(why, "code"));
        let (number, void) = match self.recorded.code(raw) {
            CodeFound::NotACode | CodeFound::Forged => return refused(Refusal::ForgedCode),
            CodeFound::Unissued => return refused(Refusal::CodeNotIssued),
            CodeFound::Void(number) => (number, true),
            CodeFound::Issued(number) => (number, false),
        };
        let batch = self.reference.batch_of(number);
        if batch.is_some_and(|b| b.brand != self.caller.brand.0) {
            return refused(Refusal::CodeNotIssued);
        }
        // Voiding leaves alone what was bound before: a record sent again is unchanged.
        if void && !self.is_made(number) {
            return refused(Refusal::CodeVoid);
        }
        if batch.is_some_and(|b| b.product != Some(row.product)) {
            return refused(Refusal::CodeOtherProduct);
        }
        // A label that replaced another belongs to that unit.
        if self.recorded.is_alias(number) {
            return refused(Refusal::CodeBound);
        }
        // The same record stays so also when the unit bears another serial number by now, or none.
        let other_record =
            |unit: &UnitRecord| unit.sn != row.sn && unit.born_hash != Some(born_hash(row));
        match self.recorded.unit(number) {
            Some(unit) if unit.produced_at.is_some() && other_record(unit) => {
                refused(Refusal::CodeBound)
            }
            other => Ok((number, other.cloned())),
        }
    }

    fn is_made(&self, number: i64) -> bool {
        self.recorded.unit(number).is_some_and(|unit| unit.produced_at.is_some())
    }

    /// Whether the SN is known: as the same record, or as another.
    fn same_sn(&self, draft: &ProductionDraft, made: &Made<'_>) -> Option<Result<(), Refused>> {
        let hash = born_hash(&made.row);
        let same = |born: Option<i64>, number: Option<i64>| {
            let agrees = made.number.is_none() || made.number == number;
            if born == Some(hash) && agrees {
                Ok(())
            } else {
                Err(Refused::because(Refusal::SnTaken, "sn", draft.sn.shown()))
            }
        };
        if let Some((born, number)) = self.sns.get(draft.sn.value()) {
            // A number that is yet to be drawn is none that a later row can name.
            return Some(same(Some(*born), *number));
        }
        // Also one that was taken off: it is never another's, and its record stays what it was.
        let number = self.recorded.named(&draft.sn)?.number();
        let unit = self.recorded.unit(number);
        Some(same(unit.and_then(|u| u.born_hash), Some(number)))
    }

    fn is_taken(&self, identifier: &Identifier) -> bool {
        let key = (identifier.scheme().as_str(), identifier.value().to_owned());
        let recorded = || self.recorded.named(identifier).and_then(Named::live);
        self.taken.contains(&key) || recorded().is_some()
    }
}

/// One commit over the rows that stand: codes drawn, one event for each production site.
async fn commit(
    house: &House,
    caller: &Caller,
    (reference, ahead): (&Reference, Option<&DrawnAhead>),
    mut made: Vec<Made<'_>>,
) -> Result<Commit, FlowError> {
    let coded = made.iter().filter_map(|m| reference.batch_of(m.number?));
    let coded: BTreeSet<_> = coded.map(|batch| batch.id).collect();
    let mut relies_on: Vec<_> = coded.into_iter().map(Relied::BatchBound).collect();
    relies_on.push(Relied::Reference(reference.version));
    let mut commit = Commit { relies_on, ..Commit::default() };
    draw(house, caller, (reference, ahead), &mut made, &mut commit).await?;
    note_code_like(reference, made.iter().map(|m| m.draft.sn.value()), &mut commit);
    let mut by_site: BTreeMap<i64, Vec<Made<'_>>> = BTreeMap::new();
    for one in made {
        by_site.entry(one.row.site).or_default().push(one);
    }
    for (_, rows) in by_site {
        let known: Vec<_> =
            rows.iter().filter_map(|m| m.known.as_ref()).map(|u| u.number).collect();
        let event = commissioned(house, caller, reference, rows, &mut commit);
        if let Some(event) = event {
            // Activated before they were made: the record explains it, whenever that was.
            let look =
                |number| Outbox { home: number, content: "0".to_owned(), ..look_again(&event) };
            commit.outbox.extend(known.iter().map(|n| look(*n)));
            commit.events.push(event);
        }
    }
    Ok(commit)
}

fn commissioned(
    house: &House,
    caller: &Caller,
    reference: &Reference,
    rows: Vec<Made<'_>>,
    commit: &mut Commit,
) -> Option<Event> {
    let last = rows.iter().max_by_key(|m| m.draft.produced_at.at)?.draft.produced_at;
    let site = domain::id::SiteId(rows.first()?.row.site);
    let mut after = 0;
    for one in &rows {
        if let Some(unit) = &one.known {
            after = after.max(unit.recorded_at);
            commit.known.insert(unit.number);
            commit.relies_on.push(Relied::Unit { number: unit.number, revision: unit.revision });
        }
    }
    let subject = |one: Made<'_>| {
        let number = one.number?;
        let batch = reference.batch_of(number).map(|b| b.id).unwrap_or(one.row.batch);
        let row = CommissionedRow { batch, ..one.row };
        Some(Subject { number, row: Row::Commissioned(Box::new(row)) })
    };
    let subjects: Vec<_> = rows.into_iter().filter_map(subject).collect();
    let party = reference.site_by_id(site).map_or(caller.party, |s| s.party);
    let draft = EventDraft {
        caller,
        home: subjects.first()?.number,
        site: Some(site),
        happened_at: last.at,
        offset_minutes: last.offset_minutes,
        after,
        body: Body::Commissioned { count: subjects.len() as i64 },
        subjects,
    };
    Some(draft.by(house, party))
}

/// Takes numbers for rows without a code from the product's open unprinted batches, minting the
/// next when they are used up.
async fn draw(
    house: &House,
    caller: &Caller,
    (reference, ahead): (&Reference, Option<&DrawnAhead>),
    made: &mut [Made<'_>],
    commit: &mut Commit,
) -> Result<(), FlowError> {
    let mut wanting: BTreeMap<i64, Vec<&mut Made<'_>>> = BTreeMap::new();
    for one in made.iter_mut().filter(|m| m.number.is_none()) {
        wanting.entry(one.row.product).or_default().push(one);
    }
    for (product, rows) in wanting {
        let mut rows = rows.into_iter();
        let product = Some(ProductId(product));
        let open: Vec<_> =
            reference.open_batches(caller.brand, Purpose::Unprinted, product).cloned().collect();
        for batch in open {
            if let Some(ahead) = ahead {
                while let Some(left) = NonZero::new(rows.len()) {
                    let number = ahead.next(house, &batch, left.get()).await?;
                    let Some(number) = number else { break };
                    if reference.void_reason(number).is_none()
                        && let Some(row) = rows.next()
                    {
                        (row.number, row.row.batch) = (Some(number), batch.id);
                    }
                }
                continue;
            }
            let Some(left) = NonZero::new(rows.len()) else { break };
            let expected = house.store.draw_fetch(batch.id).await?.unwrap_or(batch.first);
            let (numbers, next) = free(reference, expected..batch.end(), left.get());
            for (number, row) in numbers.into_iter().zip(rows.by_ref()) {
                (row.number, row.row.batch) = (Some(number), batch.id);
            }
            if next > expected {
                commit.draws.push(Draw { batch: batch.id, expected, next });
            }
        }
        let rest: Vec<_> = rows.collect();
        if rest.is_empty() {
            continue;
        }
        let count = UNPRINTED_COUNT.max(rest.len() as i64);
        let mint = Mint { product, purpose: Purpose::Unprinted, count, scratch: false };
        let batch = mint_into(house, caller, reference, mint, commit)?;
        let taken = rest.len() as i64;
        for (number, row) in (batch.first..).zip(rest) {
            (row.number, row.row.batch) = (Some(number), batch.id);
        }
        // The draw row is made in this very commit, so it can start past what is taken here.
        for change in &mut commit.reference {
            use store::reference::ReferenceChange::DrawStart;
            if let DrawStart(id, next) = change
                && id.0 == batch.id
            {
                *next = batch.first + taken;
            }
        }
    }
    Ok(())
}

fn inspection_word(inspection: Inspection) -> Option<String> {
    let word = match inspection {
        Inspection::Pass => "pass",
        Inspection::Fail => "fail",
        Inspection::Hold => "hold",
        Inspection::None => return None,
    };
    Some(word.to_owned())
}
