//! OVSDB, the database that an Open vSwitch is configured by (RFC 7047): a client without the connection, a copy of the tables that say
//! what bridges, ports and interfaces there are, and BFD on the interfaces between switches.
//!
//! Everything with state is driven by the same verbs: `handle_…(…, now)`, `handle_timeout`, `poll_transmit`, `poll_event`,
//! `poll_timeout`. The time is an argument, the stream is its owner's.
//!
//! The tables are followed by RFC 7047's own `monitor`, which every server knows: its updates bring whole rows, so that a copy needs no
//! schema to be right. A connection's end is its `monitor_cancel`.
#![forbid(unsafe_code)]

pub mod bfd;
pub mod client;
pub mod framing;
pub mod replica;
pub mod transaction;
mod value;

pub use client::{Client, ClientConfig, ClientEvent, CloseReason};
pub use framing::{FrameError, Framer, MAX_DEPTH, MAX_MESSAGE_OCTETS};
pub use replica::{Bridge, Interface, Replica};
pub use transaction::{Outcome, Transaction};
pub use value::Uuid;
