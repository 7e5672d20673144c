//! The dated rows that say how long a guarantee lasts.
//!
//! **Words.** A *policy* is one row: from when to when, where, for which category and item, how
//! long, on whose word, from which source. The *promise* is whose word it is: the state's
//! (a category listed in one of the 三包 catalogues) or the maker's.
//!
//! **Why rows.** The law is data: a number changes by a new row, never by a new build, and every
//! reading names the version of the row it used.
//!
//! **Not here.** Parts with clocks of their own (battery, mainboard), suspensions and exclusions;
//! reading the file, which the caller does.

use std::str::FromStr;

use jiff::civil::Date;
use thiserror::Error;

use crate::calendar::Term;

/// The jurisdiction of a row that holds in all of mainland China. 三包 is a state rule.
pub const MAINLAND: &str = "CN";

/// The kinds of product a policy can speak of: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Mobile phone (移动电话机).
    Phone,
    /// Tablet computer.
    Tablet,
    /// Notebook computer.
    Notebook,
    /// Desktop computer.
    Desktop,
    /// Stand-alone display.
    Monitor,
    /// Smart watch or band.
    SmartWatch,
    /// Power bank (移动电源).
    PowerBank,
    /// Earphones sold alone.
    Earphones,
    /// Charger sold alone.
    Charger,
    /// Smart glasses.
    SmartGlasses,
    /// Television.
    Tv,
    /// Disc player, amplifier, loudspeaker (家用视听商品).
    HomeAv,
    /// Anything else.
    Other,
}

impl Category {
    /// Every category, in the order of declaration.
    pub const ALL: [Self; 13] = [
        Self::Phone,
        Self::Tablet,
        Self::Notebook,
        Self::Desktop,
        Self::Monitor,
        Self::SmartWatch,
        Self::PowerBank,
        Self::Earphones,
        Self::Charger,
        Self::SmartGlasses,
        Self::Tv,
        Self::HomeAv,
        Self::Other,
    ];

    /// The stable name used in files and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Notebook => "notebook",
            Self::Desktop => "desktop",
            Self::Monitor => "monitor",
            Self::SmartWatch => "smart_watch",
            Self::PowerBank => "power_bank",
            Self::Earphones => "earphones",
            Self::Charger => "charger",
            Self::SmartGlasses => "smart_glasses",
            Self::Tv => "tv",
            Self::HomeAv => "home_av",
            Self::Other => "other",
        }
    }
}

impl FromStr for Category {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|category| category.as_str() == text);
        found.ok_or(UnknownName("category"))
    }
}

/// What of the product the row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// The whole unit (整机).
    Unit,
}

impl Item {
    /// The stable name used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
        }
    }
}

impl FromStr for Item {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == Self::Unit.as_str() { Ok(Self::Unit) } else { Err(UnknownName("item")) }
    }
}

/// On whose word a period rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// A 三包 rule of the state lists the category.
    Statutory,
    /// No catalogue lists the category; the period is the maker's promise.
    MakerDefault,
}

impl Promise {
    /// The stable name used in files and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Statutory => "statutory",
            Self::MakerDefault => "maker_default",
        }
    }
}

impl FromStr for Promise {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Statutory, Self::MakerDefault]
            .into_iter()
            .find(|promise| promise.as_str() == text)
            .ok_or(UnknownName("basis"))
    }
}

/// A text that is no member of the closed set named inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown {0}")]
pub struct UnknownName(pub &'static str);

/// One row of the warranty table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarrantyPolicy {
    /// Names the row for ever; stored with every decision that used it.
    pub version: String,
    /// The category it speaks of.
    pub category: Category,
    /// What of the product it speaks of.
    pub item: Item,
    /// On whose word.
    pub basis: Promise,
    /// Length of the guarantee.
    pub term: Term,
    /// Days within which a listed fault entitles to a refund, or nothing.
    pub refund_days: Option<u16>,
    /// Days within which a listed fault entitles to a replacement, or nothing.
    pub replace_days: Option<u16>,
    /// First day the row is in force.
    pub effective_from: Date,
    /// Last day the row is in force; open when nothing.
    pub effective_to: Option<Date>,
    /// Where: [`MAINLAND`], or a GB/T 2260 prefix.
    pub jurisdiction: String,
    /// Where the numbers come from.
    pub source_note: String,
    /// Whether somebody compared the numbers with a published copy of that source.
    pub verified: bool,
}

impl WarrantyPolicy {
    /// Whether the row is in force on `on`; both ends count.
    pub fn in_force(&self, on: Date) -> bool {
        self.effective_from <= on && self.effective_to.is_none_or(|last| on <= last)
    }

    fn speaks_of_the_same(&self, other: &Self) -> bool {
        self.category == other.category
            && self.item == other.item
            && self.basis == other.basis
            && self.jurisdiction == other.jurisdiction
    }

