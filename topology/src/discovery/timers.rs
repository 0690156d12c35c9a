//! Deadlines in order, at most one for each thing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use net::{DatapathId, MacAddr, PortId, Time};

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// The port has been silent long enough to be an edge.
    Dwell(PortId),
    /// The foreign neighbour's time to live is over.
    Neighbor(PortId),
    /// The last probe of a link that misses probes has had its time.
    Verdict(PortId),
    /// The old place of a host that seems to have moved has had its time to answer.
    Move(MacAddr),
    /// The owner of an address that somebody else says has had its time to answer.
    Claim(IpAddr),
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
            Timer::Verdict(_) => "missed probes",
            Timer::Move(_) => "host move",
            Timer::Claim(_) => "address claim",
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
    /// How many of them are stale, at most.
    stale_silences: usize,
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

    /// After a host was forgotten: about every other entry is stale at most. Of a host that came back, the last entry counts. A tidying
    /// looks at all of them, after half as many hosts were forgotten since the last one.
    pub(super) fn tidy_first_silences(&mut self, hosts: usize, is_known: impl Fn(&MacAddr) -> bool) {
        self.stale_silences += 1;
        if hosts == 0 {
            self.first_silences.clear();
            self.stale_silences = 0;
        } else if self.stale_silences > self.first_silences.len() / 2 + STALE_SILENCES {
            let mut kept = BTreeSet::new();
            let mut newest = VecDeque::with_capacity(hosts);
            for &(at, mac) in self.first_silences.iter().rev() {
                if is_known(&mac) && kept.insert(mac) {
                    newest.push_front((at, mac));
                }
            }
            self.first_silences = newest;
            self.stale_silences = 0;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u64) -> MacAddr {
        let [_, _, octets @ ..] = number.to_be_bytes();
        MacAddr(octets)
    }

    #[test]
    fn hosts_that_come_and_go_in_turn_cost_no_look_at_all_of_them_each_time() {
        const HOSTS: u64 = 1_000;
        let mut timers = Timers::default();
        let (mut looks, mut longest) = (std::cell::Cell::new(0), 0);
        for number in 0..HOSTS {
            timers.set_first_silence(mac(number), Time::from_secs(number));
        }
        for round in 0..20 * HOSTS {
            timers.tidy_first_silences(HOSTS as usize - 1, |_| {
                looks.set(looks.get() + 1);
                true
            });
            timers.set_first_silence(mac(round % HOSTS), Time::from_secs(HOSTS + round));
            longest = longest.max(timers.first_silences.len());
        }
        assert!(*looks.get_mut() < 6 * 20 * HOSTS, "{looks:?}");
        assert!(longest < 4 * HOSTS as usize, "{longest}");
        let last: BTreeSet<MacAddr> = timers.first_silences.iter().map(|(_, mac)| *mac).collect();
        assert_eq!(last.len(), HOSTS as usize, "no host is without its deadline");
    }
}
