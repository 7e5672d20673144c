//! Packing: children go into packs and come out again. Rows that concern one pack at one time
//! become one event.

use super::batches::{Mint, PACK_BLOCK, mint_into};
use super::caller::{Caller, Scope};
use super::chunks::in_chunks;
use super::contents::pack_named;
use super::custody::{Subject, instant};
use super::drawn::DrawnAhead;
use super::find::{self, unit_number};
use super::house::{EventDraft, House};
use super::mandate::{may_bind, speaks_for};
use super::masterdata::Taking;
use super::outcome::{FlowError, RACES_MAX, RowOutcome};
use super::overlay::{Overlay, Scene};
use super::reference::Reference;
use super::ship::look_again;
use super::standing;
use crate::files::PackDraft;
use domain::custody::{Containment, CustodyFacts, Hold, HoldKind, Moment};
use domain::id::{EventId, PartyId};
use domain::identifier::{Identifier, Scheme};
use domain::late::still_fits;
use domain::packing::{self, PackFacts, Placed};
use domain::refusal::{Refusal, Refused};
use domain::when::When;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::StoreError;
use store::commit::{Commit, Draw, Relied};
use store::event::{Body, Row, Subject as EventRow};
use store::reference::Purpose;
use store::unit::PackRecord;

/// Rows decided before they are committed together.
const CHUNK_ROWS: usize = 1_000;

/// Numbers of packs drawn at a time while others open packs, too.
const PACKS_AHEAD: usize = 64;

/// What goes into one pack at one time.
struct Filling {
    number: i64,
    sscc: String,
    packed_at: Timestamp,
    offset_minutes: i32,
    holder: PartyId,
    opens: bool,
    after: i64,
    products: BTreeSet<i64>,
    children: Vec<i64>,
    /// The pack moved after this packing: the children moved with it, which nobody knew.
    late: bool,
}

/// What is known to have left a pack before it is told to have gone in.
#[derive(Default)]
struct Leaving {
    after: i64,
    offset_minutes: i32,
    children: BTreeSet<i64>,
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
    let ahead = &DrawnAhead::default();
    in_chunks(house, drafts, (taking, CHUNK_ROWS), |round, chunk| async move {
        let mut packing = Packing::new(house, caller, &round.reference);
        packing.ahead = ahead.begins(round.lost).await.then_some(ahead);
        let mut outcomes = Vec::with_capacity(chunk.len());
        for draft in chunk {
            outcomes.push(packing.take(draft).await?);
        }
        packing.take_what_waited(chunk, &mut outcomes).await?;
        Ok((outcomes, packing.commit()))
    })
    .await
}

/// Whether a row was refused for want of a pack that another row may open: one that puts a carton
/// onto a pallet may come before the rows of the carton.
pub(super) fn waits(draft: &PackDraft, outcome: &RowOutcome) -> bool {
    let RowOutcome::Refused(why) = outcome else { return false };
    let unknown = |r: &Refused| (r.refusal, &*r.field) == (Refusal::UnknownSubject, "child");
    why.iter().all(unknown) && Identifier::parse(Scheme::Sscc, &draft.child.raw).is_ok()
}

struct Packing<'a> {
    house: &'a House,
    caller: &'a Caller,
    reference: &'a Reference,
    overlay: Overlay<'a>,
    fillings: Vec<Filling>,
    by_pack: HashMap<(i64, Timestamp), usize>,
    /// By the pack, and when.
    leavings: BTreeMap<(i64, Timestamp), Leaving>,
    /// When packs were opened, by a child that went in before the one that was told first.
    earlier: HashMap<i64, Timestamp>,
    /// Numbers of packs that no row has opened yet.
    kept: HashMap<String, i64>,
    draws: Commit,
    next_pack: Option<(i64, i64, i64, i64)>,
    /// Where numbers come from while others open packs, too.
    ahead: Option<&'a DrawnAhead>,
}

impl<'a> Packing<'a> {
    fn new(house: &'a House, caller: &'a Caller, reference: &'a Reference) -> Self {
        Self {
            house,
            caller,
            reference,
            overlay: Overlay::new(house, reference, caller.brand),
            fillings: Vec::new(),
            by_pack: HashMap::new(),
            leavings: BTreeMap::new(),
            earlier: HashMap::new(),
            kept: HashMap::new(),
            draws: Commit::default(),
            next_pack: None,
            ahead: None,
        }
    }

