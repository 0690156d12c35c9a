//! Auxiliary connections: further connections of a switch whose main connection stands (OpenFlow 1.3.5 §6.3.5).
//!
//! What a switch reports on one counts as said on the main one. Nothing is asked or answered there: packet-outs refer to no buffer, so
//! they may take the main connection.

use net::{DatapathId, Time};
use openflow::{Message, PacketInRef};

use super::connection::{Claim, CloseCause, ConnectionId, Stage};
use super::{Core, CoreEvent};

/// Auxiliary connections of one switch. Their numbers would allow 255; a switch with so many wants sockets, not packets.
const AUXILIARIES_MAX: usize = 16;

impl Core {
    /// The connection says whose it is: taken if the main one stands.
    pub(super) fn admit_auxiliary(&mut self, id: ConnectionId, claim: Claim, now: Time) {
        let main = Claim { auxiliary_id: 0, ..claim };
        if !self.claims.contains_key(&main) || self.auxiliaries(claim.datapath_id).len() >= AUXILIARIES_MAX {
            return self.refuse(id, CloseCause::AuxiliaryConnection, now);
        }
        self.claims.insert(claim, id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = Stage::Auxiliary { claim };
        }
        let Claim { datapath_id, auxiliary_id } = claim;
        self.events.push_back(CoreEvent::AuxiliaryConnected { datapath_id, auxiliary_id, connection: id });
    }

    fn auxiliaries(&self, datapath_id: DatapathId) -> Vec<ConnectionId> {
        let first = Claim { datapath_id, auxiliary_id: 1 };
        let last = Claim { datapath_id, auxiliary_id: u8::MAX };
        self.claims.range(first..=last).map(|(_, id)| *id).collect()
    }

    /// The main connection has ended, and with it these.
    pub(super) fn end_auxiliaries(&mut self, datapath_id: DatapathId, now: Time) {
        for id in self.auxiliaries(datapath_id) {
            self.refuse(id, CloseCause::MainConnectionEnded, now);
        }
    }

    /// What a switch says on an auxiliary connection of its own accord.
    pub(super) fn auxiliary_message(&mut self, datapath_id: DatapathId, message: Message, now: Time) {
        if let Message::Error(error) = &message {
            self.counters.add_error(error.error_type);
        }
        let main = self.by_datapath.get(&datapath_id).and_then(|id| self.connections.get(id));
        if !main.is_some_and(|main| matches!(main.stage, Stage::Live { .. })) {
            return;
        }
        match message {
            Message::PacketIn(packet_in) => self.packet_in(datapath_id, PacketInRef::from(&packet_in), now),
            Message::PortStatus(status) => self.port_status(datapath_id, &status, now),
            Message::FlowRemoved(removed) => self.flow_removed(datapath_id, &removed, now),
            _ => {}
        }
    }
}
