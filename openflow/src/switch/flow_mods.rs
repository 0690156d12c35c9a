//! FLOW_MOD and FLOW_REMOVED (OpenFlow 1.3.5 §6.4, §7.3.4.1, §7.4.2).

use super::check;
use super::flow_match::FlowMatch;
use super::switch::Switch;
use super::tables::{FlowEntry, FlowFilter};
use crate::error::ErrorCode;
use crate::flow::{FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, FlowRemovedReason};
use crate::identifier::{BufferId, MeterId, TableId};
use crate::instruction::Instruction;
use crate::message::Message;
use net::{PortNo, Time};

impl Switch {
    /// Checks in the order in which Open vSwitch does, then adds, modifies or deletes.
    pub(super) fn flow_mod(&mut self, flow_mod: &FlowMod, now: Time) -> Result<(), ErrorCode> {
        self.not_as_slave()?;
        let flow_match = FlowMatch::compile(&flow_mod.match_)?;
        let command = flow_mod.command;
        let deletes = matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT);
        if flow_mod.table_id == TableId::ALL && !deletes {
            return Err(ErrorCode::FLOW_MOD_BAD_TABLE_ID);
        }
        if !matches!(command.0, 0..=4) {
            return Err(ErrorCode::FLOW_MOD_BAD_COMMAND);
        }
        let out_port = flow_mod.out_port;
        if out_port.0 >= check::MAX_PORTS && out_port.0 < PortNo::IN_PORT.0 {
            return Err(ErrorCode::ACTION_BAD_OUT_PORT);
        }
        let instructions = check::instructions(&flow_mod.instructions)?;
        if flow_mod.flags.has_unknown() {
            return Err(ErrorCode::FLOW_MOD_BAD_FLAGS);
        }
        let table_id = if flow_mod.table_id == TableId::ALL { TableId(0) } else { flow_mod.table_id };
        check::consistency(&instructions, table_id, self.config.n_tables, &flow_match)?;
        if table_id.0 >= self.config.n_tables {
            return Err(ErrorCode::REQUEST_BAD_TABLE_ID);
        }
        if !deletes && flow_mod.buffer_id != BufferId::NO_BUFFER {
            return Err(ErrorCode::REQUEST_BUFFER_UNKNOWN);
        }
        let strict = matches!(command, FlowModCommand::MODIFY_STRICT | FlowModCommand::DELETE_STRICT);
        let filter = FlowFilter::of_flow_mod(flow_mod, flow_match, strict, deletes);
        match command {
            FlowModCommand::ADD => {
                check::references(&instructions, &self.groups, &self.meters)?;
                self.add_flow(flow_mod, flow_match, instructions, now)
            }
            FlowModCommand::MODIFY | FlowModCommand::MODIFY_STRICT => {
                let selected = self.tables.select(&filter);
                if !selected.is_empty() {
                    check::references(&instructions, &self.groups, &self.meters)?;
                }
                for id in selected {
                    self.tables.change(id, |flow| {
                        flow.instructions.clone_from(&instructions);
                        flow.modified = now;
                        if flow_mod.flags.contains(FlowModFlags::RESET_COUNTS) {
                            (flow.packet_count, flow.byte_count) = (0, 0);
                        }
                    });
                }
                Ok(())
            }
            _ => {
                self.remove_flows(&filter, FlowRemovedReason::DELETE, now);
                Ok(())
            }
        }
    }

    fn add_flow(
        &mut self,
        flow_mod: &FlowMod,
        flow_match: FlowMatch,
        instructions: Vec<Instruction>,
        now: Time,
    ) -> Result<(), ErrorCode> {
        let (table_id, priority) = (flow_mod.table_id, flow_mod.priority);
        let same = self.tables.find(table_id, &flow_match, priority);
        if same.is_none() {
            let check_overlap = flow_mod.flags.contains(FlowModFlags::CHECK_OVERLAP);
            if check_overlap && self.tables.has_overlap(table_id, &flow_match, priority) {
                return Err(ErrorCode::FLOW_MOD_OVERLAP);
            }
            if self.tables.len(table_id) >= self.config.max_flows as usize {
                return Err(ErrorCode::FLOW_MOD_TABLE_FULL);
            }
        }
        let kept = same.and_then(|id| self.tables.get(id)).filter(|_| {
            // OpenFlow 1.3.5 §6.4: counters are copied from the replaced flow unless they are to start again.
            !flow_mod.flags.contains(FlowModFlags::RESET_COUNTS)
        });
        let (packet_count, byte_count) = kept.map_or((0, 0), |flow| (flow.packet_count, flow.byte_count));
        self.tables.insert(FlowEntry {
            table_id,
            priority,
            match_: flow_mod.match_.canonical(),
            flow_match,
            instructions,
            cookie: flow_mod.cookie,
            idle_timeout: flow_mod.idle_timeout,
            hard_timeout: flow_mod.hard_timeout,
            flags: flow_mod.flags,
            created: now,
            modified: now,
            used: now,
            packet_count,
            byte_count,
        });
        Ok(())
    }

    /// The flows that a filter means go, with a FLOW_REMOVED each if they ask for it.
    pub(super) fn remove_flows(&mut self, filter: &FlowFilter, reason: FlowRemovedReason, now: Time) {
        for id in self.tables.select(filter) {
            if let Some(flow) = self.tables.remove(id) {
                self.flow_removed(&flow, reason, now);
            }
        }
    }

    /// Flows that a deleted meter leaves behind go (OpenFlow 1.3.5 §6.6).
    pub(super) fn remove_metered_flows(&mut self, meter_id: MeterId, now: Time) {
        let uses = |flow: &FlowEntry| flow.instructions.contains(&Instruction::Meter(meter_id));
        let ids: Vec<_> = self.tables.iter().filter(|(_, flow)| uses(flow)).map(|(id, _)| id).collect();
        for id in ids {
            if let Some(flow) = self.tables.remove(id) {
                self.flow_removed(&flow, FlowRemovedReason::DELETE, now);
            }
        }
    }

    pub(super) fn flow_removed(&mut self, flow: &FlowEntry, reason: FlowRemovedReason, now: Time) {
        if !flow.flags.contains(FlowModFlags::SEND_FLOW_REM) || !self.wants_flow_removed(reason) {
            return;
        }
        let age = now.since(flow.created);
        let removed = FlowRemoved {
            cookie: flow.cookie,
            priority: flow.priority,
            reason,
            table_id: flow.table_id,
            duration_sec: super::seconds(age),
            duration_nsec: age.subsec_nanos(),
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            packet_count: flow.packet_count,
            byte_count: flow.byte_count,
            match_: flow.match_.clone(),
        };
        self.reply(0, Message::FlowRemoved(removed));
    }
}
