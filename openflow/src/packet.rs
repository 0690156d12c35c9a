//! PACKET_IN and PACKET_OUT (OpenFlow 1.3.5 §7.4.1, §7.3.7).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, PortNo};

use crate::action::Action;
use crate::flow_match::{self, Match};
use crate::framing::VERSION;
use crate::identifier::{BufferId, TableId};
use crate::message::MessageType;
use crate::number::numbers;
use crate::oxm::OxmKind;
use crate::wire::{self, Block, Reader};

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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    #[cfg_attr(feature = "serde", serde(rename = "match"))]
    pub match_: Match,
    /// The packet, or its start.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::json::hex"))]
    pub data: Bytes,
}

/// A packet-in as it stands in its frame, of which nothing is copied: what comes by the million needs no storage of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketInRef<'f> {
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
    /// The TLVs of the match, each of which fits its field.
    tlvs: &'f [u8],
    /// The packet, or its start.
    pub data: &'f [u8],
}

/// `ofp_packet_in` up to its match, header included (OpenFlow 1.3.5 §7.4.1).
const PACKET_IN_FIXED: usize = 24;

impl<'f> PacketInRef<'f> {
    /// A whole frame of this version, header first. `None` if [`Message::decode`](crate::Message::decode) would not read it as a packet-in.
    #[inline]
    pub fn read(frame: &'f [u8]) -> Option<PacketInRef<'f>> {
        let (fixed, rest) = frame.split_first_chunk::<PACKET_IN_FIXED>()?;
        let &[version, message_type, l0, l1, _, _, _, _, b0, b1, b2, b3, t0, t1, reason, table_id, ref cookie @ ..] =
            fixed;
        let is_whole = usize::from(u16::from_be_bytes([l0, l1])) == frame.len();
        if version != VERSION || MessageType(message_type) != MessageType::PACKET_IN || !is_whole {
            return None;
        }
        let (tlvs, rest) = flow_match::split_match(rest)?;
        Some(PacketInRef {
            buffer_id: BufferId(u32::from_be_bytes([b0, b1, b2, b3])),
            total_len: u16::from_be_bytes([t0, t1]),
            reason: PacketInReason(reason),
            table_id: TableId(table_id),
            cookie: u64::from_be_bytes(*cookie),
            tlvs,
            data: rest.get(2..)?,
        })
    }

    /// The port by which the packet came in.
    #[inline]
    pub fn in_port(&self) -> Option<PortNo> {
        flow_match::octets_of(self.tlvs, OxmKind::IN_PORT).map(u32::from_be_bytes).map(PortNo)
    }
}

impl<'f> From<&'f PacketIn> for PacketInRef<'f> {
    fn from(packet_in: &'f PacketIn) -> PacketInRef<'f> {
        PacketInRef {
            buffer_id: packet_in.buffer_id,
            total_len: packet_in.total_len,
            reason: packet_in.reason,
            table_id: packet_in.table_id,
            cookie: packet_in.cookie,
            tlvs: packet_in.match_.as_tlvs(),
            data: &packet_in.data,
        }
    }
}

/// A packet from the controller (OpenFlow 1.3.5 §7.3.7, `ofp_packet_out`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PacketOut {
    /// A packet that the switch has kept, or NO_BUFFER for `data`.
    pub buffer_id: BufferId,
    /// The port it is taken to have come in by, or CONTROLLER.
    pub in_port: PortNo,
    /// What to do with it; none drops it.
    pub actions: Vec<Action>,
    /// The packet; empty if `buffer_id` names one.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::json::hex"))]
    pub data: Bytes,
}

impl PacketIn {
    /// Allocates nothing unless the match is longer than its inline storage.
    #[inline(always)]
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<PacketIn, DecodeError> {
        let buffer_id = BufferId(reader.u32("packet_in.buffer_id")?);
        let total_len = reader.u16("packet_in.total_len")?;
        let reason = PacketInReason(reader.u8("packet_in.reason")?);
        let table_id = TableId(reader.u8("packet_in.table_id")?);
        let cookie = reader.u64("packet_in.cookie")?;
        let match_ = Match::parse(&mut reader)?;
        reader.skip(2, "packet_in.pad")?;
        Ok(PacketIn { buffer_id, total_len, reason, table_id, cookie, match_, data: reader.into_bytes() })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        Block::<16>::new()
            .u32(self.buffer_id.0)
            .u16(self.total_len)
            .u8(self.reason.0)
            .u8(self.table_id.0)
            .u64(self.cookie)
            .put(out);
        self.match_.encode(out);
        wire::put_zeros(out, 2);
        out.put_slice(&self.data);
    }
}

impl PacketOut {
    #[inline(always)]
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<PacketOut, DecodeError> {
        let buffer_id = BufferId(reader.u32("packet_out.buffer_id")?);
        let in_port = PortNo(reader.u32("packet_out.in_port")?);
        let actions_len = reader.u16("packet_out.actions_len")?;
        reader.skip(6, "packet_out.pad")?;
        let actions = reader.take(usize::from(actions_len), "packet_out.actions_len")?;
        let actions = Action::parse_list(actions)?;
        Ok(PacketOut { buffer_id, in_port, actions, data: reader.into_bytes() })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let length_at = out.len() + 8;
        Block::<16>::new().u32(self.buffer_id.0).u32(self.in_port.0).zeros(8).put(out);
        let start = out.len();
        Action::encode_list(&self.actions, out);
        let actions_len = out.len() - start;
        wire::put_length(out, length_at, actions_len);
        out.put_slice(&self.data);
    }
}
