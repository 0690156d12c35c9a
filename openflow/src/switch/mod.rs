//! A software switch that behaves as Open vSwitch does, in three layers: [`tables`] (pure lookup; overlap, subset and intersection of
//! matches), [`pipeline`] (a packet in, a [`Trace`] out, nothing changed) and the stateful [`Switch`] on the five verbs.
//!
//! Where the specification leaves a choice, Open vSwitch's is taken: no buffers (every packet-in is whole), a table miss is a drop,
//! instructions are stored in the order of their execution, error codes come in its order. Known differences: no `NORMAL` output, no MPLS and PBB actions, no
//! queues, no connection tracking, and none of its extensions.

mod answers;
mod check;
mod checksum;
mod extract;
mod features;
mod flow_key;
mod flow_match;
mod flow_mods;
mod groups;
mod meters;
mod packet;
pub mod pipeline;
mod ports;
#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod switch;
pub mod tables;
#[cfg(test)]
mod tests;

pub use check::{MAX_ACTIONS, MAX_PORTS};
pub use flow_key::FlowKey;
pub use flow_match::FlowMatch;
pub use groups::{BucketState, Group, Groups, MAX_BUCKETS, MAX_GROUPS, MAX_LIVENESS_DEPTH};
pub use meters::{BandState, MAX_BANDS, MAX_METERS, Meter, Meters};
pub use packet::{FRAME_LEN_MAX, Packet};
pub use pipeline::{Trace, View};
pub use ports::{PortRecord, Ports};
pub use switch::{MAX_FLOWS, Switch, SwitchConfig, SwitchCounters, SwitchTransmit};
pub use tables::{FlowEntry, FlowFilter, FlowId, Tables};

/// Whole seconds for the 32-bit fields of statistics.
pub(crate) fn seconds(age: std::time::Duration) -> u32 {
    u32::try_from(age.as_secs()).unwrap_or(u32::MAX)
}
