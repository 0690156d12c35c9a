//! Which connections have something to read.

use crate::speaker::ConnectionId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Connections that have something to read, in the order in which it came. The speaker task waits for all of them at one
/// place: between a socket and the speaker there is no other task.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ids: VecDeque<ConnectionId>,
    waiting: Option<Waker>,
}

#[derive(Debug)]
struct Arrival {
    id: ConnectionId,
    arrivals: Arc<Arrivals>,
}

impl Arrivals {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Woken when this connection has something to read.
    pub(super) fn waker(self: &Arc<Arrivals>, id: ConnectionId) -> Waker {
        Waker::from(Arc::new(Arrival { id, arrivals: Arc::clone(self) }))
    }

    /// Ready as soon as there is one.
    pub(super) fn poll_any(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.ids.is_empty() {
            return Poll::Ready(());
        }
        if state.waiting.as_ref().is_none_or(|waiting| !waiting.will_wake(context.waker())) {
            state.waiting = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// The first one.
    pub(super) fn take(&self) -> Option<ConnectionId> {
        self.state().ids.pop_front()
    }
}

impl Wake for Arrival {
    fn wake(self: Arc<Arrival>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Arrival>) {
        let waiting = {
            let mut state = self.arrivals.state();
            state.ids.push_back(self.id);
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}
