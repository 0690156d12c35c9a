//! A software switch that behaves as Open vSwitch does, in three layers: [`tables`] (pure lookup; overlap, subset and intersection of
//! matches), [`pipeline`] (a packet in, a [`Trace`] out, nothing changed) and the stateful [`Switch`] on the five verbs.
//!
//! Where the specification leaves a choice, that of Open vSwitch 3.1 with its userspace datapath is taken: no buffers (every packet-in is
//! whole), a table miss is a drop, instructions are stored in the order of their execution, error codes come in its order. Its
//! extensions are there: registers and its other match fields, its actions, bundles.
//!
//! Known differences:
//! - No connection tracking: `ct()` is refused with the code that Open vSwitch has for a datapath without (`NXBAC_CT_DATAPATH_SUPPORT`),
//!   so that no rule seems to work that can't. The fields `ct_*` can be matched and are those of an untracked packet: zero.
//! - No tunnels: no packet comes with options of one, and none leaves with them, but the table of options and the fields `tun_metadata` are
//!   there. A `learn` action matches on the bits of them that it names, where Open vSwitch 3.1 looks for them at the place of the first option.
//! - Ports are Ethernet ports. `encap` and `decap` of Ethernet and network service headers are done; `encap` of labels outside of Ethernet is
//!   refused (`OFPBAC_BAD_EXP_TYPE`).
//! - In a bundle each message sees what those before it have done. Open vSwitch publishes a mask that is new in a table when the bundle is
//!   through: a modify or delete that is not strict, and CHECK_OVERLAP, do not see flows under such a mask before.
//! - No queues and no IPFIX collectors; no patch ports, bonds, mirrors or spanning tree.
//! - Buckets of select groups, links of `multipath` and members of `bundle` are chosen by another hash.
//! - A packet that nests resubmits, groups and clones deeper than [`pipeline::MAX_NESTING`] in any direction is dropped, and so
//!   is one that needs more than [`pipeline::MAX_ACTIONS`] or [`pipeline::MAX_OCTETS`]: Open vSwitch has other bounds, on the octets of its
//!   datapath's actions among them. After [`pipeline::MAX_BRANCHES`] of `check_pkt_larger` a packet's further ones are not done.
//! - A packet that `controller(pause)` stops can't be resumed.
//! - A packet-in from the action set or a clone of a packet that went through the datapath twice (labels popped, a select group) has the cookie of the first
//!   flow, where Open vSwitch has that of the last or none.
//! - Packets whose ARP, ICMP or neighbour discovery fields are set meet their meters in order, where Open vSwitch meters them later or not at all.

mod answers;
mod bundles;
mod check;
mod check_extension;
mod checksum;
mod conjunctions;
mod extract;
mod features;
mod field;
mod flow_key;
mod flow_match;
mod flow_mods;
mod follow_through;
mod groups;
mod headers;
mod label_stack;
mod learning;
mod mac_table;
mod meters;
mod packet;
pub mod pipeline;
mod ports;
#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod switch;
pub mod tables;
#[cfg(test)]
mod tests;
mod tunnel_options;

pub use bundles::{BUNDLE_LIFETIME, MAX_BUNDLE_MESSAGES, MAX_BUNDLE_OCTETS, MAX_BUNDLES};
pub use check::{MAX_ACTIONS, MAX_ACTIONS_LEN, MAX_PORTS};
pub use flow_key::FlowKey;
pub use flow_match::FlowMatch;
pub(crate) use follow_through::follow_through;
pub use groups::{BucketState, Group, Groups, MAX_BUCKETS, MAX_GROUPS, MAX_LIVENESS_DEPTH};
pub use mac_table::{ADDRESS_LIFETIME, MAX_ADDRESSES, MacTable};
pub use meters::{BandState, MAX_BANDS, MAX_METERS, Meter, Meters};
pub use packet::{FRAME_LEN_MAX, Packet};
pub use pipeline::{Trace, View};
pub use ports::{PortRecord, Ports};
pub use switch::{MAX_FLOWS, Switch, SwitchConfig, SwitchCounters, SwitchTransmit};
pub use tables::{FlowEntry, FlowFilter, FlowId, Tables};
pub use tunnel_options::TunnelOptions;

/// Whole seconds for the 32-bit fields of statistics.
pub(crate) fn seconds(age: std::time::Duration) -> u32 {
    u32::try_from(age.as_secs()).unwrap_or(u32::MAX)
}
