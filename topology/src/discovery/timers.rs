//! Deadlines in order, at most one for each thing.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, MacAddr, PortId, Time};

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// The port has been silent long enough to be an edge.
    Dwell(PortId),
    /// The foreign neighbour's time to live is over.
    Neighbor(PortId),
    /// The switch has been away long enough to be gone.
    SwitchGrace(DatapathId),
    /// The host may have been silent for too long.
    HostSilence(MacAddr),
}

impl Timer {
    const fn name(self) -> &'static str {
        match self {
            Timer::Dwell(_) => "dwell",
            Timer::Neighbor(_) => "lldp neighbour ttl",
            Timer::SwitchGrace(_) => "switch grace",
            Timer::HostSilence(_) => "host silence",
        }
    }
}

/// All deadlines. Every operation is O(log n).
#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Time, Timer)>,
    at: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Sets or moves the deadline of `timer`.
    pub(super) fn set(&mut self, timer: Timer, at: Time) {
        if let Some(old) = self.at.insert(timer, at) {
            self.order.remove(&(old, timer));
        }
        self.order.insert((at, timer));
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(old) = self.at.remove(&timer) {
            self.order.remove(&(old, timer));
        }
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// Takes the earliest deadline that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    pub(super) fn next(&self) -> Option<(Time, &'static str)> {
        self.order.first().map(|(at, timer)| (*at, timer.name()))
    }
}
