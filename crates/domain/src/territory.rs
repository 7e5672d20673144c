//! Territories: where a party may sell a product, from when to when; and which grant binds goods.

use crate::id::{BrandId, PartyId, ProductId, TerritoryId};
use crate::party::{Party, PartyKind, PartyTree};
use crate::refusal::{Refusal, Refused};
use crate::region::RegionSet;
use jiff::civil::Date;

/// Which sales channel a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Shops people walk into: where the buyer is, is the evidence.
    Offline,
    /// Online sale: the seller and the shipping region are the evidence, not the address.
    Online,
    /// Either.
    Both,
}

impl Channel {
    /// The word in files, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Both => "both",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Offline, Self::Online, Self::Both].into_iter().find(|c| c.as_str() == word)
    }

    /// Whether everything sold under `self` may also be sold under `other`.
    pub fn is_within(self, other: Self) -> bool {
        other == Self::Both || self == other
    }
}

/// One grant: a party may sell a product (or all) in some regions on some days.
#[derive(Clone, Debug, PartialEq)]
pub struct Territory {
    /// Row identity.
    pub id: TerritoryId,
    /// The tenant it belongs to.
    pub brand: BrandId,
    /// Who may sell.
    pub party: PartyId,
    /// What; none for every product of the brand.
    pub product: Option<ProductId>,
    /// Where.
    pub regions: RegionSet,
    /// First day, in the brand's time zone.
    pub from_on: Date,
    /// Last day; none while open.
    pub to_on: Option<Date>,
    /// Through which channel.
    pub channel: Channel,
}

impl Territory {
    /// Whether the grant speaks of this product on this day.
    pub fn applies(&self, product: ProductId, on: Date) -> bool {
        self.product.is_none_or(|p| p == product)
            && self.from_on <= on
            && self.to_on.is_none_or(|to| on <= to)
    }

    /// Whether the grant speaks of sales under this channel on this day of all that `inner` is
    /// about.
    fn covers(&self, inner: &Self, channel: Channel, on: Date) -> bool {
        self.product.is_none_or(|p| inner.product == Some(p))
            && self.from_on <= on
            && self.to_on.is_none_or(|to| on <= to)
            && channel.is_within(self.channel)
    }

    /// Whether every sale this grant allows is also allowed by some of these together: on each of
    /// its days, which are told apart where one of them begins or has ended, and under each of its
    /// channels.
    fn is_within(&self, outer: &[Self]) -> bool {
        let channels = match self.channel {
            Channel::Both => vec![Channel::Online, Channel::Offline],
            one => vec![one],
        };
        let after = |grant: &Self| grant.to_on.and_then(|last| last.tomorrow().ok());
        let turns = outer.iter().flat_map(|grant| [Some(grant.from_on), after(grant)]).flatten();
        let among = |day: &Date| self.from_on < *day && self.to_on.is_none_or(|to| *day <= to);
        let mut days = std::iter::once(self.from_on).chain(turns.filter(among));
        days.all(|on| {
            channels.iter().all(|channel| {
                let there = outer.iter().filter(|grant| grant.covers(self, *channel, on));
                self.regions.is_subset_of(&RegionSet::union(there.map(|grant| &grant.regions)))
            })
        })
    }
}

/// The grant or grants that bind goods in a party's hands.
#[derive(Clone, Debug)]
pub struct Binding<'a> {
    /// The party whose grants they are: the holder or its nearest ancestor with one.
    pub party: PartyId,
    /// All its grants for the product on that day; never empty.
    pub grants: Vec<&'a Territory>,
}

impl Binding<'_> {
    /// Where goods so bound may be sold: the grants' regions together.
    pub fn regions(&self) -> RegionSet {
        RegionSet::union(self.grants.iter().map(|g| &g.regions))
    }

    /// Whether only online sale is granted: then the address of the buyer says nothing.
    pub fn online_only(&self) -> bool {
        self.grants.iter().all(|g| g.channel == Channel::Online)
    }
}

