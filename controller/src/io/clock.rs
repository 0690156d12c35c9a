//! The one place where the controller reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net::Time;
use tokio::time::Instant;

/// A monotonic clock with its own origin: the runtime's, which a test can stop.
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
        let far = Duration::from_secs(30 * 365 * 86_400);
        self.origin + time.since(Time::ZERO).min(far)
    }
}

/// The time of day, since 1970: for people to read, never to wait for.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