    async fn take(&mut self, draft: &PackDraft) -> Result<RowOutcome, FlowError> {
        match self.decide(draft).await {
            Err(FlowError::Refused(refused)) => Ok(RowOutcome::refused(refused)),
            other => other,
        }
    }

    /// Decides once more what waits for a pack, as long as others of these rows open one.
    async fn take_what_waited(
        &mut self,
        drafts: &[PackDraft],
        outcomes: &mut [RowOutcome],
    ) -> Result<(), FlowError> {
        let mut opened = 0;
        while opened < self.overlay.opened_count() {
            opened = self.overlay.opened_count();
            for (draft, outcome) in drafts.iter().zip(outcomes.iter_mut()) {
                if waits(draft, outcome) {
                    *outcome = self.take(draft).await?;
                }
            }
        }
        Ok(())
    }

    async fn decide(&mut self, draft: &PackDraft) -> Result<RowOutcome, FlowError> {
        let when = draft.packed_at.when();
        let child = match self.overlay.find(&draft.child.raw, "child").await {
            // Nobody knows it yet, but it is named as its own pack.
            Err(FlowError::Refused(_)) if draft.child.raw == draft.sscc.as_str() => {
                return Err(Refused::new(Refusal::PackInItself, "child").into());
            }
            found => found?,
        };
        let subject = self.overlay.subject(child, "child").await?;
        self.house.not_ahead(when.first(), "packed_at")?;
        let pack = self.overlay.pack_of(draft.sscc.as_str()).await;
        if matches!(pack, Ok(None) | Err(FlowError::Refused(_))) {
            // Free or another brand's: who may not open one is not told which.
            may_bind(self.reference, self.caller, Scheme::Sscc, "sscc")?;
        }
        let pack = pack?.map(Subject::Pack);
        let parent = match &pack {
            Some(pack) => pack.number(),
            None => self.kept_number(draft.sscc.as_str()).await?,
        };
        let place = (parent, pack.as_ref());
        let scene = self.overlay.scene_at(&subject, place, when.first()).await?;
        // Somebody was faster and has the number kept for this pack.
        if pack.is_none() && (child == parent || scene.facts.knows(unit_number(parent))) {
            return Err(StoreError::Conflict("draw").into());
        }
        if let Some(same) = same_row(&scene.facts, child, parent, when) {
            return Ok(same);
        }
        let (scene, placed) = self.fitting(&subject, place, when, scene).await?;
        let Placed { holder, left, opens_earlier } = placed;
        let Scene { at, facts, inside, around: mut touched, .. } = scene;
        speaks_for(self.reference, self.caller, holder, "child")?;
        let opens = pack.is_none();
        let pack = pack.unwrap_or_else(|| self.open((draft, at), parent, holder));
        let products = pack.products();
        // The packs around the pack learn that something in them was touched.
        touched.extend([subject.clone(), pack]);
        touched.extend(inside);
        // What moved in a pack moved in whatever it is put into, also when that is told later.
        let stirred = at.max(subject.stirred_at()).max(left.unwrap_or(at));
        self.draws.stirred_at = self.draws.stirred_at.max(stirred.as_microsecond());
        for one in &touched {
            self.overlay.touch(one, stirred);
        }
        let (child, parent) = (unit_number(child), unit_number(parent));
        let recorded_at = touched.iter().map(Subject::recorded_at).fold(0, i64::max);
        let from = Moment { at, recorded_at: instant(self.house.record_time(recorded_at)) };
        if opens_earlier {
            self.earlier.insert(parent.get() as i64, at);
            self.opened(parent.get() as i64, from, holder);
        }
        let to = left.map(|at| Moment { at, recorded_at: from.recorded_at });
        self.overlay.enter(Containment { child, parent, from, to }, &subject.products());
        if let Some(left) = left {
            let leaving = self.leavings.entry((parent.get() as i64, left)).or_default();
            leaving.after = leaving.after.max(recorded_at);
            leaving.offset_minutes = draft.packed_at.offset_minutes;
            leaving.children.insert(child.get() as i64);
        }
        self.tell_around((draft, at), &facts, (&subject, recorded_at)).await?;
        let when = (at, draft.packed_at.offset_minutes);
        let filling = self.filling(draft.sscc.as_str(), parent.get() as i64, when, holder);
        filling.products.extend(products.iter().map(|p| p.0));
        filling.opens |= opens;
        filling.late |= facts.chain(parent).last().is_some_and(|h| h.at > at);
        filling.after = filling.after.max(recorded_at);
        filling.children.push(child.get() as i64);
        filling.products.extend(subject.products().iter().map(|p| p.0));
        Ok(RowOutcome::Taken)
    }

