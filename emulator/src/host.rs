//! An end host: a MAC address, one IPv4 and one IPv6 address on a network without routers, neighbour caches, and the answers that every host
//! gives (ARP, Neighbour Discovery, echo).

use crate::fabric::HostStats;
use crate::probe::{ProbeId, ProbeKind};
use bytes::Bytes;
use net::packet::{
    ArpOperation, Endpoints, IcmpType, Icmpv6Type, NeighborDiscovery, NetworkLayer, Packet, TransportLayer, build,
    ipv6_multicast_mac, solicited_node,
};
use net::{MacAddr, Time};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long a neighbour's address is believed without hearing from it; then it is asked for again.
pub const NEIGHBOR_LIFETIME: Duration = Duration::from_secs(60);
/// How long an answer to an address resolution may take before the question is repeated (RFC 4861 §10, RETRANS_TIMER).
pub const RESOLVE_INTERVAL: Duration = Duration::from_secs(1);
/// How often an address is asked for before it is given up (RFC 4861 §10, MAX_MULTICAST_SOLICIT).
pub const RESOLVE_ATTEMPTS: u32 = 3;
/// Packets that wait for one address; one more pushes the oldest out.
pub const MAX_WAITING: usize = 256;
/// Neighbours that a host remembers; one more pushes the one out that was heard longest ago.
pub const MAX_NEIGHBORS: usize = 4_096;

/// The UDP port that datagram probes go to: "discard" (RFC 863), so that nobody answers.
const PROBE_PORT: u16 = 9;
/// What the data of a probe starts with; its number follows.
const PROBE_MARK: [u8; 8] = *b"tk-probe";
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A host on the five verbs.
#[derive(Debug)]
pub(crate) struct Host {
    mac: MacAddr,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
    neighbors: BTreeMap<IpAddr, Neighbor>,
    resolving: BTreeMap<IpAddr, Resolution>,
    transmits: VecDeque<Bytes>,
    events: VecDeque<HostEvent>,
    pub(crate) stats: HostStats,
}

/// What happened to a probe at a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HostEvent {
    /// The reply to an echo, or a datagram, is here.
    Arrived(ProbeId),
    /// Its destination's MAC address could not be found out.
    Unresolved(ProbeId),
}

#[derive(Clone, Copy, Debug)]
struct Neighbor {
    mac: MacAddr,
    heard: Time,
}

#[derive(Debug)]
struct Resolution {
    attempts: u32,
    next: Time,
    waiting: VecDeque<Waiting>,
}

/// An IP packet without its Ethernet header.
#[derive(Clone, Debug)]
enum Waiting {
    Probe { id: ProbeId, kind: ProbeKind },
    Reply { identifier: u16, sequence: u16, data: Bytes },
}

impl Host {
    pub(crate) fn new(mac: MacAddr, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Host {
        Host {
            mac,
            ipv4,
            ipv6,
            neighbors: BTreeMap::new(),
            resolving: BTreeMap::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: HostStats::default(),
        }
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        let frame = self.transmits.pop_front()?;
        self.stats.sent += 1;
        Some(frame)
    }

    pub(crate) fn poll_event(&mut self) -> Option<HostEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.resolving.values().map(|resolution| resolution.next).min()
    }

    /// Tells everybody its addresses (RFC 5227 §3; RFC 4861 §7.2.6).
    pub(crate) fn announce(&mut self) {
        self.transmits.push_back(build::arp_request(self.mac, self.ipv4, self.ipv4));
        let ends = Endpoints {
            source_mac: self.mac,
            destination_mac: ipv6_multicast_mac(ALL_NODES),
            source: self.ipv6,
            destination: ALL_NODES,
        };
        self.transmits.push_back(build::neighbor_advertisement(&ends, self.ipv6, false));
    }

    /// A frame of any kind.
    pub(crate) fn send_frame(&mut self, frame: Bytes) {
        self.transmits.push_back(frame);
    }

    pub(crate) fn send_probe(&mut self, id: ProbeId, kind: ProbeKind, target: (Ipv4Addr, Ipv6Addr), now: Time) {
        let address = match kind {
            ProbeKind::Echo | ProbeKind::Datagram { .. } => IpAddr::V4(target.0),
            ProbeKind::EchoV6 | ProbeKind::DatagramV6 { .. } => IpAddr::V6(target.1),
        };
        self.send(address, Waiting::Probe { id, kind }, now);
    }

