//! Frames on their way: out of a port, over a link, into a switch or a host.

use super::{Event, Fabric, MAX_FRAMES_IN_FLIGHT, Plug, arm};
use crate::host::HostEvent;
use crate::probe::ProbeLoss;
use crate::spec::HostIndex;
use bytes::Bytes;
use net::{PortId, Time};
use openflow::switch::SwitchTransmit;

impl Fabric {
    pub(super) fn over_link(&mut self, index: usize, from: usize, epoch: u32, frame: Bytes, hops: u32, now: Time) {
        self.in_flight -= 1;
        let Some(link) = self.links.get_mut(index) else { return };
        if link.epoch != epoch {
            count(&mut link.stats.cut, from, 1);
            self.stats.frames_cut += 1;
            return;
        }
        count(&mut link.stats.frames, from, 1);
        count(&mut link.stats.octets, from, frame.len() as u64);
        self.stats.frames_delivered += 1;
        let [a, b] = link.ends;
        self.deliver(if from == 0 { b } else { a }, frame, hops, now);
    }

    pub(super) fn deliver(&mut self, port: PortId, frame: Bytes, hops: u32, now: Time) {
        if self.bridged(port, &frame, hops, now) {
            return;
        }
        let Some(&index) = self.index.get(&port.datapath_id) else { return };
        if let Some(node) = self.nodes.get_mut(index) {
            node.switch.handle_packet(port.port_no, frame, now);
        }
        self.after_switch(index, now, hops);
    }

    /// A switch was touched: frames and messages leave it, and it may have a new deadline. What leaves it now has made `hops` hops before.
    pub(super) fn after_switch(&mut self, index: usize, now: Time, hops: u32) {
        self.switch_transmits(index, now, hops);
        let Some(node) = self.nodes.get_mut(index) else { return };
        let deadline = node.switch.poll_timeout().map(|(at, _)| at);
        arm(&mut self.queue, &mut node.armed[0], deadline, Event::SwitchTimer(index));
        self.after_channel(index);
    }

    pub(super) fn switch_transmits(&mut self, index: usize, now: Time, hops: u32) {
        while let Some(node) = self.nodes.get_mut(index) {
            let Some(transmit) = node.switch.poll_transmit() else { break };
            match transmit {
                SwitchTransmit::ToController { xid, message } => {
                    if let Some(channel) = &mut node.channel {
                        channel.send_with_xid(xid, &message);
                        self.talking.insert(index);
                    }
                }
                SwitchTransmit::ToPort { port_no, frame } => {
                    let port = PortId::new(node.switch.datapath_id(), port_no);
                    self.out_of_port(port, frame, hops + 1, now);
                }
            }
        }
    }

    pub(super) fn out_of_port(&mut self, port: PortId, frame: Bytes, hops: u32, now: Time) {
        if hops > self.hop_limit {
            self.stats.looped_frames += 1;
            return;
        }
        match self.plugs.get(&port) {
            Some(&Plug::Link { link: index, end }) => {
                let Some(link) = self.links.get_mut(index) else { return };
                if link.cut.is_some() {
                    count(&mut link.stats.cut, end, 1);
                    self.stats.frames_cut += 1;
                    return;
                }
                let (at, epoch) = (now + link.latency, link.epoch);
                self.launch(at, Event::OverLink { link: index, from: end, epoch, frame, hops });
            }
            Some(&Plug::Host(host)) => {
                let Some(slot) = self.hosts.get(host) else { return };
                let (at, epoch) = (now + slot.latency, slot.epoch);
                self.launch(at, Event::ToHost { host, epoch, frame });
            }
            None => self.stats.frames_unplugged += 1,
        }
    }

    /// A frame goes on its way, unless too many are.
    fn launch(&mut self, at: Time, event: Event) {
        if self.in_flight >= MAX_FRAMES_IN_FLIGHT {
            self.stats.frames_overflowed += 1;
            return;
        }
        self.in_flight += 1;
        self.queue.push(at, event);
    }

    /// A host was touched: frames leave it, probes may have arrived, and it may have a new deadline.
    pub(super) fn after_host(&mut self, host: usize, now: Time) {
        while let Some(slot) = self.hosts.get_mut(host) {
            let Some(frame) = slot.host.poll_transmit() else { break };
            if !slot.plugged {
                self.stats.frames_unplugged += 1;
                continue;
            }
            let (at, epoch) = (now + slot.latency, slot.epoch);
            self.launch(at, Event::FromHost { host, epoch, frame });
        }
        while let Some(event) = self.hosts.get_mut(host).and_then(|slot| slot.host.poll_event()) {
            match event {
                HostEvent::Arrived(id) => self.arrived(id, HostIndex(host), now),
                HostEvent::Unresolved(id) => self.lose(id, ProbeLoss::Unresolved),
            }
        }
        let Some(slot) = self.hosts.get_mut(host) else { return };
        let deadline = slot.host.poll_timeout();
        arm(&mut self.queue, &mut slot.armed, deadline, Event::HostTimer(host));
    }
}

fn count(counters: &mut [u64; 2], direction: usize, by: u64) {
    if let Some(counter) = counters.get_mut(direction) {
        *counter += by;
    }
}
