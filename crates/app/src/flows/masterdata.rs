//! Master data: products, parties with their main sites; further sites are taken by
//! [`super::sites`], grants by [`super::territories`]. Rows are kept apart by their own keys; an
//! equal row is unchanged, other content under the same key needs `update`.

use super::caller::{Caller, Scope};
use super::changes::{self, Author};
use super::house::House;
use super::mandate::{may_enter, may_seat};
use super::outcome::{FlowError, RACES_MAX, RowOutcome};
use super::reference::Reference;
use crate::files::{PartyDraft, ProductDraft};
use domain::id::{BrandId, PartyId, ProductId, SiteId};
use domain::mandate::Entry;
use domain::party::{Party, PartyKind, PartyTree, Site};
use domain::product::Product;
use domain::refusal::{Refusal, Refused};
use std::collections::HashMap;
use store::commit::{Commit, Relied};
use store::reference::{BrandRow, ReferenceChange};

/// How a file of rows is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taking {
    /// Existing products, parties and sites may change, and grants have another last day.
    pub update: bool,
    /// One refused row refuses all.
    pub all_or_nothing: bool,
}

/// Repeats a decision over fresh reference rows until its commit wins.
pub(super) async fn decide_and_commit<'a, D>(
    house: &House,
    caller: &Caller,
    taking: Taking,
    decide: D,
) -> Result<Vec<RowOutcome>, FlowError>
where
    D: Fn(&Reference) -> (Vec<RowOutcome>, Vec<ReferenceChange>) + 'a,
{
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let (outcomes, changes) = decide(&reference);
        let refused = outcomes.iter().any(|o| matches!(o, RowOutcome::Refused(_)));
        if changes.is_empty() || (taking.all_or_nothing && refused) {
            return Ok(outcomes);
        }
        let mut commit =
            Commit { relies_on: vec![Relied::Reference(reference.version)], ..Commit::default() };
        changes::add(house, &caller.into(), &reference, changes, &mut commit)?;
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(outcomes);
            }
        }
    }
    Err(FlowError::Busy)
}

/// Takes products.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn products(
    house: &House,
    caller: &Caller,
    drafts: &[ProductDraft],
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Master)?;
    decide_and_commit(house, caller, taking, |reference| {
        // Whether one product may be changed does not depend on which.
        if let Err(why) = may_enter(reference, &reference.tree, caller, Entry::Product) {
            return (vec![RowOutcome::refused(why); drafts.len()], Vec::new());
        }
        let mut taken: HashMap<String, Product> = HashMap::new();
        let mut last = reference.last_ids.product;
        let mut changes = Vec::new();
        let outcomes = drafts
            .iter()
            .map(|draft| {
                let gtin = draft.gtin.as14().to_owned();
                let before = taken
                    .get(&gtin)
                    .or_else(|| reference.product(caller.brand, &gtin).map(|p| &**p));
                let id = before.map_or(ProductId(last + 1), |p| p.id);
                let product = product(draft, caller.brand, id, before);
                if let Err(why) = product.certification.is_in_order() {
                    return RowOutcome::refused(Refused::invalid("certificate_to_on", why));
                }
                match before {
                    Some(before) if *before == product => return RowOutcome::Unchanged,
                    Some(_) if !taking.update => {
                        return RowOutcome::refused(Refused::new(Refusal::ContentDiffers, "gtin"));
                    }
                    Some(_) => {}
                    None => last += 1,
                }
                changes.push(ReferenceChange::Product(product.clone()));
                taken.insert(gtin, product);
                RowOutcome::Taken
            })
            .collect();
        (outcomes, changes)
    })
    .await
}

