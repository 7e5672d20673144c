//! The audit trail: what a record of a change says, which fields are personal, and which reads are
//! sensitive enough to leave a record.
//!
//! A change is told field by field, before and after, and only where the two differ. Of a personal
//! field it is told that it changed and never what stood there: the record is for ever.

use crate::id::BrandId;

/// Fields in which a person could be found, or which are secrets: their values are in no record.
pub const PERSONAL: [&str; 10] = [
    "address",
    "phone",
    "point",
    "purchased_on",
    "sign_in_name",
    "person_name",
    "password",
    "second_factor",
    "recovery_codes",
    "url",
];

/// Characters of a value that a record holds; of a longer one it holds the beginning.
pub const VALUE_CHARS_MAX: usize = 300;

/// Where a brand's audit records are filed: below every unit number, which begin at 1, and below 0,
/// where words about no unit are. Brand 0 is the deployment itself.
pub fn home(brand: BrandId) -> i64 {
    -1 - brand.0
}

/// Fields of an object with their values, in the order they are told in. Empty means none.
pub type Fields = Vec<(&'static str, String)>;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: &'static str,
    /// What stood there; none when nothing did, or when it is personal.
    pub before: Option<String>,
    /// What stands there now; none likewise.
    pub after: Option<String>,
    /// Whether the values are withheld.
    pub hidden: bool,
}

/// What differs between an object as it was, if it was, and as it is.
pub fn differences(before: &Fields, after: &Fields) -> Vec<Difference> {
    let value_in = |fields: &Fields, name: &str| {
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let gone = before.iter().filter(|(name, _)| after.iter().all(|(other, _)| name != other));
    let names = after.iter().chain(gone).map(|(name, _)| *name);
    let difference = |field| {
        let (before, after) = (value_in(before, field), value_in(after, field));
        if before == after {
            return None;
        }
        let hidden = PERSONAL.contains(&field);
        let shown = |value: Option<String>| value.filter(|_| !hidden).map(|text| clipped(&text));
        Some(Difference { field, before: shown(before), after: shown(after), hidden })
    };
    names.filter_map(difference).collect()
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A read that leaves a record. What a consumer or a shop may see of a unit leaves none: it is
/// counted as a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SensitiveRead {
    /// The dossier of a unit or pack with its hands, identifiers and findings.
    Dossier,
    /// The provable history of a unit: the texts of its events.
    Proof,
    /// Trace codes of a batch, written out or drawn.
    Codes,
    /// The list of alerts.
    Alerts,
    /// Cases: what brand and parties said to each other, and over which units.
    Cases,
    /// What visitors reported, in their words.
    Reports,
    /// What is held about a person.
    Person,
    /// The audit trail itself.
    Audit,
    /// The names of the people who work here.
    People,
    /// A copy of the whole store.
    Backup,
    /// Trace data of units, written out for an authority or an auditor.
    Export,
}

impl SensitiveRead {
    /// Every sensitive read.
    pub const ALL: [Self; 11] = [
        Self::Dossier,
        Self::Proof,
        Self::Codes,
        Self::Alerts,
        Self::Cases,
        Self::Reports,
        Self::Person,
        Self::Audit,
        Self::People,
        Self::Backup,
        Self::Export,
    ];

    /// The kind of object in records and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dossier => "dossier",
            Self::Proof => "proof",
            Self::Codes => "codes",
            Self::Alerts => "alerts",
            Self::Cases => "cases",
            Self::Reports => "reports",
            Self::Person => "person",
            Self::Audit => "audit",
            Self::People => "people",
            Self::Backup => "backup",
            Self::Export => "export",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    fn told(before: &[(&'static str, &str)], after: &[(&'static str, &str)]) -> String {
        let told = differences(&fields(before), &fields(after));
        let line = |d: &Difference| {
            let shown = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".to_owned());
            let sign = if d.hidden { "*" } else { "" };
            format!("{}{sign} {}>{}", d.field, shown(&d.before), shown(&d.after))
        };
        told.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn only_what_differs_is_told_and_personal_values_never() {
        assert_eq!(
            told(&[("price", "1"), ("name", "a")], &[("price", "2"), ("name", "a")]),
            "price 1>2"
        );
        assert_eq!(told(&[], &[("name", "a"), ("model", "")]), "name ->a");
        assert_eq!(told(&[("name", "a"), ("end", "x")], &[("name", "")]), "name a>-; end x>-");
        assert_eq!(told(&[("phone", "1")], &[("phone", "2")]), "phone* ->-");
        assert_eq!(told(&[("phone", "1")], &[("phone", "1")]), "");
        assert_eq!(told(&[], &[("address", "here"), ("point", "1,2")]), "address* ->-; point* ->-");
    }

    #[test]
    fn a_long_value_is_told_by_its_beginning() {
        let long = "界".repeat(VALUE_CHARS_MAX + 1);
        let told = differences(&Fields::new(), &vec![("fence", long)]);
        let after = told[0].after.clone().unwrap();
        assert_eq!(after.chars().count(), VALUE_CHARS_MAX + 1);
        assert!(after.ends_with("界…"));
    }

    #[test]
    fn docs_hold_every_kind_of_read_and_every_personal_field() {
        let docs = include_str!("../../../docs/access.md");
        for read in SensitiveRead::ALL {
            let row = format!("| {} | ", read.as_str());
            assert!(docs.contains(&row), "docs/access.md lacks the row\n{row}");
        }
        for field in PERSONAL {
            assert!(docs.contains(&format!("`{field}`")), "docs/access.md lacks {field}");
        }
    }

    #[test]
    fn no_brand_is_filed_where_a_unit_is() {
        assert!((0..4).map(|n| home(BrandId(n))).all(|home| home < 0));
        assert_ne!(home(BrandId(0)), home(BrandId(1)));
    }
}
