//! A software switch that behaves as Open vSwitch does, in three layers: `tables` (pure lookup; overlap, subset and intersection of
//! matches), `pipeline` (a packet in, a [`Trace`](pipeline::Trace) out, nothing changed) and the stateful [`Switch`].

mod switch;

pub use switch::{Switch, SwitchConfig, SwitchTransmit};
