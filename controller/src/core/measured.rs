//! How much links carry, as their ports' counters say, and what forwarding makes of what is measured: seldom, so that traffic that follows a change does not
//! soon bring the next one.
//!
//! Traffic that leaves a busy link makes it idle, and would come back at once. So one direction alone changes what it costs at a time, the busiest
//! first; after it nothing changes for [`CHANGE_PAUSE`]; and a direction that has become dearer stays so for [`HELD_FIRST`] at least, twice as long each
//! time that this happens again, up to [`HELD_LAST`]. Latency counts as the least since the link is up, which never rises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, PortId, PortNo, Time};
use openflow::PortStats;

use super::{Core, CoreEvent};
use crate::app::Event;
use crate::path::Metric;

/// Nothing changes for so long after a change: six samples of every port, which a smoothed load has followed by then.
const CHANGE_PAUSE: Duration = Duration::from_secs(30);
/// How long a direction that has become dearer stays so.
const HELD_FIRST: Duration = Duration::from_secs(120);
/// The same, when it has become dearer again and again: two changes an hour.
const HELD_LAST: Duration = Duration::from_secs(3_600);
/// After so long without becoming dearer a direction begins anew.
const HELD_FORGOTTEN: Duration = Duration::from_secs(86_400);
/// A load follows what is counted with this time constant.
const SMOOTHING: Duration = Duration::from_secs(15);
/// The latency of a link is believed after so many probes: the first ones may have waited somewhere.
const LATENCY_SAMPLES: u64 = 8;

/// Bits that leave ports of links per second, in kbit/s, smoothed: by switch and port.
pub type Loads = Arc<BTreeMap<DatapathId, Arc<BTreeMap<PortNo, u64>>>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Measured {
    counted: BTreeMap<DatapathId, BTreeMap<PortNo, Counted>>,
    loads: Loads,
    not_before: Time,
    held: BTreeMap<PortId, Held>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Time,
    octets: u64,
    /// None before the second look.
    kbps: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    until: Time,
    span: Duration,
}

impl Measured {
    /// A port has sent so many octets by now.
    fn counted(before: Option<&Counted>, octets: u64, now: Time) -> Counted {
        let first = Counted { at: now, octets, kbps: None };
        let Some(before) = before else { return first };
        let seconds = now.since(before.at).as_secs_f64();
        // A counter that has begun anew says nothing of the time between.
        let Some(sent) = octets.checked_sub(before.octets).filter(|_| seconds > 0.0) else { return first };
        let kbps = sent as f64 * 8.0 / 1_000.0 / seconds;
        let share = 1.0 - (-seconds / SMOOTHING.as_secs_f64()).exp();
        let smoothed = before.kbps.map_or(kbps, |before| before + (kbps - before) * share);
        Counted { at: now, octets, kbps: Some(smoothed) }
    }

    fn may_fall(&self, port: PortId, now: Time) -> bool {
        self.held.get(&port).is_none_or(|held| held.until <= now)
    }

    /// A direction has become dearer.
    fn hold(&mut self, port: PortId, now: Time) {
        self.held.retain(|_, held| held.until + HELD_FORGOTTEN > now);
        let span = self.held.get(&port).map_or(HELD_FIRST, |held| (2 * held.span).min(HELD_LAST));
        self.held.insert(port, Held { until: now + span, span });
    }
}

impl Core {
    /// Bits that leave ports of links per second.
    pub fn loads(&self) -> &Loads {
        &self.measured.loads
    }

    /// Counters of some ports of a switch have come.
    pub(super) fn note_port_stats(&mut self, datapath_id: DatapathId, stats: &[PortStats], now: Time) {
        let network = self.discovery.network();
        let is_link = |port_no: PortNo| network.links.contains_key(&PortId::new(datapath_id, port_no));
        let counted = self.measured.counted.entry(datapath_id).or_default();
        for port in stats.iter().filter(|port| is_link(port.port_no)) {
            let next = Measured::counted(counted.get(&port.port_no), port.tx_bytes, now);
            counted.insert(port.port_no, next);
        }
        counted.retain(|port_no, _| is_link(*port_no));
        let loads = counted.iter().filter_map(|(port_no, counted)| Some((*port_no, counted.kbps? as u64)));
        let loads: BTreeMap<PortNo, u64> = loads.collect();
        Arc::make_mut(&mut self.measured.loads).insert(datapath_id, Arc::new(loads));
    }

