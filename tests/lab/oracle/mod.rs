//! Open vSwitch as an oracle: the same messages and the same frames go to it and to the project's own code, and the answers have to be
//! the same.
//!
//! The switch has Open vSwitch's dummy datapath: the whole of its OpenFlow side and its userspace datapath, but no devices. What a port
//! sends is appended to a capture file, at once, so that thousands of cases a minute need no waiting.

pub mod bundled;
pub mod capture;
pub mod client;
pub mod dissect;
pub mod events;
pub mod generate;
pub mod headers;
pub mod minimise;
pub mod nicira;
pub mod options;
pub mod packet;
pub mod random;
pub mod samples;
pub mod stored;
pub mod twin;
pub mod unixctl;
