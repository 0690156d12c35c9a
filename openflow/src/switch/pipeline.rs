//! One packet through the pipeline (OpenFlow 1.3.5 §5.1): pure. What the packet did, where it went and what the controller gets is the
//! [`Trace`]; counting it is the owner's business, so the same run answers "what would happen to this packet?".

use super::extract::extract;
use super::flow_key::{FlowKey, Slot};
use super::groups::Groups;
use super::meters::Meters;
use super::packet::{InvalidTtl, Packet};
use super::ports::Ports;
use super::tables::{FlowId, Tables};
use crate::action::Action;
use crate::group::GroupType;
use crate::identifier::{GroupId, MeterId, TableId};
use crate::instruction::Instruction;
use crate::packet::PacketInReason;
use bytes::Bytes;
use net::{PortNo, Time};
use smallvec::SmallVec;

/// How deep groups and resubmits to the tables may nest: what Open vSwitch allows. A packet that needs more is dropped.
pub const MAX_DEPTH: u32 = 64;
/// Actions that one packet may cause in all. Groups of groups multiply; Open vSwitch stops at 4,096 resubmits. A packet that needs more is
/// dropped.
pub const MAX_ACTIONS: u32 = 4_096;

/// What a packet is run against.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Flow tables.
    pub tables: &'a Tables,
    /// Groups.
    pub groups: &'a Groups,
    /// Ports, for liveness and floods.
    pub ports: &'a Ports,
    /// Meters; they are asked, not charged.
    pub meters: &'a Meters,
    /// Seeds the choice of buckets in select groups.
    pub seed: u64,
    /// For meters.
    pub now: Time,
}

/// What happened to a packet, in order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Tables, meters, groups and buckets that it went through.
    pub steps: SmallVec<[Step; 6]>,
    /// Frames that left.
    pub outputs: SmallVec<[Output; 2]>,
    /// Packets for the controller.
    pub to_controller: SmallVec<[ToController; 1]>,
    /// Ports that it should have left by but that are down or may not forward.
    pub blocked: SmallVec<[PortNo; 2]>,
    /// Why it was dropped as a whole, if it was: outputs and packets for the controller are empty then.
    pub overrun: Option<Overrun>,
}

/// One step of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A lookup in a table; without a flow, a miss.
    Table {
        /// The table.
        table_id: TableId,
        /// The flow that matched.
        flow: Option<FlowId>,
        /// Octets of the packet then.
        len: usize,
    },
    /// A meter.
    Meter {
        /// The meter.
        meter_id: MeterId,
        /// Whether the packet passed.
        passed: bool,
        /// Octets of the packet then.
        len: usize,
    },
    /// A group.
    Group {
        /// The group.
        group_id: GroupId,
        /// Octets of the packet then.
        len: usize,
    },
    /// A bucket of a group.
    Bucket {
        /// The group.
        group_id: GroupId,
        /// Its place in the group.
        bucket: usize,
        /// Octets of the packet then.
        len: usize,
    },
}

/// A frame that leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// By which port: one that exists and forwards.
    pub port_no: PortNo,
    /// The frame with all rewrites.
    pub frame: Bytes,
}

/// A packet for the controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToController {
    /// Why.
    pub reason: PacketInReason,
    /// The table of the flow that sent it.
    pub table_id: TableId,
    /// The cookie of that flow; all ones in a packet-out.
    pub cookie: u64,
    /// What the output action says; this switch buffers nothing and sends the whole packet, as Open vSwitch does.
    pub max_len: u16,
    /// The frame with all rewrites so far.
    pub frame: Bytes,
    /// The port it came in by.
    pub in_port: PortNo,
    /// The metadata register.
    pub metadata: u64,
    /// The tunnel id.
    pub tunnel_id: u64,
}

/// A bound of the pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overrun {
    /// Beyond [`MAX_DEPTH`].
    Depth,
    /// Beyond [`MAX_ACTIONS`].
    Actions,
}

/// A packet from the wire, from table 0 on.
pub fn run(view: View<'_>, packet: Packet) -> Trace {
    let mut run = Run { view, trace: Trace::default(), actions_left: MAX_ACTIONS, overrun: None };
    run.tables(packet, 0);
    run.finish()
}

/// A packet-out: an action list on a packet (OpenFlow 1.3.5 §7.3.7).
pub fn run_actions(view: View<'_>, mut packet: Packet, actions: &[Action]) -> Trace {
    let mut run = Run { view, trace: Trace::default(), actions_left: MAX_ACTIONS, overrun: None };
    let origin = Origin { table_id: TableId(0), cookie: u64::MAX, is_table_miss: false };
    let _ = run.actions(&mut packet, actions, origin, 0);
    run.finish()
}

/// The match fields of a frame that came in by `in_port`.
pub fn fields(in_port: PortNo, frame: &[u8]) -> FlowKey {
    extract(frame, in_port).0
}

