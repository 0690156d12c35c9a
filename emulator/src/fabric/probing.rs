//! Probes: sent, delivered, lost.

use super::{Event, Fabric, FabricEvent};
use crate::probe::{Arrival, ProbeId, ProbeKind, ProbeLoss};
use crate::spec::HostIndex;
use net::Time;
use std::time::Duration;

/// How long a probe that has arrived or been given up is remembered, to tell duplicates and latecomers.
const PROBE_MEMORY: Duration = Duration::from_secs(10);

impl Fabric {
    /// An ICMP echo from one host to another; [`Fabric::send_probe_of`] with [`ProbeKind::Echo`].
    pub fn send_probe(&mut self, source: HostIndex, target: HostIndex, now: Time) -> ProbeId {
        self.send_probe_of(ProbeKind::Echo, source, target, now)
    }

    /// A probe from one host to another. Its fate is an event: delivered, or lost at the deadline of the spec at the latest.
    pub fn send_probe_of(&mut self, kind: ProbeKind, source: HostIndex, target: HostIndex, now: Time) -> ProbeId {
        self.advance(now);
        let id = self.probes.open(kind, source, target, now);
        self.stats.probes_sent += 1;
        self.queue.push(now + self.spec.probe_deadline, Event::ProbeDeadline(id));
        let addresses = self.spec.hosts.get(target.0).map(|host| (host.ipv4, host.ipv6));
        match (self.hosts.get_mut(source.0), addresses) {
            (Some(slot), Some(addresses)) => slot.host.send_probe(id, kind, addresses, now),
            _ => self.lose(id, ProbeLoss::Unresolved),
        }
        self.after_host(source.0, now);
        id
    }

    pub(super) fn arrived(&mut self, id: ProbeId, at: HostIndex, now: Time) {
        match self.probes.arrive(id, at) {
            Arrival::First(probe) => {
                self.stats.probes_delivered += 1;
                self.remember_for_a_while(id, now);
                self.events.push_back(FabricEvent::ProbeDelivered {
                    id,
                    source: probe.source,
                    target: probe.target,
                    latency: now.since(probe.sent),
                });
            }
            Arrival::Again => {
                self.stats.probes_duplicated += 1;
                self.events.push_back(FabricEvent::ProbeDuplicated { id });
            }
            Arrival::Late => self.stats.probes_late += 1,
            Arrival::Unknown => {}
        }
    }

    pub(super) fn lose(&mut self, id: ProbeId, reason: ProbeLoss) {
        if let Some(probe) = self.probes.lose(id) {
            self.stats.probes_lost += 1;
            self.remember_for_a_while(id, probe.sent + self.spec.probe_deadline);
            let (source, target) = (probe.source, probe.target);
            self.events.push_back(FabricEvent::ProbeLost { id, source, target, reason });
        }
    }

    fn remember_for_a_while(&mut self, id: ProbeId, now: Time) {
        self.queue.push(now + PROBE_MEMORY, Event::ProbeForgotten(id));
    }
}
