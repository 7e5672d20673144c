//! Drafts: rows whose fields are typed and bounded, not yet looked up.

use super::field::Fields;
use super::kind::Kind;
use super::row::RawRow;
use super::subject::SubjectRef;
use super::when;
use super::when::Instant;
use domain::certification::{CertificateStatus, Certification};
use domain::code::TraceCode;
use domain::disposition::Disposition;
use domain::gs1::{Gtin, Sscc};
use domain::identifier::{Identifier, Scheme};
use domain::organisation::Uscc;
use domain::party::{PartyKind, SiteKind};
use domain::policy::Category;
use domain::product::{check_picture, fen_from_yuan};
use domain::refusal::{Refusal, Refused};
use domain::region::RegionCode;
use domain::territory::Channel;
use domain::text::{self, LABEL_CHARS_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX};
use domain::verdict::Inspection;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Longest service life that may be stated, in months: fifty years.
const SERVICE_MONTHS_MAX: u16 = 600;

/// A row of `products`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductDraft {
    /// Its key.
    pub gtin: Gtin,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English, may be empty.
    pub name_en: String,
    /// Chooses the warranty policy.
    pub category: Category,
    /// The maker's model designation.
    pub model: String,
    /// Size, colour, memory.
    pub spec: String,
    /// Who answers for it.
    pub maker: String,
    /// Who made it, when another.
    pub contract_maker: String,
    /// Standards executed, in the order given.
    pub standards: Vec<String>,
    /// CCC certificate number, may be empty.
    pub ccc_certificate: String,
    /// Its other papers.
    pub certification: Certification,
    /// List price in fen.
    pub list_price_fen: Option<i64>,
    /// Address of a picture, may be empty.
    pub picture: String,
    /// Whether the device reports its first start; none when the file does not say.
    pub network_start: Option<bool>,
    /// Columns that the row says nothing about: in what is there already they stay as they are.
    pub lacking: Vec<&'static str>,
}

/// A row of `parties`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartyDraft {
    /// Its key.
    pub code: String,
    /// What it does.
    pub kind: PartyKind,
    /// Name as shown.
    pub name: String,
    /// Code of the party above.
    pub parent_code: Option<String>,
    /// Seat, as given; it has the form of a region.
    pub region: Option<String>,
    /// Street address, may be empty.
    pub address: String,
    /// Telephone as written, may be empty.
    pub phone: String,
    /// Longitude and latitude of the seat, WGS-84 degrees.
    pub point: Option<(f64, f64)>,
    /// Whether consumers may see its name.
    pub public: bool,
    /// The legal body it is.
    pub organisation: Option<Uscc>,
    /// Of a regulator, what it oversees.
    pub categories: Vec<Category>,
    /// Columns that the row says nothing about: in what is there already they stay as they are.
    pub lacking: Vec<&'static str>,
}

/// A row of `sites`.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteDraft {
    /// Its key.
    pub code: String,
    /// Who runs it.
    pub party_code: String,
    /// What it is for.
    pub kind: SiteKind,
    /// Name as shown.
    pub name: String,
    /// Where, as given; it has the form of a region.
    pub region: Option<String>,
    /// Street address, may be empty.
    pub address: String,
    /// Telephone as written, may be empty.
    pub phone: String,
    /// Longitude and latitude, WGS-84 degrees.
    pub point: Option<(f64, f64)>,
    /// Columns that the row says nothing about: in what is there already they stay as they are.
    pub lacking: Vec<&'static str>,
}

/// A row of `territories`.
#[derive(Clone, Debug, PartialEq)]
pub struct TerritoryDraft {
    /// Who may sell.
    pub party_code: String,
    /// What; none for all products.
    pub gtin: Option<Gtin>,
    /// Where, as given; each has the form of a region. Empty only where there are fences.
    pub regions: Vec<String>,
    /// Regions taken out again.
    pub excluded: Vec<String>,
    /// First day.
    pub from_on: Date,
    /// Last day.
    pub to_on: Option<Date>,
    /// Through which channel.
    pub channel: Channel,
    /// GeoJSON text that [`crate::geo::read_fences`] can read.
    pub polygons: Option<String>,
    /// Columns of which the row says nothing.
    pub lacking: Vec<&'static str>,
}