    fn overlaps(&self, other: &Self) -> bool {
        let last = |row: &Self| row.effective_to.unwrap_or(Date::MAX);
        self.effective_from <= last(other) && other.effective_from <= last(self)
    }
}

/// Why a row cannot stand in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyFault {
    /// No version: a decision could not name the row.
    #[error("the version is empty")]
    NoVersion,
    /// The guarantee has no length.
    #[error("years, months and days are all zero")]
    ZeroTerm,
    /// A refund window longer than the replacement window (a refund is the stronger right).
    #[error("the refund window is longer than the replacement window")]
    RefundOutlastsReplacement,
    /// `effective_to` lies before `effective_from`.
    #[error("the row ends before it begins")]
    Reversed,
    /// An earlier row has the same version.
    #[error("the version is there twice")]
    VersionTwice,
    /// An earlier row speaks of the same on some of the same days.
    #[error("an earlier row is in force on some of the same days")]
    Overlap,
}

/// A refused row: its place in the given order, counted from 0, and the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("warranty policy row {row}: {fault}")]
pub struct PolicyProblem {
    /// Index of the row, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub fault: PolicyFault,
}

/// The warranty table. At most one row per category, item, basis and place is in force on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    warranty: Vec<WarrantyPolicy>,
}

impl Policies {
    /// Builds the table, or names every fault of every row.
    pub fn from_rows(
        rows: impl IntoIterator<Item = WarrantyPolicy>,
    ) -> Result<Self, Vec<PolicyProblem>> {
        let mut table = Self::default();
        let mut problems = Vec::new();
        for (row, policy) in rows.into_iter().enumerate() {
            let faults = table.faults_of(&policy);
            problems.extend(faults.into_iter().map(|fault| PolicyProblem { row, fault }));
            table.warranty.push(policy);
        }
        if problems.is_empty() { Ok(table) } else { Err(problems) }
    }

    fn faults_of(&self, row: &WarrantyPolicy) -> Vec<PolicyFault> {
        let earlier = |clash: &dyn Fn(&WarrantyPolicy) -> bool| self.warranty.iter().any(clash);
        let outlasts = match (row.refund_days, row.replace_days) {
            (Some(refund), Some(replace)) => refund > replace,
            _ => false,
        };
        let reversed = row.effective_to.is_some_and(|last| last < row.effective_from);
        [
            (row.version.is_empty(), PolicyFault::NoVersion),
            (row.term.is_zero(), PolicyFault::ZeroTerm),
            (outlasts, PolicyFault::RefundOutlastsReplacement),
            (reversed, PolicyFault::Reversed),
            (earlier(&|it| it.version == row.version), PolicyFault::VersionTwice),
            (earlier(&|it| it.speaks_of_the_same(row) && it.overlaps(row)), PolicyFault::Overlap),
        ]
        .into_iter()
        .filter_map(|(wrong, fault)| wrong.then_some(fault))
        .collect()
    }

    /// The nationwide row for the whole unit in force on `on`. The state's word comes before the
    /// maker's: a contract cannot waive it (generic rule Art. 3, microcomputer rule Art. 3).
    pub fn warranty_for(&self, category: Category, on: Date) -> Option<&WarrantyPolicy> {
        let speaks = |row: &&WarrantyPolicy| {
            row.category == category
                && row.item == Item::Unit
                && row.jurisdiction == MAINLAND
                && row.in_force(on)
        };
        let of = |basis| move |row: &&WarrantyPolicy| row.basis == basis;
        let rows = || self.warranty.iter().filter(speaks);
        rows().find(of(Promise::Statutory)).or_else(|| rows().find(of(Promise::MakerDefault)))
    }

    /// Every row, in the order given.
    pub fn rows(&self) -> &[WarrantyPolicy] {
        &self.warranty
    }
}

