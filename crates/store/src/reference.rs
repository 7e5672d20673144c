//! Reference rows: brands, parties, sites, products, territories, batches, voided ranges, keys.
//! They are few, read whole into memory, and guarded by one version row: whoever changes one bumps
//! it, whoever decided on them names the version it read.

use crate::engine::{DecodeError, Row, Step, Value};
use crate::recall::{self, RecallRow};
use crate::webhook::WebhookRow;
use crate::{Store, StoreError, product};
use domain::id::{BatchId, BrandId, PartyId, SiteId, TerritoryId};
use domain::organisation::Uscc;
use domain::party::{Party, PartyKind, Site, SiteKind};
use domain::product::Product;
use domain::region::in_one_form;
use serde::{Deserialize, Serialize};

mod load;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrandRow {
    /// Row identity.
    pub id: i64,
    /// Short name, unique in the deployment.
    pub code: String,
    /// Name as shown.
    pub name: String,
    /// IANA zone its dates are in.
    pub time_zone: String,
    /// Whether the operator vouches for it. Rows written before there was the question were made
    /// by the operator.
    #[serde(default = "vouched")]
    pub vouched: bool,
}

fn vouched() -> bool {
    true
}

/// A sales grant as stored: region words as given, parsed against the divisions when loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TerritoryRow {
    /// Row identity.
    pub id: i64,
    /// The tenant.
    pub brand: i64,
    /// Who may sell.
    pub party: i64,
    /// What; none for all.
    pub product: Option<i64>,
    /// GB/T 2260 prefixes or ISO countries.
    pub regions: Vec<String>,
    /// The same, taken out again.
    pub excluded: Vec<String>,
    /// GeoJSON geofence, when there is one.
    pub polygons: Option<String>,
    /// First day.
    pub from_on: String,
    /// Last day.
    pub to_on: Option<String>,
    /// `online`, `offline`, `both`.
    pub channel: String,
}

impl TerritoryRow {
    /// What makes two rows the same grant: party, product, regions, channel, first day. How the
    /// regions are written makes no difference. Rows from before that may be two of one key: each
    /// lies under the words it came with, since a row that is put again keeps its column.
    pub fn natural_key(&self) -> String {
        let product = self.product.map_or("*".to_owned(), |p| p.to_string());
        let regions = in_one_form(&self.regions).join("|");
        format!("{} {product} {regions} {} {}", self.party, self.channel, self.from_on)
    }
}

/// What a batch of codes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Codes leave on labels; only files that name them bind them.
    Printed,
    /// Codes are taken silently by production records that name none.
    Unprinted,
    /// Numbers of packs.
    Pack,
}

impl Purpose {
    /// The word in files, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Printed => "printed",
            Self::Unprinted => "unprinted",
            Self::Pack => "pack",
        }
    }
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Minted.
    Issued,
    /// Its codes were written out, though it is unprinted: it hands out no more.
    Exported,
    /// Handed over.
    Delivered,
    /// Withdrawn.
    Void,
}

impl BatchState {
    /// The word in the API and at the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Exported => "exported",
            Self::Delivered => "delivered",
            Self::Void => "void",
        }
    }
}

/// A minted range of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Row identity.
    pub id: i64,
    /// The tenant.
    pub brand: i64,
    /// What the codes are for; none for packs.
    pub product: Option<i64>,
    /// Printed, unprinted or pack.
    pub purpose: Purpose,
    /// First number.
    pub first: i64,
    /// How many.
    pub count: i64,
    /// Key epoch, 0 to 31.
    pub epoch: u8,
    /// Where it stands.
    pub state: BatchState,
    /// Whether scratch codes go with it.
    pub scratch: bool,
    /// When it was minted, microseconds.
    pub created_at: i64,
    /// The party it was handed to, where the receiver was named by its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_to: Option<i64>,
    /// To whom it was handed, where that was said in words. Rows from before words were kept here
    /// lack them: only their events tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_words: Option<String>,
}

impl Batch {
    /// One past the last number.
    pub fn end(&self) -> i64 {
        self.first + self.count
    }

    /// All its numbers.
    pub fn numbers(&self) -> std::ops::Range<i64> {
        self.first..self.end()
    }

    /// The batch's identity.
    pub fn id(&self) -> BatchId {
        BatchId(self.id)
    }
}

/// A range of codes that may no longer be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoidRow {
    /// First number.
    pub first: i64,
    /// Last number, inclusive.
    pub last: i64,
    /// The tenant.
    pub brand: i64,
    /// Why.
    pub reason: String,
}

/// The secret an API key had before its present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// SHA-256 of it, in hexadecimal digits.
    pub digest: String,
    /// From when on it is not good any more, microseconds.
    pub until: i64,
}

