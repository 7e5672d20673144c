//! Cases: the work on alerts. An alert is a finding someone must see; a case is what the brand and
//! one party say to each other over units, until the brand says how it ended.
//!
//! Decides who takes which step and where a case stands after it. Does not decide who sees a case
//! (that is one question, `flows::access::concerns`), nor keeps what was said: words may name
//! persons and are in no event.

use crate::party::PartyKind;
use crate::refusal::Refusal;

/// Most units one case is about.
pub const UNITS_MAX: usize = 200;
/// Longest summary, message, statement or closing, in characters.
pub const WORDS_CHARS_MAX: usize = 4_000;
/// Most entries of one case.
pub const ENTRIES_MAX: i64 = 1_000;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in store, API and documents.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// Whose turn it is.
    CaseState {
        /// The party has to answer.
        Open "open",
        /// The party answered; the brand has to decide.
        Answered "answered",
        /// It ended; only reopening goes on from here.
        Closed "closed",
    }
}

words! {
    /// How a case ended.
    Outcome {
        /// What was suspected is so.
        Confirmed "confirmed",
        /// It is not so.
        Unfounded "unfounded",
        /// Brand and party came to terms.
        Settled "settled",
    }
}

words! {
    /// What an entry of a case is.
    EntryKind {
        /// What the brand opened it with.
        Opening "opening",
        /// The brand's own, seen by the brand alone.
        Note "note",
        /// The brand to the party.
        Message "message",
        /// The party, or one above it, to the brand.
        Statement "statement",
        /// What the brand closed it with.
        Closing "closing",
        /// What the brand opened it again with.
        Reopening "reopening",
    }
}

impl EntryKind {
    /// Whether whoever sees the case without being the brand sees it.
    pub fn is_shared(self) -> bool {
        self != Self::Note
    }
}

/// Who acts in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// The brand.
    Brand,
    /// The party it is about, or one above that.
    Party,
}

/// What is done to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The brand opens it.
    Open,
    /// Further units stand in it.
    Extend,
    /// The brand notes something for itself.
    Note,
    /// The brand says or asks something.
    Message,
    /// The party says something.
    State,
    /// The brand ends it.
    Close,
    /// The brand takes it up again.
    Reopen,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Extend,
        Self::Note,
        Self::Message,
        Self::State,
        Self::Close,
        Self::Reopen,
    ];

    /// The entry its words are.
    pub fn entry(self) -> Option<EntryKind> {
        match self {
            Self::Open => Some(EntryKind::Opening),
            Self::Extend => None,
            Self::Note => Some(EntryKind::Note),
            Self::Message => Some(EntryKind::Message),
            Self::State => Some(EntryKind::Statement),
            Self::Close => Some(EntryKind::Closing),
            Self::Reopen => Some(EntryKind::Reopening),
        }
    }

    /// The verb in audit records.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Open => "opened",
            Self::Extend => "extended",
            Self::Note => "noted",
            Self::Message => "messaged",
            Self::State => "answered",
            Self::Close => "closed",
            Self::Reopen => "reopened",
        }
    }
}

/// Whom a case can be about: parties of the channel and those around it. The brand needs none about
/// itself, an authority is nobody's to question.
pub fn may_concern(kind: PartyKind) -> bool {
    !matches!(kind, PartyKind::Brand | PartyKind::Regulator)
}

/// Whether a step is this side's to take. Asked before a case is looked for, so that its answer
/// tells nothing of whether there is one.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn may(acting: Acting, step: Step) -> Result<(), Refusal> {
    let own = match step {
        Step::State => Acting::Party,
        _ => Acting::Brand,
    };
    if acting == own { Ok(()) } else { Err(Refusal::NotAllowed) }
}

/// Where a case that is there stands after a step.
///
/// # Errors
/// [`Refusal::CaseState`] when the step does not follow on where the case stands.
pub fn after(state: CaseState, step: Step) -> Result<CaseState, Refusal> {
    match (state, step) {
        (CaseState::Closed, Step::Reopen) => Ok(CaseState::Open),
        (CaseState::Closed, _) | (_, Step::Open | Step::Reopen) => Err(Refusal::CaseState),
        (_, Step::Close) => Ok(CaseState::Closed),
        (_, Step::State) => Ok(CaseState::Answered),
        // Who is asked once more has to answer once more.
        (_, Step::Message) => Ok(CaseState::Open),
        (state, Step::Extend | Step::Note) => Ok(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        assert!(CaseState::ALL.iter().all(|w| CaseState::parse(w.as_str()) == Some(*w)));
        assert!(Outcome::ALL.iter().all(|w| Outcome::parse(w.as_str()) == Some(*w)));
        assert!(EntryKind::ALL.iter().all(|w| EntryKind::parse(w.as_str()) == Some(*w)));
        assert_eq!(CaseState::parse("Open"), None);
    }

    #[test]
    fn the_steps_of_both_sides() {
        use CaseState::{Answered, Closed, Open};
        let wrong = Err(Refusal::CaseState);
        for (step, from_open, from_answered, from_closed) in [
            (Step::Open, wrong, wrong, wrong),
            (Step::Extend, Ok(Open), Ok(Answered), wrong),
            (Step::Note, Ok(Open), Ok(Answered), wrong),
            (Step::Message, Ok(Open), Ok(Open), wrong),
            (Step::State, Ok(Answered), Ok(Answered), wrong),
            (Step::Close, Ok(Closed), Ok(Closed), wrong),
            (Step::Reopen, wrong, wrong, Ok(Open)),
        ] {
            let (own, other) = match step {
                Step::State => (Acting::Party, Acting::Brand),
                _ => (Acting::Brand, Acting::Party),
            };
            let found = [Open, Answered, Closed].map(|state| after(state, step));
            assert_eq!(found, [from_open, from_answered, from_closed], "{step:?}");
            assert_eq!(may(own, step), Ok(()), "{step:?}");
            assert_eq!(may(other, step), Err(Refusal::NotAllowed), "{step:?}");
        }
    }

    #[test]
    fn only_notes_are_the_brands_alone() {
        let hidden: Vec<_> = EntryKind::ALL.iter().filter(|kind| !kind.is_shared()).collect();
        assert_eq!(hidden, [&EntryKind::Note]);
        let verbs: std::collections::HashSet<_> = Step::ALL.iter().map(|s| s.verb()).collect();
        assert_eq!(verbs.len(), Step::ALL.len());
    }

    #[test]
    fn nobody_questions_the_brand_or_an_authority() {
        let about: Vec<_> = PartyKind::ALL.iter().filter(|kind| !may_concern(**kind)).collect();
        assert_eq!(about.len(), 2, "{about:?}");
    }
}
