//! Why a unit starts a new life. A first start is unique in a life, so a life is opened only for a
//! cause that hands the unit to somebody new, and the cause stays visible.

/// What opens a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A unit that had been started was taken back, and accepted.
    Return,
    /// The brand refurbished it, or had it refurbished.
    Refurbishment,
    /// It was given in place of another under guarantee, or was replaced so.
    Replacement,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Return, Self::Refurbishment, Self::Replacement];

    /// The word in API and ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Refurbishment => "refurbishment",
            Self::Replacement => "replacement",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_no_others() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        for other in ["", "returned", "Return", "return ", "trade_in"] {
            assert_eq!(Cause::parse(other), None, "{other}");
        }
    }
}
