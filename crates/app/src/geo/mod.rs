//! Where an address is: the shipped databases, the operator's own files, and the tables.
//!
//! Two databases answer: one for provinces of China (xdb), one for countries (mmdb). They are
//! compressed in the executable and unpacked to memory when [`Geo::load`] is called; an operator's
//! file of the same role replaces the shipped one. No xdb of IPv6 ships, so an IPv6 address has a
//! country only unless the operator gives one. A role without data answers nothing and the product
//! still runs. How much an answer is worth is for `detect` to say.

mod cidr;
mod fence;
mod manifest;
mod mmdb;
mod tables;
mod visitor;
mod xdb;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect::location::{
    FamilyReading, IpReading, Model, Network, Observations, SourceReading, assess,
};
use domain::region::{Divisions, Level, RegionCode};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

pub use cidr::{RANGES_MAX, Range, Ranges};
pub use fence::{FENCES_MAX, read_fences, write_fences};
pub use mmdb::{DBIP_ATTRIBUTION, Mmdb, MmdbText};
pub use tables::Countries;
pub use visitor::VisitorPlace;
pub use xdb::{IpVersion, Xdb, XdbText};

use manifest::Entry;

const XDB: &[u8] = include_bytes!("../../../../data/geo/ip2region.xdb.zst");
const MMDB: &[u8] = include_bytes!("../../../../data/geo/dbip-country.mmdb.zst");
/// Unpacked size no shipped file may pass: a guard against a broken archive.
const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// A database older than this is named in warnings, in days.
pub const STALE_AFTER_DAYS: i32 = 180;
/// ISP names of ip2region's files that mean a mobile carrier.
const MOBILE_ISPS: [&str; 4] = ["移动", "铁通", "中国移动", "中国铁通"];
/// The roles of the databases of Chinese provinces.
const CHINA_V4: &str = "ipv4-china";
const CHINA_V6: &str = "ipv6-china";

/// Why geodata could not be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{0}")]
    Format(String),
}

impl GeoError {
    fn row(table: &str, line: usize, what: &dyn std::fmt::Display) -> Self {
        Self::Format(format!("{table}, line {line}: {what}"))
    }

    fn of(path: &Path, what: &dyn std::fmt::Display) -> Self {
        Self::Format(format!("{}: {what}", path.display()))
    }
}

/// Files of the operator; each replaces the shipped file of its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoPaths {
    /// An IPv4 xdb.
    pub xdb: Option<PathBuf>,
    /// An IPv6 xdb. None ships.
    pub xdb_v6: Option<PathBuf>,
    /// The fields of the texts of both, as in `country|province|city|isp|iso2`; without it those
    /// of ip2region's own files. They cannot be guessed from the file.
    pub xdb_layout: Option<String>,
    /// An mmdb with countries, perhaps with provinces.
    pub mmdb: Option<PathBuf>,
    /// The operator's ranges (see [`Ranges`]).
    pub ranges: Option<PathBuf>,
}

/// One database in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// `ipv4-china`, `ipv6-china`, `country` or `ranges`.
    pub role: String,
    /// The package it came from, or the operator's path.
    pub source: String,
    /// The day its maker stamped on it.
    pub built_on: Option<Date>,
    /// SHA-256 of its plain bytes, hex.
    pub sha256: String,
    /// Its licence; empty for the operator's files.
    pub licence: String,
    /// The words to show with its answers; of the operator's files only where it is DB-IP's.
    pub attribution: String,
}

impl Database {
    /// Whether it is older than [`STALE_AFTER_DAYS`]. One without a stamp never is.
    pub fn is_stale(&self, today: Date) -> bool {
        self.built_on.is_some_and(|built| (today - built).get_days() > STALE_AFTER_DAYS)
    }

    fn version(&self) -> String {
        let built = self.built_on.map_or_else(|| "undated".to_owned(), |d| d.to_string());
        format!("{} {built} {}", self.role, self.sha256.get(..8).unwrap_or_default())
    }
}

