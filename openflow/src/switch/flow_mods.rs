//! FLOW_MOD and FLOW_REMOVED (OpenFlow 1.3.5 §6.4, §7.3.4.1, §7.4.2), and the flows that learn actions make.

use super::check;
use super::flow_match::{FlowMatch, Known};
use super::pipeline::LearnedFlow;
use super::switch::Switch;
use super::tables::{FlowEntry, FlowFilter, FlowId, any_instruction};
use super::tunnel_options;
use crate::error::ErrorCode;
use crate::flow::{FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, FlowRemovedReason};
use crate::flow_match::Match;
use crate::identifier::{BufferId, GroupId, MeterId, TableId};
use crate::instruction::Instruction;
use crate::message::Message;
use crate::oxm::OxmKind;
use crate::tlv_table::TlvTableMod;
use net::{PortNo, Time};
use std::sync::Arc;

/// A flow-mod with nothing wrong in itself: what is left to check depends on flows, groups and meters.
#[derive(Clone, Debug)]
pub(super) struct ReadyFlowMod {
    flow_mod: FlowMod,
    flow_match: FlowMatch,
    instructions: Vec<Instruction>,
}

impl Switch {
    /// Checks what can be checked of a flow-mod alone, in the order in which Open vSwitch does.
    pub(super) fn prepare_flow_mod(&self, flow_mod: &FlowMod) -> Result<ReadyFlowMod, ErrorCode> {
        let known = Known::compile(&flow_mod.match_, &self.options)?;
        let command = flow_mod.command;
        let deletes = matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT);
        if flow_mod.table_id == TableId::ALL && !deletes {
            return Err(ErrorCode::FLOW_MOD_BAD_TABLE_ID);
        }
        if !check::is_port_number(flow_mod.out_port) {
            return Err(ErrorCode::ACTION_BAD_OUT_PORT);
        }
        if !known.connection_fits_packet() {
            return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
        }
        if !matches!(command.0, 0..=4) {
            return Err(ErrorCode::FLOW_MOD_BAD_COMMAND);
        }
        let instructions = check::instructions(&flow_mod.instructions, &self.options)?;
        if flow_mod.flags.has_unknown() {
            return Err(ErrorCode::FLOW_MOD_BAD_FLAGS);
        }
        let n_tables = self.config.n_tables;
        check::consistency(&instructions, flow_mod.table_id, n_tables, &known, &self.options)?;
        let all = deletes && flow_mod.table_id == TableId::ALL;
        if !all && flow_mod.table_id.0 >= n_tables {
            // Behind all of its tables Open vSwitch has one of its own: nobody adds to it or modifies it, and a delete that would take
            // its flows is refused.
            let own = n_tables == check::ALL_TABLES && flow_mod.table_id.0 == n_tables;
            let touches = match command {
                FlowModCommand::DELETE => means_own_flows(flow_mod),
                command => command != FlowModCommand::DELETE_STRICT,
            };
            match (own, touches) {
                (true, true) => return Err(ErrorCode::REQUEST_EPERM),
                (true, false) => {}
                (false, _) => return Err(ErrorCode::REQUEST_BAD_TABLE_ID),
            }
        }
        if !deletes {
            check::no_connection_tracking(&instructions)?;
            if flow_mod.buffer_id != BufferId::NO_BUFFER {
                return Err(ErrorCode::REQUEST_BUFFER_UNKNOWN);
            }
        }
        let flow_mod = FlowMod { match_: known.kept(&flow_mod.match_, &self.options), ..flow_mod.clone() };
        Ok(ReadyFlowMod { flow_mod, flow_match: known.flow_match(), instructions })
    }

    /// Adds, modifies or deletes.
    pub(super) fn do_flow_mod(&mut self, ready: &ReadyFlowMod, now: Time) -> Result<(), ErrorCode> {
        let ReadyFlowMod { flow_mod, flow_match, instructions } = ready;
        let command = flow_mod.command;
        let strict = matches!(command, FlowModCommand::MODIFY_STRICT | FlowModCommand::DELETE_STRICT);
        let deletes = matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT);
        let filter = FlowFilter::of_flow_mod(flow_mod, flow_match.clone(), strict, deletes);
        match command {
            FlowModCommand::ADD => {
                check::references(instructions, &self.groups, &self.meters)?;
                self.add_flow(flow_mod, flow_match, instructions, now)?;
            }
            FlowModCommand::MODIFY | FlowModCommand::MODIFY_STRICT => {
                let selected = self.tables.select(&filter);
                if !selected.is_empty() {
                    check::references(instructions, &self.groups, &self.meters)?;
                }
                let resets = flow_mod.flags.contains(FlowModFlags::RESET_COUNTS);
                for id in selected {
                    self.modify_flow(id, instructions, None, resets, now);
                }
            }
            _ => self.remove_flows(&filter, FlowRemovedReason::DELETE, now),
        }
        self.remove_orphans(now);
        Ok(())
    }

    fn add_flow(
        &mut self,
        flow_mod: &FlowMod,
        flow_match: &FlowMatch,
        instructions: &[Instruction],
        now: Time,
    ) -> Result<(), ErrorCode> {
        let (table_id, priority) = (flow_mod.table_id, flow_mod.priority);
        let same = self.tables.find(table_id, flow_match, priority);
        if same.is_none() {
            let check_overlap = flow_mod.flags.contains(FlowModFlags::CHECK_OVERLAP);
            if check_overlap && self.tables.has_overlap(table_id, flow_match, priority) {
                return Err(ErrorCode::FLOW_MOD_OVERLAP);
            }
            if self.tables.len(table_id) >= self.config.max_flows as usize {
                return Err(ErrorCode::FLOW_MOD_TABLE_FULL);
            }
        }
        let old = same.and_then(|id| self.tables.get(id));
        // OpenFlow 1.3.5 §6.4: counters are copied from the replaced flow unless they are to start again. When it was used last is
        // copied in any case, as Open vSwitch does.
        let used = old.map_or(now, |flow| flow.used);
        let kept = old.filter(|_| !flow_mod.flags.contains(FlowModFlags::RESET_COUNTS));
        let (packet_count, byte_count) = kept.map_or((0, 0), |flow| (flow.packet_count, flow.byte_count));
        self.insert_flow(FlowEntry {
            table_id,
            priority,
            match_: flow_mod.match_.clone(),
            flow_match: flow_match.clone(),
            instructions: instructions.to_vec(),
            cookie: flow_mod.cookie,
            idle_timeout: flow_mod.idle_timeout,
            hard_timeout: flow_mod.hard_timeout,
            flags: flow_mod.flags,
            created: now,
            modified: now,
            used,
            packet_count,
            byte_count,
        });
        Ok(())
    }

    fn insert_flow(&mut self, flow: FlowEntry) {
        for owned in flow.owned_learning() {
            self.learning.own(owned);
        }
        if let (_, Some(old)) = self.tables.insert(flow) {
            self.disown(&old);
        }
    }

    fn disown(&mut self, flow: &FlowEntry) {
        for owned in flow.owned_learning() {
            self.learning.disown(owned);
        }
    }

    fn modify_flow(&mut self, id: FlowId, instructions: &[Instruction], cookie: Option<u64>, resets: bool, now: Time) {
        let learning = &mut self.learning;
        self.tables.change_timeouts(id, |flow| {
            let before = flow.owned_learning();
            flow.instructions = instructions.to_vec();
            flow.modified = now;
            flow.cookie = cookie.unwrap_or(flow.cookie);
            if resets {
                (flow.packet_count, flow.byte_count) = (0, 0);
            }
            flow.owned_learning().into_iter().for_each(|owned| learning.own(owned));
            before.into_iter().for_each(|owned| learning.disown(owned));
        });
    }

    /// A flow that a learn action makes: added, or changed if it is there. One that is there as it is to be counts as modified.
    pub(super) fn learn_flow(&mut self, learned: LearnedFlow, now: Time) {
        let LearnedFlow { table_id, priority, .. } = learned;
        if table_id.0 >= self.config.n_tables {
            return;
        }
        let instructions = match learned.actions.is_empty() {
            true => Vec::new(),
            false => vec![Instruction::ApplyActions(learned.actions)],
        };
        if let Some(id) = self.tables.find(table_id, &learned.flow_match, priority) {
            let cookie = (learned.cookie != NO_COOKIE).then_some(learned.cookie);
            self.modify_flow(id, &instructions, cookie, false, now);
            return;
        }
        let is_full = self.tables.len(table_id) >= self.config.max_flows as usize;
        // A flow without a cookie of its own can only be changed.
        if learned.cookie == NO_COOKIE
            || is_full
            || check::references(&instructions, &self.groups, &self.meters).is_err()
        {
            return;
        }
        self.insert_flow(FlowEntry {
            table_id,
            priority,
            match_: learned.match_,
            flow_match: learned.flow_match,
            instructions,
            cookie: learned.cookie,
            idle_timeout: learned.idle_timeout,
            hard_timeout: learned.hard_timeout,
            flags: learned.flags,
            created: now,
            modified: now,
            used: now,
            packet_count: 0,
            byte_count: 0,
        });
    }

    /// A TCP FIN or RST makes timeouts shorter; 0 changes nothing.
    pub(super) fn shorten_timeouts(&mut self, id: FlowId, idle_timeout: u16, hard_timeout: u16) {
        let shorter = |timeout: &mut u16, most: u16| {
            if most != 0 && (*timeout == 0 || *timeout > most) {
                *timeout = most;
            }
        };
        self.tables.change_timeouts(id, |flow| {
            shorter(&mut flow.idle_timeout, idle_timeout);
            shorter(&mut flow.hard_timeout, hard_timeout);
        });
    }

    /// The flows that a filter means go, with a FLOW_REMOVED each if they ask for it.
    pub(super) fn remove_flows(&mut self, filter: &FlowFilter, reason: FlowRemovedReason, now: Time) {
        for id in self.tables.select(filter) {
            self.remove_flow(id, reason, now);
        }
    }

    pub(super) fn remove_flow(&mut self, id: FlowId, reason: FlowRemovedReason, now: Time) {
        if let Some(flow) = self.tables.remove(id) {
            self.disown(&flow);
            self.flow_removed(&flow, reason, now);
        }
    }

    /// Learned flows go with the last flow that learns them, where that asks for it.
    pub(super) fn remove_orphans(&mut self, now: Time) {
        while let Some((cookie, table_id)) = self.learning.next_orphan() {
            let filter = FlowFilter {
                table_id,
                flow_match: FlowMatch::any(),
                strict: None,
                cookie,
                cookie_mask: u64::MAX,
                out_port: PortNo::ANY,
                out_group: GroupId::ANY,
            };
            self.remove_flows(&filter, FlowRemovedReason::DELETE, now);
        }
    }

    /// Changes which tunnel option each `tun_metadata` field stands for; a field of a flow stays what it is.
    pub(super) fn tlv_table_mod(&mut self, table_mod: &TlvTableMod) -> Result<(), ErrorCode> {
        let tables = &self.tables;
        let is_used = |index: u8| {
            let Some(kind) = OxmKind::tunnel_metadata(index) else { return false };
            tables.iter().any(|(_, flow)| {
                flow.flow_match.matches_option(index)
                    || any_instruction(&flow.instructions, &mut |action| tunnel_options::names(action, kind))
            })
        };
        Arc::make_mut(&mut self.options).change(table_mod, is_used)
    }

    /// Flows that a deleted meter leaves behind go (OpenFlow 1.3.5 §6.6).
    pub(super) fn remove_metered_flows(&mut self, meter_id: MeterId, now: Time) {
        let uses = |flow: &FlowEntry| flow.instructions.contains(&Instruction::Meter(meter_id));
        let ids: Vec<_> = self.tables.iter().filter(|(_, flow)| uses(flow)).map(|(id, _)| id).collect();
        for id in ids {
            self.remove_flow(id, FlowRemovedReason::DELETE, now);
        }
        self.remove_orphans(now);
    }

    fn flow_removed(&mut self, flow: &FlowEntry, reason: FlowRemovedReason, now: Time) {
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
            match_: Match::clone(&flow.match_),
        };
        self.reply(0, Message::FlowRemoved(removed));
    }
}

/// The cookie that means none.
const NO_COOKIE: u64 = u64::MAX;

/// Whether a delete means a flow of Open vSwitch's own table. They have no cookie and name no group, and their one output is to the controller.
fn means_own_flows(flow_mod: &FlowMod) -> bool {
    flow_mod.cookie & flow_mod.cookie_mask == 0
        && matches!(flow_mod.out_port, PortNo::ANY | PortNo::CONTROLLER)
        && flow_mod.out_group == GroupId::ANY
        && covers_own_flows(&flow_mod.match_)
}

/// Whether a match covers a flow of Open vSwitch's own table: those are told apart by register 0 being 1, 2 or 3.
fn covers_own_flows(match_: &Match) -> bool {
    let mut fields = match_.fields();
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(field), None) => {
            field.kind == OxmKind::NXM_REG0 && field.is_exact() && matches!(field.to_u64(), Some(1..=3))
        }
        _ => false,
    }
}
