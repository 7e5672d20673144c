//! The one file that reads the environment: where the records are, with which key, for which brand.
//!
//! A word on the command line counts more than a variable. Deliberately absent: a configuration
//! file, which would be a second place to look.

use crate::flows::house::Settings;
use crate::geo::GeoPaths;
use crate::outbound::{Names, Reach};
use clap::Args;
use domain::webhook::target::Allowed;
use std::path::{Path, PathBuf};
use store::engine::{FILE_NAME, SqliteOptions, Target};

/// Where records are kept when nothing else is said.
pub const DATA_DIR: &str = "dossier-data";
/// The master key's file inside a data folder.
pub const MASTER_KEY_FILE: &str = "master.key";

const DATA: &str = "DOSSIER_DATA";
const DATABASE: &str = "DOSSIER_DATABASE";
const MASTER_KEY: &str = "DOSSIER_MASTER_KEY";
const BRAND: &str = "DOSSIER_BRAND";
const HOST: &str = "DOSSIER_HOST";
const HOTLINE: &str = "DOSSIER_HOTLINE";
const POLICIES: &str = "DOSSIER_POLICIES";
const LOG: &str = "DOSSIER_LOG";
const WEBHOOK_ALLOW: &str = "DOSSIER_WEBHOOK_ALLOW";
const WEBHOOK_CA: &str = "DOSSIER_WEBHOOK_CA";
const GEO_XDB: &str = "DOSSIER_GEO_XDB";
const GEO_XDB_V6: &str = "DOSSIER_GEO_XDB_V6";
const GEO_XDB_LAYOUT: &str = "DOSSIER_GEO_XDB_LAYOUT";
const GEO_MMDB: &str = "DOSSIER_GEO_MMDB";
const GEO_RANGES: &str = "DOSSIER_GEO_RANGES";
/// <https://no-color.org>: set to anything but nothing, it turns colour off.
const NO_COLOR: &str = "NO_COLOR";
/// What kind of terminal it is; one that is called dumb shows colours as signs.
const TERM: &str = "TERM";

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Where the records are")]
pub struct Global {
    /// Folder of the records (SQLite), made when missing [env: DOSSIER_DATA; else dossier-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// PostgreSQL instead: postgres://user:password@host/name [env: DOSSIER_DATABASE]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "data")]
    pub database: Option<String>,
    /// File of 64 hex digits that seals every other key [env: DOSSIER_MASTER_KEY holds the digits]
    #[arg(long, global = true, value_name = "FILE")]
    pub master_key: Option<PathBuf>,
    /// The brand to act for; may be left out while there is only one [env: DOSSIER_BRAND]
    #[arg(long, global = true, value_name = "CODE")]
    pub brand: Option<String>,
    /// Host name in printed links, without https:// [env: DOSSIER_HOST; else localhost]
    #[arg(long, global = true, value_name = "NAME")]
    pub host: Option<String>,
    /// Folder with your own tables of rules, each in place of the shipped one of its name
    /// [env: DOSSIER_POLICIES]
    #[arg(long, global = true, value_name = "DIR")]
    pub policies: Option<PathBuf>,
}

/// Geodata files of the operator.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Own geodata")]
pub struct GeoArgs {
    /// An IPv4 xdb instead of the shipped one [env: DOSSIER_GEO_XDB]
    #[arg(long, value_name = "FILE")]
    pub geo_xdb: Option<PathBuf>,
    /// An IPv6 xdb; none ships [env: DOSSIER_GEO_XDB_V6]
    #[arg(long, value_name = "FILE")]
    pub geo_xdb_v6: Option<PathBuf>,
    /// The fields of the texts of both, where they are not those of ip2region's own files, as in
    /// country|province|city|isp|iso2 [env: DOSSIER_GEO_XDB_LAYOUT]
    #[arg(long, value_name = "FIELDS")]
    pub geo_xdb_layout: Option<String>,
    /// An mmdb of countries instead of the shipped one [env: DOSSIER_GEO_MMDB]
    #[arg(long, value_name = "FILE")]
    pub geo_mmdb: Option<PathBuf>,
    /// Your own address ranges: CSV cidr,region,network,note [env: DOSSIER_GEO_RANGES]
    #[arg(long, value_name = "FILE")]
    pub geo_ranges: Option<PathBuf>,
}

/// Where webhooks may be sent besides the internet.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Webhooks")]
pub struct ReachArgs {
    /// A host of your own network that webhooks may be sent to, in the clear too; may be given
    /// several times [env: DOSSIER_WEBHOOK_ALLOW, separated by commas]
    #[arg(long, value_name = "HOST[:PORT]", value_parser = allowed, global = true)]
    pub webhook_allow: Vec<Allowed>,
    /// Certificates in PEM form that vouch for receivers besides those the system trusts
    /// [env: DOSSIER_WEBHOOK_CA]
    #[arg(long, value_name = "FILE", global = true)]
    pub webhook_ca: Option<PathBuf>,
}

fn allowed(text: &str) -> Result<Allowed, String> {
    let form = "a host and a port such as hooks.corp.example:8443, without https://";
    text.trim().parse().map_err(|_| form.to_owned())
}

