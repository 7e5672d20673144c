//! Territories: grants are kept apart by party, product, regions, channel and first day, however
//! the regions are written. An equal row is unchanged; with `update` a grant is given another last
//! day; whatever else it should say is granted anew.

use super::caller::{Caller, Scope};
use super::house::House;
use super::mandate::{may_enter, may_grant};
use super::masterdata::{Taking, decide_and_commit};
use super::outcome::{FlowError, RowOutcome};
use super::reference::{Reference, territory};
use crate::files::TerritoryDraft;
use crate::geo::read_fences;
use domain::mandate::Entry;
use domain::party::PartyTree;
use domain::refusal::{Refusal, Refused};
use domain::region::in_one_form;
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
    /// The rows of each key that a row changed, all of them as they stand.
    rows: HashMap<String, Vec<TerritoryRow>>,
    last: i64,
    changes: Vec<ReferenceChange>,
}

impl<'a> Granting<'a> {
    fn new(house: &'a House, reference: &'a Reference, taking: Taking) -> Self {
        let granted = reference.territories.clone();
        let (rows, last) = (HashMap::new(), reference.last_ids.territory);
        Self { house, reference, taking, granted, rows, last, changes: Vec::new() }
    }

    /// The grants that a row names, as they stand.
    fn alike(&self, row: &TerritoryRow) -> &[TerritoryRow] {
        let recorded = || self.reference.territories_alike(row);
        self.rows.get(&row.natural_key()).map_or_else(recorded, Vec::as_slice)
    }

    fn ends_earlier(&self, row: &TerritoryRow) -> bool {
        // Days as they are written sort as they follow each other.
        let Some(end) = &row.to_on else { return false };
        self.alike(row).iter().any(|known| known.to_on.as_ref().is_none_or(|to| end < to))
    }

    fn take(&mut self, row: TerritoryRow, lacking: &[&'static str]) -> Result<RowOutcome, Refused> {
        let alike = self.alike(&row).to_vec();
        if alike.is_empty() {
            let row = TerritoryRow { id: self.last + 1, ..row };
            let grant = admit(self.house, &self.reference.tree, &self.granted, &row)?;
            self.last += 1;
            self.put(grant, row);
            return Ok(RowOutcome::Taken);
        }
        let update = self.taking.update;
        let keeps_end = update && lacking.contains(&"to_on");
        // What was granted twice, under other words, is ended in every row of it.
        let meant = alike.into_iter().filter(|known| grants_the_same(known, &row));
        let (stand, others): (Vec<_>, Vec<_>) =
            meant.partition(|known| keeps_end || known.to_on == row.to_on);
        if update && !others.is_empty() {
            let ended = |known: TerritoryRow| TerritoryRow { to_on: row.to_on.clone(), ..known };
            self.end(others.into_iter().map(ended).collect())?;
            return Ok(RowOutcome::Taken);
        }
        if stand.is_empty() {
            return Err(Refused::new(Refusal::ContentDiffers, "regions"));
        }
        Ok(RowOutcome::Unchanged)
    }

    /// Gives the rows of a grant another last day: what was granted below must still lie inside.
    fn end(&mut self, rows: Vec<TerritoryRow>) -> Result<(), Refused> {
        let tree = &self.reference.tree;
        let read = |row| admit(self.house, tree, &self.granted, row);
        let grants = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        // What stuck out already does so no more than before.
        let leans = |below: &&Territory| {
            let above = |grant: &Territory| tree.is_ancestor(grant.party, below.party);
            grants.iter().any(above) && self.granted.admit(tree, below).is_ok()
        };
        let leaning: Vec<_> = self.granted.iter().filter(leans).cloned().collect();
        let before: Vec<_> =
            grants.iter().filter_map(|grant| self.granted.put(grant.clone())).collect();
        let stranded = leaning.iter().find_map(|below| {
            let why = self.granted.admit(tree, below).err()?;
            let code = tree.get(below.party).map_or("", |party| party.code.as_str());
            let more = format!("a grant of {code} would not; end that first");
            Some(Refused::because(why.refusal, "to_on", more))
        });
        if let Some(why) = stranded {
            for grant in before {
                self.granted.put(grant);
            }
            return Err(why);
        }
        for (grant, row) in grants.into_iter().zip(rows) {
            self.put(grant, row);
        }
        Ok(())
    }

    fn put(&mut self, grant: Territory, row: TerritoryRow) {
        self.granted.put(grant);
        self.changes.push(ReferenceChange::Territory(row.clone()));
        let recorded = || self.reference.territories_alike(&row).to_vec();
        let alike = self.rows.entry(row.natural_key()).or_insert_with(recorded);
        match alike.iter_mut().find(|known| known.id == row.id) {
            Some(known) => *known = row,
            None => alike.push(row),
        }
    }
}

/// Whether two rows grant the same but for the last day: regions and fences are compared by what
/// they say, not by how it is written.
fn grants_the_same(before: &TerritoryRow, row: &TerritoryRow) -> bool {
    let beside = TerritoryRow {
        id: row.id,
        regions: row.regions.clone(),
        excluded: row.excluded.clone(),
        polygons: row.polygons.clone(),
        to_on: row.to_on.clone(),
        ..before.clone()
    };
    let regions = |row: &TerritoryRow| [&row.regions, &row.excluded].map(|list| in_one_form(list));
    let fences =
        |row: &TerritoryRow| row.polygons.as_deref().and_then(|text| read_fences(text).ok());
    beside == *row
        && regions(before) == regions(row)
        && (before.polygons == row.polygons || fences(before) == fences(row))
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
        .map_err(|(column, why)| Refused::because(Refusal::UnknownRegion, column, why))
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