struct Run<'a> {
    view: View<'a>,
    trace: Trace,
    actions_left: u32,
    overrun: Option<Overrun>,
}

/// The flow that the running actions belong to.
#[derive(Clone, Copy)]
struct Origin {
    table_id: TableId,
    cookie: u64,
    is_table_miss: bool,
}

impl Run<'_> {
    fn finish(mut self) -> Trace {
        if self.overrun.is_some() {
            self.trace.outputs.clear();
            self.trace.to_controller.clear();
            self.trace.overrun = self.overrun;
        }
        self.trace
    }

    /// From table 0 until no goto follows, then the action set.
    fn tables(&mut self, mut packet: Packet, depth: u32) {
        if depth > MAX_DEPTH {
            self.overrun = Some(Overrun::Depth);
            return;
        }
        let view = self.view;
        let mut set = ActionSet::default();
        let mut origin = Origin { table_id: TableId(0), cookie: u64::MAX, is_table_miss: false };
        let mut next = Some(TableId(0));
        while let Some(table_id) = next.take() {
            let found = view.tables.lookup(table_id, packet.key());
            self.trace.steps.push(Step::Table { table_id, flow: found, len: packet.octets().len() });
            // A miss is a drop, but what earlier tables have written into the action set is done: Open vSwitch sees it so.
            let Some(flow) = found.and_then(|id| view.tables.get(id)) else { break };
            origin = Origin { table_id, cookie: flow.cookie, is_table_miss: flow.is_table_miss() };
            for instruction in &flow.instructions {
                match instruction {
                    Instruction::Meter(meter_id) => {
                        let len = packet.octets().len();
                        let passed = view.meters.passes(*meter_id, len, view.now);
                        self.trace.steps.push(Step::Meter { meter_id: *meter_id, passed, len });
                        if !passed {
                            return;
                        }
                    }
                    Instruction::ApplyActions(actions) => {
                        if self.actions(&mut packet, actions, origin, depth).is_err() {
                            // The rest of this flow is left out, the goto too.
                            break;
                        }
                    }
                    Instruction::ClearActions => set.clear(),
                    Instruction::WriteActions(actions) => actions.iter().for_each(|action| set.write(action)),
                    Instruction::WriteMetadata { metadata, mask } => packet.write_metadata(*metadata, *mask),
                    Instruction::GotoTable(table_id) => next = Some(*table_id),
                    Instruction::Experimenter { .. } | Instruction::Unknown { .. } => {}
                }
            }
        }
        let origin = Origin { is_table_miss: false, ..origin };
        let _ = self.action_set(&mut packet, &set, origin, depth);
    }

    fn action_set(
        &mut self,
        packet: &mut Packet,
        set: &ActionSet,
        origin: Origin,
        depth: u32,
    ) -> Result<(), InvalidTtl> {
        for action in set.in_order() {
            self.action(packet, action, origin, depth)?;
        }
        Ok(())
    }

    fn actions(
        &mut self,
        packet: &mut Packet,
        actions: &[Action],
        origin: Origin,
        depth: u32,
    ) -> Result<(), InvalidTtl> {
        for action in actions {
            self.action(packet, action, origin, depth)?;
        }
        Ok(())
    }

    fn action(&mut self, packet: &mut Packet, action: &Action, origin: Origin, depth: u32) -> Result<(), InvalidTtl> {
        if self.overrun.is_some() {
            return Ok(());
        }
        let Some(left) = self.actions_left.checked_sub(1) else {
            self.overrun = Some(Overrun::Actions);
            return Ok(());
        };
        self.actions_left = left;
        match action {
            Action::Output { port, max_len } => self.output(packet, *port, *max_len, origin, depth),
            Action::Group(group_id) => self.group(packet, *group_id, origin, depth),
            Action::SetField(field) => {
                let field = field.as_field();
                packet.set_field(field.kind, super::flow_match::number(field.value));
            }
            Action::PushVlan(ethertype) => packet.push_vlan(*ethertype),
            Action::PopVlan => packet.pop_vlan(),
            Action::SetNwTtl(ttl) => packet.set_nw_ttl(*ttl),
            Action::DecNwTtl => {
                if let Err(invalid) = packet.dec_nw_ttl() {
                    self.punt(packet, PacketInReason::INVALID_TTL, u16::MAX, origin);
                    return Err(invalid);
                }
            }
            // There are no queues; the others are refused before they get here.
            _ => {}
        }
        Ok(())
    }

    fn output(&mut self, packet: &mut Packet, port: PortNo, max_len: u16, origin: Origin, depth: u32) {
        let in_port = packet.key().in_port();
        match port {
            PortNo::IN_PORT => self.emit(packet, in_port),
            PortNo::TABLE => self.tables(packet.clone(), depth + 1),
            PortNo::CONTROLLER => {
                let reason = if origin.is_table_miss { PacketInReason::NO_MATCH } else { PacketInReason::ACTION };
                self.punt(packet, reason, max_len, origin);
            }
            PortNo::ALL | PortNo::FLOOD => {
                let view = self.view;
                let others = view.ports.iter().map(|record| record.port.port_no);
                for port_no in others.filter(|port_no| *port_no != in_port && view.ports.forwards(*port_no)) {
                    self.emit(packet, port_no);
                }
            }
            // OpenFlow 1.3.5 §4.5: back out of the ingress port only by IN_PORT.
            port_no if port_no == in_port => {}
            port_no => self.emit(packet, port_no),
        }
    }

    fn emit(&mut self, packet: &mut Packet, port_no: PortNo) {
        if self.view.ports.forwards(port_no) {
            self.trace.outputs.push(Output { port_no, frame: packet.share() });
        } else {
            self.trace.blocked.push(port_no);
        }
    }

    /// A copy goes to the controller.
    fn punt(&mut self, packet: &mut Packet, reason: PacketInReason, max_len: u16, origin: Origin) {
        let key = *packet.key();
        self.trace.to_controller.push(ToController {
            reason,
            table_id: origin.table_id,
            cookie: origin.cookie,
            max_len,
            frame: packet.share(),
            in_port: key.in_port(),
            metadata: key.metadata(),
            tunnel_id: key.get(Slot::TUNNEL_ID) as u64,
        });
    }

    /// OpenFlow 1.3.5 §5.6.1. The packet itself stays as it was before the group.
    fn group(&mut self, packet: &mut Packet, group_id: GroupId, origin: Origin, depth: u32) {
        if depth >= MAX_DEPTH {
            self.overrun = Some(Overrun::Depth);
            return;
        }
        let view = self.view;
        let Some(group) = view.groups.get(group_id) else { return };
        let len = packet.octets().len();
        self.trace.steps.push(Step::Group { group_id, len });
        let basis = view.seed ^ u64::from(group_id.0);
        let chosen = match group.group_type {
            GroupType::ALL => 0..group.buckets.len(),
            GroupType::SELECT => one(view.groups.select(group, packet.key(), basis, view.ports)),
            GroupType::FF => one(view.groups.first_live(group, view.ports)),
            _ => 0..group.buckets.len().min(1),
        };
        // Behind a shared frame a copy is cheap: only a rewrite copies octets.
        packet.share();
        for bucket in chosen {
            let Some(state) = group.buckets.get(bucket) else { continue };
            self.trace.steps.push(Step::Bucket { group_id, bucket, len });
            let mut set = ActionSet::default();
            state.bucket.actions.iter().for_each(|action| set.write(action));
            let origin = Origin { is_table_miss: false, ..origin };
            let _ = self.action_set(&mut packet.clone(), &set, origin, depth + 1);
        }
    }
}