    /// What links cost by what is measured, if anything is to change by now.
    pub(super) fn weigh(&mut self, now: Time) {
        let network = self.discovery.network();
        self.measured.counted.retain(|id, _| network.switches.contains_key(id));
        if self.measured.loads.len() > self.measured.counted.len() {
            Arc::make_mut(&mut self.measured.loads).retain(|id, _| network.switches.contains_key(id));
        }
        match self.paths.weights().metric {
            Metric::Utilisation => self.weigh_utilisation(now),
            Metric::Latency if self.paths.weights().measured_latency => self.weigh_latency(),
            _ => return,
        }
        let changes = self.paths.settle();
        if !changes.is_empty() {
            self.counters.path_updates += 1;
            // Nothing is mended by it: it may take the time that Open vSwitch's cache needs between two phases.
            self.reconciler.take_time();
            self.tell_apps(Event::Paths(&changes));
        }
    }

    fn weigh_utilisation(&mut self, now: Time) {
        if now < self.measured.not_before {
            return;
        }
        let (network, weights) = (self.discovery.network(), self.paths.weights());
        let utilisation = |port: PortId, kbps: u64| {
            let all = weights.bandwidth_kbps(port, network)?;
            u16::try_from(kbps.saturating_mul(1_000) / all).ok().or(Some(u16::MAX))
        };
        let loads = self
            .measured
            .loads
            .iter()
            .flat_map(|(&id, ports)| ports.iter().map(move |(&port_no, &kbps)| (PortId::new(id, port_no), kbps)));
        let (mut rise, mut fall) = (None, None);
        for (port, kbps) in loads {
            let Some(permille) = utilisation(port, kbps) else { continue };
            let (step, next) = (weights.step(port), weights.step_at(port, permille));
            if next > step {
                rise = rise.max(Some((permille, port)));
            } else if next < step && self.measured.may_fall(port, now) {
                fall = fall.max(Some((u16::MAX - permille, port)));
            }
        }
        let fall = fall.map(|(left, port)| (u16::MAX - left, port));
        let Some((permille, port)) = rise.or(fall) else { return };
        if rise.is_some() {
            self.measured.hold(port, now);
        }
        self.measured.not_before = now + CHANGE_PAUSE;
        self.paths.note_utilisation(port, permille, self.discovery.network());
        let cost = self.paths.weights().cost(port, self.discovery.network());
        self.events.push_back(CoreEvent::Weighed { port, permille, cost });
    }

    fn weigh_latency(&mut self) {
        let network = self.discovery.network();
        let measured = network
            .latencies()
            .filter(|(port, latency)| latency.samples >= LATENCY_SAMPLES && network.links.contains_key(port));
        let measured = measured.map(|(port, latency)| (port, latency.min)).collect();
        self.paths.note_latencies(measured, self.discovery.network());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_load_is_smoothed_and_a_counter_that_begins_anew_says_nothing() {
        let mut counted = Measured::counted(None, 1_000, at(0));
        assert_eq!(counted.kbps, None);
        // 10 Mbit/s for a minute.
        for n in 1..13 {
            counted = Measured::counted(Some(&counted), 1_000 + n * 6_250_000, at(5 * n));
        }
        assert_eq!(counted.kbps.map(f64::round), Some(10_000.0));
        let idle = Measured::counted(Some(&counted), counted.octets, at(65));
        assert!((7_000.0..7_200.0).contains(&idle.kbps.unwrap()), "{idle:?}");
        assert_eq!(Measured::counted(Some(&idle), 5, at(70)).kbps, None);
        assert_eq!(Measured::counted(Some(&idle), idle.octets + 9, at(65)).kbps, None, "no time has passed");
    }

    #[test]
    fn who_becomes_dearer_again_and_again_stays_so_for_longer_up_to_an_hour() {
        let mut measured = Measured::default();
        let port = PortId::new(DatapathId(1), PortNo(1));
        let (mut now, mut spans) = (0, Vec::new());
        for _ in 0..8 {
            measured.hold(port, at(now));
            let span = (1..).find(|seconds| measured.may_fall(port, at(now + seconds))).unwrap();
            spans.push(span);
            now += span;
        }
        assert_eq!(spans, [120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        measured.hold(port, at(now + 90_001));
        assert!(measured.may_fall(port, at(now + 90_001 + 120)), "a day without is forgotten");
    }
}
