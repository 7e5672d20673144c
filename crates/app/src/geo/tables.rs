//! The tables that ship beside the databases: divisions, countries, network codes, places abroad.

use std::collections::HashMap;

use domain::region::{DivisionRow, Divisions, GeoPoint, RegionCode};
use jiff::civil::Date;

use super::GeoError;

const DIVISIONS: &str = include_str!("../../../../data/divisions/divisions.csv");
pub(super) const COUNTRIES: &str = include_str!("../../../../data/geo/countries.csv");
pub(super) const MCC: &str = include_str!("../../../../data/geo/mcc.csv");
pub(super) const PLACES: &[u8] = include_bytes!("../../../../data/geo/places.csv.zst");

/// Countries by the names and numbers other systems use.
#[derive(Clone, Debug, Default)]
pub struct Countries {
    by_xdb_name: HashMap<String, RegionCode>,
    by_mcc: HashMap<u16, RegionCode>,
}

impl Countries {
    /// The shipped tables.
    ///
    /// # Errors
    /// The first row that cannot be used.
    pub fn shipped() -> Result<Self, GeoError> {
        let mut countries = Self::default();
        for row in rows("countries", COUNTRIES.as_bytes())? {
            let code = region("countries", &row, 0)?;
            // `Bahamas (The)`, `Macao, China`: the name as it is used stands first.
            let short = row.field(2).split([',', '(']).next().unwrap_or_default().trim();
            let english = [row.field(2), short];
            for name in row.field(3).split('|').chain(english).filter(|n| !n.is_empty()) {
                countries.by_xdb_name.insert(name.to_owned(), code);
            }
        }
        for row in rows("mcc", MCC.as_bytes())? {
            let mcc = row.field(0).parse().map_err(|e| GeoError::row("mcc", row.line, &e))?;
            countries.by_mcc.insert(mcc, region("mcc", &row, 1)?);
        }
        Ok(countries)
    }

    /// The country an xdb names in Chinese or English; none for `欧洲` and the like.
    pub fn of_xdb_name(&self, name: &str) -> Option<RegionCode> {
        self.by_xdb_name.get(name).copied()
    }

    /// The country of a mobile network: a three-digit MCC, or an MCC with an MNC behind it
    /// (`46000`). ITU-T E.212.
    pub fn of_mcc(&self, text: &str) -> Option<RegionCode> {
        let digits = text.trim();
        let numeric = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 6;
        let mcc = digits.get(..3).filter(|_| numeric)?;
        self.by_mcc.get(&mcc.parse().ok()?).copied()
    }
}

/// The shipped divisions and countries, with places abroad.
///
/// # Errors
/// The first row that cannot be used.
pub fn divisions() -> Result<Divisions, GeoError> {
    let places = super::unpack(PLACES)?;
    let places = rows("places", &places)?
        .iter()
        .map(|row| {
            let point = lon_lat(row, 1).and_then(|(lon, lat)| GeoPoint::new(lat, lon));
            let point = point.ok_or_else(|| GeoError::row("places", row.line, &"no point"))?;
            Ok((region("places", row, 0)?, point))
        })
        .collect::<Result<Vec<_>, GeoError>>()?;
    let divisions = rows("divisions", DIVISIONS.as_bytes())?;
    let countries = rows("countries", COUNTRIES.as_bytes())?;
    let of_division = divisions.iter().map(|row| DivisionRow {
        code: row.field(0),
        zh: row.field(1),
        en: row.field(2),
        lon_lat: lon_lat(row, 3),
        valid_to: row.field(6).parse::<Date>().ok(),
        successor: Some(row.field(7)).filter(|s| !s.is_empty()),
    });
    let of_country = countries.iter().map(|row| DivisionRow {
        code: row.field(0),
        zh: row.field(1),
        en: row.field(2),
        lon_lat: None,
        valid_to: None,
        successor: None,
    });
    Divisions::from_rows(of_division.chain(of_country), places)
        .map_err(|error| GeoError::Format(format!("divisions: {error}")))
}

struct Row {
    line: usize,
    record: csv::StringRecord,
}

impl Row {
    fn field(&self, at: usize) -> &str {
        self.record.get(at).unwrap_or_default()
    }
}

fn rows(table: &'static str, text: &[u8]) -> Result<Vec<Row>, GeoError> {
    let records = csv::Reader::from_reader(text).into_records();
    (2usize..)
        .zip(records)
        .map(|(line, record)| {
            let record = record.map_err(|e| GeoError::row(table, line, &e))?;
            Ok(Row { line, record })
        })
        .collect()
}

fn region(table: &'static str, row: &Row, at: usize) -> Result<RegionCode, GeoError> {
    RegionCode::parse(row.field(at)).map_err(|e| GeoError::row(table, row.line, &e))
}

fn lon_lat(row: &Row, at: usize) -> Option<(f64, f64)> {
    Some((row.field(at).parse().ok()?, row.field(at + 1).parse().ok()?))
}
