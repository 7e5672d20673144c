//! Reference rows in memory, indexed for the questions flows ask. One immutable value per version;
//! whoever decides on it names the version, so a decision on stale rows cannot be committed.

use super::find::unit_number;
use crate::secrets::{MasterKey, SecretsError};
use domain::code::{CodeKey, Epoch, KeyRing, Starts};
use domain::id::{BrandId, PartyId, ProductId, SiteId};
use domain::party::{Party, PartyKind, PartyTree, Site};
use domain::product::Product;
use domain::recall::Selector;
use domain::region::{Divisions, RegionCode, RegionSet};
use domain::territory::{Channel, Territories, Territory};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::recall::RecallRow;
use store::reference::{ApiKeyRow, Batch, BrandRow, Purpose, ReferenceRows, TerritoryRow, VoidRow};
use store::webhook::WebhookRow;

/// The label under which a code key of an epoch is sealed.
pub fn code_key_label(epoch: u8) -> String {
    format!("dossier code key {epoch}")
}

/// A recall with the rule of what it selects.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// As stored.
    pub row: RecallRow,
    /// Which units.
    pub selector: Selector,
}

impl Recall {
    /// Reads the rule of a stored recall.
    pub fn new(row: RecallRow) -> Self {
        Self { selector: Selector::from(&row.selector), row }
    }
}

/// Every reference row as of one version.
#[derive(Default)]
pub struct Reference {
    /// The version read.
    pub version: i64,
    /// Tenants by identity.
    pub brands: HashMap<BrandId, BrandRow>,
    /// The zone each brand's dates are in; looked up by name once, not at every date.
    zones: HashMap<BrandId, TimeZone>,
    /// The zone where there is no brand yet.
    first_zone: FirstZone,
    /// Parties.
    pub tree: PartyTree,
    /// Grants.
    pub territories: Territories,
    party_codes: HashMap<(BrandId, String), PartyId>,
    /// The own party of each brand: it is asked for at every row of a file.
    roots: HashMap<BrandId, PartyId>,
    sites: HashMap<SiteId, Site>,
    site_codes: HashMap<(BrandId, String), SiteId>,
    products: HashMap<ProductId, Arc<Product>>,
    gtins: HashMap<(BrandId, String), ProductId>,
    batches: Vec<Batch>,
    voids: Vec<VoidRow>,
    api_keys: HashMap<String, ApiKeyRow>,
    /// Grants as they were entered, by what makes them the same grant.
    territory_keys: HashMap<(i64, String), Vec<TerritoryRow>>,
    /// Whether any serial number has the form of a trace code.
    pub code_like_sn: bool,
    /// Brands of whose sellers at least one is marked public.
    public_sellers: HashSet<BrandId>,
    /// Grants that could not be read: their regions are unknown to the divisions table.
    pub unread: Vec<String>,
    /// Recalls, by number.
    recalls: Vec<Arc<Recall>>,
    /// Webhooks, by id.
    webhooks: HashMap<String, Arc<WebhookRow>>,
    /// Highest identity in use, by kind of row; the next is one more.
    pub last_ids: LastIds,
}

/// The zone of who has no brand yet: Beijing's.
struct FirstZone(TimeZone);

impl Default for FirstZone {
    fn default() -> Self {
        Self(zone_named("Asia/Shanghai"))
    }
}

fn zone_named(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// A site as it now stands: the main one says what its party says now, whatever it said when the
/// party was new.
fn present(site: Site, tree: &PartyTree) -> Site {
    match tree.get(site.party) {
        Some(party) if party.code == site.code => Site::main(site.id, party),
        _ => site,
    }
}

/// Highest identities in use.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastIds {
    /// Of brands.
    pub brand: i64,
    /// Of parties.
    pub party: i64,
    /// Of sites.
    pub site: i64,
    /// Of products.
    pub product: i64,
    /// Of grants.
    pub territory: i64,
    /// Of batches.
    pub batch: i64,
    /// Of recalls.
    pub recall: i64,
}

impl Reference {
    /// Indexes rows.
    pub fn new(rows: ReferenceRows, divisions: &Divisions) -> Self {
        Self::after(&Self::default(), rows, divisions)
    }

