//! Deadlines in order, at most one for each thing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    /// First deadlines of hosts. All hosts get the same time, so these come in order; that of a host that is forgotten stays until it
    /// is due or tidied up.
    first_silences: VecDeque<(Time, MacAddr)>,
}

/// Stale entries of `first_silences` that are always tolerated.
const STALE_SILENCES: usize = 64;

impl Timers {
    /// Sets or moves the deadline of `timer`.
    pub(super) fn set(&mut self, timer: Timer, at: Time) {
        if let Some(old) = self.at.insert(timer, at) {
            self.order.remove(&(old, timer));
        }
        self.order.insert((at, timer));
    }

    /// The first deadline of a host that has just been learned.
    pub(super) fn set_first_silence(&mut self, mac: MacAddr, at: Time) {
        if self.first_silences.back().is_some_and(|(last, _)| *last > at) {
            return self.set(Timer::HostSilence(mac), at);
        }
        self.first_silences.push_back((at, mac));
    }

    /// After a host was forgotten: at most every other entry is stale.
    pub(super) fn tidy_first_silences(&mut self, hosts: usize, is_known: impl Fn(&MacAddr) -> bool) {
        if hosts == 0 {
            self.first_silences.clear();
        } else if self.first_silences.len() > 2 * hosts + STALE_SILENCES {
            self.first_silences.retain(|(_, mac)| is_known(mac));
        }
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
        let first = self.order.first().copied();
        if let Some(&(at, mac)) = self.first_silences.front()
            && at <= now
            && first.is_none_or(|(other, _)| at <= other)
        {
            self.first_silences.pop_front();
            return Some(Timer::HostSilence(mac));
        }
        let (at, timer) = first?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    pub(super) fn next(&self) -> Option<(Time, &'static str)> {
        let silence = self.first_silences.front().map(|(at, mac)| (*at, Timer::HostSilence(*mac).name()));
        let other = self.order.first().map(|(at, timer)| (*at, timer.name()));
        silence.into_iter().chain(other).min_by_key(|(at, _)| *at)
    }
}
