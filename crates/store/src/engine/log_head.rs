//! The head of the index of SQLite's write-ahead log: 48 bytes that differ after every commit,
//! whichever process made it (<https://sqlite.org/walformat.html>, "The WAL-Index File Format").
//!
//! SQLite shares the index among processes as mapped memory of a file beside the database. Reading
//! that file's first bytes costs one system call and takes no lock, where beginning to read takes
//! two and a mutex that all threads share. While the bytes are what they were before a snapshot
//! began, nothing was committed since: the snapshot shows all there is. A head caught half written
//! equals none, and then a snapshot is begun anew.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::lite::SqliteOptions;
use super::session::{Role, Session};

/// The first of the two copies of the head.
pub type Head = [u8; 48];

/// The index of one database, open once in this process for as long as anybody has that database
/// open: closing any handle of a file ends the locks that the whole process holds on it, SQLite's
/// own among them.
type Index = Mutex<Option<Arc<File>>>;

static INDICES: Mutex<Option<HashMap<PathBuf, Weak<Index>>>> = Mutex::new(None);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that a database is about to be opened. Taken before the first connection to it is made;
/// each thread with a connection of its own holds one and lets it go after that connection.
#[derive(Clone)]
pub(super) struct Claim(Arc<Index>);

impl Claim {
    /// `path`: the database in a folder that is there.
    pub fn new(path: &Path) -> Self {
        // However the folder is called: the file is one.
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        let file = path.file_name().unwrap_or_default();
        let path = folder.map_or_else(|| path.to_owned(), |folder| folder.join(file));
        let mut indices = locked(&INDICES);
        let indices = indices.get_or_insert_default();
        indices.retain(|_, index| index.strong_count() > 0);
        if let Some(index) = indices.get(&path).and_then(Weak::upgrade) {
            return Self(index);
        }
        let index = Arc::default();
        indices.insert(path, Arc::downgrade(&index));
        Self(index)
    }

    /// The file of the index, which a connection has open now.
    fn file(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut known = locked(&self.0);
        let same = |file: &&Arc<File>| -> io::Result<bool> {
            let (ours, there) = (file.metadata()?, std::fs::metadata(path)?);
            Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
        };
        if let Some(file) = known.as_ref()
            && same(&file)?
        {
            return Ok(Arc::clone(file));
        }
        // One of before was deleted with the last connection to it: nobody holds locks on it.
        let file = Arc::new(File::open(path)?);
        *known = Some(Arc::clone(&file));
        Ok(file)
    }
}

pub(super) struct LogHead {
    /// While one connection has the index open, nobody puts another in its place.
    _anchor: Mutex<Session>,
    file: Arc<File>,
}

impl LogHead {
    pub fn open(path: &Path, options: &SqliteOptions, claim: &Claim) -> io::Result<Self> {
        let anchor = Session::open(path, options, Role::Reader).map_err(io::Error::other)?;
        // Only reading opens the index.
        let read = anchor.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        read.map_err(io::Error::other)?;
        let mut index = path.as_os_str().to_owned();
        index.push("-shm");
        let file = claim.file(Path::new(&index))?;
        Ok(Self { _anchor: Mutex::new(anchor), file })
    }

    /// The head as it is; none when it cannot be read.
    pub fn read(&self) -> Option<Head> {
        let mut head = [0; size_of::<Head>()];
        self.file.read_exact_at(&mut head, 0).ok()?;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_changes_it_and_nothing_else_does() {
        let dir = tempfile::TempDir::new().expect("a temporary folder");
        let (path, options) = (dir.path().join("x.db"), SqliteOptions::default());
        let claim = Claim::new(&path);
        let founder = Session::open(&path, &options, Role::Founder).expect("it opens");
        founder.conn.execute_batch("CREATE TABLE t (n)").expect("a table");
        let log = LogHead::open(&path, &options, &claim).expect("the index is there");
        let before = log.read().expect("it reads");
        let other = rusqlite::Connection::open(&path).expect("another connection");
        let count = |sql| other.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("it reads");
        assert_eq!(count("SELECT count(*) FROM t"), 0);
        assert_eq!(log.read(), Some(before), "reading changes nothing");
        other.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").expect("it writes");
        assert_eq!(log.read(), Some(before), "what is not committed changes nothing");
        other.execute_batch("COMMIT").expect("it commits");
        let after = log.read().expect("it reads");
        assert_ne!(after, before);
        assert_eq!(count("PRAGMA wal_checkpoint(PASSIVE)"), 0);
        assert_eq!(log.read(), Some(after), "folding the log changes no row");
        founder.conn.execute_batch("INSERT INTO t VALUES (2)").expect("it writes");
        assert_ne!(log.read(), Some(after));
    }

    #[test]
    fn the_index_is_open_once_and_no_longer_than_its_database() {
        let dir = tempfile::TempDir::new().expect("a temporary folder");
        let (path, options) = (dir.path().join("x.db"), SqliteOptions::default());
        drop(Session::open(&path, &options, Role::Founder).expect("it opens"));
        let open = || {
            let claim = Claim::new(&dir.path().join(".").join("x.db"));
            let log = LogHead::open(&path, &options, &claim).expect("the index is there");
            (log, claim)
        };
        let ((one, first), (two, second)) = (open(), open());
        assert!(Arc::ptr_eq(&one.file, &two.file));
        let file = Arc::downgrade(&one.file);
        drop((one, first));
        assert!(file.upgrade().is_some());
        drop(two);
        assert!(file.upgrade().is_some(), "a connection may still be open");
        // SQLite has deleted the index; whoever comes now finds another.
        let (three, third) = open();
        assert!(file.upgrade().is_none_or(|file| !Arc::ptr_eq(&file, &three.file)));
        let before = three.read().expect("it reads");
        let other = rusqlite::Connection::open(&path).expect("another connection");
        other.execute_batch("CREATE TABLE t (n)").expect("it writes");
        assert_ne!(three.read(), Some(before));
        let file = Arc::downgrade(&three.file);
        drop((three, third, second));
        assert!(file.upgrade().is_none());
    }
}
