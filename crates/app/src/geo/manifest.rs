//! `data/geo/geo.toml`: what ships, from where, under which licence, with which digests. The
//! digests are checked by a test, not at every start: the files are part of the executable.

use jiff::civil::Date;
use serde::Deserialize;

use super::{Database, GeoError};

const MANIFEST: &str = include_str!("../../../../data/geo/geo.toml");

#[derive(Deserialize)]
struct Manifest {
    database: Vec<Entry>,
}

/// One file that ships.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub role: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the digests"))]
    pub path: String,
    #[expect(dead_code, reason = "for people")]
    pub format: String,
    pub layout: String,
    pub licence: String,
    pub attribution: String,
    pub package: String,
    /// Empty where the maker stamped no day.
    pub built: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the digests"))]
    pub sha256: String,
    pub sha256_plain: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the digests"))]
    pub bytes_plain: usize,
}

impl Entry {
    pub fn database(&self) -> Database {
        Database {
            role: self.role.clone(),
            source: self.package.clone(),
            built_on: self.built.parse::<Date>().ok(),
            sha256: self.sha256_plain.clone(),
            licence: self.licence.clone(),
            attribution: self.attribution.clone(),
        }
    }
}

pub(super) fn shipped() -> Result<Vec<Entry>, GeoError> {
    let manifest: Manifest =
        toml::from_str(MANIFEST).map_err(|e| GeoError::Format(format!("geo.toml: {e}")))?;
    Ok(manifest.database)
}

pub(super) fn of_role<'a>(entries: &'a [Entry], role: &str) -> Result<&'a Entry, GeoError> {
    let found = entries.iter().find(|e| e.role == role);
    found.ok_or_else(|| GeoError::Format(format!("geo.toml has no {role}")))
}
