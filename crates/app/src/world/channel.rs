//! Who sells and mends: distributors, shops, the online channel and service centres, with their
//! further sites and territories. Names are invented; seats are real divisions.

use super::catalogue::{BRAND_CODE, BRAND_NAME, FACTORIES};
use super::dice::Dice;
use crate::files::{PartyDraft, SiteDraft, TerritoryDraft};
use domain::party::{PartyKind, SiteKind};
use domain::region::{Divisions, RegionCode};
use domain::territory::Channel as SalesChannel;
use jiff::civil::Date;

/// The party that sells online, country-wide.
pub const ONLINE_CODE: &str = "T1-ONLINE";

/// Province, number of its tier-2 parties, area code of its capital, and the province whose tier 1
/// serves it when it has none of its own.
const PROVINCES: [(&str, usize, &str, Option<&str>); 31] = [
    ("11", 5, "010", None),
    ("12", 4, "022", None),
    ("13", 6, "0311", None),
    ("14", 4, "0351", None),
    ("15", 3, "0471", None),
    ("21", 5, "024", None),
    ("22", 3, "0431", None),
    ("23", 4, "0451", None),
    ("31", 6, "021", None),
    ("32", 8, "025", None),
    ("33", 8, "0571", None),
    ("34", 6, "0551", None),
    ("35", 5, "0591", None),
    ("36", 5, "0791", None),
    ("37", 8, "0531", None),
    ("41", 8, "0371", None),
    ("42", 6, "027", None),
    ("43", 6, "0731", None),
    ("44", 10, "020", None),
    ("45", 5, "0771", None),
    ("46", 2, "0898", None),
    ("50", 4, "023", None),
    ("51", 8, "028", None),
    ("52", 4, "0851", None),
    ("53", 5, "0871", None),
    ("54", 1, "0891", Some("51")),
    ("61", 5, "029", None),
    ("62", 3, "0931", None),
    ("63", 1, "0971", Some("62")),
    ("64", 2, "0951", None),
    ("65", 3, "0991", None),
];

/// Provinces whose tier 1 keeps a warehouse in a second city, and whose service centre takes
/// devices in at a second counter.
const WITH_SITES: [&str; 6] = ["21", "32", "33", "37", "44", "51"];

const HOUSES: [&str; 16] = [
    "恒远", "汇星", "嘉禾", "同创", "博泰", "瑞丰", "天润", "锦程", "华信", "宏图", "智联", "万通",
    "鼎盛", "金桥", "新宇", "长河",
];

/// A tier-1 distributor.
pub struct Tier1 {
    /// Party code.
    pub code: String,
    /// Places in [`Channel::tier2`].
    pub tier2: Vec<usize>,
    /// How much of the goods goes there.
    pub weight: f64,
}

/// A tier-2 distributor.
pub struct Tier2 {
    /// Party code.
    pub code: String,
    /// The province it sells in.
    pub province: RegionCode,
    /// Where in it: the province, or some cities.
    pub regions: Vec<RegionCode>,
    /// Cities (districts of a municipality) its buyers live in.
    pub cities: Vec<RegionCode>,
    /// Party codes of its shops.
    pub shops: Vec<String>,
}

impl Tier2 {
    /// Whether it may sell in the whole province.
    pub fn is_province_wide(&self) -> bool {
        self.regions == [self.province]
    }
}

/// Everybody, and who may sell where.
pub struct Channel {
    /// Rows of parties, the brand first.
    pub parties: Vec<PartyDraft>,
    /// Rows of further sites.
    pub sites: Vec<SiteDraft>,
    /// Rows of grants.
    pub territories: Vec<TerritoryDraft>,
    /// Tier 1 without the online party.
    pub tier1: Vec<Tier1>,
    /// Tier 2.
    pub tier2: Vec<Tier2>,
}

/// Draws the channel; grants run from `from_on`.
pub fn draw(seed: u64, divisions: &Divisions, from_on: Date) -> Channel {
    let mut drawing = Drawing {
        dice: Dice::new(seed, 1),
        divisions,
        from_on,
        done: Channel {
            parties: Vec::new(),
            sites: Vec::new(),
            territories: Vec::new(),
            tier1: Vec::new(),
            tier2: Vec::new(),
        },
    };
    drawing.brand();
    for (code, count, area, under) in PROVINCES {
        let Ok(province) = RegionCode::parse(code) else { continue };
        drawing.province(province, count, area, under);
    }
    drawing.online();
    drawing.sites();
    drawing.done
}

struct Drawing<'a> {
    dice: Dice,
    divisions: &'a Divisions,
    from_on: Date,
    done: Channel,
}

