//! LLDP frames in, links up and down.

use std::collections::BTreeSet;
use std::time::Duration;

use net::packet::EthernetHeader;
use net::{DatapathId, PortId, Time};

use super::Discovery;
use super::port::NonceFate;
use super::timers::Timer;
use crate::network::MinWindow;
use crate::probe::{BDDP, Probe, ProbeError, ProbeWay};
use crate::{
    Change, EXPECTED_LINK_LIMIT, FORGED_PROBES_HOLD, Link, LinkDownReason, LinkLatency, NEW_SWITCH_LIMIT,
    ODD_PROBES_HOLD, PortState, RECONNECTED_LINK_LIMIT, REFUSED_LINK_HOLD, REPLAYED_PROBE_AGE,
};

/// A link that probes speak for and that is not believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedLink {
    pub(super) target: PortId,
    pub(super) reason: RefusedLinkReason,
    /// Probes that were refused for this, one after the other.
    pub(super) in_a_row: u32,
    /// When the last of its probes came in.
    pub(super) at: Time,
}

/// Why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RefusedLinkReason {
    /// Hosts were seen at one of its ports.
    HostPort,
    /// Its probes take longer than a link may.
    Late,
}

/// How long a switch takes to answer on its control channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    last: Duration,
    window: MinWindow,
}

impl RoundTrip {
    pub(super) const fn first(sample: Duration, now: Time) -> RoundTrip {
        RoundTrip { last: sample, window: MinWindow::new(sample, now) }
    }

    pub(super) const fn last(&self) -> Duration {
        self.last
    }

    pub(super) fn add(&mut self, sample: Duration, now: Time) {
        self.last = sample;
        self.window.add(sample, now);
    }
}

/// A probe that nobody should send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OddProbe {
    Forged,
    Foreign,
    Replayed,
}

impl OddProbe {
    pub(super) const ALL: [OddProbe; 3] = [OddProbe::Forged, OddProbe::Foreign, OddProbe::Replayed];

    const fn hold(self) -> Duration {
        match self {
            OddProbe::Forged => FORGED_PROBES_HOLD,
            OddProbe::Foreign | OddProbe::Replayed => ODD_PROBES_HOLD,
        }
    }
}

/// Probes of one such kind that came in by one port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OddProbes {
    /// When the last one came.
    last: Option<Time>,
    /// How many since it began.
    pub(super) frames: u64,
}

impl OddProbes {
    /// The last one is not long ago.
    pub(super) fn go_on(&self, kind: OddProbe, now: Time) -> bool {
        self.last.is_some_and(|last| now.since(last) <= kind.hold())
    }
}

impl Discovery {
    pub(super) fn receive(&mut self, port: PortId, frame: &[u8], now: Time) {
        if !self.is_connected(port.datapath_id) || self.up_port(port).is_none() {
            self.counters.lldp_ignored += 1;
            return;
        }
        match Probe::parse(frame, &self.key) {
            Ok(probe) => self.receive_probe(port, &probe, now),
            Err(ProbeError::Forged) => {
                self.counters.probes_forged += 1;
                self.note_odd_probe(port, OddProbe::Forged, now);
            }
            Err(ProbeError::Foreign) => {
                self.counters.probes_foreign += 1;
                self.note_odd_probe(port, OddProbe::Foreign, now);
                self.receive_lldp(port, frame, now);
            }
            Err(ProbeError::NotAProbe) => self.receive_lldp(port, frame, now),
        }
    }

    fn note_odd_probe(&mut self, port: PortId, kind: OddProbe, now: Time) {
        let [forged, foreign, replayed] = self.odd_probes.entry(port).or_default();
        let odd = match kind {
            OddProbe::Forged => forged,
            OddProbe::Foreign => foreign,
            OddProbe::Replayed => replayed,
        };
        let frames = if odd.go_on(kind, now) { odd.frames } else { 0 };
        *odd = OddProbes { last: Some(now), frames: frames.saturating_add(1) };
    }

    /// Somebody else's LLDP. Somebody else's broadcasts say nothing to us.
    fn receive_lldp(&mut self, port: PortId, frame: &[u8], now: Time) {
        match EthernetHeader::parse(frame) {
            Ok((ethernet, _)) if ethernet.ethertype == BDDP => self.counters.lldp_ignored += 1,
            _ => self.receive_foreign(port, frame, now),
        }
    }

    fn receive_probe(&mut self, target: PortId, probe: &Probe, now: Time) {
        let source = probe.port;
        let fate = match self.controls.get_mut(&source) {
            Some(control) => control.arrived(probe.nonce, target, now),
            None => NonceFate::Stale,
        };
        // Behind a hub, and a broadcast anywhere, it comes in by several ports: what counts is whether it came where it comes usually, though another channel was
        // quicker to tell.
        let is_expected = || self.network.links.get(&source).is_some_and(|link| link.target == target);
        match fate {
            NonceFate::Good => self.good_probe(target, probe, now),
            NonceFate::Duplicated if is_expected() => self.good_probe(target, probe, now),
            NonceFate::Replayed => {
                self.counters.probes_replayed += 1;
                self.note_odd_probe(target, OddProbe::Replayed, now);
            }
            NonceFate::Duplicated => self.counters.probes_duplicated += 1,
            NonceFate::Stale => {
                self.counters.probes_stale += 1;
                // A switch that stood still sends what has waited in it.
                if now.since(probe.sent_at) > REPLAYED_PROBE_AGE {
                    self.note_odd_probe(target, OddProbe::Replayed, now);
                }
            }
        }
    }

