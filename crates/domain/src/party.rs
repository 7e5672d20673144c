//! Parties and sites: who takes part, the two-tier tree they stand in, and the places they run.
//!
//! Every party has a *main site*, its seat: it bears the party's own code and says what the party
//! says of itself. Further sites have codes of their own, unique within the brand.

use crate::id::{BrandId, PartyId, SiteId};
use crate::organisation::Uscc;
use crate::policy::Category;
use crate::refusal::{Refusal, Refused};
use std::collections::HashMap;

/// Deepest tree walked: brand → tier 1 → tier 2 → shop leaves room for twice that.
const TREE_DEPTH_MAX: usize = 8;

/// What a party does. A closed list: each kind has its own rights in custody and on pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartyKind {
    /// The brand itself.
    Brand,
    /// Makes units; goods start in its hands.
    Factory,
    /// First-tier distributor.
    Tier1,
    /// Second-tier distributor.
    Tier2,
    /// Sells to consumers.
    Shop,
    /// Repairs units.
    ServiceCentre,
    /// Takes units back at the end of a life.
    Recycler,
    /// An e-commerce platform that asks who may sell.
    Platform,
    /// An authority with a right to look.
    Regulator,
}

impl PartyKind {
    /// Every kind, in the order of the tree.
    pub const ALL: [Self; 9] = [
        Self::Brand,
        Self::Factory,
        Self::Tier1,
        Self::Tier2,
        Self::Shop,
        Self::ServiceCentre,
        Self::Recycler,
        Self::Platform,
        Self::Regulator,
    ];

    /// The word in files, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Brand => "brand",
            Self::Factory => "factory",
            Self::Tier1 => "tier1",
            Self::Tier2 => "tier2",
            Self::Shop => "shop",
            Self::ServiceCentre => "service_centre",
            Self::Recycler => "recycler",
            Self::Platform => "platform",
            Self::Regulator => "regulator",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }

    /// Sells goods on, and so needs a grant (its own or an ancestor's).
    pub fn sells(self) -> bool {
        matches!(self, Self::Tier1 | Self::Tier2 | Self::Shop)
    }

    /// Goods in its hands have not left the maker.
    pub fn is_origin(self) -> bool {
        matches!(self, Self::Brand | Self::Factory)
    }

    /// Which parents the tree allows: two tiers, and shops under either or under the brand.
    pub fn may_stand_under(self, parent: Self) -> bool {
        match self {
            Self::Brand => false,
            Self::Tier2 => parent == Self::Tier1,
            Self::Shop => matches!(parent, Self::Brand | Self::Tier1 | Self::Tier2),
            Self::ServiceCentre => {
                matches!(parent, Self::Brand | Self::Tier1 | Self::Tier2 | Self::Shop)
            }
            _ => parent == Self::Brand,
        }
    }
}

/// An organisation in a brand's tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Party {
    /// Row identity.
    pub id: PartyId,
    /// The tenant it belongs to.
    pub brand: BrandId,
    /// The brand's own short name for it, unique within the brand.
    pub code: String,
    /// What it does.
    pub kind: PartyKind,
    /// Its name as shown.
    pub name: String,
    /// Its place in the tree; only a brand has none.
    pub parent: Option<PartyId>,
    /// GB/T 2260 code of its seat, if known.
    pub region: Option<String>,
    /// Street address.
    pub address: String,
    /// Telephone as written.
    pub phone: String,
    /// Longitude and latitude of its seat, WGS-84 degrees.
    pub point: Option<(f64, f64)>,
    /// Whether consumers may see its name as the channel of their device.
    pub public: bool,
    /// The legal body it is, the same for parties of several brands; none while it is not said.
    pub organisation: Option<Uscc>,
    /// Categories it oversees; of a regulator alone.
    pub categories: Vec<Category>,
}

/// A place a party runs. Every party has a main site of its own code.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Row identity.
    pub id: SiteId,
    /// The party that runs it.
    pub party: PartyId,
    /// Unique within the brand.
    pub code: String,
    /// Its name as shown.
    pub name: String,
    /// Plant, warehouse, shop or office.
    pub kind: SiteKind,
    /// GB/T 2260 code, if known.
    pub region: Option<String>,
    /// Street address.
    pub address: String,
    /// Telephone as written.
    pub phone: String,
    /// Longitude and latitude, WGS-84 degrees.
    pub point: Option<(f64, f64)>,
}

