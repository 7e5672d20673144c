//! Whose commits a snapshot shows.
//!
//! What was read of a row holds until the row is written again. To remember it beyond the next
//! commit, one has to know of every commit whether it was this process that made it, and of each of
//! those what it wrote. The second is known, since a plan is data. The first is found out here: the
//! head of the log ([`super::log_head`]) differs after every commit, and while one of ours begins,
//! nobody else can make one. So where the head is then what our last commit left behind, all in
//! between was ours; where it is not, another process wrote, and a new *line* begins: nothing that
//! was remembered in an earlier one says anything any more. That nobody came between our commit and
//! the look at what it left behind is told by SQLite's count of commits, which stands in the head
//! (`iChange` of <https://sqlite.org/walformat.html>).
//!
//! A snapshot with another head than ours left is of no line: another process has just written, or
//! one of our commits has just been made and is not told of yet. Then nothing remembered is
//! believed, and nothing that is read is remembered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::log_head::Head;
use super::plan::Plan;

/// What a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// In one line, nobody but this process wrote.
    pub line: u32,
    /// All that this process wrote up to its commit of this number is shown, perhaps more.
    pub commits: u64,
}

/// Is told what this process writes.
pub trait Witness: Send + Sync {
    /// These plans were in the commit of this number; it was made or, if it failed, may have been.
    /// None of them has been answered yet, and no snapshot that shows them is of a line yet.
    fn committed(&self, number: u64, plans: &mut dyn Iterator<Item = &Plan>);
}

/// What the last commit of this process left behind.
#[derive(Clone, Copy, Default)]
struct Last {
    line: u32,
    /// None where it could not be read: then no snapshot is of a line.
    head: Option<Head>,
}

#[derive(Default)]
pub(super) struct Lineage {
    /// How many commits this process tried.
    commits: AtomicU64,
    last: Mutex<Last>,
    witness: OnceLock<Arc<dyn Witness>>,
}

impl Lineage {
    /// A first line, of a database whose head is this.
    pub fn new(head: Option<Head>) -> Self {
        Self { last: Mutex::new(Last { line: 0, head }), ..Self::default() }
    }

    /// How many commits this process tried.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Who is told from now on; only one is.
    pub fn watch(&self, witness: Arc<dyn Witness>) {
        let _ = self.witness.set(witness);
    }

    /// What a snapshot shows that began when this was the head and, before that, so many commits
    /// of ours had been tried.
    pub fn moment(&self, head: &Head, commits: u64) -> Option<Moment> {
        let last = *self.last();
        (last.head.as_ref() == Some(head)).then_some(Moment { line: last.line, commits })
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the writer before it answers. The head as it was when nobody else could commit any
    /// more, and as it is now; `wrote`: whether anything got into the log.
    pub fn committed<'a>(
        &self,
        (before, after): (Option<Head>, Option<Head>),
        wrote: bool,
        plans: impl Iterator<Item = &'a Plan>,
    ) {
        self.tell(plans);
        let mut last = self.last();
        let begun_in_line = before.is_some() && before == last.head;
        let count = before.map(|head| count_in(&head).wrapping_add(u32::from(wrote)));
        let nobody_since = count.is_some() && count == after.map(|head| count_in(&head));
        if !(begun_in_line && nobody_since) {
            last.line = last.line.wrapping_add(1);
        }
        last.head = after;
    }

    /// Called instead where the commit failed. If it was made nevertheless, the next finds a count
    /// that nobody left behind.
    pub fn failed<'a>(&self, plans: impl Iterator<Item = &'a Plan>) {
        self.tell(plans);
    }

    fn tell<'a>(&self, mut plans: impl Iterator<Item = &'a Plan>) {
        // First the number: whoever reads without this commit says so from now on.
        let number = self.commits.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(witness) = self.witness.get() {
            witness.committed(number, &mut plans);
        }
    }
}

