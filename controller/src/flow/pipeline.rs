//! The table map: which table does what, at which priority. The one place that owns it.
//!
//! ```text
//! table 0 STATIC               table 1 CLASSIFY                                  tables 2 to 5 ISOLATE             table 6 FORWARD
//!   LLDP -> controller           link-local groups        -> drop                  2 in_port     -> marks, goto 3    eth_dst known     -> port (at its edge) or group (on the way)
//!   the operator's rules         in_port is a link        -> goto ISOLATE          3 eth_src     -> marks, goto 4    in_port may flood -> flood group
//!   else -> goto CLASSIFY        broadcast ARP, group NS  -> controller            4 IP source   -> marks, goto 5    else              -> drop
//!                                other ARP, NS, NA, DHCP  -> controller, ISOLATE   5 destination -> drop
//! tables 100 to 199              (in_port, eth_src) known -> goto ISOLATE             to all      -> controller
//!   the operator's own           else                     -> controller, ISOLATE      else        -> goto FORWARD
//! ```
//! Frames that enter off the flood tree match no flood rule and are dropped. A frame from a link is never sent to the
//! controller again: it was seen where it entered the fabric. The operator's rules come first and may end a frame's way, let it go on to
//! CLASSIFY, or lead it into tables of their own, from which no way leads back (OpenFlow 1.3.5 §5.1: a goto leads to a higher table). Where nobody is
//! kept apart, table 2 leads to FORWARD at once. The marks are bits of the metadata: groups that the sender must not reach. A frame with a mark is not
//! flooded by a switch.

use std::ops::RangeInclusive;

use openflow::{GroupType, TableId};

/// Where the operator's rules look at frames before anything else does.
pub const STATIC: TableId = TableId(0);
/// Where frames are told apart and sources are learned.
pub const CLASSIFY: TableId = TableId(1);
/// Where the port of a frame says whom its sender must not reach. CLASSIFY leads here.
pub const ISOLATE_PORT: TableId = TableId(2);
/// Where its source address says so.
pub const ISOLATE_SOURCE: TableId = TableId(3);
/// Where its IP address says so.
pub const ISOLATE_ADDRESS: TableId = TableId(4);
/// Where its destination is looked at.
pub const ISOLATE_TO: TableId = TableId(5);
/// Where frames are sent on.
pub const FORWARD: TableId = TableId(6);
/// Tables that only the operator's rules use: a pipeline of their own.
pub const OPERATOR: RangeInclusive<u8> = 100..=199;

/// Priority bands of [`STATIC`].
pub mod operator {
    use std::ops::RangeInclusive;

    /// LLDP goes to the controller, whatever port it came by and whatever the operator's rules say: links are found by it. So do broadcast
    /// probes (ethertype 0x8942) where they are sent.
    pub const LLDP: u16 = u16::MAX;
    /// The operator's rules.
    pub const RULES: RangeInclusive<u16> = 1..=u16::MAX - 1;
    /// Everything else goes to [`CLASSIFY`](super::CLASSIFY).
    pub const MISS: u16 = 0;
}

/// Priority bands of [`CLASSIFY`].
pub mod classify {
    /// IEEE 802.1Q table 8-1: frames to 01:80:c2:00:00:0x end at the first bridge.
    pub const LINK_LOCAL: u16 = 59_000;
    /// Frames with a label, from another switch of the fabric: they go round a dead link.
    pub const BYPASS: u16 = 51_000;
    /// Frames with a tag that could be a label, and no rule for it here: from a host, or from a switch that knows more than this one.
    pub const NO_LABEL: u16 = 50_500;
    /// Frames from another switch of the fabric.
    pub const LINK: u16 = 50_000;
    /// ARP requests and neighbour solicitations to all: the controller answers or floods.
    pub const ASK: u16 = 41_000;
    /// Other ARP and neighbour discovery, and DHCP where it is looked at: the controller learns from a copy.
    pub const OVERHEAR: u16 = 40_000;
    /// Frames from a host at the port where it is known.
    pub const HOST: u16 = 30_000;
    /// Frames from anybody else.
    pub const MISS: u16 = 0;
}

/// Priority bands of the tables [`ISOLATE_PORT`] to [`ISOLATE_TO`].
pub mod isolate {
    /// Hosts that are behind a group's port at the moment.
    pub const HERE: u16 = 20_000;
    /// Members that the configuration names; prefixes by their length above it.
    pub const NAMED: u16 = 10_000;
    /// Frames of whoever is in no group.
    pub const NOBODY: u16 = 5_001;
    /// Frames of members to all.
    pub const TO_ALL: u16 = 5_000;
}

/// Priority bands of [`FORWARD`].
pub mod forward {
    /// Frames to a known host.
    pub const HOST: u16 = 1_000;
    /// Frames to anybody else.
    pub const FLOOD: u16 = 100;
}

/// The stage of rules for frames with a label: behind all that is ordered by rank, which is at most the number of switches, and before the buckets that
/// lead to them. They follow from all links there are, and so wait until these are known.
pub const LABEL_STAGE: u16 = u16::MAX - 1;

/// Which of the two rollouts carries a rule or group: they are ordered by different laws.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Adds before deletes, nearest to the destination first: a packet is never lost or looped.
    Unicast,
    /// Removals, barrier everywhere, additions: a broadcast may be lost, a loop may not be.
    Flood,
}

/// Whether rules of a table stop frames that others would let pass: they come before those, and go after them.
pub fn is_guard(table: TableId) -> bool {
    (ISOLATE_SOURCE..=ISOLATE_TO).contains(&table)
}

/// The lane of a rule, by its place in the table map.
pub fn rule_lane(table: TableId, priority: u16) -> Lane {
    if table == FORWARD && priority == forward::FLOOD { Lane::Flood } else { Lane::Unicast }
}

/// The lane of a group: `all` groups flood.
pub fn group_lane(group_type: GroupType) -> Lane {
    if group_type == GroupType::ALL { Lane::Flood } else { Lane::Unicast }
}