impl Site {
    /// The main site of a party: it says what the party says of itself, always as it now stands.
    pub fn main(id: SiteId, party: &Party) -> Self {
        Self {
            id,
            party: party.id,
            code: party.code.clone(),
            name: party.name.clone(),
            kind: SiteKind::of(party.kind),
            region: party.region.clone(),
            address: party.address.clone(),
            phone: party.phone.clone(),
            point: party.point,
        }
    }

    /// Whether it is the main site of the party that runs it.
    pub fn is_main(&self, tree: &PartyTree) -> bool {
        tree.get(self.party).is_some_and(|party| party.code == self.code)
    }

    /// Whether a row that says `next` of this site changes it. Units were made and goods kept at
    /// sites, so one never goes over to another party; the main site changes with its party alone.
    ///
    /// # Errors
    /// [`Refusal::SiteOfOther`]; [`Refusal::ContentDiffers`] for other content that nobody asked
    /// to take (`update`), or of a main site.
    pub fn changes(&self, next: &Self, tree: &PartyTree, update: bool) -> Result<bool, Refused> {
        if self.party != next.party {
            return Err(Refused::new(Refusal::SiteOfOther, "party_code"));
        }
        if self == next {
            return Ok(false);
        }
        if self.is_main(tree) {
            let why = "it is the main site of its party: change the party";
            return Err(Refused::because(Refusal::ContentDiffers, "code", why));
        }
        if update { Ok(true) } else { Err(Refused::new(Refusal::ContentDiffers, "code")) }
    }
}

/// What a site is for. Warehouses are told apart because scans there explain false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// Makes units.
    Plant,
    /// Stores units.
    Warehouse,
    /// Sells units.
    Shop,
    /// Anything else.
    Office,
}

impl SiteKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Plant, Self::Warehouse, Self::Shop, Self::Office];

    /// The word in files, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plant => "plant",
            Self::Warehouse => "warehouse",
            Self::Shop => "shop",
            Self::Office => "office",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }

    /// Whether consumers are sent there with their devices.
    pub fn is_open_to_visitors(self) -> bool {
        matches!(self, Self::Shop | Self::Office)
    }

    /// What a party's main site is, when nobody says.
    pub fn of(kind: PartyKind) -> Self {
        match kind {
            PartyKind::Factory => Self::Plant,
            PartyKind::Tier1 | PartyKind::Tier2 => Self::Warehouse,
            PartyKind::Shop => Self::Shop,
            _ => Self::Office,
        }
    }
}

/// The parties of a deployment, by identity: the tree that custody and access walk.
#[derive(Clone, Debug, Default)]
pub struct PartyTree {
    parties: HashMap<PartyId, Party>,
}

impl PartyTree {
    /// Builds the tree. Later rows of the same identity replace earlier ones.
    pub fn new(parties: impl IntoIterator<Item = Party>) -> Self {
        Self { parties: parties.into_iter().map(|p| (p.id, p)).collect() }
    }

    /// Adds a party, or replaces the one of the same identity.
    pub fn put(&mut self, party: Party) {
        self.parties.insert(party.id, party);
    }

    /// One party.
    pub fn get(&self, id: PartyId) -> Option<&Party> {
        self.parties.get(&id)
    }

