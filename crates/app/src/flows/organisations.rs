//! Organisations across brands: which legal body stands behind which parties. Only the operator of
//! the deployment asks; a brand sees the code on its own parties alone.

use super::reference::Reference;
use domain::organisation::Uscc;
use domain::party::Party;
use std::collections::BTreeMap;

/// A legal body and the parties that are it, by brand and then as they were entered.
pub type Organisations<'a> = BTreeMap<Uscc, Vec<&'a Party>>;

/// Every organisation that any party names.
pub fn across(reference: &Reference) -> Organisations<'_> {
    let mut found = Organisations::new();
    for party in reference.tree.iter() {
        if let Some(code) = party.organisation {
            found.entry(code).or_default().push(party);
        }
    }
    for parties in found.values_mut() {
        parties.sort_by_key(|party| (party.brand, party.id));
    }
    found
}
