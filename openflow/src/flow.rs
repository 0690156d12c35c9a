//! FLOW_MOD and FLOW_REMOVED (OpenFlow 1.3.5 §7.3.4.1, §7.4.2).

use bytes::BytesMut;
use net::{DecodeError, PortNo};

use crate::flow_match::Match;
use crate::identifier::{BufferId, GroupId, TableId};
use crate::instruction::Instruction;
use crate::number::numbers;
use crate::wire::{Block, Reader};

numbers! {
    /// What a flow-mod does (OpenFlow 1.3.5 §7.3.4.1, `ofp_flow_mod_command`).
    values FlowModCommand(u8) {
        ADD = 0, "OFPFC_ADD";
        MODIFY = 1, "OFPFC_MODIFY";
        MODIFY_STRICT = 2, "OFPFC_MODIFY_STRICT";
        DELETE = 3, "OFPFC_DELETE";
        DELETE_STRICT = 4, "OFPFC_DELETE_STRICT";
    }
}

numbers! {
    /// Flags of a flow (OpenFlow 1.3.5 §7.3.4.1, `ofp_flow_mod_flags`).
    bits FlowModFlags(u16) {
        SEND_FLOW_REM = 1, "OFPFF_SEND_FLOW_REM";
        CHECK_OVERLAP = 1 << 1, "OFPFF_CHECK_OVERLAP";
        RESET_COUNTS = 1 << 2, "OFPFF_RESET_COUNTS";
        NO_PKT_COUNTS = 1 << 3, "OFPFF_NO_PKT_COUNTS";
        NO_BYT_COUNTS = 1 << 4, "OFPFF_NO_BYT_COUNTS";
    }
}

numbers! {
    /// Why a flow went (OpenFlow 1.3.5 §7.4.2, `ofp_flow_removed_reason`).
    values FlowRemovedReason(u8) {
        IDLE_TIMEOUT = 0, "OFPRR_IDLE_TIMEOUT";
        HARD_TIMEOUT = 1, "OFPRR_HARD_TIMEOUT";
        DELETE = 2, "OFPRR_DELETE";
        GROUP_DELETE = 3, "OFPRR_GROUP_DELETE";
    }
}

/// `OFP_DEFAULT_PRIORITY`: the priority that tools give to a flow when none is named (OpenFlow 1.3.5 §7.3.4.1).
pub const DEFAULT_PRIORITY: u16 = 0x8000;

/// Change a flow table (OpenFlow 1.3.5 §7.3.4.1, `ofp_flow_mod`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FlowMod {
    /// The controller's own number for the flow.
    pub cookie: u64,
    /// For modify and delete: only flows whose cookie has these bits as `cookie` has them; 0 for all.
    pub cookie_mask: u64,
    /// Which table; ALL for deletes from every table.
    pub table_id: TableId,
    /// What to do.
    pub command: FlowModCommand,
    /// Seconds without a packet until the flow goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds until the flow goes; 0 for never.
    pub hard_timeout: u16,
    /// Higher goes first.
    pub priority: u16,
    /// A packet that the switch has kept and that goes through the tables after the change.
    pub buffer_id: BufferId,
    /// For deletes: only flows with an output to this port; ANY for all.
    pub out_port: PortNo,
    /// For deletes: only flows with this group; ANY for all.
    pub out_group: GroupId,
    /// Flags.
    pub flags: FlowModFlags,
    /// Which packets.
    #[cfg_attr(feature = "serde", serde(rename = "match"))]
    pub match_: Match,
    /// What to do with them.
    pub instructions: Vec<Instruction>,
}

impl FlowMod {
    fn new(command: FlowModCommand, table_id: TableId, priority: u16, match_: Match) -> FlowMod {
        FlowMod {
            cookie: 0,
            cookie_mask: 0,
            table_id,
            command,
            idle_timeout: 0,
            hard_timeout: 0,
            priority,
            buffer_id: BufferId::NO_BUFFER,
            out_port: PortNo::ANY,
            out_group: GroupId::ANY,
            flags: FlowModFlags::NONE,
            match_,
            instructions: Vec::new(),
        }
    }

    /// Add a flow that never times out; without instructions it drops its packets.
    pub fn add(table_id: TableId, priority: u16, match_: Match) -> FlowMod {
        FlowMod::new(FlowModCommand::ADD, table_id, priority, match_)
    }

    /// Change the instructions of the flow with exactly this match and priority.
    pub fn modify_strict(table_id: TableId, priority: u16, match_: Match) -> FlowMod {
        FlowMod::new(FlowModCommand::MODIFY_STRICT, table_id, priority, match_)
    }

