//! Trip 1: a frame that a switch has sent to the controller.

use std::net::IpAddr;

use net::packet::{EtherType, NeighborDiscovery, NetworkLayer, Packet};
use net::{DatapathId, PortId, Time};
use openflow::PacketInRef;
use topology::HostSighting;

use super::{Core, CoreEvent};
use crate::app::Event;

impl Core {
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
        if packet.ethernet.ethertype == EtherType::LLDP {
            self.discovery.handle_frame(port, frame, now);
            return;
        }
        let address = sender_address(&packet);
        self.discovery.handle_host(HostSighting { port, mac: packet.ethernet.source, address }, now);
        self.absorb(now);
        self.tell_apps(Event::PacketIn { port, table: packet_in.table_id, frame, packet: &packet, now });
        self.counters.floods_dropped += std::mem::take(&mut self.packet_outs.floods_dropped);
        let told = self.packet_outs.floods_told.drain(..);
        self.events.extend(told.map(|(from, before)| CoreEvent::FloodDropped { from, before }));
    }
}

/// The IP address that the sender says is its own: in ARP and Neighbour Discovery, where it is said about the next hop and not about
/// somebody behind a router.
fn sender_address(packet: &Packet<'_>) -> Option<IpAddr> {
    let address = match (&packet.network, &packet.neighbor_discovery) {
        (NetworkLayer::Arp(arp), _) if arp.sender_mac == packet.ethernet.source => IpAddr::V4(arp.sender_ip),
        (NetworkLayer::Ipv6(_), Some(NeighborDiscovery::NeighborAdvertisement(advertisement))) => {
            IpAddr::V6(advertisement.target)
        }
        (NetworkLayer::Ipv6(ipv6), Some(NeighborDiscovery::NeighborSolicitation(_))) => IpAddr::V6(ipv6.source),
        _ => return None,
    };
    // RFC 5227 §1.1, RFC 4862 §5.4: who has no address yet asks from the unspecified one.
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}
