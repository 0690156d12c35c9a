//! LLDP frames in, links up and down.

use std::collections::BTreeSet;

use net::{DatapathId, PortId, Time};

use super::Discovery;
use super::port::NonceFate;
use crate::probe::{Probe, ProbeError};
use crate::{Change, EXPECTED_LINK_LIMIT, Link, LinkDownReason, PortState};

impl Discovery {
    pub(super) fn receive(&mut self, port: PortId, frame: &[u8], now: Time) {
        if !self.is_connected(port.datapath_id) || self.up_port(port).is_none() {
            self.counters.lldp_ignored += 1;
            return;
        }
        match Probe::parse(frame, &self.key) {
            Ok(probe) => self.receive_probe(port, &probe, now),
            Err(ProbeError::Forged) => self.counters.probes_forged += 1,
            Err(ProbeError::NotAProbe) => self.receive_foreign(port, frame, now),
        }
    }

    fn receive_probe(&mut self, target: PortId, probe: &Probe, now: Time) {
        let source = probe.port;
        let fate = match self.controls.get_mut(&source) {
            Some(control) => control.arrived(probe.nonce, target, now),
            None => NonceFate::Stale,
        };
        match fate {
            NonceFate::Good => {
                self.counters.probes_received += 1;
                self.link_seen(source, target, now);
            }
            NonceFate::Replayed => self.counters.probes_replayed += 1,
            NonceFate::Duplicated => self.counters.probes_duplicated += 1,
            NonceFate::Stale => self.counters.probes_stale += 1,
        }
    }

    /// A good probe went from `source` to `target`, both of which are up.
    fn link_seen(&mut self, source: PortId, target: PortId, now: Time) {
        self.end_doubt(source);
        if let Some(control) = self.controls.get_mut(&source) {
            control.unanswered = 0;
            control.confirm_until = Time::ZERO;
        }
        let old = self.network.links.get(&source).copied();
        if old.is_some_and(|link| link.target == target) {
            return;
        }
        if let Some(old) = old {
            // The newest knowledge wins: of several ports behind a hub the one that answered last is the far end.
            self.counters.link_far_ends_changed += 1;
            self.take_link(source, LinkDownReason::FarEndChanged);
            self.unlink_port(old.target, LinkDownReason::FarEndChanged, now);
        }
        let link = Link { source, target, since: now };
        self.network.links.insert(source, link);
        self.links_into.entry(target).or_default().insert(source);
        self.counters.links_up += 1;
        // The ports first: who hears of the link finds its ends in state Link.
        self.set_state(source, PortState::Link, now);
        self.set_state(target, PortState::Link, now);
        self.emit(Change::LinkUp(link));
    }

    /// Called when a probe is about to leave: the link out of the port is down if the last ones all went unanswered, though both its ends
    /// have answered since. Counting probes and not time keeps a controller that was busy, and so sent none, from taking links down.
    pub(super) fn count_miss(&mut self, source: PortId, now: Time) {
        let Some(link) = self.network.links.get(&source).copied() else { return };
        let far_end_listens = self.is_connected(link.target.datapath_id);
        let misses = self.config.probe_misses.max(1);
        let Some(control) = self.controls.get_mut(&source) else { return };
        if !far_end_listens {
            // Nobody could have told us that they arrived.
            control.unanswered = 0;
            return self.end_doubt(source);
        }
        if control.unanswered == 0 || control.unanswered + 1 < misses || control.confirm_until > now {
            return;
        }
        match control.doubt {
            None => self.doubt(link),
            Some(0) if control.unanswered >= misses => self.remove_link(source, LinkDownReason::ProbesMissed, now),
            Some(_) => {}
        }
    }

    /// One miss more and the link is down: time to ask its ends.
    fn doubt(&mut self, link: Link) {
        let ends = BTreeSet::from([link.source.datapath_id, link.target.datapath_id]);
        if let Some(control) = self.controls.get_mut(&link.source) {
            control.doubt = Some(ends.len());
        }
        for datapath_id in ends {
            self.silent.entry(datapath_id).or_default().insert(link.source);
            self.inquiries.insert(datapath_id);
        }
    }

    /// What misses said of the link out of this port counts no more.
    pub(super) fn end_doubt(&mut self, source: PortId) {
        if let Some(control) = self.controls.get_mut(&source) {
            control.doubt = None;
        }
        if let Some(link) = self.network.links.get(&source).copied() {
            self.unlist_doubt(&link);
        }
    }

    fn unlist_doubt(&mut self, link: &Link) {
        for end in [link.source, link.target] {
            if let Some(links) = self.silent.get_mut(&end.datapath_id) {
                links.remove(&link.source);
                if links.is_empty() {
                    self.silent.remove(&end.datapath_id);
                }
            }
        }
    }

    /// A switch has answered. What it has sent before has come in, but what it has just sent to another switch may still be on its way: the next
    /// probe that is due decides.
    pub(super) fn settle_doubts(&mut self, datapath_id: DatapathId) {
        for source in self.silent.remove(&datapath_id).into_iter().flatten() {
            if let Some(silent) = self.controls.get_mut(&source).and_then(|control| control.doubt.as_mut()) {
                *silent = silent.saturating_sub(1);
            }
        }
    }

    /// Removes the links out of `port` and into it. The port itself is down already.
    pub(super) fn remove_links_at(&mut self, port: PortId, reason: LinkDownReason, now: Time) {
        let into: Vec<PortId> = self.links_into.get(&port).into_iter().flatten().copied().collect();
        for source in into.into_iter().chain([port]) {
            self.remove_link(source, reason, now);
        }
    }

    fn remove_link(&mut self, source: PortId, reason: LinkDownReason, now: Time) {
        if let Some(link) = self.take_link(source, reason) {
            self.unlink_port(link.source, reason, now);
            self.unlink_port(link.target, reason, now);
        }
    }

    /// Takes the link out of the network and tells it; the states of its ends are the caller's business.
    fn take_link(&mut self, source: PortId, reason: LinkDownReason) -> Option<Link> {
        let link = self.network.links.remove(&source)?;
        self.unlist_doubt(&link);
        if let Some(control) = self.controls.get_mut(&source) {
            control.doubt = None;
        }
        if let Some(sources) = self.links_into.get_mut(&link.target) {
            sources.remove(&source);
            if sources.is_empty() {
                self.links_into.remove(&link.target);
            }
        }
        self.counters.links_down += 1;
        self.emit(Change::LinkDown { link, reason });
        Some(link)
    }

    /// A port that lost a link is Unknown again if that was its last one.
    fn unlink_port(&mut self, port: PortId, reason: LinkDownReason, now: Time) {
        if self.network.links.contains_key(&port) || self.links_into.contains_key(&port) {
            return;
        }
        self.set_state(port, PortState::Unknown, now);
        match reason {
            // The cable may well be there still: as an edge the port would flood into a loop.
            LinkDownReason::ProbesMissed | LinkDownReason::SwitchGone => {
                self.hold_unknown(port, now + EXPECTED_LINK_LIMIT);
            }
            LinkDownReason::PortDown | LinkDownReason::PortRemoved | LinkDownReason::FarEndChanged => {}
        }
    }
}
