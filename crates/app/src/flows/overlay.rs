//! What the store holds, and over it what the rows decided so far will record. Rows of a command
//! are decided one after another and committed together: a row that leans on an earlier one (units
//! into a carton, and that carton onto a pallet) finds here what the commit will have written, and
//! the rules see no difference.
//!
//! It also keeps what the commit relies on: every unit and pack that it touches, once, as it was
//! first read. A pack that the commit opens has no revision yet; its SSCC is free or the race is
//! lost.
//!
//! Deliberately absent: whatever rows cannot change for rows behind them, such as a unit's state.

use super::custody::{self, Subject};
use super::find::{self, unit_number};
use super::house::House;
use super::outcome::FlowError;
use super::reference::Reference;
use super::standing;
use domain::code::UnitNumber;
use domain::custody::{Containment, CustodyFacts, Hold, Moment, PACK_DEPTH_MAX};
use domain::id::{BrandId, PartyId, ProductId};
use domain::identifier::{Identifier, Scheme};
use domain::late::around_since;
use domain::refusal::{Refusal, Refused};
use domain::when::When;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet};
use store::commit::Relied;
use store::event::Body;
use store::unit::{PackRecord, ShipmentRecord};

/// What instants are told apart by.
const MICROSECOND: SignedDuration = SignedDuration::from_micros(1);

/// What a row will record of a subject.
enum Change {
    Holds(Hold),
    Enters(Containment),
    Leaves { parent: UnitNumber, moment: Moment },
}

/// A paper's number and its sender.
pub type Paper<'a> = (&'a str, PartyId);

/// What a row of a paper says beside its receiver and its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Particulars {
    /// Why the goods go there.
    pub reason: Option<String>,
    /// Whether they are declared as sold to a group.
    pub group: bool,
}

impl Particulars {
    /// As the event of the row tells them; nobody sells by a return.
    fn of(body: &Body) -> Self {
        match body {
            Body::Shipped { reason, declared_group_purchase: group, .. } => {
                Self { reason: reason.clone(), group: group.unwrap_or_default() }
            }
            Body::Returned { reason, .. } => Self { reason: reason.clone(), group: false },
            _ => Self::default(),
        }
    }
}

/// What is known around a subject when something happens to it.
pub struct Scene {
    /// When that is, see [`When::behind`].
    pub at: Timestamp,
    /// Custody of the subject, of every pack it was ever in, and of what stirred in it.
    pub facts: CustodyFacts,
    /// What went into it, or into a pack inside it, or left one of them, after that.
    pub stirred: Vec<Containment>,
    /// The subjects that did.
    pub inside: Vec<Subject>,
    /// The packs around it then or later.
    pub around: Vec<Subject>,
}

impl Scene {
    /// The instants of what is known of a subject, and of what stirred in the one it is about.
    pub fn known_of(&self, number: i64) -> impl Iterator<Item = Timestamp> {
        let known = self.facts.instants(unit_number(number));
        known.chain(Containment::instants(&self.stirred))
    }
}

/// The store as it will be once the rows decided so far are committed.
pub struct Overlay<'a> {
    house: &'a House,
    reference: &'a Reference,
    brand: BrandId,
    /// What happens to a subject, in the order of the rows.
    changes: HashMap<i64, Vec<Change>>,
    /// Who goes into a pack, or leaves it.
    stirred: HashMap<i64, BTreeSet<i64>>,
    /// Packs as they will be: those opened here, and those of the store since they were read.
    packs: HashMap<i64, PackRecord>,
    by_sscc: HashMap<String, i64>,
    opened: HashSet<i64>,
    papers: HashMap<(String, PartyId, i64), (ShipmentRecord, Particulars)>,
    relied: HashSet<i64>,
    guards: Vec<Relied>,
}

impl<'a> Overlay<'a> {
    /// The store as it is.
    pub fn new(house: &'a House, reference: &'a Reference, brand: BrandId) -> Self {
        Self {
            house,
            reference,
            brand,
            changes: HashMap::new(),
            stirred: HashMap::new(),
            packs: HashMap::new(),
            by_sscc: HashMap::new(),
            opened: HashSet::new(),
            papers: HashMap::new(),
            relied: HashSet::new(),
            guards: Vec::new(),
        }
    }

    /// What a string names; see [`find::subject`].
    ///
    /// # Errors
    /// Nothing answers to it, or the store cannot be read.
    pub async fn find(&self, raw: &str, field: &'static str) -> Result<i64, FlowError> {
        let sscc = Identifier::parse(Scheme::Sscc, raw).ok();
        if let Some(pack) = sscc.and_then(|sscc| self.by_sscc.get(sscc.value())) {
            return Ok(*pack);
        }
        find::subject(self.house, self.brand, raw, field).await
    }

