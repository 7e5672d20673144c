//! Who sees what: the one table, enforced here and described in `docs/access.md`.

use crate::flows::reference::Reference;
use crate::flows::scans::Audience;
use crate::flows::{Caller, verify};
use domain::id::PartyId;
use domain::party::{Party, PartyKind};

/// What a caller may be shown of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Anyone.
    Public,
    /// A marketplace that asks whether a seller is authorised.
    Platform,
    /// A distributor, shop, factory, service centre: its own hop and what is below it.
    Channel,
    /// The brand: all.
    Brand,
}

/// A group of fields that are shown or withheld together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Verdict, reason, checks, product with its maker, warranty.
    Verdict,
    /// Day of production, activated or not, on which day, in which city.
    Milestones,
    /// The name of the party that holds it, when that party is marked public.
    PublicChannel,
    /// Whether a named party may sell it.
    Seller,
    /// Hands it went through that are the caller's own or below it.
    OwnHops,
    /// Every hand it went through.
    AllHops,
    /// Serial number and other identifiers.
    Identifiers,
    /// Line, lot, site, inspection.
    Production,
    /// Findings and their reasons.
    Findings,
    /// How often it was looked at.
    ScanCounts,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 10] = [
        Self::Verdict,
        Self::Milestones,
        Self::PublicChannel,
        Self::Seller,
        Self::OwnHops,
        Self::AllHops,
        Self::Identifiers,
        Self::Production,
        Self::Findings,
        Self::ScanCounts,
    ];

    /// The word in `docs/access.md`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Milestones => "milestones",
            Self::PublicChannel => "public channel",
            Self::Seller => "seller",
            Self::OwnHops => "own hops",
            Self::AllHops => "all hops",
            Self::Identifiers => "identifiers",
            Self::Production => "production",
            Self::Findings => "findings",
            Self::ScanCounts => "scan counts",
        }
    }
}

impl View {
    /// Every view.
    pub const ALL: [Self; 4] = [Self::Public, Self::Platform, Self::Channel, Self::Brand];

    /// The word in `docs/access.md`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Platform => "platform",
            Self::Channel => "channel",
            Self::Brand => "brand",
        }
    }

    /// The table.
    pub fn shows(self, fact: Fact) -> bool {
        use Fact::*;
        match self {
            Self::Public => {
                matches!(fact, Verdict | Milestones | PublicChannel | ScanCounts)
            }
            Self::Platform => matches!(fact, Verdict | Seller),
            Self::Channel => {
                matches!(fact, Verdict | Milestones | PublicChannel | Seller | OwnHops)
            }
            Self::Brand => true,
        }
    }

    /// What a caller may see of a unit of that brand. Another brand's unit is seen as by anyone.
    pub fn of(reference: &Reference, caller: Option<&Caller>, unit_brand: i64) -> Self {
        let Some(caller) = caller else { return Self::Public };
        if caller.brand.0 != unit_brand {
            return Self::Public;
        }
        match reference.tree.get(caller.party).map(|p| p.kind) {
            Some(PartyKind::Brand) => Self::Brand,
            Some(PartyKind::Platform) => Self::Platform,
            Some(PartyKind::Regulator) | None => Self::Public,
            Some(_) => Self::Channel,
        }
    }

    /// Whether a hop of that party may be shown.
    pub fn shows_hop(self, reference: &Reference, caller: &Caller, party: PartyId) -> bool {
        self.shows(Fact::AllHops)
            || (self.shows(Fact::OwnHops) && verify::may_see_hold(reference, caller, party))
    }

    /// The name of a holder, where it may be shown as the channel.
    pub fn channel(self, party: &Party) -> Option<String> {
        let public = self.shows(Fact::PublicChannel) && party.public && party.kind.sells();
        (public || self.shows(Fact::AllHops)).then(|| party.name.clone())
    }
}

/// Which counter a caller's look goes to.
pub fn audience(reference: &Reference, caller: Option<&Caller>) -> Audience {
    let party = caller.and_then(|c| reference.tree.get(c.party));
    match (caller, party) {
        (None, _) => Audience::Consumer,
        (Some(_), Some(party)) => Audience::of(party.kind),
        (Some(_), None) => Audience::Staff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_hold_the_table() {
        let docs = include_str!("../../../../docs/access.md");
        for fact in Fact::ALL {
            let cells = View::ALL.map(|v| if v.shows(fact) { "yes" } else { "–" });
            let row = format!("| {} | {} |", fact.as_str(), cells.join(" | "));
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
        for role in domain::role::Role::ALL {
            let words = role.scopes().iter().map(|scope| format!("`{}`", scope.as_str()));
            let words: Vec<_> = words.collect();
            let row = format!("| `{}` | {} |", role.as_str(), words.join(", "));
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
        for read in domain::audit::SensitiveRead::ALL {
            let row = format!("| {} | ", read.as_str());
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
        for field in domain::audit::PERSONAL {
            assert!(docs.contains(&format!("`{field}`")), "docs/access.md lacks {field}");
        }
    }
}