impl Drawing<'_> {
    fn brand(&mut self) {
        let mut brand = self.party(PartyKind::Brand, BRAND_CODE, BRAND_NAME, None);
        brand.region = Some("330106".to_owned());
        brand.address = "杭州市西湖区澄野大厦".to_owned();
        brand.public = true;
        self.done.parties.push(brand);
        for factory in &FACTORIES {
            let mut row = self.party(PartyKind::Factory, factory.code, factory.name, None);
            row.region = Some(factory.region.to_owned());
            row.address = factory.address.to_owned();
            self.done.parties.push(row);
        }
    }

    fn online(&mut self) {
        let name = "澄野官方商城（电商渠道）";
        let mut row = self.party(PartyKind::Tier1, ONLINE_CODE, name, Some(BRAND_CODE));
        row.region = Some("330106".to_owned());
        row.public = true;
        self.done.parties.push(row);
        self.grant(ONLINE_CODE, &[RegionCode::MAINLAND], SalesChannel::Online);
    }

    fn province(&mut self, province: RegionCode, count: usize, area: &str, under: Option<&str>) {
        let cities: Vec<_> = self.divisions.children(province).map(|d| d.code).collect();
        let tier1 = format!("T1-{}", under.unwrap_or(province.as_str()));
        if under.is_none() {
            let short = self.short(province);
            let name = format!("{short}{}数码贸易有限公司", self.house());
            self.seated(PartyKind::Tier1, &tier1, &name, BRAND_CODE, cities.first().copied());
            let served = PROVINCES.iter().filter(|p| p.3 == Some(province.as_str()));
            let served = served.filter_map(|p| RegionCode::parse(p.0).ok());
            let regions: Vec<_> = std::iter::once(province).chain(served).collect();
            self.grant(&tier1, &regions, SalesChannel::Both);
            self.done.tier1.push(Tier1 { code: tier1.clone(), tier2: Vec::new(), weight: 0.0 });
        }
        for place in 0..count {
            let row = self.tier2(province, &cities, &tier1, place, count);
            let at = self.done.tier2.len();
            self.done.tier2.push(row);
            let above = self.done.tier1.iter_mut().find(|t| t.code == tier1);
            if let Some(above) = above {
                above.tier2.push(at);
                above.weight += 1.0;
            }
        }
        self.service_centres(province, &cities, area);
    }

    fn tier2(
        &mut self,
        province: RegionCode,
        cities: &[RegionCode],
        tier1: &str,
        place: usize,
        count: usize,
    ) -> Tier2 {
        let code = format!("T2-{province}{:02}", place + 1);
        let step = (cities.len() / count).max(1);
        let seat = cities.get(place * step % cities.len().max(1)).copied().unwrap_or(province);
        let name = format!("{}{}通讯器材有限公司", self.short(seat), self.house());
        self.seated(PartyKind::Tier2, &code, &name, tier1, Some(seat));
        // In large provinces every third sells in some cities only.
        let narrow = count >= 5 && place % 3 == 2 && !is_municipality(province);
        let regions: Vec<_> = match cities.get(place * step..).filter(|_| narrow) {
            Some(own) if !own.is_empty() => own.iter().take(2).copied().collect(),
            _ => vec![province],
        };
        self.grant(&code, &regions, SalesChannel::Both);
        let near = if narrow { regions.clone() } else { near(cities, place * step) };
        let count = if place.is_multiple_of(2) { 2 } else { 1 };
        let shops = (0..count).map(|n| self.shop(&code, &near, n)).collect();
        Tier2 { code, province, regions, cities: near, shops }
    }

    fn shop(&mut self, tier2: &str, cities: &[RegionCode], number: usize) -> String {
        let code = format!("SH-{}{}", tier2.trim_start_matches("T2-"), number + 1);
        let city = self.dice.pick(cities).copied();
        let district = city.map(|city| self.leaf(city));
        let short = district.map_or_else(String::new, |d| self.short(d));
        let kind = self.dice.pick(&["手机卖场", "数码专营店", "澄野体验店"]).copied();
        let name = format!("{short}{}{}", self.house(), kind.unwrap_or_default());
        self.seated(PartyKind::Shop, &code, &name, tier2, district);
        code
    }

    /// One in the capital, one more in a second city of the largest provinces.
    fn service_centres(&mut self, province: RegionCode, cities: &[RegionCode], area: &str) {
        let second = matches!(province.as_str(), "21" | "32" | "33" | "35" | "37" | "44");
        for (number, city) in cities.iter().take(1 + usize::from(second)).enumerate() {
            let code = format!("SC-{province}{}", number + 1);
            let region = if number == 0 && is_municipality(province) { province } else { *city };
            let name = format!("澄野电子{}服务中心", self.short(region));
            let seat = self.leaf(*city);
            self.seated(PartyKind::ServiceCentre, &code, &name, BRAND_CODE, Some(seat));
            let line = self.dice.between(1_000, 9_999);
            let phone =
                if number == 0 { format!("{area}-5550{line}") } else { format!("400-555-{line}") };
            if let Some(row) = self.done.parties.last_mut() {
                row.phone = phone;
                row.public = true;
            }
        }
    }

    /// A warehouse for every factory and for some tier 1, a counter for some service centres.
    fn sites(&mut self) {
        for factory in &FACTORIES {
            let (code, name) = (format!("{}-W", factory.code), format!("{}成品库", factory.name));
            let seat = RegionCode::parse(factory.region).ok();
            self.site(factory.code, &code, SiteKind::Warehouse, &name, seat);
        }
        for code in WITH_SITES {
            let Ok(province) = RegionCode::parse(code) else { continue };
            let cities: Vec<_> = self.divisions.children(province).map(|d| d.code).collect();
            let Some(second) = cities.get(1).copied() else { continue };
            let (party, code) = (format!("T1-{province}"), format!("T1-{province}-W"));
            let name = format!("{}分仓", self.short(second));
            self.site(&party, &code, SiteKind::Warehouse, &name, Some(second));
            let (party, code) = (format!("SC-{province}1"), format!("SC-{province}1-2"));
            let name = format!("澄野电子{}收机点", self.short(cities[0]));
            let leaf = self.leaf(cities[0]);
            self.site(&party, &code, SiteKind::Shop, &name, Some(leaf));
        }
    }

    fn site(
        &mut self,
        party: &str,
        code: &str,
        kind: SiteKind,
        name: &str,
        seat: Option<RegionCode>,
    ) {
        let number = self.dice.between(3, 480);
        let place = seat.and_then(|s| self.divisions.get(s)).map_or("", |place| &place.zh);
        let address = format!("{place}{}路 {number} 号", self.house());
        let phone = self.done.parties.iter().find(|p| p.code == party).map(|p| p.phone.clone());
        self.done.sites.push(SiteDraft {
            code: code.to_owned(),
            party_code: party.to_owned(),
            kind,
            name: name.to_owned(),
            region: seat.map(|s| s.to_string()),
            address,
            phone: phone.unwrap_or_default(),
            point: seat.and_then(|s| self.divisions.centre_of(s)).map(|p| (p.lon(), p.lat())),
            lacking: Vec::new(),
        });
    }

    fn seated(
        &mut self,
        kind: PartyKind,
        code: &str,
        name: &str,
        parent: &str,
        seat: Option<RegionCode>,
    ) {
        let mut row = self.party(kind, code, name, Some(parent));
        row.region = seat.map(|s| s.to_string());
        row.point = seat.and_then(|s| self.divisions.centre_of(s)).map(|p| (p.lon(), p.lat()));
        row.public = kind == PartyKind::Shop;
        let number = self.dice.between(3, 480);
        row.address = match seat.and_then(|s| self.divisions.get(s)) {
            Some(place) => format!("{}{}路 {number} 号", place.zh, self.house()),
            None => String::new(),
        };
        self.done.parties.push(row);
    }

    fn party(&self, kind: PartyKind, code: &str, name: &str, parent: Option<&str>) -> PartyDraft {
        PartyDraft {
            code: code.to_owned(),
            kind,
            name: name.to_owned(),
            parent_code: parent.map(str::to_owned),
            region: None,
            address: String::new(),
            phone: String::new(),
            point: None,
            public: false,
            organisation: None,
            categories: Vec::new(),
            lacking: Vec::new(),
        }
    }

    fn grant(&mut self, party: &str, regions: &[RegionCode], channel: SalesChannel) {
        self.done.territories.push(TerritoryDraft {
            party_code: party.to_owned(),
            gtin: None,
            regions: regions.iter().map(ToString::to_string).collect(),
            excluded: Vec::new(),
            from_on: self.from_on,
            to_on: None,
            channel,
            polygons: None,
            lacking: Vec::new(),
        });
    }

    fn leaf(&mut self, city: RegionCode) -> RegionCode {
        let inside: Vec<_> = self.divisions.children(city).map(|d| d.code).collect();
        self.dice.pick(&inside).copied().unwrap_or(city)
    }

    fn house(&mut self) -> &'static str {
        self.dice.pick(&HOUSES).copied().unwrap_or_default()
    }

    fn short(&self, region: RegionCode) -> String {
        self.divisions.get(region).map_or_else(String::new, |d| d.short_zh().to_owned())
    }
}

fn near(cities: &[RegionCode], from: usize) -> Vec<RegionCode> {
    let count = cities.len().min(3);
    cities.iter().cycle().skip(from).take(count).copied().collect()
}

/// Beijing, Tianjin, Shanghai, Chongqing: their districts stand for cities.
pub fn is_municipality(province: RegionCode) -> bool {
    matches!(province.as_str(), "11" | "12" | "31" | "50")
}

/// The provinces with their weight as buyers.
pub fn provinces() -> Vec<(RegionCode, f64)> {
    let read = |p: &(&str, usize, &str, Option<&str>)| {
        RegionCode::parse(p.0).ok().map(|code| (code, p.1 as f64))
    };
    PROVINCES.iter().filter_map(read).collect()
}
