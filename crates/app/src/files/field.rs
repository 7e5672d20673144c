//! Reading the fields of one row, gathering every problem on the way.

use super::LIST_ITEMS_MAX;
use super::row::{RawRow, cell_fault};
use super::when::{Instant, read_date, read_instant};
use domain::identifier::{Identifier, Scheme};
use domain::refusal::Refused;
use domain::text;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt::Display;

/// The fields of a row, and what was wrong with those read so far.
pub(super) struct Fields<'a> {
    row: &'a RawRow,
    zone: &'a TimeZone,
    problems: Vec<Refused>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(row: &'a RawRow, zone: &'a TimeZone) -> Self {
        Self { row, zone, problems: row.faults().to_vec() }
    }

    /// The draft when nothing was wrong, else everything that was. `draft` answers none only when
    /// a required field was refused.
    pub(super) fn finish<T>(self, draft: impl FnOnce() -> Option<T>) -> Result<T, Vec<Refused>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        draft().ok_or_else(|| vec![Refused::invalid("", "the row cannot be read")])
    }

    /// Notes a problem that lies between fields.
    pub(super) fn refuse(&mut self, field: &'static str, reason: impl Display) {
        self.problems.push(Refused::invalid(field, reason));
    }

    /// A cell to be looked at; none when its fault is already known.
    fn cell(&mut self, name: &'static str) -> Option<&'a str> {
        debug_assert!(self.row.kind().columns().iter().any(|column| column.name == name));
        if self.problems.iter().any(|problem| problem.field == name) {
            return None;
        }
        let cell = self.row.cell(name);
        if let Some(reason) = cell_fault(cell) {
            self.refuse(name, reason);
            return None;
        }
        Some(cell)
    }

    /// A required field.
    pub(super) fn must<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let cell = self.cell(name)?;
        if cell.is_empty() {
            self.refuse(name, "must not be empty");
            return None;
        }
        self.read(name, cell, read)
    }

    /// A field that may be empty or missing.
    pub(super) fn may<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let cell = self.cell(name)?;
        if cell.is_empty() { None } else { self.read(name, cell, read) }
    }

    fn read<T, E: Display>(
        &mut self,
        name: &'static str,
        cell: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        read(cell).map_err(|problem| self.refuse(name, problem)).ok()
    }

    /// The values of a cell joined with `|`; empty ones are left out, each wrong one is told by
    /// its place.
    pub(super) fn list<T, E: Display>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(cell) = self.cell(name) else { return Vec::new() };
        let items = || cell.split('|').map(str::trim).filter(|item| !item.is_empty());
        let count = items().take(LIST_ITEMS_MAX + 1).count();
        if count > LIST_ITEMS_MAX {
            self.refuse(name, format!("has more than {LIST_ITEMS_MAX} values"));
            return Vec::new();
        }
        let mut values = Vec::with_capacity(count);
        for (place, item) in items().enumerate() {
            match read(item) {
                Ok(value) => values.push(value),
                Err(problem) if count == 1 => self.refuse(name, problem),
                Err(problem) => self.refuse(name, format!("value {}: {problem}", place + 1)),
            }
        }
        values
    }

    /// Free text, empty when missing.
    pub(super) fn text(&mut self, name: &'static str, max: usize) -> String {
        self.may(name, |cell| text::required(cell, max)).unwrap_or_default()
    }

    /// A code of our own: party, site, shipment.
    pub(super) fn code(&mut self, name: &'static str) -> Option<String> {
        self.must(name, |cell| text::code(cell, text::CODE_CHARS_MAX))
    }

    /// A required name.
    pub(super) fn name(&mut self, name: &'static str) -> Option<String> {
        self.must(name, |cell| text::required(cell, text::NAME_CHARS_MAX))
    }

    /// Identifiers of one scheme.
    pub(super) fn identifiers(&mut self, name: &'static str, scheme: Scheme) -> Vec<Identifier> {
        self.list(name, |item| Identifier::parse(scheme, item))
    }

    /// A required instant.
    pub(super) fn instant(&mut self, name: &'static str) -> Option<Instant> {
        let zone = self.zone;
        self.must(name, |cell| read_instant(cell, zone))
    }

    /// A required day.
    pub(super) fn date(&mut self, name: &'static str) -> Option<Date> {
        self.must(name, read_date)
    }

    /// Yes or no; none when empty or missing.
    pub(super) fn yes(&mut self, name: &'static str) -> Option<bool> {
        self.may(name, |cell| match cell.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "是" => Ok(true),
            "no" | "false" | "0" | "否" => Ok(false),
            _ => Err("must be yes or no"),
        })
    }

    /// One word of a closed list.
    pub(super) fn word<T>(
        &mut self,
        name: &'static str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.may(name, |cell| read(cell).ok_or_else(|| format!("must be one of {allowed}")))
    }

    /// `lon` and `lat`, both or neither.
    pub(super) fn point(&mut self) -> Option<(f64, f64)> {
        let (lon, lat) = (self.degrees("lon", 180.0), self.degrees("lat", 90.0));
        match (self.row.cell("lon").is_empty(), self.row.cell("lat").is_empty()) {
            (true, false) => self.refuse("lon", "must not be empty beside lat"),
            (false, true) => self.refuse("lat", "must not be empty beside lon"),
            _ => {}
        }
        lon.zip(lat)
    }

    /// Degrees as a plain decimal number.
    fn degrees(&mut self, name: &'static str, max: f64) -> Option<f64> {
        self.may(name, |cell| {
            let plain = cell.len() <= 32
                && cell.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
            let degrees = cell.parse::<f64>().ok().filter(|n| plain && n.abs() <= max);
            degrees.ok_or_else(|| format!("must be a decimal number from -{max} to {max}"))
        })
    }
}
