//! First starts with the noise of honest people: they travel, give presents, go online through a
//! carrier's exit in another province. Leaked goods start where they were leaked to.

use super::addresses::{address, address_abroad};
use super::catalogue::Model;
use super::channel::{Tier2, provinces};
use super::dice::Dice;
use crate::flows::activate::Signals;
use domain::region::{Divisions, RegionCode};

/// Honest starts elsewhere: travel, presents, moving home.
const ELSEWHERE: f64 = 0.035;
/// Starts abroad, most of them by travellers.
const ABROAD: f64 = 0.002;
/// Starts over a mobile network.
const MOBILE: f64 = 0.30;
/// Mobile starts whose exit lies in another province.
const EXIT_ELSEWHERE: f64 = 0.12;
/// Devices that report an attested position.
const POSITION: f64 = 0.30;
/// The same of leaked goods: planted, so that evidence suffices.
const POSITION_LEAKED: f64 = 0.85;
/// Starts whose report names the shop.
const SHOP_NAMED: f64 = 0.20;

/// A first start.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// When, seconds.
    pub at: i64,
    /// The city it happened in; a district of a municipality.
    pub city: RegionCode,
    /// What tells the device from another.
    pub fingerprint: String,
    /// What was seen.
    pub signals: Signals,
    /// Whether the goods were leaked.
    pub leaked: bool,
    /// Whether it happened where its goods are sold and nothing speaks against it.
    pub at_home: bool,
}

/// Who starts what.
pub struct Buyer<'a> {
    /// The product.
    pub model: &'a Model,
    /// The tier 2 that holds the goods; none online.
    pub tier2: Option<&'a Tier2>,
    /// The shop that has them.
    pub shop: Option<&'a str>,
    /// Where they were leaked to.
    pub leaked_to: Option<RegionCode>,
    /// When, seconds.
    pub at: i64,
}

/// Draws starts.
pub struct Starting<'a> {
    divisions: &'a Divisions,
    provinces: Vec<(RegionCode, Vec<RegionCode>)>,
    weights: Vec<f64>,
}

impl<'a> Starting<'a> {
    /// Looks up the cities once.
    pub fn new(divisions: &'a Divisions) -> Self {
        let cities = |province| divisions.children(province).map(|d| d.code).collect();
        let (provinces, weights) =
            provinces().into_iter().map(|(code, weight)| ((code, cities(code)), weight)).unzip();
        Self { divisions, provinces, weights }
    }

    /// One start; none where the tables know no city.
    pub fn draw(&self, dice: &mut Dice, buyer: &Buyer<'_>) -> Option<Start> {
        let leaked = buyer.leaked_to.is_some();
        let away = !leaked && buyer.tier2.is_some() && dice.chance(ELSEWHERE);
        let city = match (buyer.leaked_to, buyer.tier2) {
            (Some(target), _) => self.city_of(dice, target)?,
            (None, Some(tier2)) if !away => *dice.pick(&tier2.cities)?,
            _ => self.anywhere(dice)?,
        };
        let province = city.province()?;
        let mut signals = Signals::default();
        let mobile = dice.chance(MOBILE);
        let exit = mobile && dice.chance(EXIT_ELSEWHERE);
        let through = if exit { self.anywhere(dice)?.province()? } else { province };
        signals.ip = address(dice, through, mobile);
        signals.access = Some(if mobile { "cellular" } else { "wifi" }.to_owned());
        let positioned = if leaked { POSITION_LEAKED } else { POSITION };
        if buyer.model.network && dice.chance(positioned) {
            signals.gps = self.position(dice, city);
        }
        if buyer.model.tac.len() == 8 {
            signals.serving_mcc = Some("460".to_owned());
        }
        self.sale(dice, buyer, province, &mut signals);
        let abroad = !leaked && buyer.model.network && dice.chance(ABROAD);
        if abroad {
            let (ip, mcc) = address_abroad(dice);
            signals = Signals {
                ip: Some(ip),
                serving_mcc: (!buyer.model.tac.is_empty()).then(|| mcc.to_owned()),
                sim_mcc: (!buyer.model.tac.is_empty()).then(|| "460".to_owned()),
                ..Signals::default()
            };
        }
        let at_home = !(leaked || away || exit || abroad) && buyer.shop.is_some();
        let fingerprint = format!("{:016x}{:016x}", dice.next(), dice.next());
        Some(Start { at: buyer.at, city, fingerprint, signals, leaked, at_home })
    }

    /// What the sale itself tells: the shop, or where an online order went.
    fn sale(
        &self,
        dice: &mut Dice,
        buyer: &Buyer<'_>,
        province: RegionCode,
        signals: &mut Signals,
    ) {
        if let Some(shop) = buyer.shop
            && dice.chance(SHOP_NAMED)
        {
            signals.store_code = Some(shop.to_owned());
        }
        let ordered = if buyer.tier2.is_none() { 0.8 } else { 0.0 };
        let ordered = if buyer.leaked_to.is_some() { 0.35 } else { ordered };
        if dice.chance(ordered) {
            signals.shipping_region = Some(province.to_string());
        }
    }

    /// A place to live: provinces by weight, cities alike.
    pub fn anywhere(&self, dice: &mut Dice) -> Option<RegionCode> {
        let (_, cities) = self.provinces.get(dice.weighted(&self.weights))?;
        dice.pick(cities).copied()
    }

    fn city_of(&self, dice: &mut Dice, province: RegionCode) -> Option<RegionCode> {
        let (_, cities) = self.provinces.iter().find(|(code, _)| *code == province)?;
        // Leaked goods go to a few places, not everywhere.
        dice.pick(cities.get(..cities.len().min(3))?).copied()
    }

    /// A point within a kilometre of the centre of one of the city's districts.
    pub fn position(&self, dice: &mut Dice, city: RegionCode) -> Option<(f64, f64, f64, bool)> {
        let inside: Vec<_> = self.divisions.children(city).map(|d| d.code).collect();
        let district = dice.pick(&inside).copied().unwrap_or(city);
        let centre = self.divisions.centre_of(district)?;
        let mut off = || (dice.unit() - 0.5) * 0.016;
        let (lat, lon) = (centre.lat() + off(), centre.lon() + off());
        let round = |degrees: f64| (degrees * 1e5).round() / 1e5;
        Some((round(lat), round(lon), dice.between(8, 60) as f64, true))
    }
}