/// SQLite's count of commits, in the machine's own order of bytes.
fn count_in(head: &Head) -> u32 {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *head;
    u32::from_ne_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::empty;

    fn head(count: u32) -> Head {
        let mut head = [7; size_of::<Head>()];
        head[8..12].copy_from_slice(&count.to_ne_bytes());
        head
    }

    fn both(before: u32, after: u32) -> (Option<Head>, Option<Head>) {
        (Some(head(before)), Some(head(after)))
    }

    #[test]
    fn our_own_commits_go_on_in_one_line() {
        let lineage = Lineage::new(Some(head(5)));
        let begun = lineage.moment(&head(5), 0).expect("nobody wrote since it was opened");
        lineage.committed(both(5, 6), true, empty());
        let first = lineage.moment(&head(6), lineage.commits()).expect("it is ours");
        assert_eq!(lineage.moment(&head(5), 0), None, "from before our commit");
        lineage.committed(both(6, 7), true, empty());
        lineage.committed(both(7, 7), false, empty());
        let later = lineage.moment(&head(7), lineage.commits()).expect("it is ours");
        assert_eq!((later.line, later.commits), (first.line, first.commits + 2));
        assert_eq!((first.line, first.commits), (begun.line, 1));
    }

    #[test]
    fn a_commit_of_another_process_ends_the_line() {
        let lineage = Lineage::new(Some(head(1)));
        let line = |count| lineage.moment(&head(count), 9).map(|it| it.line);
        let first = line(1).expect("it is ours");
        assert_eq!(line(2), None, "somebody else wrote");
        // Before ours…
        lineage.committed(both(2, 3), true, empty());
        let second = line(3).expect("it is ours");
        assert_ne!(second, first);
        // …or just after it, with something of ours in between or nothing.
        lineage.committed(both(3, 5), true, empty());
        let third = line(5).expect("what it shows is known");
        assert_ne!(third, second);
        lineage.committed(both(5, 6), false, empty());
        let fourth = line(6).expect("what it shows is known");
        assert_ne!(fourth, third);
        // What is not known may have been anybody's.
        lineage.committed((None, Some(head(7))), true, empty());
        assert_ne!(line(7).expect("what it shows is known"), fourth);
        lineage.committed((Some(head(7)), None), true, empty());
        assert_eq!((line(7), line(8)), (None, None));
    }

    #[test]
    fn a_head_with_the_same_count_is_not_the_same() {
        let lineage = Lineage::new(Some(head(1)));
        let mut other = head(1);
        other[20] += 1;
        assert_eq!(lineage.moment(&other, 0), None);
        let ours = lineage.moment(&head(1), 0).expect("it is ours");
        lineage.committed((Some(other), Some(head(2))), true, empty());
        assert_ne!(lineage.moment(&head(2), 1).map(|it| it.line), Some(ours.line));
    }

    #[test]
    fn a_commit_that_failed_and_was_made_ends_the_line() {
        let lineage = Lineage::new(Some(head(2)));
        let ours = lineage.moment(&head(2), 0).expect("it is ours");
        lineage.failed(empty());
        assert_eq!(lineage.moment(&head(2), 1), Some(Moment { commits: 1, ..ours }));
        assert_eq!(lineage.moment(&head(3), 1), None);
        lineage.committed(both(3, 4), true, empty());
        assert_ne!(lineage.moment(&head(4), 2).map(|it| it.line), Some(ours.line));
    }

    /// Notes how many commits readers counted when it was told of each.
    #[derive(Default)]
    struct Clerk {
        lineage: OnceLock<Arc<Lineage>>,
        told: Mutex<Vec<(u64, u64, Option<Moment>)>>,
    }

    impl Witness for Clerk {
        fn committed(&self, number: u64, _: &mut dyn Iterator<Item = &Plan>) {
            let lineage = self.lineage.get().expect("it was set");
            let shown = lineage.moment(&head(6), lineage.commits());
            self.told.lock().expect("nobody panicked").push((number, lineage.commits(), shown));
        }
    }

    #[test]
    fn a_witness_is_told_between_the_count_and_the_line() {
        let (lineage, clerk) = (Arc::new(Lineage::new(Some(head(5)))), Arc::new(Clerk::default()));
        assert!(clerk.lineage.set(Arc::clone(&lineage)).is_ok());
        lineage.watch(Arc::clone(&clerk) as Arc<dyn Witness>);
        lineage.committed(both(5, 6), true, empty());
        // Whoever reads without the commit counts it already, so nothing it reads is kept; whoever
        // reads with it is of no line yet.
        assert_eq!(*clerk.told.lock().expect("nobody panicked"), [(1, 1, None)]);
        assert!(lineage.moment(&head(6), 1).is_some());
    }
}
