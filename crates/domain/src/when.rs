//! When something is said to have happened: at an instant, or at some time of a day. Systems that
//! know days only stand beside lines that tell every second, often about the same goods.

use jiff::Timestamp;

/// An instant, or a day of which nobody said when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    first: Timestamp,
    /// The first instant after the day; none for an instant.
    day_end: Option<Timestamp>,
    /// Minutes east of UTC of the clock it was told by.
    offset_minutes: i32,
}

/// Beijing's offset, in which goods move where nothing else is told.
const BEIJING_MINUTES: i32 = 8 * 60;

impl When {
    /// At an instant.
    pub const fn at(instant: Timestamp) -> Self {
        Self { first: instant, day_end: None, offset_minutes: BEIJING_MINUTES }
    }

    /// At some time of the day that begins at an instant and ends before another.
    pub const fn in_day(begins: Timestamp, ends: Timestamp) -> Self {
        Self { first: begins, day_end: Some(ends), offset_minutes: BEIJING_MINUTES }
    }

    /// The same, told by a clock that is so many minutes east of UTC; Beijing's unless said.
    pub const fn told_in(self, offset_minutes: i32) -> Self {
        Self { offset_minutes, ..self }
    }

    /// Minutes east of UTC of the clock it was told by.
    pub const fn offset_minutes(self) -> i32 {
        self.offset_minutes
    }

    /// The instant, or the first of the day.
    pub const fn first(self) -> Timestamp {
        self.first
    }

    /// Whether a day alone was told.
    pub const fn is_day(self) -> bool {
        self.day_end.is_some()
    }

    /// Whether it may have been at an instant.
    pub fn may_be(self, instant: Timestamp) -> bool {
        match self.day_end {
            Some(end) => self.first <= instant && instant < end,
            None => self.first == instant,
        }
    }

    /// The instant that it is recorded at. Of one day, what was told first came first, as of one
    /// instant: so a day stands for the last instant of it that `known` holds, else for its first.
    pub fn behind(self, known: impl IntoIterator<Item = Timestamp>) -> Timestamp {
        let known = known.into_iter().filter(|instant| self.may_be(*instant));
        known.fold(self.first, Timestamp::max)
    }
}

impl From<Timestamp> for When {
    fn from(instant: Timestamp) -> Self {
        Self::at(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_day_stands_behind_what_is_known_of_it() {
        let day = When::in_day(t(100), t(200));
        let behind = |known: &[i64]| day.behind(known.iter().copied().map(t)).as_second();
        assert_eq!(behind(&[]), 100);
        assert_eq!(behind(&[150, 120]), 150);
        // Of the days before and after nothing is said.
        assert_eq!(behind(&[99, 200, 500]), 100);
        assert_eq!(behind(&[199]), 199);
        assert!(day.may_be(t(100)) && !day.may_be(t(200)) && day.is_day());
    }

    #[test]
    fn an_instant_stands_for_itself() {
        let instant = When::at(t(100));
        assert_eq!(instant.behind([t(100), t(150)]), t(100));
        assert!(instant.may_be(t(100)) && !instant.may_be(t(101)) && !instant.is_day());
    }
}
