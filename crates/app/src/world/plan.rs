//! The whole year on paper: lots, pallets, cartons, units and their first starts, drawn from the
//! seed before anything is recorded. Times are seconds since 1970.

use super::catalogue::{COMPANY_PREFIX, FACTORIES, MODELS, Model};
use super::channel::{self, Channel, Tier2};
use super::dice::Dice;
use super::start::{Buyer, Start, Starting};
use crate::flows::FlowError;
use domain::gs1::Sscc;
use domain::refusal::Refused;
use domain::region::{Divisions, RegionCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ops::Range;

/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// Days from the first lot to now.
pub const YEAR_DAYS: i64 = 372;
/// The last lot leaves the line so many days before now.
const LAST_LOT_DAYS: i64 = 6;
/// Cartons on a full pallet.
const PALLET_CARTONS: usize = 10;
/// Share of pallets for the online channel.
const ONLINE_SHARE: f64 = 0.07;
/// Tier-2 parties that leak goods.
const DIVERTER_COUNT: usize = 3;

/// A production lot.
pub struct Lot {
    /// Place in [`MODELS`].
    pub model: usize,
    /// Its name.
    pub name: String,
    /// Places in [`Plan::units`].
    pub units: Range<usize>,
    /// When its last unit was packed.
    pub packed_at: i64,
    /// Places in [`Plan::cartons`].
    pub cartons: Range<usize>,
}

/// A pallet from the maker to a tier 1.
pub struct Pallet {
    /// Its number.
    pub sscc: Sscc,
    /// Places in [`Plan::cartons`].
    pub cartons: Range<usize>,
    /// Party code of the maker.
    pub from: &'static str,
    /// Party code of the tier 1.
    pub to: String,
    /// When it was stacked.
    pub packed_at: i64,
    /// When it left.
    pub shipped_at: i64,
    /// When it was received.
    pub received_at: i64,
}

/// A carton from tier 1 down.
pub struct Carton {
    /// Its number.
    pub sscc: Sscc,
    /// Places in [`Plan::units`].
    pub units: Range<usize>,
    /// Party code of the tier 1 that holds it first.
    pub tier1: String,
    /// Place of the tier 2 in [`Channel::tier2`]; none in the online channel.
    pub tier2: Option<usize>,
    /// When it went to tier 2.
    pub to_tier2_at: i64,
    /// When tier 2 said it arrived; many never do.
    pub received_at: Option<i64>,
    /// Party code of the shop it went to, and when.
    pub shop: Option<(String, i64)>,
    /// Whether the shop got its units one by one.
    pub opened: bool,
    /// From when on its units are on sale.
    pub on_sale_at: i64,
    /// The province its tier 2 leaked it to, off the books.
    pub leaked_to: Option<RegionCode>,
}

/// A unit.
pub struct Unit {
    /// Place in [`MODELS`].
    pub model: usize,
    /// Place of its lot.
    pub lot: usize,
    /// Serial number.
    pub sn: String,
    /// When it left the line.
    pub produced_at: i64,
    /// Its first start, when that lies before now.
    pub start: Option<Start>,
}

/// The year.
pub struct Plan {
    /// Who sells.
    pub channel: Channel,
    /// Lots by day.
    pub lots: Vec<Lot>,
    /// Pallets.
    pub pallets: Vec<Pallet>,
    /// Cartons.
    pub cartons: Vec<Carton>,
    /// Units in the order they were made.
    pub units: Vec<Unit>,
    /// Places of the leaking tier-2 parties, and where to.
    pub diverters: Vec<(usize, RegionCode)>,
    /// Midnight of the first day, in Beijing.
    pub first_day: i64,
    /// Nothing of the plan happens after this.
    pub until: i64,
}

impl Plan {
    /// Draws the year that ends at `now`.
    ///
    /// # Errors
    /// Never for counts the options allow.
    pub fn draw(
        seed: u64,
        unit_count: usize,
        now: Timestamp,
        divisions: &Divisions,
    ) -> Result<Self, FlowError> {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let today = zone.to_datetime(now).date();
        let midnight = zone
            .to_timestamp(today.to_datetime(jiff::civil::Time::midnight()))
            .unwrap_or(now)
            .as_second();
        let first_day = midnight - YEAR_DAYS * DAY;
        let from_on = today.first_of_year().yesterday().map_or(today, |d| d.first_of_year());
        let mut plan = Self {
            channel: channel::draw(seed, divisions, from_on),
            lots: Vec::new(),
            pallets: Vec::new(),
            cartons: Vec::new(),
            units: Vec::with_capacity(unit_count),
            diverters: Vec::new(),
            first_day,
            until: now.as_second() - DAY,
        };
        plan.produce(&mut Dice::new(seed, 2), unit_count)?;
        plan.distribute(&mut Dice::new(seed, 3))?;
        plan.plant_diverters(&mut Dice::new(seed, 4));
        plan.start(&mut Dice::new(seed, 5), divisions);
        Ok(plan)
    }

    /// The carton a unit lies in.
    pub fn carton_of(&self, unit: usize) -> Option<&Carton> {
        let at = self.cartons.partition_point(|c| c.units.end <= unit);
        self.cartons.get(at)
    }

    fn produce(&mut self, dice: &mut Dice, unit_count: usize) -> Result<(), FlowError> {
        let size = (unit_count / 100).clamp(40, 500);
        let lots = unit_count.div_ceil(size);
        let mut made = [0.0; MODELS.len()];
        let mut serial = 0;
        for number in 0..lots {
            let model = most_wanted(&made, self.units.len() as f64 + size as f64);
            let start = self.units.len();
            let end = (start + size).min(unit_count);
            made[model] += (end - start) as f64;
            let span = YEAR_DAYS - LAST_LOT_DAYS;
            let day = span * number as i64 / lots.max(1) as i64;
            let shift = self.first_day + day * DAY + 8 * 3_600 + dice.between(0, 1_800);
            let step = (9 * 3_600) / (end - start).max(1) as i64;
            for place in start..end {
                let produced_at = shift + (place - start) as i64 * step + dice.between(0, 20);
                let sn = serial_number(&MODELS[model], produced_at, place);
                self.units.push(Unit { model, lot: number, sn, produced_at, start: None });
            }
            let first_carton = self.cartons.len();
            for first in (start..end).step_by(MODELS[model].carton) {
                let units = first..(first + MODELS[model].carton).min(end);
                self.cartons.push(blank_carton(serial, units)?);
                serial += 1;
            }
            self.lots.push(Lot {
                model,
                name: format!("{}{:04}", MODELS[model].letters, number + 1),
                units: start..end,
                packed_at: shift + 10 * 3_600,
                cartons: first_carton..self.cartons.len(),
            });
        }
        Ok(())
    }

    fn distribute(&mut self, dice: &mut Dice) -> Result<(), FlowError> {
        let weights: Vec<f64> = self.channel.tier1.iter().map(|t| t.weight).collect();
        for lot in 0..self.lots.len() {
            let Range { start, end } = self.lots[lot].cartons.clone();
            let packed_at = self.lots[lot].packed_at + 1_800;
            for first in (start..end).step_by(PALLET_CARTONS) {
                let cartons = first..(first + PALLET_CARTONS).min(end);
                let tier1 = (!dice.chance(ONLINE_SHARE)).then(|| dice.weighted(&weights));
                let code = match tier1 {
                    Some(place) => self.channel.tier1[place].code.clone(),
                    None => channel::ONLINE_CODE.to_owned(),
                };
                let shipped_at = packed_at + dice.between(1, 5) * DAY - dice.between(0, 8) * 3_600;
                let received_at = shipped_at + dice.between(20, 90) * 3_600;
                for carton in cartons.clone() {
                    let tier2 = tier1.map(|place| &self.channel.tier1[place].tier2);
                    let tier2 = tier2.and_then(|list| dice.pick(list)).copied();
                    route(
                        dice,
                        &self.channel,
                        &mut self.cartons[carton],
                        (&code, tier2),
                        received_at,
                    );
                }
                self.pallets.push(Pallet {
                    sscc: sscc(1, self.pallets.len() as u64)?,
                    cartons,
                    from: FACTORIES[MODELS[self.lots[lot].model].factory].code,
                    to: code,
                    packed_at,
                    shipped_at,
                    received_at,
                });
            }
        }
        Ok(())
    }

    /// The busiest province-wide tier-2 parties of different provinces leak every second carton
    /// of devices that report their own start to a province far away.
    fn plant_diverters(&mut self, dice: &mut Dice) {
        let mut goods = vec![0_usize; self.channel.tier2.len()];
        let early = self.until - 45 * DAY;
        let leaks = |c: &Carton| MODELS[self.units[c.units.start].model].network;
        let early = self.cartons.iter().filter(|c| c.on_sale_at < early && leaks(c));
        for carton in early {
            if let Some(tier2) = carton.tier2 {
                goods[tier2] += carton.units.len();
            }
        }
        let mut order: Vec<usize> = (0..goods.len()).collect();
        order.retain(|t| self.channel.tier2[*t].is_province_wide());
        order.sort_by_key(|t| (std::cmp::Reverse(goods[*t]), *t));
        let mut taken: Vec<RegionCode> = Vec::new();
        for tier2 in order {
            let home = self.channel.tier2[tier2].province;
            if taken.contains(&home) || self.diverters.len() == DIVERTER_COUNT {
                continue;
            }
            let far: Vec<_> = far_from(home);
            let Some(target) = dice.pick(&far) else { continue };
            taken.push(home);
            self.diverters.push((tier2, *target));
        }
        for (tier2, target) in self.diverters.clone() {
            let units = &self.units;
            let leaks = |c: &&mut Carton| MODELS[units[c.units.start].model].network;
            let own = self.cartons.iter_mut().filter(|c| c.tier2 == Some(tier2)).filter(leaks);
            for carton in own.step_by(2) {
                carton.leaked_to = Some(target);
                carton.shop = None;
            }
        }
    }

    fn start(&mut self, dice: &mut Dice, divisions: &Divisions) {
        let starting = Starting::new(divisions);
        for carton in &self.cartons {
            let tier2: Option<&Tier2> = carton.tier2.map(|t| &self.channel.tier2[t]);
            for unit in carton.units.clone() {
                let model = &MODELS[self.units[unit].model];
                // A leak goes out at once; a shop sells over weeks.
                let mean = if carton.leaked_to.is_some() { 9.0 } else { 24.0 };
                let wait = dice.wait(mean) * DAY as f64;
                let at = carton.on_sale_at + DAY / 2 + wait as i64;
                let at = waking(dice, at, self.first_day);
                if !dice.chance(model.started) || at >= self.until {
                    continue;
                }
                let shop = carton.shop.as_ref().map(|(code, _)| code.as_str());
                let buyer = Buyer { model, tier2, shop, leaked_to: carton.leaked_to, at };
                self.units[unit].start = starting.draw(dice, &buyer);
            }
        }
    }
}

fn most_wanted(made: &[f64], total: f64) -> usize {
    let lack = |m: usize| MODELS[m].share * total - made[m];
    (0..MODELS.len()).max_by(|a, b| lack(*a).total_cmp(&lack(*b))).unwrap_or(0)
}

fn serial_number(model: &Model, produced_at: i64, place: usize) -> String {
    let on = Timestamp::from_second(produced_at).unwrap_or_default();
    let week = TimeZone::UTC.to_datetime(on).date().iso_week_date();
    // Fifteen characters: never the thirteen of a trace code, never all digits like an IMEI.
    format!("CY{}{:02}{:02}{:07}", model.letters, week.year() % 100, week.week(), place + 1)
}

fn sscc(extension: u8, serial: u64) -> Result<Sscc, FlowError> {
    Sscc::build(extension, COMPANY_PREFIX, serial + 1)
        .map_err(|e| Refused::invalid("sscc", e).into())
}

fn blank_carton(serial: u64, units: Range<usize>) -> Result<Carton, FlowError> {
    Ok(Carton {
        sscc: sscc(0, serial)?,
        units,
        tier1: String::new(),
        tier2: None,
        to_tier2_at: 0,
        received_at: None,
        shop: None,
        opened: false,
        on_sale_at: 0,
        leaked_to: None,
    })
}

/// Draws the way of a carton down from its tier 1.
fn route(
    dice: &mut Dice,
    channel: &Channel,
    carton: &mut Carton,
    (tier1, tier2): (&str, Option<usize>),
    received_at: i64,
) {
    carton.tier1 = tier1.to_owned();
    carton.on_sale_at = received_at;
    let Some(tier2) = tier2 else { return };
    carton.tier2 = Some(tier2);
    carton.to_tier2_at = received_at + dice.between(1, 12) * DAY + dice.between(0, 6) * 3_600;
    let arrived = carton.to_tier2_at + dice.between(18, 70) * 3_600;
    carton.received_at = dice.chance(0.65).then_some(arrived);
    carton.on_sale_at = arrived;
    if dice.chance(0.6)
        && let Some(shop) = dice.pick(&channel.tier2[tier2].shops)
    {
        let at = arrived + dice.between(1, 9) * DAY + dice.between(0, 6) * 3_600;
        carton.shop = Some((shop.clone(), at));
        carton.opened = dice.chance(0.06);
        carton.on_sale_at = at;
    }
}

/// Moves an instant into the hours people start devices: 9 to 22 in Beijing.
fn waking(dice: &mut Dice, at: i64, midnight: i64) -> i64 {
    let day = (at - midnight).div_euclid(DAY);
    midnight + (day + 1) * DAY + 9 * 3_600 + dice.between(0, 13 * 3_600 - 1)
}

/// Provinces that share no border with this one, by a rough table of the parts of the country.
fn far_from(home: RegionCode) -> Vec<RegionCode> {
    let part = |code: RegionCode| code.as_str().as_bytes().first().copied();
    let far =
        |code: &RegionCode| part(*code) != part(home) && !matches!(code.as_str(), "54" | "63");
    let near_parts = |code: &RegionCode| {
        let pair = (part(*code), part(home));
        !matches!(pair, (Some(b'4'), Some(b'3' | b'5')) | (Some(b'3' | b'5'), Some(b'4')))
    };
    channel::provinces().into_iter().map(|(c, _)| c).filter(far).filter(near_parts).collect()
}