/// An identifier and the column it stood in: what is wrong with it is told there.
pub type Placed = (&'static str, Identifier);

/// A row of `production`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductionDraft {
    /// Its key.
    pub sn: Identifier,
    /// What was made.
    pub gtin: Gtin,
    /// When.
    pub produced_at: Instant,
    /// Where: a site, or a party.
    pub site_code: String,
    /// The trace code to bind; none takes one of the open unprinted batch.
    pub code: Option<TraceCode>,
    /// IMEIs, MEIDs, EIDs and MAC addresses, none twice, each with the column it stood in.
    pub identifiers: Vec<Placed>,
    /// Built-in parts, none twice.
    pub parts: Vec<Placed>,
    /// Production line, may be empty.
    pub line: String,
    /// Production lot, may be empty.
    pub lot: String,
    /// Quality result.
    pub inspection: Inspection,
    /// What it is for, when said.
    pub disposition: Option<Disposition>,
    /// The main unit of the saleable set it belongs to, in the form of a serial number.
    pub kit: Option<Identifier>,
}

/// A row of `packs`.
#[derive(Clone, Debug, PartialEq)]
pub struct PackDraft {
    /// The pack.
    pub sscc: Sscc,
    /// What was put in.
    pub child: SubjectRef,
    /// When.
    pub packed_at: Instant,
}

/// A row of `shipments`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShipmentDraft {
    /// Number of the shipment; rows that share it are one.
    pub shipment_no: String,
    /// Who hands over.
    pub from_code: String,
    /// Who it goes to.
    pub to_code: String,
    /// When the goods left.
    pub happened_at: Instant,
    /// What was shipped.
    pub subject: SubjectRef,
    /// Why, where no territory binds the receiver; may be empty.
    pub reason: String,
    /// Whether it was declared as sold to a group outside the territory.
    pub declared_group_purchase: bool,
}

/// A row of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    /// Of `products`.
    Product(ProductDraft),
    /// Of `parties`.
    Party(PartyDraft),
    /// Of `sites`.
    Site(SiteDraft),
    /// Of `territories`.
    Territory(TerritoryDraft),
    /// Of `production`.
    Production(ProductionDraft),
    /// Of `packs`.
    Pack(PackDraft),
    /// Of `shipments`.
    Shipment(ShipmentDraft),
}

/// Reads a row by its kind. What has no zone is in `zone`, the brand's.
///
/// # Errors
/// Every problem of the row, not only the first.
pub fn parse_row(row: &RawRow, zone: &TimeZone) -> Result<Draft, Vec<Refused>> {
    if row.is_unreadable() {
        return Err(row.faults().to_vec());
    }
    match row.kind() {
        Kind::Products => ProductDraft::parse(row, zone).map(Draft::Product),
        Kind::Parties => PartyDraft::parse(row, zone).map(Draft::Party),
        Kind::Sites => SiteDraft::parse(row, zone).map(Draft::Site),
        Kind::Territories => TerritoryDraft::parse(row, zone).map(Draft::Territory),
        Kind::Production => ProductionDraft::parse(row, zone).map(Draft::Production),
        Kind::Packs => PackDraft::parse(row, zone).map(Draft::Pack),
        Kind::Shipments => ShipmentDraft::parse(row, zone).map(Draft::Shipment),
    }
}

impl ProductDraft {
    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let gtin = f.must("gtin", Gtin::parse);
        let name_zh = f.name("name_zh");
        let name_en = f.text("name_en", NAME_CHARS_MAX);
        let category = f.must("category", category);
        let model = f.text("model", LABEL_CHARS_MAX);
        let spec = f.text("spec", NAME_CHARS_MAX);
        let maker = f.text("maker", NAME_CHARS_MAX);
        let contract_maker = f.text("contract_maker", NAME_CHARS_MAX);
        let standards = f.list("standards", |item| text::required(item, LABEL_CHARS_MAX));
        let ccc_certificate =
            f.may("ccc_certificate", |cell| text::code(cell, LABEL_CHARS_MAX)).unwrap_or_default();
        let certification = certification(&mut f);
        let list_price_fen = f.may("list_price_yuan", fen_from_yuan);
        let picture = f.may("picture", picture).unwrap_or_default();
        let network_start = f.yes("network_start");
        f.finish(|| {
            Some(Self {
                gtin: gtin?,
                name_zh: name_zh?,
                name_en,
                category: category?,
                model,
                spec,
                maker,
                contract_maker,
                standards,
                ccc_certificate,
                certification,
                list_price_fen,
                picture,
                network_start,
                lacking: row.lacking(),
            })
        })
    }
}

