//! Records the plan day by day: what a day brings goes through the flows in the order it happens,
//! and first starts go in side by side, as from many devices.

use super::catalogue::MODELS;
use super::master::{PRINTED, master, print};
use super::plan::{DAY, Plan};
use super::rows::{Move, beijing, production, subject};
use super::start::Start;
use super::{Stage, Work, all_taken, instant};
use crate::clock::{Clock, Stopwatch};
use crate::files::PackDraft;
use crate::flows::activate::{self, Activated, Report};
use crate::flows::idempotency::Answer;
use crate::flows::masterdata::Taking;
use crate::flows::redecide;
use crate::flows::ship::{self, REDECIDE, Way};
use crate::flows::{Caller, FlowError, House, Scope, pack, produce};
use domain::code::TraceCode;
use domain::finding::{FindingGrade, FindingKind};
use domain::id::BatchId;
use domain::refusal::Refused;
use domain::when::When;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// First starts under way at once.
const STARTS_AT_ONCE: usize = 128;
/// Jobs and receipts under way at once.
const JOBS_AT_ONCE: usize = 64;
/// Jobs read at a time.
const JOBS_MAX: i64 = 1_000;

/// What a day brings: places in the plan.
#[derive(Default)]
struct Day {
    lots: Vec<usize>,
    stacked: Vec<usize>,
    pallets: Vec<usize>,
    pallets_in: Vec<usize>,
    cartons: Vec<usize>,
    cartons_in: Vec<usize>,
    shops: Vec<usize>,
    starts: Vec<usize>,
}

/// What the trouble needs to know of the year.
pub struct Done {
    /// Who did it.
    pub caller: Caller,
    /// Unit numbers of started units, by place.
    pub numbers: Vec<Option<i64>>,
    /// Grade of the finding `outside_territory`, by place.
    pub grades: Vec<Option<FindingGrade>>,
    /// Codes of the printed batch, in order.
    pub printed: Vec<TraceCode>,
    /// The printed batch.
    pub batch: BatchId,
    /// Findings by party code.
    pub outside: BTreeMap<String, usize>,
    /// Starts by party code.
    pub started: BTreeMap<String, usize>,
}

/// The year being recorded.
pub struct Year<'a> {
    house: &'a Arc<House>,
    clock: &'a Clock,
    plan: &'a Arc<Plan>,
    caller: Caller,
    days: Vec<Day>,
    done: Done,
}

/// What became of a start.
struct Started {
    place: usize,
    number: i64,
    outside: Option<FindingGrade>,
}

impl<'a> Year<'a> {
    /// Takes the master data and prints the labels.
    pub async fn open(
        house: &'a Arc<House>,
        clock: &'a Clock,
        plan: &'a Arc<Plan>,
        work: &mut Work<'_>,
    ) -> Result<Self, FlowError> {
        let watch = Stopwatch::start();
        let caller = master(house, plan).await?;
        let (batch, printed) = print(house, &caller, plan).await?;
        work.done(Stage::Master, 0, watch);
        let done = Done {
            caller: caller.clone(),
            numbers: vec![None; plan.units.len()],
            grades: vec![None; plan.units.len()],
            printed,
            batch,
            outside: BTreeMap::new(),
            started: BTreeMap::new(),
        };
        Ok(Self { house, clock, plan, caller, days: days(plan), done })
    }

    /// Records every day.
    pub async fn run(&mut self, work: &mut Work<'_>) -> Result<(), FlowError> {
        for (number, day) in std::mem::take(&mut self.days).into_iter().enumerate() {
            let end = self.plan.first_day + (number as i64 + 1) * DAY;
            self.clock.set(instant(end.min(self.plan.until)));
            self.day(&day, work).await?;
        }
        Ok(())
    }

    /// What is known at the end.
    pub fn finish(self) -> Done {
        self.done
    }

    /// Goods move while devices start: what starts today was on sale yesterday, so neither waits
    /// for the other. Nothing starts before the jobs of its own shipments were done.
    async fn day(&mut self, day: &Day, work: &mut Work<'_>) -> Result<(), FlowError> {
        let mut laps = Laps::default();
        let watch = Stopwatch::start();
        let goods = self.goods(day, &mut laps);
        let (_, started) = tokio::try_join!(goods, self.starts(&day.starts))?;
        for (stage, count, time) in laps.0 {
            work.took(stage, count, time);
        }
        if !started.is_empty() {
            // Of a day with both, the longer one is the time that passed.
            work.done(Stage::Activate, started.len(), watch);
        }
        for one in &started {
            self.note(one);
        }
        Ok(())
    }

