//! Ways round links that new links make shorter are looked for when no more links come, or soon if they come all the time, in slices: each link
//! of a network that is being found would make hundreds of them others, and the core would fall behind its own probes. Who loses a link has another way
//! at once.

use std::time::Duration;

use net::Time;

use super::Core;
use crate::app::Event;

/// Without a new link for so long they are looked for.
const QUIET: Duration = Duration::from_millis(50);
/// So long after the first one at the latest, however many come.
const LONGEST: Duration = Duration::from_secs(1);
/// Ports in one slice: a millisecond or two.
const SLICE: usize = 32;
/// At least so long between two slices: frames that have come in meanwhile are read before the next one.
const SLICE_PAUSE: Duration = Duration::from_millis(2);

/// When it is time to look.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// What had been put off by the last turn.
    seen: u64,
    next: Option<Time>,
    /// Put off no longer than until then.
    latest: Option<Time>,
    /// None before.
    not_before: Time,
}

impl Looking {
    /// When to look for what has been put off just now.
    fn put_off(&mut self, now: Time) {
        let latest = *self.latest.get_or_insert(now + LONGEST);
        self.next = Some((now + QUIET).min(latest).max(self.not_before));
    }
}

impl Core {
    /// The next slice, if its time has come.
    pub(super) fn look_at_bypasses(&mut self, now: Time) {
        if std::mem::replace(&mut self.looking.seen, self.paths.put_off()) != self.paths.put_off() {
            self.looking.put_off(now);
        }
        if self.looking.next.is_none_or(|next| next > now) {
            return;
        }
        let changes = self.paths.look_at_bypasses(SLICE);
        self.looking.not_before = now + SLICE_PAUSE;
        if self.paths.has_doubts() {
            self.looking.next = Some(self.looking.not_before);
        } else {
            (self.looking.next, self.looking.latest) = (None, None);
            // Switches with rules of an earlier run are released when it is known which ways they have.
            self.settling.look_again();
        }
        if !changes.is_empty() {
            self.counters.path_updates += 1;
            // Nothing is mended by it.
            self.reconciler.take_time();
            self.tell_apps(Event::Paths(&changes));
        }
    }

    pub(super) fn bypasses_timeout(&self) -> Option<(Time, &'static str)> {
        self.looking.next.map(|at| (at, "ways round links"))
    }

    /// Whether nothing is left to do but to wait for what happens next: everything is stated, and every switch has confirmed it.
    pub fn is_at_rest(&self) -> bool {
        self.reconciler.is_idle() && !self.is_stating() && !self.paths.has_doubts()
    }
}