/// An API key; its secrets are known only as digests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRow {
    /// Public half.
    pub id: String,
    /// The tenant.
    pub brand: i64,
    /// SHA-256 of the secret half.
    #[serde(skip)]
    pub digest: Vec<u8>,
    /// The party it acts for.
    pub party: i64,
    /// Scope words.
    pub scopes: Vec<String>,
    /// What it is for, in words.
    pub name: String,
    /// When it was made, microseconds.
    pub created_at: i64,
    /// When it was withdrawn.
    pub revoked_at: Option<i64>,
    // Rows from before keys were bound lack what follows: they are good from anywhere, for ever.
    /// Ranges of addresses it may be used from; none for anywhere.
    #[serde(default)]
    pub from: Vec<String>,
    /// From when on it is not good any more.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// When it got its present secret; none while that is its first.
    #[serde(default)]
    pub rotated_at: Option<i64>,
    /// The secret before, while that may still be good.
    #[serde(default)]
    pub previous: Option<PreviousSecret>,
}

/// A code key, sealed by the master key.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeKeyRow {
    /// 0 to 31.
    pub epoch: u8,
    /// Ciphertext.
    pub sealed: Vec<u8>,
    /// Microseconds.
    pub created_at: i64,
}

/// One change of a reference row.
#[derive(Clone, Debug, PartialEq)]
pub enum ReferenceChange {
    /// A new tenant.
    Brand(BrandRow),
    /// A new or changed party.
    Party(Party),
    /// A new or changed site.
    Site(BrandId, Site),
    /// A new or changed product.
    Product(Product),
    /// A new grant.
    Territory(TerritoryRow),
    /// A new or changed batch.
    Batch(Batch),
    /// Where a batch starts to hand out numbers.
    DrawStart(BatchId, i64),
    /// Codes voided.
    Void(VoidRow),
    /// A new or changed key.
    ApiKey(ApiKeyRow),
    /// A new code key.
    CodeKey(CodeKeyRow),
    /// A code key sealed anew.
    CodeKeyRewrapped(CodeKeyRow),
    /// A new or changed recall.
    Recall(RecallRow),
    /// A new or changed webhook.
    Webhook(WebhookRow),
    /// A webhook that is no more.
    WebhookRemoved(WebhookRow),
    /// From now on a serial number may have the form of a trace code.
    CodeLikeSn,
}

/// All reference rows as of one version.
#[derive(Clone, Debug, Default)]
pub struct ReferenceRows {
    /// The version read.
    pub version: i64,
    /// Tenants.
    pub brands: Vec<BrandRow>,
    /// Parties.
    pub parties: Vec<Party>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Products.
    pub products: Vec<Product>,
    /// Grants.
    pub territories: Vec<TerritoryRow>,
    /// Batches, by first number.
    pub batches: Vec<Batch>,
    /// Voided ranges, by first number.
    pub voids: Vec<VoidRow>,
    /// Keys.
    pub api_keys: Vec<ApiKeyRow>,
    /// Sealed code keys.
    pub code_keys: Vec<CodeKeyRow>,
    /// Recalls, by number.
    pub recalls: Vec<RecallRow>,
    /// Webhooks.
    pub webhooks: Vec<WebhookRow>,
    /// Whether any serial number has the form of a trace code.
    pub code_like_sn: bool,
}

#[derive(Serialize, Deserialize)]
struct PartyRecord {
    kind: String,
    name: String,
    parent: Option<i64>,
    region: Option<String>,
    address: String,
    phone: String,
    point: Option<(f64, f64)>,
    public: bool,
    // Rows from before organisations were named lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    // Rows from before regulators had categories lack them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    categories: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct SiteRecord {
    party: i64,
    name: String,
    kind: String,
    region: Option<String>,
    // Rows from before there were further sites lack these: all of them are main sites.
    #[serde(default)]
    address: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    point: Option<(f64, f64)>,
}

const VERSION: &str = "SELECT value FROM version WHERE name = 'reference'";
const BRANDS: &str = "SELECT record FROM brand ORDER BY id";
const PARTIES: &str = "SELECT id, brand_id, code, record FROM party ORDER BY id";
const SITES: &str = "SELECT id, code, record FROM site ORDER BY id";
const PRODUCTS: &str = "SELECT id, brand_id, gtin, record FROM product ORDER BY id";
const TERRITORIES: &str = "SELECT record FROM territory ORDER BY id";
const BATCHES: &str = "SELECT record FROM batch ORDER BY first_number";
const VOIDS: &str = "SELECT record FROM code_void ORDER BY first_number";
const API_KEYS: &str = "SELECT record, digest FROM api_key ORDER BY id";
const CODE_KEYS: &str = "SELECT epoch, sealed, created_at FROM code_key ORDER BY epoch";