    /// Delete the flows that `match_` covers, whatever their priority.
    pub fn delete(table_id: TableId, match_: Match) -> FlowMod {
        FlowMod::new(FlowModCommand::DELETE, table_id, 0, match_)
    }

    /// Delete the flow with exactly this match and priority.
    pub fn delete_strict(table_id: TableId, priority: u16, match_: Match) -> FlowMod {
        FlowMod::new(FlowModCommand::DELETE_STRICT, table_id, priority, match_)
    }
}

/// A flow went (OpenFlow 1.3.5 §7.4.2, `ofp_flow_removed`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FlowRemoved {
    /// Its cookie.
    pub cookie: u64,
    /// Its priority.
    pub priority: u16,
    /// Why it went.
    pub reason: FlowRemovedReason,
    /// The table it was in.
    pub table_id: TableId,
    /// Whole seconds that it lived.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
    pub duration_nsec: u32,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
    pub hard_timeout: u16,
    /// Packets that it matched.
    pub packet_count: u64,
    /// Octets in those packets.
    pub byte_count: u64,
    /// Its match.
    #[cfg_attr(feature = "serde", serde(rename = "match"))]
    pub match_: Match,
}

impl FlowMod {
    #[inline(always)]
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<FlowMod, DecodeError> {
        let cookie = reader.u64("flow_mod.cookie")?;
        let cookie_mask = reader.u64("flow_mod.cookie_mask")?;
        let table_id = TableId(reader.u8("flow_mod.table_id")?);
        let command = FlowModCommand(reader.u8("flow_mod.command")?);
        let idle_timeout = reader.u16("flow_mod.idle_timeout")?;
        let hard_timeout = reader.u16("flow_mod.hard_timeout")?;
        let priority = reader.u16("flow_mod.priority")?;
        let buffer_id = BufferId(reader.u32("flow_mod.buffer_id")?);
        let out_port = PortNo(reader.u32("flow_mod.out_port")?);
        let out_group = GroupId(reader.u32("flow_mod.out_group")?);
        let flags = FlowModFlags(reader.u16("flow_mod.flags")?);
        reader.skip(2, "flow_mod.pad")?;
        let match_ = Match::parse(&mut reader)?;
        let instructions = Instruction::parse_list(reader)?;
        Ok(FlowMod {
            cookie,
            cookie_mask,
            table_id,
            command,
            idle_timeout,
            hard_timeout,
            priority,
            buffer_id,
            out_port,
            out_group,
            flags,
            match_,
            instructions,
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        Block::<40>::new()
            .u64(self.cookie)
            .u64(self.cookie_mask)
            .u8(self.table_id.0)
            .u8(self.command.0)
            .u16(self.idle_timeout)
            .u16(self.hard_timeout)
            .u16(self.priority)
            .u32(self.buffer_id.0)
            .u32(self.out_port.0)
            .u32(self.out_group.0)
            .u16(self.flags.0)
            .zeros(2)
            .put(out);
        self.match_.encode(out);
        Instruction::encode_list(&self.instructions, out);
    }
}

impl FlowRemoved {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<FlowRemoved, DecodeError> {
        let flow_removed = FlowRemoved {
            cookie: reader.u64("flow_removed.cookie")?,
            priority: reader.u16("flow_removed.priority")?,
            reason: FlowRemovedReason(reader.u8("flow_removed.reason")?),
            table_id: TableId(reader.u8("flow_removed.table_id")?),
            duration_sec: reader.u32("flow_removed.duration_sec")?,
            duration_nsec: reader.u32("flow_removed.duration_nsec")?,
            idle_timeout: reader.u16("flow_removed.idle_timeout")?,
            hard_timeout: reader.u16("flow_removed.hard_timeout")?,
            packet_count: reader.u64("flow_removed.packet_count")?,
            byte_count: reader.u64("flow_removed.byte_count")?,
            match_: Match::parse(&mut reader)?,
        };
        reader.finish("flow_removed")?;
        Ok(flow_removed)
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        Block::<40>::new()
            .u64(self.cookie)
            .u16(self.priority)
            .u8(self.reason.0)
            .u8(self.table_id.0)
            .u32(self.duration_sec)
            .u32(self.duration_nsec)
            .u16(self.idle_timeout)
            .u16(self.hard_timeout)
            .u64(self.packet_count)
            .u64(self.byte_count)
            .put(out);
        self.match_.encode(out);
    }
}
