//! How a command ends: the exit codes, and the one line that says what went wrong.

use crate::config::ConfigError;
use crate::files::FileError;
use crate::flows::backup::BackupError;
use crate::flows::import::ImportError;
use crate::flows::{FlowError, doctor};
use crate::geo::GeoError;
use crate::secrets::SecretsError;
use domain::refusal::{Refusal, Refused};
use std::io;
use std::process::ExitCode;
use store::StoreError;

/// Exit codes; `docs/cli.md` has a row for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Not done: refused, or a file or setting cannot be used.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// An import took the good rows and refused others.
    SomeRefused = 3,
    /// Done, and the answer is no: not genuine, not equal.
    No = 4,
    /// The store did not answer or failed; later it may work.
    Unavailable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Refused, or a file or setting cannot be used.
    #[error("{0}")]
    Failed(String),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The store did not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Whoever read our output went away: nothing is wrong.
    #[error("nobody reads any more")]
    NobodyReads,
}

impl Fault {
    /// A failure in words.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// The code to end with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Unavailable(_) => Exit::Unavailable,
            Self::NobodyReads => Exit::Done,
        }
    }

    /// A file that could not be read or written.
    pub fn file(path: &std::path::Path, cause: &io::Error) -> Self {
        Self::Failed(format!("{}: {cause}", path.display()))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Failed(error.0)
    }
}

impl From<GeoError> for Fault {
    fn from(error: GeoError) -> Self {
        Self::Failed(format!("geodata: {error}"))
    }
}

impl From<SecretsError> for Fault {
    fn from(error: SecretsError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Failed(as_typed(refused).to_string())
    }
}

/// What is said where nothing answers to what somebody typed.
const NOBODY_KNOWS: &str =
    "no unit or pack answers to this; check it, or look for it with dossier search";

/// Of a row in a file another file may have to tell first; what was typed is rather mistyped.
fn as_typed(mut refused: Refused) -> Refused {
    if refused.refusal == Refusal::UnknownSubject {
        refused.reason = refused.reason.replace(refused.refusal.sentence(), NOBODY_KNOWS);
    }
    refused
}

/// Words of SQLite and the system where a folder or a file in it may not be written.
const SHUT: [&str; 3] = ["readonly database", "unable to open database file", "Permission denied"];
/// What to do then.
const OPEN_UP: &str =
    "; the folder and the files in it must be writable by the user who runs dossier";

/// Whether that is why a store cannot be opened.
fn is_shut(error: &StoreError) -> bool {
    use store::engine::EngineError;
    let why = match error {
        // PostgreSQL says such words of other things.
        StoreError::Read(EngineError::Open(why)) if !why.contains("PostgreSQL") => why,
        StoreError::Read(EngineError::Migration { cause, .. }) => cause,
        _ => return false,
    };
    SHUT.iter().any(|words| why.contains(words))
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        use store::engine::{EngineError, WriteError};
        // Who works at the command line may know the database's own words, and has no log.
        let cause = doctor::fault_of(&error).map(|fault| format!(": {}", fault.cause()));
        let cause = cause.unwrap_or_default();
        let next = match &error {
            damaged if doctor::damage(damaged).is_some() => "; dossier doctor says what to do",
            shut if is_shut(shut) => OPEN_UP,
            StoreError::Write(WriteError::Full) => "; make room on the disk and run it again",
            StoreError::Write(WriteError::ReadOnly) => "; make it writable and run it again",
            StoreError::Write(WriteError::Unavailable { outcome_unknown: true, .. }) => {
                "; look whether it was recorded before you run it again"
            }
            StoreError::Write(WriteError::Unavailable { .. }) => "; run it again in a moment",
            StoreError::Read(EngineError::Decode(_)) => "; dossier doctor says of which row",
            _ => "",
        };
        Self::Unavailable(format!("{error}{cause}{next}"))
    }
}

impl From<FlowError> for Fault {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Refused(refused) => refused.into(),
            FlowError::Secrets(error) => error.into(),
            FlowError::Store(error) => error.into(),
            FlowError::Busy => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<BackupError> for Fault {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Flow(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        Self::Failed(of_file(&error))
    }
}

/// Why a file cannot be read; several columns that it lacks are no one column.
pub(super) fn of_file(error: &FileError) -> String {
    match error {
        FileError::MissingColumns { kind, missing } if missing.len() > 1 => {
            format!("{kind} needs the columns {}: add them to the header", missing.join(", "))
        }
        other => other.to_string(),
    }
}

impl From<ImportError> for Fault {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Flow(error) => error.into(),
            ImportError::File(error) => error.into(),
            ImportError::TooManyRows => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Kind;
    use store::engine::EngineError;

    #[test]
    fn what_was_typed_is_not_to_be_packed_first() {
        let fault = Fault::from(Refused::new(Refusal::UnknownSubject, "units"));
        assert_eq!(fault.to_string(), format!("units: {NOBODY_KNOWS}"));
        let other = Refused::new(Refusal::UnknownRecall, "id");
        assert_eq!(Fault::from(other.clone()).to_string(), other.to_string());
    }

    #[test]
    fn columns_are_told_in_their_number() {
        for (missing, told) in [
            (vec!["code"], "parties needs the column code: add it to the header"),
            (vec!["code", "kind"], "parties needs the columns code, kind: add them to the header"),
        ] {
            assert_eq!(of_file(&FileError::MissingColumns { kind: Kind::Parties, missing }), told);
        }
    }

    #[test]
    fn a_store_that_fails_under_a_backup_is_not_a_refusal() {
        let fails = StoreError::Read(EngineError::Open("it broke off".to_owned()));
        let fault = Fault::from(BackupError::from(fails));
        assert_eq!((fault.exit(), fault.to_string()), (Exit::Unavailable, "it broke off".into()));
        assert_eq!(Fault::from(BackupError::Short).exit(), Exit::Failed);
    }

    #[test]
    fn a_store_that_does_not_open_says_what_to_do() {
        let told = |why: &str| {
            let fault = Fault::from(StoreError::Read(EngineError::Open(why.to_owned())));
            (fault.exit(), fault.to_string())
        };
        for (why, next) in [
            ("cannot open the database in ro: attempt to write a readonly database", "writable"),
            ("cannot open the database in ro: unable to open database file", "writable"),
            ("cannot open the database in x: database disk image is malformed", "doctor"),
            ("cannot open the database in x: file is not a database", "doctor"),
        ] {
            let (exit, sentence) = told(why);
            assert_eq!(exit, Exit::Unavailable);
            assert!(sentence.starts_with(why) && sentence.contains(next), "{sentence}");
        }
        let (_, elsewhere) = told("cannot connect to PostgreSQL: Permission denied (os error 13)");
        assert!(!elsewhere.contains("writable"), "{elsewhere}");
    }
}