    /// Indexes rows of a later version, or of the same. A grant whose row stands in `before` as it
    /// stands now is taken from there: reading a fence takes long, and hardly a change is one of
    /// grants. The divisions are those that `before` was read with.
    pub fn after(before: &Self, rows: ReferenceRows, divisions: &Divisions) -> Self {
        let mut unread = Vec::new();
        let territories = before.grants_of(&rows.territories, divisions, &mut unread);
        let tree = PartyTree::new(rows.parties.iter().cloned());
        let last = |ids: &mut dyn Iterator<Item = i64>| ids.max().unwrap_or(0);
        Self {
            version: rows.version,
            last_ids: LastIds {
                brand: last(&mut rows.brands.iter().map(|r| r.id)),
                party: last(&mut rows.parties.iter().map(|r| r.id.0)),
                site: last(&mut rows.sites.iter().map(|r| r.id.0)),
                product: last(&mut rows.products.iter().map(|r| r.id.0)),
                territory: last(&mut rows.territories.iter().map(|r| r.id)),
                batch: last(&mut rows.batches.iter().map(|r| r.id)),
                recall: last(&mut rows.recalls.iter().map(|r| r.id)),
            },
            territories,
            territory_keys: by_key(rows.territories),
            party_codes: rows.parties.iter().map(|p| ((p.brand, p.code.clone()), p.id)).collect(),
            roots: rows
                .parties
                .iter()
                .filter(|p| p.kind == PartyKind::Brand)
                .map(|p| (p.brand, p.id))
                .collect(),
            site_codes: {
                let brand_of: HashMap<_, _> =
                    rows.parties.iter().map(|p| (p.id, p.brand)).collect();
                let brand = |s: &Site| brand_of.get(&s.party).copied().unwrap_or(BrandId(0));
                rows.sites.iter().map(|s| ((brand(s), s.code.clone()), s.id)).collect()
            },
            code_like_sn: rows.code_like_sn,
            public_sellers: rows
                .parties
                .iter()
                .filter(|p| p.public && p.kind.sells())
                .map(|p| p.brand)
                .collect(),
            sites: rows.sites.into_iter().map(|s| (s.id, present(s, &tree))).collect(),
            tree,
            gtins: rows.products.iter().map(|p| ((p.brand, p.gtin.clone()), p.id)).collect(),
            products: rows.products.into_iter().map(|p| (p.id, Arc::new(p))).collect(),
            recalls: rows.recalls.into_iter().map(|row| Arc::new(Recall::new(row))).collect(),
            webhooks: rows.webhooks.into_iter().map(|w| (w.id.clone(), Arc::new(w))).collect(),
            batches: rows.batches,
            voids: rows.voids,
            api_keys: rows.api_keys.into_iter().map(|k| (k.id.clone(), k)).collect(),
            zones: rows.brands.iter().map(|b| (BrandId(b.id), zone_named(&b.time_zone))).collect(),
            first_zone: FirstZone::default(),
            brands: rows.brands.into_iter().map(|b| (BrandId(b.id), b)).collect(),
            unread,
        }
    }

    /// The grants of rows: those that are known as they stand, the others read. Why one cannot be
    /// read is added to `unread`.
    fn grants_of(
        &self,
        rows: &[TerritoryRow],
        divisions: &Divisions,
        unread: &mut Vec<String>,
    ) -> Territories {
        let known: HashMap<_, _> = self.territories.iter().map(|g| (g.id.0, g)).collect();
        let mut grants = Vec::with_capacity(rows.len());
        for row in rows {
            let before = self.territory_row(row);
            let same = before.filter(|before| *before == row).and_then(|_| known.get(&row.id));
            match same.map_or_else(|| territory(row, divisions), |grant| Ok((*grant).clone())) {
                Ok(grant) => grants.push(grant),
                Err((_, why)) => unread.push(format!("territory {}: {why}", row.id)),
            }
        }
        Territories::new(grants)
    }

    /// Whose goods are meant: those of the brand that was said, else of the only one.
    pub fn meant(&self, said: Option<BrandId>) -> Option<BrandId> {
        said.or_else(|| self.sole_brand())
    }

