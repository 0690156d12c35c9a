//! The one place where the controller reads a clock.

use std::time::Instant;

use net::Time;

/// A monotonic clock with its own origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts now, at [`Time::ZERO`].
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    /// When `time` comes, for the runtime's timer.
    pub fn instant(&self, time: Time) -> Instant {
        // A time that never comes is far away enough in thirty years.
        let far = std::time::Duration::from_secs(30 * 365 * 86_400);
        self.origin + time.since(Time::ZERO).min(far)
    }
}
