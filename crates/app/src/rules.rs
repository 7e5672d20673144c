//! The law as data: policies, holidays and the location model that ship with the product. A file of
//! the operator replaces the shipped one of its name, whole: laws change between two releases.

use detect::location::{METHOD, Model};
use domain::calendar::{HolidayKind, HolidayRow, Holidays, Term};
use domain::coding::{CodingPolicy, Codings};
use domain::policy::{Policies, WarrantyPolicy};
use domain::retention::{Kept, Retention, RetentionPolicy};
use domain::trace_clock::{TraceTerm, TraceTerms};
use domain::verdict::scan::ScanPolicy;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use store::canonical::hex;

const HOLIDAYS: Table =
    Table { name: "holidays.csv", text: include_str!("../../../data/policies/holidays.csv") };
const CODING: Table =
    Table { name: "coding.csv", text: include_str!("../../../data/policies/coding.csv") };
const RETENTION: Table =
    Table { name: "retention.csv", text: include_str!("../../../data/policies/retention.csv") };
const TRACE_RETENTION: Table = Table {
    name: "trace_retention.csv",
    text: include_str!("../../../data/policies/trace_retention.csv"),
};
const WARRANTY: Table =
    Table { name: "warranty.csv", text: include_str!("../../../data/policies/warranty.csv") };
const TABLES: [Table; 5] = [HOLIDAYS, CODING, RETENTION, TRACE_RETENTION, WARRANTY];

/// Most bytes of a file of the operator.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The rules of this process.
static SHARED: OnceLock<Arc<Rules>> = OnceLock::new();
/// The folder they were replaced from.
static OWN: OnceLock<PathBuf> = OnceLock::new();

/// How long a unit may be activated without a recorded shipment before anybody is alarmed: papers
/// are often a few days behind the goods.
pub const NEVER_SHIPPED_GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what is beside the ledger is kept, by `data/policies/retention.csv`.
pub fn kept(kept: Kept) -> SignedDuration {
    let days = Rules::shared().retention.as_ref().map_or(kept.days_min(), |r| r.days(kept));
    SignedDuration::from_hours(24 * i64::from(days))
}

/// Every rule row the flows decide by.
#[derive(Debug)]
pub struct Rules {
    /// Warranty terms by category.
    pub policies: Policies,
    /// Days off.
    pub holidays: Holidays,
    /// Which regimes of mandatory coding cover which category.
    pub codings: Codings,
    /// How long trace data is kept.
    pub trace_terms: TraceTerms,
    /// How long what is beside the ledger is kept.
    pub retention: Option<Retention>,
    /// When looks at a code are too many.
    pub scans: ScanPolicy,
    /// How location evidence is weighed.
    pub location: Model,
    /// Which of all these they are, in one line: method and numbers of the location model, and the
    /// tables, by digests. Kept with what was decided by them.
    pub versions: String,
}

impl Rules {
    /// The rules of this process: those that ship with the product, read once, unless the operator
    /// replaced some before.
    pub fn shared() -> Arc<Self> {
        // A test reads all shipped files and fails on any problem.
        let shipped = || Self::read(&|table| Ok(table.text.to_owned())).unwrap_or_else(none);
        Arc::clone(SHARED.get_or_init(|| Arc::new(shipped())))
    }

    /// Replaces the tables that a folder has files for, before anything was decided by the shipped
    /// ones. The same folder again changes nothing.
    ///
    /// # Errors
    /// A file cannot be read, or is none of the tables; the words name file and line.
    pub fn install(dir: &Path) -> Result<(), String> {
        if OWN.get().is_some_and(|known| known == dir) {
            return Ok(());
        }
        let rules = Self::of_folder(dir)?;
        let late = || "policies are read when the program starts".to_owned();
        SHARED.set(Arc::new(rules)).map_err(|_| late())?;
        OWN.set(dir.to_owned()).map_err(|_| late())
    }