    /// Where and when a child went in, and who held it: at the first place of those it may have
    /// gone in at where nothing had left, else what is said of the first.
    async fn fitting(
        &mut self,
        subject: &Subject,
        place: (i64, Option<&Subject>),
        when: When,
        mut scene: Scene,
    ) -> Result<(Scene, Placed), FlowError> {
        let parent = place.0;
        let mut first = None;
        let mut placed = Err(FlowError::Busy);
        for at in self.places(&scene, subject, (parent, when)).await? {
            if at != scene.at {
                scene = self.overlay.scene_at(subject, place, at).await?;
            }
            placed = self.placed((subject, parent), &scene).await;
            match &placed {
                Err(FlowError::Refused(why)) if packing::has_left(why.refusal) => {
                    first.get_or_insert_with(|| why.clone());
                }
                _ => break,
            }
        }
        match (placed, first) {
            (Err(FlowError::Refused(_)), Some(first)) => Err(first.into()),
            (placed, _) => Ok((scene, placed?)),
        }
    }

    /// The instants at which a child may have gone in: of a day alone behind all that is known of
    /// child and pack, else behind what is known of the child, since the pack may have left by
    /// then.
    async fn places(
        &self,
        scene: &Scene,
        child: &Subject,
        (parent, when): (i64, When),
    ) -> Result<Vec<Timestamp>, FlowError> {
        if !when.is_day() {
            return Ok(vec![when.first()]);
        }
        let stands = standing::instants(self.house, child, when).await?;
        let of_child = when.behind(scene.known_of(child.number()).chain(stands));
        let of_both = of_child.max(when.behind(scene.facts.instants(unit_number(parent))));
        let mut places = vec![of_both, of_child];
        places.dedup();
        Ok(places)
    }

    /// How a child goes in, where it may.
    async fn placed(
        &self,
        (subject, parent): (&Subject, i64),
        scene: &Scene,
    ) -> Result<Placed, FlowError> {
        let (at, unit) = (scene.at, subject.unit());
        let placed = packing::decide(&PackFacts {
            child: unit_number(subject.number()),
            parent: unit_number(parent),
            packed_at: at,
            produced_at: unit.and_then(|u| u.produced_at).map(instant),
            child_is_unit: unit.is_some(),
            nested: self.overlay.nested(subject, at).await?,
            inspection_open: standing::inspection_was_open(self.house, subject, at).await?,
            decommissioned: unit.and_then(|u| u.retired_at).is_some_and(|t| instant(t) <= at),
            custody: &scene.facts,
            stirred: &scene.stirred,
        });
        Ok(placed.map_err(|why| Refused::new(why, "child"))?)
    }

    /// The packs around a pack, then and now, hold what goes into it: whether their holder may take
    /// them on is asked of the outermost.
    async fn tell_around(
        &mut self,
        (draft, at): (&PackDraft, Timestamp),
        facts: &CustodyFacts,
        (child, recorded_at): (&Subject, i64),
    ) -> Result<(), FlowError> {
        let Some(parent) = self.overlay.pack_of(draft.sscc.as_str()).await? else { return Ok(()) };
        let parent = unit_number(parent.number);
        let mut around: BTreeSet<_> = facts.upward(parent, at).into_iter().collect();
        around.extend(facts.upward(parent, Timestamp::MAX));
        around.remove(&parent);
        let products = child.products();
        for number in around {
            let pack = self.overlay.subject(number.get() as i64, "sscc").await?;
            let known = pack.products();
            let (false, Subject::Pack(record)) =
                (products.iter().all(|p| known.contains(p)), &pack)
            else {
                continue;
            };
            self.overlay.touch(&pack, at);
            self.overlay.hold_products(record.number, &products);
            let holder = facts.hands_of_pack(number, Moment::told_last(at)).unwrap_or(PartyId(0));
            let when = (at, draft.packed_at.offset_minutes);
            let filling = self.filling(&record.sscc, record.number, when, holder);
            filling.after = filling.after.max(recorded_at).max(record.recorded_at);
            filling.products.extend(known.iter().chain(&products).map(|p| p.0));
        }
        Ok(())
    }

