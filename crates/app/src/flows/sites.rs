//! Further sites: places a party runs besides its seat. Rows are kept apart by their code; an equal
//! row is unchanged, other content needs `update`, and no site ever goes over to another party.

use super::caller::{Caller, Scope};
use super::house::House;
use super::mandate::{may_enter, may_seat};
use super::masterdata::{Taking, decide_and_commit};
use super::outcome::{FlowError, RowOutcome};
use super::reference::Reference;
use crate::files::SiteDraft;
use domain::id::{PartyId, SiteId};
use domain::mandate::Entry;
use domain::party::Site;
use domain::refusal::{Refusal, Refused};
use std::collections::HashMap;
use store::reference::ReferenceChange;

/// Takes sites.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn sites(
    house: &House,
    caller: &Caller,
    drafts: &[SiteDraft],
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Master)?;
    decide_and_commit(house, caller, taking, |reference| {
        let mut taking_in = SiteTaking {
            reference,
            house,
            caller,
            taking,
            taken: HashMap::new(),
            last: reference.last_ids.site,
            changes: Vec::new(),
        };
        let outcomes = drafts
            .iter()
            .map(|draft| taking_in.take(draft).unwrap_or_else(RowOutcome::refused))
            .collect();
        (outcomes, taking_in.changes)
    })
    .await
}

struct SiteTaking<'a> {
    reference: &'a Reference,
    house: &'a House,
    caller: &'a Caller,
    taking: Taking,
    /// What earlier rows of the file brought, by code.
    taken: HashMap<String, Site>,
    last: i64,
    changes: Vec<ReferenceChange>,
}

impl SiteTaking<'_> {
    fn take(&mut self, draft: &SiteDraft) -> Result<RowOutcome, Refused> {
        let (reference, brand) = (self.reference, self.caller.brand);
        let party = reference.party(brand, &draft.party_code).ok_or_else(|| {
            Refused::because(Refusal::UnknownParty, "party_code", &draft.party_code)
        })?;
        let before = self.taken.get(&draft.code).or_else(|| reference.site(brand, &draft.code));
        let entry = Entry::Site { party: party.id, before: before.map(|s| s.party) };
        may_enter(reference, &reference.tree, self.caller, entry)?;
        // One that lies elsewhere is not drawn in either.
        if let Some(site) = before {
            may_seat(self.caller, site.region.as_deref())?;
        }
        if before.is_none() || !draft.lacking.contains(&"region") {
            may_seat(self.caller, draft.region.as_deref())?;
        }
        if let Some(region) = &draft.region
            && self.house.geo.divisions().parse(region).is_err()
        {
            return Err(Refused::because(Refusal::UnknownRegion, "region", region));
        }
        let id = before.map_or(SiteId(self.last + 1), |s| s.id);
        let mut next = site(draft, id, party.id);
        if let Some(before) = before {
            keep(&mut next, before, &draft.lacking);
        }
        let changes = match before {
            Some(before) => before.changes(&next, &reference.tree, self.taking.update)?,
            None => {
                self.last += 1;
                true
            }
        };
        if !changes {
            return Ok(RowOutcome::Unchanged);
        }
        self.changes.push(ReferenceChange::Site(brand, next.clone()));
        self.taken.insert(next.code.clone(), next);
        Ok(RowOutcome::Taken)
    }
}

/// Leaves a site as it was where its row says nothing.
fn keep(site: &mut Site, before: &Site, lacking: &[&'static str]) {
    for column in lacking {
        match *column {
            "region" => site.region.clone_from(&before.region),
            "address" => site.address.clone_from(&before.address),
            "phone" => site.phone.clone_from(&before.phone),
            "lon" | "lat" => site.point = site.point.or(before.point),
            _ => {}
        }
    }
}

fn site(draft: &SiteDraft, id: SiteId, party: PartyId) -> Site {
    Site {
        id,
        party,
        code: draft.code.clone(),
        name: draft.name.clone(),
        kind: draft.kind,
        region: draft.region.clone(),
        address: draft.address.clone(),
        phone: draft.phone.clone(),
        point: draft.point,
    }
}