/// The warranty rows this project ships, for tests.
#[cfg(test)]
pub(crate) fn shipped() -> Policies {
    let file = include_str!("../../../data/policies/warranty.csv");
    let number = |text: &str| text.parse::<u16>().ok();
    let rows = file.lines().skip(1).map(|line| {
        let cell: Vec<&str> = line.split(',').collect();
        WarrantyPolicy {
            version: cell[0].to_owned(),
            category: cell[1].parse().unwrap(),
            item: cell[2].parse().unwrap(),
            basis: cell[3].parse().unwrap(),
            term: Term {
                years: cell[4].parse().unwrap(),
                months: cell[5].parse().unwrap(),
                days: cell[6].parse().unwrap(),
            },
            refund_days: number(cell[7]),
            replace_days: number(cell[8]),
            effective_from: cell[9].parse().unwrap(),
            effective_to: cell[10].parse().ok(),
            jurisdiction: cell[11].to_owned(),
            source_note: cell[12].to_owned(),
            verified: cell[13].parse().unwrap(),
        }
    });
    Policies::from_rows(rows).unwrap()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn row(version: &str, category: Category, basis: Promise) -> WarrantyPolicy {
        WarrantyPolicy {
            version: version.to_owned(),
            category,
            item: Item::Unit,
            basis,
            term: Term { years: 1, ..Term::default() },
            refund_days: Some(7),
            replace_days: Some(15),
            effective_from: date(2020, 1, 1),
            effective_to: None,
            jurisdiction: MAINLAND.to_owned(),
            source_note: String::new(),
            verified: true,
        }
    }

    fn faults(rows: Vec<WarrantyPolicy>) -> Vec<(usize, PolicyFault)> {
        let problems = Policies::from_rows(rows).err().unwrap_or_default();
        problems.into_iter().map(|problem| (problem.row, problem.fault)).collect()
    }

    #[test]
    fn names_come_back() {
        for category in Category::ALL {
            assert_eq!(category.as_str().parse(), Ok(category));
        }
        assert_eq!("Phone".parse::<Category>(), Err(UnknownName("category")));
        assert_eq!("unit".parse(), Ok(Item::Unit));
        assert_eq!("screen".parse::<Item>(), Err(UnknownName("item")));
        for promise in [Promise::Statutory, Promise::MakerDefault] {
            assert_eq!(promise.as_str().parse(), Ok(promise));
        }
    }

    #[test]
    fn the_row_in_force_on_the_day_is_found() {
        let mut old = row("a", Category::Phone, Promise::Statutory);
        old.effective_to = Some(date(2024, 12, 31));
        let mut new = row("b", Category::Phone, Promise::Statutory);
        new.effective_from = date(2025, 1, 1);
        let table = Policies::from_rows([old, new]).unwrap();
        let version = |on| table.warranty_for(Category::Phone, on).map(|it| it.version.as_str());
        assert_eq!(version(date(2019, 12, 31)), None);
        assert_eq!(version(date(2020, 1, 1)), Some("a"));
        assert_eq!(version(date(2024, 12, 31)), Some("a"));
        assert_eq!(version(date(2025, 1, 1)), Some("b"));
        assert_eq!(table.warranty_for(Category::Tv, date(2025, 1, 1)), None);
    }

    #[test]
    fn the_state_comes_before_the_maker_whatever_the_order() {
        let maker = row("maker", Category::Phone, Promise::MakerDefault);
        let state = row("state", Category::Phone, Promise::Statutory);
        for rows in [[maker.clone(), state.clone()], [state, maker]] {
            let table = Policies::from_rows(rows).unwrap();
            let found = table.warranty_for(Category::Phone, date(2026, 1, 1)).unwrap();
            assert_eq!(found.version, "state");
        }
    }

    #[test]
    fn a_provincial_row_does_not_speak_for_the_country() {
        let mut province = row("js", Category::Phone, Promise::Statutory);
        province.jurisdiction = "32".to_owned();
        let table = Policies::from_rows([province]).unwrap();
        assert_eq!(table.warranty_for(Category::Phone, date(2026, 1, 1)), None);
    }

    #[test]
    fn every_fault_is_named_with_its_row() {
        let good = row("a", Category::Phone, Promise::Statutory);
        let mut bad = row("", Category::Tv, Promise::Statutory);
        bad.term = Term::default();
        bad.refund_days = Some(16);
        bad.effective_to = Some(date(2019, 12, 31));
        let expected = [
            (1, PolicyFault::NoVersion),
            (1, PolicyFault::ZeroTerm),
            (1, PolicyFault::RefundOutlastsReplacement),
            (1, PolicyFault::Reversed),
            (2, PolicyFault::VersionTwice),
            (2, PolicyFault::Overlap),
        ];
        assert_eq!(faults(vec![good.clone(), bad, good]), expected);
    }

    #[test]
    fn the_shipped_table_gives_every_category_one_year() {
        let table = shipped();
        for category in Category::ALL {
            let row = table.warranty_for(category, date(2026, 11, 23)).unwrap();
            assert_eq!(row.term, Term { years: 1, ..Term::default() }, "{category:?}");
            assert_eq!(row.refund_days, Some(7), "{category:?}");
            let listed = row.basis == Promise::Statutory;
            assert_eq!(row.replace_days, listed.then_some(15), "{category:?}");
        }
        for category in [Category::PowerBank, Category::SmartWatch, Category::Other] {
            let row = table.warranty_for(category, date(2026, 11, 23)).unwrap();
            assert_eq!(row.basis, Promise::MakerDefault, "{category:?}");
        }
    }

    #[test]
    fn rows_of_another_basis_or_place_do_not_overlap() {
        let state = row("a", Category::Phone, Promise::Statutory);
        let maker = row("b", Category::Phone, Promise::MakerDefault);
        let mut province = row("c", Category::Phone, Promise::Statutory);
        province.jurisdiction = "32".to_owned();
        assert_eq!(faults(vec![state, maker, province]), []);
    }
}
