//! A file of slots of equal size, one for each of so many neighbouring numbers.
//!
//! It has no name and ends with the process: what is in it was read from the database and can be
//! read again. Its pages belong to the kernel, as those of the database do, and where no number
//! falls it has none. Numbers that are a multiple of the count of slots apart share one: the last
//! to come stays.

use crate::engine::Moment;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Room for what is remembered of one number, in bytes.
pub(super) const ROOM: usize = SLOT - HEAD;
const SLOT: usize = 128;
const HEAD: usize = 24;
/// Sixteen million. A slot takes room on the disk once it was written: 1.3 GB at ten million units.
const COUNT: u64 = 1 << 24;
/// So many bytes of the disk are left to the records: what is here can be read again.
const FREE_MIN: u64 = 4 << 30;
/// Whoever reads or writes a slot holds the lock of it and of every so-manieth other.
const LOCKS: usize = 64;

/// What stands before the content of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    /// The last commit that wrote something this slot is about: what was read before says nothing.
    stale_before: u64,
    /// Whose slot it is now; 0, which is no unit, while it is nobody's.
    number: u64,
    /// In which line it was read.
    line: u32,
    /// Length of the content.
    length: u32,
}

impl Head {
    fn bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&self.stale_before.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.line.to_ne_bytes());
        bytes[20..].copy_from_slice(&self.length.to_ne_bytes());
        bytes
    }

    fn read(slot: &[u8; SLOT]) -> Self {
        let long = |at: usize| slot[at..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
        let short = |at: usize| slot[at..].first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
        Self { stale_before: long(0), number: long(8), line: short(16), length: short(20) }
    }
}

pub(super) struct Slots {
    /// Written through: a full disk is an error here, and through a map the end of the process.
    file: File,
    /// Read through: a system call costs more than all the rest of a look into a slot.
    map: MmapRaw,
    locks: [Mutex<()>; LOCKS],
    /// What is read without all of so many commits is not remembered: nobody was told of them.
    told_since: AtomicU64,
    /// A slot could not be written: what stands in the file may be wrong.
    broken: AtomicBool,
    /// The disk has other things to keep.
    cramped: AtomicBool,
}

/// The right to touch a slot.
struct Turn<'a> {
    /// Where it begins.
    place: usize,
    _lock: MutexGuard<'a, ()>,
}

impl Slots {
    /// Slots with nothing in them, on the disk of a folder.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let length = COUNT * SLOT as u64;
        // To be over the limit of the process would be its end.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        if limit.is_some_and(|limit| limit < length) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let path = folder.join(format!("glances-{}.tmp", uuid::Uuid::now_v7()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        file.set_len(length)?;
        let map = MmapOptions::new().map_raw_read_only(&file)?;
        let slots = Self {
            file,
            map,
            locks: [const { Mutex::new(()) }; LOCKS],
            told_since: AtomicU64::new(u64::MAX),
            broken: AtomicBool::new(false),
            cramped: AtomicBool::new(false),
        };
        slots.has_room();
        Ok(slots)
    }

    /// Whether there is room on the disk for more than what has to be there. Looked at now and
    /// then: until the next time nothing is added where there is not.
    pub fn has_room(&self) -> bool {
        let free = rustix::fs::fstatvfs(&self.file).map(|disk| disk.f_bavail * disk.f_frsize);
        let room = free.is_ok_and(|free| free >= FREE_MIN);
        self.cramped.store(!room, Ordering::Relaxed);
        room
    }

    /// From now on every commit after so many is told of.
    pub fn told_since(&self, commits: u64) {
        self.told_since.store(commits, Ordering::Release);
    }

    /// Whether anything can be remembered of what such a snapshot shows.
    pub fn takes(&self, moment: Moment) -> bool {
        moment.commits >= self.told_since.load(Ordering::Acquire)
            && !self.broken.load(Ordering::Acquire)
    }

    /// What is remembered of a number in a line.
    pub fn get(&self, number: u64, line: u32, content: &mut [u8; ROOM]) -> Option<usize> {
        let slot = self.read(&self.turn(number));
        let head = Head::read(&slot);
        let whose = (head.number, head.line) == (number, line);
        if !whose || self.broken.load(Ordering::Acquire) {
            return None;
        }
        content.copy_from_slice(&slot[HEAD..]);
        usize::try_from(head.length).ok().filter(|length| *length <= ROOM)
    }

    /// Remembers what a snapshot of this moment shows of a number, unless it was written since; and
    /// does at once what belongs with it.
    pub fn put(&self, number: u64, moment: Moment, content: &[u8], with: impl FnOnce()) {
        let cramped = self.cramped.load(Ordering::Relaxed);
        if cramped || !self.takes(moment) || content.len() > ROOM {
            return;
        }
        let turn = self.turn(number);
        let mut slot = self.read(&turn);
        let known = Head::read(&slot);
        if known.stale_before > moment.commits {
            return;
        }
        let (length, end) = (content.len() as u32, HEAD + content.len());
        let head = Head { number, line: moment.line, length, ..known };
        slot[..HEAD].copy_from_slice(&head.bytes());
        slot[HEAD..end].copy_from_slice(content);
        with();
        self.write(&turn, &slot[..end]);
    }

    /// Forgets a number that a commit wrote something about.
    pub fn forget(&self, number: u64, commit: u64) {
        let head = Head { stale_before: commit, ..Head::default() };
        self.write(&self.turn(number), &head.bytes());
    }

    #[expect(unsafe_code, reason = "a map is memory of which Rust does not know who writes it")]
    fn read(&self, turn: &Turn<'_>) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        // SAFETY: the slot lies within the map, since its place is below COUNT slots and the file
        // has been made that long; nobody can cut the file, which has no name and is open nowhere
        // else; and nobody writes this slot meanwhile, since whoever does holds its lock.
        unsafe {
            let from = self.map.as_ptr().add(turn.place);
            std::ptr::copy_nonoverlapping(from, slot.as_mut_ptr(), SLOT);
        }
        slot
    }

    /// A slot that could not be written may hold anything: from then on none is believed.
    fn write(&self, turn: &Turn<'_>, bytes: &[u8]) {
        if let Err(error) = self.file.write_all_at(bytes, turn.place as u64)
            && !self.broken.swap(true, Ordering::AcqRel)
        {
            tracing::warn!(%error, "units are not remembered any more: each look reads the store");
        }
    }

    fn turn(&self, number: u64) -> Turn<'_> {
        let slot = (number % COUNT) as usize;
        let lock = self.locks[slot % LOCKS].lock().unwrap_or_else(PoisonError::into_inner);
        Turn { place: slot * SLOT, _lock: lock }
    }
}