    /// Sends at once if the neighbour is known, else asks for its address first.
    fn send(&mut self, address: IpAddr, packet: Waiting, now: Time) {
        let known = self.neighbors.get(&address).filter(|neighbor| now.since(neighbor.heard) < NEIGHBOR_LIFETIME);
        if let Some(neighbor) = known.copied() {
            return self.put(neighbor.mac, address, &packet);
        }
        let fresh = !self.resolving.contains_key(&address);
        let resolution = self.resolving.entry(address).or_insert_with(|| Resolution {
            attempts: 1,
            next: now + RESOLVE_INTERVAL,
            waiting: VecDeque::new(),
        });
        resolution.waiting.push_back(packet);
        let dropped = if resolution.waiting.len() > MAX_WAITING { resolution.waiting.pop_front() } else { None };
        self.give_up(dropped);
        if fresh {
            self.ask(address);
        }
    }

    fn ask(&mut self, address: IpAddr) {
        self.transmits.push_back(match address {
            IpAddr::V4(address) => build::arp_request(self.mac, self.ipv4, address),
            IpAddr::V6(address) => build::neighbor_solicitation(self.mac, self.ipv6, address),
        });
    }

    fn give_up(&mut self, packets: impl IntoIterator<Item = Waiting>) {
        for packet in packets {
            if let Waiting::Probe { id, .. } = packet {
                self.events.push_back(HostEvent::Unresolved(id));
            }
        }
    }

