//! Scopes: which commands somebody may send. About whose goods is another rule, in
//! [`crate::mandate`].

/// What a key or a role may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything.
    All,
    /// Ask for verdicts in bulk and in full.
    Verify,
    /// Report activations as the brand's server.
    Activate,
    /// Report activations as the brand's app.
    ActivateApp,
    /// Vouch for attested signals.
    ActivateAttested,
    /// Change products, parties, territories.
    Master,
    /// Mint, deliver and void codes.
    Mint,
    /// Commission, inspect, pack.
    Produce,
    /// Ship, receive, return.
    Ship,
    /// Recall, decommission, report stolen, open lives, move identifiers.
    Lifecycle,
    /// Read whole dossiers.
    Read,
    /// Find, read, correct and erase what is held about persons.
    Persons,
    /// Read the audit trail.
    Audit,
    /// Write out trace data of many units for an authority.
    Export,
    /// Give, list, rotate and withdraw keys.
    Keys,
    /// Invite, list, change and remove the people who work here.
    People,
    /// List keys.
    KeysRead,
    /// List the people who work here, and invitations.
    PeopleRead,
    /// List batches, and read their codes as far as they were handed out.
    CodesRead,
    /// Find and read what is held about persons, as far as it names nobody.
    PersonsRead,
    /// Open, work on and close cases; of a party, answer those about it.
    Cases,
    /// Make, change and remove webhooks, and have them tried.
    Webhooks,
    /// List webhooks and what was delivered to them.
    WebhooksRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 23] = [
        Self::All,
        Self::Verify,
        Self::Activate,
        Self::ActivateApp,
        Self::ActivateAttested,
        Self::Master,
        Self::Mint,
        Self::Produce,
        Self::Ship,
        Self::Lifecycle,
        Self::Read,
        Self::Persons,
        Self::Audit,
        Self::Export,
        Self::Keys,
        Self::People,
        Self::KeysRead,
        Self::PeopleRead,
        Self::CodesRead,
        Self::PersonsRead,
        Self::Cases,
        Self::Webhooks,
        Self::WebhooksRead,
    ];

    /// The word in keys and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Verify => "verify",
            Self::Activate => "activation",
            Self::ActivateApp => "activation:app",
            Self::ActivateAttested => "activation:attested",
            Self::Master => "master",
            Self::Mint => "mint",
            Self::Produce => "produce",
            Self::Ship => "ship",
            Self::Lifecycle => "lifecycle",
            Self::Read => "read",
            Self::Persons => "persons",
            Self::Audit => "audit",
            Self::Export => "export",
            Self::Keys => "keys",
            Self::People => "people",
            Self::KeysRead => "keys:read",
            Self::PeopleRead => "people:read",
            Self::CodesRead => "codes:read",
            Self::PersonsRead => "persons:read",
            Self::Cases => "cases",
            Self::Webhooks => "webhooks",
            Self::WebhooksRead => "webhooks:read",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether holding this scope is enough for another. `all` holds every other but the two that
    /// let others in: `keys` and `people` are always named. Who may change something may read it.
    pub fn covers(self, other: Self) -> bool {
        let read = match self {
            Self::Keys => Some(Self::KeysRead),
            Self::People => Some(Self::PeopleRead),
            Self::Mint => Some(Self::CodesRead),
            Self::Persons => Some(Self::PersonsRead),
            Self::Webhooks => Some(Self::WebhooksRead),
            _ => None,
        };
        self == other || read == Some(other) || (self == Self::All && !other.is_named())
    }

    /// Whether it is about who else is let in, so that `all` does not hold it.
    fn is_named(self) -> bool {
        matches!(self, Self::Keys | Self::People | Self::KeysRead | Self::PeopleRead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::parse("everything"), None);
    }

    #[test]
    fn all_lets_nobody_else_in() {
        for scope in Scope::ALL {
            let lets_in =
                scope.as_str().starts_with("keys") || scope.as_str().starts_with("people");
            assert_eq!(Scope::All.covers(scope), !lets_in, "{scope:?}");
            assert_eq!(Scope::Read.covers(scope), scope == Scope::Read, "{scope:?}");
        }
    }

    #[test]
    fn who_changes_something_reads_it_and_who_reads_it_changes_nothing() {
        for (change, read) in [
            (Scope::Keys, Scope::KeysRead),
            (Scope::People, Scope::PeopleRead),
            (Scope::Mint, Scope::CodesRead),
            (Scope::Persons, Scope::PersonsRead),
            (Scope::Webhooks, Scope::WebhooksRead),
        ] {
            assert!(change.covers(read), "{change:?}");
            let covered = Scope::ALL.into_iter().filter(|scope| read.covers(*scope));
            assert_eq!(covered.collect::<Vec<_>>(), [read]);
        }
    }
}
