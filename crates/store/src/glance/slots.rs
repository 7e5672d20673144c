//! A file of slots of equal size, one for each of so many neighbouring numbers.
//!
//! It has no name and ends with the process: what is in it was read from the database and can be
//! read again. Its pages belong to the kernel, as those of the database do, and where no number
//! falls it has none. Numbers that are a multiple of the count of slots apart share one: the last
//! to come stays.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Room for what is remembered of one number, in bytes.
pub(super) const ROOM: usize = SLOT - LABEL;
const SLOT: usize = 128;
const LABEL: usize = 16;
/// Sixteen million. A slot takes room on the disk once it was written: 1.3 GB at ten million units.
const COUNT: u64 = 1 << 24;
/// So many bytes of the disk have to be free, twice what all slots take: the rest is for the
/// records, and what is here can be read again.
const FREE_MIN: u64 = 4 << 30;
/// Whoever reads or writes a slot holds the lock of it and of every so-manieth other.
const LOCKS: usize = 64;
/// Slots in one page of the file.
const SLOTS_OF_PAGE: usize = 4096 / SLOT;

/// What stands before the content of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Label {
    /// Whose slot it is now; 0, which is no unit, while it is nobody's.
    number: u64,
    /// In which line it was read.
    line: u32,
    /// Length of the content.
    length: u32,
}

impl Label {
    fn bytes(self) -> [u8; LABEL] {
        let mut bytes = [0; LABEL];
        bytes[..8].copy_from_slice(&self.number.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.line.to_ne_bytes());
        bytes[12..].copy_from_slice(&self.length.to_ne_bytes());
        bytes
    }

    fn read(slot: &[u8; SLOT]) -> Self {
        let short = |at: usize| slot[at..].first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
        let number = slot.first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
        Self { number, line: short(8), length: short(12) }
    }
}

pub(super) struct Slots {
    /// Written through: a full disk is an error here, and through a map the end of the process.
    file: File,
    /// Read through: a system call costs more than all the rest of a look into a slot.
    map: MmapRaw,
    /// Which pages were written, a bit for each: others are never touched, since some file systems
    /// make a page where one is read.
    written: Box<[AtomicU64]>,
    locks: [Mutex<()>; LOCKS],
    /// A slot could not be written: what stands in the file may be wrong.
    broken: AtomicBool,
    /// The disk has other things to keep.
    cramped: AtomicBool,
}

/// The right to touch a slot.
struct Turn<'a> {
    /// Which.
    slot: usize,
    _lock: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// Where it begins in the file.
    fn place(&self) -> usize {
        self.slot * SLOT
    }

    /// The bit of its page: in which word, and there.
    fn page(&self) -> (usize, u64) {
        let page = self.slot / SLOTS_OF_PAGE;
        (page / 64, 1 << (page % 64))
    }
}

impl Slots {
    /// Slots with nothing in them, on the disk of a folder.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let length = COUNT * SLOT as u64;
        // Beyond this the system refuses, and sends a signal that not every program catches.
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
        let words = COUNT as usize / SLOTS_OF_PAGE / 64;
        let slots = Self {
            file,
            map,
            written: (0..words).map(|_| AtomicU64::new(0)).collect(),
            locks: [const { Mutex::new(()) }; LOCKS],
            broken: AtomicBool::new(false),
            cramped: AtomicBool::new(false),
        };
        slots.look_for_room();
        Ok(slots)
    }

    /// Looks whether there is room on the disk for more than what has to be there: until the next
    /// look nothing is added where there is not.
    pub fn look_for_room(&self) -> bool {
        let free = rustix::fs::fstatvfs(&self.file).map(|disk| disk.f_bavail * disk.f_frsize);
        let room = free.is_ok_and(|free| free >= FREE_MIN);
        self.cramped.store(!room, Ordering::Relaxed);
        room
    }

    /// Whether anything in here is believed.
    pub fn is_sound(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    /// What is remembered of a number in a line: its length.
    pub fn get(&self, number: u64, line: u32, content: &mut [u8; ROOM]) -> Option<usize> {
        let slot = self.read(&self.turn(number))?;
        let label = Label::read(&slot);
        if (label.number, label.line) != (number, line) || !self.is_sound() {
            return None;
        }
        content.copy_from_slice(&slot[LABEL..]);
        usize::try_from(label.length).ok().filter(|length| *length <= ROOM)
    }

    /// Remembers what was read of a number in a line, if `is_current` says that nothing was
    /// committed since; and does at once what belongs with it. Returns whether it was current.
    pub fn put(
        &self,
        (number, line): (u64, u32),
        content: &[u8],
        is_current: impl FnOnce() -> bool,
        with: impl FnOnce(),
    ) -> bool {
        let end = LABEL + content.len();
        if self.cramped.load(Ordering::Relaxed) || !self.is_sound() || end > SLOT {
            return true;
        }
        let turn = self.turn(number);
        // Asked while the slot is ours: whoever commits from now on waits for it to forget.
        if !is_current() {
            return false;
        }
        let mut slot = [0; SLOT];
        let label = Label { number, line, length: content.len() as u32 };
        slot[..LABEL].copy_from_slice(&label.bytes());
        slot[LABEL..end].copy_from_slice(content);
        with();
        self.write(&turn, &slot[..end]);
        true
    }

    /// Forgets a number, if anything is remembered of it.
    pub fn forget(&self, number: u64) {
        let turn = self.turn(number);
        let known = self.read(&turn).is_some_and(|slot| Label::read(&slot).number == number);
        if known && self.is_sound() {
            self.write(&turn, &Label::default().bytes());
        }
    }

    /// A slot as it is; none where nothing was written near it.
    #[expect(unsafe_code, reason = "a map is memory of which Rust does not know who writes it")]
    fn read(&self, turn: &Turn<'_>) -> Option<[u8; SLOT]> {
        let (word, bit) = turn.page();
        if self.written[word].load(Ordering::Acquire) & bit == 0 {
            return None;
        }
        let mut slot = [0; SLOT];
        // SAFETY: the slot lies within the map, since it is below COUNT and the file was made that
        // long; nobody cuts the file, which has no name and is open nowhere else (whoever goes
        // through /proc to it may as well end the process); and nobody writes this slot meanwhile,
        // since whoever does holds its lock.
        unsafe {
            let from = self.map.as_ptr().add(turn.place());
            std::ptr::copy_nonoverlapping(from, slot.as_mut_ptr(), SLOT);
        }
        Some(slot)
    }

    /// A slot that could not be written may hold anything: from then on none is believed.
    fn write(&self, turn: &Turn<'_>, bytes: &[u8]) {
        match self.file.write_all_at(bytes, turn.place() as u64) {
            Ok(()) => {
                let (word, bit) = turn.page();
                self.written[word].fetch_or(bit, Ordering::Release);
            }
            Err(error) => {
                if !self.broken.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "units are not remembered any more");
                }
            }
        }
    }

    fn turn(&self, number: u64) -> Turn<'_> {
        let slot = (number % COUNT) as usize;
        let lock = self.locks[slot % LOCKS].lock().unwrap_or_else(PoisonError::into_inner);
        Turn { slot, _lock: lock }
    }
}