/// All geodata. Immutable: to reload, load another and swap the `Arc`.
pub struct Geo {
    divisions: Arc<Divisions>,
    countries: Countries,
    china: Option<Xdb>,
    china_v6: Option<Xdb>,
    world: Option<Mmdb>,
    ranges: Ranges,
    databases: Vec<Database>,
    versions: Arc<str>,
}

impl Geo {
    /// Unpacks the shipped data and reads the operator's. The parts are read side by side.
    ///
    /// # Errors
    /// [`GeoError`] for the first file that cannot be used.
    pub fn load(paths: &GeoPaths) -> Result<Self, GeoError> {
        let entries = manifest::shipped()?;
        let (tables, china, china_v6, world) = std::thread::scope(|scope| {
            let china = scope.spawn(|| load_china(paths, &entries));
            let china_v6 = scope.spawn(|| load_china_v6(paths));
            let world = scope.spawn(|| load_world(paths, &entries));
            let tables = tables::divisions().and_then(|d| Ok((d, Countries::shipped()?)));
            (tables, china.join(), china_v6.join(), world.join())
        });
        let lost = |_| GeoError::Format("a loader of geodata stopped".to_owned());
        let (divisions, countries) = tables?;
        let (china, china_stamp) = china.map_err(lost)??;
        let (china_v6, china_v6_stamp) = china_v6.map_err(lost)??.unzip();
        let (world, world_stamp) = world.map_err(lost)??;
        let mut databases = vec![china_stamp, world_stamp];
        databases.extend(china_v6_stamp);
        let mut ranges = Ranges::default();
        if let Some(path) = &paths.ranges {
            let bytes = read(path)?;
            ranges = Ranges::read(&bytes, &divisions).map_err(|e| GeoError::of(path, &e))?;
            databases.push(operator_file("ranges", path, &bytes));
        }
        let versions: Vec<String> = databases.iter().map(Database::version).collect();
        Ok(Self {
            divisions: Arc::new(divisions),
            countries,
            china: Some(china),
            china_v6,
            world: Some(world),
            ranges,
            databases,
            versions: versions.join("; ").into(),
        })
    }

    /// The tables alone: divisions, countries and network codes, every database role empty.
    ///
    /// # Errors
    /// [`GeoError`] when a shipped table is broken.
    pub fn tables_only() -> Result<Self, GeoError> {
        Ok(Self {
            divisions: Arc::new(tables::divisions()?),
            countries: Countries::shipped()?,
            china: None,
            china_v6: None,
            world: None,
            ranges: Ranges::default(),
            databases: vec![],
            versions: "".into(),
        })
    }

    /// The divisions table.
    pub fn divisions(&self) -> &Arc<Divisions> {
        &self.divisions
    }

    /// The databases in use, with stamps, licences and attributions.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// Role, date and digest of every database in one line, as kept with each reading.
    pub fn versions(&self) -> &Arc<str> {
        &self.versions
    }

    /// Whether DB-IP's data decides places, shipped or the operator's: pages then link to it.
    pub fn uses_dbip(&self) -> bool {
        self.world.as_ref().is_some_and(Mmdb::is_dbip)
    }

    /// The country of a mobile network code (`460`, `46000`).
    pub fn country_of_mcc(&self, mcc: &str) -> Option<RegionCode> {
        self.countries.of_mcc(mcc)
    }

    /// What is known of an address.
    pub fn lookup(&self, address: IpAddr) -> IpReading {
        let address = cidr::normalise(address);
        let mut reading = IpReading { versions: self.versions.clone(), ..IpReading::default() };
        let own = self.ranges.lookup(address);
        if let Some(region) = own.and_then(|r| r.region) {
            reading.operator = Some(SourceReading { region: Some(region), city: None });
        } else if cidr::is_reserved(address) {
            reading.reserved = true;
            return reading;
        }
        let (_, xdb) = self.china_of(address);
        if let Some(text) = xdb.and_then(|xdb| xdb.lookup(address)) {
            reading.china = self.of_xdb(&text);
            let mobile = text.isp.is_some_and(|isp| MOBILE_ISPS.contains(&isp));
            reading.network = if mobile { Network::Mobile } else { Network::Unknown };
        }
        reading.world = self
            .world
            .as_ref()
            .and_then(|mmdb| mmdb.lookup(address))
            .map(|text| self.of_mmdb(&text));
        if let Some(own) = own {
            reading.network = own.network;
        }
        reading
    }