const BRAND_PUT: &str = "INSERT INTO brand (id, code, record) VALUES ($1, $2, $3) \
    ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const PARTY_PUT: &str = "INSERT INTO party (id, brand_id, code, record) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const SITE_PUT: &str = "INSERT INTO site (id, brand_id, code, record) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const PRODUCT_PUT: &str = "INSERT INTO product (id, brand_id, gtin, record) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const TERRITORY_PUT: &str = "INSERT INTO territory (id, brand_id, natural_key, record) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const BATCH_PUT: &str = "INSERT INTO batch (id, brand_id, first_number, record) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET record = excluded.record";
const DRAW_PUT: &str = "INSERT INTO draw (batch_id, next_number) VALUES ($1, $2)";
const VOID_PUT: &str = "INSERT INTO code_void (first_number, last_number, brand_id, record) \
    VALUES ($1, $2, $3, $4)";
const API_KEY_PUT: &str = "INSERT INTO api_key (id, brand_id, digest, record) \
    VALUES ($1, $2, $3, $4) \
    ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, record = excluded.record";
const CODE_KEY_PUT: &str = "INSERT INTO code_key (epoch, sealed, created_at) VALUES ($1, $2, $3)";
const CODE_KEY_REWRAP: &str = "UPDATE code_key SET sealed = $2 WHERE epoch = $1";

const CODE_LIKE_SN: &str = "SELECT value FROM version WHERE name = 'code_like_sn'";
const CODE_LIKE_SN_PUT: &str = "INSERT INTO version (name, value) VALUES ('code_like_sn', 1) \
    ON CONFLICT (name) DO NOTHING";

/// The statements of this file, for the test that prepares every one on both engines.
pub(crate) const STATEMENTS: &[&str] = &[
    VERSION,
    BRANDS,
    PARTIES,
    SITES,
    PRODUCTS,
    TERRITORIES,
    BATCHES,
    VOIDS,
    API_KEYS,
    CODE_KEYS,
    BRAND_PUT,
    PARTY_PUT,
    SITE_PUT,
    PRODUCT_PUT,
    TERRITORY_PUT,
    BATCH_PUT,
    DRAW_PUT,
    VOID_PUT,
    API_KEY_PUT,
    CODE_KEY_PUT,
    CODE_KEY_REWRAP,
    CODE_LIKE_SN,
    CODE_LIKE_SN_PUT,
];

impl Store {
    /// The version of the reference rows: cheap, polled.
    pub async fn reference_version(&self) -> Result<i64, StoreError> {
        let version = self.engine.query_first(VERSION, &[], |row| row.int(0)).await?;
        version.ok_or_else(|| StoreError::Record("the version row is missing".into()))
    }

    /// The version without a future, where the engine can: `None` on PostgreSQL.
    pub fn reference_version_inline(&self) -> Option<Result<i64, StoreError>> {
        let rows = self.engine.try_query_inline(VERSION, &[], |row| row.int(0))?;
        let missing = || StoreError::Record("the version row is missing".into());
        Some(rows.map_err(StoreError::from).and_then(|r| r.first().copied().ok_or_else(missing)))
    }

    /// Every reference row. The version is read first, so rows are never older than it says.
    pub async fn reference_load(&self) -> Result<ReferenceRows, StoreError> {
        load::Load { engine: &self.engine, unread: None }.all(self.reference_version().await?).await
    }

    /// The reference rows that can be read, and what is wrong with each that cannot: for whoever
    /// looks at a damaged store.
    ///
    /// # Errors
    /// The tables cannot be read at all.
    pub async fn reference_salvage(&self) -> Result<(ReferenceRows, Vec<String>), StoreError> {
        let mut load = load::Load { engine: &self.engine, unread: Some(Vec::new()) };
        let rows = load.all(self.reference_version().await?).await?;
        Ok((rows, load.unread.unwrap_or_default()))
    }
}

pub(crate) fn json<T: for<'a> Deserialize<'a>>(
    row: &Row<'_>,
    column: usize,
) -> Result<T, DecodeError> {
    let text = row.text(column)?;
    serde_json::from_str(&text).map_err(|e| DecodeError::new(column, "a record", e))
}

fn party(row: &Row<'_>) -> Result<Party, DecodeError> {
    let record: PartyRecord = json(row, 3)?;
    let kind = PartyKind::parse(&record.kind);
    Ok(Party {
        id: PartyId(row.int(0)?),
        brand: BrandId(row.int(1)?),
        code: row.text(2)?,
        kind: kind.ok_or_else(|| DecodeError::new(3, "a party kind", &record.kind))?,
        name: record.name,
        parent: record.parent.map(PartyId),
        region: record.region,
        address: record.address,
        phone: record.phone,
        point: record.point,
        public: record.public,
        organisation: match record.organisation {
            None => None,
            Some(code) => {
                let read = Uscc::parse(&code);
                Some(read.map_err(|_| DecodeError::new(3, "an organisation", &code))?)
            }
        },
        categories: record.categories.iter().filter_map(|word| word.parse().ok()).collect(),
    })
}