    /// The rules with the tables of a folder in place of the shipped ones.
    fn of_folder(dir: &Path) -> Result<Self, String> {
        let told = |e: std::io::Error| format!("policies: {}: {e}", dir.display());
        for entry in std::fs::read_dir(dir).map_err(told)? {
            let name = entry.map_err(told)?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".csv") && TABLES.iter().all(|table| table.name != name) {
                let known = TABLES.map(|table| table.name).join(", ");
                return Err(format!("policies: {name} is none of {known}"));
            }
        }
        Self::read(&|table: &Table| {
            let path = dir.join(table.name);
            let size = match std::fs::metadata(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(table.text.to_owned()),
                found => found.map_err(|e| format!("{}: {e}", table.name))?.len(),
            };
            if size > FILE_BYTES_MAX {
                return Err(format!("{}: more than {FILE_BYTES_MAX} bytes", table.name));
            }
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", table.name))
        })
        .map_err(|why| format!("policies: {why}"))
    }

    fn read(text: &dyn Fn(&Table) -> Result<String, String>) -> Result<Self, String> {
        let mut tables = Sha256::new();
        let mut text = |table: &Table| {
            let text = text(table)?;
            tables.update(&Sha256::digest(text.as_bytes())[..]);
            Ok::<_, String>(text)
        };
        let policies = policies(&text(&WARRANTY)?)?;
        let holidays = holidays(&text(&HOLIDAYS)?)?;
        let codings = codings(&text(&CODING)?)?;
        let trace_terms = trace_terms(&text(&TRACE_RETENTION)?)?;
        let retention = Some(retention(&text(&RETENTION)?)?);
        let location = Model::default();
        let versions = versions(&location, tables);
        let scans = ScanPolicy::default();
        Ok(Self { policies, holidays, codings, trace_terms, retention, scans, location, versions })
    }
}

/// The versions of a model and of tables, which were told to the digest in the order of the file.
fn versions(model: &Model, tables: Sha256) -> String {
    // Every number with its name: one that is added shows as well.
    let numbers = Sha256::digest(format!("{model:?}"));
    let (numbers, tables) = (hex(&numbers[..4]), hex(&tables.finalize()[..4]));
    format!("location-model {METHOD} {numbers}; policies {tables}")
}

/// Without a row nothing is covered, and nothing may ever be dropped.
fn none(_: String) -> Rules {
    Rules {
        policies: Policies::default(),
        holidays: Holidays::default(),
        codings: Codings::default(),
        trace_terms: TraceTerms::default(),
        retention: None,
        scans: ScanPolicy::default(),
        location: Model::default(),
        versions: versions(&Model::default(), Sha256::new()),
    }
}

/// A table of rules.
struct Table {
    /// Its file.
    name: &'static str,
    /// The shipped one.
    text: &'static str,
}

impl Table {
    /// Every row, read by `row`; the columns are those of the shipped table, in its order.
    fn rows<T>(
        &self,
        text: &str,
        row: impl Fn(&[&str]) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let wanted: Vec<_> = self.text.lines().next().unwrap_or_default().split(',').collect();
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut found = Vec::new();
        for (at, record) in reader.records().enumerate() {
            let wrong = |line: u64, why: String| format!("{}, line {line}: {why}", self.name);
            let record = record.map_err(|e| wrong(at as u64 + 1, e.to_string()))?;
            let line = record.position().map_or(at as u64 + 1, csv::Position::line);
            let cells: Vec<_> = record.iter().collect();
            if at > 0 {
                found.push(row(&cells).map_err(|why| wrong(line, why))?);
            } else if cells != wanted {
                return Err(wrong(line, format!("the columns must be {}", wanted.join(","))));
            }
        }
        Ok(found)
    }

    /// What is wrong with the rows together.
    fn wrong<P: Display>(&self, problems: impl IntoIterator<Item = P>) -> String {
        let told: Vec<_> = problems.into_iter().map(|problem| problem.to_string()).collect();
        format!("{}: {}", self.name, told.join("; "))
    }
}

fn holidays(text: &str) -> Result<Holidays, String> {
    let rows = HOLIDAYS.rows(text, |cells| match cells {
        [year, date, kind, _name, published, verified, ..] => Ok(HolidayRow {
            year: parse(year)?,
            date: parse(date)?,
            kind: kind.parse::<HolidayKind>().map_err(|e| e.to_string())?,
            published: parse(published)?,
            verified: parse(verified)?,
        }),
        _ => Err(format!("short row {cells:?}")),
    });
    Holidays::from_rows(rows?).map_err(|problems| HOLIDAYS.wrong(problems))
}