    async fn goods(&self, day: &Day, laps: &mut Laps) -> Result<(), FlowError> {
        for lot in &day.lots {
            self.produce(*lot, laps).await?;
        }
        self.stack(&day.stacked, laps).await?;
        let watch = Stopwatch::start();
        let mut moved = self.ship(self.pallet_rows(&day.pallets)).await?;
        moved += self.receive(self.pallets_in(&day.pallets_in)).await?;
        moved += self.ship(self.carton_rows(&day.cartons)).await?;
        moved += self.receive(self.cartons_in(&day.cartons_in)).await?;
        moved += self.ship(self.shop_rows(&day.shops)).await?;
        if moved > 0 {
            laps.add(Stage::Ship, moved, watch);
            let watch = Stopwatch::start();
            laps.add(Stage::Settle, settle(self.house).await?, watch);
        }
        Ok(())
    }

    async fn produce(&self, lot: usize, laps: &mut Laps) -> Result<(), FlowError> {
        let watch = Stopwatch::start();
        let lot = &self.plan.lots[lot];
        let earlier = &self.plan.units[..lot.units.start];
        let worn = earlier.iter().filter(|u| u.model == PRINTED).count();
        let printed = self.done.printed.get(worn..).filter(|_| lot.model == PRINTED);
        let mut codes = printed.into_iter().flatten().copied();
        let draft = |place| production(self.plan, place, codes.next());
        let drafts = lot.units.clone().map(draft).collect::<Result<Vec<_>, _>>()?;
        let taking = Taking::default();
        all_taken(&produce::commission(self.house, &self.caller, &drafts, taking).await?)?;
        laps.add(Stage::Produce, drafts.len(), watch);
        let watch = Stopwatch::start();
        let mut rows = Vec::with_capacity(lot.units.len());
        for carton in &self.plan.cartons[lot.cartons.clone()] {
            for place in carton.units.clone() {
                rows.push(PackDraft {
                    sscc: carton.sscc,
                    child: subject(&self.plan.units[place].sn)?,
                    packed_at: beijing(lot.packed_at),
                });
            }
        }
        all_taken(&pack::pack(self.house, &self.caller, &rows, taking).await?)?;
        laps.add(Stage::Pack, rows.len(), watch);
        Ok(())
    }

    async fn stack(&self, pallets: &[usize], laps: &mut Laps) -> Result<(), FlowError> {
        let watch = Stopwatch::start();
        let mut rows = Vec::new();
        for pallet in pallets.iter().map(|p| &self.plan.pallets[*p]) {
            for carton in &self.plan.cartons[pallet.cartons.clone()] {
                rows.push(PackDraft {
                    sscc: pallet.sscc,
                    child: subject(carton.sscc.as_str())?,
                    packed_at: beijing(pallet.packed_at),
                });
            }
        }
        if !rows.is_empty() {
            all_taken(&pack::pack(self.house, &self.caller, &rows, Taking::default()).await?)?;
            laps.add(Stage::Pack, rows.len(), watch);
        }
        Ok(())
    }

