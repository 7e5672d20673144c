//! Reads MaxMind DB files: the flat schema of the shipped file and MaxMind's nested one.

use std::net::IpAddr;

use maxminddb::{Metadata, Reader};
use serde::Deserialize;

use super::GeoError;

/// The words DB-IP's licence (CC BY 4.0) has shown with its answers.
pub const DBIP_ATTRIBUTION: &str = "IP Geolocation by DB-IP, https://db-ip.com";

/// How the types begin that ip-location-db gives its files, whosever data is in them. It packs
/// DB-IP's among others, and a file without its name says no more than that.
const PACKED: [&str; 2] = ["country ipv", "city ipv"];
/// What the names of its packages of others' data hold.
const OTHERS: [&str; 6] =
    ["geolite", "iptoasn", "iplocate", "asn-country", "user-country", "server-country"];

/// An mmdb file, held in memory as it is.
pub struct Mmdb {
    reader: Reader<Vec<u8>>,
    is_dbip: bool,
}

/// What an mmdb says of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MmdbText {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// English name of the first-level region, of files that have it.
    pub province: Option<String>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    country_code: Option<&'a str>,
    country: Option<Country<'a>>,
    state1: Option<&'a str>,
    #[serde(default)]
    subdivisions: Vec<Subdivision<'a>>,
}

#[derive(Deserialize)]
struct Country<'a> {
    #[serde(borrow)]
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Subdivision<'a> {
    #[serde(borrow, default)]
    names: Names<'a>,
}

#[derive(Deserialize, Default)]
struct Names<'a> {
    #[serde(borrow)]
    en: Option<&'a str>,
}

impl Mmdb {
    /// Takes a file. `source` is the name of the package or file it came from.
    ///
    /// # Errors
    /// [`GeoError::Format`] when it is no MaxMind DB.
    pub fn new(bytes: Vec<u8>, source: &str) -> Result<Self, GeoError> {
        let reader = Reader::from_source(bytes)
            .map_err(|error| GeoError::Format(format!("mmdb: {error}")))?;
        let is_dbip = is_dbip(reader.metadata(), source);
        Ok(Self { reader, is_dbip })
    }

    /// Whether it is DB-IP's, whose licence wants [`DBIP_ATTRIBUTION`] shown.
    pub fn is_dbip(&self) -> bool {
        self.is_dbip
    }

    /// Seconds since 1970 at which the file was made, as it says.
    pub fn built_epoch(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// What the file says of an address; none when it does not know it. An IPv6 address never has
    /// a province: no known database places China's IPv6 better than by country.
    pub fn lookup(&self, address: IpAddr) -> Option<MmdbText> {
        let row: Row<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        let country = row.country_code.or(row.country.and_then(|c| c.iso_code))?;
        let first = row.subdivisions.first().and_then(|s| s.names.en);
        // DB-IP places whatever it cannot place in Beijing, so its Beijing is no province; and a
        // file of the flat schema may be its, under a name that does not tell.
        let beijing_is_default = self.is_dbip || row.state1.is_some();
        let province = row
            .state1
            .or(first)
            .filter(|p| address.is_ipv4() && !p.is_empty())
            .filter(|p| !(beijing_is_default && p.eq_ignore_ascii_case("beijing")));
        Some(MmdbText { country: country.to_owned(), province: province.map(str::to_owned) })
    }
}

/// Whether a file is DB-IP's by what it says of itself or by its name. One of ip-location-db that
/// lost its name is taken for DB-IP's: a credit too many hurts nobody, one too few the licence.
fn is_dbip(metadata: &Metadata, source: &str) -> bool {
    let kind = metadata.database_type.to_ascii_lowercase();
    let source = source.to_ascii_lowercase();
    let told = metadata.description.values().map(|told| told.to_ascii_lowercase());
    let says = |text: &str| text.contains("dbip") || text.contains("db-ip");
    let is_packed = PACKED.iter().any(|begins| kind.starts_with(begins));
    let is_anothers = OTHERS.iter().any(|name| source.contains(name));
    let says_so = [kind, source].into_iter().chain(told).any(|text| says(&text));
    says_so || (is_packed && !is_anothers)
}