    /// A pack that nobody knows is held by whoever holds its first child.
    fn open(
        &mut self,
        (draft, at): (&PackDraft, Timestamp),
        number: i64,
        holder: PartyId,
    ) -> Subject {
        let pack = PackRecord {
            number,
            brand: self.caller.brand.0,
            sscc: draft.sscc.as_str().to_owned(),
            products: Vec::new(),
            recorded_at: 0,
            revision: 0,
            stirred_at: at.as_microsecond(),
        };
        self.overlay.open(pack.clone());
        let recorded_at = instant(self.house.record_time(0));
        self.opened(number, Moment { at, recorded_at }, holder);
        Subject::Pack(pack)
    }

    fn opened(&mut self, number: i64, Moment { at, recorded_at }: Moment, holder: PartyId) {
        self.overlay.hold(Hold {
            subject: unit_number(number),
            at,
            party: holder,
            from: None,
            kind: HoldKind::Packed,
            presumed: false,
            shipment_no: None,
            event: EventId([0; 16]),
            recorded_at,
        });
    }

    /// The event the row belongs to: one for each pack and time.
    fn filling(
        &mut self,
        sscc: &str,
        number: i64,
        (packed_at, offset_minutes): (Timestamp, i32),
        holder: PartyId,
    ) -> &mut Filling {
        let fresh = self.fillings.len();
        let slot = *self.by_pack.entry((number, packed_at)).or_insert(fresh);
        if slot == fresh {
            self.fillings.push(Filling {
                number,
                sscc: sscc.to_owned(),
                packed_at,
                offset_minutes,
                holder,
                opens: false,
                after: 0,
                products: BTreeSet::new(),
                children: Vec::new(),
                late: false,
            });
        }
        &mut self.fillings[slot]
    }