    /// Which brand is meant where nobody says: the only one that is vouched for. One that signed up
    /// by itself is never meant, and takes that from no other.
    pub fn sole_brand(&self) -> Option<BrandId> {
        let mut vouched = self.brands.iter().filter(|(_, row)| row.vouched).map(|(id, _)| *id);
        vouched.next().filter(|_| vouched.next().is_none())
    }

    /// Whether the operator vouches for a brand; for one that is not there yet, since the operator
    /// makes it.
    pub fn is_vouched(&self, brand: BrandId) -> bool {
        self.brands.get(&brand).is_none_or(|row| row.vouched)
    }

    /// The zone a brand's dates are in; Beijing's where there is no brand yet.
    pub fn zone(&self, brand: BrandId) -> &TimeZone {
        self.zones.get(&brand).unwrap_or(&self.first_zone.0)
    }

    /// The day an instant falls on for a brand.
    pub fn day(&self, brand: BrandId, at: jiff::Timestamp) -> Date {
        self.zone(brand).to_datetime(at).date()
    }

    /// Whether the name of some seller of the brand may be shown to the public.
    pub fn has_public_seller(&self, brand: BrandId) -> bool {
        self.public_sellers.contains(&brand)
    }

    /// A brand by its code.
    pub fn brand_by_code(&self, code: &str) -> Option<BrandId> {
        self.brands.iter().find(|(_, b)| b.code == code).map(|(id, _)| *id)
    }

    /// A party by its code.
    pub fn party(&self, brand: BrandId, code: &str) -> Option<&Party> {
        let id = self.party_codes.get(&(brand, code.to_owned()))?;
        self.tree.get(*id)
    }

    /// The brand's own party: the root of its tree.
    pub fn root(&self, brand: BrandId) -> Option<&Party> {
        self.tree.get(*self.roots.get(&brand)?)
    }

    /// A site by its own or its party's code.
    pub fn site(&self, brand: BrandId, code: &str) -> Option<&Site> {
        let id = self.site_codes.get(&(brand, code.to_owned()))?;
        self.sites.get(id)
    }

    /// Sites of a brand, in no order.
    pub fn sites(&self, brand: BrandId) -> impl Iterator<Item = &Site> {
        let ours = move |s: &&Site| self.tree.get(s.party).is_some_and(|p| p.brand == brand);
        self.sites.values().filter(ours)
    }

    /// A site by identity.
    pub fn site_by_id(&self, id: SiteId) -> Option<&Site> {
        self.sites.get(&id)
    }

    /// A product by GTIN, 14 digits.
    pub fn product(&self, brand: BrandId, gtin14: &str) -> Option<&Arc<Product>> {
        self.products.get(self.gtins.get(&(brand, gtin14.to_owned()))?)
    }

    /// A product by identity.
    pub fn product_by_id(&self, id: ProductId) -> Option<&Arc<Product>> {
        self.products.get(&id)
    }

    /// Products of a brand, by identity.
    pub fn products(&self, brand: BrandId) -> Vec<&Arc<Product>> {
        let mut all: Vec<_> = self.products.values().filter(|p| p.brand == brand).collect();
        all.sort_by_key(|p| p.id);
        all
    }

    /// All batches, by first number.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The batch a number was issued in.
    pub fn batch_of(&self, number: i64) -> Option<&Batch> {
        let after = self.batches.partition_point(|b| b.first <= number);
        self.batches[..after].last().filter(|b| number < b.end())
    }

    /// A batch by identity.
    pub fn batch(&self, id: i64) -> Option<&Batch> {
        self.batches.iter().find(|b| b.id == id)
    }

    /// Open batches that hand out numbers silently, oldest first. One whose codes were exported or
    /// delivered hands out none: somebody may wear them on a label.
    pub fn open_batches(
        &self,
        brand: BrandId,
        purpose: Purpose,
        product: Option<ProductId>,
    ) -> impl Iterator<Item = &Batch> {
        use store::reference::BatchState::Issued;
        self.batches.iter().filter(move |b| {
            b.brand == brand.0
                && b.purpose == purpose
                && b.state == Issued
                && b.product == product.map(|p| p.0)
        })
    }

