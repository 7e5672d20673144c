//! Who asks: a key, its party and its scopes, or nobody in particular.

use domain::activation::Assurance;
use domain::id::{BrandId, PartyId};
use domain::party::{PartyKind, PartyTree};
use domain::refusal::{Refusal, Refused};
use std::net::IpAddr;

/// What a key may do. `all` holds every other; `keys` only where its party is the brand.
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
    /// Read the audit trail.
    Audit,
    /// Write out trace data of many units for an authority.
    Export,
    /// Give, list, rotate and withdraw keys.
    Keys,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 14] = [
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
        Self::Audit,
        Self::Export,
        Self::Keys,
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
            Self::Audit => "audit",
            Self::Export => "export",
            Self::Keys => "keys",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant acted in.
    pub brand: BrandId,
    /// The party acted for.
    pub party: PartyId,
    /// What is allowed.
    pub scopes: Vec<Scope>,
    /// What the ledger shows as actor: `key:ID`, `cli`.
    pub actor: String,
    /// Where the request came from, when it came over the network. Kept only beside the ledger.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The operator at the command line: everything, as the brand.
    pub fn operator(brand: BrandId, party: PartyId) -> Self {
        let scopes = vec![Scope::All, Scope::Keys];
        Self { brand, party, scopes, actor: "cli".to_owned(), address: None }
    }

    /// Whether the caller may do this. Who comes with a key of the brand that holds `all` holds
    /// `keys` beside it; with another party's `all`, keys are none of its business.
    pub fn may(&self, scope: Scope) -> bool {
        let all = |s: Scope| s == Scope::All && scope != Scope::Keys;
        self.scopes.iter().any(|s| *s == scope || all(*s))
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`], naming the scope that is needed.
    pub fn need(&self, scope: Scope) -> Result<(), Refused> {
        if self.may(scope) {
            return Ok(());
        }
        let more = format!("needs scope {}", scope.as_str());
        Err(Refused::because(Refusal::NotAllowed, "", more))
    }

    /// What this caller's activations are worth. Whoever sells the goods could gain by what it says
    /// of them: only the brand's own servers and a platform's are believed more than an app.
    pub fn assurance(&self, tree: &PartyTree) -> Assurance {
        let kind = tree.get(self.party).map(|party| party.kind);
        if !matches!(kind, Some(PartyKind::Brand | PartyKind::Platform)) {
            Assurance::App
        } else if self.may(Scope::ActivateAttested) {
            Assurance::Attested
        } else if self.may(Scope::Activate) {
            Assurance::BrandServer
        } else {
            Assurance::App
        }
    }
}