impl ReachArgs {
    /// Where webhooks may be sent.
    ///
    /// # Errors
    /// A variable holds no host.
    pub fn reach(&self) -> Result<Reach, ConfigError> {
        let words = variable(WEBHOOK_ALLOW).filter(|_| self.webhook_allow.is_empty());
        let words = words.unwrap_or_default();
        let of = |word: &str| {
            allowed(word).map_err(|form| ConfigError(format!("{WEBHOOK_ALLOW} takes {form}")))
        };
        let named = words.split(',').filter(|word| !word.trim().is_empty()).map(of);
        let mut all = named.collect::<Result<Vec<_>, _>>()?;
        all.extend(self.webhook_allow.iter().cloned());
        let ca = self.webhook_ca.clone().or_else(|| variable(WEBHOOK_CA).map(PathBuf::from));
        Ok(Reach { allowed: all, ca, names: Names::System })
    }
}

/// Why a setting cannot be used: one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Where the master key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `--master-key FILE`.
    File(PathBuf),
    /// The digits in `DOSSIER_MASTER_KEY`.
    Variable(String),
    /// `DIR/master.key`, made at the first start.
    Folder(PathBuf),
}

impl Global {
    /// Where the records are.
    ///
    /// # Errors
    /// Two places at once, or a URL of another kind.
    pub fn target(&self) -> Result<Target, ConfigError> {
        let (data, url) = match (&self.data, &self.database) {
            (None, None) => (variable(DATA).map(PathBuf::from), variable(DATABASE)),
            (data, url) => (data.clone(), url.clone()),
        };
        match (data, url) {
            (Some(_), Some(_)) => {
                Err(ConfigError(format!("{DATA} and {DATABASE} are both set; unset one of them")))
            }
            (_, Some(url))
                if url.starts_with("postgres://") || url.starts_with("postgresql://") =>
            {
                Ok(Target::Postgres { url })
            }
            (_, Some(_)) => Err(ConfigError(
                "--database takes postgres://user:password@host/name; for SQLite say --data DIR"
                    .to_owned(),
            )),
            (data, None) => {
                let dir = data.unwrap_or_else(|| PathBuf::from(DATA_DIR));
                Ok(Target::Sqlite { dir, options: SqliteOptions::default() })
            }
        }
    }

    /// Where the master key comes from.
    ///
    /// # Errors
    /// A PostgreSQL database without one: it must never lie beside what it seals.
    pub fn key_source(&self, target: &Target) -> Result<KeySource, ConfigError> {
        if let Some(path) = &self.master_key {
            return Ok(KeySource::File(path.clone()));
        }
        if let Some(digits) = variable(MASTER_KEY) {
            return Ok(KeySource::Variable(digits));
        }
        match target {
            Target::Sqlite { dir, .. } => Ok(KeySource::Folder(dir.clone())),
            Target::Postgres { .. } => Err(ConfigError(format!(
                "--database needs the master key as well: give --master-key FILE or {MASTER_KEY} \
                 (64 hex digits, made once with: openssl rand -hex 32)"
            ))),
        }
    }

    /// Where the operator's own tables of rules are, if any.
    pub fn policies(&self) -> Option<PathBuf> {
        self.policies.clone().or_else(|| variable(POLICIES).map(PathBuf::from))
    }

    /// The brand chosen, if any.
    pub fn brand(&self) -> Option<String> {
        self.brand.clone().or_else(|| variable(BRAND))
    }

    /// Whether somebody said which host printed links name.
    pub fn names_host(&self) -> bool {
        self.host.is_some() || variable(HOST).is_some()
    }

    /// What the deployment says of itself.
    ///
    /// # Errors
    /// A host that is no host name.
    pub fn settings(&self, hotline: Option<&str>) -> Result<Settings, ConfigError> {
        let default = Settings::default();
        let host =
            self.host.clone().or_else(|| variable(HOST)).unwrap_or_else(|| default.host.clone());
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(legal) {
            let form = "a host name such as id.example.com, without https:// and without a path";
            return Err(ConfigError(format!("--host takes {form}")));
        }
        let hotline = hotline.map(str::to_owned).or_else(|| variable(HOTLINE));
        let hotline = domain::text::optional(&hotline.unwrap_or_default(), HOTLINE_CHARS_MAX)
            .map_err(|e| ConfigError(format!("--hotline {e}")))?;
        Ok(Settings { host, hotline, ..default })
    }
}

/// Longest telephone shown on the public page, in characters.
const HOTLINE_CHARS_MAX: usize = 32;

impl GeoArgs {
    /// The files to use instead of the shipped ones.
    pub fn paths(&self) -> GeoPaths {
        let file = |given: &Option<PathBuf>, name| {
            given.clone().or_else(|| variable(name).map(PathBuf::from))
        };
        GeoPaths {
            xdb: file(&self.geo_xdb, GEO_XDB),
            xdb_v6: file(&self.geo_xdb_v6, GEO_XDB_V6),
            xdb_layout: self.geo_xdb_layout.clone().or_else(|| variable(GEO_XDB_LAYOUT)),
            mmdb: file(&self.geo_mmdb, GEO_MMDB),
            ranges: file(&self.geo_ranges, GEO_RANGES),
        }
    }
}

/// What is logged to standard error, in the form of `tracing`: `warn`, `info`, `store=debug`; none
/// where nothing was said.
pub fn log_filter() -> Option<String> {
    variable(LOG)
}

/// Whether the person asked for no colour, or the terminal has none.
pub fn no_color() -> bool {
    variable(NO_COLOR).is_some() || variable(TERM).is_some_and(|kind| kind == "dumb")
}

/// Whether a folder already holds records.
pub fn holds_records(dir: &Path) -> bool {
    dir.join(FILE_NAME).exists()
}

/// A variable that is set to something.
#[allow(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