/// The product of a row; what the row says nothing about is as before.
fn product(
    draft: &ProductDraft,
    brand: BrandId,
    id: ProductId,
    before: Option<&Product>,
) -> Product {
    let mut product = Product {
        id,
        brand,
        gtin: draft.gtin.as14().to_owned(),
        name_zh: draft.name_zh.clone(),
        name_en: draft.name_en.clone(),
        category: draft.category,
        model: draft.model.clone(),
        spec: draft.spec.clone(),
        maker: draft.maker.clone(),
        contract_maker: draft.contract_maker.clone(),
        standards: draft.standards.clone(),
        ccc_certificate: draft.ccc_certificate.clone(),
        certification: draft.certification.clone(),
        picture: draft.picture.clone(),
        list_price_fen: draft.list_price_fen,
        network_start: draft.network_start.unwrap_or(true),
    };
    let Some(before) = before else { return product };
    let (papers, had) = (&mut product.certification, &before.certification);
    for column in &draft.lacking {
        match *column {
            "name_en" => product.name_en.clone_from(&before.name_en),
            "model" => product.model.clone_from(&before.model),
            "spec" => product.spec.clone_from(&before.spec),
            "maker" => product.maker.clone_from(&before.maker),
            "contract_maker" => product.contract_maker.clone_from(&before.contract_maker),
            "standards" => product.standards.clone_from(&before.standards),
            "ccc_certificate" => product.ccc_certificate.clone_from(&before.ccc_certificate),
            "certificate_body" => papers.body.clone_from(&had.body),
            "certificate_from_on" => papers.from_on = had.from_on,
            "certificate_to_on" => papers.to_on = had.to_on,
            "certificate_status" => papers.status = had.status,
            "licence" => papers.licence.clone_from(&had.licence),
            "test_report" => papers.test_report.clone_from(&had.test_report),
            "service_months" => papers.service_months = had.service_months,
            "list_price_yuan" => product.list_price_fen = before.list_price_fen,
            "picture" => product.picture.clone_from(&before.picture),
            "network_start" => product.network_start = before.network_start,
            _ => {}
        }
    }
    product
}

/// The tenant that the operator's rows of parties belong to: one that is there, or the one that
/// their first brand row is to make, with its row.
///
/// # Errors
/// [`Refusal::NoBrand`] when there is none and no row brings one.
fn tenant(
    reference: &Reference,
    drafts: &[PartyDraft],
    chosen: Option<&str>,
) -> Result<(BrandId, Option<BrandRow>), Refused> {
    let existing = match chosen {
        Some(code) => reference.brand_by_code(code),
        None => reference.sole_brand(),
    };
    if let Some(brand) = existing {
        let taken = |draft: &PartyDraft| draft.kind == PartyKind::Brand;
        if !reference.is_vouched(brand) && drafts.iter().any(taken) {
            // Whoever means to found a brand must not fill a stranger's.
            let why = "it signed up by itself; vouch for it first if it is meant";
            return Err(Refused::because(Refusal::BrandTaken, "brand", why));
        }
        return Ok((brand, None));
    }
    let first = drafts
        .iter()
        .find(|d| d.kind == PartyKind::Brand && chosen.is_none_or(|code| code == d.code));
    let Some(first) = first else { return Err(Refusal::NoBrand.into()) };
    if chosen.is_none() && reference.brands.values().any(|brand| brand.vouched) {
        return Err(Refused::invalid("brand", "there are several brands; say --brand CODE"));
    }
    // A stranger's that signed up by itself is not taken over by its code.
    if reference.brand_by_code(&first.code).is_some() {
        return Err(Refused::new(Refusal::BrandTaken, "code"));
    }
    let id = reference.last_ids.brand + 1;
    let row = BrandRow {
        id,
        code: first.code.clone(),
        name: first.name.clone(),
        time_zone: "Asia/Shanghai".to_owned(),
        vouched: true,
    };
    Ok((BrandId(id), Some(row)))
}

/// Adds the making of a brand to a commit that is decided on this reference.
fn found(
    house: &House,
    reference: &Reference,
    row: BrandRow,
    commit: &mut Commit,
) -> Result<(), FlowError> {
    commit.relies_on.push(Relied::Reference(reference.version));
    let author = Author::operator(BrandId(row.id));
    changes::add(house, &author, reference, vec![ReferenceChange::Brand(row)], commit)
}

/// The first brand row of a file claims an empty store. Returns the tenant the rest belongs to.
///
/// # Errors
/// [`Refusal::NoBrand`] when there is none and no row brings one.
pub async fn claim_brand(
    house: &House,
    drafts: &[PartyDraft],
    chosen: Option<&str>,
) -> Result<BrandId, FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let (brand, made) = tenant(&reference, drafts, chosen)?;
        let Some(row) = made else { return Ok(brand) };
        let mut commit = Commit::default();
        found(house, &reference, row, &mut commit)?;
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(brand);
            }
        }
    }
    Err(FlowError::Busy)
}