/// The grants of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Territories {
    by_party: std::collections::HashMap<PartyId, Vec<Territory>>,
}

impl Territories {
    /// Gathers grants in any order.
    pub fn new(grants: impl IntoIterator<Item = Territory>) -> Self {
        let mut all = Self::default();
        for grant in grants {
            all.by_party.entry(grant.party).or_default().push(grant);
        }
        all
    }

    /// The grants of one party.
    pub fn of(&self, party: PartyId) -> &[Territory] {
        self.by_party.get(&party).map_or(&[], Vec::as_slice)
    }

    /// Puts a grant in, in the place of the one it is a later state of. Gives that back.
    pub fn put(&mut self, grant: Territory) -> Option<Territory> {
        let own = self.by_party.entry(grant.party).or_default();
        match own.iter_mut().find(|known| known.id == grant.id) {
            Some(known) => Some(std::mem::replace(known, grant)),
            None => {
                own.push(grant);
                None
            }
        }
    }

    /// All grants, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Territory> {
        self.by_party.values().flatten()
    }

    /// What binds a product in this party's hands on that day: its own grants, else those of its
    /// nearest ancestor that has any. `None` when nothing up the tree does, or the holder is not
    /// one that sells.
    pub fn binding<'a>(
        &'a self,
        tree: &PartyTree,
        holder: PartyId,
        product: ProductId,
        on: Date,
    ) -> Option<Binding<'a>> {
        tree.upward(holder).take_while(|p| p.kind.sells()).find_map(|p| {
            let grants: Vec<_> = self.of(p.id).iter().filter(|g| g.applies(product, on)).collect();
            (!grants.is_empty()).then_some(Binding { party: p.id, grants })
        })
    }

    /// Whether a party may sell a product to consumers on that day: the brand its own goods, since
    /// every grant comes from it; others what binds in their hands. Factories and service centres
    /// move goods without a grant, but sell to nobody.
    pub fn lets_sell(
        &self,
        tree: &PartyTree,
        seller: PartyId,
        product: ProductId,
        on: Date,
    ) -> bool {
        tree.get(seller).is_some_and(|party| party.kind == PartyKind::Brand)
            || self.binding(tree, seller, product, on).is_some()
    }

    /// Whether a new grant may stand: its period runs forward, its party sells, and below tier 1
    /// it lies inside the grants of the selling ancestor above it, taken together.
    pub fn admit(&self, tree: &PartyTree, new: &Territory) -> Result<(), Refused> {
        let party = tree.get(new.party).ok_or(Refused::new(Refusal::UnknownParty, "party_code"))?;
        if !party.kind.sells() {
            return Err(Refused::new(Refusal::NotASeller, "party_code"));
        }
        if new.to_on.is_some_and(|to| to < new.from_on) {
            return Err(Refused::new(Refusal::PeriodReversed, "to_on"));
        }
        let above = tree.upward(new.party).skip(1).find(|p| p.kind.sells());
        match above {
            Some(above) if !new.is_within(self.of(above.id)) => {
                let more = format!("tier above: {}", above.code);
                Err(Refused::because(Refusal::OutsideTier1, "regions", more))
            }
            _ => Ok(()),
        }
    }

    /// A grant of a party, told as it is to stand from now on, that does not lie inside those of
    /// the seller then above it, and that seller. One that is over by `today` is no hindrance.
    /// What stands below leans on the party's own grants, which do not change.
    pub fn stranded<'a, 'b>(
        &'a self,
        tree: &'b PartyTree,
        moved: &Party,
        today: Date,
    ) -> Option<(&'a Territory, &'b Party)> {
        let above = tree.upward(moved.parent?).find(|p| p.kind.sells())?;
        let lasts = |grant: &&Territory| grant.to_on.is_none_or(|to| today <= to);
        let outside = |grant: &&Territory| !grant.is_within(self.of(above.id));
        let grant = self.of(moved.id).iter().filter(lasts).find(outside)?;
        Some((grant, above))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::tests::tree;
    use crate::region::{DivisionRow, Divisions, RegionCode};
    use jiff::civil::date;

    fn divisions() -> Divisions {
        let row = |code| DivisionRow {
            code,
            zh: code,
            en: "",
            lon_lat: None,
            valid_to: None,
            successor: None,
        };
        let codes = ["CN", "42", "4201", "420106", "44", "4401", "53"];
        Divisions::from_rows(codes.map(row), []).unwrap()
    }

    fn grant(party: i64, product: Option<i64>, regions: &[&str]) -> Territory {
        let codes: Vec<_> = regions.iter().map(|r| RegionCode::parse(r).unwrap()).collect();
        Territory {
            id: TerritoryId(0),
            brand: BrandId(1),
            party: PartyId(party),
            product: product.map(ProductId),
            regions: RegionSet::new(&codes, &[], vec![], &divisions()).unwrap(),
            from_on: date(2026, 1, 1),
            to_on: None,
            channel: Channel::Both,
        }
    }

    fn bound(grants: Vec<Territory>, holder: i64, product: i64) -> Option<i64> {
        let territories = Territories::new(grants);
        let on = date(2026, 6, 1);
        let binding = territories.binding(&tree(), PartyId(holder), ProductId(product), on);
        binding.map(|b| b.party.0)
    }

    #[test]
    fn the_nearest_grant_up_the_tree_binds() {
        let grants = vec![grant(3, None, &["42"]), grant(4, Some(7), &["4201"])];
        assert_eq!(bound(grants.clone(), 5, 7), Some(4), "the shop is bound by its tier 2");
        assert_eq!(bound(grants.clone(), 5, 8), Some(3), "another product by its tier 1");
        assert_eq!(bound(grants.clone(), 7, 7), Some(3), "the other tier 2 has none of its own");
        assert_eq!(bound(grants.clone(), 8, 7), None, "another tier 1 has nothing");
        assert_eq!(bound(grants, 2, 7), None, "a factory sells nothing");
    }

    #[test]
    fn the_brand_alone_sells_without_a_grant() {
        let territories = Territories::new([grant(3, None, &["42"])]);
        let lets = |territories: &Territories, seller: i64| {
            territories.lets_sell(&tree(), PartyId(seller), ProductId(7), date(2026, 6, 1))
        };
        let may: Vec<_> = (1..=9).filter(|seller| lets(&territories, *seller)).collect();
        assert_eq!(may, [1, 3, 4, 5, 6, 7], "no factory, nobody elsewhere, nobody unknown");
        let none = Territories::default();
        assert!(lets(&none, 1) && !lets(&none, 3));
    }

    #[test]
    fn a_grant_speaks_only_of_its_days() {
        let ended = Territory { to_on: Some(date(2026, 5, 31)), ..grant(3, None, &["42"]) };
        assert!(ended.applies(ProductId(1), date(2026, 5, 31)));
        assert!(!ended.applies(ProductId(1), date(2026, 6, 1)));
        assert!(!ended.applies(ProductId(1), date(2025, 12, 31)));
        assert_eq!(bound(vec![ended], 5, 7), None);
    }

    #[test]
    fn tier_two_lies_inside_tier_one_on_the_same_days() {
        let territories = Territories::new([Territory {
            to_on: Some(date(2026, 12, 31)),
            channel: Channel::Offline,
            ..grant(3, Some(7), &["42"])
        }]);
        let inner = Territory {
            to_on: Some(date(2026, 6, 30)),
            channel: Channel::Offline,
            ..grant(4, Some(7), &["4201"])
        };
        let admit = |t: &Territory| territories.admit(&tree(), t).map_err(|r| r.refusal);
        assert_eq!(admit(&inner), Ok(()));
        let outside = Err(Refusal::OutsideTier1);
        assert_eq!(admit(&Territory { to_on: None, ..inner.clone() }), outside, "longer");
        assert_eq!(admit(&Territory { from_on: date(2025, 1, 1), ..inner.clone() }), outside);
        assert_eq!(admit(&Territory { product: None, ..inner.clone() }), outside, "wider");
        assert_eq!(admit(&Territory { channel: Channel::Online, ..inner.clone() }), outside);
        let elsewhere = grant(4, Some(7), &["44"]).regions;
        assert_eq!(admit(&Territory { regions: elsewhere, ..inner.clone() }), outside);
        let reversed = Territory { to_on: Some(date(2025, 12, 1)), ..inner.clone() };
        assert_eq!(admit(&reversed), Err(Refusal::PeriodReversed));
        let factory = Territory { party: PartyId(2), ..reversed };
        assert_eq!(admit(&factory), Err(Refusal::NotASeller), "the earlier refusal is said");
    }

    #[test]
    fn the_grants_of_tier_one_count_together() {
        let until = |to: Date, from: Date, codes: &[&str]| Territory {
            from_on: from,
            to_on: Some(to),
            ..grant(3, None, codes)
        };
        let (june, july) = (date(2026, 6, 30), date(2026, 7, 1));
        let year = date(2026, 12, 31);
        let halves = [until(june, date(2026, 1, 1), &["42"]), until(year, july, &["42", "44"])];
        let admit = |outer: &[Territory], inner: &Territory| {
            Territories::new(outer.to_vec()).admit(&tree(), inner).is_ok()
        };
        let inner = |from: Date, to: Date, codes: &[&str]| Territory {
            party: PartyId(4),
            ..until(to, from, codes)
        };
        let may = date(2026, 5, 1);
        assert!(admit(&halves, &inner(may, date(2026, 8, 31), &["4201"])), "over both halves");
        assert!(!admit(&halves, &inner(may, date(2027, 1, 1), &["4201"])), "a day too long");
        assert!(!admit(&halves, &inner(may, date(2026, 8, 31), &["42", "4401"])), "44 from July");
        assert!(admit(&halves, &inner(july, date(2026, 8, 31), &["42", "4401"])));
        let gap = [halves[0].clone(), until(year, date(2026, 7, 2), &["42"])];
        assert!(!admit(&gap, &inner(may, date(2026, 8, 31), &["4201"])), "a day is missing");
        let beside = [grant(3, None, &["42"]), grant(3, None, &["44"])];
        assert!(admit(&beside, &grant(4, None, &["4201", "44"])), "for ever, in two rows");
        assert!(!admit(&halves, &grant(4, None, &["4201"])), "for ever, in rows that end");
        let [online, offline] = [Channel::Online, Channel::Offline]
            .map(|channel| Territory { channel, ..grant(3, None, &["42"]) });
        assert!(admit(&[online.clone(), offline], &grant(4, None, &["4201"])));
        assert!(!admit(&[online], &grant(4, None, &["4201"])));
        assert!(!admit(&[], &grant(4, None, &["4201"])), "nothing covers nothing");
    }

    #[test]
    fn rows_that_name_all_parts_of_a_region_grant_the_region() {
        use crate::region::Coverage;
        use crate::region::fixture::{code, divisions};
        let of = |party: i64, include: &[&str], exclude: &[&str]| {
            let [include, exclude] =
                [include, exclude].map(|list| list.iter().map(|c| code(c)).collect::<Vec<_>>());
            let regions = RegionSet::new(&include, &exclude, vec![], &divisions()).unwrap();
            Territory { regions, ..grant(party, None, &[]) }
        };
        let tier2 = of(4, &["53"], &[]);
        for (rows, whole) in [
            (vec![of(3, &["5301"], &[]), of(3, &["5303"], &[])], true),
            (vec![of(3, &["530102", "5303"], &[]), of(3, &["530103"], &[])], true),
            (vec![of(3, &["53"], &["5301"]), of(3, &["5301"], &[])], true),
            (vec![of(3, &["5301"], &[]), of(3, &["42"], &[])], false),
            (vec![of(3, &["53"], &["530102"]), of(3, &["5303"], &[])], false),
        ] {
            let named: Vec<_> = rows.iter().flat_map(|row| row.regions.include()).collect();
            let territories = Territories::new(rows);
            assert_eq!(territories.admit(&tree(), &tier2).is_ok(), whole, "{named:?}");
            let (tree, on) = (tree(), date(2026, 6, 1));
            let bound = territories.binding(&tree, PartyId(5), ProductId(1), on).unwrap();
            let coverage = bound.regions().coverage(code("53"));
            assert_eq!(coverage == Coverage::Inside, whole, "{named:?}");
        }
    }

    #[test]
    fn a_fence_is_divided_along_its_own_border() {
        use crate::region::{Datum, Polygon};
        use std::sync::Arc;
        let of = |party: i64, (west, south, east, north): (f64, f64, f64, f64)| {
            let ring = [(west, south), (east, south), (east, north), (west, north), (west, south)];
            let fence = Polygon::new("f", &[ring.to_vec()], Datum::Wgs84).unwrap();
            let fences = vec![Arc::new(fence)];
            let regions = RegionSet::new(&[], &[], fences, &divisions()).unwrap();
            Territory { regions, ..grant(party, None, &[]) }
        };
        let territories = Territories::new([of(3, (100.0, 20.0, 110.0, 30.0))]);
        let admit = |tier2| territories.admit(&tree(), &of(4, tier2)).map_err(|r| r.refusal);
        for part in [
            (105.0, 25.0, 110.0, 30.0),
            (100.0, 20.0, 105.0, 25.0),
            (100.0, 25.0, 105.0, 30.0),
            (105.0, 20.0, 110.0, 25.0),
            (100.0, 20.0, 110.0, 30.0),
        ] {
            assert_eq!(admit(part), Ok(()), "{part:?}");
        }
        assert_eq!(admit((105.0, 25.0, 110.1, 30.0)), Err(Refusal::OutsideTier1));
    }

    #[test]
    fn a_party_takes_its_grants_only_to_where_they_lie_inside() {
        let on = date(2026, 6, 1);
        let under = |tier1: i64| {
            let tree = tree();
            let party = tree.get(PartyId(4)).unwrap().clone();
            Party { parent: Some(PartyId(tier1)), ..party }
        };
        let stranded = |grants: &[Territory], tier1: i64| {
            let (territories, tree) = (Territories::new(grants.to_vec()), tree());
            let found = territories.stranded(&tree, &under(tier1), on);
            found.map(|(grant, above)| (grant.party.0, above.id.0))
        };
        let inner = grant(4, Some(7), &["4201"]);
        let wide = [grant(3, None, &["42"]), inner.clone()];
        assert_eq!(stranded(&wide, 8), Some((4, 8)), "the other tier 1 has nothing");
        assert_eq!(stranded(&wide, 3), None);
        assert_eq!(stranded(&wide, 1), None, "nobody sells above it");
        let beside = [grant(8, Some(7), &["42"]), inner.clone()];
        assert_eq!(stranded(&beside, 8), None);
        for (last, found) in [(date(2026, 5, 31), None), (on, Some((4, 8)))] {
            let ended = Territory { to_on: Some(last), ..inner.clone() };
            assert_eq!(stranded(&[ended], 8), found, "{last}");
        }
    }

    #[test]
    fn online_only_is_said_of_all_grants_or_none() {
        let online = Territory { channel: Channel::Online, ..grant(3, None, &["CN"]) };
        let offline = grant(3, None, &["42"]);
        let only = |grants: Vec<Territory>| {
            let territories = Territories::new(grants);
            let tree = tree();
            territories
                .binding(&tree, PartyId(3), ProductId(1), date(2026, 6, 1))
                .is_some_and(|b| b.online_only())
        };
        assert!(only(vec![online.clone()]));
        assert!(!only(vec![online, offline]));
    }
}