    /// One past the highest number issued.
    pub fn line_end(&self) -> i64 {
        self.batches.last().map_or(1, Batch::end)
    }

    /// Why a code may no longer be used, when it was voided.
    pub fn void_reason(&self, number: i64) -> Option<&str> {
        use store::reference::BatchState::Void;
        if self.batch_of(number).is_some_and(|b| b.state == Void) {
            return Some("batch withdrawn");
        }
        let hit = self.voids.iter().find(|v| v.first <= number && number <= v.last);
        hit.map(|v| v.reason.as_str())
    }

    /// What of a range of numbers was not voided, in order.
    pub fn unvoided(&self, range: std::ops::Range<i64>) -> Vec<std::ops::Range<i64>> {
        let (mut left, mut at) = (Vec::new(), range.start);
        // Voided ranges come by their first number; they may overlap.
        for void in self.voids.iter().filter(|v| range.start <= v.last && v.first < range.end) {
            if at < void.first {
                left.push(at..void.first);
            }
            at = at.max(void.last + 1);
        }
        if at < range.end {
            left.push(at..range.end);
        }
        left
    }

    /// A key by its public half.
    pub fn api_key(&self, id: &str) -> Option<&ApiKeyRow> {
        self.api_keys.get(id)
    }

    /// All keys of a brand.
    pub fn api_keys(&self, brand: BrandId) -> Vec<&ApiKeyRow> {
        let mut all: Vec<_> = self.api_keys.values().filter(|k| k.brand == brand.0).collect();
        all.sort_by_key(|k| k.created_at);
        all
    }

    /// The grants of a brand as they were entered, in no order.
    pub fn territory_rows(&self, brand: BrandId) -> impl Iterator<Item = &TerritoryRow> {
        self.territory_keys.values().flatten().filter(move |row| row.brand == brand.0)
    }

    /// The grants that a row names, however it writes their regions, oldest first. One, or none;
    /// several where the same was granted again under other words before those made no difference.
    pub fn territories_alike(&self, row: &TerritoryRow) -> &[TerritoryRow] {
        let key = (row.brand, row.natural_key());
        self.territory_keys.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The grant that a row is a state of, as it stands.
    pub fn territory_row(&self, row: &TerritoryRow) -> Option<&TerritoryRow> {
        self.territories_alike(row).iter().find(|known| known.id == row.id)
    }

    /// A recall by its number.
    pub fn recall(&self, id: i64) -> Option<&Arc<Recall>> {
        self.recalls.iter().find(|recall| recall.row.id == id)
    }

    /// The recalls of a brand, by number.
    pub fn recalls(&self, brand: BrandId) -> impl Iterator<Item = &Arc<Recall>> {
        self.recalls.iter().filter(move |recall| recall.row.brand == brand.0)
    }

    /// A webhook by its id.
    pub fn webhook(&self, id: &str) -> Option<&Arc<WebhookRow>> {
        self.webhooks.get(id)
    }

    /// Every webhook, in no order.
    pub fn webhooks(&self) -> impl Iterator<Item = &Arc<WebhookRow>> {
        self.webhooks.values()
    }

    /// How many rows of a brand are kept here.
    pub fn row_count(&self, brand: BrandId) -> usize {
        let of = |owner: i64| owner == brand.0;
        let party = |id| self.tree.get(id).is_some_and(|p: &Party| p.brand == brand);
        self.tree.iter().filter(|p| p.brand == brand).count()
            + self.sites.values().filter(|s| party(s.party)).count()
            + self.products.values().filter(|p| p.brand == brand).count()
            + self.territory_rows(brand).count()
            + self.batches.iter().filter(|b| of(b.brand)).count()
            + self.voids.iter().filter(|v| of(v.brand)).count()
            + self.api_keys.values().filter(|k| of(k.brand)).count()
            + self.recalls(brand).count()
            + self.webhooks().filter(|w| of(w.brand)).count()
    }

    /// Whether anybody's name may be shown to consumers as their channel.
    pub fn any_public_party(&self, brand: BrandId) -> bool {
        self.tree.iter().any(|p| p.brand == brand && p.public)
    }
}

/// Opens the code keys of a deployment.
pub fn key_ring(rows: &ReferenceRows, master: &MasterKey) -> Result<KeyRing, SecretsError> {
    let mut keys = rows
        .code_keys
        .iter()
        .filter_map(|row| Epoch::new(row.epoch).map(|epoch| (row, epoch)))
        .map(|(row, epoch)| {
            let secret = master.open(&code_key_label(row.epoch), &row.sealed)?;
            let secret = <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| SecretsError::Form)?;
            Ok(CodeKey::new(epoch, secret))
        })
        .collect::<Result<Vec<_>, SecretsError>>()?;
    keys.sort_by_key(|k| std::cmp::Reverse(k.epoch().get()));
    let mut keys = keys.into_iter();
    let current = keys.next().ok_or(SecretsError::Missing)?;
    let ring = KeyRing::new(current).with_starts(epoch_starts(rows));
    keys.try_fold(ring, |ring, key| ring.with_retired(key).map_err(|_| SecretsError::Form))
}