/// Takes the operator's parties. A brand that is not there yet is made by the commit that takes its
/// own row: while that is refused, or all or nothing is asked and any other is, nothing is written,
/// since a brand is never removed and a mended file may call it otherwise.
///
/// # Errors
/// As [`claim_brand`]; the store does not answer.
pub(super) async fn operators_parties(
    house: &House,
    drafts: &[PartyDraft],
    chosen: Option<&str>,
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    for _ in 0..RACES_MAX {
        let reference = house.reference_now().await?;
        let (brand, made) = tenant(&reference, drafts, chosen)?;
        let root = reference.root(brand).map_or(PartyId(0), |party| party.id);
        let caller = Caller::operator(brand, root);
        let Some(row) = made else { return parties(house, &caller, drafts, taking).await };
        let mut taking_in = PartyTaking::new(&reference, &caller, taking, house);
        taking_in.founded = Some(&row.code);
        let outcomes = taking_in.take_all(drafts);
        let refused = outcomes.iter().any(|o| matches!(o, RowOutcome::Refused(_)));
        // It is called as its own party is after the last row that says so.
        let name = taking_in.root().map(|party| party.name.clone());
        let Some(name) = name.filter(|_| !(taking.all_or_nothing && refused)) else {
            return Ok(outcomes);
        };
        let changes = std::mem::take(&mut taking_in.changes);
        let mut commit = Commit::default();
        found(house, &reference, BrandRow { name, ..row.clone() }, &mut commit)?;
        changes::add(house, &(&caller).into(), &reference, changes, &mut commit)?;
        match house.store.commit(&commit).await {
            Err(e) if e.is_race() => continue,
            Err(e) => return Err(e.into()),
            Ok(()) => {
                house.reload().await?;
                return Ok(outcomes);
            }
        }
    }
    Err(FlowError::Busy)
}

/// Takes parties, each with its main site. A row may name a parent that comes later.
///
/// # Errors
/// The caller may not, or the store does not answer.
pub async fn parties(
    house: &House,
    caller: &Caller,
    drafts: &[PartyDraft],
    taking: Taking,
) -> Result<Vec<RowOutcome>, FlowError> {
    caller.need(Scope::Master)?;
    decide_and_commit(house, caller, taking, |reference| {
        let mut taking_in = PartyTaking::new(reference, caller, taking, house);
        let outcomes = taking_in.take_all(drafts);
        (outcomes, taking_in.changes)
    })
    .await
}

struct PartyTaking<'a> {
    reference: &'a Reference,
    house: &'a House,
    caller: &'a Caller,
    taking: Taking,
    /// What earlier rows of the file brought or changed: it stands in the tree.
    taken: HashMap<String, PartyId>,
    /// The tree with what was taken so far.
    tree: PartyTree,
    /// The brand's own party.
    root: Option<PartyId>,
    /// The code of the brand, where these rows make it: its own party bears it, too.
    founded: Option<&'a str>,
    last_party: i64,
    last_site: i64,
    changes: Vec<ReferenceChange>,
}

impl<'a> PartyTaking<'a> {
    fn new(reference: &'a Reference, caller: &'a Caller, taking: Taking, house: &'a House) -> Self {
        Self {
            reference,
            house,
            caller,
            taking,
            taken: HashMap::new(),
            tree: reference.tree.clone(),
            root: reference.root(caller.brand).map(|party| party.id),
            founded: None,
            last_party: reference.last_ids.party,
            last_site: reference.last_ids.site,
            changes: Vec::new(),
        }
    }

    fn known(&self, code: &str) -> Option<&Party> {
        match self.taken.get(code) {
            Some(id) => self.tree.get(*id),
            None => self.reference.party(self.caller.brand, code),
        }
    }

    /// What becomes of each row. A parent may come later in the file.
    fn take_all(&mut self, drafts: &[PartyDraft]) -> Vec<RowOutcome> {
        let mut outcomes = vec![None; drafts.len()];
        // Go round until a round brings nothing new.
        loop {
            let open = outcomes.iter().filter(|o| o.is_none()).count();
            for (draft, outcome) in drafts.iter().zip(&mut outcomes) {
                if outcome.is_none() {
                    *outcome = self.take(draft, false);
                }
            }
            if outcomes.iter().filter(|o| o.is_none()).count() == open {
                break;
            }
        }
        for (draft, outcome) in drafts.iter().zip(&mut outcomes) {
            if outcome.is_none() {
                *outcome = self.take(draft, true);
            }
        }
        outcomes.into_iter().flatten().collect()
    }

