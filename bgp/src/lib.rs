//! BGP-4: wire codec, sans-IO sessions, RIBs, decision process and export.
//!
//! - [`wire`]: messages from octets and back. Errors have the outcomes of RFC 7606; what is not known is kept.
//! - [`mrt`]: files of routes and messages (RFC 6396), read and written.
//! - [`session`]: the state machine of RFC 4271 §8, one connection each, without sockets or clock.
//! - [`peer`]: a neighbour, which is up to two sessions while connections collide.
#![deny(unsafe_code)]

pub mod export;
#[cfg(feature = "tokio")]
pub mod io;
pub mod mrt;
pub mod peer;
pub mod policy;
pub mod rib;
pub mod session;
pub mod speaker;
pub mod wire;
