//! Territories: grants are kept apart by party, product, regions, channel and first day. An equal
//! row is unchanged; with `update` a grant is given another last day; whatever else it should say
//! is granted anew.

use super::caller::{Caller, Scope};
use super::house::House;
use super::mandate::{may_enter, may_grant};
use super::masterdata::{Taking, decide_and_commit};
use super::outcome::{FlowError, RowOutcome};
use super::reference::{Reference, territory};
use crate::files::TerritoryDraft;
use crate::geo::read_fences;
use domain::id::BrandId;
use domain::mandate::Entry;
use domain::party::PartyTree;
use domain::refusal::{Refusal, Refused};
use domain::territory::{Territories, Territory};
use std::collections::HashMap;
use store::reference::{ReferenceChange, TerritoryRow};

/// Takes grants. Tier-2 rows may lean on tier-1 rows of the same file, wherever they stand in it.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn territories(
    house: &House,
    caller: &Caller,
    drafts: &[TerritoryDraft],
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Master)?;
    decide_and_commit(house, caller, taking, |reference| {
        let rows: Vec<_> =
            drafts.iter().map(|draft| territory_row(house, reference, caller, draft)).collect();
        let mut granting = Granting::new(house, reference, taking);
        let mut outcomes = vec![RowOutcome::Unchanged; drafts.len()];
        // What stands below leans on tier 1: grants are taken from above, and those that end
        // earlier thereafter from below.
        let mut order: Vec<usize> = (0..drafts.len()).collect();
        order.sort_by_key(|i| {
            let party = reference.party(caller.brand, &drafts[*i].party_code);
            let tier = party.map_or(u8::MAX, |p| p.kind as u8);
            match &rows[*i] {
                Ok(row) if granting.ends_earlier(row) => (1, u8::MAX - tier),
                _ => (0, tier),
            }
        });
        for i in order {
            let taken = rows[i].clone().and_then(|row| granting.take(row, &drafts[i].lacking));
            outcomes[i] = taken.unwrap_or_else(RowOutcome::refused);
        }
        (outcomes, granting.changes)
    })
    .await
}

/// Grants as they stand after the rows taken so far.
struct Granting<'a> {
    house: &'a House,
    reference: &'a Reference,
    taking: Taking,
    granted: Territories,
    rows: HashMap<String, TerritoryRow>,
    last: i64,
    changes: Vec<ReferenceChange>,
}

impl<'a> Granting<'a> {
    fn new(house: &'a House, reference: &'a Reference, taking: Taking) -> Self {
        let granted = reference.territories.clone();
        let (rows, last) = (HashMap::new(), reference.last_ids.territory);
        Self { house, reference, taking, granted, rows, last, changes: Vec::new() }
    }

    /// The row of this key as it stands.
    fn known(&self, row: &TerritoryRow) -> Option<&TerritoryRow> {
        let key = row.natural_key();
        let recorded = || self.reference.territory_row(BrandId(row.brand), &key);
        self.rows.get(&key).or_else(recorded)
    }

    fn ends_earlier(&self, row: &TerritoryRow) -> bool {
        // Days as they are written sort as they follow each other.
        let Some(known) = self.known(row) else { return false };
        let before = |to: &String| known.to_on.as_ref().is_none_or(|end| to < end);
        row.to_on.as_ref().is_some_and(before)
    }

