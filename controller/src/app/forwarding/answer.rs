//! ARP requests and neighbour solicitations to all: answered for a known host, else flooded once along the tree.

use std::net::{IpAddr, Ipv6Addr};

use bytes::Bytes;
use net::packet::build::{self, ARP_FRAME_LEN};
use net::packet::{Arp, ArpOperation, Endpoints, NeighborDiscovery, NetworkLayer, Packet};
use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use openflow::{Action, TableId};
use topology::Host;

use super::build::{flood_ports, floods};
use super::floods::{Floods, Turn};
use crate::app::{Effects, View};
use crate::flow::pipeline::ISOLATE_TO;

/// A frame that came to the controller.
pub(super) struct Question<'a> {
    pub(super) port: PortId,
    pub(super) table: TableId,
    pub(super) frame: &'a [u8],
    pub(super) packet: &'a Packet<'a>,
    pub(super) now: Time,
}

/// Frames that the tables have sent on by themselves need nothing here; questions to all were given to the controller alone.
/// What a member of a group sends to all was given to the controller too: it leaves by the ports where it may.
pub(super) fn packet_in(
    &Question { port, table, frame, packet, now }: &Question<'_>,
    floods_so_far: &mut Floods,
    view: &View<'_>,
    effects: &mut Effects<'_>,
) {
    if !packet.ethernet.destination.is_multicast() {
        return;
    }
    // The tables let nothing but edge ports ask; a port that has just become a link is not believed.
    if !view.network.takes_hosts(port) {
        return;
    }
    let asker = packet.ethernet.source;
    let never = view.isolation.never_of(port, packet);
    // A tagged question is another network's: whoever has the address there is not known here.
    let tagged = !packet.ethernet.tags.as_slice().is_empty();
    let mut apart =
        |never: u64, effects: &mut Effects<'_>| match floods(port, view).then(|| floods_so_far.turn(port, now)) {
            Some(Turn::Goes) => flood_apart(port, floods_so_far.ways(port, never, view), frame, effects),
            Some(Turn::Dropped(tell)) => effects.flood_dropped(port, tell),
            None => {}
        };
    let answer = match (&packet.network, &packet.neighbor_discovery) {
        (NetworkLayer::Arp(_), _) | (NetworkLayer::Ipv6(_), Some(NeighborDiscovery::NeighborSolicitation(_)))
            if tagged =>
        {
            None
        }
        (NetworkLayer::Arp(arp), _) => answer_arp(arp, asker, view),
        (NetworkLayer::Ipv6(ipv6), Some(NeighborDiscovery::NeighborSolicitation(solicitation))) => {
            answer_solicitation(ipv6.source, solicitation.target, asker, view)
        }
        _ if table == ISOLATE_TO => return apart(never, effects),
        _ => return,
    };
    match answer {
        // Who must not reach it need not know where it is.
        Some((host, _)) if view.isolation.of_host(host).of & never != 0 => {}
        None if never != 0 => apart(never, effects),
        Some((_, answer)) => {
            let action = [Action::output(port.port_no)];
            effects.packet_out(port.datapath_id, PortNo::CONTROLLER, &action, answer.as_octets());
        }
        None if floods(port, view) => {
            let ports = flood_ports(port.datapath_id, view).into_iter().filter(|&out| out != port.port_no);
            let actions: Vec<Action> = ports.map(Action::output).collect();
            if !actions.is_empty() {
                effects.packet_out(port.datapath_id, port.port_no, &actions, frame);
            }
        }
        None => {}
    }
}

/// Once out of every one of these ports, but not back.
fn flood_apart(from: PortId, ways: &[(DatapathId, Vec<PortNo>)], frame: &[u8], effects: &mut Effects<'_>) {
    for &(at, ref ports) in ways {
        let ports = ports.iter().filter(|port_no| PortId::new(at, **port_no) != from);
        let actions: Vec<Action> = ports.map(|port_no| Action::output(*port_no)).collect();
        if !actions.is_empty() {
            effects.packet_out(at, PortNo::CONTROLLER, &actions, frame);
        }
    }
}

/// A frame in the place of another host.
enum Answer {
    Arp([u8; ARP_FRAME_LEN]),
    Advertisement(Bytes),
}

impl Answer {
    fn as_octets(&self) -> &[u8] {
        match self {
            Answer::Arp(octets) => octets,
            Answer::Advertisement(octets) => octets,
        }
    }
}

fn answer_arp<'a>(arp: &Arp, asker: MacAddr, view: &View<'a>) -> Option<(&'a Host, Answer)> {
    if arp.operation != ArpOperation::REQUEST {
        return None;
    }
    // A gratuitous request asks for its own address: only another owner is an answer.
    let host = owner_of(IpAddr::V4(arp.target_ip), asker, view)?;
    let answer = build::arp_reply_octets(host.mac, arp.target_ip, arp.sender_mac, arp.sender_ip);
    Some((host, Answer::Arp(answer)))
}

fn answer_solicitation<'a>(
    source: Ipv6Addr,
    target: Ipv6Addr,
    asker: MacAddr,
    view: &View<'a>,
) -> Option<(&'a Host, Answer)> {
    let host = owner_of(IpAddr::V6(target), asker, view)?;
    let solicited = !source.is_unspecified();
    // RFC 4861 §7.2.4: who asks without an address (duplicate address detection) is answered at all nodes.
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let (destination_mac, destination) =
        if solicited { (asker, source) } else { (MacAddr([0x33, 0x33, 0, 0, 0, 1]), all_nodes) };
    let ends = Endpoints { source_mac: host.mac, destination_mac, source: target, destination };
    Some((host, Answer::Advertisement(build::neighbor_advertisement(&ends, target, solicited))))
}

/// The host that has an address, unless it is the asker itself.
fn owner_of<'a>(address: IpAddr, asker: MacAddr, view: &View<'a>) -> Option<&'a Host> {
    view.network.host_at(address).filter(|host| host.mac != asker)
}
