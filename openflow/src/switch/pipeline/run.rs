//! A packet under way: lookups, instructions and the actions of OpenFlow 1.3.

use super::action_set;
use super::learn::Learning;
use super::turn::{Turn, is_blind};
use super::{
    MAX_ACTIONS, MAX_BRANCHES, MAX_DEPTH, MAX_NESTING, MAX_OCTETS, MAX_RESUBMITS, MAX_STACK, Output, Overrun, Step,
    ToController, Trace, View,
};
use crate::action::Action;
use crate::flow_match::Match;
use crate::group::GroupType;
use crate::identifier::{GroupId, MeterId, TableId};
use crate::instruction::Instruction;
use crate::nicira::{NiciraAction, Subfield};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::packet::PacketInReason;
use crate::port::PortConfig;
use crate::switch::extract::{ETH_HEADER_LEN, ETH_LLC};
use crate::switch::field;
use crate::switch::flow_key::{FRAGMENT_ANY, FlowKey, Slot};
use crate::switch::groups::Liveness;
use crate::switch::headers::ETHERNET;
use crate::switch::label_stack::TooManyLabels;
use crate::switch::meters::Meter;
use crate::switch::packet::{InvalidTtl, Packet};
use crate::switch::pipeline::Fragments;
use crate::switch::tables::FlowId;
use crate::switch::tunnel_options::Bits;
use net::PortNo;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The state of one packet's way.
pub(super) struct Run<'a> {
    pub(super) view: View<'a>,
    pub(super) trace: Trace,
    pub(super) origin: Origin,
    /// What `push` has stacked up.
    pub(super) stack: SmallVec<[(Bits, u16); 0]>,
    pub(super) action_set: SmallVec<[&'a Action; 4]>,
    set_has_group: bool,
    in_action_set: bool,
    pub(super) in_packet_out: bool,
    /// Nothing more is done, but that a group's bucket that ends so ends alone.
    pub(super) exit: bool,
    pub(super) overrun: Option<Overrun>,
    /// A meter has dropped the packet. Open vSwitch's translation goes on without knowing, and counts; nothing leaves any more.
    pub(super) dropped: bool,
    depth: u32,
    nesting: u32,
    resubmits: u32,
    octets_left: usize,
    branches_left: u32,
    /// How much more may be done, and which groups are known to be alive.
    budget: Liveness,
    /// The meters that it has gone through, as they are then.
    metered: BTreeMap<MeterId, Meter>,
    /// Octets that the stack holds.
    stacked: usize,
    pub(super) learning: Learning,
    pub(super) turn: Turn,
    /// The packet as it was when this part of its way first came around: the datapath's for who comes after.
    pub(super) parted: Option<Packet>,
    /// Octets that the next frame is cut by, whoever gets it: it is the datapath that cuts.
    pub(super) cut: usize,
    /// The flags of the packet as it came.
    pub(super) tcp_flags: u128,
}

/// The flow that the running actions belong to.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) table_id: TableId,
    pub(super) cookie: u64,
    pub(super) flow: Option<FlowId>,
    is_table_miss: bool,
}

/// How a list goes on after an action.
pub(super) enum Control {
    /// With the next action.
    Next,
    /// Not at all, and no further instruction of the flow either.
    Leave,
    /// With the next action, once for itself: `check_pkt_larger` makes all that follows a branch.
    Branch(Subfield, bool),
}