    /// A unit or pack.
    ///
    /// # Errors
    /// [`Refusal::UnknownSubject`] when there is neither.
    pub async fn subject(
        &mut self,
        number: i64,
        field: &'static str,
    ) -> Result<Subject, FlowError> {
        if let Some(pack) = self.packs.get(&number) {
            return Ok(Subject::Pack(pack.clone()));
        }
        let subject = custody::subject(self.house, number, field).await?;
        if let Subject::Pack(pack) = &subject {
            self.packs.insert(number, pack.clone());
        }
        Ok(subject)
    }

    /// The brand's pack of an SSCC.
    ///
    /// # Errors
    /// [`Refusal::IdentifierTaken`] when it is another brand's.
    pub async fn pack_of(&mut self, sscc: &str) -> Result<Option<PackRecord>, FlowError> {
        let number = match self.by_sscc.get(sscc) {
            Some(number) => *number,
            None => match self.house.store.identifier_fetch("sscc", 0, sscc).await? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        let pack = self.pack(number).await?.filter(|p| p.brand == self.brand.0);
        let pack = pack.ok_or(Refused::new(Refusal::IdentifierTaken, "sscc"))?;
        self.by_sscc.insert(sscc.to_owned(), number);
        Ok(Some(pack))
    }

    async fn pack(&mut self, number: i64) -> Result<Option<PackRecord>, FlowError> {
        if let Some(pack) = self.packs.get(&number) {
            return Ok(Some(pack.clone()));
        }
        let pack = self.house.store.pack_fetch(number).await?;
        self.packs.extend(pack.clone().map(|pack| (number, pack)));
        Ok(pack)
    }

    /// The shipment of a subject under a sender's paper.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn paper(
        &self,
        (paper, from): Paper<'_>,
        subject: i64,
    ) -> Result<Option<ShipmentRecord>, FlowError> {
        match self.papers.get(&(paper.to_owned(), from, subject)) {
            Some((record, _)) => Ok(Some(*record)),
            None => {
                let paper = (paper, from.0);
                Ok(self.house.store.shipment_fetch(self.brand.0, paper, subject).await?)
            }
        }
    }