    /// The database of Chinese provinces for an address, with its role.
    fn china_of(&self, address: IpAddr) -> (&'static str, Option<&Xdb>) {
        match address {
            IpAddr::V4(_) => (CHINA_V4, self.china.as_ref()),
            IpAddr::V6(_) => (CHINA_V6, self.china_v6.as_ref()),
        }
    }

    fn of_xdb(&self, text: &XdbText<'_>) -> Option<SourceReading> {
        text.country.or(text.iso2)?;
        // A code says it in no language; names abroad are Chinese in some files, English in others.
        let coded = text.iso2.and_then(|code| self.divisions.parse(code).ok());
        let named = || self.countries.of_xdb_name(text.country?);
        let country = coded.or_else(named);
        if country != Some(RegionCode::MAINLAND) {
            return Some(SourceReading { region: country, city: None });
        }
        let province = text.province.and_then(|p| self.divisions.province_named(p));
        let city = province.zip(text.city).and_then(|(p, c)| self.divisions.city_named(p, c));
        Some(SourceReading { region: province.or(country), city })
    }

    fn of_mmdb(&self, text: &MmdbText) -> SourceReading {
        let country = self.divisions.parse(&text.country).ok();
        let province = text.province.as_deref().and_then(|name| {
            self.divisions
                .named(name)
                .map(|d| d.code)
                .find(|c| c.level() == Level::Province && Some(c.country()) == country)
        });
        SourceReading { region: province.or(country), city: None }
    }

    /// What each source says of an address, for people: label and text.
    pub fn explain(&self, address: IpAddr) -> Vec<(String, String)> {
        let address = cidr::normalise(address);
        let reading = self.lookup(address);
        let mut lines = vec![("address".to_owned(), address.to_string())];
        let mut line = |label: &str, text: String| lines.push((label.to_owned(), text));
        if let Some(own) = self.ranges.lookup(address) {
            let place = own.region.map_or_else(|| "-".to_owned(), |region| self.named(region));
            let text = format!("{place} {} {}", own.network.as_str(), own.note);
            line("operator's range", text.trim_end().to_owned());
        }
        if reading.reserved {
            line("reserved", "private, carrier-internal or reserved: says nothing".to_owned());
        }
        if let (role, Some(xdb)) = self.china_of(address) {
            let raw = xdb.lookup(address).map_or("not found", |t| t.raw);
            line(role, format!("{raw} = {}", self.name(reading.china)));
        }
        if let Some(mmdb) = &self.world {
            let raw = mmdb.lookup(address).map_or("not found".to_owned(), |t| t.country);
            line("country", format!("{raw} = {}", self.name(reading.world)));
        }
        line("network class", reading.network.as_str().to_owned());
        for database in &self.databases {
            line("database", format!("{} ({})", database.version(), database.source));
            if !database.attribution.is_empty() {
                line("attribution", database.attribution.clone());
            }
        }
        lines
    }

    /// What a first start from an address would be held to say of its place, whatever the sources
    /// say: by the very rule, which here has no territory to compare with.
    pub fn weighed(&self, address: IpAddr) -> Option<FamilyReading> {
        let seen = Observations { ip: Some(self.lookup(address)), ..Observations::default() };
        let model = Model::default();
        let weighed = assess(&seen, None, model.prior, &model, &self.divisions);
        weighed.families.into_iter().next()
    }

    fn name(&self, reading: Option<SourceReading>) -> String {
        let Some(reading) = reading else { return "-".to_owned() };
        let codes = [reading.region, reading.city];
        let names = codes.into_iter().flatten().map(|code| self.named(code));
        let text = names.collect::<Vec<_>>().join(", ");
        if text.is_empty() { "no country the tables know".to_owned() } else { text }
    }

