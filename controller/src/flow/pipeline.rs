//! The table map: which table does what, at which priority. The one place that owns it.
//!
//! ```text
//! table 0 CLASSIFY                                         table 1 FORWARD
//!   LLDP                     -> controller                   eth_dst known    -> port (at its edge) or group (on the way)
//!   other link-local groups  -> drop                         in_port may flood -> flood group
//!   in_port is a link        -> goto FORWARD                 else             -> drop
//!   broadcast ARP, group NS  -> controller
//!   other ARP, NS and NA     -> controller, goto FORWARD
//!   (in_port, eth_src) known -> goto FORWARD
//!   else                     -> controller, goto FORWARD
//! ```
//! Frames that enter off the flood tree match no flood rule and are dropped. A frame from a link is never sent to the
//! controller again: it was seen where it entered the fabric.

use openflow::{GroupType, TableId};

/// Where frames are told apart and sources are learned.
pub const CLASSIFY: TableId = TableId(0);
/// Where frames are sent on.
pub const FORWARD: TableId = TableId(1);

/// Priority bands of [`CLASSIFY`].
pub mod classify {
    /// LLDP goes to the controller, whatever port it came by.
    pub const LLDP: u16 = 60_000;
    /// IEEE 802.1Q table 8-1: frames to 01:80:c2:00:00:0x end at the first bridge.
    pub const LINK_LOCAL: u16 = 59_000;
    /// Frames from another switch of the fabric.
    pub const LINK: u16 = 50_000;
    /// ARP requests and neighbour solicitations to all: the controller answers or floods.
    pub const ASK: u16 = 41_000;
    /// Other ARP and neighbour discovery: the controller learns from a copy.
    pub const OVERHEAR: u16 = 40_000;
    /// Frames from a host at the port where it is known.
    pub const HOST: u16 = 30_000;
    /// Frames from anybody else.
    pub const MISS: u16 = 0;
}

/// Priority bands of [`FORWARD`].
pub mod forward {
    /// Frames to a known host.
    pub const HOST: u16 = 1_000;
    /// Frames to anybody else.
    pub const FLOOD: u16 = 100;
}

/// Which of the two rollouts carries a rule or group: they are ordered by different laws.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Adds before deletes, nearest to the destination first: a packet is never lost or looped.
    Unicast,
    /// Removals, barrier everywhere, additions: a broadcast may be lost, a loop may not be.
    Flood,
}

/// The lane of a rule, by its place in the table map.
pub fn rule_lane(table: TableId, priority: u16) -> Lane {
    if table == FORWARD && priority == forward::FLOOD { Lane::Flood } else { Lane::Unicast }
}

/// The lane of a group: `all` groups flood.
pub fn group_lane(group_type: GroupType) -> Lane {
    if group_type == GroupType::ALL { Lane::Flood } else { Lane::Unicast }
}
