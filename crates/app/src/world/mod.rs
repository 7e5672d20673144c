//! A world to look at: an invented brand with a year behind it, made through the same flows as any
//! other. Drawn from a seed: the same seed, count and time give the same parties, units and
//! decisions; identities of events and random blinds differ.
//!
//! The paper comes first ([`plan`]), then [`year`] records it day by day under a simulated clock,
//! then [`trouble`] plants what a visitor should see. Deliberately absent: any SQL, and repairs:
//! they are announced, but nothing mends a device yet.

mod addresses;
mod cases;
mod catalogue;
mod channel;
mod dice;
mod links;
mod master;
mod plan;
mod rows;
mod start;
mod trouble;
mod year;

pub use links::{DemoLink, State, demo_links_text};

use crate::clock::{Clock, Stopwatch};
use crate::flows::{Caller, FlowError, House, RowOutcome};
use domain::refusal::Refused;
use jiff::{SignedDuration, Timestamp};
use plan::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Fewest units: below, some link of the demo would have no unit to show.
pub const UNITS_MIN: u32 = 500;
/// Most units: the plan is held in memory, some 400 bytes a unit.
pub const UNITS_MAX: u32 = 2_000_000;

/// What world to make.
#[derive(Clone, Copy, Debug)]
pub struct WorldOptions {
    /// Chooses everything.
    pub seed: u64,
    /// Units made, [`UNITS_MIN`] to [`UNITS_MAX`].
    pub unit_count: u32,
    /// Where the year ends.
    pub now: Timestamp,
}

/// A kind of work while the world is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Drawing the plan.
    Plan,
    /// Products, parties, sites, territories, printed codes.
    Master,
    /// Units off the line.
    Produce,
    /// Cartons and pallets.
    Pack,
    /// Shipments and receipts.
    Ship,
    /// Late looks that shipments ask for, as the server's jobs do them.
    Settle,
    /// First starts.
    Activate,
    /// Recall, theft, copies, scans.
    Trouble,
}

impl Stage {
    /// One word for a progress line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Master => "master",
            Self::Produce => "produce",
            Self::Pack => "pack",
            Self::Ship => "ship",
            Self::Settle => "settle",
            Self::Activate => "activate",
            Self::Trouble => "trouble",
        }
    }
}

/// Sees the work go on: what was just done, how much of all is done, how much there is.
pub type Progress<'a> = &'a mut (dyn FnMut(Stage, u64, u64) + Send);

/// A leaking party, for tests and for those who show the demo.
#[derive(Clone, Debug, PartialEq)]
pub struct Diverter {
    /// Party code of the tier 2.
    pub code: String,
    /// GB/T 2260 code of the province it leaks to.
    pub leaks_to: String,
}

/// What a stage took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Rows: units, packed children, moved subjects, jobs, activations.
    pub count: u64,
    /// How long.
    pub time: Duration,
}

/// The finished world.
#[derive(Clone, Debug)]
pub struct World {
    /// Party code of the brand.
    pub brand_code: String,
    /// Pages to look at, one of each [`State`].
    pub links: Vec<DemoLink>,
    /// The planted diverters.
    pub diverters: Vec<Diverter>,
    /// Parties of all kinds.
    pub party_count: usize,
    /// Units made.
    pub unit_count: usize,
    /// Units started at least once.
    pub activated_count: usize,
    /// Findings `outside_territory`, by code of the party the goods were bound to.
    pub outside: BTreeMap<String, usize>,
    /// Units bound to each party when they were started.
    pub started: BTreeMap<String, usize>,
    /// Where the time went. Goods and first starts share a day, so their times overlap.
    pub spent: BTreeMap<Stage, Spent>,
}

impl World {
    /// The link that shows a state.
    pub fn link(&self, state: State) -> Option<&DemoLink> {
        self.links.iter().find(|link| link.state == state)
    }
}