    /// All parties, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Party> {
        self.parties.values()
    }

    /// The party itself, then its parent, up to the brand. Bounded, so a damaged tree cannot hang.
    pub fn upward(&self, id: PartyId) -> impl Iterator<Item = &Party> {
        std::iter::successors(self.get(id), |p| p.parent.and_then(|up| self.get(up)))
            .take(TREE_DEPTH_MAX)
    }

    /// Whether `id` is `root` or stands below it.
    pub fn is_within(&self, id: PartyId, root: PartyId) -> bool {
        self.upward(id).any(|p| p.id == root)
    }

    /// Whether `ancestor` stands strictly above `id`.
    pub fn is_ancestor(&self, ancestor: PartyId, id: PartyId) -> bool {
        ancestor != id && self.is_within(id, ancestor)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn party(id: i64, kind: PartyKind, parent: Option<i64>) -> Party {
        Party {
            id: PartyId(id),
            brand: BrandId(1),
            code: format!("P{id}"),
            kind,
            name: format!("party {id}"),
            parent: parent.map(PartyId),
            region: None,
            address: String::new(),
            phone: String::new(),
            point: None,
            public: false,
            organisation: None,
            categories: Vec::new(),
        }
    }

    /// brand 1, factory 2, tier 1 3 (tier 2 4 with shop 5, tier 2 6 with shop 7), tier 1 8.
    pub(crate) fn tree() -> PartyTree {
        use PartyKind::*;
        PartyTree::new([
            party(1, Brand, None),
            party(2, Factory, Some(1)),
            party(3, Tier1, Some(1)),
            party(4, Tier2, Some(3)),
            party(5, Shop, Some(4)),
            party(6, Tier2, Some(3)),
            party(7, Shop, Some(6)),
            party(8, Tier1, Some(1)),
        ])
    }

    #[test]
    fn words_round_trip() {
        for kind in PartyKind::ALL {
            assert_eq!(PartyKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(PartyKind::parse("shopp"), None);
        for kind in SiteKind::ALL {
            assert_eq!(SiteKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(SiteKind::parse("Plant"), None);
    }

    #[test]
    fn the_tree_has_two_tiers_and_shops_below_them() {
        use PartyKind::*;
        let table: [(PartyKind, &[PartyKind]); 9] = [
            (Brand, &[]),
            (Factory, &[Brand]),
            (Tier1, &[Brand]),
            (Tier2, &[Tier1]),
            (Shop, &[Brand, Tier1, Tier2]),
            (ServiceCentre, &[Brand, Tier1, Tier2, Shop]),
            (Recycler, &[Brand]),
            (Platform, &[Brand]),
            (Regulator, &[Brand]),
        ];
        assert_eq!(table.map(|(kind, _)| kind), PartyKind::ALL);
        for (kind, parents) in table {
            for parent in PartyKind::ALL {
                let may = kind.may_stand_under(parent);
                assert_eq!(may, parents.contains(&parent), "{kind:?} under {parent:?}");
            }
        }
    }

    #[test]
    fn a_site_stays_with_its_party() {
        let tree = tree();
        let main = Site::main(SiteId(1), tree.get(PartyId(3)).unwrap());
        let further = Site { code: "W1".to_owned(), kind: SiteKind::Shop, ..main.clone() };
        let told = |site: &Site, next: &Site, update| {
            site.changes(next, &tree, update).map_err(|refused| refused.refusal)
        };
        assert!(main.is_main(&tree) && !further.is_main(&tree));
        for site in [&main, &further] {
            let other = Site { party: PartyId(8), ..site.clone() };
            let renamed = Site { name: "another".to_owned(), ..site.clone() };
            let both = Site { party: PartyId(8), ..renamed.clone() };
            for update in [false, true] {
                assert_eq!(told(site, site, update), Ok(false));
                assert_eq!(told(site, &other, update), Err(Refusal::SiteOfOther));
                assert_eq!(told(site, &both, update), Err(Refusal::SiteOfOther));
            }
            assert_eq!(told(site, &renamed, false), Err(Refusal::ContentDiffers));
        }
        let renamed = |site: &Site| Site { name: "another".to_owned(), ..site.clone() };
        assert_eq!(told(&further, &renamed(&further), true), Ok(true));
        assert_eq!(told(&main, &renamed(&main), true), Err(Refusal::ContentDiffers));
    }

    #[test]
    fn subtrees_do_not_leak_sideways() {
        let tree = tree();
        assert!(tree.is_within(PartyId(5), PartyId(4)));
        assert!(tree.is_within(PartyId(5), PartyId(3)));
        assert!(!tree.is_within(PartyId(7), PartyId(4)));
        assert!(!tree.is_within(PartyId(3), PartyId(4)));
        assert!(tree.is_ancestor(PartyId(1), PartyId(7)));
        assert!(!tree.is_ancestor(PartyId(7), PartyId(7)));
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let tree = PartyTree::new([
            party(1, PartyKind::Tier1, Some(2)),
            party(2, PartyKind::Tier1, Some(1)),
        ]);
        assert_eq!(tree.upward(PartyId(1)).count(), TREE_DEPTH_MAX);
    }
}
