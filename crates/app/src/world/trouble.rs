//! What a visitor should see: copies, a recall, a theft, a unit out of use, a lost reel, looks by
//! consumers; and the links to one page of each.

use super::catalogue::MODELS;
use super::links::{DemoLink, State};
use super::master::{LOST_CODES, PRINTED};
use super::plan::{DAY, Plan};
use super::start::{Start, Starting};
use super::year::{self, Done};
use super::{Stage, Work, instant};
use super::{addresses::address, dice::Dice};
use crate::clock::Stopwatch;
use crate::flows::activate::Signals;
use crate::flows::lifecycle::{self, Change};
use crate::flows::scans::{self, Audience, Spot};
use crate::flows::{FlowError, House, batches, find, recalls};
use domain::code::TraceCode;
use domain::finding::FindingGrade;
use domain::identifier::{Identifier, Scheme};
use domain::refusal::Refused;
use domain::region::{Divisions, RegionCode};
use domain::when::When;

/// Units whose code was copied.
const COPIED_COUNT: usize = 3;
/// Looks at a copied code within its last day.
const COPIED_LOOKS: i64 = 44;
/// Share of started units a consumer looked up.
const LOOKED_UP: f64 = 0.08;
/// Started units looked up at most; more would not fit the queue of looks.
const LOOKED_UP_MAX: usize = 20_000;
/// A power bank: what is recalled.
const RECALLED_MODEL: usize = 6;
/// A tablet: what is taken out of use.
const RETIRED_MODEL: usize = 2;
/// A phone without printed label: what is stolen.
const STOLEN_MODEL: usize = 1;
/// How long ago it was stolen: from a shop that had it by then.
const STOLEN_AGO: i64 = 4 * DAY;
/// How long ago it was taken out of use: by whoever had started it before.
const RETIRED_AGO: i64 = 3 * DAY;

/// Plants everything and gathers the links.
pub async fn plant(
    house: &House,
    plan: &Plan,
    done: &Done,
    seed: u64,
    work: &mut Work<'_>,
) -> Result<Vec<DemoLink>, FlowError> {
    let watch = Stopwatch::start();
    let mut planting =
        Planting { house, plan, done, dice: Dice::new(seed, 6), taken: Vec::new(), links: vec![] };
    planting.looks().await?;
    planting.plain().await?;
    planting.copies().await?;
    planting.recall().await?;
    planting.stolen_and_retired().await?;
    planting.labels().await?;
    super::cases::open(house, plan, done).await?;
    super::cases::announce(house, plan, done).await?;
    scans::flush(house).await?;
    work.done(Stage::Trouble, planting.taken.len(), watch);
    Ok(planting.links)
}

struct Planting<'a> {
    house: &'a House,
    plan: &'a Plan,
    done: &'a Done,
    dice: Dice,
    /// Places of units that show something already.
    taken: Vec<usize>,
    links: Vec<DemoLink>,
}

