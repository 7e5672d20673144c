//! A timer finer than a runtime's own, which knows only whole milliseconds.

pub(super) use timer::Ticks;

#[cfg(target_os = "linux")]
mod timer {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;
    use tokio::io::unix::AsyncFd;

    /// The system's own timer, which a runtime waits for as it does for a connection.
    pub struct Ticks(AsyncFd<OwnedFd>);

    impl Ticks {
        /// A tick each so often, below a second.
        pub fn every(time: Duration) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let tick = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
            let interval = Itimerspec { it_interval: tick, it_value: tick };
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &interval)?;
            #[expect(
                deprecated,
                reason = "its successor is unsafe: what it warns of, a number that is no open \
                          file, an OwnedFd cannot be"
            )]
            let timer = AsyncFd::new(timer)?;
            Ok(Self(timer))
        }

        /// Waits for the next; of several that passed, for none.
        pub async fn next(&mut self) -> io::Result<()> {
            let mut ready = self.0.readable().await?;
            let mut passed = [0; 8];
            match rustix::io::read(self.0.get_ref(), &mut passed) {
                Ok(_) | Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::io;
    use std::time::Duration;

    /// A runtime's own timer.
    pub struct Ticks(tokio::time::Interval);

    impl Ticks {
        /// A tick each so often, and not more often than each millisecond.
        pub fn every(time: Duration) -> io::Result<Self> {
            Ok(Self(tokio::time::interval(time)))
        }

        /// Waits for the next.
        pub async fn next(&mut self) -> io::Result<()> {
            self.0.tick().await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn ticks_come_one_after_the_other() {
        let mut ticks = Ticks::every(Duration::from_micros(250)).expect("a timer");
        for _ in 0..3 {
            ticks.next().await.expect("a tick");
        }
    }
}
