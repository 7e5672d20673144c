//! Folders and files that only their owner can look into: records, keys, people's data.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those above it that are missing, closed to others. One that is there keeps
/// its mode: it may have been opened to others on purpose.
///
/// # Errors
/// The system's.
pub fn private_folder(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes an empty file that only its owner can read, where there is none. SQLite gives the files
/// beside a database the mode that the database has. A file that is there is not even opened:
/// closing it would end the locks that this process holds on it.
pub(super) fn private_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
