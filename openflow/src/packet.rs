//! PACKET_IN and PACKET_OUT (OpenFlow 1.3.5 §7.4.1, §7.3.7).

use bytes::Bytes;
use net::PortNo;

use crate::action::Action;
use crate::flow_match::Match;
use crate::identifier::{BufferId, TableId};
use crate::number::numbers;

numbers! {
    /// Why a packet came to the controller (OpenFlow 1.3.5 §7.4.1, `ofp_packet_in_reason`).
    values PacketInReason(u8) {
        NO_MATCH = 0, "OFPR_NO_MATCH";
        ACTION = 1, "OFPR_ACTION";
        INVALID_TTL = 2, "OFPR_INVALID_TTL";
    }
}

/// A packet for the controller (OpenFlow 1.3.5 §7.4.1, `ofp_packet_in`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PacketIn {
    /// Where the switch keeps the packet, if it does.
    pub buffer_id: BufferId,
    /// Octets of the whole packet, of which `data` may be the start.
    pub total_len: u16,
    /// Why it came.
    pub reason: PacketInReason,
    /// The table whose flow sent it.
    pub table_id: TableId,
    /// The cookie of that flow, all ones if there is none.
    pub cookie: u64,
    /// The packet's pipeline fields, at least in_port.
    pub match_: Match,
    /// The packet, or its start.
    pub data: Bytes,
}

/// A packet from the controller (OpenFlow 1.3.5 §7.3.7, `ofp_packet_out`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PacketOut {
    /// A packet that the switch has kept, or NO_BUFFER for `data`.
    pub buffer_id: BufferId,
    /// The port it is taken to have come in by, or CONTROLLER.
    pub in_port: PortNo,
    /// What to do with it; none drops it.
    pub actions: Vec<Action>,
    /// The packet; empty if `buffer_id` names one.
    pub data: Bytes,
}
