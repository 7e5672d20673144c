//! Roles of the people who work here: named sets of scopes. A role is given together with a party,
//! whose subtree it reaches, and regions it may be bound to.
//!
//! **Who may give a role** holds every scope of it, at its own party or above the one it is given
//! for, in regions no wider than its own. Only an owner makes, changes or removes an owner, and
//! nobody changes what it may do itself.

use crate::region::lies_in;
use crate::scope::Scope;

/// Most regions one membership is bound to.
pub const REGIONS_MAX: usize = 64;

/// What somebody does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Answers for everything, also for who else does.
    Owner,
    /// As an owner, but makes and changes no owner.
    Admin,
    /// Inspects, holds, recalls.
    Quality,
    /// Builds the channel: parties, territories, shipments.
    ChannelManager,
    /// Looks after units in use: new lives, thefts, identifiers.
    AfterSales,
    /// Reads what settlements rest on.
    Finance,
    /// Reads everything with the trail and writes it out, changes nothing.
    Auditor,
    /// Commissions and packs.
    LineOperator,
    /// Ships, receives, returns.
    Warehouse,
    /// Looks things up for others: a hotline, a counter.
    Desk,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] = [
        Self::Owner,
        Self::Admin,
        Self::Quality,
        Self::ChannelManager,
        Self::AfterSales,
        Self::Finance,
        Self::Auditor,
        Self::LineOperator,
        Self::Warehouse,
        Self::Desk,
    ];

    /// The word in store, API and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Quality => "quality",
            Self::ChannelManager => "channel_manager",
            Self::AfterSales => "after_sales",
            Self::Finance => "finance",
            Self::Auditor => "auditor",
            Self::LineOperator => "line_operator",
            Self::Warehouse => "warehouse",
            Self::Desk => "desk",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What it may do. `docs/access.md` shows the same table; a test compares them.
    pub fn scopes(self) -> &'static [Scope] {
        use Scope::{
            All, Audit, Cases, CodesRead, Export, Keys, KeysRead, Lifecycle, Master, People,
            PeopleRead, PersonsRead, Produce, Read, Ship, Verify, WebhooksRead,
        };
        match self {
            Self::Owner | Self::Admin => &[All, Keys, People],
            Self::Quality => &[Verify, Produce, Lifecycle, Read],
            Self::ChannelManager => &[Verify, Master, Ship, Read, Cases],
            Self::AfterSales => &[Verify, Lifecycle, Read],
            Self::Auditor => &[
                Verify,
                Read,
                Audit,
                Export,
                KeysRead,
                PeopleRead,
                CodesRead,
                PersonsRead,
                WebhooksRead,
            ],
            Self::LineOperator => &[Verify, Produce],
            Self::Warehouse => &[Verify, Ship, Read],
            Self::Finance | Self::Desk => &[Verify, Read],
        }
    }
}

/// Why somebody may not give a role, change it or take it away; none when it may. `acting` is the
/// role the giver acts in, if it is a person; `may` says which scopes it holds.
pub fn may_not_give(
    acting: Option<Role>,
    may: impl Fn(Scope) -> bool,
    role: Role,
) -> Option<String> {
    if role == Role::Owner && acting != Some(Role::Owner) {
        return Some("only an owner makes or changes an owner".to_owned());
    }
    let lacks = role.scopes().iter().find(|scope| !may(**scope))?;
    Some(format!("it lacks scope {} itself", lacks.as_str()))
}

/// Whether a place lies in one of these regions, all of them prefixes of GB/T 2260 codes. Without
/// any, everything does; a place that is not known lies in none.
pub fn in_regions(regions: &[String], place: Option<&str>) -> bool {
    let within = |region: &String| place.is_some_and(|place| lies_in(place, region));
    regions.is_empty() || regions.iter().any(within)
}

/// Whether some regions are no wider than others.
pub fn no_wider(regions: &[String], than: &[String]) -> bool {
    let inside = |region: &String| in_regions(than, Some(region));
    than.is_empty() || (!regions.is_empty() && regions.iter().all(inside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gives(giver: Role, role: Role) -> bool {
        let may = |scope| giver.scopes().iter().any(|held| held.covers(scope));
        may_not_give(Some(giver), may, role).is_none()
    }

    #[test]
    fn words_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn docs_hold_the_table() {
        let docs = include_str!("../../../docs/access.md");
        for role in Role::ALL {
            let scopes: Vec<_> =
                role.scopes().iter().map(|scope| format!("`{}`", scope.as_str())).collect();
            let row = format!("| `{}` | {} |", role.as_str(), scopes.join(", "));
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
    }

    #[test]
    fn an_owner_gives_every_role_and_an_admin_every_other() {
        for role in Role::ALL {
            assert!(gives(Role::Owner, role), "{role:?}");
            assert_eq!(gives(Role::Admin, role), role != Role::Owner, "{role:?}");
        }
        assert!(may_not_give(None, |_| true, Role::Owner).is_some());
        assert!(may_not_give(None, |_| true, Role::Admin).is_none());
    }

    #[test]
    fn nobody_gives_a_scope_it_lacks() {
        for (giver, role) in Role::ALL.into_iter().flat_map(|g| Role::ALL.map(|r| (g, r))) {
            let holds = |s: &Scope| giver.scopes().iter().any(|held| held.covers(*s));
            if !role.scopes().iter().all(holds) {
                assert!(!gives(giver, role), "{giver:?} gives {role:?}");
            }
        }
    }

    #[test]
    fn an_auditor_changes_nothing() {
        let reading = [
            Scope::Verify,
            Scope::Read,
            Scope::Audit,
            Scope::Export,
            Scope::KeysRead,
            Scope::PeopleRead,
            Scope::CodesRead,
            Scope::PersonsRead,
            Scope::WebhooksRead,
        ];
        assert!(Role::Auditor.scopes().iter().all(|scope| reading.contains(scope)));
    }

    fn region() -> impl Strategy<Value = String> {
        "[1-8][1-9]([0-9]{2}([0-9]{2})?)?"
    }

    proptest! {
        #[test]
        fn what_is_no_wider_reaches_nothing_more(
            mine in prop::collection::vec(region(), 0..4),
            theirs in prop::collection::vec(region(), 0..4),
            place in "[1-8][1-9][0-9]{4}",
        ) {
            if no_wider(&mine, &theirs) && in_regions(&mine, Some(&place)) {
                prop_assert!(in_regions(&theirs, Some(&place)));
            }
        }
    }
}