impl Planting<'_> {
    /// What consumers looked up on the day they bought it.
    async fn looks(&mut self) -> Result<(), FlowError> {
        let mut most = LOOKED_UP_MAX;
        for (unit, number) in self.plan.units.iter().zip(&self.done.numbers) {
            let (Some(start), Some(number)) = (&unit.start, number) else { continue };
            if most == 0 || !self.dice.chance(LOOKED_UP) {
                continue;
            }
            most -= 1;
            for look in 0..self.dice.between(1, 3) {
                let at = start.at + look * self.dice.between(40, 50_000);
                self.look(*number, at.min(self.plan.until), Some(start.city));
            }
        }
        scans::flush(self.house).await?;
        Ok(())
    }

    fn look(&self, number: i64, at: i64, city: Option<RegionCode>) {
        let at = instant(at).as_microsecond();
        self.house.scans.note(number, Audience::Consumer, at, city.map(Spot::steady));
    }

    /// Genuine, not yet started, started outside its territory.
    async fn plain(&mut self) -> Result<(), FlowError> {
        let settled = self.plan.until - 20 * DAY;
        let genuine = self.newest(|p, unit| {
            unit.model == PRINTED && p.is_at_home(unit.place) && unit.at < settled
        })?;
        let number = self.number(genuine).await?;
        self.link(State::Genuine, number);
        let waiting = self.newest(|p, unit| unit.model == PRINTED && p.is_on_sale(unit.place))?;
        let number = self.number(waiting).await?;
        self.link(State::NotActivated, number);
        let outside = self.newest(|p, unit| {
            let grade = p.done.grades[unit.place];
            p.start(unit.place).is_some_and(|s| s.leaked)
                && grade.is_some_and(|g| g >= FindingGrade::Suspect)
        })?;
        let number = self.number(outside).await?;
        self.link(State::OutsideTerritory, number);
        Ok(())
    }

    /// A copied code is looked up all over the country, and another device starts under it.
    async fn copies(&mut self) -> Result<(), FlowError> {
        let divisions = self.house.geo.divisions();
        let settled = self.plan.until - 30 * DAY;
        for copy in 0..COPIED_COUNT {
            let place = self.newest(|p, unit| {
                unit.model == PRINTED && p.is_at_home(unit.place) && unit.at < settled
            })?;
            let number = self.number(place).await?;
            let again = self.second_start(divisions)?;
            let by = year::Reporters::of(&self.done.caller);
            year::report(self.house, by.server(), &self.plan.units[place].sn, &again).await?;
            let starting = Starting::new(divisions);
            // The day that ends an hour ago: whoever opens the page is within it.
            let first = self.plan.until;
            for look in 0..COPIED_LOOKS {
                let at = first + look * (DAY - 3_600) / COPIED_LOOKS;
                let city = starting.anywhere(&mut self.dice);
                self.look(number, at, city);
            }
            if copy == 0 {
                self.link(State::Copied, number);
            }
        }
        Ok(())
    }

    fn second_start(&mut self, divisions: &Divisions) -> Result<Start, FlowError> {
        let starting = Starting::new(divisions);
        let nowhere = || Refused::invalid("world", "the tables know no city");
        let city = starting.anywhere(&mut self.dice).ok_or_else(nowhere)?;
        let ip = city.province().and_then(|p| address(&mut self.dice, p, false));
        let gps = starting.position(&mut self.dice, city);
        Ok(Start {
            at: self.plan.until - 2 * DAY,
            city,
            fingerprint: format!("{:032x}", self.dice.next()),
            signals: Signals { ip, gps, ..Signals::default() },
            leaked: false,
            at_home: false,
        })
    }

    /// A lot of power banks is called back, as of now; the link shows one that is in use.
    async fn recall(&mut self) -> Result<(), FlowError> {
        let lot = self.plan.lots.iter().find(|l| l.model == RECALLED_MODEL);
        let lot = lot.ok_or_else(|| Refused::invalid("world", "no lot of the recalled product"))?;
        let both = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        let words = recalls::Words {
            title: both("20000mAh 移动电源召回", "Recall of 20,000 mAh power banks"),
            reason: both(
                "电芯绝缘膜有缺陷，充电时可能过热，有起火风险。",
                "The insulation of the cells is faulty: they may overheat and catch fire while \
                 charging.",
            ),
            action: both(
                "请停止充电和使用，联系服务网点免费更换。",
                "Stop charging and using it, and have it replaced free of charge at a service \
                 centre.",
            ),
            link: None,
        };
        let chosen = recalls::Chosen::Lot {
            gtin: MODELS[RECALLED_MODEL].gtin()?.as14().to_owned(),
            lot: lot.name.clone(),
            serials: None,
            from_at: None,
            to_at: None,
        };
        recalls::open(self.house, &self.done.caller, &words, &chosen).await?;
        let used = lot.units.clone().find(|place| self.start(*place).is_some());
        let number = self.number(used.unwrap_or(lot.units.start)).await?;
        self.link(State::Recalled, number);
        Ok(())
    }

    async fn stolen_and_retired(&mut self) -> Result<(), FlowError> {
        let theft = self.plan.until - STOLEN_AGO;
        let stolen = self.newest(|p, unit| {
            let there = p.plan.carton_of(unit.place).is_some_and(|c| c.on_sale_at < theft);
            unit.model == STOLEN_MODEL && p.is_on_sale(unit.place) && there
        })?;
        let number = self.number(stolen).await?;
        let why = "门店仓库被盗，已报案".to_owned();
        self.change(&[number], Change::ReportStolen(why), STOLEN_AGO).await?;
        self.link(State::Stolen, number);
        let end = self.plan.until - RETIRED_AGO;
        let retired = self.newest(|p, unit| {
            unit.model == RETIRED_MODEL && p.is_at_home(unit.place) && unit.at < end
        })?;
        let number = self.number(retired).await?;
        let why = "主板报废，已换新".to_owned();
        self.change(&[number], Change::Decommission(why), RETIRED_AGO).await?;
        self.link(State::Retired, number);
        Ok(())
    }

    async fn change(&self, numbers: &[i64], change: Change, ago: i64) -> Result<(), FlowError> {
        let at = instant(self.plan.until - ago);
        lifecycle::change(self.house, &self.done.caller, numbers, &change, When::at(at)).await?;
        Ok(())
    }

    /// A lost reel, a label no unit wears yet, and a code nobody made.
    async fn labels(&mut self) -> Result<(), FlowError> {
        let printed = &self.done.printed;
        let spare = printed.len().saturating_sub(LOST_CODES + 1);
        let (Some(unbound), Some(first), Some(last)) =
            (printed.get(spare), printed.get(spare + 1), printed.last())
        else {
            return Err(Refused::invalid("world", "too few printed codes").into());
        };
        let reel = Some((*first, *last));
        let why = "标签卷在运输中遗失";
        batches::void(self.house, &self.done.caller, self.done.batch, reel, why).await?;
        self.links.push(DemoLink::new(State::NotReleased, unbound));
        self.links.push(DemoLink::new(State::Voided, last));
        if let Some(forged) = forge(self.house, unbound) {
            self.links.push(DemoLink::new(State::Forged, &forged));
        }
        Ok(())
    }

    fn link(&mut self, state: State, number: i64) {
        let code = self.house.ring().encode(find::unit_number(number));
        self.links.push(DemoLink::new(state, &code));
    }

    /// The number of a unit.
    async fn number(&self, place: usize) -> Result<i64, FlowError> {
        if let Some(number) = self.done.numbers[place] {
            return Ok(number);
        }
        let sn = &self.plan.units[place].sn;
        let sn = Identifier::parse(Scheme::Sn, sn).map_err(|e| Refused::invalid("sn", e))?;
        let found = find::identifier(self.house, self.done.caller.brand, &sn).await?;
        let lost = || Refused::invalid("world", "a unit was not recorded");
        Ok(found.ok_or_else(lost)?)
    }

    /// The newest unit that suits and shows nothing yet.
    fn newest(&mut self, suits: impl Fn(&Self, &One) -> bool) -> Result<usize, FlowError> {
        let units = self.plan.units.iter().enumerate().rev();
        let one = |(place, unit): (usize, &super::plan::Unit)| One {
            place,
            model: unit.model,
            at: unit.start.as_ref().map_or(i64::MAX, |s| s.at),
        };
        let found = units.map(one).filter(|one| !self.taken.contains(&one.place));
        let found = found.into_iter().find(|one| suits(self, one)).map(|one| one.place);
        let none = || Refused::invalid("world", "no unit shows this; make more units");
        let place = found.ok_or_else(none)?;
        self.taken.push(place);
        Ok(place)
    }

    fn start(&self, place: usize) -> Option<&Start> {
        self.plan.units[place].start.as_ref()
    }

    fn is_at_home(&self, place: usize) -> bool {
        self.start(place).is_some_and(|s| s.at_home) && self.done.grades[place].is_none()
    }

    /// In a shop, not started.
    fn is_on_sale(&self, place: usize) -> bool {
        let carton = self.plan.carton_of(place);
        let here = carton.is_some_and(|c| c.shop.is_some() && c.on_sale_at < self.plan.until);
        here && self.start(place).is_none()
    }
}

/// A unit to choose from.
struct One {
    place: usize,
    model: usize,
    /// When it was started; the end of time when it was not.
    at: i64,
}

/// A well-formed code that no key of the house made: two characters changed so that the check
/// character still holds.
fn forge(house: &House, code: &TraceCode) -> Option<TraceCode> {
    let ring = house.ring();
    let changed = |a: u8, b: u8| {
        let mut text = code.as_bytes().to_vec();
        text[5] = a;
        text[9] = b;
        TraceCode::parse(std::str::from_utf8(&text).ok()?).ok()
    };
    let alphabet = || (b'2'..=b'9').chain(b'A'..=b'Z');
    let pairs = alphabet().flat_map(|a| alphabet().map(move |b| (a, b)));
    pairs.filter_map(|(a, b)| changed(a, b)).find(|found| ring.decode(found).is_err())
}
