//! The packet-ins that are sent: prebuilt, patched where they differ.

use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use net::packet::{Endpoints, build};
use net::{MacAddr, PortNo};
use openflow::{BufferId, Match, Message, PacketIn, PacketInReason};
use serde::Serialize;

use crate::flow::pipeline::CLASSIFY;

/// What the packet-ins are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Sender and destination are known: the answer is a packet-out alone.
    Known,
    /// Each packet-in has a sender that was never seen: it is learned, rules are installed, and the packet-out answers.
    New,
}

/// The frames in the packet-ins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frame {
    /// An ARP request to all for a known host: a controller that knows hosts answers by itself. For Trunkline.
    Arp,
    /// A UDP datagram to a known host: a learning switch answers with FLOW_MOD and PACKET_OUT. For ovs-testcontroller, os-ken, libfluid.
    Udp,
}

/// Hosts that are learned on one port: the controller's limit is 1,024.
const HOSTS_PER_PORT: u32 = 1_000;
/// Addresses that the hosts of all switches share: 10.0.0.0/8.
const ADDRESSES: u32 = 1 << 24;
/// Shortest Ethernet frame without its checksum.
pub(super) const FRAME_LEN: usize = 60;
/// Where the port stands in a packet-in whose match is the port alone (OpenFlow 1.3.5 §7.4.1), and where its frame begins.
pub(super) const IN_PORT: usize = 32;
pub(super) const DATA: usize = 42;
/// The two hosts that are known beforehand, by index and port.
const ASKER: u32 = 0;
const OWNER: u32 = 1;
const FIRST_NEW_PORT: u32 = 3;

/// Makes the packet-ins of every switch.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    workload: Workload,
    frame: Frame,
    ports: u32,
    /// Host indices of one switch.
    stride: u32,
    template: Vec<u8>,
}

impl Traffic {
    /// For so many switches, each of which shows at most `new_hosts` new senders.
    pub(super) fn new(workload: Workload, frame: Frame, switches: u32, new_hosts: u32) -> Traffic {
        let ports = match workload {
            Workload::Known => FIRST_NEW_PORT - 1,
            Workload::New => FIRST_NEW_PORT - 1 + new_hosts.div_ceil(HOSTS_PER_PORT),
        };
        let mut traffic = Traffic { workload, frame, ports, stride: ADDRESSES / switches.max(1), template: Vec::new() };
        traffic.template = traffic.packet_in(0, 0, 1, ASKER, OWNER);
        traffic
    }

    /// Ports per switch.
    pub(super) fn ports(&self) -> u32 {
        self.ports
    }

    /// Octets of one packet-in.
    pub(super) fn packet_in_len(&self) -> usize {
        self.template.len()
    }

    /// The packet-ins after which a switch's hosts and ports are known, and the address of the host that each is about.
    pub(super) fn warm_up(&self, switch: u32) -> Vec<(Vec<u8>, MacAddr)> {
        // The owner speaks first, so that a learning switch knows it when the asker speaks.
        let mut rows = vec![(2, OWNER, ASKER), (1, ASKER, OWNER)];
        rows.extend((FIRST_NEW_PORT..=self.ports).map(|port| (port, port - 1, OWNER)));
        rows.into_iter()
            .map(|(port, from, to)| (self.packet_in(switch, 0, port, from, to), self.mac(switch, from)))
            .collect()
    }

    /// `count` packet-ins of a switch that has sent `sent` before.
    pub(super) fn put(&self, switch: u32, sent: u64, count: u64, out: &mut Vec<u8>) {
        for number in sent..sent + count {
            match self.workload {
                Workload::Known => self.put_from(switch, 1, ASKER, out),
                Workload::New => {
                    let number = u32::try_from(number).unwrap_or(u32::MAX);
                    self.put_from(switch, FIRST_NEW_PORT + number / HOSTS_PER_PORT, self.ports + number, out);
                }
            }
        }
    }

