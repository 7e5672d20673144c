//! Reads MaxMind DB files: the flat schema of the shipped file and MaxMind's nested one.

use std::net::IpAddr;

use maxminddb::Reader;
use serde::Deserialize;

use super::GeoError;

/// An mmdb file, held in memory as it is.
pub struct Mmdb {
    reader: Reader<Vec<u8>>,
    /// DB-IP places whatever it cannot place in Beijing, so its Beijing is no province.
    beijing_is_default: bool,
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
    /// Takes a file.
    ///
    /// # Errors
    /// [`GeoError::Format`] when it is no MaxMind DB.
    pub fn new(bytes: Vec<u8>) -> Result<Self, GeoError> {
        let reader = Reader::from_source(bytes)
            .map_err(|error| GeoError::Format(format!("mmdb: {error}")))?;
        let kind = reader.metadata().database_type.to_ascii_lowercase();
        let beijing_is_default = kind.contains("dbip") || kind.contains("db-ip");
        Ok(Self { reader, beijing_is_default })
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
        let province = row
            .state1
            .or(first)
            .filter(|p| address.is_ipv4() && !p.is_empty())
            .filter(|p| !(self.beijing_is_default && p.eq_ignore_ascii_case("beijing")));
        Some(MmdbText { country: country.to_owned(), province: province.map(str::to_owned) })
    }
}