/// From which number on the codes of an epoch were issued.
pub fn epoch_starts(rows: &ReferenceRows) -> Starts {
    let start = |epoch, first| Some((unit_number(first), Epoch::new(epoch)?));
    rows.batches.iter().filter_map(|batch| start(batch.epoch, batch.first)).collect()
}

/// Grants by what makes them the same grant, in the order of the rows.
fn by_key(rows: Vec<TerritoryRow>) -> HashMap<(i64, String), Vec<TerritoryRow>> {
    let mut keyed: HashMap<_, Vec<_>> = HashMap::with_capacity(rows.len());
    for row in rows {
        keyed.entry((row.brand, row.natural_key())).or_default().push(row);
    }
    keyed
}

/// Which column of a grant cannot be read, and why.
pub type Unread = (&'static str, String);

/// Reads a stored grant against the divisions.
pub fn territory(row: &TerritoryRow, divisions: &Divisions) -> Result<Territory, Unread> {
    let codes = |column: &'static str, words: &[String]| {
        words
            .iter()
            .map(|w| divisions.parse(w).map_err(|e| (column, format!("{w}: {e}"))))
            .collect::<Result<Vec<RegionCode>, Unread>>()
    };
    let fences = match &row.polygons {
        Some(text) => crate::geo::read_fences(text)
            .map_err(|e| ("polygons", e.to_string()))?
            .into_iter()
            .map(Arc::new)
            .collect(),
        None => Vec::new(),
    };
    let included = codes("regions", &row.regions)?;
    let excluded = codes("excluded", &row.excluded)?;
    let regions = RegionSet::new(&included, &excluded, fences, divisions)
        .map_err(|e| ("regions", e.to_string()))?;
    let day = |column: &'static str, text: &str| -> Result<Date, Unread> {
        text.parse().map_err(|_| (column, format!("{text} is no date")))
    };
    Ok(Territory {
        id: domain::id::TerritoryId(row.id),
        brand: BrandId(row.brand),
        party: PartyId(row.party),
        product: row.product.map(ProductId),
        regions,
        from_on: day("from_on", &row.from_on)?,
        to_on: row.to_on.as_deref().map(|text| day("to_on", text)).transpose()?,
        channel: Channel::parse(&row.channel)
            .ok_or_else(|| ("channel", "unknown channel".to_owned()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Geo;
    use domain::region::Polygon;

    /// A grant of a party, of a province and a fence that is this wide, in degrees.
    fn row(id: i64, region: &str, wide: u8) -> TerritoryRow {
        let ring = format!("[[100,20],[10{wide},20],[10{wide},21],[100,20]]");
        TerritoryRow {
            id,
            brand: 1,
            party: id,
            product: None,
            regions: vec![region.to_owned()],
            excluded: Vec::new(),
            polygons: Some(format!(r#"{{"type":"Polygon","coordinates":[{ring}]}}"#)),
            from_on: "2026-01-01".to_owned(),
            to_on: None,
            channel: "both".to_owned(),
        }
    }

    fn fence(reference: &Reference, id: i64) -> &Arc<Polygon> {
        let grant = reference.territories.iter().find(|grant| grant.id.0 == id);
        &grant.expect("it is granted").regions.fences()[0]
    }

    #[test]
    fn only_a_grant_that_changed_is_read_again() {
        let geo = Geo::tables_only().expect("the shipped tables are sound");
        let read = |territories: Vec<TerritoryRow>, before: &Reference| {
            let rows = ReferenceRows { territories, ..ReferenceRows::default() };
            Reference::after(before, rows, geo.divisions())
        };
        let unreadable = || row(9, "98", 1);
        let first =
            read(vec![row(1, "53", 1), row(2, "42", 1), unreadable()], &Reference::default());
        let ended = TerritoryRow { to_on: Some("2026-06-30".to_owned()), ..row(2, "42", 2) };
        let rows = vec![row(1, "53", 1), ended, row(3, "44", 1), unreadable()];
        let second = read(rows.clone(), &first);
        assert!(Arc::ptr_eq(fence(&first, 1), fence(&second, 1)), "it stands as it stood");
        assert!(!Arc::ptr_eq(fence(&first, 2), fence(&second, 2)));
        assert_eq!(fence(&second, 2).rings()[0][1], [102.0, 20.0], "as its row says now");
        assert_eq!(second.unread.len(), 1, "it is told again: {:?}", second.unread);
        // It is what it would be if everything had been read.
        let anew = read(rows, &Reference::default());
        let grants = |reference: &Reference| {
            let mut all: Vec<_> = reference.territories.iter().cloned().collect();
            all.sort_by_key(|grant| grant.id.0);
            all
        };
        assert_eq!(grants(&second), grants(&anew));
        // A row that went takes its grant along.
        let third = read(vec![row(3, "44", 1)], &second);
        assert_eq!(grants(&third).len(), 1);
        assert!(Arc::ptr_eq(fence(&second, 3), fence(&third, 3)));
    }

    #[test]
    fn what_was_granted_twice_under_other_words_is_two_rows_of_one_key() {
        let geo = Geo::tables_only().expect("the shipped tables are sound");
        let of = |id: i64, words: &[&str]| TerritoryRow {
            party: 1,
            regions: words.iter().map(|word| (*word).to_owned()).collect(),
            ..row(id, "53", 1)
        };
        let territories = vec![of(1, &["50", "51"]), of(2, &["510000", "50"]), of(3, &["50"])];
        let rows = ReferenceRows { territories, ..ReferenceRows::default() };
        let first = Reference::new(rows.clone(), geo.divisions());
        let second = Reference::after(&first, rows, geo.divisions());
        for read in [&first, &second] {
            let mut listed: Vec<_> = read.territory_rows(BrandId(1)).map(|row| row.id).collect();
            listed.sort_unstable();
            assert_eq!((listed, read.row_count(BrandId(1))), (vec![1, 2, 3], 3));
            let ids = |row: &TerritoryRow| -> Vec<i64> {
                read.territories_alike(row).iter().map(|row| row.id).collect()
            };
            assert_eq!(ids(&of(0, &["51", "50", "51"])), [1, 2]);
            assert!(ids(&of(0, &["51"])).is_empty());
            assert_eq!(read.territory_row(&of(2, &["50", "51"])).map(|row| row.id), Some(2));
            assert_eq!(read.territories.iter().count(), 3);
        }
        assert!(Arc::ptr_eq(fence(&first, 2), fence(&second, 2)), "it is not read again");
    }

    #[test]
    fn a_grant_that_cannot_be_read_names_the_column() {
        let geo = Geo::tables_only().expect("the shipped tables are sound");
        let column = |row: &TerritoryRow| territory(row, geo.divisions()).err().map(|why| why.0);
        let sound = row(1, "53", 1);
        assert_eq!(column(&sound), None);
        let zz = || vec!["zz".to_owned()];
        assert_eq!(column(&TerritoryRow { regions: zz(), ..sound.clone() }), Some("regions"));
        assert_eq!(column(&TerritoryRow { excluded: zz(), ..sound }), Some("excluded"));
    }
}