    /// The template with another sender.
    fn put_from(&self, switch: u32, port: u32, from: u32, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.template);
        let message = &mut out[at..];
        message[IN_PORT..IN_PORT + 4].copy_from_slice(&port.to_be_bytes());
        let (mac, ip) = (self.mac(switch, from).0, self.ip(switch, from).octets());
        let frame = &mut message[DATA..];
        frame[6..12].copy_from_slice(&mac);
        match self.frame {
            Frame::Arp => {
                frame[22..28].copy_from_slice(&mac);
                frame[28..32].copy_from_slice(&ip);
                frame[38..42].copy_from_slice(&self.ip(switch, OWNER).octets());
            }
            // Checksums are left as they are: a learning switch looks at the Ethernet header alone.
            Frame::Udp => {
                frame[..6].copy_from_slice(&self.mac(switch, OWNER).0);
                frame[26..30].copy_from_slice(&ip);
                frame[30..34].copy_from_slice(&self.ip(switch, OWNER).octets());
            }
        }
    }

    fn packet_in(&self, switch: u32, xid: u32, port: u32, from: u32, to: u32) -> Vec<u8> {
        let (source_mac, source) = (self.mac(switch, from), self.ip(switch, from));
        let (destination_mac, destination) = (self.mac(switch, to), self.ip(switch, to));
        let frame = match self.frame {
            Frame::Arp => build::arp_request(source_mac, source, destination),
            Frame::Udp => {
                let ends = Endpoints { source_mac, destination_mac, source, destination };
                build::udp_ipv4(&ends, 5_000, 5_001, &[0; 18]).unwrap_or_default()
            }
        };
        let mut frame = frame.to_vec();
        frame.resize(FRAME_LEN, 0);
        let message = Message::PacketIn(PacketIn {
            buffer_id: BufferId::NO_BUFFER,
            total_len: FRAME_LEN as u16,
            reason: PacketInReason::NO_MATCH,
            table_id: CLASSIFY,
            cookie: 0,
            match_: Match::new().with_in_port(PortNo(port)),
            data: Bytes::from(frame),
        });
        let mut out = BytesMut::new();
        let _ = message.encode(xid, &mut out);
        out.to_vec()
    }

    fn mac(&self, switch: u32, host: u32) -> MacAddr {
        let [a, b, c, d] = (switch * self.stride + host).to_be_bytes();
        MacAddr([0x02, 0, a, b, c, d])
    }

    fn ip(&self, switch: u32, host: u32) -> Ipv4Addr {
        // The network's own address is nobody's.
        Ipv4Addr::from_bits(0x0a00_0000 | ((switch * self.stride + host + 1) % ADDRESSES))
    }
}

#[cfg(test)]
mod tests {
    use net::packet::{NetworkLayer, Packet};

    use super::*;

    fn decode(octets: &[u8]) -> PacketIn {
        match Message::decode(&Bytes::copy_from_slice(octets)) {
            Ok((_, Message::PacketIn(packet_in))) => packet_in,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_patched_packet_in_is_the_same_as_one_that_was_built() {
        for frame in [Frame::Arp, Frame::Udp] {
            let traffic = Traffic::new(Workload::Known, frame, 16, 0);
            let mut out = Vec::new();
            traffic.put(3, 0, 1, &mut out);
            let mut built = traffic.packet_in(3, 0, 1, ASKER, OWNER);
            if frame == Frame::Udp {
                // But for the checksums of IP and UDP.
                for at in [DATA + 24, DATA + 25, DATA + 40, DATA + 41] {
                    out[at] = 0;
                    built[at] = 0;
                }
            }
            assert_eq!(out, built, "{frame:?}");
        }
    }

    #[test]
    fn every_new_sender_is_new_and_no_port_has_too_many() {
        let traffic = Traffic::new(Workload::New, Frame::Arp, 2, 2_500);
        assert_eq!(traffic.ports(), 5);
        let mut out = Vec::new();
        traffic.put(1, 0, 2_500, &mut out);
        let mut seen = std::collections::BTreeSet::new();
        let warm = traffic.warm_up(1);
        for octets in out.chunks(traffic.packet_in_len()).chain(warm.iter().map(|(octets, _)| octets.as_slice())) {
            let packet_in = decode(octets);
            let packet = Packet::parse(&packet_in.data).unwrap();
            let NetworkLayer::Arp(arp) = packet.network else { panic!("{packet:?}") };
            assert_eq!(arp.sender_mac, packet.ethernet.source);
            assert!(packet_in.match_.in_port().unwrap().0 <= traffic.ports());
            assert!(seen.insert((arp.sender_mac, arp.sender_ip)));
        }
        assert_eq!(seen.len(), 2_505);
    }
}