    /// `None`: its parent is not known yet; ask again, or with `last` to have it refused.
    fn take(&mut self, draft: &PartyDraft, last: bool) -> Option<RowOutcome> {
        let parent = match self.parent(draft) {
            Ok(parent) => parent,
            Err(unknown) => return last.then(|| RowOutcome::refused(unknown)),
        };
        if let Some(refused) = self.refuse(draft, parent.as_ref()) {
            return Some(RowOutcome::refused(refused));
        }
        let before = self.known(&draft.code).cloned();
        let id = before.as_ref().map_or(PartyId(self.last_party + 1), |p| p.id);
        let mut party = Party {
            id,
            brand: self.caller.brand,
            code: draft.code.clone(),
            kind: draft.kind,
            name: draft.name.clone(),
            parent: parent.map(|p| p.id),
            region: draft.region.clone(),
            address: draft.address.clone(),
            phone: draft.phone.clone(),
            point: draft.point,
            public: draft.public,
            organisation: draft.organisation,
            categories: draft.categories.clone(),
        };
        if let Some(before) = &before {
            keep(&mut party, before, &draft.lacking);
        }
        let renamed = self.renamed(&party).filter(|_| self.taking.update || before.is_none());
        let same = before.as_ref() == Some(&party);
        if renamed.is_some() && before.is_some() && !self.caller.regions.is_empty() {
            // Its name is about the whole brand.
            return Some(RowOutcome::refused(Refused::new(Refusal::NotAllowed, "name")));
        }
        match before {
            Some(_) if same && renamed.is_none() => return Some(RowOutcome::Unchanged),
            Some(_) if !self.taking.update => {
                return Some(RowOutcome::refused(Refused::new(Refusal::ContentDiffers, "code")));
            }
            Some(before) => {
                if let Some(refused) = self.stranded(&before, &party) {
                    return Some(RowOutcome::refused(refused));
                }
            }
            None => {
                self.last_party += 1;
                self.last_site += 1;
                let site = Site::main(SiteId(self.last_site), &party);
                self.changes.push(ReferenceChange::Site(self.caller.brand, site));
            }
        }
        self.changes.extend(renamed.map(ReferenceChange::Brand));
        if !same {
            self.changes.push(ReferenceChange::Party(party.clone()));
        }
        if party.kind == PartyKind::Brand {
            self.root = Some(party.id);
        }
        self.taken.insert(party.code.clone(), party.id);
        self.tree.put(party);
        Some(RowOutcome::Taken)
    }

    /// The party a row is to stand under, if any: the one it names, which may not be known yet,
    /// else where it stood, else the brand's own.
    fn parent(&self, draft: &PartyDraft) -> Result<Option<Party>, Refused> {
        if let Some(code) = &draft.parent_code {
            let unknown = || Refused::because(Refusal::UnknownParty, "parent_code", code);
            return self.known(code).cloned().map(Some).ok_or_else(unknown);
        }
        if draft.kind == PartyKind::Brand {
            return Ok(None);
        }
        let lacks = draft.lacking.contains(&"parent_code");
        Ok(match self.known(&draft.code).filter(|_| lacks) {
            Some(before) => before.parent.and_then(|id| self.tree.get(id)).cloned(),
            None => self.root().cloned(),
        })
    }

    /// The brand under the name that its own party has from now on: they are called alike.
    fn renamed(&self, party: &Party) -> Option<BrandRow> {
        let named = Some(party).filter(|party| party.kind == PartyKind::Brand)?;
        let earlier = self.changes.iter().rev().find_map(|change| match change {
            ReferenceChange::Brand(row) => Some(row),
            _ => None,
        });
        let brand = earlier.or_else(|| self.reference.brands.get(&named.brand))?;
        (brand.name != named.name).then(|| BrandRow { name: named.name.clone(), ..brand.clone() })
    }