    fn good_probe(&mut self, target: PortId, probe: &Probe, now: Time) {
        let source = probe.port;
        let [out, back] = [source, target].map(|end| self.round_trips.get(&end.datapath_id).copied());
        let halves = |way: fn(&RoundTrip) -> Duration| {
            let half = |end: &Option<RoundTrip>| end.as_ref().map_or(Duration::ZERO, way) / 2;
            half(&out) + half(&back)
        };
        let elapsed = now.since(probe.sent_at);
        let limit = self.config.max_link_latency;
        // Nobody is late because the channels are slow just now.
        if !limit.is_zero() && elapsed.saturating_sub(halves(|way| way.last)) > limit {
            self.counters.probes_late += 1;
            return self.late_probe(probe, target, now);
        }
        if self.refused.get(&source).is_some_and(|refused| refused.reason == RefusedLinkReason::Late) {
            self.refused.remove(&source);
        }
        self.counters.probes_received += 1;
        self.way_seen(probe, target, now);
        // What the channels take at the least: one answer that was slow would make the link quicker than it is. Should a probe be quicker than that, it says nothing.
        let measured = elapsed.checked_sub(halves(|way| way.window.min()));
        if let Some(latency) = measured.filter(|_| out.is_some() && back.is_some())
            && self.network.links.get(&source).is_some_and(|link| link.target == target)
        {
            let measured = self.network.latencies.entry(source);
            measured.and_modify(|measured| measured.add(latency, now)).or_insert(LinkLatency::first(latency, now));
        }
    }

    fn way_seen(&mut self, probe: &Probe, target: PortId, now: Time) {
        match probe.way {
            ProbeWay::NearestBridge => self.link_seen(probe.port, target, probe.nonce, now),
            ProbeWay::Broadcast => self.crossing_link_seen(probe.port, target, probe.nonce, now),
        }
    }

    /// A probe that took longer than a link may. It makes none; a link that is there has not gone because it, or the controller, is slow.
    fn late_probe(&mut self, probe: &Probe, target: PortId, now: Time) {
        let is_there = self.network.links.get(&probe.port).is_some_and(|link| link.target == target);
        if is_there {
            self.way_seen(probe, target, now);
            self.count_refusal(probe.port, target, RefusedLinkReason::Late, now);
        } else {
            self.refuse_link(probe.port, target, RefusedLinkReason::Late, now);
        }
    }

    fn count_refusal(&mut self, source: PortId, target: PortId, reason: RefusedLinkReason, now: Time) {
        let before = self.refused.get(&source).filter(|it| (it.target, it.reason) == (target, reason));
        let in_a_row = before.map_or(0, |it| it.in_a_row).saturating_add(1);
        self.refused.insert(source, RefusedLink { target, reason, in_a_row, at: now });
    }

    /// A good broadcast went from `source` to `target`. It says something only where LLDP does not come through, and nothing new while it still
    /// arrives where it used to.
    fn crossing_link_seen(&mut self, source: PortId, target: PortId, nonce: u64, now: Time) {
        match self.network.links.get(&source) {
            Some(link) if link.target != target || !self.network.crossing.contains(&source) => {}
            Some(_) => self.link_confirmed(source),
            None => {
                self.network.crossing.insert(source);
                self.link_seen(source, target, nonce, now);
                if !self.network.links.contains_key(&source) {
                    self.network.crossing.remove(&source);
                }
            }
        }
    }

    /// A port at which a host was seen, so that nobody between two hosts makes a link of their ports: unless there was a link here since
    /// the port came up, or the far switch has come since.
    fn is_host_port(&self, port: PortId, far: PortId) -> bool {
        let was_link = self.controls.get(&port).is_none_or(|control| control.was_link);
        if !self.config.protect_host_ports || was_link {
            return false;
        }
        let connected = self.connected_at.get(&far.datapath_id).copied().unwrap_or(Time::ZERO);
        self.network.hosts.on_port(port).any(|host| host.since > connected + NEW_SWITCH_LIMIT)
    }

    /// No link is made of these ports. Should there be a wire all the same, flooding into both of them would make a loop: one is kept from being an edge, that without
    /// hosts if there is one.
    fn refuse_link(&mut self, source: PortId, target: PortId, reason: RefusedLinkReason, now: Time) {
        self.count_refusal(source, target, reason, now);
        let hosts = |port: PortId| self.network.hosts.count_on_port(port) > 0;
        let kept = match (hosts(source), hosts(target)) {
            (true, false) => target,
            (false, true) => source,
            _ => source.max(target),
        };
        if source != target {
            self.keep_unknown(kept, now + REFUSED_LINK_HOLD, now);
        }
    }