    /// A region by its code and its name.
    pub fn named(&self, region: RegionCode) -> String {
        let zh = self.divisions.get(region).map_or("", |d| &d.zh);
        format!("{region} {zh}").trim_end().to_owned()
    }
}

fn load_china(paths: &GeoPaths, entries: &[Entry]) -> Result<(Xdb, Database), GeoError> {
    if let Some(path) = &paths.xdb {
        return own_xdb(path, paths, (CHINA_V4, IpVersion::V4));
    }
    let entry = manifest::of_role(entries, CHINA_V4)?;
    Ok((Xdb::new(unpack(XDB)?, Some(&entry.layout))?, entry.database()))
}

fn load_china_v6(paths: &GeoPaths) -> Result<Option<(Xdb, Database)>, GeoError> {
    let path = paths.xdb_v6.as_ref();
    path.map(|path| own_xdb(path, paths, (CHINA_V6, IpVersion::V6))).transpose()
}

fn own_xdb(
    path: &Path,
    paths: &GeoPaths,
    (role, version): (&str, IpVersion),
) -> Result<(Xdb, Database), GeoError> {
    let wrong = |what: &dyn std::fmt::Display| GeoError::of(path, what);
    let bytes = read(path)?;
    let mut stamp = operator_file(role, path, &bytes);
    let xdb = Xdb::new(bytes, paths.xdb_layout.as_deref()).map_err(|e| wrong(&e))?;
    match (xdb.version(), version) {
        (IpVersion::V4, IpVersion::V6) => return Err(wrong(&"is of IPv4: give it as --geo-xdb")),
        (IpVersion::V6, IpVersion::V4) => {
            return Err(wrong(&"is of IPv6: give it as --geo-xdb-v6"));
        }
        _ => xdb.verify().map_err(|e| wrong(&e))?,
    }
    stamp.built_on = day(xdb.built_epoch().into());
    Ok((xdb, stamp))
}

fn load_world(paths: &GeoPaths, entries: &[Entry]) -> Result<(Mmdb, Database), GeoError> {
    let entry = manifest::of_role(entries, "country")?;
    let Some(path) = &paths.mmdb else {
        return Ok((Mmdb::new(unpack(MMDB)?, &entry.package)?, entry.database()));
    };
    let bytes = read(path)?;
    let mut stamp = operator_file(&entry.role, path, &bytes);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The file that ships is what it is under any name.
    let source = if stamp.sha256 == entry.sha256_plain { &*entry.package } else { &*name };
    let mmdb = Mmdb::new(bytes, source).map_err(|e| GeoError::of(path, &e))?;
    stamp.built_on = i64::try_from(mmdb.built_epoch()).ok().and_then(day);
    if mmdb.is_dbip() {
        stamp.attribution = DBIP_ATTRIBUTION.to_owned();
    }
    Ok((mmdb, stamp))
}

fn operator_file(role: &str, path: &Path, bytes: &[u8]) -> Database {
    Database {
        role: role.to_owned(),
        source: path.display().to_string(),
        built_on: None,
        sha256: sha256_hex(bytes),
        licence: String::new(),
        attribution: String::new(),
    }
}

fn day(epoch: i64) -> Option<Date> {
    Timestamp::from_second(epoch).ok().map(|t| TimeZone::UTC.to_datetime(t).date())
}

fn read(path: &Path) -> Result<Vec<u8>, GeoError> {
    std::fs::read(path).map_err(|source| GeoError::File { path: path.to_owned(), source })
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, GeoError> {
    let broken = |what: &str| GeoError::Format(format!("shipped geodata: {what}"));
    let bytes = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let bytes = bytes.and_then(|b| usize::try_from(b).ok()).ok_or_else(|| broken("no size"))?;
    if bytes > UNPACKED_BYTES_MAX {
        return Err(broken("larger than it may be"));
    }
    zstd::bulk::decompress(packed, bytes).map_err(|error| broken(&error.to_string()))
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
