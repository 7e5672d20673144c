//! Mandates: for whom a caller may speak. A scope says which commands a key may send; the mandate
//! says about whose goods. The brand speaks for everybody. Anyone else speaks for its own party and
//! those below it: for what they made, or for what is in their hands now.
//!
//! Deliberately absent: what a caller may *see*; that is a table of the API.

use crate::custody::Hold;
use crate::id::PartyId;
use crate::identifier::Scheme;
use crate::party::{PartyKind, PartyTree};
use crate::region::{RegionCode, RegionSet};
use crate::role::in_regions;

/// What somebody says about a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// It was inspected.
    Inspect,
    /// It is under recall, or no longer.
    Recall,
    /// It was taken out of use for ever.
    Retire,
    /// It was stolen, or found again.
    Theft,
    /// It starts a new life.
    Renew,
    /// It answers to another code or identifier.
    Rename,
    /// It was sold to a consumer.
    Sell,
}

/// A row of master data somebody adds or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A product.
    Product,
    /// A party.
    Party {
        /// What it is to be.
        kind: PartyKind,
        /// The party as it stands; none when it is new.
        before: Option<PartyId>,
        /// Its parent from now on; none where that is not known.
        under: Option<PartyId>,
    },
    /// A grant to this party.
    Territory(PartyId),
    /// A site.
    Site {
        /// Whose it is to be.
        party: PartyId,
        /// Whose it is; none when it is new.
        before: Option<PartyId>,
    },
}

/// Whose a unit is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hands<'a> {
    /// The party of the site that made it; none before its production record.
    pub maker: Option<PartyId>,
    /// The hold that says who has it now.
    pub hold: Option<&'a Hold>,
}

/// Whether `caller` speaks for a party: its own, one below it, or any when it is the brand.
pub fn speaks_for(tree: &PartyTree, caller: PartyId, party: PartyId) -> bool {
    is_brand(tree, caller) || tree.is_within(party, caller)
}

/// Whether `caller` may say this of a unit, and if not, why.
pub fn may(
    tree: &PartyTree,
    caller: PartyId,
    deed: Deed,
    hands: Hands<'_>,
) -> Result<(), &'static str> {
    if is_brand(tree, caller) {
        return Ok(());
    }
    let is = |kind| tree.get(caller).is_some_and(|p| p.kind == kind);
    let ours = |party: Option<PartyId>| party.is_some_and(|p| tree.is_within(p, caller));
    let holds = || ours(hands.hold.map(|h| h.party));
    let (allowed, why) = match deed {
        Deed::Recall => (false, "only the brand recalls"),
        Deed::Inspect => (ours(hands.maker), "it inspects what its own sites made"),
        // Goods vanish on the road: who sent them may say so as well.
        Deed::Theft => {
            let sent = hands.hold.filter(|h| h.kind.in_transit()).and_then(|h| h.from);
            (holds() || ours(sent), "who has or sends the unit reports its theft")
        }
        // Consumers bring their devices; no custody of the channel leads to these two.
        Deed::Retire => (holds() || is(PartyKind::Recycler), "it does not have the unit"),
        Deed::Renew | Deed::Rename => {
            (holds() || is(PartyKind::ServiceCentre), "it does not have the unit")
        }
        // A shop below who has it, whose own receipt was never recorded, sells it all the same.
        Deed::Sell => {
            let sells = |party| tree.get(party).is_some_and(|p| p.kind.sells());
            let holder = hands.hold.map(|h| h.party).filter(|holder| sells(*holder));
            let below = holder.is_some_and(|holder| tree.is_within(caller, holder));
            let below = below && sells(caller);
            let it_may = holds() || below || is(PartyKind::ServiceCentre);
            (it_may, "neither it nor who stands above it has the unit")
        }
    };
    if allowed { Ok(()) } else { Err(why) }
}