    /// A port that is no link is no edge either until then.
    pub(super) fn keep_unknown(&mut self, port: PortId, until: Time, now: Time) {
        if self.up_port(port).is_some_and(|port| port.state == PortState::Edge) {
            self.set_state(port, PortState::Unknown, now);
        }
        if self.up_port(port).is_some_and(|port| port.state == PortState::Unknown) {
            self.hold_unknown(port, until);
        }
    }

    fn link_confirmed(&mut self, source: PortId) {
        self.end_doubt(source);
        if let Some(control) = self.controls.get_mut(&source) {
            control.unanswered = 0;
            control.confirm_until = Time::ZERO;
            control.successor = None;
        }
    }

    /// Whether a far end takes the place of the one before: two probes in a row came there, and none to the old one since. Of several ports behind a hub the
    /// first to hear of a probe may be another one each time.
    fn is_successor(&mut self, source: PortId, target: PortId, nonce: u64) -> bool {
        let Some(control) = self.controls.get_mut(&source) else { return false };
        let before = control.successor.replace((target, nonce));
        before.is_some_and(|(before, first)| before == target && first != nonce)
    }

    /// A good probe went from `source` to `target`, both of which are up.
    fn link_seen(&mut self, source: PortId, target: PortId, nonce: u64, now: Time) {
        let old = self.network.links.get(&source).copied();
        if old.is_none_or(|link| link.target != target)
            && (self.is_host_port(source, target) || self.is_host_port(target, source))
        {
            self.counters.probes_at_host_ports += 1;
            return self.refuse_link(source, target, RefusedLinkReason::HostPort, now);
        }
        if old.is_none_or(|link| link.target != target) && self.is_damped(source, now) {
            self.counters.probes_damped += 1;
            self.damped_probe_seen(source, now);
            for end in [source, target] {
                self.keep_unknown(end, now + RECONNECTED_LINK_LIMIT, now);
            }
            return;
        }
        if old.is_some_and(|link| link.target != target) && !self.is_successor(source, target, nonce) {
            return;
        }
        self.link_confirmed(source);
        if old.is_some_and(|link| link.target == target) {
            if self.network.crossing.remove(&source) {
                // LLDP comes through now: nobody is in between any more.
                self.emit(Change::PortChanged(source));
            }
            return;
        }
        if let Some(old) = old {
            self.counters.link_far_ends_changed += 1;
            self.take_link(source, LinkDownReason::FarEndChanged, now);
            self.unlink_port(old.target, LinkDownReason::FarEndChanged, now);
        }
        self.refused.remove(&source);
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
        let doubt = self.controls.get_mut(&source).and_then(|control| control.doubt.take());
        if doubt.is_none() {
            return;
        }
        self.timers.clear(Timer::Verdict(source));
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

    /// A switch has answered. What it has sent before has come in, but what it has just sent to another switch may still be on its way: the last
    /// probe gets its time.
    pub(super) fn settle_doubts(&mut self, datapath_id: DatapathId, now: Time) {
        for source in self.silent.remove(&datapath_id).into_iter().flatten() {
            let Some(silent) = self.controls.get_mut(&source).and_then(|control| control.doubt.as_mut()) else {
                continue;
            };
            *silent = silent.saturating_sub(1);
            if *silent == 0 {
                let latency = self.network.latency(source).map_or(Duration::ZERO, |latency| latency.smoothed);
                self.timers.set(Timer::Verdict(source), now + self.schedule.patience(latency));
            }
        }
    }

    /// The last probe has had its time.
    pub(super) fn verdict(&mut self, source: PortId, now: Time) {
        let Some(control) = self.controls.get(&source) else { return };
        let is_dead = control.doubt == Some(0) && control.unanswered >= self.config.probe_misses.max(1);
        let listens = |link: &Link| self.is_connected(link.target.datapath_id);
        if is_dead && control.confirm_until <= now && self.network.links.get(&source).is_some_and(listens) {
            self.remove_link(source, LinkDownReason::ProbesMissed, now);
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
        if let Some(link) = self.take_link(source, reason, now) {
            self.unlink_port(link.source, reason, now);
            self.unlink_port(link.target, reason, now);
        }
    }

    /// Takes the link out of the network and tells it; the states of its ends are the caller's business.
    fn take_link(&mut self, source: PortId, reason: LinkDownReason, now: Time) -> Option<Link> {
        let link = self.network.links.remove(&source)?;
        self.network.crossing.remove(&source);
        self.network.latencies.remove(&source);
        self.unlist_doubt(&link);
        if self.controls.get_mut(&source).is_some_and(|control| control.doubt.take().is_some()) {
            self.timers.clear(Timer::Verdict(source));
        }
        if let Some(sources) = self.links_into.get_mut(&link.target) {
            sources.remove(&source);
            if sources.is_empty() {
                self.links_into.remove(&link.target);
            }
        }
        self.count_flap(&link, reason, now);
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