    /// What else was said of that shipment.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn particulars(
        &self,
        (paper, from): Paper<'_>,
        subject: i64,
    ) -> Result<Option<Particulars>, FlowError> {
        if let Some((_, said)) = self.papers.get(&(paper.to_owned(), from, subject)) {
            return Ok(Some(said.clone()));
        }
        let event = self.house.store.moved_by((paper, from.0), subject).await?;
        Ok(event.map(|event| Particulars::of(&event.body)))
    }

    /// Custody of some subjects and of every pack they were ever in; units among them start with
    /// the party of their production site.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn facts(&self, subjects: &[&Subject]) -> Result<CustodyFacts, FlowError> {
        let mut facts = self.moves(subjects.iter().map(|s| s.number()).collect()).await?;
        let units = subjects.iter().filter_map(|s| s.unit());
        facts.extend(units.filter_map(|u| custody::origin(self.reference, u)), []);
        Ok(facts)
    }

    /// What moved some subjects by themselves, and every pack they were ever in.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn moves(&self, mut open: Vec<i64>) -> Result<CustodyFacts, FlowError> {
        let (mut facts, mut met) = (CustodyFacts::default(), BTreeSet::new());
        while !open.is_empty() {
            let stored: Vec<_> =
                open.iter().copied().filter(|n| !self.opened.contains(n)).collect();
            self.house.store.custody_fetch(&stored, &mut facts).await?;
            // A pack that a subject enters here may be inside others, in the store and here.
            let mut entered = Vec::new();
            while let Some(number) = open.pop() {
                if met.insert(number) {
                    let stored = facts.containments(unit_number(number)).iter();
                    open.extend(stored.map(|c| c.parent.get() as i64));
                    entered.extend(self.changes_of(number).filter_map(|change| match change {
                        Change::Enters(inside) => Some(inside.parent.get() as i64),
                        _ => None,
                    }));
                }
            }
            entered.retain(|number| !met.contains(number));
            open = entered;
        }
        for number in met {
            self.lay_over(number, &mut facts);
        }
        Ok(facts)
    }

    fn changes_of(&self, number: i64) -> impl Iterator<Item = &Change> {
        self.changes.get(&number).into_iter().flatten()
    }

    fn lay_over(&self, number: i64, facts: &mut CustodyFacts) {
        let child = unit_number(number);
        for change in self.changes_of(number) {
            match change {
                Change::Holds(hold) => facts.extend([hold.clone()], []),
                Change::Enters(inside) => facts.extend([], [inside.clone()]),
                Change::Leaves { parent, moment } => facts.leave(child, *parent, *moment),
            }
        }
    }

    /// Custody of some subjects, and the packs around one of them at an instant or later. The packs
    /// are read before the facts, as the subjects were: no fact is older than what the commit
    /// relies on.
    ///
    /// # Errors
    /// The store cannot be read, or moves faster than it is read.
    pub async fn around(
        &mut self,
        subjects: &[&Subject],
        (number, at): (i64, Timestamp),
    ) -> Result<(CustodyFacts, Vec<Subject>), FlowError> {
        for _ in 0..=PACK_DEPTH_MAX {
            let facts = self.facts(subjects).await?;
            // Those that come around it later too: together they must not grow too deep.
            let above = around_since(&facts, unit_number(number), at).into_iter();
            let (mut packs, mut before) = (Vec::new(), true);
            for pack in above.map(|n| n.get() as i64) {
                before &= self.packs.contains_key(&pack);
                packs.extend(self.pack(pack).await?.map(Subject::Pack));
            }
            if before {
                return Ok((facts, packs));
            }
        }
        Err(FlowError::Busy)
    }

    /// What is known around a subject when something happens to it: read twice where a day alone
    /// was told and something is known of that day.
    ///
    /// # Errors
    /// The store cannot be read, or moves faster than it is read.
    pub async fn scene(&mut self, subject: &Subject, when: When) -> Result<Scene, FlowError> {
        let place = (subject.number(), None);
        let scene = self.scene_at(subject, place, when.first()).await?;
        if !when.is_day() {
            return Ok(scene);
        }
        let known = scene.known_of(subject.number());
        let stands = standing::instants(self.house, subject, when).await?;
        let at = when.behind(known.chain(stands));
        if at == scene.at { Ok(scene) } else { self.scene_at(subject, place, at).await }
    }

    /// What is known at an instant around a subject, and around the pack that it goes into, where
    /// that is another: the packs are those around that. It is none while nobody opened it.
    ///
    /// # Errors
    /// As [`Self::scene`].
    pub async fn scene_at(
        &mut self,
        subject: &Subject,
        (number, pack): (i64, Option<&Subject>),
        at: Timestamp,
    ) -> Result<Scene, FlowError> {
        let (stirred, inside) = self.stirred(subject, at).await?;
        let concerned: Vec<_> = std::iter::once(subject).chain(pack).chain(&inside).collect();
        let (facts, around) = self.around(&concerned, (number, at)).await?;
        Ok(Scene { at, facts, stirred, inside, around })
    }

    /// As [`Self::stirred`], with what is told of the instant itself.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stirred_since(
        &mut self,
        subject: &Subject,
        from: Timestamp,
    ) -> Result<(Vec<Containment>, Vec<Subject>), FlowError> {
        self.stirred(subject, from.saturating_sub(MICROSECOND).unwrap_or(from)).await
    }

    /// What went into a pack, or into a pack inside it, or left one of them, after an instant, and
    /// the subjects that did. Nothing for a unit, and nothing while no paper about the pack is
    /// late: its contents are walked only then.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stirred(
        &mut self,
        subject: &Subject,
        after: Timestamp,
    ) -> Result<(Vec<Containment>, Vec<Subject>), FlowError> {
        let (mut stirred, mut children) = (Vec::new(), Vec::new());
        let Subject::Pack(pack) = subject else { return Ok((stirred, children)) };
        if pack.stirred_at <= after.as_microsecond() {
            return Ok((stirred, children));
        }
        let mut open = vec![(pack.number, 0, after)];
        while let Some((number, depth, since)) = open.pop() {
            let (found, packs) = self.stirred_inside(number, since).await?;
            if depth < PACK_DEPTH_MAX {
                open.extend(packs.into_iter().map(|pack| (pack, depth + 1, since)));
                // Packs that went in later brought their contents along.
                for came in found.iter().filter(|c| c.from.at > since) {
                    let child = came.child.get() as i64;
                    if self.pack(child).await?.is_some() {
                        // With what was told of that instant.
                        open.push((child, depth + 1, came.from.at - MICROSECOND));
                    }
                }
            }
            stirred.extend(found);
        }
        let numbers: BTreeSet<_> = stirred.iter().map(|c| c.child.get() as i64).collect();
        for number in numbers {
            children.push(self.subject(number, "subject").await?);
        }
        Ok((stirred, children))
    }

    /// What was ever directly inside a pack.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn contents(&mut self, pack: i64) -> Result<Vec<Containment>, FlowError> {
        Ok(self.stirred_inside(pack, Timestamp::MIN).await?.0)
    }

    /// What went into one pack, or left it, after an instant; and the packs directly inside then.
    async fn stirred_inside(
        &mut self,
        parent: i64,
        after: Timestamp,
    ) -> Result<(Vec<Containment>, Vec<i64>), FlowError> {
        let stored = self.house.store.stirred_fetch(parent, after.as_microsecond()).await?;
        let Some(changed) = self.stirred.get(&parent).cloned() else { return Ok(stored) };
        let (mut found, mut packs) = stored;
        found.retain(|c| !changed.contains(&(c.child.get() as i64)));
        packs.retain(|pack| !changed.contains(pack));
        for child in changed {
            let moves = self.moves(vec![child]).await?;
            let here = |c: &&Containment| c.parent == unit_number(parent);
            for inside in moves.containments(unit_number(child)).iter().filter(here) {
                if inside.covers(after) && self.pack(child).await?.is_some() {
                    packs.push(child);
                }
                if inside.from.at > after || inside.to.is_some_and(|to| to.at > after) {
                    found.push(inside.clone());
                }
            }
        }
        Ok((found, packs))
    }

    /// How many packs lie inside a subject one in another, the deepest way, at an instant or later.
    /// None in a unit: nothing is read then. Whatever goes in moves the revision of each pack that
    /// is around it then, so that a commit which relies on the subject relies on this too.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn nested(&self, subject: &Subject, from: Timestamp) -> Result<usize, FlowError> {
        let Subject::Pack(pack) = subject else { return Ok(0) };
        let from = from.as_microsecond();
        let mut level = BTreeSet::from([pack.number]);
        for depth in 0..PACK_DEPTH_MAX {
            let mut below: BTreeSet<i64> = BTreeSet::new();
            for parent in level {
                if !self.opened.contains(&parent) {
                    below.extend(self.house.store.packs_inside_fetch(parent, from).await?);
                }
                let stirred = self.stirred.get(&parent).into_iter().flatten();
                below.extend(stirred.filter(|child| self.packs.contains_key(*child)));
            }
            if below.is_empty() {
                return Ok(depth);
            }
            level = below;
        }
        Ok(PACK_DEPTH_MAX)
    }

    /// A row opens a pack.
    pub fn open(&mut self, pack: PackRecord) {
        self.by_sscc.insert(pack.sscc.clone(), pack.number);
        self.opened.insert(pack.number);
        self.packs.insert(pack.number, pack);
    }

    /// How many packs the rows opened so far.
    pub fn opened_count(&self) -> usize {
        self.opened.len()
    }

    /// A row gives a subject into somebody's hands.
    pub fn hold(&mut self, hold: Hold) {
        self.change(hold.subject.get() as i64, Change::Holds(hold));
    }

    /// A row puts a child into a pack, with the products it is or holds.
    pub fn enter(&mut self, inside: Containment, products: &[ProductId]) {
        let (child, parent) = (inside.child.get() as i64, inside.parent.get() as i64);
        self.hold_products(parent, products);
        self.stirred.entry(parent).or_default().insert(child);
        self.change(child, Change::Enters(inside));
    }

    /// A pack, or a pack inside it, now holds these products too.
    pub fn hold_products(&mut self, pack: i64, products: &[ProductId]) {
        if let Some(pack) = self.packs.get_mut(&pack) {
            let all = pack.products.drain(..).chain(products.iter().map(|p| p.0));
            pack.products = all.collect::<BTreeSet<_>>().into_iter().collect();
        }
    }

    /// A row takes a child out of a pack.
    pub fn leave(&mut self, child: i64, parent: UnitNumber, moment: Moment) {
        self.stirred.entry(parent.get() as i64).or_default().insert(child);
        self.change(child, Change::Leaves { parent, moment });
    }

    /// A row ships a subject under its sender's paper.
    pub fn file(
        &mut self,
        (paper, from): Paper<'_>,
        subject: i64,
        says: (ShipmentRecord, Particulars),
    ) {
        self.papers.insert((paper.to_owned(), from, subject), says);
    }

    fn change(&mut self, number: i64, change: Change) {
        self.changes.entry(number).or_default().push(change);
    }

    /// A row touches a subject at an instant: the commit relies on it as it was first read.
    pub fn touch(&mut self, subject: &Subject, at: Timestamp) {
        let number = subject.number();
        if let Some(pack) = self.packs.get_mut(&number) {
            pack.stirred_at = pack.stirred_at.max(at.as_microsecond());
        }
        if self.relied.insert(number) && !self.opened.contains(&number) {
            self.guards.push(subject.relied());
        }
    }

    /// What the commit relies on.
    pub fn into_guards(self) -> Vec<Relied> {
        self.guards
    }
}