/// The papers of a product.
fn certification(f: &mut Fields<'_>) -> Certification {
    let words = || CertificateStatus::ALL.map(CertificateStatus::as_str).join(", ");
    let status = |cell: &str| {
        CertificateStatus::parse(cell).ok_or_else(|| format!("must be one of {}", words()))
    };
    let months = |cell: &str| {
        let months = cell.parse::<u16>().ok().filter(|n| (1..=SERVICE_MONTHS_MAX).contains(n));
        months.ok_or_else(|| format!("must be 1 to {SERVICE_MONTHS_MAX} months"))
    };
    let read = Certification {
        body: f.text("certificate_body", NAME_CHARS_MAX),
        from_on: f.may("certificate_from_on", when::read_date),
        to_on: f.may("certificate_to_on", when::read_date),
        status: f.may("certificate_status", status),
        licence: f.may("licence", |cell| text::code(cell, LABEL_CHARS_MAX)).unwrap_or_default(),
        test_report: f.text("test_report", NAME_CHARS_MAX),
        service_months: f.may("service_months", months),
    };
    if let Err(why) = read.is_in_order() {
        f.refuse("certificate_to_on", why);
    }
    read
}

impl PartyDraft {
    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let code = f.code("code");
        let kind = f.must("kind", |cell| {
            let words = || PartyKind::ALL.map(PartyKind::as_str).join(", ");
            PartyKind::parse(cell).ok_or_else(|| format!("must be one of {}", words()))
        });
        let name = f.name("name");
        let parent_code = f.may("parent_code", |cell| text::code(cell, text::CODE_CHARS_MAX));
        let region = f.may("region", region);
        let address = f.text("address", NOTE_CHARS_MAX);
        let phone = f.text("phone", LABEL_CHARS_MAX);
        let point = f.point();
        let public = f.yes("public").unwrap_or_default();
        let organisation = f.may("organisation", Uscc::parse);
        let categories = f.list("categories", category);
        f.finish(|| {
            Some(Self {
                organisation,
                code: code?,
                kind: kind?,
                name: name?,
                parent_code,
                region,
                address,
                phone,
                point,
                public,
                categories,
                lacking: row.lacking(),
            })
        })
    }
}

impl SiteDraft {
    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let code = f.code("code");
        let party_code = f.code("party_code");
        let kind = f.must("kind", |cell| {
            let words = || SiteKind::ALL.map(SiteKind::as_str).join(", ");
            SiteKind::parse(cell).ok_or_else(|| format!("must be one of {}", words()))
        });
        let name = f.name("name");
        let region = f.may("region", region);
        let address = f.text("address", NOTE_CHARS_MAX);
        let phone = f.text("phone", LABEL_CHARS_MAX);
        let point = f.point();
        f.finish(|| {
            Some(Self {
                code: code?,
                party_code: party_code?,
                kind: kind?,
                name: name?,
                region,
                address,
                phone,
                point,
                lacking: row.lacking(),
            })
        })
    }
}

impl TerritoryDraft {
    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let party_code = f.code("party_code");
        let gtin =
            f.must("gtin", |cell| if cell == "*" { Ok(None) } else { Gtin::parse(cell).map(Some) });
        let regions = f.list("regions", region);
        let excluded = f.list("excluded", region);
        let from_on = f.date("from_on");
        let to_on = f.may("to_on", when::read_date);
        let channel = f.word("channel", "online, offline, both", Channel::parse);
        let read = |cell: &str| crate::geo::read_fences(cell).map_err(|e| e.to_string());
        let polygons = f.may("polygons", |cell| read(cell).map(|_| cell.to_owned()));
        if row.cell("regions").is_empty() && row.cell("polygons").is_empty() {
            f.refuse("regions", "must not be empty without polygons");
        }
        f.finish(|| {
            Some(Self {
                party_code: party_code?,
                gtin: gtin?,
                regions,
                excluded,
                from_on: from_on?,
                to_on,
                channel: channel.unwrap_or(Channel::Both),
                polygons,
                lacking: row.lacking(),
            })
        })
    }
}

