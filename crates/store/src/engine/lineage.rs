//! Whose commits a snapshot shows.
//!
//! What was read of a row holds until the row is written again. To remember it beyond the next
//! commit, one has to know of every commit whether it was this process that made it, and of each of
//! those what it wrote. The second is known, since a plan is data. The first is found out here: the
//! head of the log ([`super::log_head`]) tells one state of the database from another, and while a
//! commit of ours begins, nobody else can make one. So where the state is then what our last commit
//! left behind, all in between was ours; where it is not, somebody else may have written, and a new
//! *line* begins: nothing that was remembered in an earlier one says anything any more.
//!
//! A snapshot of another state than ours left is of no line: another process has just written, or
//! one of our commits has just been made and is not told of yet. Then nothing remembered is
//! believed, and nothing that is read is remembered.

use std::sync::atomic::{AtomicU64, Ordering, fence};
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
    /// These plans were committed or, if that failed, may have been. They are counted, and none of
    /// them has been answered yet.
    fn committed(&self, plans: &mut dyn Iterator<Item = &Plan>);
}

/// What the last commit of this process left behind.
#[derive(Clone, Copy, Default)]
struct Last {
    line: u32,
    /// None where it could not be read: then no snapshot is of a line.
    state: Option<State>,
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
        Self {
            last: Mutex::new(Last { line: 0, state: head.as_ref().map(State::of) }),
            ..Self::default()
        }
    }

    /// How many commits this process tried.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Who is told from now on; only one is.
    pub fn watch(&self, witness: Arc<dyn Witness>) {
        let _ = self.witness.set(witness);
        // Whoever was not told of a commit is sure to find it counted.
        fence(Ordering::SeqCst);
    }

    /// What a snapshot shows that began when this was the head and, before that, so many commits
    /// of ours had been tried.
    pub fn moment(&self, head: &Head, commits: u64) -> Option<Moment> {
        let last = *self.last();
        (last.state == Some(State::of(head))).then_some(Moment { line: last.line, commits })
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
        let (before, after) = (before.map(|it| State::of(&it)), after.map(|it| State::of(&it)));
        let begun_in_line = before.is_some() && before == last.state;
        let count = before.map(|it| it.commits.wrapping_add(u32::from(wrote)));
        let nobody_since = count.is_some() && count == after.map(|it| it.commits);
        if !(begun_in_line && nobody_since) {
            last.line = last.line.wrapping_add(1);
        }
        last.state = after;
    }

    /// Called instead where the commit failed. If it was made nevertheless, the next finds a count
    /// that nobody left behind.
    pub fn failed<'a>(&self, plans: impl Iterator<Item = &'a Plan>) {
        self.tell(plans);
    }

    fn tell<'a>(&self, mut plans: impl Iterator<Item = &'a Plan>) {
        // First the count: what was read without this commit is not current from now on.
        self.commits.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if let Some(witness) = self.witness.get() {
            witness.committed(&mut plans);
        }
    }
}

/// What in a head tells one state of the database from another, and is the same after the log was
/// only folded and cut (<https://sqlite.org/walformat.html>, "The WAL-Index File Format").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// `iChange`: one more for each commit, and from 0 again where the index had to be made anew.
    commits: u32,
    /// `nPage` and `aFrameCksum`: the size of the database, and a sum over all that was logged.
    rest: [u8; 12],
}

impl State {
    fn of(head: &Head) -> Self {
        let commits = head[8..].first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
        Self { commits, rest: head[20..].first_chunk().copied().unwrap_or_default() }
    }
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
    fn what_was_logged_counts_and_where_the_log_begins_does_not() {
        let lineage = Lineage::new(Some(head(1)));
        let mut other = head(1);
        other[25] += 1;
        assert_eq!(lineage.moment(&other, 0), None);
        let ours = lineage.moment(&head(1), 0).expect("it is ours");
        lineage.committed((Some(other), Some(head(2))), true, empty());
        assert_ne!(lineage.moment(&head(2), 1).map(|it| it.line), Some(ours.line));
        let mut cut = head(2);
        (cut[16], cut[33]) = (0, 0);
        assert!(lineage.moment(&cut, 1).is_some());
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
        told: Mutex<Vec<(u64, Option<Moment>)>>,
    }

    impl Witness for Clerk {
        fn committed(&self, _: &mut dyn Iterator<Item = &Plan>) {
            let lineage = self.lineage.get().expect("it was set");
            let shown = lineage.moment(&head(6), lineage.commits());
            self.told.lock().expect("nobody panicked").push((lineage.commits(), shown));
        }
    }

    #[test]
    fn a_witness_is_told_between_the_count_and_the_line() {
        let (lineage, clerk) = (Arc::new(Lineage::new(Some(head(5)))), Arc::new(Clerk::default()));
        assert!(clerk.lineage.set(Arc::clone(&lineage)).is_ok());
        lineage.watch(Arc::clone(&clerk) as Arc<dyn Witness>);
        lineage.committed(both(5, 6), true, empty());
        // What was read without the commit is current no more, and whoever sees its head is of no
        // line yet.
        assert_eq!(*clerk.told.lock().expect("nobody panicked"), [(1, None)]);
        assert!(lineage.moment(&head(6), 1).is_some());
    }
}
