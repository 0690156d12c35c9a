//! One packet through the pipeline (OpenFlow 1.3.5 §5.1): pure. What the packet did, where it went, what the controller gets and what
//! it would have the switch learn is the [`Trace`]; counting and learning is the owner's business, so the same run answers "what would
//! happen to this packet?".
//!
//! It goes as Open vSwitch's translation does: a resubmit comes back, a goto doesn't, an action set is done when the first table is
//! done, and a limit that is hit drops the packet as a whole.

mod action_set;
mod extension;
mod hash;
mod learn;
mod normal;
mod run;
mod turn;

pub(crate) use action_set::may_stand_in as may_stand_in_set;

use super::extract::extract;
use super::flow_key::FlowKey;
use super::flow_match::FlowMatch;
use super::groups::Groups;
use super::mac_table::MacTable;
use super::meters::Meters;
use super::packet::Packet;
use super::ports::Ports;
use super::tables::{FlowId, Tables};
use super::tunnel_options::TunnelOptions;
use crate::action::Action;
use crate::flow::FlowModFlags;
use crate::flow_match::Match;
use crate::identifier::{GroupId, MeterId, TableId};
use crate::packet::PacketInReason;
use bytes::Bytes;
use net::{MacAddr, PortNo, Time};
use run::Run;
use smallvec::SmallVec;
use std::sync::Arc;

/// How deep groups and resubmits to the same or an earlier table may nest: what Open vSwitch allows. A packet that needs more is
/// dropped.
pub const MAX_DEPTH: u32 = 64;
/// Tables that one packet may go through in all: what Open vSwitch allows. A packet that needs more is dropped.
pub const MAX_RESUBMITS: u32 = 4_096;
/// Resubmits, groups and clones that may be under way at once, whichever way they go. Open vSwitch has no such limit but its stack; this
/// one keeps a packet from exhausting ours. A packet that needs more is dropped.
pub const MAX_NESTING: u32 = 160;
/// Actions that one packet may cause in all: groups of groups multiply. A bucket that is looked at counts as one besides its actions, and so
/// does each port of a flood, each member of a `bundle`, each part of a `learn`, and what a clone copies of a stack and an action set. A packet
/// that needs more is dropped.
pub const MAX_ACTIONS: u32 = 65_536;
/// Times that a `check_pkt_larger` may be done for one packet: each makes two ways of the rest, so that ten in a row make a thousand. Open
/// vSwitch has no limit but its memory and does not answer for minutes; nobody needs more than a few. A packet that needs more is dropped.
pub const MAX_BRANCHES: u32 = 1_024;
/// Octets of frames that one packet may come to: those that leave and go to the controller, and those that are copied on the way because
/// they are rewritten. A packet that needs more is dropped.
pub const MAX_OCTETS: usize = 64 << 20;
/// Octets on the stack of push and pop: what Open vSwitch allows. A packet that has more at a resubmit is dropped.
pub const MAX_STACK: usize = 65_536;

/// What becomes of IP fragments (`ofp_config_flags`, and Open vSwitch's extension of them).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Fragments {
    /// They go through the tables without transport ports.
    #[default]
    Normal,
    /// They are dropped at the first lookup.
    Drop,
    /// First fragments go through the tables with their ports (`OFPC_FRAG_NX_MATCH`).
    Match,
}

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
    /// Where addresses were seen, for NORMAL.
    pub addresses: &'a MacTable,
    /// Which tunnel options are mapped.
    pub options: &'a Arc<TunnelOptions>,
    /// What becomes of fragments.
    pub fragments: Fragments,
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
    /// Flows that it makes the switch add or change.
    pub learned: SmallVec<[LearnedFlow; 0]>,
    /// Flows whose timeouts a TCP FIN or RST shortens: to so many idle seconds and so many in all, 0 for no change.
    pub fin_timeouts: SmallVec<[(FlowId, u16, u16); 0]>,
    /// Addresses that NORMAL saw, with VLAN id and port.
    pub addresses: SmallVec<[(MacAddr, u16, PortNo); 0]>,
    /// Why it was dropped as a whole, if it was: outputs and packets for the controller are empty then. Of a packet that has come around (behind
    /// a label, or for a hash) what is left is dropped in silence.
    pub overrun: Option<Overrun>,
}

impl Trace {
    /// About how many octets it takes to keep: those of its frames, each for itself, and what there is of the rest.
    pub(crate) fn size(&self) -> usize {
        let frames = self.outputs.iter().map(|output| output.frame.len()).sum::<usize>()
            + self.to_controller.iter().map(|packet| packet.frame.len()).sum::<usize>();
        let parts = self.steps.len() + self.outputs.len() + self.blocked.len() + self.addresses.len();
        frames + (parts + self.fin_timeouts.len() + 8 * self.to_controller.len()) * size_of::<Step>()
    }
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
        /// Octets of the packet as it came, or came around again.
        len: usize,
    },
    /// A meter.
    Meter {
        /// The meter.
        meter_id: MeterId,
        /// Whether the packet passed.
        passed: bool,
        /// Octets of the packet as it came, or came around again.
        len: usize,
    },
    /// A group.
    Group {
        /// The group.
        group_id: GroupId,
        /// Octets of the packet as it came, or came around again.
        len: usize,
    },
    /// A bucket of a group.
    Bucket {
        /// The group.
        group_id: GroupId,
        /// Its place in the group.
        bucket: usize,
        /// Octets of the packet as it came, or came around again.
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
    /// What else of the pipeline the controller is to know: tunnel options, and registers and the packet's mark, where they aren't zero.
    pub registers: Match,
}

/// A flow that a learn action makes: added, or the instructions of the one with the same match and priority changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LearnedFlow {
    /// Its table.
    pub table_id: TableId,
    /// Its priority.
    pub priority: u16,
    /// Its match.
    pub match_: Match,
    /// Its match, ready for lookup.
    pub flow_match: FlowMatch,
    /// What it does, at once.
    pub actions: Vec<Action>,
    /// Its cookie.
    pub cookie: u64,
    /// Seconds without a packet until it goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds until it goes; 0 for never.
    pub hard_timeout: u16,
    /// Its flags.
    pub flags: FlowModFlags,
}

/// A bound of the pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overrun {
    /// Beyond [`MAX_DEPTH`].
    Depth,
    /// Beyond [`MAX_ACTIONS`] or [`MAX_RESUBMITS`].
    Actions,
    /// Beyond [`MAX_OCTETS`].
    Octets,
    /// Beyond [`MAX_STACK`].
    Stack,
    /// More than three entries of an MPLS label stack.
    Labels,
    /// A header that can't be put in front of the packet, or taken from it.
    PacketType,
}

/// A packet from the wire, from table 0 on.
pub fn run(view: View<'_>, packet: Packet) -> Trace {
    let mut packet = packet;
    packet.map_options(view.options);
    let mut run = Run::new(view, &packet, false);
    run.first_table(&mut packet);
    run.finish(&mut packet)
}

/// A packet-out: an action list on a packet (OpenFlow 1.3.5 §7.3.7).
pub fn run_actions(view: View<'_>, packet: Packet, actions: &[Action]) -> Trace {
    let mut packet = packet;
    packet.map_options(view.options);
    let mut run = Run::new(view, &packet, true);
    run.packet_out(&mut packet, actions);
    run.finish(&mut packet)
}

/// The match fields of a frame that came in by `in_port`.
pub fn fields(in_port: PortNo, frame: &[u8]) -> FlowKey {
    extract(frame, in_port).0
}