fn one(bucket: Option<usize>) -> std::ops::Range<usize> {
    bucket.map_or(0..0, |bucket| bucket..bucket + 1)
}

/// An action set: at most one action of each type, and one set-field for each field (OpenFlow 1.3.5 §5.10).
#[derive(Default)]
struct ActionSet<'a> {
    actions: SmallVec<[&'a Action; 4]>,
}

impl<'a> ActionSet<'a> {
    fn clear(&mut self) {
        self.actions.clear();
    }

    fn write(&mut self, action: &'a Action) {
        let same = |other: &&Action| match (other, action) {
            (Action::SetField(one), Action::SetField(two)) => one.kind() == two.kind(),
            (one, two) => one.action_type() == two.action_type(),
        };
        match self.actions.iter_mut().find(|other| same(other)) {
            Some(place) => *place = action,
            None => self.actions.push(action),
        }
    }

    /// The order of execution: with a group, an output is left out.
    fn in_order(&self) -> SmallVec<[&'a Action; 4]> {
        let has_group = self.actions.iter().any(|action| matches!(action, Action::Group(_)));
        let mut ordered: SmallVec<[&Action; 4]> = self.actions.clone();
        ordered.retain(|action| !(has_group && matches!(action, Action::Output { .. })));
        ordered.sort_by_key(|action| match action {
            Action::CopyTtlIn => 0,
            Action::PopVlan | Action::PopMpls(_) | Action::PopPbb => 1,
            Action::PushMpls(_) => 2,
            Action::PushPbb(_) => 3,
            Action::PushVlan(_) => 4,
            Action::CopyTtlOut => 5,
            Action::DecNwTtl | Action::DecMplsTtl => 6,
            Action::SetField(_) | Action::SetNwTtl(_) | Action::SetMplsTtl(_) => 7,
            Action::SetQueue(_) => 8,
            Action::Group(_) => 9,
            _ => 10,
        });
        ordered
    }
}