/// Makes the world in an empty house whose clock is `clock`, a simulated one. Afterwards the clock
/// stands at `options.now`, and the data may be opened again under the machine's clock.
///
/// # Errors
/// The house already holds a brand (it is left as it is), the clock is not simulated, the count is
/// out of range, or the store does not answer.
pub async fn build(
    house: &Arc<House>,
    clock: &Clock,
    options: WorldOptions,
    progress: Progress<'_>,
) -> Result<World, FlowError> {
    refuse(house, clock, options).await?;
    let watch = Stopwatch::start();
    let unit_count = options.unit_count as usize;
    let divisions = house.geo.divisions();
    let plan = Plan::draw(options.seed, unit_count, options.now, divisions)?;
    let plan = Arc::new(plan);
    let mut work = Work::new(progress, &plan);
    work.done(Stage::Plan, plan.units.len(), watch);
    clock.set(instant(plan.first_day) - SignedDuration::from_hours(30 * 24));
    let mut year = year::Year::open(house, clock, &plan, &mut work).await?;
    year.run(&mut work).await?;
    let done = year.finish();
    let links = trouble::plant(house, &plan, &done, options.seed, &mut work).await?;
    clock.set(options.now);
    Ok(World {
        brand_code: catalogue::BRAND_CODE.to_owned(),
        links,
        diverters: diverters(&plan),
        party_count: plan.channel.parties.len(),
        unit_count: plan.units.len(),
        activated_count: done.numbers.iter().filter(|n| n.is_some()).count(),
        outside: done.outside,
        started: done.started,
        spent: work.spent,
    })
}

async fn refuse(house: &House, clock: &Clock, options: WorldOptions) -> Result<(), FlowError> {
    if !matches!(clock, Clock::Simulated(_)) || !matches!(house.clock, Clock::Simulated(_)) {
        return Err(Refused::invalid("clock", "a world is made under a simulated clock").into());
    }
    if !(UNITS_MIN..=UNITS_MAX).contains(&options.unit_count) {
        let range = format!("must be {UNITS_MIN} to {UNITS_MAX}");
        return Err(Refused::invalid("unit_count", range).into());
    }
    if !house.reference_now().await?.brands.is_empty() {
        let full = "already holds a brand; choose an empty folder";
        return Err(Refused::invalid("data", full).into());
    }
    Ok(())
}

fn diverters(plan: &Plan) -> Vec<Diverter> {
    let diverter = |(tier2, target): &(usize, domain::region::RegionCode)| Diverter {
        code: plan.channel.tier2[*tier2].code.clone(),
        leaks_to: target.to_string(),
    };
    plan.diverters.iter().map(diverter).collect()
}

/// Counts work and time.
struct Work<'a> {
    progress: Progress<'a>,
    done: u64,
    total: u64,
    spent: BTreeMap<Stage, Spent>,
}

impl<'a> Work<'a> {
    fn new(progress: Progress<'a>, plan: &Plan) -> Self {
        let started = plan.units.iter().filter(|u| u.start.is_some()).count();
        let (units, cartons) = (plan.units.len(), plan.cartons.len());
        // Units are made and packed; cartons are stacked and shipped down; starts.
        let total = (2 * units + 3 * cartons + started) as u64;
        Self { progress, done: 0, total, spent: BTreeMap::new() }
    }

    fn done(&mut self, stage: Stage, count: usize, watch: Stopwatch) {
        self.took(stage, count, watch.elapsed());
    }

    fn took(&mut self, stage: Stage, count: usize, time: Duration) {
        let spent = self.spent.entry(stage).or_default();
        spent.count += count as u64;
        spent.time += time;
        // A plan is drawn in no time beside the rest: counted, it would promise as much of that.
        if stage != Stage::Plan {
            self.done = (self.done + count as u64).min(self.total);
        }
        (self.progress)(stage, self.done, self.total);
    }
}

/// The first refusal of a list of outcomes: in a world of our own making there is none.
fn all_taken(outcomes: &[RowOutcome]) -> Result<(), FlowError> {
    let refused = outcomes.iter().find_map(|outcome| match outcome {
        RowOutcome::Refused(why) => why.first().cloned(),
        _ => None,
    });
    refused.map_or(Ok(()), |why| Err(why.into()))
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}

fn acting(caller: &Caller, actor: &str) -> Caller {
    Caller { actor: actor.to_owned(), ..caller.clone() }
}
