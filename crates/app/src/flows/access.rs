//! What a caller may see: the facts that the table of `domain::access` asks for, found in one
//! place. Whoever shows a unit, a pack or a row of master data asks here; what somebody may *do* is
//! asked of [`super::mandate`] and of the scopes of the caller.

use super::caller::Caller;
use super::find::unit_number;
use super::house::House;
use super::reference::Reference;
use super::scans::Audience;
use domain::access::{Fact, Nearness, View};
use domain::custody::{CustodyFacts, Hold};
use domain::id::{PartyId, ProductId, SiteId};
use domain::mandate;
use domain::oversight;
use domain::party::Party;
use domain::role::in_regions;
use store::unit::{PackRecord, UnitRecord};

/// What somebody may be shown of one unit or pack.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    reference: &'a Reference,
    caller: Option<&'a Caller>,
    view: View,
}

impl<'a> Sight<'a> {
    /// Of a unit, as its hands stand now. Another brand's unit is seen as by anyone.
    pub fn of_unit(
        house: &House,
        reference: &'a Reference,
        caller: Option<&'a Caller>,
        unit: &UnitRecord,
        custody: &CustodyFacts,
    ) -> Self {
        let site = || unit.site.and_then(|id| reference.site_by_id(SiteId(id)));
        let made_in = || site().and_then(|site| site.region.as_deref());
        let hold = || custody.at(unit_number(unit.number), house.clock.now());
        // Who is bound to regions sees of what is not in them no more than anyone.
        let caller = caller.filter(|caller| lies_within(reference, caller, unit, hold()));
        let near = |caller: &Caller| {
            let ours = |party: PartyId| reference.tree.is_within(party, caller.party);
            Nearness {
                made: site().is_some_and(|site| ours(site.party)),
                holds: hold().is_some_and(|hold| ours(hold.party)),
                in_remit: in_remit(reference, caller, unit, made_in()),
            }
        };
        Self::of(reference, caller, unit.brand, near)
    }

    /// Of a pack, whose hands are all that there is to see, as they stand now. Who is bound to
    /// regions sees one that is in them.
    pub fn of_pack(
        house: &House,
        reference: &'a Reference,
        caller: &'a Caller,
        (pack, custody): (&PackRecord, &CustodyFacts),
    ) -> Self {
        let hold = custody.at(unit_number(pack.number), house.clock.now());
        let seat = hold.and_then(|hold| reference.tree.get(hold.party)?.region.as_deref());
        let caller = Some(caller).filter(|caller| in_regions(&caller.regions, seat));
        Self::of(reference, caller, pack.brand, |_| Nearness::default())
    }

    fn of(
        reference: &'a Reference,
        caller: Option<&'a Caller>,
        brand: i64,
        near: impl FnOnce(&Caller) -> Nearness,
    ) -> Self {
        let own = caller.filter(|caller| caller.brand.0 == brand && !caller.is_device());
        let view = own.map_or(View::Public, |caller| {
            let kind = reference.tree.get(caller.party).map(|party| party.kind);
            View::of(kind, near(caller))
        });
        Self { reference, caller: own, view }
    }

    /// Whether a group of fields may be shown.
    pub fn shows(&self, fact: Fact) -> bool {
        self.view.shows(fact)
    }

    /// Whether nothing is withheld.
    pub fn shows_all(&self) -> bool {
        self.view.shows_all()
    }

    /// Whether a hand may be shown.
    pub fn shows_hop(&self, party: PartyId) -> bool {
        let own = || self.caller.is_some_and(|caller| concerns(self.reference, caller, party));
        self.shows(Fact::AllHops) || (self.shows(Fact::OwnHops) && own())
    }

    /// Whether the caller may know at all that a unit is there beyond what anyone is told: it went
    /// through a hand that may be shown.
    pub fn reaches(&self, number: i64, custody: &CustodyFacts) -> bool {
        let mut hands = custody.hands(unit_number(number));
        self.shows(Fact::AllHops) || hands.any(|party| self.shows_hop(party))
    }

    /// The name of a holder, where it may be shown as the channel.
    pub fn channel(&self, party: &Party) -> Option<String> {
        let public = self.shows(Fact::PublicChannel) && party.public && party.kind.sells();
        (public || self.shows(Fact::AllHops)).then(|| party.name.clone())
    }
}

/// Whether a unit lies in the remit of an authority: of its categories, and made or started in its
/// region.
fn in_remit(
    reference: &Reference,
    caller: &Caller,
    unit: &UnitRecord,
    made_in: Option<&str>,
) -> bool {
    let Some(authority) = reference.tree.get(caller.party) else { return false };
    let Some(product) = reference.product_by_id(ProductId(unit.product)) else { return false };
    let places = [made_in, unit.region.as_deref()];
    places.into_iter().any(|place| oversight::sees(authority, product.category, place))
}

/// Whether a unit lies in the regions a caller is bound to, if any: it was made or started there,
/// or is in hands whose seat is there.
pub(super) fn lies_within(
    reference: &Reference,
    caller: &Caller,
    unit: &UnitRecord,
    hold: Option<&Hold>,
) -> bool {
    let site = || unit.site.and_then(|id| reference.site_by_id(SiteId(id)));
    let made_in = || site().and_then(|site| site.region.as_deref());
    let seat = || hold.and_then(|hold| reference.tree.get(hold.party)?.region.as_deref());
    let within = |place| in_regions(&caller.regions, place);
    within(None) || within(made_in()) || within(unit.region.as_deref()) || within(seat())
}

/// Whether rows about a party concern a caller: the brand about all of its own, others about
/// themselves and those below them; and whoever is bound to regions about parties whose seat lies
/// inside, besides its own.
pub fn concerns(reference: &Reference, caller: &Caller, party: PartyId) -> bool {
    let seat = || reference.tree.get(party).and_then(|p| p.region.as_deref());
    mandate::speaks_for(&reference.tree, caller.party, party)
        && (party == caller.party || in_regions(&caller.regions, seat()))
}

/// Whether a caller acts for the brand itself.
pub fn is_brand(reference: &Reference, caller: &Caller) -> bool {
    mandate::is_brand(&reference.tree, caller.party)
}

/// Which counter a caller's look goes to.
pub fn audience(reference: &Reference, caller: Option<&Caller>) -> Audience {
    let caller = caller.filter(|caller| !caller.is_device());
    let party = caller.and_then(|c| reference.tree.get(c.party));
    match (caller, party) {
        (None, _) => Audience::Consumer,
        (Some(_), Some(party)) => Audience::of(party.kind),
        (Some(_), None) => Audience::Staff,
    }
}
