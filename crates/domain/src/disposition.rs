//! Dispositions: what a unit is meant for. Kept from the first day because they explain most false
//! alarms and cannot be recovered later.

/// What became of a unit other than plain sale: it explains most false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// For sale.
    Sale,
    /// Shown in a shop.
    Demo,
    /// Given away.
    Gift,
    /// For employees.
    Staff,
    /// Sold abroad.
    Export,
    /// Sold duty-free.
    DutyFree,
    /// Kept as a replacement.
    Spare,
    /// Mended and sold again.
    Refurbished,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: [Self; 8] = [
        Self::Sale,
        Self::Demo,
        Self::Gift,
        Self::Staff,
        Self::Export,
        Self::DutyFree,
        Self::Spare,
        Self::Refurbished,
    ];

    /// The word in files, API and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Demo => "demo",
            Self::Gift => "gift",
            Self::Staff => "staff",
            Self::Export => "export",
            Self::DutyFree => "duty_free",
            Self::Spare => "spare",
            Self::Refurbished => "refurbished",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|disposition| disposition.as_str() == word)
    }
}
