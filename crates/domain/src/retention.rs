//! How long what is beside the ledger is kept. The terms are data; this says which there are.

use std::fmt;

/// What is kept for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Answers to repeated commands.
    Answer,
    /// Raw signals of an activation, a visitor's report, the address behind an audit record.
    Observation,
    /// Commands whose unit never came.
    Waiting,
    /// Tries of a physical proof.
    ProofTry,
    /// A registration, after what it is kept for has ended.
    Registration,
    /// A consent, after it was withdrawn.
    Consent,
    /// A record of a sensitive read.
    AuditRead,
    /// What was said in a case, after it was closed.
    CaseWords,
}

impl Kept {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Answer,
        Self::Observation,
        Self::Waiting,
        Self::ProofTry,
        Self::Registration,
        Self::Consent,
        Self::AuditRead,
        Self::CaseWords,
    ];

    /// The word in the table of terms and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Observation => "observation",
            Self::Waiting => "waiting",
            Self::ProofTry => "proof_try",
            Self::Registration => "registration",
            Self::Consent => "consent",
            Self::AuditRead => "audit_read",
            Self::CaseWords => "case_words",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kept| kept.as_str() == word)
    }

    /// The fewest days a table may say, where a rule asks for them: network logs six months
    /// (Cybersecurity Law); a try of a proof counts for an hour whatever the clocks say.
    pub const fn days_min(self) -> u16 {
        match self {
            Self::AuditRead => 183,
            _ => 1,
        }
    }
}

/// A term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Of what.
    pub kept: Kept,
    /// Days, from what `basis` says on.
    pub days: u16,
    /// What the days count from and what asks for them.
    pub basis: String,
    /// Where the number comes from.
    pub source_note: String,
    /// Whether it was compared with its source.
    pub verified: bool,
}

/// Why a table of terms is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetentionProblem {
    /// A kind has no term, or two.
    Count(Kept, usize),
    /// Fewer days than a rule asks for.
    TooShort(Kept),
}

impl fmt::Display for RetentionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(kept, count) => write!(f, "{count} terms for {}", kept.as_str()),
            Self::TooShort(kept) => {
                write!(f, "{} needs at least {} days", kept.as_str(), kept.days_min())
            }
        }
    }
}

/// A term for every kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention(Vec<RetentionPolicy>);

impl Retention {
    /// Takes a table that has exactly one sufficient term for every kind.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_rows(rows: Vec<RetentionPolicy>) -> Result<Self, Vec<RetentionProblem>> {
        let mut problems = Vec::new();
        for kept in Kept::ALL {
            match rows.iter().filter(|row| row.kept == kept).count() {
                1 => {}
                count => problems.push(RetentionProblem::Count(kept, count)),
            }
        }
        let short = rows.iter().filter(|row| row.days < row.kept.days_min());
        problems.extend(short.map(|row| RetentionProblem::TooShort(row.kept)));
        if problems.is_empty() { Ok(Self(rows)) } else { Err(problems) }
    }

    /// Days of a kind.
    pub fn days(&self, kept: Kept) -> u16 {
        let row = self.0.iter().find(|row| row.kept == kept);
        row.map_or(kept.days_min(), |row| row.days)
    }

    /// Every term.
    pub fn policies(&self) -> &[RetentionPolicy] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<RetentionPolicy> {
        let row = |kept: Kept| RetentionPolicy {
            kept,
            days: 200,
            basis: String::new(),
            source_note: String::new(),
            verified: false,
        };
        Kept::ALL.into_iter().map(row).collect()
    }

    #[test]
    fn every_kind_has_one_sufficient_term() {
        assert_eq!(Retention::from_rows(rows()).unwrap().days(Kept::Consent), 200);
        let mut missing = rows();
        missing.remove(0);
        let wrong = Retention::from_rows(missing).unwrap_err();
        assert_eq!(wrong, [RetentionProblem::Count(Kept::Answer, 0)]);
        let mut twice = rows();
        twice.push(twice[1].clone());
        assert!(Retention::from_rows(twice).is_err());
        let mut short = rows();
        short[6].days = 182;
        let wrong = Retention::from_rows(short).unwrap_err();
        assert_eq!(wrong, [RetentionProblem::TooShort(Kept::AuditRead)]);
        assert_eq!(wrong[0].to_string(), "audit_read needs at least 183 days");
    }

    #[test]
    fn kinds_are_read_back() {
        for kept in Kept::ALL {
            assert_eq!(Kept::parse(kept.as_str()), Some(kept));
        }
    }
}
