//! Who asks: a key, its party and its scopes, or nobody in particular.

use domain::activation::Assurance;
use domain::id::{BrandId, PartyId};
use domain::party::{PartyKind, PartyTree};
use domain::refusal::{Refusal, Refused};
use domain::role::Role;
use std::net::IpAddr;

pub use domain::scope::Scope;

/// What the ledger shows as actor for the operator.
pub(super) const OPERATOR: &str = "cli";

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant acted in.
    pub brand: BrandId,
    /// The party acted for.
    pub party: PartyId,
    /// What is allowed.
    pub scopes: Vec<Scope>,
    /// Prefixes of GB/T 2260 codes it is bound to; none for everywhere its party reaches.
    pub regions: Vec<String>,
    /// The role it acts in, where a person acts; the operator acts as an owner.
    pub role: Option<Role>,
    /// What the ledger shows as actor: `key:ID`, `account:ID`, `cli`.
    pub actor: String,
    /// Where the request came from, when it came over the network. Kept only beside the ledger.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The operator at the command line: everything, as the brand.
    pub fn operator(brand: BrandId, party: PartyId) -> Self {
        let scopes = Role::Owner.scopes().to_vec();
        let role = Some(Role::Owner);
        let actor = OPERATOR.to_owned();
        Self { brand, party, scopes, regions: Vec::new(), role, actor, address: None }
    }

    /// Whether this is a device that reports its own start and may do nothing else: its key lies in
    /// every one of them, so it is told what anyone is.
    pub fn is_device(&self) -> bool {
        !self.scopes.is_empty() && self.scopes.iter().all(|s| *s == Scope::ActivateApp)
    }

    /// Whether this is the operator at the command line.
    pub fn is_operator(&self) -> bool {
        self.actor == OPERATOR
    }

    /// Whether the caller may do this. Who comes with a key of the brand that holds `all` holds
    /// `keys` beside it; with another party's `all`, keys are none of its business. `people` a key
    /// holds only by its name.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.covers(scope))
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

    /// Whether a report is believed no more than what an app in a device says: anyone's without a
    /// key, and of most keys.
    pub fn is_believed_as_an_app(caller: Option<&Self>, tree: &PartyTree) -> bool {
        caller.is_none_or(|caller| caller.assurance(tree) == Assurance::App)
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