fn site(row: &Row<'_>) -> Result<Site, DecodeError> {
    let record: SiteRecord = json(row, 2)?;
    let kind = SiteKind::parse(&record.kind);
    Ok(Site {
        id: SiteId(row.int(0)?),
        party: PartyId(record.party),
        code: row.text(1)?,
        name: record.name,
        kind: kind.ok_or_else(|| DecodeError::new(2, "a site kind", &record.kind))?,
        region: record.region,
        address: record.address,
        phone: record.phone,
        point: record.point,
    })
}

fn api_key(row: &Row<'_>) -> Result<ApiKeyRow, DecodeError> {
    let mut key: ApiKeyRow = json(row, 0)?;
    key.digest = row.bytes(1)?;
    Ok(key)
}

fn code_key(row: &Row<'_>) -> Result<CodeKeyRow, DecodeError> {
    let epoch = row.int(0)?;
    Ok(CodeKeyRow {
        epoch: u8::try_from(epoch).map_err(|_| DecodeError::new(0, "an epoch", epoch))?,
        sealed: row.bytes(1)?,
        created_at: row.int(2)?,
    })
}

impl ReferenceChange {
    /// The statements that write the row.
    pub(crate) fn steps(&self, steps: &mut Vec<Step>) {
        let (sql, params): (_, Vec<Value>) = match self {
            Self::Webhook(w) => return steps.extend(w.put()),
            Self::WebhookRemoved(w) => return steps.extend(w.removal()),
            Self::Brand(b) => (BRAND_PUT, vec![b.id.into(), (&b.code).into(), text(b)]),
            Self::Party(p) => (
                PARTY_PUT,
                vec![p.id.0.into(), p.brand.0.into(), (&p.code).into(), party_record(p)],
            ),
            Self::Site(brand, s) => {
                (SITE_PUT, vec![s.id.0.into(), brand.0.into(), (&s.code).into(), site_record(s)])
            }
            Self::Product(p) => (
                PRODUCT_PUT,
                vec![p.id.0.into(), p.brand.0.into(), (&p.gtin).into(), product::record(p)],
            ),
            Self::Territory(t) => {
                (TERRITORY_PUT, vec![t.id.into(), t.brand.into(), t.natural_key().into(), text(t)])
            }
            Self::Batch(b) => {
                (BATCH_PUT, vec![b.id.into(), b.brand.into(), b.first.into(), text(b)])
            }
            Self::CodeLikeSn => (CODE_LIKE_SN_PUT, vec![]),
            Self::Recall(r) => (recall::RECALL_PUT, vec![r.id.into(), r.brand.into(), text(r)]),
            Self::DrawStart(batch, next) => (DRAW_PUT, vec![batch.0.into(), (*next).into()]),
            Self::Void(v) => {
                (VOID_PUT, vec![v.first.into(), v.last.into(), v.brand.into(), text(v)])
            }
            Self::ApiKey(k) => (
                API_KEY_PUT,
                vec![(&k.id).into(), k.brand.into(), k.digest.clone().into(), text(k)],
            ),
            Self::CodeKey(k) => {
                (CODE_KEY_PUT, vec![k.epoch.into(), k.sealed.clone().into(), k.created_at.into()])
            }
            Self::CodeKeyRewrapped(k) => {
                (CODE_KEY_REWRAP, vec![k.epoch.into(), k.sealed.clone().into()])
            }
        };
        steps.push(Step::run(sql, params));
    }
}

pub(crate) fn text(record: &impl Serialize) -> Value {
    // These records hold only text and numbers, so writing them as JSON cannot fail.
    serde_json::to_string(record).unwrap_or_default().into()
}

fn party_record(p: &Party) -> Value {
    text(&PartyRecord {
        kind: p.kind.as_str().to_owned(),
        name: p.name.clone(),
        parent: p.parent.map(|p| p.0),
        region: p.region.clone(),
        address: p.address.clone(),
        phone: p.phone.clone(),
        point: p.point,
        public: p.public,
        organisation: p.organisation.map(|code| code.to_string()),
        categories: p.categories.iter().map(|c| c.as_str().to_owned()).collect(),
    })
}

fn site_record(s: &Site) -> Value {
    text(&SiteRecord {
        party: s.party.0,
        name: s.name.clone(),
        kind: s.kind.as_str().to_owned(),
        region: s.region.clone(),
        address: s.address.clone(),
        phone: s.phone.clone(),
        point: s.point,
    })
}

/// Typed identity of a stored grant.
pub fn territory_id(row: &TerritoryRow) -> TerritoryId {
    TerritoryId(row.id)
}