    /// Refuses to move a party to where a grant of its own would not lie inside those above it.
    fn stranded(&self, before: &Party, party: &Party) -> Option<Refused> {
        if before.parent == party.parent {
            return None;
        }
        let (reference, brand) = (self.reference, self.caller.brand);
        let today = reference.day(brand, self.house.clock.now());
        let (grant, above) = reference.territories.stranded(&self.tree, party, today)?;
        let row = reference.territory_rows(brand).find(|row| row.id == grant.id.0);
        let regions: String =
            row.map_or(String::new(), |row| row.regions.join("|")).chars().take(60).collect();
        let product = grant.product.and_then(|id| reference.product_by_id(id));
        let gtin = product.map_or("*", |product| product.gtin.as_str());
        let (code, from_on, above) = (&party.code, grant.from_on, &above.code);
        let more = format!(
            "the grant to {code} of {gtin} in {regions} from {from_on} would not lie inside those \
             of {above}: give it a last day first (territories, with update), or grant {above} it"
        );
        Some(Refused::because(Refusal::OutsideTier1, "parent_code", more))
    }

    fn root(&self) -> Option<&Party> {
        self.root.and_then(|id| self.tree.get(id))
    }

    fn refuse(&self, draft: &PartyDraft, parent: Option<&Party>) -> Option<Refused> {
        let known = self.known(&draft.code).map(|p| (p.id, p.kind));
        let before = known.map(|(id, _)| id);
        let entry = Entry::Party { kind: draft.kind, before, under: parent.map(|p| p.id) };
        // Without a word of its seat, one that is known stays where it is.
        let stays = before.is_some() && draft.lacking.contains(&"region");
        let may = may_enter(self.reference, &self.tree, self.caller, entry).and_then(|()| {
            if stays { Ok(()) } else { may_seat(self.caller, draft.region.as_deref()) }
        });
        if let Err(why) = may {
            return Some(why);
        }
        if let Some(region) = &draft.region
            && self.house.geo.divisions().parse(region).is_err()
        {
            return Some(Refused::because(Refusal::UnknownRegion, "region", region));
        }
        // Its main site bears the same code, and a site stays with its party.
        if before.is_none() && self.reference.site(self.caller.brand, &draft.code).is_some() {
            return Some(Refused::new(Refusal::SiteOfOther, "code"));
        }
        // What was said of it and for it rests on what it was.
        if known.is_some_and(|(_, kind)| kind != draft.kind) {
            return Some(Refused::new(Refusal::KindStays, "kind"));
        }
        match (draft.kind, parent) {
            (PartyKind::Brand, Some(_)) => {
                let more = "a brand stands under nobody";
                Some(Refused::because(Refusal::ParentKind, "parent_code", more))
            }
            (PartyKind::Brand, None) => {
                let root = self.root().map(|root| root.code.as_str()).or(self.founded);
                let other = root.filter(|code| *code != draft.code)?;
                let more = format!("this brand's root is {other}");
                Some(Refused::because(Refusal::ParentKind, "kind", more))
            }
            (_, None) => Some(Refused::new(Refusal::NoBrand, "parent_code")),
            (kind, Some(parent)) if parent.code == draft.code => {
                let _ = kind;
                Some(Refused::new(Refusal::ParentCycle, "parent_code"))
            }
            (kind, Some(parent)) if !kind.may_stand_under(parent.kind) => {
                Some(Refused::new(Refusal::ParentKind, "parent_code"))
            }
            (_, Some(parent)) => {
                // Kinds alone keep the tree free of circles, but an update may re-hang a party.
                let own = self.known(&draft.code)?;
                let tree = &self.tree;
                (own.id != parent.id && tree.is_within(parent.id, own.id))
                    .then(|| Refused::new(Refusal::ParentCycle, "parent_code"))
            }
        }
    }
}

/// Leaves a party as it was where its row says nothing.
fn keep(party: &mut Party, before: &Party, lacking: &[&'static str]) {
    for column in lacking {
        match *column {
            "region" => party.region.clone_from(&before.region),
            "address" => party.address.clone_from(&before.address),
            "phone" => party.phone.clone_from(&before.phone),
            "lon" | "lat" => party.point = party.point.or(before.point),
            "public" => party.public = before.public,
            "organisation" => party.organisation = before.organisation,
            "categories" => party.categories.clone_from(&before.categories),
            _ => {}
        }
    }
}