impl ProductionDraft {
    /// Every number of the unit but its serial number, with the column each stood in.
    pub fn numbers(&self) -> impl Iterator<Item = &Placed> {
        self.identifiers.iter().chain(&self.parts)
    }

    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let sn = f.must("sn", |cell| Identifier::parse(Scheme::Sn, cell));
        let gtin = f.must("gtin", Gtin::parse);
        let produced_at = f.instant("produced_at");
        let site_code = f.code("site_code");
        let code = f.may("code", TraceCode::parse);
        let mut identifiers = Vec::with_capacity(2);
        for name in ["imei1", "imei2"] {
            let imei = f.may(name, |cell| Identifier::parse(Scheme::Imei, cell));
            take_new(&mut f, name, &mut identifiers, imei);
        }
        for (name, scheme) in [("meid", Scheme::Meid), ("eid", Scheme::Eid), ("mac", Scheme::Mac)] {
            let found = f.identifiers(name, scheme);
            take_new(&mut f, name, &mut identifiers, found);
        }
        let mut parts = Vec::new();
        let found = f.identifiers("parts", Scheme::Part);
        take_new(&mut f, "parts", &mut parts, found);
        let line = f.may("line", |cell| text::lasting(cell, LABEL_CHARS_MAX)).unwrap_or_default();
        let lot = f.may("lot", |cell| text::code(cell, LABEL_CHARS_MAX)).unwrap_or_default();
        let inspection = f.word("inspection", "pass, fail, hold", inspection);
        let words = "sale, demo, gift, staff, export, duty_free, spare, refurbished";
        let disposition = f.word("disposition", words, Disposition::parse);
        let kit = f.may("kit", |cell| Identifier::parse(Scheme::Sn, cell));
        f.finish(|| {
            Some(Self {
                sn: sn?,
                gtin: gtin?,
                produced_at: produced_at?,
                site_code: site_code?,
                code,
                identifiers,
                parts,
                line,
                lot,
                inspection: inspection.unwrap_or_default(),
                disposition,
                kit,
            })
        })
    }
}

impl PackDraft {
    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let sscc = f.must("sscc", |cell| {
            Sscc::parse(cell).map_err(|problem| match problem {
                domain::gs1::Gs1Problem::CheckDigit { .. } => {
                    format!("SSCC check digit: {problem}")
                }
                _ => problem.to_string(),
            })
        });
        let child = f.must("child", SubjectRef::parse);
        let packed_at = f.instant("packed_at");
        f.finish(|| Some(Self { sscc: sscc?, child: child?, packed_at: packed_at? }))
    }
}

impl ShipmentDraft {
    fn parse(row: &RawRow, zone: &TimeZone) -> Result<Self, Vec<Refused>> {
        let mut f = Fields::new(row, zone);
        let shipment_no = f.must("shipment_no", |cell| text::code(cell, LABEL_CHARS_MAX));
        let from_code = f.code("from_code");
        let to_code = f.code("to_code");
        let happened_at = f.instant("happened_at");
        let subject = f.must("subject", SubjectRef::parse);
        let reason =
            f.may("reason", |cell| text::lasting(cell, NOTE_CHARS_MAX)).unwrap_or_default();
        let declared_group_purchase = f.yes("declared_group_purchase").unwrap_or_default();
        f.finish(|| {
            Some(Self {
                shipment_no: shipment_no?,
                from_code: from_code?,
                to_code: to_code?,
                happened_at: happened_at?,
                subject: subject?,
                reason,
                declared_group_purchase,
            })
        })
    }
}

/// Adds identifiers to those of the unit; one that is there already was copied into two cells.
fn take_new(
    f: &mut Fields<'_>,
    name: &'static str,
    known: &mut Vec<Placed>,
    found: impl IntoIterator<Item = Identifier>,
) {
    for identifier in found {
        if known.iter().any(|(_, one)| *one == identifier) {
            let more = format!("{} twice in this row", identifier.shown());
            f.refuse(name, more);
        } else {
            known.push((name, identifier));
        }
    }
}

/// A region in the form it was written; whether it exists the table of divisions says.
fn region(word: &str) -> Result<String, String> {
    match RegionCode::parse(word) {
        Ok(_) => Ok(word.trim().to_owned()),
        Err(problem) => Err(format!("{}: {problem}", Refusal::UnknownRegion)),
    }
}

fn category(word: &str) -> Result<Category, String> {
    let words = || Category::ALL.map(Category::as_str).join(", ");
    word.parse().map_err(|_| format!("must be one of {}", words()))
}

fn inspection(word: &str) -> Option<Inspection> {
    match word {
        "pass" => Some(Inspection::Pass),
        "fail" => Some(Inspection::Fail),
        "hold" => Some(Inspection::Hold),
        _ => None,
    }
}

/// An address that a page may show.
fn picture(cell: &str) -> Result<String, String> {
    let address = text::required(cell, NOTE_CHARS_MAX).map_err(|problem| problem.to_string())?;
    check_picture(&address).map_err(|problem| problem.to_string())?;
    Ok(address)
}