/// Whether `caller` may add or change this row, and if not, at which part of it and why. Products,
/// the brand's own rows and grants to tier 1 are the brand's; a tier 1 builds what stands below it:
/// its tier 2 with their grants, and shops, with the sites of both.
pub fn may_enter(
    tree: &PartyTree,
    caller: PartyId,
    entry: Entry,
) -> Result<(), (&'static str, &'static str)> {
    if is_brand(tree, caller) {
        return Ok(());
    }
    let tier1 = tree.get(caller).is_some_and(|p| p.kind == PartyKind::Tier1);
    let below = |party: PartyId| tier1 && tree.is_ancestor(caller, party);
    let may_build = |kind| matches!(kind, PartyKind::Tier2 | PartyKind::Shop);
    // What a tier 1 may have brought in itself.
    let built = |party| below(party) && tree.get(party).is_some_and(|p| may_build(p.kind));
    match entry {
        Entry::Product => Err(("gtin", "products are the brand's")),
        Entry::Party { before: Some(party), .. } if !below(party) => {
            Err(("code", "it changes only parties below its own"))
        }
        Entry::Party { kind, .. } if !may_build(kind) => {
            Err(("kind", "only tier 2 and shops stand below a tier 1"))
        }
        Entry::Party { under, .. } if !under.is_some_and(|p| p == caller || below(p)) || !tier1 => {
            Err(("parent_code", "it adds parties only below its own tier 1"))
        }
        Entry::Party { .. } => Ok(()),
        Entry::Territory(party) => {
            let tier2 = tree.get(party).is_some_and(|p| p.kind == PartyKind::Tier2);
            if tier2 && below(party) {
                return Ok(());
            }
            Err(("party_code", "a tier 1 grants territory only to its own tier 2"))
        }
        Entry::Site { before: Some(party), .. } if !built(party) => {
            Err(("code", "it changes only sites of tier 2 and shops below it"))
        }
        Entry::Site { party, .. } if !built(party) => {
            Err(("party_code", "a tier 1 adds sites only to tier 2 and shops below it"))
        }
        Entry::Site { .. } => Ok(()),
    }
}

/// Whether whoever is bound to `regions` may seat a party or a site there, and if not, at which
/// part of the row and why. A place that is not known lies in none.
pub fn may_seat(
    regions: &[String],
    seat: Option<&str>,
) -> Result<(), (&'static str, &'static str)> {
    if in_regions(regions, seat) {
        return Ok(());
    }
    Err(("region", "it is bound to regions, and seats parties and sites only inside them"))
}

/// Whether whoever is bound to `regions` may grant these, and if not, at which part of the row and
/// why. Each must lie inside by its prefix: a country does not, and of a fence it is not known.
pub fn may_grant(
    regions: &[String],
    granted: &RegionSet,
) -> Result<(), (&'static str, &'static str)> {
    if regions.is_empty() {
        return Ok(());
    }
    if !granted.fences().is_empty() {
        return Err(("polygons", "it is bound to regions, and grants no fences"));
    }
    let inside = |code| in_regions(regions, Some(RegionCode::as_str(&code)));
    if !granted.is_empty() && granted.include().all(inside) {
        return Ok(());
    }
    Err(("regions", "it is bound to regions, and grants only what lies inside them"))
}

/// Whether a party is the brand itself: it alone mints, exports, delivers and voids codes.
pub fn is_brand(tree: &PartyTree, party: PartyId) -> bool {
    tree.get(party).is_some_and(|p| p.kind == PartyKind::Brand)
}

