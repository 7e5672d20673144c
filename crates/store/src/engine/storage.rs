//! What a failing file is to whoever wanted to write.
//!
//! SQLite calls only "no space left on device" a full disk. A file that has reached the size limit
//! of the process (`ulimit -f`) and a file system that the kernel has turned read-only under open
//! files are an input/output error to it, in a write that did not happen. Whoever reads the answer
//! must know which it is, so the machine is asked here.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

use super::error::{Fault, WriteError};

/// Bytes of one page in the log: its head and 4 KiB.
const FRAME_BYTES: u64 = 24 + 4096;

/// Judges a failure of the storage. `committing` says that COMMIT itself failed.
pub(super) fn storage_error(error: &rusqlite::Error, path: &Path, committing: bool) -> WriteError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => return WriteError::Full,
        Some(ErrorCode::ReadOnly) => return WriteError::ReadOnly,
        _ => {}
    }
    if wrote_nothing(error)
        && let Some(known) = unwritable(path)
    {
        return known;
    }
    // A failed sync may still have reached the disk, and then survives a crash.
    let outcome_unknown =
        committing && error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    WriteError::Unavailable { outcome_unknown, fault: Fault::log("writing", error) }
}

/// Whether the failure came before the last page of the transaction was whole in the log: without
/// that page, its other pages are nothing.
fn wrote_nothing(error: &rusqlite::Error) -> bool {
    let before = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_SHMSIZE];
    error.sqlite_error().is_some_and(|failure| before.contains(&failure.extended_code))
}

fn unwritable(path: &Path) -> Option<WriteError> {
    if at_size_limit(path) { Some(WriteError::Full) } else { refusing_files(path) }
}

/// Whether the database or its log may not grow by another page.
fn at_size_limit(path: &Path) -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    let full = |file: &Path| {
        let size = std::fs::metadata(file).map_or(0, |found| found.len());
        limit.is_some_and(|limit| size.saturating_add(FRAME_BYTES) > limit)
    };
    full(path) || full(&beside(path, "-wal"))
}

/// Tries to make a file beside the database. Not the database itself: closing it again would drop
/// the locks that the connections of this process hold on it.
fn refusing_files(path: &Path) -> Option<WriteError> {
    let probe = beside(path, "-probe");
    let tried = File::create(&probe).map(drop);
    // Where it could not be made there is nothing to remove.
    let _ = std::fs::remove_file(&probe);
    match tried.err()?.kind() {
        ErrorKind::ReadOnlyFilesystem => Some(WriteError::ReadOnly),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(WriteError::Full),
        _ => None,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
