//! Trip 1: a frame that a switch has sent to the controller.

use net::packet::{EtherType, Packet};
use net::{DatapathId, PortId, Time};
use openflow::PacketInRef;
use topology::probe::BDDP;
use topology::{HostSighting, sender_address};

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
        if matches!(packet.ethernet.ethertype, EtherType::LLDP | BDDP) {
            let connection = self.by_datapath.get(&datapath_id).and_then(|id| self.connections.get(id));
            if let Some(round_trip) = connection.and_then(|connection| connection.channel.rtt()) {
                self.discovery.handle_round_trip(datapath_id, round_trip);
            }
            self.discovery.handle_frame(port, frame, now);
            return;
        }
        let address = sender_address(&packet, &[]);
        self.discovery.handle_host(HostSighting { port, mac: packet.ethernet.source, address }, now);
        self.absorb(now);
        self.tell_apps(Event::PacketIn { port, table: packet_in.table_id, frame, packet: &packet, now });
        self.counters.floods_dropped += std::mem::take(&mut self.packet_outs.floods_dropped);
        let told = self.packet_outs.floods_told.drain(..);
        self.events.extend(told.map(|(from, before)| CoreEvent::FloodDropped { from, before }));
    }
}
