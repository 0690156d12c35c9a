//! What the machine keeps of a port beside what the network shows of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use net::{MacAddr, PortId, Time};
use smallvec::SmallVec;

use super::neighbors::NeighborsControl;
use super::schedule::ProbeClass;
use crate::{MAX_OUTSTANDING_PROBES, PROBE_MAX_AGE};

/// Ports that are remembered of a probe that comes in by several.
const MAX_ARRIVALS: usize = 4;

/// A probe on its way.
#[derive(Debug)]
struct Outstanding {
    nonce: u64,
    sent_at: Time,
    /// The ports that it came in by, the first ones.
    arrived: SmallVec<[PortId; 1]>,
}

/// What became of a nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NonceFate {
    /// It counts, now and never again.
    Good,
    /// It came in by the same port before.
    Replayed,
    /// It came in by another port before.
    Duplicated,
    /// Too old, or never sent since the port came up.
    Stale,
}

/// The machine's side of a port.
#[derive(Debug)]
pub(super) struct PortControl {
    /// How the port is probed; `None` if it is not: it is down, its switch is not connected, or it is no port for a cable.
    pub(super) class: Option<ProbeClass>,
    /// When its next probe is due: its place in the probe queue.
    pub(super) next_probe: Option<Time>,
    outstanding: VecDeque<Outstanding>,
    /// Probes sent since the last one that came in.
    pub(super) unanswered: u32,
    /// The link out of this port misses probes, which is its fault only if nothing else keeps them: so many of the switches at its ends have not answered
    /// since.
    pub(super) doubt: Option<usize>,
    /// Until when the link out of this port is not held against its misses.
    pub(super) confirm_until: Time,
    /// Where the last probe came in, if that is not where the link leads, and its nonce.
    pub(super) successor: Option<(PortId, u64)>,
    /// Until when the port stays Unknown at least.
    pub(super) unknown_until: Time,
    /// Probes sent since the port became Unknown.
    pub(super) probes_since_unknown: u32,
    /// There was a link here, or one is expected, and the port has not been down since: as an edge it is probed at a link's pace, so that a
    /// cable that comes back to life behind the port's back makes no loop for long.
    pub(super) was_link: bool,
    /// The switch has called the port live at some time: from then on it is down while it is not.
    pub(super) was_live: bool,
    pub(super) neighbors: NeighborsControl,
    /// Hosts that rules on the switch say are here, to be learned when the port becomes an edge.
    pub(super) expected_hosts: BTreeMap<MacAddr, BTreeSet<IpAddr>>,
}

impl PortControl {
    pub(super) fn new() -> PortControl {
        PortControl {
            class: None,
            next_probe: None,
            outstanding: VecDeque::new(),
            unanswered: 0,
            doubt: None,
            confirm_until: Time::ZERO,
            successor: None,
            unknown_until: Time::ZERO,
            probes_since_unknown: 0,
            was_link: false,
            was_live: false,
            neighbors: NeighborsControl::default(),
            expected_hosts: BTreeMap::new(),
        }
    }

    /// Remembers a probe that leaves now.
    pub(super) fn sent(&mut self, nonce: u64, now: Time) {
        // An edge is probed rarely: of its probes all but the last are stale.
        while self.outstanding.len() >= MAX_OUTSTANDING_PROBES
            || self.outstanding.front().is_some_and(|probe| now.since(probe.sent_at) > PROBE_MAX_AGE)
        {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(Outstanding { nonce, sent_at: now, arrived: SmallVec::new() });
    }

    /// A probe with this nonce came in by `target`.
    pub(super) fn arrived(&mut self, nonce: u64, target: PortId, now: Time) -> NonceFate {
        let Some(probe) = self.outstanding.iter_mut().find(|probe| probe.nonce == nonce) else {
            return NonceFate::Stale;
        };
        if now.since(probe.sent_at) > PROBE_MAX_AGE {
            return NonceFate::Stale;
        }
        if probe.arrived.contains(&target) {
            return NonceFate::Replayed;
        }
        let is_first = probe.arrived.is_empty();
        if probe.arrived.len() < MAX_ARRIVALS {
            probe.arrived.push(target);
        }
        if is_first { NonceFate::Good } else { NonceFate::Duplicated }
    }

    /// The port went down: no probe that left before counts.
    pub(super) fn reset(&mut self) {
        let PortControl { class, next_probe, was_live, .. } = *self;
        *self = PortControl { class, next_probe, was_live, ..PortControl::new() };
    }
}