    /// Questions that got no answer are repeated or given up.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        let due = self.resolving.iter().filter(|(_, resolution)| resolution.next <= now);
        let due: Vec<IpAddr> = due.map(|(address, _)| *address).collect();
        for address in due {
            let Some(resolution) = self.resolving.get_mut(&address) else { continue };
            if resolution.attempts < RESOLVE_ATTEMPTS {
                resolution.attempts += 1;
                resolution.next = now + RESOLVE_INTERVAL;
                self.ask(address);
            } else if let Some(resolution) = self.resolving.remove(&address) {
                self.give_up(resolution.waiting);
            }
        }
    }

    /// A frame from the wire.
    pub(crate) fn handle_frame(&mut self, frame: &Bytes, now: Time) {
        self.stats.received += 1;
        let Ok(packet) = Packet::parse(frame) else { return };
        if packet.ethernet.source == self.mac {
            self.stats.echoed += 1;
            return;
        }
        if !self.listens_to(packet.ethernet.destination) || !packet.ethernet.tags.as_slice().is_empty() {
            return;
        }
        self.stats.accepted += 1;
        if packet.error.is_some() || !packet.transport_checksum_is_valid() {
            return;
        }
        match packet.network {
            NetworkLayer::Arp(_) => self.handle_arp(&packet, now),
            NetworkLayer::Ipv4(header) if header.destination == self.ipv4 => {
                self.handle_ip(&packet, IpAddr::V4(header.source), now);
            }
            NetworkLayer::Ipv6(header) => match packet.neighbor_discovery {
                // RFC 4861 §7.1: a hop limit of less than 255 has crossed a router and means nothing here.
                Some(_) if header.hop_limit != 255 => {}
                Some(message) => self.handle_nd(&packet, header.source, &message, now),
                None if header.destination == self.ipv6 => self.handle_ip(&packet, IpAddr::V6(header.source), now),
                None => {}
            },
            _ => {}
        }
    }

    fn listens_to(&self, destination: MacAddr) -> bool {
        destination == self.mac
            || destination.is_broadcast()
            || destination == ipv6_multicast_mac(ALL_NODES)
            || destination == ipv6_multicast_mac(solicited_node(self.ipv6))
    }

    /// RFC 826: who asks for us is remembered; of others, what we knew of them is brought up to date.
    fn handle_arp(&mut self, packet: &Packet<'_>, now: Time) {
        let Some(arp) = packet.arp().copied() else { return };
        if !arp.sender_mac.is_unicast() {
            return;
        }
        let to_us = arp.target_ip == self.ipv4 && arp.sender_ip != self.ipv4;
        if !arp.sender_ip.is_unspecified() {
            self.heard(IpAddr::V4(arp.sender_ip), arp.sender_mac, to_us, now);
        }
        if to_us && arp.operation == ArpOperation::REQUEST {
            self.transmits.push_back(build::arp_reply(self.mac, self.ipv4, arp.sender_mac, arp.sender_ip));
        }
    }

    /// RFC 4861 §7.2.3 and §7.2.5.
    fn handle_nd(&mut self, packet: &Packet<'_>, source: Ipv6Addr, message: &NeighborDiscovery<'_>, now: Time) {
        match message {
            NeighborDiscovery::NeighborSolicitation(message) if message.target == self.ipv6 => {
                let anonymous = source.is_unspecified();
                if let Some(mac) = message.options.source_link_layer().filter(|_| !anonymous) {
                    self.heard(IpAddr::V6(source), mac, true, now);
                }
                let (destination_mac, destination) = match anonymous {
                    true => (ipv6_multicast_mac(ALL_NODES), ALL_NODES),
                    false => (packet.ethernet.source, source),
                };
                let ends = Endpoints { source_mac: self.mac, destination_mac, source: self.ipv6, destination };
                self.transmits.push_back(build::neighbor_advertisement(&ends, self.ipv6, !anonymous));
            }
            NeighborDiscovery::NeighborAdvertisement(message) => {
                if let Some(mac) = message.options.target_link_layer() {
                    self.heard(IpAddr::V6(message.target), mac, false, now);
                }
            }
            _ => {}
        }
    }

    /// A neighbour has said where it is. Unasked-for news about strangers is not kept, unless `learn`.
    fn heard(&mut self, address: IpAddr, mac: MacAddr, learn: bool, now: Time) {
        let resolved = self.resolving.remove(&address);
        if !learn && resolved.is_none() && !self.neighbors.contains_key(&address) {
            return;
        }
        self.neighbors.insert(address, Neighbor { mac, heard: now });
        if self.neighbors.len() > MAX_NEIGHBORS {
            let oldest = self.neighbors.iter().min_by_key(|(_, neighbor)| neighbor.heard).map(|(address, _)| *address);
            oldest.and_then(|address| self.neighbors.remove(&address));
        }
        for packet in resolved.into_iter().flat_map(|resolution| resolution.waiting) {
            self.put(mac, address, &packet);
        }
    }

    fn handle_ip(&mut self, packet: &Packet<'_>, source: IpAddr, now: Time) {
        match packet.transport {
            TransportLayer::Icmp(header) => {
                let Some((identifier, sequence)) = header.echo_ids() else { return };
                let data = packet.payload;
                if header.icmp_type == IcmpType::ECHO_REQUEST {
                    let data = Bytes::copy_from_slice(data);
                    self.send(source, Waiting::Reply { identifier, sequence, data }, now);
                } else {
                    self.arrived(data);
                }
            }
            TransportLayer::Icmpv6(header) => {
                let ids = header.echo_ids(packet.payload).zip(packet.payload.get(4..));
                let Some(((identifier, sequence), data)) = ids else { return };
                if header.icmp_type == Icmpv6Type::ECHO_REQUEST {
                    let data = Bytes::copy_from_slice(data);
                    self.send(source, Waiting::Reply { identifier, sequence, data }, now);
                } else {
                    self.arrived(data);
                }
            }
            TransportLayer::Udp(header) if header.destination_port == PROBE_PORT => self.arrived(packet.payload),
            _ => {}
        }
    }

    fn arrived(&mut self, data: &[u8]) {
        let number = data.strip_prefix(&PROBE_MARK).and_then(|rest| rest.first_chunk());
        if let Some(number) = number {
            self.events.push_back(HostEvent::Arrived(ProbeId(u64::from_be_bytes(*number))));
        }
    }

    fn put(&mut self, mac: MacAddr, address: IpAddr, packet: &Waiting) {
        let frame = match address {
            IpAddr::V4(address) => {
                let ends =
                    Endpoints { source_mac: self.mac, destination_mac: mac, source: self.ipv4, destination: address };
                match packet {
                    Waiting::Probe { id, kind: ProbeKind::Datagram { source_port } } => {
                        build::udp_ipv4(&ends, *source_port, PROBE_PORT, &probe_data(*id))
                    }
                    Waiting::Probe { id, .. } => {
                        let (identifier, sequence) = echo_ids(*id);
                        build::icmp_echo(&ends, IcmpType::ECHO_REQUEST, identifier, sequence, &probe_data(*id))
                    }
                    Waiting::Reply { identifier, sequence, data } => {
                        build::icmp_echo(&ends, IcmpType::ECHO_REPLY, *identifier, *sequence, data)
                    }
                }
            }
            IpAddr::V6(address) => {
                let ends =
                    Endpoints { source_mac: self.mac, destination_mac: mac, source: self.ipv6, destination: address };
                match packet {
                    Waiting::Probe { id, kind: ProbeKind::DatagramV6 { source_port } } => {
                        build::udp_ipv6(&ends, *source_port, PROBE_PORT, &probe_data(*id))
                    }
                    Waiting::Probe { id, .. } => {
                        let (identifier, sequence) = echo_ids(*id);
                        build::icmpv6_echo(&ends, Icmpv6Type::ECHO_REQUEST, identifier, sequence, &probe_data(*id))
                    }
                    Waiting::Reply { identifier, sequence, data } => {
                        build::icmpv6_echo(&ends, Icmpv6Type::ECHO_REPLY, *identifier, *sequence, data)
                    }
                }
            }
        };
        // Too long to be sent back: it never came over a wire of this kind.
        self.transmits.extend(frame.ok());
    }
}