    fn pallet_rows(&self, pallets: &[usize]) -> Vec<Move<'_>> {
        let row = |place: &usize| {
            let pallet = &self.plan.pallets[*place];
            let number = format!("CY-F{place:06}");
            Move(number, pallet.from, &pallet.to, pallet.shipped_at, pallet.sscc.as_str())
        };
        pallets.iter().map(row).collect()
    }

    fn carton_rows(&self, cartons: &[usize]) -> Vec<Move<'_>> {
        let row = |place: &usize| {
            let carton = &self.plan.cartons[*place];
            let tier2 = &self.plan.channel.tier2[carton.tier2?];
            let number = format!("CY-D{place:06}");
            let at = carton.to_tier2_at;
            Some(Move(number, carton.tier1.as_str(), &tier2.code, at, carton.sscc.as_str()))
        };
        cartons.iter().filter_map(row).collect()
    }

    fn shop_rows(&self, cartons: &[usize]) -> Vec<Move<'_>> {
        let mut rows = Vec::new();
        for place in cartons {
            let carton = &self.plan.cartons[*place];
            let (Some(tier2), Some((shop, at))) = (carton.tier2, &carton.shop) else { continue };
            let from = self.plan.channel.tier2[tier2].code.as_str();
            let number = format!("CY-S{place:06}");
            if carton.opened {
                let units = &self.plan.units[carton.units.clone()];
                rows.extend(units.iter().map(|u| Move(number.clone(), from, shop, *at, &u.sn)));
            } else {
                rows.push(Move(number, from, shop, *at, carton.sscc.as_str()));
            }
        }
        rows
    }

    async fn ship(&self, moves: Vec<Move<'_>>) -> Result<usize, FlowError> {
        let rows = moves.iter().map(Move::draft).collect::<Result<Vec<_>, _>>()?;
        let taking = Taking::default();
        all_taken(&ship::ship(self.house, &self.caller, &rows, Way::Forward, taking).await?)?;
        Ok(rows.len())
    }

    fn pallets_in(&self, pallets: &[usize]) -> Vec<(&str, &str, i64)> {
        let pallets = pallets.iter().map(|p| &self.plan.pallets[*p]);
        pallets.map(|p| (p.to.as_str(), p.sscc.as_str(), p.received_at)).collect()
    }

    fn cartons_in(&self, cartons: &[usize]) -> Vec<(&str, &str, i64)> {
        let row = |place: &usize| {
            let carton = &self.plan.cartons[*place];
            let tier2 = &self.plan.channel.tier2[carton.tier2?];
            Some((tier2.code.as_str(), carton.sscc.as_str(), carton.received_at?))
        };
        cartons.iter().filter_map(row).collect()
    }

    async fn receive(&self, rows: Vec<(&str, &str, i64)>) -> Result<usize, FlowError> {
        let count = rows.len();
        let one = |(party, sscc, at)| {
            ship::receive(self.house, &self.caller, party, sscc, When::at(instant(at)), None)
        };
        let mut all = stream::iter(rows.into_iter().map(one)).buffer_unordered(JOBS_AT_ONCE);
        while let Some(done) = all.next().await {
            done?;
        }
        Ok(count)
    }

    async fn starts(&self, places: &[usize]) -> Result<Vec<Started>, FlowError> {
        let (house, plan) = (Arc::clone(self.house), Arc::clone(self.plan));
        let reporters = Arc::new(Reporters::of(&self.caller));
        let tasks = places.iter().copied().map(move |place| {
            let (house, plan) = (Arc::clone(&house), Arc::clone(&plan));
            let reporters = Arc::clone(&reporters);
            tokio::spawn(async move { first_start(&house, &reporters, &plan, place).await })
        });
        let mut all = stream::iter(tasks).buffer_unordered(STARTS_AT_ONCE);
        let mut started = Vec::with_capacity(places.len());
        while let Some(done) = all.next().await {
            let lost = |_| Refused::invalid("world", "a first start was cut off");
            started.push(done.map_err(lost)??);
        }
        Ok(started)
    }

    fn note(&mut self, started: &Started) {
        self.done.numbers[started.place] = Some(started.number);
        self.done.grades[started.place] = started.outside;
        let tier2 = self.plan.carton_of(started.place).and_then(|c| c.tier2);
        let Some(tier2) = tier2 else { return };
        let code = &self.plan.channel.tier2[tier2].code;
        *self.done.started.entry(code.clone()).or_default() += 1;
        if started.outside.is_some() {
            *self.done.outside.entry(code.clone()).or_default() += 1;
        }
    }
}

/// What a day's goods took, stage by stage.
#[derive(Default)]
struct Laps(Vec<(Stage, usize, Duration)>);

impl Laps {
    fn add(&mut self, stage: Stage, count: usize, watch: Stopwatch) {
        self.0.push((stage, count, watch.elapsed()));
    }
}

/// Who reports starts: the brand's server vouches for what devices attest, its app does not.
pub struct Reporters {
    server: Caller,
    app: Caller,
}

impl Reporters {
    /// Who vouches for what devices attest.
    pub fn server(&self) -> &Caller {
        &self.server
    }

    /// As the brand.
    pub fn of(caller: &Caller) -> Self {
        let scoped = |actor: &str, scopes: &[Scope]| Caller {
            actor: actor.to_owned(),
            scopes: scopes.to_vec(),
            ..caller.clone()
        };
        Self {
            server: scoped("brand server", &[Scope::Activate, Scope::ActivateAttested]),
            app: scoped("brand app", &[Scope::ActivateApp]),
        }
    }
}

