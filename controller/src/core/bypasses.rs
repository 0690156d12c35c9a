//! Ways round links that new links make shorter are looked for when no more links come, or soon if they come all the time, in slices: each link
//! of a network that is being found would make hundreds of them others, and the core would fall behind its own probes. Who loses a link has another way
//! at once.

use std::time::Duration;

use net::Time;

use super::Core;
use crate::app::Event;

/// Without a new link for so long they are looked for.
const QUIET: Duration = Duration::from_millis(50);
/// So long after the first one at the latest, however many come; and so long at most while the way round a lost link is not installed.
const LONGEST: Duration = Duration::from_secs(1);
/// Ports in one slice: about a millisecond with 200 switches of 100 links each.
const SLICE: usize = 32;
/// At least so long between two slices: frames that have come in meanwhile are read before the next one.
const SLICE_PAUSE: Duration = Duration::from_millis(2);

/// When it is time to look.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// What had been put off by the last turn, and looked at.
    seen: u64,
    looked: u64,
    next: Option<Time>,
    /// Put off no longer than until then.
    latest: Option<Time>,
    /// None before.
    not_before: Time,
}

impl Core {
    /// Whether something has been put off in this turn, and until when.
    pub(super) fn put_off_bypasses(&mut self, now: Time) {
        let (put_off, _) = self.paths.put_off();
        let looking = &mut self.looking;
        if std::mem::replace(&mut looking.seen, put_off) != put_off {
            let latest = *looking.latest.get_or_insert(now + LONGEST);
            looking.next = Some((now + QUIET).min(latest).max(looking.not_before));
        }
    }

    /// The next slice, if its time has come.
    pub(super) fn look_at_bypasses(&mut self, now: Time) {
        self.put_off_bypasses(now);
        self.go_on_looking(now);
        // Switches with rules of an earlier run are released when it is known which ways they have.
        let (_, looked) = self.paths.put_off();
        if std::mem::replace(&mut self.looking.looked, looked) != looked {
            self.settling.look_again();
        }
    }

    fn go_on_looking(&mut self, now: Time) {
        if self.looking.next.is_none_or(|next| next > now) {
            return;
        }
        self.looking.not_before = now + SLICE_PAUSE;
        if self.reroute_since.is_some_and(|since| now < since + LONGEST) {
            self.looking.next = Some(self.looking.not_before);
            return;
        }
        let (_, before) = self.paths.put_off();
        let changes = self.paths.look_at_bypasses(SLICE);
        if self.paths.has_doubts() {
            self.looking.next = Some(self.looking.not_before);
        } else {
            (self.looking.next, self.looking.latest) = (None, None);
        }
        if self.paths.put_off().1 != before {
            self.counters.path_updates += 1;
        }
        if !changes.is_empty() {
            // Nothing is mended by it.
            self.reconciler.take_time();
            self.tell_apps(Event::Paths(&changes));
        }
    }

    pub(super) fn bypasses_timeout(&self) -> Option<(Time, &'static str)> {
        self.looking.next.map(|at| (at, "ways round links"))
    }

    /// Whether nothing is left to do but to wait for what happens next: everything is stated, and what may go out has gone out and is confirmed.
    pub fn is_at_rest(&self) -> bool {
        self.reconciler.is_idle() && !self.is_stating() && !self.paths.has_doubts()
    }
}
