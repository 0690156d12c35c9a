//! Trip 1: a frame that a switch has sent to the controller.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use net::packet::{EtherType, Packet, build};
use net::{DatapathId, MacAddr, PortId, Time};
use openflow::PacketInRef;
use topology::probe::BDDP;
use topology::{HostInquiry, HostSighting, dhcp_answer, sender_address};

use super::{Core, CoreEvent};
use crate::app::Event;

impl Core {
    /// Asks a host at its port whether it is still there: by an ARP probe (RFC 5227 §2.1.1: from no address, so that nobody's cache changes), or by a
    /// neighbour solicitation from the port's own link-local address (RFC 4291 §2.5.6).
    pub(super) fn inquiry_frame(&self, inquiry: HostInquiry) -> Option<Bytes> {
        let own = self.network().port(inquiry.port)?.info.hw_addr;
        Some(match inquiry.address {
            IpAddr::V4(address) => build::arp_request(own, Ipv4Addr::UNSPECIFIED, address),
            IpAddr::V6(address) => build::neighbor_solicitation(own, link_local(own), address),
        })
    }

    pub(super) fn packet_in(&mut self, datapath_id: DatapathId, packet_in: PacketInRef<'_>, now: Time) {
        self.counters.packet_ins += 1;
        let Some(port_no) = packet_in.in_port() else {
            self.counters.packet_ins_malformed += 1;
            return;
        };
        let port = PortId::new(datapath_id, port_no);
        let frame = packet_in.data;
        let Ok(packet) = Packet::parse(frame) else {
            self.counters.packet_ins_malformed += 1;
            return;
        };
        if matches!(packet.ethernet.ethertype, EtherType::LLDP | BDDP) {
            let connection = self.by_datapath.get(&datapath_id).and_then(|id| self.connections.get(id));
            if let Some(round_trip) = connection.and_then(|connection| connection.channel.rtt()) {
                self.discovery.handle_round_trip(datapath_id, round_trip, now);
            }
            self.discovery.handle_frame(port, frame, now);
            return;
        }
        let mac = packet.ethernet.source;
        let address = sender_address(&packet, &self.config.wiring.subnets);
        self.discovery.handle_host(HostSighting { port, mac, address }, now);
        if let Some(answer) = dhcp_answer(&packet) {
            self.discovery.handle_dhcp_answer(port, mac, &answer, now);
        }
        self.absorb(now);
        self.tell_apps(Event::PacketIn { port, table: packet_in.table_id, frame, packet: &packet, now });
        self.counters.floods_dropped += std::mem::take(&mut self.packet_outs.floods_dropped);
        let told = self.packet_outs.floods_told.drain(..);
        self.events.extend(told.map(|(from, before)| CoreEvent::FloodDropped { from, before }));
    }
}

/// fe80::/64 with the modified EUI-64 of a MAC address (RFC 4291 appendix A).
fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}