fn policies(text: &str) -> Result<Policies, String> {
    let rows = WARRANTY.rows(text, |cells| match cells {
        [
            version,
            category,
            item,
            basis,
            years,
            months,
            days,
            refund,
            replace,
            from,
            to,
            jurisdiction,
            source,
            verified,
        ] => Ok(WarrantyPolicy {
            version: (*version).to_owned(),
            category: parse(category)?,
            item: parse(item)?,
            basis: parse(basis)?,
            term: Term {
                years: optional(years)?.unwrap_or(0),
                months: optional(months)?.unwrap_or(0),
                days: optional(days)?.unwrap_or(0),
            },
            refund_days: optional(refund)?,
            replace_days: optional(replace)?,
            effective_from: parse(from)?,
            effective_to: optional(to)?,
            jurisdiction: (*jurisdiction).to_owned(),
            source_note: (*source).to_owned(),
            verified: parse(verified)?,
        }),
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    Policies::from_rows(rows?).map_err(|problems| WARRANTY.wrong(problems))
}

fn codings(text: &str) -> Result<Codings, String> {
    let rows = CODING.rows(text, |cells| match cells {
        [
            version,
            regime,
            category,
            asks,
            requirement,
            from_on,
            to_on,
            jurisdiction,
            source,
            verified,
        ] => Ok(CodingPolicy {
            version: (*version).to_owned(),
            regime: (*regime).to_owned(),
            category: parse(category)?,
            asks: asks
                .split('|')
                .filter(|word| !word.is_empty())
                .map(parse)
                .collect::<Result<Vec<_>, _>>()?,
            requirement: (*requirement).to_owned(),
            from_on: parse(from_on)?,
            to_on: optional(to_on)?,
            jurisdiction: (*jurisdiction).to_owned(),
            source_note: (*source).to_owned(),
            verified: parse(verified)?,
        }),
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    Codings::from_rows(rows?).map_err(|problem| CODING.wrong([problem]))
}

fn retention(text: &str) -> Result<Retention, String> {
    let rows = RETENTION.rows(text, |cells| match cells {
        [kept, days, basis, source, verified] => Ok(RetentionPolicy {
            kept: Kept::parse(kept).ok_or_else(|| format!("cannot read {kept:?}"))?,
            days: parse(days)?,
            basis: (*basis).to_owned(),
            source_note: (*source).to_owned(),
            verified: parse(verified)?,
        }),
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    Retention::from_rows(rows?).map_err(|problems| RETENTION.wrong(problems))
}

fn trace_terms(text: &str) -> Result<TraceTerms, String> {
    let rows = TRACE_RETENTION.rows(text, |cells| match cells {
        [version, category, after, delivery, from_on, to_on, jurisdiction, source, verified] => {
            Ok(TraceTerm {
                version: (*version).to_owned(),
                category: if *category == "*" { None } else { Some(parse(category)?) },
                after_end_years: parse(after)?,
                delivery_years: optional(delivery)?,
                from_on: parse(from_on)?,
                to_on: optional(to_on)?,
                jurisdiction: (*jurisdiction).to_owned(),
                source_note: (*source).to_owned(),
                verified: parse(verified)?,
            })
        }
        _ => Err(format!("row of {} cells: {cells:?}", cells.len())),
    });
    TraceTerms::from_rows(rows?).map_err(|problem| TRACE_RETENTION.wrong([problem]))
}

fn parse<T: std::str::FromStr>(cell: &str) -> Result<T, String> {
    cell.parse().map_err(|_| format!("cannot read {cell:?}"))
}

fn optional<T: std::str::FromStr>(cell: &str) -> Result<Option<T>, String> {
    if cell.is_empty() { Ok(None) } else { parse(cell).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_read_without_a_problem() {
        let rules = Rules::read(&|table| Ok(table.text.to_owned()));
        let rules = rules.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(kept(Kept::Observation), SignedDuration::from_hours(180 * 24));
        let of = &rules.codings;
        let on = |day| {
            let rows = of.covering(domain::policy::Category::PowerBank, day);
            rows.map(|row| row.version.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(on(jiff::civil::date(2024, 7, 31)), "");
        assert_eq!(on(jiff::civil::date(2025, 6, 1)), "cn-a1-power-bank-1 cn-d-power-bank-1");
        let all = "cn-a-power-bank-1 cn-a1-power-bank-1 cn-b-power-bank-1 cn-c-power-bank-2 \
            cn-d-power-bank-1 cn-d1-power-bank-1";
        assert_eq!(on(jiff::civil::date(2027, 3, 1)), all);
        assert!(of.rows().iter().filter(|row| row.verified).all(|row| "CD".contains(&row.regime)));
        let today = jiff::civil::date(2026, 6, 1);
        for category in domain::policy::Category::ALL {
            assert!(rules.policies.warranty_for(category, today).is_some(), "{category:?}");
            let kept = rules.trace_terms.row_for(category, today).map(|r| r.after_end_years);
            assert_eq!(kept, Some(2), "{category:?}");
        }
    }

    #[test]
    fn another_model_or_another_table_is_another_version() {
        let shipped = Rules::read(&|table| Ok(table.text.to_owned())).unwrap();
        let again = Rules::read(&|table| Ok(table.text.to_owned())).unwrap();
        assert_eq!(shipped.versions, again.versions);
        let part = |versions: &str, at: usize| versions.split("; ").nth(at).map(str::to_owned);
        for table in &TABLES {
            let other = Rules::read(&|one| {
                let more = if one.name == table.name { "\n" } else { "" };
                Ok(format!("{}{more}", one.text))
            });
            let other = other.unwrap().versions;
            assert_eq!(part(&other, 0), part(&shipped.versions, 0), "{}", table.name);
            assert_ne!(part(&other, 1), part(&shipped.versions, 1), "{}", table.name);
        }
        let model = Model { ip_cap: 2.9, ..Model::default() };
        let other = versions(&model, Sha256::new());
        assert_ne!(part(&other, 0), part(&shipped.versions, 0));
        let of_model = part(&shipped.versions, 0).unwrap();
        assert!(of_model.starts_with(&format!("location-model {METHOD} ")), "{of_model}");
    }

    #[test]
    fn a_file_of_the_operator_replaces_the_shipped_table() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let kept = |rules: &Rules| rules.retention.as_ref().unwrap().days(Kept::Observation);
        let shipped = Rules::of_folder(dir.path()).expect("an empty folder replaces nothing");
        // As a spreadsheet saves it: with a mark, other line ends, cells in quotes.
        let longer = RETENTION.text.replace("observation,180,", "observation,\"400\",");
        write("retention.csv", &format!("\u{feff}{}", longer.replace('\n', "\r\n")));
        write("README.md", "not a table");
        let own = Rules::of_folder(dir.path()).expect("it reads");
        assert_eq!((kept(&shipped), kept(&own)), (180, 400));
        let category = domain::policy::Category::Phone;
        let today = jiff::civil::date(2026, 6, 1);
        let term = |rules: &Rules| rules.trace_terms.row_for(category, today).cloned();
        assert_eq!(term(&own), term(&shipped));
        for (name, text, why) in [
            (
                "retention.csv",
                "kind,days\nanswer,30\n",
                "retention.csv, line 1: the columns must be",
            ),
            (
                "retention.csv",
                &RETENTION.text.replace("answer,30", "answer,x"),
                "line 2: cannot read",
            ),
            (
                "retention.csv",
                &RETENTION.text.replace("audit_read,1095", "audit_read,1"),
                "needs at least",
            ),
            ("retention.csv", RETENTION.text.lines().next().unwrap(), "0 terms for"),
            ("warranty.csv", "version\n", "warranty.csv, line 1"),
            ("waranty.csv", "", "waranty.csv is none of"),
        ] {
            write(name, text);
            let told = Rules::of_folder(dir.path()).err().unwrap_or_default();
            assert!(told.contains(why), "{told}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert!(Rules::of_folder(&dir.path().join("none")).is_err());
    }
}
