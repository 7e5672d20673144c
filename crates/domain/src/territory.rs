//! Territories: where a party may sell a product, from when to when; and which grant binds goods.

use crate::id::{BrandId, PartyId, ProductId, TerritoryId};
use crate::party::PartyTree;
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

    /// Whether every sale this grant allows is also allowed by `outer`.
    pub fn is_within(&self, outer: &Self) -> bool {
        outer.product.is_none_or(|p| self.product == Some(p))
            && outer.from_on <= self.from_on
            && outer.to_on.is_none_or(|end| self.to_on.is_some_and(|mine| mine <= end))
            && self.channel.is_within(outer.channel)
            && self.regions.is_subset_of(&outer.regions)
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

    /// Whether a new grant may stand: its period runs forward, its party sells, and below tier 1
    /// it lies inside one grant of the selling ancestor above it.
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
            Some(above) if !self.of(above.id).iter().any(|g| new.is_within(g)) => {
                let more = format!("tier above: {}", above.code);
                Err(Refused::because(Refusal::OutsideTier1, "regions", more))
            }
            _ => Ok(()),
        }
    }
}
