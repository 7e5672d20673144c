//! Threads that answer do not stay together on one processor while another is free of them.
//!
//! Two that came to share a processor were seen to stay there, though another had room, and all
//! that came waited for its turn: Linux places a thread when it wakes, and one that always finds
//! something to answer does not sleep. So a busy thread looks now and then who else answered where
//! it is. Having met another it moves, and is bound to nothing thereafter: the system may place it
//! as it likes (decision 16). All times are in microseconds.

use crate::clock::Stopwatch;
use crate::machine::processors;
use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A thread looks before each so many requests.
const LOOK_EACH: u8 = 8;
/// Another is met where it was seen at most so long ago: threads that share a processor take turns
/// of some milliseconds, and each looks until its own ends.
const MET_WITHIN: u64 = 1_000;
/// A thread is busy if it looked so long ago, turns of others in between. One that has less to
/// answer sleeps now and then, and is placed by the system.
const BUSY_WITHIN: u64 = 10_000;
/// A processor where none was seen for so long is free of them: not the one that a thread has just
/// changed for this.
const FREE_AFTER: u64 = 2_000;
/// A thread rests after a move for at least so long, and at most.
const REST: std::ops::RangeInclusive<u64> = 2_000..=16_000;
/// A move that lasts for less than so many rests did not help: something else is at work there.
const RESTS_TO_LAST: u64 = 4;
/// Processors with higher numbers are not watched.
const PROCESSORS: usize = 1_024;

static MARKS: Marks = Marks::new();
static SINCE_START: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
static NEXT: AtomicU8 = AtomicU8::new(0);

thread_local! {
    static SELF: Cell<Walker> = Cell::new(Walker::new(NEXT.fetch_add(1, Ordering::Relaxed)));
}

/// Before a request: moves this thread to a processor where none answers, if it shares its own
/// with another that does.
pub(super) fn keep_apart() {
    let mut walker = SELF.get();
    if walker.is_to_look() {
        // Microseconds: 56 bits of them are two thousand years.
        let now = SINCE_START.elapsed().as_micros() as u64;
        if let Some(here) = processors::here()
            && walker.is_in_company(&MARKS, here, now)
            && move_this_thread(|allowed| MARKS.take_free(allowed, walker.name, now))
        {
            walker.moves(now);
        }
    }
    SELF.set(walker);
}

/// Which thread was last seen on each processor: when, and in the last 8 bits its name.
/// 0 where none was.
struct Marks([AtomicU64; PROCESSORS]);

impl Marks {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; PROCESSORS])
    }

    /// Leaves a thread's mark. Whether another's was fresh.
    fn leave(&self, processor: usize, name: u8, now: u64) -> bool {
        let Some(mark) = self.0.get(processor) else { return false };
        let before = mark.swap(now << 8 | u64::from(name), Ordering::Relaxed);
        let (seen, whose) = (before >> 8, before as u8);
        before != 0 && whose != name && now.saturating_sub(seen) <= MET_WITHIN
    }

    /// Takes the one of these where no thread was seen for the longest time, if that is long
    /// enough: it is free for no other then.
    fn take_free(&self, among: &[usize], name: u8, now: u64) -> Option<usize> {
        let mark = |at: usize| Some((self.0.get(at)?.load(Ordering::Relaxed), at));
        let (mark, at) = among.iter().filter_map(|at| mark(*at)).min()?;
        if now.saturating_sub(mark >> 8) < FREE_AFTER {
            return None;
        }
        let own = now << 8 | u64::from(name);
        let taken = self.0[at].compare_exchange(mark, own, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok().then_some(at)
    }
}

/// What a thread knows of itself.
#[derive(Clone, Copy, Debug)]
struct Walker {
    /// Of 256 threads two have one name, and do not notice each other.
    name: u8,
    requests: u8,
    looked_at: Option<u64>,
    moved_at: Option<u64>,
    /// How long it does not move again.
    rest: u64,
}

impl Walker {
    const fn new(name: u8) -> Self {
        Self { name, requests: 0, looked_at: None, moved_at: None, rest: *REST.start() }
    }

    fn is_to_look(&mut self) -> bool {
        self.requests = (self.requests + 1) % LOOK_EACH;
        self.requests == 0
    }

    /// Leaves its mark here. Whether it is busy, met another, and has rested.
    fn is_in_company(&mut self, marks: &Marks, here: usize, now: u64) -> bool {
        let within = |then: Option<u64>, time| then.is_some_and(|then| now - then <= time);
        let busy = within(self.looked_at.replace(now), BUSY_WITHIN);
        let met = marks.leave(here, self.name, now);
        busy && met && !within(self.moved_at, self.rest)
    }

    /// It moves: where the last move did not last, it rests for longer after this one.
    fn moves(&mut self, now: u64) {
        let (shortest, longest) = (*REST.start(), *REST.end());
        let lasts = RESTS_TO_LAST * self.rest;
        let soon = self.moved_at.replace(now).is_some_and(|then| now - then < lasts);
        self.rest = if soon { self.rest * 2 } else { self.rest / 2 }.clamp(shortest, longest);
    }
}