    /// The number a pack will have when a row opens it.
    async fn kept_number(&mut self, sscc: &str) -> Result<i64, FlowError> {
        if let Some(number) = self.kept.get(sscc) {
            return Ok(*number);
        }
        let number = self.next_number().await?;
        self.kept.insert(sscc.to_owned(), number);
        Ok(number)
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
            if let Some(ahead) = self.ahead {
                match ahead.next(self.house, batch, PACKS_AHEAD).await? {
                    Some(number) => return Ok(number),
                    None => continue,
                }
            }
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

    fn commit(mut self) -> Commit {
        if self.fillings.is_empty() {
            return Commit::default();
        }
        self.flush_draw();
        let mut commit = self.draws;
        let relied = Relied::Reference(self.reference.version);
        if !commit.relies_on.contains(&relied) {
            commit.relies_on.push(relied);
        }
        commit.relies_on.extend(self.overlay.into_guards());
        let mut inside: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for filling in self.fillings {
            let products = inside.entry(filling.number).or_default();
            products.extend(filling.products);
            let draft = EventDraft {
                caller: self.caller,
                home: filling.number,
                site: None,
                happened_at: filling.packed_at,
                offset_minutes: filling.offset_minutes,
                after: filling.after,
                body: Body::Packed {
                    by_paper: None,
                    by_sender: None,
                    holder: filling.holder.0,
                    opens: filling.opens,
                    opens_again: self.earlier.get(&filling.number) == Some(&filling.packed_at),
                    products: products.iter().copied().collect(),
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
        for ((pack, at), leaving) in self.leavings {
            let draft = EventDraft::about(self.caller, pack, at, leaving.after, Body::Unpacked {});
            commit.events.push(self.house.event(EventDraft {
                offset_minutes: leaving.offset_minutes,
                subjects: members(leaving.children.into_iter().collect()),
                ..draft
            }));
        }
        commit
    }
}

fn members(numbers: Vec<i64>) -> Vec<EventRow> {
    numbers.into_iter().map(|number| EventRow { number, row: Row::Member {} }).collect()
}

/// The row was recorded before: unchanged when equal, refused when it still stands otherwise.
fn same_row(facts: &CustodyFacts, child: i64, parent: i64, when: When) -> Option<RowOutcome> {
    let parent = unit_number(parent);
    let mut same = facts.containments(unit_number(child)).iter().filter(|c| c.parent == parent);
    if same.clone().any(|c| when.may_be(c.from.at)) {
        return Some(RowOutcome::Unchanged);
    }
    same.any(|c| c.to.is_none())
        .then(|| RowOutcome::refused(Refused::new(Refusal::ContentDiffers, "packed_at")))
}

/// Takes children out of a pack.
///
/// # Errors
/// [`Refusal::NotPacked`] when one is not inside then; nothing is written in that case. As
/// [`pack_named`].
pub async fn unpack(
    house: &House,
    caller: &Caller,
    sscc: &str,
    children: &[String],
    when: impl Into<When>,
) -> Result<usize, FlowError> {
    let when = when.into();
    caller.need(Scope::Produce)?;
    house.not_ahead(when.first(), "happened_at")?;
    for _ in 0..RACES_MAX {
        let reference = house.reference().await?;
        let number = pack_named(house, caller.brand, sscc).await?.number;
        let mut overlay = Overlay::new(house, &reference, caller.brand);
        let pack = overlay.subject(number, "sscc").await?;
        let Scene { at, facts: own, .. } = overlay.scene(&pack, when).await?;
        // Told in any order, a child may have gone in before the pack was opened.
        let opened = || own.opening(unit_number(number));
        if let Some(hold) = own.at(unit_number(number), at).or_else(opened) {
            speaks_for(&reference, caller, hold.party, "sscc")?;
        }
        // A child named twice is meant once.
        let mut numbers = BTreeMap::new();
        if children.is_empty() {
            let inside = house.store.children_fetch(number).await?;
            let inside = inside.iter().filter(|c| c.covers(at));
            numbers.extend(inside.map(|c| (c.child.get() as i64, "")));
        }
        for child in children {
            numbers.insert(find::subject(house, caller.brand, child, "children").await?, child);
        }
        let mut after = pack.recorded_at();
        overlay.touch(&pack, at);
        for (child, named) in &numbers {
            let refused = |why| Err(Refused::because(why, "children", named).into());
            let subject = overlay.subject(*child, "children").await?;
            let (stirred, inside) = overlay.stirred(&subject, at).await?;
            let concerned: Vec<_> = std::iter::once(&subject).chain(&inside).collect();
            let (mut facts, around) = overlay.around(&concerned, (*child, at)).await?;
            let (child, parent) = (unit_number(*child), unit_number(number));
            if facts.parent_at(child, at) != Some(parent) {
                return refused(Refusal::NotPacked);
            }
            // Told late: what it did since, and what was in it, was done from where it stays.
            facts.leave(child, parent, Moment::told_last(at));
            let moved = stirred.iter().map(|c| c.child).chain([child]);
            if !still_fits(&facts, moved, at) {
                return refused(Refusal::ContradictsLater);
            }
            // The packs around it learn that something in them was touched.
            for touched in std::iter::once(&subject).chain(&around).chain(&inside) {
                overlay.touch(touched, at);
                after = after.max(touched.recorded_at());
            }
        }
        let count = numbers.len();
        if count == 0 {
            return Ok(0);
        }
        let mut draft = EventDraft::about(caller, number, at, after, Body::Unpacked {}).told(when);
        draft.subjects = members(numbers.into_keys().collect());
        let event = house.event(draft);
        let outbox = vec![look_again(&event)];
        let relies_on = overlay.into_guards();
        let commit = Commit { relies_on, outbox, events: vec![event], ..Commit::default() };
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => return Ok(count),
        }
    }
    Err(FlowError::Busy)
}