/// Whether a brand may bind a number of this scheme to its goods. What is unique over all brands
/// belongs to whoever enters it first, so it takes that the operator vouches for the brand.
pub fn may_bind(scheme: Scheme, is_vouched: bool) -> bool {
    is_vouched || !scheme.is_worldwide()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::tests::hold;
    use crate::party::Party;
    use crate::party::tests::{party, tree};
    use crate::region::fixture::{code, divisions};
    use crate::region::{Datum, Polygon};
    use std::sync::Arc;

    /// The tree of the party tests with a second factory 9, a service centre 10, a recycler 11.
    fn house() -> PartyTree {
        let more = [
            party(9, PartyKind::Factory, Some(1)),
            party(10, PartyKind::ServiceCentre, Some(1)),
            party(11, PartyKind::Recycler, Some(1)),
        ];
        let parties: Vec<Party> = tree().iter().cloned().chain(more).collect();
        PartyTree::new(parties)
    }

    #[test]
    fn a_stranger_binds_only_what_is_its_own() {
        let bound = Scheme::ALL.into_iter().filter(|scheme| may_bind(*scheme, false));
        assert_eq!(bound.collect::<Vec<_>>(), [Scheme::Code, Scheme::Sn, Scheme::Part]);
        assert!(Scheme::ALL.into_iter().all(|scheme| may_bind(scheme, true)));
    }

    #[test]
    fn a_party_speaks_for_itself_and_those_below_it() {
        let tree = house();
        let speaks = |caller, party| speaks_for(&tree, PartyId(caller), PartyId(party));
        for party in 1..=11 {
            assert!(speaks(1, party), "the brand for {party}");
        }
        assert!(speaks(3, 3) && speaks(3, 5) && speaks(4, 5) && speaks(2, 2));
        assert!(!speaks(2, 9) && !speaks(4, 3) && !speaks(4, 7) && !speaks(8, 4));
        assert!(!speaks(2, 1), "a factory is not the brand");
    }

    /// Unit made by 2, on its way from tier 1 (3) to tier 2 (4).
    #[test]
    fn who_may_say_what() {
        use Deed::*;
        let tree = house();
        let on_its_way = hold(1, 10, 4, Some(3));
        let hands = Hands { maker: Some(PartyId(2)), hold: Some(&on_its_way) };
        let table: [(Deed, &[i64]); 7] = [
            (Inspect, &[1, 2]),
            (Recall, &[1]),
            (Retire, &[1, 3, 4, 11]),
            (Theft, &[1, 3, 4]),
            (Renew, &[1, 3, 4, 10]),
            (Rename, &[1, 3, 4, 10]),
            (Sell, &[1, 3, 4, 5, 10]),
        ];
        for (deed, allowed) in table {
            for caller in 1..=11 {
                let said = may(&tree, PartyId(caller), deed, hands).is_ok();
                assert_eq!(said, allowed.contains(&caller), "{deed:?} by {caller}");
            }
        }
        // What the brand itself or a plant holds is in no shop.
        for holder in [1, 2] {
            let held = hold(1, 10, holder, None);
            let hands = Hands { maker: Some(PartyId(2)), hold: Some(&held) };
            for caller in 1..=11 {
                let may = may(&tree, PartyId(caller), Sell, hands).is_ok();
                assert_eq!(may, [1, 10, holder].contains(&caller), "{caller} of {holder}'s");
            }
        }
        // The sender is heard only while the goods are on the road.
        let arrived = Hold { kind: crate::custody::HoldKind::Received, ..on_its_way.clone() };
        let shop = Hold { party: PartyId(8), from: Some(PartyId(6)), ..on_its_way.clone() };
        let of = |hold| Hands { maker: Some(PartyId(2)), hold: Some(hold) };
        assert!(may(&tree, PartyId(6), Theft, of(&shop)).is_ok());
        assert!(may(&tree, PartyId(6), Retire, of(&shop)).is_err());
        let other = Hold { party: PartyId(8), from: Some(PartyId(6)), ..arrived };
        assert!(may(&tree, PartyId(6), Theft, of(&other)).is_err());
    }

    #[test]
    fn who_may_change_master_data() {
        // A service centre below tier 1: the brand's all the same.
        let repairs = party(12, ServiceCentre, Some(3));
        let tree = PartyTree::new(house().iter().cloned().chain([repairs]));
        let party = |kind, before: Option<i64>, under: i64| Entry::Party {
            kind,
            before: before.map(PartyId),
            under: Some(PartyId(under)),
        };
        let grant = |to| Entry::Territory(PartyId(to));
        let site = |of, before: Option<i64>| Entry::Site {
            party: PartyId(of),
            before: before.map(PartyId),
        };
        use PartyKind::*;
        // Tier 1 are 3 (with 4 and 6, and shops below those) and 8.
        let table: [(Entry, &[i64]); 22] = [
            (Entry::Product, &[1]),
            (party(Brand, Some(1), 1), &[1]),
            (party(Tier1, None, 1), &[1]),
            (party(Tier1, Some(3), 1), &[1]),
            (party(Factory, None, 1), &[1]),
            (party(ServiceCentre, None, 3), &[1]),
            (party(Tier2, None, 3), &[1, 3]),
            (party(Shop, None, 4), &[1, 3]),
            (party(Shop, None, 1), &[1]),
            (party(Tier2, Some(4), 3), &[1, 3]),
            (party(Tier2, Some(4), 8), &[1]),
            (grant(3), &[1]),
            (grant(4), &[1, 3]),
            (grant(5), &[1]),
            (site(2, None), &[1]),
            (site(3, None), &[1]),
            (site(4, None), &[1, 3]),
            (site(5, Some(5)), &[1, 3]),
            (site(4, Some(3)), &[1]),
            (site(3, Some(4)), &[1]),
            (site(10, None), &[1]),
            (site(12, None), &[1]),
        ];
        for (entry, allowed) in table {
            for caller in 1..=11 {
                let said = may_enter(&tree, PartyId(caller), entry).is_ok();
                assert_eq!(said, allowed.contains(&caller), "{entry:?} by {caller}");
            }
        }
    }

    #[test]
    fn who_is_bound_to_regions_builds_only_inside_them() {
        let bound = ["5301".to_owned(), "42".to_owned()];
        let ring = [(102.6, 25.2), (102.8, 25.2), (102.8, 24.9), (102.6, 25.2)];
        let fence = Arc::new(Polygon::new("kunming", &[ring.to_vec()], Datum::Wgs84).unwrap());
        let granted = |include: &[&str], fences: &[Arc<Polygon>]| {
            let include: Vec<_> = include.iter().map(|text| code(text)).collect();
            RegionSet::new(&include, &[], fences.to_vec(), &divisions()).unwrap()
        };
        let table: [(&[&str], Option<&str>); 8] = [
            (&["530102"], None),
            (&["5301", "422801"], None),
            (&["5301", "530302"], Some("regions")),
            (&["53"], Some("regions")),
            (&["11"], Some("regions")),
            (&["CN"], Some("regions")),
            (&["US"], Some("regions")),
            (&[], Some("regions")),
        ];
        for (include, refused) in table {
            let said = may_grant(&bound, &granted(include, &[])).err().map(|(field, _)| field);
            assert_eq!(said, refused, "{include:?}");
            assert!(may_grant(&[], &granted(include, &[])).is_ok(), "{include:?}");
        }
        let fenced = granted(&["5301"], &[fence]);
        assert_eq!(may_grant(&bound, &fenced).err().map(|(field, _)| field), Some("polygons"));
        assert!(may_grant(&[], &fenced).is_ok());
        // A code that is no more is judged by the one that took its place.
        assert!(may_grant(&["3712".to_owned()], &granted(&["371202"], &[])).is_err());
        assert!(may_grant(&["3701".to_owned()], &granted(&["371202"], &[])).is_ok());
        for (seat, may) in [(Some("530102"), true), (Some("110101"), false), (None, false)] {
            assert_eq!(may_seat(&bound, seat).is_ok(), may, "{seat:?}");
            assert!(may_seat(&[], seat).is_ok(), "{seat:?}");
        }
    }

    #[test]
    fn nobody_but_the_brand_speaks_for_what_nobody_made() {
        let tree = house();
        for deed in [Deed::Inspect, Deed::Recall, Deed::Theft] {
            for caller in 2..=11 {
                assert!(may(&tree, PartyId(caller), deed, Hands::default()).is_err());
            }
            assert!(may(&tree, PartyId(1), deed, Hands::default()).is_ok());
        }
    }
}