    fn take(
        &mut self,
        mut row: TerritoryRow,
        lacking: &[&'static str],
    ) -> Result<RowOutcome, Refused> {
        let Some(known) = self.known(&row).cloned() else {
            let row = TerritoryRow { id: self.last + 1, ..row };
            let grant = admit(self.house, &self.reference.tree, &self.granted, &row)?;
            self.last += 1;
            self.put(grant, row);
            return Ok(RowOutcome::Taken);
        };
        if self.taking.update && lacking.contains(&"to_on") {
            row.to_on.clone_from(&known.to_on);
        }
        if says_the_same(&known, &row) {
            return Ok(RowOutcome::Unchanged);
        }
        let ended = TerritoryRow { to_on: row.to_on.clone(), ..known.clone() };
        if !self.taking.update || !says_the_same(&ended, &row) {
            return Err(Refused::new(Refusal::ContentDiffers, "regions"));
        }
        self.end(ended)?;
        Ok(RowOutcome::Taken)
    }

    /// Gives a grant another last day: what was granted below must still lie inside.
    fn end(&mut self, row: TerritoryRow) -> Result<(), Refused> {
        let tree = &self.reference.tree;
        let grant = admit(self.house, tree, &self.granted, &row)?;
        // What stuck out already does so no more than before.
        let leans = |below: &&Territory| {
            tree.is_ancestor(grant.party, below.party) && self.granted.admit(tree, below).is_ok()
        };
        let leaning: Vec<_> = self.granted.iter().filter(leans).cloned().collect();
        let before = self.granted.put(grant.clone());
        let stranded = leaning.iter().find_map(|below| {
            let why = self.granted.admit(tree, below).err()?;
            let code = tree.get(below.party).map_or("", |party| party.code.as_str());
            let more = format!("a grant of {code} would not; end that first");
            Some(Refused::because(why.refusal, "to_on", more))
        });
        if let Some(why) = stranded {
            self.granted.put(before.unwrap_or(grant));
            return Err(why);
        }
        self.put(grant, row);
        Ok(())
    }

    fn put(&mut self, grant: Territory, row: TerritoryRow) {
        self.granted.put(grant);
        self.changes.push(ReferenceChange::Territory(row.clone()));
        self.rows.insert(row.natural_key(), row);
    }
}

/// Whether two rows grant the same: fences are compared by what they say, not by how it is written.
fn says_the_same(before: &TerritoryRow, row: &TerritoryRow) -> bool {
    let beside =
        TerritoryRow { id: row.id, polygons: row.polygons.clone(), ..before.clone() } == *row;
    let fences =
        |row: &TerritoryRow| row.polygons.as_deref().and_then(|text| read_fences(text).ok());
    beside && (before.polygons == row.polygons || fences(before) == fences(row))
}

fn territory_row(
    house: &House,
    reference: &Reference,
    caller: &Caller,
    draft: &TerritoryDraft,
) -> Result<TerritoryRow, Refused> {
    let brand = caller.brand;
    let party = reference
        .party(brand, &draft.party_code)
        .ok_or_else(|| Refused::because(Refusal::UnknownParty, "party_code", &draft.party_code))?;
    may_enter(reference, &reference.tree, caller, Entry::Territory(party.id))?;
    let product = match &draft.gtin {
        None => None,
        Some(gtin) => {
            let found = reference.product(brand, gtin.as14());
            Some(found.ok_or_else(|| Refused::new(Refusal::UnknownProduct, "gtin"))?.id.0)
        }
    };
    let row = TerritoryRow {
        id: 0,
        brand: brand.0,
        party: party.id.0,
        product,
        regions: draft.regions.clone(),
        excluded: draft.excluded.clone(),
        polygons: draft.polygons.clone(),
        from_on: draft.from_on.to_string(),
        to_on: draft.to_on.map(|d| d.to_string()),
        channel: draft.channel.as_str().to_owned(),
    };
    if !caller.regions.is_empty() {
        may_grant(caller, &grant(house, &row)?.regions)?;
    }
    Ok(row)
}

fn grant(house: &House, row: &TerritoryRow) -> Result<Territory, Refused> {
    territory(row, house.geo.divisions())
        .map_err(|why| Refused::because(Refusal::UnknownRegion, "regions", why))
}

fn admit(
    house: &House,
    tree: &PartyTree,
    granted: &Territories,
    row: &TerritoryRow,
) -> Result<Territory, Refused> {
    let grant = grant(house, row)?;
    if grant.regions.is_empty() {
        return Err(Refused::invalid("regions", "must name at least one region or polygon"));
    }
    granted.admit(tree, &grant)?;
    Ok(grant)
}
