//! Who sees what: one table, printed in `docs/access.md` and held against it by a test. A view is
//! what somebody is to a unit, a fact is a group of fields shown or withheld together.
//!
//! Deliberately absent: what somebody may *do*; that is `mandate`.

use crate::party::PartyKind;

/// What a caller may be shown of a unit or a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Anyone.
    Public,
    /// A marketplace that asks whether a seller is authorised.
    Platform,
    /// Any party through whose hands goods go: its own hop and what is below it.
    Channel,
    /// A factory, of what its own sites made.
    Factory,
    /// A service centre, of what is in its hands.
    Service,
    /// An authority, of what lies in its remit.
    Regulator,
    /// The brand: all.
    Brand,
}

/// A group of fields that are shown or withheld together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Verdict, reason, checks, product with its maker; of the warranty until when it runs.
    Verdict,
    /// Day of production, activated or not, on which day, in which city; from when the warranty
    /// runs.
    Milestones,
    /// The name of the party that holds it, when that party is marked public.
    PublicChannel,
    /// Whether a named party may sell it.
    Seller,
    /// Hands it went through that are the caller's own or below it.
    OwnHops,
    /// Every hand it went through.
    AllHops,
    /// Serial number and other identifiers, further codes.
    Identifiers,
    /// Line, lot, site, inspection.
    Production,
    /// Inspections, labels and identifiers replaced, recalls, new lives.
    TechnicalHistory,
    /// Findings and their reasons.
    Findings,
    /// How often it was looked at.
    ScanCounts,
    /// Which key or person recorded an event.
    Actors,
}

/// What somebody is to a unit besides the kind of their party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nearness {
    /// A site of their party, or of one below it, made it.
    pub made: bool,
    /// It is in the hands of their party, or of one below it, now.
    pub holds: bool,
    /// It lies in the remit of the authority they are.
    pub in_remit: bool,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 12] = [
        Self::Verdict,
        Self::Milestones,
        Self::PublicChannel,
        Self::Seller,
        Self::OwnHops,
        Self::AllHops,
        Self::Identifiers,
        Self::Production,
        Self::TechnicalHistory,
        Self::Findings,
        Self::ScanCounts,
        Self::Actors,
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
            Self::TechnicalHistory => "technical history",
            Self::Findings => "findings",
            Self::ScanCounts => "scan counts",
            Self::Actors => "actors",
        }
    }
}

impl View {
    /// Every view.
    pub const ALL: [Self; 7] = [
        Self::Public,
        Self::Platform,
        Self::Channel,
        Self::Factory,
        Self::Service,
        Self::Regulator,
        Self::Brand,
    ];

    /// The word in `docs/access.md`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Platform => "platform",
            Self::Channel => "channel",
            Self::Factory => "factory",
            Self::Service => "service",
            Self::Regulator => "regulator",
            Self::Brand => "brand",
        }
    }

    /// The table.
    pub fn shows(self, fact: Fact) -> bool {
        use Fact::*;
        match self {
            Self::Public => matches!(fact, Verdict | Milestones | PublicChannel | ScanCounts),
            Self::Platform => matches!(fact, Verdict | Seller),
            Self::Channel => {
                matches!(fact, Verdict | Milestones | PublicChannel | Seller | OwnHops)
            }
            Self::Factory | Self::Service => {
                Self::Channel.shows(fact)
                    || matches!(fact, Identifiers | Production | TechnicalHistory)
            }
            Self::Regulator => !matches!(fact, Seller | Findings | Actors),
            Self::Brand => true,
        }
    }

    /// Whether nothing is withheld: who may be given the ledger's own texts.
    pub fn shows_all(self) -> bool {
        Fact::ALL.into_iter().all(|fact| self.shows(fact))
    }

    /// What a party of that kind may see of a unit of its own brand. None is nobody in particular.
    pub fn of(kind: Option<PartyKind>, near: Nearness) -> Self {
        match kind {
            None => Self::Public,
            Some(PartyKind::Brand) => Self::Brand,
            Some(PartyKind::Platform) => Self::Platform,
            Some(PartyKind::Regulator) if near.in_remit => Self::Regulator,
            Some(PartyKind::Regulator) => Self::Public,
            Some(PartyKind::Factory) if near.made => Self::Factory,
            Some(PartyKind::ServiceCentre) if near.holds => Self::Service,
            Some(_) => Self::Channel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_hold_the_table() {
        let docs = include_str!("../../../docs/access.md");
        let head = format!("| Fact | {} |", View::ALL.map(View::as_str).join(" | "));
        assert!(docs.contains(&head), "docs/access.md lacks the head\n{head}");
        for fact in Fact::ALL {
            let cells = View::ALL.map(|v| if v.shows(fact) { "yes" } else { "–" });
            let row = format!("| {} | {} |", fact.as_str(), cells.join(" | "));
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
    }

    #[test]
    fn nearness_opens_only_to_those_it_is_for() {
        let near = Nearness { made: true, holds: true, in_remit: true };
        for kind in PartyKind::ALL {
            let (close, far) =
                (View::of(Some(kind), near), View::of(Some(kind), Nearness::default()));
            let opens = matches!(
                kind,
                PartyKind::Factory | PartyKind::ServiceCentre | PartyKind::Regulator
            );
            assert_eq!(close != far, opens, "{kind:?}");
            // Coming nearer never hides what was seen from afar.
            let mut seen = Fact::ALL.into_iter().filter(|fact| far.shows(*fact));
            assert!(seen.all(|fact| close.shows(fact)), "{kind:?}");
        }
        assert_eq!(View::of(None, near), View::Public);
    }

    #[test]
    fn only_the_brand_is_given_the_ledgers_own_texts() {
        let all: Vec<_> = View::ALL.into_iter().filter(|view| view.shows_all()).collect();
        assert_eq!(all, [View::Brand]);
    }
}
