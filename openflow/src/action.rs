//! Actions (OpenFlow 1.3.5 §7.2.5).

use bytes::Bytes;
use net::PortNo;

use crate::identifier::GroupId;
use crate::number::numbers;
use crate::oxm::OxmFieldOwned;

numbers! {
    /// The type of an action (OpenFlow 1.3.5 §7.2.5, `ofp_action_type`).
    values ActionType(u16) {
        OUTPUT = 0, "OFPAT_OUTPUT";
        COPY_TTL_OUT = 11, "OFPAT_COPY_TTL_OUT";
        COPY_TTL_IN = 12, "OFPAT_COPY_TTL_IN";
        SET_MPLS_TTL = 15, "OFPAT_SET_MPLS_TTL";
        DEC_MPLS_TTL = 16, "OFPAT_DEC_MPLS_TTL";
        PUSH_VLAN = 17, "OFPAT_PUSH_VLAN";
        POP_VLAN = 18, "OFPAT_POP_VLAN";
        PUSH_MPLS = 19, "OFPAT_PUSH_MPLS";
        POP_MPLS = 20, "OFPAT_POP_MPLS";
        SET_QUEUE = 21, "OFPAT_SET_QUEUE";
        GROUP = 22, "OFPAT_GROUP";
        SET_NW_TTL = 23, "OFPAT_SET_NW_TTL";
        DEC_NW_TTL = 24, "OFPAT_DEC_NW_TTL";
        SET_FIELD = 25, "OFPAT_SET_FIELD";
        PUSH_PBB = 26, "OFPAT_PUSH_PBB";
        POP_PBB = 27, "OFPAT_POP_PBB";
        EXPERIMENTER = 0xffff, "OFPAT_EXPERIMENTER";
    }
}

/// `OFPCML_MAX`: the largest `max_len` of an output to the controller that names a length (OpenFlow 1.3.5 §7.2.5).
pub const CONTROLLER_MAX_LEN_MAX: u16 = 0xffe5;
/// `OFPCML_NO_BUFFER`: send the whole packet to the controller and keep nothing (OpenFlow 1.3.5 §7.2.5).
pub const CONTROLLER_NO_BUFFER: u16 = 0xffff;

/// One action (OpenFlow 1.3.5 §7.2.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Send the packet out of a port.
    Output {
        /// Where to.
        port: PortNo,
        /// Octets for the controller; [`CONTROLLER_NO_BUFFER`] for all of them. No meaning for other ports.
        max_len: u16,
    },
    /// Copy the TTL outwards, from the next-to-outermost to the outermost header.
    CopyTtlOut,
    /// Copy the TTL inwards, from the outermost to the next-to-outermost header.
    CopyTtlIn,
    /// Set the MPLS TTL.
    SetMplsTtl(u8),
    /// Decrement the MPLS TTL.
    DecMplsTtl,
    /// Push a VLAN tag with this ethertype.
    PushVlan(u16),
    /// Pop the outer VLAN tag.
    PopVlan,
    /// Push an MPLS label stack entry with this ethertype.
    PushMpls(u16),
    /// Pop the outer MPLS label stack entry; the argument is the ethertype of what remains.
    PopMpls(u16),
    /// Set the queue for following outputs.
    SetQueue(u32),
    /// Process the packet by a group.
    Group(GroupId),
    /// Set the IP TTL or hop limit.
    SetNwTtl(u8),
    /// Decrement the IP TTL or hop limit.
    DecNwTtl,
    /// Set a header field to the value of an OXM field.
    SetField(OxmFieldOwned),
    /// Push a PBB service tag (I-TAG) with this ethertype.
    PushPbb(u16),
    /// Pop the outer PBB service tag.
    PopPbb,
    /// An experimenter's action, as data.
    Experimenter {
        /// The experimenter id.
        experimenter: u32,
        /// What follows the id; 8 octets of header and this are a multiple of 8 on the wire.
        body: Bytes,
    },
    /// An action of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        action_type: ActionType,
        /// What follows the 4-octet header; both together are a multiple of 8 on the wire.
        body: Bytes,
    },
}

impl Action {
    /// Output to a port. To the controller: the whole packet, unbuffered.
    pub const fn output(port: PortNo) -> Action {
        Action::Output { port, max_len: CONTROLLER_NO_BUFFER }
    }

    /// The type number that stands on the wire.
    pub const fn action_type(&self) -> ActionType {
        match self {
            Action::Output { .. } => ActionType::OUTPUT,
            Action::CopyTtlOut => ActionType::COPY_TTL_OUT,
            Action::CopyTtlIn => ActionType::COPY_TTL_IN,
            Action::SetMplsTtl(_) => ActionType::SET_MPLS_TTL,
            Action::DecMplsTtl => ActionType::DEC_MPLS_TTL,
            Action::PushVlan(_) => ActionType::PUSH_VLAN,
            Action::PopVlan => ActionType::POP_VLAN,
            Action::PushMpls(_) => ActionType::PUSH_MPLS,
            Action::PopMpls(_) => ActionType::POP_MPLS,
            Action::SetQueue(_) => ActionType::SET_QUEUE,
            Action::Group(_) => ActionType::GROUP,
            Action::SetNwTtl(_) => ActionType::SET_NW_TTL,
            Action::DecNwTtl => ActionType::DEC_NW_TTL,
            Action::SetField(_) => ActionType::SET_FIELD,
            Action::PushPbb(_) => ActionType::PUSH_PBB,
            Action::PopPbb => ActionType::POP_PBB,
            Action::Experimenter { .. } => ActionType::EXPERIMENTER,
            Action::Unknown { action_type, .. } => *action_type,
        }
    }
}