/// 56 octets, as `ping` sends.
fn probe_data(id: ProbeId) -> [u8; 56] {
    let mut data = [0; 56];
    for (place, octet) in data.iter_mut().zip(PROBE_MARK.into_iter().chain(id.0.to_be_bytes())) {
        *place = octet;
    }
    data
}

fn echo_ids(id: ProbeId) -> (u16, u16) {
    ((id.0 >> 16) as u16, id.0 as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Host, Host) {
        let host = |number: u8| {
            Host::new(
                MacAddr([2, 0, 0, 0, 0, number]),
                Ipv4Addr::new(10, 0, 0, number),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()),
            )
        };
        (host(1), host(2))
    }

    /// Hands frames to and fro until both are silent; gives how many there were.
    fn talk(one: &mut Host, two: &mut Host, now: Time) -> usize {
        let mut frames = 0;
        loop {
            if let Some(frame) = one.poll_transmit() {
                two.handle_frame(&frame, now);
            } else if let Some(frame) = two.poll_transmit() {
                one.handle_frame(&frame, now);
            } else {
                return frames;
            }
            frames += 1;
        }
    }

    #[test]
    fn an_echo_resolves_the_address_first_and_only_once() {
        for kind in [ProbeKind::Echo, ProbeKind::EchoV6] {
            let (mut one, mut two) = pair();
            let target = (two.ipv4, two.ipv6);
            one.send_probe(ProbeId(1), kind, target, Time::ZERO);
            assert_eq!(talk(&mut one, &mut two, Time::ZERO), 4, "question, answer, request, reply");
            assert_eq!(one.poll_event(), Some(HostEvent::Arrived(ProbeId(1))));
            one.send_probe(ProbeId(2), kind, target, Time::from_secs(1));
            assert_eq!(talk(&mut one, &mut two, Time::from_secs(1)), 2);
            one.send_probe(ProbeId(3), kind, target, Time::from_secs(100));
            assert!(talk(&mut one, &mut two, Time::from_secs(100)) >= 4, "the neighbour is too old to be believed");
        }
    }

    #[test]
    fn a_datagram_arrives_at_its_target() {
        for kind in [ProbeKind::Datagram { source_port: 1000 }, ProbeKind::DatagramV6 { source_port: 1000 }] {
            let (mut one, mut two) = pair();
            one.send_probe(ProbeId(1), kind, (two.ipv4, two.ipv6), Time::ZERO);
            talk(&mut one, &mut two, Time::ZERO);
            assert_eq!((one.poll_event(), two.poll_event()), (None, Some(HostEvent::Arrived(ProbeId(1)))));
        }
    }

    #[test]
    fn an_address_that_nobody_has_is_given_up_after_three_questions() {
        let (mut one, two) = pair();
        one.send_probe(ProbeId(1), ProbeKind::Echo, (two.ipv4, two.ipv6), Time::ZERO);
        let mut questions = 0;
        while let Some(next) = one.poll_timeout() {
            one.handle_timeout(next);
            questions += std::iter::from_fn(|| one.poll_transmit()).count();
        }
        assert_eq!((questions, one.poll_event()), (3, Some(HostEvent::Unresolved(ProbeId(1)))));
    }

    #[test]
    fn an_announcement_updates_those_who_knew_it_and_nobody_else() {
        let (mut one, mut two) = pair();
        two.announce();
        talk(&mut one, &mut two, Time::ZERO);
        assert!(one.neighbors.is_empty());
        one.send_probe(ProbeId(1), ProbeKind::Echo, (two.ipv4, two.ipv6), Time::ZERO);
        talk(&mut one, &mut two, Time::ZERO);
        two.mac = MacAddr([2, 0, 0, 0, 0, 99]);
        two.announce();
        talk(&mut one, &mut two, Time::ZERO);
        assert_eq!(one.neighbors[&IpAddr::V4(two.ipv4)].mac, two.mac);
    }

    #[test]
    fn frames_for_others_are_counted_and_left() {
        let (mut one, two) = pair();
        let frame = build::arp_reply(two.mac, two.ipv4, MacAddr([2, 0, 0, 0, 0, 77]), one.ipv4);
        one.handle_frame(&frame, Time::ZERO);
        one.handle_frame(&Bytes::from_static(b"short"), Time::ZERO);
        assert_eq!((one.stats.received, one.stats.accepted), (2, 0));
        assert!(one.neighbors.is_empty() && one.poll_transmit().is_none());
    }
}