async fn first_start(
    house: &House,
    reporters: &Reporters,
    plan: &Plan,
    place: usize,
) -> Result<Started, FlowError> {
    let unit = &plan.units[place];
    let missing = || Refused::invalid("world", "a unit without a start was started");
    let start = unit.start.as_ref().ok_or_else(missing)?;
    let network = MODELS[unit.model].network;
    let by = if network { &reporters.server } else { &reporters.app };
    let (number, outside) = report(house, by, &unit.sn, start).await?;
    Ok(Started { place, number, outside })
}

/// Reports one start; the unit's number and the grade of `outside_territory`, when it was found.
pub async fn report(
    house: &House,
    by: &Caller,
    sn: &str,
    start: &Start,
) -> Result<(i64, Option<FindingGrade>), FlowError> {
    let report = Report {
        scheme: "sn".to_owned(),
        value: sn.to_owned(),
        happened_at: instant(start.at).as_microsecond(),
        offset_minutes: 480,
        fingerprint: Some(start.fingerprint.clone()),
        signals: start.signals.clone(),
    };
    let seen = Mutex::new((0, None));
    let render = |done: &Activated| {
        let outside = done.findings.iter().find(|f| f.kind == FindingKind::OutsideTerritory);
        if let Ok(mut seen) = seen.lock() {
            *seen = (done.unit.number, outside.map(|f| f.grade));
        }
        Answer::new(201, String::new())
    };
    activate::activate(house, Some(by), &report, None, &render).await?;
    let lost = |_| Refused::invalid("world", "a first start was cut off");
    Ok(seen.into_inner().map_err(lost)?)
}

/// Does the late looks that shipments ask for, as the server's jobs would.
async fn settle(house: &Arc<House>) -> Result<usize, FlowError> {
    let mut count = 0;
    loop {
        let now = house.clock.now().as_microsecond() + DAY * 1_000_000;
        let jobs = house.store.outbox_due(REDECIDE, now, JOBS_MAX).await?;
        if jobs.is_empty() {
            return Ok(count);
        }
        count += jobs.len();
        let tasks = jobs.into_iter().map(|job| {
            let house = Arc::clone(house);
            tokio::spawn(async move {
                redecide::redecide(&house, &job).await?;
                Ok::<_, FlowError>(house.store.outbox_done(&job).await?)
            })
        });
        let mut all = stream::iter(tasks).buffer_unordered(JOBS_AT_ONCE);
        while let Some(done) = all.next().await {
            done.map_err(|_| Refused::invalid("world", "a job was cut off"))??;
        }
    }
}

/// Sorts the plan into days; what lies after its end never happens.
fn days(plan: &Plan) -> Vec<Day> {
    let count = (plan.until - plan.first_day) / DAY + 1;
    let mut days: Vec<Day> = (0..count).map(|_| Day::default()).collect();
    let mut put = |at: i64, slot: fn(&mut Day) -> &mut Vec<usize>, place: usize| {
        let day = usize::try_from((at - plan.first_day).div_euclid(DAY)).ok();
        if let Some(day) = day.filter(|_| at < plan.until).and_then(|d| days.get_mut(d)) {
            slot(day).push(place);
        }
    };
    for (place, lot) in plan.lots.iter().enumerate() {
        put(lot.packed_at, |d| &mut d.lots, place);
    }
    for (place, pallet) in plan.pallets.iter().enumerate() {
        put(pallet.packed_at, |d| &mut d.stacked, place);
        put(pallet.shipped_at, |d| &mut d.pallets, place);
        put(pallet.received_at, |d| &mut d.pallets_in, place);
    }
    for (place, carton) in plan.cartons.iter().enumerate() {
        if carton.tier2.is_some() {
            put(carton.to_tier2_at, |d| &mut d.cartons, place);
        }
        if let Some(at) = carton.received_at {
            put(at, |d| &mut d.cartons_in, place);
        }
        if let Some((_, at)) = &carton.shop {
            put(*at, |d| &mut d.shops, place);
        }
    }
    for (place, unit) in plan.units.iter().enumerate() {
        if let Some(start) = &unit.start {
            put(start.at, |d| &mut d.starts, place);
        }
    }
    days
}
