//! The processors that this process may use, and which of them a thread is on. Linux tells it and
//! lets a thread choose; elsewhere they are only counted.

pub use system::{allowed, here, keep_to, visit};

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
    use std::io;

    /// The processors this thread may use.
    pub fn allowed() -> Vec<usize> {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect()
    }

    /// The processor this thread is on.
    pub fn here() -> Option<usize> {
        Some(sched_getcpu())
    }

    /// Lets this thread use one of them alone.
    ///
    /// # Errors
    /// It was taken away meanwhile, or the system does not let us.
    pub fn keep_to(processor: usize) -> io::Result<()> {
        sched_setaffinity(None, &only(processor)).map_err(io::Error::from)
    }

    /// Moves this thread to one of them. It may use all that it might use before, and the system
    /// may move it on at once.
    ///
    /// # Errors
    /// As [`keep_to`]. That a system lets us go there and not be free again is not known.
    pub fn visit(processor: usize) -> io::Result<()> {
        let before = sched_getaffinity(None)?;
        sched_setaffinity(None, &only(processor))?;
        sched_setaffinity(None, &before).map_err(io::Error::from)
    }

    /// A processor with a number that no set can hold is none: the system refuses an empty set.
    fn only(processor: usize) -> CpuSet {
        let mut set = CpuSet::new();
        if processor < CpuSet::MAX_CPU {
            set.set(processor);
        }
        set
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    /// As many as there are.
    pub fn allowed() -> Vec<usize> {
        (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
    }

    /// Nobody tells.
    pub fn here() -> Option<usize> {
        None
    }

    /// Never done.
    ///
    /// # Errors
    /// Always.
    pub fn keep_to(_: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never done.
    ///
    /// # Errors
    /// Always.
    pub fn visit(_: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The system may move a thread on at once: what counts is that it arrives.
    fn arrives(processor: usize) -> bool {
        (0..1_000).any(|_| visit(processor).is_ok() && here() == Some(processor))
    }

    #[test]
    fn a_thread_arrives_where_it_goes_and_may_use_all_the_processors_it_might_use_before() {
        let before = allowed();
        assert!(!before.is_empty());
        for processor in &before {
            assert!(arrives(*processor), "{processor}");
            assert_eq!(allowed(), before, "after a visit to {processor}");
        }
    }

    #[test]
    fn a_processor_that_is_not_there_is_refused_and_changes_nothing() {
        let before = allowed();
        for processor in [1_023, 1_024, usize::MAX] {
            assert!(visit(processor).is_err(), "{processor}");
            assert!(keep_to(processor).is_err(), "{processor}");
        }
        assert_eq!(allowed(), before);
    }

    #[test]
    fn a_thread_keeps_to_one_and_others_do_not() {
        let one = *allowed().last().expect("a processor");
        let kept = std::thread::spawn(move || {
            keep_to(one).expect("one we may use");
            (allowed(), here())
        });
        assert_eq!(kept.join().expect("it ends"), (vec![one], Some(one)));
        assert!(allowed().contains(&one));
    }
}