/// Moves this thread to one of the processors it may use, if one is chosen. Whether it was moved.
fn move_this_thread(choose: impl FnOnce(&[usize]) -> Option<usize>) -> bool {
    let Some(chosen) = choose(&processors::allowed()) else { return false };
    let moved = processors::visit(chosen);
    if let Err(error) = &moved {
        tracing::debug!(%error, "a thread was not moved to another processor");
    }
    moved.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_meets_another_that_was_here_a_moment_ago_and_neither_itself_nor_one_long_gone() {
        let marks = Marks::new();
        assert!(!marks.leave(3, 0, 5), "nobody was here");
        assert!(!marks.leave(3, 0, 10), "only itself");
        assert!(marks.leave(3, 1, 10 + MET_WITHIN));
        assert!(!marks.leave(3, 0, 11 + MET_WITHIN * 2), "the other is gone");
        assert!(!marks.leave(4, 1, 12 + MET_WITHIN * 2), "elsewhere");
        assert!(!marks.leave(PROCESSORS, 0, 20) && !marks.leave(PROCESSORS, 1, 21), "not watched");
    }

    #[test]
    fn the_free_processor_is_the_one_where_none_was_for_the_longest_time_and_is_taken_once() {
        let marks = Marks::new();
        for (processor, now) in [(0, 9_000), (1, 7_000), (2, 6_000), (3, 1_000)] {
            marks.leave(processor, 0, now);
        }
        let take = |among: &[usize], now| marks.take_free(among, 1, now);
        assert_eq!(take(&[0, 1, 2], 9_000), Some(2), "3 is not allowed");
        assert_eq!(take(&[0, 1, 2], 9_000), Some(1));
        assert_eq!(take(&[0, 1, 2], 9_000), None);
        assert_eq!(take(&[0, 1], 8_999 + FREE_AFTER), None);
        assert_eq!(take(&[0, 5], 9_000), Some(5), "none was ever there");
        assert_eq!(take(&[PROCESSORS], 99_000), None, "not watched");
        assert_eq!(take(&[], 99_000), None);
    }

    /// Two busy threads that look every quarter of a millisecond, in turns of four where they are
    /// on one processor, and change places at these times. When which of them is moved, and where.
    fn moves(until: u64, mut places: [usize; 2], changes: &[u64]) -> Vec<(u64, u8, usize)> {
        let marks = Marks::new();
        let mut walkers = [Walker::new(0), Walker::new(1)];
        let mut moves = Vec::new();
        for now in (0..until).step_by(250) {
            if changes.contains(&now) {
                places.swap(0, 1);
            }
            let together = places[0] == places[1];
            for (walker, place) in walkers.iter_mut().zip(&mut places) {
                let turn = now / 4_000 % 2 == u64::from(walker.name);
                if (turn || !together)
                    && walker.is_in_company(&marks, *place, now)
                    && let Some(free) = marks.take_free(&[0, 1], walker.name, now)
                {
                    *place = free;
                    walker.moves(now);
                    moves.push((now, walker.name, free));
                }
            }
        }
        moves
    }

    #[test]
    fn of_two_that_share_a_processor_one_moves_when_its_second_turn_begins() {
        // Where its first begins it was not busy yet, for all that is known of it.
        assert_eq!(moves(60_000, [0, 0], &[]), [(8_000, 0, 1)]);
        assert_eq!(moves(60_000, [1, 1], &[]), [(8_000, 0, 0)]);
    }

    #[test]
    fn two_that_are_apart_stay_where_they_are_and_so_do_two_that_change_places() {
        assert_eq!(moves(60_000, [0, 1], &[]), []);
        assert_eq!(moves(60_000, [0, 1], &[20_000, 20_250, 24_000, 31_250]), []);
    }

    #[test]
    fn one_with_little_to_answer_or_just_moved_does_not_move() {
        let marks = Marks::new();
        let mut walker = Walker::new(0);
        let mut meets = |now| {
            marks.leave(0, 1, now);
            walker.is_in_company(&marks, 0, now)
        };
        assert!(!meets(100), "never looked before");
        assert!(meets(200));
        assert!(meets(200 + BUSY_WITHIN));
        assert!(!meets(201 + BUSY_WITHIN * 2));
        walker.moves(40_000);
        let mut meets = |now| {
            marks.leave(0, 1, now);
            walker.is_in_company(&marks, 0, now)
        };
        assert!(!meets(40_000 + REST.start() - 1) && !meets(40_000 + REST.start()));
        assert!(meets(40_001 + REST.start()));
    }

    #[test]
    fn it_moves_ever_more_seldom_where_that_does_not_last_and_soon_again_where_it_does() {
        let mut walker = Walker::new(0);
        let mut now = 0;
        let mut rests = |lasts: u64, times: usize| -> Vec<u64> {
            let mut one = || {
                walker.moves(now);
                now += walker.rest * lasts;
                walker.rest
            };
            (0..times).map(|_| one()).collect()
        };
        assert_eq!(rests(1, 6), [2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
        // The last of those did not last, those that follow do.
        assert_eq!(rests(RESTS_TO_LAST, 6), [16_000, 8_000, 4_000, 2_000, 2_000, 2_000]);
    }

    #[test]
    fn it_looks_before_every_eighth_request() {
        let mut walker = Walker::new(0);
        let looks = (1..=100).filter(|_| walker.is_to_look()).count();
        assert_eq!(looks, 100 / usize::from(LOOK_EACH));
    }
}
