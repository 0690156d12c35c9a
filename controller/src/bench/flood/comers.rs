//! Hosts that come and go: packet-ins with ever new senders, and the rules of the eldest idle out, so that the controller forgets them and
//! goes on learning. Without that its limit of hosts ([`topology::MAX_HOSTS`]) is reached in a fraction of a second, and what follows is refused.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};
use net::packet::build;
use net::{MacAddr, PortNo};
use openflow::{BufferId, FlowModCommand, FlowRemoved, FlowRemovedReason, Match, Message, PacketIn, PacketInReason};

use super::super::traffic::{DATA, FRAME_LEN, IN_PORT};
use crate::flow::FlowKey;
use crate::flow::pipeline::{CLASSIFY, classify};

/// Ports that they come by in turn. All hosts that the controller may know are 1,024 on each, which is its limit for one.
pub(super) const PORTS: u32 = 64;
/// Rules of senders that the switch holds; beyond it the eldest idles out. Half of the hosts that the controller may know.
const HELD: usize = 32_000;
/// Where a FLOW_MOD has its table and command, and its match (OpenFlow 1.3.5 §7.3.4.1), which is in_port and eth_src in this many octets.
const TABLE: usize = 24;
const COMMAND: usize = 25;
const FLOW_MOD_MATCH: usize = 48;
const MATCH_LEN: usize = 24;
/// Where a FLOW_REMOVED has the port and the address of such a match (§7.4.2).
const REMOVED_PORT: usize = 48 + 8;
const REMOVED_ADDRESS: usize = 48 + 16;

/// The packet-ins.
pub(super) struct Comers {
    packet_in: Vec<u8>,
    /// Senders so far.
    sent: u32,
}

impl Comers {
    pub(super) fn new() -> Comers {
        let mut frame = build::arp_request(address(0), ip(0), ip(0)).to_vec();
        frame.resize(FRAME_LEN, 0);
        let message = Message::PacketIn(PacketIn {
            buffer_id: BufferId::NO_BUFFER,
            total_len: FRAME_LEN as u16,
            reason: PacketInReason::NO_MATCH,
            table_id: CLASSIFY,
            cookie: 0,
            match_: Match::new().with_in_port(PortNo(1)),
            data: Bytes::from(frame),
        });
        Comers { packet_in: encoded(&message), sent: 0 }
    }

    /// The packet-in of the next sender: an ARP request to all for the one before, which the controller answers.
    pub(super) fn put(&mut self, out: &mut Vec<u8>) {
        let number = self.sent;
        self.sent = number.wrapping_add(1);
        let at = out.len();
        out.extend_from_slice(&self.packet_in);
        let Some(message) = out.get_mut(at..) else { return };
        message[IN_PORT..IN_PORT + 4].copy_from_slice(&(1 + number % PORTS).to_be_bytes());
        let frame = &mut message[DATA..];
        frame[6..12].copy_from_slice(&address(number).0);
        frame[22..28].copy_from_slice(&address(number).0);
        frame[28..32].copy_from_slice(&ip(number).octets());
        frame[38..42].copy_from_slice(&ip(number.wrapping_sub(1)).octets());
    }
}

/// The switch's own table, as far as it is about senders.
pub(super) struct Goers {
    held: VecDeque<(PortNo, MacAddr)>,
    removed: Vec<u8>,
}

impl Goers {
    pub(super) fn new() -> Goers {
        let match_ = Match::new().with_in_port(PortNo(1)).with_eth_src(address(0));
        let message = Message::FlowRemoved(FlowRemoved {
            cookie: 0,
            priority: classify::HOST,
            reason: FlowRemovedReason::IDLE_TIMEOUT,
            table_id: CLASSIFY,
            duration_sec: 1,
            duration_nsec: 0,
            idle_timeout: 1,
            hard_timeout: 0,
            packet_count: 0,
            byte_count: 0,
            match_,
        });
        Goers { held: VecDeque::new(), removed: encoded(&message) }
    }

    /// The controller has sent a FLOW_MOD. If that is a sender's rule, it is held, and the eldest one goes if there are too many.
    pub(super) fn hear(&mut self, flow_mod: &[u8], out: &mut BytesMut) {
        let is_add = flow_mod.get(COMMAND) == Some(&FlowModCommand::ADD.0);
        let Some(match_) = flow_mod.get(FLOW_MOD_MATCH..FLOW_MOD_MATCH + MATCH_LEN) else { return };
        match FlowKey::of(match_) {
            FlowKey::Source(port, address) if is_add && flow_mod.get(TABLE) == Some(&CLASSIFY.0) => {
                self.held.push_back((port, address));
            }
            _ => return,
        }
        if self.held.len() > HELD
            && let Some((port, address)) = self.held.pop_front()
        {
            self.removed[REMOVED_PORT..REMOVED_PORT + 4].copy_from_slice(&port.0.to_be_bytes());
            self.removed[REMOVED_ADDRESS..REMOVED_ADDRESS + 6].copy_from_slice(&address.0);
            out.extend_from_slice(&self.removed);
        }
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    let _ = message.encode(0, &mut out);
    out.to_vec()
}

/// None of the hosts of the switches that behave.
fn address(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr([0x02, 0x0b, a, b, c, d])
}

fn ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0b00_0000 | (number & 0x00ff_ffff))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::{DatapathId, Time};
    use openflow::frame_length;

    use super::super::super::switch::Switch;
    use super::*;
    use crate::core::{ConnectionId, Core, CoreConfig};

    const ID: ConnectionId = ConnectionId(1);

    /// The controller's core with this attacker, without a socket between.
    struct Lab {
        core: Core,
        switch: Switch,
        goers: Goers,
        now: Time,
    }

    impl Lab {
        fn say(&mut self, octets: &[u8]) {
            let mut octets = Bytes::copy_from_slice(octets);
            let frames = std::iter::from_fn(|| Some(octets.split_to(frame_length(&octets).unwrap()?)));
            self.core.handle_frames(ID, frames, self.now);
            while let Some(output) = self.core.take_output(ID) {
                let mut replies = BytesMut::new();
                super::super::answer(&mut self.switch, &output, &mut replies, &mut |flow_mod, out| {
                    self.goers.hear(flow_mod, out);
                })
                .unwrap();
                if !replies.is_empty() {
                    self.say(&replies);
                }
            }
        }
    }

    #[test]
    fn every_sender_is_learned_however_many_came_before() {
        let now = Time::from_secs(1);
        let switch = Switch::new(DatapathId(1), PORTS);
        let mut lab = Lab { core: Core::new(CoreConfig::default(), now), switch, goers: Goers::new(), now };
        lab.core.handle_connect(ID, now);
        lab.say(&Switch::hello());
        // Until the ports are edges.
        for _ in 0..200 {
            lab.now = lab.now + Duration::from_millis(10);
            lab.core.handle_timeout(lab.now);
            lab.say(&[]);
        }
        let (mut comers, mut octets) = (Comers::new(), Vec::new());
        let senders = topology::MAX_HOSTS as u64 + 4_096;
        for _ in 0..senders / 256 {
            octets.clear();
            (0..256).for_each(|_| comers.put(&mut octets));
            lab.say(&octets);
        }
        let counters = lab.core.discovery_counters();
        assert_eq!(counters.hosts_learned, senders);
        assert_eq!(lab.core.network().hosts.len(), HELD);
    }
}