impl<'a> Run<'a> {
    pub(super) fn new(view: View<'a>, packet: &Packet, in_packet_out: bool) -> Run<'a> {
        Run {
            view,
            trace: Trace::default(),
            origin: Origin { table_id: TableId(0), cookie: u64::MAX, flow: None, is_table_miss: false },
            stack: SmallVec::new(),
            action_set: SmallVec::new(),
            set_has_group: false,
            in_action_set: false,
            in_packet_out,
            exit: false,
            overrun: None,
            dropped: false,
            depth: 0,
            nesting: 0,
            resubmits: 0,
            octets_left: MAX_OCTETS,
            branches_left: MAX_BRANCHES,
            budget: Liveness::new(MAX_ACTIONS),
            metered: BTreeMap::new(),
            stacked: 0,
            learning: Learning::default(),
            turn: Turn::first(packet),
            parted: None,
            cut: 0,
            tcp_flags: packet.key().get(Slot::TCP_FLAGS),
        }
    }

    /// Does the action set and hands over what happened.
    pub(super) fn finish(mut self, packet: &mut Packet) -> Trace {
        self.start_over(packet);
        if self.overrun.is_none() {
            self.finish_set(packet);
            self.start_over(packet);
        }
        if self.overrun.is_some() {
            self.undo_turn();
            // Of one that has come around nobody hears.
            self.trace.overrun = self.overrun.filter(|_| self.turn.number == 0);
        }
        self.trace
    }

    pub(super) fn first_table(&mut self, packet: &mut Packet) {
        if !self.may_receive(packet.key()) {
            // It is looked up and counted, and that is all.
            let found = self.lookup(packet, packet.key().in_port(), TableId(0));
            self.trace.steps.push(Step::Table { table_id: TableId(0), flow: found, len: self.turn.len });
            return;
        }
        let first = self.flow_in(packet, packet.key().in_port(), TableId(0));
        let origin = self.origin;
        if let Some(next) = first {
            self.table(packet, packet.key().in_port(), next);
        }
        // The action set is the first flow's business.
        self.origin = origin;
    }

    pub(super) fn packet_out(&mut self, packet: &mut Packet, actions: &'a [Action]) {
        if self.may_receive(packet.key()) {
            self.list(packet, actions, &[], false);
        }
    }

    /// Whether the port that a packet comes from, or is said to come from, lets packets in (OFPPC_NO_RECV). Those of the spanning tree protocol
    /// have a bit of their own, which OpenFlow 1.3 doesn't know.
    fn may_receive(&self, key: &FlowKey) -> bool {
        let is_stp = key.get(Slot::ETH_DST) == STP_ADDRESS && key.eth_type() == ETH_LLC;
        let record = self.view.ports.get(key.in_port());
        is_stp || !record.is_some_and(|record| record.port.config.contains(PortConfig::NO_RECV))
    }

    pub(super) fn stopped(&self) -> bool {
        self.exit || self.turn.over || self.overrun.is_some()
    }

    pub(super) fn stop(&mut self, overrun: Overrun) {
        self.overrun = Some(overrun);
    }

    /// Whether so much more may be done.
    pub(super) fn charge(&mut self, actions: usize) -> bool {
        let left = u32::try_from(actions).ok().and_then(|actions| self.budget.left.checked_sub(actions));
        self.budget.left = left.unwrap_or(0);
        if left.is_none() {
            self.stop(Overrun::Actions);
        }
        left.is_some()
    }

    /// Whether so many more octets may leave or be copied.
    pub(super) fn charge_octets(&mut self, octets: usize) -> bool {
        let left = self.octets_left.checked_sub(octets);
        self.octets_left = left.unwrap_or(0);
        if left.is_none() {
            self.stop(Overrun::Octets);
        }
        left.is_some()
    }

    pub(super) fn push(&mut self, value: Bits, bits: u16) {
        self.stack.push((value, bits));
        self.stacked += stack_octets(bits);
    }

    pub(super) fn pop(&mut self) -> Option<Bits> {
        let (value, bits) = self.stack.pop()?;
        self.stacked -= stack_octets(bits);
        Some(value)
    }

    /// Whether one more resubmit or group may be done.
    fn has_room(&mut self) -> bool {
        let overrun = if self.depth >= MAX_DEPTH || self.nesting >= MAX_NESTING {
            Overrun::Depth
        } else if self.resubmits >= MAX_RESUBMITS {
            Overrun::Actions
        } else if self.stacked >= MAX_STACK {
            Overrun::Stack
        } else {
            return true;
        };
        self.stop(overrun);
        false
    }

    /// A lookup in a table as from `in_port`, the flow found there, and those that it goes to. Comes back to where it was.
    pub(super) fn table(&mut self, packet: &mut Packet, in_port: PortNo, table_id: TableId) {
        self.look_behind_labels(packet);
        if self.turn.over {
            return;
        }
        let (origin, depth) = (self.origin, self.depth);
        let mut next = Some((table_id, in_port));
        self.nesting += 1;
        while let Some((table_id, in_port)) = next.take() {
            if !self.has_room() {
                break;
            }
            self.resubmits += 1;
            self.depth += u32::from(table_id.0 <= self.origin.table_id.0);
            next = self.flow_in(packet, in_port, table_id).map(|table_id| (table_id, packet.key().in_port()));
        }
        self.nesting -= 1;
        (self.origin, self.depth) = (origin, depth);
    }

    /// Where the flow that a lookup finds goes to.
    fn flow_in(&mut self, packet: &mut Packet, in_port: PortNo, table_id: TableId) -> Option<TableId> {
        let view = self.view;
        let found = self.lookup(packet, in_port, table_id);
        self.trace.steps.push(Step::Table { table_id, flow: found, len: self.turn.len });
        let Some(flow) = found.and_then(|id| view.tables.get(id)) else {
            // A miss is a drop. What earlier tables have written into the action set is done all the same.
            self.origin = Origin { table_id, cookie: u64::MAX, flow: None, is_table_miss: false };
            return None;
        };
        self.origin = Origin { table_id, cookie: flow.cookie, flow: found, is_table_miss: flow.is_table_miss() };
        self.instructions(packet, &flow.instructions)
    }

    fn lookup(&self, packet: &Packet, in_port: PortNo, table_id: TableId) -> Option<FlowId> {
        let key = packet.key();
        let is_fragment = key.get(Slot::IP_FRAGMENT) & FRAGMENT_ANY != 0;
        if key.in_port() == in_port && !is_fragment {
            return self.view.tables.lookup(table_id, key);
        }
        let mut key = packet.key_as_from(in_port);
        match self.view.fragments {
            Fragments::Drop if is_fragment => return None,
            Fragments::Normal if is_fragment => key.set(Slot::L4_PORTS, 0),
            _ => {}
        }
        self.view.tables.lookup(table_id, &key)
    }

    /// Does instructions in the order given; the table of a goto, if it comes to one.
    fn instructions(&mut self, packet: &mut Packet, instructions: &'a [Instruction]) -> Option<TableId> {
        for (index, instruction) in instructions.iter().enumerate() {
            if !matches!(instruction, Instruction::ApplyActions(_)) {
                self.turn.idle = false;
                self.look_behind_labels(packet);
            }
            if self.stopped() {
                return None;
            }
            match instruction {
                Instruction::Meter(meter_id) => self.meter(packet, *meter_id),
                Instruction::ApplyActions(actions) => {
                    let rest = instructions.get(index + 1..).unwrap_or_default();
                    if !self.list(packet, actions, rest, false) {
                        return None;
                    }
                }
                Instruction::ClearActions => {
                    self.action_set.clear();
                    self.set_has_group = false;
                    packet.set_actset_output(UNSET);
                }
                Instruction::WriteActions(actions) => self.write_actions(packet, actions),
                Instruction::WriteMetadata { metadata, mask } => packet.write_metadata(*metadata, *mask),
                Instruction::GotoTable(table_id) => return Some(*table_id),
                Instruction::Experimenter { .. } | Instruction::Unknown { .. } => {}
            }
        }
        None
    }

    fn write_actions(&mut self, packet: &mut Packet, actions: &'a [Action]) {
        if !self.charge(actions.len()) {
            return;
        }
        for action in actions {
            match action {
                _ if self.set_has_group => break,
                Action::Output { port, .. } => packet.set_actset_output(*port),
                Action::Group(_) => {
                    packet.set_actset_output(UNSET);
                    self.set_has_group = true;
                }
                _ => {}
            }
        }
        self.action_set.extend(actions);
    }

    fn meter(&mut self, packet: &Packet, meter_id: MeterId) {
        if self.dropped {
            return;
        }
        let (len, now) = (packet.seen_len(), self.view.now);
        let passed = match self.view.meters.get(meter_id) {
            Some(meter) => self.metered.entry(meter_id).or_insert_with(|| meter.clone()).charge(len, now),
            None => true,
        };
        self.trace.steps.push(Step::Meter { meter_id, passed, len });
        self.dropped = !passed;
    }

    /// Does the actions of a list, and if one of them makes all that follows a branch, the instructions behind it too. Says whether the list
    /// came to its end.
    pub(super) fn list(
        &mut self,
        packet: &mut Packet,
        actions: &'a [Action],
        rest: &'a [Instruction],
        in_bucket: bool,
    ) -> bool {
        for (index, action) in actions.iter().enumerate() {
            if self.stopped() {
                return false;
            }
            match self.action(packet, action, in_bucket) {
                Control::Next => {}
                Control::Leave => return false,
                Control::Branch(destination, bit) => {
                    let remaining = actions.get(index + 1..).unwrap_or_default();
                    self.branch(packet, destination, bit, remaining, rest);
                    return false;
                }
            }
        }
        true
    }

    /// What follows a `check_pkt_larger` is done with a packet and an action set of its own. As in Open vSwitch both ways are gone, first that of
    /// a larger packet: what translation alone does (lookups are counted, flows and addresses are learned) is done on both, what the datapath
    /// does on the packet's own. The second begins with the stack of the first and an action set that is done, and whether anything is done after
    /// both is what the first says.
    fn branch(
        &mut self,
        packet: &Packet,
        destination: Subfield,
        bit: bool,
        remaining: &'a [Action],
        rest: &'a [Instruction],
    ) {
        if !self.has_room() || !self.charge(self.stack.len() + self.action_set.len()) {
            return;
        }
        // One in the way of another is done twice, one behind those four times.
        let Some(left) = self.branches_left.checked_sub(1) else { return self.stop(Overrun::Actions) };
        self.branches_left = left;
        self.nesting += 1;
        let (stack, stacked) = (self.stack.clone(), self.stacked);
        let (set, dropped) = (self.action_set.clone(), self.dropped);
        let (turn, parted) = (self.turn, self.parted.take());
        let mut exit = false;
        for larger in [true, false] {
            (self.dropped, self.exit) = (dropped || larger != bit, false);
            let mut packet = packet.clone();
            packet.set_subfield(destination, u128::from(larger));
            if self.list(&mut packet, remaining, rest, false)
                && let Some(next) = self.instructions(&mut packet, rest)
            {
                let in_port = packet.key().in_port();
                self.table(&mut packet, in_port, next);
            }
            self.start_over(&mut packet);
            self.finish_set(&mut packet);
            exit |= larger && self.exit;
            self.end_part(turn);
            self.parted.clone_from(&parted);
        }
        // What follows is done with the packet as it was, whatever became of its copy.
        (self.stack, self.stacked) = (stack, stacked);
        (self.action_set, self.dropped, self.exit) = (set, dropped, exit);
        self.nesting -= 1;
    }

    /// A copy of the packet with a stack and an action set of its own, which is done in the end. What can be taken back is done in line: a meter
    /// that drops there drops the packet. The rest is done with a copy of the datapath's.
    pub(super) fn fork(&mut self, packet: &mut Packet, actions: &'a [Action]) {
        if !self.has_room() || !self.charge(self.stack.len() + self.action_set.len()) {
            return;
        }
        self.nesting += 1;
        let (stack, stacked) = (self.stack.clone(), self.stacked);
        let (set, dropped) = (self.action_set.clone(), self.dropped);
        let in_line = actions.iter().all(is_reversible);
        if in_line {
            packet.settle();
        } else {
            packet.share();
        }
        self.charge_octets(packet.take_copied());
        let mut copy = packet.clone();
        let (turn, parted) = (self.turn, self.parted.take());
        self.list(&mut copy, actions, &[], false);
        self.start_over(&mut copy);
        self.finish_set(&mut copy);
        let was_mpls = in_line && (self.turn.was_mpls || self.turn.number != turn.number);
        self.end_part(turn);
        let copy = std::mem::replace(&mut self.parted, parted).unwrap_or(copy);
        if in_line {
            packet.take_frame_of(copy);
        }
        // What a label was popped from in line, Open vSwitch takes for the packet itself.
        self.turn.was_mpls |= was_mpls;
        (self.stack, self.stacked, self.action_set) = (stack, stacked, set);
        if !in_line {
            self.dropped = dropped;
        }
        self.nesting -= 1;
    }

    fn finish_set(&mut self, packet: &mut Packet) {
        let ordered = action_set::in_order(std::mem::take(&mut self.action_set).into_iter());
        self.in_action_set = true;
        self.each(packet, &ordered, false);
        self.in_action_set = false;
    }

    /// The actions of a set. Nothing in it makes a branch.
    fn each(&mut self, packet: &mut Packet, actions: &[&'a Action], in_bucket: bool) {
        for action in actions {
            if self.stopped() || matches!(self.action(packet, action, in_bucket), Control::Leave) {
                return;
            }
        }
    }

    fn action(&mut self, packet: &mut Packet, action: &'a Action, in_bucket: bool) -> Control {
        if !self.charge(1) {
            return Control::Leave;
        }
        let is_note = matches!(action, Action::Nicira(NiciraAction::Note(_) | NiciraAction::Conjunction { .. }));
        self.turn.idle &= is_note;
        if !is_blind(action) {
            self.look_behind_labels(packet);
            if self.turn.over {
                return Control::Leave;
            }
        }
        let control = self.act(packet, action, in_bucket);
        if self.charge_octets(packet.take_copied()) { control } else { Control::Leave }
    }

    fn act(&mut self, packet: &mut Packet, action: &'a Action, in_bucket: bool) -> Control {
        match action {
            Action::Output { port, max_len } => self.output(packet, *port, *max_len, in_bucket),
            Action::Group(group_id) => return self.group(packet, *group_id),
            Action::SetField(field) => {
                packet.set_field_of(field.as_field());
            }
            Action::CopyField { source, destination } => packet.move_bits(*source, *destination),
            Action::PushVlan(ethertype) => packet.push_vlan(*ethertype),
            Action::PopVlan => packet.pop_vlan(),
            Action::PushMpls(ethertype) => {
                if packet.push_mpls(*ethertype) == Err(TooManyLabels) {
                    self.stop(Overrun::Labels);
                }
            }
            Action::PopMpls(ethertype) => match packet.pop_mpls(*ethertype) {
                Ok(true) => self.turn.was_mpls = true,
                Ok(false) => {}
                Err(TooManyLabels) => {
                    // Open vSwitch forgets what it was about to do, even before this action.
                    self.undo_turn();
                    self.stop(Overrun::Labels);
                }
            },
            Action::SetNwTtl(ttl) => packet.set_nw_ttl(*ttl),
            Action::SetMplsTtl(ttl) => packet.set_mpls_ttl(*ttl),
            Action::DecNwTtl => return self.dec_nw_ttl(packet, &[0]),
            Action::DecMplsTtl => {
                if !packet.is_mpls() {
                    return Control::Leave;
                }
                if let Err(InvalidTtl) = packet.dec_mpls_ttl() {
                    self.punt(packet, PacketInReason::INVALID_TTL, u16::MAX);
                    return Control::Leave;
                }
            }
            Action::Nicira(action) => return self.extension(packet, action, in_bucket),
            // There are no queues; the others are refused before they get here.
            Action::SetQueue(_)
            | Action::CopyTtlIn
            | Action::CopyTtlOut
            | Action::PushPbb(_)
            | Action::PopPbb
            | Action::Experimenter { .. }
            | Action::Unknown { .. } => {}
        }
        Control::Next
    }

    /// A packet whose TTL has run out goes to the controllers with these numbers, of which this switch has number 0.
    pub(super) fn dec_nw_ttl(&mut self, packet: &mut Packet, controllers: &[u16]) -> Control {
        if packet.dec_nw_ttl().is_ok() {
            return Control::Next;
        }
        if controllers.contains(&THE_CONTROLLER) {
            self.punt(packet, PacketInReason::INVALID_TTL, u16::MAX);
        }
        Control::Leave
    }

    pub(super) fn output(&mut self, packet: &mut Packet, port: PortNo, max_len: u16, in_bucket: bool) {
        let in_port = packet.key().in_port();
        match port {
            PortNo::IN_PORT => self.emit(packet, in_port),
            PortNo::TABLE => self.table(packet, in_port, TableId(0)),
            PortNo::CONTROLLER => {
                // OpenFlow 1.3 has no reasons of their own for groups, action sets and packet-outs, but they are no table misses.
                let plain = !self.in_packet_out && !in_bucket && !self.in_action_set;
                self.punt_for(packet, PacketInReason::ACTION, max_len, plain);
            }
            PortNo::ALL | PortNo::FLOOD => {
                self.flood(packet);
            }
            PortNo::NORMAL => self.normal(packet),
            PortNo::ANY => {}
            // OpenFlow 1.3.5 §4.5: back out of the ingress port only by IN_PORT.
            port_no if port_no == in_port => {}
            port_no => self.emit(packet, port_no),
        }
    }

    /// Out of all ports but the one it came in by.
    pub(super) fn flood(&mut self, packet: &mut Packet) {
        let (view, in_port) = (self.view, packet.key().in_port());
        for port_no in view.ports.iter().map(|record| record.port.port_no) {
            if self.overrun.is_some() || !self.charge(1) {
                return;
            }
            if port_no != in_port && view.ports.forwards(port_no) {
                self.emit(packet, port_no);
            }
        }
    }

    pub(super) fn emit(&mut self, packet: &mut Packet, port_no: PortNo) {
        // A port takes Ethernet frames alone.
        if self.dropped || packet.packet_type() != ETHERNET {
            return;
        }
        if self.view.ports.forwards(port_no) {
            let mut frame = packet.share();
            if self.cut > 0 {
                frame.truncate(frame.len().saturating_sub(std::mem::take(&mut self.cut)));
                // What isn't a frame any more no device takes.
                if frame.len() < ETH_HEADER_LEN {
                    return;
                }
            }
            if self.charge_octets(frame.len()) {
                self.trace.outputs.push(Output { port_no, frame });
            }
        } else {
            // To a port that is down the datapath sends in vain, but not to one that may not forward.
            if self.view.ports.get(port_no).is_some_and(|record| !record.port.config.contains(PortConfig::NO_FWD)) {
                packet.show();
                self.cut = 0;
            }
            self.trace.blocked.push(port_no);
        }
    }

    /// A copy goes to the controller.
    pub(super) fn punt(&mut self, packet: &mut Packet, reason: PacketInReason, max_len: u16) {
        self.punt_for(packet, reason, max_len, false);
    }

    /// What a table-miss flow sends by itself has a reason of its own.
    pub(super) fn punt_for(&mut self, packet: &mut Packet, reason: PacketInReason, max_len: u16, of_flow: bool) {
        let is_miss = of_flow && reason == PacketInReason::ACTION && self.origin.is_table_miss;
        let reason = if is_miss { PacketInReason::NO_MATCH } else { reason };
        if self.dropped {
            return;
        }
        let mut frame = packet.share_content();
        frame.truncate(frame.len().saturating_sub(std::mem::take(&mut self.cut)));
        if !self.charge_octets(frame.len()) {
            return;
        }
        let key = packet.key();
        self.trace.to_controller.push(ToController {
            reason,
            table_id: self.origin.table_id,
            cookie: self.origin.cookie,
            max_len,
            frame,
            in_port: key.in_port(),
            metadata: key.metadata(),
            tunnel_id: key.get(Slot::TUNNEL_ID) as u64,
            registers: registers(key, packet.options()),
        });
    }

    /// OpenFlow 1.3.5 §5.6.1. The packet itself stays as it was before the group. A group that isn't there ends the list.
    fn group(&mut self, packet: &mut Packet, group_id: GroupId) -> Control {
        if !self.has_room() {
            return Control::Next;
        }
        let view = self.view;
        let Some(group) = view.groups.get(group_id) else { return Control::Leave };
        if group.group_type == GroupType::SELECT {
            self.look_behind_labels(packet);
            if group.hashes_in_datapath() && packet.key().get(Slot::DP_HASH) == 0 {
                // The datapath is asked for a hash, and the packet comes around once more with it.
                self.come_around(packet);
                // Without a hash it would come around again for the same, until no time is left.
                self.turn.over |= !packet.set_dp_hash();
            }
            if self.turn.over {
                return Control::Leave;
            }
        }
        // What it costs to choose, or to go through all of them.
        if !self.charge(group.buckets.len()) {
            return Control::Next;
        }
        let basis = view.seed ^ u64::from(group_id.0);
        let chosen = match group.group_type {
            GroupType::SELECT => one(view.groups.select(group, packet.key(), basis, view.ports, &mut self.budget)),
            GroupType::FF => one(view.groups.first_live(group, view.ports, &mut self.budget)),
            _ => 0..group.buckets.len(),
        };
        // A group that finds no bucket does not count the packet.
        if matches!(group.group_type, GroupType::SELECT | GroupType::FF) && chosen.is_empty() {
            return Control::Next;
        }
        self.trace.steps.push(Step::Group { group_id, len: self.turn.len });
        // Behind a shared frame a copy is cheap: only a rewrite copies octets.
        packet.settle();
        for bucket in chosen {
            let Some(state) = group.buckets.get(bucket) else { continue };
            // Of a bucket that leads nowhere no action is done, and it is put in order all the same.
            if !self.charge(state.bucket.actions.len()) {
                break;
            }
            self.trace.steps.push(Step::Bucket { group_id, bucket, len: self.turn.len });
            let mut copy = packet.clone();
            let parted = self.parted.take();
            self.bucket(&mut copy, &state.bucket.actions);
            packet.take_frame_of(std::mem::replace(&mut self.parted, parted).unwrap_or(copy));
            packet.settle();
            if self.overrun.is_some() {
                break;
            }
        }
        Control::Next
    }

    fn bucket(&mut self, packet: &mut Packet, actions: &'a [Action]) {
        let ordered = action_set::in_order(actions.iter());
        let turn = self.turn;
        self.depth += 1;
        self.nesting += 1;
        self.each(packet, &ordered, true);
        self.start_over(packet);
        self.nesting -= 1;
        self.depth -= 1;
        self.end_part(turn);
        self.exit = false;
        // Labels and headers are a fault of this bucket alone.
        self.overrun = self.overrun.filter(|overrun| !matches!(overrun, Overrun::Labels | Overrun::PacketType));
    }
}

/// The group address of the spanning tree protocol (IEEE 802.1Q §8.6.3).
const STP_ADDRESS: u128 = 0x0180_c200_0000;

/// What Open vSwitch clones without a clone of the datapath, by doing it and taking it back; before another one it brings the frame up to date.
fn is_reversible(action: &Action) -> bool {
    !matches!(
        action,
        Action::Nicira(
            NiciraAction::OutputTrunc { .. }
                | NiciraAction::Ct(_)
                | NiciraAction::Nat(_)
                | NiciraAction::Encap(_)
                | NiciraAction::Decap { .. }
                | NiciraAction::DecNshTtl
        )
    )
}

/// Which controller a switch with one controller has.
pub(super) const THE_CONTROLLER: u16 = 0;

/// What `actset_output` is while there is none.
const UNSET: PortNo = PortNo(crate::switch::flow_key::ACTSET_OUTPUT_UNSET);

/// What a value of so many bits takes on the stack, with its length.
fn stack_octets(bits: u16) -> usize {
    usize::from(bits.div_ceil(8)) + 1
}

fn one(bucket: Option<usize>) -> std::ops::Range<usize> {
    bucket.map_or(0..0, |bucket| bucket..bucket + 1)
}

/// Tunnel options, and registers and marks that aren't zero.
fn registers(key: &FlowKey, options: Match) -> Match {
    let mut found = options;
    let numbered = (0..16).filter_map(OxmKind::register);
    for kind in numbered.chain([OxmKind::PKT_MARK, OxmKind::TUN_SRC, OxmKind::TUN_DST, OxmKind::PACKET_TYPE]) {
        let value = field::value(key, kind) as u64;
        if value != 0
            && let Some(field) = OxmFieldOwned::number(kind, value)
        {
            found = found.with(&field);
        }
    }
    found
}
