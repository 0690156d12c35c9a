//! How often a packet goes through the tables. The datapath looks at it again behind its last label, behind a network service header, and for a
//! hash; what it did before is done then.

use super::Step;
use super::run::Run;
use crate::action::Action;
use crate::nicira::NiciraAction;
use crate::oxm::{OxmKind, Prerequisite};
use crate::switch::extract::ETH_MPLS;
use crate::switch::packet::Packet;

/// One time through the tables. A packet that the datapath has to look at again comes around once more, with what is left to do; what it did
/// before is done then, whatever comes of the rest.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    /// How often it has come around. After the first time it is the datapath's packet and nobody's packet-out.
    pub(super) number: u32,
    /// What counters count.
    pub(super) len: usize,
    /// The last label was popped, and nobody has looked at what is behind it.
    pub(super) was_mpls: bool,
    /// It has begun, and nothing was left to do so far.
    pub(super) idle: bool,
    /// There is no packet any more that could do the rest.
    pub(super) over: bool,
    /// What the trace held when it began: of steps, frames and packets for the controller.
    pub(super) began: (usize, usize, usize),
}

/// How often a packet comes around: what Open vSwitch's userspace datapath allows. After that the rest is not done.
const MAX_TURNS: u32 = 6;

impl Turn {
    /// The first one.
    pub(super) fn first(packet: &Packet) -> Turn {
        Turn { number: 0, len: packet.octets().len(), was_mpls: false, idle: false, over: false, began: (0, 0, 0) }
    }
}

impl Run<'_> {
    /// What the datapath was to do in this turn isn't done.
    pub(super) fn undo_turn(&mut self) {
        let (steps, outputs, to_controller) = self.turn.began;
        let mut index = 0;
        self.trace.steps.retain(|step| {
            index += 1;
            index <= steps || !matches!(step, Step::Meter { .. })
        });
        self.trace.outputs.truncate(outputs);
        self.trace.to_controller.truncate(to_controller);
    }

    /// The packet goes through the datapath and is looked at again, if it is still there.
    pub(super) fn come_around(&mut self, packet: &mut Packet) {
        packet.show();
        self.parted.get_or_insert_with(|| packet.clone());
        packet.recirculate();
        self.turn.was_mpls = false;
        if self.dropped || self.turn.number >= MAX_TURNS {
            self.turn.over = true;
            return;
        }
        let trace = &self.trace;
        self.turn = Turn {
            number: self.turn.number + 1,
            len: packet.seen_len(),
            was_mpls: false,
            idle: false,
            over: false,
            began: (trace.steps.len(), trace.outputs.len(), trace.to_controller.len()),
        };
    }

    /// Before what can't be done without a look at what is behind the last label.
    pub(super) fn look_behind_labels(&mut self, packet: &mut Packet) {
        if self.turn.was_mpls && !self.stopped() {
            self.come_around(packet);
        }
    }

    /// A packet that has come around with nothing left to do starts from the first table, as Open vSwitch has it.
    pub(super) fn start_over(&mut self, packet: &mut Packet) {
        while std::mem::take(&mut self.turn.idle) && !self.stopped() {
            self.first_table(packet);
        }
    }

    /// A part of the way is done that has a packet of its own. If that has come around, its faults are not those of the rest.
    pub(super) fn end_part(&mut self, before: Turn) {
        if self.turn.number != before.number && self.overrun.is_some() {
            self.undo_turn();
            self.overrun = None;
        }
        self.turn = before;
    }
}

/// What Open vSwitch does to a packet whose last label is popped without a look at what is behind it.
pub(super) fn is_blind(action: &Action) -> bool {
    match action {
        Action::Output { .. } | Action::Group(_) | Action::SetQueue(_) => true,
        Action::SetField(field) => !is_l3_or_higher(field.kind()),
        Action::Nicira(action) => match action {
            NiciraAction::OutputReg { .. }
            | NiciraAction::OutputReg2 { .. }
            | NiciraAction::OutputTrunc { .. }
            | NiciraAction::SetTunnel(_)
            | NiciraAction::SetTunnel64(_) => true,
            NiciraAction::RegLoad { destination, .. } => !is_l3_or_higher(destination.kind),
            NiciraAction::RegLoad2(field) => !is_l3_or_higher(field.kind()),
            _ => false,
        },
        _ => false,
    }
}

/// Fields from the network layer on. Those of a label stack are not.
fn is_l3_or_higher(kind: OxmKind) -> bool {
    match kind.prerequisite() {
        Some(Prerequisite::EthType(types)) => !types.contains(&ETH_MPLS),
        Some(Prerequisite::IpProto(_) | Prerequisite::Icmpv6Type(_)) => true,
        _ => false,
    }
}
