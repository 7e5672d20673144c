//! The threads that answer: as many as there are processors, and where these are two, each thread
//! on its own.
//!
//! Under load a server's threads hardly ever sleep, so Linux, which places a thread when it wakes,
//! can leave both on one processor while what loads them has the other. Half of a machine does not
//! bear seven tenths of the load; all but one of several processors do. See
//! docs/decisions/0016-two-threads-are-kept-apart.md.

use clap::ValueEnum;
use tokio::runtime::{Builder, Runtime};

/// Of more processors one may be missing.
const NONE_TO_SPARE: usize = 2;
/// What threads that answer are called; their number follows.
const NAME: &str = "answers-";

/// Where threads that answer run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Threads {
    /// Bound on a machine of two processors, else free
    #[default]
    Auto,
    /// Each on a processor of its own
    Bound,
    /// Wherever the system puts them
    Free,
}

/// A runtime whose threads run so.
///
/// # Errors
/// The system starts no more threads.
pub fn runtime(threads: Threads) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    let allowed = affinity::allowed();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    if is_bound(threads, allowed.len(), count) {
        bind(&mut builder, allowed);
    }
    builder.build()
}

/// A part of more processors (a container with a quota) is shared with others who would choose the
/// same ones.
fn is_bound(threads: Threads, allowed: usize, count: usize) -> bool {
    let is_whole = allowed == count && count > 1;
    match threads {
        Threads::Auto => is_whole && count == NONE_TO_SPARE,
        Threads::Bound => is_whole,
        Threads::Free => false,
    }
}

/// Gives each of the threads that answer one of these processors. Threads that wait for files start
/// where the one stands that needs them first, and may use all.
fn bind(builder: &mut Builder, processors: Vec<usize>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let started = AtomicUsize::new(0);
    let count = processors.len();
    builder.worker_threads(count);
    // Names are asked for in order by whoever starts a thread, and those that answer come first:
    // the runtime starts them before anything can use it.
    builder.thread_name_fn(move || match started.fetch_add(1, Ordering::Relaxed) {
        number if number < count => format!("{NAME}{number}"),
        _ => "waits".to_owned(),
    });
    builder.on_thread_start(move || {
        let thread = std::thread::current();
        let number = thread.name().and_then(|name| name.strip_prefix(NAME));
        let number = number.and_then(|number| number.parse::<usize>().ok());
        match number.and_then(|number| processors.get(number)) {
            Some(own) => affinity::set(&[*own]),
            None => affinity::set(&processors),
        }
    });
}

#[cfg(target_os = "linux")]
mod affinity {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The processors this thread may use; none where the system does not tell.
    pub fn allowed() -> Vec<usize> {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect()
    }

    /// Lets this thread use these alone.
    pub fn set(processors: &[usize]) {
        let mut set = CpuSet::new();
        processors.iter().for_each(|number| set.set(*number));
        // One was taken away meanwhile: the thread runs as well without a place of its own.
        if let Err(error) = sched_setaffinity(None, &set) {
            tracing::debug!(%error, "a thread is not bound to its processor");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    pub fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub fn set(_: &[usize]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_whole_processors_are_given_out() {
        let cases = [(1, 1), (2, 2), (3, 3), (4, 4), (8, 2), (0, 2)];
        let of = |threads| cases.map(|(allowed, count)| is_bound(threads, allowed, count));
        assert_eq!(of(Threads::Auto), [false, true, false, false, false, false]);
        assert_eq!(of(Threads::Bound), [false, true, true, true, false, false]);
        assert_eq!(of(Threads::Free), [false; 6]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_thread_that_answers_has_one_and_others_have_all() {
        use std::collections::BTreeSet;
        use std::sync::{Arc, Barrier};
        let all = affinity::allowed();
        let mut builder = Builder::new_multi_thread();
        bind(&mut builder, all.clone());
        let runtime = builder.build().expect("a runtime");
        // Each task holds its thread until every thread has one.
        let meeting = Arc::new(Barrier::new(all.len()));
        let seen = runtime.block_on(async {
            let tasks: Vec<_> = (0..all.len())
                .map(|_| {
                    let meeting = Arc::clone(&meeting);
                    tokio::spawn(async move {
                        meeting.wait();
                        affinity::allowed()
                    })
                })
                .collect();
            let mut seen = BTreeSet::new();
            for task in tasks {
                seen.insert(task.await.expect("it ends"));
            }
            // Started by a thread that answers, as most are.
            let waiting = tokio::spawn(tokio::task::spawn_blocking(affinity::allowed));
            assert_eq!(waiting.await.expect("it ends").expect("it ends"), all);
            seen
        });
        assert_eq!(seen, all.iter().map(|number| vec![*number]).collect());
        assert_eq!(affinity::allowed(), all, "who started them may use all");
    }
}
