//! Whether another process works with a database.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::lite::FILE_NAME;

/// Whether another process has the database in a folder open. SQLite holds a lock on the file from
/// the first read of a connection to its end; asking for the locks of others takes none and changes
/// nothing.
///
/// Only of a database that this process has not open: closing the file here would end the locks
/// that it holds itself.
///
/// # Errors
/// The system's.
pub fn is_open_elsewhere(dir: &Path) -> io::Result<bool> {
    let file = match File::open(dir.join(FILE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    // From the first byte to the last there may ever be.
    let whole = Flock::from(FlockType::WriteLock);
    Ok(fcntl_getlk(&file, &whole)?.is_some())
}
